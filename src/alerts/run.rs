//! The running dispatcher: takes alerts from a queue, keeps the time, writes what was decided.
//!
//! Alerts come through a bounded queue; where it is full the sender waits, and that is counted. What is due is decided
//! and written in one transaction, many groups at once, and the outbox worker is woken. Alerts that were posted are written
//! with it, those of all requests that wait in one transaction; their senders are answered then. Where the database cannot
//! be written the batch is kept and tried again: what was decided is not decided twice. Silences and acks are answered for once
//! they are written ([`silences`], [`acks`]).

pub mod acks;
mod post;
pub mod recurring;
pub mod silences;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tracing::Instrument;

pub use self::post::{PostError, Posted, Unwritten};
use super::dispatch::view::{AlertSnapshot, Snapshot, Standing, View, Wanted};
use super::dispatch::{Dispatcher, Restored, Retention, Writes};
use super::flap::FlapSnapshot;
use super::metrics::Metrics;
use super::route::Routing;
use super::storm::StormSnapshot;
use crate::clock::{Clock, Stopwatch};
use crate::db::{
    Database, DbError, Transaction, acks as stored_acks, alert_state, ledger, notification_log,
    outbox, recurring_silences, sent_messages, silences as stored_silences,
    storms as stored_storms, throttle,
};
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::model::timestamp::Timestamp;
use crate::tasks::Stop;
use crate::telemetry::traces;

/// Groups decided on between two yields to other tasks.
const GROUPS_AT_ONCE: usize = 16;
/// Groups decided on and written in one transaction, and the ledger entries after which no other group follows: more would
/// only take memory.
const GROUPS_WRITTEN_AT_ONCE: usize = 1024;
const ENTRIES_WRITTEN_AT_ONCE: usize = 1000;
/// Alerts taken in between two yields to other tasks.
const ALERTS_AT_ONCE: usize = 256;
/// Messages taken from the queue before what is due is flushed.
const MESSAGES_AT_ONCE: usize = 64;
const WRITE_RETRY: Duration = Duration::from_secs(1);

/// How the dispatcher runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Batches that wait before senders do.
    pub queue: usize,
    /// The longest after the start that nothing is flushed, so that rules can send all they have first; they end it with
    /// [`AlertSink::open`].
    pub start_delay: Duration,
    /// How long finished notifications and ledger entries are kept.
    pub retention: Duration,
    /// Whether `start_delay` is kept to the end, whoever is ready sooner.
    pub keeps_delay: bool,
    /// How long silences are kept behind their end, and what receivers were told.
    pub state: Retention,
    /// How often what is over is removed.
    pub maintenance: Duration,
    /// How many ledger entries are kept at most.
    pub ledger_entries: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue: 256,
            start_delay: Duration::ZERO,
            retention: Duration::from_secs(14 * 24 * 3600),
            keeps_delay: false,
            maintenance: Duration::from_secs(15 * 60),
            state: Retention::default(),
            ledger_entries: 200_000,
        }
    }
}

/// What the dispatcher is handed.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Where its state lives.
    pub database: Database,
    /// The time.
    pub clock: Clock,
    /// Its metrics.
    pub metrics: Metrics,
    /// Told whenever there is something to send.
    pub outbox: Arc<Notify>,
}

/// The alerts that fire, each with its receivers.
pub type Firing = Vec<(AlertSnapshot, Vec<Arc<str>>)>;

/// The storms that last, and the alerts that are held because they flap.
pub type Calming = (Vec<StormSnapshot>, Vec<FlapSnapshot>);

