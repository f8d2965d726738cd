//! When commands leave: not before the micro-controller may have them, in time for their deadline, in full blocks.

use crate::bench::{Bench, FREQ};
use drydock_host::mcu::Mcu;
use drydock_host::reactor::Reactor;

#[test]
fn the_clock_is_known_to_a_few_microseconds() {
    let mut bench = Bench::new(1);
    bench.fake.freq = FREQ * 1.000_03;
    bench.connect();
    bench.run(60.0);
    let error_s = (bench.mcu.estimated_clock(60.0) - bench.fake.clock(60.0)) as f64 / FREQ;
    assert!(error_s.abs() < 20e-6, "{error_s}");
    let measured = bench.mcu.stats().freq_hz;
    assert!((measured / bench.fake.freq - 1.0).abs() < 2e-6, "{measured}");
    // 32-bit clocks are extended right over a wrap (268 s at 16 MHz).
    bench.run(300.0);
    let clock = bench.fake.clock(300.0);
    assert_eq!(bench.mcu.clock32_to_clock64(clock as u32), clock);
}

#[test]
fn a_command_arrives_after_its_min_clock_and_before_its_deadline() {
    let mut bench = Bench::new(1);
    bench.connect();
    let cmd = bench.mcu.lookup_command("queue_digital_out oid=%c clock=%u on_ticks=%u").unwrap();
    let queue = bench.mcu.alloc_queue();
    let (start, start_clock) = (bench.now, bench.fake.clock(bench.now) as u64);
    let at = |seconds: f64| start_clock + (seconds * FREQ) as u64;
    // (min, deadline): a far deadline, a later min than the usual lead, and an urgent one of another queue between.
    for (number, (min, req)) in [(0.0, 1.0), (1.5, 1.52), (2.0, 3.0)].into_iter().enumerate() {
        let args = [(number as u8).into(), (at(req) as u32).into(), 0.into()];
        bench.mcu.send(&cmd, &args, queue, at(min), at(req));
    }
    let urgent = [9.into(), 0.into(), 0.into()];
    bench.mcu.send(&cmd, &urgent, bench.mcu.alloc_queue(), 0, 0);
    bench.run(start + 4.0);
    let arrived: Vec<(f64, u8)> = bench
        .fake
        .done
        .iter()
        .filter(|done| done.text.starts_with("queue_digital_out"))
        .map(|done| (done.time - start, done.text.as_bytes()["queue_digital_out oid=".len()] - b'0'))
        .collect();
    let order: Vec<u8> = arrived.iter().map(|(_, number)| *number).collect();
    assert_eq!(order, [9, 0, 1, 2], "{arrived:?}");
    for ((time, number), (earliest, latest)) in
        arrived.iter().zip([(0.0, 0.01), (0.88, 0.92), (1.5, 1.51), (2.88, 2.92)])
    {
        assert!((earliest..latest).contains(time), "{number} at {time}");
    }
}

#[test]
fn steps_fill_blocks_and_wait_for_room_in_the_move_queue() {
    let mut bench = Bench::new(1);
    bench.fake.move_count = 20;
    let queues = [bench.mcu.step_queue(0), bench.mcu.step_queue(1)];
    bench.connect();
    let blocks_before = bench.fake.blocks;
    let start = bench.now + 0.3;
    let start_clock = bench.fake.clock(start) as u64;
    let interval = 160_000_u64;
    for (at, queue) in queues.iter().enumerate() {
        queue.set_dir(at == 0);
        for number in 1..=200_u64 {
            let clock = start_clock + number * interval + at as u64 * 10;
            queue.queue_step(interval as u32, 1, 0, clock, clock);
        }
    }
    bench.mcu.flush_moves(u64::MAX, 0);
    bench.run(start + 3.0);
    let steps: Vec<(f64, char)> = bench
        .fake
        .done
        .iter()
        .filter(|done| done.text.starts_with("queue_step"))
        .map(|done| (done.time, done.text.as_bytes()["queue_step oid=".len()] as char))
        .collect();
    assert_eq!(steps.len(), 400);
    for (number, (time, oid)) in steps.iter().enumerate() {
        assert_eq!(*oid, if number % 2 == 0 { '0' } else { '1' }, "the two steppers take turns");
        let first_s = start + (number / 2 + 1) as f64 * interval as f64 / FREQ;
        assert!(*time < first_s, "step {number} is late");
        // 20 places: this step's place was taken by the step 20 before it.
        if number >= 20 {
            let free_s = start + ((number - 20) / 2 + 1) as f64 * interval as f64 / FREQ;
            assert!(*time >= free_s, "step {number} came {} s too early", free_s - time);
        }
    }
    let _ = blocks_before;
}

#[test]
fn blocks_are_full_where_nothing_is_urgent() {
    let mut bench = Bench::new(1);
    bench.fake.move_count = 1000;
    let queue = bench.mcu.step_queue(0);
    bench.connect();
    let start_clock = bench.fake.clock(bench.now + 0.3) as u64;
    queue.set_dir(true);
    let blocks_before = bench.fake.blocks;
    for number in 1..=700_u64 {
        let clock = start_clock + number * 16_000;
        queue.queue_step(16_000, 1, 0, clock, clock);
    }
    bench.mcu.flush_moves(u64::MAX, 0);
    bench.run(bench.now + 2.0);
    let blocks = bench.fake.blocks - blocks_before;
    // 7 bytes a command, 8 commands a block; two questions for the clock.
    assert!(blocks <= 700 / 8 + 8, "{blocks}");
}

#[test]
fn a_second_clock_with_another_rate_keeps_print_time() {
    let reactor = Reactor::new();
    let main = Mcu::new(&reactor, "mcu", None);
    let second = Mcu::new(&reactor, "tool", Some(&main));
    let mut benches = [Bench::with(reactor.clone(), main, 1), Bench::with(reactor.clone(), second, 2)];
    benches[0].fake.freq = FREQ * 1.000_02;
    benches[1].fake.freq = FREQ * 0.999_95;
    benches[1].fake.clock_offset = 9e9;
    let (main, second) = (benches[0].mcu.clone(), benches[1].mcu.clone());
    let (a, b) = (main.clone(), second.clone());
    reactor.spawn("connect", async move {
        a.connect().await.unwrap();
        b.connect().await.unwrap();
    });
    let r = reactor.clone();
    let (a, b) = (main.clone(), second.clone());
    reactor.spawn("calibrate", async move {
        loop {
            r.sleep(1.0).await;
            if b.is_connected() {
                b.calibrate_clock(a.estimated_print_time(r.now()) + 0.5, r.now());
            }
        }
    });
    let mut now: f64 = 0.0;
    while now < 120.0 {
        now = benches[0].next().min(benches[1].next()).max(now);
        benches.iter_mut().for_each(|bench| bench.step(now));
    }
    assert!(second.is_connected());
    let print_time = main.estimated_print_time(now);
    let main_clock = print_time * FREQ;
    assert!((main_clock - benches[0].fake.clock(now) as f64).abs() / FREQ < 20e-6);
    let error_s = (second.print_time_to_clock(print_time) - benches[1].fake.clock(now)) as f64 / FREQ;
    assert!(error_s.abs() < 30e-6, "{error_s}");
    assert!(second.stats().to_string().contains(" adj=159988"), "{}", second.stats());
}
