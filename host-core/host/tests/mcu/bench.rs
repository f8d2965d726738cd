//! The bench: a client, a scripted micro-controller and the line between them, in simulated time.
//!
//! The micro-controller here shares only the framing with the client; it executes what it is told as facts about
//! Klipper's wire say and notes it down.

use drydock_host::mcu::Mcu;
use drydock_host::reactor::Reactor;
use drydock_protocol::block::{self, Deframer, Event};
use drydock_protocol::vlq::{self, Reader};
use drydock_protocol::{Catalogue, Constant, Dictionary, EnumEntry, Value};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

pub const FREQ: f64 = 16e6;
const BAUD: f64 = 250_000.0;

const COMMANDS: [&str; 15] = [
    "identify offset=%u count=%c",
    "get_uptime",
    "get_clock",
    "get_config",
    "allocate_oids count=%c",
    "finalize_config crc=%u",
    "emergency_stop",
    "reset",
    "debug_ping data=%*s",
    "config_digital_out oid=%c pin=%u value=%c default_value=%c max_duration=%u",
    "update_digital_out oid=%c value=%c",
    "queue_digital_out oid=%c clock=%u on_ticks=%u",
    "queue_step oid=%c interval=%u count=%hu add=%hi",
    "set_next_step_dir oid=%c dir=%c",
    "reset_step_clock oid=%c clock=%u",
];
const RESPONSES: [&str; 9] = [
    "identify_response offset=%u data=%.*s",
    "uptime high=%u clock=%u",
    "clock clock=%u",
    "config is_config=%c crc=%u is_shutdown=%c move_count=%hu",
    "pong data=%*s",
    "shutdown clock=%u static_string_id=%hu",
    "is_shutdown static_string_id=%hu",
    "starting",
    "stats count=%u sum=%u sumsq=%u",
];

pub fn dictionary() -> Dictionary {
    let mut dictionary = Dictionary { version: "v1".into(), build_versions: "cc".into(), ..Dictionary::default() };
    for (at, text) in COMMANDS.iter().enumerate() {
        let id = if at == 0 { 1 } else { at as i32 + 10 };
        dictionary.commands.insert((*text).to_string(), id);
    }
    for (at, text) in RESPONSES.iter().enumerate() {
        dictionary.responses.insert((*text).to_string(), -(at as i32));
    }
    dictionary.constants.insert("CLOCK_FREQ".into(), Constant::Int(FREQ as i64));
    dictionary.constants.insert("SERIAL_BAUD".into(), Constant::Int(BAUD as i64));
    dictionary.constants.insert("RECEIVE_WINDOW".into(), Constant::Int(192));
    dictionary.constants.insert("STATS_SUMSQ_BASE".into(), Constant::Int(256));
    dictionary.enumerations.insert("pin".into(), vec![("PA0".into(), EnumEntry::Range { start: 0, count: 16 })]);
    dictionary.enumerations.insert(
        "static_string_id".into(),
        vec![("Timer too close".into(), EnumEntry::One(4)), ("Command request".into(), EnumEntry::One(5))],
    );
    dictionary
}

/// A small generator of its own, so that a test says what it does for ever.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64 <= probability
    }
}

/// What is done to the bytes on their way, per byte.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    pub corrupt: f64,
    pub lose: f64,
    /// Some chunks come later by up to this.
    pub delay_s: f64,
    pub cut: bool,
}

/// One direction of the line.
pub struct Line {
    chunks: VecDeque<(f64, Vec<u8>)>,
    free: f64,
    rng: Rng,
    pub faults: Faults,
    pub latency_s: f64,
    /// Everything that entered, for comparing runs.
    pub log: Vec<u8>,
}

impl Line {
    fn new(seed: u64) -> Self {
        Line {
            chunks: VecDeque::new(),
            free: 0.0,
            rng: Rng(seed),
            faults: Faults::default(),
            latency_s: 0.000_2,
            log: vec![],
        }
    }

    pub fn push(&mut self, now: f64, bytes: &[u8]) {
        self.log.extend_from_slice(bytes);
        self.free = self.free.max(now) + bytes.len() as f64 * 10.0 / BAUD;
        let mut arrived = Vec::new();
        for byte in bytes {
            if self.rng.chance(self.faults.lose) {
                continue;
            }
            let hit = self.rng.chance(self.faults.corrupt);
            arrived.push(if hit { byte ^ (1 << (self.rng.next() % 8)) } else { *byte });
        }
        let delay = if self.rng.chance(0.1) { self.faults.delay_s } else { 0.0 };
        let last = self.chunks.back().map_or(0.0, |(at, _)| *at);
        if !self.faults.cut {
            self.chunks.push_back(((self.free + self.latency_s + delay).max(last), arrived));
        }
    }

