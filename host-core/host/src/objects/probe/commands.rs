//! PROBE, QUERY_PROBE, PROBE_ACCURACY, PROBE_CALIBRATE and Z_OFFSET_APPLY_PROBE.

use std::rc::Rc;

use super::Probe;
use super::samples::Statistics;
use crate::gcode::OwnedCommand;
use crate::objects::manual_probe;
use crate::printer::Printer;
use crate::printer::dispatch::CommandResult;

/// How far the head goes up before the nozzle takes the sensor's place.
const CLEARANCE_MM: f64 = 5.0;
const ACCURACY_SAMPLES: i64 = 10;

pub fn register(printer: &Rc<Printer>, probe: &Rc<Probe>) {
    let gcode = &printer.gcode;
    let me = probe.clone();
    gcode.register_async("PROBE", "Probe Z-height at current XY position", move |printer, command| {
        let me = me.clone();
        async move {
            let settings = me.settings().with(&command)?;
            let trigger = me.session(&printer, me.run(&printer, &settings)).await?;
            let [x, y, z] = me.contact(trigger);
            printer.gcode.respond_info(&format!("Result: at {x:.3},{y:.3} estimate contact at z={z:.6}"));
            Ok(())
        }
    });
    let me = probe.clone();
    gcode.register_async("QUERY_PROBE", "Return the status of the z-probe", move |printer, _| {
        let me = me.clone();
        async move {
            let at = printer.toolhead().last_move_time();
            let on = me.sensor.query(at).await?;
            me.last_query.set(on);
            printer.gcode.respond_info(&format!("probe: {}", if on { "TRIGGERED" } else { "open" }));
            Ok(())
        }
    });
    let me = probe.clone();
    gcode.register_async(
        "PROBE_ACCURACY",
        "Probe Z-height accuracy at current XY position",
        move |printer, command| {
            let me = me.clone();
            async move { accuracy(&printer, &me, &command).await }
        },
    );
    let me = probe.clone();
    gcode.register_async("PROBE_CALIBRATE", "Calibrate the probe's z_offset", move |printer, command| {
        let me = me.clone();
        async move { calibrate(&printer, &me, &command).await }
    });
    let me = probe.clone();
    gcode.register("Z_OFFSET_APPLY_PROBE", "Adjust the probe's z_offset", move |printer, _| {
        let offset = printer.gcode_move().homing_origin()[2];
        if offset == 0.0 {
            printer.gcode.respond_info("Nothing to do: Z Offset is 0");
            return Ok(());
        }
        save_z_offset(printer, &me, me.offset_mm()[2] - offset);
        Ok(())
    });
}

fn save_z_offset(printer: &Printer, probe: &Probe, z_offset: f64) {
    printer.gcode.respond_info(&format!(
        "{}: z_offset: {z_offset:.3}\nThe SAVE_CONFIG command will update the printer config file\nwith the above and restart the printer.",
        probe.name()
    ));
    printer.set_pending(probe.name(), "z_offset", &format!("{z_offset:.3}"));
}

async fn accuracy(printer: &Rc<Printer>, probe: &Rc<Probe>, command: &OwnedCommand) -> CommandResult {
    let samples = command.int("SAMPLES").min(1).or(ACCURACY_SAMPLES)? as usize;
    let once = super::ProbeSettings { samples: 1, ..probe.settings().with(command)? };
    let toolhead = printer.toolhead().clone();
    let here = toolhead.position();
    printer.gcode.respond_info(&format!(
        "PROBE_ACCURACY at X:{:.3} Y:{:.3} Z:{:.3} (samples={samples} retract={:.3} speed={:.1} lift_speed={:.1})",
        here[0], here[1], here[2], once.retract_mm, once.speed_mm_s, once.lift_speed_mm_s
    ));
    let offset = probe.offset_mm()[2];
    let found = probe
        .session(printer, async {
            let mut found = Vec::with_capacity(samples);
            for _ in 0..samples {
                let trigger = probe.run(printer, &once).await?;
                found.push(trigger[2] - offset);
                toolhead.manual_move([None, None, Some(trigger[2] + once.retract_mm), None], once.lift_speed_mm_s)?;
            }
            Ok(found)
        })
        .await?;
    let s = Statistics::of(&found);
    printer.gcode.respond_info(&format!(
        "probe accuracy results: maximum {:.6}, minimum {:.6}, range {:.6}, average {:.6}, median {:.6}, standard deviation {:.6}",
        s.max,
        s.min,
        s.range(),
        s.average,
        s.median,
        s.deviation
    ));
    Ok(())
}

/// Probes, puts the nozzle where the sensor was, and lets the user find the bed with it.
async fn calibrate(printer: &Rc<Printer>, probe: &Rc<Probe>, command: &OwnedCommand) -> CommandResult {
    manual_probe::refuse_second(printer)?;
    let settings = probe.settings().with(command)?;
    let speed = command.float("SPEED").above(0.0).or(5.0)?;
    let toolhead = printer.toolhead().clone();
    let trigger = probe.session(printer, probe.run(printer, &settings)).await?;
    let [x_offset, y_offset, _] = probe.offset_mm();
    toolhead.manual_move([None, None, Some(trigger[2] + CLEARANCE_MM), None], settings.lift_speed_mm_s)?;
    let (x, y) = (trigger[0] + x_offset, trigger[1] + y_offset);
    toolhead.manual_move([Some(x), Some(y), None, None], settings.speed_mm_s.max(settings.lift_speed_mm_s))?;
    let me = probe.clone();
    manual_probe::start(printer, speed, move |printer, found| {
        if let Some(nozzle) = found {
            save_z_offset(printer, &me, trigger[2] - nozzle[2]);
        }
    })
}
