//! The scene: up to two recordings, each with its part, its machine and its trail, as the playhead and the view want it.

use crate::beads::{BLOCK_ROWS, Beads, Bounds, Node, ROW};
use crate::machine::{Dimensions, Form, Piece, Towers};
use crate::materials::{BeadMaterial, FLAT, MachineMaterial, PLAIN, SHADOWED, Sway};
use crate::part::{Looks, Part, Range32, Templates, Upload, map_image};
use crate::print::Nodes;
use bevy::asset::RenderAssetUsages;
use bevy::camera::visibility::{NoFrustumCulling, RenderLayers};
use bevy::ecs::system::SystemParam;
use bevy::light::{CascadeShadowConfig, CascadeShadowConfigBuilder};
use bevy::mesh::{Indices, PrimitiveTopology};
use bevy::platform::time::Instant;
use bevy::prelude::*;
use drydock_view_model::{ColourBy, Compare, Document, Kind, Legend, Machine, Map, Mode, ModeShake, Playhead, Pose};
use std::ops::Range;
use std::time::Duration;

/// What is to be seen, and how. The panels change it; the scene follows.
#[derive(Resource, Clone, Debug, PartialEq)]
pub struct View {
    pub colour_by: ColourBy,
    /// Shares of all beads between which the colours run.
    pub clip: [f32; 2],
    /// Limits of the colours, where they are not to be found from the values.
    pub limits: Option<[f32; 2]>,
    /// How much displacements are enlarged.
    pub gain: f32,
    /// Layers that are shown; all of them where there is none.
    pub layers: Option<Range<usize>>,
    pub part: bool,
    /// The whole part, also what the playhead has not reached.
    pub whole: bool,
    pub machine: bool,
    pub trail: bool,
    /// The light that shows how a mode rings down.
    pub lamp: bool,
    /// Where the adapter can afford them.
    pub shadows: bool,
    pub light: bool,
    /// Colours without light on them.
    pub plain: bool,
    pub compare: Comparing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparing {
    /// The first alone.
    First,
    /// Two pictures side by side.
    Beside,
    /// The first part, coloured by what it has more than the second.
    Difference,
}

impl Default for View {
    fn default() -> View {
        View {
            colour_by: ColourBy::Deviation,
            clip: [0.02, 0.98],
            limits: None,
            gain: 1.0,
            layers: None,
            part: true,
            whole: false,
            machine: true,
            trail: false,
            lamp: true,
            shadows: true,
            light: false,
            plain: false,
            compare: Comparing::Beside,
        }
    }
}

impl View {
    pub fn background(&self) -> Color {
        if self.light { Color::srgb_u8(236, 239, 243) } else { Color::srgb_u8(24, 27, 32) }
    }
}

/// The open recordings and where in them the viewer is.
#[derive(Resource)]
pub struct Session {
    pub sides: Vec<Side>,
    /// Of the first recording; the second follows by lines.
    pub playhead: Playhead,
    /// What is being read, and the share that has been.
    pub working: Option<(String, f32)>,
    /// Closed, and still in the scene.
    gone: Vec<Side>,
}

/// For so long a frame may be held up by reading the recording; what takes longer goes on in the next.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Patience(pub Duration);

impl Patience {
    /// Does pieces of some work, each of which gives the share that is done, while there is time; gives the share.
    fn work(self, mut piece: impl FnMut() -> f32) -> f32 {
        let started = Instant::now();
        loop {
            let share = piece();
            if share >= 1.0 || started.elapsed() > self.0 {
                return share;
            }
        }
    }
}

/// One recording in the scene.
pub struct Side {
    pub document: Document,
    pub legend: Option<Legend>,
    /// Where the machine is at the playhead.
    pub pose: Pose,
    nodes: Nodes,
    /// The part in the scene.
    laid: Option<Laid>,
    /// What is to take its place, while its swings are looked up.
    making: Option<Nodes>,
    machine: Vec<(Piece, Entity)>,
    dimensions: Dimensions,
    bounds: Bounds,
    trail: Option<Entity>,
    coloured: Option<Colouring>,
    seen: Option<(u64, View)>,
}

/// What of a part is in the scene. All of it is one stretch, or, while it grows, one of what was there first, more as it
/// grew, and a last one, which alone is put in again when there is more.
struct Laid {
    beads: usize,
    swings: bool,
    finished: bool,
    stretches: Vec<Stretch>,
}

struct Stretch {
    nodes: Range<usize>,
    entity: Entity,
    /// What its colours were made of; kept while the part grows.
    values: Vec<f32>,
    by: Option<(ColourBy, bool)>,
}

/// Nodes that a stretch grows to.
const STRETCH: usize = BLOCK_ROWS * ROW;

#[derive(Clone, PartialEq)]
struct Colouring {
    by: ColourBy,
    clip: [f32; 2],
    limits: Option<[f32; 2]>,
    difference: bool,
}

impl Side {
    pub fn new(document: Document) -> Side {
        let dimensions = dimensions(document.machine());
        Side {
            legend: None,
            pose: Pose::default(),
            nodes: Nodes::default(),
            laid: None,
            making: None,
            machine: Vec::new(),
            bounds: bounds(&document, &dimensions),
            document,
            dimensions,
            trail: None,
            coloured: None,
            seen: None,
        }
    }

    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn stretches(&self) -> &[Stretch] {
        self.laid.as_ref().map(|laid| laid.stretches.as_slice()).unwrap_or_default()
    }
}

/// Box around the part, less what lies far off: a purge line is not what one wants to look at. Around the bed where
/// nothing has been printed.
fn bounds(document: &Document, machine: &Dimensions) -> Bounds {
    const LEFT_OUT: f32 = 0.03;
    let beads = document.part().beads();
    let mut some: Vec<[f32; 3]> = beads.iter().step_by(beads.len() / 20_000 + 1).map(|bead| bead.to_mm).collect();
    if some.is_empty() {
        return Bounds { min: machine.min.to_array(), max: machine.max.with_z(10.0).to_array() };
    }
    let (mut min, mut max) = ([0.0; 3], [0.0; 3]);
    let left_out = (some.len() as f32 * LEFT_OUT) as usize;
    for axis in 0..3 {
        some.sort_unstable_by(|a, b| a[axis].total_cmp(&b[axis]));
        (min[axis], max[axis]) = (some[left_out][axis], some[some.len() - 1 - left_out][axis]);
    }
    min[2] = 0.0;
    let mut bounds = Bounds { min, max };
    bounds.add(min, 0.5);
    bounds.add(max, 0.5);
    bounds
}

impl Session {
    pub fn new(documents: Vec<Document>) -> Session {
        let first = documents.first().map(|d| (d.span_ns(), d.tick_ns()));
        let (span, tick) = first.unwrap_or((0..0, 1));
        let mut playhead = Playhead::new(span.clone(), tick);
        playhead.seek(span.end);
        Session { sides: documents.into_iter().map(Side::new).collect(), playhead, working: None, gone: Vec::new() }
    }

