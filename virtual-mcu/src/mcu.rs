//! One virtual micro-controller: the firmware, its silicon, and the order in which things happen to them.
//!
//! Each timer runs at its own tick, samples of an accelerometer come before a timer of the same nanosecond, and bytes
//! that arrive come after both. A chip takes `event_ticks` for each timer, during which nothing else runs; with the
//! default of zero every step edge is at the very tick that was asked for.

use crate::board::{MainLoop, VirtualBoard};
use crate::devices::adxl345::{Adxl345, Adxl345Config};
use crate::devices::tmc::{Tmc, TmcKind};
use crate::devices::tmc_uart::TmcWire;
use crate::oscillator::Oscillator;
use crate::pins;
use crate::silicon::{PinState, Silicon, SpiDevice, Transmit};
use crate::wires::Wires;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use drydock_firmware::{BoardFacts, Firmware, Link, Pin};
use drydock_protocol::{Constant, Deframer, Dictionary};

/// How one micro-controller is built.
#[derive(Clone, Debug, PartialEq)]
pub struct McuConfig {
    /// Name in printer.cfg, `mcu` for the first.
    pub name: String,
    pub clock_freq_hz: u32,
    /// Count of the clock at time zero: how long the board has been on.
    pub clock_offset_ticks: u64,
    /// How much faster than nominal its oscillator runs.
    pub drift_ppm: f64,
    /// Rate of its UART, which paces what it sends; 0 takes no time, like USB.
    pub serial_baud: u32,
    /// Bytes that its transmit buffer holds; a message that does not fit is dropped.
    pub transmit_buffer_bytes: usize,
    /// Slots of the move queue.
    pub move_count: u16,
    /// Step pulses up to this length are made in one event and have no width in the simulation.
    pub short_pulse_ns: u32,
    /// Time that the chip takes for each timer event.
    pub event_ticks: u32,
}

impl Default for McuConfig {
    fn default() -> Self {
        Self {
            name: "mcu".to_owned(),
            clock_freq_hz: 168_000_000,
            clock_offset_ticks: 0,
            drift_ppm: 0.0,
            serial_baud: 250_000,
            transmit_buffer_bytes: 96,
            move_count: 1024,
            short_pulse_ns: 5_000,
            event_ticks: 0,
        }
    }
}

/// A stepper driver that was attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TmcHandle(usize);

/// One virtual micro-controller.
#[derive(Clone, Debug)]
pub struct VirtualMcu {
    config: McuConfig,
    dictionary: Dictionary,
    firmware: Firmware,
    link: Link,
    deframer: Deframer,
    silicon: Silicon,
    /// The chip is taken until then.
    free_tick: u64,
    restarts: u32,
}

/// Receive buffer of the chip's UART, which hosts respect.
const RECEIVE_WINDOW: i64 = 192;

impl VirtualMcu {
    /// A board that has been on for a while: its firmware runs and nothing is configured.
    pub fn new(config: McuConfig) -> Self {
        let oscillator = Oscillator::new(config.clock_freq_hz, config.drift_ppm, config.clock_offset_ticks);
        let dictionary = drydock_firmware::dictionary(&facts(&config, oscillator.freq_hz()));
        let json = dictionary.to_json();
        let short_pulse = u64::from(config.short_pulse_ns) * u64::from(oscillator.freq_hz()) / 1_000_000_000;
        let silicon = Silicon {
            now_tick: oscillator.tick_at(0),
            now_ns: 0,
            move_count: config.move_count,
            short_pulse_ticks: short_pulse as u32,
            dictionary: miniz_oxide::deflate::compress_to_vec_zlib(json.as_bytes(), 9),
            reset_requested: false,
            pins: vec![PinState::default(); pins::COUNT],
            transmit: Transmit::new(config.serial_baud, config.transmit_buffer_bytes),
            selects: Vec::new(),
            accelerometers: Vec::new(),
            next_sample_ns: u64::MAX,
            drivers: Vec::new(),
            uarts: Vec::new(),
            lights: Vec::new(),
            oscillator,
        };
        let (firmware, link, deframer) = (Firmware::new(), Link::new(), Deframer::new());
        let mut mcu = Self { config, dictionary, firmware, link, deframer, silicon, free_tick: 0, restarts: 0 };
        mcu.firmware.start(&mut VirtualBoard { silicon: &mut mcu.silicon, wires: &mut NoWires });
        mcu
    }

