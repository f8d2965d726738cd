//! Prints a stretch of a recording again with another shaper and says how long that took:
//! `cargo run --release -p drydock-view-resim --example again -- RECORDING SECONDS`.

use std::path::Path;

use drydock_recording::Reader;
use drydock_view_model::Shaper;
use drydock_view_resim::{Request, Resim, What, settings_of};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(at_s)) = (args.next(), args.next()) else {
        return Err("give a recording and a time in seconds".into());
    };
    let at_ns = (at_s.parse::<f64>()? * 1e9) as u64;
    let reader = Reader::open(&path)?;
    let resim = Resim::open(Path::new(&path));
    let mut settings = settings_of(reader.header())?;
    for freq_hz in [40.0, 55.0] {
        settings.shaper_y = Some(Shaper { kind: "ei".into(), freq_hz, damping: 0.1 });
        resim.request(Request { what: What::Moves { at_ns, around_s: 1.5 }, settings: settings.clone() });
        let Some(reply) = resim.wait() else { return Err("the thread is gone".into()) };
        let reply = reply?;
        println!(
            "lines {:?} from {}: {} and {} bytes in {:.2} s",
            reply.shown,
            reply.first_line,
            reply.before.len(),
            reply.after.len(),
            reply.wall_s
        );
    }
    Ok(())
}
