#!/usr/bin/env bash
# Prints the path of a Python 3.11 to 3.13 that can make virtual environments: python3 if it fits, else a versioned one.
set -euo pipefail

for name in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
    # `import venv` works on Debian without python3-venv, ensurepip does not
    if "$name" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
        "$name" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done
found=$(python3 --version 2>&1 || true)
echo "No Python 3.11, 3.12 or 3.13 with venv was found (python3 is: ${found:-not there})." >&2
echo "Debian 12, 13 and Ubuntu 24.04 have one: apt-get install python3-venv. Or set PYTHON to the path of one." >&2
exit 1
