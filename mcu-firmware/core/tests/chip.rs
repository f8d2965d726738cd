//! The firmware on a chip whose time is in the test's hands: what happens when it is late, and the ways in which a
//! board with plain pins does what a better board does by itself.

use drydock_firmware::{AdcSample, Board, Firmware, Link, Lock, Mcu, Pin, Pull, Shutdown, SpiBus, spi_bit_bang};
use drydock_protocol::block::{Deframer, Event, frame};
use drydock_protocol::{Catalogue, Dictionary, Value};
use proptest::prelude::*;

/// A chip with 256 pins; each look at the clock may cost time.
#[derive(Default)]
struct Chip {
    now: u32,
    levels: Vec<bool>,
    edges: Vec<(u32, Pin, bool)>,
    adc_waits: u32,
    resets: u32,
    /// What the input beside an SPI bus reads: the output that it is tied to.
    loop_back: Option<(Pin, Pin)>,
}

impl Chip {
    fn new() -> Self {
        Self { now: u32::MAX - 1_000_000, levels: vec![false; 256], ..Self::default() }
    }
}

impl Board for Chip {
    fn clock_freq_hz(&self) -> u32 {
        168_000_000
    }
    fn now(&self) -> u32 {
        self.now
    }
    fn delay(&mut self, ticks: u32) {
        self.now = self.now.wrapping_add(ticks);
    }
    fn move_count(&self) -> u16 {
        16
    }
    fn short_pulse_ticks(&self) -> u32 {
        100
    }
    fn dictionary(&self) -> &[u8] {
        b"0123456789"
    }
    fn output_setup(&mut self, pin: u32, level: bool) -> Result<Pin, Shutdown> {
        if pin >= 256 {
            return Err(Shutdown::OutputPin);
        }
        self.output_write(pin as Pin, level);
        Ok(pin as Pin)
    }
    fn output_write(&mut self, pin: Pin, level: bool) {
        self.levels[usize::from(pin)] = level;
        self.edges.push((self.now, pin, level));
    }
    fn output_toggle(&mut self, pin: Pin) {
        self.output_write(pin, !self.levels[usize::from(pin)]);
    }
    fn input_setup(&mut self, pin: u32, _pull: Pull) -> Result<Pin, Shutdown> {
        if pin < 256 { Ok(pin as Pin) } else { Err(Shutdown::InputPin) }
    }
    fn input_read(&mut self, pin: Pin) -> bool {
        match self.loop_back {
            Some((input, output)) if input == pin => self.levels[usize::from(output)],
            _ => false,
        }
    }
    fn adc_setup(&mut self, pin: u32) -> Result<Pin, Shutdown> {
        if pin < 16 { Ok(pin as Pin) } else { Err(Shutdown::AdcPin) }
    }
    fn adc_sample(&mut self, _pin: Pin) -> AdcSample {
        if self.adc_waits > 0 {
            self.adc_waits -= 1;
            return AdcSample::Wait { ticks: 300 };
        }
        AdcSample::Ready(1000)
    }
    fn adc_cancel(&mut self, _pin: Pin) {}
    fn pwm_setup(&mut self, pin: u32, _cycle_ticks: u32, _value: u16) -> Result<Pin, Shutdown> {
        if pin < 4 { Ok(pin as Pin) } else { Err(Shutdown::PwmPin) }
    }
    fn pwm_write(&mut self, _pin: Pin, _value: u16) {}
    fn spi_setup(&mut self, bus: SpiBus) -> Result<(), Shutdown> {
        if matches!(bus, SpiBus::Software { .. }) { Ok(()) } else { Err(Shutdown::SpiBus) }
    }
    fn spi_transfer(&mut self, bus: SpiBus, data: &mut [u8]) {
        if let SpiBus::Software { miso, mosi, sclk, mode, pulse_ticks } = bus {
            spi_bit_bang(self, (miso, mosi, sclk), mode, pulse_ticks, data);
        }
    }
    fn reset(&mut self) {
        self.resets += 1;
    }
}

/// What the main loop holds. Before each time that it borrows the firmware, which takes `lock_ticks`, the next timer runs if
/// it is due within `ahead`; where `is_interrupted`, all run that are due.
struct MainLoop {
    mcu: Mcu<Chip>,
    sent: Vec<u8>,
    ahead: u32,
    lock_ticks: u32,
    is_interrupted: bool,
}

