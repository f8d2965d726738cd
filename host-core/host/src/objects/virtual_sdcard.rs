//! `[virtual_sdcard]`: prints a file from the host's own storage, line by line, paced by the motion queue.
//!
//! Reads the file in blocks and keeps one block and one line in memory, so that a file of any length streams.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::config::{ConfigError, Section};
use crate::files::PrintFile;
use crate::gcode::CommandError;
use crate::macros::Template;
use crate::objects::print_stats::PrintStats;
use crate::printer::dispatch::CommandResult;
use crate::printer::{Event, Object, Output, Printer, Value};
use crate::reactor::EventTime;

const BLOCK_BYTES: usize = 8192;
/// A line longer than this is no G-code.
const LINE_BYTES_MAX: usize = 1 << 16;

struct Open {
    name: String,
    file: Box<dyn PrintFile>,
    size: u64,
}

pub struct VirtualSdcard {
    open: RefCell<Option<Open>>,
    position: Cell<u64>,
    /// Where M26 wants to go on; taken up between two lines.
    seek: Cell<Option<u64>>,
    must_pause: Cell<bool>,
    running: Cell<bool>,
    line_number: Cell<u32>,
    on_error: RefCell<Option<Template>>,
}

impl Object for VirtualSdcard {
    fn status(&self, _eventtime: EventTime) -> Option<Value> {
        let open = self.open.borrow();
        Some(minijinja::context! {
            file_path => open.as_ref().map(|o| o.name.clone()),
            progress => self.progress(),
            is_active => self.is_active(),
            file_position => self.position.get(),
            file_size => open.as_ref().map_or(0, |o| o.size),
        })
    }

    fn stats(&self, _eventtime: EventTime) -> Option<(bool, String)> {
        self.running.get().then(|| (true, format!("sd_pos={}", self.position.get())))
    }
}

impl VirtualSdcard {
    pub fn load(printer: &Rc<Printer>, section: &Section) -> Result<(), ConfigError> {
        // The shell decides where files are; the option is Klipper's and user interfaces read it.
        section.text("path").required()?;
        let this = Rc::new(VirtualSdcard {
            open: RefCell::default(),
            position: Cell::new(0),
            seek: Cell::new(None),
            must_pause: Cell::new(false),
            running: Cell::new(false),
            line_number: Cell::new(0),
            on_error: RefCell::new(section.template_optional("on_error_gcode")?),
        });
        PrintStats::ensure(printer);
        printer.add_object("virtual_sdcard", this.clone());
        register(printer);
        let weak = Rc::downgrade(printer);
        printer.on(Event::Shutdown, move || {
            if this.running.get()
                && let Some(printer) = weak.upgrade()
            {
                this.must_pause.set(true);
                printer.log(format!(
                    "Virtual sdcard stopped at byte {} (line {})",
                    this.position.get(),
                    this.line_number.get()
                ));
            }
        });
        Ok(())
    }

    pub fn progress(&self) -> f64 {
        match &*self.open.borrow() {
            Some(open) if open.size > 0 => self.position.get() as f64 / open.size as f64,
            _ => 0.0,
        }
    }

    pub fn is_active(&self) -> bool {
        self.running.get()
    }

    pub fn has_file(&self) -> bool {
        self.open.borrow().is_some()
    }

    /// Asks the print to stop after the line in progress.
    pub fn pause(&self) {
        if self.running.get() {
            self.must_pause.set(true);
        }
    }

    /// Drops the file.
    pub fn reset(&self, printer: &Rc<Printer>) {
        self.pause();
        self.open.borrow_mut().take();
        self.position.set(0);
        self.line_number.set(0);
        PrintStats::of(printer).reset();
        printer.send(Event::ResetFile);
    }

    fn select(&self, printer: &Rc<Printer>, name: &str) -> CommandResult {
        let name = name.trim().trim_start_matches('/');
        let file = printer.files().open_print(name);
        let file = file.ok_or_else(|| CommandError::new(format!("Unable to open file '{name}'")))?;
        let size = file.size();
        printer.gcode.respond_raw(format!("File opened:{name} Size:{size}"));
        printer.gcode.respond_raw("File selected");
        *self.open.borrow_mut() = Some(Open { name: name.to_string(), file, size });
        self.position.set(0);
        self.line_number.set(0);
        PrintStats::of(printer).set_file(name);
        Ok(())
    }

