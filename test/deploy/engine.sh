#!/usr/bin/env bash
# A real Docker Engine with Compose, for a machine that has none: from Debian's packages, in a root and in network and mount
# namespaces of its own, so that nothing of the machine's network or file system changes. With stand-ins for the base images,
# made from Debian's packages under the names that the project uses: alike in users, paths and signals, not byte for byte.
#   engine.sh can          whether one can be had here: needs Linux, root, apt, overlayfs (says why not, and fails)
#   engine.sh up           starts it; the first time takes some minutes and 4 GB
#   engine.sh in COMMAND   runs something beside it: docker, curl to published ports; in the folder ENGINE_CWD, below /tmp
#   engine.sh net COMMAND  runs a program of this machine in the engine's network
#   engine.sh down         ends it; what it made stays for the next time, in ENGINE_FOLDER (/var/tmp/chat-engine)
set -euo pipefail

work=${ENGINE_FOLDER:-/var/tmp/chat-engine}
root=$work/root
bases=$work/bases

die() { echo "$*" >&2 && exit 1; }

can() {
  [ "$(uname)" = Linux ] || die 'not Linux'
  [ "$(id -u)" -eq 0 ] || die 'not root'
  command -v apt-get >/dev/null || die 'no apt-get'
  grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || die 'no overlayfs'
  unshare --net --mount true 2>/dev/null || die 'no namespaces of our own'
  [ -w /sys/fs/cgroup ] || die 'no control groups'
  [ -c /dev/net/tun ] || die 'no /dev/net/tun'
}

mirror() {
  sed -n 's/^\(URIs: *\|deb \)\(http[^ ]*\).*/\2/p' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null |
    head -n 1 || true
}

debian() { # folder, packages
  [ ! -e "$1.done" ] || return 0
  rm -rf "$1"
  debootstrap --variant=minbase --include="$2" sid "$1" "$(mirror)" >"$1.log" 2>&1 || die "see $1.log"
  cp -f /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"
  touch "$1.done"
}

pid() {
  local id
  id=$(cat "$work/engine.pid" 2>/dev/null) && [ -e "/proc/$id/ns/net" ] && grep -q dockerd "/proc/$id/cmdline" && echo "$id"
}

