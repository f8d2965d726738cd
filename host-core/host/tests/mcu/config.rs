//! Connecting: the dictionary, the configuration and its checksum.

use crate::bench::{Bench, FREQ};
use drydock_host::mcu::{DigitalOut, McuErrorCause};

fn configured(seed: u64) -> Bench {
    let bench = Bench::new(seed);
    let _ = DigitalOut::new(&bench.mcu, "PA3", true, false, false, 2.0);
    bench.mcu.add_init_cmd("queue_digital_out oid=0 clock=100 on_ticks=0");
    bench
}

#[test]
fn a_perfect_line_carries_the_configuration_in_order() {
    let mut bench = configured(1);
    bench.connect();
    bench.run(bench.now + 0.1);
    let crc = crc32fast::hash(
        b"allocate_oids count=1\nconfig_digital_out oid=0 pin=PA3 value=1 default_value=1 max_duration=32000000",
    );
    assert_eq!(
        bench.fake.texts(),
        [
            "get_uptime".to_string(),
            "get_config".into(),
            "allocate_oids count=1".into(),
            "config_digital_out oid=0 pin=3 value=1 default_value=1 max_duration=32000000".into(),
            format!("finalize_config crc={crc}"),
            "get_config".into(),
            "queue_digital_out oid=0 clock=100 on_ticks=0".into(),
        ]
    );
    let stats = bench.mcu.stats().serial;
    // The firmware's count began at 0 and this side's at 1: the first block is the only one sent twice, if any.
    assert_eq!((stats.bytes_retransmit, stats.bytes_invalid), (0, 0));
    assert_eq!(bench.log.borrow()[0], "Loaded MCU 'mcu' 15 commands (v1 / cc)");
    assert!(bench.log.borrow().iter().any(|line| line == "Configured MCU 'mcu' (100 moves)"));
    assert_eq!(bench.mcu.constant_f64("CLOCK_FREQ"), Some(FREQ));
    assert_eq!(bench.mcu.enumeration_value("pin", "PA7"), Some(7));
    assert!(bench.now < 2.0, "{}", bench.now);
}

#[test]
fn any_count_of_the_micro_controller_is_taken_over() {
    for seq in 0..16 {
        let mut bench = configured(u64::from(seq) + 1);
        bench.fake.seq = seq;
        bench.connect();
        assert!(bench.mcu.is_connected(), "count {seq}");
    }
}

#[test]
fn the_same_configuration_again_is_a_restart_and_another_is_refused() {
    let mut bench = configured(1);
    bench.connect();
    let mut again = configured(2);
    again.fake.config_crc = bench.fake.config_crc;
    again.connect();
    again.run(again.now + 0.1);
    assert_eq!(
        again.fake.texts()[2..],
        ["update_digital_out oid=0 value=1", "get_config", "queue_digital_out oid=0 clock=100 on_ticks=0"]
    );
    let mut other = configured(3);
    other.fake.config_crc = Some(7);
    let mcu = other.mcu.clone();
    let error = other.finish(10.0, async move { mcu.connect().await }).unwrap_err();
    assert_eq!(error.cause, McuErrorCause::CrcMismatch);
}

#[test]
fn a_shut_down_micro_controller_and_a_short_move_queue_are_refused() {
    let mut bench = configured(1);
    bench.fake.is_shutdown = true;
    let mcu = bench.mcu.clone();
    let error = bench.finish(10.0, async move { mcu.connect().await }).unwrap_err();
    assert!(matches!(error.cause, McuErrorCause::Shutdown { .. }), "{error}");
    let mut bench = configured(1);
    bench.fake.move_count = 0;
    let mcu = bench.mcu.clone();
    let error = bench.finish(10.0, async move { mcu.connect().await }).unwrap_err();
    assert_eq!(error.cause, McuErrorCause::TooFewMoves { move_count: 0, reserved: 1 });
}

#[test]
fn an_unknown_pin_is_named_with_its_command() {
    let mut bench = Bench::new(1);
    let _ = DigitalOut::new(&bench.mcu, "PB9", false, false, false, 0.0);
    let mcu = bench.mcu.clone();
    let error = bench.finish(10.0, async move { mcu.connect().await }).unwrap_err();
    assert!(error.to_string().contains("the firmware knows no pin 'PB9'"), "{error}");
}

#[test]
fn a_line_with_nobody_behind_it_is_given_up_after_ninety_seconds() {
    let mut bench = configured(1);
    bench.to_mcu.faults.cut = true;
    let mcu = bench.mcu.clone();
    let error = bench.finish(100.0, async move { mcu.connect().await }).unwrap_err();
    assert!(matches!(error.cause, McuErrorCause::Unreachable { .. }), "{error}");
    assert!((bench.now - 90.0).abs() < 1.0, "{}", bench.now);
}

#[test]
fn a_micro_controller_that_comes_late_is_found() {
    let mut bench = configured(1);
    bench.to_mcu.faults.cut = true;
    let mcu = bench.mcu.clone();
    let done = std::rc::Rc::new(std::cell::Cell::new(false));
    let flag = done.clone();
    bench.reactor.spawn("connect", async move { flag.set(mcu.connect().await.is_ok()) });
    bench.run(20.0);
    bench.to_mcu.faults.cut = false;
    bench.run(30.0);
    assert!(done.get());
}

#[test]
fn a_measured_rate_far_off_the_declared_one_is_told() {
    let mut bench = configured(1);
    bench.fake.freq = FREQ * 1.02;
    bench.connect();
    assert!(bench.log.borrow().iter().any(|line| line.contains("configured for 16Mhz but running at 16Mhz")));
}