    /// Opens a recording in place of all others, or beside the first.
    pub fn open(&mut self, document: Document, beside: bool) {
        let keep = usize::from(beside && !self.sides.is_empty());
        self.gone.extend(self.sides.drain(keep..));
        if keep == 0 {
            // What a page has been given does not grow.
            let live = !document.is_finished() && cfg!(not(target_arch = "wasm32"));
            self.playhead = Playhead::new(document.span_ns(), document.tick_ns());
            self.playhead.set_span(document.span_ns(), live);
            self.playhead.seek(document.span_ns().end);
        }
        self.sides.push(Side::new(document));
    }

    pub fn close_second(&mut self) {
        self.gone.extend(self.sides.drain(self.sides.len().min(1)..));
    }

    /// The time of a side that stands for the playhead.
    pub fn time_of(&mut self, side: usize) -> u64 {
        let at_ns = self.playhead.at_ns();
        let [first, second, ..] = &mut self.sides[..] else { return at_ns };
        if side == 0 {
            return at_ns;
        }
        let other = Compare::time(&mut first.document, &mut second.document, at_ns);
        other.unwrap_or_else(|| at_ns.min(second.document.span_ns().end))
    }
}

fn dimensions(machine: &Machine) -> Dimensions {
    let corner = |v: [f64; 3]| Vec3::from_array(v.map(|v| v as f32));
    let form = match machine.kind {
        Kind::CoreXy | Kind::Cartesian => Form::Gantry,
        Kind::BedSlinger => Form::BedSlinger,
        Kind::Delta => Form::Delta,
    };
    let (min, max) = (corner(machine.travel_min_mm), corner(machine.travel_max_mm));
    let towers = machine.delta.as_ref().map(|delta| Towers {
        radius: delta.radius_mm as f32,
        arms: delta.arm_length_mm.map(|mm| mm as f32),
        angles: delta.tower_angle_deg.map(|deg| deg as f32),
    });
    let (min, max) = (min.min(max).with_z(min.z.max(0.0)), max.max(min + Vec3::splat(10.0)));
    Dimensions { form, min, max, towers: towers.unwrap_or_default() }
}

pub struct ScenePlugin;

impl Plugin for ScenePlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<View>()
            .insert_resource(GlobalAmbientLight::NONE)
            .add_systems(Startup, sun)
            .add_systems(Update, (load, colour, follow).chain().in_set(SceneSystems))
            .add_systems(PostUpdate, fit_shadow.before(TransformSystems::Propagate));
    }
}

