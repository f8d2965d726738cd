//! Each device behind the wire: what the host sets stands at the pins, what stands at the pins reaches the host.

use crate::rig::{Rig, clean, faulty, seconds};
use drydock_host::mcu::{
    AdcIn, AdcSetup, Adxl345Bulk, ButtonPin, Buttons, Counter, DigitalOut, Neopixel, PwmSetup, SoftPwm, Spi, SpiBus,
    TmcUart,
};
use drydock_virtual_mcu::{Adxl345Config, TmcKind};
use std::cell::RefCell;
use std::rc::Rc;

#[test]
fn an_output_switches_at_its_time() {
    let mut rig = Rig::one(faulty());
    let out = DigitalOut::new(&rig.mcu(), "PA5", true, false, false, 0.0);
    rig.connect();
    let pin = rig.pin(0, "PA5");
    assert_eq!(rig.boards[0].world.levels.get(&pin), Some(&true), "off is high on an inverted pin");
    let start = rig.mcu().estimated_print_time(rig.now()) + 0.3;
    for number in 0..20_u8 {
        out.set(start + f64::from(number) * 0.1, number % 2 == 0);
    }
    rig.run_until(rig.now() + 3.0);
    let changes: Vec<(u64, bool)> = rig.boards[0]
        .world
        .outputs
        .iter()
        .filter(|(_, of, _)| *of == pin)
        .map(|(at, _, level)| (*at, *level))
        .skip(1)
        .collect();
    assert_eq!(changes.len(), 20);
    for (number, (at, level)) in changes.iter().enumerate() {
        assert_eq!(*level, number % 2 == 1);
        let wanted_ns = rig.true_ns(start + number as f64 * 0.1);
        assert!((*at as f64 - wanted_ns).abs() < 20.0, "{number}: {at} for {wanted_ns}");
    }
    assert_eq!(rig.all_events(), Vec::<String>::new());
}

#[test]
fn soft_pwm_has_the_duty_that_was_set_and_a_forgotten_heater_shuts_down() {
    let mut rig = Rig::one(clean());
    let setup = PwmSetup { cycle_time_s: 0.1, start_value: 0.0, shutdown_value: 0.0, max_duration_s: 3.0 };
    let heater = SoftPwm::new(&rig.mcu(), "PA6", false, setup);
    rig.connect();
    let pin = rig.pin(0, "PA6");
    let start = rig.mcu().estimated_print_time(rig.now()) + 0.3;
    heater.set_pwm(start, 0.25);
    rig.run_until(rig.now() + 2.3);
    let changes: Vec<(u64, bool)> = rig.boards[0]
        .world
        .outputs
        .iter()
        .filter(|(at, of, _)| *of == pin && *at as f64 >= rig.true_ns(start) - 100.0)
        .map(|(at, _, level)| (*at, *level))
        .collect();
    let on_ns: u64 = changes.windows(2).filter(|pair| pair[0].1).map(|pair| pair[1].0 - pair[0].0).sum();
    let span_ns = changes[changes.len() - 1].0 - changes[0].0;
    assert!((on_ns as f64 / span_ns as f64 - 0.25).abs() < 0.02, "{on_ns} of {span_ns}");
    rig.run_until(rig.now() + 3.0);
    assert_eq!(*rig.boards[0].events.borrow(), ["MCU 'mcu' shutdown: Missed scheduling of next digital out event"]);
    assert_eq!(rig.boards[0].world.levels.get(&pin), Some(&false));
}

