//! `drydock identify`: from an owner's recordings to a machine file, judged on recordings that nothing was fitted to.

mod modes;
mod page;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use drydock_host::config::{Config, MapSource};
use drydock_identify::accel::holdout::{Compared, Repeat};
use drydock_identify::heat::report::{HeaterReport, bar_k, identify as identify_heater};
use drydock_identify::heat::{Trace, read};
use drydock_identify::mesh::{self, SurfaceFit};
use drydock_identify::pressure::{self, PressureFit};
use drydock_identify::refusal;
use drydock_plant::heater::{Body, Element};
use drydock_plant::{Machine, Origin};
use drydock_scenario::disk::DiskSource;
use drydock_scenario::machine_file;
use serde_json::json;

use crate::run::CliResult;
use crate::term::{command_line, say};
use modes::{Modes, percents, verdict};

#[derive(Args)]
pub struct IdentifyArgs {
    /// The printer.cfg of the machine; without it, the one that a klippy.log of --heatup holds.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A machine file to start from, in place of typical values.
    #[arg(long, value_name = "FILE")]
    pub machine: Option<PathBuf>,
    /// Resonance tests: Klipper's raw or PSD files, Shake&Tune's .stdata; one axis or several.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub accel: Vec<PathBuf>,
    /// Heat-ups and holds: klippy.log, a table (time, temp, target, power), heattest.txt, Moonraker's temperature store.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub heatup: Vec<PathBuf>,
    /// A pressure-advance tower as measured widths: docs/identify.md has the columns.
    #[arg(long, value_name = "FILE")]
    pub pa: Option<PathBuf>,
    /// A bed mesh: a printer.cfg with [bed_mesh NAME] points, or RepRapFirmware's heightmap.csv.
    #[arg(long, value_name = "FILE")]
    pub mesh: Option<PathBuf>,
    /// Recordings that nothing is fitted to, only judged by. Without any, the last test of an axis that has several, the
    /// last heat-up or a second half is held out.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub hold_out: Vec<PathBuf>,
    /// Full power of a heater, W: `extruder=60`. Temperatures do not tell it.
    #[arg(long, value_name = "HEATER=W")]
    pub power: Vec<String>,
    /// Where the machine file goes.
    #[arg(long, short, value_name = "FILE", default_value = "machine.ron")]
    pub output: PathBuf,
    /// Where the report goes: one HTML file.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print one JSON object in place of the tables.
    #[arg(long)]
    pub json: bool,
}

/// One row of the table of what was fitted.
struct Row {
    path: String,
    value: f64,
    unit: &'static str,
    interval: (f64, f64),
    from: String,
    /// The data tell it; else it is what is usual.
    told: bool,
}

const NOT_TOLD: &str = "hardly told by the data: take it as assumed";

/// All that came out.
struct Identified {
    modes: Option<Modes>,
    heaters: Vec<HeaterReport>,
    rows: Vec<Row>,
    pressure: Option<PressureFit>,
    surface: Option<(String, SurfaceFit)>,
    flags: Vec<String>,
    refused: Vec<String>,
    cannot_tell: Vec<String>,
}

impl Identified {
    /// Recordings were given, and none of them told anything.
    fn is_nothing(&self) -> bool {
        self.rows.is_empty() && self.surface.is_none() && !self.refused.is_empty()
    }
}

