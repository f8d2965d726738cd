//! Every source file is built, and every entry of a registry folder is in its list.

use super::{File, Tree, has_word};
use crate::Findings;

/// Folders where one file is one entry, and the folder's `mod.rs` holds the list.
const REGISTRIES: &[&str] = &["kinematics", "shapers", "sensors", "thermistors", "faults", "exports"];

/// Folders whose list lies elsewhere, and where.
const LISTED_ELSEWHERE: &[(&str, &[&str])] =
    &[("host-core/host/src/objects/", &["host-core/host/src/printer/sections.rs", "host-core/host/src/host.rs"])];

/// Files in such a folder that are no entry, but something that the entries share.
const SHARED: &[&str] = &["host-core/motion/src/kinematics/extruder.rs"];

/// A source file that no parent module names is compiled by nobody, and its tests run nowhere.
pub fn dead_files(tree: &Tree) -> Findings {
    let mut found = Vec::new();
    for (file, name, parents) in modules(tree) {
        let named = parents.iter().any(|parent| tree.text(parent).is_some_and(|text| has_word(&code(text), &name)));
        if !named {
            let parents = parents.join(" or ");
            found.push(format!(
                "{}: no module names it, so it is never built; add `mod {name};` to {parents}",
                file.path
            ));
        }
    }
    found
}

/// In a registry, the declaration alone is not enough: the list must name the entry too.
pub fn unlisted_entries(tree: &Tree) -> Findings {
    let mut found = Vec::new();
    for (file, name, parents) in modules(tree) {
        let folder = file.path.rsplit('/').nth(1).unwrap_or_default();
        let entry = !file.path.ends_with("/mod.rs") && !SHARED.contains(&file.path.as_str());
        if !entry || !REGISTRIES.contains(&folder) {
            continue;
        }
        for parent in &parents {
            let Some(text) = tree.text(parent) else { continue };
            let declared = |line: &&str| line.contains(&format!("mod {name};"));
            let code = code(text);
            if code.lines().any(|line| declared(&line))
                && !code.lines().any(|line| !declared(&line) && has_word(line, &name))
            {
                found.push(format!("{}: the list in {parent} does not name {name}", file.path));
            }
        }
    }
    found.extend(unlisted_elsewhere(tree));
    found
}

fn unlisted_elsewhere(tree: &Tree) -> Findings {
    let mut found = Vec::new();
    for (folder, lists) in LISTED_ELSEWHERE {
        let texts: Vec<String> = lists.iter().filter_map(|list| tree.text(list)).map(code).collect();
        for file in tree.files.iter().filter(|file| file.extension() == "rs") {
            let Some(inside) = file.path.strip_prefix(folder) else { continue };
            let name = inside.split('/').next().unwrap_or_default().trim_end_matches(".rs");
            if name != "mod" && !texts.iter().any(|text| has_word(text, name)) {
                found.push(format!("{}: neither {} names {name}", file.path, lists.join(" nor ")));
            }
        }
    }
    found
}

/// Each Rust file that is some module's child: the file, its module name, the files that may declare it.
fn modules(tree: &Tree) -> impl Iterator<Item = (&File, String, Vec<String>)> {
    tree.files.iter().filter(|file| file.extension() == "rs").filter_map(|file| {
        let (crate_root, inside) = file.path.split_once("src/")?;
        let stem = inside.strip_suffix(".rs")?;
        if matches!(stem, "lib" | "main") || stem.starts_with("bin/") {
            return None;
        }
        let module = stem.strip_suffix("/mod").unwrap_or(stem);
        let (parent, name) = module.rsplit_once('/').unwrap_or(("", module));
        let parents = match parent {
            "" => vec![format!("{crate_root}src/lib.rs"), format!("{crate_root}src/main.rs")],
            parent => vec![format!("{crate_root}src/{parent}/mod.rs"), format!("{crate_root}src/{parent}.rs")],
        };
        Some((file, name.to_string(), parents))
    })
}

/// The text without its comments: a comment may mention a module that is not there.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: (&str, &str) = ("a/src/lib.rs", "pub mod shapers;\nmod tests;\n");

    #[test]
    fn a_file_that_no_module_names_is_dead() {
        let tree = Tree::of(&[
            LIB,
            ("a/src/shapers/mod.rs", "mod zv;\n// zvd is gone\nzv::X"),
            ("a/src/shapers/zv.rs", ""),
            ("a/src/shapers/zvd.rs", ""),
        ]);
        let found = dead_files(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("zvd.rs"));
    }

    #[test]
    fn both_styles_of_parent_file_count_and_so_does_a_macro_list() {
        let tree = Tree::of(&[
            ("a/src/main.rs", "mod tidy; mod list;"),
            ("a/src/tidy.rs", "mod text;"),
            ("a/src/tidy/text.rs", ""),
            ("a/src/list/mod.rs", "one_file_each! { zv => Zv }"),
            ("a/src/list/zv.rs", ""),
            ("a/src/bin/tool.rs", ""),
            ("a/tests/law.rs", ""),
        ]);
        assert_eq!(dead_files(&tree), Findings::new());
    }

    #[test]
    fn a_registry_entry_that_is_declared_but_not_listed_is_caught() {
        let listed = ("a/src/shapers/mod.rs", "pub mod zv;\npub mod ei;\nlist![zv::Zv]");
        let tree = Tree::of(&[LIB, listed, ("a/src/shapers/zv.rs", ""), ("a/src/shapers/ei.rs", "")]);
        let found = unlisted_entries(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("ei.rs"));
    }

    #[test]
    fn an_entry_whose_list_lies_elsewhere_is_looked_for_there() {
        let (folder, lists) = LISTED_ELSEWHERE[0];
        let (fan, led) = (format!("{folder}fan.rs"), format!("{folder}led.rs"));
        let tree = Tree::of(&[(lists[0], "(Only(\"fan\"), fan::load)"), (&fan, ""), (&led, "")]);
        let found = unlisted_entries(&tree);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("led.rs"));
    }
}
