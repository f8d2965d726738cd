//! PID_CALIBRATE's relay test: full power up to the target, none down to 5 K below, and the gains from the oscillation.
//!
//! # Equation
//! a = |T_i - T_(i-1)| / 2;  Tu = t_i - t_(i-2);  Ku = 4 u_max / (π a)
//! Kp = 0.6 Ku, Ti = Tu / 2, Td = Tu / 8, Ki = Kp / Ti, Kd = Kp Td  (Ziegler-Nichols)
//!
//! # Symbols
//! T_i, t_i temperature \[°C\] and time \[s\] of extreme i · a amplitude \[K\] · Ku ultimate gain \[1/K\] · Tu
//! ultimate period \[s\] · u_max power while on
//!
//! # Source
//! Åström & Hägglund, Automatica 20 (1984) 645, relay feedback; Ziegler & Nichols, Trans. ASME 64 (1942) 759;
//! band, peak count and choice of cycle as Klipper documents them (facts/klipper.md 6.1)
//!
//! # Valid for
//! a heater that overshoots; the describing function takes the oscillation for a sine
//!
//! # Checked by
//! `tests::the_single_node_plant_gives_the_peers_gains` (within 2 % of Kp 59.4, Ki 16.5, Kd 53.5)

use super::law::{ControlLaw, Reading};
use super::pid::{Gains, PID_PARAM_BASE};

/// The relay switches on again this far below the target.
pub const BAND_K: f64 = 5.0;
const PEAKS_WANTED: usize = 12;
/// Peaks before this one still remember the heat-up.
const PEAKS_IGNORED: usize = 4;

/// An extreme of the oscillation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    pub celsius: f64,
    pub time_s: f64,
}

/// What one cycle says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cycle {
    pub swing_k: f64,
    pub ku: f64,
    pub tu_s: f64,
    pub gains: Gains,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Autotune {
    max_power: f64,
    target_celsius: f64,
    /// When a power takes effect after its reading.
    pwm_delay_s: f64,
    heating: bool,
    extreme: Option<Peak>,
    peaks: Vec<Peak>,
    last_power: f64,
    /// (time, power) of every change, and (time, temperature) of every reading: for WRITE_FILE.
    power_log: Vec<(f64, f64)>,
    celsius_log: Vec<(f64, f64)>,
    /// Lines for the log, until somebody takes them.
    messages: Vec<String>,
}

impl Autotune {
    pub fn new(target_celsius: f64, max_power: f64, pwm_delay_s: f64) -> Autotune {
        Autotune {
            max_power,
            target_celsius,
            pwm_delay_s,
            heating: false,
            extreme: None,
            peaks: Vec::new(),
            last_power: 0.0,
            power_log: Vec::new(),
            celsius_log: Vec::new(),
            messages: Vec::new(),
        }
    }

    pub fn is_done(&self) -> bool {
        !self.heating && self.peaks.len() >= PEAKS_WANTED
    }

    pub fn take_messages(&mut self) -> Vec<String> {
        std::mem::take(&mut self.messages)
    }

    /// The first heat-up starts from wherever the heater is.
    fn switch_on_celsius(&self) -> f64 {
        if self.peaks.is_empty() { self.target_celsius } else { self.target_celsius - BAND_K }
    }

    fn follow_extreme(&mut self, celsius: f64, time_s: f64) {
        let beyond = match self.extreme {
            None => true,
            Some(peak) if self.heating => celsius < peak.celsius,
            Some(peak) => celsius > peak.celsius,
        };
        if beyond {
            self.extreme = Some(Peak { celsius, time_s });
        }
    }

    /// Half a cycle is over: its extreme is a peak.
    fn close_half_cycle(&mut self) {
        self.peaks.extend(self.extreme.take());
        if self.peaks.len() >= 4
            && let Some(cycle) = self.cycle(self.peaks.len() - 1)
        {
            let Cycle { swing_k, ku, tu_s, gains: Gains { kp, ki, kd } } = cycle;
            self.messages.push(format!(
                "Autotune: raw={swing_k:.6}/{:.6} Ku={ku:.6} Tu={tu_s:.6}  Kp={kp:.6} Ki={ki:.6} Kd={kd:.6}",
                self.max_power
            ));
        }
    }

    /// The cycle that ends with peak `i`; `None` if the temperature stood still.
    fn cycle(&self, i: usize) -> Option<Cycle> {
        let swing_k = self.peaks[i].celsius - self.peaks[i - 1].celsius;
        let tu_s = self.peaks[i].time_s - self.peaks[i - 2].time_s;
        let amplitude_k = 0.5 * swing_k.abs();
        if amplitude_k <= 0.0 || tu_s <= 0.0 {
            return None;
        }
        let ku = 4.0 * self.max_power / (std::f64::consts::PI * amplitude_k);
        let (ti_s, td_s) = (0.5 * tu_s, 0.125 * tu_s);
        let kp = 0.6 * ku * PID_PARAM_BASE;
        Some(Cycle { swing_k, ku, tu_s, gains: Gains { kp, ki: kp / ti_s, kd: kp * td_s } })
    }

