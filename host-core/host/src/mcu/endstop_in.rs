//! A switch that the micro-controller watches while motors move, and that stops them.

use super::client::Mcu;
use super::command::Cmd;
use super::error::{McuError, McuErrorCause};
use super::serial_queue::QueueId;
use super::stepper::McuStepper;
use super::trsync::{TriggerDispatch, TriggerReason};
use crate::reactor::Completion;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

/// A switch input; clones share it.
#[derive(Clone)]
pub struct EndstopIn(Rc<Inner>);

struct Commands {
    home: Cmd,
    query: Cmd,
}

struct Inner {
    mcu: Mcu,
    oid: u8,
    queue: QueueId,
    invert: bool,
    dispatch: TriggerDispatch,
    commands: OnceCell<Commands>,
    rest_ticks: Cell<i64>,
}

impl EndstopIn {
    /// `pull_up`: 1 up, 0 none, -1 down.
    pub fn new(mcu: &Mcu, pin: &str, pull_up: i8, invert: bool) -> EndstopIn {
        let endstop = EndstopIn(Rc::new(Inner {
            mcu: mcu.clone(),
            oid: mcu.create_oid(),
            queue: mcu.alloc_queue(),
            invert,
            dispatch: TriggerDispatch::new(mcu),
            commands: OnceCell::new(),
            rest_ticks: Cell::new(0),
        }));
        let (inner, pin) = (endstop.0.clone(), pin.to_string());
        mcu.register_config_callback(move |mcu| {
            let oid = inner.oid;
            mcu.add_config_cmd(format!("config_endstop oid={oid} pin={pin} pull_up={pull_up}"));
            mcu.add_restart_cmd(format!(
                "endstop_home oid={oid} clock=0 sample_ticks=0 sample_count=0 rest_ticks=0 pin_value=0 trsync_oid=0 \
                 trigger_reason=0"
            ));
            mcu.check_response("endstop_state oid=%c homing=%c next_clock=%u pin_value=%c")?;
            let _ = inner.commands.set(Commands {
                home: mcu.lookup_command(
                    "endstop_home oid=%c clock=%u sample_ticks=%u sample_count=%c rest_ticks=%u pin_value=%c \
                     trsync_oid=%c trigger_reason=%c",
                )?,
                query: mcu.lookup_command("endstop_query_state oid=%c")?,
            });
            Ok(())
        });
        endstop
    }

    pub fn mcu(&self) -> &Mcu {
        &self.0.mcu
    }

    pub fn oid(&self) -> u8 {
        self.0.oid
    }

    /// The switch is to stop this stepper. To be called before connecting.
    pub fn add_stepper(&self, stepper: &McuStepper) {
        self.0.dispatch.add_stepper(stepper);
    }

    pub fn steppers(&self) -> Vec<McuStepper> {
        self.0.dispatch.steppers()
    }

    /// Watches the switch from `print_time` on, each `rest_time_s`; `sample_count` samples in a row that are equal to
    /// `triggered` are a trigger. The completion is set when the move is stopped, for whatever reason.
    pub fn home_start(
        &self,
        print_time: f64,
        sample_time_s: f64,
        sample_count: u8,
        rest_time_s: f64,
        triggered: bool,
    ) -> Completion<TriggerReason> {
        let (inner, mcu) = (&self.0, &self.0.mcu);
        let clock = mcu.print_time_to_clock(print_time);
        inner.rest_ticks.set(mcu.print_time_to_clock(print_time + rest_time_s) - clock);
        let done = inner.dispatch.start(print_time);
        if let Some(commands) = inner.commands.get() {
            let args = [
                inner.oid.into(),
                clock.into(),
                mcu.seconds_to_clock(sample_time_s).into(),
                sample_count.into(),
                inner.rest_ticks.get().into(),
                (triggered != inner.invert).into(),
                inner.dispatch.oid().into(),
                TriggerReason::Endstop.code().into(),
            ];
            mcu.send(&commands.home, &args, inner.dispatch.queue(), 0, clock.max(0) as u64);
        }
        done
    }

    /// Waits for the end of the move that was given to [`EndstopIn::home_start`] and disarms the switch. Answers the
    /// print_time of the trigger; `None` where there was none. Offline the switch triggers at the end of the move.
    pub async fn home_wait(&self, home_end_print_time: f64) -> Result<Option<f64>, McuError> {
        let (inner, mcu) = (&self.0, &self.0.mcu);
        if mcu.is_offline() {
            return Ok(Some(home_end_print_time));
        }
        inner.dispatch.wait_end(home_end_print_time).await;
        let Some(commands) = inner.commands.get() else { return Ok(None) };
        let mut args = [0.into(); 8];
        args[0] = inner.oid.into();
        mcu.send(&commands.home, &args, inner.dispatch.queue(), 0, 0);
        let reason = inner.dispatch.stop().await?;
        if reason.is_error() {
            return Err(mcu.error(McuErrorCause::HomingTimeout));
        }
        if reason != TriggerReason::Endstop {
            return Ok(None);
        }
        let params = self.ask_state(commands, 0).await?;
        let next_clock = mcu.clock32_to_clock64(params.int("next_clock") as u32);
        Ok(Some(mcu.clock_to_print_time(next_clock - inner.rest_ticks.get())))
    }

    /// Whether the switch is pressed at `print_time` or as soon after it as can be; offline never.
    pub async fn query_state(&self, print_time: f64) -> Result<bool, McuError> {
        let inner = &self.0;
        if inner.mcu.is_offline() {
            return Ok(false);
        }
        let Some(commands) = inner.commands.get() else { return Ok(false) };
        let clock = inner.mcu.print_time_to_clock(print_time).max(0) as u64;
        let params = self.ask_state(commands, clock).await?;
        Ok((params.int("pin_value") != 0) != inner.invert)
    }

    async fn ask_state(&self, commands: &Commands, min_clock: u64) -> Result<super::Params, McuError> {
        let (mcu, oid) = (&self.0.mcu, self.0.oid);
        mcu.query(&commands.query, &[oid.into()], "endstop_state", Some(oid), self.0.queue, min_clock, 0).await
    }
}
