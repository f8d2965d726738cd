//! The piece of time that all plots show, and what the mouse does with it.

use crate::theme;
use drydock_view_model::Playhead;
use egui::{Color32, CursorIcon, PointerButton, Rect, Response, Sense, Stroke, Ui, Vec2b};
use egui_plot::{GridInput, GridMark, Plot, PlotTransform, PlotUi, VLine};

/// Left and right end in seconds, the same for all plots.
pub struct Window {
    from_s: f64,
    to_s: f64,
    /// Where the playhead was, to tell when it moves.
    seen_ns: Option<u64>,
    /// Where the pointer is over any of the plots.
    pub cursor_s: Option<f64>,
    next_cursor_s: Option<f64>,
    /// Where a drag has begun.
    drag_s: Option<f64>,
}

/// Shown at first.
const LENGTH_S: f64 = 2.0;
const SHORTEST_S: f64 = 1e-3;

impl Default for Window {
    fn default() -> Self {
        let (cursor_s, next_cursor_s) = (None, None);
        Window { from_s: 0.0, to_s: LENGTH_S, seen_ns: None, cursor_s, next_cursor_s, drag_s: None }
    }
}

impl Window {
    pub fn length_s(&self) -> f64 {
        self.to_s - self.from_s
    }

    pub fn range_s(&self) -> [f64; 2] {
        [self.from_s, self.to_s]
    }

    /// Where curves are read off: under the pointer, else at the playhead.
    pub fn reading_s(&self, playhead: &Playhead) -> f64 {
        self.cursor_s.unwrap_or(playhead.at_ns() as f64 * 1e-9)
    }

    /// Keeps the playhead in sight when it has moved.
    pub fn follow(&mut self, playhead: &Playhead) {
        let at_ns = playhead.at_ns();
        if self.seen_ns == Some(at_ns) {
            return;
        }
        let (at_s, length_s) = (at_ns as f64 * 1e-9, self.length_s());
        let (first, last) = (self.from_s + 0.1 * length_s, self.to_s - 0.2 * length_s);
        let sudden = self.seen_ns.is_none() || at_s < self.from_s - length_s || at_s > self.to_s + length_s;
        let by = match () {
            () if sudden => at_s - (self.from_s + 0.5 * length_s),
            () if at_s < first => at_s - first,
            () if at_s > last => at_s - last,
            () => 0.0,
        };
        self.seen_ns = Some(at_ns);
        self.set(self.from_s + by, self.to_s + by, playhead);
    }

    /// The whole run.
    pub fn fit(&mut self, playhead: &Playhead) {
        let span_ns = playhead.span_ns();
        self.set(span_ns.start as f64 * 1e-9, span_ns.end as f64 * 1e-9, playhead);
    }

    /// Keeps within the run and no shorter than can be told apart.
    fn set(&mut self, from_s: f64, to_s: f64, playhead: &Playhead) {
        let span_ns = playhead.span_ns();
        let (first, last) = (span_ns.start as f64 * 1e-9, span_ns.end as f64 * 1e-9);
        let whole = (last - first).max(SHORTEST_S);
        let length = (to_s - from_s).clamp(SHORTEST_S, whole);
        self.from_s = from_s.clamp(first, first + whole - length);
        self.to_s = self.from_s + length;
    }

    pub fn end_frame(&mut self) {
        self.cursor_s = self.next_cursor_s.take();
    }

