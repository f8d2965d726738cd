//! No bytes make the reader panic, hang or take much memory.

use drydock_recording::streams::{StreamVisitor, for_each};
use drydock_recording::*;
use proptest::prelude::*;
use std::io::Cursor;

/// Does with a file all that a user could.
fn use_it(bytes: &[u8]) {
    let Ok(mut reader) = Reader::new(Cursor::new(bytes)) else { return };
    let _ = (reader.span_ns(), reader.streams().len(), reader.verify(), reader.refresh());
    struct ReadAll<'a, 'b>(&'a mut Reader<Cursor<&'b [u8]>>);
    impl StreamVisitor for ReadAll<'_, '_> {
        fn stream<R: Row>(&mut self) {
            let _ = self.0.all::<R>().filter(Result::is_ok).count();
            let _ = self.0.at::<R>(1_000_000);
            let _ = export::csv::stream(self.0, R::NAME, 0..u64::MAX, &mut std::io::sink());
        }
    }
    for_each(&mut ReadAll(&mut reader));
    let mut other = Reader::new(Cursor::new(bytes)).expect("it opened before");
    let _ = diff(&mut reader, &mut other).map(|d| d.to_string());
}

fn valid() -> Vec<u8> {
    let header = Header { heaters: vec!["extruder".to_owned()], ..Header::default() };
    let options = Options { block_rows: 16, ..Options::default() };
    let mut writer = Writer::with_options(Vec::new(), header, options).unwrap();
    for i in 0..100 {
        let at_ns = i * 10_000;
        writer.push(Command { at_ns, line_no: i as u32, offset: i * 9, text: format!("G1 X{i}") }).unwrap();
        writer.push(State { at_ns, e_mm: i as f64 * 0.1, ..State::default() }).unwrap();
        writer.push(Bead { at_ns, width_mm: 0.4, ..Bead::default() }).unwrap();
        writer.push(Wire { at_ns, bytes: vec![i as u8; 5], ..Wire::default() }).unwrap();
    }
    writer.finish(&End::default()).unwrap()
}

/// Makes the checksums right again, so that damage reaches the code behind them.
fn repair(bytes: &mut [u8]) {
    let mut at = 16;
    while at + 52 <= bytes.len() && bytes[at..at + 4] == *b"DkBl" {
        let stored = u32::from_le_bytes(bytes[at + 16..at + 20].try_into().unwrap()) as usize;
        let Some(payload) = bytes.get(at + 52..at + 52 + stored) else { break };
        let crc = crc32fast::hash(payload);
        bytes[at + 20..at + 24].copy_from_slice(&crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[at..at + 48]);
        bytes[at + 48..at + 52].copy_from_slice(&crc.to_le_bytes());
        at += 52 + stored;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        use_it(&bytes);
        let mut dressed = b"DRYDOCK\n\x01\0\0\0\0\0\0\0DkBl".to_vec();
        dressed.extend(&bytes);
        use_it(&dressed);
        repair(&mut dressed);
        use_it(&dressed);
    }

    #[test]
    fn random_truncation(cut in any::<prop::sample::Index>()) {
        let file = valid();
        use_it(&file[..cut.index(file.len())]);
    }

    #[test]
    fn bit_flips(flips in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..6)) {
        let mut file = valid();
        for (at, bit) in &flips {
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
        }
        use_it(&file);
        repair(&mut file);
        use_it(&file);
    }

    #[test]
    fn pieces_swapped(from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), len in 1usize..200) {
        let mut file = valid();
        let (from, to) = (from.index(file.len()), to.index(file.len()));
        let len = len.min(file.len() - from.max(to));
        let piece = file[from..from + len].to_vec();
        file[to..to + len].copy_from_slice(&piece);
        use_it(&file);
        repair(&mut file);
        use_it(&file);
    }
}
