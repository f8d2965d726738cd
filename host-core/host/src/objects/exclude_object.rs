//! `[exclude_object]`: leaves out the moves of objects that the user gave up on.
//!
//! Moves between EXCLUDE_OBJECT_START and _END of an excluded object never reach the tool head; what they extrude is
//! taken off, so that the first move outside goes on with the right E from where the tool head really is.

use std::cell::RefCell;
use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::gcode::{Command, CommandError};
use crate::gcode_move::{MoveTransform, Position};
use crate::printer::dispatch::CommandResult;
use crate::printer::{Event, Object, Printer, Value};
use crate::reactor::EventTime;

#[derive(Clone, PartialEq)]
struct Known {
    name: String,
    centre: Option<Value>,
    polygon: Option<Value>,
}

#[derive(Default)]
struct State {
    objects: Vec<Known>,
    excluded: Vec<String>,
    current: Option<String>,
    /// Moves are being swallowed.
    inside: bool,
    /// Where G-code believes the tool head is, and what was swallowed of E.
    believed: Position,
    e_swallowed: f64,
    next: Option<Rc<dyn MoveTransform>>,
    installed: bool,
}

pub struct ExcludeObject {
    state: RefCell<State>,
    printer: std::rc::Weak<Printer>,
}

impl Object for ExcludeObject {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let s = self.state.borrow();
        let objects: Vec<Value> = s
            .objects
            .iter()
            .map(|o| {
                let mut fields = vec![("name", Value::from(o.name.clone()))];
                fields.extend(o.centre.clone().map(|c| ("center", c)));
                fields.extend(o.polygon.clone().map(|p| ("polygon", p)));
                Value::from_pairs(fields)
            })
            .collect();
        Some(
            minijinja::context! { objects => objects, excluded_objects => s.excluded.clone(), current_object => s.current.clone() },
        )
    }
}

impl ExcludeObject {
    pub fn load(printer: &Rc<Printer>, _section: &Section) -> Result<(), ConfigError> {
        let this = Rc::new(ExcludeObject { state: RefCell::default(), printer: Rc::downgrade(printer) });
        printer.add_object("exclude_object", this.clone());
        let me = this.clone();
        printer.on(Event::ResetFile, move || {
            let mut s = me.state.borrow_mut();
            (s.objects, s.excluded, s.current, s.inside, s.e_swallowed) = Default::default();
        });
        register(printer, &this);
        Ok(())
    }

    fn next(&self) -> Option<Rc<dyn MoveTransform>> {
        self.state.borrow().next.clone()
    }

    fn forward(&self, to: Position, speed: f64) -> CommandResult {
        match self.next() {
            Some(next) => next.move_to(to, speed),
            None => self.printer.upgrade().expect("the printer outlives its objects").toolhead().move_to(to, speed),
        }
    }

    fn real_position(&self) -> Position {
        match self.next() {
            Some(next) => next.position(),
            None => self.printer.upgrade().expect("the printer outlives its objects").toolhead().position(),
        }
    }

    /// The transform stays out of the way until objects are known.
    fn install(self: &Rc<Self>, printer: &Rc<Printer>) {
        if std::mem::replace(&mut self.state.borrow_mut().installed, true) {
            return;
        }
        let next = printer.gcode_move().set_transform(self.clone());
        self.state.borrow_mut().next = next;
    }

    fn exclude(&self, name: String) {
        let mut s = self.state.borrow_mut();
        if !s.excluded.contains(&name) {
            s.excluded.push(name);
            s.excluded.sort();
        }
    }

    fn corners(&self) -> Vec<[f64; 2]> {
        let number = |v: &Value| f64::try_from(v.clone()).ok();
        let point = |v: Value| Some([number(&v.get_item_by_index(0).ok()?)?, number(&v.get_item_by_index(1).ok()?)?]);
        let s = self.state.borrow();
        s.objects.iter().filter_map(|o| o.polygon.as_ref()?.try_iter().ok()).flatten().filter_map(point).collect()
    }

    /// Corners of all known polygons, for adaptive meshes; and how many objects there are.
    pub fn polygons(&self) -> (usize, Vec<[f64; 2]>) {
        (self.state.borrow().objects.len(), self.corners())
    }
}

impl MoveTransform for ExcludeObject {
    fn position(&self) -> Position {
        let real = self.real_position();
        let mut s = self.state.borrow_mut();
        if !s.inside {
            s.believed = real;
            s.believed[3] += s.e_swallowed;
        }
        s.believed
    }