#[derive(Debug)]
enum Message {
    Alerts(Vec<Alert>),
    Reload(Arc<Routing>, oneshot::Sender<()>),
    Posted(Vec<Posted>, oneshot::Sender<Result<(), Unwritten>>),
    Snapshot(oneshot::Sender<Snapshot>),
    Firing(oneshot::Sender<Firing>),
    View(Wanted, oneshot::Sender<View>),
    Silence(silences::Command),
    Ack(acks::Command),
    Recurring(recurring::Command),
    Calming(oneshot::Sender<Calming>),
    EndStorm(String, oneshot::Sender<bool>),
    Open,
    /// Nothing but a sign of life is asked for.
    Knock,
    Standing(Labels, Timestamp, oneshot::Sender<Standing>),
}

/// The dispatcher has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("send to the alert routes: they have been shut down")]
pub struct Closed;

/// The way in. Clones lead to the same dispatcher.
#[derive(Clone, Debug)]
pub struct AlertSink {
    queue: mpsc::Sender<Message>,
    metrics: Metrics,
}

impl AlertSink {
    /// Hands in alerts; waits where the queue is full. One batch is taken in as a whole before anything is flushed.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn send(&self, alerts: Vec<Alert>) -> Result<(), Closed> {
        if alerts.is_empty() {
            return Ok(());
        }
        self.hand_in(Message::Alerts(alerts)).await
    }

    async fn hand_in(&self, message: Message) -> Result<(), Closed> {
        match self.queue.try_send(message) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Closed),
            Err(mpsc::error::TrySendError::Full(message)) => {
                self.metrics.queue_full.inc();
                self.queue.send(message).await.map_err(|_| Closed)
            }
        }
    }

    /// Replaces the routes; returns when they hold.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn reload(&self, routing: Arc<Routing>) -> Result<(), Closed> {
        self.metrics.announce(&routing);
        let (done, wait) = oneshot::channel();
        self.queue
            .send(Message::Reload(routing, done))
            .await
            .map_err(|_| Closed)?;
        wait.await.map_err(|_| Closed)
    }

    /// Ends the start's delay: everybody has sent what they have.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn open(&self) -> Result<(), Closed> {
        self.queue.send(Message::Open).await.map_err(|_| Closed)
    }

    /// Has the dispatcher go round its loop once, which marks its progress. Where the queue is full it has work enough.
    pub fn knock(&self) {
        self.queue.try_send(Message::Knock).ok();
    }

    /// The groups and their alerts now.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn snapshot(&self) -> Result<Snapshot, Closed> {
        self.ask(Message::Snapshot).await
    }

    /// The alerts that fire now, each with the receivers of its routes, in no order.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn firing(&self) -> Result<Firing, Closed> {
        self.ask(Message::Firing).await
    }

    /// Alerts that fire now and their groups, for a page.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn view(&self, wanted: Wanted) -> Result<View, Closed> {
        self.ask(|reply| Message::View(wanted, reply)).await
    }

    /// The storms that last, and the alerts that are held because they flap.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn calming(&self) -> Result<Calming, Closed> {
        self.ask(Message::Calming).await
    }

    /// Ends a receiver's storm: its last message goes out at once. Returns whether there was one.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn end_storm(&self, receiver: String) -> Result<bool, Closed> {
        self.ask(|reply| Message::EndStorm(receiver, reply)).await
    }

    /// What stands around an alert with these labels at an instant.
    ///
    /// # Errors
    /// Where the dispatcher has ended.
    pub async fn standing(&self, labels: Labels, at: Timestamp) -> Result<Standing, Closed> {
        self.ask(|reply| Message::Standing(labels, at, reply)).await
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, Closed> {
        let (reply, wait) = oneshot::channel();
        self.queue.send(question(reply)).await.map_err(|_| Closed)?;
        wait.await.map_err(|_| Closed)
    }
}

/// The dispatcher, ready to run.
#[derive(Debug)]
pub struct Runner {
    dispatcher: Dispatcher,
    queue: mpsc::Receiver<Message>,
    config: Config,
    deps: Deps,
    /// Who waits for what they posted to be written.
    waiting: Vec<oneshot::Sender<Result<(), Unwritten>>>,
}

