//! One group while it runs: its rules in order, each seeing the results of those before it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Stopwatch;
use crate::model::alert::{Alert, AlertState};
use crate::model::labels::{Labels, METRIC_NAME};
use crate::model::matcher::Matcher;
use crate::model::timestamp::Timestamp;
use crate::promql::walk;
use crate::storage::query::{Queryable, SelectRequest};
use crate::telemetry::traces;

use super::file::{GroupSpec, RuleKind};
use super::metrics::{GroupLabel, Metrics};
use super::rule::{Context, Rule, RuleError};
use super::state::{self, AlertInstance};

/// A group and its rules.
#[derive(Debug)]
pub struct Group {
    /// As written.
    pub spec: GroupSpec,
    /// Its rules, in order.
    pub rules: Vec<Arc<Rule>>,
    /// Label of its metrics.
    pub label: GroupLabel,
    last: Mutex<LastEvaluation>,
    unsaved: Mutex<Unsaved>,
}

/// Alert state that the database has not taken yet.
#[derive(Clone, Debug, Default)]
pub struct Unsaved {
    /// Instances by what they are saved under.
    pub changed: HashMap<String, AlertInstance>,
    /// What is to be forgotten.
    pub forgotten: HashSet<String>,
    /// When the database refused it last.
    pub refused_at: Option<Timestamp>,
}

impl Unsaved {
    /// Adds what an evaluation changed.
    pub fn add(&mut self, changed: Vec<(String, AlertInstance)>, forgotten: Vec<String>) {
        for (key, instance) in changed {
            self.forgotten.remove(&key);
            self.changed.insert(key, instance);
        }
        for key in forgotten {
            self.changed.remove(&key);
            self.forgotten.insert(key);
        }
    }

    /// Whether there is nothing to save.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.forgotten.is_empty()
    }
}

/// When the group was last evaluated and how long it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastEvaluation {
    /// When.
    pub at: Option<Timestamp>,
    /// How long it took.
    pub duration: Duration,
}

/// What an evaluation of a group brings about, over all its rules.
#[derive(Debug, Default)]
pub struct GroupEffects {
    /// Alerts the routes must hear of.
    pub alerts: Vec<Alert>,
    /// State to save, by the identity of the instance.
    pub changed: Vec<(String, AlertInstance)>,
    /// State to forget.
    pub forgotten: Vec<String>,
    /// How long it took.
    pub duration: Duration,
}

/// Metric names a group reads; `None` where a selector has no name and so may read anything.
pub type Reads = Option<HashSet<String>>;

impl Group {
    /// A group ready to run, taking over the state of an earlier edition where its rules' identities are the same.
    pub fn new(spec: GroupSpec, earlier: Option<&Self>) -> Self {
        let rules: Vec<Arc<Rule>> = spec
            .rules
            .iter()
            .cloned()
            .map(|rule| Arc::new(Rule::new(rule)))
            .collect();
        if let Some(earlier) = earlier {
            let mut theirs: HashMap<String, VecDeque<&Arc<Rule>>> = HashMap::new();
            for rule in &earlier.rules {
                theirs
                    .entry(rule.spec.identity())
                    .or_default()
                    .push_back(rule);
            }
            for rule in &rules {
                let same = theirs.get_mut(&rule.spec.identity());
                if let Some(same) = same.and_then(VecDeque::pop_front) {
                    rule.inherit(same);
                }
            }
        }
        let label = GroupLabel {
            rule_file: spec.file.to_string(),
            rule_group: spec.name.clone(),
        };
        let last = earlier.map(Self::last).unwrap_or_default();
        let unsaved = match earlier {
            Some(earlier) if earlier.spec.key() == spec.key() => earlier.take_unsaved(),
            // Under its new name all is new to the database.
            Some(_) => all_of(&spec, &rules),
            None => Unsaved::default(),
        };
        Self {
            spec,
            rules,
            label,
            last: Mutex::new(last),
            unsaved: Mutex::new(unsaved),
        }
    }

