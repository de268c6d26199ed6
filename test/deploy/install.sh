#!/usr/bin/env bash
# Installs what the tests in this folder need: their own packages, and two of the system's.
set -euo pipefail
cd "$(dirname "$0")"
npm ci
bash ../install.sh --with shellcheck docker-compose
