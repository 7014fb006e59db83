//! Timelines: what is handed in and what befalls, and what people are told because of it.

use super::super::super::route::{IntegrationInfo, Receiver, ReceiverInfo};
use super::*;
use crate::model::notification::Decision;

/// Plays a timeline against the first configuration; `reload N` takes another one.
pub(super) fn play(configs: &[&str], timeline: &str) -> Simulation {
    let mut simulation = Simulation::new(routing(configs[0]).unwrap());
    for line in timeline
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        simulation.step(line, configs);
    }
    simulation
}

pub(super) fn check(configs: &[&str], timeline: &str, want: &str) -> Simulation {
    let simulation = play(configs, timeline);
    let want: Vec<&str> = want
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(simulation.sent, want, "{timeline}");
    simulation
}

#[test]
fn one_group_from_first_alert_to_all_resolved() {
    check(
        &[ONE],
        "0 fire Down i=a
         1.8 fire Down i=b
         4 resolve Down i=a
         8 resolve Down i=b
         14",
        "1 hook first_notification: +Down[i=a]
         3 hook new_alerts: +Down[i=a] +Down[i=b]
         5 hook new_resolved: -Down[i=a] +Down[i=b]
         9 hook all_resolved: -Down[i=b]",
    );
}

#[test]
fn a_group_of_old_alerts_does_not_wait() {
    check(
        &[ONE],
        "10 fire Down since 8.9
         20 fire Up since 19",
        "10 hook first_notification: +Down",
    );
    check(
        &["route: {receiver: hook, group_wait: 0s}"],
        "10 fire Down",
        "10 hook first_notification: +Down",
    );
}

#[test]
fn unchanged_groups_are_told_again_after_the_repeat_interval_only() {
    let config = "route: {receiver: hook, group_by: [alertname], group_wait: 500ms, group_interval: 2s, repeat_interval: 5s}";
    check(
        &[config],
        "0 fire R i=1; S i=1
         9.5 fire R i=2
         15",
        "0.5 hook first_notification: +R[i=1]
         0.5 hook first_notification: +S[i=1]
         6.5 hook repeat: +R[i=1]
         6.5 hook repeat: +S[i=1]
         10.5 hook new_alerts: +R[i=1] +R[i=2]
         12.5 hook repeat: +S[i=1]",
    );
}

#[test]
fn alerts_that_come_and_go_between_flushes_are_not_told() {
    let simulation = check(
        &[ONE],
        "0 fire Down
         0.5 resolve Down
         10",
        "",
    );
    assert_eq!(simulation.decisions("Down"), ["never_told"]);
    assert!(simulation.dispatcher.groups.is_empty());
    // And one that is over and fires again before the flush was never over.
    check(
        &[ONE],
        "0 fire Down
         2 resolve Down
         2.5 fire Down
         10",
        "1 hook first_notification: +Down",
    );
}

#[test]
fn an_end_that_is_sent_again_and_again_is_told_once() {
    let simulation = check(
        &[ONE],
        "0 fire Down
         2 resolve Down
         4 resolve Down
         6 resolve Down
         8 resolve Down
         20",
        "1 hook first_notification: +Down
         3 hook all_resolved: -Down",
    );
    assert_eq!(simulation.decisions("Down"), ["enqueued", "enqueued"]);
}

#[test]
fn an_end_whose_message_fails_after_a_newer_one_was_written_is_told_by_that_one() {
    check(
        &[ONE],
        "0 fire Down i=a
         2 receiver slow
         2 resolve Down i=a
         3.2 receiver down
         3.5 fire Down i=b
         5 supersede
         5 receiver up
         20",
        "1 hook first_notification: +Down[i=a]
         3 hook all_resolved: -Down[i=a]
         4.5 hook first_notification: -Down[i=a] +Down[i=b]",
    );
}

#[test]
fn an_alert_that_fires_again_begins_a_new_group() {
    check(
        &[ONE],
        "0 fire Down
         2 resolve Down
         3.5 fire Down
         10 resolve Down
         20",
        "1 hook first_notification: +Down
         3 hook all_resolved: -Down
         4.5 hook first_notification: +Down
         10.5 hook all_resolved: -Down",
    );
}

