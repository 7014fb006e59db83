//! What a person is told, and why: one [`Notification`] a group, receiver and integration; one [`Decision`] an alert.
//!
//! Notifications are stored as JSON in the outbox between the routes, which write them, and the receivers, which send
//! them. A [`Decision`] is at once log field, metric label and ledger entry.

mod digest;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ack::AckEnd;
use super::alert::Alert;
use super::labels::Labels;
use super::timestamp::Timestamp;

pub use digest::{AlertCount, Digest, DigestGroup, StormNews, StormStage};

/// One integration of a receiver: its kind and its place among the receiver's integrations of that kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Integration {
    /// `slack`, `email`, `webhook`, `console`, ...
    pub kind: Arc<str>,
    /// Place among those of its kind, from 0.
    pub index: usize,
}

/// `webhook[0]`: how files, logs and the database name an integration.
impl fmt::Display for Integration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.kind, self.index)
    }
}

impl Integration {
    /// Reads what [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, index) = text.strip_suffix(']')?.rsplit_once('[')?;
        Some(Self {
            kind: kind.into(),
            index: index.parse().ok()?,
        })
    }
}

/// State of an alert at the instant its group was flushed; time passing afterwards does not change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// Still active.
    Firing,
    /// Ended.
    Resolved,
}

impl AlertStatus {
    /// The status as Alertmanager writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// Why a notification is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing was told about this group, or its last message said that all was over.
    FirstNotification,
    /// An alert fires that was not in the last message.
    NewAlerts,
    /// Some alerts ended, others still fire.
    NewResolved,
    /// The last firing alert ended.
    AllResolved,
    /// Nothing changed, but the repeat interval is over.
    Repeat,
    /// Notifications held back by throttling, in one message.
    Digest,
    /// Notifications gathered while a storm lasts, in one message.
    Storm,
    /// An alert began or ceased to flap.
    Flapping,
}

impl Reason {
    /// The reason as metric label and JSON value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstNotification => "first_notification",
            Self::NewAlerts => "new_alerts",
            Self::NewResolved => "new_resolved",
            Self::AllResolved => "all_resolved",
            Self::Repeat => "repeat",
            Self::Digest => "digest",
            Self::Storm => "storm",
            Self::Flapping => "flapping",
        }
    }
}

/// An alert in a notification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotifiedAlert {
    /// Firing or resolved, decided when the group was flushed.
    pub status: AlertStatus,
    /// Whether the integration was told of this status before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
    /// The alert; its `ends_at` means something only where it is resolved.
    pub alert: Arc<Alert>,
    /// The picture of its series; made when the message is sent, never stored.
    #[serde(skip)]
    pub picture: Option<AlertPicture>,
    /// Its runbook's address with its labels, where the runbook is here; made when the message is sent, never stored.
    #[serde(skip)]
    pub runbook: Option<Arc<str>>,
}

/// The picture of an alert's series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPicture {
    /// Where it can be looked at, for some days.
    pub link: Arc<str>,
    /// Where the message itself shows it from: the link, or a part of the message (`cid:...`); empty where it shows none.
    pub image: Arc<str>,
    /// The picture, where it was drawn.
    pub png: Option<Arc<[u8]>>,
}

impl NotifiedAlert {
    /// The alert's annotations as a message tells them: the link to a runbook here names the alert.
    pub fn annotations(&self) -> Cow<'_, Labels> {
        match &self.runbook {
            Some(link) => Cow::Owned(self.alert.annotations.with(RUNBOOK, link)),
            None => Cow::Borrowed(&self.alert.annotations),
        }
    }

    /// The link to its runbook, empty where there is none.
    pub fn runbook(&self) -> &str {
        match &self.runbook {
            Some(link) => link,
            None => self.alert.annotations.value(RUNBOOK),
        }
    }

    /// What a message with this alert changes for who reads it.
    pub fn change(&self) -> Change {
        match (self.status, self.known) {
            (AlertStatus::Firing, false) => Change::New,
            (AlertStatus::Firing, true) => Change::StillFiring,
            (AlertStatus::Resolved, false) => Change::JustResolved,
            (AlertStatus::Resolved, true) => Change::EndedBefore,
        }
    }
}

/// An alert beside what its reader was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Fires, and was not said to.
    New,
    /// Fires, as was said before.
    StillFiring,
    /// Ended, which was not said yet.
    JustResolved,
    /// Ended, as was said before.
    EndedBefore,
}

