//! What the window and the pictures without one draw with.

use crate::materials::MaterialsPlugin;
use crate::part::{PartPlugin, Quality};
use crate::scene::{ScenePlugin, Shadows, layer};
use bevy::camera::Viewport;
use bevy::core_pipeline::tonemapping::Tonemapping;
use bevy::prelude::*;
use bevy::render::RenderPlugin;
use bevy::render::settings::{Backends, WgpuSettings};

/// What is drawn with: more where a graphics card draws.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Rendering {
    pub backends: Backends,
    pub shadows: bool,
    pub msaa: Msaa,
    pub quality: Quality,
}

impl Rendering {
    /// `software`: a processor draws.
    pub fn new(backends: Backends, software: bool) -> Rendering {
        if software {
            Rendering { backends, shadows: false, msaa: Msaa::Off, quality: Quality::SOFTWARE }
        } else {
            Rendering { backends, shadows: true, msaa: Msaa::Sample4, quality: Quality::FULL }
        }
    }

    /// How bevy is to look for the adapter that was found.
    pub fn plugin(&self, synchronous_pipeline_compilation: bool) -> RenderPlugin {
        let settings = WgpuSettings { backends: Some(self.backends), ..default() };
        RenderPlugin { render_creation: settings.into(), synchronous_pipeline_compilation, ..default() }
    }
}

/// Everything that is drawn, with or without a window.
pub struct DrawPlugin(pub Rendering);

impl Plugin for DrawPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.0.quality)
            .insert_resource(Shadows(self.0.shadows))
            .insert_resource(self.0)
            .insert_resource(bevy::light::DirectionalLightShadowMap { size: 4096 })
            .add_plugins((MaterialsPlugin, PartPlugin, ScenePlugin));
    }
}

/// The camera of a side; its order is the number of the side.
#[derive(Component)]
pub struct SideCamera;

/// What every camera of the scene has.
pub fn camera(side: usize, rendering: &Rendering) -> impl Bundle {
    (
        SideCamera,
        Camera3d::default(),
        Camera { order: side as isize, ..default() },
        Tonemapping::None,
        rendering.msaa,
        layer(side),
    )
}

/// The picture of a side in a rectangle of pixels, which two may share.
pub fn port(free: Rect, side: u32, beside: bool) -> Viewport {
    let corner = free.min.max(Vec2::ZERO).as_uvec2();
    let size = (free.max.as_uvec2().saturating_sub(corner)).max(UVec2::splat(2));
    let size = if beside { UVec2::new(size.x / 2, size.y) } else { size };
    Viewport { physical_position: corner + UVec2::new(side * size.x, 0), physical_size: size, ..default() }
}
