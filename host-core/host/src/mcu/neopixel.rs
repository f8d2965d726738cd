//! Chains of WS281x lights.

use super::client::Mcu;
use super::command::Cmd;
use super::error::{McuError, McuErrorCause};
use super::serial_queue::QueueId;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

/// A bit that takes longer than this is garbage to the lights; a pause of this length shows what was sent.
const BIT_MAX_S: f64 = 0.000_004;
const RESET_MIN_S: f64 = 0.000_050;
/// Bytes in one message.
const CHUNK: usize = 48;
const TRIES: usize = 8;

/// A chain of lights; clones share it.
#[derive(Clone)]
pub struct Neopixel(Rc<Inner>);

struct Inner {
    mcu: Mcu,
    oid: u8,
    queue: QueueId,
    commands: OnceCell<(Cmd, Cmd)>,
    /// What the micro-controller holds.
    held: RefCell<Vec<u8>>,
}

impl Neopixel {
    /// `data_size`: bytes of the whole chain.
    pub fn new(mcu: &Mcu, pin: &str, data_size: u16) -> Neopixel {
        let lights = Neopixel(Rc::new(Inner {
            mcu: mcu.clone(),
            oid: mcu.create_oid(),
            queue: mcu.alloc_queue(),
            commands: OnceCell::new(),
            held: RefCell::new(vec![0; usize::from(data_size)]),
        }));
        let (inner, pin) = (lights.0.clone(), pin.to_string());
        mcu.register_config_callback(move |mcu| {
            mcu.add_config_cmd(format!(
                "config_neopixel oid={} pin={pin} data_size={data_size} bit_max_ticks={} reset_min_ticks={}",
                inner.oid,
                mcu.seconds_to_clock(BIT_MAX_S),
                mcu.seconds_to_clock(RESET_MIN_S)
            ));
            mcu.check_response("neopixel_result oid=%c success=%c")?;
            let update = mcu.lookup_command("neopixel_update oid=%c pos=%hu data=%*s")?;
            let _ = inner.commands.set((update, mcu.lookup_command("neopixel_send oid=%c")?));
            Ok(())
        });
        lights
    }

    /// Shows `data`, the colours of the whole chain in the lights' own order; only what differs travels.
    pub async fn update(&self, data: &[u8]) -> Result<(), McuError> {
        let (mcu, oid) = (&self.0.mcu, self.0.oid);
        if data.len() != self.0.held.borrow().len() {
            let cause = format!("a chain of {} bytes was given {}", self.0.held.borrow().len(), data.len());
            return Err(mcu.error(McuErrorCause::BadValue(cause)));
        }
        let Some((update, send)) = self.0.commands.get().filter(|_| !mcu.is_offline()) else { return Ok(()) };
        for (at, chunk) in data.chunks(CHUNK).enumerate() {
            let start = at * CHUNK;
            if self.0.held.borrow()[start..start + chunk.len()] != *chunk {
                let args = [oid.into(), (start as i64).into(), chunk.into()];
                mcu.send(update, &args, self.0.queue, 0, 0);
            }
        }
        self.0.held.borrow_mut().copy_from_slice(data);
        for _ in 0..TRIES {
            let answer = mcu.query(send, &[oid.into()], "neopixel_result", Some(oid), self.0.queue, 0, 0).await?;
            if answer.int("success") != 0 {
                return Ok(());
            }
        }
        Err(mcu.error(McuErrorCause::Device("the micro-controller was too busy to update the lights".into())))
    }
}
