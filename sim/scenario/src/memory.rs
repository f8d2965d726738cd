//! A run without files of its own: what it reads lies in memory, in front of the disk or alone, and what it records stays
//! there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use drydock_host::config::{FileSource, glob_match};
use drydock_host::files::{Files, MemoryFiles, PrintFile};

use crate::disk::{DiskFiles, DiskSource};
use crate::model::Scenario;
use crate::session::Outcome;
use crate::setup::{Disk, PrepareError, RunOptions, can_print, prepare_to};

/// Files in memory by their paths. Any thread may have one.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    files: BTreeMap<String, Vec<u8>>,
    /// What is not in memory is looked for on disk.
    pub on_disk: bool,
}

impl Overlay {
    /// Memory alone.
    pub fn alone() -> Overlay {
        Overlay::default()
    }

    /// Memory in front of the disk.
    pub fn on_disk() -> Overlay {
        Overlay { on_disk: true, ..Overlay::default() }
    }

    /// With one more file.
    pub fn with(mut self, path: impl AsRef<Path>, bytes: impl Into<Vec<u8>>) -> Overlay {
        self.files.insert(path.as_ref().to_string_lossy().into_owned(), bytes.into());
        self
    }
}

impl FileSource for Overlay {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match self.files.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None if self.on_disk => DiskSource.read(path),
            None => Err("no such file".into()),
        }
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let mut found = if self.on_disk { DiskSource.glob(pattern) } else { Vec::new() };
        found.extend(self.files.keys().filter(|path| glob_match(pattern, path)).cloned());
        found.sort();
        found.dedup();
        found
    }
}

impl Disk for Overlay {
    fn source(&self) -> &dyn FileSource {
        self
    }

    fn prints(&self, files: Vec<(String, PathBuf)>) -> Rc<dyn Files> {
        let mut memory = MemoryFiles::default();
        let mut elsewhere = Vec::new();
        for (name, path) in files {
            match self.files.get(&*path.to_string_lossy()) {
                Some(bytes) => drop(memory.prints.insert(name, Rc::from(bytes.as_slice()))),
                None => elsewhere.push((name, path)),
            }
        }
        match self.on_disk {
            true => Rc::new(Both { memory, disk: DiskFiles::new(elsewhere) }),
            false => Rc::new(memory),
        }
    }

    fn can_print(&self, path: &Path) -> Result<(), String> {
        match self.files.contains_key(&*path.to_string_lossy()) {
            true => Ok(()),
            false if self.on_disk => can_print(path),
            false => Err("no such file".into()),
        }
    }
}

struct Both {
    memory: MemoryFiles,
    disk: DiskFiles,
}

impl Files for Both {
    fn open_print(&self, name: &str) -> Option<Box<dyn PrintFile>> {
        self.memory.open_print(name).or_else(|| self.disk.open_print(name))
    }

    fn list_prints(&self) -> Vec<(String, u64)> {
        let mut all = self.memory.list_prints();
        all.extend(self.disk.list_prints());
        all
    }

    fn read_text(&self, path: &str) -> Option<String> {
        self.disk.read_text(path)
    }

    fn write_text(&self, path: &str, text: &str) -> Result<(), String> {
        self.disk.write_text(path, text)
    }
}

/// Why a simulation has no answer, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl Failure {
    pub fn of_all<E: std::fmt::Display>(errors: &[E]) -> Failure {
        Failure(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<drydock_recording::Error> for Failure {
    fn from(error: drydock_recording::Error) -> Self {
        Failure(error.to_string())
    }
}

/// A run and, if it was wanted, its recording.
#[derive(Debug)]
pub struct Simulated {
    pub outcome: Outcome,
    /// The bytes of the recording's file.
    pub recording: Option<Vec<u8>>,
}

/// Runs a scenario from begin to end on this thread. `go_on` is asked now and then; its false ends the run, and None comes
/// back. What the scenario expects and what the host complains of is in the outcome, and no error here.
pub fn simulate(
    scenario: &Scenario,
    folder: &Path,
    files: &Overlay,
    record: bool,
    mut go_on: impl FnMut() -> bool,
) -> Result<Option<Simulated>, PrepareError> {
    let bytes = Shared::default();
    let to = record.then(|| Box::new(bytes.clone()) as Box<dyn Write>);
    let session = prepare_to(scenario, folder, files, &RunOptions::default(), to)?;
    let mut whole = true;
    let outcome = session.run(|_| {
        whole = go_on();
        whole
    });
    // Memory takes what is written; what fails here is a recording that its writer refuses.
    let outcome = outcome.map_err(|e| PrepareError::Setup(e.to_string()))?;
    Ok(whole.then(|| Simulated { outcome, recording: record.then(|| bytes.0.take()) }))
}

/// Bytes that the session's recorder writes and that are read when it is gone.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
