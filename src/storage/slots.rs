//! The samples of all series, by slot.
//!
//! ```text
//! SeriesRef  63             24 23        0
//!            | id (never     | slot       |
//!            | used twice)   | (reused)   |
//! ```
//!
//! Slots stand in blocks of 256 under one lock each. The series of one target are mostly created together, so a commit
//! walks few blocks. Blocks stand in buckets of doubling size that are never moved: finding one takes no lock.

use std::sync::OnceLock;

use parking_lot::{Mutex, MutexGuard};

use super::bits::PADDING;
use super::chunk::{Chunk, Decoder, OpenChunk};
use crate::model::sample::Sample;

const SLOT_BITS: u32 = 24;
const BLOCK_SLOTS: u32 = 256;
// 2^16 blocks of 2^8 slots hold all slot numbers.
const BUCKETS: usize = 17;

/// Slots there can be.
pub(super) const MAX_SLOTS: u32 = 1 << SLOT_BITS;
/// Ids there can be: at a thousand new series a second, for thirty years.
pub(super) const MAX_ID: u64 = u64::MAX >> SLOT_BITS;

/// A small integer for one series. It is valid until the series is collected; afterwards it is refused, never mistaken
/// for another series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeriesRef(u64);

impl SeriesRef {
    pub(super) fn new(id: u64, slot: u32) -> Self {
        debug_assert!(slot < MAX_SLOTS && id <= MAX_ID);
        Self((id << SLOT_BITS) | u64::from(slot))
    }

    /// The number by which the write-ahead log knows the series.
    pub(super) fn id(self) -> u64 {
        self.0 >> SLOT_BITS
    }

    pub(super) fn slot(self) -> u32 {
        (self.0 & u64::from(MAX_SLOTS - 1)) as u32
    }
}

/// What becomes of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is new.
    New,
    /// It is there already.
    Same,
    /// Another value is there at the same time.
    Duplicate,
    /// The series has a later sample.
    OutOfOrder,
}

/// The samples of one series.
#[derive(Debug, Default)]
pub(super) struct SeriesData {
    // 0 where the slot is free.
    id: u64,
    /// Whether the write-ahead log or a checkpoint defines the series.
    pub(super) logged: bool,
    /// Whether retention found it empty at its last visit and nobody came since.
    pub(super) idle: bool,
    /// Samples that wait in appenders: while there are any, the series is not collected.
    pub(super) waiting: u32,
    open: OpenChunk,
    // By time, not overlapping.
    closed: Vec<Chunk>,
}

impl SeriesData {
    /// Whether this slot holds the series of that id.
    pub(super) fn is(&self, series: SeriesRef) -> bool {
        self.id == series.id()
    }

    /// The series' id; `None` where the slot is free.
    pub(super) fn id(&self) -> Option<u64> {
        (self.id != 0).then_some(self.id)
    }

    /// Frees the slot.
    pub(super) fn vacate(&mut self) {
        *self = Self::default();
    }

    /// Decides on a sample.
    #[inline]
    pub(super) fn admit(&self, timestamp_ms: i64, value: f64) -> Admission {
        let last_ms = self.open.last_ms();
        if timestamp_ms > last_ms {
            Admission::New
        } else if timestamp_ms < last_ms {
            Admission::OutOfOrder
        } else if value.to_bits() == self.open.last_bits() {
            Admission::Same
        } else {
            Admission::Duplicate
        }
    }

    /// Appends a sample that is admitted as new.
    #[inline]
    pub(super) fn append(&mut self, timestamp_ms: i64, value: f64) {
        if let Some(chunk) = self.open.append(timestamp_ms, value) {
            self.push(chunk);
        }
    }

    /// Takes over chunks from a checkpoint, oldest first; what is not later than what is there is left out.
    pub(super) fn restore(&mut self, chunks: Vec<Chunk>) {
        let mut newest: Option<Chunk> = None;
        for chunk in chunks {
            let last_ms = newest
                .as_ref()
                .map_or(self.open.last_ms(), |newest| newest.end_ms());
            if chunk.start_ms <= last_ms {
                continue;
            }
            if let Some(before) = newest.replace(chunk).or_else(|| self.open.seal()) {
                self.push(before);
            }
        }
        if let Some(newest) = newest {
            self.open = OpenChunk::reopen(&newest);
        }
    }

    fn push(&mut self, chunk: Chunk) {
        // Most series live for hours: grow slowly at first, since there are many of them.
        if self.closed.len() < 8 {
            self.closed.reserve_exact(1);
        }
        self.closed.push(chunk);
    }

