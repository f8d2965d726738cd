//! The report of a tuning session: one HTML file that a person would post.

use drydock_analysis::canvas::{Paint, escape};
use drydock_analysis::chart::{Axis, Chart, Curve};
use drydock_analysis::report::Page;
use drydock_sweep::flow::{FlowLimit, FlowTrial};
use drydock_sweep::limits::{Knob, Limit, Trial};

use crate::session::Session;
use crate::shaper::candidate::Shaper;
use crate::shaper::{Answer as ShaperAnswer, Ranked};
use crate::{advance, flow, motion, pid};

const WIDE: f64 = 1080.0;
const HALF: f64 = 530.0;
/// Spectra are shown so far, Hz.
const SHOWN_HZ: f64 = 150.0;

/// The whole page. `command` is the line that makes it again.
pub fn html(session: &Session, block: &str, title: &str, command: &str) -> String {
    let mut page = Page::new(title);
    for text in session.explanations() {
        page.raw(&format!("<p>{}</p>\n", escape(&text)));
    }
    for why in &session.missed {
        page.raw(&format!("<p><b>Not tuned: {}</b></p>\n", escape(why)));
    }
    if session.cut_short {
        page.raw("<p><b>The session was ended early: this is the best so far.</b></p>\n");
    }
    page.raw(
        "<h2>For printer.cfg</h2>\n<p class=\"soft\">The block as SAVE_CONFIG writes it, at the end of the file.</p>\n",
    );
    page.raw(&format!("<pre>{}</pre>\n", escape(block)));
    page.raw(&format!(
        "<p>Fingerprint <code>{}</code>. The same again: <code>{}</code></p>\n",
        session.fingerprint(),
        escape(command)
    ));
    if let Some(answer) = &session.shaper {
        shaper(&mut page, answer);
    }
    if let Some(answer) = &session.motion {
        motors(&mut page, &answer.limit, answer.max_accel_mm_s2());
    }
    session.pids.iter().for_each(|answer| heater(&mut page, answer));
    if let Some(found) = &session.flow {
        plastic(&mut page, found);
    }
    if let Some(answer) = &session.advance {
        melt(&mut page, answer);
    }
    page.finish()
}

/// A page on the limits of the motors alone. `margin`: the part of each that is kept back.
pub fn limits(limits: &[Limit], margin: f64, block: &str, title: &str, command: &str) -> String {
    let mut page = Page::new(title);
    limits.iter().for_each(|limit| page.raw(&format!("<p>{}</p>\n", escape(&motion::in_words(limit, margin)))));
    page.raw(&format!("<h2>For printer.cfg</h2>\n<pre>{}</pre>\n", escape(block)));
    again(&mut page, command);
    limits.iter().for_each(|limit| motors(&mut page, limit, limit.recommended));
    page.finish()
}

/// A page on the flow alone.
pub fn flow(found: &FlowLimit, title: &str, command: &str) -> String {
    let mut page = Page::new(title);
    page.raw(&format!("<p>{}</p>\n", escape(&flow::in_words(found))));
    again(&mut page, command);
    plastic(&mut page, found);
    page.finish()
}

fn again(page: &mut Page, command: &str) {
    page.raw(&format!("<p>The same again: <code>{}</code></p>\n", escape(command)));
}

fn table(page: &mut Page, head: &[&str], rows: &[Vec<String>]) {
    let row = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells: String = cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let mut text = String::from("<table class=\"summary\">\n");
    text += &row("th", &mut head.iter().copied());
    rows.iter().for_each(|cells| text += &row("td", &mut cells.iter().map(String::as_str)));
    text += "</table>\n";
    page.raw(&text);
}

