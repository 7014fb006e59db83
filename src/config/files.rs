//! Reading files, and the patterns that name them.

use std::path::{Path, PathBuf};

use crate::document::MAX_FILE_BYTES;
use crate::document::diagnostics::Diagnostics;

use super::mistake;

/// The text of a file. What is wrong with it is reported.
pub fn read(path: &Path, diagnostics: &Diagnostics) -> Option<String> {
    let name = path.display().to_string();
    let report = |message: String, remedy: &str| {
        diagnostics.push(mistake(&name, message, remedy));
        None
    };
    match std::fs::metadata(path) {
        Err(error) => {
            return report(
                format!("open file: {error}"),
                "check the path and its permissions",
            );
        }
        Ok(metadata) if metadata.is_dir() => {
            return report("is a directory".to_owned(), "name a file in it");
        }
        Ok(metadata) if metadata.len() > MAX_FILE_BYTES as u64 => {
            return report("file is larger than 16 MiB".to_owned(), "split it");
        }
        Ok(_) => {}
    }
    match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => Some(text),
        Ok(Err(_)) => report("file is not UTF-8".to_owned(), "save it as UTF-8"),
        Err(error) => report(format!("read file: {error}"), "check its permissions"),
    }
}

/// The files a pattern names, sorted: `*`, `?` and `[...]` stand for parts of the last component, as in Prometheus's
/// `rule_files`. A pattern without them names one file, which need not exist yet to be an error of its own.
///
/// # Errors
/// Where a directory's name holds such a character, or the directory cannot be read.
pub fn expand(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let special = |text: &str| text.contains(['*', '?', '[']);
    let name = pattern
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let directory = pattern.parent().unwrap_or(Path::new(""));
    if special(&directory.to_string_lossy()) {
        return Err("only the last part of a path may hold * ? [".to_owned());
    }
    if !special(name) {
        return Ok(vec![pattern.to_owned()]);
    }
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        // A directory that is not there holds no file: so does Prometheus see it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("read directory {}: {error}", directory.display())),
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|candidate| matches(name, candidate))
        })
        .map(|entry| {
            pattern
                .parent()
                .unwrap_or(Path::new(""))
                .join(entry.file_name())
        })
        .collect();
    found.sort();
    Ok(found)
}

/// Whether a file name fits a shell pattern, as Go's `filepath.Match`: `*` does not match a leading dot's absence or
/// presence specially.
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    fits(&pattern, &name)
}

fn fits(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', rest @ ..] => (0..=name.len()).any(|skip| fits(rest, &name[skip..])),
        ['?', rest @ ..] => !name.is_empty() && fits(rest, &name[1..]),
        ['[', rest @ ..] => {
            let (Some(end), Some(first)) = (rest.iter().position(|c| *c == ']'), name.first())
            else {
                return false;
            };
            let (negate, set) = match &rest[..end] {
                ['^', set @ ..] => (true, set),
                set => (false, set),
            };
            let mut found = false;
            let mut i = 0;
            while i < set.len() {
                if let (Some('-'), Some(high)) = (set.get(i + 1), set.get(i + 2)) {
                    found |= (set[i]..=*high).contains(first);
                    i += 3;
                } else {
                    found |= set[i] == *first;
                    i += 1;
                }
            }
            found != negate && fits(&rest[end + 1..], &name[1..])
        }
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => {
            name.first() == Some(literal) && fits(rest, &name[1..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        let check = |pattern: &str, name: &str, want: bool| {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}")
        };
        check("*.yml", "a.yml", true);
        check("*.yml", "a.yaml", false);
        check("*.y*ml", "a.yaml", true);
        check("rule?.yml", "rule1.yml", true);
        check("rule[0-3x].yml", "rule2.yml", true);
        check("rule[0-3x].yml", "rulex.yml", true);
        check("rule[^0-3].yml", "rule2.yml", false);
        check("", "a", false);
    }

    #[test]
    fn a_pattern_names_files_in_order_and_a_missing_directory_none() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yml", "c.txt"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            let found = expand(&directory.path().join(pattern)).unwrap();
            found
                .iter()
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names("*.yml"), ["a.yml", "b.yml"]);
        assert_eq!(names("nothing/*.yml"), [""; 0]);
        assert!(expand(Path::new("a*/b.yml")).is_err());
    }
}
