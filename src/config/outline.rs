//! A line of a file with a mistake, as it may be shown: the keys, not the values, as a mistyped key may stand before a
//! secret. Rule files hold no secrets and are shown as they are.

use std::path::Path;

use crate::document::diagnostics::Diagnostic;

/// Mistakes whose lines are looked up.
const MOST: usize = 100;
/// The largest file that is read again for it.
const LARGEST: u64 = 4 << 20;
/// The longest line that is shown, in characters.
const LONGEST: usize = 160;

/// The mistakes, each with the line it is in where it has no excerpt yet. Blocking: reads the files again.
pub fn quoted(mut mistakes: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut last: Option<(std::sync::Arc<str>, String)> = None;
    for mistake in mistakes.iter_mut().take(MOST) {
        if mistake.excerpt.is_some() || mistake.position.line == 0 {
            continue;
        }
        if last.as_ref().is_none_or(|(file, _)| *file != mistake.file) {
            last = Some((mistake.file.clone(), text(&mistake.file)));
        }
        let text = last.as_ref().map_or("", |(_, text)| text);
        let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let line = text.lines().nth(place(mistake.position.line) - 1);
        // A file of rules is known by its only key.
        let mut keys = text.lines().filter(|line| {
            line.starts_with(|c: char| c.is_ascii_alphabetic() || "\"'".contains(c))
        });
        let is_rules =
            keys.next().is_some_and(|line| line.starts_with("groups:")) && keys.next().is_none();
        mistake.excerpt = line
            .map(|line| excerpt(line, place(mistake.position.column), !is_rules))
            .filter(|excerpt| !excerpt.trim().is_empty());
    }
    mistakes
}

/// Empty where it cannot be read any more.
fn text(file: &str) -> String {
    let is_small = std::fs::metadata(Path::new(file))
        .is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST);
    match is_small {
        true => std::fs::read_to_string(file).unwrap_or_default(),
        false => String::new(),
    }
}

/// A line with the mistake in this column (from 1), and a mark below it where it is still in its place.
pub(super) fn excerpt(line: &str, column: usize, holds_secrets: bool) -> String {
    let shown = if holds_secrets {
        outline(line)
    } else {
        line.to_owned()
    };
    let clean: String = shown
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let before: String = line.chars().take(column.saturating_sub(1)).collect();
    if column == 0 || !shown.starts_with(&before) || column > clean.chars().count() {
        return clean;
    }
    format!("{clean}\n{:indent$}^", "", indent = column - 1)
}

/// YAML's marks and the keys of a line; `…` for everything else.
fn outline(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    // Within brackets a comma ends a value, elsewhere the line does.
    let mut depth = 0_usize;
    while let Some(c) = rest.chars().next() {
        match c {
            ' ' | '\t' => out.push(c),
            '-' if rest[1..].is_empty() || rest[1..].starts_with(' ') => out.push(c),
            '{' | '[' => {
                depth += 1;
                out.push(c);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                out.push(c);
            }
            ',' if depth > 0 => out.push(c),
            _ => {
                if let Some(key) = key(rest) {
                    out.push_str(key);
                    rest = &rest[key.len()..];
                    continue;
                }
                if !out.ends_with('…') {
                    out.push('…');
                }
                rest = &rest[value(rest, depth)..];
                continue;
            }
        }
        rest = &rest[c.len_utf8()..];
    }
    out.trim_end().to_owned()
}

/// A key with its colon at the begin of the text.
fn key(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))?;
    let behind = &text[end..];
    let is_key = behind.starts_with(':')
        && (behind.len() == 1 || behind[1..].starts_with(' '))
        && (1..=60).contains(&end);
    is_key.then(|| &text[..=end])
}

/// How many bytes of the text are a value.
fn value(text: &str, depth: usize) -> usize {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote {
        let mut escaped = false;
        for (index, c) in text.char_indices().skip(1) {
            if escaped {
                escaped = false;
            } else if c == '\\' && quote == '"' {
                escaped = true;
            } else if c == quote {
                return index + 1;
            }
        }
        return text.len();
    }
    match depth {
        0 => text.len(),
        _ => text
            .find([',', '}', ']'])
            .map_or(text.len(), |end| end.max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_and_values_are_not() {
        let check = |line: &str, want: &str| assert_eq!(outline(line), want, "{line}");
        check("  scrape_intervall: 15s", "  scrape_intervall: …");
        check("- job_name: 'a: b'", "- job_name: …");
        check(
            "- {job: x, basic_auth: {username: u, pasword: \"hunter2, }\"}, n: [a, b]}",
            "- {job: …, basic_auth: {username: …, pasword: …}, n: […, …]}",
        );
        check("password: hunter2", "password: …");
        check("hunter2", "…");
        check("url: http://u:hunter2@host/", "url: …");
        check("key: # hunter2", "key: …");
        check("  - ", "  -");
        check("", "");
        check("'ünï: hunter2", "…");
    }

    #[test]
    fn the_mark_stands_where_the_line_is_as_it_was() {
        let check = |line: &str, column: usize, secret: bool, want: &str| {
            assert_eq!(excerpt(line, column, secret), want);
        };
        check("  kay: value", 3, true, "  kay: …\n  ^");
        check("  kay: value, x: y", 15, true, "  kay: …");
        check("    expr: up >", 11, false, "    expr: up >\n          ^");
        check("a\u{0}b", 0, false, "a b");
        let long = "x".repeat(100_000);
        assert!(excerpt(&long, 90_000, false).len() <= LONGEST);
    }
}
