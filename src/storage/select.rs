//! Reading: matchers to series, series to samples.

use std::collections::BTreeSet;

use super::Storage;
use super::index::Index;
use super::matching::{resolve, resolve_any};
use super::query::{QueryError, Queryable, SelectRequest, Series};
use super::slots::{SeriesRef, Window};
use crate::model::labels::Labels;
use crate::model::matcher::Matcher;
use crate::model::sample::Sample;

impl Queryable for Storage {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Vec<Series>, QueryError> {
        let Some(from_ms) = request.after_ms.checked_add(1) else {
            return Ok(Vec::new());
        };
        let until_ms = request.until_ms;
        let candidates = self.labelled(|index| resolve(index, request.matchers));
        let mut window = Window::default();
        let mut samples: Vec<Sample> = Vec::new();
        let mut found = Vec::new();
        let mut total = 0;
        for (series, labels) in candidates {
            samples.clear();
            let newest = self.0.slots.with_series(series, |data| {
                let newest = request
                    .newest_only
                    .then(|| data.newest_within(from_ms, until_ms))
                    .flatten();
                if newest.is_none() {
                    data.copy_window(from_ms, until_ms, &mut window);
                }
                newest
            });
            match newest {
                None => continue,
                Some(Some(newest)) => samples.push(newest),
                Some(None) if request.newest_only => {
                    samples.extend(window.newest_within(from_ms, until_ms));
                }
                Some(None) => {
                    samples.reserve(window.upper_bound());
                    window.read_into(from_ms, until_ms, &mut samples);
                }
            }
            total += samples.len();
            if total > request.max_samples {
                return Err(QueryError::TooManySamples {
                    limit: request.max_samples,
                });
            }
            if !samples.is_empty() {
                found.push(Series {
                    labels,
                    samples: samples.clone(),
                });
            }
        }
        Ok(found)
    }

    fn label_names(
        &self,
        sets: &[Vec<Matcher>],
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<String>, QueryError> {
        let mut names = BTreeSet::new();
        let mut presence = Presence::new(self, from_ms, until_ms);
        if sets.is_empty() {
            let index = self.0.index.read();
            for (name, values) in index.names() {
                if presence.any(&index, values.values().flatten()) {
                    names.insert(name.to_owned());
                }
            }
        } else {
            for labels in presence.select(sets) {
                for (name, _) in &labels {
                    if !names.contains(name) {
                        names.insert(name.to_owned());
                    }
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    fn label_values(
        &self,
        name: &str,
        sets: &[Vec<Matcher>],
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<String>, QueryError> {
        let mut values = BTreeSet::new();
        let mut presence = Presence::new(self, from_ms, until_ms);
        if sets.is_empty() {
            let index = self.0.index.read();
            for (value, slots) in index.values(name).into_iter().flatten() {
                if presence.any(&index, slots) {
                    values.insert(value.to_string());
                }
            }
        } else {
            for labels in presence.select(sets) {
                if let Some(value) = labels.get(name)
                    && !values.contains(value)
                {
                    values.insert(value.to_owned());
                }
            }
        }
        Ok(values.into_iter().collect())
    }

    fn series(
        &self,
        sets: &[Vec<Matcher>],
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Labels>, QueryError> {
        let mut series = Presence::new(self, from_ms, until_ms).select(sets);
        series.sort_unstable();
        Ok(series)
    }
}

impl Storage {
    /// The series in the slots that `choose` gives; the index is locked no longer than that takes.
    fn labelled(&self, choose: impl FnOnce(&Index) -> Vec<u32>) -> Vec<(SeriesRef, Labels)> {
        let index = self.0.index.read();
        choose(&index)
            .into_iter()
            .filter_map(|slot| index.series(slot))
            .map(|(series, labels)| (series, labels.clone()))
            .collect()
    }
}

/// Tells which series have samples in `[from_ms, until_ms]`.
struct Presence<'a> {
    storage: &'a Storage,
    from_ms: i64,
    until_ms: i64,
    window: Window,
}

impl<'a> Presence<'a> {
    fn new(storage: &'a Storage, from_ms: i64, until_ms: i64) -> Self {
        Self {
            storage,
            from_ms,
            until_ms,
            window: Window::default(),
        }
    }

    /// Labels of the series that pass any of the sets and have samples.
    fn select(&mut self, sets: &[Vec<Matcher>]) -> Vec<Labels> {
        self.storage
            .labelled(|index| resolve_any(index, sets))
            .into_iter()
            .filter(|(series, _)| self.of(*series))
            .map(|(_, labels)| labels)
            .collect()
    }

    /// Whether any of the slots has samples.
    fn any<'s>(&mut self, index: &Index, slots: impl IntoIterator<Item = &'s u32>) -> bool {
        slots.into_iter().any(|slot| {
            index
                .series(*slot)
                .is_some_and(|(series, _)| self.of(series))
        })
    }

    fn of(&mut self, series: SeriesRef) -> bool {
        let (from_ms, until_ms) = (self.from_ms, self.until_ms);
        let known = self.storage.0.slots.with_series(series, |data| {
            let known = data.covers(from_ms, until_ms);
            if known.is_none() {
                data.copy_window(from_ms, until_ms, &mut self.window);
            }
            known
        });
        match known {
            None => false,
            Some(Some(known)) => known,
            Some(None) => self.window.newest_within(from_ms, until_ms).is_some(),
        }
    }
}
