//! The format's promises: what is written comes back, by stream and time, whole or cut off, finished or growing.

use drydock_recording::column::{Col, Columns, Int};
use drydock_recording::streams::{StreamVisitor, for_each};
use drydock_recording::*;
use std::cell::RefCell;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::rc::Rc;

/// Fills any row with values that its columns can keep.
struct Fill {
    seed: u64,
    at_ns: Option<u64>,
}

impl Fill {
    fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.seed >> 24
    }
}

impl Columns for Fill {
    fn int<T: Int>(&mut self, _: Col, value: &mut T) {
        let random = self.next() as i64;
        *value = T::from_i64(self.at_ns.take().map_or(random, |at| at as i64));
    }

    fn real(&mut self, col: Col, value: &mut f64) {
        let drydock_recording::column::Kind::Real { per_unit } = col.kind else { panic!("{} is not real", col.name) };
        *value = (self.next() % 100_000_000) as f64 / per_unit - 20.0;
        *value = (*value * per_unit).round() / per_unit;
    }

    fn text(&mut self, _: Col, value: &mut String) {
        *value = format!("G1 X{} ; \"ä\", {}", self.next() % 300, "x".repeat(self.next() as usize % 20));
    }

    fn bytes(&mut self, _: Col, value: &mut Vec<u8>) {
        *value = (0..self.next() % 30).map(|i| i as u8).collect();
    }
}

fn random_row<R: Row>(seed: u64, at_ns: u64) -> R {
    let mut row = R::default();
    row.columns(&mut Fill { seed: seed.wrapping_mul(977).wrapping_add(u64::from(R::ID)), at_ns: Some(at_ns) });
    row
}

fn header() -> Header {
    Header {
        program: "drydock test".to_owned(),
        title: "two\nlines \"quoted\"".to_owned(),
        seed: u64::MAX,
        printer_cfg: "[mcu]\nserial: /dev/null\n".to_owned(),
        heaters: vec!["extruder".to_owned(), "heater_bed".to_owned()],
        chips: vec![Chip::adxl345("adxl345")],
        ..Header::default()
    }
}

fn end() -> End {
    let mut end = End { fingerprint: "00ff".to_owned(), end_ns: 5, ..End::default() };
    end.set("print_time_s", 12.5);
    end.set("lost_steps", 0.0);
    end.set("note", "none");
    end.set("passed", true);
    end
}

/// States and events over a minute: many small blocks.
fn sample(rows: u64) -> Vec<u8> {
    let options = Options { block_rows: 50, ..Options::default() };
    let mut writer = Writer::with_options(Vec::new(), header(), options).unwrap();
    for i in 0..rows {
        writer.push(random_row::<State>(i, i * 1_000_000)).unwrap();
        if i % 7 == 0 {
            writer.push(random_row::<Event>(i, i * 1_000_000)).unwrap();
        }
    }
    writer.finish(&end()).unwrap()
}

fn open(bytes: &[u8]) -> Result<Reader<Cursor<&[u8]>>, Error> {
    Reader::new(Cursor::new(bytes))
}

#[test]
fn every_stream_comes_back_as_it_was() {
    struct RoundTrip;
    impl StreamVisitor for RoundTrip {
        fn stream<R: Row>(&mut self) {
            let rows: Vec<R> = (0..1000).map(|i| random_row(i, i * 1_234_567)).collect();
            let options = Options { block_rows: 300, ..Options::default() };
            let mut writer = Writer::with_options(Vec::new(), header(), options).unwrap();
            rows.iter().for_each(|row| writer.push(row.clone()).unwrap());
            let file = writer.finish(&end()).unwrap();
            let mut reader = open(&file).unwrap();
            assert!(reader.recovery().is_none());
            let back: Vec<R> = reader.all::<R>().map(Result::unwrap).collect();
            assert_eq!(back.len(), rows.len(), "{}", R::NAME);
            for (back, row) in back.iter().zip(&rows) {
                assert_eq!(back, row, "{}", R::NAME);
            }
        }
    }
    for_each(&mut RoundTrip);
}

#[test]
fn header_and_end_come_back() {
    let file = sample(10);
    let reader = open(&file).unwrap();
    let found = Header { streams: Vec::new(), ..reader.header().clone() };
    assert_eq!(found, header());
    assert_eq!(reader.end(), Some(&end()));
    assert_eq!(reader.end().unwrap().number("print_time_s"), Some(12.5));
}

