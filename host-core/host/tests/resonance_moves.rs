//! TEST_RESONANCES as the planner sees it, without a machine: the moves are the sweep, and everything comes back.

use std::cell::RefCell;
use std::rc::Rc;

use drydock_host::config::{Config, ConfigError, MapSource};
use drydock_host::files::MemoryFiles;
use drydock_host::host::Host;
use drydock_host::mcu::{QueuedStep, StepSink};
use drydock_host::printer::{Offline, Options, Output};

struct NoSteps;

impl StepSink for NoSteps {
    fn queue_step(&mut self, _oid: u8, _step: &QueuedStep) {}
    fn set_dir(&mut self, _oid: u8, _dir: bool) {}
    fn reset_step_clock(&mut self, _oid: u8, _clock: u64) {}
}

const PRINTER: &str = "[mcu]\nserial: /dev/null\n[printer]\nkinematics: corexy\nmax_velocity: 100\nmax_accel: 3000\n\
    minimum_cruise_ratio: 0.4\n[force_move]\nenable_force_move: True\n[input_shaper]\nshaper_freq_x: 40\n";
const CHIP: &str = "[adxl345]\ncs_pin: PC1\n";
const TESTER: &str = "[resonance_tester]\naccel_chip: adxl345\nprobe_points: 100, 100, 20\n";

fn steppers() -> String {
    let mut text = String::new();
    for (axis, pins) in [("x", ["PA0", "PA1", "PA2"]), ("y", ["PA3", "PA4", "PA5"]), ("z", ["PA6", "PA7", "PA8"])] {
        text.push_str(&format!(
            "[stepper_{axis}]\nstep_pin: {}\ndir_pin: {}\nendstop_pin: {}\nrotation_distance: 40\nmicrosteps: 16\n\
             position_endstop: 0\nposition_max: 200\n",
            pins[0], pins[1], pins[2]
        ));
    }
    text
}

fn host(sections: &str) -> Result<Host, Vec<ConfigError>> {
    let text = format!("{PRINTER}{}{sections}", steppers());
    let config = Config::parse(&MapSource::new([("printer.cfg", text.as_str())]), "printer.cfg")?;
    let offline = Offline { clock_freq_hz: 168e6, sink: Rc::new(RefCell::new(NoSteps)) };
    let options = Options { offline: Some(offline), ..Options::default() };
    let host = Host::new(config, options, Rc::new(MemoryFiles::default()))?;
    host.start();
    host.run(0.0);
    Ok(host)
}

fn run(host: &Host, line: &str) -> Vec<String> {
    let pending = host.console(line);
    let mut now = 0.0;
    loop {
        host.run(now);
        if pending.is_done() {
            let console = |o| if let Output::Console(line) = o { Some(line) } else { None };
            return host.take_output().into_iter().filter_map(console).collect();
        }
        now = host.next_wake().expect("something to wait for");
    }
}

fn has(lines: &[String], text: &str) -> bool {
    lines.iter().any(|line| line.contains(text))
}

#[test]
fn the_planned_moves_are_the_sweep_and_the_limits_come_back() {
    let host = host(&format!("{CHIP}{TESTER}")).unwrap();
    /// Print time, direction, speeds at start and end, acceleration, duration.
    type Seen = (f64, [f64; 4], f64, f64, f64, f64);
    let moves: Rc<RefCell<Vec<Seen>>> = Rc::default();
    let seen = moves.clone();
    let toolhead = host.printer().toolhead().clone();
    toolhead.observe(move |t, m| seen.borrow_mut().push((t, m.mv.axes_r, m.start_v, m.end_v, m.mv.accel, m.total_t())));
    run(&host, "SET_KINEMATIC_POSITION X=100 Y=100 Z=20");
    let before = toolhead.limits();
    let lines = run(&host, "TEST_RESONANCES AXIS=X FREQ_START=5 FREQ_END=15");
    assert!(has(&lines, "// Disabled [input_shaper] for resonance testing"), "{lines:?}");
    for hz in 5..15 {
        assert_eq!(
            lines.iter().filter(|l| **l == format!("// Testing frequency {hz} Hz")).count(),
            1,
            "{hz}: {lines:?}"
        );
    }
    assert!(has(&lines, "// Re-enabled [input_shaper]"), "{lines:?}");
    // Nothing measures offline; what was raised is back all the same.
    assert!(has(&lines, "!! accelerometer 'adxl345' measured no data"), "{lines:?}");
    assert_eq!(toolhead.limits(), before);
    let moves = moves.borrow();
    let start = moves.first().unwrap().0;
    let mut end = (start, 0.0);
    let (mut position, mut highest, mut farthest) = (0.0, 0.0f64, 0.0f64);
    for (t, direction, start_v, end_v, accel, total_t) in moves.iter() {
        let sign = direction[0];
        assert!((sign.abs() - 1.0).abs() < 1e-12, "along X only: {direction:?}");
        assert!((t - end.0).abs() < 1e-9, "no gap at {t}");
        assert!((sign * start_v - end.1).abs() < 1e-6, "speed jumps at {t}: {} to {}", end.1, sign * start_v);
        // Each move changes its speed all the way: the plan has no cruise.
        assert!(((end_v - start_v).abs() - accel * total_t).abs() < 1e-6, "{start_v} {end_v} {accel} {total_t} at {t}");
        position += sign * 0.5 * (start_v + end_v) * total_t;
        end = (t + total_t, sign * end_v);
        highest = highest.max(start_v.max(*end_v));
        farthest = farthest.max(f64::abs(position));
    }
    assert!((end.0 - start - 10.0).abs() < 0.2, "5 to 15 Hz at 1 Hz/s took {}", end.0 - start);
    assert!(end.1.abs() < 1e-9, "at rest in the end");
    assert!(highest > 120.0 && highest < 136.4, "{highest}");
    assert!(farthest < 25.0, "{farthest}");
}

