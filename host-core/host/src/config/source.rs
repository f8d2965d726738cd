//! Where configuration text comes from: the host itself opens no file.

use std::collections::BTreeMap;

/// Gives the bytes behind a path. The command line has one over the file system, tests and the twin one in memory.
pub trait FileSource {
    /// The bytes of the file, or why it cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
    /// The paths that match a pattern with `*`, `?` or `[..]`, in any order; see [`glob_match`].
    fn glob(&self, pattern: &str) -> Vec<String>;
}

/// Files in memory.
#[derive(Clone, Debug, Default)]
pub struct MapSource(pub BTreeMap<String, Vec<u8>>);

impl MapSource {
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        MapSource(files.into_iter().map(|(path, text)| (path.to_string(), text.as_bytes().to_vec())).collect())
    }

    /// Puts a file in, or another text in its place.
    pub fn insert(&mut self, path: &str, content: Vec<u8>) {
        self.0.insert(path.to_string(), content);
    }
}

impl FileSource for MapSource {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "no such file".to_string())
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        self.0.keys().filter(|path| glob_match(pattern, path)).cloned().collect()
    }
}

/// Whether `pattern` needs [`FileSource::glob`] rather than [`FileSource::read`].
pub(crate) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Shell-style matching: `*` and `?` stay within one path component and do not match its leading dot.
pub fn glob_match(pattern: &str, path: &str) -> bool {
    let (mut patterns, mut names) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(p), Some(n)) => {
                let (p, n): (Vec<char>, Vec<char>) = (p.chars().collect(), n.chars().collect());
                let hidden = n.first() == Some(&'.') && p.first() != Some(&'.');
                if hidden || !component_matches(&p, &n) {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

/// Greedy matching that goes back to the last star only, so that no pattern takes exponential time.
fn component_matches(p: &[char], n: &[char]) -> bool {
    let (mut pi, mut ni) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while ni < n.len() {
        let step = match p.get(pi) {
            Some('*') => {
                star = Some((pi + 1, ni));
                pi += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => class_matches(&p[pi..], n[ni]),
            Some(c) if *c == n[ni] => Some(1),
            _ => None,
        };
        match (step, star) {
            (Some(len), _) => {
                pi += len;
                ni += 1;
            }
            (None, Some((after, at))) => {
                pi = after;
                ni = at + 1;
                star = Some((after, ni));
            }
            (None, None) => return false,
        }
    }
    p[pi..].iter().all(|c| *c == '*')
}

/// Length of the class `[..]` at the start of `p` if `c` is in it. An unclosed bracket stands for itself.
fn class_matches(p: &[char], c: char) -> Option<usize> {
    let negate = p.get(1) == Some(&'!');
    let start = if negate { 2 } else { 1 };
    let Some(len) = p.iter().skip(start + 1).position(|x| *x == ']').map(|i| i + start + 1) else {
        return (c == '[').then_some(1);
    };
    let set = &p[start..len];
    let mut found = false;
    let mut i = 0;
    while i < set.len() {
        if i + 2 < set.len() && set[i + 1] == '-' {
            found |= (set[i]..=set[i + 2]).contains(&c);
            i += 3;
        } else {
            found |= set[i] == c;
            i += 1;
        }
    }
    (found != negate).then_some(len + 1)
}

/// `path` as seen from the folder of `from`, with `.` and `..` resolved.
pub(crate) fn join(from: &str, path: &str) -> String {
    let absolute = path.starts_with('/') || (from.starts_with('/') && !path.is_empty());
    let base = if path.starts_with('/') { "" } else { from.rsplit_once('/').map_or("", |(dir, _)| dir) };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => drop(parts.pop()),
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_a_shell_does() {
        for (pattern, path, expected) in [
            ("macros/*.cfg", "macros/a.cfg", true),
            ("macros/*.cfg", "macros/x/a.cfg", false),
            ("*.cfg", ".hidden.cfg", false),
            ("a?c[0-9].cfg", "abc7.cfg", true),
            ("a[!b]c", "abc", false),
            ("a[!b]c", "axc", true),
            ("[x", "[x", true),
            ("*a*b*c", "xxaxxbxxcc", true),
            ("*a*b*c", "xxaxxbxx", false),
        ] {
            assert_eq!(glob_match(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn paths_join_from_the_including_file() {
        for (from, path, expected) in [
            ("printer.cfg", "a.cfg", "a.cfg"),
            ("dir/printer.cfg", "a.cfg", "dir/a.cfg"),
            ("/home/pi/printer.cfg", "../x/./a.cfg", "/home/x/a.cfg"),
            ("dir/printer.cfg", "/etc/a.cfg", "/etc/a.cfg"),
            ("printer.cfg", "../a.cfg", "../a.cfg"),
        ] {
            assert_eq!(join(from, path), expected);
        }
    }
}
