//! One line of G-code to a [`Command`], without allocation for ordinary moves.
//!
//! Slicers disagree on blanks, case, line ends, line numbers and checksums; all of that ends here. What a line means
//! is the business of the command's handler.
//!
//! # Cost
//! 66 ns for `G1 X110.125 Y87.5 E.03521`, 130 ns with its three numbers read; no heap for traditional commands
//! (`cargo bench -p drydock-host --bench gcode`, 2.3 GHz Xeon, shared).

use std::borrow::Cow;

use super::error::CommandError;

/// Letters that a command holds in place; more go to the heap.
const LETTERS_INLINE: usize = 12;

/// A command that owns its text.
pub type OwnedCommand = Command<'static>;

/// One command with its parameters.
#[derive(Clone, Debug)]
pub struct Command<'a> {
    raw: Cow<'a, str>,
    name: Name,
    /// Where the name ends and where the comment (or checksum, or the line) begins.
    args: Span,
    line_number: Option<u32>,
    letters: Letters,
    /// Keys in upper case. `Err` where quotes or a `=` are missing.
    named: Result<Vec<(String, String)>, Malformed>,
    extended: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span(u32, u32);

impl Span {
    fn of(self, text: &str) -> &str {
        text.get(self.0 as usize..self.1 as usize).unwrap_or("")
    }
}

