//! `[homing_override]`: the user's own G-code instead of homing.

use std::cell::Cell;
use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::macros::{Context, Template};
use crate::printer::Printer;
use crate::template::run_actions;

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let mut start = [None; 3];
    for (axis, option) in ["set_position_x", "set_position_y", "set_position_z"].iter().enumerate() {
        start[axis] = section.float(option).optional()?;
    }
    let axes = section.text("axes").or("XYZ")?.to_uppercase();
    let template = Rc::new(Template::compile(&format!("{}:gcode", section.name()), &section.gcode_required("gcode")?)?);
    let running = Rc::new(Cell::new(false));
    printer.gcode.rename("G28", "G28.0");
    printer.gcode.register_async("G28", "Home axes, by the user's own G-code", move |printer, command| {
        let (template, running, axes) = (template.clone(), running.clone(), axes.clone());
        async move {
            let plain = |printer: Rc<Printer>, line: String| async move {
                printer.gcode.run_script_from_command(&printer, &line).await
            };
            let raw = format!("G28.0 {}", command.raw_params());
            if running.get() {
                // The override's own G28 is the real one.
                return plain(printer, raw).await;
            }
            let named = ["X", "Y", "Z"].iter().any(|a| command.has(a));
            let concerned = ["X", "Y", "Z"].iter().any(|a| axes.contains(a) && (!named || command.has(a)));
            if !concerned {
                return plain(printer, raw).await;
            }
            let toolhead = printer.toolhead().clone();
            let mut position = toolhead.position();
            let mut homed = [false; 3];
            for i in 0..3 {
                if let Some(p) = start[i] {
                    position[i] = p;
                    homed[i] = true;
                }
            }
            toolhead.set_position(position, homed);
            let script = {
                let source = printer.status_source();
                let rendered = template.render(&Context::for_command(&source, &command))?;
                run_actions(&printer, &rendered.actions)?;
                rendered.text
            };
            running.set(true);
            let result = printer.gcode.run_script_from_command(&printer, &script).await;
            running.set(false);
            result
        }
    });
    Ok(())
}
