// A bead's outside, made from one record a node: shared by the picture and by its shadow.
#define_import_path drydock::beads

#import bevy_pbr::mesh_view_bindings::view

// Mirrors `Style` in bead_material.rs.
struct Style {
    // Segments from `first` up to `whole` are drawn, and `part` of the one at `whole`.
    first: u32,
    whole: u32,
    part: f32,
    gain: f32,
    low: f32,
    high: f32,
    flags: u32,
    // Least half width, in pixels.
    thin: f32,
}

const FLAT: u32 = 1u;
const PLAIN: u32 = 2u;
const SHADOWED: u32 = 4u;
const ROW: u32 = 2048u;
// Node flags, in the four high bits of `w`.
const LAST: u32 = 1u;
const SWING_MM: f32 = 0.0002;

@group(#{MATERIAL_BIND_GROUP}) @binding(0) var<uniform> style: Style;
// x, y, z where the nozzle truly was (mm, f32 bits); width in um | height in 2 um << 16 | flags << 28.
@group(#{MATERIAL_BIND_GROUP}) @binding(1) var nodes: texture_2d<u32>;
// How far it was from where the steps put it: x | y << 16, z, as i16 of SWING_MM.
@group(#{MATERIAL_BIND_GROUP}) @binding(2) var swings: texture_2d<u32>;
@group(#{MATERIAL_BIND_GROUP}) @binding(3) var values: texture_2d<f32>;

struct Corner {
    at: vec3<f32>,
    normal: vec3<f32>,
    value: f32,
    radius: f32,
    hidden: bool,
}

fn cell(row: u32, nth: u32) -> vec2<i32> {
    return vec2<i32>(i32(nth % ROW), i32(row + nth / ROW));
}

fn place(raw: vec4<u32>, at: vec2<i32>) -> vec3<f32> {
    var point = bitcast<vec3<f32>>(raw.xyz);
    if style.gain != 1.0 {
        let packed = textureLoad(swings, at, 0).xy;
        let swing = vec3<i32>(
            bitcast<i32>(packed.x << 16u) >> 16u,
            bitcast<i32>(packed.x) >> 16u,
            bitcast<i32>(packed.y << 16u) >> 16u,
        );
        point += (style.gain - 1.0) * SWING_MM * vec3<f32>(swing);
    }
    return point;
}

fn is_last(raw: vec4<u32>) -> bool {
    return ((raw.w >> 28u) & LAST) != 0u;
}

fn across(along: vec3<f32>) -> vec3<f32> {
    if abs(along.z) > 0.999 {
        return vec3<f32>(1.0, 0.0, 0.0);
    }
    return normalize(vec3<f32>(along.y, -along.x, 0.0));
}

// The way from a point to the eye, and how large a pixel is there.
fn sight(at: vec3<f32>) -> vec4<f32> {
    let pixel = 2.0 / (view.clip_from_view[1][1] * view.viewport.w);
    if view.clip_from_view[3].w == 1.0 {
        return vec4<f32>(normalize(view.world_from_view[2].xyz), pixel);
    }
    let way = view.world_position - at;
    let distance = length(way);
    return vec4<f32>(way / distance, pixel * distance);
}

// `code` is twice the segment, plus one at its end. `ring` is how far the corner lies beyond the end, and
// how wide the section is there.
fn bead(row: u32, code: u32, column: vec2<f32>, ring: vec2<f32>, shift: vec3<f32>) -> Corner {
    var corner: Corner;
    corner.hidden = true;
    let segment = code / 2u;
    let at_end = (code & 1u) == 1u;
    let index = row * ROW + segment;
    if index < style.first || index > style.whole || (index == style.whole && style.part <= 0.0) {
        return corner;
    }
    let cell_a = cell(row, segment);
    let cell_b = cell(row, segment + 1u);
    let raw_a = textureLoad(nodes, cell_a, 0);
    if is_last(raw_a) {
        return corner;
    }
    let raw_b = textureLoad(nodes, cell_b, 0);
    let a = place(raw_a, cell_a);
    var b = place(raw_b, cell_b);
    if index == style.whole {
        b = mix(a, b, style.part);
    }
    let way = b - a;
    let reach = length(way);
    if reach < 1e-6 {
        return corner;
    }
    var along = way / reach;
    var side = across(along);
    var stretch = 1.0;
    var joined = false;

#ifdef VERTEX_UVS_A
    // Where the line goes on without a sharp turn, both segments end in the plane between them.
    var other = along;
    if at_end {
        if index != style.whole && !is_last(raw_b) {
            let next = cell(row, segment + 2u);
            other = place(textureLoad(nodes, next, 0), next) - b;
            joined = true;
        }
    } else if index > style.first && index > 0u && segment + row > 0u {
        let before = cell(row - select(0u, 1u, segment == 0u), select(segment - 1u, ROW - 1u, segment == 0u));
        let raw = textureLoad(nodes, before, 0);
        if !is_last(raw) {
            other = a - place(raw, before);
            joined = true;
        }
    }
    let other_reach = length(other);
    joined = joined && other_reach > 1e-6;
    if joined {
        other = other / other_reach;
        joined = dot(other, along) > 0.5;
    }
    if joined {
        // The same for both, to the bit: or the two would part, and what is behind them would shine through.
        along = normalize(other + along);
        let between = across(along);
        stretch = 1.0 / max(dot(between, side), 0.7);
        side = between;
    }
#endif
    let up = cross(side, along);

    // Whole numbers are not chosen with `select`: WebGL2 has no `mix` for them.
    var raw = raw_a;
    if at_end {
        raw = raw_b;
    }
    let half_width = 0.0005 * f32(raw.w & 0xffffu);
    let half_height = 0.001 * f32((raw.w >> 16u) & 0xfffu);
    var centre = select(a, b, vec3<bool>(at_end)) + shift;
    centre.z -= half_height;
    let eye = sight(centre);
    let wide = max(half_width, style.thin * eye.w);
    let high = max(half_height, select(0.0, style.thin * eye.w, half_height == 0.0));
    var scale = 1.0;
    var beyond = 0.0;
    var turn = column;
#ifdef VERTEX_UVS_A
    // Seen along its axis, the half that faces the eye closes to the whole.
    let angle = column.x * (1.0 + smoothstep(0.6, 1.0, abs(dot(eye.xyz, along))));
    turn = vec2<f32>(cos(angle), sin(angle));
    if !joined {
        beyond = select(-ring.x, ring.x, at_end);
        scale = ring.y;
    }
#endif
    let facing = vec2<f32>(high * dot(eye.xyz, side), wide * dot(eye.xyz, up));
    let size = length(facing);
    let front = select(vec2<f32>(0.0, 1.0), facing / size, size > 1e-9);
    let ray = turn.x * front + turn.y * vec2<f32>(-front.y, front.x);
    // Rounder than a box, squarer than an ellipse: as beads are that lie on one another.
    let square = inverseSqrt(max(abs(ray.x), abs(ray.y))) * scale;
    corner.at = centre + side * (wide * ray.x * square * stretch) + up * (high * ray.y * square) + along * (beyond * half_width);
    corner.normal = normalize(side * ray.x + up * ray.y + along * beyond);
    corner.radius = max(wide, high);
    var coloured = cell_a;
    if at_end && (style.flags & FLAT) == 0u {
        coloured = cell_b;
    }
    corner.value = textureLoad(values, coloured, 0).x;
    corner.hidden = false;
    return corner;
}
