//! `[tmc2208 ...]`, `[tmc2209 ...]`, `[tmc2130 ...]`, `[tmc5160 ...]`: stepper drivers with registers.
//!
//! printer.cfg is turned into register values once; they are written when the micro-controllers are connected, and
//! again by INIT_TMC, or when a motor is switched on whose driver has lost them (its power came late, say).
//!
//! # Important terms
//! - *wanted*: what the host wants in a register, whether the chip has it or not.
//! - *TSTEP*: a chip's measure of speed: clocks of 12 MHz between two of 256 microsteps.

mod bus;
mod commands;
pub mod current;
mod health;
pub mod model;
mod spi;
mod stall;
mod tmc2130;
mod tmc2208;
mod tmc2209;
mod tmc5160;
mod uart;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::objects::stepper_enable;
use crate::printer::dispatch::CommandResult;
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;
use bus::Bus;
use current::CurrentBits;
use model::{Field, Model, Shadow, Stall};

pub static MODELS: &[&Model] = &[&tmc2130::MODEL, &tmc2208::MODEL, &tmc2209::MODEL, &tmc5160::MODEL];

/// Clock of the drivers by which they measure speed.
const CLOCK_HZ: f64 = 12e6;
const TSTEP_MAX: f64 = 1_048_575.0;
/// A step pulse that all of them see, on each edge if the micro-controller can.
const STEP_PULSE_S: f64 = 0.000_000_100;
/// What a small driver's package carries, whatever its sense resistor.
const SMALL_DRIVER_A: f64 = 2.0;

pub struct TmcDriver {
    section: String,
    motor: String,
    model: &'static Model,
    bus: Bus,
    sense_ohm: f64,
    wanted: RefCell<Shadow>,
    run_a: Cell<f64>,
    hold_a: Cell<f64>,
    set_up: Cell<bool>,
    status: Cell<Option<u32>>,
    watch: Cell<u64>,
}

impl Object for TmcDriver {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let fields = self.status.get().zip(self.model.register("DRV_STATUS")).map(|(value, register)| {
            let fields = self.model.fields.iter().flat_map(|group| group.iter()).filter(|f| f.register == register);
            Value::from_pairs(fields.map(|f| (f.name, Value::from(f.get(value)))).filter(|(_, v)| *v != Value::from(0)))
        });
        let (run, hold) = self.current_a();
        Some(minijinja::context! {
            mcu_phase_offset => Value::from(()),
            phase_offset_position => Value::from(()),
            drv_status => fields,
            temperature => Value::from(()),
            run_current => run,
            hold_current => hold,
        })
    }
}

/// Clocks between microsteps of 1/256 at a speed; the longest that can be said for standing still.
pub(crate) fn tstep(microstep_256_mm: f64, speed_mm_s: f64) -> i64 {
    if speed_mm_s <= 0.0 {
        return TSTEP_MAX as i64;
    }
    (CLOCK_HZ * microstep_256_mm / speed_mm_s).round().clamp(0.0, TSTEP_MAX) as i64
}

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let kind = section.name().split(' ').next().unwrap_or_default();
    let model = MODELS.iter().find(|m| m.name == kind);
    let model = model.ok_or_else(|| section.section_error(format!("{kind} is not supported yet")))?;
    let motor = section.identifier().to_string();
    let Some(motor_section) = printer.config.section(&motor) else {
        return Err(
            section.section_error(format!("Could not find config section '[{motor}]' required by {kind} driver"))
        );
    };
    let sense_ohm = section.float("sense_resistor").above(0.0).or(model.default_sense_ohm)?;
    let max_a = max_current_a(model, sense_ohm);
    let run_a = section.float("run_current").above(0.0).max(max_a).required()?;
    let hold_a = section.float("hold_current").above(0.0).max(max_a).or(run_a)?;
    let driver = Rc::new(TmcDriver {
        section: section.name().to_string(),
        motor,
        model,
        bus: Bus::load(printer, section, model)?,
        sense_ohm,
        wanted: RefCell::default(),
        run_a: Cell::new(run_a),
        hold_a: Cell::new(hold_a),
        set_up: Cell::new(false),
        status: Cell::new(None),
        watch: Cell::new(0),
    });
    driver.load_fields(section)?;
    driver.load_microsteps(printer, section, &motor_section)?;
    driver.want_current();
    stall::load(printer, section, &driver)?;
    printer.add_object(section.name(), driver.clone());
    commands::register(printer, &driver);
    let thresholds = Thresholds::load(section, model)?;
    let me = driver.clone();
    printer.after_load(move |printer| me.join_motor(printer, thresholds));
    printer.after_connect(move |printer| Box::pin(async move { driver.connect(&printer).await }));
    Ok(())
}

