//! Input shapers: a move is replaced by a few scaled and delayed copies of itself, so that the vibration each copy
//! excites cancels that of the others.
//!
//! # Equation
//!   shaped(t) = Σ A_i · x(t − T_i + t_s),  t_s = Σ A_i T_i, so that constant speed passes unchanged and undelayed
//! # Symbols
//!   A_i [1] amplitude, ΣA = 1 · T_i [s] delay · f [Hz] frequency to cancel · ζ [1] its damping ratio ·
//!   t_d = 1/(f·√(1 − ζ²)) [s] its damped period
//! # Checked by
//!   tests below, over every shaper in the list: gain 1, ordered times, finite length, residual vibration at the
//!   design frequency (exact shapers < 2e-16), 5 % insensitivity width at ζ = 0 and 0.1 (within 0.0006 of theory),
//!   pulses at 40 Hz and ζ = 0.1 (within one unit of the peer's last printed digit, 1e-6)
//!
//! One file and one line in the list below make a shaper; [`AnyShaper`] is the list as an enum.

use alloc::{string::String, vec::Vec};
use libm::{exp, sqrt};

pub mod ei;
pub mod mzv;
pub mod three_hump_ei;
pub mod two_hump_ei;
pub mod zv;
pub mod zvd;

/// Most pulses any shaper may have; bounds the work of the step generator.
pub const MAX_PULSES: usize = 32;

/// A shaper for one axis: normalised amplitudes and delays, earliest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulses {
    pub a: Vec<f64>,
    pub t_s: Vec<f64>,
}

impl Pulses {
    /// Scales the amplitudes to the sum 1.
    fn normalised(a: Vec<f64>, t_s: Vec<f64>) -> Self {
        let sum: f64 = a.iter().sum();
        Self { a: a.iter().map(|a| a / sum).collect(), t_s }
    }

    /// t_s of the module's equation: the mean delay.
    pub fn mean_delay_s(&self) -> f64 {
        self.a.iter().zip(&self.t_s).map(|(a, t)| a * t).sum()
    }

    /// Residual vibration after an impulse, as a share of the unshaped one, of a mode at `freq_hz` with `damping`.
    pub fn residual(&self, freq_hz: f64, damping: f64) -> f64 {
        let omega = 2.0 * core::f64::consts::PI * freq_hz;
        let omega_d = omega * sqrt(1.0 - damping * damping);
        let end_s = self.t_s.last().copied().unwrap_or(0.0);
        let (mut c, mut s) = (0.0, 0.0);
        for (a, t) in self.a.iter().zip(&self.t_s) {
            let w = a * exp(-damping * omega * (end_s - t));
            c += w * libm::cos(omega_d * t);
            s += w * libm::sin(omega_d * t);
        }
        sqrt(c * c + s * s)
    }
}

/// Why a shaper cannot be made.
#[derive(Debug, Clone, PartialEq)]
pub enum ShaperError {
    UnknownShaper {
        name: String,
    },
    /// An argument the shaper does not have, or has twice, or whose value is no number.
    BadArgument {
        text: String,
    },
    /// `mzv(n=, t= | tau=)` only.
    TooFewPulses {
        n: usize,
    },
    TooManyPulses {
        n: usize,
        max: usize,
    },
    /// n ≤ 2t + 1: the pulses are too few for this duration.
    TooLong {
        n: usize,
        t: f64,
    },
    NotPositive {
        argument: &'static str,
    },
    /// These arguments need an amplitude below zero.
    NegativePulse,
    DampingOutOfRange {
        damping: f64,
        max: f64,
    },
    FrequencyNotPositive {
        freq_hz: f64,
    },
}

/// What every shaper answers.
pub trait Shaper {
    /// The name in printer.cfg.
    const NAME: &'static str;
    const MAX_DAMPING: f64;
    /// Lowest frequency that automatic tuning tries.
    const MIN_TUNED_FREQ_HZ: f64;
    /// Unnormalised amplitudes and delays for a checked frequency and damping.
    fn raw_pulses(&self, freq_hz: f64, damping: f64) -> Result<(Vec<f64>, Vec<f64>), ShaperError>;
}

