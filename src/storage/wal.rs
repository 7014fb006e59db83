//! The write-ahead log: what was committed, so that a restart loses nothing.
//!
//! ```text
//! wal/segment-00000007.log       commits, in order; bounded size
//! wal/segment-00000008.log       the one being written
//! wal/checkpoint-00000007.snap   all that stood in segments before 7, as chunks
//! wal/checkpoint.tmp             a checkpoint being written
//! wal/*.corrupt                  what could not be read at a start, kept for people
//! ```
//!
//! A commit is handed to the operating system with one `write` before readers see it: a killed process loses nothing
//! that was committed. It is synced to the disk at intervals: a power cut loses at most the last interval.
//!
//! Where a write fails, the segment ends before it and the next commit starts a fresh one. Samples that were never
//! logged stay in memory, and the next checkpoint makes up for them. A start never appends to an old segment.

pub(super) mod checkpoint;
pub(super) mod record;
pub(super) mod replay;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{FileSystem, LogFile, write_all};
use super::metrics::Metrics;
use record::MAGIC;
use replay::Restored;

/// The log being written.
#[derive(Debug)]
pub(super) struct Wal {
    place: Place,
    segment_bytes: u64,
    metrics: Metrics,
    current: Option<Segment>,
    // Number -> bytes of the segments that are no longer written.
    sealed: BTreeMap<u64, u64>,
    next_number: u64,
    // Sealed, but not yet synced.
    unsynced: Vec<Arc<dyn LogFile>>,
    // A segment was created since the directory was synced.
    unsynced_names: bool,
    checkpoint_bytes: u64,
    // Memory holds samples that neither log nor checkpoint has.
    gap: bool,
}

/// Where the log lives.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) files: Arc<dyn FileSystem>,
    pub(super) dir: PathBuf,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    file: Arc<dyn LogFile>,
    len: u64,
    dirty: bool,
}

/// Segments, and perhaps their names, that are not yet durable.
#[derive(Debug)]
pub(super) struct Unsynced {
    files: Vec<Arc<dyn LogFile>>,
    names: Option<Place>,
}

impl Unsynced {
    /// Makes them durable.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn sync(self) -> io::Result<()> {
        for file in self.files {
            file.sync()?;
        }
        match self.names {
            Some(place) => place.files.sync_dir(&place.dir),
            None => Ok(()),
        }
    }
}

impl Wal {
    /// Continues behind what was restored.
    pub(super) fn new(
        place: Place,
        segment_bytes: u64,
        restored: &Restored,
        metrics: Metrics,
    ) -> Self {
        let wal = Self {
            place,
            segment_bytes,
            metrics,
            current: None,
            sealed: restored.segments.clone(),
            next_number: restored.next_number,
            unsynced: Vec::new(),
            unsynced_names: false,
            checkpoint_bytes: restored.checkpoint_bytes,
            gap: restored.damaged,
        };
        wal.show_size();
        wal
    }

