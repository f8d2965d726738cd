//! What a chip says of itself over the probe: its identity, and whether its flash may be read and written.
//!
//! ST's reference manuals (RM0090, RM0368, RM0383, RM0390): register DBGMCU_IDCODE, bits 11:0 the device id; register
//! FLASH_OPTCR, bits 15:8 the read protection, 0xaa for none and 0xcc for the one that nothing lifts. The RP2040 has
//! neither: its debug port answers to its own address alone, and it has no protection.

/// Where to look, and what must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silicon {
    pub idcode: u64,
    pub device_ids: &'static [u16],
    pub option_control: u64,
}

const STM32F4_IDCODE: u64 = 0xe004_2000;
const STM32F4_OPTION_CONTROL: u64 = 0x4002_3c14;

/// The beginning of a chip's name, and its device ids.
const STM32F4: &[(&str, &[u16])] = &[
    ("STM32F401?B", &[0x423]),
    ("STM32F401?C", &[0x423]),
    ("STM32F401?D", &[0x433]),
    ("STM32F401?E", &[0x433]),
    // Revision A of these says 0x411 (errata sheet ES0182, section 2.1.4).
    ("STM32F405", &[0x413, 0x411]),
    ("STM32F407", &[0x413, 0x411]),
    ("STM32F415", &[0x413, 0x411]),
    ("STM32F417", &[0x413, 0x411]),
    ("STM32F411", &[0x431]),
    ("STM32F412", &[0x441]),
    ("STM32F427", &[0x419]),
    ("STM32F429", &[0x419]),
    ("STM32F437", &[0x419]),
    ("STM32F439", &[0x419]),
    ("STM32F446", &[0x421]),
];

/// None where nothing is known that could be checked.
pub fn of(chip: &str) -> Option<Silicon> {
    let begins = |beginning: &str| {
        beginning.len() <= chip.len() && beginning.bytes().zip(chip.bytes()).all(|(b, c)| b == b'?' || b == c)
    };
    let (_, device_ids) = STM32F4.iter().find(|(beginning, _)| begins(beginning))?;
    Some(Silicon { idcode: STM32F4_IDCODE, device_ids, option_control: STM32F4_OPTION_CONTROL })
}

/// The chips that have this device id, for a message.
pub fn chips_with(device_id: u16) -> String {
    let names: Vec<&str> = STM32F4.iter().filter(|(_, ids)| ids.contains(&device_id)).map(|(name, _)| *name).collect();
    if names.is_empty() { "a chip that Drydock does not know".into() } else { names.join(", ").replace('?', "x") }
}

/// Read protection as FLASH_OPTCR has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    None,
    /// Lifted by erasing the whole chip.
    Level1,
    Level2,
}

pub fn protection(option_control: u32) -> Protection {
    match (option_control >> 8) & 0xff {
        0xaa => Protection::None,
        0xcc => Protection::Level2,
        _ => Protection::Level1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_one_number_may_be_different_silicon() {
        assert_eq!(of("STM32F401RCTx").unwrap().device_ids, [0x423]);
        assert_eq!(of("STM32F401RETx").unwrap().device_ids, [0x433]);
        assert_eq!(of("RP2040"), None);
        assert_eq!(chips_with(0x421), "STM32F446");
    }
}
