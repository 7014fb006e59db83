use super::super::config::tests::{routing, section};
use super::super::dispatch::tests::Simulation;
use super::super::limits::Limits;
use super::super::route::Routing;
use super::super::throttle::ThrottleConfig;
use super::*;
use crate::model::notification::{Decision, Notification, Reason};

/// A route that makes every alert a group.
const EACH: &str = "route: {receiver: hook, group_by: [...], group_wait: 1s, group_interval: 5m, repeat_interval: 4h}";

fn config(text: &str) -> Result<StormConfig, Vec<String>> {
    section(text, read)
}

/// A routing with this `storm:` and no token buckets.
fn stormy(text: &str) -> Routing {
    routing(EACH).unwrap().with_limits(Limits {
        throttle: ThrottleConfig::disabled(),
        storm: config(&format!("storm: {text}")).unwrap(),
        ..Limits::default()
    })
}

fn fire(simulation: &mut Simulation, numbers: std::ops::Range<usize>, severity: &str) {
    for i in numbers {
        simulation.fire(&format!("Kind{} i={i} severity={severity}", i % 4));
    }
}

/// The storm's messages: seconds, stage, alerts in the storm, kinds, alerts in the message.
fn summaries(simulation: &Simulation) -> Vec<(&str, u64, u64, usize)> {
    let of = |notification: &Notification| {
        let news = notification.digest.as_ref()?.storm.as_ref()?;
        Some((news.stage.as_str(), news.alerts, news.kinds, 0))
    };
    let all = simulation.notifications.iter();
    all.filter(|notification| notification.reason == Reason::Storm)
        .filter_map(|notification| {
            of(notification).map(|news| (news.0, news.1, news.2, notification.alerts.len()))
        })
        .collect()
}

#[test]
fn a_storm_is_one_message_at_first_then_one_each_interval_then_over() {
    let mut simulation = Simulation::new(stormy("{alerts: 100}"));
    fire(&mut simulation, 0..312, "warning");
    simulation.until(30.0);
    // Until it is known for one, each group has its message.
    assert_eq!(simulation.notifications.len(), 99 + 1);
    assert_eq!(summaries(&simulation), [("began", 312, 4, 213)]);
    assert_eq!(
        simulation.sent.last().unwrap().split(':').next(),
        Some("11 hook storm")
    );
    simulation.until(100.0);
    fire(&mut simulation, 312..340, "warning");
    simulation.until(310.0);
    assert_eq!(simulation.notifications.len(), 100);
    simulation.until(320.0);
    assert_eq!(summaries(&simulation)[1..], [("goes_on", 340, 4, 28)]);
    // What is told is told: no repetition, and no message where nothing is gathered.
    simulation.until(600.0);
    assert_eq!(summaries(&simulation).len(), 2);
    simulation.until(602.0);
    assert_eq!(summaries(&simulation)[2..], [("over", 340, 4, 0)]);
    assert!(simulation.disk.storms.is_empty());
    // Then messages are as ever.
    fire(&mut simulation, 400..402, "warning");
    simulation.until(700.0);
    assert_eq!(simulation.notifications.len(), 102 + 2);
    // Every alert has an entry that names its message.
    let ids: Vec<_> = simulation
        .notifications
        .iter()
        .map(|sent| &sent.id)
        .collect();
    let named = |entry: &&crate::db::ledger::LedgerEntry| {
        entry.labels.is_some()
            && matches!(&entry.decision, Decision::HeldInStorm { digest } if ids.contains(&digest))
    };
    let held = simulation.disk.ledger.iter().filter(named).count();
    assert_eq!(held, 213 + 28);
}

#[test]
fn a_storm_goes_on_while_half_as_many_begin() {
    let mut simulation =
        Simulation::new(stormy("{alerts: 10, window: 1m, interval: 1m, calm: 150s}"));
    fire(&mut simulation, 0..10, "warning");
    for minute in 1..10 {
        simulation.until(f64::from(minute) * 60.0);
        let from = usize::try_from(minute).unwrap() * 100;
        fire(&mut simulation, from..from + 3, "warning");
    }
    simulation.until(2000.0);
    let all = summaries(&simulation);
    assert_eq!(all.last().map(|last| (last.0, last.1)), Some(("over", 37)));
    assert_eq!(all.len(), 11, "{all:?}");
    assert_eq!(all.iter().map(|sent| sent.3).sum::<usize>(), 28);
    let over = simulation.sent.last().unwrap();
    assert!(over.starts_with("631 "), "{over}");
}

