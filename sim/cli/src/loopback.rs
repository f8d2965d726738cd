//! Our host and the virtual printer at the two ends of a pseudo-terminal, in one process.
//!
//! Both are told the time, and it stands still until every byte that one end wrote has been read at the other: how fast
//! the kernel hands them over, and what else the computer does, changes nothing.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use drydock_host::config::Config;
use drydock_host::files::MemoryFiles;
use drydock_host::host::Host;
use drydock_host::printer::{Options, Output, State};
use drydock_plant::Truth;
use drydock_port::{Port, Pty, Tally};
use drydock_scenario::model::Scenario;
use drydock_scenario::setup::{RunOptions, prepare_bench};

use crate::host::session::{Line, Session};
use crate::mcu::shell::{End, Shell};
use drydock_scenario::disk::DiskSource;
use drydock_scenario::disk::RealDisk;

const STEP_NS: u64 = 500_000;
/// Generous: bytes cross a pseudo-terminal in microseconds.
const PATIENCE: Duration = Duration::from_secs(20);

struct Loop {
    shell: Shell,
    session: Session,
    /// What had crossed, in and out, when this session began.
    before: (u64, u64),
    now_ns: u64,
    said: Vec<String>,
    state: State,
}

fn config_path() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/printers/cartesian.cfg").display().to_string()
}

fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("drydock-loopback-{}-{name}", std::process::id()))
}

fn session(pty: &Path) -> Session {
    let config = Config::parse(&DiskSource, &config_path()).unwrap();
    let host = Host::new(config, Options::default(), Rc::new(MemoryFiles::default())).unwrap();
    Session::new(host, vec![Line::new("mcu", Port::open(&pty.display().to_string(), 250_000).unwrap())])
}

impl Loop {
    fn new(name: &str) -> Loop {
        let bench =
            prepare_bench(&Scenario::plain(&config_path(), ""), Path::new(""), &RealDisk, &RunOptions::default())
                .unwrap()
                .0;
        let pty = Pty::create(&place(name)).unwrap();
        let session = session(pty.path());
        let tally = Tally::new(bench.dictionary(0));
        let shell = Shell::new(bench, None, vec![End::new("mcu", pty, tally)], Vec::new());
        Loop { shell, session, before: (0, 0), now_ns: 0, said: Vec::new(), state: State::Startup }
    }

    /// One step of time, at whose end no byte is under way.
    fn step(&mut self) {
        self.now_ns += STEP_NS;
        let now_s = self.now_ns as f64 * 1e-9;
        self.session.turn(now_s).unwrap();
        self.shell.turn(self.now_ns).unwrap();
        loop {
            let (end, line) = (&self.shell.ends[0], &self.session.lines[0]);
            if end.bytes_in - self.before.0 < line.bytes_written {
                drydock_port::wait(&[end.pty.as_fd()], PATIENCE);
                self.shell.turn(self.now_ns).unwrap();
            } else if line.bytes_read < end.bytes_out - self.before.1 {
                drydock_port::wait(&[line.port.as_fd()], PATIENCE);
                self.session.turn(now_s).unwrap();
            } else {
                break;
            }
        }
        for output in self.session.host.take_output() {
            match output {
                Output::Console(line) => self.said.push(line),
                Output::State(state) => self.state = state,
                _ => {}
            }
        }
    }

    fn until(&mut self, seconds: f64, is_done: impl Fn(&Loop) -> bool) {
        let end_ns = self.now_ns + (seconds * 1e9) as u64;
        while !is_done(self) {
            assert!(self.now_ns < end_ns, "not in {seconds} s; {:?}, the host said {:?}", self.state, self.said);
            self.step();
        }
    }

    fn run(&mut self, line: &str) {
        let pending = self.session.host.console(line);
        self.until(60.0, |_| pending.is_done());
    }

    /// The client closes the port, and another opens it.
    fn reopen(&mut self) {
        self.session.lines.clear();
        while self.shell.ends[0].has_client {
            self.shell.turn(self.now_ns).unwrap();
        }
        self.before = (self.shell.ends[0].bytes_in, self.shell.ends[0].bytes_out);
        self.session = session(self.shell.ends[0].pty.path());
        self.state = State::Startup;
    }
}

fn home_and_move(it: &mut Loop) {
    it.until(5.0, |it| it.state != State::Startup);
    assert_eq!(it.state, State::Ready);
    for line in ["G28", "G1 X20 Y10 Z4 F9000", "G1 X35.1 Y60", "M400"] {
        it.run(line);
    }
    let counts = it.session.host.motor_counts();
    let mut found = None;
    while found.is_none() {
        it.step();
        found = counts.take();
    }
    let machine = it.shell.bench.plant.machine().clone();
    for count in found.unwrap() {
        let motor = machine.motors.iter().position(|m| m.name == count.motor).unwrap();
        let driver = it.shell.bench.loom.drivers[motor].position;
        assert_eq!((Some(count.host_steps), driver), (count.mcu_steps, count.host_steps), "{}", count.motor);
    }
}

#[test]
fn a_job_over_a_pseudo_terminal_ends_where_it_should_and_every_count_agrees() {
    let mut it = Loop::new("job");
    home_and_move(&mut it);
    let mut truth = Truth::default();
    it.shell.bench.plant.truth_into(&mut truth);
    assert!((truth.drive_mm[0] - 35.1).abs() < 0.05 && (truth.drive_mm[1] - 60.0).abs() < 0.05, "{:?}", truth.drive_mm);
    assert!(truth.motors.iter().all(|m| m.lost_full_steps == 0));
    let stats = it.session.host.printer().main_mcu().stats().serial;
    assert_eq!(stats.bytes_invalid, 0);
    assert!(it.said.iter().all(|line| !line.starts_with("!!")), "{:?}", it.said);
}

#[test]
fn a_board_serves_the_next_host_after_a_shutdown_a_restart_and_junk() {
    let mut it = Loop::new("restart");
    it.until(5.0, |it| it.state != State::Startup);
    it.run("M112");
    it.until(1.0, |it| it.shell.bench.shutdown_of(0).is_some());
    let pending = it.session.host.restart_firmware();
    it.until(1.0, |_| pending.is_done());
    assert_eq!((it.shell.bench.restarts(0), it.shell.bench.shutdown_of(0)), (1, None));
    it.reopen();
    // What Klipper's host sends first, in case the board has an AVR's bootloader.
    it.session.lines[0].port.write_all(b"\x1b\x01\x00\x01\x0e\x11\x04", PATIENCE).unwrap();
    it.session.lines[0].bytes_written += 7;
    home_and_move(&mut it);
}