    /// A plot over this window: what is common to all of them.
    pub fn plot<'a>(&self, id: &'static str) -> Plot<'a> {
        bare(id).x_axis_formatter(|mark, _| tick(mark, "s")).sense(Sense::click_and_drag())
    }

    /// Sets the ends, and draws playhead, pointer and drag.
    pub fn draw(&self, plot: &mut PlotUi<'_>, playhead: &Playhead) {
        plot.set_plot_bounds_x(self.from_s..=self.to_s);
        plot.vline(VLine::new("", playhead.at_ns() as f64 * 1e-9).color(theme::PLAYHEAD).width(1.5));
        if let Some(cursor_s) = self.cursor_s {
            plot.vline(VLine::new("", cursor_s).color(Color32::from_gray(128)).width(1.0));
        }
    }

    /// A click seeks, a drag zooms in, a double click fits, the right button moves, the wheel zooms.
    pub fn handle(&mut self, ui: &Ui, response: &Response, transform: &PlotTransform, playhead: &mut Playhead) {
        let time_at = |x: f32| transform.value_from_position(egui::pos2(x, 0.0)).x;
        if let Some(pointer) = response.hover_pos() {
            self.next_cursor_s = Some(time_at(pointer.x));
        }
        if response.double_clicked() {
            self.fit(playhead);
            self.seen_ns = Some(playhead.at_ns());
            return;
        }
        if response.clicked()
            && let Some(pointer) = response.interact_pointer_pos()
        {
            playhead.seek((time_at(pointer.x).max(0.0) * 1e9).round() as u64);
            // What was clicked stays under the pointer.
            self.seen_ns = Some(playhead.at_ns());
        }
        self.drag(ui, response, transform, playhead, time_at);
        self.wheel(ui, response, playhead, time_at);
    }

    fn drag(
        &mut self,
        ui: &Ui,
        response: &Response,
        transform: &PlotTransform,
        playhead: &Playhead,
        time_at: impl Fn(f32) -> f64,
    ) {
        if response.dragged_by(PointerButton::Secondary) || response.dragged_by(PointerButton::Middle) {
            let by = -f64::from(response.drag_delta().x) * transform.dvalue_dpos()[0];
            self.set(self.from_s + by, self.to_s + by, playhead);
            ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
            return;
        }
        let Some(pointer) = response.interact_pointer_pos() else { return };
        if response.drag_started_by(PointerButton::Primary) {
            let origin = ui.input(|i| i.pointer.press_origin()).unwrap_or(pointer);
            self.drag_s = Some(time_at(origin.x));
        }
        let Some(start_s) = self.drag_s else { return };
        if response.dragged_by(PointerButton::Primary) {
            let frame = *transform.frame();
            let x = |s: f64| transform.position_from_point_x(s);
            let chosen = Rect::from_x_y_ranges(x(start_s).min(pointer.x)..=x(start_s).max(pointer.x), frame.y_range());
            let fill = ui.visuals().selection.bg_fill.gamma_multiply(0.35);
            ui.painter_at(frame).rect(
                chosen,
                0.0,
                fill,
                Stroke::new(1.0, ui.visuals().selection.stroke.color),
                egui::StrokeKind::Inside,
            );
        }
        if response.drag_stopped() {
            let end_s = time_at(pointer.x);
            self.drag_s = None;
            let pixels = transform.dpos_dvalue()[0].abs() * (end_s - start_s).abs();
            if pixels > 4.0 {
                self.set(start_s.min(end_s), start_s.max(end_s), playhead);
            }
        }
    }

    fn wheel(&mut self, ui: &Ui, response: &Response, playhead: &Playhead, time_at: impl Fn(f32) -> f64) {
        let Some(pointer) = response.hover_pos() else { return };
        let (wheel, zoom) = ui.input(|i| (i.smooth_scroll_delta, i.zoom_delta()));
        let factor = f64::from((-wheel.y / 200.0).exp() / zoom);
        let centre = time_at(pointer.x);
        if (factor - 1.0).abs() > 1e-6 {
            self.set(centre + (self.from_s - centre) * factor, centre + (self.to_s - centre) * factor, playhead);
        }
        if wheel != egui::Vec2::ZERO {
            // It is used up: what the plots lie in does not scroll.
            ui.input_mut(|i| i.smooth_scroll_delta = egui::Vec2::ZERO);
        }
    }
}

