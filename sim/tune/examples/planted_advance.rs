//! Plants pressure time constants and looks what the tuner finds: `cargo run --release -p drydock-tune --example
//! planted_advance -- printer.cfg [ms[,nozzle[,smoothing]] ...]`; nozzles and smoothing times that are not given go round. The
//! melt is Newtonian and no thinner where it is hotter: so the planted value is the right one wherever it is measured.

use drydock_tune::{Printer, Work, advance};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let config = args.next().ok_or("give a printer.cfg")?;
    let cases: Vec<Vec<f64>> =
        args.map(|a| a.split(',').map(str::parse).collect()).collect::<Result<_, std::num::ParseFloatError>>()?;
    let cases = if cases.is_empty() { [5.0, 12.0, 28.0, 47.0, 80.0].map(|ms| vec![ms]).to_vec() } else { cases };
    let text = std::fs::read_to_string(&config)?.replace("[include", "#[include");
    for (i, case) in cases.iter().enumerate() {
        let ms = case[0];
        let nozzle_mm = case.get(1).copied().unwrap_or([0.4, 0.6, 0.25, 0.8][i % 4]);
        let smooth_s = case.get(2).copied().unwrap_or([0.04, 0.02, 0.1][i % 3]);
        let config =
            format!("{text}\n[extruder]\nnozzle_diameter: {nozzle_mm}\npressure_advance_smooth_time: {smooth_s}\n");
        let mut printer = Printer::of_text(&config, None, 1)?;
        let extruder = &mut printer.machine.extruders[0];
        (extruder.power_index, extruder.thinning_per_k) = (1.0, 0.0);
        extruder.stiffness_n_mm = extruder.force_n / (extruder.reference_mm_s * ms * 1e-3);
        let start = std::time::Instant::now();
        let answer = advance::tune(&printer, &advance::Options::default(), &Work::quiet(2))?.ok_or("stopped")?;
        println!(
            "{ms:5.1} ms planted, nozzle {nozzle_mm}, smooth {smooth_s}: {:6.2} +- {:.2} ms ({:+.2} %), n found {:.2}, flows \
             {:.4?}, limit {:.1?}, {:.1} s",
            answer.advance_s * 1e3,
            answer.uncertainty_s * 1e3,
            (answer.advance_s * 1e3 / ms - 1.0) * 100.0,
            answer.power_index,
            answer.by_flow,
            answer.flow_limit_mm3_s,
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
