//! Our host in front of a board's image under emulation, and the same bytes into the virtual MCU.
//!
//! `emulated [--pins STEP,DIR,..] [--times FILE] COMMAND ARG...` starts an emulator whose standard input and output are the
//! image's serial port, connects, configures three steppers, runs a program of steps, and asks for the positions. Then
//! the virtual MCU takes the same bytes at the same clocks, and everything that both said of their positions must be
//! the same. With `--times`, the emulator leaves a line `TICK wake` for each tick at which the image asked to be woken and a
//! line `TICK PIN LEVEL` for each edge. The image must ask for the very ticks of the virtual MCU's steps, and each edge must
//! come then or a little later. `scripts/emulation.sh` runs this on every board. With `--other-firmware` the image may be any
//! that speaks the protocol: only its positions and edges are looked at, against the program.

use drydock_host::mcu::{Arg, Mcu, McuStepper, QueueId, StepperPins};
use drydock_host::reactor::Reactor;
use drydock_protocol::block::{Deframer, Event};
use drydock_protocol::vlq::Reader;
use drydock_protocol::{Catalogue, Dictionary, Value};
use drydock_virtual_mcu::{McuConfig, Pin, VirtualMcu, Wires};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

const CONNECT_S: f64 = 120.0;
const ANSWER_S: f64 = 30.0;
/// Commands for each stepper.
const COMMANDS: usize = 150;
/// The first step is so long after the first command: by then all of them are in the move queue, which they fit, and an
/// emulator that is faster or slower than time itself makes no difference.
const LEAD_S: f64 = 12.0;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let pins = take(&mut args, "--pins").unwrap_or("PA0,PA1,PB0,PB1,PC0,PC1".into());
    let times = take(&mut args, "--times");
    let other_firmware = args.iter().position(|arg| arg == "--other-firmware").map(|at| args.remove(at)).is_some();
    let pins: Vec<&str> = pins.split(',').collect();

    let mut chip = Emulator::start(&args)?;
    let pairs: Vec<(String, String)> =
        pins.chunks_exact(2).map(|pair| (pair[0].to_string(), pair[1].to_string())).collect();
    let steppers: Vec<McuStepper> = pairs.iter().map(|(step, dir)| stepper(&chip.mcu, step, dir)).collect();
    let mcu = chip.mcu.clone();
    chip.finish(CONNECT_S, async move { mcu.connect().await })??;
    let (version, compiler) = chip.mcu.version();
    println!("connected: {version} ({compiler}), clock {} Hz", chip.mcu.clock_freq());

    let freq = chip.mcu.clock_freq();
    let start = chip.ask_clock()? + (LEAD_S * freq) as u64;
    let mut program = vec![];
    let mut wanted = vec![];
    for (stepper, interval_s) in steppers.iter().zip([0.000_41, 0.000_57, 0.000_83]) {
        wanted.push(queue(&mut program, stepper.oid(), start, (interval_s * freq) as u32));
    }
    // Stable, so that one stepper's commands stay in their order.
    program.sort_by_key(|command| command.first_clock);
    chip.send(&program)?;
    let end = wanted.iter().map(|queued| queued.end_clock).max().unwrap_or(start);
    while chip.ask_clock()? < end {}
    let mut positions = vec![];
    for (stepper, queued) in steppers.iter().zip(&wanted) {
        let asked = stepper.clone();
        let told = chip.finish(ANSWER_S, async move { asked.query_position_steps().await })??;
        positions.push(told);
        if told != queued.position {
            return Err(format!("stepper {}: at {told}, sent to {}", stepper.oid(), queued.position).into());
        }
    }
    println!("positions: {positions:?} after {} steps", wanted.iter().map(|queued| queued.steps).sum::<u64>());
    let stats = chip.mcu.stats().serial;
    println!(
        "line: {} bytes out, {} retransmitted, {} invalid",
        stats.bytes_write, stats.bytes_retransmit, stats.bytes_invalid
    );
    let (sent, received) = chip.stop()?;

    let step_clocks: Vec<Vec<u32>> = wanted.into_iter().map(|queued| queued.step_clocks).collect();
    if let Some(times) = &times {
        let pins = pairs.iter().map(|(pin, _)| gpio(pin)).collect::<Result<Vec<Pin>, Failure>>()?;
        compare_times(&std::fs::read_to_string(times)?, &pins, &step_clocks)?;
    }
    if other_firmware {
        return Ok(());
    }
    let mut twin = Twin::new(freq as u32);
    if twin.mcu.dictionary().version != version {
        return Err(format!("the image is {version}, the virtual MCU {}", twin.mcu.dictionary().version).into());
    }
    twin.replay(&sent);
    let dictionary = twin.mcu.dictionary();
    let (said, twin_said) = (positions_said(dictionary, &received)?, positions_said(dictionary, &twin.received)?);
    if said != twin_said || said.len() < steppers.len() {
        return Err(format!("positions by the image {said:?}, by the virtual MCU {twin_said:?}").into());
    }
    let made: usize = step_clocks.iter().map(Vec::len).sum();
    if twin.steps() != step_clocks {
        return Err("the virtual MCU made a step at another tick than the program has it".into());
    }
    println!("virtual MCU, the same bytes: positions {twin_said:?}, identical; {made} steps, each at its tick");
    Ok(())
}

