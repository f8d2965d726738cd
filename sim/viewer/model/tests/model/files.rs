//! Files as they are met: whole, still being written, cut off, damaged, replaced.

use crate::synthetic::*;
use drydock_recording::{Options, Writer};
use drydock_view_model::*;

const S: u64 = 1_000_000_000;

fn everything(document: &mut Document) -> Vec<Vec<u32>> {
    // Bits, so that "not a number" equals itself.
    ColourBy::ALL.iter().map(|by| document.values(*by).iter().map(|v| v.to_bits()).collect()).collect()
}

fn assert_same(a: &mut Document, b: &mut Document) {
    assert_eq!(a.part().beads(), b.part().beads());
    assert_eq!(a.part().chunks(), b.part().chunks());
    assert_eq!(a.timeline().layers(), b.timeline().layers());
    assert_eq!(a.timeline().features(), b.timeline().features());
    assert_eq!(a.timeline().line_count(), b.timeline().line_count());
    assert_eq!(a.span_ns(), b.span_ns());
    for (by, (a, b)) in ColourBy::ALL.iter().zip(everything(a).iter().zip(everything(b))) {
        assert_eq!(*a, b, "{by:?}");
    }
    for i in 0..50 {
        let at_ns = a.span_ns().end / 49 * i;
        assert_eq!(a.pose(at_ns), b.pose(at_ns));
    }
}

#[test]
fn a_recording_that_is_followed_while_it_is_written_ends_as_one_that_is_opened_afterwards() {
    let squares = Squares { layers: 6, ..Squares::default() };
    let file = Growing::default();
    let options = Options { block_rows: 500, block_span_ns: S / 2, ..Options::default() };
    let mut writer = Writer::with_options(file.clone(), squares.header(), options).unwrap();
    let mut document = Document::from_source("growing", file.clone()).unwrap();
    let mut playhead = Playhead::new(document.span_ns(), document.tick_ns());
    playhead.set_span(document.span_ns(), !document.is_finished());
    playhead.play();
    let pieces = 23;
    let mut beads = 0;
    for piece in 0..pieces {
        let cut = |i: u64| squares.end_ns() / pieces * i / BEAD_NS * BEAD_NS;
        let until = if piece + 1 == pieces { squares.end_ns() } else { cut(piece + 1) };
        squares.write(&mut writer, cut(piece), until);
        if piece % 3 == 0 {
            writer.flush().unwrap();
        }
        let before = document.span_ns().end;
        let grown = document.refresh().unwrap();
        assert_eq!(grown || piece == 0, document.span_ns().end > before || piece == 0, "piece {piece}");
        assert!(document.note().unwrap().contains("not finished"));
        assert!(document.part().len() >= beads);
        beads = document.part().len();
        playhead.set_span(document.span_ns(), true);
        playhead.advance(10 * S);
        assert_eq!(playhead.at_ns(), document.span_ns().end, "it follows the growing end");
        assert!(playhead.is_playing());
        // Colours that are looked at half way must not differ in the end.
        if piece % 4 == 1 {
            everything(&mut document);
        }
    }
    writer.finish(&squares.end()).unwrap();
    assert!(document.refresh().unwrap());
    assert!(document.is_finished());
    assert_eq!(document.note(), None);
    playhead.set_span(document.span_ns(), !document.is_finished());
    playhead.advance(10 * S);
    assert_eq!((playhead.at_ns(), playhead.is_playing()), (squares.end_ns(), false));
    let mut opened = Document::from_source("growing", file).unwrap();
    assert_same(&mut document, &mut opened);
}

#[test]
fn what_is_worked_out_in_pieces_is_what_is_worked_out_at_once() {
    let squares = Squares { layers: 40, ..Squares::default() };
    // Small blocks: many pieces.
    let options = Options { block_rows: 300, ..Options::default() };
    let mut writer = Writer::with_options(Vec::new(), squares.header(), options).unwrap();
    squares.write(&mut writer, 0, u64::MAX);
    let bytes = writer.finish(&squares.end()).unwrap();
    let mut whole = Document::from_bytes("run", bytes.clone()).unwrap();
    for blocks in [1, 7] {
        let mut pieces = Document::from_bytes("run", bytes.clone()).unwrap();
        for by in ColourBy::ALL {
            let (mut shares, mut share) = (Vec::new(), 0.0);
            while share < 1.0 {
                share = pieces.prepare_values(by, blocks);
                shares.push(share);
            }
            assert!(shares.is_sorted(), "{by:?}: {shares:?}");
            let reads = matches!(by, ColourBy::Deviation | ColourBy::Pressure);
            assert!(shares.len() > if reads { 2 } else { 0 }, "{by:?}: {} pieces", shares.len());
            let bits = |document: &mut Document| document.values(by).iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&mut pieces), bits(&mut whole), "{by:?}");
        }
        let channel = Channel::Accelerometer { chip: 0, axis: 0 };
        let mut points = 0;
        loop {
            let (curve, share) = pieces.series_so_far(channel, 0..u64::MAX, usize::MAX, blocks);
            assert!(curve.len() >= points, "it grows");
            points = curve.len();
            if share == 1.0 {
                assert_eq!(curve, whole.series(channel, 0..u64::MAX, usize::MAX));
                break;
            }
        }
    }
}

