//! Offline tuning: a printer's settings are searched in its twin, through the real host and the real firmware.
//!
//! - [`printer`]: printer.cfg and machine file, and runs of both in memory
//! - [`shaper`]: which input shaper, with [`predict`]: what the wall will look like, in closed form
//! - [`pid`]: gains of a heater
//! - [`advance`]: pressure advance
//! - [`session`], [`report`]: all of it as one block, one JSON object, one page
//! - [`parts`]: parts to try settings on

pub mod advance;
pub mod parts;
pub mod pid;
pub mod predict;
pub mod printer;
pub mod random;
pub mod report;
pub mod session;
pub mod shaper;

pub use drydock_sweep::{Pool, Stop};
pub use printer::{Change, Job, Printer, Run};

/// Why there is no answer, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl Failure {
    fn of_all<E: std::fmt::Display>(errors: &[E]) -> Failure {
        Failure(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<drydock_recording::Error> for Failure {
    fn from(error: drydock_recording::Error) -> Self {
        Failure(error.to_string())
    }
}

/// Who does the work, and who looks on.
pub struct Work<'a> {
    pub pool: Pool,
    /// Is told what is being done, and how much of it is done, 0 to 1.
    pub tell: &'a (dyn Fn(&str, f64) + Sync),
}

impl Work<'_> {
    /// So many workers whom nobody watches.
    pub fn quiet(workers: usize) -> Work<'static> {
        Work { pool: Pool { workers, stop: Stop::default() }, tell: &|_, _| {} }
    }

    /// The best so far is wanted.
    pub fn stopped(&self) -> bool {
        self.pool.stop.is_set()
    }

    /// Works through jobs at once; answers come in their order. None: not done before the stop. `share`: what part of the
    /// whole the jobs are, from and to.
    pub(crate) fn each<J: Sync, R: Send>(
        &self,
        what: &str,
        share: (f64, f64),
        jobs: &[J],
        work: impl Fn(&J) -> Result<Option<R>, Failure> + Sync,
    ) -> Result<Vec<Option<R>>, Failure> {
        (self.tell)(what, share.0);
        let answers = self.pool.run(
            jobs,
            |job| work(job).transpose(),
            |done| (self.tell)(what, share.0 + (share.1 - share.0) * done.finished as f64 / done.of as f64),
        );
        answers.into_iter().map(Option::transpose).collect()
    }
}

/// One number over the fingerprints of many runs, in their order (FNV-1a).
#[derive(Clone, Copy)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Digest {
        Digest(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    pub fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub fn hex(&self) -> String {
        format!("{:016x}", self.0)
    }
}
