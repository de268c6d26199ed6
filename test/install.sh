#!/usr/bin/env bash
# Installs what `npm run test:all` needs and this machine lacks.
#   test/install.sh [--with PACKAGE...]
# As root on Debian and its relatives it installs; elsewhere it says what to type, and fails.
set -euo pipefail

extra=()
if [[ ${1-} == --with ]]; then
  shift
  extra=("$@")
elif (($#)); then
  echo "usage: $0 [--with PACKAGE...]" >&2
  exit 2
fi

have() { PATH=$PATH:/usr/sbin command -v "$1" >/dev/null; }

if [[ $(uname) == Darwin ]]; then
  missing=()
  have initdb || compgen -G '/opt/homebrew/opt/postgresql@*/bin/initdb' >/dev/null ||
    compgen -G '/usr/local/opt/postgresql@*/bin/initdb' >/dev/null || missing+=(postgresql@17)
  have redis-server || missing+=(redis)
  have nginx || missing+=(nginx)
  have rsync || missing+=(rsync)
  have chromium || [[ -d /Applications/Chromium.app || -d '/Applications/Google Chrome.app' ]] ||
    missing+=(chromium)
  have firefox || [[ -d /Applications/Firefox.app ]] || missing+=(firefox)
  for package in ${extra[@]+"${extra[@]}"}; do
    brew list "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  ((${#missing[@]})) || exit 0
  echo "Missing. Type: brew install ${missing[*]}" >&2
  exit 1
fi

missing=()
have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
{ have redis-server && have redis-cli; } || missing+=(redis-server)
have nginx || missing+=(nginx)
have rsync || missing+=(rsync)
have chromium || have chromium-browser || have google-chrome || missing+=(chromium)
have firefox-esr || have firefox || missing+=(firefox-esr)
have ps || missing+=(procps)
for package in fonts-noto-cjk fonts-noto-color-emoji ${extra[@]+"${extra[@]}"}; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
done
# Search is tried in a database of this locale, too.
make_locale='localedef -i en_US -f UTF-8 en_US.UTF-8'
has_locale() { locale -a | grep -qix 'en_US\.utf-\?8'; }
has_locale || missing+=(locales)
((${#missing[@]})) || exit 0

if ! have apt-get; then
  echo "Missing, and there is no apt-get here; install what Debian calls: ${missing[*]}" >&2
  exit 1
fi
if ((EUID)); then
  has_locale || then_make=" && sudo $make_locale"
  echo "Missing. Type: sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}${then_make-}" >&2
  exit 1
fi

# The tests start services of their own: no package shall start one for the system.
undo=()
trap 'rm -f ${undo[@]+"${undo[@]}"}' EXIT
no_cluster=/etc/postgresql-common/createcluster.d/no-cluster-for-tests.conf
if [[ ! -e $no_cluster ]]; then
  mkdir -p "${no_cluster%/*}"
  undo+=("$no_cluster")
  echo 'create_main_cluster = false' >"$no_cluster"
fi
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  undo+=("$policy")
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi

echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" </dev/null
has_locale || $make_locale