#[test]
fn a_refresh_reads_what_is_new_and_not_what_is_there() {
    let squares = Squares { layers: 40, ..Squares::default() };
    let file = Growing::default();
    let mut writer = Writer::new(file.clone(), squares.header()).unwrap();
    squares.write(&mut writer, 0, squares.end_ns() / 10 * 9);
    writer.flush().unwrap();
    let mut document = Document::from_source("growing", file.clone()).unwrap();
    document.values(ColourBy::Deviation);
    file.bytes_read();
    assert!(!document.refresh().unwrap());
    assert!(file.bytes_read() < 1000);
    let before = file.len();
    squares.write(&mut writer, squares.end_ns() / 10 * 9, squares.end_ns() / 100 * 91);
    writer.flush().unwrap();
    assert!(document.refresh().unwrap());
    document.values(ColourBy::Deviation);
    let (new, read) = ((file.len() - before) as u64, file.bytes_read());
    assert!(read < 2 * new + 4096, "{read} bytes read for {new} new ones of {}", file.len());
}

#[test]
fn a_real_file_is_followed_too() {
    let squares = Squares::default();
    let path = std::env::temp_dir().join(format!("drydock-view-model-{}.drydock", std::process::id()));
    let mut writer = Writer::new(std::fs::File::create(&path).unwrap(), squares.header()).unwrap();
    squares.write(&mut writer, 0, squares.end_ns() / 2);
    writer.flush().unwrap();
    let mut document = Document::open(&path).unwrap();
    let half = document.part().len();
    squares.write(&mut writer, squares.end_ns() / 2 / BEAD_NS * BEAD_NS + BEAD_NS, squares.end_ns());
    writer.finish(&squares.end()).unwrap();
    assert!(document.refresh().unwrap() && document.is_finished());
    assert!(half > 1000 && document.part().len() > 2 * half - 200);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_truncated_recording_is_shown_up_to_its_last_whole_block() {
    let squares = Squares { layers: 12, ..Squares::default() };
    let bytes = squares.bytes();
    let whole = Document::from_bytes("whole", bytes.clone()).unwrap();
    for share in [0.3, 0.6, 0.9, 0.95] {
        let cut = bytes[..(bytes.len() as f64 * share) as usize].to_vec();
        let mut document = Document::from_bytes("cut.drydock", cut).unwrap();
        let note = document.note().unwrap();
        assert!(note.starts_with("cut.drydock: not finished"), "{note}");
        assert!(!note.contains('\n'));
        let part = document.part();
        assert_eq!(part.beads(), &whole.part().beads()[..part.len()], "what is there is as it was");
        let end_ns = document.span_ns().end;
        let mut playhead = Playhead::new(document.span_ns(), document.tick_ns());
        playhead.seek(u64::MAX);
        assert_eq!(playhead.at_ns(), end_ns);
        assert_eq!(document.pose(end_ns).at_ns, end_ns);
        assert_eq!(everything(&mut document)[0].len(), document.part().len());
        assert!(!document.refresh().unwrap());
    }
}

#[test]
fn what_cannot_be_opened_says_which_file_and_why() {
    let error = |bytes: &[u8]| Document::from_bytes("thing.drydock", bytes.to_vec()).err().unwrap().to_string();
    let missing = Document::open("no/such/file.drydock").err().unwrap().to_string();
    assert!(missing.starts_with("no/such/file.drydock: opening the recording: "), "{missing}");
    assert!(error(b"").starts_with("thing.drydock: byte 0: "));
    assert!(error(b"PK\x03\x04 and so on").contains("a compressed archive"));
    let bytes = Squares::default().bytes();
    assert!(error(&bytes[..200]).contains("ends inside its header"), "{}", error(&bytes[..200]));
}

#[test]
fn a_damaged_block_is_noted_and_the_rest_is_shown() {
    let squares = Squares { layers: 12, ..Squares::default() };
    let mut bytes = squares.bytes();
    let reader = drydock_recording::Reader::new(std::io::Cursor::new(&bytes)).unwrap();
    let block = reader.blocks_of(7).nth(1).unwrap();
    let rows = reader.row_count::<drydock_recording::Bead>();
    bytes[block.offset as usize + 60] ^= 1;
    let document = Document::from_bytes("bent.drydock", bytes).unwrap();
    let note = document.note().unwrap();
    assert!(note.starts_with("bent.drydock: byte ") && note.contains("checksum"), "{note}");
    assert_eq!(document.part().len() as u64, rows - u64::from(block.rows));
}

#[test]
fn another_run_in_the_same_file_is_not_taken_for_this_one() {
    let squares = Squares::default();
    let file = Growing::default();
    let mut writer = Writer::new(file.clone(), squares.header()).unwrap();
    squares.write(&mut writer, 0, squares.end_ns() / 2);
    writer.flush().unwrap();
    let mut document = Document::from_source("again", file.clone()).unwrap();
    file.truncate(20);
    assert!(document.refresh().unwrap_err().to_string().starts_with("again: another run"));
}

#[test]
fn a_recording_without_rows_shows_an_empty_machine() {
    let writer = Writer::new(Vec::new(), Squares::default().header()).unwrap();
    let mut document = Document::from_bytes("empty", writer.finish(&Default::default()).unwrap()).unwrap();
    assert_eq!((document.span_ns(), document.part().len()), (0..0, 0));
    assert_eq!(document.pose(5).nozzle_mm, [0.0; 3]);
    assert_eq!(document.channels(), []);
    assert!(everything(&mut document).iter().all(Vec::is_empty));
    assert!(document.trail(0..10, 10).at_ns.is_empty());
    assert_eq!(document.part().bounds_mm(), None);
    assert_eq!((document.timeline().line_at(0), document.timeline().layer_at(0)), (None, None));
    assert_eq!(document.ring_down(0), None);
}
