//! Programs in the style of each common slicer, real programs where they are at hand, and text of any kind.

use std::collections::BTreeMap;

use drydock_host::gcode::Command;
use proptest::prelude::*;

/// What a program comes to when its commands are followed.
#[derive(Default)]
struct Summary {
    names: BTreeMap<String, u32>,
    filament_mm: f64,
    malformed: u32,
}

fn summarise(text: &str) -> Summary {
    let mut out = Summary::default();
    let (mut absolute_e, mut e) = (true, 0.0);
    for command in text.lines().filter_map(Command::parse) {
        *out.names.entry(command.name().to_string()).or_default() += 1;
        out.malformed += u32::from(command.well_formed().is_err());
        let value = command.float("E").optional().unwrap_or(None);
        match (command.name(), value) {
            ("M82", _) => absolute_e = true,
            ("M83", _) => absolute_e = false,
            ("G92", Some(value)) => e = value,
            ("G1" | "G0" | "G3", Some(value)) => {
                out.filament_mm += if absolute_e { value - e } else { value };
                e = value;
            }
            _ => {}
        }
    }
    out
}

#[test]
fn slicers_are_read_whatever_their_style() {
    /// Slicer, file, filament, and how often each command comes.
    type Case = (&'static str, &'static str, f64, &'static [(&'static str, u32)]);
    let cases: [Case; 6] = [
        (
            "PrusaSlicer",
            include_str!("gcode/prusaslicer.gcode"),
            -0.68151,
            &[("G1", 8), ("M862.3", 1), ("START_PRINT", 1), ("EXCLUDE_OBJECT_START", 1), ("M73", 1)],
        ),
        (
            "SuperSlicer",
            include_str!("gcode/superslicer.gcode"),
            -0.37843,
            &[("G1", 6), ("PRINT_START", 1), ("PRINT_END", 1), ("SET_VELOCITY_LIMIT", 2), ("M106", 1)],
        ),
        (
            "OrcaSlicer",
            include_str!("gcode/orcaslicer.gcode"),
            -0.02657,
            &[("G1", 9), ("G3", 1), ("EXCLUDE_OBJECT_DEFINE", 1), ("SET_PRINT_STATS_INFO", 1)],
        ),
        ("Cura", include_str!("gcode/cura.gcode"), -6.13663, &[("G0", 2), ("G1", 6), ("T0", 1), ("M82", 2)]),
        ("Simplify3D", include_str!("gcode/simplify3d.gcode"), -1.8524, &[("G1", 8), ("G92", 4), ("M84", 1)]),
        ("ideaMaker", include_str!("gcode/ideamaker.gcode"), 1.956, &[("G0", 1), ("G1", 3), ("G28", 2), ("M117", 1)]),
    ];
    for (slicer, text, filament_mm, names) in cases {
        let summary = summarise(text);
        for (name, count) in names {
            assert_eq!(summary.names.get(*name), Some(count), "{slicer}: {name} among {:?}", summary.names);
        }
        assert!((summary.filament_mm - filament_mm).abs() < 1e-9, "{slicer}: {} mm", summary.filament_mm);
        assert_eq!(summary.malformed, 0, "{slicer}");
    }
}

#[test]
fn parameters_of_slicers_macros_are_read() {
    let line = |text: &'static str, start: &str| text.lines().find(|l| l.starts_with(start)).and_then(Command::parse);
    let start = line(include_str!("gcode/superslicer.gcode"), "print_start").unwrap();
    assert_eq!((start.get("MATERIAL"), start.get("MESH_MIN")), (Some("ABS black"), Some("12.5,20")));
    let define = line(include_str!("gcode/orcaslicer.gcode"), "EXCLUDE_OBJECT_DEFINE").unwrap();
    assert_eq!(define.get("POLYGON"), Some("[[140,140],[160,140],[160,160],[140,160],[140,140]]"));
    let text = line(include_str!("gcode/ideamaker.gcode"), "N16").unwrap();
    assert_eq!((text.raw_params(), text.line_number()), ("Layer 1 of 100", Some(16)));
}

/// The payload of a gzip file, inflated.
fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let flags = *bytes.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + usize::from(*bytes.get(at)?) + 256 * usize::from(*bytes.get(at + 1)?);
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            at += 1 + bytes.get(at..)?.iter().position(|b| *b == 0)?;
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    miniz_oxide::inflate::decompress_to_vec(bytes.get(at..bytes.len() - 8)?).ok()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test may read the reference programs")]
fn real_programs_are_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference/gcode/");
    for (file, g1_at_least) in [
        ("ender3-calibration-cube.cura.gcode.gz", 8_000),
        ("ringing-square-60mm.prusaslicer.gcode.gz", 9_000),
        ("voron-v0-speed-benchy.superslicer.gcode.gz", 50_000),
    ] {
        let Ok(bytes) = std::fs::read(format!("{folder}{file}")) else {
            eprintln!("skipped: {file} is not here");
            return;
        };
        let text = String::from_utf8(gunzip(&bytes).unwrap()).unwrap();
        let summary = summarise(&text);
        assert!(summary.names["G1"] > g1_at_least, "{file}: {:?}", summary.names);
        assert_eq!(summary.malformed, 0, "{file}");
        for command in text.lines().filter_map(Command::parse).filter(|c| c.name() == "G1") {
            assert!(command.letters().all(|(_, v)| v.parse::<f64>().is_ok()), "{file}: {}", command.raw());
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(line in "\\PC*") {
        if let Some(command) = Command::parse(&line) {
            prop_assert!(!command.name().is_empty());
            prop_assert_eq!(command.raw(), line.trim_end_matches(['\r', '\n']));
            let owned = command.clone().into_owned();
            prop_assert_eq!(owned.params(), command.params());
            let _ = (command.float("X").optional(), command.int("X").optional(), command.well_formed());
        }
    }

    #[test]
    fn text_like_gcode_is_read_without_panic(line in "[NnGMgTx0-9 .;*=\"'\\\\#XYZEF_äA-C-]{0,60}") {
        if let Some(command) = Command::parse(&line) {
            prop_assert!(line.contains(command.raw_params()));
            let _ = (command.params(), command.well_formed());
        }
    }

    #[test]
    fn numbers_come_back_as_they_were_written(x in -1e4f64..1e4, y in -1e4f64..1e4, e in -10f64..10.0) {
        let line = format!("G1 X{x} Y{y:.3} E{e:.5} ; c");
        let command = Command::parse(&line).unwrap();
        prop_assert_eq!(command.float("X").required(), Ok(x));
        let y: f64 = format!("{y:.3}").parse().unwrap();
        let e: f64 = format!("{e:.5}").parse().unwrap();
        prop_assert_eq!((command.float("Y").required(), command.float("E").required()), (Ok(y), Ok(e)));
    }

    #[test]
    fn quoted_values_come_back_whole(value in "[ -~]{0,30}") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let line = format!("RESPOND MSG=\"{quoted}\" TYPE=echo");
        let command = Command::parse(&line).unwrap();
        prop_assert_eq!((command.get("MSG"), command.get("TYPE")), (Some(value.as_str()), Some("echo")));
    }
}
