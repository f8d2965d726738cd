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
        let first = (low / step - 1e-6).ceil();
        let tick = |i: usize| {
            let value = (first + i as f64) * step;
            Tick { at: ((value - low) / (high - low)) as f32, label: format!("{value:.decimals$}") }
        };
        // Half a millionth beyond the end is a rounding.
        (0..=at_most).map(tick).take_while(|t| t.at <= 1.000_001).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What people without one kind of cone see, in linear light (Machado, Oliveira, Fernandes 2009, severity 1).
    const VISION: [(&str, [[f64; 3]; 3]); 4] = [
        ("full", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protan",
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
        ),
        (
            "deutan",
            [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
        ),
        (
            "tritan",
            [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        ),
    ];

    /// CIELAB of a colour as it is seen.
    fn lab(colour: [u8; 3], vision: [[f64; 3]; 3]) -> [f64; 3] {
        let linear = colour.map(|v| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        });
        let times = |m: [[f64; 3]; 3], v: [f64; 3]| m.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
        let seen = times(vision, linear).map(|v| v.clamp(0.0, 1.0));
        let xyz = times([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], seen);
        let f = |v: f64| if v > 0.008_856 { v.cbrt() } else { 7.787 * v + 16.0 / 116.0 };
        let [x, y, z] = [f(xyz[0] / 0.9505), f(xyz[1]), f(xyz[2] / 1.089)];
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn apart(a: [f64; 3], b: [f64; 3]) -> f64 {
        (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn maps_of_size_grow_lighter_all_the_way_for_every_kind_of_sight() {
        for map in [Map::Viridis, Map::Cividis] {
            for (name, vision) in VISION {
                let light: Vec<f64> = (0..=20u8).map(|i| lab(map.colour(f32::from(i) / 20.0), vision)[0]).collect();
                assert!(light.windows(2).all(|l| l[1] > l[0]), "{map:?}, {name}: {light:?}");
            }
        }
    }

    #[test]
    fn signs_are_told_apart_by_every_kind_of_sight() {
        for (name, vision) in VISION {
            for size in [0.15, 0.3, 0.5] {
                let [low, high] = [0.5 - size, 0.5 + size].map(|v| lab(Map::Diverging.colour(v), vision));
                // A difference of 2.3 is just seen (Mahy 1994).
                assert!(apart(low, high) > 10.0, "{name}: {} at {size}", apart(low, high));
            }
            let middle = lab(Map::Diverging.colour(0.5), vision)[0];
            assert!(middle > 90.0, "{name}: nothing is light");
        }
    }

    #[test]
    fn categories_are_told_apart_by_every_kind_of_sight() {
        for (name, vision) in VISION {
            for a in 0..9u8 {
                for b in 0..a {
                    let [one, other] = [a, b].map(|i| lab(Map::Categories.colour(f32::from(i)), vision));
                    assert!(apart(one, other) > 7.0, "{name}: {a} and {b} are {} apart", apart(one, other));
                }
            }
        }
    }

    #[test]
    fn ends_middle_and_what_is_no_number_have_their_colours() {
        assert_eq!(Map::Viridis.colour(-3.0), [68, 1, 84]);
        assert_eq!(Map::Viridis.colour(0.5), [33, 144, 141]);
        assert_eq!(Map::Viridis.colour(9.0), [253, 231, 37]);
        assert_eq!(Map::Diverging.colour(f32::NAN), Map::Categories.colour(0.0));
        assert_eq!(Map::Categories.colour(11.0), Map::Categories.colour(2.0));
    }

    fn legend(low: f32, high: f32) -> Legend {
        Legend { title: "", unit: "mm/s", map: Map::Viridis, low, high, categories: Vec::new() }
    }

    #[test]
    fn ticks_are_round_inside_and_not_too_many() {
        let labels =
            |low, high, n| -> Vec<String> { legend(low, high).ticks(n).into_iter().map(|t| t.label).collect() };
        assert_eq!(labels(3.0, 98.0, 5), ["20", "40", "60", "80"]);
        assert_eq!(labels(-31.5, 31.5, 5), ["-20", "0", "20"]);
        assert_eq!(labels(0.0, 0.01, 6), ["0.000", "0.002", "0.004", "0.006", "0.008", "0.010"]);
        assert_eq!(labels(0.0, 100.0, 5), ["0", "20", "40", "60", "80", "100"]);
        for tick in legend(-31.5, 77.0).ticks(6) {
            assert!((0.0..=1.0).contains(&tick.at), "{tick:?}");
        }
        let tick = &legend(0.0, 50.0).ticks(5)[2];
        assert_eq!((tick.label.as_str(), tick.at), ("20", 0.4));
    }

    #[test]
    fn percentiles_do_not_look_at_what_sticks_out_nor_at_what_is_no_number() {
        let mut values: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        values.extend([f32::NAN, 1e9, -1e9, f32::INFINITY]);
        let [low, high] = percentiles(&values, [0.02, 0.98]).unwrap();
        assert!((low - 19.0).abs() <= 2.0 && (high - 980.0).abs() <= 2.0, "{low} {high}");
        assert_eq!(percentiles(&[f32::NAN], [0.0, 1.0]), None);
        assert_eq!(percentiles(&[3.0], [0.0, 1.0]), Some([3.0, 3.0]));
    }
}
