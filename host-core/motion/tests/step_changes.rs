//! What may change under a running step generator: position, shaper, pressure advance, the queue's old end.

use drydock_motion::kinematics::ActuatorMap;
use drydock_motion::shapers::AnyShaper;
use drydock_motion::step_times::{ClockMap, StepGenerator};
use drydock_motion::trapq::{TrapMove, TrapQ};

const CLOCK_HZ: f64 = 168e6;
const X: ActuatorMap = ActuatorMap::Linear([1.0, 0.0, 0.0]);
const STEP_MM: f64 = 0.01;

type Steps = Vec<(bool, u64)>;

/// From rest to rest along X, 3000 mm/s².
fn hop(print_time: f64, from: f64, to: f64) -> TrapMove {
    let accel = 3000.0;
    let accel_t = ((to - from).abs() / accel).sqrt();
    TrapMove {
        print_time,
        accel_t,
        cruise_t: 0.0,
        decel_t: accel_t,
        start_pos: [from, 0.0, 0.0],
        axes_r: [(to - from).signum(), 0.0, 0.0],
        start_v: 0.0,
        cruise_v: accel * accel_t,
        accel,
    }
}

fn generator() -> StepGenerator {
    StepGenerator::new(X, STEP_MM, ClockMap::main(CLOCK_HZ))
}

fn all_steps(g: &mut StepGenerator, queue: &TrapQ, until: f64) -> Steps {
    let mut steps = Steps::new();
    g.generate(queue, until, &mut steps);
    g.finish(&mut steps);
    steps
}

fn net(steps: &Steps) -> i64 {
    steps.iter().map(|s| if s.0 { 1 } else { -1 }).sum()
}

#[test]
fn steps_sum_to_distance() {
    let mut queue = TrapQ::new([0.0; 3]);
    queue.append(&hop(0.5, 0.0, 7.0));
    queue.append(&hop(1.0, 7.0, -2.0));
    let mut g = generator();
    let steps = all_steps(&mut g, &queue, 2.0);
    assert_eq!(net(&steps), -200);
    assert_eq!(g.position_steps(), -200);
    assert!((g.commanded_pos_mm() + 2.0).abs() < 1e-12);
}

#[test]
fn setting_the_position_makes_no_steps_and_the_next_is_half_a_step_away() {
    let mut queue = TrapQ::new([0.0; 3]);
    queue.append(&hop(0.5, 0.0, 1.0));
    let mut g = generator();
    assert_eq!(all_steps(&mut g, &queue, 1.0).len(), 100);
    queue.set_position(1.0, [77.7777, 0.0, 0.0]);
    g.set_position(&queue, 1.0, [77.7777, 0.0, 0.0]);
    assert_eq!(all_steps(&mut g, &queue, 2.0), []);
    queue.append(&hop(2.0, 77.7777, 78.7777));
    let steps = all_steps(&mut g, &queue, 3.0);
    assert_eq!(steps.len(), 100);
    let half_step_t = (2.0 * 0.5 * STEP_MM / 3000.0_f64).sqrt();
    assert!(steps[0].1.abs_diff(((2.0 + half_step_t) * CLOCK_HZ) as u64) <= 1);
    assert_eq!(g.position_steps(), 200);
}

