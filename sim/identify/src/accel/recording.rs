//! What a file of an accelerometer holds, and reading it: Klipper's raw and PSD files, Shake&Tune's `.stdata`.
//!
//! Shake&Tune's container is zstd around either JSON lines, `{"name": .., "samples": [[t, x, y, z], ..]}`, or, in its
//! second version, `STDATAV2`, a u16 and records of name length u32, name, count u64 and four little-endian f64 a sample.
//! The first releases wrote a Python pickle there, which is a program and is not run.

use std::path::{Path, PathBuf};

use drydock_host::shaper_calibrate::{Sample, Spectrum};
use serde::Deserialize;

use super::unpack::unpack;

/// One measurement of one accelerometer.
#[derive(Clone, Debug)]
pub struct Recording {
    pub path: PathBuf,
    /// What the measurement is called: in the file where it says, else the file's own name.
    pub name: String,
    /// Direction of the excitation in machine axes, where name or user tell it.
    pub direction: Option<[f64; 3]>,
    pub data: Data,
}

#[derive(Clone, Debug)]
pub enum Data {
    /// s and mm/s².
    Raw(Vec<Sample>),
    Psd(Psd),
}

/// Spectral densities that a printer wrote, (mm/s²)²/Hz.
#[derive(Clone, Debug)]
pub struct Psd {
    pub freq_hz: Vec<f64>,
    pub axes: [Vec<f64>; 3],
    pub sum: Vec<f64>,
    /// Divided by frequency already, as calibration files of older versions are.
    pub normalised: bool,
}

/// Why a file cannot be read: place, cause and mend in one sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadError {
    pub path: PathBuf,
    pub line: Option<usize>,
    pub why: String,
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path.display(), self.why),
            None => write!(f, "{}: {}", self.path.display(), self.why),
        }
    }
}

impl std::error::Error for ReadError {}

/// A cause and, in text files, its line.
type Wrong = (Option<usize>, String);

const RAW_HEADER: &str = "#time,accel_x,accel_y,accel_z";
const PSD_HEADER: &str = "freq,psd_x,psd_y,psd_z,psd_xyz";

impl Recording {
    /// The one measurement of a file; a file with several is an error that names them.
    pub fn read(path: &Path) -> Result<Recording, ReadError> {
        let mut all = Recording::read_all(path)?;
        match (all.pop(), all.len()) {
            (Some(only), 0) => Ok(only),
            (last, _) => {
                let names: Vec<&str> = all.iter().chain(&last).map(|r| r.name.as_str()).collect();
                let why = format!("holds {} measurements ({}), one is wanted here", names.len(), names.join(", "));
                Err(ReadError { path: path.to_path_buf(), line: None, why })
            }
        }
    }

    /// All measurements of a file, at least one.
    pub fn read_all(path: &Path) -> Result<Vec<Recording>, ReadError> {
        let bytes = std::fs::read(path).map_err(|e| ReadError {
            path: path.to_path_buf(),
            line: None,
            why: match e.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".into(),
                _ => e.to_string(),
            },
        })?;
        Recording::parse(path, bytes)
    }

    /// From the bytes of a file; the path names it in errors.
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<Vec<Recording>, ReadError> {
        let wrong = |(line, why): Wrong| ReadError { path: path.to_path_buf(), line, why };
        let bytes = unpack(bytes).map_err(|why| wrong((None, why)))?;
        let stem = stem(path);
        let one = |name: &str, data: Data| Recording {
            path: path.to_path_buf(),
            name: name.to_string(),
            direction: direction_of(name).or_else(|| direction_of(&stem)),
            data,
        };
        if let Some(records) = bytes.strip_prefix(b"STDATAV2") {
            let all = binary_records(records).map_err(wrong)?;
            return Ok(all.into_iter().map(|(name, samples)| one(&name, Data::Raw(samples))).collect());
        }
        if bytes.first() == Some(&0x80) {
            return Err(wrong((
                None,
                "is a Python pickle of an early Shake&Tune, which cannot be read safely; \
                 give the raw_data CSV of the test, or record it again with a newer Shake&Tune"
                    .into(),
            )));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| wrong((None, format!("is no text; a CSV with the columns {RAW_HEADER} is wanted"))))?;
        if text.trim_start().starts_with('{') {
            let all = json_lines(text).map_err(wrong)?;
            return Ok(all.into_iter().map(|(name, samples)| one(&name, Data::Raw(samples))).collect());
        }
        let data = csv(text).map_err(wrong)?;
        Ok(vec![one(&stem, data)])
    }

    /// What people call it: the file, and the measurement where it has another name.
    pub fn title(&self) -> String {
        let file = self.path.file_name().map_or_else(String::new, |f| f.to_string_lossy().into_owned());
        if self.name == stem(&self.path) { file } else { format!("{file} ({})", self.name) }
    }

    /// Its spectrum as the printer would compute it, divided by frequency.
    pub fn normalised_spectrum(&self) -> Result<Spectrum, String> {
        match &self.data {
            Data::Raw(samples) => {
                let mut spectrum = Spectrum::from_samples(samples).map_err(|e| e.to_string())?;
                spectrum.normalise();
                Ok(spectrum)
            }
            Data::Psd(psd) => {
                let mut spectrum = Spectrum::from_axes(psd.freq_hz.clone(), psd.axes.clone());
                spectrum.sum.clone_from(&psd.sum);
                if !psd.normalised {
                    spectrum.normalise();
                }
                Ok(spectrum)
            }
        }
    }
}

