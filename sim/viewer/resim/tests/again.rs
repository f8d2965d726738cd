//! A stretch printed again is what was printed; with other settings it is what these would have made of it.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use drydock_recording::{Command, Header, Queue, Reader, State, Thermal};
use drydock_scenario::disk::RealDisk;
use drydock_scenario::model::{Act, Scenario};
use drydock_scenario::setup::{RunOptions, prepare};
use drydock_view_model::Settings;
use drydock_view_resim::{
    Failure, Neighbourhood, Request, Resim, What, heat_up, save_config, settings_of, simulate, write_settings,
};

const SQUARES: &str = "G28\nG90\nM83\nM109 S200\nG1 Z0.3 F600\nM204 S4000\nG1 X60 Y60 F12000\n";

/// Six squares, printed on the bundled CoreXY once for all tests.
fn recording() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| print_squares("run.drydock").0)
}

/// In the build's own folder for such files.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("resim").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Where the recording is, and the run's fingerprint.
fn print_squares(name: &str) -> (PathBuf, String) {
    let folder = folder("squares");
    let (gcode, path) = (folder.join("squares.gcode"), folder.join(name));
    let square = "G1 X90 E1 F9000\nG1 Y90 E1\nG1 X60 E1\nG1 Y60 E1\n";
    std::fs::write(&gcode, format!("{SQUARES}{}", square.repeat(6))).unwrap();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets/printers/corexy-250/printer.cfg");
    let mut scenario = Scenario::plain(&config.display().to_string(), &gcode.display().to_string());
    scenario.sample_hz = 2000.0;
    scenario.story.insert(0, Act::Gcode(vec!["SET_PRESSURE_ADVANCE ADVANCE=0.02".into()]));
    let options = RunOptions { recording: Some(path.clone()), ..RunOptions::default() };
    let outcome = prepare(&scenario, Path::new(""), &RealDisk, &options).unwrap().run(|_| true).unwrap();
    assert_eq!((outcome.errors, outcome.shutdown), (Vec::<String>::new(), None));
    (path, outcome.fingerprint)
}

#[test]
fn a_viewer_that_looks_on_changes_nothing_of_the_run() {
    let (alone, watched) = ("alone.drydock", "watched.drydock");
    let path = folder("squares").join(watched);
    // What an earlier run of the tests has left is not looked on.
    let _ = std::fs::remove_file(&path);
    let looked_on = std::thread::spawn(move || {
        let mut news = 0;
        let mut reader = loop {
            match Reader::open(&path) {
                Ok(reader) => break reader,
                Err(_) => std::thread::yield_now(),
            }
        };
        while reader.end().is_none() {
            news += reader.refresh().unwrap();
        }
        news
    });
    let with = print_squares(watched).1;
    assert!(looked_on.join().unwrap() > 10, "blocks came while it looked on");
    let without = print_squares(alone).1;
    assert_eq!(with, without);
}

/// When a line begins, ns.
fn begins(bytes: &[u8], line: u32) -> u64 {
    let mut reader = Reader::new(Cursor::new(bytes)).unwrap();
    let at = reader.all::<Command>().map(Result::unwrap).find(|c| c.line_no == line).map(|c| c.at_ns);
    at.unwrap_or_else(|| panic!("no line {line}"))
}

/// Distance of nozzle and drive on the way of two lines, mm: the largest of each axis.
fn ringing(bytes: &[u8], lines: (u32, u32)) -> [f64; 2] {
    let span = begins(bytes, lines.0)..begins(bytes, lines.1);
    let mut reader = Reader::new(Cursor::new(bytes)).unwrap();
    let rows: Vec<State> = reader.rows::<State>(span).map(Result::unwrap).collect();
    assert!(rows.len() > 100, "{} samples", rows.len());
    [0, 1].map(|i| rows.iter().map(|s| (s.nozzle_mm[i] - s.drive_mm[i]).abs()).fold(0.0, f64::max))
}

fn open() -> (Vec<u8>, Header, Settings) {
    let bytes = std::fs::read(recording()).unwrap();
    let header = Reader::new(Cursor::new(&bytes[..])).unwrap().header().clone();
    let settings = settings_of(&header).unwrap();
    (bytes, header, settings)
}

/// Around the 18th line of squares, in the middle of the print.
fn stretch(bytes: &[u8], settings: &Settings) -> Neighbourhood {
    let mut reader = Reader::new(Cursor::new(bytes)).unwrap();
    Neighbourhood::of(&mut reader, settings.clone(), begins(bytes, 19), 0.5).unwrap().unwrap()
}

