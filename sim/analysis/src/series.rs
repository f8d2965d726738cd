//! A curve of any length in bounded memory: for each column of a picture the least and the greatest value.

/// Values over time, one pair of extremes a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    start: f64,
    column: f64,
    columns: Vec<Option<(f64, f64)>>,
}

impl Envelope {
    pub fn new(start: f64, end: f64, columns: usize) -> Envelope {
        let columns = columns.max(1);
        let column = ((end - start) / columns as f64).max(f64::MIN_POSITIVE);
        Envelope { start, column, columns: vec![None; columns] }
    }

    /// Takes a value; those outside the range and those that are not numbers are left out.
    pub fn push(&mut self, at: f64, value: f64) {
        let place = (at - self.start) / self.column;
        let last = self.columns.len() - 1;
        if !value.is_finite() || !(0.0..=self.columns.len() as f64).contains(&place) {
            return;
        }
        let slot = &mut self.columns[(place as usize).min(last)];
        let (low, high) = slot.unwrap_or((value, value));
        *slot = Some((low.min(value), high.max(value)));
    }

    /// The curve to draw: both extremes of each column, at its middle.
    pub fn points(&self) -> Vec<(f64, f64)> {
        let mut points = Vec::new();
        let mut rising = true;
        for (i, slot) in self.columns.iter().enumerate() {
            let Some((low, high)) = *slot else { continue };
            let at = self.start + (i as f64 + 0.5) * self.column;
            let (first, second) = if rising { (low, high) } else { (high, low) };
            points.push((at, first));
            if high > low {
                points.push((at, second));
                rising = !rising;
            }
        }
        points
    }

    /// Least and greatest value.
    pub fn extremes(&self) -> Option<(f64, f64)> {
        self.columns.iter().flatten().copied().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_between_two_columns_of_pixels_is_kept() {
        let mut envelope = Envelope::new(0.0, 100.0, 50);
        for i in 0..100_000 {
            envelope.push(f64::from(i) * 1e-3, if i == 71_234 { 9.0 } else { 1.0 });
        }
        assert_eq!(envelope.extremes(), Some((1.0, 9.0)));
        assert!(envelope.points().len() <= 100);
        let spike = envelope.points().into_iter().find(|p| p.1 == 9.0).unwrap();
        assert!((spike.0 - 71.234).abs() <= 1.0);
    }
}
