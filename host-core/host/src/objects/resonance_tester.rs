//! `[resonance_tester]`: TEST_RESONANCES, SHAPER_CALIBRATE, MEASURE_AXES_NOISE.
//!
//! ```text
//! point -> axis -> chips start -> shake (sweep) -> chips finish -> spectrum -> files, fits, pending configuration
//! ```
//! A test raises the limits of the tool head and takes the input shaper out; both come back however it ends.

mod shake;
mod sweep;

use std::rc::Rc;

use crate::config::{ConfigError, Section, nearest};
use crate::gcode::{Command, CommandError};
use crate::objects::adxl345::{Adxl345, name_suffix};
use crate::objects::input_shaper::InputShaper;
use crate::printer::dispatch::CommandResult;
use crate::printer::{Object, Output, Printer};
use crate::shaper_calibrate::{FitOptions, Sample, Spectrum, csv, find_best};
use shake::shake;
pub use sweep::{Segment, Sweep};

/// The machine calms down between a move and the test.
const SETTLE_S: f64 = 0.5;
/// Spectra are of use somewhat beyond the highest frequency of the test.
const USEFUL_BEYOND: f64 = 1.5;
const NOISE_S: f64 = 2.0;
const MIN_MAX_SMOOTHING_MM: f64 = 0.05;

pub struct ResonanceTester {
    /// Axes that a chip measures (`xy`), and the section of the chip.
    chips: Vec<(&'static str, String)>,
    points: Vec<[f64; 3]>,
    flat: Sweep,
    upright: Sweep,
    move_speed_mm_s: f64,
    max_smoothing_mm: Option<f64>,
}

impl Object for ResonanceTester {}

/// A direction to shake in, and its name in messages and files.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    name: String,
    direction: [f64; 3],
}

impl Axis {
    fn named(index: usize) -> Axis {
        let mut direction = [0.0; 3];
        direction[index] = 1.0;
        Axis { name: ["x", "y", "z"][index].to_string(), direction }
    }

    /// `X`, or a direction such as `1,-1`.
    fn parse(text: &str) -> Result<Axis, CommandError> {
        let lower = text.trim().to_lowercase();
        if let Some(index) = ["x", "y", "z"].iter().position(|axis| *axis == lower) {
            return Ok(Axis::named(index));
        }
        let invalid = || CommandError::new(format!("Invalid AXIS '{text}': X, Y, Z or a direction such as 1,-1"));
        let parts: Option<Vec<f64>> =
            lower.split(',').map(|p| p.trim().parse().ok().filter(|v: &f64| v.is_finite())).collect();
        let parts = parts.filter(|p| matches!(p.len(), 2 | 3)).ok_or_else(invalid)?;
        let length = parts.iter().map(|v| v * v).sum::<f64>().sqrt();
        if length < 1e-9 {
            return Err(invalid());
        }
        let words: Vec<String> = parts.iter().map(|v| format!("{v:.3}")).collect();
        let mut direction = [0.0; 3];
        direction.iter_mut().zip(&parts).for_each(|(d, p)| *d = p / length);
        Ok(Axis { name: format!("axis={}", words.join(",")), direction })
    }

    fn uses(&self, axes: &str) -> bool {
        ["x", "y", "z"].iter().zip(self.direction).any(|(name, d)| d != 0.0 && axes.contains(name))
    }
}

/// What a command asks for, over what printer.cfg says.
struct Request {
    axes: Vec<Axis>,
    points: Vec<[f64; 3]>,
    /// The points go into messages and names.
    name_points: bool,
    chips: Option<Vec<Rc<Adxl345>>>,
    shaped: bool,
    /// Raw data files with this suffix.
    raw_suffix: Option<String>,
    wants_spectra: bool,
}

