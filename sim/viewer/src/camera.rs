//! Where the eye is: the views that have a number key, and what fits a part into the picture.

use crate::beads::Bounds;
use bevy::camera::ScalingMode;
use bevy::prelude::*;

pub const FIELD_OF_VIEW: f32 = 0.6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    Iso,
    Front,
    Back,
    Left,
    Right,
    Top,
    Bottom,
}

impl Preset {
    pub const ALL: [Preset; 7] =
        [Preset::Iso, Preset::Top, Preset::Front, Preset::Left, Preset::Right, Preset::Back, Preset::Bottom];

    pub fn name(self) -> &'static str {
        match self {
            Preset::Iso => "iso",
            Preset::Front => "front",
            Preset::Back => "back",
            Preset::Left => "left",
            Preset::Right => "right",
            Preset::Top => "top",
            Preset::Bottom => "bottom",
        }
    }

    /// Yaw about z from the front, and pitch above the bed; radians.
    pub fn angles(self) -> [f32; 2] {
        let [yaw, pitch]: [f32; 2] = match self {
            Preset::Iso => [-30.0, 32.0],
            Preset::Front => [0.0, 0.0],
            Preset::Back => [180.0, 0.0],
            Preset::Left => [-90.0, 0.0],
            Preset::Right => [90.0, 0.0],
            Preset::Top => [0.0, 90.0],
            Preset::Bottom => [0.0, -90.0],
        };
        [yaw.to_radians(), pitch.to_radians()]
    }
}

impl std::str::FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Preset, String> {
        let found = Preset::ALL.into_iter().find(|preset| preset.name() == text);
        found.ok_or_else(|| format!("no such view; there are {}", Preset::ALL.map(Preset::name).join(", ")))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eye {
    pub focus: Vec3,
    pub yaw: f32,
    pub pitch: f32,
    pub radius: f32,
}

impl Eye {
    /// Sees a box whole.
    pub fn fit(preset: Preset, bounds: Bounds, aspect: f32) -> Eye {
        let [yaw, pitch] = preset.angles();
        if bounds.is_empty() {
            return Eye { focus: Vec3::ZERO, yaw, pitch, radius: 400.0 };
        }
        let eye = Eye { focus: Vec3::from_array(bounds.centre()), yaw, pitch, radius: 1.0 };
        let turn = eye.turn();
        let half = (Vec3::from_array(bounds.max) - Vec3::from_array(bounds.min)) / 2.0;
        let [right, up, out] = [turn * Vec3::X, turn * Vec3::Y, turn * Vec3::Z].map(|axis| axis.abs().dot(half));
        let tan = (FIELD_OF_VIEW / 2.0).tan();
        let radius = (up / tan).max(right / (tan * aspect)) * 1.08 + out;
        Eye { radius: radius.max(1.0), ..eye }
    }

    fn turn(&self) -> Quat {
        // The camera of bevy looks along -z with y up; on the bed z is up.
        Quat::from_rotation_z(self.yaw)
            * Quat::from_rotation_x(std::f32::consts::FRAC_PI_2)
            * Quat::from_rotation_x(-self.pitch)
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub fn transform(&self) -> Transform {
        let turn = self.turn();
        Transform { translation: self.focus + turn * Vec3::Z * self.radius, rotation: turn, scale: Vec3::ONE }
    }

    /// Without perspective, one mm is everywhere as large as it is at the focus.
    pub fn projection(&self, flat: bool) -> Projection {
        if flat {
            let height = 2.0 * self.radius * (FIELD_OF_VIEW / 2.0).tan();
            Projection::Orthographic(OrthographicProjection {
                scaling_mode: ScalingMode::FixedVertical { viewport_height: height },
                near: -1000.0,
                far: 3.0 * self.radius + 2000.0,
                ..OrthographicProjection::default_3d()
            })
        } else {
            Projection::Perspective(PerspectiveProjection { fov: FIELD_OF_VIEW, near: 0.5, far: 5000.0, ..default() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_look_where_their_name_says() {
        let bounds = Bounds { min: [0.0, 0.0, 0.0], max: [20.0, 20.0, 10.0] };
        for (preset, from) in [
            (Preset::Front, Vec3::NEG_Y),
            (Preset::Back, Vec3::Y),
            (Preset::Left, Vec3::NEG_X),
            (Preset::Right, Vec3::X),
            (Preset::Top, Vec3::Z),
            (Preset::Bottom, Vec3::NEG_Z),
        ] {
            let eye = Eye::fit(preset, bounds, 1.5);
            let way = (eye.transform().translation - eye.focus).normalize();
            assert!((way - from).length() < 1e-5, "{preset:?}: {way}");
        }
        let up = Eye::fit(Preset::Front, bounds, 1.5).transform().rotation * Vec3::Y;
        assert!((up - Vec3::Z).length() < 1e-5);
    }

    #[test]
    fn a_fitted_box_is_in_the_picture() {
        let bounds = Bounds { min: [-50.0, 10.0, 0.0], max: [80.0, 40.0, 90.0] };
        for preset in Preset::ALL {
            for aspect in [0.6, 1.0, 1.78] {
                let eye = Eye::fit(preset, bounds, aspect);
                let seen = eye.transform().compute_affine().inverse();
                for corner in 0..8 {
                    let [x, y, z] =
                        [0, 1, 2].map(|axis| if corner >> axis & 1 == 0 { bounds.min[axis] } else { bounds.max[axis] });
                    let at = seen.transform_point3(Vec3::new(x, y, z));
                    let tan = (FIELD_OF_VIEW / 2.0).tan() * -at.z;
                    assert!(at.y.abs() <= tan && at.x.abs() <= tan * aspect, "{preset:?} {aspect}: {at}");
                }
            }
        }
    }
}
