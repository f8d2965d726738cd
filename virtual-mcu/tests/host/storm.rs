//! Blocks that no host would send: random bytes, commands with any arguments in good blocks, and good blocks damaged
//! after they were sealed. Whatever comes, the firmware lives and answers `identify` afterwards.
//!
//! `DRYDOCK_STORM_BLOCKS=10000000 cargo test --release -p drydock-virtual-mcu storm` is the long run.

use crate::common::Bench;
use drydock_protocol::block::{BLOCK_MAX, BLOCK_MIN, Deframer, Event, SYNC, frame};
use drydock_virtual_mcu::{McuConfig, Stream, VirtualMcu};
use std::collections::BTreeMap;

const BLOCKS_A_LIFE: u64 = 120;
const PINS: u16 = 255;
/// Time for an answer: the slowest command sends a few dozen bytes over a bus of plain pins.
const ANSWER_NS: u64 = 20_000_000;

/// One firmware from its start, and who sends to it.
struct Life {
    mcu: VirtualMcu,
    bench: Bench,
    commands: Vec<(String, u8)>,
    now_ns: u64,
    /// What the firmware wants next, as its last answer said.
    seq: u8,
    deframer: Deframer,
    blocks: u64,
}

impl Life {
    fn new(move_count: u16) -> Self {
        let mcu = VirtualMcu::new(McuConfig { serial_baud: 0, move_count, ..McuConfig::default() });
        let commands = mcu.dictionary().commands.iter().map(|(text, id)| (text.clone(), *id as u8)).collect();
        let inputs: BTreeMap<_, _> = (0..PINS).map(|pin| (pin, pin % 3 == 0)).collect();
        let bench = Bench { inputs, ..Bench::default() };
        Self { mcu, bench, commands, now_ns: 0, seq: 0, deframer: Deframer::new(), blocks: 0 }
    }

    fn id(&self, name: &str) -> u8 {
        let is_named = |(text, _): &&(String, u8)| text.split(' ').next() == Some(name);
        self.commands.iter().find(is_named).expect("a command of the firmware").1
    }

    fn block(&self, content: &[u8]) -> Vec<u8> {
        let mut block = vec![];
        assert!(frame(self.seq, content, &mut block));
        block
    }

    /// Sends bytes, lets time pass, and returns the contents that come back meanwhile.
    fn send(&mut self, bytes: &[u8], time_ns: u64) -> Vec<Vec<u8>> {
        self.blocks += 1;
        self.mcu.receive(self.now_ns, bytes, &mut self.bench);
        self.now_ns += time_ns;
        self.mcu.run_until(self.now_ns, &mut self.bench);
        self.bench.edges.clear();
        self.bench.duties.clear();
        let mut sent = vec![];
        self.mcu.take_transmit(|_, bytes| sent.extend_from_slice(bytes));
        let mut contents = vec![];
        let mut input = &sent[..];
        while let Some(event) = self.deframer.next(&mut input) {
            let Event::Block(block) = event else { panic!("the firmware sent a damaged block") };
            self.seq = block.seq & 0xf;
            contents.push(block.content.to_vec());
        }
        contents
    }

    /// A host that connects asks until it is answered. A damaged length may cost it as many bytes as a block has.
    fn must_identify(&mut self) {
        for _ in 0..BLOCK_MAX / BLOCK_MIN + 2 {
            let question = self.block(&[self.id("identify"), 0, 40]);
            let answers = self.send(&question, ANSWER_NS);
            if answers.iter().any(|content| content.len() > 40 && content[..3] == [0, 0, 40]) {
                return;
            }
        }
        panic!("no identify_response after {} blocks", self.blocks);
    }
}

