//! What a reload leaves alone: timers that wait, members, what was told, open digests.

use super::timelines::{check, play};
use super::*;
use crate::alerts::throttle::ThrottleConfig;

/// [`ONE`] with other matters beside it, or other timers on it.
const OTHER_ROUTE: &str = "route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h, routes: [{matchers: [x=y], receiver: b, group_wait: 7s}]}";
const OTHER_ROUTE_CHANGED: &str = "route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h, routes: [{matchers: [x=z], receiver: b, group_wait: 9s, group_by: [x]}]}";
const SLOWER: &str = "route: {receiver: hook, group_by: [alertname], group_wait: 10s, group_interval: 20s, repeat_interval: 2h}";

#[test]
fn reloads_at_any_instant_of_a_groups_life_send_nothing_more() {
    let timeline = |reloads: &str| {
        format!(
            "0 fire Down i=a
             0.4 {reloads}
             0.5 fire Down i=b
             1.5 {reloads}
             1.8 fire Down i=c
             2.5 {reloads}
             4 resolve Down i=a
             4.5 {reloads}
             8 resolve Down i=b;Down i=c
             8.5 {reloads}
             20"
        )
    };
    let configs = [OTHER_ROUTE, OTHER_ROUTE_CHANGED];
    let quiet = play(&configs, &timeline("")).sent;
    assert_eq!(
        quiet,
        [
            "1 hook first_notification: +Down[i=a] +Down[i=b]",
            "3 hook new_alerts: +Down[i=a] +Down[i=b] +Down[i=c]",
            "5 hook new_resolved: -Down[i=a] +Down[i=b] +Down[i=c]",
            "9 hook all_resolved: -Down[i=b] -Down[i=c]",
        ]
    );
    for reload in ["reload 0", "reload 1"] {
        assert_eq!(play(&configs, &timeline(reload)).sent, quiet, "{reload}");
    }
}

#[test]
fn new_timers_hold_from_the_next_flush_and_members_stay() {
    check(
        &[ONE, SLOWER],
        "0 fire Down i=a
         0.5 reload 1
         0.6 fire Down i=b
         1.5 fire Down i=c
         30
         31 resolve Down i=a;Down i=b;Down i=c
         60",
        "1 hook first_notification: +Down[i=a] +Down[i=b]
         21 hook new_alerts: +Down[i=a] +Down[i=b] +Down[i=c]
         41 hook all_resolved: -Down[i=a] -Down[i=b] -Down[i=c]",
    );
    // Shorter ones do not wait for what the longer ones had set.
    check(
        &[SLOWER, ONE],
        "0 fire Down
         2 reload 1
         3.5 fire Down i=b
         10",
        "3 hook first_notification: +Down
         5 hook new_alerts: +Down +Down[i=b]",
    );
}

#[test]
fn an_open_digest_survives_a_reload_with_all_that_waits_in_it() {
    let limited = |text: &str| {
        let mut throttle = ThrottleConfig::default();
        throttle.rules[0].burst = 1;
        routing(text).unwrap().with_throttle(throttle)
    };
    let played = |reloads: &[&str]| {
        let mut simulation = Simulation::new(limited(OTHER_ROUTE));
        for (second, name) in [(0.0, "A"), (0.1, "B"), (0.2, "C")] {
            simulation.until(second);
            simulation.fire(name);
        }
        let mut reloads = reloads.iter();
        for second in [1.5, 10.0, 20.0, 50.0] {
            simulation.until(second);
            if let Some(text) = reloads.next() {
                simulation.reload(limited(text));
            }
        }
        simulation.until(200.0);
        simulation.sent
    };
    let quiet = played(&[]);
    let digests: Vec<&String> = quiet
        .iter()
        .filter(|sent| sent.contains("digest"))
        .collect();
    assert_eq!(digests.len(), 1, "{quiet:?}");
    assert!(digests[0].contains("+B +C"), "{quiet:?}");
    assert_eq!(played(&[OTHER_ROUTE; 4]), quiet);
    assert_eq!(played(&[OTHER_ROUTE_CHANGED; 4]), quiet);
    assert_eq!(
        played(&[OTHER_ROUTE_CHANGED, OTHER_ROUTE, OTHER_ROUTE_CHANGED]),
        quiet
    );
}
