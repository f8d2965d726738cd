//! What the host may read and keep outside itself: print files and saved variables. The shell implements it; the host does no I/O.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// An open print file; read in pieces, so that its length costs no memory.
pub trait PrintFile {
    fn size(&self) -> u64;
    /// Reads at `offset`; 0 bytes at the end.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, String>;
}

pub trait Files {
    /// A print file by the name that SDCARD_PRINT_FILE gives.
    fn open_print(&self, name: &str) -> Option<Box<dyn PrintFile>>;
    /// Names and sizes.
    fn list_prints(&self) -> Vec<(String, u64)>;
    /// A small text file that the configuration names (saved variables).
    fn read_text(&self, path: &str) -> Option<String>;
    fn write_text(&self, path: &str, text: &str) -> Result<(), String>;
}

/// `YYYYMMDD_HHMMSS` for the names of files, as if the session had begun with 1970: the host knows no date.
pub fn time_stamp(eventtime: f64) -> String {
    let seconds = eventtime.max(0.0) as u64;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Thirty-one days is more than any session lasts.
    let day = 1 + days.min(30);
    format!("197001{day:02}_{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Files in memory, for tests and for hosts that print nothing.
#[derive(Default, Clone)]
pub struct MemoryFiles {
    pub prints: BTreeMap<String, Rc<[u8]>>,
    pub texts: Rc<RefCell<BTreeMap<String, String>>>,
}

impl Files for MemoryFiles {
    fn open_print(&self, name: &str) -> Option<Box<dyn PrintFile>> {
        self.prints.get(name).map(|data| Box::new(MemoryFile(data.clone())) as Box<dyn PrintFile>)
    }
    fn list_prints(&self) -> Vec<(String, u64)> {
        self.prints.iter().map(|(name, data)| (name.clone(), data.len() as u64)).collect()
    }
    fn read_text(&self, path: &str) -> Option<String> {
        self.texts.borrow().get(path).cloned()
    }
    fn write_text(&self, path: &str, text: &str) -> Result<(), String> {
        self.texts.borrow_mut().insert(path.to_string(), text.to_string());
        Ok(())
    }
}

struct MemoryFile(Rc<[u8]>);

impl PrintFile for MemoryFile {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, String> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}
