#!/usr/bin/env bash
# Runs a script of a package of ours by npm, with what its lock file names installed: scripts/npm.sh FOLDER SCRIPT.
# What is installed stays until the lock file changes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../$1"

say() { echo "npm.sh: $*" >&2; }

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
	say "no Node.js here: the TypeScript SDK needs Node 20.3 or later with npm."
	say "Install it from https://nodejs.org or your system (Debian 13: sudo apt-get install nodejs npm)."
	say "The Go part alone: 'go test ./...' and 'bin/golangci-lint run ./...'."
	exit 1
fi
if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 3) ? 0 : 1)'; then
	say "Node $(node --version) is too old: the TypeScript SDK needs Node 20.3 or later."
	exit 1
fi
want=$(node -e 'const c = require("crypto"), f = require("fs");
	console.log(c.createHash("sha256").update(f.readFileSync("package-lock.json")).digest("hex"))')
if [[ $(cat node_modules/.installed 2>/dev/null) != "$want" ]]; then
	npm ci --ignore-scripts --no-audit --no-fund >&2
	echo "$want" >node_modules/.installed
fi
exec npm run --silent "$2"
