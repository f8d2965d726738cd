//! Readers of temperature traces. What a file is, its content tells.
//!
//! - klippy.log: `Stats` lines (heaters, sensors, the place in the print file)
//! - tables: comma, semicolon, tab or blank separated, with or without a header; see docs/identify.md for the names
//! - heattest.txt of PID_CALIBRATE: `pwm: time value` lines, then `time temperature`
//! - Moonraker's temperature store: JSON, a sample a second

use std::collections::BTreeMap;
use std::path::Path;

use drydock_host::config::{Config, MapSource};
use drydock_host::thermal::REPORT_TIME_S;

use super::{Sample, Trace};
use crate::refusal::{self, Refusal};

/// All heaters of a file, each checked; what is odd is flagged, what cannot be used refuses the file.
pub fn traces(path: &Path) -> Result<Vec<Trace>, Refusal> {
    parse(path, &refusal::text(path)?)
}

/// As [`traces`], from a text.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Trace>, Refusal> {
    let raw = if text.trim_start().starts_with('{') {
        moonraker(path, text)?
    } else if text.lines().any(|l| l.starts_with("Stats ")) {
        stats(path, text)?
    } else if text.lines().any(|l| l.starts_with("pwm:")) {
        heattest(path, text)?
    } else {
        table(path, text)?
    };
    let mut traces = Vec::new();
    for raw in raw {
        traces.extend(raw.checked(path)?);
    }
    if traces.is_empty() {
        return Err(Refusal::file(path, "tells no heater with temperature and power; is it the right file?"));
    }
    if let Some(text) = logged_config(text) {
        let name = format!("printer.cfg in {}", path.display());
        let (config, _) = Config::parse_lenient(&MapSource::new([(name.as_str(), text)]), &name);
        traces.iter_mut().for_each(|trace| trace.controlled_by(&config));
    }
    Ok(traces)
}

/// The configuration that klippy wrote into its log.
pub fn logged_config(log: &str) -> Option<&str> {
    let (_, after) = log.split_once("===== Config file =====")?;
    let (config, _) = after.split_once("\n=======")?;
    Some(config.trim_start_matches(['\r', '\n']))
}

/// A heater as a file has it, before anything is concluded.
#[derive(Default)]
struct Raw {
    heater: String,
    rows: Vec<Row>,
    ambient_c: Option<f64>,
    delay_s: f64,
    flags: Vec<String>,
}

/// See [`Trace::delay_s`]: what Klipper tells of a heater is the temperature that it read last and the power that it decided on.
const KLIPPER_DELAY_S: f64 = 1.5 * REPORT_TIME_S;

#[derive(Clone, Copy)]
struct Row {
    line: usize,
    t_s: f64,
    temp_c: f64,
    target_c: Option<f64>,
    duty: Option<f64>,
    fan: Option<f64>,
    busy: bool,
}

fn number(path: &Path, line: usize, what: &str, text: &str) -> Result<f64, Refusal> {
    match text.trim().parse::<f64>() {
        Ok(v) if v.is_finite() => Ok(v),
        Ok(_) => Err(Refusal::line(path, line, format!("{what} is {}, which is no number", text.trim()))),
        Err(_) => Err(Refusal::line(path, line, format!("{what} is \"{}\": write a number", text.trim()))),
    }
}

