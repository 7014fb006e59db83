//! What became of many writes: counts, one entry an item, and the status that fits.
//!
//! ```text
//! {"success": true, "data": {"created": 1, "updated": 0, "unchanged": 0, "deleted": 0, "refused": 0, "atomic": true,
//!   "dry_run": false, "items": [{"place": "[0]", "kind": "metric", "id": "A", "outcome": "created", "revision": 1,
//!     "version": …, "fields_changed": […], "warnings": […], "error": {code, message, details}}]}}
//! ```
//!
//! 200 where nothing was refused, 207 where some were and the others written, else the status of the refusals (400 where
//! they differ) with the same under `error.details`. A dry run answers as the real one would.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::answer;
use super::{Query, parameter};
use crate::definitions::check::Findings;
use crate::definitions::resource::Kind;
use crate::definitions::store::Outcome;
use crate::definitions::store::batch::{ItemReport, Mode};
use crate::http::problem::Problem;

/// What became of many writes.
pub(super) struct Report {
    /// Of each.
    pub(super) items: Vec<ItemReport>,
    /// Of what was in the body beside them.
    pub(super) body: Findings,
    /// How they were written.
    pub(super) mode: Mode,
}

/// How the parameters say it is to be written.
pub(super) fn mode(query: &Query) -> Result<Mode, Problem> {
    Ok(Mode {
        atomic: flag(query, "atomic")?.unwrap_or(true),
        dry_run: flag(query, "dry_run")?.unwrap_or(false),
    })
}

fn flag(query: &Query, name: &str) -> Result<Option<bool>, Problem> {
    match query.one(name)? {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(parameter(name, "write true or false")),
    }
}

impl Report {
    fn count(&self, wanted: fn(&Outcome) -> bool) -> usize {
        let outcomes = self.items.iter().filter_map(|item| item.outcome.as_ref());
        outcomes.filter(|outcome| wanted(outcome)).count()
    }

    /// Resources of a kind that are now (or would be) as the body says.
    pub(super) fn taken(&self, kind: Kind) -> usize {
        if !self.writes() {
            return 0;
        }
        let of_kind = self.items.iter().filter(|item| item.kind == kind);
        of_kind.filter(|item| item.outcome.is_some()).count()
    }

    /// Everything that was refused, in words.
    pub(super) fn errors(&self) -> Vec<String> {
        let mut errors: Vec<String> = self.body.mistakes.iter().map(ToString::to_string).collect();
        for item in &self.items {
            let what = format!("{} {}: {}", item.kind.as_str(), item.id, item.place);
            let what = what.trim_end_matches([':', ' ']);
            errors.extend(
                item.refusal
                    .iter()
                    .map(|refusal| format!("{what}: {refusal}")),
            );
            let mistakes = item.findings.mistakes.iter();
            errors.extend(mistakes.map(|mistake| format!("{what}: {mistake}")));
        }
        errors
    }

    pub(super) fn refused(&self) -> usize {
        let refused = self.items.iter().filter(|item| item.outcome.is_none());
        refused.count() + self.body.mistakes.len()
    }

    /// Whether anything is (or would be) written.
    fn writes(&self) -> bool {
        self.refused() == 0
            || !self.mode.atomic && self.items.iter().any(|item| item.outcome.is_some())
    }

    /// The counts and the entries.
    pub(super) fn data(&self) -> Map<String, Value> {
        let mut items: Vec<Value> = self.items.iter().map(entry).collect();
        items.extend(self.body.mistakes.iter().map(|mistake| {
            let message = mistake.to_string();
            json!({"place": mistake.field, "outcome": "refused", "error": {"code": "VAL_FAILED", "message": message}})
        }));
        let data = json!({
            "created": self.count(|outcome| matches!(outcome, Outcome::Created)),
            "updated": self.count(|outcome| matches!(outcome, Outcome::Updated { .. })),
            "unchanged": self.count(|outcome| matches!(outcome, Outcome::Unchanged)),
            "deleted": self.count(|outcome| matches!(outcome, Outcome::Removed)),
            "refused": self.refused(),
            "atomic": self.mode.atomic,
            "dry_run": self.mode.dry_run,
            "items": items,
        });
        match data {
            Value::Object(data) => data,
            _ => Map::new(),
        }
    }

    /// The answer; `more` stands beside the counts.
    pub(super) fn answer(&self, more: Map<String, Value>) -> Response {
        let mut data = more;
        data.extend(self.data());
        if !self.body.warnings.is_empty() {
            data.insert("warnings".to_owned(), json!(self.body.warnings));
        }
        if self.writes() {
            let status = match self.refused() {
                0 => StatusCode::OK,
                _ => StatusCode::MULTI_STATUS,
            };
            return (status, Json(json!({"success": true, "data": data}))).into_response();
        }
        let (status, code) = self.refusal();
        let all = self.items.len() + self.body.mistakes.len();
        let message = format!(
            "{} of {all} are refused; nothing was written",
            self.refused()
        );
        Problem::new(status, code, message)
            .with_details(data.into())
            .into_response()
    }

    /// The status and code that all refusals share.
    fn refusal(&self) -> (StatusCode, &'static str) {
        let invalid = (StatusCode::BAD_REQUEST, "VAL_FAILED");
        let refused = self.items.iter().filter(|item| item.outcome.is_none());
        let mut all = refused.map(|item| match &item.refusal {
            Some(refusal) => {
                let problem = answer::refused(refusal);
                (problem.status(), problem.code())
            }
            None => invalid,
        });
        match all.next() {
            Some(first) if self.body.mistakes.is_empty() && all.all(|other| other == first) => {
                first
            }
            Some(_) if self.body.mistakes.is_empty() => (StatusCode::BAD_REQUEST, "BIZ_REFUSED"),
            _ => invalid,
        }
    }
}

fn entry(item: &ItemReport) -> Value {
    let mut entry = json!({"place": item.place, "kind": item.kind.as_str(), "id": item.id});
    let (word, fields, version) = match &item.outcome {
        Some(Outcome::Created) => ("created", None, None),
        Some(Outcome::Updated { fields, version }) => ("updated", Some(fields), version.as_ref()),
        Some(Outcome::Unchanged) => ("unchanged", None, None),
        Some(Outcome::Removed) => ("deleted", None, None),
        None => ("refused", None, None),
    };
    entry["outcome"] = word.into();
    if let Some(revision) = item.revision {
        entry["revision"] = revision.into();
    }
    if let Some(fields) = fields {
        entry["fields_changed"] = json!(fields);
    }
    if let Some(version) = version {
        entry["version"] = json!(version);
    }
    if !item.findings.warnings.is_empty() {
        entry["warnings"] = json!(item.findings.warnings);
    }
    if item.outcome.is_none() {
        entry["error"] = match &item.refusal {
            Some(refusal) => {
                let problem = answer::refused(refusal);
                json!({"code": problem.code(), "message": problem.message()})
            }
            None => json!({
                "code": "VAL_FAILED",
                "message": "the definition has mistakes",
                "details": item.findings.mistakes,
            }),
        };
    }
    entry
}
