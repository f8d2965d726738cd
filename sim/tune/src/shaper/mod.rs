//! Which input shaper: screened in closed form, predicted on the print's own moves, verified in the twin, and validated
//! on what was not searched on.
//!
//! ```text
//! SHAPER_CALIBRATE in the twin -> what the peer recommends
//! every type, frequency, damping -> residual of the modes over their spread -> the best few an axis
//!   -> the print's planned moves through the modes -> the best few pairs -> printed in the twin -> the choice
//!   -> other parts, places, belts, masses: choice against peer
//! ```
//! The peer's recommendation is a candidate. Another one takes its place only if it allows more acceleration on each axis
//! that it changes, leaves less of each axis's modes in closed form, and rings less in the twin: clearly where it was
//! searched, and on every part and in every condition where it was not. What printer.cfg has already is a candidate as well, and
//! needs no closed form: it has only to allow as much acceleration, and to ring less in the twin by the same rule.

pub mod candidate;
pub mod peer;
pub mod trial;

use drydock_analysis::Study;
use drydock_motion::shapers::Pulses;
use drydock_plant::frame::Mode;
use drydock_twin::digest::Digest;

use crate::predict::{Path, Ringing};
use crate::printer::{Change, Printer};
use crate::{Failure, Work};
use candidate::{PEER_DAMPING, Screened, Shaper, score, score_as_measured, screen};
use peer::Peer;
use trial::{Trial, ringing, softened};

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A print whose walls count, in place of the built-in part.
    pub gcode: Option<String>,
}

/// A pair of shapers with what is known of it.
#[derive(Clone, Debug)]
pub struct Ranked {
    pub pair: [Shaper; 2],
    /// Of each axis, mm/s^2.
    pub max_accel_mm_s2: [f64; 2],
    pub smoothing_mm: [f64; 2],
    /// By the modes alone, mean over their spread.
    pub predicted: Ringing,
    /// In the twin.
    pub verified: Option<Ringing>,
}

impl Ranked {
    /// The suggested max_accel: that of the axis which allows less.
    pub fn accel_mm_s2(&self) -> f64 {
        self.max_accel_mm_s2[0].min(self.max_accel_mm_s2[1])
    }
}

/// A candidate of one axis in the view of what is to be had for what.
#[derive(Clone, Debug)]
pub struct Point {
    pub axis: usize,
    pub shaper: Shaper,
    /// Share of the ringing that is left, over the spread of the frequencies.
    pub left: f64,
    pub smoothing_mm: f64,
    pub max_accel_mm_s2: f64,
    /// The part takes so long at that acceleration, s.
    pub print_s: f64,
    /// None is better in one respect and not worse in another.
    pub best: bool,
}

/// One condition that was not searched on.
#[derive(Clone, Debug)]
pub struct Validation {
    pub condition: String,
    pub choice: Ringing,
    pub peer: Ringing,
}

impl Validation {
    pub fn is_better(&self) -> bool {
        self.choice.rms_um <= MOST * self.peer.rms_um && self.choice.peak_um <= MOST * self.peer.peak_um
    }
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub before: Ranked,
    pub peer: Ranked,
    pub choice: Ranked,
    /// The choice is the peer's own.
    pub kept_peer: bool,
    /// Candidates that rang clearly less on the part that was searched on, and not everywhere else.
    pub given_up: usize,
    /// Best first; choice and peer are among them.
    pub ranked: Vec<Ranked>,
    pub points: Vec<Point>,
    pub validation: Vec<Validation>,
    /// Frequency, Hz, and normalised density, X and Y.
    pub spectra: [Vec<(f64, f64)>; 2],
    /// The part as it was, and as it will be.
    pub study: Option<Study>,
    pub printed: String,
    pub fingerprint: String,
    /// It was stopped before everything was validated.
    pub cut_short: bool,
}

