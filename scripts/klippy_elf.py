#!/usr/bin/env python3
"""Real klippy prints on the firmware's image for a chip, in QEMU; then the image is asked where its motors stand.

    scripts/klippy_elf.py KLIPPER_DIR [--python PYTHON] [--image out/emulation/drydock-stm32f405-usart1-qemu.bin]

The image is what `scripts/emulation.sh` builds. QEMU has no pins, so nothing homes: the position is set, and 1,000 moves
are made from there. KLIPPER_DIR and PYTHON as for klippy.py. It takes two minutes, for klippy runs in real time.
"""

import argparse
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import zlib

from klippy import Failure, Klippy, ROOT, first_in_line, moves, positions

CONFIG = """[mcu]
serial: {port}
restart_method: command
[printer]
kinematics: cartesian
max_velocity: 300
max_accel: 3000
[force_move]
enable_force_move: True
[virtual_sdcard]
path: {folder}
"""
AXIS = """[stepper_{axis}]
step_pin: {step}
dir_pin: {dir}
microsteps: 16
rotation_distance: {rotation}
endstop_pin: {endstop}
position_endstop: 0
position_max: 250
homing_speed: 20
"""
AXES = [("x", "PA0", "PA1", "PD0", 40), ("y", "PB0", "PB1", "PD1", 40), ("z", "PC0", "PC1", "PD2", 8)]
# What klippy 0.13 calls the three: each rail takes a number for its endstop and one for its trsync before.
OIDS = [2, 5, 8]
START = [100.0, 100.0, 10.0]


