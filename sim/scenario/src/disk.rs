//! The real file system, as the host's traits want it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::setup::Disk;
use crate::text::io_cause;
use drydock_host::config::FileSource;
use drydock_host::files::{Files, PrintFile};

/// Files where their paths say.
pub struct RealDisk;

impl Disk for RealDisk {
    fn source(&self) -> &dyn FileSource {
        &DiskSource
    }

    fn prints(&self, files: Vec<(String, PathBuf)>) -> Rc<dyn Files> {
        Rc::new(DiskFiles::new(files))
    }
}

/// Reads printer.cfg and its includes; paths are as the user gave them.
pub struct DiskSource;

impl FileSource for DiskSource {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|e| io_cause(&e))
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let (folder, name) = pattern.rsplit_once('/').unwrap_or((".", pattern));
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let mut found: Vec<String> = entries
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|file| drydock_host::config::glob_match(name, file))
            .map(|file| if pattern.contains('/') { format!("{folder}/{file}") } else { file })
            .collect();
        found.sort();
        found
    }
}

/// Print files by name, and small text files kept in memory so that a simulated run changes nothing on disk.
pub struct DiskFiles {
    prints: BTreeMap<String, PathBuf>,
    texts: RefCell<BTreeMap<String, String>>,
}

impl DiskFiles {
    pub fn new(prints: impl IntoIterator<Item = (String, PathBuf)>) -> DiskFiles {
        DiskFiles { prints: prints.into_iter().collect(), texts: RefCell::default() }
    }
}

impl Files for DiskFiles {
    fn open_print(&self, name: &str) -> Option<Box<dyn PrintFile>> {
        DiskPrint::open(self.prints.get(name)?).ok().map(|f| Box::new(f) as Box<dyn PrintFile>)
    }

    fn list_prints(&self) -> Vec<(String, u64)> {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |m| m.len());
        self.prints.iter().map(|(name, path)| (name.clone(), size(path))).collect()
    }

    fn read_text(&self, path: &str) -> Option<String> {
        self.texts.borrow().get(path).cloned().or_else(|| std::fs::read_to_string(path).ok())
    }

    fn write_text(&self, path: &str, text: &str) -> Result<(), String> {
        self.texts.borrow_mut().insert(path.to_string(), text.to_string());
        Ok(())
    }
}

struct DiskPrint {
    file: std::fs::File,
    size: u64,
    at: u64,
}

impl DiskPrint {
    fn open(path: &Path) -> std::io::Result<DiskPrint> {
        let file = std::fs::File::open(path)?;
        let size = file.metadata()?.len();
        Ok(DiskPrint { file, size, at: 0 })
    }
}

impl PrintFile for DiskPrint {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, String> {
        let mut read = || {
            if offset != self.at {
                self.file.seek(SeekFrom::Start(offset))?;
            }
            let n = self.file.read(buffer)?;
            self.at = offset + n as u64;
            Ok::<usize, std::io::Error>(n)
        };
        read().map_err(|e| e.to_string())
    }
}

/// `printer-20260807_120000.cfg` beside `printer.cfg`, as Klipper names the one that SAVE_CONFIG replaces; in UTC.
pub fn backup_name(path: &Path) -> PathBuf {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{}.cfg", stamp(seconds)))
}

/// Puts a new file in the place of an old one, which is kept under its [`backup_name`], with a number where a file of the
/// same second has that already; gives that name. There is a file at `path` at every moment but the one between two
/// renames.
pub fn replace_kept(path: &Path, content: &[u8]) -> std::io::Result<PathBuf> {
    let (new, mut backup) = (path.with_extension("cfg.new"), backup_name(path));
    let stem = backup.file_stem().unwrap_or_default().display().to_string();
    let mut nth = 1;
    while backup.exists() {
        nth += 1;
        backup.set_file_name(format!("{stem}-{nth}.cfg"));
    }
    std::fs::write(&new, content)?;
    std::fs::rename(path, &backup)?;
    std::fs::rename(&new, path)?;
    Ok(backup)
}

/// `YYYYMMDD_HHMMSS` of seconds since 1970.
fn stamp(seconds: u64) -> String {
    let (days, second) = ((seconds / 86_400) as i64, seconds % 86_400);
    // Years begin with March here, so that the leap day is the last: eras of 400 years, 146,097 days each.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}_{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_dates() {
        for (seconds, expected) in [
            (0, "19700101_000000"),
            (951_782_399, "20000228_235959"),
            (951_782_400, "20000229_000000"),
            (1_709_251_200, "20240301_000000"),
            (1_798_761_599, "20261231_235959"),
        ] {
            assert_eq!(stamp(seconds), expected);
        }
    }
}
