//! docs/conformance.md: its tables hold every message of the firmware, and the tests that they name exist.

use drydock_virtual_mcu::{McuConfig, VirtualMcu};
use std::collections::BTreeSet;
use std::path::Path;

const PAGE: &str = include_str!("../../../docs/conformance.md");

/// The texts between backticks of each row that begins with one, and whether the row says who sends or reads it.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let ticked = |line: &'static str| line.split('`').skip(1).step_by(2).collect();
    PAGE.lines().filter(|line| line.starts_with("| `")).map(ticked)
}

#[test]
fn the_tables_hold_every_message_once() {
    let mcu = VirtualMcu::new(McuConfig::default());
    let dictionary = mcu.dictionary();
    let declared: Vec<&str> =
        dictionary.commands.keys().chain(dictionary.responses.keys()).map(String::as_str).collect();
    let listed: Vec<&str> = rows().map(|row| row[0]).collect();
    let as_set = |texts: &[&'static str]| texts.iter().copied().collect::<BTreeSet<_>>();
    let (missing, unknown): (Vec<_>, Vec<_>) = (
        declared.iter().filter(|text| !listed.contains(text)).collect(),
        listed.iter().filter(|text| !declared.contains(text)).collect(),
    );
    assert!(missing.is_empty() && unknown.is_empty(), "not listed: {missing:?}; listed, but unknown: {unknown:?}");
    assert_eq!(as_set(&listed).len(), listed.len(), "a message is listed twice");
}

#[test]
fn every_test_that_saw_a_message_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for row in rows() {
        let [message, file, test] = row[..] else { panic!("a row without a file and a test: {row:?}") };
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{message}: {file}: {e}"));
        assert!(text.contains(&format!("fn {test}(")), "{message}: no test {test} in {file}");
        let name = message.split(' ').next().unwrap_or(message);
        assert!(text.contains(name), "{message}: {file} does not speak of it");
    }
}
