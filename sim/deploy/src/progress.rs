//! Progress bars, one for each phase, where somebody looks.

use std::cell::RefCell;
use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

pub struct Progress {
    all: MultiProgress,
    bars: RefCell<Vec<(&'static str, ProgressBar)>>,
}

impl Progress {
    pub fn new(quiet: bool) -> Progress {
        let hidden = quiet || !std::io::stderr().is_terminal();
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Progress { all: MultiProgress::with_draw_target(target), bars: RefCell::default() }
    }

    pub fn bar(&self, name: &'static str, total: u64) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix:>12} [{bar:40}] {percent:>3}% {bytes_per_sec}");
        let bar = self.all.add(ProgressBar::new(total));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.set_prefix(name);
        bar
    }

    pub fn add(&self, name: &'static str, total: u64) {
        let bar = self.bar(name, total);
        self.bars.borrow_mut().push((name, bar));
    }

    pub fn advance(&self, name: &str, by: u64) {
        if let Some((_, bar)) = self.bars.borrow().iter().find(|(known, _)| *known == name) {
            bar.inc(by);
        }
    }

    pub fn clear(&self) {
        self.bars.borrow_mut().drain(..).for_each(|(_, bar)| bar.finish_and_clear());
    }
}
