//! What every chip's program has around the firmware and its board: the main loop, the state that it shares with the step
//! interrupt, the bytes to and from the host, the heap, and the guard below the stack.
//!
//! The step interrupt runs the firmware's timers. The main loop moves bytes, finds blocks in them, reads commands and writes answers; that
//! one interrupt is masked while it changes the firmware's state, which is for one command or one piece of a task at a time.
#![no_std]

pub mod bytes;
pub mod memory;
mod shared;

pub use bytes::ByteQueue;

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use cortex_m::peripheral::SCB;
use drydock_firmware::{Board, Firmware, Link, Lock, Mcu};
use drydock_protocol::block::Deframer;
use shared::Shared;

/// What the shell asks of a chip beyond [`Board`]. The step interrupt is the alarm's.
pub trait Chip: Board {
    /// MUST keep the step interrupt from coming, from its return on.
    fn mask();
    /// MUST let the step interrupt come again.
    fn unmask();
    /// MUST make the step interrupt come as soon as it is unmasked.
    fn pend();
    /// MUST be the tick counter.
    fn clock() -> u32;
    /// MUST set the alarm, a tenth of a second ahead at most, so that the main loop gets to feed the watchdog; false where
    /// the moment is so near that the caller must see to it itself.
    fn arm(wake: u32) -> bool;
    /// MAY sleep till an interrupt comes, if there is nothing to do at the moment at which it begins to.
    fn idle(nothing_to_do: impl FnOnce() -> bool);
    /// MUST be called twice a second, or the chip restarts.
    fn feed_watchdog();
}

/// The host's serial port.
pub trait Port {
    /// Whether a byte from the host wakes the main loop.
    const WAKES: bool;
    /// Moves what can be moved in both directions.
    fn poll(&mut self);
    /// Whether the last byte has left.
    fn is_idle(&mut self) -> bool;
}

pub struct Shell<C: Chip> {
    mcu: Shared<Mcu<C>>,
    /// The step interrupt has left something for a task.
    tasks: AtomicBool,
    /// The host has asked for a restart, which comes when the acknowledgement has left.
    restart: AtomicBool,
    /// Bytes from the host; the constant `RECEIVE_WINDOW` leaves room for one block more.
    pub rx: ByteQueue<256>,
    /// Bytes to the host.
    pub tx: ByteQueue<256>,
}

impl<C: Chip> Shell<C> {
    pub const fn new() -> Self {
        Self {
            mcu: Shared::empty(),
            tasks: AtomicBool::new(false),
            restart: AtomicBool::new(false),
            rx: ByteQueue::new(),
            tx: ByteQueue::new(),
        }
    }

    /// Starts the firmware on its board and does the main loop's work for ever.
    pub fn run<P: Port>(&self, board: C, port: P) -> ! {
        let mcu = Mcu::new(board);
        C::mask();
        if !arm_next::<C>(mcu.next_timer()) {
            C::pend();
        }
        #[allow(unsafe_code)]
        // SAFETY: the step interrupt is masked.
        unsafe {
            self.mcu.put(mcu)
        };
        C::unmask();
        let (mut bytes, mut deframer) = ([0; 64], Deframer::new());
        let (mut main_loop, mut link) = (MainLoop { shell: self, port }, Link::new());
        link.announce(&mut main_loop);
        loop {
            C::feed_watchdog();
            main_loop.port.poll();
            let count = self.rx.pop(&mut bytes);
            link.rx(&mut main_loop, &mut deframer, &bytes[..count]);
            let has_tasks = self.tasks.load(Relaxed);
            if has_tasks || count > 0 {
                self.tasks.store(false, Relaxed);
                link.run_tasks(&mut main_loop);
            }
            if self.restart.load(Relaxed) && self.tx.is_empty() && main_loop.port.is_idle() {
                SCB::sys_reset();
            }
            if P::WAKES {
                C::idle(|| self.rx.is_empty() && self.tx.is_empty() && !self.tasks.load(Relaxed));
            }
        }
    }

    /// What the step interrupt does.
    ///
    /// # Safety
    /// This must be called by the interrupt that [`Chip::mask`] masks, and by nobody else.
    #[inline(always)]
    #[allow(unsafe_code)]
    pub unsafe fn step_interrupt(&self) {
        // SAFETY: the main loop masks this interrupt, and it does not interrupt itself.
        let Some(mcu) = (unsafe { self.mcu.get() }) else { return };
        loop {
            let next = mcu.timer_irq();
            if arm_next::<C>(next) {
                break;
            }
        }
        if mcu.firmware.has_tasks() {
            self.tasks.store(true, Relaxed);
        }
    }

    /// For [`Board::reset`].
    pub fn restart_soon(&self) {
        self.restart.store(true, Relaxed);
    }
}

/// What the main loop holds: there is one, and it is in one place at a time.
struct MainLoop<'a, C: Chip, P: Port> {
    shell: &'a Shell<C>,
    port: P,
}

impl<C: Chip, P: Port> Lock for MainLoop<'_, C, P> {
    type Board = C;

    fn lock<T>(&mut self, work: impl FnOnce(&mut Firmware, &mut C) -> T) -> T {
        C::mask();
        #[allow(unsafe_code)]
        // SAFETY: the step interrupt is masked, and the main loop is not in here twice.
        let Some(mcu) = (unsafe { self.shell.mcu.get() }) else { SCB::sys_reset() };
        let armed = mcu.next_timer();
        let result = work(&mut mcu.firmware, &mut mcu.board);
        let next = mcu.next_timer();
        if next != armed && !arm_next::<C>(next) {
            C::pend();
        }
        C::unmask();
        self.port.poll();
        result
    }

    fn serial_write(&mut self, bytes: &[u8]) -> bool {
        self.shell.tx.push(bytes)
    }
}

impl<C: Chip> Default for Shell<C> {
    fn default() -> Self {
        Self::new()
    }
}

/// Sets the alarm for the next timer. There always is one: the firmware's own.
#[inline(always)]
fn arm_next<C: Chip>(timer: Option<u32>) -> bool {
    C::arm(timer.unwrap_or_else(|| C::clock().wrapping_add(i32::MAX as u32)))
}

/// A number that a build script handed over as text.
pub const fn number(digits: &str) -> u32 {
    match u32::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("not a number"),
    }
}

/// The 12 or fewer bytes of a chip's unique number in hexadecimal.
pub fn hexadecimal<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut digits = [b'0'; N];
    for (byte, pair) in bytes.iter().zip(digits.chunks_exact_mut(2)) {
        pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
    }
    digits
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
}

/// A fault or a bug restarts the chip: its pins float then, and boards are wired so that everything is off.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    SCB::sys_reset()
}

#[cortex_m_rt::exception]
#[allow(unsafe_code, reason = "a fault may come at any moment, and this uses nothing that it could spoil")]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    SCB::sys_reset()
}
