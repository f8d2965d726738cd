//! Template source before minijinja compiles it: operators and literals that must behave as Python's.
//!
//! minijinja lets one replace filters and functions, but no operators and no literals. So, inside `{% %}` and `{ }`:
//!
//! | written | compiled |
//! | --- | --- |
//! | `a % b` | `a\|__mod(b)` |
//! | `a ** b` | `a\|__pow(b)` |
//! | `a < b` and `<=`, `>`, `>=` | `(a)\|__lt(b)` |
//! | `a < b < c` | `((a)\|__lt(b) and (b)\|__lt(c))` |
//! | `[a, b]` | `__list([a, b])` |
//! | `{a: b}` | `__dict({a: b})` |
//! | `{% set ns.x = a %}` | `{% set ns.x = __bounded((a)) %}`: a loop could nest values without end |
//!
//! No line break is added or removed, so line numbers in errors stay true. Source that this cannot follow is left as it
//! is: minijinja then tells what is wrong with it.

/// The source that minijinja gets.
pub fn rewrite(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + source.len() / 4);
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(end) = rest.starts_with("{#").then(|| rest.find("#}")).flatten() {
            out.push_str(&rest[..end + 2]);
            rest = &rest[end + 2..];
            continue;
        }
        let block = rest.starts_with("{%");
        if let Some(end) = block.then(|| raw_block_end(rest)).flatten() {
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let body = if block { 2 } else { 1 };
        match Region::new(&rest[body..], block).rewrite() {
            Some((text, used)) => {
                out.push_str(&rest[..body]);
                out.push_str(&text);
                rest = &rest[body + used..];
            }
            None => {
                out.push_str(rest);
                return out;
            }
        }
    }
    out.push_str(rest);
    out
}

/// End of `{% raw %}...{% endraw %}` where the text starts with one.
fn raw_block_end(text: &str) -> Option<usize> {
    let inner = text[2..].trim_start_matches(['-', '+']).trim_start().strip_prefix("raw")?;
    inner.trim_start().trim_start_matches('-').strip_prefix("%}")?;
    let end = text.find("endraw")?;
    Some(end + text[end..].find("%}")? + 2)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The region itself.
    Whole,
    /// Between brackets that close with this byte; the text is written behind the closing one.
    Bracket(u8, &'static str),
    /// The right side of a `%`, which ends where its operand does.
    Modulo,
    /// The right side of a `**`, which ends there too, or at the next `**`.
    Power,
}

/// What stands before an operand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lead {
    Nothing,
    /// `*`, `/`, `//`, a `%` left alone or a sign: it takes the operand before a `%` behind it does.
    Tight,
}

/// A comparison whose right side is being read.
struct Comparison {
    start: usize,
    right: usize,
    chained: bool,
}

struct Frame {
    kind: Kind,
    lead: Lead,
    /// Whether an operand has been read and may go on (`.name`, `[..]`, `(..)`, `|filter`).
    operand: bool,
    /// Where the left side of a comparison would start.
    compare_start: Option<usize>,
    comparison: Option<Comparison>,
}

impl Frame {
    fn new(kind: Kind) -> Self {
        Frame { kind, lead: Lead::Nothing, operand: false, compare_start: None, comparison: None }
    }
}

struct Region<'a> {
    text: &'a str,
    at: usize,
    block: bool,
    out: String,
    frames: Vec<Frame>,
}

/// Words that stand between expressions.
const WORDS: [&str; 9] = ["and", "or", "not", "if", "else", "elif", "in", "for", "recursive"];

/// More brackets than this are left to minijinja to refuse.
const DEPTH_MAX: usize = 200;

impl<'a> Region<'a> {
    fn new(text: &'a str, block: bool) -> Self {
        Region { text, at: 0, block, out: String::new(), frames: vec![Frame::new(Kind::Whole)] }
    }

