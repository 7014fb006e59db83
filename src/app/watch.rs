//! File events that call for a reload.
//!
//! Directories are watched, not files: an editor that renames a new file over the old one, and a Kubernetes ConfigMap
//! that swaps its `..data` link, change a directory entry and leave a watched file behind. Bursts are one event.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::RwLock;
use tokio::sync::mpsc;

use crate::tasks::Stop;

/// The pause in a burst of events after which it counts as over.
const QUIET: Duration = Duration::from_millis(100);
/// How long a burst may go on: a file that changes without end does not put off the reload for ever.
const LONGEST_BURST: Duration = Duration::from_secs(1);

/// Watches what a configuration was read from.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: RecommendedWatcher,
    events: mpsc::Receiver<PathBuf>,
    /// What is followed, absolute; read by the thread that takes the system's events.
    paths: Arc<RwLock<Vec<PathBuf>>>,
    directories: HashSet<PathBuf>,
}

impl Watch {
    /// Watches nothing yet.
    pub(super) fn new() -> notify::Result<Self> {
        // Only what concerns us gets in, so full means that a reload is due already: further events may be dropped. A log
        // file that grows beside the configuration must not take the places.
        let (sender, events) = mpsc::channel(256);
        let paths = Arc::new(RwLock::new(Vec::new()));
        let followed = Arc::clone(&paths);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, EventKind::Access(_)) {
                return;
            }
            for path in event.paths {
                if concerns(&followed.read(), &path) {
                    drop(sender.try_send(path));
                }
            }
        })?;
        Ok(Self {
            watcher,
            events,
            paths,
            directories: HashSet::new(),
        })
    }

    /// Watches these files, and everything in these directories, instead of what was watched before.
    pub(super) fn follow(&mut self, paths: &[PathBuf]) {
        // Before the watching begins, so that its first event is known to concern us.
        *self.paths.write() = paths.iter().map(|path| absolute(path)).collect();
        let directories: HashSet<PathBuf> = paths.iter().map(|path| directory_of(path)).collect();
        for gone in self.directories.difference(&directories) {
            if let Err(error) = self.watcher.unwatch(gone) {
                tracing::debug!(path = %gone.display(), %error, "stop watching directory");
            }
        }
        let mut watched = HashSet::new();
        for directory in directories {
            let known = self.directories.contains(&directory);
            if known {
                watched.insert(directory);
                continue;
            }
            match self.watcher.watch(&directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    watched.insert(directory);
                }
                Err(error) => {
                    tracing::warn!(path = %directory.display(), %error, "watch directory; reload by SIGHUP or POST /-/reload");
                }
            }
        }
        self.directories = watched;
    }

    /// Waits for a change of what is watched, and for the burst to be over; `None` once told to stop.
    pub(super) async fn changed(&mut self, stop: &Stop) -> Option<PathBuf> {
        let path = tokio::select! {
            () = stop.cancelled() => return None,
            path = self.events.recv() => path?,
        };
        let rest = async {
            while let Ok(Some(_)) = tokio::time::timeout(QUIET, self.events.recv()).await {}
        };
        // Either way the burst counts as over.
        drop(tokio::time::timeout(LONGEST_BURST, rest).await);
        Some(path)
    }
}

/// Whether a change of this path calls for a reload; both sides absolute.
fn concerns(followed: &[PathBuf], path: &Path) -> bool {
    let name = path.file_name().unwrap_or(OsStr::new(""));
    // A ConfigMap's real files hang behind links named `..data` and `..2026_11_20…`.
    let swapped = name.to_string_lossy().starts_with("..");
    let inside =
        |watched: &PathBuf| path.parent() == Some(watched.as_path()) && looks_like_ours(path);
    swapped
        || followed
            .iter()
            .any(|watched| watched == path || inside(watched))
}

/// Files of a watched directory that are read: not an editor's own.
fn looks_like_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    !name.starts_with('.') && matches!(extension, "yml" | "yaml" | "json" | "md" | "tmpl" | "rules")
}

fn directory_of(path: &Path) -> PathBuf {
    let directory = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(Path::new(""))
    };
    absolute(directory)
}

/// The path from the root on; an empty one is the working directory.
fn absolute(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_write_a_rename_and_a_swapped_link_are_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path();
        std::fs::create_dir(base.join("..1")).unwrap();
        std::fs::create_dir(base.join("..2")).unwrap();
        for version in ["..1", "..2"] {
            std::fs::write(base.join(version).join("map.yml"), version).unwrap();
        }
        std::os::unix::fs::symlink("..1", base.join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/map.yml", base.join("map.yml")).unwrap();
        std::fs::write(base.join("a.yml"), "1").unwrap();
        let mut watch = Watch::new().unwrap();
        watch.follow(&[base.join("a.yml"), base.join("map.yml")]);
        let stop = Stop::new();
        let mut next = async || {
            tokio::time::timeout(Duration::from_secs(10), watch.changed(&stop))
                .await
                .expect("an event")
                .unwrap()
        };

        std::fs::write(base.join("a.yml"), "2").unwrap();
        assert!(next().await.ends_with("a.yml"));

        std::fs::write(base.join("unrelated.txt"), "").unwrap();
        std::fs::write(base.join(".a.yml.swp"), "3").unwrap();
        std::fs::rename(base.join(".a.yml.swp"), base.join("a.yml")).unwrap();
        assert!(next().await.ends_with("a.yml"));

        std::os::unix::fs::symlink("..2", base.join("..data_tmp")).unwrap();
        std::fs::rename(base.join("..data_tmp"), base.join("..data")).unwrap();
        assert!(
            next()
                .await
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("..data")
        );
    }

    #[tokio::test]
    async fn files_beside_it_that_change_all_the_time_hide_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path();
        std::fs::create_dir(base.join("rules")).unwrap();
        let mut watch = Watch::new().unwrap();
        watch.follow(&[base.join("outrigger.yml"), base.join("rules")]);
        for line in 0..1000 {
            std::fs::write(base.join("outrigger.log"), line.to_string()).unwrap();
        }
        std::fs::write(base.join("rules/a.yml"), "").unwrap();
        let stop = Stop::new();
        let changed = tokio::time::timeout(Duration::from_secs(10), watch.changed(&stop));
        let path = changed.await.expect("an event").unwrap();
        assert!(path.ends_with("rules/a.yml"), "{}", path.display());
    }
}
