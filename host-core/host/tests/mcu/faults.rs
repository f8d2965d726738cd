//! Broken lines: everything arrives, once, in order.

use crate::bench::{Bench, Faults};
use drydock_host::mcu::{Cmd, McuErrorCause, QueueId};
use proptest::prelude::*;

fn ping(bench: &Bench) -> Cmd {
    bench.mcu.lookup_command("debug_ping data=%*s").unwrap()
}

fn send_pings(bench: &Bench, cmd: &Cmd, numbers: std::ops::Range<u32>) {
    for number in numbers {
        bench.mcu.send(cmd, &[number.to_le_bytes().as_slice().into()], QueueId::DEFAULT, 0, 0);
    }
}

fn run_with(faults: Faults, seed: u64, count: u32) -> Bench {
    let mut bench = Bench::new(seed);
    bench.connect();
    bench.to_mcu.faults = faults;
    bench.to_host.faults = faults;
    let cmd = ping(&bench);
    for start in (0..count).step_by(50) {
        send_pings(&bench, &cmd, start..(start + 50).min(count));
        bench.run(bench.now + 0.05);
    }
    bench.run(bench.now + 20.0);
    bench
}

#[test]
fn corruption_and_loss_cost_time_but_no_command() {
    // Per byte; blocks of 64 bytes are hit with 5 to 30 % each.
    for (corrupt, lose) in [(0.001, 0.0), (0.0, 0.001), (0.001, 0.001), (0.003, 0.003)] {
        let faults = Faults { corrupt, lose, ..Faults::default() };
        let bench = run_with(faults, 77, 3000);
        let wrong = bench.fake.pings.iter().zip(0..).find(|(got, wanted)| *got != wanted);
        assert_eq!((wrong, bench.fake.pings.len()), (None, 3000), "{corrupt} {lose}");
        let stats = bench.mcu.stats().serial;
        assert!(stats.bytes_retransmit > 0);
        assert_eq!(stats.send_seq, stats.receive_seq);
        assert!(bench.peak_blocks <= 12);
    }
}

/// A wait that doubled while much was lost must not outlast the loss: commands have deadlines.
#[test]
fn a_line_that_loses_every_second_block_still_carries_each_within_half_a_second() {
    let faults = Faults { corrupt: 0.005, lose: 0.005, ..Faults::default() };
    let mut worst = 0;
    for seed in 0..8 {
        let mut bench = Bench::new(seed);
        bench.connect();
        bench.to_mcu.faults = faults;
        bench.to_host.faults = faults;
        let cmd = ping(&bench);
        // As many as fill a block, every 20 ms.
        for batch in 1..=500 {
            send_pings(&bench, &cmd, 7 * (batch - 1)..7 * batch);
            bench.run(bench.now + 0.02);
            let behind = batch as usize - bench.fake.pings.len() / 7;
            worst = worst.max(behind);
        }
    }
    assert!(worst <= 25, "{worst} blocks, 20 ms apart, had not arrived");
}

#[test]
fn delayed_blocks_are_not_executed_twice() {
    let faults = Faults { delay_s: 0.080, ..Faults::default() };
    let bench = run_with(faults, 5, 1000);
    assert_eq!(bench.fake.pings, (0..1000).collect::<Vec<_>>());
}

#[test]
fn a_slow_line_is_learned_and_then_nothing_is_sent_twice() {
    let mut bench = Bench::new(3);
    bench.connect();
    bench.to_mcu.latency_s = 0.060;
    bench.to_host.latency_s = 0.060;
    let cmd = ping(&bench);
    let mut repeated = vec![];
    for round in 0..4 {
        for start in (0..200).step_by(20) {
            send_pings(&bench, &cmd, round * 200 + start..round * 200 + start + 20);
            bench.run(bench.now + 0.5);
        }
        repeated.push(bench.mcu.stats().serial.bytes_retransmit);
    }
    assert_eq!(bench.fake.pings, (0..800).collect::<Vec<_>>());
    assert!(repeated[0] > 0 && repeated[1..].iter().all(|bytes| *bytes == repeated[0]), "{repeated:?}");
    assert!(bench.mcu.stats().serial.rto_s > 0.120);
}

