//! The last question, to the board itself: is the firmware that answers the one that was flashed?

use std::time::{Duration, Instant};

use drydock_port::{Port, identify};

use crate::image::Image;
use crate::stop::{BoardState, Kind, Stop};

/// Klipper's usual rate; USB ports ignore it.
const BAUD: u32 = 250_000;
/// A USB port is gone for a moment while the chip restarts.
const RETURNS_WITHIN: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(200);

/// `state` is what is known of the flash, for a board that does not answer as it should.
pub fn check(port: &str, image: &Image, state: Option<BoardState>) -> Result<String, Stop> {
    let failed = |what: String, mend: &str| Stop { board: state, ..Stop::new(Kind::Failed, what, mend) };
    let began = Instant::now();
    let mut open = loop {
        match Port::open(port, BAUD) {
            Ok(open) => break open,
            Err(error) if began.elapsed() > RETURNS_WITHIN => {
                return Err(failed(error.to_string(), "is it the board's port, and does no host hold it?"));
            }
            Err(_) => std::thread::sleep(AGAIN),
        }
    };
    let dictionary =
        identify(&mut open).map_err(|e| failed(e.to_string(), "is the image built for this serial port?"))?;
    match &image.identity.version {
        Some(version) if *version != dictionary.version => Err(failed(
            format!("{port} says that {} runs there, not {version}", dictionary.version),
            "is it another board's port, or does a bootloader start something else?",
        )),
        _ => Ok(format!("{port} answers: {} runs", dictionary.version)),
    }
}
