use super::super::config::tests::{routing, section};
use super::super::dispatch::tests::Simulation;
use super::super::limits::Limits;
use super::super::route::Routing;
use super::super::storm::StormConfig;
use super::*;
use crate::model::notification::Decision;

fn config(text: &str) -> Result<ThrottleConfig, Vec<String>> {
    section(text, read)
}

#[test]
fn the_first_rule_that_matches_limits_and_critical_is_exempt() {
    let check = |text: &str, receiver: &str, severity: &str, want: Option<u32>| {
        let config = config(text).unwrap();
        assert_eq!(
            config.limit(receiver, severity).map(|rule| rule.burst),
            want,
            "{text} {receiver} {severity}"
        );
    };
    check("", "team", "warning", Some(20));
    check("", "team", "", Some(20));
    check("", "team", "critical", None);
    check("throttle: {enabled: false}", "team", "warning", None);
    check(
        "throttle: {exempt_severity: ''}",
        "team",
        "critical",
        Some(20),
    );
    check(
        "throttle: {exempt_severity: 'page|critical'}",
        "team",
        "page",
        None,
    );
    let rules = "throttle: {rules: [{receiver: ops-.*, severity: info, burst: 2}, {receiver: ops-.*, burst: 5}]}";
    check(rules, "ops-a", "info", Some(2));
    check(rules, "ops-a", "warning", Some(5));
    check(rules, "dev", "info", Some(20));
}

#[test]
fn severities_of_one_word_share_a_bucket() {
    let mut simulation = Simulation::new(calm(EACH));
    for i in 0..30 {
        let severity = ["warning", "Warning", "WARNING"][i % 3];
        simulation.fire(&format!("Storm i={i} severity={severity}"));
    }
    for i in 0..5 {
        simulation.fire(&format!("Storm i={i} severity=CRITICAL"));
    }
    simulation.until(200.0);
    assert_eq!(simulation.notifications.len(), 20 + 5 + 1);
    let digest = simulation.notifications[25].digest.as_ref().unwrap();
    assert_eq!((&*digest.severity, digest.groups.len()), ("warning", 10));
}

#[test]
fn limits_that_cannot_be_are_refused() {
    for text in [
        "throttle: {rules: [{burst: 0}]}",
        "throttle: {rules: [{refill_interval: 0s}]}",
        "throttle: {rules: [{receiver: '('}]}",
        "throttle: {exempt_severity: '['}",
        "throttle: {rule: []}",
    ] {
        assert_eq!(config(text).expect_err(text).len(), 1, "{text}");
    }
}

/// The routing without storms.
fn calm(text: &str) -> Routing {
    routing(text).unwrap().with_limits(Limits {
        storm: StormConfig::disabled(),
        ..Limits::default()
    })
}

/// A route that makes every alert a group.
const EACH: &str = "route: {receiver: hook, group_by: [...], group_wait: 1s, group_interval: 5m, repeat_interval: 4h}";

fn storm(simulation: &mut Simulation, count: usize, severity: &str) {
    for i in 0..count {
        simulation.fire(&format!("Storm{} i={i} severity={severity}", i % 2));
    }
}

#[test]
fn what_exceeds_the_limit_is_gathered_into_one_digest() {
    let mut simulation = Simulation::new(calm(EACH));
    storm(&mut simulation, 200, "warning");
    simulation.until(10.0);
    assert_eq!(simulation.notifications.len(), 20);
    simulation.until(60.0);
    assert_eq!(
        simulation.notifications.len(),
        20,
        "the digest waits for its interval"
    );
    simulation.until(200.0);
    assert_eq!(simulation.notifications.len(), 21);
    let notification = simulation.notifications.last().unwrap();
    assert_eq!(notification.reason, Reason::Digest);
    let digest = notification.digest.as_ref().unwrap();
    assert_eq!((notification.alerts.len(), digest.groups.len()), (180, 180));
    let counts: Vec<_> = digest
        .counts
        .iter()
        .map(|count| (count.name.as_str(), count.firing))
        .collect();
    assert_eq!(counts, [("Storm0", 90), ("Storm1", 90)]);
    assert_eq!(digest.first, Some(0));
    // Each one is findable, with the digest's id.
    let throttled = simulation.disk.ledger.iter().filter(|entry| {
        entry.decision
            == Decision::Throttled {
                digest: Arc::clone(&notification.id),
            }
    });
    assert_eq!(throttled.count(), 180);
    // The news were told: nothing follows until something changes.
    simulation.until(3600.0);
    assert_eq!(simulation.notifications.len(), 21);
}

#[test]
fn critical_alerts_are_not_throttled() {
    let mut simulation = Simulation::new(routing(EACH).unwrap());
    storm(&mut simulation, 200, "critical");
    simulation.until(10.0);
    assert_eq!(simulation.notifications.len(), 200);
}

