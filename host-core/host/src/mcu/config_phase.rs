//! Connecting: identify, meet the clock, build the configuration, and bring it into the micro-controller.
//!
//! Objects hand in what they know beforehand (commands, or a callback that runs once the dictionary is known and may
//! add commands). The texts make a checksum that the micro-controller keeps: one that was configured by the same
//! texts before is only put back to its start.

use super::client::{Mcu, Question};
use super::clock_sync::{PrintTimeBase, STARTUP_PERIOD_S, STARTUP_QUERIES};
use super::command::{Arg, Cmd, Content, Params};
use super::dictionary::McuDictionary;
use super::error::{McuError, McuErrorCause};
use super::serial_queue::QueueId;
use super::step_queue::StepCommandIds;
use drydock_protocol::IDENTIFY_FORMAT;
use std::rc::Rc;

/// Connecting is tried for so long.
const CONNECT_S: f64 = 90.0;
/// One chunk of the dictionary.
const IDENTIFY_CHUNK: usize = 40;
/// A dictionary with more than this much compressed data does not exist; a line that keeps sending ends here.
const IDENTIFY_MAX: usize = 1 << 20;
/// Time to answer one of the questions at connect.
const ANSWER_S: f64 = 5.0;
/// Declared and measured rate may differ by so much before it is worth a warning.
const FREQ_TOLERANCE: f64 = 0.01;
/// Clocks are compared within 2^31 ticks, and outputs are scheduled up to 3 s ahead.
const CLOCK_FREQ_MAX: f64 = 2_147_483_648.0 / 3.0;

type ConfigCallback = Box<dyn FnOnce(&Mcu) -> Result<(), McuError>>;

#[derive(Default)]
pub(super) struct ConfigPhase {
    oid_count: u16,
    config: Vec<String>,
    restart: Vec<String>,
    init: Vec<String>,
    callbacks: Vec<ConfigCallback>,
    reserved_moves: u32,
}

/// What `get_config` answers.
struct ConfigState {
    is_config: bool,
    crc: u32,
    is_shutdown: bool,
    move_count: u32,
}

impl Mcu {
    /// A number for one more object in the micro-controller. There are 256; one more than that makes connecting fail.
    pub fn create_oid(&self) -> u8 {
        let mut config = self.0.config.borrow_mut();
        let oid = config.oid_count;
        config.oid_count = oid.saturating_add(1);
        oid as u8
    }

    /// A command of the configuration itself, such as `config_digital_out oid=1 pin=PA1 ...`.
    pub fn add_config_cmd(&self, text: impl Into<String>) {
        self.0.config.borrow_mut().config.push(text.into());
    }

    /// A command that brings an already configured micro-controller back to its start.
    pub fn add_restart_cmd(&self, text: impl Into<String>) {
        self.0.config.borrow_mut().restart.push(text.into());
    }

    /// A command sent at every connect, after the configuration stands.
    pub fn add_init_cmd(&self, text: impl Into<String>) {
        self.0.config.borrow_mut().init.push(text.into());
    }

    /// Runs `callback` once while connecting, when the dictionary and the clock are known. It may add commands.
    pub fn register_config_callback(&self, callback: impl FnOnce(&Mcu) -> Result<(), McuError> + 'static) {
        self.0.config.borrow_mut().callbacks.push(Box::new(callback));
    }

    /// Keeps one place of the micro-controller's move queue for an output.
    pub fn reserve_move_slot(&self) {
        self.0.config.borrow_mut().reserved_moves += 1;
    }

    /// Connects and configures. On return the micro-controller is ready for use.
    pub async fn connect(&self) -> Result<(), McuError> {
        if self.is_offline() {
            self.run_callbacks()?;
            self.0.life.connected.set(true);
            return Ok(());
        }
        self.identify().await?;
        self.meet_clock().await?;
        self.run_callbacks()?;
        self.start_steps()?;
        let move_count = self.configure().await?;
        self.grant_moves(move_count)?;
        self.0.life.connected.set(true);
        self.log_configured(move_count);
        Ok(())
    }

    // ---- dictionary

