#!/usr/bin/env bash
# What the tests need beside the local servers: Debian's PostgreSQL with its contrib extensions.
# The local one has none. Each Debian has one major version; those that it lacks are left out.
set -euo pipefail

MAJORS='15 17'

missing=()
for major in $MAJORS; do
  [ -x "/usr/lib/postgresql/$major/bin/postgres" ] || missing+=("postgresql-$major")
done
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

ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || {
  echo "The tests need Debian's PostgreSQL: \`sudo apt-get install ${missing[*]}\`, or one of them." >&2
  exit 1
}
