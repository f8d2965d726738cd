//! The printers of `assets/printers` are built whole: every section has its object, every option its reader.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use drydock_host::config::{Config, ConfigError, MapSource};
use drydock_host::files::MemoryFiles;
use drydock_host::host::Host;
use drydock_host::printer::Options;

fn printers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/printers")
}

/// All configuration files by the names that includes use, seen from one printer's folder.
fn config(printer: &str) -> Config {
    let mut files: Vec<(String, String)> = Vec::new();
    for folder in std::fs::read_dir(printers()).expect("assets").flatten().filter(|e| e.path().is_dir()) {
        for file in std::fs::read_dir(folder.path()).expect("folder").flatten() {
            let name = format!("{}/{}", folder.file_name().to_string_lossy(), file.file_name().to_string_lossy());
            files.push((name, std::fs::read_to_string(file.path()).expect("text")));
        }
    }
    files.sort();
    let source = MapSource::new(files.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    Config::parse(&source, &format!("{printer}/printer.cfg")).unwrap_or_else(|e| panic!("{printer}: {e:?}"))
}

fn build(printer: &str) -> Result<Host, Vec<ConfigError>> {
    Host::new(config(printer), Options::default(), Rc::new(MemoryFiles::default()))
}

#[test]
fn every_printer_of_the_assets_is_built_without_a_complaint() {
    let mut bad = Vec::new();
    for folder in std::fs::read_dir(printers()).expect("assets").flatten().filter(|e| e.path().is_dir()) {
        let name = folder.file_name().to_string_lossy().into_owned();
        if let Err(errors) = build(&name) {
            bad.extend(errors.into_iter().map(|e| format!("{name}: {e}")));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn a_printer_with_a_probe_offers_its_commands() {
    let Ok(host) = build("corexy-250") else { return eprintln!("not built") };
    for command in [
        "PROBE",
        "PROBE_ACCURACY",
        "PROBE_CALIBRATE",
        "QUERY_PROBE",
        "Z_OFFSET_APPLY_PROBE",
        "MANUAL_PROBE",
        "BED_MESH_CALIBRATE",
        "BED_MESH_PROFILE",
        "DUMP_TMC",
        "INIT_TMC",
        "SET_TMC_CURRENT",
        "SET_TMC_FIELD",
    ] {
        assert!(host.printer().gcode.has_command(command), "{command}");
    }
}
