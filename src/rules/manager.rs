//! All groups: one task each, replaced on reload, woken by landings and slots.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::alerts::run::AlertSink;
use crate::clock::Clock;
use crate::db::{Database, DbError, rule_state};
use crate::model::alert::Alert;
use crate::model::labels::METRIC_NAME;
use crate::model::matcher::Matcher;
use crate::model::timestamp::Timestamp;
use crate::storage::query::Queryable;
use crate::tasks::{Stop, Tasks};

use super::file::GroupSpec;
use super::group::{Group, GroupEffects, Reads};
use super::metrics::Metrics;
use super::rule::Context;
use super::schedule::{Decision, Schedule, Trigger};
use super::state::AlertInstance;

/// What the rules need from the rest.
#[derive(Debug)]
pub struct Dependencies {
    /// Spawns the groups' tasks.
    pub tasks: Tasks,
    /// Tells the time.
    pub clock: Clock,
    /// Hears of firing and resolved alerts.
    pub alerts: AlertSink,
    /// Keeps alert state over restarts.
    pub database: Database,
    /// Counters.
    pub metrics: Metrics,
    /// Becomes true once every target was scraped, or had its chance: before that an absent series means nothing.
    pub data_ready: watch::Receiver<bool>,
}

impl Dependencies {
    /// Saves alert state. A failure is told and counted; alerting goes on.
    async fn save(&self, group: &str, changed: &[(String, String)], forgotten: &[String]) {
        if changed.is_empty() && forgotten.is_empty() {
            return;
        }
        if let Err(error) = rule_state::save(&self.database, group, changed, forgotten).await {
            self.state_failed(group, &error);
        }
    }

    /// Hands alerts to the routes; they take none only while the process ends.
    async fn tell(&self, alerts: Vec<Alert>) {
        if self.alerts.send(alerts).await.is_err() {
            tracing::debug!("alerts not handed on: shutting down");
        }
    }

    fn state_failed(&self, group: &str, error: &DbError) {
        self.metrics.state_failures.inc();
        tracing::error!(rule.group = %group, %error, "keep alert state; `for` may start over after a restart");
    }
}

/// A target's job and instance.
type TargetKey = (String, String);

/// The groups that run.
#[derive(Debug)]
pub struct RuleManager {
    dependencies: Arc<Dependencies>,
    // Taken out while a reload replaces them, which `published` hides from readers.
    running: Mutex<Running>,
    published: Mutex<Vec<Arc<Group>>>,
    // Metric names of each target, by its job and instance; read again when a scrape adds series.
    names: Mutex<HashMap<TargetKey, Arc<HashSet<String>>>>,
}

#[derive(Debug, Default)]
struct Running {
    context: Option<Arc<Context>>,
    groups: Vec<RunningGroup>,
}

#[derive(Debug)]
struct RunningGroup {
    group: Arc<Group>,
    feeds: Reads,
    landed: Arc<Notify>,
    stop: Stop,
    task: JoinHandle<()>,
}

impl RuleManager {
    /// No group yet.
    pub fn new(dependencies: Dependencies) -> Self {
        Self {
            dependencies: Arc::new(dependencies),
            running: Mutex::default(),
            published: Mutex::default(),
            names: Mutex::default(),
        }
    }

    /// The groups, in the order of their files.
    pub fn groups(&self) -> Vec<Arc<Group>> {
        self.published.lock().clone()
    }

    /// Replaces the groups. Those that did not change go on untouched; a changed one takes over the state of its rules
    /// that did not change; a removed rule's series end and its alerts resolve.
    pub async fn apply(&self, specs: Vec<GroupSpec>, context: Context) {
        let context = Arc::new(context);
        let (kept, mut replaced) = self.take_unchanged(&specs, &context);
        let mut kept: HashMap<String, RunningGroup> = kept
            .into_iter()
            .map(|running| (running.group.spec.key(), running))
            .collect();
        for old in replaced.values_mut() {
            old.stop.cancel();
            if let Err(error) = (&mut old.task).await {
                tracing::error!(rule.group = %old.group.spec.name, %error, "stop rule group");
            }
        }
        let now = self.dependencies.clock.now();
        let mut groups = Vec::with_capacity(specs.len());
        let mut resolved = Vec::new();
        for spec in specs {
            let key = spec.key();
            if let Some(same) = kept.remove(&key) {
                groups.push(same);
                continue;
            }
            let old = replaced.remove(&key);
            let group = Arc::new(Group::new(spec, old.as_ref().map(|old| old.group.as_ref())));
            match &old {
                // Rules that were not taken over still hold their alerts: those end.
                Some(old) => {
                    let (alerts, keys) = old.group.retire(&context, now);
                    resolved.extend(alerts);
                    self.dependencies.save(&key, &[], &keys).await;
                }
                None => self.restore(&group, &context, now).await,
            }
            groups.push(self.start(group, &context));
        }
        for old in replaced.into_values() {
            resolved.extend(old.group.retire(&context, now).0);
            self.dependencies.metrics.forget(&old.group.label);
        }
        let known: Vec<String> = groups
            .iter()
            .map(|running| running.group.spec.key())
            .collect();
        if let Err(error) = rule_state::prune(&self.dependencies.database, &known).await {
            self.dependencies.state_failed("all groups", &error);
        }
        let feeds = feeds(&groups);
        for (running, feeds) in groups.iter_mut().zip(feeds) {
            running.feeds = feeds;
        }
        *self.published.lock() = groups
            .iter()
            .map(|running| Arc::clone(&running.group))
            .collect();
        *self.running.lock() = Running {
            context: Some(context),
            groups,
        };
        if !resolved.is_empty() {
            self.dependencies.tell(resolved).await;
        }
    }