/// The file's name without what is behind its first known extension.
fn stem(path: &Path) -> String {
    let name = path.file_name().map_or_else(String::new, |f| f.to_string_lossy().into_owned());
    let plain = name.trim_end_matches(".gz");
    plain.trim_end_matches(".csv").trim_end_matches(".stdata").to_string()
}

/// The direction that a name tells: `raw_data_x_..`, `axis_Y`, `belt_A`, `axis=1.000,-1.000`.
pub fn direction_of(name: &str) -> Option<[f64; 3]> {
    let lower = name.to_lowercase();
    if let Some((_, vector)) = lower.split_once("axis=") {
        let end = vector.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | ',')).unwrap_or(vector.len());
        let parts: Vec<f64> = vector[..end].split(',').filter_map(|p| p.parse().ok()).collect();
        if let [x, y, ref rest @ ..] = parts[..] {
            return unit([x, y, rest.first().copied().unwrap_or(0.0)]);
        }
    }
    let words = || lower.split(|c: char| !c.is_ascii_alphanumeric());
    // A CoreXY's belts: A is pulled by X against Y, B by both.
    let belts = lower.contains("belt");
    words().find_map(|word| match word {
        "x" => Some([1.0, 0.0, 0.0]),
        "y" => Some([0.0, 1.0, 0.0]),
        "z" => Some([0.0, 0.0, 1.0]),
        "a" if belts => unit([1.0, -1.0, 0.0]),
        "b" if belts => unit([1.0, 1.0, 0.0]),
        _ => None,
    })
}

/// The vector at length 1; none for one without length.
pub fn unit(v: [f64; 3]) -> Option<[f64; 3]> {
    let length = libm::sqrt(v.iter().map(|x| x * x).sum());
    (length > 1e-9 && length.is_finite()).then(|| v.map(|x| x / length))
}

fn csv(text: &str) -> Result<Data, Wrong> {
    let mut lines = Lines { rest: text, number: 0 };
    let Some((number, header)) = lines.by_ref().find(|(_, line)| !line.trim().is_empty()) else {
        return Err((None, "is empty: the recording was never written, or the copy failed; record again".into()));
    };
    let plain = header.trim().trim_start_matches('#').replace(' ', "").to_lowercase();
    if plain.starts_with("time,accel_x,accel_y,accel_z") {
        return raw(lines).map(Data::Raw);
    }
    if plain.starts_with("freq,psd_x,psd_y,psd_z,psd_xyz") {
        // Since `shapers:` is written, what is in the file is the plain density.
        let normalised = plain.contains("mzv") && !plain.contains("shapers:");
        return psd(lines).map(|psd| Data::Psd(Psd { normalised, ..psd }));
    }
    if plain.starts_with("sample,x,y,z") {
        let why = "is RepRapFirmware's record of a single move, not of a resonance test; \
                   run TEST_RESONANCES on the printer, or M593 there";
        return Err((Some(number + 1), why.into()));
    }
    let kinds = format!("begins with neither `{RAW_HEADER}` nor `{PSD_HEADER}`");
    Err((Some(number + 1), format!("{kinds}; give a raw_data, resonances or calibration_data file, or a .stdata")))
}

