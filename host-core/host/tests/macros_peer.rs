//! Expressions and statements against the answers that Jinja2 3.1.6 gave for them, with Klipper's delimiters and the
//! same `printer` and `params`. Where Jinja2 refused, only the refusal is compared.

use drydock_host::config::Place;
use drydock_host::macros::{Context, StatusMap, Template, parse_literal};

const CASES: &str = include_str!("macros/jinja2-3.1.6.txt");

fn status() -> StatusMap {
    let objects = [
        ("toolhead", "{'position': (1.0, 2.5, 3.0), 'homed_axes': 'xyz', 'axis_maximum': {'x': 250.0}}"),
        ("extruder", "{'target': 200.0, 'temperature': 199.97}"),
        ("gcode_macro X", "{'v': 5, 's': 'txt', 'l': [1,2]}"),
        (
            "exclude_object",
            "{'objects': [{'name':'A','polygon':[[1.0,2.0],[3.0,4.5]]},{'name':'B','polygon':[[10,2.0],[3.5,40]]}]}",
        ),
    ];
    let objects = objects.map(|(name, text)| (name.to_string(), parse_literal(text).unwrap()));
    StatusMap(objects.into_iter().collect())
}

#[test]
fn templates_give_what_jinja2_gives() {
    let status = status();
    let mut different = Vec::new();
    let mut count = 0;
    for case in CASES.trim_end_matches('\n').split("\n----\n") {
        let (source, expected) = case.split_once("\n=>\n").unwrap();
        let mut context = Context::new(&status);
        context.params = Some([("X", "12.5"), ("N", "7"), ("S", "hello")].map(|(k, v)| (k.into(), v.into())).to_vec());
        context.rawparams = "X=12.5 N=7 S=hello".into();
        let place = Place::new(&"case".into(), 1, 1, 0);
        let template = Template::from_source("case", source, place).map_err(|e| e.to_string());
        let result = template.and_then(|t| t.render(&context).map_err(|e| e.to_string()));
        let got = result.map_or("ERROR".to_string(), |r| r.text);
        if got != expected {
            different.push(format!("{source}\n  Jinja2  {expected}\n  here    {got}"));
        }
        count += 1;
    }
    assert!(different.is_empty(), "{} of {count} differ:\n{}", different.len(), different.join("\n"));
    assert!(count > 380);
}
