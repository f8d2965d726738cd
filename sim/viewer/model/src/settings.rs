//! What can be tuned by looking: the values of a printer.cfg that the tuning panel has sliders for.

use serde::{Deserialize, Serialize};

/// The shapers that Klipper knows, by their names in printer.cfg.
pub const SHAPERS: [&str; 6] = ["zv", "mzv", "zvd", "ei", "2hump_ei", "3hump_ei"];

/// `damping_ratio_x` where printer.cfg has none.
pub const DAMPING: f64 = 0.1;

/// The shaper of one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shaper {
    /// One of [`SHAPERS`], or mzv with arguments.
    pub kind: String,
    pub freq_hz: f64,
    pub damping: f64,
}

/// PID gains of one heater, in printer.cfg's units (duty 0..255 a degree).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeaterGains {
    /// Its section: `extruder`, `heater_bed`, `heater_generic NAME`.
    pub name: String,
    pub kp: f64,
    pub ki: f64,
    pub kd: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// None: this axis is not shaped.
    pub shaper_x: Option<Shaper>,
    pub shaper_y: Option<Shaper>,
    pub pressure_advance_s: f64,
    pub smooth_time_s: f64,
    /// Heaters with `control: pid`.
    pub heaters: Vec<HeaterGains>,
    pub max_accel_mm_s2: f64,
    pub square_corner_velocity_mm_s: f64,
}

/// One option of printer.cfg that is to have another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub section: String,
    pub option: &'static str,
    pub value: String,
}

/// Which of the settings a line of G-code sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sets {
    Shaper,
    PressureAdvance,
    Limits,
}

impl Sets {
    pub fn of(line: &str) -> Option<Sets> {
        match line.split_whitespace().next()?.to_ascii_uppercase().as_str() {
            "SET_INPUT_SHAPER" => Some(Sets::Shaper),
            "SET_PRESSURE_ADVANCE" => Some(Sets::PressureAdvance),
            "SET_VELOCITY_LIMIT" | "M204" => Some(Sets::Limits),
            _ => None,
        }
    }

    /// Whether these differ.
    pub fn differ(self, a: &Settings, b: &Settings) -> bool {
        match self {
            Sets::Shaper => a.shaper_x != b.shaper_x || a.shaper_y != b.shaper_y,
            Sets::PressureAdvance => a.pressure_advance_s != b.pressure_advance_s || a.smooth_time_s != b.smooth_time_s,
            Sets::Limits => {
                a.max_accel_mm_s2 != b.max_accel_mm_s2 || a.square_corner_velocity_mm_s != b.square_corner_velocity_mm_s
            }
        }
    }
}

impl Settings {
    /// The settings as a line of G-code leaves them.
    pub fn after_line(&mut self, line: &str) {
        let Some(sets) = Sets::of(line) else { return };
        let upper = line.to_ascii_uppercase();
        let words = || upper.split(';').next().unwrap_or_default().split_whitespace().skip(1);
        let text = |key: &str| words().find_map(|w| w.strip_prefix(key)?.strip_prefix('=').map(str::to_string));
        let number = |key: &str| text(key)?.parse::<f64>().ok().filter(|x| x.is_finite());
        match sets {
            Sets::Shaper => {
                let both = text("SHAPER_TYPE");
                for (axis, shaper) in [("X", &mut self.shaper_x), ("Y", &mut self.shaper_y)] {
                    let kind = text(&format!("SHAPER_TYPE_{axis}")).or(both.clone()).map(|k| k.to_ascii_lowercase());
                    let freq_hz = number(&format!("SHAPER_FREQ_{axis}"));
                    let damping = number(&format!("DAMPING_RATIO_{axis}"));
                    if freq_hz == Some(0.0) {
                        *shaper = None;
                    } else if kind.is_some() || freq_hz.is_some() || damping.is_some() {
                        let old = shaper.take();
                        let freq_hz = freq_hz.or(old.as_ref().map(|s| s.freq_hz));
                        *shaper = freq_hz.map(|freq_hz| Shaper {
                            kind: kind.or(old.as_ref().map(|s| s.kind.clone())).unwrap_or_else(|| "mzv".into()),
                            freq_hz,
                            damping: damping.or(old.map(|s| s.damping)).unwrap_or(DAMPING),
                        });
                    }
                }
            }
            Sets::PressureAdvance => {
                self.pressure_advance_s = number("ADVANCE").unwrap_or(self.pressure_advance_s);
                self.smooth_time_s = number("SMOOTH_TIME").unwrap_or(self.smooth_time_s);
            }
            Sets::Limits => {
                let letter = |key: char| words().find_map(|w| w.strip_prefix(key)?.parse::<f64>().ok());
                let marlin = || letter('S').or_else(|| Some(letter('P')?.min(letter('T')?)));
                let accel = if upper.starts_with("M204") { marlin() } else { number("ACCEL") };
                self.max_accel_mm_s2 = accel.unwrap_or(self.max_accel_mm_s2);
                self.square_corner_velocity_mm_s =
                    number("SQUARE_CORNER_VELOCITY").unwrap_or(self.square_corner_velocity_mm_s);
            }
        }
    }

    /// Lines of G-code that set all of this but the PID gains, which only a printer.cfg sets.
    pub fn as_gcode(&self) -> Vec<String> {
        let mut shaper = "SET_INPUT_SHAPER".to_string();
        for (axis, s) in [("X", &self.shaper_x), ("Y", &self.shaper_y)] {
            match s {
                Some(s) => shaper.push_str(&format!(
                    " SHAPER_TYPE_{axis}={} SHAPER_FREQ_{axis}={} DAMPING_RATIO_{axis}={}",
                    s.kind, s.freq_hz, s.damping
                )),
                None => shaper.push_str(&format!(" SHAPER_FREQ_{axis}=0")),
            }
        }
        vec![
            shaper,
            format!("SET_PRESSURE_ADVANCE ADVANCE={} SMOOTH_TIME={}", self.pressure_advance_s, self.smooth_time_s),
            format!(
                "SET_VELOCITY_LIMIT ACCEL={} SQUARE_CORNER_VELOCITY={}",
                self.max_accel_mm_s2, self.square_corner_velocity_mm_s
            ),
        ]
    }

