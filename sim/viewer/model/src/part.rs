//! The part as it was really laid down: beads in the order of time, compact, in chunks.

use drydock_recording::Bead;
use std::ops::Range;

/// One bead: 32 bytes without gaps, as a graphics card may take it. The path is that of the nozzle's tip, so the bead lies
/// between `z - height` and `z`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct BeadRecord {
    pub from_mm: [f32; 3],
    pub to_mm: [f32; 3],
    /// 0.1 um.
    pub width: u16,
    /// 0.1 um.
    pub height: u16,
    /// 0.1 degrees C.
    pub temperature: i16,
    /// One of `drydock_recording::Bead::FEATURE_...`.
    pub feature: u8,
    /// See [`BeadRecord::JOINED`].
    pub flags: u8,
}

impl BeadRecord {
    /// It goes on where the bead before it ends.
    pub const JOINED: u8 = 1;

    fn of(bead: &Bead) -> BeadRecord {
        let tenth_um = |mm: f64| (mm * 1e4).round() as u16;
        BeadRecord {
            from_mm: bead.from_mm.map(|v| v as f32),
            to_mm: bead.to_mm.map(|v| v as f32),
            width: tenth_um(bead.width_mm),
            height: tenth_um(bead.height_mm),
            temperature: (bead.temperature_c * 10.0).round() as i16,
            feature: bead.feature,
            flags: 0,
        }
    }

    pub fn width_mm(&self) -> f32 {
        f32::from(self.width) * 1e-4
    }

    pub fn height_mm(&self) -> f32 {
        f32::from(self.height) * 1e-4
    }

    pub fn temperature_c(&self) -> f32 {
        f32::from(self.temperature) * 0.1
    }

    pub fn is_joined(&self) -> bool {
        self.flags & BeadRecord::JOINED != 0
    }

    /// Area of the plastic: a flattened round (`w h - h^2 (1 - pi/4)`), as the plant lays it.
    pub fn section_mm2(&self) -> f32 {
        let (w, h) = (self.width_mm(), self.height_mm());
        (w * h - h * h * (1.0 - std::f32::consts::FRAC_PI_4)).max(0.0)
    }

    pub fn length_mm(&self) -> f32 {
        let d: [f32; 3] = std::array::from_fn(|i| self.to_mm[i] - self.from_mm[i]);
        (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt()
    }
}

/// Beads that follow each other in a straight line, as one: what is drawn from far away.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// As wide on the whole as its beads are.
    pub bead: BeadRecord,
    pub beads: Range<usize>,
}

/// Beads that are drawn, culled and simplified together.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    pub beads: Range<usize>,
    /// Box around the plastic.
    pub min_mm: [f32; 3],
    pub max_mm: [f32; 3],
    pub span_ns: Range<u64>,
}

/// Beads of a chunk.
pub const CHUNK: usize = 16 * 1024;
/// Ends nearer than this are the same place, mm: two steps of the recording.
const SAME_MM: f32 = 1e-4;

/// All beads.
#[derive(Clone, Debug, Default)]
pub struct Part {
    beads: Vec<BeadRecord>,
    start_ns: Vec<u64>,
    /// Single precision is 0.2 us in four seconds.
    duration_ns: Vec<f32>,
    chunks: Vec<Chunk>,
}

impl Part {
    /// Adds beads at the end. One that begins before its forerunner is taken to begin with it.
    pub(crate) fn extend(&mut self, beads: &[Bead]) {
        self.beads.reserve(beads.len());
        for bead in beads {
            let start_ns = bead.at_ns.max(self.start_ns.last().copied().unwrap_or(0));
            let mut record = BeadRecord::of(bead);
            if self.beads.last().is_some_and(|b| near(b.to_mm, record.from_mm)) {
                record.flags |= BeadRecord::JOINED;
            }
            self.start_ns.push(start_ns);
            self.duration_ns.push(bead.end_ns().saturating_sub(start_ns) as f32);
            self.beads.push(record);
            self.enclose(self.beads.len() - 1);
        }
    }

