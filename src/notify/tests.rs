//! The way from the outbox to a receiver, with a real database and real sockets; time is moved by hand.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;

use super::breaker::Circuits;
use super::config::{self, Console, Options};
use super::delivery::Delivery;
use super::message::synthetic;
use super::metrics::Metrics;
use super::outbox::{Dependencies, Receivers, Worker};
use super::testing::{Answer, OK, Recorder};
use crate::clock::Clock;
use crate::db::ledger::{self, LedgerFilter};
use crate::db::{Database, outbox};
use crate::document::{self, diagnostics::Diagnostics};
use crate::model::circuit;
use crate::model::notification::Notification;
use crate::model::signature::LateSigner;
use crate::model::timestamp::Timestamp;
use crate::tasks::Tasks;
use crate::telemetry;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

mod bad;
mod chats;
mod failing;
mod last_resort;
mod pagers;
mod pictures;
mod receivers;
mod runbook_links;
mod slack;
mod slack_limits;
mod telegram;

/// A worker on a database file of its own, with receivers from a file's text.
struct Bench {
    directory: tempfile::TempDir,
    clock: Clock,
    registry: Registry,
    with: Dependencies,
    worker: Worker,
}

impl Bench {
    async fn new(receivers: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::start(directory, receivers, Clock::manual(NOW)).await
    }

    /// The same, delivered to in another way.
    async fn delivering(receivers: &str, delivery: Delivery) -> Self {
        let bench = Self::new(receivers).await;
        let receivers = bench.integrations(receivers).delivering(delivery);
        bench.with.receivers.store(Arc::new(receivers));
        bench
    }

    async fn start(directory: tempfile::TempDir, receivers: &str, clock: Clock) -> Self {
        let receivers = integrations(directory.path(), receivers);
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let with = Dependencies {
            database: Database::open(&directory.path().join("outrigger.db"))
                .await
                .unwrap(),
            clock: clock.clone(),
            receivers: Arc::new(ArcSwap::from_pointee(receivers)),
            metrics,
            wake: Arc::new(Notify::new()),
            circuits: Circuits::default(),
            drain: Duration::from_secs(5),
            pictures: None,
            runbooks: None,
        };
        Self {
            directory,
            clock,
            registry,
            worker: Worker::new(with.clone()),
            with,
        }
    }

    fn integrations(&self, receivers: &str) -> Receivers {
        integrations(self.directory.path(), receivers)
    }

    /// A new process on the same file.
    async fn restart(self, receivers: &str) -> Self {
        let Self {
            directory, clock, ..
        } = self;
        Self::start(directory, receivers, clock).await
    }