/// The lines of a text with their numbers, from 0.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.number += 1;
        Some((self.number - 1, line))
    }
}

/// Neither empty nor a comment.
fn has_data(line: &str) -> bool {
    !line.starts_with('#') && !line.trim().is_empty()
}

/// The first `N` numbers of a line.
fn numbers<const N: usize>(number: usize, line: &str, columns: [&str; N]) -> Result<[f64; N], Wrong> {
    let mut parts = line.split(',');
    let mut values = [0.0; N];
    for (value, column) in values.iter_mut().zip(columns) {
        let Some(part) = parts.next() else {
            let why = format!("has no {column}: the line is cut short, so the file is; copy or record it again");
            return Err((Some(number + 1), why));
        };
        *value = match part.parse().or_else(|_| part.trim().parse::<f64>()) {
            Ok(value) if value.is_finite() => value,
            Ok(_) => {
                let why = format!("{column} is {}, not a number: the recording is damaged; record again", part.trim());
                return Err((Some(number + 1), why));
            }
            Err(_) => {
                let why = format!("{column} is `{}`, which is not a number", part.trim());
                return Err((Some(number + 1), why));
            }
        };
    }
    Ok(values)
}

fn raw(mut lines: Lines<'_>) -> Result<Vec<Sample>, Wrong> {
    const LINE_LEN: usize = 48;
    let mut samples = Vec::with_capacity(lines.rest.len() / LINE_LEN);
    loop {
        let row = match plain_row(lines.rest.as_bytes()) {
            Some((row, used)) => {
                lines.rest = &lines.rest[used..];
                lines.number += 1;
                row
            }
            // Whatever is odd about a line is found here.
            None => match lines.next() {
                None => return Ok(samples),
                Some((number, line)) if has_data(line) => {
                    numbers(number, line, ["time", "accel_x", "accel_y", "accel_z"])?
                }
                Some(_) => continue,
            },
        };
        let [time_s, x, y, z] = row;
        samples.push(Sample { time_s, accel_mm_s2: [x, y, z] });
    }
}

/// The four numbers of a line that has nothing else, and its length: files have half a million of them.
fn plain_row(bytes: &[u8]) -> Option<([f64; 4], usize)> {
    let (mut row, mut at) = ([0.0; 4], 0);
    for (i, value) in row.iter_mut().enumerate() {
        let used;
        (*value, used) = plain_number(&bytes[at..])?;
        at += used + 1;
        if bytes.get(at - 1) != Some(if i < 3 { &b',' } else { &b'\n' }) {
            return None;
        }
    }
    Some((row, at))
}

/// A number of at most 15 digits, and its length: both its digits and the power of ten are exact, so their quotient is
/// rounded once, as it should be.
fn plain_number(bytes: &[u8]) -> Option<(f64, usize)> {
    const TENS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let negative = bytes.first() == Some(&b'-');
    let (mut all, mut digits, mut whole) = (0u64, 0, None);
    let mut at = usize::from(negative);
    loop {
        match bytes.get(at)? {
            digit @ b'0'..=b'9' if digits < 15 => {
                all = all * 10 + u64::from(digit - b'0');
                digits += 1;
            }
            b'.' if whole.is_none() => whole = Some(digits),
            b',' | b'\n' if digits > 0 => break,
            _ => return None,
        }
        at += 1;
    }
    let size = all as f64 / TENS[digits - whole.unwrap_or(digits)];
    Some((if negative { -size } else { size }, at))
}

fn psd(lines: Lines<'_>) -> Result<Psd, Wrong> {
    let mut psd = Psd { freq_hz: vec![], axes: [vec![], vec![], vec![]], sum: vec![], normalised: false };
    for (number, line) in lines.filter(|(_, line)| has_data(line)) {
        let [freq_hz, x, y, z, sum] = numbers(number, line, ["freq", "psd_x", "psd_y", "psd_z", "psd_xyz"])?;
        if psd.freq_hz.last().is_some_and(|last| *last >= freq_hz) {
            let why = format!("freq {freq_hz} is not above the one before; the lines are out of order");
            return Err((Some(number + 1), why));
        }
        if [x, y, z, sum].iter().any(|p| *p < 0.0) {
            return Err((Some(number + 1), "a density below 0: this is no power spectrum".into()));
        }
        psd.freq_hz.push(freq_hz);
        psd.axes.iter_mut().zip([x, y, z]).for_each(|(axis, p)| axis.push(p));
        psd.sum.push(sum);
    }
    Ok(psd)
}

