//! Heaters at work: the switched output, the heating element and the body that it warms; fans that cool it.
//!
//! # Equation
//! heating = u P(T)/C into the element's node, the rest is the body's network (`hotend`, `bed`, `thermal`);
//! fan: ds/dt = (d - s)/t, stepped every 0.1 s with the mean output d of that time
//!
//! # Symbols
//! u: output, 0 or 1 between edges of a soft PWM · P \[W\] element · C \[J/K\] of its node · s: fan speed, share of full ·
//! t \[s\] spin-up
//!
//! # Source
//! facts/physics.md 1.4; PTC tables there (Kalico MPC.md)
//!
//! # Valid for
//! any output pattern: the body is brought to the time of each edge
//!
//! # Caveats
//! cooling follows the fan speed linearly; P of wire and PTC elements is taken at the start of each step of at most 0.1 s
//!
//! # Checked by
//! tests::cold_printer_stays_at_ambient: exact; tests::heater_step_response_matches_closed_form: 3e-10 K;
//! tests::steady_state_power_is_loss; tests::soft_pwm_is_its_mean
//!
//! # Cost
//! about 0.1 us an edge, 10 grid steps a second

use crate::bed::Bed;
use crate::hotend::Hotend;
use crate::machine::{Machine, Problems};
use crate::thermal::{NODES, Network};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A heater: a switched output and the body it warms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heater {
    /// Name in reports: `extruder`, `heater_bed`.
    #[serde(default)]
    pub name: String,
    /// What it warms.
    pub body: Body,
}

/// A heated body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// A hot end: cartridge, block and sensor.
    Hotend(Hotend),
    /// A heated bed: heater mat or PCB, plate and sensor.
    Bed(Bed),
}

/// Power of a heating element against its temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Element {
    /// Constant power, W.
    Plain {
        /// Power at full duty, W.
        power_w: f64,
    },
    /// A wire whose resistance grows with temperature: `P = power_w/(1 + per_k (T - at_c))`.
    Wire {
        /// Power at `at_c`, W.
        power_w: f64,
        /// Temperature of that power, degrees C.
        at_c: f64,
        /// Growth of resistance, 1/K.
        per_k: f64,
    },
    /// A ceramic (PTC) heater: power at temperatures, straight lines between, constant outside.
    Table(Vec<(f64, f64)>),
}

impl Element {
    /// Power at full duty with the element at `temperature_c`, W.
    pub fn power_w(&self, temperature_c: f64) -> f64 {
        match self {
            Element::Plain { power_w } => *power_w,
            Element::Wire { power_w, at_c, per_k } => power_w / (1.0 + per_k * (temperature_c - at_c)).max(0.1),
            Element::Table(points) => interpolate(points, temperature_c),
        }
    }

    pub(crate) fn validate(&self, place: &str, p: &mut Problems) {
        match self {
            Element::Plain { power_w } => p.positive(alloc::format!("{place}.power_w"), *power_w),
            Element::Wire { power_w, at_c, per_k } => {
                p.positive(alloc::format!("{place}.power_w"), *power_w);
                p.within(alloc::format!("{place}.at_c"), *at_c, -50.0, 500.0);
                p.within(alloc::format!("{place}.per_k"), *per_k, 0.0, 0.01);
            }
            Element::Table(points) => {
                let rising = points.windows(2).all(|w| w[0].0 < w[1].0);
                if points.is_empty() || !rising || points.iter().any(|q| !(q.1 >= 0.0 && q.1.is_finite())) {
                    let mend = "list (degrees C, W) pairs, temperatures rising, powers not negative";
                    p.add(place.into(), "is not a table of power against temperature", mend);
                }
            }
        }
    }
}

fn interpolate(points: &[(f64, f64)], x: f64) -> f64 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
    if x <= first.0 {
        return first.1;
    }
    for w in points.windows(2) {
        if x < w[1].0 {
            return w[0].1 + (w[1].1 - w[0].1) * (x - w[0].0) / (w[1].0 - w[0].0);
        }
    }
    last.1
}

