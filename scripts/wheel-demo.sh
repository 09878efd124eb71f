#!/usr/bin/env bash
# Installs the wheel in a new environment, without constraints, outside of the repository; then runs
# a small demo. PYTHON is the Python to try, as in `make PYTHON=...`.
set -euo pipefail

wheel=$(realpath "$1")
folder=$(mktemp -d)
trap 'cd /; "$folder/venv/bin/mediatool" down || true; rm -rf "$folder"' EXIT
cd "$folder"

"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check "$wheel[local]"
export MEDIATOOL_HOME="$folder/home"
venv/bin/mediatool demo --scale 0.001 --days 1
venv/bin/mediatool verify latest
