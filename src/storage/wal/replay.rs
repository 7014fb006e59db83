//! Reads checkpoint and segments back at a start.
//!
//! Nothing found here stops the start. A record that the last process did not finish is cut off; damage elsewhere is
//! moved aside as `*.corrupt`, from the first bad byte to the end of that file, and reading goes on with the next file.
//! Samples are applied under the same rule as live ones, so reading one twice does no harm.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use hashbrown::HashMap;

use super::record::{
    Body, Frame, Input, LoggedSample, MAGIC, Malformed, frame_at, frame_len, read_body,
};
use super::{CHECKPOINT, Place, SEGMENT, number_of};
use crate::model::labels::Labels;
use crate::storage::files::write_all;
use crate::storage::index::{Found, Index};
use crate::storage::slots::{Admission, SeriesRef, Slots};

/// What was read.
#[derive(Debug, Default)]
pub(in crate::storage) struct Restored {
    /// Number -> bytes of the segments.
    pub(in crate::storage) segments: BTreeMap<u64, u64>,
    /// The first number that is free.
    pub(in crate::storage) next_number: u64,
    /// Size of the checkpoint.
    pub(in crate::storage) checkpoint_bytes: u64,
    /// Samples read from segments.
    pub(in crate::storage) samples: u64,
    /// Samples whose series' definition is lost.
    pub(in crate::storage) orphans: u64,
    /// Places that were cut off or moved aside.
    pub(in crate::storage) corruptions: u64,
    /// Whether the checkpoint is not complete.
    pub(in crate::storage) damaged: bool,
    /// Time of the newest sample.
    pub(in crate::storage) newest_ms: Option<i64>,
}

/// Fills index and slots from the files.
///
/// # Errors
/// Where the directory cannot be listed.
pub(in crate::storage) fn replay(
    place: &Place,
    index: &mut Index,
    slots: &Slots,
) -> io::Result<Restored> {
    let mut checkpoints = Vec::new();
    let mut segments = Vec::new();
    for name in place.files.list(&place.dir)? {
        checkpoints.extend(number_of(&name, CHECKPOINT));
        segments.extend(number_of(&name, SEGMENT));
        if place.dir.join(&name) == place.unfinished() {
            place.remove(&place.unfinished());
        }
    }
    checkpoints.sort_unstable();
    segments.sort_unstable();
    let mut replay = Replay {
        place,
        index,
        slots,
        known: HashMap::new(),
        restored: Restored::default(),
        snapshots: 0,
        complete: false,
    };
    replay.checkpoints(&checkpoints, &mut segments);
    for number in &segments {
        let len = replay.file(&place.segment(*number));
        if len > 0 {
            replay.restored.segments.insert(*number, len);
        }
    }
    let mut restored = replay.restored;
    let newest = segments.last().max(checkpoints.last()).copied();
    restored.next_number = newest.unwrap_or(0) + 1;
    Ok(restored)
}

struct Replay<'a> {
    place: &'a Place,
    index: &'a mut Index,
    slots: &'a Slots,
    known: HashMap<u64, Known>,
    restored: Restored,
    // Records of the checkpoint that is being read, and whether its last one says the same number.
    snapshots: u64,
    complete: bool,
}

/// What an id means.
enum Known {
    /// No sample has come yet.
    Defined(Labels),
    Series(SeriesRef),
}

