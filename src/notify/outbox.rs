//! Empties the outbox: claims what is due, sends it, writes what became of it.
//!
//! ```text
//!             ┌──────────── retry at (backoff, Retry-After) ───────────┐
//!             ▼                                                        │
//! pending ──claim──▶ sending ──Integration::send──▶ decide ──finish────┼──▶ delivered | failed | expired
//! ```
//!
//! * Receivers do not wait for each other: each integration of each receiver has its own few places. Notifications of
//!   one group to one integration go out in order, one at a time.
//! * A notification that is not delivered within an hour is given up: a page that late misleads more than it helps. The
//!   routes then count it as not told and tell anew at the group's next flush, with what is true by then.
//! * What was being sent when the process died is sent again after the restart: at least once, not exactly once. The
//!   window is the time between the receiver's acceptance and the commit that records it.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;
use tracing::{Instrument, Span};

use super::decide::{Policy, decide, is_over};
use super::integration::{Delivered, Integration, Reason, SendError};
use super::metrics::Metrics;
use crate::clock::{Clock, Stopwatch};
use crate::db::outbox::{self as table, Claimed, Outcome};
use crate::db::{Database, DbError};
use crate::model::notification::{self, Notification};
use crate::model::timestamp::Timestamp;
use crate::tasks::Stop;
use crate::telemetry::traces;

/// Messages under way to one integration of one receiver.
pub const PLACES_PER_INTEGRATION: u32 = 8;
/// Notifications claimed for one integration at a time: few enough that a slow receiver's can still be superseded in
/// the outbox, enough that emptying a full outbox does not search it for each one.
const CLAIMED_AT_ONCE: u32 = 32;
/// The longest the worker sleeps without looking, so that a step of the wall clock does no lasting harm.
const LONGEST_SLEEP: Duration = Duration::from_secs(15);
/// Smaller steps of the wall clock do no harm.
const CLOCK_SLACK: Duration = Duration::from_secs(1);
/// The pause after the database failed.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// The configured integrations, by receiver and place.
#[derive(Debug, Default)]
pub struct Receivers(HashMap<Place, Arc<dyn Integration>>);

/// One integration of one receiver.
pub type Place = (Arc<str>, notification::Integration);

impl Receivers {
    /// From receiver names, places and integrations.
    pub fn new(entries: impl IntoIterator<Item = (Place, Arc<dyn Integration>)>) -> Self {
        Self(entries.into_iter().collect())
    }

    /// The integration a notification is for.
    pub fn get(&self, notification: &Notification) -> Option<Arc<dyn Integration>> {
        self.0.get(&place(notification)).map(Arc::clone)
    }

    /// All of them.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.0.keys()
    }
}

fn place(notification: &Notification) -> Place {
    (
        Arc::clone(&notification.receiver),
        notification.integration.clone(),
    )
}

/// What the worker is built from.
#[derive(Clone, Debug)]
pub struct Dependencies {
    /// The database that holds the outbox.
    pub database: Database,
    /// The time.
    pub clock: Clock,
    /// Who can be told; replaced as a whole at a reload.
    pub receivers: Arc<ArcSwap<Receivers>>,
    /// Where it counts.
    pub metrics: Metrics,
    /// Rung after the outbox was written.
    pub wake: Arc<Notify>,
    /// When to try again and when to give up.
    pub policy: Policy,
    /// How long shutdown may wait for what is due and under way.
    pub drain: Duration,
}

/// The worker.
#[derive(Debug)]
pub struct Worker {
    with: Dependencies,
    under_way: FuturesUnordered<BoxFuture<'static, Finished>>,
    /// The receivers whose metrics are shown from zero.
    announced: Option<Arc<Receivers>>,
    lanes: HashMap<Place, Lane>,
    /// Whether there may be something to claim that was not looked for yet.
    look: bool,
    /// When the outbox was last looked into.
    looked_at: Timestamp,
    /// Outcomes that the database did not take yet; their notifications are not sent again meanwhile.
    unwritten: Vec<(Notification, Outcome)>,
}

/// What is claimed for one integration of one receiver.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Claimed>,
    under_way: u32,
}

impl Lane {
    /// Whether it can take more at once.
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way < PLACES_PER_INTEGRATION
    }
}

struct Finished {
    notification: Notification,
    attempts: u32,
    result: Result<Delivered, SendError>,
    took: Duration,
    /// What is said of the outcome belongs to the attempt's trace.
    span: Span,
}

impl Worker {
    /// A worker; nothing is read yet.
    pub fn new(with: Dependencies) -> Self {
        Self {
            with,
            under_way: FuturesUnordered::new(),
            announced: None,
            lanes: HashMap::new(),
            look: true,
            // The first look puts right what was written before a step that the process did not see.
            looked_at: Timestamp::MAX,
            unwritten: Vec::new(),
        }
    }

