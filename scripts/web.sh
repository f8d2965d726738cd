#!/usr/bin/env bash
# The viewer for browsers: a folder that any web server can hand out.
#
#   scripts/web.sh [--out FOLDER] [RECORDING [RECORDING2]]
#
# The folder (default: web in cargo's target folder) gets the page, the viewer as WebAssembly, the same packed (.gz, which
# the page unpacks itself; .br for servers that send such files), and the recordings as the page's demo.
#
# Compiles with rustup's target wasm32-unknown-unknown, or where that is not there with Debian's rustc-web and a standard
# library built from source. wasm-bindgen's program is built once, in the version that Cargo.lock has. Exit 3: something is
# missing, and which command brings it is said.
set -euo pipefail
cd "$(dirname "$0")/.."
target=wasm32-unknown-unknown
build_dir="${CARGO_TARGET_DIR:-target}"
out="$build_dir/web"
if [ "${1:-}" = --out ]; then
  out="${2:?--out wants a folder}"
  shift 2
fi
case "${1:-}" in -*) echo "usage: $0 [--out FOLDER] [RECORDING [RECORDING2]]" >&2; exit 2 ;; esac

std=()
if [ ! -d "$(rustc --print target-libdir --target $target)" ]; then
  llvm=$(/usr/bin/rustc -vV 2>/dev/null | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
  if [ ! -d "$(/usr/bin/rustc --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library" ] || ! command -v "wasm-ld-$llvm" >/dev/null; then
    echo "web: nothing here compiles for $target: rustup target add $target, or on Debian scripts/setup-ci.sh web" >&2
    exit 3
  fi
  std=(-Zbuild-std=std,panic_abort)
  export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="wasm-ld-$llvm"
fi

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
bindgen="$build_dir/tools/bin/wasm-bindgen"
if [ "$("$bindgen" --version 2>/dev/null)" != "wasm-bindgen $version" ]; then
  echo "web: building wasm-bindgen $version, once" >&2
  env -u RUSTC -u RUSTC_BOOTSTRAP CARGO_TARGET_DIR="$build_dir/tools/build" \
    cargo install --quiet wasm-bindgen-cli --version "=$version" --root "$build_dir/tools"
  rm -rf "$build_dir/tools/build"
fi

echo "web: compiling; the first time takes about forty minutes of one processor" >&2
cargo build --profile wasm --locked -p drydock-view --no-default-features --features web --target $target "${std[@]}"

mkdir -p "$out"
"$bindgen" --target web --no-typescript --remove-name-section --remove-producers-section \
  --out-dir "$out" --out-name viewer "$build_dir/$target/wasm/drydock-view.wasm"
mv "$out/viewer_bg.wasm" "$out/viewer.wasm"
cp sim/viewer/web/index.html sim/viewer/web/page.js "$out/"
rm -f "$out/demo.drydock" "$out/demo-2.drydock"
[ $# -lt 1 ] || cp "$1" "$out/demo.drydock"
[ $# -lt 2 ] || cp "$2" "$out/demo-2.drydock"
gzip -9 --keep --force "$out/viewer.wasm"
if command -v brotli >/dev/null; then
  brotli --best --force --keep "$out/viewer.wasm"
else
  rm -f "$out/viewer.wasm.br"
  echo "web: no viewer.wasm.br, a quarter smaller than .gz: brotli is not here" >&2
fi
(cd "$out" && wc -c viewer.wasm* viewer.js page.js index.html | grep -v total)
echo "$out: python3 -m http.server --directory $out 8000"
