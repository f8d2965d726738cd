//! The chip: flash and RAM, the debug registers of its Cortex-M cores, and cores that can do one thing, call the flash
//! algorithm that probe-rs has put into RAM. What the algorithm would do is done here, on flash that behaves as flash: erasing
//! sets bits, programming only clears them.

use std::collections::BTreeMap;
use std::ops::Range;

use probe_rs::config::Registry;
use probe_rs::flashing::FlashAlgorithm;

const DHCSR: u32 = 0xe000_edf0;
const DCRSR: u32 = 0xe000_edf4;
const DCRDR: u32 = 0xe000_edf8;
const DEMCR: u32 = 0xe000_edfc;
const DFSR: u32 = 0xe000_ed30;
const AIRCR: u32 = 0xe000_ed0c;
const FP_CTRL: u32 = 0xe000_2000;
const IDCODE: u32 = 0xe004_2000;
const FLASH_OPTCR: u32 = 0x4002_3c14;
/// Where an RP2040's core reads its own number.
const SIO_CPUID: u32 = 0xd000_0000;
/// Each core has its own of these.
const PRIVATE: Range<u32> = 0xe000_0000..0xe004_0000;
/// A window on external flash is larger than any flash behind it.
const FLASH_MAX: u32 = 2 << 20;

const HALTED: u32 = 1 << 0;
const BREAKPOINT: u32 = 1 << 1;
const VECTOR_CATCH: u32 = 1 << 3;

const R0: usize = 0;
const LR: usize = 14;
const PC: usize = 15;

/// The moment at which somebody pulls the plug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    Erase(usize),
    Program(usize),
    ReadBack,
}

#[derive(Debug)]
struct Core {
    registers: [u32; 32],
    /// Its debug registers, as far as they only keep what is written.
    private: BTreeMap<u32, u32>,
    debug: bool,
    halted: bool,
    /// Where it stood when probe-rs stepped it: the function that it means to call.
    called: Option<u32>,
    reason: u32,
}

impl Core {
    fn stop(&mut self, reason: u32) {
        self.halted = true;
        self.reason = reason;
    }
}

#[derive(Debug)]
pub struct SimChip {
    pub flash: Vec<u8>,
    flash_range: Range<u32>,
    ram: Vec<(Range<u32>, Vec<u8>)>,
    registers: BTreeMap<u32, u32>,
    cores: Vec<Core>,
    /// The core that the debug port has been turned to.
    pub selected: usize,
    algorithm: FlashAlgorithm,
    pub erased: Vec<u32>,
    pub programmed: Vec<u32>,
    /// Resets after which the core ran.
    pub started: usize,

    pub plugged: bool,
    /// The debug port answers nothing.
    pub silent: bool,
    pub pull: Option<Pull>,
    /// A bit of this byte does not hold.
    pub worn: Option<u32>,
    /// The algorithm answers with this error when it programs.
    pub refuses: Option<u32>,
}

impl SimChip {
    /// As it comes from the shelf, with the old firmware on it: a pattern in all its flash.
    pub fn new(name: &str, idcode: u32) -> SimChip {
        let target = Registry::from_builtin_families().get_target_by_name(name).unwrap();
        let raw = target.flash_algorithms.iter().find(|a| a.default).unwrap();
        let algorithm = FlashAlgorithm::assemble_from_raw_with_core(raw, &target.cores[0].name, &target).unwrap();
        let flash_range = algorithm.flash_properties.address_range.clone();
        let start = flash_range.start as u32;
        let flash_range = start..(flash_range.end as u32).min(start + FLASH_MAX);
        let ram = target.memory_map.iter().filter_map(|r| r.as_ram_region());
        let ram =
            ram.map(|r| (r.range.start as u32..r.range.end as u32, vec![0; (r.range.end - r.range.start) as usize]));
        SimChip {
            flash: vec![0x5a; flash_range.len()],
            flash_range,
            ram: ram.collect(),
            registers: BTreeMap::from([(IDCODE, idcode), (FLASH_OPTCR, 0x0fff_aaed)]),
            cores: target.cores.iter().map(|_| core()).collect(),
            selected: 0,
            algorithm,
            erased: Vec::new(),
            programmed: Vec::new(),
            started: 0,
            plugged: true,
            silent: false,
            pull: None,
            worn: None,
            refuses: None,
        }
    }

    /// Does its debug port share the wire with others, and wait to be called by its address?
    pub fn is_multidrop(&self) -> bool {
        self.cores.len() > 1
    }

    /// Do all its cores run, so that what they control is looked after?
    pub fn runs(&self) -> bool {
        self.cores.iter().all(|core| !core.halted)
    }

    fn core(&mut self) -> &mut Core {
        &mut self.cores[self.selected]
    }

    /// Read protection as the option bytes have it.
    pub fn protect(&mut self, rdp: u8) {
        self.registers.insert(FLASH_OPTCR, 0x0fff_00ed | u32::from(rdp) << 8);
    }

