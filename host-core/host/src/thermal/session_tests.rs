//! Heaters in a printer: printer.cfg and G-code in, terminal lines and messages out, with a plant behind the sensor.

use std::rc::Rc;

use super::heater::Heater;
use super::heaters::{self, Heaters, TemperatureSource};
use super::plant::Plant;
use super::thermistor::{Curve, NAMED, Points};
use super::{temperature_sensor, verify_heater};
use crate::config::{Config, MapSource};
use crate::files::MemoryFiles;
use crate::mcu::Mcu;
use crate::printer::{Event, Options, Output, Printer, State};
use crate::reactor::Reactor;

const CONFIG: &str = "
[mcu]
serial: x
[extruder]
heater_pin: PA1
sensor_pin: PA2
sensor_type: Generic 3950
control: pid
pid_Kp: 59.432
pid_Ki: 16.509
pid_Kd: 53.489
min_temp: 0
max_temp: 270
[heater_bed]
heater_pin: PA3
sensor_pin: PA4
sensor_type: EPCOS 100K B57560G104F
control: watermark
min_temp: 0
max_temp: 120
[temperature_sensor chamber]
sensor_pin: PA5
sensor_type: ATC Semitec 104NT-4-R025H42G
gcode_id: C
";

/// A printer whose extruder is [`Plant`]; the wire is left out.
struct Session {
    printer: Rc<Printer>,
    mcu: Mcu,
    plant: Plant,
    extruder: Rc<Heater>,
    millis: u64,
    /// What the host reads when the block has a temperature.
    sensor: Box<dyn Fn(f64) -> f64>,
    /// Power of the last message, and the one that it follows until its time comes.
    duty: f64,
    lines: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
}

impl Session {
    fn new() -> Session {
        let config = Config::parse(&MapSource::new([("printer.cfg", CONFIG)]), "printer.cfg").expect("the text parses");
        let reactor = Reactor::new();
        let printer = Printer::new(reactor.clone(), config, Options::default(), Rc::new(MemoryFiles::default()));
        let mcu = Mcu::offline(&reactor, "mcu", 168e6, None);
        printer.add_mcu(mcu.clone());
        let section = |name: &str| printer.config.section(name).expect("in CONFIG");
        let extruder = Heaters::of(&printer).setup_heater(&printer, &section("extruder"), Some("T0")).unwrap();
        printer.add_object("extruder", extruder.clone());
        heaters::load_bed(&printer, &section("heater_bed")).unwrap();
        temperature_sensor::load(&printer, &section("temperature_sensor chamber")).unwrap();
        printer.set_state(State::Ready);
        printer.send(Event::Connect);
        printer.send(Event::Ready);
        Session {
            printer,
            mcu,
            plant: Plant::new(8.0, 7.0, 40.0),
            extruder,
            millis: 0,
            sensor: Box::new(|celsius| celsius),
            duty: 0.0,
            lines: Vec::new(),
            files: Vec::new(),
        }
    }

    fn now(&self) -> f64 {
        self.millis as f64 * 1e-3
    }

    fn type_line(&self, line: &str) {
        let (printer, line) = (self.printer.clone(), line.to_string());
        self.printer.reactor.spawn("console", async move {
            printer.gcode.run_console_line(&printer, &line).await;
        });
        self.printer.reactor.run(self.now());
    }

    /// One report interval: 300 ms of the plant, then the reading. A power holds from 0.3 s after its reading on.
    fn report(&mut self) {
        let power = self.extruder.power();
        for _ in 0..300 {
            let phase = (self.millis % 100) as f64 * 1e-3;
            self.plant.step(phase < self.duty * 0.1);
            self.millis += 1;
        }
        self.duty = power;
        let now = self.now();
        self.mcu.set_offline_print_time(now);
        self.extruder.reading(now, (self.sensor)(self.plant.celsius));
        self.printer.reactor.run(now);
        for output in self.printer.take_output() {
            match output {
                Output::Console(line) => self.lines.push(line),
                Output::File { path, content } => self.files.push((path, content)),
                _ => {}
            }
        }
    }

    fn run_until(&mut self, seconds: f64, done: impl Fn(&Session) -> bool) -> f64 {
        while !done(self) {
            assert!(
                self.now() < seconds,
                "still waiting at {seconds} s; last lines {:?}",
                self.lines.iter().rev().take(3)
            );
            self.report();
        }
        self.now()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.printer.teardown();
    }
}

#[test]
fn m105_shows_heaters_and_sensors_by_their_letters() {
    let mut session = Session::new();
    session.report();
    session.report();
    session.type_line("M104 S200");
    session.type_line("M105");
    session.report();
    // The first reading came after 0.3 s, so a smoothing over 1 s is on its way up.
    assert_eq!(session.lines, ["B:0.0 /0.0 C:0.0 /0.0 T0:12.8 /200.0"]);
}

#[test]
fn m109_reports_each_second_and_ends_near_and_slow() {
    let mut session = Session::new();
    session.type_line("M109 S200");
    let took = session.run_until(120.0, |s| s.now() > 1.0 && !s.printer.gcode.is_busy());
    assert!((55.0..80.0).contains(&took), "{took}");
    assert!((session.lines.len() as f64 - took).abs() < took * 0.25, "{} lines in {took} s", session.lines.len());
    assert!(session.lines.iter().all(|l| l.contains(" T0:") && l.ends_with("/200.0")), "{:?}", session.lines.last());
    assert!((session.plant.celsius - 200.0).abs() < 3.0);
    let status = crate::printer::Object::status(&*session.extruder, session.now()).unwrap();
    assert_eq!(status.get_attr("target").unwrap().to_string(), "200.0");
}

