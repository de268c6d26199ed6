#!/usr/bin/env bash
# Builds the Containerfile for real where no container engine runs, and starts what came out. By hand, as root, on Debian:
#   apt-get install buildah debootstrap && bash test/deploy/try-image.sh
# The bases are stand-ins: a minimal Debian with this machine's own Node.js, and one with Debian's Nginx. So the file's
# own steps run as they are; what is inside the real bases is not tried. Takes some minutes and 2 GB under /var/tmp.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ "$(id -u)" -eq 0 ] || { echo 'run this as root' >&2 && exit 1; }

base=${TRY_IMAGE_FOLDER:-/var/tmp/try-image}
mkdir -p "$base"
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
buildah=(buildah --root "$base/storage" --runroot "$base/run" --storage-driver vfs)

log() { printf '\n== %s\n' "$*"; }

# shellcheck disable=SC1091 # of the system
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(sed -n 's/^\(URIs: *\|deb \)\(http[^ ]*\).*/\2/p' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1 || true)

if ! "${buildah[@]}" inspect localhost/stand-in-node >/dev/null 2>&1; then
  log 'A minimal Debian'
  rm -rf "$base/rootfs"
  debootstrap --variant=minbase --include=ca-certificates,libstdc++6 "$suite" "$base/rootfs" "${mirror:-http://deb.debian.org/debian}"

  log 'With this machine'"'"'s Node.js: the stand-in for the Node.js image'
  prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  mkdir -p "$base/node/bin" "$base/node/lib/node_modules"
  cp "$prefix/bin/node" "$base/node/bin/"
  cp -R "$(npm root -g)/npm" "$base/node/lib/node_modules/"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$base/node/bin/npm"
  container=$("${buildah[@]}" from scratch)
  "${buildah[@]}" add -q "$container" "$base/rootfs" /
  "${buildah[@]}" add -q "$container" "$base/node" /usr/local
  # The user that the real image has.
  "${buildah[@]}" run "$container" -- useradd --uid 1000 --user-group --create-home node
  # The registry that this machine uses, and whom it trusts.
  "${buildah[@]}" add -q "$container" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
  "${buildah[@]}" config --env "NPM_CONFIG_REGISTRY=$(npm config get registry)" \
    --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$container"
  "${buildah[@]}" commit -q --rm "$container" localhost/stand-in-node

  log 'With Debian'"'"'s Nginx: the stand-in for the Nginx image'
  container=$("${buildah[@]}" from localhost/stand-in-node)
  "${buildah[@]}" run "$container" -- sh -c 'apt-get -q update && apt-get -q install -y --no-install-recommends nginx-light'
  "${buildah[@]}" commit -q --rm "$container" localhost/stand-in-nginx
fi

build() { # target
  # --format docker keeps HEALTHCHECK, which the OCI format has no place for.
  "${buildah[@]}" bud --format docker --isolation chroot --network host -f Containerfile --target "$1" -t "localhost/try-$1" \
    --build-arg NODE_IMAGE=localhost/stand-in-node --build-arg NGINX_IMAGE=localhost/stand-in-nginx .
}

for target in server web; do
  log "Target $target"
  build "$target"
done

log 'What the images say'
"${buildah[@]}" inspect --type image localhost/try-server >"$base/image.json"
node -e '
  const { config } = require(process.argv[1]).Docker;
  const { User, Env, Entrypoint, Healthcheck, Volumes, StopSignal } = config;
  console.log({ User, Env, Entrypoint, Healthcheck, Volumes, StopSignal });
  const assert = require("assert");
  assert.equal(User, "1000:1000");
  assert.deepEqual(Entrypoint, ["node", "--enable-source-maps", "dist/server.js"]);
  assert.equal(Healthcheck.Test[0], "CMD");
  assert.deepEqual(Object.keys(Volumes), ["/data"]);
' "$base/image.json"

log 'The server, as its user, on a read-only root, with nothing set'
container=$("${buildah[@]}" from localhost/try-server)
root=$("${buildah[@]}" mount "$container")
trap '"${buildah[@]}" rm "$container" >/dev/null' EXIT
du -sh --apparent-size "$root/app" | sed 's/^/size of the application: /'
for absent in "$root/app/node_modules/typescript" "$root/app/node_modules/tap" "$root/app/test" "$root/app/.env"; do
  [ ! -e "$absent" ] || { echo "$absent should not be in the image" >&2 && exit 1; }
done
mapfile -t environment < <(node -p 'require(process.argv[1]).Docker.config.Env.join("\n")' "$base/image.json")
port=$((20000 + RANDOM % 10000))
# A mount namespace of its own: the root read-only, /data and /tmp not. As process 1 of a process namespace, like there.
cat >"$base/start.sh" <<'START'
set -eu
root=$1 data=$2
shift 2
mount --bind "$root" "$root"
mount --bind "$data" "$root/data"
mount -t tmpfs tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -o remount,bind,ro "$root"
cd "$root"
exec chroot --userspec=1000:1000 "$root" /usr/bin/env -i "$@"
START
data=$base/data
rm -rf "$data"
install -d -m 0700 -o 1000 -g 1000 "$data"
start() {
  unshare --mount --pid --fork --kill-child sh "$base/start.sh" "$root" "$data" "${environment[@]}" "PORT=$port" \
    sh -c 'cd /app && exec node --enable-source-maps dist/server.js' >"$base/log" 2>&1 &
  server=$!
  for _ in $(seq 300); do
    ! curl -fsS "http://127.0.0.1:$port/readyz" >/dev/null 2>&1 || return 0
    kill -0 "$server" 2>/dev/null || break
    sleep 0.2
  done
  cat "$base/log" >&2
  return 1
}
stop() { # the process inside gets SIGTERM, as from `docker stop`
  local inside
  inside=$(pgrep -P "$server")
  kill -TERM "$inside"
  wait "$server"
}
start
(cd "$root/app" && node smoke.mjs "http://127.0.0.1:$port")
health=$(node -p 'require(process.argv[1]).Docker.config.Healthcheck.Test[3]' "$base/image.json")
PORT=$port node -e "$health"
echo 'healthy'
stop
echo 'left with 0 after SIGTERM, as process 1'
start
(cd "$root/app" && node smoke.mjs "http://127.0.0.1:$port")
stop
echo 'and found its data again'

log 'The web image: its Nginx takes its configuration, and the page is there'
web=$("${buildah[@]}" from localhost/try-web)
webroot=$("${buildah[@]}" mount "$web")
"${buildah[@]}" run "$web" -- nginx -t
ls "$webroot/usr/share/nginx/html"
"${buildah[@]}" rm "$web" >/dev/null
log 'All of it works'
