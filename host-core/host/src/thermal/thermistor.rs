//! NTC thermistors: resistance to temperature by the Steinhart-Hart equation.
//!
//! # Equation
//! 1/T = c1 + c2 ln R + c3 (ln R)^3
//!
//! # Symbols
//! T \[K\] · R \[ohm\] · c1, c2, c3 \[1/K\]
//!
//! # Source
//! Steinhart & Hart, Deep-Sea Research 15 (1968) 497; the points are the makers' R-T tables
//! (TDK/EPCOS B57560G104F, Semitec GT-2 and NT-4, SliceEngineering 450 C, TDK NTCG104LH104JT1,
//! Honeywell 135-104LAG-J01, MGB18-104F39050L32)
//!
//! # Valid for
//! the span of the three points and some tens of kelvin beyond; with a beta (c3 = 0) about 50 K around
//! its reference, then some kelvin off
//!
//! # Caveats
//! makers' tolerance (1 % of R is 0.2 to 0.4 K) is not in it
//!
//! # Checked by
//! `tests::named_thermistors_pass_through_their_datasheet_points` (1e-6 K),
//! `tests::the_curves_have_the_betas_of_the_datasheets` (0.1 %)

use super::divider::Divider;
use super::{Converter, KELVIN};

/// Where a curve comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Points {
    /// Three pairs of temperature [°C] and resistance [ohm].
    Three([(f64, f64); 3]),
    /// One pair, and the beta value [K].
    Beta { celsius: f64, ohm: f64, beta_k: f64 },
}

/// The thermistors that `sensor_type` knows by name.
pub const NAMED: &[(&str, Points)] = &[
    ("EPCOS 100K B57560G104F", Points::Three([(25.0, 100_000.0), (150.0, 1641.9), (250.0, 226.15)])),
    ("ATC Semitec 104GT-2", Points::Three([(20.0, 126_800.0), (150.0, 1360.0), (300.0, 80.65)])),
    ("ATC Semitec 104NT-4-R025H42G", Points::Three([(25.0, 100_000.0), (160.0, 1074.0), (300.0, 82.78)])),
    ("Generic 3950", Points::Three([(25.0, 100_000.0), (150.0, 1770.0), (250.0, 230.0)])),
    ("SliceEngineering 450", Points::Three([(25.0, 500_000.0), (200.0, 3734.0), (400.0, 240.0)])),
    ("TDK NTCG104LH104JT1", Points::Three([(25.0, 100_000.0), (50.0, 31_230.0), (125.0, 2066.0)])),
    ("Honeywell 100K 135-104LAG-J01", Points::Beta { celsius: 25.0, ohm: 100_000.0, beta_k: 3974.0 }),
    ("NTC 100K MGB18-104F39050L32", Points::Beta { celsius: 25.0, ohm: 100_000.0, beta_k: 4100.0 }),
];

/// The Steinhart-Hart curve of one thermistor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    c1: f64,
    c2: f64,
    c3: f64,
}

impl Curve {
    /// `None` where no NTC curve goes through the points.
    pub fn new(points: Points) -> Option<Curve> {
        let curve = match points {
            Points::Three(points) => Curve::through(points)?,
            Points::Beta { celsius, ohm, beta_k } => Curve::beta(celsius, ohm, beta_k),
        };
        let usable = curve.c1.is_finite() && curve.c2.is_finite() && curve.c3.is_finite();
        (usable && curve.c2 + curve.c3 > 0.0).then_some(curve)
    }

    fn beta(celsius: f64, ohm: f64, beta_k: f64) -> Curve {
        let c2 = 1.0 / beta_k;
        Curve { c1: 1.0 / (celsius + KELVIN) - c2 * libm::log(ohm), c2, c3: 0.0 }
    }

    /// Solves the three linear equations by divided differences in x = ln R.
    fn through(points: [(f64, f64); 3]) -> Option<Curve> {
        let [(y1, x1), (y2, x2), (y3, x3)] = points.map(|(t, r)| (1.0 / (t + KELVIN), libm::log(r)));
        // The slopes between point 1 and the others; their difference is c3 alone.
        let slope_2 = (y2 - y1) / (x2 - x1);
        let slope_3 = (y3 - y1) / (x3 - x1);
        let c3 = (slope_3 - slope_2) / ((x3 - x2) * (x1 + x2 + x3));
        if c3 <= 0.0 {
            // Points that bend the wrong way (a beta table): the straight line through the outer two.
            let beta_k = (x1 - x3) / (y1 - y3);
            let (celsius, ohm) = points[0];
            return (beta_k > 0.0).then(|| Curve::beta(celsius, ohm, beta_k));
        }
        let c2 = slope_2 - c3 * (x1 * x1 + x1 * x2 + x2 * x2);
        Some(Curve { c1: y1 - c2 * x1 - c3 * x1 * x1 * x1, c2, c3 })
    }

