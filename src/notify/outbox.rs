//! Empties the outbox: takes what is due, sends it, writes what became of it.
//!
//! ```text
//!             ┌──────────── retry at (backoff, Retry-After) ───────────┐
//!             ▼                                                        │
//! waiting ──take──▶ sending ──Integration::send──▶ decide ──settle─────┼──▶ delivered | failed | expired
//! ```
//!
//! * Sending does not wait for the database: taking is a matter of memory ([`crate::db::outbox`]), and while one batch of
//!   outcomes is written the following ones are sent and gather. One batch is written at a time.
//! * Receivers do not wait for each other: each integration of each receiver has its own few places. Notifications of
//!   one group to one integration go out in order, one at a time.
//! * A notification that is not delivered within an hour is given up: a page that late misleads more than it helps. It
//!   goes to the fallback receiver where one is configured ([`super::fallback`]). Otherwise the routes count it as not
//!   told and tell anew at the group's next flush, with what is true by then.
//! * A receiver that fails again and again is left alone for a while ([`super::breaker`]).
//! * What was being sent when the process died is sent again after the restart: at least once, not exactly once. The
//!   window is the time between the receiver's acceptance and the commit that records it.

mod attempt;
mod lane;
mod restrain;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;

use self::attempt::{Attempt, Finished};
use self::lane::Lane;
use super::breaker::Circuits;
use super::decide::decide;
use super::delivery::Delivery;
use super::fallback;
use super::integration::Integration;
use super::metrics::Metrics;
use crate::charts::pictures::Pictures;
use crate::clock::{Clock, Stopwatch};
use crate::db::outbox::{self as table, Claim, Claimed, Ended, Outcome, Take};
use crate::db::{Database, DbError};
use crate::model::notification::{self, Notification};
use crate::model::timestamp::Timestamp;
use crate::tasks::Stop;

/// Messages under way to one integration of one receiver.
pub const PLACES_PER_INTEGRATION: u32 = 8;
/// Notifications claimed for one integration at a time: few, so that a slow receiver's can still be superseded in the
/// outbox; twice as many each time, up to [`MOST_CLAIMED`], where it took the last ones within [`QUICK`].
const CLAIMED_AT_ONCE: u32 = 32;
const MOST_CLAIMED: u32 = 256;
const QUICK: Duration = Duration::from_secs(1);
/// The longest the worker sleeps without looking, so that a step of the wall clock does no lasting harm.
const LONGEST_SLEEP: Duration = Duration::from_secs(15);
/// Smaller steps of the wall clock do no harm.
const CLOCK_SLACK: Duration = Duration::from_secs(1);
/// While more waits to be sent, so many outcomes, or those of so long, are written in one transaction.
const WRITTEN_AT_ONCE: usize = 128;
const LONGEST_UNWRITTEN: Duration = Duration::from_millis(20);
/// The pause after the database failed.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);
/// How long a write is believed to show that the database takes others.
const PROVEN_FOR: Duration = Duration::from_millis(500);

/// The configured integrations, by receiver and place, and how to deliver to them.
#[derive(Debug, Default)]
pub struct Receivers {
    integrations: HashMap<Place, Arc<dyn Integration>>,
    delivery: Delivery,
}

/// One integration of one receiver.
pub type Place = (Arc<str>, notification::Integration);

impl Receivers {
    /// From receiver names, places and integrations.
    pub fn new(entries: impl IntoIterator<Item = (Place, Arc<dyn Integration>)>) -> Self {
        Self {
            integrations: entries.into_iter().collect(),
            delivery: Delivery::default(),
        }
    }

    /// The same, delivered to in another way.
    #[must_use]
    pub fn delivering(self, delivery: Delivery) -> Self {
        Self { delivery, ..self }
    }

    /// How to deliver.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// The integration a notification is for.
    pub fn get(&self, notification: &Notification) -> Option<Arc<dyn Integration>> {
        self.integrations.get(&place(notification)).map(Arc::clone)
    }

