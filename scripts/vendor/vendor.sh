#!/bin/sh
# Copies MapLibre GL JS (and what the browser tests use) from npm into the tree, with their licences.
# The copies are committed: only who updates a version in package.json needs Node. To update:
#   edit package.json, `npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved` here, then `make vendor`.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$here/package.json" "$here/package-lock.json" "$work/"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)

# take <package> <target folder> <file>…: the last line of a minified file names a source map that is not copied
take() {
    package=$work/node_modules/$1
    target=$root/$2
    shift 2
    mkdir -p "$target"
    for file in "$@"; do
        sed -e '/^\/\/# sourceMappingURL=/d' -e 's/\/\/# sourceMappingURL=[^ ]*$//' "$package/$file" >"$target/$(basename "$file")"
    done
}

take maplibre-gl server/ui/static/vendor/maplibre-gl \
    dist/maplibre-gl.mjs dist/maplibre-gl-worker.mjs dist/maplibre-gl.css LICENSE.txt
take axe-core tests/browser/vendor/axe-core axe.min.js LICENSE
# clients that the browser tests draw our tiles with
take ol tests/browser/vendor/ol dist/ol.js ol.css LICENSE.md
take proj4 tests/browser/vendor/proj4 dist/proj4.js LICENSE.md
take leaflet tests/browser/vendor/leaflet dist/leaflet.js dist/leaflet.css LICENSE
take leaflet.vectorgrid tests/browser/vendor/leaflet.vectorgrid dist/Leaflet.VectorGrid.bundled.min.js README.md
take pmtiles tests/browser/vendor/pmtiles dist/pmtiles.js README.md
echo "vendored: $(sed -n 's/^ *"\([a-z-]*\)": "\([0-9.]*\)",*$/\1 \2/p' "$here/package.json" | tr '\n' ' ')"