#[test]
fn positions_are_off_by_at_most_10_nm() {
    let mut writer = Writer::new(Vec::new(), Header::default()).unwrap();
    let x = |i: u64| 173.123_456_789 + (i as f64 * 0.017).sin() * 31.4;
    for i in 0..5000 {
        writer.push(State { at_ns: i, nozzle_mm: [x(i), -x(i), 0.0], ..State::default() }).unwrap();
    }
    let file = writer.finish(&End::default()).unwrap();
    for (i, row) in open(&file).unwrap().all::<State>().enumerate() {
        let row = row.unwrap();
        assert!((row.nozzle_mm[0] - x(i as u64)).abs() <= 1e-5);
        assert!((row.nozzle_mm[1] + x(i as u64)).abs() <= 1e-5);
    }
}

#[test]
fn a_range_of_time_gives_its_rows_and_no_others() {
    let file = sample(3000);
    let mut reader = open(&file).unwrap();
    let times: Vec<u64> = reader.rows::<State>(777_000_000..1_500_000_000).map(|r| r.unwrap().at_ns).collect();
    let expected: Vec<u64> = (777..1500).map(|i| i * 1_000_000).collect();
    assert_eq!(times, expected);
    assert_eq!(reader.rows::<State>(5..6).count(), 0);
    assert_eq!(reader.rows::<Load>(0..u64::MAX).count(), 0);
}

#[test]
fn the_last_row_before_a_time_is_found() {
    let file = sample(3000);
    let mut reader = open(&file).unwrap();
    assert_eq!(reader.at::<State>(1_234_567_890).unwrap().unwrap().at_ns, 1_234_000_000);
    assert_eq!(reader.at::<State>(0).unwrap().unwrap().at_ns, 0);
    assert_eq!(reader.at::<Event>(13_000_000).unwrap().unwrap().at_ns, 7_000_000);
    assert_eq!(reader.at::<State>(u64::MAX).unwrap().unwrap().at_ns, 2_999_000_000);
    assert!(reader.at::<Load>(5).unwrap().is_none());
}

#[test]
fn streams_are_walked_side_by_side() {
    let file = sample(500);
    let mut reader = open(&file).unwrap();
    let mut states = reader.cursor::<State>(0..u64::MAX);
    let mut events = reader.cursor::<Event>(0..u64::MAX);
    let mut matched = 0;
    while let Some(event) = events.next(&mut reader).unwrap() {
        let state = loop {
            let state = states.next(&mut reader).unwrap().unwrap();
            if state.at_ns >= event.at_ns {
                break state;
            }
        };
        assert_eq!(state.at_ns, event.at_ns);
        matched += 1;
    }
    assert_eq!(matched, 72);
}

#[test]
fn a_file_cut_anywhere_opens_up_to_its_last_whole_block() {
    let file = sample(120);
    let mut reader = open(&file).unwrap();
    let whole: Vec<State> = reader.all().map(Result::unwrap).collect();
    let blocks: Vec<(u64, u64)> =
        reader.blocks_of(State::ID).map(|b| (b.offset, b.offset + u64::from(b.len))).collect();
    let header_end = reader.blocks_of(Event::ID).map(|b| b.offset).chain([blocks[0].0]).min().unwrap();
    for len in 0..file.len() {
        let cut = open(&file[..len]);
        if (len as u64) < header_end {
            let error = cut.err().unwrap_or_else(|| panic!("opened with {len} bytes")).to_string();
            assert!(error.starts_with("byte "), "{error}");
            continue;
        }
        let mut reader = cut.unwrap_or_else(|e| panic!("cut at {len}: {e}"));
        let recovery = reader.recovery().cloned().expect("a cut-off file has no index");
        let rows: Vec<State> = reader.all().map(Result::unwrap).collect();
        let kept = blocks.iter().filter(|(_, end)| *end <= len as u64).count();
        assert_eq!(rows[..], whole[..(kept * 50).min(120)], "cut at {len}");
        let last_end = blocks.iter().map(|b| b.1).filter(|end| *end <= len as u64).max().unwrap_or(header_end);
        assert!((last_end..=len as u64).contains(&recovery.good_bytes), "cut at {len}: {recovery:?}");
    }
}

#[test]
fn a_damaged_block_is_named_by_its_offset() {
    let mut file = sample(400);
    let block = open(&file).unwrap().blocks_of(State::ID).nth(3).unwrap();
    file[block.offset as usize + 60] ^= 0x10;
    let mut reader = open(&file).unwrap();
    let good = reader.all::<State>().take_while(Result::is_ok).count();
    assert_eq!(good, 150);
    let error = reader.verify().unwrap_err().to_string();
    assert!(error.contains(&format!("byte {}", block.offset)), "{error}");
    assert!(error.contains("checksum"), "{error}");
}

#[test]
fn foreign_files_and_later_formats_are_refused_with_the_reason() {
    let message = |bytes: &[u8]| open(bytes).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(message(b"").contains("byte 0: the recording ends inside its header"));
    assert!(message(b"G28\nG1 X10 Y10\n; a g-code file").contains("begins with \"G28"));
    assert!(message(b"PK\x03\x04 a zip archive of something").contains("unpack it"));
    let mut later = sample(1);
    later[8] = 9;
    assert!(message(&later).contains("format 9"));
}

