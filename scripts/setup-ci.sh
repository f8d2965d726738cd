#!/usr/bin/env bash
# Installs what CI uses beyond Rust itself, from Debian. Nothing here is needed to build or use Drydock.
#   setup-ci.sh aarch64   the cross compiler, a rustc that can build its own std, and user-mode emulation
# Exit 0 where everything asked for is there afterwards, 1 where not (no network, no root, another distribution).
set -u
cd "$(dirname "$0")/.."

want=()
for set in "$@"; do
  case "$set" in
    aarch64) want+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static rustc-web rust-web-src) ;;
    *) echo "setup-ci: no set $set; there is: aarch64" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${want[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit 0

command -v apt-get >/dev/null || { echo "setup-ci: no apt-get here; missing: ${missing[*]}" >&2; exit 1; }
sudo=(); [ "$(id -u)" = 0 ] || sudo=(sudo -n)
export DEBIAN_FRONTEND=noninteractive
{ timeout 120 "${sudo[@]}" apt-get update -qq && timeout 600 "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
  { echo "setup-ci: could not install ${missing[*]}" >&2; exit 1; }