#[test]
fn a_new_shaper_at_rest_makes_no_step_and_shapes_what_follows() {
    let shaper = |name| Some(AnyShaper::parse(name).unwrap().pulses(40.0, 0.1).unwrap());
    let mut queue = TrapQ::new([0.0; 3]);
    queue.append(&hop(0.5, 0.0, 5.0));
    let mut g = generator();
    g.set_shaper(0, shaper("mzv"));
    assert_eq!(net(&all_steps(&mut g, &queue, 1.0)), 500);
    for (i, name) in ["3hump_ei", "zv", "ei"].into_iter().enumerate() {
        let start = 1.0 + i as f64;
        g.set_shaper(0, shaper(name));
        let (pre, post) = g.window();
        queue.append(&hop(start + 0.2, 5.0, 8.0));
        queue.append(&hop(start + 0.5, 8.0, 5.0));
        let steps = all_steps(&mut g, &queue, start + 1.0);
        // The same from scratch.
        let mut fresh_queue = TrapQ::new([5.0, 0.0, 0.0]);
        fresh_queue.append(&hop(start + 0.2, 5.0, 8.0));
        fresh_queue.append(&hop(start + 0.5, 8.0, 5.0));
        let mut fresh = generator();
        fresh.set_shaper(0, shaper(name));
        fresh.set_position(&fresh_queue, 0.0, [5.0, 0.0, 0.0]);
        let expected = all_steps(&mut fresh, &fresh_queue, start + 1.0);
        assert_eq!(steps.len(), expected.len(), "{name}");
        assert!(steps.iter().zip(&expected).all(|(a, b)| a.0 == b.0 && a.1.abs_diff(b.1) <= 1), "{name}");
        let first_s = steps[0].1 as f64 / CLOCK_HZ;
        assert!(first_s >= start + 0.2 - pre && pre > 0.0 && post > 0.0, "{name}: first step at {first_s}");
    }
    // And without one again.
    g.set_shaper(0, None);
    assert_eq!(g.window(), (0.0, 0.0));
    queue.append(&hop(5.0, 5.0, 6.0));
    assert_eq!(net(&all_steps(&mut g, &queue, 6.0)), 100);
}

#[test]
fn a_twitch_is_dropped_and_a_slow_return_is_not() {
    // Forth by d and back, with 3000 mm/s²: beyond the half step for 2·√(4·(d − ½ step)/a)/√2 or so.
    let twitch = |beyond_mm: f64| {
        let d = 0.5 * STEP_MM + beyond_mm;
        let mut queue = TrapQ::new([0.0; 3]);
        let there = hop(0.5, 0.0, d);
        let back = hop(0.5 + 2.0 * there.accel_t, d, 0.0);
        queue.append(&there);
        queue.append(&back);
        let mut g = generator();
        let steps = all_steps(&mut g, &queue, 1.0);
        (steps.len(), g.position_steps())
    };
    assert_eq!(twitch(-1e-6), (0, 0));
    assert_eq!(twitch(1e-5), (0, 0));
    assert_eq!(twitch(1e-3), (2, 0));
}

#[test]
fn the_last_step_waits_until_it_can_be_no_twitch() {
    let mut queue = TrapQ::new([0.0; 3]);
    let d = 0.5 * STEP_MM + 1e-4;
    let there = hop(0.5, 0.0, d);
    queue.append(&there);
    let (mut g, mut steps) = (generator(), Steps::new());
    let step_s = 0.5 + 2.0 * there.accel_t - (2.0 * 1e-4 / 3000.0_f64).sqrt();
    g.generate(&queue, step_s + 0.0005, &mut steps);
    assert_eq!(steps, []);
    g.generate(&queue, step_s + 0.0008, &mut steps);
    assert_eq!(steps.len(), 1);
}

#[test]
fn old_segments_may_be_dropped_behind_the_window() {
    let moves: Vec<TrapMove> =
        (0..60).map(|i| hop(0.5 + 0.2 * f64::from(i), f64::from(i % 2), f64::from((i + 1) % 2))).collect();
    for shaper in [None, Some("3hump_ei")] {
        let set_up = || {
            let mut g = generator();
            g.set_shaper(0, shaper.map(|s| AnyShaper::parse(s).unwrap().pulses(40.0, 0.1).unwrap()));
            g
        };
        let (mut kept, mut trimmed) = (TrapQ::new([0.0; 3]), TrapQ::new([0.0; 3]));
        moves.iter().for_each(|m| kept.append(m));
        let whole = all_steps(&mut set_up(), &kept, 20.0);
        let (mut g, mut steps) = (set_up(), Steps::new());
        let (pre, post) = g.window();
        for m in &moves {
            trimmed.append(m);
            let until = trimmed.end_time() - pre;
            g.generate(&trimmed, until, &mut steps);
            trimmed.trim(until - post);
            assert!(trimmed.end_index() - trimmed.first_index() < 12);
        }
        g.generate(&trimmed, 20.0, &mut steps);
        g.finish(&mut steps);
        assert_eq!(steps.len(), whole.len());
        assert!(steps.iter().zip(&whole).all(|(a, b)| a.0 == b.0 && a.1.abs_diff(b.1) <= 1));
    }
}

