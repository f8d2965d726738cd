//! The arrows between the crates, and what may not be pulled in below them.
//!
//! Two kinds of rule. *Arrows*: which of our crates a crate may name. *Fences*: which crates of others may be anywhere
//! in its graph, direct or not. Both are tables below; a new crate is one more row.

use std::path::Path;

use crate::Findings;
use crate::metadata::{Graph, Kind};

/// What of other people's work may be in a crate's graph.
#[derive(Clone, Copy)]
enum Fence {
    /// Nothing but these: the crates that run on a micro-controller or decide every step.
    Only(&'static [&'static str]),
    /// Inside the determinism boundary, with libraries: nothing of [`OUTSIDE_WORLD`], [`HEAVY`] or [`FOURIER`].
    Deterministic,
    /// Outside the boundary, in the core build: nothing of [`HEAVY`] and no Fourier transforms.
    Plain,
    /// As `Plain`, and spectra are its business.
    Spectra,
    /// The crate is one of the heavy faces: anything goes.
    Anything,
}

#[derive(Clone, Copy)]
struct Layer {
    name: &'static str,
    /// Our crates that it may depend on directly.
    may_use: &'static [&'static str],
    fence: Fence,
}

const PROTOCOL: &str = "drydock-protocol";
const FIRMWARE: &str = "drydock-firmware";
const VIRTUAL_MCU: &str = "drydock-virtual-mcu";
const MOTION: &str = "drydock-motion";
const HOST: &str = "drydock-host";
const PLANT: &str = "drydock-plant";
const RECORDING: &str = "drydock-recording";
const TWIN: &str = "drydock-twin";
const SCENARIO: &str = "drydock-scenario";
const SWEEP: &str = "drydock-sweep";
const ANALYSIS: &str = "drydock-analysis";
const IDENTIFY: &str = "drydock-identify";
const TUNE: &str = "drydock-tune";
const PORT: &str = "drydock-port";
const VIEW_MODEL: &str = "drydock-view-model";
const VIEW_PANELS: &str = "drydock-view-panels";
const VIEW_RESIM: &str = "drydock-view-resim";

/// From the wire up. docs/architecture.md draws the same.
const LAYERS: &[Layer] = &[
    Layer { name: PROTOCOL, may_use: &[], fence: Fence::Only(&["libm"]) },
    Layer { name: FIRMWARE, may_use: &[PROTOCOL], fence: Fence::Only(&["libm"]) },
    Layer {
        name: VIRTUAL_MCU,
        may_use: &[PROTOCOL, FIRMWARE],
        // miniz_oxide takes simd-adler32 when a picture library elsewhere in the workspace asks for it.
        fence: Fence::Only(&["libm", "miniz_oxide", "adler2", "simd-adler32"]),
    },
    Layer { name: MOTION, may_use: &[], fence: Fence::Only(&["libm"]) },
    Layer { name: HOST, may_use: &[PROTOCOL, MOTION], fence: Fence::Deterministic },
    Layer { name: PLANT, may_use: &[], fence: Fence::Deterministic },
    Layer { name: RECORDING, may_use: &[], fence: Fence::Plain },
    Layer { name: PORT, may_use: &[PROTOCOL], fence: Fence::Plain },
    Layer {
        name: TWIN,
        may_use: &[PROTOCOL, FIRMWARE, VIRTUAL_MCU, MOTION, HOST, PLANT, RECORDING],
        fence: Fence::Deterministic,
    },
    Layer {
        name: SCENARIO,
        may_use: &[PROTOCOL, FIRMWARE, VIRTUAL_MCU, MOTION, HOST, PLANT, RECORDING, TWIN],
        fence: Fence::Plain,
    },
    Layer { name: SWEEP, may_use: &[HOST, PLANT, RECORDING, TWIN, SCENARIO], fence: Fence::Plain },
    Layer { name: ANALYSIS, may_use: &[RECORDING], fence: Fence::Spectra },
    Layer {
        name: IDENTIFY,
        may_use: &[MOTION, HOST, PLANT, RECORDING, TWIN, SCENARIO, ANALYSIS],
        fence: Fence::Spectra,
    },
    Layer {
        name: TUNE,
        // The plant for its machine file: what is identified, perturbed and sent into every run.
        may_use: &[MOTION, HOST, PLANT, RECORDING, TWIN, SCENARIO, SWEEP, ANALYSIS],
        fence: Fence::Spectra,
    },
    Layer {
        name: "drydock-cli",
        may_use: &[
            PROTOCOL,
            FIRMWARE,
            VIRTUAL_MCU,
            MOTION,
            HOST,
            PLANT,
            RECORDING,
            TWIN,
            SCENARIO,
            SWEEP,
            ANALYSIS,
            IDENTIFY,
            TUNE,
            PORT,
        ],
        fence: Fence::Spectra,
    },
    Layer { name: VIEW_MODEL, may_use: &[MOTION, RECORDING, ANALYSIS], fence: Fence::Spectra },
    Layer { name: VIEW_PANELS, may_use: &[VIEW_MODEL], fence: Fence::Anything },
    Layer { name: VIEW_RESIM, may_use: &[HOST, RECORDING, SCENARIO, VIEW_MODEL], fence: Fence::Spectra },
    Layer { name: "drydock-view", may_use: &[RECORDING, VIEW_MODEL, VIEW_PANELS, VIEW_RESIM], fence: Fence::Anything },
    Layer { name: "drydock-deploy", may_use: &[PROTOCOL, RECORDING, PORT], fence: Fence::Anything },
    Layer { name: "xtask", may_use: &[], fence: Fence::Plain },
];

