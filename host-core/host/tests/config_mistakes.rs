//! The 35 kinds of mistake that people make and Klipper finds late, one at a time, or never: how many are named before
//! anything moves, all in one pass, with the line and what to do.
//!
//! The files mark each mistake where it stands: `#! kind -> code`. Four of the 35 are in no text, since both ways are
//! valid: heater pins swapped, sensor pins swapped, a direction inverted, an endstop's polarity. Only a machine shows
//! them.

use std::collections::BTreeSet;

use drydock_host::config::MapSource;
use drydock_host::config::lint::check;

const ONE: &str = include_str!("config/mistakes.cfg");
const TWO: &str = include_str!("config/mistakes-2.cfg");
const PROGRAM: &str = include_str!("config/mistakes.gcode");

/// Line, kind and code of each mark.
fn marks(text: &'static str) -> impl Iterator<Item = (u32, &'static str, &'static str)> {
    (1..).zip(text.lines()).filter_map(|(line, text)| {
        let (kind, code) = text.split_once("! ")?.1.split_once(" -> ")?;
        Some((line, kind, code))
    })
}

#[test]
fn thirty_one_of_the_35_kinds_are_named_with_line_and_mend() {
    let mut kinds = BTreeSet::new();
    for (config, program) in [(ONE, PROGRAM), (TWO, "")] {
        let source = MapSource::new([("printer.cfg", config)]);
        let found = match program {
            "" => check(&source, "printer.cfg", None),
            program => check(&source, "printer.cfg", Some(&mut program.lines())),
        };
        let mut expected: Vec<(&str, u32, &str)> = Vec::new();
        for (text, file) in [(config, "printer.cfg"), (program, "")] {
            expected.extend(marks(text).map(|(line, _, code)| (file, line, code)));
            kinds.extend(marks(text).map(|(_, kind, _)| kind));
        }
        // Neither less than what is marked nor more.
        let named: Vec<(&str, u32, &str)> = found.iter().map(|f| (f.file.as_str(), f.line, f.code)).collect();
        assert_eq!(named, expected);
        assert!(found.iter().all(|f| !f.message.is_empty() && !f.help.is_empty()), "{found:?}");
    }
    assert_eq!(kinds.len(), 31, "{kinds:#?}");
}
