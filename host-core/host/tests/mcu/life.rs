//! How a connection ends, and what is left to tell.

use crate::bench::Bench;
use drydock_host::mcu::{AdcIn, AdcSetup, EndstopIn, McuEvent, McuStepper, QueuedStep, StepSink, StepperPins};
use drydock_host::mcu::{Mcu, OFFLINE_PRINT_TIME_S};
use drydock_host::reactor::Reactor;
use drydock_protocol::Value;
use std::cell::RefCell;
use std::rc::Rc;

fn listened(bench: &Bench) -> Rc<RefCell<Vec<String>>> {
    let heard: Rc<RefCell<Vec<String>>> = Rc::default();
    let list = heard.clone();
    bench.mcu.on_event(move |event: &McuEvent| list.borrow_mut().push(event.message("mcu")));
    heard
}

fn say(bench: &mut Bench, name: &str, args: &[Value<'_>]) {
    let mut out = vec![];
    bench.fake.say(name, args, &mut out);
    let now = bench.now;
    bench.to_host.push(now, &out);
    bench.run(now + 0.1);
}

#[test]
fn a_shutdown_is_told_once_with_its_reason_and_stops_the_steps() {
    let mut bench = Bench::new(1);
    let queue = bench.mcu.step_queue(0);
    bench.connect();
    let heard = listened(&bench);
    let clock = bench.fake.clock(bench.now) as u64;
    queue.queue_step(1000, 1, 0, clock + 16_000_000, clock + 16_000_000);
    bench.mcu.flush_moves(u64::MAX, 0);
    say(&mut bench, "shutdown", &[Value::Int((clock & 0xffff_ffff) as i64), Value::Int(4)]);
    say(&mut bench, "is_shutdown", &[Value::Int(4)]);
    assert_eq!(*heard.borrow(), ["MCU 'mcu' shutdown: Timer too close"]);
    assert!(bench.mcu.is_shutdown());
    assert_eq!(bench.mcu.shutdown_reason().as_deref(), Some("Timer too close"));
    bench.run(bench.now + 2.0);
    assert!(!bench.fake.texts().iter().any(|text| text.starts_with("queue_step")));
}

#[test]
fn a_restart_while_connected_is_no_normal_start() {
    let mut bench = Bench::new(1);
    bench.connect();
    let heard = listened(&bench);
    say(&mut bench, "starting", &[]);
    assert_eq!(*heard.borrow(), ["MCU 'mcu' spontaneous restart"]);
}

#[test]
fn silence_is_noticed_within_six_seconds() {
    let mut bench = Bench::new(1);
    bench.connect();
    let heard = listened(&bench);
    bench.run(10.0);
    bench.to_host.faults.cut = true;
    bench.run(13.9);
    assert!(heard.borrow().is_empty());
    bench.run(17.0);
    assert_eq!(*heard.borrow(), ["Lost communication with MCU 'mcu'"]);
}

#[test]
fn a_query_on_a_dead_line_ends_with_the_connection() {
    let mut bench = Bench::new(1);
    bench.connect();
    bench.to_mcu.faults.cut = true;
    let mcu = bench.mcu.clone();
    let get_config = mcu.lookup_command("get_config").unwrap();
    let answer = bench.finish(20.0, async move {
        mcu.query(&get_config, &[], "config", None, drydock_host::mcu::QueueId::DEFAULT, 0, 0).await
    });
    assert_eq!(answer.unwrap_err().to_string(), "Lost communication with MCU 'mcu'");
}

#[test]
fn an_emergency_stop_goes_out_at_once() {
    let mut bench = Bench::new(1);
    bench.connect();
    let heard = listened(&bench);
    bench.mcu.emergency_stop();
    bench.run(bench.now + 0.01);
    assert_eq!(*heard.borrow(), ["MCU 'mcu' shutdown: Command request"]);
    let mcu = bench.mcu.clone();
    bench.finish(1.0, async move { mcu.firmware_restart().await }).unwrap();
    assert_eq!(bench.fake.texts().last().map(String::as_str), Some("reset"));
}

#[test]
fn the_dump_shows_the_last_hundred_blocks_in_words() {
    let mut bench = Bench::new(1);
    bench.connect();
    bench.run(100.0);
    let dump = bench.mcu.dump_messages();
    assert_eq!(dump[0], "Dumping send queue 100 messages");
    assert_eq!(dump.len(), 202);
    let sent = dump.iter().rfind(|line| line.starts_with("Sent 99 ")).unwrap();
    assert!(sent.ends_with(", get_clock"), "{sent}");
    let received = dump.iter().rfind(|line| line.contains("clock clock=")).unwrap();
    assert!(received.starts_with("Receive: 9"), "{received}");
    assert!(bench.mcu.clock_sync_dump().starts_with("clocksync state: mcu_freq=16000000 last_clock="));
    let stats = bench.mcu.stats().to_string();
    assert!(
        stats.starts_with("mcu_awake=0.000 mcu_task_avg=0.000000 mcu_task_stddev=0.000000 bytes_write="),
        "{stats}"
    );
    assert!(stats.contains(" rto=0.025 ready_bytes=0 upcoming_bytes=0 freq=1599999") || stats.contains(" freq=16000"));
}

#[test]
fn the_load_of_the_firmware_is_read_from_its_stats() {
    let mut bench = Bench::new(1);
    bench.connect();
    // 1000 passes of 160 ticks each: 160000 ticks of 16 MHz, no deviation.
    say(&mut bench, "stats", &[Value::Int(1000), Value::Int(160_000), Value::Int(1000 * 160 * 160 / 256)]);
    let stats = bench.mcu.stats();
    assert!((stats.mcu_awake - 0.01).abs() < 1e-12);
    assert!((stats.mcu_task_avg_s - 10e-6).abs() < 1e-12);
    assert_eq!(stats.mcu_task_stddev_s, 0.0);
}

#[derive(Default)]
struct Sink(Vec<String>);

impl StepSink for Sink {
    fn queue_step(&mut self, oid: u8, step: &QueuedStep) {
        self.0.push(format!("{oid}: {} {} {} @{}", step.interval, step.count, step.add, step.first_clock));
    }
    fn set_dir(&mut self, oid: u8, dir: bool) {
        self.0.push(format!("{oid}: dir {dir}"));
    }
    fn reset_step_clock(&mut self, oid: u8, clock: u64) {
        self.0.push(format!("{oid}: reset {clock}"));
    }
}

#[test]
fn offline_everything_succeeds_and_steps_go_to_the_sink() {
    let reactor = Reactor::new();
    let sink = Rc::new(RefCell::new(Sink::default()));
    let mcu = Mcu::offline(&reactor, "mcu", 168e6, Some(sink.clone()));
    let pins = StepperPins {
        step_pin: "PA0".into(),
        invert_step: false,
        dir_pin: "PA1".into(),
        invert_dir: true,
        step_pulse_s: None,
    };
    let stepper = McuStepper::new(&mcu, pins);
    let endstop = EndstopIn::new(&mcu, "PA2", 1, false);
    endstop.add_stepper(&stepper);
    let adc = AdcIn::new(
        &mcu,
        "PA4",
        AdcSetup {
            sample_time_s: 0.001,
            sample_count: 8,
            report_time_s: 0.3,
            min_value: 0.0,
            max_value: 1.0,
            range_check_count: 4,
        },
    );
    let result: Rc<RefCell<Option<f64>>> = Rc::default();
    let (slot, client, homed) = (result.clone(), mcu.clone(), stepper.clone());
    reactor.spawn("test", async move {
        client.connect().await.unwrap();
        homed.steps().set_dir(true);
        homed.steps().queue_step(100, 3, -1, 100, 297);
        let _ = endstop.home_start(1.0, 0.000_015, 4, 0.001, true);
        let triggered = endstop.home_wait(2.5).await.unwrap();
        assert!(!endstop.query_state(3.0).await.unwrap());
        assert_eq!(homed.query_position_steps().await.unwrap(), 3);
        slot.replace(triggered);
    });
    reactor.run(0.0);
    assert_eq!(*result.borrow(), Some(2.5));
    assert_eq!(sink.borrow().0, ["0: dir false", "0: 100 3 -1 @100"]);
    assert_eq!(adc.last(), (0.0, 0.0));
    assert_eq!(mcu.estimated_print_time(5.0), OFFLINE_PRINT_TIME_S);
    assert_eq!((mcu.print_time_to_clock(0.25), mcu.next_wake()), (42_000_000, None));
}
