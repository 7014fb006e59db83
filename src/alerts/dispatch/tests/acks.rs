//! Timelines with acks: what is told while somebody is in charge, and after.

use super::timelines::check;
use super::*;
use crate::model::notification::Decision;

const REPEATS: &str = "route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 5s}";

/// The ends of acks on record: alert and reason.
fn ends(simulation: &Simulation) -> Vec<String> {
    let entries = simulation.disk.ledger.iter();
    let ended = entries.filter_map(|entry| match &entry.decision {
        Decision::AckEnded { why, .. } => {
            let labels = entry.labels.as_ref().expect("an alert's");
            Some(format!("{} {}", show(labels), why.as_str()))
        }
        _ => None,
    });
    ended.collect()
}

#[test]
fn an_acked_alert_is_not_repeated_and_its_end_is_told() {
    let simulation = check(
        &[REPEATS],
        "0 fire Down
         2 ack alertname=Down
         60 resolve Down
         70",
        "1 hook first_notification: +Down
         61 hook all_resolved: -Down",
    );
    assert_eq!(ends(&simulation), ["Down resolved"]);
    assert_eq!(
        simulation.decisions("Down"),
        ["enqueued", "acknowledged", "ack_ended", "enqueued"]
    );
}

#[test]
fn a_new_alert_of_the_group_is_told_without_the_acked_one() {
    check(
        &[ONE],
        "0 fire Down i=a
         2 ack i=a
         4.5 fire Down i=b
         10 resolve Down i=a
         14",
        "1 hook first_notification: +Down[i=a]
         5 hook new_alerts: +Down[i=b]
         11 hook new_resolved: -Down[i=a] +Down[i=b]",
    );
}

#[test]
fn the_end_of_another_alert_does_not_read_as_the_end_of_all() {
    check(
        &[ONE],
        "0 fire Down i=a; Down i=b
         2 ack i=a
         4.5 resolve Down i=b
         10 resolve Down i=a
         14",
        "1 hook first_notification: +Down[i=a] +Down[i=b]
         5 hook new_resolved: +Down[i=a] -Down[i=b]
         11 hook all_resolved: -Down[i=a]",
    );
}

#[test]
fn repeats_go_on_when_the_ack_ends() {
    let simulation = check(
        &[REPEATS],
        "0 fire Down
         2 ack alertname=Down for 20
         24",
        "1 hook first_notification: +Down
         23 hook repeat: +Down",
    );
    assert_eq!(ends(&simulation), ["Down expired"]);
    check(
        &[REPEATS],
        "0 fire Down
         2 ack alertname=Down
         20.5 unack
         24",
        "1 hook first_notification: +Down
         21 hook repeat: +Down",
    );
}

#[test]
fn what_is_acked_before_it_was_told_is_told_when_the_ack_ends() {
    check(
        &[ONE],
        "0 fire Down
         0.5 ack alertname=Down
         6.5 unack
         10",
        "7 hook first_notification: +Down",
    );
    // Nobody heard that it began; there is nothing to take back.
    let simulation = check(
        &[ONE],
        "0 fire Down
         0.5 ack alertname=Down
         6.5 resolve Down
         10",
        "",
    );
    assert_eq!(
        simulation.decisions("Down"),
        ["acknowledged", "ack_ended", "never_told"]
    );
}

#[test]
fn a_higher_severity_ends_the_ack_and_a_lower_one_does_not() {
    let config = "route: {receiver: hook, group_by: [alertname, severity], group_wait: 0s, group_interval: 2s, repeat_interval: 5s}";
    let simulation = check(
        &[config],
        "0 fire Disk severity=warning
         1 ack severity=warning
         3 fire Disk severity=info
         4 fire Disk severity=critical mount=/var
         9 fire Disk severity=critical
         11",
        "0 hook first_notification: +Disk[severity=warning]
         3 hook first_notification: +Disk[severity=info]
         4 hook first_notification: +Disk[mount=/var,severity=critical]
         9 hook repeat: +Disk[severity=info]
         10 hook repeat: +Disk[severity=warning]
         10 hook new_alerts: +Disk[severity=critical] +Disk[mount=/var,severity=critical]",
    );
    assert_eq!(ends(&simulation), ["Disk[severity=warning] severity_rose"]);
    // What fires more severely already when the ack is made is no rise.
    let simulation = check(
        &[config],
        "0 fire Disk severity=warning; Disk severity=critical
         1 ack alertname=Disk
         3 fire Disk severity=critical
         20",
        "0 hook first_notification: +Disk[severity=warning]
         0 hook first_notification: +Disk[severity=critical]",
    );
    assert_eq!(ends(&simulation), Vec::<String>::new());
}

#[test]
fn an_alert_that_fires_anew_is_not_acked_any_more() {
    check(
        &[ONE],
        "0 fire Down
         2 ack alertname=Down
         3.5 resolve Down
         3.7 fire Down
         10 resolve Down
         10.5 fire Down i=b
         12",
        "1 hook first_notification: +Down
         11 hook new_alerts: -Down +Down[i=b]",
    );
}

#[test]
fn an_ack_outlives_a_restart_and_long_repeat_intervals() {
    let simulation = check(
        &[REPEATS],
        "0 fire Down
         2 ack alertname=Down
         3 restart
         3 fire Down
         100 restart
         100 fire Down
         120 resolve Down
         130",
        "1 hook first_notification: +Down
         121 hook all_resolved: -Down",
    );
    assert_eq!(ends(&simulation), ["Down resolved"]);
}

#[test]
fn an_ack_does_not_outlive_an_alert_that_ended_while_the_process_was_down() {
    let simulation = check(
        &[REPEATS],
        "0 fire Down i=a; Down i=b
         2 ack alertname=Down
         3 restart
         4 fire Down i=b
         2000 fire Down i=a
         2001.5",
        "1 hook first_notification: +Down[i=a] +Down[i=b]
         2001 hook repeat: +Down[i=a]",
    );
    assert_eq!(ends(&simulation), ["Down[i=a] resolved"]);
}

#[test]
fn the_end_of_an_ack_is_written_with_the_message_of_the_alerts_end() {
    let mut simulation = check(&[ONE], "0", "");
    let now = simulation.now;
    let ends_at = now + std::time::Duration::from_secs(4);
    let down = alert("Down", now, ends_at, now);
    simulation.dispatcher.insert(down, now);
    simulation.step("2 ack alertname=Down", &[]);
    simulation.until(4.9);
    simulation.now = now + std::time::Duration::from_secs(5);
    let mut writes = Writes::default();
    let fates = simulation.disk.fates.clone();
    simulation
        .dispatcher
        .flush(simulation.now, &fates, 9, &mut writes);
    assert_eq!((writes.outbox.len(), writes.ended_acks.len()), (1, 1));
}

#[test]
fn a_newer_ack_takes_an_alert_over() {
    let simulation = check(
        &[REPEATS],
        "0 fire Down i=a; Down i=b
         2 ack alertname=Down
         3 ack i=a
         4 unack
         8",
        "1 hook first_notification: +Down[i=a] +Down[i=b]
         7 hook repeat: +Down[i=b]",
    );
    let holding = simulation.dispatcher.acks.all();
    let holding = holding.iter().filter(|ack| ack.holds());
    assert_eq!(holding.map(|ack| &*ack.id).collect::<Vec<_>>(), ["a1"]);
}