    fn next(&self) -> f64 {
        self.chunks.front().map_or(f64::INFINITY, |(at, _)| *at)
    }

    fn pop_due(&mut self, now: f64) -> Option<Vec<u8>> {
        self.chunks.front().filter(|(at, _)| *at <= now)?;
        self.chunks.pop_front().map(|(_, bytes)| bytes)
    }
}

/// One executed command.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    pub time: f64,
    pub text: String,
}

/// The scripted micro-controller.
pub struct Fake {
    pub freq: f64,
    pub clock_offset: f64,
    pub seq: u8,
    pub done: Vec<Done>,
    pub pings: Vec<u32>,
    pub config_crc: Option<u32>,
    pub is_shutdown: bool,
    /// So many of the next pings stay without an answer.
    pub mute_pings: u32,
    pub move_count: i64,
    pub blocks: u32,
    catalogue: Catalogue,
    identify: Vec<u8>,
    deframer: Deframer,
}

impl Fake {
    pub fn new() -> Self {
        let names = dictionary();
        Fake {
            freq: FREQ,
            clock_offset: 3e9,
            seq: 0,
            done: vec![],
            pings: vec![],
            config_crc: None,
            is_shutdown: false,
            mute_pings: 0,
            move_count: 100,
            blocks: 0,
            catalogue: Catalogue::new(&names).unwrap(),
            identify: miniz_oxide::deflate::compress_to_vec_zlib(names.to_json().as_bytes(), 6),
            deframer: Deframer::new(),
        }
    }

    pub fn clock(&self, now: f64) -> i64 {
        (self.clock_offset + now * self.freq) as i64
    }

    pub fn handle(&mut self, now: f64, bytes: &[u8], out: &mut Vec<u8>) {
        let mut deframer = std::mem::take(&mut self.deframer);
        let mut input = bytes;
        while let Some(event) = deframer.next(&mut input) {
            match event {
                Event::Block(good) if good.seq == self.seq => {
                    self.seq = (self.seq + 1) & 0xf;
                    self.blocks += 1;
                    let content = good.content.to_vec();
                    self.execute_all(now, &content, out);
                    self.reply(&[], out);
                }
                _ => self.reply(&[], out),
            }
        }
        self.deframer = deframer;
    }

