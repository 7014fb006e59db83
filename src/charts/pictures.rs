//! Pictures of alerts: drawn for messages, and for who follows a signed link in one.
//!
//! ```text
//!   /render/alert/<fingerprint>.png?since=<ms>&until=<ms>[&end=<ms>]&rule=<id>&token=<token>
//! ```
//!
//! A link names the time it shows, so that it shows the same after the alert has ended. The alert's labels come from the
//! ledger and the expression from the rule; where either is forgotten, so is the picture. Drawing is bounded: two seconds,
//! two at a time, and what was drawn is kept in a few megabytes of memory.

mod cache;
pub mod query;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use self::cache::Cache;
use super::alert::{self, ChartError, Sight, Source, Subject};
use super::chart::Chart;
use super::metrics::{Metrics, Outcome};
use super::png::{PaintError, Painter};
use super::svg;
use super::svg::paper::Sheet;
use super::theme::Theme;
use crate::clock::Stopwatch;
use crate::db::ledger::{self, LedgerFilter};
use crate::db::{Database, DbError};
use crate::model::alert::Alert;
use crate::model::labels::{ALERT_NAME, Fingerprint, Labels};
use crate::model::signature::{SignatureError, Signer};
use crate::model::timestamp::Timestamp;
use crate::promql::eval::{Deadline, Engine, EvalError};
use crate::storage::Storage;

/// The longest a picture may take, waiting included: a message does not wait longer.
pub const TIMEOUT: Duration = Duration::from_secs(2);
/// How long a link holds.
const LINK_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// Pictures drawn at the same time.
const AT_ONCE: usize = 2;
/// Pixels for each of the drawing's own: sharp on dense screens.
const SCALE: f32 = 2.0;
/// What a signature is for.
const PURPOSE: &str = "alert picture";

/// The alerting rules of a name.
pub type Rules = Arc<dyn Fn(&str) -> Vec<Source> + Send + Sync>;

/// What is drawn, and how.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PictureConfig {
    /// Whether anything is drawn.
    pub enabled: bool,
    /// Light or dark.
    pub theme: Theme,
    /// Where people reach this process; no slash at the end.
    pub external_url: String,
    /// Names of labels that every alert gets when it leaves.
    pub external_labels: Vec<String>,
}

impl PictureConfig {
    /// Whether others than this machine can follow a link: what fetches a picture for a chat stands elsewhere.
    pub fn is_public(&self) -> bool {
        let Ok(url) = self.external_url.parse::<url::Url>() else {
            return false;
        };
        match url.host() {
            Some(url::Host::Domain(name)) => {
                name.contains('.') && name != "localhost" && !name.ends_with(".localhost")
            }
            Some(url::Host::Ipv4(ip)) => !ip.is_loopback() && !ip.is_unspecified(),
            Some(url::Host::Ipv6(ip)) => !ip.is_loopback() && !ip.is_unspecified(),
            None => false,
        }
    }
}

/// What pictures are made from.
pub struct Dependencies {
    /// Samples.
    pub storage: Storage,
    /// Evaluates expressions.
    pub engine: Arc<Engine>,
    /// The ledger, for the labels of alerts.
    pub database: Database,
    /// The rules that run.
    pub rules: Rules,
    /// Signs links.
    pub signer: Signer,
    /// Where it counts.
    pub metrics: Metrics,
}

impl std::fmt::Debug for Dependencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dependencies").finish_non_exhaustive()
    }
}

/// Draws pictures of alerts. Clones share everything.
#[derive(Clone)]
pub struct Pictures(Arc<Inner>);

struct Inner {
    with: Dependencies,
    config: ArcSwap<PictureConfig>,
    places: Arc<Semaphore>,
    cache: Mutex<Cache>,
}

