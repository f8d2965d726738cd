//! Macros in the style of published ones, rendered against a printer's status, and what goes wrong in them.

use std::collections::BTreeMap;

use drydock_host::config::{Config, MapSource, Place};
use drydock_host::gcode::Command;
use drydock_host::macros::{Action, Context, Rendered, StatusMap, StatusSource, Template, coord, parse_literal};
use minijinja::Value;
use proptest::prelude::*;

const PUBLISHED: &str = include_str!("macros/published.cfg");

struct Bench {
    config: Config,
    status: StatusMap,
}

impl Bench {
    fn new() -> Self {
        let source = MapSource::new([("macros.cfg", PUBLISHED)]);
        let config = Config::parse(&source, "macros.cfg").unwrap_or_else(|e| panic!("{e:?}"));
        let mut status: BTreeMap<String, Value> = [
            ("heater_bed", "{'temperature': 24.5, 'target': 0.0}"),
            ("extruder", "{'temperature': 210.1, 'target': 210.0, 'can_extrude': True}"),
            ("pause_resume", "{'is_paused': False}"),
            ("bed_mesh", "{'profile_name': ''}"),
            ("gcode_move", "{'absolute_coordinates': False}"),
            (
                "configfile",
                "{'settings': {'printer': {'kinematics': 'corexy', 'max_velocity': 350.0}, \
                 'pause_resume': {'recover_velocity': 50.0}, \
                 'extruder': {'nozzle_diameter': 0.4, 'max_extrude_cross_section': 5.0}}}",
            ),
            (
                "exclude_object",
                "{'objects': [{'name': 'A', 'polygon': [[50.0, 60.0], [90.0, 60.0], [90.0, 95.0]]}, \
                 {'name': 'B', 'polygon': [[110.0, 40.0], [150.0, 85.5]]}]}",
            ),
            ("heaters", "{'available_sensors': ['extruder', 'temperature_sensor chamber', 'temperature_sensor mcu']}"),
            ("temperature_sensor chamber", "{'temperature': 38.25}"),
            ("temperature_sensor mcu", "{'temperature': 44.04}"),
            ("quad_gantry_level", "{'applied': False}"),
            ("save_variables", "{'variables': {'offset': -0.123456}}"),
        ]
        .map(|(name, text)| (name.to_string(), parse_literal(text).unwrap()))
        .into();
        let toolhead = [
            ("homed_axes", Value::from("xyz")),
            ("extruder", Value::from("extruder")),
            ("position", coord(10.0, 20.0, 5.0, 0.0)),
            ("axis_minimum", coord(0.0, 0.0, -5.0, 0.0)),
            ("axis_maximum", coord(300.0, 310.0, 250.0, 0.0)),
            ("max_velocity", Value::from(350.0)),
        ];
        status.insert("toolhead".into(), Value::from(BTreeMap::from(toolhead)));
        let mut bench = Bench { config, status: StatusMap(status) };
        for section in bench.config.sections_with_prefix("gcode_macro ") {
            let variables: BTreeMap<String, Value> = bench.variables(section.identifier()).into_iter().collect();
            bench.status.0.insert(section.name().to_string(), Value::from(variables));
        }
        bench
    }

    fn variables(&self, name: &str) -> Vec<(String, Value)> {
        let section = self.config.section(&format!("gcode_macro {name}")).unwrap();
        let options = section.prefix_options("variable_");
        let read = |o: &String| {
            let value = parse_literal(section.raw(o).unwrap()).unwrap();
            (o.trim_start_matches("variable_").to_string(), value)
        };
        options.iter().map(read).collect()
    }

    fn set(&mut self, name: &str, literal: &str) {
        self.status.0.insert(name.into(), parse_literal(literal).unwrap());
    }