fn shaper(page: &mut Page, answer: &ShaperAnswer) {
    page.raw("<h2>Input shaper</h2>\n<div class=\"pair\">\n");
    for axis in 0..2 {
        page.chart(&spectrum(answer, axis), HALF, 300.0);
    }
    page.raw("</div>\n");
    let ranked: Vec<Vec<String>> = answer.ranked.iter().map(|r| row(answer, r)).collect();
    let head = ["X", "Y", "rounds, mm", "max_accel, mm/s²", "predicted rms, µm", "in the twin rms / peak, µm", ""];
    table(page, &head, &ranked);
    page.raw("<h3>What is to be had for what</h3>\n<div class=\"pair\">\n");
    for axis in 0..2 {
        page.chart(&pareto(answer, axis, "rounding of corners at 5000 mm/s², mm", |p| p.1), HALF, 300.0);
        page.chart(&pareto(answer, axis, "print time at the suggested acceleration, s", |p| p.2), HALF, 300.0);
    }
    page.raw("</div>\n");
    if !answer.validation.is_empty() {
        page.raw("<h3>Where it was not searched</h3>\n");
        let rows: Vec<Vec<String>> = answer
            .validation
            .iter()
            .map(|v| {
                let ringing = |r: &crate::predict::Ringing| format!("{:.1} / {:.1}", r.rms_um, r.peak_um);
                let better = if v.is_better() { "less" } else { "more" };
                vec![v.condition.clone(), ringing(&v.choice), ringing(&v.peer), better.into()]
            })
            .collect();
        table(page, &["condition", "tuned, rms / peak µm", "SHAPER_CALIBRATE's", "rings"], &rows);
    }
    if let Some(study) = &answer.study {
        page.walls(study);
        if let Some(run) = study.runs.last().filter(|r| !r.motors.is_empty()) {
            page.raw("<h3>Torque margin</h3>\n");
            page.motors(run);
        }
    }
}

fn row(answer: &ShaperAnswer, r: &Ranked) -> Vec<String> {
    let name = |s: &Shaper| if s.freq_hz > 0.0 { format!("{}, damping {}", s.name(), s.damping) } else { s.name() };
    let accel = |a: f64| if a.is_finite() { format!("{a:.0}") } else { "-".into() };
    let mut what = Vec::new();
    if r.pair == answer.choice.pair {
        what.push("tuned");
    }
    if r.pair == answer.peer.pair {
        what.push("SHAPER_CALIBRATE");
    }
    if r.pair == answer.before.pair {
        what.push("now");
    }
    vec![
        name(&r.pair[0]),
        name(&r.pair[1]),
        format!("{:.3}, {:.3}", r.smoothing_mm[0], r.smoothing_mm[1]),
        accel(r.accel_mm_s2()),
        format!("{:.1}", r.predicted.rms_um),
        r.verified.map_or("-".into(), |v| format!("{:.1} / {:.1}", v.rms_um, v.peak_um)),
        what.join(", "),
    ]
}

/// The measured spectrum against the greatest, and what the shapers leave.
fn spectrum(answer: &ShaperAnswer, axis: usize) -> Chart {
    let shown: Vec<(f64, f64)> = answer.spectra[axis].iter().copied().filter(|(hz, _)| *hz <= SHOWN_HZ).collect();
    let most = shown.iter().map(|p| p.1).fold(1e-12, f64::max);
    let mut curves = vec![Curve::new("spectrum", 0, shown.into_iter().map(|(hz, p)| (hz, p / most)).collect())];
    let mut add = |name: String, shaper: &Shaper, series: usize, dashed: bool| {
        let Some(pulses) = shaper.pulses() else { return };
        let points =
            (10..=300).map(|i| f64::from(i) * 0.5).map(|hz| (hz, pulses.residual(hz, shaper.damping).min(1.0)));
        let curve = Curve::new(&name, series, points.collect());
        curves.push(if dashed { curve.dashed() } else { curve });
    };
    add(format!("tuned {}", answer.choice.pair[axis].name()), &answer.choice.pair[axis], 1, false);
    if !answer.kept_peer {
        add(format!("peer {}", answer.peer.pair[axis].name()), &answer.peer.pair[axis], 2, true);
    }
    Chart {
        title: format!("{}: spectrum, and what the shaper leaves", ["X", "Y"][axis]),
        x: Axis::exact("frequency, Hz", 0.0, SHOWN_HZ),
        y: Axis::exact("against the greatest; 0 to 1", 0.0, 1.05),
        curves,
    }
}

