//! What can go wrong with a template, and where.

use std::fmt;

/// A template that does not parse or does not render: where and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: {}{message}", Place(self))]
pub struct TemplateError {
    /// Name of the text it was found in.
    pub template: String,
    /// Line, from 1; 0 where it is not known.
    pub line: usize,
    /// Column in characters, from 1; 0 where it is not known.
    pub column: usize,
    /// Which stage failed.
    pub kind: ErrorKind,
    /// What failed.
    pub message: String,
}

/// `name:line:column: `, as far as known.
struct Place<'a>(&'a TemplateError);

impl fmt::Display for Place<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TemplateError {
            template,
            line,
            column,
            ..
        } = self.0;
        if !template.is_empty() {
            write!(out, "{template}:")?;
        }
        match (line, column) {
            (0, _) if template.is_empty() => Ok(()),
            (0, _) => out.write_str(" "),
            (line, 0) => write!(out, "{line}: "),
            (line, column) => write!(out, "{line}:{column}: "),
        }
    }
}

/// The stage at which a template failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is not a template: syntax, unknown function, undeclared variable. Holds whatever the data.
    Parse,
    /// Rendering with this data failed.
    Run,
    /// Rendering was stopped at a limit on output, steps or depth.
    Limit,
}

/// Why a function failed; the place is added by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It does not work on these arguments.
    Failed(String),
    /// Its result would exceed a limit.
    Limit(String),
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Fault::Failed(message)
    }
}

impl From<&str> for Fault {
    fn from(message: &str) -> Self {
        Fault::Failed(message.to_string())
    }
}

/// The only writers in templates that fail are full ones.
impl From<fmt::Error> for Fault {
    fn from(_: fmt::Error) -> Self {
        Fault::Limit("text exceeds the output limit".to_string())
    }
}
