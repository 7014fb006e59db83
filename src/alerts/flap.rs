//! Flapping: an alert whose state changes so often that its changes say nothing any more.
//!
//! ```text
//!           `changes` of its state within `window`
//! steady ───────────────────────────────────────────▶ flapping: held as firing, said once
//!   ▲                                                    │
//!   └──────────── no change for `calm` ◀─────────────────┘   its state is the true one again, said once
//! ```
//!
//! A change is a beginning after an end, or an end; the first beginning is none. With the defaults an alert is held when it
//! begins for the third time within a quarter of an hour, and let go when it stood still for ten minutes: slower than it
//! was caught, so that it is not caught and let go in turn. While it is held, the alert that groups, inhibition and
//! APIs see fires since the beginning that people know, and the annotation [`ANNOTATION`] says so. That a receiver knows it
//! to flap is part of what it was told (`flagged`), so that deduplication makes of each turn exactly one message.
//!
//! Alerts that are held survive a restart; the changes of the others are counted anew after it.
//!
//! ```yaml
//! flapping:                        # in outrigger.yml
//!   enabled: true
//!   exempt_severity: critical      # regular expression; "" exempts nothing
//!   changes: 4
//!   window: 15m
//!   calm: 10m
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use super::throttle::config::{SEVERITY, default_exempt, normal, read_exempt};
use super::writes::Writes;
use crate::db::storms::FlapRow;
use crate::document::fields::Fields;
use crate::model::alert::Alert;
use crate::model::duration;
use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::model::timestamp::Timestamp;

/// The annotation of an alert that flaps, or has just ceased to: what is to be said of it.
pub use crate::model::notification::FLAPPING as ANNOTATION;

/// The `flapping:` section.
#[derive(Clone, Debug, PartialEq)]
pub struct FlapConfig {
    /// Whether alerts are held at all.
    pub enabled: bool,
    /// Severities whose alerts are never held.
    pub exempt: Option<Matcher>,
    /// So many changes,
    pub changes: usize,
    /// within this time, are flapping.
    pub window: Duration,
    /// It is over after this time without a change.
    pub calm: Duration,
}

impl Default for FlapConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            exempt: default_exempt(),
            changes: 4,
            window: Duration::from_secs(15 * 60),
            calm: Duration::from_secs(10 * 60),
        }
    }
}

impl FlapConfig {
    /// No alert is held.
    pub fn disabled() -> Self {
        Self {
            enabled: false,
            ..Self::default()
        }
    }

    fn watches(&self, alert: &Alert) -> bool {
        let severity = normal(alert.labels.value(SEVERITY));
        let exempt = self.exempt.as_ref();
        self.enabled && !exempt.is_some_and(|exempt| exempt.matches(&severity))
    }
}

/// Reads the `flapping` key of `outrigger.yml`'s root; the defaults where it is absent.
pub fn read(root: &Fields<'_>) -> FlapConfig {
    let mut config = FlapConfig::default();
    let Some(fields) = root.get("flapping").and_then(|value| value.fields()) else {
        return config;
    };
    if let Some(enabled) = fields.bool("enabled") {
        config.enabled = enabled;
    }
    config.exempt = read_exempt(&fields, config.exempt);
    config.changes = fields
        .number_in("changes", 2..=1_000)
        .unwrap_or(config.changes);
    let time = |key: &'static str, default| fields.duration_above_zero(key).unwrap_or(default);
    config.window = time("window", config.window);
    config.calm = time("calm", config.calm);
    fields.finish();
    config
}

/// What an alert's fingerprint becomes in what was told while it flaps.
pub(super) fn flagged(fingerprint: u64) -> u64 {
    fingerprint ^ 0x666c_6170_7069_6e67
}

/// Whether all that is new among the firing alerts is that some began or ceased to flap. Both lists sorted.
pub(super) fn is_all_the_news(firing: &[u64], told: &[u64], flaps: impl Fn(u64) -> bool) -> bool {
    let is_told = |hash: u64| told.binary_search(&hash).is_ok();
    let mut news = firing.iter().filter(|hash| !is_told(**hash)).peekable();
    news.peek().is_some() && news.all(|hash| flaps(*hash) || is_told(flagged(*hash)))
}

