//! TMC stepper drivers on a single-wire UART, whose bits the micro-controller makes and reads.
//!
//! A datagram is sent with its start and stop bits as one buffer of bits, least significant first. Source of the
//! datagram and of its checksum: TMC2209 datasheet rev. 1.09, section 4.

use super::client::Mcu;
use super::command::Cmd;
use super::error::{McuError, McuErrorCause};
use super::serial_queue::QueueId;
use std::cell::OnceCell;
use std::rc::Rc;

/// Rate that the drivers detect by themselves, and the lower one for slow micro-controllers.
const BAUD: f64 = 40_000.0;
const BAUD_SLOW: f64 = 9_000.0;
const SLOW_MCU_HZ: f64 = 20e6;
const SYNC: u8 = 0x05;
const HOST_ADDRESS: u8 = 0xff;
const WRITE: u8 = 0x80;
const ANSWER_LEN: usize = 8;
/// Counts the datagrams that the driver took.
const REG_IFCNT: u8 = 0x02;
const TRIES: usize = 5;

/// One wire with up to four drivers; clones share it.
#[derive(Clone)]
pub struct TmcUart(Rc<Inner>);

struct Inner {
    mcu: Mcu,
    oid: u8,
    queue: QueueId,
    send: OnceCell<Cmd>,
    wire: crate::reactor::Mutual,
}

impl TmcUart {
    /// `tx_pin` `None`: the same wire as `rx_pin`.
    pub fn new(mcu: &Mcu, rx_pin: &str, pull_up: i8, tx_pin: Option<&str>) -> TmcUart {
        let uart = TmcUart(Rc::new(Inner {
            mcu: mcu.clone(),
            oid: mcu.create_oid(),
            queue: mcu.alloc_queue(),
            send: OnceCell::new(),
            wire: crate::reactor::Mutual::default(),
        }));
        let (inner, rx_pin, tx_pin) = (uart.0.clone(), rx_pin.to_string(), tx_pin.unwrap_or(rx_pin).to_string());
        mcu.register_config_callback(move |mcu| {
            let baud = if mcu.clock_freq() < SLOW_MCU_HZ { BAUD_SLOW } else { BAUD };
            mcu.add_config_cmd(format!(
                "config_tmcuart oid={} rx_pin={rx_pin} pull_up={pull_up} tx_pin={tx_pin} bit_time={}",
                inner.oid,
                mcu.seconds_to_clock(1.0 / baud)
            ));
            mcu.check_response("tmcuart_response oid=%c read=%*s")?;
            let _ = inner.send.set(mcu.lookup_command("tmcuart_send oid=%c write=%*s read=%c")?);
            Ok(())
        });
        uart
    }

    pub fn mcu(&self) -> &Mcu {
        &self.0.mcu
    }

    /// Value of a register of the driver at `address`. Offline 0.
    pub async fn read_register(&self, address: u8, register: u8) -> Result<u32, McuError> {
        let _wire = self.0.wire.lock().await;
        self.read(address, register).await
    }

    /// Writes a register and makes sure by the driver's own count that it took it.
    pub async fn write_register(&self, address: u8, register: u8, value: u32) -> Result<(), McuError> {
        if self.0.mcu.is_offline() {
            return Ok(());
        }
        let _wire = self.0.wire.lock().await;
        let mut count = self.read(address, REG_IFCNT).await?;
        for _ in 0..TRIES {
            let [a, b, c, d] = value.to_be_bytes();
            self.exchange(&with_crc(&[SYNC, address, register | WRITE, a, b, c, d]), 0).await?;
            let now = self.read(address, REG_IFCNT).await?;
            if now & 0xff == (count + 1) & 0xff {
                return Ok(());
            }
            count = now;
        }
        Err(self.no_answer(address, register, "Unable to write"))
    }

    async fn read(&self, address: u8, register: u8) -> Result<u32, McuError> {
        if self.0.mcu.is_offline() {
            return Ok(0);
        }
        for _ in 0..TRIES {
            let question = with_crc(&[SYNC, address, register]);
            let answer = self.exchange(&question, ANSWER_LEN).await?;
            if let Some(value) = answer.as_deref().and_then(|answer| value_of(answer, register)) {
                return Ok(value);
            }
        }
        Err(self.no_answer(address, register, "Unable to read"))
    }

