//! Step times against the position they come from, computed here in another way: for random programs on every
//! kinematics, with every shaper, with and without pressure advance.
//!
//! Laws: each step lies within a tick of the crossing of its boundary; between steps the motor stays within half a
//! step of its count (except for twitches and excursions that are not looked at); how often the generator is called
//! changes nothing but which excursions are;
//! compression keeps its bound.

use drydock_motion::kinematics::{ActuatorMap, AnyKinematics, Kinematics};
use drydock_motion::lookahead::{E, LookAhead, Move, PlannedMove, VelocityLimits};
use drydock_motion::shapers::{AnyShaper, Pulses};
use drydock_motion::step_compress::{MAX_ERROR_S, StepCommand, StepCompressor};
use drydock_motion::step_times::{ClockMap, StepGenerator, StepSink};
use drydock_motion::trapq::{TrapMove, TrapQ};
use proptest::prelude::*;

const CLOCK_HZ: f64 = 168e6;
const TICK_S: f64 = 1.0 / CLOCK_HZ;
const TWITCH_S: f64 = 0.000_75;
const START: [f64; 4] = [3.0, -4.0, 10.0, 0.0];

/// A corner to go to (relative), mm of filament per mm (or mm on a bare retraction), mm/s, pause after it.
type Corner = ([f64; 3], f64, f64, f64);

fn corners() -> impl Strategy<Value = Vec<Corner>> {
    let distance = prop_oneof![3 => -20.0..20.0, 2 => -0.6..0.6, 2 => Just(0.0)];
    let height = prop_oneof![6 => Just(0.0), 1 => -0.3..0.3, 1 => -2.0..2.0];
    let flow = prop_oneof![3 => Just(0.04), 1 => 0.01..0.1, 1 => Just(0.0), 1 => Just(-0.8)];
    let pause = prop_oneof![5 => Just(0.0), 1 => 0.0..0.3];
    // Coordinates as slicers write them.
    let round = |x: f64| (x * 1000.0).round() / 1000.0;
    let corner = ((distance.clone(), distance, height), flow, 5.0..300.0, pause)
        .prop_map(move |(d, flow, speed, pause)| ([d.0, d.1, d.2].map(round), flow, round(speed), pause));
    proptest::collection::vec(corner, 1..14)
}

fn limits() -> impl Strategy<Value = VelocityLimits> {
    (500.0..12_000.0, 1.0..20.0, 0.0..0.9).prop_map(|(max_accel_mm_s2, scv, mcr)| VelocityLimits {
        max_velocity_mm_s: 300.0,
        max_accel_mm_s2,
        square_corner_velocity_mm_s: scv,
        minimum_cruise_ratio: mcr,
    })
}

/// The planned program: toolhead and extruder moves.
fn plan(corners: &[Corner], limits: &VelocityLimits) -> (Vec<TrapMove>, Vec<TrapMove>) {
    let (mut toolhead, mut extruder) = (Vec::new(), Vec::new());
    let mut look_ahead = LookAhead::new(0.25);
    let mut print_time = 0.25;
    let mut pos = START;
    let mut put = |planned: &mut Vec<PlannedMove>, print_time: &mut f64| {
        for p in planned.drain(..) {
            if p.mv.is_kinematic {
                toolhead.push(p.trap_move(*print_time));
            }
            if p.mv.axes_d[E] != 0.0 {
                extruder.push(p.extruder_trap_move(*print_time));
            }
            *print_time += p.total_t();
        }
    };
    let mut planned = Vec::new();
    for (d, flow, speed, pause) in corners {
        let mut end: [f64; 4] = core::array::from_fn(|i| if i < 3 { pos[i] + d[i] } else { pos[i] });
        end[0] = end[0].clamp(-60.0, 60.0);
        end[1] = end[1].clamp(-60.0, 60.0);
        end[2] = end[2].clamp(5.0, 20.0);
        let (dx, dy) = (end[0] - pos[0], end[1] - pos[1]);
        let length = (dx * dx + dy * dy).sqrt();
        end[E] += if *flow < 0.0 { *flow } else { flow * length };
        let Some(mv) = Move::new(limits, pos, end, *speed, ()) else { continue };
        pos = mv.end_pos;
        look_ahead.add_move(mv, 1.0);
        if *pause > 0.0 {
            look_ahead.flush(false, &mut planned);
            put(&mut planned, &mut print_time);
            print_time += pause;
        }
    }
    look_ahead.flush(false, &mut planned);
    put(&mut planned, &mut print_time);
    (toolhead, extruder)
}