    fn try_call(&self, line: &str) -> Result<Rendered, String> {
        let command = Command::parse(line).unwrap();
        let section = self.config.section(&format!("gcode_macro {}", command.name())).unwrap();
        let name = format!("{}:gcode", section.name());
        let template =
            Template::compile(&name, &section.gcode_required("gcode").unwrap()).map_err(|e| e.to_string())?;
        let context = Context::for_command(&self.status, &command).with_variables(self.variables(command.name()));
        template.render(&context).map_err(|e| e.to_string())
    }

    /// The commands that a macro gives, without blanks around them.
    fn call(&self, line: &str) -> (Vec<String>, Vec<Action>) {
        let rendered = self.try_call(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let lines = rendered.text.lines().map(str::trim).filter(|l| !l.is_empty());
        (lines.map(str::to_string).collect(), rendered.actions)
    }
}

#[test]
fn start_print_takes_its_parameters_and_defaults() {
    let bench = Bench::new();
    let (lines, actions) = bench.call("START_PRINT BED=100 EXTRUDER=245 MATERIAL=petg");
    assert_eq!(actions, [Action::RespondInfo("Bed: 100.0, nozzle: 245, PETG".into())]);
    assert_eq!(
        lines,
        [
            "G90",
            "M140 S100.0",
            "M190 S100.0",
            "BED_MESH_CLEAR",
            "BED_MESH_CALIBRATE",
            "G1 X150.0 Y155.0 Z15 F9000",
            "M117 Soak 2 min",
            "G4 P60000",
            "M117 Soak 1 min",
            "G4 P60000",
            "M109 S245.0"
        ]
    );
    let (lines, _) = bench.call("start_print hotend=190");
    assert_eq!((lines[1].as_str(), lines.last().unwrap().as_str()), ("M140 S60.0", "M109 S190.0"));
}

#[test]
fn pause_parks_and_resume_restores() {
    let mut bench = Bench::new();
    let (lines, _) = bench.call("PAUSE RESTORE=1 X=12");
    assert_eq!(
        lines,
        [
            "SET_GCODE_VARIABLE MACRO=RESUME VARIABLE=last_extruder_temp VALUE=\"{'restore': True, 'temp': 210.0}\"",
            "PAUSE_BASE",
            "_TOOLHEAD_PARK X=12 RESTORE=1 X=12",
        ]
    );
    let (lines, _) = bench.call("_TOOLHEAD_PARK");
    assert_eq!(lines, ["G90", "G1 Z7.0 F600", "G1 X295.0 F6000", "G91"]);
    let (lines, _) = bench.call("RESUME");
    assert_eq!(lines, ["_CLIENT_EXTRUDE", "RESUME_BASE VELOCITY=100"]);
    bench.set("extruder", "{'can_extrude': False}");
    assert_eq!(bench.try_call("RESUME").unwrap_err(), "Resume aborted: hotend too cold");
    bench.set("pause_resume", "{'is_paused': True}");
    let (lines, actions) = bench.call("PAUSE");
    assert_eq!((lines.len(), actions), (0, vec![Action::RespondInfo("Print already paused".into())]));
    let (lines, _) = bench.call("CANCEL_PRINT");
    assert_eq!(lines, ["TURN_OFF_HEATERS", "M106 S0", "CANCEL_PRINT_BASE"]);
}

#[test]
fn filament_change_takes_traditional_parameters() {
    let (lines, _) = Bench::new().call("M600 X20 Z5.5");
    assert_eq!(lines[4..6], ["G1 Z5.5".to_string(), "G90".to_string()]);
    assert_eq!(lines[6], "G1 X20.0 Y0.0 F3000");
}

#[test]
fn a_purge_line_adapts_to_the_objects() {
    let (lines, actions) = Bench::new().call("LINE_PURGE");
    assert!(actions.is_empty());
    assert_eq!(lines, ["G92 E0", "G0 F21000.0", "G90", "G0 X85.0 Y30.0", "G0 Z0.8", "M83", "G1 X115.0 E30 F748.44"]);
}

#[test]
fn a_heat_soak_counts_in_a_namespace() {
    let (lines, _) = Bench::new().call("HEAT_SOAK TARGET=50 DURATION=3");
    assert_eq!(
        lines,
        [
            "M118 chamber=38.2, mcu=44.0 max 44.04 target 50.0",
            "SET_GCODE_VARIABLE MACRO=HEAT_SOAK VARIABLE=target_temp VALUE=50.0",
            "SET_GCODE_VARIABLE MACRO=HEAT_SOAK VARIABLE=stage VALUE='\"heating\"'",
            "UPDATE_DELAYED_GCODE ID=soak_timer DURATION=180",
        ]
    );
}

#[test]
fn loops_dictionaries_and_overrides_work() {
    let bench = Bench::new();
    let (lines, actions) = bench.call("TEST_SPEED SPEED=200 ITERATIONS=2");
    assert_eq!(actions, [Action::RespondInfo("TEST_SPEED: starting 2 iterations at speed 200".into())]);
    assert_eq!(lines[1..3], ["G0 X20.0 F12000".to_string(), "G0 X280.0 F12000".to_string()]);
    assert_eq!(lines.len(), 6);
    assert_eq!(bench.call("PARK_CORNER WHERE=br").0, ["G90", "G0 X300.0 Y310.0"]);
    assert_eq!(bench.try_call("PARK_CORNER WHERE=x").unwrap_err(), "WHERE=X is none of FL/BR");
    assert_eq!(
        bench.call("M109 S210 T0").0,
        ["M104 S210 T0", "TEMPERATURE_WAIT SENSOR=extruder MINIMUM=210.0 MAXIMUM=211.0"]
    );
    assert_eq!(bench.call("Z_LEVEL").0, ["QUAD_GANTRY_LEVEL", "SET_GCODE_OFFSET Z=-0.123 MOVE=1"]);
}

fn render(source: &str, status: &dyn StatusSource) -> Result<Rendered, String> {
    let place = Place::new(&"macros.cfg".into(), 10, 1, 0);
    let template = Template::from_source("gcode_macro T:gcode", source, place).map_err(|e| e.to_string())?;
    let mut context = Context::new(status);
    context.params = Some(vec![("S".into(), "5".into())]);
    template.render(&context).map_err(|e| e.to_string())
}

#[test]
fn errors_name_the_macro_the_line_and_the_cause() {
    let status = Bench::new().status;
    for (source, parts) in [
        ("\nG28\n{printer.tool.x}", ["'gcode_macro T:gcode'", "undefined", "macros.cfg:12"]),
        (
            "{% if params.S > 3 %}{% endif %}",
            ["'>' not supported between instances of 'str' and 'int'", "|int", "macros.cfg:10"],
        ),
        ("\n{params.MISSING|float}", ["|float is undefined", "|default(0)|float", "macros.cfg:11"]),
        ("\n\n{% endfor %}", ["macros.cfg:12", "Error loading template", "endfor"]),
        ("\n{% if true %}\nG28\n", ["Error loading template", "endif", "macros.cfg:1"]),
        ("{1 / 0}", ["macros.cfg:10", "1 / 0", "Error evaluating"]),
        (
            "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
            ["runs too long", "loop", "macros.cfg"],
        ),
        ("{nope()}", ["nope", "unknown function", "macros.cfg:10"]),
        ("{% set l = [] %}{% do l.append(l) %}", ["cannot hold itself", "T:gcode", "macros.cfg:10"]),
        ("{'x'|nofilter}", ["nofilter", "unknown filter", "macros.cfg:10"]),
    ] {
        let told = render(source, &status).unwrap_err();
        for part in parts {
            assert!(told.contains(part), "{source}: {told}");
        }
    }
}

#[test]
fn actions_keep_their_order_and_repeat_no_pass() {
    let source = "{action_respond_info('a')}{printer['gcode_macro ' ~ 'HEAT_SOAK'].stage}{action_log('b')}\
        {action_call_remote_method('notify', level=3)}{action_emergency_stop('c')}";
    let rendered = render(source, &Bench::new().status).unwrap();
    assert_eq!(rendered.text, "None");
    let expected = [
        Action::RespondInfo("a".into()),
        Action::Log("b".into()),
        Action::CallRemoteMethod("notify".into(), vec![("level".into(), Value::from(3))]),
        Action::EmergencyStop("c".into()),
    ];
    assert_eq!(rendered.actions, expected);
}

/// Status that counts how often it is asked.
struct Counting(StatusMap, std::cell::Cell<u32>);

impl StatusSource for Counting {
    fn get(&self, name: &str) -> Option<Value> {
        self.1.set(self.1.get() + 1);
        self.0.get(name)
    }
    fn names(&self) -> Vec<String> {
        self.0.names()
    }
}

#[test]
fn only_the_objects_asked_for_are_fetched_and_each_once() {
    let status = Counting(Bench::new().status, Default::default());
    let source = "{printer.toolhead.extruder}{printer.toolhead.homed_axes}{printer['heater' ~ '_bed'].target}";
    assert_eq!(render(source, &status).unwrap().text, "extruderxyz0.0");
    assert_eq!(status.1.get(), 2);
    let source =
        "{% for name in printer if name.startswith('temperature_sensor') %}{printer[name].temperature};{% endfor %}";
    assert_eq!(render(source, &status).unwrap().text, "38.25;44.04;");
    assert_eq!(status.1.get(), 4);
}

#[test]
fn recursion_in_templates_ends_with_an_error() {
    let status = StatusMap::default();
    for source in [
        "{% macro f() %}{f()}{% endmacro %}{f()}".to_string(),
        format!("{}1{}", "(".repeat(5000), ")".repeat(5000)),
        format!("{{{}1{}}}", "[".repeat(5000), "]".repeat(5000)),
        "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{ns.x}".into(),
        "{% set ns = namespace(x={}) %}{% for i in range(100000) %}{% set ns.x = {'a': ns.x} %}{% endfor %}".into(),
        "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = ns.x + [ns.x] %}{% endfor %}".into(),
        "{% set ns = namespace(x=()) %}{% for i in range(100000) %}{% set ns.x = (ns.x, 1) %}{% endfor %}".into(),
        "{% set d = {} %}{% do d.update({'a': d}) %}{d}".into(),
        "{% set a = [] %}{% set d = {'a': a} %}{% do a.append(d) %}{a}".into(),
    ] {
        let result = render(&source, &status);
        assert!(result.is_err() || source.starts_with('('), "{}", &source[..80.min(source.len())]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_template_is_refused_or_rendered_without_panic(source in "([{}%#a-z0-9 .,|()\\[\\]'\"<>=*+~/\\-\n:_]|\\{% (if|for|set) |%\\}|\\PC){0,40}") {
        let _ = render(&source, &StatusMap::default());
    }

    #[test]
    fn any_expression_is_refused_or_rendered_without_panic(
        parts in prop::collection::vec(
            prop_oneof![
                "(1|2\\.5|'a'|\"%s\"|x|params\\.S|printer\\.y|\\[\\]|\\{'a': 1\\}|true|none)",
                " ?(%|\\*\\*|<|>=|\\+|-|~|//|\\*|==|in|and|is|not|if|else|,|\\|float|\\|int|\\[|\\]|\\(|\\)|\\.|:) ?",
            ],
            0..14,
        )
    ) {
        let expression = parts.concat();
        let _ = render(&format!("{{{expression}}}"), &StatusMap::default());
        let _ = render(&format!("{{% set x = {expression} %}}{{x}}"), &StatusMap::default());
    }

    #[test]
    fn literals_are_refused_or_read_without_panic(text in "[\\[\\](){}'\"a-z0-9.,: \\\\-]{0,30}") {
        let _ = parse_literal(&text);
    }
}
