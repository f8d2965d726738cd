//! The configured objects: who has which oid, and the pools that they share.
//!
//! Each kind has a file of its own with its state, its commands and its events. A new kind is that file, a line in
//! [`kinds!`] and its commands in the table.

pub(crate) mod adxl345;
pub(crate) mod analog_in;
pub(crate) mod buttons;
pub(crate) mod counter;
pub(crate) mod digital_out;
pub(crate) mod endstop;
pub mod moves;
pub(crate) mod neopixel;
pub(crate) mod pwm_out;
pub mod spi;
pub(crate) mod stepper;
pub(crate) mod tmcuart;
pub(crate) mod trsync;

use crate::board::Board;
use crate::shutdown::Shutdown;
use crate::timers::Next;
use alloc::vec::Vec;
use moves::MovePool;

macro_rules! kinds {
    ($($kind:ident($field:ident: $type:ty) add $add:ident $(find $find:ident)? $(index $index:ident)?;)*) => {
        /// What an oid stands for: a kind and an index among that kind.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        enum Object {
            #[default]
            Free,
            $($kind(u8),)*
        }

        /// All objects of one micro-controller.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Objects {
            oids: Vec<Object>,
            pub config_crc: Option<u32>,
            pub moves: MovePool,
            $(pub $field: Vec<$type>,)*
        }

        impl Objects {
            $(
                /// Gives `oid` to a new object.
                pub fn $add(&mut self, oid: u8, object: $type) -> Result<(), Shutdown> {
                    let index = self.$field.len() as u8;
                    let slot = self.oids.get_mut(usize::from(oid)).filter(|slot| **slot == Object::Free);
                    let slot = slot.filter(|_| self.config_crc.is_none()).ok_or(Shutdown::OidAssign)?;
                    self.$field.try_reserve(1).or(Err(Shutdown::OutOfMemory))?;
                    *slot = Object::$kind(index);
                    self.$field.push(object);
                    Ok(())
                }

                $(#[inline]
                pub fn $index(&self, oid: u8) -> Result<u8, Shutdown> {
                    match self.oids.get(usize::from(oid)) {
                        Some(Object::$kind(index)) => Ok(*index),
                        _ => Err(Shutdown::OidType),
                    }
                })?

                $(pub fn $find(&mut self, oid: u8) -> Result<&mut $type, Shutdown> {
                    match self.oids.get(usize::from(oid)) {
                        Some(Object::$kind(index)) => {
                            self.$field.get_mut(usize::from(*index)).ok_or(Shutdown::OidType)
                        }
                        _ => Err(Shutdown::OidType),
                    }
                })?
            )*

            fn object_count(&self) -> usize {
                0 $(+ self.$field.len())*
            }
        }
    };
}

kinds! {
    Stepper(steppers: stepper::Stepper) add add_stepper find stepper index stepper_index;
    Trsync(trsyncs: trsync::Trsync) add add_trsync find trsync index trsync_index;
    Endstop(endstops: endstop::Endstop) add add_endstop find endstop index endstop_index;
    DigitalOut(digital_outs: digital_out::DigitalOut) add add_digital_out find digital_out index digital_out_index;
    PwmOut(pwm_outs: pwm_out::PwmOut) add add_pwm_out index pwm_out_index;
    AnalogIn(analog_ins: analog_in::AnalogIn) add add_analog_in find analog_in index analog_in_index;
    Spi(spis: spi::Spi) add add_spi find spi index spi_index;
    SpiShutdown(spi_shutdowns: spi::SpiShutdown) add add_spi_shutdown;
    Adxl345(adxl345s: adxl345::Adxl345) add add_adxl345 find adxl345 index adxl345_index;
    TmcUart(tmcuarts: tmcuart::TmcUart) add add_tmcuart find tmcuart index tmcuart_index;
    Neopixel(neopixels: neopixel::Neopixel) add add_neopixel find neopixel;
    Buttons(buttons: buttons::Buttons) add add_buttons find buttons_of index buttons_index;
    Counter(counters: counter::Counter) add add_counter find counter index counter_index;
}

/// So many copies of a value. What the host asks for may be more than a board has.
pub(crate) fn filled<T: Clone>(count: usize, value: T) -> Result<Vec<T>, Shutdown> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).or(Err(Shutdown::OutOfMemory))?;
    values.resize(count, value);
    Ok(values)
}

impl Objects {
    /// Makes room for `count` oids.
    pub fn allocate(&mut self, count: u8) -> Result<(), Shutdown> {
        if !self.oids.is_empty() || self.config_crc.is_some() {
            return Err(Shutdown::OidsAllocated);
        }
        self.oids = filled(count.into(), Object::Free)?;
        Ok(())
    }

    /// Ends the configuration: nothing is allocated after this. The answer is the most timers that can run at a time.
    pub fn finalize(&mut self, crc: u32, move_count: u16) -> Result<usize, Shutdown> {
        if self.config_crc.is_some() {
            return Err(Shutdown::AlreadyFinalized);
        }
        self.moves = MovePool::new(move_count)?;
        self.config_crc = Some(crc);
        Ok(self.object_count() + self.trsyncs.len())
    }

    /// One step of a stepper that has another to make after it, and when that is; `None`, and nothing done, where its
    /// event is any other.
    #[inline(always)]
    pub fn quick_step<B: Board>(&mut self, board: &mut B, index: u8) -> Option<u32> {
        self.steppers.get_mut(usize::from(index))?.quick_event(board)
    }

    /// One event of a stepper.
    #[inline(always)]
    pub fn step<B: Board>(&mut self, board: &mut B, index: u8) -> Next {
        match self.steppers.get_mut(usize::from(index)) {
            Some(stepper) => stepper.event(board, &mut self.moves),
            None => Ok(None),
        }
    }

    pub fn shut_down<B: Board>(&mut self, board: &mut B) {
        for stepper in &mut self.steppers {
            stepper.stop(board, &mut self.moves);
        }
        for trsync in &mut self.trsyncs {
            trsync.shut_down();
        }
        for out in &mut self.digital_outs {
            out.shut_down(board);
        }
        for out in &mut self.pwm_outs {
            out.shut_down(board);
        }
        for input in &mut self.analog_ins {
            input.shut_down(board);
        }
        for endstop in &mut self.endstops {
            endstop.stop();
        }
        for sensor in &mut self.adxl345s {
            sensor.stop();
        }
        for uart in &mut self.tmcuarts {
            uart.stop(board);
        }
        for shutdown in &self.spi_shutdowns {
            shutdown.send(board, &self.spis);
        }
        // Every queue is empty or thrown away.
        self.moves.clear();
    }

    pub fn fold_state(&self, fold: &mut impl FnMut(u64)) {
        fold(self.oids.len() as u64);
        fold(self.config_crc.map_or(u64::MAX, u64::from));
        fold(u64::from(self.moves.free_count()));
        for stepper in &self.steppers {
            stepper.fold_state(fold);
        }
        for out in &self.digital_outs {
            fold(u64::from(out.level()));
        }
        for out in &self.pwm_outs {
            fold(u64::from(out.value()));
        }
        for sensor in &self.adxl345s {
            sensor.fold_state(fold);
        }
        for counter in &self.counters {
            fold(u64::from(counter.count()));
        }
    }
}
