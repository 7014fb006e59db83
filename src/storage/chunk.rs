//! Runs of samples of one series, compressed.
//!
//! A chunk is a row of bits: the first value raw, then for each further sample a timestamp code and a value code.
//! The first timestamp stands beside the bits. Timestamps are coded as the change of their step (Gorilla, section 4.1.1,
//! <https://www.vldb.org/pvldb/vol8/p1816-teller.pdf>), so a steady interval costs one bit; values as XOR with the one
//! before, or, where both are whole numbers, as their difference, which suits counters. All numbers are zigzag-folded
//! and, since zero has its own code, lowered by one.
//!
//! ```text
//! timestamp   0                       same step as before (the step before the second sample is 0)
//!             10     +  7 bits        change of the step
//!             110    + 14 bits
//!             1110   + 20 bits
//!             1111   + 64 bits        not lowered
//! value       0                       same bits as before
//!             100    +  5 bits        difference of two whole numbers
//!             101    + 10 bits
//!             1100   + 14 bits
//!             11010  + 20 bits
//!             11011  + 32 bits
//!             1110   + window bits    XOR, inside the window of the last 1111 code
//!             1111   +  5 bits leading zeros +  6 bits width - 1  + width bits
//! ```
//!
//! NaN payloads survive, so the stale marker does. Nothing here knows of locks or files.

use super::bits::{BitReader, BitWriter, PADDING, unzigzag, zigzag};
use crate::model::sample::Sample;

/// Samples after which a chunk is sealed: 30 minutes at 15 s.
pub(super) const CHUNK_SAMPLES: u16 = 120;
/// Time after which a chunk is sealed, so that retention is not held up by slow series.
pub(super) const CHUNK_SPAN_MS: i64 = 2 * 60 * 60 * 1000;

/// A finished chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Time of the first sample.
    pub(super) start_ms: i64,
    /// From the first sample to the last.
    pub(super) span_ms: u32,
    /// Number of samples, at least 1.
    pub(super) count: u16,
    /// The bits, rounded up to bytes.
    pub(super) data: Box<[u8]>,
}

impl Chunk {
    /// Time of the last sample.
    pub(super) fn end_ms(&self) -> i64 {
        self.start_ms.saturating_add(i64::from(self.span_ms))
    }

    /// Whether some of its samples may lie in `[from_ms, until_ms]`.
    pub(super) fn overlaps(&self, from_ms: i64, until_ms: i64) -> bool {
        self.start_ms <= until_ms && self.end_ms() >= from_ms
    }
}

/// The chunk that still grows, and the last sample of the series.
#[derive(Clone, Debug)]
pub(super) struct OpenChunk {
    bits: BitWriter,
    start_ms: i64,
    // Kept after sealing and retention: what came once cannot come again.
    last_ms: i64,
    last_bits: u64,
    step_ms: i64,
    count: u16,
    leading: u8,
    // Zero until the first window.
    width: u8,
}

impl Default for OpenChunk {
    fn default() -> Self {
        Self {
            bits: BitWriter::default(),
            start_ms: 0,
            last_ms: i64::MIN,
            last_bits: 0,
            step_ms: 0,
            count: 0,
            leading: 0,
            width: 0,
        }
    }
}

impl OpenChunk {
    /// Time of the last sample ever appended; `i64::MIN` before the first.
    pub(super) fn last_ms(&self) -> i64 {
        self.last_ms
    }

    /// Bits of the last value ever appended.
    pub(super) fn last_bits(&self) -> u64 {
        self.last_bits
    }

    /// Time of the first sample in the open chunk; `None` where it is empty.
    pub(super) fn start_ms(&self) -> Option<i64> {
        (self.count > 0).then_some(self.start_ms)
    }