impl Lock for MainLoop {
    type Board = Chip;
    fn lock<T>(&mut self, work: impl FnOnce(&mut Firmware, &mut Chip) -> T) -> T {
        let Self { mcu, ahead, .. } = self;
        mcu.board.now = mcu.board.now.wrapping_add(self.lock_ticks);
        if self.is_interrupted {
            mcu.timer_irq();
        }
        if let Some(wake) = mcu.next_timer().filter(|wake| wake.wrapping_sub(mcu.board.now) < *ahead) {
            mcu.board.now = wake;
            mcu.timer_irq();
        }
        work(&mut mcu.firmware, &mut mcu.board)
    }
    fn serial_write(&mut self, bytes: &[u8]) -> bool {
        self.sent.extend_from_slice(bytes);
        true
    }
}

struct Rig {
    main_loop: MainLoop,
    link: Link,
    deframer: Deframer,
    dictionary: Dictionary,
    catalogue: Catalogue,
    seq: u8,
}

impl Rig {
    fn new() -> Self {
        let dictionary = drydock_firmware::dictionary(&Default::default());
        let catalogue = Catalogue::new(&dictionary).unwrap();
        let mut main_loop =
            MainLoop { mcu: Mcu::new(Chip::new()), sent: vec![], ahead: 0, lock_ticks: 0, is_interrupted: false };
        let mut link = Link::new();
        link.announce(&mut main_loop);
        Self { main_loop, link, deframer: Deframer::new(), dictionary, catalogue, seq: 0 }
    }

    /// A stepper (oid 0, pins 10 and 11) with pulses of `pulse_ticks`, and an analog input (oid 1).
    fn configured(pulse_ticks: i64) -> Self {
        let mut rig = Self::new();
        rig.send("allocate_oids", &[4]);
        rig.send("config_stepper", &[0, 10, 11, 0, pulse_ticks]);
        rig.send("config_analog_in", &[1, 3]);
        rig.send("config_spi", &[2, 20, 0]);
        rig.send("config_neopixel", &[3, 30, 3, 10_000, 100]);
        rig.send("finalize_config", &[0]);
        rig.main_loop.mcu.board.edges.clear();
        rig
    }

    fn rx(&mut self, bytes: &[u8]) {
        self.link.rx(&mut self.main_loop, &mut self.deframer, bytes);
    }

    fn run_tasks(&mut self) {
        self.link.run_tasks(&mut self.main_loop);
    }

    fn send(&mut self, name: &str, args: &[i64]) {
        let values: Vec<_> = args.iter().map(|arg| Value::Int(*arg)).collect();
        self.send_values(name, &values);
    }

    fn send_values(&mut self, name: &str, values: &[Value<'_>]) {
        let mut content = vec![];
        self.catalogue.command(name).unwrap().encode(values, &mut content).unwrap();
        let mut block = vec![];
        assert!(frame(self.seq, &content, &mut block));
        self.seq = (self.seq + 1) & 15;
        self.rx(&block);
        self.run_tasks();
    }

    /// Lets the clock go on to `clock`, running each timer `late` ticks after its time.
    fn run_to(&mut self, clock: u32, late: u32) {
        while let Some(wake) = self.main_loop.mcu.next_timer() {
            if (wake.wrapping_sub(clock) as i32) > 0 {
                break;
            }
            let mcu = &mut self.main_loop.mcu;
            if (wake.wrapping_sub(mcu.board.now) as i32) > 0 {
                mcu.board.now = wake;
            }
            mcu.board.now = mcu.board.now.wrapping_add(late);
            mcu.timer_irq();
            self.run_tasks();
        }
        self.main_loop.mcu.board.now = clock;
    }

    /// The messages sent so far: name, and arguments up to the first that is bytes.
    fn messages(&self) -> Vec<(String, Vec<u32>)> {
        let mut messages = vec![];
        let mut deframer = Deframer::new();
        let mut input = &self.main_loop.sent[..];
        while let Some(event) = deframer.next(&mut input) {
            let Event::Block(block) = event else { panic!("bad block") };
            let mut reader = drydock_protocol::vlq::Reader::new(block.content);
            if let Some(message) = self.catalogue.incoming(&mut reader) {
                messages.push((message.format.name.clone(), std::iter::from_fn(|| reader.int()).collect()));
            }
        }
        messages
    }

    /// Names of the messages sent so far.
    fn names(&self) -> Vec<String> {
        self.messages().into_iter().map(|(name, _)| name).collect()
    }

    fn shutdown(&self) -> Option<&'static str> {
        self.main_loop.mcu.firmware.shutdown_reason().map(Shutdown::text)
    }
}

