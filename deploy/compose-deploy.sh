#!/usr/bin/env bash
# Starts the Compose service on this machine, or updates it without an outage: new servers start beside the old ones,
# are tried, and only then do the old ones leave, one by one. For that moment the machine runs both. Safe to run again.
#
#   bash deploy/compose-deploy.sh              builds the image here
#   IMAGE=ghcr.io/me/chat-server:1 bash ...    takes it from a registry
#   bash deploy/compose-deploy.sh --dry-run    says what it would do and changes nothing
#
# Settings from the environment: IMAGE, IMAGE_ARCHIVE (a file from docker save, may be gzipped, to load first),
# SUDO_PASSWORD (where sudo asks for one and nobody is there to type), INSTALL_DOCKER=false. All others are in .env.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

dry_run=false
for argument in "$@"; do
  case $argument in
    --dry-run) dry_run=true ;;
    -h | --help)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *)
      echo "unknown argument: $argument (there is only --dry-run)" >&2
      exit 2
      ;;
  esac
done

log() { printf '\n[%s] %s\n' "$(date +%H:%M:%S)" "$*"; }
die() {
  printf '\n%s\n' "$*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

change() {
  if $dry_run; then
    local text=${*#as_root}
    printf 'would run: %s\n' "${text/#compose/docker compose}"
  else
    "$@"
  fi
}

sudo=()
if [ "$(id -u)" -ne 0 ] && have sudo; then
  if [ -n "${SUDO_PASSWORD:-}" ]; then
    cat >"$work/askpass" <<'ASKPASS'
#!/bin/sh
printf '%s\n' "$SUDO_PASSWORD"
ASKPASS
    chmod 700 "$work/askpass"
    export SUDO_ASKPASS="$work/askpass" SUDO_PASSWORD
    sudo=(sudo -A)
  elif [ -t 0 ]; then
    sudo=(sudo)
  else
    sudo=(sudo -n)
  fi
fi
as_root() { ${sudo[@]+"${sudo[@]}"} "$@"; }

if ! have docker; then
  [ "${INSTALL_DOCKER:-true}" = true ] || die 'Docker is not installed, and INSTALL_DOCKER=false.'
  have curl || die 'curl is missing: install it first.'
  log 'Installing Docker'
  change curl -fsSL --retry 3 -o "$work/docker.sh" https://get.docker.com
  change as_root sh "$work/docker.sh"
  if $dry_run; then
    echo 'would then build the image, start everything and run the smoke test'
    exit 0
  fi
fi

# Who may talk to Docker does; everybody else asks for root. The settings of Compose go along.
docker() {
  if [ "$(id -u)" -eq 0 ] || $as_user; then
    command docker "$@"
  else
    as_root env ${SERVER_IMAGE:+"SERVER_IMAGE=$SERVER_IMAGE"} docker "$@"
  fi
}
as_user=false
if command docker info >/dev/null 2>&1; then as_user=true; fi
compose() { docker compose "$@"; }

log 'Settings'
change sh deploy/make-env.sh
setting() { # name, default: from .env, where Compose looks too
  local value=''
  [ ! -f .env ] || value=$(sed -n "s/^$1=//p" .env | tail -n 1)
  printf %s "${value:-$2}"
}

tls=false
case $(setting COMPOSE_FILE '') in *compose.tls.yaml*) tls=true ;; esac
if $tls; then
  # Made anew each time, so that a change of nginx.conf arrives there too.
  write_tls() {
    sed -e 's/#tls //' -e '/#plain$/d' deploy/nginx.conf >"$work/tls.conf"
    # Into the same file, and only if it says something else: Nginx reads it again when it is newer.
    cmp -s "$work/tls.conf" deploy/nginx.tls.conf || cat "$work/tls.conf" >deploy/nginx.tls.conf
  }
  change write_tls
fi

remember() { # image: for the next `docker compose up` and the next restart
  sed "s|^SERVER_IMAGE=.*|SERVER_IMAGE=$1|" .env >"$work/env"
  grep -q '^SERVER_IMAGE=' "$work/env" || printf 'SERVER_IMAGE=%s\n' "$1" >>"$work/env"
  # Written into the same file, which keeps its owner and its mode.
  cat "$work/env" >.env
}

# ---------------------------------------------------------------- image

if [ -n "${IMAGE:-}" ]; then
  export SERVER_IMAGE=$IMAGE
  if [ -n "${IMAGE_ARCHIVE:-}" ]; then
    log "Loading $IMAGE_ARCHIVE"
    change docker load -i "$IMAGE_ARCHIVE"
  else
    log "Fetching $IMAGE"
    change docker pull "$IMAGE"
  fi
else
  # A new name each time, so that the one before is still there to go back to.
  SERVER_IMAGE=chat-server:local-$(date +%Y%m%d%H%M%S)
  export SERVER_IMAGE
  log "Building $SERVER_IMAGE"
  change compose build server
fi

# ---------------------------------------------------------------- servers

servers() { compose ps -q server; }

healthy() { # containers …
  local id state second
  for id in "$@"; do
    for ((second = 0; ; second++)); do
      state=$(docker inspect -f '{{.State.Status}} {{.State.Health.Status}}' "$id" || true)
      case $state in
        'running healthy') break ;;
        'exited '* | 'dead '* | '') echo "$id has ended" >&2 && return 1 ;;
      esac
      [ "$second" -lt 180 ] || { echo "$id is not healthy: $state" >&2 && return 1; }
      sleep 1
    done
  done
}

