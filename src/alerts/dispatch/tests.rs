//! Timelines: what is handed in and what befalls, and what people are told because of it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::config::tests::routing;
use super::super::route::{IntegrationInfo, Receiver, ReceiverInfo};
use super::super::throttle::ThrottleConfig;
use super::*;
use crate::alerts::dispatch::flush::Fates;
use crate::db::ledger::LedgerEntry;
use crate::db::outbox::Fate;
use crate::db::throttle::DigestRow;
use crate::model::notification::{Decision, Notification};

/// Stands for the database: what a restart finds.
#[derive(Default)]
pub(in super::super) struct Disk {
    log: HashMap<LogKey, LogEntry>,
    fates: Fates,
    throttle: StoredThrottle,
    pub(in super::super) ledger: Vec<LedgerEntry>,
}

pub(in super::super) struct Simulation {
    pub(in super::super) dispatcher: Dispatcher,
    pub(in super::super) disk: Disk,
    now: Timestamp,
    routing: Arc<Routing>,
    /// What a notification meets when it is sent.
    receiver: Fate,
    sent: Vec<String>,
    pub(in super::super) notifications: Vec<Notification>,
}

fn alert(text: &str, starts_at: Timestamp, ends_at: Timestamp, now: Timestamp) -> Alert {
    let mut words = text.split_whitespace();
    let name = words.next().expect("an alert has a name");
    let pairs = words.map(|pair| pair.split_once('=').expect("a label is name=value"));
    Alert {
        labels: Labels::from_pairs(pairs.chain([("alertname", name)])),
        annotations: Labels::empty(),
        starts_at,
        ends_at,
        updated_at: now,
        generator_url: "".into(),
        value: None,
    }
}

fn show(labels: &Labels) -> String {
    let rest: Vec<String> = labels
        .iter()
        .filter(|(name, _)| *name != "alertname")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if rest.is_empty() {
        return labels.value("alertname").to_owned();
    }
    format!("{}[{}]", labels.value("alertname"), rest.join(","))
}

impl Simulation {
    pub(in super::super) fn new(routing: Routing) -> Self {
        let routing = Arc::new(routing);
        let now = Timestamp::from_millis(1_000_000_000);
        Self {
            dispatcher: Dispatcher::new(Arc::clone(&routing), Restored::default(), now).unwrap(),
            disk: Disk::default(),
            now,
            routing,
            receiver: Fate::Delivered,
            sent: Vec::new(),
            notifications: Vec::new(),
        }
    }

    fn seconds(&self) -> f64 {
        self.now
            .since(Timestamp::from_millis(1_000_000_000))
            .as_secs_f64()
    }

    fn write(&mut self, writes: Writes) {
        for id in &writes.superseded {
            let fate = self.disk.fates.insert(Arc::clone(id), Fate::Dead);
            assert_eq!(
                fate,
                Some(Fate::Pending),
                "only what is pending is withdrawn"
            );
        }
        for (key, entry) in writes.log {
            match entry {
                Some(entry) => drop(self.disk.log.insert(key, entry)),
                None => drop(self.disk.log.remove(&key)),
            }
        }
        self.disk.ledger.extend(writes.ledger);
        let throttle = &mut self.disk.throttle;
        for (key, level) in writes.buckets {
            throttle.buckets.retain(|(other, _)| *other != key);
            throttle.buckets.push((key, level));
        }
        throttle.digests.extend(writes.digests);
        for ((digest, group), item) in writes.items {
            throttle
                .items
                .retain(|other| !(other.digest_id == digest && other.group_key == group));
            throttle.items.push(item);
        }
        throttle.items.sort_by_key(|item| item.position);
        throttle
            .digests
            .retain(|digest: &DigestRow| !writes.closed.contains(&digest.id));
        throttle
            .items
            .retain(|item| !writes.closed.contains(&item.digest_id));
        for row in writes.outbox {
            let notification = row.notification;
            let fate = self
                .disk
                .fates
                .insert(Arc::clone(&notification.id), self.receiver);
            assert_eq!(fate, None, "an id is used once");
            let alerts: Vec<String> = notification
                .alerts
                .iter()
                .map(|alert| {
                    let sign = match alert.status {
                        AlertStatus::Firing => '+',
                        AlertStatus::Resolved => '-',
                    };
                    format!("{sign}{}", show(&alert.alert.labels))
                })
                .collect();
            self.sent.push(format!(
                "{} {} {}: {}",
                self.seconds(),
                notification.receiver,
                notification.reason.as_str(),
                alerts.join(" ")
            ));
            self.notifications.push(notification);
        }
    }

