//! Recurring silences: each time their schedule begins to hold an ordinary silence is made, which ends with it.
//!
//! The silence's id follows from the recurring silence and the beginning of the span, so a restart makes no second one,
//! and one that somebody expired early stays expired until the next time.

use std::sync::Arc;

use hashbrown::HashMap;

use super::interval::schedule::{Schedule, Span};
use super::silence::guard::TooBroad;
use super::writes::digest_of;
use crate::model::matcher::Matcher;
use crate::model::recurring_silence::RecurringSilence;
use crate::model::silence::{RECURRING, Silence};
use crate::model::timestamp::Timestamp;

/// The most recurring silences.
const MOST: usize = 1_000;
/// When one is looked at again whose schedule does not hold for years.
const MUCH_LATER: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 3600);

/// A recurring silence as somebody asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecurringRequest {
    /// The one to change; a new one where absent.
    pub id: Option<String>,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// When it is active: a JSON list in the form of `time_intervals`.
    pub schedule: String,
    /// From when on it may be active.
    pub starts_at: Option<Timestamp>,
    /// Until when it may be active.
    pub ends_at: Option<Timestamp>,
    /// Who asks.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// Whether it may be as broad as it likes.
    pub force: bool,
}

/// Why a recurring silence is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecurringError {
    /// None has this id.
    #[error("recurring silence not found")]
    NotFound,
    /// Its schedule cannot be read.
    #[error("invalid schedule: {0}")]
    Schedule(String),
    /// Its matchers are no good.
    #[error("invalid silence: {0}")]
    Matchers(&'static str),
    /// It is too broad.
    #[error("the silence is too broad: {0}")]
    TooBroad(#[from] TooBroad),
    /// It ends before it begins.
    #[error("endsAt is not after startsAt")]
    EndsFirst,
    /// It is not said who.
    #[error("a recurring silence needs createdBy: say who asks for it")]
    NoAuthor,
    /// There are too many.
    #[error("there are {MOST} recurring silences already; remove some")]
    TooMany,
}

/// A recurring silence as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct RecurringShown {
    /// The recurring silence.
    pub recurring: Arc<RecurringSilence>,
    /// The silence that is active because of it.
    pub active: Option<Arc<str>>,
    /// When it is active next, this time included.
    pub upcoming: Vec<Span>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Recurrings {
    by_id: HashMap<Arc<str>, Recurring>,
}

#[derive(Debug)]
struct Recurring {
    stored: Arc<RecurringSilence>,
    schedule: Schedule,
    /// When it begins or ends to hold next, or was not looked at yet.
    next: Timestamp,
}

impl Recurrings {
    /// From what the database holds.
    pub(super) fn restore(stored: Vec<RecurringSilence>) -> Self {
        let mut recurrings = Self::default();
        for recurring in stored {
            match Schedule::parse(&recurring.schedule) {
                Ok(schedule) => recurrings.apply(recurring, schedule),
                // It could be read when it was written.
                Err(error) => tracing::error!(
                    recurring_silence.id = %recurring.id,
                    error,
                    "stored schedule is not readable, going on without its silence"
                ),
            }
        }
        recurrings
    }

    /// Decides on a new or changed one; nothing has changed yet. `new_id` is the id of a new one.
    pub(super) fn set(
        &self,
        request: RecurringRequest,
        new_id: &str,
        now: Timestamp,
    ) -> Result<(RecurringSilence, Schedule), RecurringError> {
        let id: Arc<str> = match &request.id {
            Some(id) => {
                let known = self.by_id.get(id.as_str());
                Arc::clone(&known.ok_or(RecurringError::NotFound)?.stored.id)
            }
            None if self.by_id.len() >= MOST => return Err(RecurringError::TooMany),
            None => new_id.into(),
        };
        let schedule = Schedule::parse(&request.schedule).map_err(RecurringError::Schedule)?;
        if request.created_by.trim().is_empty() {
            return Err(RecurringError::NoAuthor);
        }
        let starts_at = request.starts_at.unwrap_or(now);
        if request.ends_at.is_some_and(|ends_at| ends_at <= starts_at) {
            return Err(RecurringError::EndsFirst);
        }
        let recurring = RecurringSilence {
            id,
            matchers: request.matchers,
            schedule: request.schedule,
            starts_at: request.starts_at,
            ends_at: request.ends_at,
            updated_at: now,
            created_by: request.created_by.trim().to_owned(),
            comment: request.comment,
        };
        Ok((recurring, schedule))
    }

    /// Takes over what was written.
    pub(super) fn apply(&mut self, recurring: RecurringSilence, schedule: Schedule) {
        let stored = Arc::new(recurring);
        let recurring = Recurring {
            stored: Arc::clone(&stored),
            schedule,
            next: Timestamp::MIN,
        };
        self.by_id.insert(Arc::clone(&stored.id), recurring);
    }

    /// Forgets one.
    pub(super) fn remove(&mut self, id: &str) {
        self.by_id.remove(id);
    }

    /// Whether there is one of this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// When one has to be looked at.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.by_id.values().map(|recurring| recurring.next).min()
    }

    /// The silences that begin now.
    pub(super) fn begin(&mut self, now: Timestamp) -> Vec<Silence> {
        let mut begun = Vec::new();
        for recurring in self.by_id.values_mut() {
            if recurring.next > now {
                continue;
            }
            let upcoming = recurring.upcoming(now, 1).first().copied();
            recurring.next = match upcoming {
                Some((start, end)) if start <= now => {
                    begun.push(recurring.occurrence(start, end, now));
                    end
                }
                Some((start, _)) => start,
                None => now + MUCH_LATER,
            };
        }
        begun.sort_by(|a, b| a.id.cmp(&b.id));
        begun
    }

    /// The wall clock stepped back: what is next is looked for anew.
    pub(super) fn clock_stepped_back(&mut self) {
        for recurring in self.by_id.values_mut() {
            recurring.next = Timestamp::MIN;
        }
    }

    /// All of them with their next times, by their comment.
    pub(super) fn shown(
        &self,
        now: Timestamp,
        active: impl Fn(&str) -> Option<Arc<str>>,
    ) -> Vec<RecurringShown> {
        let mut shown: Vec<RecurringShown> = self
            .by_id
            .values()
            .map(|recurring| RecurringShown {
                recurring: Arc::clone(&recurring.stored),
                active: active(&recurring.stored.id),
                upcoming: recurring.upcoming(now, 3),
            })
            .collect();
        shown.sort_by(|a, b| {
            let key = |shown: &RecurringShown| Arc::clone(&shown.recurring);
            let (a, b) = (key(a), key(b));
            (&a.comment, &a.id).cmp(&(&b.comment, &b.id))
        });
        shown
    }
}

