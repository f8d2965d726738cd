//! Checks on the text of files, whatever they are.

use super::{File, Tree};
use crate::Findings;

/// Kinds of file that people write here. G-code, STL and CSV come from elsewhere and keep their own ways.
const WRITTEN: &[&str] = &["rs", "md", "toml", "sh", "ron", "cfg", "ini", "scad", "yml", "html", "js", "css"];

/// Files that may be larger than [`LARGE_BYTES`], none at present.
const LARGE_ALLOWED: &[&str] = &[];
const LARGE_BYTES: usize = 1_500_000;

/// Prefixes of absolute paths that only one machine has. Joined here, so that this file does not name them itself.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// What a change leaves behind when it is not finished.
const MARKS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("unimplemen", "ted!"),
    concat!("todo", "!("),
    concat!("dbg", "!("),
    concat!("#[igno", "re"),
    concat!("allow(dead", "_code"),
];

fn written(tree: &Tree) -> impl Iterator<Item = (&File, &str)> {
    let ours = |file: &&File| WRITTEN.contains(&file.extension()) || file.path.starts_with(".ci/");
    tree.files.iter().filter(ours).filter_map(|file| file.text().map(|text| (file, text)))
}

fn lines(tree: &Tree, objection: impl Fn(&File, &str) -> Option<String>) -> Findings {
    let mut found = Vec::new();
    for (file, text) in written(tree) {
        for (index, line) in text.split('\n').enumerate() {
            found.extend(objection(file, line).map(|what| format!("{}:{}: {what}", file.path, index + 1)));
        }
    }
    found
}

pub fn paths_of_one_machine(tree: &Tree) -> Findings {
    lines(tree, |_, line| {
        let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}$*)".contains(c));
        let hit = MACHINE_PATHS.iter().find(|path| line.match_indices(**path).any(|(at, _)| begins(at)))?;
        Some(format!("{hit}... is a path of one machine; say it relative to the repository"))
    })
}

pub fn unfinished_marks(tree: &Tree) -> Findings {
    lines(tree, |file, line| {
        let mark = MARKS.iter().find(|mark| line.contains(**mark))?;
        // Prose may speak of the mark in quotes; code may not carry it.
        let spoken_of = file.extension() == "md" && line.contains('`');
        // A module that several test binaries share is used by each in part; it says so.
        let shared_by_tests = file.path.contains("/tests/") && line.contains("allow(") && line.contains("reason = ");
        let say = || format!("{mark} marks something unfinished: finish it, or open an issue and take the mark away");
        (!spoken_of && !shared_by_tests).then(say)
    })
}

pub fn stray_whitespace(tree: &Tree) -> Findings {
    lines(tree, |file, line| {
        if line.ends_with('\r') {
            return Some("the line ends with CR LF; the repository uses LF".into());
        }
        let code = matches!(file.extension(), "rs" | "toml" | "md" | "ron" | "sh");
        (code && line.ends_with([' ', '\t'])).then(|| "white space at the end of the line".into())
    })
}

pub fn large_files(tree: &Tree) -> Findings {
    let large = |file: &&File| file.bytes.len() > LARGE_BYTES && !LARGE_ALLOWED.contains(&file.path.as_str());
    let say = |file: &File| format!("{} has {} bytes; {LARGE_BYTES} are the limit", file.path, file.bytes.len());
    tree.files.iter().filter(large).map(say).collect()
}

/// Relative links in Markdown lead somewhere.
pub fn dead_links(tree: &Tree) -> Findings {
    let mut found = Vec::new();
    for (file, text) in written(tree).filter(|(file, _)| file.extension() == "md") {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default().trim_end_matches('/');
            if path.is_empty() || target.contains("://") || target.contains(' ') || target.starts_with("mailto:") {
                continue;
            }
            let full = join(&file.path, path);
            let leads = tree.files.iter().any(|f| f.path == full || f.path.starts_with(&format!("{full}/")));
            if !leads && !full.is_empty() {
                found.push(format!("{}: the link to {target} leads nowhere ({full} does not exist)", file.path));
            }
        }
    }
    found
}

/// `target` as seen from the folder of `from`.
fn join(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_machine_is_caught_and_a_relative_one_is_not() {
        let text = format!("let a = \"{}main\";", MACHINE_PATHS[0]);
        assert_eq!(paths_of_one_machine(&Tree::of(&[("a/b.rs", &text)])).len(), 1);
        let folder = MACHINE_PATHS[0];
        let relative = format!("cp host{folder}x ~{folder} $HOME{folder} docs/home/");
        assert_eq!(paths_of_one_machine(&Tree::of(&[("a/b.sh", &relative)])), Findings::new());
    }

    #[test]
    fn each_mark_is_caught_with_its_line() {
        for mark in MARKS {
            let found = unfinished_marks(&Tree::of(&[("a.rs", &format!("fn a() {{}}\n// {mark} later\n"))]));
            assert_eq!(found.len(), 1);
            assert!(found[0].starts_with("a.rs:2:"), "{found:?}");
        }
        assert_eq!(
            unfinished_marks(&Tree::of(&[("a.gcode", &format!("; {} slicer's own", MARKS[0]))])),
            Findings::new()
        );
    }

    #[test]
    fn a_module_that_tests_share_may_have_unused_parts_if_it_says_why() {
        let line = format!("#![{}, reason = \"each test binary uses its own part\")]", MARKS[7]);
        assert_eq!(unfinished_marks(&Tree::of(&[("a/tests/support/mod.rs", &line)])), Findings::new());
        assert_eq!(unfinished_marks(&Tree::of(&[("a/src/lib.rs", &line)])).len(), 1);
    }

    #[test]
    fn crlf_and_trailing_blanks_are_caught() {
        assert_eq!(stray_whitespace(&Tree::of(&[("a.rs", "a\r\nb \nc\n")])).len(), 2);
    }

    #[test]
    fn a_large_file_is_caught() {
        let bytes = "x".repeat(LARGE_BYTES + 1);
        assert_eq!(large_files(&Tree::of(&[("a.bin", &bytes), ("b.bin", "x")])).len(), 1);
    }

    #[test]
    fn a_link_must_lead_to_a_file_or_a_folder_of_the_tree() {
        let text = "[a](b.md) [c](../x/y.rs#top) [d](gone.md) [e](https://example.org) [f](#here) [g](../x/)";
        let found = dead_links(&Tree::of(&[("docs/a.md", text), ("docs/b.md", ""), ("x/y.rs", "")]));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("gone.md"), "{found:?}");
    }
}
