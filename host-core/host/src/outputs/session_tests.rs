//! Fans and pins in a printer: printer.cfg and G-code in, status and errors out. The wire is left out.

use std::rc::Rc;

use super::{controller_fan, fan, fan_generic, heater_fan, output_pin, static_digital_output};
use crate::config::{Config, ConfigError, MapSource, Section};
use crate::files::MemoryFiles;
use crate::mcu::Mcu;
use crate::printer::{Options, Output, Printer, State};
use crate::reactor::Reactor;

type Loader = fn(&Rc<Printer>, &Section) -> Result<(), ConfigError>;

const LOADERS: [(&str, Loader); 6] = [
    ("fan", fan::load),
    ("heater_fan", heater_fan::load),
    ("controller_fan", controller_fan::load),
    ("fan_generic", fan_generic::load),
    ("output_pin", output_pin::load),
    ("static_digital_output", static_digital_output::load),
];

struct Session {
    printer: Rc<Printer>,
}

impl Session {
    fn load(text: &str) -> Result<Session, ConfigError> {
        let config = Config::parse(&MapSource::new([("printer.cfg", text)]), "printer.cfg").expect("the text parses");
        let reactor = Reactor::new();
        let printer = Printer::new(reactor.clone(), config, Options::default(), Rc::new(MemoryFiles::default()));
        printer.add_mcu(Mcu::offline(&reactor, "mcu", 168e6, None));
        let session = Session { printer };
        let printer = &session.printer;
        for name in printer.config.names().map(str::to_string).collect::<Vec<_>>() {
            let section = printer.config.section(&name).expect("just named");
            if let Some((_, load)) = LOADERS.iter().find(|(first, _)| name.split(' ').next() == Some(*first)) {
                load(printer, &section)?;
            }
        }
        printer.set_state(State::Ready);
        printer.take_output();
        Ok(session)
    }

    fn run(&self, line: &str) -> Vec<String> {
        let (printer, line) = (self.printer.clone(), line.to_string());
        self.printer.reactor.spawn("console", async move {
            printer.gcode.run_console_line(&printer, &line).await;
        });
        self.printer.reactor.run(self.printer.reactor.now());
        let output = self.printer.take_output().into_iter();
        output.filter_map(|o| if let Output::Console(line) = o { Some(line) } else { None }).collect()
    }

    fn field(&self, object: &str, field: &str) -> String {
        let object = self.printer.lookup_object(object).expect("loaded");
        let status = object.status(self.printer.reactor.now()).expect("has a status");
        status.get_attr(field).expect("has the field").to_string()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.printer.teardown();
    }
}

fn refusal(text: &str) -> String {
    Session::load(text).err().expect("an error").to_string()
}

#[test]
fn m106_and_m107_set_the_part_fan() {
    let session = Session::load("[fan]\npin: PA1\n").unwrap();
    assert!(session.run("M106 S51").is_empty());
    assert_eq!(session.field("fan", "speed"), "0.2");
    assert_eq!(session.field("fan", "rpm"), "None");
    session.run("M106");
    assert_eq!(session.field("fan", "speed"), "1.0");
    session.run("M107");
    assert_eq!(session.field("fan", "speed"), "0.0");
    assert_eq!(session.run("M106 S-1"), ["!! Error on 'M106 S-1': S must have minimum of 0.0"]);
}

#[test]
fn set_fan_speed_and_set_pin_go_to_the_named_one() {
    let text = "[fan_generic a]\npin: PA1\n[fan_generic b]\npin: PA2\nhardware_pwm: True\nshutdown_speed: 0.3\n\
                [output_pin led]\npin: !PA3\npwm: True\nscale: 10\nvalue: 5\n[output_pin relay]\npin: PA4\n";
    let session = Session::load(text).unwrap();
    session.run("SET_FAN_SPEED FAN=b SPEED=0.5");
    assert_eq!(
        (session.field("fan_generic a", "speed"), session.field("fan_generic b", "speed")),
        ("0.0".into(), "0.5".into())
    );
    assert_eq!(session.field("output_pin led", "value"), "0.5");
    session.run("SET_PIN PIN=led VALUE=2.5");
    assert_eq!(session.field("output_pin led", "value"), "0.25");
    session.run("SET_PIN PIN=relay VALUE=1");
    assert_eq!(session.field("output_pin relay", "value"), "1.0");
    assert!(session.run("SET_PIN PIN=relay VALUE=0.5")[0].starts_with("!! Invalid pin value"));
    assert!(session.run("SET_PIN PIN=led VALUE=11")[0].contains("VALUE must have maximum of 10"));
    assert!(session.run("SET_PIN PIN=lamp VALUE=1")[0].starts_with("!! The value 'lamp' is not valid for PIN"));
}

#[test]
fn what_cannot_work_is_refused_when_it_is_read() {
    for (text, message) in [
        ("[fan]\npin: PA1\nshutdown_speed: 0.5\n", "printer.cfg:3: shutdown value must be 0.0 or 1.0 on soft pwm"),
        ("[output_pin x]\npin: PA1\nvalue: 0.5\n", "printer.cfg:3: the value of a digital pin is 0 or 1"),
        ("[output_pin x]\npin: PA1\nmaximum_mcu_duration: 0.1\n", "must be 0, or at least 0.5"),
        ("[output_pin x]\npin: PA1\nvalue: 1\nmaximum_mcu_duration: 2\n", "must start at its shutdown_value"),
        ("[heater_fan x]\npin: PA1\nheater: extrude\n", "printer.cfg:3: Unknown heater 'extrude'"),
        ("[fan]\npin: PA1\n[fan_generic x]\npin: PA1\n", "pin PA1 used multiple times in config"),
        ("[static_digital_output x]\npins: PA1, other:PA2\n", "Unknown pin chip name 'other'"),
        ("[fan]\nmax_power: 2\npin: PA1\n", "must have maximum of 1.0"),
    ] {
        let got = refusal(text);
        assert!(got.contains(message), "{text:?} gave {got:?}");
    }
}