    pub(in super::super) fn flush(&mut self) {
        let awaited = self.dispatcher.awaited(self.now);
        let fates = self.disk.fates.clone();
        let fates = fates
            .into_iter()
            .filter(|(id, _)| awaited.contains(id))
            .collect();
        let mut writes = Writes::default();
        while self.dispatcher.flush(self.now, &fates, 1, &mut writes) {}
        self.write(writes);
    }

    fn reload(&mut self, routing: Routing) {
        self.routing = Arc::new(routing);
        let mut writes = Writes::default();
        let fates = self.disk.fates.clone();
        self.dispatcher
            .reload(Arc::clone(&self.routing), self.now, &fates, &mut writes);
        self.write(writes);
    }

    pub(in super::super) fn restart(&mut self) {
        let restored = Restored {
            log: self.disk.log.clone().into_iter().collect(),
            throttle: self.disk.throttle.clone(),
        };
        self.dispatcher = Dispatcher::new(Arc::clone(&self.routing), restored, self.now).unwrap();
    }

    /// Lets time pass up to a second, flushing whenever something is due.
    pub(in super::super) fn until(&mut self, seconds: f64) {
        let end = Timestamp::from_millis(1_000_000_000 + (seconds * 1000.0).round() as i64);
        while let Some(due) = self.dispatcher.next_due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.flush();
        }
        self.now = end;
    }

    pub(in super::super) fn fire(&mut self, text: &str) {
        let (text, since) = text.split_once(" since ").unwrap_or((text, ""));
        let starts_at = match since.trim().parse::<f64>() {
            Ok(since) => Timestamp::from_millis(1_000_000_000 + (since * 1000.0) as i64),
            Err(_) => self.now,
        };
        let stays = std::time::Duration::from_secs(1_000_000);
        let mut alert = alert(text, starts_at, self.now + stays, self.now);
        // As rules do: an alert that fires already keeps its beginning.
        if let Some(stored) = self.dispatcher.alerts.get(&alert.labels)
            && !stored.alert.is_resolved(self.now)
        {
            alert.starts_at = stored.alert.starts_at;
        }
        self.dispatcher.insert(alert, self.now);
    }

    pub(in super::super) fn resolve(&mut self, text: &str) {
        let mut alert = alert(text, self.now, self.now, self.now);
        if let Some(stored) = self.dispatcher.alerts.get(&alert.labels) {
            alert.starts_at = stored.alert.starts_at;
            if stored.alert.is_resolved(self.now) {
                alert.ends_at = stored.alert.ends_at;
            }
        }
        self.dispatcher.insert(alert, self.now);
    }

    /// One line: seconds, what happens, to what.
    fn step(&mut self, line: &str, configs: &[&str]) {
        let (at, rest) = line.split_once(' ').unwrap_or((line, ""));
        self.until(at.parse().unwrap_or_else(|_| panic!("no time in {line:?}")));
        let (verb, what) = rest.split_once(' ').unwrap_or((rest, ""));
        match verb {
            "" => {}
            "fire" => what.split(';').for_each(|alert| self.fire(alert)),
            "resolve" => what.split(';').for_each(|alert| self.resolve(alert)),
            "restart" => self.restart(),
            "reload" => {
                let config = configs[what.parse::<usize>().unwrap()];
                self.reload(routing(config).unwrap());
            }
            "receiver" => {
                self.receiver = match what {
                    "up" => Fate::Delivered,
                    "down" => Fate::Pending,
                    "slow" => Fate::Sending,
                    what => panic!("no state {what:?}"),
                };
                if self.receiver == Fate::Delivered {
                    self.all_on_their_way(Fate::Delivered);
                }
            }
            "expire" => self.all_on_their_way(Fate::Dead),
            verb => panic!("no verb {verb:?}"),
        }
        if self
            .dispatcher
            .next_due()
            .is_some_and(|due| due <= self.now)
        {
            self.flush();
        }
    }

    fn all_on_their_way(&mut self, fate: Fate) {
        for known in self.disk.fates.values_mut() {
            if matches!(known, Fate::Pending | Fate::Sending) {
                *known = fate;
            }
        }
    }

    fn decisions(&self, alert: &str) -> Vec<&'static str> {
        self.disk
            .ledger
            .iter()
            .filter(|entry| {
                entry
                    .labels
                    .as_ref()
                    .is_some_and(|labels| show(labels) == alert)
            })
            .map(|entry| entry.decision.kind())
            .collect()
    }
}

/// Plays a timeline against the first configuration; `reload N` takes another one.
fn play(configs: &[&str], timeline: &str) -> Simulation {
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

fn check(configs: &[&str], timeline: &str, want: &str) -> Simulation {
    let simulation = play(configs, timeline);
    let want: Vec<&str> = want
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(simulation.sent, want, "{timeline}");
    simulation
}

const ONE: &str = "route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}";

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
        .clock_stepped_back(std::time::Duration::from_secs(1000));
    simulation.until(5.0);
    assert_eq!(simulation.sent, ["1 hook first_notification: +Down"]);
}