    /// Starts or goes on with the print.
    pub fn resume(self: &Rc<Self>, printer: &Rc<Printer>) -> CommandResult {
        if self.running.get() {
            return Err(CommandError::new("SD busy"));
        }
        if !self.has_file() {
            return Err(CommandError::new("No file loaded: select one with SDCARD_PRINT_FILE or M23"));
        }
        self.must_pause.set(false);
        self.running.set(true);
        let (this, printer) = (self.clone(), printer.clone());
        printer.clone().reactor.spawn("virtual_sdcard", async move {
            this.print(&printer).await;
        });
        Ok(())
    }

    async fn print(self: &Rc<Self>, printer: &Rc<Printer>) {
        printer.log(format!("Starting SD card print (position {})", self.position.get()));
        PrintStats::of(printer).note_start(printer.reactor.now());
        let mut lines = Lines::new(self.position.get());
        let result = loop {
            if self.must_pause.get() {
                break Ok(false);
            }
            if let Some(position) = self.seek.take() {
                self.position.set(position);
                lines = Lines::new(position);
            }
            let next = {
                let mut open = self.open.borrow_mut();
                match open.as_mut() {
                    Some(open) => lines.next(&mut *open.file),
                    None => break Ok(false),
                }
            };
            match next {
                Ok(true) => {}
                Ok(false) => break Ok(true),
                Err(message) => break Err(CommandError::new(message)),
            }
            self.line_number.set(self.line_number.get() + 1);
            if let Err(error) = self.run_line(printer, lines.line()).await {
                break Err(error);
            }
            if self.seek.get().is_none() {
                self.position.set(lines.position());
            }
        };
        self.running.set(false);
        self.must_pause.set(false);
        self.note_end(printer, result).await;
    }

    async fn run_line(&self, printer: &Rc<Printer>, line: &str) -> CommandResult {
        if printer.options.trace_lines {
            let (offset, number, text) = (self.position.get(), self.line_number.get(), line.trim().to_string());
            let weak = Rc::downgrade(printer);
            printer.toolhead().when_planned(move |print_time| {
                let Some(printer) = weak.upgrade() else { return };
                let begins_s = printer.main_mcu().print_time_to_eventtime(print_time).max(printer.reactor.now());
                printer.emit(Output::Line { begins_s, offset, number, text });
            });
        }
        // Most lines are moves: no future, no lock, and no wait unless the motion queue is full.
        if !printer.gcode.is_busy() && printer.gcode.run_line_sync(printer, line)? {
            if printer.toolhead().must_pace() {
                printer.toolhead().pace().await;
            }
            return Ok(());
        }
        let _turn = printer.gcode.take_turn().await;
        printer.gcode.run_line(printer, line).await
    }

    async fn note_end(&self, printer: &Rc<Printer>, result: Result<bool, CommandError>) {
        let stats = PrintStats::of(printer);
        let now = printer.reactor.now();
        match result {
            Ok(true) => {
                printer.log("Finished SD card print");
                // The last moves are still in the queue.
                printer.toolhead().wait_moves().await;
                stats.note_complete(printer.reactor.now());
                printer.gcode.respond_raw("Done printing file");
            }
            Ok(false) => {
                printer.log(format!("Exiting SD card print (position {})", self.position.get()));
                stats.note_pause(now);
            }
            Err(error) => {
                printer.log(format!("SD card print stopped at line {}: {error}", self.line_number.get()));
                stats.note_error(now, &error.to_string());
                printer.gcode.finish(printer, Err(error));
                let cleanup = self.on_error.borrow().as_ref().map(|template| template.render_gcode(printer));
                if let Some(script) = cleanup {
                    let result = match script {
                        Ok(script) => printer.gcode.run_script(printer, &script).await,
                        Err(error) => Err(error),
                    };
                    printer.gcode.finish(printer, result);
                }
            }
        }
    }
}

/// Splits a file into lines, block by block.
struct Lines {
    block: Vec<u8>,
    /// What of the block is used up.
    used: usize,
    /// File offset of the end of the block.
    read: u64,
    line: String,
}

impl Lines {
    fn new(position: u64) -> Self {
        Lines { block: Vec::new(), used: 0, read: position, line: String::new() }
    }

    fn line(&self) -> &str {
        &self.line
    }

    /// File offset of the next line.
    fn position(&self) -> u64 {
        self.read - (self.block.len() - self.used) as u64
    }

