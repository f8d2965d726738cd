//! Why a micro-controller stopped: the list of reasons, with the texts that hosts show and know hints for.
//!
//! A reason travels as a number; the texts are in the dictionary's enumeration `static_string_id`.

macro_rules! shutdowns {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// A reason to shut down.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Shutdown {
            $(#[doc = $text] $name,)*
        }

        impl Shutdown {
            /// Every reason, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// What a host shows.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

shutdowns! {
    TimerTooClose = "Timer too close",
    RescheduledInPast = "Rescheduled timer in the past",
    StepperInPast = "Stepper too far in past",
    MoveQueueOverflow = "Move queue overflow",
    CommandRequest = "Command request",
    CommandParser = "Command parser error",
    InvalidCount = "Invalid count parameter",
    ResetWhileActive = "Can't reset time when stepper active",
    OidsAllocated = "oids already allocated",
    OidType = "Invalid oid type",
    OidAssign = "Can't assign oid",
    AlreadyFinalized = "Already finalized",
    NotFinalized = "Configuration is not finalized",
    ClearedWhenRunning = "Shutdown cleared when not shutdown",
    OutOfMemory = "Out of memory",
    ConfigResetWhenRunning = "config_reset only available when shutdown",
    AdcRange = "ADC out of range",
    AdcPin = "Not a valid ADC pin",
    OutputPin = "Not an output pin",
    InputPin = "Not a valid input pin",
    PwmPin = "Not a valid PWM pin",
    PwmCycle = "Invalid PWM cycle ticks",
    DigitalOutMissed = "Missed scheduling of next digital out event",
    DigitalOutExceeds = "Scheduled digital out event will exceed max_duration",
    DigitalOutBusy = "update_digital_out not valid with active queue",
    SoftPwmBusy = "Can not set soft pwm cycle ticks while updates pending",
    PwmOutMissed = "Missed scheduling of next hard pwm event",
    PwmOutExceeds = "Scheduled pwm event will exceed max_duration",
    SpiBus = "Invalid spi_bus parameter",
    SpiMode = "Invalid spi mode",
    SpiUnset = "SPI bus not set",
    TmcUartData = "tmcuart data too large",
    NeopixelSize = "Invalid neopixel data_size",
    NeopixelUpdate = "Invalid neopixel update command",
    ButtonCount = "Max of 8 buttons",
    ButtonIndex = "Set button past maximum button count",
}

impl Shutdown {
    /// The reason with this number.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.get(usize::from(id).checked_sub(usize::from(FIRST_ID))?).copied()
    }

    /// Number on the wire. Zero and one are left out, so that an empty field never reads as a reason.
    pub const fn id(self) -> u16 {
        self as u16 + FIRST_ID
    }
}

const FIRST_ID: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_comes_back_from_its_number_and_has_a_text_of_its_own() {
        for (at, reason) in Shutdown::ALL.iter().enumerate() {
            assert_eq!(Shutdown::from_id(reason.id()), Some(*reason));
            assert!(Shutdown::ALL[..at].iter().all(|other| other.text() != reason.text()));
        }
        assert_eq!(Shutdown::from_id(0), None);
        assert_eq!(Shutdown::from_id(u16::MAX), None);
    }
}
