//! One rule while it runs: evaluated, its alerts moved, its series written.

pub mod outgoing;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Stopwatch;
use crate::model::alert::{Alert, AlertState};
use crate::model::labels::{ALERT_NAME, Labels, LabelsBuilder, METRIC_NAME};
use crate::model::sample::STALE_NAN;
use crate::model::timestamp::Timestamp;
use crate::promql::ast::Expr;
use crate::promql::eval::{Deadline, Engine, EvalError, Query, QueryResult, QueryValue};
use crate::storage::Storage;
use crate::storage::appender::{AppendError, Appender};
use crate::storage::slots::SeriesRef;
use crate::tasks::Stop;
use crate::template::alert::{AlertData, AlertTemplate};
use crate::template::prometheus::QuerySample;

use self::outgoing::{end, generator_url, outgoing, state_series, template_time};
use super::file::{GroupSpec, RuleKind, RuleSpec};
use super::history::{History, Reading};
use super::known::with_missing;
use super::state::{self, Active, AlertInstance, Holds, Instances, Lasting};
use super::worst::{Watch, value_of, watched};

/// What every rule needs to be evaluated.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where series come from and go to.
    pub storage: Storage,
    /// Evaluates expressions.
    pub engine: Arc<Engine>,
    /// The longest one expression may take.
    pub timeout: Duration,
    /// Labels of this Outrigger, added to alerts that leave it.
    pub external_labels: Labels,
    /// Where a person reaches this Outrigger; without a slash at the end.
    pub external_url: Arc<str>,
    /// Ends evaluations that are under way: what takes long must not hold up a reload.
    pub stop: Option<Stop>,
}

impl Context {
    /// Whether evaluation is to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(Stop::is_cancelled)
    }

    fn query(&self, text: &str, expr: &Expr, at: Timestamp) -> Result<QueryResult, EvalError> {
        let mut deadline = Deadline::after(self.timeout);
        if let Some(stop) = &self.stop {
            deadline = deadline.or_when(stop.clone());
        }
        let query = Query {
            text,
            expr,
            deadline: &deadline,
        };
        self.engine.instant(&self.storage, &query, at.millis())
    }
}

/// Whether a rule works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not evaluated yet.
    Unknown,
    /// The last evaluation succeeded.
    Ok,
    /// It failed, and why.
    Failed(String),
}

/// A rule and what it remembers.
#[derive(Debug)]
pub struct Rule {
    /// As written.
    pub spec: RuleSpec,
    labels: Vec<(String, AlertTemplate)>,
    annotations: Vec<(String, AlertTemplate)>,
    watch: Watch,
    memory: Mutex<Memory>,
}

/// What a rule remembers between evaluations.
#[derive(Debug)]
pub struct Memory {
    /// Alerts by their labels; empty for recording rules.
    pub instances: Instances,
    /// Whether it works.
    pub health: Health,
    /// Duration of the last evaluation.
    pub evaluation_time: Duration,
    /// Time of the last evaluation.
    pub last_evaluation: Option<Timestamp>,
    /// The last evaluations.
    pub history: History,
    // Series written by the last evaluation: those not written again get a stale marker.
    written: HashMap<Labels, SeriesRef>,
}

/// What an evaluation of one rule brings about.
#[derive(Debug, Default)]
pub struct Effects {
    /// Alerts the routes must hear of.
    pub alerts: Vec<Alert>,
    /// Instances whose lasting state changed, to be saved.
    pub changed: Vec<AlertInstance>,
    /// Instances no longer known.
    pub forgotten: Vec<Labels>,
    /// Why `ALERTS` and `ALERTS_FOR_STATE` could not be written. People are told nonetheless: a full disk or a full store
    /// is when they must be.
    pub unwritten: Option<RuleError>,
}

