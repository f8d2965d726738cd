//! Filters, functions and methods as Jinja2 has them where minijinja differs, and the syntax that Klipper sets.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Tuple, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;

use super::compare;
use super::python;
use super::values::{Dict, List, admit};

/// Instructions and 64-byte pieces of text that one rendering may take: 0.1 s or so, then it is a loop without end.
const FUEL: u64 = 3_000_000;

fn error(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail.into())
}

/// An environment with everything but the templates.
pub fn environment() -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    env.set_syntax(
        SyntaxConfig::builder()
            .block_delimiters("{%", "%}")
            .variable_delimiters("{", "}")
            .comment_delimiters("{#", "#}")
            .build()?,
    );
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(100);
    env.set_debug(true);
    env.set_formatter(|out, _, value| {
        match value.as_str() {
            Some(text) => out.write_str(text),
            None => out.write_str(&python::text(value)),
        }
        .map_err(Error::from)
    });
    env.set_unknown_method_callback(method);
    env.add_filter("float", float);
    env.add_filter("int", int);
    env.add_filter("string", |value: &Value| python::text(value));
    env.add_filter("list", |state: &State, value: Value| as_list(minijinja::filters::list(state, value)));
    env.add_filter("sort", |state: &State, value: Value, kwargs: Kwargs| {
        as_list(minijinja::filters::sort(state, value, kwargs))
    });
    env.add_filter("tojson", |value: &Value| json(value, 0));
    env.add_filter("center", |text: &Value, width: Option<usize>| {
        centred(&python::text(text), width.unwrap_or(80), " ")
    });
    env.add_filter("wordcount", |text: &Value| python::text(text).split_whitespace().count());
    env.add_filter("random", |_: Value| -> Result<Value, Error> {
        Err(error("|random is not available: the same inputs have to give the same run"))
    });
    // What minijinja has beyond Jinja2: a macro that uses it would fail on the machine.
    for name in ["bool", "split", "lines", "chain", "zip"] {
        env.remove_filter(name);
    }
    env.add_filter("__mod", |a: &Value, b: &Value| compare::modulo(a, b));
    env.add_filter("__pow", |a: &Value, b: &Value| compare::power(a, b));
    env.add_filter("__lt", |a: &Value, b: &Value| ordered("<", a, b));
    env.add_filter("__le", |a: &Value, b: &Value| ordered("<=", a, b));
    env.add_filter("__gt", |a: &Value, b: &Value| ordered(">", a, b));
    env.add_filter("__ge", |a: &Value, b: &Value| ordered(">=", a, b));
    env.add_function("__list", |items: Value| as_list(bounded(items)));
    env.add_function("__dict", |map: Value| bounded(map).and_then(|map| as_dict(&map)));
    env.add_function("__bounded", bounded);
    Ok(env)
}

/// The value, unless it is nested too deeply.
fn bounded(value: Value) -> Result<Value, Error> {
    admit(&value)?;
    Ok(value)
}

fn as_list(value: Result<Value, Error>) -> Result<Value, Error> {
    Ok(List::value(value?.try_iter()?.collect()))
}

fn as_dict(map: &Value) -> Result<Value, Error> {
    let keys = map.try_iter()?;
    Ok(Dict::value(keys.map(|k| map.get_item(&k).map(|v| (k, v))).collect::<Result<_, _>>()?))
}

fn ordered(op: &str, a: &Value, b: &Value) -> Result<bool, Error> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = compare::order(op, a, b)?;
    Ok(match op {
        "<" => order == Some(Less),
        "<=" => matches!(order, Some(Less | Equal)),
        ">" => order == Some(Greater),
        _ => matches!(order, Some(Greater | Equal)),
    })
}

/// Jinja2's `|float`: what cannot be read is the default, 0.0; only an undefined value is an error.
fn float(value: &Value, default: Option<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let default = default_of(default, &kwargs, || Value::from(0.0))?;
    defined(value, "float")?;
    let number = match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => value.as_str().and_then(python_float),
    };
    Ok(number.map_or(default, Value::from))
}

/// Jinja2's `|int`: text with a fraction is cut off; what cannot be read is the default, 0.
fn int(value: &Value, default: Option<Value>, base: Option<u32>, kwargs: Kwargs) -> Result<Value, Error> {
    let base = match base {
        Some(base) => base,
        None => kwargs.get::<Option<u32>>("base")?.unwrap_or(10),
    };
    let default = default_of(default, &kwargs, || Value::from(0))?;
    defined(value, "int")?;
    let whole = |v: f64| (v.is_finite() && v.abs() < 9e18).then(|| Value::from(v as i64));
    let number = match value.kind() {
        ValueKind::Bool => Some(Value::from(i64::from(value.is_true()))),
        ValueKind::Number if value.is_integer() => Some(value.clone()),
        ValueKind::Number => f64::try_from(value.clone()).ok().and_then(whole),
        _ => value.as_str().and_then(|text| {
            let text = text.trim();
            let (digits, base) = match base {
                16 => (text.trim_start_matches("0x").trim_start_matches("0X"), 16),
                8 => (text.trim_start_matches("0o"), 8),
                2 => (text.trim_start_matches("0b"), 2),
                _ => (text, 10),
            };
            let int = i64::from_str_radix(&digits.replace('_', ""), base).ok().map(Value::from);
            int.or_else(|| python_float(text).and_then(whole))
        }),
    };
    Ok(number.unwrap_or(default))
}

