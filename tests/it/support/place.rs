//! A directory of a test's own.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A temporary directory, removed at the end.
#[derive(Debug)]
pub(crate) struct Place(TempDir);

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(
            tempfile::Builder::new()
                .prefix("outrigger-it-")
                .tempdir()
                .expect("a temporary directory"),
        )
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, and the directories above it, in place.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().expect("a file is in a directory"))
            .expect("make its directory");
        std::fs::write(&path, text).expect("write file");
        path
    }

    /// Writes a file as careful editors do: another file beside it, renamed over it.
    pub(crate) fn replace(&self, name: &str, text: &str) {
        let fresh = self.write(&format!("{name}.new~"), text);
        std::fs::rename(fresh, self.join(name)).expect("rename over it");
    }
}
