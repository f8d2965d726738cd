//! Forward maps: from the positions of the three rails (what the motors move) to the nozzle in print coordinates.
//!
//! Important terms: a *rail* is one of the three coordinates that motors drive: an axis of a cartesian machine, a belt
//! of a CoreXY, a tower of a delta. Print coordinates are the nozzle relative to the bed, in millimetres.
//!
//! One file a machine kind, one line in the list below; the contract test runs over the list.

pub mod cartesian;
pub mod corexy;
pub mod delta;

pub use cartesian::Cartesian;
pub use corexy::CoreXy;
pub use delta::Delta;

use alloc::boxed::Box;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a machine kind must say of itself.
pub trait Geometry {
    /// The maps, with all that can be worked out beforehand.
    fn ready(&self) -> Box<dyn Maps>;
    /// Whether the Y drive moves the bed and not the head.
    fn bed_moves_y(&self) -> bool {
        false
    }
    /// Numbers that no machine can have, in words.
    fn problem(&self) -> Option<&'static str> {
        None
    }
}

/// The maps of one machine.
pub trait Maps {
    /// Nozzle in print coordinates for rail positions; `None` where the rails cannot meet.
    fn forward(&self, rails_mm: [f64; 3]) -> Option<[f64; 3]>;
    /// Rail positions for a nozzle position; `None` out of reach.
    fn inverse(&self, nozzle_mm: [f64; 3]) -> Option<[f64; 3]>;
    /// What speeds of the rails are at the nozzle: the Jacobian of `forward`, there.
    fn nozzle_speed(&self, rails_mm: [f64; 3], nozzle_mm: [f64; 3], rails_mm_s: [f64; 3]) -> [f64; 3];
    /// What a force on the nozzle is on the rails: the transposed Jacobian of `forward`, there.
    fn rail_forces(&self, rails_mm: [f64; 3], nozzle_mm: [f64; 3], force_n: [f64; 3]) -> [f64; 3];
}

macro_rules! one_file_each {
    ($($variant:ident($params:ty)),* $(,)?) => {
        /// The machine kinds.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Kinematics {
            $(#[doc = concat!("See [`", stringify!($params), "`].")] $variant($params),)*
        }
        impl Kinematics {
            /// One of each, with plain numbers: for the contract test and for examples.
            pub fn each() -> Vec<Kinematics> {
                alloc::vec![$(Kinematics::$variant(<$params>::default()),)*]
            }
        }
        impl core::ops::Deref for Kinematics {
            type Target = dyn Geometry;
            fn deref(&self) -> &(dyn Geometry + 'static) {
                match self { $(Kinematics::$variant(k) => k,)* }
            }
        }
    };
}

one_file_each! {
    Cartesian(Cartesian),
    CoreXy(CoreXy),
    Delta(Delta),
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [[f64; 3]; 5] =
        [[0.0, 0.0, 0.0], [10.0, -20.0, 3.0], [-47.3, 12.9, 0.2], [60.0, 55.0, 120.0], [0.123456789, 71.0, 33.3]];

    #[test]
    fn forward_of_inverse_is_identity() {
        let mut worst = 0.0f64;
        for k in Kinematics::each() {
            assert_eq!(k.problem(), None, "{k:?}");
            let maps = k.ready();
            for p in POINTS {
                let back = maps.forward(maps.inverse(p).expect("in reach")).expect("rails meet");
                for i in 0..3 {
                    worst = worst.max((back[i] - p[i]).abs());
                }
            }
        }
        std::println!("ladder: kinematics round trip {worst:.1e} mm");
        assert!(worst < 1e-10, "round trip error {worst} mm");
    }

    /// Speeds are the slopes of `forward`; the force on the nozzle times its motion is the rail forces times theirs.
    #[test]
    fn virtual_work_balances() {
        for k in Kinematics::each() {
            let maps = k.ready();
            for p in POINTS {
                let rails = maps.inverse(p).expect("in reach");
                let force = [3.0, -2.0, 5.0];
                let on_rails = maps.rail_forces(rails, p, force);
                for i in 0..3 {
                    let d = 1e-4;
                    let (mut hi, mut lo) = (rails, rails);
                    hi[i] += d;
                    lo[i] -= d;
                    let (hi, lo) = (maps.forward(hi).expect("meets"), maps.forward(lo).expect("meets"));
                    let work: f64 = (0..3).map(|j| force[j] * (hi[j] - lo[j]) / (2.0 * d)).sum();
                    let unit = core::array::from_fn(|j| f64::from(u8::from(i == j)));
                    let speed = maps.nozzle_speed(rails, p, unit);
                    let off = (0..3).map(|j| (speed[j] - (hi[j] - lo[j]) / (2.0 * d)).abs()).fold(0.0, f64::max);
                    assert!(off < 1e-5, "{k:?} at {p:?}: rail {i} moves the nozzle by {speed:?}");
                    assert!((work - on_rails[i]).abs() < 1e-5, "{k:?} at {p:?}: rail {i}: {work} and {}", on_rails[i]);
                }
            }
        }
    }

    #[test]
    fn same_input_gives_same_bits() {
        for k in Kinematics::each() {
            let (one, two) = (k.ready(), k.ready());
            let rails = one.inverse([12.3, -4.5, 6.7]).expect("in reach");
            assert_eq!(
                one.forward(rails).map(|p| p.map(f64::to_bits)),
                two.forward(rails).map(|p| p.map(f64::to_bits))
            );
        }
    }
}
