//! Steps from the wire to the pin: exact times, positions, directions, homing, and the late rules.

use crate::common::{Arg, Host, send};
use drydock_virtual_mcu::McuConfig;

const STEPPER: i64 = 0;
const TRSYNC: i64 = 1;
const ENDSTOP: i64 = 2;

/// A host with a stepper on PA0 (step) and PA1 (direction), a trsync and an endstop on PA2.
fn host_with(config: McuConfig, invert_step: i64, pulse_ticks: i64) -> Host {
    let mut host = Host::connected(config);
    send!(host, allocate_oids, 3);
    send!(host, config_stepper, STEPPER, host.pin("PA0"), host.pin("PA1"), invert_step, pulse_ticks);
    send!(host, config_trsync, TRSYNC);
    send!(host, config_endstop, ENDSTOP, host.pin("PA2"), 1);
    host.finalize();
    host
}

fn host() -> Host {
    host_with(McuConfig::default(), -1, 16)
}

/// Queues moves of (interval, count, add) and direction, beginning `lead` ticks from now; the clock they start from.
fn queue_moves(host: &mut Host, lead: i64, moves: &[(i64, i64, i64, bool)]) -> i64 {
    let start = host.clock() + lead;
    send!(host, reset_step_clock, STEPPER, start);
    for (interval, count, add, dir) in moves {
        host.queue("set_next_step_dir", &[Arg::Int(STEPPER), Arg::Int(i64::from(*dir))]);
        host.queue("queue_step", &[Arg::Int(STEPPER), Arg::Int(*interval), Arg::Int(*count), Arg::Int(*add)]);
    }
    host.flush();
    start
}

/// Step times of moves, as their definition gives them.
fn step_clocks(start: i64, moves: &[(i64, i64, i64, bool)]) -> Vec<u64> {
    let mut clocks = vec![];
    let mut clock = start;
    for (interval, count, add, _) in moves {
        let mut interval = *interval;
        for _ in 0..*count {
            clock += interval;
            interval += add;
            clocks.push(clock as u64);
        }
    }
    clocks
}

#[test]
fn a_fresh_board_is_identified_configured_and_asked() {
    let mut host = host();
    let config = host.ask("get_config", &[], "config");
    assert_eq!((config.ints["is_config"], config.ints["crc"], config.ints["move_count"]), (1, 1234, 1024));
    assert_eq!(host.position(STEPPER), 0);
    let clock = host.ask("get_clock", &[], "clock");
    assert_eq!(clock.ints["clock"], host.mcu.oscillator().tick_at(clock.at_ns) as i64);
}

#[test]
fn every_edge_is_at_the_very_tick_that_was_queued_for_each_shape_of_pulse() {
    let moves = [(5_000_000, 1, 0, true), (40_000, 200, -150, true), (10_000, 1000, 0, true), (10_000, 300, 32, false)];
    for (invert_step, pulse_ticks) in [(-1, 16), (0, 336), (1, 336), (0, 2000), (1, 2000)] {
        let mut host = host_with(McuConfig::default(), invert_step, pulse_ticks);
        let start = queue_moves(&mut host, 1000, &moves);
        host.run(1_000_000_000);
        let expected: Vec<_> =
            step_clocks(start, &moves).iter().map(|clock| host.mcu.oscillator().ns_of(*clock)).collect();
        let step_pin = host.pin("PA0") as u16;
        let configured = host.bench.edges.iter().position(|edge| edge.1 == step_pin).unwrap();
        let steps: Vec<_> = host.bench.edges[configured + 1..]
            .iter()
            .filter(|edge| edge.1 == step_pin && (invert_step == -1 || edge.2 == (invert_step == 0)))
            .map(|edge| edge.0)
            .collect();
        assert_eq!(steps, expected, "invert_step={invert_step} pulse={pulse_ticks}");
        assert_eq!(host.position(STEPPER), 1 + 200 + 1000 - 300);
        assert!(!host.mcu.is_shutdown());
    }
}

