//! The texts of last resort: what a message says where its templates fail, and what the console prints.

use std::fmt::Write;

use super::message::{self, duration_text, lasting, summary, value_text};
use crate::model::labels::Labels;
use crate::model::notification::{
    AlertStatus, Change, Notification, NotifiedAlert, Reason, StormStage,
};
use crate::model::timestamp::Timestamp;

/// Alerts listed in full.
const MAX_LISTED: usize = 20;

/// One line: `[FIRING:2] HighErrorRate (critical)`.
pub fn subject(notification: &Notification) -> String {
    let firing = firing(notification);
    let status = if firing > 0 {
        format!("FIRING:{firing}")
    } else {
        "RESOLVED".to_owned()
    };
    let what = match &notification.digest {
        None => title(notification),
        Some(digest) => match &digest.storm {
            None => format!("digest of {} alerts", notification.alerts.len()),
            Some(storm) => {
                let over = match storm.stage {
                    StormStage::Over => " is over",
                    StormStage::Began | StormStage::GoesOn => "",
                };
                let text = message::storm_text(storm, notification.created_at);
                format!("storm{over}: {text}")
            }
        },
    };
    let severity = match message::severity(notification) {
        "" => String::new(),
        severity => format!(" ({severity})"),
    };
    let still = if notification.reason == Reason::Repeat {
        let longest = message::longest(notification, notification.created_at);
        format!(", still firing {}", duration_text(longest))
    } else {
        String::new()
    };
    format!("[{status}] {what}{severity}{still}")
}

/// The number of alerts that fire.
pub fn firing(notification: &Notification) -> usize {
    let alerts = notification.alerts.iter();
    alerts
        .filter(|alert| alert.status == AlertStatus::Firing)
        .count()
}

fn title(notification: &Notification) -> String {
    let labels = &notification.group_labels;
    if let Some(name) = labels.get("alertname") {
        return name.to_owned();
    }
    match notification.alerts.as_slice() {
        [alert] => alert.alert.name().to_owned(),
        alerts => format!("{} alerts {labels}", alerts.len()),
    }
}

/// What changed first: each alert with its summary, value, age, labels and links; those that still fire in one line each.
pub fn text(notification: &Notification, now: Timestamp) -> String {
    let mut out = String::new();
    let mut listed: Vec<&NotifiedAlert> = notification.alerts.iter().collect();
    listed.sort_by_key(|alert| match alert.change() {
        Change::New => 0,
        Change::JustResolved => 1,
        Change::StillFiring => 2,
        Change::EndedBefore => 3,
    });
    for notified in listed.into_iter().take(MAX_LISTED) {
        match notified.change() {
            Change::New | Change::JustResolved => alert(&mut out, notified, now),
            Change::StillFiring | Change::EndedBefore => line(&mut out, notified, now),
        }
    }
    let hidden = notification.alerts.len().saturating_sub(MAX_LISTED);
    let hidden = u64::try_from(hidden).unwrap_or(u64::MAX) + notification.truncated;
    if hidden > 0 {
        push(&mut out, format_args!("... and {hidden} more alerts\n"));
    }
    out
}

fn alert(out: &mut String, notified: &NotifiedAlert, now: Timestamp) {
    let alert = &notified.alert;
    let age = duration_text(lasting(notified, now));
    push(
        out,
        format_args!(
            "{} {}: {}\n",
            notified.status.as_str().to_uppercase(),
            alert.name(),
            summary(notified)
        ),
    );
    let values = values(notified);
    if !values.is_empty() {
        push(out, format_args!("  value:   {values}\n"));
    }
    let since = alert.starts_at;
    match notified.status {
        AlertStatus::Firing => push(out, format_args!("  since:   {since} ({age})\n")),
        AlertStatus::Resolved => push(out, format_args!("  lasted:  {age}, from {since}\n")),
    }
    let labels = label_list(&alert.labels);
    push(out, format_args!("  labels:  {labels}\n"));
    let runbook = notified.runbook();
    if !runbook.is_empty() {
        push(out, format_args!("  runbook: {runbook}\n"));
    }
    if !alert.generator_url.is_empty() {
        push(out, format_args!("  source:  {}\n", alert.generator_url));
    }
}