    pub fn config(&self) -> &McuConfig {
        &self.config
    }

    /// What the firmware tells a host of itself.
    pub fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// Number of the pin called `name`.
    pub fn pin(&self, name: &str) -> Option<Pin> {
        self.dictionary.enum_value("pin", name).and_then(|number| Pin::try_from(number).ok())
    }

    /// Solders an accelerometer to the SPI bus with this chip select. `chip` names it to [`Wires::accelerometer`].
    pub fn attach_adxl345(&mut self, cs_pin: Pin, chip: u8, config: Adxl345Config) {
        let device = SpiDevice::Adxl345(self.silicon.accelerometers.len());
        self.silicon.accelerometers.push((chip, Adxl345::new(config)));
        self.silicon.selects.push((cs_pin, device));
        self.silicon.pin(cs_pin).watched = true;
    }

    /// Solders a stepper driver to the SPI bus with this chip select.
    pub fn attach_tmc_spi(&mut self, cs_pin: Pin, kind: TmcKind) -> TmcHandle {
        let driver = self.add_driver(kind);
        self.silicon.selects.push((cs_pin, SpiDevice::Tmc(driver.0)));
        self.silicon.pin(cs_pin).watched = true;
        driver
    }

    /// Solders a stepper driver to a single-wire UART.
    pub fn attach_tmc_uart(&mut self, uart_pin: Pin, address: u8, kind: TmcKind) -> TmcHandle {
        self.attach_tmc_uart_pair(uart_pin, uart_pin, address, kind)
    }

    /// Solders a stepper driver to a UART whose wire goes to two pins.
    pub fn attach_tmc_uart_pair(&mut self, rx_pin: Pin, tx_pin: Pin, address: u8, kind: TmcKind) -> TmcHandle {
        let driver = self.add_driver(kind);
        let uarts = &mut self.silicon.uarts;
        let at = uarts.iter().position(|wire| wire.rx_pin == rx_pin && wire.tx_pin == tx_pin);
        let at = at.unwrap_or_else(|| {
            uarts.push(TmcWire::new(rx_pin, tx_pin));
            uarts.len() - 1
        });
        uarts[at].attach(address, driver.0);
        for pin in [rx_pin, tx_pin] {
            self.silicon.pin(pin).watched = true;
        }
        driver
    }

    fn add_driver(&mut self, kind: TmcKind) -> TmcHandle {
        self.silicon.drivers.push(Tmc::new(kind));
        TmcHandle(self.silicon.drivers.len() - 1)
    }

    /// What a driver's register holds: its currents, its microsteps.
    pub fn tmc_register(&self, driver: TmcHandle, register: u8) -> u32 {
        self.silicon.drivers.get(driver.0).map_or(0, |driver| driver.peek(register))
    }

    /// Sets what a driver measures: its load, its temperature flags, its microstep counter.
    pub fn set_tmc_register(&mut self, driver: TmcHandle, register: u8, value: u32) {
        if let Some(driver) = self.silicon.drivers.get_mut(driver.0) {
            driver.put(register, value);
        }
    }

    /// Colours last sent to the chain of lights on this pin.
    pub fn lights(&self, pin: Pin) -> &[u8] {
        self.silicon.lights.iter().find(|(chain, _)| *chain == pin).map_or(&[], |(_, colours)| colours)
    }

