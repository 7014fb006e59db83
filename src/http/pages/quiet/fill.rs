//! From acks, silences and alerts to the structs of the pages.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::{AckRow, Bounded, MatchRow, Matches, RecurringRow, SilenceRow};
use crate::alerts::dispatch::quiet::Preview;
use crate::alerts::dispatch::view::AlertSnapshot;
use crate::alerts::explain::matchers_text;
use crate::alerts::interval::schedule::Span;
use crate::alerts::recurring::RecurringShown;
use crate::http::context::Context;
use crate::http::pages::ledger::list::EFFORT;
use crate::http::pages::view::{self, first_by};
use crate::http::quiet::preview::told_of;
use crate::model::ack::Ack;
use crate::model::action_link::{Action, LINK_LASTS, Subject, link};
use crate::model::labels::{ALERT_NAME, Labels};
use crate::model::matcher::Matcher;
use crate::model::notification::severity_rank;
use crate::model::silence::{RECURRING, Silence, SilenceState};
use crate::model::timestamp::Timestamp;

/// Alerts of one ack that are shown.
const ACKED: usize = 5;
/// Alerts that fire and are shown beside silences; `/alerts` has all.
const FIRING: usize = 10;
/// Hours of the ledger that a preview looks back.
const HOURS: u64 = 24;

/// What a silence with these matchers would match.
pub(super) async fn matches(context: &Context, matchers: &[Matcher], now: Timestamp) -> Matches {
    let past = told_of(context, matchers.to_vec(), HOURS, now, EFFORT).await;
    let preview = context
        .alerts
        .preview(matchers.to_vec(), view::MAX_ROWS)
        .await;
    let mut matches = preview.map_or_else(|_| Matches::default(), shown);
    matches.past = past.ok().map(|(alerts, all)| match (alerts.len(), all) {
        (count, true) => count.to_string(),
        (count, false) => format!("at least {count}"),
    });
    matches
}

fn shown(preview: Preview) -> Matches {
    let rows: Vec<MatchRow> = preview.alerts.iter().map(match_row).collect();
    Matches {
        alerts: Bounded {
            more: preview.matched - rows.len(),
            rows,
        },
        matched: preview.matched,
        firing: preview.firing,
        too_broad: preview.too_broad.map(|reason| reason.to_string()),
        ..Matches::default()
    }
}

/// These alerts and no others.
pub(super) fn exactly(alerts: &[AlertSnapshot]) -> Matches {
    Matches {
        alerts: Bounded::map(alerts, match_row),
        matched: alerts.len(),
        ..Matches::default()
    }
}

/// What fires, told first, for who may act with links that hold for a while.
pub(super) fn firing(
    context: &Context,
    alerts: &[AlertSnapshot],
    may_act: bool,
    now: Timestamp,
) -> Matches {
    let ranked = alerts.iter().map(|shown| {
        let quiet = shown.acked_by.is_some() || !shown.silenced_by.is_empty();
        let rank = severity_rank(shown.alert.labels.value("severity"));
        ((quiet, rank, &shown.alert.labels), shown)
    });
    let (first, more) = first_by(ranked.collect(), FIRING, |(a, _), (b, _)| a.cmp(b));
    let until = now + LINK_LASTS;
    let row = |shown: &AlertSnapshot| {
        let subject = Subject::Alert(shown.alert.fingerprint());
        let mut row = match_row(shown);
        if !may_act {
            return row;
        }
        for (text, action) in [("Acknowledge", Action::Ack), ("Silence", Action::Silence)] {
            let href = link(&context.signer, action, &subject, until);
            row.links.push((text, href));
        }
        row
    };
    Matches {
        alerts: Bounded {
            rows: first.into_iter().map(|(_, shown)| row(shown)).collect(),
            more,
        },
        matched: alerts.len(),
        ..Matches::default()
    }
}

/// A schedule as people say it: `sunday 02:00–04:00 Europe/Berlin`.
fn schedule_text(schedule: &str) -> String {
    let Ok(Value::Array(intervals)) = serde_json::from_str(schedule) else {
        return schedule.to_owned();
    };
    let said: Vec<String> = intervals.iter().map(interval_text).collect();
    said.join("; ")
}

fn interval_text(interval: &Value) -> String {
    let list = |key: &str| -> Option<String> {
        let items = interval.get(key)?.as_array()?;
        let text = |item: &Value| {
            item.as_str()
                .map_or_else(|| item.to_string(), str::to_owned)
        };
        let items: Vec<String> = items.iter().map(text).collect();
        (!items.is_empty()).then(|| items.join(", "))
    };
    let times = interval.get("times").and_then(Value::as_array);
    let times: Vec<String> = times
        .into_iter()
        .flatten()
        .map(|time| {
            let of = |key: &str| {
                time.get(key)
                    .and_then(Value::as_str)
                    .unwrap_or("?")
                    .to_owned()
            };
            format!("{}–{}", of("start_time"), of("end_time"))
        })
        .collect();
    let parts = [
        list("years"),
        list("months"),
        list("days_of_month").map(|days| format!("day {days} of the month")),
        list("weekdays"),
        (!times.is_empty()).then(|| times.join(", ")),
    ];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    let zone = interval.get("location").and_then(Value::as_str);
    match (said.is_empty(), zone.unwrap_or("UTC")) {
        (true, _) => "always".to_owned(),
        (false, zone) => format!("{} {zone}", said.join(", ")),
    }
}

