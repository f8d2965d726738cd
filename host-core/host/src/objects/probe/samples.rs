//! Several probings of one place: what they amount to, and how far apart they are.

/// How several samples become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    Average,
    Median,
}

impl Summary {
    pub fn of(self, values: &[f64]) -> f64 {
        let statistics = Statistics::of(values);
        match self {
            Summary::Average => statistics.average,
            Summary::Median => statistics.median,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    pub min: f64,
    pub max: f64,
    pub average: f64,
    /// The mean of the two middle ones of an even number.
    pub median: f64,
    /// Over the number of samples, not one less.
    pub deviation: f64,
}

impl Statistics {
    /// All zero where there are no values.
    pub fn of(values: &[f64]) -> Statistics {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first().copied(), sorted.last().copied()) else {
            return Statistics { min: 0.0, max: 0.0, average: 0.0, median: 0.0, deviation: 0.0 };
        };
        let n = values.len() as f64;
        let average = values.iter().sum::<f64>() / n;
        let middle = sorted.len() / 2;
        let median =
            if sorted.len().is_multiple_of(2) { (sorted[middle - 1] + sorted[middle]) / 2.0 } else { sorted[middle] };
        let variance = values.iter().map(|v| (v - average) * (v - average)).sum::<f64>() / n;
        Statistics { min, max, average, median, deviation: variance.sqrt() }
    }

    pub fn range(&self) -> f64 {
        self.max - self.min
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_the_textbook() {
        let s = Statistics::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!((s.min, s.max, s.average, s.median, s.deviation), (2.0, 9.0, 5.0, 4.5, 2.0));
        assert_eq!(Summary::Median.of(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(Summary::Average.of(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(Statistics::of(&[]).range(), 0.0);
    }
}
