//! `definitions` of `outrigger.yml`: the directory of definitions, read whole, and the webhooks that are told of changes.
//!
//! Files are those of the directory itself that end in `.yml`, `.yaml` or `.json`, by name; each is what `outrigger definitions
//! import` takes. Every mistake of every file is told with its line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::db::sql::config as sql;
use crate::definitions::catalog;
use crate::definitions::check::{Checks, Finding, Findings};
use crate::definitions::resource::Resource;
use crate::definitions::store::managed::FileItem;
use crate::definitions::yaml::{self, Read};
use crate::document::diagnostics::{Diagnostic, Diagnostics};
use crate::document::fields::Fields;
use crate::http::definitions::cache::config::{self as cache, CacheConfig};
use crate::notify::definition_events::{self, WebhookConfig};
use crate::promql::parser;

use super::files;

/// The most definitions in a directory.
const MOST: usize = 10_000;

/// How definitions of files are checked.
pub const CHECKS: Checks = Checks {
    expression: |text| {
        parser::parse(text)
            .map(drop)
            .map_err(|error| error.to_string())
    },
    strict: false,
};

/// Where definitions come from, and what is made of them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct CatalogSettings {
    /// The directory they come from, where there is one.
    pub directory: Option<PathBuf>,
    /// Who is told of changes.
    pub webhooks: Vec<WebhookConfig>,
    /// Whether the rules made of them alert; values and progress are recorded either way.
    pub rules: bool,
}

/// Reads `definitions`: which database, how answers are kept, where they come from; paths are relative to `base`.
pub(super) fn read(
    root: &Fields<'_>,
    base: &Path,
) -> (sql::Settings, CacheConfig, CatalogSettings) {
    let Some(fields) = root.get("definitions").and_then(|value| value.fields()) else {
        return Default::default();
    };
    let database = sql::read(&fields, base);
    let cache = cache::read(&fields, base);
    let directory = fields.get("directory").and_then(|value| {
        let path = base.join(value.text()?);
        if !path.is_dir() {
            value.error(
                format!("no folder of definitions {}", path.display()),
                "name a folder of .yml or .json files, relative to this file",
            );
        }
        Some(path)
    });
    let webhooks = definition_events::read(&fields, base);
    let rules = fields.bool("rules").unwrap_or(false);
    fields.finish();
    let catalog = CatalogSettings {
        directory,
        webhooks,
        rules,
    };
    (database, cache, catalog)
}

/// The definitions of a directory.
pub(super) fn load(
    directory: &Path,
    diagnostics: &Diagnostics,
    warnings: &mut Vec<Diagnostic>,
) -> Vec<FileItem> {
    let mut paths: Vec<PathBuf> = match std::fs::read_dir(directory) {
        Ok(entries) => entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| is_definition(path))
            .collect(),
        Err(error) => {
            let name = directory.display().to_string();
            let remedy = "check the path and its permissions";
            diagnostics.push(super::mistake(
                &name,
                format!("read folder: {error}"),
                remedy,
            ));
            return Vec::new();
        }
    };
    paths.sort();
    let mut items = Vec::new();
    let mut seen: BTreeMap<(&str, String), String> = BTreeMap::new();
    for path in paths {
        let Some(text) = files::read(&path, diagnostics) else {
            continue;
        };
        let name = path.display().to_string();
        let read = match yaml::read(&name, &text) {
            Ok(read) => read,
            Err(mistakes) => {
                mistakes
                    .into_iter()
                    .for_each(|mistake| diagnostics.push(mistake));
                continue;
            }
        };
        if read.value.is_null() {
            continue;
        }
        let (found, findings) = catalog::items(&read.value);
        tell(&name, "", &read, &findings, diagnostics, warnings);
        for item in found {
            let mut findings = item.findings.clone();
            let resource = Resource::read(item.kind, &item.value, CHECKS, &mut findings);
            tell(&name, &item.place, &read, &findings, diagnostics, warnings);
            let Some(resource) = resource else { continue };
            let identity = (item.kind.as_str(), resource.id().to_owned());
            if let Some(other) = seen.insert(identity, name.clone()) {
                let message = format!(
                    "{} {:?} stands in {other} too",
                    item.kind.as_str(),
                    resource.id()
                );
                let position = read.position(&item.place);
                let mistake = Diagnostic::new(&name, position, &item.place, message);
                diagnostics.push(mistake.remedy("keep one of the two"));
            }
            let file = path.file_name().unwrap_or_default();
            items.push(FileItem {
                file: file.to_string_lossy().into_owned(),
                item,
            });
        }
    }
    if items.len() > MOST {
        let name = directory.display().to_string();
        let message = format!("holds more than {MOST} definitions");
        diagnostics.push(super::mistake(
            &name,
            message,
            "keep the others in the database: import them",
        ));
    }
    items
}

