//! Storms: so many alerts of a receiver begin at once that a message for each group would bury the first of them.
//!
//! ```text
//!            `alerts` of them begin within `window`
//! calm ─────────────────────────────────────────────▶ storm: messages are gathered, one summary every `interval`
//!   ▲                                                    │
//!   └──── fewer than half as many begin within `calm` ◀──┘   or an operator, or a reload, ends it: "over"
//! ```
//!
//! What is gathered is a digest, with its state and its durability ([`super::throttle`]); here is only when. Alerts count
//! when their receiver is first to be told of them, so that what is silenced, inhibited, muted or known already starts no
//! storm. Exempt severities, by default critical, neither count nor wait.
//!
//! A storm survives a restart, and lasts at least `calm` from then on; the count of a storm that has not begun starts anew.
//!
//! ```yaml
//! storm:                           # in outrigger.yml
//!   enabled: true
//!   exempt_severity: critical      # regular expression; "" exempts nothing
//!   alerts: 250
//!   window: 2m
//!   interval: 5m
//!   calm: 10m
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use super::throttle::config::{default_exempt, normal, read_exempt};
use super::writes::{Writes, digest_of};
use crate::db::storms::StormRow;
use crate::document::fields::Fields;
use crate::model::matcher::Matcher;
use crate::model::notification::{StormNews, StormStage};
use crate::model::timestamp::Timestamp;

/// Between the beginning and the first summary, so that it tells of more than the alert that made the number full.
const FIRST_SUMMARY: Duration = Duration::from_secs(10);
/// Names that are told apart; alerts of further ones count as of no new kind.
const MAX_KINDS: usize = 1_000;

/// The `storm:` section.
#[derive(Clone, Debug, PartialEq)]
pub struct StormConfig {
    /// Whether there are storms at all.
    pub enabled: bool,
    /// Severities that neither count nor wait.
    pub exempt: Option<Matcher>,
    /// So many alerts,
    pub alerts: usize,
    /// within this time, begin one.
    pub window: Duration,
    /// Time between two summaries.
    pub interval: Duration,
    /// It is over when fewer than half of `alerts` began within this time.
    pub calm: Duration,
}

impl Default for StormConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            exempt: default_exempt(),
            alerts: 250,
            window: Duration::from_secs(120),
            interval: Duration::from_secs(300),
            calm: Duration::from_secs(600),
        }
    }
}

impl StormConfig {
    /// No storms.
    pub fn disabled() -> Self {
        Self {
            enabled: false,
            ..Self::default()
        }
    }

    /// Whether an alert, or a message, of this severity is told at once in a storm too.
    pub fn exempts(&self, severity: &str) -> bool {
        let exempt = self.exempt.as_ref();
        !self.enabled || exempt.is_some_and(|exempt| exempt.matches(&normal(severity)))
    }
}

/// Reads the `storm` key of `outrigger.yml`'s root; the defaults where it is absent.
pub fn read(root: &Fields<'_>) -> StormConfig {
    let mut config = StormConfig::default();
    let Some(fields) = root.get("storm").and_then(|value| value.fields()) else {
        return config;
    };
    if let Some(enabled) = fields.bool("enabled") {
        config.enabled = enabled;
    }
    config.exempt = read_exempt(&fields, config.exempt);
    config.alerts = fields
        .number_in("alerts", 2..=100_000)
        .unwrap_or(config.alerts);
    let time = |key: &'static str, default| fields.duration_above_zero(key).unwrap_or(default);
    config.window = time("window", config.window);
    config.interval = time("interval", config.interval);
    config.calm = time("calm", config.calm);
    fields.finish();
    config
}

/// A storm that lasts.
#[derive(Clone, Debug, PartialEq)]
struct Storm {
    id: Arc<str>,
    since: Timestamp,
    alerts: u64,
    kinds: BTreeSet<String>,
    summaries: u32,
    next_summary: Timestamp,
    over_at: Timestamp,
}

/// A storm as pages and APIs show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StormSnapshot {
    /// The receiver.
    pub receiver: Arc<str>,
    /// What is said of it.
    pub news: StormNews,
    /// Summaries so far.
    pub summaries: u32,
    /// When the next one may come.
    pub next_summary: Timestamp,
    /// When it is over unless more begin.
    pub over_at: Timestamp,
}