    /// Samples in the open chunk.
    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// Bytes held on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bits.heap_bytes()
    }

    /// Appends a sample that is later than the last; returns the chunk before it where that is now full.
    #[inline]
    pub(super) fn append(&mut self, timestamp_ms: i64, value: f64) -> Option<Chunk> {
        let full = self.count >= CHUNK_SAMPLES
            || (self.count > 0 && timestamp_ms.saturating_sub(self.start_ms) > CHUNK_SPAN_MS);
        let sealed = if full { self.seal() } else { None };
        let bits = value.to_bits();
        if self.count == 0 {
            self.start_ms = timestamp_ms;
            self.step_ms = 0;
            self.width = 0;
            self.bits.write(bits, 64);
        } else {
            // A chunk spans two hours at most, so neither subtraction can overflow.
            let step_ms = timestamp_ms - self.last_ms;
            self.write_step_change(step_ms - self.step_ms);
            self.step_ms = step_ms;
            self.write_value(bits);
        }
        self.count += 1;
        self.last_ms = timestamp_ms;
        self.last_bits = bits;
        sealed
    }

    /// Ends the open chunk; `None` where it is empty.
    pub(super) fn seal(&mut self) -> Option<Chunk> {
        let sealed = (self.count > 0).then(|| Chunk {
            start_ms: self.start_ms,
            span_ms: u32::try_from(self.last_ms - self.start_ms).expect("a chunk spans two hours"),
            count: self.count,
            data: self.bits.take(),
        });
        self.count = 0;
        sealed
    }

    /// Drops the samples of the open chunk.
    pub(super) fn clear(&mut self) {
        self.bits.take();
        self.count = 0;
    }

    /// What [`OpenChunk::seal`] would give, leaving the chunk open.
    pub(super) fn snapshot(&self) -> Option<Chunk> {
        self.clone().seal()
    }

    /// Continues a chunk that was sealed only to be written down.
    pub(super) fn reopen(chunk: &Chunk) -> Self {
        let mut open = Self::default();
        let mut padded = chunk.data.to_vec();
        padded.extend_from_slice(&[0; PADDING]);
        for sample in Decoder::new(chunk.start_ms, chunk.count, &padded) {
            // Only bits that were not written by `append` could go back in time or span too far.
            if sample.timestamp_ms > open.last_ms
                && (open.count == 0
                    || sample.timestamp_ms.saturating_sub(open.start_ms) <= CHUNK_SPAN_MS)
                && open.count < CHUNK_SAMPLES
            {
                open.append(sample.timestamp_ms, sample.value);
            }
        }
        open
    }

    /// Copies the bits for a [`Decoder`].
    pub(super) fn copy_to(&self, out: &mut Vec<u8>) {
        self.bits.copy_to(out);
    }

    #[inline]
    fn write_step_change(&mut self, change: i64) {
        if change == 0 {
            self.bits.write(0, 1);
            return;
        }
        let folded = zigzag(change);
        match folded - 1 {
            n @ ..0x80 => self.bits.write((0b10 << 7) | n, 9),
            n @ ..0x4000 => self.bits.write((0b110 << 14) | n, 17),
            n @ ..0x10_0000 => self.bits.write((0b1110 << 20) | n, 24),
            _ => {
                self.bits.write(0b1111, 4);
                self.bits.write(folded, 64);
            }
        }
    }

    #[inline]
    fn write_value(&mut self, bits: u64) {
        let xor = bits ^ self.last_bits;
        if xor == 0 {
            self.bits.write(0, 1);
            return;
        }
        if let (Some(last), Some(new)) = (whole(self.last_bits), whole(bits)) {
            match zigzag(new - last).wrapping_sub(1) {
                n @ ..0x20 => return self.bits.write((0b100 << 5) | n, 8),
                n @ ..0x400 => return self.bits.write((0b101 << 10) | n, 13),
                n @ ..0x4000 => return self.bits.write((0b1100 << 14) | n, 18),
                n @ ..0x10_0000 => return self.bits.write((0b11010 << 20) | n, 25),
                n @ ..0x1_0000_0000 => return self.bits.write((0b11011 << 32) | n, 37),
                _ => {}
            }
        }
        self.write_xor(xor);
    }

    fn write_xor(&mut self, xor: u64) {
        let leading = (xor.leading_zeros() as u8).min(31);
        let trailing = xor.trailing_zeros() as u8;
        let width = 64 - leading - trailing;
        let inside = self.width > 0
            && leading >= self.leading
            && trailing >= 64 - self.leading - self.width
            // A far wider window than needed costs more than naming a new one.
            && self.width - width < 16;
        if inside {
            self.bits.write(0b1110, 4);
        } else {
            self.leading = leading;
            self.width = width;
            let window = (u64::from(leading) << 6) | u64::from(width - 1);
            self.bits.write((0b1111 << 11) | window, 15);
        }
        let below = 64 - self.leading - self.width;
        self.bits.write(xor >> below, u32::from(self.width));
    }
}

