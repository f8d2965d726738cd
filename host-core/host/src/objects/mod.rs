//! One feature a file: the objects that sections of printer.cfg make. Listed in [`crate::printer::sections`].

pub mod adxl345;
pub mod bed_mesh;
pub mod bltouch;
pub mod configfile;
pub mod delayed_gcode;
pub mod display_status;
pub mod exclude_object;
pub mod firmware_retraction;
pub mod force_move;
pub mod gcode_arcs;
pub mod gcode_macro;
pub mod homing_override;
pub mod input_shaper;
pub mod manual_probe;
pub mod pause_resume;
pub mod print_stats;
pub mod probe;
pub mod resonance_tester;
pub mod respond;
pub mod safe_z_home;
pub mod save_variables;
pub mod session_status;
pub mod stepper_enable;
pub mod tmc;
pub mod tuning_tower;
pub mod virtual_sdcard;
