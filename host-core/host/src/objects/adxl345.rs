//! `[adxl345]`: an accelerometer, its registers, and the ACCELEROMETER_* commands.
//!
//! Resonance tests use it as [`Adxl345::start`] .. [`Adxl345::finish`]. One measurement runs at a time.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use crate::config::{ConfigError, Section};
use crate::files::time_stamp;
use crate::gcode::{Command, CommandError};
use crate::mcu::{Adxl345Bulk, McuError, Spi};
use crate::printer::dispatch::CommandResult;
use crate::printer::pins::PinFlags;
use crate::printer::spi::load_bus;
use crate::printer::{Object, Output, Printer};
use crate::shaper_calibrate::{Sample, csv};

const REG_DEVICE_ID: u8 = 0x00;
const REG_RATE: u8 = 0x2c;
const REG_POWER: u8 = 0x2d;
const REG_DATA_FORMAT: u8 = 0x31;
const REG_FIFO: u8 = 0x38;
const READ: u8 = 0x80;

const DEVICE_ID: u8 = 0xe5;
/// Full resolution, +-16 g.
const FORMAT_FULL_16G: u8 = 0x0b;
/// The newest samples stay.
const FIFO_STREAM: u8 = 0x90;
const POWER_MEASURE: u8 = 0x08;
const POWER_STANDBY: u8 = 0x00;
const RATES: [(i64, u8); 8] =
    [(25, 0x8), (50, 0x9), (100, 0xa), (200, 0xb), (400, 0xc), (800, 0xd), (1600, 0xe), (3200, 0xf)];

const SPI_MODE: u8 = 3;
const SPI_SPEED_HZ: i64 = 5_000_000;
const GRAVITY_MM_S2: f64 = 9806.65;
/// mm/s² per count of the chip's axes.
const SCALE: [f64; 3] = [0.003774 * GRAVITY_MM_S2, 0.003774 * GRAVITY_MM_S2, 0.003906 * GRAVITY_MM_S2];

/// How often the micro-controller is asked how far the chip is.
const POLL_S: f64 = 0.1;
/// Samples of the first polls wait until the chip's own rate is known a little.
const POLLS_BEFORE_TIMES: u32 = 5;
/// Samples on their way when a measurement ends.
const SETTLE_S: f64 = 0.1;
/// ACCELEROMETER_QUERY listens so long.
const QUERY_S: f64 = 1.0;

const REGISTER_MAX: i64 = 126;

pub struct Adxl345 {
    printer: Weak<Printer>,
    name: String,
    spi: Spi,
    bulk: Adxl345Bulk,
    /// Chip axis and scale of each machine axis.
    axes: [(usize, f64); 3],
    rate: (i64, u8),
    measuring: Cell<bool>,
    /// Counts measurements, so that an old one's poll ends.
    session: Cell<u32>,
    samples: RefCell<Vec<Sample>>,
    poll_error: RefCell<Option<McuError>>,
}

impl Object for Adxl345 {}