    /// Where the log lives.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Starts a segment, to find out at once whether the directory can be written.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let result = self.ensure_segment(0).map(|_| ());
        self.note(result)
    }

    /// Hands records to the operating system.
    ///
    /// # Errors
    /// The file system's. The records are then not in the log; the next call starts a fresh segment.
    pub(super) fn write(&mut self, records: &[u8]) -> io::Result<()> {
        let result = self.try_write(records);
        self.note(result)
    }

    fn try_write(&mut self, records: &[u8]) -> io::Result<()> {
        let segment = self.ensure_segment(records.len() as u64)?;
        match write_all(segment.file.as_ref(), records) {
            Ok(()) => {
                segment.len += records.len() as u64;
                segment.dirty = true;
                self.show_size();
                Ok(())
            }
            Err(error) => {
                // What was written of it is cut off; where that fails too, the next start does it.
                if let Err(error) = segment.file.truncate(segment.len) {
                    tracing::warn!(segment = segment.number, %error, "cut a half-written record off the write-ahead log");
                }
                self.seal();
                Err(error)
            }
        }
    }

    /// Counts a failure and says so once, until a write succeeds again.
    fn note(&mut self, result: io::Result<()>) -> io::Result<()> {
        match &result {
            Ok(()) => {
                if self.metrics.wal_failing.set(0) != 0 {
                    tracing::info!("the write-ahead log is written again");
                }
            }
            Err(error) => {
                self.gap = true;
                self.metrics.wal_failed_writes.inc();
                if self.metrics.wal_failing.set(1) == 0 {
                    tracing::error!(wal.dir = %self.place.dir.display(), %error,
                        "write the write-ahead log: samples are kept in memory only until this is mended; is the disk full?");
                }
            }
        }
        result
    }

    fn ensure_segment(&mut self, more: u64) -> io::Result<&mut Segment> {
        if self.current.as_ref().is_some_and(|segment| {
            segment.len > MAGIC.len() as u64 && segment.len + more > self.segment_bytes
        }) {
            self.seal();
        }
        let segment = match self.current.take() {
            Some(segment) => segment,
            None => self.create_segment()?,
        };
        Ok(self.current.insert(segment))
    }

    fn create_segment(&mut self) -> io::Result<Segment> {
        let number = self.next_number;
        let path = self.place.segment(number);
        let file = self.place.files.create(&path)?;
        if let Err(error) = write_all(file.as_ref(), &MAGIC) {
            self.place.remove(&path);
            return Err(error);
        }
        self.next_number += 1;
        self.unsynced_names = true;
        Ok(Segment {
            number,
            file,
            len: MAGIC.len() as u64,
            dirty: true,
        })
    }

    /// Ends the segment being written.
    fn seal(&mut self) {
        let Some(segment) = self.current.take() else {
            return;
        };
        if segment.len <= MAGIC.len() as u64 {
            self.place.remove(&self.place.segment(segment.number));
            return;
        }
        self.sealed.insert(segment.number, segment.len);
        if segment.dirty {
            self.unsynced.push(segment.file);
        }
    }

    /// Takes what is not yet durable, to be synced without the lock on the log.
    pub(super) fn take_unsynced(&mut self) -> Unsynced {
        let mut files = std::mem::take(&mut self.unsynced);
        if let Some(segment) = &mut self.current
            && std::mem::take(&mut segment.dirty)
        {
            files.push(Arc::clone(&segment.file));
        }
        Unsynced {
            files,
            names: std::mem::take(&mut self.unsynced_names).then(|| self.place.clone()),
        }
    }

    /// A sync failed: what the kernel still had of those files may be gone, so they are not trusted further.
    pub(super) fn sync_failed(&mut self, error: io::Error) {
        self.seal();
        if let Err(error) = self.note(Err(error)) {
            tracing::debug!(%error, "sync the write-ahead log");
        }
    }

    /// Ends the segment being written, so that all up to now is in segments before the returned number.
    pub(super) fn cut(&mut self) -> u64 {
        if self
            .current
            .as_ref()
            .is_some_and(|segment| segment.len > MAGIC.len() as u64)
        {
            self.seal();
        }
        self.gap = false;
        self.current
            .as_ref()
            .map_or(self.next_number, |segment| segment.number)
    }

    /// A checkpoint of all before `number` is durable; returns the segments that it replaces.
    pub(super) fn checkpointed(&mut self, number: u64, bytes: u64) -> Vec<PathBuf> {
        let kept = self.sealed.split_off(&number);
        let replaced = std::mem::replace(&mut self.sealed, kept);
        self.checkpoint_bytes = bytes;
        self.show_size();
        replaced
            .into_keys()
            .map(|number| self.place.segment(number))
            .collect()
    }

    /// A checkpoint failed: what memory alone holds is still only there.
    pub(super) fn checkpoint_failed(&mut self) {
        self.gap = true;
    }

    /// Whether memory holds samples that neither log nor checkpoint has.
    pub(super) fn has_gap(&self) -> bool {
        self.gap
    }

    /// Bytes in segments: what a start must replay.
    pub(super) fn segments_bytes(&self) -> u64 {
        self.sealed.values().sum::<u64>() + self.current.as_ref().map_or(0, |segment| segment.len)
    }

    /// Bytes of the last checkpoint.
    pub(super) fn checkpoint_bytes(&self) -> u64 {
        self.checkpoint_bytes
    }

    fn show_size(&self) {
        let bytes = self.segments_bytes() + self.checkpoint_bytes;
        self.metrics
            .wal_bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

const SEGMENT: (&str, &str) = ("segment-", ".log");
const CHECKPOINT: (&str, &str) = ("checkpoint-", ".snap");

impl Place {
    fn segment(&self, number: u64) -> PathBuf {
        self.dir
            .join(format!("{}{number:08}{}", SEGMENT.0, SEGMENT.1))
    }

    fn checkpoint(&self, number: u64) -> PathBuf {
        self.dir
            .join(format!("{}{number:08}{}", CHECKPOINT.0, CHECKPOINT.1))
    }

    fn unfinished(&self) -> PathBuf {
        self.dir.join("checkpoint.tmp")
    }

    /// Removes a file that is no longer needed; one that stays is removed at the next start.
    fn remove(&self, path: &Path) {
        if let Err(error) = self.files.remove(path) {
            tracing::warn!(file.path = %path.display(), %error, "remove a file of the write-ahead log");
        }
    }
}

/// The number in a file's name, where the name is of that kind.
fn number_of(name: &str, (prefix, suffix): (&str, &str)) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
    (digits.len() >= 8 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}
