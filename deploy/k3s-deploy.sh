#!/usr/bin/env bash
# Puts the service on this machine's K3s, or brings it up to date: without an outage, but where a migration of the new version
# says that no old server may run beside it. Then all stop for it, after a dump. Safe to run again.
#
#   bash deploy/k3s-deploy.sh                  builds the images here
#   IMAGE=ghcr.io/me/chat-server:1 bash ...    takes them from a registry; Docker is then not needed
#   bash deploy/k3s-deploy.sh --dry-run        says what it would do and changes nothing
#
# Settings, all from the environment:
#   IMAGE, WEB_IMAGE       images to run; WEB_IMAGE is IMAGE with `-web` after the name unless set
#   IMAGE_ARCHIVE          file with both (docker save, may be gzipped) to load first
#   DOMAIN, ACME_EMAIL     name of this service: TLS with a certificate from Let's Encrypt
#   JWT_SECRET, POSTGRES_PASSWORD, DB_URL    for the Secret, when it is first made; strong ones are made where not set
#   POSTGRES_IMAGE         for a new database; one that runs keeps its image
#   OVERLAY=autoscale      servers are added and taken away by load
#   SUDO_PASSWORD          where sudo asks for one and nobody is there to type
#   BACKUP_DONE=true       no dump, since you have made one yourself
#   INSTALL_K3S=false, INSTALL_DOCKER=false    never install these
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

NAMESPACE=chat-server
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

