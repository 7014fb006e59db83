//! The `delivery:` section of `outrigger.yml`: how long to try, when to pause, and who is told where nobody else can be.
//!
//! ```yaml
//! delivery:
//!   expiry: 1h                     # what is not delivered by then is given up
//!   retry: {first_wait: 500ms, longest_wait: 5m}
//!   circuit_breaker: {failures: 5, pause: 5s, longest_pause: 1m}    # failures: 0 switches it off
//!   fallback_receiver: on-call-mail                                # default: none
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::decide::Policy;
use crate::document::fields::Fields;
use crate::model::circuit;

/// How notifications are delivered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Delivery {
    /// When to try again and when to give up.
    pub policy: Policy,
    /// When to leave a receiver alone.
    pub breaker: circuit::Settings,
    /// The receiver that is told of what another one was not.
    pub fallback: Option<Arc<str>>,
    /// Whether sends are no spans: Alertmanager's requests carry no trace context.
    pub untraced: bool,
}

impl Delivery {
    /// As Alertmanager delivers: every message is tried on its own, after its waits, nobody stands in. It notices within
    /// one wait of a message that a receiver is back, which a circuit breaker's pause would delay.
    pub fn upstream() -> Self {
        Self {
            policy: Policy::upstream(),
            breaker: circuit::Settings::off(),
            untraced: true,
            ..Self::default()
        }
    }
}

/// Reads the `delivery` key of `outrigger.yml`'s root; the defaults where it is absent. Whether there is such a fallback
/// receiver only the caller can check.
pub fn read(root: &Fields<'_>) -> Delivery {
    let mut delivery = Delivery::default();
    let Some(fields) = root.get("delivery").and_then(|value| value.fields()) else {
        return delivery;
    };
    let policy = &mut delivery.policy;
    set(&fields, "expiry", &mut policy.expiry);
    if let Some(retry) = fields.get("retry").and_then(|value| value.fields()) {
        set(&retry, "first_wait", &mut policy.first_wait);
        set(&retry, "longest_wait", &mut policy.longest_wait);
        at_least(
            &retry,
            "longest_wait",
            policy.first_wait,
            policy.longest_wait,
        );
        retry.finish();
    }
    if let Some(fields) = fields
        .get("circuit_breaker")
        .and_then(|value| value.fields())
    {
        let breaker = &mut delivery.breaker;
        if let Some(value) = fields.get("failures")
            && let Some(failures) = value.unsigned()
        {
            match u32::try_from(failures) {
                Ok(failures) => breaker.failures = failures,
                Err(_) => value.error(
                    "failures is out of range",
                    "write a number from 0 to 4294967295; 0 switches the circuit breaker off",
                ),
            }
        }
        set(&fields, "pause", &mut breaker.pause);
        set(&fields, "longest_pause", &mut breaker.longest_pause);
        at_least(
            &fields,
            "longest_pause",
            breaker.pause,
            breaker.longest_pause,
        );
        fields.finish();
    }
    let fallback = fields.text("fallback_receiver");
    delivery.fallback = fallback.filter(|name| !name.is_empty()).map(Arc::from);
    fields.finish();
    delivery
}

fn set(fields: &Fields<'_>, key: &'static str, setting: &mut Duration) {
    if let Some(duration) = fields.duration_above_zero(key) {
        *setting = duration;
    }
}

fn at_least(fields: &Fields<'_>, key: &'static str, least: Duration, got: Duration) {
    if got < least {
        fields.value().error(
            format!("{key} is shorter than the first one"),
            "write a longer duration, or a shorter first one",
        );
    }
}
