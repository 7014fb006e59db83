//! Words in capitals that take the labels of an alert instance: `http://INSTANCE/metrics`.
//!
//! Labels come from outside (a target's exposition, the address of a page), and what they end up in is pasted into a shell.
//! So a value of plain characters is put in anywhere; any other only where its quoting is certain: as a word of its own in
//! single quotes, or inside a quoted text of PromQL. Where it is not, the word stays and the reader fills it in. A value with
//! control characters, line ends or turned writing is never put in.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::model::labels::Labels;
use crate::model::words::is_unprintable;

/// The words, each with the labels it takes, the first that is there.
pub const WORDS: [(&str, &[&str]); 13] = [
    ("DEVICE", &["device"]),
    ("HOST", &["host", "node"]),
    ("INSTANCE", &["instance"]),
    ("INTEGRATION", &["integration"]),
    ("JOB", &["job"]),
    ("MOUNTPOINT", &["mountpoint"]),
    ("NAMESPACE", &["namespace"]),
    ("POD", &["pod"]),
    ("REASON", &["reason"]),
    ("RECEIVER", &["receiver"]),
    ("RULE_FILE", &["rule_file"]),
    ("RULE_GROUP", &["rule_group"]),
    ("SERVICE", &["service", "container"]),
];

/// A longer value is no name of anything.
const MAX_BYTES: usize = 200;

/// What a text is written in: it decides how a value is quoted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// Commands.
    Shell,
    /// An expression.
    Promql,
    /// Sentences.
    Prose,
    /// Anything else.
    Other,
}

impl Language {
    /// That of a code block, by the first word behind its fence.
    pub fn of_fence(info: &str) -> Self {
        match info.split_whitespace().next().unwrap_or_default() {
            "promql" => Self::Promql,
            "sh" | "bash" | "shell" | "console" => Self::Shell,
            _ => Self::Other,
        }
    }
}

/// Values for the words.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Values(BTreeMap<&'static str, String>);

impl Values {
    /// Those that labels give. A host is the instance without its port where no label names it.
    pub fn of(labels: &Labels) -> Self {
        let mut values = BTreeMap::new();
        for (word, names) in WORDS {
            let found = names.iter().find_map(|name| labels.get(name));
            let host = || labels.get("instance").map(host_of);
            let found = match word {
                "HOST" => found.or_else(host),
                _ => found,
            };
            if let Some(value) = found
                && !value.is_empty()
                && value.len() <= MAX_BYTES
                && !value
                    .chars()
                    .any(|c| is_unprintable(c) || matches!(c, '\n' | '\r' | '\t'))
            {
                values.insert(word, value.to_owned());
            }
        }
        Self(values)
    }

    fn get(&self, word: &str) -> Option<&str> {
        self.0.get(word).map(String::as_str)
    }
}

/// `[::1]:9797` and `10.0.0.7:9797` without their port.
fn host_of(instance: &str) -> &str {
    match instance.rsplit_once(':') {
        Some((host, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            host
        }
        _ => instance,
    }
}

/// Whether any of the words is in a text.
pub fn has_words(text: &str) -> bool {
    !find(text).is_empty()
}

/// The words of a text of which no place is filled in with these values, each once.
pub fn left(language: Language, text: &str, values: &Values) -> Vec<&'static str> {
    let count = |text: &str, word: &str| {
        let found = find(text);
        found.iter().filter(|(_, other)| *other == word).count()
    };
    let filled = fill(language, text, values);
    let mut words: Vec<&'static str> = find(text).into_iter().map(|(_, word)| word).collect();
    words.sort_unstable();
    words.dedup();
    words.retain(|word| values.get(word).is_none() || count(&filled, word) == count(text, word));
    words
}

/// A text with the words filled in, as far as that is safe.
pub fn fill(language: Language, text: &str, values: &Values) -> String {
    let found = find(text);
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    let mut reader = Reader::new(language, text);
    for (place, word) in found {
        let quoting = reader.at(place.start);
        let whole = stands_alone(text, &place);
        let value = values
            .get(word)
            .and_then(|value| written(language, quoting, whole, value));
        out.push_str(&text[last..place.start]);
        out.push_str(value.as_deref().unwrap_or(word));
        last = place.end;
    }
    out.push_str(&text[last..]);
    out
}

/// The value as it may stand there; `None` where that is not certain.
fn written(language: Language, quoting: Quoting, whole: bool, value: &str) -> Option<String> {
    match language {
        Language::Prose => Some(value.to_owned()),
        Language::Promql => in_promql(quoting, value),
        Language::Shell | Language::Other if is_plain(value) && quoting.promql.is_none() => {
            Some(value.to_owned())
        }
        Language::Other => None,
        Language::Shell if !quoting.certain => None,
        Language::Shell => match (quoting.shell, quoting.promql) {
            // `host:port` and a path may follow or precede; a single quoted part may stand anywhere in a word.
            (Mark::None, None) if whole && !value.starts_with('-') => {
                Some(format!("'{}'", value.replace('\'', r"'\''")))
            }
            (Mark::Single, Some(_)) => {
                in_promql(quoting, value).map(|value| value.replace('\'', r"'\''"))
            }
            _ => None,
        },
    }
}

