use super::super::config::tests::routing;
use super::*;
use crate::db::alert_state;
use crate::db::ledger::LedgerFilter;
use crate::db::outbox::Outcome;
use crate::model::labels::Labels;
use crate::model::silence::Silence;
use crate::tasks::Tasks;

const ROUTE: &str =
    "route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}";

fn alert(name: &str, clock: &Clock, ends: bool) -> Alert {
    let now = clock.now();
    Alert {
        labels: Labels::from_pairs([("alertname", name), ("severity", "critical")]),
        annotations: Labels::from_pairs([("summary", "s")]),
        starts_at: Timestamp::from_millis(1_000_000_000),
        ends_at: if ends {
            now
        } else {
            now + Duration::from_secs(3600)
        },
        updated_at: now,
        generator_url: "http://x/".into(),
        value: Some(1.0),
        course: crate::model::alert::Course::default(),
    }
}

struct Running {
    sink: AlertSink,
    database: Database,
    woken: Arc<Notify>,
    tasks: Tasks,
}

async fn start(directory: &Path, clock: &Clock) -> Running {
    start_with(ROUTE, directory, clock).await
}

async fn start_with(route: &str, directory: &Path, clock: &Clock) -> Running {
    let database = Database::open(&directory.join("outrigger.db"))
        .await
        .unwrap();
    let woken = Arc::new(Notify::new());
    let deps = Deps {
        database: database.clone(),
        clock: clock.clone(),
        metrics: Metrics::default(),
        outbox: Arc::clone(&woken),
    };
    let routing = Arc::new(routing(route).unwrap());
    let (sink, runner) = build(Config::default(), routing, deps).await.unwrap();
    let tasks = Tasks::new();
    tasks.spawn("alerts", runner.run(tasks.stop_token()));
    Running {
        sink,
        database,
        woken,
        tasks,
    }
}

use std::path::Path;

impl Running {
    async fn end(self) {
        self.tasks.stop();
        assert_eq!(self.tasks.drain(Duration::from_secs(5)).await, [""; 0]);
        self.database.close().await;
    }
}

/// Takes what is due, behind what is being written.
async fn claim(running: &Running, clock: &Clock) -> Vec<outbox::Claimed> {
    drop(running.database.begin().await.unwrap());
    let claimed = outbox::claim(&running.database, clock.now(), 10, &[]).await;
    claimed.unwrap()
}

#[tokio::test]
async fn an_alert_becomes_a_row_in_the_outbox_and_wakes_its_worker() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::from_millis(1_000_000_000));
    let running = start(directory.path(), &clock).await;
    running
        .sink
        .send(vec![alert("A", &clock, false), alert("B", &clock, false)])
        .await
        .unwrap();
    running.woken.notified().await;
    let claimed = claim(&running, &clock).await;
    assert_eq!(claimed.len(), 2);
    let snapshot = running.sink.snapshot().await.unwrap();
    assert_eq!(snapshot.groups.len(), 2);
    assert_eq!(&*snapshot.groups[0].receiver, "hook");
    let ledger = ledger::recent(&running.database, &LedgerFilter::default(), 10)
        .await
        .unwrap();
    assert_eq!(ledger.len(), 2);
    running.end().await;
}

