//! Lists and dictionaries that change in place, as Python's do, and the coordinate tuple.
//!
//! minijinja's own are immutable; macros in the wild collect with `{% set _ = names.append(x) %}`.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::compare;
use super::python;
use super::shared::Shared;

/// Containers within containers. A list that holds itself, or a chain of a million, would end in an overflow.
const DEPTH_MAX: usize = 60;

fn error(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail.into())
}

/// How many containers are nested in a value; `None` beyond the limit.
fn depth_of(value: &Value, budget: usize) -> Option<usize> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Map) {
        return Some(0);
    }
    let budget = budget.checked_sub(1)?;
    let mut depth = 0;
    let map = value.kind() == ValueKind::Map;
    for item in value.try_iter().ok()? {
        let item = if map { value.get_item(&item).ok()? } else { item };
        depth = depth.max(depth_of(&item, budget)?);
    }
    Some(depth + 1)
}

fn check_depth(value: &Value) -> Result<(), Error> {
    match depth_of(value, DEPTH_MAX) {
        Some(_) => Ok(()),
        None => Err(error("lists are nested too deeply, or one holds itself")),
    }
}

/// Python's list.
#[derive(Debug, Default)]
pub struct List(Shared<Vec<Value>>);

impl List {
    pub fn value(items: Vec<Value>) -> Value {
        Value::from_object(List(Shared::new(items)))
    }

    fn index(len: usize, index: i64) -> Option<usize> {
        let index = if index < 0 { index + len as i64 } else { index };
        usize::try_from(index).ok().filter(|i| *i < len)
    }

    /// Fails where the new item would make the list hold itself.
    fn checked_item(self: &Arc<Self>, item: Value) -> Result<Value, Error> {
        if holds(&item, self, DEPTH_MAX) {
            return Err(error("a list cannot hold itself"));
        }
        check_depth(&item)?;
        Ok(item)
    }
}

/// Whether `value` is `list`, or contains it.
fn holds(value: &Value, list: &Arc<List>, budget: usize) -> bool {
    if let Some(other) = value.downcast_object::<List>()
        && Arc::ptr_eq(&other, list)
    {
        return true;
    }
    if budget == 0 || !matches!(value.kind(), ValueKind::Seq | ValueKind::Map) {
        return false;
    }
    let map = value.kind() == ValueKind::Map;
    let mut items = value.try_iter().into_iter().flatten();
    items.any(|item| {
        let item = if map { value.get_item(&item).unwrap_or_default() } else { item };
        holds(&item, list, budget - 1)
    })
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let items = self.0.lock();
        let index = i64::try_from(key.clone()).ok().filter(|_| key.is_integer())?;
        items.get(Self::index(items.len(), index)?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        // A snapshot, so that a loop over a list that grows comes to its end.
        Enumerator::Values(self.0.lock().clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.lock().len())
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&python::repr(&Value::from_dyn_object(self.clone())))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "append" => {
                let (item,): (Value,) = from_args(args)?;
                let item = self.checked_item(item)?;
                self.0.lock().push(item);
            }
            "extend" => {
                let (items,): (Value,) = from_args(args)?;
                let items = items.try_iter()?.map(|i| self.checked_item(i)).collect::<Result<Vec<_>, _>>()?;
                self.0.lock().extend(items);
            }
            "insert" => {
                let (index, item): (i64, Value) = from_args(args)?;
                let item = self.checked_item(item)?;
                let mut list = self.0.lock();
                let len = list.len() as i64;
                let at = if index < 0 { (index + len).max(0) } else { index.min(len) };
                list.insert(at as usize, item);
            }
            "pop" => {
                let (index,): (Option<i64>,) = from_args(args)?;
                let mut list = self.0.lock();
                let at = Self::index(list.len(), index.unwrap_or(-1)).ok_or_else(|| error("pop index out of range"))?;
                return Ok(list.remove(at));
            }
            "remove" => {
                let (item,): (Value,) = from_args(args)?;
                let at = self.position(&item).ok_or_else(|| error("list.remove(x): x not in list"))?;
                self.0.lock().remove(at);
            }
            "index" => {
                let (item,): (Value,) = from_args(args)?;
                return self.position(&item).map(Value::from).ok_or_else(|| error("value is not in list"));
            }
            "clear" => self.0.lock().clear(),
            "reverse" => self.0.lock().reverse(),
            "copy" => return Ok(List::value(self.0.lock().clone())),
            "sort" => {
                let (reverse,) = match args.is_empty() {
                    true => (false,),
                    false => {
                        let (kwargs,): (minijinja::value::Kwargs,) = from_args(args)?;
                        (kwargs.get::<Option<bool>>("reverse")?.unwrap_or(false),)
                    }
                };
                let mut items = self.0.lock().clone();
                compare::sort(&mut items, reverse)?;
                *self.0.lock() = items;
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        Ok(Value::from(()))
    }
}

