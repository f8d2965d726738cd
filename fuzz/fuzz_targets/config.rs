//! A printer.cfg, and the file that it includes (behind the first NUL): the parser, the lint, SAVE_CONFIG, and the host
//! that is built from it.
#![no_main]

use drydock_host::config::lint::check;
use drydock_host::config::{Config, MapSource, SaveConfig};
use drydock_host::files::MemoryFiles;
use drydock_host::host::Host;
use drydock_host::mcu::{QueuedStep, StepSink};
use drydock_host::printer::{Offline, Options};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::rc::Rc;

struct NoSteps;

impl StepSink for NoSteps {
    fn queue_step(&mut self, _oid: u8, _step: &QueuedStep) {}
    fn set_dir(&mut self, _oid: u8, _dir: bool) {}
    fn reset_step_clock(&mut self, _oid: u8, _clock: u64) {}
}

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |b| *b == 0);
    let files = ["printer.cfg", "more.cfg"].into_iter().zip(parts.by_ref());
    let source = MapSource(files.map(|(name, bytes)| (name.to_string(), bytes.to_vec())).collect());
    for finding in check(&source, "printer.cfg", None) {
        assert!(!finding.message.is_empty() && !finding.file.is_empty(), "{finding:?}");
    }
    let Ok(config) = Config::parse(&source, "printer.cfg") else { return };
    let _ = (config.unused(), config.raw_status(), config.settings_status());
    let offline = Offline { clock_freq_hz: 168_000_000.0, sink: Rc::new(RefCell::new(NoSteps)) };
    let options = Options { offline: Some(offline), ..Options::default() };
    if let Ok(host) = Host::new(config.clone(), options, Rc::new(MemoryFiles::default())) {
        host.start();
        host.run(0.0);
    }
    let mut save = SaveConfig::new();
    save.set("extruder", "pid_kp", "21.5");
    if let Ok(text) = save.new_text(&config) {
        let saved = MapSource::new([("printer.cfg", text.as_str())]);
        let (config, _) = Config::parse_lenient(&saved, "printer.cfg");
        let value = config.raw_section("extruder").and_then(|s| s.option("pid_kp"));
        assert_eq!(value.map(|o| o.value.as_str()), Some("21.5"), "what was saved is read back");
    }
});
