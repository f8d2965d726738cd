//! Sine by a polynomial: for the motors' angles, ten thousand times a second each.
//!
//! # Equation
//! sin 2 pi t by its odd Taylor polynomial of degree 15 on a quarter turn either side, folded outside
//!
//! # Symbols
//! t (turns)
//!
//! # Source
//! Taylor; first left-out term (pi/2)^17/17! = 6e-12
//!
//! # Valid for
//! |t| below 1e9 turns
//!
//! # Caveats
//! 6e-12 absolute: for physics, not for geometry
//!
//! # Checked by
//! tests::agrees_with_libm: 7e-12
//!
//! # Cost
//! about 4 ns, arithmetic only, so the same bits everywhere

const TAU: f64 = core::f64::consts::TAU;
/// Adding and taking away 1.5 x 2^52 rounds to the nearest whole number.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Sine of an angle in turns.
#[inline]
pub(crate) fn sin_turns(turns: f64) -> f64 {
    quarter_sine(fold(turns - ((turns + ROUNDER) - ROUNDER)))
}

/// How far into a turn an angle is, 0 to 1, counted from half a turn back.
#[inline]
pub(crate) fn part_of_turn(turns: f64) -> f64 {
    turns - ((turns + ROUNDER) - ROUNDER) + 0.5
}

/// Cosine of an angle in turns.
#[inline]
pub(crate) fn cos_turns(turns: f64) -> f64 {
    sin_turns(turns + 0.25)
}

/// The angle within a quarter turn that has the same sine, for one within half a turn.
#[inline]
fn fold(t: f64) -> f64 {
    let edge = 0.5f64.copysign(t);
    if t.abs() > 0.25 { edge - t } else { t }
}

#[inline]
fn quarter_sine(turns: f64) -> f64 {
    let x = turns * TAU;
    let y = x * x;
    let p = 1.0 / 362_880.0 + y * (-1.0 / 39_916_800.0 + y * (1.0 / 6_227_020_800.0 - y * (1.0 / 1_307_674_368_000.0)));
    x * (1.0 + y * (-1.0 / 6.0 + y * (1.0 / 120.0 + y * (-1.0 / 5040.0 + y * p))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_libm() {
        let mut worst = 0.0f64;
        for i in -2000..2000 {
            let t = f64::from(i) * 0.001_37;
            worst = worst.max((sin_turns(t) - libm::sin(t * TAU)).abs());
            worst = worst.max((cos_turns(t) - libm::cos(t * TAU)).abs());
        }
        assert!(worst < 1e-11, "{worst}");
    }
}