#[derive(Debug, Default)]
struct Flap {
    /// The latest changes, as many as make it flap.
    changes: VecDeque<Timestamp>,
    held: Option<Held>,
    /// When it was let go, and after how many changes.
    ceased: Option<(Timestamp, u32)>,
}

#[derive(Debug)]
struct Held {
    /// The alert as its sender last told it.
    real: Arc<Alert>,
    assumed_end: bool,
    held_since: Timestamp,
    changes: u32,
    since: Timestamp,
    last_change: Timestamp,
}

/// An alert that is let go.
#[derive(Debug)]
pub(super) struct Released {
    pub(super) alert: Arc<Alert>,
    pub(super) assumed_end: bool,
}

/// The alerts whose state changed lately.
#[derive(Debug, Default)]
pub(super) struct Flaps {
    by_labels: HashMap<Labels, Flap>,
    /// When each one that is held is let go unless it changes again.
    held: BTreeSet<(Timestamp, Labels)>,
    /// What is not written yet.
    unwritten: HashMap<Labels, Option<FlapRow>>,
    /// Alerts that began to flap and are not counted yet.
    begun: u64,
}

impl Flaps {
    /// Holds the alerts that were held; returns them as they are to be seen.
    pub(super) fn restore(&mut self, rows: Vec<FlapRow>, config: &FlapConfig) -> Vec<Released> {
        let mut alerts = Vec::with_capacity(rows.len());
        for row in rows {
            let labels = row.alert.labels.clone();
            let real = Arc::new(row.alert);
            if !config.watches(&real) {
                self.unwritten.insert(labels, None);
                alerts.push(Released {
                    alert: real,
                    assumed_end: row.assumed_end,
                });
                continue;
            }
            let held = Held {
                real,
                assumed_end: row.assumed_end,
                held_since: row.held_since,
                changes: row.changes,
                since: row.since,
                last_change: row.last_change,
            };
            alerts.push(Released {
                alert: held.seen(config),
                assumed_end: held.assumed_end,
            });
            self.held
                .insert((held.last_change + config.calm, labels.clone()));
            let flap = Flap {
                held: Some(held),
                ..Flap::default()
            };
            self.by_labels.insert(labels, flap);
        }
        alerts
    }

    /// A held alert as its sender last told it, and whether its end is only assumed.
    pub(super) fn real(&self, labels: &Labels) -> Option<(&Arc<Alert>, bool)> {
        let held = self.by_labels.get(labels)?.held.as_ref()?;
        Some((&held.real, held.assumed_end))
    }

    /// How often a held alert changed.
    pub(super) fn held(&self, labels: &Labels) -> Option<u32> {
        if self.held.is_empty() {
            return None;
        }
        let held = self.by_labels.get(labels)?.held.as_ref()?;
        Some(held.changes)
    }

