//! A motor at work: pulses in, the driver's smoothed command, the rotor, and what it has lost.

use super::rotor::{Moving, RotorLaw, arc_sine};
use super::{Drive, Motor};

/// The driver takes a motor for standing after 2^20 clocks of its 12 MHz oscillator: no interpolation of the next pulse.
const STANDSTILL_NS: u64 = 87_381_333;
/// Load angle at which a driver's stall output goes on, rad, and the slowest pulses at which it looks.
const STALL_RAD: f64 = 1.3;
const SLOWEST_STALL_NS: u64 = 2_000_000;
/// Below these a free rotor counts as standing.
const STILL_MM_S: f64 = 1e-4;
const STILL_MM: f64 = 1e-7;

/// Pulses in, and the smoothed command that the driver makes of them.
#[derive(Clone, Debug)]
struct Pulses {
    count: i64,
    last_ns: u64,
    interval_ns: u64,
    direction: f64,
    step_mm: f64,
    origin_mm: f64,
}

impl Pulses {
    #[inline]
    fn pulse(&mut self, at_ns: u64, forward: bool) {
        let since = at_ns.saturating_sub(self.last_ns);
        self.interval_ns = if since < STANDSTILL_NS { since } else { 0 };
        self.last_ns = at_ns;
        let d = if forward { 1 } else { -1 };
        self.count += d;
        self.direction = d as f64;
    }

    /// The interpolated command at `at_ns`, mm.
    #[inline]
    fn command_mm(&self, at_ns: u64) -> f64 {
        let since = at_ns.saturating_sub(self.last_ns);
        let whole = self.count as f64;
        let steps = if since >= self.interval_ns {
            whole
        } else {
            whole - self.direction * (1.0 - since as f64 / self.interval_ns as f64)
        };
        self.origin_mm + steps * self.step_mm
    }

    fn is_done(&self, at_ns: u64) -> bool {
        at_ns.saturating_sub(self.last_ns) >= self.interval_ns
    }
}

/// How far a rotor is out of step.
#[derive(Clone, Debug, Default)]
struct Slip {
    /// Electrical periods that it is ahead of its command.
    periods: i64,
    /// It is on its way past them, until it swings about a place again.
    on: bool,
    /// Speed when it was last within a quarter turn of its field, mm/s.
    held_mm_s: f64,
    /// While it is on its way: what it carries rigidly, kg, and the part of its load by that, N.
    carried_kg: f64,
    carried_n: f64,
}

impl Slip {
    /// After a tick far off its place: at half a turn it slips. `before`: lag and speed when the tick began.
    #[inline(never)]
    fn follow(&mut self, law: &RotorLaw, rotor: &mut Moving, before: (f64, f64)) {
        // The load angle is the lag and the part that balances the load.
        let bias_mm = rotor.balance_rad * (law.period_mm / core::f64::consts::TAU);
        let quarter_mm = 0.25 * law.period_mm;
        if (before.0 - bias_mm).abs() < quarter_mm {
            self.held_mm_s = before.1;
        }
        // Where it turns round all energy is in the field: from there on what it carries goes its own way again.
        let turns_round = (before.1 - rotor.rate_mm_s) * (rotor.speed_mm_s - rotor.rate_mm_s) <= 0.0;
        if self.on && (turns_round || rotor.stuck) && (rotor.lag_mm - bias_mm).abs() < quarter_mm {
            *self = Slip { periods: self.periods, ..Slip::default() };
        }
        while (rotor.lag_mm - bias_mm).abs() > 2.0 * quarter_mm {
            let way = if rotor.lag_mm > bias_mm { 1 } else { -1 };
            rotor.lag_mm -= way as f64 * law.period_mm;
            self.periods += way;
            self.on = true;
        }
        rotor.stuck &= !self.on;
    }
}

/// A motor at work.
#[derive(Clone, Debug)]
pub(crate) struct MotorState {
    pulses: Pulses,
    law: Option<RotorLaw>,
    pub(crate) enabled: bool,
    /// Held fast by a fault.
    pub(crate) stalled: bool,
    /// Nothing happens until the next pulse or push.
    pub(crate) resting: bool,
    /// Command at the last tick, ripple included, mm.
    command_mm: f64,
    /// The same without ripple, mm, and its speed in the last tick.
    asked_mm: f64,
    asked_mm_s: f64,
    /// Position at the last tick, mm.
    pub(crate) at_mm: f64,
    speed_mm_s: f64,
    slip: Slip,
    /// Where the carriage is on the belt, against the rotor, mm: jumped teeth.
    pub(crate) belt_mm: f64,
    /// Load of the frame or of the filament, N, and the load angle that balances it, rad.
    pub(super) load_n: f64,
    balance_rad: f64,
    /// Hard contact, N.
    pub(crate) push_n: f64,
}