fn match_row(shown: &AlertSnapshot) -> MatchRow {
    let alert = &shown.alert;
    let text = |value: Option<&str>| value.map(str::to_owned);
    MatchRow {
        name: alert.name().to_owned(),
        severity: text(alert.labels.get("severity")),
        labels: alert
            .labels
            .iter()
            .filter(|(name, _)| !matches!(*name, ALERT_NAME | "severity"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        summary: text(alert.annotations.get("summary")),
        since: alert.starts_at,
        acked: shown.acked_by.is_some(),
        silenced: !shown.silenced_by.is_empty(),
        links: Vec::new(),
    }
}

/// An ack that holds.
pub(super) fn ack_row(ack: &Arc<Ack>) -> AckRow {
    let holding: Vec<_> = ack
        .alerts
        .iter()
        .filter(|alert| alert.ended.is_none())
        .collect();
    AckRow {
        id: ack.id.to_string(),
        alerts: holding
            .iter()
            .take(ACKED)
            .map(|alert| name_and_labels(&alert.labels))
            .collect(),
        more: holding.len().saturating_sub(ACKED),
        owner: ack.owner.clone(),
        note: ack.note.clone(),
        since: ack.created_at,
        until: ack.expires_at,
    }
}

fn name_and_labels(labels: &Labels) -> String {
    let rest = labels.filter(|name| name != ALERT_NAME);
    match (labels.value(ALERT_NAME), rest.is_empty()) {
        (name, true) => name.to_owned(),
        (name, false) => format!("{name}{rest}"),
    }
}

/// What fires, and how much of it each silence keeps quiet.
#[derive(Default)]
pub(super) struct Silenced<'a> {
    firing: &'a [AlertSnapshot],
    by: HashMap<&'a str, usize>,
}

impl<'a> Silenced<'a> {
    /// Of these alerts.
    pub(super) fn of(firing: &'a [AlertSnapshot]) -> Self {
        let mut by: HashMap<&str, usize> = HashMap::new();
        for id in firing.iter().flat_map(|shown| &shown.silenced_by) {
            *by.entry(id).or_default() += 1;
        }
        Self { firing, by }
    }

    /// How many it matches. Of one that holds the routes have said it.
    fn matched(&self, silence: &Silence, now: Timestamp) -> usize {
        match silence.state(now) {
            SilenceState::Active => self.by.get(&*silence.id).copied().unwrap_or_default(),
            SilenceState::Pending | SilenceState::Expired => {
                let firing = self.firing.iter();
                let labels = firing.map(|shown| &shown.alert.labels);
                labels.filter(|labels| silence.matches(labels)).count()
            }
        }
    }
}

/// A silence, with how many of the alerts that fire it matches.
pub(super) fn silence_row(silence: &Silence, firing: &Silenced<'_>, now: Timestamp) -> SilenceRow {
    SilenceRow {
        id: silence.id.to_string(),
        state: silence.state(now).as_str(),
        matchers: matchers_text(&silence.matchers),
        comment: silence.comment.clone(),
        created_by: silence.created_by.clone(),
        starts: silence.starts_at,
        ends: silence.ends_at,
        until_resolved: silence.is_until_resolved(),
        recurs: silence.annotations.contains_key(RECURRING),
        matched: firing.matched(silence, now),
    }
}

/// A recurring silence.
pub(super) fn recurring_row(shown: &RecurringShown) -> RecurringRow {
    let recurring = &shown.recurring;
    RecurringRow {
        id: recurring.id.to_string(),
        matchers: matchers_text(&recurring.matchers),
        schedule: schedule_text(&recurring.schedule),
        comment: recurring.comment.clone(),
        created_by: recurring.created_by.clone(),
        active: shown.active.is_some(),
        next: shown.upcoming.iter().map(span_text).collect(),
    }
}

/// `2026-11-20 22:00 – 2026-11-21 02:00 UTC`.
pub(super) fn span_text(span: &Span) -> String {
    let text = |at: Timestamp| at.to_rfc3339().get(..16).map(|text| text.replace('T', " "));
    let (start, end) = (text(span.0), text(span.1));
    format!(
        "{} – {} UTC",
        start.unwrap_or_default(),
        end.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_said_in_words() {
        let check = |schedule: &str, want: &str| assert_eq!(schedule_text(schedule), want);
        check(
            r#"[{"weekdays":["sunday"],"times":[{"start_time":"02:00","end_time":"04:00"}],"location":"Europe/Berlin"}]"#,
            "sunday, 02:00–04:00 Europe/Berlin",
        );
        check(
            r#"[{"days_of_month":["-1"],"months":["may"]},{"years":["2027"]}]"#,
            "may, day -1 of the month UTC; 2027 UTC",
        );
        check("[{}]", "always");
        check("- {}", "- {}");
    }
}
