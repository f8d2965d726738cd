//! `[safe_z_home]`: Z is homed at a place where the probe or the endstop is over the bed.

use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::homing::home_axes;
use crate::printer::Printer;
use crate::printer::dispatch::CommandResult;

#[derive(Clone, Copy)]
struct Settings {
    home_xy_mm: [f64; 2],
    z_hop_mm: f64,
    z_hop_speed_mm_s: f64,
    speed_mm_s: f64,
    move_to_previous: bool,
}

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let xy = section.float_list("home_xy_position", 2).required()?;
    let settings = Settings {
        home_xy_mm: [xy[0], xy[1]],
        z_hop_mm: section.float("z_hop").or(0.0)?,
        z_hop_speed_mm_s: section.float("z_hop_speed").above(0.0).or(15.0)?,
        speed_mm_s: section.float("speed").above(0.0).or(50.0)?,
        move_to_previous: section.boolean("move_to_previous").or(false)?,
    };
    if printer.config.has_section("homing_override") {
        return Err(section.section_error("homing_override and safe_z_home cannot be used simultaneously"));
    }
    printer.gcode.rename("G28", "G28.0");
    printer.gcode.register_async("G28", "Home axes, Z at a safe place", move |printer, command| async move {
        let mut axes = ["X", "Y", "Z"].map(|axis| command.has(axis));
        if axes == [false; 3] {
            axes = [true; 3];
        }
        home(&printer, axes, settings).await
    });
    Ok(())
}

async fn home(printer: &Rc<Printer>, axes: [bool; 3], s: Settings) -> CommandResult {
    let toolhead = printer.toolhead().clone();
    let homed = toolhead.machine.homed();
    if s.z_hop_mm != 0.0 {
        let mut position = toolhead.position();
        if !homed[2] {
            // Where Z is nobody knows: go up from wherever that is, and forget it again.
            position[2] = 0.0;
            toolhead.set_position(position, [false, false, true]);
            toolhead.manual_move([None, None, Some(s.z_hop_mm), None], s.z_hop_speed_mm_s)?;
            toolhead.machine.clear_homed([false, false, true]);
        } else if position[2] < s.z_hop_mm {
            toolhead.manual_move([None, None, Some(s.z_hop_mm), None], s.z_hop_speed_mm_s)?;
        }
    }
    if axes[0] || axes[1] {
        home_axes(printer, [axes[0], axes[1], false]).await?;
    }
    if !axes[2] {
        return Ok(());
    }
    let homed = toolhead.machine.homed();
    if !(homed[0] && homed[1]) {
        return Err(CommandError::new("Must home X and Y axes first"));
    }
    let previous = toolhead.position();
    toolhead.manual_move([Some(s.home_xy_mm[0]), Some(s.home_xy_mm[1]), None, None], s.speed_mm_s)?;
    home_axes(printer, [false, false, true]).await?;
    if s.z_hop_mm != 0.0 {
        let z = toolhead.position()[2];
        if z < s.z_hop_mm {
            toolhead.manual_move([None, None, Some(s.z_hop_mm), None], s.z_hop_speed_mm_s)?;
        }
    }
    if s.move_to_previous {
        toolhead.manual_move([Some(previous[0]), Some(previous[1]), None, None], s.speed_mm_s)?;
    }
    Ok(())
}