# Reading is always done; what changes something goes through here.
change() {
  local text=$*
  if $dry_run; then
    text=${text#as_root }
    printf 'would run: %s\n' "${text/#in_namespace/kubectl -n $NAMESPACE}"
  else
    "$@"
  fi
}

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  have sudo || die 'sudo is missing: install it, or run this as root.'
  if [ -n "${SUDO_PASSWORD:-}" ]; then
    # Through a helper, so that standard input stays free for what is piped in.
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
kubectl() { as_root "$k3s" kubectl "$@"; }
in_namespace() { kubectl -n "$NAMESPACE" "$@"; }

[ "$(uname -s)" = Linux ] || die 'K3s needs Linux. Run this on the server.'
have curl || die 'curl is missing: install it first.'

# ---------------------------------------------------------------- what is to run

if [ -n "${IMAGE:-}" ]; then
  build=false
  if [ -z "${WEB_IMAGE:-}" ]; then
    case $IMAGE in
      *@*) die 'IMAGE is given by digest, so WEB_IMAGE has to be given too.' ;;
    esac
    tag=${IMAGE##*:}
    case $IMAGE in
      *:*) case $tag in */*) tag='' ;; esac ;;
      *) tag='' ;;
    esac
    [ -n "$tag" ] || die "IMAGE needs a tag: $IMAGE:<tag>"
    WEB_IMAGE=${IMAGE%:*}-web:$tag
  fi
else
  build=true
  # A new name each time: Kubernetes only replaces what has changed.
  tag=local-$(date +%Y%m%d%H%M%S)
  IMAGE=docker.io/library/chat-server:$tag
  WEB_IMAGE=docker.io/library/chat-server-web:$tag
fi

overlay=k3s${OVERLAY:+-$OVERLAY}
[ -f "deploy/$overlay/kustomization.yaml" ] || die "there is no deploy/$overlay"
[ -z "${DOMAIN:-}" ] || [ -n "${ACME_EMAIL:-}" ] || die 'DOMAIN needs ACME_EMAIL, where the certificate authority writes to.'
case ${DOMAIN:-} in *[!A-Za-z0-9.-]*) die "DOMAIN is no host name: $DOMAIN" ;; esac
case ${ACME_EMAIL:-} in *[!A-Za-z0-9@._+-]*) die "ACME_EMAIL is no address: $ACME_EMAIL" ;; esac

# ---------------------------------------------------------------- K3s and Docker

fetch() { # url, file: whole before it is run, which a pipe into a shell is not
  change curl -fsSL --retry 3 -o "$2" "$1"
}

memory=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
[ "$memory" -ge 1700 ] || log "This machine has $memory MB of memory; K3s and the service want 2 GB."

k3s=$(command -v k3s || echo /usr/local/bin/k3s)
if [ ! -x "$k3s" ]; then
  [ "${INSTALL_K3S:-true}" = true ] || die 'K3s is not installed, and INSTALL_K3S=false.'
  log 'Installing K3s'
  fetch https://get.k3s.io "$work/k3s.sh"
  change as_root env INSTALL_K3S_CHANNEL=stable INSTALL_K3S_EXEC='server --secrets-encryption' sh "$work/k3s.sh"
  k3s=$(command -v k3s || echo /usr/local/bin/k3s)
fi

if $build && ! have docker; then
  [ "${INSTALL_DOCKER:-true}" = true ] || die 'Docker is not installed, and INSTALL_DOCKER=false. Give IMAGE=, or install it.'
  log 'Installing Docker, to build the images'
  fetch https://get.docker.com "$work/docker.sh"
  change as_root sh "$work/docker.sh"
fi

fresh=false
[ -x "$k3s" ] || fresh=true # only in a dry run: nothing is there to be asked

if ! $fresh; then
  log 'Waiting for the node'
  for ((i = 1; ; i++)); do
    kubectl wait --for=condition=Ready node --all --timeout=60s && break
    [ "$i" -lt 30 ] || die 'The node is not ready. Look at: sudo journalctl -u k3s'
    sleep 2
  done
fi

# ---------------------------------------------------------------- images

import() { # archive
  change as_root "$k3s" ctr --namespace k8s.io images import "$1"
}

if $build; then
  log "Building $IMAGE"
  change as_root docker build -f Containerfile --target server -t "$IMAGE" .
  change as_root docker build -f Containerfile --target web -t "$WEB_IMAGE" .
  log 'Importing the images into K3s'
  change as_root docker save -o "$work/images.tar" "$IMAGE" "$WEB_IMAGE"
  import "$work/images.tar"
  # K3s has a copy of its own now.
  change as_root docker image rm "$IMAGE" "$WEB_IMAGE"
  change as_root rm -f "$work/images.tar"
elif [ -n "${IMAGE_ARCHIVE:-}" ]; then
  log "Importing $IMAGE_ARCHIVE into K3s"
  case $IMAGE_ARCHIVE in
    *.gz)
      gunzip -c "$IMAGE_ARCHIVE" >"$work/images.tar"
      import "$work/images.tar"
      rm -f "$work/images.tar"
      ;;
    *) import "$IMAGE_ARCHIVE" ;;
  esac
else
  log "Taking $IMAGE and $WEB_IMAGE from their registry"
fi

# ---------------------------------------------------------------- Secret

get() { # kind, name, jsonpath: empty when it isn't there
  $fresh || in_namespace get "$1" "$2" --ignore-not-found -o "jsonpath=$3"
}
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
encode() { printf %s "$1" | base64 | tr -d '\n'; }

change_input() { # command …: like `change`, for what has secrets on its standard input
  if $dry_run; then
    cat >/dev/null
    printf 'would run: %s (with a secret on its standard input)\n' "${*/#in_namespace/kubectl -n $NAMESPACE}"
  else
    "$@"
  fi
}

log 'Namespace and Secret'
change kubectl apply -f deploy/k3s/namespace.yaml
known=$(get secret chat-secrets '{.data.jwt-secret}' | base64 -d)
case $known in
  '')
    password=${POSTGRES_PASSWORD:-$(random)}
    jwt=${JWT_SECRET:-$(random)}
    if [ -z "${DB_URL:-}" ]; then
      case $password in
        *[!A-Za-z0-9._~-]*) die 'POSTGRES_PASSWORD becomes part of a URL: letters, digits, . _ ~ and - only.' ;;
      esac
    fi
    url=${DB_URL:-postgres://postgres:$password@postgres:5432/chatdb}
    # `create` and standard input: no secret in a process list, none copied into an annotation.
    change_input in_namespace create -f - <<SECRET
apiVersion: v1
kind: Secret
metadata:
  name: chat-secrets
type: Opaque
data:
  postgres-password: $(encode "$password")
  db-url: $(encode "$url")
  jwt-secret: $(encode "$jwt")
SECRET
    ;;
  dev-secret-change-me | chat_server_dev_jwt_secret)
    # The reference's, which everybody knows: whoever does could sign a token for any user.
    log 'The Secret has a published default as its JWT secret; it gets a strong one, and everybody has to log in again.'
    printf '{"data":{"jwt-secret":"%s"}}' "$(encode "${JWT_SECRET:-$(random)}")" |
      change_input in_namespace patch secret chat-secrets --type merge --patch-file /dev/stdin
    ;;
  *)
    echo 'The Secret chat-secrets is there and is kept.'
    if [ -n "${JWT_SECRET:-}" ] && [ "$JWT_SECRET" != "$known" ]; then
      echo 'JWT_SECRET in the environment differs from it and is not used (deploy/README.md says how to change it).'
    fi
    ;;
