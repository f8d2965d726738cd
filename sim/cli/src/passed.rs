//! Notes which runs passed with this firmware, so that `drydock deploy` knows what it flashes.

use std::path::{Path, PathBuf};

use drydock_recording::ledger::{self, Passed};

/// `runs` are names with fingerprints. A ledger that cannot be written fails no run: it is told, and that is all.
pub fn note(path: Option<&Path>, runs: impl IntoIterator<Item = (String, String)>) {
    let runs: Vec<Passed> = runs
        .into_iter()
        .map(|(scenario, fingerprint)| Passed {
            source_hash: drydock_firmware::SOURCE_HASH.to_string(),
            scenario,
            fingerprint,
            drydock: env!("CARGO_PKG_VERSION").to_string(),
        })
        .collect();
    let Some(path) = path.map(PathBuf::from).or_else(ledger::default_path) else { return };
    if let Err(error) = ledger::append(&path, &runs) {
        eprintln!("warning: {}: {error}; `drydock deploy` will not know that this passed", path.display());
    }
}
