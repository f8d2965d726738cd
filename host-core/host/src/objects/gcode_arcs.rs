//! `[gcode_arcs]`: G2 and G3 as chords, in the plane chosen by G17, G18 or G19.
//!
//! # Equation      chords = max(1, floor(sqrt((r*angle)^2 + helix^2) / resolution)); the last chord ends at the target exactly
//! # Valid for     absolute coordinates; centre by I, J, K (R is refused, as its arcs are ill-conditioned)

use std::cell::Cell;
use std::f64::consts::TAU;
use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::gcode::{Command, CommandError};
use crate::printer::Printer;
use crate::printer::dispatch::CommandResult;

/// Axis numbers: the two of the plane, and the helical one.
const XY: [usize; 3] = [0, 1, 2];
const XZ: [usize; 3] = [0, 2, 1];
const YZ: [usize; 3] = [1, 2, 0];

pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let resolution_mm = section.float("resolution").above(0.0).or(1.0)?;
    let plane = Rc::new(Cell::new(XY));
    for (name, axes) in [("G17", XY), ("G18", XZ), ("G19", YZ)] {
        let plane = plane.clone();
        printer.gcode.register(name, "Choose the plane of arcs", move |_, _| {
            plane.set(axes);
            Ok(())
        });
    }
    for (name, clockwise) in [("G2", true), ("G3", false)] {
        let plane = plane.clone();
        printer.gcode.register(name, "Arc move", move |printer, command| {
            arc(printer, command, plane.get(), clockwise, resolution_mm)
        });
    }
    Ok(())
}

fn arc(
    printer: &Rc<Printer>,
    command: &Command<'_>,
    plane: [usize; 3],
    clockwise: bool,
    resolution_mm: f64,
) -> CommandResult {
    let frame = printer.gcode_move();
    if !frame.absolute_coordinates() {
        return Err(CommandError::new("G2/G3 does not support relative move mode"));
    }
    if command.get("R").is_some() {
        return Err(CommandError::new("G2/G3 does not support R moves: give the centre by I and J"));
    }
    let from = frame.gcode_position();
    let mut to = [from[0], from[1], from[2]];
    for (axis, letter) in ["X", "Y", "Z"].iter().enumerate() {
        to[axis] = command.float(letter).or(from[axis])?;
    }
    let mut centre = [0.0; 3];
    for (axis, letter) in ["I", "J", "K"].iter().enumerate() {
        centre[axis] = command.float(letter).or(0.0)?;
    }
    let offset = [centre[plane[0]], centre[plane[1]]];
    if offset == [0.0, 0.0] {
        let names = ["I", "J", "K"];
        return Err(CommandError::new(format!("G2/G3 requires {}{} parameters", names[plane[0]], names[plane[1]])));
    }
    let points = chords([from[0], from[1], from[2]], to, offset, plane, clockwise, resolution_mm);
    let extrude = command.float("E").optional()?;
    let e_absolute = frame.absolute_extrude();
    let feed = command.float("F").optional()?;
    let count = points.len() as f64;
    for (i, p) in points.iter().enumerate() {
        let e = extrude.map(|e| match e_absolute {
            true => from[3] + (e - from[3]) * (i + 1) as f64 / count,
            false => e / count,
        });
        let params = [('X', Some(p[0])), ('Y', Some(p[1])), ('Z', Some(p[2])), ('E', e), ('F', feed)];
        let given = params.into_iter().filter_map(|(letter, value)| value.map(|v| (letter, v)));
        frame.linear_move(printer, given, command.raw())?;
    }
    Ok(())
}

/// The end points of the chords, the target last.
fn chords(
    from: [f64; 3],
    to: [f64; 3],
    offset: [f64; 2],
    plane: [usize; 3],
    clockwise: bool,
    resolution_mm: f64,
) -> Vec<[f64; 3]> {
    let [a, b, h] = plane;
    let centre = [from[a] + offset[0], from[b] + offset[1]];
    let (r_a, r_b) = (-offset[0], -offset[1]);
    let (t_a, t_b) = (to[a] - centre[0], to[b] - centre[1]);
    let mut angle = libm::atan2(r_a * t_b - r_b * t_a, r_a * t_a + r_b * t_b);
    if angle < 0.0 {
        angle += TAU;
    }
    if clockwise {
        angle -= TAU;
    }
    // The same point again is a full circle, not nothing.
    if angle == 0.0 && from[a] == to[a] && from[b] == to[b] {
        angle = TAU;
    }
    let helix = to[h] - from[h];
    let radius = libm::hypot(r_a, r_b);
    let length = libm::hypot(radius * angle, helix);
    let count = (length / resolution_mm).floor().clamp(1.0, 1e6) as usize;
    (1..=count)
        .map(|i| {
            if i == count {
                return to;
            }
            let part = i as f64 / count as f64;
            let (sin, cos) = (libm::sin(angle * part), libm::cos(angle * part));
            let mut p = [0.0; 3];
            p[a] = centre[0] + r_a * cos - r_b * sin;
            p[b] = centre[1] + r_b * cos + r_a * sin;
            p[h] = from[h] + helix * part;
            p
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chord_ends_on_the_circle_and_the_last_on_the_target() {
        for (clockwise, to) in [(true, [10.0, 0.0, 2.0]), (false, [10.0, 0.0, 2.0]), (true, [0.0, 0.0, 0.0])] {
            let points = chords([0.0; 3], to, [5.0, 0.0], XY, clockwise, 0.5);
            assert_eq!(*points.last().unwrap(), to);
            for p in &points {
                assert!((libm::hypot(p[0] - 5.0, p[1]) - 5.0).abs() < 1e-12);
            }
            let side = points[points.len() / 4][1];
            assert!(if clockwise { side > 0.0 } else { side < 0.0 }, "clockwise seen from above goes up first");
        }
        assert_eq!(chords([0.0; 3], [0.0; 3], [5.0, 0.0], XY, false, 1.0).len(), 31);
    }
}