impl ResonanceTester {
    pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
        let this = Rc::new(ResonanceTester {
            chips: read_chips(section)?,
            points: read_points(section)?,
            flat: read_sweep(section, "", [135.0, 60.0, 400.0])?,
            upright: read_sweep(section, "_z", [100.0, 15.0, 50.0])?,
            move_speed_mm_s: section.float("move_speed").above(0.0).or(50.0)?,
            max_smoothing_mm: section.float("max_smoothing").min(MIN_MAX_SMOOTHING_MM).optional()?,
        });
        printer.add_object("resonance_tester", this.clone());
        let (me, section) = (this.clone(), section.clone());
        printer.after_load(move |printer| me.check_chips(printer, &section));
        register(printer, &this);
        Ok(())
    }

    fn check_chips(&self, printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
        for (_, chip) in &self.chips {
            if printer.lookup::<Adxl345>(chip).is_none() {
                let option = ["accel_chip", "accel_chip_x", "accel_chip_y", "accel_chip_z"];
                let option = option.into_iter().find(|o| section.raw(o) == Some(chip)).unwrap_or("accel_chip");
                let error = section.error(option, format!("Unknown accelerometer '{chip}'"));
                let known: Vec<String> = printer.lookup_all::<Adxl345>().into_iter().map(|(name, _)| name).collect();
                return Err(match nearest(chip, known.iter().map(String::as_str)) {
                    Some(near) => error.help(format!("did you mean '{near}'?")),
                    None if known.is_empty() => error.help(format!("add a [{chip}] section")),
                    None => error.help(format!("one of: {}", known.join(", "))),
                });
            }
        }
        Ok(())
    }

    /// The sweep for an axis with what the command changes.
    fn sweep(&self, axis: &Axis, command: &Command<'_>) -> Result<Sweep, CommandError> {
        let base = if axis.direction[2] != 0.0 { self.upright } else { self.flat };
        let min_freq_hz = command.float("FREQ_START").min(1.0).or(base.min_freq_hz)?;
        Ok(Sweep {
            min_freq_hz,
            max_freq_hz: command.float("FREQ_END").above(min_freq_hz).max(300.0).or(base.max_freq_hz)?,
            accel_per_hz: command.float("ACCEL_PER_HZ").above(0.0).or(base.accel_per_hz)?,
            hz_per_s: command.float("HZ_PER_SEC").min(0.1).max(2.0).or(base.hz_per_s)?,
            sway_accel_mm_s2: command.float("SWEEPING_ACCEL").min(0.0).or(base.sway_accel_mm_s2)?,
            sway_period_s: command.float("SWEEPING_PERIOD").min(0.0).or(base.sway_period_s)?,
        })
    }

    fn chips_for(&self, printer: &Printer, axis: &Axis, request: &Request) -> Result<Vec<Rc<Adxl345>>, CommandError> {
        let configured = || self.chips.iter().filter(|(axes, _)| axis.uses(axes));
        let chips = match &request.chips {
            Some(chips) => chips.clone(),
            None => configured().filter_map(|(_, name)| printer.lookup(name)).collect(),
        };
        match chips.is_empty() {
            true => Err(CommandError::new(format!(
                "No accelerometer for axis {}; set accel_chip{} in [resonance_tester]",
                axis.name,
                if axis.name == "z" { "_z" } else { "" }
            ))),
            false => Ok(chips),
        }
    }

    fn request(&self, printer: &Printer, command: &Command<'_>, axes: Vec<Axis>) -> Result<Request, CommandError> {
        let point = command.text("POINT").optional().map(|text| parse_point(command, text)).transpose()?;
        let chips = command.text("CHIPS").optional().map(|text| parse_chips(printer, command, text)).transpose()?;
        Ok(Request {
            axes,
            points: point.map_or_else(|| self.points.clone(), |p| vec![p]),
            name_points: point.is_some() || self.points.len() > 1,
            chips,
            shaped: command.int("INPUT_SHAPING").or(0)? != 0,
            raw_suffix: None,
            wants_spectra: true,
        })
    }

    /// Shakes at every point in every direction; one spectrum per axis, over all points and chips.
    async fn run(
        &self,
        printer: &Rc<Printer>,
        command: &Command<'_>,
        request: &Request,
    ) -> Result<Vec<Spectrum>, CommandError> {
        // All that can be wrong is found before anything moves.
        for axis in &request.axes {
            self.sweep(axis, command)?;
            let chips = self.chips_for(printer, axis, request)?;
            if let Some(busy) = chips.iter().find(|c| c.is_measuring()) {
                return Err(CommandError::new(format!(
                    "{} is measuring already; end that with ACCELEROMETER_MEASURE",
                    busy.name()
                )));
            }
        }
        let mut spectra: Vec<Option<Spectrum>> = vec![None; request.axes.len()];
        for point in &request.points {
            let [x, y, z] = point.map(Some);
            printer.toolhead().manual_move([x, y, z, None], self.move_speed_mm_s)?;
            if request.name_points {
                printer
                    .gcode
                    .respond_info(&format!("Probing point ({:.3}, {:.3}, {:.3})", point[0], point[1], point[2]));
            }
            for (axis, joined) in request.axes.iter().zip(&mut spectra) {
                printer.toolhead().wait_moves().await;
                printer.toolhead().dwell(SETTLE_S);
                if request.axes.len() > 1 {
                    printer.gcode.respond_info(&format!("Testing axis {}", axis.name.to_uppercase()));
                }
                let sweep = self.sweep(axis, command)?;
                let chips = self.chips_for(printer, axis, request)?;
                let recordings = measure_shaking(printer, &chips, axis, &sweep, request.shaped).await?;
                for (chip, samples) in chips.iter().zip(recordings) {
                    if let Some(suffix) = &request.raw_suffix {
                        let chip = (chips.len() > 1).then(|| chip.name());
                        let path = file_name("raw_data", axis, chip, request.name_points.then_some(point), suffix);
                        printer.gcode.respond_info(&format!("Writing raw accelerometer data to {path} file"));
                        printer.emit(Output::File { path, content: csv::raw_data(&samples).into_bytes() });
                    }
                    if request.wants_spectra {
                        let spectrum = spectrum_of(chip, &samples)?;
                        match joined {
                            Some(joined) => joined.add(&spectrum),
                            None => *joined = Some(spectrum),
                        }
                    }
                }
            }
        }
        Ok(spectra.into_iter().flatten().collect())
    }

    async fn test_resonances(&self, printer: &Rc<Printer>, command: &Command<'_>) -> CommandResult {
        let axis = Axis::parse(command.text("AXIS").required()?)?;
        let outputs: Vec<String> =
            command.text("OUTPUT").or("resonances").split(',').map(|o| o.trim().to_lowercase()).collect();
        if let Some(other) = outputs.iter().find(|o| !matches!(o.as_str(), "resonances" | "raw_data")) {
            let message = format!("Unsupported output '{other}', only 'resonances' and 'raw_data' are supported");
            return Err(CommandError::new(message));
        }
        let suffix = name_suffix(printer, command)?;
        let mut request = self.request(printer, command, vec![axis.clone()])?;
        request.raw_suffix = outputs.contains(&"raw_data".to_string()).then(|| suffix.clone());
        request.wants_spectra = outputs.contains(&"resonances".to_string());
        let spectra = self.run(printer, command, &request).await?;
        let max_freq_hz = self.sweep(&axis, command)?.max_freq_hz * USEFUL_BEYOND;
        for spectrum in spectra {
            let path = file_name("resonances", &axis, None, None, &suffix);
            printer.gcode.respond_info(&format!("Resonances data written to {path} file"));
            printer.emit(Output::File { path, content: csv::spectrum(&spectrum, &[], max_freq_hz).into_bytes() });
        }
        Ok(())
    }

    async fn shaper_calibrate(&self, printer: &Rc<Printer>, command: &Command<'_>) -> CommandResult {
        let axes = match command.text("AXIS").optional() {
            None => vec![Axis::named(0), Axis::named(1)],
            Some(text) => match ["x", "y", "z"].iter().position(|axis| text.eq_ignore_ascii_case(axis)) {
                Some(index) => vec![Axis::named(index)],
                None => return Err(command.error(format!("Unsupported axis '{text}'"))),
            },
        };
        let max_smoothing_mm = command.float("MAX_SMOOTHING").min(MIN_MAX_SMOOTHING_MM).optional()?;
        let suffix = name_suffix(printer, command)?;
        let request = self.request(printer, command, axes)?;
        let spectra = self.run(printer, command, &request).await?;
        for (axis, mut spectrum) in request.axes.iter().zip(spectra) {
            let name = &axis.name;
            printer.gcode.respond_info(&format!("Calculating the best input shaper parameters for {name} axis"));
            spectrum.normalise();
            let options = FitOptions {
                square_corner_velocity_mm_s: printer.toolhead().limits().square_corner_velocity_mm_s,
                max_smoothing_mm: max_smoothing_mm.or(self.max_smoothing_mm),
                max_freq_hz: Some(self.sweep(axis, command)?.max_freq_hz * USEFUL_BEYOND),
                ..FitOptions::default()
            };
            let answer = find_best(&spectrum, &options);
            answer.fits.iter().for_each(|fit| printer.gcode.respond_info(&fit.report()));
            let best = answer.recommended();
            let (kind, freq) = (best.name, format!("{:.1}", best.freq_hz));
            let message = format!("Recommended shaper_type_{name} = {kind}, shaper_freq_{name} = {freq} Hz");
            printer.gcode.respond_info(&message);
            if printer.lookup::<InputShaper>("input_shaper").is_some() {
                let upper = name.to_uppercase();
                let script = format!("SET_INPUT_SHAPER SHAPER_TYPE_{upper}={kind} SHAPER_FREQ_{upper}={freq}");
                printer.gcode.run_script_from_command(printer, &script).await?;
            }
            printer.set_pending("input_shaper", &format!("shaper_type_{name}"), kind);
            printer.set_pending("input_shaper", &format!("shaper_freq_{name}"), &freq);
            let path = file_name("calibration_data", axis, None, None, &suffix);
            printer.gcode.respond_info(&format!("Shaper calibration data written to {path} file"));
            let max_freq_hz = options.max_freq_hz.unwrap_or_default();
            let content = csv::spectrum(&spectrum, &answer.fits, max_freq_hz).into_bytes();
            printer.emit(Output::File { path, content });
        }
        printer.gcode.respond_info(
            "The SAVE_CONFIG command will update the printer config file\nwith these parameters and restart the printer.",
        );
        Ok(())
    }

    async fn axes_noise(&self, printer: &Rc<Printer>, command: &Command<'_>) -> CommandResult {
        let seconds = command.float("MEAS_TIME").above(0.0).or(NOISE_S)?;
        let chips: Vec<(&str, Rc<Adxl345>)> =
            self.chips.iter().filter_map(|(axes, name)| Some((*axes, printer.lookup::<Adxl345>(name)?))).collect();
        let mut started = Vec::new();
        for (axes, chip) in &chips {
            // One chip may serve several axes.
            if !started.iter().any(|(_, other): &(&str, Rc<Adxl345>)| Rc::ptr_eq(other, chip)) {
                if let Err(error) = chip.start().await {
                    stop_all(started.iter().map(|(_, chip)| chip)).await;
                    return Err(error);
                }
                started.push((*axes, chip.clone()));
            }
        }
        printer.reactor.sleep(seconds).await;
        let mut recordings = Vec::new();
        for (_, chip) in &started {
            recordings.push(chip.finish().await);
        }
        for ((_, chip), recording) in started.iter().zip(recordings) {
            let spectrum = spectrum_of(chip, &recording?)?;
            for (axes, _) in chips.iter().filter(|(_, c)| Rc::ptr_eq(c, chip)) {
                let [x, y, z] = [0, 1, 2].map(|axis| spectrum.mean(axis));
                let message = format!("Axes noise for {axes}-axis accelerometer: {x:.6} (x), {y:.6} (y), {z:.6} (z)");
                printer.gcode.respond_info(&message);
            }
        }
        Ok(())
    }
}

