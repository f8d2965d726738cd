//! TMC2209: single-wire UART with four addresses, StallGuard4 and CoolStep.
//!
//! # Source        Trinamic TMC2209 data sheet rev. 1.09, section 5 (registers), sections 6 to 11 (start values)
//! # Checked by    model::tests, current::tests

use super::current::CurrentLaw;
use super::model::{BusKind, Field, Model, Stall, bits, joined};
use super::tmc2208;

const MORE_REGISTERS: [(&str, u8); 4] =
    [("TCOOLTHRS", 0x14), ("SGTHRS", 0x40), ("SG_RESULT", 0x41), ("COOLCONF", 0x42)];

const REGISTERS: &[(&str, u8)] =
    &joined::<_, { tmc2208::REGISTERS.len() + MORE_REGISTERS.len() }>(tmc2208::REGISTERS, &MORE_REGISTERS);

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

const MORE_OPTIONS: [(&str, i64); 6] =
    [("sgthrs", 0), ("semin", 0), ("seup", 0), ("semax", 0), ("sedn", 0), ("seimin", 0)];

const OPTIONS: &[(&str, i64)] =
    &joined::<_, { MORE_OPTIONS.len() + tmc2208::OPTIONS.len() }>(&MORE_OPTIONS, tmc2208::OPTIONS);

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