    /// Delivers until told to stop, then finishes what is due and under way within the drain time.
    pub async fn run(mut self, stop: Stop) {
        if !self.recover(&stop).await {
            return;
        }
        let mut pause = Duration::ZERO;
        while !stop.is_cancelled() {
            if self.look {
                pause = self.fill().await.unwrap_or_else(|error| {
                    tracing::error!(%error, "read outbox");
                    DATABASE_PAUSE
                });
            }
            tokio::select! {
                Some(finished) = self.under_way.next() => self.settle(finished).await,
                () = self.with.wake.notified() => self.look = true,
                () = tokio::time::sleep(pause) => self.look = true,
                () = stop.cancelled() => {}
            }
        }
        let deadline = self.with.drain;
        if tokio::time::timeout(deadline, self.deliver_due())
            .await
            .is_err()
        {
            let busy = self.lanes.iter().filter(|(_, lane)| lane.under_way > 0);
            let mut receivers: Vec<String> = busy
                .map(|((receiver, integration), _)| format!("{receiver}/{integration}"))
                .collect();
            receivers.sort();
            tracing::warn!(
                under_way = self.under_way.len(),
                receivers = receivers.join(" "),
                "stop delivery: what is under way is sent again after the next start"
            );
        }
        match table::backlog(&self.with.database).await {
            Ok(backlog) if backlog.waiting > 0 => tracing::warn!(
                waiting = backlog.waiting,
                "notifications remain in the outbox; they are sent after the next start"
            ),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "read outbox"),
        }
    }

    /// Makes due again what the process before this one had under way.
    async fn recover(&mut self, stop: &Stop) -> bool {
        loop {
            match table::release(&self.with.database, self.with.clock.now()).await {
                Ok(0) => return true,
                Ok(count) => {
                    tracing::info!(
                        count,
                        "send again what was under way when the process ended"
                    );
                    return true;
                }
                Err(error) => tracing::error!(%error, "open outbox"),
            }
            tokio::select! {
                () = tokio::time::sleep(DATABASE_PAUSE) => {}
                () = stop.cancelled() => return false,
            }
        }
    }

    /// Sends everything that is due now and waits for it; retries stay for later.
    pub async fn deliver_due(&mut self) {
        self.look = true;
        loop {
            if self.look
                && let Err(error) = self.fill().await
            {
                tracing::error!(%error, "read outbox");
                return;
            }
            match self.under_way.next().await {
                Some(finished) => self.settle(finished).await,
                None => return,
            }
        }
    }

    /// Claims what is due for integrations that have nothing waiting, and says how long there is nothing more to do.
    async fn fill(&mut self) -> Result<Duration, DbError> {
        self.announce();
        self.write_outcomes().await?;
        let now = self.with.clock.now();
        if now + CLOCK_SLACK < self.looked_at {
            table::clock_stepped_back(&self.with.database, now).await?;
        }
        self.looked_at = now;
        let supplied: Vec<(String, String)> = self
            .lanes
            .iter()
            .filter(|(_, lane)| !lane.is_idle())
            .map(|((receiver, integration), _)| (receiver.to_string(), integration.to_string()))
            .collect();
        let database = &self.with.database;
        for claimed in table::claim(database, now, CLAIMED_AT_ONCE, &supplied).await? {
            let lane = self.lanes.entry(place(&claimed.notification)).or_default();
            lane.waiting.push_back(claimed);
        }
        self.look = false;
        let places: Vec<Place> = self.lanes.keys().cloned().collect();
        for place in places {
            self.advance(&place, now);
        }
        let backlog = table::backlog(&self.with.database).await?;
        self.with.metrics.backlog(&backlog, now);
        self.with.metrics.progress.mark();
        Ok(match backlog.next_attempt {
            // Due but not claimed: its places are taken or its group is under way, and a finished send looks again.
            Some(at) if at <= now => LONGEST_SLEEP,
            Some(at) => at.since(now).min(LONGEST_SLEEP),
            None => LONGEST_SLEEP,
        })
    }

    /// Shows the metrics of receivers that a reload brought.
    fn announce(&mut self) {
        let receivers = self.with.receivers.load_full();
        let known = self.announced.as_ref();
        if known.is_none_or(|known| !Arc::ptr_eq(known, &receivers)) {
            self.with.metrics.announce(&receivers);
            self.announced = Some(receivers);
        }
    }

    /// Starts what waits while there are places; looks again where nothing waits any more.
    fn advance(&mut self, place: &Place, now: Timestamp) {
        while let Some(lane) = self.lanes.get_mut(place)
            && lane.under_way < PLACES_PER_INTEGRATION
            && let Some(claimed) = lane.waiting.pop_front()
        {
            lane.under_way += 1;
            self.start(claimed, now);
        }
        if self
            .lanes
            .get(place)
            .is_some_and(|lane| lane.under_way == 0 && lane.waiting.is_empty())
        {
            self.lanes.remove(place);
        }
    }

    fn start(&mut self, claimed: Claimed, now: Timestamp) {
        let Claimed {
            notification,
            attempts,
            last_error,
        } = claimed;
        let integration = self.with.receivers.load().get(&notification);
        let over = is_over(&self.with.policy, notification.created_at, now);
        let span = tracing::info_span!(
            "send",
            receiver = %notification.receiver,
            integration = %notification.integration,
            notification.id = %notification.id,
            attempt = attempts + 1,
            trace.id = tracing::field::Empty,
        );
        traces::record_id(&span);
        let within = span.clone();
        let attempt = async move {
            let stopwatch = Stopwatch::start();
            let result = match integration {
                // Sending it now would mislead; `decide` expires it.
                _ if over => Err(SendError::temporary(
                    Reason::Timeout,
                    match last_error {
                        Some(error) => format!("its time was over; the last attempt: {error}"),
                        None => "its time was over before it could be sent".to_owned(),
                    },
                )),
                None => Err(SendError::permanent(
                    Reason::Gone,
                    "the receiver is no longer configured",
                )),
                Some(integration) => AssertUnwindSafe(integration.send(&notification, now))
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|_| {
                        Err(SendError::temporary(
                            Reason::Configuration,
                            "sending panicked; this is a bug in Outrigger",
                        ))
                    }),
            };
            Finished {
                notification,
                attempts,
                result,
                took: stopwatch.elapsed(),
                span: within,
            }
        };
        self.under_way.push(attempt.instrument(span).boxed());
    }

    /// Decides what follows the attempts that are over, and writes it at once for all of them.
    async fn settle(&mut self, first: Finished) {
        let now = self.with.clock.now();
        let mut places = Vec::new();
        let mut next = Some(first);
        while let Some(finished) = next {
            places.push(place(&finished.notification));
            self.decide(finished, now);
            next = self.under_way.next().now_or_never().flatten();
        }
        if let Err(error) = self.write_outcomes().await {
            tracing::error!(%error, "write what became of notifications");
        }
        for place in places {
            if let Some(lane) = self.lanes.get_mut(&place) {
                lane.under_way = lane.under_way.saturating_sub(1);
                self.look |= lane.is_idle();
            }
            self.advance(&place, now);
        }
    }

    fn decide(&mut self, finished: Finished, now: Timestamp) {
        let Finished {
            notification,
            attempts,
            result,
            took,
            span,
        } = finished;
        let outcome = decide(
            &self.with.policy,
            &result,
            attempts + 1,
            notification.created_at,
            now,
            rand::random::<f64>(),
        );
        self.with
            .metrics
            .attempt(&notification, &result, &outcome, took, now);
        span.in_scope(|| log(&notification, attempts + 1, &result, &outcome));
        self.unwritten.push((notification, outcome));
    }

    async fn write_outcomes(&mut self) -> Result<(), DbError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let now = self.with.clock.now();
        table::finish(&self.with.database, &self.unwritten, now).await?;
        self.unwritten.clear();
        Ok(())
    }
}

