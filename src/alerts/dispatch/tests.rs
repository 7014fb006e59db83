//! A dispatcher with its surroundings: a clock, a disk, a receiver that may be down.

mod acks;
mod changes;
mod histories;
mod quiet;
mod reloads;
mod timelines;

use super::super::config::tests::routing;
use super::super::route::Routing;
use super::*;
use crate::alerts::ack::{AckExpiry, AckRequest, AckTarget};
use crate::alerts::dispatch::flush::Fates;
use crate::db::ledger::LedgerEntry;
use crate::db::outbox::Fate;
use crate::db::throttle::DigestRow;
use crate::model::notification::Notification;

/// Stands for the database: what a restart finds.
#[derive(Default)]
pub(in super::super) struct Disk {
    log: HashMap<LogKey, LogEntry>,
    fates: Fates,
    throttle: StoredThrottle,
    pub(in super::super) storms: Vec<StormRow>,
    pub(in super::super) flapping: Vec<FlapRow>,
    pub(in super::super) ledger: Vec<LedgerEntry>,
}

pub(in super::super) struct Simulation {
    pub(in super::super) dispatcher: Dispatcher,
    pub(in super::super) disk: Disk,
    now: Timestamp,
    routing: Arc<Routing>,
    /// What a notification meets when it is sent.
    receiver: Fate,
    pub(in super::super) sent: Vec<String>,
    pub(in super::super) notifications: Vec<Notification>,
    /// Receivers whose storm began.
    begun: Vec<Arc<str>>,
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
        course: crate::model::alert::Course::default(),
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
            dispatcher: Dispatcher::new(Arc::clone(&routing), Restored::default(), now),
            disk: Disk::default(),
            now,
            routing,
            receiver: Fate::Delivered,
            sent: Vec::new(),
            notifications: Vec::new(),
            begun: Vec::new(),
        }
    }

    pub(in super::super) fn now(&self) -> Timestamp {
        self.now
    }

    fn seconds(&self) -> f64 {
        self.now
            .since(Timestamp::from_millis(1_000_000_000))
            .as_secs_f64()
    }

    fn write(&mut self, writes: Writes) {
        for withdrawal in &writes.superseded {
            let id = &withdrawal.notification;
            let fate = self.disk.fates.get(id);
            assert_eq!(
                fate,
                Some(&Fate::Pending),
                "only what is pending is withdrawn"
            );
            let mut all = self.notifications.iter_mut();
            let whole = all.find(|other| other.id == *id).expect("it was sent");
            let hashes = withdrawal.alerts.iter().copied().collect();
            match whole.without(&[(Arc::clone(&withdrawal.group_key), hashes)].into()) {
                Some(rest) => *whole = rest,
                None => drop(self.disk.fates.insert(Arc::clone(id), Fate::Dead)),
            }
        }
        self.begun.extend(writes.storms_begun);
        for (receiver, row) in writes.storms {
            self.disk.storms.retain(|other| other.receiver != receiver);
            self.disk.storms.extend(row);
        }
        for (labels, row) in writes.flapping {
            self.disk
                .flapping
                .retain(|other| other.alert.labels != labels);
            self.disk.flapping.extend(row);
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
        for digest in writes.digests {
            throttle.digests.retain(|other| other.id != digest.id);
            throttle.digests.push(digest);
        }
        for ((digest, group), item) in writes.items {
            throttle
                .items
                .retain(|other| !(other.digest_id == digest && other.group_key == group));
            throttle.items.extend(item);
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
        let awaited = self.dispatcher.awaited(self.now, usize::MAX);
        let fates = self.disk.fates.clone();
        let fates = fates
            .into_iter()
            .filter(|(id, _)| awaited.contains(id))
            .collect();
        let mut writes = Writes::default();
        while self.dispatcher.flush(self.now, &fates, 1, &mut writes) {}
        self.write(writes);
    }

    pub(in super::super) fn reload(&mut self, routing: Routing) {
        self.routing = Arc::new(routing);
        let mut writes = Writes::default();
        let fates = self.disk.fates.clone();
        self.dispatcher
            .reload(Arc::clone(&self.routing), self.now, &fates, &mut writes);
        self.write(writes);
    }

    fn stored_silences(&self) -> Vec<Silence> {
        let all = self.dispatcher.silences.all();
        all.iter().map(|silence| Silence::clone(silence)).collect()
    }

    /// A silence `s` of these matchers for so many seconds, after `for`.
    pub(in super::super) fn silence(&mut self, text: &str) {
        let (matchers, seconds) = text.split_once(" for ").expect("a silence ends");
        let stays = std::time::Duration::from_secs(seconds.trim().parse().unwrap());
        let request = crate::alerts::silence::SilenceRequest {
            id: None,
            matchers: crate::alerts::matchers::parse(matchers).unwrap(),
            starts_at: None,
            ends_at: self.now + stays,
            created_by: "ann".to_owned(),
            comment: "work".to_owned(),
            annotations: std::collections::BTreeMap::new(),
        };
        let change = self.dispatcher.silences.set(request, "s", self.now);
        self.dispatcher.silences.apply(change.unwrap().rows);
    }

    fn expire_silence(&mut self) {
        let change = self.dispatcher.silences.expire("s", self.now);
        self.dispatcher.silences.apply(change.unwrap().rows);
    }

    fn stored_acks(&self) -> Vec<Ack> {
        let all = self.dispatcher.acks.all();
        all.iter().map(|ack| Ack::clone(ack)).collect()
    }

    /// An ack `a` of what these matchers match, for so many seconds after `for`, else until resolved.
    fn ack(&mut self, text: &str) {
        let (matchers, expiry) = match text.split_once(" for ") {
            Some((matchers, seconds)) => {
                let seconds = seconds.trim().parse().unwrap();
                let lasts = std::time::Duration::from_secs(seconds);
                (matchers, AckExpiry::After(lasts))
            }
            None => (text, AckExpiry::Never),
        };
        let request = AckRequest {
            target: AckTarget::Matchers(crate::alerts::matchers::parse(matchers).unwrap()),
            owner: "ann".to_owned(),
            note: String::new(),
            expiry,
        };
        let id = format!("a{}", self.dispatcher.acks.all().len());
        let change = self.dispatcher.acknowledge(request, &id, self.now);
        self.dispatcher.acks.apply(change.unwrap());
    }

    /// Takes back the first ack.
    fn withdraw_ack(&mut self) {
        let change = self.dispatcher.acks.withdraw("a0", self.now);
        self.dispatcher.acks.apply(change.unwrap());
    }

    pub(in super::super) fn restart(&mut self) {
        let restored = Restored {
            log: self.disk.log.clone().into_iter().collect(),
            throttle: self.disk.throttle.clone(),
            silences: self.stored_silences(),
            acks: self.stored_acks(),
            recurrings: Vec::new(),
            storms: self.disk.storms.clone(),
            flapping: self.disk.flapping.clone(),
        };
        self.dispatcher = Dispatcher::new(Arc::clone(&self.routing), restored, self.now);
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
    pub(in super::super) fn step(&mut self, line: &str, configs: &[&str]) {
        let (at, rest) = line.split_once(' ').unwrap_or((line, ""));
        self.until(at.parse().unwrap_or_else(|_| panic!("no time in {line:?}")));
        let (verb, what) = rest.split_once(' ').unwrap_or((rest, ""));
        match verb {
            "" => {}
            "fire" => what.split(';').for_each(|alert| self.fire(alert)),
            "resolve" => what.split(';').for_each(|alert| self.resolve(alert)),
            "silence" => self.silence(what),
            "ack" => self.ack(what),
            "unack" => self.withdraw_ack(),
            "unsilence" => self.expire_silence(),
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
            "supersede" => {
                // What is under way fails, and what waits behind it is newer.
                for known in self.disk.fates.values_mut() {
                    if *known == Fate::Sending {
                        *known = Fate::Dead;
                    }
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

    /// The label `g` of each group that waits in a digest.
    pub(in super::super) fn groups_in_digests(&self) -> Vec<String> {
        let groups = self.disk.throttle.items.iter().map(|item| {
            let key = item.group_key.split_once("g=\"").expect("grouped by g").1;
            key.trim_end_matches("\"}").to_owned()
        });
        groups.collect()
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

const ONE: &str = "route: {receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}";
