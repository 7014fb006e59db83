//! Mistakes in files, collected.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use super::Position;

/// One mistake: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file's name.
    pub file: Arc<str>,
    /// The place; line 0 where only the file is known.
    pub position: Position,
    /// Path of the value, such as `scrape_configs[0].job_name`; may be empty.
    pub path: String,
    /// What is wrong; never a secret's value.
    pub message: String,
    /// Text below the message, such as the expression with a caret under the fault.
    pub excerpt: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Diagnostic {
    /// A mistake at a place.
    pub fn new(
        file: &str,
        position: Position,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            position,
            path: path.into(),
            message: message.into(),
            excerpt: None,
            remedy: None,
        }
    }

    /// With what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// With an excerpt below the message.
    #[must_use]
    pub fn excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.excerpt = Some(excerpt.into());
        self
    }
}

/// `file:line:column: path: message; remedy`, the excerpt indented below.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.position.line > 0 {
            write!(f, ":{}:{}", self.position.line, self.position.column)?;
        }
        f.write_str(": ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "; {remedy}")?;
        }
        if let Some(excerpt) = &self.excerpt {
            for line in excerpt.lines() {
                write!(f, "\n    {line}")?;
            }
        }
        Ok(())
    }
}

/// The mistakes found so far, and what is worth knowing. Shared by reference while reading; single-threaded.
#[derive(Debug, Default)]
pub struct Diagnostics {
    found: RefCell<Vec<Diagnostic>>,
    warnings: RefCell<Vec<Diagnostic>>,
    ignores_unknown_keys: bool,
}

impl Diagnostics {
    /// Takes no offence at keys that no reader knows.
    pub fn ignoring_unknown_keys() -> Self {
        Self {
            ignores_unknown_keys: true,
            ..Self::default()
        }
    }

    /// Whether keys that no reader knows are no mistakes.
    pub fn ignores_unknown_keys(&self) -> bool {
        self.ignores_unknown_keys
    }

    /// Adds a mistake.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    /// Adds something worth knowing that is no mistake.
    pub fn warn(&self, diagnostic: Diagnostic) {
        self.warnings.borrow_mut().push(diagnostic);
    }

    /// What is worth knowing so far, in the order it was found.
    pub fn take_warnings(&self) -> Vec<Diagnostic> {
        self.warnings.take()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.found.borrow().len()
    }

    /// All that was found, by file and place.
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        found.sort_by(|a, b| (&a.file, a.position).cmp(&(&b.file, b.position)));
        found
    }
}
