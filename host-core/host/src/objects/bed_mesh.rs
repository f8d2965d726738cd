//! `[bed_mesh]`: the bed's shape, probed once, and followed by every move after.
//!
//! ```text
//! grid (where to probe) -> probe -> surface (interpolated) -> fade (by height) -> split moves -> tool head
//! ```
//!
//! # Important terms
//! - *probed matrix*: heights where the probe was. *mesh*: the finer matrix made of it.
//! - *fade target*: the correction that is left high above the bed, where the part has become straight.

mod adaptive;
mod bicubic;
mod commands;
mod fade;
mod grid;
mod lagrange;
mod profile;
mod settings;
mod split;
mod surface;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::gcode_move::{MoveTransform, Position};
use crate::printer::dispatch::CommandResult;
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;
use fade::Fade;
use settings::Settings;
use surface::{Probed, Surface};

struct Active {
    name: String,
    surface: Option<Rc<Surface>>,
    fade: Fade,
    /// For the fade alone, heights count from here (another nozzle).
    fade_offset_mm: f64,
    /// Where G-code believes the head is.
    last: Position,
}

pub struct BedMesh {
    printer: Weak<Printer>,
    settings: Settings,
    active: RefCell<Active>,
    profiles: RefCell<BTreeMap<String, Probed>>,
    next: RefCell<Option<Rc<dyn MoveTransform>>>,
}

impl Object for BedMesh {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let active = self.active.borrow();
        let profiles: BTreeMap<String, Value> =
            self.profiles.borrow().iter().map(|(name, p)| (name.clone(), profile::status(p))).collect();
        let none = vec![Vec::<f64>::new()];
        let (min, max, probed, mesh) = match &active.surface {
            Some(s) => (s.probed.min_mm, s.probed.max_mm, s.probed.heights_mm.clone(), s.mesh_mm().to_vec()),
            None => ([0.0; 2], [0.0; 2], none.clone(), none),
        };
        Some(minijinja::context! {
            profile_name => active.name.clone(),
            mesh_min => min.to_vec(),
            mesh_max => max.to_vec(),
            probed_matrix => probed,
            mesh_matrix => mesh,
            profiles => profiles,
        })
    }
}

/// `[bed_mesh]`.
pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    let settings = Settings::load(section)?;
    let mut profiles = BTreeMap::new();
    for saved in printer.config.sections_with_prefix("bed_mesh ") {
        match profile::load(&saved)? {
            Some(probed) => drop(profiles.insert(saved.identifier().to_string(), probed)),
            None => printer
                .log(format!("bed_mesh: Profile [{}] is of another version and was left out", saved.identifier())),
        }
    }
    let mesh = Rc::new(BedMesh {
        printer: Rc::downgrade(printer),
        active: RefCell::new(Active {
            name: String::new(),
            surface: None,
            fade: Fade { start_mm: settings.fade_start_mm, end_mm: settings.fade_end_mm, target_mm: 0.0 },
            fade_offset_mm: 0.0,
            last: [0.0; 4],
        }),
        settings,
        profiles: RefCell::new(profiles),
        next: RefCell::default(),
    });
    printer.add_object("bed_mesh", mesh.clone());
    *mesh.next.borrow_mut() = printer.gcode_move().set_transform(mesh.clone());
    commands::register(printer, &mesh);
    Ok(())
}

/// `[bed_mesh NAME]` is read with `[bed_mesh]`.
pub fn load_saved(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
    match printer.config.has_section("bed_mesh") {
        true => Ok(()),
        false => Err(section.section_error("a saved mesh needs a [bed_mesh] section")),
    }
}

impl BedMesh {
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn surface(&self) -> Option<Rc<Surface>> {
        self.active.borrow().surface.clone()
    }

    /// Takes a mesh into use, or none.
    pub fn set_surface(&self, printer: &Rc<Printer>, surface: Option<Surface>, name: &str) -> CommandResult {
        let mut fade =
            Fade { start_mm: self.settings.fade_start_mm, end_mm: self.settings.fade_end_mm, target_mm: 0.0 };
        if let Some(surface) = surface.as_ref().filter(|_| fade.is_on()) {
            fade.target_mm = self.fade_target(surface)?;
        }
        {
            let mut active = self.active.borrow_mut();
            active.fade = fade;
            active.fade_offset_mm = 0.0;
            active.name = if surface.is_some() { name.to_string() } else { String::new() };
            active.surface = surface.map(Rc::new);
        }
        // The same place of the head is another G-code height now.
        printer.gcode_move().reset_last_position(printer);
        Ok(())
    }

