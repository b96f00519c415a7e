#!/usr/bin/env bash
# Roads over HTTP beside OSRM and Valhalla on the same extract and the same cores: requests a second, then how far the trips of both
# are apart. Needs wrk, and Python 3.12 (PYTHON=…) for the peers' packages, which go into target/peers.
# Run: bash benches/load/roads.sh region.osm.pbf
set -euo pipefail
extract=$(realpath "$1")
cd "$(dirname "$0")/../.."
here=benches/load
seconds=${SECONDS_EACH:-5}
peers=$PWD/target/peers
built=$peers/$(basename "$extract" .osm.pbf)
work=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

if [ ! -x "$peers/venv/bin/python" ]; then
  "${PYTHON:-python3.12}" -m venv "$peers/venv"
  "$peers/venv/bin/pip" install --quiet --only-binary :all: osrm-bindings pyvalhalla osmium
fi
PATH=$peers/venv/bin:$PATH
osrm=$(python -c 'import osrm; print(osrm.__path__[0])')
read -r ch mld by_time valhalla < <(python -c '
import socket
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*(one.getsockname()[1] for one in taken))')

timed() { # name, command…: how long it takes, and what it says if it fails
  local name=$1 from; shift; from=$(date +%s.%N)
  "$@" >"$work/out" 2>&1 || { cat "$work/out"; exit 1; }
  awk -v n="$name" -v a="$from" -v b="$(date +%s.%N)" 'BEGIN{printf "| build | %s | %.1f s |\n", n, b - a}'
}
# OSRM, with the profile that it comes with; and with that profile minimising time alone, as ours does, to tell the two apart.
contracted() { rm -rf "$2"; mkdir -p "$2"; ln -s "$extract" "$2/x.osm.pbf"
  "$osrm/bin/osrm-extract" -p "$1" "$2/x.osm.pbf"; "$osrm/bin/osrm-contract" "$2/x.osrm"; }
partitioned() { rm -rf "$2"; mkdir -p "$2"; ln -s "$extract" "$2/x.osm.pbf"
  "$osrm/bin/osrm-extract" -p "$1" "$2/x.osm.pbf"; "$osrm/bin/osrm-partition" "$2/x.osrm"; "$osrm/bin/osrm-customize" "$2/x.osrm"; }
tiled() { rm -rf "$1"; mkdir -p "$1"
  valhalla_build_config --mjolnir-tile-dir "$1/tiles" --mjolnir-concurrency 2 --httpd-service-listen "tcp://127.0.0.1:$valhalla" \
    --httpd-service-loopback "ipc://$work/loopback" --httpd-service-interrupt "ipc://$work/interrupt" >"$1/config.json"
  valhalla_build_tiles -c "$1/config.json" "$extract"; }
own() { rm -f "$work"/own.gpkg*; "$biaotu" roads build --database "$work/own.gpkg" "$extract"; }

# PROGRAM is a binary that is there already.
[ -n "${PROGRAM:-}" ] || cargo build --release --quiet
biaotu=${PROGRAM:-${CARGO_TARGET_DIR:-target}/release/biaotu}
profiles=$peers/profiles
rm -rf "$profiles"; cp -r "$osrm/share/profiles" "$profiles"
sed "s/'routability',/'duration',/" "$profiles/car.lua" >"$profiles/time.lua"
timed Biaotu own
timed 'OSRM CH' contracted "$profiles/car.lua" "$built/ch"
timed 'OSRM MLD' partitioned "$profiles/car.lua" "$built/mld"
timed 'OSRM CH, time alone' contracted "$profiles/time.lua" "$built/time"
timed Valhalla tiled "$built/valhalla"

"$biaotu" serve --listen 127.0.0.1:0 --database "$work/own.gpkg" >"$work/url" 2>"$work/log" & started+=($!)
routed() { "$osrm/bin/osrm-routed" --ip 127.0.0.1 --port "$1" --max-table-size 2000 --threads 2 "${@:3}" "$2/x.osrm" >"$work/$1.log" 2>&1 & started+=($!); }
routed "$ch" "$built/ch"
routed "$mld" "$built/mld" --algorithm MLD
routed "$by_time" "$built/time"
# Not by its wrapper, which leaves the service running when it is ended.
"$(python -c 'import valhalla; print(valhalla.__path__[0])')/bin/valhalla_service" "$built/valhalla/config.json" 2 >"$work/valhalla.log" 2>&1 & started+=($!)
until [ -s "$work/url" ]; do sleep 0.2; done
export BIAOTU=$(cat "$work/url") OSRM=http://127.0.0.1:$ch MLD=http://127.0.0.1:$mld BY_TIME=http://127.0.0.1:$by_time
export VALHALLA=http://127.0.0.1:$valhalla
python $here/roads.py draw "$extract" "$work" "${PAIRS:-1000}"

rate() { # paths, connections, server -> requests a second, median, 99th percentile, complaints
  PATHS=$work/$1 wrk -t1 -c"$2" -d"${seconds}s" --timeout 20 --latency -s $here/paths.lua "$3" |
    awk '/Requests\/sec/{r=$2} /50%/{a=$2} /99%/{b=$2} /Non-2xx/{e=$0} END{printf "%s/s, p50 %s, p99 %s %s", r, a, b, e}'
}
echo '| question, connections | Biaotu | OSRM CH | OSRM MLD |'
for both in 2 64; do
  for kind in 'geometry route' 'steps steps'; do
    read -r name file <<<"$kind"
    echo "| route with $name, $both | $(rate "$file" $both "$BIAOTU") | $(rate "$file" $both "$OSRM") | $(rate "$file" $both "$MLD") |"
  done
done
echo "| table 1 × 1,000, 2 | $(rate table 2 "$BIAOTU") | $(rate table 2 "$OSRM") | $(rate table 2 "$MLD") |"
echo '| question, connections | Biaotu | Valhalla |'
for both in 2 8; do
  echo "| isochrone of 10 minutes, $both | $(rate reach $both "$BIAOTU") | $(rate isochrone $both "$VALHALLA") |"
done
python $here/roads.py compare "$work"
python $here/roads.py close "$work" 100
for both in 2 64; do
  echo "| with 100 closures: route with geometry, $both | $(rate route $both "$BIAOTU") | with steps | $(rate steps $both "$BIAOTU") |"
done
if [ -n "${STAY:-}" ]; then env | grep -E '^(BIAOTU|OSRM|MLD|BY_TIME|VALHALLA)='; cp "$work"/pairs "$built/"; wait; fi
