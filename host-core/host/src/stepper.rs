//! One stepper motor: its pins, its enable line, its steps from the trapezoid queue to the wire.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use drydock_motion::kinematics::ActuatorMap;
use drydock_motion::shapers::Pulses;
use drydock_motion::step_compress::{MAX_ERROR_S, StepCommand, StepCompressor};
use drydock_motion::step_times::{ClockMap, StepGenerator};
use drydock_motion::trapq::TrapQ;

use crate::config::{ConfigError, Section};
use crate::mcu::{DigitalOut, Mcu, McuStepper, StepQueue, StepperPins};
use crate::printer::Printer;
use crate::printer::pins::PinFlags;

/// How long past steps are remembered, for homing and motion reports.
const HISTORY_S: f64 = 30.0;

/// An enable line; several motors may share one, which then stays on while any of them needs it.
pub struct EnableLine {
    output: DigitalOut,
    users: Cell<u32>,
}

/// Told when a motor is switched on or off.
type SwitchListener = Rc<dyn Fn(bool)>;

pub struct Stepper {
    name: String,
    mcu: Mcu,
    stepper: McuStepper,
    steps: StepQueue,
    enable: Option<Rc<EnableLine>>,
    enabled: Cell<bool>,
    /// Told when the motor is switched on or off.
    on_switch: RefCell<Option<SwitchListener>>,
    rotation_distance_mm: Cell<f64>,
    steps_per_rotation: f64,
    motion: RefCell<Motion>,
    map: Cell<ActuatorMap>,
}

struct Motion {
    generator: StepGenerator,
    compressor: StepCompressor,
    pressure: Option<(f64, f64)>,
}

