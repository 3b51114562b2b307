#!/usr/bin/env bash
# Makes sure that the system has what a target needs, and installs only what is missing.
#   scripts/system.sh python | demo | test | bench | clients
# Debian and Ubuntu: through apt, with sudo where the user is not root. Elsewhere it names the packages and stops.
set -euo pipefail

missing=()  # packages
reasons=()  # what each is for

need() {
    missing+=("$1")
    reasons+=("  $1: $2")
}

has_python() {
    scripts/find-python.sh >/dev/null 2>&1
}

# PostgreSQL 15 or newer with PostGIS, in Debian's folders or on PATH
has_postgis() {
    local initdb major
    for initdb in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$initdb" ] || continue
        major=$(basename "$(dirname "$(dirname "$initdb")")")
        [ "$major" -ge 15 ] && [ -e "/usr/share/postgresql/$major/extension/postgis.control" ] && return 0
    done
    command -v initdb >/dev/null && command -v pg_config >/dev/null &&
        [ -e "$(pg_config --sharedir)/extension/postgis.control" ]
}

look() {
    if [ ! -e .venv/.installed ] && ! has_python; then
        need python3-venv "Python 3.11 to 3.13 with venv, for .venv"
    fi
    [ "$1" = python ] && return
    if { [ "$1" != demo ] || [ -z "${DATABASE_URL:-}" ]; } && ! has_postgis; then
        need postgresql-postgis "PostgreSQL with PostGIS, for the private database"
    fi
    [ "$1" = demo ] && return
    command -v ogr2ogr >/dev/null || need gdal-bin "ogr2ogr, a client that the tests use"
    [ "$1" = test ] && return
    if [ "$1" = bench ]; then
        command -v wrk >/dev/null || need wrk "wrk, which sends the requests of the bench"
        return
    fi
    /usr/bin/python3 -c 'import qgis.core' 2>/dev/null || need python3-qgis "QGIS, a client that the tests use"
    Rscript -e 'library(sf)' >/dev/null 2>&1 || need r-cran-sf "R with sf, a client that the tests use"
    command -v chromium chromium-browser google-chrome >/dev/null ||
        need "$(chromium_package)" "Chromium, for the tests of the pages"
}

chromium_package() {
    if grep -qs '^ID=ubuntu' /etc/os-release; then echo chromium-browser; else echo chromium; fi
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then env "$@"; else sudo env "$@"; fi
}

# Quiet, because nobody reads 100 packages scroll by; shown whole if it fails.
apt() {
    local log
    log=$(mktemp)
    if ! as_root DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# PostgreSQL's package would make and start a cluster of its own on port 5432, which nobody here needs
avoid_main_cluster() {
    local conf=/etc/postgresql-common/createcluster.conf
    [ -e "$conf" ] && return 0
    apt install --no-install-recommends postgresql-common
    as_root sed -i 's/^#*\s*create_main_cluster.*/create_main_cluster = false/' "$conf"
    echo "set create_main_cluster = false in $conf: no cluster 'main' is made"
}

look "${1:?usage: scripts/system.sh python|demo|test|clients}"
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

echo "Missing on this system:"
printf '%s\n' "${reasons[@]}"
if ! command -v apt-get >/dev/null; then
    echo "This system has no apt. Install these (named as in Debian) by its own means and run make again." >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    echo "Installing them needs root, and there is no sudo. As root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
echo "Installing them with apt$([ "$(id -u)" -eq 0 ] || echo ' through sudo'); with nothing there yet it takes about a minute ..."
apt update || echo "some package lists could not be fetched; going on with those that are there"
case " ${missing[*]} " in *" postgresql-postgis "*) avoid_main_cluster ;; esac
apt install --no-install-recommends "${missing[@]}"

missing=() reasons=()
look "$1"
if [ ${#missing[@]} -ne 0 ]; then
    echo "Still missing after the installation; this system's packages are probably too old or too new:" >&2
    printf '%s\n' "${reasons[@]}" >&2
    exit 1
fi
