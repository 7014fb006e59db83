//! The answer to "why was somebody told, or not?": the ledger's entries put together by alert, and what they come to.
//!
//! It reads nothing: the command line hands it what an API answered, a page what the database holds.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::db::ledger::LedgerEntry;
use crate::model::alert::AlertState;
use crate::model::labels::{Fingerprint, Labels, quote};
use crate::model::notification::Decision;
use crate::model::timestamp::Timestamp;

/// What is said where the ledger knows nothing.
pub const NO_ENTRY: &str = "the ledger has no entry on such an alert";
/// What is said where no rule knows it.
pub const NO_RULE: &str =
    "no alert rule knows it: it comes from elsewhere, or its name or labels are others";
/// What is said of an alert that fires and has no entry.
pub const WAITS: &str = "nothing was decided yet: its group waits (group_wait of its route)";

/// An entry of the ledger, as far as the answer needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// The receiver it concerns.
    pub receiver: String,
    /// Its integration; empty where it concerns the receiver as a whole.
    pub integration: String,
    /// The alert; `None` for a decision on a whole notification.
    pub labels: Option<Labels>,
    /// See [`Decision::kind`].
    pub kind: String,
    /// In words.
    pub reason: String,
    /// The notification or digest it speaks of.
    pub notification: Option<String>,
    /// The fingerprint of the alert that inhibits it.
    pub inhibited_by: Option<String>,
}

impl From<&LedgerEntry> for Entry {
    fn from(entry: &LedgerEntry) -> Self {
        let decision = &entry.decision;
        Self {
            at: entry.at,
            receiver: entry.receiver.to_string(),
            integration: entry.integration.to_string(),
            labels: entry.labels.clone(),
            kind: decision.kind().to_owned(),
            reason: decision.to_string(),
            notification: decision.notification().map(|id| id.to_string()),
            inhibited_by: match decision {
                Decision::Inhibited { by, .. } => Some(by.clone()),
                _ => None,
            },
        }
    }
}

impl Entry {
    /// `receiver`, or `receiver slack[0]`.
    pub fn whom(&self) -> String {
        format!("{} {}", self.receiver, self.integration)
            .trim_end()
            .to_owned()
    }
}

/// One alert, with what the ledger holds on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// Its labels.
    pub labels: Labels,
    /// The places of its entries in the list that was given, the oldest entry first.
    pub entries: Vec<usize>,
}

/// The entries, newest first, by alert; what became of a notification goes to each alert in it.
pub fn stories(entries: &[Entry]) -> BTreeMap<Fingerprint, Story> {
    let mut stories: BTreeMap<Fingerprint, Story> = BTreeMap::new();
    let mut concerned: HashMap<&str, Vec<Fingerprint>> = HashMap::new();
    for entry in entries {
        let Some(labels) = &entry.labels else {
            continue;
        };
        let fingerprint = labels.fingerprint();
        stories.entry(fingerprint).or_default().labels = labels.clone();
        if let Some(notification) = &entry.notification {
            concerned.entry(notification).or_default().push(fingerprint);
        }
    }
    for (place, entry) in entries.iter().enumerate().rev() {
        let whose: Vec<Fingerprint> = match &entry.labels {
            Some(labels) => vec![labels.fingerprint()],
            None => {
                let known = entry.notification.as_deref();
                let mut whose = known
                    .and_then(|id| concerned.get(id))
                    .cloned()
                    .unwrap_or_default();
                whose.sort_unstable();
                whose.dedup();
                whose
            }
        };
        for fingerprint in whose {
            if let Some(story) = stories.get_mut(&fingerprint) {
                story.entries.push(place);
            }
        }
    }
    stories
}

/// What it comes to for one receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The receiver and its integration.
    pub whom: String,
    /// What it comes to.
    pub outcome: Outcome,
    /// The decision it rests on, in words.
    pub reason: String,
    /// When that was taken.
    pub at: Timestamp,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver knows.
    Told,
    /// It is in the outbox.
    OnItsWay,
    /// It waits in a digest.
    InDigest,
    /// It waits in a storm's summary.
    InStorm,
    /// The receiver knows that it flaps.
    Flaps,
    /// The receiver does not know.
    NotTold,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Told => "told",
            Self::OnItsWay => "on its way",
            Self::InDigest => "waits in a digest",
            Self::InStorm => "waits in the summary of a storm",
            Self::Flaps => "told that it flaps",
            Self::NotTold => "not told",
        })
    }
}

/// `team slack[0]: told (delivered: 200, 2026-11-20T06:55:00.000Z)`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            whom,
            outcome,
            reason,
            at,
        } = self;
        write!(f, "{whom}: {outcome} ({reason}, {})", at.to_rfc3339())
    }
}

