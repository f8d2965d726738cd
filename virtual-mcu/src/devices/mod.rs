//! Chips beside the micro-controller whose inner life is digital, as the firmware sees them over SPI and UART.

pub mod adxl345;
pub mod tmc;
pub mod tmc_uart;
