//! The scene: up to two recordings, each with its part, its machine and its trail, as the playhead and the view want it.

use crate::beads::{Beads, Bounds, Node};
use crate::machine::{Dimensions, Form, Piece};
use crate::materials::{BeadMaterial, FLAT, MachineMaterial, PLAIN, SHADOWED, Sway};
use crate::part::{Looks, Part, Range32, Templates, Upload, map_image};
use crate::print::Nodes;
use bevy::asset::RenderAssetUsages;
use bevy::camera::visibility::{NoFrustumCulling, RenderLayers};
use bevy::ecs::system::SystemParam;
use bevy::light::{CascadeShadowConfig, CascadeShadowConfigBuilder};
use bevy::mesh::{Indices, PrimitiveTopology};
use bevy::prelude::*;
use drydock_view_model::{ColourBy, Compare, Document, Kind, Legend, Machine, Map, Playhead, Pose};
use std::ops::Range;

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
    /// Closed, and still in the scene.
    gone: Vec<Side>,
}

/// One recording in the scene.
pub struct Side {
    pub document: Document,
    pub legend: Option<Legend>,
    /// Where the machine is at the playhead.
    pub pose: Pose,
    nodes: Nodes,
    /// Beads that the part in the scene has.
    beads: usize,
    swings: bool,
    part: Option<Entity>,
    machine: Vec<(Piece, Entity)>,
    dimensions: Dimensions,
    bounds: Bounds,
    trail: Option<Entity>,
    coloured: Option<Colouring>,
    seen: Option<(u64, View)>,
}

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
            beads: usize::MAX,
            swings: false,
            part: None,
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
        Session { sides: documents.into_iter().map(Side::new).collect(), playhead, gone: Vec::new() }
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
    Dimensions { form, min: min.min(max).with_z(min.z.max(0.0)), max: max.max(min + Vec3::splat(10.0)) }
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
fn load(mut commands: Commands, mut session: ResMut<Session>, view: Res<View>, mut stores: Stores) {
    for side in std::mem::take(&mut session.bypass_change_detection().gone) {
        let entities = side.machine.iter().map(|(_, entity)| *entity).chain(side.part).chain(side.trail);
        entities.for_each(|entity| commands.entity(entity).despawn());
    }
    for (nth, side) in session.bypass_change_detection().sides.iter_mut().enumerate() {
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
        let wants_swings = view.gain != 1.0;
        let laid = side.document.part().len();
        if side.beads == laid && (side.swings || !wants_swings) {
            continue;
        }
        side.nodes = Nodes::of(side.document.part());
        if wants_swings {
            side.nodes.swing(&mut side.document);
        }
        (side.beads, side.swings) = (laid, wants_swings);
        side.bounds = bounds(&side.document, &side.dimensions);
        if let Some(old) = side.part.take() {
            commands.entity(old).despawn();
        }
        (side.coloured, side.seen) = (None, None);
        let mut upload = stores.upload();
        let colours = upload.images.add(map_image(&[[128; 3]; 256]));
        let made = Beads::new(&side.nodes.nodes);
        side.part = Some(upload.spawn(&mut commands, made, &[], colours, layer(nth), true));
        side.nodes.forget();
    }
}

/// The 256 colours between the two ends of a legend.
fn map_colours(map: Map) -> [[u8; 3]; 256] {
    std::array::from_fn(|nth| match map {
        Map::Categories => map.colour(nth as f32),
        _ => map.colour(nth as f32 / 255.0),
    })
}

/// Values and colour map, where what is coloured by has changed.
fn colour(mut session: ResMut<Session>, view: Res<View>, mut parts: Query<&mut Part>, mut stores: Stores) {
    let difference = view.compare == Comparing::Difference && session.sides.len() > 1;
    let wanted = Colouring { by: view.colour_by, clip: view.clip, limits: view.limits, difference };
    let sides = &mut session.bypass_change_detection().sides;
    if sides.iter().all(|side| side.coloured.as_ref() == Some(&wanted)) {
        return;
    }
    let values: Vec<Vec<f32>> = match &mut sides[..] {
        [first, second, ..] if difference => {
            let values = Compare::deviation_difference(&mut first.document, &mut second.document);
            vec![values, second.document.values(ColourBy::Deviation).to_vec()]
        }
        sides => sides.iter_mut().map(|side| side.document.values(wanted.by).to_vec()).collect(),
    };
    // One legend for both sides, so that a colour means the same in both pictures.
    let by = if difference { ColourBy::Deviation } else { wanted.by };
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
        let Some(mut part) = side.part.and_then(|entity| parts.get_mut(entity).ok()) else { continue };
        let mut upload = stores.upload();
        upload.colour(&mut part, &side.nodes.values(&values, flat), &colours);
        let [low, high] = if flat { [0.0, 255.0] } else { [legend.low, legend.high] };
        part.looks = Looks { low, high, flags: if flat { FLAT } else { 0 }, ..part.looks };
        side.legend = Some(legend.clone());
        side.coloured = Some(wanted.clone());
        side.seen = None;
    }
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
        if side.part.is_some_and(|entity| parts.get(entity).is_err()) {
            // It comes into the world at the end of this frame.
            continue;
        }
        side.seen = Some((at_ns, view.clone()));
        side.pose = side.document.pose(at_ns);
        let tool = Vec3::from_array(side.pose.exaggerated(f64::from(view.gain)).map(|v| v as f32));
        let drive = Vec3::from_array(side.pose.drive_mm.map(|v| v as f32));
        let machine = side.dimensions;
        // With the machine in the picture it stands still and a bed may move; else the part stands still.
        let bed = if view.machine { machine.bed_way(tool) } else { Vec3::ZERO };
        let (shown, partly) = shown(side, at_ns, &view);
        if let Some((mut part, mut place, mut visibility)) = side.part.and_then(|entity| parts.get_mut(entity).ok()) {
            let base = part.looks.flags & FLAT | if view.plain { PLAIN } else { SHADOWED };
            let looks = Looks { shown, partly, gain: view.gain, flags: base, ..part.looks };
            if part.looks != looks {
                part.looks = looks;
            }
            place.translation = bed;
            *visibility = if view.part { Visibility::Inherited } else { Visibility::Hidden };
        }
        let glow = if view.lamp && view.machine { glow(&mut side.document, at_ns) } else { Vec4::ZERO };
        let sway = sway(&side.document, tool - drive, machine.top());
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

/// The frame leans against what the nozzle does, as far as a mode of the frame is known to.
fn sway(document: &Document, displacement: Vec3, top: f32) -> Vec4 {
    let modes = &document.machine().modes;
    let axis = |axis: usize| {
        // The lowest mode of an axis is taken as the frame's.
        let share = if modes.iter().any(|mode| mode.axis == axis && !mode.on_bed) { 0.5 } else { 0.0 };
        displacement[axis] * share
    };
    Vec4::new(axis(0), axis(1), 0.0, top)
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
