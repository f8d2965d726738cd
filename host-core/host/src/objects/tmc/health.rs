//! Is a driver well while its motor is on? Its status is read each second; an error stops the printer.

use std::rc::Rc;

use super::TmcDriver;
use crate::gcode::CommandError;
use crate::printer::Printer;

const PERIOD_S: f64 = 1.0;

/// Flags of DRV_STATUS and GSTAT that end a print, in words.
const FATAL: [(&str, &str); 7] = [
    ("ot", "OvertempError!"),
    ("s2ga", "ShortToGND_A!"),
    ("s2gb", "ShortToGND_B!"),
    ("s2vsa", "ShortToSupply_A!"),
    ("s2vsb", "ShortToSupply_B!"),
    ("uv_cp", "Undervoltage!"),
    ("drv_err", "ErrorShutdown!"),
];

/// Once: reads both registers and complains.
async fn check(driver: &TmcDriver) -> Result<u32, CommandError> {
    let model = driver.model();
    let mut status = 0;
    for name in ["DRV_STATUS", "GSTAT"] {
        let Some(register) = model.register(name) else { continue };
        let value = driver.read(register).await?;
        if name == "DRV_STATUS" {
            status = value;
        }
        let is_set = |field: &str| model.field(field).is_some_and(|f| f.register == register && f.get(value) != 0);
        let words: Vec<String> =
            FATAL.iter().filter(|(f, _)| is_set(f)).map(|(f, word)| format!("{f}=1({word})")).collect();
        if is_set("reset") {
            return Err(complaint(driver, name, value, "reset=1(Reset)"));
        }
        if !words.is_empty() {
            return Err(complaint(driver, name, value, &words.join(" ")));
        }
    }
    Ok(status)
}

fn complaint(driver: &TmcDriver, register: &str, value: u32, words: &str) -> CommandError {
    CommandError::new(format!("TMC '{}' reports error: {register}: {value:08x} {words}", driver.motor()))
}

/// Sets the driver up again if it lost its registers, then watches it as long as its motor is on.
pub fn watch(printer: &Rc<Printer>, driver: &Rc<TmcDriver>) {
    let (weak, driver) = (Rc::downgrade(printer), driver.clone());
    printer.reactor.spawn("tmc", async move {
        let session = driver.new_watch();
        let mut result = begin(&driver).await;
        loop {
            let Some(printer) = weak.upgrade() else { return };
            match result {
                Ok(status) => driver.note_status(Some(status)),
                Err(error) => return printer.invoke_shutdown(&error.message),
            }
            let sleep = printer.reactor.sleep(PERIOD_S);
            drop(printer);
            sleep.await;
            if !driver.is_watched(session) || weak.upgrade().is_none_or(|p| p.is_shutdown()) {
                return;
            }
            result = check(&driver).await;
        }
    });
}

async fn begin(driver: &TmcDriver) -> Result<u32, CommandError> {
    if !driver.is_set_up() || driver.was_reset().await? {
        driver.set_up().await?;
    }
    check(driver).await
}
