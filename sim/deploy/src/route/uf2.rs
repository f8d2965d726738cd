//! Over the RP2040's boot ROM: held in BOOTSEL at power-up, the chip is a drive that takes a .uf2 file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::image::Image;
use crate::route::Done;
use crate::stop::{BoardState, Kind, Stop, io};
use crate::uf2;

/// The ROM's own file, which tells its drive from any other.
const INFO: &str = "INFO_UF2.TXT";
const LABEL: &str = "RPI-RP2";
const FILE: &str = "drydock.uf2";

/// The drive: the one that was given, or the one that is mounted.
pub fn drive(mount: Option<&Path>) -> Result<PathBuf, Stop> {
    let none = |what: String| {
        Stop::new(
            Kind::NoDevice,
            what,
            format!("hold BOOTSEL while plugging the board in, and give the drive ({LABEL}) with --mount"),
        )
    };
    match mount {
        Some(path) => is_drive(path)
            .then(|| path.to_path_buf())
            .ok_or_else(|| none(format!("{} is not the drive of an RP2040's boot ROM", path.display()))),
        None => {
            let mut found: Vec<PathBuf> = mounted().into_iter().filter(|path| is_drive(path)).collect();
            match found.len() {
                1 => Ok(found.remove(0)),
                0 => Err(none("no RP2040 in boot mode is mounted".into())),
                many => Err(none(format!("{many} RP2040 in boot mode are mounted"))),
            }
        }
    }
}

fn is_drive(path: &Path) -> bool {
    fs::read_to_string(path.join(INFO)).is_ok_and(|text| text.contains(LABEL))
}

/// Where things are mounted, as Linux tells it; elsewhere the drive must be given.
fn mounted() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    // A blank in a path is written as \040 there.
    table.lines().filter_map(|l| l.split(' ').nth(1)).map(|p| PathBuf::from(p.replace("\\040", " "))).collect()
}

pub fn target(drive: &Path) -> PathBuf {
    drive.join(FILE)
}

pub fn write(drive: &Path, image: &Image) -> Result<Done, Stop> {
    let path = target(drive);
    let bytes = uf2::write(image.address, &image.bytes);
    let put = || {
        let mut file = fs::File::create(&path)?;
        file.write_all(&bytes)?;
        file.sync_all()
    };
    match put() {
        Ok(()) => {}
        // The chip restarts with the last block, so its drive may be gone before the write has returned.
        Err(_) if !is_drive(drive) => {}
        Err(error) => {
            let what = format!("the drive was not written: {}", io(&path, &error));
            let stop = Stop::new(Kind::Failed, what, "plug the board in again with BOOTSEL held, and run again");
            return Err(stop.on_board(BoardState::ProgrammedInPart));
        }
    }
    Ok(vec![
        format!("wrote {} ({} bytes of image); the board restarts by itself", path.display(), image.bytes.len()),
        "the boot ROM lets nobody read back: --serial PORT shows whether this firmware runs".into(),
    ])
}
