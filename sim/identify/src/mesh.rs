//! A bed's shape from a probed mesh: `[bed_mesh NAME]` of a printer.cfg, or RepRapFirmware's heightmap.csv.
//!
//! The twin's bed is a plane with a bow along each axis and a random rest (sim/plant/src/bed_surface.rs). The first five
//! numbers are a linear fit; the rest gives its rms and how far it stays alike. The twin's bumps lie elsewhere than the
//! real ones: only their size and length are kept.

use std::path::Path;

use drydock_plant::bed_surface::BedSurface;
use nalgebra::{DMatrix, DVector};

use crate::refusal::{self, Refusal};

/// A probed grid. Points that the probe did not reach are missing.
#[derive(Clone, Debug)]
pub struct Mesh {
    /// The profile's name, or the file's.
    pub name: String,
    /// x, y, z, mm.
    pub points_mm: Vec<[f64; 3]>,
    pub columns: usize,
    /// Lines whose heights make no mesh, and other oddities.
    pub flags: Vec<String>,
}

/// A fitted surface: its numbers with the half width of their 95 % intervals.
#[derive(Clone, Debug)]
pub struct SurfaceFit {
    pub surface: BedSurface,
    /// Of height, tilt x, tilt y, bow x, bow y.
    pub half_interval: [f64; 5],
    /// Rms off the best plane, and off the plane with bows, mm.
    pub rms_plane_mm: f64,
    pub rms_mm: f64,
    /// The random rest is not larger than a probe's noise, or there are too few points to tell its length.
    pub length_is_told: bool,
}

/// Reads all meshes of a file.
pub fn read(path: &Path) -> Result<Vec<Mesh>, Refusal> {
    parse(path, &refusal::text(path)?)
}

/// As [`read`], from a text.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Mesh>, Refusal> {
    let first = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
    let meshes = if first.contains("height map") { vec![height_map(path, text)?] } else { profiles(path, text)? };
    if meshes.is_empty() {
        return Err(Refusal::file(path, "holds no [bed_mesh NAME] with points and is no heightmap.csv"));
    }
    Ok(meshes)
}

fn number(path: &Path, line: usize, what: &str, text: &str) -> Result<f64, Refusal> {
    let value = text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
    value.ok_or_else(|| Refusal::line(path, line, format!("{what} is \"{}\": write a number", text.trim())))
}

/// A height of more than this is no bed, mm.
const NO_BED_MM: f64 = 20.0;

/// A plane with two bows has five numbers; a grid of three by three tells them.
const LEAST_POINTS: usize = 9;

fn grid(
    path: &Path,
    name: &str,
    rows: &[(usize, Vec<Option<f64>>)],
    min_mm: [f64; 2],
    max_mm: [f64; 2],
) -> Result<Mesh, Refusal> {
    let columns = rows.first().map_or(0, |r| r.1.len());
    if columns < 3 || rows.len() < 3 {
        return Err(Refusal::file(path, format!("mesh {name}: {columns} by {} points are too few", rows.len())));
    }
    if !(0..2).all(|i| max_mm[i] > min_mm[i]) {
        return Err(Refusal::file(path, format!("mesh {name}: its largest X or Y is not above its smallest")));
    }
    let mut points_mm = Vec::new();
    for (j, (line, row)) in rows.iter().enumerate() {
        if row.len() != columns {
            let why =
                format!("mesh {name}: {} points in this row, {columns} in the first; is the file cut off?", row.len());
            return Err(Refusal::line(path, *line, why));
        }
        for (i, z) in row.iter().enumerate() {
            let Some(z) = *z else { continue };
            if z.abs() > NO_BED_MM {
                return Err(Refusal::line(path, *line, format!("mesh {name}: a height of {z} mm is no bed")));
            }
            let at = |axis: usize, k: usize, of: usize| {
                min_mm[axis] + (max_mm[axis] - min_mm[axis]) * k as f64 / (of - 1) as f64
            };
            points_mm.push([at(0, i, columns), at(1, j, rows.len()), z]);
        }
    }
    if points_mm.len() < LEAST_POINTS {
        return Err(Refusal::file(path, format!("mesh {name}: {} probed points are too few", points_mm.len())));
    }
    let mut flags = Vec::new();
    if points_mm.len() < columns * rows.len() {
        flags.push(format!(
            "{} of {} points were not probed",
            columns * rows.len() - points_mm.len(),
            columns * rows.len()
        ));
    }
    if points_mm.iter().all(|p| p[2] == points_mm[0][2]) {
        return Err(Refusal::file(
            path,
            format!("mesh {name}: all heights are {}: nothing was probed", points_mm[0][2]),
        ));
    }
    Ok(Mesh { name: name.to_string(), points_mm, columns, flags })
}