inside() {
  nsenter -t "$(pid)" -n -m /usr/bin/env -C "${ENGINE_CWD:-/}" DOCKER_HOST=unix:///engine/docker.sock HOME=/root \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

start() {
  local missing=() tool outer each
  for tool in debootstrap slirp4netns; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  if ((${#missing[@]})); then
    apt-get -q -o DPkg::Lock::Timeout=300 update && apt-get -q -o DPkg::Lock::Timeout=300 install -y "${missing[@]}"
  fi >"$work/apt.log" 2>&1
  debian "$root" docker.io,docker-cli,docker-compose,docker-buildx,iptables,iproute2,procps,ca-certificates,git,bash,curl
  mkdir -p "$root/oldroot" "$root/engine" "$root/tmp" "$work/data"
  cat >"$work/inside.sh" <<'INSIDE'
set -e
root=$1 work=$2
ip link set lo up
for _ in $(seq 100); do ip link show tap0 >/dev/null 2>&1 && break; sleep 0.1; done
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount --bind "$work" "$root/engine"
mount -t tmpfs tmpfs "$root/run"
mount --rbind /tmp "$root/tmp"
cd "$root"
pivot_root . oldroot
cd /
# The name service of slirp4netns.
printf 'nameserver 10.0.2.3\n' >/etc/resolv.conf
sysctl -q -w net.ipv4.ip_forward=1
umount -l /oldroot
echo $$ >/engine/engine.pid
exec dockerd --data-root /engine/data --exec-root /run/docker -H unix:///engine/docker.sock -p /run/dockerd.pid \
  --storage-driver overlay2 --ip6tables=false
INSIDE
  rm -f "$work/engine.pid"
  # Without --fork: the shell that becomes the engine keeps its number, which is that of this machine.
  setsid unshare --net --mount bash "$work/inside.sh" "$root" "$work" </dev/null >"$work/dockerd.log" 2>&1 &
  outer=$!
  for each in $(seq 50); do [ "$(readlink "/proc/$outer/ns/net")" = "$(readlink /proc/$$/ns/net)" ] || break; sleep 0.1; done
  setsid slirp4netns --configure --mtu=65520 "$outer" tap0 </dev/null >"$work/slirp.log" 2>&1 &
  echo $! >"$work/slirp.pid"
  for each in $(seq 300); do
    if pid >/dev/null && inside docker version >/dev/null 2>&1; then return; fi
    sleep 0.2
  done
  tail -n 20 "$work/dockerd.log" >&2
  die "the engine does not start ($each tries)"
}

import() { # base, image, changes…
  local base=$1 image=$2 each change=()
  shift 2
  for each in "$@"; do change+=(-c "$each"); done
  tar -C "$bases/$base" --exclude=./proc/'*' --exclude=./sys/'*' --exclude=./dev/'*' --exclude=./var/cache/apt/archives/'*.deb' \
    --exclude=./var/lib/apt/lists/'*' -c . | inside docker import "${change[@]}" - "$image" >/dev/null
}

missing() { ! inside docker image inspect "$1" >/dev/null 2>&1; }

images() {
  local path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bin
  mkdir -p "$bases"
  if missing node:24-bookworm-slim; then
    debian "$bases/node" ca-certificates
    # The program `node` of the npm package of that name, which is the official one.
    npm install --prefix "$bases/npm" --no-audit --no-fund --silent node@24 npm@latest >/dev/null
    mkdir -p "$bases/node/usr/local/lib/node_modules"
    cp "$(find "$bases/npm/node_modules" -path '*/bin/node' -type f | head -n 1)" "$bases/node/usr/local/bin/node"
    cp -R "$bases/npm/node_modules/npm" "$bases/node/usr/local/lib/node_modules/"
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$bases/node/usr/local/bin/npm"
    chroot "$bases/node" useradd --uid 1000 --user-group node
    # The registry that this machine uses, and whom it trusts.
    import node node:24-bookworm-slim "ENV PATH=$path" "ENV NPM_CONFIG_REGISTRY=$(npm config get registry)" \
      'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' 'CMD ["node"]'
  fi
  if missing nginx:1.28-alpine; then
    debian "$bases/nginx" nginx-light,ca-certificates,wget,curl
    chroot "$bases/nginx" sh -c 'groupadd -f -g 101 nginx && useradd -u 101 -g nginx nginx' 2>/dev/null
    mkdir -p "$bases/nginx/usr/share/nginx/html"
    import nginx nginx:1.28-alpine "ENV PATH=$path" 'STOPSIGNAL SIGQUIT' 'CMD ["nginx","-g","daemon off;"]'
  fi
  if missing redis:8-alpine; then
    debian "$bases/redis" redis-server,ca-certificates
    # The official one is built without protected mode.
    printf '#!/bin/sh\nexec /usr/bin/redis-server "$@" --protected-mode no\n' >"$bases/redis/usr/local/bin/redis-server"
    chmod +x "$bases/redis/usr/local/bin/redis-server"
    import redis redis:8-alpine "ENV PATH=$path" 'CMD ["redis-server"]'
  fi
  if missing postgres:17-alpine; then
    debian "$bases/postgres" postgresql,ca-certificates,gosu,netbase,locales
    bin=/$(cd "$bases/postgres" && echo usr/lib/postgresql/*/bin)
    # As far as the project leans on the official one.
    cat >"$bases/postgres/usr/local/bin/docker-entrypoint.sh" <<'ENTRY'
#!/bin/bash
set -e
[ "$1" = postgres ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  exec gosu postgres "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username=postgres --pwfile=<(echo "$POSTGRES_PASSWORD") --auth-host=scram-sha-256 --auth-local=trust
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl -w start -o "-c listen_addresses=''"
  psql -U postgres -d postgres -c "create database \"$POSTGRES_DB\""
  pg_ctl -w -m fast stop
fi
exec "$@" -c listen_addresses='*'
ENTRY
    chmod +x "$bases/postgres/usr/local/bin/docker-entrypoint.sh"
    mkdir -p "$bases/postgres/var/lib/postgresql/data" "$bases/postgres/var/run/postgresql"
    chroot "$bases/postgres" chown -R postgres:postgres /var/lib/postgresql /var/run/postgresql
    import postgres postgres:17-alpine "ENV PATH=$path:$bin" 'ENV PGDATA=/var/lib/postgresql/data' 'ENV LANG=C.UTF-8' \
      'VOLUME /var/lib/postgresql/data' 'ENTRYPOINT ["docker-entrypoint.sh"]' 'STOPSIGNAL SIGINT' 'CMD ["postgres"]'
  fi
}

stop() {
  local id each
  if id=$(pid); then
    kill "$id"
    for each in $(seq 100); do [ -e "/proc/$id" ] || break; sleep 0.2; done
    [ ! -e "/proc/$id" ] || die "the engine does not end ($each looks)"
  fi
  # shellcheck disable=SC2015
  id=$(cat "$work/slirp.pid" 2>/dev/null) && grep -q slirp4netns "/proc/$id/cmdline" 2>/dev/null && kill "$id" || true
  rm -f "$work/engine.pid" "$work/slirp.pid"
}

case ${1:-} in
  can) can ;;
  up)
    can
    mkdir -p "$work"
    pid >/dev/null || start
    images
    ;;
  in) shift && inside "$@" ;;
  net) shift && nsenter -t "$(pid)" -n "$@" ;;
  down) stop ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0" && exit 2 ;;
esac
