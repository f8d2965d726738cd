//! A part in the scene: its records uploaded once, its rows drawn as near, middle, far or coarse.

use crate::beads::{BLOCK_ROWS, Beads, Block, Bounds, COARSE_SWING_MM, Detail, Level, PAGE_ROWS, ROW, RowBounds};
use crate::materials::{BeadMaterial, Style};
use bevy::asset::RenderAssetUsages;
use bevy::camera::primitives::Aabb;
use bevy::camera::visibility::{NoAutoAabb, NoFrustumCulling, RenderLayers};
use bevy::light::{NotShadowCaster, NotShadowReceiver};
use bevy::mesh::{Indices, MeshTag, PrimitiveTopology};
use bevy::prelude::*;
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureFormat};
use std::ops::Range;

/// How a part is to be seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Looks {
    /// Fine segments that are shown.
    pub shown: Range32,
    /// How much of the segment at the end of `shown` is there.
    pub partly: f32,
    pub gain: f32,
    pub low: f32,
    pub high: f32,
    pub flags: u32,
    pub thin: f32,
}

/// A range that is `Copy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range32 {
    pub start: u32,
    pub end: u32,
}

impl Default for Looks {
    fn default() -> Looks {
        Looks {
            shown: Range32 { start: 0, end: u32::MAX },
            partly: 0.0,
            gain: 1.0,
            low: 0.0,
            high: 1.0,
            flags: 0,
            thin: 0.6,
        }
    }
}

/// On the root of a part. Its rows are its children.
#[derive(Component)]
pub struct Part {
    pub looks: Looks,
    drawn: Option<Looks>,
    blocks: Vec<Block>,
    rows: Vec<RowBounds>,
    /// The fine node of each coarse one, and `u32::MAX` where a row is filled up.
    fine_of: Vec<u32>,
    nodes: usize,
    fine: Vec<Handle<BeadMaterial>>,
    coarse: Vec<Handle<BeadMaterial>>,
    fine_rows: Vec<Entity>,
    coarse_rows: Vec<Entity>,
}

/// The meshes that rows share.
#[derive(Resource)]
pub struct Templates([Handle<Mesh>; 3]);

impl Templates {
    fn of(&self, detail: Detail) -> Handle<Mesh> {
        let [near, middle, far] = &self.0;
        match detail {
            Detail::Near => near,
            Detail::Middle => middle,
            Detail::Far => far,
        }
        .clone()
    }
}

impl FromWorld for Templates {
    fn from_world(world: &mut World) -> Templates {
        let mut meshes = world.resource_mut::<Assets<Mesh>>();
        Templates(Detail::ALL.map(|detail| {
            let template = detail.template();
            let mut mesh = Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::RENDER_WORLD);
            if !template.rings.is_empty() {
                mesh.insert_attribute(Mesh::ATTRIBUTE_UV_0, template.rings);
            }
            let indices = if template.positions.len() <= usize::from(u16::MAX) {
                Indices::U16(template.indices.iter().map(|i| *i as u16).collect())
            } else {
                Indices::U32(template.indices)
            };
            mesh.insert_attribute(Mesh::ATTRIBUTE_POSITION, template.positions);
            meshes.add(mesh.with_inserted_indices(indices))
        }))
    }
}

/// From how large a bead is on the screen to how it is drawn.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Quality {
    /// Widths in pixels from which on a bead is round, and joined.
    pub near_px: f32,
    pub middle_px: f32,
    /// Length of a segment below which a run is drawn as one.
    pub coarse_px: f32,
}

impl Quality {
    pub const FULL: Quality = Quality { near_px: 12.0, middle_px: 3.0, coarse_px: 2.5 };
    /// Where a processor draws: fewer corners for the same picture, nearly.
    pub const SOFTWARE: Quality = Quality { near_px: 24.0, middle_px: 8.0, coarse_px: 3.0 };
}

impl Quality {
    fn of(&self, width_px: f32) -> Detail {
        if width_px >= self.near_px {
            Detail::Near
        } else if width_px >= self.middle_px {
            Detail::Middle
        } else {
            Detail::Far
        }
    }
}

/// How a row is drawn at present.
#[derive(Component, Clone, Copy, PartialEq, Eq)]
enum Drawn {
    Not,
    As(Detail),
}

fn image(rows: usize, format: TextureFormat, data: Vec<u8>) -> Image {
    let size = Extent3d { width: ROW as u32, height: rows as u32, depth_or_array_layers: 1 };
    Image::new(size, TextureDimension::D2, data, format, RenderAssetUsages::RENDER_WORLD)
}