class Board:
    """The least that a client of a board needs: blocks with their sequence, the dictionary, one question."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self.sequence, self.pending = 0, b""
        self.ids = {"identify": 1, "identify_response": 0}
        data = b""
        while True:
            answer = self.ask(self.number(self.ids["identify"]) + self.number(len(data)) + self.number(40), "identify_response")
            _, rest = self.value(answer)
            length, rest = rest[0], rest[1:]
            data += rest[:length]
            if length == 0:
                break
        self.dictionary = json.loads(zlib.decompress(data))
        for kind in ("commands", "responses"):
            self.ids.update({text.split()[0]: number for text, number in self.dictionary[kind].items()})

    def position(self, oid):
        answer = self.ask(self.number(self.ids["stepper_get_position"]) + self.number(oid), "stepper_position")
        _, rest = self.value(answer)
        return self.value(rest)[0]

    def ask(self, content, wanted, limit_s=20.0):
        """Sends until the answer comes; a board that expects another sequence says which."""
        end, again = time.monotonic() + limit_s, 0.0
        while time.monotonic() < end:
            if time.monotonic() >= again:
                block = bytes([len(content) + 5, 0x10 | self.sequence]) + content
                os.write(self.file, block + crc(block) + b"\x7e")
                again = time.monotonic() + 0.5
            for block in self.blocks():
                self.sequence = block[1] & 0x0F
                content_of = block[2:-3]
                if content_of and self.value(content_of)[0] == self.ids[wanted]:
                    return self.value(content_of)[1]
        raise Failure(f"the board gave no {wanted} in {limit_s} s")

    def blocks(self):
        if select.select([self.file], [], [], 0.05)[0]:
            self.pending += os.read(self.file, 4096)
        found = []
        while b"\x7e" in self.pending:
            if 5 <= self.pending[0] <= 64 and len(self.pending) < self.pending[0]:
                break
            block = self.pending[: self.pending[0]]
            if 5 <= self.pending[0] <= 64 and block[-1] == 0x7E and crc(block[:-3]) == block[-3:-1]:
                found.append(block)
                self.pending = self.pending[self.pending[0] :]
            else:
                self.pending = self.pending[1:]
        return found

    @staticmethod
    def number(value):
        groups = [value & 0x7F]
        while not -32 <= value < 96:
            value >>= 7
            groups.append(value & 0x7F | 0x80)
        return bytes(reversed(groups))

    @staticmethod
    def value(data):
        value = data[0] & 0x7F
        if data[0] & 0x60 == 0x60:
            value -= 0x80
        at = 1
        while data[at - 1] & 0x80:
            value = value << 7 | data[at] & 0x7F
            at += 1
        return value, data[at:]


def crc(data):
    value = 0xFFFF
    for byte in data:
        byte = (byte ^ value) & 0xFF
        byte = (byte ^ byte << 4) & 0xFF
        value = (byte << 8 | value >> 8) ^ byte >> 4 ^ byte << 3
        value &= 0xFFFF
    return bytes([value >> 8, value & 0xFF])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("klipper", nargs="?", default=os.environ.get("KLIPPER"))
    arguments.add_argument("--python", default=os.environ.get("KLIPPY_PYTHON", "python3"))
    arguments.add_argument("--image", default=os.path.join(ROOT, "out/emulation/drydock-stm32f405-usart1-qemu.bin"))
    args = arguments.parse_args()
    if not args.klipper or not os.path.isfile(os.path.join(args.klipper, "klippy/klippy.py")):
        print("klippy_elf.py: skipped, no Klipper checkout given (scripts/klippy_elf.py KLIPPER_DIR, or $KLIPPER)")
        return 0
    if not os.path.isfile(args.image) or not shutil.which("qemu-system-arm"):
        print(f"klippy_elf.py: skipped, no qemu-system-arm or no {args.image} (scripts/emulation.sh makes it)")
        return 0
    folder = tempfile.mkdtemp(prefix="drydock-elf-")
    # The clock counts instructions of 64 ns, so that a busy computer makes no step late, and never runs ahead of time.
    qemu = first_in_line(("chrt", "-f", "10"), ("nice", "-n", "-15"))
    qemu += ["qemu-system-arm", "-M", "netduinoplus2", "-nographic", "-monitor", "none", "-serial", "pty"]
    qemu += ["-icount", "shift=6,align=on,sleep=on", "-kernel", args.image]
    machine = subprocess.Popen(qemu, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    klippy = None
    try:
        port = next(word for word in machine.stdout.readline().split() if word.startswith("/dev/"))
        with open(os.path.join(folder, "printer.cfg"), "w") as config:
            config.write(CONFIG.format(port=port, folder=folder))
            for axis, step, dir, endstop, rotation in AXES:
                config.write(AXIS.format(axis=axis, step=step, dir=dir, endstop=endstop, rotation=rotation))
        with open(os.path.join(folder, "moves.gcode"), "w") as file:
            # No extruder here.
            file.write("\n".join(" ".join(w for w in line.split() if w[0] != "E") for line in moves(1000)) + "\n")
        klippy = Klippy(args.python, args.klipper, folder)
        print(f"ready in {klippy.wait_ready():.1f} s")
        time.sleep(3)
        at_connect = klippy.stats()
        klippy.run("SET_KINEMATIC_POSITION X={} Y={} Z={}".format(*START))
        before = positions(klippy)
        start = time.monotonic()
        klippy.run("SDCARD_PRINT_FILE FILENAME=moves.gcode")
        while (state := klippy.ask("objects/query", {"objects": {"print_stats": ["state"]}}, 30)["status"]["print_stats"]["state"]) in ("standby", "printing"):
            time.sleep(1)
        klippy.run("M400")
        counts = positions(klippy)
        print(f"the print is '{state}' after {time.monotonic() - start:.0f} s")
        time.sleep(2)
        at_end = klippy.stats()
        print(f"at connect {at_connect}, at the end {at_end}")
        klippy.process.terminate()
        klippy.process.wait()
        board = Board(port)
        made = {f"stepper_{axis}": board.position(oid) for (axis, *_), oid in zip(AXES, OIDS)}
        told = {name: counts[name] - before[name] for name in made}
        print(f"{board.dictionary['version']}: klippy sent {told}, the image made {made}")
        # An emulated port answers late on a busy computer, so blocks are sent again; none may be broken.
        good = told == made and state == "complete" and at_end["bytes_invalid"] == 0
        print("positions: " + ("exact" if told == made else "WRONG"))
        return 0 if good else 1
    except Failure as failure:
        print(f"FAILED: {failure}; see {folder}")
        return 1
    finally:
        for process in (klippy.process if klippy else None, machine):
            if process and process.poll() is None:
                process.kill()
                process.wait()


if __name__ == "__main__":
    sys.exit(main())
