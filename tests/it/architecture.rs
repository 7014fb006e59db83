//! Modules depend one way: a module uses those of lower floors only, and modules of one floor do not use each other.
//!
//! It reads the sources, not the compiler's view: every path that starts with `crate::` outside comments and texts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Modules by floor, the highest first, as `ARCHITECTURE.md` draws them.
const FLOORS: [(u8, &[&str]); 12] = [
    (12, &["cli"]),
    (11, &["app"]),
    (10, &["config"]),
    (9, &["http"]),
    (8, &["notify", "dashboards", "meaning", "runbooks"]),
    (7, &["rules", "charts"]),
    (
        6,
        &[
            "scrape",
            "promql",
            "alerts",
            "definitions",
            "auth",
            "remote",
        ],
    ),
    (5, &["storage", "db", "net"]),
    (4, &["telemetry"]),
    (3, &["tasks"]),
    (
        2,
        &["clock", "exposition", "enrich", "template", "document"],
    ),
    (1, &["model", "embedded"]),
];

#[test]
fn modules_use_lower_floors_only() {
    let floors: BTreeMap<&str, u8> = FLOORS
        .iter()
        .flat_map(|(floor, modules)| modules.iter().map(|module| (*module, *floor)))
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for path in sources(&root) {
        let relative = path.strip_prefix(&root).expect("found below it");
        let user = relative
            .iter()
            .next()
            .and_then(|part| Path::new(part).file_stem()?.to_str())
            .expect("a name");
        if matches!(user, "lib" | "main") {
            continue;
        }
        let Some(floor) = floors.get(user) else {
            wrong.push(format!(
                "src/{}: module {user} is on no floor; put it on one",
                relative.display()
            ));
            continue;
        };
        let text = std::fs::read_to_string(&path).expect("a source is readable");
        for (line, used) in crate_paths(&code_only(&text)) {
            let place = format!("src/{}:{line}", relative.display());
            match floors.get(used.as_str()) {
                _ if used == user => {}
                Some(other) if other < floor => {}
                Some(other) if other == floor => {
                    wrong.push(format!(
                        "{place}: {user} uses {used} of its own floor {floor}"
                    ));
                }
                Some(other) => wrong.push(format!(
                    "{place}: {user} (floor {floor}) uses {used} (floor {other})"
                )),
                None => wrong.push(format!("{place}: {used} is on no floor")),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} uses against the direction:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_module_is_on_exactly_one_floor() {
    let all: Vec<&str> = FLOORS
        .iter()
        .flat_map(|(_, modules)| modules.iter().copied())
        .collect();
    let distinct: BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(all.len(), distinct.len(), "a module stands on two floors");
    assert!(
        FLOORS.windows(2).all(|pair| pair[0].0 > pair[1].0),
        "floors go down"
    );
}

#[test]
fn paths_are_found_in_each_way_of_writing_them() {
    let check = |source: &str, expected: &[(usize, &str)]| {
        let found = crate_paths(&code_only(source));
        let found: Vec<(usize, &str)> = found
            .iter()
            .map(|(line, name)| (*line, name.as_str()))
            .collect();
        assert_eq!(found, expected, "{source:?}");
    };
    check("use crate::model::labels::Labels;", &[(1, "model")]);
    check("\nlet x = crate::clock::now();", &[(2, "clock")]);
    check(
        "use crate::{clock::Clock, model::{labels, sample},\n db};",
        &[(1, "clock"), (1, "model"), (2, "db")],
    );
    check("pub(crate) use super::x;", &[]);
    check(
        "// crate::http\n/* crate::db */ /// [`crate::db`]\nlet a = \"crate::net\"; let b = r#\"\"crate::net\"#;",
        &[],
    );
    check(
        "let quote = '\"'; crate::net::x(); let a: &'static str = \"\\\"crate::db\";",
        &[(1, "net")],
    );
}

/// Every Rust source below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the directory of the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The source with comments, texts and characters blanked; lines stay where they are.
fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = String::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = match rest[0] {
            b'/' if rest.starts_with(b"//") => {
                at + rest
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .unwrap_or(rest.len())
            }
            b'/' if rest.starts_with(b"/*") => {
                at + 2 + find(&rest[2..], b"*/").map_or(rest.len() - 2, |end| end + 2)
            }
            b'r' if rest.starts_with(b"r\"") || rest.starts_with(b"r#") => {
                let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
                if rest.get(1 + hashes) == Some(&b'"') {
                    let close = [b"\"".as_slice(), &rest[1..=hashes]].concat();
                    let open = hashes + 2;
                    at + open
                        + find(&rest[open..], &close)
                            .map_or(rest.len() - open, |end| end + close.len())
                } else {
                    at
                }
            }
            b'"' => at + text_end(rest),
            // A character, not a lifetime.
            b'\'' if rest.get(1) == Some(&b'\\') || rest.get(2) == Some(&b'\'') => {
                let from = if rest[1] == b'\\' { 3 } else { 2 };
                at + from
                    + rest[from..]
                        .iter()
                        .position(|byte| *byte == b'\'')
                        .unwrap_or(0)
                    + 1
            }
            _ => at,
        };
        if end == at {
            out.push(if rest[0].is_ascii() {
                char::from(rest[0])
            } else {
                '?'
            });
            at += 1;
        } else {
            out.extend(
                bytes[at..end]
                    .iter()
                    .map(|byte| if *byte == b'\n' { '\n' } else { ' ' }),
            );
            at = end;
        }
    }
    out
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// How many bytes a text takes that begins here with its quote.
fn text_end(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Modules named after `crate::`, with their lines; those in braces one by one.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    const ROOT: &str = "crate::";
    let mut found = Vec::new();
    for (start, _) in code.match_indices(ROOT) {
        let before = code[..start].chars().next_back();
        if before.is_some_and(|char| char.is_alphanumeric() || char == '_' || char == ':') {
            continue;
        }
        let line = |at: usize| code[..at].matches('\n').count() + 1;
        let from = start + ROOT.len();
        let Some(list) = code[from..].strip_prefix('{') else {
            found.push((line(from), word(&code[from..])));
            continue;
        };
        let mut depth = 0_u32;
        let mut expected = true;
        for (offset, char) in list.char_indices() {
            match char {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => expected = true,
                _ if expected && !char.is_whitespace() => {
                    found.push((line(from + 1 + offset), word(&list[offset..])));
                    expected = false;
                }
                _ => {}
            }
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|char| char.is_alphanumeric() || *char == '_')
        .collect()
}
