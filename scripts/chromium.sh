#!/usr/bin/env bash
# A Chromium for tests: prints its path; installs Debian's package where there is none.
set -euo pipefail

say() { echo "chromium.sh: $*" >&2; }

find_program() {
	local name
	for name in "${FEIQIAN_TEST_CHROMIUM:-}" chromium chromium-browser google-chrome chrome; do
		if [[ -n $name ]] && command -v "$name"; then return 0; fi
	done
	return 1
}

install() {
	local admin=()
	if ! command -v apt-get >/dev/null; then
		say "no Chromium here; install one, or name it in FEIQIAN_TEST_CHROMIUM"
		exit 1
	fi
	if [[ $(id -u) != 0 ]]; then
		if ! sudo -n true 2>/dev/null; then
			say "no Chromium here; run: sudo apt-get install chromium"
			exit 1
		fi
		admin=(sudo -n)
	fi
	admin+=(env DEBIAN_FRONTEND=noninteractive)
	say "no Chromium here: installing Debian's package chromium, with a Chinese font for pictures of pages"
	{
		"${admin[@]}" apt-get update -q &&
			"${admin[@]}" apt-get install -qy --no-install-recommends chromium fonts-wqy-microhei
	} >&2 || say "apt-get failed"
}

find_program && exit 0
install
find_program || {
	say "still no Chromium; install one, or name it in FEIQIAN_TEST_CHROMIUM"
	exit 1
}
