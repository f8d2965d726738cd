//! One micro-controller as the rest of the host sees it: messages out and in, and its time.
//!
//! Connecting is in `config_phase`, shutdown and restart in `lifecycle`, the line itself in `serial_queue`.

use super::clock_sync::{ClockSync, PrintTimeBase};
use super::command::{Arg, Cmd, Content, Params};
use super::config_phase::ConfigPhase;
use super::dictionary::McuDictionary;
use super::error::{McuError, McuErrorCause};
use super::lifecycle::Life;
use super::offline::{self, OFFLINE_PRINT_TIME_S, Offline, StepSink};
use super::serial_queue::{QueueId, Received, SerialQueue};
use super::stats::TaskLoad;
use super::step_queue::{StepQueue, StepSync};
use crate::reactor::{Completion, EventTime, NEVER, Reactor};
use drydock_protocol::vlq::Reader;
use drydock_protocol::{Format, Message};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::Poll;

/// Line rate until the dictionary names one.
const DEFAULT_BAUD: f64 = 250_000.0;
/// A question is asked so often, first again after this time, then after twice as long, and so on.
const QUERY_TRIES: u32 = 6;
const QUERY_FIRST_RETRY_S: f64 = 0.010;

/// A handle to the client of one micro-controller; clones share it.
#[derive(Clone)]
pub struct Mcu(pub(super) Rc<Inner>);

type Handler = Rc<dyn Fn(&Params)>;
type Route = (Option<u8>, Handler);
type Log = Rc<dyn Fn(&str)>;

pub(super) struct Inner {
    pub name: String,
    pub reactor: Reactor,
    pub main: Option<Mcu>,
    pub offline: Option<Offline>,
    pub serial: RefCell<SerialQueue>,
    pub dictionary: RefCell<Rc<McuDictionary>>,
    pub clock: RefCell<ClockSync>,
    pub clock_freq: Cell<f64>,
    pub base: Cell<PrintTimeBase>,
    pub config: RefCell<ConfigPhase>,
    pub steps: Rc<StepSync>,
    pub life: Life,
    pub load: Cell<TaskLoad>,
    pub malformed: Cell<u64>,
    pub log: RefCell<Option<Log>>,
    routes: RefCell<BTreeMap<String, Vec<Route>>>,
    waiters: RefCell<Vec<Waiter>>,
    acks: RefCell<BTreeMap<u64, Completion<()>>>,
    next_id: Cell<u64>,
}

/// Someone who awaits the next message of a name and oid.
struct Waiter {
    id: u64,
    name: String,
    oid: Option<u8>,
    answer: Completion<Params>,
}

impl Mcu {
    /// The client of the main micro-controller (`main` is `None`) or of another one that keeps the main one's time.
    pub fn new(reactor: &Reactor, name: &str, main: Option<&Mcu>) -> Mcu {
        Self::build(reactor, name, main.cloned(), None)
    }

    /// A client without a wire; see [`StepSink`] for what it tells.
    pub fn offline(reactor: &Reactor, name: &str, clock_freq: f64, sink: Option<Rc<RefCell<dyn StepSink>>>) -> Mcu {
        let offline = Offline { sink, print_time: Cell::new(OFFLINE_PRINT_TIME_S), activity: Cell::default() };
        let mcu = Self::build(reactor, name, None, Some(offline));
        if let Ok(dictionary) = McuDictionary::new(offline::dictionary(clock_freq)) {
            mcu.0.dictionary.replace(Rc::new(dictionary));
        }
        mcu.0.clock_freq.set(clock_freq);
        mcu.0.base.set(PrintTimeBase::main(clock_freq));
        mcu
    }

    fn build(reactor: &Reactor, name: &str, main: Option<Mcu>, offline: Option<Offline>) -> Mcu {
        let mut serial = SerialQueue::new();
        serial.set_baud(DEFAULT_BAUD);
        let step_commands = serial.alloc_queue();
        let steps = StepSync::new(step_commands, offline.as_ref().and_then(|offline| offline.sink.clone()));
        let mcu = Mcu(Rc::new(Inner {
            name: name.to_string(),
            reactor: reactor.clone(),
            main,
            offline,
            serial: RefCell::new(serial),
            dictionary: RefCell::new(Rc::new(McuDictionary::bootstrap())),
            clock: RefCell::new(ClockSync::new()),
            clock_freq: Cell::new(1.0),
            base: Cell::new(PrintTimeBase::main(1.0)),
            config: RefCell::default(),
            steps,
            life: Life::default(),
            load: Cell::default(),
            malformed: Cell::new(0),
            log: RefCell::new(None),
            routes: RefCell::default(),
            waiters: RefCell::default(),
            acks: RefCell::default(),
            next_id: Cell::new(1),
        }));
        mcu.register_own_responses();
        mcu
    }

