//! The ADXL345 accelerometer: its FIFO read at a fixed period and sent on, ten samples to a message.
//!
//! Each round asks the chip how many samples it holds and reads just those, so no sample is read twice. The host finds
//! the time of each sample from `query_adxl345_status` alone, which therefore counts what is buffered here and there.

use super::spi::Spi;
use crate::board::Board;
use crate::firmware::{Firmware, Task};
use crate::responses::Message;
use crate::shutdown::Shutdown;
use crate::timers::{Caller, Next};

const REG_DATA: u8 = 0x32;
const REG_FIFO_STATUS: u8 = 0x39;
const READ: u8 = 0x80;
const READ_MANY: u8 = 0xc0;
const FIFO_LEN: u8 = 32;

const SAMPLE_BYTES: usize = 5;
/// Ten samples: 50 bytes, and no more than the peer's 51.
const REPORT_BYTES: usize = 10 * SAMPLE_BYTES;
/// Bit of a sample's last byte that tells the host not to believe it.
const SAMPLE_BAD: u8 = 0x80;

/// How far the reading of the chip's FIFO is; steps are let in between two samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Waits,
    Due,
    /// So many samples are still to be read.
    Reads(u8),
}

#[derive(Clone, Debug)]
pub(crate) struct Adxl345 {
    oid: u8,
    spi: u8,
    rest_ticks: u32,
    round: Round,
    sequence: u16,
    overflows: u16,
    data: [u8; REPORT_BYTES],
    data_len: usize,
}

impl Adxl345 {
    pub fn stop(&mut self) {
        self.rest_ticks = 0;
        self.round = Round::Waits;
        self.data_len = 0;
    }

    /// Samples that the chip holds; `None` where the answer is none that the chip can give.
    fn fifo_level<B: Board>(&self, board: &mut B, spis: &[Spi]) -> Option<u8> {
        let mut data = [REG_FIFO_STATUS | READ, 0];
        spis.get(usize::from(self.spi))?.transfer(board, &mut data).ok()?;
        (data[1] & 0x7f <= FIFO_LEN).then_some(data[1] & 0x3f)
    }

    /// Does a piece of the round: asks how many samples there are, or reads one.
    fn read<B: Board>(&mut self, board: &mut B, message: &mut Message, spis: &[Spi]) {
        self.round = match self.round {
            Round::Waits => Round::Waits,
            Round::Due => match self.fifo_level(board, spis) {
                Some(0) => Round::Waits,
                Some(level) => {
                    if level == FIFO_LEN {
                        self.overflows = self.overflows.wrapping_add(1);
                    }
                    Round::Reads(level)
                }
                None => {
                    self.push(message, [0xff, 0xff, 0xff, 0xff, 0xff | SAMPLE_BAD]);
                    Round::Waits
                }
            },
            Round::Reads(left) => {
                let mut data = [0; 7];
                data[0] = REG_DATA | READ_MANY;
                match spis.get(usize::from(self.spi)).map(|spi| spi.transfer(board, &mut data)) {
                    Some(Ok(())) => {
                        self.push(message, pack(data));
                        if left > 1 { Round::Reads(left - 1) } else { Round::Waits }
                    }
                    _ => Round::Waits,
                }
            }
        };
    }

    fn push(&mut self, message: &mut Message, sample: [u8; SAMPLE_BYTES]) {
        if let Some(place) = self.data.get_mut(self.data_len..self.data_len + SAMPLE_BYTES) {
            place.copy_from_slice(&sample);
            self.data_len += SAMPLE_BYTES;
        }
        if self.data_len + SAMPLE_BYTES > REPORT_BYTES {
            message.sensor_bulk_data(self.oid, self.sequence, &self.data[..self.data_len]);
            self.sequence = self.sequence.wrapping_add(1);
            self.data_len = 0;
        }
    }

    pub fn fold_state(&self, fold: &mut impl FnMut(u64)) {
        fold(u64::from(self.sequence) << 16 | u64::from(self.overflows));
        fold(self.data_len as u64);
    }
}

/// Three numbers of 13 bits in five bytes: the low bytes, and the upper five bits shared out over two bytes.
fn pack(data: [u8; 7]) -> [u8; SAMPLE_BYTES] {
    let [_, x_low, x_high, y_low, y_high, z_low, z_high] = data;
    // A register's upper bits repeat the sign; anything else is no sample.
    let is_good = [x_high, y_high, z_high].iter().all(|high| matches!(high & 0xf0, 0 | 0xf0));
    if !is_good {
        return [0xff; SAMPLE_BYTES];
    }
    [x_low, y_low, z_low, x_high & 0x1f | z_high << 5, y_high & 0x1f | z_high << 2 & 0x60]
}

