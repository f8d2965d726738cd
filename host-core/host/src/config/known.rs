//! The names of Klipper's sections and options, for lint and for "did you mean".
//!
//! A name that is here but that this host does not build is refused as "not supported yet", never skipped; a name that
//! is not here is most likely misspelt.

use super::error::ConfigError;
use super::section::Section;
use super::suggest::nearest;

/// How often, and with what behind its name, a section may appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `[fan]`
    Alone,
    /// `[fan_generic NAME]`
    Named,
    /// `[adxl345]` and `[adxl345 NAME]`
    Either,
    /// `[extruder]`, `[extruder1]`
    Numbered,
    /// `[stepper_x]`, `[stepper_z1]`
    Suffixed,
}

/// One kind of section.
#[derive(Clone, Copy, Debug)]
pub struct KnownSection {
    pub name: &'static str,
    pub form: Form,
    /// Names of options; `screw#` stands for `screw1`, `screw2`..., `variable_*` for any that starts so, `*` for all.
    options: &'static [&'static str],
    /// Options that must be there.
    pub required: &'static str,
}

impl KnownSection {
    /// Whether `[section]` is of this kind.
    pub fn matches(&self, section: &str) -> bool {
        let (first, rest) = section.split_once(' ').map_or((section, ""), |(f, r)| (f, r.trim()));
        let tail = first.strip_prefix(self.name);
        match self.form {
            Form::Alone => first == self.name && rest.is_empty(),
            Form::Named => first == self.name && !rest.is_empty(),
            Form::Either => first == self.name,
            Form::Numbered => rest.is_empty() && tail.is_some_and(|t| t.bytes().all(|b| b.is_ascii_digit())),
            Form::Suffixed => rest.is_empty() && tail.is_some_and(|t| !t.is_empty()),
        }
    }

    pub fn options(&self) -> impl Iterator<Item = &'static str> {
        self.options.iter().flat_map(|group| group.split_whitespace())
    }

    pub fn has_option(&self, option: &str) -> bool {
        self.options().any(|pattern| option_matches(pattern, option))
    }

    /// The option that was perhaps meant.
    pub fn nearest_option(&self, option: &str) -> Option<&'static str> {
        nearest(option, self.options().filter(|o| !o.contains(['*', '#'])))
    }
}

fn option_matches(pattern: &str, option: &str) -> bool {
    if let Some(start) = pattern.strip_suffix('*') {
        return option.starts_with(start);
    }
    match pattern.split_once('#') {
        Some((start, end)) => {
            let number = option.strip_prefix(start).and_then(|o| o.strip_suffix(end));
            number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        }
        None => pattern == option,
    }
}

/// The kind of a section, if it is one of Klipper's.
pub fn known_section(section: &str) -> Option<&'static KnownSection> {
    SECTIONS.iter().find(|k| k.matches(section))
}

/// Why a section that nothing loads is refused.
pub fn unknown_section(section: &Section) -> ConfigError {
    let name = section.name();
    if known_section(name).is_some() {
        return section
            .section_error(format!("Section '{name}' is not supported yet"))
            .help("Drydock knows this section of Klipper's but has not built it; take it out for the simulation");
    }
    let error = section.section_error(format!("Section '{name}' is not a valid config section"));
    error.help(section_help(name))
}

/// The mend for a section whose name is not known.
pub fn section_help(name: &str) -> String {
    let first = name.split(' ').next().unwrap_or_default();
    if let Some((_, help)) = ELSEWHERE.iter().find(|(known, _)| *known == first) {
        return (*help).to_string();
    }
    if let Some(kind) = SECTIONS.iter().find(|k| k.name == first || k.name == name) {
        return match kind.form {
            Form::Named => format!("[{first}] needs a name behind it: [{first} my_name]"),
            _ => format!("write it as [{first}]"),
        };
    }
    match nearest(first, SECTIONS.iter().map(|k| k.name)) {
        Some(near) => format!("did you mean [{}]?", name.replacen(first, near, 1)),
        None => "check the name; section names are case-sensitive".to_string(),
    }
}

