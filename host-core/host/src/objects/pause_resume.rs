//! `[pause_resume]`: PAUSE, RESUME, CLEAR_PAUSE and CANCEL_PRINT for the virtual SD card.

use std::cell::Cell;
use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::gcode::CommandError;
use crate::objects::print_stats::PrintStats;
use crate::objects::virtual_sdcard::VirtualSdcard;
use crate::printer::{Object, Printer, Value};
use crate::reactor::EventTime;

const STATE_NAME: &str = "PAUSE_STATE";

pub struct PauseResume {
    paused: Cell<bool>,
    /// The virtual SD card was printing, so RESUME starts it again.
    sd_paused: Cell<bool>,
    recover_velocity: f64,
}

impl Object for PauseResume {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        Some(minijinja::context! { is_paused => self.paused.get() })
    }
}

impl PauseResume {
    pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
        let recover_velocity = section.float("recover_velocity").above(0.0).or(50.0)?;
        let this = Rc::new(PauseResume { paused: Cell::new(false), sd_paused: Cell::new(false), recover_velocity });
        printer.add_object("pause_resume", this);
        register(printer);
        Ok(())
    }
}

fn this(printer: &Printer) -> Rc<PauseResume> {
    printer.lookup("pause_resume").expect("its own commands run only when it is there")
}

fn sdcard(printer: &Printer) -> Option<Rc<VirtualSdcard>> {
    printer.lookup("virtual_sdcard")
}

fn register(printer: &Rc<Printer>) {
    let gcode = &printer.gcode;
    gcode.register("PAUSE", "Pauses the current print", |printer, _| {
        let this = this(printer);
        if this.paused.get() {
            printer.gcode.respond_info("Print already paused");
            return Ok(());
        }
        if let Some(sd) = sdcard(printer).filter(|sd| sd.is_active()) {
            sd.pause();
            this.sd_paused.set(true);
        } else {
            printer.gcode.respond_info("action:paused");
        }
        printer.gcode_move().save_state(STATE_NAME);
        this.paused.set(true);
        Ok(())
    });
    gcode.register("RESUME", "Resumes the print from a pause", |printer, command| {
        let this = this(printer);
        if !this.paused.get() {
            printer.gcode.respond_info("Print is not paused, resume aborted");
            return Ok(());
        }
        let velocity = command.float("VELOCITY").above(0.0).or(this.recover_velocity)?;
        printer.gcode_move().restore_state(printer, STATE_NAME, Some(velocity))?;
        this.paused.set(false);
        if this.sd_paused.replace(false) {
            sdcard(printer).map_or(Ok(()), |sd| sd.resume(printer))?;
        } else {
            printer.gcode.respond_info("action:resumed");
        }
        Ok(())
    });
    gcode.register("CLEAR_PAUSE", "Clears the current paused state without resuming the print", |printer, _| {
        let this = this(printer);
        this.paused.set(false);
        this.sd_paused.set(false);
        Ok(())
    });
    gcode.register_async("CANCEL_PRINT", "Cancel the current print", |printer, _| async move {
        let this = this(&printer);
        match sdcard(&printer).filter(|sd| sd.has_file()) {
            Some(sd) => {
                sd.pause();
                sd.reset(&printer);
                PrintStats::of(&printer).note_cancel(printer.reactor.now());
            }
            None if printer.has_toolhead() => printer.gcode.respond_info("action:cancel"),
            None => return Err(CommandError::new("nothing to cancel")),
        }
        this.paused.set(false);
        this.sd_paused.set(false);
        Ok(())
    });
}
