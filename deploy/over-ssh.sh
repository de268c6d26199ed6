#!/usr/bin/env bash
# Deploys to a server over SSH: sends the project's deployment files and the images, and runs the deploy script there.
# .github/workflows/deploy.yml runs it; it works from any machine.
#
#   SERVER_HOST=203.0.113.5 SERVER_USER=deploy IMAGE=chat-server:1 IMAGE_ARCHIVE=images.tar.gz bash deploy/over-ssh.sh
#
# Settings from the environment:
#   SERVER_HOST, SERVER_USER    where to, and as whom
#   SERVER_SSH_KEY              the private key itself; without it ssh looks for one as always
#   SERVER_PORT                 22 unless set
#   SERVER_HOST_KEY             the server's public key (a line of `ssh-keyscan`), so that nobody can pose as it
#   SUDO_PASSWORD               where sudo there asks for one
#   DEPLOY_PATH                 folder there; chat-server in the user's home unless set
#   DEPLOY_METHOD               k3s (unless set) or compose
#   IMAGE, WEB_IMAGE, IMAGE_ARCHIVE, DOMAIN, ACME_EMAIL, OVERLAY, BACKUP_DONE    as for the deploy script; without IMAGE the server builds
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

: "${SERVER_HOST:?is not set}" "${SERVER_USER:?is not set}"
port=${SERVER_PORT:-22}
method=${DEPLOY_METHOD:-k3s}
case $method in
  k3s | compose) ;;
  *)
    echo "DEPLOY_METHOD is k3s or compose, not $method" >&2
    exit 2
    ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077

if [ -n "${SERVER_HOST_KEY:-}" ]; then
  printf '%s\n' "$SERVER_HOST_KEY" >"$work/known_hosts"
else
  echo 'SERVER_HOST_KEY is not set: whoever answers first under that name is believed.' >&2
  ssh-keyscan -p "$port" "$SERVER_HOST" >"$work/known_hosts" 2>/dev/null
fi
options=(-o BatchMode=yes -o StrictHostKeyChecking=yes -o "UserKnownHostsFile=$work/known_hosts" -o ServerAliveInterval=30)
if [ -n "${SERVER_SSH_KEY:-}" ]; then
  # A key pasted into a form may have lost its last line break, without which ssh does not take it.
  printf '%s\n' "$SERVER_SSH_KEY" | tr -d '\r' >"$work/key"
  options+=(-i "$work/key" -o IdentitiesOnly=yes)
fi
remote() { ssh "${options[@]}" -p "$port" "$SERVER_USER@$SERVER_HOST" "$@"; }

# Values travel on standard input: on a command line every user of the server could read them.
settings() {
  local name
  for name in DEPLOY_PATH SUDO_PASSWORD IMAGE WEB_IMAGE DOMAIN ACME_EMAIL OVERLAY BACKUP_DONE; do
    [ -z "${!name:-}" ] || printf 'export %s=%q\n' "$name" "${!name}"
  done
  # shellcheck disable=SC2016 # for the shell over there
  echo 'cd "${DEPLOY_PATH:-$HOME/chat-server}"'
}

# What the deploy scripts use; all of it where the server is to build the image itself.
if [ -n "${IMAGE:-}" ]; then
  files=(deploy compose.yaml .env.example)
else
  files=(--exclude=./.git --exclude=node_modules --exclude=./dist --exclude=./data --exclude=./.env .)
fi
# A shell that reads its commands from a pipe takes no more than the line it runs; what follows is for that line.
{
  printf 'folder=%q\n' "${DEPLOY_PATH:-}"
  # shellcheck disable=SC2016
  echo 'folder=${folder:-$HOME/chat-server}; mkdir -p "$folder" && cd "$folder" && tar -xz'
  tar -cz "${files[@]}"
} | remote bash -s

archive=''
if [ -n "${IMAGE:-}" ] && [ -n "${IMAGE_ARCHIVE:-}" ]; then
  archive=.images.tar.gz
  {
    settings
    echo "cat >$archive"
    cat "$IMAGE_ARCHIVE"
  } | remote bash -s
fi

{
  settings
  if [ -n "$archive" ]; then
    echo "export IMAGE_ARCHIVE=\$PWD/$archive"
    echo "trap 'rm -f $archive' EXIT"
  fi
  # Its own standard input would be the rest of this text.
  echo "bash deploy/$method-deploy.sh </dev/null"
} | remote bash -s