fn line(out: &mut String, notified: &NotifiedAlert, now: Timestamp) {
    let how = match notified.status {
        AlertStatus::Firing => "STILL FIRING",
        AlertStatus::Resolved => "RESOLVED",
    };
    let values = match values(notified) {
        values if values.is_empty() => values,
        values => format!("{values}, "),
    };
    let runbook = match notified.runbook() {
        "" => String::new(),
        runbook => format!(" {runbook}"),
    };
    let (name, summary) = (notified.alert.name(), summary(notified));
    let age = duration_text(lasting(notified, now));
    let labels = label_list(&notified.alert.labels);
    push(
        out,
        format_args!("{how} {name}: {summary} ({values}{age}) {labels}{runbook}\n"),
    );
}

/// `0.25, threshold 0.05` while it fires, `0.01 now, peak 0.5, threshold 0.05` when it ended; empty where nobody knows.
fn values(notified: &NotifiedAlert) -> String {
    let alert = &notified.alert;
    let course = &alert.course;
    let text = |value: Option<f64>, before: &str, after: &str| {
        value.map(|value| format!("{before}{}{after}", value_text(value)))
    };
    let peak = course.peak.filter(|peak| Some(*peak) != alert.value);
    let parts = match notified.change() {
        Change::New => [text(alert.value, "", ""), None],
        Change::StillFiring => [text(alert.value, "", ""), text(peak, "peak ", "")],
        Change::JustResolved | Change::EndedBefore => [
            text(course.resolved, "", " now"),
            text(course.peak, "peak ", ""),
        ],
    };
    let threshold = text(course.threshold, "threshold ", "");
    let parts: Vec<String> = parts.into_iter().chain([threshold]).flatten().collect();
    parts.join(", ")
}

/// `name=value` pairs without the alert's name.
pub fn label_list(labels: &Labels) -> String {
    let pairs = labels.iter().filter(|(name, _)| *name != "alertname");
    pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(" ")
}

fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments)
        .expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_last_resort_carries_everything() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let all = message::synthetic(now);
        assert_eq!(subject(&all[1]), "[FIRING:1] HighErrorRate (critical)");
        assert_eq!(subject(&all[2]), "[RESOLVED] HighErrorRate (critical)");
        assert_eq!(subject(&all[4]), "[FIRING:2] digest of 2 alerts (critical)");
        assert_eq!(
            subject(&all[7]),
            "[FIRING:2] storm: 312 alerts of 4 kinds in 2m (critical)"
        );
        assert_eq!(
            subject(&all[8]),
            "[RESOLVED] storm is over: 312 alerts of 4 kinds in 2m"
        );
        assert_eq!(
            text(&all[1], now),
            "FIRING HighErrorRate: an example made up to try templates\n\
             \x20 value:   0.25, threshold 0.05\n\
             \x20 since:   2023-11-14T22:08:20.000Z (5m)\n\
             \x20 labels:  instance=api:8080 job=example severity=critical\n\
             \x20 runbook: http://localhost:9797/runbooks/example\n\
             \x20 source:  http://localhost:9797/graph?g0.expr=up\n"
        );
        assert!(text(&all[2], now).contains("  value:   0.01 now, peak 0.5, threshold 0.05\n"));
        assert_eq!(
            subject(&all[5]),
            "[FIRING:1] HighErrorRate (critical), still firing 5m"
        );
        let still = "STILL FIRING HighErrorRate: an example made up to try templates \
                     (0.25, peak 0.5, threshold 0.05, 5m) instance=api:8080 job=example severity=critical \
                     http://localhost:9797/runbooks/example\n";
        assert_eq!(text(&all[5], now), still);
        let mixed = text(&all[6], now);
        assert!(
            mixed.starts_with("FIRING DiskSpaceLow") && mixed.ends_with(still),
            "{mixed}"
        );
    }
}
