//! Accelerometer and stepper drivers, reached through the firmware as a host reaches them.

use crate::common::{Arg, Host, send};
use drydock_virtual_mcu::{Adxl345Config, McuConfig, TmcKind};

const SPI: i64 = 0;
const ADXL: i64 = 1;

fn accelerometer(clock_error: f64) -> Host {
    let mut host = Host::connected(McuConfig::default());
    host.mcu.attach_adxl345(host.pin("PA4") as u16, 0, Adxl345Config { clock_error });
    send!(host, allocate_oids, 2);
    send!(host, config_spi, SPI, host.pin("PA4"), 0);
    send!(host, spi_set_bus, SPI, 0, 3, 5_000_000);
    send!(host, config_adxl345, ADXL, SPI);
    host.finalize();
    host
}

fn spi(host: &mut Host, bytes: &[u8]) -> Vec<u8> {
    host.ask("spi_transfer", &[Arg::Int(SPI), Arg::Bytes(bytes)], "spi_transfer_response").bytes
}

fn measure(host: &mut Host) {
    assert_eq!(spi(host, &[0x80, 0])[1], 0xe5);
    for (register, value) in [(0x2d, 0x00), (0x31, 0x0b), (0x38, 0x00), (0x2c, 0x0f), (0x38, 0x90)] {
        spi(host, &[register, value]);
    }
    send!(host, query_adxl345, ADXL, 4 * 168_000_000 / 3200);
    spi(host, &[0x2d, 0x08]);
}

#[test]
fn every_sample_of_the_chip_arrives_once_and_in_order() {
    let mut host = accelerometer(-0.031);
    measure(&mut host);
    host.run(1_000_000_000);
    let messages = host.all("sensor_bulk_data");
    let sequences: Vec<_> = messages.iter().map(|message| message.ints["sequence"]).collect();
    assert_eq!(sequences, (0..messages.len() as i64).collect::<Vec<_>>());
    let x: Vec<i32> = messages
        .iter()
        .flat_map(|message| message.bytes.chunks_exact(5))
        .map(|sample| (i32::from(sample[0]) | i32::from(sample[3] & 0x1f) << 8) << 19 >> 19)
        .collect();
    let count = host.bench.samples.len();
    assert!((3090..3130).contains(&count), "3200 Hz less 3.1 %: {count}");
    assert!(count - x.len() < 15, "{} of {count}", x.len());
    let expected: Vec<i32> = (1..=x.len() as i32).map(|k| (k * 2).clamp(-4096, 4095) & !1).collect();
    assert_eq!(x, expected);
    assert_eq!(host.mcu.dropped_messages(), 0);
}

#[test]
fn the_status_tells_how_many_samples_the_chip_has_taken() {
    let mut host = accelerometer(0.0);
    measure(&mut host);
    for _ in 0..20 {
        host.run(37_000_000);
        let before = host.bench.samples.len();
        let status = host.ask("query_adxl345_status", &[Arg::Int(ADXL)], "sensor_bulk_status");
        let taken = status.ints["next_sequence"] * 10 + status.ints["buffered"] / 5;
        assert!((before as i64..before as i64 + 5).contains(&taken), "{taken} of {before}");
        assert_eq!(status.ints["possible_overflows"], 0);
    }
    send!(host, query_adxl345, ADXL, 0);
    let sent = host.all("sensor_bulk_data").len();
    host.run(100_000_000);
    assert_eq!(host.all("sensor_bulk_data").len(), sent);
}

#[test]
fn a_wire_without_a_chip_answers_ones_and_bad_samples() {
    let mut host = Host::connected(McuConfig::default());
    send!(host, allocate_oids, 2);
    send!(host, config_spi, SPI, host.pin("PA4"), 0);
    send!(host, spi_set_bus, SPI, 0, 3, 5_000_000);
    send!(host, config_adxl345, ADXL, SPI);
    host.finalize();
    assert_eq!(spi(&mut host, &[0x80, 0]), [0xff, 0xff]);
    send!(host, query_adxl345, ADXL, 168_000);
    host.run(100_000_000);
    let message = host.all("sensor_bulk_data").pop().unwrap();
    assert!(message.bytes.chunks_exact(5).all(|sample| sample[4] & 0x80 != 0));
}

#[test]
fn spi_commands_need_a_bus_and_a_mode_that_exist() {
    type Story = fn(&mut Host);
    let stories: [(&str, Story); 3] = [
        ("Invalid spi_bus parameter", |host| send!(host, spi_set_bus, SPI, 99, 3, 1)),
        ("Invalid spi mode", |host| send!(host, spi_set_bus, SPI, 0, 4, 1)),
        ("SPI bus not set", |host| send!(host, spi_send, SPI, &[1][..])),
    ];
    for (text, story) in stories {
        let mut host = Host::connected(McuConfig::default());
        send!(host, allocate_oids, 1);
        send!(host, config_spi, SPI, host.pin("PA4"), 0);
        story(&mut host);
        host.assert_shutdown(text);
    }
}

#[test]
fn an_spi_driver_keeps_what_is_written() {
    let mut host = Host::connected(McuConfig::default());
    let driver = host.mcu.attach_tmc_spi(host.pin("PB12") as u16, TmcKind::Tmc5160);
    send!(host, allocate_oids, 1);
    send!(host, config_spi, SPI, host.pin("PB12"), 0);
    send!(host, spi_set_sw_bus, SPI, host.pin("PB13"), host.pin("PB14"), host.pin("PB15"), 3, 168);
    host.finalize();
    spi(&mut host, &[0x90, 0, 6, 31, 8]);
    assert_eq!(host.mcu.tmc_register(driver, 0x10), 0x0006_1f08);
    host.mcu.set_tmc_register(driver, 0x6a, 0x123);
    spi(&mut host, &[0x6a, 0, 0, 0, 0]);
    assert_eq!(spi(&mut host, &[0x6a, 0, 0, 0, 0])[1..], [0, 0, 1, 0x23]);
}