    async fn write(&self, notification: Notification) {
        let row = outbox::OutboxRow {
            idempotency_key: Arc::clone(&notification.id),
            expires_at: None,
            integration: notification.integration.to_string().into(),
            notification,
        };
        let mut transaction = self.with.database.begin().await.unwrap();
        outbox::insert(&mut transaction, &[row]).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Moves time and sends what is then due.
    async fn after(&mut self, wait: Duration) {
        self.clock.advance(wait);
        self.worker.deliver_due().await;
    }

    /// The ledger's kinds, newest first.
    async fn ledger(&self) -> Vec<String> {
        let filter = LedgerFilter::default();
        let entries = ledger::recent(&self.with.database, &filter, 100).await;
        let kinds = entries.unwrap();
        kinds
            .iter()
            .map(|entry| entry.decision.to_string())
            .collect()
    }

    fn metric(&self, line: &str) -> String {
        let text = telemetry::metrics::encode(&self.registry).unwrap();
        let found = text.lines().find_map(|candidate| {
            candidate
                .strip_prefix(line)?
                .strip_prefix(' ')
                .map(str::to_owned)
        });
        found.unwrap_or_else(|| panic!("{line} is not in\n{text}"))
    }
}

/// The receivers of a file's text.
fn integrations(base: &Path, text: &str) -> Receivers {
    let diagnostics = Diagnostics::default();
    let document = document::parse("am.yml", text, &diagnostics).unwrap();
    let options = Options {
        upstream_only: false,
        signer: &LateSigner::default(),
        slack_threads: true,
        base,
        external_url: "http://out:9797",
        templates: &[],
        console: Console::Off,
        now: NOW,
    };
    let root = document.value(&diagnostics).fields().unwrap();
    let loaded = config::read(&root, &options, &diagnostics);
    root.finish();
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    loaded.integrations()
}

/// A notification with one firing alert to `receiver`'s first integration of a kind.
fn notification(id: &str, receiver: &str, kind: &str, group: &str, at: Timestamp) -> Notification {
    let mut notification = synthetic(NOW).remove(1);
    notification.id = id.into();
    notification.receiver = receiver.into();
    notification.integration.kind = kind.into();
    notification.group_key = group.into();
    notification.created_at = at;
    notification
}

fn hook(url: &str) -> String {
    format!("receivers:\n- name: team\n  webhook_configs: [{{url: '{url}'}}]\n")
}

fn webhook(id: &str) -> Notification {
    notification(id, "team", "webhook", "{}:{alertname=\"X\"}", NOW)
}

#[tokio::test]
async fn an_overloaded_receiver_is_left_alone_as_long_as_it_asks() {
    let busy = Answer::Send("429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    let recorder = Recorder::start(&[busy]).await;
    let mut bench = Bench::new(&hook(&recorder.url)).await;
    bench.write(webhook("1")).await;
    bench.after(Duration::ZERO).await;
    bench.after(Duration::from_millis(6900)).await;
    assert_eq!(recorder.requests().len(), 1);
    assert_eq!(bench.metric("outrigger_outbox_pending"), "1");
    assert_eq!(
        bench.metric("outrigger_outbox_oldest_pending_seconds"),
        "6.9"
    );
    bench.after(Duration::from_millis(200)).await;
    assert_eq!(recorder.requests().len(), 2);
    assert_eq!(bench.ledger().await, ["delivered: 200"]);
    assert_eq!(bench.metric(r#"outrigger_notifications_failed_total{receiver="team",integration="webhook",reason="rate_limited"}"#), "1");
    assert_eq!(bench.metric("outrigger_outbox_pending"), "0");
}

#[tokio::test]
async fn trouble_that_passes_is_outlasted() {
    let recorder = Recorder::start(&[
        Answer::Send("500 Oops\r\nContent-Length: 0\r\n\r\n"),
        Answer::Send("503 Busy\r\nContent-Length: 0\r\n\r\n"),
        Answer::CloseMidBody,
    ])
    .await;
    let mut bench = Bench::new(&hook(&recorder.url)).await;
    bench.write(webhook("1")).await;
    for _ in 0..4 {
        bench.after(Duration::from_secs(60)).await;
    }
    assert_eq!(recorder.requests().len(), 4);
    assert_eq!(bench.ledger().await, ["delivered: 200"]);
    let ids: Vec<String> = recorder
        .requests()
        .iter()
        .map(|request| request.header("x-outrigger-notification-id"))
        .collect();
    assert_eq!(ids, ["1"; 4], "a receiver can tell that it is the same one");
}

#[tokio::test]
async fn a_refusal_is_not_repeated_and_is_told() {
    let recorder = Recorder::start(&[Answer::Send(
        "400 Bad\r\nContent-Length: 9\r\n\r\nno thanks",
    )])
    .await;
    let mut bench = Bench::new(&hook(&recorder.url)).await;
    bench.after(Duration::ZERO).await;
    let failed = r#"outrigger_notifications_failed_total{receiver="team",integration="webhook",reason="client_error"}"#;
    assert_eq!(
        bench.metric(failed),
        "0",
        "an increase needs a zero before it"
    );
    bench.write(webhook("1")).await;
    bench.after(Duration::ZERO).await;
    assert_eq!(bench.metric(failed), "1");
    bench.after(Duration::from_secs(600)).await;
    assert_eq!(recorder.requests().len(), 1);
    assert_eq!(
        bench.ledger().await,
        ["not delivered, refused: client_error: answered 400: no thanks"]
    );
    assert_eq!(
        bench.metric(
            r#"outrigger_notifications_refused_total{receiver="team",integration="webhook"}"#
        ),
        "1"
    );
}

#[tokio::test]
async fn what_is_not_delivered_within_an_hour_is_given_up_and_told() {
    let receivers = hook("http://127.0.0.1:1/nobody");
    let mut bench = Bench::new(&receivers).await;
    bench.write(webhook("1")).await;
    for _ in 0..200 {
        bench.after(Duration::from_secs(30)).await;
    }
    let ledger = bench.ledger().await;
    assert_eq!(ledger.len(), 1);
    // The last error, or that the hour was over before the next attempt: the jitter decides which.
    assert!(
        ledger[0].starts_with("not delivered, gave up after retries: ")
            && ledger[0].contains("connection: "),
        "{ledger:?}"
    );
    assert_eq!(
        bench.metric(
            r#"outrigger_notifications_expired_total{receiver="team",integration="webhook"}"#
        ),
        "1"
    );
    // A process that was down longer than that does not send old news.
    bench.write(webhook("2")).await;
    bench.after(Duration::from_secs(1)).await;
    assert!(bench.ledger().await[0].contains("its time was over"));
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_nobody_else() {
    let hanging = Recorder::start(&[Answer::Hang; 50]).await;
    let healthy = Recorder::start(&[]).await;
    let bench = Bench::new(&format!(
        "receivers:\n- name: slow\n  webhook_configs: [{{url: '{}'}}]\n- name: fast\n  webhook_configs: [{{url: '{}'}}]\n",
        hanging.url, healthy.url
    ))
    .await;
    for i in 0..20 {
        let id = format!("slow-{i}");
        bench
            .write(notification(&id, "slow", "webhook", &id, NOW))
            .await;
    }
    for i in 0..20 {
        let id = format!("fast-{i}");
        bench
            .write(notification(
                &id,
                "fast",
                "webhook",
                &id,
                NOW + Duration::from_millis(1),
            ))
            .await;
    }
    bench.clock.advance(Duration::from_secs(1));
    let tasks = Tasks::new();
    let stop = tasks.stop_token().child_token();
    let worker = Worker::new(Dependencies {
        drain: Duration::from_millis(10),
        ..bench.with.clone()
    });
    let running = tasks.spawn("outbox", worker.run(stop.clone()));
    healthy.wait_for(20).await;
    // Until the last outcome is written.
    while outbox::backlog(&bench.with.database, NOW).waiting > 20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(hanging.requests().len(), 8, "its places, no more");
    stop.cancel();
    running.await.unwrap();
    let waiting = outbox::backlog(&bench.with.database, NOW).waiting;
    assert_eq!(
        waiting, 20,
        "those of the slow receiver remain for the next start"
    );
}

#[tokio::test]
async fn messages_of_one_group_keep_their_order_and_newer_news_replaces_older() {
    let recorder = Recorder::start(&[Answer::Send("500 Oops\r\nContent-Length: 0\r\n\r\n")]).await;
    let mut bench = Bench::new(&hook(&recorder.url)).await;
    bench.write(webhook("1")).await;
    let mut newer = webhook("2");
    newer.created_at = NOW + Duration::from_millis(10);
    bench.write(newer).await;
    bench.after(Duration::from_secs(1)).await;
    bench.after(Duration::from_secs(60)).await;
    let ids: Vec<String> = recorder
        .requests()
        .iter()
        .map(|request| request.header("x-outrigger-notification-id"))
        .collect();
    assert_eq!(ids, ["1", "2"]);
    assert_eq!(
        bench.ledger().await,
        ["delivered: 200", "superseded by notification 2"]
    );
}

#[tokio::test]
async fn what_was_under_way_when_the_process_died_is_sent_after_the_restart() {
    let recorder = Recorder::start(&[]).await;
    let receivers = hook(&recorder.url);
    let bench = Bench::new(&receivers).await;
    bench.write(webhook("1")).await;
    bench
        .write(notification("2", "team", "webhook", "other", NOW))
        .await;
    // Claimed, and then the process is gone.
    let claimed = outbox::claim(&bench.with.database, NOW, 1, &[])
        .await
        .unwrap();
    assert_eq!(claimed.len(), 1);
    let bench = bench.restart(&receivers).await;
    let tasks = Tasks::new();
    let stop = tasks.stop_token().child_token();
    let running = tasks.spawn("outbox", bench.worker.run(stop.clone()));
    recorder.wait_for(2).await;
    stop.cancel();
    running.await.unwrap();
    let mut ids: Vec<String> = recorder
        .requests()
        .iter()
        .map(|request| request.header("x-outrigger-notification-id"))
        .collect();
    ids.sort();
    assert_eq!(ids, ["1", "2"]);
    assert_eq!(outbox::backlog(&bench.with.database, NOW).waiting, 0);
}

#[tokio::test]
async fn a_receiver_that_is_no_longer_configured_is_told_in_the_ledger() {
    let mut bench = Bench::new(&hook("http://127.0.0.1:1/")).await;
    bench
        .write(notification("1", "gone", "webhook", "g", NOW))
        .await;
    bench.after(Duration::ZERO).await;
    assert_eq!(
        bench.ledger().await,
        ["not delivered, refused: gone: the receiver is no longer configured"]
    );
}
