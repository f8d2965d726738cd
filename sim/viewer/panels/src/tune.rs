//! The settings of the printer: change one, and the neighbourhood of the playhead is simulated with it.

use crate::outcome::TuningResult;
use crate::state::{Action, Around, FrameFacts, ViewState};
use crate::widgets::{Dial, section};
use crate::{format, theme};
use drydock_view_model::settings::{DAMPING, SHAPERS};
use drydock_view_model::{HeaterGains, Settings, Shaper};
use egui::{
    Align, ComboBox, DragValue, Grid, Label, Layout, RichText, Spinner, TextEdit, TextStyle, Ui, WidgetInfo, WidgetType,
};

/// What the panel stands at.
#[derive(Default)]
pub struct Tune {
    /// The settings of the recording, from which the draft began.
    recorded: Option<Settings>,
    draft: Option<Settings>,
    /// When it was changed last; it is not sent while it still changes.
    changed_s: Option<f64>,
}

/// How long the settings must stand still before they are simulated.
const SETTLED_S: f64 = 0.15;

impl Tune {
    /// What the sliders stand at; the recording's settings where nobody has touched them.
    pub fn draft(&self) -> Option<&Settings> {
        self.draft.as_ref()
    }

    /// Takes the settings of the recording when they are known, or another recording is open.
    pub fn begin_frame(&mut self, facts: &FrameFacts) {
        if self.recorded != facts.settings {
            self.recorded = facts.settings.clone();
            self.draft = facts.settings.clone();
            self.changed_s = None;
        }
    }

    pub fn show(&mut self, ui: &mut Ui, view: &mut ViewState, facts: &FrameFacts, actions: &mut Vec<Action>) {
        let (Some(recorded), Some(draft)) = (self.recorded.as_ref(), self.draft.as_mut()) else {
            ui.add_space(8.0);
            let why = if facts.browser {
                "A page cannot print again. The program can: drydock view, with this recording."
            } else {
                "This recording cannot be simulated again here."
            };
            ui.label(RichText::new(why).weak());
            return;
        };
        let before = (draft.clone(), view.around);
        ui.horizontal(|ui| {
            let changed = draft != recorded;
            if ui.add_enabled(changed, egui::Button::new("Reset")).on_hover_text("As the run had it").clicked() {
                *draft = recorded.clone();
            }
            let write = egui::Button::new("To printer.cfg");
            if ui
                .add_enabled(changed, write)
                .on_hover_text("Writes what was changed as SAVE_CONFIG does; the file before is kept")
                .clicked()
            {
                actions.push(Action::WriteConfig(draft.clone()));
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.selectable_value(&mut view.around, Around::Layer, "Layer");
                ui.selectable_value(&mut view.around, Around::Corner, "Corner");
            });
        });
        let here = outcome(ui, facts);
        controls(ui, draft, recorded);
        if here {
            self.changed_s = None;
            actions.push(Action::Tune(draft.clone()));
        }
        if (&*draft, view.around) != (&before.0, before.1) {
            self.changed_s = Some(ui.input(|i| i.time));
        }
        self.send_when_settled(ui, actions);
        if let Some(block) = &facts.config_block {
            config_block(ui, block);
        }
    }

    fn send_when_settled(&mut self, ui: &Ui, actions: &mut Vec<Action>) {
        let (Some(changed_s), Some(draft)) = (self.changed_s, &self.draft) else { return };
        let left_s = changed_s + SETTLED_S - ui.input(|i| i.time);
        if left_s > 0.0 {
            ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(left_s));
            return;
        }
        self.changed_s = None;
        actions.push(Action::Tune(draft.clone()));
    }
}

fn controls(ui: &mut Ui, draft: &mut Settings, recorded: &Settings) {
    section(ui, "Input shaper");
    shaper(ui, "X", &mut draft.shaper_x, recorded.shaper_x.as_ref());
    shaper(ui, "Y", &mut draft.shaper_y, recorded.shaper_y.as_ref());
    section(ui, "Pressure advance");
    let most = if recorded.pressure_advance_s > 0.12 { 1.5 } else { 0.2 };
    let (value, was) = (&mut draft.pressure_advance_s, recorded.pressure_advance_s);
    setting(ui, "Advance", value, was, Dial::value(0.0..=most, " s", 4));
    let (value, was) = (&mut draft.smooth_time_s, recorded.smooth_time_s);
    setting(ui, "Smooth time", value, was, Dial::value(0.005..=0.2, " s", 3));
    section(ui, "Motion");
    let (value, was) = (&mut draft.max_accel_mm_s2, recorded.max_accel_mm_s2);
    setting(ui, "Max accel", value, was, Dial::value(100.0..=50_000.0, " mm/s²", 0).logarithmic());
    let (value, was) = (&mut draft.square_corner_velocity_mm_s, recorded.square_corner_velocity_mm_s);
    setting(ui, "Corner velocity", value, was, Dial::value(0.0..=30.0, " mm/s", 1));
    if !draft.heaters.is_empty() {
        section(ui, "PID: Kp, Ki, Kd");
        for (i, heater) in draft.heaters.iter_mut().enumerate() {
            gains(ui, heater, recorded.heaters.get(i));
        }
    }
}