/// A fan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fan {
    /// Name in reports: `fan`.
    #[serde(default)]
    pub name: String,
    /// Spin-up and run-down time constant, s.
    pub spin_s: f64,
    /// Heaters that it blows at, by their place in `heaters`.
    #[serde(default)]
    pub cools: Vec<usize>,
}

/// The grid on which fans spin up and what is not linear is looked at again.
pub(crate) const GRID_NS: u64 = 100_000_000;

/// A heater at work.
#[derive(Clone, Debug)]
pub(crate) struct HeaterState {
    body: Body,
    network: Network,
    ambient_c: f64,
    duty: f64,
    /// A broken switch: the duty that it is stuck at.
    pub(crate) stuck: Option<f64>,
    fan: f64,
    /// Power that the filament carries away per kelvin, W/K.
    pub(crate) filament_w_k: f64,
}

impl HeaterState {
    pub(crate) fn new(heater: &Heater, ambient_c: f64) -> HeaterState {
        let rates = match &heater.body {
            Body::Hotend(hotend) => hotend.rates(0.0),
            Body::Bed(bed) => bed.rates(),
        };
        HeaterState {
            body: heater.body.clone(),
            network: Network::new(rates),
            ambient_c,
            duty: 0.0,
            stuck: None,
            fan: 0.0,
            filament_w_k: 0.0,
        }
    }

    /// Brings the body to `at_ns` with the output as it is.
    pub(crate) fn advance(&mut self, at_ns: u64) {
        let x = self.network.over_ambient_k;
        let power_w = self.power_w();
        let mut heating = [0.0; NODES];
        match &self.body {
            Body::Hotend(h) => {
                let more_w_k = h.loss(self.fan) * h.loss_growth_per_k * x[0];
                heating[0] = -(self.filament_w_k + more_w_k) * x[0] / h.block_j_k;
                match &h.cartridge {
                    Some(c) => heating[2] = power_w / c.heat_j_k,
                    None => heating[0] += power_w / h.block_j_k,
                }
            }
            Body::Bed(b) => {
                heating[0] = -(b.loss_w_k * b.loss_growth_per_k * x[0]) * x[0] / b.plate_j_k;
                heating[2] = power_w / b.heater_j_k;
            }
        }
        self.network.advance(at_ns, heating);
    }

    /// Switches the output at `at_ns`.
    pub(crate) fn switch(&mut self, at_ns: u64, duty: f64) {
        self.advance(at_ns);
        self.duty = duty.clamp(0.0, 1.0);
    }

    /// Tells the speed of the fans that blow at it, on the grid.
    pub(crate) fn set_fan(&mut self, speed: f64) {
        // Below half a per cent the loss changes by less than its own uncertainty: spare the new table.
        if (speed - self.fan).abs() < 0.005 && !(speed == 0.0 && self.fan != 0.0) {
            return;
        }
        self.fan = speed;
        if let Body::Hotend(hotend) = &self.body {
            self.network.set_rates(hotend.rates(speed));
        }
    }

    /// Power that goes in, W.
    pub(crate) fn power_w(&self) -> f64 {
        let x = self.network.over_ambient_k;
        let (element, node) = match &self.body {
            Body::Hotend(h) => (&h.element, if h.cartridge.is_some() { x[2] } else { x[0] }),
            Body::Bed(b) => (&b.element, x[2]),
        };
        self.stuck.unwrap_or(self.duty) * element.power_w(self.ambient_c + node)
    }

    /// Temperature of block or plate, degrees C.
    pub(crate) fn body_c(&self) -> f64 {
        self.ambient_c + self.network.over_ambient_k[0]
    }

    /// Temperature at the sensor, degrees C.
    pub(crate) fn sensor_c(&self) -> f64 {
        let senses_body = matches!(&self.body, Body::Hotend(h) if h.sensor_rate_s.is_none());
        self.ambient_c + self.network.over_ambient_k[if senses_body { 0 } else { 1 }]
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        self.network.fold(f);
        for x in [self.duty, self.stuck.unwrap_or(-1.0), self.fan, self.filament_w_k] {
            f(x.to_bits());
        }
    }
}

