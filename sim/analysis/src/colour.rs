//! Colours that people with any colour vision tell apart.
//!
//! Deviation goes from blue (inwards) over grey to orange (outwards): blue against orange survives every common kind of
//! colour blindness, and the ends are stronger than the middle on white and on black. Curves take the colours of Okabe
//! and Ito (Color Universal Design, 2008).

/// Steps of the deviation scale; odd, so that zero has a step of its own.
pub const STEPS: usize = 31;

const INWARDS: [[f64; 3]; 3] = [[176.0, 180.0, 184.0], [92.0, 158.0, 226.0], [0.0, 84.0, 200.0]];
const OUTWARDS: [[f64; 3]; 3] = [[176.0, 180.0, 184.0], [240.0, 164.0, 72.0], [214.0, 76.0, 0.0]];

/// Which step of the scale a deviation takes.
pub fn step_of(deviation_um: f64, scale_um: f64) -> usize {
    let middle = (STEPS - 1) as f64 / 2.0;
    let part =
        if scale_um > 0.0 && deviation_um.is_finite() { (deviation_um / scale_um).clamp(-1.0, 1.0) } else { 0.0 };
    (middle + part * middle).round() as usize
}

/// The colour of a step.
pub fn of_step(step: usize) -> [u8; 3] {
    let middle = (STEPS - 1) as f64 / 2.0;
    let part = (step.min(STEPS - 1) as f64 - middle) / middle;
    let map = if part < 0.0 { INWARDS } else { OUTWARDS };
    let place = part.abs() * 2.0;
    let (from, to, part) = if place < 1.0 { (map[0], map[1], place) } else { (map[1], map[2], place - 1.0) };
    [0, 1, 2].map(|i| (from[i] + (to[i] - from[i]) * part).round() as u8)
}

/// Curves on paper: black-and-white apart as well as in colour.
pub const SERIES: [[u8; 3]; 6] =
    [[213, 94, 0], [0, 114, 178], [0, 140, 105], [190, 100, 150], [200, 140, 0], [70, 160, 210]];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_symmetric_and_clamped() {
        assert_eq!(step_of(0.0, 50.0), STEPS / 2);
        assert_eq!(step_of(-80.0, 50.0), 0);
        assert_eq!(step_of(80.0, 50.0), STEPS - 1);
        assert_eq!(step_of(f64::NAN, 50.0), STEPS / 2);
        assert_eq!(of_step(0), [0, 84, 200]);
        assert_eq!(of_step(STEPS - 1), [214, 76, 0]);
    }

    #[test]
    fn neighbouring_steps_differ_and_sides_are_told_apart_without_red_and_green() {
        for step in 1..STEPS {
            assert_ne!(of_step(step), of_step(step - 1));
        }
        // Without red-green vision blue is what is left: the sides differ most in it.
        let (inwards, outwards) = (of_step(2), of_step(STEPS - 3));
        assert!(i32::from(inwards[2]) - i32::from(outwards[2]) > 120);
    }
}
