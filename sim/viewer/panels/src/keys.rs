//! The keyboard: one table, which the help overlay shows too.

use crate::state::{Action, Camera, Side, Theme, ViewState};
use crate::{Ui, transport};
use drydock_view_model::{Document, Playhead};
use egui::{Key, Modifiers};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    Toggle,
    Step(i64),
    Line(isize),
    Layer(isize),
    Start,
    End,
    /// The speed times this.
    Speed(f64),
    RealTime,
    Look(Camera),
    Trail,
    Machine,
    Whole,
    FollowNozzle,
    Gcode,
    Side(Side),
    Plots,
    Theme,
    Search,
    Open,
    Shot,
    Help,
}

pub struct Binding {
    pub modifiers: Modifiers,
    pub key: Key,
    pub command: Command,
    /// The key as it is written on the keyboard.
    pub shown: &'static str,
    pub what: &'static str,
}

const fn bind(key: Key, command: Command, shown: &'static str, what: &'static str) -> Binding {
    Binding { modifiers: Modifiers::NONE, key, command, shown, what }
}

const fn shift(key: Key, command: Command, shown: &'static str, what: &'static str) -> Binding {
    Binding { modifiers: Modifiers::SHIFT, key, command, shown, what }
}

const fn ctrl(key: Key, command: Command, shown: &'static str, what: &'static str) -> Binding {
    Binding { modifiers: Modifiers::COMMAND, key, command, shown, what }
}

pub const PLAYBACK: [Binding; 15] = [
    bind(Key::Space, Command::Toggle, "Space", "Play, pause"),
    bind(Key::Period, Command::Step(1), ".", "One tick on"),
    bind(Key::Comma, Command::Step(-1), ",", "One tick back"),
    shift(Key::Period, Command::Step(100), "Shift .", "100 ticks on"),
    shift(Key::Comma, Command::Step(-100), "Shift ,", "100 ticks back"),
    bind(Key::ArrowRight, Command::Line(1), "→", "Next line of G-code"),
    bind(Key::ArrowLeft, Command::Line(-1), "←", "Line before"),
    bind(Key::ArrowUp, Command::Layer(1), "↑", "Next layer"),
    bind(Key::ArrowDown, Command::Layer(-1), "↓", "Layer before"),
    bind(Key::Home, Command::Start, "Home", "Beginning"),
    bind(Key::End, Command::End, "End", "End"),
    bind(Key::CloseBracket, Command::Speed(2.0), "]", "Twice as fast"),
    bind(Key::OpenBracket, Command::Speed(0.5), "[", "Half as fast"),
    bind(Key::Backslash, Command::RealTime, "\\", "As fast as the printer"),
    ctrl(Key::F, Command::Search, "Ctrl F", "Search the G-code"),
];

pub const LOOKING: [Binding; 22] = [
    bind(Key::Num0, Command::Look(Camera::Iso), "0", "From the corner"),
    bind(Key::Num1, Command::Look(Camera::Top), "1", "From above"),
    bind(Key::Num2, Command::Look(Camera::Bottom), "2", "From below"),
    bind(Key::Num3, Command::Look(Camera::Front), "3", "From the front"),
    bind(Key::Num4, Command::Look(Camera::Back), "4", "From behind"),
    bind(Key::Num5, Command::Look(Camera::Left), "5", "From the left"),
    bind(Key::Num6, Command::Look(Camera::Right), "6", "From the right"),
    bind(Key::Z, Command::Look(Camera::Fit), "Z", "The whole part"),
    bind(Key::N, Command::Look(Camera::Nozzle), "N", "Close to the nozzle"),
    bind(Key::F, Command::FollowNozzle, "F", "Follow the nozzle"),
    bind(Key::T, Command::Trail, "T", "Trail"),
    bind(Key::M, Command::Machine, "M", "Machine"),
    bind(Key::W, Command::Whole, "W", "What is still to be printed"),
    bind(Key::G, Command::Gcode, "G", "G-code"),
    bind(Key::P, Command::Plots, "P", "Plots"),
    bind(Key::V, Command::Side(Side::View), "V", "View"),
    bind(Key::U, Command::Side(Side::Tune), "U", "Tuning"),
    bind(Key::D, Command::Theme, "D", "Dark, light"),
    ctrl(Key::O, Command::Open, "Ctrl O", "Open a recording"),
    ctrl(Key::S, Command::Shot, "Ctrl S", "Save a picture"),
    bind(Key::Questionmark, Command::Help, "?", "This"),
    // The same key where the keyboard reports what is printed on it.
    shift(Key::Slash, Command::Help, "", ""),
];

/// Does what the keys ask for that were pressed since the last frame.
pub fn handle(
    ui: &mut Ui,
    ctx: &egui::Context,
    doc: &Document,
    playhead: &mut Playhead,
    view: &mut ViewState,
    actions: &mut Vec<Action>,
) {
    if ui.help && ctx.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Escape)) {
        ui.help = false;
    }
    // What has the focus takes the keys; commands with Ctrl are meant anyway.
    let typing = ctx.memory(|m| m.focused().is_some());
    for binding in PLAYBACK.iter().chain(&LOOKING) {
        if (typing && !binding.modifiers.command) || !pressed(ctx, binding) {
            continue;
        }
        perform(binding.command, ui, doc, playhead, view, actions);
    }
}

fn pressed(ctx: &egui::Context, binding: &Binding) -> bool {
    // A question mark may come with Shift or without.
    let exact = binding.key != Key::Questionmark;
    ctx.input_mut(|i| {
        let mut found = false;
        i.events.retain(|event| {
            let hit = matches!(event, egui::Event::Key { key, pressed: true, modifiers, .. }
                if *key == binding.key && (!exact || modifiers.matches_exact(binding.modifiers)));
            found |= hit;
            !hit
        });
        found
    })
}

fn perform(
    command: Command,
    ui: &mut Ui,
    doc: &Document,
    playhead: &mut Playhead,
    view: &mut ViewState,
    actions: &mut Vec<Action>,
) {
    let span_ns = playhead.span_ns();
    match command {
        Command::Toggle => playhead.toggle(),
        Command::Step(ticks) => playhead.step(ticks),
        Command::Line(by) => transport::go_line(playhead, doc.timeline(), by),
        Command::Layer(by) => transport::go_layer(playhead, doc.timeline(), by),
        Command::Start => playhead.seek(span_ns.start),
        Command::End => playhead.seek(span_ns.end),
        Command::Speed(times) => playhead.set_speed(playhead.speed() * times),
        Command::RealTime => playhead.set_speed(1.0),
        Command::Look(camera) => view.camera = Some(camera),
        Command::Trail => view.show_trail ^= true,
        Command::Machine => view.show_machine ^= true,
        Command::Whole => view.show_whole ^= true,
        Command::FollowNozzle => view.follow_nozzle ^= true,
        Command::Gcode => view.show_gcode ^= true,
        Command::Side(side) => view.toggle_side(side),
        Command::Plots => view.show_plots ^= true,
        Command::Theme => {
            view.theme = match view.theme {
                Theme::Dark => Theme::Light,
                Theme::Light => Theme::Dark,
            }
        }
        Command::Search => {
            view.show_gcode = true;
            ui.gcode.ask();
        }
        Command::Open => ui.files.ask(),
        Command::Shot => actions.push(Action::Shot),
        Command::Help => ui.help ^= true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        let all: Vec<&Binding> = PLAYBACK.iter().chain(&LOOKING).collect();
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| (a.key, a.modifiers) != (b.key, b.modifiers)), "{}", a.shown);
        }
    }
}
