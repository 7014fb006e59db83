//! What people keep quiet: acks and silences beside the alerts that fire, and what of it ends or begins by itself.

use std::sync::Arc;

use hashbrown::HashMap;

use super::super::ack::{AckChange, AckError, AckRequest, AckTarget, rank, without_severity};
use super::super::writes::Writes;
use super::Dispatcher;
use super::flush::Context;
use crate::db::ledger::LedgerEntry;
use crate::db::notification_log::LogKey;
use crate::model::ack::AckEnd;
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::model::notification::Decision;
use crate::model::timestamp::Timestamp;

impl Dispatcher {
    /// Decides on an ack of what fires now.
    pub(in super::super) fn acknowledge(
        &self,
        request: AckRequest,
        new_id: &str,
        now: Timestamp,
    ) -> Result<AckChange, AckError> {
        if matches!(&request.target, AckTarget::Matchers(matchers) if matchers.is_empty()) {
            return Err(AckError::NoTarget);
        }
        let chosen = self.chosen(&request.target, now);
        let lasts = self.routing.quiet.ack_lasts;
        self.acks.make(request, chosen, lasts, new_id, now)
    }

    /// The alerts that fire and are meant, each with the rank of the most severe of its like.
    fn chosen(&self, target: &AckTarget, now: Timestamp) -> Vec<(Labels, u8)> {
        let firing = || {
            let stored = self.alerts.values();
            stored.filter(|stored| !stored.alert.is_resolved(now))
        };
        let mut chosen: Vec<Labels> = match target {
            AckTarget::Fingerprints(wanted) => firing()
                .filter(|stored| wanted.contains(&stored.alert.fingerprint()))
                .map(|stored| stored.alert.labels.clone())
                .collect(),
            AckTarget::Matchers(matchers) => firing()
                .map(|stored| &stored.alert.labels)
                .filter(|labels| {
                    matchers
                        .iter()
                        .all(|matcher| matcher.matches_labels(labels))
                })
                .cloned()
                .collect(),
            AckTarget::Group(key) => self
                .groups
                .values()
                .filter(|group| *group.key == **key)
                .flat_map(|group| group.members.values())
                .filter(|member| !member.alert.is_resolved(now))
                .map(|member| member.alert.labels.clone())
                .collect(),
        };
        chosen.sort_unstable();
        chosen.dedup();
        let mut ranks: HashMap<Labels, u8> = HashMap::with_capacity(chosen.len());
        for labels in &chosen {
            ranks.insert(without_severity(labels), u8::MAX);
        }
        for stored in firing() {
            let labels = &stored.alert.labels;
            if let Some(least) = ranks.get_mut(&without_severity(labels)) {
                *least = rank(labels).min(*least);
            }
        }
        let with_rank = |labels: Labels| {
            let rank = ranks.get(&without_severity(&labels)).copied();
            (labels, rank.unwrap_or(u8::MAX))
        };
        chosen.into_iter().map(with_rank).collect()
    }

    /// That an alert which fires is acked; one that does not ends its ack.
    pub(super) fn acknowledged(&mut self, alert: &Alert, now: Timestamp) -> Option<Decision> {
        if alert.is_resolved(now) {
            self.acks.end(&alert.labels, AckEnd::Resolved, now);
            return None;
        }
        let ack = self.acks.holding(&alert.labels)?;
        Some(Decision::Acknowledged {
            ack: Arc::clone(&ack.id),
            by: ack.owner.clone(),
        })
    }

    /// Keeps what was told of a group from falling due for oblivion while acks keep it from being repeated.
    pub(super) fn remember(&mut self, key: LogKey, context: &Context<'_>, writes: &mut Writes) {
        let repeat = context.route.repeat_interval;
        let soon = context.now + repeat + context.route.group_interval.saturating_mul(2);
        if let Some(entry) = self.log.get(&key)
            && entry.expires_at < soon
        {
            let mut entry = entry.clone();
            entry.expires_at = soon + repeat;
            self.record(key, Some(entry), writes);
        }
    }

    /// When [`Dispatcher::keep_quiet`] has something to do.
    pub(super) fn quiet_due(&self) -> Option<Timestamp> {
        self.acks.next_due()
    }

    /// Ends and begins what does so by itself at `now`.
    pub(super) fn keep_quiet(&mut self, now: Timestamp, writes: &mut Writes) {
        self.acks.expire(now);
        for row in self.acks.take_ended() {
            let decision = Decision::AckEnded {
                ack: Arc::clone(&row.ack),
                why: row.why,
            };
            writes
                .ledger
                .push(quiet_entry(now, Some(&row.labels), decision));
            writes.ended_acks.push(row);
        }
    }
}

/// An entry on what people keep quiet, which concerns every receiver.
pub(in super::super) fn quiet_entry(
    at: Timestamp,
    labels: Option<&Labels>,
    decision: Decision,
) -> LedgerEntry {
    LedgerEntry {
        at,
        group_key: "".into(),
        receiver: "".into(),
        integration: "".into(),
        labels: labels.cloned(),
        decision,
    }
}
