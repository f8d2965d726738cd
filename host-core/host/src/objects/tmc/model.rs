//! What a driver chip consists of, as data: registers, fields, options and their defaults.
//!
//! A chip is one [`Model`]; adding one is a file with its tables and a line in the loader's list. A [`Shadow`] holds
//! what the host wants in each register, and the order in which the registers were first set, which is the order in
//! which they are written.

use super::current::CurrentLaw;

/// A run of bits in a register. Names are the data sheet's, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub register: u8,
    low: u8,
    width: u8,
    signed: bool,
}

/// Bits `low` to `high` of a register.
pub const fn bits(name: &'static str, register: u8, low: u8, high: u8) -> Field {
    Field { name, register, low, width: high - low + 1, signed: false }
}

pub const fn bit(name: &'static str, register: u8, at: u8) -> Field {
    bits(name, register, at, at)
}

/// Bits that hold a number in two's complement.
pub const fn signed(name: &'static str, register: u8, low: u8, high: u8) -> Field {
    Field { name, register, low, width: high - low + 1, signed: true }
}

/// One table after the other; `N` is the length of both.
pub const fn joined<T: Copy, const N: usize>(first: &[T], then: &[T]) -> [T; N] {
    let mut all = [first[0]; N];
    let mut i = 0;
    while i < N {
        all[i] = if i < first.len() { first[i] } else { then[i - first.len()] };
        i += 1;
    }
    all
}

impl Field {
    fn mask(&self) -> u32 {
        let ones = if self.width == 32 { u32::MAX } else { (1 << self.width) - 1 };
        ones << self.low
    }

    /// Lowest and highest value.
    pub fn range(&self) -> (i64, i64) {
        match self.signed {
            true => (-(1 << (self.width - 1)), (1 << (self.width - 1)) - 1),
            false => (0, (1 << self.width) - 1),
        }
    }

    pub fn get(&self, register: u32) -> i64 {
        let raw = i64::from((register & self.mask()) >> self.low);
        if self.signed && raw > self.range().1 { raw - (1 << self.width) } else { raw }
    }

    pub fn put(&self, register: u32, value: i64) -> u32 {
        register & !self.mask() | ((value as u32) << self.low) & self.mask()
    }
}

/// How a chip is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusKind {
    /// Single-wire UART with this many addresses.
    Uart {
        addresses: i64,
    },
    Spi,
}

/// How a chip tells that its motor stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    No,
    /// StallGuard4 works in stealthChop only, and has one output (TMC2209).
    StealthOnly,
    /// StallGuard2 works in spreadCycle only, and has two outputs (TMC2130, TMC5160).
    SpreadOnly,
}

/// One kind of driver.
pub struct Model {
    pub name: &'static str,
    pub bus: BusKind,
    pub registers: &'static [(&'static str, u8)],
    pub fields: &'static [&'static [Field]],
    /// Registers that DUMP_TMC asks the chip for.
    pub queried: &'static [&'static str],
    pub current: CurrentLaw,
    pub default_sense_ohm: f64,
    /// Fields that every set-up needs so.
    pub fixed: &'static [(&'static str, i64)],
    /// `driver_FIELD` options and their defaults.
    pub options: &'static [(&'static str, i64)],
    /// The field that chooses the chopper, and its value for stealthChop.
    pub stealth: (&'static str, i64),
    pub stall: Stall,
    /// Reading GSTAT clears it; elsewhere ones are written.
    pub gstat_clears_on_read: bool,
}

impl Model {
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().flat_map(|group| group.iter()).find(|f| f.name == name)
    }

    pub fn register(&self, name: &str) -> Option<u8> {
        self.registers.iter().find(|(n, _)| *n == name).map(|(_, address)| *address)
    }

    pub fn register_name(&self, address: u8) -> &'static str {
        self.registers.iter().find(|(_, a)| *a == address).map_or("?", |(name, _)| name)
    }

    /// A register in words: `CHOPCONF:   14010053 toff=3 hstrt=5 ...`, fields of 0 left out.
    pub fn describe(&self, address: u8, value: u32) -> String {
        let mut text = format!("{:<11} {value:08x}", format!("{}:", self.register_name(address)));
        for field in self.fields.iter().flat_map(|group| group.iter()).filter(|f| f.register == address) {
            let value = field.get(value);
            if value != 0 {
                text.push_str(&format!(" {}={value}", field.name));
            }
        }
        text
    }
}

/// What the host wants in the chip's registers.
#[derive(Clone, Default, Debug)]
pub struct Shadow(Vec<(u8, u32)>);

impl Shadow {
    /// Sets a field and answers its register's new value.
    pub fn set(&mut self, field: &Field, value: i64) -> u32 {
        let register = match self.0.iter_mut().find(|(address, _)| *address == field.register) {
            Some((_, register)) => register,
            None => {
                self.0.push((field.register, 0));
                &mut self.0.last_mut().expect("just pushed").1
            }
        };
        *register = field.put(*register, value);
        *register
    }

    pub fn get(&self, field: &Field) -> i64 {
        field.get(self.register(field.register).unwrap_or(0))
    }

    pub fn register(&self, address: u8) -> Option<u32> {
        self.0.iter().find(|(a, _)| *a == address).map(|(_, value)| *value)
    }

    /// Addresses and values in the order in which they are to be written.
    pub fn registers(&self) -> &[(u8, u32)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_takes_back_what_it_was_given_and_leaves_its_neighbours() {
        let field = signed("sgt", 0x6d, 16, 22);
        for value in [-64, -1, 0, 63] {
            let register = field.put(u32::MAX, value);
            assert_eq!(field.get(register), value);
            assert_eq!(register | 0x7f_0000, u32::MAX);
            assert_eq!(field.get(field.put(0, value)), value);
        }
        assert_eq!(bits("toff", 0x6c, 0, 3).put(0xffff_fff0, 0x15), 0xffff_fff5, "what does not fit is cut");
        assert_eq!(bits("mslut0", 0x60, 0, 31).get(0xdead_beef), 0xdead_beef);
    }

    #[test]
    fn no_two_fields_of_a_chip_share_a_bit_and_every_option_is_a_field() {
        for model in super::super::MODELS {
            let fields: Vec<&Field> = model.fields.iter().flat_map(|group| group.iter()).collect();
            for (i, a) in fields.iter().enumerate() {
                assert!(model.registers.iter().any(|(_, r)| *r == a.register), "{}: {}", model.name, a.name);
                for b in &fields[..i] {
                    assert_ne!(a.name, b.name, "{}", model.name);
                    let apart = a.register != b.register || a.mask() & b.mask() == 0;
                    assert!(apart, "{}: {} and {}", model.name, a.name, b.name);
                }
            }
            for (name, value) in model.options.iter().chain(model.fixed) {
                let field = model.field(name).unwrap_or_else(|| panic!("{}: {name}", model.name));
                let (min, max) = field.range();
                assert!((min..=max).contains(value), "{}: {name}", model.name);
            }
            assert!(model.queried.iter().all(|name| model.register(name).is_some()), "{}", model.name);
        }
    }
}
