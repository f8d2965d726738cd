//! Did you mean: the nearest name to one that is not known.

/// Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`.
pub fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let width = b.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; width];
        for j in 1..width {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// The candidate with the fewest edits, if they are few enough for a slip of the keyboard.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let len = name.chars().count();
    let allowed = match len {
        0..=2 => 0,
        3..=5 => 1,
        6..=11 => 2,
        _ => 3,
    };
    let near = candidates.into_iter().filter(|c| c.chars().count().abs_diff(len) <= allowed);
    let best = near.map(|c| (edit_distance(name, c), c)).min_by_key(|(d, _)| *d)?;
    (best.0 > 0 && best.0 <= allowed).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_slips() {
        assert_eq!(edit_distance("rotaton_distance", "rotation_distance"), 1);
        assert_eq!(edit_distance("sesnor_pin", "sensor_pin"), 1);
        assert_eq!(edit_distance("setp_pin", "step_pin"), 1);
        assert_eq!(edit_distance("", "abc"), 3);
    }

    #[test]
    fn nearest_gives_no_far_fetched_name() {
        assert_eq!(nearest("rotaton_distance", ["microsteps", "rotation_distance"]), Some("rotation_distance"));
        assert_eq!(nearest("banana", ["microsteps", "rotation_distance"]), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
