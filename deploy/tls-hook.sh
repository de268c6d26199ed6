#!/bin/sh
# Run by certbot in its container after a certificate was issued or renewed: puts a copy where Nginx may read it.
# certbot's own folder is for root alone, and Nginx is not root.
set -eu

for name in fullchain privkey; do
  # Aside first, so that Nginx never reads half a file.
  cp -L "$RENEWED_LINEAGE/$name.pem" "${TLS_DIR:=/tls}/.$name.new"
  chmod 600 "$TLS_DIR/.$name.new"
  chown 101:101 "$TLS_DIR/.$name.new"
  mv "$TLS_DIR/.$name.new" "$TLS_DIR/$name.pem"
done
