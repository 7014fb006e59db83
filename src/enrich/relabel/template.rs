//! `$1`, `${1}`, `$name`, `${name}` as Go's `regexp.Expand` reads them, resolved once.
//!
//! The `regex` crate's own expansion differs: there `${any text}` is a reference, here only letters, digits and `_`
//! make a name, and a `$` that starts no reference stands for itself.

use regex::{Captures, Regex};

/// A text with references to the groups of one expression.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Template {
    /// Reads a template for `regex`. References to groups it does not have expand to nothing.
    pub(super) fn new(mut text: &str, regex: &Regex) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        while let Some((before, after)) = text.split_once('$') {
            literal.push_str(before);
            text = after;
            if let Some(rest) = text.strip_prefix('$') {
                literal.push('$');
                text = rest;
            } else if let Some((name, rest)) = reference(text) {
                text = rest;
                if let Some(group) = group(name, regex) {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    pieces.push(Piece::Group(group));
                }
            } else {
                literal.push('$');
            }
        }
        literal.push_str(text);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Self(pieces)
    }

    /// The text with the groups' matches in place.
    pub(super) fn expand(&self, captures: &Captures<'_>) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            out.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(group) => captures.get(*group).map_or("", |found| found.as_str()),
            });
        }
        out
    }
}

/// The name behind a `$`, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (text, braced) = match text.strip_prefix('{') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    if braced {
        return Some((name, rest.strip_prefix('}')?));
    }
    Some((name, rest))
}

/// The group a name means: a number without leading zeros, else a named group.
fn group(name: &str, regex: &Regex) -> Option<usize> {
    let number = name.bytes().all(|byte| byte.is_ascii_digit())
        && (name.len() == 1 || !name.starts_with('0'));
    if number {
        return name
            .parse()
            .ok()
            .filter(|group| *group < regex.captures_len());
    }
    regex
        .capture_names()
        .position(|candidate| candidate == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_expand_as_in_go() {
        let regex = Regex::new("^(a)(?P<rest>b.*)?(c)?$").expect("a good expression");
        let captures = regex.captures("abX").expect("a match");
        for (template, expanded) in [
            ("", ""),
            ("plain", "plain"),
            ("$1", "a"),
            ("${1}", "a"),
            ("$0", "abX"),
            ("$1x", ""),
            ("${1}x", "ax"),
            ("$1-$2", "a-bX"),
            ("$rest", "bX"),
            ("${rest}_", "bX_"),
            ("$rest_", ""),
            ("$3", ""),
            ("$9", ""),
            ("$01", ""),
            ("$99999999999999999999", ""),
            ("$$1", "$1"),
            ("$$$1", "$a"),
            ("$", "$"),
            ("a$", "a$"),
            ("$-", "$-"),
            ("${", "${"),
            ("${1", "${1"),
            ("${1-}", "${1-}"),
            ("${}", "${}"),
            ("$é", ""),
            ("é$1é", "é"),
        ] {
            assert_eq!(
                Template::new(template, &regex).expand(&captures),
                expanded,
                "{template}"
            );
        }
    }
}
