//! Silences: who may not be disturbed about what, and until when (`alertmanager/silence`).
//!
//! ```text
//!   set ──▶ pending ──(starts_at)──▶ active ──(ends_at, expire)──▶ expired ──(retention)──▶ forgotten
//! ```
//!
//! A change is decided first (`Silences::set`, `Silences::expire`: rows to write, nothing changed yet), then written by
//! the caller, then taken over (`Silences::apply`): what was acknowledged is on the disk.
//!
//! Each silence that is not over stands in an index under one of its matchers that accepts a finite set of values, so
//! that asking about an alert looks at the silences of its own label values, and at those that have no such matcher.

pub mod guard;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use self::guard::TooBroad;
use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::model::notification::Decision;
use crate::model::silence::{RECURRING, Silence, SilenceState};
use crate::model::timestamp::Timestamp;

/// How long a silence is shown after its end, as Alertmanager's `--data.retention`.
pub const RETENTION: Duration = Duration::from_secs(120 * 3600);

/// A silence as somebody asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct SilenceRequest {
    /// The silence to change; a new one where absent.
    pub id: Option<String>,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// From when on; `None` is at once.
    pub starts_at: Option<Timestamp>,
    /// Until when.
    pub ends_at: Timestamp,
    /// Who asks.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// What else tools note.
    pub annotations: BTreeMap<String, String>,
}

/// Why a silence is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// No silence has this id.
    #[error("silence not found")]
    NotFound,
    /// It ends before it begins.
    #[error("failed to create silence: start time must be before end time")]
    EndsFirst,
    /// It is over already.
    #[error("failed to create silence: end time can't be in the past")]
    Past,
    /// It matches nothing in particular.
    #[error("invalid silence: {0}")]
    Invalid(&'static str),
    /// It matches more than can be meant.
    #[error("failed to create silence: {0}")]
    TooBroad(#[from] TooBroad),
}

/// A change that is decided and not yet written.
#[derive(Clone, Debug, PartialEq)]
pub struct SilenceChange {
    /// The silence asked for.
    pub id: Arc<str>,
    /// Rows to write, one a silence.
    pub rows: Vec<Silence>,
}

/// All silences.
#[derive(Debug, Default)]
pub(super) struct Silences {
    by_id: HashMap<Arc<str>, Arc<Silence>>,
    // Every silence that is not over is either below one name and some values of it, or in `anywhere`.
    by_value: HashMap<String, HashMap<String, BTreeSet<Arc<str>>>>,
    anywhere: BTreeSet<Arc<str>>,
    /// Those until resolved that are not over.
    until_resolved: BTreeSet<Arc<str>>,
}

impl Silences {
    /// From what the database holds.
    pub(super) fn restore(stored: Vec<Silence>) -> Self {
        let mut silences = Self::default();
        silences.apply(stored);
        silences
    }

    /// Decides on a new or changed silence. Other matchers or another beginning than the one of an active silence make a
    /// new silence, and the old one expires (`Silences.Set`). `new_id` is the id it then has.
    pub(super) fn set(
        &self,
        request: SilenceRequest,
        new_id: &str,
        now: Timestamp,
    ) -> Result<SilenceChange, SilenceError> {
        let starts_at = request.starts_at.unwrap_or(now);
        if starts_at >= request.ends_at {
            return Err(SilenceError::EndsFirst);
        }
        if request.ends_at < now {
            return Err(SilenceError::Past);
        }
        validate(&request.matchers)?;
        let previous = match &request.id {
            Some(id) => Some(self.by_id.get(id.as_str()).ok_or(SilenceError::NotFound)?),
            None => None,
        };
        let mut silence = Silence {
            id: new_id.into(),
            matchers: request.matchers,
            starts_at,
            ends_at: request.ends_at,
            updated_at: now,
            created_by: request.created_by,
            comment: request.comment,
            annotations: request.annotations,
        };
        if let Some(previous) = previous
            && can_update(previous, &silence, now)
        {
            silence.id = Arc::clone(&previous.id);
            // Whole seconds decide whether the beginning is the same; the exact one stays.
            if previous.state(now) == SilenceState::Active {
                silence.starts_at = previous.starts_at;
            }
            return Ok(SilenceChange {
                id: Arc::clone(&silence.id),
                rows: vec![silence],
            });
        }
        let mut rows = Vec::with_capacity(2);
        if let Some(previous) = previous
            && let Some(expired) = expired(previous, now)
        {
            rows.push(expired);
        }
        silence.starts_at = silence.starts_at.max(now);
        let id = Arc::clone(&silence.id);
        rows.push(silence);
        Ok(SilenceChange { id, rows })
    }

    /// Decides on the end of a silence; one that is over already stays as it is.
    pub(super) fn expire(&self, id: &str, now: Timestamp) -> Result<SilenceChange, SilenceError> {
        let silence = self.by_id.get(id).ok_or(SilenceError::NotFound)?;
        Ok(SilenceChange {
            id: Arc::clone(&silence.id),
            rows: expired(silence, now).into_iter().collect(),
        })
    }

    /// Takes over what was written.
    pub(super) fn apply(&mut self, rows: Vec<Silence>) {
        for silence in rows {
            if let Some(old) = self.by_id.remove(&silence.id) {
                self.forget(&old);
            }
            let silence = Arc::new(silence);
            self.index(&silence);
            self.by_id.insert(Arc::clone(&silence.id), silence);
        }
    }

    /// The ids of the active silences that match, sorted.
    pub(super) fn silenced_by(&self, labels: &Labels, now: Timestamp) -> Vec<Arc<str>> {
        let mut ids: Vec<Arc<str>> = self
            .candidates(labels)
            .filter(|id| self.holds(id, labels, now))
            .map(Arc::clone)
            .collect();
        ids.sort_unstable();
        ids
    }

    /// That an alert is silenced, by the first of [`Silences::silenced_by`].
    pub(super) fn decision(&self, labels: &Labels, now: Timestamp) -> Option<Decision> {
        let ids = self.candidates(labels);
        let silence = ids.filter(|id| self.holds(id, labels, now)).min()?;
        Some(Decision::Silenced {
            silence: silence.to_string(),
        })
    }

    fn candidates<'s, 'l>(
        &'s self,
        labels: &'l Labels,
    ) -> impl Iterator<Item = &'s Arc<str>> + use<'s, 'l> {
        let by_value = self
            .by_value
            .iter()
            .filter_map(move |(name, values)| values.get(labels.value(name)))
            .flatten();
        by_value.chain(&self.anywhere)
    }

    fn holds(&self, id: &Arc<str>, labels: &Labels, now: Timestamp) -> bool {
        self.by_id.get(id).is_some_and(|silence| {
            silence.state(now) == SilenceState::Active && silence.matches(labels)
        })
    }

    /// All silences, in no order.
    pub(super) fn all(&self) -> Vec<Arc<Silence>> {
        self.by_id.values().cloned().collect()
    }

    /// One silence.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Silence>> {
        self.by_id.get(id).cloned()
    }

    /// Those that end when nothing fires any more that they match; some may be over.
    pub(super) fn until_resolved(&self) -> impl Iterator<Item = &Arc<Silence>> {
        let ids = self.until_resolved.iter();
        ids.filter_map(|id| self.by_id.get(id))
    }

    /// Those not over that a recurring silence made.
    pub(super) fn of_recurring(&self, id: &str, now: Timestamp) -> Vec<Arc<Silence>> {
        let mut made: Vec<_> = self.by_id.values().cloned().collect();
        made.retain(|silence| {
            silence.state(now) != SilenceState::Expired
                && silence
                    .annotations
                    .get(RECURRING)
                    .is_some_and(|by| by == id)
        });
        made
    }

    /// Takes what is over out of the index, and forgets what ended before `before`.
    pub(super) fn sweep(&mut self, before: Timestamp, now: Timestamp) {
        let over: Vec<_> = self
            .by_id
            .values()
            .filter(|silence| silence.state(now) == SilenceState::Expired)
            .cloned()
            .collect();
        for silence in over {
            self.forget(&silence);
            if silence.ends_at < before {
                self.by_id.remove(&silence.id);
            }
        }
    }

    /// How many there are in each state.
    pub(super) fn counts(&self, now: Timestamp) -> [(SilenceState, usize); 3] {
        SilenceState::ALL.map(|state| {
            let of_it = self
                .by_id
                .values()
                .filter(|silence| silence.state(now) == state);
            (state, of_it.count())
        })
    }

    fn index(&mut self, silence: &Silence) {
        if silence.is_until_resolved() {
            self.until_resolved.insert(Arc::clone(&silence.id));
        }
        match anchor(silence) {
            Some((name, values)) => {
                let below = self.by_value.entry(name.to_owned()).or_default();
                for value in values {
                    below
                        .entry(value.to_owned())
                        .or_default()
                        .insert(Arc::clone(&silence.id));
                }
            }
            None => drop(self.anywhere.insert(Arc::clone(&silence.id))),
        }
    }

    fn forget(&mut self, silence: &Silence) {
        self.until_resolved.remove(&silence.id);
        let Some((name, values)) = anchor(silence) else {
            self.anywhere.remove(&silence.id);
            return;
        };
        let Some(below) = self.by_value.get_mut(name) else {
            return;
        };
        for value in values {
            if let Some(ids) = below.get_mut(value) {
                ids.remove(&silence.id);
                if ids.is_empty() {
                    below.remove(value);
                }
            }
        }
        if below.is_empty() {
            self.by_value.remove(name);
        }
    }
}

