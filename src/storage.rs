//! Samples: the series index, compressed chunks, the write-ahead log, retention.
//!
//! ```text
//!              labels                       SeriesRef
//! Appender ──▶ index ─ get or create ─▶ slots ─ check ─▶ commit: log, then slots
//! select   ──▶ index ─ matchers ──────▶ slots ─ copy the chunks of the window, decode without a lock
//! maintain ──▶ slots ─ drop what is past retention ─▶ index ─ collect empty series ─▶ checkpoint
//! ```
//!
//! One lock stands before the index, one before each 256 series, one before the log, in this order: log, index, series.
//! Commits follow one another (the log's order is the order in memory); readers never wait for the log nor for a disk.
//! A reader may see one part of a commit before the other, within microseconds.
//!
//! All samples of the retention time are in memory; the disk serves restarts only. There are no histograms of the native
//! kind, no exemplars, no samples out of order.

pub mod appender;
mod bits;
mod chunk;
mod files;
mod index;
mod maintenance;
mod matching;
pub mod metrics;
pub mod query;
mod select;
pub mod slots;
mod wal;

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::clock::{Clock, Stopwatch};
use appender::{Appender, Buffers};
use files::{Disk, FileSystem};
use index::Index;
use maintenance::Schedule;
use metrics::Metrics;
use slots::Slots;
use wal::replay::{Restored, replay};
use wal::{Place, Wal};

/// How the store is set up.
#[derive(Clone, Debug)]
pub struct StorageConfig {
    /// Directory of the store; created where missing. Unused in memory.
    pub dir: PathBuf,
    /// How long samples are kept.
    pub retention: Duration,
    /// Most series at a time.
    pub series_limit: usize,
    /// Size at which a segment of the log is followed by the next.
    pub segment_bytes: u64,
    /// Size of the log, without the checkpoint, from which on a checkpoint is written.
    pub checkpoint_bytes: u64,
    /// Age of the last checkpoint at which the next is written, were the log never so small.
    pub checkpoint_interval: Duration,
    /// How often [`Storage::sync`] ought to be called: what a power cut may cost.
    pub sync_interval: Duration,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("data/tsdb"),
            // The shipped rules look back 25 hours.
            retention: Duration::from_secs(26 * 3600),
            series_limit: 200_000,
            // A segment is read whole at a start: small ones keep the peak of memory small.
            segment_bytes: 8 << 20,
            checkpoint_bytes: 32 << 20,
            checkpoint_interval: Duration::from_secs(2 * 3600),
            sync_interval: Duration::from_secs(5),
        }
    }
}

/// The store. Clones share it.
#[derive(Clone, Debug)]
pub struct Storage(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: StorageConfig,
    // Without one, samples of any time are accepted.
    clock: Option<Clock>,
    index: RwLock<Index>,
    slots: Slots,
    log: Mutex<Option<Wal>>,
    durable: bool,
    metrics: Metrics,
    // Samples before it were dropped, and are refused.
    cutoff_ms: AtomicI64,
    newest_ms: AtomicI64,
    schedule: Mutex<Schedule>,
    // Buffers of former appenders, to be used again.
    spare: Mutex<Vec<Buffers>>,
    // Held as long as the store is open, so that no other process writes here.
    _lock: Option<File>,
}

/// Figures for the status page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// Series now.
    pub series: usize,
    /// Most series at a time.
    pub series_limit: usize,
    /// Chunks at the last maintenance.
    pub chunks: u64,
    /// Memory in bytes at the last maintenance, estimated.
    pub bytes: u64,
    /// Bytes on disk.
    pub wal_bytes: u64,
    /// Samples stored since the start.
    pub samples_appended: u64,
    /// Samples refused since the start because the series had a later one.
    pub out_of_order: u64,
    /// Whether new samples are in memory only.
    pub wal_failing: bool,
    /// Time of the newest sample; `None` where there is none.
    pub newest_ms: Option<i64>,
    /// Time that reading the log took at the start.
    pub replay: Duration,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be created, read or written.
    #[error("use data directory {dir}: {source}; give the process a writable directory")]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another process has it open.
    #[error(
        "use data directory {dir}: another process has it open; stop that one or choose another directory"
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
}