/// `[bed_mesh NAME]` sections with `points`, in the SAVE_CONFIG block or before it.
fn profiles(path: &Path, text: &str) -> Result<Vec<Mesh>, Refusal> {
    let mut meshes = Vec::new();
    let mut section: Option<String> = None;
    let mut bounds = [None; 4];
    let mut rows: Vec<(usize, Vec<Option<f64>>)> = Vec::new();
    let mut in_points = false;
    let finish = |section: &Option<String>, bounds: &[Option<f64>; 4], rows: &mut Vec<(usize, Vec<Option<f64>>)>| {
        let rows = std::mem::take(rows);
        let Some(name) = section.as_ref().filter(|_| !rows.is_empty()) else { return Ok(None) };
        let [Some(x0), Some(x1), Some(y0), Some(y1)] = *bounds else {
            let why = format!("mesh {name}: min_x, max_x, min_y or max_y is missing; is the file cut off?");
            return Err(Refusal::line(path, rows[0].0, why));
        };
        grid(path, name, &rows, [x0, y0], [x1, y1]).map(Some)
    };
    for (i, line) in text.lines().enumerate() {
        let body = line.strip_prefix("#*#").unwrap_or(line);
        let word = body.trim();
        if word.starts_with('[') {
            meshes.extend(finish(&section, &bounds, &mut rows)?);
            let name = word.trim_start_matches('[').split(']').next().unwrap_or_default();
            section = name.strip_prefix("bed_mesh ").map(|n| n.trim().to_string());
            (bounds, in_points) = ([None; 4], false);
        } else if section.is_some() && !word.is_empty() && !word.starts_with('#') {
            let value = |at: usize| word.get(at..).unwrap_or_default();
            match word.find(['=', ':']) {
                Some(at) => {
                    in_points = word[..at].trim() == "points";
                    let place = ["min_x", "max_x", "min_y", "max_y"].iter().position(|k| *k == word[..at].trim());
                    if let Some(place) = place {
                        bounds[place] = Some(number(path, i + 1, word[..at].trim(), value(at + 1))?);
                    } else if in_points && !value(at + 1).trim().is_empty() {
                        rows.push((i + 1, heights(path, i + 1, value(at + 1))?));
                    }
                }
                None if in_points => rows.push((i + 1, heights(path, i + 1, word)?)),
                None => {}
            }
        }
    }
    meshes.extend(finish(&section, &bounds, &mut rows)?);
    Ok(meshes)
}

fn heights(path: &Path, line: usize, text: &str) -> Result<Vec<Option<f64>>, Refusal> {
    text.trim_end_matches(',').split(',').map(|f| number(path, line, "a height", f).map(Some)).collect()
}