/// Brings the scene to where session and view are.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SceneSystems;

/// Whether the adapter can afford a shadow map.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Shadows(pub bool);

pub fn layer(side: usize) -> RenderLayers {
    RenderLayers::layer(side + 1)
}

#[derive(Component)]
struct Sun;

fn sun(mut commands: Commands, shadows: Res<Shadows>) {
    commands.spawn((
        Sun,
        DirectionalLight {
            shadow_maps_enabled: shadows.0,
            shadow_depth_bias: 0.1,
            shadow_normal_bias: 1.0,
            ..default()
        },
        Reach([0.5, 1500.0]),
        cascade([0.5, 1500.0]),
        // From the left, in front and above: low enough that a wave on a wall has a bright and a dark side.
        Transform::default().looking_to(Vec3::new(0.62, 0.55, -0.72), Vec3::Z),
        RenderLayers::from_layers(&[0, 1, 2]),
    ));
}

/// The shadow map spans what is looked at, and no more: its texels are as small as they can be.
fn fit_shadow(
    session: Res<Session>,
    view: Res<View>,
    affordable: Res<Shadows>,
    cameras: Query<(&Camera, &Transform), With<Camera3d>>,
    mut suns: Query<(&mut CascadeShadowConfig, &mut Reach, &mut DirectionalLight), With<Sun>>,
) {
    let Some((_, eye)) = cameras.iter().find(|(camera, _)| camera.is_active) else { return };
    let mut bounds = Bounds::EMPTY;
    session.sides.iter().for_each(|side| bounds.join(side.bounds()));
    if bounds.is_empty() {
        bounds = Bounds { min: [0.0; 3], max: [200.0; 3] };
    }
    let (away, size) = ((Vec3::from_array(bounds.centre()) - eye.translation).length(), bounds.diagonal());
    let wanted = [(away - size).max(0.5), away + 2.0 * size + 50.0];
    for (mut config, mut reach, mut light) in &mut suns {
        let wants = affordable.0 && view.shadows;
        if light.shadow_maps_enabled != wants {
            light.shadow_maps_enabled = wants;
        }
        // Following every little move would let the shadows' edges swim.
        if (0..2).any(|end| (wanted[end] / reach.0[end] - 1.0).abs() > 0.1) {
            reach.0 = wanted;
            *config = cascade(wanted);
        }
    }
}

/// Distances that the shadow map spans.
#[derive(Component)]
struct Reach([f32; 2]);

fn cascade([minimum_distance, maximum_distance]: [f32; 2]) -> CascadeShadowConfig {
    CascadeShadowConfigBuilder { num_cascades: 1, minimum_distance, maximum_distance, ..default() }.build()
}

