//! Which firmware has passed what: one JSON line for each run that came out as expected.
//!
//! `drydock test` and `drydock run` write it and `drydock deploy` reads it, so that only firmware goes to a board that
//! has run in the twin. It is a convenience of one machine, not a proof: anybody may edit the file.

use std::fs::{File, OpenOptions, create_dir_all};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One run that passed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Passed {
    /// Hash over the sources of the firmware that ran: the last part of its dictionary's version.
    pub source_hash: String,
    pub scenario: String,
    /// The run's digest.
    pub fingerprint: String,
    /// Version of the program that ran it.
    pub drydock: String,
}

/// `drydock/tested.jsonl` where programs of this user keep data: `$XDG_DATA_HOME`, or what stands for it.
pub fn default_path() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = folder("XDG_DATA_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".local/share")))
        .or_else(|| folder("LOCALAPPDATA"))?;
    Some(data.join("drydock").join("tested.jsonl"))
}

/// Adds the runs that are not in it yet. Each line is written at once, so that programs side by side do not mix theirs.
pub fn append(path: &Path, runs: &[Passed]) -> std::io::Result<()> {
    let known = read(path)?;
    if let Some(folder) = path.parent() {
        create_dir_all(folder)?;
    }
    // A line that was cut off by a full disk or a crash must not swallow the next one.
    let cut = std::fs::read(path).is_ok_and(|bytes| bytes.last().is_some_and(|byte| *byte != b'\n'));
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    if cut {
        file.write_all(b"\n")?;
    }
    for run in runs.iter().filter(|run| !known.contains(run)) {
        let mut line = serde_json::to_string(run)?;
        line.push('\n');
        file.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// All that it holds; a ledger that is not there holds nothing, and a line that is no run is passed over.
pub fn read(path: &Path) -> std::io::Result<Vec<Passed>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut runs = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        runs.extend(serde_json::from_slice(&line?).ok());
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(hash: &str, scenario: &str) -> Passed {
        Passed {
            source_hash: hash.into(),
            scenario: scenario.into(),
            fingerprint: "00ff".into(),
            drydock: "0.1.0".into(),
        }
    }

    #[test]
    fn a_run_is_in_it_once_however_often_it_passes() {
        let folder = std::env::temp_dir().join(format!("drydock-ledger-{}", std::process::id()));
        let path = folder.join("deep").join("tested.jsonl");
        assert_eq!(read(&path).unwrap(), []);
        append(&path, &[passed("aa", "one"), passed("aa", "two")]).unwrap();
        append(&path, &[passed("aa", "two"), passed("bb", "two")]).unwrap();
        std::fs::write(&path, [&std::fs::read(&path).unwrap()[..], b"half a li"].concat()).unwrap();
        append(&path, &[passed("cc", "two")]).unwrap();
        let all = [passed("aa", "one"), passed("aa", "two"), passed("bb", "two"), passed("cc", "two")];
        assert_eq!(read(&path).unwrap(), all);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
