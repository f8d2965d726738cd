//! Curves over time.

use super::Plot;
use super::frame::{air, head, reading};
use super::window::Window;
use crate::{format, theme};
use drydock_view_model::{Channel, Document, Playhead};
use egui::{Color32, RichText, Ui};
use egui_plot::{Line, LineStyle};
use std::collections::{BTreeMap, BTreeSet};

/// The curves that have been read, and those that are not to be drawn.
#[derive(Default)]
pub struct Curves {
    first: Read,
    second: Read,
    /// By plot and by the name in its head.
    hidden: BTreeSet<(&'static str, String)>,
    shown_once: BTreeSet<&'static str>,
    /// Blocks of the recordings that may still be read in this frame.
    may_read: usize,
}

/// A curve of the whole run is drawn from all of its stream, which is read over several frames: some ten milliseconds each.
const BLOCKS_A_FRAME: usize = 3;

/// The recording that the one of the plots is compared with.
pub struct Second<'a> {
    pub doc: &'a mut Document,
    /// So much later it is at the place of the program where the playhead stands.
    pub later_s: f64,
}

/// Curves of one recording.
#[derive(Default)]
struct Read {
    known: BTreeMap<Channel, Known>,
}

/// A piece of a curve.
#[derive(Default)]
struct Known {
    from_ns: u64,
    to_ns: u64,
    /// Points in a simulated second at which it was read.
    points_s: f64,
    /// Where the run ended when it was read.
    end_ns: u64,
    points: Vec<[f64; 2]>,
    /// Of what it is drawn from, this much has been read.
    share: f32,
}

/// What a curve is called in the head of its plot, and how it is drawn.
struct Style {
    name: String,
    colour: usize,
    /// Drawn thin and dashed, and read off first: what was wanted, beside what was.
    wanted: bool,
    /// Where nothing was recorded for longer, nothing is drawn.
    gap_s: f64,
}

impl Curves {
    /// Forgets curves that no plot shows.
    pub fn keep(&mut self, channels: &[Channel], shown: &[Plot]) {
        let wanted = |channel: &Channel| channels.contains(channel) && shown.iter().any(|plot| plot.has(*channel));
        self.first.known.retain(|channel, _| wanted(channel));
        self.second.known.retain(|channel, _| wanted(channel));
        self.may_read = BLOCKS_A_FRAME;
    }

    pub fn show(
        &mut self,
        ui: &mut Ui,
        plot: Plot,
        doc: &mut Document,
        mut second: Option<&mut Second<'_>>,
        playhead: &mut Playhead,
        window: &mut Window,
    ) {
        let channels: Vec<(Channel, Style)> = doc
            .channels()
            .into_iter()
            .filter(|channel| plot.has(*channel))
            .map(|channel| (channel, style(channel, doc)))
            .collect();
        self.hide_at_first(plot, &channels);
        let title = plot.title();
        let visible = |curves: &Curves, style: &Style| !curves.hidden.contains(&(title, style.name.clone()));
        let points = 2.0 * f64::from(ui.available_width()) * f64::from(ui.pixels_per_point());
        let [from_s, to_s] = window.range_s();
        let later_s = second.as_ref().map_or(0.0, |second| second.later_s);
        for (channel, style) in &channels {
            if visible(self, style) {
                self.first.read(*channel, doc, [from_s, to_s], points, &mut self.may_read);
                if let Some(second) = second.as_mut().filter(|_| !style.wanted) {
                    let range = [from_s + later_s, to_s + later_s];
                    self.second.read(*channel, second.doc, range, points, &mut self.may_read);
                }
            }
        }
        let shares = channels.iter().flat_map(|(c, _)| [self.first.known.get(c), self.second.known.get(c)]);
        let share = shares.flatten().map(|known| known.share).fold(1.0, f32::min);
        if share < 1.0 {
            ui.ctx().request_repaint();
        }
        self.head(ui, plot, &channels, playhead, window, share);

        let shown = || channels.iter().filter(|(_, style)| visible(self, style));
        let drawn: Vec<(&Style, &[[f64; 2]])> = shown()
            .filter_map(|(channel, style)| Some((style, within(self.first.points(*channel)?, from_s, to_s))))
            .collect();
        let beside: Vec<(&Style, Vec<[f64; 2]>)> = shown()
            .filter(|_| second.is_some())
            .filter_map(|(channel, style)| Some((style, self.second.points(*channel)?)))
            .map(|(style, points)| (style, within(points, from_s + later_s, to_s + later_s)))
            .map(|(style, points)| (style, points.iter().map(|p| [p[0] - later_s, p[1]]).collect()))
            .collect();
        let all = drawn.iter().flat_map(|(_, points)| points.iter());
        let mut values = air(all.chain(beside.iter().flat_map(|(_, points)| points)).map(|p| p[1]));
        if matches!(plot, Plot::Extrusion | Plot::Load | Plot::Queue) {
            values[0] = values[0].min(0.0);
        }
        let thinned_s = 16.0 * (to_s - from_s) / points;
        let shown = window.plot(title).show(ui, |ui| {
            window.draw(ui, playhead);
            ui.set_plot_bounds_y(values[0]..=values[1]);
            for (style, points) in &beside {
                for piece in pieces(points, style.gap_s.max(thinned_s)) {
                    let colour = theme::curve(style.colour).gamma_multiply(0.6);
                    let line = Line::new("", piece.to_vec()).color(colour).width(1.0).allow_hover(false);
                    ui.line(line.style(LineStyle::dotted_dense()));
                }
            }
            for (style, points) in &drawn {
                for piece in pieces(points, style.gap_s.max(thinned_s)) {
                    ui.line(line(style, piece.to_vec()));
                }
            }
        });
        window.handle(ui, &shown.response, &shown.transform, playhead);
    }

