//! A small recording, the panels over it, and what is needed to press, type and look.

use crate::raster::Raster;
use drydock_recording::{
    Accel, Bead, Chip, Command, End, Extrusion, Header, Load, Move, Queue, State, Thermal, Writer,
};
use drydock_view_model::{Document, HeaterGains, Legend, Playhead, Settings, Shaper};
use drydock_view_panels::{Action, Curve, Figure, FrameFacts, Outcome, TuningResult, Ui, ViewState};
use egui::Vec2;
use egui_kittest::Harness;
use std::sync::{Arc, OnceLock};

/// The smallest screen that the viewer is made for.
pub const LAPTOP: Vec2 = Vec2::new(1366.0, 768.0);
pub const TICK_NS: u64 = 250_000;
const SIDE_MM: f64 = 30.0;
const SIDE_S: f64 = 0.4;
const LAYERS: usize = 5;
const RINGING_HZ: f64 = 48.0;
const PIECES: usize = 320;

const MACHINE: &str = "(name: \"test\", tick_ns: 250000, kinematics: CoreXy(()),
    modes: [(freq_hz: 48.0, damping: 0.06, shape: (0.9, 0.0, 0.0)), (freq_hz: 41.0, damping: 0.05, shape: (0.0, 0.9, 0.0))])";

/// Squares, one over the other; after every corner the nozzle rings at 48 Hz.
pub fn recording() -> Vec<u8> {
    static MADE: OnceLock<Vec<u8>> = OnceLock::new();
    MADE.get_or_init(|| ringing(0.05)).clone()
}

/// The same squares with another amplitude, mm.
pub fn ringing(ring_mm: f64) -> Vec<u8> {
    let header = Header {
        program: "drydock 0.1.0".into(),
        title: "A square tower".into(),
        command: "drydock run scenarios/square".into(),
        machine_ron: MACHINE.into(),
        heaters: vec!["extruder".into(), "heater_bed".into()],
        motors: vec!["stepper_x".into(), "stepper_y".into()],
        mcus: vec!["mcu".into()],
        chips: vec![Chip::adxl345("adxl345")],
        ..Header::default()
    };
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    let corners =
        [[100.0, 100.0], [100.0 + SIDE_MM, 100.0], [100.0 + SIDE_MM, 100.0 + SIDE_MM], [100.0, 100.0 + SIDE_MM]];
    let mut line_no = 0;
    let mut command = |writer: &mut Writer<Vec<u8>>, at_ns: u64, text: String| {
        line_no += 1;
        writer.push(Command { at_ns, line_no, offset: 0, text }).unwrap();
    };
    command(&mut writer, 0, "G28 ; home".into());
    command(&mut writer, 0, "M109 S215".into());
    for layer in 0..LAYERS {
        let z = 0.2 * (layer + 1) as f64;
        let layer_ns = ns((4 * layer) as f64 * SIDE_S);
        command(&mut writer, layer_ns, format!(";LAYER:{layer}"));
        command(&mut writer, layer_ns, format!("G1 Z{z:.1} F600"));
        for side in 0..4 {
            let at_ns = ns((4 * layer + side) as f64 * SIDE_S);
            let (a, b) = (corners[side], corners[(side + 1) % 4]);
            command(&mut writer, at_ns, format!("G1 X{} Y{} E1.05 F4500", b[0], b[1]));
            let (from_mm, to_mm) = ([a[0], a[1], z], [b[0], b[1], z]);
            let speed = SIDE_MM / SIDE_S;
            writer
                .push(Move {
                    at_ns,
                    duration_ns: ns(SIDE_S),
                    start_mm: from_mm,
                    end_mm: to_mm,
                    start_v_mm_s: speed,
                    ..Move::default()
                })
                .unwrap();
            // As fine as the nozzle rings.
            for piece in 0..PIECES {
                let at = |i: usize| nozzle(from_mm, to_mm, i as f64 / PIECES as f64, ring_mm);
                let bead = Bead {
                    at_ns: at_ns + ns(SIDE_S) * piece as u64 / PIECES as u64,
                    duration_ns: ns(SIDE_S) / PIECES as u64,
                    from_mm: at(piece),
                    to_mm: at(piece + 1),
                    width_mm: 0.45,
                    height_mm: 0.2,
                    temperature_c: 214.0,
                    feature: if side < 2 { Bead::FEATURE_OUTER_WALL } else { Bead::FEATURE_INNER_WALL },
                };
                writer.push(bead).unwrap();
            }
        }
    }
    samples(&mut writer, corners, ring_mm);
    let end = End { end_ns: end_ns(), ..End::default() };
    writer.finish(&end).unwrap()
}