#[test]
fn printed_again_unchanged_the_stretch_rings_as_it_did() {
    let (bytes, header, settings) = open();
    let stretch = stretch(&bytes, &settings);
    assert_eq!(stretch.settings.pressure_advance_s, 0.02, "what was typed before the print counts");
    assert_eq!(stretch.settings.max_accel_mm_s2, 4000.0, "what the file said before counts");
    let again = simulate(&header, &stretch, &stretch.settings, || true).unwrap().unwrap();
    let first = stretch.lines[0].0;
    // Lines in the middle, entered at speed in both. Not the same bits: the head stands a fraction of a microstep (6 um)
    // elsewhere in its electrical period.
    let was = ringing(&bytes, (18, 20));
    let is = ringing(&again, (18 - first + 1, 20 - first + 1));
    for (was, is) in was.iter().zip(is) {
        assert!(*was > 0.005 && (is - was).abs() < 0.003, "{is} mm of {was} mm");
    }
}

#[test]
fn without_its_shaper_it_rings_more_and_with_more_acceleration_it_is_sooner_over() {
    let (bytes, header, settings) = open();
    let stretch = stretch(&bytes, &settings);
    let first = stretch.lines[0].0;
    let lines = (18 - first + 1, 20 - first + 1);
    let make = |settings: &Settings| simulate(&header, &stretch, settings, || true).unwrap().unwrap();
    let shaped = make(&stretch.settings);
    let bare = make(&Settings { shaper_x: None, shaper_y: None, ..stretch.settings.clone() });
    for (bare, shaped) in ringing(&bare, lines).iter().zip(ringing(&shaped, lines)) {
        assert!(*bare > 1.2 * shaped, "{bare} mm without, {shaped} mm with");
    }
    let quick = make(&Settings { max_accel_mm_s2: 12_000.0, ..stretch.settings.clone() });
    let took = |bytes: &[u8]| begins(bytes, lines.1) - begins(bytes, lines.0);
    assert!(took(&quick) < took(&shaped), "{} ns against {}", took(&quick), took(&shaped));
}

#[test]
fn what_waits_in_the_micro_controller_is_on_record() {
    let (bytes, ..) = open();
    let mut reader = Reader::new(Cursor::new(&bytes[..])).unwrap();
    let depths: Vec<u32> = reader.all::<Queue>().map(|row| row.unwrap().depth).collect();
    assert_eq!(depths[0], 0);
    assert!(depths.iter().any(|depth| *depth > 20), "while it prints: {:?}", depths.iter().max());
}

#[test]
fn the_same_stretch_and_settings_give_the_same_bytes() {
    let (bytes, header, settings) = open();
    let stretch = stretch(&bytes, &settings);
    let make = || simulate(&header, &stretch, &settings, || true).unwrap().unwrap();
    assert!(make() == make());
}

#[test]
fn a_simulation_that_nobody_waits_for_ends_early() {
    let (bytes, header, settings) = open();
    assert_eq!(simulate(&header, &stretch(&bytes, &settings), &settings, || false), Ok(None));
}

#[test]
fn gains_change_the_heat_up() {
    let (_, header, mut settings) = open();
    let hottest = |settings: &Settings| {
        let bytes = heat_up(&header, "extruder", 200.0, 120.0, settings, || true).unwrap().unwrap();
        let mut reader = Reader::new(Cursor::new(&bytes[..])).unwrap();
        reader.all::<Thermal>().map(Result::unwrap).filter(|t| t.heater == 0).map(|t| t.true_c).fold(0.0, f64::max)
    };
    let good = hottest(&settings);
    let gains = settings.heaters.iter_mut().find(|h| h.name == "extruder").unwrap();
    (gains.ki, gains.kd) = (gains.ki * 10.0, 0.0);
    let bad = hottest(&settings);
    assert!(bad > good + 3.0, "{bad} C with too much integral and no derivative, {good} C before");
}

#[test]
fn the_thread_answers_the_newest_request() {
    let (bytes, _, settings) = open();
    let resim = Resim::open(recording());
    let what = What::Moves { at_ns: begins(&bytes, 19), around_s: 0.5 };
    for accel in [1000.0, 2000.0, 3000.0] {
        let settings = Settings { max_accel_mm_s2: accel, ..settings.clone() };
        resim.request(Request { what: what.clone(), settings });
    }
    loop {
        let reply = resim.wait().unwrap().unwrap();
        if reply.request.settings.max_accel_mm_s2 == 3000.0 {
            break assert!(reply.before != reply.after);
        }
    }
}

#[test]
fn where_nothing_moves_there_is_nothing_to_print_again() {
    let resim = Resim::open(recording());
    let (_, _, settings) = open();
    resim.request(Request { what: What::Moves { at_ns: 0, around_s: 0.1 }, settings });
    let Failure(why) = resim.wait().unwrap().unwrap_err();
    assert!(why.contains("put the playhead on the part"), "{why}");
}

