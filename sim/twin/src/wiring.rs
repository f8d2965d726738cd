//! Which pin of which micro-controller is soldered to what, and the machine behind it, read off a printer.cfg.
//!
//! The configuration is taken at its word: the machine is wired as it says, so that any printer.cfg has a twin. A
//! scenario that wants a machine wired otherwise (a swapped heater, an inverted endstop) says so in its faults.
//! The host never sees this: it finds the machine over the wire.

use drydock_host::config::{Config, PinDesc, Section};
use drydock_plant::accelerometer::{Accelerometer, Mount};
use drydock_plant::drive::Moves;
use drydock_plant::endstop::{Endstop, Side, Watches};
use drydock_plant::kinematics::Delta;
use drydock_plant::probe::Probe;
use drydock_plant::thermistor::{Feels, Sensor};
use drydock_plant::{HeaterBasics, HeaterKind, Machine, MachineBasics, MotorBasics, Shape};

/// What a pin does. Indices are places in the machine's lists.
#[derive(Debug, Clone, PartialEq)]
pub enum Device {
    Step {
        motor: usize,
    },
    /// Forward while the level is `forward`.
    Dir {
        motor: usize,
        forward: bool,
    },
    /// On while the level is `on`.
    Enable {
        motor: usize,
        on: bool,
    },
    Heater {
        heater: usize,
        on: bool,
    },
    Fan {
        fan: usize,
        on: bool,
    },
    Thermistor {
        sensor: usize,
    },
    /// The pin reads `pressed` while the switch is pressed.
    Endstop {
        endstop: usize,
        pressed: bool,
    },
    Probe {
        probe: usize,
        pressed: bool,
    },
    /// Servo pulses of a BLTouch.
    BltouchControl {
        probe: usize,
    },
    AccelerometerCs {
        chip: usize,
    },
    TmcUart {
        motor: usize,
        kind: String,
        address: u8,
    },
    TmcSpi {
        motor: usize,
        kind: String,
    },
    /// The DIAG output of a driver, for sensorless homing.
    TmcDiag {
        motor: usize,
        axis: usize,
        pressed: bool,
    },
}

/// One soldered pin.
#[derive(Debug, Clone, PartialEq)]
pub struct Wire {
    pub mcu: String,
    pub pin: String,
    pub device: Device,
}

/// A machine and its wires.
#[derive(Debug, Clone)]
pub struct Wiring {
    pub machine: Machine,
    pub wires: Vec<Wire>,
    /// Names of the micro-controllers; `mcu` first.
    pub mcus: Vec<String>,
    /// Heaters' and sensors' config names, in the machine's order.
    pub heaters: Vec<String>,
    /// How much faster than nominal the accelerometers' sample clocks run.
    pub accelerometer_clock_error: f64,
}

/// A configuration from which no machine can be built.
#[derive(Debug, Clone, PartialEq)]
pub struct WiringError(pub String);

impl std::fmt::Display for WiringError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WiringError {}

type Result<T> = std::result::Result<T, WiringError>;

struct Builder<'a> {
    config: &'a Config,
    basics: MachineBasics,
    wires: Vec<Wire>,
    endstops: Vec<Endstop>,
    probes: Vec<Probe>,
    /// Temperature sensors that belong to no heater.
    sensors: Vec<Sensor>,
    accelerometers: Vec<Accelerometer>,
}

/// The machine that a printer.cfg describes, wired as it says.
pub fn from_config(config: &Config) -> Result<Wiring> {
    let printer = section(config, "printer")?;
    let kinematics = text(&printer, "kinematics").unwrap_or_default();
    let shape = match kinematics.as_str() {
        "cartesian" => Shape::Cartesian { bed_slinger: true },
        "corexy" => Shape::CoreXy,
        "delta" => Shape::Delta(delta_geometry(config, &printer)?),
        other => {
            return Err(WiringError(format!(
                "[printer] kinematics: '{other}' has no machine yet; corexy, cartesian or delta have"
            )));
        }
    };
    let is_delta = matches!(shape, Shape::Delta(_));
    let mut b = Builder {
        config,
        basics: MachineBasics {
            name: format!("a {kinematics} machine read off printer.cfg"),
            shape,
            axis_min_mm: [0.0; 3],
            axis_max_mm: [200.0; 3],
            start_mm: None,
            motors: Vec::new(),
            heaters: Vec::new(),
            nozzle_mm: Vec::new(),
            filament_mm: 1.75,
            fans: Vec::new(),
        },
        wires: Vec::new(),
        endstops: Vec::new(),
        probes: Vec::new(),
        sensors: Vec::new(),
        accelerometers: Vec::new(),
    };
    b.ranges(is_delta)?;
    b.probe();
    b.rails(
        if is_delta { ["stepper_a", "stepper_b", "stepper_c"] } else { ["stepper_x", "stepper_y", "stepper_z"] },
        is_delta,
    )?;
    b.heaters()?;
    b.fans();
    b.drivers();
    b.sensors();
    b.accelerometers();
    let heaters = b.basics.heaters.iter().map(|h| h.name.clone()).collect();
    let mut machine = Machine::from_basics(&b.basics);
    machine.endstops = b.endstops;
    machine.probes = b.probes;
    machine.sensors.extend(b.sensors);
    machine.accelerometers = b.accelerometers;
    let mut mcus = vec!["mcu".to_string()];
    mcus.extend(config.sections_with_prefix("mcu ").iter().map(|s| s.name()["mcu ".len()..].trim().to_string()));
    // Real chips were measured 5 % slow to 3 % fast (facts of eight recordings); one of them stands for all here.
    Ok(Wiring { machine, wires: b.wires, mcus, heaters, accelerometer_clock_error: 0.021 })
}