fn shaper(ui: &mut Ui, axis: &str, shaper: &mut Option<Shaper>, was: Option<&Shaper>) {
    const NONE: &str = "none";
    let kind = shaper.as_ref().map_or(NONE.to_string(), |s| s.kind.clone());
    let mut chosen = kind.clone();
    let changed = shaper.as_ref().map(|s| &s.kind) != was.map(|s| &s.kind);
    row(ui, &format!("Shaper {axis}"), changed, |ui, label| {
        let combo = ComboBox::from_id_salt(("shaper", axis)).selected_text(&kind).width(ui.available_width());
        let combo = combo.show_ui(ui, |ui| {
            for choice in [NONE].into_iter().chain(SHAPERS) {
                ui.selectable_value(&mut chosen, choice.to_string(), choice);
            }
        });
        combo.response.labelled_by(label);
    });
    if chosen != kind {
        let old = shaper.take().or(was.cloned());
        let freq_hz = old.as_ref().map_or(50.0, |s| s.freq_hz);
        let damping = old.map_or(DAMPING, |s| s.damping);
        *shaper = (chosen != NONE).then_some(Shaper { kind: chosen, freq_hz, damping });
    }
    if let Some(shaper) = shaper {
        let was = was.map_or(f64::NAN, |s| s.freq_hz);
        setting(ui, &format!("Frequency {axis}"), &mut shaper.freq_hz, was, Dial::value(10.0..=150.0, " Hz", 1));
    }
}

fn setting(ui: &mut Ui, title: &str, value: &mut f64, was: f64, dial: Dial) {
    let dial = if was.is_nan() { dial } else { dial.hint(format!("The run had {}", format::significant(was, 5))) };
    row(ui, title, *value != was && !was.is_nan(), |ui, label| {
        dial.show(ui, ui.available_width(), value, label);
    });
}

fn gains(ui: &mut Ui, heater: &mut HeaterGains, was: Option<&HeaterGains>) {
    let title = heater.name.clone();
    row(ui, &title, was.is_some_and(|was| was != heater), |ui, _| {
        let gap = ui.spacing().item_spacing.x;
        let size = egui::vec2((ui.available_width() - 2.0 * gap) / 3.0, ui.spacing().interact_size.y);
        for (letter, value) in [("Kp", &mut heater.kp), ("Ki", &mut heater.ki), ("Kd", &mut heater.kd)] {
            let speed = (value.abs() * 0.01).max(0.001);
            let field = DragValue::new(value).speed(speed).range(0.0..=1e6).max_decimals(3).update_while_editing(false);
            let response = ui.add_sized(size, field).on_hover_text(format!("{letter} of {title}"));
            if !response.has_focus() {
                response.widget_info(|| WidgetInfo::labeled(WidgetType::DragValue, true, format!("{letter} {title}")));
            }
        }
    });
}

/// A setting's name, strong where it is not what the run had, and what it is set with.
fn row(ui: &mut Ui, title: &str, changed: bool, control: impl FnOnce(&mut Ui, egui::Id)) {
    const NAMES: f32 = 94.0;
    ui.horizontal(|ui| {
        let size = egui::vec2(NAMES, ui.spacing().interact_size.y);
        let label = ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_width(NAMES);
            let text = RichText::new(title);
            ui.add(Label::new(if changed { text.strong() } else { text }).truncate()).id
        });
        control(ui, label.inner);
    });
}

/// What came out, before and after; its curves are among the plots. Gives whether it is asked for where the playhead is.
fn outcome(ui: &mut Ui, facts: &FrameFacts) -> bool {
    let here = ui.horizontal(|ui| {
        ui.set_height(18.0);
        let layout = Layout::right_to_left(Align::Center);
        ui.with_layout(layout, |ui| {
            let button = ui.add_enabled(!facts.tuning_busy, egui::Button::new("Here").small());
            let here = button.on_hover_text("Simulate around the playhead with what is set").clicked();
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let text = match (&facts.tuning, facts.tuning_busy) {
                    (_, true) => {
                        ui.add(Spinner::new().size(12.0));
                        "Simulating".into()
                    }
                    (Some(result), _) => format!("{}, in {:.2} s", result.what, result.wall_s),
                    (None, _) => "Changes are simulated around the playhead".into(),
                };
                ui.add(Label::new(RichText::new(text).weak()).truncate());
            });
            here
        })
        .inner
    });
    if let Some(result) = &facts.tuning {
        figures(ui, result);
    }
    here.inner
}

fn figures(ui: &mut Ui, result: &TuningResult) {
    let mono = |value: f64| RichText::new(format::significant(value, 4)).monospace();
    Grid::new("outcome").num_columns(4).spacing([12.0, 2.0]).striped(true).show(ui, |ui| {
        for head in ["", "before", "after", "change"] {
            ui.label(RichText::new(head).small().weak());
        }
        ui.end_row();
        for (before, after) in result.before.figures.iter().zip(&result.after.figures) {
            ui.label(&after.name);
            ui.label(mono(before.value));
            ui.label(mono(after.value));
            let change = 100.0 * (after.value / before.value - 1.0);
            let colour = match () {
                () if change < -0.5 => theme::better(ui.visuals()),
                () if change > 0.5 => theme::warning(ui.visuals()),
                () => ui.visuals().text_color(),
            };
            let text = if change.is_finite() { format!("{change:+.0} %").replace('-', "−") } else { String::new() };
            ui.label(RichText::new(text).monospace().color(colour));
            ui.end_row();
        }
    });
}

fn config_block(ui: &mut Ui, block: &str) {
    section(ui, "printer.cfg");
    let mut text = block;
    ui.add(TextEdit::multiline(&mut text).font(TextStyle::Monospace).desired_width(f32::INFINITY).desired_rows(4));
    if ui.button("Copy").clicked() {
        ui.ctx().copy_text(block.to_string());
    }
}
