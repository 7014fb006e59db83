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

/// Names and texts of files, and of those in folders that end in one of `endings`, by name. What is wrong with one is
/// reported, and so is a folder that holds none: whoever names it means to have something read.
pub fn texts(
    paths: &[PathBuf],
    endings: &[&str],
    diagnostics: &Diagnostics,
) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for path in paths {
        let found = match path.is_dir() {
            true => folder(path, endings, diagnostics),
            false => vec![path.clone()],
        };
        for path in found {
            if let Some(text) = read(&path, diagnostics) {
                texts.push((path.display().to_string(), text));
            }
        }
    }
    texts
}

fn folder(path: &Path, endings: &[&str], diagnostics: &Diagnostics) -> Vec<PathBuf> {
    let name = path.display().to_string();
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("open folder: {error}");
            diagnostics.push(mistake(&name, message, "check its permissions"));
            return Vec::new();
        }
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| endings.contains(&ending)) && path.is_file()
    });
    if found.is_empty() {
        let message = format!("folder holds no .{} file", endings.join(" or ."));
        diagnostics.push(mistake(&name, message, "name the folder that does"));
    }
    found.sort();
    found
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

    #[test]
    fn a_folder_is_read_by_its_endings_and_one_without_them_is_a_mistake() {
        let place = tempfile::tempdir().unwrap();
        let paths = [place.path().to_owned()];
        std::fs::write(place.path().join("b.yml"), "b").unwrap();
        std::fs::write(place.path().join("a.yaml"), "a").unwrap();
        let diagnostics = Diagnostics::default();
        let read = texts(&paths, &["yml", "yaml"], &diagnostics);
        let read: Vec<&str> = read.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(read, ["a", "b"]);
        assert!(diagnostics.is_empty());
        assert!(texts(&paths, &["json"], &diagnostics).is_empty());
        let told = diagnostics.into_sorted();
        assert!(
            told[0].to_string().contains("folder holds no .json file"),
            "{told:?}"
        );
    }
}