fn section(config: &Config, name: &str) -> Result<Section> {
    config.section(name).ok_or_else(|| WiringError(format!("printer.cfg has no [{name}] section")))
}

fn text(section: &Section, option: &str) -> Option<String> {
    section.raw(option).map(|v| v.trim().to_string())
}

fn number(section: &Section, option: &str) -> Option<f64> {
    text(section, option)?.parse().ok()
}

/// How a chip is turned, read back from the `axes_map` that undoes it: rows are the machine's directions of its axes.
fn chip_axes(axes_map: &str) -> [[f64; 3]; 3] {
    let mut axes = [[0.0; 3]; 3];
    for (machine, chip) in axes_map.split(',').map(str::trim).enumerate().take(3) {
        let sign = if chip.starts_with('-') { -1.0 } else { 1.0 };
        if let Some(chip) = ["x", "y", "z"].iter().position(|name| *name == chip.trim_start_matches('-')) {
            axes[chip][machine] = sign;
        }
    }
    let is_whole = (0..3).all(|i| (0..3).any(|j| axes[i][j] != 0.0));
    if is_whole { axes } else { Accelerometer::default().axes }
}

fn gear_ratio(section: &Section) -> f64 {
    let Some(list) = text(section, "gear_ratio") else { return 1.0 };
    let ratio = |pair: &str| {
        let (a, b) = pair.split_once(':')?;
        Some(a.trim().parse::<f64>().ok()? / b.trim().parse::<f64>().ok()?)
    };
    list.split(',').filter_map(ratio).product()
}

fn delta_geometry(config: &Config, printer: &Section) -> Result<Delta> {
    let radius_mm =
        number(printer, "delta_radius").ok_or_else(|| WiringError("[printer] delta_radius is missing".into()))?;
    let mut delta = Delta { radius_mm, ..Delta::default() };
    for (i, name) in ["stepper_a", "stepper_b", "stepper_c"].iter().enumerate() {
        let tower = section(config, name)?;
        let first = delta.arm_length_mm[0];
        delta.arm_length_mm[i] =
            number(&tower, "arm_length").unwrap_or(if i == 0 { delta.arm_length_mm[0] } else { first });
        delta.tower_angle_deg[i] = number(&tower, "angle").unwrap_or(delta.tower_angle_deg[i]);
    }
    Ok(delta)
}

