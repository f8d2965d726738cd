//! Saved meshes: `[bed_mesh NAME]` in the SAVE_CONFIG block.

use super::surface::{Algorithm, Probed};
use crate::config::{ConfigError, Section};
use crate::macros::float_repr;
use crate::printer::Value;

/// Form of the saved section; others are left alone.
const VERSION: i64 = 1;

pub fn load(section: &Section) -> Result<Option<Probed>, ConfigError> {
    let known = [
        "points",
        "min_x",
        "max_x",
        "min_y",
        "max_y",
        "x_count",
        "y_count",
        "mesh_x_pps",
        "mesh_y_pps",
        "algo",
        "tension",
    ];
    if section.int("version").or(0)? != VERSION {
        known.iter().for_each(|option| {
            section.has(option);
        });
        return Ok(None);
    }
    let counts = [section.int("x_count").min(2).required()?, section.int("y_count").min(2).required()?];
    let heights_mm = section.float_rows("points", ',', counts[0] as usize).required()?;
    if heights_mm.len() as i64 != counts[1] {
        let message = format!("points of [{}] has {} rows, y_count is {}", section.name(), heights_mm.len(), counts[1]);
        return Err(section.error("points", message));
    }
    let words = [("direct", Algorithm::Direct), ("lagrange", Algorithm::Lagrange), ("bicubic", Algorithm::Bicubic)];
    let number = |option: &str| section.float(option).required();
    let count = |option: &str| section.int(option).min(0).required().map(|v| v as usize);
    let probed = Probed {
        min_mm: [number("min_x")?, number("min_y")?],
        max_mm: [number("max_x")?, number("max_y")?],
        heights_mm,
        between: [count("mesh_x_pps")?, count("mesh_y_pps")?],
        algorithm: section.choice_of("algo", &words).required()?,
        tension: number("tension")?,
    };
    match probed.min_mm[0] < probed.max_mm[0] && probed.min_mm[1] < probed.max_mm[1] {
        true => Ok(Some(probed)),
        false => Err(section.section_error("min_x and min_y must be below max_x and max_y")),
    }
}

/// Option and value, in the order in which they are saved.
pub fn options(probed: &Probed) -> Vec<(&'static str, String)> {
    let row = |row: &Vec<f64>| row.iter().map(|z| format!("{z:.6}")).collect::<Vec<_>>().join(", ");
    let points = format!("\n{}", probed.heights_mm.iter().map(row).collect::<Vec<_>>().join("\n"));
    let [x_count, y_count] = probed.counts();
    vec![
        ("version", VERSION.to_string()),
        ("points", points),
        ("x_count", x_count.to_string()),
        ("y_count", y_count.to_string()),
        ("mesh_x_pps", probed.between[0].to_string()),
        ("mesh_y_pps", probed.between[1].to_string()),
        ("algo", probed.algorithm.name().to_string()),
        ("tension", float_repr(probed.tension)),
        ("min_x", float_repr(probed.min_mm[0])),
        ("max_x", float_repr(probed.max_mm[0])),
        ("min_y", float_repr(probed.min_mm[1])),
        ("max_y", float_repr(probed.max_mm[1])),
    ]
}

/// As the status shows it.
pub fn status(probed: &Probed) -> Value {
    let [x_count, y_count] = probed.counts();
    minijinja::context! {
        points => probed.heights_mm.clone(),
        mesh_params => minijinja::context! {
            x_count => x_count,
            y_count => y_count,
            mesh_x_pps => probed.between[0],
            mesh_y_pps => probed.between[1],
            algo => probed.algorithm.name(),
            tension => probed.tension,
            min_x => probed.min_mm[0],
            max_x => probed.max_mm[0],
            min_y => probed.min_mm[1],
            max_y => probed.max_mm[1],
        },
    }
}
