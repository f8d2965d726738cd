//! Draws egui's triangles without a graphics card: the same picture on every machine.

use egui::epaint::{Primitive, Vertex};
use egui::{Color32, ColorImage, ImageData, Pos2, TextureId, TexturesDelta};
use egui_kittest::TestRenderer;
use image::{Rgba, RgbaImage};
use std::collections::HashMap;

#[derive(Default)]
pub struct Raster {
    textures: HashMap<TextureId, ColorImage>,
}

impl TestRenderer for Raster {
    fn handle_delta(&mut self, delta: &mut TexturesDelta) {
        for (id, changes) in delta.set.drain() {
            for change in changes {
                let ImageData::Color(image) = change.image;
                match (change.pos, self.textures.get_mut(&id)) {
                    (Some([x, y]), Some(texture)) => {
                        for row in 0..image.height() {
                            let from = row * image.width();
                            let to = (y + row) * texture.width() + x;
                            texture.pixels[to..to + image.width()]
                                .copy_from_slice(&image.pixels[from..from + image.width()]);
                        }
                    }
                    _ => drop(self.textures.insert(id, image.as_ref().clone())),
                }
            }
        }
        for id in delta.free.drain() {
            self.textures.remove(&id);
        }
    }

    fn render(&mut self, ctx: &egui::Context, output: &egui::FullOutput) -> Result<RgbaImage, String> {
        let scale = ctx.pixels_per_point();
        let size = (ctx.content_rect().size() * scale).round();
        let mut picture = RgbaImage::from_pixel(size.x as u32, size.y as u32, Rgba([40, 42, 46, 255]));
        for clipped in ctx.tessellate(output.shapes.clone(), scale) {
            let Primitive::Mesh(mesh) = &clipped.primitive else { continue };
            let Some(texture) = self.textures.get(&mesh.texture_id) else { continue };
            let clip = clipped.clip_rect * scale;
            let bounds = [
                clip.left().round().clamp(0.0, size.x) as i32,
                clip.top().round().clamp(0.0, size.y) as i32,
                clip.right().round().clamp(0.0, size.x) as i32,
                clip.bottom().round().clamp(0.0, size.y) as i32,
            ];
            for corners in mesh.indices.chunks_exact(3) {
                let corner = |i: usize| {
                    let v = &mesh.vertices[corners[i] as usize];
                    Vertex { pos: (v.pos.to_vec2() * scale).to_pos2(), ..*v }
                };
                triangle(&mut picture, bounds, [corner(0), corner(1), corner(2)], texture);
            }
        }
        Ok(picture)
    }
}

fn triangle(picture: &mut RgbaImage, [left, top, right, bottom]: [i32; 4], v: [Vertex; 3], texture: &ColorImage) {
    let cross = |a: Pos2, b: Pos2, p: Pos2| (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x);
    let area = cross(v[0].pos, v[1].pos, v[2].pos);
    if area == 0.0 {
        return;
    }
    let v = if area > 0.0 { v } else { [v[0], v[2], v[1]] };
    let area = area.abs();
    let xs = v.map(|v| v.pos.x);
    let ys = v.map(|v| v.pos.y);
    let least = |values: [f32; 3]| values.into_iter().fold(f32::INFINITY, f32::min).floor() as i32;
    let most = |values: [f32; 3]| values.into_iter().fold(f32::NEG_INFINITY, f32::max).ceil() as i32;
    // A pixel whose middle is on an edge belongs to one of the two triangles that share it.
    let owns = |a: Pos2, b: Pos2| (a.y == b.y && b.x > a.x) || b.y < a.y;
    let edges = [(v[1].pos, v[2].pos), (v[2].pos, v[0].pos), (v[0].pos, v[1].pos)];
    for y in least(ys).max(top)..most(ys).min(bottom) {
        for x in least(xs).max(left)..most(xs).min(right) {
            let p = Pos2::new(x as f32 + 0.5, y as f32 + 0.5);
            let w = edges.map(|(a, b)| cross(a, b, p));
            if edges.iter().zip(w).any(|((a, b), w)| w < 0.0 || (w == 0.0 && !owns(*a, *b))) {
                continue;
            }
            let mix = |of: [f32; 3]| (w[0] * of[0] + w[1] * of[1] + w[2] * of[2]) / area;
            let texel = |at: f32, size: usize| ((at * size as f32) as usize).min(size - 1);
            let (u, t) = (mix(v.map(|v| v.uv.x)), mix(v.map(|v| v.uv.y)));
            let texture: Color32 = texture[(texel(u, texture.width()), texel(t, texture.height()))];
            let part = |channel: usize| {
                let vertex = mix(v.map(|v| f32::from(v.color.to_array()[channel]))) / 255.0;
                vertex * f32::from(texture.to_array()[channel])
            };
            let alpha = part(3) / 255.0;
            let pixel = picture.get_pixel_mut(x as u32, y as u32);
            for channel in 0..3 {
                let value = part(channel) + f32::from(pixel.0[channel]) * (1.0 - alpha);
                pixel.0[channel] = value.round().clamp(0.0, 255.0) as u8;
            }
        }
    }
}