/// The number of a pin that is called by it: `gpio10`.
fn gpio(name: &str) -> Result<Pin, Failure> {
    let number = name.strip_prefix("gpio").and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("--times is for chips whose pins are called gpio0, gpio1, ..: {name}").into())
}

/// Takes an option and its value out of the arguments before the emulator's command.
fn take(args: &mut Vec<String>, name: &str) -> Option<String> {
    let at = args.iter().position(|arg| arg == name)?;
    (at + 1 < args.len()).then(|| args.drain(at..at + 2).nth(1)).flatten()
}

fn stepper(mcu: &Mcu, step_pin: &str, dir_pin: &str) -> McuStepper {
    let (step_pin, dir_pin) = (step_pin.into(), dir_pin.into());
    McuStepper::new(mcu, StepperPins { step_pin, invert_step: false, dir_pin, invert_dir: false, step_pulse_s: None })
}

/// What one stepper was told to do.
struct Queued {
    end_clock: u64,
    position: i64,
    steps: u64,
    /// When each step is due, 32 bits.
    step_clocks: Vec<u32>,
}

/// One command of the program, and the clock of the first step that it has a part in.
struct ProgramStep {
    first_clock: u64,
    format: &'static str,
    args: Vec<i64>,
}

const QUEUE_STEP: &str = "queue_step oid=%c interval=%u count=%hu add=%hi";
const SET_DIR: &str = "set_next_step_dir oid=%c dir=%c";
const RESET_CLOCK: &str = "reset_step_clock oid=%c clock=%u";

/// Runs of steps that speed up and slow down, to and fro.
fn queue(program: &mut Vec<ProgramStep>, oid: u8, start_clock: u64, interval: u32) -> Queued {
    let oid = i64::from(oid);
    let mut queued = Queued { end_clock: start_clock, position: 0, steps: 0, step_clocks: vec![] };
    program.push(ProgramStep { first_clock: 0, format: RESET_CLOCK, args: vec![oid, i64::from(start_clock as u32)] });
    for number in 0..COMMANDS {
        let dir = (number / 7) % 3 != 0;
        let (count, add) = (1 + (number % 20) as i64, (number % 5) as i64 - 2);
        let first_clock = queued.end_clock + u64::from(interval);
        if number % 7 == 0 {
            program.push(ProgramStep { first_clock, format: SET_DIR, args: vec![oid, i64::from(dir)] });
        }
        program.push(ProgramStep { first_clock, format: QUEUE_STEP, args: vec![oid, i64::from(interval), count, add] });
        let mut due = queued.end_clock;
        for step in 0..count {
            due = due.saturating_add_signed(i64::from(interval) + add * step);
            queued.step_clocks.push(due as u32);
        }
        let ticks = count * i64::from(interval) + add * (count * (count - 1) / 2);
        queued.end_clock = queued.end_clock.saturating_add_signed(ticks);
        queued.position += if dir { count } else { -count };
        queued.steps += count as u64;
    }
    queued
}

/// Bytes to the image, each with the clock at which they left, and bytes from it.
type Traffic = (Vec<(u64, Vec<u8>)>, Vec<u8>);

/// An image under emulation, and the client of it.
struct Emulator {
    child: Child,
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
    began: Instant,
    reactor: Reactor,
    mcu: Mcu,
    /// What the image said last of its clock.
    clock: u64,
    sent: Vec<(u64, Vec<u8>)>,
    received: Vec<u8>,
    events: Rc<RefCell<Vec<String>>>,
}

