//! CRC-16/MCRF4XX, the check at the end of every block.
//!
//! Polynomial 0x1021 reflected (0x8408), start 0xFFFF, no final xor; it covers everything from the length byte to the
//! last content byte and travels high byte first.

/// The check value of `bytes`.
pub fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0xffff_u16;
    let mut pairs = bytes.chunks_exact(2);
    for pair in &mut pairs {
        let word = crc ^ (u16::from(pair[0]) | u16::from(pair[1]) << 8);
        crc = TABLE_2[usize::from(word & 0xff)] ^ TABLE_1[usize::from(word >> 8)];
    }
    for byte in pairs.remainder() {
        crc = (crc >> 8) ^ TABLE_1[usize::from((crc ^ u16::from(*byte)) & 0xff)];
    }
    crc
}

/// Effect of one byte, and of one byte followed by a zero byte: two bytes cost two look-ups that do not wait for
/// each other.
const TABLE_1: [u16; 256] = table(1);
const TABLE_2: [u16; 256] = table(2);

const fn table(bytes: u32) -> [u16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u16;
        let mut bit = 0;
        while bit < 8 * bytes {
            crc = if crc & 1 != 0 { (crc >> 1) ^ 0x8408 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bit_by_bit(bytes: &[u8]) -> u16 {
        bytes.iter().fold(0xffff, |crc, byte| {
            (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 != 0 { (crc >> 1) ^ 0x8408 } else { crc >> 1 })
        })
    }

    #[test]
    fn check_string_has_the_catalogued_value() {
        assert_eq!(crc16(b"123456789"), 0x6f91);
        assert_eq!(crc16(b""), 0xffff);
    }

    #[test]
    fn tables_agree_with_the_shift_register_at_every_length() {
        let bytes: [u8; 64] = core::array::from_fn(|i| (i * 37 + 11) as u8);
        for end in 0..=bytes.len() {
            assert_eq!(crc16(&bytes[..end]), bit_by_bit(&bytes[..end]), "length {end}");
        }
    }
}