async fn stop_all(chips: impl Iterator<Item = &Rc<Adxl345>>) {
    for chip in chips {
        // The first error is the one to tell.
        let _ = chip.finish().await;
    }
}

/// Shakes with the chips running; each chip's samples from the first to the last move.
async fn measure_shaking(
    printer: &Rc<Printer>,
    chips: &[Rc<Adxl345>],
    axis: &Axis,
    sweep: &Sweep,
    shaped: bool,
) -> Result<Vec<Vec<Sample>>, CommandError> {
    for (i, chip) in chips.iter().enumerate() {
        if let Err(error) = chip.start().await {
            stop_all(chips[..i].iter()).await;
            return Err(error);
        }
    }
    let toolhead = printer.toolhead();
    let start_s = toolhead.last_move_time();
    let shaken = shake(printer, axis.direction, sweep, shaped).await;
    if let Err(error) = shaken {
        stop_all(chips.iter()).await;
        return Err(error);
    }
    let end_s = toolhead.last_move_time();
    toolhead.wait_moves().await;
    let mut recordings = Vec::new();
    for chip in chips {
        recordings.push(chip.finish().await);
    }
    let within = |samples: Vec<Sample>| samples.into_iter().filter(|s| (start_s..=end_s).contains(&s.time_s)).collect();
    recordings.into_iter().map(|samples| samples.map(within)).collect()
}

