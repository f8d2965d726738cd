//! One micro-controller's state and its entry points: commands, timers, tasks.
//!
//! On a chip, the timer interrupt calls [`Firmware::timer_irq`] and the main loop has a [`Link`](crate::Link), which executes
//! commands and runs tasks; the virtual MCU does the same, each at its own simulated time. Handlers that run in timer
//! context never send: they leave a mark for their task.

use crate::board::Board;
use crate::commands::{self, Command};
use crate::objects::Objects;
use crate::objects::spi::Exchange;
use crate::responses::Message;
use crate::shutdown::Shutdown;
use crate::timers::{Caller, Next, Timers, is_before};

const STATS_PERIOD_S: u32 = 5;
/// A timer that stays at its moment so many times in a row asks for a rate that no chip can hold.
const STUCK_MAX: u32 = 256;

/// A chip's whole program: firmware and the board that it runs on.
#[derive(Clone, Debug)]
pub struct Mcu<B: Board> {
    pub board: B,
    pub firmware: Firmware,
}

impl<B: Board> Mcu<B> {
    /// Starts the firmware.
    pub fn new(mut board: B) -> Self {
        let mut firmware = Firmware::new();
        firmware.start(&mut board);
        Self { board, firmware }
    }

    /// Runs every timer that is due; the clock at which the next one is.
    pub fn timer_irq(&mut self) -> Option<u32> {
        self.firmware.timer_irq(&mut self.board)
    }

    /// The clock at which the next timer is due.
    pub fn next_timer(&self) -> Option<u32> {
        self.firmware.next_timer()
    }
}

/// Tasks that have something to do, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Task {
    Shutdown,
    Trsync,
    AnalogIn,
    Adxl345,
    TmcUart,
    Buttons,
    Counter,
    Neopixel,
    Stats,
}

impl Task {
    fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// State of one micro-controller.
#[derive(Clone, Debug, Default)]
pub struct Firmware {
    pub(crate) timers: Timers,
    pub(crate) objects: Objects,
    pub(crate) tasks: u32,
    /// What of a command is left to do.
    pub(crate) exchange: Option<Exchange>,
    shutdown: Option<Shutdown>,
    shutdown_clock: u32,
    /// Time behind which a running timer is given up, 1 ms.
    late_ticks: u32,
    stuck: u32,
    last_clock: u32,
    /// Wraps of the clock.
    wraps: u32,
}

impl Firmware {
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins timekeeping. MUST be called once before anything else.
    pub fn start<B: Board>(&mut self, board: &mut B) {
        let now = board.now();
        self.late_ticks = board.clock_freq_hz() / 1000;
        self.last_clock = now;
        self.timers.insert(Caller::Stats, now.wrapping_add(board.clock_freq_hz().wrapping_mul(STATS_PERIOD_S)));
    }

    /// Executes a command, of which [`Firmware::go_on`] does what is left; `None` stands for what is no command. Where that
    /// shuts the firmware down, the tasks are to run and the answer is false.
    pub(crate) fn execute<B: Board>(
        &mut self,
        board: &mut B,
        command: Option<&Command<'_>>,
        answer: &mut Message,
    ) -> bool {
        let result = match command {
            Some(command) => commands::execute(self, board, command, answer),
            None => Err(Shutdown::CommandParser),
        };
        match result {
            Ok(()) => true,
            Err(reason) => {
                self.shut_down(board, reason);
                false
            }
        }
    }

    /// The clock at which the next timer is due.
    #[inline]
    pub fn next_timer(&self) -> Option<u32> {
        self.timers.next_wake()
    }

    /// Runs every timer that is due; the clock at which the next one is.
    #[inline]
    pub fn timer_irq<B: Board>(&mut self, board: &mut B) -> Option<u32> {
        while let Some((wake, caller)) = self.timers.next() {
            let now = board.now();
            if is_before(now, wake) {
                return Some(wake);
            }
            self.dispatch(board, now, wake, caller);
        }
        None
    }

    /// Runs the soonest timer, which the caller has found due.
    #[inline]
    pub fn dispatch_next<B: Board>(&mut self, board: &mut B) {
        let Some((wake, caller)) = self.timers.next() else { return };
        self.dispatch(board, board.now(), wake, caller);
    }

    #[inline(always)]
    fn dispatch<B: Board>(&mut self, board: &mut B, now: u32, wake: u32, caller: Caller) {
        let Caller::Stepper(index) = caller else { return self.dispatch_other(board, wake, caller) };
        match self.objects.quick_step(board, index) {
            Some(next) if !is_before(next, now.wrapping_sub(self.late_ticks)) => self.timers.move_next(next, caller),
            Some(_) => self.shut_down(board, Shutdown::RescheduledInPast),
            None => self.dispatch_step(board, now, index),
        }
    }