    /// Drops the chunks that end before `cutoff_ms` and seals an open one that has seen nothing since `quiet_ms`.
    pub(super) fn expire(&mut self, cutoff_ms: i64, quiet_ms: i64) {
        let gone = self
            .closed
            .partition_point(|chunk| chunk.end_ms() < cutoff_ms);
        self.closed.drain(..gone);
        if self.open.count() > 0 {
            if self.open.last_ms() < cutoff_ms {
                self.open.clear();
            } else if self.open.last_ms() < quiet_ms
                && let Some(chunk) = self.open.seal()
            {
                self.push(chunk);
            }
        }
        if self.closed.is_empty() {
            self.closed = Vec::new();
        }
    }

    /// Whether it holds no sample.
    pub(super) fn is_empty(&self) -> bool {
        self.open.count() == 0 && self.closed.is_empty()
    }

    /// Whether nobody would miss the series.
    pub(super) fn is_collectable(&self) -> bool {
        self.is_empty() && self.waiting == 0
    }

    /// Chunks, the open one included.
    pub(super) fn chunks(&self) -> usize {
        self.closed.len() + usize::from(self.open.count() > 0)
    }

    /// Bytes held, itself included.
    pub(super) fn bytes(&self) -> usize {
        // What the allocator adds to each box.
        const BOX_OVERHEAD: usize = 8;
        let data: usize = self
            .closed
            .iter()
            .map(|chunk| chunk.data.len() + BOX_OVERHEAD)
            .sum();
        size_of::<Self>()
            + self.open.heap_bytes()
            + self.closed.capacity() * size_of::<Chunk>()
            + data
    }

    /// Time of the newest sample; `None` where it holds none.
    pub(super) fn newest_ms(&self) -> Option<i64> {
        (!self.is_empty()).then(|| self.open.last_ms())
    }

    /// Time of the oldest sample; `None` where it holds none.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        match self.closed.first() {
            Some(chunk) => Some(chunk.start_ms),
            None => self.open.start_ms(),
        }
    }

    /// The sealed chunks, oldest first.
    pub(super) fn sealed(&self) -> &[Chunk] {
        &self.closed
    }

    /// The open chunk as it would be sealed now.
    pub(super) fn open_snapshot(&self) -> Option<Chunk> {
        self.open.snapshot()
    }

    /// The newest sample, where it lies in `[from_ms, until_ms]`: no decoding.
    pub(super) fn newest_within(&self, from_ms: i64, until_ms: i64) -> Option<Sample> {
        let last_ms = self.newest_ms()?;
        (from_ms <= last_ms && last_ms <= until_ms).then(|| Sample {
            timestamp_ms: last_ms,
            value: f64::from_bits(self.open.last_bits()),
        })
    }

    /// Copies the chunks that may have samples in `[from_ms, until_ms]`, so that they are decoded without the lock.
    pub(super) fn copy_window(&self, from_ms: i64, until_ms: i64, out: &mut Window) {
        out.clear();
        let first = self
            .closed
            .partition_point(|chunk| chunk.end_ms() < from_ms);
        for chunk in self.closed[first..]
            .iter()
            .take_while(|chunk| chunk.start_ms <= until_ms)
        {
            out.push(chunk.start_ms, chunk.count, |bytes| {
                bytes.extend_from_slice(&chunk.data);
            });
        }
        if let Some(start_ms) = self.open.start_ms()
            && start_ms <= until_ms
            && self.open.last_ms() >= from_ms
        {
            out.push(start_ms, self.open.count(), |bytes| {
                self.open.copy_to(bytes)
            });
        }
    }

    /// Whether it certainly has (`Some(true)`) or has no (`Some(false)`) sample in `[from_ms, until_ms]`; `None` where
    /// only decoding tells.
    pub(super) fn covers(&self, from_ms: i64, until_ms: i64) -> Option<bool> {
        let inside = |time: i64| from_ms <= time && time <= until_ms;
        let open = self
            .open
            .start_ms()
            .map(|start_ms| (start_ms, self.open.last_ms()));
        let first = self
            .closed
            .partition_point(|chunk| chunk.end_ms() < from_ms);
        let mut touched = false;
        let closed = self.closed[first..]
            .iter()
            .take_while(|chunk| chunk.overlaps(from_ms, until_ms))
            .map(|chunk| (chunk.start_ms, chunk.end_ms()));
        for (start_ms, end_ms) in closed.chain(open) {
            if inside(start_ms) || inside(end_ms) {
                return Some(true);
            }
            touched |= start_ms <= until_ms && end_ms >= from_ms;
        }
        if touched { None } else { Some(false) }
    }
}

/// Copied chunks of one series, with the padding that decoding needs. Reused from series to series.
#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    // Start of the chunk in `bytes`, time of its first sample, number of samples.
    chunks: Vec<(usize, i64, u16)>,
}

impl Window {
    fn clear(&mut self) {
        self.bytes.clear();
        self.chunks.clear();
    }

    fn push(&mut self, start_ms: i64, count: u16, copy: impl FnOnce(&mut Vec<u8>)) {
        self.chunks.push((self.bytes.len(), start_ms, count));
        copy(&mut self.bytes);
        self.bytes.extend_from_slice(&[0; PADDING]);
    }

