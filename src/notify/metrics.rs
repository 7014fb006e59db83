//! What delivery counts.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::integration::{Delivered, Reason, SendError, Upload};
use super::outbox::Receivers;
use crate::db::outbox::{Backlog, Outcome};
use crate::model::notification::{Integration, Notification};
use crate::model::timestamp::Timestamp;
use crate::telemetry::progress::Progress;
use crate::telemetry::pulse::Pulses;

/// Upper bounds of the duration's buckets, in seconds.
const BUCKETS: [f64; 9] = [0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Place {
    receiver: Arc<str>,
    integration: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failure {
    receiver: Arc<str>,
    integration: Arc<str>,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByIntegration {
    integration: Arc<str>,
}

/// The integrations of one kind of a receiver share their metrics.
fn place(receiver: &Arc<str>, integration: &Integration) -> Place {
    Place {
        receiver: Arc::clone(receiver),
        integration: Arc::clone(&integration.kind),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

type FloatGauge = Gauge<f64, AtomicU64>;

/// The metrics of delivery. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    sent: Family<Place, Counter>,
    failed: Family<Failure, Counter>,
    refused: Family<Place, Counter>,
    expired: Family<Place, Counter>,
    fallbacks: Family<Place, Counter>,
    circuit_open: Family<Place, Gauge>,
    circuit_opened: Family<Place, Counter>,
    duration: Family<ByIntegration, Histogram>,
    last_success: Family<Place, FloatGauge>,
    template_failures: Counter,
    uploads: Family<ByOutcome, Counter>,
    pending: Gauge,
    oldest_pending: FloatGauge,
    /// When the outbox was last looked into.
    pub progress: Progress,
    /// What has moved.
    pub pulses: Pulses,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            sent: Family::default(),
            failed: Family::default(),
            refused: Family::default(),
            expired: Family::default(),
            fallbacks: Family::default(),
            circuit_open: Family::default(),
            circuit_opened: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            last_success: Family::default(),
            template_failures: Counter::default(),
            uploads: Family::default(),
            pending: Gauge::default(),
            oldest_pending: FloatGauge::default(),
            progress: Progress::default(),
            pulses: Pulses::default(),
        };
        registry.register(
            "outrigger_notifications_sent",
            "Notifications that a receiver accepted",
            metrics.sent.clone(),
        );
        registry.register(
            "outrigger_notifications_failed",
            "Attempts to deliver a notification that failed, by reason; most are tried again",
            metrics.failed.clone(),
        );
        registry.register(
            "outrigger_notifications_refused",
            "Notifications given up because the receiver refuses them for good",
            metrics.refused.clone(),
        );
        registry.register(
            "outrigger_notifications_expired",
            "Notifications given up because no attempt succeeded in time",
            metrics.expired.clone(),
        );
        registry.register(
            "outrigger_notifications_fallback",
            "Notifications queued for the fallback receiver because another one could not be told",
            metrics.fallbacks.clone(),
        );
        registry.register(
            "outrigger_receiver_circuit_open",
            "Integrations of a receiver that are left alone because they failed again and again",
            metrics.circuit_open.clone(),
        );
        registry.register(
            "outrigger_receiver_circuit_opened",
            "Times that a receiver's integration began to be left alone",
            metrics.circuit_opened.clone(),
        );
        registry.register(
            "outrigger_notification_duration_seconds",
            "Duration of attempts to deliver",
            metrics.duration.clone(),
        );
        registry.register(
            "outrigger_notification_last_success_timestamp_seconds",
            "When a receiver last accepted a notification",
            metrics.last_success.clone(),
        );
        registry.register(
            "outrigger_notification_template_failures",
            "Templates that failed while a message was sent; built-in text took their place",
            metrics.template_failures.clone(),
        );
        for outcome in ["done", "failed"] {
            metrics.upload(outcome);
        }
        registry.register(
            "outrigger_picture_uploads",
            "Pictures uploaded beside their message; where it failed the message went without",
            metrics.uploads.clone(),
        );
        registry.register(
            "outrigger_outbox_pending",
            "Notifications waiting to be delivered, those under way included",
            metrics.pending.clone(),
        );
        registry.register(
            "outrigger_outbox_oldest_pending_seconds",
            "Age of the oldest notification waiting to be delivered; 0 where none waits",
            metrics.oldest_pending.clone(),
        );
        metrics
    }

    /// Shows every configured integration from the beginning, so that a first failure is an increase from zero.
    pub fn announce(&self, receivers: &Receivers) {
        for (receiver, integration) in receivers.places() {
            let place = place(receiver, integration);
            drop(self.sent.get_or_create(&place));
            drop(self.refused.get_or_create(&place));
            drop(self.expired.get_or_create(&place));
            drop(self.fallbacks.get_or_create(&place));
            drop(self.circuit_open.get_or_create(&place));
            drop(self.circuit_opened.get_or_create(&place));
            for reason in Reason::ALL {
                let failure = Failure {
                    receiver: Arc::clone(receiver),
                    integration: Arc::clone(&integration.kind),
                    reason: reason.as_str(),
                };
                drop(self.failed.get_or_create(&failure));
            }
        }
    }

    fn upload(&self, outcome: &'static str) -> Counter {
        self.uploads.get_or_create(&ByOutcome { outcome }).clone()
    }

    /// Counts a notification to the fallback receiver.
    pub fn fell_back(&self, notification: &Notification) {
        let place = place(&notification.receiver, &notification.integration);
        self.fallbacks.get_or_create(&place).inc();
    }

    /// An integration is left alone from now on.
    pub fn circuit_opened(&self, receiver: &Arc<str>, integration: &Integration) {
        let place = place(receiver, integration);
        self.circuit_open.get_or_create(&place).inc();
        self.circuit_opened.get_or_create(&place).inc();
    }

    /// It no longer is.
    pub fn circuit_closed(&self, receiver: &Arc<str>, integration: &Integration) {
        self.circuit_open
            .get_or_create(&place(receiver, integration))
            .dec();
    }

    /// Counts one attempt and what followed it.
    pub fn attempt(
        &self,
        notification: &Notification,
        result: &Result<Delivered, SendError>,
        outcome: &Outcome,
        took: Duration,
        now: Timestamp,
    ) {
        self.pulses.status.beat();
        let place = place(&notification.receiver, &notification.integration);
        let by_integration = ByIntegration {
            integration: Arc::clone(&place.integration),
        };
        self.duration
            .get_or_create(&by_integration)
            .observe(took.as_secs_f64());
        match result {
            Ok(delivered) => {
                self.sent.get_or_create(&place).inc();
                self.last_success.get_or_create(&place).set(now.seconds());
                let failures = u64::try_from(delivered.template_failures.len()).unwrap_or(u64::MAX);
                self.template_failures.inc_by(failures);
                match delivered.upload {
                    Upload::None => {}
                    Upload::Done => drop(self.upload("done").inc()),
                    Upload::Failed(_) => drop(self.upload("failed").inc()),
                }
            }
            Err(error) => {
                let failure = Failure {
                    receiver: Arc::clone(&place.receiver),
                    integration: Arc::clone(&place.integration),
                    reason: error.reason.as_str(),
                };
                self.failed.get_or_create(&failure).inc();
            }
        }
        match outcome {
            Outcome::Failed { .. } => {
                self.refused.get_or_create(&place).inc();
            }
            Outcome::Expired { .. } => {
                self.expired.get_or_create(&place).inc();
            }
            Outcome::Delivered { .. } | Outcome::Retry { .. } | Outcome::Unsent => {}
        }
    }

    /// Shows what waits.
    pub fn backlog(&self, backlog: &Backlog, now: Timestamp) {
        self.pending
            .set(i64::try_from(backlog.waiting).unwrap_or(i64::MAX));
        let age = backlog.oldest.map_or(0.0, |at| now.since(at).as_secs_f64());
        self.oldest_pending.set(age);
    }
}