    /// The same rules, which may stand on other lines of their file now.
    pub fn stands_at(&self, spec: &GroupSpec) {
        for (rule, spec) in self.rules.iter().zip(&spec.rules) {
            rule.spec.line.follow(&spec.line);
        }
    }

    /// Has saved state removed with the next evaluation.
    pub fn forget(&self, keys: Vec<String>) {
        self.unsaved.lock().add(Vec::new(), keys);
    }

    /// Takes the state that is still to be saved.
    pub fn take_unsaved(&self) -> Unsaved {
        std::mem::take(&mut *self.unsaved.lock())
    }

    /// Keeps state to be saved later.
    pub fn keep_unsaved(&self, unsaved: Unsaved) {
        *self.unsaved.lock() = unsaved;
    }

    /// When it was last evaluated.
    pub fn last(&self) -> LastEvaluation {
        *self.last.lock()
    }

    /// Evaluates all rules in order. Blocking. A rule that fails is counted and told; the others go on.
    pub fn evaluate(&self, context: &Context, metrics: &Metrics, at: Timestamp) -> GroupEffects {
        let span = tracing::info_span!(
            "evaluate",
            rule.group = %self.spec.name,
            rule.file = %self.spec.file,
            trace.id = tracing::field::Empty,
        );
        traces::record_id(&span);
        let _entered = span.enter();
        let stopwatch = Stopwatch::start();
        let mut effects = GroupEffects::default();
        let key = self.spec.key();
        let evaluations = metrics.evaluations.get_or_create(&self.label).clone();
        for rule in &self.rules {
            if context.is_stopped() {
                return effects;
            }
            evaluations.inc();
            let failed = |error: &RuleError| {
                metrics.failures.get_or_create(&self.label).inc();
                tracing::warn!(rule.name = %rule.spec.name, %error, "evaluate rule");
            };
            match rule.evaluate(context, &self.spec, at) {
                Ok(of_rule) => {
                    of_rule.unwritten.iter().for_each(failed);
                    let identity = rule.spec.identity();
                    effects.alerts.extend(of_rule.alerts);
                    effects
                        .changed
                        .extend(of_rule.changed.into_iter().map(|instance| {
                            (instance_key(&key, &identity, &instance.labels), instance)
                        }));
                    effects.forgotten.extend(
                        of_rule
                            .forgotten
                            .iter()
                            .map(|labels| instance_key(&key, &identity, labels)),
                    );
                }
                Err(error) if error.is_stop() => return effects,
                Err(error) => {
                    failed(&error);
                    effects.alerts.extend(rule.sustain(context, at));
                }
            }
        }
        effects.duration = stopwatch.elapsed();
        *self.last.lock() = LastEvaluation {
            at: Some(at),
            duration: effects.duration,
        };
        metrics.iterations.get_or_create(&self.label).inc();
        metrics
            .seconds
            .get_or_create(&self.label)
            .inc_by(effects.duration.as_secs_f64());
        metrics
            .last_duration
            .get_or_create(&self.label)
            .set(effects.duration.as_secs_f64());
        metrics
            .last_evaluation
            .get_or_create(&self.label)
            .set(at.seconds());
        effects
    }

