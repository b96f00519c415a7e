"""Reads every collection of a server page by page with OWSLib, as other people's programs do: owslib_read.py URL."""

import sys

from owslib.ogcapi.features import Features

PAGE = 500
server = Features(sys.argv[1].rstrip("/") + "/")
for layer in (collection["id"] for collection in server.collections()["collections"]):
    seen, total = set(), 1
    while len(seen) < total:
        page = server.collection_items(layer, limit=PAGE, offset=len(seen))
        total = page["numberMatched"]
        before = len(seen)
        seen.update(feature["id"] for feature in page["features"])
        if len(seen) == before:
            break
    print(layer, total)
    if len(seen) != total:
        sys.exit(f"{layer}: {len(seen)} of {total} features came")
