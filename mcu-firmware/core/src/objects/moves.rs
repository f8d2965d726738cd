//! The move queue: one pool of slots, given out at the end of the configuration, that steppers and outputs share.
//!
//! Each owner has a [`Queue`] of its own, a chain through the pool in the order of the commands.

use super::filled;
use crate::shutdown::Shutdown;
use alloc::vec::Vec;

const NONE: u16 = u16::MAX;

/// What waits: a stepper's interval, count and add, or an output's clock and value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Move {
    pub first: u32,
    pub second: u32,
    pub flag: bool,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    content: Move,
    next: u16,
}

/// What one slot takes of a board's memory.
pub const MOVE_SLOT_BYTES: usize = size_of::<Slot>();

#[derive(Clone, Debug)]
pub(crate) struct MovePool {
    slots: Vec<Slot>,
    free: u16,
    free_count: u16,
}

/// One owner's chain.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    first: u16,
    last: u16,
}

impl Default for Queue {
    fn default() -> Self {
        Self { first: NONE, last: NONE }
    }
}

impl Queue {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first == NONE
    }
}

impl Default for MovePool {
    fn default() -> Self {
        Self { slots: Vec::new(), free: NONE, free_count: 0 }
    }
}

impl MovePool {
    pub fn new(count: u16) -> Result<Self, Shutdown> {
        let slots = filled(count.min(NONE - 1).into(), Slot { content: Move::default(), next: NONE })?;
        let mut pool = Self { slots, ..Self::default() };
        pool.clear();
        Ok(pool)
    }

    pub fn capacity(&self) -> u16 {
        self.slots.len() as u16
    }

    pub fn free_count(&self) -> u16 {
        self.free_count
    }

    /// Takes every slot back at once. Every queue must be thrown away with it.
    pub fn clear(&mut self) {
        let count = self.slots.len();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            slot.next = if at + 1 < count { at as u16 + 1 } else { NONE };
        }
        self.free = if count == 0 { NONE } else { 0 };
        self.free_count = count as u16;
    }

    /// Appends to `queue`.
    #[inline]
    pub fn push(&mut self, queue: &mut Queue, content: Move) -> Result<(), Shutdown> {
        let at = self.free;
        let slot = self.slots.get_mut(usize::from(at)).ok_or(Shutdown::MoveQueueOverflow)?;
        self.free = slot.next;
        self.free_count -= 1;
        *slot = Slot { content, next: NONE };
        match self.slots.get_mut(usize::from(queue.last)) {
            Some(last) => last.next = at,
            None => queue.first = at,
        }
        queue.last = at;
        Ok(())
    }

    /// The front of `queue`.
    #[inline]
    pub fn peek(&self, queue: &Queue) -> Option<Move> {
        self.slots.get(usize::from(queue.first)).map(|slot| slot.content)
    }

    /// Takes the front off `queue`.
    #[inline]
    pub fn pop(&mut self, queue: &mut Queue) -> Option<Move> {
        let at = queue.first;
        let slot = self.slots.get_mut(usize::from(at))?;
        queue.first = slot.next;
        slot.next = self.free;
        let content = slot.content;
        self.free = at;
        self.free_count += 1;
        if queue.first == NONE {
            queue.last = NONE;
        }
        Some(content)
    }

    /// Gives back all that waits in `queue`.
    pub fn drain(&mut self, queue: &mut Queue) {
        while self.pop(queue).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_slot_after_the_last_overflows_and_a_given_back_one_does_not() {
        let mut pool = MovePool::new(2).unwrap();
        let mut queue = Queue::default();
        assert_eq!(pool.push(&mut queue, Move::default()), Ok(()));
        assert_eq!(pool.push(&mut queue, Move::default()), Ok(()));
        assert_eq!(pool.push(&mut queue, Move::default()), Err(Shutdown::MoveQueueOverflow));
        pool.pop(&mut queue);
        assert_eq!(pool.push(&mut queue, Move::default()), Ok(()));
        assert_eq!(MovePool::default().push(&mut Queue::default(), Move::default()), Err(Shutdown::MoveQueueOverflow));
    }

    proptest! {
        #[test]
        fn queues_keep_their_own_order_and_no_slot_is_lost(steps in prop::collection::vec((0..3_usize, any::<bool>()), 0..200)) {
            let mut pool = MovePool::new(16).unwrap();
            let mut queues = [Queue::default(), Queue::default(), Queue::default()];
            let mut models = [const { alloc::collections::VecDeque::new() }; 3];
            for (serial, (which, push)) in steps.into_iter().enumerate() {
                if push {
                    let content = Move { first: serial as u32, ..Move::default() };
                    if pool.push(&mut queues[which], content).is_ok() {
                        models[which].push_back(content);
                    }
                } else {
                    prop_assert_eq!(pool.peek(&queues[which]), models[which].front().copied());
                    prop_assert_eq!(pool.pop(&mut queues[which]), models[which].pop_front());
                }
                let waiting: usize = models.iter().map(alloc::collections::VecDeque::len).sum();
                prop_assert_eq!(usize::from(pool.free_count()), 16 - waiting);
            }
        }
    }
}
