//! The machine from its dimensions: what it is made of, and where each piece is for a place of the nozzle.
//!
//! Everything is plain arithmetic in mm, z up, seen from the bed: the part stands still and the rest moves, or the
//! bed of a bed slinger is given its way by `bed_way`.

use bevy::math::{Quat, Vec3};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A gantry over the bed: CoreXY and every other machine whose head does all three.
    Gantry,
    BedSlinger,
    Delta,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dimensions {
    pub form: Form,
    /// Where the nozzle can go.
    pub min: Vec3,
    pub max: Vec3,
    /// Of a delta.
    pub towers: Towers,
}

/// What a delta's reckoning goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Towers {
    /// From the joints of the effector to those of the carriages, seen from above, with the nozzle in the middle.
    pub radius: f32,
    pub arms: [f32; 3],
    /// Degrees from +X.
    pub angles: [f32; 3],
}

impl Default for Towers {
    fn default() -> Towers {
        Towers { radius: 110.0, arms: [220.0; 3], angles: [210.0, 330.0, 90.0] }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Piece {
    Frame,
    Bed,
    Gantry,
    Toolhead,
    Spool,
    /// Of a delta's tower.
    Carriage(u8),
    /// Of a delta: two a tower.
    Arm(u8),
    /// On the toolhead: shows how strongly a mode rings.
    Lamp,
}

/// Triangles with a normal and a colour (linear) a corner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    pub positions: Vec<[f32; 3]>,
    pub normals: Vec<[f32; 3]>,
    pub colours: Vec<[f32; 4]>,
    pub indices: Vec<u32>,
}

/// Where a piece is: turned, stretched along its own z, then moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub at: Vec3,
    pub turn: Quat,
    pub stretch: Vec3,
}

impl Place {
    fn moved(at: Vec3) -> Place {
        Place { at, turn: Quat::IDENTITY, stretch: Vec3::ONE }
    }
}

const ALUMINIUM: [f32; 4] = [0.42, 0.44, 0.47, 1.0];
const DARK: [f32; 4] = [0.06, 0.065, 0.075, 1.0];
const STEEL: [f32; 4] = [0.55, 0.57, 0.60, 1.0];
const BRASS: [f32; 4] = [0.60, 0.42, 0.12, 1.0];
const SHEET: [f32; 4] = [0.075, 0.08, 0.09, 1.0];
const GRID: [f32; 4] = [0.17, 0.18, 0.20, 1.0];
const ORANGE: [f32; 4] = [0.75, 0.20, 0.02, 1.0];
const WHITE: [f32; 4] = [0.8, 0.8, 0.8, 1.0];

/// Section of the frame's beams.
const BEAM: f32 = 20.0;
/// From the nozzle's tip to the beam it rides on: back and up.
const BACK: f32 = 38.0;
const RISE: f32 = 32.0;
/// Of a delta: from the nozzle to the joints of its effector, and from the joints of a carriage to its tower's middle.
const HUB: f32 = 22.0;
const CARRIAGE: f32 = 15.0;

impl Shape {
    fn quad(&mut self, corners: [Vec3; 4], colour: [f32; 4]) {
        let Some(normal) = (corners[1] - corners[0]).cross(corners[3] - corners[0]).try_normalize() else { return };
        let first = self.positions.len() as u32;
        for corner in corners {
            self.positions.push(corner.to_array());
            self.normals.push(normal.to_array());
            self.colours.push(colour);
        }
        self.indices.extend([0, 1, 2, 0, 2, 3].map(|i| first + i));
    }

    pub fn block(&mut self, a: Vec3, b: Vec3, colour: [f32; 4]) -> &mut Shape {
        let (l, h) = (a.min(b), a.max(b));
        let at = |x: bool, y: bool, z: bool| {
            Vec3::new(if x { h.x } else { l.x }, if y { h.y } else { l.y }, if z { h.z } else { l.z })
        };
        let (f, t) = (false, true);
        self.quad([at(f, f, t), at(t, f, t), at(t, t, t), at(f, t, t)], colour);
        self.quad([at(f, t, f), at(t, t, f), at(t, f, f), at(f, f, f)], colour);
        self.quad([at(f, f, f), at(t, f, f), at(t, f, t), at(f, f, t)], colour);
        self.quad([at(t, t, f), at(f, t, f), at(f, t, t), at(t, t, t)], colour);
        self.quad([at(t, f, f), at(t, t, f), at(t, t, t), at(t, f, t)], colour);
        self.quad([at(f, t, f), at(f, f, f), at(f, f, t), at(f, t, t)], colour);
        self
    }

