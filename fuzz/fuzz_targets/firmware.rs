//! The firmware on a virtual chip: any bytes, or any commands in good blocks, with time passing in between. It lives, and
//! answers `identify` afterwards.
#![no_main]

use drydock_protocol::block::{BLOCK_MAX, BLOCK_MIN, CONTENT_MAX, Deframer, Event, frame};
use drydock_virtual_mcu::{McuConfig, Pin, VirtualMcu, Wires};
use libfuzzer_sys::fuzz_target;

/// Every third input is high; an analog input reads its own number.
struct Bench;

impl Wires for Bench {
    fn output(&mut self, _at_ns: u64, _pin: Pin, _level: bool) {}
    fn pwm(&mut self, _at_ns: u64, _pin: Pin, _duty: f64) {}
    fn input(&mut self, _at_ns: u64, pin: Pin) -> bool {
        pin % 3 == 0
    }
    fn analog(&mut self, _at_ns: u64, pin: Pin) -> u16 {
        pin * 16 & 0xfff
    }
    fn accelerometer(&mut self, at_ns: u64, _chip: u8) -> [i16; 3] {
        [at_ns as i16, -1, 256]
    }
}

/// Time for an answer: the slowest command sends some dozen bytes over a bus of plain pins.
const ANSWER_NS: u64 = 20_000_000;
const IDENTIFY: [u8; 3] = [1, 0, 40];

struct Line {
    mcu: VirtualMcu,
    deframer: Deframer,
    seq: u8,
    now_ns: u64,
}

impl Line {
    /// Sends bytes and lets time pass; whether an `identify_response` came back.
    fn send(&mut self, bytes: &[u8], time_ns: u64) -> bool {
        self.mcu.receive(self.now_ns, bytes, &mut Bench);
        self.now_ns += time_ns;
        self.mcu.run_until(self.now_ns, &mut Bench);
        let mut sent = Vec::new();
        self.mcu.take_transmit(|_, bytes| sent.extend_from_slice(bytes));
        let (mut input, mut identified) = (&sent[..], false);
        while let Some(event) = self.deframer.next(&mut input) {
            let Event::Block(block) = event else { panic!("the firmware sent a damaged block") };
            self.seq = block.seq & 15;
            identified |= block.content.first() == Some(&0);
        }
        identified
    }

    fn framed(&self, content: &[u8]) -> Vec<u8> {
        let mut block = Vec::new();
        assert!(frame(self.seq, content, &mut block));
        block
    }
}

// The input is cut into pieces: a length, a time, so many bytes. An odd length is a content to frame, an even one is sent
// as it is.
fuzz_target!(|data: &[u8]| {
    let mcu = VirtualMcu::new(McuConfig { serial_baud: 0, move_count: 16, ..McuConfig::default() });
    let mut line = Line { mcu, deframer: Deframer::new(), seq: 0, now_ns: 0 };
    let mut rest = data;
    while let [len, time, tail @ ..] = rest {
        let (piece, tail) = tail.split_at(usize::from(*len).min(CONTENT_MAX).min(tail.len()));
        let bytes = if len % 2 == 1 { line.framed(piece) } else { piece.to_vec() };
        line.send(&bytes, u64::from(*time) * u64::from(*time) * 1000);
        rest = tail;
    }
    let answered = (0..BLOCK_MAX / BLOCK_MIN + 2).any(|_| {
        let question = line.framed(&IDENTIFY);
        line.send(&question, ANSWER_NS)
    });
    assert!(answered, "no identify_response");
});
