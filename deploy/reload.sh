#!/bin/sh
# Run in Nginx's container: has it read its configuration and certificate again if they changed since it last did. Not for
# nothing, since a reload closes the connections that clients keep.
set -eu

pid=${NGINX_PID:-/tmp/nginx.pid}
changed=$(find /etc/nginx/deploy /etc/nginx/tls -type f \( -name '*.conf' -o -name '*.pem' \) -newer "$pid")
[ -n "$changed" ] || exit 0
kill -HUP "$(cat "$pid")"
# When it last did.
touch "$pid"
