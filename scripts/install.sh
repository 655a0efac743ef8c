#!/usr/bin/env bash
# Installs what Tome needs from Debian 12's packages, and nothing that is there already.
# Usage: bash scripts/install.sh [build|training|tests|update]
#   build: to compile and to pull models; training: `tome extend` as well; tests (the default): to run the tests as well;
#   update: the package lists only
set -euo pipefail

packages=(
  ca-certificates g++ cmake ninja-build pkg-config
  libfmt-dev libspdlog-dev libexpected-dev nlohmann-json3-dev libcli11-dev
  libicu-dev libcurl4-openssl-dev libssl-dev libxxhash-dev libzip-dev
  python3 python3-pip
)
wanted=${1:-tests}
case "$wanted" in
  build) ;;
  update) packages=() ;;
  training) packages+=(libtorch-dev libopenblas0-pthread) ;;
  tests) packages+=(libtorch-dev libopenblas0-pthread libgtest-dev libcpp-httplib-dev clang-format-14 chromium) ;;
  *) echo "usage: bash scripts/install.sh [build|training|tests|update]" >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ] && [ "$wanted" != update ]; then
  echo "install: every package is there"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install: needs root or sudo for: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "install: ${missing[*]:-package lists}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }; }
quietly apt-get update -q
[ ${#missing[@]} -eq 0 ] || quietly apt-get install -y -q --no-install-recommends "${missing[@]}"
