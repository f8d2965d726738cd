//! Who answers: the dictionary of the micro-controller at a port, asked for by `identify` alone.
//!
//! The numbering of blocks is taken from the answers: a micro-controller that has spoken to another host before refuses
//! our first number, and its refusal carries the one that it expects.

use std::fmt;
use std::time::{Duration, Instant};

use drydock_protocol::block::{Event, SEQ_MASK, SYNC, frame};
use drydock_protocol::vlq::{self, Reader};
use drydock_protocol::{Deframer, Dictionary, IDENTIFY_ID, IDENTIFY_RESPONSE_ID};

use crate::{Port, PortError};

const CHUNK: u32 = 40;
/// Larger dictionaries than this are not of this world; it bounds what a damaged stream can inflate to.
const INFLATED_MAX: usize = 4 << 20;
/// A question without an answer is asked again after this.
const REPEAT: Duration = Duration::from_millis(250);
/// So long without any answer, and nobody is there.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentifyError {
    Port(PortError),
    /// Nothing that is Klipper's protocol came for so long.
    Silent {
        port: String,
        seconds: u64,
    },
    /// An answer came that is no dictionary.
    Dictionary {
        port: String,
        why: String,
    },
}

impl fmt::Display for IdentifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentifyError::Port(error) => error.fmt(f),
            IdentifyError::Silent { port, seconds } => write!(
                f,
                "{port}: nobody answers identify for {seconds} s; is this the board's port, its baud rate, and is \
                 firmware that speaks Klipper's protocol on it?"
            ),
            IdentifyError::Dictionary { port, why } => {
                write!(f, "{port}: the data dictionary cannot be read: {why}")
            }
        }
    }
}

impl std::error::Error for IdentifyError {}

impl From<PortError> for IdentifyError {
    fn from(error: PortError) -> Self {
        IdentifyError::Port(error)
    }
}

/// Asks the micro-controller at `port` who it is. A host that takes the port over afterwards finds its way by itself.
pub fn identify(port: &mut Port) -> Result<Dictionary, IdentifyError> {
    let mut asking = Asking::new();
    let (mut heard, mut buffer) = (Instant::now(), [0; 4096]);
    loop {
        port.write_all(&asking.question(), PATIENCE)?;
        let asked = Instant::now();
        let mut is_answered = false;
        while !is_answered && asked.elapsed() < REPEAT {
            let len = port.read_within(&mut buffer, REPEAT.saturating_sub(asked.elapsed()))?;
            match asking.take(&buffer[..len]) {
                Answer::Nothing => {}
                Answer::Next => is_answered = true,
                Answer::Whole => return read(&asking.data, port.name()),
            }
        }
        if is_answered {
            heard = Instant::now();
        } else if heard.elapsed() > PATIENCE {
            return Err(IdentifyError::Silent { port: port.name().to_string(), seconds: PATIENCE.as_secs() });
        }
    }
}

fn read(data: &[u8], port: &str) -> Result<Dictionary, IdentifyError> {
    let unreadable = |why: String| IdentifyError::Dictionary { port: port.to_string(), why };
    let json = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(data, INFLATED_MAX)
        .map_err(|e| unreadable(format!("its {} bytes are no zlib stream ({:?})", data.len(), e.status)))?;
    Dictionary::parse(&json).map_err(|e| unreadable(e.to_string()))
}

/// The questions and what has been answered so far.
#[derive(Debug)]
struct Asking {
    deframer: Deframer,
    /// Number of the next question, and of the last.
    seq: u8,
    asked: u8,
    data: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Nothing,
    /// There is another question to ask, or the same with another number.
    Next,
    /// All of it has come.
    Whole,
}

impl Asking {
    /// Begins with a host's first number, which a fresh micro-controller refuses, as it does any host's.
    fn new() -> Self {
        Asking { deframer: Deframer::new(), seq: 1, asked: 1, data: Vec::new() }
    }

    /// The block to send, behind a byte that ends whatever the receiver is stuck in.
    fn question(&mut self) -> Vec<u8> {
        self.asked = self.seq;
        let mut content = Vec::new();
        for number in [IDENTIFY_ID as u32, self.data.len() as u32, CHUNK] {
            vlq::push(number, &mut content);
        }
        let mut block = vec![SYNC];
        let fits = frame(self.seq, &content, &mut block);
        debug_assert!(fits, "three integers fit a block");
        block
    }

