#!/usr/bin/env bash
# The viewer for browsers in headless Chromium, drawn by the processor: builds it (scripts/web.sh), opens recordings by
# address and by hand, and measures in screenshots, which it leaves in FOLDER (default: web-shots in cargo's target folder).
#
#   scripts/web-test.sh [FOLDER]
#
# Exit 0: all as it should be. 1: not. 3: tools are not here and nothing was tried; scripts/setup-ci.sh web brings them.
set -euo pipefail
cd "$(dirname "$0")/.."
build_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")
shots=$(realpath -m "${1:-$build_dir/web-shots}")
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
for tool in "chromium:$browser" "node:$(command -v node || true)" "playwright-core:$(ls -d sim/viewer/web/test/node_modules/playwright-core 2>/dev/null || true)"; do
  [ -n "${tool#*:}" ] || { echo "web-test: skipped, ${tool%%:*} is missing; run scripts/setup-ci.sh web" >&2; exit 3; }
done

mkdir -p "$shots"
cargo run --quiet --locked -p drydock-view-model --example make_beads -- 2400 "$shots/run.drydock"
scripts/web.sh --out "$build_dir/web" "$shots/run.drydock" "$shots/run.drydock"
SITE="$build_dir/web" RECORDING="$shots/run.drydock" SHOTS="$shots" BROWSER="$browser" \
  node --test sim/viewer/web/test/page.test.mjs
