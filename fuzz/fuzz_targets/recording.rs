//! A recording: random bytes, or a good file with pieces overwritten; with the checksums as they are, or made right
//! again so that damage reaches the code behind them.
#![no_main]

use std::io::Cursor;

use drydock_recording::streams::{StreamVisitor, for_each};
use drydock_recording::*;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static GOOD: Vec<u8> = good();
}

fuzz_target!(|data: &[u8]| {
    let Some((mode, rest)) = data.split_first() else { return };
    let mut file = match mode & 1 {
        0 => [b"DRYDOCK\n\x01\0\0\0\0\0\0\0".as_slice(), rest].concat(),
        _ => edited(rest),
    };
    if mode & 2 != 0 {
        repair(&mut file);
    }
    use_it(&file);
});

/// Each edit: two bytes of place, one of length (up to 15) and what to do, then bytes to put there.
fn edited(mut edits: &[u8]) -> Vec<u8> {
    let mut file = GOOD.with(Vec::clone);
    while let [a, b, how, rest @ ..] = edits {
        let at = usize::from(u16::from_le_bytes([*a, *b])) % file.len();
        if how & 0xf0 == 0xf0 {
            file.truncate(at.max(1));
            edits = rest;
            continue;
        }
        let len = usize::from(how & 15).min(rest.len()).min(file.len() - at);
        file[at..at + len].copy_from_slice(&rest[..len]);
        edits = &rest[len..];
    }
    file
}

/// Does with a file all that a user could.
fn use_it(bytes: &[u8]) {
    let Ok(mut reader) = Reader::new(Cursor::new(bytes)) else { return };
    let _ = (reader.span_ns(), reader.streams().len(), reader.verify(), reader.refresh());
    struct ReadAll<'a, 'b>(&'a mut Reader<Cursor<&'b [u8]>>);
    impl StreamVisitor for ReadAll<'_, '_> {
        fn stream<R: Row>(&mut self) {
            let _ = self.0.all::<R>().filter(Result::is_ok).count();
            let _ = self.0.at::<R>(1_000_000);
        }
    }
    for_each(&mut ReadAll(&mut reader));
    let mut other = Reader::new(Cursor::new(bytes)).expect("it opened before");
    let _ = diff(&mut reader, &mut other).map(|d| d.to_string());
    let _ = export::csv::stream(&mut reader, "command", 0..u64::MAX, &mut std::io::sink());
    let _ = export::vcd::pins(&mut reader, 0..u64::MAX, &mut std::io::sink());
    let _ = export::perfetto::trace(&mut reader, 0..u64::MAX, 10_000_000, &mut std::io::sink());
    let _ = export::accel_csv::chip(&mut reader, 0, 0..u64::MAX, &mut std::io::sink());
    let _ = export::ply::beads(&mut reader, &mut std::io::sink());
}

fn good() -> Vec<u8> {
    let header = Header { heaters: vec!["extruder".to_owned()], ..Header::default() };
    let options = Options { block_rows: 8, ..Options::default() };
    let mut writer = Writer::with_options(Vec::new(), header, options).expect("memory takes it");
    for i in 0..20 {
        let at_ns = i * 10_000;
        writer.push(Command { at_ns, line_no: i as u32, offset: i * 9, text: format!("G1 X{i}") }).expect("memory");
        writer.push(State { at_ns, e_mm: i as f64 * 0.1, ..State::default() }).expect("memory");
        writer.push(Bead { at_ns, width_mm: 0.4, ..Bead::default() }).expect("memory");
        writer.push(Wire { at_ns, bytes: vec![i as u8; 5], ..Wire::default() }).expect("memory");
    }
    writer.finish(&End::default()).expect("memory takes it")
}

fn repair(bytes: &mut [u8]) {
    let mut at = 16;
    while at + 52 <= bytes.len() && bytes[at..at + 4] == *b"DkBl" {
        let stored = u32::from_le_bytes(bytes[at + 16..at + 20].try_into().expect("four bytes")) as usize;
        let Some(payload) = bytes.get(at + 52..at + 52 + stored) else { break };
        let crc = crc32fast::hash(payload);
        bytes[at + 20..at + 24].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[at..at + 48]);
        bytes[at + 48..at + 52].copy_from_slice(&crc.to_le_bytes());
        at += 52 + stored;
    }
}
