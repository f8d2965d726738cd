#!/usr/bin/env python3
"""Real klippy prints on `drydock mcu`: connect, home, 1,000 moves, PID_CALIBRATE, SHAPER_CALIBRATE; then the counts.

    scripts/klippy.py KLIPPER_DIR [--python PYTHON] [--drydock BINARY] [--only ready,home,moves,heat,pid,shaper]

KLIPPER_DIR (or $KLIPPER) is a checkout of Klipper that you have; nothing of it is in this repository. PYTHON (or
$KLIPPY_PYTHON) is one with klippy's requirements and numpy. Without a checkout this says so and succeeds. It takes
about a quarter of an hour, for klippy runs in real time, and wants a computer with nothing else to do.
"""

import argparse
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCENARIO = os.path.join(ROOT, "scenarios/shaper-calibrate")
PRINTER = os.path.join(ROOT, "assets/printers/corexy-250")
PLANTED_HZ = {"x": 48.0, "y": 37.0}


class Klippy:
    """klippy and its API socket."""

    def __init__(self, python, klipper, folder):
        self.log = os.path.join(folder, "klippy.log")
        api = os.path.join(folder, "api")
        command = [python, os.path.join(klipper, "klippy/klippy.py"), os.path.join(folder, "printer.cfg")]
        command += ["-l", self.log, "-a", api, "-I", os.path.join(folder, "console")]
        self.process = subprocess.Popen(first_in_line(("nice", "-n", "-15")) + command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        self.said, self.pending, self.answers, self.number = [], b"", {}, 0
        end = time.monotonic() + 30
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(api)
                break
            except OSError:
                if time.monotonic() > end:
                    raise Failure("klippy opened no API socket; see " + self.log)
                time.sleep(0.1)
        self.ask("gcode/subscribe_output", {"response_template": {"said": True}}, 30)

    def ask(self, method, params, limit_s):
        self.number += 1
        self.socket.sendall(json.dumps({"id": self.number, "method": method, "params": params}).encode() + b"\x03")
        end = time.monotonic() + limit_s
        while self.number not in self.answers:
            if time.monotonic() > end:
                raise Failure(f"{method} {params} had no answer in {limit_s} s")
            self.socket.settimeout(1.0)
            try:
                self.pending += self.socket.recv(65536)
            except TimeoutError:
                continue
            *whole, self.pending = self.pending.split(b"\x03")
            for message in map(json.loads, whole):
                if message.get("said"):
                    self.said.append(message["params"]["response"])
                elif "id" in message:
                    self.answers[message["id"]] = message
        answer = self.answers.pop(self.number)
        if "error" in answer:
            raise Failure(f"{method} {params}: {answer['error'].get('message')}")
        return answer["result"]

    def run(self, script, limit_s=120):
        start = len(self.said)
        self.ask("gcode/script", {"script": script}, limit_s)
        return self.said[start:]

    def wait_ready(self):
        start = time.monotonic()
        while (info := self.ask("info", {}, 30))["state"] != "ready":
            if info["state"] in ("error", "shutdown") or time.monotonic() > start + 60:
                raise Failure(f"klippy is {info['state']}: {info['state_message']}")
            time.sleep(0.2)
        return time.monotonic() - start

    def stats(self):
        """What the last Stats line says of the line to the board."""
        with open(self.log) as log:
            lines = [line for line in log if line.startswith("Stats ")]
        words = dict(word.split("=", 1) for word in lines[-1].split() if "=" in word)
        return {name: int(words[name]) for name in ("bytes_write", "bytes_read", "bytes_retransmit", "bytes_invalid")}


class Failure(Exception):
    pass


def first_in_line(*ways):
    """Both have deadlines; on a busy computer they need to come first, where we may ask for that. klippy must not be a
    real-time task: its calibrations compute for seconds, and the kernel's worker that carries the bytes is none."""
    for way in ways:
        if shutil.which(way[0]) and subprocess.run([*way, "true"], capture_output=True).returncode == 0:
            return list(way)
    return []


def moves(count):
    """Jumps and circles in the middle of the bed, from a fixed sequence."""
    state, lines = 12345, ["G90", "M83", "G1 X125 Y125 Z10 F6000"]
    for i in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        block = i // 125
        if block % 2 == 0:
            x, y, z = 90 + (state >> 8) % 4000 / 100, 90 + (state >> 4) % 4000 / 100, 10 + block
            lines.append(f"G1 X{x:.2f} Y{y:.2f} Z{z} E0.05 F{3000 + state % 9000}")
        else:
            angle = i * 2 * math.pi / 125
            lines.append(f"G1 X{125 + 40 * math.cos(angle):.3f} Y{125 + 40 * math.sin(angle):.3f} E0.08 F6000")
    return lines


def positions(klippy):
    """klippy's own count of each motor's microsteps."""
    text = next(line for line in klippy.run("GET_POSITION") if "mcu:" in line)
    line = next(line for line in text.splitlines() if "mcu:" in line)
    return {name: int(steps) for name, steps in re.findall(r"(\w+):(-?\d+)", line)}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("klipper", nargs="?", default=os.environ.get("KLIPPER"))
    arguments.add_argument("--python", default=os.environ.get("KLIPPY_PYTHON", "python3"))
    arguments.add_argument("--drydock", default=os.path.join(ROOT, "target/release/drydock"))
    arguments.add_argument("--only", default="ready,home,moves,heat,pid,shaper")
    arguments.add_argument("--keep", metavar="DIR", help="leave klippy.log and the rest there")
    args = arguments.parse_args()
    if not args.klipper or not os.path.isfile(os.path.join(args.klipper, "klippy/klippy.py")):
        print("klippy.py: skipped, no Klipper checkout given (scripts/klippy.py KLIPPER_DIR, or $KLIPPER)")
        return 0
    folder = args.keep or tempfile.mkdtemp(prefix="drydock-klippy-")
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(PRINTER, "macros.cfg"), folder)
    port, prints = os.path.join(folder, "mcu"), os.path.join(folder, "prints")
    os.makedirs(prints, exist_ok=True)
    with open(os.path.join(PRINTER, "printer.cfg")) as source, open(os.path.join(folder, "printer.cfg"), "w") as config:
        text = re.sub(r"(?m)^serial:.*", "serial: " + port, source.read())
        config.write(re.sub(r"(?m)^path: .*", "path: " + prints, text))
    with open(os.path.join(prints, "moves.gcode"), "w") as file:
        file.write("\n".join(moves(1000)) + "\n")
    told = open(os.path.join(folder, "mcu.json"), "w+")
    command = [args.drydock, "mcu", "--pty", port, "--scenario", SCENARIO, "--json"]
    first = first_in_line(("chrt", "-f", "10"), ("nice", "-n", "-15"))
    mcu = subprocess.Popen(first + command, stdout=told)
    klippy = None
    try:
        klippy = Klippy(args.python, args.klipper, folder)
        counts = drive(klippy, args.only.split(","))
    except Failure as failure:
        print(f"FAILED: {failure}")
        print(f"see {folder}")
        counts = None
    finally:
        if klippy:
            klippy.process.terminate()
            klippy.process.wait()
        mcu.send_signal(signal.SIGINT)
        mcu.wait()
    told.seek(0)
    summary = json.loads(told.read() or "{}")
    late = summary.get("late_max_ms", 0.0)
    print(f"drydock mcu: {summary.get('sim_s', 0):.1f} s, at most {late:.1f} ms late, {summary.get('mcus')}")
    if counts is None:
        return 1
    wrong = [
        f"{name}: klippy {counts[name]}, board {motor['position_steps']}, lost {motor['lost_full_steps']}"
        for name, motor in summary["motors"].items()
        if name in counts and (counts[name] != motor["position_steps"] or motor["lost_full_steps"] != 0)
    ]
    print("positions: " + ("WRONG " + "; ".join(wrong) if wrong else f"exact, {counts}"))
    if not wrong and not args.keep:
        shutil.rmtree(folder)
    return 1 if wrong else 0