esac
unset known password jwt url

# ---------------------------------------------------------------- manifests

# The files of a database belong to one major version, so what runs stays.
running=$(get deployment postgres '{.spec.template.spec.containers[0].image}')
postgres=${POSTGRES_IMAGE:-$running}

image() { # name in the manifests, image to run
  case $2 in
    *@*) printf '  - name: %s\n    newName: %s\n    digest: %s\n' "$1" "${2%@*}" "${2##*@}" ;;
    *) printf '  - name: %s\n    newName: %s\n    newTag: "%s"\n' "$1" "${2%:*}" "${2##*:}" ;;
  esac
}

cp -R deploy/k3s deploy/k3s-autoscale "$work/"
mkdir "$work/site"
{
  printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - ../%s\nimages:\n' "$overlay"
  image docker.io/library/chat-server "$IMAGE"
  image docker.io/library/chat-server-web "$WEB_IMAGE"
  [ -z "$postgres" ] || image docker.io/library/postgres "$postgres"
  if [ -n "${DOMAIN:-}" ]; then
    cat <<PATCH
patches:
  - target:
      kind: Ingress
      name: chat-server
    patch: |
      - op: add
        path: /spec/rules/0/host
        value: $DOMAIN
      - op: add
        path: /metadata/annotations
        value:
          traefik.ingress.kubernetes.io/router.entrypoints: websecure
          traefik.ingress.kubernetes.io/router.tls: "true"
          traefik.ingress.kubernetes.io/router.tls.certresolver: letsencrypt
PATCH
  fi
} >"$work/site/kustomization.yaml"

# The ingress controller: it must see the clients' own addresses (the limits count by them), and get certificates.
traefik() {
  cat <<CONFIG
apiVersion: helm.cattle.io/v1
kind: HelmChartConfig
metadata:
  name: traefik
  namespace: kube-system
  labels:
    app.kubernetes.io/part-of: chat-server
spec:
  valuesContent: |-
    service:
      spec:
        externalTrafficPolicy: Local
CONFIG
  [ -z "${DOMAIN:-}" ] || cat <<CONFIG
    persistence:
      enabled: true
      size: 16Mi
    additionalArguments:
      - --certificatesresolvers.letsencrypt.acme.email=$ACME_EMAIL
      - --certificatesresolvers.letsencrypt.acme.storage=/data/acme.json
      - --certificatesresolvers.letsencrypt.acme.tlschallenge=true
      - --entrypoints.web.http.redirections.entrypoint.to=:443
      - --entrypoints.web.http.redirections.entrypoint.scheme=https
CONFIG
}

log 'Manifests'
traefik >"$work/traefik.yaml"
owner=''
$fresh || owner=$(kubectl -n kube-system get helmchartconfig traefik --ignore-not-found \
  -o 'jsonpath={.metadata.name}/{.metadata.labels.app\.kubernetes\.io/part-of}')
case $owner in
  '' | traefik/chat-server) change kubectl apply -f "$work/traefik.yaml" ;;
  *) echo 'Traefik has a HelmChartConfig that is not ours; it is left as it is. What ours would say:' && traefik ;;
esac

label=$(get deployment chat-server '{.metadata.name}/{.metadata.labels.app\.kubernetes\.io/name}')
if [ "$label" = chat-server/ ]; then
  log 'The reference runs here. It stops before this service starts: the two cannot share one Redis.'
  change in_namespace scale deployment/chat-server --replicas=0
  change in_namespace wait --for=delete pod -l app=chat-server --timeout=180s
fi
first=true
[ "$label" != chat-server/chat-server ] || first=false
revision() { get deployment "$1" '{.metadata.annotations.deployment\.kubernetes\.io/revision}'; }
server_before=$(revision chat-server)
web_before=$(revision chat-web)

