#!/usr/bin/env bash
# Makes a copy of an export without anything personal or confidential, and the proof of it:
#   sanitize-export.sh --input 20250621-143000-raw.tar.gz --output 20250621-143000-sanitized.tar.gz
# The key is that of MEDIATOOL_MASKING_KEY, else one that MEDIATOOL_HOME keeps. Other flags of `mediatool sanitize` are taken too.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mediatool=$root/.venv/bin/mediatool
[[ -x $mediatool ]] || mediatool=mediatool
exec "$mediatool" sanitize "$@"
