//! Temperature traces: every format is read, garbage is refused by name, planted constants come back, and real heat-ups
//! predict others.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use drydock_host::config::{Config, MapSource};
use drydock_host::thermal::REPORT_TIME_S;
use drydock_host::thermal::control::Control;
use drydock_host::thermal::core::HeaterCore;
use drydock_identify::heat::Trace;
use drydock_identify::heat::read::{parse, traces};
use drydock_identify::heat::report::{HeaterReport, bar_k, identify};
use drydock_plant::bed::Bed;
use drydock_plant::heater::{Bench, Body, Element, Heater};
use drydock_plant::hotend::{Cartridge, Hotend};
use drydock_scenario::disk::DiskSource;

fn hotend() -> Heater {
    let body = Body::Hotend(Hotend {
        element: Element::Plain { power_w: 50.0 },
        block_j_k: 14.0,
        loss_w_k: 0.09,
        loss_fan_w_k: 0.12,
        loss_growth_per_k: 1.2e-3,
        cartridge: Some(Cartridge { heat_j_k: 0.18 * 14.0, to_block_w_k: 1.6 }),
        sensor_rate_s: Some(0.16),
        surroundings: None,
    });
    Heater { name: "extruder".into(), body }
}

fn bed() -> Heater {
    let body = Body::Bed(Bed::of_600_w());
    Heater { name: "heater_bed".into(), body }
}

/// The controller of a heater, as printer.cfg has it.
fn printer_cfg(heater: &str) -> String {
    format!("[{heater}]\nmin_temp = 0\nmax_temp = 300\ncontrol = pid\npid_kp = 12.75\npid_ki = 0.765\npid_kd = 20\n")
}

fn controller(heater: &str) -> HeaterCore {
    let text = printer_cfg(heater);
    let config = Config::parse(&MapSource::new([("printer.cfg", text.as_str())]), "printer.cfg").expect("a config");
    Control::load(&config.require_section(heater).expect("a section")).expect("a controller").core()
}

/// What a printer logs once a second: `(s, target, temperature, power)`, the ones that it read and decided on last, rounded as
/// klippy does.
fn run(heater: &Heater, targets: &[(f64, f64)], ambient_c: f64, seconds: usize) -> Vec<(f64, f64, f64, f64)> {
    let mut bench = Bench::new(heater, ambient_c);
    let (mut core, mut rows) = (controller(&heater.name), Vec::new());
    for report in 0..(seconds as f64 / REPORT_TIME_S) as usize {
        let t = report as f64 * REPORT_TIME_S;
        let target = targets.iter().take_while(|x| x.0 <= t).last().map_or(0.0, |x| x.1);
        core.set_target(target).expect("within the limits");
        let decided_before = core.power();
        core.reading(t + REPORT_TIME_S, bench.sensor_c());
        bench.hold(REPORT_TIME_S, decided_before, 0.0, 0.0);
        let round = |v: f64, to: f64| (v * to).round() / to;
        while (rows.len() as f64) < t + REPORT_TIME_S {
            let second = rows.len() as f64;
            rows.push((second, target, round(core.last_celsius(), 10.0), round(core.power(), 1000.0)));
        }
    }
    rows
}

/// The rows as klippy.log has them.
fn stats(name: &str, rows: &[(f64, f64, f64, f64)]) -> String {
    let config = printer_cfg(name);
    let log = format!("Start printer at some time\n===== Config file =====\n{config}=======================\n");
    rows.iter().fold(log, |mut text, (t, target, temp, duty)| {
        let _ = writeln!(
            text,
            "Stats {:.1}: gcodein=0 mcu: mcu_awake=0.001 freq=180002463 {name}: target={target:.0} temp={temp:.1} \
             pwm={duty:.3} print_time=3.1 buffer_time=0.000 print_stall=0 sysload=0.1 cputime=2.0 memavail=1000",
            100.0 + t
        );
        text
    })
}

fn read(text: &str) -> Vec<Trace> {
    parse(Path::new("klippy.log"), text).unwrap_or_else(|e| panic!("{e}"))
}

fn constant(report: &HeaterReport, path: &str) -> (f64, (f64, f64)) {
    let c = report.fit.constants.iter().find(|c| c.path == path).unwrap_or_else(|| panic!("no {path}"));
    (c.value, c.interval)
}

