#!/usr/bin/env bash
# The firmware as it is compiled for chips, under emulation: our host connects to each image, runs a program of steps,
# and the virtual MCU, fed the same bytes, must end at the same positions (docs/boards.md).
# Needs what `setup-ci.sh firmware emulation` installs.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR=never

out=out/emulation
build() { cargo run --release --quiet -- firmware build --out "$out" "$@"; }
drive() { cargo run --release --quiet -p drydock-host --example emulated -- "$@"; }

echo "== stm32f4 in QEMU"
build --board stm32f4 --chip stm32f405 --serial usart1 --qemu
# The clock is counted in instructions of 16 ns, so a busy computer makes no step late.
drive qemu-system-arm -M netduinoplus2 -nographic -monitor none -serial stdio \
  -icount shift=4,align=off,sleep=off -kernel "$out/drydock-stm32f405-usart1-qemu.bin"

echo "== rp2040 in rp2040js"
build --board rp2040 --serial uart0
emulate=mcu-firmware/boards/rp2040/emulate
drive --pins gpio10,gpio11,gpio12,gpio13,gpio14,gpio15 --times "$out/edges.txt" \
  node "$emulate/emulate.mjs" "$out/drydock-rp2040-uart0.bin" --times "$out/edges.txt"
