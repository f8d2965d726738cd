//! What the viewer shows when it is given nothing: a bundled part, printed here and now.

use std::path::{Path, PathBuf};

use drydock_scenario::disk::RealDisk;
use drydock_scenario::model::{Act, Scenario};
use drydock_scenario::setup::{RunOptions, prepare};

use crate::Failure;
use crate::config::CONFIG;

/// Prints the token of `assets/parts` on the bundled CoreXY, without and with input shaping, into the folder for temporary
/// files; what lies there from an earlier time is used again. `progress` is told how much is done, 0 to 1.
pub fn demo(mut progress: impl FnMut(f64)) -> Result<[PathBuf; 2], Failure> {
    let assets = [Path::new("assets"), &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets")]
        .into_iter()
        .find(|folder| folder.join("parts").is_dir())
        .map(Path::to_path_buf)
        .ok_or_else(|| Failure("the bundled part is not here: give a recording, or start in the repository".into()))?;
    let out = std::env::temp_dir().join(format!("drydock-demo-{}", env!("CARGO_PKG_VERSION")));
    let made = [out.join("shaper-off.drydock"), out.join("shaper-on.drydock")];
    let whole = |path: &PathBuf| drydock_recording::Reader::open(path).is_ok_and(|reader| reader.end().is_some());
    if made.iter().all(whole) {
        return Ok(made);
    }
    // A printer of its own: whoever tunes the demo changes nothing of what is bundled.
    let config = copied(&assets.join("printers/corexy-250"), &out)?.join(CONFIG);
    let gcode = assets.join("parts/token.corexy-250.gcode");
    let off = "SET_INPUT_SHAPER SHAPER_FREQ_X=0 SHAPER_FREQ_Y=0";
    for (i, (path, (before, named))) in made.iter().zip([(Some(off), "not shaped"), (None, "shaped")]).enumerate() {
        let title = format!("the token, {named}");
        print(&title, &config, &gcode, before, path, |part| progress(0.5 * (i as f64 + part)))?;
    }
    Ok(made)
}

/// Prints a file into a recording; `before` is typed first. `progress` is told how much is done, 0 to 1.
pub fn print(
    title: &str,
    config: &Path,
    gcode: &Path,
    before: Option<&str>,
    recording: &Path,
    mut progress: impl FnMut(f64),
) -> Result<(), Failure> {
    let said = |e: &dyn std::fmt::Display| Failure(e.to_string());
    let mut scenario = Scenario::plain(&config.display().to_string(), &gcode.display().to_string());
    scenario.title = title.into();
    scenario.story.splice(0..0, before.map(|line| Act::Gcode(vec![line.into()])));
    let options =
        RunOptions { recording: Some(recording.into()), command: "drydock-view".into(), ..RunOptions::default() };
    let session = prepare(&scenario, Path::new(""), &RealDisk, &options).map_err(|e| said(&e))?;
    let outcome = session.run(|p| {
        progress(p.part.unwrap_or(0.0));
        true
    });
    match outcome.map_err(|e| said(&e))?.errors.first() {
        Some(why) => Err(Failure(why.clone())),
        None => Ok(()),
    }
}

/// The files of a folder, in another one.
fn copied(from: &Path, to: &Path) -> Result<PathBuf, Failure> {
    let said = |path: &Path, e: std::io::Error| Failure(format!("{}: {e}", path.display()));
    std::fs::create_dir_all(to).map_err(|e| said(to, e))?;
    for entry in std::fs::read_dir(from).map_err(|e| said(from, e))? {
        let path = entry.map_err(|e| said(from, e))?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            std::fs::copy(&path, to.join(name)).map_err(|e| said(&path, e))?;
        }
    }
    Ok(to.to_path_buf())
}
