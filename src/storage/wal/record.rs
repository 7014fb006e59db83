//! Records of the log and of the checkpoint, as bytes.
//!
//! ```text
//! file      "OUTRLOG1"  record*
//! record    length of the body u32 | CRC-32 of the body u32 | body          (little endian)
//! body      1  definition*                  series: what an id means
//!           2  samples                      one commit's samples, or a part of a very large one's
//!           3  definition chunk*            checkpoint: a series and its chunks (may repeat with more chunks)
//!           4  number of records before it  checkpoint: complete
//!
//! definition  id | number of labels | (length name length value)*
//! samples     time of the first, folded | sample*
//! sample      tag | [id - id before, folded] | [time - time of the first, folded] | value
//!   tag       bits 0-2  value: 0 zero, 1 stale marker, 2 whole number (folded), 3 f32, 4 f64
//!             bit  3    the id is not the one before plus 1
//!             bit  4    the time is not that of the first
//! chunk       time of the first, folded | span | count | length bits
//! ```
//!
//! Numbers are LEB128; "folded" is zigzag. An id means one label set for ever: samples of an id whose definition was
//! lost are recognised, never given to another series.

use crate::model::labels::Labels;
use crate::model::sample::STALE_NAN_BITS;
use crate::storage::bits::{unzigzag, zigzag};
use crate::storage::chunk::Chunk;
use crate::storage::slots::MAX_ID;

/// Begins each file.
pub(in crate::storage) const MAGIC: [u8; 8] = *b"OUTRLOG1";
/// Larger lengths are damage. Records are split far below; only the labels of one series cannot be, and they come out of
/// one scrape's body, which is far smaller too.
pub(in crate::storage) const MAX_BODY: usize = 256 << 20;
/// Bytes of definitions after which another record begins.
const RECORD_BYTES: usize = 1 << 20;
/// Samples in one record, at most.
pub(in crate::storage) const RECORD_SAMPLES: usize = 100_000;
const HEAD: usize = 8;

/// One sample on its way to a series, by id.
#[derive(Clone, Copy, Debug)]
pub(in crate::storage) struct LoggedSample {
    pub(in crate::storage) id: u64,
    pub(in crate::storage) timestamp_ms: i64,
    pub(in crate::storage) value: f64,
}

/// What a body says.
#[derive(Debug)]
pub(in crate::storage) enum Body<'a> {
    Definitions(Input<'a>),
    Samples(Samples<'a>),
    Snapshot {
        id: u64,
        labels: Labels,
        chunks: Input<'a>,
    },
    Complete {
        records: u64,
    },
}

/// Appends a record whose body `write` writes.
pub(in crate::storage) fn put_record(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    write(out);
    let body = &out[start + HEAD..];
    let length = u32::try_from(body.len()).expect("records are split far below 4 GiB");
    let crc = crc32fast::hash(body);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + HEAD].copy_from_slice(&crc.to_le_bytes());
}

/// Appends records of definitions.
pub(in crate::storage) fn put_definitions<'a>(
    out: &mut Vec<u8>,
    series: impl Iterator<Item = (u64, &'a Labels)>,
) {
    let mut series = series.peekable();
    while series.peek().is_some() {
        put_record(out, |out| {
            let end = out.len() + RECORD_BYTES;
            out.push(1);
            while out.len() < end
                && let Some((id, labels)) = series.next()
            {
                put_definition(out, id, labels);
            }
        });
    }
}

/// Appends records of samples.
pub(in crate::storage) fn put_samples(
    out: &mut Vec<u8>,
    samples: impl Iterator<Item = LoggedSample>,
) {
    let mut samples = samples.peekable();
    while let Some(first) = samples.peek().copied() {
        put_record(out, |out| {
            out.push(2);
            put_number(out, zigzag(first.timestamp_ms));
            let mut expected = 0;
            for sample in samples.by_ref().take(RECORD_SAMPLES) {
                put_sample(out, sample, expected, first.timestamp_ms);
                expected = sample.id + 1;
            }
        });
    }
}

/// Appends a record of a series and chunks of it.
pub(in crate::storage) fn put_snapshot<'a>(
    out: &mut Vec<u8>,
    id: u64,
    labels: &Labels,
    chunks: impl Iterator<Item = &'a Chunk>,
) {
    put_record(out, |out| {
        out.push(3);
        put_definition(out, id, labels);
        for chunk in chunks {
            put_number(out, zigzag(chunk.start_ms));
            put_number(out, u64::from(chunk.span_ms));
            put_number(out, u64::from(chunk.count));
            put_number(out, chunk.data.len() as u64);
            out.extend_from_slice(&chunk.data);
        }
    });
}

/// Appends the record that ends a checkpoint.
pub(in crate::storage) fn put_complete(out: &mut Vec<u8>, records: u64) {
    put_record(out, |out| {
        out.push(4);
        put_number(out, records);
    });
}

/// Reads a body; `None` where it is malformed.
pub(in crate::storage) fn read_body(body: &[u8]) -> Option<Body<'_>> {
    let (kind, rest) = body.split_first()?;
    let mut input = Input(rest);
    Some(match kind {
        1 => Body::Definitions(input),
        2 => {
            let base_ms = unzigzag(input.number()?);
            Body::Samples(Samples {
                input,
                base_ms,
                expected: 0,
            })
        }
        3 => {
            let (id, labels) = input.definition()?;
            Body::Snapshot {
                id,
                labels,
                chunks: input,
            }
        }
        4 => Body::Complete {
            records: input.number()?,
        },
        _ => return None,
    })
}