    fn fade_target(&self, surface: &Surface) -> Result<f64, CommandError> {
        let (min, max) = surface.range();
        let target = match self.settings.fade_target_mm {
            None => surface.average(),
            Some(target) if target == 0.0 || (min..=max).contains(&target) => target,
            Some(target) => {
                return Err(CommandError::new(format!(
                    "bed_mesh: ERROR, fade_target lies outside of mesh z range\nmin: {min:.4}, max: {max:.4}, fade_target: {target:.4}"
                )));
            }
        };
        let distance = self.settings.fade_end_mm - self.settings.fade_start_mm;
        if distance <= min.abs().max(max.abs()) {
            return Err(CommandError::new(format!(
                "bed_mesh: Mesh extends outside of the fade range, please see the fade_start and fade_end options. \
                 fade distance: {distance:.2} mesh min: {min:.4} mesh max: {max:.4}"
            )));
        }
        Ok(target)
    }

    pub fn set_offsets(&self, printer: &Rc<Printer>, offsets: [Option<f64>; 2], fade: Option<f64>) {
        {
            let mut active = self.active.borrow_mut();
            if let Some(surface) = &active.surface {
                let mut moved = (**surface).clone();
                for (axis, offset) in offsets.iter().enumerate() {
                    offset.iter().for_each(|offset| moved.set_offset(axis, *offset));
                }
                active.surface = Some(Rc::new(moved));
            }
            active.fade_offset_mm = fade.unwrap_or(active.fade_offset_mm);
        }
        printer.gcode_move().reset_last_position(printer);
    }

    // ---- profiles

    pub fn load_profile(&self, printer: &Rc<Printer>, name: &str) -> CommandResult {
        let probed = self.profiles.borrow().get(name).cloned();
        let probed = probed.ok_or_else(|| CommandError::new(format!("bed_mesh: Unknown profile [{name}]")))?;
        self.set_surface(printer, Some(Surface::new(probed)), name)
    }

    pub fn save_profile(&self, printer: &Rc<Printer>, name: &str) -> CommandResult {
        let Some(surface) = self.surface() else {
            printer.gcode.respond_info(&format!("Unable to save to profile [{name}], the bed has not been probed"));
            return Ok(());
        };
        let section = format!("bed_mesh {name}");
        for (option, value) in profile::options(&surface.probed) {
            printer.set_pending(&section, option, &value);
        }
        self.profiles.borrow_mut().insert(name.to_string(), surface.probed.clone());
        self.active.borrow_mut().name = name.to_string();
        printer.gcode.respond_info(&format!(
            "Bed Mesh state has been saved to profile [{name}]\nfor the current session.  The SAVE_CONFIG command will\n\
             update the printer config file and restart the printer."
        ));
        Ok(())
    }

    pub fn remove_profile(&self, printer: &Rc<Printer>, name: &str) -> CommandResult {
        if self.profiles.borrow_mut().remove(name).is_none() {
            printer.gcode.respond_info(&format!("No profile named [{name}] to remove"));
            return Ok(());
        }
        printer.remove_pending_section(&format!("bed_mesh {name}"));
        printer.gcode.respond_info(&format!(
            "Profile [{name}] removed from storage for this session.\nThe SAVE_CONFIG command will update the printer\n\
             configuration and restart the printer"
        ));
        Ok(())
    }

    // ---- moves

    fn forward(&self, printer: &Rc<Printer>, to: Position, speed: f64) -> CommandResult {
        let next = self.next.borrow().clone();
        match next {
            Some(next) => next.move_to(to, speed),
            None => printer.toolhead().move_to(to, speed),
        }
    }

    fn real_position(&self, printer: &Rc<Printer>) -> Position {
        let next = self.next.borrow().clone();
        match next {
            Some(next) => next.position(),
            None => printer.toolhead().position(),
        }
    }

    fn printer(&self) -> Rc<Printer> {
        self.printer.upgrade().expect("the printer outlives its objects")
    }
}

impl MoveTransform for BedMesh {
    fn position(&self) -> Position {
        let mut position = self.real_position(&self.printer());
        let mut active = self.active.borrow_mut();
        if let Some(surface) = &active.surface {
            let mesh = surface.height(position[0], position[1]);
            position[2] = active.fade.undo(position[2] + active.fade_offset_mm, mesh) - active.fade_offset_mm;
        }
        active.last = position;
        position
    }

    fn move_to(&self, to: Position, speed: f64) -> CommandResult {
        let printer = self.printer();
        let (from, surface, fade, fade_offset) = {
            let mut active = self.active.borrow_mut();
            let from = std::mem::replace(&mut active.last, to);
            (from, active.surface.clone(), active.fade, active.fade_offset_mm)
        };
        let Some(surface) = surface else { return self.forward(&printer, to, speed) };
        let shift = |p: &Position| {
            let z = p[2] + fade_offset;
            match fade.factor(z) {
                0.0 => fade.target_mm,
                _ => fade.shift(z, surface.height(p[0], p[1])),
            }
        };
        split::split(from, to, self.settings.splitting, shift, |end| self.forward(&printer, end, speed))
    }
}
