//! A part printed in the twin with a pair of shapers, under the conditions that a printer meets in its life.

use drydock_analysis::Study;
use drydock_plant::Machine;
use drydock_plant::bed_surface::BedSurface;

use super::candidate::Shaper;
use crate::parts::{part_of_chance, search_part};
use crate::predict::Ringing;
use crate::printer::{Job, Printer, Run};
use crate::{Failure, Work};

/// A print under a condition.
#[derive(Clone)]
pub struct Trial {
    pub name: String,
    job: Job,
}

/// Samples of the position a second: what rings at 100 Hz has 20 a swing.
const SAMPLE_HZ: f64 = 2000.0;
/// A whole print may be long: what comes first rings like the rest.
const LONGEST_S: f64 = 1800.0;

impl Trial {
    /// The user's print, as it is.
    pub fn of_print(gcode: &str) -> Trial {
        let job = Job { record: true, sample_hz: SAMPLE_HZ, end_s: LONGEST_S, ..Job::print(gcode) };
        Trial { name: "the print".into(), job }
    }

    /// The part that settings are searched on.
    pub fn search(printer: &Printer) -> Trial {
        let [part, _] = places(printer);
        Trial::part("the search part", printer, search_part(part.0, part.1))
    }

    /// What settings are validated on, and were not searched on: each condition has a part of its own.
    pub fn others(printer: &Printer) -> Vec<Trial> {
        let [here, there] = places(printer);
        let mut seed = 0;
        let mut on = |name: &str, place: ([f64; 2], f64)| {
            seed += 1;
            Trial::part(name, printer, part_of_chance(place.0, place.1, seed))
        };
        vec![
            on("another part", here),
            on("a third one at another place", there),
            on("worn belts: all modes 7 % lower", here).softened(printer, [0.93; 3], 1.0),
            on("new belts, cold room: all modes 4 % higher", there).softened(printer, [1.04; 3], 1.1),
            on("a heavy part and a full spool: X 2 %, Y 6 % lower", there).softened(printer, [0.98, 0.94, 1.0], 1.0),
            on("far corner: X 3 % higher, Y 3 % lower", here).softened(printer, [1.03, 0.97, 1.0], 1.0),
            on("dry rails: damping 0.7 times", there).softened(printer, [1.0; 3], 0.7),
            on("half the acceleration", here).slower(printer, 0.5),
        ]
    }

    fn part(name: &str, printer: &Printer, gcode: String) -> Trial {
        let mut machine = printer.machine.clone();
        machine.bed_surface = BedSurface::flat();
        // Nothing has to be heated to see how a wall rings.
        machine.extruders.iter_mut().for_each(|e| e.heater = None);
        let [x, y] = printer.middle_mm();
        let append = if printer.has("extruder") { "\n[extruder]\nmin_extrude_temp: 0\n" } else { "" };
        let job = Job {
            machine: Some(machine),
            append: append.into(),
            start_mm: Some([x, y, 10.0]),
            record: true,
            sample_hz: SAMPLE_HZ,
            ..Job::print(&gcode)
        };
        Trial { name: name.into(), job }
    }

    /// With the modes' frequencies changed, by the axis that shakes them, and their damping.
    pub fn softened(mut self, printer: &Printer, by: [f64; 3], damping: f64) -> Trial {
        let machine = self.job.machine.get_or_insert_with(|| printer.machine.clone());
        machine.modes = softened(machine, by, damping);
        self
    }

    /// With the acceleration changed.
    pub fn slower(mut self, printer: &Printer, by: f64) -> Trial {
        let accel = printer.number("printer", "max_accel").unwrap_or(3000.0) * by;
        self.job = self.job.before([format!("SET_VELOCITY_LIMIT ACCEL={accel:.0}")]);
        self
    }

    /// Prints it. None: stopped.
    pub fn run(&self, printer: &Printer, pair: &[Shaper; 2], work: &Work) -> Result<Option<Run>, Failure> {
        let mut job = self.job.clone();
        job.append.push_str(&section(pair));
        printer.run(&job, work)
    }

    pub fn ringing(&self, printer: &Printer, pair: &[Shaper; 2], work: &Work) -> Result<Option<Ringing>, Failure> {
        self.run(printer, pair, work)?.map(|run| ringing(&run)).transpose()
    }
}

/// Two places on the bed, with how large a part may be there.
fn places(printer: &Printer) -> [([f64; 2], f64); 2] {
    let [low, high] = printer.reach_mm();
    let at = |part: f64| [0, 1].map(|i| low[i] + part * (high[i] - low[i]));
    let room = (high[0] - low[0]).min(high[1] - low[1]);
    let size = (0.3 * room).clamp(20.0, 50.0);
    [(at(0.4), size), (at(0.65), 1.1 * size)]
}

pub fn softened(machine: &Machine, by: [f64; 3], damping: f64) -> Vec<drydock_plant::frame::Mode> {
    let mut modes = machine.modes.clone();
    for mode in &mut modes {
        let size: f64 = mode.excited_by.iter().map(|e| e.abs()).sum();
        if size > 0.0 {
            mode.freq_hz *= mode.excited_by.iter().zip(by).map(|(e, by)| e.abs() * by).sum::<f64>() / size;
        }
        mode.damping *= damping;
    }
    modes
}

pub fn ringing(run: &Run) -> Result<Ringing, Failure> {
    let mut reader = run.reader()?;
    let study = Study::of(&mut [("", &mut reader)], &drydock_analysis::Options::default())?;
    let seen = study.runs.first().map(|r| r.ringing).unwrap_or_default();
    Ok(Ringing { peak_um: seen.peak_um, rms_um: seen.rms_um, off_um: run.outcome.peak_ringing_um })
}

/// The pair in printer.cfg's words.
pub fn section(pair: &[Shaper; 2]) -> String {
    let mut text = String::from("\n[input_shaper]\n");
    for (axis, shaper) in ["x", "y"].iter().zip(pair) {
        let Shaper { kind, freq_hz, damping } = shaper;
        text.push_str(&format!(
            "shaper_type_{axis}: {kind}\nshaper_freq_{axis}: {freq_hz}\ndamping_ratio_{axis}: {damping}\n"
        ));
    }
    text
}
