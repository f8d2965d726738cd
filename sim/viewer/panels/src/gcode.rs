//! The lines of G-code: the one under the playhead, a click to go to any, a search.
//!
//! Only the lines in sight are laid out, and their place is kept as a number of lines: a million lines cost what fifty do.

use crate::{format, theme};
use drydock_view_model::{Line, Playhead, Timeline};
use egui::text::LayoutJob;
use egui::{
    Color32, FontId, Key, Pos2, Rect, RichText, Sense, Stroke, TextEdit, TextFormat, TextStyle, TextWrapMode, Ui, Vec2,
    WidgetInfo, WidgetType, pos2, vec2,
};

const ROW: f32 = 16.0;
/// Room for numbers of lines.
const GUTTER: f32 = 52.0;
/// What may be searched in one frame.
const LINES_A_FRAME: usize = 200_000;

pub struct Gcode {
    /// The first line in sight.
    top: f64,
    /// Whether the line under the playhead is kept in sight.
    follow: bool,
    query: String,
    search: Option<Search>,
    found: Found,
    ask: bool,
}

/// A search under way, some lines a frame.
struct Search {
    next: usize,
    step: isize,
    left: usize,
    /// Whether the playhead goes to what is found.
    seek: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Found {
    Unasked,
    Line {
        index: usize,
        /// The playhead has gone there.
        gone: bool,
    },
    Nothing,
}

impl Default for Gcode {
    fn default() -> Self {
        Gcode { top: 0.0, follow: true, query: String::new(), search: None, found: Found::Unasked, ask: false }
    }
}

impl Gcode {
    /// The next frame puts the cursor into the search field.
    pub fn ask(&mut self) {
        self.ask = true;
    }

    pub fn show(&mut self, ui: &mut Ui, playhead: &mut Playhead, timeline: &Timeline) {
        self.head(ui, playhead, timeline);
        self.go_on_searching(ui, playhead, timeline);
        let size = ui.available_size();
        let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
        if timeline.line_count() == 0 {
            let font = TextStyle::Body.resolve(ui.style());
            let weak = ui.visuals().weak_text_color();
            ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, "No G-code in this recording", font, weak);
            return;
        }
        let now = timeline.line_at(playhead.at_ns());
        let in_sight = f64::from(rect.height() / ROW);
        let last_top = (timeline.line_count() as f64 - in_sight).max(0.0);
        let wheel = ui.input(|i| i.smooth_scroll_delta.y);
        if response.contains_pointer() && wheel != 0.0 {
            self.top -= f64::from(wheel / ROW);
            self.follow = false;
        }
        if self.follow
            && let Some(now) = now
        {
            let middle = now as f64 - (in_sight * 0.4).floor();
            let visible = self.top + 2.0..self.top + in_sight - 3.0;
            if !visible.contains(&(now as f64)) {
                self.top = middle;
            }
        }
        self.scroll_bar(ui, rect, in_sight, last_top);
        self.top = self.top.clamp(0.0, last_top);
        self.rows(ui, rect.with_max_x(rect.right() - 10.0), playhead, timeline, now);
    }

