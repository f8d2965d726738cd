//! Push buttons and switches that are watched all the time: up to eight pins, polled and debounced together.
//!
//! The micro-controller numbers the changes and repeats them until they are acknowledged, so that none is lost.

use super::client::{Mcu, WeakMcu};
use super::command::{Cmd, Params};
use super::error::McuErrorCause;
use super::serial_queue::QueueId;
use crate::reactor::EventTime;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

const PINS_MAX: usize = 8;
const POLL_S: f64 = 0.002;
/// Polls after which an unacknowledged change is sent again.
const RETRANSMIT_COUNT: u8 = 50;

#[derive(Clone, Debug, PartialEq)]
pub struct ButtonPin {
    pub pin: String,
    /// 1 up, 0 none, -1 down.
    pub pull_up: i8,
    pub invert: bool,
}

type Callback = Rc<dyn Fn(EventTime, u8)>;

/// Up to eight buttons; clones share them.
#[derive(Clone)]
pub struct Buttons(Rc<Inner>);

struct Inner {
    mcu: WeakMcu,
    oid: u8,
    queue: QueueId,
    invert: u8,
    ack: OnceCell<Cmd>,
    /// Changes taken so far, modulo 256 as the wire counts them.
    taken: Cell<u8>,
    state: Cell<u8>,
    callback: RefCell<Option<Callback>>,
}

impl Buttons {
    pub fn new(mcu: &Mcu, pins: &[ButtonPin]) -> Buttons {
        let invert =
            pins.iter().take(PINS_MAX).enumerate().fold(0, |bits, (at, pin)| bits | u8::from(pin.invert) << at);
        let buttons = Buttons(Rc::new(Inner {
            mcu: mcu.downgrade(),
            oid: mcu.create_oid(),
            queue: mcu.alloc_queue(),
            invert,
            ack: OnceCell::new(),
            taken: Cell::new(0),
            state: Cell::new(0),
            callback: RefCell::new(None),
        }));
        let (inner, pins) = (buttons.0.clone(), pins.to_vec());
        mcu.register_config_callback(move |mcu| {
            if pins.len() > PINS_MAX {
                let cause = format!("{} buttons in one group, at most {PINS_MAX} are possible", pins.len());
                return Err(mcu.error(McuErrorCause::BadValue(cause)));
            }
            let oid = inner.oid;
            mcu.add_config_cmd(format!("config_buttons oid={oid} button_count={}", pins.len()));
            for (at, pin) in pins.iter().enumerate() {
                mcu.add_config_cmd(format!("buttons_add oid={oid} pos={at} pin={} pull_up={}", pin.pin, pin.pull_up));
            }
            mcu.add_init_cmd(format!(
                "buttons_query oid={oid} clock={} rest_ticks={} retransmit_count={RETRANSMIT_COUNT} invert={}",
                mcu.query_slot(oid),
                mcu.seconds_to_clock(POLL_S),
                inner.invert
            ));
            mcu.check_response("buttons_state oid=%c ack_count=%c state=%*s")?;
            let _ = inner.ack.set(mcu.lookup_command("buttons_ack oid=%c count=%c")?);
            let handler = inner.clone();
            mcu.register_response("buttons_state", Some(oid), move |params| handler.note(params));
            Ok(())
        });
        buttons
    }

    /// Calls `callback(host time, one bit a pin: 1 = pressed)` at each change. Before the first, nothing is pressed.
    pub fn on_change(&self, callback: impl Fn(EventTime, u8) + 'static) {
        self.0.callback.replace(Some(Rc::new(callback)));
    }

    pub fn state(&self) -> u8 {
        self.0.state.get()
    }
}

impl Inner {
    fn note(&self, params: &Params) {
        let (Some(mcu), Some(ack)) = (self.mcu.upgrade(), self.ack.get()) else { return };
        let states = params.bytes("state");
        // The message begins at the change that the micro-controller thinks is the first not taken.
        let begins_behind = self.taken.get().wrapping_sub(params.int("ack_count") as u8) as i8;
        let Ok(known) = usize::try_from(begins_behind) else { return };
        let Some(fresh) = states.get(known..).filter(|fresh| !fresh.is_empty()) else { return };
        mcu.send(ack, &[self.oid.into(), (fresh.len() as u8).into()], self.queue, 0, 0);
        self.taken.set(self.taken.get().wrapping_add(fresh.len() as u8));
        for raw in fresh {
            let state = raw ^ self.invert;
            self.state.set(state);
            let callback = self.callback.borrow().clone();
            if let Some(callback) = callback {
                callback(params.receive_time, state);
            }
        }
    }
}
