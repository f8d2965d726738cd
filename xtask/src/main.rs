//! `cargo xtask`: the repository's own checks, the same on a developer's machine and in CI.
//!
//! | task | what it holds |
//! | --- | --- |
//! | `fmt` | rustfmt has nothing to say |
//! | `layers` | dependencies follow the arrows of docs/architecture.md; crates inside the boundary pull in nothing that
//!   brings a clock, a thread pool or an entropy source |
//! | `tidy` | what a reviewer should not have to look for: dead files, unlisted registry entries, paths of one machine,
//!   stale tables, unfinished marks, large files |
//! | `clippy` | all but the viewer: no warning; inside the boundary also no std maths, clock, thread, hash map (the `clippy.toml` files) |
//! | `test` | every test of all but the viewer |
//! | `viewer` | the viewer: no warning, its tests; wants a Vulkan driver, software will do |
//!
//! `cargo xtask` alone, or `cargo xtask ci`, runs all but the last, cheapest first, and tells at the end what failed.
//! The last builds bevy, which takes as long as all the others.

mod layers;
mod metadata;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// A finding: where, what rule it breaks, and how to mend it. One line each on the terminal.
pub type Findings = Vec<String>;

/// What a task does with the workspace's root.
type Task = fn(&Path) -> Findings;

const TASKS: [(&str, Task); 6] = [
    ("fmt", fmt),
    ("layers", layers::run),
    ("tidy", tidy::run),
    ("clippy", clippy),
    ("test", test),
    ("viewer", viewer),
];

/// What `ci` leaves out.
const VIEWER: &str = "viewer";

/// Everything but the crate that builds bevy.
pub const CORE: [&str; 3] = ["--workspace", "--exclude", "drydock-view"];

const SAME_IN_TESTS: [&str; 6] =
    ["--", "-D", "warnings", "-A", "clippy::disallowed_methods", "-Aclippy::disallowed_types"];

fn main() -> ExitCode {
    let root = root();
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let everything = asked.is_empty() || asked.iter().any(|a| a == "ci");
    if let Some(unknown) = asked.iter().find(|a| *a != "ci" && !TASKS.iter().any(|(name, _)| name == a)) {
        let names: Vec<&str> = TASKS.iter().map(|(name, _)| *name).collect();
        eprintln!("error: no task {unknown:?}; there are: ci, {}", names.join(", "));
        return ExitCode::from(2);
    }
    let mut failed = Vec::new();
    for (name, task) in
        TASKS.iter().filter(|(name, _)| (everything && *name != VIEWER) || asked.iter().any(|a| a == name))
    {
        let began = Instant::now();
        eprintln!("== {name}");
        let findings = task(&root);
        for finding in &findings {
            eprintln!("{name}: {finding}");
        }
        let verdict = if findings.is_empty() { "ok" } else { "FAILED" };
        eprintln!("== {name}: {verdict} ({:.1} s)", began.elapsed().as_secs_f64());
        if !findings.is_empty() {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("failed: {}", failed.join(", "));
    ExitCode::FAILURE
}

/// The workspace's root, from where this crate lies.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace's root").to_path_buf()
}

fn fmt(root: &Path) -> Findings {
    cargo(root, &["fmt", "--all", "--check"], "run `cargo fmt --all`")
}

/// Twice: the product's code under every lint, then the tests, where the standard library's clock, maths and hash maps
/// are fair means (a test may time itself or compare with the platform).
fn clippy(root: &Path) -> Findings {
    let product = [&["clippy", "--quiet"], &CORE[..], &["--", "-D", "warnings"]].concat();
    let tests = [&["clippy", "--quiet", "--all-targets"], &CORE[..], &SAME_IN_TESTS].concat();
    let mut found = cargo(root, &product, "mend what clippy says");
    found.extend(cargo(root, &tests, "mend what clippy says about the tests"));
    found
}

fn test(root: &Path) -> Findings {
    cargo(root, &[&["test", "--quiet"], &CORE[..]].concat(), "see the failing tests above")
}

fn viewer(root: &Path) -> Findings {
    let clippy = [&["clippy", "--quiet", "--all-targets", "-p", "drydock-view"], &SAME_IN_TESTS[..]].concat();
    let mut found = cargo(root, &clippy, "mend what clippy says");
    found.extend(cargo(root, &["test", "--quiet", "-p", "drydock-view"], "see the failing tests above"));
    found
}

/// Runs cargo with its output on the terminal; a failure is one finding.
fn cargo(root: &Path, args: &[&str], mend: &str) -> Findings {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    match Command::new(cargo).args(args).current_dir(root).status() {
        Ok(status) if status.success() => Vec::new(),
        Ok(status) => vec![format!("`cargo {}` failed ({status}): {mend}", args.join(" "))],
        Err(error) => vec![format!("`cargo {}` did not start: {error}", args.join(" "))],
    }
}