fn max_current_a(model: &Model, sense_ohm: f64) -> f64 {
    let by_resistor = model.current.max_a(sense_ohm);
    match model.current {
        current::CurrentLaw::SenseGain { .. } => by_resistor.min(SMALL_DRIVER_A),
        current::CurrentLaw::GlobalScaler { .. } => by_resistor,
    }
}

/// Speeds at which a driver changes its mode, mm/s.
#[derive(Clone, Copy)]
struct Thresholds {
    stealthchop: f64,
    coolstep: Option<f64>,
    high: Option<f64>,
}

impl Thresholds {
    fn load(section: &Section, model: &Model) -> Result<Thresholds, ConfigError> {
        let of = |option: &str, field: &str| match model.field(field) {
            Some(_) => section.float(option).min(0.0).optional(),
            None => Ok(None),
        };
        Ok(Thresholds {
            stealthchop: section.float("stealthchop_threshold").min(0.0).or(0.0)?,
            coolstep: of("coolstep_threshold", "tcoolthrs")?,
            high: of("high_velocity_threshold", "thigh")?,
        })
    }
}

impl TmcDriver {
    pub fn section(&self) -> &str {
        &self.section
    }

    pub fn motor(&self) -> &str {
        &self.motor
    }

    pub fn model(&self) -> &'static Model {
        self.model
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    // ---- from printer.cfg to wanted registers

    fn want(&self, field: &str, value: i64) {
        if let Some(field) = self.model.field(field) {
            self.wanted.borrow_mut().set(field, value);
        }
    }

    /// `driver_FIELD` options.
    fn load_fields(&self, section: &Section) -> Result<(), ConfigError> {
        for (name, value) in self.model.fixed {
            self.want(name, *value);
        }
        for (name, default) in self.model.options {
            let Some(field) = self.model.field(name) else { continue };
            let option = format!("driver_{name}");
            let value = match field.range() {
                (0, 1) => i64::from(section.boolean(&option).or(*default != 0)?),
                (min, max) => section.int(&option).min(min).max(max).or(*default)?,
            };
            self.want(name, value);
        }
        Ok(())
    }

    fn load_microsteps(&self, printer: &Rc<Printer>, section: &Section, motor: &Section) -> Result<(), ConfigError> {
        // A second motor of a rail takes from the first what it does not say itself.
        let base = printer.config.section_or_empty(motor.name().trim_end_matches(|c: char| c.is_ascii_digit()));
        let from = if motor.has("microsteps") { motor } else { &base };
        let microsteps = from.int("microsteps").min(1).required()?;
        let Some(exponent) = (0..=8).find(|e| 1 << e == microsteps) else {
            let error =
                from.error("microsteps", format!("microsteps {microsteps} cannot be set in a {}", self.model.name));
            return Err(error.help("1, 2, 4, 8, 16, 32, 64, 128 or 256"));
        };
        self.want("mres", 8 - exponent);
        self.want("intpol", i64::from(section.boolean("interpolate").or(true)?));
        Ok(())
    }

    fn want_current(&self) {
        let bits = self.model.current.choose(self.sense_ohm, self.run_a.get(), self.hold_a.get());
        if let Some(vsense) = bits.vsense {
            self.want("vsense", i64::from(vsense));
        }
        if let Some(scaler) = bits.scaler {
            self.want("globalscaler", i64::from(scaler));
        }
        self.want("ihold", i64::from(bits.ihold));
        self.want("irun", i64::from(bits.irun));
    }

