//! What a micro-controller's pins are soldered to.

use drydock_firmware::Pin;

/// The world at the pins; levels are electrical, before any inversion by a host. Times never go back.
pub trait Wires {
    /// An output has been set up or has changed.
    fn output(&mut self, at_ns: u64, pin: Pin, level: bool);

    /// An output goes to `level` and back within one event of the firmware: a step pulse. The simulation gives such a
    /// pulse no width.
    #[inline]
    fn pulse(&mut self, at_ns: u64, pin: Pin, level: bool) {
        self.output(at_ns, pin, level);
        self.output(at_ns, pin, !level);
    }

    /// A pulse-width output has a new duty, 0..=1.
    fn pwm(&mut self, at_ns: u64, pin: Pin, duty: f64);

    /// The level at an input.
    fn input(&mut self, at_ns: u64, pin: Pin) -> bool;

    /// The 12-bit code of an analog input.
    fn analog(&mut self, at_ns: u64, pin: Pin) -> u16;

    /// One sample of an accelerometer, in units of its last bit.
    fn accelerometer(&mut self, at_ns: u64, chip: u8) -> [i16; 3];
}
