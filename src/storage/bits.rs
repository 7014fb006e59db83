//! Bits in a row, most significant first.
//!
//! The writer gathers bits in one word and stores it when it is full. The reader looks at 57 bits or more with one load,
//! for which its input carries [`PADDING`] bytes behind the last one that was written.

/// Bytes that must follow the written ones in a reader's input.
pub(super) const PADDING: usize = 8;

/// Appends bits.
#[derive(Clone, Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    // The last `tail_bits` (0..=63) bits, right-aligned; the others are zero.
    tail: u64,
    tail_bits: u8,
}

impl BitWriter {
    /// Appends the low `count` bits (1..=64); the others must be zero.
    #[inline]
    pub(super) fn write(&mut self, bits: u64, count: u32) {
        debug_assert!((1..=64).contains(&count) && (count == 64 || bits >> count == 0));
        let free = 64 - u32::from(self.tail_bits);
        if count < free {
            self.tail = (self.tail << count) | bits;
            self.tail_bits += count as u8;
        } else {
            let rest = count - free;
            let word = self.tail.checked_shl(free).unwrap_or(0) | (bits >> rest);
            self.push(word);
            self.tail = bits & ((1 << rest) - 1);
            self.tail_bits = rest as u8;
        }
    }

    #[inline]
    fn push(&mut self, word: u64) {
        if self.bytes.len() == self.bytes.capacity() {
            // 24, 56, 120 ... bytes: what common allocators hand out without slack.
            self.bytes.reserve_exact(self.bytes.capacity().max(16) + 8);
        }
        self.bytes.extend_from_slice(&word.to_be_bytes());
    }

    /// Appends what was written, rounded up to bytes, to `out`.
    pub(super) fn copy_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
        if self.tail_bits > 0 {
            let word = self.tail << (64 - u32::from(self.tail_bits));
            let used = usize::from(self.tail_bits).div_ceil(8);
            out.extend_from_slice(&word.to_be_bytes()[..used]);
        }
    }

    /// Bytes written, rounded up.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + usize::from(self.tail_bits).div_ceil(8)
    }

    /// Bytes held on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// What was written, exactly sized; the writer is empty afterwards and holds no memory.
    pub(super) fn take(&mut self) -> Box<[u8]> {
        let mut out = Vec::with_capacity(self.len());
        self.copy_to(&mut out);
        *self = Self::default();
        out.into_boxed_slice()
    }
}

/// Reads bits from written bytes followed by [`PADDING`] more.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    padded: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit.
    pub(super) fn new(padded: &'a [u8]) -> Self {
        Self {
            padded,
            position: 0,
        }
    }

    /// The next bits, left-aligned, at least 57 of them valid; `None` behind the end.
    #[inline]
    pub(super) fn peek(&self) -> Option<u64> {
        let bytes = self.padded.get(self.position / 8..)?.first_chunk()?;
        Some(u64::from_be_bytes(*bytes) << (self.position % 8))
    }

    /// Goes `count` bits further.
    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        self.position += count as usize;
    }

    /// The next `count` bits (1..=64).
    #[inline]
    pub(super) fn read(&mut self, count: u32) -> Option<u64> {
        if count <= 57 {
            let bits = self.peek()? >> (64 - count);
            self.skip(count);
            Some(bits)
        } else {
            let high = self.read(32)?;
            let low_count = count - 32;
            Some((high << low_count) | self.read(low_count)?)
        }
    }
}

/// Folds signed numbers onto unsigned ones, small magnitudes first: 0, -1, 1, -2, 2 ...
#[inline]
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[inline]
pub(super) fn unzigzag(folded: u64) -> i64 {
    (folded >> 1) as i64 ^ -((folded & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_come_back_as_they_were_written(parts in proptest::collection::vec((any::<u64>(), 1..=64_u32), 0..200)) {
            let parts: Vec<(u64, u32)> = parts.into_iter().map(|(bits, count)| (bits >> (64 - count), count)).collect();
            let mut writer = BitWriter::default();
            for (bits, count) in &parts {
                writer.write(*bits, *count);
            }
            let mut copy = Vec::new();
            writer.copy_to(&mut copy);
            prop_assert_eq!(copy.len(), writer.len());
            copy.extend_from_slice(&[0; PADDING]);
            let mut reader = BitReader::new(&copy);
            for (bits, count) in parts {
                prop_assert_eq!(reader.read(count), Some(bits));
            }
        }

        #[test]
        fn zigzag_is_undone(number: i64) {
            prop_assert_eq!(unzigzag(zigzag(number)), number);
        }
    }

    #[test]
    fn reading_behind_the_end_stops() {
        let mut reader = BitReader::new(&[0xff; PADDING + 8]);
        assert_eq!(reader.read(64), Some(u64::MAX));
        assert_eq!(reader.read(64), None);
    }
}
