//! Running one test: simulated time over a store in memory, then the comparison.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::document::Position;
use crate::model::alert::AlertState;
use crate::model::go_float;
use crate::model::labels::{Labels, quote};
use crate::model::matcher::Matcher;
use crate::model::timestamp::Timestamp;
use crate::promql::eval::{Deadline, Engine, EngineConfig, Query, QueryValue};
use crate::rules::file::{GroupSpec, RuleKind};
use crate::rules::group::Group;
use crate::rules::metrics::Metrics;
use crate::rules::rule::{Context, Health};
use crate::storage::appender::{AppendError, Appender};
use crate::storage::query::{Queryable, SelectRequest};
use crate::storage::slots::SeriesRef;
use crate::storage::{Storage, StorageConfig};

use super::file::{AlertCase, ExpectedAlert, ExpressionCase, TestFile, TestGroup, shown};

/// The longest one expression may take.
const TIMEOUT: Duration = Duration::from_secs(100);

/// Something that did not come as expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Where the expectation stands; line 0 for a rule that could not be evaluated.
    pub position: Position,
    /// What was looked at, such as `alert Down at 5m`.
    pub subject: String,
    /// How it failed.
    pub reason: Reason,
}

/// How an expectation failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Evaluation failed.
    Error(String),
    /// Something else came; one line an alert or sample, sorted.
    Difference {
        /// What the test expects.
        expected: Vec<String>,
        /// What came.
        got: Vec<String>,
    },
}