    fn take(&mut self, mut bytes: &[u8]) -> Answer {
        let mut answer = Answer::Nothing;
        while let Some(event) = self.deframer.next(&mut bytes) {
            let Event::Block(block) = event else { continue };
            if block.content.is_empty() {
                // With the number just asked it may be the acknowledgement of the question before.
                if block.seq != self.asked {
                    self.seq = block.seq;
                }
                if ![self.asked, (self.asked + 1) & SEQ_MASK].contains(&block.seq) {
                    answer = Answer::Next;
                }
                continue;
            }
            match chunk(block.content, self.data.len()) {
                Some([]) => return Answer::Whole,
                Some(chunk) => {
                    self.data.extend_from_slice(chunk);
                    self.seq = block.seq;
                    answer = Answer::Next;
                }
                None => {}
            }
        }
        answer
    }
}

/// The bytes of an answer to the question for `offset`.
fn chunk(content: &[u8], offset: usize) -> Option<&[u8]> {
    let mut reader = Reader::new(content);
    let is_answer = reader.int()? as i32 == IDENTIFY_RESPONSE_ID && reader.int()? as usize == offset;
    if is_answer { reader.bytes() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A micro-controller that knows `identify` only.
    struct Board {
        deframer: Deframer,
        next_seq: u8,
        data: Vec<u8>,
    }

    impl Board {
        fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
            let (mut out, mut bytes) = (Vec::new(), bytes);
            while let Some(event) = self.deframer.next(&mut bytes) {
                if let Event::Block(block) = event
                    && block.seq == self.next_seq
                {
                    self.next_seq = (self.next_seq + 1) & SEQ_MASK;
                    let mut reader = Reader::new(block.content);
                    assert_eq!(reader.int(), Some(IDENTIFY_ID as u32));
                    let offset = reader.int().unwrap() as usize;
                    let rest = &self.data[offset..];
                    let chunk = &rest[..rest.len().min(reader.int().unwrap() as usize)];
                    let mut content = Vec::new();
                    vlq::push(0, &mut content);
                    vlq::push(offset as u32, &mut content);
                    content.push(chunk.len() as u8);
                    content.extend_from_slice(chunk);
                    assert!(frame(self.next_seq, &content, &mut out));
                }
                assert!(frame(self.next_seq, &[], &mut out));
            }
            out
        }
    }

    /// The conversation, with the answers cut into pieces; a question without an answer is repeated as after a time.
    fn converse(next_seq: u8, piece: usize) -> Vec<u8> {
        let data: Vec<u8> = (0..130).map(|i| (i * 7) as u8).collect();
        let mut board = Board { deframer: Deframer::new(), next_seq, data };
        // The junk that a terminal host leaves in front.
        board.hear(b"\x1b\x01\x00\x01\x0e\x11\x04");
        let mut asking = Asking::new();
        for _ in 0..20 {
            let answer = board.hear(&asking.question());
            for piece in answer.chunks(piece) {
                if asking.take(piece) == Answer::Whole {
                    assert_eq!(asking.data, board.data);
                    return asking.data;
                }
            }
        }
        panic!("the board that expects {next_seq} was not identified");
    }

    #[test]
    fn the_whole_comes_whatever_number_the_board_expects_and_however_the_bytes_are_cut() {
        for next_seq in 0..16 {
            for piece in [1, 3, 64, 1000] {
                assert_eq!(converse(next_seq, piece).len(), 130);
            }
        }
    }

    #[test]
    fn the_question_is_klippers() {
        assert_eq!(Asking { seq: 0, ..Asking::new() }.question(), b"\x7e\x08\x10\x01\x00\x28\x5e\x9f\x7e");
    }

    #[test]
    fn what_is_no_dictionary_is_named_with_its_port() {
        let error = read(b"not zlib", "tcp:here:1").unwrap_err().to_string();
        assert!(error.starts_with("tcp:here:1: the data dictionary cannot be read: its 8 bytes"), "{error}");
    }
}