#[test]
fn a_planted_hot_end_comes_back_from_a_klippy_log() {
    let one = run(&hotend(), &[(20.0, 210.0), (300.0, 0.0)], 21.0, 700);
    let other = run(&hotend(), &[(15.0, 120.0), (140.0, 240.0)], 24.0, 400);
    let start = Heater { body: Body::Hotend(Hotend::single_node(50.0, 10.0, 8.0)), ..hotend() };
    let report = identify(&start, &read(&stats("extruder", &one)), &read(&stats("extruder", &other))).expect("a fit");
    // Block, cartridge and what is told of the surroundings share the heat capacity: their sum is what is planted.
    let (block, _) = constant(&report, "body.block_j_k");
    let (round, _) = constant(&report, "body.surroundings.heat_j_k");
    println!(
        "block {block:.2} J/K with surroundings of {round:.2} J/K for 14; held out {:.2} K",
        report.held_out[0].rms_k
    );
    assert!((block / 14.0 - 1.0).abs() < 0.1, "{block} J/K for 14");
    assert!(report.held_out[0].rms_k < 0.8, "{} K", report.held_out[0].rms_k);
    let controlled_k = report.held_out[0].controlled_k.expect("the log holds the printer.cfg");
    assert!(controlled_k < 0.5, "{controlled_k} K under its own control");
}

#[test]
fn a_planted_bed_comes_back() {
    let one = run(&bed(), &[(20.0, 80.0), (900.0, 0.0)], 21.0, 2000);
    let other = run(&bed(), &[(30.0, 60.0)], 18.0, 500);
    let report =
        identify(&bed(), &read(&stats("heater_bed", &one)), &read(&stats("heater_bed", &other))).expect("a fit");
    assert!(report.held_out[0].rms_k < 0.5, "{} K", report.held_out[0].rms_k);
    let controlled_k = report.held_out[0].controlled_k.expect("the log holds the printer.cfg");
    assert!(controlled_k < 0.3, "{controlled_k} K under its own control");
    assert!(report.fit.rms_k < 0.3, "{} K", report.fit.rms_k);
}

/// Klipper's integral stays while a heater is off: what a printer did before decides how far the next heat-up overshoots, and a
/// log that begins before tells it.
#[test]
fn what_the_controller_gathered_in_the_heat_up_before_is_known() {
    let one = run(&hotend(), &[(20.0, 210.0), (300.0, 0.0)], 21.0, 700);
    let two = run(&hotend(), &[(20.0, 240.0), (200.0, 0.0), (2000.0, 100.0)], 21.0, 2300);
    let second = two.iter().position(|row| row.1 == 100.0).expect("a second heat-up") - 30;
    let peak = two[second..].iter().map(|row| row.2).fold(0.0, f64::max);
    assert!(peak > 103.0, "{peak} C: nothing was left over");
    // Nothing is logged while all is cold: 20 s of the pause are left.
    let cold = |row: &&(f64, f64, f64, f64)| row.0 < 1000.0 || row.0 > two[second].0;
    let logged: Vec<(f64, f64, f64, f64)> = two.iter().filter(cold).copied().collect();
    let report =
        identify(&hotend(), &read(&stats("extruder", &one)), &read(&stats("extruder", &logged))).expect("a fit");
    let last = report.held_out.last().expect("two heat-ups");
    assert!(last.clean && last.span_c.1 < 120.0, "{last:?}");
    let controlled_k = last.controlled_k.expect("the log holds the printer.cfg");
    assert!(controlled_k < 0.5, "{controlled_k} K under its own control");
}