/// The upper-case name: in the line itself, or apart from it where the line spells it otherwise.
#[derive(Clone, Debug)]
enum Name {
    InLine(Span),
    Apart(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed;

#[derive(Clone, Copy, Debug, Default)]
struct Letter {
    key: u8,
    value: Span,
}

#[derive(Clone, Debug, Default)]
struct Letters {
    inline: [Letter; LETTERS_INLINE],
    count: usize,
    more: Vec<Letter>,
}

impl Letters {
    fn push(&mut self, letter: Letter) {
        match self.inline.get_mut(self.count) {
            Some(slot) => {
                *slot = letter;
                self.count += 1;
            }
            None => self.more.push(letter),
        }
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &Letter> {
        self.inline[..self.count].iter().chain(&self.more)
    }
}

impl<'a> Command<'a> {
    /// The command of a line; `None` where there is none (blank, or comment only). Any text is taken: a name that
    /// nothing handles is for the dispatcher to refuse.
    pub fn parse(line: &'a str) -> Option<Command<'a>> {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.len() > u32::MAX as usize {
            return None;
        }
        let bytes = line.as_bytes();
        let mut at = skip_blanks(bytes, 0);
        let mut line_number = None;
        if matches!(bytes.get(at), Some(b'N' | b'n')) && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
            let end = skip_while(bytes, at + 1, |b| b.is_ascii_digit());
            line_number = line[at + 1..end].parse().ok();
            at = skip_blanks(bytes, end);
        }
        if matches!(bytes.get(at), None | Some(b';' | b'*')) {
            return None;
        }
        let mut command = Command {
            raw: Cow::Borrowed(line),
            name: Name::InLine(Span::default()),
            args: Span::default(),
            line_number,
            letters: Letters::default(),
            named: Ok(Vec::new()),
            extended: false,
        };
        match traditional_name(bytes, at) {
            Some(end) => command.parse_traditional(line, at, end),
            None => command.parse_extended(line, at),
        }
        Some(command)
    }

    fn parse_traditional(&mut self, line: &str, start: usize, end: usize) {
        let bytes = line.as_bytes();
        self.name = name_of(line, start, end);
        let mut at = skip_blanks(bytes, end);
        let args_start = at;
        let mut args_end = bytes.len();
        while at < bytes.len() {
            let key = bytes[at];
            if key == b';' || (key == b'*' && self.line_number.is_some()) {
                args_end = at;
                break;
            }
            at += 1;
            let value = skip_blanks(bytes, at);
            at = skip_while(bytes, value, |b| !b.is_ascii_alphabetic() && b != b';' && b != b'*');
            if key.is_ascii_alphabetic() {
                let value_end = trim_blanks(bytes, value, at);
                let value = Span(value as u32, value_end as u32);
                self.letters.push(Letter { key: key.to_ascii_uppercase(), value });
            }
        }
        self.args = Span(args_start as u32, trim_blanks(bytes, args_start, args_end) as u32);
    }

    fn parse_extended(&mut self, line: &str, start: usize) {
        let bytes = line.as_bytes();
        self.extended = true;
        let end = skip_while(bytes, start, |b| !b.is_ascii_whitespace() && b != b';');
        self.name = name_of(line, start, end);
        let args_start = skip_blanks(bytes, end);
        let (named, args_end) = split_named(line, args_start, self.line_number.is_some());
        self.named = named;
        self.args = Span(args_start as u32, trim_blanks(bytes, args_start, args_end) as u32);
    }

    /// The same command with a text of its own.
    pub fn into_owned(self) -> OwnedCommand {
        Command { raw: Cow::Owned(self.raw.into_owned()), ..self }
    }

    /// Upper-case name: `G1`, `SET_PIN`.
    pub fn name(&self) -> &str {
        match &self.name {
            Name::InLine(span) => span.of(&self.raw),
            Name::Apart(name) => name,
        }
    }

    /// The line as it was given, without its line end.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The text behind the name, comment and checksum removed: for M117, and for a macro's `rawparams`.
    pub fn raw_params(&self) -> &str {
        self.args.of(&self.raw)
    }

    /// The `N` number of the line.
    pub fn line_number(&self) -> Option<u32> {
        self.line_number
    }

    /// Whether the command is `NAME KEY=value` rather than a letter and a number.
    pub fn is_extended(&self) -> bool {
        self.extended
    }

    /// The last value given for a key (upper case); traditional commands have keys of one letter.
    pub fn get(&self, key: &str) -> Option<&str> {
        if self.extended {
            return self.named.as_ref().ok()?.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        }
        match key.as_bytes() {
            [letter] => self.letter(*letter),
            _ => None,
        }
    }

    /// The last value given for a letter (upper case) of a traditional command.
    pub fn letter(&self, key: u8) -> Option<&str> {
        self.letters.iter().rev().find(|l| l.key == key).map(|l| l.value.of(&self.raw))
    }

    /// The letters of a traditional command with their values, in order.
    pub fn letters(&self) -> impl Iterator<Item = (u8, &str)> {
        self.letters.iter().map(|l| (l.key, l.value.of(&self.raw)))
    }

    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// All parameters, keys in upper case, in order; for a macro's `params`.
    pub fn params(&self) -> Vec<(String, String)> {
        match &self.named {
            Ok(named) if self.extended => named.clone(),
            _ => self.letters().map(|(k, v)| ((k as char).to_string(), v.to_string())).collect(),
        }
    }

    /// "Malformed command" where an extended command lacks a `=` or a closing quote. The dispatcher asks before it
    /// calls a handler that reads parameters.
    pub fn well_formed(&self) -> Result<(), CommandError> {
        match self.named {
            Ok(_) => Ok(()),
            Err(Malformed) => {
                let error = CommandError::new(format!("Malformed command '{}'", self.raw.trim()));
                Err(error.within("parameters are KEY=value, with quotes around values that hold blanks"))
            }
        }
    }

    /// An error of this command, in its own words.
    pub fn error(&self, message: impl Into<String>) -> CommandError {
        CommandError::new(message)
    }
}

fn skip_while(bytes: &[u8], mut at: usize, test: impl Fn(u8) -> bool) -> usize {
    while bytes.get(at).is_some_and(|b| test(*b)) {
        at += 1;
    }
    at
}

fn skip_blanks(bytes: &[u8], at: usize) -> usize {
    skip_while(bytes, at, |b| b.is_ascii_whitespace())
}

fn trim_blanks(bytes: &[u8], start: usize, mut end: usize) -> usize {
    while end > start && bytes[end - 1].is_ascii_whitespace() {
        end -= 1;
    }
    end
}

/// End of a traditional name at `start`: a letter, then digits and dots, and no name going on behind them.
fn traditional_name(bytes: &[u8], start: usize) -> Option<usize> {
    let digits = start + 1;
    if !bytes.get(start)?.is_ascii_alphabetic() || !bytes.get(digits)?.is_ascii_digit() {
        return None;
    }
    let end = skip_while(bytes, digits, |b| b.is_ascii_digit() || b == b'.');
    (bytes.get(end) != Some(&b'_')).then_some(end)
}

fn name_of(line: &str, start: usize, end: usize) -> Name {
    let text = &line[start..end];
    match text.bytes().any(|b| b.is_ascii_lowercase()) {
        true => Name::Apart(text.to_ascii_uppercase()),
        false => Name::InLine(Span(start as u32, end as u32)),
    }
}

type Named = Result<Vec<(String, String)>, Malformed>;

/// `KEY=value` words as a shell splits them, and where the comment begins. `checksum`: a `*` outside quotes ends the
/// line too.
fn split_named(line: &str, start: usize, checksum: bool) -> (Named, usize) {
    let mut params: Named = Ok(Vec::new());
    let mut word = String::new();
    let mut in_word = false;
    let mut quote: Option<char> = None;
    let mut end = line.len();
    let mut chars = line[start..].char_indices();
    while let Some((i, c)) = chars.next() {
        match (quote, c) {
            (Some('"'), '\\') => match chars.next() {
                Some((_, next @ ('"' | '\\'))) => word.push(next),
                Some((_, next)) => word.extend(['\\', next]),
                None => {}
            },
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.push(c),
            (None, ';' | '#') => {
                end = start + i;
                break;
            }
            (None, '*') if checksum => {
                end = start + i;
                break;
            }
            (None, '"' | '\'') => {
                quote = Some(c);
                in_word = true;
            }
            (None, '\\') => {
                word.extend(chars.next().map(|(_, next)| next));
                in_word = true;
            }
            (None, c) if c.is_whitespace() => {
                end_word(&mut params, &mut word, &mut in_word);
            }
            (None, c) => {
                word.push(c);
                in_word = true;
            }
        }
    }
    end_word(&mut params, &mut word, &mut in_word);
    if quote.is_some() {
        params = Err(Malformed);
    }
    (params, end)
}

fn end_word(params: &mut Named, word: &mut String, in_word: &mut bool) {
    if std::mem::take(in_word) {
        let word = std::mem::take(word);
        match (word.split_once('='), &mut *params) {
            (Some((key, value)), Ok(list)) => list.push((key.to_uppercase(), value.to_string())),
            _ => *params = Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Command<'_> {
        Command::parse(line).unwrap_or_else(|| panic!("no command in {line:?}"))
    }

    #[test]
    fn traditional_lines_give_letters_whatever_their_blanks_and_case() {
        for line in
            ["G1 X10 Y-2.5 E.5", "g1x10y-2.5e.5", "  G1  X 10  Y -2.5\tE.5 ; move", "N7 G1 X10 Y-2.5 E.5*33\r\n"]
        {
            let command = parse(line);
            assert_eq!(command.name(), "G1", "{line}");
            let letters: Vec<_> = command.letters().collect();
            assert_eq!(letters, [(b'X', "10"), (b'Y', "-2.5"), (b'E', ".5")], "{line}");
        }
        assert_eq!(parse("N7 G1 X1*3").line_number(), Some(7));
        assert_eq!(parse("M862.3 P1").name(), "M862.3");
    }

    #[test]
    fn extended_lines_give_named_values() {
        let command = parse(r#"set_pin pin=fan VALUE="a \"b\" ; c" X='d e' ; comment"#);
        assert_eq!(command.name(), "SET_PIN");
        assert_eq!(command.get("PIN"), Some("fan"));
        assert_eq!(command.get("VALUE"), Some("a \"b\" ; c"));
        assert_eq!(command.get("X"), Some("d e"));
        assert_eq!(command.raw_params(), r#"pin=fan VALUE="a \"b\" ; c" X='d e'"#);
        assert!(command.well_formed().is_ok());
        assert_eq!(parse("T1_LOAD A=1").name(), "T1_LOAD");
        assert_eq!(parse("START_PRINT2 A=1").get("A"), Some("1"));
    }

    #[test]
    fn malformed_parameters_are_told_but_do_not_hide_the_name() {
        for line in ["SET_PIN PIN", "SET_PIN PIN=\"a", "RESPOND hello=1 world"] {
            let command = parse(line);
            assert!(!command.name().is_empty());
            let error = command.well_formed().unwrap_err();
            assert_eq!(error.message, format!("Malformed command '{line}'"));
        }
    }

    #[test]
    fn lines_without_a_command_give_none() {
        for line in ["", "  ", "; only a comment", "\r\n", "N12", "N3*7", " \t;x"] {
            assert!(Command::parse(line).is_none(), "{line:?}");
        }
    }

    #[test]
    fn text_commands_keep_their_text() {
        let command = parse("M117 Printing layer 3: 50% * 2 ; note");
        assert_eq!(command.raw_params(), "Printing layer 3: 50% * 2");
        assert_eq!(parse("N4 M117 hello*77").raw_params(), "hello");
        assert_eq!(parse("M118 Grüße äöü").raw_params(), "Grüße äöü");
    }

    #[test]
    fn a_command_can_own_its_text() {
        let owned = { Command::parse(&String::from("G1 X5 F600")).map(Command::into_owned) }.unwrap();
        assert_eq!((owned.name(), owned.get("X"), owned.get("F")), ("G1", Some("5"), Some("600")));
    }

    #[test]
    fn many_letters_go_to_the_heap_and_the_last_of_a_kind_wins() {
        let line = "M900 A1 B2 C3 D4 E5 F6 H7 I8 J9 K10 L11 O12 P13 Q14 A99";
        let command = parse(line);
        assert_eq!((command.get("Q"), command.get("A")), (Some("14"), Some("99")));
        assert_eq!(command.params().len(), 15);
    }
}
