//! A host in miniature: it identifies, sends commands by name, and keeps what comes back.

use drydock_protocol::block::{CONTENT_MAX, Deframer, Event, frame};
use drydock_protocol::vlq::Reader;
use drydock_protocol::{Catalogue, Dictionary, Value};
use drydock_virtual_mcu::{McuConfig, Pin, VirtualMcu, Wires};
use std::collections::BTreeMap;

/// A world that writes everything down.
#[derive(Default)]
pub struct Bench {
    pub edges: Vec<(u64, Pin, bool)>,
    pub duties: Vec<(u64, Pin, f64)>,
    pub inputs: BTreeMap<Pin, bool>,
    /// Inputs that change at a time.
    pub switches: BTreeMap<Pin, u64>,
    pub analogs: BTreeMap<Pin, u16>,
    pub samples: Vec<u64>,
}

impl Wires for Bench {
    fn output(&mut self, at_ns: u64, pin: Pin, level: bool) {
        assert!(self.edges.last().is_none_or(|last| last.0 <= at_ns), "time went back");
        self.edges.push((at_ns, pin, level));
    }
    fn pwm(&mut self, at_ns: u64, pin: Pin, duty: f64) {
        self.duties.push((at_ns, pin, duty));
    }
    fn input(&mut self, at_ns: u64, pin: Pin) -> bool {
        match self.switches.get(&pin) {
            Some(closes_ns) => at_ns >= *closes_ns,
            None => self.inputs.get(&pin).copied().unwrap_or(false),
        }
    }
    fn analog(&mut self, _at_ns: u64, pin: Pin) -> u16 {
        self.analogs.get(&pin).copied().unwrap_or(0)
    }
    fn accelerometer(&mut self, at_ns: u64, _chip: u8) -> [i16; 3] {
        self.samples.push(at_ns);
        let count = self.samples.len() as i16;
        [count * 2, -count * 2, 256]
    }
}

impl Bench {
    /// Times at which `pin` went to `level`.
    pub fn times(&self, pin: Pin, level: bool) -> Vec<u64> {
        self.edges.iter().filter(|edge| edge.1 == pin && edge.2 == level).map(|edge| edge.0).collect()
    }
}

/// A message that came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub at_ns: u64,
    pub name: String,
    pub ints: BTreeMap<String, i64>,
    pub bytes: Vec<u8>,
}

pub struct Host {
    pub mcu: VirtualMcu,
    pub bench: Bench,
    pub now_ns: u64,
    pub inbox: Vec<Message>,
    pub wire: Vec<u8>,
    catalogue: Catalogue,
    deframer: Deframer,
    seq: u8,
    content: Vec<u8>,
}

/// One argument of a command.
pub enum Arg<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl From<i64> for Arg<'_> {
    fn from(value: i64) -> Self {
        Arg::Int(value)
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Arg::Bytes(bytes)
    }
}

/// Sends a command by name, with its arguments in order.
macro_rules! send {
    ($host:expr, $name:ident $(, $arg:expr)*) => {
        $host.send(stringify!($name), &[$($crate::common::Arg::from($arg)),*])
    };
}

pub(crate) use send;

impl Host {
    pub fn new(config: McuConfig) -> Self {
        let mcu = VirtualMcu::new(config);
        let mut bootstrap = Dictionary::default();
        bootstrap.commands.insert(drydock_protocol::IDENTIFY_FORMAT.into(), 1);
        bootstrap.responses.insert(drydock_protocol::IDENTIFY_RESPONSE_FORMAT.into(), 0);
        let catalogue = Catalogue::new(&bootstrap).unwrap();
        Self {
            mcu,
            bench: Bench::default(),
            now_ns: 0,
            inbox: vec![],
            wire: vec![],
            catalogue,
            deframer: Deframer::new(),
            seq: 0,
            content: vec![],
        }
    }

    /// A host that has identified its micro-controller.
    pub fn connected(config: McuConfig) -> Self {
        let mut host = Self::new(config);
        let mut compressed = vec![];
        loop {
            let answer = host.ask("identify", &[Arg::Int(compressed.len() as i64), Arg::Int(40)], "identify_response");
            assert_eq!(answer.ints["offset"], compressed.len() as i64);
            if answer.bytes.is_empty() {
                break;
            }
            compressed.extend(answer.bytes);
        }
        let json = miniz_oxide::inflate::decompress_to_vec_zlib(&compressed).unwrap();
        let dictionary = Dictionary::parse(&json).unwrap();
        assert_eq!(&dictionary, host.mcu.dictionary());
        host.catalogue = Catalogue::new(&dictionary).unwrap();
        host
    }

    pub fn pin(&self, name: &str) -> i64 {
        i64::from(self.mcu.pin(name).unwrap())
    }

    /// Simulated time as ticks of the micro-controller.
    pub fn clock(&self) -> i64 {
        self.mcu.oscillator().tick_at(self.now_ns) as i64
    }

