//! Boards whose bootloader takes the firmware from an SD card: what the file must be called, and where the bootloader
//! leaves room for it. Each row is what the notes at the head of the configuration that Klipper ships for that board say
//! (`source`, in `config/` of Klipper's sources). Those of the Octopus boards give the offset only; that they want
//! `firmware.bin` is what their users report, as for all boards of that maker. None of it was tried on a board. Only offsets that
//! `drydock firmware build` has are here.

pub struct Board {
    pub name: &'static str,
    pub title: &'static str,
    /// Chips that it was sold with, as a dictionary names them.
    pub chips: &'static [&'static str],
    /// The file's name on the card, with a folder where it wants one. `HASH` stands for the image's hash, where the
    /// bootloader passes over a name that it has seen.
    pub file: &'static str,
    /// Bytes of flash that the bootloader keeps.
    pub offset: u64,
    pub source: &'static str,
}

const KIB: u64 = 1024;

pub const BOARDS: &[Board] = &[
    Board {
        name: "btt-octopus",
        title: "BIGTREETECH Octopus",
        chips: &["stm32f446xx", "stm32f429xx"],
        file: "firmware.bin",
        offset: 32 * KIB,
        source: "generic-bigtreetech-octopus-v1.1.cfg",
    },
    Board {
        name: "btt-octopus-pro",
        title: "BIGTREETECH Octopus Pro v1.0",
        chips: &["stm32f446xx", "stm32f429xx"],
        file: "firmware.bin",
        offset: 32 * KIB,
        source: "generic-bigtreetech-octopus-pro-v1.0.cfg",
    },
    Board {
        name: "btt-skr-2",
        title: "BIGTREETECH SKR 2",
        chips: &["stm32f407xx", "stm32f429xx"],
        file: "firmware.bin",
        offset: 32 * KIB,
        source: "generic-bigtreetech-skr-2.cfg",
    },
    Board {
        name: "btt-skr-pro",
        title: "BIGTREETECH SKR Pro",
        chips: &["stm32f407xx"],
        file: "firmware.bin",
        offset: 32 * KIB,
        source: "generic-bigtreetech-skr-pro.cfg",
    },
    Board {
        name: "flyboard",
        title: "Flyboard FLYF407ZG",
        chips: &["stm32f407xx"],
        file: "firmware.bin",
        offset: 32 * KIB,
        source: "generic-flyboard.cfg",
    },
    Board {
        name: "mellow-fly-cdy-v3",
        title: "Mellow Fly-CDY-v3",
        chips: &["stm32f407xx"],
        file: "firmware.bin",
        offset: 32 * KIB,
        source: "generic-mellow-fly-cdy-v3.cfg",
    },
    Board {
        name: "mellow-fly-gemini",
        title: "Mellow Fly-Gemini",
        chips: &["stm32f405xx"],
        file: "firmware.bin",
        offset: 32 * KIB,
        source: "generic-mellow-fly-gemini-v2.cfg",
    },
    Board {
        name: "fysetc-cheetah-v2",
        title: "FYSETC Cheetah v2.0",
        chips: &["stm32f401xc"],
        file: "firmware.bin",
        offset: 32 * KIB,
        source: "generic-fysetc-cheetah-v2.0.cfg",
    },
    Board {
        name: "creality-ender3-s1",
        title: "Creality Ender 3 S1 with an STM32F401",
        chips: &["stm32f401xc"],
        file: "firmware.bin",
        offset: 64 * KIB,
        source: "printer-creality-ender3-s1-2021.cfg",
    },
    Board {
        name: "creality-ender5-s1",
        title: "Creality Ender 5 S1",
        chips: &["stm32f401xc"],
        file: "STM32F4_UPDATE/drydock-HASH.bin",
        offset: 64 * KIB,
        source: "printer-creality-ender5-s1-2023.cfg",
    },
    Board {
        name: "elegoo-neptune3-pro",
        title: "Elegoo Neptune 3 Pro",
        chips: &["stm32f401xc"],
        file: "ZNP_ROBIN_NANO.bin",
        offset: 32 * KIB,
        source: "printer-elegoo-neptune3-pro-2023.cfg",
    },
];

pub fn find(name: &str) -> Option<&'static Board> {
    BOARDS.iter().find(|board| board.name == name)
}

/// The table, for messages and help.
pub fn names() -> String {
    BOARDS.iter().map(|board| board.name).collect::<Vec<_>>().join(", ")
}
