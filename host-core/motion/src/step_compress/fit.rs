//! The search for one command: (interval, count, add) that reaches far.
//!
//! A parabola through the last step is laid through the middles of the allowed windows at two of the next n steps,
//! 0.464·n and 0.928·n: for the cubic remainder of a smooth train those nodes spread the error evenly (they are the
//! roots of the Chebyshev polynomial that also vanishes at 0). Then every step is checked; whatever prefix holds is a
//! valid command. n grows while the parabola reaches it and shrinks when it does not. Trains need not be smooth for
//! the result to be right, only for it to be long.

/// Candidates tried for one command.
const MAX_TRIES: usize = 6;
const MAX_COUNT: usize = 65_535;

#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    pub interval: u32,
    pub count: u16,
    pub add: i16,
}

impl Fit {
    /// add·n(n − 1)/2, modulo 2^32.
    pub fn add_ticks(&self) -> u32 {
        let n = i64::from(self.count);
        (i64::from(self.add) * (n * (n - 1) / 2)) as u32
    }
}

/// `latest`: when each step may happen at the latest, as ticks after some base; `slack`: how much earlier it may be;
/// `origin`: the last step, on the same base; all modulo 2^32. At least one step, less than 2^30 ticks after the last.
pub(super) fn fit(latest: &[u32], slack: &[u32], origin: u32, likely_count: usize) -> Fit {
    let available = latest.len().min(slack.len()).min(MAX_COUNT);
    let (latest, slack) = (&latest[..available], &slack[..available]);
    // The first step alone is always possible.
    let mut best = Fit { interval: latest[0].wrapping_sub(origin), count: 1, add: 0 };
    let mut reach = 1;
    let mut n = (likely_count + likely_count / 2 + 1).clamp(2, available.max(2));
    if available == 1 {
        return best;
    }
    for _ in 0..MAX_TRIES {
        let Some((interval, add)) = parabola(latest, slack, origin, n) else {
            n = (reach + n) / 2;
            if n <= reach {
                break;
            }
            continue;
        };
        let got = holds_for(latest, slack, origin, interval, add);
        let gained = got > reach;
        if gained {
            best = Fit { interval, count: got as u16, add };
        }
        if got >= n {
            // It held: reach further, unless the gain gets small or nothing is left.
            if got >= available || (gained && got - reach < got / 16) {
                break;
            }
            n = (got + got / 3 + 1).min(available);
        } else {
            let held = reach.max(got);
            n = held + (n - held.min(n)) / 2;
        }
        reach = reach.max(got);
        if n <= reach {
            break;
        }
    }
    best
}

/// Interval and add through the windows' middles at two nodes of n ≥ 2 steps; `None` if the MCU could not run it.
fn parabola(latest: &[u32], slack: &[u32], origin: u32, n: usize) -> Option<(u32, i16)> {
    let k2 = ((n * 950) >> 10).max(2);
    let k1 = ((n * 475) >> 10).clamp(1, k2 - 1);
    let middle = |k: usize| {
        let late = f64::from(latest[k - 1].wrapping_sub(origin));
        late - 0.5 * f64::from(slack[k - 1])
    };
    let (x1, x2) = (k1 as f64, k2 as f64);
    let (m1, m2) = (middle(k1), middle(k2));
    let add = round(2.0 * (m2 / x2 - m1 / x1) / (x2 - x1));
    if !(-32_768.0..=32_767.0).contains(&add) {
        return None;
    }
    // With add rounded the two nodes disagree on the interval; the far one has more to say.
    let start = |m: f64, x: f64| m - 0.5 * add * x * (x - 1.0);
    let interval = round((start(m1, x1) + start(m2, x2)) / (x1 + x2));
    (1.0..2_147_483_648.0).contains(&interval).then_some((interval as u32, add as i16))
}

/// To the nearest integer, for |x| < 2^51; inlines to two additions.
fn round(x: f64) -> f64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (x + SHIFT) - SHIFT
}

/// Steps checked at a time.
const LANES: usize = 8;

/// How many of the steps are neither late nor too early.
fn holds_for(latest: &[u32], slack: &[u32], origin: u32, interval: u32, add: i16) -> usize {
    let add = i32::from(add) as u32;
    // Step k (from 1) is at origin + k·interval + add·k(k − 1)/2; modulo 2^32 throughout.
    let clock_of = |k: u32| {
        origin.wrapping_add(k.wrapping_mul(interval)).wrapping_add(add.wrapping_mul(k.wrapping_mul(k - 1) / 2))
    };
    let mut clocks: [u32; LANES] = core::array::from_fn(|i| clock_of(i as u32 + 1));
    let mut strides: [u32; LANES] = core::array::from_fn(|i| clock_of((i + 1 + LANES) as u32).wrapping_sub(clocks[i]));
    let stride_add = add.wrapping_mul((LANES * LANES) as u32);
    let mut held = 0;
    for (t, e) in latest.as_chunks::<LANES>().0.iter().zip(slack.as_chunks::<LANES>().0) {
        if !block_holds(t, e, &clocks) {
            break;
        }
        for i in 0..LANES {
            clocks[i] = clocks[i].wrapping_add(strides[i]);
        }
        for stride in &mut strides {
            *stride = stride.wrapping_add(stride_add);
        }
        held += LANES;
    }
    // The rest one by one: the tail, or the block in which a step fails. Not from `clocks`, which would tie the lanes.
    let next = held as u32 + 1;
    let (mut clock, mut step) = (clock_of(next), interval.wrapping_add(add.wrapping_mul(next)));
    for (&t, &e) in latest[held..].iter().zip(&slack[held..]) {
        if t.wrapping_sub(clock) > e {
            break;
        }
        clock = clock.wrapping_add(step);
        step = step.wrapping_add(add);
        held += 1;
    }
    held
}

/// Are all steps of a block neither late nor earlier than their slack? Either shows as a sign bit.
#[inline(always)]
fn block_holds(latest: &[u32; LANES], slack: &[u32; LANES], clocks: &[u32; LANES]) -> bool {
    let mut early = [0_i32; LANES];
    for i in 0..LANES {
        early[i] = latest[i].wrapping_sub(clocks[i]) as i32;
    }
    let mut bad = [0_i32; LANES];
    for i in 0..LANES {
        bad[i] = early[i] | (slack[i] as i32).wrapping_sub(early[i]);
    }
    let mut all = [0_i32; LANES / 2];
    for i in 0..LANES / 2 {
        all[i] = bad[i] | bad[i + LANES / 2];
    }
    (all[0] | all[1] | all[2] | all[3]) >= 0
}
