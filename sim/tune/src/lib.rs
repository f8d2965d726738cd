//! Offline tuning: a printer's settings are searched in its twin, through the real host and the real firmware.
//!
//! - [`printer`]: printer.cfg and machine file, and runs of both in memory
//! - [`shaper`]: which input shaper, with [`predict`]: what the wall will look like, in closed form
//! - [`pid`]: gains of a heater
//! - [`motion`]: max_accel, by torque and by shaper
//! - [`flow`]: what the hot end delivers
//! - [`advance`]: pressure advance
//! - [`session`], [`report`]: all of it as one block, one JSON object, one page
//! - [`parts`]: parts to try settings on

pub mod advance;
pub mod flow;
pub mod motion;
pub mod parts;
pub mod pid;
pub mod predict;
pub mod printer;
pub mod random;
pub mod report;
pub mod session;
pub mod shaper;

pub use drydock_scenario::memory::Failure;
pub use drydock_sweep::{Pool, Stop};
pub use printer::{Change, Job, Printer, Run};

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
