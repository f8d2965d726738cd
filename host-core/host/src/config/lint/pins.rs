//! Pins: their form, their chip, and whether two things want the same one.

use std::collections::BTreeMap;

use super::{Findings, Severity::Error, View};
use crate::config::known::known_section;
use crate::config::parse::{RawOption, RawSection};
use crate::config::pin::PinDesc;
use crate::config::suggest::nearest;

/// Kinds of micro-controllers that name their pins alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    Stm32,
    Rp2,
    Lpc176x,
    Avr,
    Sam,
    Linux,
}

impl Family {
    const ALL: [Family; 6] = [Family::Stm32, Family::Rp2, Family::Lpc176x, Family::Avr, Family::Sam, Family::Linux];

    /// What the name of a serial device tells of its chip.
    fn of(serial: &str) -> Option<Family> {
        let serial = serial.to_lowercase();
        let has = |part: &str| serial.contains(part);
        Some(match () {
            () if has("stm32") => Family::Stm32,
            () if has("rp2040") || has("rp2350") => Family::Rp2,
            () if has("lpc176") => Family::Lpc176x,
            () if has("atmega") || has("at90usb") => Family::Avr,
            () if has("sam3") || has("sam4") || has("samd") || has("same") => Family::Sam,
            () if has("klipper_host_mcu") => Family::Linux,
            () => return None,
        })
    }

    fn has_pin(self, pin: &str) -> bool {
        let port = |letters: &str, max: u32| {
            let mut chars = pin.strip_prefix('P').unwrap_or("").chars();
            chars.next().is_some_and(|c| letters.contains(c)) && number(chars.as_str()).is_some_and(|n| n <= max)
        };
        let prefixed = |prefix: &str, max: u32| pin.strip_prefix(prefix).and_then(number).is_some_and(|n| n <= max);
        match self {
            Family::Stm32 => port("ABCDEFGHIJK", 15) || pin == "ADC_TEMPERATURE",
            Family::Rp2 => prefixed("gpio", 47) || pin == "ADC_TEMPERATURE",
            Family::Lpc176x => {
                let (port, bit) = pin.strip_prefix('P').and_then(|p| p.split_once('.')).unwrap_or(("", ""));
                number(port).is_some_and(|p| p <= 4) && number(bit).is_some_and(|b| b <= 31)
            }
            Family::Avr => port("ABCDEFGHJKL", 7) || prefixed("ar", 99) || prefixed("analog", 19),
            Family::Sam => {
                port("ABCDE", 31) || prefixed("ar", 99) || prefixed("analog", 19) || pin == "ADC_TEMPERATURE"
            }
            Family::Linux => {
                let line = pin.strip_prefix("gpiochip").and_then(|p| p.split_once("/gpio"));
                line.is_some_and(|(chip, line)| number(chip).is_some() && number(line).is_some())
                    || prefixed("gpio", 999)
                    || pin.strip_prefix("gpio").and_then(|p| p.split_once('_')).is_some_and(|(port, line)| {
                        number(port).is_some_and(|p| p <= 3) && number(line).is_some_and(|l| l <= 31)
                    })
                    || prefixed("analog", 9)
                    || pin.starts_with("pwmchip")
            }
        }
    }

    fn form(self) -> &'static str {
        match self {
            Family::Stm32 => "PA0 to PK15",
            Family::Rp2 => "gpio0 to gpio29",
            Family::Lpc176x => "P0.0 to P4.31",
            Family::Avr => "PA0 to PL7, or ar0, analog0",
            Family::Sam => "PA0 to PE31",
            Family::Linux => "gpio0, gpiochip0/gpio0",
        }
    }
}

fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    let canonical = text.len() == 1 || !text.starts_with('0');
    (plain && canonical).then(|| text.parse().ok()).flatten()
}

struct Use<'c> {
    section: &'c RawSection,
    option: &'c RawOption,
    pin: PinDesc,
}