    /// A round bar, or a cone, with flat ends.
    pub fn bar(&mut self, from: Vec3, to: Vec3, radii: [f32; 2], colour: [f32; 4]) -> &mut Shape {
        const SIDES: u32 = 24;
        let axis = (to - from).normalize_or(Vec3::Z);
        let (u, v) = axis.any_orthonormal_pair();
        let first = self.positions.len() as u32;
        for nth in 0..=SIDES {
            let (sin, cos) = (std::f32::consts::TAU * nth as f32 / SIDES as f32).sin_cos();
            let outward = u * cos + v * sin;
            for (end, radius) in [(from, radii[0]), (to, radii[1])] {
                self.positions.push((end + outward * radius).to_array());
                self.normals.push(outward.to_array());
                self.colours.push(colour);
            }
        }
        for nth in 0..SIDES {
            let i = first + 2 * nth;
            self.indices.extend([i, i + 2, i + 1, i + 1, i + 2, i + 3]);
        }
        for (end, radius, outward) in [(from, radii[0], -axis), (to, radii[1], axis)] {
            let hub = self.positions.len() as u32;
            self.positions.push(end.to_array());
            self.normals.push(outward.to_array());
            self.colours.push(colour);
            for nth in 0..=SIDES {
                let (sin, cos) = (std::f32::consts::TAU * nth as f32 / SIDES as f32).sin_cos();
                self.positions.push((end + (u * cos + v * sin) * radius).to_array());
                self.normals.push(outward.to_array());
                self.colours.push(colour);
            }
            for nth in 1..=SIDES {
                self.indices.extend([hub, hub + nth, hub + nth + 1]);
            }
        }
        self
    }

    /// A beam of the frame between two points that differ on one axis.
    fn beam(&mut self, a: Vec3, b: Vec3) -> &mut Shape {
        let half = Vec3::splat(BEAM / 2.0);
        self.block(a.min(b) - half, a.max(b) + half, ALUMINIUM)
    }

    #[cfg(test)]
    fn span(&self) -> (Vec3, Vec3) {
        self.positions
            .iter()
            .map(|p| Vec3::from_array(*p))
            .fold((Vec3::splat(f32::INFINITY), Vec3::splat(f32::NEG_INFINITY)), |(l, h), p| (l.min(p), h.max(p)))
    }
}

impl Dimensions {
    fn middle(&self) -> Vec3 {
        (self.min + self.max) / 2.0
    }

    /// Radius of a delta's bed.
    fn reach(&self) -> f32 {
        self.max.x.abs().max(self.max.y.abs()).max(self.min.x.abs()).max(self.min.y.abs()).max(10.0)
    }

    fn arm(&self, tower: u8) -> f32 {
        self.towers.arms[usize::from(tower % 3)]
    }

    /// From the middle towards a tower.
    fn outward(&self, tower: u8) -> Vec3 {
        let angle = self.towers.angles[usize::from(tower % 3)].to_radians();
        Vec3::new(angle.cos(), angle.sin(), 0.0)
    }

    fn tower(&self, tower: u8) -> Vec3 {
        (self.towers.radius + HUB + CARRIAGE) * self.outward(tower)
    }

    /// Height of the frame: where its mode moves most.
    pub fn top(&self) -> f32 {
        match self.form {
            Form::Gantry => self.max.z + 110.0,
            Form::BedSlinger => self.max.z + 90.0,
            Form::Delta => self.max.z + self.towers.arms.into_iter().fold(0.0, f32::max) + 60.0,
        }
    }

    /// What the machine is made of, each piece in its own coordinates.
    pub fn pieces(&self) -> Vec<(Piece, Shape)> {
        let mut pieces = vec![
            (Piece::Bed, self.bed()),
            (Piece::Frame, self.frame()),
            (Piece::Toolhead, toolhead(self.form)),
            (Piece::Spool, spool()),
            (Piece::Lamp, lamp(self.form)),
        ];
        match self.form {
            Form::Gantry | Form::BedSlinger => pieces.push((Piece::Gantry, self.gantry())),
            Form::Delta => {
                for tower in 0..3 {
                    let mut carriage = Shape::default();
                    carriage.block(Vec3::new(-16.0, -16.0, -14.0), Vec3::new(16.0, 16.0, 14.0), DARK);
                    pieces.push((Piece::Carriage(tower), carriage));
                }
                for arm in 0..6 {
                    let mut rod = Shape::default();
                    rod.bar(Vec3::ZERO, Vec3::Z, [3.0, 3.0], STEEL);
                    pieces.push((Piece::Arm(arm), rod));
                }
            }
        }
        pieces
    }