/// The same heat-up in every format gives the same temperatures and powers.
#[test]
fn every_format_is_read() {
    let rows = run(&hotend(), &[(5.0, 200.0)], 21.0, 200);
    let (mut csv, mut percent, mut bare, mut ms) = (
        "time,temp,target,power\n".to_string(),
        "Time (s);Hotend (°C);Hotend target;Hotend power %\n".to_string(),
        String::new(),
        "time_ms,temp_f,pwm\n".to_string(),
    );
    let (mut temps, mut powers, mut heattest) = (Vec::new(), Vec::new(), String::new());
    for (t, target, temp, duty) in &rows {
        let _ = writeln!(csv, "{t},{temp},{target},{duty}");
        let _ = writeln!(percent, "{t};{temp};{target};{:.1}", duty * 100.0);
        let _ = writeln!(bare, "{t:.3} {temp:.1} {target:.1} {:.1}", duty * 127.0);
        let _ = writeln!(ms, "{},{:.2},{duty}", t * 1000.0, temp * 1.8 + 32.0);
        temps.push(temp.to_string());
        powers.push(duty.to_string());
        let _ = writeln!(heattest, "pwm: {t:.3} {duty}");
    }
    for (t, _, temp, _) in &rows {
        let _ = writeln!(heattest, "{t:.3} {temp}");
    }
    let store = format!(
        "{{\"result\": {{\"extruder\": {{\"temperatures\": [{}], \"powers\": [{}]}}, \"chamber\": {{\"temperatures\": [1]}}}}}}",
        temps.join(","),
        powers.join(",")
    );
    for (name, text) in [
        ("stats", stats("extruder", &rows)),
        ("csv", csv),
        ("percent", percent),
        ("bare", bare),
        ("ms", ms),
        ("store", store),
        ("heattest", heattest),
    ] {
        let traces = parse(Path::new(name), &text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(traces.len(), 1, "{name}");
        let samples = &traces[0].samples;
        assert_eq!(samples.len(), rows.len(), "{name}: {:?}", traces[0].flags);
        for (sample, row) in samples.iter().zip(&rows) {
            assert!((sample.temp_c - row.2).abs() < 0.011, "{name}: {} for {}", sample.temp_c, row.2);
            assert!((sample.duty - row.3).abs() < 0.0011, "{name}: {} for {}", sample.duty, row.3);
            let since = sample.t_s - samples[0].t_s;
            assert!((since - (row.0 - rows[0].0)).abs() < 1e-6, "{name}");
        }
    }
}

/// Time s, target, temperature, power.
type Row = (f64, f64, f64, f64);

#[test]
fn garbage_is_refused_by_name_with_its_place() {
    let rows = run(&hotend(), &[(25.0, 200.0)], 21.0, 200);
    let table = |f: &dyn Fn(usize, &Row) -> String| {
        rows.iter().enumerate().fold("time,temp,power\n".to_string(), |text, (i, row)| text + &f(i, row) + "\n")
    };
    let refuse = |text: &str| {
        parse(Path::new("g.csv"), text).map(|t| format!("{:?}", t[0].flags)).expect_err("refused").to_string()
    };
    let cases = [
        ("nan", table(&|i, r| format!("{},{},{}", r.0, if i == 40 { f64::NAN } else { r.2 }, r.3)), "g.csv:42"),
        (
            "a word",
            table(&|i, r| format!("{},{},{}", r.0, if i == 3 { "hot".into() } else { r.2.to_string() }, r.3)),
            "g.csv:5",
        ),
        ("kelvin", table(&|_, r| format!("{},{},{}", r.0, r.2 + 273.15, r.3)), "kelvin"),
        ("fahrenheit", table(&|_, r| format!("{},{},{}", r.0, r.2 * 1.8 + 32.0, r.3)), "Fahrenheit"),
        ("constant", table(&|_, r| format!("{},25.0,{}", r.0, r.3)), "throughout"),
        ("zeros", table(&|_, r| format!("{},0,{}", r.0, r.3)), "never read"),
        ("slow", table(&|_, r| format!("{},{},{}", r.0 * 60.0, r.2, r.3)), "too slow"),
        ("fast", table(&|_, r| format!("{},{},{}", r.0 / 60.0, r.2, r.3)), "K/s"),
        ("negative power", table(&|_, r| format!("{},{},{}", r.0, r.2, r.3 - 2.0)), "below 0"),
        ("power in W", table(&|_, r| format!("{},{},{}", r.0, r.2, r.3 * 3000.0)), "share"),
        ("no time", rows.iter().map(|r| format!("{}\n", r.2)).collect(), "without times"),
        ("short", "time,temp,power\n0,20,0\n1,21,1\n".into(), "too few"),
        (
            "a row cut",
            table(&|i, r| if i == 50 { format!("{},{}", r.0, r.2) } else { format!("{},{},{}", r.0, r.2, r.3) }),
            "g.csv:52",
        ),
        ("cut JSON", "{\"extruder\": {\"temperatures\": [1, 2".into(), "JSON"),
        ("a novel", "It was a dark night.\nAnd stormy.\n".into(), "time"),
    ];
    for (name, text, needle) in cases {
        let why = refuse(&text);
        assert!(why.contains(needle), "{name}: {why}");
    }
    assert!(traces(Path::new("/nowhere/klippy.log")).expect_err("refused").to_string().contains("cannot be read"));
    assert!(
        drydock_identify::refusal::text(Path::new("/dev/null")).expect_err("refused").to_string().contains("empty")
    );
}

/// What can be mended is flagged, and what it separates is not joined.
#[test]
fn oddities_are_flagged() {
    let rows = run(&hotend(), &[(25.0, 200.0)], 21.0, 300);
    let mut text = "time,temp,power\n".to_string();
    for (i, (t, _, temp, duty)) in rows.iter().enumerate() {
        let t = if i >= 150 { t - 1000.0 } else { *t };
        let temp = if i < 4 { 0.0 } else { *temp };
        let _ = writeln!(text, "{t},{temp},{duty}");
    }
    text += "299,21";
    let trace = &parse(Path::new("odd.csv"), &text).expect("read")[0];
    assert_eq!(trace.breaks, vec![146]);
    let flags = trace.flags.join("; ");
    for needle in ["4 samples of 0", "clock jumps", "cut off"] {
        assert!(flags.contains(needle), "{flags}");
    }
    // A sensor that only makes noise is no heat-up.
    let noise = (0..300)
        .fold("time,temp,power\n".to_string(), |text, i| text + &format!("{i},{},1\n", 20.0 + f64::from(i % 7) * 0.3));
    let trace = parse(Path::new("noise.csv"), &noise).expect("read");
    let why = identify(&hotend(), &trace, &[]).expect_err("nothing to fit");
    assert!(why.contains("no stretch"), "{why}");
}

fn shared(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&root).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "gz"));
    files.sort();
    files
}

