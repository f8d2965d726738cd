//! Python's ordering and remainder, with Python's refusals.
//!
//! minijinja orders any two values; Python refuses to compare text with numbers, and a macro that forgets `|int` on a
//! parameter stops there. It has to stop here too.

use std::cmp::Ordering;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::python;

fn error(detail: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail)
}

/// Python's name of a value's type.
pub fn type_name(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "Undefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Seq if value.is_tuple() => "tuple",
        ValueKind::Seq => "list",
        ValueKind::Map => "dict",
        _ => "object",
    }
}

fn number(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i128> {
    match value.kind() {
        ValueKind::Bool => Some(i128::from(value.is_true())),
        ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok(),
        _ => None,
    }
}

/// `a` against `b` for the operator `op`; `None` where a NaN is among them.
pub fn order(op: &str, a: &Value, b: &Value) -> Result<Option<Ordering>, Error> {
    order_nested(op, a, b, 0)
}

fn order_nested(op: &str, a: &Value, b: &Value, depth: u32) -> Result<Option<Ordering>, Error> {
    if let (Some(a), Some(b)) = (integer(a), integer(b)) {
        return Ok(Some(a.cmp(&b)));
    }
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return Ok(a.partial_cmp(&b));
    }
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        return Ok(Some(a.cmp(b)));
    }
    if a.kind() == ValueKind::Seq && b.kind() == ValueKind::Seq && type_name(a) == type_name(b) && depth < 20 {
        let (left, right): (Vec<Value>, Vec<Value>) = (a.try_iter()?.collect(), b.try_iter()?.collect());
        for (x, y) in left.iter().zip(&right) {
            if x != y {
                return order_nested(op, x, y, depth + 1);
            }
        }
        return Ok(Some(left.len().cmp(&right.len())));
    }
    if a.is_undefined() || b.is_undefined() {
        return Err(Error::new(
            ErrorKind::UndefinedError,
            format!("an undefined value cannot be compared with '{op}'"),
        ));
    }
    let (a, b) = (type_name(a), type_name(b));
    let hint = if [a, b].contains(&"str") { "; a parameter is text until |int or |float" } else { "" };
    Err(error(format!("'{op}' not supported between instances of '{a}' and '{b}'{hint}")))
}

/// Sorts as Python's `list.sort` does; stable.
pub fn sort(items: &mut [Value], reverse: bool) -> Result<(), Error> {
    let mut failure = None;
    items.sort_by(|a, b| {
        let (a, b) = if reverse { (b, a) } else { (a, b) };
        order("<", a, b).map(|o| o.unwrap_or(Ordering::Equal)).unwrap_or_else(|e| {
            failure.get_or_insert(e);
            Ordering::Equal
        })
    });
    failure.map_or(Ok(()), Err)
}

/// Python's `%`: formatting for text, the floored remainder for numbers.
pub fn modulo(a: &Value, b: &Value) -> Result<Value, Error> {
    if let Some(format) = a.as_str() {
        return percent(format, b).map(Value::from);
    }
    if let (Some(a), Some(b)) = (integer(a), integer(b)) {
        if b == 0 {
            return Err(error("integer modulo by zero".into()));
        }
        // |remainder| < |b|, so neither operation leaves the range; only MIN % -1 would, and it is 0.
        let rest = a.checked_rem(b).unwrap_or(0);
        return Ok(Value::from(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }));
    }
    match (number(a), number(b)) {
        (Some(_), Some(0.0)) => Err(error("float modulo by zero".into())),
        (Some(a), Some(b)) => {
            let rest = a % b;
            Ok(Value::from(if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }))
        }
        _ => Err(error(format!("unsupported operand type(s) for %: '{}' and '{}'", type_name(a), type_name(b)))),
    }
}

/// Python's `**`, with libm's power, so that the bits are the same everywhere.
pub fn power(a: &Value, b: &Value) -> Result<Value, Error> {
    if let (Some(a), Some(b)) = (integer(a), integer(b))
        && b >= 0
    {
        let power = u32::try_from(b).ok().and_then(|b| a.checked_pow(b));
        return power.map(Value::from).ok_or_else(|| error("the result of ** is too large".into()));
    }
    match (number(a), number(b)) {
        (Some(0.0), Some(b)) if b < 0.0 => Err(error("0.0 cannot be raised to a negative power".into())),
        (Some(a), Some(b)) => Ok(Value::from(libm::pow(a, b))),
        _ => Err(error(format!("unsupported operand type(s) for **: '{}' and '{}'", type_name(a), type_name(b)))),
    }
}

