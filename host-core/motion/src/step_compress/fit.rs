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

/// `latest`: when each step may happen at the latest, as ticks after some base; `slack`: how much earlier it may be; `origin`: the last step, on the same base
/// (modulo 2^32). At least one step; the first lies less than 2^30 ticks after the last.
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
            n = held + (n - held.min(n)) / 3;
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
    let add = libm::rint(2.0 * (m2 / x2 - m1 / x1) / (x2 - x1));
    if !(-32_768.0..=32_767.0).contains(&add) {
        return None;
    }
    // With add rounded the two nodes disagree on the interval; the far one has more to say.
    let start = |m: f64, x: f64| m - 0.5 * add * x * (x - 1.0);
    let interval = libm::rint((start(m1, x1) + start(m2, x2)) / (x1 + x2));
    (1.0..2_147_483_648.0).contains(&interval).then_some((interval as u32, add as i16))
}

/// How many of the steps are neither late nor too early.
fn holds_for(latest: &[u32], slack: &[u32], origin: u32, interval: u32, add: i16) -> usize {
    let (mut clock, mut interval, add) = (origin, interval, i32::from(add) as u32);
    for (i, (&t, &e)) in latest.iter().zip(slack).enumerate() {
        clock = clock.wrapping_add(interval);
        interval = interval.wrapping_add(add);
        // A late step wraps to a huge number.
        if t.wrapping_sub(clock) > e {
            return i;
        }
    }
    latest.len()
}