fn filled<T, const N: usize>(items: &[T], rows: usize, fill: [u8; N], bytes: impl Fn(&T) -> [u8; N]) -> Vec<u8> {
    let mut data = Vec::with_capacity(rows * ROW * N);
    for item in items {
        data.extend(bytes(item));
    }
    while data.len() < rows * ROW * N {
        data.extend(fill);
    }
    data
}

/// Nodes of a page and its height: one row more than it draws, for the ends of its last segments.
fn page(nth: usize, nodes: usize) -> (Range<usize>, usize) {
    let first = nth * PAGE_ROWS * ROW;
    let end = (first + (PAGE_ROWS + 1) * ROW).min(nodes);
    (first..end, (end - first).div_ceil(ROW).max(1))
}

fn pages(nodes: usize) -> usize {
    nodes.div_ceil(PAGE_ROWS * ROW)
}

fn value_image(values: &[f32], rows: usize) -> Image {
    let data =
        filled(values, rows, NO_VALUE.to_le_bytes(), |v| if v.is_finite() { *v } else { NO_VALUE }.to_le_bytes());
    image(rows, TextureFormat::R32Float, data)
}

/// Drawn grey.
const NO_VALUE: f32 = -1e30;

/// A colour map as a texture of one row.
pub fn map_image(colours: &[[u8; 3]; 256]) -> Image {
    let data = colours.iter().flat_map(|[r, g, b]| [*r, *g, *b, 255]).collect();
    let size = Extent3d { width: 256, height: 1, depth_or_array_layers: 1 };
    Image::new(size, TextureDimension::D2, data, TextureFormat::Rgba8UnormSrgb, RenderAssetUsages::RENDER_WORLD)
}

/// What uploading needs.
pub struct Upload<'a> {
    pub images: &'a mut Assets<Image>,
    pub materials: &'a mut Assets<BeadMaterial>,
    pub templates: &'a Templates,
}

impl Upload<'_> {
    fn level(&mut self, level: &Level, values: &[f32], colours: &Handle<Image>) -> Vec<Handle<BeadMaterial>> {
        (0..pages(level.nodes.len()))
            .map(|nth| {
                let (range, rows) = page(nth, level.nodes.len());
                let last = crate::beads::LAST_RECORD;
                let nodes = filled(&level.nodes[range.clone()], rows, quad(&last), quad);
                let swings = filled(&level.swings[range.clone()], rows, [0; 8], pair);
                let values = value_image(values.get(range).unwrap_or_default(), rows);
                let material = BeadMaterial {
                    style: Style { first: 0, whole: 0, part: 0.0, gain: 1.0, low: 0.0, high: 1.0, flags: 0, thin: 0.0 },
                    nodes: self.images.add(image(rows, TextureFormat::Rgba32Uint, nodes)),
                    swings: self.images.add(image(rows, TextureFormat::Rg32Uint, swings)),
                    values: self.images.add(values),
                    colours: colours.clone(),
                };
                self.materials.add(material)
            })
            .collect()
    }

    /// Puts a part into the scene. `values` has one number a node.
    pub fn spawn(
        &mut self,
        commands: &mut Commands,
        beads: Beads,
        values: &[f32],
        colours: Handle<Image>,
        layers: RenderLayers,
        casts: bool,
    ) -> Entity {
        let fine = self.level(&beads.fine, values, &colours);
        let coarse = self.level(&beads.coarse, &gathered(values, &beads.coarse.fine), &colours);
        let root = commands.spawn((Transform::default(), Visibility::default())).id();
        let mut row = |material: &Handle<BeadMaterial>, nth: usize, bounds: RowBounds| {
            let mut entity = commands.spawn((
                Mesh3d(self.templates.of(Detail::Far)),
                MeshMaterial3d(material.clone()),
                MeshTag((nth % PAGE_ROWS) as u32),
                RowOf { bounds },
                Drawn::Not,
                Visibility::Hidden,
                layers.clone(),
                NoAutoAabb,
                ChildOf(root),
            ));
            if bounds.bounds.is_empty() {
                entity.insert(NoFrustumCulling);
            } else {
                entity.insert(aabb(bounds, 1.0));
            }
            if !casts {
                entity.insert((NotShadowCaster, NotShadowReceiver));
            }
            entity.id()
        };
        let fine_rows =
            beads.rows.iter().enumerate().map(|(nth, bounds)| row(&fine[nth / PAGE_ROWS], nth, *bounds)).collect();
        let mut coarse_rows = Vec::new();
        for block in &beads.blocks {
            for nth in block.coarse_rows.clone() {
                let bounds = RowBounds { bounds: block.bounds, swing: block.swing };
                coarse_rows.push(row(&coarse[nth / PAGE_ROWS], nth, bounds));
            }
        }
        let part = Part {
            looks: Looks::default(),
            drawn: None,
            blocks: beads.blocks,
            rows: beads.rows,
            nodes: beads.fine.nodes.len(),
            fine_of: beads.coarse.fine,
            fine,
            coarse,
            fine_rows,
            coarse_rows,
        };
        commands.entity(root).insert(part);
        root
    }

    /// Other colours on the same records.
    pub fn colour(&mut self, part: &mut Part, values: &[f32], colours: &Handle<Image>) {
        let coarse = gathered(values, &part.fine_of);
        for (materials, values, nodes) in
            [(&part.fine, values, part.nodes), (&part.coarse, &coarse[..], part.fine_of.len())]
        {
            for (nth, handle) in materials.iter().enumerate() {
                let (range, rows) = page(nth, nodes);
                let values = self.images.add(value_image(values.get(range).unwrap_or_default(), rows));
                if let Some(mut material) = self.materials.get_mut(handle) {
                    material.values = values;
                    material.colours = colours.clone();
                }
            }
        }
    }
}