#[test]
fn a_nak_brings_the_block_again_before_any_time_out() {
    let mut bench = Bench::new(3);
    bench.connect();
    let cmd = ping(&bench);
    bench.run(bench.now + 0.5);
    // Two blocks; the first is damaged, the second is refused for its number.
    bench.to_mcu.faults.corrupt = 1.0;
    send_pings(&bench, &cmd, 0..8);
    bench.transmit(bench.now);
    bench.to_mcu.faults.corrupt = 0.0;
    let start = bench.now;
    while bench.fake.pings.len() < 8 {
        let next = bench.next();
        bench.step(next);
    }
    assert_eq!(bench.fake.pings, (0..8).collect::<Vec<_>>());
    assert!(bench.now - start < 0.015, "{}", bench.now - start);
}

#[test]
fn the_window_of_the_receiver_is_kept() {
    let mut bench = Bench::new(3);
    bench.connect();
    let cmd = ping(&bench);
    send_pings(&bench, &cmd, 0..2000);
    bench.run(bench.now + 10.0);
    assert_eq!(bench.fake.pings.len(), 2000);
    assert!(bench.peak_in_line <= 192, "{}", bench.peak_in_line);
    assert!(bench.peak_blocks >= 2, "blocks overlap: {}", bench.peak_blocks);
    // Pacing: 2000 commands of 6 bytes make 223 blocks of 59; the line is busy with little else.
    assert_eq!(bench.mcu.stats().serial.bytes_retransmit, 0);
}

#[test]
fn a_query_is_put_again_when_its_answer_is_lost() {
    let mut bench = Bench::new(3);
    bench.connect();
    let cmd = ping(&bench);
    for (muted, succeeds) in [(0, true), (3, true), (5, true), (6, false)] {
        bench.fake.pings.clear();
        bench.fake.mute_pings = muted;
        let (mcu, cmd) = (bench.mcu.clone(), cmd.clone());
        let answer = bench.finish(10.0, async move {
            let data = [1, 2, 3, 4];
            mcu.query(&cmd, &[data.as_slice().into()], "pong", None, QueueId::DEFAULT, 0, 0).await
        });
        assert_eq!(answer.is_ok(), succeeds, "{muted} answers lost");
        assert_eq!(bench.fake.pings.len(), 6.min(muted as usize + 1));
        match answer {
            Ok(params) => assert_eq!(params.bytes("data"), [1, 2, 3, 4]),
            Err(error) => assert!(matches!(error.cause, McuErrorCause::NoResponse { .. })),
        }
    }
}

#[test]
fn two_runs_put_the_same_bytes_on_the_line() {
    let faults = Faults { corrupt: 0.002, lose: 0.002, delay_s: 0.03, cut: false };
    let (a, b) = (run_with(faults, 9, 1000), run_with(faults, 9, 1000));
    assert_eq!(a.to_mcu.log, b.to_mcu.log);
    assert_eq!(a.to_host.log, b.to_host.log);
    let other = run_with(faults, 10, 1000);
    assert_ne!(a.to_mcu.log, other.to_mcu.log);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_from_the_line_are_taken_without_panic(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20),
        contents in prop::collection::vec((0_u8..16, prop::collection::vec(any::<u8>(), 0..59)), 0..20),
    ) {
        let mut bench = Bench::new(1);
        bench.connect();
        for chunk in &chunks {
            bench.mcu.handle_bytes(bench.now, chunk);
        }
        // Well-framed blocks with senseless content go deeper.
        for (seq, content) in &contents {
            let mut block = vec![];
            prop_assert!(drydock_protocol::block::frame(*seq, content, &mut block));
            bench.mcu.handle_bytes(bench.now, &block);
        }
        bench.run(bench.now + 1.0);
        let _ = bench.mcu.dump_messages();
    }
}