/// A heater on the bench: the plant's own equations under outputs that the caller gives, for fitting them to recordings.
#[derive(Clone, Debug)]
pub struct Bench {
    state: HeaterState,
    now_ns: u64,
    /// What happens in between is not linear.
    bent: bool,
}

/// Step of the bench where something is not linear: the linear part is exact in any step, and in a second no heater gets
/// warm enough to change its losses by a hundredth.
const BENCH_NS: u64 = 1_000_000_000;

impl Bench {
    /// A cold heater in air of this temperature.
    pub fn new(heater: &Heater, ambient_c: f64) -> Bench {
        let (element, growth) = match &heater.body {
            Body::Hotend(hotend) => (&hotend.element, hotend.loss_growth_per_k),
            Body::Bed(bed) => (&bed.element, bed.loss_growth_per_k),
        };
        let bent = growth != 0.0 || !matches!(element, Element::Plain { .. });
        Bench { state: HeaterState::new(heater, ambient_c), now_ns: 0, bent }
    }

    /// Sets the temperatures of block or plate, of the sensor, of cartridge or heater side, and of the surroundings.
    pub fn place(&mut self, body_c: f64, sensor_c: f64, element_c: f64, surroundings_c: f64) {
        let nodes = [body_c, sensor_c, element_c, surroundings_c];
        self.state.network.over_ambient_k = nodes.map(|t| t - self.state.ambient_c);
    }

    /// Lets time pass with the output at `duty`, the fan at `fan` of full speed and filament that carries away
    /// `filament_w_k`.
    pub fn hold(&mut self, seconds: f64, duty: f64, fan: f64, filament_w_k: f64) {
        self.state.set_fan(fan);
        self.state.filament_w_k = filament_w_k;
        self.state.switch(self.now_ns, duty);
        let end_ns = self.now_ns + (seconds.max(0.0) * 1e9) as u64;
        while self.now_ns < end_ns {
            let step = if self.bent || filament_w_k != 0.0 { BENCH_NS } else { u64::MAX };
            self.now_ns = self.now_ns.saturating_add(step).min(end_ns);
            self.state.advance(self.now_ns);
        }
    }

    /// Temperature at the sensor, degrees C.
    pub fn sensor_c(&self) -> f64 {
        self.state.sensor_c()
    }

    /// Temperature of block or plate, degrees C.
    pub fn body_c(&self) -> f64 {
        self.state.body_c()
    }
}

/// A fan at work.
#[derive(Clone, Debug)]
pub(crate) struct FanState {
    pub(crate) cools: Vec<usize>,
    spin_s: f64,
    duty: f64,
    since_ns: u64,
    on_ns: f64,
    pub(crate) dead: bool,
    /// Share of full speed.
    pub(crate) speed: f64,
}

impl FanState {
    pub(crate) fn new(fan: &Fan) -> FanState {
        let (cools, spin_s) = (fan.cools.clone(), fan.spin_s);
        FanState { cools, spin_s, duty: 0.0, since_ns: 0, on_ns: 0.0, dead: false, speed: 0.0 }
    }

    fn gather(&mut self, at_ns: u64) {
        self.on_ns += self.duty * at_ns.saturating_sub(self.since_ns) as f64;
        self.since_ns = self.since_ns.max(at_ns);
    }

    pub(crate) fn switch(&mut self, at_ns: u64, duty: f64) {
        self.gather(at_ns);
        self.duty = duty.clamp(0.0, 1.0);
    }

    /// One step of the grid that ends at `at_ns`.
    pub(crate) fn grid_step(&mut self, at_ns: u64) {
        self.gather(at_ns);
        let mean = if self.dead { 0.0 } else { self.on_ns / GRID_NS as f64 };
        self.on_ns = 0.0;
        let gap = mean - self.speed;
        if gap != 0.0 {
            self.speed += gap * (1.0 - libm::exp(-(GRID_NS as f64 * 1e-9) / self.spin_s));
            if (mean - self.speed).abs() < 1e-3 {
                self.speed = mean;
            }
        }
    }

    pub(crate) fn fold(&self, f: &mut impl FnMut(u64)) {
        f(u64::from(self.dead));
        for x in [self.duty, self.on_ns, self.speed] {
            f(x.to_bits());
        }
    }
}