fn log(
    notification: &Notification,
    attempt: u32,
    result: &Result<Delivered, SendError>,
    outcome: &Outcome,
) {
    let receiver = &*notification.receiver;
    let integration = notification.integration.to_string();
    let id = &*notification.id;
    let group = &*notification.group_key;
    if let Ok(delivered) = result {
        for failure in &delivered.template_failures {
            tracing::error!(
                receiver,
                integration,
                notification.id = id,
                failure,
                "template failed, built-in text was sent; correct the template"
            );
        }
    }
    match outcome {
        Outcome::Delivered { status } => {
            tracing::info!(
                receiver,
                integration,
                notification.id = id,
                group,
                attempt,
                status,
                "notification delivered"
            );
        }
        Outcome::Retry { at, error } => {
            tracing::warn!(receiver, integration, notification.id = id, group, attempt, error, next_attempt = %at, "notification not delivered yet");
        }
        Outcome::Failed { error } => {
            tracing::error!(
                receiver,
                integration,
                notification.id = id,
                group,
                attempt,
                error,
                "notification refused, not delivered"
            );
        }
        Outcome::Expired { error } => {
            tracing::error!(
                receiver,
                integration,
                notification.id = id,
                group,
                attempt,
                error,
                "notification expired, not delivered"
            );
        }
    }
}