    /// All of them.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.integrations.keys()
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
    /// Which receivers are left alone for a while.
    pub circuits: Circuits,
    /// How long shutdown may wait for what is due and under way.
    pub drain: Duration,
    /// Draws pictures of alerts; none in Alertmanager's place.
    pub pictures: Option<Pictures>,
    /// Our external URL, below which runbooks are; none in Alertmanager's place.
    pub runbooks: Option<Arc<str>>,
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
    unwritten: Ended,
    /// Since the first of them ended.
    unwritten_since: Option<Stopwatch>,
    /// What is being written: one transaction at a time.
    writing: FuturesUnordered<BoxFuture<'static, Written>>,
    /// What is being taken.
    taking: FuturesUnordered<BoxFuture<'static, Taken>>,
    /// The database failed: nothing is asked of it until the pause is over.
    resting: bool,
    /// Since it last took a write.
    reached: Option<Stopwatch>,
}

/// How a transaction with the outbox ended.
struct Written {
    ended: Ended,
    result: Result<(), DbError>,
}

/// What there was to take.
struct Taken {
    claimed: Result<Vec<Claimed>, DbError>,
    now: Timestamp,
    /// Whether the database was found to take writes.
    proven: bool,
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
            unwritten: Ended::default(),
            unwritten_since: None,
            writing: FuturesUnordered::new(),
            taking: FuturesUnordered::new(),
            resting: false,
            reached: None,
        }
    }

    /// Delivers until told to stop, then finishes what is due and under way within the drain time.
    pub async fn run(mut self, stop: Stop) {
        let left = table::backlog(&self.with.database, self.with.clock.now()).waiting;
        if left > 0 {
            tracing::info!(
                count = left,
                "send what waited when the process before this one ended"
            );
        }
        let mut pause = Duration::ZERO;
        while !stop.is_cancelled() {
            self.turn_to_database();
            tokio::select! {
                Some(finished) = self.under_way.next() => self.settle(finished),
                Some(taken) = self.taking.next() => pause = self.take_in(taken),
                Some(written) = self.writing.next() => {
                    if let Some(longer) = self.written(written) {
                        pause = longer;
                    }
                }
                () = self.with.wake.notified() => self.look = true,
                () = tokio::time::sleep(LONGEST_UNWRITTEN), if self.gathers() => {}
                () = tokio::time::sleep(pause), if self.writing.is_empty() && self.taking.is_empty() => {
                    self.resting = false;
                    self.look = true;
                }
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
        let waiting = table::backlog(&self.with.database, self.with.clock.now()).waiting;
        if waiting > 0 {
            tracing::warn!(
                waiting,
                "notifications remain in the outbox; they are sent after the next start"
            );
        }
    }

    /// Sends everything that is due now and waits for it; retries stay for later.
    pub async fn deliver_due(&mut self) {
        self.resting = false;
        self.look = true;
        loop {
            self.turn_to_database();
            tokio::select! {
                Some(finished) = self.under_way.next() => self.settle(finished),
                Some(taken) = self.taking.next() => {
                    self.take_in(taken);
                    if self.resting {
                        return;
                    }
                }
                Some(written) = self.writing.next() => {
                    if self.written(written).is_some() {
                        return;
                    }
                }
                else => return,
            }
        }
    }

    /// Writes the outcomes there are and takes what is due for integrations that have room, where there is either to do
    /// and the last time is over.
    fn turn_to_database(&mut self) {
        if self.resting {
            return;
        }
        if self.look && self.taking.is_empty() {
            self.look = false;
            self.take();
        }
        if self.writing.is_empty() && !self.unwritten.is_empty() && !self.gathers() {
            self.write();
        }
    }

    fn take(&mut self) {
        self.announce();
        let now = self.with.clock.now();
        if now + CLOCK_SLACK < self.looked_at {
            table::clock_stepped_back(&self.with.database, now);
        }
        self.looked_at = now;
        let wanted = self.wanted(now);
        let database = self.with.database.clone();
        let silent = |since: &Stopwatch| since.elapsed() >= PROVEN_FOR;
        let prove = self.reached.as_ref().is_none_or(silent);
        let taking = async move {
            let mut claimed = table::take(&database, &wanted, now).await;
            // What waits stands in memory: that the database is stuck would show only once something was sent.
            let proven = prove && claimed.as_ref().is_ok_and(Vec::is_empty);
            if proven && let Err(error) = database.begin().await {
                claimed = Err(error);
            }
            Taken {
                claimed,
                now,
                proven,
            }
        };
        self.taking.push(taking.boxed());
    }

    fn write(&mut self) {
        let now = self.with.clock.now();
        let ended = std::mem::take(&mut self.unwritten);
        self.unwritten_since = None;
        let database = self.with.database.clone();
        let writing = async move {
            let result = table::settle(&database, &ended, now).await;
            Written { ended, result }
        };
        self.writing.push(writing.boxed());
    }

    /// What was written counts; what was not waits with those that follow, for as long as is returned.
    fn written(&mut self, written: Written) -> Option<Duration> {
        let Written { mut ended, result } = written;
        let Err(error) = result else {
            // The next of a group may be due now.
            self.look = true;
            self.reached = Some(Stopwatch::start());
            return None;
        };
        ended.append(std::mem::take(&mut self.unwritten));
        self.unwritten = ended;
        Some(self.rest(&error))
    }

    fn rest(&mut self, error: &DbError) -> Duration {
        tracing::error!(%error, "outbox cannot be read or written; trying again");
        self.resting = true;
        self.look = true;
        DATABASE_PAUSE
    }

    /// Whether the outcomes there are can wait for others: only in a storm, where sending goes on without the database.
    fn gathers(&self) -> bool {
        let Some(since) = self.unwritten_since else {
            return false;
        };
        let flows = |lane: &Lane| lane.under_way > 0 && lane.waiting.len() > WRITTEN_AT_ONCE / 4;
        self.unwritten.outcomes.len() < WRITTEN_AT_ONCE
            && since.elapsed() < LONGEST_UNWRITTEN
            && self.lanes.values().any(flows)
    }

    /// Room for more, by integration.
    fn wanted(&mut self, now: Timestamp) -> Claim {
        let mut limits = Vec::with_capacity(self.lanes.len());
        for ((receiver, integration), lane) in &mut self.lanes {
            let limit = if lane.has_room() {
                lane.claim = if lane.claimed.elapsed() < QUICK {
                    (lane.claim * 2).min(MOST_CLAIMED)
                } else {
                    CLAIMED_AT_ONCE
                };
                lane.claimed = Stopwatch::start();
                lane.claim
            } else {
                0
            };
            let lane = (Arc::clone(receiver), integration.to_string().into());
            limits.push((lane, Take::UpTo(limit)));
        }
        // The first of two limits counts.
        limits.splice(0..0, self.restraints(now));
        Claim {
            limit: CLAIMED_AT_ONCE,
            limits,
        }
    }

    /// Starts what there was to take, and says how long there is nothing more to do.
    fn take_in(&mut self, taken: Taken) -> Duration {
        let Taken {
            claimed,
            now,
            proven,
        } = taken;
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => return self.rest(&error),
        };
        if proven {
            self.reached = Some(Stopwatch::start());
        }
        for claimed in claimed {
            let lane = self
                .lanes
                .entry(place(&claimed.notification))
                .or_insert_with(Lane::new);
            lane.waiting.push_back(claimed);
        }
        let places: Vec<Place> = self.lanes.keys().cloned().collect();
        for place in places {
            self.advance(&place, now);
        }
        let backlog = table::backlog(&self.with.database, now);
        self.with.metrics.backlog(&backlog, now);
        self.with.metrics.progress.mark();
        // What is due and was not claimed waits for its places, its group or its circuit: a finished send looks again.
        let next = self.next_trial(now).into_iter();
        let next = next.chain(backlog.next_attempt).min();
        next.map_or(LONGEST_SLEEP, |at| at.since(now).min(LONGEST_SLEEP))
    }

    /// Shows the metrics of receivers that a reload brought, and tries all of them anew.
    fn announce(&mut self) {
        let receivers = self.with.receivers.load_full();
        let known = self.announced.as_ref();
        if known.is_none_or(|known| !Arc::ptr_eq(known, &receivers)) {
            self.with.metrics.announce(&receivers);
            self.close_all(&receivers);
            self.announced = Some(receivers);
        }
    }

    /// Starts what waits while there are places; what may not be tried now goes back.
    fn advance(&mut self, place: &Place, now: Timestamp) {
        while let Some(lane) = self.lanes.get_mut(place)
            && lane.under_way < PLACES_PER_INTEGRATION
            && let Some(claimed) = lane.waiting.pop_front()
        {
            let under_way = lane.under_way;
            if self.may_start(place, &claimed, under_way, now) {
                if let Some(lane) = self.lanes.get_mut(place) {
                    lane.under_way += 1;
                }
                self.start(claimed, now);
            } else {
                let unsent = (claimed.notification, Outcome::Unsent);
                self.unwritten.outcomes.push(unsent);
                self.look = true;
            }
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
        let receivers = self.with.receivers.load();
        let notification = &claimed.notification;
        let policy = &receivers.delivery.policy;
        let expires_at = policy.expires_at(notification.created_at, claimed.expires_at);
        let attempt = Attempt {
            integration: receivers.get(notification),
            over: now >= expires_at,
            untraced: receivers.delivery.untraced,
            expires_at,
            claimed,
            database: self.with.database.clone(),
            pictures: self.with.pictures.clone(),
            runbooks: self.with.runbooks.clone(),
        };
        self.under_way.push(attempt.start(now));
    }

    /// Decides what follows the attempts that are over; their places are free again.
    fn settle(&mut self, first: Finished) {
        let now = self.with.clock.now();
        let mut next = Some(first);
        while let Some(finished) = next {
            let place = place(&finished.notification);
            if let Some(lane) = self.lanes.get_mut(&place) {
                lane.under_way = lane.under_way.saturating_sub(1);
                lane.quick = finished.result.is_ok() && finished.took < QUICK;
                self.look |= lane.has_room();
            }
            if finished.tried {
                self.judge(&place, &finished.result, now);
            }
            self.decide(finished, now);
            self.advance(&place, now);
            next = self.under_way.next().now_or_never().flatten();
        }
    }

    fn decide(&mut self, finished: Finished, now: Timestamp) {
        let Finished {
            notification,
            attempts,
            expires_at,
            result,
            took,
            tried: _,
            span,
        } = finished;
        let receivers = self.with.receivers.load();
        let outcome = decide(
            &receivers.delivery.policy,
            &result,
            attempts + 1,
            expires_at,
            now,
            rand::random::<f64>(),
        );
        self.with
            .metrics
            .attempt(&notification, &result, &outcome, took, now);
        span.in_scope(|| attempt::log(&notification, attempts + 1, &result, &outcome));
        if let Outcome::Failed { error } | Outcome::Expired { error } = &outcome {
            let fallback = receivers.delivery.fallback.as_deref();
            let rows = fallback::instead(&notification, error, fallback, receivers.places(), now);
            for row in &rows {
                self.with.metrics.fell_back(&row.notification);
                tracing::warn!(
                    receiver = &*row.notification.receiver,
                    integration = &*row.integration,
                    notification.id = &*row.notification.id,
                    undelivered = &*notification.id,
                    "notification goes to the fallback receiver"
                );
            }
            self.unwritten.instead.extend(rows);
        }
        self.unwritten.outcomes.push((notification, outcome));
        self.unwritten_since.get_or_insert_with(Stopwatch::start);
    }
}