    /// Changes the oscillator's rate from `at_ns` on.
    pub fn set_drift(&mut self, at_ns: u64, drift_ppm: f64) {
        self.silicon.oscillator.retune(at_ns, drift_ppm);
    }

    /// The board's clock against simulated time.
    pub fn oscillator(&self) -> &Oscillator {
        &self.silicon.oscillator
    }

    /// When something happens next by itself; `u64::MAX` for never.
    #[inline]
    pub fn next_wake_ns(&self) -> u64 {
        let timer_ns = match self.next_tick() {
            Some(tick) => self.silicon.oscillator.ns_of(tick),
            None => u64::MAX,
        };
        timer_ns.min(self.silicon.next_sample_ns).max(self.silicon.now_ns)
    }

    /// The tick at which the next timer runs.
    #[inline]
    fn next_tick(&self) -> Option<u64> {
        let now = self.silicon.now_tick;
        let wake = self.firmware.next_timer()?;
        let ahead = wake.wrapping_sub(now as u32) as i32;
        Some((now + ahead.max(0) as u64).max(self.free_tick))
    }

    /// Runs every timer, task and sample that is due at or before `until_ns`, each at its own time.
    pub fn run_until<W: Wires + ?Sized>(&mut self, until_ns: u64, wires: &mut W) {
        self.run_events::<false, W>(until_ns, wires);
    }

    /// As [`VirtualMcu::run_until`], but stops after the event in which the firmware says something: an answer to it
    /// may come back before `until_ns`.
    pub fn run_until_heard<W: Wires + ?Sized>(&mut self, until_ns: u64, wires: &mut W) {
        self.run_events::<true, W>(until_ns, wires);
    }

    fn run_events<const STOP_WHEN_HEARD: bool, W: Wires + ?Sized>(&mut self, until_ns: u64, wires: &mut W) {
        loop {
            let tick = self.next_tick();
            let at_ns = tick.map_or(u64::MAX, |tick| self.silicon.oscillator.ns_of(tick));
            let sample_ns = self.silicon.next_sample_ns;
            if at_ns.min(sample_ns) > until_ns {
                return;
            }
            match tick {
                Some(tick) if at_ns < sample_ns => {
                    // Bytes may have come within a tick, after its first nanosecond.
                    (self.silicon.now_tick, self.silicon.now_ns) = (tick, at_ns.max(self.silicon.now_ns));
                    let mut board = VirtualBoard { silicon: &mut self.silicon, wires };
                    self.firmware.dispatch_next(&mut board);
                    if self.firmware.has_tasks() {
                        self.link.run_tasks(&mut MainLoop { firmware: &mut self.firmware, board });
                    }
                    self.free_tick = self.silicon.now_tick + u64::from(self.config.event_ticks);
                }
                _ => self.take_samples(sample_ns, wires),
            }
            if STOP_WHEN_HEARD && self.has_transmit() {
                return;
            }
        }
    }

    fn take_samples<W: Wires + ?Sized>(&mut self, at_ns: u64, wires: &mut W) {
        for (name, chip) in &mut self.silicon.accelerometers {
            if chip.next_sample_ns() == at_ns {
                chip.take_sample(wires.accelerometer(at_ns, *name));
            }
        }
        self.silicon.find_next_sample();
    }

    /// Takes bytes that arrive at `at_ns`, after everything that is due by then.
    pub fn receive<W: Wires + ?Sized>(&mut self, at_ns: u64, bytes: &[u8], wires: &mut W) {
        self.run_until(at_ns, wires);
        let tick = self.silicon.oscillator.tick_at(at_ns).max(self.free_tick);
        if tick > self.silicon.now_tick {
            self.silicon.now_tick = tick;
        }
        self.silicon.now_ns = self.silicon.now_ns.max(at_ns);
        let board = VirtualBoard { silicon: &mut self.silicon, wires };
        let mut main_loop = MainLoop { firmware: &mut self.firmware, board };
        self.link.rx(&mut main_loop, &mut self.deframer, bytes);
        if main_loop.firmware.has_tasks() {
            self.link.run_tasks(&mut main_loop);
        }
        self.free_tick = self.silicon.now_tick;
        if self.silicon.reset_requested {
            self.restart(wires);
        }
    }