/// Sections of other programs, or of forks of Klipper, that find their way into printer.cfg.
const ELSEWHERE: &[(&str, &str)] = &[
    ("update_manager", "this belongs in moonraker.conf"),
    ("server", "this belongs in moonraker.conf"),
    ("authorization", "this belongs in moonraker.conf"),
    ("octoprint_compat", "this belongs in moonraker.conf"),
    ("history", "this belongs in moonraker.conf"),
    ("webcam", "this belongs in moonraker.conf"),
    ("danger_options", "this is an option of a fork of Klipper"),
    ("led_effect", "this is a plug-in for Klipper, which Drydock does not have"),
    ("shaketune", "this is a plug-in for Klipper, which Drydock does not have"),
    ("gcode_shell_command", "this is a plug-in for Klipper, which Drydock does not have"),
    ("timelapse", "this belongs in moonraker.conf"),
];

/// Options that Klipper has taken away: section, option, what to do.
pub const REMOVED: &[(&str, &str, &str)] = &[
    ("printer", "max_accel_to_decel", "use minimum_cruise_ratio: 0.5 (it is 1 - max_accel_to_decel / max_accel)"),
    ("stepper_", "step_distance", "use rotation_distance and microsteps"),
    ("extruder", "step_distance", "use rotation_distance and microsteps"),
    ("extruder", "shared_heater", "use an [extruder_stepper] section"),
    ("extruder", "pid_integral_max", "remove it"),
    ("heater_bed", "pid_integral_max", "remove it"),
    ("mcu", "pin_map", "use a [board_pins] section"),
    ("bed_mesh", "relative_reference_index", "use zero_reference_position: x, y"),
    ("endstop_phase", "phases", "use trigger_phase"),
    ("gcode_macro", "default_parameter_*", "use params.NAME|default(...) in the template"),
    ("tmc2130", "microsteps", "set microsteps in the stepper's section"),
    ("tmc2208", "microsteps", "set microsteps in the stepper's section"),
    ("tmc2209", "microsteps", "set microsteps in the stepper's section"),
    ("tmc5160", "microsteps", "set microsteps in the stepper's section"),
    ("output_pin", "static_value", "use [static_digital_output], or value and shutdown_value"),
    ("output_pin", "maximum_mcu_duration", "use [pwm_tool] for this"),
    ("resonance_tester", "min_freq_x", "use min_freq"),
];

/// The mend for an option that Klipper has taken away.
pub fn removed_option(section: &str, option: &str) -> Option<&'static str> {
    let first = section.split(' ').next().unwrap_or_default();
    let same = |name: &str| first == name || (name.ends_with('_') && first.starts_with(name));
    REMOVED.iter().find(|(s, o, _)| same(s) && option_matches(o, option)).map(|(.., help)| *help)
}

const STEPPER: &str = "step_pin dir_pin enable_pin rotation_distance microsteps full_steps_per_rotation gear_ratio \
    step_pulse_duration";
const RAIL: &str = "endstop_pin position_min position_max position_endstop homing_speed homing_retract_dist \
    homing_retract_speed second_homing_speed homing_positive_dir";
const I2C: &str = "i2c_address i2c_mcu i2c_bus i2c_speed i2c_software_scl_pin i2c_software_sda_pin";
const SPI: &str = "cs_pin spi_speed spi_bus spi_software_sclk_pin spi_software_mosi_pin spi_software_miso_pin";
const SENSOR: &str = "sensor_type sensor_pin pullup_resistor inline_resistor adc_voltage voltage_offset rtd_nominal_r \
    rtd_reference_r rtd_num_of_wires rtd_use_50hz_filter tc_type tc_use_50hz_filter tc_averaging_count sensor_mcu \
    sensor_path serial_no ds18_report_time sensor_list combination_method maximum_deviation min_temp max_temp \
    sensor_temperature# sensor_adc# htu21d_hold_master htu21d_resolution htu21d_report_time aht10_report_time \
    lm75_report_time sht3x_report_time bme280_* bmp* spi_speed spi_bus spi_software_sclk_pin spi_software_mosi_pin \
    spi_software_miso_pin";
const HEATER: &str = "heater_pin max_power smooth_time control pid_kp pid_ki pid_kd max_delta pwm_cycle_time \
    min_extrude_temp";
const FAN: &str = "pin max_power shutdown_speed cycle_time hardware_pwm kick_start_time off_below tachometer_pin \
    tachometer_ppr tachometer_poll_interval enable_pin";
