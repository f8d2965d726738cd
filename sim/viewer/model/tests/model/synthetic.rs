//! Recordings made without the twin, of which it is known what they must show.

use drydock_recording::*;
use std::f64::consts::TAU;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Squares, one a layer, drawn without slowing down; after every corner the nozzle swings across the wall, to the right
/// first, with the frequency of a planted mode.
#[derive(Clone, Copy)]
pub struct Squares {
    pub freq_hz: f64,
    pub damping: f64,
    pub amplitude_um: f64,
    pub speed_mm_s: f64,
    pub side_mm: f64,
    pub layers: u32,
    /// Before the first layer, s: then nothing moves, as when a printer heats up.
    pub heat_s: f64,
    pub comments: bool,
}

impl Default for Squares {
    fn default() -> Self {
        Squares {
            freq_hz: 48.0,
            damping: 0.06,
            amplitude_um: 40.0,
            speed_mm_s: 100.0,
            side_mm: 40.0,
            layers: 3,
            heat_s: 1.0,
            comments: true,
        }
    }
}

pub const CORNER_MM: [f64; 2] = [100.0, 100.0];
pub const LAYER_MM: f64 = 0.2;
pub const STATE_NS: u64 = 2_000_000;
pub const BEAD_NS: u64 = 1_000_000;
const ACCEL_NS: u64 = 312_500;

impl Squares {
    pub fn header(&self) -> Header {
        let (freq, damping) = (self.freq_hz, self.damping);
        Header {
            title: "planted ringing".into(),
            machine_ron: format!(
                "(name: \"bench\", tick_ns: 250000, kinematics: CoreXy(()), travel_min_mm: (0.0, 0.0, 0.0),
                  travel_max_mm: (250.0, 250.0, 200.0), motors: [(name: \"stepper_x\"), (name: \"stepper_y\")], modes: [
                  (freq_hz: {freq}, damping: {damping}, excited_by: (1.0, 0.0, 0.0), shape: (1.0, 0.0, 0.0)),
                  (freq_hz: {freq}, damping: {damping}, excited_by: (0.0, 1.0, 0.0), shape: (0.0, 1.0, 0.0))])"
            ),
            heaters: vec!["extruder".into(), "heater_bed".into()],
            motors: vec!["stepper_x".into(), "stepper_y".into()],
            mcus: vec!["mcu".into()],
            chips: vec![Chip::adxl345("adxl345")],
            ..Header::default()
        }
    }

    pub fn side_ns(&self) -> u64 {
        (self.side_mm / self.speed_mm_s * 1e9) as u64
    }

    pub fn start_ns(&self) -> u64 {
        (self.heat_s * 1e9) as u64
    }

    pub fn end_ns(&self) -> u64 {
        self.start_ns() + u64::from(self.layers) * 4 * self.side_ns()
    }

    /// Swing across the wall so long after a corner, um; positive to the right.
    pub fn swing_um(&self, since_s: f64) -> f64 {
        let omega = TAU * self.freq_hz;
        let damped = omega * (1.0 - self.damping * self.damping).sqrt();
        self.amplitude_um * (-self.damping * omega * since_s).exp() * (damped * since_s).cos()
    }

    /// Drive and nozzle at a time, and how far along which side: the first side of all has no corner before it.
    pub fn at(&self, at_ns: u64) -> ([f64; 3], [f64; 3], u64, f64) {
        let since_ns = at_ns.clamp(self.start_ns(), self.end_ns() - 1) - self.start_ns();
        let (side, t) = (since_ns / self.side_ns(), (since_ns % self.side_ns()) as f64 * 1e-9);
        let along = t * self.speed_mm_s;
        let [x, y] = CORNER_MM;
        let (at, right) = match side % 4 {
            0 => ([x + along, y], [0.0, -1.0]),
            1 => ([x + self.side_mm, y + along], [1.0, 0.0]),
            2 => ([x + self.side_mm - along, y + self.side_mm], [0.0, 1.0]),
            _ => ([x, y + self.side_mm - along], [-1.0, 0.0]),
        };
        let z = LAYER_MM * (1 + side / 4) as f64;
        let off = if side == 0 { 0.0 } else { self.swing_um(t) * 1e-3 };
        ([at[0], at[1], z], [at[0] + off * right[0], at[1] + off * right[1], z], side, along)
    }