pub fn end_ns() -> u64 {
    ns((4 * LAYERS) as f64 * SIDE_S)
}

fn ns(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

/// Where the nozzle is, a share of the way along a side: it rings across.
fn nozzle(from_mm: [f64; 3], to_mm: [f64; 3], share: f64, ring_mm: f64) -> [f64; 3] {
    let mut place: [f64; 3] = std::array::from_fn(|k| from_mm[k] + (to_mm[k] - from_mm[k]) * share);
    place[usize::from(from_mm[0] != to_mm[0])] += ring_mm * ring(share * SIDE_S);
    place
}

/// Rings from 1 down.
fn ring(since_s: f64) -> f64 {
    let omega = 2.0 * std::f64::consts::PI * RINGING_HZ;
    (-0.06 * omega * since_s).exp() * (omega * since_s).sin()
}

fn samples(writer: &mut Writer<Vec<u8>>, corners: [[f64; 2]; 4], ring_mm: f64) {
    let omega = 2.0 * std::f64::consts::PI * RINGING_HZ;
    let last = (end_ns() / 1_000_000) as usize;
    for i in 0..last * 2 {
        let at_s = i as f64 * 0.5e-3;
        let side = (at_s / SIDE_S) as usize;
        let share = at_s / SIDE_S - side as f64;
        let (a, b) = (corners[side % 4], corners[(side + 1) % 4]);
        // The height goes up as smoothly as a screw lets it.
        let risen = if side.is_multiple_of(4) && side > 0 {
            0.5 - 0.5 * (share.min(0.5) * 2.0 * std::f64::consts::PI).cos()
        } else {
            1.0
        };
        let z = 0.2 * ((side / 4) as f64 + risen);
        let (from_mm, to_mm) = ([a[0], a[1], z], [b[0], b[1], z]);
        let drive_mm = std::array::from_fn(|k| from_mm[k] + (to_mm[k] - from_mm[k]) * share);
        let nozzle_mm = nozzle(from_mm, to_mm, share, ring_mm);
        let at_ns = ns(at_s);
        writer.push(State { at_ns, drive_mm, nozzle_mm, e_mm: at_s }).unwrap();
        let mut raw = [0i16; 3];
        raw[usize::from(a[0] != b[0])] = (-ring_mm * ring(share * SIDE_S) * omega * omega / 37.0) as i16;
        writer.push(Accel { at_ns, chip: 0, raw }).unwrap();
        if i % 200 == 0 {
            for (heater, target_c) in [(0u8, 215.0), (1, 60.0)] {
                let measured_c = target_c + (at_s * 1.3).sin();
                let duty = 0.4 + 0.2 * (at_s * 2.0).cos();
                writer.push(Thermal { at_ns, heater, measured_c, true_c: measured_c, target_c, duty }).unwrap();
            }
        }
        if i % 10 == 0 {
            let pressure_mpa = 2.0 + (at_s * 4.0).sin();
            writer.push(Extrusion { at_ns, pressure_mpa, flow_mm3_s: 3.0 * pressure_mpa }).unwrap();
            for motor in 0..2 {
                let load_angle_deg = 20.0 * (at_s * 9.0 + f64::from(motor)).sin();
                writer.push(Load { at_ns, motor, load_angle_deg, lost_steps: 0 }).unwrap();
            }
            writer.push(Queue { at_ns, mcu: 0, depth: (20.0 + 10.0 * (at_s * 3.0).cos()) as u32 }).unwrap();
        }
    }
}

pub fn document() -> Document {
    Document::from_bytes("runs/square.drydock", recording()).unwrap()
}

pub fn settings() -> Settings {
    Settings {
        shaper_x: Some(Shaper { kind: "mzv".into(), freq_hz: 48.0, damping: 0.1 }),
        shaper_y: Some(Shaper { kind: "ei".into(), freq_hz: 41.2, damping: 0.1 }),
        pressure_advance_s: 0.035,
        smooth_time_s: 0.04,
        heaters: vec![
            HeaterGains { name: "extruder".into(), kp: 26.213, ki: 1.304, kd: 131.721 },
            HeaterGains { name: "heater_bed".into(), kp: 54.0, ki: 0.77, kd: 948.0 },
        ],
        max_accel_mm_s2: 7000.0,
        square_corner_velocity_mm_s: 5.0,
    }
}

/// A corner that rang, and with the shaper rings a fifth as much.
pub fn tuned() -> TuningResult {
    let side = |peak_um: f64| {
        let ring = |i: usize| {
            let t = i as f64 * 1e-3;
            [t, peak_um * (-t * 18.0).exp() * (t * 300.0).cos()]
        };
        let curve = |name: &str, unit: &str, times: f64| Curve {
            name: name.into(),
            unit: unit.into(),
            over: "s",
            points: (0..250).map(ring).map(|[t, v]| [t, v * times]).collect(),
        };
        let figure = |name: &str, value: f64| Figure { name: name.into(), value };
        Outcome {
            figures: vec![figure("Peak off the wall, µm", peak_um), figure("Time, s", 0.4 - peak_um * 1e-4)],
            curves: vec![curve("Off the wall", "µm", 1.0), curve("Speed", "mm/s", 0.2)],
        }
    };
    TuningResult {
        what: "corner at 3.200 s".into(),
        settings: settings(),
        before: side(52.0),
        after: side(9.4),
        wall_s: 0.38,
    }
}

/// The panels with what they need, as the application has it.
pub struct App {
    pub ui: Ui,
    pub doc: Document,
    pub second: Option<Document>,
    pub playhead: Playhead,
    pub view: ViewState,
    pub facts: FrameFacts,
    pub actions: Vec<Action>,
}

impl App {
    pub fn new() -> App {
        let mut doc = document();
        let plots = ["Velocity", "Accelerometer", "Spectrum", "Spectrogram"].map(String::from).to_vec();
        let view = ViewState { plots, ..ViewState::default() };
        let playhead = Playhead::new(doc.span_ns(), doc.tick_ns());
        let legend = legend(&mut doc, &view);
        let facts = FrameFacts { legend: Some(legend), settings: Some(settings()), ..FrameFacts::default() };
        App { ui: Ui::default(), doc, second: None, playhead, view, facts, actions: Vec::new() }
    }

    pub fn frame(&mut self, ctx: &egui::Context) {
        let App { ui, doc, second, playhead, view, facts, .. } = self;
        let new = ui.show_compared(ctx, doc, second.as_mut(), playhead, view, facts);
        for action in &new {
            if let Action::ColourBy(_) = action {
                self.facts.legend = Some(legend(&mut self.doc, &self.view));
            }
        }
        self.actions.extend(new);
    }

    pub fn at_s(&self) -> f64 {
        self.playhead.at_ns() as f64 * 1e-9
    }
}

pub fn legend(doc: &mut Document, view: &ViewState) -> Legend {
    let by = view.colour_by;
    let values = doc.values(by).to_vec();
    by.legend(&values, view.clip)
}

/// The panels on a screen of that size.
pub fn panels(size: Vec2, app: App) -> Harness<'static, App> {
    let builder = Harness::builder().with_size(size).with_step_dt(0.1).with_max_steps(20);
    let renderer = Raster::default();
    let panels = builder.renderer(renderer).build_ui_state(|ui, app: &mut App| app.frame(&ui.ctx().clone()), app);
    panels.ctx.set_fonts(drydock_view_panels::fonts());
    panels
}

pub fn laptop() -> Harness<'static, App> {
    let mut app = App::new();
    app.facts.wall_ns = 83_000_000_000;
    panels(LAPTOP, app)
}

pub fn with_result(app: &mut App) {
    app.facts.tuning = Some(Arc::new(tuned()));
}

/// So many lines of G-code, one a microsecond.
pub fn long_document(lines: u32) -> Document {
    let mut writer = Writer::new(Vec::new(), Header::default()).unwrap();
    for line_no in 1..=lines {
        let command = Command { at_ns: u64::from(line_no) * 1000, line_no, offset: 0, text: format!("G1 X{line_no}") };
        writer.push(command).unwrap();
    }
    let bytes = writer.finish(&End { end_ns: u64::from(lines) * 1000, ..End::default() }).unwrap();
    Document::from_bytes("long.drydock", bytes).unwrap()
}
