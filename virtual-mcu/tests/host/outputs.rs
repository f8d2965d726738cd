//! Outputs and inputs: queued changes, soft and hardware PWM, the guards, analog inputs, buttons, counters, lights.

use crate::common::{Arg, Host, send};
use drydock_virtual_mcu::McuConfig;

fn configured(setup: impl Fn(&mut Host)) -> Host {
    let mut host = Host::connected(McuConfig::default());
    send!(host, allocate_oids, 4);
    setup(&mut host);
    host.finalize();
    host
}

fn digital_out(max_duration: i64, cycle_ticks: i64) -> Host {
    configured(|host| {
        send!(host, config_digital_out, 0, host.pin("PB0"), 0, 0, max_duration);
        if cycle_ticks != 0 {
            send!(host, set_digital_out_pwm_cycle, 0, cycle_ticks);
        }
    })
}

#[test]
fn queued_changes_come_at_their_clock() {
    let mut host = digital_out(0, 0);
    let start = host.clock() + 10_000_000;
    for (at, on) in [(0, 1), (1_680_000, 0), (1_680_001, 1)] {
        send!(host, queue_digital_out, 0, start + at, on);
    }
    host.run(1_000_000_000);
    let edges: Vec<_> = host.bench.edges[1..].iter().map(|edge| (edge.0, edge.2)).collect();
    let ns = |clock: i64| host.mcu.oscillator().ns_of(clock as u64);
    assert_eq!(edges, [(ns(start), true), (ns(start + 1_680_000), false), (ns(start + 1_680_001), true)]);
}

#[test]
fn soft_pwm_is_on_for_its_share_of_each_cycle() {
    let cycle = 16_800_000;
    let mut host = digital_out(3 * 168_000_000, cycle);
    let start = host.clock() + 10_000_000;
    send!(host, queue_digital_out, 0, start, cycle / 4);
    host.run(1_060_000_000);
    let pin = host.pin("PB0") as u16;
    let (rises, falls) = (host.bench.times(pin, true), host.bench.times(pin, false));
    let ns = |clock: i64| host.mcu.oscillator().ns_of(clock as u64);
    let expected: Vec<_> = (0..rises.len() as i64).map(|k| ns(start + k * cycle)).collect();
    assert_eq!(rises, expected);
    assert_eq!(rises.len(), 11);
    for (rise, fall) in rises.iter().zip(&falls[1..]) {
        assert!(fall.abs_diff(rise + 25_000_000) <= 1);
    }
    let now = host.clock();
    send!(host, queue_digital_out, 0, now + 100_000, 0);
    host.run(5_000_000_000);
    assert!(!host.mcu.is_shutdown(), "at its default an output needs no word");
}

#[test]
fn a_heater_left_alone_is_shut_down_and_switched_off() {
    for cycle in [0, 16_800_000] {
        let mut host = digital_out(168_000_000, cycle);
        let start = host.clock() + 10_000_000;
        send!(host, queue_digital_out, 0, start, 4_200_000);
        host.run(900_000_000);
        assert!(!host.mcu.is_shutdown());
        host.run(200_000_000);
        host.assert_shutdown("Missed scheduling of next digital out event");
        assert!(!host.bench.edges.last().unwrap().2);
        let edges = host.bench.edges.len();
        host.run(1_000_000_000);
        assert_eq!(host.bench.edges.len(), edges);
    }
}

#[test]
fn an_update_beyond_the_guard_is_refused_at_once_or_when_it_becomes_so() {
    let mut host = digital_out(1_000_000, 0);
    let start = host.clock() + 1_000_000;
    send!(host, queue_digital_out, 0, start, 1);
    send!(host, queue_digital_out, 0, start + 1_000_001, 1);
    host.run(100_000_000);
    host.assert_shutdown("Scheduled digital out event will exceed max_duration");

    let mut host = digital_out(168_000_000, 0);
    let start = host.clock() + 1_000_000;
    send!(host, queue_digital_out, 0, start, 1);
    host.run(100_000_000);
    send!(host, queue_digital_out, 0, start + 168_000_001, 1);
    host.assert_shutdown("Scheduled digital out event will exceed max_duration");
}

