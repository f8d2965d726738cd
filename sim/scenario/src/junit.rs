//! JUnit XML, as CI systems read it.

use std::fmt::Write;

/// One scenario's result.
pub struct Case {
    pub name: String,
    pub wall_s: f64,
    /// What failed, and the line that repeats it; empty if all is well.
    pub failures: Vec<String>,
}

pub fn write(suite: &str, cases: &[Case]) -> String {
    let failed = cases.iter().filter(|c| !c.failures.is_empty()).count();
    let time: f64 = cases.iter().map(|c| c.wall_s).sum();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuites><testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" time=\"{time:.3}\">",
        escape(suite),
        cases.len()
    );
    for case in cases {
        let _ = write!(
            xml,
            "<testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
            escape(suite),
            escape(&case.name),
            case.wall_s
        );
        if case.failures.is_empty() {
            xml.push_str("/>\n");
            continue;
        }
        xml.push('>');
        for failure in &case.failures {
            let first = failure.lines().next().unwrap_or_default();
            let _ = write!(xml, "<failure message=\"{}\">{}</failure>", escape(first), escape(failure));
        }
        xml.push_str("</testcase>\n");
    }
    xml.push_str("</testsuite></testsuites>\n");
    xml
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no place for control characters.
            c if c < ' ' && !matches!(c, '\t' | '\n' | '\r') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_and_escaped() {
        let cases = [
            Case { name: "good".into(), wall_s: 1.0, failures: vec![] },
            Case { name: "b<a>d".into(), wall_s: 0.5, failures: vec!["1 < 2 & \"x\"\nrepeat: drydock test".into()] },
        ];
        let xml = write("scenarios", &cases);
        assert!(xml.contains("tests=\"2\" failures=\"1\""));
        assert!(xml.contains("b&lt;a&gt;d") && xml.contains("1 &lt; 2 &amp; &quot;x&quot;"));
    }
}
