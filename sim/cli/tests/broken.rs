//! Broken files: for each of them one clear error that names the place and what to do, and never a panic or a hang.
//!
//! `broken/` holds the files, `snapshots/` what `drydock` says of each. `cargo insta review`, or INSTA_UPDATE=always,
//! takes over what it says now.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use drydock_recording::{End, Header, Options, State, Writer};

/// Generous: each takes some tens of milliseconds.
const TIME_LIMIT: Duration = Duration::from_secs(60);

struct Answer {
    code: i32,
    text: String,
}

/// Runs `drydock` in `broken/` and takes what it writes to both outputs.
fn drydock(args: &[&str]) -> Answer {
    let mut child = Command::new(env!("CARGO_BIN_EXE_drydock"))
        .args(args)
        .current_dir(folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > TIME_LIMIT {
            child.kill().unwrap();
            panic!("drydock {args:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(!text.contains("panicked"), "drydock {args:?}: {text}");
    Answer { code: status.code().unwrap_or(-1), text }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

/// The files of a kind, and one that is not there, relative to `broken/`.
fn files(kind: &str, extension: &str) -> Vec<String> {
    let names = std::fs::read_dir(folder().join(kind)).unwrap().map(|e| e.unwrap().file_name());
    let mut files: Vec<String> = names.map(|n| format!("{kind}/{}", n.to_str().unwrap())).collect();
    files.push(format!("{kind}/not-there.{extension}"));
    files.sort();
    files
}

/// The one line that says what is wrong.
fn error_line(file: &str, answer: &Answer) -> String {
    let says = |line: &&str| line.starts_with("error: ") || line.contains(": error: ");
    let errors: Vec<&str> = answer.text.lines().filter(says).collect();
    assert_eq!(errors.len(), 1, "{file} gives {} errors:\n{}", errors.len(), answer.text);
    errors[0].to_string()
}

fn names_a_line_of(file: &str, error: &str) -> bool {
    error
        .match_indices(&format!("{file}:"))
        .any(|(at, found)| error[at + found.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

#[test]
fn a_broken_printer_cfg_gives_one_error_with_its_line() {
    let mut all = String::new();
    for file in files("config", "cfg") {
        // What Drydock has not built is no mistake; it is refused only where it would be needed.
        let refused = file.contains("unsupported");
        let answer = match refused {
            true => drydock(&["run", "--no-recording", "--config", &file]),
            false => drydock(&["check", &file]),
        };
        assert_eq!(answer.code, if refused { 2 } else { 1 }, "{file}: {}", answer.text);
        let error = error_line(&file, &answer);
        assert!(names_a_line_of(&file, &error) || file.contains("not-there"), "{error}");
        all += &answer.text;
    }
    insta::assert_snapshot!("config", all);
}

#[test]
fn a_broken_program_gives_one_error_with_its_line() {
    let mut all = String::new();
    for file in files("gcode", "gcode") {
        let answer = drydock(&["check", "printer.cfg", "--gcode", &file]);
        assert_ne!(answer.code, 0, "{file}: {}", answer.text);
        let error = error_line(&file, &answer);
        let as_a_whole = file.contains("not-there") || file.contains("not-text");
        assert!(names_a_line_of(&file, &error) || as_a_whole, "{error}");
        all += &answer.text;
    }
    insta::assert_snapshot!("gcode", all);
}

/// The same files with the machine's own host, which names the first thing that it refuses.
#[test]
fn what_stops_a_program_is_told_with_its_line() {
    let mut all = String::new();
    for file in files("gcode", "gcode") {
        let answer = drydock(&["steps", "--null", "--config", "printer.cfg", "--gcode", &file]);
        if answer.code != 0 {
            all += &answer.text;
        }
    }
    insta::assert_snapshot!("steps", all);
}

#[test]
fn a_broken_scenario_gives_one_error_with_its_place() {
    let mut all = String::new();
    for file in files("scenario", "ron") {
        let answer = drydock(&["run", "--no-recording", &file]);
        assert_eq!(answer.code, 2, "{file}: {}", answer.text);
        let error = error_line(&file, &answer);
        let elsewhere = file.contains("not-there") || file.contains("config-broken");
        assert!(names_a_line_of(&file, &error) || elsewhere, "{error}");
        all += &answer.text;
        // A test run goes on with the other scenarios and says the same of this one.
        let tested = drydock(&["test", &file]);
        assert_ne!(tested.code, 0, "{file}: {}", tested.text);
        let cause = error.trim_start_matches("error: ");
        assert!(tested.text.contains(cause), "{}", tested.text);
    }
    insta::assert_snapshot!("scenario", all);
}

fn recording() -> Vec<u8> {
    let header = Header { heaters: vec!["extruder".to_owned()], ..Header::default() };
    let mut writer =
        Writer::with_options(Vec::new(), header, Options { block_rows: 16, ..Options::default() }).unwrap();
    for i in 0..100 {
        writer.push(State { at_ns: i * 10_000, e_mm: i as f64 * 0.1, ..State::default() }).unwrap();
    }
    writer.finish(&End::default()).unwrap()
}

/// Where the second block of rows begins: blocks start with a mark.
fn second_block(file: &[u8]) -> usize {
    let mut marks = file.windows(4).enumerate().filter(|(_, w)| *w == b"DkBl").map(|(at, _)| at);
    marks.nth(2).unwrap()
}

/// What a board does not have is said before anything is compiled.
#[test]
fn options_of_another_board_are_refused() {
    for (option, cause) in [(["--crystal", "8"], "no --crystal there"), (["--offset", "8k"], "no --offset there")] {
        let answer = drydock(&["firmware", "build", "--board", "rp2040", option[0], option[1]]);
        assert!(answer.code == 2 && answer.text.contains(cause), "{}", answer.text);
    }
    let answer = drydock(&["firmware", "build", "--board", "rp2040", "--qemu"]);
    assert!(answer.code == 2 && answer.text.contains("--board stm32f4"), "{}", answer.text);
}

/// Where nothing could be fitted an earlier machine file stays as it was.
#[test]
fn a_recording_that_tells_nothing_leaves_the_machine_file_alone() {
    let temp = std::env::temp_dir().join(format!("drydock-nothing-{}", std::process::id()));
    std::fs::create_dir_all(&temp).unwrap();
    let (recording, machine) = (temp.join("raw_data_x.csv"), temp.join("machine.ron"));
    std::fs::write(&recording, "").unwrap();
    std::fs::write(&machine, "mine").unwrap();
    let printer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/printers/corexy-250/printer.cfg");
    let [printer, recording, output] = [&printer, &recording, &machine].map(|p| p.to_str().unwrap());
    let answer = drydock(&["identify", "--config", printer, "--accel", recording, "-o", output]);
    assert!(answer.code == 1 && answer.text.contains("no machine file"), "{} {}", answer.code, answer.text);
    assert_eq!(std::fs::read_to_string(&machine).unwrap(), "mine");
    std::fs::remove_dir_all(&temp).unwrap();
}

/// An export of nothing is no file that looks as if it were something.
#[test]
fn what_a_recording_does_not_hold_is_not_exported() {
    let temp = std::env::temp_dir().join(format!("drydock-absent-{}", std::process::id()));
    std::fs::create_dir_all(&temp).unwrap();
    let path = temp.join("run.drydock");
    std::fs::write(&path, recording()).unwrap();
    for (args, cause) in [
        (["--format", "accel"], "no accelerometer samples are in it"),
        (["--format", "ply"], "no beads are in it"),
        (["--stream", "stats"], "stats"),
    ] {
        let out = temp.join(args[1]);
        let answer = drydock(&["export", path.to_str().unwrap(), args[0], args[1], "--output", out.to_str().unwrap()]);
        assert!(answer.code == 2 && answer.text.contains(cause), "{args:?}: {} {}", answer.code, answer.text);
        assert!(!out.is_file(), "{args:?} left a file");
    }
    std::fs::remove_dir_all(&temp).unwrap();
}

#[test]
fn a_broken_recording_gives_one_error_with_its_place() {
    let temp = std::env::temp_dir().join(format!("drydock-broken-{}", std::process::id()));
    std::fs::create_dir_all(&temp).unwrap();
    let good = recording();
    let at = second_block(&good);
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let files: [(&str, Vec<u8>); 9] = [
        ("empty", Vec::new()),
        ("not-a-recording", b"G28\nG1 X10 Y10\n".to_vec()),
        ("of-a-later-version", changed(8, 99)),
        ("cut-in-the-magic", good[..5].to_vec()),
        ("cut-in-the-header", good[..40].to_vec()),
        ("header-damaged", changed(70, b'#')),
        ("first-block-mark-damaged", changed(16, b'x')),
        ("row-damaged", changed(at + 52 + 3, !good[at + 52 + 3])),
        ("block-header-damaged", changed(at + 8, !good[at + 8])),
    ];
    let mut all = String::new();
    for (name, bytes) in &files {
        let path = temp.join(format!("{name}.drydock"));
        std::fs::write(&path, bytes).unwrap();
        let (path, out) = (path.to_str().unwrap(), temp.join("csv"));
        for args in [["export", path, "--output", out.to_str().unwrap()].as_slice(), &["diff", path, path]] {
            let answer = drydock(args);
            assert_ne!(answer.code, 0, "{name}: {}", answer.text);
            let error = error_line(name, &answer);
            assert!(error.contains(path), "{error}");
            let says = answer.text.replace(temp.to_str().unwrap(), "TEMP");
            if args[0] == "export" {
                all += &says;
            }
        }
    }
    // One that is merely cut off is no error: it opens, and says how far.
    let path = temp.join("cut.drydock");
    std::fs::write(&path, &good[..at + 10]).unwrap();
    let answer = drydock(&["export", path.to_str().unwrap(), "--output", temp.join("csv").to_str().unwrap()]);
    assert_eq!(answer.code, 0, "{}", answer.text);
    all += &answer.text.replace(temp.to_str().unwrap(), "TEMP");
    std::fs::remove_dir_all(&temp).unwrap();
    insta::assert_snapshot!("recording", all);
}