#[test]
fn a_shutdown_sends_each_device_its_last_words() {
    let mut host = Host::connected(McuConfig::default());
    let driver = host.mcu.attach_tmc_spi(host.pin("PB12") as u16, TmcKind::Tmc5160);
    send!(host, allocate_oids, 2);
    send!(host, config_spi, SPI, host.pin("PB12"), 0);
    send!(host, spi_set_bus, SPI, 0, 3, 1_000_000);
    send!(host, config_spi_shutdown, 1, SPI, &[0x90, 0, 0, 0, 0][..]);
    host.finalize();
    spi(&mut host, &[0x90, 0, 6, 31, 8]);
    assert_eq!(host.mcu.tmc_register(driver, 0x10), 0x0006_1f08);
    send!(host, emergency_stop);
    assert_eq!(host.mcu.tmc_register(driver, 0x10), 0);
}

#[test]
fn a_bus_without_a_select_pin_reaches_nobody_who_waits_for_one() {
    let mut host = Host::connected(McuConfig::default());
    let driver = host.mcu.attach_tmc_spi(host.pin("PB12") as u16, TmcKind::Tmc5160);
    send!(host, allocate_oids, 1);
    send!(host, config_spi_without_cs, SPI);
    send!(host, spi_set_bus, SPI, 0, 3, 1_000_000);
    host.finalize();
    assert_eq!(spi(&mut host, &[0x90, 0, 6, 31, 8]), [0xff; 5]);
    assert_eq!(host.mcu.tmc_register(driver, 0x10), 0);
}

/// CRC-8 of the drivers' data sheet, bit by bit.
fn crc8(bytes: &[u8]) -> u8 {
    let mut crc = 0_u8;
    for byte in bytes {
        let mut byte = *byte;
        for _ in 0..8 {
            let carry = crc >> 7 ^ byte & 1;
            crc = crc << 1 ^ if carry != 0 { 7 } else { 0 };
            byte >>= 1;
        }
    }
    crc
}

/// Start and stop bits around each byte, least significant first.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut all: Vec<u8> = bytes.to_vec();
    all.push(crc8(bytes));
    let bits: Vec<bool> = all
        .iter()
        .flat_map(|byte| {
            let frame = u16::from(*byte) << 1 | 1 << 9;
            (0..10).map(move |bit| frame >> bit & 1 != 0)
        })
        .collect();
    bits.chunks(8).map(|bits| bits.iter().enumerate().map(|(at, bit)| u8::from(*bit) << at).sum()).collect()
}

fn unframed(bytes: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1)).collect();
    bits.chunks_exact(10)
        .map(|frame| {
            assert_eq!((frame[0], frame[9]), (0, 1), "start and stop bit");
            frame[1..9].iter().enumerate().map(|(at, bit)| bit << at).sum()
        })
        .collect()
}

fn uart_read(host: &mut Host, address: u8, register: u8) -> Vec<u8> {
    let request = framed(&[5, address, register]);
    host.ask("tmcuart_send", &[Arg::Int(0), Arg::Bytes(&request), Arg::Int(10)], "tmcuart_response").bytes
}

#[test]
fn uart_drivers_on_one_wire_are_told_apart_written_and_read() {
    for (rx, tx) in [("PC10", "PC10"), ("PC11", "PC12")] {
        let mut host = Host::connected(McuConfig::default());
        let (rx, tx) = (host.pin(rx), host.pin(tx));
        let drivers: Vec<_> = (0..4)
            .map(|address| host.mcu.attach_tmc_uart_pair(rx as u16, tx as u16, address, TmcKind::Tmc2209))
            .collect();
        send!(host, allocate_oids, 1);
        send!(host, config_tmcuart, 0, rx, 1, tx, 4200);
        host.finalize();
        let write = framed(&[5, 2, 0x6c | 0x80, 0x12, 0x34, 0x56, 0x78]);
        let answer = host.ask("tmcuart_send", &[Arg::Int(0), Arg::Bytes(&write), Arg::Int(0)], "tmcuart_response");
        assert!(answer.bytes.is_empty());
        for (register, value) in [(0x6c, [0x12, 0x34, 0x56, 0x78]), (0x02, [0, 0, 0, 1]), (0x06, [0x21, 0, 0, 0])] {
            let answer = unframed(&uart_read(&mut host, 2, register));
            assert_eq!(answer[..3], [5, 0xff, register]);
            assert_eq!(answer[3..7], value);
            assert_eq!(answer[7], crc8(&answer[..7]));
        }
        assert_eq!(host.mcu.tmc_register(drivers[2], 0x6c), 0x1234_5678);
        assert_eq!(host.mcu.tmc_register(drivers[1], 0x6c), 0x1000_0053);
    }
}

#[test]
fn a_driver_that_is_not_there_gives_an_empty_answer() {
    let mut host = Host::connected(McuConfig::default());
    host.mcu.attach_tmc_uart(host.pin("PC10") as u16, 0, TmcKind::Tmc2208);
    send!(host, allocate_oids, 1);
    send!(host, config_tmcuart, 0, host.pin("PC10"), 1, host.pin("PC10"), 18_000);
    host.finalize();
    assert!(uart_read(&mut host, 3, 0x6c).is_empty());
    assert_eq!(unframed(&uart_read(&mut host, 0, 0x6c))[3..7], [0x10, 0, 0, 0x53]);
}
