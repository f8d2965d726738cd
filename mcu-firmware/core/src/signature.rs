//! How the two message tables spell a parameter's type: one word that is at once the declaration's `%` code, the Rust
//! type, and the way it travels.

/// The `%` code of a type word.
macro_rules! spec {
    (u) => {
        "%u"
    };
    (i) => {
        "%i"
    };
    (hu) => {
        "%hu"
    };
    (hi) => {
        "%hi"
    };
    (c) => {
        "%c"
    };
    (buf) => {
        "%*s"
    };
    (cbuf) => {
        "%.*s"
    };
}

/// The Rust type of a type word.
macro_rules! rust_type {
    (u) => {
        u32
    };
    (i) => {
        i32
    };
    (hu) => {
        u16
    };
    (hi) => {
        i16
    };
    (c) => {
        u8
    };
    (buf) => {
        &[u8]
    };
    (cbuf) => {
        &[u8]
    };
}

/// Whether an argument is bytes, of which no message has more than one.
macro_rules! is_bytes {
    (buf) => {
        true
    };
    (cbuf) => {
        true
    };
    ($number:ident) => {
        false
    };
}

/// One argument of a command that has been read; numbers are cut to the declared width.
macro_rules! argument {
    ($command:ident $_number:ident buf) => {
        $command.bytes
    };
    ($command:ident $number:ident $type:ident) => {
        $number as $crate::signature::rust_type!($type)
    };
}

/// Writes one argument; signed numbers travel sign-extended.
macro_rules! write {
    ($message:ident $value:ident buf) => {
        $message.bytes($value)
    };
    ($message:ident $value:ident cbuf) => {
        $message.bytes($value)
    };
    ($message:ident $value:ident $number:ident) => {
        $message.int($value as u32)
    };
}

/// The declaration string.
macro_rules! declaration {
    ($name:ident $($arg:ident : $type:ident),*) => {
        concat!(stringify!($name) $(, " ", stringify!($arg), "=", $crate::signature::spec!($type))*)
    };
}

pub(crate) use {argument, declaration, is_bytes, rust_type, spec, write};

/// Id on the wire of the message with this number: one-byte encodings count 0..95 and then −32..−1.
pub(crate) const fn wire_id(number: usize) -> i32 {
    if number < 96 || number >= 128 { number as i32 } else { number as i32 - 128 }
}

/// Number of the message with this id on the wire; `None` for ids that no table hands out.
#[inline]
pub(crate) fn number_of(id: u32) -> Option<usize> {
    match id as i32 {
        id @ 0..96 => Some(id as usize),
        id @ -32..0 => Some((id + 128) as usize),
        id @ 128..4096 => Some(id as usize),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_numbers_and_wire_ids_are_one_to_one() {
        for number in 0..1000 {
            assert_eq!(number_of(wire_id(number) as u32), Some(number));
        }
        assert_eq!(wire_id(95), 95);
        assert_eq!(wire_id(96), -32);
        assert_eq!(wire_id(127), -1);
        assert_eq!(number_of(-33_i32 as u32), None);
    }
}
