#!/usr/bin/env bash
# A PostgreSQL for tests: a cluster of its own in a temporary folder, on a free port of 127.0.0.1 and
# a socket in that folder. It never touches a cluster of yours.
#
#   scripts/postgres.sh run COMMAND…   start, run COMMAND with FEIQIAN_TEST_POSTGRES_URL, stop
#   scripts/postgres.sh start          start one for this checkout and print its URL
#   scripts/postgres.sh url            print the URL of the one that start started
#   scripts/postgres.sh stop           stop it and remove all it wrote
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=$root/var/test-postgres # the folder of the cluster that start started

say() { echo "postgres.sh: $*" >&2; }

fail() {
	say "$@"
	exit 1
}

# find_bin prints the folder that holds the server's programs, the newest first.
find_bin() {
	local folder
	for folder in \
		"$(pg_config --bindir 2>/dev/null || true)" \
		"$(dirname "$(command -v initdb || echo /none/initdb)")" \
		$(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin \
			/usr/local/opt/postgresql@*/bin | sort -rV); do
		if [[ -x $folder/initdb && -x $folder/pg_ctl && -x $folder/postgres ]]; then
			echo "$folder"
			return 0
		fi
	done
	return 1
}

# install takes Debian's package. Its own default cluster is neither made nor used.
install() {
	local admin=()
	local advice="install PostgreSQL 15 or later, or name its programs' folder in PATH"
	command -v apt-get >/dev/null || fail "no PostgreSQL server here; $advice"
	if [[ $(id -u) != 0 ]]; then
		sudo -n true 2>/dev/null || fail "no PostgreSQL server here; run: sudo apt-get install postgresql"
		admin=(sudo -n)
	fi
	admin+=(env DEBIAN_FRONTEND=noninteractive)
	say "no PostgreSQL server here: installing Debian's package postgresql"
	{
		"${admin[@]}" apt-get update -q &&
			"${admin[@]}" apt-get install -qy --no-install-recommends postgresql-common &&
			"${admin[@]}" sed -i.feiqian 's/^[# ]*create_main_cluster.*/create_main_cluster = false/' \
				/etc/postgresql-common/createcluster.conf &&
			"${admin[@]}" apt-get install -qy --no-install-recommends postgresql
	} >&2 || say "apt-get failed"
	if [[ -e /etc/postgresql-common/createcluster.conf.feiqian ]]; then
		"${admin[@]}" mv /etc/postgresql-common/createcluster.conf.feiqian /etc/postgresql-common/createcluster.conf
	fi
	find_bin >/dev/null || fail "still no PostgreSQL server; $advice"
}

# plain runs a server program, as an unprivileged user when we are root, since the server refuses root.
plain() {
	if [[ $(id -u) == 0 ]]; then
		(cd "$folder" && exec runuser -u "$(owner)" -- env -i PATH="$PATH" LC_ALL=C.UTF-8 "$@")
	else
		(cd "$folder" && exec env LC_ALL=C.UTF-8 "$@")
	fi
}

owner() { if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi; }

# free_port prints a port of 127.0.0.1 on which nobody answers.
free_port() {
	local port
	while true; do
		port=$((20000 + RANDOM % 12000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
}

# up makes a cluster in $folder and starts it; it leaves the URL in $folder/url.
up() {
	local bin port try
	bin=$(find_bin) || { install && bin=$(find_bin); }
	if [[ $(id -u) == 0 ]]; then chown "$(owner)" "$folder"; fi
	plain "$bin/initdb" --pgdata="$folder/data" --username=feiqian --auth=trust \
		--locale=C.UTF-8 --encoding=UTF8 >"$folder/initdb.log" 2>&1 ||
		{ cat "$folder/initdb.log" >&2 && fail "initdb failed"; }
	plain tee -a "$folder/data/postgresql.conf" >/dev/null <<-SETTINGS
		listen_addresses = '127.0.0.1'
		unix_socket_directories = '$folder'
		fsync = on
		synchronous_commit = on
		max_connections = 200
		max_wal_size = 4GB
		shared_buffers = 256MB
	SETTINGS
	for try in 1 2 3 4 5; do
		port=$(free_port)
		if plain "$bin/pg_ctl" start --pgdata="$folder/data" --log="$folder/data/server.log" --wait --silent \
			--options="-p $port" >"$folder/start.log" 2>&1; then
			plain "$bin/createdb" --host="$folder" --port="$port" --username=feiqian feiqian
			echo "postgres://feiqian@127.0.0.1:$port/feiqian?sslmode=disable" >"$folder/url"
			return
		fi
		say "port $port was taken, or the server did not start (try $try)"
	done
	cat "$folder/start.log" "$folder/data/server.log" >&2
	fail "the server does not start; the lines above say why"
}

# down stops the cluster in $folder and removes the folder.
down() {
	local bin
	case ${folder##*/} in feiqian-postgres.*) ;; *) fail "$folder is none of ours" ;; esac
	[[ -d $folder ]] || return 0
	if [[ -e $folder/data/postmaster.pid ]] && bin=$(find_bin); then
		plain "$bin/pg_ctl" stop --pgdata="$folder/data" --mode=immediate --silent || true
	fi
	rm -rf "$folder"
}

new_folder() {
	local parent=${TMPDIR:-/tmp}
	if [[ $(id -u) == 0 ]]; then parent=/tmp; fi # the unprivileged user must reach it
	mktemp -d "$parent/feiqian-postgres.XXXXXX"
}

case ${1:-} in
run)
	shift
	[[ $# -gt 0 ]] || fail "run what? write: scripts/postgres.sh run COMMAND…"
	folder=$(new_folder)
	trap down EXIT
	trap 'exit 130' INT TERM HUP
	up
	FEIQIAN_TEST_POSTGRES_URL=$(cat "$folder/url") "$@"
	;;
start)
	if [[ ! -e $state ]] || ! [[ -e $(cat "$state")/data/postmaster.pid ]]; then
		folder=$(new_folder)
		trap down EXIT
		trap 'exit 130' INT TERM HUP
		up
		mkdir -p "${state%/*}"
		echo "$folder" >"$state"
		trap - EXIT
	fi
	cat "$(cat "$state")/url"
	;;
url)
	[[ -e $state ]] || fail "none is running; write: scripts/postgres.sh start"
	cat "$(cat "$state")/url"
	;;
stop)
	[[ -e $state ]] || exit 0
	folder=$(cat "$state")
	down
	rm -f "$state"
	;;
*)
	fail "write: scripts/postgres.sh run COMMAND… | start | url | stop"
	;;
esac
