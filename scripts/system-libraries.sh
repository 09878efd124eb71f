#!/usr/bin/env bash
# Installs libcurl, which the local MongoDB needs and which no Python package contains, as root on
# Debian or Ubuntu. Elsewhere it prints the command to install it.
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
  echo 'It is not needed with a MongoDB of your own (MEDIATOOL_MONGODB_URL).' >&2
fi
