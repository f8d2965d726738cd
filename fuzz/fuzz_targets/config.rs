//! A printer.cfg, and the file that it includes (behind the first NUL): the parser, the lint, SAVE_CONFIG.
#![no_main]

use drydock_host::config::lint::check;
use drydock_host::config::{Config, MapSource, SaveConfig};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |b| *b == 0);
    let files = ["printer.cfg", "more.cfg"].into_iter().zip(parts.by_ref());
    let source = MapSource(files.map(|(name, bytes)| (name.to_string(), bytes.to_vec())).collect());
    for finding in check(&source, "printer.cfg", None) {
        assert!(!finding.message.is_empty() && !finding.file.is_empty(), "{finding:?}");
    }
    let Ok(config) = Config::parse(&source, "printer.cfg") else { return };
    let _ = (config.unused(), config.raw_status(), config.settings_status());
    let mut save = SaveConfig::new();
    save.set("extruder", "pid_kp", "21.5");
    if let Ok(text) = save.new_text(&config) {
        let saved = MapSource::new([("printer.cfg", text.as_str())]);
        let (config, _) = Config::parse_lenient(&saved, "printer.cfg");
        let value = config.raw_section("extruder").and_then(|s| s.option("pid_kp"));
        assert_eq!(value.map(|o| o.value.as_str()), Some("21.5"), "what was saved is read back");
    }
});
