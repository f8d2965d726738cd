//! How fast synthetic beads are drawn.

use crate::beads::{Beads, Bounds, Node};
use crate::camera::{Eye, Preset};
use crate::materials::{BeadMaterial, SHADOWED};
use crate::part::{Looks, Part, Templates, Upload, map_image};
use crate::scene::{Session, View, layer};
use crate::stage::{Adapter, Look, Stage};
use bevy::ecs::system::SystemState;
use bevy::prelude::*;
use drydock_view_model::Map;
use std::time::Instant;

#[derive(Clone, Debug)]
pub struct Bench {
    pub segments: usize,
    pub frames: usize,
    pub size: UVec2,
    /// Instead of what the adapter would get.
    pub shadows: Option<bool>,
    pub msaa: Option<bool>,
    /// Height of the picture in mm; all of the part where there is none.
    pub span_mm: Option<f32>,
}

/// A square tower with walls, ringing after each corner, and infill: segments of 0.4 mm as prints have them.
pub fn tower(segments: usize) -> Vec<Node> {
    const STEP: f32 = 0.4;
    const SIDE: usize = 400;
    let mut nodes = Vec::with_capacity(segments + segments / SIDE + 4);
    let mut layer = 0;
    let length = SIDE as f32 * STEP;
    'all: loop {
        let z = 0.2 * (layer + 1) as f32;
        for wall in 0..3 {
            let inset = 0.45 * wall as f32;
            for side in 0..4 {
                for step in 0..SIDE {
                    let way = step as f32 * STEP;
                    let ring = 0.08 * (-way / 12.0).exp() * (way * 2.1).sin();
                    let (along, across) = (way.clamp(inset, length - inset), inset + ring);
                    let [x, y, sx, sy] = match side {
                        0 => [along, across, 0.0, ring],
                        1 => [length - across, along, -ring, 0.0],
                        2 => [length - along, length - across, 0.0, -ring],
                        _ => [across, length - along, ring, 0.0],
                    };
                    let last = nodes.len() >= segments;
                    nodes.push(Node {
                        at: [x, y, z],
                        swing: [sx, sy, 0.0],
                        width: 0.45,
                        height: 0.2,
                        last,
                        ..Node::default()
                    });
                    if last {
                        break 'all;
                    }
                }
            }
        }
        for line in 0..40 {
            let offset = 2.0 + line as f32 * (length - 4.0) / 40.0;
            for step in 5..SIDE - 5 {
                let way = step as f32 * STEP;
                let at = if layer % 2 == 0 { [way, offset, z] } else { [offset, way, z] };
                let last = step == SIDE - 6 || nodes.len() >= segments;
                nodes.push(Node { at, swing: [0.0; 3], width: 0.45, height: 0.2, last, ..Node::default() });
                if nodes.len() > segments {
                    break 'all;
                }
            }
        }
        layer += 1;
    }
    nodes
}

/// Largest and present resident size, MB.
fn memory_mb() -> [u64; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ["VmHWM:", "VmRSS:"].map(|key| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
    })
}

pub fn run(bench: &Bench) -> Result<String, String> {
    let adapter = Adapter::find()?;
    let mut rendering = adapter.rendering();
    rendering.shadows = bench.shadows.unwrap_or(rendering.shadows);
    if let Some(msaa) = bench.msaa {
        rendering.msaa = if msaa { Msaa::Sample4 } else { Msaa::Off };
    }
    let nodes = tower(bench.segments);
    let values: Vec<f32> = nodes.iter().map(|node| node.swing[0] + node.swing[1]).collect();
    let mut bounds = Bounds::EMPTY;
    nodes.iter().for_each(|node| bounds.add(node.at, 0.5));
    let mut eye = Eye::fit(Preset::Iso, bounds, bench.size.x as f32 / bench.size.y as f32);
    if let Some(span) = bench.span_mm {
        eye.radius = span / (2.0 * (crate::camera::FIELD_OF_VIEW / 2.0).tan());
    }
    let look = Look { eye, flat: false };
    let mut stage = Stage::new(Session::new(Vec::new()), View::default(), look, bench.size, rendering, None);
    stage.settle();
    let started = Instant::now();
    let beads = Beads::new(&nodes);
    let (packed_s, coarse) =
        (started.elapsed().as_secs_f64(), beads.coarse.fine.iter().filter(|f| **f != u32::MAX).count());
    drop(nodes);
    type Needs<'w, 's> =
        (Commands<'w, 's>, ResMut<'w, Assets<Image>>, ResMut<'w, Assets<BeadMaterial>>, Res<'w, Templates>);
    let world = stage.app().world_mut();
    let mut state = SystemState::<Needs>::new(world);
    let part = {
        let Ok((mut commands, mut images, mut materials, templates)) = state.get_mut(world) else {
            return Err("the scene is not whole".into());
        };
        let colours = images.add(map_image(&std::array::from_fn(|nth| Map::Diverging.colour(nth as f32 / 255.0))));
        let mut upload = Upload { images: &mut images, materials: &mut materials, templates: &templates };
        upload.spawn(&mut commands, beads, &values, colours, layer(0), true)
    };
    state.apply(world);
    if let Some(mut part) = world.get_mut::<Part>(part) {
        part.looks = Looks { low: -0.08, high: 0.08, flags: SHADOWED, ..part.looks };
    }
    // In the first frame it comes into the world, in the second it is drawn.
    stage.frame();
    stage.frame();
    stage.finish();
    let loaded_s = started.elapsed().as_secs_f64();
    stage.settle();
    let started = Instant::now();
    for _ in 0..bench.frames {
        stage.look().eye.yaw += 0.01;
        stage.frame();
        stage.finish();
    }
    let seconds = started.elapsed().as_secs_f64();
    let [peak, now] = memory_mb();
    Ok(format!(
        "{} segments ({coarse} coarse) at {}x{}, shadows {}, {:?}, on {}\n\
         {:.1} frames/s ({:.2} ms), loaded in {loaded_s:.2} s (packed in {packed_s:.2} s), {now} MB resident, {peak} MB at most",
        bench.segments,
        bench.size.x,
        bench.size.y,
        if rendering.shadows { "on" } else { "off" },
        rendering.msaa,
        adapter.name,
        bench.frames as f64 / seconds,
        1e3 * seconds / bench.frames as f64,
    ))
}
