// One sun, a sky and a floor: enough for form, and cheap where a processor has to draw it.
#define_import_path drydock::shade

#import bevy_pbr::mesh_view_bindings::{lights, view}
#import bevy_pbr::mesh_view_types::DIRECTIONAL_LIGHT_FLAGS_SHADOWS_ENABLED_BIT
#import bevy_pbr::shadows::fetch_directional_shadow

fn shade(colour: vec3<f32>, at: vec3<f32>, normal: vec3<f32>, frag_coord: vec4<f32>, shadowed: bool) -> vec3<f32> {
    let outward = normalize(normal);
    let sun = lights.directional_lights[0].direction_to_light;
    var lit = max(dot(outward, sun), 0.0);
    var eye = view.world_from_view[2].xyz;
    if view.clip_from_view[3].w != 1.0 {
        eye = normalize(view.world_position - at);
    }
    let half_way = normalize(sun + eye);
    var gleam = pow(max(dot(outward, half_way), 0.0), 24.0) * 0.08;
    if shadowed && (lights.directional_lights[0].flags & DIRECTIONAL_LIGHT_FLAGS_SHADOWS_ENABLED_BIT) != 0u {
        let view_z = dot(vec4<f32>(view.view_from_world[0].z, view.view_from_world[1].z, view.view_from_world[2].z, view.view_from_world[3].z), vec4<f32>(at, 1.0));
        let open = fetch_directional_shadow(0u, vec4<f32>(at, 1.0), outward, view_z, frag_coord.xy);
        lit *= open;
        gleam *= open;
    }
    let sky = 0.27 + 0.09 * outward.z;
    // Light from the eye's side, so that what is turned away from the sun keeps its form.
    let lamp = 0.16 * max(dot(outward, eye), 0.0);
    return colour * (sky + lamp + 0.52 * lit) + vec3<f32>(gleam);
}