    pub fn celsius(&self, ohm: f64) -> f64 {
        let x = libm::log(ohm.max(1e-3));
        let inverse = self.c1 + self.c2 * x + self.c3 * x * x * x;
        if inverse <= 1e-9 { f64::INFINITY } else { 1.0 / inverse - KELVIN }
    }

    pub fn ohm(&self, celsius: f64) -> f64 {
        let y = 1.0 / (celsius + KELVIN).max(1.0) - self.c1;
        if self.c3 == 0.0 {
            return libm::exp(y / self.c2);
        }
        // Cardano's real root of x^3 + p x - q = 0.
        let (p, q) = (self.c2 / self.c3, y / self.c3);
        let root = libm::sqrt((q * q / 4.0 + p * p * p / 27.0).max(0.0));
        libm::exp(libm::cbrt(q / 2.0 + root) + libm::cbrt(q / 2.0 - root))
    }
}

/// A thermistor on its divider.
#[derive(Debug, Clone, Copy)]
pub struct Thermistor {
    pub curve: Curve,
    pub divider: Divider,
}

impl Converter for Thermistor {
    fn celsius(&self, ratio: f64) -> f64 {
        self.curve.celsius(self.divider.resistance(ratio))
    }
    fn ratio(&self, celsius: f64) -> f64 {
        self.divider.ratio(self.curve.ohm(celsius))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Curve {
        let (_, points) = NAMED.iter().find(|(n, _)| *n == name).unwrap();
        Curve::new(*points).unwrap()
    }

    #[test]
    fn named_thermistors_pass_through_their_datasheet_points() {
        for (name, points) in NAMED {
            let curve = Curve::new(*points).unwrap();
            let anchors = match points {
                Points::Three(points) => points.to_vec(),
                Points::Beta { celsius, ohm, .. } => vec![(*celsius, *ohm)],
            };
            for (celsius, ohm) in anchors {
                assert!((curve.celsius(ohm) - celsius).abs() < 1e-6, "{name} at {celsius}: {}", curve.celsius(ohm));
                assert!((curve.ohm(celsius) / ohm - 1.0).abs() < 1e-6, "{name} at {ohm}");
            }
        }
    }

    /// The makers' beta values, which the three points do not contain.
    #[test]
    fn the_curves_have_the_betas_of_the_datasheets() {
        for (name, hot_celsius, beta_k) in [
            ("EPCOS 100K B57560G104F", 85.0, 4072.0),
            ("EPCOS 100K B57560G104F", 100.0, 4092.0),
            ("ATC Semitec 104GT-2", 85.0, 4267.0),
            ("ATC Semitec 104NT-4-R025H42G", 85.0, 4267.0),
            ("TDK NTCG104LH104JT1", 85.0, 4550.0),
        ] {
            let curve = named(name);
            let span = 1.0 / (25.0 + KELVIN) - 1.0 / (hot_celsius + KELVIN);
            let got = libm::log(curve.ohm(25.0) / curve.ohm(hot_celsius)) / span;
            assert!((got / beta_k - 1.0).abs() < 1e-3, "{name}: B25/{hot_celsius} = {got:.1}, not {beta_k}");
        }
    }

    #[test]
    fn a_wrong_table_reads_some_kelvin_off_at_print_temperature() {
        let ohm = named("ATC Semitec 104GT-2").ohm(250.0);
        let error = named("Generic 3950").celsius(ohm) - 250.0;
        assert!((5.0..20.0).contains(&error.abs()), "{error}");
    }

    #[test]
    fn points_no_thermistor_has_are_refused_and_nothing_panics() {
        assert!(Curve::new(Points::Three([(25.0, 100.0), (100.0, 1000.0), (200.0, 2000.0)])).is_none());
        assert!(Curve::new(Points::Three([(25.0, 100.0), (25.0, 100.0), (25.0, 100.0)])).is_none());
        assert!(Curve::new(Points::Beta { celsius: 25.0, ohm: 1e5, beta_k: 0.0 }).is_none());
        let curve = named("Generic 3950");
        assert!(curve.celsius(-5.0) > 500.0);
        assert!(curve.ohm(-300.0).is_finite() || curve.ohm(-300.0) == f64::INFINITY);
    }

    #[test]
    fn points_of_a_beta_table_make_a_beta_curve() {
        let truth = Curve::beta(25.0, 1e5, 3950.0);
        let points = [25.0, 150.0, 250.0].map(|t| (t, truth.ohm(t) * if t == 150.0 { 1.001 } else { 1.0 }));
        let curve = Curve::new(Points::Three(points)).unwrap();
        assert!((curve.celsius(truth.ohm(200.0)) - 200.0).abs() < 1.0);
    }
}