#[test]
fn an_update_at_the_last_tick_of_the_guard_is_in_time() {
    let mut host = digital_out(168_000_000, 0);
    let start = host.clock() + 1_000_000;
    for k in 0..5 {
        send!(host, queue_digital_out, 0, start + k * 168_000_000, 1);
    }
    host.run(4_500_000_000);
    assert!(!host.mcu.is_shutdown());
}

#[test]
fn hardware_pwm_has_its_duty_and_its_guard() {
    let mut host = configured(|host| send!(host, config_pwm_out, 0, host.pin("PB1"), 16_800, 0, 0, 168_000_000));
    let start = host.clock() + 1_000_000;
    send!(host, queue_pwm_out, 0, start, 8192);
    host.run(500_000_000);
    assert_eq!(host.bench.duties.last().unwrap().2, 0.25);
    host.run(1_000_000_000);
    host.assert_shutdown("Missed scheduling of next hard pwm event");
    assert_eq!(host.bench.duties.last().unwrap().2, 0.0);
}

#[test]
fn an_output_can_be_set_at_once_with_its_guard_or_without_an_object() {
    let mut host = digital_out(168_000_000, 0);
    let pin = host.pin("PB0") as u16;
    send!(host, update_digital_out, 0, 1);
    assert_eq!(host.bench.edges.last().map(|edge| (edge.1, edge.2)), Some((pin, true)));
    send!(host, update_digital_out, 0, 0);
    host.run(3_000_000_000);
    assert!(!host.mcu.is_shutdown(), "at its default an output needs no word");
    send!(host, update_digital_out, 0, 1);
    host.run(2_000_000_000);
    host.assert_shutdown("Missed scheduling of next digital out event");

    let mut host = configured(|_| {});
    send!(host, set_digital_out, host.pin("PB2"), 1);
    assert_eq!(host.bench.times(host.pin("PB2") as u16, true).len(), 1);
    send!(host, set_pwm_out, host.pin("PB1"), 16_800, 16_384);
    assert_eq!(host.bench.duties.last().map(|duty| duty.2), Some(0.5));
}

fn thermistor(host: &mut Host, code: u16, checks: i64) -> i64 {
    host.bench.analogs.insert(host.pin("PC0") as u16, code);
    let start = host.clock() + 1_680_000;
    send!(host, query_analog_in, 0, start, 168_000, 8, 50_400_000, 2, 100 * 8, 4000 * 8, checks);
    start
}

#[test]
fn analog_reports_are_sums_at_a_fixed_period() {
    let mut host = configured(|host| send!(host, config_analog_in, 0, host.pin("PC0")));
    let start = thermistor(&mut host, 1234, 4);
    host.run(1_000_000_000);
    let reports = host.all("analog_in_state");
    assert_eq!(reports.len(), 4);
    for (k, report) in reports.iter().enumerate() {
        assert_eq!(report.bytes, u16::to_le_bytes(1234 * 8));
        assert_eq!(report.ints["next_clock"], start + (k as i64 + 1) * 50_400_000);
        let expected_ns = host.mcu.oscillator().ns_of((start + k as i64 * 50_400_000 + 7 * 168_000) as u64);
        assert_eq!(report.at_ns, expected_ns);
    }
}

#[test]
fn the_chip_s_own_thermometer_reads_a_chip_that_is_well() {
    let mut host = configured(|host| send!(host, config_analog_in, 0, host.pin("ADC_TEMPERATURE")));
    thermistor(&mut host, 4095, 4);
    host.run(400_000_000);
    let sum = f64::from(u16::from_le_bytes(
        host.all("analog_in_state")[0].bytes.clone().try_into().expect("a sum of 16 bits"),
    ));
    let celsius = 25.0 + (sum / 8.0 / 4095.0 * 3.3 - 0.76) / 0.0025;
    assert!((38.0..42.0).contains(&celsius), "{celsius} degrees by the line of an STM32F4");
}

