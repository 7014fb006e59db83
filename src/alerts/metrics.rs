//! Metrics of the routes.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::dispatch::{Counts, Writes};
use super::route::Routing;
use crate::model::notification::Decision;
use crate::telemetry::progress::Progress;
use crate::telemetry::pulse::Pulses;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IntegrationLabels {
    receiver: String,
    integration: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReceiverLabels {
    receiver: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ThrottleLabels {
    receiver: String,
    severity: &'static str,
}

/// Severities come from alerts, that is from rules and series: words nobody knows share one label value.
const SEVERITIES: [&str; 9] = [
    "", "critical", "error", "high", "warning", "low", "info", "none", "other",
];

fn severity_label(severity: &str) -> &'static str {
    SEVERITIES
        .into_iter()
        .find(|known| *known == severity)
        .unwrap_or("other")
}

/// The counters and gauges; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Alerts handed in.
    pub received: Counter,
    alerts: Family<StateLabels, Gauge>,
    groups: Gauge,
    silences: Family<StateLabels, Gauge>,
    silence_changes: Family<ActionLabels, Counter>,
    acks: Gauge,
    ack_changes: Family<ActionLabels, Counter>,
    /// Posted alerts that were refused.
    pub invalid: Counter,
    enqueued: Family<IntegrationLabels, Counter>,
    suppressed: Family<ReasonLabels, Counter>,
    throttled: Family<ThrottleLabels, Counter>,
    storms: Gauge,
    storms_begun: Family<ReceiverLabels, Counter>,
    storm_held: Family<ReceiverLabels, Counter>,
    flapping: Gauge,
    flaps_begun: Counter,
    /// Times a sender had to wait because the queue was full.
    pub queue_full: Counter,
    /// Times decisions could not be written.
    pub write_failures: Counter,
    /// Times the routes were replaced.
    pub reloads: Counter,
    /// Entries of the ledger, counted from time to time.
    pub ledger_entries: Gauge,
    /// Entries of the ledger that retention removed.
    pub ledger_pruned: Counter,
    /// When the dispatcher last went round its loop.
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

    /// Names them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "outrigger_alerts_received",
            "Alerts handed to the routes, repetitions included",
            self.received.clone(),
        );
        registry.register("outrigger_alerts", "Alerts by state", self.alerts.clone());
        registry.register(
            "outrigger_alert_groups",
            "Alert groups",
            self.groups.clone(),
        );
        registry.register(
            "outrigger_silences",
            "Silences by state",
            self.silences.clone(),
        );
        registry.register(
            "outrigger_silence_changes",
            "Silences written, by what was asked for",
            self.silence_changes.clone(),
        );
        registry.register("outrigger_acks", "Acks that hold", self.acks.clone());
        registry.register(
            "outrigger_ack_changes",
            "Acks made and withdrawn",
            self.ack_changes.clone(),
        );
        registry.register(
            "outrigger_alerts_invalid",
            "Alerts posted and refused",
            self.invalid.clone(),
        );
        registry.register(
            "outrigger_notifications_enqueued",
            "Notifications written to the outbox",
            self.enqueued.clone(),
        );
        registry.register(
            "outrigger_notifications_suppressed",
            "Decisions that kept an alert from being told, counted when they are first taken",
            self.suppressed.clone(),
        );
        registry.register(
            "outrigger_notifications_throttled",
            "Notifications held back into a digest",
            self.throttled.clone(),
        );
        registry.register(
            "outrigger_storms",
            "Receivers in a storm: their messages come as summaries",
            self.storms.clone(),
        );
        registry.register(
            "outrigger_storms_begun",
            "Storms that began",
            self.storms_begun.clone(),
        );
        registry.register(
            "outrigger_notifications_held_in_storm",
            "Notifications gathered into the summary of a storm",
            self.storm_held.clone(),
        );
        registry.register(
            "outrigger_alerts_flapping",
            "Alerts held as firing because they flap",
            self.flapping.clone(),
        );
        registry.register(
            "outrigger_alert_flaps_begun",
            "Times an alert began to flap",
            self.flaps_begun.clone(),
        );
        registry.register(
            "outrigger_dispatch_queue_full",
            "Times a sender of alerts had to wait because the queue was full",
            self.queue_full.clone(),
        );
        registry.register(
            "outrigger_dispatch_write_failures",
            "Times decisions could not be written to the database and were tried again",
            self.write_failures.clone(),
        );
        registry.register(
            "outrigger_dispatch_reloads",
            "Times the routes were replaced",
            self.reloads.clone(),
        );
        registry.register(
            "outrigger_ledger_entries",
            "Entries of the ledger, counted every 15 minutes",
            self.ledger_entries.clone(),
        );
        registry.register(
            "outrigger_ledger_pruned",
            "Entries of the ledger removed because of their age or number",
            self.ledger_pruned.clone(),
        );
    }

    /// Shows from zero what these routes can count, so that a first time is an increase.
    pub fn announce(&self, routing: &Routing) {
        for reason in Decision::SUPPRESSIONS {
            drop(self.suppressed.get_or_create(&ReasonLabels { reason }));
        }
        for route in &routing.routes {
            let receiver = &route.receiver;
            for target in &receiver.targets {
                let labels = IntegrationLabels {
                    receiver: receiver.name.to_string(),
                    integration: target.integration.kind.to_string(),
                };
                drop(self.enqueued.get_or_create(&labels));
            }
            let limited = SEVERITIES
                .into_iter()
                .filter(|severity| routing.throttle.limit(&receiver.name, severity).is_some());
            for severity in limited {
                let labels = ThrottleLabels {
                    receiver: receiver.name.to_string(),
                    severity,
                };
                drop(self.throttled.get_or_create(&labels));
            }
        }
    }

    pub(super) fn set_counts(&self, counts: Counts) {
        let as_gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for (state, count) in [("firing", counts.firing), ("resolved", counts.resolved)] {
            self.alerts
                .get_or_create(&StateLabels { state })
                .set(as_gauge(count));
        }
        self.groups.set(as_gauge(counts.groups));
        self.acks.set(as_gauge(counts.acks));
        self.storms.set(as_gauge(counts.storms));
        self.flapping.set(as_gauge(counts.flapping));
        for (state, count) in counts.silences {
            let state = state.as_str();
            self.silences
                .get_or_create(&StateLabels { state })
                .set(as_gauge(count));
        }
    }

    pub(super) fn silence_changed(&self, action: &'static str) {
        self.pulses.silences.beat();
        self.silence_changes
            .get_or_create(&ActionLabels { action })
            .inc();
    }

    pub(super) fn ack_changed(&self, action: &'static str) {
        self.pulses.silences.beat();
        self.ack_changes
            .get_or_create(&ActionLabels { action })
            .inc();
    }

    pub(super) fn count(&self, writes: &Writes) {
        self.pulses.alerts.beat();
        if !writes.silences.is_empty() || !writes.ended_acks.is_empty() {
            self.pulses.silences.beat();
        }
        for row in &writes.outbox {
            let labels = IntegrationLabels {
                receiver: row.notification.receiver.to_string(),
                integration: row.notification.integration.kind.to_string(),
            };
            self.enqueued.get_or_create(&labels).inc();
        }
        for entry in &writes.ledger {
            if entry.decision.suppresses() {
                let reason = entry.decision.kind();
                self.suppressed
                    .get_or_create(&ReasonLabels { reason })
                    .inc();
            }
        }
        for receiver in &writes.storms_begun {
            let receiver = receiver.to_string();
            let labels = ReceiverLabels { receiver };
            self.storms_begun.get_or_create(&labels).inc();
        }
        self.flaps_begun.inc_by(writes.flaps_begun);
        for bucket in &writes.throttled {
            if bucket.is_storm() {
                let receiver = bucket.receiver.to_string();
                let labels = ReceiverLabels { receiver };
                self.storm_held.get_or_create(&labels).inc();
                continue;
            }
            let labels = ThrottleLabels {
                receiver: bucket.receiver.to_string(),
                severity: severity_label(&bucket.severity),
            };
            self.throttled.get_or_create(&labels).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::alerts::route::{IntegrationInfo, ReceiverInfo};
    use crate::alerts::throttle::ThrottleConfig;
    use crate::document::{self, diagnostics::Diagnostics};
    use crate::telemetry;

    #[test]
    fn counters_are_there_from_zero() {
        let text = "route: {receiver: team}\nreceivers: [{name: team}]\n";
        let diagnostics = Diagnostics::default();
        let document = document::parse("am.yml", text, &diagnostics).unwrap();
        let root = document.value(&diagnostics).fields().unwrap();
        drop(root.get("receivers"));
        let infos = [ReceiverInfo {
            name: "team".to_owned(),
            integrations: vec![IntegrationInfo {
                kind: "slack".to_owned(),
                index: 0,
                send_resolved: true,
            }],
        }];
        let routing = crate::alerts::config::read(&root, &infos).unwrap();
        let routing = Arc::new(routing.with_throttle(ThrottleConfig::default()));
        let mut registry = Registry::default();
        let metrics = Metrics::default();
        metrics.register(&mut registry);
        metrics.announce(&routing);
        let shown = telemetry::metrics::encode(&registry).unwrap();
        for line in [
            r#"outrigger_notifications_enqueued_total{receiver="team",integration="slack"} 0"#,
            r#"outrigger_notifications_suppressed_total{reason="silenced"} 0"#,
            r#"outrigger_notifications_suppressed_total{reason="superseded"} 0"#,
            r#"outrigger_notifications_throttled_total{receiver="team",severity="warning"} 0"#,
            r#"outrigger_notifications_throttled_total{receiver="team",severity=""} 0"#,
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
        assert!(
            !shown.contains(r#"severity="critical""#),
            "what is exempt is never counted"
        );
    }
}