    fn move_to(&self, to: Position, speed: f64) -> CommandResult {
        let to_real = {
            let mut s = self.state.borrow_mut();
            let excluded = s.current.as_ref().is_some_and(|name| s.excluded.contains(name));
            if excluded {
                s.inside = true;
                s.e_swallowed += to[3] - s.believed[3];
                s.believed = to;
                return Ok(());
            }
            let returning = std::mem::replace(&mut s.inside, false);
            s.believed = to;
            let mut real = to;
            real[3] -= s.e_swallowed;
            (real, returning)
        };
        let (real, returning) = to_real;
        if returning {
            // The first move outside comes from where the head really is: a travel, without its extrusion.
            let e_now = self.real_position()[3];
            let mut travel = real;
            self.state.borrow_mut().e_swallowed += real[3] - e_now;
            travel[3] = e_now;
            return self.forward(travel, speed);
        }
        self.forward(real, speed)
    }
}

fn name_of(command: &Command<'_>) -> Result<String, CommandError> {
    command.text("NAME").required().map(|name| name.to_uppercase())
}

fn register(printer: &Rc<Printer>, this: &Rc<ExcludeObject>) {
    let gcode = &printer.gcode;
    let me = this.clone();
    gcode.register("EXCLUDE_OBJECT_DEFINE", "Provides a summary of an object", move |printer, command| {
        if command.get("RESET").is_some() {
            let mut s = me.state.borrow_mut();
            s.objects.clear();
            s.excluded.clear();
        }
        if command.get("NAME").is_some() {
            let json = |key: &str| -> Result<Option<Value>, CommandError> {
                command
                    .get(key)
                    .map(|text| {
                        crate::macros::parse_literal(text).map_err(|m| CommandError::new(format!("{key}: {m}")))
                    })
                    .transpose()
            };
            let centre =
                command.get("CENTER").map(|text| crate::macros::parse_literal(&format!("[{text}]"))).transpose();
            let centre = centre.map_err(|m| CommandError::new(format!("CENTER: {m}")))?;
            let object = Known { name: name_of(command)?, centre, polygon: json("POLYGON")? };
            me.install(printer);
            let mut s = me.state.borrow_mut();
            if !s.objects.iter().any(|o| o.name == object.name) {
                s.objects.push(object);
                s.objects.sort_by(|a, b| a.name.cmp(&b.name));
            }
        } else if command.get("RESET").is_none() {
            let names: Vec<String> = me.state.borrow().objects.iter().map(|o| o.name.clone()).collect();
            printer.gcode.respond_info(&format!("Known objects: {}", names.join(" ")));
        }
        Ok(())
    });
    let me = this.clone();
    gcode.register(
        "EXCLUDE_OBJECT_START",
        "Marks the beginning the current object as labeled",
        move |printer, command| {
            let name = name_of(command)?;
            me.install(printer);
            let mut s = me.state.borrow_mut();
            if !s.objects.iter().any(|o| o.name == name) {
                s.objects.push(Known { name: name.clone(), centre: None, polygon: None });
                s.objects.sort_by(|a, b| a.name.cmp(&b.name));
            }
            s.current = Some(name);
            Ok(())
        },
    );
    let me = this.clone();
    gcode.register("EXCLUDE_OBJECT_END", "Marks the end the current object", move |printer, command| {
        let mut s = me.state.borrow_mut();
        let Some(current) = s.current.take() else {
            printer.gcode.respond_info("EXCLUDE_OBJECT_END called, but no object is currently active");
            return Ok(());
        };
        if let Some(name) = command.get("NAME").map(str::to_uppercase)
            && name != current
        {
            printer.gcode.respond_info(&format!(
                "EXCLUDE_OBJECT_END NAME={name} does not match the current object NAME={current}"
            ));
        }
        Ok(())
    });
    let me = this.clone();
    gcode.register("EXCLUDE_OBJECT", "Cancel moves inside a specified objects", move |printer, command| {
        let current = me.state.borrow().current.clone();
        if command.get("RESET").is_some() {
            let mut s = me.state.borrow_mut();
            match command.get("NAME") {
                Some(name) => s.excluded.retain(|e| *e != name.to_uppercase()),
                None => s.excluded.clear(),
            }
        } else if command.get("NAME").is_some() {
            me.exclude(name_of(command)?);
        } else if command.get("CURRENT").is_some() {
            let current = current.ok_or_else(|| CommandError::new("There is no current object to cancel"))?;
            me.exclude(current);
        } else {
            let excluded = me.state.borrow().excluded.join(" ");
            printer.gcode.respond_info(&format!("Excluded objects: {excluded}"));
        }
        Ok(())
    });
}