#[test]
fn a_sensor_out_of_range_four_times_shuts_down() {
    let mut host = configured(|host| send!(host, config_analog_in, 0, host.pin("PC0")));
    thermistor(&mut host, 4095, 4);
    host.run(900_000_000);
    assert!(!host.mcu.is_shutdown(), "three times is not yet enough");
    host.run(200_000_000);
    host.assert_shutdown("ADC out of range");
}

#[test]
fn a_period_of_zero_is_a_shutdown_and_not_a_hang() {
    type Story = fn(&mut Host, i64);
    let stories: [Story; 3] = [
        |host, start| send!(host, query_analog_in, 0, start, 0, 1, 0, 2, 0, 65535, 0),
        |host, start| send!(host, endstop_home, 1, start, 0, 4, 0, 1, 2, 1),
        |host, start| send!(host, query_counter, 3, start, 0, 0),
    ];
    for (which, story) in stories.into_iter().enumerate() {
        let mut host = configured(|host| {
            send!(host, config_analog_in, 0, host.pin("PC0"));
            send!(host, config_endstop, 1, host.pin("PC1"), 1);
            send!(host, config_trsync, 2);
            send!(host, config_counter, 3, host.pin("PC2"), 1);
        });
        let start = host.clock() + 1_680_000;
        story(&mut host, start);
        host.run(20_000_000);
        let expected = if which == 2 { None } else { Some("Rescheduled timer in the past") };
        assert_eq!(host.mcu.last_shutdown(), expected, "story {which}");
    }
}

#[test]
fn buttons_are_debounced_and_repeated_until_acknowledged() {
    let mut host = configured(|host| {
        send!(host, config_buttons, 0, 2);
        send!(host, buttons_add, 0, 0, host.pin("PD0"), 1);
        send!(host, buttons_add, 0, 1, host.pin("PD1"), 1);
    });
    let start = host.clock() + 1_680_000;
    send!(host, buttons_query, 0, start, 336_000, 50, 0);
    host.run(20_000_000);
    assert!(host.all("buttons_state").is_empty());
    host.bench.inputs.insert(host.pin("PD1") as u16, true);
    host.run(250_000_000);
    let states = host.all("buttons_state");
    assert!((2..=4).contains(&states.len()), "sent and repeated: {}", states.len());
    assert!(states.iter().all(|state| state.bytes == [2] && state.ints["ack_count"] == 0));
    send!(host, buttons_ack, 0, 1);
    host.run(1_000_000_000);
    assert_eq!(host.all("buttons_state").len(), states.len());
    host.bench.inputs.clear();
    host.run(20_000_000);
    let last = host.all("buttons_state").pop().unwrap();
    assert_eq!((last.bytes, last.ints["ack_count"]), (vec![0], 1));
}

#[test]
fn a_counter_counts_edges_and_tells_when_the_last_one_was() {
    let mut host = configured(|host| send!(host, config_counter, 0, host.pin("PD2"), 1));
    let start = host.clock() + 1_680_000;
    send!(host, query_counter, 0, start, 16_800, 168_000_000);
    for edge in 0..20 {
        host.bench.inputs.insert(host.pin("PD2") as u16, edge % 2 == 0);
        host.run(10_000_000);
    }
    host.run(1_000_000_000);
    let last = host.all("counter_state").pop().unwrap();
    assert_eq!(last.ints["count"], 20);
    assert!(last.ints["count_clock"] < last.ints["next_clock"]);
}

#[test]
fn lights_get_the_colours_that_were_sent() {
    let mut host = configured(|host| send!(host, config_neopixel, 0, host.pin("PD3"), 6, 504, 8400));
    send!(host, neopixel_update, 0, 2, &[1, 2, 3, 4][..]);
    let result = host.ask("neopixel_send", &[Arg::Int(0)], "neopixel_result");
    assert_eq!(result.ints["success"], 1);
    assert_eq!(host.mcu.lights(host.pin("PD3") as u16), [0, 0, 1, 2, 3, 4]);
    send!(host, neopixel_update, 0, 3, &[1, 2, 3, 4][..]);
    host.assert_shutdown("Invalid neopixel update command");
}
