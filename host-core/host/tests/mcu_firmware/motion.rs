//! Steps: all of them, at their clocks, whatever the line does.

use crate::rig::{FREQ, Rig, clean, faulty};
use drydock_host::mcu::{McuStepper, StepQueue, StepperPins};
use drydock_virtual_mcu::{McuConfig, SerialConfig};

pub fn stepper(rig: &Rig, board: usize, step_pin: &str, dir_pin: &str) -> McuStepper {
    let pins = StepperPins {
        step_pin: step_pin.into(),
        invert_step: false,
        dir_pin: dir_pin.into(),
        invert_dir: false,
        step_pulse_s: None,
    };
    McuStepper::new(&rig.boards[board].mcu, pins)
}

/// Alternating runs of `per_command` steps each; returns every step's clock with its direction.
fn queue(steps: &StepQueue, start_clock: u64, commands: usize, interval: u32) -> Vec<(u64, bool)> {
    let mut clock = start_clock;
    let mut wanted = vec![];
    for number in 0..commands {
        let dir = (number / 7) % 2 == 0;
        let (count, add) = (1 + (number % 20) as u16, (number % 5) as i16 - 2);
        let first = clock + u64::from(interval);
        let mut step_interval = i64::from(interval);
        for _ in 0..count {
            clock += step_interval as u64;
            step_interval += i64::from(add);
            wanted.push((clock, dir));
        }
        steps.set_dir(dir);
        steps.queue_step(interval, count, add, first, clock);
    }
    wanted
}

fn run_steps(line: SerialConfig, seed: u64) -> Rig {
    let config = McuConfig { clock_offset_ticks: 7_000_000_000, drift_ppm: -40.0, ..McuConfig::default() };
    let mut rig = Rig::new(vec![config], line, seed);
    let steppers = [stepper(&rig, 0, "PA0", "PA1"), stepper(&rig, 0, "PB0", "PB1"), stepper(&rig, 0, "PC0", "PC1")];
    rig.connect();
    let mcu = rig.mcu();
    let start_clock = mcu.print_time_to_clock(mcu.estimated_print_time(rig.now()) + 0.3) as u64;
    let mut wanted = vec![];
    for (stepper, interval) in steppers.iter().zip([20_011, 31_013, 17_017]) {
        let steps = stepper.steps();
        steps.reset_step_clock(start_clock);
        wanted.push(queue(steps, start_clock, 1500, interval));
    }
    // The host releases its steps piece by piece, a good part of a second ahead.
    while rig.now() < 10.0 {
        let now = rig.now();
        let ahead = mcu.print_time_to_clock(mcu.estimated_print_time(now) + 0.6).max(0) as u64;
        mcu.flush_moves(ahead, 0);
        rig.run_until(now + 0.25);
    }
    assert_eq!(rig.all_events(), Vec::<String>::new());
    for (at, (stepper, pin)) in steppers.iter().zip(["PA0", "PB0", "PC0"]).enumerate() {
        let pin = rig.pin(0, pin);
        let done: Vec<u64> =
            rig.boards[0].world.pulses.iter().filter(|(_, of)| *of == pin).map(|(at, _)| *at).collect();
        assert_eq!(done.len(), wanted[at].len());
        let late = done.iter().zip(&wanted[at]).filter(|(ns, (clock, _))| **ns != rig.ns_of_clock(*clock)).count();
        assert_eq!(late, 0, "stepper {at}: every step at its clock");
        let position = wanted[at].iter().map(|(_, dir)| if *dir { 1 } else { -1 }).sum::<i64>();
        assert_eq!(stepper.steps().position_steps(), position);
        let asked = stepper.clone();
        assert_eq!(rig.finish(5.0, async move { asked.query_position_steps().await }).unwrap(), position);
    }
    rig
}

#[test]
fn every_step_comes_at_its_clock_on_a_clean_line() {
    let rig = run_steps(clean(), 1);
    let stats = rig.mcu().stats().serial;
    assert_eq!((stats.bytes_retransmit, stats.bytes_invalid), (0, 0), "{stats:?}");
}

#[test]
fn every_step_comes_once_at_its_clock_on_a_line_that_loses_and_corrupts() {
    for seed in 1..=5 {
        let rig = run_steps(faulty(), seed);
        let stats = rig.mcu().stats().serial;
        assert!(stats.bytes_retransmit > 0, "there were faults to mend");
    }
}

#[test]
fn the_same_seed_puts_the_same_bytes_on_the_line() {
    let (a, b, other) = (run_steps(faulty(), 3), run_steps(faulty(), 3), run_steps(faulty(), 4));
    assert_eq!(a.boards[0].sent, b.boards[0].sent);
    assert_eq!(a.boards[0].world.pulses, b.boards[0].world.pulses);
    assert_ne!(a.boards[0].sent, other.boards[0].sent);
}

#[test]
fn a_long_print_never_overflows_the_move_queue() {
    let config = McuConfig { move_count: 40, ..McuConfig::default() };
    let mut rig = Rig::new(vec![config], clean(), 1);
    let steppers = [stepper(&rig, 0, "PA0", "PA1"), stepper(&rig, 0, "PB0", "PB1")];
    rig.connect();
    let mcu = rig.mcu();
    let start = mcu.print_time_to_clock(mcu.estimated_print_time(rig.now()) + 0.3) as u64;
    for stepper in &steppers {
        stepper.steps().reset_step_clock(start);
        queue(stepper.steps(), start, 3000, 16_000);
    }
    mcu.flush_moves(u64::MAX, 0);
    rig.run_until(rig.now() + 5.0);
    assert_eq!(rig.all_events(), Vec::<String>::new());
    assert_eq!(rig.boards[0].world.pulses.len() as i64, 2 * (3000_i64 * 21 / 2));
}

#[test]
fn steps_in_the_past_shut_down_with_the_firmware_s_words() {
    let mut rig = Rig::one(clean());
    let stepper = stepper(&rig, 0, "PA0", "PA1");
    rig.connect();
    let mcu = rig.mcu();
    let past = mcu.print_time_to_clock(mcu.estimated_print_time(rig.now()) - 0.1) as u64;
    stepper.steps().reset_step_clock(past - 1000);
    stepper.steps().queue_step(1000, 1, 0, past, past);
    mcu.flush_moves(u64::MAX, 0);
    rig.run_until(rig.now() + 0.5);
    assert_eq!(*rig.boards[0].events.borrow(), ["MCU 'mcu' shutdown: Timer too close"]);
    assert!(mcu.dump_messages().iter().any(|line| line.contains("queue_step oid=")));
    // FIRMWARE_RESTART, and a new client on the same line.
    let restarted = mcu.clone();
    rig.finish(1.0, async move { restarted.firmware_restart().await }).unwrap();
    mcu.close();
    rig.boards[0].mcu = drydock_host::mcu::Mcu::new(&rig.reactor, "mcu", None);
    rig.connect();
    assert!((rig.mcu().stats().freq_hz / FREQ - 1.0).abs() < 1e-3);
}
