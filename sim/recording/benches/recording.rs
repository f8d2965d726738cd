//! Cost of a row written and read: `cargo bench -p drydock-recording`.

use divan::counter::ItemsCount;
use drydock_recording::{Bead, End, Header, Reader, State, StepSegment, Writer};
use std::io::Cursor;

const ROWS: u64 = 200_000;

/// A toolhead that draws 40 mm squares at 100 mm/s and rings at 48 Hz, sampled at 10 kHz.
fn state(i: u64) -> State {
    let t = i as f64 * 1e-4;
    let along = (t * 100.0 + 3.0 * (t * 0.7).sin()) % 160.0;
    let (side, rest) = ((along / 40.0) as u32, along % 40.0);
    let drive = match side {
        0 => [100.0 + rest, 100.0],
        1 => [140.0, 100.0 + rest],
        2 => [140.0 - rest, 140.0],
        _ => [100.0, 140.0 - rest],
    };
    let ringing = 0.03 * (-rest / 8.0).exp() * (301.6 * rest / 100.0).cos();
    // Ripple that never repeats: what a plant adds to the digits that a drawing would keep at zero.
    let ripple = 5e-4 * (t * 1_934.7).sin() + 2e-4 * (t * 3_811.3).sin();
    let ringing = ringing + ripple;
    let nozzle = if side % 2 == 0 { [drive[0], drive[1] + ringing, 0.2] } else { [drive[0] + ringing, drive[1], 0.2] };
    State { at_ns: i * 100_000, drive_mm: [drive[0], drive[1], 0.2], nozzle_mm: nozzle, e_mm: t * 3.3 }
}

fn hash(i: u64) -> u64 {
    let mixed = (i ^ (i << 21)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40
}

fn segment(i: u64) -> StepSegment {
    let stepper = (i % 3) as u8;
    StepSegment {
        at_ns: i * 310_000 + u64::from(stepper) * 1_700,
        stepper,
        interval_ticks: 4_200 + (hash(i) % 307) as u32,
        count: 20 + (hash(i + 7) % 53) as u16,
        add_ticks: (hash(i + 99) % 9) as i16 - 4,
        forward: (i / 100).is_multiple_of(2),
    }
}

fn bead(i: u64) -> Bead {
    let (a, b) = (state(i * 20), state(i * 20 + 20));
    Bead {
        at_ns: a.at_ns,
        duration_ns: 2_000_000,
        from_mm: a.nozzle_mm,
        to_mm: b.nozzle_mm,
        width_mm: 0.45 + 0.002 * (i as f64 * 0.3).sin(),
        height_mm: 0.2,
        temperature_c: 240.0,
        feature: Bead::FEATURE_OUTER_WALL,
    }
}

fn write<R: drydock_recording::Row>(rows: &[R]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::with_capacity(16 << 20), Header::default()).expect("a vector takes all");
    for row in rows {
        writer.push(row.clone()).expect("a vector takes all");
    }
    writer.finish(&End::default()).expect("a vector takes all")
}

fn bench_write<R: drydock_recording::Row + Sync>(bencher: divan::Bencher, make: fn(u64) -> R) {
    let rows: Vec<R> = (0..ROWS).map(make).collect();
    bencher.counter(ItemsCount::new(ROWS)).bench(|| write(&rows));
}

#[divan::bench]
fn write_state(bencher: divan::Bencher) {
    bench_write(bencher, state);
}

#[divan::bench]
fn write_step_segment(bencher: divan::Bencher) {
    bench_write(bencher, segment);
}

#[divan::bench]
fn write_bead(bencher: divan::Bencher) {
    bench_write(bencher, bead);
}

#[divan::bench]
fn read_state(bencher: divan::Bencher) {
    let rows: Vec<State> = (0..ROWS).map(state).collect();
    let file = write(&rows);
    bencher.counter(ItemsCount::new(ROWS)).bench(|| {
        let mut reader = Reader::new(Cursor::new(file.as_slice())).expect("it was just written");
        reader.all::<State>().map(|row| row.map_or(0.0, |r| r.nozzle_mm[0])).sum::<f64>()
    });
}

fn main() {
    let bytes_per_row = |file: Vec<u8>| file.len() as f64 / ROWS as f64;
    println!("State       {:.2} bytes/row", bytes_per_row(write(&(0..ROWS).map(state).collect::<Vec<_>>())));
    println!("StepSegment {:.2} bytes/row", bytes_per_row(write(&(0..ROWS).map(segment).collect::<Vec<_>>())));
    println!("Bead        {:.2} bytes/row", bytes_per_row(write(&(0..ROWS).map(bead).collect::<Vec<_>>())));
    divan::main();
}