#[derive(Clone, Debug)]
enum Event {
    Fire(usize),
    Resolve(usize),
    Pass(u32),
    Restart,
    Reload(usize),
    Receiver(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..6_usize).prop_map(Event::Fire),
        3 => (0..6_usize).prop_map(Event::Resolve),
        6 => (1..4000_u32).prop_map(Event::Pass),
        1 => Just(Event::Restart),
        1 => (0..2_usize).prop_map(Event::Reload),
        2 => (0..4_usize).prop_map(Event::Receiver),
    ]
}

const NAMES: [&str; 6] = [
    "A severity=info",
    "A severity=warning",
    "A severity=critical",
    "B severity=info",
    "B severity=warning i=1",
    "C",
];

const WIDE: &str = "
route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 20s, routes: [
  {matchers: [alertname=B], receiver: b, continue: true}, {matchers: ['severity=~info|warning']}]}
inhibit_rules: [{source_matchers: [severity=critical], target_matchers: [severity=info], equal: [alertname]}]";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever happens, every alert ends in the ledger, the receiver's last word on it is the truth in the end, and
    /// nobody hears of an end without a beginning.
    #[test]
    fn no_alert_is_lost(events in proptest::collection::vec(event(), 1..60), limited in any::<bool>()) {
        let configs = [ONE, WIDE].map(|config| {
            let throttle = if limited {
                let mut throttle = ThrottleConfig::default();
                throttle.rules[0].burst = 2;
                throttle
            } else {
                ThrottleConfig::disabled()
            };
            routing(config).unwrap().with_throttle(throttle)
        });
        let mut simulation = Simulation::new(configs[0].clone());
        let mut firing: BTreeMap<&str, bool> = BTreeMap::new();
        let mut seconds = 0.0;
        let mut state_change = |simulation: &mut Simulation, i: usize, fires: bool| {
            let name = NAMES[i];
            match (fires, firing.get(name)) {
                (true, _) => simulation.fire(name),
                (false, Some(true)) => simulation.resolve(name),
                (false, _) => return,
            }
            firing.insert(name, fires);
        };
        for event in &events {
            match event {
                Event::Fire(i) => state_change(&mut simulation, *i, true),
                Event::Resolve(i) => state_change(&mut simulation, *i, false),
                Event::Pass(millis) => {
                    seconds += f64::from(*millis) / 1000.0;
                    simulation.until(seconds);
                }
                Event::Restart => {
                    // Rules keep their state and send it again at once.
                    let alerts: Vec<Alert> = simulation
                        .dispatcher
                        .alerts
                        .values()
                        .map(|stored| Alert::clone(&stored.alert))
                        .collect();
                    simulation.restart();
                    for alert in alerts {
                        simulation.dispatcher.insert(alert, simulation.now);
                    }
                }
                Event::Reload(i) => simulation.reload(configs[*i].clone()),
                Event::Receiver(0) => simulation.receiver = Fate::Pending,
                Event::Receiver(1) => simulation.receiver = Fate::Sending,
                Event::Receiver(2) => simulation.all_on_their_way(Fate::Dead),
                Event::Receiver(_) => {
                    simulation.receiver = Fate::Delivered;
                    simulation.all_on_their_way(Fate::Delivered);
                }
            }
        }
        simulation.receiver = Fate::Delivered;
        simulation.all_on_their_way(Fate::Delivered);
        simulation.until(seconds + 200.0);
        let decided: BTreeSet<String> = simulation
            .disk
            .ledger
            .iter()
            .filter_map(|entry| entry.labels.as_ref().map(show))
            .collect();
        for (name, fires) in &firing {
            let labels = alert(name, Timestamp::MIN, Timestamp::MIN, Timestamp::MIN).labels;
            prop_assert!(decided.contains(&show(&labels)), "{} has no decision: {:?}", name, simulation.disk.ledger);
            // Who was told last that it fires must have been told that it ended.
            for receiver in ["hook", "b"] {
                let last = simulation
                    .notifications
                    .iter()
                    .rev()
                    .filter(|notification| &*notification.receiver == receiver)
                    .filter(|notification| simulation.disk.fates.get(&notification.id) == Some(&Fate::Delivered))
                    .find_map(|notification| notification.alerts.iter().find(|alert| alert.alert.labels == labels));
                let routed = simulation.routing.matching(&labels).iter().any(|route| &*simulation.routing.routes[*route].receiver.name == receiver);
                if let Some(last) = last && !*fires && routed && !events.iter().any(|event| matches!(event, Event::Reload(_))) {
                    prop_assert_eq!(last.status, AlertStatus::Resolved, "{} at {}: {:#?}", name, receiver, simulation.sent);
                }
            }
        }
    }
}
