//! What is wrong with a folder of runbooks, held against the rules whose alerts they are for.
//!
//! Every mistake has its place and what to do. A page without front matter is a guide: only its links and queries count.
//! Whether a query returns anything, and whether addresses elsewhere answer, is not asked here.

mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::read::{Doc, line_of};
use super::front_matter::KEYS;
use super::{Runbook, Runbooks};
use crate::document::Position;
use crate::document::diagnostics::{Diagnostic, Diagnostics};
use crate::promql::{parser, support};

/// The sections of every runbook, in their order.
pub const SECTIONS: [&str; 10] = [
    "What it means",
    "Symptoms",
    "Impact",
    "Quick check (2 minutes)",
    "Diagnosis",
    "Resolution",
    "Escalation",
    "Communication",
    "Prevention",
    "Related alerts",
];
/// Severities, the highest first.
const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];
/// What each resolution says.
const RESOLUTION: [&str; 2] = ["**Verify:**", "**Roll back:**"];
/// Whom the section on communication has words for.
const AUDIENCES: [&str; 2] = ["Internal:", "Status page:"];
/// The levels of the escalation.
const LEVELS: [&str; 3] = ["L1", "L2", "L3"];
const INDEX: &str = "README.md";

/// An alerting rule, as far as runbooks are concerned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlertRule {
    /// Its name.
    pub alert: String,
    /// Its `severity` label.
    pub severity: Option<String>,
    /// Its `runbook_url` as written.
    pub runbook_url: Option<String>,
    /// Where it stands.
    pub file: String,
    /// The line there, from 1; 0 where it is not known.
    pub line: u32,
}

/// A query of a runbook, for who runs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockFound {
    /// The file.
    pub file: String,
    /// Its line.
    pub line: u32,
    /// The expression.
    pub query: String,
}

/// Checks files, as `(name, text)`; `dashboards` are the names that front matter may hold beside addresses. Returns the
/// queries that can be run.
pub fn lint(
    files: &[(String, String)],
    rules: &[AlertRule],
    dashboards: &[&str],
    diagnostics: &Diagnostics,
) -> Vec<BlockFound> {
    let mut runbooks = Runbooks::default();
    for (name, text) in files {
        runbooks.add(base(name), text.as_bytes());
    }
    for fault in runbooks.faults() {
        let file = files.iter().find(|(name, _)| base(name) == fault.file);
        let name = file.map_or(fault.file.as_str(), |(name, _)| name);
        diagnostics.push(Diagnostic::new(
            name,
            Position::default(),
            "",
            fault.message.clone(),
        ));
    }
    let check = Check {
        runbooks: &runbooks,
        rules,
        dashboards,
        diagnostics,
    };
    let mut found = Vec::new();
    let mut of_alert: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, text) in files {
        let Some(page) = runbooks.get(base(name).trim_end_matches(".md")) else {
            continue;
        };
        let file = File {
            name,
            text,
            page,
            doc: read::read(text),
        };
        check.file(&file, &mut found);
        if let Some(alert) = page.front_matter.alert.as_deref() {
            let first = of_alert.entry(alert).or_insert(name);
            if *first != name {
                let message = format!("{alert} has a runbook already: {first}");
                file.fault(&check, file.key("alert"), &message, "remove one of them");
            }
        }
    }
    check.every_rule(&of_alert);
    if let Some((name, text)) = files.iter().find(|(name, _)| base(name) == INDEX) {
        check.index(name, text, of_alert.values().copied());
    }
    found
}

/// The name of a file without its folder.
fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// What everything is held against.
struct Check<'a> {
    runbooks: &'a Runbooks,
    rules: &'a [AlertRule],
    dashboards: &'a [&'a str],
    diagnostics: &'a Diagnostics,
}

/// A file under examination.
struct File<'a> {
    name: &'a str,
    text: &'a str,
    page: &'a Runbook,
    doc: Doc,
}

impl File<'_> {
    fn fault(&self, check: &Check<'_>, line: u32, message: &str, remedy: &str) {
        let place = Position {
            line,
            column: u32::from(line > 0),
        };
        let fault = Diagnostic::new(self.name, place, "", message);
        check.diagnostics.push(fault.remedy(remedy));
    }

    /// The line of a key of the front matter, or the first one.
    fn key(&self, key: &str) -> u32 {
        let lines = self.text.lines().zip(1..).take(self.doc.body_line as usize);
        let is_key = |line: &str| {
            let rest = line.strip_prefix(key);
            rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
        };
        lines
            .filter(|(line, _)| is_key(line))
            .map(|(_, number)| number)
            .next()
            .unwrap_or(1)
    }
}