    async fn exchange(&self, datagram: &[u8], answer_len: usize) -> Result<Option<Vec<u8>>, McuError> {
        let (mcu, oid) = (&self.0.mcu, self.0.oid);
        let Some(send) = self.0.send.get() else { return Ok(None) };
        let bits = to_bits(datagram);
        let read_bytes = (answer_len * 10).div_ceil(8) as u8;
        let args = [oid.into(), bits.as_slice().into(), read_bytes.into()];
        let answer = mcu.query(send, &args, "tmcuart_response", Some(oid), self.0.queue, 0, 0).await?;
        Ok(from_bits(answer.bytes("read")))
    }

    fn no_answer(&self, address: u8, register: u8, what: &str) -> McuError {
        self.0.mcu.error(McuErrorCause::Device(format!(
            "{what} tmc uart register {register:#04x} of the driver at address {address}; check its uart_pin, its \
             uart_address and that the motors have power"
        )))
    }
}

/// Value in an answer that belongs to `register`.
fn value_of(answer: &[u8], register: u8) -> Option<u32> {
    let [sync, host, from, a, b, c, d, crc] = *answer else { return None };
    let is_good = sync & 0x0f == SYNC && host == HOST_ADDRESS && from == register && crc == crc8(&answer[..7]);
    is_good.then(|| u32::from_be_bytes([a, b, c, d]))
}

fn with_crc(bytes: &[u8]) -> Vec<u8> {
    let mut datagram = bytes.to_vec();
    datagram.push(crc8(bytes));
    datagram
}

/// x^8 + x^2 + x + 1, least significant bit of each byte first.
fn crc8(bytes: &[u8]) -> u8 {
    let mut crc = 0_u8;
    for byte in bytes {
        for bit in 0..8 {
            let feedback = (crc >> 7) ^ (byte >> bit & 1);
            crc = crc << 1 ^ if feedback != 0 { 0x07 } else { 0 };
        }
    }
    crc
}

/// Each byte becomes a start bit (0), eight bits, a stop bit (1); what is left of the last byte rests high.
fn to_bits(datagram: &[u8]) -> Vec<u8> {
    let bits = datagram.iter().flat_map(|byte| {
        std::iter::once(false).chain((0..8).map(move |bit| byte >> bit & 1 != 0)).chain(std::iter::once(true))
    });
    let mut packed = vec![0xff; (datagram.len() * 10).div_ceil(8)];
    for (at, bit) in bits.enumerate() {
        if !bit {
            packed[at / 8] &= !(1 << (at % 8));
        }
    }
    packed
}

/// The datagram inside bits as they were read; `None` where a start or a stop bit is not what it must be.
fn from_bits(packed: &[u8]) -> Option<Vec<u8>> {
    let bit = |at: usize| packed[at / 8] >> (at % 8) & 1 != 0;
    (0..packed.len() * 8 / 10)
        .map(|byte| {
            let start = byte * 10;
            let framed = !bit(start) && bit(start + 9);
            framed.then(|| (0..8).fold(0, |value, at| value | u8::from(bit(start + 1 + at)) << at))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_survives_its_bits() {
        let datagram = with_crc(&[SYNC, 0, 0x06]);
        assert_eq!(from_bits(&to_bits(&datagram)), Some(datagram));
        assert_eq!(from_bits(&[0; 10]), None);
        assert_eq!(from_bits(&[0xff; 10]), None);
    }

    #[test]
    fn the_checksum_is_that_of_polynomial_7_over_reflected_bytes() {
        // The same division done on one long bit string, by hand.
        let bits: Vec<u8> = [0x05_u8, 0x00, 0x06].iter().flat_map(|b| (0..8).map(move |i| b >> i & 1)).collect();
        let mut register = 0_u16;
        for bit in bits.iter().copied().chain([0; 8]) {
            register = register << 1 | u16::from(bit);
            if register & 0x100 != 0 {
                register ^= 0x107;
            }
        }
        assert_eq!(u16::from(crc8(&[0x05, 0x00, 0x06])), register);
    }

    #[test]
    fn an_answer_of_another_register_or_with_a_bad_checksum_is_none() {
        let answer = with_crc(&[SYNC, HOST_ADDRESS, 0x06, 0x21, 0, 0, 0x41]);
        assert_eq!(value_of(&answer, 0x06), Some(0x2100_0041));
        assert_eq!(value_of(&answer, 0x07), None);
        let mut damaged = answer.clone();
        damaged[5] ^= 4;
        assert_eq!(value_of(&damaged, 0x06), None);
        assert_eq!(value_of(&answer[..7], 0x06), None);
    }
}
