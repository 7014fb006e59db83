//! What templates see of a digest or of a storm's summary.

use std::collections::HashMap;

use super::{Record, count, duration_text, kv, size, time};
use crate::model::notification::{AlertStatus, Digest, Notification, StormNews};
use crate::model::timestamp::Timestamp;
use crate::template::value::{List, Value};

/// A storm in a line, at `now`: `312 alerts of 4 kinds in 2m`.
pub fn storm_text(storm: &StormNews, now: Timestamp) -> String {
    let kinds = if storm.kinds == 1 { "kind" } else { "kinds" };
    let lasting = duration_text(now.since(storm.since));
    format!(
        "{} alerts of {} {kinds} in {lasting}",
        storm.alerts, storm.kinds
    )
}

pub(super) fn data(digest: &Digest, notification: &Notification, alerts: &[Value]) -> Value {
    let pick = |index: Option<usize>| {
        index
            .and_then(|index| alerts.get(index).cloned())
            .unwrap_or_default()
    };
    let firing = notification
        .alerts
        .iter()
        .filter(|alert| alert.status == AlertStatus::Firing)
        .count();
    let total = notification.alerts.len();
    let mut runbooks: HashMap<&str, &str> = HashMap::new();
    for alert in &notification.alerts {
        let address = alert.runbook();
        if !address.is_empty() {
            runbooks.entry(alert.alert.name()).or_insert(address);
        }
    }
    let runbook_of = |name: &str| runbooks.get(name).copied().unwrap_or_default();
    let storm = digest.storm.as_ref().map_or(Value::Nil, |storm| {
        Record::value(
            "DigestStorm",
            vec![
                ("Stage", storm.stage.as_str().into()),
                ("Since", time(storm.since)),
                ("Alerts", count(storm.alerts)),
                ("Kinds", count(storm.kinds)),
                ("Summary", storm_text(storm, notification.created_at).into()),
            ],
        )
    });
    let counts = digest.counts.iter().map(|entry| {
        Record::value(
            "DigestCount",
            vec![
                ("Name", entry.name.as_str().into()),
                ("Firing", size(entry.firing)),
                ("Resolved", size(entry.resolved)),
                ("RunbookURL", runbook_of(&entry.name).into()),
            ],
        )
    });
    let groups = digest.groups.iter().map(|group| {
        Record::value(
            "DigestGroup",
            vec![
                ("GroupKey", Value::from(&*group.group_key)),
                ("GroupLabels", kv(&group.group_labels)),
                ("NotificationReason", group.reason.as_str().into()),
                ("Firing", size(group.firing)),
                ("Resolved", size(group.resolved)),
            ],
        )
    });
    let new = digest
        .new
        .iter()
        .filter_map(|index| alerts.get(*index).cloned());
    Record::value(
        "Digest",
        vec![
            ("Severity", Value::from(&*digest.severity)),
            ("OpenedAt", time(digest.opened_at)),
            (
                "Total",
                count(notification.truncated + u64::try_from(total).unwrap_or(u64::MAX)),
            ),
            ("Firing", size(firing)),
            ("Resolved", size(total - firing)),
            ("Counts", counts.collect::<List>().into()),
            ("First", pick(digest.first)),
            ("Worst", pick(digest.worst)),
            ("New", new.collect::<List>().into()),
            ("Groups", groups.collect::<List>().into()),
            ("Storm", storm),
        ],
    )
}