/// Where what is drawn is kept.
#[derive(SystemParam)]
struct Stores<'w> {
    images: ResMut<'w, Assets<Image>>,
    beads: ResMut<'w, Assets<BeadMaterial>>,
    metals: ResMut<'w, Assets<MachineMaterial>>,
    meshes: ResMut<'w, Assets<Mesh>>,
    templates: Res<'w, Templates>,
}

impl Stores<'_> {
    fn upload(&mut self) -> Upload<'_> {
        Upload { images: &mut self.images, materials: &mut self.beads, templates: &self.templates }
    }
}

/// Puts what has been opened, or has grown, into the scene.
fn load(
    mut commands: Commands,
    mut session: ResMut<Session>,
    view: Res<View>,
    patience: Res<Patience>,
    mut stores: Stores,
) {
    let session = session.bypass_change_detection();
    session.working = None;
    for side in std::mem::take(&mut session.gone) {
        let pieces = side.machine.iter().map(|(_, entity)| *entity);
        let entities = pieces.chain(side.stretches().iter().map(|stretch| stretch.entity)).chain(side.trail);
        entities.for_each(|entity| commands.entity(entity).despawn());
    }
    for (nth, side) in session.sides.iter_mut().enumerate() {
        if side.machine.is_empty() {
            for (piece, shape) in side.dimensions.pieces() {
                let mut mesh = Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::RENDER_WORLD);
                mesh.insert_attribute(Mesh::ATTRIBUTE_POSITION, shape.positions);
                mesh.insert_attribute(Mesh::ATTRIBUTE_NORMAL, shape.normals);
                mesh.insert_attribute(Mesh::ATTRIBUTE_COLOR, shape.colours);
                mesh.insert_indices(Indices::U32(shape.indices));
                let entity = commands.spawn((
                    Mesh3d(stores.meshes.add(mesh)),
                    MeshMaterial3d(stores.metals.add(MachineMaterial::default())),
                    Transform::default(),
                    // Sways in the shader, beyond the bounds of its mesh.
                    NoFrustumCulling,
                    layer(nth),
                ));
                side.machine.push((piece, entity.id()));
            }
        }
        let working = lay(&mut commands, side, nth, view.gain != 1.0, *patience, &mut stores);
        session.working = session.working.take().or(working);
    }
}

/// Brings the part in the scene to where the recording is.
fn lay(
    commands: &mut Commands,
    side: &mut Side,
    nth: usize,
    wants_swings: bool,
    patience: Patience,
    stores: &mut Stores,
) -> Option<(String, f32)> {
    let (beads, finished) = (side.document.part().len(), side.document.is_finished());
    let mut put_in = |nodes: &Nodes, range: Range<usize>| {
        let mut upload = stores.upload();
        let colours = upload.images.add(map_image(&[[128; 3]; 256]));
        let made = Beads::new(&nodes.stretch(range.clone()));
        let entity = upload.spawn(commands, made, &[], colours, layer(nth), true);
        Stretch { nodes: range, entity, values: Vec::new(), by: None }
    };
    let mut despawned = Vec::new();
    let laid = match side.laid.take() {
        Some(laid) if (laid.swings || !wants_swings) && laid.finished == finished => {
            if laid.beads == beads {
                side.laid = Some(laid);
                return None;
            }
            let mut laid = laid;
            side.nodes.extend(side.document.part());
            if wants_swings {
                side.nodes.forget_swings();
                while side.nodes.swing(&mut side.document) < 1.0 {}
            }
            despawned.extend(laid.stretches.pop().map(|last| last.entity));
            laid
        }
        before => {
            let making = side.making.get_or_insert_with(|| Nodes::of(side.document.part()));
            if wants_swings {
                let share = patience.work(|| making.swing(&mut side.document));
                if share < 1.0 {
                    side.laid = before;
                    return Some(("Displacement".into(), share));
                }
            }
            despawned.extend(before.into_iter().flat_map(|laid| laid.stretches).map(|stretch| stretch.entity));
            side.nodes = side.making.take().unwrap_or_default();
            Laid { beads: 0, swings: wants_swings, finished, stretches: Vec::new() }
        }
    };
    let mut laid = Laid { beads: side.nodes.beads(), ..laid };
    let count = side.nodes.count();
    if finished {
        laid.stretches.push(put_in(&side.nodes, side.nodes.first_held()..count));
        side.nodes.forget_before(count);
    } else {
        // The newest two stretches may still change: states are written later than beads.
        let fixed = (count / STRETCH).saturating_sub(1) * STRETCH;
        if fixed > side.nodes.first_held() {
            laid.stretches.push(put_in(&side.nodes, side.nodes.first_held()..fixed));
            side.nodes.forget_before(fixed);
        }
        laid.stretches.push(put_in(&side.nodes, side.nodes.first_held()..count));
    }
    despawned.into_iter().for_each(|entity| commands.entity(entity).despawn());
    side.laid = Some(laid);
    side.bounds = bounds(&side.document, &side.dimensions);
    (side.coloured, side.seen) = (None, None);
    None
}

