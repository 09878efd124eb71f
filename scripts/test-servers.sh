#!/usr/bin/env bash
# What the tests need beside the local servers: Debian's PostgreSQL with its contrib extensions, which
# the local one lacks (each Debian has one major version; the other is left out), and Chromium.
set -euo pipefail

MAJORS='15 17'

missing=()
for major in $MAJORS; do
  [ -x "/usr/lib/postgresql/$major/bin/postgres" ] || missing+=("postgresql-$major")
done
command -v chromium >/dev/null || missing+=(chromium)
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

command -v chromium >/dev/null || {
  echo 'The tests of the reports need Chromium: `sudo apt-get install chromium`.' >&2
  exit 1
}
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || {
  echo "The tests need Debian's PostgreSQL: \`sudo apt-get install ${missing[*]}\`, or one of them." >&2
  exit 1
}