    fn head(&mut self, ui: &mut Ui, playhead: &Playhead, timeline: &Timeline) {
        ui.horizontal(|ui| {
            ui.label(RichText::new("G-code").strong());
            ui.label(RichText::new(format!("{} lines", format::grouped(timeline.line_count()))).weak());
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.toggle_value(&mut self.follow, "Follow").on_hover_text("Keep the line under the playhead in sight");
            });
        });
        ui.horizontal(|ui| {
            let (mut up, mut down) = (false, false);
            let nothing = self.found == Found::Nothing;
            let colour = nothing.then(|| theme::warning(ui.visuals()));
            let field = TextEdit::singleline(&mut self.query).hint_text("Search").text_color_opt(colour);
            let layout = egui::Layout::right_to_left(egui::Align::Center);
            let response = ui.with_layout(layout, |ui| {
                down = ui.small_button("▼").on_hover_text("Find next (Enter)").clicked();
                up = ui.small_button("▲").on_hover_text("Find before (Shift Enter)").clicked();
                ui.add_sized([ui.available_width(), ui.spacing().interact_size.y], field)
            });
            let response = response.inner;
            response.widget_info(|| {
                let mut info = WidgetInfo::labeled(WidgetType::TextEdit, true, "Search G-code");
                info.current_text_value = Some(self.query.clone());
                info
            });
            if std::mem::take(&mut self.ask) {
                response.request_focus();
            }
            let here = timeline.line_at(playhead.at_ns()).unwrap_or(0);
            if response.changed() {
                self.begin(here, 1, false, timeline);
            }
            let entered = response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            let back = ui.input(|i| i.modifiers.shift);
            if entered || up || down {
                let step = if up || (entered && back) { -1 } else { 1 };
                // The first Enter goes to what typing has found already.
                let from = match self.found {
                    Found::Line { index, gone: false } if entered && !back => index,
                    Found::Line { index, .. } => {
                        index.checked_add_signed(step).unwrap_or(timeline.line_count().saturating_sub(1))
                    }
                    _ => here,
                };
                self.begin(from, step, true, timeline);
            }
            if entered {
                response.request_focus();
            }
        });
    }

    fn begin(&mut self, from: usize, step: isize, seek: bool, timeline: &Timeline) {
        let count = timeline.line_count();
        self.found = Found::Unasked;
        self.search = (!self.query.trim().is_empty() && count > 0).then_some(Search {
            next: if from < count { from } else { 0 },
            step,
            left: count,
            seek,
        });
    }

    fn go_on_searching(&mut self, ui: &Ui, playhead: &mut Playhead, timeline: &Timeline) {
        let count = timeline.line_count();
        // Another recording may have been opened since the search began.
        let Some(search) = self.search.as_mut().filter(|search| search.next < count) else {
            self.search = None;
            return;
        };
        let needle = self.query.trim().as_bytes();
        for _ in 0..LINES_A_FRAME {
            if search.left == 0 {
                self.found = Found::Nothing;
                self.search = None;
                return;
            }
            let index = search.next;
            search.left -= 1;
            search.next = match search.step < 0 {
                true => index.checked_sub(1).unwrap_or(count - 1),
                false => (index + 1) % count,
            };
            let Some(line) = timeline.line(index) else { continue };
            if contains(line.text.as_bytes(), needle) {
                if search.seek {
                    playhead.seek(line.at_ns);
                    self.follow = true;
                }
                self.top = index as f64 - 6.0;
                self.follow = search.seek;
                self.found = Found::Line { index, gone: search.seek };
                self.search = None;
                return;
            }
        }
        ui.ctx().request_repaint();
    }

    fn scroll_bar(&mut self, ui: &Ui, rect: Rect, in_sight: f64, last_top: f64) {
        if last_top <= 0.0 {
            return;
        }
        let rail = rect.with_min_x(rect.right() - 9.0);
        let tall = (rail.height() * (in_sight / (in_sight + last_top)) as f32).max(18.0);
        let way = rail.height() - tall;
        let response = ui.interact(rail, ui.id().with("bar"), Sense::click_and_drag());
        if response.is_pointer_button_down_on()
            && let Some(pointer) = response.interact_pointer_pos()
        {
            let share = ((pointer.y - rail.top() - tall / 2.0) / way).clamp(0.0, 1.0);
            self.top = f64::from(share) * last_top;
            self.follow = false;
        }
        let from = rail.top() + way * (self.top / last_top).clamp(0.0, 1.0) as f32;
        let handle = Rect::from_min_size(pos2(rail.left() + 2.0, from), vec2(6.0, tall));
        ui.painter().rect_filled(handle, 3.0, ui.style().interact(&response).bg_fill);
    }

    fn rows(&mut self, ui: &mut Ui, rect: Rect, playhead: &mut Playhead, timeline: &Timeline, now: Option<usize>) {
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 3.0, ui.visuals().extreme_bg_color);
        let first = self.top.floor() as usize;
        let rows = (rect.height() / ROW).ceil() as usize + 1;
        for index in first..(first + rows).min(timeline.line_count()) {
            let Some(line) = timeline.line(index) else { break };
            let y = rect.top() + ((index as f64 - self.top) * f64::from(ROW)) as f32;
            let row = Rect::from_min_size(pos2(rect.left(), y), Vec2::new(rect.width(), ROW));
            let response = ui.interact(row.intersect(rect), ui.id().with(("row", index)), Sense::click());
            let is_now = now == Some(index);
            response.widget_info(|| WidgetInfo::selected(WidgetType::SelectableLabel, true, is_now, line.text));
            if response.clicked() {
                playhead.seek(line.at_ns);
                self.follow = true;
            }
            let visuals = ui.visuals();
            let back = match () {
                () if is_now => Some(visuals.selection.bg_fill),
                () if matches!(self.found, Found::Line { index: found, .. } if found == index) => {
                    Some(theme::warning(visuals).gamma_multiply(0.25))
                }
                () if response.hovered() => Some(visuals.widgets.hovered.bg_fill.gamma_multiply(0.6)),
                () => None,
            };
            if let Some(back) = back {
                painter.rect_filled(row, 0.0, back);
            }
            if is_now {
                painter.vline(row.left() + 1.0, row.y_range(), Stroke::new(2.0, theme::PLAYHEAD));
            }
            paint_line(ui, &painter, row, line);
            response.on_hover_ui_at_pointer(|ui| {
                ui.style_mut().wrap_mode = Some(TextWrapMode::Extend);
                ui.label(format!("{}   {}", format::clock(line.at_ns), line.text.trim()));
            });
        }
    }
}

