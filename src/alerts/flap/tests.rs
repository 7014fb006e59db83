use super::super::config::tests::{routing, section};
use super::super::dispatch::tests::Simulation;
use super::super::limits::Limits;
use super::super::route::Routing;
use super::*;
use crate::model::notification::{Decision, Reason};

const ROUTES: &str = "route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 4h}";

fn config(text: &str) -> Result<FlapConfig, Vec<String>> {
    section(text, read)
}

fn with(text: &str) -> Routing {
    routing(ROUTES).unwrap().with_limits(Limits {
        flapping: config(&format!("flapping: {text}")).unwrap(),
        ..Limits::default()
    })
}

/// Fires and resolves in turn, every ten seconds, from `at` on.
fn flip(simulation: &mut Simulation, alert: &str, at: u32, times: u32) {
    for i in 0..times {
        simulation.until(f64::from(at + i * 10));
        if i % 2 == 0 {
            simulation.fire(alert);
        } else {
            simulation.resolve(alert);
        }
    }
}

/// What the annotation of the only alert said in each message that speaks of flapping.
fn words(simulation: &Simulation) -> Vec<String> {
    let all = simulation.notifications.iter();
    all.filter_map(|sent| sent.alerts[0].alert.annotations.get(ANNOTATION))
        .map(str::to_owned)
        .collect()
}

#[test]
fn an_alert_that_flaps_is_held_as_firing_and_said_once() {
    let mut simulation = Simulation::new(with("{}"));
    flip(&mut simulation, "Disk i=a", 0, 30);
    simulation.until(300.0);
    // Three times it is said to begin, the third time to flap; what follows is held.
    assert_eq!(
        simulation.sent,
        [
            "1 hook first_notification: +Disk[i=a]",
            "11 hook all_resolved: -Disk[i=a]",
            "21 hook first_notification: +Disk[i=a]",
            "31 hook all_resolved: -Disk[i=a]",
            "40 hook flapping: +Disk[i=a]",
        ]
    );
    assert_eq!(
        words(&simulation),
        ["is flapping: 4 changes in 30s, held as firing"]
    );
    let held = |entry: &&crate::db::ledger::LedgerEntry| {
        matches!(entry.decision, Decision::HeldFlapping { .. })
    };
    assert_eq!(simulation.disk.ledger.iter().filter(held).count(), 1);
    let (_, flapping) = simulation.dispatcher.calming();
    assert_eq!((flapping.len(), flapping[0].changes), (1, 29));
    // The last change was at 290 s; ten minutes later it is let go, and its end is told.
    simulation.until(2000.0);
    assert_eq!(simulation.sent[5..], ["890 hook all_resolved: -Disk[i=a]"]);
    assert_eq!(
        words(&simulation)[1..],
        ["no longer flapping: stable after 29 changes"]
    );
    assert!(simulation.disk.flapping.is_empty());
}

#[test]
fn one_that_ends_up_firing_is_said_to_be_stable() {
    let mut simulation = Simulation::new(with("{calm: 1m}"));
    flip(&mut simulation, "Disk i=a", 0, 7);
    simulation.until(500.0);
    assert_eq!(
        simulation.sent[4..],
        [
            "40 hook flapping: +Disk[i=a]",
            "120 hook flapping: +Disk[i=a]"
        ]
    );
    assert_eq!(
        words(&simulation)[1..],
        ["no longer flapping: stable after 6 changes"]
    );
    // It is an alert as ever.
    simulation.resolve("Disk i=a");
    simulation.until(600.0);
    assert_eq!(simulation.sent[6..], ["502 hook all_resolved: -Disk[i=a]"]);
}

#[test]
fn slow_changes_exempt_severities_and_settings_hold_nothing() {
    let check = |settings: &str, alert: &str, every: u32, want: usize| {
        let mut simulation = Simulation::new(with(settings));
        for i in 0..12 {
            simulation.until(f64::from(i * every));
            if i % 2 == 0 {
                simulation.fire(alert);
            } else {
                simulation.resolve(alert);
            }
        }
        simulation.until(f64::from(12 * every));
        assert_eq!(simulation.sent.len(), want, "{settings} {alert} {every}");
    };
    check("{}", "Disk", 10, 5);
    check("{}", "Disk", 301, 12);
    check("{}", "Disk severity=critical", 10, 12);
    check("{}", "Disk severity=Critical", 10, 12);
    check("{exempt_severity: ''}", "Disk severity=critical", 10, 5);
    check("{exempt_severity: info}", "Disk severity=info", 10, 12);
    check("{enabled: false}", "Disk", 10, 12);
    check("{changes: 6}", "Disk", 10, 7);
    check("{window: 25s}", "Disk", 10, 12);
}

#[test]
fn the_others_of_its_group_are_told_as_ever() {
    let mut simulation = Simulation::new(with("{}"));
    simulation.fire("Disk i=b");
    flip(&mut simulation, "Disk i=a", 0, 9);
    simulation.until(90.0);
    let told = simulation.sent.len();
    simulation.resolve("Disk i=b");
    simulation.fire("Disk i=c");
    simulation.until(100.0);
    assert_eq!(
        simulation.sent[told..],
        ["91 hook new_alerts: +Disk[i=a] -Disk[i=b] +Disk[i=c]"]
    );
}

