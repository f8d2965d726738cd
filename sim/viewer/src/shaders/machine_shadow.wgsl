#import bevy_pbr::mesh_functions
#import bevy_pbr::prepass_io::{Vertex, VertexOutput}
#import bevy_pbr::view_transformations::position_world_to_clip
#import drydock::sway::swayed

@vertex
fn vertex(corner: Vertex) -> VertexOutput {
    let world_from_local = mesh_functions::get_world_from_local(corner.instance_index);
    let at = swayed((world_from_local * vec4<f32>(corner.position, 1.0)).xyz);
    var out: VertexOutput;
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
