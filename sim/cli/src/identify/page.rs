//! The report of an identification: one HTML file with tables, curves and residuals.

use std::fmt::Write;

use drydock_analysis::canvas::{Svg, escape};
use drydock_analysis::chart::{Area, Axis, Chart, Curve};
use drydock_analysis::report::page;
use drydock_identify::accel::{holdout_svg, residual_svg};
use drydock_identify::heat::report::{HeaterReport, Scored, bar_k};
use drydock_identify::pressure::PressureFit;
use drydock_plant::Machine;

use super::modes::{Modes, percents, verdict};
use super::{Identified, Judged, NOT_TOLD, interval, judged};

const WIDE: f64 = 1080.0;

pub fn html(machine: &Machine, out: &Identified, command: &str) -> String {
    let mut body = format!("<h1>A twin of {}</h1>\n", escape(&machine.name));
    parameters(&mut body, out);
    if let Some(modes) = &out.modes {
        modes_part(&mut body, modes);
    }
    for heater in &out.heaters {
        heater_part(&mut body, heater);
    }
    if let Some(fit) = &out.pressure {
        tower(&mut body, fit);
    }
    for (title, list) in
        [("What the data cannot tell", &out.cannot_tell), ("Odd", &out.flags), ("Refused", &out.refused)]
    {
        if !list.is_empty() {
            let items: String = list.iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
            let _ = write!(body, "<h2>{title}</h2>\n<ul>{items}</ul>\n");
        }
    }
    let _ = writeln!(body, "<p>The same again: <code>{}</code></p>", escape(command));
    page("Drydock identify", &body)
}

fn parameters(body: &mut String, out: &Identified) {
    body.push_str("<table class=\"summary\">\n<tr><th>parameter</th><th>value</th><th>95 % interval</th><th>unit</th><th>from</th></tr>\n");
    for r in &out.rows {
        let from = escape(if r.told { &r.from } else { NOT_TOLD });
        let _ = writeln!(
            body,
            "<tr><th>{}</th><td>{:.4}</td><td>{}</td><td>{}</td><td>{from}</td></tr>",
            escape(&r.path),
            r.value,
            interval(r.value, r.interval),
            r.unit
        );
    }
    body.push_str("</table>\n");
}

fn modes_part(body: &mut String, modes: &Modes) {
    body.push_str("<h2>Modes</h2>\n");
    for axis in &modes.fit.axes {
        body.push_str(&residual_svg(axis));
        let left = 100.0 * axis.held_out_residual;
        let _ = writeln!(body, "<p>Of every other window, which was not fitted, {left:.1} % stays unexplained.</p>");
    }
    for held in &modes.held_out {
        body.push_str(&holdout_svg(held));
        body.push_str("<table class=\"summary\">\n<tr><th>peak, Hz</th><th>twin: frequency</th><th>height</th><th>fitted recording: frequency</th><th>height</th></tr>\n");
        for (i, peak) in held.peaks.iter().enumerate() {
            let repeat = held.repeat.as_ref().and_then(|r| r.peaks.get(i));
            let [freq, height] = percents(Some(peak));
            let [own_freq, own_height] = percents(repeat);
            let _ = writeln!(
                body,
                "<tr><th>{:.1}</th><td>{freq}</td><td>{height}</td><td>{own_freq}</td><td>{own_height}</td></tr>",
                peak.measured.freq_hz
            );
        }
        body.push_str("</table>\n");
        let _ = writeln!(body, "<p>{}</p>", escape(&verdict(held)));
    }
}