impl std::fmt::Debug for Pictures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pictures").field(&self.config()).finish()
    }
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The link is wrong, or too old.
    #[error("{0}")]
    Link(#[from] SignatureError),
    /// Pictures are turned off.
    #[error("pictures are turned off; set pictures.enabled in outrigger.yml")]
    Disabled,
    /// The alert or its rule is not known any more.
    #[error("the alert, or its rule, is not known here any more")]
    NoRule,
    /// The expression is wrong, or has no course.
    #[error("{0}")]
    Query(String),
    /// It has no chart.
    #[error("{0}")]
    Chart(#[from] ChartError),
    /// It cannot be drawn.
    #[error("{0}")]
    Paint(#[from] PaintError),
    /// The ledger cannot be read.
    #[error("{0}")]
    Database(#[from] DbError),
    /// It took too long.
    #[error("drawing took longer than {} s; try again", TIMEOUT.as_secs())]
    Timeout,
    /// The drawing panicked; the log says where.
    #[error("drawing failed inside")]
    Panicked,
}

/// A picture's own name: which alert, which time, which rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address<'a> {
    /// The alert's fingerprint.
    pub fingerprint: Fingerprint,
    /// Since when it fires.
    pub since: Timestamp,
    /// The right edge.
    pub until: Timestamp,
    /// When it ended, where it has.
    pub ended: Option<Timestamp>,
    /// The rule's [`id`].
    pub rule: &'a str,
}

impl Address<'_> {
    /// The path with its parameters, without the token: what is signed.
    fn text(&self) -> String {
        let Self {
            fingerprint, rule, ..
        } = self;
        let (since, until) = (self.since.millis(), self.until.millis());
        let ended = self
            .ended
            .map_or_else(String::new, |at| format!("&end={}", at.millis()));
        format!("/render/alert/{fingerprint}.png?since={since}&until={until}{ended}&rule={rule}")
    }
}

/// A short name for an expression.
pub fn id(query: &str) -> String {
    let digest = Sha256::digest(query.as_bytes());
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Pictures {
    /// Nothing drawn yet.
    pub fn new(with: Dependencies, config: PictureConfig) -> Self {
        with.metrics.keeps(0, cache::MAX_BYTES);
        Self(Arc::new(Inner {
            with,
            config: ArcSwap::from_pointee(config),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            cache: Mutex::new(Cache::default()),
        }))
    }

    /// What is drawn, and how.
    pub fn config(&self) -> Arc<PictureConfig> {
        self.0.config.load_full()
    }

    /// Takes another configuration.
    pub fn configure(&self, config: PictureConfig) {
        if *self.config() != config {
            self.0.cache.lock().clear();
            self.0.config.store(Arc::new(config));
        }
    }

    /// The link to an alert's picture as it is at `until`; `None` where no rule here is behind the alert.
    pub fn link(
        &self,
        alert: &Alert,
        ended: Option<Timestamp>,
        until: Timestamp,
    ) -> Option<String> {
        let config = self.config();
        if !config.enabled {
            return None;
        }
        let source = self.source(alert)?;
        let rule = id(&source.query);
        let text = address(alert, ended, until, &rule).text();
        let token = self
            .0
            .with
            .signer
            .sign(PURPOSE, &text, until + LINK_LIFETIME);
        Some(format!("{}{text}&token={token}", config.external_url))
    }

    /// The picture of an alert as it is at `until`, drawn within `limit`.
    ///
    /// # Errors
    /// Where there is nothing to draw, or it takes too long.
    pub async fn of_alert(
        &self,
        alert: &Alert,
        ended: Option<Timestamp>,
        until: Timestamp,
        limit: Duration,
    ) -> Result<Arc<[u8]>, PictureError> {
        let found = self.source(alert).ok_or(PictureError::NoRule);
        let outcome = match found {
            Ok(source) => {
                let rule = id(&source.query);
                let address = address(alert, ended, until, &rule);
                self.picture(&address, source, alert.labels.clone(), limit)
                    .await
            }
            Err(error) => Err(error),
        };
        self.counted(outcome)
    }

    /// The chart of an alert as SVG, for pages: of the rule of its name with this expression, or of any of its name where none
    /// is given. What only pends has neither badge nor a time in which it fires.
    ///
    /// # Errors
    /// Where there is nothing to draw, or it takes too long.
    pub async fn chart(
        &self,
        subject: Subject,
        query: Option<&str>,
        fires: bool,
        sheet: Sheet,
    ) -> Result<String, PictureError> {
        let name = subject.labels.value(ALERT_NAME);
        let mut sources = (self.0.with.rules)(name).into_iter();
        let source = sources.find(|source| query.is_none_or(|query| source.query == query));
        let source = source.ok_or(PictureError::NoRule)?;
        let inner = Arc::clone(&self.0);
        let drawing = async {
            let Ok(place) = Arc::clone(&inner.places).acquire_owned().await else {
                return Err(PictureError::Timeout);
            };
            let deadline = Deadline::after(TIMEOUT);
            let work = tokio::task::spawn_blocking(move || {
                let mut chart = inner.chart(&source, &subject, &deadline)?;
                if !fires {
                    chart.badge = None;
                    chart.shades.retain(|shade| shade.start < shade.end);
                }
                drop(place);
                Ok(svg::draw_sheet(&chart, sheet))
            });
            work.await.unwrap_or(Err(PictureError::Panicked))
        };
        match tokio::time::timeout(TIMEOUT, drawing).await {
            Ok(outcome) => outcome,
            Err(_) => Err(PictureError::Timeout),
        }
    }

    /// The picture that a signed link names.
    ///
    /// # Errors
    /// Where the link is not ours or too old, the alert is forgotten, there is nothing to draw, or it takes too long.
    pub async fn of_link(
        &self,
        address: &Address<'_>,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<[u8]>, PictureError> {
        let signer = &self.0.with.signer;
        // Not counted: what others make up says nothing about our pictures.
        signer.verify(PURPOSE, &address.text(), token, now)?;
        let outcome = self.found_by_link(address).await;
        self.counted(outcome)
    }

    async fn found_by_link(
        &self,
        address: &Address<'_>,
    ) -> Result<(Arc<[u8]>, Outcome), PictureError> {
        if !self.config().enabled {
            return Err(PictureError::Disabled);
        }
        if let Some(png) = self.0.cache.lock().get(&address.text()) {
            return Ok((png, Outcome::Cached));
        }
        let filter = LedgerFilter {
            fingerprint: Some(address.fingerprint),
            ..LedgerFilter::default()
        };
        let entries = ledger::recent(&self.0.with.database, &filter, 50).await?;
        let labels = entries.into_iter().find_map(|entry| entry.labels);
        let labels = labels.ok_or(PictureError::NoRule)?;
        let sources = (self.0.with.rules)(labels.value(ALERT_NAME));
        let source = sources
            .into_iter()
            .find(|source| id(&source.query) == address.rule)
            .ok_or(PictureError::NoRule)?;
        self.picture(address, source, labels, TIMEOUT).await
    }

    /// The rule behind an alert: of its name, with the expression that its link leads to.
    fn source(&self, alert: &Alert) -> Option<Source> {
        let expression = expression(&alert.generator_url)?;
        (self.0.with.rules)(alert.name())
            .into_iter()
            .find(|source| source.query == expression)
    }

    async fn picture(
        &self,
        address: &Address<'_>,
        source: Source,
        labels: Labels,
        limit: Duration,
    ) -> Result<(Arc<[u8]>, Outcome), PictureError> {
        let key = address.text();
        if let Some(png) = self.0.cache.lock().get(&key) {
            return Ok((png, Outcome::Cached));
        }
        let subject = Subject {
            labels,
            since: address.since,
            ended: address.ended,
            until: address.until,
        };
        let deadline = Deadline::after(limit);
        let inner = Arc::clone(&self.0);
        let drawing = async {
            let Ok(place) = Arc::clone(&inner.places).acquire_owned().await else {
                return Err(PictureError::Timeout);
            };
            // Somebody else who waited may have had it drawn.
            if let Some(png) = inner.cache.lock().get(&key) {
                return Ok((png, Outcome::Cached));
            }
            // The work keeps its place when nobody waits for it any more: who asks and hangs up gets no more of it done
            // at once. The evaluation ends at its own deadline.
            let work = tokio::task::spawn_blocking(move || {
                let drawn = inner.draw(&source, &subject, &deadline);
                let drawn = drawn.map(|png| {
                    let png: Arc<[u8]> = png.into();
                    inner.keep(key, &png);
                    (png, Outcome::Drawn)
                });
                drop(place);
                drawn
            });
            work.await.unwrap_or(Err(PictureError::Panicked))
        };
        match tokio::time::timeout(limit, drawing).await {
            Ok(outcome) => outcome,
            Err(_) => Err(PictureError::Timeout),
        }
    }

    fn counted(
        &self,
        outcome: Result<(Arc<[u8]>, Outcome), PictureError>,
    ) -> Result<Arc<[u8]>, PictureError> {
        let counted = match &outcome {
            Ok((_, outcome)) => *outcome,
            Err(PictureError::NoRule | PictureError::Disabled) => Outcome::NoRule,
            Err(PictureError::Chart(ChartError::NoData)) => Outcome::NoData,
            Err(
                PictureError::Timeout
                | PictureError::Chart(ChartError::Evaluation(EvalError::TimedOut)),
            ) => Outcome::Timeout,
            Err(_) => Outcome::Failed,
        };
        self.0.with.metrics.count(counted);
        outcome.map(|(png, _)| png)
    }
}

impl Inner {
    fn keep(&self, key: String, picture: &Arc<[u8]>) {
        let mut cache = self.cache.lock();
        cache.put(key, Arc::clone(picture));
        self.with.metrics.keeps(cache.bytes(), cache::MAX_BYTES);
    }

    /// Evaluates and draws. Blocking.
    fn draw(
        &self,
        source: &Source,
        subject: &Subject,
        deadline: &Deadline,
    ) -> Result<Vec<u8>, PictureError> {
        let stopwatch = Stopwatch::start();
        let config = self.config.load();
        let chart = self.chart(source, subject, deadline)?;
        let svg = svg::draw(&chart, config.theme);
        // Made anew each time: fonts in memory for the rare picture are not worth it.
        let png = Painter::new().png(&svg, SCALE)?;
        self.with.metrics.took(stopwatch.elapsed());
        Ok(png)
    }

    fn chart(
        &self,
        source: &Source,
        subject: &Subject,
        deadline: &Deadline,
    ) -> Result<Chart, PictureError> {
        let config = self.config.load();
        let sight = Sight {
            storage: &self.with.storage,
            engine: &self.with.engine,
            deadline,
            external_labels: &config.external_labels,
        };
        Ok(alert::draw(source, subject, sight)?)
    }
}

fn address<'a>(
    alert: &Alert,
    ended: Option<Timestamp>,
    until: Timestamp,
    rule: &'a str,
) -> Address<'a> {
    Address {
        fingerprint: alert.fingerprint(),
        since: alert.starts_at,
        until,
        ended,
        rule,
    }
}

/// The expression that an alert's link leads to, as Prometheus writes it: `/graph?g0.expr=...`.
pub fn expression(generator_url: &str) -> Option<String> {
    let (_, query) = generator_url.split_once('?')?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "g0.expr")
        .map(|(_, value)| value.into_owned())
}
