//! What the tuners have in common: which printer, who works, where the answers go.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use drydock_analysis::picture;
use drydock_scenario::text::io_cause;
use drydock_tune::session::Session;
use drydock_tune::{Printer, Work, report};

use crate::crew::Crew;
use crate::run::CliResult;
use crate::term::{command_line, say};

#[derive(Args)]
pub struct DeskArgs {
    /// The printer.cfg.
    #[arg(long, value_name = "FILE", default_value = "printer.cfg")]
    config: PathBuf,
    /// The machine file (RON), as `drydock identify` writes it (default: a machine read off the printer.cfg).
    #[arg(long, value_name = "FILE")]
    machine: Option<PathBuf>,
    /// Where the report, the picture and the new printer.cfg go.
    #[arg(long, short, value_name = "DIR", default_value = "out/tune")]
    out: PathBuf,
    /// Put the block into the printer.cfg itself; the old file is kept beside it.
    #[arg(long)]
    write: bool,
    /// Seed of every random stream.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    crew: Crew,
}

impl DeskArgs {
    /// Loads the printer, lets `tune` fill a session, and puts out what it found. Ctrl-C ends it with the best so far.
    pub fn sit(
        &self,
        title: &str,
        tune: impl FnOnce(&Printer, &Work, &mut Session) -> Result<(), Box<dyn std::error::Error>>,
    ) -> CliResult {
        let printer = Printer::load(&self.config, self.machine.as_deref(), self.seed)?;
        let pool = self.crew.pool()?;
        let bar = self.crew.bar(title);
        let tell = |what: &str, part: f64| {
            bar.set_message(what.to_string());
            bar.set_position((part * 1000.0) as u64);
        };
        let work = Work { pool, tell: &tell };
        let mut session = Session::default();
        tune(&printer, &work, &mut session)?;
        bar.finish_and_clear();
        session.cut_short = work.stopped();
        if session.is_empty() {
            let why = if session.cut_short {
                "ended before there was anything to tell".into()
            } else {
                session.missed.join("\n")
            };
            return Err(why.into());
        }
        self.put_out(&printer, &session)
    }

    fn put_out(&self, printer: &Printer, session: &Session) -> CliResult {
        let command = command_line();
        let said = |what: &std::path::Path, e: &std::io::Error| format!("{}: {}", what.display(), io_cause(e));
        std::fs::create_dir_all(&self.out).map_err(|e| said(&self.out, &e))?;
        let save = |name: &str, text: String| {
            let path = self.out.join(name);
            std::fs::write(&path, text).map_err(|e| said(&path, &e)).map(|()| path)
        };
        // Where SAVE_CONFIG would refuse, the owner writes the lines where the old ones are.
        let (block, refused) = match session.block(printer) {
            Ok(block) => (block, None),
            Err(why) => (session.lines(), Some(why)),
        };
        let title = format!("Tuning of {}", self.machine.as_ref().unwrap_or(&self.config).display());
        let page = save("report.html", report::html(session, &block, &title, &command))?;
        let config = match refused {
            None => Some(save("printer.cfg", printer.save_config(&session.changes())?)?),
            Some(_) => None,
        };
        let study = session.shaper.as_ref().and_then(|s| s.study.as_ref());
        let picture = study.map(|study| {
            let path = self.out.join("before-after.png");
            picture::write_png(study, &path).map(|()| path)
        });
        let picture = picture.transpose().map_err(|e| format!("{}: {}", e.path.display(), e.cause))?;
        let kept = if self.write && refused.is_none() { Some(printer.write_config(&session.changes())?) } else { None };
        if self.crew.json {
            let mut all = session.to_json(printer, &command);
            all["report"] = page.display().to_string().into();
            all["picture"] = picture.map(|p| p.display().to_string()).into();
            all["config"] = config.map(|p| p.display().to_string()).into();
            all["kept"] = kept.map(|p| p.display().to_string()).into();
            say!("{all}");
        } else {
            session.explanations().iter().for_each(|text| say!("{text}\n"));
            say!("{}", block.trim_end());
            say!("\n  report         {}", page.display());
            if let Some(path) = picture {
                say!("  before, after  {}", path.display());
            }
            match (kept, config) {
                (Some(path), _) => {
                    say!("  printer.cfg    {} (the old one is {})", self.config.display(), path.display())
                }
                (None, Some(path)) => say!("  printer.cfg    {} (--write puts it in place)", path.display()),
                (None, None) => {}
            }
            session.missed.iter().for_each(|why| say!("  not tuned      {why}"));
            say!("  fingerprint    {}", session.fingerprint());
            if session.cut_short {
                say!("  ended early: this is the best so far");
            }
        }
        if let Some(why) = refused {
            return Err(format!("the block cannot be saved, write its lines by hand: {why}").into());
        }
        let whole = !session.cut_short && session.missed.is_empty();
        Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// The text of a print file that somebody names.
pub fn gcode(path: Option<&PathBuf>) -> Result<Option<String>, String> {
    let Some(path) = path else { return Ok(None) };
    drydock_scenario::setup::can_print(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {}", path.display(), io_cause(&e)))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