/// RepRapFirmware's heightmap.csv, of version 1 (`xmin,...`) or 2 (`axis0,...`).
fn height_map(path: &Path, text: &str) -> Result<Mesh, Refusal> {
    let mut lines = text.lines().enumerate().map(|(i, l)| (i + 1, l.trim())).filter(|(_, l)| !l.is_empty());
    let cut = || Refusal::file(path, "ends within its head; is the file whole?");
    let (_, names) = lines.nth(1).ok_or_else(cut)?;
    let (line, values) = lines.next().ok_or_else(cut)?;
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    let values: Vec<&str> = values.split(',').map(str::trim).collect();
    let field = |options: [&str; 2]| {
        let at = names.iter().position(|n| options.contains(n)).filter(|at| *at < values.len());
        let at = at.ok_or_else(|| Refusal::line(path, line, format!("{} is missing", options[0])))?;
        number(path, line, options[0], values[at])
    };
    let min_mm = [field(["xmin", "min0"])?, field(["ymin", "min1"])?];
    let spacing_mm = [field(["xspacing", "spacing0"])?, field(["yspacing", "spacing1"])?];
    let count = [field(["xnum", "num0"])?, field(["ynum", "num1"])?];
    // An unreached point is written as the bare "0".
    let rows: Vec<(usize, Vec<Option<f64>>)> = lines
        .map(|(line, row)| {
            let cells = row.trim_end_matches(',').split(',').map(str::trim);
            let height = |c: &str| if c == "0" { Ok(None) } else { number(path, line, "a height", c).map(Some) };
            Ok((line, cells.map(height).collect::<Result<_, Refusal>>()?))
        })
        .collect::<Result<_, Refusal>>()?;
    if rows.len() as f64 != count[1] {
        let why = format!("{} rows of heights, the head tells {}; is the file whole?", rows.len(), count[1]);
        return Err(Refusal::file(path, why));
    }
    let max_mm = [0, 1].map(|i| min_mm[i] + spacing_mm[i] * (count[i] - 1.0));
    let name = path.file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    grid(path, &name, &rows, min_mm, max_mm)
}

/// Fits the surface of a machine whose nozzle travels from `travel_min_mm` to `travel_max_mm`.
pub fn fit(mesh: &Mesh, travel_min_mm: [f64; 3], travel_max_mm: [f64; 3]) -> SurfaceFit {
    let middle: [f64; 2] = std::array::from_fn(|i| 0.5 * (travel_min_mm[i] + travel_max_mm[i]));
    let half: [f64; 2] = std::array::from_fn(|i| 0.5 * (travel_max_mm[i] - travel_min_mm[i]));
    let row = |p: &[f64; 3]| {
        let (x, y) = (p[0] - middle[0], p[1] - middle[1]);
        let bow = |v: f64, half: f64| 1.0 - (v / half) * (v / half);
        [1.0, x, y, bow(x, half[0]), bow(y, half[1])]
    };
    let z = DVector::from_iterator(mesh.points_mm.len(), mesh.points_mm.iter().map(|p| p[2]));
    let solve = |terms: usize| {
        let a = DMatrix::from_fn(mesh.points_mm.len(), terms, |i, j| row(&mesh.points_mm[i])[j]);
        let normal = a.transpose() * &a;
        let inverse = normal.try_inverse().unwrap_or_else(|| DMatrix::zeros(terms, terms));
        let c = &inverse * a.transpose() * &z;
        let rest = &z - a * &c;
        (c, rest, inverse)
    };
    let rms = |rest: &DVector<f64>| (rest.norm_squared() / rest.len() as f64).sqrt();
    let (_, off_plane, _) = solve(3);
    let (c, rest, inverse) = solve(5);
    let variance = rest.norm_squared() / (rest.len() as f64 - 5.0).max(1.0);
    let length_mm = correlation_length_mm(mesh, &rest);
    let surface = BedSurface {
        height_mm: c[0],
        tilt: [c[1], c[2]],
        bow_mm: [c[3], c[4]],
        rough_mm: rms(&rest),
        rough_length_mm: length_mm.unwrap_or(BedSurface::default().rough_length_mm),
    };
    SurfaceFit {
        surface,
        half_interval: std::array::from_fn(|i| 1.96 * (variance * inverse[(i, i)]).max(0.0).sqrt()),
        rms_plane_mm: rms(&off_plane),
        rms_mm: rms(&rest),
        length_is_told: length_mm.is_some(),
    }
}