/// Position and velocity of a list of moves at a time.
fn at(moves: &[TrapMove], start: [f64; 3], time: f64) -> ([f64; 3], [f64; 3], f64) {
    let index = moves.partition_point(|m| m.print_time <= time);
    let Some(m) = index.checked_sub(1).map(|i| &moves[i]) else { return (start, [0.0; 3], 0.0) };
    let mut u = time - m.print_time;
    let (mut d, mut v) = (0.0, 0.0);
    for (duration, v0, a) in
        [(m.accel_t, m.start_v, m.accel), (m.cruise_t, m.cruise_v, 0.0), (m.decel_t, m.cruise_v, -m.accel)]
    {
        let w = u.clamp(0.0, duration.max(0.0));
        d += (v0 + 0.5 * a * w) * w;
        v = if u <= duration { v0 + a * w } else { 0.0 };
        u -= duration.max(0.0);
        if u <= 0.0 {
            break;
        }
    }
    let pos = core::array::from_fn(|i| m.start_pos[i] + m.axes_r[i] * d);
    (pos, m.axes_r.map(|r| r * v), m.axes_r[1])
}

/// All times at which the formula of the position may change.
fn edges(moves: &[TrapMove]) -> Vec<f64> {
    let of = |m: &TrapMove| {
        [0.0, m.accel_t, m.accel_t + m.cruise_t, m.accel_t + m.cruise_t + m.decel_t].map(|t| m.print_time + t)
    };
    moves.iter().flat_map(of).collect()
}

/// Where the motor should be.
enum Truth<'a> {
    Shaped { map: ActuatorMap, moves: &'a [TrapMove], pulses: [Option<&'a Pulses>; 3] },
    Pressed { moves: &'a [TrapMove], edges: Vec<f64>, advance_s: f64, half_s: f64 },
}

impl Truth<'_> {
    fn position(&self, time: f64) -> f64 {
        let start = [START[0], START[1], START[2]];
        match self {
            Self::Shaped { map, moves, pulses } => {
                let pos = core::array::from_fn(|i| match pulses[i] {
                    None => at(moves, start, time).0[i],
                    Some(p) => {
                        let copy = |(a, t): (&f64, &f64)| a * at(moves, start, time - t + p.mean_delay_s()).0[i];
                        p.a.iter().zip(&p.t_s).map(copy).sum()
                    }
                });
                map.position(pos)
            }
            Self::Pressed { moves, edges, advance_s, half_s } => {
                // Two-point Gauss is exact for cubics, which (h − |y|)·f is between edges.
                let mut cuts = vec![-half_s, 0.0, *half_s];
                cuts.extend(edges.iter().map(|e| e - time).filter(|e| e.abs() < *half_s));
                cuts.sort_by(f64::total_cmp);
                let mut sum = 0.0;
                for w in cuts.windows(2) {
                    let (mid, half) = (0.5 * (w[0] + w[1]), 0.5 * (w[1] - w[0]));
                    for y in [mid - half / 3.0_f64.sqrt(), mid + half / 3.0_f64.sqrt()] {
                        let (p, v, advances) = at(moves, [0.0; 3], time + y);
                        sum += half * (half_s - y.abs()) * (p[0] + advance_s * advances * v[0]);
                    }
                }
                sum / (half_s * half_s)
            }
        }
    }
}

