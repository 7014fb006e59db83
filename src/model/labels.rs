//! Label sets: sorted by name, shared, hash cached.
//!
//! One allocation holds the whole set. Each name and value is written behind its length; lengths are base-64 digits
//! (six bits a byte, bit 6 set while more follow), so that the buffer is plain UTF-8 and is sliced without copying:
//!
//! ```text
//! <len>name<len>value<len>name<len>value...
//! ```
//!
//! An empty value means "no such label", as in Prometheus, and is never stored; only annotations ([`Labels::verbatim`])
//! keep theirs.

mod read;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use smallvec::SmallVec;

pub use self::read::{Pairs, Text};

/// The label that carries the metric name.
pub const METRIC_NAME: &str = "__name__";
/// The alert's name, in alert labels and in the `ALERTS` series.
pub const ALERT_NAME: &str = "alertname";
/// The upper bound of a classic histogram's bucket.
pub const BUCKET_LABEL: &str = "le";

/// A sorted, immutable label set. Cloning shares it.
#[derive(Clone)]
pub struct Labels {
    hash: u64,
    data: Arc<str>,
}

/// The 64-bit identity that Prometheus and Alertmanager show in their APIs: FNV-1a over the sorted pairs, each part
/// closed by a 0xff byte (`prometheus/common/model`, `LabelSet.Fingerprint`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Fingerprint {
    /// Reads what is shown: 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = u64::from_str_radix(text, 16).ok();
        value.filter(|_| digits).map(Self)
    }
}

impl Labels {
    /// The set without labels.
    pub fn empty() -> Self {
        Self::from_sorted(std::iter::empty())
    }

    /// A set from pairs in any order; a later pair wins over an earlier one of the same name, an empty value removes it.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = sorted(pairs);
        Self::from_sorted(latest(&pairs))
    }

    /// Annotations from pairs in any order: as [`Labels::from_pairs`], but an empty value stays.
    pub fn verbatim_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = sorted(pairs);
        Self::verbatim(latest(&pairs))
    }

    /// A set from pairs that are already sorted by name and unique; empty values are left out.
    pub fn from_sorted<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self::verbatim(pairs.filter(|(_, value)| !value.is_empty()))
    }

    /// Annotations: as [`Labels::from_sorted`], but an empty value says that there is nothing to say, and stays.
    pub fn verbatim<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut data = SmallVec::<[u8; 512]>::new();
        let mut previous: Option<&str> = None;
        for (name, value) in pairs {
            debug_assert!(
                previous.is_none_or(|previous| previous < name),
                "labels are sorted and unique"
            );
            previous = Some(name);
            push_text(&mut data, name);
            push_text(&mut data, value);
        }
        let text = std::str::from_utf8(&data).expect("lengths are ASCII, the rest was text");
        Self {
            hash: rapidhash::v3::rapidhash_v3(&data),
            data: text.into(),
        }
    }

    /// The value of a label; `None` where the set lacks it.
    pub fn get(&self, name: &str) -> Option<&str> {
        // Names are sorted, so a greater one ends the search.
        for (candidate, value) in self {
            match candidate.cmp(name) {
                Ordering::Less => {}
                Ordering::Equal => return Some(value),
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// The value of a label, empty where the set lacks it: what matchers and templates see.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The metric name, empty where there is none.
    pub fn metric_name(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether the set holds no label.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The pairs in order of their names.
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.data }
    }

    /// The cached hash of the whole set; not stable across versions, never written to disk.
    pub fn cached_hash(&self) -> u64 {
        self.hash
    }

    /// The identity shown in APIs.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut add =
            |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        for (name, value) in self {
            name.bytes().for_each(&mut add);
            add(0xff);
            value.bytes().for_each(&mut add);
            add(0xff);
        }
        Fingerprint(hash)
    }

    /// The labels whose names pass.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        Self::from_sorted(self.iter().filter(|(name, _)| keep(name)))
    }

    /// Without the metric name.
    #[must_use]
    pub fn without_name(&self) -> Self {
        self.filter(|name| name != METRIC_NAME)
    }

    /// With one label set (or, for an empty value, removed).
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut builder = LabelsBuilder::from(self);
        builder.set(name, value);
        builder.build()
    }

    /// Bytes this set keeps on the heap, for the memory figures of the store.
    pub fn heap_bytes(&self) -> usize {
        self.data.len() + 2 * size_of::<usize>()
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The pairs of a [`Labels`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (name, rest) = take_text(self.rest);
        let (value, rest) = take_text(rest);
        self.rest = rest;
        Some((name, value))
    }
}

/// By name; pairs of one name stay in their order.
fn sorted<N: AsRef<str>, V>(pairs: impl IntoIterator<Item = (N, V)>) -> SmallVec<[(N, V); 16]> {
    let mut pairs: SmallVec<[(N, V); 16]> = pairs.into_iter().collect();
    pairs.sort_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
    pairs
}

/// The last of each name.
fn latest<N: AsRef<str>, V: AsRef<str>>(sorted: &[(N, V)]) -> impl Iterator<Item = (&str, &str)> {
    sorted.iter().enumerate().filter_map(|(i, (name, value))| {
        let next = sorted.get(i + 1).map(|(next, _)| next.as_ref());
        (next != Some(name.as_ref())).then(|| (name.as_ref(), value.as_ref()))
    })
}

fn push_text(data: &mut SmallVec<[u8; 512]>, text: &str) {
    let mut len = text.len();
    while len >= 64 {
        data.push(0x40 | (len & 0x3f) as u8);
        len >>= 6;
    }
    data.push(len as u8);
    data.extend_from_slice(text.as_bytes());
}

