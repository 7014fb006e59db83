//! All groups: one task each, replaced on reload, woken by landings and slots.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};
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
use super::group::{Group, GroupEffects, Reads, Unsaved};
use super::metrics::Metrics;
use super::rule::{self, Context};
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
    /// Saves alert state; returns whether it is saved. A failure is told and counted; alerting goes on.
    async fn save(&self, group: &str, changed: &[(String, String)], forgotten: &[String]) -> bool {
        let saved = rule_state::save(&self.database, group, changed, forgotten).await;
        if let Err(error) = &saved {
            self.state_failed(group, error);
        }
        saved.is_ok()
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

/// Held by each group until its first evaluation after the start.
type FirstRound = mpsc::Sender<()>;

/// How long state that the database refused waits for the next attempt where nothing new comes to it.
const SAVE_RETRY: Duration = Duration::from_secs(60);

/// How many targets' metric names are kept; where targets come and go, those of the gone are forgotten.
const NAMES_KEPT: usize = 1_000;

/// A group of the new configuration.
enum Next {
    /// It runs already.
    Same(RunningGroup),
    /// It is to be started.
    New(Arc<Group>),
}

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
    /// that did not change; a removed rule's series end and its alerts resolve. To be called by one task at a time.
    pub async fn apply(&self, specs: Vec<GroupSpec>, context: Context) {
        let context = Arc::new(context);
        let old = std::mem::take(&mut *self.running.lock());
        let (mut kept, mut replaced) = part(old.groups, &specs, old.context.as_deref(), &context);
        for old in replaced.values_mut() {
            old.stop.cancel();
            if let Err(error) = (&mut old.task).await {
                tracing::error!(rule.group = %old.group.spec.name, %error, "stop rule group");
            }
        }
        let now = self.dependencies.clock.now();
        let known: Vec<String> = specs.iter().map(GroupSpec::key).collect();
        let mut next = Vec::with_capacity(specs.len());
        let mut resolved = Vec::new();
        for spec in specs {
            let key = spec.key();
            if let Some(same) = kept.remove(&key) {
                same.group.stands_at(&spec);
                next.push(Next::Same(same));
                continue;
            }
            let earlier = replaced
                .remove(&key)
                .or_else(|| moved(&mut replaced, &spec, &known))
                .map(|old| old.group);
            if let (Some(group), Some(told_in)) = (&earlier, &old.context) {
                resolved.extend(group.renamed(&spec, told_in, &context, now));
            }
            let group = Arc::new(Group::new(spec, earlier.as_deref()));
            let (alerts, keys) = match earlier {
                // Rules that were not taken over still hold their alerts: those end.
                Some(earlier) => {
                    if earlier.label != group.label {
                        self.dependencies.metrics.forget(&earlier.label);
                    }
                    earlier.retire(old.context.as_deref().unwrap_or(&context), now)
                }
                None => self.restore(&group, &context, now).await,
            };
            resolved.extend(alerts);
            group.forget(keys);
            next.push(Next::New(group));
        }
        for old_group in replaced.into_values() {
            let told_in = old.context.as_deref().unwrap_or(&context);
            resolved.extend(old_group.group.retire(told_in, now).0);
            self.dependencies.metrics.forget(&old_group.group.label);
        }
        if old.context.is_none() {
            resolved.extend(self.strangers(&known, &context, now).await);
        }
        // Before any group starts: the same alert may go on firing in another rule. And people first: should the process
        // die in between, the ends are found again.
        for alert in &mut resolved {
            alert.course.withdrawn = true;
        }
        self.dependencies.tell(resolved).await;
        if let Err(error) = rule_state::prune(&self.dependencies.database, &known).await {
            self.dependencies.state_failed("all groups", &error);
        }
        let first = old
            .context
            .is_none()
            .then(|| self.open_when_all_have_spoken());
        let mut groups: Vec<RunningGroup> = next
            .into_iter()
            .map(|next| match next {
                Next::Same(running) => running,
                Next::New(group) => self.start(group, &context, first.clone()),
            })
            .collect();
        drop(first);
        let feeds = feeds(&groups);
        for (running, feeds) in groups.iter_mut().zip(feeds) {
            running.feeds = feeds;
        }
        *self.published.lock() = groups
            .iter()
            .map(|running| Arc::clone(&running.group))
            .collect();
        self.names.lock().clear();
        self.dependencies.metrics.pulses.rules.beat();
        self.dependencies.metrics.pulses.alerts.beat();
        *self.running.lock() = Running {
            context: Some(context),
            groups,
        };
    }

    /// Lets the routes begin once every group was evaluated: what is still to be sent again has not ended.
    fn open_when_all_have_spoken(&self) -> FirstRound {
        let (round, mut over) = mpsc::channel(1);
        let alerts = self.dependencies.alerts.clone();
        let opening = async move {
            // Nothing is ever sent: the last of the groups hangs up.
            while over.recv().await.is_some() {}
            if alerts.open().await.is_err() {
                tracing::debug!("shut down before every rule was evaluated");
            }
        };
        drop(self.dependencies.tasks.spawn("first evaluations", opening));
        round
    }

    /// Takes back a group's alerts after a restart. Returns those that ended because their rule is gone, and the keys of
    /// the state to forget.
    async fn restore(
        &self,
        group: &Group,
        context: &Context,
        now: Timestamp,
    ) -> (Vec<Alert>, Vec<String>) {
        let saved = match rule_state::load(&self.dependencies.database, &group.spec.key()).await {
            Ok(saved) => readable(saved),
            Err(error) => {
                self.dependencies.state_failed(&group.spec.key(), &error);
                return (Vec::new(), Vec::new());
            }
        };
        if saved.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let count = saved.len();
        let orphans = group.restore(context, saved, now);
        tracing::info!(rule.group = %group.spec.name, alerts = count, "alert state restored");
        let keys = orphans.keys().cloned().collect();
        (ends_of(orphans, context, now), keys)
    }

    /// The ends of alerts whose group went while the process was down.
    async fn strangers(&self, known: &[String], context: &Context, now: Timestamp) -> Vec<Alert> {
        match rule_state::others(&self.dependencies.database, known).await {
            Ok(saved) => ends_of(readable(saved), context, now),
            Err(error) => {
                self.dependencies.state_failed("all groups", &error);
                Vec::new()
            }
        }
    }

    fn start(
        &self,
        group: Arc<Group>,
        context: &Arc<Context>,
        first: Option<FirstRound>,
    ) -> RunningGroup {
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
            first,
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
        let Ok(found) = context
            .storage
            .label_values(METRIC_NAME, &sets, now - 300_000, now)
        else {
            return Arc::default();
        };
        let found: Arc<HashSet<String>> = Arc::new(found.into_iter().collect());
        if names.len() >= NAMES_KEPT && !names.contains_key(&key) {
            names.clear();
        }
        names.insert(key, Arc::clone(&found));
        found
    }
}

