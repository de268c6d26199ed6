#!/usr/bin/env bash
# The documented ways on a real Docker Engine (engine.sh), by hand, as root: one container at the memory that the page gives
# it, then Compose from a bare clone and updates, both under load. Prints what came of it; fails if something was lost,
# refused, killed or taken back. Wants a machine that does nothing else.
#   bash test/deploy/try-engine.sh [memory] [updates]      both, or one of them
# UPDATES: how many (8). LOAD: a minute's load, as test/deploy/load.ts takes it, without the port.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

engine() { bash test/deploy/engine.sh "$@"; }
parts=" ${*:-memory updates} "
work=$(mktemp -d /tmp/try-engine-XXXXXX)
clone=$work/chat-server
failed=0

# shellcheck disable=SC2317 # the trap calls it
cleanup() {
  engine in docker rm -f try-chat >/dev/null 2>&1 || true
  engine in docker volume rm try-chat >/dev/null 2>&1 || true
  [ ! -e "$clone/.env" ] || ENGINE_CWD=$clone engine in docker compose down -v >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT

fail() { echo "FAILED: $*" && failed=1; }

load() { # port; runs until its input is closed: `exec 9>&-`, then `await`
  rm -f "$work/input" && mkfifo "$work/input"
  engine net node test/start.mjs test/deploy/load.ts "{\"port\":$1,${LOAD:-\"people\":16,\"rate\":40,\"programs\":4,\"pauseMs\":5}}" \
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
  wait "$loader" || fail 'the load ended early'
  tail -n 1 "$work/load" | cut -c1-2000
  tail -n 1 "$work/load" | grep -q '"refusals":\[\].*"failures":\[\]' || fail 'something was refused or lost'
}

engine up
git clone -q . "$clone"

if [[ $parts == *' memory '* ]]; then
  memory=$(sed -n 's/.*--memory \([0-9]*m\) .*/\1/p' deploy/README.md)
  ENGINE_CWD=$clone engine in docker build -q -f Containerfile -t chat-server . >/dev/null
  engine in docker run -d --name try-chat --restart unless-stopped --stop-timeout 30 --read-only --tmpfs /tmp --cap-drop ALL \
    --security-opt no-new-privileges --memory "$memory" --memory-swap "$memory" -p 8099:8080 -v try-chat:/data chat-server >/dev/null
  for _ in $(seq 180); do engine in curl -sf http://127.0.0.1:8099/readyz >/dev/null && break; sleep 1; done
  load 8099
  sleep "${SECONDS_OF_LOAD:-60}"
  await
  peak=$(engine in docker exec try-chat sh -c 'cat /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null' || true)
  read -r restarts killed <<<"$(engine in docker inspect -f '{{.RestartCount}} {{.State.OOMKilled}}' try-chat)"
  echo "one container of $memory: peak $((peak / 1048576)) MB, $restarts restarts, killed: $killed"
  [ "$restarts $killed" = '0 false' ] || fail 'it was killed'
  engine in docker rm -f try-chat >/dev/null
fi

if [[ $parts == *' updates '* ]]; then
  deploy() { ENGINE_CWD=$clone engine in env INSTALL_DOCKER=false bash deploy/compose-deploy.sh >"$work/$1.log" 2>&1; }
  deploy first || { tail -n 40 "$work/first.log" && exit 1; }
  load 80
  for i in $(seq "${UPDATES:-8}"); do
    start=$SECONDS
    deploy "$i" || { fail "update $i" && tail -n 20 "$work/$i.log" | cut -c1-300; }
    echo "update $i: $((SECONDS - start)) s, $(grep -c 'smoke test failed' "$work/$i.log" || true) smoke tests tried again"
  done
  await
  ENGINE_CWD=$clone engine in docker compose logs --no-log-prefix nginx 2>/dev/null | grep -E '"status":5[0-9][0-9]' | head -n 5 | cut -c1-300 || true
fi
exit "$failed"