/// Inside a quoted text of PromQL; nowhere else is a value an operand.
fn in_promql(quoting: Quoting, value: &str) -> Option<String> {
    let (mark, regex) = quoting.promql?;
    let value = match regex {
        true => quoted_regex(value),
        false => value.to_owned(),
    };
    match mark {
        '"' | '\'' => Some(
            value
                .replace('\\', r"\\")
                .replace(mark, &format!("\\{mark}")),
        ),
        // Nothing can be escaped between backticks.
        _ if value.contains('`') => None,
        _ => Some(value),
    }
}

/// Every character of its own that RE2 would read as more than itself behind a backslash.
fn quoted_regex(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Characters that mean nothing to a shell, to YAML and to PromQL; a first one that begins no option.
fn is_plain(value: &str) -> bool {
    let first = value.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_'))
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.:/@%+,-".contains(&byte))
}

/// Whether a word is a whole one of the command: a value with a hyphen in front would else be read as an option.
fn stands_alone(text: &str, place: &Range<usize>) -> bool {
    let before = text[..place.start].bytes().next_back();
    let after = text[place.end..].bytes().next();
    let ends =
        |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_whitespace() || byte == b';');
    ends(before) && ends(after)
}

/// The words of a text with their places. A word that is part of a longer one does not count.
fn find(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_uppercase() {
            // A longer word that begins otherwise is passed over whole.
            at = match is_part(bytes[at]) {
                true => end_of_word(bytes, at),
                false => at + 1,
            };
            continue;
        }
        let end = end_of_word(bytes, at);
        if let Some((word, _)) = WORDS.iter().find(|(word, _)| *word == &text[at..end]) {
            found.push((at..end, *word));
        }
        at = end;
    }
    found
}

fn end_of_word(bytes: &[u8], from: usize) -> usize {
    bytes[from..]
        .iter()
        .position(|byte| !is_part(*byte))
        .map_or(bytes.len(), |length| from + length)
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    None,
    Single,
    Double,
    Comment,
}

/// Inside which quotes a place is.
#[derive(Clone, Copy, Debug)]
struct Quoting {
    shell: Mark,
    /// The mark of a PromQL text, and whether it is a regular expression.
    promql: Option<(char, bool)>,
    /// Whether the shell's text is so simple that the marks are known.
    certain: bool,
}

/// Follows the quotes of a text up to one place after the other.
struct Reader<'a> {
    language: Language,
    text: &'a str,
    at: usize,
    state: Quoting,
    escaped: bool,
}

impl<'a> Reader<'a> {
    fn new(language: Language, text: &'a str) -> Self {
        let strange = ["<<", "$(", "${", "$'", "`", "\\\n"];
        Self {
            language,
            text,
            at: 0,
            state: Quoting {
                shell: Mark::None,
                promql: None,
                certain: !strange.iter().any(|part| text.contains(part)),
            },
            escaped: false,
        }
    }

    fn at(&mut self, place: usize) -> Quoting {
        while self.at < place {
            let Some(c) = self.text[self.at..].chars().next() else {
                break;
            };
            self.take(c);
            self.at += c.len_utf8();
        }
        self.state
    }

    fn take(&mut self, c: char) {
        if std::mem::take(&mut self.escaped) {
            return;
        }
        match self.language {
            Language::Promql => self.promql(c),
            Language::Shell => self.shell(c),
            Language::Prose | Language::Other => {}
        }
    }

    fn shell(&mut self, c: char) {
        match (self.state.shell, c) {
            (Mark::None, '\'') => self.state.shell = Mark::Single,
            (Mark::None, '"') => self.state.shell = Mark::Double,
            (Mark::None, '\\') | (Mark::Double, '\\') => self.escaped = true,
            (Mark::None, '#') => {
                let before = self.text[..self.at].bytes().next_back();
                if before.is_none_or(|byte| byte.is_ascii_whitespace()) {
                    self.state.shell = Mark::Comment;
                }
            }
            (Mark::Single, '\'') => {
                self.state.shell = Mark::None;
                self.state.promql = None;
            }
            // An expression for `outrigger query`; a backslash in it would need more than this.
            (Mark::Single, '\\') => self.state.certain = false,
            (Mark::Single, '"') => self.promql(c),
            (Mark::Double, '"') => self.state.shell = Mark::None,
            (Mark::Comment, '\n') => self.state.shell = Mark::None,
            _ => {}
        }
    }

    fn promql(&mut self, c: char) {
        match (self.state.promql, c) {
            (None, '"' | '\'' | '`') => {
                let before = self.text[..self.at].trim_end();
                self.state.promql = Some((c, before.ends_with('~')));
            }
            (Some((mark, _)), c) if c == mark => self.state.promql = None,
            (Some(('"' | '\'', _)), '\\') => self.escaped = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
