//! One scrape's samples on their way into the store.
//!
//! What Prometheus does per sample, in its order: found again by its bytes, or else decoded, merged with the target's
//! labels, relabelled, checked against the limits; then appended with the scrape's time or its own. Samples out of
//! order are counted and cost nothing else; what breaks the format or a limit costs the whole scrape. Behind the sample
//! limit samples are only counted, so that the scrape's own series say how high the limit would have to be.

use super::cache::{Known, SeriesCache};
use super::config::{JobConfig, Limits};
use super::error::ScrapeError;
use super::readings::Readings;
use crate::exposition::error::ParseError;
use crate::exposition::format::Format;
use crate::exposition::labels::LabelBuf;
use crate::exposition::{Entry, Parser};
use crate::model::labels::{Labels, LabelsBuilder, METRIC_NAME};
use crate::model::sample::STALE_NAN;
use crate::storage::appender::{AppendError, Appender};
use crate::storage::slots::SeriesRef;

/// What became of the samples of one scrape.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Samples in the body.
    pub scraped: usize,
    /// Those that relabelling kept.
    pub kept: usize,
    /// Series that were not there in the scrape before.
    pub series_added: usize,
    /// Refused: older than the series' last sample.
    pub out_of_order: usize,
    /// Refused: another value is there at that time.
    pub duplicate: usize,
    /// Refused: too far in the past or in the future.
    pub out_of_bounds: usize,
    /// Refused: their series would be one too many.
    pub over_series_limit: usize,
}

/// How samples of one target are treated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Treatment<'a> {
    /// What the target's samples carry.
    pub(super) labels: &'a Labels,
    /// The rest of the rules.
    pub(super) job: &'a JobConfig,
    /// The scrape's time, in milliseconds.
    pub(super) at_ms: i64,
}

/// Samples being appended.
pub(super) struct Batch<'a> {
    treatment: Treatment<'a>,
    cache: &'a mut SeriesCache,
    appender: &'a mut Appender,
    pub(super) counts: Counts,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        treatment: Treatment<'a>,
        cache: &'a mut SeriesCache,
        appender: &'a mut Appender,
    ) -> Self {
        cache.begin();
        Self {
            treatment,
            cache,
            appender,
            counts: Counts::default(),
        }
    }

    /// Appends a body.
    pub(super) fn text(&mut self, body: &[u8], format: Format) -> Result<(), ScrapeError> {
        let mut parser = Parser::new(body, format);
        let mut decoded = LabelBuf::new();
        while let Some(entry) = parser.next_like(self.cache.expected())? {
            let Entry::Sample(sample) = entry else {
                continue;
            };
            let time = sample.timestamp_ms;
            self.sample(sample.series, sample.value, time, |labels| {
                sample.labels(&mut decoded)?;
                decoded
                    .iter()
                    .for_each(|(name, value)| labels.set(name, value));
                Ok(())
            })?;
        }
        self.check_sample_limit()
    }

    /// Appends what a built-in collector has read.
    pub(super) fn readings(&mut self, readings: &Readings) -> Result<(), ScrapeError> {
        for (key, value) in readings.iter() {
            self.sample(key, value, None, |labels| {
                Readings::decode(key, labels);
                Ok(())
            })?;
        }
        self.check_sample_limit()
    }

    fn sample(
        &mut self,
        key: &[u8],
        value: f64,
        time: Option<i64>,
        mut decode: impl FnMut(&mut LabelsBuilder) -> Result<(), ParseError>,
    ) -> Result<(), ScrapeError> {
        self.counts.scraped += 1;
        let job = self.treatment.job;
        let own_time = time.filter(|_| job.honor_timestamps);
        let tracked = own_time.is_none() || job.track_timestamps_staleness;
        let at_ms = own_time.unwrap_or(self.treatment.at_ms);
        let hit = self.cache.find(key, tracked);
        let known = match hit {
            Some(hit) => hit.known,
            None => {
                let mut labels = LabelsBuilder::default();
                decode(&mut labels)?;
                let kept = self.relabel(labels)?;
                if !self.has_room(usize::from(kept.is_some())) {
                    self.counts.kept += usize::from(kept.is_some());
                    return Ok(());
                }
                let known = match kept {
                    None => Known::Dropped,
                    Some(labels) => match self.appender.series(&labels) {
                        Ok(series) => Known::Series(series),
                        Err(_) => {
                            self.counts.kept += 1;
                            self.counts.over_series_limit += 1;
                            return Ok(());
                        }
                    },
                };
                let tracked = tracked && known != Known::Dropped;
                self.cache.insert(key, known, tracked);
                known
            }
        };
        let Known::Series(series) = known else {
            return Ok(());
        };
        self.counts.kept += 1;
        if !self.has_room(0) {
            return Ok(());
        }
        let fresh = hit.is_none_or(|hit| hit.returned);
        match self.append(series, at_ms, value) {
            Some(AppendError::UnknownSeries) => {}
            refused => {
                self.counts.series_added += usize::from(fresh && refused.is_none());
                return Ok(());
            }
        }
        // The store has forgotten the series since: rare, so that reading the key again is cheap enough.
        let Some(hit) = hit else { return Ok(()) };
        let mut labels = LabelsBuilder::default();
        decode(&mut labels)?;
        let Some(labels) = self.relabel(labels)? else {
            return Ok(());
        };
        match self.appender.series(&labels) {
            Ok(series) => {
                self.cache.replace(hit, series);
                self.append(series, at_ms, value);
                self.counts.series_added += 1;
            }
            Err(_) => self.counts.over_series_limit += 1,
        }
        Ok(())
    }

    /// Whether the sample limit allows for so many samples more.
    fn has_room(&self, more: usize) -> bool {
        let limit = self.treatment.job.limits.samples;
        limit == 0 || self.counts.kept + more <= limit
    }

    fn check_sample_limit(&self) -> Result<(), ScrapeError> {
        if self.has_room(0) {
            return Ok(());
        }
        Err(ScrapeError::SampleLimit {
            limit: self.treatment.job.limits.samples,
            samples: self.counts.kept,
        })
    }

    /// Appends one sample and counts why it was refused.
    fn append(&mut self, series: SeriesRef, at_ms: i64, value: f64) -> Option<AppendError> {
        let error = self.appender.append(series, at_ms, value).err()?;
        match error {
            AppendError::OutOfOrder => self.counts.out_of_order += 1,
            AppendError::DuplicateTimestamp => self.counts.duplicate += 1,
            AppendError::TooOld | AppendError::TooFarInFuture => self.counts.out_of_bounds += 1,
            AppendError::SeriesLimit { .. } => self.counts.over_series_limit += 1,
            AppendError::UnknownSeries => {}
        }
        Some(error)
    }

    /// The labels under which a decoded label set is stored; `None` where relabelling drops it.
    fn relabel(&self, mut labels: LabelsBuilder) -> Result<Option<Labels>, ScrapeError> {
        merge(
            &mut labels,
            self.treatment.labels,
            self.treatment.job.honor_labels,
        );
        if !self.treatment.job.metric_relabel.apply(&mut labels) || labels.is_empty() {
            return Ok(None);
        }
        if labels.get(METRIC_NAME).is_none() {
            return Err(ScrapeError::NameMissing);
        }
        check_limits(&labels, &self.treatment.job.limits)?;
        Ok(Some(labels.build()))
    }
}