/// The whole number that a value is, where a difference of two such is exact.
#[inline]
fn whole(bits: u64) -> Option<i64> {
    const EXACT: i64 = 1 << 53;
    let value = f64::from_bits(bits);
    // Saturates; what does not come back with the same bits (fractions, NaN, -0.0, infinities) is refused.
    let number = value as i64;
    ((number as f64).to_bits() == bits && (-EXACT..=EXACT).contains(&number)).then_some(number)
}

/// Reads a chunk's samples; stops early where the bits end early.
#[derive(Clone, Debug)]
pub(super) struct Decoder<'a> {
    reader: BitReader<'a>,
    left: u16,
    first: bool,
    timestamp_ms: i64,
    step_ms: i64,
    bits: u64,
    leading: u32,
    width: u32,
}

impl<'a> Decoder<'a> {
    /// Reads `count` samples from a chunk's bytes followed by [`PADDING`] more.
    pub(super) fn new(start_ms: i64, count: u16, padded: &'a [u8]) -> Self {
        Self {
            reader: BitReader::new(padded),
            left: count,
            first: true,
            timestamp_ms: start_ms,
            step_ms: 0,
            bits: 0,
            leading: 0,
            width: 0,
        }
    }

    /// Appends the samples in `[from_ms, until_ms]` to `out`.
    pub(super) fn read_into(self, from_ms: i64, until_ms: i64, out: &mut Vec<Sample>) {
        for sample in self {
            if sample.timestamp_ms > until_ms {
                return;
            }
            if sample.timestamp_ms >= from_ms {
                out.push(sample);
            }
        }
    }

    #[inline]
    fn read_step_change(&mut self, word: u64) -> Option<i64> {
        let (prefix, count) = match word.leading_ones() {
            0 => {
                self.reader.skip(1);
                return Some(0);
            }
            1 => (2, 7),
            2 => (3, 14),
            3 => (4, 20),
            _ => {
                self.reader.skip(4);
                return Some(unzigzag(self.reader.read(64)?));
            }
        };
        self.reader.skip(prefix + count);
        Some(unzigzag(((word << prefix) >> (64 - count)) + 1))
    }

    #[inline]
    fn read_value(&mut self, word: u64) -> Option<u64> {
        let (prefix, count) = match word >> 59 {
            0b00000..=0b01111 => {
                self.reader.skip(1);
                return Some(self.bits);
            }
            0b10000..=0b10011 => (3, 5),
            0b10100..=0b10111 => (3, 10),
            0b11000 | 0b11001 => (4, 14),
            0b11010 => (5, 20),
            0b11011 => (5, 32),
            0b11100 | 0b11101 => {
                self.reader.skip(4);
                return self.read_xor();
            }
            _ => {
                self.reader.skip(15);
                self.leading = ((word >> 55) & 31) as u32;
                self.width = ((word >> 49) & 63) as u32 + 1;
                return self.read_xor();
            }
        };
        self.reader.skip(prefix + count);
        let difference = unzigzag(((word << prefix) >> (64 - count)) + 1);
        let number = (f64::from_bits(self.bits) as i64).wrapping_add(difference);
        Some((number as f64).to_bits())
    }

    fn read_xor(&mut self) -> Option<u64> {
        if self.width == 0 {
            return None;
        }
        let below = 64_u32.checked_sub(self.leading + self.width)?;
        Some(self.bits ^ (self.reader.read(self.width)? << below))
    }
}

impl Iterator for Decoder<'_> {
    type Item = Sample;

    #[inline]
    fn next(&mut self) -> Option<Sample> {
        self.left = self.left.checked_sub(1)?;
        if self.first {
            self.first = false;
            self.bits = self.reader.read(64)?;
        } else {
            let word = self.reader.peek()?;
            // The commonest sample: same step, same value.
            if word >> 62 == 0 {
                self.reader.skip(2);
            } else {
                let change = self.read_step_change(word)?;
                self.step_ms = self.step_ms.wrapping_add(change);
                let word = self.reader.peek()?;
                self.bits = self.read_value(word)?;
            }
            self.timestamp_ms = self.timestamp_ms.wrapping_add(self.step_ms);
        }
        Some(Sample {
            timestamp_ms: self.timestamp_ms,
            value: f64::from_bits(self.bits),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(usize::from(self.left)))
    }
}

#[cfg(test)]
mod tests;
