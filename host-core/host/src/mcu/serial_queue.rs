//! The reliable, paced line to one micro-controller: numbered blocks, acknowledgement, repetition, and when to send.
//!
//! Each command waits in its queue until the micro-controller may have it (`min_clock`), then until a block is full or
//! its deadline (`req_clock`) comes within [`LEAD_S`]. Blocks in flight are bounded by [`BLOCKS_IN_FLIGHT`] and by the
//! receiver's window. What is not acknowledged in time is sent again (RFC 6298), at once where the receiver says that
//! it missed something (a *nak*: an empty block that repeats the last acknowledged number).
//!
//! Sequence numbers count 64 bits here and 4 bits on the wire. This side starts at 1; the other side's first answer
//! says where its own count stands.

use super::command::Content;
use super::trace::{Trace, TracedBlock};
use drydock_protocol::block::{self, BLOCK_MAX, CONTENT_MAX, Deframer, Event, SYNC};
use std::collections::VecDeque;

/// A command leaves at the latest so long before its deadline.
pub const LEAD_S: f64 = 0.100;
/// Most blocks that wait for acknowledgement.
pub const BLOCKS_IN_FLIGHT: usize = 12;
/// Bounds of the time after which a block without acknowledgement is sent again.
pub const RTO_MIN_S: f64 = 0.025;
pub const RTO_MAX_S: f64 = 5.0;
/// Doublings of that time which outlive an acknowledgement.
const TIMEOUTS_KEPT: u32 = 3;
/// A steady line still holds back an answer by the few blocks before it.
const RTO_MARGIN_S: f64 = 0.010;
/// The micro-controller tells past from future within 2^31 ticks; commands stay this far inside it.
const AHEAD_MAX_TICKS: u64 = 3 << 29;
/// Host times are rounded to this; a wake-up aims so far behind the instant that it waits for, and "due" forgives it.
const ROUNDING_S: f64 = 1e-6;
const BITS_PER_BYTE: f64 = 10.0;

/// A command queue: what is in one queue stays in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueId(u32);

impl QueueId {
    /// The queue of those who need no order of their own.
    pub const DEFAULT: QueueId = QueueId(0);
}

/// The micro-controller's clock as a straight line over host time.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockLine {
    /// Ticks per host second; 0 = not known yet.
    pub freq: f64,
    pub time: f64,
    pub clock: f64,
}

impl ClockLine {
    pub fn clock_at(&self, time: f64) -> f64 {
        self.clock + (time - self.time) * self.freq
    }

    pub fn time_of(&self, clock: u64) -> f64 {
        self.time + (clock as f64 - self.clock) / self.freq
    }
}

struct Message {
    min_clock: u64,
    req_clock: u64,
    /// Reported back when the block that carries it is acknowledged; 0 = nobody asks.
    notify: u64,
    content: Content,
}

#[derive(Default)]
struct CommandQueue {
    messages: VecDeque<Message>,
    /// So many at the front may leave.
    ready: usize,
}

struct SentBlock {
    seq: u64,
    len: usize,
    bytes: [u8; BLOCK_MAX],
    /// When its last byte left, the last time it was sent.
    sent_time: f64,
    repeated: bool,
    notify: Vec<u64>,
}

/// Counters for klippy.log.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SerialStats {
    pub bytes_write: u64,
    pub bytes_read: u64,
    pub bytes_retransmit: u64,
    pub bytes_invalid: u64,
    pub send_seq: u64,
    pub receive_seq: u64,
    pub retransmit_seq: u64,
    pub srtt_s: f64,
    pub rttvar_s: f64,
    pub rto_s: f64,
    pub ready_bytes: u64,
    pub upcoming_bytes: u64,
}

/// A message that came in.
pub struct Received {
    pub content: Content,
    /// When the last block that it acknowledges left; 0 where that block was repeated or none is known.
    pub sent_time: f64,
    pub receive_time: f64,
}

pub struct SerialQueue {
    queues: Vec<CommandQueue>,
    /// Numbers of the queues that hold something, ascending.
    active: Vec<u32>,
    ready_bytes: usize,
    upcoming_bytes: usize,

