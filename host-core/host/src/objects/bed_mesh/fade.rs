//! How the correction dies away with height, and back from a corrected height to the one that G-code meant.
//!
//! # Equation
//! z_tool = z + k(z) (m - t) + t,  k = 1 below `start`, 0 above `end`, (end - z) / (end - start) between
//!
//! # Symbols
//! z height in G-code \[mm\] · z_tool height of the head \[mm\] · m mesh at this place \[mm\] · t fade target \[mm\]
//!
//! # Valid for
//! |m - t| < end - start, or G-code heights would fold over; longer meshes are refused when they are taken into use
//!
//! # Checked by
//! `tests::the_way_back_undoes_the_way_there` (1e-12)

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fade {
    pub start_mm: f64,
    /// Not above `start_mm`: no fading.
    pub end_mm: f64,
    pub target_mm: f64,
}

impl Fade {
    pub fn is_on(&self) -> bool {
        self.end_mm > self.start_mm
    }

    /// Part of the correction that is left at a height.
    pub fn factor(&self, z_mm: f64) -> f64 {
        match self.is_on() {
            true => ((self.end_mm - z_mm) / (self.end_mm - self.start_mm)).clamp(0.0, 1.0),
            false => 1.0,
        }
    }

    /// What is added to a G-code height where the mesh has `mesh_mm`.
    pub fn shift(&self, z_mm: f64, mesh_mm: f64) -> f64 {
        self.factor(z_mm) * (mesh_mm - self.target_mm) + self.target_mm
    }

    /// The G-code height that this tool height came from.
    pub fn undo(&self, tool_mm: f64, mesh_mm: f64) -> f64 {
        let bend = mesh_mm - self.target_mm;
        if !self.is_on() || tool_mm - mesh_mm <= self.start_mm {
            return tool_mm - mesh_mm;
        }
        if tool_mm - self.target_mm >= self.end_mm {
            return tool_mm - self.target_mm;
        }
        let slope = bend / (self.end_mm - self.start_mm);
        (tool_mm - self.target_mm - slope * self.end_mm) / (1.0 - slope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_undoes_the_way_there() {
        for fade in [
            Fade { start_mm: 0.6, end_mm: 10.0, target_mm: 0.0 },
            Fade { start_mm: 1.0, end_mm: 3.0, target_mm: 0.12 },
            Fade { start_mm: 1.0, end_mm: 0.0, target_mm: 0.0 },
        ] {
            for mesh in [-0.5, -0.01, 0.0, 0.3] {
                for i in -20..=150 {
                    let z = f64::from(i) / 10.0;
                    let tool = z + fade.shift(z, mesh);
                    assert!((fade.undo(tool, mesh) - z).abs() < 1e-12, "{fade:?} {mesh} {z}");
                }
            }
        }
    }

    #[test]
    fn the_whole_correction_is_there_below_the_start_and_none_above_the_end() {
        let fade = Fade { start_mm: 1.0, end_mm: 10.0, target_mm: 0.0 };
        assert_eq!((fade.shift(0.2, 0.3), fade.shift(5.5, 0.3), fade.shift(12.0, 0.3)), (0.3, 0.15, 0.0));
    }
}