/// The sections that the log began with.
fn config_of(log: &Path) -> Config {
    let path = log.display().to_string().replace(".csv.gz", ".cfg.txt");
    Config::parse_lenient(&DiskSource, &path).0
}

/// What the file is called before the log: the printer.
fn printer_of(path: &Path) -> String {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    name.split("__").next().unwrap_or_default().to_string()
}

/// Fitted to one log, every heat-up from cold in every other log of the printer is predicted, and all pairs are printed: with the
/// power that was logged, and under the heater's own control. The owner changed the machine in between (held at 100 C
/// with 6 % of the power, then with 10 %, then with 6 % again; another sensor; a log that begins after a heat-up), so only
/// a part can be within the bar: at least this part of those between neighbouring logs is.
#[test]
fn one_heat_up_predicts_another() {
    let files = shared("klippy_stats");
    if files.is_empty() {
        println!("no ../shared/data/klippy_stats: nothing to compare with");
        return;
    }
    for (heater, wanted) in [(hotend(), (0.2, 0.6)), (bed(), (0.2, 0.6))] {
        let all: Vec<Trace> = files
            .iter()
            .flat_map(|f| {
                let config = config_of(f);
                let mut traces = traces(f).unwrap_or_else(|e| panic!("{e}"));
                traces.iter_mut().for_each(|t| t.controlled_by(&config));
                traces
            })
            .filter(|t| t.heater == heater.name)
            .collect();
        let (mut near, mut near_ok, mut near_controlled, mut far, mut far_ok, mut far_controlled) = (0, 0, 0, 0, 0, 0);
        for i in 0..all.len() {
            let others: Vec<Trace> = (0..all.len())
                .filter(|j| *j != i && printer_of(&all[*j].path) == printer_of(&all[i].path))
                .map(|j| all[j].clone())
                .collect();
            let Ok(report) = identify(&heater, &all[i..=i], &others) else { continue };
            if others.is_empty() {
                let held = &report.held_out[0];
                println!("{} {}: {} {:.2} K", heater.name, all[i].path.display(), report.held_out_is, held.rms_k);
                continue;
            }
            for held in report.held_out.iter().filter(|s| s.clean) {
                let at = all.iter().position(|t| t.path == held.path).unwrap_or(i);
                let is_near = at.abs_diff(i) == 1;
                let ok = held.rms_k < bar_k(report.kind);
                far += usize::from(!is_near);
                let controlled = held.controlled_k.is_some_and(|k| k < bar_k(report.kind));
                far_controlled += usize::from(!is_near && controlled);
                near_controlled += usize::from(is_near && controlled);
                far_ok += usize::from(!is_near && ok);
                near += usize::from(is_near);
                near_ok += usize::from(is_near && ok);
                let day = |p: &Path| {
                    p.file_name().map_or_else(String::new, |n| {
                        n.to_string_lossy().chars().rev().skip(16).take(10).collect::<String>().chars().rev().collect()
                    })
                };
                println!(
                    "{} {} -> {} at {:.0} s, {:.0} to {:.0} C: {:.2} K, controlled {:.2} K (all {:.0} s: {:.2} K) {} {}",
                    heater.name,
                    day(&all[i].path),
                    day(&held.path),
                    held.at_s,
                    held.span_c.0,
                    held.span_c.1,
                    held.rms_k,
                    held.controlled_k.unwrap_or(f64::NAN),
                    held.seconds,
                    held.whole_k,
                    if is_near { "near" } else { "far" },
                    held.remark
                );
            }
        }
        println!(
            "{}: {near_ok} of {near} between neighbouring logs, {near_controlled} under its own control; {far_ok} and {far_controlled} of {far} between others",
            heater.name
        );
        assert!(near > 0, "no pair of logs to judge");
        assert!(near_ok as f64 >= wanted.0 * near as f64, "{near_ok} of {near}");
        assert!(near_controlled as f64 >= wanted.1 * near as f64, "{near_controlled} of {near} under its own control");
    }
}
