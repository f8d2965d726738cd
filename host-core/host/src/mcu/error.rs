//! What can go wrong between the host and a micro-controller, said with place, cause and mend.

use std::fmt;

/// An error and the micro-controller that it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct McuError {
    pub mcu: String,
    pub cause: McuErrorCause,
}

#[derive(Clone, Debug, PartialEq)]
pub enum McuErrorCause {
    /// Nothing answered `identify`.
    Unreachable { waited_s: f64 },
    /// The data dictionary could not be read.
    Dictionary(String),
    /// The firmware lacks a command or a response that a part of the configuration needs.
    Missing { what: &'static str, format: String },
    /// The firmware has it, but declares it in another way.
    FormatMismatch { wanted: String, declared: String },
    /// A constant of the dictionary is needed and absent.
    MissingConstant { name: String },
    /// A command text cannot be encoded.
    BadCommand { text: String, cause: String },
    /// A constant or a setting is out of range.
    BadValue(String),
    /// A query was not answered.
    NoResponse { response: String },
    /// The micro-controller is shut down.
    Shutdown { reason: String },
    /// It runs with another configuration than this one.
    CrcMismatch,
    /// It did not take the configuration.
    NotConfigured,
    /// Its move queue is too short for the outputs.
    TooFewMoves { move_count: u32, reserved: u32 },
    /// It cannot be reset by a command.
    NoReset,
    /// Nothing was heard for too long.
    LostCommunication,
    /// A homing move was broken off because a micro-controller did not hear from the host in time.
    HomingTimeout,
    /// A device behind the micro-controller did not do what it should.
    Device(String),
}

impl fmt::Display for McuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mcu = &self.mcu;
        match &self.cause {
            McuErrorCause::Unreachable { waited_s } => write!(
                f,
                "mcu '{mcu}': Unable to connect: no answer to identify for {waited_s:.0} s; check that it is powered, \
                 that the serial port is the right one and that it runs a Klipper firmware"
            ),
            McuErrorCause::Dictionary(cause) => write!(f, "mcu '{mcu}': {cause}"),
            McuErrorCause::Missing { what, format } => write!(
                f,
                "mcu '{mcu}': its firmware has no {what} '{format}'; build it with that feature, or take out the \
                 configuration section that needs it"
            ),
            McuErrorCause::FormatMismatch { wanted, declared } => write!(
                f,
                "mcu '{mcu}': Command format mismatch: this host speaks '{wanted}', the firmware '{declared}'; flash \
                 a firmware of the host's version"
            ),
            McuErrorCause::MissingConstant { name } => {
                write!(f, "mcu '{mcu}': its firmware does not declare the constant '{name}', which this needs")
            }
            McuErrorCause::BadCommand { text, cause } => write!(f, "mcu '{mcu}': command '{text}': {cause}"),
            McuErrorCause::BadValue(cause) | McuErrorCause::Device(cause) => write!(f, "mcu '{mcu}': {cause}"),
            McuErrorCause::NoResponse { response } => {
                write!(f, "mcu '{mcu}': Unable to obtain '{response}' response; the line is cut or the firmware hangs")
            }
            McuErrorCause::Shutdown { reason } => {
                write!(f, "mcu '{mcu}': Can not update MCU config as it is shutdown ({reason}); issue FIRMWARE_RESTART")
            }
            McuErrorCause::CrcMismatch => {
                write!(f, "mcu '{mcu}': MCU CRC does not match config; issue FIRMWARE_RESTART")
            }
            McuErrorCause::NotConfigured => {
                write!(f, "mcu '{mcu}': Unable to configure MCU: it did not take the configuration")
            }
            McuErrorCause::TooFewMoves { move_count, reserved } => write!(
                f,
                "mcu '{mcu}': Too few moves available: its move queue holds {move_count}, the outputs alone reserve \
                 {reserved}; configure fewer outputs on it"
            ),
            McuErrorCause::NoReset => write!(
                f,
                "mcu '{mcu}': its firmware has neither 'reset' nor 'config_reset', so it cannot be restarted by \
                 command; switch it off and on"
            ),
            McuErrorCause::LostCommunication => write!(f, "Lost communication with MCU '{mcu}'"),
            McuErrorCause::HomingTimeout => {
                write!(f, "mcu '{mcu}': Communication timeout during homing; check the line to each micro-controller")
            }
        }
    }
}

impl std::error::Error for McuError {}