/// The 256 colours between the two ends of a legend.
fn map_colours(map: Map) -> [[u8; 3]; 256] {
    std::array::from_fn(|nth| match map {
        Map::Categories => map.colour(nth as f32),
        _ => map.colour(nth as f32 / 255.0),
    })
}

/// Values and colour map, where what is coloured by has changed.
fn colour(
    mut session: ResMut<Session>,
    view: Res<View>,
    patience: Res<Patience>,
    mut parts: Query<&mut Part>,
    mut stores: Stores,
) {
    let difference = view.compare == Comparing::Difference && session.sides.len() > 1;
    let wanted = Colouring { by: view.colour_by, clip: view.clip, limits: view.limits, difference };
    let Session { sides, working, .. } = session.bypass_change_detection();
    if sides.iter().all(|side| side.coloured.as_ref() == Some(&wanted)) {
        return;
    }
    let by = if difference { ColourBy::Deviation } else { wanted.by };
    for side in sides.iter_mut() {
        let share = patience.work(|| side.document.prepare_values(by, 1));
        if share < 1.0 {
            let reading = || (by.title().into(), share);
            working.get_or_insert_with(reading);
            return;
        }
    }
    let values: Vec<Vec<f32>> = match &mut sides[..] {
        [first, second, ..] if difference => {
            let values = Compare::deviation_difference(&mut first.document, &mut second.document);
            vec![values, second.document.values(ColourBy::Deviation).to_vec()]
        }
        sides => sides.iter_mut().map(|side| side.document.values(wanted.by).to_vec()).collect(),
    };
    // One legend for both sides, so that a colour means the same in both pictures.
    let all: Vec<f32> = if difference { values.first().cloned().unwrap_or_default() } else { values.concat() };
    let mut legend = by.legend(&all, wanted.clip);
    if let Some([low, high]) = wanted.limits {
        (legend.low, legend.high) = (low, high);
    }
    if difference {
        legend.title = "Difference of deviation";
    }
    let flat = legend.map == Map::Categories;
    let colours = stores.images.add(map_image(&map_colours(legend.map)));
    for (side, values) in sides.iter_mut().zip(values) {
        let Some(laid) = &mut side.laid else { continue };
        let values = side.nodes.values(&values, flat);
        let [low, high] = if flat { [0.0, 255.0] } else { [legend.low, legend.high] };
        for stretch in &mut laid.stretches {
            let Ok(mut part) = parts.get_mut(stretch.entity) else { continue };
            // With the node after its own, where its last segment ends.
            let own = &values[stretch.nodes.start..(stretch.nodes.end + 1).min(values.len())];
            if stretch.by != Some((by, difference)) || !same(&stretch.values, own) {
                stores.upload().colour(&mut part, own, &colours);
                stretch.by = Some((by, difference));
                stretch.values = if laid.finished { Vec::new() } else { own.to_vec() };
            }
            part.looks = Looks { low, high, flags: if flat { FLAT } else { 0 }, ..part.looks };
        }
        side.legend = Some(legend.clone());
        side.coloured = Some(wanted.clone());
        side.seen = None;
    }
}

