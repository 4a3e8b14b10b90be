#!/usr/bin/env bash
# The Debian packages that the tests need: installed when root, else named in one line.
set -euo pipefail

missing=()
command -v chromium >/dev/null || missing+=(chromium fonts-dejavu-core)
command -v mvn >/dev/null || missing+=(maven)
command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    if [[ " ${missing[*]} " == *" postgresql "* ]]; then
        # Its package would start a server of its own, that nobody here asks for.
        apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null
        sed -i -E 's/^#? *create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    fi
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    exit 0
fi
echo "the tests need: apt-get install ${missing[*]}" >&2
exit 2