#[tokio::test]
async fn a_process_that_dies_and_comes_back_tells_each_thing_once() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::from_millis(1_000_000_000));
    let running = start(directory.path(), &clock).await;
    running
        .sink
        .send(vec![alert("A", &clock, false)])
        .await
        .unwrap();
    running.woken.notified().await;
    // It dies while the message is being sent.
    assert_eq!(claim(&running, &clock).await.len(), 1);
    running.end().await;

    clock.advance(Duration::from_secs(60));
    let running = start(directory.path(), &clock).await;
    let backlog = outbox::backlog(&running.database, clock.now());
    assert_eq!(backlog.waiting, 1);
    running
        .sink
        .send(vec![alert("A", &clock, false)])
        .await
        .unwrap();
    running.sink.snapshot().await.unwrap();
    let claimed = claim(&running, &clock).await;
    assert_eq!(claimed.len(), 1, "the same message, once");
    let delivered = Outcome::Delivered {
        status: "200".to_owned(),
        sent: None,
    };
    outbox::finish(
        &running.database,
        &[(claimed[0].notification.clone(), delivered)],
        clock.now(),
    )
    .await
    .unwrap();

    // The end is told once too, also where it is handed in again after another start.
    clock.advance(Duration::from_secs(60));
    running
        .sink
        .send(vec![alert("A", &clock, true)])
        .await
        .unwrap();
    running.woken.notified().await;
    let end = alert("A", &clock, true);
    running.end().await;
    let running = start(directory.path(), &clock).await;
    running.sink.send(vec![end]).await.unwrap();
    running.sink.snapshot().await.unwrap();
    let claimed = claim(&running, &clock).await;
    assert_eq!(claimed.len(), 1);
    assert!(!claimed[0].notification.is_firing());
    running.end().await;
}

#[tokio::test]
async fn a_full_queue_makes_senders_wait_and_counts_it() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::from_millis(1_000_000_000));
    let database = Database::open(&directory.path().join("o.db"))
        .await
        .unwrap();
    let metrics = Metrics::default();
    let deps = Deps {
        database,
        clock: clock.clone(),
        metrics: metrics.clone(),
        outbox: Arc::new(Notify::new()),
    };
    let config = Config {
        queue: 1,
        ..Config::default()
    };
    let (sink, runner) = build(config, Arc::new(routing(ROUTE).unwrap()), deps)
        .await
        .unwrap();
    sink.send(vec![alert("A", &clock, false)]).await.unwrap();
    let second = sink.send(vec![alert("B", &clock, false)]);
    let tasks = Tasks::new();
    let run = async {
        tokio::task::yield_now().await;
        tasks.spawn("alerts", runner.run(tasks.stop_token()));
    };
    let (sent, ()) = tokio::join!(second, run);
    sent.unwrap();
    assert_eq!(sink.snapshot().await.unwrap().groups.len(), 2);
    assert_eq!((metrics.queue_full.get(), metrics.received.get()), (1, 2));
    tasks.stop();
    tasks.drain(Duration::from_secs(5)).await;
    assert_eq!(
        sink.send(vec![alert("A", &clock, false)]).await,
        Err(Closed)
    );
}

#[tokio::test]
async fn a_silence_is_on_the_disk_when_it_is_answered_for() {
    use crate::alerts::matchers;
    use crate::alerts::run::silences::ChangeError;
    use crate::alerts::silence::{SilenceError, SilenceRequest};

    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::from_millis(1_000_000_000));
    let running = start(directory.path(), &clock).await;
    let request = SilenceRequest {
        id: None,
        matchers: matchers::parse(r#"alertname=~"A|B", "größe"!="1""#).unwrap(),
        starts_at: None,
        ends_at: clock.now() + Duration::from_secs(60),
        created_by: "ann".to_owned(),
        comment: "work".to_owned(),
        annotations: [("ticket".to_owned(), "7".to_owned())].into(),
    };
    let id = running.sink.set_silence(request).await.unwrap();
    let missing = running.sink.expire_silence("x".to_owned()).await;
    assert!(matches!(
        missing,
        Err(ChangeError::Refused(SilenceError::NotFound))
    ));
    let shown = running.sink.silence(id.to_string()).await.unwrap().unwrap();
    assert_eq!(
        stored_silences::load(&running.database).await.unwrap(),
        [Silence::clone(&shown)]
    );
    // Another process finds it.
    running.end().await;
    let running = start(directory.path(), &clock).await;
    running
        .sink
        .send(vec![alert("A", &clock, false), alert("C", &clock, false)])
        .await
        .unwrap();
    let firing = running.sink.firing().await.unwrap();
    for (alert, receivers) in firing {
        let silenced = alert.alert.name() == "A";
        assert_eq!(alert.silenced_by.first(), silenced.then_some(&id));
        assert_eq!(*receivers, [Arc::<str>::from("hook")]);
    }
    // Long after its end nothing of it is left.
    clock.advance(Retention::default().silences + Duration::from_secs(61));
    prune(&running.database, &Config::default(), clock.now())
        .await
        .unwrap();
    assert_eq!(stored_silences::load(&running.database).await.unwrap(), []);
    running.end().await;
}