/// What it comes to for each receiver: the last decision that is more than "already known".
pub fn verdicts(story: &Story, entries: &[Entry]) -> Vec<Verdict> {
    let mut last: BTreeMap<String, &Entry> = BTreeMap::new();
    for entry in story.entries.iter().filter_map(|place| entries.get(*place)) {
        let says_nothing_new = entry.kind == "deduplicated";
        let whom = entry.whom();
        if !says_nothing_new || !last.contains_key(&whom) {
            last.insert(whom, entry);
        }
    }
    last.into_iter()
        .map(|(whom, entry)| Verdict {
            whom,
            outcome: match entry.kind.as_str() {
                "delivered" | "deduplicated" => Outcome::Told,
                "enqueued" => Outcome::OnItsWay,
                "throttled" => Outcome::InDigest,
                "held_in_storm" => Outcome::InStorm,
                "held_flapping" => Outcome::Flaps,
                _ => Outcome::NotTold,
            },
            reason: entry.reason.clone(),
            at: entry.at,
        })
        .collect()
}

/// What a rule says of an alert now.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSays {
    /// The rule's name.
    pub rule: String,
    /// Its group's.
    pub group: String,
    /// The alert's state; inactive where the rule has no such alert.
    pub state: AlertState,
    /// The alert's labels; empty where it has none.
    pub labels: Labels,
    /// Since when its condition holds.
    pub active_at: Option<Timestamp>,
    /// `for`, in seconds.
    pub pending_for: f64,
    /// Why its last evaluation failed.
    pub last_error: Option<String>,
}

impl fmt::Display for RuleSays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "rule {} of group {}: ",
            quote(&self.rule),
            quote(&self.group)
        )?;
        let since = self.active_at.map(|at| at.to_rfc3339()).unwrap_or_default();
        match self.state {
            AlertState::Pending => write!(
                f,
                "{} is pending since {since}: its condition has to hold for {} s before anybody is told",
                self.labels, self.pending_for
            )?,
            AlertState::Firing => {
                write!(
                    f,
                    "{} fires, its condition holds since {since}",
                    self.labels
                )?;
            }
            AlertState::Inactive => f.write_str("inactive, its condition does not hold")?,
        }
        match &self.last_error {
            Some(error) => write!(f, "; its last evaluation failed: {error}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::labels::ALERT_NAME;

    fn entry(at: i64, alert: Option<&str>, integration: &str, kind: &str, id: &str) -> Entry {
        Entry {
            at: Timestamp::from_millis(at),
            receiver: "team".to_owned(),
            integration: integration.to_owned(),
            labels: alert.map(|name| Labels::from_pairs([(ALERT_NAME, name)])),
            kind: kind.to_owned(),
            reason: format!("because {kind}"),
            notification: (!id.is_empty()).then(|| id.to_owned()),
            inhibited_by: None,
        }
    }

    #[test]
    fn an_alerts_story_ends_in_a_verdict_for_each_receiver() {
        let newest_first = [
            entry(6, Some("A"), "mail[0]", "deduplicated", ""),
            entry(5, None, "mail[0]", "delivered", "n"),
            entry(4, None, "mail[0]", "delivered", "other"),
            entry(3, Some("A"), "mail[0]", "enqueued", "n"),
            entry(2, Some("A"), "chat[0]", "throttled", "d"),
            entry(1, Some("B"), "", "inhibited", ""),
        ];
        let stories = stories(&newest_first);
        let of = |name: &str| &stories[&Labels::from_pairs([(ALERT_NAME, name)]).fingerprint()];
        assert_eq!(of("A").entries, [4, 3, 1, 0]);
        let said = |name: &str| -> Vec<String> {
            let verdicts = verdicts(of(name), &newest_first);
            verdicts.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            said("A"),
            [
                "team chat[0]: waits in a digest (because throttled, 1970-01-01T00:00:00.002Z)",
                "team mail[0]: told (because delivered, 1970-01-01T00:00:00.005Z)",
            ]
        );
        assert_eq!(
            said("B"),
            ["team: not told (because inhibited, 1970-01-01T00:00:00.001Z)"]
        );
    }

    #[test]
    fn a_rule_says_why_nobody_was_told_yet() {
        let says = |state, error: Option<&str>| {
            RuleSays {
                rule: "A".to_owned(),
                group: "g".to_owned(),
                state,
                labels: Labels::from_pairs([(ALERT_NAME, "A")]),
                active_at: Some(Timestamp::from_millis(0)),
                pending_for: 300.0,
                last_error: error.map(str::to_owned),
            }
            .to_string()
        };
        assert_eq!(
            says(AlertState::Pending, None),
            "rule \"A\" of group \"g\": {alertname=\"A\"} is pending since 1970-01-01T00:00:00.000Z: its condition has to hold for 300 s before anybody is told"
        );
        assert_eq!(
            says(AlertState::Inactive, Some("no")),
            "rule \"A\" of group \"g\": inactive, its condition does not hold; its last evaluation failed: no"
        );
    }
}
