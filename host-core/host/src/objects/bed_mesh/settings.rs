//! The options of `[bed_mesh]`, and what the parameters of BED_MESH_CALIBRATE change in them.

use super::grid::Grid;
use super::split::Splitting;
use super::surface::Algorithm;
use crate::config::{ConfigError, Section};
use crate::gcode::{Command, CommandError};

const LAGRANGE_MAX: usize = 6;
const BICUBIC_MIN: usize = 4;

/// What part of the bed is probed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Area {
    Rectangle { min_mm: [f64; 2], max_mm: [f64; 2], counts: [usize; 2] },
    Circle { centre_mm: [f64; 2], radius_mm: f64, count: usize },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub area: Area,
    pub between: [usize; 2],
    pub algorithm: Algorithm,
    pub tension: f64,
    pub speed_mm_s: f64,
    pub horizontal_move_z_mm: f64,
    pub splitting: Splitting,
    pub fade_start_mm: f64,
    pub fade_end_mm: f64,
    /// `None`: the average of the mesh.
    pub fade_target_mm: Option<f64>,
    pub zero_reference_mm: Option<[f64; 2]>,
    pub adaptive_margin_mm: f64,
}

impl Settings {
    pub fn load(section: &Section) -> Result<Settings, ConfigError> {
        if let Some(option) = section.prefix_options("faulty_region_").first() {
            return Err(section.error(option, "faulty regions are not supported yet"));
        }
        // For sensors that are read in passing; there is none yet.
        section.float("scan_overshoot").min(1.0).optional()?;
        let fade_end_mm = section.float("fade_end").min(0.0).or(0.0)?;
        let pair = |option: &str| -> Result<Option<[f64; 2]>, ConfigError> {
            Ok(section.float_list(option, 2).optional()?.map(|v| [v[0], v[1]]))
        };
        let settings = Settings {
            area: load_area(section)?,
            between: load_counts(section, "mesh_pps", 2, 0)?,
            algorithm: section
                .choice_of("algorithm", &[("lagrange", Algorithm::Lagrange), ("bicubic", Algorithm::Bicubic)])
                .or(Algorithm::Lagrange)?,
            tension: section.float("bicubic_tension").min(0.0).max(2.0).or(0.2)?,
            speed_mm_s: section.float("speed").above(0.0).or(50.0)?,
            horizontal_move_z_mm: section.float("horizontal_move_z").or(5.0)?,
            splitting: Splitting {
                check_distance_mm: section.float("move_check_distance").min(3.0).or(5.0)?,
                delta_z_mm: section.float("split_delta_z").min(0.01).or(0.025)?,
            },
            fade_start_mm: section.float("fade_start").or(1.0)?,
            fade_end_mm,
            fade_target_mm: section.float("fade_target").optional()?,
            zero_reference_mm: pair("zero_reference_position")?,
            adaptive_margin_mm: section.float("adaptive_margin").min(0.0).or(0.0)?,
        };
        settings.checked().map_err(|message| section.section_error(message))
    }

    /// The same, with what the parameters of a command change.
    pub fn with(&self, command: &Command<'_>) -> Result<Settings, CommandError> {
        let mut s = self.clone();
        let pair = |key: &str| -> Result<Option<[f64; 2]>, CommandError> {
            let Some(text) = command.get(key) else { return Ok(None) };
            let parts: Vec<f64> = text.split(',').filter_map(|p| p.trim().parse().ok()).collect();
            match parts[..] {
                [x, y] => Ok(Some([x, y])),
                _ => Err(command.error(format!("Unable to parse {key}: two numbers, such as 10,20"))),
            }
        };
        let counts = |key: &str| -> Result<Option<[usize; 2]>, CommandError> {
            let Some(text) = command.get(key) else { return Ok(None) };
            let parts: Vec<usize> = text.split(',').filter_map(|p| p.trim().parse().ok()).collect();
            match parts[..] {
                [both] => Ok(Some([both, both])),
                [x, y] => Ok(Some([x, y])),
                _ => Err(command.error(format!("Unable to parse {key}: one or two whole numbers"))),
            }
        };
        match &mut s.area {
            Area::Rectangle { min_mm, max_mm, counts: count } => {
                *min_mm = pair("MESH_MIN")?.unwrap_or(*min_mm);
                *max_mm = pair("MESH_MAX")?.unwrap_or(*max_mm);
                *count = counts("PROBE_COUNT")?.unwrap_or(*count);
            }
            Area::Circle { centre_mm, radius_mm, count } => {
                *centre_mm = pair("MESH_ORIGIN")?.unwrap_or(*centre_mm);
                *radius_mm = command.float("MESH_RADIUS").above(0.0).or(*radius_mm)?;
                *count = command.int("ROUND_PROBE_COUNT").min(3).or(*count as i64)? as usize;
            }
        }
        s.between = counts("MESH_PPS")?.unwrap_or(s.between);
        s.algorithm = match command.get("ALGORITHM").map(|a| a.trim().to_lowercase()).as_deref() {
            None => s.algorithm,
            Some("lagrange") => Algorithm::Lagrange,
            Some("bicubic") => Algorithm::Bicubic,
            Some(other) => return Err(command.error(format!("Unknown algorithm <{other}>"))),
        };
        s.horizontal_move_z_mm = command.float("HORIZONTAL_MOVE_Z").or(s.horizontal_move_z_mm)?;
        s.checked().map_err(CommandError::new)
    }