    /// A message of its own, from the script.
    pub fn say(&self, name: &str, args: &[Value<'_>], out: &mut Vec<u8>) {
        let message = self.catalogue.response_named(name).unwrap();
        let mut content = vec![];
        vlq::push(message.id as u32, &mut content);
        message.format.encode_args(args, &mut content).unwrap();
        self.reply(&content, out);
    }

    fn reply(&self, content: &[u8], out: &mut Vec<u8>) {
        assert!(block::frame(self.seq, content, out));
    }

    fn execute_all(&mut self, now: f64, content: &[u8], out: &mut Vec<u8>) {
        let mut reader = Reader::new(content);
        while !reader.is_empty() {
            let message = self.catalogue.outgoing(&mut reader).expect("a known command").clone();
            let values = message.format.decode_args(&mut reader).expect("whole arguments");
            self.execute(now, &message.format.name, &values, out);
            if !matches!(message.format.name.as_str(), "identify" | "get_clock" | "debug_ping") {
                let mut text = message.format.name.clone();
                for (param, value) in message.format.params.iter().zip(&values) {
                    text += &format!(" {}={}", param.name, value.int().unwrap_or(-1));
                }
                self.done.push(Done { time: now, text });
            }
        }
    }

    fn execute(&mut self, now: f64, name: &str, values: &[Value<'_>], out: &mut Vec<u8>) {
        let int = |at: usize| values[at].int().unwrap();
        let clock = self.clock(now);
        match name {
            "identify" => {
                let start = (int(0) as usize).min(self.identify.len());
                let end = (start + int(1) as usize).min(self.identify.len());
                let data = self.identify[start..end].to_vec();
                self.say("identify_response", &[values[0], Value::Bytes(&data)], out);
            }
            "get_uptime" => {
                self.say("uptime", &[Value::Int(clock >> 32), Value::Int(clock & 0xffff_ffff)], out);
            }
            "get_clock" => self.say("clock", &[Value::Int(clock & 0xffff_ffff)], out),
            "get_config" => {
                let (crc, moves) = match self.config_crc {
                    Some(crc) => (crc, self.move_count),
                    None => (0, 0),
                };
                let args = [i64::from(self.config_crc.is_some()), i64::from(crc), i64::from(self.is_shutdown), moves];
                self.say("config", &args.map(Value::Int), out);
            }
            "finalize_config" => self.config_crc = Some(int(0) as u32),
            "debug_ping" => {
                let data = values[0].bytes().unwrap();
                self.pings.push(u32::from_le_bytes(data[..4].try_into().unwrap()));
                match self.mute_pings.checked_sub(1) {
                    Some(left) => self.mute_pings = left,
                    None => self.say("pong", &[values[0]], out),
                }
            }
            "emergency_stop" => {
                self.is_shutdown = true;
                self.say("shutdown", &[Value::Int(clock & 0xffff_ffff), Value::Int(5)], out);
            }
            _ if self.is_shutdown => self.say("is_shutdown", &[Value::Int(5)], out),
            _ => {}
        }
    }

    pub fn texts(&self) -> Vec<String> {
        self.done.iter().map(|done| done.text.clone()).collect()
    }
}

/// Client, line and micro-controller.
pub struct Bench {
    pub reactor: Reactor,
    pub mcu: Mcu,
    pub fake: Fake,
    pub to_mcu: Line,
    pub to_host: Line,
    pub now: f64,
    pub log: Rc<RefCell<Vec<String>>>,
    /// Most blocks and bytes that were ever unacknowledged.
    pub peak_blocks: u64,
    pub peak_in_line: usize,
}

impl Bench {
    pub fn new(seed: u64) -> Bench {
        let reactor = Reactor::new();
        let mcu = Mcu::new(&reactor, "mcu", None);
        Bench::with(reactor, mcu, seed)
    }

    pub fn with(reactor: Reactor, mcu: Mcu, seed: u64) -> Bench {
        let log: Rc<RefCell<Vec<String>>> = Rc::default();
        let lines = log.clone();
        mcu.set_log(move |line| lines.borrow_mut().push(line.to_string()));
        Bench {
            reactor,
            mcu,
            fake: Fake::new(),
            to_mcu: Line::new(seed | 1),
            to_host: Line::new(!seed | 1),
            now: 0.0,
            log,
            peak_blocks: 0,
            peak_in_line: 0,
        }
    }

    /// The next event, as a whole number of nanoseconds as a twin keeps time: the first that is surely not before it.
    pub fn next(&self) -> f64 {
        let host = self.reactor.next_wake().unwrap_or(f64::INFINITY);
        let line = self.mcu.next_wake().unwrap_or(f64::INFINITY);
        let next = host.min(line).min(self.to_mcu.next()).min(self.to_host.next());
        if next.is_finite() { (((next * 1e9).floor() + 1.0) / 1e9).max(self.now) } else { next }
    }

    pub fn step(&mut self, now: f64) {
        self.now = now;
        while let Some(bytes) = self.to_mcu.pop_due(now) {
            let mut out = vec![];
            self.fake.handle(now, &bytes, &mut out);
            // One chunk a block, as a line delivers them.
            let mut rest = &out[..];
            while !rest.is_empty() {
                let (first, tail) = rest.split_at(usize::from(rest[0]));
                self.to_host.push(now, first);
                rest = tail;
            }
        }
        while let Some(bytes) = self.to_host.pop_due(now) {
            self.mcu.handle_bytes(now, &bytes);
        }
        self.reactor.run(now);
        self.transmit(now);
    }

    pub fn transmit(&mut self, now: f64) {
        let mut out = vec![];
        self.mcu.poll_transmit(now, &mut out);
        if !out.is_empty() {
            self.to_mcu.push(now, &out);
        }
        let stats = self.mcu.stats().serial;
        self.peak_blocks = self.peak_blocks.max(stats.send_seq - stats.receive_seq);
        let in_line = self.to_mcu.chunks.iter().map(|(_, bytes)| bytes.len()).sum();
        self.peak_in_line = self.peak_in_line.max(in_line);
    }

    /// Runs until `until`.
    pub fn run(&mut self, until: f64) {
        self.reactor.run(self.now);
        self.transmit(self.now);
        let mut steps = 0;
        loop {
            let next = self.next();
            if next > until {
                break;
            }
            self.step(next);
            steps += 1;
            assert!(steps < 5_000_000, "the loop does not get on at {}", self.now);
        }
        self.step(until);
    }

    /// Spawns `future` and runs until it is done or `limit_s` has passed.
    pub fn finish<T: 'static>(&mut self, limit_s: f64, future: impl Future<Output = T> + 'static) -> T {
        let result: Rc<RefCell<Option<T>>> = Rc::default();
        let slot = result.clone();
        self.reactor.spawn("test", async move {
            let value = future.await;
            slot.borrow_mut().replace(value);
        });
        let end = self.now + limit_s;
        self.reactor.run(self.now);
        self.transmit(self.now);
        while result.borrow().is_none() {
            let next = self.next();
            assert!(next <= end, "not done after {limit_s} s; tasks: {:?}", self.reactor.task_names());
            self.step(next);
        }
        result.take().unwrap()
    }

    pub fn connect(&mut self) {
        let mcu = self.mcu.clone();
        self.finish(60.0, async move { mcu.connect().await }).expect("connects");
    }
}