# A version that works is not taken back for one answer that went wrong: so it is tried several times.
smoke() {
  local address=http://nginx:8080 try
  # From inside, under a name that the certificate does not have.
  if $tls; then address=https://nginx:8443; fi
  for ((try = 1; ; try++)); do
    compose exec -T -e NODE_TLS_REJECT_UNAUTHORIZED=0 server node smoke.mjs "$address" && return
    [ "$try" -lt "${SMOKE_TRIES:-5}" ] || return 1
    sleep "${SMOKE_PAUSE:-3}"
  done
}

leave() { # containers …: each gets its stop_grace_period to close its sockets
  local id
  for id in "$@"; do
    docker stop "$id" && docker rm "$id" || return 1
  done
}

replace() { # old containers …: starts new ones from SERVER_IMAGE, and takes the old ones away
  local wanted added id
  wanted=$(setting SERVER_REPLICAS 2)
  compose up -d --no-deps --no-recreate --scale "server=$(($# + wanted))" server || return 1
  added=()
  for id in $(servers); do
    case " $* " in
      *" $id "*) ;;
      *) added+=("$id") ;;
    esac
  done
  if ! healthy "${added[@]}" || ! docker exec "${added[0]}" node smoke.mjs http://127.0.0.1:8080; then
    docker logs --tail 50 "${added[0]}" >&2 || true
    leave "${added[@]}" || true
    echo 'The new servers do not work; they are gone again, and the old ones never stopped.' >&2
    return 1
  fi
  # Nginx looks for servers every two seconds: it has to know the new ones before the old ones go.
  sleep "${SETTLE_SECONDS:-5}"
  leave "$@"
}

if $dry_run; then
  echo 'would start new servers, try them, take the old ones away, and run the smoke test'
  exit 0
fi

read -r -a old <<<"$(servers | tr '\n' ' ')"
if [ "${#old[@]}" -eq 0 ]; then
  log 'First start'
  compose up -d --wait || { compose logs --tail 50 >&2; die 'It does not start; see above.'; }
  remember "$SERVER_IMAGE"
  log 'Smoke test through Nginx'
  smoke || die 'The service runs, but the smoke test failed.'
else
  previous=$(docker inspect -f '{{.Config.Image}}' "${old[0]}")
  log "Replacing $previous with $SERVER_IMAGE"
  compose up -d --no-deps postgres redis
  replace "${old[@]}" || die "Still running: $previous"
  compose up -d --no-deps nginx
  log 'Smoke test through Nginx'
  # The mounted configuration may have changed.
  if ! compose exec -T nginx sh /etc/nginx/deploy/reload.sh || ! smoke; then
    log "It does not work. Going back to $previous"
    SERVER_IMAGE=$previous
    read -r -a old <<<"$(servers | tr '\n' ' ')"
    replace "${old[@]}" || die 'Going back failed too.'
    die "$previous runs again."
  fi
  remember "$SERVER_IMAGE"
fi

log 'Done'
compose ps