const PROBE: &str = "x_offset y_offset z_offset speed samples sample_retract_dist lift_speed samples_result \
    samples_tolerance samples_tolerance_retries activate_gcode deactivate_gcode deactivate_on_each_sample";
const TMC: &str = "run_current hold_current interpolate sense_resistor stealthchop_threshold coolstep_threshold \
    high_velocity_threshold driver_*";
const TMC_UART: &str = "uart_pin tx_pin select_pins uart_address diag_pin";
const TMC_SPI: &str = "chain_position chain_length diag0_pin diag1_pin";
const LED_COLOURS: &str = "initial_red initial_green initial_blue initial_white";
const PWM_PIN: &str = "pin pwm value shutdown_value cycle_time hardware_pwm scale maximum_mcu_duration";
const POINTS: &str = "points speed horizontal_move_z";
const RUNOUT: &str = "pause_on_runout runout_gcode insert_gcode event_delay pause_delay debounce_delay switch_pin";

const fn known(
    name: &'static str,
    form: Form,
    options: &'static [&'static str],
    required: &'static str,
) -> KnownSection {
    KnownSection { name, form, options, required }
}

use Form::{Alone, Either, Named, Numbered, Suffixed};

pub const SECTIONS: &[KnownSection] = &[
    known("mcu", Either, &["serial baud canbus_uuid canbus_interface restart_method max_stepper_error"], ""),
    known(
        "printer",
        Alone,
        &[
            "kinematics max_velocity max_accel minimum_cruise_ratio square_corner_velocity max_z_velocity max_z_accel",
            "max_angular_velocity delta_radius minimum_z_position print_radius min_angle print_width slow_ratio shoulder_radius",
            "shoulder_height",
        ],
        "kinematics max_velocity max_accel",
    ),
    known(
        "stepper_",
        Suffixed,
        &[STEPPER, RAIL, "arm_length angle arm_x_length upper_arm_length lower_arm_length anchor_x anchor_y anchor_z"],
        "step_pin dir_pin rotation_distance microsteps",
    ),
    known("carriage", Named, &[RAIL, "axis"], ""),
    known("extra_carriage", Named, &[RAIL, "primary_carriage"], "primary_carriage"),
    known("stepper", Named, &[STEPPER, "carriages"], "carriages"),
    known("dual_carriage", Either, &[STEPPER, RAIL, "axis safe_distance primary_carriage"], ""),
    known(
        "extruder",
        Numbered,
        &[
            STEPPER,
            HEATER,
            SENSOR,
            "nozzle_diameter filament_diameter max_extrude_cross_section instantaneous_corner_velocity",
            "max_extrude_only_distance max_extrude_only_velocity max_extrude_only_accel pressure_advance",
            "pressure_advance_smooth_time",
        ],
        "nozzle_diameter filament_diameter heater_pin sensor_type control min_temp max_temp",
    ),
    known("heater_bed", Alone, &[HEATER, SENSOR], "heater_pin sensor_type control min_temp max_temp"),
    known(
        "bed_mesh",
        Alone,
        &[
            "speed horizontal_move_z mesh_radius mesh_origin mesh_min mesh_max probe_count round_probe_count fade_start",
            "fade_end fade_target split_delta_z move_check_distance mesh_pps algorithm bicubic_tension",
            "zero_reference_position faulty_region_#_min faulty_region_#_max adaptive_margin scan_overshoot",
        ],
        "",
    ),
    known(
        "bed_mesh",
        Named,
        &["version points min_x max_x min_y max_y x_count y_count mesh_x_pps mesh_y_pps algo tension"],
        "",
    ),
    known("bed_tilt", Alone, &[POINTS, "x_adjust y_adjust z_adjust"], ""),
    known(
        "bed_screws",
        Alone,
        &["screw# screw#_name screw#_fine_adjust horizontal_move_z probe_height speed probe_speed"],
        "",
    ),
    known("screws_tilt_adjust", Alone, &["screw# screw#_name speed horizontal_move_z screw_thread"], ""),
    known("z_tilt", Alone, &[POINTS, "z_positions retries retry_tolerance"], "z_positions points"),
    known(
        "quad_gantry_level",
        Alone,
        &[POINTS, "gantry_corners max_adjust retries retry_tolerance"],
        "gantry_corners points",
    ),
    known("skew_correction", Either, &["xy_skew xz_skew yz_skew"], ""),
    known(
        "z_thermal_adjust",
        Alone,
        &[SENSOR, I2C, "temp_coeff smooth_time z_adjust_off_above max_z_adjustment gcode_id"],
        "",
    ),
    known(
        "axis_twist_compensation",
        Alone,
        &[
            "speed horizontal_move_z calibrate_start_x calibrate_end_x calibrate_y calibrate_start_y calibrate_end_y",
            "calibrate_x z_compensations compensation_start_x compensation_end_x zy_compensations",
            "compensation_start_y compensation_end_y",
        ],
        "",
    ),
    known("safe_z_home", Alone, &["home_xy_position speed z_hop z_hop_speed move_to_previous"], "home_xy_position"),
    known("homing_override", Alone, &["gcode axes set_position_x set_position_y set_position_z"], "gcode"),
    known("endstop_phase", Either, &["endstop_accuracy trigger_phase endstop_align_zero"], ""),
    known("homing_heaters", Alone, &["steppers heaters"], ""),
    known("gcode_macro", Named, &["gcode rename_existing description variable_*"], "gcode"),
    known("delayed_gcode", Named, &["gcode initial_duration"], "gcode"),
    known("save_variables", Alone, &["filename"], "filename"),
    known("idle_timeout", Alone, &["gcode timeout"], ""),
    known("virtual_sdcard", Alone, &["path on_error_gcode"], "path"),
    known("sdcard_loop", Alone, &[], ""),
    known("force_move", Alone, &["enable_force_move"], ""),
    known("pause_resume", Alone, &["recover_velocity"], ""),
    known("firmware_retraction", Alone, &["retract_length retract_speed unretract_extra_length unretract_speed"], ""),
    known("gcode_arcs", Alone, &["resolution"], ""),
    known("respond", Alone, &["default_type default_prefix"], ""),
    known("exclude_object", Alone, &[], ""),
    known("display_status", Alone, &[], ""),
    known(
        "input_shaper",
        Alone,
        &[
            "shaper_freq_x shaper_freq_y shaper_freq_z shaper_type shaper_type_x shaper_type_y shaper_type_z",
            "damping_ratio_x damping_ratio_y damping_ratio_z",
        ],
        "",
    ),
    known("adxl345", Either, &[SPI, "axes_map rate"], "cs_pin"),
    known("lis2dw", Either, &[SPI, I2C, "axes_map rate"], ""),
    known("lis3dh", Either, &[SPI, I2C, "axes_map rate"], ""),
    known("bmi160", Either, &[SPI, I2C, "axes_map rate"], ""),
    known("mpu9250", Either, &[I2C, "axes_map rate"], ""),
    known("icm20948", Either, &[I2C, "axes_map rate"], ""),
    known(
        "resonance_tester",
        Alone,
        &[
            "probe_points accel_chip accel_chip_x accel_chip_y accel_chip_z max_smoothing move_speed min_freq max_freq",
            "max_freq_z accel_per_hz accel_per_hz_z hz_per_sec sweeping_accel sweeping_accel_z sweeping_period",
        ],
        "probe_points",
    ),
    known("board_pins", Either, &["mcu aliases aliases_*"], ""),
    known("duplicate_pin_override", Alone, &["pins"], "pins"),
    known("probe", Alone, &[PROBE, "pin"], "pin z_offset"),
    known(
        "bltouch",
        Alone,
        &[
            PROBE,
            "sensor_pin control_pin pin_move_time stow_on_each_sample probe_with_touch_mode",
            "pin_up_reports_not_triggered pin_up_touch_mode_reports_triggered set_output_mode",
        ],
        "sensor_pin control_pin z_offset",
    ),
    known("smart_effector", Alone, &[PROBE, "pin control_pin probe_accel recovery_time"], "pin"),
    known(
        "probe_eddy_current",
        Named,
        &[
            PROBE,
            I2C,
            "sensor_type frequency intb_pin max_sensor_hz calibrate reg_drive_current descend_z tap_threshold",
        ],
        "",
    ),
    known("load_cell", Either, &["*"], ""),
    known("load_cell_probe", Either, &["*"], ""),
    known("extruder_stepper", Named, &[STEPPER, "extruder pressure_advance pressure_advance_smooth_time"], ""),
    known("manual_stepper", Named, &[STEPPER, "velocity accel endstop_pin position_min position_max"], ""),
    known("verify_heater", Named, &["max_error check_gain_time hysteresis heating_gain"], ""),
    known("heater_generic", Named, &[HEATER, SENSOR, "gcode_id"], "heater_pin sensor_type control min_temp max_temp"),
    known("temperature_sensor", Named, &[SENSOR, I2C, "gcode_id"], "sensor_type"),
    known("temperature_probe", Named, &["*"], ""),
    known("temperature_combined", Named, &["*"], ""),
    known("thermistor", Named, &["temperature# resistance# beta"], "temperature1 resistance1"),
    known("adc_temperature", Named, &["temperature# voltage# resistance#"], ""),
    known("fan", Alone, &[FAN], "pin"),
    known("heater_fan", Named, &[FAN, "heater heater_temp fan_speed"], "pin"),
    known("controller_fan", Named, &[FAN, "fan_speed idle_timeout idle_speed heater stepper"], "pin"),
    known(
        "temperature_fan",
        Named,
        &[
            FAN,
            SENSOR,
            I2C,
            "control pid_kp pid_ki pid_kd max_delta pid_deriv_time target_temp max_speed min_speed gcode_id",
        ],
        "pin sensor_type control min_temp max_temp",
    ),
    known("fan_generic", Named, &[FAN], "pin"),
    known("led", Named, &[LED_COLOURS, "red_pin green_pin blue_pin white_pin cycle_time hardware_pwm"], ""),
    known("neopixel", Named, &[LED_COLOURS, "pin chain_count color_order"], "pin"),
    known("dotstar", Named, &[LED_COLOURS, "data_pin clock_pin chain_count"], "data_pin clock_pin"),
    known("pca9533", Named, &[LED_COLOURS, I2C], ""),
    known("pca9632", Named, &[LED_COLOURS, I2C, "color_order"], ""),
    known(
        "servo",
        Named,
        &["pin maximum_servo_angle minimum_pulse_width maximum_pulse_width initial_angle initial_pulse_width"],
        "pin",
    ),
    known(
        "gcode_button",
        Named,
        &["pin analog_range analog_pullup_resistor press_gcode release_gcode debounce_delay"],
        "pin",
    ),
    known("output_pin", Named, &[PWM_PIN], "pin"),
    known("pwm_tool", Named, &[PWM_PIN], "pin"),
    known("pwm_cycle_time", Named, &[PWM_PIN], "pin"),
    known("static_digital_output", Named, &["pins"], "pins"),
    known("static_pwm_clock", Named, &["pin frequency"], "pin"),
    known("multi_pin", Named, &["pins"], "pins"),
    known("tmc2130", Named, &[TMC, TMC_SPI, SPI], "cs_pin run_current"),
    known("tmc2208", Named, &[TMC, TMC_UART], "uart_pin run_current"),
    known("tmc2209", Named, &[TMC, TMC_UART], "uart_pin run_current"),
    known("tmc2240", Named, &[TMC, TMC_UART, TMC_SPI, SPI, "rref"], "run_current"),
    known("tmc2660", Named, &[TMC, SPI, "idle_current_percent"], "cs_pin run_current sense_resistor"),
    known("tmc5160", Named, &[TMC, TMC_SPI, SPI], "cs_pin run_current"),
    known("ad5206", Named, &["*"], ""),
    known("mcp4451", Named, &["*"], ""),
    known("mcp4728", Named, &["*"], ""),
    known("mcp4018", Named, &["*"], ""),
    known("display", Either, &["*"], "lcd_type"),
    known("display_data", Named, &["*"], ""),
    known("display_template", Named, &["*"], ""),
    known("display_glyph", Named, &["*"], ""),
    known("menu", Either, &["*"], ""),
    known("filament_switch_sensor", Named, &[RUNOUT], "switch_pin"),
    known("filament_motion_sensor", Named, &[RUNOUT, "detection_length extruder"], "switch_pin extruder"),
    known("tsl1401cl_filament_width_sensor", Alone, &["*"], ""),
    known("hall_filament_width_sensor", Alone, &["*"], ""),
    known("sx1509", Named, &[I2C], ""),
    known("samd_sercom", Named, &["sercom tx_pin rx_pin clk_pin"], ""),
    known("adc_scaled", Named, &["vref_pin vssa_pin smooth_time"], ""),
    known("ads1x1x", Named, &[I2C, "chip pga adc_voltage"], ""),
    known("replicape", Alone, &["*"], ""),
    known("palette2", Alone, &["*"], ""),
    known("angle", Named, &["*"], ""),
    known(
        "delta_calibrate",
        Alone,
        &["radius speed horizontal_move_z height# height#_pos manual_height# manual_height#_pos distance#*"],
        "",
    ),
];

