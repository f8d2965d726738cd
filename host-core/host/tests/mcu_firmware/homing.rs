//! Homing: a switch stops the motors of one board or of several, and the host knows where.

use crate::motion::stepper;
use crate::rig::{FREQ, Rig, clean, faulty};
use drydock_host::mcu::{EndstopIn, McuErrorCause, McuStepper};
use drydock_virtual_mcu::{McuConfig, SerialConfig};

const INTERVAL: u32 = 42_000;

/// Steps for `span_s` from `print_time` on, released in drips, and the answer of the switch.
fn home(
    rig: &mut Rig,
    endstop: &EndstopIn,
    steppers: &[McuStepper],
    span_s: f64,
) -> Result<Option<f64>, drydock_host::mcu::McuError> {
    let main = rig.mcu();
    let start = main.estimated_print_time(rig.now()) + 0.3;
    for stepper in steppers {
        let mcu = stepper.mcu();
        let start_clock = mcu.print_time_to_clock(start) as u64;
        let ratio = mcu.clock_freq() / FREQ;
        let interval = (f64::from(INTERVAL) * ratio) as u32;
        stepper.steps().reset_step_clock(start_clock);
        stepper.steps().set_dir(true);
        let mut clock = start_clock;
        for _ in 0..(span_s * mcu.clock_freq() / f64::from(interval) / 10.0) as usize {
            let first = clock + u64::from(interval);
            clock += 10 * u64::from(interval);
            stepper.steps().queue_step(interval, 10, 0, first, clock);
        }
    }
    let done = endstop.home_start(start, 0.000_015, 4, f64::from(INTERVAL) / FREQ, true);
    let mcus: Vec<_> = rig.boards.iter().map(|board| board.mcu.clone()).collect();
    let reactor = rig.reactor.clone();
    let flag = done.clone();
    rig.reactor.spawn("drip", async move {
        while flag.get().is_none() {
            let now = reactor.now();
            for mcu in &mcus {
                let print_time = mcus[0].estimated_print_time(now) + 0.1;
                mcu.calibrate_clock(print_time, now);
                mcu.flush_moves(mcu.print_time_to_clock(print_time).max(0) as u64, 0);
            }
            reactor.sleep(0.05).await;
        }
    });
    let endstop = endstop.clone();
    rig.finish(span_s + 10.0, async move { endstop.home_wait(start + span_s).await })
}

fn one_board(line: SerialConfig) -> (Rig, EndstopIn, McuStepper) {
    let rig = Rig::one(line);
    let stepper = stepper(&rig, 0, "PA0", "PA1");
    let endstop = EndstopIn::new(&rig.mcu(), "PB5", 1, true);
    endstop.add_stepper(&stepper);
    (rig, endstop, stepper)
}

#[test]
fn a_switch_stops_the_motor_and_its_moment_is_known() {
    for line in [clean(), faulty()] {
        let (mut rig, endstop, stepper) = one_board(line);
        let switch = rig.pin(0, "PB5");
        // An inverted pin: high is open, and it goes low one second from now.
        rig.boards[0].world.inputs.insert(switch, true);
        rig.connect();
        let trigger_ns = rig.now_ns + 1_000_000_000;
        rig.boards[0].world.flips.push((trigger_ns, switch));
        let asked = endstop.clone();
        assert!(!rig.finish(1.0, async move { asked.query_state(0.0).await }).unwrap());
        let trigger = home(&mut rig, &endstop, std::slice::from_ref(&stepper), 3.0).unwrap().expect("a trigger");
        let late_ns = rig.true_ns(trigger) - trigger_ns as f64;
        assert!((0.0..300_000.0).contains(&late_ns), "{late_ns} ns");
        // Steps up to the trigger, by the host's history and by the pulses at the pin.
        let pulses = &rig.boards[0].world.pulses;
        let at_trigger = pulses.iter().filter(|(at, _)| (*at as f64) <= rig.true_ns(trigger)).count() as i64;
        let clock = rig.mcu().print_time_to_clock(trigger) as u64;
        assert!((stepper.steps().past_position_steps(clock) - at_trigger).abs() <= 1);
        assert_eq!(stepper.steps().position_steps(), pulses.len() as i64, "where the firmware stopped");
        let overtravel = pulses.len() as i64 - at_trigger;
        assert!((0..=2).contains(&overtravel), "{overtravel}");
        let asked = endstop.clone();
        assert!(rig.finish(1.0, async move { asked.query_state(0.0).await }).unwrap());
        // It moves again afterwards.
        let before = rig.boards[0].world.pulses.len();
        let start = rig.mcu().print_time_to_clock(rig.mcu().estimated_print_time(rig.now()) + 0.3) as u64;
        stepper.steps().set_dir(false);
        stepper.steps().queue_step(start as u32, 1, 0, start, start);
        rig.mcu().flush_moves(u64::MAX, 0);
        rig.run_until(rig.now() + 1.0);
        assert_eq!(rig.boards[0].world.pulses.len(), before + 1);
        assert_eq!(rig.all_events(), Vec::<String>::new());
    }
}

