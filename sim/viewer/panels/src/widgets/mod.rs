//! What egui does not have.

pub mod dial;
pub mod icon;
pub mod range;
pub mod scrub;

pub use dial::Dial;
pub use icon::{Icon, icon_button};
pub use range::range_slider;
pub use scrub::scrub;

/// The heading of a group of controls.
pub fn section(ui: &mut egui::Ui, title: &str) {
    ui.add_space(4.0);
    ui.label(egui::RichText::new(title).small().strong().color(ui.visuals().weak_text_color()));
}
