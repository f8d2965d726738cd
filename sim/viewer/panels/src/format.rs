//! Numbers as people read and type them.

/// Simulated time to the microsecond: `12.345678 s`, `2:05.000000`, `1:00:00.500000`.
pub fn clock(at_ns: u64) -> String {
    let (s, us) = (at_ns / 1_000_000_000, at_ns % 1_000_000_000 / 1000);
    match s {
        0..60 => format!("{s}.{us:06} s"),
        60..3600 => format!("{}:{:02}.{us:06}", s / 60, s % 60),
        _ => format!("{}:{:02}:{:02}.{us:06}", s / 3600, s / 60 % 60, s % 60),
    }
}

/// Wall time to the second: `0:07`, `1:02:03`.
pub fn short_clock(at_ns: u64) -> String {
    let s = at_ns / 1_000_000_000;
    match s {
        0..3600 => format!("{}:{:02}", s / 60, s % 60),
        _ => format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
    }
}

/// A time as typed, in nanoseconds: seconds (`12.5`, `12.5 s`, `80 ms`, `5 us`) or a clock (`1:02.5`, `1:02:03`).
pub fn parse_clock(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let (number, scale) = [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)]
        .into_iter()
        .find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))
        .unwrap_or((&text, 1e9));
    let mut value = 0.0;
    for part in number.split(':') {
        let part: f64 = part.trim().parse().ok().filter(|x| (0.0..1e12).contains(x))?;
        value = 60.0 * value + part;
    }
    Some((value * scale).round() as u64)
}

/// How many simulated seconds pass in one wall second: `0.06×`, `250×`.
pub fn ratio(value: f64) -> String {
    format!("{}×", significant(value, 3))
}

/// A ratio as typed: `0.06`, `0.06x`, `1/500`, `×20`.
pub fn parse_ratio(text: &str) -> Option<f64> {
    let text = text.trim().trim_matches(['x', 'X', '×']).trim();
    let value = match text.split_once('/') {
        Some((above, below)) => above.trim().parse::<f64>().ok()? / below.trim().parse::<f64>().ok()?,
        None => text.parse().ok()?,
    };
    value.is_finite().then_some(value)
}

/// So many digits that say something, and no zeros at the end.
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { "–".into() };
    }
    let before = value.abs().log10().floor() as i64 + 1;
    let decimals = (digits as i64 - before).clamp(0, 9) as usize;
    let text = format!("{value:.decimals$}");
    let text = if decimals == 0 { &text } else { text.trim_end_matches('0').trim_end_matches('.') };
    text.replace('-', "−")
}

/// A number in groups of three: `1 048 576`.
pub fn grouped(value: usize) -> String {
    let digits = value.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join("\u{2009}")
}

/// The last part of a path, which is what a file is called.
pub fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_was_shown_is_read_back() {
        for at_ns in [0, 1000, 12_345_678_000, 59_999_999_000, 60_000_000_000, 3_599_000_001_000, 36_610_500_000_000] {
            assert_eq!(parse_clock(&clock(at_ns)), Some(at_ns), "{}", clock(at_ns));
        }
        assert_eq!(parse_clock("1:02.5"), Some(62_500_000_000));
        assert_eq!(parse_clock("80 ms"), Some(80_000_000));
        for nonsense in ["", "x", "1:", "-3", "inf", "nan", "1e30"] {
            assert_eq!(parse_clock(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_ratio_is_typed_in_any_of_its_forms() {
        assert_eq!(parse_ratio("1/500"), Some(0.002));
        assert_eq!(parse_ratio(" ×20"), Some(20.0));
        assert_eq!(parse_ratio("0.06x"), Some(0.06));
        assert_eq!(parse_ratio("1/0"), None);
        assert_eq!(parse_ratio("fast"), None);
        assert_eq!(ratio(0.06), "0.06×");
        assert_eq!(ratio(250.0), "250×");
    }

    #[test]
    fn numbers_have_as_many_digits_as_they_say_something() {
        assert_eq!(significant(0.001, 3), "0.001");
        assert_eq!(significant(1234.5, 3), "1234");
        assert_eq!(significant(-7.25, 2), "−7.2");
        assert_eq!(significant(f64::NAN, 3), "–");
        assert_eq!(grouped(1_048_576), "1\u{2009}048\u{2009}576");
        assert_eq!(file_name("a/b/run.drydock"), "run.drydock");
        assert_eq!(file_name("C:\\a\\run.drydock"), "run.drydock");
    }
}
