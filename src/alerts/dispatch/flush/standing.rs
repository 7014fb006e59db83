//! What counts as told to one integration of a group: the notification log beside what became of the messages.

use std::sync::Arc;

use super::super::super::dedup::Verdict;
use super::super::super::route::{Route, Target};
use super::super::{Dispatcher, Writes};
use super::{Context, Seen};
use crate::db::notification_log::{Earlier, LogEntry, LogKey, Told};
use crate::db::outbox::Fate;
use crate::db::throttle::BucketKey;
use crate::model::timestamp::Timestamp;

/// What a flush finds about one integration.
pub(super) struct Standing<'a> {
    /// What was told, newest first.
    pub(super) history: Vec<Earlier>,
    /// The alerts to tell of.
    pub(super) alerts: Vec<&'a Seen>,
    /// A notification that is not sent any more.
    pub(super) withdrawn: Option<Arc<str>>,
    /// The bucket of the digest that the group waits in.
    pub(super) held: Option<BucketKey>,
    /// Whether the newest notification counts as told.
    pub(super) stands: bool,
}

impl Dispatcher {
    /// What counts as told, and which alerts there are to tell of.
    pub(super) fn standing<'s>(
        &self,
        key: &LogKey,
        target: &Target,
        seen: &'s [Seen],
        context: &Context<'_>,
        writes: &Writes,
    ) -> Standing<'s> {
        let entry = self
            .log
            .get(key)
            .filter(|entry| entry.expires_at > context.now)
            .filter(|entry| context.now.since(entry.told.at) < self.retention.log);
        let mut history = entry.map(history).unwrap_or_default();
        let fate = self.newest_fate(&history, context, writes);
        let fresh: Vec<&Seen> = seen.iter().filter(|seen| !seen.lingering).collect();
        let outbox_id = entry.and_then(|entry| entry.outbox_id.clone());
        let held = outbox_id
            .as_ref()
            .and_then(|id| self.throttle.open(id).cloned());
        let unchanged = || {
            let newest = history.first().map(|newest| &newest.told);
            !matches!(context.verdict(target, newest, &fresh), Verdict::Notify(_))
        };
        let stands = match fate {
            // What waits in a digest is told there, with what follows; what may not wait takes it out.
            Fate::Sending => held
                .as_ref()
                .is_none_or(|held| unchanged() || self.limited(key, &fresh, held)),
            Fate::Delivered => true,
            Fate::Pending => unchanged(),
            Fate::Dead => false,
        };
        let alerts = if stands {
            // Whether the ends that are under way arrive is open, and a newer message takes their place should they fail.
            let open = fate == Fate::Sending && held.is_none();
            if open && !unchanged() {
                seen.iter().collect()
            } else {
                fresh
            }
        } else {
            // What never arrived does not count: back to what was told before; ends it spoke of are told again.
            history.remove(0);
            while self.newest_fate(&history, context, writes) == Fate::Dead {
                history.remove(0);
            }
            seen.iter().collect()
        };
        if self.newest_fate(&history, context, writes) == Fate::Delivered
            && let Some(newest) = history.first_mut()
        {
            newest.outbox_id = None;
            history.truncate(1);
        }
        Standing {
            history,
            alerts,
            withdrawn: outbox_id.filter(|_| !stands && fate != Fate::Dead),
            held: held.filter(|_| stands),
            stands,
        }
    }

    pub(super) fn newest_fate(
        &self,
        history: &[Earlier],
        context: &Context<'_>,
        writes: &Writes,
    ) -> Fate {
        let Some(newest) = history.first() else {
            return Fate::Delivered;
        };
        self.fate(newest.outbox_id.as_ref(), newest.told.at, context, writes)
    }

    pub(super) fn fate(
        &self,
        outbox_id: Option<&Arc<str>>,
        at: Timestamp,
        context: &Context<'_>,
        writes: &Writes,
    ) -> Fate {
        let Some(id) = outbox_id else {
            return Fate::Delivered;
        };
        // What this very batch wrote, or what still gathers, is on its way.
        let written_now = || {
            writes
                .outbox
                .iter()
                .rev()
                .any(|row| row.notification.id == *id)
        };
        // A digest that became a message in this batch still gathered when fates were asked for.
        let closed_now = || writes.closed.contains(id);
        if self.throttle.open(id).is_some()
            || (at == context.now && written_now())
            || (!context.fates.contains_key(id) && closed_now())
        {
            return Fate::Sending;
        }
        context.fates.get(id).copied().unwrap_or(Fate::Delivered)
    }
}

/// An entry that nothing on its way can change any more.
pub(in super::super) fn settled(told: Told, route: &Route) -> LogEntry {
    LogEntry {
        expires_at: expiry(&told, route),
        outbox_id: None,
        previous: Vec::new(),
        told,
    }
}

fn expiry(told: &Told, route: &Route) -> Timestamp {
    told.at + route.repeat_interval.saturating_mul(2)
}

/// What an entry says, and what was said before, newest first.
fn history(entry: &LogEntry) -> Vec<Earlier> {
    let newest = Earlier {
        told: entry.told.clone(),
        outbox_id: entry.outbox_id.clone(),
    };
    let mut history = vec![newest];
    history.extend(entry.previous.iter().cloned());
    history
}

pub(super) fn from_history(history: Vec<Earlier>, route: &Route) -> Option<LogEntry> {
    let mut history = history.into_iter();
    let newest = history.next()?;
    Some(LogEntry {
        expires_at: expiry(&newest.told, route),
        outbox_id: newest.outbox_id,
        previous: history.collect(),
        told: newest.told,
    })
}
