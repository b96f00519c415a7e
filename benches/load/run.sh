#!/usr/bin/env bash
# Load over HTTP beside PostGIS on the same million rows and the same cores, and beside a handler that returns constants;
# then writes beside readers. Needs wrk and pgbench. Run: BIAOTU_TEST_FSYNC=on bash tests/support/with-postgres.sh bash benches/load/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
here=benches/load
seconds=${SECONDS_EACH:-8}
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
read -r tile points < <(psql -qtA -F ' ' "$url" -c "SELECT z || '/' || x || '/' || y, points FROM asked_tile")
target/release/biaotu serve --listen 127.0.0.1:0 --database "$url" >"$work/url" 2>"$work/log" &
until [ -s "$work/url" ]; do sleep 0.2; done
server=$(cat "$work/url")
grep -o 'world loaded.*' "$work/log" || true

# script, question, connections, server -> rate, median, 99th percentile, complaints
drive() {
  ASKED=$work/asked QUESTION=$2 wrk -t1 -c"$3" -d"${seconds}s" --latency -s "$here/$1" "$4" |
    awk '/Requests\/sec/{r=$2} /50%/{a=$2} /99%/{b=$2} /Non-2xx/{e=$0} END{print r, a, b, e}'
}
postgis() { pgbench -n -M prepared -c"$2" -j1 -T"$seconds" -f "$1" "$url" 2>/dev/null | awk '/^tps/{print $3}'; }
row() { # name, path, sql file
  local place bytes
  place=$(sed -n 7p "$work/asked")
  bytes=$(curl -s "$server$(printf "$2" "$place")" | wc -c)
  target/release/examples/constant "$bytes" >"$work/constant" & local constant=$!
  until [ -s "$work/constant" ]; do sleep 0.1; done
  # Two connections, as two screens; then as many as each does best with.
  local both; for both in '2 2' '64 8'; do
    read -r ours theirs <<<"$both"
    read -r rate p50 p99 rest <<<"$(drive ask.lua "$2" "$ours" "$server")"
    read -r floor _ <<<"$(drive ask.lua "$2" "$ours" "$(cat "$work/constant")")"
    tps=$(postgis "$3" "$theirs")
    awk -v n="$1, $ours" -v r="$rate" -v a="$p50" -v b="$p99" -v t="$tps" -v c="$theirs" -v f="$floor" -v y="$bytes" -v e="$rest" \
      'BEGIN{printf "| %s | %.0f/s, p50 %s, p99 %s | %.0f/s with %d | %.1f× | %d bytes | %.0f/s | %.0f %% | %s\n", n, r, a, b, t, c, r/t, y, f, 100*r/f, e}'
  done
  kill $constant; : >"$work/constant"
}
echo "| question, connections | Biaotu | PostGIS | ahead | answer | constant handler | of it |"
row '10 nearest' '/query/nearest?layer=supply_depot&point=%s&k=10' $here/nearest.sql
row 'within 10 km, sums' '/query/within?layer=supply_depot&point=%s&radius=10km&sum=stock&limit=0' $here/sums.sql
row 'within 10 km, 100 features' '/query/within?layer=supply_depot&point=%s&radius=10km&limit=100' $here/within100.sql
row "tile $tile, $points points" "/tiles/supply_depot/$tile" $here/tile.sql

nearest='/query/nearest?layer=supply_depot&point=%s&k=10'
echo "readers alone: $(drive ask.lua "$nearest" 2 "$server")"
drive write.lua '' 1 "$server" >"$work/writes" & writing=$!
echo "readers beside a writer: $(drive ask.lua "$nearest" 2 "$server")"
wait $writing
echo "writes, each acknowledged when it is committed and visible: $(cat "$work/writes")"
