//! The state machine of one alerting rule, as a pure function of the last state, the new result and the time.
//!
//! ```text
//!             result has the series          held for `for`
//!   (absent) ───────────────────────▶ pending ─────────────▶ firing ◀────────────┐
//!      ▲                                 │                     │ series gone      │ series back
//!      │          series gone            │                     ▼                  │
//!      ├─────────────────────────────────┘        keep_firing_for not over: firing┘
//!      │                                                       │ over
//!      └───────── 15 minutes after it resolved ◀──── resolved ◀┘
//! ```
//!
//! As Prometheus's `AlertingRule.Eval`, with one difference: a result past the group's `limit` fails the evaluation and
//! leaves all alerts as they were, where Prometheus forgets them.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::model::alert::AlertState;
use crate::model::labels::Labels;
use crate::model::timestamp::Timestamp;

/// How long a resolved alert stays known, so that its end is told even if a message is lost.
const RESOLVED_RETENTION: Duration = Duration::from_secs(15 * 60);
/// How often a firing alert is told again to the routes.
pub const RESEND_DELAY: Duration = Duration::from_secs(60);
/// How often a worst value that gets worse and worse is saved.
const PEAK_SAVED_EVERY: Duration = Duration::from_secs(60);

/// One rule × one label set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertInstance {
    /// Labels of the alert, `alertname` among them.
    pub labels: Labels,
    /// Expanded annotations.
    pub annotations: Labels,
    /// Labels that it is told with where it has none of the name; of [`super::known::Known`].
    #[serde(default)]
    pub known: Labels,
    /// Pending or firing; inactive once resolved.
    pub state: AlertState,
    /// Value of the expression when it last returned the series. JSON knows no infinity: it comes back as no number.
    #[serde(deserialize_with = "null_is_no_number")]
    pub value: f64,
    /// The worst value since it fires.
    #[serde(default)]
    pub peak: Option<f64>,
    /// The worst value as it was saved last.
    #[serde(skip)]
    pub saved_peak: Option<f64>,
    /// When it was saved for no other reason than that it got worse.
    #[serde(skip)]
    pub peak_saved_at: Option<Timestamp>,
    /// The value of what the expression compares, when the alert resolved.
    #[serde(default)]
    pub resolved_value: Option<f64>,
    /// When the expression first returned the series.
    pub active_at: Timestamp,
    /// When it began to fire.
    pub fired_at: Option<Timestamp>,
    /// When it resolved.
    pub resolved_at: Option<Timestamp>,
    /// When the series went, while `keep_firing_for` keeps it firing.
    pub keep_firing_since: Option<Timestamp>,
    /// When it was last handed to the routes.
    pub last_sent_at: Option<Timestamp>,
}

/// One series of the expression's result, labels and annotations expanded.
#[derive(Clone, Debug, PartialEq)]
pub struct Active {
    /// Labels of the alert.
    pub labels: Labels,
    /// Expanded annotations.
    pub annotations: Labels,
    /// Value of the expression.
    pub value: f64,
}

/// The two holds of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Holds {
    /// `for`: how long the condition must hold.
    pub pending_for: Duration,
    /// `keep_firing_for`: how long the alert goes on after the condition.
    pub keep_firing_for: Duration,
}

/// Why an evaluation's result cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// Two series of the result have the same alert labels.
    #[error("vector contains metrics with the same labelset after applying alert labels: {labels}")]
    DuplicateLabels {
        /// The labels.
        labels: Labels,
    },
    /// More alerts than the group allows.
    #[error("exceeded limit of {limit} with {count} alerts; the alerts stay as they were")]
    Limit {
        /// The group's limit.
        limit: usize,
        /// Alerts in the result.
        count: usize,
    },
}

/// The alerts of one rule by their labels.
pub type Instances = HashMap<Labels, AlertInstance>;

/// Moves one rule's alerts to `now` given the expression's result. `limit` 0 means none.
///
/// # Errors
/// Where the result cannot be used; the alerts are then unchanged.
pub fn step(
    instances: &mut Instances,
    result: Vec<Active>,
    holds: Holds,
    limit: usize,
    now: Timestamp,
) -> Result<(), StepError> {
    let count = result.len();
    let mut fresh: HashMap<Labels, Active> = HashMap::with_capacity(count);
    for active in result {
        if let Some(twice) = fresh.insert(active.labels.clone(), active) {
            return Err(StepError::DuplicateLabels {
                labels: twice.labels,
            });
        }
    }
    if limit > 0 && count > limit {
        return Err(StepError::Limit { limit, count });
    }
    instances.retain(|labels, instance| {
        let held = match fresh.remove(labels) {
            Some(active) if instance.state == AlertState::Inactive => {
                *instance = begin(active, now);
                true
            }
            Some(active) => {
                instance.value = active.value;
                instance.annotations = active.annotations;
                instance.keep_firing_since = None;
                true
            }
            None => keeps_firing(instance, holds.keep_firing_for, now),
        };
        if !held {
            return release(instance, now);
        }
        fire_when_due(instance, holds.pending_for, now);
        true
    });
    for (labels, active) in fresh {
        let mut instance = begin(active, now);
        fire_when_due(&mut instance, holds.pending_for, now);
        instances.insert(labels, instance);
    }
    Ok(())
}

