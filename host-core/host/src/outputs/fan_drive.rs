//! What a fan's speed means for its pin: scale, dead zone and kick start.

use super::pin_queue::{Change, PinQueue};

/// Changes of a fan's pin are at least this far apart.
pub const GAP_S: f64 = 0.100;
/// A jump of the speed larger than this needs a kick.
const KICK_JUMP: f64 = 0.5;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FanLimits {
    pub max_power: f64,
    pub off_below: f64,
    pub kick_start_s: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FanDrive {
    limits: FanLimits,
    /// As asked for, 0 to 1, after the dead zone.
    speed: f64,
    duty: f64,
    pub queue: PinQueue,
}

impl FanDrive {
    pub fn new(limits: FanLimits) -> FanDrive {
        FanDrive { limits, speed: 0.0, duty: 0.0, queue: PinQueue::new(GAP_S, 0.0) }
    }

    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Asks for a speed from a print time on.
    pub fn set_speed(&mut self, time_s: f64, speed: f64, mut send: impl FnMut(Change)) {
        let FanLimits { max_power, off_below, kick_start_s } = self.limits;
        let speed = if speed.is_nan() || speed < off_below { 0.0 } else { speed.clamp(0.0, 1.0) };
        let duty = speed * max_power;
        let before = std::mem::replace(&mut self.duty, duty);
        self.speed = speed;
        if duty == before {
            return;
        }
        let kick = duty > 0.0 && duty < max_power && kick_start_s > 0.0 && (before == 0.0 || duty - before > KICK_JUMP);
        if kick {
            self.queue.push(Change { time_s, value: max_power }, &mut send);
            // The kick itself may have had to wait for its turn.
            let from_s = self.queue.waiting().map_or(time_s, |w| w.time_s);
            self.queue.release(&mut send);
            self.queue.push(Change { time_s: from_s + kick_start_s, value: duty }, &mut send);
        } else {
            self.queue.push(Change { time_s, value: duty }, &mut send);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(change: Change) -> (f64, f64) {
        ((change.time_s * 1e6).round() / 1e6, (change.value * 1e6).round() / 1e6)
    }

    fn run(limits: FanLimits, speeds: &[(f64, f64)]) -> (Vec<(f64, f64)>, FanDrive) {
        let mut drive = FanDrive::new(limits);
        let mut sent = Vec::new();
        for (time_s, speed) in speeds {
            drive.set_speed(*time_s, *speed, |c| sent.push(round(c)));
        }
        drive.queue.release(|c| sent.push(round(c)));
        (sent, drive)
    }

    const PLAIN: FanLimits = FanLimits { max_power: 1.0, off_below: 0.0, kick_start_s: 0.1 };

    #[test]
    fn a_fan_that_starts_or_jumps_gets_full_power_first() {
        assert_eq!(run(PLAIN, &[(1.0, 0.3)]).0, [(1.0, 1.0), (1.1, 0.3)]);
        assert_eq!(run(PLAIN, &[(1.0, 1.0)]).0, [(1.0, 1.0)]);
        assert_eq!(
            run(PLAIN, &[(1.0, 0.3), (5.0, 0.7), (6.0, 0.0)]).0,
            [(1.0, 1.0), (1.1, 0.3), (5.0, 0.7), (6.0, 0.0)]
        );
        assert_eq!(run(PLAIN, &[(1.0, 0.2), (5.0, 0.8)]).0, [(1.0, 1.0), (1.1, 0.2), (5.0, 1.0), (5.1, 0.8)]);
        let no_kick = FanLimits { kick_start_s: 0.0, ..PLAIN };
        assert_eq!(run(no_kick, &[(1.0, 0.3)]).0, [(1.0, 0.3)]);
    }

    #[test]
    fn scale_and_dead_zone_apply_and_the_shown_speed_is_the_asked_one() {
        let limits = FanLimits { max_power: 0.5, off_below: 0.2, kick_start_s: 0.0 };
        let (sent, drive) = run(limits, &[(1.0, 0.6), (2.0, 0.1), (3.0, 2.0), (4.0, f64::NAN)]);
        assert_eq!(sent, [(1.0, 0.3), (2.0, 0.0), (3.0, 0.5), (4.0, 0.0)]);
        assert_eq!(drive.speed(), 0.0);
    }

    #[test]
    fn a_change_during_the_kick_waits_for_its_end() {
        assert_eq!(run(PLAIN, &[(1.0, 0.3), (1.02, 0.4), (1.04, 0.0)]).0, [(1.0, 1.0), (1.1, 0.3), (1.2, 0.0)]);
    }
}