/// Why an evaluation failed; the text stands in the rules API.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// The expression failed.
    #[error("{0}")]
    Query(#[from] EvalError),
    /// The result cannot be used.
    #[error("{0}")]
    Result(#[from] state::StepError),
    /// A recording rule yields one series twice.
    #[error("vector contains metrics with the same labelset after applying rule labels: {0}")]
    Duplicate(Labels),
    /// A recording rule yields more series than the group allows.
    #[error("exceeded limit of {limit} with {count} series")]
    Limit {
        /// The group's limit.
        limit: usize,
        /// Series in the result.
        count: usize,
    },
    /// The result is of a type that rules cannot use.
    #[error("rule result is not a vector or scalar")]
    Type,
    /// The series cannot be written.
    #[error("write series: {0}")]
    Write(String),
    /// The evaluation panicked; the log says where.
    #[error("evaluation panicked; this is a bug in Outrigger")]
    Panicked,
}

impl RuleError {
    /// Whether the evaluation was ended from outside: no fault, and nothing has changed.
    pub(super) fn is_stop(&self) -> bool {
        matches!(self, Self::Query(EvalError::Canceled))
    }
}

impl Rule {
    /// A rule ready to run. Templates were checked when the file was read.
    pub fn new(spec: RuleSpec) -> Self {
        let compile = |pairs: &[(String, String)]| {
            pairs
                .iter()
                .filter_map(|(name, text)| {
                    Some((name.clone(), AlertTemplate::new(name, text).ok()?))
                })
                .collect()
        };
        let (labels, annotations) = match &spec.kind {
            RuleKind::Recording => (Vec::new(), Vec::new()),
            RuleKind::Alerting { annotations, .. } => (compile(&spec.labels), compile(annotations)),
        };
        let memory = Memory {
            instances: Instances::new(),
            health: Health::Unknown,
            evaluation_time: Duration::ZERO,
            last_evaluation: None,
            history: History::default(),
            written: HashMap::new(),
        };
        Self {
            watch: Watch::of(&spec.expr),
            spec,
            labels,
            annotations,
            memory: Mutex::new(memory),
        }
    }

    /// What it remembers.
    pub fn memory(&self) -> parking_lot::MutexGuard<'_, Memory> {
        self.memory.lock()
    }

    /// Takes over what another edition of the same rule remembers.
    pub fn inherit(&self, other: &Self) {
        let mut theirs = other.memory.lock();
        let mut ours = self.memory.lock();
        ours.instances = std::mem::take(&mut theirs.instances);
        ours.written = std::mem::take(&mut theirs.written);
        ours.health = theirs.health.clone();
        ours.evaluation_time = theirs.evaluation_time;
        ours.last_evaluation = theirs.last_evaluation;
        ours.history = std::mem::take(&mut theirs.history);
    }

    /// Evaluates the rule at `at`.
    ///
    /// # Errors
    /// Where the expression fails, or a recording rule's write; alerts then stay as they were.
    pub fn evaluate(
        &self,
        context: &Context,
        group: &GroupSpec,
        at: Timestamp,
    ) -> Result<Effects, RuleError> {
        let stopwatch = Stopwatch::start();
        // A fault in one expression must not take the group's other rules along.
        let mut reading = Reading::default();
        let attempt = AssertUnwindSafe(|| self.try_evaluate(context, group, at, &mut reading));
        let outcome = catch_unwind(attempt).unwrap_or(Err(RuleError::Panicked));
        if outcome.as_ref().is_err_and(RuleError::is_stop) {
            return outcome;
        }
        let mut memory = self.memory.lock();
        memory.evaluation_time = stopwatch.elapsed();
        memory.last_evaluation = Some(at);
        let error = match &outcome {
            Ok(effects) => effects.unwritten.as_ref(),
            Err(error) => Some(error),
        };
        let error = error.map(ToString::to_string);
        let took = memory.evaluation_time;
        memory.history.add(at, took, reading, error.clone());
        memory.health = error.map_or(Health::Ok, Health::Failed);
        outcome
    }

    fn try_evaluate(
        &self,
        context: &Context,
        group: &GroupSpec,
        at: Timestamp,
        reading: &mut Reading,
    ) -> Result<Effects, RuleError> {
        let query_at = at - group.query_offset;
        let result = context.query(&self.spec.text, &self.spec.expr, query_at)?;
        (reading.samples, reading.series) = (result.samples_read, result.series_read);
        let samples = samples(result.value).ok_or(RuleError::Type)?;
        reading.results = samples.len();
        match &self.spec.kind {
            RuleKind::Recording => {
                self.record(context, group.limit, samples, query_at)?;
                Ok(Effects::default())
            }
            RuleKind::Alerting { holds, .. } => self.alert(context, group, *holds, samples, at),
        }
    }

    fn record(
        &self,
        context: &Context,
        limit: usize,
        samples: Vec<(Labels, f64)>,
        at: Timestamp,
    ) -> Result<(), RuleError> {
        let count = samples.len();
        if limit > 0 && count > limit {
            return Err(RuleError::Limit { limit, count });
        }
        let mut seen: HashSet<Labels> = HashSet::with_capacity(count);
        let mut series = Vec::with_capacity(count);
        for (labels, value) in samples {
            let mut builder = LabelsBuilder::from(&labels);
            builder.set(METRIC_NAME, &self.spec.name);
            for (name, value) in &self.spec.labels {
                builder.set(name, value);
            }
            let labels = builder.build();
            if !seen.insert(labels.clone()) {
                return Err(RuleError::Duplicate(labels));
            }
            series.push((labels, value));
        }
        self.write(&context.storage, series, at)
    }

    fn alert(
        &self,
        context: &Context,
        group: &GroupSpec,
        holds: Holds,
        samples: Vec<(Labels, f64)>,
        at: Timestamp,
    ) -> Result<Effects, RuleError> {
        let active = samples
            .into_iter()
            .map(|(labels, value)| self.expand(context, &labels, value, at))
            .collect();
        let mut memory = self.memory.lock();
        let before: HashMap<Labels, Lasting> = memory
            .instances
            .iter()
            .map(|(labels, instance)| (labels.clone(), Lasting::of(instance)))
            .collect();
        state::step(&mut memory.instances, active, holds, group.limit, at)?;
        let ended: Vec<Labels> = memory
            .instances
            .values()
            .filter(|instance| instance.resolved_at == Some(at))
            .map(|instance| instance.labels.clone())
            .collect();
        if !ended.is_empty() {
            // Those who read what the rule remembers do not wait for a query.
            drop(memory);
            let values = self.values_at_the_end(context, ended, at - group.query_offset);
            memory = self.memory.lock();
            for (labels, value) in values {
                if let Some(instance) = memory.instances.get_mut(&labels) {
                    instance.resolved_value = Some(value);
                }
            }
        }

        let mut effects = Effects::default();
        let generator_url = generator_url(&context.external_url, &self.spec.query);
        let mut series = Vec::with_capacity(2 * memory.instances.len());
        for (labels, instance) in &mut memory.instances {
            self.make_known(instance);
            if instance.state == AlertState::Firing && instance.keep_firing_since.is_none() {
                instance.peak = self.watch.worst.of(instance.peak, instance.value);
            }
            let turned = before.get(labels) != Some(&Lasting::of(instance));
            let climbed = !turned && state::peak_needs_saving(instance, at);
            if climbed {
                instance.peak_saved_at = Some(at);
            }
            if turned || climbed {
                instance.saved_peak = instance.peak;
                effects.changed.push(instance.clone());
            }
            if instance.state != AlertState::Inactive {
                series.push((state_series(instance), 1.0));
                series.push((
                    labels.with(METRIC_NAME, "ALERTS_FOR_STATE"),
                    (instance.active_at.millis() / 1000) as f64,
                ));
            }
            if state::needs_sending(instance, at) {
                instance.last_sent_at = Some(at);
                effects
                    .alerts
                    .push(self.outgoing(instance, context, &generator_url, at));
            }
        }
        effects.forgotten = before
            .into_keys()
            .filter(|labels| !memory.instances.contains_key(labels))
            .collect();
        drop(memory);
        // As with recorded series, samples lie where the expression looked.
        let looked_at = at - group.query_offset;
        effects.unwritten = self.write(&context.storage, series, looked_at).err();
        Ok(effects)
    }

    /// Firing alerts whose evaluation failed: they are told again before they would count as ended, since a rule that
    /// cannot be evaluated has not resolved.
    pub fn sustain(&self, context: &Context, at: Timestamp) -> Vec<Alert> {
        let generator_url = generator_url(&context.external_url, &self.spec.query);
        let mut memory = self.memory.lock();
        memory
            .instances
            .values_mut()
            .filter(|instance| {
                instance.state == AlertState::Firing && state::needs_sending(instance, at)
            })
            .map(|instance| {
                instance.last_sent_at = Some(at);
                self.outgoing(instance, context, &generator_url, at)
            })
            .collect()
    }

    /// The wall clock stepped back by this much: times follow, so that what was held stays held.
    pub fn clock_stepped_back(&self, by: Duration) {
        let mut memory = self.memory.lock();
        for instance in memory.instances.values_mut() {
            state::clock_stepped_back(instance, by);
        }
    }

    /// Ends the rule: stale markers for its series, and its firing alerts as resolved.
    pub fn retire(&self, context: &Context, at: Timestamp) -> Vec<Alert> {
        let generator_url = generator_url(&context.external_url, &self.spec.query);
        let mut memory = self.memory.lock();
        let ended = memory
            .instances
            .values_mut()
            .filter(|instance| instance.state == AlertState::Firing)
            .map(|instance| {
                end(instance, at);
                self.outgoing(instance, context, &generator_url, at)
            })
            .collect();
        memory.instances.clear();
        drop(memory);
        if let Err(error) = self.write(&context.storage, Vec::new(), at) {
            tracing::warn!(rule.name = %self.spec.name, %error, "mark series of a removed rule as stale");
        }
        ended
    }

    /// The values of what the rule compares, for alerts that just resolved: the one query that an end costs.
    fn values_at_the_end(
        &self,
        context: &Context,
        mut ended: Vec<Labels>,
        query_at: Timestamp,
    ) -> Vec<(Labels, f64)> {
        let mut found = Vec::new();
        for reading in watched(&self.spec.expr) {
            let result = context.query(&self.spec.text, reading.values, query_at);
            let samples = match result {
                Ok(result) => samples(result.value).unwrap_or_default(),
                Err(error) => {
                    // The alert is over all the same.
                    tracing::debug!(rule.name = %self.spec.name, %error, "evaluate what the rule compares");
                    continue;
                }
            };
            ended.retain(|labels| {
                let value = value_of(labels, &self.spec.labels, &samples);
                found.extend(value.map(|value| (labels.clone(), value)));
                value.is_none()
            });
        }
        found
    }

    fn outgoing(
        &self,
        instance: &AlertInstance,
        context: &Context,
        generator_url: &Arc<str>,
        at: Timestamp,
    ) -> Alert {
        let mut alert = outgoing(instance, context, generator_url, at);
        if let Some(threshold) = self.watch.threshold {
            alert.course.threshold = Some(threshold);
        }
        if let Some(known) = &self.spec.known {
            alert.annotations = with_missing(&alert.annotations, &known.annotations);
        }
        alert
    }

    /// Labels and annotations of one series of the result, templates expanded. A template that fails leaves its error
    /// in its place, as in Prometheus: an alert is never lost to its text.
    fn expand(&self, context: &Context, labels: &Labels, value: f64, at: Timestamp) -> Active {
        let data = AlertData::new(
            labels.iter(),
            context.external_labels.iter(),
            &context.external_url,
            value,
        );
        let query = |text: &str| -> Result<Vec<QuerySample>, String> {
            let expr = crate::promql::parser::parse(text).map_err(|error| error.to_string())?;
            let result = context
                .query(text, &expr, at)
                .map_err(|error| error.to_string())?;
            Ok(match result.value {
                QueryValue::Vector(samples) => samples
                    .into_iter()
                    .map(|sample| QuerySample::new(sample.labels.iter(), sample.value))
                    .collect(),
                QueryValue::Scalar { value, .. } => {
                    vec![QuerySample::new(std::iter::empty::<(&str, &str)>(), value)]
                }
                QueryValue::String { .. } | QueryValue::Matrix(_) => Vec::new(),
            })
        };
        let text = |template: &AlertTemplate| {
            template
                .expand(&data, template_time(at), &query)
                .unwrap_or_else(|error| format!("<error expanding template: {error}>"))
        };
        let mut builder = LabelsBuilder::from(labels);
        builder.remove(METRIC_NAME);
        for (name, template) in &self.labels {
            builder.set(name, &text(template));
        }
        builder.set(ALERT_NAME, &self.spec.name);
        let annotations = Labels::from_pairs(
            self.annotations
                .iter()
                .map(|(name, template)| (name, text(template))),
        );
        Active {
            labels: builder.build(),
            annotations,
            value,
        }
    }

    /// Writes the series of one evaluation, and stale markers for those of the last one that are not among them.
    fn write(
        &self,
        storage: &Storage,
        series: Vec<(Labels, f64)>,
        at: Timestamp,
    ) -> Result<(), RuleError> {
        let mut memory = self.memory.lock();
        if series.is_empty() && memory.written.is_empty() {
            return Ok(());
        }
        let mut last = std::mem::take(&mut memory.written);
        let mut written = HashMap::with_capacity(series.len());
        let mut appender = storage.appender();
        let mut first_error = None;
        for (labels, value) in series {
            match append(&mut appender, last.remove(&labels), &labels, at, value) {
                Ok(reference) => {
                    written.insert(labels, reference);
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        for (labels, reference) in last {
            if let Err(error) = append(&mut appender, Some(reference), &labels, at, STALE_NAN) {
                first_error = first_error.or(Some(error));
            }
        }
        memory.written = written;
        drop(memory);
        appender
            .commit()
            .map_err(|error| RuleError::Write(error.to_string()))?;
        first_error.map_or(Ok(()), |error| Err(RuleError::Write(error.to_string())))
    }
}

/// A result as rules use it; `None` for text and ranges.
fn samples(value: QueryValue) -> Option<Vec<(Labels, f64)>> {
    match value {
        QueryValue::Vector(samples) => Some(
            samples
                .into_iter()
                .map(|sample| (sample.labels, sample.value))
                .collect(),
        ),
        QueryValue::Scalar { value, .. } => Some(vec![(Labels::empty(), value)]),
        QueryValue::String { .. } | QueryValue::Matrix(_) => None,
    }
}

fn append(
    appender: &mut Appender,
    known: Option<SeriesRef>,
    labels: &Labels,
    at: Timestamp,
    value: f64,
) -> Result<SeriesRef, AppendError> {
    if let Some(reference) = known {
        match appender.append(reference, at.millis(), value) {
            Ok(()) => return Ok(reference),
            Err(AppendError::UnknownSeries) => {}
            Err(error) => return Err(error),
        }
    }
    let reference = appender.series(labels)?;
    appender.append(reference, at.millis(), value)?;
    Ok(reference)
}

#[cfg(test)]
mod tests;