#[test]
fn critical_alerts_neither_wait_nor_count() {
    let mut simulation = Simulation::new(stormy("{alerts: 10}"));
    fire(&mut simulation, 0..50, "critical");
    simulation.until(5.0);
    assert_eq!(simulation.notifications.len(), 50);
    fire(&mut simulation, 50..70, "warning");
    fire(&mut simulation, 70..75, "Critical");
    simulation.until(8.0);
    assert_eq!(simulation.notifications.len(), 50 + 9 + 5);
    let mut simulation = Simulation::new(stormy("{alerts: 10, exempt_severity: ''}"));
    fire(&mut simulation, 0..50, "critical");
    simulation.until(60.0);
    assert_eq!(summaries(&simulation), [("began", 50, 4, 41)]);
}

#[test]
fn silenced_and_known_alerts_begin_no_storm() {
    let mut simulation = Simulation::new(stormy("{alerts: 10}"));
    simulation.silence("alertname=~\"Kind.*\" for 1000");
    fire(&mut simulation, 0..50, "warning");
    simulation.until(20.0);
    assert_eq!(simulation.sent, [""; 0]);
    simulation.until(0.0);
    let mut simulation = Simulation::new(stormy("{alerts: 10}"));
    fire(&mut simulation, 0..9, "warning");
    simulation.until(10.0);
    // The same ones, sent again by their rules after a restart, and one more.
    simulation.restart();
    fire(&mut simulation, 0..10, "warning");
    simulation.until(60.0);
    assert_eq!(simulation.notifications.len(), 10);
    assert!(simulation.disk.storms.is_empty());
}

#[test]
fn a_storm_survives_a_restart_and_an_operator_ends_it() {
    let mut simulation = Simulation::new(stormy("{alerts: 10}"));
    fire(&mut simulation, 0..30, "warning");
    simulation.until(2.0);
    simulation.restart();
    fire(&mut simulation, 0..40, "warning");
    simulation.until(30.0);
    assert_eq!(summaries(&simulation), [("began", 40, 4, 31)]);
    fire(&mut simulation, 40..45, "warning");
    simulation.until(60.0);
    assert_eq!(simulation.notifications.len(), 10);
    assert!(simulation.dispatcher.end_storm("hook", simulation.now()));
    assert!(!simulation.dispatcher.end_storm("other", simulation.now()));
    simulation.flush();
    assert_eq!(summaries(&simulation)[1..], [("over", 45, 4, 5)]);
    fire(&mut simulation, 45..48, "warning");
    simulation.until(70.0);
    assert_eq!(simulation.notifications.len(), 11 + 3);
}

#[test]
fn a_reload_without_storms_ends_them() {
    let mut simulation = Simulation::new(stormy("{alerts: 10}"));
    fire(&mut simulation, 0..30, "warning");
    simulation.until(20.0);
    fire(&mut simulation, 30..35, "warning");
    simulation.until(25.0);
    simulation.reload(stormy("{enabled: false}"));
    simulation.flush();
    assert_eq!(summaries(&simulation)[1..], [("over", 35, 4, 5)]);
}

#[test]
fn what_waits_in_a_digest_is_told_with_the_storm_that_follows() {
    let limits = Limits {
        storm: config("storm: {alerts: 50}").unwrap(),
        ..Limits::default()
    };
    let mut simulation = Simulation::new(routing(EACH).unwrap().with_limits(limits));
    fire(&mut simulation, 0..200, "warning");
    simulation.until(299.0);
    assert_eq!(simulation.notifications.len(), 21);
    assert_eq!(summaries(&simulation), [("began", 200, 4, 180)]);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    for text in [
        "storm: {alerts: 1}",
        "storm: {window: 0s}",
        "storm: {calm: soon}",
        "storm: {exempt_severity: '('}",
        "storm: {receivers: x}",
    ] {
        assert_eq!(config(text).expect_err(text).len(), 1, "{text}");
    }
}