    fn register_own_responses(&self) {
        self.register_with_self("clock", |mcu, params| mcu.note_clock(params));
        self.register_with_self("stats", |mcu, params| mcu.note_stats(params));
        self.register_with_self("shutdown", |mcu, params| mcu.note_shutdown(params));
        self.register_with_self("is_shutdown", |mcu, params| mcu.note_is_shutdown(params));
        self.register_with_self("starting", |mcu, _| mcu.note_starting());
    }

    fn register_with_self(&self, name: &str, handler: impl Fn(&Mcu, &Params) + 'static) {
        let weak = self.downgrade();
        self.register_response(name, None, move |params| {
            if let Some(mcu) = weak.upgrade() {
                handler(&mcu, params);
            }
        });
    }

    /// For handlers and tasks that must not keep the client alive.
    pub fn downgrade(&self) -> WeakMcu {
        WeakMcu(Rc::downgrade(&self.0))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether both handles are of one client.
    pub fn is_same(&self, other: &Mcu) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    pub fn reactor(&self) -> &Reactor {
        &self.0.reactor
    }

    pub fn is_offline(&self) -> bool {
        self.0.offline.is_some()
    }

    /// What [`Mcu::estimated_print_time`] answers offline.
    pub fn set_offline_print_time(&self, print_time: f64) {
        if let Some(offline) = &self.0.offline {
            offline.print_time.set(print_time);
        }
    }

    /// Latest print time for which a command was queued since this was last asked; only known offline.
    pub fn take_offline_activity(&self) -> Option<f64> {
        let clock = self.0.offline.as_ref()?.activity.take()?;
        Some(self.clock_to_print_time(clock as i64))
    }

    /// Rate of the line until the dictionary names one; 0 = no pacing.
    pub fn set_baud(&self, baud: u32) {
        self.0.serial.borrow_mut().set_baud(f64::from(baud));
    }

    /// Takes the lines that klippy.log shows about this micro-controller.
    pub fn set_log(&self, log: impl Fn(&str) + 'static) {
        self.0.log.replace(Some(Rc::new(log)));
    }

    pub(super) fn log(&self, line: &str) {
        let log = self.0.log.borrow().clone();
        if let Some(log) = log {
            log(line);
        }
    }

    /// Drops every handler and callback, which may hold handles to this client: the end of its life.
    pub fn close(&self) {
        self.0.life.closed.set(true);
        self.0.routes.borrow_mut().clear();
        self.0.waiters.borrow_mut().clear();
        self.0.config.replace(ConfigPhase::default());
        self.0.life.drop_listeners();
        self.0.log.replace(None);
    }

    // ---- bytes

    /// Bytes that came from the micro-controller; the last of them came at `now`.
    pub fn handle_bytes(&self, now: EventTime, bytes: &[u8]) {
        let mut input = bytes;
        loop {
            let received = self.0.serial.borrow_mut().receive(now, &mut input);
            let Some(received) = received else { break };
            self.dispatch(&received);
            self.tell_acked();
        }
        self.tell_acked();
    }

    /// Appends to `out` what the line should carry from `now` on. To be called after each call that may have sent
    /// something: bytes handled, the reactor run, or the time of [`Mcu::next_wake`] come.
    pub fn poll_transmit(&self, now: EventTime, out: &mut Vec<u8>) {
        if !self.is_offline() && !self.0.life.closed.get() {
            self.0.serial.borrow_mut().poll(now, out);
        }
    }

    /// When [`Mcu::poll_transmit`] must be called next, if nothing else happens. It may lie in the past.
    pub fn next_wake(&self) -> Option<EventTime> {
        if self.is_offline() || self.0.life.closed.get() {
            return None;
        }
        self.0.serial.borrow().next_wake()
    }

    fn dispatch(&self, received: &Received) {
        let mut reader = Reader::new(received.content.as_slice());
        let dictionary = self.0.dictionary.borrow().clone();
        let message = reader.int().and_then(|id| dictionary.response(id as i32));
        let times = (received.sent_time, received.receive_time);
        let Some(params) = message.and_then(|message| Params::decode(message, &mut reader, times)) else {
            self.0.malformed.set(self.0.malformed.get() + received.content.as_slice().len() as u64);
            return;
        };
        let oid = params.oid();
        let answered = |waiter: &&Waiter| waiter.name == params.name() && (waiter.oid.is_none() || waiter.oid == oid);
        let waiting: Vec<Completion<Params>> =
            self.0.waiters.borrow().iter().filter(answered).map(|waiter| waiter.answer.clone()).collect();
        waiting.iter().for_each(|answer| answer.complete(params.clone()));
        let handlers: Vec<Handler> = match self.0.routes.borrow().get(params.name()) {
            Some(routes) => {
                routes.iter().filter(|(of, _)| of.is_none() || *of == oid).map(|(_, h)| h.clone()).collect()
            }
            None => return,
        };
        handlers.iter().for_each(|handler| handler(&params));
    }

    fn tell_acked(&self) {
        let acked = self.0.serial.borrow_mut().take_acked();
        for notify in acked {
            let waiting = self.0.acks.borrow_mut().remove(&notify);
            if let Some(waiting) = waiting {
                waiting.complete(());
            }
        }
    }

    /// Everything that waits for an acknowledgement hears that none will come.
    pub(super) fn release_ack_waiters(&self) {
        let waiting = std::mem::take(&mut *self.0.acks.borrow_mut());
        waiting.values().for_each(|waiting| waiting.complete(()));
    }

    // ---- messages

    /// A command that the firmware declares exactly as `format`.
    pub fn lookup_command(&self, format: &str) -> Result<Cmd, McuError> {
        if self.is_offline() {
            let format =
                Format::parse(format).map_err(|error| self.error(McuErrorCause::Dictionary(error.to_string())))?;
            return Ok(Cmd::new(Rc::new(Message { id: 0, format })));
        }
        let message = self.0.dictionary.borrow().command(format);
        message.map(Cmd::new).map_err(|cause| self.error(cause))
    }

    /// As [`Mcu::lookup_command`], for commands that may be absent or declared in another way.
    pub fn try_lookup_command(&self, format: &str) -> Option<Cmd> {
        self.lookup_command(format).ok()
    }

    /// An error unless the firmware declares a response exactly as `format`.
    pub fn check_response(&self, format: &str) -> Result<(), McuError> {
        if self.is_offline() {
            return Ok(());
        }
        self.0.dictionary.borrow().check_response(format).map_err(|cause| self.error(cause))
    }

    /// A queue of one's own: commands inside it stay in order, and do not wait for those of other queues.
    pub fn alloc_queue(&self) -> QueueId {
        self.0.serial.borrow_mut().alloc_queue()
    }

    /// Sends a command so that it arrives after `min_clock` and before `req_clock` (0: at once).
    ///
    /// # Panics
    /// If the arguments do not fit the command's declaration, which only a mistake in the caller can bring about.
    pub fn send(&self, cmd: &Cmd, args: &[Arg<'_>], queue: QueueId, min_clock: u64, req_clock: u64) {
        let content = cmd.encode(args);
        self.send_content(content, queue, min_clock, req_clock, 0);
    }

    pub(super) fn send_content(&self, content: Content, queue: QueueId, min: u64, req: u64, notify: u64) {
        if let Some(offline) = &self.0.offline {
            offline.activity.set(offline.activity.get().max(Some(req).filter(|&clock| clock > 0)));
        } else if !self.0.life.closed.get() {
            self.0.serial.borrow_mut().send(queue, content, min, req, notify);
        }
    }

    /// Sends a command and awaits the next `response` with that `oid`. The line delivers the command for sure, but not
    /// the answer: where none follows the acknowledgement, the question is put again, five times in all.
    #[expect(clippy::too_many_arguments, reason = "the same as for send, and what to wait for")]
    pub async fn query(
        &self,
        cmd: &Cmd,
        args: &[Arg<'_>],
        response: &str,
        oid: Option<u8>,
        queue: QueueId,
        min_clock: u64,
        req_clock: u64,
    ) -> Result<Params, McuError> {
        if self.is_offline() {
            return Ok(Params::neutral(response));
        }
        let question = Question { content: cmd.encode(args), queue, min_clock, req_clock };
        self.ask(question, response, oid, NEVER).await
    }

    /// As [`Mcu::query`]; gives up when host time reaches `deadline`, even if nothing was acknowledged.
    pub(super) async fn ask(
        &self,
        question: Question,
        response: &str,
        oid: Option<u8>,
        deadline: EventTime,
    ) -> Result<Params, McuError> {
        let waiter = WaiterGuard::new(self, response, oid);
        let mut retry_s = QUERY_FIRST_RETRY_S;
        for _ in 0..QUERY_TRIES {
            let notify = self.fresh_id();
            let acked = self.0.reactor.completion::<()>();
            self.0.acks.borrow_mut().insert(notify, acked.clone());
            self.send_content(question.content, question.queue, question.min_clock, question.req_clock, notify);
            self.answered_or_acked(&waiter.answer, &acked, deadline).await;
            let retry_at = (self.0.reactor.now() + retry_s).min(deadline);
            if let Some(params) = waiter.answer.wait_until(retry_at).await {
                return Ok(params);
            }
            self.0.acks.borrow_mut().remove(&notify);
            if self.0.life.lost.get() {
                return Err(self.error(McuErrorCause::LostCommunication));
            }
            if self.0.life.closed.get() || self.0.reactor.now() >= deadline {
                break;
            }
            retry_s *= 2.0;
        }
        Err(self.error(McuErrorCause::NoResponse { response: response.to_string() }))
    }

    async fn answered_or_acked(&self, answer: &Completion<Params>, acked: &Completion<()>, deadline: EventTime) {
        let (mut answer, mut acked) = (pin!(answer.wait_until(deadline)), pin!(acked.wait()));
        std::future::poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => acked.as_mut().poll(cx),
        })
        .await;
    }

    /// Calls `handler` with each `name` message of that oid (`None`: of any), as it is received.
    pub fn register_response(&self, name: &str, oid: Option<u8>, handler: impl Fn(&Params) + 'static) {
        self.0.routes.borrow_mut().entry(name.to_string()).or_default().push((oid, Rc::new(handler)));
    }

    pub(super) fn fresh_id(&self) -> u64 {
        let id = self.0.next_id.get();
        self.0.next_id.set(id + 1);
        id
    }

    pub(super) fn error(&self, cause: McuErrorCause) -> McuError {
        McuError { mcu: self.0.name.clone(), cause }
    }

    // ---- dictionary

    /// A constant that the firmware declares, if it is a number.
    pub fn constant_f64(&self, name: &str) -> Option<f64> {
        self.0.dictionary.borrow().raw.number(name)
    }

    pub fn constant_str(&self, name: &str) -> Option<String> {
        self.0.dictionary.borrow().constant_text(name)
    }

    pub fn require_constant_f64(&self, name: &str) -> Result<f64, McuError> {
        self.constant_f64(name).ok_or_else(|| self.error(McuErrorCause::MissingConstant { name: name.to_string() }))
    }

    /// All constants as text, by name.
    pub fn constants(&self) -> Vec<(String, String)> {
        let dictionary = self.0.dictionary.borrow();
        let names = dictionary.raw.constants.keys();
        names.filter_map(|name| Some((name.clone(), dictionary.constant_text(name)?))).collect()
    }

    /// Number behind a name, such as `("pin", "PA3")`.
    pub fn enumeration_value(&self, enumeration: &str, name: &str) -> Option<i64> {
        self.0.dictionary.borrow().raw.enum_value(enumeration, name)
    }

    /// Firmware version and the tools that built it.
    pub fn version(&self) -> (String, String) {
        let dictionary = self.0.dictionary.borrow();
        (dictionary.raw.version.clone(), dictionary.raw.build_versions.clone())
    }

    // ---- time

    /// Declared ticks per second.
    pub fn clock_freq(&self) -> f64 {
        self.0.clock_freq.get()
    }

    /// Clock at a host time, as far as is known.
    pub fn estimated_clock(&self, eventtime: EventTime) -> i64 {
        match &self.0.offline {
            Some(offline) => (offline.print_time.get() * self.clock_freq()) as i64,
            None => self.0.clock.borrow().estimate().clock_at(eventtime) as i64,
        }
    }

    /// print_time at a host time, as far as is known.
    pub fn estimated_print_time(&self, eventtime: EventTime) -> f64 {
        match &self.0.offline {
            Some(offline) => offline.print_time.get(),
            None => self.0.base.get().print_time_of(self.0.clock.borrow().estimate().clock_at(eventtime)),
        }
    }

    /// Host time at which the micro-controller's clock will show this print_time.
    pub fn print_time_to_eventtime(&self, print_time: f64) -> EventTime {
        match &self.0.offline {
            Some(_) => self.0.reactor.now(),
            None => self.0.clock.borrow().estimate().time_of(self.0.base.get().clock_of(print_time)),
        }
    }

    pub fn print_time_to_clock(&self, print_time: f64) -> i64 {
        self.0.base.get().clock_of(print_time) as i64
    }

    pub fn clock_to_print_time(&self, clock: i64) -> f64 {
        self.0.base.get().print_time_of(clock as f64)
    }

    pub fn seconds_to_clock(&self, seconds: f64) -> i64 {
        (seconds * self.clock_freq()) as i64
    }

    /// Extends a clock of the wire; right for clocks within 2^31 ticks of the newest `clock` answer.
    pub fn clock32_to_clock64(&self, clock: u32) -> i64 {
        self.0.clock.borrow().extend(clock)
    }

    /// `(offset, freq)` with `clock = (print_time - offset) * freq`, for those who compute many clocks. It changes at
    /// [`Mcu::calibrate_clock`] only.
    pub fn step_time_base(&self) -> (f64, f64) {
        let base = self.0.base.get();
        (base.offset, base.freq)
    }

    /// Steers the mapping of a micro-controller that is not the main one; to be called each second with the print_time
    /// up to which steps have been computed. No effect on the main one.
    pub fn calibrate_clock(&self, print_time: f64, eventtime: EventTime) {
        let Some(main) = &self.0.main else { return };
        if self.is_offline() || !self.0.life.connected.get() {
            return;
        }
        let (main_freq, main_clock) = (main.clock_freq(), main.0.clock.borrow().estimate());
        let own_clock = self.0.clock.borrow().estimate();
        self.0.base.set(self.0.base.get().steered(print_time, eventtime, main_freq, main_clock, own_clock));
    }

    /// A start clock for a periodic query, different for each oid so that the reports do not come all at once.
    pub fn query_slot(&self, oid: u8) -> u32 {
        let slot = self.seconds_to_clock(f64::from(oid) * 0.01);
        let start = match self.is_offline() {
            true => 1.0,
            false => (self.estimated_print_time(self.0.reactor.now()) + 1.5).floor(),
        };
        (self.print_time_to_clock(start) + slot) as u32
    }

    fn note_clock(&self, params: &Params) {
        let mut clock = self.0.clock.borrow_mut();
        clock.note_answer(params.int("clock") as u32, params.sent_time, params.receive_time);
        self.0.serial.borrow_mut().set_clock(clock.cautious_line());
    }

    // ---- moves

    /// The commands of the stepper `oid`.
    pub fn step_queue(&self, oid: u8) -> StepQueue {
        self.0.steps.add_queue(oid)
    }

    /// Releases the step commands whose first step is before `up_to_clock`, and forgets the steps before
    /// `clear_history_clock`.
    pub fn flush_moves(&self, up_to_clock: u64, clear_history_clock: u64) {
        let mut serial = self.0.serial.borrow_mut();
        if self.is_shutdown() {
            self.0.steps.drop_all(&mut serial);
        }
        self.0.steps.flush(&mut serial, up_to_clock, clear_history_clock);
    }
}

/// See [`Mcu::downgrade`].
#[derive(Clone)]
pub struct WeakMcu(Weak<Inner>);

impl WeakMcu {
    pub fn upgrade(&self) -> Option<Mcu> {
        self.0.upgrade().map(Mcu)
    }
}

/// A command that expects an answer.
pub(super) struct Question {
    pub content: Content,
    pub queue: QueueId,
    pub min_clock: u64,
    pub req_clock: u64,
}

/// Takes its entry out of the list of waiters when the query ends or is given up.
struct WaiterGuard {
    mcu: WeakMcu,
    id: u64,
    answer: Completion<Params>,
}

impl WaiterGuard {
    fn new(mcu: &Mcu, name: &str, oid: Option<u8>) -> Self {
        let (id, answer) = (mcu.fresh_id(), mcu.0.reactor.completion());
        let waiter = Waiter { id, name: name.to_string(), oid, answer: answer.clone() };
        mcu.0.waiters.borrow_mut().push(waiter);
        WaiterGuard { mcu: mcu.downgrade(), id, answer }
    }
}

impl Drop for WaiterGuard {
    fn drop(&mut self) {
        if let Some(mcu) = self.mcu.upgrade() {
            mcu.0.waiters.borrow_mut().retain(|waiter| waiter.id != self.id);
        }
    }
}
