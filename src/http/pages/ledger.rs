//! `/ledger`: every decision on every alert as a timeline, and for one alert the answer to "why was I told, or not?".

pub(super) mod fill;
pub mod list;
#[cfg(test)]
mod tests;

use askama::Template;

use super::alerts::Mistake;
use super::view;
use super::{Section, write};
use crate::model::timestamp::Timestamp;

/// The kinds of decisions, with the words for them, in the order of an alert's way.
pub const KINDS: [(&str, &str); 23] = [
    ("enqueued", "queued"),
    ("delivered", "delivered"),
    ("failed", "refused by the receiver"),
    ("expired", "given up"),
    ("superseded", "superseded"),
    ("fell_back", "sent to the fallback"),
    ("deduplicated", "known already"),
    ("throttled", "throttled"),
    ("held_in_storm", "held in a storm"),
    ("held_flapping", "held, flapping"),
    ("inhibited", "inhibited"),
    ("silenced", "silenced"),
    ("muted", "muted"),
    ("inactive", "outside active times"),
    ("acknowledged", "acknowledged"),
    ("ack_began", "ack began"),
    ("ack_ended", "ack ended"),
    ("silence_began", "silence began"),
    ("silence_ended", "silence ended"),
    ("never_told", "over before told"),
    ("resolved_not_wanted", "end not wanted"),
    ("no_integration", "nobody to tell"),
    ("tested", "test"),
];

/// Everything at `/ledger`.
#[derive(Clone, Debug)]
pub struct LedgerPage {
    /// The time shown as now.
    pub now: Timestamp,
    /// As filled in.
    pub form: Form,
    /// What is wrong with it.
    pub mistake: Option<Mistake>,
    /// The answer for the alert that is asked about.
    pub alert: Option<(String, String, Why)>,
    /// Entries, newest first.
    pub rows: Vec<EntryRow>,
    /// The page with those that follow.
    pub older: Option<String>,
    /// The first page, where this is not it.
    pub newest: Option<String>,
    /// How far back was looked, where that is not far enough to fill the page.
    pub looked_back_to: Option<Timestamp>,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// Matchers.
    pub filter: String,
    /// A receiver's name, as a regular expression.
    pub receiver: String,
    /// A decision.
    pub kind: String,
    /// From when on.
    pub since: String,
    /// Until when.
    pub until: String,
    /// One alert.
    pub fingerprint: String,
    /// One notification.
    pub notification: String,
}

/// An alert in a row: name, other labels, page.
pub type AlertShown = (String, Vec<(String, String)>, String);

/// One decision.
#[derive(Clone, Debug)]
pub struct EntryRow {
    /// When.
    pub at: Timestamp,
    /// The decision in a word or two, and the class of its badge.
    pub kind: (&'static str, &'static str),
    /// Whom it concerns.
    pub whom: String,
    /// In words.
    pub reason: String,
    /// The alert: name, other labels, page.
    pub alert: Option<AlertShown>,
    /// Where the silence, the other alert or the notification is shown.
    pub link: Option<(&'static str, String)>,
}

/// Why somebody was told, or not.
#[derive(Clone, Debug, Default)]
pub struct Why {
    /// For each receiver.
    pub verdicts: Vec<VerdictRow>,
    /// What rules say, and where nothing is known.
    pub notes: Vec<String>,
    /// Its entries, newest first.
    pub entries: Vec<EntryRow>,
    /// Whether there are more entries than were read.
    pub more: bool,
}

/// Entries on an alert's own page.
const LATEST: usize = 20;

impl Why {
    pub(super) fn latest(&self) -> &[EntryRow] {
        &self.entries[..self.entries.len().min(LATEST)]
    }
}

/// What it comes to for a receiver.
#[derive(Clone, Debug)]
pub struct VerdictRow {
    /// The receiver and its integration.
    pub whom: String,
    /// What it comes to, and the class of its badge.
    pub outcome: (String, &'static str),
    /// The decision it rests on.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// The page.
pub fn render(page: &LedgerPage) -> String {
    write(&LedgerTemplate { page })
}

#[derive(Template)]
#[template(path = "ledger.html")]
struct LedgerTemplate<'a> {
    page: &'a LedgerPage,
}

impl LedgerTemplate<'_> {
    fn bar(&self) -> &'static [Section] {
        Section::ALL
    }

    fn section(&self) -> Section {
        Section::Ledger
    }
}
