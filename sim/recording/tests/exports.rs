//! What is exported is parsed back and compared with what was recorded.

use drydock_recording::*;
use std::collections::BTreeMap;
use std::io::Cursor;

const ALL: std::ops::Range<u64> = 0..u64::MAX;

fn header() -> Header {
    let stepper =
        |name: &str| Stepper { name: name.into(), mcu: "mcu".into(), clock_hz: 168e6, step_distance_mm: 0.0125 };
    Header {
        title: "a \"cube\"".into(),
        steppers: vec![stepper("stepper_x"), stepper("stepper_y")],
        heaters: vec!["extruder".into()],
        motors: vec!["x".into()],
        pins: vec!["enable x".into(), "heater".into()],
        chips: vec![Chip::adxl345("adxl345")],
        ..Header::default()
    }
}

fn record(fill: impl Fn(&mut Writer<Vec<u8>>)) -> Reader<Cursor<Vec<u8>>> {
    let mut writer = Writer::new(Vec::new(), header()).unwrap();
    fill(&mut writer);
    Reader::new(Cursor::new(writer.finish(&End::default()).unwrap())).unwrap()
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn csv_has_a_line_a_row_and_quotes_what_needs_it() {
    let mut reader = record(|w| {
        w.push(Command { at_ns: 1_000, line_no: 7, offset: 12, text: "M117 say \"hi\", twice".into() }).unwrap();
        w.push(Command { at_ns: 2_000, line_no: 8, offset: 40, text: "G1 X1.5".into() }).unwrap();
        w.push(Wire { at_ns: 5, mcu: 0, to_mcu: true, bytes: vec![0x05, 0x7e] }).unwrap();
    });
    let csv = text(|out| assert_eq!(export::csv::stream(&mut reader, "command", ALL, out).unwrap(), 2));
    assert_eq!(csv, "at_ns,line_no,offset,text\n1000,7,12,\"M117 say \"\"hi\"\", twice\"\n2000,8,40,G1 X1.5\n");
    let csv = text(|out| assert_eq!(export::csv::stream(&mut reader, "command", 1_500..9_000, out).unwrap(), 1));
    assert_eq!(csv.lines().count(), 2);
    let csv = text(|out| assert_eq!(export::csv::stream(&mut reader, "wire", ALL, out).unwrap(), 1));
    assert_eq!(csv, "at_ns,mcu,to_mcu,bytes\n5,0,1,057e\n");
    let error = export::csv::stream(&mut reader, "comands", ALL, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("comands") && error.contains("command, move"), "{error}");
}

#[test]
fn csv_calls_steppers_and_heaters_by_their_names() {
    let mut reader = record(|w| {
        w.push(Thermal { at_ns: 5, heater: 0, ..Thermal::default() }).unwrap();
        w.push(StepSegment { at_ns: 5, stepper: 1, interval_ticks: 7, count: 3, ..StepSegment::default() }).unwrap();
    });
    let csv = text(|out| assert_eq!(export::csv::stream(&mut reader, "thermal", ALL, out).unwrap(), 1));
    assert!(csv.contains("\n5,extruder,"), "{csv}");
    let csv = text(|out| assert_eq!(export::csv::stream(&mut reader, "step_segment", ALL, out).unwrap(), 1));
    assert!(csv.contains("\n5,stepper_y,7,3,"), "{csv}");
}

/// A minimal reader of VCD: signal name to its changes.
fn parse_vcd(vcd: &str) -> BTreeMap<String, Vec<(u64, String)>> {
    let mut names = BTreeMap::new();
    let mut signals: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
    let (mut scope, mut now) = (String::new(), None);
    for line in vcd.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "$scope" => scope = words[2].to_owned(),
            "$var" => {
                names.insert(words[3].to_owned(), format!("{scope}.{}", words[4]));
            }
            "$comment" | "$timescale" | "$upscope" | "$enddefinitions" => assert_eq!(words.last(), Some(&"$end")),
            time if time.starts_with('#') => {
                let time = time[1..].parse().unwrap();
                assert!(now.is_none_or(|now| time > now), "time goes on");
                now = Some(time);
            }
            value => {
                let (value, id) = match words.len() {
                    2 => (value[1..].to_owned(), words[1]),
                    _ => (value[..1].to_owned(), &value[1..]),
                };
                signals.entry(names[id].clone()).or_default().push((now.unwrap(), value));
            }
        }
    }
    signals
}