impl Builder<'_> {
    /// Adds the wire of a pin option; what is no pin of a micro-controller (a virtual one) has none.
    fn wire(&mut self, section: &Section, option: &str, device: impl FnOnce(&PinDesc) -> Device) -> bool {
        let Some(desc) = text(section, option).and_then(|t| PinDesc::parse(&t, true, true).ok()) else { return false };
        let real = desc.chip == "mcu" || self.config.has_section(&format!("mcu {}", desc.chip));
        if real {
            let device = device(&desc);
            self.wires.push(Wire { mcu: desc.chip, pin: desc.pin, device });
        }
        real
    }

    fn ranges(&mut self, is_delta: bool) -> Result<()> {
        if is_delta {
            let radius = number(&section(self.config, "printer")?, "delta_radius").unwrap_or(100.0);
            let top = number(&section(self.config, "stepper_a")?, "position_endstop").unwrap_or(200.0);
            self.basics.axis_min_mm = [-radius, -radius, -5.0];
            self.basics.axis_max_mm = [radius, radius, top];
            self.basics.start_mm = Some([0.0, 0.0, top - 30.0]);
            return Ok(());
        }
        for (i, name) in ["stepper_x", "stepper_y", "stepper_z"].iter().enumerate() {
            let rail = section(self.config, name)?;
            self.basics.axis_min_mm[i] = number(&rail, "position_min").unwrap_or(0.0).min(0.0);
            self.basics.axis_max_mm[i] = number(&rail, "position_max").unwrap_or(200.0);
        }
        Ok(())
    }

    fn probe(&mut self) {
        let bltouch = self.config.section("bltouch");
        let Some(section) = self.config.section("probe").or(bltouch.clone()) else { return };
        let offset = |option, default| number(&section, option).unwrap_or(default);
        self.probes.push(Probe {
            name: section.name().to_string(),
            offset_mm: [offset("x_offset", 0.0), offset("y_offset", 0.0), offset("z_offset", 0.0)],
            scatter_mm: if bltouch.is_some() { 0.004 } else { 0.001 },
            hysteresis_mm: 0.05,
            retracts: bltouch.is_some(),
        });
        match bltouch {
            Some(section) => {
                self.wire(&section, "sensor_pin", |pin| Device::Probe { probe: 0, pressed: !pin.invert });
                self.wire(&section, "control_pin", |_| Device::BltouchControl { probe: 0 });
            }
            None => drop(self.wire(&section, "pin", |pin| Device::Probe { probe: 0, pressed: !pin.invert })),
        }
    }

    fn rails(&mut self, names: [&str; 3], is_delta: bool) -> Result<()> {
        for (rail, name) in names.iter().enumerate() {
            let first = section(self.config, name)?;
            self.motor(&first, Moves::Rail(rail))?;
            self.endstop(&first, &first, rail, is_delta);
            for extra in (1..16).filter_map(|i| self.config.section(&format!("{name}{i}"))).collect::<Vec<_>>() {
                self.motor(&extra, Moves::Rail(rail))?;
                if extra.has("endstop_pin") {
                    self.endstop(&extra, &first, rail, is_delta);
                }
            }
        }
        let mut extruders: Vec<Section> = self.config.section("extruder").into_iter().collect();
        extruders.extend((1..16).filter_map(|i| self.config.section(&format!("extruder{i}"))));
        for (i, extruder) in extruders.iter().enumerate() {
            self.basics.nozzle_mm.push(number(extruder, "nozzle_diameter").unwrap_or(0.4));
            if i == 0 {
                self.basics.filament_mm = number(extruder, "filament_diameter").unwrap_or(1.75);
            }
            if extruder.has("step_pin") {
                self.motor(extruder, Moves::Extruder(i))?;
            }
        }
        Ok(())
    }

    fn motor(&mut self, section: &Section, moves: Moves) -> Result<()> {
        // A second motor on a rail takes what it does not say from the first.
        let base = section.name().trim_end_matches(|c: char| c.is_ascii_digit()).to_string();
        let first = self.config.section(&base);
        let value = |option| number(section, option).or_else(|| number(first.as_ref()?, option));
        let need =
            |option| value(option).ok_or_else(|| WiringError(format!("[{}] {option} is missing", section.name())));
        let motor = self.basics.motors.len();
        self.basics.motors.push(MotorBasics {
            name: section.name().to_string(),
            moves,
            rotation_distance_mm: need("rotation_distance")?,
            gear_ratio: gear_ratio(section),
            full_steps_per_rotation: value("full_steps_per_rotation").unwrap_or(200.0) as u32,
            microsteps: need("microsteps")? as u32,
        });
        self.wire(section, "step_pin", |_| Device::Step { motor });
        self.wire(section, "dir_pin", |pin| Device::Dir { motor, forward: !pin.invert });
        self.wire(section, "enable_pin", |pin| Device::Enable { motor, on: !pin.invert });
        Ok(())
    }

    fn endstop(&mut self, section: &Section, first: &Section, rail: usize, is_delta: bool) {
        let endstop = self.endstops.len();
        let name = section.name().to_string();
        let place = |option| number(section, option).or_else(|| number(first, option));
        let (watches, at_mm, side) = if is_delta {
            let Shape::Delta(geometry) = &self.basics.shape else { return };
            let at =
                place("position_endstop").or_else(|| number(&self.config.section("stepper_a")?, "position_endstop"));
            let arm = geometry.arm_length_mm[rail];
            let rise = (arm * arm - geometry.radius_mm * geometry.radius_mm).max(0.0).sqrt();
            (Watches::Rail(rail), at.unwrap_or(0.0) + rise, Side::Above)
        } else {
            let (min, max) = (place("position_min").unwrap_or(0.0), place("position_max").unwrap_or(200.0));
            let at = place("position_endstop").unwrap_or(min);
            let given = text(first, "homing_positive_dir")
                .map(|t| matches!(t.to_lowercase().as_str(), "true" | "1" | "yes" | "on"));
            let positive = given.unwrap_or(at > (min + max) / 2.0);
            (Watches::Axis(rail), at, if positive { Side::Above } else { Side::Below })
        };
        let wired = self.wire(section, "endstop_pin", |pin| Device::Endstop { endstop, pressed: !pin.invert });
        if wired {
            self.endstops.push(Endstop { name, watches, at_mm, side, scatter_mm: 0.001, hysteresis_mm: 0.05 });
        }
    }

    fn heaters(&mut self) -> Result<()> {
        let names: Vec<String> = self.config.names().map(str::to_string).collect();
        for name in names {
            let Some(section) = self.config.section(&name) else { continue };
            if !section.has("heater_pin") || !section.has("sensor_pin") {
                continue;
            }
            let index = self.basics.heaters.len();
            let kind = if name.starts_with("extruder") { HeaterKind::Hotend } else { HeaterKind::Bed };
            let short = name.strip_prefix("heater_generic ").unwrap_or(&name).to_string();
            self.basics.heaters.push(HeaterBasics {
                name: short,
                kind,
                sensor_type: text(&section, "sensor_type").unwrap_or_default(),
                pullup_ohm: number(&section, "pullup_resistor").unwrap_or(4700.0),
            });
            self.wire(&section, "heater_pin", |pin| Device::Heater { heater: index, on: !pin.invert });
            self.wire(&section, "sensor_pin", |_| Device::Thermistor { sensor: index });
        }
        Ok(())
    }

    fn fans(&mut self) {
        // The part fan comes first: it is the one that cools the melt.
        let names: Vec<String> = self.config.names().map(str::to_string).collect();
        let is_fan = |name: &String| {
            ["fan", "heater_fan", "controller_fan", "fan_generic"].contains(&name.split(' ').next().unwrap_or_default())
        };
        let mut fans: Vec<String> = names.into_iter().filter(is_fan).collect();
        fans.sort_by_key(|name| name != "fan");
        for name in fans {
            let Some(section) = self.config.section(&name) else { continue };
            let fan = self.basics.fans.len();
            self.basics.fans.push(name);
            self.wire(&section, "pin", |pin| Device::Fan { fan, on: !pin.invert });
        }
    }

    fn drivers(&mut self) {
        for motor in 0..self.basics.motors.len() {
            let name = self.basics.motors[motor].name.clone();
            for kind in ["tmc2208", "tmc2209", "tmc2130", "tmc5160"] {
                let Some(section) = self.config.section(&format!("{kind} {name}")) else { continue };
                let address = number(&section, "uart_address").unwrap_or(0.0) as u8;
                let kind = kind.to_string();
                match section.has("uart_pin") {
                    true => self.wire(&section, "uart_pin", |_| Device::TmcUart { motor, kind, address }),
                    false => self.wire(&section, "cs_pin", |_| Device::TmcSpi { motor, kind }),
                };
                if let Moves::Rail(axis) = self.basics.motors[motor].moves {
                    for option in ["diag_pin", "diag1_pin"] {
                        self.wire(&section, option, |pin| Device::TmcDiag { motor, axis, pressed: !pin.invert });
                    }
                }
            }
        }
    }

    /// Sensors without a heater feel the air round the printer.
    fn sensors(&mut self) {
        for section in self.config.sections_with_prefix("temperature_sensor ") {
            let sensor = self.basics.heaters.len() + self.sensors.len();
            if self.wire(&section, "sensor_pin", |_| Device::Thermistor { sensor }) {
                let sensor_type = text(&section, "sensor_type").unwrap_or_default();
                let pullup_ohm = number(&section, "pullup_resistor").unwrap_or(4700.0);
                self.sensors.push(Sensor::of_type(section.name(), &sensor_type, pullup_ohm, Feels::Ambient));
            }
        }
    }

    /// On a machine that moves its bed, the chip that [resonance_tester] reads for Y alone sits on the bed.
    fn accelerometers(&mut self) {
        let sections: Vec<Section> =
            self.config.section("adxl345").into_iter().chain(self.config.sections_with_prefix("adxl345 ")).collect();
        let tester = self.config.section("resonance_tester");
        let chip_for = |option| tester.as_ref().and_then(|t| text(t, option));
        let moves_bed = self.basics.shape == Shape::Cartesian { bed_slinger: true };
        for (chip, section) in sections.iter().enumerate() {
            self.wire(section, "cs_pin", |_| Device::AccelerometerCs { chip });
            let name = Some(section.name().to_string());
            let on_bed = moves_bed && chip_for("accel_chip_y") == name && chip_for("accel_chip_x") != name;
            let mount = if on_bed { Mount::Bed } else { Mount::Head };
            let axes = chip_axes(&text(section, "axes_map").unwrap_or_default());
            self.accelerometers.push(Accelerometer { mount, axes, ..Accelerometer::default() });
        }
    }
}
