//! A probe and a chip that are only memory, behind probe-rs's own traits: the code that runs on real ones is the code
//! that runs here, from listing over attaching and flashing to the reset.

pub mod chip;
mod probe;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use probe_rs::probe::list::{Accessibility, ProbeListItem, ProbeLister};
use probe_rs::probe::{
    DebugProbe, DebugProbeError, DebugProbeInfo, DebugProbeSelector, Probe, ProbeCreationError, ProbeFactory,
};

use chip::SimChip;
use probe::SimProbe;

/// A chip that several can hold: the probe that is opened to it, and the test that looks at it.
pub type Shared = Arc<Mutex<SimChip>>;

pub fn lock(chip: &Shared) -> MutexGuard<'_, SimChip> {
    chip.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is plugged in.
#[derive(Debug, Default)]
pub struct Plugged {
    pub probes: Vec<(String, Shared)>,
    pub forbidden: bool,
}

impl Plugged {
    pub fn one(chip: &Shared) -> Plugged {
        Plugged { probes: vec![("A1".into(), chip.clone())], forbidden: false }
    }

    fn info(serial: &str) -> DebugProbeInfo {
        DebugProbeInfo::new("Simulated probe", 0x0483, 0x374b, Some(serial.into()), &SimFactory, None, false)
    }
}

impl ProbeLister for Plugged {
    fn open(&self, selector: &DebugProbeSelector) -> Result<Probe, DebugProbeError> {
        let found = self.probes.iter().find(|(serial, _)| selector.matches_probe(&Plugged::info(serial)));
        match found {
            Some((_, chip)) => Ok(Probe::from_specific_probe(Box::new(SimProbe::new(chip.clone())))),
            None => Err(DebugProbeError::ProbeCouldNotBeCreated(ProbeCreationError::NotFound)),
        }
    }

    fn list_with_access(&self, selector: Option<&DebugProbeSelector>) -> Vec<ProbeListItem> {
        let here = self.probes.iter().filter(|(_, chip)| lock(chip).plugged).map(|(serial, _)| Plugged::info(serial));
        let accessibility = if self.forbidden { Accessibility::PermissionDenied } else { Accessibility::Accessible };
        here.filter(|info| selector.is_none_or(|s| s.matches_probe(info)))
            .map(|info| ProbeListItem { info, accessibility })
            .collect()
    }
}

#[derive(Debug)]
struct SimFactory;

impl fmt::Display for SimFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated")
    }
}

impl ProbeFactory for SimFactory {
    fn open(&self, _: &DebugProbeSelector) -> Result<Box<dyn DebugProbe>, DebugProbeError> {
        Err(DebugProbeError::ProbeCouldNotBeCreated(ProbeCreationError::NotFound))
    }

    fn list_probes(&self) -> Vec<ProbeListItem> {
        Vec::new()
    }
}