fn spectrum_of(chip: &Adxl345, samples: &[Sample]) -> Result<Spectrum, CommandError> {
    if samples.is_empty() {
        return Err(CommandError::new(format!("accelerometer '{}' measured no data", chip.name())));
    }
    Spectrum::from_samples(samples).map_err(|e| CommandError::new(format!("accelerometer '{}': {e}", chip.name())))
}

fn file_name(base: &str, axis: &Axis, chip: Option<&str>, point: Option<&[f64; 3]>, suffix: &str) -> String {
    let mut name = format!("{base}_{}", axis.name);
    if let Some(chip) = chip {
        name.push_str(&format!("_{}", chip.replace(' ', "_")));
    }
    if let Some([x, y, z]) = point {
        name.push_str(&format!("_{x:.3}_{y:.3}_{z:.3}"));
    }
    format!("{name}_{suffix}.csv")
}

fn parse_point(command: &Command<'_>, text: &str) -> Result<[f64; 3], CommandError> {
    let parts: Option<Vec<f64>> =
        text.split(',').map(|p| p.trim().parse().ok().filter(|v: &f64| v.is_finite())).collect();
    let point = parts.and_then(|p| p.try_into().ok());
    point.ok_or_else(|| command.error(format!("Invalid POINT parameter: {text} is not x,y,z")))
}