impl Stepper {
    pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<Rc<Stepper>, ConfigError> {
        let step = printer.pins.take(printer, section, "step_pin", PinFlags::OUTPUT, None)?;
        let dir = printer.pins.take(printer, section, "dir_pin", PinFlags::OUTPUT, None)?;
        if dir.mcu.name() != step.mcu.name() {
            return Err(section.error("dir_pin", "Stepper dir pin must be on same mcu as step pin"));
        }
        // A second motor of a rail takes from the first what it does not say itself.
        let base = section.name().trim_end_matches(|c: char| c.is_ascii_digit()).to_string();
        let first = printer.config.section(&base).filter(|_| base != section.name());
        let full_steps = section.int("full_steps_per_rotation").min(1).or(200)?;
        if full_steps % 4 != 0 {
            return Err(
                section.error("full_steps_per_rotation", "full_steps_per_rotation invalid: must be a multiple of 4")
            );
        }
        let rotation_distance_mm = match (&first, section.has("rotation_distance")) {
            (Some(first), false) => first.float("rotation_distance").above(0.0).required()?,
            _ => section.float("rotation_distance").above(0.0).required()?,
        };
        let microsteps = match (&first, section.has("microsteps")) {
            (Some(first), false) => first.int("microsteps").min(1).required()?,
            _ => section.int("microsteps").min(1).required()?,
        };
        let gear = section.gear_ratio("gear_ratio")?;
        let steps_per_rotation = full_steps as f64 * microsteps as f64 * gear;
        let step_pulse_s = section.float("step_pulse_duration").min(0.0).max(0.001).optional()?;
        let mcu = step.mcu.clone();
        let stepper = McuStepper::new(
            &mcu,
            StepperPins {
                step_pin: step.name,
                invert_step: step.invert,
                dir_pin: dir.name,
                invert_dir: dir.invert,
                step_pulse_s,
            },
        );
        let enable = load_enable(printer, section)?;
        let step_distance = rotation_distance_mm / steps_per_rotation;
        let map = ActuatorMap::Linear([0.0; 3]);
        let this = Rc::new(Stepper {
            name: section.name().to_string(),
            steps: stepper.steps().clone(),
            stepper,
            enable,
            enabled: Cell::new(false),
            on_switch: RefCell::default(),
            rotation_distance_mm: Cell::new(rotation_distance_mm),
            steps_per_rotation,
            motion: RefCell::new(Motion {
                generator: StepGenerator::new(map, step_distance, ClockMap::main(1.0)),
                compressor: StepCompressor::new(1.0, MAX_ERROR_S),
                pressure: None,
            }),
            map: Cell::new(map),
            mcu,
        });
        let me = this.clone();
        let max_error_s = printer.options.compression_error_s.unwrap_or(MAX_ERROR_S);
        this.mcu.register_config_callback(move |mcu| {
            let mut motion = me.motion.borrow_mut();
            motion.generator.set_clock_map(clock_map(mcu));
            motion.compressor = StepCompressor::new(mcu.clock_freq(), max_error_s);
            Ok(())
        });
        Ok(this)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn mcu(&self) -> &Mcu {
        &self.mcu
    }

    pub fn mcu_stepper(&self) -> &McuStepper {
        &self.stepper
    }

    pub fn map(&self) -> ActuatorMap {
        self.map.get()
    }

    /// What the motor follows; known when the kinematics is.
    pub fn set_map(&self, map: ActuatorMap) {
        self.map.set(map);
        let mut motion = self.motion.borrow_mut();
        motion.generator = StepGenerator::new(map, self.step_distance(), clock_map(&self.mcu));
    }

    pub fn step_distance(&self) -> f64 {
        self.rotation_distance_mm.get() / self.steps_per_rotation
    }

    pub fn rotation_distance(&self) -> f64 {
        self.rotation_distance_mm.get()
    }

    /// Only while nothing moves.
    pub fn set_rotation_distance(&self, rotation_distance_mm: f64) {
        let at = self.commanded_position();
        self.rotation_distance_mm.set(rotation_distance_mm);
        let mut motion = self.motion.borrow_mut();
        let until = motion.generator.generated_until();
        let mut generator = StepGenerator::new(self.map.get(), self.step_distance(), clock_map(&self.mcu));
        generator.set_position(&TrapQ::new([at, 0.0, 0.0]), until, [at, 0.0, 0.0]);
        if let Some((advance_s, smooth_s)) = motion.pressure {
            generator.set_smooth_time(if advance_s > 0.0 { smooth_s } else { 0.0 });
            generator.set_pressure_advance(until, advance_s);
        }
        motion.generator = generator;
    }

    /// Steps since the micro-controller was configured, in the sense of printer.cfg.
    pub fn mcu_position(&self) -> i64 {
        self.steps.position_steps()
    }

    /// The same at a print time of the last half minute.
    pub fn past_mcu_position(&self, print_time: f64) -> i64 {
        self.steps.past_position_steps(self.mcu.print_time_to_clock(print_time).max(0) as u64)
    }

    /// Where the steps so far have put the motor, mm along its own path.
    pub fn commanded_position(&self) -> f64 {
        self.motion.borrow().generator.commanded_pos_mm()
    }

    /// The head is at `position`, whatever the steps said.
    pub fn set_position(&self, trapq: &TrapQ, print_time: f64, position: [f64; 3]) {
        self.motion.borrow_mut().generator.set_position(trapq, print_time, position);
    }

    /// How far around a moment shaper and pressure advance look, s.
    pub fn window(&self) -> f64 {
        let (pre, post) = self.motion.borrow().generator.window();
        pre.max(post)
    }

    pub fn set_shaper(&self, axis: usize, shaper: Option<Pulses>) {
        self.motion.borrow_mut().generator.set_shaper(axis, shaper);
    }

    /// Pressure advance for moves from `print_time` on; a new smooth time only while nothing moves.
    pub fn set_pressure_advance(&self, print_time: f64, advance_s: f64, smooth_time_s: f64) {
        let mut motion = self.motion.borrow_mut();
        // Without pressure advance there is nothing to smooth.
        let smooth_s = |advance: f64, smooth: f64| if advance > 0.0 { smooth } else { 0.0 };
        let old = motion.pressure.map_or(0.0, |(a, s)| smooth_s(a, s));
        let new = smooth_s(advance_s, smooth_time_s);
        if old != new {
            motion.generator.set_smooth_time(new);
        }
        if advance_s > 0.0 || motion.pressure.is_some() {
            motion.generator.set_pressure_advance(print_time, advance_s);
        }
        motion.pressure = Some((advance_s, smooth_time_s));
    }

    /// Does a change to this advance change the smoothing window?
    pub fn changes_window(&self, advance_s: f64, smooth_time_s: f64) -> bool {
        let smooth_s = |advance: f64, smooth: f64| if advance > 0.0 { smooth } else { 0.0 };
        let old = self.motion.borrow().pressure.map_or(0.0, |(a, s)| smooth_s(a, s));
        old != smooth_s(advance_s, smooth_time_s)
    }

    /// Makes all steps before `until` and hands them to the wire's queue.
    pub fn generate(&self, trapq: &TrapQ, until: f64) {
        let mut motion = self.motion.borrow_mut();
        let motion = &mut *motion;
        motion.generator.generate(trapq, until, &mut motion.compressor);
        self.deliver(motion, until);
    }

    /// Hands over the step that [`Stepper::generate`] may hold back.
    pub fn deliver_held(&self, until: f64) {
        let mut motion = self.motion.borrow_mut();
        let motion = &mut *motion;
        motion.generator.finish(&mut motion.compressor);
        self.deliver(motion, until);
    }

    fn deliver(&self, motion: &mut Motion, until: f64) {
        let clock = self.mcu.print_time_to_clock(until).max(0) as u64;
        motion.compressor.flush(clock);
        for command in motion.compressor.commands() {
            match command {
                StepCommand::SetDir { dir } => self.steps.set_dir(dir),
                StepCommand::QueueStep(q) => {
                    self.steps.queue_step(q.interval, q.count, q.add, q.first_clock, q.last_clock);
                }
            }
        }
    }

    /// A move of this motor alone along X of a queue of its own, which begins at 0 and ends at `end`.
    pub fn make_manual_move(&self, trapq: &TrapQ, end: f64) {
        let mut motion = self.motion.borrow_mut();
        let motion = &mut *motion;
        let start = motion.generator.generated_until();
        let mut alone =
            StepGenerator::new(ActuatorMap::Linear([1.0, 0.0, 0.0]), self.step_distance(), clock_map(&self.mcu));
        alone.set_position(trapq, start, [0.0; 3]);
        alone.generate(trapq, end, &mut motion.compressor);
        alone.finish(&mut motion.compressor);
        self.deliver(motion, end);
    }

    /// Clocks of a secondary micro-controller are steered; to be called when they change.
    pub fn refresh_clock(&self) {
        self.motion.borrow_mut().generator.set_clock_map(clock_map(&self.mcu));
    }

    /// After a trigger stopped the motor, or a new session found it somewhere: the step chain begins anew.
    pub fn note_reset(&self) {
        self.motion.borrow_mut().compressor.reset(0);
    }

    /// A clock before which history may be forgotten, for one generated up to `until`.
    pub fn history_clock(mcu: &Mcu, until: f64) -> u64 {
        mcu.print_time_to_clock(until - HISTORY_S).max(0) as u64
    }

    // ---- enable line

    pub fn is_enabled(&self) -> bool {
        self.enabled.get()
    }

    /// The motor's driver wants to know when it is needed.
    pub fn on_switch(&self, listener: impl Fn(bool) + 'static) {
        *self.on_switch.borrow_mut() = Some(Rc::new(listener));
    }

    fn tell_switched(&self, on: bool) {
        let listener = self.on_switch.borrow().clone();
        if let Some(listener) = listener {
            listener(on);
        }
    }

    pub fn enable(&self, print_time: f64) {
        if self.enabled.replace(true) {
            return;
        }
        self.tell_switched(true);
        if let Some(line) = &self.enable {
            line.users.set(line.users.get() + 1);
            if line.users.get() == 1 {
                line.output.set(print_time.max(0.0), true);
            }
        }
    }

    pub fn disable(&self, print_time: f64) {
        if !self.enabled.replace(false) {
            return;
        }
        self.tell_switched(false);
        if let Some(line) = &self.enable {
            line.users.set(line.users.get().saturating_sub(1));
            if line.users.get() == 0 {
                line.output.set(print_time, false);
            }
        }
    }
}

fn clock_map(mcu: &Mcu) -> ClockMap {
    let (time_offset_s, freq_hz) = mcu.step_time_base();
    ClockMap { time_offset_s, freq_hz }
}

/// The enable line of a section; the same pin named twice is one line.
fn load_enable(printer: &Rc<Printer>, section: &Section) -> Result<Option<Rc<EnableLine>>, ConfigError> {
    if !section.has("enable_pin") {
        return Ok(None);
    }
    let pin = printer.pins.take(printer, section, "enable_pin", PinFlags::OUTPUT, Some("stepper_enable"))?;
    let key = format!("{}:{}{}", pin.mcu.name(), if pin.invert { "!" } else { "" }, pin.name);
    if let Some(line) = printer.enable_lines().borrow().get(&key) {
        return Ok(Some(line.clone()));
    }
    let output = DigitalOut::new(&pin.mcu, &pin.name, pin.invert, false, false, 0.0);
    let line = Rc::new(EnableLine { output, users: Cell::new(0) });
    printer.enable_lines().borrow_mut().insert(key, line.clone());
    Ok(Some(line))
}
