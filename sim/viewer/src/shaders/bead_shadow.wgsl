#import bevy_pbr::mesh_functions
#import bevy_pbr::prepass_io::{Vertex, VertexOutput}
#import bevy_pbr::view_transformations::position_world_to_clip
#import drydock::beads::{bead, sight}

@vertex
fn vertex(corner: Vertex) -> VertexOutput {
    var ring = vec2<f32>(0.0, 1.0);
#ifdef VERTEX_UVS_A
    ring = corner.uv;
#endif
    let row = mesh_functions::get_tag(corner.instance_index);
    let shift = mesh_functions::get_world_from_local(corner.instance_index)[3].xyz;
    let made = bead(row, u32(corner.position.x), corner.position.yz, ring, shift);
    var out: VertexOutput;
    if made.hidden {
        out.position = vec4<f32>(2.0, 2.0, 2.0, 1.0);
        return out;
    }
    // A bead casts from behind itself: what it hides from the sun is never its own near side.
    let at = made.at - sight(made.at).xyz * made.radius;
    out.world_position = vec4<f32>(at, 1.0);
    out.position = position_world_to_clip(at);
#ifdef UNCLIPPED_DEPTH_ORTHO_EMULATION
    out.unclipped_depth = out.position.z;
    out.position.z = min(out.position.z, 1.0);
#endif
#ifdef VERTEX_OUTPUT_INSTANCE_INDEX
    out.instance_index = corner.instance_index;
#endif
    return out;
}

#ifdef PREPASS_FRAGMENT
#import bevy_pbr::prepass_io::FragmentOutput

@fragment
fn fragment(in: VertexOutput) -> FragmentOutput {
    var out: FragmentOutput;
#ifdef UNCLIPPED_DEPTH_ORTHO_EMULATION
    out.frag_depth = in.unclipped_depth;
#endif
    return out;
}
#endif