/// A message that a storm is due to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) receiver: Arc<str>,
    pub(super) id: Arc<str>,
    pub(super) news: StormNews,
    /// Whether every integration is told, rather than those that something waits for.
    pub(super) to_all: bool,
}

/// The storms, and what may become one.
#[derive(Debug, Default)]
pub(super) struct Storms {
    /// When the latest alerts of a receiver began, at most `alerts` of them, and their names.
    latest: HashMap<Arc<str>, VecDeque<(Timestamp, Box<str>)>>,
    storms: BTreeMap<Arc<str>, Storm>,
}

impl Storms {
    /// Continues the storms that were stored.
    pub(super) fn restore(rows: Vec<StormRow>, config: &StormConfig, now: Timestamp) -> Self {
        let storm = |row: StormRow| {
            let storm = Storm {
                id: row.id,
                since: row.since,
                alerts: row.alerts,
                kinds: row.kinds,
                summaries: row.summaries,
                next_summary: row.next_summary,
                over_at: if config.enabled {
                    now + config.calm
                } else {
                    now
                },
            };
            (row.receiver, storm)
        };
        Self {
            latest: HashMap::new(),
            storms: rows.into_iter().map(storm).collect(),
        }
    }

    /// Alerts that a receiver is first to be told of, by name; returns whether a storm begins with them.
    pub(super) fn begun<'a>(
        &mut self,
        config: &StormConfig,
        receiver: &Arc<str>,
        names: impl Iterator<Item = &'a str>,
        now: Timestamp,
        writes: &mut Writes,
    ) -> bool {
        if !config.enabled {
            return false;
        }
        let (mut counted, mut begins) = (false, false);
        let latest = self.latest.entry(Arc::clone(receiver)).or_default();
        for name in names {
            counted = true;
            while latest.len() >= config.alerts {
                latest.pop_front();
            }
            latest.push_back((now, name.into()));
            if let Some(storm) = self.storms.get_mut(receiver) {
                storm.alerts += 1;
                if storm.kinds.len() < MAX_KINDS {
                    storm.kinds.insert(name.to_owned());
                }
                continue;
            }
            let first = latest.front().map_or(now, |(at, _)| *at);
            if latest.len() < config.alerts || first + config.window < now {
                continue;
            }
            begins = true;
            writes.storms_begun.push(Arc::clone(receiver));
            let storm = Storm {
                id: digest_of(&[b"storm", receiver.as_bytes(), &now.millis().to_le_bytes()]),
                since: first,
                alerts: u64::try_from(latest.len()).unwrap_or(u64::MAX),
                kinds: latest.iter().map(|(_, name)| name.to_string()).collect(),
                summaries: 0,
                next_summary: now + config.interval.min(FIRST_SUMMARY),
                over_at: now + config.calm,
            };
            self.storms.insert(Arc::clone(receiver), storm);
        }
        if let Some(storm) = self.storms.get_mut(receiver).filter(|_| counted) {
            let half = config.alerts.div_ceil(2);
            if let Some(place) = latest.len().checked_sub(half) {
                storm.over_at = storm.over_at.max(latest[place].0 + config.calm);
            }
            writes
                .storms
                .insert(Arc::clone(receiver), Some(storm.row(receiver)));
        }
        begins
    }

    /// Whether messages of this receiver and severity are gathered.
    pub(super) fn holds(&self, config: &StormConfig, receiver: &str, severity: &str) -> bool {
        !config.exempts(severity) && self.storms.contains_key(receiver)
    }

    /// Something is gathered again: what follows at the same instant belongs to the same summary.
    pub(super) fn gathers_anew(&mut self, config: &StormConfig, receiver: &str, now: Timestamp) {
        if let Some(storm) = self.storms.get_mut(receiver) {
            let wait = config.interval.min(FIRST_SUMMARY);
            storm.next_summary = storm.next_summary.max(now + wait);
        }
    }

    /// Whether a receiver is in a storm.
    pub(super) fn lasts(&self, receiver: &str) -> bool {
        self.storms.contains_key(receiver)
    }

    /// When a message is due; `waits` tells whether something is gathered for a receiver.
    pub(super) fn next_due(&self, waits: impl Fn(&str) -> bool) -> Option<Timestamp> {
        let due = |(receiver, storm): (&Arc<str>, &Storm)| {
            if waits(receiver) {
                storm.over_at.min(storm.next_summary)
            } else {
                storm.over_at
            }
        };
        self.storms.iter().map(due).min()
    }

    /// The messages that are due. A storm whose last one is among them is over.
    pub(super) fn take_due(
        &mut self,
        config: &StormConfig,
        now: Timestamp,
        waits: impl Fn(&str) -> bool,
        writes: &mut Writes,
    ) -> Vec<Due> {
        let mut due = Vec::new();
        self.storms.retain(|receiver, storm| {
            let is_over = !config.enabled || storm.over_at <= now;
            if !is_over && (storm.next_summary > now || !waits(receiver)) {
                return true;
            }
            let stage = match (is_over, storm.summaries) {
                (true, _) => StormStage::Over,
                (false, 0) => StormStage::Began,
                (false, _) => StormStage::GoesOn,
            };
            due.push(Due {
                receiver: Arc::clone(receiver),
                id: Arc::clone(&storm.id),
                news: storm.news(stage),
                to_all: is_over && storm.summaries > 0,
            });
            storm.summaries += 1;
            storm.next_summary = now + config.interval;
            let row = (!is_over).then(|| storm.row(receiver));
            writes.storms.insert(Arc::clone(receiver), row);
            !is_over
        });
        for over in due.iter().filter(|due| due.news.stage == StormStage::Over) {
            // What began before does not begin the next one.
            self.latest.remove(&over.receiver);
        }
        due
    }

    /// Ends a receiver's storm at the next flush; returns whether there is one.
    pub(super) fn end(&mut self, receiver: &str, now: Timestamp) -> bool {
        let storm = self.storms.get_mut(receiver);
        storm.map(|storm| storm.over_at = now).is_some()
    }

    /// Ends the storms of receivers that are gone, or all of them where there are to be none.
    pub(super) fn reload(
        &mut self,
        config: &StormConfig,
        is_there: impl Fn(&str) -> bool,
        now: Timestamp,
    ) {
        self.latest.retain(|receiver, _| is_there(receiver));
        for (receiver, storm) in &mut self.storms {
            if !config.enabled || !is_there(receiver) {
                storm.over_at = now;
            }
        }
    }

    /// The storms now, by receiver.
    pub(super) fn snapshot(&self) -> Vec<StormSnapshot> {
        let shown = |(receiver, storm): (&Arc<str>, &Storm)| StormSnapshot {
            receiver: Arc::clone(receiver),
            news: storm.news(if storm.summaries == 0 {
                StormStage::Began
            } else {
                StormStage::GoesOn
            }),
            summaries: storm.summaries,
            next_summary: storm.next_summary,
            over_at: storm.over_at,
        };
        self.storms.iter().map(shown).collect()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.storms.len()
    }

    /// Forgets beginnings that are too old to count.
    pub(super) fn sweep(&mut self, config: &StormConfig, now: Timestamp) {
        let kept = config.window.max(config.calm);
        self.latest
            .retain(|_, latest| latest.back().is_some_and(|(at, _)| *at + kept > now));
    }

    /// The wall clock stepped back by this much.
    pub(super) fn clock_stepped_back(&mut self, by: Duration) {
        for (at, _) in self.latest.values_mut().flatten() {
            *at = *at - by;
        }
        for storm in self.storms.values_mut() {
            storm.since = storm.since - by;
            storm.next_summary = storm.next_summary - by;
            storm.over_at = storm.over_at - by;
        }
    }
}

impl Storm {
    fn news(&self, stage: StormStage) -> StormNews {
        StormNews {
            stage,
            since: self.since,
            alerts: self.alerts,
            kinds: u64::try_from(self.kinds.len()).unwrap_or(u64::MAX),
        }
    }

    fn row(&self, receiver: &Arc<str>) -> StormRow {
        StormRow {
            receiver: Arc::clone(receiver),
            id: Arc::clone(&self.id),
            since: self.since,
            alerts: self.alerts,
            kinds: self.kinds.clone(),
            summaries: self.summaries,
            next_summary: self.next_summary,
        }
    }
}

#[cfg(test)]
mod tests;
