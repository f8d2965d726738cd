//! Who uses which pin, and what a pin name of printer.cfg stands for.
//!
//! A pin belongs to a *chip*: a micro-controller, or an object that offers virtual pins (`probe:z_virtual_endstop`,
//! `tmc2209_stepper_x:virtual_endstop`). A pin is used once unless `[duplicate_pin_override]` names it, or the users
//! share it on purpose (the endstop of a rail with several steppers).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Printer;
use crate::config::{ConfigError, PinDesc, Section};
use crate::homing::Endstop;
use crate::mcu::Mcu;

/// A pin of a micro-controller, as an option of printer.cfg named it.
#[derive(Clone)]
pub struct Pin {
    pub mcu: Mcu,
    pub name: String,
    pub invert: bool,
    /// 1 pull-up, -1 pull-down, 0 none.
    pub pullup: i8,
}

/// Which marks may stand before a pin's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinFlags {
    pub invert: bool,
    pub pullup: bool,
}

impl PinFlags {
    pub const PLAIN: PinFlags = PinFlags { invert: false, pullup: false };
    pub const OUTPUT: PinFlags = PinFlags { invert: true, pullup: false };
    pub const INPUT: PinFlags = PinFlags { invert: true, pullup: true };
}

/// An object that offers virtual endstops under its own chip name.
pub trait VirtualPins {
    fn endstop(&self, pin: &PinDesc) -> Result<Rc<dyn Endstop>, String>;
}

/// Chip and pin name.
type PinKey = (String, String);
/// Who uses it (option and section), and with whom it may be shared.
type Use = (String, Option<String>);

#[derive(Default)]
pub struct Pins {
    used: RefCell<BTreeMap<PinKey, Use>>,
    may_repeat: RefCell<BTreeSet<PinKey>>,
    virtual_chips: RefCell<BTreeMap<String, Rc<dyn VirtualPins>>>,
}

/// What an endstop option names.
pub enum EndstopPin {
    Mcu(Pin),
    Virtual(Rc<dyn Endstop>),
}

impl Pins {
    pub fn register_chip(&self, name: &str, chip: Rc<dyn VirtualPins>) {
        self.virtual_chips.borrow_mut().insert(name.to_string(), chip);
    }

    /// From `[duplicate_pin_override]`.
    pub fn allow_repeat(&self, pin: &PinDesc) {
        self.may_repeat.borrow_mut().insert((pin.chip.clone(), pin.pin.clone()));
    }

    /// Reserves the pin that `option` of `section` names. `share` lets users of the same kind have it together.
    pub fn take(
        &self,
        printer: &Rc<Printer>,
        section: &Section,
        option: &str,
        flags: PinFlags,
        share: Option<&str>,
    ) -> Result<Pin, ConfigError> {
        let text = section.text(option).required()?;
        self.take_text(printer, section, option, &text, flags, share)
    }

    /// As [`Pins::take`], for an option that need not be there.
    pub fn take_optional(
        &self,
        printer: &Rc<Printer>,
        section: &Section,
        option: &str,
        flags: PinFlags,
    ) -> Result<Option<Pin>, ConfigError> {
        match section.text(option).optional()? {
            Some(text) => self.take_text(printer, section, option, &text, flags, None).map(Some),
            None => Ok(None),
        }
    }

    pub fn take_text(
        &self,
        printer: &Rc<Printer>,
        section: &Section,
        option: &str,
        text: &str,
        flags: PinFlags,
        share: Option<&str>,
    ) -> Result<Pin, ConfigError> {
        let desc =
            PinDesc::parse(text, flags.invert, flags.pullup).map_err(|message| section.error(option, message))?;
        let mcu = printer
            .mcu(&desc.chip)
            .ok_or_else(|| section.error(option, format!("Unknown pin chip name '{}' in pin '{text}'", desc.chip)))?;
        self.reserve(section, option, &desc, share)?;
        Ok(Pin { mcu, name: desc.pin, invert: desc.invert, pullup: desc.pullup })
    }

    fn reserve(&self, section: &Section, option: &str, desc: &PinDesc, share: Option<&str>) -> Result<(), ConfigError> {
        let key = (desc.chip.clone(), desc.pin.clone());
        let user = format!("{option} of [{}]", section.name());
        let mut used = self.used.borrow_mut();
        if let Some((first, first_share)) = used.get(&key) {
            let shared = share.is_some() && first_share.as_deref() == share;
            if !shared && !self.may_repeat.borrow().contains(&key) {
                return Err(
                    section.error(option, format!("pin {} used multiple times in config (also {first})", desc.pin))
                );
            }
        }
        used.insert(key, (user, share.map(str::to_string)));
        Ok(())
    }

    /// An endstop may also be a virtual pin.
    pub fn take_endstop(
        &self,
        printer: &Rc<Printer>,
        section: &Section,
        option: &str,
    ) -> Result<EndstopPin, ConfigError> {
        let text = section.text(option).required()?;
        let desc = PinDesc::parse(&text, true, true).map_err(|message| section.error(option, message))?;
        if printer.mcu(&desc.chip).is_some() {
            return self
                .take_text(printer, section, option, &text, PinFlags::INPUT, Some("endstop"))
                .map(EndstopPin::Mcu);
        }
        // The chip may be a section that comes later in the file.
        let stands_behind =
            |name: &&str| *name == desc.chip || name.replace(' ', "_") == desc.chip || probe_alias(name, &desc.chip);
        let named: Vec<Section> =
            printer.config.names().filter(stands_behind).filter_map(|name| printer.config.section(name)).collect();
        named.iter().try_for_each(|s| printer.load_section(s))?;
        let chip = self.virtual_chips.borrow().get(&desc.chip).cloned();
        let chip = chip
            .ok_or_else(|| section.error(option, format!("Unknown pin chip name '{}' in pin '{text}'", desc.chip)))?;
        chip.endstop(&desc).map(EndstopPin::Virtual).map_err(|message| section.error(option, message))
    }
}

/// The sections that stand behind the chip name `probe`.
fn probe_alias(section: &str, chip: &str) -> bool {
    chip == "probe" && matches!(section, "probe" | "bltouch")
}
