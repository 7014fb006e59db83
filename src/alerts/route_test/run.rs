//! Plays a test on a dispatcher of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::super::dispatch::flush::Fates;
use super::super::dispatch::{Dispatcher, Restored, Writes};
use super::super::route::Routing;
use super::file::{RouteTest, SilenceInput};
use super::report;
use crate::db::DbError;
use crate::db::ledger::LedgerEntry;
use crate::db::outbox::OutboxRow;
use crate::document::Position;
use crate::model::alert::{Alert, Course};
use crate::model::labels::Labels;
use crate::model::notification::{AlertStatus, Reason};
use crate::model::silence::Silence;
use crate::model::timestamp::Timestamp;

/// How long an alert that does not end lasts.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// An expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where the expectation, or the test, stands.
    pub position: Position,
    /// What is wrong, for a person.
    pub text: String,
}

/// One message to some integrations of a receiver.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) at: Duration,
    pub(super) receiver: String,
    pub(super) integrations: BTreeSet<String>,
    pub(super) reason: Reason,
    pub(super) firing: BTreeSet<Labels>,
    pub(super) resolved: BTreeSet<Labels>,
}

/// All that came of a test.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) sent: Vec<Sent>,
    pub(super) ledger: Vec<(Duration, LedgerEntry)>,
}

/// Plays a test and compares; nothing is returned where it passes.
pub fn run(routing: &Arc<Routing>, test: &RouteTest) -> Vec<Failure> {
    let mut failures = report::routes(routing, test);
    match play(routing, test) {
        Ok(history) => {
            failures.extend(report::notifications(test, &history));
            failures.extend(report::suppressions(test, &history));
        }
        Err(error) => failures.push(Failure {
            position: test.position,
            text: error.to_string(),
        }),
    }
    failures
}

fn play(routing: &Arc<Routing>, test: &RouteTest) -> Result<History, DbError> {
    let restored = Restored {
        silences: test
            .silences
            .iter()
            .map(|input| silence(input, test.start))
            .collect(),
        ..Restored::default()
    };
    let mut dispatcher = Dispatcher::new(Arc::clone(routing), restored, test.start);
    let end = test.start + test.until;
    let mut changes: Vec<(Timestamp, Alert)> = test
        .alerts
        .iter()
        .flat_map(|input| {
            let starts_at = test.start + input.at;
            let alert = |ends_at: Timestamp, updated_at: Timestamp| Alert {
                labels: input.labels.clone(),
                annotations: Labels::empty(),
                starts_at,
                ends_at,
                updated_at,
                generator_url: "".into(),
                value: None,
                course: Course::default(),
            };
            let ends_at = input.until.map(|until| test.start + until);
            [
                Some((starts_at, alert(starts_at + FOR_EVER, starts_at))),
                ends_at.map(|ends_at| (ends_at, alert(ends_at, ends_at))),
            ]
        })
        .flatten()
        .collect();
    // What begins at one instant begins in the order of the file.
    changes.sort_by_key(|(at, _)| *at);
    let mut changes = changes.into_iter().peekable();
    // Every notification arrives at once.
    let fates = Fates::new();
    let mut history = History::default();
    loop {
        let change = changes.peek().map(|(at, _)| *at);
        let due = dispatcher.next_due();
        let now = match (change, due) {
            (Some(change), Some(due)) => change.min(due),
            (Some(at), None) | (None, Some(at)) => at,
            (None, None) => break,
        };
        if now > end {
            break;
        }
        // As in production: what is there is taken in before what is due is flushed.
        while let Some((_, alert)) = changes.next_if(|(at, _)| *at <= now) {
            dispatcher.insert(alert, now);
        }
        if dispatcher.next_due().is_none_or(|due| due > now) {
            continue;
        }
        let mut writes = Writes::default();
        while dispatcher.flush(now, &fates, usize::MAX, &mut writes) {}
        history.take(writes, now.since(test.start));
        // Nothing is due twice at one instant; should it be, the test must not hang.
        if dispatcher.next_due().is_some_and(|due| due <= now) {
            break;
        }
    }
    Ok(history)
}

/// The silence; until it begins it is pending, which keeps nobody quiet.
fn silence(input: &SilenceInput, start: Timestamp) -> Silence {
    let starts_at = start + input.at;
    Silence {
        id: input.name.as_str().into(),
        matchers: input.matchers.clone(),
        starts_at,
        ends_at: match input.until {
            Some(until) => start + until,
            None => starts_at + FOR_EVER,
        },
        updated_at: start,
        created_by: String::new(),
        comment: String::new(),
        annotations: BTreeMap::new(),
    }
}

impl History {
    fn take(&mut self, writes: Writes, at: Duration) {
        self.ledger
            .extend(writes.ledger.into_iter().map(|entry| (at, entry)));
        for row in writes.outbox {
            self.send(row, at);
        }
    }

    /// Integrations of one receiver that are told the same at once are one message.
    fn send(&mut self, row: OutboxRow, at: Duration) {
        let notification = row.notification;
        let of = |status: AlertStatus| -> BTreeSet<Labels> {
            notification
                .alerts
                .iter()
                .filter(|notified| notified.status == status)
                .map(|notified| notified.alert.labels.clone())
                .collect()
        };
        let sent = Sent {
            at,
            receiver: notification.receiver.to_string(),
            integrations: BTreeSet::from([row.integration.to_string()]),
            reason: notification.reason,
            firing: of(AlertStatus::Firing),
            resolved: of(AlertStatus::Resolved),
        };
        let same = self.sent.iter_mut().rev().find(|other| {
            other.at == at
                && other.receiver == sent.receiver
                && other.reason == sent.reason
                && other.firing == sent.firing
                && other.resolved == sent.resolved
                && other.integrations.is_disjoint(&sent.integrations)
        });
        match same {
            Some(same) => same.integrations.extend(sent.integrations),
            None => self.sent.push(sent),
        }
    }
}