    /// Takes back alerts saved before a restart, by [`instance_key`]. A pending alert keeps the time it had held; the
    /// outage, from the last `ALERTS_FOR_STATE` sample to `now`, does not count. Returns what belongs to no rule of the
    /// group any more.
    pub fn restore(
        &self,
        context: &Context,
        mut saved: HashMap<String, AlertInstance>,
        now: Timestamp,
    ) -> HashMap<String, AlertInstance> {
        let key = self.spec.key();
        // A rule that is written twice has its alerts saved once.
        let mut known: HashSet<String> = HashSet::with_capacity(saved.len());
        for rule in self
            .rules
            .iter()
            .filter(|rule| rule.spec.kind != RuleKind::Recording)
        {
            let identity = rule.spec.identity();
            let mut memory = rule.memory();
            for (saved_key, instance) in &saved {
                if instance_key(&key, &identity, &instance.labels) != *saved_key {
                    continue;
                }
                known.insert(saved_key.clone());
                let mut instance = instance.clone();
                if instance.state == AlertState::Pending {
                    // The sample lies as far back as the expression looked.
                    let seen = last_seen(context, &instance, now)
                        .map_or(instance.active_at, |seen| seen + self.spec.query_offset);
                    let outage = now.since(seen);
                    // What happened during a short gap between two evaluations is no outage.
                    if outage > self.spec.interval * 2 {
                        state::restore(&mut instance, outage);
                    }
                }
                // Told again after a restart: the routes know what they have already said.
                instance.last_sent_at = None;
                memory.instances.insert(instance.labels.clone(), instance);
            }
        }
        saved.retain(|saved_key, _| !known.contains(saved_key));
        saved
    }

    /// Its firing alerts that `next`, which takes its place, tells under other labels, resolved. Rules that are not in `next`
    /// are ended by [`Self::retire`].
    pub fn renamed(
        &self,
        next: &GroupSpec,
        old: &Context,
        new: &Context,
        now: Timestamp,
    ) -> Vec<Alert> {
        let of_rule = |rule: &Arc<Rule>| {
            let identity = rule.spec.identity();
            let same = next.rules.iter().find(|next| next.identity() == identity);
            same.map_or_else(Vec::new, |next| rule.renamed(next, old, new, now))
        };
        self.rules.iter().flat_map(of_rule).collect()
    }

    /// The wall clock stepped back by this much: the alerts' times follow.
    pub fn clock_stepped_back(&self, by: Duration) {
        for rule in &self.rules {
            rule.clock_stepped_back(by);
        }
    }

    /// Ends its rules: returns their firing alerts as resolved, and the keys of the state to forget.
    pub fn retire(&self, context: &Context, now: Timestamp) -> (Vec<Alert>, Vec<String>) {
        let key = self.spec.key();
        let mut alerts = Vec::new();
        let mut keys = Vec::new();
        for rule in &self.rules {
            let identity = rule.spec.identity();
            keys.extend(
                rule.memory()
                    .instances
                    .keys()
                    .map(|labels| instance_key(&key, &identity, labels)),
            );
            alerts.extend(rule.retire(context, now));
        }
        (alerts, keys)
    }

    /// Names of the metrics its expressions read.
    pub fn reads(&self) -> Reads {
        let mut names = HashSet::new();
        for rule in &self.rules {
            let mut nameless = false;
            for used in walk::selectors(&rule.spec.expr) {
                let accepted = used
                    .selector
                    .matchers
                    .iter()
                    .filter(|matcher| matcher.name() == METRIC_NAME)
                    .find_map(Matcher::accepted_values);
                match accepted {
                    Some(accepted) => names.extend(accepted.into_iter().map(str::to_owned)),
                    None => nameless = true,
                }
            }
            if nameless {
                return None;
            }
        }
        Some(names)
    }

    /// Names of the metrics it records.
    pub fn records(&self) -> impl Iterator<Item = &str> {
        self.rules
            .iter()
            .filter(|rule| rule.spec.kind == RuleKind::Recording)
            .map(|rule| rule.spec.name.as_str())
    }
}

/// The whole state of these rules, to be saved.
fn all_of(spec: &GroupSpec, rules: &[Arc<Rule>]) -> Unsaved {
    let key = spec.key();
    let mut unsaved = Unsaved::default();
    for rule in rules {
        let identity = rule.spec.identity();
        let instances = rule.memory().instances.clone();
        let keyed = instances
            .into_values()
            .map(|instance| (instance_key(&key, &identity, &instance.labels), instance));
        unsaved.changed.extend(keyed);
    }
    unsaved
}

