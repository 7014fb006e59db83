//! What a built-in collector has read: samples without the detour over text.
//!
//! ```text
//! keys     name 0xff label 0xff value 0xff ... | name ...     0xff never occurs in UTF-8
//! samples  (end of key, value), (end of key, value), ...
//! ```
//!
//! The buffers are used again from one collection to the next.

use crate::model::labels::{LabelsBuilder, METRIC_NAME};

const END: u8 = 0xff;

/// Samples of one collection, in the order of reading.
#[derive(Debug, Default, Clone)]
pub struct Readings {
    keys: Vec<u8>,
    samples: Vec<(usize, f64)>,
}

impl Readings {
    /// Forgets the samples and keeps the memory.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.samples.clear();
    }

    /// Adds a sample.
    pub fn push(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.push_parts(&[name], labels, value);
    }

    /// Adds a sample whose name comes in parts, such as `node_memory_`, `MemFree`, `_bytes`.
    pub fn push_parts(&mut self, name: &[&str], labels: &[(&str, &str)], value: f64) {
        for part in name {
            self.keys.extend_from_slice(part.as_bytes());
        }
        self.keys.push(END);
        for (label, text) in labels {
            for part in [label, text] {
                self.keys.extend_from_slice(part.as_bytes());
                self.keys.push(END);
            }
        }
        self.samples.push((self.keys.len(), value));
    }

    /// Keys and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], f64)> {
        let mut start = 0;
        self.samples.iter().map(move |&(end, value)| {
            let key = &self.keys[start..end];
            start = end;
            (key, value)
        })
    }

    /// A key's name and labels.
    pub(super) fn decode(key: &[u8], labels: &mut LabelsBuilder) {
        let mut parts = key
            .split(|byte| *byte == END)
            .map(|part| std::str::from_utf8(part).unwrap_or_default());
        labels.set(METRIC_NAME, parts.next().unwrap_or_default());
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            labels.set(name, value);
        }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The samples with decoded labels, for tests and for showing.
    pub fn decoded(&self) -> Vec<(crate::model::labels::Labels, f64)> {
        let decode = |(key, value)| {
            let mut labels = LabelsBuilder::default();
            Self::decode(key, &mut labels);
            (labels.build(), value)
        };
        self.iter().map(decode).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_come_back_as_they_went_in() {
        let mut readings = Readings::default();
        readings.push("up", &[], 1.0);
        readings.push_parts(&["a_", "b"], &[("x", "1"), ("y", "é")], 2.0);
        let decoded = readings.decoded();
        let shown: Vec<_> = decoded.iter().map(|(l, v)| (l.to_string(), *v)).collect();
        assert_eq!(
            shown,
            [
                ("up".to_owned(), 1.0),
                (r#"a_b{x="1", y="é"}"#.to_owned(), 2.0)
            ]
        );
        readings.clear();
        assert!(readings.is_empty());
    }
}
