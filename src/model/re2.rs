//! Regular expressions as Prometheus and Alertmanager read them (Go's `regexp`, RE2 syntax), for the engine used here.
//!
//! The two syntaxes differ in places that files in use rely on: Go takes a `{` that begins no repetition as itself, knows
//! `\Q...\E` and octal escapes, and its `\d`, `\w`, `\s` and `\b` are ASCII; here `&&`, `--`, `~~` and a nested `[` mean
//! something in a class. Those are rewritten and nothing else; what both refuse is left to the engine to refuse.
//! See <https://github.com/google/re2/wiki/Syntax>.

use regex::{Regex, RegexBuilder};

/// A regular expression that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad regular expression {pattern:?}: {reason}")]
pub struct RegexError {
    /// The expression as written.
    pub pattern: String,
    /// What the reader says, on one line.
    pub reason: String,
}

/// The most memory a compiled expression takes.
const SIZE_LIMIT: usize = 1 << 20;

/// Compiles an expression that may match anywhere.
///
/// # Errors
/// Where the expression is not valid or compiles to more than 1 MiB.
pub fn compile(text: &str) -> Result<Regex, RegexError> {
    let translated = translate(text).map_err(|reason| refusal(text, reason))?;
    build(text, &translated)
}

/// Compiles an expression anchored at both ends, `.` matching line breaks.
///
/// # Errors
/// Where the expression is not valid or compiles to more than 1 MiB.
pub fn anchored(text: &str) -> Result<Regex, RegexError> {
    let translated = translate(text).map_err(|reason| refusal(text, reason))?;
    // Check the expression alone first: `a)(b` must not become valid through the group around it.
    build(text, &translated)?;
    build(text, &format!("^(?s:{translated})$"))
}

fn build(text: &str, translated: &str) -> Result<Regex, RegexError> {
    RegexBuilder::new(translated)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| {
            // The engine draws a multi-line picture; its last line holds the reason.
            let picture = error.to_string();
            let reason = picture.lines().last().unwrap_or_default();
            refusal(text, reason.trim_start_matches("error: ").to_owned())
        })
}

fn refusal(text: &str, reason: String) -> RegexError {
    RegexError {
        pattern: text.chars().take(200).collect(),
        reason,
    }
}

/// Go's highest count in `x{n,m}`.
const MAX_REPEAT: u32 = 1000;

/// The same expression in the engine's syntax.
///
/// # Errors
/// Where Go refuses what the engine would take: a repetition of a repetition, a count above 1,000.
fn translate(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    let mut after_repetition = false;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = repetition(rest)? {
            if after_repetition {
                return Err(format!(
                    "repetition operator {:?} follows another",
                    &rest[..length]
                ));
            }
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            if let Some(lazy) = rest.strip_prefix('?') {
                out.push('?');
                rest = lazy;
            }
            after_repetition = true;
            continue;
        }
        after_repetition = false;
        rest = match c {
            '\\' => escape(&rest[1..], &mut out),
            '[' => class(&rest[1..], &mut out),
            '{' => {
                out.push_str(r"\{");
                &rest[1..]
            }
            _ => {
                out.push(c);
                // What stands behind an opening parenthesis or a `?` of a group's flags is no repetition.
                let next = &rest[c.len_utf8()..];
                match (c, next.strip_prefix('?')) {
                    ('(', Some(flags)) => {
                        out.push('?');
                        flags
                    }
                    _ => next,
                }
            }
        };
    }
    Ok(out)
}

/// The length of the repetition operator that `text` begins with.
fn repetition(text: &str) -> Result<Option<usize>, String> {
    if text.starts_with(['*', '+', '?']) {
        return Ok(Some(1));
    }
    let Some(body) = text.strip_prefix('{') else {
        return Ok(None);
    };
    let Some((counts, _)) = body.split_once('}') else {
        return Ok(None);
    };
    let (least, most) = counts.split_once(',').unwrap_or((counts, ""));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !number(least) || !(most.is_empty() || number(most)) {
        return Ok(None);
    }
    let fits = |text: &str| text.parse::<u32>().is_ok_and(|count| count <= MAX_REPEAT);
    if !fits(least) || !(most.is_empty() || fits(most)) {
        return Err(format!(
            "repeat count in {{{counts}}} is larger than {MAX_REPEAT}"
        ));
    }
    Ok(Some(counts.len() + 2))
}

/// An escape outside a class; `text` begins behind the backslash. Returns what follows.
fn escape<'a>(text: &'a str, out: &mut String) -> &'a str {
    if let Some(quoted) = text.strip_prefix('Q') {
        let (literal, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
        out.push_str(&regex::escape(literal));
        return rest;
    }
    if let Some(rest) = text.strip_prefix('b') {
        out.push_str(r"(?-u:\b)");
        return rest;
    }
    if let Some((set, negated, rest)) = perl_class(text) {
        out.push_str(if negated { "[^" } else { "[" });
        out.push_str(set);
        out.push(']');
        return rest;
    }
    character(text, out)
}

/// The members of `\d`, `\w`, `\s`, and whether it is their negation.
fn perl_class(text: &str) -> Option<(&'static str, bool, &str)> {
    let c = text.chars().next()?;
    let set = match c.to_ascii_lowercase() {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => r"\t\n\f\r ",
        _ => return None,
    };
    Some((set, c.is_ascii_uppercase(), &text[1..]))
}

