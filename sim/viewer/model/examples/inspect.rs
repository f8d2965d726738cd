//! Opens a recording as the viewer does and says how long each thing takes.
//!
//! `cargo run --release -p drydock-view-model --example inspect -- run.drydock`

use drydock_view_model::{Channel, ColourBy, Detail, Document};
use std::time::Instant;

fn main() {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("give the path of a recording");
        std::process::exit(2);
    };
    if let Err(error) = inspect(&path) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn inspect(path: &str) -> Result<(), drydock_view_model::Error> {
    let start = Instant::now();
    let mut document = Document::open(path)?;
    println!("opened in {:.3} s{}", start.elapsed().as_secs_f64(), memory());
    if let Some(note) = document.note() {
        println!("{note}");
    }
    let span = document.span_ns();
    let (timeline, part, machine) = (document.timeline(), document.part(), document.machine());
    println!(
        "{:?} {:.3}..{:.3} s, {} lines, {} layers, {} beads in {} chunks, bounds {:?}",
        machine.kind,
        span.start as f64 * 1e-9,
        span.end as f64 * 1e-9,
        timeline.line_count(),
        timeline.layers().len(),
        part.len(),
        part.chunks().len(),
        part.bounds_mm(),
    );
    let layer = timeline.layers().get(timeline.layers().len() / 2);
    println!("travel {:?} to {:?}, layer {layer:?}", machine.travel_min_mm, machine.travel_max_mm);
    for mode in &machine.modes {
        println!("mode {} {} Hz, damping {}", ["x", "y", "z"][mode.axis], mode.frequency_hz, mode.damping);
    }
    for by in ColourBy::ALL {
        let start = Instant::now();
        let values = document.values(by).to_vec();
        let took = start.elapsed().as_secs_f64();
        let legend = by.legend(&values, [0.02, 0.98]);
        let none = values.iter().filter(|v| v.is_nan()).count();
        let (low, high, unit) = (legend.low, legend.high, legend.unit);
        println!("{:>16}: {low:.3} to {high:.3} {unit}, {none} without, {took:.3} s", by.title());
    }
    println!("all colours{}", memory());
    let (mut worst, mut sum) = (0.0f64, 0.0);
    for i in 0..200u64 {
        let at_ns = span.start + (span.end - span.start) / 200 * (i * 77 % 200);
        let start = Instant::now();
        let pose = document.pose(at_ns);
        let took = start.elapsed().as_secs_f64();
        assert_eq!(pose.at_ns, at_ns);
        (worst, sum) = (worst.max(took), sum + took);
    }
    println!("pose: {:.3} ms, at worst {:.3} ms", sum / 200.0 * 1e3, worst * 1e3);
    for channel in [Channel::TrueVelocity(0), Channel::CommandedVelocity(0), Channel::Pressure] {
        for time in ["first", "then"] {
            let start = Instant::now();
            let points = document.series(channel, span.clone(), 2000).len();
            println!("{channel:?} of the whole run, {time}: {points} points, {:.4} s", start.elapsed().as_secs_f64());
        }
    }
    let middle_ns = span.start + (span.end - span.start) / 2;
    let start = Instant::now();
    let light = document.ring_down(middle_ns);
    println!("ring-down: {:.2} ms, {light:?}", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    let trail = document.trail(middle_ns..middle_ns + 2_000_000_000, 2000);
    println!("trail of 2 s: {} points, {:.2} ms", trail.at_ns.len(), start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    let times: Vec<u64> = (0..document.part().len()).map(|i| document.part().end_ns(i)).collect();
    let displacements = document.displacements(&times).len();
    println!("displacements of {displacements} beads: {:.3} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let mesh = document.part().mesh(0..document.part().len().min(100_000), Detail::Fine);
    println!("mesh of 100,000 beads: {} vertices, {:.3} s", mesh.positions.len(), start.elapsed().as_secs_f64());
    let start = Instant::now();
    let runs = document.part().simplified(0..document.part().len(), drydock_view_model::mesh::FAR_MM).len();
    println!("from far away: {runs} runs, {:.3} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// The most memory that this process has held, where the system tells it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or(String::new(), |peak| format!(", peak memory {}", peak.trim()))
}