fn paint_line(ui: &Ui, painter: &egui::Painter, row: Rect, line: Line<'_>) {
    let font = TextStyle::Monospace.resolve(ui.style());
    let weak = ui.visuals().weak_text_color();
    if line.line_no > 0 {
        let place = pos2(row.left() + GUTTER - 8.0, row.center().y);
        let number = line.line_no.to_string();
        painter.text(place, egui::Align2::RIGHT_CENTER, number, FontId::new(10.0, font.family.clone()), weak);
    }
    let text = line.text.trim_end();
    let (code, comment) = text.split_at(text.find(';').unwrap_or(text.len()));
    let mut job = LayoutJob::default();
    let format = |color: Color32| TextFormat { font_id: font.clone(), color, ..TextFormat::default() };
    job.append(code, 0.0, format(ui.visuals().text_color()));
    job.append(comment, 0.0, format(weak));
    job.wrap = egui::text::TextWrapping::truncate_at_width(row.width() - GUTTER - 4.0);
    let galley = painter.layout_job(job);
    let place: Pos2 = pos2(row.left() + GUTTER, row.center().y - galley.size().y / 2.0);
    painter.galley(place, galley, ui.visuals().text_color());
}

/// Whether one text occurs in another, whatever the case of its letters.
fn contains(text: &[u8], needle: &[u8]) -> bool {
    needle.first().is_none_or(|first| {
        let pair = [first.to_ascii_lowercase(), first.to_ascii_uppercase()];
        text.len() >= needle.len()
            && (0..=text.len() - needle.len())
                .any(|i| pair.contains(&text[i]) && text[i..i + needle.len()].eq_ignore_ascii_case(needle))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_knows_no_case_and_no_luck() {
        assert!(contains(b"G1 X10 ; Outer Wall", b"outer wall"));
        assert!(contains(b"M104", b""));
        assert!(!contains(b"M10", b"M104"));
        assert!(!contains(b"", b"x"));
    }
}