    /// Reads the next line; false at the end of the file.
    fn next(&mut self, file: &mut dyn PrintFile) -> Result<bool, String> {
        self.line.clear();
        let mut bytes: Vec<u8> = Vec::new();
        loop {
            let rest = &self.block[self.used..];
            if let Some(end) = rest.iter().position(|b| *b == b'\n') {
                let whole = if bytes.is_empty() {
                    &rest[..end]
                } else {
                    bytes.extend_from_slice(&rest[..end]);
                    &bytes
                };
                self.line.push_str(&String::from_utf8_lossy(whole));
                self.used += end + 1;
                return Ok(true);
            }
            bytes.extend_from_slice(rest);
            if bytes.len() > LINE_BYTES_MAX {
                return Err(format!(
                    "no line end within {LINE_BYTES_MAX} bytes at offset {}: is this a G-code file?",
                    self.position()
                ));
            }
            self.block.resize(BLOCK_BYTES, 0);
            let n = file.read_at(self.read, &mut self.block)?;
            self.block.truncate(n);
            self.used = 0;
            self.read += n as u64;
            if n == 0 {
                self.line.push_str(&String::from_utf8_lossy(&bytes));
                return Ok(!bytes.is_empty());
            }
        }
    }
}

fn sdcard(printer: &Printer) -> Rc<VirtualSdcard> {
    printer.lookup("virtual_sdcard").expect("its own commands run only when it is there")
}

fn register(printer: &Rc<Printer>) {
    let gcode = &printer.gcode;
    gcode.register("M20", "List the print files", |printer, _| {
        printer.gcode.respond_raw("Begin file list");
        for (name, size) in printer.files().list_prints() {
            printer.gcode.respond_raw(format!("{name} {size}"));
        }
        printer.gcode.respond_raw("End file list");
        Ok(())
    });
    gcode.register("M21", "Start the SD card", |printer, _| {
        printer.gcode.respond_raw("SD card ok");
        Ok(())
    });
    gcode.register("M23", "Select a print file", |printer, command| {
        let sd = sdcard(printer);
        if sd.is_active() {
            return Err(CommandError::new("SD busy"));
        }
        sd.reset(printer);
        sd.select(printer, command.raw_params())
    });
    gcode.register("M24", "Start or resume the print", |printer, _| sdcard(printer).resume(printer));
    gcode.register("M25", "Pause the print", |printer, _| {
        sdcard(printer).pause();
        Ok(())
    });
    gcode.register("M26", "Set the position in the print file", |printer, command| {
        let sd = sdcard(printer);
        let position = command.int("S").min(0).required()? as u64;
        if sd.is_active() {
            sd.seek.set(Some(position))
        } else {
            sd.position.set(position)
        }
        Ok(())
    });
    gcode.register("M27", "Report the progress of the print", |printer, _| {
        let sd = sdcard(printer);
        let line = match &*sd.open.borrow() {
            Some(open) => format!("SD printing byte {}/{}", sd.position.get(), open.size),
            None => "Not SD printing.".to_string(),
        };
        printer.gcode.respond_raw(line);
        Ok(())
    });
    gcode.register("SDCARD_PRINT_FILE", "Loads a SD file and starts the print", |printer, command| {
        let sd = sdcard(printer);
        if sd.is_active() {
            return Err(CommandError::new("SD busy"));
        }
        let name = command.text("FILENAME").required()?;
        sd.reset(printer);
        sd.select(printer, name)?;
        sd.resume(printer)
    });
    gcode.register("SDCARD_RESET_FILE", "Clears a loaded SD File. Stops the print if necessary", |printer, _| {
        let sd = sdcard(printer);
        if sd.is_active() && printer.gcode.is_busy() {
            return Err(CommandError::new("SDCARD_RESET_FILE cannot be run from the sdcard"));
        }
        sd.reset(printer);
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Text(Vec<u8>);
    impl PrintFile for Text {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, String> {
            let rest = self.0.get(offset as usize..).unwrap_or_default();
            let n = rest.len().min(buffer.len()).min(7);
            buffer[..n].copy_from_slice(&rest[..n]);
            Ok(n)
        }
    }

    #[test]
    fn lines_and_positions_add_up_to_the_file() {
        let text = "G28\r\nG1 X10 Y20.5 E0.03 F3000\n\n;last without end";
        let mut file = Text(text.as_bytes().to_vec());
        let mut lines = Lines::new(0);
        let (mut all, mut ends) = (Vec::new(), Vec::new());
        while lines.next(&mut file).unwrap() {
            all.push(lines.line().to_string());
            ends.push(lines.position());
        }
        assert_eq!(all, ["G28\r", "G1 X10 Y20.5 E0.03 F3000", "", ";last without end"]);
        assert_eq!(ends, [5, 30, 31, text.len() as u64]);
        let mut again = Lines::new(5);
        assert!(again.next(&mut file).unwrap());
        assert_eq!(again.line(), "G1 X10 Y20.5 E0.03 F3000");
    }

    #[test]
    fn a_file_without_line_ends_is_refused() {
        let mut lines = Lines::new(0);
        assert!(lines.next(&mut Text(vec![b'x'; 2 * LINE_BYTES_MAX])).is_err());
    }
}
