//! Type, help and unit of the metrics a target exposes.
//!
//! Read again only when a scrape brings series that were not there before: a target that repeats itself costs nothing.

use std::collections::BTreeMap;

use crate::exposition::format::Format;
use crate::exposition::{Entry, MetricKind, Parser};

/// The most families kept of one target.
const MAX_FAMILIES: usize = 10_000;
/// The longest help kept, in bytes.
const MAX_HELP: usize = 1024;

/// What a target says of one metric family.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// Its type.
    pub kind: MetricKind,
    /// Its help; shortened where it is very long.
    pub help: String,
    /// Its unit; empty where it names none.
    pub unit: String,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            kind: MetricKind::Unknown,
            help: String::new(),
            unit: String::new(),
        }
    }
}

/// The families of a target by name.
pub type Families = BTreeMap<String, Metadata>;

/// Reads the families of a body; one that is not well-formed yields those before the fault.
pub(super) fn read(body: &[u8], format: Format) -> Families {
    let mut families = Families::new();
    let mut parser = Parser::new(body, format);
    while let Ok(Some(entry)) = parser.next_entry() {
        let name = match &entry {
            Entry::Help { metric, .. }
            | Entry::Type { metric, .. }
            | Entry::Unit { metric, .. } => metric.decode(),
            Entry::Sample(_) | Entry::Comment => continue,
        };
        if families.len() >= MAX_FAMILIES && !families.contains_key(name.as_ref()) {
            continue;
        }
        let family = families.entry(name.into_owned()).or_default();
        match entry {
            Entry::Help { text, .. } => family.help = shortened(&text.decode()),
            Entry::Type { kind, .. } => family.kind = kind,
            Entry::Unit { unit, .. } => unit.clone_into(&mut family.unit),
            Entry::Sample(_) | Entry::Comment => {}
        }
    }
    families
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(MAX_HELP);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_read_with_type_help_and_unit() {
        let body = b"# HELP a_total Things\\ncounted.\n# TYPE a_total counter\na_total 1\nb 2\n";
        let families = read(body, Format::PrometheusText);
        let want = Metadata {
            kind: MetricKind::Counter,
            help: "Things\ncounted.".to_owned(),
            unit: String::new(),
        };
        assert_eq!(families, Families::from([("a_total".to_owned(), want)]));
        let body = b"# TYPE c_seconds gauge\n# UNIT c_seconds seconds\nc_seconds 1\n# EOF\n";
        assert_eq!(read(body, Format::OpenMetrics)["c_seconds"].unit, "seconds");
    }
}
