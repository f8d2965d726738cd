//! Probing many places of the bed, one after the other.

use std::rc::Rc;

use super::{Probe, ProbeSettings};
use crate::gcode::CommandError;
use crate::printer::Printer;

/// How the head goes from place to place.
#[derive(Debug, Clone, Copy)]
pub struct Approach {
    pub speed_mm_s: f64,
    /// Height of the moves in between.
    pub horizontal_move_z_mm: f64,
}

/// Brings the sensor over each of `places` (X, Y on the bed) and probes. Answers the contact heights, in that order.
pub async fn probe_points(
    printer: &Rc<Printer>,
    probe: &Rc<Probe>,
    places: &[[f64; 2]],
    approach: Approach,
    settings: ProbeSettings,
) -> Result<Vec<f64>, CommandError> {
    let [x_offset, y_offset, z_offset] = probe.offset_mm();
    if approach.horizontal_move_z_mm < z_offset {
        return Err(CommandError::new("horizontal_move_z can't be less than probe's z_offset"));
    }
    let toolhead = printer.toolhead().clone();
    probe
        .session(printer, async {
            let mut found = Vec::with_capacity(places.len());
            // The first way up starts from an unknown height, so it takes the travel speed.
            let mut up_speed = approach.speed_mm_s;
            for place in places {
                toolhead.manual_move([None, None, Some(approach.horizontal_move_z_mm), None], up_speed)?;
                let (x, y) = (place[0] - x_offset, place[1] - y_offset);
                toolhead.manual_move([Some(x), Some(y), None, None], approach.speed_mm_s)?;
                toolhead.pace().await;
                let trigger = probe.run(printer, &settings).await?;
                found.push(probe.contact(trigger)[2]);
                up_speed = settings.lift_speed_mm_s;
            }
            toolhead.manual_move([None, None, Some(approach.horizontal_move_z_mm), None], up_speed)?;
            Ok(found)
        })
        .await
}