/// klippy.log: once a second `Stats TIME: ... NAME: target=.. temp=.. pwm=.. ... sd_pos=..`.
fn stats(path: &Path, text: &str) -> Result<Vec<Raw>, Refusal> {
    let mut heaters: BTreeMap<String, Raw> = BTreeMap::new();
    let mut last_place: Option<f64> = None;
    let mut coldest = f64::INFINITY;
    let mut cut = 0;
    for (i, line) in text.lines().enumerate() {
        let Some(rest) = line.strip_prefix("Stats ") else { continue };
        let Some((time, rest)) = rest.split_once(": ") else {
            cut += 1;
            continue;
        };
        let t_s = number(path, i + 1, "the time of Stats", time)?;
        let mut name = "";
        let mut fields: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for word in rest.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) => {
                    let whose = if matches!(key, "print_time" | "buffer_time" | "sd_pos") { "" } else { name };
                    fields.insert((whose, key), value);
                }
                None => name = word.trim_end_matches(':'),
            }
        }
        let field = |whose: &str, key: &str| fields.get(&(whose, key)).map(|v| number(path, i + 1, key, v)).transpose();
        let place = field("", "sd_pos")?;
        let moving = field("", "buffer_time")?.is_some_and(|s| s > 0.5);
        // The place in the print file tells best whether plastic flows; without one, moves in the queue do.
        let busy = match place {
            Some(p) => last_place.is_some_and(|last| last != p),
            None => moving && last_place.is_none(),
        };
        last_place = place.or(last_place);
        for (whose, _) in fields.keys().filter(|(_, key)| *key == "pwm") {
            let (Some(temp_c), Some(duty)) = (field(whose, "temp")?, field(whose, "pwm")?) else {
                cut += 1;
                continue;
            };
            if temp_c > 0.0 {
                coldest = coldest.min(temp_c);
            }
            let target_c = field(whose, "target")?;
            let raw = heaters.entry((*whose).to_string()).or_insert_with(|| Raw {
                heater: (*whose).into(),
                delay_s: KLIPPER_DELAY_S,
                ..Raw::default()
            });
            raw.rows.push(Row { line: i + 1, t_s, temp_c, target_c, duty: Some(duty), fan: None, busy });
        }
    }
    let mut heaters: Vec<Raw> = heaters.into_values().collect();
    for raw in &mut heaters {
        raw.ambient_c = coldest.is_finite().then_some(coldest);
        if cut > 0 {
            raw.flags.push(format!("{cut} Stats lines are cut off and left out"));
        }
    }
    Ok(heaters)
}

/// PID_CALIBRATE's record.
fn heattest(path: &Path, text: &str) -> Result<Vec<Raw>, Refusal> {
    let (mut switches, mut rows) = (Vec::new(), Vec::new());
    for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let (words, to): (Vec<&str>, &mut Vec<(usize, f64, f64)>) = match line.strip_prefix("pwm:") {
            Some(rest) => (rest.split_whitespace().collect(), &mut switches),
            None => (line.split_whitespace().collect(), &mut rows),
        };
        let [t, value] = words[..] else {
            return Err(Refusal::line(path, i + 1, "expected a time and a value; is the file cut off?"));
        };
        to.push((i + 1, number(path, i + 1, "the time", t)?, number(path, i + 1, "the value", value)?));
    }
    // The record begins as the relay switches on; before its first line the heater was off.
    let duty_at = |t: f64| switches.iter().take_while(|s| s.1 <= t).last().map_or(0.0, |s| s.2);
    let rows = rows
        .iter()
        .map(|(line, t_s, temp_c)| Row {
            line: *line,
            t_s: *t_s,
            temp_c: *temp_c,
            target_c: None,
            duty: Some(duty_at(*t_s)),
            fan: None,
            busy: false,
        })
        .collect();
    Ok(vec![Raw { heater: "extruder".into(), rows, ..Raw::default() }])
}