if $dry_run; then
  if $fresh; then
    echo "would run: $k3s kubectl apply -k (deploy/$overlay with these images)"
  else
    kubectl kustomize "$work/site" >"$work/manifests.yaml"
    echo "would run: $k3s kubectl apply -f - with what differs below"
    # 1 says that something differs.
    kubectl diff -f "$work/manifests.yaml" || [ $? -eq 1 ]
  fi
  $first || echo '(would dump the database and stop the old servers first, where a migration of the new version says so)'
  echo 'would wait for postgres, redis, chat-server and chat-web, and run the smoke test'
  exit 0
fi

# ---------------------------------------------------------------- a migration that no old server may run beside

task() { # --pending or --migrate: what the new version does in place of a start
  local phase='' i
  in_namespace delete pod chat-task --ignore-not-found --now >/dev/null
  # PostgreSQL lets pods of this label in. Never being ready, it gets none of their requests.
  in_namespace create -f - >/dev/null <<POD || return 1
apiVersion: v1
kind: Pod
metadata:
  name: chat-task
  labels:
    app: chat-server
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 1000
    runAsGroup: 1000
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: chat-task
      image: $IMAGE
      imagePullPolicy: IfNotPresent
      command: [node, --enable-source-maps, dist/server.js, $1]
      env:
        - name: DB_URL
          valueFrom:
            secretKeyRef:
              name: chat-secrets
              key: db-url
        - name: JWT_SECRET
          valueFrom:
            secretKeyRef:
              name: chat-secrets
              key: jwt-secret
      readinessProbe:
        exec:
          command: ["false"]
      resources:
        requests:
          cpu: 50m
          memory: 128Mi
        limits:
          memory: 512Mi
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
POD
  for ((i = 0; ; i++)); do
    phase=$(get pod chat-task '{.status.phase}')
    case $phase in
      Succeeded | Failed) break ;;
      # However long a migration takes.
      Running) ;;
      *) [ "$i" -lt 300 ] || { in_namespace describe pod chat-task && break; } ;;
    esac
    sleep 1
  done
  in_namespace logs pod/chat-task || true
  in_namespace delete pod chat-task --now >/dev/null
  [ "$phase" = Succeeded ]
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

# Whether it is the one of these manifests, which can be dumped from here.
own_database() {
  get secret chat-secrets '{.data.db-url}' | base64 -d | grep '^postgres://[^ ]*@postgres:5432/chatdb$' >/dev/null
}

dump() { # file: for its owner alone, since it is all that people have written
  (umask 077 && in_namespace exec deployment/postgres -c postgres -- pg_dump -U postgres -Fc chatdb >"$1") && return
  rm -f "$1"
  return 1
}

stop_all() {
  in_namespace scale deployment/chat-server --replicas=0 || return 1
  # It objects where there is none to wait for.
  in_namespace wait --for=delete pod -l app=chat-server --timeout=180s ||
    [ -z "$(in_namespace get pods -l app=chat-server -o name)" ]
}

way_back() {
  local kubectl="sudo k3s kubectl -n $NAMESPACE" restore='  (put your backup back in place of the database)' web=''
  [ -z "$dump" ] || restore="  $kubectl exec -i deployment/postgres -c postgres -- dropdb -U postgres --force chatdb
  $kubectl exec -i deployment/postgres -c postgres -- createdb -U postgres chatdb
  $kubectl exec -i deployment/postgres -c postgres -- pg_restore -U postgres -d chatdb --exit-on-error <$(printf %q "$dump")"
  [ -z "$web_before" ] || web="
  $kubectl rollout undo deployment/chat-web --to-revision=$web_before"
  die "It does not work. The old servers were not started again: the database may be one by now that they don't know.
Once the cause is mended, run this again. Or go back to what ran before, without what was said since the backup:
  $kubectl scale deployment/chat-server --replicas=0
  $kubectl wait --for=delete pod -l app=chat-server --timeout=180s
$restore
  $kubectl rollout undo deployment/chat-server --to-revision=$server_before$web
  $kubectl scale deployment/chat-server --replicas=$replicas"
}

alone=''
replicas=$(get deployment chat-server '{.spec.replicas}')
case $replicas in '' | 0) replicas=2 ;; esac
if ! $first; then
  log 'Asking the new version what it would migrate'
  alone=$(ask_alone) || die "It can't say; see above. The version before still runs."