/// Reads the stored state and makes the dispatcher and the way into it.
///
/// # Errors
/// Where the state cannot be read.
pub async fn build(
    config: Config,
    routing: Arc<Routing>,
    deps: Deps,
) -> Result<(AlertSink, Runner), DbError> {
    deps.metrics.announce(&routing);
    let now = deps.clock.now();
    let database = deps.database.at_start();
    let restored = restore(&database, now).await?;
    let mut dispatcher =
        Dispatcher::new(routing, restored, now + config.start_delay).with_retention(config.state);
    dispatcher.restore(alert_state::load(&database).await?, now);
    let (sender, queue) = mpsc::channel(config.queue.max(1));
    let sink = AlertSink {
        queue: sender,
        metrics: deps.metrics.clone(),
    };
    let runner = Runner {
        dispatcher,
        queue,
        config,
        deps,
        waiting: Vec::new(),
    };
    Ok((sink, runner))
}

/// The state a dispatcher begins with.
///
/// # Errors
/// Where it cannot be read.
pub async fn restore(database: &Database, now: Timestamp) -> Result<Restored, DbError> {
    let (storms, flapping) = stored_storms::load(database).await?;
    Ok(Restored {
        log: notification_log::load(database, now).await?,
        throttle: throttle::load(database).await?,
        silences: stored_silences::load(database).await?,
        acks: stored_acks::load(database).await?,
        recurrings: recurring_silences::load(database).await?,
        storms,
        flapping,
    })
}