impl Firmware {
    pub(crate) fn config_adxl345<B: Board>(&mut self, _board: &mut B, oid: u8, spi_oid: u8) -> Result<(), Shutdown> {
        let spi = self.objects.spi_index(spi_oid)?;
        let sensor = Adxl345 {
            oid,
            spi,
            rest_ticks: 0,
            round: Round::Waits,
            sequence: 0,
            overflows: 0,
            data: [0; REPORT_BYTES],
            data_len: 0,
        };
        self.objects.add_adxl345(oid, sensor)
    }

    pub(crate) fn query_adxl345<B: Board>(&mut self, board: &mut B, oid: u8, rest_ticks: u32) -> Result<(), Shutdown> {
        let index = self.objects.adxl345_index(oid)?;
        self.timers.remove(Caller::Adxl345(index));
        let sensor = self.objects.adxl345(oid)?;
        sensor.stop();
        if rest_ticks == 0 {
            return Ok(());
        }
        sensor.rest_ticks = rest_ticks;
        (sensor.sequence, sensor.overflows) = (0, 0);
        let now = board.now();
        self.timers.set(Caller::Adxl345(index), now.wrapping_add(rest_ticks), now)
    }

    pub(crate) fn query_adxl345_status<B: Board>(
        &mut self,
        board: &mut B,
        oid: u8,
        answer: &mut Message,
    ) -> Result<(), Shutdown> {
        let index = self.objects.adxl345_index(oid)?;
        let Some(sensor) = self.objects.adxl345s.get(usize::from(index)) else { return Err(Shutdown::OidType) };
        let start = board.now();
        let level = sensor.fifo_level(board, &self.objects.spis).unwrap_or(0);
        let ticks = board.now().wrapping_sub(start);
        let buffered = (sensor.data_len + usize::from(level) * SAMPLE_BYTES) as u32;
        answer.sensor_bulk_status(oid, start, ticks, sensor.sequence, buffered, sensor.overflows);
        Ok(())
    }

    pub(crate) fn adxl345_event(&mut self, index: u8) -> Next {
        if let Some(sensor) = self.objects.adxl345s.get_mut(usize::from(index)) {
            sensor.round = Round::Due;
            self.wake_task(Task::Adxl345);
        }
        Ok(None)
    }

    /// Does a piece of the first round that is due; whether there was one.
    pub(crate) fn adxl345_task<B: Board>(&mut self, board: &mut B, message: &mut Message) -> bool {
        let mut sensors = self.objects.adxl345s.iter_mut().enumerate();
        let Some((index, sensor)) = sensors.find(|(_, sensor)| sensor.round != Round::Waits) else { return false };
        sensor.read(board, message, &self.objects.spis);
        if sensor.round == Round::Waits {
            let caller = Caller::Adxl345(index as u8);
            self.timers.remove(caller);
            // Room can only be short before the configuration is complete, when no host reads a sensor.
            if self.timers.reserve(1).is_ok() {
                self.timers.insert(caller, board.now().wrapping_add(sensor.rest_ticks));
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a host takes the five bytes apart.
    fn unpack([x_low, y_low, z_low, xz, yz]: [u8; 5]) -> Option<[i32; 3]> {
        let signed = |low: u8, high: u8| (i32::from(low) | i32::from(high) << 8) << 19 >> 19;
        let z_high = xz >> 5 | (yz & 0x60) >> 2;
        (yz & SAMPLE_BAD == 0).then(|| [signed(x_low, xz & 0x1f), signed(y_low, yz & 0x1f), signed(z_low, z_high)])
    }

    #[test]
    fn every_13_bit_number_survives_packing_on_each_axis() {
        for value in -4096_i16..4096 {
            for axis in 0..3 {
                let mut sample = [17, -18, 4095];
                sample[axis] = value;
                let mut data = [0; 7];
                for (place, number) in data[1..].chunks_exact_mut(2).zip(sample) {
                    place.copy_from_slice(&i16::to_le_bytes(number));
                }
                assert_eq!(unpack(pack(data)), Some(sample.map(i32::from)));
            }
        }
    }

    #[test]
    fn what_no_chip_answers_is_marked_bad() {
        assert_eq!(unpack(pack([0, 0, 0x55, 0, 0, 0, 0])), None);
    }
}
