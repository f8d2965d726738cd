//! The link: acks and naks, shutdown manners, resets, any bytes at all, and the same bytes twice.

use crate::common::{Arg, Host, send};
use drydock_protocol::block::frame;
use drydock_virtual_mcu::{McuConfig, SerialConfig, SerialLine, Stream, VirtualMcu};

#[test]
fn a_host_that_starts_at_one_is_told_the_right_number() {
    let mut host = Host::new(McuConfig::default());
    let mut block = vec![];
    assert!(frame(1, &[1, 0, 40], &mut block));
    host.raw(&block);
    assert_eq!(host.inbox.len(), 1);
    assert_eq!((host.inbox[0].name.as_str(), host.inbox[0].ints["seq"]), ("ack", 0));
}

#[test]
fn junk_gets_one_nak_and_the_block_behind_it_is_executed() {
    let mut host = Host::new(McuConfig::default());
    let mut bytes = vec![0x1b, 0x01, 0x00, 0x01, 0x0e, 0x11, 0x04, 0x7e];
    assert!(frame(0, &[1, 0, 40], &mut bytes));
    host.raw(&bytes);
    let names: Vec<_> = host.inbox.iter().map(|message| message.name.as_str()).collect();
    assert_eq!(names, ["ack", "identify_response", "ack"]);
    assert_eq!(
        host.inbox.iter().map(|message| message.ints.get("seq").copied()).collect::<Vec<_>>(),
        [Some(0), None, Some(1)]
    );
}

#[test]
fn an_unknown_command_or_a_cut_one_is_a_parser_error() {
    for content in [&[0x5e][..], &[0x00], &[1, 0], &[0x80]] {
        let mut host = Host::connected(McuConfig::default());
        let mut block = vec![];
        let seq = host.inbox.last().unwrap().ints["seq"] as u8;
        assert!(frame(seq, content, &mut block));
        host.raw(&block);
        host.assert_shutdown("Command parser error");
    }
}

#[test]
fn while_shut_down_questions_are_answered_and_all_else_is_refused() {
    let mut host = Host::connected(McuConfig::default());
    send!(host, allocate_oids, 1);
    send!(host, config_digital_out, 0, host.pin("PA0"), 1, 1, 0);
    host.finalize();
    send!(host, emergency_stop);
    host.assert_shutdown("Command request");
    let config = host.ask("get_config", &[], "config");
    assert_eq!(config.ints["is_shutdown"], 1);
    host.ask("get_clock", &[], "clock");
    host.ask("get_uptime", &[], "uptime");
    let refusal = host.ask("queue_digital_out", &[Arg::Int(0), Arg::Int(0), Arg::Int(1)], "is_shutdown");
    assert_eq!(refusal.ints["static_string_id"], host.all("shutdown")[0].ints["static_string_id"]);
    assert_eq!(host.all("shutdown").len(), 1, "told once");
    send!(host, clear_shutdown);
    assert_eq!(host.ask("get_config", &[], "config").ints["is_shutdown"], 0);
}

#[test]
fn config_reset_and_reset_make_a_fresh_board() {
    let mut host = Host::connected(McuConfig { clock_offset_ticks: 5 << 32, ..McuConfig::default() });
    send!(host, allocate_oids, 1);
    send!(host, config_digital_out, 0, host.pin("PA0"), 1, 0, 0);
    host.finalize();
    send!(host, emergency_stop);
    send!(host, config_reset);
    let config = host.ask("get_config", &[], "config");
    assert_eq!((config.ints["is_config"], config.ints["is_shutdown"], config.ints["move_count"]), (0, 0, 0));
    let mut block = vec![];
    let seq = host.inbox.iter().rfind(|message| message.name == "ack").unwrap().ints["seq"] as u8;
    let reset = host.mcu.dictionary().commands["reset"] as u8;
    assert!(frame(seq, &[reset], &mut block));
    host.raw(&block);
    assert_eq!(host.inbox.last().unwrap().name, "starting");
    assert!(host.mcu.next_wake_ns() > host.now_ns);
    assert!(host.mcu.oscillator().tick_at(host.now_ns) < 168);
}

#[test]
fn stats_come_every_five_seconds_and_uptime_counts_the_wraps() {
    let mut host = Host::connected(McuConfig::default());
    host.run(61_000_000_000);
    assert_eq!(host.all("stats").len(), 12);
    let uptime = host.ask("get_uptime", &[], "uptime");
    let clock = uptime.ints["high"] << 32 | uptime.ints["clock"];
    assert_eq!(clock, host.mcu.oscillator().tick_at(uptime.at_ns) as i64);
}