impl Change {
    /// As templates and reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::StillFiring => "still_firing",
            Self::JustResolved => "just_resolved",
            Self::EndedBefore => "ended_before",
        }
    }
}

/// One message to one integration of one receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// 32 hexadecimal digits; the outbox's key and the receiver's idempotency key.
    pub id: Arc<str>,
    /// Alertmanager's group key, `{}/{severity="critical"}:{alertname="X"}`; `digest/<id>` for a digest, `storm/<id>` for
    /// all messages of a storm.
    pub group_key: Arc<str>,
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// Which of its integrations.
    pub integration: Integration,
    /// Why it is sent.
    pub reason: Reason,
    /// The labels the group was formed by; empty for a digest.
    pub group_labels: Labels,
    /// The alerts in Alertmanager's order (job, instance, then labels).
    pub alerts: Vec<NotifiedAlert>,
    /// Alerts left out of `alerts` because there were too many.
    #[serde(default)]
    pub truncated: u64,
    /// When the group was flushed.
    pub created_at: Timestamp,
    /// What the message gathers; present exactly for [`Reason::Digest`] and [`Reason::Storm`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where it could not be delivered; present exactly where this one goes to the fallback receiver instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undelivered: Option<Undelivered>,
}

/// A notification that another receiver was to get, and did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// Its id.
    pub notification: Arc<str>,
    /// The receiver it was for.
    pub receiver: Arc<str>,
    /// Which of its integrations.
    pub integration: Integration,
    /// Why it could not be delivered; never a secret.
    pub error: String,
}

/// One sentence for the people who are told instead.
impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            receiver,
            integration,
            error,
            ..
        } = self;
        write!(
            f,
            "This could not be delivered to receiver {receiver} ({integration}): {error}. You are its fallback; nobody there was told."
        )
    }
}

impl Notification {
    /// The address of the picture that the message shows, where it shows one from an address.
    pub fn image_url(&self) -> Option<&str> {
        let pictures = self
            .alerts
            .iter()
            .filter_map(|alert| alert.picture.as_ref());
        pictures
            .map(|picture| &*picture.image)
            .find(|image| image.starts_with("http"))
    }

    /// Whether any alert in it still fires: the message's own status.
    pub fn is_firing(&self) -> bool {
        self.alerts
            .iter()
            .any(|alert| alert.status == AlertStatus::Firing)
    }
}

/// The annotation of an alert that is held as firing because it flaps, or has just ceased to flap.
pub const FLAPPING: &str = "outrigger_flapping";
/// The annotation that leads to the runbook.
pub const RUNBOOK: &str = "runbook_url";

/// Rank of a `severity` label, most severe first; unknown words rank between `warning` and `info`.
pub fn severity_rank(severity: &str) -> u8 {
    match severity.trim().to_ascii_lowercase().as_str() {
        "emergency" | "page" | "disaster" => 0,
        "critical" => 1,
        "error" | "major" | "high" => 2,
        "warning" | "warn" | "minor" | "medium" => 3,
        "info" | "informational" | "low" | "notice" => 5,
        "none" | "debug" => 6,
        _ => 4,
    }
}