impl Answer {
    pub fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (axis, s) in ["x", "y"].iter().zip(&self.choice.pair) {
            let mut set = |option: &str, value: String| {
                changes.push(Change::new("input_shaper", &format!("{option}_{axis}"), value));
            };
            set("shaper_type", s.kind.clone());
            set("shaper_freq", format!("{:.1}", s.freq_hz));
            if s.damping != PEER_DAMPING || self.peer.pair.iter().any(|p| p.damping != PEER_DAMPING) {
                set("damping_ratio", format!("{}", s.damping));
            }
        }
        changes
    }

    /// How sure it is that the choice rings less than the peer's on one more part, 0 to 1, by the rule of succession: after
    /// n conditions in which it did. None: it is the peer's.
    pub fn confidence(&self) -> Option<f64> {
        let better = self.validation.iter().filter(|v| v.is_better()).count() as f64;
        (!self.kept_peer).then(|| (better + 1.0) / (self.validation.len() as f64 + 2.0))
    }

    /// What printer.cfg has now, the peer's and the choice, all seen in the twin or all predicted.
    fn figures(&self) -> [Ringing; 3] {
        let ranked = [&self.before, &self.peer, &self.choice];
        let verified = ranked.iter().all(|r| r.verified.is_some());
        ranked.map(|r| r.verified.filter(|_| verified).unwrap_or(r.predicted))
    }

    /// One sentence on what printer.cfg has now: whoever rings less with it should know.
    fn on_what_is_there(&self) -> String {
        let [was, _, now] = self.figures();
        if self.before.pair == self.choice.pair {
            return "printer.cfg has it already.".into();
        }
        if !self.before.accel_mm_s2().is_finite() {
            return format!("With what printer.cfg has now, {}, it is {:.1} um.", names(&self.before), was.rms_um);
        }
        let allows = self.before.accel_mm_s2() >= self.choice.accel_mm_s2();
        let remark = match (was.rms_um < now.rms_um, allows) {
            (true, true) => ": less, though not better in every respect; it may well stay",
            (true, false) => ": for slower prints than that it may well stay",
            (false, _) => "",
        };
        format!(
            "With what printer.cfg has now, {}, it is {:.1} um, at up to {:.0} mm/s^2 instead of {:.0}{remark}.",
            names(&self.before),
            was.rms_um,
            self.before.accel_mm_s2(),
            self.choice.accel_mm_s2(),
        )
    }

    /// One paragraph.
    pub fn explanation(&self) -> String {
        let [_, peer, now] = self.figures();
        if self.kept_peer {
            let why = match self.given_up {
                0 => "no candidate that allows more acceleration than it left clearly less ringing".to_string(),
                1 => "one candidate rang clearly less on that part, but not on every other".to_string(),
                n => format!("{n} candidates rang clearly less on that part, but none of them on every other"),
            };
            return format!(
                "SHAPER_CALIBRATE's own recommendation, {}, is kept: {why}. The walls of {} ring with {:.1} um rms. {}",
                names(&self.peer),
                self.printed,
                now.rms_um,
                self.on_what_is_there()
            );
        }
        let better = self.validation.iter().filter(|v| v.is_better()).count();
        format!(
            "{}: the walls of {} ring with {:.1} um rms (peak {:.1}), against {:.1} ({:.1}) with SHAPER_CALIBRATE's \
             recommendation, {}. Corners are rounded no more than with the recommendation: up to {:.0} mm/s^2 instead of \
             {:.0}. It also rings less on {} of {} parts that it was not searched on, each printed in a condition of its own: \
             other places, worn belts, more mass, less damping. {}",
            names(&self.choice),
            self.printed,
            now.rms_um,
            now.peak_um,
            peer.rms_um,
            peer.peak_um,
            names(&self.peer),
            self.choice.accel_mm_s2(),
            self.peer.accel_mm_s2(),
            better,
            self.validation.len(),
            self.on_what_is_there()
        )
    }
}

fn names(ranked: &Ranked) -> String {
    format!("{} on X and {} on Y", ranked.pair[0].name(), ranked.pair[1].name())
}

