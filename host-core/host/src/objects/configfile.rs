//! `printer.configfile`, and SAVE_CONFIG: what calibrations found goes into printer.cfg.
//!
//! The host writes no files: SAVE_CONFIG gives its shell the new text of the main file ([`Output::File`]) and asks to be
//! started again ([`Output::Restart`]). Keeping the old file under another name is for the shell, which has a clock.

use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use crate::config::{ConfigError, SaveConfig};
use crate::printer::{Object, Output, Printer, Value};
use crate::reactor::EventTime;

struct ConfigFile {
    printer: Weak<Printer>,
}

impl Object for ConfigFile {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let printer = self.printer.upgrade()?;
        let warnings: Vec<Value> = printer.config.warnings().iter().map(warning).collect();
        let mut items: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (section, option, value) in printer.pending() {
            items.entry(section).or_default().insert(option, value);
        }
        Some(minijinja::context! {
            config => printer.config.raw_status(),
            settings => printer.config.settings_status(),
            warnings,
            save_config_pending => !items.is_empty(),
            save_config_pending_items => items,
        })
    }
}

fn warning(problem: &ConfigError) -> Value {
    minijinja::context! {
        type => "config",
        message => problem.to_string(),
        section => problem.section.as_str(),
        option => problem.option.as_str(),
    }
}

/// Always there, with or without anything to save.
pub fn load(printer: &Rc<Printer>) {
    printer.add_object("configfile", Rc::new(ConfigFile { printer: Rc::downgrade(printer) }));
    printer.gcode.register("SAVE_CONFIG", "Overwrite config file and restart", |printer, _| {
        let pending = printer.pending();
        if pending.is_empty() {
            return Ok(());
        }
        let mut save = SaveConfig::new();
        pending.iter().for_each(|(section, option, value)| save.set(section, option, value));
        let path = printer.config.main_path().to_string();
        let text = save.new_text(&printer.config)?;
        printer.log(format!("SAVE_CONFIG to '{path}'"));
        printer.emit(Output::File { path, content: text.into_bytes() });
        printer.emit(Output::Restart { firmware: false });
        Ok(())
    });
}