const NO_INTERNALS: &str = "the viewer reads recordings and the twin's public face, never plant internals";

/// Pairs that not even a test may join, with the reason. First the crate, then what it must never name.
const NEVER: &[(&str, &[&str], &str)] = &[
    (
        PLANT,
        &[HOST, FIRMWARE, PROTOCOL, VIRTUAL_MCU, TWIN],
        "the plant is physics; it knows no protocol and no program",
    ),
    (HOST, &[PLANT, TWIN], "all that the host knows of the machine comes over the wire; that is what makes it a twin"),
    (FIRMWARE, &[PLANT, TWIN, HOST], "the firmware is flashed to real boards; it sees pins, not a simulation"),
    ("drydock-view", &[PLANT, TWIN], NO_INTERNALS),
    (VIEW_MODEL, &[PLANT, TWIN, SCENARIO], NO_INTERNALS),
    (VIEW_PANELS, &[PLANT, TWIN, SCENARIO], NO_INTERNALS),
    (VIEW_RESIM, &[PLANT], NO_INTERNALS),
];

/// Clocks, threads, entropy, the network. (Prefix match on whole words: `tokio` covers `tokio-util`.)
const OUTSIDE_WORLD: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "mio",
    "rayon",
    "crossbeam",
    "rand",
    "rand_core",
    "getrandom",
    "chrono",
    "time",
    "num_cpus",
    "serialport",
    "socket2",
    "hyper",
    "reqwest",
    "axum",
    "ahash",
];

/// What the core build must never wait for.
const HEAVY: &[&str] = &["bevy", "egui", "wgpu", "winit", "probe-rs"];

/// rustfft takes its twiddles from the platform's sin and cos, so its last bits are not ours.
const FOURIER: &[&str] = &["rustfft", "realfft"];

/// Crates below a fence all the same, each with the reason why it does no harm there.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// `cargo xtask layers`.
pub fn run(root: &Path) -> Findings {
    match Graph::load(root) {
        Ok(graph) => check(&graph),
        Err(sentence) => vec![sentence],
    }
}

fn check(graph: &Graph) -> Findings {
    let mut found = Vec::new();
    for (name, folder) in &graph.members {
        match rule_of(name) {
            Some(layer) => {
                arrows(graph, name, &layer, &mut found);
                fences(graph, name, &layer, &mut found);
            }
            None => found.push(format!(
                "{name} ({}) has no row in LAYERS of xtask/src/layers.rs: say there what it may depend on",
                folder.display()
            )),
        }
    }
    nevers(graph, &mut found);
    found
}

/// The row of a crate. Boards share one: every chip's shell may use the firmware and the wire.
fn rule_of(name: &str) -> Option<Layer> {
    if name.starts_with("drydock-board-") {
        return Some(Layer { name: "drydock-board-*", may_use: &[PROTOCOL, FIRMWARE], fence: Fence::Anything });
    }
    LAYERS.iter().find(|layer| layer.name == name).copied()
}

fn arrows(graph: &Graph, name: &str, layer: &Layer, found: &mut Findings) {
    for to in graph.direct(name, Kind::Product) {
        if graph.members.contains_key(to) && !layer.may_use.contains(&to) {
            found.push(format!(
                "{name} -> {to}: the arrows do not point that way; {name} may use {} (docs/architecture.md)",
                list(layer.may_use)
            ));
        }
    }
}

fn fences(graph: &Graph, name: &str, layer: &Layer, found: &mut Findings) {
    for (to, path) in graph.reach(name) {
        if graph.members.contains_key(&to) || EXCEPTIONS.iter().any(|(who, what, _)| *who == name && *what == to) {
            continue;
        }
        if let Some(reason) = layer.fence.objects_to(&to) {
            found.push(format!("{name} must not reach {to}: {reason}; it comes by {}", path.join(" -> ")));
        }
    }
}