    /// The options of printer.cfg that make `self` into `to`, in the file's order of sections.
    pub fn changes(&self, to: &Settings) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut number = |section: &str, option: &'static str, old: f64, new: f64, digits: usize| {
            if old != new {
                changes.push(Change { section: section.into(), option, value: trimmed(new, digits) });
            }
        };
        number("printer", "max_accel", self.max_accel_mm_s2, to.max_accel_mm_s2, 1);
        let (old, new) = (self.square_corner_velocity_mm_s, to.square_corner_velocity_mm_s);
        number("printer", "square_corner_velocity", old, new, 2);
        number("extruder", "pressure_advance", self.pressure_advance_s, to.pressure_advance_s, 4);
        number("extruder", "pressure_advance_smooth_time", self.smooth_time_s, to.smooth_time_s, 4);
        for new in &to.heaters {
            let Some(old) = self.heaters.iter().find(|h| h.name == new.name) else { continue };
            number(&new.name, "pid_kp", old.kp, new.kp, 3);
            number(&new.name, "pid_ki", old.ki, new.ki, 3);
            number(&new.name, "pid_kd", old.kd, new.kd, 3);
        }
        const OPTIONS: [[&str; 3]; 2] = [
            ["shaper_type_x", "shaper_freq_x", "damping_ratio_x"],
            ["shaper_type_y", "shaper_freq_y", "damping_ratio_y"],
        ];
        let shapers = [(&self.shaper_x, &to.shaper_x), (&self.shaper_y, &to.shaper_y)];
        for ((old, new), [kind, freq, damping]) in shapers.into_iter().zip(OPTIONS) {
            let mut set = |option, value| changes.push(Change { section: "input_shaper".into(), option, value });
            match (old, new) {
                (Some(_), None) => set(freq, "0".into()),
                (old, Some(new)) => {
                    if old.as_ref().is_none_or(|old| old.kind != new.kind) {
                        set(kind, new.kind.clone());
                    }
                    if old.as_ref().is_none_or(|old| old.freq_hz != new.freq_hz) {
                        set(freq, trimmed(new.freq_hz, 1));
                    }
                    if old.as_ref().map_or(DAMPING, |old| old.damping) != new.damping {
                        set(damping, trimmed(new.damping, 4));
                    }
                }
                (None, None) => {}
            }
        }
        changes
    }
}

/// At most so many digits behind the point, and no zeros at the end of them.
fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if digits == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(kind: &str, freq_hz: f64) -> Option<Shaper> {
        Some(Shaper { kind: kind.into(), freq_hz, damping: DAMPING })
    }

    fn settings() -> Settings {
        Settings {
            shaper_x: shaped("mzv", 62.0),
            shaper_y: None,
            pressure_advance_s: 0.035,
            smooth_time_s: 0.04,
            heaters: vec![HeaterGains { name: "extruder".into(), kp: 26.2, ki: 1.3, kd: 131.7 }],
            max_accel_mm_s2: 7000.0,
            square_corner_velocity_mm_s: 5.0,
        }
    }

    #[test]
    fn lines_of_gcode_set_what_they_set_in_klipper() {
        let mut s = settings();
        for line in [
            "SET_INPUT_SHAPER SHAPER_FREQ_X=0 SHAPER_TYPE_Y=EI SHAPER_FREQ_Y=40.5 ; comment SHAPER_FREQ_Y=1",
            "set_pressure_advance ADVANCE=0.05",
            "M204 P3000 T5000",
            "SET_VELOCITY_LIMIT SQUARE_CORNER_VELOCITY=8",
            "G1 X1 ; SET_PRESSURE_ADVANCE ADVANCE=9",
            "SET_VELOCITY_LIMIT ACCEL=nonsense",
        ] {
            s.after_line(line);
        }
        assert_eq!((&s.shaper_x, &s.shaper_y), (&None, &shaped("ei", 40.5)));
        assert_eq!((s.pressure_advance_s, s.smooth_time_s), (0.05, 0.04));
        assert_eq!((s.max_accel_mm_s2, s.square_corner_velocity_mm_s), (3000.0, 8.0));
        s.after_line("M204 S4000");
        assert_eq!(s.max_accel_mm_s2, 4000.0);
    }

    #[test]
    fn settings_written_as_gcode_are_read_back_from_it() {
        let mut read = Settings { heaters: settings().heaters, ..Settings::default() };
        settings().as_gcode().iter().for_each(|line| read.after_line(line));
        assert_eq!(read, settings());
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let to = Settings {
            shaper_x: None,
            shaper_y: shaped("zv", 37.04),
            pressure_advance_s: 0.05,
            heaters: vec![HeaterGains { name: "extruder".into(), kp: 30.0, ki: 1.3, kd: 131.7 }],
            ..settings()
        };
        let said: Vec<String> =
            settings().changes(&to).iter().map(|c| format!("{} {} {}", c.section, c.option, c.value)).collect();
        let expected = [
            "extruder pressure_advance 0.05",
            "extruder pid_kp 30",
            "input_shaper shaper_freq_x 0",
            "input_shaper shaper_type_y zv",
            "input_shaper shaper_freq_y 37",
        ];
        assert_eq!(said, expected);
        assert_eq!(settings().changes(&settings()), []);
    }
}
