//! What the real-time commands say of ports and files that are not as they should be: one line, and what to do.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/printers/cartesian.cfg");

/// Runs `drydock` in an empty folder without input; the answer is its exit code and what it writes to standard error.
fn drydock(args: &[&str]) -> (i32, String) {
    let folder = std::env::temp_dir().join(format!("drydock-real-time-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_drydock"))
        .args(args)
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stderr).into_owned())
}

fn refuses(args: &[&str], says: &str) {
    let (code, text) = drydock(args);
    assert_eq!((code, text.as_str()), (2, format!("error: {says}\n").as_str()), "drydock {args:?}");
}

#[test]
fn a_port_that_cannot_be_used_is_named_with_the_reason() {
    let host = |port| ["host", "--config", CONFIG, "--serial", port];
    refuses(&host("/dev/null"), "/dev/null: this is no serial port: it is no terminal device");
    refuses(&host("tcp:nowhere"), "tcp:nowhere: write tcp:HOST:PORT, with a number for the port");
    refuses(&host("tcp:127.0.0.1:1"), "tcp:127.0.0.1:1: this is no serial port: nobody listens there");
    let (code, text) = drydock(&host("/dev/not-there"));
    assert!(code == 2 && text.starts_with("error: /dev/not-there: there is no such port"), "{text}");
}

#[test]
fn a_place_where_no_pseudo_terminal_can_be_is_named_with_the_reason() {
    let mcu = |pty| ["mcu", "--config", CONFIG, "--pty", pty];
    refuses(
        &mcu("/no-such-folder/mcu"),
        "/no-such-folder/mcu: no link can be made here: No such file or directory (os error 2)",
    );
    refuses(&mcu("/dev/null"), "/dev/null: this file is there already, and is no link to a port");
}

#[test]
fn a_file_that_is_not_there_and_a_speed_that_is_none_are_refused() {
    let (code, text) = drydock(&["host", "--config", CONFIG, "--gcode", "not-there.gcode"]);
    assert_eq!((code, text.as_str()), (2, "error: not-there.gcode: no such file or directory\n"));
    refuses(&["mcu", "--pty", "x", "--config", CONFIG, "--speed", "0"], "--speed 0: give a factor from 0.01 to 100");
    assert!(!Path::new("x").exists());
}
