//! The last check: the board is asked which firmware runs on it. The board here is a pseudo-terminal that knows `identify`.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use drydock_deploy::image::{Identity, Image};
use drydock_deploy::running;
use drydock_deploy::stop::{BoardState, Kind, Stop};
use drydock_firmware::{BoardFacts, VERSION};
use drydock_port::{Pty, PtyRead};
use drydock_protocol::block::{Event, SEQ_MASK, frame};
use drydock_protocol::vlq::{Reader, push};
use drydock_protocol::{Deframer, IDENTIFY_ID};

const TURN: Duration = Duration::from_millis(20);

/// Answers `identify` on the terminal until it is told to stop.
fn board(mut pty: Pty, dictionary: &[u8], stop: &AtomicBool) {
    let (mut deframer, mut seq, mut buffer) = (Deframer::new(), 0, [0; 256]);
    while !stop.load(Ordering::Relaxed) {
        let length = match pty.read(&mut buffer).unwrap() {
            PtyRead::Bytes(length) => length,
            PtyRead::NoClient => 0,
        };
        if length == 0 {
            drydock_port::wait(&[pty.as_fd()], TURN);
        }
        let (mut input, mut answer) = (&buffer[..length], Vec::new());
        while let Some(event) = deframer.next(&mut input) {
            if let Event::Block(block) = event
                && block.seq == seq
            {
                seq = (seq + 1) & SEQ_MASK;
                let mut reader = Reader::new(block.content);
                assert_eq!(reader.int(), Some(IDENTIFY_ID as u32));
                let offset = reader.int().unwrap() as usize;
                let rest = &dictionary[offset.min(dictionary.len())..];
                let chunk = &rest[..rest.len().min(reader.int().unwrap() as usize)];
                let mut content = Vec::new();
                push(0, &mut content);
                push(offset as u32, &mut content);
                content.push(chunk.len() as u8);
                content.extend_from_slice(chunk);
                assert!(frame(seq, &content, &mut answer));
            }
            assert!(frame(seq, &[], &mut answer));
        }
        pty.write(&answer).unwrap();
    }
}

/// What the check says of a board that runs this firmware, where `version` was flashed.
fn check(name: &str, version: &str) -> Result<String, Stop> {
    let facts = BoardFacts { mcu: "stm32f407xx".into(), ..BoardFacts::default() };
    let json = drydock_firmware::dictionary(&facts).to_json();
    let dictionary = miniz_oxide::deflate::compress_to_vec_zlib(json.as_bytes(), 6);
    let place: PathBuf = std::env::temp_dir().join(format!("drydock-running-{name}-{}", std::process::id()));
    let pty = Pty::create(&place).unwrap();
    let identity = Identity { version: Some(version.into()), ..Identity::default() };
    let image = Image { path: "firmware.elf".into(), address: 0, bytes: Vec::new(), identity, built: None };
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| board(pty, &dictionary, &stop));
        let said = running::check(&place.display().to_string(), &image, Some(BoardState::Running));
        stop.store(true, Ordering::Relaxed);
        said
    })
}

#[test]
fn the_board_that_runs_what_was_flashed_says_so() {
    assert!(check("same", VERSION).unwrap().ends_with(&format!("answers: {VERSION} runs")));
}

#[test]
fn a_board_that_runs_something_else_is_told() {
    let stop = check("other", "drydock-0.1.0-000000000000").unwrap_err();
    assert_eq!((stop.kind, stop.board), (Kind::Failed, Some(BoardState::Running)));
    assert!(stop.what.contains(VERSION) && stop.what.contains("drydock-0.1.0-000000000000"), "{stop}");
}