    /// Vertical motion and duty are there when asked for.
    fn hide_at_first(&mut self, plot: Plot, channels: &[(Channel, Style)]) {
        if !self.shown_once.insert(plot.title()) {
            return;
        }
        for (channel, style) in channels {
            use Channel::*;
            let quiet = matches!(
                channel,
                CommandedPosition(2)
                    | CommandedVelocity(2)
                    | CommandedAcceleration(2)
                    | TruePosition(2)
                    | TrueVelocity(2)
                    | TrueAcceleration(2)
                    | Displacement(2)
                    | Accelerometer { axis: 2, .. }
            );
            if quiet {
                self.hidden.insert((plot.title(), style.name.clone()));
            }
        }
    }

    /// One name for the wanted and the true curve, with what both read.
    fn head(
        &mut self,
        ui: &mut Ui,
        plot: Plot,
        channels: &[(Channel, Style)],
        playhead: &Playhead,
        window: &Window,
        share: f32,
    ) {
        let at_s = window.reading_s(playhead);
        let mut units: Vec<&str> = Vec::new();
        let mut rows: Vec<(String, usize, String)> = Vec::new();
        for (channel, style) in channels {
            if !units.contains(&channel.unit()) {
                units.push(channel.unit());
            }
            let value = self.first.points(*channel).and_then(|points| value_at(points, at_s));
            let value = value.map_or(String::new(), |v| format::significant(v, 4));
            match rows.iter_mut().find(|(name, ..)| *name == style.name) {
                Some((.., text)) if !value.is_empty() => *text = format!("{text} | {value}"),
                Some(_) => {}
                None => rows.push((style.name.clone(), style.colour, value)),
            }
        }
        head(ui, plot.title(), &units.join(", "), |ui| {
            if share < 1.0 {
                ui.label(RichText::new(format!("reading, {:.0} %", share * 100.0)).small());
            }
            for (name, colour, value) in rows {
                let key = (plot.title(), name.clone());
                let hidden = self.hidden.contains(&key);
                if reading(ui, theme::curve(colour), &name, &value, hidden) {
                    match hidden {
                        true => self.hidden.remove(&key),
                        false => self.hidden.insert(key),
                    };
                }
            }
        });
    }
}

impl Read {
    fn points(&self, channel: Channel) -> Option<&[[f64; 2]]> {
        self.known.get(&channel).map(|known| known.points.as_slice())
    }

    /// Sees to it that the window is known, finely enough, with some room to both sides.
    fn read(
        &mut self,
        channel: Channel,
        doc: &mut Document,
        [from_s, to_s]: [f64; 2],
        points: f64,
        may_read: &mut usize,
    ) {
        let span_ns = doc.span_ns();
        let ns = |s: f64| ((s.max(0.0) * 1e9) as u64).clamp(span_ns.start, span_ns.end);
        let points_s = points / (to_s - from_s).max(1e-9);
        let known = self.known.entry(channel).or_default();
        let inside = known.from_ns <= ns(from_s) && ns(to_s) <= known.to_ns;
        let fine = (0.5..=8.0).contains(&(known.points_s / points_s));
        let grown = known.end_ns != span_ns.end && known.to_ns == known.end_ns;
        if !inside || !fine || grown || known.share < 1.0 {
            let room_s = 0.5 * (to_s - from_s);
            let (from_ns, to_ns) = (ns(from_s - room_s), ns(to_s + room_s));
            let count = (points_s * (to_ns - from_ns) as f64 * 1e-9).ceil() as usize;
            // The last point of the run belongs to it.
            let range = from_ns..to_ns.saturating_add(1);
            let (points, share) = doc.series_so_far(channel, range, count.max(16), *may_read);
            if share < 1.0 {
                *may_read = 0;
            }
            *known = Known { from_ns, to_ns, points_s, end_ns: span_ns.end, points, share };
        }
    }
}