    /// The motor exists now: its step length is known, and it may step on both edges.
    fn join_motor(self: &Rc<Self>, printer: &Rc<Printer>, at: Thresholds) -> Result<(), ConfigError> {
        let section = printer.config.section_or_empty(&self.section);
        let stepper = stepper_enable::find(printer, &self.motor).map_err(|e| section.section_error(e.message))?;
        stepper.mcu_stepper().set_default_pulse(STEP_PULSE_S, true);
        let microstep = self.microstep_256_mm(printer);
        let (mode, on) = self.model.stealth;
        let stealth = at.stealthchop > 0.0;
        self.want(mode, if stealth { on } else { 1 - on });
        self.want("tpwmthrs", tstep(microstep, at.stealthchop));
        // At 0 the driver never thinks that it is fast enough.
        if self.model.field("tcoolthrs").is_some() {
            self.want("tcoolthrs", at.coolstep.map_or(0, |v| tstep(microstep, v)));
        }
        if self.model.field("thigh").is_some() {
            self.want("thigh", at.high.map_or(0, |v| tstep(microstep, v)));
        }
        let (weak, me) = (Rc::downgrade(printer), self.clone());
        stepper.on_switch(move |on| {
            let Some(printer) = weak.upgrade() else { return };
            match on {
                true if !printer.is_offline() => health::watch(&printer, &me),
                _ => {
                    me.new_watch();
                    me.note_status(None);
                }
            }
        });
        Ok(())
    }

    /// Way of the motor in 1/256 of a full step, mm.
    pub(super) fn microstep_256_mm(&self, printer: &Printer) -> f64 {
        let step = stepper_enable::find(printer, &self.motor).map_or(0.0, |s| s.step_distance());
        let mres = self.model.field("mres").map_or(0, |f| self.wanted.borrow().get(f));
        step / f64::from(1 << mres.clamp(0, 8))
    }

    // ---- the chip

    /// First writing of the registers. A driver without power does not keep the printer from connecting: its motor
    /// is refused when it is to be switched on.
    async fn connect(self: &Rc<Self>, printer: &Rc<Printer>) -> CommandResult {
        if let Ok(stepper) = stepper_enable::find(printer, &self.motor) {
            self.want("dedge", i64::from(stepper.mcu_stepper().steps_on_both_edges()));
        }
        if let Err(error) = self.set_up().await {
            printer.log(format!("TMC {} failed to init: {error}", self.motor));
        }
        Ok(())
    }

    pub(super) async fn set_up(&self) -> CommandResult {
        self.set_up.set(false);
        self.clear_flags().await?;
        let registers = self.wanted.borrow().registers().to_vec();
        for (register, value) in registers {
            self.write(register, value).await?;
        }
        self.set_up.set(true);
        Ok(())
    }

    /// The chip remembers that it was reset until it is told that this was seen.
    async fn clear_flags(&self) -> CommandResult {
        let Some(register) = self.model.register("GSTAT") else { return Ok(()) };
        let flags = self.read(register).await?;
        if flags != 0 && !self.model.gstat_clears_on_read {
            // A UART driver counts writes; over SPI the answer to this one is not what was written.
            match &self.bus {
                Bus::Uart(_) => self.write(register, flags).await?,
                Bus::Spi(link) => link.write_unchecked(register, flags).await?,
            }
        }
        Ok(())
    }

    /// Did the chip lose its registers since they were written?
    pub(super) async fn was_reset(&self) -> Result<bool, CommandError> {
        let Some(flag) = self.model.field("reset") else { return Ok(false) };
        Ok(flag.get(self.read(flag.register).await?) != 0)
    }

    pub(super) fn is_set_up(&self) -> bool {
        self.set_up.get()
    }

