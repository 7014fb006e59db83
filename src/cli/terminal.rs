//! Printing: colours on a terminal, plain text elsewhere; a closed pipe is no error.

use std::io::{IsTerminal, Write};

/// Writes to standard output.
pub(super) fn print(text: &str) {
    quietly(std::io::stdout().write_all(text.as_bytes()));
}

/// Writes to standard error.
pub(super) fn complain(text: &str) {
    quietly(std::io::stderr().write_all(text.as_bytes()));
}

/// A reader that has gone, such as `head`, has seen enough.
fn quietly(outcome: std::io::Result<()>) {
    drop(outcome);
}

/// Columns and lines of the terminal; 80 and 24 where there is none.
pub(super) fn size() -> (usize, usize) {
    terminal_size::terminal_size().map_or((80, 24), |(width, height)| {
        (usize::from(width.0), usize::from(height.0))
    })
}

/// Colours, where the stream is a terminal and they are not unwanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// For standard output.
    pub(super) fn stdout(no_color: bool) -> Self {
        Self {
            on: !no_color && std::io::stdout().is_terminal(),
        }
    }

    /// For standard error.
    pub(super) fn stderr(no_color: bool) -> Self {
        Self {
            on: !no_color && std::io::stderr().is_terminal(),
        }
    }

    /// Whether there are colours.
    pub(super) fn is_on(self) -> bool {
        self.on
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Something is wrong.
    pub(super) fn bad(self, text: &str) -> String {
        self.wrap("31;1", text)
    }

    /// Something is worth a look.
    pub(super) fn warn(self, text: &str) -> String {
        self.wrap("33;1", text)
    }

    /// All is well.
    pub(super) fn good(self, text: &str) -> String {
        self.wrap("32;1", text)
    }

    /// Less important than what stands beside it.
    pub(super) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }
}
