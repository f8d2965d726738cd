//! Colours for values: maps that people with any colour vision can read, and the legend that says what they mean.

/// From a value between 0 and 1 to a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// Dark blue over green to yellow; even in lightness.
    Viridis,
    /// Blue over grey to yellow; the same with any colour vision.
    Cividis,
    /// Blue for negative, red for positive, light at zero: for values with a sign.
    Diverging,
    /// Distinct colours, one a whole number (Okabe and Ito).
    Categories,
}

/// Anchors of viridis at equal distances (Smith, van der Walt 2015; CC0).
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// Anchors of cividis at equal distances (Nunez, Anderton, Renslow 2018; CC0).
const CIVIDIS: [[u8; 3]; 10] = [
    [0, 34, 78],
    [18, 53, 112],
    [59, 73, 108],
    [87, 93, 109],
    [112, 113, 115],
    [138, 134, 120],
    [165, 156, 116],
    [195, 179, 105],
    [225, 204, 85],
    [254, 232, 56],
];

/// Red and blue (ColorBrewer RdBu, turned round): told apart with any colour vision, by lightness where the sign is known.
const DIVERGING: [[u8; 3]; 9] = [
    [33, 102, 172],
    [67, 147, 195],
    [146, 197, 222],
    [209, 229, 240],
    [247, 247, 247],
    [253, 219, 199],
    [244, 165, 130],
    [214, 96, 77],
    [178, 24, 43],
];

/// Okabe, Ito 2008, with a grey first for what is unknown.
const CATEGORIES: [[u8; 3]; 9] = [
    [153, 153, 153],
    [213, 94, 0],
    [230, 159, 0],
    [0, 158, 115],
    [86, 180, 233],
    [240, 228, 66],
    [204, 121, 167],
    [0, 114, 178],
    [90, 70, 50],
];

impl Map {
    /// The colour (sRGB) of a value: from 0 to 1, or for `Categories` the number of the category. Values outside take the
    /// nearest end; what is no number is grey.
    pub fn colour(self, value: f32) -> [u8; 3] {
        if value.is_nan() {
            return CATEGORIES[0];
        }
        let anchors: &[[u8; 3]] = match self {
            Map::Viridis => &VIRIDIS,
            Map::Cividis => &CIVIDIS,
            Map::Diverging => &DIVERGING,
            Map::Categories => return CATEGORIES[value.max(0.0) as usize % CATEGORIES.len()],
        };
        let place = value.clamp(0.0, 1.0) * (anchors.len() - 1) as f32;
        let low = (place as usize).min(anchors.len() - 2);
        let part = place - low as f32;
        std::array::from_fn(|i| {
            let (a, b) = (f32::from(anchors[low][i]), f32::from(anchors[low + 1][i]));
            (a + part * (b - a)).round() as u8
        })
    }
}

/// What the colours mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Legend {
    pub title: &'static str,
    pub unit: &'static str,
    pub map: Map,
    /// Values at the two ends of the map; beyond them the colour does not change.
    pub low: f32,
    pub high: f32,
    /// For `Map::Categories`: the names of those that occur.
    pub categories: Vec<(u8, &'static str)>,
}

/// A place on the legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// 0 to 1 along the legend.
    pub at: f32,
    pub label: String,
}

impl Legend {
    /// From 0 to 1 for the map.
    pub fn place(&self, value: f32) -> f32 {
        match self.map {
            Map::Categories => value,
            _ => ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0),
        }
    }

    pub fn colour(&self, value: f32) -> [u8; 3] {
        self.map.colour(self.place(value))
    }

    /// Round values, at most so many.
    pub fn ticks(&self, at_most: usize) -> Vec<Tick> {
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        let step = round_step((high - low) / at_most.max(2) as f64);
        let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        let first = (low / step - 1e-6).ceil() as i64;
        let last = (high / step + 1e-6).floor() as i64;
        let tick = |i: i64| {
            let value = i as f64 * step;
            Tick { at: ((value - low) / (high - low)) as f32, label: format!("{value:.decimals$}") }
        };
        (first..=last.min(first + at_most as i64)).map(tick).collect()
    }
}

/// The least of 1, 2, 5 times a power of ten that is not below the value.
fn round_step(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let of = [1.0, 2.0, 5.0, 10.0].map(|s| s * power);
    of.into_iter().find(|s| *s >= value * 0.999_999).unwrap_or(10.0 * power)
}

/// The values below which these shares of all values lie. Looks at no more than 200,000 of them, evenly spread.
pub(crate) fn percentiles(values: &[f32], shares: [f32; 2]) -> Option<[f32; 2]> {
    let stride = values.len().div_ceil(200_000).max(1);
    let mut some: Vec<f32> = values.iter().step_by(stride).copied().filter(|v| v.is_finite()).collect();
    let last = some.len().checked_sub(1)?;
    some.sort_unstable_by(f32::total_cmp);
    Some(shares.map(|share| some[((share.clamp(0.0, 1.0) * last as f32).round() as usize).min(last)]))
}