#[test]
fn a_move_out_of_range_ends_the_test_and_leaves_the_limits() {
    let host = host(&format!("{CHIP}{TESTER}")).unwrap();
    let toolhead = host.printer().toolhead().clone();
    run(&host, "SET_KINEMATIC_POSITION X=100 Y=100 Z=20");
    let before = toolhead.limits();
    let lines = run(&host, "TEST_RESONANCES AXIS=1,-1 POINT=1,100,20 FREQ_END=10");
    assert!(has(&lines, "// Probing point (1.000, 100.000, 20.000)"), "{lines:?}");
    assert!(has(&lines, "!! Move out of range"), "{lines:?}");
    assert!(has(&lines, "// Re-enabled [input_shaper]"), "{lines:?}");
    assert_eq!(toolhead.limits(), before);
}

#[test]
fn wrong_commands_are_refused_before_anything_moves() {
    let host = host(&format!("{CHIP}{TESTER}")).unwrap();
    for (line, error) in [
        ("TEST_RESONANCES AXIS=X", "Must home axis first"),
        ("TEST_RESONANCES", "missing AXIS"),
        ("TEST_RESONANCES AXIS=Q", "Invalid AXIS 'Q'"),
        ("TEST_RESONANCES AXIS=Z", "No accelerometer for axis z"),
        ("TEST_RESONANCES AXIS=X OUTPUT=plot", "Unsupported output 'plot'"),
        ("TEST_RESONANCES AXIS=X NAME=../etc", "Invalid NAME parameter"),
        ("TEST_RESONANCES AXIS=X CHIPS=lis2dw", "'lis2dw' is not an accelerometer"),
        ("TEST_RESONANCES AXIS=X POINT=1,2", "Invalid POINT parameter"),
        ("TEST_RESONANCES AXIS=X FREQ_END=2", "FREQ_END must be above 5.0"),
        ("SHAPER_CALIBRATE AXIS=XY", "Unsupported axis 'XY'"),
        ("SHAPER_CALIBRATE MAX_SMOOTHING=0.01", "MAX_SMOOTHING must have minimum of 0.05"),
        ("ACCELEROMETER_QUERY CHIP=bed", "The value 'bed' is not valid for CHIP"),
        ("ACCELEROMETER_DEBUG_READ REG=0x1FF", "REG must be 0 to 126"),
    ] {
        let lines = run(&host, line);
        assert!(lines.iter().any(|l| l.starts_with("!! ") && l.contains(error)), "{line}: {lines:?}");
    }
}

#[test]
fn wrong_sections_are_refused_with_their_mend() {
    let cases = [
        ("[adxl345]\nspi_bus: spi1\n", "Option 'cs_pin' in section 'adxl345' must be specified"),
        ("[adxl345]\ncs_pin: PC1\nrate: 3000\n", "Invalid rate parameter: 3000"),
        ("[adxl345]\ncs_pin: PC1\naxes_map: x, y\n", "Invalid axes_map parameter"),
        ("[adxl345]\ncs_pin: PA0\n", "pin PA0 used multiple times"),
        (
            "[adxl345]\ncs_pin: PC1\nspi_software_miso_pin: PC2\n",
            "'spi_software_mosi_pin' in section 'adxl345' must be",
        ),
        ("[adxl345]\ncs_pin: PC1\nspi_bus: spi1\nspi_software_miso_pin: PC2\n", "not on both"),
        ("[adxl345]\ncs_pin: PC1\nspi_speed: 5\n", "Option 'spi_speed' in section 'adxl345' must have minimum of"),
        ("[resonance_tester]\naccel_chip: adxl345\n", "Option 'probe_points' in section 'resonance_tester' must be"),
        ("[resonance_tester]\nprobe_points: 1, 2, 3\n", "Option 'accel_chip' in section 'resonance_tester' must be"),
        ("[resonance_tester]\naccel_chip: adxl354\nprobe_points: 1, 2, 3\n", "Unknown accelerometer 'adxl354'"),
        ("[resonance_tester]\naccel_chip: a\naccel_chip_x: b\nprobe_points: 1,2,3\n", "stands beside"),
        ("[resonance_tester]\naccel_chip_x: a\nprobe_points: 1, 2, 3\n", "Option 'accel_chip_y'"),
    ];
    for (sections, message) in cases {
        let errors = host(sections).err().unwrap_or_default();
        assert!(errors.iter().any(|e| e.message.contains(message)), "{sections}: {errors:?}");
    }
}