/// `subject: error`, or what was expected and what came, each indented below.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Error(error) => write!(f, "{}: {error}", self.subject),
            Reason::Difference { expected, got } => {
                f.write_str(&self.subject)?;
                for (title, lines) in [("exp", expected), ("got", got)] {
                    write!(f, "\n    {title}:")?;
                    if lines.is_empty() {
                        f.write_str(" nothing")?;
                    }
                    for line in lines {
                        write!(f, "\n        {line}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl Failure {
    /// The same, lines that are expected and came left out: `-` is missing, `+` is too much.
    pub fn diff(&self) -> String {
        let Reason::Difference { expected, got } = &self.reason else {
            return self.to_string();
        };
        let mut out = self.subject.clone();
        let mut rest = got.clone();
        for line in expected {
            match rest.iter().position(|other| other == line) {
                Some(same) => drop(rest.remove(same)),
                None => out.push_str(&format!("\n    - {line}")),
            }
        }
        for line in rest {
            out.push_str(&format!("\n    + {line}"));
        }
        out
    }
}

/// What a test leaves behind.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What did not come as expected; empty where the test passes.
    pub failures: Vec<Failure>,
    storage: Storage,
}

impl Outcome {
    /// All samples, those of the rules among them, for people who look for a mistake.
    pub fn samples(&self) -> String {
        let every = [Matcher::equal("", "")];
        let request = SelectRequest {
            matchers: &every,
            after_ms: i64::MIN,
            until_ms: i64::MAX,
            newest_only: false,
            max_samples: usize::MAX,
        };
        let mut series = match self.storage.select(&request) {
            Ok(series) => series,
            Err(error) => return format!("{error}\n"),
        };
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        let mut out = String::new();
        for one in series {
            out.push_str(&format!("{} =>\n", one.labels));
            for sample in one.samples {
                let value = if crate::model::sample::is_stale(sample.value) {
                    "stale".to_owned()
                } else {
                    go_float::format_sample(sample.value)
                };
                let at = Timestamp::from_millis(sample.timestamp_ms).seconds();
                out.push_str(&format!("{value} @[{at}]\n"));
            }
        }
        out
    }
}

/// Runs one test of a file over the file's groups.
pub fn run(file: &TestFile, test: &TestGroup, specs: &[GroupSpec]) -> Outcome {
    let storage = Storage::in_memory(StorageConfig {
        series_limit: usize::MAX,
        ..StorageConfig::default()
    });
    let engine = Engine::new(EngineConfig {
        default_subquery_step: file.evaluation_interval,
        ..EngineConfig::default()
    });
    let mut run = Run {
        file,
        test,
        context: Context {
            storage: storage.clone(),
            engine: Arc::new(engine),
            timeout: TIMEOUT,
            external_labels: test.external_labels.clone(),
            external_url: Arc::clone(&test.external_url),
            stop: None,
        },
        metrics: Metrics::default(),
        groups: ordered(specs, &file.group_order),
        input: Input::new(test),
        failures: Vec::new(),
    };
    if run.evaluate().is_ok() {
        for case in &test.expressions {
            run.check_expression(case);
        }
    }
    Outcome {
        failures: run.failures,
        storage,
    }
}

/// Groups in the order that the file gives; those it does not name go with the first, in the order of their files.
fn ordered(specs: &[GroupSpec], order: &[String]) -> Vec<Group> {
    let mut groups: Vec<Group> = specs
        .iter()
        .map(|spec| Group::new(spec.clone(), None))
        .collect();
    groups.sort_by_key(|group| {
        order
            .iter()
            .position(|name| *name == group.spec.name)
            .unwrap_or(0)
    });
    groups
}

/// Evaluation cannot go on; the reason is among the failures.
struct Broken;

struct Run<'a> {
    file: &'a TestFile,
    test: &'a TestGroup,
    context: Context,
    metrics: Metrics,
    groups: Vec<Group>,
    input: Input<'a>,
    failures: Vec<Failure>,
}

impl Run<'_> {
    /// Evaluates all groups until the last expectation, checking alerts on the way.
    fn evaluate(&mut self) -> Result<(), Broken> {
        let step = self.file.evaluation_interval;
        let alert_times = self.test.alerts.iter().map(|case| case.at);
        let times = alert_times.chain(self.test.expressions.iter().map(|case| case.at));
        let last = times.max().unwrap_or_default();
        let mut elapsed = Duration::ZERO;
        while elapsed <= last {
            let now = self.test.start + elapsed;
            if let Err(error) = self.input.append_until(&self.context.storage, now) {
                self.fail(
                    Position::default(),
                    "input series".to_owned(),
                    Reason::Error(error),
                );
                return Err(Broken);
            }
            self.evaluate_groups(elapsed, now)?;
            // An alert is looked at as the last evaluation before its time left it.
            let mut due: Vec<&AlertCase> = self
                .test
                .alerts
                .iter()
                .filter(|case| case.at >= elapsed && case.at < elapsed + step)
                .collect();
            due.sort_by_key(|case| case.at);
            for case in due {
                self.check_alerts(case);
            }
            elapsed += step;
        }
        Ok(())
    }

    fn evaluate_groups(&mut self, elapsed: Duration, now: Timestamp) -> Result<(), Broken> {
        let mut failures = Vec::new();
        for group in &self.groups {
            group.evaluate(&self.context, &self.metrics, now);
            for rule in &group.rules {
                if let Health::Failed(error) = &rule.memory().health {
                    failures.push((rule.spec.name.clone(), error.clone()));
                }
            }
        }
        if failures.is_empty() {
            return Ok(());
        }
        for (rule, error) in failures {
            let subject = format!("rule {rule} at {}", shown(elapsed));
            self.fail(Position::default(), subject, Reason::Error(error));
        }
        Err(Broken)
    }

    fn check_alerts(&mut self, case: &AlertCase) {
        let mut got: Vec<ExpectedAlert> = self
            .groups
            .iter()
            .flat_map(|group| &group.rules)
            .filter(|rule| rule.spec.name == case.alert)
            .flat_map(|rule| match &rule.spec.kind {
                RuleKind::Recording => Vec::new(),
                RuleKind::Alerting { annotations, .. } => rule
                    .memory()
                    .instances
                    .values()
                    .filter(|instance| instance.state == AlertState::Firing)
                    .map(|instance| ExpectedAlert {
                        labels: owned(&instance.labels),
                        // Label sets hold no empty values, but an empty annotation is one that people see.
                        annotations: annotations
                            .iter()
                            .map(|(name, _)| {
                                (name.clone(), instance.annotations.value(name).to_owned())
                            })
                            .collect(),
                    })
                    .collect(),
            })
            .collect();
        let mut expected = case.expected.clone();
        got.sort();
        expected.sort();
        if got != expected {
            let subject = format!("alert {} at {}", case.alert, shown(case.at));
            let reason = Reason::Difference {
                expected: expected.iter().map(alert_line).collect(),
                got: got.iter().map(alert_line).collect(),
            };
            self.fail(case.position, subject, reason);
        }
    }

    fn check_expression(&mut self, case: &ExpressionCase) {
        let subject = format!("{:?} at {}", case.text, shown(case.at));
        let deadline = Deadline::after(TIMEOUT);
        let query = Query {
            text: &case.text,
            expr: &case.expr,
            deadline: &deadline,
        };
        let at = self.test.start + case.at;
        let result = self
            .context
            .engine
            .instant(&self.context.storage, &query, at.millis());
        let mut got: Vec<(Labels, f64)> = match result.map(|result| result.value) {
            Ok(QueryValue::Vector(samples)) => samples
                .into_iter()
                .map(|sample| (sample.labels, sample.value))
                .collect(),
            Ok(QueryValue::Scalar { value, .. }) => vec![(Labels::empty(), value)],
            Ok(QueryValue::String { .. } | QueryValue::Matrix(_)) => {
                let error = "the result is not an instant vector or a scalar".to_owned();
                return self.fail(case.position, subject, Reason::Error(error));
            }
            Err(error) => {
                return self.fail(case.position, subject, Reason::Error(error.to_string()));
            }
        };
        let mut expected = case.expected.clone();
        got.sort_by(|a, b| a.0.cmp(&b.0));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        let same = got.len() == expected.len()
            && got.iter().zip(&expected).all(|(got, expected)| {
                got.0 == expected.0 && equal(got.1, expected.1, self.file.fuzzy)
            });
        if !same {
            let line = |(labels, value): &(Labels, f64)| {
                format!("{labels} {}", go_float::format_sample(*value))
            };
            let reason = Reason::Difference {
                expected: expected.iter().map(line).collect(),
                got: got.iter().map(line).collect(),
            };
            let nan = expected.iter().any(|(_, value)| value.is_nan());
            let hint = if nan {
                ", where NaN equals nothing: test `x != x`"
            } else {
                ""
            };
            self.fail(case.position, subject + hint, reason);
        }
    }

    fn fail(&mut self, position: Position, subject: String, reason: Reason) {
        self.failures.push(Failure {
            position,
            subject,
            reason,
        });
    }
}

