//! Batches of samples: checked one by one, logged and made visible together.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::index::Found;
use super::slots::{Admission, SeriesRef, Slots};
use super::wal::record::{LoggedSample, put_definitions, put_samples};
use super::{Shared, Storage};
use crate::model::labels::Labels;
use crate::model::timestamp::Timestamp;

/// How far ahead of the clock a sample may be: clocks of targets differ.
pub const FUTURE_TOLERANCE: Duration = Duration::from_secs(10 * 60);

/// Why a sample or a series is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The series has a later sample.
    #[error("append sample: the series has a later one")]
    OutOfOrder,
    /// The series has another value at that time.
    #[error("append sample: the series has another value at that time")]
    DuplicateTimestamp,
    /// Retention would drop it at once.
    #[error("append sample: it is older than the retention time")]
    TooOld,
    /// It is more than [`FUTURE_TOLERANCE`] ahead of the clock.
    #[error("append sample: it is more than 10 minutes ahead of this machine's clock")]
    TooFarInFuture,
    /// There is no room for a new series.
    #[error(
        "create series: {limit} series are held already; drop labels or targets, or raise the limit"
    )]
    SeriesLimit {
        /// The limit.
        limit: usize,
    },
    /// The series was collected since: resolve its labels again.
    #[error("append sample: the series was collected since its last sample")]
    UnknownSeries,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Samples that are now visible.
    pub samples: usize,
    /// Samples that passed their check but not the commit: this or another appender was quicker with the same series.
    pub refused: usize,
}

/// A commit that is not durable.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The log could not be written. The samples are visible all the same, and are written with the next checkpoint;
    /// a restart before that loses them.
    #[error("write the write-ahead log: {source}")]
    NotLogged {
        /// What the commit did in memory.
        committed: Committed,
        /// The system's reason.
        source: io::Error,
    },
}

/// A batch of samples. Dropping it forgets them.
#[derive(Debug)]
pub struct Appender {
    storage: Storage,
    buffers: Buffers,
    earliest_ms: i64,
    latest_ms: i64,
}

/// What an appender gathers; kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    samples: Vec<Pending>,
    // Series that the log did not define when their sample was checked.
    undefined: Vec<SeriesRef>,
    records: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    series: SeriesRef,
    timestamp_ms: i64,
    value: f64,
}

// Buffers larger than this are given back to the allocator.
const SPARE_BYTES: usize = 1 << 20;
const SPARE_BUFFERS: usize = 4;

impl Appender {
    pub(super) fn new(storage: Storage) -> Self {
        let shared = &storage.0;
        // The earliest of all times stands for "no sample yet".
        let mut earliest_ms = shared.cutoff_ms.load(Ordering::Relaxed).max(i64::MIN + 1);
        let mut latest_ms = i64::MAX;
        if let Some(clock) = &shared.clock {
            let now = clock.now();
            latest_ms = (now + FUTURE_TOLERANCE).millis();
            // As retention counts, so that nothing is accepted only to be dropped.
            let newest_ms = shared.newest().unwrap_or(i64::MAX).min(now.millis());
            let oldest = Timestamp::from_millis(newest_ms) - shared.config.retention;
            earliest_ms = earliest_ms.max(oldest.millis());
        }
        let buffers = shared.spare.lock().pop().unwrap_or_default();
        Self {
            earliest_ms,
            latest_ms,
            buffers,
            storage,
        }
    }

    /// The ref of a series, which is created where missing. Callers keep it: finding it again costs a lookup.
    ///
    /// # Errors
    /// [`AppendError::SeriesLimit`].
    pub fn series(&mut self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        let shared = &self.storage.0;
        if let Some(series) = shared.index.read().get(labels) {
            return Ok(series);
        }
        let limit = shared.config.series_limit;
        let mut index = shared.index.write();
        match index.get_or_create(labels, limit) {
            Found::Old(series) => Ok(series),
            Found::New(series) => {
                shared.slots.occupy(series);
                shared.metrics.series.inc();
                shared.metrics.series_created.inc();
                Ok(series)
            }
            Found::Full => {
                shared.metrics.series_rejected.inc();
                Err(AppendError::SeriesLimit { limit })
            }
        }
    }

    /// Adds a sample, visible at [`Appender::commit`]. The same value at the time of the series' last sample is
    /// accepted and changes nothing.
    ///
    /// # Errors
    /// All of [`AppendError`] but the limit; the batch goes on without the sample.
    #[inline]
    pub fn append(
        &mut self,
        series: SeriesRef,
        timestamp_ms: i64,
        value: f64,
    ) -> Result<(), AppendError> {
        if timestamp_ms < self.earliest_ms {
            return Err(AppendError::TooOld);
        }
        if timestamp_ms > self.latest_ms {
            return Err(AppendError::TooFarInFuture);
        }
        let shared = &self.storage.0;
        let (admission, logged) = shared
            .slots
            .with_series(series, |data| {
                data.idle = false;
                let admission = data.admit(timestamp_ms, value);
                data.waiting += u32::from(admission == Admission::New);
                (admission, data.logged)
            })
            .ok_or(AppendError::UnknownSeries)?;
        match admission {
            Admission::New => {
                if !logged {
                    self.buffers.undefined.push(series);
                }
                self.buffers.samples.push(Pending {
                    series,
                    timestamp_ms,
                    value,
                });
                Ok(())
            }
            Admission::Same => Ok(()),
            Admission::Duplicate => {
                shared.metrics.out_of_order_samples.inc();
                Err(AppendError::DuplicateTimestamp)
            }
            Admission::OutOfOrder => {
                shared.metrics.out_of_order_samples.inc();
                Err(AppendError::OutOfOrder)
            }
        }
    }