/// Brings the target's labels into a sample's, as `honor_labels` says.
fn merge(labels: &mut LabelsBuilder, target: &Labels, honor_labels: bool) {
    let mut moved: Vec<(String, String)> = Vec::new();
    for (name, value) in target {
        match labels.get(name) {
            Some(_) if honor_labels => continue,
            Some(own) => moved.push((name.to_owned(), own.to_owned())),
            None => {}
        }
        labels.set(name, value);
    }
    for (name, value) in moved {
        let mut exported = format!("exported_{name}");
        while labels.get(&exported).is_some() {
            exported.insert_str(0, "exported_");
        }
        labels.set(&exported, &value);
    }
}

fn check_limits(labels: &LabelsBuilder, limits: &Limits) -> Result<(), ScrapeError> {
    let metric = || {
        labels
            .value(METRIC_NAME)
            .chars()
            .take(100)
            .collect::<String>()
    };
    let over = |limit: usize, is: usize| limit > 0 && is > limit;
    let count = labels.iter().count();
    if over(limits.labels, count) {
        return Err(ScrapeError::LabelLimit(format!(
            "label_limit exceeded (metric: {:?}, number of labels: {count}, limit: {})",
            metric(),
            limits.labels
        )));
    }
    for (name, value) in labels.iter() {
        let short: String = name.chars().take(50).collect();
        if over(limits.label_name_length, name.len()) {
            return Err(ScrapeError::LabelLimit(format!(
                "label_name_length_limit exceeded (metric: {:?}, label name: {short:?}, length: {}, limit: {})",
                metric(),
                name.len(),
                limits.label_name_length
            )));
        }
        if over(limits.label_value_length, value.len()) {
            return Err(ScrapeError::LabelLimit(format!(
                "label_value_length_limit exceeded (metric: {:?}, label name: {short:?}, value length: {}, limit: {})",
                metric(),
                value.len(),
                limits.label_value_length
            )));
        }
    }
    Ok(())
}

/// Ends a series. That it has a later sample already, or is gone, is no matter.
pub(super) fn end(appender: &mut Appender, series: SeriesRef, at_ms: i64) {
    appender.append(series, at_ms, STALE_NAN).ok();
}

/// The series that tell how a scrape went.
const REPORTS: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// The report series of one target.
#[derive(Debug, Default)]
pub(super) struct Reports([Option<SeriesRef>; REPORTS.len()]);

impl Reports {
    /// Appends how a scrape went; false where the store refuses one of them.
    pub(super) fn append(
        &mut self,
        appender: &mut Appender,
        labels: &Labels,
        at_ms: i64,
        up: bool,
        seconds: f64,
        counts: &Counts,
    ) -> bool {
        let values = [
            f64::from(u8::from(up)),
            seconds,
            counts.scraped as f64,
            counts.kept as f64,
            counts.series_added as f64,
        ];
        let mut complete = true;
        for ((series, name), value) in self.0.iter_mut().zip(REPORTS).zip(values) {
            let outcome = series.map(|series| appender.append(series, at_ms, value));
            if let Some(outcome) = outcome
                && outcome != Err(AppendError::UnknownSeries)
            {
                complete &= outcome.is_ok();
                continue;
            }
            *series = appender.series(&labels.with(METRIC_NAME, name)).ok();
            complete &= series.is_some_and(|series| appender.append(series, at_ms, value).is_ok());
        }
        complete
    }

    /// Ends the series and forgets them.
    pub(super) fn end(&mut self, appender: &mut Appender, at_ms: i64) {
        for series in std::mem::take(&mut self.0).into_iter().flatten() {
            end(appender, series, at_ms);
        }
    }
}
