//! SAVE_CONFIG: pending values, and the text of the file that keeps them.
//!
//! Nothing is written here: [`SaveConfig::new_text`] gives the new contents of the main file, and the shell keeps the
//! old one, writes the new one and restarts the host.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{ConfigError, Place};
use super::parse::{RawSection, SAVE_MARKER, split_saved};
use super::section::Config;

type Pending = BTreeMap<String, BTreeMap<String, String>>;

/// Values that a calibration has found and that SAVE_CONFIG will keep.
#[derive(Clone, Debug, Default)]
pub struct SaveConfig {
    pending: Pending,
    removed: BTreeSet<String>,
}

impl SaveConfig {
    pub fn new() -> Self {
        Self::default()
    }

    /// The block at the end of a file's text; empty where there is none.
    pub fn block(text: &str) -> &str {
        split_saved(text).1.unwrap_or_default()
    }

    /// Keeps a value; lines of a longer value are separated by newlines.
    pub fn set(&mut self, section: &str, option: &str, value: &str) {
        let options = self.pending.entry(section.to_string()).or_default();
        options.insert(option.to_lowercase(), value.to_string());
    }

    /// Drops a section from the block, with all that is pending for it.
    pub fn remove_section(&mut self, section: &str) {
        self.pending.remove(section);
        self.removed.insert(section.to_string());
    }

    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty() || !self.removed.is_empty()
    }

    /// Section, option, value: the `save_config_pending_items` of the status.
    pub fn pending(&self) -> &BTreeMap<String, BTreeMap<String, String>> {
        &self.pending
    }

    /// The new contents of the main file. Refused where an included file holds another value of a saved option.
    pub fn new_text(&self, config: &Config) -> Result<String, ConfigError> {
        let block = self.new_block(config);
        let main = config.main_path();
        let mut commented = BTreeSet::new();
        for (section, options) in &block {
            let Some(raw) = config.raw_section(section) else { continue };
            for (option, value) in options {
                for (place, lines, old) in written_by_hand(raw, option) {
                    if *place.file == *main {
                        commented.extend(place.line..place.line + lines);
                    } else if old.trim() != value.trim() {
                        return Err(conflict(section, option, place));
                    }
                }
            }
        }
        let text = config.files().first().map_or("", |f| f.text.as_str());
        let (regular, _) = split_saved(text);
        let mut out = String::with_capacity(text.len() + 1024);
        for (number, line) in (1u32..).zip(regular.trim_end().split('\n')) {
            if commented.contains(&number) && !line.trim().is_empty() && !line.starts_with('#') {
                out.push('#');
            }
            out.push_str(line);
            out.push('\n');
        }
        write_block(&mut out, &block);
        Ok(out)
    }

    /// The sections of the new block: those that are there in their order, then new ones.
    fn new_block(&self, config: &Config) -> Vec<(String, Vec<(String, String)>)> {
        let mut saved: Vec<(u32, &str, &str, &str)> = Vec::new();
        for section in config.raw_sections().iter().filter(|s| !self.removed.contains(&s.name)) {
            for option in section.options.iter().filter(|o| o.autosave) {
                saved.push((option.name_place.line, &section.name, &option.name, &option.value));
            }
        }
        saved.sort();
        let mut block: Vec<(String, Vec<(String, String)>)> = Vec::new();
        let mut put = |section: &str, option: &str, value: &str| {
            let at = block.iter().position(|(name, _)| name == section).unwrap_or_else(|| {
                block.push((section.to_string(), Vec::new()));
                block.len() - 1
            });
            match block[at].1.iter_mut().find(|(name, _)| name == option) {
                Some(pair) => pair.1 = value.to_string(),
                None => block[at].1.push((option.to_string(), value.to_string())),
            }
        };
        saved.iter().for_each(|(_, section, option, value)| put(section, option, value));
        for (section, options) in &self.pending {
            options.iter().for_each(|(option, value)| put(section, option, value));
        }
        block
    }
}

/// Place, number of lines and value of each time an option stands outside the block.
fn written_by_hand<'a>(section: &'a RawSection, option: &str) -> Vec<(&'a Place, u32, &'a str)> {
    let Some(raw) = section.option(option) else { return Vec::new() };
    let last = (&raw.name_place, raw.value.as_str(), raw.autosave);
    let earlier = raw.overrides.iter().map(|o| (&o.name_place, o.value.as_str(), o.autosave));
    let all = earlier.chain([last]).filter(|(_, _, autosave)| !autosave);
    all.map(|(place, value, _)| (place, 1 + value.matches('\n').count() as u32, value)).collect()
}

