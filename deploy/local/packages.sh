#!/usr/bin/env bash
# The Debian packages that the tests need: installed when root, else named in one line.
set -euo pipefail

missing=()
for program in chromium curl git; do
    command -v "$program" >/dev/null || missing+=("$program")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" fonts-dejavu-core >/dev/null
    exit 0
fi
echo "the tests need: apt-get install ${missing[*]}" >&2
exit 2