    /// A stepper's event that is more than another step of its move.
    #[inline(never)]
    fn dispatch_step<B: Board>(&mut self, board: &mut B, now: u32, index: u8) {
        match self.objects.step(board, index) {
            Ok(Some(next)) if is_before(next, now.wrapping_sub(self.late_ticks)) => {
                self.shut_down(board, Shutdown::RescheduledInPast);
            }
            Ok(Some(next)) => self.timers.move_next(next, Caller::Stepper(index)),
            Ok(None) => self.timers.pop(),
            Err(reason) => self.shut_down(board, reason),
        }
    }

    #[inline(never)]
    fn dispatch_other<B: Board>(&mut self, board: &mut B, wake: u32, caller: Caller) {
        self.timers.pop();
        let next = match self.call(board, wake, caller) {
            Ok(Some(next)) => next,
            Ok(None) => return,
            Err(reason) => return self.shut_down(board, reason),
        };
        self.stuck = if next == wake { self.stuck + 1 } else { 0 };
        if self.stuck > STUCK_MAX || is_before(next, board.now().wrapping_sub(self.late_ticks)) {
            self.shut_down(board, Shutdown::RescheduledInPast);
        } else {
            self.timers.insert(caller, next);
        }
    }

    fn call<B: Board>(&mut self, board: &mut B, wake: u32, caller: Caller) -> Next {
        match caller {
            Caller::Stats => {
                self.wake_task(Task::Stats);
                Ok(Some(wake.wrapping_add(board.clock_freq_hz().wrapping_mul(STATS_PERIOD_S))))
            }
            // Dispatched by itself.
            Caller::Stepper(_) => Ok(None),
            Caller::DigitalOut(index) => self.digital_out_event(board, index, wake),
            Caller::PwmOut(index) => self.pwm_out_event(board, index, wake),
            Caller::AnalogIn(index) => self.analog_in_event(board, index),
            Caller::Endstop(index) => self.endstop_event(board, index, wake),
            Caller::TrsyncReport(index) => self.trsync_report_event(index, wake),
            Caller::TrsyncExpire(index) => self.trsync_expire_event(board, index),
            Caller::Adxl345(index) => self.adxl345_event(index),
            Caller::TmcUart(index) => self.tmcuart_event(board, index, wake),
            Caller::Buttons(index) => self.buttons_event(board, index, wake),
            Caller::Counter(index) => self.counter_event(board, index, wake),
        }
    }

    /// Whether a task has something to do.
    #[inline]
    pub fn has_tasks(&self) -> bool {
        self.tasks != 0
    }

    /// Does a piece of the tasks' work, with one message at most; false where nothing is left but the pass's end.
    pub(crate) fn run_task<B: Board>(&mut self, board: &mut B, message: &mut Message) -> bool {
        let is_due = |task: Task| self.tasks & task.bit() != 0;
        let (task, has_more) = if is_due(Task::Shutdown) {
            (Task::Shutdown, self.shutdown_task(message))
        } else if is_due(Task::Trsync) {
            (Task::Trsync, self.trsync_task(message))
        } else if is_due(Task::AnalogIn) {
            (Task::AnalogIn, self.analog_in_task(message))
        } else if is_due(Task::Adxl345) {
            (Task::Adxl345, self.adxl345_task(board, message))
        } else if is_due(Task::TmcUart) {
            (Task::TmcUart, self.tmcuart_task(message))
        } else if is_due(Task::Buttons) {
            (Task::Buttons, self.buttons_task(message))
        } else if is_due(Task::Counter) {
            (Task::Counter, self.counter_task(message))
        } else if is_due(Task::Neopixel) {
            (Task::Neopixel, self.neopixel_task(board, message))
        } else {
            return false;
        };
        if !has_more {
            self.tasks &= !task.bit();
        }
        true
    }

    fn shutdown_task(&mut self, message: &mut Message) -> bool {
        if let Some(reason) = self.shutdown {
            message.shutdown(self.shutdown_clock, reason.id());
        }
        false
    }

    /// Ends a pass of the tasks; whether its statistics are to be told.
    pub(crate) fn end_pass<B: Board>(&mut self, board: &mut B) -> bool {
        let is_due = self.tasks & Task::Stats.bit() != 0;
        if is_due {
            self.tasks &= !Task::Stats.bit();
            self.note_clock(board.now());
        }
        is_due
    }

    pub(crate) fn wake_task(&mut self, task: Task) {
        self.tasks |= task.bit();
    }

    /// Counts the wraps of the clock; called often enough that none is missed.
    fn note_clock(&mut self, now: u32) {
        if now < self.last_clock {
            self.wraps = self.wraps.wrapping_add(1);
        }
        self.last_clock = now;
    }