    /// Samples added so far.
    pub fn len(&self) -> usize {
        self.buffers.samples.len()
    }

    /// Whether no sample was added.
    pub fn is_empty(&self) -> bool {
        self.buffers.samples.is_empty()
    }

    /// Hands the samples to the log, then shows them to readers. Blocks for one `write`, never for a sync.
    ///
    /// # Errors
    /// Where the log cannot be written; the samples are visible even then.
    pub fn commit(mut self) -> Result<Committed, CommitError> {
        let mut buffers = std::mem::take(&mut self.buffers);
        let shared = &self.storage.0;
        let result = if buffers.samples.is_empty() {
            Ok(Committed::default())
        } else {
            shared.commit(&mut buffers)
        };
        // Committed samples wait no longer.
        buffers.samples.clear();
        self.buffers = buffers;
        result
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        let mut buffers = std::mem::take(&mut self.buffers);
        for sample in &buffers.samples {
            let slots = &self.storage.0.slots;
            slots.with_series(sample.series, |data| data.waiting -= 1);
        }
        let bytes = buffers.samples.capacity() * size_of::<Pending>() + buffers.records.capacity();
        if bytes > SPARE_BYTES || bytes == 0 {
            return;
        }
        buffers.samples.clear();
        buffers.undefined.clear();
        buffers.records.clear();
        let mut spare = self.storage.0.spare.lock();
        if spare.len() < SPARE_BUFFERS {
            spare.push(buffers);
        }
    }
}

impl Shared {
    fn commit(&self, buffers: &mut Buffers) -> Result<Committed, CommitError> {
        if self.durable {
            self.encode(buffers);
        }
        let mut log = self.log.lock();
        let logged = match log.as_mut() {
            Some(wal) => wal.write(&buffers.records),
            None => Ok(()),
        };
        if logged.is_ok() {
            for series in &buffers.undefined {
                self.slots.with_series(*series, |data| data.logged = true);
            }
        }
        let (committed, newest_ms) = self.apply(&buffers.samples);
        drop(log);
        self.newest_ms.fetch_max(newest_ms, Ordering::Relaxed);
        self.metrics
            .samples_appended
            .inc_by(committed.samples as u64);
        self.metrics
            .out_of_order_samples
            .inc_by(committed.refused as u64);
        match logged {
            Ok(()) => Ok(committed),
            Err(source) => Err(CommitError::NotLogged { committed, source }),
        }
    }

    fn encode(&self, buffers: &mut Buffers) {
        buffers.records.clear();
        if !buffers.undefined.is_empty() {
            let index = self.index.read();
            let definitions = buffers.undefined.iter().filter_map(|series| {
                let (found, labels) = index.series(series.slot())?;
                (found == *series).then_some((series.id(), labels))
            });
            put_definitions(&mut buffers.records, definitions);
        }
        let samples = buffers.samples.iter().map(|sample| LoggedSample {
            id: sample.series.id(),
            timestamp_ms: sample.timestamp_ms,
            value: sample.value,
        });
        put_samples(&mut buffers.records, samples);
    }

    fn apply(&self, mut samples: &[Pending]) -> (Committed, i64) {
        let mut committed = Committed::default();
        let mut newest_ms = i64::MIN;
        while let Some(first) = samples.first() {
            let block = Slots::block_of(first.series.slot());
            let run = samples
                .iter()
                .take_while(|sample| Slots::block_of(sample.series.slot()) == block)
                .count();
            let (now, later) = samples.split_at(run);
            samples = later;
            let mut locked = self
                .slots
                .lock(block)
                .expect("a series with waiting samples is not collected");
            for sample in now {
                let data = locked
                    .get_mut(Slots::within(sample.series.slot()))
                    .filter(|data| data.is(sample.series))
                    .expect("a series with waiting samples is not collected");
                data.waiting -= 1;
                match data.admit(sample.timestamp_ms, sample.value) {
                    Admission::New => {
                        data.append(sample.timestamp_ms, sample.value);
                        newest_ms = newest_ms.max(sample.timestamp_ms);
                        committed.samples += 1;
                    }
                    Admission::Same => {}
                    Admission::Duplicate | Admission::OutOfOrder => committed.refused += 1,
                }
            }
        }
        (committed, newest_ms)
    }
}