    /// Parts the running groups into those that go on and those that end or change, by key.
    fn take_unchanged(
        &self,
        specs: &[GroupSpec],
        context: &Arc<Context>,
    ) -> (Vec<RunningGroup>, HashMap<String, RunningGroup>) {
        let old = std::mem::take(&mut *self.running.lock());
        // External labels and addresses are part of what every rule says.
        let same_context = old.context.as_ref().is_some_and(|old| {
            old.external_labels == context.external_labels
                && old.external_url == context.external_url
        });
        let (kept, replaced): (Vec<_>, Vec<_>) = old
            .groups
            .into_iter()
            .partition(|old| same_context && specs.contains(&old.group.spec));
        (
            kept,
            replaced
                .into_iter()
                .map(|old| (old.group.spec.key(), old))
                .collect(),
        )
    }

    async fn restore(&self, group: &Arc<Group>, context: &Arc<Context>, now: Timestamp) {
        match rule_state::load(&self.dependencies.database, &group.spec.key()).await {
            Ok(saved) if saved.is_empty() => {}
            Ok(saved) => {
                let saved: HashMap<String, AlertInstance> = saved
                    .into_iter()
                    .filter_map(|(key, json)| Some((key, serde_json::from_str(&json).ok()?)))
                    .collect();
                let count = saved.len();
                let orphans = group.restore(context, saved, now);
                self.dependencies
                    .save(&group.spec.key(), &[], &orphans)
                    .await;
                tracing::info!(rule.group = %group.spec.name, alerts = count, "alert state restored");
            }
            Err(error) => self.dependencies.state_failed(&group.spec.key(), &error),
        }
    }

    fn start(&self, group: Arc<Group>, context: &Arc<Context>) -> RunningGroup {
        let stop = self.dependencies.tasks.stop_token().child_token();
        let landed = Arc::new(Notify::new());
        let label = &group.label;
        self.dependencies
            .metrics
            .rules
            .get_or_create(label)
            .set(i64::try_from(group.rules.len()).unwrap_or(i64::MAX));
        // Counters begin at zero, so that their first increase is seen.
        drop(self.dependencies.metrics.failures.get_or_create(label));
        drop(self.dependencies.metrics.missed.get_or_create(label));
        let task = GroupTask {
            group: Arc::clone(&group),
            context: Arc::clone(context),
            dependencies: Arc::clone(&self.dependencies),
            landed: Arc::clone(&landed),
            stop: stop.clone(),
        };
        let task = self
            .dependencies
            .tasks
            .spawn(format!("rule group {}", group.spec.name), task.run());
        RunningGroup {
            group,
            feeds: None,
            landed,
            stop,
            task,
        }
    }

    /// A scrape of a target has landed: wakes the groups it feeds.
    pub fn landed(&self, job: &str, instance: &str, series_added: bool) {
        let running = self.running.lock();
        let Some(context) = running.context.clone() else {
            return;
        };
        let names = self.names_of(&context, job, instance, series_added);
        for group in &running.groups {
            let fed = group
                .feeds
                .as_ref()
                .is_none_or(|feeds| feeds.iter().any(|name| names.contains(name)));
            if fed {
                group.landed.notify_one();
            }
        }
    }

