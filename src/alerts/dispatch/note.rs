//! Decisions on alerts, on their way into the ledger.

use std::sync::Arc;

use super::super::route::Receiver;
use super::super::writes::Writes;
use super::Group;
use super::flush::Seen;
use crate::db::ledger::LedgerEntry;
use crate::model::notification::Decision;
use crate::model::timestamp::Timestamp;

/// Whom a decision concerns.
pub(super) struct Place {
    /// 0 for the receiver as a whole, its integrations from 1.
    slot: usize,
    receiver: Arc<str>,
    integration: Arc<str>,
}

impl Place {
    /// The receiver as a whole.
    pub(super) fn whole(receiver: &Receiver) -> Self {
        Self {
            slot: 0,
            receiver: Arc::clone(&receiver.name),
            integration: "".into(),
        }
    }

    /// One of its integrations, by its place among them from 0.
    pub(super) fn integration(receiver: &Receiver, position: usize) -> Self {
        let integration = receiver.targets.get(position);
        Self {
            slot: position + 1,
            receiver: Arc::clone(&receiver.name),
            integration: integration.map_or_else(|| "".into(), |target| Arc::clone(&target.text)),
        }
    }
}

impl Group {
    /// Writes a decision on an alert to the ledger; one that only repeats the last is left out.
    pub(super) fn note(
        &mut self,
        place: &Place,
        seen: &Seen,
        decision: &Decision,
        now: Timestamp,
        writes: &mut Writes,
    ) {
        let slot = place.slot;
        let Some(member) = self.members.get_mut(&seen.alert.labels) else {
            return;
        };
        let tag = tag(decision);
        let repeated = std::mem::replace(member.noted(slot), tag) == tag;
        if repeated
            && !matches!(
                decision,
                Decision::Enqueued { .. }
                    | Decision::Throttled { .. }
                    | Decision::HeldInStorm { .. }
            )
        {
            return;
        }
        writes.ledger.push(LedgerEntry {
            at: now,
            group_key: Arc::clone(&self.key),
            receiver: Arc::clone(&place.receiver),
            integration: Arc::clone(&place.integration),
            labels: Some(seen.alert.labels.clone()),
            decision: decision.clone(),
        });
    }

    /// The alert as a whole is no longer kept quiet.
    pub(super) fn unnote(&mut self, seen: &Seen) {
        if let Some(member) = self.members.get_mut(&seen.alert.labels) {
            *member.noted(0) = 0;
        }
    }
}

fn tag(decision: &Decision) -> u8 {
    match decision {
        Decision::Enqueued { .. } => 1,
        Decision::Deduplicated => 2,
        Decision::NeverTold => 3,
        Decision::ResolvedNotWanted => 4,
        Decision::NoIntegration => 5,
        Decision::Inhibited { .. } => 6,
        Decision::Muted { .. } => 7,
        Decision::Inactive => 8,
        Decision::Silenced { .. } => 9,
        Decision::Throttled { .. } => 10,
        Decision::Superseded { .. } => 11,
        Decision::Delivered { .. } => 12,
        Decision::Failed { .. } => 13,
        Decision::Expired { .. } => 14,
        Decision::Acknowledged { .. } => 15,
        Decision::AckBegan { .. } => 16,
        Decision::AckEnded { .. } => 17,
        Decision::SilenceBegan { .. } => 18,
        Decision::SilenceEnded { .. } => 19,
        Decision::Tested { .. } => 40,
        Decision::FellBack { .. } => 20,
        Decision::HeldInStorm { .. } => 21,
        Decision::HeldFlapping { .. } => 22,
    }
}