impl Recurring {
    /// The next spans within its validity.
    fn upcoming(&self, now: Timestamp, count: usize) -> Vec<Span> {
        let from = self.stored.starts_at.unwrap_or(Timestamp::MIN);
        let until = self.stored.ends_at.unwrap_or(Timestamp::MAX);
        let spans = self.schedule.upcoming(now.max(from), count);
        let cut = |(start, end): Span| (start.max(from), end.min(until));
        let valid = |(start, end): &Span| start < end && *end > now;
        spans.into_iter().map(cut).filter(valid).collect()
    }

    fn occurrence(&self, start: Timestamp, end: Timestamp, now: Timestamp) -> Silence {
        let stored = &self.stored;
        let digits = digest_of(&[
            stored.id.as_bytes(),
            &stored.updated_at.millis().to_le_bytes(),
            &start.millis().to_le_bytes(),
        ]);
        let bits = u128::from_str_radix(&digits, 16).unwrap_or_default();
        let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
        Silence {
            id: id.to_string().into(),
            matchers: stored.matchers.clone(),
            starts_at: now,
            ends_at: end,
            updated_at: now,
            created_by: stored.created_by.clone(),
            comment: stored.comment.clone(),
            annotations: [(RECURRING.to_owned(), stored.id.to_string())].into(),
        }
    }
}
