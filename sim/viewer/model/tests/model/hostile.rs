//! Nothing that a file can hold makes the viewer fall over.

use crate::synthetic::*;
use drydock_recording::*;
use drydock_view_model::vibration::Probe;
use drydock_view_model::*;
use proptest::prelude::*;
use std::sync::LazyLock;

/// Times that are near each other, far apart, out of order, at both ends.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![5 => 0u64..2_000_000_000, 1 => any::<u64>(), 1 => Just(u64::MAX), 1 => Just(0)]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![6 => -10.0f64..300.0, 1 => any::<f64>(), 1 => Just(f64::NAN), 1 => Just(1e300), 1 => Just(0.0)]
}

fn place() -> impl Strategy<Value = [f64; 3]> {
    [number(), number(), number()]
}

#[derive(Clone, Debug)]
enum AnyRow {
    Command(Command),
    Move(Move),
    State(State),
    Thermal(Thermal),
    Extrusion(Extrusion),
    Bead(Bead),
    Load(Load),
    Accel(Accel),
    Queue(Queue),
}

fn row() -> impl Strategy<Value = AnyRow> {
    let words = prop::sample::select(vec![";LAYER_CHANGE", "T1", "T99999", "G1 X1", "", "µ;T"]);
    prop_oneof![
        (time(), any::<u32>(), words).prop_map(|(at_ns, line_no, text)| AnyRow::Command(Command {
            at_ns,
            line_no: line_no % 4,
            offset: 0,
            text: text.into()
        })),
        (time(), time(), place(), place(), number(), number()).prop_map(
            |(at_ns, duration_ns, start_mm, end_mm, start_v_mm_s, accel_mm_s2)| AnyRow::Move(Move {
                at_ns,
                duration_ns,
                start_mm,
                end_mm,
                start_v_mm_s,
                accel_mm_s2,
                ..Move::default()
            })
        ),
        (time(), place(), place(), number()).prop_map(|(at_ns, drive_mm, nozzle_mm, e_mm)| AnyRow::State(State {
            at_ns,
            drive_mm,
            nozzle_mm,
            e_mm
        })),
        (time(), any::<u8>(), number(), number()).prop_map(|(at_ns, heater, measured_c, duty)| AnyRow::Thermal(
            Thermal { at_ns, heater, measured_c, duty, ..Thermal::default() }
        )),
        (time(), number(), number()).prop_map(|(at_ns, pressure_mpa, flow_mm3_s)| AnyRow::Extrusion(Extrusion {
            at_ns,
            pressure_mpa,
            flow_mm3_s
        })),
        (time(), time(), place(), place(), number(), number(), any::<u8>()).prop_map(
            |(at_ns, duration_ns, from_mm, to_mm, width_mm, height_mm, feature)| AnyRow::Bead(Bead {
                at_ns,
                duration_ns,
                from_mm,
                to_mm,
                width_mm,
                height_mm,
                temperature_c: height_mm,
                feature
            })
        ),
        (time(), any::<u8>(), number()).prop_map(|(at_ns, motor, load_angle_deg)| AnyRow::Load(Load {
            at_ns,
            motor,
            load_angle_deg,
            lost_steps: 0
        })),
        (time(), any::<u8>(), any::<[i16; 3]>()).prop_map(|(at_ns, chip, raw)| AnyRow::Accel(Accel {
            at_ns,
            chip: chip % 2,
            raw
        })),
        (time(), any::<u8>(), any::<u32>()).prop_map(|(at_ns, mcu, depth)| AnyRow::Queue(Queue { at_ns, mcu, depth })),
    ]
}

fn recording(rows: Vec<AnyRow>, block_rows: u32, finished: bool) -> Vec<u8> {
    let options = Options { block_rows, ..Options::default() };
    let mut bytes = Vec::new();
    let mut writer = Writer::with_options(&mut bytes, Squares::default().header(), options).unwrap();
    for row in rows {
        match row {
            AnyRow::Command(row) => writer.push(row),
            AnyRow::Move(row) => writer.push(row),
            AnyRow::State(row) => writer.push(row),
            AnyRow::Thermal(row) => writer.push(row),
            AnyRow::Extrusion(row) => writer.push(row),
            AnyRow::Bead(row) => writer.push(row),
            AnyRow::Load(row) => writer.push(row),
            AnyRow::Accel(row) => writer.push(row),
            AnyRow::Queue(row) => writer.push(row),
        }
        .unwrap();
    }
    if finished {
        writer.finish(&End { end_ns: 1_000_000_000, ..End::default() }).unwrap();
    } else {
        writer.flush().unwrap();
        drop(writer);
    }
    bytes
}

static PLANTED: LazyLock<Vec<u8>> = LazyLock::new(|| Squares { layers: 1, ..Squares::default() }.bytes());

/// Looks at all there is.
fn look(document: &mut Document, at_ns: u64) {
    let span = document.span_ns();
    let mut playhead = Playhead::new(span.clone(), document.tick_ns());
    playhead.seek(at_ns);
    playhead.step(-3);
    document.pose(at_ns).exaggerated(500.0);
    document.shake(at_ns);
    document.ring_down(at_ns);
    document.trail(at_ns..at_ns.saturating_add(1_000_000_000), 10);
    document.displacements(&[at_ns, 0, u64::MAX]);
    for by in ColourBy::ALL {
        let values = document.values(by).to_vec();
        assert_eq!(values.len(), document.part().len());
        let legend = by.legend(&values, [0.02, 0.98]);
        legend.ticks(6);
        values.iter().for_each(|v| drop(legend.colour(*v).to_vec()));
    }
    for channel in document.channels() {
        for range in [span.clone(), at_ns..at_ns.saturating_add(1_000_000)] {
            document.series(channel, range, 20);
        }
    }
    for probe in document.probes() {
        let range = at_ns..at_ns.saturating_add(3_000_000_000);
        document.spectrum(probe, range.clone()).ok();
        document.spectrogram(probe, range, 4);
    }
    document.spectrum(Probe::Chip(255), span).ok();
    let part = document.part();
    for detail in [Detail::Fine, Detail::Coarse, Detail::Far] {
        let mesh = part.mesh(0..part.len(), detail);
        assert!(mesh.indices.iter().all(|i| (*i as usize) < mesh.positions.len()));
    }
    part.laid_at(at_ns);
    for line in 0..document.timeline().line_count() {
        document.timeline().line(line).unwrap();
        document.timeline().line_span(line).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn rows_of_any_values_in_any_order_are_looked_at_without_falling_over(
        rows in prop::collection::vec(row(), 0..120),
        block_rows in 1u32..20,
        finished in any::<bool>(),
        at_ns in time(),
    ) {
        let bytes = recording(rows, block_rows, finished);
        let mut document = Document::from_bytes("any", bytes.clone()).unwrap();
        look(&mut document, at_ns);
        let mut other = Document::from_bytes("planted", PLANTED.clone()).unwrap();
        Compare::time(&mut document, &mut other, at_ns);
        Compare::time(&mut other, &mut document, at_ns);
        prop_assert_eq!(Compare::deviation_difference(&mut document, &mut other).len(), document.part().len());
        prop_assert_eq!(Compare::deviation_difference(&mut other, &mut document).len(), other.part().len());
    }

    #[test]
    fn changed_bytes_are_refused_or_shown_but_never_fatal(
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        cut in any::<prop::sample::Index>(),
        at_ns in time(),
    ) {
        let mut bytes = PLANTED.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= with;
        if with % 2 == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(mut document) = Document::from_bytes("bent", bytes) {
            look(&mut document, at_ns);
        }
    }
}
