//! Why a scrape fails: one enum for the status page, the log and the metric's label.

use http::StatusCode;

use crate::exposition::error::ParseError;
use crate::net::body::UnpackError;
use crate::net::client::FetchError;

/// Why a scrape brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// No answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An answer, but no success.
    #[error("server returned HTTP status {0}")]
    Status(StatusCode),
    /// The body breaks the format.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// More samples than `sample_limit`.
    #[error(
        "sample limit exceeded: {samples} samples after relabelling, limit {limit}; raise sample_limit or drop series with metric_relabel_configs"
    )]
    SampleLimit {
        /// The limit.
        limit: usize,
        /// What there was.
        samples: usize,
    },
    /// A series breaks a label limit.
    #[error("{0}")]
    LabelLimit(String),
    /// Relabelling has taken the name.
    #[error("missing metric name (__name__ label) after metric_relabel_configs")]
    NameMissing,
    /// The job has more targets than `target_limit`.
    #[error("target_limit exceeded: more than {limit} targets in the job")]
    TargetLimit {
        /// The limit.
        limit: usize,
    },
    /// The store takes nothing.
    #[error("store samples: {0}")]
    Store(String),
    /// A built-in collector cannot read the host.
    #[error("collect: {0}")]
    Collect(String),
    /// The scrape itself is broken.
    #[error("scrape panicked; please report this")]
    Panicked,
}

impl ScrapeError {
    /// The metric's label.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Fetch(FetchError::Timeout { .. }) => Outcome::Timeout,
            Self::Fetch(FetchError::Connect { .. }) => Outcome::Connect,
            Self::Fetch(FetchError::TlsConfig(_) | FetchError::Handshake { .. }) => Outcome::Tls,
            Self::Fetch(FetchError::Unpack(UnpackError::TooLarge { .. })) => Outcome::BodyLimit,
            Self::Fetch(FetchError::Credentials(_)) => Outcome::Credentials,
            Self::Fetch(_) => Outcome::Http,
            Self::Status(_) => Outcome::Status,
            Self::Parse(_) | Self::NameMissing => Outcome::Parse,
            Self::SampleLimit { .. } => Outcome::SampleLimit,
            Self::LabelLimit(_) => Outcome::LabelLimit,
            Self::TargetLimit { .. } => Outcome::TargetLimit,
            Self::Store(_) => Outcome::Store,
            Self::Collect(_) => Outcome::Collect,
            Self::Panicked => Outcome::Panic,
        }
    }
}

/// How a scrape ended, for metrics and spans.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// Samples are in the store.
    Success,
    /// The deadline was over.
    Timeout,
    /// Nobody there.
    Connect,
    /// Certificates or handshake.
    Tls,
    /// Broken HTTP.
    Http,
    /// A status that is no success.
    Status,
    /// Too many bytes.
    BodyLimit,
    /// Broken text.
    Parse,
    /// Too many samples.
    SampleLimit,
    /// Labels too many or too long.
    LabelLimit,
    /// Too many targets.
    TargetLimit,
    /// A secret cannot be read.
    Credentials,
    /// The store failed.
    Store,
    /// The host cannot be read.
    Collect,
    /// A fault of ours.
    Panic,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Success,
        Self::Timeout,
        Self::Connect,
        Self::Tls,
        Self::Http,
        Self::Status,
        Self::BodyLimit,
        Self::Parse,
        Self::SampleLimit,
        Self::LabelLimit,
        Self::TargetLimit,
        Self::Credentials,
        Self::Store,
        Self::Collect,
        Self::Panic,
    ];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Status => "status",
            Self::BodyLimit => "body_limit",
            Self::Parse => "parse",
            Self::SampleLimit => "sample_limit",
            Self::LabelLimit => "label_limit",
            Self::TargetLimit => "target_limit",
            Self::Credentials => "credentials",
            Self::Store => "store",
            Self::Collect => "collect",
            Self::Panic => "panic",
        }
    }
}