/// Checks the laws for one motor. `until`: past the end of all motion.
fn check(
    truth: &Truth,
    mut generator: StepGenerator,
    queue: &TrapQ,
    until: f64,
    batches: &[f64],
) -> Result<(), TestCaseError> {
    let step_mm = generator.step_distance_mm();
    let origin = generator.commanded_pos_mm();
    let mut whole = generator.clone();
    let mut steps: Vec<(bool, u64)> = Vec::new();
    whole.generate(queue, until, &mut steps);
    whole.finish(&mut steps);

    // Called in pieces.
    let mut pieces: Vec<(bool, u64)> = Vec::new();
    let mut time = 0.0;
    for batch in batches.iter().cycle() {
        time += batch;
        generator.generate(queue, time.min(until), &mut pieces);
        if time >= until {
            break;
        }
    }
    generator.finish(&mut pieces);
    same_but_for_brief_excursions(&steps, &pieces)?;

    // Each at its boundary, none missing.
    let mut count = 0_i64;
    let (mut before, mut stride) = (0.0, 0.0);
    for (i, &(up, clock)) in steps.iter().enumerate() {
        let time = clock as f64 * TICK_S;
        check_stay(truth, (origin + count as f64 * step_mm, step_mm), stride, before, time)?;
        let boundary = origin + (count as f64 + if up { 0.5 } else { -0.5 }) * step_mm;
        let (p0, p1) = (truth.position(time - 1.05 * TICK_S), truth.position(time + 1.05 * TICK_S));
        let (low, high) = (p0.min(p1) - 3e-9, p0.max(p1) + 3e-9);
        prop_assert!(
            (low..=high).contains(&boundary),
            "step {} at {}: boundary {} not between {} and {}",
            i,
            time,
            boundary,
            p0,
            p1
        );
        count += if up { 1 } else { -1 };
        (stride, before) = (time - before, time);
    }
    check_stay(truth, (origin + count as f64 * step_mm, step_mm), stride, before, until)?;

    check_compression(&steps)
}

/// The two are never more than a step apart, and end together: where a batch ends the position is looked at once more,
/// so that one may have made a step there and back that the other has not.
fn same_but_for_brief_excursions(a: &[(bool, u64)], b: &[(bool, u64)]) -> Result<(), TestCaseError> {
    let sign = |up: bool| if up { 1 } else { -1 };
    let mut events: Vec<(u64, i64)> = a.iter().map(|&(up, clock)| (clock, sign(up))).collect();
    events.extend(b.iter().map(|&(up, clock)| (clock, -sign(up))));
    events.sort_by_key(|event| event.0);
    let mut apart = 0_i64;
    for (i, &(clock, by)) in events.iter().enumerate() {
        apart += by;
        // A tick of rounding may lie between what is one moment.
        let is_over = events.get(i + 1).is_none_or(|next| next.0 > clock + 1);
        prop_assert!(!is_over || apart.abs() <= 1, "{} steps apart at {}", apart, clock);
    }
    prop_assert_eq!(apart, 0, "they end apart");
    let apart_for_good = a.len().abs_diff(b.len());
    prop_assert!(apart_for_good <= 2 + a.len() / 50, "{} and {} steps", a.len(), b.len());
    Ok(())
}

/// Between two steps the position is within half a step of the count.
/// `stride`: how long before `from` the step before that was.
fn check_stay(
    truth: &Truth,
    (here, step_mm): (f64, f64),
    stride: f64,
    from: f64,
    to: f64,
) -> Result<(), TestCaseError> {
    let outside = |t: f64| (truth.position(t) - here).abs() - 0.5 * step_mm;
    let probes = if to - from > 0.05 { 200 } else { 3 };
    for k in 1..=probes {
        let t = from + (to - from) * f64::from(k) / f64::from(probes + 1);
        let by = outside(t);
        // A tick of motion next to the steps themselves.
        let tick_mm = (truth.position(t + TICK_S) - truth.position(t - TICK_S)).abs();
        if by <= 2e-8 + tick_mm {
            continue;
        }
        // Only a twitch may leave, shorter than 0.75 ms, or an excursion between two looks: it lasts less long than the
        // motor has stood, or than the last two steps were apart.
        // Which side it left on: on its way back it may pass the whole step between two probes.
        let side = (truth.position(t) - here).signum();
        let is_out = |t: f64| side * (truth.position(t) - here) > 0.5 * step_mm + 1e-8;
        let back = |sign: f64, limit: f64| {
            let probe = |i: u32| t + sign * limit * f64::from(i) / 300.0;
            let first = (1..=300).find(|&i| !is_out(probe(i)))?;
            let (mut inside, mut out) = (probe(first), probe(first - 1));
            for _ in 0..20 {
                let mid = 0.5 * (inside + out);
                *(if is_out(mid) { &mut out } else { &mut inside }) = mid;
            }
            Some(inside)
        };
        let (left, returned) = (back(-1.0, t - from), back(1.0, (t - from).max(TWITCH_S).max(stride)));
        let (Some(left), Some(returned)) = (left, returned) else {
            prop_assert!(false, "at {} the motor is {} mm beyond half a step, for long", t, by);
            return Ok(());
        };
        let lasts = returned - left;
        prop_assert!(
            by <= step_mm && (lasts <= TWITCH_S * 1.1 || lasts <= (left - from).max(stride) + 2.0 * TICK_S),
            "{} mm for {} s",
            by,
            lasts
        );
    }
    Ok(())
}