/// `{sensor: {temperatures, targets, powers}}`, a sample a second, bare or inside `result`.
fn moonraker(path: &Path, text: &str) -> Result<Vec<Raw>, Refusal> {
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|e| Refusal::line(path, e.line(), format!("is no JSON ({e}); is the file cut off?")))?;
    let store = value.get("result").unwrap_or(&value);
    let mut raws = Vec::new();
    for (name, of) in store.as_object().into_iter().flatten() {
        let column = |key: &str| of.get(key).and_then(|v| v.as_array());
        let (Some(temperatures), Some(powers)) = (column("temperatures"), column("powers")) else { continue };
        let targets = column("targets");
        if powers.len() != temperatures.len() || targets.is_some_and(|t| t.len() != temperatures.len()) {
            return Err(Refusal::file(path, format!("{name}: temperatures, targets and powers differ in length")));
        }
        let mut raw = Raw { heater: name.clone(), delay_s: KLIPPER_DELAY_S, ..Raw::default() };
        for (i, temp) in temperatures.iter().enumerate() {
            // Before the printer was ready the store holds null.
            let Some(temp_c) = temp.as_f64() else { continue };
            let target_c = targets.and_then(|t| t[i].as_f64());
            let duty = powers[i].as_f64();
            raw.rows.push(Row { line: i + 1, t_s: i as f64, temp_c, target_c, duty, fan: None, busy: false });
        }
        raws.push(raw);
    }
    if raws.is_empty() {
        return Err(Refusal::file(
            path,
            "is JSON, but no temperature store of Moonraker: no \"temperatures\" and \"powers\"",
        ));
    }
    Ok(raws)
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Means {
    Time(f64),
    Temp(Unit),
    Target(Unit),
    Duty(Option<f64>),
    Fan,
    /// Place in the print file.
    Place,
    Queue,
    Other,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Unit {
    Celsius,
    Fahrenheit,
    Kelvin,
}

impl Unit {
    fn celsius(self, v: f64) -> f64 {
        match self {
            Unit::Celsius => v,
            Unit::Fahrenheit => (v - 32.0) / 1.8,
            Unit::Kelvin => v - 273.15,
        }
    }
}

/// What a column name means, and whose it is.
fn meaning(name: &str) -> (Means, String) {
    let name = name.trim().trim_matches(['"', '#', ' ']).to_lowercase();
    let plain: String =
        name.chars().map(|c| if c.is_alphanumeric() || c == '%' || c == '°' { c } else { '_' }).collect();
    let words: Vec<&str> = plain.split('_').filter(|w| !w.is_empty()).collect();
    let has = |any: &[&str]| words.iter().any(|w| any.contains(w));
    let unit = if has(&["f", "°f", "degf", "fahrenheit"]) {
        Unit::Fahrenheit
    } else if has(&["k", "kelvin"]) {
        Unit::Kelvin
    } else {
        Unit::Celsius
    };
    let means = if has(&["time", "t", "seconds", "elapsed", "timestamp"]) && !has(&["temp", "c", "print"]) {
        Means::Time(if has(&["ms", "msec", "millis", "milliseconds"]) {
            1e-3
        } else if has(&["min", "minutes"]) {
            60.0
        } else {
            1.0
        })
    } else if has(&["target", "setpoint", "set", "desired"]) {
        Means::Target(unit)
    } else if has(&["fan"]) {
        Means::Fan
    } else if has(&["pwm", "duty", "power", "heater"]) && !has(&["temp", "temperature"]) {
        Means::Duty(if has(&["%", "percent", "pct"]) { Some(100.0) } else { None })
    } else if plain == "sd_pos" {
        Means::Place
    } else if plain == "buffer_time" {
        Means::Queue
    } else if has(&[
        "temp",
        "temperature",
        "actual",
        "measured",
        "celsius",
        "°c",
        "hotend",
        "nozzle",
        "extruder",
        "bed",
    ]) {
        Means::Temp(unit)
    } else {
        Means::Other
    };
    const NOT_A_NAME: [&str; 25] = [
        "temp",
        "temperature",
        "target",
        "setpoint",
        "pwm",
        "duty",
        "power",
        "c",
        "f",
        "k",
        "°c",
        "°f",
        "celsius",
        "%",
        "actual",
        "measured",
        "percent",
        "pct",
        "degc",
        "degf",
        "kelvin",
        "fahrenheit",
        "set",
        "desired",
        "w",
    ];
    let whose: Vec<&str> = words.iter().filter(|w| !NOT_A_NAME.contains(w)).copied().collect();
    (means, whose.join("_"))
}

/// A table of numbers.
fn table(path: &Path, text: &str) -> Result<Vec<Raw>, Refusal> {
    let lines: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .map(|(i, l)| (i + 1, l.trim()))
        .filter(|(_, l)| {
            let remark = l.starts_with('#') && !l.contains([',', ';', '\t']);
            !(l.is_empty() || remark)
        })
        .collect();
    let Some((_, first)) = lines.first() else { return Err(Refusal::file(path, "is empty")) };
    let separator = [',', ';', '\t'].into_iter().find(|s| first.contains(*s));
    let split = |line: &'_ str| -> Vec<String> {
        match separator {
            Some(s) => line.split(s).map(|f| f.trim().to_string()).collect(),
            None => line.split_whitespace().map(str::to_string).collect(),
        }
    };
    let head = split(first);
    let has_header = head.iter().any(|f| f.chars().any(char::is_alphabetic) && f.parse::<f64>().is_err());
    let columns: Vec<(Means, String)> =
        if has_header { head.iter().map(|n| meaning(n)).collect() } else { unnamed(path, head.len())? };
    if !columns.iter().any(|c| matches!(c.0, Means::Time(_))) {
        let cause = "has no column of times";
        return Err(Refusal::file(path, format!("{cause}; name one \"time\" (s) in a first line")));
    }
    if !columns.iter().any(|c| matches!(c.0, Means::Temp(_))) {
        return Err(Refusal::file(
            path,
            "has no column of temperatures; name one \"temp\" (degrees C) in a first line",
        ));
    }
    let body = &lines[usize::from(has_header)..];
    let cut_off = !text.ends_with('\n') && body.last().is_some_and(|(_, l)| split(l).len() < columns.len());
    let body = if cut_off { &body[..body.len() - 1] } else { body };
    let raws = rows_of(path, body, &columns, &split)?;
    Ok(raws
        .into_iter()
        .map(|mut raw| {
            if cut_off {
                raw.flags.push("the last line is cut off and left out: is the file whole?".into());
            }
            raw
        })
        .collect())
}