/// The matcher a silence is found by: of those that accept a finite set of values the one with the fewest; of these one
/// that is not on the name of the alert, which many share.
fn anchor(silence: &Silence) -> Option<(&str, Vec<&str>)> {
    silence
        .matchers
        .iter()
        .filter_map(|matcher| Some((matcher.name(), matcher.accepted_values()?)))
        .min_by_key(|(name, values)| (values.len(), *name == crate::model::labels::ALERT_NAME))
}

fn expired(silence: &Silence, now: Timestamp) -> Option<Silence> {
    let mut silence = silence.clone();
    match silence.state(now) {
        SilenceState::Expired => return None,
        SilenceState::Active => {}
        SilenceState::Pending => silence.starts_at = now,
    }
    silence.ends_at = now;
    silence.updated_at = now;
    Some(silence)
}

/// Whether a silence becomes another one where it stands.
fn can_update(old: &Silence, new: &Silence, now: Timestamp) -> bool {
    let second = |time: Timestamp| time.millis().div_euclid(1000);
    old.matchers == new.matchers
        && match old.state(now) {
            SilenceState::Active => {
                second(old.starts_at) == second(new.starts_at) && new.ends_at >= now
            }
            SilenceState::Pending => new.starts_at >= now,
            SilenceState::Expired => false,
        }
}

pub(super) fn validate(matchers: &[Matcher]) -> Result<(), SilenceError> {
    if matchers.is_empty() {
        return Err(SilenceError::Invalid("at least one matcher required"));
    }
    if matchers.iter().any(|matcher| matcher.name().is_empty()) {
        return Err(SilenceError::Invalid("a matcher needs a label name"));
    }
    if matchers.iter().all(Matcher::matches_empty) {
        return Err(SilenceError::Invalid(
            "at least one matcher must not match the empty string",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
