//! The workspace's dependency graph, as far as the layer rules look at it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// How one package depends on another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// In the built product (build scripts count: what they run on decides what is built).
    Product,
    /// In its tests and benchmarks only.
    Dev,
}

/// Packages by name. Two versions of one package are one node: a rule forbids a crate, whatever its version.
#[derive(Default)]
pub struct Graph {
    /// Name of each workspace member, and the folder it lies in, relative to the root.
    pub members: BTreeMap<String, PathBuf>,
    edges: BTreeMap<String, BTreeSet<(String, Kind)>>,
}

impl Graph {
    /// Asks cargo; `Err` is a sentence for the terminal.
    pub fn load(root: &Path) -> Result<Self, String> {
        let metadata = cargo(root, &["metadata", "--format-version", "1", "--filter-platform", host()?.as_str()])?;
        let json: Value =
            serde_json::from_slice(&metadata).map_err(|error| format!("`cargo metadata` is no JSON: {error}"))?;
        let mut graph = Self::parse(&json, root).ok_or("`cargo metadata` has not the expected form")?;
        let tree = [&["tree", "--edges", "normal,build", "--prefix", "depth", "--format", "{p}"], &crate::CORE[..]];
        graph.keep_what_the_core_builds(&String::from_utf8_lossy(&cargo(root, &tree.concat())?));
        Ok(graph)
    }

    /// The metadata are of the whole workspace at once: what the viewer switches on in a library shows in every crate that
    /// has the library too. Without the viewer these are not built, so the products of the core are told by `tree`: lines
    /// of depth, name and version.
    fn keep_what_the_core_builds(&mut self, tree: &str) {
        let mut above: Vec<String> = Vec::new();
        let mut built: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in tree.lines() {
            let name_at = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len());
            let Ok(depth) = line[..name_at].parse::<usize>() else { continue };
            let Some(name) = line[name_at..].split_whitespace().next() else { continue };
            above.truncate(depth);
            built.entry(name.to_string()).or_default();
            if let Some(parent) = above.last() {
                built.entry(parent.clone()).or_default().insert(name.to_string());
            }
            above.push(name.to_string());
        }
        for (from, to) in built {
            let edges = self.edges.entry(from).or_default();
            edges.retain(|(name, kind)| *kind != Kind::Product || to.contains(name));
        }
    }

    fn parse(json: &Value, root: &Path) -> Option<Self> {
        let mut graph = Self::default();
        let mut names = BTreeMap::new();
        let members: BTreeSet<&str> = json["workspace_members"].as_array()?.iter().filter_map(Value::as_str).collect();
        for package in json["packages"].as_array()? {
            let (id, name) = (package["id"].as_str()?, package["name"].as_str()?);
            names.insert(id, name);
            if members.contains(id) {
                let folder = Path::new(package["manifest_path"].as_str()?).parent()?;
                let folder = folder.strip_prefix(root).unwrap_or(folder);
                graph.members.insert(name.to_string(), folder.to_path_buf());
            }
        }
        for node in json["resolve"]["nodes"].as_array()? {
            let from = names.get(node["id"].as_str()?)?;
            for dep in node["deps"].as_array()? {
                let to = names.get(dep["pkg"].as_str()?)?;
                for kind in dep["dep_kinds"].as_array()? {
                    let kind = if kind["kind"].as_str() == Some("dev") { Kind::Dev } else { Kind::Product };
                    graph.edge(from, to, kind);
                }
            }
        }
        Some(graph)
    }

    /// Adds a dependency.
    pub fn edge(&mut self, from: &str, to: &str, kind: Kind) {
        self.edges.entry(from.to_string()).or_default().insert((to.to_string(), kind));
    }

    /// What `from` names in its own manifest, of that kind.
    pub fn direct(&self, from: &str, kind: Kind) -> BTreeSet<&str> {
        let edges = self.edges.get(from).into_iter().flatten();
        edges.filter(|(_, of)| *of == kind).map(|(to, _)| to.as_str()).collect()
    }

    /// Everything the built product of `from` contains, with the path by which it was first found (`from` excluded).
    pub fn reach(&self, from: &str) -> BTreeMap<String, Vec<String>> {
        let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([(from.to_string(), vec![from.to_string()])]);
        while let Some((at, path)) = queue.pop_front() {
            for to in self.direct(&at, Kind::Product) {
                if to == from || paths.contains_key(to) {
                    continue;
                }
                let path: Vec<String> = path.iter().cloned().chain([to.to_string()]).collect();
                paths.insert(to.to_string(), path.clone());
                queue.push_back((to.to_string(), path));
            }
        }
        paths
    }
}

/// What cargo says.
fn cargo(root: &Path, args: &[&str]) -> Result<Vec<u8>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(args).current_dir(root).output();
    let output = output.map_err(|error| format!("`cargo {}` did not start: {error}", args[0]))?;
    if !output.status.success() {
        return Err(format!("`cargo {}` failed: {}", args[0], String::from_utf8_lossy(&output.stderr)));
    }
    Ok(output.stdout)
}

/// The triple of the machine that builds: dependencies of other platforms are no part of what runs here.
fn host() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().map_err(|error| format!("rustc did not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let triple = text.lines().find_map(|line| line.strip_prefix("host: "));
    triple.map(str::to_string).ok_or_else(|| "`rustc -vV` names no host".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_viewer_switches_on_is_not_in_the_core() {
        let mut graph = Graph::default();
        for to in ["glam", "rand"] {
            graph.edge("plant", "nalgebra", Kind::Product);
            graph.edge("nalgebra", to, Kind::Product);
        }
        graph.edge("viewer", "rand", Kind::Product);
        graph.edge("plant", "proptest", Kind::Dev);
        graph.keep_what_the_core_builds("0plant v0.1.0 (/x)\n1nalgebra v0.35.0\n2glam v0.32.1 (*)\n");
        assert_eq!(graph.reach("plant").into_keys().collect::<Vec<_>>(), ["glam", "nalgebra"]);
        assert_eq!(graph.direct("plant", Kind::Dev), BTreeSet::from(["proptest"]));
        assert_eq!(graph.direct("viewer", Kind::Product), BTreeSet::from(["rand"]));
    }
}