    /// Writes the rows of a range of time, in the order of their times.
    pub fn write<W: Write>(&self, writer: &mut Writer<W>, from_ns: u64, until_ns: u64) {
        for at_ns in (from_ns..until_ns.min(self.end_ns())).step_by(BEAD_NS as usize) {
            self.slow_rows(writer, at_ns);
            if at_ns < self.start_ns() {
                continue;
            }
            let (drive_mm, nozzle_mm, side, along) = self.at(at_ns);
            if (at_ns - self.start_ns()).is_multiple_of(self.side_ns()) {
                self.begin_side(writer, at_ns, side);
            }
            if at_ns.is_multiple_of(STATE_NS) {
                let e_mm = (side as f64 * self.side_mm + along) * 0.033;
                writer.push(State { at_ns, drive_mm, nozzle_mm, e_mm }).unwrap();
                writer.push(Extrusion { at_ns, pressure_mpa: 1.0 + along, flow_mm3_s: 8.0 }).unwrap();
            }
            let to_mm = self.at(at_ns + BEAD_NS).1;
            let feature = if side % 4 == 3 { Bead::FEATURE_INNER_WALL } else { Bead::FEATURE_OUTER_WALL };
            let bead = Bead { at_ns, duration_ns: BEAD_NS, from_mm: nozzle_mm, to_mm, feature, ..Bead::default() };
            writer.push(Bead { width_mm: 0.45, height_mm: LAYER_MM, temperature_c: 210.0, ..bead }).unwrap();
            for at_ns in (at_ns.next_multiple_of(ACCEL_NS)..at_ns + BEAD_NS).step_by(ACCEL_NS as usize) {
                let t = (at_ns - self.start_ns()) as f64 * 1e-9;
                let x = (1000.0 * (TAU * self.freq_hz * t).sin() / 37.01) as i16;
                writer.push(Accel { at_ns, chip: 0, raw: [x, 0, 256] }).unwrap();
            }
        }
    }

    fn slow_rows<W: Write>(&self, writer: &mut Writer<W>, at_ns: u64) {
        if at_ns.is_multiple_of(250_000_000) {
            let t = at_ns as f64 * 1e-9;
            for heater in 0..2 {
                let (measured_c, target_c) = (20.0 + t + f64::from(heater), 200.0);
                writer.push(Thermal { at_ns, heater, measured_c, true_c: measured_c, target_c, duty: 0.5 }).unwrap();
                let load_angle_deg = [10.0, 30.0][usize::from(heater)];
                writer.push(Load { at_ns, motor: heater, load_angle_deg, lost_steps: 0 }).unwrap();
            }
        }
    }

    fn begin_side<W: Write>(&self, writer: &mut Writer<W>, at_ns: u64, side: u64) {
        let mut command = |text: String, line_no: u32| {
            writer.push(Command { at_ns, line_no, offset: 0, text }).unwrap();
        };
        let line_no = (side as u32) * 3 + 1;
        if side.is_multiple_of(4) && self.comments {
            command(";LAYER_CHANGE".into(), line_no);
        }
        let (start_mm, end_mm) = (self.at(at_ns).0, self.at(at_ns + self.side_ns() - 1).0);
        command(format!("G1 X{:.3} Y{:.3} E1", end_mm[0], end_mm[1]), line_no + 1);
        let line_no = line_no + 1;
        let (duration_ns, start_v_mm_s) = (self.side_ns(), self.speed_mm_s);
        let planned = Move { at_ns, duration_ns, start_mm, end_mm, start_v_mm_s, e_mm: 1.3, line_no, accel_mm_s2: 0.0 };
        writer.push(planned).unwrap();
    }

    pub fn end(&self) -> End {
        End { fingerprint: "planted".into(), end_ns: self.end_ns(), ..End::default() }
    }

    /// A whole file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), self.header()).unwrap();
        self.write(&mut writer, 0, u64::MAX);
        writer.finish(&self.end()).unwrap()
    }
}

/// A file that one side writes while the other reads; what is read is counted.
#[derive(Clone, Default)]
pub struct Growing {
    bytes: Arc<Mutex<Vec<u8>>>,
    at: u64,
    read: Arc<AtomicU64>,
}

impl Growing {
    pub fn of(bytes: Vec<u8>) -> Growing {
        Growing { bytes: Arc::new(Mutex::new(bytes)), ..Growing::default() }
    }

    pub fn len(&self) -> usize {
        self.bytes.lock().unwrap().len()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    pub fn truncate(&self, len: usize) {
        self.bytes.lock().unwrap().truncate(len);
    }

    /// Bytes read since the last call.
    pub fn bytes_read(&self) -> u64 {
        self.read.swap(0, Ordering::Relaxed)
    }
}

impl Read for Growing {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.bytes.lock().unwrap();
        let rest = bytes.get(self.at as usize..).unwrap_or_default();
        let len = rest.len().min(to.len());
        to[..len].copy_from_slice(&rest[..len]);
        self.at += len as u64;
        self.read.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

impl Seek for Growing {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => (self.len() as u64).saturating_add_signed(by),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

impl Write for Growing {
    fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        self.bytes.lock().unwrap().extend_from_slice(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
