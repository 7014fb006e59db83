//! Series in a list: a source of samples for tests of evaluation.

use std::collections::BTreeSet;

use outrigger::model::labels::Labels;
use outrigger::model::matcher::Matcher;
use outrigger::model::sample::Sample;
use outrigger::storage::query::{QueryError, Queryable, SelectRequest, Series};

/// Series in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct MemorySource {
    series: Vec<Series>,
}

impl MemorySource {
    pub(crate) fn clear(&mut self) {
        self.series.clear();
    }

    /// Adds samples to a series; those of the same time replace older ones.
    pub(crate) fn append(&mut self, labels: Labels, samples: impl IntoIterator<Item = Sample>) {
        let position = self
            .series
            .iter()
            .position(|series| series.labels == labels)
            .unwrap_or_else(|| {
                self.series.push(Series {
                    labels,
                    samples: Vec::new(),
                });
                self.series.len() - 1
            });
        let all = &mut self.series[position].samples;
        for sample in samples {
            match all.binary_search_by_key(&sample.timestamp_ms, |known| known.timestamp_ms) {
                Ok(at) => all[at] = sample,
                Err(at) => all.insert(at, sample),
            }
        }
    }

    fn labels_of<'a>(
        &'a self,
        sets: &'a [Vec<Matcher>],
        from_ms: i64,
        until_ms: i64,
    ) -> impl Iterator<Item = &'a Labels> {
        self.series
            .iter()
            .filter(move |series| {
                sets.is_empty()
                    || sets
                        .iter()
                        .any(|set| set.iter().all(|m| m.matches_labels(&series.labels)))
            })
            .filter(move |series| {
                series
                    .samples
                    .iter()
                    .any(|sample| (from_ms..=until_ms).contains(&sample.timestamp_ms))
            })
            .map(|series| &series.labels)
    }
}

impl Queryable for MemorySource {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Vec<Series>, QueryError> {
        let mut room = request.max_samples;
        let mut found = Vec::new();
        for series in &self.series {
            if !request
                .matchers
                .iter()
                .all(|matcher| matcher.matches_labels(&series.labels))
            {
                continue;
            }
            let after = |limit: i64| {
                series
                    .samples
                    .partition_point(|sample| sample.timestamp_ms <= limit)
            };
            let (mut from, to) = (after(request.after_ms), after(request.until_ms));
            if request.newest_only {
                from = from.max(to.saturating_sub(1));
            }
            if from >= to {
                continue;
            }
            room = room
                .checked_sub(to - from)
                .ok_or(QueryError::TooManySamples {
                    limit: request.max_samples,
                })?;
            found.push(Series {
                labels: series.labels.clone(),
                samples: series.samples[from..to].to_vec(),
            });
        }
        Ok(found)
    }

    fn label_names(
        &self,
        sets: &[Vec<Matcher>],
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<String>, QueryError> {
        let names: BTreeSet<_> = self
            .labels_of(sets, from_ms, until_ms)
            .flatten()
            .map(|(name, _)| name.to_owned())
            .collect();
        Ok(names.into_iter().collect())
    }

    fn label_values(
        &self,
        name: &str,
        sets: &[Vec<Matcher>],
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<String>, QueryError> {
        let values: BTreeSet<_> = self
            .labels_of(sets, from_ms, until_ms)
            .filter_map(|labels| labels.get(name))
            .map(str::to_owned)
            .collect();
        Ok(values.into_iter().collect())
    }

    fn series(
        &self,
        sets: &[Vec<Matcher>],
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Labels>, QueryError> {
        let mut found: Vec<_> = self.labels_of(sets, from_ms, until_ms).cloned().collect();
        found.sort();
        Ok(found)
    }
}
