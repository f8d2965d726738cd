//! The run by lines of G-code, by layers, by features.

use crate::part::Part;
use drydock_analysis::study::begins_layer;
use drydock_recording::Command;
use std::collections::BTreeMap;
use std::ops::Range;

/// Lines, layers, features: each in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    lines: Vec<LineMark>,
    /// The first line with each number.
    numbered: BTreeMap<u32, usize>,
    text: String,
    /// Where layers begin that the slicer names.
    named: Vec<u64>,
    layers: Vec<Layer>,
    features: Vec<Feature>,
    tools: Vec<(u64, u8)>,
    beads: usize,
    end_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct LineMark {
    at_ns: u64,
    line_no: u32,
    /// Where its text ends; it begins where that of the line before ends.
    text_end: usize,
}

/// A line of G-code as the host took it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When it begins to move something.
    pub at_ns: u64,
    /// Line in the file, from 1; 0 for one that came from a macro or the console.
    pub line_no: u32,
    pub text: &'a str,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Height of the nozzle over the bed while most of it was laid.
    pub z_mm: f64,
    pub span_ns: Range<u64>,
    /// Its beads, as indexes into the part.
    pub beads: Range<usize>,
}

/// From here on beads of this feature are laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    pub at_ns: u64,
    /// One of `drydock_recording::Bead::FEATURE_...`.
    pub feature: u8,
    /// The first of its beads.
    pub bead: usize,
}

impl Timeline {
    pub(crate) fn add_lines(&mut self, commands: &[Command]) {
        for command in commands {
            let at_ns = command.at_ns.max(self.lines.last().map_or(0, |l| l.at_ns));
            if begins_layer(&command.text) {
                self.named.push(at_ns);
            }
            if let Some(tool) = tool(&command.text) {
                self.tools.push((at_ns, tool));
            }
            self.text.push_str(&command.text);
            self.numbered.entry(command.line_no).or_insert(self.lines.len());
            self.lines.push(LineMark { at_ns, line_no: command.line_no, text_end: self.text.len() });
        }
    }

    /// Takes note of what the part has more, and of where the recording ends.
    pub(crate) fn grow(&mut self, part: &Part, end_ns: u64) {
        self.end_ns = end_ns;
        for bead in self.beads..part.len() {
            let feature = part.bead(bead).feature;
            if self.features.last().is_none_or(|f| f.feature != feature) {
                self.features.push(Feature { at_ns: part.start_ns(bead), feature, bead });
            }
        }
        self.beads = part.len();
        let starts = if self.named.is_empty() { by_height(part) } else { self.by_name(part) };
        self.layers.clear();
        for (i, start) in starts.iter().enumerate() {
            let end = starts.get(i + 1).copied().unwrap_or(part.len());
            let until_ns = if end < part.len() { part.start_ns(end) } else { end_ns.max(part.start_ns(*start)) };
            self.layers.push(Layer {
                z_mm: f64::from(part.bead(start + (end - start) / 2).to_mm[2]),
                span_ns: part.start_ns(*start)..until_ns,
                beads: *start..end,
            });
        }
    }

    /// The first bead of each layer that has any.
    fn by_name(&self, part: &Part) -> Vec<usize> {
        let mut starts: Vec<usize> =
            std::iter::once(0).chain(self.named.iter().map(|ns| part.first_from(*ns))).collect();
        starts.dedup();
        starts.retain(|start| *start < part.len());
        starts
    }

    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    pub fn line(&self, index: usize) -> Option<Line<'_>> {
        let mark = self.lines.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.lines[before].text_end);
        Some(Line { at_ns: mark.at_ns, line_no: mark.line_no, text: self.text.get(start..mark.text_end)? })
    }

    /// The line that is under way at a time: the last that has begun.
    pub fn line_at(&self, at_ns: u64) -> Option<usize> {
        self.lines.partition_point(|l| l.at_ns <= at_ns).checked_sub(1)
    }

    /// From a line's begin to the next one's.
    pub fn line_span(&self, index: usize) -> Option<Range<u64>> {
        let start = self.lines.get(index)?.at_ns;
        Some(start..self.lines.get(index + 1).map_or(self.end_ns.max(start), |l| l.at_ns))
    }

    /// The first line with this number in the file.
    pub fn line_numbered(&self, line_no: u32) -> Option<usize> {
        self.numbered.get(&line_no).copied()
    }

    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The layer that is being laid at a time: the last that has begun.
    pub fn layer_at(&self, at_ns: u64) -> Option<usize> {
        self.layers.partition_point(|l| l.span_ns.start <= at_ns).checked_sub(1)
    }

    /// The layer of a bead.
    pub fn layer_of(&self, bead: usize) -> Option<usize> {
        self.layers.partition_point(|l| l.beads.start <= bead).checked_sub(1)
    }

    /// The tool in use, by the program's T commands.
    pub fn tool_at(&self, at_ns: u64) -> u8 {
        let chosen = self.tools.partition_point(|(ns, _)| *ns <= at_ns).checked_sub(1);
        chosen.map_or(0, |i| self.tools[i].1)
    }

    pub fn features(&self) -> &[Feature] {
        &self.features
    }
}

/// The tool that a line such as `T1` chooses.
fn tool(line: &str) -> Option<u8> {
    let word = line.split([' ', ';']).next()?;
    word.strip_prefix('T')?.parse().ok()
}

/// A layer begins where beads lie more than half their height above it, or below it as in prints one after another.
fn by_height(part: &Part) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut z_mm = f32::NAN;
    for bead in 0..part.len() {
        let b = part.bead(bead);
        let same = (b.from_mm[2] - z_mm).abs() <= 0.5 * b.height_mm().max(0.02);
        if !same {
            starts.push(bead);
            z_mm = b.from_mm[2];
        }
    }
    starts
}