/// What was decided about an alert, or about a whole notification; the ledger keeps each one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// Written to the outbox.
    Enqueued {
        /// The notification.
        notification: Arc<str>,
        /// Why it is sent.
        reason: Reason,
    },
    /// The receiver already knows.
    Deduplicated,
    /// Began and ended before the receiver was told, so there is nothing to take back.
    NeverTold,
    /// Resolved, and the integration has `send_resolved: false`.
    ResolvedNotWanted,
    /// The receiver has no integration: nobody is told.
    NoIntegration,
    /// Another alert speaks for it.
    Inhibited {
        /// Fingerprint of the inhibiting alert.
        by: String,
        /// The inhibition rule's name, or its place from 0.
        rule: String,
    },
    /// The route is muted at this time.
    Muted {
        /// The time interval's name.
        interval: String,
    },
    /// The route is not active at this time.
    Inactive,
    /// A silence matches.
    Silenced {
        /// The silence's id.
        silence: String,
    },
    /// Somebody has taken charge of it, and it was told already or need not be.
    Acknowledged {
        /// The ack's id.
        ack: Arc<str>,
        /// Its owner.
        by: String,
    },
    /// Somebody took charge of it.
    AckBegan {
        /// The ack's id.
        ack: Arc<str>,
        /// Its owner.
        by: String,
    },
    /// Nobody is in charge of it any more.
    AckEnded {
        /// The ack's id.
        ack: Arc<str>,
        /// Why.
        why: AckEnd,
    },
    /// A recurring silence is active again.
    SilenceBegan {
        /// The silence's id.
        silence: Arc<str>,
        /// The recurring silence's id.
        recurring: Arc<str>,
    },
    /// A silence until resolved is over: for a while nothing fired that it matches.
    SilenceEnded {
        /// The silence's id.
        silence: Arc<str>,
    },
    /// Held back, and listed in a digest.
    Throttled {
        /// The digest's notification.
        digest: Arc<str>,
    },
    /// Gathered while a storm lasts, and listed in its next summary.
    HeldInStorm {
        /// The summary's notification.
        digest: Arc<str>,
    },
    /// It flaps: it is held as firing, and what changes is not told.
    HeldFlapping {
        /// Changes of its state so far.
        changes: u32,
    },
    /// A newer notification of the same group took its place before it was delivered.
    Superseded {
        /// The notification that was not sent.
        notification: Arc<str>,
        /// What took its place; `None` where the alerts ended before anybody was told.
        by: Option<Arc<str>>,
    },
    /// The receiver accepted it.
    Delivered {
        /// The notification.
        notification: Arc<str>,
        /// What the receiver answered, such as `200` or `250`.
        status: String,
    },
    /// The receiver refused it for good.
    Failed {
        /// The notification.
        notification: Arc<str>,
        /// Why; never a secret.
        error: String,
    },
    /// Sent at once because somebody asked for a test; no group knows of it.
    Tested {
        /// The notification.
        notification: Arc<str>,
        /// What became of it; never a secret.
        outcome: String,
    },
    /// Tried until its time was over: not delivered.
    Expired {
        /// The notification.
        notification: Arc<str>,
        /// The last error; never a secret.
        error: String,
    },
    /// Could not be delivered where the routes sent it, and goes to the fallback receiver.
    FellBack {
        /// The notification to the fallback receiver.
        notification: Arc<str>,
        /// The one it stands in for.
        undelivered: Arc<str>,
        /// The receiver that was to be told.
        receiver: Arc<str>,
        /// Its integration, such as `webhook[0]`.
        integration: String,
    },
}

impl Decision {
    /// The names of the decisions that [`Decision::suppresses`] tells of.
    pub const SUPPRESSIONS: [&'static str; 10] = [
        "acknowledged",
        "deduplicated",
        "inactive",
        "inhibited",
        "muted",
        "never_told",
        "no_integration",
        "resolved_not_wanted",
        "silenced",
        "superseded",
    ];

    /// The decision's name: metric label, log field and ledger column.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Enqueued { .. } => "enqueued",
            Self::Deduplicated => "deduplicated",
            Self::NeverTold => "never_told",
            Self::ResolvedNotWanted => "resolved_not_wanted",
            Self::NoIntegration => "no_integration",
            Self::Inhibited { .. } => "inhibited",
            Self::Muted { .. } => "muted",
            Self::Inactive => "inactive",
            Self::Silenced { .. } => "silenced",
            Self::Acknowledged { .. } => "acknowledged",
            Self::AckBegan { .. } => "ack_began",
            Self::AckEnded { .. } => "ack_ended",
            Self::SilenceBegan { .. } => "silence_began",
            Self::SilenceEnded { .. } => "silence_ended",
            Self::Throttled { .. } => "throttled",
            Self::HeldInStorm { .. } => "held_in_storm",
            Self::HeldFlapping { .. } => "held_flapping",
            Self::Superseded { .. } => "superseded",
            Self::Delivered { .. } => "delivered",
            Self::Failed { .. } => "failed",
            Self::Tested { .. } => "tested",
            Self::Expired { .. } => "expired",
            Self::FellBack { .. } => "fell_back",
        }
    }

    /// The notification it speaks of, the digest for a throttled one.
    pub fn notification(&self) -> Option<&Arc<str>> {
        match self {
            Self::Enqueued { notification, .. }
            | Self::Superseded { notification, .. }
            | Self::Delivered { notification, .. }
            | Self::Failed { notification, .. }
            | Self::Tested { notification, .. }
            | Self::Expired { notification, .. }
            | Self::FellBack { notification, .. } => Some(notification),
            Self::Throttled { digest } | Self::HeldInStorm { digest } => Some(digest),
            Self::Deduplicated
            | Self::HeldFlapping { .. }
            | Self::NeverTold
            | Self::ResolvedNotWanted
            | Self::NoIntegration
            | Self::Inhibited { .. }
            | Self::Muted { .. }
            | Self::Inactive
            | Self::Silenced { .. }
            | Self::Acknowledged { .. }
            | Self::AckBegan { .. }
            | Self::AckEnded { .. }
            | Self::SilenceBegan { .. }
            | Self::SilenceEnded { .. } => None,
        }
    }

    /// Whether it kept an alert from being told: what the suppression counter counts.
    pub fn suppresses(&self) -> bool {
        match self {
            Self::Deduplicated
            | Self::NeverTold
            | Self::ResolvedNotWanted
            | Self::NoIntegration
            | Self::Inhibited { .. }
            | Self::Muted { .. }
            | Self::Inactive
            | Self::Silenced { .. }
            | Self::Acknowledged { .. }
            | Self::HeldFlapping { .. }
            | Self::Superseded { .. } => true,
            Self::Enqueued { .. }
            | Self::AckBegan { .. }
            | Self::AckEnded { .. }
            | Self::SilenceBegan { .. }
            | Self::SilenceEnded { .. }
            | Self::Throttled { .. }
            | Self::HeldInStorm { .. }
            | Self::Delivered { .. }
            | Self::Failed { .. }
            | Self::Tested { .. }
            | Self::Expired { .. }
            | Self::FellBack { .. } => false,
        }
    }
}

