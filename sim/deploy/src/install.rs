//! The tuned printer.cfg in the place of the old one, which is kept.
//!
//! The new file is written whole beside the old one and then takes its name, so that there is a printer.cfg at every
//! moment. The old one is kept under the name that Klipper's SAVE_CONFIG gives to what it replaces.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::stop::{Kind, Stop, io};

#[derive(Debug, Clone)]
pub struct Install {
    pub tuned: PathBuf,
    pub place: PathBuf,
}

impl Install {
    /// What is wrong with it, before anything is touched.
    pub fn check(&self) -> Result<String, Stop> {
        let text = fs::read_to_string(&self.tuned)
            .map_err(|e| Stop::usage(io(&self.tuned, &e), "give the tuned printer.cfg with --config"))?;
        let has_printer = text.lines().any(|line| line.trim_end() == "[printer]" || line.starts_with("[include "));
        if !has_printer {
            let what = format!("{} has no [printer] section", self.tuned.display());
            return Err(Stop::usage(what, "is it a printer.cfg? `drydock check` says more"));
        }
        if self.place.is_dir() {
            let what = format!("--install-config {} is a folder", self.place.display());
            return Err(Stop::usage(what, "give the printer.cfg itself"));
        }
        Ok(text)
    }

    /// The name under which the old file is kept: `printer-20260131_154210.cfg`.
    pub fn backup(&self, time: &jiff::civil::DateTime) -> PathBuf {
        let stem = self.place.file_stem().unwrap_or_default().to_string_lossy();
        self.place.with_file_name(format!("{stem}-{}.cfg", time.strftime("%Y%m%d_%H%M%S")))
    }

    pub fn run(&self, time: &jiff::civil::DateTime) -> Result<Vec<String>, Stop> {
        let text = self.check()?;
        let failed = |path: &Path, error: std::io::Error| {
            Stop::new(
                Kind::Failed,
                format!("printer.cfg was not installed: {}", io(path, &error)),
                "the old one is in place",
            )
        };
        let old = match fs::read(&self.place) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&self.place, error)),
        };
        if old.as_deref() == Some(text.as_bytes()) {
            return Ok(vec![format!("{} is the tuned one already", self.place.display())]);
        }
        let mut done = Vec::new();
        if let Some(old) = &old {
            let backup = self.backup(time);
            put(&backup, old, true).map_err(|e| failed(&backup, e))?;
            done.push(format!("kept the old printer.cfg as {}", backup.display()));
        }
        let part = self.place.with_extension("cfg.part");
        let take_its_place = || {
            put(&part, text.as_bytes(), false)?;
            if let Ok(metadata) = fs::metadata(&self.place) {
                fs::set_permissions(&part, metadata.permissions())?;
            }
            fs::rename(&part, &self.place)
        };
        if let Err(error) = take_its_place() {
            let _ = fs::remove_file(&part);
            return Err(failed(&self.place, error));
        }
        if let Some(folder) = self.place.parent() {
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        done.push(format!("installed {} as {}", self.tuned.display(), self.place.display()));
        Ok(done)
    }
}

fn put(path: &Path, bytes: &[u8], new: bool) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    let options = if new { options.create_new(true) } else { options.create(true).truncate(true) };
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: jiff::civil::DateTime = jiff::civil::date(2026, 1, 31).at(15, 42, 10, 0);

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("drydock-install-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn the_old_file_is_kept_under_klippers_name_and_the_new_one_takes_its_place() {
        let folder = folder("kept");
        let install = Install { tuned: folder.join("tuned.cfg"), place: folder.join("printer.cfg") };
        fs::write(&install.tuned, "[printer]\nnew: 1\n").unwrap();
        fs::write(&install.place, "[printer]\nold: 1\n").unwrap();
        install.run(&TIME).unwrap();
        assert_eq!(fs::read_to_string(folder.join("printer-20260131_154210.cfg")).unwrap(), "[printer]\nold: 1\n");
        assert_eq!(fs::read_to_string(&install.place).unwrap(), "[printer]\nnew: 1\n");
        assert_eq!(install.run(&TIME).unwrap().len(), 1, "a second time there is nothing to do");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3, "and nothing is left over");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_older_backup_is_never_overwritten() {
        let folder = folder("twice");
        let install = Install { tuned: folder.join("tuned.cfg"), place: folder.join("printer.cfg") };
        fs::write(&install.tuned, "[printer]\n").unwrap();
        fs::write(&install.place, "[printer]\nold: 1\n").unwrap();
        fs::write(install.backup(&TIME), "older").unwrap();
        assert_eq!(install.run(&TIME).unwrap_err().kind, Kind::Failed);
        assert_eq!(fs::read_to_string(&install.place).unwrap(), "[printer]\nold: 1\n");
        assert_eq!(fs::read_to_string(install.backup(&TIME)).unwrap(), "older");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_printer_cfg_is_refused() {
        let folder = folder("wrong");
        let install = Install { tuned: folder.join("tuned.cfg"), place: folder.join("printer.cfg") };
        assert!(install.run(&TIME).is_err());
        fs::write(&install.tuned, "G28\n").unwrap();
        assert!(install.run(&TIME).unwrap_err().what.contains("[printer]"));
        fs::remove_dir_all(folder).unwrap();
    }
}
