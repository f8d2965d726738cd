#!/usr/bin/env bash
# The same scenarios on this machine and on aarch64 (emulated): their fingerprints must be equal.
#
#   scripts/aarch64-determinism.sh SCENARIO...
#
# Builds `drydock` twice: natively, and for aarch64 with Debian's cross gcc and a standard library built from source
# (Debian's rustc-web brings that source; RUSTC_BOOTSTRAP lets it use -Zbuild-std). qemu-user runs the second one.
# `scripts/setup-ci.sh aarch64` installs what is needed. Exit 0: all equal. 1: a difference or a failure. 3: the tools are
# not here, nothing was compared.
set -euo pipefail
cd "$(dirname "$0")/.."
target=aarch64-unknown-linux-gnu
build_dir="${CARGO_TARGET_DIR:-target}"

[ $# -gt 0 ] || { echo "usage: $0 SCENARIO..." >&2; exit 2; }
for tool in /usr/bin/rustc aarch64-linux-gnu-gcc qemu-aarch64-static; do
  command -v "$tool" >/dev/null || { echo "aarch64-determinism: $tool is missing; run scripts/setup-ci.sh aarch64" >&2; exit 3; }
done

echo "aarch64-determinism: building natively" >&2
cargo build --quiet --release --locked -p drydock-cli
echo "aarch64-determinism: building for $target, its std included" >&2
RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
  CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc CARGO_TARGET_DIR="$build_dir/aarch64" \
  cargo build --quiet --release --locked -p drydock-cli --target "$target" -Zbuild-std=std,panic_abort

native="$build_dir/release/drydock"
emulated=(qemu-aarch64-static -L /usr/aarch64-linux-gnu "$build_dir/aarch64/$target/release/drydock")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# fingerprint FOLDER SCENARIO PROGRAM...
fingerprint() {
  local out="$scratch/$1" scenario="$2"
  shift 2
  "$@" run "$scenario" --json --out "$out" 2>"$scratch/stderr" |
    sed -n 's/.*"fingerprint":"\([0-9a-f]*\)".*/\1/p' | grep . ||
    { cat "$scratch/stderr" >&2; return 1; }
}

failed=0
for scenario in "$@"; do
  here=$(fingerprint native "$scenario" "$native") || here="failed"
  there=$(fingerprint aarch64 "$scenario" "${emulated[@]}") || there="failed too"
  if [ "$here" = "$there" ]; then
    echo "equal    $here  $scenario"
  else
    echo "DIFFERS  x86-64 $here, aarch64 $there  $scenario"
    failed=1
  fi
done
exit $failed
