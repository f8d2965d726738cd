//! What a reviewer should not have to look for.
//!
//! The checks see the tree as git does (tracked, and new files that git does not ignore) and know nothing else, so each
//! is tried in its tests on a tree of a few made-up files.

mod boundary;
mod modules;
mod text;

use std::path::Path;
use std::process::Command;

use crate::Findings;

/// The tree: path relative to the root with forward slashes, and the content.
pub struct Tree {
    pub files: Vec<File>,
}

pub struct File {
    pub path: String,
    pub bytes: Vec<u8>,
}

const CHECKS: &[fn(&Tree) -> Findings] = &[
    text::paths_of_one_machine,
    text::unfinished_marks,
    text::stray_whitespace,
    text::large_files,
    text::dead_links,
    modules::dead_files,
    modules::unlisted_entries,
    boundary::fences_are_equal,
    boundary::no_std_stays,
    boundary::every_crate_takes_the_workspace_lints,
    boundary::every_crate_is_on_the_map,
    boundary::every_scenario_is_in_the_table,
];

/// `cargo xtask tidy`.
pub fn run(root: &Path) -> Findings {
    match Tree::load(root) {
        Ok(tree) => CHECKS.iter().flat_map(|check| check(&tree)).collect(),
        Err(sentence) => vec![sentence],
    }
}

impl Tree {
    fn load(root: &Path) -> Result<Self, String> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .map_err(|error| format!("git did not start: {error}"))?;
        if !listed.status.success() {
            return Err(format!("`git ls-files` failed: {}", String::from_utf8_lossy(&listed.stderr)));
        }
        let mut files = Vec::new();
        for path in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|path| !path.is_empty()) {
            // A file that was deleted, but not yet from the index, has nothing to check.
            if let Ok(bytes) = std::fs::read(root.join(path)) {
                files.push(File { path: path.to_string(), bytes });
            }
        }
        Ok(Self { files })
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path)?.text()
    }

    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: path.to_string(), bytes: text.as_bytes().to_vec() };
        Self { files: files.iter().map(file).collect() }
    }
}

impl File {
    /// The content, where it is text.
    pub fn text(&self) -> Option<&str> {
        if self.bytes.contains(&0) { None } else { std::str::from_utf8(&self.bytes).ok() }
    }

    /// What the name ends with, after the last dot.
    pub fn extension(&self) -> &str {
        self.path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, extension)| extension)
    }
}

/// Whether `word` stands in `text` between characters that are no part of a name.
pub fn has_word(text: &str, word: &str) -> bool {
    let name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(name) && !text[at + word.len()..].chars().next().is_some_and(name)
    })
}
