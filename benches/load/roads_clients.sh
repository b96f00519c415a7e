#!/usr/bin/env bash
# Whether clients of OSRM's API take the answers of a running server: routingpy, osrm-text-instructions, Leaflet Routing Machine.
# Needs Python and node; the clients go into target/peers. Draws 200 trips in a box.
# Run: bash benches/load/roads_clients.sh http://127.0.0.1:8080 west,south,east,north
set -euo pipefail
server=$1 box=$2
cd "$(dirname "$0")/../.."
here=$PWD/benches/load
clients=$PWD/target/peers/clients
mkdir -p "$clients"
if [ ! -d "$clients/node_modules/jsdom" ]; then
  (cd "$clients"; [ -f package.json ] || echo '{"private":true}' >package.json
    npm install --silent --no-audit --no-fund osrm-text-instructions leaflet leaflet-routing-machine jsdom)
fi
if [ ! -x "$clients/venv/bin/python" ]; then
  "${PYTHON:-python3}" -m venv "$clients/venv"
  "$clients/venv/bin/pip" install --quiet routingpy
fi
"$clients/venv/bin/python" "$here/roads_clients.py" "$server" "$box" "$clients/pairs"
# node looks for packages beside the script.
cp "$here/roads_clients.js" "$clients/check.js"
node "$clients/check.js" "$server" "$clients/pairs"
