//! Bytes off the wire: blocks, integers, message formats, the data dictionary.
#![no_main]

use drydock_protocol::vlq::Reader;
use drydock_protocol::{Catalogue, Deframer, Dictionary, Event, Format};
use libfuzzer_sys::fuzz_target;

const FORMATS: &[&str] = &[
    "queue_step oid=%c interval=%u count=%hu add=%hi",
    "spi_transfer oid=%c data=%*s",
    "identify_response offset=%u data=%.*s",
    "stats count=%u sum=%u sumsq=%i",
];

/// Whatever decodes comes back the same when it is encoded and decoded again.
fn decode(format: &Format, content: &[u8]) {
    let Ok(values) = format.decode_args(&mut Reader::new(content)) else { return };
    let mut again = Vec::new();
    format.encode_args(&values, &mut again).expect("values that were decoded can be encoded");
    assert_eq!(format.decode_args(&mut Reader::new(&again)).as_ref(), Ok(&values));
}

fuzz_target!(|data: &[u8]| {
    let formats: Vec<Format> = FORMATS.iter().map(|text| Format::parse(text).expect("a good format")).collect();
    let mut deframer = Deframer::new();
    // In two pieces, since a block may be cut anywhere.
    let (front, back) = data.split_at(data.len() / 2);
    for mut piece in [front, back] {
        while let Some(event) = deframer.next(&mut piece) {
            if let Event::Block(block) = event {
                formats.iter().for_each(|f| decode(f, block.content));
            }
        }
    }
    formats.iter().for_each(|f| decode(f, data));
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(format) = Format::parse(text) {
            decode(&format, data);
        }
    }
    if let Ok(dictionary) = Dictionary::parse(data) {
        let again = Dictionary::parse(dictionary.to_json().as_bytes());
        assert_eq!(again.as_ref(), Ok(&dictionary), "what is written is read back");
        if let Ok(catalogue) = Catalogue::new(&dictionary) {
            let mut reader = Reader::new(data);
            while catalogue.incoming(&mut reader).is_some() || catalogue.outgoing(&mut reader).is_some() {}
        }
    }
});