fn parse_chips(printer: &Printer, command: &Command<'_>, text: &str) -> Result<Vec<Rc<Adxl345>>, CommandError> {
    let find = |name: &str| {
        let name = name.trim();
        let chip = printer.lookup::<Adxl345>(name).or_else(|| printer.lookup(&format!("adxl345 {name}")));
        chip.ok_or_else(|| command.error(format!("'{name}' is not an accelerometer of printer.cfg")))
    };
    text.trim_matches('"').split(',').map(find).collect()
}

fn read_chips(section: &Section) -> Result<Vec<(&'static str, String)>, ConfigError> {
    let both = section.text("accel_chip").optional()?;
    let (x, y) = (section.text("accel_chip_x").optional()?, section.text("accel_chip_y").optional()?);
    let z = section.text("accel_chip_z").optional()?;
    let mut chips = match (both, x, y) {
        (Some(both), None, None) => vec![("xy", both)],
        (Some(_), _, _) => {
            let error = section.error("accel_chip", "accel_chip stands beside accel_chip_x or accel_chip_y");
            return Err(error.help("give accel_chip alone, or accel_chip_x and accel_chip_y"));
        }
        (None, Some(x), Some(y)) if x == y => vec![("xy", x)],
        (None, Some(x), Some(y)) => vec![("x", x), ("y", y)],
        (None, None, None) => return Err(section.missing("accel_chip")),
        (None, Some(_), None) => return Err(section.missing("accel_chip_y")),
        (None, None, Some(_)) => return Err(section.missing("accel_chip_x")),
    };
    chips.extend(z.map(|z| ("z", z)));
    Ok(chips)
}