    async fn identify(&self) -> Result<(), McuError> {
        let deadline = self.0.reactor.now() + CONNECT_S;
        let identify = self.lookup_command(IDENTIFY_FORMAT)?;
        let mut data: Vec<u8> = Vec::new();
        loop {
            let chunk = self.identify_chunk(&identify, data.len(), deadline).await?;
            if chunk.is_empty() || data.len() > IDENTIFY_MAX {
                break;
            }
            data.extend_from_slice(&chunk);
        }
        let dictionary = McuDictionary::from_identify(&data).map_err(|cause| self.error(cause))?;
        self.log(&format!(
            "Loaded MCU '{}' {} commands ({} / {})",
            self.0.name,
            dictionary.command_count(),
            dictionary.raw.version,
            dictionary.raw.build_versions
        ));
        self.0.dictionary.replace(Rc::new(dictionary));
        let constants: Vec<String> = self.constants().iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.log(&format!("MCU '{}' config: {}", self.0.name, constants.join(" ")));
        let mut serial = self.0.serial.borrow_mut();
        serial.set_baud(self.constant_f64("SERIAL_BAUD").unwrap_or(0.0));
        serial.set_window(self.constant_f64("RECEIVE_WINDOW").unwrap_or(0.0) as usize);
        Ok(())
    }

    async fn identify_chunk(&self, identify: &Cmd, offset: usize, deadline: f64) -> Result<Vec<u8>, McuError> {
        loop {
            let args = [Arg::Int(offset as i64), Arg::Int(IDENTIFY_CHUNK as i64)];
            let question = at_once(identify.encode(&args));
            match self.ask(question, "identify_response", None, deadline).await {
                // An answer to a question put twice comes twice.
                Ok(params) if params.int("offset") as usize == offset => return Ok(params.bytes("data").to_vec()),
                Ok(_) => {}
                Err(_) if self.0.reactor.now() < deadline => {}
                Err(_) => return Err(self.error(McuErrorCause::Unreachable { waited_s: CONNECT_S })),
            }
        }
    }

    // ---- clock

    async fn meet_clock(&self) -> Result<(), McuError> {
        if self.0.main.as_ref().is_some_and(|main| !main.is_connected()) {
            let cause = "it keeps the time of the main micro-controller, which must be connected first";
            return Err(self.error(McuErrorCause::BadValue(cause.into())));
        }
        let freq = self.require_constant_f64("CLOCK_FREQ")?;
        if !(1.0..CLOCK_FREQ_MAX).contains(&freq) {
            return Err(self.error(McuErrorCause::BadValue(format!(
                "CLOCK_FREQ={freq} of its firmware is outside 1 Hz .. {CLOCK_FREQ_MAX:.0} Hz"
            ))));
        }
        self.0.clock_freq.set(freq);
        self.0.base.set(PrintTimeBase::main(freq));
        self.check_response("clock clock=%u")?;
        self.0.life.emergency_stop.replace(Some(self.lookup_command("emergency_stop")?));
        let get_uptime = self.lookup_command("get_uptime")?;
        let get_clock = self.lookup_command("get_clock")?;
        let uptime = self.ask_at_connect(&get_uptime, "uptime").await?;
        let clock = uptime.int("high") << 32 | (uptime.int("clock") & 0xffff_ffff);
        let sent_time = if uptime.sent_time > 0.0 { uptime.sent_time } else { uptime.receive_time };
        self.0.clock.borrow_mut().start(freq, sent_time, clock);
        for _ in 0..STARTUP_QUERIES {
            self.0.reactor.sleep(STARTUP_PERIOD_S).await;
            self.ask_at_connect(&get_clock, "clock").await?;
        }
        if let Some(main) = &self.0.main {
            let (main_clock, own_clock) = (main.0.clock.borrow().estimate(), self.0.clock.borrow().estimate());
            let now = self.0.reactor.now();
            self.0.base.set(PrintTimeBase::secondary(now, main.clock_freq(), main_clock, own_clock));
        }
        self.warn_of_freq(freq);
        self.spawn_clock_queries(get_clock);
        Ok(())
    }

    fn warn_of_freq(&self, declared: f64) {
        let measured = self.0.clock.borrow().estimate().freq;
        if (measured / declared - 1.0).abs() > FREQ_TOLERANCE {
            self.log(&format!(
                "MCU '{}' configured for {:.0}Mhz but running at {:.0}Mhz!",
                self.0.name,
                declared / 1e6,
                measured / 1e6
            ));
        }
    }

    async fn ask_at_connect(&self, cmd: &Cmd, response: &str) -> Result<Params, McuError> {
        let deadline = self.0.reactor.now() + ANSWER_S;
        self.ask(at_once(cmd.encode(&[])), response, None, deadline).await
    }

    // ---- configuration

