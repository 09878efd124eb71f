#!/usr/bin/env bash
# Writes the pinned packages for Python 3.11 to 3.13 on Linux, with the SHA-256 of each of their files:
# requirements.txt for `make`, deploy/docker/requirements.txt for the image, compiler-requirements.txt
# for machines without a C compiler. It needs uv, and uses the index that uv is configured with.
# Versions do not change, unless uv's arguments say so:
#   scripts/requirements.sh --upgrade-package boto3
#   scripts/requirements.sh --upgrade
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 - "$folder" <<'PYTHON'
import sys, tomllib
from pathlib import Path
project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))
folder = Path(sys.argv[1])
(folder / "build.in").write_text("\n".join(project["build-system"]["requires"]))
extras = project["project"]["optional-dependencies"]
(folder / "compiler.in").write_text("\n".join(extras["compiler"]))
PYTHON

compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
        --no-emit-index-url --custom-compile-command scripts/requirements.sh \
        "$@"
}

compile "$@" --extra local --extra dev --output-file requirements.txt pyproject.toml "$folder/build.in"
cp requirements.txt "$folder/all.txt"
compile --constraints "$folder/all.txt" --output-file deploy/docker/requirements.txt \
    pyproject.toml "$folder/build.in"
compile "$@" --output-file compiler-requirements.txt "$folder/compiler.in"
