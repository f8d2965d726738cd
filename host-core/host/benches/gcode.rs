//! Cost of reading a line of G-code and of rendering a macro.

use divan::{Bencher, black_box};
use drydock_host::config::Place;
use drydock_host::gcode::Command;
use drydock_host::macros::{Context, StatusMap, Template, parse_literal};

fn main() {
    divan::main();
}

const LINES: [&str; 4] = [
    "G1 X110.125 Y87.5 E.03521",
    "G1 F1200 X101.6 Y99.25 Z0.3 E0.10643 ; perimeter",
    "N13 G1 X109.800 Y90.200 E0.6520*63",
    "SET_VELOCITY_LIMIT ACCEL=3000 SQUARE_CORNER_VELOCITY=5",
];

#[divan::bench(args = LINES)]
fn parse(bencher: Bencher, line: &str) {
    bencher.bench(|| Command::parse(black_box(line)));
}

#[divan::bench]
fn parse_a_move_and_its_numbers(bencher: Bencher) {
    bencher.bench(|| {
        let command = Command::parse(black_box(LINES[0]))?;
        Some([b'X', b'Y', b'E'].map(|k| command.letter(k).and_then(|t| t.parse::<f64>().ok())))
    });
}

const MACRO: &str = "\n{% set bed = params.BED|default(60)|float %}\n{% set x = printer.toolhead.axis_maximum.x %}\n\
    {% if 'xyz' not in printer.toolhead.homed_axes %}\nG28\n{% endif %}\nM190 S{bed}\n{% for i in range(10) %}\n\
    G1 X{'%.3f' % (x / 2 + i)} E{i * 0.1} F{60 * 50}\n{% endfor %}\n{% if bed > 50 %}M117 hot{% endif %}\n";

#[divan::bench]
fn render_a_macro(bencher: Bencher) {
    let toolhead = parse_literal("{'axis_maximum': {'x': 300.0}, 'homed_axes': 'xyz'}").unwrap();
    let status = StatusMap([("toolhead".to_string(), toolhead)].into());
    let template = Template::from_source("bench", MACRO, Place::new(&"bench".into(), 1, 1, 0)).unwrap();
    let command = Command::parse("START BED=65").unwrap();
    bencher.bench_local(|| template.render(&Context::for_command(&status, &command)));
}
