//! The files of a real host: print files where printer.cfg says, variables written for good, the old printer.cfg kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use drydock_host::config::Config;
use drydock_host::files::{Files, PrintFile};

use drydock_scenario::disk::DiskFiles;

pub struct LiveFiles {
    /// `path` of [virtual_sdcard].
    folder: Option<PathBuf>,
    /// Files from elsewhere, by the names under which they are printed.
    given: BTreeMap<String, PathBuf>,
}

impl LiveFiles {
    pub fn new(given: BTreeMap<String, PathBuf>, config: &Config) -> LiveFiles {
        let path = config.section("virtual_sdcard").and_then(|s| s.raw("path").map(|p| p.trim().to_string()));
        LiveFiles { folder: path.map(|path| home(&path)), given }
    }

    fn all(&self) -> DiskFiles {
        let mut all = self.given.clone();
        for entry in self.folder.iter().flat_map(std::fs::read_dir).flatten().flatten() {
            if let Ok(name) = entry.file_name().into_string()
                && entry.path().is_file()
            {
                all.entry(name).or_insert(entry.path());
            }
        }
        DiskFiles::new(all)
    }
}

impl Files for LiveFiles {
    fn open_print(&self, name: &str) -> Option<Box<dyn PrintFile>> {
        self.all().open_print(name)
    }

    fn list_prints(&self) -> Vec<(String, u64)> {
        self.all().list_prints()
    }

    fn read_text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(home(path)).ok()
    }

    fn write_text(&self, path: &str, text: &str) -> Result<(), String> {
        std::fs::write(home(path), text).map_err(|e| e.to_string())
    }
}

/// `~/` as shells mean it.
fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

/// `printer-20260807_120000.cfg` beside `printer.cfg`, as Klipper names the one that SAVE_CONFIG replaces; in UTC.
pub fn backup_name(path: &Path) -> PathBuf {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{}.cfg", stamp(seconds)))
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