fn style(channel: Channel, doc: &Document) -> Style {
    use Channel::*;
    let axis = |axis: u8| ["x", "y", "z"].get(usize::from(axis)).copied().unwrap_or("?").to_string();
    let of = |names: &[String], i: u8| names.get(usize::from(i)).cloned().unwrap_or_else(|| i.to_string());
    let header = doc.header();
    let (name, colour, wanted) = match channel {
        CommandedPosition(a) | CommandedVelocity(a) | CommandedAcceleration(a) => (axis(a), usize::from(a), true),
        Accelerometer { chip, axis: a } if header.chips.len() > 1 => {
            let chip_name = header.chips.get(usize::from(chip)).map_or("?", |c| c.name.as_str());
            (format!("{chip_name} {}", axis(a)), usize::from(3 * chip + a), false)
        }
        DrivePosition(a) | DriveVelocity(a) | DriveAcceleration(a) => (axis(a), usize::from(a), false),
        TruePosition(a) | TrueVelocity(a) | TrueAcceleration(a) => (axis(a), usize::from(a), false),
        Displacement(a) | Accelerometer { axis: a, .. } => (axis(a), usize::from(a), false),
        Target(h) => (of(&header.heaters, h), usize::from(2 * h), true),
        Temperature(h) | TrueTemperature(h) => (of(&header.heaters, h), usize::from(2 * h), false),
        Duty(h) => (format!("{} duty", of(&header.heaters, h)), usize::from(2 * h + 1), false),
        Pressure => ("pressure".into(), 0, false),
        Flow => ("flow".into(), 1, false),
        LoadAngle(m) => (of(&header.motors, m), usize::from(m), false),
        QueueDepth(m) => (of(&header.mcus, m), usize::from(m), false),
    };
    let gap_s = match channel {
        Temperature(_) | TrueTemperature(_) | Target(_) | Duty(_) => 30.0,
        LoadAngle(_) | QueueDepth(_) | Pressure | Flow => 2.5,
        // A machine that stands still is not sampled.
        _ => 0.06,
    };
    Style { name, colour, wanted, gap_s }
}

fn line<'a>(style: &Style, points: Vec<[f64; 2]>) -> Line<'a> {
    let colour: Color32 = theme::curve(style.colour);
    let line = Line::new("", points).allow_hover(false);
    match style.wanted {
        true => line.color(colour.gamma_multiply(0.55)).width(1.0).style(LineStyle::dashed_dense()),
        false => line.color(colour).width(1.3),
    }
}

/// A curve in pieces that have no gap.
fn pieces(points: &[[f64; 2]], gap_s: f64) -> impl Iterator<Item = &[[f64; 2]]> {
    points.chunk_by(move |a, b| b[0] - a[0] <= gap_s)
}

/// The points of a piece of time, and one to either side.
fn within(points: &[[f64; 2]], from_s: f64, to_s: f64) -> &[[f64; 2]] {
    let first = points.partition_point(|p| p[0] < from_s).saturating_sub(1);
    let last = (points.partition_point(|p| p[0] <= to_s) + 1).min(points.len());
    &points[first.min(last)..last]
}

/// The value of a curve at a time, between two of its points.
pub(crate) fn value_at(points: &[[f64; 2]], at_s: f64) -> Option<f64> {
    let next = points.partition_point(|p| p[0] <= at_s);
    let before = *points.get(next.checked_sub(1)?)?;
    let Some(after) = points.get(next) else { return Some(before[1]) };
    let share = (at_s - before[0]) / (after[0] - before[0]);
    Some(before[1] + share * (after[1] - before[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [[f64; 2]; 3] = [[1.0, 10.0], [2.0, 20.0], [4.0, 0.0]];

    #[test]
    fn a_curve_is_read_between_its_points() {
        assert_eq!(value_at(&POINTS, 1.0), Some(10.0));
        assert_eq!(value_at(&POINTS, 3.0), Some(10.0));
        assert_eq!(value_at(&POINTS, 9.0), Some(0.0));
        assert_eq!(value_at(&POINTS, 0.5), None);
        assert_eq!(value_at(&[], 0.5), None);
    }

    #[test]
    fn nothing_is_drawn_where_nothing_was_recorded() {
        let lengths: Vec<usize> = pieces(&POINTS, 1.5).map(<[_]>::len).collect();
        assert_eq!(lengths, [2, 1]);
    }

    #[test]
    fn a_piece_of_a_curve_reaches_its_window_on_both_sides() {
        assert_eq!(within(&POINTS, 2.5, 3.0), &POINTS[1..3]);
        assert_eq!(within(&POINTS, 0.0, 9.0), &POINTS);
        assert_eq!(within(&POINTS, 5.0, 6.0), &POINTS[2..3]);
        assert!(within(&[], 0.0, 1.0).is_empty());
    }
}
