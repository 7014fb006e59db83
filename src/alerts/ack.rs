//! Acks: who has taken charge of which alerts, and when that ends.
//!
//! ```text
//!   make ──▶ holds ──(resolves, severity rises, expires, withdrawn, replaced; each alert by itself)──▶ ended
//! ```
//!
//! As with silences a change that somebody asks for is decided first (`make`, `withdraw`), written by the
//! caller, then taken over (`apply`). What ends by itself is noted here and written with the next flush, which is
//! due at once (`take_ended`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use super::throttle::config::SEVERITY;
use crate::db::acks::EndedRow;
use crate::model::ack::{Ack, AckEnd, AckedAlert};
use crate::model::alert::Alert;
use crate::model::labels::{Fingerprint, Labels};
use crate::model::matcher::Matcher;
use crate::model::notification::severity_rank;
use crate::model::timestamp::Timestamp;
use crate::model::words::is_unprintable;

/// An acked alert that is not sent again for so long after a start has resolved meanwhile.
const SEEN_WITHIN: Duration = Duration::from_secs(15 * 60);
/// The longest name of an owner, in bytes.
const LONGEST_OWNER: usize = 200;
/// The longest note, in bytes.
const LONGEST_NOTE: usize = 4 << 10;

/// Which of the alerts that fire are acked.
#[derive(Clone, Debug, PartialEq)]
pub enum AckTarget {
    /// These alerts.
    Fingerprints(Vec<Fingerprint>),
    /// Those that all of these match.
    Matchers(Vec<Matcher>),
    /// Those of the groups with this key.
    Group(String),
}

/// Until when an ack holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckExpiry {
    /// As long as the settings say.
    Default,
    /// For this long.
    After(Duration),
    /// Until this time.
    At(Timestamp),
    /// Until its alerts resolve.
    Never,
}

/// An ack as somebody asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct AckRequest {
    /// What it covers.
    pub target: AckTarget,
    /// Who takes charge.
    pub owner: String,
    /// What they say about it.
    pub note: String,
    /// Until when at most.
    pub expiry: AckExpiry,
}

/// Why an ack is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// No ack has this id.
    #[error("ack not found")]
    NotFound,
    /// There is nothing to take charge of.
    #[error("no alert fires that this would acknowledge")]
    NothingFires,
    /// It is not said who.
    #[error("an ack needs an owner: say who takes charge")]
    NoOwner,
    /// A text is too long.
    #[error("the {0} is longer than {1} bytes; shorten it")]
    TooLong(&'static str, usize),
    /// A text has what no writing needs and terminals obey.
    #[error("the {0} has characters that cannot be printed; leave them out")]
    Control(&'static str),
    /// It ends before it begins.
    #[error("the ack would be over already; name a later time")]
    Past,
    /// Every alert would be acked.
    #[error(
        "name alerts, a group, or matchers; to acknowledge everything match on a label that all have"
    )]
    NoTarget,
}

/// A change that is decided and not yet written.
#[derive(Clone, Debug, PartialEq)]
pub struct AckChange {
    /// The ack it is about.
    pub id: Arc<str>,
    /// A new ack.
    pub made: Option<Ack>,
    /// What ends.
    pub ended: Vec<EndedRow>,
}

/// All acks.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// Alerts of acks from before the start that were not seen since, and when they count as resolved: their end may have
    /// come while nobody listened.
    unseen: Option<(Timestamp, HashSet<Labels>)>,
    by_id: HashMap<Arc<str>, Arc<Ack>>,
    /// Every alert that an ack holds for: that ack, and the alert's place in it.
    holding: HashMap<Labels, (Arc<str>, usize)>,
    /// The same, by their labels without the severity.
    siblings: HashMap<Labels, Vec<Labels>>,
    /// Acks that hold and expire.
    expiring: BTreeSet<(Timestamp, Arc<str>)>,
    /// What ended by itself and is not yet written.
    ended: Vec<EndedRow>,
}

impl Acks {
    /// From what the database holds; alerts are sent again from `start` on.
    pub(super) fn restore(stored: Vec<Ack>, start: Timestamp) -> Self {
        let mut acks = Self::default();
        for ack in stored {
            acks.take(ack);
        }
        if !acks.holding.is_empty() {
            acks.unseen = Some((start + SEEN_WITHIN, acks.holding.keys().cloned().collect()));
        }
        acks
    }

