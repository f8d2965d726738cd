#import bevy_pbr::forward_io::Vertex
#import bevy_pbr::mesh_functions
#import bevy_pbr::view_transformations::position_world_to_clip
#import drydock::sway::{swayed, style}
#import drydock::shade::shade

struct Seen {
    @builtin(position) position: vec4<f32>,
    @location(0) at: vec3<f32>,
    @location(1) normal: vec3<f32>,
    @location(2) colour: vec3<f32>,
}

@vertex
fn vertex(corner: Vertex) -> Seen {
    let world_from_local = mesh_functions::get_world_from_local(corner.instance_index);
    var seen: Seen;
    seen.at = swayed((world_from_local * vec4<f32>(corner.position, 1.0)).xyz);
    seen.normal = mesh_functions::mesh_normal_local_to_world(corner.normal, corner.instance_index);
    seen.colour = corner.color.rgb;
    seen.position = position_world_to_clip(seen.at);
    return seen;
}

@fragment
fn fragment(seen: Seen) -> @location(0) vec4<f32> {
    let lit = shade(seen.colour * style.tint.rgb, seen.at, seen.normal, seen.position, style.tint.a > 0.5);
    return vec4<f32>(lit + style.glow.rgb, 1.0);
}
