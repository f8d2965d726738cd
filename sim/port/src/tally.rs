//! Which messages crossed a line, and how often: what a conformance table is filled from.

use std::collections::BTreeMap;

use drydock_protocol::vlq::Reader;
use drydock_protocol::{Catalogue, Deframer, Dictionary, Event};

/// Messages by name.
pub type Counts = BTreeMap<String, u64>;

pub struct Tally {
    catalogue: Option<Catalogue>,
    to_mcu: Deframer,
    to_host: Deframer,
    pub commands: Counts,
    pub responses: Counts,
}

impl Tally {
    pub fn new(dictionary: &Dictionary) -> Tally {
        Tally {
            catalogue: Catalogue::new(dictionary).ok(),
            to_mcu: Deframer::new(),
            to_host: Deframer::new(),
            commands: Counts::new(),
            responses: Counts::new(),
        }
    }

    /// Bytes from the client, as they came.
    pub fn from_client(&mut self, bytes: &[u8]) {
        if let Some(catalogue) = &self.catalogue {
            count(&mut self.to_mcu, bytes, &mut self.commands, |reader| {
                let message = catalogue.outgoing(reader)?;
                message.format.decode_args(reader).ok()?;
                Some(message.format.name.clone())
            });
        }
    }

    /// Bytes from the micro-controller, as it sent them.
    pub fn from_mcu(&mut self, bytes: &[u8]) {
        if let Some(catalogue) = &self.catalogue {
            count(&mut self.to_host, bytes, &mut self.responses, |reader| {
                let message = catalogue.incoming(reader)?;
                message.format.decode_args(reader).ok()?;
                Some(message.format.name.clone())
            });
        }
    }
}

fn count(
    deframer: &mut Deframer,
    mut bytes: &[u8],
    counts: &mut Counts,
    name: impl Fn(&mut Reader<'_>) -> Option<String>,
) {
    while let Some(event) = deframer.next(&mut bytes) {
        let Event::Block(block) = event else { continue };
        let mut reader = Reader::new(block.content);
        while let Some(name) = name(&mut reader) {
            *counts.entry(name).or_default() += 1;
        }
    }
}