/// Parts running groups into those that go on and those that end or change, by key.
fn part(
    old: Vec<RunningGroup>,
    specs: &[GroupSpec],
    told_in: Option<&Context>,
    context: &Context,
) -> (HashMap<String, RunningGroup>, HashMap<String, RunningGroup>) {
    // External labels and addresses are part of what every rule says.
    let same_context = told_in.is_some_and(|old| {
        old.external_labels == context.external_labels
            && old.external_url == context.external_url
            && old.timeout == context.timeout
    });
    old.into_iter()
        .map(|old| (old.group.spec.key(), old))
        .partition(|(_, old)| same_context && specs.contains(&old.group.spec))
}

/// The running group of this name whose file went: it stands in another file now.
fn moved(
    replaced: &mut HashMap<String, RunningGroup>,
    spec: &GroupSpec,
    known: &[String],
) -> Option<RunningGroup> {
    let key = replaced
        .iter()
        .find(|(key, old)| old.group.spec.name == spec.name && !known.contains(key))
        .map(|(key, _)| key.clone())?;
    replaced.remove(&key)
}

fn readable(saved: Vec<(String, String)>) -> HashMap<String, AlertInstance> {
    let read = |(key, json): (String, String)| match serde_json::from_str(&json) {
        Ok(instance) => Some((key, instance)),
        Err(error) => {
            tracing::error!(alert.key = key, %error, "saved alert state is not readable; `for` starts over");
            None
        }
    };
    saved.into_iter().filter_map(read).collect()
}

fn ends_of(saved: HashMap<String, AlertInstance>, context: &Context, now: Timestamp) -> Vec<Alert> {
    let end = |instance| rule::outgoing::ended(instance, context, now);
    saved.into_values().filter_map(end).collect()
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
    first: Option<FirstRound>,
}

impl GroupTask {
    async fn run(mut self) {
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
                    if let Some(last) = schedule.last().filter(|last| at < *last) {
                        self.group.clock_stepped_back(last.since(at));
                    }
                    let cost = self.evaluate(at).await;
                    self.first = None;
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
        let group = Arc::clone(&self.group);
        let context = Context {
            stop: Some(self.stop.clone()),
            ..Context::clone(&self.context)
        };
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
        let pulses = &self.dependencies.metrics.pulses;
        pulses.rules.beat();
        if !(changed.is_empty() && forgotten.is_empty()) {
            pulses.alerts.beat();
        }
        // People first: should the process die in between, the state saved last is one step behind and catches up.
        if !alerts.is_empty() {
            self.dependencies.tell(alerts).await;
        }
        self.dependencies.metrics.progress.mark();
        self.save(changed, forgotten, at).await;
        duration
    }

    /// Saves what changed, and what the database did not take before.
    async fn save(
        &self,
        changed: Vec<(String, AlertInstance)>,
        forgotten: Vec<String>,
        at: Timestamp,
    ) {
        let mut unsaved = self.group.take_unsaved();
        let news = !(changed.is_empty() && forgotten.is_empty());
        unsaved.add(changed, forgotten);
        // A database that stands still must not hold up every evaluation.
        let waits = unsaved
            .refused_at
            .is_some_and(|refused| at.since(refused) < SAVE_RETRY);
        if !unsaved.is_empty() && (news || !waits) {
            let changed: Vec<(String, String)> = unsaved
                .changed
                .iter()
                .filter_map(|(key, instance)| {
                    Some((key.clone(), serde_json::to_string(instance).ok()?))
                })
                .collect();
            let forgotten: Vec<String> = unsaved.forgotten.iter().cloned().collect();
            let key = self.group.spec.key();
            if self.dependencies.save(&key, &changed, &forgotten).await {
                unsaved = Unsaved::default();
            } else {
                unsaved.refused_at = Some(at);
            }
        }
        self.group.keep_unsaved(unsaved);
    }
}

/// FNV-1a: spreads groups the same way after every start.
fn stable_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
