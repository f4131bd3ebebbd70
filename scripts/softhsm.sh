#!/usr/bin/env bash
# SoftHSM2 for the tests of the PKCS#11 key store: installs Debian's package where it is missing.
set -euo pipefail

module=/usr/lib/softhsm/libsofthsm2.so

say() { echo "softhsm.sh: $*" >&2; }

present() { command -v softhsm2-util >/dev/null && [[ -e $module ]]; }

install() {
	local admin=()
	if ! command -v apt-get >/dev/null; then
		say "no SoftHSM2 here; install it, with its module as $module"
		exit 1
	fi
	if [[ $(id -u) != 0 ]]; then
		if ! sudo -n true 2>/dev/null; then
			say "no SoftHSM2 here; run: sudo apt-get install softhsm2"
			exit 1
		fi
		admin=(sudo -n)
	fi
	admin+=(env DEBIAN_FRONTEND=noninteractive)
	say "no SoftHSM2 here: installing Debian's package softhsm2"
	{
		"${admin[@]}" apt-get update -q &&
			"${admin[@]}" apt-get install -qy --no-install-recommends softhsm2
	} >&2 || say "apt-get failed"
}

present && exit 0
install
present || {
	say "still no SoftHSM2"
	exit 1
}