#[tokio::test]
async fn what_was_posted_and_the_time_it_waits_for_outlive_the_process() {
    const WAITING: &str =
        "route: {receiver: hook, group_by: [alertname], group_wait: 30s, group_interval: 5m}";
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::from_millis(1_000_000_000));
    let posted = |ends| {
        vec![Posted {
            alert: alert("A", &clock, ends),
            assumed_end: !ends,
        }]
    };
    let due = |groups: &Snapshot| groups.groups[0].next_flush;
    let told = async |running: &Running| {
        running.sink.open().await.unwrap();
        running.sink.snapshot().await.unwrap();
        let database = &running.database;
        let claimed = claim(running, &clock).await;
        let delivered = Outcome::Delivered {
            status: "200".to_owned(),
            sent: None,
        };
        let ended = |claimed: &outbox::Claimed| (claimed.notification.clone(), delivered.clone());
        let outcomes: Vec<_> = claimed.iter().map(ended).collect();
        outbox::finish(database, &outcomes, clock.now())
            .await
            .unwrap();
        let firing = outcomes.iter().map(|(told, _)| told.is_firing());
        firing.collect::<Vec<bool>>()
    };
    let running = start_with(WAITING, directory.path(), &clock).await;
    running.sink.post(posted(false)).await.unwrap();
    let stored = alert_state::load(&running.database).await.unwrap();
    assert_eq!((stored.posted.len(), stored.timers.len()), (1, 1));
    let at = due(&running.sink.snapshot().await.unwrap());
    assert_eq!(at, clock.now() + Duration::from_secs(30));

    // Not at the end of another wait, and once.
    clock.advance(Duration::from_secs(20));
    running.end().await;
    let running = start_with(WAITING, directory.path(), &clock).await;
    assert_eq!(due(&running.sink.snapshot().await.unwrap()), at);
    running.sink.post(posted(false)).await.unwrap();
    assert_eq!(due(&running.sink.snapshot().await.unwrap()), at);
    clock.advance(Duration::from_secs(10));
    assert_eq!(told(&running).await, [true]);
    let next = at + Duration::from_secs(300);
    running.end().await;
    let running = start_with(WAITING, directory.path(), &clock).await;
    assert_eq!(due(&running.sink.snapshot().await.unwrap()), next);
    assert_eq!(told(&running).await, [false; 0]);

    // Its end is told, and then nothing is kept of it.
    running.sink.post(posted(true)).await.unwrap();
    clock.advance(Duration::from_secs(300));
    assert_eq!(told(&running).await, [false]);
    clock.advance(Duration::from_secs(300));
    assert_eq!(told(&running).await, [false; 0]);
    let stored = alert_state::load(&running.database).await.unwrap();
    assert!(stored.is_empty(), "{stored:?}");
    running.end().await;
}

#[tokio::test]
async fn what_cannot_be_written_is_not_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::from_millis(1_000_000_000));
    let running = start(directory.path(), &clock).await;
    let posted = Posted {
        alert: alert("A", &clock, false),
        assumed_end: true,
    };
    running.database.close().await;
    assert_eq!(
        running.sink.post(vec![posted]).await,
        Err(PostError::Unwritten(Unwritten))
    );
    running.end().await;
}
