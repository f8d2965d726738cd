// The frame's mode shape: an upright that is held at its foot.
#define_import_path drydock::sway

// Mirrors `Sway` in machine_material.rs.
struct Sway {
    // Displacement at the top, and the height of the top.
    top: vec4<f32>,
    // Colour factor; a: whether shadows fall on it.
    tint: vec4<f32>,
    glow: vec4<f32>,
}

@group(#{MATERIAL_BIND_GROUP}) @binding(0) var<uniform> style: Sway;

fn swayed(at: vec3<f32>) -> vec3<f32> {
    let way = clamp(at.z / style.top.w, 0.0, 1.0);
    return at + style.top.xyz * way * way;
}