impl Heater {
    pub(crate) fn validate(&self, place: &str, _machine: &Machine, p: &mut Problems) {
        match &self.body {
            Body::Hotend(hotend) => hotend.validate(&alloc::format!("{place}.body"), p),
            Body::Bed(bed) => bed.validate(&alloc::format!("{place}.body"), p),
        }
    }
}

impl Fan {
    pub(crate) fn validate(&self, place: &str, machine: &Machine, p: &mut Problems) {
        p.positive(alloc::format!("{place}.spin_s"), self.spin_s);
        for (i, heater) in self.cools.iter().enumerate() {
            p.index(alloc::format!("{place}.cools[{i}]"), *heater, machine.heaters.len(), "heaters");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hotend::Cartridge;

    fn state(body: Body) -> HeaterState {
        HeaterState::new(&Heater { name: String::new(), body }, 22.0)
    }

    fn v6() -> Hotend {
        Hotend {
            element: Element::Plain { power_w: 40.0 },
            block_j_k: 13.7,
            loss_w_k: 0.068,
            loss_fan_w_k: 0.097,
            loss_growth_per_k: 0.0,
            cartridge: Some(Cartridge { heat_j_k: 3.0, to_block_w_k: 1.0 }),
            sensor_rate_s: Some(0.22),
            surroundings: None,
        }
    }

    #[test]
    fn cold_printer_stays_at_ambient() {
        for body in [Body::Hotend(v6()), Body::Bed(Bed::of_600_w())] {
            let mut h = state(body);
            h.advance(3_600_000_000_000);
            assert_eq!((h.body_c(), h.sensor_c()), (22.0, 22.0));
        }
    }

    #[test]
    fn heater_step_response_matches_closed_form() {
        let (c, r, p) = (8.0, 7.0, 40.0);
        let mut h = state(Body::Hotend(Hotend::single_node(p, c, r)));
        h.switch(0, 1.0);
        let mut worst = 0.0f64;
        for i in 1..=6000u64 {
            let at_ns = i * GRID_NS;
            h.advance(at_ns);
            // The network stands at the last whole 1.024 us.
            let t = ((at_ns >> 10) << 10) as f64 * 1e-9;
            worst = worst.max((h.sensor_c() - 22.0 - p * r * (1.0 - (-t / (c * r)).exp())).abs());
        }
        std::println!("ladder: heater step response against closed form {worst:.1e} K of 280 K");
        assert!(worst < 1e-9, "error {worst} K");
    }

    /// In the end all power leaves through the losses, whatever the nodes between.
    #[test]
    fn steady_state_power_is_loss() {
        let mut h = state(Body::Hotend(v6()));
        h.switch(0, 0.3);
        h.advance(20_000_000_000_000);
        assert!((h.body_c() - 22.0 - 0.3 * 40.0 / 0.068).abs() < 1e-6);
        assert!((h.sensor_c() - h.body_c()).abs() < 1e-6);
        let mut b = state(Body::Bed(Bed::of_600_w()));
        b.switch(0, 0.5);
        b.advance(60_000_000_000_000);
        let [plate, _, heater, _] = b.network.over_ambient_k;
        assert!((plate * 3.9 + heater * 0.74 - 300.0).abs() < 1e-6);
    }

    /// A soft PWM of 0.1 s keeps the mean temperature of its duty.
    #[test]
    fn soft_pwm_is_its_mean() {
        let (mut pwm, mut flat) = (state(Body::Hotend(v6())), state(Body::Hotend(v6())));
        flat.switch(0, 0.3);
        for cycle in 0..6000u64 {
            pwm.switch(cycle * GRID_NS, 1.0);
            pwm.switch(cycle * GRID_NS + GRID_NS * 3 / 10, 0.0);
        }
        pwm.advance(6000 * GRID_NS);
        flat.advance(6000 * GRID_NS);
        assert!((pwm.body_c() - flat.body_c()).abs() < 0.2, "{} and {}", pwm.body_c(), flat.body_c());
    }
}
