//! Stopping steppers together: a trigger seen by one micro-controller stops the motors of all of them.
//!
//! Each micro-controller has a *trsync* that stops its own steppers when it is triggered, or when the host has not
//! extended its time-out. While a homing move is under way, each reports that it is alive; the host extends everyone's
//! time-out from the report that is the oldest. A trigger is passed on to the others at once.

use super::client::{Mcu, WeakMcu};
use super::command::{Cmd, Params};
use super::error::McuError;
use super::serial_queue::QueueId;
use super::stepper::McuStepper;
use crate::reactor::Completion;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};

/// A stopped report stands for longer than this: the motors stop by themselves. Short where the trigger must travel
/// through the host.
const TIMEOUT_ONE_MCU_S: f64 = 0.250;
const TIMEOUT_SEVERAL_MCUS_S: f64 = 0.025;
/// Parts of the time-out after which an "alive" report comes, and of that before a time-out is worth extending.
const REPORT_PART: f64 = 0.3;
const EXTEND_PART: f64 = 0.8;
/// A state that was on its way when the stop was asked for is not its answer; asked again so often.
const STOP_TRIES: usize = 5;

/// Why a trsync triggered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerReason {
    Endstop,
    HostRequest,
    /// The end of the move passed without a trigger.
    PastEnd,
    /// A micro-controller did not hear from the host in time.
    CommTimeout,
    /// It had not been started, or a reason of the firmware's own.
    Other(u8),
}

impl TriggerReason {
    pub fn code(self) -> u8 {
        match self {
            TriggerReason::Endstop => 1,
            TriggerReason::HostRequest => 2,
            TriggerReason::PastEnd => 3,
            TriggerReason::CommTimeout => 4,
            TriggerReason::Other(code) => code,
        }
    }

    pub fn from_code(code: u8) -> Self {
        match code {
            1 => TriggerReason::Endstop,
            2 => TriggerReason::HostRequest,
            3 => TriggerReason::PastEnd,
            4 => TriggerReason::CommTimeout,
            other => TriggerReason::Other(other),
        }
    }

    /// Whether the move failed, not merely ended.
    pub fn is_error(self) -> bool {
        self.code() >= 4
    }
}

/// A report may take so long to arrive.
const REPORT_GRACE_S: f64 = 0.1;

struct Commands {
    start: Cmd,
    set_timeout: Cmd,
    trigger: Cmd,
    stop_on_trigger: Option<Cmd>,
}

/// The trsync of one micro-controller.
struct Trsync {
    mcu: Mcu,
    oid: u8,
    queue: QueueId,
    steppers: RefCell<Vec<McuStepper>>,
    commands: OnceCell<Commands>,
    /// print_time of the newest report, and up to when the motors may run.
    alive_at: Cell<f64>,
    expires_at: Cell<f64>,
}

struct Run {
    done: Completion<TriggerReason>,
    timeout_s: f64,
    /// print_time after which no trigger is expected any more.
    end: f64,
}

struct Inner {
    trsyncs: RefCell<Vec<Rc<Trsync>>>,
    run: RefCell<Option<Run>>,
}

/// The trsyncs of one endstop or probe; clones share them.
#[derive(Clone)]
pub struct TriggerDispatch(Rc<Inner>);

impl TriggerDispatch {
    /// `mcu` is the one that sees the trigger.
    pub fn new(mcu: &Mcu) -> TriggerDispatch {
        let dispatch = TriggerDispatch(Rc::new(Inner { trsyncs: RefCell::default(), run: RefCell::new(None) }));
        dispatch.add_mcu(mcu);
        dispatch
    }

    fn add_mcu(&self, mcu: &Mcu) -> Rc<Trsync> {
        let trsync = Rc::new(Trsync {
            mcu: mcu.clone(),
            oid: mcu.create_oid(),
            queue: mcu.alloc_queue(),
            steppers: RefCell::default(),
            commands: OnceCell::new(),
            alive_at: Cell::new(0.0),
            expires_at: Cell::new(0.0),
        });
        let (configured, dispatch) = (trsync.clone(), Rc::downgrade(&self.0));
        mcu.register_config_callback(move |mcu| configured.configure(mcu, dispatch));
        self.0.trsyncs.borrow_mut().push(trsync.clone());
        trsync
    }

    /// The trigger is to stop this stepper. To be called before connecting.
    pub fn add_stepper(&self, stepper: &McuStepper) {
        let same = |trsync: &&Rc<Trsync>| trsync.mcu.is_same(stepper.mcu());
        let known = self.0.trsyncs.borrow().iter().find(same).cloned();
        let trsync = known.unwrap_or_else(|| self.add_mcu(stepper.mcu()));
        let mut steppers = trsync.steppers.borrow_mut();
        if !steppers.iter().any(|known| known.oid() == stepper.oid()) {
            steppers.push(stepper.clone());
        }
    }