#[test]
fn a_chip_announces_itself() {
    assert_eq!(Rig::new().names(), ["starting"]);
}

#[test]
fn a_long_pulse_is_two_events_and_at_least_as_wide_as_asked() {
    let mut rig = Rig::configured(336);
    let start = rig.main_loop.mcu.board.now.wrapping_add(10_000);
    rig.send("reset_step_clock", &[0, i64::from(start)]);
    rig.send("queue_step", &[0, 5000, 4, 0]);
    rig.run_to(start.wrapping_add(1_000_000), 3);
    let edges: Vec<_> = rig.main_loop.mcu.board.edges.iter().map(|edge| (edge.0.wrapping_sub(start), edge.2)).collect();
    let expected: Vec<_> = (1..=4).flat_map(|k| [(k * 5000 + 3, true), (k * 5000 + 3 + 336 + 3, false)]).collect();
    assert_eq!(edges, expected);
    assert_eq!(rig.shutdown(), None);
}

#[test]
fn steps_too_close_for_their_pulses_come_late_and_are_all_made() {
    let mut rig = Rig::configured(336);
    let start = rig.main_loop.mcu.board.now.wrapping_add(10_000);
    rig.send("reset_step_clock", &[0, i64::from(start)]);
    rig.send("queue_step", &[0, 500, 20, 0]);
    rig.run_to(start.wrapping_add(1_000_000), 0);
    assert_eq!(rig.main_loop.mcu.board.edges.len(), 40);
    assert!(rig.main_loop.mcu.board.edges.windows(2).all(|pair| pair[1].0.wrapping_sub(pair[0].0) >= 336));
}

#[test]
fn a_stepper_a_millisecond_behind_is_given_up() {
    for (late, expected) in [(160_000, None), (180_000, Some("Stepper too far in past"))] {
        let mut rig = Rig::configured(100);
        let start = rig.main_loop.mcu.board.now.wrapping_add(10_000);
        rig.send("reset_step_clock", &[0, i64::from(start)]);
        rig.send("queue_step", &[0, 1000, 1, 0]);
        rig.send("queue_step", &[0, 1000, 1, 0]);
        rig.main_loop.mcu.board.now = start.wrapping_add(2000 + late);
        rig.main_loop.mcu.timer_irq();
        rig.run_tasks();
        assert_eq!(rig.shutdown(), expected, "late by {late}");
        assert_eq!(rig.names().contains(&"shutdown".to_owned()), expected.is_some());
    }
}

#[test]
fn a_move_that_runs_a_millisecond_behind_stops_the_chip() {
    let mut rig = Rig::configured(100);
    let start = rig.main_loop.mcu.board.now.wrapping_add(10_000);
    rig.send("reset_step_clock", &[0, i64::from(start)]);
    rig.send("queue_step", &[0, 1000, 1000, 0]);
    rig.main_loop.mcu.board.now = start.wrapping_add(1000 + 180_000);
    rig.main_loop.mcu.timer_irq();
    assert_eq!(rig.shutdown(), Some("Rescheduled timer in the past"));
}

#[test]
fn an_analog_input_waits_for_its_conversion() {
    let mut rig = Rig::configured(100);
    rig.main_loop.mcu.board.adc_waits = 3;
    let start = rig.main_loop.mcu.board.now.wrapping_add(10_000);
    rig.send("query_analog_in", &[1, i64::from(start), 1000, 2, 100_000, 2, 0, 65535, 0]);
    rig.run_to(start.wrapping_add(50_000), 0);
    assert_eq!(rig.names().pop().as_deref(), Some("analog_in_state"));
    assert_eq!(rig.main_loop.mcu.next_timer(), Some(start.wrapping_add(100_000)));
}

#[test]
fn bit_banged_spi_reads_back_what_it_writes_in_each_mode() {
    for mode in 0..4 {
        let mut rig = Rig::configured(100);
        rig.main_loop.mcu.board.loop_back = Some((21, 22));
        rig.send("spi_set_sw_bus", &[2, 21, 22, 23, mode, 50]);
        rig.main_loop.sent.clear();
        rig.main_loop.mcu.board.edges.clear();
        rig.send_values("spi_transfer", &[Value::Int(2), Value::Bytes(&[0xa5, 0x3c])]);
        let id = rig.dictionary.responses["spi_transfer_response oid=%c response=%*s"] as u8;
        assert_eq!(rig.main_loop.sent[2..7], [id, 2, 2, 0xa5, 0x3c]);
        let clocks: Vec<_> =
            rig.main_loop.mcu.board.edges.iter().filter(|edge| edge.1 == 23).map(|edge| edge.2).collect();
        let active = clocks.iter().filter(|level| **level != (mode & 2 != 0)).count();
        assert_eq!(active, 16, "mode {mode}");
        let edges: Vec<_> = rig.main_loop.mcu.board.edges.iter().map(|edge| (edge.1, edge.2)).collect();
        assert_eq!(edges[..2], [(23, mode & 2 != 0), (20, false)], "the clock rests before the device is selected");
        assert_eq!(edges.last(), Some(&(20, true)), "selected for all of it");
    }
}

