//! A stepper motor's pins in the micro-controller, and its step commands.

use super::client::Mcu;
use super::command::Cmd;
use super::error::McuError;
use super::serial_queue::QueueId;
use super::step_queue::StepQueue;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

/// Step pulses of drivers that do not say otherwise.
const DEFAULT_PULSE_S: f64 = 0.000_002;

#[derive(Clone, Debug, PartialEq)]
pub struct StepperPins {
    pub step_pin: String,
    pub invert_step: bool,
    pub dir_pin: String,
    pub invert_dir: bool,
    /// Length of a step pulse; `None`: what the driver asks for with [`McuStepper::set_default_pulse`], or 2 µs.
    pub step_pulse_s: Option<f64>,
}

/// A stepper; clones share it.
#[derive(Clone)]
pub struct McuStepper(Rc<Inner>);

struct Inner {
    mcu: Mcu,
    oid: u8,
    pins: StepperPins,
    steps: StepQueue,
    default_pulse: Cell<(f64, bool)>,
    both_edges: Cell<bool>,
    get_position: OnceCell<Cmd>,
}

impl McuStepper {
    pub fn new(mcu: &Mcu, pins: StepperPins) -> McuStepper {
        let oid = mcu.create_oid();
        let steps = mcu.step_queue(oid);
        steps.set_invert_dir(pins.invert_dir);
        let stepper = McuStepper(Rc::new(Inner {
            mcu: mcu.clone(),
            oid,
            pins,
            steps,
            default_pulse: Cell::new((DEFAULT_PULSE_S, false)),
            both_edges: Cell::new(false),
            get_position: OnceCell::new(),
        }));
        let inner = stepper.0.clone();
        mcu.register_config_callback(move |mcu| inner.configure(mcu));
        stepper
    }

    /// What a driver chip can take, if printer.cfg says nothing: pulse length, and whether each edge of the step line
    /// is a step (used where the firmware can do it). To be called before connecting.
    pub fn set_default_pulse(&self, pulse_s: f64, both_edges: bool) {
        self.0.default_pulse.set((pulse_s, both_edges));
    }

    pub fn mcu(&self) -> &Mcu {
        &self.0.mcu
    }

    pub fn oid(&self) -> u8 {
        self.0.oid
    }

    pub fn steps(&self) -> &StepQueue {
        &self.0.steps
    }

    /// Whether each edge of the step line is a step; known after connecting.
    pub fn steps_on_both_edges(&self) -> bool {
        self.0.both_edges.get()
    }

    /// The micro-controller's own count of steps, in the host's direction.
    pub async fn query_position_steps(&self) -> Result<i64, McuError> {
        self.query_position().await.map(|(position, _)| position)
    }

    async fn query_position(&self) -> Result<(i64, f64), McuError> {
        let mcu = &self.0.mcu;
        let Some(get_position) = self.0.get_position.get().filter(|_| !mcu.is_offline()) else {
            return Ok((self.0.steps.position_steps(), 0.0));
        };
        let oid = self.0.oid;
        let params =
            mcu.query(get_position, &[oid.into()], "stepper_position", Some(oid), QueueId::DEFAULT, 0, 0).await?;
        let position = params.int("pos");
        Ok((if self.0.pins.invert_dir { -position } else { position }, params.receive_time))
    }

    /// Takes over where the micro-controller says that the motor stands (after connecting).
    pub async fn sync_position(&self) -> Result<i64, McuError> {
        let (position, receive_time) = self.query_position().await?;
        if !self.0.mcu.is_offline() {
            let clock = self.0.mcu.estimated_clock(receive_time).max(0) as u64;
            self.0.steps.set_position_steps(clock, position);
        }
        Ok(position)
    }

    /// After a trigger stopped the motor: makes the micro-controller take steps again, and takes over where it stands.
    pub async fn note_homing_end(&self) -> Result<i64, McuError> {
        if self.0.mcu.is_offline() {
            return Ok(self.0.steps.position_steps());
        }
        self.0.steps.reset_step_clock(0);
        self.0.mcu.flush_moves(1, 0);
        self.sync_position().await
    }
}

impl Inner {
    fn configure(&self, mcu: &Mcu) -> Result<(), McuError> {
        let (default_pulse_s, wants_both) = self.default_pulse.get();
        let pulse_s = self.pins.step_pulse_s.unwrap_or(default_pulse_s);
        let can_both = mcu.constant_f64("STEPPER_STEP_BOTH_EDGE").unwrap_or(0.0) != 0.0;
        // A user who asks for long pulses has a driver that needs them.
        let both = wants_both && can_both && pulse_s <= default_pulse_s;
        self.both_edges.set(both);
        let invert = if both { -1 } else { i32::from(self.pins.invert_step) };
        let ticks = mcu.seconds_to_clock(pulse_s);
        let (oid, step_pin, dir_pin) = (self.oid, &self.pins.step_pin, &self.pins.dir_pin);
        mcu.add_config_cmd(format!(
            "config_stepper oid={oid} step_pin={step_pin} dir_pin={dir_pin} invert_step={invert} \
             step_pulse_ticks={ticks}"
        ));
        mcu.add_restart_cmd(format!("reset_step_clock oid={oid} clock=0"));
        mcu.check_response("stepper_position oid=%c pos=%i")?;
        let _ = self.get_position.set(mcu.lookup_command("stepper_get_position oid=%c")?);
        Ok(())
    }
}