impl Emulator {
    fn start(command: &[String]) -> Result<Self, Failure> {
        let (program, args) = command.split_first().ok_or("which emulator? emulated [OPTION..] COMMAND ARG..")?;
        let mut child = Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("no way in")?;
        let mut from = child.stdout.take().ok_or("no way out")?;
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let reactor = Reactor::new();
        let mcu = Mcu::new(&reactor, "mcu", None);
        let events: Rc<RefCell<Vec<String>>> = Rc::default();
        let list = events.clone();
        mcu.on_event(move |event| list.borrow_mut().push(event.message("mcu")));
        let (sent, received) = (vec![], vec![]);
        Ok(Self { child, input, output, began: Instant::now(), reactor, mcu, clock: 0, sent, received, events })
    }

    fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// One round: what the client wants to say goes out, what comes in the next moment goes in.
    fn turn(&mut self) -> Result<(), Failure> {
        self.reactor.run(self.now());
        let mut out = vec![];
        self.mcu.poll_transmit(self.now(), &mut out);
        if !out.is_empty() {
            self.input.write_all(&out)?;
            self.input.flush()?;
            self.sent.push((self.clock, out));
        }
        let wake = [self.reactor.next_wake(), self.mcu.next_wake()].into_iter().flatten().fold(f64::MAX, f64::min);
        let wait = (wake - self.now()).clamp(0.0, 0.01);
        match self.output.recv_timeout(Duration::from_secs_f64(wait)) {
            Ok(bytes) => {
                self.received.extend_from_slice(&bytes);
                self.mcu.handle_bytes(self.now(), &bytes);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err("the emulator ended".into()),
        }
        match self.events.borrow().first() {
            Some(event) => Err(event.clone().into()),
            None => Ok(()),
        }
    }

    /// The image's clock, from its own mouth: an emulator's rate is not steady enough for the client's estimate.
    fn ask_clock(&mut self) -> Result<u64, Failure> {
        let mcu = self.mcu.clone();
        let asked = self.finish(ANSWER_S, async move {
            let get_clock = mcu.lookup_command("get_clock")?;
            mcu.query(&get_clock, &[], "clock", None, QueueId::DEFAULT, 0, 0).await
        })??;
        let ahead = (asked.int("clock") as u32).wrapping_sub(self.clock as u32) as i32;
        self.clock = self.clock.saturating_add_signed(ahead.into());
        Ok(self.clock)
    }

    fn send(&mut self, program: &[ProgramStep]) -> Result<(), Failure> {
        let queue = self.mcu.alloc_queue();
        for step in program {
            let command = self.mcu.lookup_command(step.format)?;
            let args: Vec<Arg<'_>> = step.args.iter().map(|arg| Arg::Int(*arg)).collect();
            self.mcu.send(&command, &args, queue, 0, 0);
        }
        Ok(())
    }

    fn finish<T: 'static>(&mut self, limit_s: f64, work: impl Future<Output = T> + 'static) -> Result<T, Failure> {
        let result: Rc<RefCell<Option<T>>> = Rc::default();
        let slot = result.clone();
        self.reactor.spawn("emulated", async move {
            let value = work.await;
            slot.borrow_mut().replace(value);
        });
        let end = self.now() + limit_s;
        while result.borrow().is_none() {
            if self.now() > end {
                return Err(format!("no answer in {limit_s} s").into());
            }
            self.turn()?;
        }
        result.take().ok_or_else(|| "no answer".into())
    }