/// Bit by bit, so that what is not a number is the same as itself.
fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// Length of the trail before and after the playhead.
const TRAIL_NS: u64 = 250_000_000;
const TRAIL_POINTS: usize = 2000;

/// Moves everything to the playhead.
fn follow(
    mut commands: Commands,
    mut session: ResMut<Session>,
    view: Res<View>,
    mut stores: Stores,
    mut parts: Query<(&mut Part, &mut Transform, &mut Visibility), Without<MeshMaterial3d<MachineMaterial>>>,
    mut pieces: Query<(&mut Transform, &mut Visibility, &MeshMaterial3d<MachineMaterial>)>,
) {
    for nth in 0..session.sides.len() {
        let at_ns = session.bypass_change_detection().time_of(nth);
        let side = &mut session.bypass_change_detection().sides[nth];
        if side.seen.as_ref().is_some_and(|(ns, seen)| *ns == at_ns && *seen == *view) {
            continue;
        }
        if side.stretches().iter().any(|stretch| parts.get(stretch.entity).is_err()) {
            // They come into the world at the end of this frame.
            continue;
        }
        side.seen = Some((at_ns, view.clone()));
        side.pose = side.document.pose(at_ns);
        let tool = Vec3::from_array(side.pose.exaggerated(f64::from(view.gain)).map(|v| v as f32));
        let machine = side.dimensions;
        // With the machine in the picture it stands still and a bed may move; else the part stands still.
        let bed = if view.machine { machine.bed_way(tool) } else { Vec3::ZERO };
        let (shown, partly) = shown(side, at_ns, &view);
        for stretch in side.stretches() {
            let Ok((mut part, mut place, mut visibility)) = parts.get_mut(stretch.entity) else { continue };
            let start = stretch.nodes.start as u32;
            // Of what begins later than the last that is shown, nothing is there, and no part of a segment.
            let partly = if shown.end >= start { partly } else { 0.0 };
            let shown = Range32 { start: shown.start.saturating_sub(start), end: shown.end.saturating_sub(start) };
            let flags = part.looks.flags & FLAT | if view.plain { PLAIN } else { SHADOWED };
            let looks = Looks { shown, partly, gain: view.gain, flags, ..part.looks };
            if part.looks != looks {
                part.looks = looks;
            }
            place.translation = bed;
            *visibility = if view.part { Visibility::Inherited } else { Visibility::Hidden };
        }
        let glow = if view.lamp && view.machine { glow(&mut side.document, at_ns) } else { Vec4::ZERO };
        let sway = if view.machine { sway(&mut side.document, at_ns, view.gain) } else { Vec3::ZERO };
        let sway = sway.extend(machine.top());
        for &(piece, entity) in &side.machine {
            let Ok((mut place, mut visibility, material)) = pieces.get_mut(entity) else { continue };
            let at = machine.place(piece, tool);
            *place = Transform { translation: at.at, rotation: at.turn, scale: at.stretch };
            if piece == Piece::Bed {
                place.translation += bed;
            }
            *visibility = if view.machine { Visibility::Inherited } else { Visibility::Hidden };
            if let Some(mut material) = stores.metals.get_mut(material) {
                let tint = if view.light { 1.25 } else { 1.0 };
                material.sway = Sway {
                    top: if piece == Piece::Frame || piece == Piece::Spool {
                        sway
                    } else {
                        Vec4::new(0.0, 0.0, 0.0, machine.top())
                    },
                    tint: Vec4::new(tint, tint, tint, 1.0),
                    glow: if piece == Piece::Lamp { glow } else { Vec4::ZERO },
                };
            }
        }
        if let Some(old) = side.trail.take() {
            commands.entity(old).despawn();
        }
        if view.trail {
            let mut upload = stores.upload();
            side.trail = Some(trail(&mut commands, &mut upload, &mut side.document, at_ns, &view, bed, nth));
        }
    }
}

