//! The viewer's panels, in egui: everything around the three-dimensional view. No window, no clock, no threads; the
//! application shows them, gives them the time, and does what they ask.
//!
//! - [`Ui`]: all panels; [`Ui::show`] once a frame
//! - [`ViewState`], [`Action`], [`FrameFacts`]: what goes to and fro
//! - [`TuningResult`]: a piece of the run, before and after a change of settings
//!
//! ```text
//!  +--------------------------- top --------------------------+
//!  | gcode |                                   | look or tune |
//!  |       |          the viewport             |              |
//!  +-------+-----------------------------------+--------------+
//!  |                        plots                             |
//!  |                        transport                         |
//!  +----------------------------------------------------------+
//! ```

mod files;
mod format;
mod gcode;
mod help;
mod keys;
mod legend;
mod look;
mod outcome;
mod plots;
mod state;
mod theme;
mod top;
mod transport;
mod tune;
mod widgets;

pub use legend::legend;
pub use outcome::{Curve, Figure, Outcome, TuningResult};
pub use state::{Action, Around, Camera, CompareView, FrameFacts, Side, Theme, ViewState};
pub use theme::fonts;

use drydock_view_model::{Document, Playhead};
use egui::{
    Align2, Area, Frame, Id, Label, LayerId, Margin, Order, Panel, ProgressBar, Rect, ScrollArea, Sense, UiBuilder,
};

/// What the panels keep from one frame to the next.
pub struct Ui {
    pub(crate) gcode: gcode::Gcode,
    pub(crate) files: files::Files,
    pub(crate) help: bool,
    transport: transport::Transport,
    plots: plots::Plots,
    tune: tune::Tune,
    viewport: Rect,
}

impl Default for Ui {
    fn default() -> Self {
        Ui {
            gcode: gcode::Gcode::default(),
            files: files::Files::default(),
            help: false,
            transport: transport::Transport::default(),
            plots: plots::Plots::default(),
            tune: tune::Tune::default(),
            viewport: Rect::ZERO,
        }
    }
}

impl Ui {
    /// Draws the panels, moves the playhead, changes what is to be seen; gives what is for the application to do.
    pub fn show(
        &mut self,
        ctx: &egui::Context,
        doc: &mut Document,
        playhead: &mut Playhead,
        view: &mut ViewState,
        facts: &FrameFacts,
    ) -> Vec<Action> {
        self.show_compared(ctx, doc, None, playhead, view, facts)
    }

    /// The same, with the curves of a second recording beside those of the first: at the playhead both are at the same
    /// place of the program.
    pub fn show_compared(
        &mut self,
        ctx: &egui::Context,
        doc: &mut Document,
        second: Option<&mut Document>,
        playhead: &mut Playhead,
        view: &mut ViewState,
        facts: &FrameFacts,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        theme::apply(ctx, view.theme);
        self.tune.begin_frame(facts);
        keys::handle(self, ctx, doc, playhead, view, &mut actions);
        let builder = UiBuilder::new().layer_id(LayerId::background()).max_rect(ctx.content_rect());
        let mut root = egui::Ui::new(ctx.clone(), Id::new("drydock panels"), builder);
        let ui = &mut root;
        let frame = Frame::side_top_panel(ui.style()).inner_margin(Margin::symmetric(6, 3));

        Panel::top("top").frame(frame).show(ui, |ui| top::show(ui, self, doc, view, facts, &mut actions));
        Panel::bottom("transport").frame(frame).show(ui, |ui| {
            self.transport.show(ui, playhead, doc.timeline(), facts);
        });
        if view.show_plots {
            let tuned = plots::Tuned {
                recorded: facts.settings.as_ref(),
                draft: self.tune.draft(),
                result: facts.tuning.as_deref().filter(|_| view.show_side && view.side == Side::Tune),
            };
            let panel =
                Panel::bottom("plots").frame(frame).resizable(true).default_size(216.0).size_range(120.0..=520.0);
            panel.show(ui, |ui| {
                let second = second.filter(|_| view.compare != CompareView::First);
                self.plots.show(&mut inside(ui), doc, second, playhead, view, &tuned);
            });
        }
        if view.show_gcode {
            let panel = Panel::left("gcode").frame(frame).default_size(250.0).size_range(180.0..=480.0);
            panel.show(ui, |ui| self.gcode.show(&mut inside(ui), playhead, doc.timeline()));
        }
        if view.show_side {
            let panel = Panel::right("side").frame(frame).default_size(296.0).size_range(270.0..=420.0);
            panel.show(ui, |ui| {
                ScrollArea::vertical().auto_shrink(false).show(&mut inside(ui), |ui| match view.side {
                    Side::View => look::show(ui, doc, playhead.at_ns(), view, facts, &mut actions),
                    Side::Tune => self.tune.show(ui, view, facts, &mut actions),
                });
            });
        }
        self.viewport = ui.available_rect_before_wrap();
        self.over_the_view(ctx, view, facts, &mut actions);
        self.files.show(ctx, facts, &mut actions);
        if self.help {
            self.help = help::show(ctx);
        }
        actions
    }

