//! Over an SD card: the image goes to the card under the name that the board's bootloader looks for.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::boards::Board;
use crate::image::Image;
use crate::route::Done;
use crate::stop::{Kind, Stop, io};

/// Where the file goes on a card that is mounted there.
pub fn target(board: &Board, image: Option<&Image>, mount: &Path) -> PathBuf {
    let hash = image.and_then(|i| i.identity.hash.as_deref()).unwrap_or("HASH");
    mount.join(board.file.replace("HASH", hash))
}

/// Is this the root of a card, and not a folder of the disk?
pub fn check(mount: &Path) -> Result<(), Stop> {
    let wrong =
        |what: String| Stop::new(Kind::NoDevice, what, "give the folder where the card is mounted with --mount");
    let here = fs::metadata(mount).map_err(|e| wrong(io(mount, &e)))?;
    if !here.is_dir() {
        return Err(wrong(format!("{} is no folder", mount.display())));
    }
    if !is_mount_point(mount, &here) {
        return Err(wrong(format!("nothing is mounted at {}", mount.display())));
    }
    Ok(())
}

#[cfg(unix)]
fn is_mount_point(path: &Path, here: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(path) = path.canonicalize() else { return false };
    let Some(parent) = path.parent() else { return false };
    fs::metadata(parent).is_ok_and(|parent| parent.dev() != here.dev())
}

#[cfg(not(unix))]
fn is_mount_point(path: &Path, _: &fs::Metadata) -> bool {
    path.parent().is_none()
}

/// Writes the file whole or not at all, to the card and not only to the cache, and reads it back.
pub fn write(path: &Path, image: &Image) -> Result<Done, Stop> {
    let failed = |error: std::io::Error| {
        let what = format!("the card was not written: {}", io(path, &error));
        Stop::new(Kind::Failed, what, "look at the card's lock and free room, then run again")
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let part = path.with_extension("part");
    let written = put(&part, &image.bytes).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written.map_err(failed)?;
    // A folder cannot be opened for this on every system; the file's own bytes are on the card already.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    if fs::read(path).map_err(failed)? != image.bytes {
        return Err(Stop::new(Kind::Failed, format!("{} reads back otherwise", path.display()), "take another card"));
    }
    Ok(vec![
        format!("wrote {} ({} bytes), flushed and read back", path.display(), image.bytes.len()),
        "unmount the card, put it into the board and cycle the board's power: its bootloader does the rest".into(),
    ])
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
