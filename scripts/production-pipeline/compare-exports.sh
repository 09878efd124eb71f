#!/usr/bin/env bash
# Compares two exports, every table and every row:
#   compare-exports.sh --version1 20250621-143000 --version2 20250622-080000 --output report.json
# All flags of `mediatool compare` can be used.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mediatool=$root/.venv/bin/mediatool
[[ -x $mediatool ]] || mediatool=mediatool
exec "$mediatool" compare "$@"
