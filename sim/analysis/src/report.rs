//! The report: one HTML file that needs nothing but itself, light or dark as the reader's screen is.

use crate::canvas::{Svg, escape, style};
use crate::chart::{Area, Axis, Chart, Curve};
use crate::colour;
use crate::series::Envelope;
use crate::study::{Around, HeaterCurves, RunStudy, Study};
use crate::topview;
use drydock_recording::Event;
use std::fmt::Write;

/// The whole report. `command` is the line that makes it again; where it is empty the recording's own is shown.
pub fn html(study: &Study, command: &str) -> String {
    let title = study.runs.first().map_or("", |r| r.header.title.as_str());
    let title = if title.is_empty() { "Drydock report" } else { title };
    let mut page = Page::new(title);
    page.summary(study, command);
    page.walls(study);
    for run in &study.runs {
        page.run(study, run);
    }
    page.finish()
}

/// A page of its own in the report's dress, around a body that the caller wrote.
pub fn page(title: &str, body: &str) -> String {
    let mut page = Page(String::new());
    page.head(title);
    page.raw(body);
    page.raw("</main>\n</body>\n</html>\n");
    page.0
}

/// The rows of the summary table: what is shown, and one value a run.
pub fn summary(study: &Study) -> Vec<(String, Vec<String>)> {
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    let mut row = |name: &str, value: &dyn Fn(&RunStudy) -> Option<String>| {
        let values: Vec<Option<String>> = study.runs.iter().map(value).collect();
        if values.iter().any(Option::is_some) {
            rows.push((name.to_owned(), values.into_iter().map(|v| v.unwrap_or("-".to_owned())).collect()));
        }
    };
    row("print time", &|r| Some(clock(print_time_s(r))));
    row("real-time factor", &|r| Some(format!("{:.0}", r.end.as_ref()?.number("realtime_factor")?)));
    row("peak ringing after corners", &|r| {
        (r.ringing.samples > 0 && !r.ringing.curves_only).then(|| format!("{:.1} µm", r.ringing.peak_um))
    });
    row("peak deviation on curves", &|r| {
        (r.ringing.samples > 0 && r.ringing.curves_only).then(|| format!("{:.1} µm", r.ringing.peak_um))
    });
    row("rms of the same", &|r| (r.ringing.samples > 0).then(|| format!("{:.1} µm", r.ringing.rms_um)));
    row("layers", &|r| (r.layers > 0).then(|| r.layers.to_string()));
    row("lost steps", &|r| {
        let end = r.end.as_ref().and_then(|e| e.number("lost_steps"));
        let of_motors = r.motors.iter().map(|m| f64::from(m.lost_steps.abs())).sum::<f64>();
        (end.is_some() || !r.motors.is_empty()).then(|| format!("{:.0}", end.unwrap_or(of_motors)))
    });
    row("greatest load angle (pull-out at 90°)", &|r| {
        let angles = r.motors.iter().filter_map(|m| Some((m.load_angle_deg.extremes()?, &m.name)));
        let worst = angles.map(|((low, high), name)| (high.abs().max(low.abs()), name));
        let (angle, name) = worst.max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(format!("{angle:.0}° ({name})"))
    });
    let heaters: Vec<String> =
        study.runs.first().map(|r| r.heaters.iter().map(|h| h.name.clone()).collect()).unwrap_or_default();
    for heater in heaters {
        row(&heater, &|r| {
            let curves = r.heaters.iter().find(|h| h.name == heater)?;
            let (_, target) = curves.target_c.extremes()?;
            let (_, hottest) = curves.true_c.extremes().or(curves.measured_c.extremes())?;
            Some(format!("target {target:.0} °C, hottest {hottest:.1} °C"))
        });
    }
    row("events", &|r| Some(events_in_words(r)));
    row("seed", &|r| Some(r.header.seed.to_string()));
    row("fingerprint", &|r| r.end.as_ref().map(|e| e.fingerprint.clone()).filter(|f| !f.is_empty()));
    row("recording", &|r| r.cut_off.as_ref().map(|c| format!("cut off: {c}")));
    rows
}

fn print_time_s(run: &RunStudy) -> f64 {
    let given = run.end.as_ref().and_then(|e| e.number("print_time_s"));
    given.unwrap_or(run.span_s.1 - run.span_s.0)
}

fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, s) => format!("{h} h {m:02} min {s:02} s"),
    }
}