fi
if [ -n "$alone" ]; then
  log "No old server may run while ${alone//$'\n'/, } is applied: all of them stop for it."
  dump=''
  if [ "${BACKUP_DONE:-}" != true ]; then
    own_database || die 'The database is not the one of deploy/k3s, so make a backup yourself, and run this again with BACKUP_DONE=true. The version before still runs.'
    dump=$PWD/chatdb-$(date +%Y%m%d%H%M%S).dump
    log "Dumping the database to $dump"
    dump "$dump" || die 'The dump failed; see above. The version before still runs.'
  fi
  log 'Stopping all servers'
  since=$SECONDS
  if ! { stop_all && task --migrate; }; then
    # Migrations are applied all together or not at all.
    [ -n "$(ask_alone)" ] || way_back
    in_namespace scale deployment/chat-server --replicas="$replicas"
    in_namespace rollout status deployment/chat-server --timeout=300s || true
    die "The migration failed and changed nothing; see above. What ran before runs again, after $((SECONDS - since)) s."
  fi
fi

kubectl kustomize "$work/site" >"$work/manifests.yaml"
if ! kubectl apply -f "$work/manifests.yaml"; then
  [ -z "$alone" ] || way_back
  exit 1
fi
# Where the manifests name no number, since it is the autoscaler's, it stays at none by itself.
if [ "$(get deployment chat-server '{.spec.replicas}')" = 0 ]; then
  in_namespace scale deployment/chat-server --replicas="$replicas"
fi

# ---------------------------------------------------------------- wait, try, go back if need be

roll_out() {
  local name
  for name in postgres redis chat-server chat-web; do
    in_namespace rollout status "deployment/$name" --timeout=300s || return 1
  done
  [ -z "$alone" ] || log "The server was away for $((SECONDS - since)) s."
}

smoke() {
  local address=http://traefik.kube-system.svc.cluster.local
  # From inside, where the certificate may not have been issued yet; the name is still asked for.
  [ -z "${DOMAIN:-}" ] || address=https://traefik.kube-system.svc.cluster.local
  local try
  for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
    # shellcheck disable=SC2086 # no host name is no argument
    in_namespace exec deployment/chat-server -c chat-server -- \
      env ${DOMAIN:+NODE_TLS_REJECT_UNAUTHORIZED=0} node smoke.mjs "$address" ${DOMAIN:-} && return
    # After a first start the ingress controller may still be starting itself.
    [ "$try" = 12 ] || sleep "${SMOKE_WAIT:-5}"
  done
  return 1
}

roll_back() {
  local name before
  for name in chat-server chat-web; do
    before=$server_before
    [ "$name" = chat-server ] || before=$web_before
    if [ -n "$before" ] && [ "$(revision "$name")" != "$before" ]; then
      in_namespace rollout undo "deployment/$name" --to-revision="$before" || return 1
      in_namespace rollout status "deployment/$name" --timeout=300s || return 1
    fi
  done
}

log 'Waiting until everything is ready'
if ! roll_out || { log 'Smoke test through the ingress' && ! smoke; }; then
  log 'It does not work. What the pods say:'
  in_namespace get pods -o wide || true
  in_namespace get events --sort-by=.lastTimestamp | tail -n 20 || true
  in_namespace logs deployment/chat-server --tail=50 || true
  $first && die 'This was the first start, so there is nothing to go back to. Run it again once the cause is mended.'
  [ -z "$alone" ] || way_back
  log 'Going back to what ran before'
  roll_back || die 'Going back failed too.'
  die 'The previous version runs again.'
fi

[ -z "${dump:-}" ] || echo "To go back, there is $dump. Delete it when you don't want to any more."
service="http://<address of this machine>/"
[ -z "${DOMAIN:-}" ] || service=https://$DOMAIN/
log Done
in_namespace get pods,svc,ingress
cat <<NEXT

The service is running:
  $service

What to do next:
  sudo k3s kubectl -n $NAMESPACE get pods
  sudo k3s kubectl -n $NAMESPACE logs -l app=chat-server --tail=100
  sudo k3s kubectl -n $NAMESPACE get secret chat-secrets -o yaml      keep a copy of it somewhere safe
  deploy/README.md                                                   TLS, backup, growth
NEXT
