//! How a connection ends: the micro-controller shuts itself down, restarts, falls silent, or is told to stop.

use super::client::Mcu;
use super::clock_sync::QUERY_PERIOD_S;
use super::command::{Cmd, Params};
use super::error::{McuError, McuErrorCause};
use super::serial_queue::QueueId;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Between an emergency stop and `config_reset`, which works only in shutdown.
const RESET_PAUSE_S: f64 = 0.015;

/// What ends a connection's normal life.
#[derive(Clone, Debug, PartialEq)]
pub enum McuEvent {
    /// It shut itself down at `clock` for `reason` (a text of its dictionary).
    Shutdown {
        reason: String,
        clock: i64,
    },
    /// It was shut down before, and says so to a command that it refuses.
    WasShutdown {
        reason: String,
    },
    /// It started anew while connected.
    Restarted,
    LostCommunication,
}

impl McuEvent {
    /// The event in Klipper's words.
    pub fn message(&self, mcu: &str) -> String {
        match self {
            McuEvent::Shutdown { reason, .. } => format!("MCU '{mcu}' shutdown: {reason}"),
            McuEvent::WasShutdown { reason } => format!("Previous MCU '{mcu}' shutdown: {reason}"),
            McuEvent::Restarted => format!("MCU '{mcu}' spontaneous restart"),
            McuEvent::LostCommunication => format!("Lost communication with MCU '{mcu}'"),
        }
    }
}

type Listener = Rc<dyn Fn(&McuEvent)>;

#[derive(Default)]
pub(super) struct Life {
    pub connected: Cell<bool>,
    pub lost: Cell<bool>,
    pub closed: Cell<bool>,
    pub emergency_stop: RefCell<Option<Cmd>>,
    reason: RefCell<Option<String>>,
    listeners: RefCell<Vec<Listener>>,
}

impl Life {
    pub fn drop_listeners(&self) {
        self.listeners.borrow_mut().clear();
    }
}

impl Mcu {
    /// The configuration is in the micro-controller and it works.
    pub fn is_connected(&self) -> bool {
        self.0.life.connected.get()
    }

    pub fn is_shutdown(&self) -> bool {
        self.0.life.reason.borrow().is_some()
    }

    pub fn shutdown_reason(&self) -> Option<String> {
        self.0.life.reason.borrow().clone()
    }

    /// Calls `listener` at each [`McuEvent`]. It runs while bytes are handled, so it should note and return.
    pub fn on_event(&self, listener: impl Fn(&McuEvent) + 'static) {
        self.0.life.listeners.borrow_mut().push(Rc::new(listener));
    }

    /// Stops everything at once. The micro-controller answers with `shutdown`.
    pub fn emergency_stop(&self) {
        let stop = self.0.life.emergency_stop.borrow().clone();
        if let Some(stop) = stop {
            self.send(&stop, &[], QueueId::DEFAULT, 0, 0);
        }
    }

    /// Restarts the firmware by command. The connection is over then: connect anew with a new client.
    pub async fn firmware_restart(&self) -> Result<(), McuError> {
        if self.is_offline() {
            return Ok(());
        }
        self.0.life.connected.set(false);
        if let Some(reset) = self.try_lookup_command("reset") {
            self.send(&reset, &[], QueueId::DEFAULT, 0, 0);
        } else {
            let reset = self.try_lookup_command("config_reset").ok_or_else(|| self.error(McuErrorCause::NoReset))?;
            self.emergency_stop();
            self.0.reactor.sleep(RESET_PAUSE_S).await;
            self.send(&reset, &[], QueueId::DEFAULT, 0, 0);
        }
        self.0.reactor.sleep(RESET_PAUSE_S).await;
        Ok(())
    }

    fn tell(&self, event: &McuEvent) {
        let listeners = self.0.life.listeners.borrow().clone();
        listeners.iter().for_each(|listener| listener(event));
    }

    fn reason_text(&self, params: &Params) -> String {
        let id = params.int("static_string_id");
        let name = self.0.dictionary.borrow().raw.enum_name("static_string_id", id);
        name.unwrap_or_else(|| format!("?{id}"))
    }

    fn enter_shutdown(&self, reason: String) -> bool {
        if self.is_shutdown() {
            return false;
        }
        self.0.life.reason.replace(Some(reason));
        self.0.steps.drop_all(&mut self.0.serial.borrow_mut());
        true
    }

    pub(super) fn note_shutdown(&self, params: &Params) {
        let reason = self.reason_text(params);
        if self.enter_shutdown(reason.clone()) {
            let clock = self.clock32_to_clock64(params.int("clock") as u32);
            self.tell(&McuEvent::Shutdown { reason, clock });
        }
    }

    pub(super) fn note_is_shutdown(&self, params: &Params) {
        let reason = self.reason_text(params);
        if self.enter_shutdown(reason.clone()) {
            self.tell(&McuEvent::WasShutdown { reason });
        }
    }

    pub(super) fn note_starting(&self) {
        if self.is_connected() && self.enter_shutdown("spontaneous restart".into()) {
            self.tell(&McuEvent::Restarted);
        }
    }

    /// Asks for the clock for ever, and notices when nothing answers.
    pub(super) fn spawn_clock_queries(&self, get_clock: Cmd) {
        let (weak, reactor) = (self.downgrade(), self.0.reactor.clone());
        self.0.reactor.spawn("mcu clock", async move {
            loop {
                reactor.sleep(QUERY_PERIOD_S).await;
                let Some(mcu) = weak.upgrade() else { return };
                if mcu.0.life.closed.get() || mcu.note_silence() {
                    return;
                }
                mcu.0.clock.borrow_mut().note_question();
                mcu.send(&get_clock, &[], QueueId::DEFAULT, 0, 0);
            }
        });
    }

    fn note_silence(&self) -> bool {
        if !self.0.clock.borrow().is_lost() {
            return false;
        }
        self.0.life.lost.set(true);
        self.release_ack_waiters();
        self.enter_shutdown("lost communication".into());
        self.tell(&McuEvent::LostCommunication);
        true
    }
}
