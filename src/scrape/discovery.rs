//! Targets in files: patterns resolved, files read, the last good state of each kept.
//!
//! A file holds a list of groups in JSON or YAML, as Prometheus's `file_sd_configs` has them:
//!
//! ```json
//! [{"targets": ["10.0.0.1:9100"], "labels": {"team": "a"}}]
//! ```
//!
//! A file that cannot be read or used keeps what it last held and says why; a file that is gone holds nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::config::{TargetGroup, read_group};
use crate::document;
use crate::document::diagnostics::Diagnostics;

/// The label that tells the file.
const FILE_LABEL: &str = "__meta_filepath";
/// The largest discovery file.
const MAX_BYTES: u64 = 16 << 20;

/// What the files held when they were last looked at.
#[derive(Debug, Default)]
pub struct Files {
    files: BTreeMap<PathBuf, File>,
}

#[derive(Debug)]
struct File {
    /// Modification time and length when it was read.
    state: Option<(SystemTime, u64)>,
    groups: Arc<Vec<TargetGroup>>,
    error: Option<String>,
}

impl Files {
    /// Looks at all files of the patterns; reads those that have changed. Blocking.
    pub fn refresh<'p>(&mut self, patterns: impl Iterator<Item = &'p PathBuf>) {
        let present: BTreeSet<PathBuf> = patterns.flat_map(|pattern| expand(pattern)).collect();
        self.files.retain(|path, _| present.contains(path));
        for path in present {
            let state = std::fs::metadata(&path)
                .and_then(|metadata| Ok((metadata.modified()?, metadata.len())));
            let state = state.ok();
            let known = self.files.get(&path);
            if known.is_some_and(|file| file.state == state && state.is_some()) {
                continue;
            }
            let old = known.map(|file| Arc::clone(&file.groups));
            let (groups, error) = match read(&path) {
                Ok(groups) => (Arc::new(groups), None),
                Err(error) => (old.unwrap_or_default(), Some(error)),
            };
            let file = File {
                state,
                groups,
                error,
            };
            self.files.insert(path, file);
        }
    }

    /// The groups of one pattern's files.
    pub fn groups(&self, pattern: &Path) -> Vec<Arc<Vec<TargetGroup>>> {
        let files = self.files.iter();
        files
            .filter(|(path, _)| matches(pattern, path))
            .map(|(_, file)| Arc::clone(&file.groups))
            .collect()
    }

    /// What is wrong with files.
    pub fn errors(&self) -> Vec<String> {
        let errors = self.files.values().filter_map(|file| file.error.clone());
        errors.collect()
    }
}

fn read(path: &Path) -> Result<Vec<TargetGroup>, String> {
    let name = path.display().to_string();
    let failed = |error: std::io::Error| format!("{name}: read file: {error}");
    let metadata = std::fs::metadata(path).map_err(failed)?;
    // A pipe without a writer would be waited for without end.
    if !metadata.is_file() {
        return Err(format!("{name}: not a regular file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(format!("{name}: file is larger than 16 MiB"));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let diagnostics = Diagnostics::default();
    let mut groups = Vec::new();
    // JSON is YAML, and so both have positions.
    if let Some(document) = document::parse(&name, &text, &diagnostics) {
        let items = document.value(&diagnostics).items().unwrap_or_default();
        for (i, item) in items.iter().enumerate() {
            if let Some(mut group) = read_group(item) {
                group.source = format!("{name}:{i}");
                group.labels.push((FILE_LABEL.to_owned(), name.clone()));
                groups.push(group);
            }
        }
    }
    match diagnostics.into_sorted().first() {
        Some(first) => Err(first.to_string()),
        None => Ok(groups),
    }
}

/// The files of a pattern whose last part may hold one `*`.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    if !last_part(pattern).contains('*') {
        return pattern
            .exists()
            .then(|| pattern.to_owned())
            .into_iter()
            .collect();
    }
    let directory = directory(pattern);
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .filter(|path| matches(pattern, path) && path.is_file())
        .collect()
}

/// The directory in which a pattern's files are.
pub fn directory(pattern: &Path) -> &Path {
    match pattern.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

fn matches(pattern: &Path, path: &Path) -> bool {
    if pattern.parent() != path.parent() {
        return false;
    }
    let (pattern, name) = (last_part(pattern), last_part(path));
    match pattern.split_once('*') {
        None => pattern == name,
        // As in shells, a leading dot is not matched by `*`.
        Some((before, after)) => {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
                && (!before.is_empty() || !name.starts_with('.'))
        }
    }
}

fn last_part(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_read_and_kept_when_they_break() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let pattern = dir.path().join("*.json");
        let exact = dir.path().join("more.yml");
        let mut files = Files::default();
        let mut targets = || {
            files.refresh([&pattern, &exact].into_iter());
            let groups = files
                .groups(&pattern)
                .into_iter()
                .chain(files.groups(&exact));
            let targets = groups.flat_map(|groups| {
                let all = groups.iter().flat_map(|group| group.targets.clone());
                all.collect::<Vec<_>>()
            });
            (
                targets.collect::<Vec<_>>().join(" "),
                files.errors().join("\n"),
            )
        };
        assert_eq!(targets(), (String::new(), String::new()));
        write(
            "a.json",
            r#"[{"targets": ["a:1", "b:1"], "labels": {"x": "y"}}]"#,
        );
        write(".hidden.json", r#"[{"targets": ["hidden:1"]}]"#);
        write("more.yml", "- targets: [c:1]\n");
        assert_eq!(targets().0, "a:1 b:1 c:1");
        write("a.json", r#"[{"targets": ["a:1""#);
        let (kept, error) = targets();
        assert_eq!(kept, "a:1 b:1 c:1", "the last good state is kept");
        assert!(error.contains("a.json:2:1: not valid YAML"), "{error}");
        write("a.json", r#"[{"targets": ["d:12"], "lables": {}}]"#);
        let (kept, error) = targets();
        assert_eq!(kept, "a:1 b:1 c:1");
        assert!(error.contains("did you mean \"labels\""), "{error}");
        write("a.json", "[]");
        assert_eq!(targets(), ("c:1".to_owned(), String::new()));
        std::fs::remove_file(&exact).unwrap();
        assert_eq!(targets(), (String::new(), String::new()));
        let made = std::process::Command::new("mkfifo").arg(&exact).status();
        if made.is_ok_and(|status| status.success()) {
            let (_, error) = targets();
            assert!(error.contains("more.yml: not a regular file"), "{error}");
        }
    }
}