#[test]
fn a_target_out_of_range_is_an_error_and_changes_nothing() {
    let mut session = Session::new();
    for line in ["M104 S500", "SET_HEATER_TEMPERATURE HEATER=extruder TARGET=500", "M109 S-5"] {
        session.type_line(line);
    }
    session.type_line("M104 T1 S100");
    session.type_line("M104 T1 S0");
    session.type_line("TEMPERATURE_WAIT SENSOR=nothing MINIMUM=5");
    session.type_line("TEMPERATURE_WAIT SENSOR=extruder");
    session.report();
    assert_eq!(
        session.lines,
        [
            "!! Requested temperature (500.0) out of range (0.0:270.0)",
            "!! Requested temperature (500.0) out of range (0.0:270.0)",
            "!! Requested temperature (-5.0) out of range (0.0:270.0)",
            "!! Extruder not configured",
            "!! Unknown sensor 'nothing' (known: extruder, heater_bed, temperature_sensor chamber)",
            "!! Error on 'TEMPERATURE_WAIT': missing MINIMUM or MAXIMUM.",
        ]
    );
    assert_eq!(session.extruder.target(), 0.0);
}

#[test]
fn temperature_wait_ends_at_its_bound_and_turn_off_heaters_turns_off() {
    let mut session = Session::new();
    session.type_line("SET_HEATER_TEMPERATURE HEATER=extruder TARGET=200");
    session.type_line("TEMPERATURE_WAIT SENSOR=extruder MINIMUM=100");
    session.run_until(60.0, |s| s.now() > 1.0 && !s.printer.gcode.is_busy());
    let (celsius, _) = session.extruder.temperature(session.now());
    assert!((100.0..106.0).contains(&celsius), "{celsius}");
    session.type_line("TURN_OFF_HEATERS");
    session.report();
    assert_eq!((session.extruder.target(), session.extruder.power()), (0.0, 0.0));
    session.type_line("TEMPERATURE_WAIT SENSOR=extruder MAXIMUM=60");
    session.run_until(300.0, |s| !s.printer.gcode.is_busy());
    let (celsius, _) = session.extruder.temperature(session.now());
    assert!(celsius <= 60.0, "{celsius}");
}

/// The plant's thermistor has a beta of 3950 K and the host reads it as Generic 3950, as in the peer's run.
#[test]
fn pid_calibrate_gives_the_peers_gains_in_the_peers_words() {
    let truth = Curve::new(Points::Beta { celsius: 25.0, ohm: 1e5, beta_k: 3950.0 }).unwrap();
    let read = Curve::new(NAMED.iter().find(|(name, _)| *name == "Generic 3950").unwrap().1).unwrap();
    let mut session = Session::new();
    session.sensor = Box::new(move |celsius| read.celsius(truth.ohm(celsius)));
    session.type_line("PID_CALIBRATE HEATER=extruder TARGET=200 WRITE_FILE=1");
    let took = session.run_until(150.0, |s| s.now() > 1.0 && !s.printer.gcode.is_busy());
    session.report();
    assert!((97.0..103.0).contains(&took), "{took}");
    let answer: Vec<&String> = session.lines.iter().filter(|l| l.starts_with("//")).collect();
    assert_eq!(answer.len(), 3, "{answer:?}");
    let gains: Vec<f64> = answer[0]
        .strip_prefix("// PID parameters: ")
        .unwrap()
        .split(' ')
        .zip(["pid_Kp=", "pid_Ki=", "pid_Kd="])
        .map(|(word, key)| word.strip_prefix(key).unwrap().parse().unwrap())
        .collect();
    for (got, peer) in gains.iter().zip([59.432, 16.509, 53.489]) {
        assert!((got / peer - 1.0).abs() < 0.1, "{got} against {peer}");
    }
    assert!(session.lines.iter().any(|l| l.ends_with("/195.0")), "the shown target drops while it cools");
    let (path, content) = &session.files[0];
    let text = String::from_utf8(content.clone()).unwrap();
    assert_eq!(path, "heattest.txt");
    assert!(text.starts_with("pwm: ") && text.lines().count() > 300, "{}", text.lines().count());
    assert_eq!(session.extruder.target(), 0.0);
}

#[test]
fn a_heater_without_heat_shuts_the_printer_down() {
    let mut session = Session::new();
    session.plant = Plant::new(8.0, 7.0, 0.0);
    session.type_line("M104 S200");
    session.run_until(40.0, |s| s.printer.is_shutdown());
    assert!((20.0..26.0).contains(&session.now()), "{}", session.now());
    session.report();
    assert_eq!(session.lines[0], "!! Heater extruder not heating at expected rate");
    assert_eq!(session.extruder.power(), 0.0);
}

#[test]
fn a_verify_heater_section_must_name_a_heater() {
    let session = Session::new();
    let section = session.printer.config.section_or_empty("verify_heater extrude");
    let error = verify_heater::load(&session.printer, &section).unwrap_err();
    assert!(error.to_string().contains("Unknown heater 'extrude'"), "{error}");
}