fn begin(active: Active, now: Timestamp) -> AlertInstance {
    AlertInstance {
        labels: active.labels,
        annotations: active.annotations,
        known: Labels::empty(),
        state: AlertState::Pending,
        value: active.value,
        peak: None,
        saved_peak: None,
        peak_saved_at: None,
        resolved_value: None,
        active_at: now,
        fired_at: None,
        resolved_at: None,
        keep_firing_since: None,
        last_sent_at: None,
    }
}

fn null_is_no_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

fn fire_when_due(instance: &mut AlertInstance, pending_for: Duration, now: Timestamp) {
    if instance.state == AlertState::Pending && now.since(instance.active_at) >= pending_for {
        instance.state = AlertState::Firing;
        instance.fired_at = Some(now);
    }
}

/// Whether an alert whose series went keeps firing.
fn keeps_firing(instance: &mut AlertInstance, keep_firing_for: Duration, now: Timestamp) -> bool {
    if instance.state != AlertState::Firing || keep_firing_for.is_zero() {
        return false;
    }
    let since = *instance.keep_firing_since.get_or_insert(now);
    now.since(since) < keep_firing_for
}

/// Ends an alert whose series went; returns whether it is still known.
fn release(instance: &mut AlertInstance, now: Timestamp) -> bool {
    match (instance.state, instance.resolved_at) {
        (AlertState::Pending, _) => false,
        (AlertState::Inactive, Some(resolved_at)) => now.since(resolved_at) <= RESOLVED_RETENTION,
        (AlertState::Inactive, None) => false,
        (AlertState::Firing, _) => {
            instance.state = AlertState::Inactive;
            instance.resolved_at = Some(now);
            instance.keep_firing_since = None;
            true
        }
    }
}

/// Whether the routes must hear of this alert now: new, resolved since the last time, or not told for a minute.
pub fn needs_sending(instance: &AlertInstance, now: Timestamp) -> bool {
    if instance.state == AlertState::Pending {
        return false;
    }
    let Some(last_sent_at) = instance.last_sent_at else {
        return true;
    };
    instance
        .resolved_at
        .is_some_and(|resolved_at| resolved_at > last_sent_at)
        || now.since(last_sent_at) >= RESEND_DELAY
}

/// Whether the worst value must be saved now: it got worse, and that was not saved for a minute, however it climbs.
pub fn peak_needs_saving(instance: &AlertInstance, now: Timestamp) -> bool {
    instance.peak != instance.saved_peak
        && instance
            .peak_saved_at
            .is_none_or(|saved_at| now.since(saved_at) >= PEAK_SAVED_EVERY)
}

/// After an outage: a pending alert keeps the time it had held, without the outage; a firing one goes on.
pub fn restore(instance: &mut AlertInstance, outage: Duration) {
    if instance.state == AlertState::Pending {
        instance.active_at = instance.active_at + outage;
    }
}

/// The wall clock stepped back: every time moves with it.
pub fn clock_stepped_back(instance: &mut AlertInstance, by: Duration) {
    instance.active_at = instance.active_at - by;
    for time in [
        &mut instance.fired_at,
        &mut instance.resolved_at,
        &mut instance.keep_firing_since,
        &mut instance.last_sent_at,
        &mut instance.peak_saved_at,
    ] {
        *time = time.map(|time| time - by);
    }
}

/// The part of an instance that must survive a restart; its value and times of sending need not.
#[derive(PartialEq, Debug)]
pub(super) struct Lasting {
    state: AlertState,
    times: [Option<Timestamp>; 4],
}