fn conflict(section: &str, option: &str, place: &Place) -> ConfigError {
    ConfigError::new(format!("SAVE_CONFIG section '{section}' option '{option}' conflicts with included value"))
        .in_section(section)
        .in_option(option)
        .at(place.clone())
        .help("remove the option from the included file, or write the new value there by hand")
}

fn write_block(out: &mut String, block: &[(String, Vec<(String, String)>)]) {
    if block.is_empty() {
        return;
    }
    out.push('\n');
    out.push_str(SAVE_MARKER);
    out.push_str("\n#*# DO NOT EDIT THIS BLOCK OR BELOW. The contents are auto-generated.\n");
    for (section, options) in block {
        out.push_str(&format!("#*#\n#*# [{section}]\n"));
        for (option, value) in options {
            let mut lines = value.split('\n');
            let first = format!("#*# {option} = {}", lines.next().unwrap_or("").trim());
            out.push_str(first.trim_end());
            out.push('\n');
            for line in lines.map(str::trim).filter(|l| !l.is_empty()) {
                out.push_str(&format!("#*# \t  {line}\n"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::MapSource;
    use super::*;

    fn parse(text: &str) -> Config {
        Config::parse(&MapSource::new([("printer.cfg", text)]), "printer.cfg").unwrap()
    }

    const TEXT: &str = "[extruder]\npid_kp: 20 # by hand\ngcode:\n  G1\n\n  G2\nmax_temp: 250\n\n\
        #*# <---------------------- SAVE_CONFIG ---------------------->\n\
        #*# DO NOT EDIT THIS BLOCK OR BELOW. The contents are auto-generated.\n\
        #*#\n#*# [bed_mesh default]\n#*# version = 1\n#*# points =\n#*# \t  0.1, 0.2\n#*# \t  0.3, 0.4\n";

    #[test]
    fn values_are_kept_and_what_they_override_is_commented_out() {
        let mut save = SaveConfig::new();
        save.set("extruder", "pid_Kp", "22.500");
        save.set("extruder", "gcode", "X");
        let text = save.new_text(&parse(TEXT)).unwrap();
        let expected = "[extruder]\n#pid_kp: 20 # by hand\n#gcode:\n#  G1\n\n#  G2\nmax_temp: 250\n\n\
            #*# <---------------------- SAVE_CONFIG ---------------------->\n\
            #*# DO NOT EDIT THIS BLOCK OR BELOW. The contents are auto-generated.\n\
            #*#\n#*# [bed_mesh default]\n#*# version = 1\n#*# points =\n#*# \t  0.1, 0.2\n#*# \t  0.3, 0.4\n\
            #*#\n#*# [extruder]\n#*# gcode = X\n#*# pid_kp = 22.500\n";
        assert_eq!(text, expected);
        let config = parse(&text);
        let section = config.section("extruder").unwrap();
        assert_eq!(section.float("pid_kp").required().unwrap(), 22.5);
        let rows = config.section("bed_mesh default").unwrap().float_rows("points", ',', 2).required().unwrap();
        assert_eq!(rows, [[0.1, 0.2], [0.3, 0.4]]);
        assert_eq!(SaveConfig::new().new_text(&config).unwrap(), text, "saving nothing changes nothing");
    }

    #[test]
    fn a_removed_section_leaves_the_block() {
        let mut save = SaveConfig::new();
        save.remove_section("bed_mesh default");
        assert!(save.is_pending());
        assert!(!save.new_text(&parse(TEXT)).unwrap().contains("#*#"));
    }

    #[test]
    fn an_included_value_refuses_the_save() {
        let source = MapSource::new([("printer.cfg", "[include a.cfg]\n"), ("a.cfg", "[extruder]\npid_kp: 1\n")]);
        let config = Config::parse(&source, "printer.cfg").unwrap();
        let mut save = SaveConfig::new();
        save.set("extruder", "pid_kp", "2");
        let error = save.new_text(&config).unwrap_err();
        assert_eq!(error.message, "SAVE_CONFIG section 'extruder' option 'pid_kp' conflicts with included value");
        assert_eq!((error.file(), error.line()), ("a.cfg", 2));
    }
}
