//! What docs and manifests promise, held against the tree.

use super::{Tree, has_word};
use crate::Findings;

/// Folders inside the determinism boundary. Clippy merges no files, so each carries its own copy.
const FENCED: &[&str] = &["host-core", "mcu-firmware", "virtual-mcu", "sim/plant", "sim/twin"];

/// Crates that need no standard library, and so cannot reach a clock, a thread or a hash map.
const NO_STD: &[&str] = &["mcu-firmware/protocol", "mcu-firmware/core", "virtual-mcu", "host-core/motion", "sim/plant"];

const MAP: &str = "docs/architecture.md";
const TABLE: &str = "scenarios/README.md";

pub fn fences_are_equal(tree: &Tree) -> Findings {
    let first = tree.text(&format!("{}/clippy.toml", FENCED[0]));
    let differs = |folder: &&&str| first.is_none() || tree.text(&format!("{folder}/clippy.toml")) != first;
    let say = |folder: &&str| format!("{folder}/clippy.toml is not the same as {}/clippy.toml; copy it", FENCED[0]);
    FENCED.iter().filter(differs).map(say).collect()
}

pub fn no_std_stays(tree: &Tree) -> Findings {
    let lib = |folder: &&&str| tree.text(&format!("{folder}/src/lib.rs"));
    let has_std =
        |folder: &&&str| lib(folder).is_some_and(|text| !text.lines().any(|line| line.trim() == "#![no_std]"));
    let say =
        |folder: &&str| format!("{folder}/src/lib.rs must begin with #![no_std]: it is the boundary's best fence");
    NO_STD.iter().filter(has_std).map(say).collect()
}

pub fn every_crate_takes_the_workspace_lints(tree: &Tree) -> Findings {
    let mut found = Vec::new();
    for (folder, text) in crates(tree) {
        let squeezed: String = text.split_whitespace().collect();
        if !squeezed.contains("[lints]workspace=true") {
            found
                .push(format!("{folder}/Cargo.toml: add `[lints]` with `workspace = true` (unsafe code is forbidden)"));
        }
    }
    found
}

pub fn every_crate_is_on_the_map(tree: &Tree) -> Findings {
    let map = tree.text(MAP).unwrap_or_default();
    let off =
        |(folder, _): &(&str, &str)| !map.contains(&format!("`{folder}`")) && !map.contains(&format!("`{folder}/`"));
    let say = |(folder, _): (&str, &str)| format!("{MAP} does not name `{folder}`: say there what the crate is for");
    crates(tree).filter(off).map(say).collect()
}

pub fn every_scenario_is_in_the_table(tree: &Tree) -> Findings {
    let table = tree.text(TABLE).unwrap_or_default();
    let mut names: Vec<&str> = Vec::new();
    for file in tree.files.iter().filter(|file| file.extension() == "ron") {
        let Some(inside) = file.path.strip_prefix("scenarios/") else { continue };
        let name = inside.split('/').next().unwrap_or_default();
        names.push(name.strip_suffix(".ron").unwrap_or(name));
    }
    names.dedup();
    let missing = |name: &&str| !has_word(table, name);
    let say = |name: &str| format!("{TABLE} has no line on {name}: say what it shows and what is expected");
    names.into_iter().filter(missing).map(say).collect()
}

/// Folder and manifest of each of our crates.
fn crates(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.files.iter().filter_map(|file| {
        let folder = file.path.strip_suffix("/Cargo.toml")?;
        let text = file.text()?;
        text.contains("[package]").then_some((folder, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_that_was_changed_in_one_place_only_is_caught() {
        let mut files: Vec<(String, &str)> = FENCED.iter().map(|f| (format!("{f}/clippy.toml"), "same")).collect();
        let tree =
            |files: &[(String, &str)]| Tree::of(&files.iter().map(|(p, t)| (p.as_str(), *t)).collect::<Vec<_>>());
        assert_eq!(fences_are_equal(&tree(&files)), Findings::new());
        files[3].1 = "other";
        assert_eq!(fences_are_equal(&tree(&files)).len(), 1);
    }

    #[test]
    fn a_boundary_crate_that_takes_std_is_caught() {
        let with = ("virtual-mcu/src/lib.rs", "//! Doc.\n\n#![no_std]\n");
        let without = ("host-core/motion/src/lib.rs", "//! Doc.\nuse std::fmt;\n");
        assert_eq!(no_std_stays(&Tree::of(&[with, without])).len(), 1);
    }

    #[test]
    fn a_crate_must_be_on_the_map_and_take_the_lints() {
        let good = ("sim/plant/Cargo.toml", "[package]\nname = \"p\"\n[lints]\nworkspace = true\n");
        let bad = ("sim/new/Cargo.toml", "[package]\nname = \"n\"\n");
        let tree = Tree::of(&[good, bad, (MAP, "| `sim/plant` | physics |")]);
        assert_eq!(every_crate_takes_the_workspace_lints(&tree).len(), 1);
        assert_eq!(every_crate_is_on_the_map(&tree).len(), 1);
    }

    #[test]
    fn a_scenario_without_a_line_is_caught() {
        let tree = Tree::of(&[
            (TABLE, "| [heat](heat) | holds 200 C |"),
            ("scenarios/heat/scenario.ron", ""),
            ("scenarios/heat/expected.ron", ""),
            ("scenarios/cold/scenario.ron", ""),
        ]);
        let found = every_scenario_is_in_the_table(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("cold"));
    }
}