    /// Takes an alert's newest state beside the one before; returns the alert as it is to be seen.
    pub(super) fn observe(
        &mut self,
        config: &FlapConfig,
        previous: Option<&Alert>,
        alert: Arc<Alert>,
        assumed_end: bool,
        now: Timestamp,
    ) -> Arc<Alert> {
        let Some(previous) = previous.filter(|_| config.watches(&alert)) else {
            // It is let go at the next flush: as it is then.
            let flap = self.by_labels.get_mut(&alert.labels);
            if let Some(held) = flap.and_then(|flap| flap.held.as_mut()) {
                held.real = Arc::clone(&alert);
                held.assumed_end = assumed_end;
            }
            return alert;
        };
        let changes = changes_between(previous, &alert, now);
        if changes.is_empty() && !self.by_labels.contains_key(&alert.labels) {
            return alert;
        }
        let flap = self.by_labels.entry(alert.labels.clone()).or_default();
        for at in &changes {
            while flap.changes.len() >= config.changes {
                flap.changes.pop_front();
            }
            flap.changes.push_back(*at);
        }
        match &mut flap.held {
            Some(held) => {
                held.real = Arc::clone(&alert);
                held.assumed_end = assumed_end;
                if let Some(last) = changes.last() {
                    held.changes += u32::try_from(changes.len()).unwrap_or(u32::MAX);
                    let stable_at =
                        |held: &Held| (held.last_change + config.calm, alert.labels.clone());
                    self.held.remove(&stable_at(held));
                    held.last_change = held.last_change.max(*last);
                    self.held.insert(stable_at(held));
                    self.unwritten
                        .insert(alert.labels.clone(), Some(held.row()));
                }
            }
            held @ None => {
                let (Some(first), Some(last)) = (flap.changes.front(), flap.changes.back()) else {
                    return alert;
                };
                let is_caught = !changes.is_empty()
                    && flap.changes.len() >= config.changes
                    && *first + config.window >= now;
                if !is_caught {
                    let ceased = flap.ceased.filter(|(at, _)| *at + config.calm > now);
                    return match ceased {
                        Some((_, changes)) => with_words(&alert, &ceased_words(changes)),
                        None => alert,
                    };
                }
                let caught = Held {
                    held_since: previous.starts_at.min(alert.starts_at),
                    changes: u32::try_from(flap.changes.len()).unwrap_or(u32::MAX),
                    since: *first,
                    last_change: *last,
                    real: Arc::clone(&alert),
                    assumed_end,
                };
                self.held
                    .insert((caught.last_change + config.calm, alert.labels.clone()));
                self.unwritten
                    .insert(alert.labels.clone(), Some(caught.row()));
                self.begun += 1;
                *held = Some(caught);
                flap.ceased = None;
            }
        }
        match &flap.held {
            Some(held) => held.seen(config),
            None => alert,
        }
    }

    /// When something is to be written or an alert let go.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if !self.unwritten.is_empty() {
            return Some(Timestamp::MIN);
        }
        self.held.first().map(|(at, _)| *at)
    }

    /// Lets go the alerts that stood still for long enough, and hands over what is to be written.
    pub(super) fn release(
        &mut self,
        config: &FlapConfig,
        now: Timestamp,
        writes: &mut Writes,
    ) -> Vec<Released> {
        let mut released = Vec::new();
        while self.held.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, labels)) = self.held.pop_first() else {
                break;
            };
            let Some(flap) = self.by_labels.get_mut(&labels) else {
                continue;
            };
            let Some(mut held) = flap.held.take() else {
                continue;
            };
            // Its end came without a word: that was a change too.
            let end = held.real.ends_at;
            let stable_at = end + config.calm;
            if end > held.last_change && end <= now && stable_at > now && config.watches(&held.real)
            {
                held.changes += 1;
                held.last_change = end;
                self.unwritten.insert(labels.clone(), Some(held.row()));
                released.push(Released {
                    alert: held.seen(config),
                    assumed_end: held.assumed_end,
                });
                flap.held = Some(held);
                self.held.insert((stable_at, labels));
                continue;
            }
            flap.ceased = Some((now, held.changes));
            flap.changes.clear();
            self.unwritten.insert(labels, None);
            released.push(Released {
                alert: with_words(&held.real, &ceased_words(held.changes)),
                assumed_end: held.assumed_end,
            });
        }
        writes.flapping.extend(self.unwritten.drain());
        writes.flaps_begun += std::mem::take(&mut self.begun);
        released
    }

    /// Lets go at the next flush what other settings no longer hold.
    pub(super) fn reload(&mut self, config: &FlapConfig) {
        self.held.clear();
        for (labels, flap) in &mut self.by_labels {
            let Some(held) = &flap.held else {
                continue;
            };
            let at = if config.watches(&held.real) {
                held.last_change + config.calm
            } else {
                Timestamp::MIN
            };
            self.held.insert((at, labels.clone()));
        }
    }

    /// The alerts that are held, and how many changes each has seen since when.
    pub(super) fn snapshot(&self) -> Vec<FlapSnapshot> {
        let held = self.held.iter().filter_map(|(stable_at, labels)| {
            let held = self.by_labels.get(labels)?.held.as_ref()?;
            Some(FlapSnapshot {
                labels: labels.clone(),
                changes: held.changes,
                since: held.since,
                stable_at: *stable_at,
                ends_at: held.real.ends_at,
            })
        });
        held.collect()
    }

    /// How many are held.
    pub(super) fn count(&self) -> usize {
        self.held.len()
    }

    /// Forgets changes that are too old to count.
    pub(super) fn sweep(&mut self, config: &FlapConfig, now: Timestamp) {
        let kept = config.window.max(config.calm);
        self.by_labels.retain(|_, flap| {
            let changed = flap.changes.back().is_some_and(|at| *at + kept > now);
            let ceased = flap.ceased.is_some_and(|(at, _)| at + kept > now);
            flap.held.is_some() || changed || ceased
        });
    }

    /// The wall clock stepped back by this much.
    pub(super) fn clock_stepped_back(&mut self, by: Duration, config: &FlapConfig) {
        for flap in self.by_labels.values_mut() {
            for at in &mut flap.changes {
                *at = *at - by;
            }
            if let Some((at, _)) = &mut flap.ceased {
                *at = *at - by;
            }
            if let Some(held) = &mut flap.held {
                let real = Arc::make_mut(&mut held.real);
                for at in [
                    &mut real.starts_at,
                    &mut real.ends_at,
                    &mut real.updated_at,
                    &mut held.held_since,
                    &mut held.since,
                    &mut held.last_change,
                ] {
                    *at = *at - by;
                }
            }
        }
        self.reload(config);
    }
}