fn quad(record: &[u32; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.chunks_exact_mut(4).zip(record) {
        to.copy_from_slice(&from.to_le_bytes());
    }
    bytes
}

fn pair(record: &[u32; 2]) -> [u8; 8] {
    let mut bytes = [0; 8];
    for (to, from) in bytes.chunks_exact_mut(4).zip(record) {
        to.copy_from_slice(&from.to_le_bytes());
    }
    bytes
}

fn gathered(values: &[f32], fine: &[u32]) -> Vec<f32> {
    fine.iter().map(|nth| values.get(*nth as usize).copied().unwrap_or(NO_VALUE)).collect()
}

#[derive(Component, Clone, Copy)]
struct RowOf {
    bounds: RowBounds,
}

fn aabb(row: RowBounds, gain: f32) -> Aabb {
    let more = Vec3::splat(row.swing * (gain - 1.0).abs());
    Aabb::from_min_max(Vec3::from_array(row.bounds.min) - more, Vec3::from_array(row.bounds.max) + more)
}

pub struct PartPlugin;

impl Plugin for PartPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Templates>()
            .add_systems(PostUpdate, (style, choose).chain().before(TransformSystems::Propagate));
    }
}

/// Looks that changed go to the materials.
fn style(
    mut parts: Query<&mut Part>,
    mut materials: ResMut<Assets<BeadMaterial>>,
    mut rows: Query<(&RowOf, &mut Aabb)>,
) {
    for mut part in &mut parts {
        let looks = part.looks;
        if part.drawn == Some(looks) {
            continue;
        }
        let gain_before = part.drawn.map_or(1.0, |drawn| drawn.gain);
        part.bypass_change_detection().drawn = Some(looks);
        let style = |first: u32, whole: u32, part: f32, page: usize| {
            let origin = (page * PAGE_ROWS * ROW) as u32;
            let Looks { gain, low, high, flags, thin, .. } = looks;
            Style {
                first: first.saturating_sub(origin),
                whole: whole.saturating_sub(origin),
                // Nothing of the page is shown yet where its first segment is not.
                part: if whole < origin { 0.0 } else { part },
                gain,
                low,
                high,
                flags,
                thin,
            }
        };
        for (page, handle) in part.fine.iter().enumerate() {
            if let Some(mut material) = materials.get_mut(handle) {
                material.style = style(looks.shown.start, looks.shown.end, looks.partly, page);
            }
        }
        let [first, whole] = [looks.shown.start, looks.shown.end].map(|fine| coarse_segment(&part.fine_of, fine));
        // Where the coarse segment under the playhead ends: between its two nodes, by the number of fine ones.
        let partly = match (part.fine_of.get(whole as usize), part.fine_of.get(whole as usize + 1)) {
            (Some(&from), Some(&to)) if to != u32::MAX && to > from => {
                (looks.shown.end.saturating_sub(from) as f32 + looks.partly) / (to - from) as f32
            }
            _ => 0.0,
        };
        for (page, handle) in part.coarse.iter().enumerate() {
            if let Some(mut material) = materials.get_mut(handle) {
                material.style = style(first, whole, partly, page);
            }
        }
        if gain_before != looks.gain {
            for entity in part.fine_rows.iter().chain(&part.coarse_rows) {
                if let Ok((row, mut bounds)) = rows.get_mut(*entity) {
                    *bounds = aabb(row.bounds, looks.gain);
                }
            }
        }
    }
}

