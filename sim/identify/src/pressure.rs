//! The time constant of the melt pressure from a pressure-advance tower or line pattern, as measured widths.
//!
//! # Equation
//! where the speed changes by dv, pressure advance K leaves the volume A (tau - K) dv too much or too little
//! (facts/physics.md 6.5): so the width there differs from the width of the steady line by s (tau - K), a straight line in K
//! that crosses zero at tau
//!
//! # Caveats
//! With a power-law melt tau is the secant between the two flows; the file tells them if the machine is to have the right
//! time constant at other flows too.

use std::path::Path;

use drydock_plant::extruder::Extruder;

use crate::refusal::{self, Refusal};

/// One measured place of a tower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Width {
    /// Pressure advance there, s.
    pub advance_s: f64,
    /// Width where the speed changed over the width of the steady line, mm.
    pub excess_mm: f64,
}

/// A measured tower.
#[derive(Clone, Debug)]
pub struct Tower {
    pub widths: Vec<Width>,
    /// Volume flows before and after the change of speed, mm^3/s.
    pub flows_mm3_s: Option<(f64, f64)>,
}

/// What a tower tells.
#[derive(Clone, Debug)]
pub struct PressureFit {
    /// Pressure advance that leaves no bulge, s, and its 95 % interval.
    pub tau_s: f64,
    pub interval_s: (f64, f64),
    /// Rms of the widths off the line, mm.
    pub rms_mm: f64,
    /// The same with each place left out once and predicted from the others, mm.
    pub held_out_mm: f64,
    /// (advance, measured excess, fitted excess)
    pub points: Vec<(f64, f64, f64)>,
}

/// Reads a tower: see docs/identify.md for the columns.
pub fn read(path: &Path) -> Result<Tower, Refusal> {
    parse(path, &refusal::text(path)?)
}

/// As [`read`], from a text.
pub fn parse(path: &Path, text: &str) -> Result<Tower, Refusal> {
    let mut remarks: Vec<(String, f64)> = Vec::new();
    let mut header: Option<Vec<String>> = None;
    let mut widths = Vec::new();
    for (i, line) in text.lines().enumerate().map(|(i, l)| (i + 1, l.trim())).filter(|(_, l)| !l.is_empty()) {
        let number = |what: &str, text: &str| {
            let value = text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
            value.ok_or_else(|| Refusal::line(path, i, format!("{what} is \"{}\": write a number", text.trim())))
        };
        if let Some(remark) = line.strip_prefix('#') {
            if let Some((name, value)) = remark.split_once(':') {
                let name = name.trim().to_lowercase();
                if ["start_s", "factor_s_mm", "slow_mm3_s", "fast_mm3_s"].contains(&name.as_str()) {
                    let value = number(&name, value)?;
                    remarks.push((name, value));
                }
            }
            continue;
        }
        let Some(columns) = &header else {
            header = Some(line.split(',').map(|c| c.trim().to_lowercase()).collect());
            continue;
        };
        let fields: Vec<&str> = line.split(',').collect();
        if fields.len() < columns.len() {
            return Err(Refusal::line(path, i, format!("has {} fields of {}", fields.len(), columns.len())));
        }
        let column = |name: &str| {
            let at = columns.iter().position(|c| c == name);
            at.map(|at| number(name, fields[at])).transpose()
        };
        let told = |name: &str| remarks.iter().find(|(n, _)| n == name).map(|r| r.1);
        let advance_s = match (column("advance_s")?, column("height_mm")?) {
            (Some(advance), _) => advance,
            (None, Some(height)) => match (told("start_s"), told("factor_s_mm")) {
                (Some(start), Some(factor)) => start + factor * height,
                _ => {
                    let why = "height_mm needs two lines before it: \"# start_s: ...\" and \"# factor_s_mm: ...\"";
                    return Err(Refusal::line(path, i, why));
                }
            },
            _ => return Err(Refusal::line(path, 1, "no column advance_s (s) or height_mm in the first line")),
        };
        let excess_mm = match (column("excess_mm")?, column("width_mm")?, column("steady_mm")?) {
            (Some(excess), ..) => excess,
            (None, Some(width), Some(steady)) => width - steady,
            _ => {
                return Err(Refusal::line(
                    path,
                    1,
                    "no column excess_mm, nor width_mm with steady_mm, in the first line",
                ));
            }
        };
        if !(0.0..=5.0).contains(&advance_s) {
            return Err(Refusal::line(path, i, format!("a pressure advance of {advance_s} s; is it in s?")));
        }
        if excess_mm.abs() > 5.0 {
            return Err(Refusal::line(path, i, format!("a bulge of {excess_mm} mm; are the widths in mm?")));
        }
        widths.push(Width { advance_s, excess_mm });
    }
    if widths.len() < 4 {
        return Err(Refusal::file(
            path,
            format!("{} measured places are too few, at least 4 are needed", widths.len()),
        ));
    }
    let told = |name: &str| remarks.iter().find(|(n, _)| n == name).map(|r| r.1);
    let flows_mm3_s = told("slow_mm3_s").zip(told("fast_mm3_s")).filter(|(slow, fast)| *slow >= 0.0 && fast > slow);
    Ok(Tower { widths, flows_mm3_s })
}

