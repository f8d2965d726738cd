//! Real ports: a serial device, a pseudo-terminal or a socket by its name, and who answers there.
//!
//! [`Port`] opens what a person names and neither blocks nor hides why something fails; [`Pty`] is the other end, for a
//! program that stands in for a device; [`identify`] asks a micro-controller for its dictionary and nothing else.
//! For Unix: a pseudo-terminal and one `poll` over ports and terminals is what the real-time commands are made of.

mod error;
mod identify;
mod port;
mod pty;
mod tally;

pub use error::PortError;
pub use identify::{IdentifyError, identify};
pub use port::Port;
pub use pty::{Pty, PtyRead};
pub use tally::{Counts, Tally};

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Waits until one of these can be read or has hung up, at most for `at_most`, and says which. A signal ends the wait
/// early.
pub fn wait(ports: &[BorrowedFd<'_>], at_most: Duration) -> Vec<bool> {
    let mut fds: Vec<PollFd<'_>> = ports.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    wait_for(&mut fds, at_most);
    fds.iter().map(|fd| !fd.revents().is_empty()).collect()
}

fn wait_for(fds: &mut [PollFd<'_>], at_most: Duration) {
    let timeout =
        Timespec { tv_sec: at_most.as_secs().min(1 << 30) as i64, tv_nsec: i64::from(at_most.subsec_nanos()) };
    // Whatever ends the wait, reading tells what there is.
    let _ = poll(fds, Some(&timeout));
}