    pub(super) async fn read(&self, register: u8) -> Result<u32, CommandError> {
        self.bus.read(&self.motor, self.model, register).await
    }

    async fn write(&self, register: u8, value: u32) -> CommandResult {
        self.bus.write(&self.motor, self.model, register, value).await
    }

    pub(super) fn wanted(&self) -> Vec<(u8, u32)> {
        self.wanted.borrow().registers().to_vec()
    }

    pub(super) fn wanted_register(&self, register: u8) -> Option<u32> {
        self.wanted.borrow().register(register)
    }

    /// Sets a field for good.
    pub(super) async fn set_field(&self, field: &Field, value: i64) -> CommandResult {
        let register = self.wanted.borrow_mut().set(field, value);
        self.write(field.register, register).await
    }

    /// Sets a field in the chip alone, until [`TmcDriver::write_back`].
    pub(super) async fn write_over(&self, field: &str, value: i64) -> CommandResult {
        let Some(field) = self.model.field(field) else { return Ok(()) };
        let wanted = self.wanted_register(field.register).unwrap_or(0);
        // Two fields of one register may be changed together.
        let other = match (self.model.stall, field.name) {
            (Stall::SpreadOnly, "diag0_stall" | "diag1_stall") => {
                self.model.field("en_pwm_mode").map(|f| f.put(wanted, 0))
            }
            _ => None,
        };
        self.write(field.register, field.put(other.unwrap_or(wanted), value)).await
    }

    pub(super) async fn write_back(&self, field: &str) -> CommandResult {
        let Some(field) = self.model.field(field) else { return Ok(()) };
        self.write(field.register, self.wanted_register(field.register).unwrap_or(0)).await
    }

    // ---- current

    pub(super) fn max_current_a(&self) -> f64 {
        max_current_a(self.model, self.sense_ohm)
    }

    /// Run and hold current that the registers stand for.
    pub fn current_a(&self) -> (f64, f64) {
        let wanted = self.wanted.borrow();
        let get = |name: &str| self.model.field(name).map(|f| wanted.get(f));
        let bits = CurrentBits {
            irun: get("irun").unwrap_or(0) as u8,
            ihold: get("ihold").unwrap_or(0) as u8,
            vsense: get("vsense").map(|v| v != 0),
            scaler: get("globalscaler").map(|v| v as u8),
        };
        self.model.current.amps(self.sense_ohm, bits)
    }

    pub(super) async fn set_current(&self, run_a: Option<f64>, hold_a: Option<f64>) -> CommandResult {
        let hold_follows = self.hold_a.get() >= self.run_a.get();
        self.run_a.set(run_a.unwrap_or(self.run_a.get()));
        match hold_a {
            Some(hold_a) => self.hold_a.set(hold_a),
            None if hold_follows => self.hold_a.set(self.run_a.get()),
            None => {}
        }
        self.want_current();
        for name in ["GLOBALSCALER", "CHOPCONF", "IHOLD_IRUN"] {
            let Some(register) = self.model.register(name) else { continue };
            if let Some(value) = self.wanted_register(register) {
                self.write(register, value).await?;
            }
        }
        Ok(())
    }

    // ---- watching

    /// A number for who watches now; whoever watched before stops.
    pub(super) fn new_watch(&self) -> u64 {
        self.watch.set(self.watch.get() + 1);
        self.watch.get()
    }

    pub(super) fn is_watched(&self, session: u64) -> bool {
        self.watch.get() == session
    }

    pub(super) fn note_status(&self, status: Option<u32>) {
        self.status.set(status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tstep_is_the_clocks_between_microsteps() {
        // 80 steps/mm at 16 microsteps: 1280 of the 256ths in a mm; at 100 mm/s 128 kHz of them.
        let microstep = 1.0 / 1280.0;
        assert_eq!(tstep(microstep, 100.0), (12e6_f64 / 128_000.0).round() as i64);
        assert_eq!(tstep(microstep, 0.0), 0xf_ffff);
        assert_eq!(tstep(microstep, 1e-9), 0xf_ffff);
    }
}
