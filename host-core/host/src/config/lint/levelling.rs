//! Probe, mesh and homing: do they go together, and can the nozzle get there?

use super::{Findings, Severity::Error, Severity::Warning, View, float, float_in, pair};
use crate::config::parse::RawSection;

/// The section of the Z probe.
fn probe_section<'c>(view: &View<'c>) -> Option<&'c RawSection> {
    let alone = ["probe", "bltouch", "smart_effector", "load_cell_probe"];
    alone.iter().find_map(|name| view.section(name)).or_else(|| view.with_prefix("probe_eddy_current ").next())
}

/// Travel of an axis; `None` on machines whose axes are no straight rails.
fn travel(view: &View<'_>, axis: &str) -> Option<(f64, f64)> {
    let section = view.section(axis)?;
    Some((float_in(section, "position_min").unwrap_or(0.0), float_in(section, "position_max")?))
}

fn is_delta(view: &View<'_>) -> bool {
    view.text("printer", "kinematics").is_some_and(|k| k.contains("delta"))
}

pub(super) fn probe(view: &View<'_>, out: &mut Findings) {
    let probe = probe_section(view);
    for section in view.sections() {
        let Some(option) = section.option("endstop_pin") else { continue };
        if option.value.contains("z_virtual_endstop") && probe.is_none() {
            let message = format!("[{}] uses the probe as its endstop, but there is no probe", section.name);
            out.option(Error, "probe-missing", section, option, message, "add a [probe] or [bltouch] section");
        }
        if option.value.contains("z_virtual_endstop")
            && let Some(endstop) = section.option("position_endstop")
        {
            let message =
                format!("position_endstop of [{}] has no meaning when the probe is the endstop", section.name);
            out.option(Error, "endstop-position", section, endstop, message, "remove it; z_offset of the probe counts");
        }
    }
    let wants = ["z_tilt", "quad_gantry_level", "screws_tilt_adjust", "bed_tilt"];
    for section in wants.iter().filter_map(|name| view.section(name)).filter(|_| probe.is_none()) {
        let message = format!("[{}] needs a probe, and there is none", section.name);
        out.section(Error, "probe-missing", section, message, "add a [probe] or [bltouch] section");
    }
    for (name, limit) in [("x_offset", 150.0), ("y_offset", 150.0), ("z_offset", 30.0)] {
        let Some(section) = probe else { return };
        let Some((option, offset)) = section.option(name).and_then(|o| Some((o, float(o)?))) else { continue };
        if offset.abs() > limit {
            let message = format!("{name} {offset} mm of [{}] is further than a probe can be", section.name);
            out.option(Warning, "probe-offset", section, option, message, "is a point missing in the number?");
        }
    }
}

pub(super) fn mesh(view: &View<'_>, out: &mut Findings) {
    let Some(section) = view.section("bed_mesh") else { return };
    let Some(probe) = probe_section(view) else {
        let message = "[bed_mesh] without a probe: each point has to be measured by hand";
        return out.section(Warning, "mesh-without-probe", section, message, "add a [probe], or take [bed_mesh] out");
    };
    if let Some(option) = section.option("probe_count") {
        let counts: Vec<Option<f64>> = option.value.split(',').map(|p| p.trim().parse().ok()).collect();
        if counts.iter().any(|c| c.is_none_or(|c| c < 3.0)) {
            let message = "probe_count must have minimum of 3 in each direction";
            out.option(Error, "mesh-points", section, option, message, "5, 5 is usual");
        }
    }
    if is_delta(view) {
        return mesh_on_delta(view, section, out);
    }
    let offsets = [float_in(probe, "x_offset").unwrap_or(0.0), float_in(probe, "y_offset").unwrap_or(0.0)];
    let (min, max) = (section.option("mesh_min"), section.option("mesh_max"));
    for (name, option) in [("mesh_min", min), ("mesh_max", max)] {
        if option.is_none() && section.option("mesh_radius").is_none() {
            let message = format!("Option '{name}' in section 'bed_mesh' must be specified");
            out.section(Error, "option-missing", section, message, format!("add '{name}: x, y'"));
        }
    }
    if let (Some(low), Some(high), Some(option)) = (min.and_then(pair), max.and_then(pair), max)
        && (low[0] >= high[0] || low[1] >= high[1])
    {
        let message = "mesh_max must be above mesh_min in both directions";
        out.option(
            Error,
            "mesh-points",
            section,
            option,
            message,
            "mesh_min is the corner with the smaller coordinates",
        );
    }
    for option in [min, max].into_iter().flatten() {
        let Some(corner) = pair(option) else { continue };
        for (axis, name) in ["stepper_x", "stepper_y"].into_iter().enumerate() {
            let Some((from, to)) = travel(view, name) else { continue };
            let nozzle = corner[axis] - offsets[axis];
            if nozzle < from - 1e-6 || nozzle > to + 1e-6 {
                let letter = ["X", "Y"][axis];
                let message = format!(
                    "{} {} is beyond reach: with the probe at offset {}, the nozzle would be at {letter} {nozzle:.2}, \
                     and {name} goes from {from} to {to}",
                    option.name, option.value, offsets[axis]
                );
                let help = format!(
                    "{letter} of {} must be from {:.2} to {:.2}",
                    option.name,
                    from + offsets[axis],
                    to + offsets[axis]
                );
                out.option(Error, "mesh-beyond-reach", section, option, message, help);
            }
        }
    }
}

fn mesh_on_delta(view: &View<'_>, section: &RawSection, out: &mut Findings) {
    let radius = view.float("printer", "print_radius").or_else(|| view.float("printer", "delta_radius"));
    if let (Some(option), Some(radius)) = (section.option("mesh_radius"), radius)
        && float(option).is_some_and(|r| r > radius)
    {
        let message = format!("mesh_radius {} is beyond reach: the printer's radius is {radius}", option.value);
        out.option(Error, "mesh-beyond-reach", section, option, message, "make it smaller");
    }
}

pub(super) fn homing(view: &View<'_>, out: &mut Findings) {
    let home = view.section("safe_z_home").and_then(|s| s.option("home_xy_position").map(|o| (s, o)));
    if let Some((section, option)) = home
        && let Some(position) = pair(option)
    {
        for (axis, name) in ["stepper_x", "stepper_y"].into_iter().enumerate() {
            let Some((from, to)) = travel(view, name).filter(|_| !is_delta(view)) else { continue };
            if !(from..=to).contains(&position[axis]) {
                let message =
                    format!("home_xy_position {} is out of range: {name} goes from {from} to {to}", option.value);
                out.option(Error, "home-position", section, option, message, "the middle of the bed is usual");
            }
        }
    }
    if let (Some(section), true) = (view.section("safe_z_home"), view.has("homing_override")) {
        let message = "homing_override and safe_z_home cannot be used simultaneously";
        out.section(Error, "homing-twice", section, message, "keep one of the two");
    }
    let virtual_endstop = view.text("stepper_z", "endstop_pin").is_some_and(|p| p.contains("z_virtual_endstop"));
    let offsets = probe_section(view)
        .map(|p| (p, float_in(p, "x_offset").unwrap_or(0.0), float_in(p, "y_offset").unwrap_or(0.0)));
    if let Some((probe, x, y)) = offsets
        && virtual_endstop
        && (x != 0.0 || y != 0.0)
        && home.is_none()
        && !view.has("homing_override")
    {
        let message = format!(
            "Z homes with [{}] and there is no [safe_z_home]: after G28 X Y the probe may be beside the bed",
            probe.name
        );
        out.section(Warning, "safe-home-missing", probe, message, "add [safe_z_home] with home_xy_position");
    }
}