    clock: ClockLine,
    byte_s: f64,
    /// When the last byte handed to the line has left it.
    line_free: f64,
    window_bytes: usize,

    in_flight: VecDeque<SentBlock>,
    in_flight_bytes: usize,
    send_seq: u64,
    receive_seq: u64,
    last_ack_seq: u64,
    retransmit_seq: u64,
    last_acked_sent_time: f64,

    nak: NakRound,
    rtt_sample: Option<(u64, f64)>,
    srtt: f64,
    rttvar: f64,
    rto: f64,
    /// Times in a row that nothing was acknowledged in time; each doubles the next wait.
    timeouts: u32,
    rto_at: f64,

    deframer: Deframer,
    /// Bytes taken off the line since the last event, and whether they follow garbage.
    unaccounted: u64,
    in_garbage: bool,

    acked: Vec<u64>,
    stats: SerialStats,
    pub sent_trace: Trace,
    pub received_trace: Trace,
}

/// One lost block makes the receiver nak every block behind it. A repetition answers the first; the naks that were
/// already on their way then say nothing new, those that come later do.
#[derive(Default)]
struct NakRound {
    wanted: bool,
    repeats: u8,
    /// Naks before this time are old.
    news_from: f64,
}

/// Naks that are answered before something is acknowledged; a bound for a line that is slow and not bad.
const NAK_REPEATS_MAX: u8 = 6;

impl SerialQueue {
    pub fn new() -> Self {
        SerialQueue {
            queues: vec![CommandQueue::default()],
            active: Vec::new(),
            ready_bytes: 0,
            upcoming_bytes: 0,
            clock: ClockLine::default(),
            byte_s: 0.0,
            line_free: 0.0,
            window_bytes: 0,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            send_seq: 1,
            receive_seq: 1,
            last_ack_seq: 1,
            retransmit_seq: 0,
            last_acked_sent_time: 0.0,
            nak: NakRound::default(),
            rtt_sample: None,
            srtt: 0.0,
            rttvar: 0.0,
            rto: RTO_MIN_S,
            timeouts: 0,
            rto_at: 0.0,
            deframer: Deframer::new(),
            unaccounted: 0,
            in_garbage: false,
            acked: Vec::new(),
            stats: SerialStats::default(),
            sent_trace: Trace::default(),
            received_trace: Trace::default(),
        }
    }

    /// Pacing: 10 bits a byte; 0 baud is a line without a rate (USB).
    pub fn set_baud(&mut self, baud: f64) {
        self.byte_s = if baud > 0.0 { BITS_PER_BYTE / baud } else { 0.0 };
    }

    /// Bytes that the receiver buffers; 0 = no such bound.
    pub fn set_window(&mut self, bytes: usize) {
        self.window_bytes = bytes;
    }

    pub fn set_clock(&mut self, clock: ClockLine) {
        self.clock = clock;
    }

    pub fn alloc_queue(&mut self) -> QueueId {
        self.queues.push(CommandQueue::default());
        QueueId(self.queues.len() as u32 - 1)
    }

    pub fn send(&mut self, queue: QueueId, content: Content, min_clock: u64, req_clock: u64, notify: u64) {
        let Some(commands) = self.queues.get_mut(queue.0 as usize) else { return };
        let min_clock = min_clock.max(req_clock.saturating_sub(AHEAD_MAX_TICKS));
        // Nobody is overtaken inside a queue, so an urgent command makes those before it urgent.
        for earlier in commands.messages.iter_mut().rev().take_while(|earlier| earlier.req_clock > req_clock) {
            earlier.req_clock = req_clock;
        }
        if commands.messages.is_empty()
            && let Err(at) = self.active.binary_search(&queue.0)
        {
            self.active.insert(at, queue.0);
        }
        self.upcoming_bytes += content.as_slice().len();
        commands.messages.push_back(Message { min_clock, req_clock, notify, content });
    }