#[test]
fn a_switch_that_never_closes_is_told_at_the_end_of_the_move() {
    let (mut rig, endstop, stepper) = one_board(clean());
    let switch = rig.pin(0, "PB5");
    rig.boards[0].world.inputs.insert(switch, true);
    rig.connect();
    assert_eq!(home(&mut rig, &endstop, &[stepper], 1.0).unwrap(), None);
    assert_eq!(rig.all_events(), Vec::<String>::new());
}

fn two_boards(line: SerialConfig) -> (Rig, EndstopIn, [McuStepper; 2]) {
    let main = McuConfig { drift_ppm: 25.0, ..McuConfig::default() };
    let tool = McuConfig {
        name: "tool".into(),
        clock_freq_hz: 64_000_000,
        clock_offset_ticks: 900_000_000,
        drift_ppm: -60.0,
        ..McuConfig::default()
    };
    let rig = Rig::new(vec![main, tool], line, 4);
    let steppers = [stepper(&rig, 0, "PA0", "PA1"), stepper(&rig, 1, "PA0", "PA1")];
    let endstop = EndstopIn::new(&rig.boards[1].mcu, "PB5", 1, false);
    steppers.iter().for_each(|stepper| endstop.add_stepper(stepper));
    (rig, endstop, steppers)
}

#[test]
fn a_switch_on_one_board_stops_the_motors_of_both() {
    let (mut rig, endstop, steppers) = two_boards(clean());
    rig.connect();
    let switch = rig.pin(1, "PB5");
    let trigger_ns = rig.now_ns + 1_500_000_000;
    rig.boards[1].world.flips.push((trigger_ns, switch));
    let trigger = home(&mut rig, &endstop, &steppers, 4.0).unwrap().expect("a trigger");
    let late_ns = rig.true_ns(trigger) - trigger_ns as f64;
    assert!((-50_000.0..300_000.0).contains(&late_ns), "{late_ns} ns");
    for (board, stepper) in rig.boards.iter().zip(&steppers) {
        assert_eq!(stepper.steps().position_steps(), board.world.pulses.len() as i64);
        let after = board.world.pulses.iter().filter(|(at, _)| *at > trigger_ns).count();
        assert!(after as f64 * f64::from(INTERVAL) / FREQ < 0.025, "{after} steps after the trigger");
    }
    assert_eq!(rig.all_events(), Vec::<String>::new());
}

#[test]
fn a_board_that_loses_the_host_stops_by_itself() {
    let (mut rig, endstop, steppers) = two_boards(clean());
    rig.connect();
    let mcu = rig.boards[0].mcu.clone();
    let reactor = rig.reactor.clone();
    // The line to the main board holds everything up for 60 ms, longer than the 25 ms that several boards allow.
    let held_up = SerialConfig { delay_per_piece: 0.5, delay_max_ns: 60_000_000, ..clean() };
    rig.boards[0].to_mcu.set_config(held_up);
    rig.boards[0].to_host.set_config(held_up);
    let _ = (mcu, reactor);
    let error = home(&mut rig, &endstop, &steppers, 2.0).unwrap_err();
    assert_eq!(error.cause, McuErrorCause::HomingTimeout);
}