fn is_definition(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let extension = path.extension().and_then(|extension| extension.to_str());
    !name.starts_with('.') && matches!(extension, Some("yml" | "yaml" | "json")) && path.is_file()
}

fn tell(
    name: &str,
    place: &str,
    read: &Read,
    findings: &Findings,
    diagnostics: &Diagnostics,
    warnings: &mut Vec<Diagnostic>,
) {
    let told = |finding: &Finding| {
        let dot = if place.is_empty() || finding.field.is_empty() {
            ""
        } else {
            "."
        };
        let path = format!("{place}{dot}{}", finding.field);
        let position = read.position(&path);
        Diagnostic::new(name, position, path, &finding.message).remedy(&finding.remedy)
    };
    findings
        .mistakes
        .iter()
        .for_each(|finding| diagnostics.push(told(finding)));
    warnings.extend(findings.warnings.iter().map(told));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_from(files: &[(&str, &str)]) -> (Vec<FileItem>, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let diagnostics = Diagnostics::default();
        let mut warnings = Vec::new();
        let items = load(directory.path(), &diagnostics, &mut warnings);
        let prefix = format!("{}/", directory.path().display());
        let all = diagnostics.into_sorted().into_iter().chain(warnings);
        let told = all.map(|mistake| mistake.to_string().replace(&prefix, ""));
        (items, told.collect())
    }

    #[test]
    fn every_file_is_read_and_each_mistake_has_its_line() {
        let (items, told) = load_from(&[
            ("a.yml", "domains:\n- {domain_id: A, name: a}\n"),
            ("b.json", "{\"domain_id\": \"B\",\n \"name\": \"b\"}"),
            ("c.yaml", ""),
            (".hidden.yml", "x"),
            ("readme.md", "x"),
        ]);
        assert_eq!(told, [""; 0]);
        let found: Vec<(&str, &str)> = items
            .iter()
            .map(|item| (&*item.file, item.item.value["domain_id"].as_str().unwrap()))
            .collect();
        assert_eq!(found, [("a.yml", "A"), ("b.json", "B")]);

        let (_, told) = load_from(&[
            (
                "a.yml",
                "domains:\n- domain_id: A\n  name: a\n  contact_email: x\n  colour: red\n",
            ),
            ("b.yml", "domains:\n- domain_id: A\n  name: a\n"),
            ("c.yml", "- {domain_id: [}\n"),
            ("d.yml", "domain: []\n"),
        ]);
        let check = |want: &str| {
            assert!(
                told.iter().any(|told| told.starts_with(want)),
                "{want}: {told:#?}"
            );
        };
        check("a.yml:4:3: domains[0].contact_email: ");
        check("a.yml:5:3: domains[0].colour: is not known and is left out; did you mean color?");
        check("c.yml:1:");
        check("d.yml:1:1: domain: is not known");
        let (_, told) = load_from(&[
            ("a.yml", "domains:\n- {domain_id: A, name: a}\n"),
            ("b.yml", "domains:\n- {domain_id: A, name: a}\n"),
        ]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with("b.yml:2:3: domains[0]: domain \"A\" stands in "),
            "{told:?}"
        );
    }
}