/// The answer to "why was I (not) told?", as one sentence.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enqueued { reason, .. } => {
                f.write_str("queued for delivery: ")?;
                f.write_str(match reason {
                    Reason::FirstNotification => "first notification of its group",
                    Reason::NewAlerts => "new alerts in its group",
                    Reason::NewResolved => "some alerts of its group ended",
                    Reason::AllResolved => "all alerts of its group ended",
                    Reason::Repeat => "the repeat interval is over",
                    Reason::Digest => "digest of what throttling held back",
                    Reason::Storm => "summary of a storm",
                    Reason::Flapping => "an alert began or ceased to flap",
                })
            }
            Self::Deduplicated => f.write_str("the receiver already knows"),
            Self::NeverTold => f.write_str("ended before the receiver was told of it"),
            Self::ResolvedNotWanted => f.write_str("ended, and send_resolved is off"),
            Self::NoIntegration => f.write_str("the receiver has no integration"),
            Self::Inhibited { by, rule } => {
                write!(f, "inhibited by alert {by} (inhibition rule {rule})")
            }
            Self::Muted { interval } => write!(f, "muted by time interval {interval}"),
            Self::Inactive => f.write_str("outside the route's active time intervals"),
            Self::Silenced { silence } => write!(f, "silenced by {silence}"),
            Self::Acknowledged { ack, by } => write!(f, "acknowledged by {by} (ack {ack})"),
            Self::AckBegan { ack, by } => write!(f, "{by} has taken charge of it (ack {ack})"),
            Self::AckEnded { ack, why } => write!(f, "ack {ack} ended: {why}"),
            Self::SilenceBegan { silence, recurring } => {
                write!(
                    f,
                    "silence {silence} began: recurring silence {recurring} is active"
                )
            }
            Self::SilenceEnded { silence } => {
                write!(
                    f,
                    "silence {silence} ended: nothing it matches fires any more"
                )
            }
            Self::Throttled { digest } => write!(f, "throttled into digest {digest}"),
            Self::HeldInStorm { digest } => write!(f, "gathered into storm summary {digest}"),
            Self::HeldFlapping { changes } => {
                write!(f, "flaps, held as firing: {changes} changes so far")
            }
            Self::Superseded { by: Some(by), .. } => write!(f, "superseded by notification {by}"),
            Self::Superseded { by: None, .. } => {
                f.write_str("withdrawn: over before it could be delivered")
            }
            Self::Delivered { status, .. } => write!(f, "delivered: {status}"),
            Self::Failed { error, .. } => write!(f, "not delivered, refused: {error}"),
            Self::Tested { outcome, .. } => write!(f, "sent as a test, {outcome}"),
            Self::Expired { error, .. } => {
                write!(f, "not delivered, gave up after retries: {error}")
            }
            Self::FellBack {
                receiver,
                integration,
                ..
            } => write!(
                f,
                "queued for the fallback receiver: not delivered to {receiver} ({integration})"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
