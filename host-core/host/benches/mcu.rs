//! What the micro-controller client costs for each step command, from the compressor's hand-over to bytes on the line.

#[path = "../tests/mcu/bench.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod bench;

use bench::Bench;
use divan::Bencher;
use drydock_host::mcu::{Mcu, StepQueue};
use drydock_host::reactor::Reactor;
use drydock_protocol::block;

const COMMANDS: u64 = 2000;

fn main() {
    divan::main();
}

struct Line {
    bench: Bench,
    queues: Vec<StepQueue>,
    now: f64,
    clock: u64,
    out: Vec<u8>,
}

impl Line {
    fn new() -> Line {
        let mut bench = Bench::new(1);
        bench.fake.move_count = 1000;
        let queues: Vec<StepQueue> = (0..4).map(|oid| bench.mcu.step_queue(oid)).collect();
        bench.connect();
        let now = bench.now;
        let clock = bench.fake.clock(now) as u64;
        queues.iter().for_each(|queue| queue.set_dir(true));
        Line { bench, queues, now, clock, out: vec![] }
    }

    /// Four steppers, 16 ms between commands of one, as in a fast print.
    fn queue(&mut self) {
        for _ in 0..COMMANDS / 4 {
            self.clock += 256_000;
            for (at, queue) in self.queues.iter().enumerate() {
                let first = self.clock + at as u64 * 777;
                queue.queue_step(21_000, 12, -37, first, first + 11 * 21_000);
            }
        }
    }

    fn release(&self) {
        self.bench.mcu.flush_moves(u64::MAX, self.clock);
    }

    /// Empties the line as fast as it goes; each block is acknowledged when the next one leaves.
    fn drain(&mut self) {
        loop {
            self.out.clear();
            self.bench.mcu.poll_transmit(self.now, &mut self.out);
            if !self.out.is_empty() {
                let mut ack = Vec::with_capacity(8);
                let _ = block::frame((self.out[1] & 0xf) + 1, &[], &mut ack);
                self.now += 0.002_6;
                self.bench.mcu.handle_bytes(self.now, &ack);
                continue;
            }
            match self.bench.mcu.next_wake() {
                Some(wake) => self.now = self.now.max(wake),
                None => break,
            }
        }
    }
}

/// Encoding alone.
#[divan::bench]
fn queue_2000_step_commands(bencher: Bencher) {
    let line = std::cell::RefCell::new(Line::new());
    bencher.bench_local(|| {
        let mut line = line.borrow_mut();
        line.queue();
        line.queues.iter().for_each(|queue| {
            let clock = queue.last_clock();
            queue.reset_step_clock(clock);
            queue.set_dir(true);
        });
        line.bench.mcu.flush_moves(1, u64::MAX);
    });
}

/// The whole way: encoding, merging four steppers, the move queue's room, blocks, checksums, acknowledgements.
#[divan::bench]
fn queue_release_and_send_2000_step_commands(bencher: Bencher) {
    let line = std::cell::RefCell::new(Line::new());
    bencher.bench_local(|| {
        let mut line = line.borrow_mut();
        line.queue();
        line.release();
        line.drain();
    });
}

/// Without a line, as planning uses it.
#[divan::bench]
fn offline_2000_step_commands(bencher: Bencher) {
    let mcu = Mcu::offline(&Reactor::new(), "mcu", 168e6, None);
    let queue = mcu.step_queue(0);
    let mut clock = 0;
    bencher.bench_local(move || {
        for _ in 0..COMMANDS {
            clock += 256_000;
            queue.queue_step(21_000, 12, -37, clock, clock + 11 * 21_000);
        }
        mcu.flush_moves(u64::MAX, clock);
    });
}