fn events_in_words(run: &RunStudy) -> String {
    let count = |severity: u8| run.events.iter().filter(|e| e.severity == severity).count();
    let (errors, warnings) = (count(Event::ERROR), count(Event::WARNING));
    let more = if run.events_left_out > 0 { format!(", {} not looked at", run.events_left_out) } else { String::new() };
    format!("{errors} errors, {warnings} warnings{more}")
}

/// Deviation along the wall that leaves the worst corner.
pub fn profile_chart(study: &Study) -> Option<Chart> {
    let corner = study.corner?;
    let curves: Vec<Curve> = study
        .runs
        .iter()
        .enumerate()
        .filter(|(_, r)| !r.profile.is_empty())
        .map(|(i, run)| {
            let points = run.profile.iter().map(|p| (p.from_corner_mm, p.deviation_um)).collect();
            Curve::new(&run.label, i, points)
        })
        .collect();
    let longest = curves.iter().flat_map(|c| &c.points).map(|p| p.0).fold(0.0, f64::max);
    let shown = longest.min(PROFILE_MM);
    // The rounded corner itself may be many times the ringing: it is cut off above the scale.
    let most = study.runs.iter().map(|r| r.ringing.peak_um).fold(0.0, f64::max) * 1.25;
    let [x, y] = corner.at_mm;
    (!curves.is_empty()).then(|| Chart {
        title: format!("Deviation along the wall that leaves the corner at X{x:.1} Y{y:.1} Z{:.2}", corner.z_mm),
        x: Axis::exact("from the corner, mm", 0.0, shown),
        y: Axis::over("deviation, µm", [-most, most].into_iter(), [0.0, 0.0]),
        curves,
    })
}

const PROFILE_MM: f64 = 30.0;
const WIDE: f64 = 1080.0;

/// A page that needs nothing but itself.
pub struct Page(String);

impl Page {
    pub fn new(title: &str) -> Page {
        let mut page = Page(String::new());
        page.head(title);
        page.raw(&format!("<h1>{}</h1>\n", escape(title)));
        page
    }

    pub fn finish(mut self) -> String {
        self.raw("</main>\n</body>\n</html>\n");
        self.0
    }