    /// Drops what waits in one queue and has not been sent.
    pub fn clear_queue(&mut self, queue: QueueId) {
        let Some(commands) = self.queues.get_mut(queue.0 as usize) else { return };
        for (at, message) in commands.messages.drain(..).enumerate() {
            let len = message.content.as_slice().len();
            if at < commands.ready { self.ready_bytes -= len } else { self.upcoming_bytes -= len }
        }
        commands.ready = 0;
        self.active.retain(|active| *active != queue.0);
    }

    /// Takes acknowledged notifications, in the order of their acknowledgement.
    pub fn take_acked(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.acked)
    }

    // ---- receiving

    /// Takes bytes off the front of `input` until a message is there; `None` once `input` is used up.
    pub fn receive(&mut self, now: f64, input: &mut &[u8]) -> Option<Received> {
        loop {
            let before = input.len();
            let mut block = TracedBlock { time: 0.0, sent_time: 0.0, len: 0, bytes: [0; BLOCK_MAX] };
            let event = self.deframer.next(input);
            let taken = (before - input.len()) as u64;
            self.stats.bytes_read += taken;
            self.unaccounted += taken;
            match event? {
                Event::Bad => self.in_garbage = true,
                Event::Block(good) => {
                    let len = block::frame_into(good.seq, good.content, &mut block.bytes);
                    let seq = good.seq;
                    block.len = len as u8;
                    if std::mem::take(&mut self.in_garbage) {
                        self.stats.bytes_invalid += self.unaccounted.saturating_sub(len as u64);
                    }
                    self.unaccounted = 0;
                    block.time = now - (input.len() + len) as f64 * self.byte_s;
                    if let Some(message) = self.receive_block(seq, block) {
                        return Some(message);
                    }
                }
            }
        }
    }

    fn receive_block(&mut self, seq: u8, mut block: TracedBlock) -> Option<Received> {
        let len = usize::from(block.len);
        let mut rseq = (self.receive_seq & !0xf) | u64::from(seq);
        if rseq < self.receive_seq {
            rseq += 16;
        }
        if rseq > self.send_seq {
            if self.receive_seq != 1 {
                self.stats.bytes_invalid += len as u64;
                return None;
            }
            self.adopt_count(rseq);
        } else if rseq > self.receive_seq {
            self.acknowledge(rseq, block.time);
        }
        block.sent_time = self.last_acked_sent_time;
        self.received_trace.push(block);
        let content = Content::from_slice(&block.bytes[2..len - 3])?;
        if content.as_slice().is_empty() {
            self.note_empty(rseq, block.time);
            return None;
        }
        Some(Received { content, sent_time: self.last_acked_sent_time, receive_time: block.time })
    }

    /// The first answer ever: the other side's count goes on from where it stands. What was sent is lost; whoever
    /// waits for an answer hears so and asks again.
    fn adopt_count(&mut self, rseq: u64) {
        for sent in self.in_flight.drain(..) {
            self.acked.extend(sent.notify);
        }
        self.in_flight_bytes = 0;
        self.rtt_sample = None;
        self.last_acked_sent_time = 0.0;
        self.send_seq = rseq;
        self.receive_seq = rseq;
    }

    fn acknowledge(&mut self, rseq: u64, time: f64) {
        while let Some(sent) = self.in_flight.front() {
            if sent.seq >= rseq {
                break;
            }
            self.last_acked_sent_time = if sent.repeated { 0.0 } else { sent.sent_time };
            self.in_flight_bytes -= sent.len;
            if let Some(sent) = self.in_flight.pop_front() {
                self.acked.extend(sent.notify);
            }
        }
        self.receive_seq = rseq;
        self.nak = NakRound::default();
        // The line works again. On one that damages much, hardly a block is measured, and a long wait helps nobody; on
        // one that has become slow, the longest wait kept here is long enough for the next block to be measured.
        self.timeouts = self.timeouts.min(TIMEOUTS_KEPT);
        if let Some((seq, sent_time)) = self.rtt_sample
            && rseq > seq
        {
            self.update_rto((time - sent_time).max(0.0));
            self.timeouts = 0;
            self.rtt_sample = None;
        }
        if let Some(oldest) = self.in_flight.front() {
            self.rto_at = oldest.sent_time + self.wait_s();
        }
    }

    fn update_rto(&mut self, rtt: f64) {
        if self.srtt == 0.0 {
            self.srtt = rtt;
            self.rttvar = rtt / 2.0;
            self.rto = rtt * 10.0;
        } else {
            self.rttvar = 0.75 * self.rttvar + 0.25 * (self.srtt - rtt).abs();
            self.srtt = 0.875 * self.srtt + 0.125 * rtt;
            self.rto = self.srtt + (4.0 * self.rttvar).max(RTO_MARGIN_S);
        }
        self.rto = self.rto.clamp(RTO_MIN_S, RTO_MAX_S);
    }

    /// How long to wait for an acknowledgement.
    fn wait_s(&self) -> f64 {
        (self.rto * f64::from(1_u32 << self.timeouts.min(16))).min(RTO_MAX_S)
    }

    fn note_empty(&mut self, rseq: u64, time: f64) {
        if rseq > self.last_ack_seq {
            self.last_ack_seq = rseq;
        } else if !self.in_flight.is_empty() {
            self.nak.wanted |= time >= self.nak.news_from && self.nak.repeats < NAK_REPEATS_MAX;
        }
    }

    // ---- sending

    /// Appends to `out` what the line should carry from `now` on.
    pub fn poll(&mut self, now: f64, out: &mut Vec<u8>) {
        if !self.in_flight.is_empty() {
            if self.nak.wanted {
                self.nak.wanted = false;
                self.nak.repeats += 1;
                self.repeat_all(now, out);
                self.nak.news_from = self.in_flight[0].sent_time + self.srtt;
            } else if self.rto_at <= now + ROUNDING_S {
                self.timeouts += 1;
                self.nak = NakRound::default();
                self.repeat_all(now, out);
            }
        }
        while self.window_open() && self.line_free <= now + ROUNDING_S && self.block_due(now) {
            self.send_block(now, out);
        }
    }

    /// When [`SerialQueue::poll`] has something to do, as far as it depends on time alone.
    pub fn next_wake(&self) -> Option<f64> {
        let repeat = (!self.in_flight.is_empty()).then_some(self.rto_at);
        let send = if self.window_open() && !self.active.is_empty() { self.next_send() } else { None };
        match (repeat, send) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn next_send(&self) -> Option<f64> {
        if self.ready_bytes >= CONTENT_MAX || (self.clock.freq <= 0.0 && !self.active.is_empty()) {
            return Some(self.line_free);
        }
        let mut due = f64::INFINITY;
        for queue in self.active_queues() {
            if let Some(head) = queue.messages.front().filter(|_| queue.ready > 0) {
                due = due.min(self.clock.time_of(head.req_clock) - LEAD_S - self.block_s() + ROUNDING_S);
            }
            if let Some(next) = queue.messages.get(queue.ready) {
                due = due.min(self.clock.time_of(next.min_clock) + ROUNDING_S);
            }
        }
        (due < f64::INFINITY).then(|| due.max(self.line_free))
    }

    fn active_queues(&self) -> impl Iterator<Item = &CommandQueue> {
        self.active.iter().map(|queue| &self.queues[*queue as usize])
    }

    fn block_s(&self) -> f64 {
        BLOCK_MAX as f64 * self.byte_s
    }

    fn window_open(&self) -> bool {
        self.in_flight.len() < BLOCKS_IN_FLIGHT
            && (self.window_bytes == 0
                || self.in_flight.is_empty()
                || self.in_flight_bytes + BLOCK_MAX <= self.window_bytes)
    }

    fn block_due(&mut self, now: f64) -> bool {
        if self.active.is_empty() {
            return false;
        }
        let clock_known = self.clock.freq > 0.0;
        let clock = if clock_known { self.clock.clock_at(now) } else { f64::INFINITY };
        let deadline = self.clock.clock_at(now + LEAD_S + self.block_s());
        let mut due = !clock_known;
        for at in &self.active {
            let queue = &mut self.queues[*at as usize];
            while let Some(next) = queue.messages.get(queue.ready).filter(|next| next.min_clock as f64 <= clock) {
                let len = next.content.as_slice().len();
                self.upcoming_bytes -= len;
                self.ready_bytes += len;
                queue.ready += 1;
            }
            due |= queue.ready > 0 && queue.messages[0].req_clock as f64 <= deadline;
        }
        due || self.ready_bytes >= CONTENT_MAX
    }

    /// The queue whose ready front is most urgent.
    fn most_urgent(&self) -> Option<u32> {
        let ready = |at: &&u32| self.queues[**at as usize].ready > 0;
        self.active.iter().filter(ready).min_by_key(|at| self.queues[**at as usize].messages[0].req_clock).copied()
    }

    fn send_block(&mut self, now: f64, out: &mut Vec<u8>) {
        let mut block = SentBlock {
            seq: self.send_seq,
            len: 0,
            bytes: [0; BLOCK_MAX],
            sent_time: 0.0,
            repeated: false,
            notify: Vec::new(),
        };
        let mut filled = 0;
        while let Some(at) = self.most_urgent() {
            let queue = &mut self.queues[at as usize];
            let content = queue.messages[0].content.as_slice();
            let (start, len) = (2 + filled, content.len());
            if filled + len > CONTENT_MAX {
                break;
            }
            block.bytes[start..start + len].copy_from_slice(content);
            filled += len;
            self.ready_bytes -= len;
            queue.ready -= 1;
            if let Some(message) = queue.messages.pop_front()
                && message.notify != 0
            {
                block.notify.push(message.notify);
            }
            if queue.messages.is_empty() {
                self.active.retain(|active| *active != at);
            }
        }
        block.len = block::seal(self.send_seq as u8, &mut block.bytes, filled);
        out.extend_from_slice(&block.bytes[..block.len]);
        self.occupy_line(now, block.len);
        block.sent_time = self.line_free;
        if self.in_flight.is_empty() {
            self.rto_at = self.line_free + self.wait_s();
        }
        if self.rtt_sample.is_none() {
            self.rtt_sample = Some((block.seq, block.sent_time));
        }
        self.sent_trace.push(TracedBlock {
            time: now,
            sent_time: block.sent_time,
            len: block.len as u8,
            bytes: block.bytes,
        });
        self.stats.bytes_write += block.len as u64;
        self.in_flight_bytes += block.len;
        self.in_flight.push_back(block);
        self.send_seq += 1;
    }

    /// Sends everything that is not acknowledged again, behind a 0x7e that ends whatever the receiver is stuck in.
    fn repeat_all(&mut self, now: f64, out: &mut Vec<u8>) {
        out.push(SYNC);
        self.occupy_line(now, 1);
        for at in 0..self.in_flight.len() {
            let len = self.in_flight[at].len;
            self.occupy_line(now, len);
            let sent = &mut self.in_flight[at];
            out.extend_from_slice(&sent.bytes[..len]);
            sent.repeated = true;
            sent.sent_time = self.line_free;
            self.stats.bytes_retransmit += len as u64;
        }
        self.retransmit_seq = self.send_seq;
        // Whether an answer belongs to the first or to the second sending cannot be known (Karn).
        self.rtt_sample = None;
        self.rto_at = self.line_free + self.wait_s();
    }

    fn occupy_line(&mut self, now: f64, bytes: usize) {
        self.line_free = self.line_free.max(now) + bytes as f64 * self.byte_s;
    }

    pub fn stats(&self) -> SerialStats {
        SerialStats {
            send_seq: self.send_seq,
            receive_seq: self.receive_seq,
            retransmit_seq: self.retransmit_seq,
            srtt_s: self.srtt,
            rttvar_s: self.rttvar,
            rto_s: self.wait_s(),
            ready_bytes: self.ready_bytes as u64,
            upcoming_bytes: self.upcoming_bytes as u64,
            ..self.stats
        }
    }
}