    fn run_callbacks(&self) -> Result<(), McuError> {
        loop {
            // A callback may register another one.
            let callbacks = std::mem::take(&mut self.0.config.borrow_mut().callbacks);
            if callbacks.is_empty() {
                break;
            }
            for callback in callbacks {
                callback(self)?;
            }
        }
        let oids = self.0.config.borrow().oid_count;
        if oids > 256 {
            let cause = format!("the configuration needs {oids} objects in it, 256 are possible; use fewer");
            return Err(self.error(McuErrorCause::BadValue(cause)));
        }
        Ok(())
    }

    /// Steppers need three commands; a board without them is fine as long as nothing steps on it.
    fn start_steps(&self) -> Result<(), McuError> {
        if !self.0.steps.is_used() {
            return Ok(());
        }
        let ids = StepCommandIds {
            queue_step: self.lookup_command("queue_step oid=%c interval=%u count=%hu add=%hi")?.id(),
            set_next_step_dir: self.lookup_command("set_next_step_dir oid=%c dir=%c")?.id(),
            reset_step_clock: self.lookup_command("reset_step_clock oid=%c clock=%u")?.id(),
        };
        self.0.steps.start(ids);
        Ok(())
    }

    fn grant_moves(&self, move_count: u32) -> Result<(), McuError> {
        let reserved = self.0.config.borrow().reserved_moves;
        match move_count.checked_sub(reserved) {
            Some(moves) if moves > 0 || !self.0.steps.is_used() => self.0.steps.grant(moves as usize),
            _ => return Err(self.error(McuErrorCause::TooFewMoves { move_count, reserved })),
        }
        Ok(())
    }

    async fn configure(&self) -> Result<u32, McuError> {
        let get_config = self.lookup_command("get_config")?;
        let commands = self.config_commands();
        let crc = crc32fast::hash(commands.join("\n").as_bytes());
        let before = self.config_state(&get_config).await?;
        if before.is_config {
            if before.crc != crc {
                return Err(self.error(McuErrorCause::CrcMismatch));
            }
            let restart = std::mem::take(&mut self.0.config.borrow_mut().restart);
            self.send_texts(&restart)?;
        } else {
            self.log(&format!("Sending MCU '{}' printer configuration...", self.0.name));
            let encoded = self.encode_texts(&commands)?;
            let finalize = self.encode_texts(&[format!("finalize_config crc={crc}")])?;
            self.send_contents(encoded);
            self.send_contents(finalize);
        }
        let after = self.config_state(&get_config).await?;
        if !after.is_config {
            return Err(self.error(McuErrorCause::NotConfigured));
        }
        if after.crc != crc {
            return Err(self.error(McuErrorCause::CrcMismatch));
        }
        let init = std::mem::take(&mut self.0.config.borrow_mut().init);
        self.send_texts(&init)?;
        Ok(after.move_count)
    }

    fn config_commands(&self) -> Vec<String> {
        let config = self.0.config.borrow();
        let mut commands = vec![format!("allocate_oids count={}", config.oid_count)];
        commands.extend(config.config.iter().cloned());
        commands
    }

    async fn config_state(&self, get_config: &Cmd) -> Result<ConfigState, McuError> {
        let params = self.ask_at_connect(get_config, "config").await?;
        let state = ConfigState {
            is_config: params.int("is_config") != 0,
            crc: params.int("crc") as u32,
            is_shutdown: params.int("is_shutdown") != 0,
            move_count: params.int("move_count") as u32,
        };
        if state.is_shutdown || self.is_shutdown() {
            let reason = self.shutdown_reason().unwrap_or_else(|| "from an earlier session".into());
            return Err(self.error(McuErrorCause::Shutdown { reason }));
        }
        Ok(state)
    }

    fn encode_texts(&self, texts: &[String]) -> Result<Vec<Content>, McuError> {
        let dictionary = self.0.dictionary.borrow();
        let encode = |text: &String| {
            let bytes = dictionary.encode_text(text).map_err(|cause| self.error(cause))?;
            Ok(Content::from_slice(&bytes).unwrap_or_else(Content::new))
        };
        texts.iter().map(encode).collect()
    }

    fn send_texts(&self, texts: &[String]) -> Result<(), McuError> {
        self.send_contents(self.encode_texts(texts)?);
        Ok(())
    }

    fn send_contents(&self, contents: Vec<Content>) {
        for content in contents {
            self.send_content(content, QueueId::DEFAULT, 0, 0, 0);
        }
    }

    fn log_configured(&self, move_count: u32) {
        self.log(&format!("Configured MCU '{}' ({move_count} moves)", self.0.name));
    }
}

fn at_once(content: Content) -> Question {
    Question { content, queue: QueueId::DEFAULT, min_clock: 0, req_clock: 0 }
}
