#!/usr/bin/env bash
# Makes a copy of an export without personal or confidential values, with a proof:
#   sanitize-export.sh --input 20250621-143000-raw.tar.gz --output 20250621-143000-sanitized.tar.gz
# The key is MEDIATOOL_MASKING_KEY, else the one stored in MEDIATOOL_HOME. All flags of `mediatool
# sanitize` can be used.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mediatool=$root/.venv/bin/mediatool
[[ -x $mediatool ]] || mediatool=mediatool
exec "$mediatool" sanitize "$@"
