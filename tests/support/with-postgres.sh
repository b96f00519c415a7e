#!/usr/bin/env bash
# Runs a command with a private PostgreSQL on a free port, in BIAOTU_TEST_POSTGRES; stops and removes it afterwards.
# Tests lose nothing by fsync=off; measurements of writes set BIAOTU_TEST_FSYNC=on.
set -euo pipefail
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -x "${bin:-}/initdb" ] || { echo "PostgreSQL's server programs are missing: make setup" >&2; exit 1; }
work=$(mktemp -d)
# initdb refuses root.
if [ "$(id -u)" -eq 0 ]; then
  chown postgres "$work"
  as() { runuser -u postgres -- "$@"; }
else
  as() { "$@"; }
fi
stop() { as "$bin/pg_ctl" -D "$work/data" -m immediate -w stop >/dev/null 2>&1 || true; rm -rf "$work"; }
trap stop EXIT
trap 'exit 130' INT TERM
cd "$work"
as "$bin/initdb" -D "$work/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
for _ in 1 2 3 4 5; do
  port=$((20000 + RANDOM % 20000))
  if as "$bin/pg_ctl" -D "$work/data" -w -t 60 -l "$work/log" -o "-p $port -k $work -c listen_addresses=127.0.0.1 -c fsync=${BIAOTU_TEST_FSYNC:-off} -c max_connections=200 -c shared_buffers=256MB" start >/dev/null; then
    break
  fi
done
cd "$OLDPWD"
export BIAOTU_TEST_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres"
"$@"