    pub fn steppers(&self) -> Vec<McuStepper> {
        self.0.trsyncs.borrow().iter().flat_map(|trsync| trsync.steppers.borrow().clone()).collect()
    }

    fn first(&self) -> Rc<Trsync> {
        self.0.trsyncs.borrow()[0].clone()
    }

    /// The trsync that the trigger's own device must name, and the queue in which it must send.
    pub fn oid(&self) -> u8 {
        self.first().oid
    }

    pub fn queue(&self) -> QueueId {
        self.first().queue
    }

    /// Arms everything; the move may begin at `print_time`. The completion is set at the trigger, whatever it is.
    pub fn start(&self, print_time: f64) -> Completion<TriggerReason> {
        let trsyncs = self.0.trsyncs.borrow().clone();
        let timeout_s = if trsyncs.len() == 1 { TIMEOUT_ONE_MCU_S } else { TIMEOUT_SEVERAL_MCUS_S };
        let done = trsyncs[0].mcu.reactor().completion();
        self.0.run.replace(Some(Run { done: done.clone(), timeout_s, end: f64::INFINITY }));
        for (at, trsync) in trsyncs.iter().enumerate() {
            // Reports of several micro-controllers come one after the other.
            let offset_s = timeout_s * REPORT_PART * at as f64 / trsyncs.len() as f64;
            trsync.start(print_time, offset_s, timeout_s);
        }
        self.watch_reports(&done, timeout_s);
        done
    }

    /// The report of a trigger is sent once, and may be lost. When the micro-controllers must have stopped, one way or
    /// the other, the wait ends; [`TriggerDispatch::stop`] asks why.
    fn watch_reports(&self, done: &Completion<TriggerReason>, timeout_s: f64) {
        let trsyncs = self.0.trsyncs.borrow().clone();
        if trsyncs[0].mcu.is_offline() {
            return;
        }
        let reactor = trsyncs[0].mcu.reactor().clone();
        let (done, clock) = (done.clone(), reactor.clone());
        reactor.spawn("trigger reports", async move {
            while done.wait_until(clock.now() + timeout_s).await.is_none() {
                let now = clock.now();
                let is_over = |trsync: &Rc<Trsync>| {
                    trsync.mcu.estimated_print_time(now) > trsync.expires_at.get() + REPORT_GRACE_S
                };
                if trsyncs.iter().any(is_over) {
                    done.complete(TriggerReason::CommTimeout);
                }
            }
        });
    }

    /// Waits for the trigger, at most until the micro-controller's clock has passed `print_time`.
    pub async fn wait_end(&self, print_time: f64) {
        if self.first().mcu.is_offline() {
            return;
        }
        let done = self.0.run.borrow_mut().as_mut().map(|run| {
            run.end = print_time;
            run.done.clone()
        });
        if let Some(done) = done {
            done.wait().await;
        }
    }

    /// Disarms everything, makes the steppers ready for new steps and takes over where they stand. Answers why the
    /// move ended: an error of any micro-controller before anything else.
    pub async fn stop(&self) -> Result<TriggerReason, McuError> {
        self.0.run.replace(None);
        let trsyncs = self.0.trsyncs.borrow().clone();
        if trsyncs[0].mcu.is_offline() {
            return Ok(TriggerReason::Endstop);
        }
        let mut reasons = Vec::new();
        for trsync in &trsyncs {
            reasons.push(trsync.stop().await?);
        }
        for trsync in &trsyncs {
            let steppers = trsync.steppers.borrow().clone();
            for stepper in steppers {
                stepper.note_homing_end().await?;
            }
        }
        let first = reasons[0];
        Ok(reasons.into_iter().find(|reason| reason.is_error()).unwrap_or(first))
    }
}

impl Inner {
    fn note_state(&self, oid: u8, mcu: &Mcu, params: &Params) {
        let trsyncs = self.trsyncs.borrow().clone();
        let Some(reporter) = trsyncs.iter().find(|trsync| trsync.oid == oid && trsync.mcu.is_same(mcu)) else { return };
        let run = self.run.borrow();
        let Some(run) = run.as_ref() else { return };
        if params.int("can_trigger") == 0 {
            let reason = TriggerReason::from_code(params.int("trigger_reason") as u8);
            if run.done.get().is_none() {
                trsyncs.iter().filter(|trsync| !Rc::ptr_eq(trsync, reporter)).for_each(|trsync| trsync.trigger(reason));
            }
            run.done.complete(reason);
            return;
        }
        let clock = mcu.clock32_to_clock64(params.int("clock") as u32);
        reporter.alive_at.set(mcu.clock_to_print_time(clock));
        if reporter.alive_at.get() > run.end {
            reporter.trigger(TriggerReason::PastEnd);
        }
        let oldest = trsyncs.iter().map(|trsync| trsync.alive_at.get()).fold(f64::INFINITY, f64::min);
        trsyncs.iter().for_each(|trsync| trsync.extend(oldest + run.timeout_s, run.timeout_s));
    }
}