#[test]
fn bit_banged_lights_tell_ones_from_zeros_by_width() {
    let mut rig = Rig::configured(100);
    rig.send_values("neopixel_update", &[Value::Int(3), Value::Int(0), Value::Bytes(&[0xff, 0x00, 0xa0])]);
    rig.main_loop.mcu.board.edges.clear();
    rig.send("neopixel_send", &[3]);
    let bits: Vec<_> =
        rig.main_loop.mcu.board.edges.chunks(2).map(|pair| pair[1].0.wrapping_sub(pair[0].0) > 100).collect();
    let expected: Vec<_> =
        [0xff_u8, 0x00, 0xa0].iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 != 0)).collect();
    assert_eq!(bits, expected);
    assert_eq!(rig.names().pop().as_deref(), Some("neopixel_result"));
}

/// How late each of a few steps comes, and the last message, when `name` is sent while they are due.
fn steps_beside(name: &str, values: &[Value<'_>]) -> (Vec<u32>, Option<String>) {
    let mut rig = Rig::configured(100);
    rig.send("spi_set_sw_bus", &[2, 21, 22, 23, 0, 40]);
    rig.main_loop.is_interrupted = true;
    let start = rig.main_loop.mcu.board.now.wrapping_add(100);
    rig.send("reset_step_clock", &[0, i64::from(start)]);
    rig.send("queue_step", &[0, 700, 6, 0]);
    rig.send_values(name, values);
    assert_eq!(rig.shutdown(), None);
    let edges = rig.main_loop.mcu.board.edges.iter().filter(|edge| edge.1 == 10 && edge.2);
    let late = edges.zip(1..).map(|(edge, n)| edge.0.wrapping_sub(start.wrapping_add(n * 700)));
    (late.collect(), rig.names().pop())
}

#[test]
fn steps_wait_for_one_bit_of_a_chain_of_lights_at_most() {
    let (late, last) = steps_beside("neopixel_send", &[Value::Int(3)]);
    assert_eq!((late.len(), last.as_deref()), (6, Some("neopixel_result")));
    assert!(late.iter().all(|ticks| *ticks <= 210), "a bit is 210 ticks: {late:?}");
}

#[test]
fn steps_wait_for_one_byte_of_a_transfer_at_most() {
    for (name, answer) in [("spi_transfer", "spi_transfer_response"), ("spi_send", "")] {
        let (late, last) = steps_beside(name, &[Value::Int(2), Value::Bytes(&[0x5a; 12])]);
        assert_eq!(late.len(), 6, "all of them during the transfer");
        assert!(late.iter().all(|ticks| *ticks <= 640), "a byte is 640 ticks: {late:?}");
        assert_eq!(last.unwrap_or_default() == "spi_transfer_response", !answer.is_empty(), "{name}");
    }
}

#[test]
fn a_shutdown_in_the_middle_of_a_transfer_lets_go_of_the_device() {
    let mut rig = Rig::configured(100);
    rig.send("spi_set_sw_bus", &[2, 21, 22, 23, 0, 40]);
    let start = rig.main_loop.mcu.board.now.wrapping_add(100);
    rig.send("reset_step_clock", &[0, i64::from(start)]);
    rig.send("queue_step", &[0, 700, 6, 0]);
    (rig.main_loop.is_interrupted, rig.main_loop.lock_ticks) = (true, 170_000);
    rig.send_values("spi_transfer", &[Value::Int(2), Value::Bytes(&[0x5a; 12])]);
    assert_eq!(rig.shutdown(), Some("Rescheduled timer in the past"));
    assert!(rig.main_loop.mcu.board.levels[20], "selected when low");
    assert!(!rig.names().contains(&"spi_transfer_response".to_owned()));
}

#[test]
fn lights_that_waited_too_long_between_two_bits_are_the_host_s_to_repeat() {
    for (gap, expected) in [(9_000, 1), (11_000, 0)] {
        let mut rig = Rig::configured(100);
        rig.main_loop.lock_ticks = gap;
        rig.send("neopixel_send", &[3]);
        let last = rig.messages().pop();
        assert_eq!(last, Some(("neopixel_result".to_owned(), vec![3, expected])), "{gap} of 10,000 ticks");
    }
}

#[test]
fn what_a_board_refuses_is_the_shutdown_that_hosts_see() {
    for (name, args, text) in [
        ("config_analog_in", &[0, 99][..], "Not a valid ADC pin"),
        ("config_pwm_out", &[0, 99, 100, 0, 0, 0], "Not a valid PWM pin"),
        ("config_digital_out", &[0, 999, 0, 0, 0], "Not an output pin"),
        ("config_counter", &[0, 999, 0], "Not a valid input pin"),
        ("config_buttons", &[0, 9], "Max of 8 buttons"),
        ("config_neopixel", &[0, 1, 0, 1, 1], "Invalid neopixel data_size"),
    ] {
        let mut rig = Rig::new();
        rig.send("allocate_oids", &[1]);
        rig.send(name, args);
        assert_eq!(rig.shutdown(), Some(text));
    }
}

#[test]
fn identify_gives_the_board_s_bytes_and_then_none() {
    let mut rig = Rig::new();
    for (offset, expected) in [(0, &b"0123"[..]), (8, b"89"), (10, b""), (4_000_000_000, b"")] {
        rig.main_loop.sent.clear();
        rig.send("identify", &[offset, 4]);
        let sent = &rig.main_loop.sent;
        let end = usize::from(sent[0]) - 3;
        assert!(sent[..end].ends_with(expected));
        assert_eq!(usize::from(sent[end - expected.len() - 1]), expected.len());
    }
}

#[test]
fn timers_run_between_any_two_commands_of_a_block_and_before_its_acknowledgement() {
    let mut rig = Rig::configured(100);
    let start = rig.main_loop.mcu.board.now.wrapping_add(10_000);
    let mut content = vec![];
    for (name, args) in [
        ("reset_step_clock", vec![0, i64::from(start)]),
        ("queue_step", vec![0, 1000, 1, 0]),
        ("queue_step", vec![0, 1000, 1, 0]),
        ("stepper_get_position", vec![0]),
        ("queue_step", vec![0, 1000, 1, 0]),
        ("stepper_get_position", vec![0]),
    ] {
        let values: Vec<_> = args.into_iter().map(Value::Int).collect();
        rig.catalogue.command(name).unwrap().encode(&values, &mut content).unwrap();
    }
    let mut block = vec![];
    assert!(frame(rig.seq, &content, &mut block));
    rig.main_loop.sent.clear();
    rig.main_loop.ahead = 50_000;
    rig.rx(&block);
    let edges: Vec<_> = rig.main_loop.mcu.board.edges.iter().filter(|edge| edge.1 == 10 && edge.2).collect();
    let clocks: Vec<_> = edges.iter().map(|edge| edge.0.wrapping_sub(start)).collect();
    assert_eq!(clocks, [1000, 2000, 3000]);
    let id = rig.dictionary.responses["stepper_position oid=%c pos=%i"] as u8;
    let (seq, sent) = (rig.seq + 1, &rig.main_loop.sent);
    let (mut deframer, mut input, mut said) = (Deframer::new(), &sent[..], vec![]);
    while let Some(Event::Block(block)) = deframer.next(&mut input) {
        assert_eq!(block.seq, seq & 15);
        said.push(block.content.to_vec());
    }
    assert_eq!(said, [vec![id, 0, 126], vec![id, 0, 125], vec![]], "in order, and acknowledged last");
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
        let mut rig = Rig::configured(100);
        for chunk in chunks {
            rig.rx(&chunk);
            rig.run_tasks();
        }
    }

    #[test]
    fn any_content_of_good_blocks_is_taken_without_panic(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..59), 0..20),
        jumps in prop::collection::vec(any::<u32>(), 20),
    ) {
        let mut rig = Rig::configured(100);
        for (content, jump) in contents.iter().zip(jumps) {
            let mut block = vec![];
            prop_assert!(frame(rig.seq, content, &mut block));
            rig.seq = (rig.seq + 1) & 15;
            rig.rx(&block);
            rig.main_loop.mcu.board.now = rig.main_loop.mcu.board.now.wrapping_add(jump >> 12);
            rig.main_loop.mcu.timer_irq();
            rig.run_tasks();
        }
    }
}