/// Kinematics that Klipper has.
pub const KINEMATICS: &[&str] = &[
    "cartesian",
    "corexy",
    "corexz",
    "hybrid_corexy",
    "hybrid_corexz",
    "generic_cartesian",
    "delta",
    "deltesian",
    "rotary_delta",
    "polar",
    "winch",
    "none",
];

/// Temperature sensors that Klipper has, beside those of `[thermistor]` and `[adc_temperature]` sections.
pub const SENSOR_TYPES: &[&str] = &[
    "EPCOS 100K B57560G104F",
    "ATC Semitec 104GT-2",
    "ATC Semitec 104NT-4-R025H42G",
    "Generic 3950",
    "Honeywell 100K 135-104LAG-J01",
    "NTC 100K MGB18-104F39050L32",
    "SliceEngineering 450",
    "TDK NTCG104LH104JT1",
    "NTC 100K beta 3950",
    "PT100 INA826",
    "PT1000",
    "AD595",
    "AD597",
    "AD8494",
    "AD8495",
    "AD8496",
    "AD8497",
    "MAX6675",
    "MAX31855",
    "MAX31856",
    "MAX31865",
    "BMP180",
    "BMP280",
    "BMP388",
    "BME280",
    "BME680",
    "AHT10",
    "AHT15",
    "AHT20",
    "AHT21",
    "HTU21D",
    "SI7013",
    "SI7020",
    "SI7021",
    "SHT21",
    "SHT3X",
    "LM75",
    "DS18B20",
    "temperature_mcu",
    "temperature_host",
    "temperature_combined",
];

