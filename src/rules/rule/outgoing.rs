//! What leaves a rule: the alert that the routes are told of, and the series that says it is there.

use std::sync::Arc;
use std::time::Duration;

use super::{Context, Rule};
use crate::model::alert::{Alert, AlertState, CourseValues};
use crate::model::labels::{Labels, LabelsBuilder, METRIC_NAME};
use crate::model::timestamp::Timestamp;
use crate::rules::file::RuleSpec;
use crate::rules::known::with_missing;
use crate::rules::state::AlertInstance;

/// How long an alert counts as firing without word from its rule. Rules say themselves when it is over; where they say
/// nothing, because an evaluation takes long, the queue stands still or the machine sleeps, it has not ended. Prometheus's
/// four intervals are for a sender that died: here the routes die with it.
const VALID_FOR: Duration = Duration::from_secs(24 * 3600);

pub(super) fn state_series(instance: &AlertInstance) -> Labels {
    let mut builder = LabelsBuilder::from(&instance.labels);
    builder.set(METRIC_NAME, "ALERTS");
    builder.set("alertstate", instance.state.as_str());
    builder.build()
}

/// An alert's labels outside: with those known of it, and the external ones, that it does not have itself.
pub(super) fn told_labels(instance: &AlertInstance, context: &Context) -> Labels {
    let labels = with_missing(&instance.labels, &instance.known);
    with_missing(&labels, &context.external_labels)
}

pub(super) fn end(instance: &mut AlertInstance, at: Timestamp) {
    instance.state = AlertState::Inactive;
    instance.resolved_at = Some(at);
}

/// The end of an alert whose rule is gone; `None` where it did not fire.
pub fn ended(mut instance: AlertInstance, context: &Context, at: Timestamp) -> Option<Alert> {
    if instance.state != AlertState::Firing {
        return None;
    }
    end(&mut instance, at);
    Some(outgoing(&instance, context, &Arc::from(""), at))
}

pub(super) fn outgoing(
    instance: &AlertInstance,
    context: &Context,
    generator_url: &Arc<str>,
    at: Timestamp,
) -> Alert {
    Alert {
        labels: told_labels(instance, context),
        annotations: instance.annotations.clone(),
        starts_at: instance.fired_at.unwrap_or(instance.active_at),
        ends_at: instance.resolved_at.unwrap_or(at + VALID_FOR),
        updated_at: at,
        generator_url: Arc::clone(generator_url),
        value: Some(instance.value),
        course: CourseValues {
            peak: instance.peak,
            resolved: instance.resolved_value,
            threshold: None,
            withdrawn: false,
        }
        .into(),
    }
}

/// The time as templates read it.
pub(super) fn template_time(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// The page that shows the expression, with the address Prometheus gives it.
pub(super) fn generator_url(external_url: &str, query: &str) -> Arc<str> {
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    format!("{external_url}/graph?g0.expr={query}&g0.tab=1").into()
}

impl Rule {
    /// Its firing alerts as they were told before other external labels came, or `next`, which takes its place, knew other
    /// things of them; resolved: what goes on firing is another alert.
    pub fn renamed(
        &self,
        next: &RuleSpec,
        old: &Context,
        new: &Context,
        at: Timestamp,
    ) -> Vec<Alert> {
        let mut memory = self.memory.lock();
        let mut resolved = Vec::new();
        for instance in memory.instances.values_mut() {
            let before = instance.clone();
            instance.known = known_labels(next);
            if told_labels(&before, old) != told_labels(instance, new)
                && let Some(alert) = ended(before, old, at)
            {
                instance.last_sent_at = None;
                resolved.push(alert);
            }
        }
        resolved
    }

    /// Notes with the alert what it is told with, so that its end finds it, even behind a restart.
    pub(super) fn make_known(&self, instance: &mut AlertInstance) {
        let known = self.spec.known.as_ref().map(|known| &known.labels);
        if known.map_or(!instance.known.is_empty(), |known| *known != instance.known) {
            instance.known = known_labels(&self.spec);
        }
    }
}

fn known_labels(spec: &RuleSpec) -> Labels {
    let known = spec.known.as_ref();
    known.map(|known| known.labels.clone()).unwrap_or_default()
}