/// Segments that are there at a time and wanted by the view.
fn shown(side: &Side, at_ns: u64, view: &View) -> (Range32, f32) {
    let (whole, partly) = if view.whole { (usize::MAX, 0.0) } else { side.document.part().laid_at(at_ns) };
    let layers = side.document.timeline().layers();
    let wanted = match &view.layers {
        Some(range) => {
            let start = layers.get(range.start).map_or(usize::MAX, |layer| layer.beads.start);
            let end = layers.get(range.end.saturating_sub(1)).map_or(usize::MAX, |layer| layer.beads.end);
            start..end
        }
        None => 0..usize::MAX,
    };
    let segments = side.nodes.segments(wanted.start..whole.min(wanted.end));
    (
        Range32 { start: segments.start, end: segments.end.max(segments.start) },
        if whole < wanted.end { partly } else { 0.0 },
    )
}

/// The frame leans by what its own modes have in the nozzle's displacement: of each axis the slowest, which no light part
/// has.
fn sway(document: &mut Document, at_ns: u64, gain: f32) -> Vec3 {
    let shake = document.shake(at_ns);
    let modes = document.machine().modes.iter().zip(&shake.modes).filter(|(mode, _)| !mode.on_bed);
    let mut slowest = [None::<(&Mode, &ModeShake)>; 3];
    for (mode, swing) in modes {
        let kept = &mut slowest[mode.axis.min(2)];
        if kept.is_none_or(|(other, _)| mode.frequency_hz < other.frequency_hz) {
            *kept = Some((mode, swing));
        }
    }
    let leans = slowest.into_iter().flatten().map(|(mode, swing)| {
        let shape = Vec3::from_array(mode.shape.map(|v| v as f32)).normalize_or_zero();
        shape * (swing.swing_um * 1e-3) as f32 * gain
    });
    leans.sum::<Vec3>().with_z(0.0)
}

/// Light of the lamp: green while nothing rings, over yellow to red where a mode is far from still.
fn glow(document: &mut Document, at_ns: u64) -> Vec4 {
    const LOUD_UM: f64 = 50.0;
    let Some(ring) = document.ring_down(at_ns) else { return Vec4::ZERO };
    let loud = (ring.amplitude_um / LOUD_UM).clamp(0.0, 1.0) as f32;
    Vec4::new(1.6 * loud, 0.5 * (1.0 - loud), 0.02, 0.0)
}

/// The commanded and the true way around the playhead, as two lines of even width on the screen.
fn trail(
    commands: &mut Commands,
    upload: &mut Upload,
    document: &mut Document,
    at_ns: u64,
    view: &View,
    bed: Vec3,
    side: usize,
) -> Entity {
    let span = document.span_ns();
    let range = at_ns.saturating_sub(TRAIL_NS).max(span.start)..(at_ns + TRAIL_NS).min(span.end.saturating_add(1));
    let trail = document.trail(range, TRAIL_POINTS);
    let truth: Vec<[f64; 3]> = trail.exaggerated(f64::from(view.gain)).collect();
    let mut nodes = Vec::new();
    let mut values = Vec::new();
    for (line, value) in [(&trail.commanded, 0.0), (&truth, 1.0)] {
        for (nth, at) in line.iter().enumerate() {
            let at = [0, 1, 2].map(|axis| at[axis] as f32 + if axis == 2 { 0.05 } else { 0.0 });
            nodes.push(Node { at, last: nth + 1 == line.len(), ..Node::default() });
            values.push(value);
        }
    }
    let mut colours = [[0; 3]; 256];
    let (commanded, true_way) =
        if view.light { ([70, 70, 70], [200, 60, 0]) } else { ([230, 230, 230], [255, 150, 20]) };
    colours[..128].fill(commanded);
    colours[128..].fill(true_way);
    let colours = upload.images.add(map_image(&colours));
    let root = upload.spawn(commands, Beads::new(&nodes), &values, colours, layer(side), false);
    let looks = Looks { flags: PLAIN, thin: 1.1, ..Looks::default() };
    commands
        .entity(root)
        .insert(Transform::from_translation(bed))
        .entry::<Part>()
        .and_modify(move |mut part| part.looks = looks);
    root
}