/// Slope and zero of a line through points, and its rms.
fn line(points: &[Width]) -> (f64, f64, f64) {
    let n = points.len() as f64;
    let (k, e) = points.iter().fold((0.0, 0.0), |m, p| (m.0 + p.advance_s / n, m.1 + p.excess_mm / n));
    let (ke, kk) = points.iter().fold((0.0, 0.0), |m, p| {
        (m.0 + (p.advance_s - k) * (p.excess_mm - e), m.1 + (p.advance_s - k) * (p.advance_s - k))
    });
    let slope = ke / kk;
    let rest: f64 = points.iter().map(|p| (p.excess_mm - e - slope * (p.advance_s - k)).powi(2)).sum();
    (slope, k - e / slope, (rest / n).sqrt())
}

/// The pressure advance at which the line through the widths crosses zero.
pub fn fit(path: &Path, tower: &Tower) -> Result<PressureFit, Refusal> {
    let points = &tower.widths;
    let (low, high) =
        points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |m, p| (m.0.min(p.advance_s), m.1.max(p.advance_s)));
    if high <= low {
        return Err(Refusal::file(path, "all places have one pressure advance; measure at several"));
    }
    let (slope, tau_s, rms_mm) = line(points);
    let n = points.len() as f64;
    let sigma = rms_mm * (n / (n - 2.0)).sqrt();
    let middle = points.iter().map(|p| p.advance_s).sum::<f64>() / n;
    let spread: f64 = points.iter().map(|p| (p.advance_s - middle).powi(2)).sum();
    // A slope that its own error reaches is no slope: nothing is read from noise.
    if slope >= 0.0 || slope.abs() < 3.0 * sigma / spread.sqrt() {
        let why = "the widths do not shrink with pressure advance beyond their scatter: nothing can be told from them";
        return Err(Refusal::file(path, why));
    }
    if !(low..=high).contains(&tau_s) {
        let why =
            format!("the widths would be even at {tau_s:.3} s, outside {low} to {high} s; print the tower further");
        return Err(Refusal::file(path, why));
    }
    let half = 1.96 * sigma / slope.abs() * (1.0 / n + (tau_s - middle).powi(2) / spread).sqrt();
    let left_out: f64 = (0..points.len())
        .map(|i| {
            let others: Vec<Width> = points.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, p)| *p).collect();
            let (slope, tau, _) = line(&others);
            (points[i].excess_mm - slope * (points[i].advance_s - tau)).powi(2)
        })
        .sum();
    Ok(PressureFit {
        tau_s,
        interval_s: ((tau_s - half).max(0.0), tau_s + half),
        rms_mm,
        held_out_mm: (left_out / n).sqrt(),
        points: points.iter().map(|p| (p.advance_s, p.excess_mm, slope * (p.advance_s - tau_s))).collect(),
    })
}

/// Sets the stiffness of an extruder so that its pressure lags by `tau_s` between two flows, or at its reference flow
/// where none are told. The force stays as it is: widths tell only the quotient.
pub fn set_time_constant(extruder: &mut Extruder, tau_s: f64, flows_mm3_s: Option<(f64, f64)>) {
    let now_s = match flows_mm3_s {
        Some((slow, fast)) => {
            let area = std::f64::consts::FRAC_PI_4 * extruder.filament_mm * extruder.filament_mm;
            let force =
                |flow: f64| extruder.force_n * (flow / area / extruder.reference_mm_s).powf(extruder.power_index);
            (force(fast) - force(slow)) / extruder.stiffness_n_mm / ((fast - slow) / area)
        }
        None => extruder.time_constant_s(),
    };
    extruder.stiffness_n_mm *= now_s / tau_s;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_time_constant_comes_back() {
        let mut text = "# start_s: 0\n# factor_s_mm: 0.002\nheight_mm,width_mm,steady_mm\n".to_string();
        for i in 0..26 {
            let wobble = if i % 2 == 0 { 0.004 } else { -0.004 };
            text += &format!("{i},{:.4},0.45\n", 0.45 + 2.0 * (0.031 - 0.002 * f64::from(i)) + wobble);
        }
        let path = Path::new("tower.csv");
        let fit = fit(path, &parse(path, &text).expect("a tower")).expect("a time constant");
        assert!((fit.tau_s - 0.031).abs() < 0.001, "{}", fit.tau_s);
        assert!(fit.interval_s.0 < 0.031 && fit.interval_s.1 > 0.031);
        let mut extruder = Extruder::default();
        set_time_constant(&mut extruder, 0.031, None);
        assert!((extruder.time_constant_s() - 0.031).abs() < 1e-12);
    }

    #[test]
    fn noise_and_towers_that_end_too_soon_are_refused() {
        let path = Path::new("t");
        let refuse = |body: &str| {
            let text = format!("advance_s,excess_mm\n{body}");
            parse(path, &text).and_then(|t| fit(path, &t)).expect_err("refused").to_string()
        };
        assert!(refuse("0,0.1\n0.01,-0.1\n0.02,0.12\n0.03,-0.1\n0.04,0.11\n").contains("scatter"));
        assert!(refuse("0,0.4\n0.01,0.38\n0.02,0.36\n0.03,0.34\n").contains("further"));
        assert!(refuse("0,0.4\n0.01,nan\n").contains("t:3"));
        assert!(refuse("0,400\n").contains("are the widths in mm"));
    }
}
