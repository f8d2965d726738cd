//! Colours, distances and type: quiet, dense, the same everywhere.

use crate::state::Theme;
use egui::{
    Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Stroke, Style, TextStyle, Vec2, Visuals,
};
use std::sync::Arc;

/// Curves, as Okabe and Ito chose them: told apart with any colour vision, on dark and on light.
pub fn curve(index: usize) -> Color32 {
    const COLOURS: [Color32; 6] = [
        Color32::from_rgb(86, 180, 233),
        Color32::from_rgb(230, 159, 0),
        Color32::from_rgb(0, 158, 115),
        Color32::from_rgb(204, 121, 167),
        Color32::from_rgb(213, 94, 0),
        Color32::from_rgb(0, 114, 178),
    ];
    COLOURS[index % COLOURS.len()]
}

/// The playhead, in the transport bar and in every plot.
pub const PLAYHEAD: Color32 = Color32::from_rgb(230, 80, 60);

/// Something to take note of.
pub fn warning(visuals: &Visuals) -> Color32 {
    if visuals.dark_mode { Color32::from_rgb(240, 180, 70) } else { Color32::from_rgb(150, 90, 0) }
}

/// Where it got better.
pub fn better(visuals: &Visuals) -> Color32 {
    if visuals.dark_mode { Color32::from_rgb(90, 200, 160) } else { Color32::from_rgb(0, 110, 80) }
}

pub fn apply(ctx: &egui::Context, theme: Theme) {
    let wanted = match theme {
        Theme::Dark => egui::Theme::Dark,
        Theme::Light => egui::Theme::Light,
    };
    if ctx.theme() != wanted {
        ctx.set_theme(wanted);
    }
    let known = egui::Id::new("drydock style");
    if !ctx.data(|d| d.get_temp::<bool>(known).unwrap_or(false)) {
        ctx.data_mut(|d| d.insert_temp(known, true));
        ctx.style_mut_of(egui::Theme::Dark, |style| dress(style, true));
        ctx.style_mut_of(egui::Theme::Light, |style| dress(style, false));
    }
}

/// The two typefaces that the panels are set in; to be there before the first frame. Those of egui's own set that are
/// left out are pictures that nothing here shows, and half a megabyte to fetch for a browser.
pub fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::empty();
    let (text, code) = ("Ubuntu Light", "Hack");
    for (name, data) in [(text, epaint_default_fonts::UBUNTU_LIGHT), (code, epaint_default_fonts::HACK_REGULAR)] {
        fonts.font_data.insert(name.into(), Arc::new(FontData::from_static(data)));
    }
    // What the first has not, the second may have: arrows.
    fonts.families.insert(FontFamily::Proportional, vec![text.into(), code.into()]);
    fonts.families.insert(FontFamily::Monospace, vec![code.into(), text.into()]);
    fonts
}

fn dress(style: &mut Style, dark: bool) {
    style.text_styles = [
        (TextStyle::Small, FontId::new(10.5, FontFamily::Proportional)),
        (TextStyle::Body, FontId::new(12.5, FontFamily::Proportional)),
        (TextStyle::Button, FontId::new(12.5, FontFamily::Proportional)),
        (TextStyle::Heading, FontId::new(14.0, FontFamily::Proportional)),
        (TextStyle::Monospace, FontId::new(11.5, FontFamily::Monospace)),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = Vec2::new(6.0, 4.0);
    spacing.button_padding = Vec2::new(6.0, 2.0);
    spacing.interact_size.y = 19.0;
    spacing.slider_rail_height = 4.0;
    // A bar that floats over the controls would take their drags.
    spacing.scroll = egui::style::ScrollStyle::solid();
    let visuals = &mut style.visuals;
    let grey = |level: u8| Color32::from_gray(level);
    if dark {
        visuals.panel_fill = Color32::from_rgb(24, 26, 29);
        visuals.window_fill = Color32::from_rgb(30, 33, 37);
        visuals.extreme_bg_color = Color32::from_rgb(15, 16, 18);
        visuals.faint_bg_color = Color32::from_rgb(30, 32, 36);
        visuals.widgets.noninteractive.bg_stroke = Stroke::new(1.0, Color32::from_rgb(48, 51, 56));
        visuals.widgets.noninteractive.fg_stroke.color = grey(190);
        visuals.widgets.inactive.fg_stroke.color = grey(205);
        visuals.selection.bg_fill = Color32::from_rgb(30, 84, 122);
        visuals.selection.stroke.color = grey(240);
    } else {
        visuals.panel_fill = Color32::from_rgb(244, 245, 246);
        visuals.window_fill = Color32::from_rgb(250, 250, 251);
        visuals.extreme_bg_color = Color32::WHITE;
        visuals.faint_bg_color = Color32::from_rgb(235, 237, 239);
        visuals.widgets.noninteractive.fg_stroke.color = grey(50);
        visuals.widgets.inactive.fg_stroke.color = grey(40);
        visuals.selection.bg_fill = Color32::from_rgb(160, 206, 240);
        visuals.selection.stroke.color = grey(10);
    }
    visuals.slider_trailing_fill = true;
    for widget in [
        &mut visuals.widgets.noninteractive,
        &mut visuals.widgets.inactive,
        &mut visuals.widgets.hovered,
        &mut visuals.widgets.active,
        &mut visuals.widgets.open,
    ] {
        widget.corner_radius = CornerRadius::same(3);
        widget.expansion = 0.0;
    }
}