#[test]
fn the_direction_changes_after_the_last_step_and_before_the_next() {
    for (invert_step, pulse_ticks) in [(-1, 16), (0, 336), (0, 2000)] {
        let mut host = host_with(McuConfig::default(), invert_step, pulse_ticks);
        queue_moves(&mut host, 1_000_000, &[(20_000, 10, 0, true), (20_000, 10, 0, false), (20_000, 10, 0, true)]);
        host.run(100_000_000);
        let (step_pin, dir_pin) = (host.pin("PA0") as u16, host.pin("PA1") as u16);
        let turns: Vec<_> = host.bench.edges.iter().filter(|edge| edge.1 == dir_pin).skip(1).collect();
        assert_eq!(turns.iter().map(|edge| edge.2).collect::<Vec<_>>(), [true, false, true]);
        let pulse_ns = pulse_ticks as u64 * 1000 / 168;
        for turn in &turns[1..] {
            let nearest = host.bench.edges.iter().filter(|edge| edge.1 == step_pin).map(|edge| turn.0.abs_diff(edge.0));
            assert!(nearest.min().unwrap() + 6 >= pulse_ns);
        }
        assert_eq!(host.position(STEPPER), 10);
    }
}

#[test]
fn a_position_asked_for_in_the_middle_counts_the_steps_made() {
    let mut host = host();
    let start = queue_moves(&mut host, 168_000, &[(168_000, 1000, 0, true)]);
    host.run(100_000_000);
    let answer = host.ask("stepper_get_position", &[Arg::Int(STEPPER)], "stepper_position");
    let made = (host.mcu.oscillator().tick_at(answer.at_ns) as i64 - start) / 168_000;
    assert_eq!(answer.ints["pos"], made);
    assert!((90..120).contains(&made));
}

#[test]
fn a_step_in_the_past_of_an_idle_stepper_is_too_close() {
    let mut host = host();
    let clock = host.clock();
    send!(host, reset_step_clock, STEPPER, clock - 1_000_000);
    send!(host, queue_step, STEPPER, 10, 1, 0);
    host.assert_shutdown("Timer too close");
}

#[test]
fn bad_step_commands_shut_down_with_their_own_reasons() {
    type Story = fn(&mut Host);
    let stories: [(&str, Story); 7] = [
        ("Invalid count parameter", |host| send!(host, queue_step, STEPPER, 1000, 0, 0)),
        ("Invalid oid type", |host| send!(host, queue_step, TRSYNC, 1000, 1, 0)),
        ("Invalid oid type", |host| send!(host, stepper_get_position, 77)),
        ("Can't assign oid", |host| send!(host, config_trsync, 0)),
        ("oids already allocated", |host| send!(host, allocate_oids, 3)),
        ("Already finalized", |host| send!(host, finalize_config, 3)),
        ("Can't reset time when stepper active", |host| {
            queue_moves(host, 1_000_000, &[(10_000_000, 1, 0, true)]);
            send!(host, reset_step_clock, STEPPER, 0);
        }),
    ];
    for (text, story) in stories {
        let mut host = host();
        story(&mut host);
        host.assert_shutdown(text);
    }
}

#[test]
fn the_move_after_the_last_slot_overflows_the_move_queue() {
    let mut host = host_with(McuConfig { move_count: 8, ..McuConfig::default() }, -1, 16);
    queue_moves(&mut host, 10_000_000, &[(10_000_000, 1, 0, true); 9]);
    assert!(!host.mcu.is_shutdown(), "one is loaded and eight wait");
    send!(host, queue_step, STEPPER, 1000, 1, 0);
    host.assert_shutdown("Move queue overflow");
}

#[test]
fn a_shutdown_gives_every_slot_back_and_keeps_the_position() {
    let mut host = host_with(McuConfig { move_count: 8, ..McuConfig::default() }, -1, 16);
    queue_moves(&mut host, 1_000_000, &[(16_800, 1000, 0, true); 9]);
    host.run(20_000_000);
    send!(host, emergency_stop);
    send!(host, clear_shutdown);
    let steps = host.bench.edges.iter().filter(|edge| edge.1 == host.pin("PA0") as u16).count() as i64 - 1;
    assert_eq!(host.position(STEPPER), steps);
    queue_moves(&mut host, 10_000_000, &[(10_000_000, 1, 0, true); 9]);
    assert!(!host.mcu.is_shutdown());
    send!(host, queue_step, STEPPER, 1000, 1, 0);
    assert_eq!(host.mcu.last_shutdown(), Some("Move queue overflow"));
}