fn json_lines(text: &str) -> Result<Vec<(String, Vec<Sample>)>, Wrong> {
    #[derive(Deserialize)]
    struct Measurement {
        name: String,
        samples: Vec<[f64; 4]>,
    }
    let one = |(number, line): (usize, &str)| -> Result<(String, Vec<Sample>), Wrong> {
        let measurement: Measurement = serde_json::from_str(line).map_err(|e| {
            let why = format!("no measurement of Shake&Tune ({e}): the file is damaged or cut short; copy it again");
            (Some(number + 1), why)
        })?;
        let samples = measurement.samples.into_iter();
        let samples = samples.map(|[time_s, x, y, z]| Sample { time_s, accel_mm_s2: [x, y, z] }).collect();
        Ok((measurement.name, samples))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(one).collect()
}

fn binary_records(bytes: &[u8]) -> Result<Vec<(String, Vec<Sample>)>, Wrong> {
    let cut = || (None, "the .stdata ends in the middle of a measurement; copy it again".to_string());
    let mut rest = bytes;
    let mut take = |count: usize| -> Option<&[u8]> {
        let (head, tail) = rest.split_at_checked(count)?;
        rest = tail;
        Some(head)
    };
    let version = take(2).ok_or_else(cut)?;
    if version != [2, 0] {
        let why = format!("is .stdata of version {}, which is newer than this program", version[0]);
        return Err((None, why));
    }
    let mut all = Vec::new();
    while let Some(length) = take(4) {
        let length = u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
        let name = String::from_utf8_lossy(take(length).ok_or_else(cut)?).into_owned();
        let count = take(8).ok_or_else(cut)?;
        let count = u64::from_le_bytes(count.try_into().unwrap_or_default());
        let size = usize::try_from(count).ok().and_then(|n| n.checked_mul(32)).ok_or_else(cut)?;
        let values = take(size).ok_or_else(cut)?;
        let number = |i: usize, row: &[u8]| f64::from_le_bytes(row[8 * i..8 * i + 8].try_into().unwrap_or_default());
        let samples = values.chunks_exact(32).map(|row| Sample {
            time_s: number(0, row),
            accel_mm_s2: [number(1, row), number(2, row), number(3, row)],
        });
        all.push((name, samples.collect()));
    }
    match all.is_empty() {
        true => Err((None, "the .stdata holds no measurement".into())),
        false => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, bytes: &[u8]) -> Result<Vec<Recording>, String> {
        Recording::parse(Path::new(name), bytes.to_vec()).map_err(|e| e.to_string())
    }

    fn samples(recording: &Recording) -> &[Sample] {
        match &recording.data {
            Data::Raw(samples) => samples,
            Data::Psd(_) => panic!("raw data are wanted"),
        }
    }

    const ONE: Sample = Sample { time_s: 331.4, accel_mm_s2: [37.0, 0.0, -9806.0] };

    #[test]
    fn all_containers_of_raw_data_say_the_same() {
        let csv = parse("raw_data_x_1.csv", b"#time,accel_x,accel_y,accel_z\n331.4,37,0,-9806\n").unwrap();
        let json = parse("t.stdata", b"{\"name\": \"axis_X_1\", \"samples\": [[331.4, 37, 0, -9806]]}\n\n").unwrap();
        let mut v2 = b"STDATAV2\x02\x00\x06\x00\x00\x00axis_X".to_vec();
        v2.extend(1u64.to_le_bytes());
        [331.4, 37.0, 0.0, -9806.0f64].iter().for_each(|v| v2.extend(v.to_le_bytes()));
        let binary = parse("t.stdata", &v2).unwrap();
        for all in [csv, json, binary] {
            assert_eq!((all.len(), samples(&all[0])), (1, &[ONE][..]));
            assert_eq!(all[0].direction, Some([1.0, 0.0, 0.0]));
        }
    }

    #[test]
    fn plain_numbers_are_what_the_library_makes_of_them() {
        let mut state = 3u64;
        for k in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (size, places) = ((state >> 14) as f64 / 2f64.powi(30 + k % 12), (k % 8) as usize);
            let text = format!("{}{size:.places$}", if k % 3 == 0 { "-" } else { "" });
            match plain_number(format!("{text},").as_bytes()) {
                Some((value, used)) => {
                    assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
                    assert_eq!(used, text.len());
                }
                None => assert!(text.bytes().filter(u8::is_ascii_digit).count() > 15, "{text}"),
            }
        }
        for odd in ["", ",", "-,", ".,", "1e5,", "nan,", "+1,", " 1,", "1.2.3,", "1"] {
            assert_eq!(plain_number(odd.as_bytes()), None, "{odd}");
        }
    }

    #[test]
    fn names_tell_the_direction() {
        let half = std::f64::consts::FRAC_1_SQRT_2;
        for (name, direction) in [
            ("raw_data_x_20240101_120000", Some([1.0, 0.0, 0.0])),
            ("resonances_y_2", Some([0.0, 1.0, 0.0])),
            ("printer__belt_20231129_011920_B", Some([half, half, 0.0])),
            ("belt_A_20250101", Some([half, -half, 0.0])),
            ("raw_data_axis=1.000,-1.000_1", Some([half, -half, 0.0])),
            ("raw_data_axis=0.000,0.000_1", None),
            ("recording", None),
        ] {
            let got = direction_of(name);
            let near = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(got.is_some() == direction.is_some(), "{name}: {got:?}");
            assert!(got.zip(direction).is_none_or(|(a, b)| near(a, b)), "{name}: {got:?}");
        }
    }

    #[test]
    fn spectra_that_are_divided_by_frequency_are_known_by_their_header() {
        let normalised =
            |header: &str| match &parse("c.csv", format!("{header}\n1.5,1,2,3,6\n").as_bytes()).unwrap()[0].data {
                Data::Psd(psd) => psd.normalised,
                Data::Raw(_) => panic!("a spectrum is wanted"),
            };
        assert!(!normalised("freq,psd_x,psd_y,psd_z,psd_xyz"));
        assert!(normalised("freq,psd_x,psd_y,psd_z,psd_xyz,zv(45.6),mzv(44.6)"));
        assert!(!normalised("freq,psd_x,psd_y,psd_z,psd_xyz,shapers:,zv(45.6),mzv(44.6)"));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        let raw = "#time,accel_x,accel_y,accel_z\n";
        for (bytes, says) in [
            ("".into(), "f.csv: is empty"),
            ("\n\n".into(), "f.csv: is empty"),
            ("a,b\n1,2\n".into(), "f.csv:1: begins with neither"),
            (format!("{raw}0.1,1,2,3\n0.2,1,nan,3\n"), "f.csv:3: accel_y is nan, not a number"),
            (format!("{raw}0.1,1,2,inf\n"), "f.csv:2: accel_z is inf"),
            (format!("{raw}0.1,1,2,3\n0.2,1\n"), "f.csv:3: has no accel_y: the line is cut short"),
            (format!("{raw}0.1,one,2,3\n"), "f.csv:2: accel_x is `one`"),
            ("Sample,X,Y,Z\n0,0.1,0.1,1\n".into(), "f.csv:1: is RepRapFirmware's"),
            ("freq,psd_x,psd_y,psd_z,psd_xyz\n5,1,1,1,3\n5,1,1,1,3\n".into(), "f.csv:3: freq 5 is not above"),
            ("freq,psd_x,psd_y,psd_z,psd_xyz\n5,-1,1,1,3\n".into(), "f.csv:2: a density below 0"),
            ("{\"name\": \"a\", \"samples\": [[1,2,3,NaN]]}".into(), "f.csv:1: no measurement of Shake&Tune"),
            ("STDATAV2\u{2}\u{0}\u{9}\u{0}\u{0}\u{0}ax".into(), "ends in the middle"),
        ] as [(String, &str); 12]
        {
            let error = parse("f.csv", bytes.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        let pickle = parse("f.stdata", &[0x80, 4, 0x95]).unwrap_err();
        assert!(pickle.contains("Python pickle"), "{pickle}");
    }
}