impl Adxl345 {
    pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
        let axes = axes_map(section)?;
        let rate_hz = section.int("rate").or(3200)?;
        let rate = RATES.into_iter().find(|(hz, _)| *hz == rate_hz).ok_or_else(|| {
            let error = section.error("rate", format!("Invalid rate parameter: {rate_hz}"));
            error.help("one of: 3200, 1600, 800, 400, 200, 100, 50, 25")
        })?;
        let cs = printer.pins.take(printer, section, "cs_pin", PinFlags::PLAIN, None)?;
        let speed_hz = section.int("spi_speed").min(100_000).max(i64::from(u32::MAX)).or(SPI_SPEED_HZ)?;
        let bus = load_bus(printer, section, &cs.mcu)?;
        let spi = Spi::new(&cs.mcu, Some(&cs.name), false, bus, SPI_MODE, speed_hz as u32);
        let this = Rc::new(Adxl345 {
            printer: Rc::downgrade(printer),
            name: section.name().to_string(),
            bulk: Adxl345Bulk::new(spi.mcu(), &spi),
            spi,
            axes,
            rate,
            measuring: Cell::new(false),
            session: Cell::new(0),
            samples: RefCell::default(),
            poll_error: RefCell::default(),
        });
        printer.add_object(section.name(), this.clone());
        register(printer, &this);
        Ok(())
    }

    /// The section's name, such as `adxl345 bed`.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn short_name(&self) -> &str {
        self.name.split(' ').next_back().unwrap_or(&self.name)
    }

    pub fn is_measuring(&self) -> bool {
        self.measuring.get()
    }

    fn printer(&self) -> Rc<Printer> {
        self.printer.upgrade().expect("the printer outlives its sensors")
    }

    /// Sets the chip up and begins to collect samples.
    pub async fn start(self: &Rc<Self>) -> CommandResult {
        if self.measuring.replace(true) {
            return Err(CommandError::new(format!(
                "{} is measuring already; end that with ACCELEROMETER_MEASURE",
                self.name
            )));
        }
        let started = self.start_chip().await;
        if started.is_err() {
            self.measuring.set(false);
        }
        started
    }

    async fn start_chip(self: &Rc<Self>) -> CommandResult {
        self.samples.borrow_mut().clear();
        self.poll_error.replace(None);
        if !self.printer().is_offline() {
            self.check_id().await?;
            self.write_register(REG_POWER, POWER_STANDBY).await?;
            self.write_register(REG_DATA_FORMAT, FORMAT_FULL_16G).await?;
            self.write_register(REG_FIFO, 0).await?;
            self.write_register(REG_RATE, self.rate.1).await?;
            self.write_register(REG_FIFO, FIFO_STREAM).await?;
            // The chip runs before samples are counted against the clock.
            self.write_register(REG_POWER, POWER_MEASURE).await?;
            self.bulk.start(self.rate.0 as f64).await.map_err(mcu_error)?;
        }
        let session = self.session.get() + 1;
        self.session.set(session);
        let this = self.clone();
        self.printer().reactor.spawn("accelerometer", async move { this.poll(session).await });
        Ok(())
    }

    async fn poll(self: Rc<Self>, session: u32) {
        let reactor = self.printer().reactor.clone();
        let mut polls = 0;
        loop {
            reactor.sleep(POLL_S).await;
            let alive = self.printer.upgrade().is_some_and(|p| !p.is_shutdown());
            if !alive || !self.measuring.get() || self.session.get() != session {
                return;
            }
            if let Err(error) = self.bulk.update().await {
                self.poll_error.replace(Some(error));
                return;
            }
            polls += 1;
            if polls >= POLLS_BEFORE_TIMES {
                self.collect();
            }
        }
    }

    fn collect(&self) {
        let new = self.bulk.take_samples();
        self.samples.borrow_mut().extend(new.into_iter().map(|raw| {
            let chip = [f64::from(raw.x), f64::from(raw.y), f64::from(raw.z)];
            Sample { time_s: raw.print_time, accel_mm_s2: self.axes.map(|(axis, scale)| chip[axis] * scale) }
        }));
    }

    /// Ends the measurement; answers all its samples.
    pub async fn finish(&self) -> Result<Vec<Sample>, CommandError> {
        let printer = self.printer();
        printer.reactor.sleep(SETTLE_S).await;
        self.measuring.set(false);
        // The poll may be in the middle of its question.
        printer.reactor.sleep(SETTLE_S).await;
        let result = self.finish_chip().await;
        let samples = std::mem::take(&mut *self.samples.borrow_mut());
        result.map(|()| samples)
    }

    async fn finish_chip(&self) -> CommandResult {
        if self.printer().is_offline() {
            return Ok(());
        }
        if let Some(error) = self.poll_error.take() {
            return Err(mcu_error(error));
        }
        self.bulk.update().await.map_err(mcu_error)?;
        self.collect();
        self.bulk.stop().await.map_err(mcu_error)?;
        self.write_register(REG_POWER, POWER_STANDBY).await?;
        let (bad, overflows) = (self.bulk.errors(), self.bulk.overflows());
        if bad > 0 || overflows > 0 {
            self.printer()
                .log(format!("{}: {bad} samples could not be read, {overflows} overflows of its memory", self.name));
        }
        Ok(())
    }

    async fn check_id(&self) -> CommandResult {
        let id = self.read_register(REG_DEVICE_ID).await?;
        if id == DEVICE_ID {
            return Ok(());
        }
        let guess = match id {
            0x00 => "it answers only zeros: no power, or a broken miso or cs wire",
            0xff => "it answers only ones: no chip on these pins, or a broken miso wire",
            _ => "the answer is garbled: long or swapped wires, too high spi_speed, or another chip",
        };
        Err(CommandError::new(format!("Invalid adxl345 id (got {id:x} vs {DEVICE_ID:x}) of {}; {guess}", self.name)))
    }

    async fn read_register(&self, register: u8) -> Result<u8, CommandError> {
        let answer = self.spi.transfer(&[register | READ, 0]).await.map_err(mcu_error)?;
        Ok(answer.get(1).copied().unwrap_or(0))
    }

    async fn write_register(&self, register: u8, value: u8) -> CommandResult {
        self.spi.send(&[register, value], 0, 0).map_err(mcu_error)?;
        let got = self.read_register(register).await?;
        if got == value || self.printer().is_offline() {
            return Ok(());
        }
        Err(CommandError::new(format!(
            "Failed to set ADXL345 register [0x{register:x}] to 0x{value:x}: got 0x{got:x}; check the wires of {}, or \
             lower its spi_speed",
            self.name
        )))
    }
}