/// Candidates an axis that go on to the print's own moves, and how many of these go on to pairs.
const SCREENED: usize = 10;
const AXIS_BEST: usize = 3;
/// Pairs that are printed in the twin, and how many of them are validated, one after the other, until one holds.
const VERIFIED: usize = 10;
const TRIED: usize = 3;
/// The frequencies over which prediction and print are averaged.
const SPREAD: [f64; 3] = [0.94, 1.0, 1.06];
/// A choice allows at least so much more acceleration than the peer's: a new measurement would move that by as much.
const ACCEL_MARGIN: f64 = 1.015;
/// Where it was searched, the mean of a choice's figures against the peer's is at most this: less than that is chance.
const WORTH: f64 = 0.9;
/// A part's rms and peak may be so much of the peer's.
const MOST: f64 = 1.0;
/// Accelerations at which the part's time is known, mm/s^2.
const ACCELS: [f64; 5] = [1000.0, 2000.0, 4000.0, 8000.0, 16000.0];

struct Search<'a> {
    printer: &'a Printer,
    path: Path,
    scv_mm_s: f64,
    work: &'a Work<'a>,
}

/// None: stopped before there was anything to say.
pub fn tune(printer: &Printer, options: &Options, work: &Work) -> Result<Option<Answer>, Failure> {
    (work.tell)("SHAPER_CALIBRATE in the twin", 0.0);
    let Some(peer) = peer::calibrate(printer, work)? else { return Ok(None) };
    with_peer(printer, options, &peer, work)
}

