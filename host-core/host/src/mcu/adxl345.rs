//! Bulk measurement with an ADXL345: raw samples with their times.
//!
//! The chip samples by its own clock, a few per cent off its nominal rate, and the micro-controller sends the samples
//! on in numbered messages without a time. Time comes from status queries alone: each says how many samples existed at
//! a clock, and a weighted regression of the sample number on the clock gives each sample's time.

use super::client::Mcu;
use super::command::{Cmd, Params};
use super::error::McuError;
use super::serial_queue::QueueId;
use super::spi::Spi;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

const BYTES_PER_SAMPLE: usize = 5;
const SAMPLES_PER_MESSAGE: u64 = 10;
/// The micro-controller empties the chip after so many samples.
const SAMPLES_PER_POLL: f64 = 4.0;
/// Marks a sample that the micro-controller could not read.
const SAMPLE_BAD: u8 = 0x80;
/// Weight of a new status, as of the clock regression of the micro-controller itself.
const WEIGHT: f64 = 1.0 / 20.0;
/// A status whose own reading took much longer than the quickest says little about its moment.
const SLOW_STATUS: i64 = 2;

/// A sample: counts of the chip, 13 bits signed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RawSample {
    pub print_time: f64,
    pub x: i16,
    pub y: i16,
    pub z: i16,
}

/// The measuring side of one chip; its registers are written by the owner over [`Spi`]. Clones share it.
#[derive(Clone)]
pub struct Adxl345Bulk(Rc<Inner>);

struct Commands {
    query: Cmd,
    status: Cmd,
}

struct Inner {
    mcu: Mcu,
    oid: u8,
    queue: QueueId,
    commands: OnceCell<Commands>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    running: bool,
    messages: Vec<(u64, Vec<u8>)>,
    /// Number of the newest message, in 64 bits.
    last_sequence: u64,
    overflows: u32,
    bad_samples: u32,
    line: SampleLine,
    quickest_query: Option<i64>,
}

/// Sample number over clock: a straight line by exponentially weighted regression.
#[derive(Default)]
struct SampleLine {
    clock_avg: f64,
    sample_avg: f64,
    clock_variance: f64,
    covariance: f64,
    ticks_per_sample: f64,
    known: bool,
}

impl SampleLine {
    fn start(&mut self, ticks_per_sample: f64) {
        *self = SampleLine { ticks_per_sample, ..SampleLine::default() };
    }

    fn add(&mut self, clock: f64, samples: f64) {
        if !self.known {
            (self.clock_avg, self.sample_avg, self.known) = (clock, samples, true);
            return;
        }
        let (clock_diff, sample_diff) = (clock - self.clock_avg, samples - self.sample_avg);
        self.clock_avg += WEIGHT * clock_diff;
        self.sample_avg += WEIGHT * sample_diff;
        self.clock_variance = (1.0 - WEIGHT) * (self.clock_variance + clock_diff * clock_diff * WEIGHT);
        self.covariance = (1.0 - WEIGHT) * (self.covariance + clock_diff * sample_diff * WEIGHT);
        // Over a short time the whole samples of the counts say less than the nominal rate.
        let span = self.clock_variance.sqrt();
        if self.covariance > 0.0 && span > 100.0 * self.ticks_per_sample {
            self.ticks_per_sample = self.clock_variance / self.covariance;
        }
    }

    fn clock_of(&self, sample: f64) -> f64 {
        self.clock_avg + (sample - self.sample_avg) * self.ticks_per_sample
    }
}