/// Meaning of the columns of a table without a header.
fn unnamed(path: &Path, count: usize) -> Result<Vec<(Means, String)>, Refusal> {
    let known = [Means::Time(1.0), Means::Temp(Unit::Celsius), Means::Target(Unit::Celsius), Means::Duty(None)];
    match count {
        1 => {
            Err(Refusal::file(path, "has one column: temperatures without times; write \"time,temp\" and both columns"))
        }
        2..=4 => Ok(known.into_iter().take(count).map(|m| (m, String::new())).collect()),
        _ => Err(Refusal::file(path, "has more than four columns and no header; name them in a first line")),
    }
}

fn rows_of(
    path: &Path,
    body: &[(usize, &str)],
    columns: &[(Means, String)],
    split: &dyn Fn(&str) -> Vec<String>,
) -> Result<Vec<Raw>, Refusal> {
    let time = columns.iter().position(|c| matches!(c.0, Means::Time(_))).unwrap_or(0);
    let Means::Time(to_s) = columns[time].0 else { return Ok(Vec::new()) };
    let shared = |wanted: fn(Means) -> bool| columns.iter().position(|c| wanted(c.0));
    let (place, queue) = (shared(|m| m == Means::Place), shared(|m| m == Means::Queue));
    let fan = shared(|m| m == Means::Fan);
    // A heater is a temperature with what carries the same name.
    let mut raws = Vec::new();
    let mut coldest = f64::INFINITY;
    let temps = columns.iter().filter(|c| matches!(c.0, Means::Temp(_))).count();
    for (temp, (means, whose)) in columns.iter().enumerate() {
        let Means::Temp(unit) = *means else { continue };
        let same = |other: &String| temps == 1 || other == whose;
        let target = columns.iter().position(|c| matches!(c.0, Means::Target(_)) && same(&c.1));
        let duty = columns.iter().position(|c| matches!(c.0, Means::Duty(_)) && same(&c.1));
        if duty.is_none() && temps > 1 {
            // A sensor without a heater.
            continue;
        }
        let scale = match duty {
            Some(at) => duty_scale(path, body, at, columns[at].0, split)?,
            None => 1.0,
        };
        // Only Klipper's Stats have these columns.
        let delay_s = if place.or(queue).is_some() { KLIPPER_DELAY_S } else { 0.0 };
        let mut raw = Raw { heater: whose.clone(), delay_s, ..Raw::default() };
        if unit != Unit::Celsius {
            raw.flags.push(format!("temperatures are in {unit:?}, by the header: turned into degrees C"));
        }
        if duty.is_some() && scale != 1.0 {
            raw.flags.push(format!("power runs from 0 to {scale}: divided by it"));
        }
        let mut last_place = String::new();
        let mut known_place = false;
        for (line, text) in body {
            let fields = split(text);
            if fields.len() < columns.len() {
                let why = format!("has {} fields, the lines above have {}", fields.len(), columns.len());
                return Err(Refusal::line(path, *line, format!("{why}; is the file cut off?")));
            }
            let cell = |at: usize, what: &str| number(path, *line, what, &fields[at]);
            let optional = |at: Option<usize>, what: &str| -> Result<Option<f64>, Refusal> {
                at.filter(|at| !fields[*at].is_empty()).map(|at| cell(at, what)).transpose()
            };
            let t_s = cell(time, "the time")? * to_s;
            let temp_c = unit.celsius(cell(temp, "the temperature")?);
            let target_c = optional(target, "the target")?.map(|v| unit.celsius(v));
            let duty = optional(duty, "the power")?.map(|v| v / scale);
            let fan = optional(fan, "the fan")?.map(|v| if v > 1.0 { v / 100.0 } else { v });
            let here = place.map_or("", |at| fields[at].as_str());
            let busy = if place.is_some() && (known_place || !here.is_empty()) {
                let moved = known_place && here != last_place && !here.is_empty();
                known_place |= !here.is_empty();
                moved
            } else {
                optional(queue, "buffer_time")?.is_some_and(|s| s > 0.5)
            };
            last_place = here.to_string();
            if temp_c > 0.0 {
                coldest = coldest.min(temp_c);
            }
            raw.rows.push(Row { line: *line, t_s, temp_c, target_c, duty, fan, busy });
        }
        raws.push(raw);
    }
    for raw in &mut raws {
        raw.ambient_c = coldest.is_finite().then_some(coldest);
    }
    Ok(raws)
}