    /// Refuses what an interpolation cannot do, and takes the one that can where that is clear.
    fn checked(mut self) -> Result<Settings, String> {
        if let Area::Rectangle { min_mm, max_mm, .. } = self.area
            && (min_mm[0] >= max_mm[0] || min_mm[1] >= max_mm[1])
        {
            return Err("bed_mesh: invalid min/max points".into());
        }
        if let Area::Circle { count, .. } = self.area
            && count % 2 == 0
        {
            return Err("bed_mesh: probe_count must be odd for round beds".into());
        }
        let [x, y] = self.counts();
        if x.min(y) < 3 {
            return Err(format!("bed_mesh: probe_count must be at least 3, it is {x}, {y}"));
        }
        if self.between == [0, 0] {
            self.algorithm = Algorithm::Direct;
        }
        if self.algorithm == Algorithm::Bicubic && x.min(y) < BICUBIC_MIN {
            if x.max(y) > LAGRANGE_MAX {
                return Err("bed_mesh: invalid probe_count option when using bicubic interpolation. Combination of 3 points on one \
                     axis with more than 6 on another is not permitted."
                    .into());
            }
            self.algorithm = Algorithm::Lagrange;
        }
        if self.algorithm == Algorithm::Lagrange && x.max(y) > LAGRANGE_MAX {
            return Err(format!(
                "bed_mesh: cannot exceed a probe_count of 6 when using lagrange interpolation. Configured Probe Count: {x}, {y}"
            ));
        }
        self.grid()?;
        Ok(self)
    }

    pub fn counts(&self) -> [usize; 2] {
        match self.area {
            Area::Rectangle { counts, .. } => counts,
            Area::Circle { count, .. } => [count, count],
        }
    }

    /// Lowest and highest X, Y.
    pub fn bounds(&self) -> [[f64; 2]; 2] {
        match self.area {
            Area::Rectangle { min_mm, max_mm, .. } => [min_mm, max_mm],
            Area::Circle { centre_mm, radius_mm, .. } => {
                [centre_mm.map(|c| c - radius_mm), centre_mm.map(|c| c + radius_mm)]
            }
        }
    }

    pub fn grid(&self) -> Result<Grid, String> {
        match self.area {
            Area::Rectangle { min_mm, max_mm, counts } => Grid::rectangular(min_mm, max_mm, counts),
            Area::Circle { centre_mm, radius_mm, count } => Grid::round(centre_mm, radius_mm, count),
        }
    }
}

fn load_area(section: &Section) -> Result<Area, ConfigError> {
    if let Some(radius_mm) = section.float("mesh_radius").above(0.0).optional()? {
        let origin = section.float_list("mesh_origin", 2).or(&[0.0, 0.0])?;
        let count = section.int("round_probe_count").min(3).or(5)? as usize;
        return Ok(Area::Circle {
            centre_mm: [origin[0], origin[1]],
            // Tenths are enough for a bed.
            radius_mm: (radius_mm * 10.0).floor() / 10.0,
            count,
        });
    }
    let min = section.float_list("mesh_min", 2).required()?;
    let max = section.float_list("mesh_max", 2).required()?;
    let counts = load_counts(section, "probe_count", 3, 3)?;
    Ok(Area::Rectangle { min_mm: [min[0], min[1]], max_mm: [max[0], max[1]], counts })
}

/// `5` or `5, 7`.
fn load_counts(section: &Section, option: &str, default: usize, min: usize) -> Result<[usize; 2], ConfigError> {
    let values = section.float_list(option, None).or(&[default as f64, default as f64])?;
    let bad = |v: &f64| v.fract() != 0.0 || *v < min as f64 || *v > 1000.0;
    if values.len() > 2 || values.iter().any(bad) {
        let error = section
            .error(option, format!("Option '{option}' in section '{}' must have minimum of {min}", section.name()));
        return Err(error.help("one or two whole numbers, such as 5, 5"));
    }
    Ok([values[0] as usize, values[values.len() - 1] as usize])
}
