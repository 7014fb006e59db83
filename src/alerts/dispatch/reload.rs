//! New routes for old alerts. Groups that exist under the new routes too keep timer, members and log; an alert that
//! moves takes along what its receiver was already told of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::super::flap::flagged;
use super::super::inhibit::Inhibitor;
use super::super::route::{Route, Routing};
use super::durable::timer_of;
use super::flush::{Fates, settled};
use super::table::ByLabels;
use super::{Dispatcher, Group, Member, Writes};
use crate::db::notification_log::{LogKey, Told};
use crate::db::outbox::Fate;
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::model::timestamp::Timestamp;

/// What an integration was told, by alert: when it was said to fire, or to have ended.
type Known = HashMap<(Arc<str>, Arc<str>), HashMap<u64, (bool, Timestamp)>>;

impl Dispatcher {
    /// Takes new routes, inhibition rules and limits. Where they are the old ones nothing changes.
    pub fn reload(
        &mut self,
        routing: Arc<Routing>,
        now: Timestamp,
        fates: &Fates,
        writes: &mut Writes,
    ) {
        if *routing == *self.routing {
            return;
        }
        let known = self.known(fates);
        let old = std::mem::replace(&mut self.routing, routing);
        self.rebuild_inhibitor(now);

        // Old groups by what names them to their receiver.
        let mut carried: HashMap<(Arc<str>, Arc<str>), Vec<Group>> = HashMap::new();
        let mut alerts: BTreeMap<Labels, Arc<Alert>> = BTreeMap::new();
        for (_, group) in std::mem::take(&mut self.groups) {
            self.unwritten.gone(group.timer);
            for member in group.members.values() {
                let alert = Arc::clone(&member.alert);
                alerts.insert(alert.labels.clone(), alert);
            }
            let receiver = Arc::clone(&old.routes[group.route].receiver.name);
            carried
                .entry((Arc::clone(&group.key), receiver))
                .or_default()
                .push(group);
        }
        self.timers.clear();
        self.by_labels.clear();
        for stored in self.alerts.values_mut() {
            stored.groups = 0;
        }
        let mut old_members: HashMap<u64, ByLabels<Member>> = HashMap::new();
        let mut moved: HashMap<u64, Vec<Labels>> = HashMap::new();
        for (labels, alert) in alerts {
            for route in self.routing.matching(&labels) {
                let routing = Arc::clone(&self.routing);
                let settings = &routing.routes[route];
                let group_labels = settings.group_labels(&labels);
                let place = (route, group_labels);
                if !self.by_labels.contains_key(&place) {
                    let key = settings.group_key(&place.1);
                    let name = (key, Arc::clone(&settings.receiver.name));
                    if let Some(mut group) = carried.get_mut(&name).and_then(Vec::pop) {
                        let id = self.next_group;
                        self.next_group += 1;
                        group.route = route;
                        group.timer = timer_of(settings, &group.key);
                        group.lingering = 0;
                        group.next = group.next.min(
                            now + if group.has_flushed {
                                settings.group_interval
                            } else {
                                settings.group_wait
                            },
                        );
                        let members = std::mem::replace(&mut group.members, ByLabels::new());
                        old_members.insert(id, members);
                        self.timers.insert((group.next, id));
                        self.by_labels.insert(place.clone(), id);
                        self.groups.insert(id, group);
                    }
                }
                let id = self.by_labels.get(&place).copied();
                let member = id.and_then(|id| old_members.get_mut(&id)?.remove(&labels));
                match (id, member) {
                    (Some(id), Some(member)) => {
                        let group = self.groups.get_mut(&id).expect("it was inserted above");
                        group.lingering += usize::from(member.lingering);
                        group.members.insert(member);
                        if let Some(stored) = self.alerts.get_mut(&labels) {
                            stored.groups += 1;
                        }
                    }
                    // It left this group by a flush that told its end.
                    (Some(id), None)
                        if old_members.contains_key(&id)
                            && alert.is_resolved(now)
                            && was_told_its_end(&known, settings, &labels) => {}
                    (_, None) | (None, Some(_)) => {
                        self.insert_into_group(route, &alert, now, false);
                        if let Some(id) = self.by_labels.get(&place) {
                            moved.entry(*id).or_default().push(labels.clone());
                        }
                    }
                }
            }
        }
        self.groups.retain(|id, group| {
            if group.members.is_empty() {
                self.timers.remove(&(group.next, *id));
                self.by_labels.remove(&(group.route, group.labels.clone()));
            }
            !group.members.is_empty()
        });
        self.note_timers();
        let present: HashSet<Arc<str>> = self
            .groups
            .values()
            .map(|group| Arc::clone(&group.key))
            .collect();
        self.throttle.hurry(|group| !present.contains(group));
        let routing = Arc::clone(&self.routing);
        let mut receivers = routing.routes.iter().map(|route| &route.receiver.name);
        let names: HashSet<&str> = receivers.by_ref().map(|name| &**name).collect();
        let is_there = |receiver: &str| names.contains(receiver);
        self.storms.reload(&routing.storm, is_there, now);
        self.flaps.reload(&routing.flapping);
        for (id, labels) in moved {
            self.inherit(id, &labels, &known, now, writes);
        }
    }

