//! The lines of G-code around the playhead, and what must stand before them so that they mean what they meant there.

use std::io::{Read, Seek};
use std::path::Path;

use drydock_recording::{Command, Error, Header, Move, Reader, Thermal};
use drydock_scenario::model::{Act, Scenario};
use drydock_view_model::Settings;
use drydock_view_model::settings::Sets;

/// What is printed before the part that is looked at, so that it is entered at speed and at pressure, s.
const LEAD_S: f64 = 1.0;
/// Lines from which on a hot end counts as printing; below, nothing is heated.
const WARM_C: f64 = 60.0;

/// A stretch of the print.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbourhood {
    /// Where the toolhead stands when the first line begins, mm.
    pub start_mm: [f64; 3],
    /// Brings the printer into the state that the first line found.
    pub setup: Vec<String>,
    /// The lines, with their numbers in the print file.
    pub lines: Vec<(u32, String)>,
    /// The first and last line (numbers in the print file) that are looked at: those before are the run-up.
    pub shown: (u32, u32),
    /// What the settings are when the first line begins.
    pub settings: Settings,
}

/// What G-code remembers from line to line.
#[derive(Default)]
struct Modal {
    relative: bool,
    relative_e: bool,
    e_mm: f64,
    feedrate: Option<f64>,
    fan: Option<String>,
    factors: [Option<String>; 2],
    offset: Option<String>,
}

impl Modal {
    fn after_line(&mut self, line: &str) {
        let code = line.split(';').next().unwrap_or_default();
        let mut words = code.split_whitespace();
        let Some(name) = words.next() else { return };
        match name.to_ascii_uppercase().as_str() {
            "G0" | "G1" | "G2" | "G3" | "G00" | "G01" | "G92" => {
                for word in words {
                    let Some((letter, value)) = word.split_at_checked(1) else { continue };
                    let Ok(value) = value.parse::<f64>() else { continue };
                    match letter {
                        "F" | "f" => self.feedrate = Some(value),
                        "E" | "e" if !self.relative_e || name.eq_ignore_ascii_case("G92") => self.e_mm = value,
                        _ => {}
                    }
                }
            }
            "G90" => self.relative = false,
            "G91" => self.relative = true,
            "M82" => self.relative_e = false,
            "M83" => self.relative_e = true,
            "M106" | "M107" => self.fan = Some(code.trim().to_string()),
            "M220" => self.factors[0] = Some(code.trim().to_string()),
            "M221" => self.factors[1] = Some(code.trim().to_string()),
            "SET_GCODE_OFFSET" => self.offset = Some(code.trim().to_string()),
            _ => {}
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.offset.clone());
        lines.push(if self.relative { "G91" } else { "G90" }.into());
        lines.push(if self.relative_e { "M83" } else { "M82" }.into());
        lines.push(format!("G92 E{}", self.e_mm));
        lines.extend(self.factors.iter().flatten().cloned());
        lines.extend(self.fan.clone());
        lines.extend(self.feedrate.map(|f| format!("G1 F{f}")));
        lines
    }
}

impl Neighbourhood {
    /// The lines that were under way from `around_s` before `at_ns` to as long after it. `settings`: what printer.cfg says.
    /// None where nothing of the print file was under way.
    pub fn of<S: Read + Seek>(
        reader: &mut Reader<S>,
        settings: Settings,
        at_ns: u64,
        around_s: f64,
    ) -> Result<Option<Neighbourhood>, Error> {
        let around_ns = (around_s * 1e9) as u64;
        let (from_ns, to_ns) = (at_ns.saturating_sub(around_ns), at_ns.saturating_add(around_ns));
        let begin_ns = from_ns.saturating_sub((LEAD_S * 1e9) as u64);
        let (mut modal, mut settings) = (Modal::default(), settings);
        for line in typed_before(reader.header()) {
            modal.after_line(&line);
            settings.after_line(&line);
        }
        let mut lines: Vec<Command> = Vec::new();
        for command in reader.rows::<Command>(0..to_ns) {
            let command = command?;
            // Line 0 came from a macro, which the line that called it will call again.
            if command.line_no > 0 && (command.at_ns >= begin_ns || !lines.is_empty()) {
                lines.push(command);
            } else if lines.is_empty() {
                modal.after_line(&command.text);
                settings.after_line(&command.text);
            }
        }
        let Some(first) = lines.first() else { return Ok(None) };
        let first_ns = first.at_ns;
        // Where the first move at or after the first line begins.
        let Some(start) = reader.rows::<Move>(first_ns.saturating_sub(1000)..u64::MAX).next().transpose()? else {
            return Ok(None);
        };
        let mut setup = Vec::new();
        for (i, heater) in reader.header().heaters.clone().iter().enumerate() {
            let target_c = target_of(reader, i, first_ns)?;
            // A bed takes minutes to heat, and moves nothing.
            if target_c >= WARM_C && heater != "heater_bed" {
                setup.push(format!("SET_HEATER_TEMPERATURE HEATER={heater} TARGET={target_c}"));
                setup.push(format!("TEMPERATURE_WAIT SENSOR={heater} MINIMUM={}", target_c - 1.0));
            }
        }
        setup.extend(modal.lines());
        let last = lines.last().map_or(0, |c| c.line_no);
        let shown_first = lines.iter().rev().find(|c| c.at_ns <= from_ns).map_or(first.line_no, |c| c.line_no);
        Ok(Some(Neighbourhood {
            start_mm: start.start_mm,
            setup,
            shown: (shown_first, last),
            lines: lines.into_iter().map(|c| (c.line_no, c.text)).collect(),
            settings,
        }))
    }

    /// The print file of the stretch with other settings. What the file itself says about a setting that is changed is
    /// left out: its line stays, empty, so that lines keep their places.
    pub fn gcode(&self, settings: &Settings) -> String {
        let mut text = String::new();
        for (_, line) in &self.lines {
            let overruled = Sets::of(line).is_some_and(|sets| sets.differ(&self.settings, settings));
            text.push_str(if overruled { ";" } else { line });
            text.push('\n');
        }
        text
    }
}

/// What was typed before the file was printed; what macros did in between is not known.
fn typed_before(header: &Header) -> Vec<String> {
    let story = Scenario::parse(Path::new("recording"), &header.scenario_ron).map(|s| s.story).unwrap_or_default();
    let acts = story.into_iter().take_while(|act| !matches!(act, Act::Print(_)));
    acts.flat_map(|act| if let Act::Gcode(lines) = act { lines } else { Vec::new() }).collect()
}

fn target_of<S: Read + Seek>(reader: &mut Reader<S>, heater: usize, at_ns: u64) -> Result<f64, Error> {
    let mut target = 0.0;
    for row in reader.rows::<Thermal>(at_ns.saturating_sub(2_000_000_000)..at_ns.saturating_add(1_000_000_000)) {
        let row = row?;
        if usize::from(row.heater) == heater && (row.at_ns <= at_ns || target == 0.0) {
            target = row.target_c;
        }
    }
    Ok(target)
}