def drive(klippy, stages):
    print(f"ready in {klippy.wait_ready():.1f} s")
    time.sleep(3)
    at_connect = klippy.stats()
    klippy.run("SET_IDLE_TIMEOUT TIMEOUT=36000")
    if "home" in stages:
        klippy.run("G28")
        print("homed:", positions(klippy))
    if "heat" in stages:
        start = time.monotonic()
        klippy.run("M109 S200", 600)
        print(f"heated to 200 C in {time.monotonic() - start:.0f} s")
    if "moves" in stages:
        start = time.monotonic()
        klippy.run("SDCARD_PRINT_FILE FILENAME=moves.gcode")
        while (state := print_state(klippy)) in ("standby", "printing"):
            time.sleep(1)
        if state != "complete":
            raise Failure(f"the print is '{state}'")
        klippy.run("M400")
        print(f"1,000 moves in {time.monotonic() - start:.0f} s:", positions(klippy))
    if "pid" in stages:
        start = time.monotonic()
        said = klippy.run("PID_CALIBRATE HEATER=extruder TARGET=200", 1800)
        gains = next(line for line in said if "PID parameters" in line).splitlines()[0]
        print(f"{gains.strip('/ ')} in {time.monotonic() - start:.0f} s")
    if "shaper" in stages:
        start = time.monotonic()
        said = "\n".join(klippy.run("SHAPER_CALIBRATE", 1800))
        found = re.findall(r"Fitted shaper '(\w+)' frequency = ([\d.]+) Hz", said)
        zv = [float(hz) for shaper, hz in found if shaper == "zv"]
        print(f"SHAPER_CALIBRATE in {time.monotonic() - start:.0f} s: zv at {zv} Hz, planted {list(PLANTED_HZ.values())}")
        print("  " + "\n  ".join(re.findall(r"Recommended shaper.*", said)))
        if len(zv) != 2 or any(abs(a - b) > 1.0 for a, b in zip(zv, PLANTED_HZ.values())):
            raise Failure("the planted modes did not come back within 1 Hz")
    klippy.run("M400")
    counts = positions(klippy)
    time.sleep(2)
    at_end = klippy.stats()
    print(f"at connect {at_connect}, at the end {at_end}")
    print("positions by klippy:", counts)
    if at_end["bytes_invalid"] != 0 or at_end["bytes_retransmit"] != at_connect["bytes_retransmit"]:
        raise Failure("the line was not clean")
    if klippy.ask("info", {}, 30)["state"] != "ready":
        raise Failure("klippy is not ready at the end")
    return counts


def print_state(klippy):
    return klippy.ask("objects/query", {"objects": {"print_stats": ["state"]}}, 30)["status"]["print_stats"]["state"]


if __name__ == "__main__":
    sys.exit(main())