#[test]
fn inhibited_alerts_wait_for_their_source_to_end() {
    let config = "
route: {receiver: hook, group_by: [alertname, cluster], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}
inhibit_rules:
- {source_matchers: [severity=critical], target_matchers: ['severity=~\"warning|info\"'], equal: [cluster]}";
    let simulation = check(
        &[config],
        "0 fire Crit cluster=eu severity=critical; Warn cluster=eu severity=warning; Warn cluster=us severity=warning
         4.5 resolve Crit cluster=eu severity=critical
         13",
        "1 hook first_notification: +Crit[cluster=eu,severity=critical]
         1 hook first_notification: +Warn[cluster=us,severity=warning]
         5 hook all_resolved: -Crit[cluster=eu,severity=critical]
         5 hook first_notification: +Warn[cluster=eu,severity=warning]",
    );
    assert_eq!(
        simulation.decisions("Warn[cluster=eu,severity=warning]"),
        ["inhibited", "enqueued", "deduplicated"]
    );
}

#[test]
fn muted_routes_keep_quiet_and_speak_when_their_time_comes() {
    // The simulation begins at 1970-01-12 13:46:40 UTC, a Monday.
    let config = "
route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 10s, routes: [
  {matchers: [alertname=M], mute_time_intervals: [t]},
  {matchers: [alertname=A], active_time_intervals: [later]}]}
time_intervals:
- {name: t, time_intervals: [{times: [{start_time: '13:46', end_time: '13:47'}]}]}
- {name: later, time_intervals: [{times: [{start_time: '13:47', end_time: '13:48'}]}]}";
    let simulation = check(
        &[config],
        "0 fire M; A; N
         30",
        "1 hook first_notification: +N
         21 hook first_notification: +M
         21 hook first_notification: +A",
    );
    assert_eq!(simulation.decisions("M"), ["muted", "enqueued"]);
    assert_eq!(simulation.decisions("A"), ["inactive", "enqueued"]);
}

fn with_receivers(config: &str, integrations: &[(&str, usize, bool)]) -> Routing {
    let info = ReceiverInfo {
        name: "hook".to_owned(),
        integrations: integrations
            .iter()
            .map(|(kind, index, send_resolved)| IntegrationInfo {
                kind: (*kind).to_owned(),
                index: *index,
                send_resolved: *send_resolved,
            })
            .collect(),
    };
    let mut routing = routing(config).unwrap();
    for route in &mut routing.routes {
        route.receiver = Arc::new(Receiver::from(&info));
    }
    routing
}