#[test]
fn an_analog_value_is_reported_with_its_time_and_a_bad_one_shuts_down() {
    let mut rig = Rig::one(clean());
    let setup = AdcSetup {
        sample_time_s: 0.001,
        sample_count: 8,
        report_time_s: 0.3,
        min_value: 0.1,
        max_value: 0.9,
        range_check_count: 4,
    };
    let adc = AdcIn::new(&rig.mcu(), "PC1", setup);
    let samples: Rc<RefCell<Vec<(f64, f64)>>> = Rc::default();
    let list = samples.clone();
    adc.on_sample(move |time, value| list.borrow_mut().push((time, value)));
    let pin = rig.pin(0, "PC1");
    rig.boards[0].world.analogs.insert(pin, 1024);
    rig.connect();
    rig.run_until(rig.now() + 5.0);
    assert!(samples.borrow().len() >= 10);
    for pair in samples.borrow().windows(2) {
        assert!((pair[1].0 - pair[0].0 - 0.3).abs() < 1e-6);
        assert_eq!(pair[0].1, 1024.0 / 4095.0);
    }
    let (time, _) = adc.last();
    let age_s = rig.mcu().estimated_print_time(rig.now()) - time;
    assert!((0.0..0.4).contains(&age_s), "{age_s}");
    rig.boards[0].world.analogs.insert(pin, 4000);
    rig.run_until(rig.now() + 3.0);
    assert_eq!(*rig.boards[0].events.borrow(), ["MCU 'mcu' shutdown: ADC out of range"]);
}

fn adxl(rig: &mut Rig) -> (Spi, Adxl345Bulk) {
    let cs = rig.pin(0, "PA4");
    rig.boards[0].chip.attach_adxl345(cs, 0, Adxl345Config { clock_error: -0.03 });
    let spi = Spi::new(&rig.mcu(), Some("PA4"), false, SpiBus::Hardware { bus: String::new() }, 3, 5_000_000);
    let bulk = Adxl345Bulk::new(&rig.mcu(), &spi);
    (spi, bulk)
}

#[test]
fn accelerometer_samples_come_all_and_with_their_times() {
    let mut rig = Rig::one(clean());
    let (spi, bulk) = adxl(&mut rig);
    rig.connect();
    let reactor = rig.reactor.clone();
    let samples = rig.finish(20.0, {
        let bulk = bulk.clone();
        async move {
            // Device id; then 3200 Hz, full resolution, stream, measure.
            assert_eq!(spi.transfer(&[0x80, 0]).await.unwrap()[1], 0xe5);
            for (register, value) in
                [(0x2d, 0x00), (0x31, 0x0b), (0x38, 0x00), (0x2c, 0x0f), (0x38, 0x90), (0x2d, 0x08)]
            {
                spi.send(&[register, value], 0, 0).unwrap();
            }
            bulk.start(3200.0).await.unwrap();
            for _ in 0..50 {
                reactor.sleep(0.1).await;
                bulk.update().await.unwrap();
            }
            let samples = bulk.take_samples();
            bulk.stop().await.unwrap();
            samples
        }
    });
    assert_eq!((bulk.overflows(), bulk.errors()), (0, 0));
    let truth = &rig.boards[0].world.samples;
    assert!(samples.len() > 15_000, "{}", samples.len());
    let rate = bulk.measured_rate_hz();
    assert!((rate / (3200.0 * 0.97) - 1.0).abs() < 2e-4, "{rate}");
    let offset = i64::from(samples[0].x) / 2 - 1;
    let mut worst: f64 = 0.0;
    for (at, sample) in samples.iter().enumerate() {
        let number = at + offset as usize;
        assert_eq!(i64::from(sample.x), (number as i64 + 1) % 1000 * 2, "none lost, none twice");
        assert_eq!((sample.x, sample.z), (-sample.y, 256));
        let error_s = rig.true_ns(sample.print_time) * 1e-9 - seconds(truth[number]);
        worst = worst.max(error_s.abs());
    }
    assert!(worst < 0.000_3, "sample times are off by up to {worst} s");
}

