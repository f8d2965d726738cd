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

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Instant, SystemTime};

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
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let [rustc, args @ ..] = &words[..]
        && Path::new(rustc).file_stem() == Some(OsStr::new("rustc"))
    {
        return compile(rustc, args);
    }
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

/// `cargo clippy` would go through all of bevy a second time, for what it knows of types alone. Here the compiler of these
/// crates is clippy's, which lints what it compiles for the tests.
fn viewer(root: &Path) -> Findings {
    let Ok(this) = std::env::current_exe() else { return vec!["this program does not know where it is".into()] };
    for file in ["src/main.rs", "tests/pictures.rs"] {
        // What was compiled before without clippy is to be compiled again.
        let opened = std::fs::File::options().append(true).open(root.join("sim/viewer").join(file));
        if let Err(error) = opened.and_then(|file| file.set_modified(SystemTime::now())) {
            return vec![format!("sim/viewer/{file}: {error}")];
        }
    }
    let mut command = cargo_command(root, &["test", "--quiet", "-p", "drydock-view"]);
    finding(command.env("RUSTC_WRAPPER", this), "see what clippy says, or the failing tests, above")
}

/// What rustc would do, in its place; for the viewer's own crates, what clippy's driver does.
fn compile(rustc: &OsStr, args: &[OsString]) -> ExitCode {
    let own = |pair: &[OsString]| pair[0] == "--crate-name" && (pair[1] == "drydock_view" || pair[1] == "pictures");
    let status = if args.windows(2).any(own) {
        Command::new("clippy-driver").arg(rustc).args(args).args(&SAME_IN_TESTS[1..]).status()
    } else {
        Command::new(rustc).args(args).status()
    };
    match status {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!(
                "error: the compiler did not start ({error}); clippy's driver comes with `rustup component add clippy`"
            );
            ExitCode::FAILURE
        }
    }
}

/// Runs cargo with its output on the terminal; a failure is one finding.
fn cargo(root: &Path, args: &[&str], mend: &str) -> Findings {
    finding(&mut cargo_command(root, args), mend)
}

fn cargo_command(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root);
    command
}

fn finding(command: &mut Command, mend: &str) -> Findings {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    match command.status() {
        Ok(status) if status.success() => Vec::new(),
        Ok(status) => vec![format!("`cargo {}` failed ({status}): {mend}", words.join(" "))],
        Err(error) => vec![format!("`cargo {}` did not start: {error}", words.join(" "))],
    }
}