    /// HTML as it is.
    pub fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    fn head(&mut self, title: &str) {
        let mut light = String::new();
        let mut dark = String::new();
        for (i, [r, g, b]) in colour::SERIES.into_iter().enumerate() {
            let brighter = |c: u8| (f64::from(c) + (255.0 - f64::from(c)) * 0.35) as u8;
            // Writing to a string cannot fail.
            let _ = write!(light, "--s{i}:#{r:02x}{g:02x}{b:02x};");
            let _ = write!(dark, "--s{i}:#{:02x}{:02x}{:02x};", brighter(r), brighter(g), brighter(b));
        }
        let _ = write!(
            self.0,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{}</title>\n<style>\n\
             :root{{color-scheme:light dark;--page:#fff;--panel:#f7f8fa;--ink:#1c2024;--soft:#5f6770;--grid:#dde1e6;{light}}}\n\
             @media (prefers-color-scheme:dark){{:root{{--page:#14171a;--panel:#1c2126;--ink:#e8eaed;--soft:#a3abb4;\
             --grid:#343b43;{dark}}}}}\n{CSS}{}</style>\n</head>\n<body>\n<main>\n",
            escape(title),
            style()
        );
    }

    fn summary(&mut self, study: &Study, command: &str) {
        self.raw("<table class=\"summary\">\n<tr><td></td>");
        for run in &study.runs {
            let _ = write!(self.0, "<th>{}</th>", escape(&run.label));
        }
        self.raw("</tr>\n");
        for (name, values) in summary(study) {
            let _ = write!(self.0, "<tr><th>{}</th>", escape(&name));
            for value in values {
                let _ = write!(self.0, "<td>{}</td>", escape(&value));
            }
            self.raw("</tr>\n");
        }
        self.raw("</table>\n");
        let own = study.runs.first().map_or("", |r| r.header.command.as_str());
        let command = if command.is_empty() { own } else { command };
        if !command.is_empty() {
            let _ = writeln!(self.0, "<p>The same again: <code>{}</code></p>", escape(command));
        }
    }

    /// The layer that rings most, its worst corner, and the deviation along the wall that leaves it.
    pub fn walls(&mut self, study: &Study) {
        if study.runs.iter().all(|r| r.view.is_empty()) {
            self.raw("<p class=\"soft\">Nothing was extruded, so there are no walls to show.</p>\n");
            return;
        }
        let _ = write!(
            self.0,
            "<h2>The walls at Z {:.2} mm</h2>\n<p class=\"soft\">Seen from above. Colour is the distance of the nozzle \
             from the straight wall it should have drawn. {}</p>\n",
            study.z_mm,
            ringing_in_words(study)
        );
        self.raw("<div class=\"pair\">\n");
        for run in &study.runs {
            let mut svg = Svg::new(530.0, 520.0);
            topview::layer(study, run, &mut svg, Area { x: 0.0, y: 0.0, width: 530.0, height: 520.0 });
            self.raw(&svg.finish(&format!("layer seen from above, {}", run.label)));
        }
        if study.corner.is_some() {
            for run in &study.runs {
                let mut svg = Svg::new(530.0, 440.0);
                topview::corner(study, run, &mut svg, Area { x: 0.0, y: 0.0, width: 530.0, height: 440.0 });
                self.raw(&svg.finish(&format!("corner with the deviation enlarged, {}", run.label)));
            }
        }
        self.raw("</div>\n");
        let mut svg = Svg::new(WIDE, 34.0);
        topview::legend(study, &mut svg, Area { x: 0.0, y: 0.0, width: WIDE, height: 34.0 });
        self.raw(&svg.finish("legend: colour by deviation in micrometres"));
        if let Some(chart) = profile_chart(study) {
            self.chart(&chart, WIDE, 300.0);
        }
        self.around(study);
    }

    fn around(&mut self, study: &Study) {
        if study.runs.iter().all(|r| r.around.is_none()) {
            return;
        }
        self.raw("<h3>The same corner over time</h3>\n<div class=\"pair\">\n");
        let mut over_time = |title: &str, unit: &str, pick: &dyn Fn(&Around) -> &Envelope| {
            let seen = study.runs.iter().enumerate().filter_map(|(i, r)| Some((i, r, pick(r.around.as_ref()?))));
            let curves: Vec<Curve> = seen.map(|(i, run, curve)| Curve::new(&run.label, i, curve.points())).collect();
            let values = curves.iter().flat_map(|c| &c.points).map(|p| p.1);
            let y = Axis::over(unit, values, [0.0, 0.0]);
            let x = Axis::exact("from the corner, s", -0.2, 0.2);
            if curves.iter().any(|c| !c.points.is_empty()) {
                self.chart(&Chart { title: title.to_owned(), x, y, curves }, 530.0, 230.0);
            }
        };
        over_time("Speed of the motors' position", "mm/s", &|a| &a.velocity_mm_s);
        over_time("Flow out of the nozzle", "mm³/s", &|a| &a.flow_mm3_s);
        over_time("Melt pressure", "MPa", &|a| &a.pressure_mpa);
        self.raw("</div>\n");
    }

    fn run(&mut self, study: &Study, run: &RunStudy) {
        if study.runs.len() > 1 {
            let _ = writeln!(self.0, "<h2>{}</h2>", escape(&run.label));
        }
        for (i, heater) in run.heaters.iter().enumerate() {
            self.heater(run, heater, i);
        }
        self.raw("<div class=\"pair\">\n");
        let time = || Axis::exact("time, s", run.span_s.0, run.span_s.1);
        let mut over_time = |title: &str, unit: &str, curve: &Envelope, series: usize| {
            // What never changed is not worth a picture.
            if let Some((low, high)) = curve.extremes().filter(|(low, high)| high > low) {
                let y = Axis::over(unit, [low, high].into_iter(), [0.0, 0.0]);
                let curves = vec![Curve::new("", series, curve.points()).thin()];
                self.chart(&Chart { title: title.to_owned(), x: time(), y, curves }, 530.0, 230.0);
            }
        };
        over_time("Speed of the motors' position", "mm/s", &run.velocity_mm_s, 1);
        over_time("Flow out of the nozzle", "mm³/s", &run.flow_mm3_s, 2);
        over_time("Melt pressure", "MPa", &run.pressure_mpa, 3);
        self.raw("</div>\n");
        if !run.motors.is_empty() {
            self.motors(run);
        }
        self.events(run);
    }

    fn heater(&mut self, run: &RunStudy, heater: &HeaterCurves, number: usize) {
        let all = [&heater.measured_c, &heater.true_c, &heater.target_c];
        let values = all.iter().filter_map(|c| c.extremes()).flat_map(|(low, high)| [low, high]);
        let y = Axis::over("°C", values, [0.0, 1.0]);
        // Duty shares the axis: full power is the top of the chart.
        let duty = heater.duty.points().into_iter().map(|(t, d)| (t, y.from + d * (y.to - y.from))).collect();
        let curves = vec![
            Curve::new("duty (full height is 100 %)", 5, duty).thin(),
            Curve::new("target", 2, heater.target_c.points()).dashed(),
            Curve::new("true", 0, heater.true_c.points()),
            Curve::new("measured", 1, heater.measured_c.points()),
        ];
        let x = Axis::exact("time, s", run.span_s.0, run.span_s.1);
        let title = if number == 0 { format!("Temperature: {}", heater.name) } else { heater.name.clone() };
        self.chart(&Chart { title, x, y, curves }, WIDE, 270.0);
    }

    /// Load angles of the motors over the run.
    pub fn motors(&mut self, run: &RunStudy) {
        let values = run.motors.iter().filter_map(|m| m.load_angle_deg.extremes()).flat_map(|(l, h)| [l, h]);
        let y = Axis::over("load angle, °", values, [-90.0, 90.0]);
        let mut curves: Vec<Curve> = run
            .motors
            .iter()
            .enumerate()
            .map(|(i, motor)| {
                let lost = match motor.lost_steps {
                    0 => String::new(),
                    lost => format!(", {lost} steps lost"),
                };
                Curve::new(&format!("{}{lost}", motor.name), i, motor.load_angle_deg.points()).thin()
            })
            .collect();
        for (name, limit) in [("pull-out", 90.0), ("", -90.0)] {
            let mut curve = Curve::new(name, 0, vec![(run.span_s.0, limit), (run.span_s.1, limit)]).dashed();
            curve.paint = crate::canvas::Paint::Ink;
            curves.push(curve);
        }
        let x = Axis::exact("time, s", run.span_s.0, run.span_s.1);
        let title = "How close the motors are to losing steps".to_owned();
        self.chart(&Chart { title, x, y, curves }, WIDE, 270.0);
    }

    fn events(&mut self, run: &RunStudy) {
        if run.events.is_empty() {
            return;
        }
        self.raw(
            "<h3>Events</h3>\n<table class=\"events\">\n<tr><th>time, s</th><th></th><th>from</th><th></th></tr>\n",
        );
        for event in &run.events {
            let severity = Event::SEVERITIES.get(usize::from(event.severity)).unwrap_or(&"event");
            let _ = writeln!(
                self.0,
                "<tr class=\"{severity}\"><td>{:.3}</td><td>{severity}</td><td>{}</td><td>{}</td></tr>",
                event.at_ns as f64 * 1e-9,
                escape(&event.source),
                escape(&event.text)
            );
        }
        self.raw("</table>\n");
        if run.events_left_out > 0 {
            let _ = writeln!(self.0, "<p class=\"soft\">and {} more</p>", run.events_left_out);
        }
    }

    pub fn chart(&mut self, chart: &Chart, width: f64, height: f64) {
        let mut svg = Svg::new(width, height);
        chart.draw(&mut svg, Area { x: 0.0, y: 0.0, width, height });
        self.raw(&svg.finish(&chart.title));
    }
}

/// What changed from the first run to the second, in one sentence.
fn ringing_in_words(study: &Study) -> String {
    match study.runs.as_slice() {
        [a, b] if a.ringing.peak_um > 0.0 && b.ringing.samples > 0 => {
            let (from, to) = (a.ringing.peak_um, b.ringing.peak_um);
            let change = (to / from - 1.0) * 100.0;
            format!(
                "Peak ringing goes from <b>{from:.1} µm</b> ({}) to <b>{to:.1} µm</b> ({}): {change:+.0} %.",
                escape(&a.label),
                escape(&b.label)
            )
        }
        _ => String::new(),
    }
}

const CSS: &str = "body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}\n\
main{max-width:1080px;margin:0 auto;padding:24px 16px 64px}\n\
h1{font-size:26px;margin:0 0 16px}h2{font-size:20px;margin:36px 0 8px}h3{font-size:16px;margin:24px 0 8px}\n\
.soft{color:var(--soft)}code{background:var(--panel);padding:2px 6px;border-radius:4px}\n\
table{border-collapse:collapse}th,td{text-align:left;padding:4px 14px 4px 0;vertical-align:top}\n\
.summary th{font-weight:600}.summary td{font-variant-numeric:tabular-nums}\n\
.summary tr,.events tr{border-bottom:1px solid var(--grid)}\n\
.events td{font-size:13px}.error td{color:var(--s0)}.warning td{color:var(--s4)}\n\
.pair{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));gap:12px 20px}\n\
svg{display:block;width:100%;height:auto;margin:8px 0}\n\
svg text{font-family:system-ui,sans-serif}\n";