impl Adxl345Bulk {
    pub fn new(mcu: &Mcu, spi: &Spi) -> Adxl345Bulk {
        let bulk = Adxl345Bulk(Rc::new(Inner {
            mcu: mcu.clone(),
            oid: mcu.create_oid(),
            queue: mcu.alloc_queue(),
            commands: OnceCell::new(),
            state: RefCell::default(),
        }));
        let (inner, spi_oid) = (bulk.0.clone(), spi.oid());
        mcu.register_config_callback(move |mcu| {
            let oid = inner.oid;
            mcu.add_config_cmd(format!("config_adxl345 oid={oid} spi_oid={spi_oid}"));
            mcu.add_restart_cmd(format!("query_adxl345 oid={oid} rest_ticks=0"));
            mcu.check_response("sensor_bulk_data oid=%c sequence=%hu data=%*s")?;
            mcu.check_response(
                "sensor_bulk_status oid=%c clock=%u query_ticks=%u next_sequence=%hu buffered=%u \
                 possible_overflows=%hu",
            )?;
            let _ = inner.commands.set(Commands {
                query: mcu.lookup_command("query_adxl345 oid=%c rest_ticks=%u")?,
                status: mcu.lookup_command("query_adxl345_status oid=%c")?,
            });
            let handler = Rc::downgrade(&inner);
            mcu.register_response("sensor_bulk_data", Some(oid), move |params| {
                if let Some(inner) = handler.upgrade() {
                    inner.state.borrow_mut().note_data(params);
                }
            });
            Ok(())
        });
        bulk
    }

    /// Begins to measure; the chip was told its rate already.
    pub async fn start(&self, data_rate_hz: f64) -> Result<(), McuError> {
        let mcu = &self.0.mcu;
        let Some(commands) = self.0.commands.get().filter(|_| !mcu.is_offline()) else { return Ok(()) };
        let mut line = SampleLine::default();
        line.start(mcu.clock_freq() / data_rate_hz);
        self.0.state.replace(State { running: true, line, ..State::default() });
        let rest_ticks = mcu.seconds_to_clock(SAMPLES_PER_POLL / data_rate_hz);
        mcu.send(&commands.query, &[self.0.oid.into(), rest_ticks.into()], self.0.queue, 0, 0);
        self.update().await
    }

    /// Ends measuring. Samples that were not taken stay.
    pub async fn stop(&self) -> Result<(), McuError> {
        let Some(commands) = self.0.commands.get().filter(|_| !self.0.mcu.is_offline()) else { return Ok(()) };
        self.0.state.borrow_mut().running = false;
        self.update().await?;
        self.0.mcu.send(&commands.query, &[self.0.oid.into(), 0.into()], self.0.queue, 0, 0);
        Ok(())
    }

    /// Asks for one status; to be called each 100 ms or so while measuring.
    pub async fn update(&self) -> Result<(), McuError> {
        let (mcu, oid) = (&self.0.mcu, self.0.oid);
        let Some(commands) = self.0.commands.get().filter(|_| !mcu.is_offline()) else { return Ok(()) };
        let args = [oid.into()];
        let question = mcu.query(&commands.status, &args, "sensor_bulk_status", Some(oid), self.0.queue, 0, 0);
        self.0.note_status(&question.await?);
        Ok(())
    }

    /// The samples that came since the last call, with times by what is known at this moment.
    pub fn take_samples(&self) -> Vec<RawSample> {
        let mut state = self.0.state.borrow_mut();
        let messages = std::mem::take(&mut state.messages);
        let mut samples = Vec::with_capacity(messages.len() * SAMPLES_PER_MESSAGE as usize);
        for (sequence, data) in messages {
            for (at, bytes) in data.chunks_exact(BYTES_PER_SAMPLE).enumerate() {
                let Some((x, y, z)) = unpack(bytes) else {
                    state.bad_samples += 1;
                    continue;
                };
                // Sample number k exists from the moment when k+1 samples exist.
                let number = (sequence * SAMPLES_PER_MESSAGE + at as u64 + 1) as f64;
                let clock = state.line.clock_of(number);
                samples.push(RawSample { print_time: self.0.mcu.clock_to_print_time(clock as i64), x, y, z });
            }
        }
        samples
    }

    /// Times that the chip's own memory ran over, as far as the micro-controller could tell.
    pub fn overflows(&self) -> u32 {
        self.0.state.borrow().overflows
    }

