#!/usr/bin/env bash
# The one library that no Python package brings: libcurl, which the local MongoDB is linked with.
# Installs it where that needs no password (root on Debian or Ubuntu); says what to do elsewhere.
set -euo pipefail

has_libcurl() { PATH="$PATH:/sbin:/usr/sbin" ldconfig -p | grep -q 'libcurl\.so\.4 '; }

[ "$(uname -s)" = Linux ] || exit 0
has_libcurl && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends libcurl4
else
  echo 'The local MongoDB needs libcurl.so.4: `sudo apt-get install libcurl4`.' >&2
  echo 'With a MongoDB of your own (MEDIATOOL_MONGODB_URL) you can do without it.' >&2
fi