/// Commands that Klipper's documentation lists, without macros.
pub const COMMANDS: &str = "G0 G1 G2 G3 G4 G10 G11 G17 G18 G19 G20 G21 G28 G90 G91 G92 M18 M20 M21 M23 M24 M25 M26 M27 \
    M73 M82 M83 M84 M104 M105 M106 M107 M109 M110 M112 M114 M115 M117 M118 M119 M140 M190 M204 M220 M221 M400 \
    ACCELEROMETER_MEASURE ACCELEROMETER_QUERY ACCELEROMETER_DEBUG_READ ACCELEROMETER_DEBUG_WRITE ANGLE_CALIBRATE \
    ANGLE_CHIP_CALIBRATE ANGLE_DEBUG_READ ANGLE_DEBUG_WRITE AXIS_TWIST_COMPENSATION_CALIBRATE BED_MESH_CALIBRATE \
    BED_MESH_OUTPUT BED_MESH_MAP BED_MESH_CLEAR BED_MESH_PROFILE BED_MESH_OFFSET BED_SCREWS_ADJUST BED_TILT_CALIBRATE \
    BLTOUCH_DEBUG BLTOUCH_STORE SAVE_CONFIG UPDATE_DELAYED_GCODE DELTA_CALIBRATE DELTA_ANALYZE SET_DISPLAY_GROUP \
    SET_DISPLAY_TEXT SET_DUAL_CARRIAGE SAVE_DUAL_CARRIAGE_STATE RESTORE_DUAL_CARRIAGE_STATE ENDSTOP_PHASE_CALIBRATE \
    EXCLUDE_OBJECT EXCLUDE_OBJECT_DEFINE EXCLUDE_OBJECT_START EXCLUDE_OBJECT_END ACTIVATE_EXTRUDER \
    SET_PRESSURE_ADVANCE SET_EXTRUDER_ROTATION_DISTANCE SYNC_EXTRUDER_MOTION SET_FAN_SPEED QUERY_FILAMENT_SENSOR \
    SET_FILAMENT_SENSOR SET_RETRACTION GET_RETRACTION STEPPER_BUZZ FORCE_MOVE SET_KINEMATIC_POSITION RESTART \
    FIRMWARE_RESTART STATUS HELP SET_GCODE_VARIABLE GET_POSITION SET_GCODE_OFFSET SAVE_GCODE_STATE \
    RESTORE_GCODE_STATE SET_STEPPER_CARRIAGES TURN_OFF_HEATERS TEMPERATURE_WAIT SET_HEATER_TEMPERATURE \
    SET_IDLE_TIMEOUT SET_INPUT_SHAPER SET_LED SET_LED_TEMPLATE LOAD_CELL_DIAGNOSTIC LOAD_CELL_CALIBRATE \
    LOAD_CELL_TARE LOAD_CELL_READ LOAD_CELL_TEST_TAP MANUAL_PROBE ACCEPT ABORT TESTZ ADJUSTED Z_ENDSTOP_CALIBRATE \
    Z_OFFSET_APPLY_ENDSTOP MANUAL_STEPPER SET_DIGIPOT SET_PIN PAUSE RESUME CLEAR_PAUSE CANCEL_PRINT PID_CALIBRATE \
    SET_PRINT_STATS_INFO PROBE QUERY_PROBE PROBE_ACCURACY PROBE_CALIBRATE Z_OFFSET_APPLY_PROBE \
    PROBE_EDDY_CURRENT_CALIBRATE LDC_CALIBRATE_DRIVE_CURRENT QUAD_GANTRY_LEVEL Z_TILT_ADJUST QUERY_ADC \
    QUERY_ENDSTOPS MEASURE_AXES_NOISE TEST_RESONANCES SHAPER_CALIBRATE RESPOND SAVE_VARIABLE SCREWS_TILT_CALCULATE \
    SDCARD_LOOP_BEGIN SDCARD_LOOP_END SDCARD_LOOP_DESIST SET_SERVO SET_SKEW GET_CURRENT_SKEW CALC_MEASURED_SKEW \
    SKEW_PROFILE SET_SMART_EFFECTOR RESET_SMART_EFFECTOR SET_STEPPER_ENABLE SET_TEMPERATURE_FAN_TARGET \
    TEMPERATURE_PROBE_CALIBRATE TEMPERATURE_PROBE_NEXT TEMPERATURE_PROBE_COMPLETE TEMPERATURE_PROBE_ENABLE DUMP_TMC \
    INIT_TMC SET_TMC_CURRENT SET_TMC_FIELD SET_VELOCITY_LIMIT TUNING_TOWER SDCARD_PRINT_FILE SDCARD_RESET_FILE \
    SET_Z_THERMAL_ADJUST PALETTE_CONNECT PALETTE_DISCONNECT PALETTE_CLEAR PALETTE_CUT PALETTE_SMART_LOAD \
    QUERY_FILAMENT_WIDTH RESET_FILAMENT_WIDTH_SENSOR DISABLE_FILAMENT_WIDTH_SENSOR ENABLE_FILAMENT_WIDTH_SENSOR \
    QUERY_RAW_FILAMENT_WIDTH ENABLE_FILAMENT_WIDTH_LOG DISABLE_FILAMENT_WIDTH_LOG ECHO IGNORE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_options_are_recognised() {
        for name in ["stepper_z1", "extruder", "extruder2", "adxl345", "adxl345 hotend", "bed_mesh", "bed_mesh default"]
        {
            assert!(known_section(name).is_some(), "{name}");
        }
        for name in ["stepper_", "extruderx", "fan part", "heater_fan", "Extruder", "stepper_x 1"] {
            assert!(known_section(name).is_none(), "{name}");
        }
        let screws = known_section("screws_tilt_adjust").unwrap();
        assert!(screws.has_option("screw12_name") && !screws.has_option("screw_name"));
        assert!(known_section("gcode_macro A").unwrap().has_option("variable_anything"));
        assert_eq!(known_section("stepper_x").unwrap().nearest_option("rotaton_distance"), Some("rotation_distance"));
        assert!(removed_option("stepper_x", "step_distance").is_some());
        assert!(removed_option("printer", "max_accel").is_none());
    }

    #[test]
    fn unknown_sections_get_a_mend() {
        assert_eq!(section_help("extuder"), "did you mean [extruder]?");
        assert_eq!(section_help("heater_fan"), "[heater_fan] needs a name behind it: [heater_fan my_name]");
        assert_eq!(section_help("gcode_marco A"), "did you mean [gcode_macro A]?");
        assert_eq!(section_help("update_manager mainsail"), "this belongs in moonraker.conf");
    }
}
