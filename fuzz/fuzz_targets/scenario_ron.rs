//! A scenario, and a machine file.
#![no_main]

use std::path::Path;

use drydock_plant::Machine;
use drydock_scenario::model::Scenario;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Scenario::parse(Path::new("scenario.ron"), text) {
        Ok(scenario) => {
            let again =
                ron::ser::to_string_pretty(&scenario, ron::ser::PrettyConfig::default()).expect("it can be written");
            Scenario::parse(Path::new("again.ron"), &again).expect("what is written is read back");
        }
        Err(error) => assert!(error.to_string().starts_with("scenario.ron:"), "{error}"),
    }
    if let Ok(machine) = ron::from_str::<Machine>(text) {
        let _ = machine.validate();
    }
});