impl Runner {
    /// Runs until `stop`; alerts that were handed in before are still taken and what is due is written.
    pub async fn run(mut self, stop: Stop) {
        let mut maintenance = tokio::time::interval(self.config.maintenance);
        let mut watch = (self.deps.clock.now(), Stopwatch::start());
        loop {
            let wait = self
                .dispatcher
                .next_due()
                .map(|due| due.since(self.deps.clock.now()));
            let due = async {
                match wait {
                    // Timers of the runtime round up to the millisecond; what is due now does not wait for one.
                    Some(Duration::ZERO) => {}
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                message = self.queue.recv() => match message {
                    Some(message) => {
                        // What it says is said after the step.
                        self.follow_clock(&mut watch);
                        self.take_all(message, &stop).await;
                    }
                    None => break,
                },
                () = due => {}
                _ = maintenance.tick() => self.maintain().await,
            }
            self.follow_clock(&mut watch);
            self.flush(&stop).await;
            self.deps.metrics.progress.mark();
        }
        self.queue.close();
        while let Ok(message) = self.queue.try_recv() {
            self.take(message, &stop).await;
        }
        self.flush(&stop).await;
    }

    /// Takes a message and those that wait behind it.
    async fn take_all(&mut self, first: Message, stop: &Stop) {
        self.take(first, stop).await;
        for _ in 1..MESSAGES_AT_ONCE {
            match self.queue.try_recv() {
                Ok(message) => self.take(message, stop).await,
                Err(_) => return,
            }
        }
    }

    async fn take(&mut self, message: Message, stop: &Stop) {
        let now = self.deps.clock.now();
        match message {
            Message::Alerts(alerts) => {
                self.deps
                    .metrics
                    .received
                    .inc_by(u64::try_from(alerts.len()).unwrap_or(u64::MAX));
                for (i, alert) in alerts.into_iter().enumerate() {
                    if i % ALERTS_AT_ONCE == ALERTS_AT_ONCE - 1 {
                        tokio::task::yield_now().await;
                    }
                    self.dispatcher.insert(alert, now);
                }
            }
            Message::Reload(routing, done) => {
                self.reload(routing, now, stop).await;
                self.deps.metrics.reloads.inc();
                // Nobody waits any more where the other side gave up; the routes hold all the same.
                done.send(()).ok();
            }
            Message::Posted(alerts, reply) => {
                self.waiting.push(reply);
                self.deps
                    .metrics
                    .received
                    .inc_by(u64::try_from(alerts.len()).unwrap_or(u64::MAX));
                for (i, Posted { alert, assumed_end }) in alerts.into_iter().enumerate() {
                    if i % ALERTS_AT_ONCE == ALERTS_AT_ONCE - 1 {
                        tokio::task::yield_now().await;
                    }
                    self.dispatcher.insert_posted(alert, assumed_end, now);
                }
            }
            Message::Open if self.config.keeps_delay => {}
            Message::Open => self.dispatcher.open(now),
            Message::Knock => {}
            Message::Standing(labels, at, reply) => {
                reply.send(self.dispatcher.standing_of(&labels, at)).ok();
            }
            Message::Snapshot(reply) => {
                reply.send(self.dispatcher.snapshot(now)).ok();
            }
            Message::Firing(reply) => {
                reply.send(self.dispatcher.firing(now)).ok();
            }
            Message::View(wanted, reply) => {
                reply.send(self.dispatcher.view(&wanted, now)).ok();
            }
            Message::Calming(reply) => {
                reply.send(self.dispatcher.calming()).ok();
            }
            Message::EndStorm(receiver, reply) => {
                let ended = self.dispatcher.end_storm(&receiver, now);
                if ended {
                    tracing::info!(receiver, "storm ended by an operator");
                }
                reply.send(ended).ok();
            }
            Message::Silence(command) => self.silence(command, now).await,
            Message::Ack(command) => self.ack(command, now).await,
            Message::Recurring(command) => self.recurring(command, now).await,
        }
    }

    async fn reload(&mut self, routing: Arc<Routing>, now: Timestamp, stop: &Stop) {
        let awaited = self.dispatcher.awaited_by_all();
        let Some((transaction, fates)) = self.begin(&awaited, stop).await else {
            return;
        };
        let mut writes = Writes::default();
        self.dispatcher.reload(routing, now, &fates, &mut writes);
        writes.state = self.dispatcher.take_unwritten();
        self.write(transaction, &writes, now, stop).await;
    }

    async fn flush(&mut self, stop: &Stop) {
        let now = self.deps.clock.now();
        while self.is_due(now) || self.dispatcher.has_unwritten() {
            let span = tracing::info_span!("flush", trace.id = tracing::field::Empty);
            traces::record_id(&span);
            let written = self.flush_due(now, stop).instrument(span).await;
            if written.is_none() {
                break;
            }
        }
        // Nobody waits any more where the other side gave up; where it is not written, that was said before.
        for reply in self.waiting.drain(..) {
            reply.send(Ok(())).ok();
        }
        self.deps.metrics.set_counts(self.dispatcher.counts(now));
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.dispatcher.next_due().is_some_and(|due| due <= now)
    }

    /// Decides on what is due, as much as one transaction takes, and writes that and all else there is to write. `None`
    /// where the process ends before.
    async fn flush_due(&mut self, now: Timestamp, stop: &Stop) -> Option<()> {
        let mut writes = Writes::default();
        let awaited = self.dispatcher.awaited(now, GROUPS_WRITTEN_AT_ONCE);
        let (transaction, fates) = self.begin(&awaited, stop).await?;
        let mut groups = 0;
        while self.is_due(now)
            && groups < GROUPS_WRITTEN_AT_ONCE
            && writes.ledger.len() < ENTRIES_WRITTEN_AT_ONCE
        {
            // As many as there is room for, if those that follow are like those before.
            let entries = writes.ledger.len();
            let room = (ENTRIES_WRITTEN_AT_ONCE - entries) * groups / entries.max(1);
            let at_once = room.clamp(1, GROUPS_AT_ONCE);
            self.dispatcher.flush(now, &fates, at_once, &mut writes);
            groups += at_once;
            tokio::task::yield_now().await;
        }
        writes.state = self.dispatcher.take_unwritten();
        self.write(transaction, &writes, now, stop).await
    }

    /// Begins to write and reads what became of earlier notifications; it cannot change before the commit. `None` where
    /// the process ends before the database can be written.
    async fn begin(
        &mut self,
        awaited: &[Arc<str>],
        stop: &Stop,
    ) -> Option<(Transaction, super::dispatch::flush::Fates)> {
        loop {
            let attempt = async {
                let mut transaction = self.deps.database.begin().await?;
                let fates = outbox::fates(&mut transaction, awaited).await?;
                Ok::<_, DbError>((transaction, fates))
            };
            match attempt.await {
                Ok(begun) => return Some(begun),
                Err(error) => self.failed(&error, stop).await?,
            }
        }
    }

    async fn write(
        &mut self,
        transaction: Transaction,
        writes: &Writes,
        now: Timestamp,
        stop: &Stop,
    ) -> Option<()> {
        if writes.is_empty() {
            return Some(());
        }
        let mut begun = Some(transaction);
        loop {
            let attempt = async {
                let mut transaction = match begun.take() {
                    Some(transaction) => transaction,
                    None => self.deps.database.begin().await?,
                };
                writes.write(&mut transaction, now).await?;
                transaction.commit().await
            };
            match attempt.await {
                Ok(()) => break,
                Err(error) => self.failed(&error, stop).await?,
            }
        }
        self.deps.metrics.count(writes);
        if !writes.outbox.is_empty() {
            self.deps.outbox.notify_one();
        }
        Some(())
    }

    /// Says so and waits a little; `None` where the process ends.
    async fn failed(&mut self, error: &DbError, stop: &Stop) -> Option<()> {
        self.deps.metrics.write_failures.inc();
        for reply in self.waiting.drain(..) {
            reply.send(Err(Unwritten)).ok();
        }
        tracing::error!(%error, "notifications cannot be written; trying again");
        tokio::select! {
            () = stop.cancelled() => None,
            () = tokio::time::sleep(WRITE_RETRY) => Some(()),
        }
    }

    /// Where the wall clock stepped back, everything steps with it.
    fn follow_clock(&mut self, watch: &mut (Timestamp, Stopwatch)) {
        let now = self.deps.clock.now();
        let expected = watch.0 + watch.1.elapsed();
        let behind = expected.since(now);
        if behind > Duration::from_secs(1) && now < watch.0 {
            tracing::warn!(by = ?behind, "wall clock stepped back; timers follow");
            self.dispatcher.clock_stepped_back(behind, now);
        }
        *watch = (now, Stopwatch::start());
    }

    async fn maintain(&mut self) {
        let now = self.deps.clock.now();
        self.dispatcher.sweep(now);
        let (pruned, count) = match prune(&self.deps.database, &self.config, now).await {
            Ok(done) => done,
            Err(error) => {
                tracing::warn!(%error, "old notifications cannot be removed");
                return;
            }
        };
        self.deps.metrics.ledger_pruned.inc_by(pruned);
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.deps.metrics.ledger_entries.set(count);
    }
}

/// Removes what is past retention; returns how many ledger entries that were, and how many there are.
async fn prune(
    database: &Database,
    config: &Config,
    now: Timestamp,
) -> Result<(u64, u64), DbError> {
    let mut transaction = database.begin().await?;
    notification_log::prune(&mut transaction, now).await?;
    let before = now - config.retention;
    outbox::prune(&mut transaction, before).await?;
    throttle::prune(&mut transaction, before).await?;
    sent_messages::prune(&mut transaction, now).await?;
    stored_silences::prune(&mut transaction, now - config.state.silences).await?;
    stored_acks::prune(&mut transaction, now - config.state.silences).await?;
    let pruned = ledger::prune(&mut transaction, before, config.ledger_entries).await?;
    let count = ledger::count(&mut transaction).await?;
    transaction.commit().await?;
    Ok((pruned, count))
}

#[cfg(test)]
mod tests;