fn heater_part(body: &mut String, report: &HeaterReport) {
    let Judged { all, powered, controlled } = judged(report);
    let _ = write!(
        body,
        "<h2>{}</h2>\n<p>Fitted with {:.2} K rms. Held out: {}; {powered} of {all} heat-ups from cold are within {} K with the logged power, {controlled} under their own control.</p>\n",
        escape(&report.name),
        report.fit.rms_k,
        report.held_out_is,
        bar_k(report.kind)
    );
    body.push_str("<table class=\"summary\">\n<tr><th>held out</th><th>from cold</th><th>s</th><th>C</th><th>rms, K</th><th>under its own control, K</th><th>all of it, K</th><th></th></tr>\n");
    for s in &report.held_out {
        let _ = writeln!(
            body,
            "<tr><th>{} at {:.0} s</th><td>{}</td><td>{:.0}</td><td>{:.0} to {:.0}</td><td>{:.2}</td><td>{}</td><td>{:.2}</td><td>{}</td></tr>",
            escape(&s.path.display().to_string()),
            s.at_s,
            if s.clean { "yes" } else { "no" },
            s.seconds,
            s.span_c.0,
            s.span_c.1,
            s.rms_k,
            s.controlled_k.map_or(String::new(), |k| format!("{k:.2}")),
            s.whole_k,
            escape(&s.remark)
        );
    }
    body.push_str("</table>\n");
    // The first fitted and the first held-out from cold are what people look at; the table has the rest.
    let shown = report.fitted.iter().take(1).map(|s| ("fitted to", s));
    let held = report.held_out.iter().filter(|s| s.clean).chain(report.held_out.iter().filter(|s| !s.clean)).take(2);
    for (what, scored) in shown.chain(held.map(|s| ("held out", s))) {
        charts(body, what, scored);
    }
}

fn charts(body: &mut String, what: &str, s: &Scored) {
    let pick = |value: fn(&(f64, f64, f64)) -> f64| s.curve.iter().map(|c| (c.0, value(c))).collect::<Vec<_>>();
    let (measured, predicted, residual) = (pick(|c| c.1), pick(|c| c.2), pick(|c| c.2 - c.1));
    let (from, to) = (s.curve.first().map_or(0.0, |c| c.0), s.curve.last().map_or(1.0, |c| c.0));
    let x = Axis::exact("s", from, to);
    let name = s.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let temperatures = Chart {
        title: format!("{what}: {name} at {:.0} s, {:.2} K rms", s.at_s, s.rms_k),
        x: x.clone(),
        y: Axis::over("degrees C", measured.iter().map(|p| p.1), [20.0, 30.0]),
        curves: vec![Curve::new("measured", 0, measured), Curve::new("twin", 1, predicted)],
    };
    let residuals = Chart {
        title: "twin minus measured".into(),
        x,
        y: Axis::over("K", residual.iter().map(|p| p.1), [-1.0, 1.0]),
        curves: vec![Curve::new("residual", 2, residual).thin()],
    };
    draw(body, &temperatures, 300.0);
    draw(body, &residuals, 190.0);
}

fn tower(body: &mut String, fit: &PressureFit) {
    let points = |value: fn(&(f64, f64, f64)) -> f64| fit.points.iter().map(|p| (p.0, value(p))).collect::<Vec<_>>();
    let (measured, line) = (points(|p| p.1), points(|p| p.2));
    let (low, high) = measured.iter().fold((f64::INFINITY, 0.0f64), |m, p| (m.0.min(p.0), m.1.max(p.0)));
    let chart = Chart {
        title: format!(
            "Pressure time constant {:.4} s ({:.4} to {:.4})",
            fit.tau_s, fit.interval_s.0, fit.interval_s.1
        ),
        x: Axis::exact("pressure advance, s", low, high),
        y: Axis::over("width over the steady line, mm", measured.iter().map(|p| p.1), [-0.05, 0.05]),
        curves: vec![Curve::new("measured", 0, measured), Curve::new("line", 1, line).dashed()],
    };
    body.push_str("<h2>Extruder</h2>\n");
    draw(body, &chart, 300.0);
}

fn draw(body: &mut String, chart: &Chart, height: f64) {
    let mut svg = Svg::new(WIDE, height);
    chart.draw(&mut svg, Area { x: 0.0, y: 0.0, width: WIDE, height });
    body.push_str(&svg.finish(&chart.title));
}
