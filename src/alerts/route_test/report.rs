//! What was expected beside what happened, for a person: `-` is missing, `+` is too much.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::route::Routing;
use super::file::{By, ExpectedNotification, ExpectedSuppression, RouteTest, has_to_be_listed};
use super::run::{Failure, History, Sent};
use crate::db::ledger::LedgerEntry;
use crate::model::duration;
use crate::model::labels::{ALERT_NAME, Labels};
use crate::model::notification::Decision;

/// The receivers that labels have, beside those expected.
pub(super) fn routes(routing: &Routing, test: &RouteTest) -> Vec<Failure> {
    let check = |expected: &super::file::ExpectedRoute| {
        let found: Vec<&str> = routing
            .matching(&expected.labels)
            .into_iter()
            .map(|route| &*routing.routes[route].receiver.name)
            .collect();
        (found != expected.receivers).then(|| Failure {
            position: expected.position,
            text: format!(
                "receivers of {} differ\n    - {}\n    + {}",
                shown(&expected.labels),
                expected.receivers.join(", "),
                found.join(", ")
            ),
        })
    };
    test.routes.iter().filter_map(check).collect()
}

/// The notifications that were sent, beside those expected.
pub(super) fn notifications(test: &RouteTest, history: &History) -> Option<Failure> {
    let expected = test.notifications.as_ref()?;
    let mut left: Vec<Sent> = history.sent.clone();
    let mut lines: Vec<(Duration, String)> = Vec::new();
    let mut missing = Vec::new();
    for expected in expected {
        match left.iter().position(|sent| fits(expected, sent)) {
            Some(i) => {
                let mut taken = left[i].clone();
                if let Some(integration) = &expected.integration {
                    taken.integrations = BTreeSet::from([integration.clone()]);
                    left[i].integrations.remove(integration);
                }
                if expected.integration.is_none() || left[i].integrations.is_empty() {
                    left.remove(i);
                }
                lines.push((taken.at, format!("  {}", sent_line(&taken))));
            }
            None => missing.push(expected),
        }
    }
    if missing.is_empty() && left.is_empty() {
        return None;
    }
    for expected in &missing {
        lines.push((expected.at, format!("- {}", expected_line(expected))));
        for reason in reasons(expected, history) {
            lines.push((expected.at, format!("    {reason}")));
        }
    }
    for sent in &left {
        lines.push((sent.at, format!("+ {}", sent_line(sent))));
    }
    lines.sort_by_key(|(at, _)| *at);
    let position = missing.first().map(|expected| expected.position);
    Some(Failure {
        position: position.unwrap_or(test.position),
        text: format!(
            "notifications differ (- expected, + sent)\n{}",
            indented(&lines)
        ),
    })
}

fn fits(expected: &ExpectedNotification, sent: &Sent) -> bool {
    let fits = |wanted: &Option<String>, has: &dyn Fn(&str) -> bool| {
        wanted.as_ref().is_none_or(|wanted| has(wanted))
    };
    expected.at == sent.at
        && expected.receiver == sent.receiver
        && expected.firing == sent.firing
        && expected.resolved == sent.resolved
        && fits(&expected.reason, &|reason| reason == sent.reason.as_str())
        && fits(&expected.integration, &|name| {
            sent.integrations.contains(name)
        })
}

/// Why alerts of a missing notification were kept quiet, as far as the ledger says.
fn reasons(expected: &ExpectedNotification, history: &History) -> Vec<String> {
    let alerts: BTreeSet<&Labels> = expected.firing.union(&expected.resolved).collect();
    let concerns = |(at, entry): &&(Duration, LedgerEntry)| {
        *at <= expected.at
            && *entry.receiver == *expected.receiver
            && entry
                .labels
                .as_ref()
                .is_some_and(|labels| alerts.contains(labels))
            && has_to_be_listed(entry.decision.kind())
    };
    let found = history.ledger.iter().filter(concerns);
    found
        .map(|(at, entry)| format!("because {}", entry_line(*at, entry, history)))
        .collect()
}

