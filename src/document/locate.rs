//! From a character inside a value to its place in the file.

use super::{Kind, Node, Position, Style};

pub(super) fn locate(source: &str, node: &Node, offset: usize) -> Position {
    let Kind::Scalar { text, style } = &node.kind else {
        return node.position;
    };
    let before = text.get(..offset.min(text.len())).unwrap_or_default();
    match style {
        Style::Plain | Style::Quoted => {
            let quote = u32::from(*style == Style::Quoted);
            let start = Position {
                line: node.position.line,
                column: node.position.column + quote,
            };
            let line = source_line(source, start.line);
            let skip = usize::try_from(start.column - 1).unwrap_or(0);
            // Escapes, doubled quotes and folded lines shift characters: then only the beginning is certain.
            let verbatim = line
                .chars()
                .skip(skip)
                .zip(before.chars())
                .all(|(written, read)| written == read)
                && line.chars().count() >= skip + before.chars().count();
            if verbatim {
                shifted(start, before)
            } else {
                node.position
            }
        }
        Style::Literal => {
            let lines_before = u32::try_from(before.matches('\n').count()).unwrap_or(0);
            let line = block_start(source, node) + lines_before;
            let written = source_line(source, line);
            let last = before.rsplit('\n').next().unwrap_or_default();
            let read = text
                .split('\n')
                .nth(lines_before as usize)
                .unwrap_or_default();
            let indent = written.chars().count().saturating_sub(read.chars().count());
            let column = indent + last.chars().count() + 1;
            Position {
                line,
                column: u32::try_from(column).unwrap_or(u32::MAX),
            }
        }
        Style::Folded => node.position,
    }
}

/// The first line of a literal block's text: the one below the line with the `|`.
fn block_start(source: &str, node: &Node) -> u32 {
    let line = node.position.line;
    // The parser reports the header's line; guard against one that reports the text's.
    if source_line(source, line)
        .trim_end()
        .ends_with(['|', '-', '+'])
        || source_line(source, line).contains(": |")
        || source_line(source, line).contains("- |")
    {
        line + 1
    } else {
        line
    }
}

fn source_line(source: &str, line: u32) -> &str {
    source
        .lines()
        .nth(line.saturating_sub(1) as usize)
        .unwrap_or_default()
}

fn shifted(start: Position, before: &str) -> Position {
    Position {
        line: start.line,
        column: start.column + u32::try_from(before.chars().count()).unwrap_or(0),
    }
}
