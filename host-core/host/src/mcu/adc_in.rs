//! An analog pin that the micro-controller samples and reports by itself; it shuts down when the value leaves a range.

use super::client::{Mcu, WeakMcu};
use super::command::Params;
use super::error::McuError;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const QUERY_OLD: &str = "query_analog_in oid=%c clock=%u sample_ticks=%u sample_count=%c rest_ticks=%u min_value=%hu \
                         max_value=%hu range_check_count=%c";
const QUERY: &str = "query_analog_in oid=%c clock=%u sample_ticks=%u sample_count=%c rest_ticks=%u bytes_per_report=%c \
                     min_value=%hu max_value=%hu range_check_count=%c";

/// How a pin is sampled. Values are 0..1 of the reference voltage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdcSetup {
    pub sample_time_s: f64,
    /// Samples that are summed to one value.
    pub sample_count: u8,
    pub report_time_s: f64,
    pub min_value: f64,
    pub max_value: f64,
    /// Bad values in a row before the micro-controller shuts down; 0 = no check.
    pub range_check_count: u8,
}

type Callback = Rc<dyn Fn(f64, f64)>;

/// An analog input; clones share it.
#[derive(Clone)]
pub struct AdcIn(Rc<Inner>);

struct Inner {
    mcu: WeakMcu,
    oid: u8,
    callback: RefCell<Option<Callback>>,
    last: Cell<(f64, f64)>,
    report_clock: Cell<i64>,
    /// Sum of raw samples to 0..1.
    scale: Cell<f64>,
}

impl AdcIn {
    pub fn new(mcu: &Mcu, pin: &str, setup: AdcSetup) -> AdcIn {
        let adc = AdcIn(Rc::new(Inner {
            mcu: mcu.downgrade(),
            oid: mcu.create_oid(),
            callback: RefCell::new(None),
            last: Cell::new((0.0, 0.0)),
            report_clock: Cell::new(0),
            scale: Cell::new(0.0),
        }));
        let (inner, pin) = (adc.0.clone(), pin.to_string());
        mcu.register_config_callback(move |mcu| {
            inner.configure(mcu, &pin, &setup)?;
            let handler = inner.clone();
            mcu.register_response("analog_in_state", Some(inner.oid), move |params| handler.note(params));
            Ok(())
        });
        adc
    }

    /// Calls `callback(print_time of the sample, value 0..1)` with each report.
    pub fn on_sample(&self, callback: impl Fn(f64, f64) + 'static) {
        self.0.callback.replace(Some(Rc::new(callback)));
    }

    /// The newest report: print_time and value; (0, 0) before the first.
    pub fn last(&self) -> (f64, f64) {
        self.0.last.get()
    }

    pub fn oid(&self) -> u8 {
        self.0.oid
    }
}

impl Inner {
    fn configure(&self, mcu: &Mcu, pin: &str, setup: &AdcSetup) -> Result<(), McuError> {
        let full = mcu.require_constant_f64("ADC_MAX")? * f64::from(setup.sample_count);
        self.scale.set(1.0 / full);
        let rest_ticks = mcu.seconds_to_clock(setup.report_time_s);
        self.report_clock.set(rest_ticks);
        // 16-bit sums: a bound beyond that never triggers.
        let bound = |counts: f64| counts.clamp(0.0, 65_535.0) as u16;
        let (min, max) = (bound((setup.min_value * full).floor()), bound((setup.max_value * full).ceil()));
        let oid = self.oid;
        mcu.add_config_cmd(format!("config_analog_in oid={oid} pin={pin}"));
        let old_form = !mcu.is_offline() && mcu.try_lookup_command(QUERY_OLD).is_some();
        if !old_form {
            mcu.lookup_command(QUERY)?;
        }
        mcu.add_init_cmd(format!(
            "query_analog_in oid={oid} clock={} sample_ticks={} sample_count={} rest_ticks={rest_ticks}{} \
             min_value={min} max_value={max} range_check_count={}",
            mcu.query_slot(oid),
            mcu.seconds_to_clock(setup.sample_time_s),
            setup.sample_count,
            if old_form { "" } else { " bytes_per_report=2" },
            setup.range_check_count,
        ));
        Ok(())
    }

    fn note(&self, params: &Params) {
        let Some(mcu) = self.mcu.upgrade() else { return };
        let raw = match params.bytes("values") {
            // Several values in one report: the newest is the last.
            [.., low, high] => i64::from(u16::from_le_bytes([*low, *high])),
            _ if params.has("value") => params.int("value"),
            _ => return,
        };
        let next_clock = mcu.clock32_to_clock64(params.int("next_clock") as u32);
        let read_time = mcu.clock_to_print_time(next_clock - self.report_clock.get());
        let value = raw as f64 * self.scale.get();
        self.last.set((read_time, value));
        let callback = self.callback.borrow().clone();
        if let Some(callback) = callback {
            callback(read_time, value);
        }
    }
}
