//! Bytes in which many small rows are written as one: numbers of few bytes, texts behind their length.
//!
//! ```text
//! number    7 bits a byte, the lowest first, the highest bit set while more follow
//! signed    a number: 0, -1, 1, -2, 2, ... are 0, 1, 2, 3, 4, ...
//! fixed     8 bytes, little-endian
//! text      number of bytes, then UTF-8
//! ```
//!
//! It says nothing of what the bytes mean; whoever writes them puts a version in front.

use smallvec::SmallVec;

use crate::model::labels::Labels;

/// The bytes end too soon, or are none that were written so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(pub(super) &'static str);

pub(super) fn put_number(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    to.push(value as u8);
}

pub(super) fn put_signed(to: &mut Vec<u8>, value: i64) {
    put_number(
        to,
        (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned(),
    );
}

pub(super) fn put_fixed(to: &mut Vec<u8>, value: u64) {
    to.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put_number(to, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    to.extend_from_slice(bytes);
}

pub(super) fn put_text(to: &mut Vec<u8>, text: &str) {
    put_bytes(to, text.as_bytes());
}

pub(super) fn put_labels(to: &mut Vec<u8>, labels: &Labels) {
    put_number(to, u64::try_from(labels.len()).unwrap_or(u64::MAX));
    for (name, value) in labels {
        put_text(to, name);
        put_text(to, value);
    }
}

/// Takes what was put, from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed("ends too soon"))?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("a number has no end"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, Malformed> {
        let value = self.number()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn fixed(&mut self) -> Result<u64, Malformed> {
        let (first, rest) = self
            .0
            .split_first_chunk()
            .ok_or(Malformed("ends too soon"))?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*first))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.number()?;
        let len = usize::try_from(len).ok().filter(|len| *len <= self.0.len());
        let (bytes, rest) = self.0.split_at(len.ok_or(Malformed("ends too soon"))?);
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    pub(super) fn labels(&mut self) -> Result<Labels, Malformed> {
        let mut pairs = SmallVec::<[(&str, &str); 16]>::new();
        for _ in 0..self.number()? {
            pairs.push((self.text()?, self.text()?));
        }
        // As they are put, unless what was put is damaged.
        if pairs.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            return Ok(Labels::from_sorted(pairs.into_iter()));
        }
        Ok(Labels::from_pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(
            number: u64, signed: i64, fixed: u64, text: String,
            pairs in prop::collection::btree_map("[a-z]{1,5}", ".{1,9}", 0..4),
        ) {
            let labels = Labels::from_pairs(pairs);
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            put_signed(&mut bytes, signed);
            put_fixed(&mut bytes, fixed);
            put_text(&mut bytes, &text);
            put_labels(&mut bytes, &labels);
            let mut reader = Reader(&bytes);
            prop_assert_eq!(reader.number(), Ok(number));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.fixed(), Ok(fixed));
            prop_assert_eq!(reader.text(), Ok(text.as_str()));
            prop_assert_eq!(reader.labels(), Ok(labels));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut reader = Reader(&bytes);
            while !reader.is_empty() && reader.labels().is_ok() && reader.signed().is_ok() {}
        }
    }

    #[test]
    fn a_number_that_never_ends_is_refused() {
        assert!(Reader(&[0xff; 20]).number().is_err());
        assert!(Reader(&[0xff]).number().is_err());
        // A count of pairs takes no memory before they are there.
        assert!(Reader(&[0xff, 0xff, 0xff, 0xff, 0x7f]).labels().is_err());
    }
}
