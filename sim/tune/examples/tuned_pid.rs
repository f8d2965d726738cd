//! Bar: gains tuned in the twin settle within 1 K without overshoot above 2 K on plants up to 20 % off.
//!
//! `cargo run --release -p drydock-tune --example tuned_pid -- printer.cfg heater target first_seed last_seed`

use std::path::Path;

use drydock_tune::pid::{Options, judge, tune};
use drydock_tune::{Printer, Work};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [config, heater, target, from, to] = args.as_slice() else {
        return Err("give a printer.cfg, a heater, a temperature, the first and the last seed".into());
    };
    let (target_c, from, to): (f64, u64, u64) = (target.parse()?, from.parse()?, to.parse()?);
    let printer = Printer::load(Path::new(config), None, 1)?;
    let work = Work::quiet(2);
    let start = std::time::Instant::now();
    let options = Options { target_c, ..Options::of(heater) };
    let answer = tune(&printer, &options, &work)?.ok_or("stopped")?;
    println!("{}\n{:?}\n{:.1} s", answer.explanation(), answer.choice, start.elapsed().as_secs_f64());
    for (gains, manners) in answer.ranked.iter().take(5) {
        println!("  {gains:.2?} {manners:.2?}");
    }
    for (name, gains) in [("relay", answer.relay), ("tuned", answer.choice)] {
        let seen = judge(&printer, &options, &gains, from..=to, &work)?;
        let good = seen.iter().filter(|m| m.is_good()).count();
        let most = |of: fn(&drydock_tune::pid::Manners) -> f64| seen.iter().map(of).fold(0.0, f64::max);
        println!(
            "{name}: good on {good} of {}; worst overshoot {:.2} K read, {:.2} K true; longest settling {:.0} s",
            seen.len(),
            most(|m| m.overshoot_k),
            most(|m| m.true_overshoot_k),
            most(|m| m.settling_s)
        );
    }
    Ok(())
}