/// With a calibration that was made before.
pub fn with_peer(printer: &Printer, options: &Options, peer: &Peer, work: &Work) -> Result<Option<Answer>, Failure> {
    let mut digest = Digest::default();
    digest.bytes(peer.fingerprint.as_bytes());
    let trial = match &options.gcode {
        Some(gcode) => Trial::of_print(gcode),
        None => Trial::search(printer),
    };
    let now = configured(printer);
    (work.tell)("printing as it is", 0.3);
    let Some(as_was) = trial.run(printer, &now, work)? else { return Ok(None) };
    digest.bytes(as_was.outcome.fingerprint.as_bytes());
    let path = Path::of(&mut as_was.reader()?)?;
    let scv_mm_s = printer.number("printer", "square_corner_velocity").unwrap_or(5.0);
    let search = Search { printer, path, scv_mm_s, work };
    let times = search.times(&trial)?;
    let rank = |pair: &[Shaper; 2]| search.rank(pair);
    let peers = rank(&peer.shapers);
    (work.tell)("screening", 0.42);
    let screened = [0, 1].map(|axis| screen(&printer.machine.modes, axis, scv_mm_s));
    let pairs = search.pairs(&screened, &peers)?;
    let points = points(&screened, &times);

    // Printed in the twin: the peer's, the best few, and what printer.cfg has, each with the modes where they are, lower
    // and higher.
    let mut printed = vec![peers];
    let better = |r: &&Ranked| r.predicted.rms_um <= WORTH * printed[0].predicted.rms_um;
    let better: Vec<Ranked> = pairs.iter().filter(better).take(VERIFIED).cloned().collect();
    printed.extend(better);
    if printed.iter().all(|r| r.pair != now) {
        printed.push(rank(&now));
    }
    let states = SPREAD.map(|by| trial.clone().softened(printer, [by; 3], 1.0));
    let jobs: Vec<(&Ranked, &Trial)> = printed.iter().flat_map(|r| states.iter().map(move |s| (r, s))).collect();
    let seen = work.each("printing the best few", (0.5, 0.7), &jobs, |(ranked, trial)| {
        let Some(run) = trial.run(printer, &ranked.pair, work)? else { return Ok(None) };
        Ok(Some((ringing(&run)?, run.outcome.fingerprint)))
    })?;
    for (ranked, seen) in printed.iter_mut().zip(seen.chunks(states.len())) {
        let Some(seen) = seen.iter().cloned().collect::<Option<Vec<_>>>() else { continue };
        seen.iter().for_each(|(_, fingerprint)| digest.bytes(fingerprint.as_bytes()));
        ranked.verified = Some(Ringing::mean(seen.iter().map(|(ringing, _)| *ringing)));
    }
    let before = printed.iter().find(|r| r.pair == now).cloned().expect("it is among the printed");
    // What is there already changes nothing: it only has to allow as much, and to ring less wherever it is tried.
    let allows = |r: &Ranked| (0..2).all(|axis| r.max_accel_mm_s2[axis] >= printed[0].max_accel_mm_s2[axis]);
    let mut promising = promising(&printed);
    promising.retain(|i| printed[*i].pair != now || allows(&printed[*i]));
    let mut chosen = 0;
    let mut validation = Vec::new();
    let others = Trial::others(printer);
    if !promising.is_empty() {
        let elsewhere = |pair: &[Shaper; 2], from: usize| {
            let part = |i: usize| 0.7 + 0.27 * i as f64 / (TRIED + 1) as f64;
            let seen =
                work.each("validating", (part(from), part(from + 1)), &others, |t| t.ringing(printer, pair, work))?;
            Ok::<_, Failure>(seen.into_iter().collect::<Option<Vec<Ringing>>>())
        };
        let peer_elsewhere = elsewhere(&printed[0].pair, 0)?;
        for (n, &i) in promising.iter().enumerate() {
            let (Some(peer), Some(own)) = (&peer_elsewhere, elsewhere(&printed[i].pair, n + 1)?) else { break };
            let rows = others.iter().zip(own).zip(peer).map(|((trial, choice), peer)| Validation {
                condition: trial.name.clone(),
                choice,
                peer: *peer,
            });
            let rows: Vec<Validation> = rows.collect();
            if holds(&rows) {
                (chosen, validation) = (i, rows);
                break;
            }
        }
    }
    let given_up = if chosen == 0 { promising.len() } else { 0 };
    let peers = printed[0].clone();
    (work.tell)("before and after", 0.97);
    let study = match trial.run(printer, &printed[chosen].pair, work)? {
        Some(after) => {
            let (mut a, mut b) = (as_was.reader()?, after.reader()?);
            Some(Study::of(&mut [("before", &mut a), ("tuned", &mut b)], &drydock_analysis::Options::default())?)
        }
        None => None,
    };
    let choice = printed[chosen].clone();
    let mut ranked = printed;
    let shown: Vec<Ranked> = pairs.into_iter().filter(|p| ranked.iter().all(|r| r.pair != p.pair)).take(6).collect();
    ranked.extend(shown);
    ranked.sort_by(|a, b| worth(a).total_cmp(&worth(b)));
    (work.tell)("shaper", 1.0);
    Ok(Some(Answer {
        before,
        peer: peers,
        choice,
        kept_peer: chosen == 0,
        given_up,
        ranked,
        points,
        validation,
        spectra: peer.spectra.clone(),
        study,
        printed: trial.name,
        fingerprint: digest.hex(),
        cut_short: work.stopped(),
    }))
}

fn worth(ranked: &Ranked) -> f64 {
    let r = ranked.verified.unwrap_or(ranked.predicted);
    (r.rms_um * r.peak_um).sqrt()
}

/// The pairs that ring clearly less than the first, the peer's, and in no figure more; the best first.
fn promising(printed: &[Ranked]) -> Vec<usize> {
    let Some((peer, seen)) = printed.first().and_then(|p| Some((p, p.verified?))) else { return Vec::new() };
    let against = |r: &Ranked| {
        let own = r.verified?;
        let figures = [
            own.rms_um / seen.rms_um.max(1e-3),
            own.peak_um / seen.peak_um.max(1e-3),
            r.predicted.rms_um / peer.predicted.rms_um.max(1e-3),
        ];
        let mean = figures.iter().product::<f64>().powf(1.0 / figures.len() as f64);
        (mean <= WORTH && figures.iter().all(|f| *f <= MOST)).then_some(mean)
    };
    let mut good: Vec<(usize, f64)> = (1..printed.len()).filter_map(|i| Some((i, against(&printed[i])?))).collect();
    good.sort_by(|a, b| a.1.total_cmp(&b.1));
    good.into_iter().take(TRIED).map(|(i, _)| i).collect()
}

