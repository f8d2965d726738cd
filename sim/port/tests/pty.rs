//! A pseudo-terminal of ours with clients that come and go. Nothing here waits for a time to pass: each step follows from
//! the one before.

use std::path::PathBuf;
use std::time::Duration;

use drydock_port::{Port, PortError, Pty, PtyRead};

/// Generous: bytes cross a pseudo-terminal in microseconds.
const PATIENCE: Duration = Duration::from_secs(20);

fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("drydock-port-{}-{name}", std::process::id()))
}

fn open(pty: &Pty) -> Port {
    Port::open(&pty.path().display().to_string(), 250_000).unwrap()
}

/// Takes `len` bytes off the device's end.
fn heard(pty: &mut Pty, len: usize) -> Vec<u8> {
    let (mut heard, mut buffer) = (Vec::new(), [0; 64]);
    while heard.len() < len {
        match pty.read(&mut buffer).unwrap() {
            PtyRead::Bytes(0) => drydock_port::wait(&[std::os::fd::AsFd::as_fd(pty)], PATIENCE),
            PtyRead::Bytes(len) => heard.extend_from_slice(&buffer[..len]),
            PtyRead::NoClient => panic!("the client is there"),
        }
    }
    heard
}

#[test]
fn every_byte_crosses_as_it_is_both_ways() {
    let mut pty = Pty::create(&place("raw")).unwrap();
    let mut port = open(&pty);
    let all: Vec<u8> = (0..=255).collect();
    port.write_all(&all, PATIENCE).unwrap();
    assert_eq!(heard(&mut pty, 256), all);
    assert_eq!(pty.write(&all).unwrap(), 256);
    let (mut back, mut buffer) = (Vec::new(), [0; 100]);
    while back.len() < 256 {
        let len = port.read_within(&mut buffer, PATIENCE).unwrap();
        assert_ne!(len, 0, "nothing more came");
        back.extend_from_slice(&buffer[..len]);
    }
    assert_eq!(back, all);
}

#[test]
fn the_next_client_hears_nothing_that_was_said_to_the_last_or_to_none() {
    let mut pty = Pty::create(&place("clients")).unwrap();
    assert_eq!(pty.read(&mut [0; 8]).unwrap(), PtyRead::NoClient);
    assert_eq!(pty.write(b"to nobody").unwrap(), 9);
    let mut first = open(&pty);
    first.write_all(b"1", PATIENCE).unwrap();
    assert_eq!(heard(&mut pty, 1), b"1");
    assert_eq!(pty.write(b"unread").unwrap(), 6);
    drop(first);
    assert_eq!(pty.read(&mut [0; 8]).unwrap(), PtyRead::NoClient);
    let mut second = open(&pty);
    second.write_all(b"2", PATIENCE).unwrap();
    assert_eq!(heard(&mut pty, 1), b"2");
    assert_eq!(second.read(&mut [0; 8]), Ok(0));
}

#[test]
fn a_port_has_one_user_and_says_when_it_is_gone() {
    let path = place("gone");
    let pty = Pty::create(&path).unwrap();
    let mut port = open(&pty);
    let name = path.display().to_string();
    assert_eq!(Port::open(&name, 250_000).unwrap_err(), PortError::Busy { port: name.clone() });
    drop(pty);
    assert_eq!(port.read_within(&mut [0; 8], PATIENCE), Err(PortError::Unplugged { port: name.clone() }));
    assert!(matches!(Port::open(&name, 250_000), Err(PortError::NoSuchPort { .. })), "the link went with it");
}

#[test]
fn a_link_is_replaced_and_a_file_is_not() {
    let path = place("link");
    let first = Pty::create(&path).unwrap();
    let second = Pty::create(&path).unwrap();
    drop(first);
    drop(open(&second));
    drop(second);
    std::fs::write(&path, "a file").unwrap();
    let error = Pty::create(&path).unwrap_err().to_string();
    assert!(error.ends_with("this file is there already, and is no link to a port"), "{error}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn what_is_no_port_is_told_apart() {
    let file = place("file");
    std::fs::write(&file, "").unwrap();
    let name = file.display().to_string();
    let why = "it is no terminal device".to_string();
    assert_eq!(Port::open(&name, 250_000).unwrap_err(), PortError::NotAPort { port: name, why });
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(Port::open("/dev/no-such-port", 250_000), Err(PortError::NoSuchPort { .. })));
    assert!(matches!(Port::open("tcp:nowhere", 0), Err(PortError::Address { .. })));
    assert!(matches!(Port::open("unix:/no/such/socket", 0), Err(PortError::NoSuchPort { .. })));
}