#[test]
fn tmc_registers_are_written_and_read_back() {
    for line in [clean(), faulty()] {
        let mut rig = Rig::one(line);
        let pin = rig.pin(0, "PD3");
        let driver = rig.boards[0].chip.attach_tmc_uart(pin, 2, TmcKind::Tmc2209);
        let uart = TmcUart::new(&rig.mcu(), "PD3", 1, None);
        rig.connect();
        let read = rig.finish(20.0, {
            let uart = uart.clone();
            async move {
                for value in [0x1000_0053_u32, 0xffff_ffff, 0] {
                    uart.write_register(2, 0x6c, value).await.unwrap();
                }
                uart.write_register(2, 0x6c, 0x1401_8053).await.unwrap();
                uart.read_register(2, 0x6c).await.unwrap()
            }
        });
        assert_eq!(read, 0x1401_8053);
        assert_eq!(rig.boards[0].chip.tmc_register(driver, 0x6c), 0x1401_8053);
        let missing = rig.finish(20.0, async move { uart.read_register(3, 0x6c).await });
        assert!(missing.unwrap_err().to_string().contains("driver at address 3"));
    }
}

#[test]
fn tachometer_edges_are_counted() {
    let mut rig = Rig::one(clean());
    let counter = Counter::new(&rig.mcu(), "PB7", 1, 1.0, 0.001);
    let reports: Rc<RefCell<Vec<(f64, u64, f64)>>> = Rc::default();
    let list = reports.clone();
    counter.on_count(move |time, count, edge| list.borrow_mut().push((time, count, edge)));
    let pin = rig.pin(0, "PB7");
    rig.connect();
    let start_ns = rig.now_ns + 2_000_000_000;
    for edge in 0..200_u64 {
        rig.boards[0].world.flips.push((start_ns + edge * 10_000_000, pin));
    }
    rig.run_until(rig.now() + 6.0);
    assert_eq!(counter.count(), 200);
    let (_, _, edge) = *reports.borrow().last().unwrap();
    let late_s = rig.true_ns(edge) * 1e-9 - seconds(start_ns + 199 * 10_000_000);
    assert!((0.0..0.001_1).contains(&late_s), "{late_s}");
}

#[test]
fn each_press_of_a_button_is_told_once_even_on_a_bad_line() {
    let mut rig = Rig::one(faulty());
    let pins = ["PB8", "PB9"].map(|pin| ButtonPin { pin: pin.into(), pull_up: -1, invert: false });
    let buttons = Buttons::new(&rig.mcu(), &pins);
    let seen: Rc<RefCell<Vec<u8>>> = Rc::default();
    let list = seen.clone();
    buttons.on_change(move |_, state| list.borrow_mut().push(state));
    let (a, b) = (rig.pin(0, "PB8"), rig.pin(0, "PB9"));
    rig.connect();
    let start_ns = rig.now_ns + 2_000_000_000;
    for press in 0..40_u64 {
        let at = start_ns + press * 100_000_000;
        let pin = if press % 2 == 0 { a } else { b };
        rig.boards[0].world.flips.extend([(at, pin), (at + 50_000_000, pin)]);
    }
    rig.run_until(rig.now() + 8.0);
    let wanted: Vec<u8> = (0..40).flat_map(|press| [if press % 2 == 0 { 1 } else { 2 }, 0]).collect();
    assert_eq!(*seen.borrow(), wanted);
}

#[test]
fn lights_show_the_colours_that_were_sent() {
    let mut rig = Rig::one(faulty());
    let lights = Neopixel::new(&rig.mcu(), "PD5", 90);
    rig.connect();
    let pin = rig.pin(0, "PD5");
    let colours: Vec<u8> = (0..90).map(|at| at * 2 + 1).collect();
    rig.finish(5.0, {
        let (lights, colours) = (lights.clone(), colours.clone());
        async move { lights.update(&colours).await }
    })
    .unwrap();
    assert_eq!(rig.boards[0].chip.lights(pin), colours);
    let short = rig.finish(5.0, async move { lights.update(&[1, 2, 3]).await });
    assert!(short.is_err());
}
