//! A table of points with straight lines between them, as `[adc_temperature]` gives.

/// What is wrong with the points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableError {
    TooFew,
    /// Two points have the same value, or the temperature turns round.
    NotMonotone,
}

/// Points by rising value; temperature rises or falls all along.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    points: Vec<(f64, f64)>,
}

impl Table {
    /// From pairs of temperature and value (volt, or ohm), in any order.
    pub fn new(pairs: impl IntoIterator<Item = (f64, f64)>) -> Result<Table, TableError> {
        let mut points: Vec<(f64, f64)> = pairs.into_iter().map(|(celsius, value)| (value, celsius)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        if points.len() < 2 {
            return Err(TableError::TooFew);
        }
        let rises = points[1].1 > points[0].1;
        let broken = |w: &[(f64, f64)]| w[1].0 <= w[0].0 || w[1].1 == w[0].1 || (w[1].1 > w[0].1) != rises;
        if points.windows(2).any(broken) {
            return Err(TableError::NotMonotone);
        }
        Ok(Table { points })
    }

    /// The lines at the ends go on beyond the table.
    pub fn celsius(&self, value: f64) -> f64 {
        let i = self.points[1..self.points.len() - 1].partition_point(|p| p.0 < value);
        line(self.points[i], self.points[i + 1], value)
    }

    pub fn value(&self, celsius: f64) -> f64 {
        let inner = &self.points[1..self.points.len() - 1];
        let rises = self.points[1].1 > self.points[0].1;
        let i = inner.partition_point(|p| (p.1 < celsius) == rises && p.1 != celsius);
        let (a, b) = (self.points[i], self.points[i + 1]);
        line((a.1, a.0), (b.1, b.0), celsius)
    }
}

fn line(a: (f64, f64), b: (f64, f64), x: f64) -> f64 {
    a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_met_and_lines_join_them_and_go_on_beyond() {
        for sign in [1.0, -1.0] {
            let table = Table::new([(sign * 100.0, 1.5), (0.0, 1.0), (sign * 300.0, 2.0)]).unwrap();
            for (value, celsius) in
                [(1.0, 0.0), (1.25, 50.0), (1.5, 100.0), (1.75, 200.0), (2.0, 300.0), (2.5, 500.0), (0.5, -100.0)]
            {
                assert_eq!(table.celsius(value), sign * celsius);
                assert!((table.value(sign * celsius) - value).abs() < 1e-12, "{celsius}");
            }
        }
    }

    #[test]
    fn tables_that_have_no_inverse_are_refused() {
        assert_eq!(Table::new([(1.0, 1.0)]), Err(TableError::TooFew));
        assert_eq!(Table::new([(1.0, 1.0), (2.0, 1.0)]), Err(TableError::NotMonotone));
        assert_eq!(Table::new([(1.0, 1.0), (2.0, 2.0), (1.5, 3.0)]), Err(TableError::NotMonotone));
    }
}