    /// Appends a command to the block that is being filled.
    pub fn queue(&mut self, name: &str, args: &[Arg<'_>]) {
        let message = self.catalogue.command(name).unwrap_or_else(|| panic!("no command {name}"));
        let values: Vec<_> = args
            .iter()
            .map(|arg| match arg {
                Arg::Int(value) => Value::Int(*value),
                Arg::Bytes(bytes) => Value::Bytes(bytes),
            })
            .collect();
        let mut content = vec![];
        message.encode(&values, &mut content).unwrap();
        if self.content.len() + content.len() > CONTENT_MAX {
            self.flush();
        }
        self.content.extend(content);
    }

    /// Sends the block that is being filled; it takes the time that it takes on the line.
    pub fn flush(&mut self) {
        if self.content.is_empty() {
            return;
        }
        let mut block = vec![];
        assert!(frame(self.seq, &self.content, &mut block));
        self.seq = (self.seq + 1) & 15;
        self.content.clear();
        self.raw(&block);
    }

    /// Sends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.now_ns += 40_000 * bytes.len() as u64;
        self.mcu.receive(self.now_ns, bytes, &mut self.bench);
        self.drain();
    }

    pub fn send(&mut self, name: &str, args: &[Arg<'_>]) {
        self.queue(name, args);
        self.flush();
    }

    /// Lets time pass.
    pub fn run(&mut self, ns: u64) {
        self.now_ns += ns;
        self.mcu.run_until(self.now_ns, &mut self.bench);
        self.drain();
    }

    fn drain(&mut self) {
        let (catalogue, deframer, inbox, wire) = (&self.catalogue, &mut self.deframer, &mut self.inbox, &mut self.wire);
        self.mcu.take_transmit(|at_ns, bytes| {
            wire.extend_from_slice(bytes);
            let mut input = bytes;
            while let Some(event) = deframer.next(&mut input) {
                let Event::Block(block) = event else { panic!("bad block from the firmware") };
                inbox.push(decode(catalogue, at_ns, block.seq, block.content));
            }
        });
    }

    /// Sends a command and waits for its answer.
    pub fn ask(&mut self, name: &str, args: &[Arg<'_>], answer: &str) -> Message {
        let before = self.inbox.len();
        self.send(name, args);
        for _ in 0..100 {
            if let Some(message) = self.inbox[before..].iter().find(|message| message.name == answer) {
                let message = message.clone();
                self.run(5_000_000);
                return message;
            }
            self.run(1_000_000);
        }
        panic!("{name}: no {answer} in {:?}", &self.inbox[before..]);
    }

    pub fn all(&self, name: &str) -> Vec<Message> {
        self.inbox.iter().filter(|message| message.name == name).cloned().collect()
    }

    pub fn position(&mut self, oid: i64) -> i64 {
        self.ask("stepper_get_position", &[Arg::Int(oid)], "stepper_position").ints["pos"]
    }

    /// Ends the configuration.
    pub fn finalize(&mut self) {
        self.send("finalize_config", &[Arg::Int(1234)]);
        self.run(10_000_000);
    }

    /// The text of the shutdown that the host was told of.
    pub fn shutdown_text(&self) -> Option<String> {
        let message = self.all("shutdown").pop()?;
        self.mcu.dictionary().enum_name("static_string_id", message.ints["static_string_id"])
    }

    /// Checks that the micro-controller stopped for this reason and told so.
    #[track_caller]
    pub fn assert_shutdown(&self, text: &str) {
        assert_eq!(self.mcu.last_shutdown(), Some(text));
        assert_eq!(self.shutdown_text().as_deref(), Some(text));
    }

    /// A digest of the end state and of every byte that came.
    pub fn digest(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut fold = |value: u64| hash = (hash ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
        self.mcu.fold_state(&mut fold);
        self.wire.iter().for_each(|byte| fold(u64::from(*byte)));
        for (at_ns, pin, level) in &self.bench.edges {
            fold(at_ns ^ u64::from(*pin) << 48 ^ u64::from(*level) << 63);
        }
        hash
    }
}

fn decode(catalogue: &Catalogue, at_ns: u64, seq: u8, content: &[u8]) -> Message {
    let mut reader = Reader::new(content);
    let ack = || Message { at_ns, name: "ack".into(), ints: [("seq".into(), i64::from(seq))].into(), bytes: vec![] };
    if reader.is_empty() {
        return ack();
    }
    let message = catalogue.incoming(&mut reader).expect("a response of the dictionary");
    let values = message.format.decode_args(&mut reader).unwrap();
    assert!(reader.is_empty(), "one message to a block");
    let mut decoded = Message { at_ns, name: message.format.name.clone(), ints: BTreeMap::new(), bytes: vec![] };
    for (param, value) in message.format.params.iter().zip(values) {
        match value {
            Value::Int(value) => _ = decoded.ints.insert(param.name.clone(), value),
            Value::Bytes(bytes) => decoded.bytes = bytes.to_vec(),
        }
    }
    decoded
}
