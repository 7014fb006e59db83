//! Random histories, and what must hold after each.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::super::throttle::ThrottleConfig;
use super::*;

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
                    // Rules keep their state and send it again at once: as it is, not as it is held.
                    let dispatcher = &simulation.dispatcher;
                    let alerts: Vec<Alert> = dispatcher
                        .alerts
                        .values()
                        .map(|stored| {
                            let real = dispatcher.flaps.real(&stored.alert.labels);
                            Alert::clone(real.map_or(&stored.alert, |(real, _)| real))
                        })
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
        // Long enough for an alert that is held because it flaps to be let go.
        simulation.until(seconds + 900.0);
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
