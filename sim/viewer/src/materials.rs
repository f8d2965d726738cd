//! How beads and machine pieces are drawn: two materials and their shaders.

use bevy::asset::embedded_asset;
use bevy::mesh::MeshVertexBufferLayoutRef;
use bevy::pbr::{MaterialPipeline, MaterialPipelineKey};
use bevy::prelude::*;
use bevy::render::render_resource::{AsBindGroup, RenderPipelineDescriptor, ShaderType, SpecializedMeshPipelineError};
use bevy::shader::{ShaderRef, load_shader_library};

/// The colour of a segment is its beginning's, not a passage between two.
pub const FLAT: u32 = 1;
/// Drawn in its colour, without light.
pub const PLAIN: u32 = 2;
/// The sun's shadow falls on it.
pub const SHADOWED: u32 = 4;

/// What changes from frame to frame. Mirrored in shaders/beads.wgsl.
#[derive(Clone, Copy, Debug, PartialEq, ShaderType)]
pub struct Style {
    /// Segments from `first` up to `whole` are drawn, and `part` of the one at `whole`.
    pub first: u32,
    pub whole: u32,
    pub part: f32,
    pub gain: f32,
    /// Values at the two ends of the colour map.
    pub low: f32,
    pub high: f32,
    pub flags: u32,
    /// Least half width, in pixels.
    pub thin: f32,
}

#[derive(Asset, TypePath, AsBindGroup, Clone)]
pub struct BeadMaterial {
    #[uniform(0)]
    pub style: Style,
    #[texture(1, sample_type = "u_int", visibility(vertex))]
    pub nodes: Handle<Image>,
    #[texture(2, sample_type = "u_int", visibility(vertex))]
    pub swings: Handle<Image>,
    #[texture(3, filterable = false, visibility(vertex))]
    pub values: Handle<Image>,
    #[texture(4, filterable = false, visibility(fragment))]
    pub colours: Handle<Image>,
}

impl Material for BeadMaterial {
    fn vertex_shader() -> ShaderRef {
        "embedded://drydock_view/shaders/bead.wgsl".into()
    }

    fn fragment_shader() -> ShaderRef {
        "embedded://drydock_view/shaders/bead.wgsl".into()
    }

    fn prepass_vertex_shader() -> ShaderRef {
        "embedded://drydock_view/shaders/bead_shadow.wgsl".into()
    }

    fn prepass_fragment_shader() -> ShaderRef {
        "embedded://drydock_view/shaders/bead_shadow.wgsl".into()
    }

    fn specialize(
        _: &MaterialPipeline,
        descriptor: &mut RenderPipelineDescriptor,
        _: &MeshVertexBufferLayoutRef,
        _: MaterialPipelineKey<Self>,
    ) -> Result<(), SpecializedMeshPipelineError> {
        // Only the half that faces the eye is ever made.
        descriptor.primitive.cull_mode = None;
        Ok(())
    }
}

/// Mirrored in shaders/sway.wgsl.
#[derive(Clone, Copy, Debug, PartialEq, ShaderType)]
pub struct Sway {
    /// Displacement at the top of the machine, and the height of the top.
    pub top: Vec4,
    /// Factor of the colours; w: whether shadows fall on it.
    pub tint: Vec4,
    pub glow: Vec4,
}

impl Default for Sway {
    fn default() -> Sway {
        Sway { top: Vec4::new(0.0, 0.0, 0.0, 1.0), tint: Vec4::ONE, glow: Vec4::ZERO }
    }
}

#[derive(Asset, TypePath, AsBindGroup, Clone, Default)]
pub struct MachineMaterial {
    #[uniform(0)]
    pub sway: Sway,
}

impl Material for MachineMaterial {
    fn vertex_shader() -> ShaderRef {
        "embedded://drydock_view/shaders/machine.wgsl".into()
    }

    fn fragment_shader() -> ShaderRef {
        "embedded://drydock_view/shaders/machine.wgsl".into()
    }

    fn prepass_vertex_shader() -> ShaderRef {
        "embedded://drydock_view/shaders/machine_shadow.wgsl".into()
    }

    fn prepass_fragment_shader() -> ShaderRef {
        "embedded://drydock_view/shaders/machine_shadow.wgsl".into()
    }

    fn specialize(
        _: &MaterialPipeline,
        descriptor: &mut RenderPipelineDescriptor,
        _: &MeshVertexBufferLayoutRef,
        _: MaterialPipelineKey<Self>,
    ) -> Result<(), SpecializedMeshPipelineError> {
        descriptor.primitive.cull_mode = None;
        Ok(())
    }
}

pub struct MaterialsPlugin;

impl Plugin for MaterialsPlugin {
    fn build(&self, app: &mut App) {
        load_shader_library!(app, "shaders/beads.wgsl");
        load_shader_library!(app, "shaders/shade.wgsl");
        load_shader_library!(app, "shaders/sway.wgsl");
        embedded_asset!(app, "shaders/bead.wgsl");
        embedded_asset!(app, "shaders/bead_shadow.wgsl");
        embedded_asset!(app, "shaders/machine.wgsl");
        embedded_asset!(app, "shaders/machine_shadow.wgsl");
        app.add_plugins((
            bevy::pbr::MaterialPlugin::<BeadMaterial>::default(),
            bevy::pbr::MaterialPlugin::<MachineMaterial>::default(),
        ));
    }
}