    /// None where the bus would answer with a fault.
    pub fn read(&mut self, at: u32) -> Option<u32> {
        if self.flash_range.contains(&at) && self.pull == Some(Pull::ReadBack) && !self.programmed.is_empty() {
            self.plugged = false;
        }
        if let Some(bytes) = self.memory(at) {
            return bytes.get(..4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        }
        let number = self.selected as u32;
        let multidrop = self.is_multidrop();
        let core = self.core();
        Some(match at {
            DHCSR => u32::from(core.debug) | 1 << 16 | u32::from(core.halted) << 17,
            DFSR => core.reason,
            SIO_CPUID if multidrop => number,
            _ if PRIVATE.contains(&at) => core.private.get(&at).copied().unwrap_or_default(),
            _ => self.registers.get(&at).copied().unwrap_or_default(),
        })
    }

    pub fn write(&mut self, at: u32, size: u32, lanes: u32) -> Option<()> {
        if self.flash_range.contains(&at) {
            return None;
        }
        if let Some(bytes) = self.memory(at) {
            let value = (lanes >> (8 * (at & 3))).to_le_bytes();
            bytes.get_mut(..size as usize)?.copy_from_slice(&value[..size as usize]);
            return Some(());
        }
        match at {
            DHCSR if lanes >> 16 == 0xa05f => self.control(lanes),
            DCRSR => self.transfer(lanes),
            DFSR => self.core().reason &= !lanes,
            AIRCR if lanes >> 16 == 0x05fa && lanes & 1 << 2 != 0 => self.reset(),
            _ if PRIVATE.contains(&at) => drop(self.core().private.insert(at, lanes)),
            _ => drop(self.registers.insert(at, lanes)),
        }
        Some(())
    }

    fn memory(&mut self, at: u32) -> Option<&mut [u8]> {
        if self.flash_range.contains(&at) {
            return self.flash.get_mut((at - self.flash_range.start) as usize..);
        }
        let (range, bytes) = self.ram.iter_mut().find(|(range, _)| range.contains(&at))?;
        bytes.get_mut((at - range.start) as usize..)
    }

    /// Halt, step or run.
    fn control(&mut self, value: u32) {
        let core = self.core();
        core.debug = value & 1 != 0;
        let (halt, step) = (value & 2 != 0, value & 4 != 0);
        if halt {
            core.stop(HALTED);
        } else if step {
            // probe-rs takes a core that has not moved for one that stands on a breakpoint.
            core.called = Some(core.registers[PC]);
            core.registers[PC] = core.registers[PC].wrapping_add(2);
            core.stop(HALTED);
        } else {
            core.halted = false;
            if let Some(entry) = core.called.take() {
                self.call(entry);
            }
        }
    }

    /// Between a core register and the debugger.
    fn transfer(&mut self, value: u32) {
        let core = self.core();
        let register = (value & 0x1f) as usize;
        if value & 1 << 16 != 0 {
            core.registers[register] = core.private.get(&DCRDR).copied().unwrap_or_default();
        } else {
            core.private.insert(DCRDR, core.registers[register]);
        }
    }

    fn reset(&mut self) {
        let start = self.read(self.flash_range.start + 4).unwrap_or_default() & !1;
        let core = self.core();
        core.registers[PC] = start;
        core.called = None;
        if core.debug && core.private.get(&DEMCR).is_some_and(|demcr| demcr & 1 != 0) {
            core.stop(VECTOR_CATCH);
        } else {
            core.halted = false;
            self.started += 1;
        }
    }

    /// Does what the algorithm's function at `entry` does, and returns to the breakpoint at its head.
    fn call(&mut self, entry: u32) {
        let entry = u64::from(entry);
        let [r0, r1, r2, ..] = self.core().registers;
        let algorithm = &self.algorithm;
        let result = if Some(entry) == algorithm.pc_init || Some(entry) == algorithm.pc_uninit {
            0
        } else if entry == algorithm.pc_erase_sector {
            self.erase(r0)
        } else if entry == algorithm.pc_program_page {
            self.program(r0, r1, r2)
        } else {
            // Not the algorithm: a program that runs until somebody halts it.
            return;
        };
        let core = self.core();
        core.registers[R0] = result;
        core.registers[PC] = core.registers[LR] & !1;
        core.stop(BREAKPOINT);
    }

    fn erase(&mut self, at: u32) -> u32 {
        if self.pull == Some(Pull::Erase(self.erased.len())) {
            self.plugged = false;
        }
        let Some(sector) = self.algorithm.sector_info(at.into()) else { return 1 };
        let from = (sector.base_address as u32 - self.flash_range.start) as usize;
        self.flash[from..from + sector.size as usize].fill(0xff);
        self.erased.push(sector.base_address as u32);
        0
    }

    fn program(&mut self, at: u32, length: u32, buffer: u32) -> u32 {
        if self.pull == Some(Pull::Program(self.programmed.len())) {
            self.plugged = false;
        }
        if let Some(error) = self.refuses {
            return error;
        }
        let page = self.memory(buffer).and_then(|b| b.get(..length as usize)).map(<[u8]>::to_vec).unwrap_or_default();
        let Some(flash) = self.memory(at).and_then(|f| f.get_mut(..page.len())) else { return 1 };
        flash.iter_mut().zip(page).for_each(|(cell, byte)| *cell &= byte);
        self.programmed.push(at);
        if let Some(cell) = self.worn {
            self.flash[(cell - self.flash_range.start) as usize] ^= 0x10;
            self.worn = None;
        }
        0
    }
}

fn core() -> Core {
    let private = BTreeMap::from([(FP_CTRL, 0x60)]);
    Core { registers: [0; 32], private, debug: false, halted: false, called: None, reason: 0 }
}
