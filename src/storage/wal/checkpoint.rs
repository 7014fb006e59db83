//! Writes all series as a checkpoint, so that the segments before it can go.
//!
//! The log is cut first: memory then holds at least what the segments before the cut hold. Commits go on meanwhile; a
//! sample that is both in the checkpoint and in a later segment is recognised at replay by its time.

use std::io;
use std::sync::Arc;

use super::record::{MAGIC, put_complete, put_snapshot};
use super::{Place, Wal};
use crate::storage::files::{LogFile, write_all};
use crate::storage::index::Index;
use crate::storage::slots::Slots;
use parking_lot::{Mutex, RwLock};

// Chunks in one record; a series with more has several records.
const RECORD_CHUNKS: usize = 4096;
const BUFFER_BYTES: usize = 256 << 10;

/// Writes a checkpoint and removes the segments that it replaces.
///
/// # Errors
/// The file system's; nothing is lost then, the segments stay.
pub(in crate::storage) fn write(
    log: &Mutex<Option<Wal>>,
    index: &RwLock<Index>,
    slots: &Slots,
) -> io::Result<()> {
    let (place, number) = match log.lock().as_mut() {
        Some(wal) => (wal.place().clone(), wal.cut()),
        None => return Ok(()),
    };
    let result = write_file(&place, number, index, slots);
    let mut guard = log.lock();
    let Some(wal) = guard.as_mut() else {
        return Ok(());
    };
    match result {
        Ok(bytes) => {
            let replaced = wal.checkpointed(number, bytes);
            drop(guard);
            for path in replaced {
                place.remove(&path);
            }
            remove_older(&place, number);
            Ok(())
        }
        Err(error) => {
            wal.checkpoint_failed();
            drop(guard);
            place.remove(&place.unfinished());
            Err(error)
        }
    }
}

fn write_file(place: &Place, number: u64, index: &RwLock<Index>, slots: &Slots) -> io::Result<u64> {
    let mut out = Output {
        file: place.files.create(&place.unfinished())?,
        buffer: MAGIC.to_vec(),
        written: 0,
    };
    let mut records = 0;
    let highest = index.read().slots();
    for slot in 0..highest {
        // Index first, data second, as everywhere; the lock on the index is short.
        let Some((series, labels)) = index
            .read()
            .series(slot)
            .map(|(series, labels)| (series, labels.clone()))
        else {
            continue;
        };
        slots.with_series(series, |data| {
            // A series that is defined in the log must stay defined, with samples or without.
            if !data.logged && data.is_empty() {
                return;
            }
            let open = data.open_snapshot();
            let mut chunks = data.sealed().iter().chain(&open).peekable();
            loop {
                let part = chunks.by_ref().take(RECORD_CHUNKS);
                put_snapshot(&mut out.buffer, series.id(), &labels, part);
                records += 1;
                if chunks.peek().is_none() {
                    break;
                }
            }
        });
        out.flush(BUFFER_BYTES)?;
    }
    put_complete(&mut out.buffer, records);
    out.flush(0)?;
    out.file.sync()?;
    place
        .files
        .rename(&place.unfinished(), &place.checkpoint(number))?;
    place.files.sync_dir(&place.dir)?;
    Ok(out.written)
}

struct Output {
    file: Arc<dyn LogFile>,
    buffer: Vec<u8>,
    written: u64,
}

impl Output {
    fn flush(&mut self, above: usize) -> io::Result<()> {
        if self.buffer.len() > above {
            write_all(self.file.as_ref(), &self.buffer)?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }
}

fn remove_older(place: &Place, number: u64) {
    match place.files.list(&place.dir) {
        Ok(names) => {
            for name in names {
                if super::number_of(&name, super::CHECKPOINT).is_some_and(|older| older < number) {
                    place.remove(&place.dir.join(name));
                }
            }
        }
        Err(error) => tracing::warn!(%error, "list the write-ahead log"),
    }
}
