#!/usr/bin/env bash
# Runs a command beside a server with the demo county in a GeoPackage of its own; its address is in BASE_URL.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
"$(dirname "$0")/../../target/debug/biaotu" serve --demo --listen 127.0.0.1:0 --database "$work/demo.gpkg" >"$work/url" 2>"$work/log" &
server=$!
for _ in $(seq 300); do
  [ -s "$work/url" ] && break
  kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
  sleep 0.1
done
export BASE_URL=$(cat "$work/url")
"$@"
