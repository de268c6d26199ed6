#!/bin/sh
# Writes .env beside compose.yaml, with strong secrets that exist nowhere else. Never changes one that is there.
#   sh deploy/make-env.sh
set -eu

cd "$(dirname "$0")/.."

if [ -e .env ]; then
  echo '.env is there already; it is left as it is.' >&2
  exit 0
fi

# 32 random bytes as hexadecimal digits, which need no quoting in a URL.
secret() {
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

umask 077
jwt=${JWT_SECRET:-$(secret)}
password=${POSTGRES_PASSWORD:-$(secret)}
# Written aside and moved, so that a broken run leaves no half file.
sed -e "s|^JWT_SECRET=.*|JWT_SECRET=$jwt|" \
  -e "s|^POSTGRES_PASSWORD=.*|POSTGRES_PASSWORD=$password|" .env.example >.env.new
mv .env.new .env
echo 'Wrote .env. Keep a copy somewhere safe: it is needed to restore a backup.' >&2