/// The coarse segment that holds a fine one.
fn coarse_segment(fine_of: &[u32], fine: u32) -> u32 {
    // Rows are filled up with `u32::MAX`, so order holds row by row, not over all: look for the row first.
    let rows = fine_of.chunks(ROW);
    let first_of = |row: usize| fine_of[row * ROW];
    let mut below = 0;
    let mut above = rows.len();
    while below < above {
        let middle = (below + above) / 2;
        if first_of(middle) <= fine { below = middle + 1 } else { above = middle }
    }
    let row = below.saturating_sub(1) * ROW;
    let within = fine_of[row.min(fine_of.len())..].iter().take(ROW).take_while(|f| **f <= fine).count();
    (row + within.saturating_sub(1)) as u32
}

/// Chooses for every row whether it is seen at all, and how.
fn choose(
    parts: Query<(&Part, &GlobalTransform)>,
    cameras: Query<(&Camera, &GlobalTransform, &Projection), With<Camera3d>>,
    quality: Res<Quality>,
    templates: Res<Templates>,
    mut rows: Query<(&mut Drawn, &mut Mesh3d, &mut Visibility)>,
) {
    let Some((camera, eye, projection)) = cameras.iter().find(|(camera, ..)| camera.is_active) else { return };
    let height = camera.physical_viewport_size().map_or(720.0, |size| size.y as f32);
    // mm in a pixel: at a distance of 1 mm, or everywhere.
    let (pixel, flat) = match projection {
        Projection::Perspective(lens) => (2.0 * (lens.fov / 2.0).tan() / height, false),
        Projection::Orthographic(lens) => (lens.area.height() / height, true),
        Projection::Custom(_) => (1.0 / height, false),
    };
    for (part, place) in &parts {
        let local_eye = eye.translation() - place.translation();
        let shown = part.looks.shown;
        let coarse_shown = [shown.start, shown.end].map(|fine| coarse_segment(&part.fine_of, fine) as usize / ROW);
        for (nth, block) in part.blocks.iter().enumerate() {
            let away = if flat { 1.0 } else { distance(block.bounds, local_eye).max(1.0) };
            let px = 1.0 / (pixel * away);
            // Exaggerated, what the coarse level leaves out may be seen.
            let left_out = COARSE_SWING_MM * part.looks.gain;
            let coarse = block.segment * px < quality.coarse_px && left_out * px < 1.0;
            for row in block.fine_rows.clone() {
                let (first, end) = (row * ROW, (row + 1) * ROW);
                let hidden = coarse || first > shown.end as usize || end <= shown.start as usize;
                let away = if flat { 1.0 } else { distance(part.rows[row].bounds, local_eye).max(1.0) };
                let detail = quality.of((block.widest / (pixel * away)).max(2.0 * part.looks.thin));
                set(&mut rows, part.fine_rows[row], if hidden { Drawn::Not } else { Drawn::As(detail) }, &templates);
            }
            for row in block.coarse_rows.clone() {
                let hidden = !coarse
                    || row < coarse_shown[0]
                    || row > coarse_shown[1]
                    || nth > shown.end as usize / (ROW * BLOCK_ROWS);
                set(
                    &mut rows,
                    part.coarse_rows[row],
                    if hidden { Drawn::Not } else { Drawn::As(Detail::Far) },
                    &templates,
                );
            }
        }
    }
}

fn set(
    rows: &mut Query<(&mut Drawn, &mut Mesh3d, &mut Visibility)>,
    entity: Entity,
    wanted: Drawn,
    templates: &Templates,
) {
    let Ok((mut drawn, mut mesh, mut visibility)) = rows.get_mut(entity) else { return };
    if *drawn == wanted {
        return;
    }
    match wanted {
        Drawn::Not => *visibility = Visibility::Hidden,
        Drawn::As(detail) => {
            *visibility = Visibility::Inherited;
            *mesh = Mesh3d(templates.of(detail));
        }
    }
    *drawn = wanted;
}

fn distance(bounds: Bounds, eye: Vec3) -> f32 {
    if bounds.is_empty() {
        return 1.0;
    }
    (eye - eye.clamp(Vec3::from_array(bounds.min), Vec3::from_array(bounds.max))).length()
}