/// Python's `'format' % value`.
fn percent(format: &str, value: &Value) -> Result<String, Error> {
    let args: Vec<Value> = match value.kind() {
        ValueKind::Seq if value.is_tuple() => value.try_iter()?.collect(),
        _ => vec![value.clone()],
    };
    let mut args = args.into_iter();
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (spec, behind) = Spec::read(rest)?;
        rest = behind;
        if spec.conversion == '%' {
            out.push('%');
            continue;
        }
        let arg = match &spec.key {
            Some(key) => value.get_item(&Value::from(key.as_str()))?,
            None => args.next().ok_or_else(|| error("not enough arguments for format string".into()))?,
        };
        if arg.is_undefined() {
            return Err(Error::new(ErrorKind::UndefinedError, "an undefined value cannot be formatted"));
        }
        out.push_str(&spec.apply(&arg)?);
    }
    out.push_str(rest);
    let used_keys = format.contains("%(") || value.kind() == ValueKind::Map;
    if !used_keys && args.next().is_some() {
        return Err(error("not all arguments converted during string formatting".into()));
    }
    Ok(out)
}

/// One conversion of a printf-style format: `%-08.3f`.
#[derive(Default)]
struct Spec {
    key: Option<String>,
    left: bool,
    plus: bool,
    blank: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    conversion: char,
}

/// Widths and precisions beyond this are no formatting but a mistake.
const WIDTH_MAX: usize = 500;

impl Spec {
    fn read(text: &str) -> Result<(Spec, &str), Error> {
        let mut spec = Spec::default();
        let mut rest = text;
        if let Some(inner) = rest.strip_prefix('(') {
            let (key, behind) = inner.split_once(')').ok_or_else(|| error("incomplete format key".into()))?;
            spec.key = Some(key.to_string());
            rest = behind;
        }
        while let Some(c) = rest.chars().next().filter(|c| "-+ 0#".contains(*c)) {
            match c {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.blank = true,
                '0' => spec.zero = true,
                _ => {}
            }
            rest = &rest[1..];
        }
        (spec.width, rest) = read_count(rest)?;
        if let Some(behind) = rest.strip_prefix('.') {
            let (precision, behind) = read_count(behind)?;
            spec.precision = Some(precision);
            rest = behind;
        }
        rest = rest.trim_start_matches(['l', 'h', 'L']);
        spec.conversion = rest.chars().next().ok_or_else(|| error("incomplete format".into()))?;
        let behind = &rest[spec.conversion.len_utf8()..];
        Ok((spec, behind))
    }

    fn apply(&self, arg: &Value) -> Result<String, Error> {
        let needs_number =
            || error(format!("%{} format: a real number is required, not {}", self.conversion, type_name(arg)));
        let body = match self.conversion {
            's' => self.cut(python::text(arg)),
            'r' => self.cut(python::repr(arg)),
            'c' => self.cut(python::text(arg)),
            'd' | 'i' | 'u' => match integer(arg) {
                Some(value) => self.signed(value < 0, value.unsigned_abs().to_string()),
                None => {
                    let value = number(arg).filter(|v| v.is_finite()).ok_or_else(needs_number)?.trunc();
                    self.signed(value < 0.0, format!("{:.0}", value.abs()))
                }
            },
            'x' | 'X' | 'o' => {
                let value = integer(arg).ok_or_else(needs_number)?;
                let digits = match self.conversion {
                    'x' => format!("{:x}", value.unsigned_abs()),
                    'X' => format!("{:X}", value.unsigned_abs()),
                    _ => format!("{:o}", value.unsigned_abs()),
                };
                self.signed(value < 0, digits)
            }
            'f' | 'F' => {
                let value = number(arg).ok_or_else(needs_number)?;
                let digits = self.precision.unwrap_or(6);
                self.signed(value.is_sign_negative(), format!("{:.digits$}", value.abs()).to_lowercase())
            }
            'e' | 'E' | 'g' | 'G' => {
                let value = number(arg).ok_or_else(needs_number)?;
                let text = match self.conversion {
                    'e' | 'E' => exponent_form(value.abs(), self.precision.unwrap_or(6)),
                    _ => general_form(value.abs(), self.precision.unwrap_or(6).max(1)),
                };
                let text = if self.conversion.is_uppercase() { text.to_uppercase() } else { text };
                self.signed(value.is_sign_negative(), text)
            }
            c => return Err(error(format!("unsupported format character '{c}'"))),
        };
        Ok(self.pad(body))
    }

