//! The scraping part's own metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::append::Counts;
use super::error::Outcome;

/// Labels: the job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Job {
    job: String,
}

/// Labels: the job and how the scrape ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ended {
    job: String,
    outcome: &'static str,
}

/// Labels: the job and why samples were refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Refused {
    job: String,
    reason: &'static str,
}

/// Counters of all scrapes. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct ScrapeMetrics {
    scrapes: Family<Ended, Counter>,
    samples: Family<Job, Counter>,
    refused: Family<Refused, Counter>,
    missed: Family<Job, Counter>,
    body_bytes: Family<Job, Counter>,
    held: Family<Job, Counter>,
    pub(super) targets: Gauge,
    pub(super) reconciled: Counter,
    pub(super) file_errors: Counter,
}

impl ScrapeMetrics {
    /// Registers the metrics.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "outrigger_scrapes",
            "Scrapes by how they ended",
            metrics.scrapes.clone(),
        );
        registry.register(
            "outrigger_scrape_samples",
            "Samples kept after relabelling",
            metrics.samples.clone(),
        );
        registry.register(
            "outrigger_scrape_samples_refused",
            "Samples that the store refused, by reason",
            metrics.refused.clone(),
        );
        registry.register(
            "outrigger_scrape_missed",
            "Scrape slots that passed while the scrape before was still running",
            metrics.missed.clone(),
        );
        registry.register(
            "outrigger_scrape_body_bytes",
            "Bytes of scraped bodies as sent",
            metrics.body_bytes.clone(),
        );
        registry.register(
            "outrigger_scrape_clock_held",
            "Scrapes whose time was held because the clock stood before the scrape before",
            metrics.held.clone(),
        );
        registry.register(
            "outrigger_scrape_targets",
            "Targets that are scraped",
            metrics.targets.clone(),
        );
        registry.register(
            "outrigger_scrape_reconciliations",
            "Times that targets were discovered anew",
            metrics.reconciled.clone(),
        );
        registry.register(
            "outrigger_discovery_file_errors",
            "Discovery files that could not be read or used",
            metrics.file_errors.clone(),
        );
        metrics
    }

    /// A target of the job is there: its counters begin at zero, so that their first event is an increase.
    pub(super) fn begin(&self, job: &str) {
        for outcome in Outcome::ALL {
            drop(self.scrapes.get_or_create(&Ended::new(job, outcome)));
        }
        for family in [&self.samples, &self.body_bytes, &self.missed, &self.held] {
            drop(family.get_or_create(&Job::new(job)));
        }
        self.refused(job, &Counts::default());
    }

    pub(super) fn scraped(&self, job: &str, outcome: Outcome, counts: &Counts, bytes: usize) {
        let label = Job::new(job);
        self.scrapes.get_or_create(&Ended::new(job, outcome)).inc();
        self.samples
            .get_or_create(&label)
            .inc_by(counts.kept as u64);
        self.body_bytes.get_or_create(&label).inc_by(bytes as u64);
        self.refused(job, counts);
    }

    fn refused(&self, job: &str, counts: &Counts) {
        for (reason, count) in [
            ("out_of_order", counts.out_of_order),
            ("duplicate", counts.duplicate),
            ("out_of_bounds", counts.out_of_bounds),
            ("series_limit", counts.over_series_limit),
        ] {
            let refused = Refused {
                job: job.to_owned(),
                reason,
            };
            self.refused.get_or_create(&refused).inc_by(count as u64);
        }
    }

    pub(super) fn missed(&self, job: &str, slots: u64) {
        self.missed.get_or_create(&Job::new(job)).inc_by(slots);
    }

    pub(super) fn held(&self, job: &str) {
        self.held.get_or_create(&Job::new(job)).inc();
    }
}

impl Job {
    fn new(job: &str) -> Self {
        Self {
            job: job.to_owned(),
        }
    }
}

impl Ended {
    fn new(job: &str, outcome: Outcome) -> Self {
        Self {
            job: job.to_owned(),
            outcome: outcome.as_str(),
        }
    }
}