/// A plot that leaves the mouse to us.
pub fn bare<'a>(id: &'static str) -> Plot<'a> {
    Plot::new(id)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_axis_zoom_drag(false)
        .allow_double_click_reset(false)
        .show_x(false)
        .show_y(false)
        .auto_bounds(Vec2b::FALSE)
        .set_margin_fraction(egui::Vec2::ZERO)
        .x_grid_spacer(|input| marks(&input, if input.bounds.1 < 100.0 { 56.0 } else { 84.0 }))
        .y_grid_spacer(|input| marks(&input, 30.0))
        .y_axis_formatter(|mark, _| value(mark))
        .y_axis_min_width(34.0)
}

/// Steps of 1, 2 or 5, so far apart that each can have a label.
fn marks(input: &GridInput, pixels: f64) -> Vec<GridMark> {
    // egui_plot gives the step that takes up eight pixels.
    let least = input.base_step_size * pixels / 8.0;
    let power = 10f64.powf(least.log10().floor());
    let step_size = [1.0, 2.0, 5.0, 10.0].into_iter().map(|s| s * power).find(|s| *s >= least).unwrap_or(least);
    let (low, high) = input.bounds;
    let (first, last) = ((low / step_size).ceil() as i64, (high / step_size).floor() as i64);
    (first..=last.min(first + 100)).map(|i| GridMark { value: i as f64 * step_size, step_size }).collect()
}

/// As many digits as the distance of the marks asks for; thousands and millions by a letter.
fn value(mark: GridMark) -> String {
    let (scale, letter) = match mark.step_size {
        step if step >= 1e6 => (1e6, "M"),
        step if step >= 1e3 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let decimals = (-(mark.step_size / scale).log10().floor()).clamp(0.0, 6.0) as usize;
    match mark.value == 0.0 {
        true => "0".into(),
        false => format!("{:.decimals$}{letter}", mark.value / scale).replace('-', "−"),
    }
}

/// As many digits as the distance of the marks asks for.
pub fn tick(mark: GridMark, unit: &str) -> String {
    let decimals = (-mark.step_size.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{:.decimals$} {unit}", mark.value)
}

/// A length of time: `2 s`, `35 ms`, `12 min`.
pub fn length(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1.0 => (s * 1e3, "ms"),
        s if s < 120.0 => (s, "s"),
        s => (s / 60.0, "min"),
    };
    format!("{} {unit}", crate::format::significant(value, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playhead() -> Playhead {
        Playhead::new(0..100_000_000_000, 1000)
    }

    #[test]
    fn the_playhead_stays_in_sight_when_it_moves() {
        let (mut window, mut playhead) = (Window::default(), playhead());
        for at_ns in [0, 1_900_000_000, 3_000_000_000, 50_000_000_000, 49_000_000_000, 100_000_000_000] {
            playhead.seek(at_ns);
            window.follow(&playhead);
            let [from, to] = window.range_s();
            let at_s = at_ns as f64 * 1e-9;
            assert!((from..=to).contains(&at_s), "{at_s} in {from}..{to}");
            assert!((window.length_s() - LENGTH_S).abs() < 1e-9);
        }
    }

    #[test]
    fn a_window_that_was_moved_by_hand_stays_while_the_playhead_stands() {
        let (mut window, playhead) = (Window::default(), playhead());
        window.follow(&playhead);
        window.set(40.0, 45.0, &playhead);
        window.follow(&playhead);
        assert_eq!(window.range_s(), [40.0, 45.0]);
    }

    #[test]
    fn fitting_shows_the_whole_run_and_nothing_beside_it() {
        let (mut window, playhead) = (Window::default(), playhead());
        window.fit(&playhead);
        assert_eq!(window.range_s(), [0.0, 100.0]);
        window.set(-10.0, 400.0, &playhead);
        assert_eq!(window.range_s(), [0.0, 100.0]);
        window.set(99.0, 99.0, &playhead);
        assert!((window.length_s() - SHORTEST_S).abs() < 1e-12);
    }

    #[test]
    fn a_length_of_time_has_the_unit_that_suits_it() {
        assert_eq!(length(2.0), "2 s");
        assert_eq!(length(0.035), "35 ms");
        assert_eq!(length(720.0), "12 min");
    }
}
