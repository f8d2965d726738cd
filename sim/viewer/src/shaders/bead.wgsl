#import bevy_pbr::forward_io::Vertex
#import bevy_pbr::mesh_functions
#import bevy_pbr::view_transformations::position_world_to_clip
#import drydock::beads::{bead, style, PLAIN, SHADOWED}
#import drydock::shade::shade

@group(#{MATERIAL_BIND_GROUP}) @binding(4) var colours: texture_2d<f32>;

struct Seen {
    @builtin(position) position: vec4<f32>,
    @location(0) at: vec3<f32>,
    @location(1) normal: vec3<f32>,
    @location(2) value: f32,
}

@vertex
fn vertex(corner: Vertex) -> Seen {
    var ring = vec2<f32>(0.0, 1.0);
#ifdef VERTEX_UVS_A
    ring = corner.uv;
#endif
    let row = mesh_functions::get_tag(corner.instance_index);
    let shift = mesh_functions::get_world_from_local(corner.instance_index)[3].xyz;
    let made = bead(row, u32(corner.position.x), corner.position.yz, ring, shift);
    var seen: Seen;
    if made.hidden {
        seen.position = vec4<f32>(2.0, 2.0, 2.0, 1.0);
        return seen;
    }
    seen.at = made.at;
    seen.normal = made.normal;
    seen.value = made.value;
    seen.position = position_world_to_clip(made.at);
    return seen;
}

@fragment
fn fragment(seen: Seen) -> @location(0) vec4<f32> {
    var colour = vec3<f32>(0.45);
    if seen.value > -1e29 {
        let way = clamp((seen.value - style.low) / (style.high - style.low), 0.0, 1.0);
        colour = textureLoad(colours, vec2<i32>(i32(way * 255.0 + 0.5), 0), 0).rgb;
    }
    if (style.flags & PLAIN) != 0u {
        return vec4<f32>(colour, 1.0);
    }
    return vec4<f32>(shade(colour, seen.at, seen.normal, seen.position, (style.flags & SHADOWED) != 0u), 1.0);
}