pub fn identify(args: IdentifyArgs) -> CliResult {
    let mut out = Identified {
        modes: None,
        heaters: Vec::new(),
        rows: Vec::new(),
        pressure: None,
        surface: None,
        flags: Vec::new(),
        refused: Vec::new(),
        cannot_tell: Vec::new(),
    };
    let config = printer_cfg(&args)?;
    let mut machine = base(&args, config.as_ref())?;
    set_powers(&mut machine, &args.power)?;
    let (held_accel, held_heat): (Vec<PathBuf>, Vec<PathBuf>) =
        args.hold_out.iter().cloned().partition(|path| modes::is_accel(path));
    let recordings = modes::read(&args.accel, &mut out);
    if !recordings.is_empty() {
        let held = modes::read(&held_accel, &mut out);
        out.modes = modes::modes(&mut machine, recordings, held, args.config.as_deref(), &mut out);
    }
    let fit_to = traces(&args.heatup, &machine, config.as_ref(), &mut out);
    let hold_out = traces(&held_heat, &machine, config.as_ref(), &mut out);
    heaters(&mut machine, &fit_to, &hold_out, &mut out);
    if let Some(path) = &args.pa {
        tower(&mut machine, path, &mut out);
    }
    if let Some(path) = &args.mesh {
        surface(&mut machine, path, &mut out);
    }
    machine.validate().map_err(|errors| {
        let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("what was fitted makes no machine: {}", list.join("; "))
    })?;
    // A machine of which nothing was fitted must not stand where an earlier, good one may be.
    if !out.is_nothing() {
        let text = format!("{}{}", header(), machine_file::write(&machine)?);
        std::fs::write(&args.output, text).map_err(|e| format!("{}: {e}", args.output.display()))?;
    }
    if let Some(path) = &args.report {
        let command = command_line();
        std::fs::write(path, page::html(&machine, &out, &command)).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    if args.json {
        say!("{}", to_json(&args, &out));
    } else {
        show(&args, &out);
    }
    Ok(if out.is_nothing() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn header() -> String {
    "// A machine file of Drydock. `sources` says where the numbers come from; what it does not name is assumed.\n"
        .into()
}

/// The printer.cfg and its name: the one given, or the one in a klippy.log.
fn printer_cfg(args: &IdentifyArgs) -> Result<Option<(Config, String)>, String> {
    let all = |errors: Vec<drydock_host::config::ConfigError>| {
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    if let Some(path) = &args.config {
        let name = path.display().to_string();
        return Ok(Some((Config::parse(&DiskSource, &name).map_err(all)?, name)));
    }
    let logged = |path: &PathBuf| Some((path.clone(), read::logged_config(&refusal::text(path).ok()?)?.to_string()));
    let Some((path, text)) = args.heatup.iter().find_map(logged) else { return Ok(None) };
    let name = format!("printer.cfg in {}", path.display());
    Ok(Some((Config::parse(&MapSource::new([(name.as_str(), text.as_str())]), &name).map_err(all)?, name)))
}

/// The machine given, or the one that the printer.cfg describes.
fn base(args: &IdentifyArgs, config: Option<&(Config, String)>) -> Result<Machine, Box<dyn std::error::Error>> {
    if let Some(path) = &args.machine {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        return Ok(machine_file::parse(path, &text)?);
    }
    let (config, name) = config.ok_or("which machine? Give --config printer.cfg, --machine FILE, or a klippy.log")?;
    let mut machine = drydock_twin::wiring::from_config(config).map_err(|e| e.to_string())?.machine;
    for field in ["travel_min_mm", "travel_max_mm"] {
        machine.sources.insert(field.into(), Origin::Config(format!("{name}, and 5 mm past its range (assumed)")));
    }
    for field in ["kinematics", "motors", "endstops", "probes"] {
        machine.sources.insert(field.into(), Origin::Config(name.clone()));
    }
    for i in 0..machine.motors.len() {
        let why = "a typical motor; printer.cfg does not tell it".to_string();
        machine.sources.insert(format!("motors[{i}].model"), Origin::Assumed(why));
    }
    Ok(machine)
}

fn set_powers(machine: &mut Machine, powers: &[String]) -> Result<(), String> {
    for given in powers {
        let (name, watts) = given.split_once('=').ok_or(format!("--power {given}: write HEATER=W, as extruder=60"))?;
        let watts: f64 =
            watts.parse().ok().filter(|w| *w > 0.0).ok_or(format!("--power {given}: W is no number above 0"))?;
        let known: Vec<String> = machine.heaters.iter().map(|h| h.name.clone()).collect();
        let at = known.iter().position(|n| n == name);
        let at =
            at.ok_or(format!("--power {given}: the machine has no heater {name} (known: {})", known.join(", ")))?;
        match &mut machine.heaters[at].body {
            Body::Hotend(h) => h.element = Element::Plain { power_w: watts },
            Body::Bed(b) => b.element = Element::Plain { power_w: watts },
        }
        machine
            .sources
            .insert(format!("heaters[{at}].body.element"), Origin::Datasheet("its owner, by --power".into()));
    }
    Ok(())
}

/// By the machine's heater.
type Traces = BTreeMap<String, Vec<Trace>>;

/// Reads traces; those that do not tell how their heater was controlled take it from the printer.cfg.
fn traces(paths: &[PathBuf], machine: &Machine, config: Option<&(Config, String)>, out: &mut Identified) -> Traces {
    let mut by_heater = Traces::new();
    for path in paths {
        match read::traces(path) {
            Err(why) => out.refused.push(why.to_string()),
            Ok(traces) => {
                for mut trace in traces {
                    config.inspect(|(config, _)| trace.controlled_by(config));
                    match machine.heaters.iter().find(|h| h.name == trace.heater) {
                        Some(h) => by_heater.entry(h.name.clone()).or_default().push(trace),
                        None => {
                            let why = format!("the machine has no heater {}: left out", trace.heater);
                            out.flags.push(format!("{}: {why}", path.display()));
                        }
                    }
                }
            }
        }
    }
    by_heater
}

fn heaters(machine: &mut Machine, fit_to: &Traces, hold_out: &Traces, out: &mut Identified) {
    for (i, heater) in machine.heaters.clone().iter().enumerate() {
        let Some(fit_to) = fit_to.get(&heater.name) else { continue };
        let held = hold_out.get(&heater.name).map_or(&[][..], Vec::as_slice);
        let report = match identify_heater(heater, fit_to, held) {
            Ok(report) => report,
            Err(why) => {
                out.refused.push(why);
                continue;
            }
        };
        machine.heaters[i] = report.fit.heater.clone();
        let from = report.from.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        for c in &report.fit.constants {
            let path = format!("heaters[{i}].{}", c.path);
            let origin = match c.is_told() {
                true => Origin::Fitted { from: from.clone(), interval: c.interval },
                false => Origin::Assumed(format!("near what is usual; {from} does not tell it")),
            };
            machine.sources.insert(path.clone(), origin);
            let (value, unit, interval, told) = (c.value, c.unit, c.interval, c.is_told());
            out.rows.push(Row { path, value, unit, interval, from: from.clone(), told });
        }
        machine
            .sources
            .entry(format!("heaters[{i}].body.element"))
            .or_insert(Origin::Assumed("a typical heater of this kind; temperatures tell only its quotients".into()));
        out.flags.extend(report.flags.iter().cloned());
        out.cannot_tell.extend(report.cannot_tell.iter().map(|s| format!("{}: {s}", report.name)));
        out.heaters.push(report);
    }
}

fn tower(machine: &mut Machine, path: &Path, out: &mut Identified) {
    let fitted = pressure::read(path).and_then(|tower| Ok((pressure::fit(path, &tower)?, tower)));
    let (fit, tower) = match fitted {
        Ok(fitted) => fitted,
        Err(why) => return out.refused.push(why.to_string()),
    };
    let Some(extruder) = machine.extruders.first_mut() else {
        return out.refused.push(format!("{}: the machine has no extruder", path.display()));
    };
    pressure::set_time_constant(extruder, fit.tau_s, tower.flows_mm3_s);
    let stiffness = extruder.stiffness_n_mm;
    // Stiffness and time constant are in inverse proportion.
    let interval = (stiffness * fit.tau_s / fit.interval_s.1, stiffness * fit.tau_s / fit.interval_s.0.max(1e-6));
    let from = path.display().to_string();
    let field = "extruders[0].stiffness_n_mm".to_string();
    machine.sources.insert(field.clone(), Origin::Fitted { from: from.clone(), interval });
    out.rows.push(Row { path: field, value: stiffness, unit: "N/mm", interval, from, told: true });
    out.cannot_tell.push(match tower.flows_mm3_s {
        Some(_) => "extruder: widths tell the quotient of force and stiffness only; the force is assumed.".into(),
        None => "extruder: the tower does not tell its flows, so its time constant is taken as that at the reference \
                 flow; widths tell the quotient of force and stiffness only."
            .into(),
    });
    out.pressure = Some(fit);
}

fn surface(machine: &mut Machine, path: &Path, out: &mut Identified) {
    let meshes = match mesh::read(path) {
        Ok(meshes) => meshes,
        Err(why) => return out.refused.push(why.to_string()),
    };
    let Some(mesh) = meshes.iter().find(|m| m.name == "default").or(meshes.first()) else { return };
    if meshes.len() > 1 {
        let names: Vec<&str> = meshes.iter().map(|m| m.name.as_str()).collect();
        out.flags.push(format!(
            "{}: {} meshes ({}); {} is taken",
            path.display(),
            meshes.len(),
            names.join(", "),
            mesh.name
        ));
    }
    out.flags.extend(mesh.flags.iter().map(|f| format!("{}: {f}", path.display())));
    let fit = mesh::fit(mesh, machine.travel_min_mm, machine.travel_max_mm);
    machine.bed_surface = fit.surface.clone();
    let s = &fit.surface;
    let from = format!("{} ({})", path.display(), mesh.name);
    let fields = [
        ("height_mm", s.height_mm, "mm"),
        ("tilt[0]", s.tilt[0], "mm/mm"),
        ("tilt[1]", s.tilt[1], "mm/mm"),
        ("bow_mm[0]", s.bow_mm[0], "mm"),
        ("bow_mm[1]", s.bow_mm[1], "mm"),
    ];
    for ((field, value, unit), half) in fields.into_iter().zip(fit.half_interval) {
        let (path, interval) = (format!("bed_surface.{field}"), (value - half, value + half));
        machine.sources.insert(path.clone(), Origin::Fitted { from: from.clone(), interval });
        out.rows.push(Row { path, value, unit, interval, from: from.clone(), told: true });
    }
    let rest = format!("the rest of {from}");
    let rough = Origin::Fitted { from: rest, interval: (s.rough_mm, s.rough_mm) };
    machine.sources.insert("bed_surface.rough_mm".into(), rough);
    if !fit.length_is_told {
        out.cannot_tell
            .push("bed: the mesh is too coarse, or its rest too even, to tell how long its bumps are.".into());
    }
    out.cannot_tell
        .push("bed: the twin's small bumps have the size and length of the real ones, not their places.".into());
    out.surface = Some((mesh.name.clone(), fit));
}

/// Held-out heat-ups from cold, and how many of them are within the bar: with the logged power, and under their own control.
struct Judged {
    all: usize,
    powered: usize,
    controlled: usize,
}

fn judged(report: &HeaterReport) -> Judged {
    let within = |k: f64| k < bar_k(report.kind);
    let clean: Vec<_> = report.held_out.iter().filter(|s| s.clean).collect();
    Judged {
        all: clean.len(),
        powered: clean.iter().filter(|s| within(s.rms_k)).count(),
        controlled: clean.iter().filter(|s| s.controlled_k.is_some_and(within)).count(),
    }
}

/// An interval in words; an end a thousand times off the value is no end that the data tell.
fn interval(value: f64, (low, high): (f64, f64)) -> String {
    let told = |end: f64| end.is_finite() && end.abs() < 1e3 * value.abs().max(1e-4);
    match (told(low), told(high)) {
        (true, true) => format!("{low:.4} to {high:.4}"),
        (true, false) => format!("{low:.4} or more"),
        (false, true) => format!("{high:.4} or less"),
        (false, false) => "not told".into(),
    }
}

fn show(args: &IdentifyArgs, out: &Identified) {
    if !out.rows.is_empty() {
        say!("{:44} {:>11}  {:>23}  {:6} from", "parameter", "value", "95 % interval", "unit");
    }
    for r in &out.rows {
        let interval = interval(r.value, r.interval);
        let from = if r.told { r.from.as_str() } else { NOT_TOLD };
        say!("{:44} {:>11.4}  {:>23}  {:6} {from}", r.path, r.value, interval, r.unit);
    }
    if let Some(modes) = &out.modes {
        show_modes(modes);
    }
    for report in &out.heaters {
        let Judged { all, powered, controlled } = judged(report);
        say!("");
        say!(
            "{}: fitted to {} stretches with {:.2} K rms; held out: {}",
            report.name,
            report.fitted.len(),
            report.fit.rms_k,
            report.held_out_is
        );
        for s in &report.held_out {
            let kind = if s.clean { "from cold" } else { "warm start" };
            let (low, high) = s.span_c;
            let controlled = s.controlled_k.map_or(String::new(), |k| format!(", under its own control {k:.2} K"));
            let whole = if s.whole_k != s.rms_k { format!(", all of it {:.2} K", s.whole_k) } else { String::new() };
            say!(
                "  {}, at {:.0} s: {low:.0} to {high:.0} C in {:.0} s, {kind}: {:.2} K rms{controlled}{whole}",
                s.path.display(),
                s.at_s,
                s.seconds,
                s.rms_k
            );
            if !s.remark.is_empty() {
                say!("    {}", s.remark);
            }
        }
        if all > 0 {
            let bar = bar_k(report.kind);
            say!(
                "  {powered} of {all} heat-ups from cold within {bar} K with the logged power, {controlled} under their own control"
            );
        }
    }
    if let Some(fit) = &out.pressure {
        say!("");
        let (low, high) = fit.interval_s;
        say!(
            "pressure time constant {:.4} s ({low:.4} to {high:.4}); widths off the line {:.3} mm rms, each predicted from the others {:.3} mm",
            fit.tau_s,
            fit.rms_mm,
            fit.held_out_mm
        );
    }
    if let Some((name, fit)) = &out.surface {
        say!("");
        say!("mesh {name}: {:.3} mm rms off a plane, {:.3} mm off a plane with bows", fit.rms_plane_mm, fit.rms_mm);
    }
    for (title, list) in
        [("odd", &out.flags), ("refused", &out.refused), ("what the data cannot tell", &out.cannot_tell)]
    {
        if !list.is_empty() {
            say!("");
            say!("{title}:");
            list.iter().for_each(|line| say!("  {line}"));
        }
    }
    say!("");
    match out.is_nothing() {
        true => say!("no machine file: nothing could be fitted"),
        false => say!("machine file   {}", args.output.display()),
    }
    if let Some(path) = &args.report {
        say!("report         {}", path.display());
    }
}

fn show_modes(modes: &Modes) {
    say!("");
    for axis in &modes.fit.axes {
        let [x, y, z] = axis.direction;
        let (count, left) = (axis.modes.len(), 100.0 * axis.held_out_residual);
        say!(
            "modes along {x:.2}, {y:.2}, {z:.2}: {count}; held out: every other window, {left:.1} % of it unexplained"
        );
    }
    for held in &modes.held_out {
        say!("  held out and replayed in the twin, {}: {}", held.file, verdict(held));
        for (i, peak) in held.peaks.iter().enumerate() {
            let [freq, height] = percents(Some(peak));
            let repeat = held.repeat.as_ref().map_or_else(String::new, |repeat| {
                let [freq, height] = percents(repeat.peaks.get(i));
                format!("; {} itself: {freq}, {height}", repeat.file)
            });
            say!("    {:.1} Hz: frequency {freq}, height {height}{repeat}", peak.measured.freq_hz);
        }
    }
    let (ok, all) = (modes.held_out.iter().filter(|h| h.ok()).count(), modes.held_out.len());
    let alike = modes.held_out.iter().filter(|h| h.repeat.as_ref().is_some_and(Repeat::ok)).count();
    if all > 0 {
        say!("  {ok} of {all} within 2 % and 20 %; the fitted recordings themselves would be on {alike}");
    }
}

fn to_json(args: &IdentifyArgs, out: &Identified) -> serde_json::Value {
    let peaks = |peaks: &[Compared]| -> Vec<serde_json::Value> {
        let one = |p: &Compared| json!({"freq_hz": p.measured.freq_hz, "freq_error": p.freq_error(), "height_error": p.height_error()});
        peaks.iter().map(one).collect()
    };
    let parameters: Vec<_> = out
        .rows
        .iter()
        .map(|r| {
            json!({"path": r.path, "value": r.value, "unit": r.unit, "low": r.interval.0, "high": r.interval.1,
                   "from": r.from, "told": r.told})
        })
        .collect();
    let heaters: Vec<_> = out
        .heaters
        .iter()
        .map(|h| {
            let held: Vec<_> = h
                .held_out
                .iter()
                .map(|s| {
                    json!({"file": s.path.display().to_string(), "at_s": s.at_s, "seconds": s.seconds,
                           "from_cold": s.clean, "rms_k": s.rms_k, "unplaced_k": s.unplaced_k, "controlled_k": s.controlled_k, "whole_k": s.whole_k, "remark": s.remark})
                })
                .collect();
            let Judged { all, powered, controlled } = judged(h);
            json!({"heater": h.name, "fit_rms_k": h.fit.rms_k, "held_out_is": h.held_out_is, "held_out": held,
                   "bar_k": bar_k(h.kind), "within_bar": powered, "within_bar_controlled": controlled, "judged": all})
        })
        .collect();
    json!({
        "machine": (!out.is_nothing()).then(|| args.output.display().to_string()),
        "report": args.report.as_ref().map(|p| p.display().to_string()),
        "parameters": parameters,
        "modes": out.modes.as_ref().map(|m| json!({
            "settled_in_twin": m.settled,
            "axes": m.fit.axes.iter().map(|a| json!({"files": a.files, "direction": a.direction, "modes": a.modes.len(),
                "held_out_residual": a.held_out_residual})).collect::<Vec<_>>(),
            "held_out": m.held_out.iter().map(|h| json!({"file": h.file, "ok": h.ok(), "reason": h.reason, "peaks": peaks(&h.peaks),
                "fitted_recording_itself": h.repeat.as_ref().map(|r| json!({"file": r.file, "ok": r.ok(), "peaks": peaks(&r.peaks)})),
            })).collect::<Vec<_>>(),
        })),
        "heaters": heaters,
        "pressure": out.pressure.as_ref().map(|p| json!({"tau_s": p.tau_s, "low_s": p.interval_s.0, "high_s": p.interval_s.1,
            "rms_mm": p.rms_mm, "held_out_mm": p.held_out_mm})),
        "mesh": out.surface.as_ref().map(|(name, f)| json!({"name": name, "rms_plane_mm": f.rms_plane_mm, "rms_mm": f.rms_mm})),
        "odd": out.flags,
        "refused": out.refused,
        "cannot_tell": out.cannot_tell,
    })
}

#[cfg(test)]
mod tests {
    use super::interval;

    #[test]
    fn an_end_of_an_interval_that_the_data_do_not_tell_is_not_a_number() {
        assert_eq!(interval(0.12, (0.11, 0.13)), "0.1100 to 0.1300");
        assert_eq!(interval(0.12, (0.0, 2.3e23)), "0.0000 or more");
        assert_eq!(interval(0.12, (f64::NEG_INFINITY, 0.13)), "0.1300 or less");
        assert_eq!(interval(0.12, (-1e9, f64::INFINITY)), "not told");
    }
}
