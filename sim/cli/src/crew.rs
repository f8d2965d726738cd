//! Options of the commands that run many simulations: how many at once, and what is shown meanwhile.

use clap::Args;
use drydock_sweep::Pool;
use indicatif::ProgressBar;

use crate::term;

#[derive(Args)]
pub struct Crew {
    /// How many runs at once (default: one for each core).
    #[arg(long, short, default_value_t = 0)]
    workers: usize,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
}

impl Crew {
    /// The workers; Ctrl-C stops them. To be asked for once.
    pub fn pool(&self) -> Result<Pool, Box<dyn std::error::Error>> {
        Ok(Pool { workers: self.workers, stop: term::stop_on_ctrl_c()? })
    }

    /// Nobody looks at a bar.
    pub fn is_quiet(&self) -> bool {
        self.quiet || self.json
    }

    pub fn bar(&self, title: &str) -> ProgressBar {
        term::bar(title, self.is_quiet())
    }
}