    /// Samples that could not be read.
    pub fn errors(&self) -> u32 {
        self.0.state.borrow().bad_samples
    }

    /// Measured samples a second, by the micro-controller's clock.
    pub fn measured_rate_hz(&self) -> f64 {
        self.0.mcu.clock_freq() / self.0.state.borrow().line.ticks_per_sample
    }
}

impl Inner {
    fn note_status(&self, params: &Params) {
        let mut state = self.state.borrow_mut();
        let query_ticks = params.int("query_ticks");
        let quickest = state.quickest_query.map_or(query_ticks, |quickest| quickest.min(query_ticks));
        state.quickest_query = Some(quickest);
        state.overflows = params.int("possible_overflows") as u32;
        if query_ticks > SLOW_STATUS * quickest.max(1) {
            return;
        }
        let next_sequence = state.extend_sequence(params.int("next_sequence") as u16);
        let buffered = params.int("buffered").max(0) as u64 / BYTES_PER_SAMPLE as u64;
        // The chip is somewhere inside its next sample: half of it is right on average.
        let samples = (next_sequence * SAMPLES_PER_MESSAGE + buffered) as f64 + 0.5;
        let clock = self.mcu.clock32_to_clock64(params.int("clock") as u32) + query_ticks / 2;
        state.line.add(clock as f64, samples);
    }
}

impl State {
    fn extend_sequence(&self, sequence: u16) -> u64 {
        let diff = i64::from(sequence.wrapping_sub(self.last_sequence as u16) as i16);
        self.last_sequence.saturating_add_signed(diff)
    }

    fn note_data(&mut self, params: &Params) {
        if !self.running {
            return;
        }
        let sequence = self.extend_sequence(params.int("sequence") as u16);
        self.last_sequence = sequence;
        self.messages.push((sequence, params.bytes("data").to_vec()));
    }
}

/// Low bytes of x, y, z, then their upper five bits: x and a part of z, y and the rest of z.
fn unpack(bytes: &[u8]) -> Option<(i16, i16, i16)> {
    let [x_low, y_low, z_low, xz, yz] = *bytes else { return None };
    if yz & SAMPLE_BAD != 0 {
        return None;
    }
    let signed = |low: u8, high: u8| ((u16::from(low) | u16::from(high) << 8) << 3) as i16 >> 3;
    Some((signed(x_low, xz & 0x1f), signed(y_low, yz & 0x1f), signed(z_low, xz >> 5 | (yz & 0x60) >> 2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirteen_bits_are_unpacked_with_their_sign() {
        // x = 1, y = -1 (0x1fff), z = -4096 (0x1000): upper five bits 0x10 = 0b10_000.
        assert_eq!(unpack(&[1, 0xff, 0, 0, 0x1f | 0x40]), Some((1, -1, -4096)));
        assert_eq!(unpack(&[0, 0, 0xff, 0xe0, 0]), Some((0, 0, 2047)));
        assert_eq!(unpack(&[0xff; 5]), None);
        assert_eq!(unpack(&[0; 4]), None);
    }

    #[test]
    fn sample_times_follow_a_chip_that_is_three_per_cent_fast() {
        let true_ticks = 168e6 / 3200.0 / 1.03;
        let mut line = SampleLine::default();
        line.start(168e6 / 3200.0);
        for i in 0..100 {
            let clock = 1e9 + f64::from(i) * 16.8e6 + 777.0 * f64::from(i % 7);
            line.add(clock, ((clock - 1e9) / true_ticks).floor() + 0.5);
        }
        let rate_error = line.ticks_per_sample / true_ticks - 1.0;
        assert!(rate_error.abs() < 1e-4, "{rate_error}");
        let sample = 30_000.0;
        let error_s = (line.clock_of(sample) - (1e9 + sample * true_ticks)) / 168e6;
        assert!(error_s.abs() < 100e-6, "{error_s}");
    }
}