/// Whether two values are equal; with `fuzzy` also where nothing lies between them.
fn equal(got: f64, expected: f64, fuzzy: bool) -> bool {
    got == expected || (fuzzy && (got.next_up() == expected || got.next_down() == expected))
}

fn owned(labels: &Labels) -> BTreeMap<String, String> {
    labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn alert_line(alert: &ExpectedAlert) -> String {
    let text = |pairs: &BTreeMap<String, String>| {
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", quote(value)))
            .collect();
        format!("{{{}}}", pairs.join(", "))
    };
    format!(
        "labels {} annotations {}",
        text(&alert.labels),
        text(&alert.annotations)
    )
}

/// The input series, stored up to the time of each evaluation: no rule sees the future.
struct Input<'a> {
    test: &'a TestGroup,
    // For each series its identity in the store and how many of its values are past.
    cursors: Vec<(Option<SeriesRef>, usize)>,
}

impl<'a> Input<'a> {
    fn new(test: &'a TestGroup) -> Self {
        Self {
            test,
            cursors: vec![(None, 0); test.input.len()],
        }
    }

    fn append_until(&mut self, storage: &Storage, now: Timestamp) -> Result<(), String> {
        let elapsed = now.since(self.test.start).as_millis();
        let past = elapsed / self.test.interval.as_millis() + 1;
        let past = usize::try_from(past).unwrap_or(usize::MAX);
        let mut appender = storage.appender();
        for (series, (reference, next)) in self.test.input.iter().zip(&mut self.cursors) {
            let until = past.min(series.values.len());
            for (i, value) in series.values[*next..until].iter().enumerate() {
                let Some(value) = value else { continue };
                let slot = u32::try_from(*next + i).unwrap_or(u32::MAX);
                let at = self.test.start + self.test.interval * slot;
                append(&mut appender, reference, &series.labels, at, *value)
                    .map_err(|error| format!("{}: {error}", series.labels))?;
            }
            *next = until;
        }
        appender
            .commit()
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

fn append(
    appender: &mut Appender,
    known: &mut Option<SeriesRef>,
    labels: &Labels,
    at: Timestamp,
    value: f64,
) -> Result<(), AppendError> {
    let reference = match known {
        Some(reference) => *reference,
        None => *known.insert(appender.series(labels)?),
    };
    appender.append(reference, at.millis(), value)
}
