//! Numbers about one connection, in the words of klippy.log's Stats line, and the dump of the last messages.

use super::client::Mcu;
use super::command::Params;
use super::serial_queue::SerialStats;
use super::trace::{Trace, TracedBlock};
use std::fmt;

/// How busy the firmware's main loop is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct TaskLoad {
    pub awake: f64,
    pub average_s: f64,
    pub deviation_s: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct McuStats {
    pub mcu_awake: f64,
    pub mcu_task_avg_s: f64,
    pub mcu_task_stddev_s: f64,
    pub serial: SerialStats,
    /// Measured ticks per host second.
    pub freq_hz: f64,
    /// Ticks per second of print_time, for a micro-controller that is not the main one.
    pub adj_hz: Option<f64>,
}

impl fmt::Display for McuStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let serial = &self.serial;
        write!(
            f,
            "mcu_awake={:.3} mcu_task_avg={:.6} mcu_task_stddev={:.6} bytes_write={} bytes_read={} \
             bytes_retransmit={} bytes_invalid={} send_seq={} receive_seq={} retransmit_seq={} srtt={:.3} \
             rttvar={:.3} rto={:.3} ready_bytes={} upcoming_bytes={} freq={:.0}",
            self.mcu_awake,
            self.mcu_task_avg_s,
            self.mcu_task_stddev_s,
            serial.bytes_write,
            serial.bytes_read,
            serial.bytes_retransmit,
            serial.bytes_invalid,
            serial.send_seq,
            serial.receive_seq,
            serial.retransmit_seq,
            serial.srtt_s,
            serial.rttvar_s,
            serial.rto_s,
            serial.ready_bytes,
            serial.upcoming_bytes,
            self.freq_hz,
        )?;
        match self.adj_hz {
            Some(adj) => write!(f, " adj={adj:.0}"),
            None => Ok(()),
        }
    }
}

impl Mcu {
    pub fn stats(&self) -> McuStats {
        let load = self.0.load.get();
        let mut serial = self.0.serial.borrow().stats();
        serial.bytes_invalid += self.0.malformed.get();
        McuStats {
            mcu_awake: load.awake,
            mcu_task_avg_s: load.average_s,
            mcu_task_stddev_s: load.deviation_s,
            serial,
            freq_hz: self.0.clock.borrow().estimate().freq,
            adj_hz: self.0.main.is_some().then(|| self.0.base.get().freq),
        }
    }

    pub(super) fn note_stats(&self, params: &Params) {
        let freq = self.clock_freq();
        let (count, sum) = (params.int("count") as f64, params.int("sum") as f64);
        let square_base = self.constant_f64("STATS_SUMSQ_BASE").unwrap_or(0.0);
        let squares = params.int("sumsq") as f64 * square_base;
        if count > 0.0 && freq > 0.0 {
            let deviation = (count * squares - sum * sum).max(0.0).sqrt() / (count * freq);
            self.0.load.set(TaskLoad { awake: sum / freq, average_s: sum / (count * freq), deviation_s: deviation });
        }
    }

    /// The last blocks in both directions, decoded, oldest first, as klippy.log shows them after a shutdown.
    pub fn dump_messages(&self) -> Vec<String> {
        let serial = self.0.serial.borrow();
        let mut lines = vec![format!("Dumping send queue {} messages", serial.sent_trace.len())];
        lines.extend(self.describe_blocks("Sent", &serial.sent_trace, true));
        lines.push(format!("Dumping receive queue {} messages", serial.received_trace.len()));
        lines.extend(self.describe_blocks("Receive:", &serial.received_trace, false));
        lines
    }

    fn describe_blocks(&self, word: &str, trace: &Trace, sent_by_host: bool) -> Vec<String> {
        let dictionary = self.0.dictionary.borrow();
        let line = |(number, block): (usize, &TracedBlock)| {
            let content = &block.bytes[2..usize::from(block.len) - 3];
            format!(
                "{word} {number} {:.6} {:.6} {}: seq: {:02x}, {}",
                block.time,
                block.sent_time,
                block.len,
                block.bytes[1],
                dictionary.describe(content, sent_by_host)
            )
        };
        trace.iter().enumerate().map(line).collect()
    }

    /// The state of clock synchronisation in one line, for the same dump.
    pub fn clock_sync_dump(&self) -> String {
        self.0.clock.borrow().describe()
    }
}
