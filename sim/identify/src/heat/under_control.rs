//! A heater under its own controller: of a recording only the targets are taken, and the host's control law makes the power,
//! as in a twin that runs the same G-code. What the recorded power does not show (the mains' voltage, what lies between
//! two samples) then spoils nothing but the climb.

use drydock_host::thermal::REPORT_TIME_S;
use drydock_host::thermal::control::Control;
use drydock_host::thermal::core::PowerAt;
use drydock_plant::heater::Heater;

use super::window::Window;
use super::{Sample, Trace, fit};

/// Sums of report times are this exact, s.
const ROUNDING_S: f64 = 1e-6;

/// The temperature at the sensor at each sample, degrees C; none where the recording tells no targets, asks for one beyond
/// the limits, or does not begin cold: what the controller's integral was then, nobody knows.
pub fn predict(heater: &Heater, control: &Control, trace: &Trace, window: &Window) -> Option<Vec<f64>> {
    let samples = &window.samples;
    if !window.clean || samples.iter().any(|s| s.target_c.is_none()) {
        return None;
    }
    let mut bench = fit::at_start(heater, window);
    let mut core = control.core();
    let changes: Vec<(f64, f64)> = (samples.windows(2).enumerate())
        .filter(|(_, w)| w[0].target_c != w[1].target_c)
        .map(|(i, w)| {
            let share = window.leap_share(i).unwrap_or(0.5);
            (w[0].t_s + share * (w[1].t_s - w[0].t_s), w[1].target_c.unwrap_or(0.0))
        })
        .collect();
    let lead_s = if window.lead_s > 0.0 { window.lead_s + window.delay_s } else { 0.0 };
    let first_s = samples[0].t_s - lead_s;
    // Readings fall on the first change of the target: there the power leapt.
    let until_change_s = changes.first().map_or(0.0, |c| c.0 - first_s);
    let begin_s = first_s + until_change_s - (until_change_s / REPORT_TIME_S).ceil() * REPORT_TIME_S;
    let before = since_restart(trace, window.first);
    let zero_s = before.first().map_or(begin_s, |s| s.t_s.min(begin_s)) - REPORT_TIME_S;
    let time = |t_s: f64| t_s - zero_s;
    // What the controller had gathered: Klipper's integral stays as it is while a heater is off.
    for sample in before.iter().filter(|s| s.t_s < begin_s) {
        core.set_target(sample.target_c.unwrap_or(0.0)).ok()?;
        core.reading(time(sample.t_s), sample.temp_c);
    }
    let mut targets = changes.iter().map(|(at_s, target_c)| (time(*at_s), *target_c));
    core.set_target(samples[0].target_c.unwrap_or(0.0)).ok()?;
    let mut next_target = targets.next();
    let (mut now_s, mut duty, mut due): (f64, f64, Option<PowerAt>) = (time(begin_s), 0.0, None);
    let mut next_reading_s = now_s;
    let mut shown = Vec::with_capacity(samples.len());
    for sample in samples {
        let until_s = time(sample.t_s);
        while next_reading_s <= until_s {
            if let Some(power) = due.take_if(|p| p.time_s <= next_reading_s) {
                bench.hold(power.time_s - now_s, duty, 0.0, 0.0);
                (now_s, duty) = (power.time_s, power.power);
            }
            bench.hold(next_reading_s - now_s, duty, 0.0, 0.0);
            now_s = next_reading_s;
            while let Some((_, target_c)) = next_target.filter(|(at_s, _)| *at_s <= now_s + ROUNDING_S) {
                core.set_target(target_c).ok()?;
                next_target = targets.next();
            }
            due = core.reading(now_s, bench.sensor_c()).or(due);
            next_reading_s += REPORT_TIME_S;
        }
        shown.push(core.last_celsius());
    }
    Some(shown)
}

/// The samples up to `end` that the same clock tells. A gap does no harm: Klipper logs nothing while all heaters are cold.
fn since_restart(trace: &Trace, end: usize) -> &[Sample] {
    let samples = &trace.samples[..end];
    let from = samples.windows(2).rposition(|w| w[1].t_s <= w[0].t_s).map_or(0, |i| i + 1);
    &samples[from..]
}
