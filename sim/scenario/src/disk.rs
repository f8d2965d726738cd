//! The real file system, as the host's traits want it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;

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
