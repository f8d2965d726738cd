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

use serde::{Deserialize, Serialize};

/// What a machine kind must say of itself.
pub trait Geometry {
    /// Nozzle in print coordinates for rail positions; `None` where the rails cannot meet.
    fn forward(&self, rails_mm: [f64; 3]) -> Option<[f64; 3]>;
    /// Rail positions for a nozzle position; `None` out of reach.
    fn inverse(&self, nozzle_mm: [f64; 3]) -> Option<[f64; 3]>;
    /// Forces on the rails that balance a force on the nozzle: the transposed Jacobian, near `rails_mm`.
    fn rail_forces(&self, rails_mm: [f64; 3], force_n: [f64; 3]) -> [f64; 3];
    /// Whether the Y drive moves the bed and not the head.
    fn bed_moves_y(&self) -> bool {
        false
    }
    /// Numbers that no machine can have, in words.
    fn problem(&self) -> Option<&'static str> {
        None
    }
}

macro_rules! one_file_each {
    ($($variant:ident($params:ty)),* $(,)?) => {
        /// The machine kinds.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Kinematics {
            $(#[doc = concat!("See [`", stringify!($params), "`].")] $variant($params),)*
        }
        impl Kinematics {
            fn geometry(&self) -> &dyn Geometry {
                match self { $(Kinematics::$variant(k) => k,)* }
            }
            /// One of each, with plain numbers: for the contract test and for examples.
            pub fn each() -> alloc::vec::Vec<Kinematics> {
                alloc::vec![$(Kinematics::$variant(<$params>::default()),)*]
            }
        }
        impl Geometry for Kinematics {
            #[inline]
            fn forward(&self, rails_mm: [f64; 3]) -> Option<[f64; 3]> {
                match self { $(Kinematics::$variant(k) => k.forward(rails_mm),)* }
            }
            fn inverse(&self, nozzle_mm: [f64; 3]) -> Option<[f64; 3]> {
                self.geometry().inverse(nozzle_mm)
            }
            fn rail_forces(&self, rails_mm: [f64; 3], force_n: [f64; 3]) -> [f64; 3] {
                self.geometry().rail_forces(rails_mm, force_n)
            }
            fn bed_moves_y(&self) -> bool {
                self.geometry().bed_moves_y()
            }
            fn problem(&self) -> Option<&'static str> {
                self.geometry().problem()
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
            for p in POINTS {
                let back = k.forward(k.inverse(p).expect("in reach")).expect("rails meet");
                for i in 0..3 {
                    worst = worst.max((back[i] - p[i]).abs());
                }
            }
        }
        assert!(worst < 1e-10, "round trip error {worst} mm");
    }

    /// Virtual work: the force on the nozzle times its motion is the rail forces times theirs.
    #[test]
    fn virtual_work_balances() {
        for k in Kinematics::each() {
            for p in POINTS {
                let rails = k.inverse(p).expect("in reach");
                let force = [3.0, -2.0, 5.0];
                let on_rails = k.rail_forces(rails, force);
                for i in 0..3 {
                    let d = 1e-4;
                    let (mut hi, mut lo) = (rails, rails);
                    hi[i] += d;
                    lo[i] -= d;
                    let (hi, lo) = (k.forward(hi).expect("meets"), k.forward(lo).expect("meets"));
                    let work: f64 = (0..3).map(|j| force[j] * (hi[j] - lo[j]) / (2.0 * d)).sum();
                    assert!((work - on_rails[i]).abs() < 1e-5, "{k:?} at {p:?}: rail {i}: {work} and {}", on_rails[i]);
                }
            }
        }
    }

    #[test]
    fn same_input_gives_same_bits() {
        for k in Kinematics::each() {
            let rails = k.inverse([12.3, -4.5, 6.7]).expect("in reach");
            assert_eq!(k.forward(rails).map(|p| p.map(f64::to_bits)), k.forward(rails).map(|p| p.map(f64::to_bits)));
        }
    }
}
