//! From parser events to the tree: aliases expanded, merge keys applied, duplicate keys refused.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::diagnostics::{Diagnostic, Diagnostics};
use super::{Entry, Kind, MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, Node, Position, Style};

/// A collection that is still open.
struct Open {
    anchor: usize,
    position: Position,
    nodes: Vec<Node>,
    is_mapping: bool,
}

pub(super) fn build(file: &str, text: &str, diagnostics: &Diagnostics) -> Option<Node> {
    let fail = |position, message: &str, remedy: &str| {
        diagnostics.push(Diagnostic::new(file, position, "", message).remedy(remedy));
    };
    if text.len() > MAX_FILE_BYTES {
        fail(
            Position::default(),
            "file is larger than 16 MiB",
            "split it",
        );
        return None;
    }
    let mut builder = Builder {
        file,
        diagnostics,
        anchors: HashMap::new(),
        open: Vec::new(),
        nodes: 0,
    };
    let mut root = None;
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let remedy = "fix the YAML syntax here or just above (indentation, quotes, colons)";
                fail(
                    position(error.marker()),
                    &format!("not valid YAML: {}", error.info()),
                    remedy,
                );
                return None;
            }
        };
        let at = position(&span.start);
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                fail(at, "a second YAML document", "write one document a file");
                return None;
            }
        }
        if let Some(done) = builder.take(event, at).ok()? {
            root = Some(done);
        }
    }
    Some(root.unwrap_or(Node {
        position: Position { line: 1, column: 1 },
        kind: Kind::Null,
    }))
}

struct Builder<'a> {
    file: &'a str,
    diagnostics: &'a Diagnostics,
    anchors: HashMap<usize, Node>,
    open: Vec<Open>,
    nodes: usize,
}

/// Reading stops here; the reason is among the diagnostics.
struct Stop;

impl Builder<'_> {
    /// Takes one event; returns the root once it is complete.
    fn take(&mut self, event: Event<'_>, at: Position) -> Result<Option<Node>, Stop> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                };
                let null = style == Style::Plain
                    && matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL");
                let kind = if null {
                    Kind::Null
                } else {
                    Kind::Scalar {
                        text: text.into_owned(),
                        style,
                    }
                };
                self.complete(Node { position: at, kind }, anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.nodes += count(&node);
                    self.complete(node, 0)
                }
                None => self.stop(
                    at,
                    "alias to an anchor that is not complete",
                    "define the anchor before its use",
                ),
            },
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if self.open.len() >= MAX_DEPTH =>
            {
                let _anchor = anchor;
                self.stop(at, "nested deeper than 100 levels", "flatten it")
            }
            Event::SequenceStart(anchor, _) => {
                self.open.push(Open {
                    anchor,
                    position: at,
                    nodes: Vec::new(),
                    is_mapping: false,
                });
                Ok(None)
            }
            Event::MappingStart(anchor, _) => {
                self.open.push(Open {
                    anchor,
                    position: at,
                    nodes: Vec::new(),
                    is_mapping: true,
                });
                Ok(None)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self
                    .open
                    .pop()
                    .expect("the parser closes only what it opened");
                let kind = if open.is_mapping {
                    self.mapping(open.nodes)
                } else {
                    Kind::Sequence(open.nodes)
                };
                self.complete(
                    Node {
                        position: open.position,
                        kind,
                    },
                    open.anchor,
                )
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(None),
        }
    }

    fn stop<T>(&self, at: Position, message: &str, remedy: &str) -> Result<T, Stop> {
        self.diagnostics
            .push(Diagnostic::new(self.file, at, "", message).remedy(remedy));
        Err(Stop)
    }

    fn complete(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, Stop> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return self.stop(
                node.position,
                "more than 2,000,000 values, aliases expanded",
                "split the file",
            );
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => {
                open.nodes.push(node);
                Ok(None)
            }
            None => Ok(Some(node)),
        }
    }

    fn mapping(&self, nodes: Vec<Node>) -> Kind {
        let mut entries: Vec<Entry> = Vec::with_capacity(nodes.len() / 2);
        let mut merged: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, u32> = HashMap::new();
        let mut nodes = nodes.into_iter();
        while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
            let text = match key.kind {
                Kind::Scalar { text, .. } => text,
                Kind::Null => "null".to_owned(),
                Kind::Sequence(_) | Kind::Mapping(_) => {
                    let message = "a list or mapping as a key";
                    self.diagnostics.push(
                        Diagnostic::new(self.file, key.position, "", message)
                            .remedy("write text as the key"),
                    );
                    continue;
                }
            };
            if text == "<<" {
                self.merge(value, &mut merged);
                continue;
            }
            if let Some(line) = lines.insert(text.clone(), key.position.line) {
                let message = format!("duplicate key {text:?}, first written on line {line}");
                self.diagnostics.push(
                    Diagnostic::new(self.file, key.position, "", message)
                        .remedy("keep one of the two"),
                );
                continue;
            }
            entries.push(Entry {
                key: text,
                key_position: key.position,
                value,
            });
        }
        // Keys of the mapping itself win over merged ones.
        for entry in merged {
            if !lines.contains_key(&entry.key) {
                lines.insert(entry.key.clone(), entry.key_position.line);
                entries.push(entry);
            }
        }
        Kind::Mapping(entries)
    }

    fn merge(&self, value: Node, merged: &mut Vec<Entry>) {
        match value.kind {
            Kind::Mapping(entries) => merged.extend(entries),
            Kind::Sequence(items) => items.into_iter().for_each(|item| self.merge(item, merged)),
            Kind::Null | Kind::Scalar { .. } => self.diagnostics.push(
                Diagnostic::new(
                    self.file,
                    value.position,
                    "",
                    "a merge key (<<) without a mapping",
                )
                .remedy("write <<: *anchor, the anchor being a mapping"),
            ),
        }
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Null => 0,
        // Long texts repeated by aliases count as what they cost.
        Kind::Scalar { text, .. } => text.len() / 64,
        Kind::Sequence(items) => items.iter().map(count).sum(),
        Kind::Mapping(entries) => entries.iter().map(|entry| count(&entry.value)).sum(),
    }
}

fn position(marker: &Marker) -> Position {
    Position {
        line: u32::try_from(marker.line()).unwrap_or(u32::MAX),
        column: u32::try_from(marker.col() + 1).unwrap_or(u32::MAX),
    }
}