    /// Gains of the cycle of median length; `None` if there are too few peaks.
    pub fn result(&self) -> Option<Cycle> {
        let mut lengths: Vec<(f64, usize)> =
            (PEAKS_IGNORED..self.peaks.len()).map(|i| (self.peaks[i].time_s - self.peaks[i - 2].time_s, i)).collect();
        lengths.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (_, i) = lengths.get(lengths.len() / 2)?;
        self.cycle(*i)
    }

    /// The content of PID_CALIBRATE's WRITE_FILE.
    pub fn write_file(&self) -> String {
        let power = self.power_log.iter().map(|(time, power)| format!("pwm: {time:.3} {power:.3}"));
        let celsius = self.celsius_log.iter().map(|(time, celsius)| format!("{time:.3} {celsius:.3}"));
        power.chain(celsius).map(|line| line + "\n").collect()
    }
}

impl ControlLaw for Autotune {
    fn power(&mut self, reading: Reading) -> f64 {
        let Reading { time_s, celsius, .. } = reading;
        self.celsius_log.push((time_s, celsius));
        // Before the first heat-up there is a half cycle too: a cold start is its peak.
        self.extreme = self.extreme.or(Some(Peak { celsius, time_s }));
        if self.heating && celsius >= self.target_celsius {
            self.close_half_cycle();
            self.heating = false;
        } else if !self.heating && celsius <= self.switch_on_celsius() {
            self.close_half_cycle();
            self.heating = true;
        }
        self.follow_extreme(celsius, time_s);
        let power = if self.heating { self.max_power } else { 0.0 };
        if power != self.last_power {
            self.power_log.push((time_s + self.pwm_delay_s, power));
            self.last_power = power;
        }
        power
    }

    fn is_busy(&self, _smoothed_celsius: f64, _target_celsius: f64) -> bool {
        !self.is_done()
    }

    fn shown_target(&self) -> Option<f64> {
        Some(if self.heating { self.target_celsius } else { self.switch_on_celsius() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thermal::plant::{Loop, Plant};
    use crate::thermal::thermistor::{Curve, NAMED, Points};

    /// C = 8 J/K, R = 7 K/W, P = 40 W, target 200 °C, 300 ms reports. The peer's PID_CALIBRATE took 100.1 s, saw 7.2 s and
    /// 6.55 K, and gave 59.432, 16.509, 53.489. Its plant had a thermistor of beta 3950 K (R = R25 exp(B (1/T - 1/T25)))
    /// while its host read it as "Generic 3950", whose table is 14.5 K lower and 15 % flatter at 200 °C: no other pairing
    /// of sensors gives its period and its swing at once.
    #[test]
    fn the_single_node_plant_gives_the_peers_gains() {
        let tuner = std::rc::Rc::new(std::cell::RefCell::new(Autotune::new(200.0, 1.0, 0.3)));
        let mut closed = Loop::new(Plant::new(8.0, 7.0, 40.0), Box::new(tuner.clone()));
        let truth = Curve::new(Points::Beta { celsius: 25.0, ohm: 1e5, beta_k: 3950.0 }).unwrap();
        let read = Curve::new(NAMED.iter().find(|(name, _)| *name == "Generic 3950").unwrap().1).unwrap();
        closed.sensor = Box::new(move |celsius| read.celsius(truth.ohm(celsius)));
        closed.core.set_target(200.0).unwrap();
        while closed.core.is_busy() {
            closed.report();
            assert!(closed.time_s < 300.0, "never done");
        }
        let Cycle { tu_s, swing_k, gains, .. } = tuner.borrow().result().unwrap();
        assert!(
            (closed.time_s - 100.1).abs() < 2.0 && (tu_s - 7.2).abs() < 0.31,
            "{:.1} s, Tu {tu_s:.2} s",
            closed.time_s
        );
        assert!((swing_k.abs() - 6.55).abs() < 0.3, "swing {swing_k:.2} K");
        for (got, peer) in [(gains.kp, 59.432), (gains.ki, 16.509), (gains.kd, 53.489)] {
            assert!((got / peer - 1.0).abs() < 0.02, "{got} against {peer}");
        }
        assert!(tuner.borrow().write_file().starts_with("pwm: 0.600 1.000\n"));
        let messages = tuner.borrow_mut().take_messages();
        assert!(messages[0].starts_with("Autotune: raw="), "{messages:?}");
        assert!(messages.len() >= 9);
    }

    #[test]
    fn the_shown_target_drops_by_the_band_while_it_cools() {
        let mut law = Autotune::new(100.0, 1.0, 0.3);
        let mut at = |time_s, celsius| {
            let power = law.power(Reading { time_s, celsius, target_celsius: 100.0 });
            (power, law.shown_target())
        };
        assert_eq!(at(0.3, 110.0), (0.0, Some(100.0)));
        assert_eq!(at(0.6, 99.0), (1.0, Some(100.0)));
        assert_eq!(at(0.9, 100.0), (0.0, Some(95.0)));
        assert_eq!(at(1.2, 96.0), (0.0, Some(95.0)));
        assert_eq!(at(1.5, 95.0), (1.0, Some(100.0)));
    }

    #[test]
    fn a_temperature_that_stands_still_gives_no_gains() {
        let mut law = Autotune::new(100.0, 1.0, 0.3);
        for i in 0..100 {
            law.power(Reading { time_s: f64::from(i), celsius: 100.0, target_celsius: 100.0 });
        }
        assert!(law.result().is_none());
    }
}