/// Whether a choice rings less than the peer's on every part, and clearly so in the mean.
fn holds(rows: &[Validation]) -> bool {
    let mean = rows.iter().map(|v| v.choice.rms_um / v.peer.rms_um.max(1e-3)).sum::<f64>() / rows.len().max(1) as f64;
    mean <= WORTH && rows.iter().all(Validation::is_better)
}

/// What printer.cfg says.
fn configured(printer: &Printer) -> [Shaper; 2] {
    ["x", "y"].map(|axis| {
        let number = |option: &str| printer.number("input_shaper", &format!("{option}_{axis}"));
        let kind = printer.text("input_shaper", &format!("shaper_type_{axis}"));
        let kind = kind.or(printer.text("input_shaper", "shaper_type")).unwrap_or("mzv");
        Shaper {
            kind: kind.trim().to_lowercase(),
            freq_hz: number("shaper_freq").unwrap_or(0.0),
            damping: number("damping_ratio").unwrap_or(PEER_DAMPING),
        }
    })
}

impl Search<'_> {
    fn rank(&self, pair: &[Shaper; 2]) -> Ranked {
        Ranked {
            max_accel_mm_s2: [0, 1].map(|i| pair[i].max_accel_mm_s2(self.scv_mm_s)),
            smoothing_mm: [0, 1].map(|i| pair[i].smoothing_mm(self.scv_mm_s)),
            predicted: self.predict(pair),
            verified: None,
            pair: pair.clone(),
        }
    }

    /// Ringing on the print's own moves, root of the mean square over the spread of the frequencies.
    fn predict(&self, pair: &[Shaper; 2]) -> Ringing {
        let pulses: [Option<Pulses>; 2] = [0, 1].map(|i| pair[i].pulses());
        let seen = SPREAD.map(|by| {
            let modes: Vec<Mode> = softened(&self.printer.machine, [by; 3], 1.0);
            self.path.ringing(&modes, &pulses)
        });
        Ringing::mean(seen.into_iter())
    }

    /// Pairs that allow the peer's acceleration on each axis, best first.
    fn pairs(&self, screened: &[Vec<Screened>; 2], peer: &Ranked) -> Result<Vec<Ranked>, Failure> {
        let mut best: [Vec<Shaper>; 2] = [Vec::new(), Vec::new()];
        for axis in 0..2 {
            let accel = peer.max_accel_mm_s2[axis];
            // At its own acceleration, since that is what it is chosen for.
            let own = |s: &Screened| s.score * (s.max_accel_mm_s2 / accel).max(1.0);
            let modes = &self.printer.machine.modes;
            let left = [score, score_as_measured].map(|of| (of, of(&peer.pair[axis], modes, axis)));
            let leaves_less = |s: &Screened| left.iter().all(|(of, peer)| of(&s.shaper, modes, axis) < *peer);
            let mut fit: Vec<&Screened> =
                screened[axis].iter().filter(|s| s.max_accel_mm_s2 >= ACCEL_MARGIN * accel && leaves_less(s)).collect();
            fit.sort_by(|a, b| own(a).total_cmp(&own(b)));
            let tried: Vec<Shaper> = spread_out(&fit);
            let pairs: Vec<[Shaper; 2]> = tried.iter().map(|s| with(&peer.pair, axis, s)).collect();
            let ranked = self.ranked(&pairs, peer)?;
            best[axis] = ranked.into_iter().take(AXIS_BEST).map(|r| r.pair[axis].clone()).collect();
            // The peer's own with the other axis' best is worth a look, too.
            best[axis].push(peer.pair[axis].clone());
        }
        let pairs = best[0].iter().flat_map(|x| best[1].iter().map(|y| [x.clone(), y.clone()]));
        let pairs: Vec<[Shaper; 2]> = pairs.filter(|pair| *pair != peer.pair).collect();
        self.ranked(&pairs, peer)
    }

    fn ranked(&self, pairs: &[[Shaper; 2]], peer: &Ranked) -> Result<Vec<Ranked>, Failure> {
        let ranked = self.work.each("predicting", (0.45, 0.5), pairs, |pair| Ok(Some(self.rank(pair))))?;
        let mut ranked: Vec<Ranked> = ranked.into_iter().flatten().collect();
        let own = |r: &Ranked| worth(r) * (r.accel_mm_s2() / peer.accel_mm_s2()).max(1.0);
        ranked.sort_by(|a, b| own(a).total_cmp(&own(b)));
        Ok(ranked)
    }

    /// How long the part takes by acceleration, mm/s^2 and s.
    fn times(&self, trial: &Trial) -> Result<Vec<(f64, f64)>, Failure> {
        let max_accel = self.printer.number("printer", "max_accel").unwrap_or(3000.0);
        let jobs: Vec<(f64, Trial)> =
            ACCELS.iter().map(|a| (*a, trial.clone().slower(self.printer, a / max_accel))).collect();
        let none = [Shaper::none(), Shaper::none()];
        let times = self.work.each("how long it takes", (0.34, 0.42), &jobs, |(accel, trial)| {
            let Some(run) = trial.run(self.printer, &none, self.work)? else { return Ok(None) };
            Ok(Some((*accel, Path::of(&mut run.reader()?)?.print_s())))
        })?;
        Ok(times.into_iter().flatten().collect())
    }
}