impl MotorState {
    pub(crate) fn new(motor: &Motor, origin_mm: f64, tick_s: f64) -> MotorState {
        let law = match &motor.model {
            Drive::Ideal => None,
            Drive::Rotor(rotor) => Some(RotorLaw::new(motor, rotor, tick_s)),
        };
        MotorState {
            pulses: Pulses {
                count: 0,
                last_ns: 0,
                interval_ns: 0,
                direction: 1.0,
                step_mm: motor.step_mm(),
                origin_mm,
            },
            law,
            enabled: false,
            stalled: false,
            resting: true,
            command_mm: origin_mm,
            asked_mm: origin_mm,
            asked_mm_s: 0.0,
            at_mm: origin_mm,
            speed_mm_s: 0.0,
            belt_mm: 0.0,
            load_n: 0.0,
            balance_rad: 0.0,
            push_n: 0.0,
            slip: Slip::default(),
        }
    }

    /// Tells the load that frame or filament puts on the motor, N.
    #[inline]
    pub(crate) fn set_load(&mut self, load_n: f64) {
        if let Some(law) = &self.law {
            self.load_n = load_n;
            let speed_mm_s = self.asked_mm_s.abs();
            let part =
                if speed_mm_s <= law.flat_mm_s { load_n * law.per_force } else { load_n / law.pull_out_at(speed_mm_s) };
            self.balance_rad = arc_sine(part);
        }
    }

    /// Tells a motor that slips what it carries rigidly, kg, and the part of its load by that, N.
    pub(crate) fn carry(&mut self, carried_kg: f64, carried_n: f64) {
        let Some(law) = &self.law else { return };
        if self.slip.carried_kg == 0.0 && carried_kg > 0.0 && !self.stalled {
            // The rotor left alone; from here on both go with one speed.
            let sum_kg = law.inertia_kg + carried_kg;
            self.speed_mm_s = (law.inertia_kg * self.speed_mm_s + carried_kg * self.slip.held_mm_s) / sum_kg;
        }
        (self.slip.carried_kg, self.slip.carried_n) = (carried_kg, carried_n);
    }

    /// Whether it is pulled out of step.
    pub(crate) fn slips(&self) -> bool {
        self.slip.on
    }

    /// One step pulse.
    #[inline]
    pub(crate) fn pulse(&mut self, at_ns: u64, forward: bool) {
        self.pulses.pulse(at_ns, forward);
        self.resting = false;
    }

    /// Position of the rail, mm: rotor and belt.
    #[inline]
    pub(crate) fn rail_mm(&self) -> f64 {
        self.at_mm + self.belt_mm
    }

    /// Where the pulses say that it is, mm.
    pub(crate) fn commanded_mm(&self) -> f64 {
        self.pulses.origin_mm + self.pulses.count as f64 * self.pulses.step_mm
    }

    /// Where its driver's interpolation asked it to be at the last tick, mm.
    pub(crate) fn asked_mm(&self) -> f64 {
        self.asked_mm
    }

    /// Where the rotor is, mm, and how fast it goes, mm/s.
    #[cfg(test)]
    pub(super) fn truly(&self) -> (f64, f64) {
        (self.at_mm, self.speed_mm_s)
    }

    pub(crate) fn lost_full_steps(&self) -> i64 {
        4 * self.slip.periods
    }

    /// Electrical angle between command and rotor with the share that balances the load, rad.
    pub(crate) fn load_angle_rad(&self) -> f64 {
        let Some(law) = &self.law else { return 0.0 };
        if !self.enabled {
            return 0.0;
        }
        let lag_mm = self.command_mm - self.at_mm + self.slip.periods as f64 * law.period_mm;
        core::f64::consts::TAU * law.turns_mm * lag_mm + self.balance_rad
    }