    fn names_of(
        &self,
        context: &Context,
        job: &str,
        instance: &str,
        refresh: bool,
    ) -> Arc<HashSet<String>> {
        let key = (job.to_owned(), instance.to_owned());
        let mut names = self.names.lock();
        if let Some(known) = names.get(&key).filter(|_| !refresh) {
            return Arc::clone(known);
        }
        let now = self.dependencies.clock.now().millis();
        let sets = [vec![
            Matcher::equal("job", job),
            Matcher::equal("instance", instance),
        ]];
        // A failed look-up feeds nothing: the slot's own evaluation follows.
        let found = context
            .storage
            .label_values(METRIC_NAME, &sets, now - 300_000, now)
            .unwrap_or_default();
        let found: Arc<HashSet<String>> = Arc::new(found.into_iter().collect());
        names.insert(key, Arc::clone(&found));
        found
    }
}

/// What feeds each group: the metrics it reads, and those that feed the groups whose records it reads.
fn feeds(groups: &[RunningGroup]) -> Vec<Reads> {
    let mut feeds: Vec<Reads> = groups.iter().map(|running| running.group.reads()).collect();
    // Chains are short; stop when nothing grows any more.
    for _ in 0..groups.len() {
        let mut grown = false;
        for i in 0..groups.len() {
            for (j, other) in groups.iter().enumerate() {
                let Some(reads) = &feeds[i] else { break };
                if i == j || !other.group.records().any(|name| reads.contains(name)) {
                    continue;
                }
                match feeds[j].clone() {
                    None => {
                        feeds[i] = None;
                        grown = true;
                    }
                    Some(more) => {
                        let reads = feeds[i].as_mut().expect("checked above");
                        let before = reads.len();
                        reads.extend(more);
                        grown |= reads.len() > before;
                    }
                }
            }
        }
        if !grown {
            break;
        }
    }
    feeds
}

/// The task of one group.
struct GroupTask {
    group: Arc<Group>,
    context: Arc<Context>,
    dependencies: Arc<Dependencies>,
    landed: Arc<Notify>,
    stop: Stop,
}

impl GroupTask {
    async fn run(self) {
        let mut ready = self.dependencies.data_ready.clone();
        tokio::select! {
            () = self.stop.cancelled() => return,
            // The sender lives as long as the application; its end is a shutdown.
            _ = ready.wait_for(|ready| *ready) => {}
        }
        let mut schedule = Schedule::new(
            self.group.spec.interval,
            stable_hash(&self.group.spec.key()),
        );
        if let Some(at) = self.group.last().at {
            schedule.evaluated(at, self.group.last().duration);
        }
        let mut trigger = Trigger::Landing;
        loop {
            let now = self.dependencies.clock.now();
            let wake = match schedule.decide(trigger, now) {
                Decision::Evaluate { at, missed } => {
                    if missed > 0 {
                        self.dependencies
                            .metrics
                            .missed
                            .get_or_create(&self.group.label)
                            .inc_by(missed);
                        tracing::warn!(rule.group = %self.group.spec.name, missed, "evaluations missed");
                    }
                    let cost = self.evaluate(at).await;
                    schedule.evaluated(at, cost);
                    trigger = Trigger::Slot;
                    schedule.next_slot(self.dependencies.clock.now())
                }
                Decision::Wait(until) => until,
            };
            let pause = wake.since(self.dependencies.clock.now()) + Duration::from_millis(1);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.landed.notified() => trigger = Trigger::Landing,
                // The trigger stands: a landing that had to wait is asked about again, a slot is over.
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn evaluate(&self, at: Timestamp) -> Duration {
        let (group, context) = (Arc::clone(&self.group), Arc::clone(&self.context));
        let metrics = self.dependencies.metrics.clone();
        let evaluated =
            tokio::task::spawn_blocking(move || group.evaluate(&context, &metrics, at)).await;
        let effects = match evaluated {
            Ok(effects) => effects,
            Err(error) => {
                self.dependencies
                    .metrics
                    .failures
                    .get_or_create(&self.group.label)
                    .inc();
                tracing::error!(rule.group = %self.group.spec.name, %error, "evaluation panicked");
                return self.group.spec.interval / 5;
            }
        };
        let GroupEffects {
            alerts,
            changed,
            forgotten,
            duration,
        } = effects;
        // People first: should the process die in between, the state saved last is one step behind and catches up.
        if !alerts.is_empty() {
            self.dependencies.tell(alerts).await;
        }
        let changed: Vec<(String, String)> = changed
            .into_iter()
            .filter_map(|(key, instance)| Some((key, serde_json::to_string(&instance).ok()?)))
            .collect();
        self.dependencies
            .save(&self.group.spec.key(), &changed, &forgotten)
            .await;
        duration
    }
}

/// FNV-1a: spreads groups the same way after every start.
fn stable_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
