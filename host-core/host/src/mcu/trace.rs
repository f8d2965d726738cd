//! The last blocks in each direction, kept for the dump that klippy.log shows after a shutdown.

use drydock_protocol::block::BLOCK_MAX;

/// Blocks kept in each direction.
pub const TRACE_LEN: usize = 100;

/// One block as it stood on the line, with the two times that the log shows.
#[derive(Clone, Copy)]
pub struct TracedBlock {
    /// Sent blocks: when it was handed to the line. Received blocks: when its first byte came.
    pub time: f64,
    /// When its last byte had left; for received blocks the same of the block that it acknowledges. 0 = not known.
    pub sent_time: f64,
    pub len: u8,
    pub bytes: [u8; BLOCK_MAX],
}

/// A ring of the last [`TRACE_LEN`] blocks.
#[derive(Default)]
pub struct Trace {
    blocks: Vec<TracedBlock>,
    next: usize,
}

impl Trace {
    pub fn push(&mut self, block: TracedBlock) {
        if self.blocks.len() < TRACE_LEN {
            self.blocks.push(block);
        } else {
            self.blocks[self.next] = block;
        }
        self.next = (self.next + 1) % TRACE_LEN;
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &TracedBlock> {
        let split = if self.blocks.len() < TRACE_LEN { 0 } else { self.next };
        self.blocks[split..].iter().chain(&self.blocks[..split])
    }

    pub fn len(&self) -> usize {
        self.blocks.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_come_out_oldest_first() {
        let mut trace = Trace::default();
        for i in 0..250 {
            trace.push(TracedBlock { time: f64::from(i), sent_time: 0.0, len: 5, bytes: [0; BLOCK_MAX] });
        }
        let times: Vec<f64> = trace.iter().map(|block| block.time).collect();
        assert_eq!(times, (150..250).map(f64::from).collect::<Vec<_>>());
        assert_eq!(trace.len(), TRACE_LEN);
    }
}