/// The value of full power: 1, 100 or 255 by what is seen, or 127 (RepRap of 2012).
fn duty_scale(
    path: &Path,
    body: &[(usize, &str)],
    at: usize,
    means: Means,
    split: &dyn Fn(&str) -> Vec<String>,
) -> Result<f64, Refusal> {
    if let Means::Duty(Some(scale)) = means {
        return Ok(scale);
    }
    let mut most = 0.0f64;
    for (line, text) in body {
        let Some(field) = split(text).get(at).cloned().filter(|f| !f.is_empty()) else { continue };
        let v = number(path, *line, "the power", &field)?;
        if v < 0.0 {
            return Err(Refusal::line(
                path,
                *line,
                format!("the power is {v}, below 0; write it as a share from 0 to 1"),
            ));
        }
        most = most.max(v);
    }
    let scale = [1.0, 100.0, 127.0, 255.0].into_iter().find(|s| most <= s * 1.001);
    scale.ok_or_else(|| {
        Refusal::file(path, format!("the power reaches {most}: give it as a share from 0 to 1, or in %"))
    })
}

/// A recording shorter than this tells no time constant.
const SHORTEST: usize = 20;

impl Raw {
    /// The trace with all that is wrong with it said. `None`: a heater that was never touched.
    fn checked(self, path: &Path) -> Result<Option<Trace>, Refusal> {
        let Raw { heater, rows, ambient_c, delay_s, mut flags } = self;
        let heater = klipper_name(&heater);
        let refuse = |line: Option<usize>, why: String| Refusal { path: path.to_path_buf(), line, why };
        let first = rows.iter().position(|r| r.temp_c != 0.0).unwrap_or(rows.len());
        if first == rows.len() && !rows.is_empty() {
            return Err(refuse(None, format!("{heater}: all temperatures are 0: the sensor was never read")));
        }
        let zeros = rows.iter().filter(|r| r.temp_c == 0.0).count();
        if zeros > 0 {
            flags.push(format!("{zeros} samples of 0 degrees, as before the first reading: left out"));
        }
        let rows: Vec<Row> = rows.into_iter().filter(|r| r.temp_c != 0.0).collect();
        if rows.len() < SHORTEST {
            return Err(refuse(
                None,
                format!("{heater}: {} samples are too few, at least {SHORTEST} are needed", rows.len()),
            ));
        }
        let (low, high) =
            rows.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |m, r| (m.0.min(r.temp_c), m.1.max(r.temp_c)));
        units(&rows, low, high).map_err(|(line, why)| refuse(line, format!("{heater}: {why}")))?;
        if high == low {
            let why =
                format!("{heater}: the temperature is {high} throughout: a sensor that is stuck, or no recording");
            return Err(refuse(None, why));
        }
        let breaks = breaks(&rows, &mut flags);
        rate(&rows).map_err(|why| refuse(None, format!("{heater}: {why}")))?;
        let with_power = rows.iter().filter(|r| r.duty.is_some()).count();
        let mut rows = rows;
        let duties: Vec<f64> = if with_power == 0 {
            let (start, end) = climb(&rows);
            flags.push("no power column: the climb is taken as full on, what follows it is left out".into());
            rows.truncate(end);
            (0..rows.len()).map(|i| if i >= start { 1.0 } else { 0.0 }).collect()
        } else {
            if with_power < rows.len() {
                flags.push(format!("{} samples without power: the last one holds", rows.len() - with_power));
            }
            let mut last = 0.0;
            rows.iter().map(|r| *r.duty.as_ref().inspect(|d| last = **d).unwrap_or(&last)).collect()
        };
        if let Some((row, duty)) = rows.iter().zip(&duties).find(|(_, d)| !(-0.001..=1.001).contains(*d)) {
            return Err(refuse(
                Some(row.line),
                format!("{heater}: the power is {duty}; a share from 0 to 1 is wanted"),
            ));
        }
        let busy = printing(&rows);
        let samples = rows
            .iter()
            .zip(duties)
            .zip(busy)
            .map(|((r, duty), busy)| Sample {
                t_s: r.t_s,
                temp_c: r.temp_c,
                target_c: r.target_c,
                duty: duty.clamp(0.0, 1.0),
                fan: r.fan,
                busy,
            })
            .collect();
        Ok(Some(Trace { path: path.to_path_buf(), heater, samples, breaks, ambient_c, delay_s, control: None, flags }))
    }
}