impl Trsync {
    fn configure(self: &Rc<Self>, mcu: &Mcu, dispatch: Weak<Inner>) -> Result<(), McuError> {
        let oid = self.oid;
        mcu.add_config_cmd(format!("config_trsync oid={oid}"));
        mcu.add_restart_cmd(format!("trsync_start oid={oid} report_clock=0 report_ticks=0 expire_reason=0"));
        let stop_on_trigger = match self.steppers.borrow().is_empty() {
            true => None,
            false => Some(mcu.lookup_command("stepper_stop_on_trigger oid=%c trsync_oid=%c")?),
        };
        let _ = self.commands.set(Commands {
            start: mcu.lookup_command("trsync_start oid=%c report_clock=%u report_ticks=%u expire_reason=%c")?,
            set_timeout: mcu.lookup_command("trsync_set_timeout oid=%c clock=%u")?,
            trigger: mcu.lookup_command("trsync_trigger oid=%c reason=%c")?,
            stop_on_trigger,
        });
        mcu.check_response("trsync_state oid=%c can_trigger=%c trigger_reason=%c clock=%u")?;
        let weak: WeakMcu = mcu.downgrade();
        mcu.register_response("trsync_state", Some(oid), move |params| {
            if let (Some(dispatch), Some(mcu)) = (dispatch.upgrade(), weak.upgrade()) {
                dispatch.note_state(oid, &mcu, params);
            }
        });
        Ok(())
    }

    fn start(&self, print_time: f64, report_offset_s: f64, timeout_s: f64) {
        let Some(commands) = self.commands.get() else { return };
        let mcu = &self.mcu;
        let clock = mcu.print_time_to_clock(print_time).max(0) as u64;
        let report_clock = clock as i64 + mcu.seconds_to_clock(report_offset_s);
        let report_ticks = mcu.seconds_to_clock(timeout_s * REPORT_PART);
        self.alive_at.set(print_time);
        self.expires_at.set(print_time + timeout_s);
        let expire = TriggerReason::CommTimeout.code();
        let args = [self.oid.into(), report_clock.into(), report_ticks.into(), expire.into()];
        mcu.send(&commands.start, &args, self.queue, 0, clock);
        if let Some(stop) = &commands.stop_on_trigger {
            for stepper in self.steppers.borrow().iter() {
                mcu.send(stop, &[stepper.oid().into(), self.oid.into()], self.queue, 0, clock);
            }
        }
        self.send_timeout(commands, clock);
    }

    fn send_timeout(&self, commands: &Commands, req_clock: u64) {
        let expire = self.mcu.print_time_to_clock(self.expires_at.get());
        self.mcu.send(&commands.set_timeout, &[self.oid.into(), expire.into()], self.queue, 0, req_clock);
    }

    fn extend(&self, expires_at: f64, timeout_s: f64) {
        let Some(commands) = self.commands.get() else { return };
        if expires_at >= self.expires_at.get() + timeout_s * REPORT_PART * EXTEND_PART {
            self.expires_at.set(expires_at);
            self.send_timeout(commands, 0);
        }
    }

    fn trigger(&self, reason: TriggerReason) {
        let Some(commands) = self.commands.get() else { return };
        self.mcu.send(&commands.trigger, &[self.oid.into(), reason.code().into()], self.queue, 0, 0);
    }

    async fn stop(&self) -> Result<TriggerReason, McuError> {
        let Some(commands) = self.commands.get() else { return Ok(TriggerReason::Other(0)) };
        let (oid, host) = (self.oid, TriggerReason::HostRequest);
        let mut reason = TriggerReason::Other(0);
        for _ in 0..STOP_TRIES {
            let args = [oid.into(), host.code().into()];
            let answer = self.mcu.query(&commands.trigger, &args, "trsync_state", Some(oid), self.queue, 0, 0);
            let params = answer.await?;
            reason = TriggerReason::from_code(params.int("trigger_reason") as u8);
            if params.int("can_trigger") == 0 {
                break;
            }
        }
        Ok(reason)
    }
}
