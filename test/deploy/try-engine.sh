#!/usr/bin/env bash
# The documented ways on a real Docker Engine (engine.sh), as root, with the commands of deploy/README.md word for word: one
# container at its memory under load, Compose from a bare clone, updates under load, one that stops all servers, and backup and
# restore on both.
# Prints what came of it as TAP.
#   bash test/deploy/try-engine.sh [container] [compose]      both, or one of them
# UPDATES: how many (8). SECONDS_OF_LOAD: of one container (60). LOAD: what test/deploy/load.ts takes, without the port.
# shellcheck disable=SC2317 # `check` calls the functions, and the trap does
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

engine() { bash test/deploy/engine.sh "$@"; }
ways=" ${*:-container compose} "
work=$(mktemp -d /tmp/try-engine-XXXXXX)
clone=$work/chat-server
port=8099
token='' other='' conversation='' number=0 failed=0

there() { ENGINE_CWD=$clone engine in "$@"; }

cleanup() {
  {
    engine in docker rm -f chat
    engine in docker volume rm chat
    engine in docker network rm chat
    [ ! -e "$clone/.env" ] || there docker compose down -v
  } >/dev/null 2>&1 || true
  [ -z "${was_down:-}" ] || engine down
  rm -rf "$work"
}
trap cleanup EXIT

check() { # name, command …
  local name=$1 start=$SECONDS
  shift
  number=$((number + 1))
  if "$@" >"$work/said" 2>&1; then
    echo "ok $number - $name # time=$(((SECONDS - start) * 1000))ms"
    return
  fi
  failed=$((failed + 1))
  echo "not ok $number - $name"
  tail -n 40 "$work/said" | cut -c1-500 | sed 's/^/  # /'
}

# The commands below a line of the page.
page() { # beginning of the line
  awk -v from="$1" 'index($0, from) == 1 { on = 1 } on && /^```$/ { exit } inside { print } on && /^```sh$/ { inside = 1 }' \
    deploy/README.md
}
type_in() { there bash -euc "sudo() { \"\$@\"; }; $1"; } # commands; we are root already

ready() {
  local try
  for try in $(seq 180); do
    ! engine in curl -sf "http://127.0.0.1:$port/readyz" >/dev/null || return 0
    sleep 1
  done
  echo "not ready after $try tries" && return 1
}

ask() { # path, body
  engine in curl -sSf "http://127.0.0.1:$port$1" -H 'content-type: application/json' \
    ${token:+-H "authorization: Bearer $token"} ${2:+-d "$2"}
}
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

say() { ask /api/messages "{\"to_user_id\":$other,\"content\":\"$1\"}"; }
talk() { # two people, and a message
  token=''
  ask /register '{"username":"anna-b","password":"a password"}'
  other=$(ask /register '{"username":"ben-b","password":"a password"}' | field user_id)
  token=$(ask /login '{"username":"anna-b","password":"a password"}' | field token)
  conversation=$(say 'before the backup: é 漢 😀' | field conversation_id)
  [ -n "$conversation" ]
}
contents() { ask "/api/conversations/$conversation/messages?after=0" | grep -o '"content":"[^"]*"'; }
as_before() {
  ready && contents | tee /dev/stderr | grep -qx '"content":"before the backup: é 漢 😀"' && [ "$(contents | wc -l)" = 1 ]
}

load() { # until its input is closed: `await`
  rm -f "$work/input" && mkfifo "$work/input"
  engine net node test/start.mjs test/deploy/load.ts "{\"port\":$port,${LOAD:-\"people\":16,\"rate\":40,\"programs\":4,\"pauseMs\":5}}" \
    <"$work/input" >"$work/load" 2>&1 9>&- &
  loader=$!
  exec 9>"$work/input"
  until grep -q '^talking' "$work/load"; do
    kill -0 "$loader" 2>/dev/null || { cat "$work/load" && exit 1; }
    sleep 0.5
  done
}
await() {
  exec 9>&-
  wait "$loader"
  tail -n 1 "$work/load"
  tail -n 1 "$work/load" | grep -q '"refusals":\[\].*"failures":\[\]'
}
figures() { tail -n 1 "$work/load" | sed -n 's/.*"requests":\([0-9]*\).*"messages":\([0-9]*\).*/\1 requests, \2 messages/p'; }

