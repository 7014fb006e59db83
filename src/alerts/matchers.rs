//! Matchers as Alertmanager's files write them: `severity="critical"`, `{a="b", c!~"d|e"}`, `severity = critical`.
//!
//! Two grammars exist upstream. The newer one takes any UTF-8 name, quoted where it holds a reserved character, and
//! refuses unquoted values with reserved characters. The older one takes plain names and nearly any value. A text is
//! read by the newer grammar and, where that fails, by the older, as Alertmanager does by default.

use crate::model::matcher::{MatchOp, Matcher};

/// Reads a list of matchers separated by commas, in braces or not. An empty text is an empty list.
///
/// # Errors
/// What is wrong, in one line.
pub fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    match parse_utf8(text) {
        Ok(matchers) => Ok(matchers),
        Err(reason) => parse_classic(text).map_err(|classic| match classic {
            // Both fail: the regular expression's reason says more than the grammar's.
            Classic::Regex(reason) => reason,
            Classic::Format => reason,
        }),
    }
}

/// Where a text is not a list of matchers: the place, in bytes, of what could not be read, or of a matcher whose regular
/// expression is wrong.
pub fn fault(text: &str) -> Option<usize> {
    let mut reader = Reader { rest: text };
    parse(text).err()?;
    read(&mut reader).err()?;
    Some(text.len() - reader.rest.len())
}

/// Reads one matcher, without braces.
///
/// # Errors
/// What is wrong, in one line.
pub fn parse_one(text: &str) -> Result<Matcher, String> {
    if text.trim_start().starts_with('{') {
        return Err("unexpected open or close brace".to_owned());
    }
    let mut found = parse(text)?;
    match (found.pop(), found.is_empty()) {
        (Some(matcher), true) => Ok(matcher),
        (Some(_), false) => Err("expected one matcher".to_owned()),
        (None, _) => Err("no matcher".to_owned()),
    }
}

fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\"'`\\".contains(c)
}

/// How Alertmanager prints a matcher in group keys: the name quoted only where it holds a reserved character.
pub fn format(matcher: &Matcher) -> String {
    use crate::model::labels::quote;
    let name = matcher.name();
    let name = if name.is_empty() || name.contains(is_reserved) {
        quote(name)
    } else {
        name.to_owned()
    };
    format!("{name}{}{}", matcher.op().as_str(), quote(matcher.value()))
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn operator(&mut self) -> Option<MatchOp> {
        self.skip_space();
        let operators = [
            ("=~", MatchOp::Regex),
            ("!~", MatchOp::NotRegex),
            ("!=", MatchOp::NotEqual),
            ("=", MatchOp::Equal),
        ];
        let (text, operator) = operators
            .into_iter()
            .find(|(text, _)| self.rest.starts_with(text))?;
        self.rest = &self.rest[text.len()..];
        Some(operator)
    }

    fn word(&mut self, what: &str) -> Result<String, String> {
        self.skip_space();
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        let end = self.rest.find(is_reserved).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(format!("expected {what} {}", self.here()));
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word.to_owned())
    }

    fn quoted(&mut self) -> Result<String, String> {
        let body = &self.rest[1..];
        let mut escaped = false;
        for (i, c) in body.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    self.rest = &body[i + 1..];
                    return unquote(&body[..i])
                        .ok_or_else(|| format!("bad escape in \"{}\"", &body[..i]));
                }
                _ => {}
            }
        }
        Err(format!("missing closing quote after {:?}", self.rest))
    }

    fn here(&self) -> String {
        if self.rest.is_empty() {
            "at the end".to_owned()
        } else {
            format!(
                "before {:?}",
                self.rest.chars().take(40).collect::<String>()
            )
        }
    }
}

fn parse_utf8(text: &str) -> Result<Vec<Matcher>, String> {
    read(&mut Reader { rest: text })
}

fn read(reader: &mut Reader<'_>) -> Result<Vec<Matcher>, String> {
    let mut matchers = Vec::new();
    let braces = reader.take('{');
    loop {
        reader.skip_space();
        if reader.rest.is_empty() || reader.rest.starts_with('}') {
            break;
        }
        let start = reader.rest;
        let name = reader.word("a label name")?;
        let operator = reader
            .operator()
            .ok_or_else(|| format!("expected one of = != =~ !~ {}", reader.here()))?;
        let value = reader.word("a label value")?;
        match Matcher::new(name, operator, value) {
            Ok(matcher) => matchers.push(matcher),
            Err(error) => {
                reader.rest = start;
                return Err(error.to_string());
            }
        }
        if !reader.take(',') {
            break;
        }
    }
    if reader.take('}') != braces {
        return Err(if braces {
            format!("expected a comma or a closing brace {}", reader.here())
        } else {
            "closing brace without an opening one".to_owned()
        });
    }
    reader.skip_space();
    if reader.rest.is_empty() {
        Ok(matchers)
    } else {
        Err(format!("expected a comma or the end {}", reader.here()))
    }
}

