//! TMC2209: single-wire UART with four addresses, StallGuard4 and CoolStep.
//!
//! # Source        Trinamic TMC2209 data sheet rev. 1.09, section 5 (registers), sections 6 to 11 (start values)
//! # Checked by    model::tests, current::tests

use super::current::CurrentLaw;
use super::model::{BusKind, Field, Model, Stall, bits};
use super::tmc2208;

const REGISTERS: &[(&str, u8)] = &{
    let mut all = [("", 0_u8); tmc2208::REGISTERS.len() + 4];
    let mut i = 0;
    while i < tmc2208::REGISTERS.len() {
        all[i] = tmc2208::REGISTERS[i];
        i += 1;
    }
    all[i] = ("TCOOLTHRS", 0x14);
    all[i + 1] = ("SGTHRS", 0x40);
    all[i + 2] = ("SG_RESULT", 0x41);
    all[i + 3] = ("COOLCONF", 0x42);
    all
};

const MORE_FIELDS: &[Field] = &[
    bits("tcoolthrs", 0x14, 0, 19),
    bits("sgthrs", 0x40, 0, 7),
    bits("sg_result", 0x41, 0, 9),
    bits("semin", 0x42, 0, 3),
    bits("seup", 0x42, 5, 6),
    bits("semax", 0x42, 8, 11),
    bits("sedn", 0x42, 13, 14),
    bits("seimin", 0x42, 15, 15),
];

const OPTIONS: &[(&str, i64)] = &{
    let more = [("sgthrs", 0), ("semin", 0), ("seup", 0), ("semax", 0), ("sedn", 0), ("seimin", 0)];
    let mut all = [("", 0); tmc2208::OPTIONS.len() + 6];
    let mut i = 0;
    while i < all.len() {
        all[i] = if i < more.len() { more[i] } else { tmc2208::OPTIONS[i - more.len()] };
        i += 1;
    }
    all
};

pub static MODEL: Model = Model {
    name: "tmc2209",
    bus: BusKind::Uart { addresses: 4 },
    registers: REGISTERS,
    fields: &[tmc2208::FIELDS, MORE_FIELDS],
    queried: &[
        "GSTAT",
        "IOIN",
        "TSTEP",
        "SG_RESULT",
        "MSCNT",
        "MSCURACT",
        "DRV_STATUS",
        "FACTORY_CONF",
        "PWM_SCALE",
        "PWM_AUTO",
    ],
    current: CurrentLaw::SenseGain { full_scale_v: [0.325, 0.180] },
    default_sense_ohm: 0.110,
    fixed: tmc2208::FIXED,
    options: OPTIONS,
    stealth: ("en_spreadcycle", 0),
    stall: Stall::StealthOnly,
    gstat_clears_on_read: false,
};