#[test]
fn an_integration_without_send_resolved_hears_of_firing_alerts_only() {
    let mut simulation = Simulation::new(with_receivers(
        ONE,
        &[("webhook", 0, true), ("webhook", 1, false)],
    ));
    for line in [
        "0 fire X i=1;X i=2",
        "2 resolve X i=1",
        "6 resolve X i=2",
        "12 fire X i=2",
        "20",
    ] {
        simulation.step(line, &[]);
    }
    let told: Vec<String> = simulation
        .notifications
        .iter()
        .map(|notification| {
            format!(
                "{} {}",
                notification.integration,
                notification.reason.as_str()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "webhook[0] first_notification",
            "webhook[1] first_notification",
            "webhook[0] new_resolved",
            "webhook[0] all_resolved",
            "webhook[0] first_notification",
            "webhook[1] first_notification",
        ]
    );
    assert!(
        simulation
            .decisions("X[i=2]")
            .contains(&"resolved_not_wanted")
    );
}

#[test]
fn a_receiver_without_integrations_is_said_to_have_none() {
    let mut simulation = Simulation::new(with_receivers(ONE, &[]));
    simulation.step("0 fire X", &[]);
    simulation.step("3 resolve X", &[]);
    simulation.step("10", &[]);
    assert_eq!(simulation.decisions("X"), ["no_integration"]);
    assert!(simulation.dispatcher.groups.is_empty());
}

#[test]
fn a_newer_notification_supersedes_one_that_was_not_delivered() {
    let simulation = check(
        &[ONE],
        "0 receiver down
         0 fire Down i=a
         1.5 fire Down i=b
         20",
        "1 hook first_notification: +Down[i=a]
         3 hook first_notification: +Down[i=a] +Down[i=b]",
    );
    let superseded =
        |entry: &&LedgerEntry| matches!(&entry.decision, Decision::Superseded { by: Some(_), .. });
    assert_eq!(simulation.disk.ledger.iter().filter(superseded).count(), 1);
}

#[test]
fn what_was_over_before_it_was_delivered_is_withdrawn() {
    let simulation = check(
        &[ONE],
        "0 receiver down
         0 fire Down
         2 resolve Down
         20",
        "1 hook first_notification: +Down",
    );
    assert_eq!(simulation.decisions("Down"), ["enqueued", "never_told"]);
    let last = simulation
        .disk
        .ledger
        .iter()
        .find(|entry| entry.labels.is_none())
        .unwrap();
    assert!(matches!(
        &last.decision,
        Decision::Superseded { by: None, .. }
    ));
    assert!(simulation.dispatcher.groups.is_empty() && simulation.disk.log.is_empty());
}

#[test]
fn an_end_in_a_message_that_was_never_delivered_is_in_the_next() {
    check(
        &[ONE],
        "0 fire Down i=a;Down i=b
         2 receiver down
         2 resolve Down i=a
         4 fire Down i=c
         6 receiver up
         20",
        "1 hook first_notification: +Down[i=a] +Down[i=b]
         3 hook new_resolved: -Down[i=a] +Down[i=b]
         5 hook new_alerts: -Down[i=a] +Down[i=b] +Down[i=c]",
    );
    // The end withdraws itself where the alert fires again before anybody heard of it.
    check(
        &[ONE],
        "0 fire Down
         2 receiver down
         2 resolve Down
         4 fire Down
         20",
        "1 hook first_notification: +Down
         3 hook all_resolved: -Down",
    );
}

#[test]
fn what_expired_is_tried_anew_while_it_is_still_true() {
    check(
        &[ONE],
        "0 receiver down
         0 fire Down
         2 expire
         3.5 receiver up
         20 resolve Down
         20.5 receiver down
         22 expire
         22.5 receiver up
         30",
        "1 hook first_notification: +Down
         3 hook first_notification: +Down
         21 hook all_resolved: -Down
         23 hook all_resolved: -Down",
    );
}

#[test]
fn what_is_being_sent_counts_as_told() {
    check(
        &[ONE],
        "0 receiver slow
         0 fire Down i=a
         2 fire Down i=b
         4 resolve Down i=a;Down i=b
         6 receiver up
         20",
        "1 hook first_notification: +Down[i=a]
         3 hook new_alerts: +Down[i=a] +Down[i=b]
         5 hook all_resolved: -Down[i=a] -Down[i=b]",
    );
}

#[test]
fn a_restart_tells_nothing_twice_and_forgets_nothing() {
    // Rules send again what fires when they start.
    check(
        &[ONE],
        "0 fire Down i=a
         2 restart
         2 fire Down i=a since 0;Down i=b
         8 restart
         9 resolve Down i=a;Down i=b
         20",
        "1 hook first_notification: +Down[i=a]
         2 hook new_alerts: +Down[i=a] +Down[i=b]
         10 hook all_resolved: -Down[i=a] -Down[i=b]",
    );
}

#[test]
fn a_restart_knows_what_was_not_delivered() {
    check(
        &[ONE],
        "0 receiver down
         0 fire Down
         2 restart
         2 fire Down since 0
         4 resolve Down
         20",
        "1 hook first_notification: +Down",
    );
}

#[test]
fn a_reload_of_the_same_routes_disturbs_nothing() {
    let timeline = |reload: &str| {
        format!(
            "0 fire Down i=a;Up
             0.5 {reload}
             1.8 fire Down i=b
             2 {reload}
             4 resolve Down i=a
             4.5 {reload}
             20 {reload}
             30"
        )
    };
    let quiet = play(&[ONE], &timeline("")).sent;
    assert_eq!(quiet.len(), 4);
    assert_eq!(play(&[ONE], &timeline("reload 0")).sent, quiet);
    // Other routes beside them change nothing for these alerts either.
    let more = "route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h, routes: [{matchers: [x=y], receiver: b}]}";
    assert_eq!(play(&[ONE, more], &timeline("reload 1")).sent, quiet);
}

#[test]
fn changed_routes_regroup_without_telling_again() {
    let by_instance = "route: {receiver: hook, group_by: [alertname, i], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}";
    check(
        &[ONE, by_instance],
        "0 fire Down i=a;Down i=b
         4 reload 1
         4 fire Down i=c
         10 resolve Down i=a
         12 reload 0
         20 resolve Down i=b;Down i=c
         30",
        "1 hook first_notification: +Down[i=a] +Down[i=b]
         5 hook first_notification: +Down[i=c]
         12 hook all_resolved: -Down[i=a]
         22 hook all_resolved: -Down[i=b] -Down[i=c]",
    );
    // Another receiver does not know yet.
    let elsewhere = "route: {receiver: b, group_by: [alertname], group_wait: 1s}";
    check(
        &[ONE, elsewhere],
        "0 fire Down
         4 reload 1
         10",
        "1 hook first_notification: +Down
         4 b first_notification: +Down",
    );
}

#[test]
fn timers_follow_a_clock_that_steps_back() {
    let mut simulation = Simulation::new(routing(ONE).unwrap());
    simulation.until(1000.0);
    simulation.fire("Down");
    simulation.now = Timestamp::from_millis(1_000_000_000);
    simulation
        .dispatcher
        .clock_stepped_back(std::time::Duration::from_secs(1000), simulation.now);
    simulation.until(5.0);
    assert_eq!(simulation.sent, ["1 hook first_notification: +Down"]);
}

#[test]
fn an_alert_that_ended_does_not_fire_anew_when_the_clock_steps_back() {
    let mut simulation = Simulation::new(routing(ONE).unwrap());
    simulation.until(1000.0);
    simulation.fire("Down");
    simulation.until(1002.0);
    simulation.resolve("Down");
    simulation.now = simulation.now - std::time::Duration::from_secs(1000);
    simulation
        .dispatcher
        .clock_stepped_back(std::time::Duration::from_secs(1000), simulation.now);
    simulation.until(5.0);
    assert_eq!(
        simulation.sent,
        [
            "1001 hook first_notification: +Down",
            "3 hook all_resolved: -Down"
        ]
    );
}

#[test]
fn silenced_alerts_are_not_told_until_the_silence_ends() {
    let simulation = check(
        &[ONE],
        "0 silence i=a for 6
         0 fire Down i=a
         0 fire Down i=b
         2 restart
         2 fire Down i=a since 0;Down i=b since 0
         10",
        "1 hook first_notification: +Down[i=b]
         6 hook new_alerts: +Down[i=a] +Down[i=b]",
    );
    let silenced: Vec<_> = simulation
        .disk
        .ledger
        .iter()
        .filter(|entry| matches!(&entry.decision, Decision::Silenced { silence } if silence == "s"))
        .collect();
    assert!(!silenced.is_empty());
    check(
        &[ONE],
        "0 fire Down i=a
         2 silence alertname=~\"D.*\" for 100
         2 fire Down i=b
         6 unsilence
         8 resolve Down i=a;Down i=b
         12",
        "1 hook first_notification: +Down[i=a]
         7 hook new_alerts: +Down[i=a] +Down[i=b]
         9 hook all_resolved: -Down[i=a] -Down[i=b]",
    );
}

#[test]
fn an_end_that_is_named_stands_over_one_that_is_only_assumed() {
    let check = |first: (i64, bool), second: (i64, bool), want: i64| {
        let mut simulation = Simulation::new(routing(ONE).unwrap());
        let (dispatcher, now) = (&mut simulation.dispatcher, simulation.now);
        let after = |seconds: i64| Timestamp::from_millis(now.millis() + seconds * 1000);
        for (step, (end, assumed)) in [first, second].into_iter().enumerate() {
            let at = after(i64::try_from(step).unwrap());
            let alert = alert("Down", now, after(end), at);
            dispatcher.insert_posted(alert, assumed, at);
        }
        let stored = dispatcher.alerts.values().next().unwrap();
        assert_eq!(stored.alert.ends_at, after(want), "{first:?} {second:?}");
    };
    check((100, true), (50, false), 50);
    check((100, false), (50, false), 100);
    check((100, false), (50, true), 100);
    check((50, false), (100, true), 100);
    check((100, true), (0, false), 0);
}