    /// What the panels leave free for the three-dimensional view, in points.
    pub fn viewport(&self) -> Rect {
        self.viewport
    }

    /// Whether the pointer is the panels', and the camera should leave it alone.
    pub fn takes_pointer(&self, ctx: &egui::Context) -> bool {
        let Some(pointer) = ctx.input(|i| i.pointer.latest_pos()) else { return false };
        let above = ctx.layer_id_at(pointer).is_some_and(|layer| layer.order != Order::Background);
        ctx.egui_is_using_pointer() || above || !self.viewport.contains(pointer)
    }

    /// Messages, and the legend where no panel has it.
    fn over_the_view(&self, ctx: &egui::Context, view: &ViewState, facts: &FrameFacts, actions: &mut Vec<Action>) {
        let area = |name: &str, corner: Align2| {
            let inset = self.viewport.shrink(8.0);
            Area::new(Id::new(name)).order(Order::Middle).pivot(corner).fixed_pos(corner.pos_in_rect(&inset))
        };
        let width = (self.viewport.width() - 32.0).max(40.0);
        if facts.message.is_some() || facts.progress.is_some() {
            area("messages", Align2::LEFT_TOP).show(ctx, |ui| {
                Frame::popup(ui.style()).show(ui, |ui| {
                    ui.set_max_width(width);
                    if let Some((text, share)) = &facts.progress {
                        ui.add(ProgressBar::new(*share).desired_width(width.min(280.0)).text(text));
                    }
                    if let Some(message) = &facts.message {
                        ui.horizontal_top(|ui| {
                            if ui.small_button("×").on_hover_text("Read").clicked() {
                                actions.push(Action::Dismiss);
                            }
                            ui.add(Label::new(message).wrap());
                        });
                    }
                });
            });
        }
        let in_panel = view.show_side && view.side == Side::View;
        if let Some(known) = facts.legend.as_ref().filter(|_| !in_panel) {
            area("legend", Align2::LEFT_BOTTOM).interactable(false).show(ctx, |ui| {
                Frame::popup(ui.style()).show(ui, |ui| {
                    ui.set_width(width.min(230.0));
                    let unit = if known.unit.is_empty() { String::new() } else { format!("  {}", known.unit) };
                    ui.label(format!("{}{unit}", known.title));
                    legend(ui, known);
                });
            });
        }
    }
}

/// All of a panel. What asks for more than there is does not make the panel grow.
fn inside(ui: &mut egui::Ui) -> egui::Ui {
    let rect = ui.available_rect_before_wrap();
    ui.allocate_rect(rect, Sense::hover());
    let mut inside = ui.new_child(UiBuilder::new().max_rect(rect));
    inside.shrink_clip_rect(rect.expand(2.0));
    inside
}
