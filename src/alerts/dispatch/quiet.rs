//! What people keep quiet: acks and silences beside the alerts that fire, and what of it ends or begins by itself.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use super::super::ack::{AckChange, AckError, AckRequest, AckTarget, rank, without_severity};
use super::super::interval::schedule::Schedule;
use super::super::recurring::{RecurringError, RecurringRequest, RecurringShown};
use super::super::silence::guard::{self, TooBroad};
use super::super::silence::{SilenceChange, SilenceError, SilenceRequest, validate};
use super::super::writes::Writes;
use super::flush::Context;
use super::view::AlertSnapshot;
use super::{Dispatcher, order};
use crate::db::ledger::LedgerEntry;
use crate::db::notification_log::LogKey;
use crate::model::ack::AckEnd;
use crate::model::alert::Alert;
use crate::model::labels::{Fingerprint, Labels};
use crate::model::matcher::Matcher;
use crate::model::notification::Decision;
use crate::model::recurring_silence::RecurringSilence;
use crate::model::silence::{FORCE, RECURRING, SilenceState};
use crate::model::timestamp::Timestamp;

/// How often silences until resolved are looked at.
const LONGEST_LOOK: Duration = Duration::from_secs(15);
const SHORTEST_LOOK: Duration = Duration::from_millis(250);

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
            AckTarget::Fingerprints(wanted) => {
                let wanted: HashSet<Fingerprint> = wanted.iter().copied().collect();
                firing()
                    .filter(|stored| wanted.contains(&stored.alert.fingerprint()))
                    .map(|stored| stored.alert.labels.clone())
                    .collect()
            }
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
        let look = self.routing.quiet.settle.and_then(|_| {
            self.silences.until_resolved().next()?;
            Some(self.upkeep.next_look)
        });
        [self.acks.next_due(), self.recurrings.next_due(), look]
            .into_iter()
            .flatten()
            .min()
    }

    /// Ends and begins what does so by itself at `now`.
    pub(super) fn keep_quiet(&mut self, now: Timestamp, writes: &mut Writes) {
        self.acks.expire(now);
        self.write_ended_acks(now, writes);
        if let Some(settle) = self.routing.quiet.settle
            && self.upkeep.next_look <= now
        {
            self.end_settled(settle, now, writes);
        }
        self.begin_recurring(now, writes);
    }

    /// Hands over what is to be written of acks that ended.
    pub(super) fn write_ended_acks(&mut self, now: Timestamp, writes: &mut Writes) {
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

    /// Ends the silences until resolved for which nothing fired for so long.
    fn end_settled(&mut self, settle: Duration, now: Timestamp, writes: &mut Writes) {
        let mut over = Vec::new();
        let mut quiet_since = HashMap::new();
        for silence in self.silences.until_resolved() {
            if silence.state(now) != SilenceState::Active {
                continue;
            }
            let fires = self.alerts.values().any(|stored| {
                !stored.alert.is_resolved(now) && silence.matches(&stored.alert.labels)
            });
            if fires {
                continue;
            }
            // After a start alerts come one by one: what was before does not count.
            let known = self.upkeep.quiet_since.get(&silence.id).copied();
            let since = known.unwrap_or(now);
            if now.since(since) >= settle {
                over.push(Arc::clone(&silence.id));
            } else {
                quiet_since.insert(Arc::clone(&silence.id), since);
            }
        }
        let pause = (settle / 4).clamp(SHORTEST_LOOK, LONGEST_LOOK);
        self.upkeep = Upkeep {
            quiet_since,
            next_look: now + pause,
        };
        for id in over {
            if let Ok(change) = self.silences.expire(&id, now) {
                let decision = Decision::SilenceEnded {
                    silence: Arc::clone(&id),
                };
                writes.ledger.push(quiet_entry(now, None, decision));
                writes.silences.extend(change.rows.iter().cloned());
                self.silences.apply(change.rows);
            }
        }
    }

    /// Makes the silences of recurring ones whose time has come.
    fn begin_recurring(&mut self, now: Timestamp, writes: &mut Writes) {
        if self.recurrings.next_due().is_none_or(|due| due > now) {
            return;
        }
        for silence in self.recurrings.begin(now) {
            if self.silences.get(&silence.id).is_some() {
                continue;
            }
            let recurring = silence.annotations.get(RECURRING);
            let decision = Decision::SilenceBegan {
                silence: Arc::clone(&silence.id),
                recurring: recurring.map_or("", String::as_str).into(),
            };
            writes.ledger.push(quiet_entry(now, None, decision));
            writes.silences.push(silence.clone());
            self.silences.apply(vec![silence]);
        }
    }

    /// Decides on a silence: first whether it is too broad, then as [`super::super::silence`] does.
    pub(in super::super) fn set_silence(
        &self,
        request: SilenceRequest,
        new_id: &str,
        now: Timestamp,
    ) -> Result<SilenceChange, SilenceError> {
        let forced = request
            .annotations
            .get(FORCE)
            .is_some_and(|force| force == "true");
        let known = request.id.as_ref().and_then(|id| self.silences.get(id));
        let unchanged = known.is_some_and(|known| known.matchers == request.matchers);
        let matchers = request.matchers.clone();
        let change = self.silences.set(request, new_id, now)?;
        if !forced && !unchanged {
            self.judge(&matchers, now)?;
        }
        Ok(change)
    }

    /// Decides on a recurring silence.
    pub(in super::super) fn set_recurring(
        &self,
        request: RecurringRequest,
        new_id: &str,
        now: Timestamp,
    ) -> Result<(RecurringSilence, Schedule), RecurringError> {
        if let Err(SilenceError::Invalid(reason)) = validate(&request.matchers) {
            return Err(RecurringError::Matchers(reason));
        }
        if !request.force {
            self.judge(&request.matchers, now)?;
        }
        self.recurrings.set(request, new_id, now)
    }

    /// Recurring silences with their next times.
    pub(in super::super) fn recurring(&self, now: Timestamp) -> Vec<RecurringShown> {
        self.recurrings.shown(now, |id| {
            let made = self.silences.of_recurring(id, now);
            made.first().map(|silence| Arc::clone(&silence.id))
        })
    }

    /// What a silence with these matchers would keep quiet now; at most so many alerts of it.
    pub(in super::super) fn preview(
        &self,
        matchers: &[Matcher],
        limit: usize,
        now: Timestamp,
    ) -> Preview {
        let (mut matching, firing) = self.matching(matchers, now);
        let matched = matching.len();
        order::first(&mut matching, limit);
        let too_broad = self
            .routing
            .quiet
            .guard
            .and_then(|config| guard::judge(&config, matchers, matched, firing).err());
        Preview {
            alerts: matching
                .into_iter()
                .map(|alert| self.shown(alert, now))
                .collect(),
            matched,
            firing,
            too_broad,
        }
    }

    fn judge(&self, matchers: &[Matcher], now: Timestamp) -> Result<(), TooBroad> {
        let Some(config) = self.routing.quiet.guard else {
            return Ok(());
        };
        let (matching, firing) = self.matching(matchers, now);
        guard::judge(&config, matchers, matching.len(), firing)
    }

    /// The alerts that fire and match, in no order, and how many fire.
    fn matching(&self, matchers: &[Matcher], now: Timestamp) -> (Vec<Arc<Alert>>, usize) {
        let mut firing = 0;
        let mut matching = Vec::new();
        for stored in self.alerts.values() {
            if stored.alert.is_resolved(now) {
                continue;
            }
            firing += 1;
            let labels = &stored.alert.labels;
            if matchers
                .iter()
                .all(|matcher| matcher.matches_labels(labels))
            {
                matching.push(Arc::clone(&stored.alert));
            }
        }
        (matching, firing)
    }
}

/// What a silence would keep quiet.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Alerts that fire and match, in the order of a notification; perhaps not all.
    pub alerts: Vec<AlertSnapshot>,
    /// How many fire and match.
    pub matched: usize,
    /// How many fire.
    pub firing: usize,
    /// Why it would be refused.
    pub too_broad: Option<TooBroad>,
}

/// What is known of silences until resolved.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// Since when nothing that matches was seen firing.
    quiet_since: HashMap<Arc<str>, Timestamp>,
    next_look: Timestamp,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            quiet_since: HashMap::new(),
            next_look: Timestamp::MIN,
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
