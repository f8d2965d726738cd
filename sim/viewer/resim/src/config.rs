//! The printer.cfg of a run: what it says of the settings, and how changed ones are written into it.

use std::fmt;
use std::path::{Path, PathBuf};

use drydock_host::config::{Config, FileSource, MapSource, SaveConfig};
use drydock_recording::Header;
use drydock_scenario::disk::{DiskSource, replace_kept};
use drydock_scenario::model::Scenario;
use drydock_view_model::settings::{Change, DAMPING};
use drydock_view_model::{HeaterGains, Settings, Shaper};

use crate::Failure;

pub const CONFIG: &str = "printer.cfg";

/// The printer.cfg of the run. Recordings of older programs hold its files one after another, includes and all.
pub fn printer_cfg(header: &Header) -> String {
    let kept = header.printer_cfg.lines().filter(|line| !line.trim_start().starts_with("[include "));
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// What the printer.cfg of the run says.
pub fn settings_of(header: &Header) -> Result<Settings, Failure> {
    Ok(settings(&parse(&printer_cfg(header))?))
}

fn settings(config: &Config) -> Settings {
    let number =
        |section: &str, option: &str| config.raw_section(section)?.option(option)?.value.trim().parse::<f64>().ok();
    let text = |section: &str, option: &str| Some(config.raw_section(section)?.option(option)?.value.clone());
    let shaper = |axis: char| {
        let freq_hz = number("input_shaper", &format!("shaper_freq_{axis}")).filter(|hz| *hz > 0.0)?;
        let kind = text("input_shaper", &format!("shaper_type_{axis}")).or(text("input_shaper", "shaper_type"));
        let damping = number("input_shaper", &format!("damping_ratio_{axis}")).unwrap_or(DAMPING);
        Some(Shaper { kind: kind.unwrap_or_else(|| "mzv".into()), freq_hz, damping })
    };
    let heaters = config.names().filter(|name| text(name, "control").is_some_and(|c| c.trim() == "pid"));
    let gains = |name: &str| {
        let [kp, ki, kd] = ["pid_kp", "pid_ki", "pid_kd"].map(|option| number(name, option));
        Some(HeaterGains { name: name.to_string(), kp: kp?, ki: ki?, kd: kd? })
    };
    Settings {
        shaper_x: shaper('x'),
        shaper_y: shaper('y'),
        pressure_advance_s: number("extruder", "pressure_advance").unwrap_or(0.0),
        smooth_time_s: number("extruder", "pressure_advance_smooth_time").unwrap_or(0.04),
        heaters: heaters.filter_map(gains).collect(),
        max_accel_mm_s2: number("printer", "max_accel").unwrap_or(0.0),
        square_corner_velocity_mm_s: number("printer", "square_corner_velocity").unwrap_or(5.0),
    }
}

fn parse(text: &str) -> Result<Config, Failure> {
    let (config, errors) = Config::parse_lenient(&MapSource::new([(CONFIG, text)]), CONFIG);
    // An include that is elsewhere leaves its line as it is.
    match errors.into_iter().find(|e| !e.section.starts_with("include ")) {
        Some(error) => Err(Failure(error.to_string())),
        None => Ok(config),
    }
}

/// A printer.cfg with changed options in its SAVE_CONFIG block, as SAVE_CONFIG would write it.
pub fn save_config(printer_cfg: &str, changes: &[Change]) -> Result<String, Failure> {
    let config = parse(printer_cfg)?;
    let mut save = SaveConfig::new();
    changes.iter().for_each(|c| save.set(&c.section, c.option, &c.value));
    save.new_text(&config).map_err(|e| Failure(e.to_string()))
}

/// Where settings have been written to, and what of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub path: PathBuf,
    /// The name under which the file before is kept.
    pub kept: Option<PathBuf>,
    pub changes: Vec<Change>,
    /// Why this is not the file that the run was made with.
    pub beside: Option<String>,
    /// The file's SAVE_CONFIG block.
    pub block: String,
}

/// In one line, for people.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let options = match self.changes.len() {
            0 => return write!(f, "{path} says so already"),
            1 => "1 option".into(),
            n => format!("{n} options"),
        };
        match &self.kept {
            Some(kept) => {
                let name = kept.file_name().unwrap_or_default().display();
                write!(f, "{path}: {options} changed; as it was, it is kept beside it as {name}")?;
            }
            None => write!(f, "{path} is written, with {options} changed")?,
        }
        self.beside.as_ref().map_or(Ok(()), |why| write!(f, " ({why})"))
    }
}

/// Writes settings into the printer.cfg that the run was made with, as SAVE_CONFIG does. Where that is not to be found,
/// or says something else by now, into one beside the recording. `known`: where the same run's settings went before.
pub fn write_settings(
    recording: &Path,
    header: &Header,
    to: &Settings,
    known: Option<&Path>,
) -> Result<Written, Failure> {
    let was = settings_of(header)?;
    let found = known.map_or_else(|| made_with(header, &was), |path| Ok(path.to_path_buf()));
    let (path, beside) = match found {
        Ok(path) => (path, None),
        Err(why) => (recording.with_file_name(CONFIG), Some(why)),
    };
    let said = |e: std::io::Error| Failure(format!("{}: {e}", path.display()));
    let there = path.is_file();
    let (text, was) = match there {
        true => (std::fs::read_to_string(&path).map_err(said)?, settings_in(&path)?),
        false => (printer_cfg(header), was),
    };
    let changes = was.changes(to);
    let new = if changes.is_empty() && there { text } else { save_config(&text, &changes)? };
    let block = SaveConfig::block(&new).to_owned();
    let kept = match there {
        true if changes.is_empty() => None,
        true => Some(replace_kept(&path, new.as_bytes()).map_err(said)?),
        false => {
            std::fs::write(&path, &new).map_err(said)?;
            None
        }
    };
    Ok(Written { path, kept, changes, beside, block })
}

/// The file that the run was made with, if it still says what it said then; else why not.
fn made_with(header: &Header, was: &Settings) -> Result<PathBuf, String> {
    let Ok(scenario) = Scenario::parse(Path::new("recording"), &header.scenario_ron) else {
        return Err("the recording does not say which printer.cfg it was made with".into());
    };
    // As it was given; a scenario gives it from its own folder, which the command names.
    let name = Path::new(&scenario.config);
    let words = header.command.split_whitespace().map(Path::new);
    let folders = words.flat_map(|word| [Some(word), word.parent()]).flatten().map(|folder| folder.join(name));
    let Some(path) = std::iter::once(name.to_path_buf()).chain(folders).find(|path| path.is_file()) else {
        return Err(format!("{}, which the run was made with, is not here", name.display()));
    };
    match settings_in(&path) {
        Ok(now) if now == *was => Ok(path),
        Ok(_) => Err(format!("{} says something else than when the run was made", path.display())),
        Err(Failure(why)) => Err(why),
    }
}

/// What a file on the disk says, with all that it includes.
fn settings_in(path: &Path) -> Result<Settings, Failure> {
    let name = path.display().to_string();
    DiskSource.read(&name).map_err(|why| Failure(format!("{name}: {why}")))?;
    let (config, errors) = Config::parse_lenient(&DiskSource, &name);
    match errors.into_iter().next() {
        Some(error) => Err(Failure(error.to_string())),
        None => Ok(settings(&config)),
    }
}