    fn bed(&self) -> Shape {
        let mut bed = Shape::default();
        let (l, h) = (self.min.with_z(0.0) - Vec3::new(8.0, 8.0, 0.0), self.max.with_z(0.0) + Vec3::new(8.0, 8.0, 0.0));
        if self.form == Form::Delta {
            let reach = self.reach() + 8.0;
            bed.bar(Vec3::new(0.0, 0.0, -6.0), Vec3::new(0.0, 0.0, -0.02), [reach, reach], SHEET);
        } else {
            bed.block(l.with_z(-6.0), h.with_z(-0.02), SHEET);
            bed.block(l.with_z(-12.0) + Vec3::new(6.0, 6.0, 0.0), h.with_z(-6.0) - Vec3::new(6.0, 6.0, 0.0), ALUMINIUM);
        }
        // A line every 10 mm, a stronger one every 50.
        let lines = |from: f32, to: f32| (from / 10.0).ceil() as i32..=(to / 10.0).floor() as i32;
        let reach = |off: f32| (self.reach().powi(2) - off * off).max(0.0).sqrt();
        for nth in lines(self.min.x, self.max.x) {
            let (x, half) = (10.0 * nth as f32, if nth % 5 == 0 { 0.3 } else { 0.12 });
            let (a, b) = if self.form == Form::Delta { (-reach(x), reach(x)) } else { (self.min.y, self.max.y) };
            bed.quad(
                [[x - half, a], [x + half, a], [x + half, b], [x - half, b]].map(|[x, y]| Vec3::new(x, y, -0.01)),
                GRID,
            );
        }
        for nth in lines(self.min.y, self.max.y) {
            let (y, half) = (10.0 * nth as f32, if nth % 5 == 0 { 0.3 } else { 0.12 });
            let (a, b) = if self.form == Form::Delta { (-reach(y), reach(y)) } else { (self.min.x, self.max.x) };
            bed.quad(
                [[a, y - half], [b, y - half], [b, y + half], [a, y + half]].map(|[x, y]| Vec3::new(x, y, -0.01)),
                GRID,
            );
        }
        bed
    }

    fn frame(&self) -> Shape {
        let mut frame = Shape::default();
        let foot = -60.0;
        let top = self.top();
        match self.form {
            Form::Gantry => {
                let (l, h) = (self.min - Vec3::new(55.0, 45.0, 0.0), self.max + Vec3::new(55.0, 70.0, 0.0));
                for z in [foot, top] {
                    for y in [l.y, h.y] {
                        frame.beam(Vec3::new(l.x, y, z), Vec3::new(h.x, y, z));
                    }
                    for x in [l.x, h.x] {
                        frame.beam(Vec3::new(x, l.y, z), Vec3::new(x, h.y, z));
                    }
                }
                for x in [l.x, h.x] {
                    for y in [l.y, h.y] {
                        frame.beam(Vec3::new(x, y, foot), Vec3::new(x, y, top));
                    }
                }
            }
            Form::BedSlinger => {
                let y = self.middle().y + BACK;
                let (left, right) = (self.min.x - 45.0, self.max.x + 45.0);
                for x in [self.middle().x - 45.0, self.middle().x + 45.0] {
                    frame.beam(Vec3::new(x, self.min.y - 20.0, -34.0), Vec3::new(x, self.max.y + 40.0, -34.0));
                }
                frame.beam(Vec3::new(left, y, -34.0), Vec3::new(right, y, -34.0));
                for x in [left, right] {
                    frame.beam(Vec3::new(x, y, -34.0), Vec3::new(x, y, top));
                }
                frame.beam(Vec3::new(left, y, top), Vec3::new(right, y, top));
            }
            Form::Delta => {
                for tower in 0..3 {
                    let (at, next) = (self.tower(tower), self.tower((tower + 1) % 3));
                    frame.beam(at.with_z(foot), at.with_z(top));
                    for z in [foot, top] {
                        frame.bar(at.with_z(z), next.with_z(z), [BEAM / 2.0; 2], ALUMINIUM);
                    }
                }
            }
        }
        frame
    }

    /// The beam the toolhead rides on: in x and z where it is, in y and z of the nozzle.
    fn gantry(&self) -> Shape {
        let mut gantry = Shape::default();
        let (left, right) = (self.min.x - 45.0, self.max.x + 45.0);
        gantry.beam(Vec3::new(left, BACK, RISE), Vec3::new(right, BACK, RISE));
        gantry.block(Vec3::new(left, BACK - 13.0, RISE - 3.0), Vec3::new(right, BACK - 10.0, RISE + 3.0), STEEL);
        for x in [left, right] {
            gantry.block(
                Vec3::new(x - 18.0, BACK - 22.0, RISE - 18.0),
                Vec3::new(x + 18.0, BACK + 22.0, RISE + 18.0),
                DARK,
            );
        }
        gantry
    }

