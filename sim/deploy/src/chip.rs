//! Chips by name, as people and configurations write them, and what probe-rs's registry knows of them.

use std::ops::Range;

use probe_rs::Target;
use probe_rs::config::{MemoryRegion, Registry};
use probe_rs_target::{FlashProperties, RawFlashAlgorithm};

use crate::stop::Stop;

/// So many names are shown where there are more.
const SHOWN: usize = 12;

pub struct Chip {
    pub target: Target,
    /// The family that it stands for, where no more was said.
    pub family: Option<String>,
    /// Where the name came from, for who reads the plan.
    pub source: String,
}

/// One sector, or page, of flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sector {
    pub address: u64,
    pub size: u64,
}

impl Chip {
    /// The chip that somebody named.
    pub fn by_name(registry: &Registry, name: &str, source: &str) -> Result<Chip, Stop> {
        match registry.get_target_by_name(name) {
            Ok(target) => Ok(Chip { target, family: None, source: source.to_string() }),
            Err(_) => Err(match (like(registry, name), near(registry, name)) {
                (names, _) if !names.is_empty() => Stop::usage(
                    format!("{name} is more than one chip ({})", shown(&names)),
                    "give one of them with --chip; the letters after the number are on the package",
                ),
                (_, names) if names.is_empty() => Stop::usage(
                    format!("probe-rs knows no chip {name}"),
                    "look at the marking on it, or take another --route",
                ),
                (_, names) => {
                    Stop::usage(format!("probe-rs knows no chip {name}"), format!("did you mean {}?", shown(&names)))
                }
            }),
        }
    }

    /// The chip that stands for a family in a dictionary or a serial path, such as stm32f407xx. Flash of a family begins
    /// alike, so the variant with the least of it is programmed as all of them are, and is the one that promises least.
    pub fn of_family(registry: &Registry, mcu: &str, source: &str) -> Option<Chip> {
        let targets = like(registry, mcu).into_iter().filter_map(|name| registry.get_target_by_name(name).ok());
        let target = targets.min_by_key(|t| (flash_size(t), t.name.clone()))?;
        let family = (!target.name.eq_ignore_ascii_case(mcu)).then(|| mcu.to_string());
        Some(Chip { target, family, source: source.to_string() })
    }

    /// As probe-rs calls it.
    pub fn name(&self) -> &str {
        &self.target.name
    }

    /// As far as it is known, for messages.
    pub fn shown(&self) -> &str {
        self.family.as_deref().unwrap_or(self.name())
    }

    /// May this chip run what was built for that `MCU`?
    pub fn runs(&self, mcu: &str) -> bool {
        stands_for(mcu, self.name())
    }

    /// Flash that the chip boots from, one range even where it has two banks.
    pub fn flash(&self) -> Range<u64> {
        flash(&self.target)
    }

    /// How the flash that holds the address is erased and written.
    pub fn algorithm(&self, address: u64) -> Option<&RawFlashAlgorithm> {
        let mut fit =
            self.target.flash_algorithms.iter().filter(|a| a.flash_properties.address_range.contains(&address));
        fit.clone().find(|a| a.default).or_else(|| fit.next())
    }

    /// What is erased to write a range.
    pub fn sectors(&self, range: &Range<u64>) -> Vec<Sector> {
        let Some(algorithm) = self.algorithm(range.start) else { return Vec::new() };
        sectors(&algorithm.flash_properties)
            .filter(|s| s.address < range.end && s.address + s.size > range.start)
            .collect()
    }

    pub fn ram(&self) -> impl Iterator<Item = (String, Range<u64>)> {
        self.target.memory_map.iter().filter_map(|region| match region {
            MemoryRegion::Ram(ram) if !ram.is_alias => {
                Some((ram.name.clone().unwrap_or_else(|| "RAM".into()), ram.range.clone()))
            }
            _ => None,
        })
    }
}

fn sectors(flash: &FlashProperties) -> impl Iterator<Item = Sector> {
    let base = flash.address_range.start;
    let mut next = base;
    std::iter::from_fn(move || {
        let size = flash.sectors.iter().rev().find(|s| s.size > 0 && base + s.address <= next)?.size;
        let sector = Sector { address: next, size };
        (next < flash.address_range.end).then(|| next += size)?;
        Some(sector)
    })
}

fn flash(target: &Target) -> Range<u64> {
    let boots = target.memory_map.iter().filter_map(|region| match region {
        MemoryRegion::Nvm(nvm) if nvm.is_boot_memory() => Some(nvm.range.clone()),
        _ => None,
    });
    boots.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0)
}

