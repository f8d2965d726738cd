//! The heap, which lies between the statics and the stack, and the guard that stops the stack from growing into it.
#![allow(unsafe_code, reason = "addresses come from the linker script")]

use cortex_m::peripheral::MPU;
use embedded_alloc::LlffHeap;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

unsafe extern "C" {
    /// Lowest address of the stack, from memory.x.
    static _stack_limit: u8;
}

/// Bytes below the stack that nobody may touch. It is the least that both families' memory protection can guard.
const GUARD_BYTES: usize = 256;
/// Left for objects of the configuration when the move queue takes its share, and for what fragments.
const SPARE_BYTES: usize = 4096;
/// Slots that hosts can make use of.
const MOVE_COUNT_MAX: usize = 1024;

/// Gives the heap its memory and sets the guard. To be called once, before anything is allocated.
pub fn start(mpu: &mut MPU) {
    let heap = cortex_m_rt::heap_start() as usize;
    // The guard lies on a multiple of its size, at or above the limit that the linker checked.
    let guard = (&raw const _stack_limit as usize).next_multiple_of(GUARD_BYTES);
    // SAFETY: the linker script leaves what lies between the statics and the stack to the heap, and checks that it is
    // there; this is the only call.
    unsafe { HEAP.init(heap, guard - heap) };
    const SIZE: u32 = GUARD_BYTES.trailing_zeros() - 1;
    // SAFETY: one region without access where nothing lies, and the default map for all the rest. A stack that grows
    // into it faults, and the fault handler restarts the chip.
    unsafe {
        mpu.rnr.write(0);
        mpu.rbar.write(guard as u32);
        mpu.rasr.write(1 << 28 | SIZE << 1 | 1);
        mpu.ctrl.write(1 << 2 | 1);
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}

/// Slots of the move queue that there is room for.
pub fn move_count() -> u16 {
    let slots = HEAP.free().saturating_sub(SPARE_BYTES) / drydock_firmware::MOVE_SLOT_BYTES;
    slots.clamp(1, MOVE_COUNT_MAX) as u16
}
