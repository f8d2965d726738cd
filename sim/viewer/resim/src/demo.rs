//! What the viewer shows when it is given nothing: a bundled part, printed here and now.

use std::path::{Path, PathBuf};

use drydock_scenario::disk::RealDisk;
use drydock_scenario::model::{Act, Scenario};
use drydock_scenario::setup::{RunOptions, prepare};

use crate::Failure;

/// Prints the token of `assets/parts` on the bundled CoreXY, without and with input shaping, into the folder for temporary
/// files; what lies there from an earlier time is used again. `progress` is told how much is done, 0 to 1.
pub fn demo(mut progress: impl FnMut(f64)) -> Result<[PathBuf; 2], Failure> {
    let said = |e: &dyn std::fmt::Display| Failure(e.to_string());
    let assets = [Path::new("assets"), &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets")]
        .into_iter()
        .find(|folder| folder.join("parts").is_dir())
        .map(Path::to_path_buf)
        .ok_or_else(|| Failure("the bundled part is not here: give a recording, or start in the repository".into()))?;
    let out = std::env::temp_dir().join(format!("drydock-demo-{}", env!("CARGO_PKG_VERSION")));
    std::fs::create_dir_all(&out).map_err(|e| Failure(format!("{}: {e}", out.display())))?;
    let made = [out.join("shaper-off.drydock"), out.join("shaper-on.drydock")];
    for (i, path) in made.iter().enumerate() {
        if drydock_recording::Reader::open(path).is_ok_and(|reader| reader.end().is_some()) {
            continue;
        }
        let config = assets.join("printers/corexy-250/printer.cfg");
        let gcode = assets.join("parts/token.corexy-250.gcode");
        let mut scenario = Scenario::plain(&config.display().to_string(), &gcode.display().to_string());
        scenario.title = format!("the token, {}", if i == 0 { "not shaped" } else { "shaped" });
        if i == 0 {
            let off = "SET_INPUT_SHAPER SHAPER_FREQ_X=0 SHAPER_FREQ_Y=0".to_string();
            scenario.story.insert(0, Act::Gcode(vec![off]));
        }
        let options = RunOptions { recording: Some(path.clone()), command: "the demo".into(), ..RunOptions::default() };
        let session = prepare(&scenario, Path::new(""), &RealDisk, &options).map_err(|e| said(&e))?;
        let outcome = session.run(|p| {
            progress(0.5 * (i as f64 + p.part.unwrap_or(0.0)));
            true
        });
        if let Some(why) = outcome.map_err(|e| said(&e))?.errors.first() {
            return Err(Failure(why.clone()));
        }
    }
    Ok(made)
}
