//! BED_MESH_CALIBRATE, _PROFILE, _OUTPUT, _MAP, _CLEAR and _OFFSET.

use std::rc::Rc;

use super::settings::Settings;
use super::surface::{Probed, Surface};
use super::{BedMesh, adaptive};
use crate::gcode::{Command, CommandError, OwnedCommand};
use crate::objects::exclude_object::ExcludeObject;
use crate::objects::probe::{Approach, Probe, probe_points};
use crate::printer::Printer;
use crate::printer::dispatch::CommandResult;

pub fn register(printer: &Rc<Printer>, mesh: &Rc<BedMesh>) {
    let gcode = &printer.gcode;
    let me = mesh.clone();
    gcode.register_async("BED_MESH_CALIBRATE", "Perform Mesh Bed Leveling", move |printer, command| {
        let me = me.clone();
        async move { calibrate(&printer, &me, &command).await }
    });
    let me = mesh.clone();
    gcode.register("BED_MESH_PROFILE", "Bed Mesh Persistent Storage management", move |printer, command| {
        profile(printer, &me, command)
    });
    let me = mesh.clone();
    gcode.register("BED_MESH_OUTPUT", "Retrieve interpolated grid of probed z-points", move |printer, command| {
        let pgp = command.int("PGP").or(0)? != 0;
        output(printer, &me, pgp)
    });
    let me = mesh.clone();
    gcode.register("BED_MESH_MAP", "Serialize mesh and output to terminal", move |printer, _| {
        let Some(surface) = me.surface() else {
            printer.gcode.respond_info("Bed has not been probed");
            return Ok(());
        };
        let probed = &surface.probed;
        let pair = |p: [f64; 2]| format!("[{}, {}]", p[0], p[1]);
        printer.gcode.respond_raw(format!(
            "mesh_map_output {{\"mesh_min\": {}, \"mesh_max\": {}, \"z_positions\": {}}}",
            pair(probed.min_mm),
            pair(probed.max_mm),
            matrix_text(&probed.heights_mm)
        ));
        Ok(())
    });
    let me = mesh.clone();
    gcode.register("BED_MESH_CLEAR", "Clear the Mesh so no z-adjustment is made", move |printer, _| {
        me.set_surface(printer, None, "")
    });
    let me = mesh.clone();
    gcode.register("BED_MESH_OFFSET", "Add X/Y offsets to the mesh lookup", move |printer, command| {
        if me.surface().is_none() {
            printer.gcode.respond_info("No mesh loaded to offset");
            return Ok(());
        }
        let offsets = [command.float("X").optional()?, command.float("Y").optional()?];
        me.set_offsets(printer, offsets, command.float("ZFADE").optional()?);
        Ok(())
    });
}

fn matrix_text(rows: &[Vec<f64>]) -> String {
    let row = |row: &Vec<f64>| format!("[{}]", row.iter().map(|z| format!("{z}")).collect::<Vec<_>>().join(", "));
    format!("[{}]", rows.iter().map(row).collect::<Vec<_>>().join(", "))
}

fn output(printer: &Printer, mesh: &BedMesh, pgp: bool) -> CommandResult {
    if pgp {
        let grid = mesh.settings().grid().map_err(CommandError::new)?;
        let [dx, dy] = Probe::of(printer).map_or([0.0; 2], |p| [p.offset_mm()[0], p.offset_mm()[1]]);
        let mut lines = vec!["bed_mesh: generated points".to_string(), "Index |  Tool Adjusted  |   Probe".to_string()];
        for (i, [x, y]) in grid.places().into_iter().enumerate() {
            let tool = format!("({:.1}, {:.1})", x - dx, y - dy);
            lines.push(format!("  {i:<4}| {tool:<16}| ({x:.1}, {y:.1})"));
        }
        printer.gcode.respond_info(&lines.join("\n"));
        return Ok(());
    }
    let Some(surface) = mesh.surface() else {
        printer.gcode.respond_info("Bed has not been probed");
        return Ok(());
    };
    let rows = |matrix: &[Vec<f64>]| {
        let line = |row: &Vec<f64>| row.iter().map(|z| format!(" {z:.6}")).collect::<String>();
        matrix.iter().rev().map(line).collect::<Vec<_>>().join("\n")
    };
    let [x_count, y_count] = [surface.mesh_mm()[0].len(), surface.mesh_mm().len()];
    let probed = &surface.probed;
    printer.gcode.respond_info(&format!("Mesh Leveling Probed Z positions:\n{}", rows(&probed.heights_mm)));
    printer.gcode.respond_info(&format!(
        "Mesh X,Y: {x_count},{y_count}\nSearch Height: {}\nMesh Offsets: X={:.4}, Y={:.4}\nMesh Average: {:.2}\n\
         Mesh Range: min={:.4} max={:.4}\nInterpolation Algorithm: {}\nMeasured points:\n{}",
        mesh.settings().horizontal_move_z_mm,
        0.0,
        0.0,
        surface.average(),
        surface.range().0,
        surface.range().1,
        probed.algorithm.name(),
        rows(surface.mesh_mm())
    ));
    Ok(())
}