    /// Decides on a new ack for alerts that fire, each with the rank of the most severe alert that fires with the same
    /// labels but for the severity. `lasts` is how long an ack holds that does not say.
    pub(super) fn make(
        &self,
        request: AckRequest,
        firing: Vec<(Labels, u8)>,
        lasts: Duration,
        new_id: &str,
        now: Timestamp,
    ) -> Result<AckChange, AckError> {
        let owner = request.owner.trim().to_owned();
        if owner.is_empty() {
            return Err(AckError::NoOwner);
        }
        for (what, text, longest) in [
            ("owner", &owner, LONGEST_OWNER),
            ("note", &request.note, LONGEST_NOTE),
        ] {
            if text.len() > longest {
                return Err(AckError::TooLong(what, longest));
            }
            if text.chars().any(is_unprintable) {
                return Err(AckError::Control(what));
            }
        }
        let expires_at = match request.expiry {
            AckExpiry::Default => Some(now + lasts),
            AckExpiry::After(duration) => Some(now + duration),
            AckExpiry::At(time) => Some(time),
            AckExpiry::Never => None,
        };
        if expires_at.is_some_and(|time| time <= now) {
            return Err(AckError::Past);
        }
        if firing.is_empty() {
            return Err(AckError::NothingFires);
        }
        let ended = firing
            .iter()
            .filter_map(|(labels, _)| self.ended_row(labels, AckEnd::Replaced, now))
            .collect();
        let id: Arc<str> = new_id.into();
        let alert = |(labels, rank)| AckedAlert {
            labels,
            rank,
            ended: None,
        };
        let ack = Ack {
            id: Arc::clone(&id),
            owner,
            note: request.note.trim().to_owned(),
            created_at: now,
            expires_at,
            alerts: firing.into_iter().map(alert).collect(),
        };
        Ok(AckChange {
            id,
            made: Some(ack),
            ended,
        })
    }

    /// Decides on the end of an ack for all its alerts; one that is over stays as it is.
    pub(super) fn withdraw(&self, id: &str, now: Timestamp) -> Result<AckChange, AckError> {
        let ack = self.by_id.get(id).ok_or(AckError::NotFound)?;
        let holding = ack.alerts.iter().filter(|alert| alert.ended.is_none());
        Ok(AckChange {
            id: Arc::clone(&ack.id),
            made: None,
            ended: holding
                .filter_map(|alert| self.ended_row(&alert.labels, AckEnd::Withdrawn, now))
                .collect(),
        })
    }

    /// Takes over what was written.
    pub(super) fn apply(&mut self, change: AckChange) {
        for row in change.ended {
            self.release(&row);
        }
        if let Some(ack) = change.made {
            self.take(ack);
        }
    }

    /// The ack that holds for an alert.
    pub(super) fn holding(&self, labels: &Labels) -> Option<&Arc<Ack>> {
        let (id, _) = self.holding.get(labels)?;
        self.by_id.get(id)
    }

    /// An alert's newest state: its end ends its ack, and one that fires more severely ends that of its like.
    pub(super) fn observe(&mut self, alert: &Alert, now: Timestamp) {
        if self.holding.is_empty() {
            return;
        }
        if let Some((_, unseen)) = &mut self.unseen {
            unseen.remove(&alert.labels);
            self.unseen.take_if(|(_, unseen)| unseen.is_empty());
        }
        if alert.is_resolved(now) {
            self.end(&alert.labels, AckEnd::Resolved, now);
            return;
        }
        let Some(siblings) = self.siblings.get(&without_severity(&alert.labels)) else {
            return;
        };
        let rank = rank(&alert.labels);
        let risen: Vec<Labels> = siblings
            .iter()
            .filter(|labels| {
                self.holding.get(*labels).is_some_and(|(id, place)| {
                    self.by_id
                        .get(id)
                        .and_then(|ack| ack.alerts.get(*place))
                        .is_some_and(|acked| rank < acked.rank)
                })
            })
            .cloned()
            .collect();
        for labels in risen {
            self.end(&labels, AckEnd::SeverityRose, now);
        }
    }

    /// Ends the ack that holds for an alert, if any does.
    pub(super) fn end(&mut self, labels: &Labels, why: AckEnd, now: Timestamp) {
        if let Some(row) = self.ended_row(labels, why, now) {
            self.release(&row);
            self.ended.push(row);
        }
    }

