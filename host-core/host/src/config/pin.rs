//! Pin descriptions: `^!mcu:PA1`.

use super::access::SettingValue;
use super::error::ConfigError;
use super::section::Section;

/// A pin as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PinDesc {
    /// The micro-controller, or a virtual chip such as `probe` or `tmc2209_stepper_x`.
    pub chip: String,
    pub pin: String,
    /// 1 pull-up (`^`), -1 pull-down (`~`), 0 neither.
    pub pullup: i8,
    pub invert: bool,
}

impl PinDesc {
    /// `[^|~][!][chip:]NAME`; a mark that is not allowed is an error, as is one in the wrong place.
    pub fn parse(text: &str, can_invert: bool, can_pullup: bool) -> Result<PinDesc, String> {
        let bad = |why: &str| {
            let marks = format!("{}{}", if can_pullup { "[^~]" } else { "" }, if can_invert { "[!]" } else { "" });
            format!("Invalid pin description '{}': {why}; the form is {marks}[chip:]name", super::parse::shorten(text))
        };
        let mut rest = text.trim();
        let mut pullup = 0;
        if let Some(first) = rest.chars().next().filter(|c| matches!(c, '^' | '~')) {
            if !can_pullup {
                return Err(bad("this pin takes no pull-up or pull-down"));
            }
            pullup = if first == '^' { 1 } else { -1 };
            rest = rest[1..].trim_start();
        }
        let invert = rest.starts_with('!');
        if invert {
            if !can_invert {
                return Err(bad("this pin cannot be inverted"));
            }
            rest = rest[1..].trim_start();
        }
        let (chip, pin) = rest.split_once(':').map_or(("mcu", rest), |(chip, pin)| (chip.trim(), pin.trim()));
        let odd = |c: char| matches!(c, '^' | '~' | '!' | ':') || c.is_whitespace();
        if chip.is_empty() || pin.is_empty() {
            return Err(bad("the name is missing"));
        }
        if pin.contains(odd) || chip.contains(['^', '~', '!']) {
            return Err(bad("marks go first, '^' or '~' before '!', and a name has no blanks"));
        }
        Ok(PinDesc { chip: chip.to_string(), pin: pin.to_string(), pullup, invert })
    }
}

/// See [`Section::pin`].
pub struct PinOption<'s> {
    section: &'s Section,
    option: &'s str,
    can_invert: bool,
    can_pullup: bool,
}

impl Section {
    /// A pin; `.invert()` and `.pullup()` say which marks may stand before its name.
    pub fn pin<'s>(&'s self, option: &'s str) -> PinOption<'s> {
        PinOption { section: self, option, can_invert: false, can_pullup: false }
    }
}

impl PinOption<'_> {
    pub fn invert(mut self) -> Self {
        self.can_invert = true;
        self
    }

    pub fn pullup(mut self) -> Self {
        self.can_pullup = true;
        self
    }

    pub fn required(self) -> Result<PinDesc, ConfigError> {
        self.optional()?.ok_or_else(|| self.section.missing(self.option))
    }

    pub fn optional(&self) -> Result<Option<PinDesc>, ConfigError> {
        let Some(text) = self.section.raw(self.option) else { return Ok(None) };
        self.section.record(self.option, SettingValue::Text(text.to_string()));
        match PinDesc::parse(text, self.can_invert, self.can_pullup) {
            Ok(pin) => Ok(Some(pin)),
            Err(why) => Err(self.section.error(self.option, why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_chips_are_read_and_misplaced_ones_refused() {
        let pin = PinDesc::parse("^!toolhead:PA1", true, true).unwrap();
        assert_eq!((pin.chip.as_str(), pin.pin.as_str(), pin.pullup, pin.invert), ("toolhead", "PA1", 1, true));
        let pin = PinDesc::parse("PB2", false, false).unwrap();
        assert_eq!((pin.chip.as_str(), pin.pullup, pin.invert), ("mcu", 0, false));
        assert_eq!(PinDesc::parse("~PB2", false, true).unwrap().pullup, -1);
        for (text, invert, pullup) in [
            ("!PA1", false, true),
            ("^PA1", true, false),
            ("!^PA1", true, true),
            ("PA 1", true, true),
            ("", true, true),
            ("a:b:c", true, true),
            ("mcu:", true, true),
        ] {
            assert!(PinDesc::parse(text, invert, pullup).is_err(), "{text}");
        }
    }
}
