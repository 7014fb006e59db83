//! YAML text with positions, read so that every mistake is told at once.
//!
//! [`parse`] turns a file into a tree of [`Node`]s that know their line and column. A component then reads its own part
//! of the tree through [`fields::Fields`]; what is missing, unknown, duplicated or of the wrong type is added to the
//! [`Diagnostics`] and reading goes on. Nothing is decided here about what a key means.
//!
//! Anchors, aliases and merge keys (`<<`) work; several documents in one file are refused. Depth, size and alias
//! expansion are bounded.

pub mod diagnostics;
pub mod diff;
pub mod fields;
mod locate;
mod tree;

use std::sync::Arc;

use self::diagnostics::Diagnostics;

/// The largest file that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 16 << 20;
/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 100;
/// The most nodes one file may hold, aliases expanded.
pub const MAX_NODES: usize = 2_000_000;

/// A place in a file; both count from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position {
    /// Line, from 1; 0 where only the file is known.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub position: Position,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of values.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `~`, `null` or nothing.
    Null,
    /// Text; numbers and booleans are read from it on demand.
    Scalar {
        /// The text, escapes and folding resolved.
        text: String,
        /// How it was written.
        style: Style,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping, in the order of the file; keys are unique.
    Mapping(Vec<Entry>),
}

/// How a text was written, which decides what it may mean and where its characters stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// A `|` block.
    Literal,
    /// A `>` block.
    Folded,
}

/// One key of a mapping.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_position: Position,
    /// Its value.
    pub value: Node,
}

/// A parsed file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file's name as shown in messages.
    pub file: Arc<str>,
    /// The text, for positions inside values.
    pub source: Arc<str>,
    /// The one document; [`Kind::Null`] for an empty file.
    pub root: Node,
}

/// Reads a file's text. Syntax errors go to `diagnostics`; then nothing is returned.
pub fn parse(file: &str, text: &str, diagnostics: &Diagnostics) -> Option<Document> {
    let root = tree::build(file, text, diagnostics)?;
    Some(Document {
        file: file.into(),
        source: text.into(),
        root,
    })
}

impl Document {
    /// Where the character at byte `offset` of a scalar's text stands in the file: exact for quoted and plain text on
    /// one line without escapes and for literal blocks; the scalar's beginning otherwise.
    pub fn locate(&self, node: &Node, offset: usize) -> Position {
        locate::locate(&self.source, node, offset)
    }
}