fn profile(printer: &Rc<Printer>, mesh: &BedMesh, command: &Command<'_>) -> CommandResult {
    for key in ["LOAD", "SAVE", "REMOVE"] {
        let Some(name) = command.get(key).map(str::trim) else { continue };
        if name.is_empty() {
            return Err(command.error(format!("Value for parameter '{key}' must be specified")));
        }
        return match key {
            "LOAD" => mesh.load_profile(printer, name),
            "SAVE" => mesh.save_profile(printer, name),
            _ => mesh.remove_profile(printer, name),
        };
    }
    printer.gcode.respond_info(&format!("Invalid syntax '{}'", command.raw()));
    Ok(())
}

async fn calibrate(printer: &Rc<Printer>, mesh: &Rc<BedMesh>, command: &OwnedCommand) -> CommandResult {
    let name = command.get("PROFILE").unwrap_or("default").trim().to_string();
    if name.is_empty() {
        return Err(command.error("Value for parameter 'PROFILE' must be specified"));
    }
    match command.get("METHOD").map(str::to_lowercase).as_deref() {
        None | Some("automatic") => {}
        Some(other) => return Err(command.error(format!("BED_MESH_CALIBRATE METHOD={other} is not supported yet"))),
    }
    let probe = Probe::of(printer);
    let probe =
        probe.ok_or_else(|| command.error("BED_MESH_CALIBRATE needs a probe: add a [probe] or [bltouch] section"))?;
    let (settings, name) = match command.int("ADAPTIVE").or(0)? {
        0 => (mesh.settings().with(command)?, name),
        _ => adapted(printer, mesh.settings().with(command)?, command, name)?,
    };
    mesh.set_surface(printer, None, "")?;
    let grid = settings.grid().map_err(CommandError::new)?;
    let mut places = grid.places();
    // A zero reference off the grid's area is a place of its own.
    let reference = settings.zero_reference_mm;
    let outside = |p: &[f64; 2]| (0..2).any(|i| p[i] < grid.min_mm[i] || p[i] > grid.max_mm[i]);
    let own_place = reference.filter(outside);
    places.extend(own_place);
    let approach = Approach { speed_mm_s: settings.speed_mm_s, horizontal_move_z_mm: settings.horizontal_move_z_mm };
    let probe_settings = probe.settings().with(command)?;
    let mut heights = probe_points(printer, &probe, &places, approach, probe_settings).await?;
    let own_height = own_place.and_then(|_| heights.pop());
    let heights_mm =
        grid.matrix(&heights).ok_or_else(|| command.error("bed_mesh: a row of the mesh has no probed place"))?;
    let mut surface = Surface::new(Probed {
        min_mm: grid.min_mm,
        max_mm: grid.max_mm,
        heights_mm,
        between: settings.between,
        algorithm: settings.algorithm,
        tension: settings.tension,
    });
    if let Some([x, y]) = reference {
        surface.set_zero(own_height.unwrap_or_else(|| surface.height(x, y)));
    }
    mesh.set_surface(printer, Some(surface), &name)?;
    printer.gcode.respond_info("Mesh Bed Leveling Complete");
    mesh.save_profile(printer, &name)
}

fn adapted(
    printer: &Printer,
    settings: Settings,
    command: &Command<'_>,
    name: String,
) -> Result<(Settings, String), CommandError> {
    let margin = command.float("ADAPTIVE_MARGIN").min(0.0).or(settings.adaptive_margin_mm)?;
    let Some(objects) = printer.lookup::<ExcludeObject>("exclude_object") else { return Ok((settings, name)) };
    let (count, corners) = objects.polygons();
    let Some((smaller, text)) = adaptive::shrink(&settings, count, &corners, margin) else {
        return Ok((settings, name));
    };
    printer.gcode.respond_info(&text);
    let lines = printer.gcode.lines_run();
    Ok((smaller, format!("adaptive-{lines:X}")))
}