    fn top(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the whole region's frame is never popped")
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn copy(&mut self, len: usize) {
        self.out.push_str(&self.text[self.at..self.at + len]);
        self.at += len;
    }

    /// The rewritten region with its closing delimiter, and how much text it took. `None` if it does not close.
    fn rewrite(mut self) -> Option<(String, usize)> {
        if matches!(self.peek(0), b'-' | b'+') {
            self.copy(1);
        }
        let mut behind = "";
        if self.block {
            self.copy_blanks();
            // The statement's own word: set, if, for, do...
            let word = self.word_len();
            let set = &self.text[self.at..self.at + word] == "set";
            self.copy(word);
            if let Some(len) = set.then(|| self.attribute_assignment()).flatten() {
                self.copy(len);
                self.out.push_str(" __bounded((");
                behind = "))";
            }
        }
        loop {
            self.copy_blanks();
            if self.at >= self.text.len() || self.frames.len() > DEPTH_MAX {
                return None;
            }
            if let Some(len) = self.closing_len() {
                self.end_operand();
                self.end_comparison();
                (self.frames.len() == 1).then_some(())?;
                self.out.push_str(behind);
                self.copy(len);
                return Some((self.out, self.at));
            }
            self.token()?;
        }
    }

    /// Length of `name.name =` where it stands next.
    fn attribute_assignment(&self) -> Option<usize> {
        let (target, value) = self.text[self.at..].split_once('=')?;
        let (object, attribute) = target.trim().split_once('.')?;
        let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let names = word(object.trim_end()) && word(attribute.trim_start());
        (names && !value.starts_with('=')).then_some(target.len() + 1)
    }

    fn copy_blanks(&mut self) {
        let rest = &self.text[self.at..];
        let len = rest.len() - rest.trim_start().len();
        self.copy(len);
    }

    /// Length of the region's closing delimiter where it stands next.
    fn closing_len(&self) -> Option<usize> {
        let rest = &self.text[self.at..];
        let signs = usize::from(rest.starts_with('-') || (self.block && rest.starts_with('+')));
        if self.block {
            return rest[signs..].starts_with("%}").then_some(signs + 2);
        }
        // Inside brackets a brace closes a dictionary.
        let open = self.frames.iter().any(|f| matches!(f.kind, Kind::Bracket(..)));
        (!open && rest[signs..].starts_with('}')).then_some(signs + 1)
    }

    fn word_len(&self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count()
    }

    fn token(&mut self) -> Option<()> {
        let byte = self.peek(0);
        match byte {
            b'"' | b'\'' => {
                let len = string_len(&self.text[self.at..])?;
                self.operand(len);
            }
            b'0'..=b'9' => {
                let len = number_len(&self.text.as_bytes()[self.at..]);
                self.operand(len);
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
            b'.' => self.postfix_name(),
            b'|' => self.postfix_name(),
            b'(' | b'[' | b'{' => self.open(byte)?,
            b')' | b']' | b'}' => self.close(byte)?,
            b'<' | b'>' => self.compare(),
            b'%' => self.percent(),
            b'*' if self.peek(1) == b'*' => {
                self.end_operand_of(&[Kind::Power]);
                self.at += 2;
                self.out.push_str("|__pow(");
                self.frames.push(Frame::new(Kind::Power));
            }
            b'+' | b'-' | b'*' | b'/' | b'~' => self.arithmetic(byte),
            b'=' | b'!' => {
                self.boundary();
                let len = if self.peek(1) == b'=' { 2 } else { 1 };
                self.copy(len);
            }
            b',' | b':' => {
                self.boundary();
                self.copy(1);
            }
            // Other ASCII is no Jinja; other text may be in names.
            byte if byte.is_ascii() => return None,
            _ => {
                let len = self.text[self.at..].chars().next()?.len_utf8();
                self.operand(len);
            }
        }
        Some(())
    }

    fn begin_operand(&mut self) {
        if self.top().operand {
            // Two operands side by side, as in `x is divisibleby 3`.
            self.end_operand();
        }
        let at = self.out.len();
        let top = self.top();
        top.compare_start.get_or_insert(at);
        top.operand = true;
    }

    fn operand(&mut self, len: usize) {
        self.begin_operand();
        self.copy(len);
    }

    fn word(&mut self) {
        let len = self.word_len();
        let word = &self.text[self.at..self.at + len];
        if WORDS.contains(&word) {
            self.boundary();
            self.copy(len);
        } else if word == "is" {
            self.copy(len);
        } else {
            self.operand(len);
        }
    }

    /// `.name` and `|filter` go on with the operand before them.
    fn postfix_name(&mut self) {
        self.copy(1);
        self.copy_blanks();
        let len = self.word_len();
        self.copy(len);
    }

    fn open(&mut self, byte: u8) -> Option<()> {
        let goes_on = self.top().operand;
        let (close, before, behind) = match (byte, goes_on) {
            (b'(', _) => (b')', "", ""),
            (b'[', true) => (b']', "", ""),
            (b'[', false) => (b']', "__list(", ")"),
            (b'{', false) => (b'}', "__dict(", ")"),
            _ => return None,
        };
        if !goes_on {
            self.begin_operand();
        }
        self.out.push_str(before);
        self.copy(1);
        self.frames.push(Frame::new(Kind::Bracket(close, behind)));
        Some(())
    }

    fn close(&mut self, byte: u8) -> Option<()> {
        self.end_operand();
        self.end_comparison();
        match self.top().kind {
            Kind::Bracket(close, behind) if close == byte => {
                self.frames.pop();
                self.copy(1);
                self.out.push_str(behind);
                self.top().operand = true;
                Some(())
            }
            _ => None,
        }
    }

    /// Ends the right sides of `%` and `**` that end here.
    fn end_operand(&mut self) {
        self.end_operand_of(&[Kind::Modulo, Kind::Power]);
    }

    fn end_operand_of(&mut self, kinds: &[Kind]) {
        while self.top().operand && kinds.contains(&self.top().kind) {
            self.frames.pop();
            self.out.push(')');
            self.top().operand = true;
        }
    }

    fn end_comparison(&mut self) {
        if let Some(comparison) = self.top().comparison.take() {
            self.out.push(')');
            if comparison.chained {
                self.out.insert(comparison.start, '(');
                self.out.push(')');
            }
        }
    }

    /// What looser operators, commas and words do: whatever was being read ends here.
    fn boundary(&mut self) {
        self.end_operand();
        self.end_comparison();
        let top = self.top();
        top.operand = false;
        top.lead = Lead::Nothing;
        top.compare_start = None;
    }

    fn arithmetic(&mut self, byte: u8) {
        self.end_operand();
        let at = self.out.len();
        let top = self.top();
        let unary = !top.operand;
        top.compare_start.get_or_insert(at);
        top.lead = if unary || matches!(byte, b'*' | b'/') { Lead::Tight } else { Lead::Nothing };
        top.operand = false;
        let len = if byte == b'/' && self.peek(1) == b'/' { 2 } else { 1 };
        self.copy(len);
    }

    fn percent(&mut self) {
        self.end_operand();
        let top = self.top();
        if top.operand && top.lead == Lead::Nothing {
            self.at += 1;
            self.out.push_str("|__mod(");
            self.frames.push(Frame::new(Kind::Modulo));
        } else {
            (top.operand, top.lead) = (false, Lead::Tight);
            self.copy(1);
        }
    }

    fn compare(&mut self) {
        self.end_operand();
        let (name, len) = match (self.peek(0), self.peek(1)) {
            (b'<', b'=') => ("|__le(", 2),
            (b'<', _) => ("|__lt(", 1),
            (_, b'=') => ("|__ge(", 2),
            _ => ("|__gt(", 1),
        };
        let end = self.out.len();
        let top = self.frames.last_mut().expect("the whole region's frame is never popped");
        (top.operand, top.lead) = (false, Lead::Nothing);
        match &mut top.comparison {
            Some(comparison) => {
                let right = self.out[comparison.right..end].to_string();
                self.out.push_str(") and (");
                self.out.push_str(&right);
                comparison.chained = true;
            }
            None => {
                let start = top.compare_start.unwrap_or(end);
                self.out.insert(start, '(');
                top.comparison = Some(Comparison { start, right: 0, chained: false });
            }
        }
        self.at += len;
        self.out.push(')');
        self.out.push_str(name);
        let right = self.out.len();
        if let Some(comparison) = &mut top.comparison {
            comparison.right = right;
        }
    }
}

/// Length of the string literal at the start of `text`.
fn string_len(text: &str) -> Option<usize> {
    let quote = text.as_bytes()[0];
    let mut escaped = false;
    for (i, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            byte if byte == quote => return Some(i + 1),
            _ => {}
        }
    }
    None
}

fn number_len(bytes: &[u8]) -> usize {
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let mut len = digits(0);
    if bytes.get(len) == Some(&b'.') && bytes.get(len + 1).is_some_and(u8::is_ascii_digit) {
        len += 1 + digits(len + 1);
    }
    let exponent = len > 0 && matches!(bytes[len - 1], b'e' | b'E') && matches!(bytes.get(len), Some(b'+' | b'-'));
    if exponent && bytes.get(len + 1).is_some_and(u8::is_ascii_digit) {
        len += 1 + digits(len + 1);
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_become_filters_and_literals_become_calls() {
        for (source, expected) in [
            ("G1 X{x}", "G1 X{x}"),
            ("{'%.3f' % x}", "{'%.3f' |__mod( x)}"),
            ("{'%.1f %s' % (a, b)}", "{'%.1f %s' |__mod( (a, b))}"),
            ("{ '%d' % x|int + 1 }", "{ '%d' |__mod( x|int )+ 1 }"),
            ("{a * b % c}", "{a * b % c}"),
            ("{a % b % c}", "{a |__mod( b )|__mod( c)}"),
            ("{ -a % b}", "{ -a % b}"),
            ("{a % -b}", "{a |__mod( -b)}"),
            ("{a ** b ** c * d}", "{a |__pow( b )|__pow( c )* d}"),
            ("{a % b ** 2 + 1}", "{a |__mod( b |__pow( 2 ))+ 1}"),
            ("{% if a < b %}", "{% if (a )|__lt( b )%}"),
            ("{% if a+1 >= b and not c > d %}", "{% if (a+1 )|__ge( b )and not (c )|__gt( d )%}"),
            ("{% if 0 < x < 5 %}", "{% if ((0 )|__lt( x ) and ( x )|__lt( 5 ))%}"),
            ("{% set a = [1, [2]] %}", "{% set a = __list([1, __list([2])]) %}"),
            ("{a[0][b]}", "{a[0][b]}"),
            ("{% set d = {'a': [x % 2]} %}", "{% set d = __dict({'a': __list([x |__mod( 2)])}) %}"),
            ("{% if x > 1 if y else z %}", "{% if (x )|__gt( 1 )if y else z %}"),
            ("{f(a < b, c % d)}", "{f((a )|__lt( b), c |__mod( d))}"),
            ("{% set ns.x = ns.x, a % b -%}", "{% set ns.x = __bounded(( ns.x, a |__mod( b )))-%}"),
            ("{% set x = a.b == c %}", "{% set x = a.b == c %}"),
            ("{% for i in [1] %}", "{% for i in __list([1]) %}"),
            ("{% raw %}{a % b}{% endraw %}{c % d}", "{% raw %}{a % b}{% endraw %}{c |__mod( d)}"),
            ("{'a } % b'}", "{'a } % b'}"),
            ("{x == 1e-5 % 2}", "{x == 1e-5 |__mod( 2)}"),
            ("unclosed { a % b", "unclosed { a % b"),
            ("{a % b", "{a % b"),
        ] {
            assert_eq!(rewrite(source), expected);
        }
    }

    #[test]
    fn line_breaks_stay_where_they_are() {
        let source = "{% set a = [\n 1,\n 2 ] %}\n{a\n % b}\n{% if a\n <\n b %}";
        assert_eq!(rewrite(source).matches('\n').count(), source.matches('\n').count());
    }
}
