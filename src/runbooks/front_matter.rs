//! The YAML between two lines of `---` at the head of a runbook.
//!
//! Read key by key, so that a mistake in one key costs that key only. Every key may be missing.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_yaml::{Mapping, Value};

/// Aliases can make little text large; nothing real comes near this.
const MAX_BYTES: usize = 16 << 10;
pub(super) const KEYS: [&str; 6] = [
    "alert",
    "severity",
    "owner",
    "dashboards",
    "updated",
    "tested",
];

/// What the head of a runbook says.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FrontMatter {
    /// Name of the alert the page is for; a guide has none.
    pub alert: Option<String>,
    /// The severities the alert has, the highest first.
    pub severity: Vec<String>,
    /// Who keeps the page.
    pub owner: Option<String>,
    /// Names or addresses of dashboards.
    pub dashboards: Vec<String>,
    /// Day of the last change of substance, as written.
    pub updated: Option<String>,
    /// Day somebody last followed the page on a fault made for it, or `never`; as written.
    pub tested: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Parts a file into its front matter and its Markdown; mistakes are added to `problems`.
pub(super) fn split<'a>(text: &'a str, problems: &mut Vec<String>) -> (FrontMatter, &'a str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(rest) = after_fence(text) else {
        return (FrontMatter::default(), text);
    };
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if after_fence(line).is_some() {
            let front_matter = read(&rest[..at], problems);
            return (front_matter, &rest[at + line.len()..]);
        }
        at += line.len();
    }
    problems.push("front matter does not end; close it with a line of ---".to_owned());
    (FrontMatter::default(), text)
}

/// What follows a first line of `---`.
fn after_fence(text: &str) -> Option<&str> {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    (line.trim_end() == "---").then_some(rest)
}

fn read(yaml: &str, problems: &mut Vec<String>) -> FrontMatter {
    if yaml.len() > MAX_BYTES {
        problems.push(format!(
            "front matter is larger than {} KiB; shorten it",
            MAX_BYTES >> 10
        ));
        return FrontMatter::default();
    }
    let mut mapping = match serde_yaml::from_str::<Option<Mapping>>(yaml) {
        Ok(mapping) => mapping.unwrap_or_default(),
        Err(error) => {
            // The reader counts from the line after the fence.
            let place = error
                .location()
                .map(|place| format!(" (line {}, column {})", place.line() + 1, place.column()))
                .unwrap_or_default();
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or(&message);
            problems.push(format!("front matter is not read: {message}{place}"));
            return FrontMatter::default();
        }
    };
    let front_matter = FrontMatter {
        alert: take(&mut mapping, "alert", problems),
        severity: take_list(&mut mapping, "severity", problems),
        owner: take(&mut mapping, "owner", problems),
        dashboards: take_list(&mut mapping, "dashboards", problems),
        updated: take(&mut mapping, "updated", problems),
        tested: take(&mut mapping, "tested", problems),
    };
    for key in mapping.keys() {
        let key = key.as_str().unwrap_or("a key that is no text");
        problems.push(format!(
            "front matter has the unknown key {key:?}; known are {}",
            KEYS.join(", ")
        ));
    }
    front_matter
}

fn take_list(mapping: &mut Mapping, key: &str, problems: &mut Vec<String>) -> Vec<String> {
    match take(mapping, key, problems) {
        Some(OneOrMany::One(text)) => vec![text],
        Some(OneOrMany::Many(texts)) => texts,
        None => Vec::new(),
    }
}

fn take<T: DeserializeOwned>(
    mapping: &mut Mapping,
    key: &str,
    problems: &mut Vec<String>,
) -> Option<T> {
    let value = mapping.remove(key)?;
    if matches!(value, Value::Null) {
        return None;
    }
    serde_yaml::from_value(value)
        .inspect_err(|_| {
            problems.push(format!(
                "front matter's {key} is neither a text nor a list of texts; quote it"
            ));
        })
        .ok()
}