/// An alert that is held, as pages and APIs show it.
#[derive(Clone, Debug, PartialEq)]
pub struct FlapSnapshot {
    /// Its labels.
    pub labels: Labels,
    /// How often it changed.
    pub changes: u32,
    /// Since when.
    pub since: Timestamp,
    /// When it is let go unless it changes again.
    pub stable_at: Timestamp,
    /// The end that its sender told.
    pub ends_at: Timestamp,
}

impl Held {
    /// The alert as everybody sees it while it is held.
    fn seen(&self, config: &FlapConfig) -> Arc<Alert> {
        let lasted = Duration::from_secs(self.last_change.since(self.since).as_secs());
        let words = format!(
            "is flapping: {} changes in {}, held as firing",
            self.changes,
            duration::format(lasted)
        );
        let mut alert = Alert::clone(&with_words(&self.real, &words));
        alert.starts_at = self.held_since;
        alert.ends_at = alert.ends_at.max(self.last_change + config.calm);
        Arc::new(alert)
    }

    fn row(&self) -> FlapRow {
        FlapRow {
            alert: Alert::clone(&self.real),
            assumed_end: self.assumed_end,
            held_since: self.held_since,
            changes: self.changes,
            since: self.since,
            last_change: self.last_change,
        }
    }
}

fn ceased_words(changes: u32) -> String {
    format!("no longer flapping: stable after {changes} changes")
}

fn with_words(alert: &Alert, words: &str) -> Arc<Alert> {
    let mut alert = alert.clone();
    alert.annotations = alert.annotations.with(ANNOTATION, words);
    Arc::new(alert)
}

/// When the state changed from one to the other. An alert that was sent while it fired may have ended by its time alone.
fn changes_between(previous: &Alert, alert: &Alert, now: Timestamp) -> Vec<Timestamp> {
    // Somebody edits rules: the end is none of the alert's own, nor is the beginning after it.
    if previous.course.withdrawn || alert.course.withdrawn {
        return Vec::new();
    }
    let fired = !previous.is_resolved(previous.updated_at);
    let fires = !alert.is_resolved(now);
    match (fired, fires) {
        (true, true) if previous.is_resolved(now) => vec![previous.ends_at, now],
        (true, false) | (false, true) => vec![now],
        (true, true) | (false, false) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