    /// Appends the samples in `[from_ms, until_ms]` to `out`, by time.
    pub(super) fn read_into(&self, from_ms: i64, until_ms: i64, out: &mut Vec<Sample>) {
        for chunk in &self.chunks {
            self.decoder(*chunk).read_into(from_ms, until_ms, out);
        }
    }

    /// The newest sample in `[from_ms, until_ms]`.
    pub(super) fn newest_within(&self, from_ms: i64, until_ms: i64) -> Option<Sample> {
        // Only the last chunk that was copied can end behind the window, so at most two are read.
        self.chunks.iter().rev().find_map(|chunk| {
            self.decoder(*chunk)
                .take_while(|sample| sample.timestamp_ms <= until_ms)
                .last()
                .filter(|sample| sample.timestamp_ms >= from_ms)
        })
    }

    fn decoder(&self, (offset, start_ms, count): (usize, i64, u16)) -> Decoder<'_> {
        Decoder::new(start_ms, count, &self.bytes[offset..])
    }

    /// The most samples it can hold.
    pub(super) fn upper_bound(&self) -> usize {
        self.chunks
            .iter()
            .map(|(_, _, count)| usize::from(*count))
            .sum()
    }
}

type Block = Mutex<Vec<SeriesData>>;

/// All slots.
#[derive(Debug, Default)]
pub(super) struct Slots {
    buckets: [OnceLock<Box<[Block]>>; BUCKETS],
}

impl Slots {
    /// Number of the block that holds a slot.
    pub(super) fn block_of(slot: u32) -> u32 {
        slot / BLOCK_SLOTS
    }

    /// The first slot of a block.
    pub(super) fn first_of(block: u32) -> u32 {
        block * BLOCK_SLOTS
    }

    /// Locks a block; `None` where it never held a series.
    pub(super) fn lock(&self, block: u32) -> Option<MutexGuard<'_, Vec<SeriesData>>> {
        let (bucket, offset) = Self::locate(block);
        let block = self.buckets.get(bucket)?.get()?.get(offset)?;
        Some(block.lock())
    }

    /// Runs `visit` on the data of a slot under its lock; `None` where there is no such slot.
    pub(super) fn with<T>(&self, slot: u32, visit: impl FnOnce(&mut SeriesData) -> T) -> Option<T> {
        self.lock(Self::block_of(slot))?
            .get_mut(Self::within(slot))
            .map(visit)
    }

    /// Runs `visit` on a series; `None` where it was collected.
    #[inline]
    pub(super) fn with_series<T>(
        &self,
        series: SeriesRef,
        visit: impl FnOnce(&mut SeriesData) -> T,
    ) -> Option<T> {
        self.with(series.slot(), |data| data.is(series).then(|| visit(data)))
            .flatten()
    }

    /// Place of a slot in its block.
    pub(super) fn within(slot: u32) -> usize {
        (slot % BLOCK_SLOTS) as usize
    }

    /// Starts a series in a slot; what was there is dropped.
    pub(super) fn occupy(&self, series: SeriesRef) {
        let (bucket, offset) = Self::locate(Self::block_of(series.slot()));
        let blocks = self.buckets[bucket]
            .get_or_init(|| (0..1_u32 << bucket).map(|_| Block::default()).collect());
        let mut block = blocks[offset].lock();
        let place = Self::within(series.slot());
        if block.len() <= place {
            if block.is_empty() && place == 0 {
                // A first block often stays nearly empty; later ones fill up.
                block.reserve_exact(if bucket == 0 {
                    32
                } else {
                    BLOCK_SLOTS as usize
                });
            }
            block.resize_with(place + 1, SeriesData::default);
        }
        block[place] = SeriesData {
            id: series.id(),
            ..SeriesData::default()
        };
    }

    fn locate(block: u32) -> (usize, usize) {
        let bucket = (block + 1).ilog2();
        (bucket as usize, (block + 1 - (1 << bucket)) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ref_of_a_collected_series_is_refused() {
        let slots = Slots::default();
        let old = SeriesRef::new(1, 300);
        slots.occupy(old);
        assert_eq!(slots.with_series(old, |data| data.append(1, 1.0)), Some(()));
        let new = SeriesRef::new(2, 300);
        slots.occupy(new);
        assert_eq!(slots.with_series(old, |_| ()), None);
        assert_eq!(slots.with_series(new, |data| data.is_empty()), Some(true));
        assert_eq!(slots.with(70_000, |_| ()), None);
    }

    #[test]
    fn all_slot_numbers_have_a_place() {
        for slot in [0, 255, 256, 767, 768, MAX_SLOTS - 1] {
            let (bucket, offset) = Slots::locate(Slots::block_of(slot));
            assert!(bucket < BUCKETS && offset < 1 << bucket, "{slot}");
        }
    }
}
