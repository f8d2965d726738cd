//! Which points a sweep visits: a grid, or a Latin hypercube; each with every seed; and which of them are one shard's.

use crate::random::Random;

/// One parameter and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub name: String,
    pub values: Values,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    List(Vec<String>),
    /// From, to, and how many on a grid.
    Range(f64, f64, Option<usize>),
}

/// How points are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Every combination; the last axis changes fastest.
    Grid,
    /// So many points, each axis cut into as many strata of which each is visited once; the same for the same seed.
    LatinHypercube { samples: usize, seed: u64 },
}

/// One run: its number in the whole sweep, a value for each axis, its seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub run: usize,
    pub values: Vec<String>,
    pub seed: u64,
}

/// More are most likely a slip of the keyboard.
const MOST_RUNS: usize = 10_000_000;

impl Axis {
    /// `NAME=a,b,c`, `NAME=lo..hi:n` or, for a hypercube, `NAME=lo..hi`.
    pub fn parse(text: &str) -> Result<Axis, String> {
        let wrong = |why: &str| format!("--over {text}: {why}; write NAME=a,b,c or NAME=lo..hi:n");
        let (name, values) = text.split_once('=').ok_or_else(|| wrong("there is no ="))?;
        let (name, values) = (name.trim(), values.trim());
        if name.is_empty() || values.is_empty() {
            return Err(wrong("name or values are missing"));
        }
        let values = match values.split_once("..") {
            Some((low, rest)) => {
                let (high, count) = rest.split_once(':').map_or((rest, None), |(high, count)| (high, Some(count)));
                let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
                let (Some(low), Some(high)) = (number(low), number(high)) else {
                    return Err(wrong("an end of the range is no number"));
                };
                let count = match count.map(|n| n.trim().parse::<usize>()) {
                    None => None,
                    Some(Ok(n)) if n > 0 => Some(n),
                    Some(_) => return Err(wrong("the number of values is no number above 0")),
                };
                Values::Range(low, high, count)
            }
            None => {
                let list: Vec<String> = values.split(',').map(|v| v.trim().to_string()).collect();
                if list.iter().any(String::is_empty) {
                    return Err(wrong("a value is empty"));
                }
                Values::List(list)
            }
        };
        Ok(Axis { name: name.to_string(), values })
    }

    fn grid(&self) -> Result<Vec<String>, String> {
        match &self.values {
            Values::List(list) => Ok(list.clone()),
            Values::Range(_, _, None) => {
                Err(format!("--over {}: a grid needs the number of values, lo..hi:n", self.name))
            }
            Values::Range(low, _, Some(1)) => Ok(vec![low.to_string()]),
            Values::Range(low, high, Some(n)) => {
                let at = |i: usize| if i + 1 == *n { *high } else { low + (high - low) * (i as f64 / (n - 1) as f64) };
                Ok((0..*n).map(|i| at(i).to_string()).collect())
            }
        }
    }

    /// The value at a part of the axis, 0 to 1.
    fn at(&self, part: f64) -> String {
        match &self.values {
            Values::List(list) => list[((part * list.len() as f64) as usize).min(list.len() - 1)].clone(),
            Values::Range(low, high, _) => (low + (high - low) * part).to_string(),
        }
    }

    /// Values that stand for all of them, to be tried before anything runs.
    pub fn samples(&self) -> Vec<String> {
        match &self.values {
            Values::List(list) => list.clone(),
            Values::Range(low, high, _) => vec![low.to_string(), high.to_string()],
        }
    }
}

/// `1..10` (both ends belong to it), `1,5,9`, `7`.
pub fn parse_seeds(text: &str) -> Result<Vec<u64>, String> {
    let wrong = || format!("--seeds {text}: write 1..10 or 1,5,9");
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    match text.split_once("..") {
        Some((low, high)) => {
            let (low, high) = (number(low)?, number(high)?);
            if high < low || high - low >= MOST_RUNS as u64 {
                return Err(wrong());
            }
            Ok((low..=high).collect())
        }
        None => text.split(',').map(number).collect(),
    }
}

/// All points of a sweep.
pub fn points(axes: &[Axis], method: Method, seeds: &[u64]) -> Result<Vec<Point>, String> {
    let settings = match method {
        Method::Grid => grid(axes, seeds.len())?,
        Method::LatinHypercube { samples, seed } => {
            too_many(samples.checked_mul(seeds.len()))?;
            latin_hypercube(axes, samples, seed)
        }
    };
    let runs = settings.iter().flat_map(|values| seeds.iter().map(move |seed| (values, seed)));
    Ok(runs.enumerate().map(|(run, (values, seed))| Point { run, values: values.clone(), seed: *seed }).collect())
}

fn too_many(runs: Option<usize>) -> Result<(), String> {
    match runs {
        Some(n) if n <= MOST_RUNS => Ok(()),
        _ => Err(format!("these are more than {MOST_RUNS} runs: give fewer values, or --method lhs --samples N")),
    }
}

