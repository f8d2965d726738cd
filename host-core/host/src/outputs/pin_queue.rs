//! Changes of one pin, in order and not closer together than the micro-controller likes.
//!
//! A change that comes too soon after the one before waits; of those that wait, the last one counts. So a slicer that
//! changes the fan at every short move neither floods the wire nor falls behind.

/// A value from a print time on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    pub time_s: f64,
    pub value: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PinQueue {
    gap_s: f64,
    sent: Change,
    waiting: Option<Change>,
}

impl PinQueue {
    pub fn new(gap_s: f64, start_value: f64) -> PinQueue {
        PinQueue { gap_s, sent: Change { time_s: f64::NEG_INFINITY, value: start_value }, waiting: None }
    }

    /// Asks for a value; `send` gets what is to be sent now.
    pub fn push(&mut self, change: Change, mut send: impl FnMut(Change)) {
        if let Some(waiting) = self.waiting.take_if(|w| change.time_s > w.time_s) {
            self.emit(waiting, &mut send);
        }
        let soonest_s = self.sent.time_s + self.gap_s;
        match self.waiting {
            Some(waiting) => self.waiting = Some(Change { value: change.value, ..waiting }),
            None if change.value == self.sent.value => {}
            None if change.time_s < soonest_s => self.waiting = Some(Change { time_s: soonest_s, ..change }),
            None => self.emit(change, &mut send),
        }
    }

    /// The change that waits, if any: to be released shortly before its time.
    pub fn waiting(&self) -> Option<Change> {
        self.waiting
    }

    pub fn release(&mut self, mut send: impl FnMut(Change)) {
        if let Some(waiting) = self.waiting.take() {
            self.emit(waiting, &mut send);
        }
    }

    /// The last value sent, again at a later time (for pins that the micro-controller wants to hear of).
    pub fn repeat(&mut self, time_s: f64) -> Option<Change> {
        let free = self.waiting.is_none() && time_s >= self.sent.time_s + self.gap_s;
        free.then(|| {
            self.sent.time_s = time_s;
            self.sent
        })
    }

    pub fn value(&self) -> f64 {
        self.waiting.unwrap_or(self.sent).value
    }

    fn emit(&mut self, change: Change, send: &mut impl FnMut(Change)) {
        if change.value != self.sent.value {
            self.sent = change;
            send(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(changes: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let mut queue = PinQueue::new(0.1, 0.0);
        let mut sent = Vec::new();
        let mut note = |c: Change| sent.push(((c.time_s * 1e6).round() / 1e6, c.value));
        changes.iter().for_each(|(time_s, value)| queue.push(Change { time_s: *time_s, value: *value }, &mut note));
        queue.release(&mut note);
        sent
    }

    #[test]
    fn changes_far_apart_go_as_they_are() {
        assert_eq!(run(&[(1.0, 0.5), (2.0, 0.7), (3.0, 0.0)]), [(1.0, 0.5), (2.0, 0.7), (3.0, 0.0)]);
    }

    #[test]
    fn a_burst_ends_in_its_last_value_one_gap_later() {
        assert_eq!(run(&[(1.0, 0.5), (1.01, 0.6), (1.02, 0.7), (1.05, 0.8)]), [(1.0, 0.5), (1.1, 0.8)]);
    }

    #[test]
    fn sent_changes_keep_the_gap_however_they_come() {
        let changes: Vec<(f64, f64)> = (0..200).map(|i| (f64::from(i) * 0.037, f64::from(i % 7) / 7.0)).collect();
        let sent = run(&changes);
        assert!(sent.windows(2).all(|w| w[1].0 - w[0].0 >= 0.1 - 1e-9), "{sent:?}");
        assert_eq!(sent.last().unwrap().1, changes.last().unwrap().1);
    }

    #[test]
    fn the_same_value_costs_no_message() {
        assert_eq!(
            run(&[(1.0, 0.0), (2.0, 0.5), (3.0, 0.5), (3.05, 0.9), (3.06, 0.5)]),
            [(2.0, 0.5), (3.05, 0.9), (3.15, 0.5)]
        );
        assert_eq!(run(&[(1.0, 0.5), (1.01, 0.9), (1.02, 0.5)]), [(1.0, 0.5)]);
    }
}
