//! The cable loom: pin changes of the micro-controllers become actions on the plant, and its state becomes levels.
//!
//! A step pulse is a rising edge; a driver whose DEDGE bit is set steps on both edges. Everything that crosses goes
//! into the digest.

use drydock_plant::Plant;
use drydock_virtual_mcu::Wires;

use crate::digest::Digest;
use crate::step_log::StepLog;
use crate::wiring::Device;

/// Servo pulses of a BLTouch: commanded angles are told apart at these widths.
const BLTOUCH_DEPLOY_MAX_NS: u64 = 800_000;
const BLTOUCH_STOW_MIN_NS: u64 = 1_300_000;
const BLTOUCH_STOW_MAX_NS: u64 = 1_800_000;
const BLTOUCH_RESET_MIN_NS: u64 = 2_000_000;

/// Levels and modes of one motor's driver inputs.
#[derive(Debug, Clone, Copy, Default)]
pub struct DriverState {
    pub forward: bool,
    pub both_edges: bool,
    pub steps: u64,
    /// Steps forward less steps backward since its micro-controller started: what the firmware's own counter says, with
    /// printer.cfg's idea of forward.
    pub position: i64,
}

/// What of the loom changes while it runs.
#[derive(Debug, Default)]
pub struct LoomState {
    pub drivers: Vec<DriverState>,
    pub heater_duty: Vec<f64>,
    pub fan_duty: Vec<f64>,
    pub(crate) servo_rise_ns: u64,
    /// Pin changes that are not steps, for the recording: (time, mcu, pin, value).
    pub pin_log: Vec<(u64, usize, u16, f64)>,
    /// Accelerometer samples, for the recording: (time, chip, counts).
    pub accel_log: Vec<(u64, u8, [i16; 3])>,
    pub record: bool,
    /// Steps, for the recording.
    pub step_log: Option<StepLog>,
}

/// The loom of one micro-controller, while it runs.
pub struct Loom<'a> {
    pub mcu: usize,
    pub table: &'a [Option<Device>],
    pub state: &'a mut LoomState,
    pub plant: &'a mut Plant,
    pub digest: &'a mut Digest,
}

impl Loom<'_> {
    fn device(&self, pin: u16) -> Option<&Device> {
        self.table.get(usize::from(pin))?.as_ref()
    }

    #[inline]
    fn step(&mut self, at_ns: u64, motor: usize) {
        let driver = &mut self.state.drivers[motor];
        let forward = driver.forward;
        driver.steps += 1;
        driver.position += if forward { 1 } else { -1 };
        self.digest.word(at_ns << 8 | (motor as u64) << 1 | u64::from(forward));
        self.plant.step(motor, at_ns, forward);
        if let Some(log) = &mut self.state.step_log {
            log.step(motor, at_ns, forward);
        }
    }

    fn note(&mut self, at_ns: u64, pin: u16, value: f64) {
        self.digest.word(at_ns);
        self.digest.word(u64::from(pin) << 32 | self.mcu as u64);
        self.digest.float(value);
        if self.state.record {
            self.state.pin_log.push((at_ns, self.mcu, pin, value));
        }
    }

    fn other_output(&mut self, at_ns: u64, pin: u16, level: bool) {
        let Some(device) = self.device(pin).cloned() else { return };
        match device {
            Device::Dir { motor, forward } => {
                self.state.drivers[motor].forward = level == forward;
                return;
            }
            Device::Enable { motor, on } => self.plant.enable_motor(motor, at_ns, level == on),
            Device::Heater { heater, on } => {
                let duty = f64::from(u8::from(level == on));
                self.state.heater_duty[heater] = duty;
                self.plant.set_heater(heater, at_ns, duty);
            }
            Device::Fan { fan, on } => {
                let duty = f64::from(u8::from(level == on));
                self.state.fan_duty[fan] = duty;
                self.plant.set_fan(fan, at_ns, duty);
            }
            Device::BltouchControl { probe } => {
                self.servo(at_ns, probe, level);
                return;
            }
            _ => return,
        }
        self.note(at_ns, pin, f64::from(u8::from(level)));
    }

    /// The probe's servo input: the width of a pulse says what to do.
    fn servo(&mut self, at_ns: u64, probe: usize, level: bool) {
        if level {
            self.state.servo_rise_ns = at_ns;
            return;
        }
        match at_ns.saturating_sub(self.state.servo_rise_ns) {
            0 => {}
            width if width <= BLTOUCH_DEPLOY_MAX_NS => self.plant.set_probe_deployed(probe, at_ns, true),
            width if (BLTOUCH_STOW_MIN_NS..=BLTOUCH_STOW_MAX_NS).contains(&width) || width >= BLTOUCH_RESET_MIN_NS => {
                self.plant.set_probe_deployed(probe, at_ns, false);
            }
            _ => {}
        }
    }
}

impl Wires for Loom<'_> {
    #[inline]
    fn output(&mut self, at_ns: u64, pin: u16, level: bool) {
        if let Some(Some(Device::Step { motor })) = self.table.get(usize::from(pin)) {
            let motor = *motor;
            if level || self.state.drivers[motor].both_edges {
                self.step(at_ns, motor);
            }
            return;
        }
        self.other_output(at_ns, pin, level);
    }

    #[inline]
    fn pulse(&mut self, at_ns: u64, pin: u16, level: bool) {
        match self.table.get(usize::from(pin)) {
            // Whichever edge of a pulse rises, it is one step.
            Some(Some(Device::Step { motor })) => self.step(at_ns, *motor),
            _ => {
                self.output(at_ns, pin, level);
                self.output(at_ns, pin, !level);
            }
        }
    }

    fn pwm(&mut self, at_ns: u64, pin: u16, duty: f64) {
        match self.device(pin) {
            Some(&Device::Heater { heater, on }) => {
                let duty = if on { duty } else { 1.0 - duty };
                self.state.heater_duty[heater] = duty;
                self.plant.set_heater(heater, at_ns, duty);
            }
            Some(&Device::Fan { fan, on }) => {
                let duty = if on { duty } else { 1.0 - duty };
                self.state.fan_duty[fan] = duty;
                self.plant.set_fan(fan, at_ns, duty);
            }
            _ => return,
        }
        self.note(at_ns, pin, duty);
    }

    fn input(&mut self, at_ns: u64, pin: u16) -> bool {
        let level = match self.device(pin) {
            Some(&Device::Endstop { endstop, pressed }) => self.plant.endstop(endstop, at_ns) == pressed,
            Some(&Device::TmcDiag { motor, pressed }) => self.plant.motor_stalls(motor, at_ns) == pressed,
            Some(&Device::Probe { probe, pressed }) => self.plant.probe(probe, at_ns) == pressed,
            // An input that nothing is soldered to is held up by its pull-up.
            _ => true,
        };
        self.digest.word(at_ns << 1 | u64::from(level));
        level
    }

    fn analog(&mut self, at_ns: u64, pin: u16) -> u16 {
        let code = match self.device(pin) {
            Some(&Device::Thermistor { sensor }) => self.plant.sensor_code(sensor, at_ns),
            // An open input floats high behind the board's pull-up.
            _ => 4095,
        };
        self.digest.word(at_ns << 12 | u64::from(code));
        code
    }

    fn accelerometer(&mut self, at_ns: u64, chip: u8) -> [i16; 3] {
        let counts = self.plant.acceleration_lsb(usize::from(chip), at_ns);
        self.digest.word(at_ns);
        counts.iter().for_each(|c| self.digest.word(*c as u64));
        if self.state.record {
            self.state.accel_log.push((at_ns, chip, counts));
        }
        counts
    }
}
