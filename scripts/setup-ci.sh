#!/usr/bin/env bash
# Installs what CI uses beyond Rust itself, from Debian (and two packages from npm). Nothing here is needed to build or use
# Drydock.
#   setup-ci.sh aarch64     the cross compiler, a rustc that can build its own std, and user-mode emulation
#   setup-ci.sh firmware    what compiles for chips, where rustup's targets are not there
#   setup-ci.sh viewer      a Vulkan driver that needs no GPU, for the viewer's pictures
#   setup-ci.sh web         what compiles the viewer for browsers, a browser, and playwright-core to lead it by the hand
#   setup-ci.sh emulation   QEMU for the STM32F4, rp2040js for the RP2040
# Exit 0 where everything asked for is there afterwards, 1 where not (no network, no root, another distribution).
set -u
cd "$(dirname "$0")/.."

want=()
sets=("$@")
for set in "${sets[@]}"; do
  case "$set" in
    aarch64) want+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static rustc-web rust-web-src) ;;
    firmware) want+=(binutils-arm-none-eabi rustc-web rust-web-src) ;;
    viewer) want+=(libvulkan1 mesa-vulkan-drivers) ;;
    web)
      want+=(chromium nodejs npm brotli)
      # Where rustup has the target nothing else is needed.
      [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" ] || want+=(rustc-web rust-web-src lld-22)
      ;;
    emulation) want+=(qemu-system-arm nodejs npm) ;;
    *) echo "setup-ci: no set $set; there is: aarch64, firmware, emulation, viewer, web" >&2; exit 2 ;;
  esac
done

missing=()
for package in "${want[@]}"; do
  # Whose node it is makes no difference.
  case "$package" in nodejs) command -v node >/dev/null && continue ;; npm) command -v npm >/dev/null && continue ;; esac
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done

# node_package SET FOLDER PACKAGE: where the set is asked for.
node_package() {
  case " ${sets[*]} " in *" $1 "*) ;; *) return 0 ;; esac
  [ -d "$2/node_modules/$3" ] && return 0
  timeout 120 npm ci --prefix "$2" --silent >/dev/null 2>&1 || { echo "setup-ci: could not install $3" >&2; return 1; }
}
node_packages() {
  node_package emulation mcu-firmware/boards/rp2040/emulate rp2040js &&
    node_package web sim/viewer/web/test playwright-core
}
[ ${#missing[@]} = 0 ] && { node_packages; exit; }

command -v apt-get >/dev/null || { echo "setup-ci: no apt-get here; missing: ${missing[*]}" >&2; exit 1; }
sudo=(); [ "$(id -u)" = 0 ] || sudo=(sudo -n)
export DEBIAN_FRONTEND=noninteractive
{ timeout 120 "${sudo[@]}" apt-get update -qq && timeout 600 "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
  { echo "setup-ci: could not install ${missing[*]}" >&2; exit 1; }
node_packages