#[test]
fn tuned_options_go_into_the_saved_block_and_the_rest_stays() {
    let text = "# mine\n[printer]\nmax_accel: 3000 # old\n\n[include other.cfg]\n[extruder]\npressure_advance: 0.01\n";
    let was = Settings { pressure_advance_s: 0.01, ..Settings::default() };
    let new = save_config(text, &was.changes(&Settings { pressure_advance_s: 0.045, ..was.clone() })).unwrap();
    assert!(new.starts_with("# mine\n[printer]\nmax_accel: 3000 # old\n\n[include other.cfg]\n"), "{new}");
    assert!(
        new.contains("\n#pressure_advance: 0.01\n") && new.contains("\n#*# [extruder]\n#*# pressure_advance = 0.045\n"),
        "{new}"
    );
}

/// A folder with a printer.cfg, and the header of a run that was made with it.
fn tuned_printer(name: &str) -> (PathBuf, Header) {
    let folder = folder(name);
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    let text = "# mine\n[printer]\nmax_accel: 3000\n[extruder]\npressure_advance: 0.02\n";
    std::fs::write(folder.join("printer.cfg"), text).unwrap();
    let scenario = Scenario::plain(&folder.join("printer.cfg").display().to_string(), "part.gcode");
    let scenario_ron = ron::to_string(&scenario).unwrap();
    (folder, Header { printer_cfg: text.into(), scenario_ron, ..Header::default() })
}

fn faster(header: &Header, max_accel_mm_s2: f64) -> Settings {
    Settings { max_accel_mm_s2, ..settings_of(header).unwrap() }
}

#[test]
fn settings_go_into_the_printer_cfg_of_the_run_which_is_kept_as_it_was() {
    let (folder, header) = tuned_printer("own");
    let path = folder.join("printer.cfg");
    let old = std::fs::read_to_string(&path).unwrap();
    let elsewhere = folder.join("runs/run.drydock");
    let written = write_settings(&elsewhere, &header, &faster(&header, 5000.0), None).unwrap();
    let new = std::fs::read_to_string(&path).unwrap();
    assert!(new.starts_with("# mine\n") && new.contains("#*# max_accel = 5000\n"), "{new}");
    assert!(new.ends_with(&written.block) && written.block.starts_with("#*# <"), "{written:?}");
    let kept = written.kept.clone().unwrap();
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), old);
    let said = written.to_string();
    let name = kept.file_name().unwrap().to_str().unwrap();
    assert!(said.starts_with(path.to_str().unwrap()) && said.contains("1 option") && said.contains(name), "{said}");
    // Once more, with what the file says by now; then there is nothing to do.
    let both = Settings { pressure_advance_s: 0.03, ..faster(&header, 6000.0) };
    let again = write_settings(&elsewhere, &header, &both, Some(&path)).unwrap();
    assert_eq!(again.changes.len(), 2);
    assert_ne!(again.kept, written.kept, "every file that was replaced is kept");
    let nothing = write_settings(&elsewhere, &header, &both, Some(&path)).unwrap();
    assert!(nothing.kept.is_none() && nothing.to_string().ends_with("says so already"), "{nothing}");
}

#[test]
fn settings_go_beside_the_recording_where_its_printer_cfg_is_not_to_be_found_or_is_another_by_now() {
    let (gone, header) = tuned_printer("gone");
    std::fs::remove_file(gone.join("printer.cfg")).unwrap();
    let beside = folder("beside");
    let _ = std::fs::remove_file(beside.join("printer.cfg"));
    let recording = beside.join("run.drydock");
    let written = write_settings(&recording, &header, &faster(&header, 5000.0), None).unwrap();
    assert_eq!(written.path, beside.join("printer.cfg"));
    let new = std::fs::read_to_string(&written.path).unwrap();
    assert!(new.starts_with("# mine\n") && new.contains("#*# max_accel = 5000\n"), "{new}");
    assert!(written.to_string().ends_with("which the run was made with, is not here)"), "{written}");

    let (other, header) = tuned_printer("other");
    let path = other.join("printer.cfg");
    std::fs::write(&path, "[printer]\nmax_accel: 9000\n[extruder]\npressure_advance: 0.02\n").unwrap();
    let recording = folder("beside-other").join("run.drydock");
    let _ = std::fs::remove_file(recording.with_file_name("printer.cfg"));
    let written = write_settings(&recording, &header, &faster(&header, 5000.0), None).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("9000"), "it is left alone");
    assert_eq!(written.path, recording.with_file_name("printer.cfg"));
    assert!(written.to_string().contains("says something else than when the run was made"), "{written}");
}

#[test]
fn the_command_of_a_run_says_from_where_its_printer_cfg_was_named() {
    let (folder, header) = tuned_printer("scenario");
    let scenario_ron = ron::to_string(&Scenario::plain("../printer.cfg", "part.gcode")).unwrap();
    std::fs::create_dir_all(folder.join("square")).unwrap();
    let command = format!("drydock run {} --view", folder.join("square").display());
    let header = Header { scenario_ron, command, ..header };
    let written = write_settings(Path::new("run.drydock"), &header, &faster(&header, 4000.0), None).unwrap();
    assert_eq!(written.path.canonicalize().unwrap(), folder.join("printer.cfg").canonicalize().unwrap());
    assert_eq!(written.beside, None);
}