/// Every pin that the configuration names, and what is no pin description.
fn uses<'c>(view: &View<'c>) -> (Vec<Use<'c>>, Vec<(&'c RawSection, &'c RawOption, String)>) {
    let (mut uses, mut bad) = (Vec::new(), Vec::new());
    for section in view.sections() {
        let unread = ["board_pins", "duplicate_pin_override", "gcode_macro", "display_", "menu"];
        if unread.iter().any(|u| section.name.starts_with(u)) || known_section(&section.name).is_none() {
            continue;
        }
        for option in section.options.iter().filter(|o| is_pin_option(&o.name)) {
            for text in option.value.split([',', '\n']).map(str::trim).filter(|t| !t.is_empty()) {
                // A value may follow a pin in a list: PA1=0.
                let text = text.split_once('=').map_or(text, |(pin, _)| pin);
                match PinDesc::parse(text, true, true) {
                    Ok(pin) => uses.push(Use { section, option, pin }),
                    Err(why) => bad.push((section, option, why)),
                }
            }
        }
    }
    (uses, bad)
}

fn is_pin_option(name: &str) -> bool {
    let range = name.starts_with("analog_range_");
    name == "pin" || name == "pins" || name == "select_pins" || name.ends_with("_pin") && !range
}

/// Aliases of `[board_pins]`: (chip, alias) to the pin.
fn aliases(view: &View<'_>) -> BTreeMap<(String, String), String> {
    let mut map = BTreeMap::new();
    for section in view.sections().filter(|s| s.name == "board_pins" || s.name.starts_with("board_pins ")) {
        let chips = section.option("mcu").map_or("mcu", |o| o.value.as_str());
        for option in section.options.iter().filter(|o| o.name.starts_with("aliases")) {
            for (name, pin) in option.value.split([',', '\n']).filter_map(|pair| pair.split_once('=')) {
                for chip in chips.split(',').map(str::trim) {
                    map.insert((chip.to_string(), name.trim().to_string()), pin.trim().to_string());
                }
            }
        }
    }
    map
}

fn is_virtual_chip(view: &View<'_>, chip: &str) -> bool {
    if ["probe", "multi_pin", "replicape"].contains(&chip) {
        return true;
    }
    if chip.starts_with("tmc") {
        return view.has(&chip.replacen('_', " ", 1));
    }
    view.sections().any(|s| {
        let (first, name) = s.name.split_once(' ').unwrap_or((&s.name, ""));
        let expander = matches!(first, "adc_scaled" | "ads1x1x" | "sx1509" | "load_cell" | "probe_eddy_current");
        expander && (name == chip || format!("{first}_{name}") == chip)
    })
}

pub(super) fn syntax_and_chips(view: &View<'_>, out: &mut Findings) {
    let (uses, bad) = uses(view);
    for (section, option, why) in bad {
        out.option(Error, "pin-syntax", section, option, why, "such as PA1, !PA1, ^!toolhead:PA1");
    }
    let chips: Vec<&str> = view.sections().filter_map(|s| mcu_name(&s.name)).collect();
    let aliases = aliases(view);
    for Use { section, option, pin } in uses {
        if !chips.contains(&pin.chip.as_str()) {
            if !is_virtual_chip(view, &pin.chip) && pin.chip != "mcu" {
                let help = match nearest(&pin.chip, chips.iter().copied()) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("add an [mcu {}] section, or a section that makes this chip", pin.chip),
                };
                out.option(
                    Error,
                    "pin-chip-unknown",
                    section,
                    option,
                    format!("Unknown pin chip name '{}'", pin.chip),
                    help,
                );
            }
            continue;
        }
        if aliases.contains_key(&(pin.chip.clone(), pin.pin.clone())) {
            continue;
        }
        let mcu = if pin.chip == "mcu" { "mcu".to_string() } else { format!("mcu {}", pin.chip) };
        let family = view.text(&mcu, "serial").and_then(Family::of);
        let known = match family {
            Some(family) => family.has_pin(&pin.pin),
            None => Family::ALL.iter().any(|f| f.has_pin(&pin.pin)),
        };
        if !known {
            let message = format!("Pin '{}' is not a valid pin name on mcu '{}'", pin.pin, pin.chip);
            let help = match family {
                Some(family) => format!("pins of this chip are called {}", family.form()),
                None => {
                    "pins are called PA1, P1.20, gpio3 or ar5, by the kind of chip; or define it in [board_pins]".into()
                }
            };
            out.option(Error, "pin-unknown", section, option, message, help);
        }
    }
}

