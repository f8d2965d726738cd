//! `[input_shaper]`: which shaper each axis has, and SET_INPUT_SHAPER.

use std::cell::RefCell;
use std::rc::Rc;

use drydock_motion::shapers::{AnyShaper, Pulses, ShaperError};

use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::printer::dispatch::CommandResult;
use crate::printer::{Event, Object, Printer};

const AXES: [&str; 3] = ["x", "y", "z"];
const DEFAULT_DAMPING: f64 = 0.1;

#[derive(Clone, Debug, PartialEq)]
struct AxisShaper {
    kind: String,
    freq_hz: f64,
    damping: f64,
}

impl AxisShaper {
    /// None: this axis is not shaped.
    fn pulses(&self) -> Result<Option<Pulses>, ShaperError> {
        if self.freq_hz == 0.0 {
            return Ok(None);
        }
        AnyShaper::parse(&self.kind)?.pulses(self.freq_hz, self.damping).map(Some)
    }
}

/// Why a shaper cannot be, in words.
fn describe(error: &ShaperError) -> String {
    let known: Vec<&str> = AnyShaper::ALL.iter().map(AnyShaper::name).collect();
    match error {
        ShaperError::UnknownShaper { name } => format!("Unsupported shaper type: {name} (known: {})", known.join(", ")),
        ShaperError::BadArgument { text } => {
            format!("shaper argument '{text}' is not understood: mzv takes n=, t= or tau=")
        }
        ShaperError::TooFewPulses { n } => format!("mzv needs at least 3 pulses, not {n}"),
        ShaperError::TooManyPulses { n, max } => format!("{n} pulses are more than the {max} that a shaper may have"),
        ShaperError::TooLong { n, t } => {
            format!("{n} pulses are too few for a duration of {t} periods: n must be above 2t + 1")
        }
        ShaperError::NotPositive { argument } => format!("shaper argument {argument} must be above 0"),
        ShaperError::NegativePulse => "these shaper arguments need an amplitude below zero".to_string(),
        ShaperError::DampingOutOfRange { damping, max } => {
            format!("damping ratio {damping} is too high for this shaper: at most {max}")
        }
        ShaperError::FrequencyNotPositive { freq_hz } => format!("shaper frequency {freq_hz} must be above 0"),
    }
}

pub struct InputShaper {
    axes: RefCell<[AxisShaper; 3]>,
    disabled: RefCell<bool>,
}

impl Object for InputShaper {}

impl InputShaper {
    pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
        let both = section.text("shaper_type").or("mzv")?;
        let mut axes = Vec::new();
        for axis in AXES {
            let option = format!("shaper_type_{axis}");
            let shaper = AxisShaper {
                kind: section.text(&option).or(&both)?,
                freq_hz: section.float(&format!("shaper_freq_{axis}")).min(0.0).or(0.0)?,
                damping: section.float(&format!("damping_ratio_{axis}")).min(0.0).below(1.0).or(DEFAULT_DAMPING)?,
            };
            shaper.pulses().map_err(|e| section.error(&option, describe(&e)))?;
            axes.push(shaper);
        }
        let axes: [AxisShaper; 3] = axes.try_into().expect("three axes");
        let this = Rc::new(InputShaper { axes: RefCell::new(axes), disabled: RefCell::new(false) });
        printer.add_object("input_shaper", this.clone());
        let (me, weak) = (this.clone(), Rc::downgrade(printer));
        printer.on(Event::Connect, move || {
            if let Some(printer) = weak.upgrade() {
                me.apply(&printer);
            }
        });
        printer.gcode.register(
            "SET_INPUT_SHAPER",
            "Set cartesian parameters for input shaper",
            move |printer, command| this.command(printer, command),
        );
        Ok(())
    }

    fn command(&self, printer: &Rc<Printer>, command: &crate::gcode::Command<'_>) -> CommandResult {
        let mut axes = self.axes.borrow().clone();
        let all = command.get("SHAPER_TYPE");
        let mut given = false;
        for (axis, shaper) in AXES.iter().zip(&mut axes) {
            let upper = axis.to_uppercase();
            if let Some(kind) = command.get(&format!("SHAPER_TYPE_{upper}")).or(all) {
                shaper.kind = kind.to_lowercase();
                given = true;
            }
            let mut number = |key: String, field: &mut f64, below: f64| -> CommandResult {
                if let Some(value) = command.float(&key).min(0.0).below(below).optional()? {
                    *field = value;
                    given = true;
                }
                Ok(())
            };
            number(format!("SHAPER_FREQ_{upper}"), &mut shaper.freq_hz, f64::INFINITY)?;
            number(format!("DAMPING_RATIO_{upper}"), &mut shaper.damping, 1.0)?;
            shaper.pulses().map_err(|e| CommandError::new(describe(&e)))?;
        }
        if given {
            *self.axes.borrow_mut() = axes;
            self.apply(printer);
        }
        for (axis, s) in AXES.iter().zip(&*self.axes.borrow()) {
            let line = format!(
                "shaper_type_{axis}:{} shaper_freq_{axis}:{:.3} damping_ratio_{axis}:{:.6}",
                s.kind, s.freq_hz, s.damping
            );
            printer.gcode.respond_info(&line);
        }
        Ok(())
    }

    /// Gives the motors their shapers; nothing may be under way while windows change.
    fn apply(&self, printer: &Rc<Printer>) {
        let toolhead = printer.toolhead();
        toolhead.flush_step_generation();
        toolhead.trapq.borrow_mut().settle();
        for (axis, shaper) in self.axes.borrow().iter().enumerate() {
            // Parameters were checked when they were taken.
            let pulses = if *self.disabled.borrow() { None } else { shaper.pulses().ok().flatten() };
            toolhead.machine.steppers().iter().for_each(|s| s.set_shaper(axis, pulses.clone()));
        }
        toolhead.machine.refresh_window();
    }

    /// Resonance tests excite the bare machine.
    pub fn disable(&self, printer: &Rc<Printer>) {
        *self.disabled.borrow_mut() = true;
        self.apply(printer);
    }

    pub fn enable(&self, printer: &Rc<Printer>) {
        *self.disabled.borrow_mut() = false;
        self.apply(printer);
    }
}