fn nevers(graph: &Graph, found: &mut Findings) {
    for (from, never, reason) in NEVER {
        for kind in [Kind::Product, Kind::Dev] {
            for to in graph.direct(from, kind).into_iter().filter(|to| never.contains(to)) {
                found.push(format!("{from} -> {to} ({kind:?} dependency): {reason}"));
            }
        }
    }
}

impl Fence {
    fn objects_to(self, name: &str) -> Option<&'static str> {
        let hit = |names: &[&str]| {
            names.iter().any(|n| name == *n || name.starts_with(&format!("{n}-")) || name.starts_with(&format!("{n}_")))
        };
        let heavy = hit(HEAVY).then_some("the core build never waits for a GPU stack or a debug probe");
        let fourier = hit(FOURIER).then_some("its twiddles are the platform's sin and cos, so its bits are not ours");
        let world = hit(OUTSIDE_WORLD).then_some("inside the boundary there is no clock, thread, entropy or network");
        match self {
            Fence::Only(list) => {
                (!list.contains(&name)).then_some("this crate takes nothing that its row does not name")
            }
            Fence::Deterministic => world.or(heavy).or(fourier),
            Fence::Plain => heavy.or(fourier),
            Fence::Spectra => heavy,
            Fence::Anything => None,
        }
    }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none of our crates".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The real rows, as members, with no edge between them.
    fn members() -> Graph {
        let mut graph = Graph::default();
        for layer in LAYERS {
            graph.members.insert(layer.name.into(), layer.name.into());
        }
        graph
    }

    fn with(edges: &[(&str, &str, Kind)]) -> Findings {
        let mut graph = members();
        for (from, to, kind) in edges {
            graph.edge(from, to, *kind);
        }
        check(&graph)
    }

    #[test]
    fn a_tree_that_keeps_the_arrows_has_no_finding() {
        let edges = [
            (FIRMWARE, PROTOCOL, Kind::Product),
            (VIRTUAL_MCU, FIRMWARE, Kind::Product),
            (HOST, MOTION, Kind::Product),
            (TWIN, HOST, Kind::Product),
            (TWIN, PLANT, Kind::Product),
            (ANALYSIS, "rustfft", Kind::Product),
            ("drydock-cli", ANALYSIS, Kind::Product),
            (HOST, VIRTUAL_MCU, Kind::Dev),
        ];
        assert_eq!(with(&edges), Findings::new());
    }

    #[test]
    fn every_arrow_that_no_row_allows_is_caught() {
        for from in LAYERS {
            for to in LAYERS.iter().filter(|to| to.name != from.name && !from.may_use.contains(&to.name)) {
                let found = with(&[(from.name, to.name, Kind::Product)]);
                let named = found.iter().any(|f| f.contains(from.name) && f.contains(to.name));
                assert!(named, "{} -> {} passed: {found:?}", from.name, to.name);
            }
        }
    }

    #[test]
    fn the_rows_themselves_have_no_circle() {
        for layer in LAYERS {
            let mut below: Vec<&str> = layer.may_use.to_vec();
            while let Some(name) = below.pop() {
                assert_ne!(name, layer.name, "{} can reach itself", layer.name);
                below.extend(rule_of(name).expect("every named crate has a row").may_use);
            }
        }
    }

    #[test]
    fn a_forbidden_crate_is_caught_however_deep_and_the_path_is_told() {
        let found = with(&[(PLANT, "rapier", Kind::Product), ("rapier", "rayon-core", Kind::Product)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("drydock-plant -> rapier -> rayon-core"), "{found:?}");
    }

    #[test]
    fn every_fence_catches_a_gpu_stack_but_the_viewers() {
        for layer in LAYERS {
            let found = with(&[(layer.name, "bevy_ecs", Kind::Product)]);
            assert_eq!(found.is_empty(), matches!(layer.fence, Fence::Anything), "{}: {found:?}", layer.name);
        }
    }

    #[test]
    fn a_word_that_only_begins_alike_is_no_finding() {
        assert_eq!(with(&[(HOST, "timeline", Kind::Product), (HOST, "randomly", Kind::Product)]), Findings::new());
    }

    #[test]
    fn tests_may_time_themselves_but_may_not_join_plant_and_host() {
        assert_eq!(with(&[(PLANT, "rand", Kind::Dev)]), Findings::new());
        assert_eq!(with(&[(PLANT, HOST, Kind::Dev)]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_row_is_a_finding() {
        let mut graph = members();
        graph.members.insert("drydock-new".into(), "sim/new".into());
        assert_eq!(check(&graph).len(), 1);
    }

    #[test]
    fn this_workspace_keeps_its_own_rules() {
        assert_eq!(run(&crate::root()), Findings::new());
    }
}