#[test]
fn the_index_chain_is_found_for_long_files() {
    let options = Options { block_rows: 2, ..Options::default() };
    let mut writer = Writer::with_options(Vec::new(), header(), options).unwrap();
    for i in 0..9000 {
        writer.push(random_row::<Fan>(i, i)).unwrap();
    }
    let file = writer.finish(&end()).unwrap();
    let mut reader = open(&file).unwrap();
    assert!(reader.recovery().is_none());
    assert_eq!(reader.blocks_of(Fan::ID).count(), 4500);
    assert_eq!(reader.all::<Fan>().map(|r| r.unwrap().at_ns).collect::<Vec<_>>(), (0..9000).collect::<Vec<_>>());
}

#[test]
fn slow_streams_are_not_held_back_for_long() {
    let second = 1_000_000_000;
    let shared = Shared::default();
    let mut writer = Writer::new(shared.clone(), header()).unwrap();
    for t in 0..100 {
        for i in 0..1000 {
            writer.push(random_row::<State>(i, t * second + i * 1_000_000)).unwrap();
        }
        writer.push(random_row::<Thermal>(t, t * second)).unwrap();
    }
    // The writer is not finished, as after a crash.
    let mut reader = Reader::new(shared).unwrap();
    let last = reader.all::<Thermal>().map(|r| r.unwrap().at_ns).max().unwrap();
    assert!(last >= 60 * second, "the last temperature that reached the file is of {last} ns");
}

#[test]
fn a_growing_file_is_followed() {
    let shared = Shared::default();
    let mut writer = Writer::new(shared.clone(), header()).unwrap();
    let mut reader = Reader::new(shared.clone()).unwrap();
    assert_eq!(reader.row_count::<State>(), 0);
    for round in 1..=5u64 {
        for i in 0..100 {
            writer.push(random_row::<State>(i, (round * 100 + i) * 1000)).unwrap();
        }
        writer.flush().unwrap();
        assert_eq!(reader.refresh().unwrap(), 1);
        assert_eq!(reader.row_count::<State>(), round * 100);
        assert_eq!(reader.rows::<State>(round * 100_000..u64::MAX).count(), 100);
        assert!(reader.end().is_none());
    }
    writer.finish(&end()).unwrap();
    assert_eq!(reader.refresh().unwrap(), 0);
    assert_eq!(reader.end(), Some(&end()));
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    assert_eq!(sample(1000), sample(1000));
}

#[test]
fn columns_are_matched_by_name() {
    let file = sample_with_header(|text| text.replace("name: \"speed\"", "name: \"speed_of_later\""));
    let mut reader = open(&file).unwrap();
    let rows: Vec<Fan> = reader.all::<Fan>().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|r| r.speed == 0.0), "a column of another name is not taken for this one");
    assert_eq!(rows[2].at_ns, 20);
}

/// A file whose header text has been rewritten.
fn sample_with_header(change: impl Fn(&str) -> String) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), header()).unwrap();
    for i in 0..3 {
        writer.push(Fan { at_ns: i * 10, fan: 1, speed: 0.5 }).unwrap();
    }
    let file = writer.finish(&end()).unwrap();
    let stored_len = u32::from_le_bytes(file[32..36].try_into().unwrap()) as usize;
    let raw_len = u32::from_le_bytes(file[28..32].try_into().unwrap()) as usize;
    let old = &file[16 + 52..16 + 52 + stored_len];
    let text = String::from_utf8(lz4_flex::block::decompress(old, raw_len).unwrap()).unwrap();
    let new = change(&text).into_bytes();
    let mut frame = file[16..68].to_vec();
    frame[6..8].copy_from_slice(&0u16.to_le_bytes());
    frame[12..16].copy_from_slice(&(new.len() as u32).to_le_bytes());
    frame[16..20].copy_from_slice(&(new.len() as u32).to_le_bytes());
    frame[20..24].copy_from_slice(&crc32fast::hash(&new).to_le_bytes());
    let crc = crc32fast::hash(&frame[..48]);
    frame[48..52].copy_from_slice(&crc.to_le_bytes());
    let rest = file[16 + 52 + stored_len..].to_vec();
    [file[..16].to_vec(), frame, new, rest].concat()
}

/// A file in memory that one side writes and the other reads.
#[derive(Clone, Default)]
struct Shared {
    bytes: Rc<RefCell<Vec<u8>>>,
    at: u64,
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Read for Shared {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.bytes.borrow();
        let rest = bytes.get(self.at as usize..).unwrap_or_default();
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        self.at += len as u64;
        Ok(len)
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => (self.bytes.borrow().len() as u64).saturating_add_signed(by),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}
