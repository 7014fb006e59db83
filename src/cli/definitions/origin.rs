//! Where an item of a file stands, for whoever has to mend it.

use std::fmt::Display;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context as _, anyhow, ensure};
use serde_json::Value;

use crate::definitions::yaml::{self, Read};

/// The largest file that is read.
const MAX_BYTES: usize = 64 << 20;
/// The largest file whose lines are told: knowing where each value stands takes some times the memory of the file.
const MAX_PLACED_BYTES: usize = 8 << 20;

/// A file that was read.
pub(super) struct File {
    pub(super) name: String,
    pub(super) value: Value,
    places: Option<Rc<Read>>,
}

/// Where an item stands.
#[derive(Clone)]
pub(super) struct Origin {
    file: String,
    place: String,
    places: Option<Rc<Read>>,
}

impl File {
    /// Reads a file as what its name says it is.
    ///
    /// # Errors
    /// Where it cannot be read; the message begins with its name, and the line where that is known.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let size = std::fs::metadata(path).with_context(|| name.clone())?.len();
        ensure!(
            size <= MAX_BYTES as u64,
            "{name}: the file is larger than 64 MiB; split it"
        );
        let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
        let at = |line: usize, column: usize, error: &dyn Display| {
            anyhow!("{name}:{line}:{column}: {error}")
        };
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        let value = if is_json {
            serde_json::from_str(&text).map_err(|error| at(error.line(), error.column(), &error))
        } else {
            serde_yaml::from_str(&text).map_err(|error| match error.location() {
                Some(place) => at(place.line(), place.column(), &error),
                None => anyhow!("{name}: {error}"),
            })
        }?;
        let places = (text.len() <= MAX_PLACED_BYTES).then(|| yaml::read(&name, &text).ok());
        Ok(Self {
            value,
            places: places.flatten().map(Rc::new),
            name,
        })
    }

    /// A place in it, such as `metrics[3]`; empty for all of it.
    pub(super) fn origin(&self, place: &str) -> Origin {
        Origin {
            file: self.name.clone(),
            place: place.to_owned(),
            places: self.places.clone(),
        }
    }
}

impl Origin {
    /// The file and the place in it.
    pub(super) fn text(&self) -> String {
        format!("{} {}", self.file, self.place)
            .trim_end()
            .to_owned()
    }

    /// The same with the line and column of a field; of one that is missing, of what it is missing in.
    pub(super) fn text_at(&self, field: &str) -> String {
        let Some(places) = &self.places else {
            return self.text();
        };
        let dot = if self.place.is_empty() { "" } else { "." };
        let position = places.position(&format!("{}{dot}{field}", self.place));
        let (line, column) = (position.line, position.column);
        let text = format!("{}:{line}:{column} {}", self.file, self.place);
        text.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> anyhow::Result<File> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        File::read(&path).map(|file| File {
            name: name.to_owned(),
            ..file
        })
    }

    #[test]
    fn a_field_is_told_with_its_line_in_either_format() {
        let yaml = "domains:\n  - domain_id: A\n    name: One\n  - domain_id: B\n";
        let json = "{\"domains\": [\n  {\"domain_id\": \"A\",\n   \"name\": 5}]}";
        for (name, text, place, field, want) in [
            ("a.yml", yaml, "domains[0]", "name", "a.yml:3:5 domains[0]"),
            ("a.yml", yaml, "domains[1]", "name", "a.yml:4:5 domains[1]"),
            ("a.yml", yaml, "domains[1]", "", "a.yml:4:5 domains[1]"),
            ("a.yml", yaml, "", "domains", "a.yml:1:1"),
            (
                "a.json",
                json,
                "domains[0]",
                "name",
                "a.json:3:4 domains[0]",
            ),
        ] {
            let file = file(name, text).unwrap();
            assert_eq!(file.origin(place).text_at(field), want, "{field}");
        }
    }

    #[test]
    fn a_file_that_is_neither_says_where_it_ceases_to_be() {
        for (name, text, line) in [
            ("a.json", "{\n\"a\": }", "a.json:2:6: "),
            ("a.yml", "a:\n  - b\n c: [\n", "a.yml:3:"),
        ] {
            let error = file(name, text).err().unwrap().to_string();
            assert!(error.contains(line), "{error}");
        }
    }
}