fn mcu_error(error: McuError) -> CommandError {
    CommandError::new(error.to_string())
}

/// `axes_map: x, -z, y`: which chip axis each machine axis is.
fn axes_map(section: &Section) -> Result<[(usize, f64); 3], ConfigError> {
    let words = section.list("axes_map").or(&["x", "y", "z"])?;
    let invalid = |why: String| section.error("axes_map", "Invalid axes_map parameter").help(why);
    let mut axes = Vec::new();
    for word in &words {
        let (sign, name) = word.strip_prefix('-').map_or((1.0, word.as_str()), |name| (-1.0, name.trim()));
        let axis = ["x", "y", "z"].iter().position(|axis| *axis == name);
        let axis = axis.ok_or_else(|| invalid(format!("'{word}' is none of x, y, z, -x, -y, -z")))?;
        if axes.iter().any(|(seen, _)| *seen == axis) {
            return Err(invalid(format!(
                "'{name}' is there twice: each axis of the chip belongs to one of the machine"
            )));
        }
        axes.push((axis, sign * SCALE[axis]));
    }
    axes.try_into().map_err(|axes: Vec<_>| invalid(format!("three axes are needed, not {}", axes.len())))
}

/// A name that goes into the name of a file.
pub(super) fn name_suffix(printer: &Printer, command: &Command<'_>) -> Result<String, CommandError> {
    let name = match command.text("NAME").optional() {
        Some(name) => name.to_string(),
        None => time_stamp(printer.reactor.now()),
    };
    match !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        true => Ok(name),
        false => Err(command.error("Invalid NAME parameter: letters, digits, '_' and '-' only")),
    }
}

fn register(printer: &Rc<Printer>, chip: &Rc<Adxl345>) {
    type Run = fn(Rc<Printer>, Rc<Adxl345>, crate::gcode::OwnedCommand) -> crate::reactor::LocalFuture<CommandResult>;
    let commands: [(&'static str, &'static str, Run); 4] = [
        ("ACCELEROMETER_MEASURE", "Start/stop accelerometer", |p, a, c| {
            Box::pin(async move { measure(&p, &a, &c).await })
        }),
        ("ACCELEROMETER_QUERY", "Query accelerometer for the current values", |p, a, _| {
            Box::pin(async move { query(&p, &a).await })
        }),
        ("ACCELEROMETER_DEBUG_READ", "Query register (for debugging)", |p, a, c| {
            Box::pin(async move { debug_read(&p, &a, &c).await })
        }),
        ("ACCELEROMETER_DEBUG_WRITE", "Set register (for debugging)", |_, a, c| {
            Box::pin(async move { debug_write(&a, &c).await })
        }),
    ];
    // The chip without a name of its own is the one that is meant when CHIP is missing.
    let keys = [Some(Some(chip.short_name())), (!chip.name.contains(' ')).then_some(None)];
    for (name, help, run) in commands {
        for key in keys.into_iter().flatten() {
            let me = chip.clone();
            printer.gcode.register_mux_async(name, "CHIP", key, help, move |p, c| run(p, me.clone(), c));
        }
    }
}