#[test]
fn first_motion_is_when_the_motors_own_axis_moves() {
    let mut queue = TrapQ::new([0.0; 3]);
    queue.append(&TrapMove { axes_r: [0.0, 1.0, 0.0], ..hop(0.5, 0.0, 3.0) });
    queue.append(&TrapMove { start_pos: [0.0, 3.0, 0.0], ..hop(1.0, 0.0, 3.0) });
    let y = StepGenerator::new(ActuatorMap::Linear([0.0, 1.0, 0.0]), STEP_MM, ClockMap::main(CLOCK_HZ));
    let z = StepGenerator::new(ActuatorMap::Linear([0.0, 0.0, 1.0]), STEP_MM, ClockMap::main(CLOCK_HZ));
    assert_eq!(generator().first_motion(&queue, 0.0, 9.0), Some(1.0));
    assert_eq!(y.first_motion(&queue, 0.0, 9.0), Some(0.5));
    assert_eq!(y.first_motion(&queue, 0.51, 9.0), Some(0.51));
    assert_eq!(y.first_motion(&queue, 0.9, 9.0), None);
    assert_eq!(generator().first_motion(&queue, 0.0, 0.9), None);
    assert_eq!(z.first_motion(&queue, 0.0, 9.0), None);
}

#[test]
fn pressure_advance_changes_at_its_place_in_the_queue() {
    // Steady extrusion for 2 s in two moves; the advance doubles at the second.
    let speed = 4.0;
    let steady = |print_time: f64, from: f64| TrapMove {
        print_time,
        accel_t: 0.0,
        cruise_t: 1.0,
        decel_t: 0.0,
        start_pos: [from, 0.0, 0.0],
        axes_r: [1.0, 1.0, 0.0],
        start_v: speed,
        cruise_v: speed,
        accel: 0.0,
    };
    let mut queue = TrapQ::new([0.0; 3]);
    queue.append(&steady(0.5, 0.0));
    queue.append(&steady(1.5, speed));
    let mut g = generator();
    g.set_pressure_advance(0.0, 0.05);
    g.set_smooth_time(0.04);
    g.set_pressure_advance(1.5, 0.1);
    let mut steps = Steps::new();
    g.generate(&queue, 1.3, &mut steps);
    // In the middle of a move: plan plus advance·speed.
    assert!((g.commanded_pos_mm() - (0.8 * speed + 0.05 * speed)).abs() <= STEP_MM);
    g.generate(&queue, 2.3, &mut steps);
    assert!((g.commanded_pos_mm() - (1.8 * speed + 0.1 * speed)).abs() <= STEP_MM);
    g.generate(&queue, 3.0, &mut steps);
    assert!((g.commanded_pos_mm() - 2.0 * speed).abs() <= STEP_MM);
}

#[test]
fn a_wider_window_finds_no_motion_in_a_settled_queue() {
    let mut queue = TrapQ::new([0.0; 3]);
    queue.append(&hop(0.5, 0.0, 5.0));
    let end = queue.end_time();
    let mut g = generator();
    g.set_pressure_advance(0.0, 0.05);
    g.set_smooth_time(0.02);
    assert_eq!(net(&all_steps(&mut g, &queue, end + 0.01)), 500);
    queue.settle();
    g.set_smooth_time(0.1);
    let start = end + 0.01 + 0.05;
    queue.append(&hop(start, 5.0, 6.0));
    let steps = all_steps(&mut g, &queue, queue.end_time() + 0.05);
    // Only upwards: the new window never saw the first hop.
    assert!(steps.iter().all(|s| s.0), "{:?}", &steps[..4]);
    assert_eq!(steps.len(), 100);
}
