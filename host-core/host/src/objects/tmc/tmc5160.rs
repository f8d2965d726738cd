//! TMC5160: SPI, external transistors, current set by a global scaler.
//!
//! # Source        Trinamic TMC5160 data sheet rev. 1.18, section 6 (registers)
//! # Checked by    model::tests, current::tests

use super::current::CurrentLaw;
use super::model::{BusKind, Field, Model, Stall, bit, bits};
use super::tmc2130::{MICROSTEP_TABLE, SHARED_FIELDS};

const REGISTERS: &[(&str, u8)] = &[
    ("GCONF", 0x00),
    ("GSTAT", 0x01),
    ("IOIN", 0x04),
    ("SHORT_CONF", 0x09),
    ("DRV_CONF", 0x0a),
    ("GLOBALSCALER", 0x0b),
    ("IHOLD_IRUN", 0x10),
    ("TPOWERDOWN", 0x11),
    ("TSTEP", 0x12),
    ("TPWMTHRS", 0x13),
    ("TCOOLTHRS", 0x14),
    ("THIGH", 0x15),
    ("MSLUT0", 0x60),
    ("MSLUT1", 0x61),
    ("MSLUT2", 0x62),
    ("MSLUT3", 0x63),
    ("MSLUT4", 0x64),
    ("MSLUT5", 0x65),
    ("MSLUT6", 0x66),
    ("MSLUT7", 0x67),
    ("MSLUTSEL", 0x68),
    ("MSLUTSTART", 0x69),
    ("MSCNT", 0x6a),
    ("MSCURACT", 0x6b),
    ("CHOPCONF", 0x6c),
    ("COOLCONF", 0x6d),
    ("DRV_STATUS", 0x6f),
    ("PWMCONF", 0x70),
    ("PWM_SCALE", 0x71),
    ("PWM_AUTO", 0x72),
    ("LOST_STEPS", 0x73),
];

const OWN_FIELDS: &[Field] = &[
    bit("recalibrate", 0x00, 0),
    bit("faststandstill", 0x00, 1),
    bit("multistep_filt", 0x00, 3),
    bits("s2vs_level", 0x09, 0, 3),
    bits("s2gnd_level", 0x09, 8, 11),
    bits("shortfilter", 0x09, 16, 17),
    bit("shortdelay", 0x09, 18),
    bits("bbmtime", 0x0a, 0, 4),
    bits("bbmclks", 0x0a, 8, 11),
    bits("otselect", 0x0a, 16, 17),
    bits("drvstrength", 0x0a, 18, 19),
    bits("filt_isense", 0x0a, 20, 21),
    bits("globalscaler", 0x0b, 0, 7),
    bits("tpfd", 0x6c, 20, 23),
    bit("diss2vs", 0x6c, 31),
    bit("s2vsa", 0x6f, 12),
    bit("s2vsb", 0x6f, 13),
    bit("stealth", 0x6f, 14),
    bits("pwm_ofs", 0x70, 0, 7),
    bits("pwm_grad", 0x70, 8, 15),
    bits("pwm_freq", 0x70, 16, 17),
    bit("pwm_autoscale", 0x70, 18),
    bit("pwm_autograd", 0x70, 19),
    bits("freewheel", 0x70, 20, 21),
    bits("pwm_reg", 0x70, 24, 27),
    bits("pwm_lim", 0x70, 28, 31),
    bits("pwm_scale_sum", 0x71, 0, 7),
    bits("pwm_scale_auto", 0x71, 16, 24),
    bits("pwm_ofs_auto", 0x72, 0, 7),
    bits("pwm_grad_auto", 0x72, 16, 23),
    bits("lost_steps", 0x73, 0, 19),
];

const OWN_OPTIONS: [(&str, i64); 34] = [
    ("multistep_filt", 1),
    ("toff", 3),
    ("hstrt", 5),
    ("hend", 2),
    ("fd3", 0),
    ("tpfd", 4),
    ("chm", 0),
    ("tbl", 2),
    ("vhighfs", 0),
    ("vhighchm", 0),
    ("diss2g", 0),
    ("diss2vs", 0),
    ("semin", 0),
    ("seup", 0),
    ("semax", 0),
    ("sedn", 0),
    ("seimin", 0),
    ("sgt", 0),
    ("sfilt", 0),
    ("drvstrength", 0),
    ("bbmclks", 4),
    ("bbmtime", 0),
    ("filt_isense", 0),
    ("iholddelay", 6),
    ("tpowerdown", 10),
    ("pwm_ofs", 30),
    ("pwm_grad", 0),
    ("pwm_freq", 0),
    ("pwm_autoscale", 1),
    ("pwm_autograd", 1),
    ("freewheel", 0),
    ("pwm_reg", 4),
    ("pwm_lim", 12),
    ("otselect", 0),
];

const OPTIONS: &[(&str, i64)] = &{
    let mut all = [("", 0); MICROSTEP_TABLE.len() + OWN_OPTIONS.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = if i < OWN_OPTIONS.len() { OWN_OPTIONS[i] } else { MICROSTEP_TABLE[i - OWN_OPTIONS.len()] };
        i += 1;
    }
    all
};

pub static MODEL: Model = Model {
    name: "tmc5160",
    bus: BusKind::Spi,
    registers: REGISTERS,
    fields: &[SHARED_FIELDS, OWN_FIELDS],
    queried: &["GSTAT", "IOIN", "TSTEP", "MSCNT", "MSCURACT", "DRV_STATUS", "PWM_SCALE", "PWM_AUTO", "LOST_STEPS"],
    current: CurrentLaw::GlobalScaler { full_scale_v: 0.325 },
    default_sense_ohm: 0.075,
    fixed: &[],
    options: OPTIONS,
    stealth: ("en_pwm_mode", 1),
    stall: Stall::SpreadOnly,
    gstat_clears_on_read: false,
};