#[test]
fn a_storm_of_any_blocks_ends_in_a_firmware_that_identifies() {
    let wanted = std::env::var("DRYDOCK_STORM_BLOCKS").ok().and_then(|count| count.parse().ok()).unwrap_or(50_000);
    let mut random = Stream::new(4, "storm");
    let mut sent = 0;
    while sent < wanted {
        let mut life = Life::new(1 + random.below(64) as u16);
        let configured_at = random.below(BLOCKS_A_LIFE);
        // The firmware is not in the middle of a damaged block.
        let mut in_step = true;
        while life.blocks < BLOCKS_A_LIFE {
            let mut content = vec![];
            match life.blocks {
                0 => content.extend([life.id("allocate_oids"), 0x1f]),
                at if at == configured_at => content.extend([life.id("finalize_config"), 1]),
                at => random_command(&mut random, &life.commands, at < configured_at, life.now_ns, &mut content),
            }
            let mut block = life.block(&content);
            let whole = match random.below(8) {
                0 | 1 => damage(&mut random, &mut block),
                2 => any_bytes(&mut random, &mut block),
                _ => true,
            };
            let seq = life.seq;
            let answers = life.send(&block, ANSWER_NS + random.below(3_000_000));
            let starting = life.mcu.dictionary().responses["starting"] as u8;
            let is_reset = answers.iter().any(|content| *content == [starting]);
            let taken = life.seq == (seq + 1) & 0xf;
            assert!(taken || !whole || !in_step || is_reset, "block {} was not taken", life.blocks);
            in_step &= whole && !is_reset;
            if !in_step && random.below(2) == 0 {
                // Enough for whatever a damaged block said of its length.
                life.send(&[SYNC; BLOCK_MAX], ANSWER_NS);
                in_step = true;
            }
            if life.mcu.is_shutdown() && random.below(2) == 0 {
                let clear = life.block(&[life.id("clear_shutdown")]);
                life.send(&clear, ANSWER_NS);
            }
        }
        life.must_identify();
        sent += life.blocks;
    }
}

/// False: it is no good block.
fn any_bytes(random: &mut Stream, block: &mut Vec<u8>) -> bool {
    *block = (0..random.below(70)).map(|_| random.next_u64() as u8).collect();
    false
}

/// Bits flip, bytes vanish, come twice, or come from nowhere. False: the block is no longer what it was.
fn damage(random: &mut Stream, block: &mut Vec<u8>) -> bool {
    let before = block.clone();
    for _ in 0..=random.below(3) {
        let at = random.below(block.len() as u64) as usize;
        match random.below(4) {
            0 => block[at] ^= 1 << random.below(8),
            1 if block.len() > 1 => drop(block.remove(at)),
            2 => block.insert(at, block[at]),
            _ => block.insert(at, random.next_u64() as u8),
        }
    }
    *block == before
}

/// A command with plausible arguments: small numbers for most, near clocks for `clock`.
fn random_command(random: &mut Stream, commands: &[(String, u8)], config: bool, now_ns: u64, content: &mut Vec<u8>) {
    let (text, id) = &commands[random.below(commands.len() as u64) as usize];
    if config && !text.starts_with("config_") && random.below(3) > 0 {
        return;
    }
    content.push(*id);
    for word in text.split(' ').skip(1) {
        let (name, spec) = word.split_once('=').expect("a declaration has name=%code");
        if spec.ends_with('s') {
            let len = random.below(12) as usize;
            content.push(len as u8);
            content.extend((0..len).map(|_| random.next_u64() as u8));
            continue;
        }
        let value = match (name, random.below(8)) {
            (_, 0) => random.next_u64() as u32,
            ("clock" | "report_clock", _) => (now_ns * 168 / 1000) as u32 + random.below(1_000_000) as u32,
            ("interval" | "max_duration", _) => random.below(100_000) as u32,
            (name, _) if name.ends_with("ticks") => 1000 + random.below(1_000_000) as u32,
            (name, _) if name.ends_with("oid") => random.below(31) as u32,
            _ => random.below(40) as u32,
        };
        drydock_protocol::vlq::push(value, content);
    }
    content.truncate(59);
}