peak() { # control groups of either version
  engine in docker exec chat sh -c 'cd /sys/fs/cgroup && cat memory.peak memory/memory.max_usage_in_bytes' 2>/dev/null || true
}
unharmed() {
  local restarts killed
  read -r restarts killed <<<"$(engine in docker inspect -f '{{.RestartCount}} {{.State.OOMKilled}}' chat)"
  echo "$restarts restarts, killed: $killed"
  [ "$restarts $killed" = '0 false' ]
}

container() {
  local memory commands
  commands=$(page 'The server with its embedded database.' | sed '/get.docker.com/d;/--name caddy/,$d')
  memory=$(sed -n 's/.*--memory \([0-9]*m\) .*/\1/p' <<<"$commands")
  # Where the page has a proxy, a port; and no swap, which would hide what it takes.
  # The load is from one address, and more than a user may.
  commands=${commands/run -d/run -d -p $port:8080 --memory-swap $memory -e LIMITS=off}
  check "one container of $memory: the commands of the page build and start it" type_in "$commands"
  check 'it is ready' ready
  load
  sleep "${SECONDS_OF_LOAD:-60}"
  check 'under load nothing is refused, lost or doubled' await
  echo "# $(figures); at most $(($(peak) / 1048576)) MB"
  check 'it was not killed' unharmed
  check 'two people talk' talk
  check 'a backup' type_in "$(page '**One container.** The folder')"
  check 'it goes on' ready
  check 'something is said after the backup' say 'after the backup'
  check 'the backup is put back' type_in "$(page 'Back, in place of what is there')"
  check 'all is there as it was, to the letter' as_before
  engine in docker rm -f chat >/dev/null
}

migration() { # statement: a further one, which no old server may run beside
  printf '%s\n' '-- alone: no instance of an earlier version may run while this is applied.' "$1" \
    >"$clone/sql/migrations/9999_forms.sql"
}
updates_alone() { # what the update says
  { there env INSTALL_DOCKER=false bash deploy/compose-deploy.sh 2>&1 || true; } | tee "$work/update" /dev/stderr | grep "^$1" >/dev/null
}

compose() {
  local i before=$failed deploy=(env LIMITS=off INSTALL_DOCKER=false bash deploy/compose-deploy.sh)
  port=80
  check 'Compose: the first start from a bare clone' there "${deploy[@]}"
  [ "$failed" = "$before" ] || return 0
  load
  for i in $(seq "${UPDATES:-8}"); do check "update $i under load" there "${deploy[@]}"; done
  check 'over all updates nothing was refused, lost or doubled' await
  echo "# $(figures)"
  [ "$failed" = "$before" ] || there docker compose logs --no-log-prefix nginx 2>/dev/null | grep -E '"status":5[0-9][0-9]' | head -n 5 | sed 's/^/# /' || true
  check 'two people talk' talk
  check 'a backup while it runs' type_in "$(page '**Compose**, while it runs')"
  check 'something is said after the backup' say 'after the backup'
  check 'the backup is put back' type_in "$(page 'Back. The database is made anew')"
  check 'all is there as it was, to the letter' as_before
  migration 'select 1 / 0;'
  check 'a migration that stops all servers and fails brings the old ones back' updates_alone 'The migration failed and changed nothing'
  check 'with all that is there' as_before
  migration 'alter table users rename column password to secret;'
  check 'one after which nothing works says how to go back' updates_alone 'It does not work. The old servers were not started again'
  check 'and its commands lead there' type_in "$(sed -n '/^Once the cause is mended/,$s/^  //p' "$work/update")"
  check 'with all that was there' as_before
  migration 'alter table users add column form int;'
  check 'one that works says how long nobody was there' updates_alone '.*The server was away for [0-9]* s\.$'
  sed -n 's/.*\(The server was away\)/# \1/p' "$work/update"
  check 'and all is there' as_before
}

engine in true 2>/dev/null || was_down=true
check 'a Docker Engine of our own starts' engine up
[ "$failed" = 0 ] || { echo '# fail 1' && exit 1; }
# What a run that was killed left in this engine, which is ours alone.
engine in bash -c 'docker ps -aq | xargs -r docker rm -f; docker network prune -f; docker volume prune -af' >/dev/null
git clone -q . "$clone"
[[ $ways != *' container '* ]] || container
[[ $ways != *' compose '* ]] || compose
echo "# pass $((number - failed))"
echo "# fail $failed"
exit "$((failed > 0))"