/// Amplitude decay over `periods` damped periods.
fn decay(damping: f64, periods: f64) -> f64 {
    exp(-2.0 * core::f64::consts::PI * periods * damping / sqrt(1.0 - damping * damping))
}

fn damped_period_s(freq_hz: f64, damping: f64) -> f64 {
    1.0 / (freq_hz * sqrt(1.0 - damping * damping))
}

/// c0 + c1·x + c2·x² + c3·x³.
fn cubic(c: [f64; 4], x: f64) -> f64 {
    ((c[3] * x + c[2]) * x + c[1]) * x + c[0]
}

macro_rules! shapers {
    ($($variant:ident => $file:ident :: $ty:ident),* $(,)?) => {
        /// Every shaper, with its arguments.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub enum AnyShaper { $($variant($file::$ty)),* }

        impl AnyShaper {
            /// All, with default arguments, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant($file::$ty::DEFAULT)),*];

            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $file::$ty::NAME),* }
            }

            pub fn max_damping(&self) -> f64 {
                match self { $(Self::$variant(_) => $file::$ty::MAX_DAMPING),* }
            }

            pub fn min_tuned_freq_hz(&self) -> f64 {
                match self { $(Self::$variant(_) => $file::$ty::MIN_TUNED_FREQ_HZ),* }
            }

            fn raw_pulses(&self, freq_hz: f64, damping: f64) -> Result<(Vec<f64>, Vec<f64>), ShaperError> {
                match self { $(Self::$variant(s) => s.raw_pulses(freq_hz, damping)),* }
            }
        }
    };
}

shapers! {
    Zv => zv::Zv,
    Mzv => mzv::Mzv,
    Zvd => zvd::Zvd,
    Ei => ei::Ei,
    TwoHumpEi => two_hump_ei::TwoHumpEi,
    ThreeHumpEi => three_hump_ei::ThreeHumpEi,
}

impl AnyShaper {
    /// `zv`, `2hump_ei`, `mzv(n=4, t=1)`; case and spaces do not matter.
    pub fn parse(text: &str) -> Result<Self, ShaperError> {
        let text = text.trim().to_ascii_lowercase();
        let (name, arguments) = match text.split_once('(') {
            None => (text.as_str(), None),
            Some((name, rest)) => {
                let inside = rest.trim_end().strip_suffix(')');
                (name.trim_end(), Some(inside.ok_or_else(|| ShaperError::BadArgument { text: rest.into() })?))
            }
        };
        let shaper = Self::ALL.iter().copied().find(|s| s.name() == name);
        let shaper = shaper.ok_or_else(|| ShaperError::UnknownShaper { name: name.into() })?;
        match (shaper, arguments.map(str::trim)) {
            (_, None | Some("")) => Ok(shaper),
            (Self::Mzv(_), Some(arguments)) => mzv::Mzv::parse(arguments).map(Self::Mzv),
            (_, Some(arguments)) => Err(ShaperError::BadArgument { text: arguments.into() }),
        }
    }

