#!/usr/bin/env bash
# Load over HTTP beside PostGIS on the same million rows and the same cores, and beside a handler that returns constants.
# Needs wrk and pgbench. Run: bash tests/support/with-postgres.sh bash benches/load/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
here=benches/load
seconds=${SECONDS_EACH:-10}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
base=${BIAOTU_TEST_POSTGRES%/*}
psql -q "$BIAOTU_TEST_POSTGRES" -c 'DROP DATABASE IF EXISTS biaotu_load' -c 'CREATE DATABASE biaotu_load'
url=$base/biaotu_load
cargo build --release --quiet
cargo build --release --quiet --example constant
target/release/biaotu check --database "$url" >/dev/null
psql -q -v ON_ERROR_STOP=1 "$url" -f $here/fill.sql >/dev/null
psql -qtA "$url" -c "SELECT lon || ',' || lat FROM asked" >"$work/asked"
target/release/biaotu serve --listen 127.0.0.1:0 --database "$url" >"$work/url" 2>"$work/log" &
until [ -s "$work/url" ]; do sleep 0.2; done
server=$(cat "$work/url")
grep -o 'world loaded.*' "$work/log" || true

ask() { ASKED=$work/asked QUESTION=$1 wrk -t1 -c2 -d"${seconds}s" --latency -s $here/ask.lua "$2" | awk '/Requests\/sec/{r=$2} /50%/{a=$2} /99%/{b=$2} /Non-2xx/{e=$0} END{print r, a, b, e}'; }
postgis() { pgbench -n -M prepared -c2 -j1 -T"$seconds" -f "$1" "$url" 2>/dev/null | awk '/^tps/{print $3}'; }
row() { # name, path, sql file
  read -r rate p50 p99 rest <<<"$(ask "$2" "$server")"
  place=$(sed -n 7p "$work/asked")
  bytes=$(curl -s "$server$(printf "$2" "$place")" | wc -c)
  target/release/examples/constant "$bytes" >"$work/constant" & constant=$!
  until [ -s "$work/constant" ]; do sleep 0.1; done
  read -r floor _ <<<"$(ask "$2" "$(cat "$work/constant")")"
  kill $constant; : >"$work/constant"
  theirs=$(postgis "$3")
  awk -v n="$1" -v r="$rate" -v a="$p50" -v b="$p99" -v t="$theirs" -v f="$floor" -v y="$bytes" -v e="$rest" \
    'BEGIN{printf "| %s | %.0f/s, p50 %s, p99 %s | %.0f/s | %.1f× | %d bytes | %.0f/s | %.0f %% | %s\n", n, r, a, b, t, r/t, y, f, 100*r/f, e}'
}
echo "| question | Biaotu | PostGIS | ahead | answer | constant handler | of it |"
row '10 nearest' '/query/nearest?layer=supply_depot&point=%s&k=10' $here/nearest.sql
row 'within 10 km, sums' '/query/within?layer=supply_depot&point=%s&radius=10km&sum=stock&limit=0' $here/sums.sql
row 'within 10 km, 100 features' '/query/within?layer=supply_depot&point=%s&radius=10km&limit=100' $here/within100.sql