fn flash_size(target: &Target) -> u64 {
    let range = flash(target);
    range.end - range.start
}

/// Does a name with `x` for any character stand for that chip? Only the last `x`s of it may have nothing to stand for.
fn stands_for(pattern: &str, name: &str) -> bool {
    let pattern = pattern.trim_end_matches(['x', 'X']);
    pattern.len() <= name.len()
        && pattern.chars().zip(name.chars()).all(|(p, n)| p.eq_ignore_ascii_case(&'x') || p.eq_ignore_ascii_case(&n))
}

fn names(registry: &Registry) -> impl Iterator<Item = &String> {
    registry.families().iter().flat_map(|f| &f.variants).map(|chip| &chip.name)
}

/// Chips that a shortened name may mean.
fn like(registry: &Registry, pattern: &str) -> Vec<String> {
    let mut found: Vec<String> = names(registry).filter(|name| stands_for(pattern, name)).cloned().collect();
    found.sort();
    found
}

/// Chips whose names look like it: the longest beginning that some share, else few letters of difference.
fn near(registry: &Registry, name: &str) -> Vec<String> {
    // Eight letters name a family of ST's; fewer name half the registry.
    for length in (8..name.len()).rev() {
        let Some(beginning) = name.get(..length) else { continue };
        let found = like(registry, beginning);
        if !found.is_empty() {
            return found;
        }
    }
    let upper = name.to_uppercase();
    let distance = |other: &String| {
        let length = upper.len().max(4).min(other.len());
        strsim::damerau_levenshtein(&upper, &other.get(..length).unwrap_or(other).to_uppercase())
    };
    let mut all: Vec<(usize, &String)> = names(registry).map(|n| (distance(n), n)).filter(|(d, _)| *d <= 2).collect();
    all.sort();
    let best = all.first().map_or(0, |(d, _)| *d);
    all.into_iter().filter(|(d, _)| *d == best).map(|(_, n)| n.clone()).collect()
}

fn shown(names: &[String]) -> String {
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{}, and {more} more", names[..SHOWN].join(", ")),
        _ => names.join(", "),
    }
}

/// The chip family that a printer.cfg gives away: the by-id path of its serial port, else what its comments say of the
/// board. Answers with the name and the line that it stands in.
pub fn family_in(config: &str) -> Option<(String, usize)> {
    let lines = || config.lines().enumerate();
    let serial = lines().filter(|(_, l)| l.contains("/usb-")).find_map(|(n, l)| family_word(l).map(|w| (w, n + 1)));
    serial.or_else(|| {
        lines().filter(|(_, l)| l.trim_start().starts_with('#')).find_map(|(n, l)| family_word(l).map(|w| (w, n + 1)))
    })
}

/// The first word such as stm32f407xx or rp2040.
fn family_word(line: &str) -> Option<String> {
    let words = line.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_lowercase);
    words.into_iter().find(|w| {
        let stm32 = w.strip_prefix("stm32").is_some_and(|rest| {
            rest.len() >= 4
                && rest.starts_with(|c: char| c.is_ascii_alphabetic())
                && rest[1..4].chars().all(part_number)
        });
        stm32 || w.starts_with("rp2040")
    })
}

fn part_number(c: char) -> bool {
    c.is_ascii_digit() || ('a'..='c').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn klippers_names_stand_for_their_chips() {
        assert!(stands_for("stm32f407xx", "STM32F407VETx"));
        assert!(stands_for("stm32f401xc", "STM32F401RCTx") && !stands_for("stm32f401xc", "STM32F401RETx"));
        assert!(stands_for("rp2040", "RP2040") && !stands_for("stm32f446xx", "STM32F407VGTx"));
        assert!(!stands_for("STM32F407VGTx12", "STM32F407VGTx"));
    }

    #[test]
    fn a_printer_cfg_gives_its_chip_away_by_path_or_by_comment() {
        let path = "[mcu]\nserial: /dev/serial/by-id/usb-Klipper_stm32f407xx_1A-if00\n";
        assert_eq!(family_in(path), Some(("stm32f407xx".into(), 2)));
        let drydock = "[mcu]\nserial: /dev/serial/by-id/usb-Drydock_rp2040_E66-if00\n";
        assert_eq!(family_in(drydock), Some(("rp2040".into(), 2)));
        let comment = "# An Octopus; its chip is the STM32F446.\n[mcu]\nserial: /dev/ttyAMA0\n";
        assert_eq!(family_in(comment), Some(("stm32f446".into(), 1)));
        assert_eq!(family_in("[mcu]\nserial: /dev/ttyAMA0\n# stm32 of some kind\n"), None);
    }
}
