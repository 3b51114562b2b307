#!/usr/bin/env bash
# Makes .venv from a lock file and puts its stamp last, so that an interrupted run starts again.
#   scripts/venv.sh requirements.lock .venv/.installed
set -euo pipefail

lock=$1 stamp=$2
if [ -e .venv ] && ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "removing a half-made .venv"
    rm -rf .venv
fi
if [ ! -e .venv ]; then
    python=$(scripts/find-python.sh)
    echo "making .venv with $python"
    "$python" -m venv .venv
fi
pip() {
    .venv/bin/python -m pip --disable-pip-version-check install --quiet "$@"
}
echo "installing $lock"
pip --require-hashes -r "$lock"
pip --no-deps --no-build-isolation -e .
touch "$stamp"