fn with(pair: &[Shaper; 2], axis: usize, shaper: &Shaper) -> [Shaper; 2] {
    let mut pair = pair.clone();
    pair[axis] = shaper.clone();
    pair
}

/// The first of a sorted list that differ: in type, or by 2 Hz, or in damping; no type takes more than half.
fn spread_out(sorted: &[&Screened]) -> Vec<Shaper> {
    let mut taken: Vec<Shaper> = Vec::new();
    for s in sorted {
        let s = &s.shaper;
        let near = |t: &&Shaper| t.kind == s.kind && (t.freq_hz - s.freq_hz).abs() < 2.0 && t.damping == s.damping;
        let of_kind = taken.iter().filter(|t| t.kind == s.kind).count();
        if taken.iter().find(near).is_none() && of_kind < SCREENED / 2 {
            taken.push(s.clone());
        }
        if taken.len() == SCREENED {
            break;
        }
    }
    taken
}

/// The view of what is to be had for what: of each type and damping every 2 Hz, and which of them are best.
fn points(screened: &[Vec<Screened>; 2], times: &[(f64, f64)]) -> Vec<Point> {
    let mut points = Vec::new();
    for (axis, screened) in screened.iter().enumerate() {
        let is_best = |s: &Screened| {
            !screened
                .iter()
                .any(|o| o.score < s.score && o.smoothing_mm < s.smoothing_mm && o.max_accel_mm_s2 > s.max_accel_mm_s2)
        };
        for (i, s) in screened.iter().enumerate() {
            let best = is_best(s);
            // What leaves most of the ringing is no candidate.
            if s.score > 0.5 || !(best || i.is_multiple_of(5)) {
                continue;
            }
            points.push(Point {
                axis,
                shaper: s.shaper.clone(),
                left: s.score,
                smoothing_mm: s.smoothing_mm,
                max_accel_mm_s2: s.max_accel_mm_s2,
                print_s: time_at(times, s.max_accel_mm_s2),
                best,
            });
        }
    }
    points
}

/// Straight lines between what is known, over the logarithm of the acceleration.
fn time_at(times: &[(f64, f64)], accel_mm_s2: f64) -> f64 {
    let x = libm::log(accel_mm_s2.max(1.0));
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return f64::NAN };
    for pair in times.windows(2) {
        let (from, to) = (libm::log(pair[0].0), libm::log(pair[1].0));
        if (from..=to).contains(&x) {
            return pair[0].1 + (pair[1].1 - pair[0].1) * (x - from) / (to - from);
        }
    }
    if x < libm::log(first.0) { first.1 } else { last.1 }
}
