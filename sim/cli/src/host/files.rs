//! The files of a real host: print files where printer.cfg says, variables written for good, the old printer.cfg kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

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
