//! What a message says that stands for many: a digest, or the summary of a storm.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AlertStatus, Notification, NotifiedAlert, Reason, severity_rank};
use crate::model::labels::Labels;
use crate::model::timestamp::Timestamp;

/// Summary of the notifications that throttling or a storm held back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// Severity whose limit was reached, in lower case; the worst one in a storm.
    pub severity: Arc<str>,
    /// When the first notification was held back.
    pub opened_at: Timestamp,
    /// The groups, in the order they were held back.
    pub groups: Vec<DigestGroup>,
    /// How many alerts of each name, most first.
    pub counts: Vec<AlertCount>,
    /// Index in `alerts` of the one that began first.
    pub first: Option<usize>,
    /// Index in `alerts` of the firing one of highest severity.
    pub worst: Option<usize>,
    /// Indices in `alerts` of those that began since `opened_at`.
    pub new: Vec<usize>,
    /// The storm it is a summary of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm: Option<StormNews>,
}

/// What a summary says of its storm as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StormNews {
    /// Whether it begins, goes on or is over.
    pub stage: StormStage,
    /// When the first of its alerts began.
    pub since: Timestamp,
    /// Alerts that began in it so far.
    pub alerts: u64,
    /// How many different names they have.
    pub kinds: u64,
}

/// Where in a storm a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StormStage {
    /// The first message.
    Began,
    /// One of the summaries that follow.
    GoesOn,
    /// The last one.
    Over,
}

impl StormStage {
    /// The stage as templates see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::GoesOn => "goes_on",
            Self::Over => "over",
        }
    }
}

/// One notification inside a digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigestGroup {
    /// The group's key.
    pub group_key: Arc<str>,
    /// The group's labels.
    pub group_labels: Labels,
    /// Why it would have been sent.
    pub reason: Reason,
    /// Its firing alerts.
    pub firing: usize,
    /// Its resolved alerts.
    pub resolved: usize,
    /// Indices in `alerts` of both.
    #[serde(default)]
    pub alerts: Vec<usize>,
}

/// Number of alerts of one name in a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertCount {
    /// The `alertname`.
    pub name: String,
    /// How many fire.
    pub firing: usize,
    /// How many ended.
    pub resolved: usize,
}

impl Digest {
    /// The groups and alerts in short.
    pub fn of(
        severity: Arc<str>,
        opened_at: Timestamp,
        groups: Vec<DigestGroup>,
        alerts: &[NotifiedAlert],
    ) -> Self {
        let mut by_name: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for alert in alerts {
            let count = by_name.entry(alert.alert.name()).or_default();
            match alert.status {
                AlertStatus::Firing => count.0 += 1,
                AlertStatus::Resolved => count.1 += 1,
            }
        }
        let counts = by_name
            .into_iter()
            .map(|(name, (firing, resolved))| AlertCount {
                name: name.to_owned(),
                firing,
                resolved,
            });
        let mut counts: Vec<AlertCount> = counts.collect();
        counts.sort_by_key(|count| std::cmp::Reverse(count.firing + count.resolved));
        let indexed = || alerts.iter().enumerate();
        let first = indexed().min_by_key(|(_, alert)| alert.alert.starts_at);
        let worst = indexed()
            .filter(|(_, alert)| alert.status == AlertStatus::Firing)
            .min_by_key(|(_, alert)| {
                let rank = severity_rank(alert.alert.labels.value("severity"));
                (rank, alert.alert.starts_at)
            });
        let new = indexed().filter(|(_, alert)| alert.alert.starts_at >= opened_at);
        Self {
            severity,
            opened_at,
            groups,
            counts,
            first: first.map(|(i, _)| i),
            worst: worst.map(|(i, _)| i),
            new: new.map(|(i, _)| i).collect(),
            storm: None,
        }
    }
}

impl Notification {
    /// The same message without what it says of these groups, each with the fingerprints of its alerts to leave out:
    /// newer messages tell of them. `None` where nothing is left of it, or where it is the message of one group.
    #[must_use]
    pub fn without(&self, groups: &HashMap<Arc<str>, HashSet<u64>>) -> Option<Self> {
        let digest = self.digest.as_ref()?;
        // A place in `alerts`, as it is and as it will be.
        let mut places: Vec<Option<usize>> = vec![None; self.alerts.len()];
        let mut kept_groups = Vec::with_capacity(digest.groups.len());
        for group in &digest.groups {
            let left_out = groups.get(&group.group_key);
            for place in &group.alerts {
                let Some(alert) = self.alerts.get(*place) else {
                    continue;
                };
                let fingerprint = alert.alert.fingerprint().0;
                if left_out.is_none_or(|left_out| !left_out.contains(&fingerprint)) {
                    places[*place] = Some(0);
                }
            }
            if left_out.is_none() {
                kept_groups.push(group.clone());
            }
        }
        let mut alerts = Vec::with_capacity(self.alerts.len());
        for (alert, place) in self.alerts.iter().zip(&mut places) {
            if let Some(place) = place {
                *place = alerts.len();
                alerts.push(alert.clone());
            }
        }
        if alerts.is_empty() && digest.storm.is_none() {
            return None;
        }
        for group in &mut kept_groups {
            let moved = |place: &usize| places.get(*place).copied().flatten();
            group.alerts = group.alerts.iter().filter_map(moved).collect();
        }
        let storm = digest.storm.clone();
        let severity = Arc::clone(&digest.severity);
        let digest = Digest::of(severity, digest.opened_at, kept_groups, &alerts);
        Some(Self {
            alerts,
            digest: Some(Digest { storm, ..digest }),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests;