    /// Restarts the chip at the present moment, as its reset button would.
    pub fn restart<W: Wires + ?Sized>(&mut self, wires: &mut W) {
        let silicon = &mut self.silicon;
        silicon.reset_requested = false;
        self.restarts += 1;
        silicon.oscillator.restart(silicon.now_ns);
        silicon.now_tick = 0;
        self.free_tick = 0;
        let now_ns = silicon.now_ns;
        for (number, pin) in silicon.pins.iter_mut().enumerate() {
            // A pin in reset floats, which every board's wiring takes for low.
            if core::mem::take(&mut pin.is_output) && core::mem::take(&mut pin.level) {
                wires.output(now_ns, number as Pin, false);
            }
        }
        (self.firmware, self.link, self.deframer) = (Firmware::new(), Link::new(), Deframer::new());
        let mut board = VirtualBoard { silicon, wires };
        self.firmware.start(&mut board);
        self.link.announce(&mut MainLoop { firmware: &mut self.firmware, board });
    }

    /// How often the chip has been restarted, by command or by its button.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Whether the firmware has sent anything that has not been taken.
    #[inline]
    pub fn has_transmit(&self) -> bool {
        !self.silicon.transmit.is_empty()
    }

    /// Takes what the firmware has sent, message by message, with the time at which it was queued.
    pub fn take_transmit(&mut self, each: impl FnMut(u64, &[u8])) {
        self.silicon.transmit.drain(each);
    }

    /// Text of the reason of a shutdown.
    pub fn last_shutdown(&self) -> Option<&'static str> {
        self.firmware.shutdown_reason().map(|reason| reason.text())
    }

    pub fn is_shutdown(&self) -> bool {
        self.firmware.shutdown_reason().is_some()
    }

    pub fn is_configured(&self) -> bool {
        self.firmware.is_configured()
    }

    /// Moves that wait in the firmware's queues.
    pub fn moves_waiting(&self) -> u16 {
        self.firmware.moves_waiting()
    }

    /// Messages that found no room in the transmit buffer.
    pub fn dropped_messages(&self) -> u32 {
        self.link.dropped_messages()
    }

    /// Hands every number of the state that an outcome may depend on to `fold`, in a fixed order.
    pub fn fold_state(&self, fold: &mut impl FnMut(u64)) {
        self.link.fold_state(fold);
        self.firmware.fold_state(fold);
        self.silicon.fold_state(fold);
    }
}

fn facts(config: &McuConfig, clock_freq_hz: u32) -> BoardFacts {
    let mut constants = vec![("RECEIVE_WINDOW".to_owned(), Constant::Int(RECEIVE_WINDOW))];
    if config.serial_baud != 0 {
        constants.push(("SERIAL_BAUD".to_owned(), Constant::Int(i64::from(config.serial_baud))));
    }
    BoardFacts {
        mcu: "drydock-virtual".to_owned(),
        clock_freq_hz,
        pins: pins::names(),
        spi_buses: pins::spi_buses(),
        constants,
        build_versions: "rustc".to_owned(),
    }
}

/// The world before there is one: the firmware's first moments touch no pin.
struct NoWires;

impl Wires for NoWires {
    fn output(&mut self, _at_ns: u64, _pin: Pin, _level: bool) {}
    fn pwm(&mut self, _at_ns: u64, _pin: Pin, _duty: f64) {}
    fn input(&mut self, _at_ns: u64, _pin: Pin) -> bool {
        false
    }
    fn analog(&mut self, _at_ns: u64, _pin: Pin) -> u16 {
        0
    }
    fn accelerometer(&mut self, _at_ns: u64, _chip: u8) -> [i16; 3] {
        [0; 3]
    }
}