fn grid(axes: &[Axis], seeds: usize) -> Result<Vec<Vec<String>>, String> {
    let lists = axes.iter().map(Axis::grid).collect::<Result<Vec<_>, _>>()?;
    too_many(lists.iter().try_fold(seeds, |n, list| n.checked_mul(list.len())))?;
    Ok(lists.iter().fold(vec![Vec::new()], |settings, list| {
        let longer = |setting: Vec<String>| {
            list.iter().map(move |value| [setting.as_slice(), std::slice::from_ref(value)].concat())
        };
        settings.into_iter().flat_map(longer).collect()
    }))
}

fn latin_hypercube(axes: &[Axis], samples: usize, seed: u64) -> Vec<Vec<String>> {
    let columns: Vec<Vec<String>> = axes
        .iter()
        .map(|axis| {
            // A stream of its own for each name: another axis does not move this one's points.
            let mut random = Random::new(axis.name.bytes().fold(seed, |s, b| Random::new(s ^ u64::from(b)).bits()));
            let mut strata: Vec<usize> = (0..samples).collect();
            for i in (1..samples).rev() {
                strata.swap(i, (random.unit() * (i + 1) as f64) as usize);
            }
            strata.into_iter().map(|s| axis.at((s as f64 + random.unit()) / samples as f64)).collect()
        })
        .collect();
    (0..samples).map(|i| columns.iter().map(|column| column[i].clone()).collect()).collect()
}

/// Which runs are one machine's: `i/n`, the i-th of n. Neighbours go to different shards, since they take alike long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub index: usize,
    pub of: usize,
}

impl Shard {
    pub const WHOLE: Shard = Shard { index: 1, of: 1 };

    pub fn has(self, run: usize) -> bool {
        run % self.of == self.index - 1
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((index, of)) if index >= 1 && index <= of => Ok(Shard { index, of }),
            _ => Err(format!("'{text}' is no shard: write 1/4 to 4/4")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(texts: &[&str]) -> Vec<Axis> {
        texts.iter().map(|t| Axis::parse(t).expect("an axis")).collect()
    }

    #[test]
    fn a_grid_has_every_combination_and_the_last_changes_fastest() {
        let points = points(&axes(&["a=1,2", "b=0..1:3"]), Method::Grid, &[7, 8]).expect("points");
        let texts: Vec<String> =
            points.iter().map(|p| format!("{} {} {}", p.run, p.values.join(" "), p.seed)).collect();
        let expected = [
            "0 1 0 7",
            "1 1 0 8",
            "2 1 0.5 7",
            "3 1 0.5 8",
            "4 1 1 7",
            "5 1 1 8",
            "6 2 0 7",
            "7 2 0 8",
            "8 2 0.5 7",
            "9 2 0.5 8",
            "10 2 1 7",
            "11 2 1 8",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_latin_hypercube_visits_each_stratum_once_and_comes_back_from_its_seed() {
        let axes = axes(&["a=0..10", "b=-1..1", "c=x,y"]);
        let design = |seed| points(&axes, Method::LatinHypercube { samples: 20, seed }, &[1]).expect("points");
        let one = design(3);
        assert_eq!(one, design(3));
        assert_ne!(one, design(4));
        for (axis, low, width) in [(0, 0.0, 10.0), (1, -1.0, 2.0)] {
            let mut strata: Vec<usize> = one
                .iter()
                .map(|p| ((p.values[axis].parse::<f64>().expect("a number") - low) / width * 20.0) as usize)
                .collect();
            strata.sort_unstable();
            assert_eq!(strata, (0..20).collect::<Vec<_>>());
        }
        assert_eq!(one.iter().filter(|p| p.values[2] == "x").count(), 10);
        // Another axis moves no other's points.
        let fewer = points(&axes[..1], Method::LatinHypercube { samples: 20, seed: 3 }, &[1]).expect("points");
        assert!(fewer.iter().zip(&one).all(|(f, o)| f.values[0] == o.values[0]));
    }

    #[test]
    fn shards_take_every_run_once() {
        let shards: Vec<Shard> = ["1/3", "2/3", "3/3"].iter().map(|t| t.parse().expect("a shard")).collect();
        assert!((0..100).all(|run| shards.iter().filter(|s| s.has(run)).count() == 1));
        for text in ["0/2", "3/2", "1", "1/0", "a/b"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_axis_is_refused_with_the_form() {
        for text in ["a", "a=", "=1", "a=1,,2", "a=1..b:3", "a=1..2:0", "a=nan..2:3"] {
            assert!(Axis::parse(text).is_err_and(|e| e.contains("NAME=a,b,c")), "{text}");
        }
        assert!(points(&axes(&["a=0..1"]), Method::Grid, &[1]).is_err());
        assert!(points(&axes(&["a=0..1:100000", "b=0..1:100000"]), Method::Grid, &[1]).is_err());
    }

    #[test]
    fn seeds_are_a_range_with_both_ends_or_a_list() {
        assert_eq!(parse_seeds("3..5"), Ok(vec![3, 4, 5]));
        assert_eq!(parse_seeds("9,1"), Ok(vec![9, 1]));
        for text in ["", "5..3", "a", "1..", "1..99999999999"] {
            assert!(parse_seeds(text).is_err(), "{text}");
        }
    }
}