/// What an alert is saved under.
pub fn instance_key(group_key: &str, rule_identity: &str, labels: &Labels) -> String {
    format!("{group_key} / {rule_identity} / {labels}")
}

fn last_seen(context: &Context, instance: &AlertInstance, now: Timestamp) -> Option<Timestamp> {
    let labels = instance.labels.with(METRIC_NAME, "ALERTS_FOR_STATE");
    let matchers: Vec<Matcher> = labels
        .iter()
        .map(|(name, value)| Matcher::equal(name, value))
        .collect();
    let request = SelectRequest {
        matchers: &matchers,
        after_ms: now.millis() - 24 * 3600 * 1000,
        until_ms: now.millis(),
        newest_only: true,
        max_samples: 1000,
    };
    let found = context.storage.select(&request).ok()?;
    let series = found.into_iter().find(|series| series.labels == labels)?;
    Some(Timestamp::from_millis(series.samples.last()?.timestamp_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::diagnostics::Diagnostics;
    use crate::promql::eval::Engine;
    use crate::rules::file;
    use crate::storage::{Storage, StorageConfig};

    /// A group of a pending alert, its rule written twice, evaluated from 10,000 s to 10,600 s; with what it saved.
    fn pending(query_offset: &str) -> (Group, Context, HashMap<String, AlertInstance>) {
        let rule = "{alert: A, expr: vector(1), for: 1h}";
        let text = format!(
            "groups: [{{name: g, interval: 15s, query_offset: {query_offset}, rules: [{rule}, {rule}]}}]"
        );
        let diagnostics = Diagnostics::default();
        let specs = file::read("r.yml", &text, Duration::from_secs(15), &diagnostics);
        assert!(diagnostics.is_empty());
        let context = Context {
            storage: Storage::in_memory(StorageConfig::default()),
            engine: Arc::new(Engine::default()),
            timeout: Duration::from_secs(10),
            external_labels: Labels::empty(),
            external_url: "".into(),
            stop: None,
        };
        let metrics = Metrics::default();
        let group = Group::new(specs[0].clone(), None);
        let mut saved = HashMap::new();
        for seconds in (10_000..=10_600).step_by(15) {
            let at = Timestamp::from_millis(seconds * 1000);
            saved.extend(group.evaluate(&context, &metrics, at).changed);
        }
        (group, context, saved)
    }

    /// How long each rule's alert has been held at 10,620 s, in seconds.
    fn held(group: &Group) -> Vec<u64> {
        let now = Timestamp::from_millis(10_620_000);
        group
            .rules
            .iter()
            .map(|rule| match rule.memory().instances.values().next() {
                Some(instance) => now.since(instance.active_at).as_secs(),
                None => 0,
            })
            .collect()
    }

    #[test]
    fn an_offset_is_no_outage() {
        for query_offset in ["0s", "5m"] {
            let (group, context, saved) = pending(query_offset);
            let after = Group::new(group.spec.clone(), None);
            let now = Timestamp::from_millis(10_620_000);
            assert!(after.restore(&context, saved, now).is_empty());
            assert_eq!(held(&after), [620, 620], "{query_offset}");
        }
    }

    #[test]
    fn state_that_belongs_to_no_rule_is_named() {
        let (group, context, saved) = pending("0s");
        let keys: Vec<String> = saved.keys().cloned().collect();
        let spec = GroupSpec {
            rules: Vec::new(),
            ..group.spec
        };
        let after = Group::new(spec, None);
        let orphans = after.restore(&context, saved, Timestamp::MAX);
        assert_eq!(orphans.into_keys().collect::<Vec<_>>(), keys);
    }

    #[test]
    fn a_rule_written_twice_keeps_both_states_over_a_reload() {
        let (group, ..) = pending("0s");
        assert_eq!(
            held(&Group::new(group.spec.clone(), Some(&group))),
            [620, 620]
        );
    }
}