/// Go's escapes in an interpreted string.
fn unquote(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    let push = |bytes: &mut Vec<u8>, c: char| {
        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    };
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '\n' {
            return None;
        }
        if c != '\\' {
            push(&mut bytes, c);
            continue;
        }
        let escape = rest.chars().next()?;
        rest = &rest[escape.len_utf8()..];
        let mut number = |digits: usize, radix: u32| {
            let value = u32::from_str_radix(rest.get(..digits)?, radix).ok()?;
            rest = &rest[digits..];
            Some(value)
        };
        match escape {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' | '"' => push(&mut bytes, escape),
            'x' => bytes.push(u8::try_from(number(2, 16)?).ok()?),
            'u' => push(&mut bytes, char::from_u32(number(4, 16)?)?),
            'U' => push(&mut bytes, char::from_u32(number(8, 16)?)?),
            '0'..='7' => {
                let high = escape.to_digit(8)?;
                bytes.push(u8::try_from(high * 64 + number(2, 8)?).ok()?);
            }
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok()
}

enum Classic {
    Format,
    Regex(String),
}

fn parse_classic(text: &str) -> Result<Vec<Matcher>, Classic> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        let last = parts.len() - 1;
        match c {
            ',' if !quoted => {
                parts.push(String::new());
                continue;
            }
            '"' if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
        parts[last].push(c);
    }
    if parts.last().is_some_and(|part| part.trim().is_empty()) {
        parts.pop();
    }
    parts.iter().map(|part| classic_matcher(part)).collect()
}

fn classic_matcher(text: &str) -> Result<Matcher, Classic> {
    let text = text.trim();
    let name_end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    if !crate::model::labels::is_legacy_metric_name(name) {
        return Err(Classic::Format);
    }
    let mut reader = Reader { rest };
    let operator = reader.operator().ok_or(Classic::Format)?;
    let raw = reader.rest.trim();
    let (raw, mut closing) = match raw.strip_prefix('"') {
        Some(raw) => (raw, true),
        None => (raw, false),
    };
    let mut value = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\')) => value.push(c),
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            '"' if closing && chars.peek().is_none() => closing = false,
            '"' => return Err(Classic::Format),
            c => value.push(c),
        }
    }
    if closing {
        return Err(Classic::Format);
    }
    Matcher::new(name, operator, value).map_err(|error| Classic::Regex(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_a_place() {
        let check = |text: &str, want: Option<usize>| assert_eq!(fault(text), want, "{text}");
        check(r#"a="b""#, None);
        check("severity = critical", None);
        check(r#"a="b", severity"critical""#, Some(15));
        check(r#"a="b", c=~"(""#, Some(7));
        check(r#"a="b"#, Some(2));
        check("größe", Some("größe".len()));
        check(r#"{a="b"}}"#, Some(7));
    }

    #[test]
    fn both_grammars_read_as_alertmanager_reads_them() {
        let check = |text: &str, want: &[&str]| {
            let read = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(read.iter().map(format).collect::<Vec<_>>(), want, "{text}");
        };
        check(r#"severity="critical""#, &[r#"severity="critical""#]);
        check("severity = critical", &[r#"severity="critical""#]);
        check(r#"{a="b", c!~"d|e",}"#, &[r#"a="b""#, r#"c!~"d|e""#]);
        check("a=b,c!=d", &[r#"a="b""#, r#"c!="d""#]);
        check("", &[]);
        check("{}", &[]);
        check(r#"a=~"x,y{2}""#, &[r#"a=~"x,y{2}""#]);
        check(r#"a="" "#, &[r#"a="""#]);
        check("a=", &[r#"a="""#]);
        check(r#""my label"="x""#, &[r#""my label"="x""#]);
        check("größe=ü", &[r#"größe="ü""#]);
        check(r#"a="q\"u\\o\nte""#, &[r#"a="q\"u\\o\nte""#]);
        check("a=~(b|c)!", &[r#"a=~"(b|c)!""#]);
        check(r#"a=~"\d+""#, &[r#"a=~"\\d+""#]);
    }

    #[test]
    fn what_neither_grammar_reads_is_refused_with_a_reason() {
        for text in [
            "severity",
            "=a",
            r#"a="b"#,
            r#"a=~"(""#,
            "{=b}",
            "1a=b=c\"",
            "a b=c",
        ] {
            let read = parse(text);
            let error = read.map(|read| format!("{read:?}")).expect_err(text);
            assert!(!error.is_empty() && !error.contains('\n'), "{error}");
        }
    }
}
