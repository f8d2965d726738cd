//! A pulse counter, for the tachometers of fans.

use super::client::{Mcu, WeakMcu};
use super::command::Params;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

type Callback = Rc<dyn Fn(f64, u64, f64)>;

/// A counting input; clones share it.
#[derive(Clone)]
pub struct Counter(Rc<Inner>);

struct Inner {
    mcu: WeakMcu,
    oid: u8,
    count: Cell<u64>,
    callback: RefCell<Option<Callback>>,
}

impl Counter {
    /// Edges are seen by polling each `poll_time_s` and reported each `sample_time_s`.
    pub fn new(mcu: &Mcu, pin: &str, pull_up: i8, sample_time_s: f64, poll_time_s: f64) -> Counter {
        let counter = Counter(Rc::new(Inner {
            mcu: mcu.downgrade(),
            oid: mcu.create_oid(),
            count: Cell::new(0),
            callback: RefCell::new(None),
        }));
        let (inner, pin) = (counter.0.clone(), pin.to_string());
        mcu.register_config_callback(move |mcu| {
            let oid = inner.oid;
            mcu.add_config_cmd(format!("config_counter oid={oid} pin={pin} pull_up={pull_up}"));
            mcu.add_init_cmd(format!(
                "query_counter oid={oid} clock={} poll_ticks={} sample_ticks={}",
                mcu.query_slot(oid),
                mcu.seconds_to_clock(poll_time_s),
                mcu.seconds_to_clock(sample_time_s)
            ));
            mcu.check_response("counter_state oid=%c next_clock=%u count=%u count_clock=%u")?;
            let handler = inner.clone();
            mcu.register_response("counter_state", Some(oid), move |params| handler.note(params));
            Ok(())
        });
        counter
    }

    /// Calls `callback(print_time of the report's end, edges in all, print_time of the last edge)`.
    pub fn on_count(&self, callback: impl Fn(f64, u64, f64) + 'static) {
        self.0.callback.replace(Some(Rc::new(callback)));
    }

    /// Edges seen since the micro-controller was configured.
    pub fn count(&self) -> u64 {
        self.0.count.get()
    }
}

impl Inner {
    fn note(&self, params: &Params) {
        let Some(mcu) = self.mcu.upgrade() else { return };
        let time = |name| mcu.clock_to_print_time(mcu.clock32_to_clock64(params.int(name) as u32));
        let known = self.count.get();
        let count = known + u64::from((params.int("count") as u32).wrapping_sub(known as u32));
        self.count.set(count);
        let callback = self.callback.borrow().clone();
        if let Some(callback) = callback {
            callback(time("next_clock"), count, time("count_clock"));
        }
    }
}