impl List {
    fn position(self: &Arc<Self>, item: &Value) -> Option<usize> {
        let items = self.0.lock().clone();
        items.iter().position(|i| i == item)
    }
}

/// Python's dictionary: keys in the order of their insertion.
#[derive(Debug, Default)]
pub struct Dict(Shared<Vec<(Value, Value)>>);

impl Dict {
    /// Later pairs replace earlier ones of the same key.
    pub fn value(pairs: Vec<(Value, Value)>) -> Value {
        let dict = Arc::new(Dict::default());
        pairs.into_iter().for_each(|(key, value)| dict.set(key, value));
        Value::from_dyn_object(dict)
    }

    pub fn from_texts<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
        Dict::value(pairs.into_iter().map(|(k, v)| (Value::from(k), Value::from(v))).collect())
    }

    fn set(&self, key: Value, value: Value) {
        let mut pairs = self.0.lock();
        match pairs.iter_mut().find(|(k, _)| *k == key) {
            Some(pair) => pair.1 = value,
            None => pairs.push((key, value)),
        }
    }

    fn get(&self, key: &Value) -> Option<Value> {
        self.0.lock().iter().find(|(k, _)| k == key).map(|(_, v)| v.clone())
    }

    fn checked_set(self: &Arc<Self>, key: Value, value: Value) -> Result<(), Error> {
        let this = Value::from_dyn_object(self.clone());
        let mut inner = vec![value.clone()];
        let mut seen = 0;
        while let Some(item) = inner.pop() {
            seen += 1;
            if item.downcast_object::<Dict>().is_some_and(|d| Arc::ptr_eq(&d, self)) || seen > 100_000 {
                return Err(error("a dictionary cannot hold itself"));
            }
            match item.kind() {
                ValueKind::Seq => inner.extend(item.try_iter()?),
                ValueKind::Map => inner.extend(item.try_iter()?.filter_map(|k| item.get_item(&k).ok())),
                _ => {}
            }
        }
        check_depth(&value)?;
        drop(this);
        self.set(key, value);
        Ok(())
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.lock().iter().map(|(k, _)| k.clone()).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.lock().len())
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&python::repr(&Value::from_dyn_object(self.clone())))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "update" => {
                let (other, kwargs): (Option<Value>, minijinja::value::Kwargs) = from_args(args)?;
                if let Some(other) = other {
                    for key in other.try_iter()? {
                        let value = other.get_item(&key)?;
                        self.checked_set(key, value)?;
                    }
                }
                for name in kwargs.args().map(str::to_string).collect::<Vec<_>>() {
                    let value: Value = kwargs.get(&name)?;
                    self.checked_set(Value::from(name), value)?;
                }
            }
            "setdefault" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                if let Some(value) = self.get(&key) {
                    return Ok(value);
                }
                let default = default.unwrap_or_else(|| Value::from(()));
                self.checked_set(key, default.clone())?;
                return Ok(default);
            }
            "pop" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                let mut pairs = self.0.lock();
                return match pairs.iter().position(|(k, _)| *k == key) {
                    Some(at) => Ok(pairs.remove(at).1),
                    None => default.ok_or_else(|| error(format!("dictionary has no key {}", python::repr(&key)))),
                };
            }
            "clear" => self.0.lock().clear(),
            "copy" => return Ok(Dict::value(self.0.lock().clone())),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        Ok(Value::from(()))
    }
}

/// Klipper's coordinate tuple: `position.x` and `position[0]` alike.
#[derive(Debug)]
struct Coord([f64; 4]);

/// A coordinate for status objects.
pub fn coord(x: f64, y: f64, z: f64, e: f64) -> Value {
    Value::from_object(Coord([x, y, z, e]))
}

/// The same from an array.
pub fn coord4([x, y, z, e]: [f64; 4]) -> Value {
    coord(x, y, z, e)
}

impl Object for Coord {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = match key.as_str() {
            Some(name) => ["x", "y", "z", "e"].iter().position(|n| *n == name)?,
            None => List::index(4, i64::try_from(key.clone()).ok()?)?,
        };
        Some(Value::from(self.0[index]))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(4)
    }
}