#[test]
fn a_full_transmit_buffer_drops_whole_messages() {
    let mut host = Host::connected(McuConfig::default());
    for _ in 0..20 {
        host.queue("debug_ping", &[Arg::Bytes(&[7; 20])]);
    }
    host.flush();
    assert!(host.mcu.dropped_messages() > 0 || host.all("pong").len() == 20);
    let mut unpaced = Host::connected(McuConfig { serial_baud: 0, ..McuConfig::default() });
    for _ in 0..20 {
        unpaced.send("debug_ping", &[Arg::Bytes(&[7; 50])]);
    }
    assert_eq!(unpaced.all("pong").len(), 20);
    assert_eq!(unpaced.mcu.dropped_messages(), 0);
}

/// Drives a board over two faulty lines, going back to the first block that is not acknowledged, until all of
/// `blocks` are; the digest of everything.
fn over_faulty_lines(seed: u64, drift_ppm: f64) -> (u64, u64) {
    let faulty = SerialConfig { corruption_per_byte: 2e-3, loss_per_byte: 2e-3, ..SerialConfig::default() };
    let mut down = SerialLine::new(faulty, seed, "down");
    let mut up = SerialLine::new(faulty, seed, "up");
    let mut mcu = VirtualMcu::new(McuConfig { drift_ppm, ..McuConfig::default() });
    let mut bench = crate::common::Bench::default();
    let nop = mcu.dictionary().commands["debug_nop"] as u8;
    let clock = mcu.dictionary().commands["get_clock"] as u8;
    let (mut acked, total, mut now_ns) = (0_u64, 400_u64, 0_u64);
    let mut received = vec![];
    while acked < total {
        for number in acked..(acked + 4).min(total) {
            let mut block = vec![];
            assert!(frame((number % 16) as u8, &[nop, clock, nop], &mut block));
            down.send(now_ns, &block);
        }
        let until_ns = now_ns + 20_000_000;
        while down.next_arrival_ns().min(mcu.next_wake_ns()) <= until_ns {
            if down.next_arrival_ns() <= mcu.next_wake_ns() {
                let mut bytes = vec![];
                let at_ns = down.take_arrival(&mut bytes);
                mcu.receive(at_ns, &bytes, &mut bench);
            } else {
                mcu.run_until(mcu.next_wake_ns(), &mut bench);
            }
            mcu.take_transmit(|at_ns, bytes| up.send(at_ns, bytes));
        }
        while up.next_arrival_ns() != u64::MAX {
            up.take_arrival(&mut received);
        }
        now_ns = until_ns;
        let mut deframer = drydock_protocol::Deframer::new();
        let mut input = &received[..];
        while let Some(event) = deframer.next(&mut input) {
            if let drydock_protocol::Event::Block(block) = event {
                let step = (u64::from(block.seq) + 16 - acked % 16) % 16;
                if step <= 4 {
                    acked += step;
                }
            }
        }
        received.clear();
        assert!(now_ns < 600_000_000_000, "stuck at {acked}");
    }
    let mut digest = down.faults() << 32 | up.faults();
    let faults = down.faults() + up.faults();
    mcu.fold_state(&mut |value| digest = (digest ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(11));
    up.fold_state(&mut |value| digest = (digest ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(11));
    (digest, faults)
}

#[test]
fn every_block_gets_through_a_faulty_line_and_runs_repeat_exactly() {
    let (digest, faults) = over_faulty_lines(1, 20.0);
    assert!(faults > 20, "{faults}");
    assert_eq!(over_faulty_lines(1, 20.0).0, digest);
    assert_ne!(over_faulty_lines(2, 20.0).0, digest, "another seed");
    assert_ne!(over_faulty_lines(1, 21.0).0, digest, "another drift");
}

#[test]
fn any_bytes_at_all_are_answered_and_never_panic() {
    let mut random = Stream::new(3, "fuzz");
    let mut mcu = VirtualMcu::new(McuConfig { serial_baud: 0, ..McuConfig::default() });
    let mut bench = crate::common::Bench::default();
    let (mut now_ns, mut answers) = (0, 0_u64);
    for _ in 0..100_000 {
        let len = random.below(70) as usize;
        let bytes: Vec<_> = (0..len).map(|_| random.next_u64() as u8).collect();
        mcu.receive(now_ns, &bytes, &mut bench);
        mcu.take_transmit(|_, _| answers += 1);
        now_ns += 1000;
    }
    assert!(answers > 0);
}

#[test]
fn one_more_tick_changes_the_digest() {
    let run = |interval: i64| {
        let mut host = Host::connected(McuConfig::default());
        send!(host, allocate_oids, 1);
        send!(host, config_stepper, 0, host.pin("PA0"), host.pin("PA1"), -1, 16);
        host.finalize();
        let start = host.clock() + 1_000_000;
        send!(host, reset_step_clock, 0, start);
        send!(host, queue_step, 0, interval, 1000, 1);
        host.run(500_000_000);
        host.digest()
    };
    assert_eq!(run(10_000), run(10_000));
    assert_ne!(run(10_000), run(10_001));
}

#[test]
fn a_board_can_go_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<VirtualMcu>();
    is_send::<SerialLine>();
}
