#!/usr/bin/env bash
# The same scenarios with a release build twice in a row, with a debug build, and all at once: one fingerprint each.
#
#   scripts/determinism.sh SCENARIO...
#
# Exit 0: all equal. 1: a difference or a failure. The aarch64 half is scripts/aarch64-determinism.sh; that one flipped
# seed bit changes the fingerprint is a test: sim/scenario/tests/bits.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
build_dir="${CARGO_TARGET_DIR:-target}"

[ $# -gt 0 ] || { echo "usage: $0 SCENARIO..." >&2; exit 2; }
cargo build --quiet --release --locked -p drydock-cli
cargo build --quiet --locked -p drydock-cli

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# fingerprint NAME PROGRAM SCENARIO: leaves it in the file NAME, or "failed".
fingerprint() {
  { "$2" run "$3" --json --out "$scratch/$1.out" 2>"$scratch/$1.err" |
    sed -n 's/.*"fingerprint":"\([0-9a-f]*\)".*/\1/p' | grep . >"$scratch/$1" 2>/dev/null; } ||
    { cat "$scratch/$1.err" >&2; echo failed >"$scratch/$1"; }
  rm -rf "$scratch/$1.out"
}

index=0
for scenario in "$@"; do
  fingerprint "$index.once" "$build_dir/release/drydock" "$scenario"
  fingerprint "$index.twice" "$build_dir/release/drydock" "$scenario"
  fingerprint "$index.debug" "$build_dir/debug/drydock" "$scenario"
  index=$((index + 1))
done

index=0
for scenario in "$@"; do
  fingerprint "$index.beside" "$build_dir/release/drydock" "$scenario" &
  index=$((index + 1))
done
wait

failed=0
index=0
for scenario in "$@"; do
  once=$(cat "$scratch/$index.once")
  verdict="equal  "
  for other in twice debug beside; do
    got=$(cat "$scratch/$index.$other")
    if [ "$once" = failed ] || [ "$got" != "$once" ]; then
      verdict="DIFFERS ($other: $got)"
      failed=1
    fi
  done
  echo "$verdict  $once  $scenario"
  index=$((index + 1))
done
exit $failed
