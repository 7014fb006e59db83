//! Metrics of the rules.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

use crate::telemetry::progress::Progress;
use crate::telemetry::pulse::Pulses;

/// Which group a figure belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct GroupLabel {
    /// The file the group stands in.
    pub rule_file: String,
    /// The group's name.
    pub rule_group: String,
}

/// Counters and gauges of the rules; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Rules evaluated.
    pub evaluations: Family<GroupLabel, Counter>,
    /// Rules whose evaluation failed.
    pub failures: Family<GroupLabel, Counter>,
    /// Evaluations of whole groups.
    pub iterations: Family<GroupLabel, Counter>,
    /// Slots without an evaluation.
    pub missed: Family<GroupLabel, Counter>,
    /// Time spent evaluating.
    pub seconds: Family<GroupLabel, Counter<f64, AtomicU64>>,
    /// Duration of the last evaluation.
    pub last_duration: Family<GroupLabel, Gauge<f64, AtomicU64>>,
    /// Time of the last evaluation.
    pub last_evaluation: Family<GroupLabel, Gauge<f64, AtomicU64>>,
    /// Rules in the group.
    pub rules: Family<GroupLabel, Gauge>,
    /// Writes of alert state that failed.
    pub state_failures: Counter,
    /// When a group was last evaluated and its alerts handed on.
    pub progress: Progress,
    /// What has moved.
    pub pulses: Pulses,
}

impl Metrics {
    /// Which also count on what moves.
    pub fn with(pulses: Pulses) -> Self {
        Self {
            pulses,
            ..Self::default()
        }
    }

    /// Adds them to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "outrigger_rule_evaluations",
            "Rules evaluated",
            self.evaluations.clone(),
        );
        registry.register(
            "outrigger_rule_evaluation_failures",
            "Rules whose evaluation failed",
            self.failures.clone(),
        );
        registry.register(
            "outrigger_rule_group_iterations",
            "Evaluations of the group",
            self.iterations.clone(),
        );
        registry.register(
            "outrigger_rule_group_iterations_missed",
            "Slots of the group's interval without an evaluation",
            self.missed.clone(),
        );
        registry.register_with_unit(
            "outrigger_rule_group_evaluation_duration",
            "Time spent evaluating the group",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register_with_unit(
            "outrigger_rule_group_last_duration",
            "Duration of the group's last evaluation",
            Unit::Seconds,
            self.last_duration.clone(),
        );
        registry.register_with_unit(
            "outrigger_rule_group_last_evaluation_timestamp",
            "Time of the group's last evaluation since the Unix epoch",
            Unit::Seconds,
            self.last_evaluation.clone(),
        );
        registry.register(
            "outrigger_rule_group_rules",
            "Rules in the group",
            self.rules.clone(),
        );
        registry.register(
            "outrigger_rule_state_write_failures",
            "Writes of alert state that failed",
            self.state_failures.clone(),
        );
    }

    /// Forgets a group that is no longer there.
    pub fn forget(&self, group: &GroupLabel) {
        self.evaluations.remove(group);
        self.failures.remove(group);
        self.iterations.remove(group);
        self.missed.remove(group);
        self.seconds.remove(group);
        self.last_duration.remove(group);
        self.last_evaluation.remove(group);
        self.rules.remove(group);
    }
}