impl Replay<'_> {
    /// Reads the newest checkpoint, and older ones only where it is damaged; drops what it replaces.
    fn checkpoints(&mut self, checkpoints: &[u64], segments: &mut Vec<u64>) {
        let mut newest_first = checkpoints.iter().rev();
        for number in newest_first.by_ref() {
            self.snapshots = 0;
            self.complete = false;
            let len = self.file(&self.place.checkpoint(*number));
            self.restored.checkpoint_bytes = self.restored.checkpoint_bytes.max(len);
            if self.complete {
                let kept = segments.partition_point(|segment| segment < number);
                for replaced in segments.drain(..kept) {
                    self.place.remove(&self.place.segment(replaced));
                }
                break;
            }
            self.restored.damaged = true;
            tracing::error!(
                checkpoint = number,
                "the checkpoint is damaged: some series may have lost samples"
            );
        }
        for older in newest_first {
            self.place.remove(&self.place.checkpoint(*older));
        }
    }

    /// Reads one file; returns how many bytes of it stay.
    fn file(&mut self, path: &Path) -> u64 {
        let bytes = match self.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(file.path = %path.display(), %error, "read a file of the write-ahead log");
                self.restored.corruptions += 1;
                self.set_aside(path);
                return 0;
            }
        };
        if !bytes.starts_with(&MAGIC) {
            if bytes.len() < MAGIC.len() || bytes.iter().all(|byte| *byte == 0) {
                self.place.remove(path);
            } else {
                tracing::error!(file.path = %path.display(), "a file of the write-ahead log is none, or of another version");
                self.restored.corruptions += 1;
                self.set_aside(path);
            }
            return 0;
        }
        let mut offset = MAGIC.len();
        loop {
            let frame = match frame_at(&bytes, offset) {
                Frame::Body(body) => match self.body(body) {
                    Ok(()) => {
                        offset += frame_len(body);
                        continue;
                    }
                    Err(Malformed) => Frame::Corrupt,
                },
                frame => frame,
            };
            if frame != Frame::End {
                self.damage(path, &bytes, offset, &frame);
            }
            break;
        }
        if offset == MAGIC.len() {
            self.place.remove(path);
            return 0;
        }
        offset as u64
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.place.files.open(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn body(&mut self, body: &[u8]) -> Result<(), Malformed> {
        match read_body(body).ok_or(Malformed)? {
            Body::Definitions(mut input) => {
                while !input.is_empty() {
                    let (id, labels) = input.definition().ok_or(Malformed)?;
                    self.index.reserve_id(id);
                    self.known.entry(id).or_insert(Known::Defined(labels));
                }
            }
            Body::Samples(mut samples) => {
                while let Some(sample) = samples.next_sample()? {
                    self.sample(sample);
                }
            }
            Body::Snapshot { id, labels, chunks } => self.snapshot(id, labels, chunks)?,
            Body::Complete { records } => self.complete = records == self.snapshots,
        }
        Ok(())
    }

    fn snapshot(
        &mut self,
        id: u64,
        labels: Labels,
        mut chunks: Input<'_>,
    ) -> Result<(), Malformed> {
        self.index.reserve_id(id);
        self.known.entry(id).or_insert(Known::Defined(labels));
        let mut restored = Vec::new();
        while !chunks.is_empty() {
            restored.push(chunks.chunk().ok_or(Malformed)?);
        }
        self.snapshots += 1;
        let Some(newest) = restored.last() else {
            return Ok(());
        };
        self.restored.newest_ms = self.restored.newest_ms.max(Some(newest.end_ms()));
        if let Some(series) = self.series(id) {
            self.slots
                .with_series(series, |data| data.restore(restored));
        }
        Ok(())
    }

    fn sample(&mut self, sample: LoggedSample) {
        let Some(series) = self.series(sample.id) else {
            self.restored.orphans += 1;
            return;
        };
        self.restored.samples += 1;
        let admission = self.slots.with_series(series, |data| {
            let admission = data.admit(sample.timestamp_ms, sample.value);
            if admission == Admission::New {
                data.append(sample.timestamp_ms, sample.value);
            }
            admission
        });
        if admission == Some(Admission::New) {
            self.restored.newest_ms = self.restored.newest_ms.max(Some(sample.timestamp_ms));
        }
    }

    /// The series of an id, created at its first sample; `None` where the definition is lost.
    fn series(&mut self, id: u64) -> Option<SeriesRef> {
        let known = self.known.get_mut(&id);
        let labels = match known {
            Some(Known::Series(series)) => return Some(*series),
            Some(Known::Defined(labels)) => labels,
            None => {
                self.index.reserve_id(id);
                return None;
            }
        };
        let series = match self.index.restore(labels, id) {
            Found::Old(series) => series,
            Found::New(series) => {
                self.slots.occupy(series);
                self.slots.with_series(series, |data| data.logged = true);
                series
            }
            Found::Full => return None,
        };
        self.known.insert(id, Known::Series(series));
        Some(series)
    }

    /// Keeps what is before the damage.
    fn damage(&mut self, path: &Path, bytes: &[u8], offset: usize, frame: &Frame<'_>) {
        self.restored.corruptions += 1;
        let lost = bytes.len() - offset;
        if *frame == Frame::Torn {
            tracing::warn!(file.path = %path.display(), offset, bytes = lost,
                "cut an unfinished record off the write-ahead log: the last process stopped while writing it");
        } else {
            tracing::error!(file.path = %path.display(), offset, bytes = lost,
                "the write-ahead log is damaged: the rest of this file is moved aside as .corrupt");
            if let Err(error) = self.copy_aside(path, &bytes[offset..]) {
                tracing::error!(file.path = %path.display(), %error, "move damage aside");
                // Better read the damage again next time than lose the only copy of it.
                return;
            }
        }
        if let Err(error) = self.place.files.truncate(path, offset as u64) {
            tracing::warn!(file.path = %path.display(), %error, "cut a file of the write-ahead log");
        }
    }

    fn copy_aside(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let copy = self.place.files.create(&aside(path))?;
        write_all(copy.as_ref(), bytes)?;
        copy.sync()
    }

    fn set_aside(&self, path: &Path) {
        if let Err(error) = self.place.files.rename(path, &aside(path)) {
            tracing::error!(file.path = %path.display(), %error, "move a damaged file aside");
        }
    }
}

fn aside(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".corrupt");
    name.into()
}
