//! What drawing counts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the duration's buckets, in seconds.
const BUCKETS: [f64; 8] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 2.0];

/// What came of a wish for a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Drawn.
    Drawn,
    /// Drawn before.
    Cached,
    /// No rule of this Outrigger stands behind the alert.
    NoRule,
    /// Nothing was measured.
    NoData,
    /// It took too long.
    Timeout,
    /// It could not be drawn.
    Failed,
}

impl Outcome {
    const ALL: [Self; 6] = [
        Self::Drawn,
        Self::Cached,
        Self::NoRule,
        Self::NoData,
        Self::Timeout,
        Self::Failed,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Drawn => "drawn",
            Self::Cached => "cached",
            Self::NoRule => "no_rule",
            Self::NoData => "no_data",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

/// The metrics of drawing. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    pictures: Family<ByOutcome, Counter>,
    duration: Histogram,
    kept: Gauge,
    kept_limit: Gauge,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            pictures: Family::default(),
            duration: Histogram::new(BUCKETS),
            kept: Gauge::default(),
            kept_limit: Gauge::default(),
        };
        for outcome in Outcome::ALL {
            drop(metrics.pictures.get_or_create(&ByOutcome {
                outcome: outcome.as_str(),
            }));
        }
        registry.register(
            "outrigger_pictures",
            "Pictures of alerts asked for by messages and links, by what came of it",
            metrics.pictures.clone(),
        );
        registry.register(
            "outrigger_picture_duration_seconds",
            "Duration of evaluating and drawing a picture",
            metrics.duration.clone(),
        );
        registry.register(
            "outrigger_picture_cache_bytes",
            "Pictures that are kept for who asks for them again",
            metrics.kept.clone(),
        );
        registry.register(
            "outrigger_picture_cache_limit_bytes",
            "Most bytes of pictures that are kept; the oldest goes first",
            metrics.kept_limit.clone(),
        );
        metrics
    }

    /// How much is kept of how much at most.
    pub(super) fn keeps(&self, bytes: usize, limit: usize) {
        let number = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.kept.set(number(bytes));
        self.kept_limit.set(number(limit));
    }

    pub(super) fn count(&self, outcome: Outcome) {
        let label = ByOutcome {
            outcome: outcome.as_str(),
        };
        self.pictures.get_or_create(&label).inc();
    }

    pub(super) fn took(&self, duration: Duration) {
        self.duration.observe(duration.as_secs_f64());
    }
}