    /// Where a bed slinger's bed is, against where it was built, when the nozzle is at `tool`.
    pub fn bed_way(&self, tool: Vec3) -> Vec3 {
        match self.form {
            Form::BedSlinger => Vec3::new(0.0, self.middle().y - tool.y, 0.0),
            Form::Gantry | Form::Delta => Vec3::ZERO,
        }
    }

    /// Where a piece is when the nozzle is at `tool`, in the machine's coordinates: the bed's own way comes on top
    /// of the bed and of what stands on it.
    pub fn place(&self, piece: Piece, tool: Vec3) -> Place {
        let tool = tool + self.bed_way(tool);
        match piece {
            Piece::Frame | Piece::Bed => Place::moved(Vec3::ZERO),
            Piece::Gantry => Place::moved(Vec3::new(0.0, tool.y, tool.z)),
            Piece::Toolhead | Piece::Lamp => Place::moved(tool),
            Piece::Spool => Place::moved(match self.form {
                Form::Gantry => Vec3::new(self.max.x + 80.0, self.middle().y, self.middle().z + 60.0),
                Form::BedSlinger => Vec3::new(self.middle().x, self.middle().y + BACK, self.top() + 110.0),
                Form::Delta => Vec3::new(0.0, 0.0, self.top() + 110.0),
            }),
            Piece::Carriage(tower) => Place::moved(self.carriage(tower, tool)),
            Piece::Arm(arm) => {
                let tower = arm / 2;
                let side = if arm % 2 == 0 { 18.0 } else { -18.0 };
                let out = self.outward(tower);
                let aside = Vec3::new(-out.y, out.x, 0.0) * side;
                let from = tool + Vec3::new(0.0, 0.0, RISE) + out * HUB + aside;
                let to = self.carriage(tower, tool) + aside;
                let way = to - from;
                Place {
                    at: from,
                    turn: Quat::from_rotation_arc(Vec3::Z, way.normalize_or(Vec3::Z)),
                    stretch: Vec3::new(1.0, 1.0, way.length()),
                }
            }
        }
    }

    /// The joints of its arms.
    fn carriage(&self, tower: u8, tool: Vec3) -> Vec3 {
        let out = self.outward(tower);
        let flat = (out * self.towers.radius - tool.with_z(0.0)).length();
        let rise = (self.arm(tower).powi(2) - flat * flat).max(0.0).sqrt();
        (out * (self.towers.radius + HUB)).with_z(tool.z + RISE + rise)
    }
}

/// Its nozzle's tip is at the origin.
fn toolhead(form: Form) -> Shape {
    let mut head = Shape::default();
    head.bar(Vec3::ZERO, Vec3::new(0.0, 0.0, 3.0), [0.5, 3.5], BRASS);
    head.bar(Vec3::new(0.0, 0.0, 3.0), Vec3::new(0.0, 0.0, 6.0), [4.0, 4.0], BRASS);
    head.block(Vec3::new(-8.0, -8.0, 6.0), Vec3::new(8.0, 12.0, 16.0), STEEL);
    head.bar(Vec3::new(0.0, 0.0, 16.0), Vec3::new(0.0, 0.0, 22.0), [3.5, 3.5], STEEL);
    if form == Form::Delta {
        head.bar(Vec3::new(0.0, 0.0, RISE - 6.0), Vec3::new(0.0, 0.0, RISE + 6.0), [32.0, 32.0], DARK);
        head.bar(Vec3::new(0.0, 0.0, RISE - 10.0), Vec3::new(0.0, 0.0, RISE + 34.0), [14.0, 14.0], ORANGE);
        return head;
    }
    head.block(Vec3::new(-20.0, -16.0, 22.0), Vec3::new(20.0, BACK - 14.0, 62.0), DARK);
    head.bar(Vec3::new(0.0, -19.0, 42.0), Vec3::new(0.0, -16.0, 42.0), [15.0, 15.0], ORANGE);
    head.bar(Vec3::new(0.0, -20.0, 42.0), Vec3::new(0.0, -19.0, 42.0), [5.0, 5.0], DARK);
    head.block(Vec3::new(-14.0, -10.0, 62.0), Vec3::new(14.0, 14.0, 84.0), ORANGE);
    head.bar(Vec3::new(0.0, 2.0, 84.0), Vec3::new(0.0, 2.0, 100.0), [2.5, 2.5], WHITE);
    head
}

