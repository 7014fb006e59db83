//! A runbook with the places of what is in it.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// A heading.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct HeadingAt {
    pub(super) level: u8,
    pub(super) text: String,
    pub(super) line: u32,
}

/// Parts of a file with their lines, from 1.
#[derive(Debug, Default)]
pub(super) struct Doc {
    /// The first line behind the front matter; 1 where there is none.
    pub(super) body_line: u32,
    pub(super) headings: Vec<HeadingAt>,
    pub(super) links: Vec<(String, u32)>,
    pub(super) queries: Vec<(String, u32)>,
    /// What `outrigger query` is asked in commands.
    pub(super) commands: Vec<(String, u32)>,
}

/// Reads a file.
pub(super) fn read(text: &str) -> Doc {
    let start = body(text);
    let mut doc = Doc {
        body_line: line_of(text, start),
        ..Doc::default()
    };
    let mut heading: Option<HeadingAt> = None;
    let mut code: Option<(bool, String, u32)> = None;
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    for (event, range) in Parser::new_ext(&text[start..], options).into_offset_iter() {
        let line = line_of(text, start + range.start);
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                heading = Some(HeadingAt {
                    level: level as u8,
                    text: String::new(),
                    line,
                });
            }
            Event::End(TagEnd::Heading(_)) => doc.headings.extend(heading.take()),
            Event::Start(Tag::Link { dest_url, .. }) => {
                doc.links.push((dest_url.into_string(), line));
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let is_query = info.split_whitespace().next() == Some("promql");
                code = Some((is_query, String::new(), line + 1));
            }
            Event::End(TagEnd::CodeBlock) => match code.take() {
                Some((true, query, line)) => doc.queries.push((query.trim().to_owned(), line)),
                Some((false, commands, line)) => doc.commands.extend(asked(&commands, line)),
                None => {}
            },
            Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.text.push_str(&text);
                }
                doc.commands.extend(asked(&text, line));
            }
            Event::Text(text) => match (&mut heading, &mut code) {
                (Some(heading), _) => heading.text.push_str(&text),
                (None, Some((_, code, _))) => code.push_str(&text),
                (None, None) => {}
            },
            _ => {}
        }
    }
    doc
}

impl Doc {
    /// The text of the section whose heading of this level stands at a line.
    pub(super) fn section<'t>(&self, text: &'t str, line: u32, level: u8) -> &'t str {
        let next = self
            .headings
            .iter()
            .find(|heading| heading.line > line && heading.level <= level);
        let from = offset_of(text, line + 1);
        let until = next.map_or(text.len(), |heading| offset_of(text, heading.line));
        text.get(from..until).unwrap_or_default()
    }

    /// The line of the heading of level two that a line is below.
    pub(super) fn section_of(&self, line: u32) -> Option<u32> {
        self.headings
            .iter()
            .filter(|heading| heading.level == 2 && heading.line <= line)
            .map(|heading| heading.line)
            .next_back()
    }
}

/// The line of a place in a text, from 1.
pub(super) fn line_of(text: &str, offset: usize) -> u32 {
    let lines = memchr::memchr_iter(b'\n', &text.as_bytes()[..offset]).count();
    u32::try_from(lines).unwrap_or(u32::MAX).saturating_add(1)
}

fn offset_of(text: &str, line: u32) -> usize {
    let before = line.saturating_sub(2) as usize;
    if line <= 1 {
        return 0;
    }
    let mut ends = memchr::memchr_iter(b'\n', text.as_bytes());
    ends.nth(before).map_or(text.len(), |end| end + 1)
}

/// Where the text behind the front matter begins.
fn body(text: &str) -> usize {
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        at += line.len();
        let is_fence = line.trim_start_matches('\u{feff}').trim_end() == "---";
        match (index, is_fence) {
            (0, false) => return 0,
            (0, true) | (_, false) => {}
            (_, true) => return at,
        }
    }
    0
}

/// The expressions of `outrigger query '…'` and `outrigger query name` in commands.
fn asked(commands: &str, first_line: u32) -> Vec<(String, u32)> {
    const COMMAND: &str = "outrigger query ";
    let mut found = Vec::new();
    for (line, number) in commands.lines().zip(first_line..) {
        let mut rest = line;
        while let Some((_, behind)) = rest.split_once(COMMAND) {
            let expression = match behind.strip_prefix('\'') {
                Some(quoted) => quoted.split('\'').next(),
                None => behind
                    .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
                    .next(),
            };
            // A word in capitals stands for an expression.
            let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
            if let Some(expression) = expression.filter(|text| !text.is_empty() && !is_word(text)) {
                found.push((expression.to_owned(), number));
            }
            rest = behind;
        }
    }
    found
}
