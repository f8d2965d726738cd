//! The thread behind the tuning panel.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, unbounded};
use drydock_recording::Reader;
use drydock_view_model::Settings;

use crate::Failure;
use crate::config::settings_of;
use crate::neighbourhood::Neighbourhood;
use crate::simulate::{heat_up, simulate};

/// How long a heat-up is looked at, s.
const HEAT_UP_S: f64 = 240.0;

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The moves from `around_s` before the playhead to as long after it.
    Moves { at_ns: u64, around_s: f64 },
    /// One heater from cold to a temperature.
    HeatUp { heater: String, target_c: f64 },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub what: What,
    pub settings: Settings,
}

/// The same stretch twice, each a whole recording.
#[derive(Clone, Debug)]
pub struct Reply {
    pub request: Request,
    /// The settings that the stretch began with.
    pub was: Settings,
    pub before: Arc<[u8]>,
    pub after: Arc<[u8]>,
    /// In both recordings line 1 is this line of the print file.
    pub first_line: u32,
    /// First and last line (of the print file) that are looked at; those before are the run-up.
    pub shown: (u32, u32),
    /// What it took, s.
    pub wall_s: f64,
}

/// A thread that prints stretches of one recording again.
pub struct Resim {
    requests: Sender<Request>,
    replies: Receiver<Result<Reply, Failure>>,
    /// When this is gone, nobody waits.
    _alive: Arc<()>,
}

impl Resim {
    /// For the recording at `path`; it is read on the thread. Errors come as replies.
    pub fn open(path: &Path) -> Resim {
        let (requests, inbox) = unbounded();
        let (outbox, replies) = unbounded();
        let (path, alive) = (path.to_path_buf(), Arc::new(()));
        let wanted = Arc::downgrade(&alive);
        std::thread::spawn(move || serve(&path, &inbox, &outbox, &wanted));
        Resim { requests, replies, _alive: alive }
    }

    /// Asks; what was asked before and is not answered yet is forgotten.
    pub fn request(&self, request: Request) {
        // The thread lives as long as this does.
        let _ = self.requests.send(request);
    }

    /// The answer, if there is one. Never waits.
    pub fn poll(&self) -> Option<Result<Reply, Failure>> {
        self.replies.try_recv().ok()
    }

    /// Waits for the answer.
    pub fn wait(&self) -> Option<Result<Reply, Failure>> {
        self.replies.recv().ok()
    }
}

/// What "before" was made from.
type Before = (What, Settings, Arc<[u8]>);

fn serve(path: &Path, inbox: &Receiver<Request>, outbox: &Sender<Result<Reply, Failure>>, wanted: &Weak<()>) {
    let mut before: Option<Before> = None;
    while let Ok(mut request) = inbox.recv() {
        while let Ok(newer) = inbox.try_recv() {
            request = newer;
        }
        // Stop for a newer request, and when the viewer is gone.
        let go_on = || inbox.is_empty() && wanted.strong_count() > 0;
        match answer(path, request, &mut before, go_on) {
            Ok(None) => {}
            Ok(Some(reply)) => drop(outbox.send(Ok(reply))),
            Err(failure) => drop(outbox.send(Err(failure))),
        }
    }
}

fn answer(
    path: &Path,
    request: Request,
    cached: &mut Option<Before>,
    go_on: impl Fn() -> bool,
) -> Result<Option<Reply>, Failure> {
    let begun = Instant::now();
    let mut reader = Reader::open(path)?;
    let of_file = settings_of(reader.header())?;
    let (was, first_line, shown, stretch) = match &request.what {
        What::Moves { at_ns, around_s } => {
            let stretch = Neighbourhood::of(&mut reader, of_file, *at_ns, *around_s)?;
            let Some(stretch) = stretch else {
                return Err(Failure("nothing of the print file moves here: put the playhead on the part".into()));
            };
            (stretch.settings.clone(), stretch.lines[0].0, stretch.shown, Some(stretch))
        }
        What::HeatUp { .. } => (of_file, 0, (0, 0), None),
    };
    let header = reader.header();
    let make = |settings: &Settings| -> Result<Option<Arc<[u8]>>, Failure> {
        let made = match (&request.what, &stretch) {
            (What::HeatUp { heater, target_c }, _) => heat_up(header, heater, *target_c, HEAT_UP_S, settings, &go_on),
            (What::Moves { .. }, Some(stretch)) => simulate(header, stretch, settings, &go_on),
            (What::Moves { .. }, None) => Ok(None),
        };
        Ok(made?.map(Arc::from))
    };
    let before = match cached.as_ref().filter(|(what, settings, _)| *what == request.what && *settings == was) {
        Some((_, _, bytes)) => bytes.clone(),
        None => {
            let Some(bytes) = make(&was)? else { return Ok(None) };
            *cached = Some((request.what.clone(), was.clone(), bytes.clone()));
            bytes
        }
    };
    let Some(after) = make(&request.settings)? else { return Ok(None) };
    let wall_s = begun.elapsed().as_secs_f64();
    Ok(Some(Reply { request, was, before, after, first_line, shown, wall_s }))
}
