//! Cost of a study and of a spectrum: `cargo bench -p drydock-analysis --bench analysis`.

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use divan::counter::ItemsCount;
use drydock_analysis::spectrum::Samples;
use drydock_analysis::{Options, Study, report};
use drydock_recording::State;

#[divan::bench(sample_count = 20)]
fn study_of_a_part(bencher: divan::Bencher) {
    let mut reader = synthetic::part(false);
    let rows = reader.row_count::<State>();
    bencher
        .counter(ItemsCount::new(rows))
        .bench_local(|| Study::of(&mut [("off", &mut reader)], &Options::default()).map(|s| s.runs.len()).unwrap_or(0));
}

#[divan::bench(sample_count = 20)]
fn report_of_a_study(bencher: divan::Bencher) {
    let mut reader = synthetic::part(false);
    let study = Study::of(&mut [("off", &mut reader)], &Options::default()).expect("it is whole");
    bencher.bench(|| report::html(&study, "").len());
}

#[divan::bench(sample_count = 20)]
fn spectrum_of_three_axes(bencher: divan::Bencher) {
    let mut samples = Samples::default();
    for i in 0..400_000 {
        let t = f64::from(i) / 3200.0;
        samples.push(t, [(t * 300.0).sin(), (t * 200.0).cos(), 1.0]);
    }
    bencher.counter(ItemsCount::new(400_000u32)).bench(|| samples.spectrum().map(|s| s.freq_hz.len()));
}

fn main() {
    assert!(synthetic::planted(1.0).row_count::<State>() > 0);
    divan::main();
}
