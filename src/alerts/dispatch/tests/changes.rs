//! What a message changes for its reader: each alert beside what was told before.

use super::timelines::play;
use super::*;
use crate::alerts::throttle::ThrottleConfig;

/// One line a notification: its second and each alert's change.
fn changes(simulation: &Simulation) -> Vec<String> {
    let line = |notification: &Notification| {
        let start = Timestamp::from_millis(1_000_000_000);
        let alerts = notification.alerts.iter().map(|notified| {
            let name = show(&notified.alert.labels);
            format!(" {name} {}", notified.change().as_str())
        });
        let seconds = notification.created_at.since(start).as_secs();
        format!("{seconds}:{}", alerts.collect::<String>())
    };
    simulation.notifications.iter().map(line).collect()
}

fn check(timeline: &str, want: &[&str]) {
    assert_eq!(changes(&play(&[ONE], timeline)), want, "{timeline}");
}

#[test]
fn alerts_are_new_then_still_firing_then_just_resolved() {
    check(
        "0 fire Down i=a
         1.8 fire Down i=b
         4 resolve Down i=a
         8 resolve Down i=b
         14",
        &[
            "1: Down[i=a] new",
            "3: Down[i=a] still_firing Down[i=b] new",
            "5: Down[i=a] just_resolved Down[i=b] still_firing",
            "9: Down[i=b] just_resolved",
        ],
    );
}

#[test]
fn an_alert_that_returns_is_new() {
    check(
        "0 fire Down
         2 resolve Down
         6 fire Down
         9",
        &["1: Down new", "3: Down just_resolved", "7: Down new"],
    );
}

#[test]
fn a_repetition_and_a_restart_find_what_was_told() {
    let config =
        "route: {receiver: hook, group_wait: 1s, group_interval: 2s, repeat_interval: 20s}";
    let simulation = play(
        &[config],
        "0 fire Down i=a
         12 restart
         12 fire Down i=a
         30",
    );
    assert_eq!(
        changes(&simulation),
        ["1: Down[i=a] new", "23: Down[i=a] still_firing"]
    );
}

#[test]
fn what_never_arrived_is_not_known() {
    check(
        "0 receiver down
         0 fire Down i=a
         1.8 fire Down i=b
         4 receiver up
         5 fire Down i=c
         8",
        &[
            "1: Down[i=a] new",
            "3: Down[i=a] new Down[i=b] new",
            "7: Down[i=a] still_firing Down[i=b] still_firing Down[i=c] new",
        ],
    );
}

#[test]
fn a_digest_tells_what_was_held_back_as_new() {
    let mut throttle = ThrottleConfig::default();
    throttle.rules[0].burst = 1;
    let config = routing(ONE).unwrap().with_throttle(throttle);
    let mut simulation = Simulation::new(config);
    simulation.fire("Up severity=info");
    simulation.until(2.0);
    simulation.fire("Down severity=info i=a");
    simulation.until(4.0);
    simulation.fire("Down severity=info i=b");
    simulation.until(600.0);
    let digest = &changes(&simulation)[1];
    assert!(
        digest.ends_with(": Down[i=a,severity=info] new Down[i=b,severity=info] new"),
        "{digest}"
    );
}