impl Storage {
    /// Opens the store and reads back what a former process left. Blocking: seconds where the log is large.
    ///
    /// # Errors
    /// Where the directory cannot be used. A damaged log or a full disk are no errors: the store opens with what can be
    /// read, says so in the log and in its metrics.
    pub fn open(config: StorageConfig, clock: Clock) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::Directory {
            dir: config.dir.clone(),
            source,
        };
        std::fs::create_dir_all(&config.dir).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(config.dir.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { dir: config.dir }),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        Self::open_on(Arc::new(Disk), config, clock, Some(lock))
    }

    fn open_on(
        files: Arc<dyn FileSystem>,
        config: StorageConfig,
        clock: Clock,
        lock: Option<File>,
    ) -> Result<Self, OpenError> {
        let stopwatch = Stopwatch::start();
        let unusable = |source| OpenError::Directory {
            dir: config.dir.clone(),
            source,
        };
        let place = Place {
            files,
            dir: config.dir.join("wal"),
        };
        place.files.create_dir_all(&place.dir).map_err(unusable)?;
        let metrics = Metrics::default();
        let mut index = Index::default();
        let slots = Slots::default();
        let restored = replay(&place, &mut index, &slots).map_err(unusable)?;
        let mut wal = Wal::new(place, config.segment_bytes, &restored, metrics.clone());
        // A full disk may be freed while we run, and people want their alerts meanwhile. A directory that is not ours
        // stays so.
        if let Err(error) = wal.start()
            && !is_passing(&error)
        {
            return Err(unusable(error));
        }
        let elapsed = stopwatch.elapsed();
        metrics.replay_duration.set(elapsed.as_secs_f64());
        metrics.wal_corruptions.inc_by(restored.corruptions);
        report(&config.dir, &restored, index.len(), elapsed);
        let now_ms = clock.now().millis();
        let storage = Self(Arc::new(Shared {
            index: RwLock::new(index),
            slots,
            log: Mutex::new(Some(wal)),
            durable: true,
            newest_ms: AtomicI64::new(restored.newest_ms.unwrap_or(i64::MIN)),
            clock: Some(clock),
            _lock: lock,
            ..Shared::new(config, metrics)
        }));
        storage.retain(now_ms);
        Ok(storage)
    }

    /// A store without a disk and without a clock: for tests, rule tests and checks. Samples of any time are accepted.
    pub fn in_memory(config: StorageConfig) -> Self {
        Self(Arc::new(Shared::new(config, Metrics::default())))
    }

    /// A batch of samples. Several may be open at once.
    pub fn appender(&self) -> Appender {
        Appender::new(self.clone())
    }

    /// The store's own metrics, to be registered.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Figures for people.
    pub fn stats(&self) -> Stats {
        let shared = &self.0;
        let metrics = &shared.metrics;
        let gauge = |value: i64| u64::try_from(value).unwrap_or(0);
        Stats {
            series: shared.index.read().len(),
            series_limit: shared.config.series_limit,
            chunks: gauge(metrics.chunks.get()),
            bytes: gauge(metrics.bytes.get()),
            wal_bytes: gauge(metrics.wal_bytes.get()),
            samples_appended: metrics.samples_appended.get(),
            out_of_order: metrics.out_of_order_samples.get(),
            wal_failing: metrics.wal_failing.get() != 0,
            newest_ms: shared.newest(),
            replay: Duration::try_from_secs_f64(metrics.replay_duration.get()).unwrap_or_default(),
        }
    }

    /// Makes all commits durable against a power cut. Blocking; to be called at [`StorageConfig::sync_interval`] and
    /// before the process ends. A failure is counted and logged.
    pub fn sync(&self) {
        let unsynced = match self.0.log.lock().as_mut() {
            Some(wal) => wal.take_unsynced(),
            None => return,
        };
        if let Err(error) = unsynced.sync()
            && let Some(wal) = self.0.log.lock().as_mut()
        {
            wal.sync_failed(error);
        }
    }
}

impl Shared {
    fn new(config: StorageConfig, metrics: Metrics) -> Self {
        metrics
            .series_limit
            .set(i64::try_from(config.series_limit).unwrap_or(i64::MAX));
        Self {
            config,
            clock: None,
            index: RwLock::default(),
            slots: Slots::default(),
            log: Mutex::new(None),
            durable: false,
            metrics,
            cutoff_ms: AtomicI64::new(i64::MIN),
            newest_ms: AtomicI64::new(i64::MIN),
            schedule: Mutex::default(),
            spare: Mutex::default(),
            _lock: None,
        }
    }

    /// Time of the newest sample ever seen.
    fn newest(&self) -> Option<i64> {
        let newest_ms = self.newest_ms.load(Ordering::Relaxed);
        (newest_ms != i64::MIN).then_some(newest_ms)
    }
}

/// Whether a failure to write may pass by itself.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::WriteZero
            | io::ErrorKind::OutOfMemory
    )
}

fn report(dir: &Path, restored: &Restored, series: usize, elapsed: Duration) {
    if restored.orphans > 0 {
        tracing::error!(
            samples = restored.orphans,
            "samples in the write-ahead log belong to series whose definition is lost: they are dropped"
        );
    }
    tracing::info!(storage.dir = %dir.display(), series, samples = restored.samples,
        segments = restored.segments.len(), duration = ?elapsed, "read the write-ahead log");
}

#[cfg(test)]
mod tests;
