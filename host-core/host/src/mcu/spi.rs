//! A chip on a micro-controller's SPI bus.

use super::client::Mcu;
use super::command::Cmd;
use super::error::{McuError, McuErrorCause};
use super::serial_queue::QueueId;
use std::cell::OnceCell;
use std::rc::Rc;

/// What fits a message block beside id, oid and length.
const TRANSFER_MAX: usize = 50;

#[derive(Clone, Debug, PartialEq)]
pub enum SpiBus {
    /// A bus by the firmware's name for it; empty: its first.
    Hardware {
        bus: String,
    },
    Software {
        miso_pin: String,
        mosi_pin: String,
        sclk_pin: String,
    },
}

/// A chip and its chip select; clones share it.
#[derive(Clone)]
pub struct Spi(Rc<Inner>);

struct Inner {
    mcu: Mcu,
    oid: u8,
    queue: QueueId,
    commands: OnceCell<(Cmd, Cmd)>,
}

impl Spi {
    /// `cs_pin` `None`: the chip is always selected.
    pub fn new(mcu: &Mcu, cs_pin: Option<&str>, cs_active_high: bool, bus: SpiBus, mode: u8, rate_hz: u32) -> Spi {
        let spi = Spi(Rc::new(Inner {
            mcu: mcu.clone(),
            oid: mcu.create_oid(),
            queue: mcu.alloc_queue(),
            commands: OnceCell::new(),
        }));
        let (inner, cs_pin) = (spi.0.clone(), cs_pin.map(str::to_string));
        mcu.register_config_callback(move |mcu| {
            let oid = inner.oid;
            mcu.add_config_cmd(match &cs_pin {
                Some(pin) => format!("config_spi oid={oid} pin={pin} cs_active_high={}", u8::from(cs_active_high)),
                None => format!("config_spi_without_cs oid={oid}"),
            });
            mcu.add_config_cmd(bus_command(mcu, oid, &bus, mode, rate_hz)?);
            mcu.check_response("spi_transfer_response oid=%c response=%*s")?;
            let send = mcu.lookup_command("spi_send oid=%c data=%*s")?;
            let _ = inner.commands.set((send, mcu.lookup_command("spi_transfer oid=%c data=%*s")?));
            Ok(())
        });
        spi
    }

    pub fn mcu(&self) -> &Mcu {
        &self.0.mcu
    }

    pub fn oid(&self) -> u8 {
        self.0.oid
    }

    /// Writes and drops what comes back; at `req_clock` at the latest, and not before `min_clock` (0: at once).
    pub fn send(&self, data: &[u8], min_clock: u64, req_clock: u64) -> Result<(), McuError> {
        self.check_len(data)?;
        if let Some((send, _)) = self.0.commands.get() {
            self.0.mcu.send(send, &[self.0.oid.into(), data.into()], self.0.queue, min_clock, req_clock);
        }
        Ok(())
    }

    /// Writes, and answers as many bytes as were written. Offline they are zeros.
    pub async fn transfer(&self, data: &[u8]) -> Result<Vec<u8>, McuError> {
        self.check_len(data)?;
        let (mcu, oid) = (&self.0.mcu, self.0.oid);
        let Some((_, transfer)) = self.0.commands.get().filter(|_| !mcu.is_offline()) else {
            return Ok(vec![0; data.len()]);
        };
        let args = [oid.into(), data.into()];
        let answer = mcu.query(transfer, &args, "spi_transfer_response", Some(oid), self.0.queue, 0, 0).await?;
        let answer = answer.bytes("response").to_vec();
        if answer.len() != data.len() {
            let cause = format!("SPI: {} bytes came back for {} that were sent", answer.len(), data.len());
            return Err(mcu.error(McuErrorCause::Device(cause)));
        }
        Ok(answer)
    }

    fn check_len(&self, data: &[u8]) -> Result<(), McuError> {
        if data.len() <= TRANSFER_MAX {
            return Ok(());
        }
        let cause = format!("SPI: {} bytes in one transfer, at most {TRANSFER_MAX} are possible", data.len());
        Err(self.0.mcu.error(McuErrorCause::BadValue(cause)))
    }
}

fn bus_command(mcu: &Mcu, oid: u8, bus: &SpiBus, mode: u8, rate_hz: u32) -> Result<String, McuError> {
    Ok(match bus {
        SpiBus::Hardware { bus } => {
            let bus = if bus.is_empty() { first_bus(mcu)? } else { bus.clone() };
            format!("spi_set_bus oid={oid} spi_bus={bus} mode={mode} rate={rate_hz}")
        }
        SpiBus::Software { miso_pin, mosi_pin, sclk_pin } => format!(
            "spi_set_sw_bus oid={oid} miso_pin={miso_pin} mosi_pin={mosi_pin} sclk_pin={sclk_pin} mode={mode} \
             pulse_ticks={}",
            mcu.seconds_to_clock(1.0 / f64::from(rate_hz.max(1)))
        ),
    })
}

fn first_bus(mcu: &Mcu) -> Result<String, McuError> {
    if mcu.is_offline() {
        return Ok("0".into());
    }
    let buses = mcu.0.dictionary.borrow().raw.enum_names("spi_bus");
    let first = buses.into_iter().min_by_key(|(_, number)| *number);
    first.map(|(name, _)| name).ok_or_else(|| {
        let cause = "its firmware names no SPI bus; give spi_software_miso_pin, _mosi_pin and _sclk_pin";
        mcu.error(McuErrorCause::BadValue(cause.into()))
    })
}