async fn measure(printer: &Rc<Printer>, chip: &Rc<Adxl345>, command: &Command<'_>) -> CommandResult {
    if !chip.is_measuring() {
        chip.start().await?;
        printer.gcode.respond_info("accelerometer measurements started");
        return Ok(());
    }
    let suffix = name_suffix(printer, command)?;
    let samples = chip.finish().await?;
    let path = match chip.name.contains(' ') {
        true => format!("adxl345-{}-{suffix}.csv", chip.short_name()),
        false => format!("adxl345-{suffix}.csv"),
    };
    printer.gcode.respond_info(&format!("Writing raw accelerometer data to {path} file"));
    printer.emit(Output::File { path, content: csv::raw_data(&samples).into_bytes() });
    Ok(())
}

async fn query(printer: &Rc<Printer>, chip: &Rc<Adxl345>) -> CommandResult {
    chip.start().await?;
    printer.reactor.sleep(QUERY_S).await;
    let samples = chip.finish().await?;
    let last = samples.last().ok_or_else(|| CommandError::new("No accelerometer measurements found"))?;
    let [x, y, z] = last.accel_mm_s2;
    printer.gcode.respond_info(&format!("accelerometer values (x, y, z): {x:.6}, {y:.6}, {z:.6}"));
    Ok(())
}

async fn debug_read(printer: &Rc<Printer>, chip: &Adxl345, command: &Command<'_>) -> CommandResult {
    let register = byte(command, "REG", REGISTER_MAX)?;
    let value = chip.read_register(register).await?;
    printer.gcode.respond_info(&format!("Accelerometer REG[0x{register:x}] = 0x{value:x}"));
    Ok(())
}

async fn debug_write(chip: &Adxl345, command: &Command<'_>) -> CommandResult {
    let register = byte(command, "REG", REGISTER_MAX)?;
    let value = byte(command, "VAL", 255)?;
    chip.write_register(register, value).await
}

/// Decimal or 0x hexadecimal.
fn byte(command: &Command<'_>, key: &str, max: i64) -> Result<u8, CommandError> {
    let text = command.text(key).required()?.trim();
    let hex = text.strip_prefix("0x").or(text.strip_prefix("0X"));
    let value = match hex {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    match value {
        Ok(value) if (0..=max).contains(&value) => Ok(value as u8),
        Ok(_) => Err(command.error(format!("{key} must be 0 to {max}"))),
        Err(_) => Err(command.error(format!("unable to parse {text}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, MapSource};

    fn map(text: &str) -> Result<[(usize, f64); 3], ConfigError> {
        let text = format!("[adxl345]\naxes_map: {text}\n");
        let config = Config::parse(&MapSource::new([("printer.cfg", text.as_str())]), "printer.cfg").unwrap();
        axes_map(&config.section("adxl345").unwrap())
    }

    #[test]
    fn axes_are_swapped_and_turned_with_their_own_scale() {
        assert_eq!(map("-z, x, y").unwrap(), [(2, -SCALE[2]), (0, SCALE[0]), (1, SCALE[1])]);
        for (bad, why) in [("x, y", "three axes"), ("x, y, w", "'w'"), ("x, y, -x", "twice"), ("x,y,z,x", "twice")] {
            let error = map(bad).unwrap_err();
            assert_eq!(error.message, "Invalid axes_map parameter");
            assert!(error.to_string().contains(why) || format!("{error:?}").contains(why), "{error:?}");
        }
    }

    #[test]
    fn registers_are_decimal_or_hexadecimal() {
        let command = Command::parse("ACCELEROMETER_DEBUG_WRITE REG=0x2C VAL=15").unwrap();
        assert_eq!((byte(&command, "REG", REGISTER_MAX), byte(&command, "VAL", 255)), (Ok(0x2c), Ok(15)));
        assert!(byte(&command, "REG", 3).unwrap_err().to_string().contains("REG must be 0 to 3"));
        assert!(byte(&command, "X", 3).unwrap_err().to_string().contains("missing X"));
    }
}
