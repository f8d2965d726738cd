//! What one would get at the machine: SHAPER_CALIBRATE in the twin, with its accelerometer.

use drydock_plant::Machine;
use drydock_plant::accelerometer::{Accelerometer, Mount};

use super::candidate::{PEER_DAMPING, Shaper};
use crate::printer::{Job, Printer, Run};
use crate::{Failure, Work};

/// The test's answer.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The shapers that are recommended, X and Y.
    pub shapers: [Shaper; 2],
    /// Spectrum of each axis: frequency, Hz, and normalised density.
    pub spectra: [Vec<(f64, f64)>; 2],
    /// The accelerometer's own files, as the host writes them: name and content.
    pub files: Vec<(String, Vec<u8>)>,
    pub fingerprint: String,
}

pub fn calibrate(printer: &Printer, work: &Work) -> Result<Option<Peer>, Failure> {
    let [x, y] = printer.middle_mm();
    let (machine, append) = with_chip(printer);
    let job = |axis: &str, machine: &Machine| Job {
        machine: Some(machine.clone()),
        append: append.clone(),
        start_mm: Some([x, y, 20.0]),
        ..Job::lines([format!("SHAPER_CALIBRATE NAME=tune{axis}")])
    };
    let jobs = match one_chip_moves_over(&machine) {
        None => vec![job("", &machine)],
        Some(on_bed) => vec![job(" AXIS=X", &machine), job(" AXIS=Y", &on_bed)],
    };
    let runs = work.each("SHAPER_CALIBRATE in the twin", (0.0, 0.3), &jobs, |job| printer.run(job, work))?;
    let Some(runs) = runs.into_iter().collect::<Option<Vec<Run>>>() else { return Ok(None) };
    let mut shapers = [Shaper::none(), Shaper::none()];
    let mut spectra = [Vec::new(), Vec::new()];
    for (axis, name) in ["x", "y"].into_iter().enumerate() {
        let said = runs.iter().find_map(|run| run.said(&format!("Recommended shaper_type_{name} = ")));
        let (kind, freq_hz) = said.and_then(recommended).ok_or_else(|| {
            Failure(format!("SHAPER_CALIBRATE recommended no shaper for {name}: does an accelerometer measure it?"))
        })?;
        let damping = printer.number("input_shaper", &format!("damping_ratio_{name}")).unwrap_or(PEER_DAMPING);
        shapers[axis] = Shaper { kind, freq_hz, damping };
        let file = runs.iter().find_map(|run| run.file(&format!("calibration_data_{name}"))).unwrap_or_default();
        spectra[axis] = spectrum(&String::from_utf8_lossy(file));
    }
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_string();
    let files = runs.iter().flat_map(|run| &run.outcome.files);
    let files = files.map(|(path, content)| (name(path), content.clone())).collect();
    let fingerprint = runs.iter().map(|run| run.outcome.fingerprint.as_str()).collect::<Vec<_>>().join(" ");
    Ok(Some(Peer { shapers, spectra, files, fingerprint }))
}

/// The machine for the test of Y where its bed moves and no chip sits there: whoever has one chip moves it over.
fn one_chip_moves_over(machine: &Machine) -> Option<Machine> {
    let on_bed = machine.accelerometers.iter().any(|chip| chip.mount == Mount::Bed);
    if !machine.kinematics.bed_moves_y() || on_bed {
        return None;
    }
    let mut moved = machine.clone();
    moved.accelerometers.iter_mut().for_each(|chip| chip.mount = Mount::Bed);
    Some(moved)
}

/// `... shaper_type_x = mzv, shaper_freq_x = 47.8 Hz`.
fn recommended(line: &str) -> Option<(String, f64)> {
    let (kind, freq) = line.split_once(" = ")?.1.split_once(", ")?;
    Some((kind.to_string(), freq.split_once(" = ")?.1.split(' ').next()?.parse().ok()?))
}

/// Frequency and the sum over the axes, from the host's CSV.
fn spectrum(csv: &str) -> Vec<(f64, f64)> {
    let row = |line: &str| {
        let mut cells = line.split(',');
        let hz = cells.next()?.parse().ok()?;
        Some((hz, cells.nth(3)?.parse().ok()?))
    };
    csv.lines().skip(1).filter_map(row).collect()
}

/// The machine and the sections that a resonance test needs: a printer without an accelerometer borrows one, a machine that
/// moves its bed two.
fn with_chip(printer: &Printer) -> (Machine, String) {
    let mut machine = printer.machine.clone();
    if printer.has("resonance_tester") {
        return (machine, String::new());
    }
    let moves_bed = machine.kinematics.bed_moves_y();
    let [x, y] = printer.middle_mm();
    let mut pins = free_pins(printer);
    let mut text = String::new();
    machine.accelerometers.clear();
    let mut chip = |name: &str, mount: Mount, text: &mut String| {
        let pin = pins.next().unwrap_or_default();
        text.push_str(&format!("\n[{name}]\ncs_pin: {pin}\naxes_map: x, y, z\n"));
        machine.accelerometers.push(Accelerometer { mount, ..Accelerometer::default() });
    };
    let (head, bed) = if moves_bed { ("adxl345 tune_head", "adxl345 tune_bed") } else { ("adxl345", "adxl345") };
    chip(head, Mount::Head, &mut text);
    if moves_bed {
        chip(bed, Mount::Bed, &mut text);
    }
    let which = match moves_bed {
        true => format!("accel_chip_x: {head}\naccel_chip_y: {bed}"),
        false => format!("accel_chip: {head}"),
    };
    text.push_str(&format!("\n[resonance_tester]\n{which}\nprobe_points: {x}, {y}, 20\n"));
    (machine, text)
}

/// Pins that nothing is soldered to.
fn free_pins(printer: &Printer) -> impl Iterator<Item = String> {
    let used: Vec<String> = printer.values().map(str::to_uppercase).collect();
    let names = ('A'..='G').rev().flat_map(|port| (0..16).map(move |i| format!("P{port}{i}")));
    let taken = move |pin: &String| {
        used.iter().any(|value| value.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == pin))
    };
    names.filter(move |pin| !taken(pin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recommendation_is_read() {
        let line = "Recommended shaper_type_x = 2hump_ei, shaper_freq_x = 47.8 Hz";
        assert_eq!(recommended(line), Some(("2hump_ei".into(), 47.8)));
        assert_eq!(recommended("nothing"), None);
    }

    #[test]
    fn a_spectrum_is_read_with_and_without_shapers() {
        let csv = "freq,psd_x,psd_y,psd_z,psd_xyz,shapers:,zv(48.2)\n1.5,1.0e+00,2.0e+00,3.0e+00,6.0e+00,,1.000\n";
        assert_eq!(spectrum(csv), [(1.5, 6.0)]);
    }
}
