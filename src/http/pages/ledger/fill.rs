//! From the ledger's entries to the rows of the pages, and to the answer on one alert.

use super::list::EFFORT;
use super::{EntryRow, KINDS, VerdictRow, Why};
use crate::alerts::story::{Entry, NO_ENTRY, NO_RULE, Outcome, RuleSays, WAITS, stories, verdicts};
use crate::db::DbError;
use crate::db::ledger::{self, LedgerEntry, LedgerFilter};
use crate::http::context::Context;
use crate::http::pages::paged::{Address, tidy};
use crate::model::alert::AlertState;
use crate::model::labels::{ALERT_NAME, Fingerprint, Labels};
use crate::model::notification::Decision;
use crate::rules::file::RuleKind;

/// Entries that the answer on one alert is made of.
const ENTRIES: u32 = 200;
/// The longest text, in characters.
const LONG: usize = 400;
/// The longest name or value, in characters.
const SHORT: usize = 120;
/// Labels of an alert in a row.
const LABELS: usize = 8;
/// Notes on one alert.
const NOTES: usize = 10;

pub(in crate::http::pages) fn rows(entries: &[LedgerEntry]) -> Vec<EntryRow> {
    entries.iter().map(row).collect()
}

fn row(entry: &LedgerEntry) -> EntryRow {
    let story = Entry::from(entry);
    let kind = KINDS.iter().find(|(kind, _)| *kind == story.kind);
    EntryRow {
        at: entry.at,
        kind: (
            kind.map_or("other", |(_, words)| *words),
            class(&entry.decision),
        ),
        whom: tidy(&story.whom(), SHORT),
        reason: tidy(&story.reason, LONG),
        alert: entry.labels.as_ref().map(|labels| {
            let name = match labels.value(ALERT_NAME) {
                "" => "(no name)".to_owned(),
                name => tidy(name, SHORT),
            };
            let rest = labels.iter().filter(|(name, _)| *name != ALERT_NAME);
            let rest = rest.map(|(name, value)| (tidy(name, SHORT), tidy(value, SHORT)));
            let page = format!("/alerts/{}", labels.fingerprint());
            (name, rest.take(LABELS).collect(), page)
        }),
        link: link(&entry.decision),
    }
}

fn class(decision: &Decision) -> &'static str {
    match decision {
        Decision::Delivered { .. } => "good",
        Decision::Enqueued { .. } | Decision::Tested { .. } => "info",
        Decision::Failed { .. } | Decision::Expired { .. } | Decision::NoIntegration => "bad",
        Decision::Throttled { .. }
        | Decision::HeldInStorm { .. }
        | Decision::HeldFlapping { .. }
        | Decision::FellBack { .. }
        | Decision::Superseded { .. } => "warn",
        Decision::Deduplicated
        | Decision::NeverTold
        | Decision::ResolvedNotWanted
        | Decision::Inhibited { .. }
        | Decision::Muted { .. }
        | Decision::Inactive
        | Decision::Silenced { .. }
        | Decision::Acknowledged { .. }
        | Decision::AckBegan { .. }
        | Decision::AckEnded { .. }
        | Decision::SilenceBegan { .. }
        | Decision::SilenceEnded { .. } => "idle",
    }
}

fn link(decision: &Decision) -> Option<(&'static str, String)> {
    match decision {
        Decision::Inhibited { by, .. } => {
            let fingerprint = Fingerprint::parse(by)?;
            Some(("The other alert", format!("/alerts/{fingerprint}")))
        }
        Decision::Silenced { .. }
        | Decision::SilenceBegan { .. }
        | Decision::SilenceEnded { .. }
        | Decision::Acknowledged { .. }
        | Decision::AckBegan { .. } => Some(("Silences and acks", "/silences".to_owned())),
        other => {
            let id = other.notification()?;
            let address = Address::new("/ledger").with("notification", &**id);
            Some(("The notification", address.text()))
        }
    }
}

/// The answer on one alert. `labels` are those it has now, where it is known.
///
/// # Errors
/// Where the ledger cannot be read.
pub(in crate::http::pages) async fn why(
    context: &Context,
    fingerprint: Fingerprint,
    labels: Option<&Labels>,
) -> Result<(Why, Vec<LedgerEntry>), DbError> {
    let filter = LedgerFilter {
        fingerprint: Some(fingerprint),
        ..LedgerFilter::default()
    };
    let page = ledger::page_within(&context.database, &filter, ENTRIES, EFFORT).await?;
    let entries: Vec<Entry> = page.entries.iter().map(Entry::from).collect();
    let stories = stories(&entries);
    let story = stories.get(&fingerprint);
    let verdicts = story.map(|story| verdicts(story, &entries));
    let rows_of_verdicts = verdicts.into_iter().flatten().map(|verdict| VerdictRow {
        whom: tidy(&verdict.whom, SHORT),
        outcome: (
            verdict.outcome.to_string(),
            match verdict.outcome {
                Outcome::Told | Outcome::Flaps => "good",
                Outcome::OnItsWay => "info",
                Outcome::InDigest | Outcome::InStorm => "warn",
                Outcome::NotTold => "bad",
            },
        ),
        reason: tidy(&verdict.reason, LONG),
        at: verdict.at,
    });
    let known = labels.or(story.map(|story| &story.labels));
    let says = known
        .map(|labels| says(context, labels))
        .unwrap_or_default();
    let mut notes = Vec::new();
    if story.is_none() {
        notes.push(sentence(NO_ENTRY));
        if says.iter().any(|says| says.state == AlertState::Firing) {
            notes.push(sentence(WAITS));
        }
    }
    notes.extend(says.iter().map(|says| sentence(&says.to_string())));
    if says.is_empty() {
        notes.push(sentence(NO_RULE));
    }
    let why = Why {
        verdicts: rows_of_verdicts.collect(),
        notes,
        entries: rows(&page.entries),
        more: page.next.is_some(),
    };
    Ok((why, page.entries))
}

fn sentence(text: &str) -> String {
    let text = tidy(text, LONG);
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}

/// What the rules of its name say of an alert.
fn says(context: &Context, labels: &Labels) -> Vec<RuleSays> {
    let name = labels.value(ALERT_NAME);
    let mut said = Vec::new();
    for group in context.rules.groups() {
        let alerting = group.rules.iter().filter(|rule| rule.spec.name == name);
        for rule in alerting {
            let RuleKind::Alerting { holds, .. } = &rule.spec.kind else {
                continue;
            };
            let memory = rule.memory();
            // What left the rule has labels more, where something is known of it or of this Outrigger.
            let is_meant = |own: &Labels| {
                own.iter()
                    .all(|(name, value)| labels.get(name) == Some(value))
            };
            let instance = memory.instances.values().find(|one| is_meant(&one.labels));
            said.push(RuleSays {
                rule: rule.spec.name.clone(),
                group: group.spec.name.clone(),
                state: instance.map_or(AlertState::Inactive, |one| one.state),
                labels: instance.map(|one| one.labels.clone()).unwrap_or_default(),
                active_at: instance.map(|one| one.active_at),
                pending_for: holds.pending_for.as_secs_f64(),
                last_error: match &memory.health {
                    crate::rules::rule::Health::Failed(error) => Some(error.clone()),
                    crate::rules::rule::Health::Unknown | crate::rules::rule::Health::Ok => None,
                },
            });
            if said.len() == NOTES {
                return said;
            }
        }
    }
    said
}
