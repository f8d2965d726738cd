//! Plants pressure time constants and looks what the tuner finds: `cargo run --release -p drydock-tune --example
//! planted_advance -- printer.cfg [ms ...]`; nozzles and smoothing times go round, n is 1 and then as it comes.

use drydock_tune::{Printer, Work, advance};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let config = args.next().ok_or("give a printer.cfg")?;
    let planted: Vec<f64> = args.map(|a| a.parse()).collect::<Result<_, _>>()?;
    let planted = if planted.is_empty() { vec![5.0, 12.0, 28.0, 47.0, 80.0] } else { planted };
    for (i, ms) in planted.into_iter().enumerate() {
        let nozzle_mm = [0.4, 0.6, 0.25, 0.8][i % 4];
        let smooth_s = [0.04, 0.02, 0.1][i % 3];
        let config = std::fs::read_to_string(&config)?;
        let config = config.replace("[include", "#[include");
        let config =
            format!("{config}\n[extruder]\nnozzle_diameter: {nozzle_mm}\npressure_advance_smooth_time: {smooth_s}\n");
        for newtonian in [true, false] {
            let mut printer = Printer::of_text(&config, None, 1)?;
            let extruder = &mut printer.machine.extruders[0];
            if newtonian {
                extruder.power_index = 1.0;
            }
            extruder.stiffness_n_mm = extruder.power_index * extruder.force_n / (extruder.reference_mm_s * ms * 1e-3);
            let start = std::time::Instant::now();
            let answer = advance::tune(&printer, &advance::Options::default(), &Work::quiet(2))?.ok_or("stopped")?;
            println!(
                "{ms:5.1} ms planted, n {:.2}, nozzle {nozzle_mm}, smooth {smooth_s}: {:6.2} +- {:.2} ms ({:+.2} %), n found {:.2}, \
                 flows {:.4?}, tower {:.4?}, {:.1} s",
                extruder_index(newtonian),
                answer.advance_s * 1e3,
                answer.uncertainty_s * 1e3,
                (answer.advance_s * 1e3 / ms - 1.0) * 100.0,
                answer.power_index,
                answer.by_flow,
                answer.tower,
                start.elapsed().as_secs_f64()
            );
        }
    }
    Ok(())
}

fn extruder_index(newtonian: bool) -> f64 {
    if newtonian { 1.0 } else { 0.69 }
}