    /// The pulses that cancel a mode at `freq_hz` with `damping`.
    pub fn pulses(&self, freq_hz: f64, damping: f64) -> Result<Pulses, ShaperError> {
        if freq_hz.is_nan() || freq_hz <= 0.0 || freq_hz.is_infinite() {
            return Err(ShaperError::FrequencyNotPositive { freq_hz });
        }
        if !(0.0..=self.max_damping()).contains(&damping) {
            return Err(ShaperError::DampingOutOfRange { damping, max: self.max_damping() });
        }
        let (a, t_s) = self.raw_pulses(freq_hz, damping)?;
        Ok(Pulses::normalised(a, t_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn all() -> Vec<AnyShaper> {
        let mut all = AnyShaper::ALL.to_vec();
        for text in ["mzv(n=4,t=1)", "mzv(n=6, t=0.9)", "mzv(n=5,tau=2)", "MZV( N = 12 , T = 1.2 )"] {
            all.push(AnyShaper::parse(text).unwrap());
        }
        all
    }

    #[test]
    fn gain_is_one_times_are_ordered_and_length_is_finite() {
        for shaper in all() {
            for freq_hz in [15.0, 40.0, 133.3] {
                for i in 0..=10 {
                    let damping = shaper.max_damping() * f64::from(i) / 10.0;
                    let p = shaper.pulses(freq_hz, damping).unwrap();
                    let at = std::format!("{shaper:?} at {freq_hz} Hz, damping {damping}");
                    assert_eq!(p.a.len(), p.t_s.len());
                    assert!((p.a.iter().sum::<f64>() - 1.0).abs() < 1e-15, "{at}");
                    assert!(p.t_s[0] == 0.0 && p.t_s.windows(2).all(|w| w[0] < w[1]), "{at}: {p:?}");
                    assert!(p.a.iter().all(|&a| a > 0.0), "{at}: {p:?}");
                    assert!(p.t_s.last().unwrap() * freq_hz < 20.0, "{at}: {p:?}");
                }
            }
        }
    }

    #[test]
    fn frequency_only_scales_time() {
        for shaper in all() {
            let (p, q) = (shaper.pulses(40.0, 0.1).unwrap(), shaper.pulses(20.0, 0.1).unwrap());
            assert_eq!(p.a, q.a);
            assert!(p.t_s.iter().zip(&q.t_s).all(|(p, q)| (2.0 * p - q).abs() < 1e-15));
        }
    }

    #[test]
    fn residual_at_the_design_frequency() {
        for shaper in all() {
            for damping in [0.0, 0.05, 0.1, 0.15] {
                let v = shaper.pulses(40.0, damping).unwrap().residual(40.0, damping);
                // EI keeps its 5 % at the centre; two humps cross zero there, the third hump is a centre again.
                let most = match shaper {
                    AnyShaper::Ei(_) | AnyShaper::ThreeHumpEi(_) => 0.0515,
                    AnyShaper::TwoHumpEi(_) => 0.004,
                    _ => 1e-12,
                };
                assert!(v <= most, "{shaper:?} leaves {v} at damping {damping}");
            }
        }
    }

    /// Share of the design frequency over which the residual stays below `tolerance` without a break.
    fn width(p: &Pulses, damping: f64, tolerance: f64) -> f64 {
        let edge = |sign: f64| {
            let mut inside = 0.0;
            while p.residual(1.0 + sign * (inside + 1e-4), damping) <= tolerance {
                inside += 1e-4;
            }
            inside
        };
        edge(1.0) + edge(-1.0)
    }

    #[test]
    fn insensitivity_widths_agree_with_theory() {
        // Design and plant of the same damping, 0 and 0.1; EI's own humps reach a little above 5 %.
        let expected = [
            ("zv", 0.064, 0.075),
            ("mzv", 0.103, 0.134),
            ("zvd", 0.287, 0.340),
            ("ei", 0.406, 0.482),
            ("2hump_ei", 0.736, 0.869),
            ("3hump_ei", 0.972, 0.895),
        ];
        for (name, undamped, damped) in expected {
            let shaper = AnyShaper::parse(name).unwrap();
            let tolerance = if name.ends_with("ei") { 0.0545 } else { 0.05 };
            for (damping, expected) in [(0.0, undamped), (0.1, damped)] {
                let w = width(&shaper.pulses(1.0, damping).unwrap(), damping, tolerance);
                // The theory's figures have three digits.
                assert!((w - expected).abs() <= 0.0006, "{name} at damping {damping}: {w}, expected {expected}");
            }
        }
    }

    #[test]
    fn pulses_at_40_hz_agree_with_the_peer_to_its_printed_digits() {
        let expected = [
            ("zv", vec![0.578286, 0.421714], vec![0.0, 12.562973]),
            ("mzv", vec![0.365128, 0.407489, 0.227383], vec![0.0, 9.422230, 18.844459]),
            ("zvd", vec![0.334415, 0.487743, 0.177843], vec![0.0, 12.562973, 25.125945]),
            ("ei", vec![0.354881, 0.452998, 0.192121], vec![0.0, 12.681004, 25.125945]),
            ("2hump_ei", vec![0.258535, 0.359936, 0.272764, 0.108765], vec![0.0, 12.897640, 25.205155, 37.223158]),
            (
                "3hump_ei",
                vec![0.220854, 0.277211, 0.259699, 0.167055, 0.075179],
                vec![0.0, 13.512547, 25.701275, 37.647475, 49.573178],
            ),
            ("mzv(n=4,t=1)", vec![0.223966, 0.362907, 0.294021, 0.119106], vec![0.0, 8.375315, 16.750630, 25.125945]),
        ];
        for (name, a, t_ms) in expected {
            let p = AnyShaper::parse(name).unwrap().pulses(40.0, 0.1).unwrap();
            for (got, want) in p.a.iter().zip(&a) {
                assert!((got - want).abs() <= 1e-6, "{name}: {p:?}");
            }
            for (got, want) in p.t_s.iter().zip(&t_ms) {
                assert!((got * 1e3 - want).abs() <= 1e-6, "{name}: {p:?}");
            }
            assert_eq!(p.a.len(), a.len());
        }
    }

    #[test]
    fn mzv_of_three_pulses_and_tau_one_half_is_zv() {
        let mzv = AnyShaper::parse("mzv(n=3, tau=0.5)").unwrap().pulses(36.0, 0.1).unwrap();
        let zv = AnyShaper::parse("zv").unwrap().pulses(36.0, 0.1).unwrap();
        assert_eq!(mzv.a.len(), 2);
        for i in 0..2 {
            assert!((mzv.a[i] - zv.a[i]).abs() < 1e-15 && (mzv.t_s[i] - zv.t_s[i]).abs() < 1e-15, "{mzv:?} {zv:?}");
        }
    }

    #[test]
    fn nonsense_is_refused_by_kind() {
        use ShaperError::*;
        let parse = |text| AnyShaper::parse(text).and_then(|s| s.pulses(40.0, 0.1)).unwrap_err();
        assert!(matches!(parse("zvx"), UnknownShaper { .. }));
        assert!(matches!(parse(""), UnknownShaper { .. }));
        assert!(matches!(parse("zv(n=3)"), BadArgument { .. }));
        assert!(matches!(parse("mzv(n=3"), BadArgument { .. }));
        assert!(matches!(parse("mzv(n=3,x=1)"), BadArgument { .. }));
        assert!(matches!(parse("mzv(t=0.7,tau=1)"), BadArgument { .. }));
        assert!(matches!(parse("mzv(n=2)"), TooFewPulses { n: 2 }));
        assert!(matches!(parse("mzv(n=1000)"), TooManyPulses { .. }));
        assert!(matches!(parse("mzv(n=3,t=1)"), TooLong { .. }));
        assert!(matches!(parse("mzv(t=-1)"), NotPositive { .. }));
        assert!(matches!(parse("mzv(n=3,t=0.4)"), NegativePulse));
        let zv = AnyShaper::parse("zv").unwrap();
        assert!(matches!(zv.pulses(0.0, 0.1), Err(FrequencyNotPositive { .. })));
        assert!(matches!(zv.pulses(f64::NAN, 0.1), Err(FrequencyNotPositive { .. })));
        assert!(matches!(zv.pulses(40.0, 1.0), Err(DampingOutOfRange { .. })));
        assert!(matches!(zv.pulses(40.0, f64::NAN), Err(DampingOutOfRange { .. })));
    }
}