    /// Whether the driver sees its motor stall at `at_ns`: pulses come, and the rotor is most of a quarter turn of its field
    /// behind. A real one measures that by the back-EMF; its scale, and how that depends on speed, are left out.
    pub(crate) fn stalls(&self, at_ns: u64) -> bool {
        let since_ns = at_ns.saturating_sub(self.pulses.last_ns);
        let turns = self.pulses.interval_ns > 0 && self.pulses.interval_ns.max(since_ns) < SLOWEST_STALL_NS;
        turns && self.load_angle_rad().abs() > STALL_RAD
    }

    pub(crate) fn enable(&mut self, on: bool) {
        if on
            && !self.enabled
            && let Some(law) = &self.law
        {
            // The rotor snaps to the nearest of the places where its field can hold it.
            let periods = libm::round((self.at_mm - self.command_mm) / law.period_mm) as i64;
            self.slip = Slip { periods, ..Slip::default() };
        }
        self.enabled = on;
        self.resting = false;
    }

    /// One tick, which ends at `end_ns` and lasts `tick_s`.
    #[inline]
    pub(crate) fn tick(&mut self, end_ns: u64, tick_s: f64) {
        let mut command_mm = self.pulses.command_mm(end_ns);
        let asked_mm = core::mem::replace(&mut self.asked_mm, command_mm);
        let Some(law) = &self.law else {
            if self.enabled && !self.stalled {
                self.speed_mm_s = (command_mm - self.command_mm) / tick_s;
                self.at_mm += command_mm - self.command_mm;
            }
            self.resting = self.pulses.is_done(end_ns);
            self.command_mm = command_mm;
            return;
        };
        self.asked_mm_s = (command_mm - asked_mm) * law.per_tick_s;
        command_mm += law.ripple_at(command_mm);
        let before_mm = self.command_mm;
        self.command_mm = command_mm;
        let rate_mm_s = (command_mm - before_mm) * law.per_tick_s;
        let mut rotor = Moving {
            lag_mm: self.at_mm - before_mm - self.slip.periods as f64 * law.period_mm,
            speed_mm_s: self.speed_mm_s,
            rate_mm_s,
            asked_mm_s: self.asked_mm_s,
            load_n: self.load_n,
            balance_rad: self.balance_rad,
            push_n: self.push_n,
            carried_kg: self.slip.carried_kg,
            carried_n: self.slip.carried_n,
            stuck: false,
        };
        let before = (rotor.lag_mm, rotor.speed_mm_s);
        let mut near = false;
        if self.stalled {
            rotor.lag_mm -= rate_mm_s * tick_s;
            rotor.speed_mm_s = 0.0;
            rotor.stuck = true;
        } else if !self.enabled {
            rotor.coast(law);
        } else {
            near = rotor.follow(law);
        }
        if self.enabled && !near {
            self.slip.follow(law, &mut rotor, before);
        }
        self.speed_mm_s = rotor.speed_mm_s;
        self.at_mm = command_mm + self.slip.periods as f64 * law.period_mm + rotor.lag_mm;
        let still = rotor.stuck || (rotor.speed_mm_s.abs() < STILL_MM_S && rotor.lag_mm.abs() < STILL_MM);
        // Near its place it stays there whatever the load does; far off, it may be the load that holds it.
        let near = rotor.lag_mm.abs() * law.turns_mm + self.balance_rad.abs() * (1.0 / core::f64::consts::TAU) < 0.2;
        if still && (near || !self.enabled) && rate_mm_s == 0.0 && self.push_n == 0.0 && self.pulses.is_done(end_ns) {
            self.resting = true;
            self.speed_mm_s = 0.0;
        }
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        f(self.pulses.count as u64);
        f(self.pulses.last_ns);
        f(self.pulses.interval_ns);
        f(self.slip.periods as u64);
        let flags = [self.enabled, self.stalled, self.resting, self.slip.on];
        f(flags.iter().rev().fold(0, |bits, flag| bits << 1 | u64::from(*flag)));
        for x in [
            self.pulses.direction,
            self.command_mm,
            self.asked_mm,
            self.asked_mm_s,
            self.at_mm,
            self.speed_mm_s,
            self.belt_mm,
            self.load_n,
            self.push_n,
            self.slip.carried_kg,
            self.slip.carried_n,
            self.slip.held_mm_s,
        ] {
            f(x.to_bits());
        }
    }
}