fn take_text(data: &str) -> (&str, &str) {
    let mut len = 0_usize;
    let mut digits = 0;
    for byte in data.bytes() {
        len |= usize::from(byte & 0x3f) << (6 * digits);
        digits += 1;
        if byte & 0x40 == 0 {
            break;
        }
    }
    data[digits..].split_at(len)
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.data == other.data
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Pair by pair, as Prometheus's `labels.Compare`.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

/// `metric{name="value", ...}`, as Prometheus prints series.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name();
        let plain = is_legacy_metric_name(name);
        if plain {
            f.write_str(name)?;
        }
        let mut separator = "";
        if !plain || self.len() > 1 || name.is_empty() {
            f.write_str("{")?;
            if !plain && !name.is_empty() {
                write!(f, "{}", quote(name))?;
                separator = ", ";
            }
            for (name, value) in self {
                if name == METRIC_NAME {
                    continue;
                }
                let name = if is_legacy_label_name(name) {
                    Cow::Borrowed(name)
                } else {
                    Cow::Owned(quote(name))
                };
                write!(f, "{separator}{name}={}", quote(value))?;
                separator = ", ";
            }
            f.write_str("}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A JSON object in order of the names.
impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A label set under construction: edits in any order, sorted once at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelsBuilder {
    // At most one entry a name; a removed label is simply absent.
    pairs: Vec<(String, String)>,
}

impl From<&Labels> for LabelsBuilder {
    fn from(labels: &Labels) -> Self {
        Self {
            pairs: labels
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

impl LabelsBuilder {
    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) {
        match self
            .pairs
            .iter_mut()
            .find(|(candidate, _)| candidate == name)
        {
            Some(_) if value.is_empty() => self.remove(name),
            Some((_, old)) => {
                old.clear();
                old.push_str(value);
            }
            None if value.is_empty() => {}
            None => self.pairs.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Removes a label; nothing happens where it is absent.
    pub fn remove(&mut self, name: &str) {
        self.pairs.retain(|(candidate, _)| candidate != name);
    }

    /// Keeps the labels that pass.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.pairs.retain(|(name, value)| keep(name, value));
    }

    /// The value of a label so far.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(candidate, _)| candidate == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value so far, empty where absent.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The pairs so far, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The finished set.
    pub fn build(mut self) -> Labels {
        self.pairs.sort_unstable();
        Labels::from_sorted(self.iter())
    }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`: a metric name that needs no quotes.
pub fn is_legacy_metric_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().enumerate().all(|(i, byte)| {
            byte.is_ascii_alphabetic()
                || byte == b'_'
                || byte == b':'
                || (i > 0 && byte.is_ascii_digit())
        })
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`: a label name that needs no quotes.
pub fn is_legacy_label_name(name: &str) -> bool {
    is_legacy_metric_name(name) && !name.contains(':')
}

/// A Go-quoted string, as Prometheus prints label values.
pub fn quote(text: &str) -> String {
    use fmt::Write;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => {
                write!(out, "\\x{:02x}", u32::from(c)).expect("writing to a string cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_are_sorted_and_the_last_duplicate_wins() {
        let labels = Labels::from_pairs([("b", "1"), ("a", "2"), ("b", "3"), ("c", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
        assert_eq!(labels.get("b"), Some("3"));
        assert_eq!(labels.get("c"), None);
        assert_eq!(labels.len(), 2);
    }

    #[test]
    fn annotations_keep_empty_values_and_survive_a_round_trip() {
        let annotations = Labels::verbatim([("a", ""), ("b", "1")].into_iter());
        let written = serde_json::to_string(&annotations).unwrap();
        assert_eq!(written, r#"{"a":"","b":"1"}"#);
        let read: Labels = serde_json::from_str(&written).unwrap();
        assert_eq!(read, annotations);
        assert_eq!(read.get("a"), Some(""));
    }

    #[test]
    fn series_print_as_prometheus_prints_them() {
        let check = |pairs: &[(&str, &str)], want: &str| {
            assert_eq!(Labels::from_pairs(pairs.iter().copied()).to_string(), want);
        };
        check(&[], "{}");
        check(&[("__name__", "up")], "up");
        check(
            &[("__name__", "up"), ("job", "a\"b\n")],
            r#"up{job="a\"b\n"}"#,
        );
        check(
            &[("__name__", "my.metric"), ("a.b", "c")],
            r#"{"my.metric", "a.b"="c"}"#,
        );
        check(&[("a", "1"), ("b", "2")], r#"{a="1", b="2"}"#);
    }

    #[test]
    fn fingerprints_equal_alertmanagers() {
        // FNV-1a offset basis for the empty set, and a value computed with prometheus/common/model.
        assert_eq!(
            Labels::empty().fingerprint().to_string(),
            "cbf29ce484222325"
        );
        assert_eq!(Labels::from_pairs([("alertname", "a")]).fingerprint(), {
            let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
            for byte in b"alertname\xffa\xff" {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
            Fingerprint(hash)
        });
    }

    proptest! {
        #[test]
        fn any_pairs_come_back_as_they_went_in(pairs in proptest::collection::btree_map(".{1,100}", ".{1,5000}", 0..5)) {
            let labels = Labels::from_pairs(&pairs);
            let back: Vec<_> = labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(back, pairs.into_iter().collect::<Vec<_>>());
        }
    }
}