#[test]
fn vcd_has_every_step_at_its_time() {
    // Two steppers with overlapping runs, recorded one stepper after the other as a host flushes them.
    let runs = [
        StepSegment { at_ns: 10_000, stepper: 0, interval_ticks: 1680, count: 5, add_ticks: 10, forward: true },
        StepSegment { at_ns: 90_000, stepper: 0, interval_ticks: 840, count: 4, add_ticks: -3, forward: false },
        StepSegment { at_ns: 12_000, stepper: 1, interval_ticks: 3360, count: 3, add_ticks: 0, forward: true },
    ];
    let mut reader = record(|w| {
        runs.iter().for_each(|run| w.push(run.clone()).unwrap());
        w.push(Pin { at_ns: 15_000, pin: 0, value: 1.0 }).unwrap();
        w.push(Pin { at_ns: 30_000, pin: 1, value: 0.25 }).unwrap();
        w.push(Pin { at_ns: 31_000, pin: 4097, value: 1.0 }).unwrap();
    });
    let vcd = text(|out| assert_eq!(export::vcd::pins(&mut reader, ALL, out).unwrap(), 12));
    let signals = parse_vcd(&vcd);
    let ups = |name: &str| -> Vec<u64> { signals[name].iter().filter(|c| c.1 == "1").map(|c| c.0).collect() };
    // 1690 ticks of 168 MHz after the first step, then 1700, 1710, 1720.
    let ns = |ticks: u32| (f64::from(ticks) * 1e9 / 168e6).round() as u64;
    let first = [0, 1690, 3390, 5100, 6820].map(|t| 10_000 + ns(t));
    let second = [0, 837, 1671, 2502].map(|t| 90_000 + ns(t));
    assert_eq!(ups("stepper_x.step"), [first.to_vec(), second.to_vec()].concat());
    assert_eq!(ups("stepper_y.step"), [0, 3360, 6720].map(|t| 12_000 + ns(t)));
    let downs = signals["stepper_x.step"].iter().filter(|c| c.1 == "0").count();
    assert_eq!(downs, 9);
    assert_eq!(signals["stepper_x.dir"], [(9_000, "1".to_owned()), (89_000, "0".to_owned())]);
    assert_eq!(signals["pins.heater"], [(30_000, "0.25".to_owned())]);
    assert_eq!(signals["pins.enable_x"], [(15_000, "1".to_owned())]);
    assert_eq!(signals["pins.pin_4097"], [(31_000, "1".to_owned())], "a pin without a name is not lost");
    let part = text(|out| assert_eq!(export::vcd::pins(&mut reader, 20_000..95_000, out).unwrap(), 8));
    assert!(parse_vcd(&part).values().flatten().all(|c| (20_000..95_000).contains(&c.0)));
}

#[test]
fn perfetto_trace_is_json_with_simulated_microseconds() {
    let mut reader = record(|w| {
        w.push(Command { at_ns: 1_500, line_no: 1, offset: 0, text: "G28 ; \"home\"\t".into() }).unwrap();
        w.push(Command { at_ns: 4_000, line_no: 2, offset: 0, text: "G1 X1".into() }).unwrap();
        let moved = Move { at_ns: 2_000, duration_ns: 500, e_mm: 1.0, line_no: 2, ..Move::default() };
        w.push(moved).unwrap();
        for i in 0..10 {
            let at_ns = i * 100_000;
            w.push(Thermal { at_ns, measured_c: 200.5, true_c: f64::NAN, target_c: 210.0, ..Thermal::default() })
                .unwrap();
            w.push(State { at_ns, nozzle_mm: [i as f64, 0.0, 0.2], ..State::default() }).unwrap();
        }
        w.push(Event { at_ns: 9, severity: 2, source: "mcu".into(), text: "Timer too close".into() }).unwrap();
        w.push(Load { at_ns: 9, motor: 0, load_angle_deg: 45.5, lost_steps: 2 }).unwrap();
    });
    let json = text(|out| {
        export::perfetto::trace(&mut reader, ALL, 250_000, out).unwrap();
    });
    let trace: serde_json::Value = serde_json::from_str(&json).unwrap();
    let entries = trace["traceEvents"].as_array().unwrap();
    let find = |name: &str| entries.iter().find(|e| e["name"] == name).unwrap_or_else(|| panic!("no {name} in {json}"));
    let home = find("G28 ; \"home\"\t");
    assert_eq!((home["ph"].as_str(), home["ts"].as_f64(), home["dur"].as_f64()), (Some("X"), Some(1.5), Some(2.5)));
    assert_eq!(find("extrude")["dur"], 0.5);
    assert_eq!(find("Timer too close")["cat"], "error");
    assert_eq!(find("extruder C")["args"]["measured"], 200.5);
    assert!(find("extruder C")["args"].get("true").is_none(), "JSON has no NaN");
    assert_eq!(find("x load angle deg")["args"]["angle"], 45.5);
    let x: Vec<_> = entries.iter().filter(|e| e["name"] == "x mm").map(|e| e["ts"].as_f64().unwrap()).collect();
    assert_eq!(x, [0.0, 300.0, 600.0, 900.0]);
}