fn read_points(section: &Section) -> Result<Vec<[f64; 3]>, ConfigError> {
    let rows = section.float_rows("probe_points", ',', 3).required()?;
    let points: Vec<[f64; 3]> = rows.into_iter().filter_map(|row| row.try_into().ok()).collect();
    match points.is_empty() {
        true => Err(section.error("probe_points", "at least one point is needed").help("one x, y, z on each line")),
        false => Ok(points),
    }
}

/// `defaults`: highest frequency, acceleration per Hz, acceleration of the sway.
fn read_sweep(section: &Section, suffix: &str, defaults: [f64; 3]) -> Result<Sweep, ConfigError> {
    let min_freq_hz = section.float("min_freq").min(1.0).or(5.0)?;
    let option = |name: &str| format!("{name}{suffix}");
    Ok(Sweep {
        min_freq_hz,
        max_freq_hz: section.float(&option("max_freq")).above(min_freq_hz).max(300.0).or(defaults[0])?,
        accel_per_hz: section.float(&option("accel_per_hz")).above(0.0).or(defaults[1])?,
        hz_per_s: section.float("hz_per_sec").min(0.1).max(2.0).or(1.0)?,
        sway_accel_mm_s2: section.float(&option("sweeping_accel")).min(0.0).or(defaults[2])?,
        sway_period_s: section.float("sweeping_period").min(0.0).or(1.2)?,
    })
}

fn register(printer: &Rc<Printer>, tester: &Rc<ResonanceTester>) {
    let gcode = &printer.gcode;
    let me = tester.clone();
    gcode.register_async("TEST_RESONANCES", "Runs the resonance test for a specified axis", move |printer, command| {
        let me = me.clone();
        async move { me.test_resonances(&printer, &command).await }
    });
    let me = tester.clone();
    let help = "Similar to TEST_RESONANCES but suggest input shaper config";
    gcode.register_async("SHAPER_CALIBRATE", help, move |printer, command| {
        let me = me.clone();
        async move { me.shaper_calibrate(&printer, &command).await }
    });
    let me = tester.clone();
    gcode.register_async(
        "MEASURE_AXES_NOISE",
        "Measures noise of all enabled accelerometer chips",
        move |printer, command| {
            let me = me.clone();
            async move { me.axes_noise(&printer, &command).await }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_is_a_letter_or_a_direction() {
        assert_eq!(Axis::parse("X").unwrap(), Axis::named(0));
        let belt = Axis::parse("1,-1").unwrap();
        assert_eq!(belt.name, "axis=1.000,-1.000");
        assert!((belt.direction[0] - 0.5f64.sqrt()).abs() < 1e-15 && belt.direction[0] == -belt.direction[1]);
        assert!(belt.uses("xy") && belt.uses("y") && !belt.uses("z"));
        for bad in ["", "A", "0,0", "1", "1,2,3,4", "1,nan"] {
            assert!(Axis::parse(bad).unwrap_err().to_string().starts_with("Invalid AXIS"), "{bad}");
        }
    }

    #[test]
    fn files_are_named_as_scripts_expect_them() {
        let x = Axis::named(0);
        assert_eq!(file_name("raw_data", &x, None, None, "a"), "raw_data_x_a.csv");
        let name = file_name("raw_data", &x, Some("adxl345 bed"), Some(&[1.0, 2.0, 3.5]), "a");
        assert_eq!(name, "raw_data_x_adxl345_bed_1.000_2.000_3.500_a.csv");
    }
}