/// The distance at which the rest is alike by exp(-1/2), from its correlation over distance; `None` where even
/// neighbours are not alike, or there are too few points.
fn correlation_length_mm(mesh: &Mesh, rest: &DVector<f64>) -> Option<f64> {
    let points = &mesh.points_mm;
    if points.len() < 16 {
        return None;
    }
    let pitch = (points[1][0] - points[0][0]).abs().max(1.0);
    let power = rest.norm_squared() / rest.len() as f64;
    let mut bins = [(0.0, 0usize); 6];
    for i in 0..points.len() {
        for j in 0..i {
            let d = ((points[i][0] - points[j][0]).powi(2) + (points[i][1] - points[j][1]).powi(2)).sqrt();
            if let Some(bin) = bins.get_mut((d / pitch - 0.5).max(0.0) as usize) {
                *bin = (bin.0 + rest[i] * rest[j], bin.1 + 1);
            }
        }
    }
    let alike: Vec<f64> = bins.iter().filter(|b| b.1 > 0).map(|b| b.0 / b.1 as f64 / power).collect();
    let wanted = (-0.5f64).exp();
    let mut last = (0.0, 1.0);
    for (k, value) in alike.iter().enumerate() {
        let now = ((k + 1) as f64 * pitch, *value);
        if now.1 < wanted {
            let length = last.0 + (now.0 - last.0) * (last.1 - wanted) / (last.1 - now.1);
            // Neighbours that are not alike: the rest is noise of the probe, or shorter than the grid.
            return (alike[0] > 0.1).then_some(length);
        }
        last = now;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_surface_comes_back() {
        let z = |x: f64, y: f64| {
            let (u, v) = ((x - 100.0) / 100.0, (y - 100.0) / 100.0);
            0.05 + 1e-3 * (x - 100.0) - 5e-4 * (y - 100.0) + 0.1 * (1.0 - u * u) - 0.2 * (1.0 - v * v)
        };
        let mut text = "[bed_mesh default]\n#*# [bed_mesh cold]\n#*# version = 1\n#*# points =\n".to_string();
        for j in 0..5 {
            let row: Vec<String> =
                (0..5).map(|i| format!("{:.6}", z(20.0 + 40.0 * f64::from(i), 20.0 + 40.0 * f64::from(j)))).collect();
            text += &format!("#*# \t  {}\n", row.join(", "));
        }
        text += "#*# min_x = 20.0\n#*# max_x = 180.0\n#*# min_y = 20\n#*# max_y = 180\n";
        let meshes = parse(Path::new("printer.cfg"), &text).expect("a mesh");
        assert_eq!((meshes.len(), meshes[0].name.as_str()), (1, "cold"));
        let fit = fit(&meshes[0], [0.0; 3], [200.0; 3]);
        let s = &fit.surface;
        for (got, planted) in
            [s.height_mm, s.tilt[0], s.tilt[1], s.bow_mm[0], s.bow_mm[1]].iter().zip([0.05, 1e-3, -5e-4, 0.1, -0.2])
        {
            assert!((got - planted).abs() < 1e-5, "{got} for {planted}");
        }
        assert!(fit.rms_mm < 1e-6);
    }

    #[test]
    fn broken_meshes_are_refused_by_name() {
        let refuse = |text: &str| parse(Path::new("m"), text).expect_err("refused").to_string();
        assert!(
            refuse("[bed_mesh a]\npoints = \n 0, 1, 2\n 0, 1\n 1, 2, 3\nmin_x=0\nmax_x=1\nmin_y=0\nmax_y=1\n")
                .contains("m:4")
        );
        assert!(refuse("[bed_mesh a]\npoints = \n 0, x, 2\n").contains("m:3"));
        assert!(refuse("[bed_mesh a]\npoints = \n 0, 1, 2\n 0, 1, 2\n 0, 1, 2\n").contains("min_x"));
        assert!(refuse("hello\n").contains("no [bed_mesh"));
        let zeros = "[bed_mesh a]\npoints = \n 0, 0, 0\n 0, 0, 0\n 0, 0, 0\nmin_x=0\nmax_x=1\nmin_y=0\nmax_y=1\n";
        assert!(refuse(zeros).contains("nothing was probed"));
        let head =
            "RepRapFirmware height map file v2\naxis0,axis1,min0,max0,min1,max1,radius,spacing0,spacing1,num0,num1\n";
        let unreached = format!("{head}X,Y,0,40,0,40,-1,20,20,3,3\n0,0,0\n0.1,0.2,0.1\n0.1,0.1,0.3\n");
        assert!(refuse(&unreached).contains("6 probed points are too few"));
    }
}