/// An escaped character; `text` begins behind the backslash. Returns what follows.
fn character<'a>(text: &'a str, out: &mut String) -> &'a str {
    let Some(c) = text.chars().next() else {
        out.push('\\');
        return text;
    };
    let rest = &text[c.len_utf8()..];
    match c {
        '0'..='7' => {
            let digits = text
                .bytes()
                .take(3)
                .take_while(|byte| (b'0'..=b'7').contains(byte))
                .count();
            if c != '0' && digits == 1 {
                // A reference to a group: neither knows it, and the engine says so.
                out.push('\\');
                out.push(c);
                return rest;
            }
            let code = u32::from_str_radix(&text[..digits], 8).unwrap_or_default();
            out.push_str(&format!(r"\x{{{code:x}}}"));
            &text[digits..]
        }
        'x' | 'p' | 'P' if rest.starts_with('{') => {
            let end = rest.find('}').map_or(rest.len(), |end| end + 1);
            out.push('\\');
            out.push(c);
            out.push_str(&rest[..end]);
            &rest[end..]
        }
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => {
            literal(c, out);
            rest
        }
        _ => {
            out.push('\\');
            out.push(c);
            rest
        }
    }
}

/// A class; `text` begins behind its `[`. Returns what follows it.
fn class<'a>(text: &'a str, out: &mut String) -> &'a str {
    out.push('[');
    let mut rest = text;
    if let Some(negated) = rest.strip_prefix('^') {
        out.push('^');
        rest = negated;
    }
    let mut first = true;
    loop {
        if let Some(after) = rest.strip_prefix(']')
            && !first
        {
            out.push(']');
            return after;
        }
        first = false;
        if rest.starts_with("[:")
            && let Some(end) = rest.find(":]")
        {
            out.push_str(&rest[..end + 2]);
            rest = &rest[end + 2..];
            continue;
        }
        let escaped = rest.strip_prefix('\\');
        if let Some((set, negated, after)) = escaped.and_then(perl_class) {
            if negated {
                out.push_str("[^");
                out.push_str(set);
                out.push(']');
            } else {
                out.push_str(set);
            }
            rest = after;
            continue;
        }
        if rest.is_empty() {
            // Without an end: the engine says so.
            return rest;
        }
        rest = member(rest, out);
        if let Some(upper) = rest.strip_prefix('-')
            && !upper.is_empty()
            && !upper.starts_with(']')
        {
            out.push('-');
            rest = member(upper, out);
        }
    }
}

/// One character of a class, escaped or not. Returns what follows.
fn member<'a>(text: &'a str, out: &mut String) -> &'a str {
    if let Some(escaped) = text.strip_prefix('\\') {
        return character(escaped, out);
    }
    let mut rest = text.chars();
    if let Some(c) = rest.next() {
        literal(c, out);
    }
    rest.as_str()
}

/// A character that stands for itself, in a class or outside.
fn literal(c: char, out: &mut String) {
    if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let compiled = anchored(pattern).expect(pattern);
        for text in matching {
            assert!(compiled.is_match(text), "{pattern} matches {text:?}");
        }
        for text in others {
            assert!(
                !compiled.is_match(text),
                "{pattern} does not match {text:?}"
            );
        }
    }

    #[test]
    fn a_brace_that_begins_no_repetition_is_itself() {
        check("a{", &["a{"], &["a"]);
        check("{job}", &["{job}"], &["job"]);
        check("x{,2}", &["x{,2}"], &["xx"]);
        check("x{1,2", &["x{1,2"], &["x"]);
        check("x{2}y{1,}", &["xxy", "xxyyy"], &["xy"]);
        check(r"\x{41}{2}", &["AA"], &["A"]);
    }

    #[test]
    fn shorthand_classes_are_ascii() {
        check(r"\w+", &["az_9"], &["é"]);
        check(r"\W", &["é", " "], &["a"]);
        check(r"\d", &["7"], &["\u{663}"]);
        check(r"\s", &[" ", "\t"], &["\u{a0}", "\u{b}"]);
        check(r"[\d_x]+", &["1_x"], &["y"]);
        check(r"[^\w]", &["é"], &["a"]);
        check(r"[\D]", &["a"], &["1"]);
        check(r"a\b.*", &["aé", "a b"], &["ab"]);
    }

    #[test]
    fn classes_have_members_and_ranges_alone() {
        check("[a[]", &["a", "["], &["]"]);
        check("[&&~~]", &["&", "~"], &["a"]);
        check("[+--]", &["+", ",", "-"], &["."]);
        check("[--/]", &["-", ".", "/"], &["+"]);
        check("[a-]", &["a", "-"], &["b"]);
        check("[]a]", &["]", "a"], &["b"]);
        check("[^]a]", &["b"], &["]", "a"]);
        check("[[:alpha:]_]", &["a", "_"], &["1"]);
        check(r"[\]\-\\]", &["]", "-", "\\"], &["a"]);
        check("[é-ö]", &["é", "ö"], &["e"]);
    }

    #[test]
    fn quotes_octals_and_escaped_punctuation_are_literal() {
        check(r"\Qa.b\E.", &["a.bc"], &["axbc"]);
        check(r"\Qa.b", &["a.b"], &["axb"]);
        check(r"\101\012", &["A\n"], &["101"]);
        check(r"\<\_\-\ \#", &["<_- #"], &["x"]);
        check(r"(?i)ab(?P<n>c)?", &["ABC", "ab"], &["c"]);
        check(r"\pL\p{Greek}", &["aβ"], &["1β"]);
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            "a**", "a+*", "a{2}{3}", "a*?+", "a{1001}", "a{2,1}", "(", "[a", r"a\", r"(a)\1", "*a",
        ] {
            assert!(anchored(pattern).is_err(), "{pattern}");
        }
        for pattern in ["a*?", "a{2}?", "(?:a*)*", "(?s).*", "(a|)*"] {
            assert!(anchored(pattern).is_ok(), "{pattern}");
        }
    }
}