#[test]
fn accelerometer_csv_is_in_klippers_form() {
    let mut reader = record(|w| {
        w.push(Accel { at_ns: 1_000_312_400, chip: 0, raw: [1, -2, 251] }).unwrap();
        w.push(Accel { at_ns: 1_000_625_000, chip: 1, raw: [9, 9, 9] }).unwrap();
    });
    let csv = text(|out| assert_eq!(export::accel_csv::chip(&mut reader, 0, ALL, out).unwrap(), 1));
    assert_eq!(csv, "#time,accel_x,accel_y,accel_z\n1.000312,37.010297,-74.020594,9614.498500\n");
    assert!(export::accel_csv::chip(&mut reader, 3, ALL, &mut Vec::new()).is_err());
}

#[test]
fn ply_has_a_box_a_bead() {
    let bead = Bead {
        from_mm: [0.0, 0.0, 0.2],
        to_mm: [2.0, 0.0, 0.2],
        width_mm: 0.5,
        height_mm: 0.2,
        feature: Bead::FEATURE_OUTER_WALL,
        ..Bead::default()
    };
    let mut reader = record(|w| {
        w.push(bead.clone()).unwrap();
        w.push(bead.clone()).unwrap();
    });
    let mut ply = Vec::new();
    assert_eq!(export::ply::beads(&mut reader, &mut ply).unwrap(), 2);
    let body = ply.windows(11).position(|w| w == b"end_header\n").unwrap() + 11;
    let head = std::str::from_utf8(&ply[..body]).unwrap();
    assert!(head.contains("element vertex 16\n") && head.contains("element face 12\n"));
    assert_eq!(ply.len() - body, 16 * 15 + 12 * 17);
    let float = |at: usize| f32::from_le_bytes(ply[body + at..body + at + 4].try_into().unwrap());
    assert_eq!((float(0), float(4), float(8)), (0.0, -0.25, 0.0));
    assert_eq!((float(6 * 15), float(6 * 15 + 4), float(6 * 15 + 8)), (2.0, 0.25, 0.2));
    let last = i32::from_le_bytes(ply[ply.len() - 4..].try_into().unwrap());
    assert_eq!(last, 8);
}

fn states(change: impl Fn(usize, &mut State)) -> Reader<Cursor<Vec<u8>>> {
    record(|w| {
        for i in 0..500usize {
            let mut state = State { at_ns: i as u64 * 1_000_000, e_mm: i as f64 * 0.01, ..State::default() };
            change(i, &mut state);
            w.push(state).unwrap();
            w.push(Load { at_ns: i as u64 * 1_000_000, ..Load::default() }).unwrap();
        }
    })
}

#[test]
fn diff_of_the_same_run_says_identical() {
    let result = diff(&mut states(|_, _| {}), &mut states(|_, _| {})).unwrap();
    assert!(result.identical());
    assert_eq!(result.to_string(), "identical: 1000 rows, header and end are the same");
}

#[test]
fn diff_names_the_earliest_difference() {
    let changed = |i: usize, s: &mut State| {
        if i == 123 || i == 300 {
            s.nozzle_mm[1] += 2e-5;
        }
    };
    let result = diff(&mut states(|_, _| {}), &mut states(changed)).unwrap();
    let first = result.first.as_ref().unwrap();
    assert_eq!((first.stream.as_str(), first.index, first.at_ns), ("state", 123, 123_000_000));
    assert_eq!(first.columns, ["nozzle_y_mm"]);
    let text = result.to_string();
    assert!(text.contains("stream state, row 123, at 0.123000000 s"), "{text}");
    assert!(text.contains("nozzle_y_mm=0 ") && text.contains("nozzle_y_mm=0.00002 "), "{text}");
}

#[test]
fn diff_sees_missing_rows_header_and_end_but_not_the_wall_clock() {
    let run = |rows: u64, seed: u64, wall: f64, fingerprint: &str, block_rows: u32| {
        let header = Header { seed, printer_cfg: format!("[mcu]\nbaud: {seed}\n"), ..header() };
        let mut w = Writer::with_options(Vec::new(), header, Options { block_rows, ..Options::default() }).unwrap();
        (0..rows).for_each(|i| w.push(Fan { at_ns: i, ..Fan::default() }).unwrap());
        let mut end = End { fingerprint: fingerprint.into(), ..End::default() };
        end.set("wall_s", wall);
        end.set("realtime_factor", 100.0 / wall);
        Reader::new(Cursor::new(w.finish(&end).unwrap())).unwrap()
    };
    assert!(diff(&mut run(100, 1, 1.0, "a", 7), &mut run(100, 1, 2.0, "a", 13)).unwrap().identical());
    let result = diff(&mut run(100, 1, 1.0, "a", 7), &mut run(90, 2, 1.0, "b", 7)).unwrap();
    let first = result.first.unwrap();
    assert_eq!((first.index, first.at_ns, first.b), (90, 90, None));
    assert_eq!(result.header, ["seed: 1 / 2", "printer.cfg, line 2: \"baud: 1\" / \"baud: 2\""]);
    assert_eq!(result.end, ["fingerprint: a / b"]);
}