fn default_of(positional: Option<Value>, kwargs: &Kwargs, or: impl Fn() -> Value) -> Result<Value, Error> {
    let named = kwargs.get::<Option<Value>>("default")?;
    kwargs.assert_all_used()?;
    Ok(positional.or(named).unwrap_or_else(or))
}

fn defined(value: &Value, filter: &str) -> Result<(), Error> {
    match value.is_undefined() {
        true => Err(Error::new(
            ErrorKind::UndefinedError,
            format!("the value for |{filter} is undefined; give a default before it: |default(0)|{filter}"),
        )),
        false => Ok(()),
    }
}

/// What Python's `float(text)` reads.
fn python_float(text: &str) -> Option<f64> {
    let text = text.trim().replace('_', "");
    text.parse().ok()
}

/// Methods of text, lists and dictionaries that neither the values nor minijinja's compatibility layer have.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return match (value.kind(), name) {
            (ValueKind::Seq, "append" | "extend" | "insert" | "remove" | "pop") => {
                Err(error(format!("this sequence cannot change: make a list of it with |list before .{name}()")))
            }
            (ValueKind::Seq, "index") => {
                let (item,): (Value,) = from_args(args)?;
                let at = value.try_iter()?.position(|v| v == item);
                at.map(Value::from).ok_or_else(|| error(format!("{} is not in the list", python::repr(&item))))
            }
            _ => pycompat::unknown_method_callback(state, value, name, args),
        };
    };
    match name {
        "split" | "splitlines" => as_list(pycompat::unknown_method_callback(state, value, name, args)),
        "rsplit" => {
            let (sep, count): (Option<&str>, Option<i64>) = from_args(args)?;
            let count = count.and_then(|c| usize::try_from(c).ok()).map_or(usize::MAX, |c| c.saturating_add(1));
            let mut parts: Vec<Value> = match sep {
                Some(sep) => text.rsplitn(count, sep).map(Value::from).collect(),
                None => text.trim().rsplitn(count, char::is_whitespace).map(Value::from).collect(),
            };
            parts.reverse();
            Ok(List::value(parts))
        }
        "partition" | "rpartition" => {
            let (sep,): (&str,) = from_args(args)?;
            let found = if name == "partition" { text.split_once(sep) } else { text.rsplit_once(sep) };
            let parts = match (found, name) {
                (Some((a, b)), _) => [a, sep, b],
                (None, "partition") => [text, "", ""],
                (None, _) => ["", "", text],
            };
            Ok(Value::from(Tuple::new(parts.map(Value::from).to_vec())))
        }
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
            let fill = width.min(500).saturating_sub(text.chars().count());
            Ok(Value::from(format!("{sign}{}{digits}", "0".repeat(fill))))
        }
        "ljust" | "rjust" | "center" => {
            let (width, fill): (usize, Option<&str>) = from_args(args)?;
            let missing = width.min(500).saturating_sub(text.chars().count());
            let fill = fill.unwrap_or(" ");
            Ok(Value::from(match name {
                "ljust" => format!("{text}{}", fill.repeat(missing)),
                "rjust" => format!("{}{text}", fill.repeat(missing)),
                _ => centred(text, width, fill),
            }))
        }
        "index" => {
            let (part,): (&str,) = from_args(args)?;
            let at = text.find(part).map(|at| text[..at].chars().count());
            at.map(Value::from).ok_or_else(|| error("substring not found"))
        }
        "removeprefix" => {
            let (part,): (&str,) = from_args(args)?;
            Ok(Value::from(text.strip_prefix(part).unwrap_or(text)))
        }
        "removesuffix" => {
            let (part,): (&str,) = from_args(args)?;
            Ok(Value::from(text.strip_suffix(part).unwrap_or(text)))
        }
        _ => pycompat::unknown_method_callback(state, value, name, args),
    }
}

fn centred(text: &str, width: usize, fill: &str) -> String {
    let missing = width.min(500).saturating_sub(text.chars().count());
    format!("{}{text}{}", fill.repeat(missing / 2), fill.repeat(missing - missing / 2))
}

fn json(value: &Value, depth: u32) -> Result<String, Error> {
    if depth > 64 {
        return Err(error("nested too deeply for JSON"));
    }
    Ok(match value.kind() {
        ValueKind::None | ValueKind::Undefined => "null".into(),
        ValueKind::Bool => (if value.is_true() { "true" } else { "false" }).into(),
        ValueKind::Number => python::repr(value),
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<String> = value.try_iter()?.map(|v| json(&v, depth + 1)).collect::<Result<_, _>>()?;
            format!("[{}]", items.join(", "))
        }
        ValueKind::Map => {
            let mut items = Vec::new();
            for key in value.try_iter()? {
                let text = quoted(&python::text(&key));
                items.push(format!("{text}: {}", json(&value.get_item(&key)?, depth + 1)?));
            }
            format!("{{{}}}", items.join(", "))
        }
        _ => quoted(&python::text(value)),
    })
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