#[test]
fn tokens_come_back_one_by_one() {
    let mut simulation = Simulation::new(routing(EACH).unwrap());
    storm(&mut simulation, 20, "info");
    simulation.until(30.5);
    assert_eq!(simulation.notifications.len(), 20);
    // Spent at 1 s; one is back 30 s later.
    simulation.until(30.9);
    simulation.fire("Late i=1 severity=info since 0");
    simulation.flush();
    assert_eq!(simulation.notifications.len(), 20, "still empty");
    simulation.until(91.0);
    assert_eq!(
        simulation.notifications.len(),
        21,
        "a digest of one, after its interval"
    );
    simulation.until(200.0);
    simulation.fire("Later i=1 severity=info since 0");
    simulation.flush();
    assert_eq!(simulation.notifications.len(), 22);
    assert_eq!(
        simulation.notifications[21].reason,
        Reason::FirstNotification
    );
}

#[test]
fn an_end_in_a_digest_that_goes_out_as_its_group_is_flushed_is_told_again_where_it_fails() {
    let mut config = ThrottleConfig::default();
    config.rules[0].burst = 1;
    let by_name = "route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 4h}";
    let mut simulation = Simulation::new(routing(by_name).unwrap().with_throttle(config));
    simulation.fire("Down severity=info");
    simulation.until(3.5);
    simulation.resolve("Down severity=info");
    // Held back from 5 s on, so sent at 65 s: the group is flushed at that very instant.
    simulation.step("64.5 receiver down", &[]);
    simulation.step("66 expire", &[]);
    simulation.step("66 receiver up", &[]);
    simulation.until(200.0);
    let digest = |at: &str| format!("{at} hook digest: -Down[severity=info]");
    assert_eq!(simulation.sent[1..], [digest("65"), digest("127")]);
}

#[test]
fn a_digest_survives_a_restart_and_lists_what_ended_meanwhile() {
    let mut simulation = Simulation::new(routing(EACH).unwrap());
    storm(&mut simulation, 30, "warning");
    simulation.until(2.0);
    assert_eq!(simulation.notifications.len(), 20);
    simulation.restart();
    storm(&mut simulation, 30, "warning");
    simulation.until(400.0);
    assert_eq!(simulation.notifications.len(), 21);
    assert_eq!(simulation.notifications[20].alerts.len(), 10);
}

#[test]
fn what_turns_critical_leaves_its_digest_and_is_told_at_once() {
    let by_name = "route: {receiver: hook, group_by: [g], group_wait: 1s, group_interval: 2s, repeat_interval: 4h}";
    let mut simulation = Simulation::new(routing(by_name).unwrap());
    for i in 0..22 {
        simulation.fire(&format!("Disk g={i} severity=warning"));
    }
    simulation.until(2.0);
    assert_eq!(simulation.notifications.len(), 20);
    let waiting = simulation.groups_in_digests();
    assert_eq!(waiting.len(), 2);
    let group = &waiting[0];
    simulation.fire(&format!("Full g={group} severity=critical"));
    simulation.until(4.0);
    assert_eq!(simulation.notifications.len(), 21);
    let told = &simulation.notifications[20];
    assert_eq!(
        (told.reason, told.alerts.len()),
        (Reason::FirstNotification, 2)
    );
    simulation.until(70.0);
    assert_eq!(simulation.notifications.len(), 22);
    assert_eq!(
        simulation.notifications[21].alerts.len(),
        1,
        "the other one stayed"
    );
    simulation.until(1000.0);
    assert_eq!(simulation.notifications.len(), 22);
}

#[test]
fn a_digest_on_its_way_keeps_its_other_groups_when_one_of_them_changes() {
    let by_group = "route: {receiver: hook, group_by: [g], group_wait: 1s, group_interval: 2s, repeat_interval: 4h}";
    let mut simulation = Simulation::new(calm(by_group));
    simulation.step("0 receiver down", &[]);
    for i in 0..24 {
        simulation.fire(&format!("Disk g={i} severity=warning"));
    }
    simulation.until(2.0);
    let waiting = simulation.groups_in_digests();
    simulation.until(100.0);
    assert_eq!(simulation.notifications.len(), 21);
    let groups = |notification: &Notification| {
        let digest = notification.digest.as_ref().unwrap();
        (
            notification.alerts.len(),
            digest.groups.len(),
            digest.counts[0].firing,
        )
    };
    assert_eq!(groups(&simulation.notifications[20]), (4, 4, 4));
    // One of them ends, one gets another alert.
    simulation.resolve(&format!("Disk g={} severity=warning", waiting[0]));
    simulation.fire(&format!("Memory g={} severity=warning", waiting[1]));
    simulation.until(110.0);
    assert_eq!(groups(&simulation.notifications[20]), (2, 2, 2));
    assert_eq!(simulation.notifications.len(), 22);
    let (told, reason) = (
        &simulation.notifications[21].alerts,
        simulation.notifications[21].reason,
    );
    assert_eq!((told.len(), reason), (2, Reason::FirstNotification));
    simulation.step("120 receiver up", &[]);
    simulation.until(600.0);
    assert_eq!(simulation.notifications.len(), 22, "the others were told");
}
