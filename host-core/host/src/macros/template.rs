//! Compiling a G-code template and rendering it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, Value};

use super::printer::{Printer, StatusSource, names_in};
use super::rewrite::rewrite;
use super::shared::Shared;
use super::values::Dict;
use super::{builtins, python};
use crate::config::{ConfigError, GcodeText, Place};
use crate::gcode::{Command, CommandError};

/// Passes that one rendering may take to learn which printer objects it needs.
const PASSES_MAX: usize = 500;

/// What a template asked for while it rendered.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `action_respond_info(text)`
    RespondInfo(String),
    /// `action_emergency_stop(text)`
    EmergencyStop(String),
    /// `action_call_remote_method(name, key=value...)`
    CallRemoteMethod(String, Vec<(String, Value)>),
    /// `action_log(text)`
    Log(String),
}

/// The G-code that a template gives, and what to do before it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    pub text: String,
    pub actions: Vec<Action>,
}

/// What a template sees.
pub struct Context<'a> {
    pub printer: &'a dyn StatusSource,
    /// The macro's own variables.
    pub variables: Vec<(String, Value)>,
    /// Upper-case names with their values; `None` where there is no `params` at all (delayed_gcode).
    pub params: Option<Vec<(String, String)>>,
    pub rawparams: String,
}

impl<'a> Context<'a> {
    /// A context without parameters.
    pub fn new(printer: &'a dyn StatusSource) -> Self {
        Context { printer, variables: Vec::new(), params: None, rawparams: String::new() }
    }

    /// A context with the parameters of the command that calls a macro.
    pub fn for_command(printer: &'a dyn StatusSource, command: &Command<'_>) -> Self {
        let rawparams = command.raw_params().to_string();
        Context { params: Some(command.params()), rawparams, ..Context::new(printer) }
    }

    pub fn with_variables(mut self, variables: impl IntoIterator<Item = (String, Value)>) -> Self {
        self.variables.extend(variables);
        self
    }
}

/// A compiled template.
pub struct Template {
    env: Environment<'static>,
    name: String,
    place: Place,
    source: String,
    /// Printer objects that the template is known to ask for.
    wanted: RefCell<BTreeSet<String>>,
}

impl Template {
    /// Compiles the text of an option. `name` is shown in errors: "gcode_macro START_PRINT:gcode".
    pub fn compile(name: &str, text: &GcodeText) -> Result<Template, ConfigError> {
        Template::from_source(name, &text.source, text.place.clone())
    }