    /// Why the firmware is shut down, if it is.
    pub fn shutdown_reason(&self) -> Option<Shutdown> {
        self.shutdown
    }

    /// Moves that wait in all queues.
    pub fn moves_waiting(&self) -> u16 {
        self.objects.moves.capacity() - self.objects.moves.free_count()
    }

    /// Whether the configuration is complete.
    pub fn is_configured(&self) -> bool {
        self.objects.config_crc.is_some()
    }

    /// Tells a host that a command is refused because of a shutdown.
    pub(crate) fn refuses(&self, answer: &mut Message) -> bool {
        if let Some(reason) = self.shutdown {
            answer.is_shutdown(reason.id());
        }
        self.shutdown.is_some()
    }

    /// Stops everything and brings each output to its default. Only the first reason counts.
    #[cold]
    pub(crate) fn shut_down<B: Board>(&mut self, board: &mut B, reason: Shutdown) {
        if self.shutdown.is_some() {
            return;
        }
        self.shutdown = Some(reason);
        self.shutdown_clock = board.now();
        self.timers.clear_objects();
        self.end_exchange(board);
        self.objects.shut_down(board);
        self.wake_task(Task::Shutdown);
    }

    /// Hands every number of the state that an outcome may depend on to `fold`, in a fixed order.
    pub fn fold_state(&self, fold: &mut impl FnMut(u64)) {
        fold(self.shutdown.map_or(0, |reason| u64::from(reason.id())));
        fold(u64::from(self.shutdown_clock));
        fold(u64::from(self.wraps) << 32 | u64::from(self.last_clock));
        self.timers.fold_state(fold);
        self.objects.fold_state(fold);
    }
}

/// The commands that belong to no object.
impl Firmware {
    pub(crate) fn identify<B: Board>(
        &mut self,
        board: &mut B,
        offset: u32,
        count: u8,
        answer: &mut Message,
    ) -> Result<(), Shutdown> {
        let rest = board.dictionary().get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(usize::from(count)).min(IDENTIFY_MAX);
        answer.identify_response(offset, &rest[..len]);
        Ok(())
    }

    pub(crate) fn get_uptime<B: Board>(&mut self, board: &mut B, answer: &mut Message) -> Result<(), Shutdown> {
        let now = board.now();
        self.note_clock(now);
        answer.uptime(self.wraps, now);
        Ok(())
    }

    pub(crate) fn get_clock<B: Board>(&mut self, board: &mut B, answer: &mut Message) -> Result<(), Shutdown> {
        answer.clock(board.now());
        Ok(())
    }

    pub(crate) fn get_config<B: Board>(&mut self, _board: &mut B, answer: &mut Message) -> Result<(), Shutdown> {
        let crc = self.objects.config_crc;
        let move_count = self.objects.moves.capacity();
        let is_shutdown = self.shutdown.is_some();
        answer.config(u8::from(crc.is_some()), crc.unwrap_or(0), u8::from(is_shutdown), move_count);
        Ok(())
    }

    pub(crate) fn emergency_stop<B: Board>(&mut self, _board: &mut B) -> Result<(), Shutdown> {
        Err(Shutdown::CommandRequest)
    }

    pub(crate) fn clear_shutdown<B: Board>(&mut self, _board: &mut B) -> Result<(), Shutdown> {
        self.shutdown.take().map(|_| ()).ok_or(Shutdown::ClearedWhenRunning)
    }

    pub(crate) fn reset<B: Board>(&mut self, board: &mut B) -> Result<(), Shutdown> {
        board.reset();
        Ok(())
    }

    pub(crate) fn config_reset<B: Board>(&mut self, _board: &mut B) -> Result<(), Shutdown> {
        if self.shutdown.is_none() {
            return Err(Shutdown::ConfigResetWhenRunning);
        }
        self.objects = Objects::default();
        self.tasks = 0;
        self.shutdown = None;
        Ok(())
    }

    pub(crate) fn debug_ping<B: Board>(
        &mut self,
        _board: &mut B,
        data: &[u8],
        answer: &mut Message,
    ) -> Result<(), Shutdown> {
        answer.pong(data);
        Ok(())
    }

    pub(crate) fn debug_nop<B: Board>(&mut self, _board: &mut B) -> Result<(), Shutdown> {
        Ok(())
    }

    pub(crate) fn allocate_oids<B: Board>(&mut self, _board: &mut B, count: u8) -> Result<(), Shutdown> {
        self.objects.allocate(count)
    }

    pub(crate) fn finalize_config<B: Board>(&mut self, board: &mut B, crc: u32) -> Result<(), Shutdown> {
        let count = self.objects.finalize(crc, board.move_count())?;
        self.timers.reserve(count)
    }
}

/// Bytes of the dictionary that fit a block beside id, offset and length.
const IDENTIFY_MAX: usize = 50;