#[test]
fn a_hold_survives_a_restart() {
    let mut simulation = Simulation::new(with("{}"));
    flip(&mut simulation, "Disk i=a", 0, 6);
    simulation.until(55.0);
    assert_eq!(simulation.sent.len(), 5);
    assert_eq!(simulation.disk.flapping.len(), 1);
    simulation.restart();
    // Its rule says that it ended, and that it begins again.
    simulation.resolve("Disk i=a");
    simulation.until(60.0);
    simulation.fire("Disk i=a");
    simulation.until(70.0);
    assert_eq!(simulation.sent.len(), 5);
    simulation.resolve("Disk i=a");
    simulation.until(1000.0);
    assert_eq!(simulation.sent[5..], ["671 hook all_resolved: -Disk[i=a]"]);
}

#[test]
fn an_end_by_time_alone_counts_too() {
    let alert = |starts: i64, ends: i64, now: i64| {
        let at = Timestamp::from_millis;
        Alert {
            labels: Labels::from_pairs([("alertname", "X")]),
            annotations: Labels::empty(),
            starts_at: at(starts),
            ends_at: at(ends),
            updated_at: at(now),
            generator_url: "".into(),
            value: None,
            course: crate::model::alert::Course::default(),
        }
    };
    let check = |previous: &Alert, next: &Alert, want: &[i64]| {
        let found = changes_between(previous, next, next.updated_at);
        let found: Vec<i64> = found.iter().map(|at| at.millis()).collect();
        assert_eq!(found, want);
    };
    check(&alert(0, 100, 0), &alert(0, 150, 50), &[]);
    check(&alert(0, 100, 0), &alert(0, 50, 50), &[50]);
    check(&alert(0, 100, 0), &alert(200, 300, 200), &[100, 200]);
    check(&alert(0, 100, 0), &alert(0, 100, 200), &[200]);
    check(&alert(0, 50, 50), &alert(60, 200, 60), &[60]);
    check(&alert(0, 50, 50), &alert(0, 50, 60), &[]);
}

#[test]
fn a_reload_without_holds_lets_go() {
    let mut simulation = Simulation::new(with("{}"));
    flip(&mut simulation, "Disk i=a", 0, 8);
    simulation.until(80.0);
    assert_eq!(simulation.sent.len(), 5);
    simulation.reload(with("{enabled: false}"));
    simulation.until(90.0);
    assert_eq!(simulation.sent[5..], ["82 hook all_resolved: -Disk[i=a]"]);
    assert_eq!(simulation.notifications[5].reason, Reason::AllResolved);
}

#[test]
fn what_comes_between_such_a_reload_and_the_next_flush_is_not_undone() {
    let mut simulation = Simulation::new(with("{}"));
    flip(&mut simulation, "Disk i=a", 0, 7);
    simulation.until(70.0);
    assert_eq!(simulation.sent.len(), 5);
    simulation.reload(with("{enabled: false}"));
    // It fired when the routes changed.
    simulation.resolve("Disk i=a");
    simulation.until(1000.0);
    assert_eq!(simulation.sent[5..], ["72 hook all_resolved: -Disk[i=a]"]);
}

#[test]
fn that_an_acked_alert_flaps_is_no_news_until_its_ack_ends() {
    let check = |steps: &[&str], want: &[&str]| {
        let mut simulation = Simulation::new(with("{changes: 3, calm: 1m}"));
        flip(&mut simulation, "Disk i=a", 0, 3);
        simulation.step("22 ack alertname=Disk", &[]);
        simulation.step("30 resolve Disk i=a", &[]);
        assert_eq!(simulation.disk.flapping.len(), 1, "it is held");
        for step in steps {
            simulation.step(step, &[]);
        }
        simulation.until(500.0);
        assert_eq!(simulation.sent[3..], *want, "{steps:?}");
    };
    check(&[], &["91 hook all_resolved: -Disk[i=a]"]);
    check(
        &["40.5 unack"],
        &[
            "41 hook flapping: +Disk[i=a]",
            "91 hook all_resolved: -Disk[i=a]",
        ],
    );
    // It ends up firing: neither that it flapped nor that it ceased to is told.
    check(
        &["40.5 fire Disk i=a", "200.5 resolve Disk i=a"],
        &["201 hook all_resolved: -Disk[i=a]"],
    );
}

#[test]
fn settings_that_cannot_be_are_refused() {
    for text in [
        "flapping: {changes: 1}",
        "flapping: {window: 0s}",
        "flapping: {exempt_severity: '('}",
        "flapping: {for: x}",
    ] {
        assert_eq!(config(text).expect_err(text).len(), 1, "{text}");
    }
}

#[test]
fn an_alert_whose_rule_is_edited_over_and_over_does_not_flap() {
    let at = |second: i64| Timestamp::from_millis(second * 1000);
    let check = |withdrawn: bool, flaps: bool| {
        let mut all = Flaps::default();
        let mut previous: Option<Arc<Alert>> = None;
        for second in 0..10 {
            let ends = second % 2 == 1;
            let mut alert = Alert {
                labels: Labels::from_pairs([("alertname", "Disk")]),
                annotations: Labels::empty(),
                starts_at: at(second - i64::from(ends)),
                ends_at: at(if ends { second } else { 1_000 }),
                updated_at: at(second),
                generator_url: "".into(),
                value: None,
                course: Default::default(),
            };
            alert.course.withdrawn = ends && withdrawn;
            let (config, alert) = (FlapConfig::default(), Arc::new(alert));
            all.observe(
                &config,
                previous.as_deref(),
                Arc::clone(&alert),
                false,
                at(second),
            );
            previous = Some(alert);
        }
        let labels = Labels::from_pairs([("alertname", "Disk")]);
        assert_eq!(all.held(&labels).is_some(), flaps, "withdrawn: {withdrawn}");
    };
    check(false, true);
    check(true, false);
}
