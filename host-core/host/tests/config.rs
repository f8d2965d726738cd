//! The dialect of printer.cfg, the errors with their places, and text of any kind.

use drydock_host::config::lint::check;
use drydock_host::config::{Config, ConfigError, MapSource, SaveConfig};
use proptest::prelude::*;

fn parse(text: &str) -> Config {
    Config::parse(&MapSource::new([("printer.cfg", text)]), "printer.cfg").unwrap()
}

fn errors(text: &str) -> Vec<ConfigError> {
    Config::parse(&MapSource::new([("printer.cfg", text)]), "printer.cfg").err().unwrap_or_default()
}

#[test]
fn comments_continuations_and_both_separators_are_read() {
    let config = parse(
        "# first\n; second\n[Printer Two]\nA = 1 # note\nb:2;not a note\nC: x ; a note\n\
         points:\n  1, 2 # first\n\n  # nothing\n\t3, 4\nempty:\n[next]\nurl: a=b:c\n",
    );
    let s = config.section("Printer Two").unwrap();
    assert_eq!((s.raw("a"), s.raw("B"), s.raw("c")), (Some("1"), Some("2;not a note"), Some("x")));
    assert_eq!(s.raw("points"), Some("\n1, 2\n\n\n3, 4"));
    assert_eq!(s.raw("empty"), Some(""));
    assert_eq!(s.float_rows("points", ',', 2).required().unwrap(), [[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(config.section("next").unwrap().raw("url"), Some("a=b:c"));
    assert!(config.section("printer two").is_none(), "section names are case-sensitive");
    assert_eq!(config.names().collect::<Vec<_>>(), ["Printer Two", "next"]);
}

#[test]
fn later_values_win_and_sections_merge() {
    let source = MapSource::new([
        ("dir/printer.cfg", "[a]\nx: 1\n[include parts/*.cfg]\n[a]\ny: 3\n"),
        ("dir/parts/2.cfg", "[a]\nx: 20\n"),
        ("dir/parts/1.cfg", "[a]\nx: 10\ny: 10\r\n[b]\r\nz: 1\r\n"),
        ("dir/parts/no.txt", "nonsense"),
    ]);
    let config = Config::parse(&source, "dir/printer.cfg").unwrap();
    let a = config.section("a").unwrap();
    assert_eq!((a.raw("x"), a.raw("y")), (Some("20"), Some("3")));
    assert_eq!(config.section("b").unwrap().raw("z"), Some("1"));
    assert_eq!(a.option_place("x").to_string(), "dir/parts/2.cfg:2");
    assert_eq!(config.files().len(), 3);
}

#[test]
fn the_flat_text_says_the_same_in_one_file() {
    let marker = "#*# <---------------------- SAVE_CONFIG ---------------------->";
    let main = format!(
        "[a]\nx: 1\n[include parts/*.cfg]\n[gcode_macro M]\ngcode:\n  G28\n\n  {{% if a %}}\n    G1 X1\n  {{% endif %}}\n\
         {marker}\n#*# DO NOT EDIT\n#*#\n#*# [a]\n#*# x = 5\n#*# points =\n#*# \t  1, 2\n#*# \t  3, 4\n"
    );
    let config =
        Config::parse(&MapSource::new([("p.cfg", main.as_str()), ("parts/1.cfg", "[b c]\ny = 2 ; two\n")]), "p.cfg")
            .unwrap();
    let again = parse(&config.flat_text());
    for section in config.raw_sections() {
        let other = again.raw_section(&section.name).unwrap();
        let said = |s: &drydock_host::config::RawSection| {
            s.options.iter().map(|o| (o.name.clone(), o.value.clone())).collect::<Vec<_>>()
        };
        assert_eq!(said(section), said(other));
    }
    assert_eq!(config.section("a").unwrap().raw("x"), Some("5"));
    assert_eq!(again.flat_text(), config.flat_text());
}

#[test]
fn values_are_typed_and_their_errors_have_places_and_klippers_terms() {
    let config = parse(
        "[s]\nf: 1.5\ni: 7\nbad: 1,5\nyes: Yes\nkind: corxy\nlist: a, b ,c\nnums: 1, 2, 3\nratio: 80:20, 2:1\npin: ^!PA1\n",
    );
    let s = config.section("s").unwrap();
    assert_eq!(s.float("f").above(0.0).required().unwrap(), 1.5);
    assert_eq!(s.int("i").min(1).max(7).or(3).unwrap(), 7);
    assert_eq!(s.float("none").or(2.5).unwrap(), 2.5);
    assert_eq!(s.float("none").optional().unwrap(), None);
    assert!(s.boolean("yes").required().unwrap());
    assert_eq!(s.list("list").required().unwrap(), ["a", "b", "c"]);
    assert_eq!(s.float_list("nums", 3).required().unwrap(), [1.0, 2.0, 3.0]);
    assert_eq!(s.gear_ratio("ratio").unwrap(), 8.0);
    assert_eq!(s.gear_ratio("no_ratio").unwrap(), 1.0);
    let told = [
        s.float("bad").required().map(drop),
        s.float("rotation").required().map(drop),
        s.float("f").min(2.0).required().map(drop),
        s.float("f").max(1.0).required().map(drop),
        s.float("f").above(1.5).required().map(drop),
        s.int("i").below(7).required().map(drop),
        s.int("f").required().map(drop),
        s.choice("kind", &["cartesian", "corexy"]).required().map(drop),
        s.float_list("nums", 2).required().map(drop),
        s.boolean("f").required().map(drop),
        s.pin("pin").required().map(drop),
    ];
    let told: Vec<String> = told.into_iter().map(|r| r.unwrap_err().to_string()).collect();
    assert_eq!(
        told,
        [
            "printer.cfg:4: Unable to parse option 'bad' in section 's' ('1,5' is not a number such as 12.5)",
            "printer.cfg:1: Option 'rotation' in section 's' must be specified (add 'rotation: ...' to [s])",
            "printer.cfg:2: Option 'f' in section 's' must have minimum of 2.0 (it is 1.5)",
            "printer.cfg:2: Option 'f' in section 's' must have maximum of 1.0 (it is 1.5)",
            "printer.cfg:2: Option 'f' in section 's' must be above 1.5 (it is 1.5)",
            "printer.cfg:3: Option 'i' in section 's' must be below 7 (it is 7)",
            "printer.cfg:2: Unable to parse option 'f' in section 's' ('1.5' is not a whole number)",
            "printer.cfg:6: Choice 'corxy' for option 'kind' in section 's' is not a valid choice \
             (did you mean 'corexy'?)",
            "printer.cfg:8: Option 'nums' in section 's' must have 2 elements (it has 3)",
            "printer.cfg:2: Unable to parse option 'f' in section 's' ('1.5' is not True or False)",
            "printer.cfg:10: Invalid pin description '^!PA1': this pin takes no pull-up or pull-down; the form is \
             [chip:]name",
        ]
    );
}

#[test]
fn what_nothing_reads_is_an_error_with_the_nearest_name() {
    let config = parse("[printer]\nmax_velocty: 1\nkinematics: none\n[fann]\npin: PA1\n[fan]\npin: PA1\n");
    let printer = config.section("printer").unwrap();
    assert!(printer.float("max_velocity").required().unwrap_err().help.contains("max_velocty"));
    printer.text("kinematics").required().unwrap();
    config.section("fan").unwrap().pin("pin").required().unwrap();
    let told: Vec<String> = config.unused().iter().map(|e| e.to_string()).collect();
    assert_eq!(
        told,
        [
            "printer.cfg:2: Option 'max_velocty' is not valid in section 'printer' (did you mean 'max_velocity'?)",
            "printer.cfg:4: Section 'fann' is not a valid config section (did you mean [fan]?)",
        ]
    );
}

#[test]
fn errors_can_be_collected_to_be_told_at_once() {
    let config = parse("[s]\na: x\nb: y\n");
    let s = config.section("s").unwrap();
    assert!(config.collect(s.float("b").required()).is_none());
    assert!(config.collect(s.float("a").required()).is_none());
    assert_eq!(config.collect(s.float("c").or(1.0)), Some(1.0));
    let lines: Vec<u32> = config.take_errors().iter().map(ConfigError::line).collect();
    assert_eq!(lines, [2, 3]);
    assert!(config.take_errors().is_empty());
}

#[test]
fn status_shows_the_text_and_what_was_read() {
    let config = parse("[S]\na: 5\nb: x\n");
    let s = config.section("S").unwrap();
    s.float("a").required().unwrap();
    s.float("c").or(0.5).unwrap();
    let get = |v: &minijinja::Value, path: &[&str]| {
        path.iter().fold(v.clone(), |v, key| v.get_attr(key).unwrap()).to_string()
    };
    assert_eq!(get(&config.raw_status(), &["S", "a"]), "5");
    assert_eq!(get(&config.settings_status(), &["s", "a"]), "5.0");
    assert_eq!(get(&config.settings_status(), &["s", "c"]), "0.5");
}

#[test]
fn broken_text_gives_one_clear_error_with_its_line() {
    for (text, line, message) in [
        ("x: 1\n[a]\n", 1, "Option 'x' stands in no section"),
        ("[a]\n\nnonsense\n", 3, "Unable to parse line 'nonsense'"),
        ("[a]\n: 5\n", 2, "Unable to parse line ': 5'"),
        ("[]\n", 1, "A section needs a name"),
        ("[a\nb: 1\n", 1, "Unable to parse line '[a'"),
        ("[include missing.cfg]\n", 1, "Include file 'missing.cfg' does not exist or cannot be read: no such file"),
        ("[a]\n[include printer.cfg]\n", 2, "Recursive include of config file 'printer.cfg'"),
        ("[gcode_macro A]\ngcode:\nG28\n", 3, "Unable to parse line 'G28'"),
    ] {
        let found = errors(text);
        assert_eq!((found[0].line(), found[0].message.as_str()), (line, message), "{text}");
        assert!(!found[0].help.is_empty());
    }
    let source = MapSource([("printer.cfg".to_string(), b"[a]\nx: \xff\n".to_vec())].into());
    let found = Config::parse(&source, "printer.cfg").err().unwrap();
    assert_eq!((found[0].line(), found[0].message.as_str()), (2, "'printer.cfg' is not UTF-8 text"));
    let found = Config::parse(&MapSource::default(), "printer.cfg").err().unwrap();
    assert_eq!(found[0].message, "Unable to open config file 'printer.cfg': no such file");
}

#[test]
fn files_that_include_each_other_in_a_fan_come_to_an_end() {
    let names: Vec<String> = (0..40).map(|i| format!("f{i}.cfg")).collect();
    let files = names.iter().enumerate().map(|(i, name)| {
        let next = format!("[include f{}.cfg]\n", i + 1);
        (name.clone(), format!("{next}{next}").into_bytes())
    });
    let source = MapSource(files.collect());
    let found = Config::parse(&source, "f0.cfg").err().unwrap();
    assert!(found.iter().any(|e| e.message.starts_with("More than")));
}

#[test]
fn a_damaged_saved_block_is_ignored_with_a_warning() {
    let marker = "#*# <---------------------- SAVE_CONFIG ---------------------->";
    let text = format!("[a]\nx: 1\n\n{marker}\n#*# DO NOT EDIT\n#*#\n#*# [a]\nx = 2\n#*# y = 3\n");
    let config = parse(&text);
    assert_eq!(config.section("a").unwrap().raw("x"), Some("1"));
    assert_eq!((config.warnings().len(), config.warnings()[0].line()), (1, 8));
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,200}", other in "(\\PC|\n){0,200}") {
        let source = MapSource::new([("printer.cfg", text.as_str()), ("o.cfg", other.as_str())]);
        let _ = check(&source, "printer.cfg", Some(&mut other.lines()));
    }

    #[test]
    fn text_like_a_configuration_is_read_without_panic(
        lines in prop::collection::vec(
            prop_oneof![
                "\\[(printer|stepper_x|extruder|gcode_macro A|tmc2209 stepper_x|bed_mesh|include \\*)\\]",
                " {0,3}(rotation_distance|gcode|mesh_max|pin|sensor_type|uart_pin|points|pid_kp) ?[:=] ?[-\\^!a-zA-Z0-9,.:{}% ]{0,20}",
                "#\\*# (\\[extruder\\]|pid_kp = [0-9.]{1,5})",
                Just("#*# <---------------------- SAVE_CONFIG ---------------------->".to_string()),
                " {2}[A-Z_{}%0-9 =.\"']{0,20}",
            ],
            0..30,
        )
    ) {
        let text = lines.join("\n");
        let source = MapSource::new([("printer.cfg", text.as_str()), ("o.cfg", text.as_str())]);
        let _ = check(&source, "printer.cfg", Some(&mut text.lines()));
        let (config, _) = Config::parse_lenient(&source, "printer.cfg");
        for section in config.sections_with_prefix("") {
            let _ = (section.float("pid_kp").optional(), section.pin("pin").invert().optional());
            let _ = (section.float_rows("points", ',', 2).optional(), section.gear_ratio("points"));
        }
        let _ = (config.unused(), config.raw_status(), config.settings_status());
        // What SAVE_CONFIG writes can be read, and holds the value.
        let mut save = SaveConfig::new();
        save.set("extruder", "pid_kp", "12.5");
        if let Ok(new) = save.new_text(&config) {
            let (again, _) = Config::parse_lenient(&MapSource::new([("printer.cfg", new.as_str())]), "printer.cfg");
            prop_assert_eq!(again.section("extruder").and_then(|s| s.raw("pid_kp").map(str::to_string)), Some("12.5".into()), "{}", new);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let source = MapSource([("printer.cfg".to_string(), bytes)].into());
        let _ = check(&source, "printer.cfg", None);
    }
}