    /// Compiles `source`, whose first line stands at `place`.
    pub fn from_source(name: &str, source: &str, place: Place) -> Result<Template, ConfigError> {
        let compile = || {
            let mut env = builtins::environment()?;
            env.add_template_owned(name.to_string(), rewrite(source))?;
            Ok(env)
        };
        match compile() {
            Ok(env) => Ok(Template {
                env,
                name: name.to_string(),
                place,
                source: source.to_string(),
                wanted: RefCell::new(names_in(source)),
            }),
            Err(e) => Err(compile_error(name, source, &place, &e)),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders the template. Status is fetched before, actions are for the caller to carry out before the text.
    pub fn render(&self, context: &Context<'_>) -> Result<Rendered, CommandError> {
        let printer = Arc::new(Printer::default());
        printer.fetch(context.printer, self.wanted.borrow().iter().cloned());
        for _ in 0..PASSES_MAX {
            let result = self.pass(context, &printer);
            if !printer.fetch_missing(context.printer, &mut self.wanted.borrow_mut()) {
                return result;
            }
        }
        Err(CommandError::new(format!("Error evaluating '{}': it asks for too many printer objects", self.name))
            .within(self.place.to_string()))
    }

    fn pass(&self, context: &Context<'_>, printer: &Arc<Printer>) -> Result<Rendered, CommandError> {
        let actions = Actions::default();
        let mut globals: BTreeMap<String, Value> = BTreeMap::new();
        globals.extend(context.variables.iter().cloned());
        if let Some(params) = &context.params {
            let pairs = params.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            globals.insert("params".into(), Dict::from_texts(pairs));
            globals.insert("rawparams".into(), Value::from(context.rawparams.as_str()));
        }
        globals.insert("printer".into(), Value::from_dyn_object(printer.clone()));
        globals.extend(actions.functions());
        let rendered = self.env.get_template(&self.name).and_then(|t| t.render(Value::from(globals)));
        match rendered {
            Ok(text) => Ok(Rendered { text, actions: actions.take() }),
            Err(e) => Err(self.render_error(&e)),
        }
    }

    fn render_error(&self, error: &Error) -> CommandError {
        if let Some(raised) = raised(error) {
            return CommandError::new(raised);
        }
        let line = error.line().map_or(1, |l| l as u32);
        let message = format!("Error evaluating '{}': {}", self.name, cause(error, &self.source));
        CommandError::new(message).within(self.place.lines_below(line.saturating_sub(1)).to_string())
    }
}

/// Marks the error that `action_raise_error` makes.
#[derive(Debug)]
struct Raised(String);

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

fn raised(error: &Error) -> Option<String> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = next {
        if let Some(raised) = e.downcast_ref::<Raised>() {
            return Some(raised.0.clone());
        }
        next = e.source();
    }
    None
}

/// The cause in one sentence, with the text of the line it is in.
fn cause(error: &Error, source: &str) -> String {
    let detail = match error.kind() {
        ErrorKind::OutOfFuel => "it runs too long; is there a loop without end?".to_string(),
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    };
    let line = error.line().and_then(|l| source.split('\n').nth(l.saturating_sub(1))).map(str::trim);
    match line.filter(|l| !l.is_empty()) {
        Some(line) => format!("{detail}, in: {}", line.chars().take(120).collect::<String>()),
        None => detail,
    }
}

fn compile_error(name: &str, source: &str, place: &Place, error: &Error) -> ConfigError {
    let line = error.line().map_or(1, |l| l as u32);
    let (section, option) = name.rsplit_once(':').unwrap_or((name, ""));
    let help = match error.detail() {
        Some(detail) if detail.contains("unexpected end of input") => {
            "is an {% endif %} or {% endfor %} missing?".to_string()
        }
        _ => "see the Jinja2 template syntax".to_string(),
    };
    ConfigError::new(format!("Error loading template '{name}': {}", cause(error, source)))
        .in_section(section)
        .in_option(option)
        .at(place.lines_below(line.saturating_sub(1)))
        .help(help)
}

/// Collects what the `action_` functions are called with.
#[derive(Clone, Default)]
struct Actions(Arc<Shared<Vec<Action>>>);

impl Actions {
    fn push(&self, action: Action) -> String {
        self.0.lock().push(action);
        String::new()
    }

    fn take(&self) -> Vec<Action> {
        std::mem::take(&mut *self.0.lock())
    }

    fn functions(&self) -> [(String, Value); 5] {
        let (info, stop, remote, log) = (self.clone(), self.clone(), self.clone(), self.clone());
        [
            (
                "action_respond_info".into(),
                Value::from_function(move |msg: &Value| info.push(Action::RespondInfo(python::text(msg)))),
            ),
            (
                "action_emergency_stop".into(),
                Value::from_function(move |msg: Option<Value>| {
                    let text = msg.map_or_else(|| "action_emergency_stop".to_string(), |m| python::text(&m));
                    stop.push(Action::EmergencyStop(text))
                }),
            ),
            (
                "action_call_remote_method".into(),
                Value::from_function(move |name: &Value, _: Rest<Value>, kwargs: Kwargs| -> Result<String, Error> {
                    let mut values = Vec::new();
                    for key in kwargs.args().map(str::to_string).collect::<Vec<_>>() {
                        let value = kwargs.get::<Value>(&key)?;
                        values.push((key, value));
                    }
                    Ok(remote.push(Action::CallRemoteMethod(python::text(name), values)))
                }),
            ),
            ("action_log".into(), Value::from_function(move |msg: &Value| log.push(Action::Log(python::text(msg))))),
            (
                "action_raise_error".into(),
                Value::from_function(|msg: &Value| -> Result<String, Error> {
                    let raised = Raised(python::text(msg));
                    Err(Error::new(ErrorKind::InvalidOperation, raised.0.clone()).with_source(raised))
                }),
            ),
        ]
    }
}
