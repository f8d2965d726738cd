//! UF2, the container that the RP2040's boot ROM takes over USB: blocks of 512 bytes, each with an address and 256 bytes
//! of it (github.com/microsoft/uf2; RP2040 datasheet, section 2.8.4.2).

const MAGIC: [u32; 2] = [0x0a32_4655, 0x9e5d_5157];
const MAGIC_END: u32 = 0x0ab1_6f30;
const HAS_FAMILY: u32 = 0x2000;
const NOT_MAIN_FLASH: u32 = 0x0001;
const RP2040: u32 = 0xe48b_ff56;
const BLOCK: usize = 512;
const PAYLOAD: usize = 256;

/// The image in blocks. The ROM wants whole, aligned pages, so the ends are filled with erased bytes.
pub fn write(address: u64, bytes: &[u8]) -> Vec<u8> {
    let before = address as usize % PAYLOAD;
    let mut padded = vec![0xff; before];
    padded.extend_from_slice(bytes);
    padded.resize(padded.len().next_multiple_of(PAYLOAD), 0xff);
    let pages = padded.len() / PAYLOAD;
    let mut out = Vec::with_capacity(pages * BLOCK);
    for (number, page) in padded.chunks(PAYLOAD).enumerate() {
        let at = address as u32 - before as u32 + (number * PAYLOAD) as u32;
        let start = out.len();
        for word in [MAGIC[0], MAGIC[1], HAS_FAMILY, at, PAYLOAD as u32, number as u32, pages as u32, RP2040] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(page);
        out.resize(start + BLOCK - 4, 0);
        out.extend_from_slice(&MAGIC_END.to_le_bytes());
    }
    out
}

/// Address and bytes of each block that goes to flash.
pub fn read(bytes: &[u8]) -> Result<Vec<(u64, Vec<u8>)>, String> {
    let mut blocks = Vec::new();
    for (number, block) in bytes.chunks(BLOCK).enumerate() {
        let word =
            |at: usize| block.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).unwrap_or_default();
        let size = word(16) as usize;
        let whole = [word(0), word(4)] == MAGIC && word(BLOCK - 4) == MAGIC_END && size <= BLOCK - 36;
        if !whole {
            return Err(format!("block {number} is no UF2 block"));
        }
        if word(8) & NOT_MAIN_FLASH == 0 {
            blocks.push((u64::from(word(12)), block[32..32 + size].to_vec()));
        }
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_with_its_ends_filled() {
        let image: Vec<u8> = (0..700_u32).map(|i| i as u8).collect();
        let file = write(0x1000_0010, &image);
        assert_eq!(file.len(), 3 * BLOCK);
        let blocks = read(&file).unwrap();
        assert_eq!(blocks.iter().map(|b| b.0).collect::<Vec<_>>(), [0x1000_0000, 0x1000_0100, 0x1000_0200]);
        let flat: Vec<u8> = blocks.into_iter().flat_map(|b| b.1).collect();
        assert_eq!(&flat[16..716], &image[..]);
        assert!(flat[..16].iter().chain(&flat[716..]).all(|b| *b == 0xff));
    }

    #[test]
    fn a_cut_or_foreign_file_is_refused() {
        let file = write(0x1000_0000, &[1, 2, 3]);
        assert!(read(&file[..500]).unwrap_err().contains("block 0"));
        assert!(read(&[0; 512]).is_err());
    }
}
