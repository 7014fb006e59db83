//! What readers of samples ask and get.

use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::model::sample::Sample;

/// A source of series: the store, or another one over the network.
pub trait Queryable: Send + Sync {
    /// The series that pass all matchers and have samples in the window, in no particular order. Stale markers are
    /// among the samples. Blocking, never slow for long: memory only.
    ///
    /// # Errors
    /// Where a limit is passed or the source fails.
    fn select(&self, request: &SelectRequest<'_>) -> Result<Vec<Series>, QueryError>;

    /// Names of the labels of the series that pass any of the matcher sets (all series where there is none) and have
    /// samples in `[from_ms, until_ms]`; sorted.
    ///
    /// # Errors
    /// As for [`Queryable::select`].
    fn label_names(
        &self,
        sets: &[Vec<Matcher>],
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<String>, QueryError>;

    /// Values of one label, likewise.
    ///
    /// # Errors
    /// As for [`Queryable::select`].
    fn label_values(
        &self,
        name: &str,
        sets: &[Vec<Matcher>],
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<String>, QueryError>;

    /// Label sets of the series that pass any of the matcher sets and have samples in `[from_ms, until_ms]`; sorted.
    ///
    /// # Errors
    /// As for [`Queryable::select`].
    fn series(
        &self,
        sets: &[Vec<Matcher>],
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Labels>, QueryError>;
}

/// Which samples are wanted.
#[derive(Clone, Copy, Debug)]
pub struct SelectRequest<'a> {
    /// All must pass.
    pub matchers: &'a [Matcher],
    /// Samples later than this, in milliseconds: Prometheus 3's windows are open on the left.
    pub after_ms: i64,
    /// Samples up to this, inclusive.
    pub until_ms: i64,
    /// Only the newest sample of the window is needed: an instant selector at one time.
    pub newest_only: bool,
    /// The most samples that may be returned in all; one more is [`QueryError::TooManySamples`].
    pub max_samples: usize,
}

/// One series' samples in the window, by time.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its identity.
    pub labels: Labels,
    /// Strictly rising timestamps.
    pub samples: Vec<Sample>,
}

/// Why a selection fails.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The window holds more samples than the request allows.
    #[error(
        "query processing would load too many samples into memory in query execution (limit {limit})"
    )]
    TooManySamples {
        /// The limit.
        limit: usize,
    },
    /// The source cannot answer.
    #[error("read series: {0}")]
    Source(String),
}