    /// Ends what expired, and what resolved unseen.
    pub(super) fn expire(&mut self, now: Timestamp) {
        for labels in self
            .unseen
            .take_if(|(at, _)| *at <= now)
            .into_iter()
            .flat_map(|(_, unseen)| unseen)
        {
            self.end(&labels, AckEnd::Resolved, now);
        }
        while let Some((at, id)) = self.expiring.first()
            && *at <= now
        {
            let labels: Vec<Labels> = self.by_id.get(id).map_or_else(Vec::new, |ack| {
                let holding = ack.alerts.iter().filter(|alert| alert.ended.is_none());
                holding.map(|alert| alert.labels.clone()).collect()
            });
            self.expiring.pop_first();
            for labels in labels {
                self.end(&labels, AckEnd::Expired, now);
            }
        }
    }

    /// When something is to be written, or ends.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if !self.ended.is_empty() {
            return Some(Timestamp::MIN);
        }
        let expires = self.expiring.first().map(|(at, _)| *at);
        let unseen = self.unseen.as_ref().map(|(at, _)| *at);
        expires.into_iter().chain(unseen).min()
    }

    /// The wall clock stepped back by this much; when an ack ends somebody named by the clock.
    pub(super) fn clock_stepped_back(&mut self, by: Duration) {
        if let Some((at, _)) = &mut self.unseen {
            *at = *at - by;
        }
    }

    /// What ended by itself since it was last asked.
    pub(super) fn take_ended(&mut self) -> Vec<EndedRow> {
        std::mem::take(&mut self.ended)
    }

    /// All acks, in no order.
    pub(super) fn all(&self) -> Vec<Arc<Ack>> {
        self.by_id.values().cloned().collect()
    }

    /// One ack.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Ack>> {
        self.by_id.get(id).cloned()
    }

    /// Forgets what ended before `before`.
    pub(super) fn sweep(&mut self, before: Timestamp) {
        self.by_id
            .retain(|_, ack| ack.ended_at().is_none_or(|ended| ended >= before));
    }

    /// How many hold.
    pub(super) fn count(&self) -> usize {
        self.by_id.values().filter(|ack| ack.holds()).count()
    }

    fn ended_row(&self, labels: &Labels, why: AckEnd, at: Timestamp) -> Option<EndedRow> {
        let (ack, _) = self.holding.get(labels)?;
        Some(EndedRow {
            ack: Arc::clone(ack),
            labels: labels.clone(),
            at,
            why,
        })
    }

    fn take(&mut self, ack: Ack) {
        for (place, alert) in ack.alerts.iter().enumerate() {
            if alert.ended.is_some() {
                continue;
            }
            let held = (Arc::clone(&ack.id), place);
            if self.holding.insert(alert.labels.clone(), held).is_none() {
                let rest = without_severity(&alert.labels);
                let siblings = self.siblings.entry(rest).or_default();
                siblings.push(alert.labels.clone());
            }
        }
        if let Some(at) = ack.expires_at
            && ack.holds()
        {
            self.expiring.insert((at, Arc::clone(&ack.id)));
        }
        self.by_id.insert(Arc::clone(&ack.id), Arc::new(ack));
    }

    fn release(&mut self, row: &EndedRow) {
        let Some((id, place)) = self.holding.remove(&row.labels) else {
            return;
        };
        let rest = without_severity(&row.labels);
        if let Some(siblings) = self.siblings.get_mut(&rest) {
            siblings.retain(|labels| *labels != row.labels);
            if siblings.is_empty() {
                self.siblings.remove(&rest);
            }
        }
        let Some(ack) = self.by_id.get_mut(&id) else {
            return;
        };
        let ack = Arc::make_mut(ack);
        if let Some(alert) = ack.alerts.get_mut(place) {
            alert.ended = Some((row.at, row.why));
        }
        if let Some(at) = ack.expires_at
            && !ack.holds()
        {
            self.expiring.remove(&(at, id));
        }
    }
}

/// The labels that an alert shares with its like of another severity.
pub(super) fn without_severity(labels: &Labels) -> Labels {
    labels.filter(|name| name != SEVERITY)
}

/// The rank of an alert's severity.
pub(super) fn rank(labels: &Labels) -> u8 {
    severity_rank(labels.value(SEVERITY))
}

#[cfg(test)]
mod tests;