fn spool() -> Shape {
    let mut spool = Shape::default();
    let along = |x: f32| Vec3::new(x, 0.0, 0.0);
    spool.bar(along(-26.0), along(26.0), [70.0, 70.0], ORANGE);
    for x in [-32.0, 26.0] {
        spool.bar(along(x), along(x + 6.0), [98.0, 98.0], DARK);
    }
    spool.bar(along(-45.0), along(45.0), [10.0, 10.0], STEEL);
    spool
}

fn lamp(form: Form) -> Shape {
    let mut lamp = Shape::default();
    let (front, z) = if form == Form::Delta { (-18.0, RISE + 20.0) } else { (-22.0, 70.0) };
    lamp.bar(Vec3::new(0.0, front, z), Vec3::new(0.0, -10.0, z), [6.0, 6.0], SHEET);
    lamp
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each() -> [Dimensions; 3] {
        let of = |form, min, max| Dimensions { form, min, max, towers: Towers::default() };
        [
            of(Form::Gantry, Vec3::ZERO, Vec3::new(250.0, 250.0, 230.0)),
            of(Form::BedSlinger, Vec3::ZERO, Vec3::new(220.0, 220.0, 250.0)),
            of(Form::Delta, Vec3::new(-90.0, -90.0, 0.0), Vec3::new(90.0, 90.0, 300.0)),
        ]
    }

    #[test]
    fn every_shape_is_whole() {
        for machine in each() {
            for (piece, shape) in machine.pieces() {
                assert_eq!(shape.positions.len(), shape.normals.len(), "{piece:?}");
                assert_eq!(shape.positions.len(), shape.colours.len(), "{piece:?}");
                assert!(shape.indices.iter().all(|i| (*i as usize) < shape.positions.len()), "{piece:?}");
                assert!(shape.normals.iter().all(|n| (Vec3::from_array(*n).length() - 1.0).abs() < 1e-4), "{piece:?}");
            }
        }
    }

    #[test]
    fn the_sides_of_a_block_look_outward() {
        let mut block = Shape::default();
        block.block(Vec3::splat(-1.0), Vec3::splat(1.0), WHITE);
        for (at, normal) in block.positions.iter().zip(&block.normals) {
            assert!(Vec3::from_array(*at).dot(Vec3::from_array(*normal)) > 0.0);
        }
    }

    #[test]
    fn the_nozzle_meets_the_part_wherever_the_bed_is() {
        for machine in each() {
            for tool in [machine.min, machine.middle(), machine.max] {
                let nozzle = machine.place(Piece::Toolhead, tool).at;
                let on_the_bed = tool + machine.bed_way(tool);
                assert!((nozzle - on_the_bed).length() < 1e-3, "{machine:?} {tool:?}");
            }
        }
    }

    #[test]
    fn the_toolhead_stays_within_the_frame() {
        for machine in each() {
            let frame = machine.frame().span();
            for tool in [machine.min, machine.max] {
                let at = machine.place(Piece::Toolhead, tool).at;
                assert!(at.x > frame.0.x && at.x < frame.1.x && at.z < frame.1.z, "{machine:?} {tool:?}");
            }
        }
    }

    #[test]
    fn the_arms_of_a_delta_keep_their_length_and_its_carriages_are_where_the_reckoning_has_them() {
        let towers = Towers { radius: 105.0, arms: [215.0, 216.0, 214.0], angles: [210.0, 330.5, 90.0] };
        let machine = Dimensions { towers, ..each()[2] };
        let reckoned = drydock_view_model::Delta {
            radius_mm: 105.0,
            arm_length_mm: [215.0, 216.0, 214.0],
            tower_angle_deg: [210.0, 330.5, 90.0],
        };
        for tool in [Vec3::ZERO, Vec3::new(60.0, 20.0, 10.0), Vec3::new(-40.0, 70.0, 200.0)] {
            for arm in 0..6 {
                let place = machine.place(Piece::Arm(arm), tool);
                assert!((place.stretch.z - machine.arm(arm / 2)).abs() < 0.1, "{} at {tool:?}", place.stretch.z);
            }
            let heights = reckoned.carriages_mm(tool.to_array().map(f64::from)).unwrap();
            for (tower, height) in (0..3).zip(heights) {
                let drawn = machine.place(Piece::Carriage(tower), tool).at.z - RISE;
                assert!((f64::from(drawn) - height).abs() < 0.01, "{drawn} mm for {height} mm at {tool:?}");
            }
        }
    }
}
