// Runs an RP2040 image under rp2040js, with UART0 on standard input and output, no faster than time goes.
//
//   node emulate.mjs IMAGE.bin [--times FILE]
//
// The image is the one that is flashed. What the chip's ROM does is done here: stack and start address come from the
// image's own vector table, behind the 256 bytes of the second boot stage. With --times, two kinds of lines are written when
// the input ends: `TICK PIN LEVEL` for each edge of an output, and `TICK wake` for each tick at which the image asked its
// timer to wake it; a tick is a twelfth of a microsecond, as the image counts them.
import { readFileSync, writeFileSync } from 'node:fs';
import { ConsoleLogger, GPIOPinState, LogLevel, Simulator } from 'rp2040js';

const VECTORS = 0x10000100;
const TIMER = 0x40054;
const ALARM0 = 0x10;
const TICKS_PER_MICRO = 12;
const CYCLE_NANOS = 8;
const BYTE_NANOS = 40_000;
const SLICE_NANOS = 20_000_000;

const [image, ...options] = process.argv.slice(2);
const timesFile = options.includes('--times') ? options[options.indexOf('--times') + 1] : null;

const { rp2040, clock } = new Simulator();
rp2040.logger = new ConsoleLogger(LogLevel.Error);
rp2040.flash.set(readFileSync(image));
const core = rp2040.core;
core.VTOR = VECTORS;
core.SP = rp2040.readUint32(VECTORS);
core.PC = rp2040.readUint32(VECTORS + 4) & ~1;

// rp2040js leaves the Thumb bit of a handler's address in the program counter, where it spoils jump tables.
const exceptionEntry = core.exceptionEntry.bind(core);
core.exceptionEntry = (number) => {
  exceptionEntry(number);
  core.PC &= ~1;
};

// rp2040js leaves out the tick generator and counts microseconds; the image leaves the crystal's 12 MHz undivided.
const timer = rp2040.peripherals[TIMER];
timer.clock = { get nanos() { return clock.nanos * TICKS_PER_MICRO; } };
for (const { clockAlarm } of timer.alarms) {
  const schedule = clockAlarm.schedule.bind(clockAlarm);
  clockAlarm.schedule = (nanos) => schedule(nanos / TICKS_PER_MICRO);
}

const seen = [];
const writeTimer = timer.writeUint32.bind(timer);
timer.writeUint32 = (offset, value) => {
  if (offset === ALARM0) seen.push(`${value >>> 0} wake`);
  writeTimer(offset, value);
};
rp2040.gpio.forEach((pin, number) => pin.addListener((state, before) => {
  const isLevel = (level) => level === GPIOPinState.High || level === GPIOPinState.Low;
  if (isLevel(state) && isLevel(before)) {
    seen.push(`${(clock.nanos * TICKS_PER_MICRO / 1000).toFixed(2)} ${number} ${state === GPIOPinState.High ? 1 : 0}`);
  }
}));

let input = [];
let nextByteNanos = 0;
process.stdin.on('data', (bytes) => { for (const byte of bytes) input.push(byte); });
process.stdin.on('end', () => {
  if (timesFile) writeFileSync(timesFile, seen.map((line) => `${line}\n`).join(''));
  process.exit(0);
});

let output = [];
rp2040.uart[0].onByte = (byte) => output.push(byte);

function feed() {
  if (input.length > 0 && clock.nanos >= nextByteNanos && !rp2040.uart[0].rxFIFO.full) {
    rp2040.uart[0].feedByte(input.shift());
    nextByteNanos = clock.nanos + BYTE_NANOS;
  }
}

function run(untilNanos) {
  while (clock.nanos < untilNanos) {
    feed();
    // rp2040js sleeps over an interrupt that was pending when the sleep began.
    if (core.waiting && core.checkForInterrupts()) core.waiting = false;
    if (core.waiting) {
      const byte = input.length > 0 ? nextByteNanos - clock.nanos : Infinity;
      const alarm = clock.nextAlarm ? clock.nanosToNextAlarm : Infinity;
      clock.tick(Math.max(CYCLE_NANOS, Math.min(byte, alarm, untilNanos - clock.nanos)));
    } else {
      clock.tick(core.executeInstruction() * CYCLE_NANOS);
    }
  }
}

const began = process.hrtime.bigint();
function turn() {
  const wall = Number(process.hrtime.bigint() - began);
  if (clock.nanos < wall) run(Math.min(wall, clock.nanos + SLICE_NANOS));
  if (output.length > 0) {
    process.stdout.write(Uint8Array.from(output));
    output = [];
  }
  setTimeout(turn, clock.nanos < wall ? 0 : 1);
}
turn();
