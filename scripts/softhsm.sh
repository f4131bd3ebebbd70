#!/bin/sh
# Installs SoftHSM2 from Debian, for the tests of the PKCS#11 key store (make test-pkcs11). Needs root.
set -eu
if command -v softhsm2-util >/dev/null; then
	echo 'SoftHSM2 is installed'
	exit 0
fi
apt-get update
apt-get install -y --no-install-recommends softhsm2
