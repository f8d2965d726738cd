//! Random machines, by seed: what the tuners are tried on.

use drydock_plant::frame::Mode;
use drydock_sweep::random::Random;

/// Numbers for one machine of many.
pub fn random(seed: u64) -> Random {
    Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
}

/// Two modes on each of X and Y: a main one of 30 to 80 Hz that takes most of the motion, and another 1.15 to 2.2 times as
/// high; some of each leaks into the other axis. Where the bed moves along Y, what swings there is the bed.
pub fn two_modes(seed: u64, bed_moves_y: bool) -> Vec<Mode> {
    let mut random = random(seed);
    let mut modes = Vec::new();
    for axis in 0..2 {
        let main_hz = random.between(30.0, 80.0);
        let share = random.between(0.55, 0.85);
        let second_hz = (main_hz * random.between(1.15, 2.2)).min(130.0);
        for (freq_hz, share) in [(main_hz, share), (second_hz, (1.0 - share) * random.between(0.5, 1.0))] {
            let mut mode = Mode::along(axis, freq_hz, random.between(0.025, 0.11), share);
            mode.on_bed = bed_moves_y && axis == 1;
            mode.shape[1 - axis] = share * random.between(-0.06, 0.06);
            modes.push(mode);
        }
    }
    modes
}