fn put_definition(out: &mut Vec<u8>, id: u64, labels: &Labels) {
    put_number(out, id);
    put_number(out, labels.len() as u64);
    for (name, value) in labels {
        for text in [name, value] {
            put_number(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

#[inline]
fn put_sample(out: &mut Vec<u8>, sample: LoggedSample, expected: u64, base_ms: i64) {
    let bits = sample.value.to_bits();
    let number = sample.value as i64;
    let narrow = sample.value as f32;
    let kind = if bits == 0 {
        0
    } else if bits == STALE_NAN_BITS {
        1
    } else if (number as f64).to_bits() == bits && number.unsigned_abs() < 1 << 48 {
        2
    } else if f64::from(narrow).to_bits() == bits && !narrow.is_nan() {
        3
    } else {
        4
    };
    let jumps = sample.id != expected;
    let shifted = sample.timestamp_ms != base_ms;
    out.push(kind | (u8::from(jumps) << 3) | (u8::from(shifted) << 4));
    if jumps {
        put_number(
            out,
            zigzag((sample.id as i64).wrapping_sub(expected as i64)),
        );
    }
    if shifted {
        put_number(out, zigzag(sample.timestamp_ms.wrapping_sub(base_ms)));
    }
    match kind {
        2 => put_number(out, zigzag(number)),
        3 => out.extend_from_slice(&narrow.to_le_bytes()),
        4 => out.extend_from_slice(&bits.to_le_bytes()),
        _ => {}
    }
}

#[inline]
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The samples of a record.
#[derive(Debug)]
pub(in crate::storage) struct Samples<'a> {
    input: Input<'a>,
    base_ms: i64,
    expected: u64,
}

impl Samples<'_> {
    /// The next one; `Ok(None)` behind the last.
    ///
    /// # Errors
    /// [`Malformed`] where the bytes are no sample.
    #[inline]
    pub(in crate::storage) fn next_sample(&mut self) -> Result<Option<LoggedSample>, Malformed> {
        if self.input.is_empty() {
            return Ok(None);
        }
        self.read().map(Some).ok_or(Malformed)
    }

    #[inline]
    fn read(&mut self) -> Option<LoggedSample> {
        let tag = self.input.byte()?;
        let mut id = self.expected;
        if tag & 0b1000 != 0 {
            id = id.wrapping_add(unzigzag(self.input.number()?) as u64);
        }
        let mut timestamp_ms = self.base_ms;
        if tag & 0b1_0000 != 0 {
            timestamp_ms = timestamp_ms.wrapping_add(unzigzag(self.input.number()?));
        }
        let value = match tag & 0b111 {
            0 => 0.0,
            1 => f64::from_bits(STALE_NAN_BITS),
            2 => unzigzag(self.input.number()?) as f64,
            3 => f64::from(f32::from_le_bytes(*self.input.take(4)?.first_chunk()?)),
            4 => f64::from_bits(u64::from_le_bytes(*self.input.take(8)?.first_chunk()?)),
            _ => return None,
        };
        self.expected = id.wrapping_add(1);
        Some(LoggedSample {
            id,
            timestamp_ms,
            value,
        })
    }
}

/// Bytes with a good checksum that still make no sense: another version wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage) struct Malformed;

/// Bytes being read.
#[derive(Clone, Debug)]
pub(in crate::storage) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Whether all is read.
    pub(in crate::storage) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads what an id means.
    pub(in crate::storage) fn definition(&mut self) -> Option<(u64, Labels)> {
        let id = self.number()?;
        let count = self.number()?;
        let mut pairs = Vec::new();
        for _ in 0..count {
            pairs.push((self.text()?, self.text()?));
        }
        let sorted = pairs.windows(2).all(|pair| pair[0].0 < pair[1].0);
        (id > 0 && id <= MAX_ID && sorted).then(|| (id, Labels::from_sorted(pairs.into_iter())))
    }

    /// Reads a chunk.
    pub(in crate::storage) fn chunk(&mut self) -> Option<Chunk> {
        let start_ms = unzigzag(self.number()?);
        let span_ms = u32::try_from(self.number()?).ok()?;
        let count = u16::try_from(self.number()?).ok()?;
        let length = usize::try_from(self.number()?).ok()?;
        let data = self.take(length)?.into();
        (count > 0).then_some(Chunk {
            start_ms,
            span_ms,
            count,
            data,
        })
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    #[inline]
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

/// What stands at a place in a file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::storage) enum Frame<'a> {
    /// A record with a good checksum.
    Body(&'a [u8]),
    /// Nothing more.
    End,
    /// The file ends inside a record: the process or the machine stopped while writing.
    Torn,
    /// Something else.
    Corrupt,
}

/// Looks at the record at `offset`; the next one begins behind [`frame_len`] of its body.
pub(in crate::storage) fn frame_at(file: &[u8], offset: usize) -> Frame<'_> {
    let rest = file.get(offset..).unwrap_or_default();
    if rest.is_empty() {
        return Frame::End;
    }
    // Some file systems fill the part that never reached the disk with zeros.
    if rest.len() < HEAD || rest.iter().take(4096).all(|byte| *byte == 0) {
        return Frame::Torn;
    }
    let word = |at: usize| u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]);
    let length = word(0) as usize;
    if length > MAX_BODY || length == 0 {
        return Frame::Corrupt;
    }
    match rest.get(HEAD..HEAD + length) {
        None => Frame::Torn,
        Some(body) if crc32fast::hash(body) == word(4) => Frame::Body(body),
        Some(_) if rest.len() == HEAD + length => Frame::Torn,
        Some(_) => Frame::Corrupt,
    }
}

/// Bytes a record takes in the file.
pub(in crate::storage) fn frame_len(body: &[u8]) -> usize {
    HEAD + body.len()
}

#[cfg(test)]
mod tests;