/// Where it prints: a single step in the print file is a line that waits, of its start or its end.
fn printing(rows: &[Row]) -> Vec<bool> {
    const LEAST: usize = 3;
    let mut out = vec![false; rows.len()];
    let mut from = 0;
    for i in 0..=rows.len() {
        if i == rows.len() || !rows[i].busy {
            if i - from >= LEAST {
                out[from..i].fill(true);
            }
            from = i + 1;
        }
    }
    out
}

/// What printer.cfg calls the heater that a table calls so.
fn klipper_name(name: &str) -> String {
    match name {
        "" | "hotend" | "nozzle" | "tool0" | "tool" | "t0" | "e0" => "extruder".to_string(),
        "bed" | "heatbed" | "heater_bed" => "heater_bed".to_string(),
        other => other.to_string(),
    }
}

/// Whether the numbers can be degrees C of a heater.
fn units(rows: &[Row], low: f64, high: f64) -> Result<(), (Option<usize>, String)> {
    let line = |v: f64| rows.iter().find(|r| r.temp_c == v).map(|r| r.line);
    let name = "name the column temp_k or temp_f if they are kelvin or Fahrenheit";
    if low > 250.0 && low < 320.0 && rows[0].temp_c < 320.0 {
        return Err((
            line(low),
            format!("nothing is colder than {low:.1}: this looks like kelvin, not degrees C; {name}"),
        ));
    }
    if high > 500.0 {
        return Err((line(high), format!("{high:.1} degrees C is more than any heater here reaches; {name}")));
    }
    if low < -40.0 {
        return Err((line(low), format!("{low:.1} degrees C: a sensor that is not connected?")));
    }
    // A heater at rest has the temperature of a room.
    let rest: Vec<&Row> = rows.iter().take_while(|r| r.duty.unwrap_or(0.0) == 0.0).take(30).collect();
    if rest.len() >= 10 {
        let span = rest.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |m, r| (m.0.min(r.temp_c), m.1.max(r.temp_c)));
        let seconds = rest[rest.len() - 1].t_s - rest[0].t_s;
        let still = span.1 - span.0 < 0.4 + 0.003 * seconds && rest[0].temp_c - rest[rest.len() - 1].temp_c < 0.3;
        if still && span.0 > 55.0 && low > 55.0 && seconds >= 5.0 {
            let why = format!("rests at {:.1} with the heater off: this looks like Fahrenheit, not degrees C", span.0);
            return Err((Some(rest[0].line), format!("{why}; {name}")));
        }
    }
    // A heater that is held sits at its target.
    let held: Vec<&Row> = rows.iter().filter(|r| r.target_c.is_some_and(|t| t > 30.0) && r.temp_c > 0.0).collect();
    let near =
        |f: fn(f64) -> f64| held.iter().filter(|r| r.target_c.is_some_and(|t| (f(r.temp_c) - t).abs() < 3.0)).count();
    if held.len() >= 30 && near(|t| t) == 0 {
        for (unit, count) in [("Fahrenheit", near(|t| (t - 32.0) / 1.8)), ("kelvin", near(|t| t - 273.15))] {
            if count * 4 > held.len() {
                return Err((None, format!("the temperatures sit at the target only if they are {unit}; {name}")));
            }
        }
    }
    Ok(())
}

