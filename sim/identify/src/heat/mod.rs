//! Hot ends and beds from temperature traces: what a trace is, how it is read, what of it can be fitted, the fit.

pub mod fit;
pub mod read;
pub mod report;
pub mod under_control;
pub mod window;

use std::path::PathBuf;

use drydock_host::config::Config;
use drydock_host::thermal::control::Control;

/// One moment of a heater.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub t_s: f64,
    pub temp_c: f64,
    /// Target, where the file tells it.
    pub target_c: Option<f64>,
    /// Share of full power.
    pub duty: f64,
    /// Part fan, share of full speed, where the file tells it.
    pub fan: Option<f64>,
    /// The machine prints: fan and flow of filament may be anything.
    pub busy: bool,
}

/// One heater over time, as one file tells it.
#[derive(Clone, Debug)]
pub struct Trace {
    pub path: PathBuf,
    pub heater: String,
    pub samples: Vec<Sample>,
    /// Places in `samples` where the clock jumps: nothing may be concluded across them.
    pub breaks: Vec<usize>,
    /// Coldest air that the file tells of, degrees C.
    pub ambient_c: Option<f64>,
    /// How much later than its row a power acts on the temperature of a row, s: what is logged is decided, and acts a report
    /// later; the temperature was read half a report before.
    pub delay_s: f64,
    /// How the machine held the target then, where its configuration is known.
    pub control: Option<Control>,
    /// What is odd about the trace, for people.
    pub flags: Vec<String>,
}

impl Trace {
    /// Takes the heater's control from its section of a printer.cfg, unless the file told it. What is missing or wrong there
    /// is not for here: the trace is then judged without.
    pub fn controlled_by(&mut self, config: &Config) {
        let section = config.section(&self.heater).or(config.section(&format!("heater_generic {}", self.heater)));
        self.control = self.control.or(section.and_then(|s| Control::load(&s).ok()));
    }
}