#[test]
fn a_chip_that_cannot_keep_up_says_so() {
    let mut host = host_with(McuConfig { event_ticks: 500, ..McuConfig::default() }, -1, 16);
    queue_moves(&mut host, 1_000_000, &[(400, 10_000, 0, true)]);
    host.run(100_000_000);
    host.assert_shutdown("Rescheduled timer in the past");
}

#[test]
fn homing_stops_at_the_switch_and_the_host_can_tell_when() {
    let mut host = host();
    let closes_ns = host.now_ns + 300_000_000;
    host.bench.switches.insert(host.pin("PA2") as u16, closes_ns);
    let start = host.clock() + 1_680_000;
    let (sample_ticks, rest_ticks) = (2520, 84_000);
    send!(host, stepper_stop_on_trigger, STEPPER, TRSYNC);
    send!(host, trsync_start, TRSYNC, start, 12_600_000, 4);
    send!(host, stepper_stop_on_trigger, STEPPER, TRSYNC);
    send!(host, trsync_set_timeout, TRSYNC, start + 168_000_000);
    send!(host, endstop_home, ENDSTOP, start, sample_ticks, 4, rest_ticks, 1, TRSYNC, 1);
    queue_moves(&mut host, 1_000_000, &[(16_800, 60_000, 0, true)]);
    host.run(1_000_000_000);

    let states = host.all("trsync_state");
    let trigger = states.iter().find(|state| state.ints["can_trigger"] == 0).unwrap();
    assert_eq!(trigger.ints["trigger_reason"], 1);
    assert!(states.iter().filter(|state| state.ints["can_trigger"] == 1).count() >= 3, "periodic reports");

    let endstop = host.ask("endstop_query_state", &[Arg::Int(ENDSTOP)], "endstop_state");
    assert_eq!((endstop.ints["homing"], endstop.ints["pin_value"]), (0, 1));
    let trigger_clock = endstop.ints["next_clock"] - rest_ticks;
    let closes_clock = host.mcu.oscillator().tick_at(closes_ns) as i64;
    assert!((0..=rest_ticks).contains(&(trigger_clock - closes_clock)));
    assert_eq!(trigger.ints["clock"], trigger_clock + 3 * sample_ticks);

    let steps = host.bench.edges.iter().filter(|edge| edge.1 == host.pin("PA0") as u16).count() as i64 - 1;
    assert_eq!(host.position(STEPPER), steps);
    // Steps are refused until the clock is set, then go on from the same position.
    send!(host, queue_step, STEPPER, 1000, 1, 0);
    host.run(1_000_000);
    assert_eq!(host.position(STEPPER), steps);
    let answer = host.ask("trsync_trigger", &[Arg::Int(TRSYNC), Arg::Int(2)], "trsync_state");
    assert_eq!(answer.ints["trigger_reason"], 1);
    queue_moves(&mut host, 1_000_000, &[(16_800, 10, 0, true)]);
    host.run(10_000_000);
    assert_eq!(host.position(STEPPER), steps + 10);
    assert!(!host.mcu.is_shutdown());
}

#[test]
fn a_silent_host_stops_the_move_by_timeout() {
    let mut host = host();
    let start = host.clock() + 1_680_000;
    send!(host, trsync_start, TRSYNC, start, 4_200_000, 4);
    send!(host, stepper_stop_on_trigger, STEPPER, TRSYNC);
    send!(host, trsync_set_timeout, TRSYNC, start + 4_200_000);
    queue_moves(&mut host, 1_000_000, &[(16_800, 60_000, 0, true)]);
    host.run(1_000_000_000);
    let state = host.all("trsync_state").pop().unwrap();
    assert_eq!((state.ints["can_trigger"], state.ints["trigger_reason"]), (0, 4));
    assert_eq!(state.ints["clock"], start + 4_200_000);
    assert!(host.position(STEPPER) < 400);
}

#[test]
fn a_trigger_asked_for_when_nothing_runs_is_answered_all_the_same() {
    let mut host = host();
    let answer = host.ask("trsync_trigger", &[Arg::Int(TRSYNC), Arg::Int(2)], "trsync_state");
    assert_eq!((answer.ints["can_trigger"], answer.ints["trigger_reason"]), (0, 0));
}
