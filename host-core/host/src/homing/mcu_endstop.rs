//! A switch on a micro-controller's pin as an [`Endstop`].

use std::cell::RefCell;
use std::rc::Rc;

use super::{Endstop, Sampling};
use crate::gcode::CommandError;
use crate::mcu::EndstopIn;
use crate::printer::Printer;
use crate::printer::pins::Pin;
use crate::reactor::{Completion, LocalFuture, Reactor};
use crate::stepper::Stepper;

pub struct McuEndstop {
    name: String,
    input: EndstopIn,
    steppers: RefCell<Vec<Rc<Stepper>>>,
    reactor: Reactor,
}

impl McuEndstop {
    /// `section` gives the name in messages: `stepper_x` is `x`.
    pub fn new(printer: &Printer, section: &str, pin: Pin) -> Rc<McuEndstop> {
        Rc::new(McuEndstop {
            name: section.strip_prefix("stepper_").unwrap_or(section).to_string(),
            input: EndstopIn::new(&pin.mcu, &pin.name, pin.pullup, pin.invert),
            steppers: RefCell::default(),
            reactor: printer.reactor.clone(),
        })
    }
}

impl Endstop for McuEndstop {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn add_stepper(&self, stepper: Rc<Stepper>) {
        self.input.add_stepper(stepper.mcu_stepper());
        self.steppers.borrow_mut().push(stepper);
    }

    fn steppers(&self) -> Vec<Rc<Stepper>> {
        self.steppers.borrow().clone()
    }

    fn home_start(&self, print_time: f64, sample: Sampling, triggered: bool) -> Completion<()> {
        let done = self.input.home_start(print_time, sample.sample_s, sample.sample_count, sample.rest_s, triggered);
        let ended = self.reactor.completion();
        let end = ended.clone();
        self.reactor.spawn("endstop", async move {
            done.wait().await;
            end.complete(());
        });
        ended
    }

    fn home_wait(&self, end: f64) -> LocalFuture<Result<Option<f64>, CommandError>> {
        let (input, steppers) = (self.input.clone(), self.steppers());
        Box::pin(async move {
            let result = input.home_wait(end).await.map_err(|e| CommandError::new(e.to_string()));
            if !input.mcu().is_offline() {
                steppers.iter().for_each(|stepper| stepper.note_reset());
            }
            result
        })
    }

    fn query(&self, print_time: f64) -> LocalFuture<Result<bool, CommandError>> {
        let input = self.input.clone();
        Box::pin(async move { input.query_state(print_time).await.map_err(|e| CommandError::new(e.to_string())) })
    }
}
