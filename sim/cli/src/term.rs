//! What goes to a terminal: progress bars and numbers as people read them.

use std::io::IsTerminal;
use std::time::Duration;

use drydock_sweep::Stop;
use indicatif::{ProgressBar, ProgressStyle};

/// `println!` to a reader that may have had enough (`| head`), which is no failure.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}
pub(crate) use say;

/// A bar for one run, hidden when nobody looks.
pub fn bar(title: &str, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(1000);
    let style = ProgressStyle::with_template("{prefix:>12} [{bar:40}] {percent:>3}% {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.set_prefix(title.to_string());
    bar
}

/// A bar for so many runs, with the time that is left.
pub fn count_bar(title: &str, runs: usize, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(runs as u64);
    let style = ProgressStyle::with_template("{prefix:>12} [{bar:40}] {pos}/{len}, {eta} left {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.set_prefix(title.to_string());
    bar
}

/// Set by Ctrl-C, and by a service manager's request to end.
pub fn stop_on_ctrl_c() -> Result<Stop, Box<dyn std::error::Error>> {
    let stop = Stop::default();
    let flag = stop.clone();
    ctrlc::set_handler(move || flag.stop())?;
    Ok(stop)
}

/// The line that does this again, as one types it: wherever the program lies, and with quotes where a shell wants them.
pub fn command_line() -> String {
    let words = std::env::args().skip(1).map(|word| quoted(&word));
    std::iter::once("drydock".to_string()).chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./=:,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// 3725.4 s as 1:02:05.
pub fn clock(seconds: f64) -> String {
    let total = seconds.max(0.0).round() as u64;
    let (h, m, s) = (total / 3600, total / 60 % 60, total % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

pub fn factor(sim_s: f64, wall: Duration) -> f64 {
    sim_s / wall.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_a_quoted_word_as_it_was() {
        assert_eq!(quoted("--over=machine.name"), "--over=machine.name");
        assert_eq!(quoted("G28; G1 X10"), "'G28; G1 X10'");
        assert_eq!(quoted("machine.modes[0].freq_hz=3"), "'machine.modes[0].freq_hz=3'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
