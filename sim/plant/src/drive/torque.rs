//! How much torque current a driver can push into a turning motor.
//!
//! Both limits are circles in the (i_d, i_q) plane: the peak current, |i| <= I_p, and the supply,
//! |i + jE/Z| <= V/|Z| with Z = R + j w_e L and E = K_m W. The largest i_q in both is at the top of one of them or where
//! they cross. Symbols and source: see the parent.

use super::Rotor;

/// The largest torque current that the peak current and the supply allow at a shaft speed.
pub fn torque_current_a(rotor: &Rotor, pole_pairs: f64, shaft_rad_s: f64) -> f64 {
    let k_m = torque_constant(rotor);
    let (r, x, e) = (rotor.resistance_ohm, pole_pairs * shaft_rad_s * rotor.inductance_h, k_m * shaft_rad_s);
    let z2 = r * r + x * x;
    let (d0, q0) = (-x * e / z2, -r * e / z2);
    let reach2 = rotor.supply_v * rotor.supply_v / z2;
    let i_p = rotor.peak_current_a;
    let inside_voltage = |d: f64, q: f64| (d - d0) * (d - d0) + (q - q0) * (q - q0) <= reach2;
    if inside_voltage(0.0, i_p) {
        return i_p;
    }
    let top = q0 + libm::sqrt(reach2);
    if d0 * d0 + top * top <= i_p * i_p {
        return top.max(0.0);
    }
    // The circles' crossing with the larger i_q; centre distance c, along the line from the origin to (d0, q0).
    let c2 = d0 * d0 + q0 * q0;
    let c = libm::sqrt(c2);
    let along = (c2 + i_p * i_p - reach2) / (2.0 * c);
    let across2 = i_p * i_p - along * along;
    if across2 < 0.0 {
        return 0.0;
    }
    let across = libm::sqrt(across2);
    let q = |sign: f64| (along * q0 - sign * across * d0) / c;
    q(1.0).max(q(-1.0)).max(0.0)
}

/// Torque per ampere of torque current, N m/A.
pub fn torque_constant(rotor: &Rotor) -> f64 {
    rotor.holding_torque_n_m / (core::f64::consts::SQRT_2 * rotor.rated_current_a)
}
