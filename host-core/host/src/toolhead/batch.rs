//! The time line of a batch run: no machine, so no clock that says when steps are wanted.
//!
//! The plan still depends on it, because whatever steps are made for can no longer change. So that a batch run gives
//! what the peer's gives for the same file, steps are made when the peer makes them: each time it has worked through
//! one block of the file ([`ToolHead::batch_turn`]).
//!
//! # Equation
//!   need = last planned end + reach (or the latest pin change) · made = where steps are made to
//!   need − 1.5 s > made: steps are made, by pieces of 0.25 s, until made ≥ need − 1.5 s
//!   otherwise: the queue has run dry; all is planned to a stop, and made = need + 0.25 s. The next move starts no
//!   earlier than made + reach
//! # Checked by
//!   tests/batch_timeline.rs

use super::{STEPGEN_PIECE_S, ToolHead};

/// Bytes of a file that the peer takes at a time.
pub const BATCH_BLOCK_BYTES: u64 = 4096;
/// Steps are made this far behind the plan while blocks keep extending it.
const BEHIND_S: f64 = 1.5;
/// Steps of a queue that ran dry are made so far beyond its end.
const BEYOND_S: f64 = 0.25;
/// A plan shorter than this after the first moves counts as dry at once.
const SHORT_START_S: f64 = 1.0;

impl ToolHead {
    /// Between two blocks of a batch run's file, and after the last.
    pub fn batch_turn(&self) {
        let pins_s = self.printer().mcus().iter().filter_map(|mcu| mcu.take_offline_activity()).reduce(f64::max);
        let (needed_to, made) = {
            let mut q = self.queue.borrow_mut();
            q.needed_to = q.needed_to.max(pins_s.unwrap_or(0.0));
            if !q.batch_pending && pins_s.is_none() {
                return;
            }
            (q.needed_to, q.generated_to)
        };
        let behind = needed_to - BEHIND_S;
        if behind > made {
            let pieces = ((behind - made) / STEPGEN_PIECE_S).ceil();
            self.generate(made + STEPGEN_PIECE_S * pieces);
            return;
        }
        if !self.queue.borrow().priming {
            self.flush_lookahead(false);
            self.begin_priming();
        }
        self.generate(needed_to + BEYOND_S);
        self.queue.borrow_mut().batch_pending = false;
    }

    /// The first moves after a stop are planned.
    pub(super) fn batch_start(&self) {
        let short = {
            let q = self.queue.borrow();
            !q.priming && q.print_time < SHORT_START_S
        };
        if short {
            self.batch_turn();
        }
    }
}