/// Places where the clock runs back, stands, or leaves a gap in which the heater may have done anything.
fn breaks(rows: &[Row], flags: &mut Vec<String>) -> Vec<usize> {
    let typical = typical_step_s(rows);
    let mut breaks = Vec::new();
    let (mut back, mut gaps, mut spikes) = (0, 0, 0);
    for i in 1..rows.len() {
        let (a, b) = (&rows[i - 1], &rows[i]);
        let step = b.t_s - a.t_s;
        let off = [a, b].iter().all(|r| r.duty == Some(0.0) && r.target_c.is_none_or(|t| t == 0.0));
        let allowed = if off { 60.0f64.max(4.0 * typical) } else { 2.6 * typical };
        let leap = (b.temp_c - a.temp_c).abs() > 25.0 * step.max(0.3) + 3.0;
        if step <= 0.0 {
            back += 1;
        } else if step > allowed {
            gaps += 1;
        } else if leap {
            spikes += 1;
        }
        if step <= 0.0 || step > allowed || leap {
            breaks.push(i);
        }
    }
    let mut tell = |count: usize, what: &str| {
        if count > 0 {
            flags.push(format!("{count} {what}"));
        }
    };
    tell(back, "clock jumps backwards or repeated times: nothing is concluded across them");
    tell(gaps, "gaps: nothing is concluded across them");
    tell(spikes, "leaps of the temperature that no heater makes: nothing is concluded across them");
    breaks
}

fn typical_step_s(rows: &[Row]) -> f64 {
    let mut steps: Vec<f64> = rows.windows(2).map(|w| w[1].t_s - w[0].t_s).filter(|s| *s > 0.0).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied().unwrap_or(f64::NAN)
}

fn rate(rows: &[Row]) -> Result<(), String> {
    let step = typical_step_s(rows);
    if step.is_nan() {
        return Err("all times are equal".into());
    }
    if step > 10.0 {
        return Err(format!(
            "a sample every {step:.0} s is too slow for a heater; are the times in s? (name time_ms, time_min)"
        ));
    }
    if step < 0.005 {
        return Err(format!("a sample every {step} s: are the times in s? (name the column time_ms if not)"));
    }
    // Faster than any hot end: times in minutes, or in units of something else.
    let fastest = rows
        .windows(12)
        .filter(|w| w.windows(2).all(|p| p[1].t_s > p[0].t_s))
        .map(|w| (w[11].temp_c - w[0].temp_c) / (w[11].t_s - w[0].t_s))
        .fold(0.0, f64::max);
    if fastest > 40.0 {
        return Err(format!("climbs {fastest:.0} K/s, more than any heater here; are the times in s?"));
    }
    Ok(())
}

/// For a table without powers: (first, end) of the rows in which the heater is surely full on.
fn climb(rows: &[Row]) -> (usize, usize) {
    let mut top = 0;
    for i in 0..rows.len() {
        if rows[i].temp_c > rows[top].temp_c {
            top = i;
        }
        // Well past the first peak: what follows is control, of which nothing is known.
        if rows[top].temp_c - rows[i].temp_c > 1.0 && rows[top].temp_c - rows[0].temp_c > 20.0 {
            break;
        }
    }
    let start = rows.iter().position(|r| r.temp_c > rows[0].temp_c + 1.0).unwrap_or(0).saturating_sub(2);
    // Control takes over a little before the peak: 10 K, or a tenth of the way.
    let way = rows[top].temp_c - rows[0].temp_c;
    let enough = rows[top].temp_c - (0.1 * way).min(10.0);
    (start, rows.iter().position(|r| r.temp_c >= enough).unwrap_or(rows.len()).max(start))
}
