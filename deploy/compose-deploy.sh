#!/usr/bin/env bash
# Starts the Compose service on this machine, or updates it without an outage: new servers start beside the old ones,
# are tried, and only then do the old ones leave, one by one. For that moment the machine runs both. Where a migration of
# the new version says that no old server may run beside it, all stop for it, after a dump. Safe to run again.
#
#   bash deploy/compose-deploy.sh              builds the image here
#   IMAGE=ghcr.io/me/chat-server:1 bash ...    takes it from a registry
#   bash deploy/compose-deploy.sh --dry-run    says what it would do and changes nothing
#
# Settings from the environment: IMAGE, IMAGE_ARCHIVE (a file from docker save, may be gzipped, to load first),
# SUDO_PASSWORD (where sudo asks for one and nobody is there to type), INSTALL_DOCKER=false, BACKUP_DONE=true (no dump, since
# you have made one yourself). All others are in .env.
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

# ---------------------------------------------------------------- a migration that no old server may run beside

task() { # --pending or --migrate: what the new version does in place of a start
  compose run --rm --no-deps -T server "$1" </dev/null
}

ask_alone() { # names of the migrations that need the old servers stopped
  local said
  if ! said=$(task --pending 2>&1); then
    # A version from before there was the question has none.
    case $said in *'--pending: there is no such argument'*) return 0 ;; esac
    printf '%s\n' "$said" >&2
    return 1
  fi
  sed -n 's/^\([^ ]*\.sql\) alone$/\1/p' <<<"$said"
}

# Whether it is the one of compose.yaml, which can be dumped from here.
own_database() { compose config | grep '^ *DB_URL: postgres://[^ ]*@postgres:5432/chatdb$' >/dev/null; }

dump() { # file: for its owner alone, since it is all that people have written
  (umask 077 && compose exec -T postgres pg_dump -U postgres -Fc chatdb >"$1" </dev/null) && return
  rm -f "$1"
  return 1
}

start_servers() { # how many
  local ids
  compose up -d --no-deps --scale "server=$1" server || return 1
  read -r -a ids <<<"$(servers | tr '\n' ' ')"
  healthy "${ids[@]}" && docker exec "${ids[0]}" node smoke.mjs http://127.0.0.1:8080
}

stop_and_replace() { # image before, migrations, old containers …: stops the old ones, migrates, starts new ones
  local previous=$1 alone=${2//$'\n'/, } dump='' since restore
  shift 2
  log "No server of $previous may run while $alone is applied: all of them stop for it."
  restore='  (put your backup back in place of the database)'
  if [ "${BACKUP_DONE:-}" != true ]; then
    own_database || die "The database is not the one of compose.yaml, so make a backup yourself, and run this again with BACKUP_DONE=true. Still running: $previous"
    dump=$PWD/chatdb-$(date +%Y%m%d%H%M%S).dump
    log "Dumping the database to $dump"
    dump "$dump" || die "The dump failed; see above. Still running: $previous"
    restore="  sudo docker compose exec -T postgres dropdb -U postgres --force chatdb
  sudo docker compose exec -T postgres createdb -U postgres chatdb
  sudo docker compose exec -T postgres pg_restore -U postgres -d chatdb --exit-on-error <$(printf %q "$dump")"
  fi
  log 'Stopping all servers'
  since=$SECONDS
  if ! { docker stop "$@" && docker rm "$@" && task --migrate; }; then
    # Migrations are applied all together or not at all.
    if [ -n "$(ask_alone)" ] && SERVER_IMAGE=$previous start_servers $#; then
      die "The migration failed and changed nothing; see above. $previous runs again, after $((SECONDS - since)) s."
    fi
  elif start_servers "$(setting SERVER_REPLICAS 2)"; then
    log "The server was away for $((SECONDS - since)) s."
    log 'Smoke test through Nginx'
    if compose up -d --no-deps nginx && compose exec -T nginx sh /etc/nginx/deploy/reload.sh && smoke; then
      [ -z "$dump" ] || echo "To go back, there is $dump. Delete it when you don't want to any more."
      return
    fi
  fi
  die "It does not work. The old servers were not started again: the database may be one by now that $previous doesn't know.
What the new ones say: sudo docker compose logs server
Once the cause is mended, run this again. Or go back to $previous, without what was said since the backup:
  cd $(printf %q "$PWD")
  sudo docker compose stop server
$restore
  sudo env SERVER_IMAGE=$previous docker compose up -d --no-deps --scale server=$# server"
}

if $dry_run; then
  echo 'would start new servers, try them, take the old ones away, and run the smoke test'
  echo '(or dump the database and stop the old ones first, where a migration of the new version says so)'
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
  alone=$(ask_alone) || die "The new version can't say what it would migrate; see above. Still running: $previous"
  if [ -n "$alone" ]; then
    stop_and_replace "$previous" "$alone" "${old[@]}"
  else
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
  fi
  remember "$SERVER_IMAGE"
fi

log 'Done'
compose ps
