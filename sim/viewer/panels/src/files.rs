//! Opening recordings: by their path, from those opened before; dropping a file on the window is the application's.

use crate::format;
use crate::state::{Action, FrameFacts};
use egui::{Id, Key, Modal, RichText, TextEdit, Ui, WidgetInfo, WidgetType};

#[derive(Default)]
pub struct Files {
    open: bool,
    path: String,
    /// The field is to get the cursor.
    fresh: bool,
}

impl Files {
    /// The next frame asks for a recording.
    pub fn ask(&mut self) {
        self.open = true;
        self.fresh = true;
    }

    pub fn show(&mut self, ctx: &egui::Context, facts: &FrameFacts, actions: &mut Vec<Action>) {
        if !self.open {
            return;
        }
        let modal = Modal::new(Id::new("files")).show(ctx, |ui| {
            ui.set_width(520.0);
            ui.label(RichText::new("Open a recording").heading());
            let chosen = self.by_path(ui, facts).or_else(|| self.by_list(ui, facts));
            ui.label(RichText::new("Or drop a file on the window; with Shift, to compare.").weak());
            chosen
        });
        let close = modal.should_close();
        if let Some(action) = modal.inner {
            actions.push(action);
            self.open = false;
        }
        self.open &= !close;
    }

    fn by_path(&mut self, ui: &mut Ui, facts: &FrameFacts) -> Option<Action> {
        let mut chosen = None;
        if facts.browser {
            ui.horizontal(|ui| {
                for (text, beside) in [("Open a file…", false), ("Compare with a file…", true)] {
                    if ui.button(text).clicked() {
                        chosen = Some(Action::Choose { beside });
                    }
                }
            });
        }
        let named = ui.horizontal(|ui| {
            let hint = if facts.browser { "https://…/run.drydock" } else { "PATH.drydock" };
            let field = TextEdit::singleline(&mut self.path).hint_text(hint).desired_width(360.0);
            let response = ui.add(field);
            response.widget_info(|| {
                let mut info = WidgetInfo::labeled(WidgetType::TextEdit, true, "Path");
                info.current_text_value = Some(self.path.clone());
                info
            });
            if std::mem::take(&mut self.fresh) {
                response.request_focus();
            }
            let entered = response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            let path = self.path.trim();
            let ready = !path.is_empty();
            if ui.add_enabled(ready, egui::Button::new("Open")).clicked() || (entered && ready) {
                return Some(Action::Open(path.to_string()));
            }
            let compare =
                ui.add_enabled(ready, egui::Button::new("Compare")).on_hover_text("Beside the one that is open");
            compare.clicked().then(|| Action::OpenSecond(path.to_string()))
        });
        chosen.or(named.inner)
    }

    fn by_list(&mut self, ui: &mut Ui, facts: &FrameFacts) -> Option<Action> {
        let mut chosen = None;
        for path in facts.recent.iter().take(10) {
            ui.horizontal(|ui| {
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    if ui.small_button("Compare").clicked() {
                        chosen = Some(Action::OpenSecond(path.clone()));
                    }
                    ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                        let text = format::file_name(path);
                        if ui.add(egui::Button::selectable(false, text).truncate()).on_hover_text(path).clicked() {
                            chosen = Some(Action::Open(path.clone()));
                        }
                    });
                });
            });
        }
        chosen
    }
}
