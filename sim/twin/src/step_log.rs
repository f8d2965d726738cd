//! Step edges back into runs of interval, count and add, for the recording.
//!
//! The edges are what the drivers saw, not what the host asked for. A run goes on while the interval grows by the same
//! amount; since that is how the firmware makes them, there are about as many runs as there were `queue_step` commands.

use drydock_recording::StepSegment;

/// Runs of all motors. [`StepLog::take`] gives what ended and what is open, in the order of time.
#[derive(Debug, Default)]
pub struct StepLog {
    motors: Vec<Option<Run>>,
    ticks_per_ns: Vec<f64>,
    ended: Vec<StepSegment>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    first_ns: u64,
    forward: bool,
    count: u16,
    /// From the first step to the last, and from the last but one to the last, ticks.
    last: i64,
    gap: i64,
    add: i64,
}

impl StepLog {
    /// A log for motors whose micro-controllers count at these rates, Hz.
    pub fn new(clock_hz: &[f64]) -> StepLog {
        StepLog {
            motors: vec![None; clock_hz.len()],
            ticks_per_ns: clock_hz.iter().map(|hz| hz * 1e-9).collect(),
            ended: Vec::new(),
        }
    }

    /// One step; nothing for a motor that the log was not made for.
    #[inline]
    pub fn step(&mut self, motor: usize, at_ns: u64, forward: bool) {
        let Some(open) = self.motors.get_mut(motor) else { return };
        if let Some(run) = open
            && run.forward == forward
            && run.extend(at_ns, self.ticks_per_ns[motor])
        {
            return;
        }
        let fresh = Run { first_ns: at_ns, forward, count: 1, last: 0, gap: 0, add: 0 };
        if let Some(run) = open.replace(fresh) {
            self.ended.push(run.segment(motor));
        }
    }

    /// Hands over everything so far, open runs included.
    pub fn take(&mut self) -> impl Iterator<Item = StepSegment> + '_ {
        for (motor, open) in self.motors.iter_mut().enumerate() {
            self.ended.extend(open.take().map(|run| run.segment(motor)));
        }
        self.ended.sort_by_key(|s| (s.at_ns, s.stepper));
        self.ended.drain(..)
    }
}

impl Run {
    /// Whether a step at `at_ns` goes on with this run; then it is part of it.
    #[inline]
    fn extend(&mut self, at_ns: u64, ticks_per_ns: f64) -> bool {
        let at = libm::round((at_ns - self.first_ns) as f64 * ticks_per_ns) as i64;
        let gap = at - self.last;
        let add = match self.count {
            1 => 0,
            2 => gap - self.gap,
            u16::MAX => return false,
            _ if gap == self.gap + self.add => self.add,
            _ => return false,
        };
        if gap > i64::from(u32::MAX) || i16::try_from(add).is_err() || self.gap - add < 0 && self.count > 1 {
            return false;
        }
        *self = Run { count: self.count + 1, last: at, gap, add, ..*self };
        true
    }

    fn segment(&self, motor: usize) -> StepSegment {
        // The interval before the first step, from which the first gap is one `add` away.
        let interval = self.gap - self.add * i64::from(self.count.saturating_sub(1));
        StepSegment {
            at_ns: self.first_ns,
            stepper: motor as u8,
            interval_ticks: interval.max(0) as u32,
            count: self.count,
            add_ticks: self.add as i16,
            forward: self.forward,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: f64 = 168e6;

    /// Step times of commands as the firmware makes them, ns.
    fn edges(commands: &[(i64, u32, i64)]) -> Vec<u64> {
        let mut tick = 1_000_000_i64;
        let mut out = Vec::new();
        for (interval, count, add) in commands {
            let mut interval = *interval;
            for _ in 0..*count {
                tick += interval;
                interval += add;
                out.push((tick as f64 * 1e9 / HZ).ceil() as u64);
            }
        }
        out
    }

    #[test]
    fn every_edge_comes_back_at_its_time_and_in_few_runs() {
        let commands = [(30_000, 200, -90), (12_000, 5_000, 0), (12_000, 180, 120), (900_000, 1, 0), (40_000, 2, 7)];
        let edges = edges(&commands);
        let mut log = StepLog::new(&[HZ]);
        edges.iter().for_each(|at| log.step(0, *at, true));
        let runs: Vec<StepSegment> = log.take().collect();
        let back: Vec<u64> = runs.iter().flat_map(|r| (0..r.count).map(|k| r.step_ns(k, HZ))).collect();
        assert_eq!(back.len(), edges.len());
        let worst = back.iter().zip(&edges).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(2), "{worst:?} ns");
        assert!(runs.len() <= 2 * commands.len(), "{} runs", runs.len());
    }

    #[test]
    fn a_turn_and_a_look_end_a_run_and_motors_are_told_apart() {
        let mut log = StepLog::new(&[HZ, HZ]);
        for (k, forward) in [true, true, false].into_iter().enumerate() {
            log.step(0, 1_000_000 * (k as u64 + 1), forward);
        }
        log.step(1, 1_500_000, true);
        log.step(7, 1_600_000, true);
        let runs: Vec<(u8, u16, bool)> = log.take().map(|r| (r.stepper, r.count, r.forward)).collect();
        assert_eq!(runs, [(0, 2, true), (1, 1, true), (0, 1, false)]);
        assert_eq!(log.take().count(), 0);
    }
}