/// What kept alerts quiet, beside what was expected to.
pub(super) fn suppressions(test: &RouteTest, history: &History) -> Option<Failure> {
    let expected = test.suppressions.as_ref()?;
    let concerned: Vec<&(Duration, LedgerEntry)> = history
        .ledger
        .iter()
        .filter(|(_, entry)| entry.labels.is_some())
        .collect();
    let mut lines: Vec<(Duration, String)> = Vec::new();
    let mut position = None;
    for expected in expected {
        for alert in &expected.alerts {
            let met = concerned
                .iter()
                .any(|(at, entry)| suppressed(expected, alert, *at, entry));
            if !met {
                position = position.or(Some(expected.position));
                lines.push((
                    expected.at.unwrap_or_default(),
                    format!("- {}", suppression_line(expected, alert)),
                ));
            }
        }
    }
    let mut is_wrong = !lines.is_empty();
    for (at, entry) in concerned {
        let Some(alert) = entry.labels.as_ref() else {
            continue;
        };
        let is_expected = expected
            .iter()
            .any(|expected| suppressed(expected, alert, *at, entry));
        if is_expected {
            lines.push((*at, format!("  {}", entry_line(*at, entry, history))));
        } else if has_to_be_listed(entry.decision.kind()) {
            is_wrong = true;
            lines.push((*at, format!("+ {}", entry_line(*at, entry, history))));
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    is_wrong.then(|| Failure {
        position: position.unwrap_or(test.position),
        text: format!(
            "suppressions differ (- expected, + found)\n{}",
            indented(&lines)
        ),
    })
}

fn suppressed(
    expected: &ExpectedSuppression,
    alert: &Labels,
    at: Duration,
    entry: &LedgerEntry,
) -> bool {
    let by = |by: &By| match (&entry.decision, by) {
        (Decision::Inhibited { rule, .. }, By::Name(name)) => rule == name,
        (Decision::Inhibited { by, .. }, By::Alerts(alerts)) => alerts
            .iter()
            .any(|labels| labels.fingerprint().to_string() == *by),
        (Decision::Muted { interval }, By::Name(name)) => interval == name,
        (Decision::Silenced { silence }, By::Name(name)) => silence == name,
        _ => false,
    };
    expected.alerts.contains(alert)
        && entry.labels.as_ref() == Some(alert)
        && entry.decision.kind() == expected.reason
        && expected.at.is_none_or(|expected| expected == at)
        && expected
            .receiver
            .as_ref()
            .is_none_or(|receiver| **receiver == *entry.receiver)
        && expected.by.as_ref().is_none_or(by)
}

/// `HighErrorRate{job="api"}`.
fn shown(labels: &Labels) -> String {
    let rest = labels.filter(|name| name != ALERT_NAME);
    let name = labels.value(ALERT_NAME);
    if rest.is_empty() && !name.is_empty() {
        name.to_owned()
    } else {
        format!("{name}{rest}")
    }
}

fn sent_line(sent: &Sent) -> String {
    let integrations: Vec<&str> = sent.integrations.iter().map(String::as_str).collect();
    let whom = format!("{} ({})", sent.receiver, integrations.join(", "));
    line(
        sent.at,
        &whom,
        sent.reason.as_str(),
        &sent.firing,
        &sent.resolved,
    )
}

fn expected_line(expected: &ExpectedNotification) -> String {
    let whom = match &expected.integration {
        Some(integration) => format!("{} ({integration})", expected.receiver),
        None => expected.receiver.clone(),
    };
    let reason = expected.reason.as_deref().unwrap_or("any reason");
    line(
        expected.at,
        &whom,
        reason,
        &expected.firing,
        &expected.resolved,
    )
}

fn line(
    at: Duration,
    whom: &str,
    reason: &str,
    firing: &BTreeSet<Labels>,
    resolved: &BTreeSet<Labels>,
) -> String {
    let list = |what: &str, alerts: &BTreeSet<Labels>| {
        let alerts: Vec<String> = alerts.iter().map(shown).collect();
        if alerts.is_empty() {
            String::new()
        } else {
            format!(", {what} {}", alerts.join(" "))
        }
    };
    format!(
        "{} {whom}: {reason}{}{}",
        duration::format(at),
        list("firing", firing),
        list("resolved", resolved)
    )
}

fn entry_line(at: Duration, entry: &LedgerEntry, history: &History) -> String {
    let alert = entry.labels.as_ref().map(shown).unwrap_or_default();
    let why = match &entry.decision {
        Decision::Inhibited { by, rule } => {
            let source = history
                .ledger
                .iter()
                .filter_map(|(_, entry)| entry.labels.as_ref())
                .find(|labels| labels.fingerprint().to_string() == *by);
            format!(
                "inhibited by {} (rule {rule})",
                source.map_or_else(|| by.clone(), shown)
            )
        }
        Decision::Throttled { .. } => "throttled into a digest".to_owned(),
        Decision::HeldInStorm { .. } => "gathered into the summary of a storm".to_owned(),
        decision => decision.to_string(),
    };
    format!("{} {}: {alert} {why}", duration::format(at), entry.receiver)
}

fn suppression_line(expected: &ExpectedSuppression, alert: &Labels) -> String {
    let at = expected
        .at
        .map_or_else(|| "any time".to_owned(), duration::format);
    let by = match &expected.by {
        None => String::new(),
        Some(By::Name(name)) => format!(" by {name}"),
        Some(By::Alerts(alerts)) => {
            let alerts: Vec<String> = alerts.iter().map(shown).collect();
            format!(" by {}", alerts.join(" or "))
        }
    };
    let whom = expected.receiver.as_deref().unwrap_or("anybody");
    format!("{at} {whom}: {} {}{by}", shown(alert), expected.reason)
}

fn indented(lines: &[(Duration, String)]) -> String {
    let lines: Vec<String> = lines
        .iter()
        .map(|(_, line)| format!("    {line}"))
        .collect();
    lines.join("\n")
}