/// Ringing that is left, against something that it costs: a line a type, a cross for peer and choice.
fn pareto(answer: &ShaperAnswer, axis: usize, label: &str, cost: fn((f64, f64, f64)) -> f64) -> Chart {
    let mut kinds: Vec<&str> = Vec::new();
    let of_axis: Vec<_> = answer.points.iter().filter(|p| p.axis == axis && p.best).collect();
    for p in &of_axis {
        if !kinds.contains(&p.shaper.kind.as_str()) {
            kinds.push(&p.shaper.kind);
        }
    }
    let place = |p: &crate::shaper::Point| (cost((p.left, p.smoothing_mm, p.print_s)), 100.0 * p.left);
    let mut curves: Vec<Curve> = Vec::new();
    for (i, kind) in kinds.iter().enumerate() {
        let mut points: Vec<(f64, f64)> = of_axis.iter().filter(|p| p.shaper.kind == *kind).map(|p| place(p)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        curves.push(Curve::new(kind, i, points));
    }
    let all = || curves.iter().flat_map(|c| &c.points);
    let low = all().map(|p| p.0).fold(f64::INFINITY, f64::min);
    let high = all().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if high > low { (low, high) } else { (0.0, 1.0) };
    let y = Axis::over("ringing left, %", all().map(|p| p.1), [0.0, 5.0]);
    let mut cross = |name: &str, shaper: &Shaper| {
        let same = |p: &&crate::shaper::Point| {
            p.axis == axis && p.shaper.kind == shaper.kind && (p.shaper.freq_hz - shaper.freq_hz).abs() < 1.1
        };
        let Some(p) = answer.points.iter().find(same) else { return };
        let (x0, y0) = place(p);
        let (dx, dy) = (0.012 * (high - low), 0.02 * (y.to - y.from));
        let points = vec![(x0 - dx, y0), (x0 + dx, y0), (x0, y0), (x0, y0 + dy), (x0, y0 - dy)];
        let mut curve = Curve::new(name, 0, points);
        (curve.paint, curve.width) = (Paint::Ink, 2.0);
        curves.push(curve);
    };
    cross("tuned", &answer.choice.pair[axis]);
    Chart {
        title: format!("{}: ringing over the spread of the frequencies", ["X", "Y"][axis]),
        x: Axis::over(label, [low, high].into_iter(), [low, high]),
        y,
        curves,
    }
}

fn heater(page: &mut Page, answer: &pid::Answer) {
    page.raw(&format!("<h2>PID: {}</h2>\n", escape(&answer.heater)));
    let curves: Vec<Curve> =
        answer.curves.iter().enumerate().map(|(i, (name, points))| Curve::new(name, i, points.clone())).collect();
    let end = curves.iter().flat_map(|c| &c.points).map(|p| p.0).fold(1.0, f64::max);
    let target = Curve::new("target", 2, vec![(0.0, answer.target_c), (end, answer.target_c)]).dashed();
    if curves.iter().any(|c| !c.points.is_empty()) {
        let all = curves.iter().flat_map(|c| &c.points).map(|p| p.1);
        let y = Axis::over("°C", all, [answer.target_c, answer.target_c]);
        let near = Axis::exact("°C", answer.target_c - 5.0, answer.target_c + 4.0);
        let curves: Vec<Curve> = curves.into_iter().chain([target]).collect();
        let x = || Axis::exact("time, s", 0.0, end);
        let whole = Chart { title: "Heating up, holding, part fan at full".into(), x: x(), y, curves: curves.clone() };
        page.chart(&whole, WIDE, 270.0);
        page.chart(&Chart { title: "The same about the target".into(), x: x(), y: near, curves }, WIDE, 270.0);
    }
    let rows: Vec<Vec<String>> = answer
        .validation
        .iter()
        .map(|v| {
            let manners = |m: &pid::Manners| {
                let settles = if m.settling_s.is_finite() { format!("{:.0} s", m.settling_s) } else { "never".into() };
                format!("{:.1} K, {settles}", m.worst_overshoot_k())
            };
            vec![v.condition.clone(), manners(&v.choice), manners(&v.relay)]
        })
        .collect();
    page.raw("<h3>Other plants</h3>\n");
    table(page, &["plant", "tuned: overshoot, settling within 1 K", "PID_CALIBRATE's"], &rows);
}

fn motors(page: &mut Page, limit: &Limit, tuned: Option<f64>) {
    let (heading, axis) = match limit.knob {
        Knob::Accel => ("Acceleration", "max_accel, mm/s²"),
        Knob::Velocity => ("Speed", "max_velocity, mm/s"),
        Knob::Corner => ("Corners", "square_corner_velocity, mm/s"),
    };
    page.raw(&format!("<h2>{heading}</h2>\n"));
    let of = |t: &Trial| Some((t.value, 100.0 * t.torque.as_ref()?.share));
    let kept = |lost: bool| limit.trials.iter().filter(move |t| t.lost.is_some() == lost).filter_map(of).collect();
    let (clean, lost): (Vec<_>, Vec<_>) = (kept(false), kept(true));
    let all = || clean.iter().chain(&lost);
    let x = Axis::over(axis, all().map(|p| p.0), [0.0, limit.now]);
    let y = Axis::over("share of the torque that the moves ask for, %", all().map(|p| p.1), [0.0, 100.0]);
    let pull_out = Curve::new("pull-out", 2, vec![(x.from, 100.0), (x.to, 100.0)]).dashed();
    let mut curves = vec![Curve::new("nothing lost", 0, clean), Curve::new("steps lost", 1, lost), pull_out];
    if let Some(value) = tuned {
        curves.push(Curve::new("tuned", 3, vec![(value, y.from), (value, y.to)]).dashed());
    }
    curves.retain(|c| c.points.len() > 1);
    page.chart(&Chart { title: "Torque, and what the twin lost".into(), x, y, curves }, WIDE, 270.0);
}

fn plastic(page: &mut Page, found: &FlowLimit) {
    page.raw("<h2>Flow</h2>\n<div class=\"pair\">\n");
    let good = || found.trials.iter().filter(|t| t.error.is_none());
    let mut chart = |title: &str, label: &str, least: f64, of: fn(&FlowTrial) -> f64| {
        let points: Vec<(f64, f64)> = good().map(|t| (t.flow_mm3_s, of(t))).collect();
        let x = Axis::over("flow, mm³/s", points.iter().map(|p| p.0), [0.0, 1.0]);
        let y = Axis::over(label, points.iter().map(|p| p.1), [0.0, least]);
        let mut curves = vec![Curve::new("", 0, points)];
        if let Some((limit, reason)) = found.limit {
            curves.push(Curve::new(reason.in_words(), 1, vec![(limit, y.from), (limit, y.to)]).dashed());
        }
        page.chart(&Chart { title: title.into(), x, y, curves }, HALF, 270.0);
    };
    chart("Force on the filament", "N", 1.0, |t| t.force_n);
    chart("Power that holds the temperature", "% of what there is", 100.0, |t| 100.0 * t.duty);
    page.raw("</div>\n");
}

fn melt(page: &mut Page, answer: &advance::Answer) {
    page.raw("<h2>Pressure advance</h2>\n<div class=\"pair\">\n");
    let um = |points: &[(f64, f64)]| points.iter().map(|(k, mm)| (*k, mm * 1e3)).collect::<Vec<_>>();
    for (title, points) in
        [("Lines: width error where the speed changes", &answer.curve), ("Tower, not searched on", &answer.tower)]
    {
        let points = um(points);
        let far = points.iter().map(|p| p.0).fold(0.001, f64::max);
        let y = Axis::over("rms error of the width, µm", points.iter().map(|p| p.1), [0.0, 1.0]);
        let mark = Curve::new("tuned", 1, vec![(answer.advance_s, y.from), (answer.advance_s, y.to)]).dashed();
        let curves = vec![Curve::new("", 0, points), mark];
        page.chart(
            &Chart { title: title.into(), x: Axis::exact("pressure advance, s", 0.0, far), y, curves },
            HALF,
            270.0,
        );
    }
    page.raw("</div>\n");
    let curves: Vec<Curve> =
        answer.lines.iter().enumerate().map(|(i, (name, points))| Curve::new(name, i, points.clone()).thin()).collect();
    let long = curves.iter().flat_map(|c| &c.points).map(|p| p.0).fold(1.0, f64::max);
    let widest = curves.iter().flat_map(|c| &c.points).map(|p| p.1).fold(0.0, f64::max);
    let chart = Chart {
        title: "Width along a line: slow, fast, slow".into(),
        x: Axis::exact("along the line, mm", 0.0, long),
        y: Axis::exact("width, mm", 0.0, widest.clamp(0.1, 2.0)),
        curves,
    };
    page.chart(&chart, WIDE, 270.0);
}