fn check_compression(exact: &[(bool, u64)]) -> Result<(), TestCaseError> {
    let mut compressor = StepCompressor::new(CLOCK_HZ, MAX_ERROR_S);
    for run in exact.chunk_by(|a, b| a.0 == b.0) {
        let clocks: Vec<u64> = run.iter().map(|s| s.1).collect();
        compressor.steps(run[0].0, &clocks);
    }
    compressor.flush(u64::MAX);
    let mut got = Vec::new();
    let mut dir = true;
    for command in compressor.commands() {
        match command {
            StepCommand::SetDir { dir: d } => dir = d,
            StepCommand::QueueStep(q) => got.extend(q.clocks().map(|c| (dir, c))),
        }
    }
    prop_assert_eq!(got.len(), exact.len());
    let mut before = 0;
    for (g, e) in got.iter().zip(exact) {
        let slack = 4200.min(e.1.saturating_sub(before) / 2).max(1);
        prop_assert!(g.0 == e.0 && g.1 <= e.1 && e.1 - g.1 <= slack, "{:?} for {:?}", g, e);
        before = e.1;
    }
    Ok(())
}

fn queue_of(moves: &[TrapMove], start: [f64; 3]) -> TrapQ {
    let mut queue = TrapQ::new(start);
    moves.iter().for_each(|m| queue.append(m));
    queue
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_step_is_where_the_plan_crosses_its_boundary(
        corners in corners(),
        limits in limits(),
        shaper_x in 0..7_usize,
        shaper_y in 0..7_usize,
        freq_hz in 20.0..90.0,
        batches in proptest::collection::vec(0.003..0.4, 1..4),
    ) {
        let (moves, _) = plan(&corners, &limits);
        let start = [START[0], START[1], START[2]];
        let queue = queue_of(&moves, start);
        let pulses = |i: usize| AnyShaper::ALL.get(i).map(|s| s.pulses(freq_hz, 0.1).unwrap());
        let pulses = [pulses(shaper_x), pulses(shaper_y), None];
        for machine in AnyKinematics::examples() {
            for map in machine.actuators() {
                let mut g = StepGenerator::new(map, 0.0125, ClockMap::main(CLOCK_HZ));
                for (axis, pulses) in pulses.iter().enumerate() {
                    g.set_shaper(axis, pulses.clone());
                }
                g.set_position(&queue, 0.0, start);
                let truth = Truth::Shaped { map, moves: &moves, pulses: [pulses[0].as_ref(), pulses[1].as_ref(), None] };
                check(&truth, g, &queue, queue.end_time() + 0.3, &batches)?;
            }
        }
    }

    #[test]
    fn every_extruder_step_is_where_the_smoothed_plan_crosses_its_boundary(
        corners in corners(),
        limits in limits(),
        advance_s in prop_oneof![Just(0.0), 0.0..0.12],
        smooth_time_s in 0.005..0.1,
        batches in proptest::collection::vec(0.003..0.4, 1..4),
    ) {
        let (_, moves) = plan(&corners, &limits);
        let queue = queue_of(&moves, [0.0; 3]);
        let mut g = StepGenerator::new(ActuatorMap::Linear([1.0, 0.0, 0.0]), 0.0025, ClockMap::main(CLOCK_HZ));
        g.set_pressure_advance(0.0, advance_s);
        g.set_smooth_time(smooth_time_s);
        let truth = Truth::Pressed { moves: &moves, edges: edges(&moves), advance_s, half_s: 0.5 * smooth_time_s };
        check(&truth, g, &queue, queue.end_time() + 0.3, &batches)?;
    }
}