fn mcu_name(section: &str) -> Option<&str> {
    if section == "mcu" { Some("mcu") } else { section.strip_prefix("mcu ").map(str::trim) }
}

/// Whether Klipper lets these two share a pin.
fn may_share(a: &Use<'_>, b: &Use<'_>) -> bool {
    let name = a.option.name.as_str();
    let same_option = name == b.option.name;
    let bus = name.starts_with("spi_software_") || name.starts_with("i2c_software_");
    let uart = ["uart_pin", "tx_pin", "select_pins", "enable_pin"].contains(&name);
    // Buttons on one analog input are told apart by their voltages.
    let is_analog = |u: &Use<'_>| u.section.option(&format!("analog_range_{}", u.option.name)).is_some();
    let ladder = is_analog(a) && is_analog(b);
    let chain = name == "cs_pin" && a.section.option("chain_position").is_some();
    let letters = |s: &str| s.trim_end_matches(|c: char| c.is_ascii_digit()).to_string();
    let same_rail = name == "endstop_pin" && letters(&a.section.name) == letters(&b.section.name);
    ladder || (same_option && (uart || chain || same_rail)) || (bus && b.option.name.contains("_software_"))
}

pub(super) fn used_twice(view: &View<'_>, out: &mut Findings) {
    let aliases = aliases(view);
    let real = |pin: &PinDesc| {
        let key = (pin.chip.clone(), pin.pin.clone());
        aliases.get(&key).cloned().unwrap_or(key.1)
    };
    let allowed: Vec<(String, String)> = view
        .text("duplicate_pin_override", "pins")
        .into_iter()
        .flat_map(|pins| pins.split([',', '\n']))
        .filter_map(|p| PinDesc::parse(p, true, true).ok())
        .map(|p| (p.chip.clone(), real(&p)))
        .collect();
    let mut first: BTreeMap<(String, String), Use<'_>> = BTreeMap::new();
    for item in uses(view).0 {
        let key = (item.pin.chip.clone(), real(&item.pin));
        if allowed.contains(&key) || is_virtual_chip(view, &key.0) || key.1 == "ADC_TEMPERATURE" {
            continue;
        }
        let Some(earlier) = first.get(&key) else {
            first.insert(key, item);
            continue;
        };
        if !may_share(earlier, &item) {
            let message = format!("pin {} used multiple times in config", item.pin.pin);
            let (section, option, place) = (&earlier.section.name, &earlier.option.name, &earlier.option.value_place);
            let help = format!("it is also the {option} of [{section}] at {place}");
            out.option(Error, "pin-used-twice", item.section, item.option, message, help);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_known_by_their_chip() {
        for (family, good, bad) in [
            (Family::Stm32, "PG15", "PA16"),
            (Family::Rp2, "gpio29", "PA1"),
            (Family::Lpc176x, "P1.29", "P5.1"),
            (Family::Avr, "PH4", "PH9"),
            (Family::Sam, "PB31", "PB32"),
            (Family::Linux, "gpiochip0/gpio25", "PA1"),
            (Family::Linux, "gpio1_28", "gpio4_1"),
        ] {
            assert!(family.has_pin(good), "{good}");
            assert!(!family.has_pin(bad), "{bad}");
        }
        assert_eq!(Family::of("/dev/serial/by-id/usb-Klipper_stm32f446xx_1-if00"), Some(Family::Stm32));
        assert_eq!(Family::of("/dev/ttyUSB0"), None);
    }
}