impl Check<'_> {
    fn file(&self, file: &File<'_>, found: &mut Vec<BlockFound>) {
        for problem in &file.page.problems {
            file.fault(self, 1, problem, "mend it");
        }
        self.links(file);
        self.queries(file, found);
        if file.doc.body_line > 1 {
            self.front_matter(file);
            self.sections(file);
        }
    }

    fn front_matter(&self, file: &File<'_>) {
        let head = &file.page.front_matter;
        let missing: Vec<&str> = KEYS
            .into_iter()
            .filter(|key| match *key {
                "alert" => head.alert.is_none(),
                "severity" => head.severity.is_empty(),
                "owner" => head.owner.is_none(),
                "dashboards" => head.dashboards.is_empty(),
                "updated" => head.updated.is_none(),
                _ => head.tested.is_none(),
            })
            .collect();
        for key in missing {
            let remedy = match key {
                "alert" => "name the alert it is for, or remove the front matter of a guide",
                "severity" => "list the severities of its rules, such as [critical, warning]",
                "owner" => "name a role or a team",
                "dashboards" => "list names or addresses of dashboards",
                "updated" => "write the day of the last change, such as 2026-01-31",
                _ => "write the day somebody followed it, or never",
            };
            file.fault(
                self,
                file.key(key),
                &format!("front matter lacks {key}"),
                remedy,
            );
        }
        for (key, value, may_be_never) in [
            ("updated", &head.updated, false),
            ("tested", &head.tested, true),
        ] {
            if let Some(value) = value
                && !is_day(value)
                && !(may_be_never && value == "never")
            {
                let message = format!("{key} is no day: {value}");
                file.fault(self, file.key(key), &message, "write such as 2026-01-31");
            }
        }
        for name in &head.dashboards {
            let is_address = name.starts_with('/') || name.contains("://");
            if !is_address && !self.dashboards.contains(&name.as_str()) {
                let message = format!("there is no dashboard {name}");
                let remedy = format!("write one of {}, or an address", self.dashboards.join(", "));
                file.fault(self, file.key("dashboards"), &message, &remedy);
            }
        }
        let Some(alert) = &head.alert else {
            return;
        };
        let mine = || self.rules.iter().filter(|rule| rule.alert == *alert);
        if mine().next().is_none() {
            let message = format!("no rule raises {alert}");
            let remedy = "correct the name, or remove the runbook";
            return file.fault(self, file.key("alert"), &message, remedy);
        }
        let raised: BTreeSet<&str> = mine().filter_map(|rule| rule.severity.as_deref()).collect();
        let known = SEVERITIES.into_iter().filter(|name| raised.contains(name));
        let others = raised.iter().filter(|name| !SEVERITIES.contains(name));
        let wanted: Vec<&str> = known.chain(others.copied()).collect();
        if !head.severity.is_empty() && head.severity != wanted {
            let message = format!(
                "severity is [{}], its rules say [{}]",
                head.severity.join(", "),
                wanted.join(", ")
            );
            let remedy = "write what the rules say, the highest first";
            file.fault(self, file.key("severity"), &message, remedy);
        }
    }

    fn sections(&self, file: &File<'_>) {
        let sections: Vec<(&str, u32)> = file
            .doc
            .headings
            .iter()
            .filter(|heading| heading.level == 2)
            .map(|heading| (heading.text.as_str(), heading.line))
            .collect();
        let mut last = 0;
        for wanted in SECTIONS {
            match sections.iter().position(|(name, _)| *name == wanted) {
                None => {
                    let remedy = format!("write it, the sections being {}", SECTIONS.join(", "));
                    let line = sections.get(last).map_or(1, |(_, line)| *line);
                    file.fault(
                        self,
                        line,
                        &format!("section \"{wanted}\" is missing"),
                        &remedy,
                    );
                }
                Some(place) => {
                    let line = sections[place].1;
                    if place < last {
                        let message = format!("section \"{wanted}\" is out of order");
                        let remedy = format!("the order is {}", SECTIONS.join(", "));
                        file.fault(self, line, &message, &remedy);
                    }
                    last = last.max(place);
                    self.section(file, wanted, line);
                }
            }
        }
        for (name, line) in &sections {
            if !SECTIONS.contains(name) {
                let message = format!("section \"{name}\" is none of a runbook's");
                let remedy = format!("put it into one of {}", SECTIONS.join(", "));
                file.fault(self, *line, &message, &remedy);
            }
        }
    }

    /// What a section holds.
    fn section(&self, file: &File<'_>, name: &str, line: u32) {
        let text = file.doc.section(file.text, line, 2);
        if text.trim().is_empty() {
            let message = format!("section \"{name}\" is empty");
            return file.fault(
                self,
                line,
                &message,
                "say at least that there is nothing to do",
            );
        }
        match name {
            "Resolution" => {
                let parts = file.doc.headings.iter().filter(|heading| {
                    heading.level == 3 && file.doc.section_of(heading.line) == Some(line)
                });
                let mut parts = parts.peekable();
                if parts.peek().is_none() {
                    let remedy = "give each a heading of level three";
                    file.fault(self, line, "there is no resolution", remedy);
                }
                for part in parts {
                    let text = file.doc.section(file.text, part.line, 3);
                    for word in RESOLUTION {
                        if !text.contains(word) {
                            let message = format!("\"{}\" lacks {word}", part.text);
                            let remedy = "say how to see that it worked, and how to undo it";
                            file.fault(self, part.line, &message, remedy);
                        }
                    }
                }
            }
            "Escalation" => {
                let known = |level: &str| {
                    file.page
                        .escalation
                        .iter()
                        .any(|step| step.level.trim() == level)
                };
                for level in LEVELS.into_iter().filter(|level| !known(level)) {
                    let message = format!("the table of the escalation lacks {level}");
                    let remedy = "write a row of level, who and when";
                    file.fault(self, line, &message, remedy);
                }
            }
            "Communication" => {
                for word in AUDIENCES.into_iter().filter(|word| !text.contains(word)) {
                    let message = format!("words for \"{word}\" are missing");
                    file.fault(self, line, &message, "write a text that can be copied");
                }
            }
            _ => {}
        }
    }

    fn links(&self, file: &File<'_>) {
        for (link, line) in &file.doc.links {
            let elsewhere = link.contains("://") || link.starts_with("mailto:");
            if elsewhere || link.starts_with('/') {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = path.strip_prefix("./").unwrap_or(path);
            let target = match path.strip_suffix(".md") {
                _ if path.is_empty() => Some(file.page),
                Some(slug) => self.runbooks.get(slug),
                None => None,
            };
            match target {
                None => {
                    let message = format!("the link to {link} leads nowhere");
                    let remedy =
                        "link a .md file of this folder, a path of Outrigger or an address";
                    file.fault(self, *line, &message, remedy);
                }
                Some(page) if !anchor.is_empty() => {
                    if !page.headings.iter().any(|heading| heading.id == anchor) {
                        let message = format!("{} has no heading #{anchor}", page.slug);
                        let remedy = "link one of its headings: lower case, hyphens for blanks";
                        file.fault(self, *line, &message, remedy);
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn queries(&self, file: &File<'_>, found: &mut Vec<BlockFound>) {
        let blocks = file.doc.queries.iter().map(|query| (query, true));
        let commands = file.doc.commands.iter().map(|query| (query, false));
        for ((query, line), is_block) in blocks.chain(commands) {
            let parsed = parser::parse(query)
                .map_err(|error| (error.to_string(), Some(error.excerpt(query))));
            let checked = parsed
                .and_then(|expr| support::check(&expr).map_err(|error| (error.to_string(), None)));
            if let Err((message, excerpt)) = checked {
                let place = Position {
                    line: *line,
                    column: 1,
                };
                let mut fault = Diagnostic::new(file.name, place, "", format!("query: {message}"))
                    .remedy("mend the expression");
                if let Some(excerpt) = excerpt {
                    fault = fault.excerpt(excerpt);
                }
                self.diagnostics.push(fault);
            } else if is_block {
                found.push(BlockFound {
                    file: file.name.to_owned(),
                    line: *line,
                    query: query.clone(),
                });
            }
        }
    }

    fn every_rule(&self, of_alert: &BTreeMap<&str, &str>) {
        let mut told = BTreeSet::new();
        for rule in self.rules {
            let place = Position {
                line: rule.line,
                column: u32::from(rule.line > 0),
            };
            let fault = |message: String, remedy: &str| {
                let fault = Diagnostic::new(&rule.file, place, rule.alert.clone(), message);
                self.diagnostics.push(fault.remedy(remedy));
            };
            if !of_alert.contains_key(rule.alert.as_str()) {
                if told.insert(&rule.alert) {
                    let remedy = format!(
                        "write a file with `alert: {}` in its front matter",
                        rule.alert
                    );
                    fault("the alert has no runbook".to_owned(), &remedy);
                }
                continue;
            }
            // Addresses of others are theirs.
            let slug = rule.runbook_url.as_deref().and_then(|url| {
                let (_, rest) = url.split_once("externalURL }}/runbooks/")?;
                rest.split(['?', '#']).next()
            });
            if let Some(slug) = slug {
                let page = self.runbooks.get(slug);
                let is_mine = page.is_some_and(|page| {
                    page.front_matter.alert.as_deref() == Some(rule.alert.as_str())
                });
                if !is_mine {
                    let message = format!("runbook_url leads to {slug}, which is not its runbook");
                    fault(message, "correct the end of the address");
                }
            }
        }
    }

    /// An index names every runbook.
    fn index<'f>(&self, name: &str, text: &str, files: impl Iterator<Item = &'f str>) {
        for file in files {
            if !text.contains(&format!("]({})", base(file))) {
                let line = line_of(text, text.len());
                let place = Position { line, column: 1 };
                let message = format!("{} is not listed", base(file));
                let fault = Diagnostic::new(name, place, "", message);
                self.diagnostics.push(fault.remedy("add a link to it"));
            }
        }
    }
}

/// `2026-01-31`.
fn is_day(text: &str) -> bool {
    text.parse::<jiff::civil::Date>().is_ok()
}
