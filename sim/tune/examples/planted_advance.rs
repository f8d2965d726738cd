//! Plants pressure time constants and looks what the tuner finds: `cargo run --release -p drydock-tune --example
//! planted_advance -- printer.cfg [ms ...]`.

use std::path::Path;

use drydock_tune::{Printer, Work, advance};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let config = args.next().ok_or("give a printer.cfg")?;
    let planted: Vec<f64> = args.map(|a| a.parse()).collect::<Result<_, _>>()?;
    for ms in if planted.is_empty() { vec![5.0, 12.0, 28.0, 47.0, 80.0] } else { planted } {
        let mut printer = Printer::load(Path::new(&config), None, 1)?;
        let extruder = &mut printer.machine.extruders[0];
        extruder.power_index = 1.0;
        extruder.stiffness_n_mm = extruder.force_n / (extruder.reference_mm_s * ms * 1e-3);
        let start = std::time::Instant::now();
        let answer = advance::tune(&printer, &advance::Options::default(), &Work::quiet(2))?.ok_or("stopped")?;
        println!(
            "{ms:5.1} ms planted, {:6.2} +- {:.2} ms found ({:+.2} %), n {:.2}, flows {:?}, tower {:?}, {:.1} s",
            answer.advance_s * 1e3,
            answer.uncertainty_s * 1e3,
            (answer.advance_s * 1e3 / ms - 1.0) * 100.0,
            answer.power_index,
            answer.by_flow,
            answer.tower,
            start.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