    fn stop(mut self) -> Result<Traffic, Failure> {
        drop(self.input);
        // An emulator that watches its input writes down what it saw; the other kind is ended.
        let end = Instant::now() + Duration::from_secs(2);
        while self.child.try_wait()?.is_none() {
            if Instant::now() > end {
                self.child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok((self.sent, self.received))
    }
}

/// The virtual MCU, which takes what the image took.
struct Twin {
    mcu: VirtualMcu,
    bench: Bench,
    received: Vec<u8>,
}

/// Every step pulse: when, and at which pin.
#[derive(Default)]
struct Bench(Vec<(u64, Pin)>);

impl Wires for Bench {
    fn output(&mut self, _at_ns: u64, _pin: Pin, _level: bool) {}
    fn pulse(&mut self, at_ns: u64, pin: Pin, _level: bool) {
        self.0.push((at_ns, pin));
    }
    fn pwm(&mut self, _at_ns: u64, _pin: Pin, _duty: f64) {}
    fn input(&mut self, _at_ns: u64, _pin: Pin) -> bool {
        false
    }
    fn analog(&mut self, _at_ns: u64, _pin: Pin) -> u16 {
        0
    }
    fn accelerometer(&mut self, _at_ns: u64, _chip: u8) -> [i16; 3] {
        [0; 3]
    }
}

impl Twin {
    fn new(clock_freq_hz: u32) -> Self {
        let config = McuConfig { clock_freq_hz, serial_baud: 0, ..McuConfig::default() };
        Self { mcu: VirtualMcu::new(config), bench: Bench::default(), received: vec![] }
    }

    fn replay(&mut self, sent: &[(u64, Vec<u8>)]) {
        let mut now_ns = 0;
        for (clock, bytes) in sent {
            now_ns = self.mcu.oscillator().ns_of(*clock).max(now_ns + 1);
            self.mcu.receive(now_ns, bytes, &mut self.bench);
            self.mcu.take_transmit(|_, bytes| self.received.extend_from_slice(bytes));
        }
    }

    /// Clock of each step, 32 bits, by pin.
    fn steps(&self) -> Vec<Vec<u32>> {
        let mut by_pin: BTreeMap<Pin, Vec<u32>> = BTreeMap::new();
        for (at_ns, pin) in &self.bench.0 {
            by_pin.entry(*pin).or_default().push(self.mcu.oscillator().tick_at(*at_ns) as u32);
        }
        by_pin.into_values().collect()
    }
}

/// Every position that a micro-controller told, in order: oid and steps.
fn positions_said(dictionary: &Dictionary, received: &[u8]) -> Result<Vec<(i64, i64)>, Failure> {
    let catalogue = Catalogue::new(dictionary).map_err(|error| error.to_string())?;
    let (mut deframer, mut input, mut said) = (Deframer::new(), received, vec![]);
    while let Some(event) = deframer.next(&mut input) {
        let Event::Block(block) = event else { continue };
        let mut reader = Reader::new(block.content);
        let Some(message) = catalogue.incoming(&mut reader).filter(|of| of.format.name == "stepper_position") else {
            continue;
        };
        let values = message.format.decode_args(&mut reader).map_err(|error| format!("{error:?}"))?;
        if let [Value::Int(oid), Value::Int(position)] = values[..] {
            said.push((oid, position));
        }
    }
    Ok(said)
}

/// Holds what the emulator saw against the program. Each step's very tick is asked for, unless it
/// comes while the interrupt of an earlier one is at work, which then sees to both. No edge is early or missing.
fn compare_times(seen: &str, pins: &[Pin], step_clocks: &[Vec<u32>]) -> Result<(), Failure> {
    let (mut rising, mut wakes): (Vec<(f64, Pin)>, BTreeSet<u32>) = Default::default();
    for line in seen.lines() {
        match *line.split_whitespace().collect::<Vec<_>>() {
            [tick, "wake"] => _ = wakes.insert(tick.parse()?),
            [tick, pin, "1"] => rising.push((tick.parse()?, pin.parse()?)),
            [_, _, "0"] => (),
            _ => return Err(format!("neither an edge nor a wake: {line}").into()),
        }
    }
    for (pin, steps) in pins.iter().zip(step_clocks) {
        let seen: Vec<f64> = rising.iter().filter(|(_, at)| at == pin).map(|(tick, _)| *tick).collect();
        if seen.len() != steps.len() {
            return Err(format!("pin {pin}: {} steps seen, {} made", seen.len(), steps.len()).into());
        }
        let (exact, joined): (Vec<u32>, Vec<u32>) = steps.iter().partition(|step| wakes.contains(step));
        let is_joined = |step: &u32| wakes.range(..step).next_back().is_some_and(|wake| step - wake < LATE_MAX_TICKS);
        if let Some(step) = joined.iter().find(|step| !is_joined(step)) {
            return Err(format!("pin {pin}: the image did not ask for the step at tick {step}").into());
        }
        let late: Vec<f64> = seen.iter().zip(steps).map(|(seen, step)| seen - f64::from(*step)).collect();
        let (least, most) = late.iter().fold((f64::MAX, f64::MIN), |(a, b), late| (a.min(*late), b.max(*late)));
        println!(
            "pin {pin}: {} steps, {} asked for at the very tick and {} seen to with an earlier one; edges {least:.2} to {most:.2} ticks later",
            steps.len(),
            exact.len(),
            joined.len()
        );
        if least < 0.0 || most > f64::from(LATE_MAX_TICKS) {
            return Err(format!("pin {pin}: a step {least:.2} to {most:.2} ticks off").into());
        }
    }
    Ok(())
}

/// What the main loop and the timers of other steppers may take before a step: four times the most that was seen.
const LATE_MAX_TICKS: u32 = 150;
