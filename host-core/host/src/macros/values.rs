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
const LEVEL_MAX: usize = 60;

/// Containers that are looked through when one is put into another.
const VISITS_MAX: usize = 100_000;

fn error(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail.into())
}

/// Refuses a value that is nested too deeply.
pub fn admit(value: &Value) -> Result<(), Error> {
    Admission { into: 0, visits: VISITS_MAX }.nested(value, 1)
}

/// One value on its way into a container.
struct Admission {
    /// Address of the container; 0 for none.
    into: usize,
    /// Containers that may still be looked through.
    visits: usize,
}

impl Admission {
    /// Refuses a value that would come to lie too deep, or that holds the container that it goes into; and tells the
    /// containers in it how deep they lie then.
    fn nested(&mut self, value: &Value, level: usize) -> Result<(), Error> {
        if !matches!(value.kind(), ValueKind::Seq | ValueKind::Map) {
            return Ok(());
        }
        if level > LEVEL_MAX {
            return Err(error("lists or dictionaries are nested too deeply"));
        }
        let visits = self.visits.checked_sub(1);
        self.visits = visits.ok_or_else(|| error("lists or dictionaries are too large to be nested"))?;
        let address = if let Some(list) = value.downcast_object::<List>() {
            list.0.lock().deepen(level);
            address_of(&list)
        } else if let Some(dict) = value.downcast_object::<Dict>() {
            dict.0.lock().deepen(level);
            address_of(&dict)
        } else {
            0
        };
        if address != 0 && address == self.into {
            return Err(error("a list or dictionary cannot hold itself"));
        }
        let map = value.kind() == ValueKind::Map;
        for item in value.try_iter()? {
            let item = if map { value.get_item(&item)? } else { item };
            self.nested(&item, level + 1)?;
        }
        Ok(())
    }
}

fn address_of<T>(object: &Arc<T>) -> usize {
    Arc::as_ptr(object).addr()
}

/// Items of a container that can change, and how many containers it lies within.
#[derive(Debug)]
struct Inner<T> {
    items: Vec<T>,
    level: usize,
}

impl<T> Inner<T> {
    fn deepen(&mut self, level: usize) {
        self.level = self.level.max(level);
    }
}

/// Python's list.
#[derive(Debug)]
pub struct List(Shared<Inner<Value>>);

impl List {
    pub fn value(items: Vec<Value>) -> Value {
        Value::from_object(List(Shared::new(Inner { items, level: 0 })))
    }

    fn index(len: usize, index: i64) -> Option<usize> {
        let index = if index < 0 { index + len as i64 } else { index };
        usize::try_from(index).ok().filter(|i| *i < len)
    }

    fn admit(self: &Arc<Self>, item: Value) -> Result<Value, Error> {
        let level = self.0.lock().level;
        Admission { into: address_of(self), visits: VISITS_MAX }.nested(&item, level + 1)?;
        Ok(item)
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let items = &self.0.lock().items;
        let index = i64::try_from(key.clone()).ok().filter(|_| key.is_integer())?;
        items.get(Self::index(items.len(), index)?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        // A snapshot, so that a loop over a list that grows comes to its end.
        Enumerator::Values(self.0.lock().items.clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.lock().items.len())
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&python::repr(&Value::from_dyn_object(self.clone())))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "append" => {
                let (item,): (Value,) = from_args(args)?;
                let item = self.admit(item)?;
                self.0.lock().items.push(item);
            }
            "extend" => {
                let (items,): (Value,) = from_args(args)?;
                let items = items.try_iter()?.map(|i| self.admit(i)).collect::<Result<Vec<_>, _>>()?;
                self.0.lock().items.extend(items);
            }
            "insert" => {
                let (index, item): (i64, Value) = from_args(args)?;
                let item = self.admit(item)?;
                let list = &mut self.0.lock().items;
                let len = list.len() as i64;
                let at = if index < 0 { (index + len).max(0) } else { index.min(len) };
                list.insert(at as usize, item);
            }
            "pop" => {
                let (index,): (Option<i64>,) = from_args(args)?;
                let list = &mut self.0.lock().items;
                let at = Self::index(list.len(), index.unwrap_or(-1)).ok_or_else(|| error("pop index out of range"))?;
                return Ok(list.remove(at));
            }
            "remove" => {
                let (item,): (Value,) = from_args(args)?;
                let at = self.position(&item).ok_or_else(|| error("list.remove(x): x not in list"))?;
                self.0.lock().items.remove(at);
            }
            "index" => {
                let (item,): (Value,) = from_args(args)?;
                return self.position(&item).map(Value::from).ok_or_else(|| error("value is not in list"));
            }
            "clear" => self.0.lock().items.clear(),
            "reverse" => self.0.lock().items.reverse(),
            "copy" => return Ok(List::value(self.0.lock().items.clone())),
            "sort" => {
                let (reverse,) = match args.is_empty() {
                    true => (false,),
                    false => {
                        let (kwargs,): (minijinja::value::Kwargs,) = from_args(args)?;
                        (kwargs.get::<Option<bool>>("reverse")?.unwrap_or(false),)
                    }
                };
                let mut items = self.0.lock().items.clone();
                compare::sort(&mut items, reverse)?;
                self.0.lock().items = items;
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        Ok(Value::from(()))
    }
}

impl List {
    fn position(self: &Arc<Self>, item: &Value) -> Option<usize> {
        let items = self.0.lock().items.clone();
        items.iter().position(|i| i == item)
    }
}

/// Python's dictionary: keys in the order of their insertion.
#[derive(Debug)]
pub struct Dict(Shared<Inner<(Value, Value)>>);

impl Dict {
    /// Later pairs replace earlier ones of the same key.
    pub fn value(pairs: Vec<(Value, Value)>) -> Value {
        let dict = Arc::new(Dict(Shared::new(Inner { items: Vec::new(), level: 0 })));
        pairs.into_iter().for_each(|(key, value)| dict.set(key, value));
        Value::from_dyn_object(dict)
    }

    pub fn from_texts<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
        Dict::value(pairs.into_iter().map(|(k, v)| (Value::from(k), Value::from(v))).collect())
    }

    fn set(&self, key: Value, value: Value) {
        let pairs = &mut self.0.lock().items;
        match pairs.iter_mut().find(|(k, _)| *k == key) {
            Some(pair) => pair.1 = value,
            None => pairs.push((key, value)),
        }
    }

    fn get(&self, key: &Value) -> Option<Value> {
        self.0.lock().items.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone())
    }

    fn checked_set(self: &Arc<Self>, key: Value, value: Value) -> Result<(), Error> {
        let level = self.0.lock().level;
        Admission { into: address_of(self), visits: VISITS_MAX }.nested(&value, level + 1)?;
        self.set(key, value);
        Ok(())
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.lock().items.iter().map(|(k, _)| k.clone()).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.lock().items.len())
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
                let pairs = &mut self.0.lock().items;
                return match pairs.iter().position(|(k, _)| *k == key) {
                    Some(at) => Ok(pairs.remove(at).1),
                    None => default.ok_or_else(|| error(format!("dictionary has no key {}", python::repr(&key)))),
                };
            }
            "clear" => self.0.lock().items.clear(),
            "copy" => return Ok(Dict::value(self.0.lock().items.clone())),
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
