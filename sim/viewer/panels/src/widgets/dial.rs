//! A slider with its value beside it, which can be typed.

use crate::format;
use egui::{DragValue, Id, Response, Slider, SliderClamping, Ui};
use std::ops::RangeInclusive;

pub struct Dial {
    range: RangeInclusive<f64>,
    logarithmic: bool,
    kind: Kind,
    hint: String,
}

enum Kind {
    /// A ratio: `0.06×`, `1/16`.
    Ratio,
    /// A value with its unit, and so many decimals.
    Value(&'static str, usize),
}

/// Room for the value.
const FIELD: f32 = 84.0;

impl Dial {
    pub fn ratio(range: RangeInclusive<f64>) -> Dial {
        Dial { range, logarithmic: true, kind: Kind::Ratio, hint: String::new() }
    }

    pub fn value(range: RangeInclusive<f64>, unit: &'static str, decimals: usize) -> Dial {
        Dial { range, logarithmic: false, kind: Kind::Value(unit, decimals), hint: String::new() }
    }

    pub fn logarithmic(mut self) -> Dial {
        self.logarithmic = true;
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Dial {
        self.hint = hint.into();
        self
    }

    /// As wide as `width`; called what the label says. Gives whether the value changed.
    pub fn show(self, ui: &mut Ui, width: f32, value: &mut f64, label: Id) -> bool {
        ui.spacing_mut().slider_width = (width - FIELD - ui.spacing().item_spacing.x).max(40.0);
        let mut field = *value;
        let slider = Slider::new(value, self.range.clone())
            .show_value(false)
            .logarithmic(self.logarithmic)
            .clamping(SliderClamping::Edits);
        let slider = match self.kind {
            Kind::Ratio => slider,
            Kind::Value(_, decimals) => slider.max_decimals(decimals),
        };
        let slid = ui.add(slider).labelled_by(label);
        if slid.changed() {
            field = *value;
        }
        let drag = DragValue::new(&mut field)
            .range(self.range)
            .clamp_existing_to_range(false)
            .speed(value.abs().max(1e-4) * 0.01)
            .update_while_editing(false);
        let drag = match self.kind {
            Kind::Ratio => drag.custom_formatter(|v, _| format::ratio(v)).custom_parser(format::parse_ratio),
            Kind::Value(unit, decimals) => drag.suffix(unit).max_decimals(decimals),
        };
        let typed = ui.add_sized([FIELD, ui.spacing().interact_size.y], drag).labelled_by(label);
        if typed.changed() {
            *value = field;
        }
        let changed = slid.changed() || typed.changed();
        if !self.hint.is_empty() {
            let _: Response = slid.union(typed).on_hover_text(self.hint);
        }
        changed
    }
}