    fn enclose(&mut self, index: usize) {
        if index.is_multiple_of(CHUNK) {
            let start_ns = self.start_ns[index];
            self.chunks.push(Chunk {
                beads: index..index,
                min_mm: [f32::INFINITY; 3],
                max_mm: [f32::NEG_INFINITY; 3],
                span_ns: start_ns..start_ns,
            });
        }
        let (bead, end_ns) = (self.beads[index], self.end_ns(index));
        let Some(chunk) = self.chunks.last_mut() else { return };
        let half = bead.width_mm() / 2.0;
        chunk.beads.end = index + 1;
        chunk.span_ns.end = chunk.span_ns.end.max(end_ns);
        for end in [bead.from_mm, bead.to_mm] {
            for (axis, (below, above)) in [(half, half), (half, half), (bead.height_mm(), 0.0)].into_iter().enumerate()
            {
                chunk.min_mm[axis] = chunk.min_mm[axis].min(end[axis] - below);
                chunk.max_mm[axis] = chunk.max_mm[axis].max(end[axis] + above);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.beads.len()
    }

    pub fn is_empty(&self) -> bool {
        self.beads.is_empty()
    }

    pub fn beads(&self) -> &[BeadRecord] {
        &self.beads
    }

    /// # Panics
    /// Where there is no such bead.
    pub fn bead(&self, index: usize) -> &BeadRecord {
        &self.beads[index]
    }

    pub fn start_ns(&self, index: usize) -> u64 {
        self.start_ns[index]
    }

    pub fn duration_ns(&self, index: usize) -> u64 {
        self.duration_ns[index] as u64
    }

    pub fn end_ns(&self, index: usize) -> u64 {
        self.start_ns[index].saturating_add(self.duration_ns(index))
    }

    pub fn middle_ns(&self, index: usize) -> u64 {
        self.start_ns[index].saturating_add(self.duration_ns(index) / 2)
    }

    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Beads merged into straight runs of the same feature: every joint stays within `tolerance_mm` of the run, and widths
    /// within a quarter of each other.
    pub fn simplified(&self, range: Range<usize>, tolerance_mm: f32) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for index in range.start.min(self.len())..range.end.min(self.len()) {
            let bead = self.beads[index];
            match runs.last_mut().filter(|run| self.goes_on(run, &bead, tolerance_mm)) {
                Some(run) => {
                    let (before, own) = (run.bead.length_mm(), bead.length_mm());
                    let share = own / (before + own).max(f32::MIN_POSITIVE);
                    let mix = |a: u16, b: u16| (f32::from(a) + share * (f32::from(b) - f32::from(a))).round() as u16;
                    run.bead.width = mix(run.bead.width, bead.width);
                    run.bead.height = mix(run.bead.height, bead.height);
                    run.bead.to_mm = bead.to_mm;
                    run.beads.end = index + 1;
                }
                None => runs.push(Run { bead, beads: index..index + 1 }),
            }
        }
        runs
    }

    fn goes_on(&self, run: &Run, bead: &BeadRecord, tolerance_mm: f32) -> bool {
        /// Bounds what checking the joints costs.
        const LONGEST: usize = 64;
        let (a, b) = (f32::from(run.bead.width), f32::from(bead.width));
        if !bead.is_joined() || run.bead.feature != bead.feature || run.beads.len() >= LONGEST {
            return false;
        }
        if (a - b).abs() > 0.25 * a.max(b) {
            return false;
        }
        let ends = (run.bead.from_mm, bead.to_mm);
        self.beads[run.beads.clone()].iter().all(|b| off_chord(b.to_mm, ends) <= tolerance_mm)
    }

    /// Box around all plastic; `None` while there is none.
    pub fn bounds_mm(&self) -> Option<([f32; 3], [f32; 3])> {
        let boxes = self.chunks.iter().map(|c| (c.min_mm, c.max_mm));
        boxes.reduce(|(low, high), (min, max)| {
            (std::array::from_fn(|i| low[i].min(min[i])), std::array::from_fn(|i| high[i].max(max[i])))
        })
    }

    /// Up to here all beads are known, also while the file grows: streams are not written in step.
    pub(crate) fn known_ns(&self) -> u64 {
        self.start_ns.last().copied().unwrap_or(0)
    }

    /// The first bead that begins at a time or after it.
    pub fn first_from(&self, at_ns: u64) -> usize {
        self.start_ns.partition_point(|ns| *ns < at_ns)
    }

    /// The bead that is being laid at a time, or the last one before it.
    pub fn bead_at(&self, at_ns: u64) -> Option<usize> {
        self.start_ns.partition_point(|ns| *ns <= at_ns).checked_sub(1)
    }

    /// What has been laid at a time: so many whole beads, and this much (0 to 1) of the one after them.
    pub fn laid_at(&self, at_ns: u64) -> (usize, f32) {
        let begun = self.start_ns.partition_point(|ns| *ns <= at_ns);
        let Some(last) = begun.checked_sub(1) else { return (0, 0.0) };
        if at_ns >= self.end_ns(last) {
            return (begun, 0.0);
        }
        (last, ((at_ns - self.start_ns[last]) as f64 / f64::from(self.duration_ns[last])) as f32)
    }
}

/// Distance of a point from a straight piece.
fn off_chord(point: [f32; 3], (from, to): ([f32; 3], [f32; 3])) -> f32 {
    let (way, off): ([f32; 3], [f32; 3]) =
        (std::array::from_fn(|i| to[i] - from[i]), std::array::from_fn(|i| point[i] - from[i]));
    let dot = |a: [f32; 3], b: [f32; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let part = (dot(off, way) / dot(way, way).max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
    let rest: [f32; 3] = std::array::from_fn(|i| off[i] - part * way[i]);
    dot(rest, rest).sqrt()
}

pub(crate) fn near(a: [f32; 3], b: [f32; 3]) -> bool {
    a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= SAME_MM)
}