    pub(super) fn rebuild_inhibitor(&mut self, now: Timestamp) {
        self.inhibitor = Inhibitor::new(&self.routing.inhibit_rules);
        for stored in self.alerts.values() {
            self.inhibitor.observe(&stored.alert, now);
        }
    }

    /// What the receivers of the present groups were told, where the message arrived or will.
    fn known(&self, fates: &Fates) -> Known {
        let mut known = Known::new();
        for group in self.groups.values() {
            for key in self.log_keys(group) {
                let Some(entry) = self.log.get(&key) else {
                    continue;
                };
                let dead = |id: &Option<Arc<str>>| {
                    id.as_ref().and_then(|id| fates.get(id)) == Some(&Fate::Dead)
                };
                let told = if dead(&entry.outbox_id) {
                    let arrived = entry
                        .previous
                        .iter()
                        .find(|earlier| !dead(&earlier.outbox_id));
                    arrived.map(|earlier| &earlier.told)
                } else {
                    Some(&entry.told)
                };
                let Some(told) = told else {
                    continue;
                };
                let alerts = known.entry((key.receiver, key.integration)).or_default();
                let firing = told.firing.iter().map(|hash| (*hash, (true, told.at)));
                let resolved = told.resolved.iter().map(|hash| (*hash, (false, told.at)));
                for (hash, news) in firing.chain(resolved) {
                    let latest = alerts.entry(hash).or_insert(news);
                    if news.1 > latest.1 {
                        *latest = news;
                    }
                }
            }
        }
        known
    }

    /// Writes into a group's log what its receiver already knows of alerts that came from other groups.
    fn inherit(
        &mut self,
        id: u64,
        alerts: &[Labels],
        known: &Known,
        now: Timestamp,
        writes: &mut Writes,
    ) {
        let Some(group) = self.groups.get(&id) else {
            return;
        };
        let routing = Arc::clone(&self.routing);
        let route = &routing.routes[group.route];
        let keys: Vec<LogKey> = self.log_keys(group).collect();
        for key in keys {
            let place = (Arc::clone(&key.receiver), Arc::clone(&key.integration));
            let Some(known) = known.get(&place) else {
                continue;
            };
            let news: Vec<_> = alerts
                .iter()
                .filter_map(|labels| {
                    let hash = labels.fingerprint().0;
                    let mut hashes = [hash, flagged(hash)].into_iter();
                    hashes.find_map(|hash| known.get(&hash).map(|news| (hash, *news)))
                })
                .collect();
            if news.is_empty() {
                continue;
            }
            let entry = self
                .log
                .get(&key)
                .filter(|entry| entry.expires_at > now)
                .cloned();
            let mut entry = entry.unwrap_or_else(|| settled(Told::default(), route));
            for (hash, (firing, at)) in news {
                let list = if firing {
                    &mut entry.told.firing
                } else {
                    &mut entry.told.resolved
                };
                if let Err(place) = list.binary_search(&hash) {
                    list.insert(place, hash);
                }
                entry.told.at = entry.told.at.max(at);
            }
            entry.expires_at = entry
                .expires_at
                .max(entry.told.at + route.repeat_interval.saturating_mul(2));
            self.record(key, Some(entry), writes);
        }
    }
}

fn was_told_its_end(known: &Known, route: &Route, labels: &Labels) -> bool {
    let hash = labels.fingerprint().0;
    route.receiver.targets.iter().any(|target| {
        let place = (Arc::clone(&route.receiver.name), Arc::clone(&target.text));
        let news = known.get(&place).and_then(|known| known.get(&hash));
        matches!(news, Some((false, _)))
    })
}