    fn cut(&self, text: String) -> String {
        match self.precision {
            Some(n) => text.chars().take(n).collect(),
            None => text,
        }
    }

    fn signed(&self, negative: bool, digits: String) -> String {
        let sign = match (negative, self.plus, self.blank) {
            (true, ..) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            _ => "",
        };
        let fill = if self.zero && !self.left { self.width.saturating_sub(digits.len() + sign.len()) } else { 0 };
        format!("{sign}{}{digits}", "0".repeat(fill))
    }

    fn pad(&self, text: String) -> String {
        let fill = " ".repeat(self.width.saturating_sub(text.chars().count()));
        if self.left { text + &fill } else { fill + &text }
    }
}

fn read_count(text: &str) -> Result<(usize, &str), Error> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count = if end == 0 { 0 } else { text[..end].parse().unwrap_or(usize::MAX) };
    match count > WIDTH_MAX {
        true => Err(error(format!("a width or precision above {WIDTH_MAX}"))),
        false => Ok((count, &text[end..])),
    }
}

fn exponent_form(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let exponent: i32 = exponent.parse().unwrap_or(0);
            format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
        None => text.to_lowercase(),
    }
}

fn general_form(value: f64, precision: usize) -> String {
    if !value.is_finite() {
        return format!("{value}").to_lowercase();
    }
    let text = exponent_form(value, precision - 1);
    let exponent: i32 = text.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if exponent < -4 || exponent >= precision as i32 {
        let (digits, tail) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{tail}", trim(digits));
    }
    let digits = (precision as i32 - 1 - exponent).max(0) as usize;
    trim(&format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_formats_as_python_does() {
        let v = |x: f64| Value::from(x);
        for (format, value, expected) in [
            ("%.3f", v(1.23456), "1.235"),
            ("%d", v(3.9), "3"),
            ("%05.1f|", v(-2.25), "-02.2|"),
            ("%+d", Value::from(5), "+5"),
            ("%-6s|", Value::from("ab"), "ab    |"),
            ("%6.2f", v(2.71), "  2.71"),
            ("%s", v(2.0), "2.0"),
            ("%s", Value::from(true), "True"),
            ("%%%d", Value::from(7), "%7"),
            ("%g", v(0.00001), "1e-05"),
            ("%g", v(123456.0), "123456"),
            ("%.3g", v(1234.5), "1.23e+03"),
            ("%e", v(12345.678), "1.234568e+04"),
            ("%x", Value::from(255), "ff"),
            ("%03d", Value::from(7), "007"),
            ("%s and %s", Value::from(minijinja::value::Tuple::new(vec![Value::from(1), Value::from("x")])), "1 and x"),
        ] {
            assert_eq!(percent(format, &value).unwrap(), expected, "{format}");
        }
        for (format, value) in [
            ("%d", Value::from("x")),
            ("%s %s", Value::from(1)),
            ("x", Value::from(1)),
            ("%", v(1.0)),
            ("%9999999999f", v(1.0)),
        ] {
            assert!(percent(format, &value).is_err(), "{format}");
        }
    }

    #[test]
    fn remainders_have_the_sign_of_the_divisor() {
        for (a, b, expected) in [(-7.5, 2.0, 0.5), (7.5, -2.0, -0.5), (7.0, 3.5, 0.0)] {
            assert_eq!(f64::try_from(modulo(&Value::from(a), &Value::from(b)).unwrap()).unwrap(), expected);
        }
        assert_eq!(modulo(&Value::from(-7), &Value::from(3)).unwrap(), Value::from(2));
        assert_eq!(modulo(&Value::from(i64::MIN), &Value::from(-1)).unwrap(), Value::from(0));
        assert!(modulo(&Value::from(1), &Value::from(0)).is_err());
    }

    #[test]
    fn text_is_not_compared_with_numbers() {
        let message = order("<", &Value::from("1"), &Value::from(2)).unwrap_err().to_string();
        assert!(message.contains("'<' not supported between instances of 'str' and 'int'"), "{message}");
        assert_eq!(order("<", &Value::from(true), &Value::from(1.5)).unwrap(), Some(Ordering::Less));
    }
}
