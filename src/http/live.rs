//! `/events`: server-sent events that say what has moved, so that pages which are open show it.
//!
//! ```text
//! event: alerts           one of alerts, rules, targets, silences, status
//! data: 1842              differs from the one before; means nothing else
//! ```
//!
//! What has moved is looked up once a second for each stream, in numbers that are counted on anyway
//! ([`crate::telemetry::pulse`]): no task runs where nobody watches, and nothing is asked of the database. A stream begins
//! with all numbers, so that nothing between two streams is missed, and ends after a while, so that the browser comes back
//! and is asked anew who it is. See <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::context::{Context, Readiness};
use super::errors::{self, ErrorKind};
use crate::tasks::Stop;
use crate::telemetry::pulse::Pulses;

/// Streams open at a time, where nothing else is set.
pub const MAX_STREAMS: usize = 128;
/// Between two looks: changes within are one.
const PAUSE: Duration = Duration::from_secs(1);
/// Looks without news after which a comment keeps the connection from being taken for dead.
const HEARTBEAT: u32 = 15;
/// Looks after which a stream ends: who is logged out hears no more.
const LOOKS: u32 = 600;

/// What is looked up, how many look, and their figures.
#[derive(Clone, Debug)]
pub struct Live {
    pulses: Pulses,
    slots: Arc<Semaphore>,
    limit: Gauge,
    open: Gauge,
    refused: Counter,
}

impl Live {
    /// With nobody watching, and at most so many later.
    pub fn new(pulses: Pulses, most: usize) -> Self {
        let limit = Gauge::default();
        limit.set(i64::try_from(most).unwrap_or(i64::MAX));
        Self {
            pulses,
            slots: Arc::new(Semaphore::new(most)),
            limit,
            open: Gauge::default(),
            refused: Counter::default(),
        }
    }

    /// Adds its figures to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "outrigger_http_event_streams",
            "Pages that are being told what has moved",
            self.open.clone(),
        );
        registry.register(
            "outrigger_http_event_streams_limit",
            "The most of them at a time",
            self.limit.clone(),
        );
        registry.register(
            "outrigger_http_event_streams_refused",
            "Pages that were not, because too many were",
            self.refused.clone(),
        );
    }
}

/// A number for each topic.
pub type Generations = [(&'static str, u64); 5];

/// The numbers now.
pub fn generations(context: &Context) -> Generations {
    let pulses = &context.live.pulses;
    // Loading is told by the configuration itself, and being ready by what says so.
    let loaded = {
        let configuration = context.configuration.borrow();
        let last = configuration.last_reload.as_ref();
        let millis = last.map_or(configuration.loaded_at, |reload| reload.at);
        millis.millis().unsigned_abs()
    };
    let readiness = match *context.readiness.borrow() {
        Readiness::Starting => 0,
        Readiness::Ready => 1,
        Readiness::Stopping => 2,
    };
    let status = pulses.status.count().wrapping_add(loaded) ^ (readiness << 62);
    [
        ("alerts", pulses.alerts.count()),
        ("rules", pulses.rules.count()),
        ("targets", pulses.targets.count()),
        ("silences", pulses.silences.count()),
        ("status", status),
    ]
}

/// The numbers as a page carries them: `alerts=3 rules=17`.
pub fn as_text(generations: &Generations) -> String {
    let pairs: Vec<String> = generations
        .iter()
        .map(|(topic, generation)| format!("{topic}={generation}"))
        .collect();
    pairs.join(" ")
}

/// The events that lead from one look to the next; all of them at the first.
fn news(before: Option<&Generations>, now: &Generations) -> String {
    let mut text = String::new();
    for (at, (topic, generation)) in now.iter().enumerate() {
        if before.is_none_or(|before| before[at].1 != *generation) {
            write!(text, "event: {topic}\ndata: {generation}\n\n")
                .expect("writing to a string cannot fail");
        }
    }
    text
}

/// One stream.
struct Watcher {
    context: Arc<Context>,
    stop: Stop,
    known: Option<Generations>,
    looks: u32,
    quiet: u32,
    _slot: OwnedSemaphorePermit,
}

impl Watcher {
    /// What is sent next; `None` where the stream ends.
    async fn next(&mut self) -> Option<String> {
        while self.looks < LOOKS {
            if self.known.is_some() {
                tokio::select! {
                    () = self.stop.cancelled() => return None,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
            self.looks += 1;
            let now = generations(&self.context);
            let text = news(self.known.as_ref(), &now);
            self.known = Some(now);
            if !text.is_empty() {
                self.quiet = 0;
                return Some(text);
            }
            self.quiet += 1;
            if self.quiet >= HEARTBEAT {
                self.quiet = 0;
                return Some(":\n\n".to_owned());
            }
        }
        None
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.context.live.open.dec();
    }
}

/// `GET /events`.
pub async fn events(State(context): State<Arc<Context>>) -> Response {
    let live = &context.live;
    let Ok(slot) = Arc::clone(&live.slots).try_acquire_owned() else {
        live.refused.inc();
        let message = "too many pages are open; this one does not follow by itself";
        let mut response = errors::answer("/events", ErrorKind::Unavailable, message);
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("60"));
        return response;
    };
    live.open.inc();
    let watcher = Watcher {
        stop: context.tasks.stop_token(),
        context: Arc::clone(&context),
        known: None,
        looks: 0,
        quiet: 0,
        _slot: slot,
    };
    let body = Body::from_stream(stream::unfold(watcher, async |mut watcher| {
        let text = watcher.next().await?;
        Some((Ok::<_, std::convert::Infallible>(text), watcher))
    }));
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_moved_is_told_and_all_of_it_at_first() {
        let before = [
            ("alerts", 1),
            ("rules", 2),
            ("targets", 3),
            ("silences", 4),
            ("status", 5),
        ];
        let mut now = before;
        now[1].1 = 9;
        assert_eq!(news(None, &before).matches("event: ").count(), 5);
        assert_eq!(news(Some(&before), &before), "");
        assert_eq!(news(Some(&before), &now), "event: rules\ndata: 9\n\n");
        assert!(as_text(&now).starts_with("alerts=1 rules=9 "));
    }
}