impl Lasting {
    pub(super) fn of(instance: &AlertInstance) -> Self {
        Self {
            state: instance.state,
            times: [
                Some(instance.active_at),
                instance.fired_at,
                instance.resolved_at,
                instance.keep_firing_since,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AlertState::{Firing, Inactive, Pending};

    const SECOND: i64 = 1000;

    /// Plays a timeline of one series, ten seconds a step: `x` is there, `.` is not. Returns the state after each step,
    /// `-` where the alert is unknown.
    fn check(holds: (u64, u64), timeline: &str, want: &str) {
        let holds = Holds {
            pending_for: Duration::from_secs(holds.0),
            keep_firing_for: Duration::from_secs(holds.1),
        };
        let mut instances = Instances::new();
        let mut got = String::new();
        for (i, there) in timeline.chars().enumerate() {
            let now = Timestamp::from_millis(i as i64 * 10 * SECOND);
            let labels = Labels::from_pairs([("alertname", "A")]);
            let active = Active {
                labels: labels.clone(),
                annotations: Labels::empty(),
                value: i as f64,
            };
            let result = if there == 'x' {
                vec![active]
            } else {
                Vec::new()
            };
            step(&mut instances, result, holds, 0, now).unwrap();
            got.push(
                match instances.get(&labels).map(|instance| instance.state) {
                    None => '-',
                    Some(Pending) => 'p',
                    Some(Firing) => 'F',
                    Some(Inactive) => 'r',
                },
            );
        }
        assert_eq!(got, want, "{timeline}");
    }

    #[test]
    fn an_alert_without_for_fires_at_once() {
        check((0, 0), "..xx.", "--FFr");
    }

    #[test]
    fn an_alert_fires_when_it_held_for_as_long_as_asked() {
        check((20, 0), "xxxx.", "ppFFr");
    }

    #[test]
    fn a_gap_while_pending_starts_over() {
        check((20, 0), "xx.xxx", "pp-ppF");
    }

    #[test]
    fn keep_firing_bridges_a_gap_and_ends_after_its_time() {
        check((0, 20), "x.x...x", "FFFFFrF");
    }

    #[test]
    fn keep_firing_does_not_apply_while_pending() {
        check((20, 60), "x.", "p-");
    }

    #[test]
    fn a_resolved_alert_is_forgotten_after_a_quarter_of_an_hour() {
        let gone = ".".repeat(93);
        check(
            (0, 0),
            &format!("x{gone}"),
            &format!("F{}--", "r".repeat(91)),
        );
    }

    #[test]
    fn a_series_that_returns_after_resolving_is_pending_again() {
        check((20, 0), "xxx.xx", "ppFrpp");
    }

    #[test]
    fn a_result_past_the_limit_leaves_the_alerts_as_they_were() {
        let active = |name: &str| Active {
            labels: Labels::from_pairs([("alertname", name)]),
            annotations: Labels::empty(),
            value: 1.0,
        };
        let now = Timestamp::from_millis(0);
        let mut instances = Instances::new();
        step(&mut instances, vec![active("a")], Holds::default(), 1, now).unwrap();
        let before = instances.clone();
        let error = step(
            &mut instances,
            vec![active("a"), active("b")],
            Holds::default(),
            1,
            now,
        )
        .unwrap_err();
        assert_eq!(error, StepError::Limit { limit: 1, count: 2 });
        assert_eq!(instances, before);
        let error = step(
            &mut instances,
            vec![active("a"), active("a")],
            Holds::default(),
            0,
            now,
        )
        .unwrap_err();
        assert!(matches!(error, StepError::DuplicateLabels { .. }));
        assert_eq!(instances, before);
    }

    #[test]
    fn firing_alerts_are_told_again_each_minute_and_resolved_ones_at_once() {
        let mut instance = begin(
            Active {
                labels: Labels::empty(),
                annotations: Labels::empty(),
                value: 1.0,
            },
            Timestamp::from_millis(0),
        );
        let at = |seconds: i64| Timestamp::from_millis(seconds * SECOND);
        assert!(!needs_sending(&instance, at(0)), "pending");
        fire_when_due(&mut instance, Duration::ZERO, at(0));
        assert!(needs_sending(&instance, at(0)), "new");
        instance.last_sent_at = Some(at(0));
        assert!(!needs_sending(&instance, at(59)));
        assert!(needs_sending(&instance, at(60)));
        release(&mut instance, at(30));
        assert!(needs_sending(&instance, at(30)), "resolved");
    }

    #[test]
    fn an_outage_does_not_count_as_time_held() {
        let mut instance = begin(
            Active {
                labels: Labels::empty(),
                annotations: Labels::empty(),
                value: 1.0,
            },
            Timestamp::from_millis(0),
        );
        restore(&mut instance, Duration::from_secs(40));
        assert_eq!(instance.active_at, Timestamp::from_millis(40 * SECOND));
        instance.state = Firing;
        restore(&mut instance, Duration::from_secs(40));
        assert_eq!(instance.active_at, Timestamp::from_millis(40 * SECOND));
    }
}
