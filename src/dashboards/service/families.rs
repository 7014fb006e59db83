//! What is known of a service's metric families: from an exposition, or from metadata and the series of a store.

use std::collections::{BTreeMap, BTreeSet};

use crate::exposition::error::ParseError;
use crate::exposition::format::Format;
use crate::exposition::labels::LabelBuf;
use crate::exposition::{Entry, MetricKind, Parser};
use crate::model::labels::{Labels, METRIC_NAME};

/// The most families that are looked at.
pub const MAX_FAMILIES: usize = 2000;
/// The most values of a label that are counted.
const MAX_VALUES: usize = 1000;
/// Labels of the target, and those that histograms and summaries need.
const OWN_LABELS: [&str; 5] = ["job", "instance", "le", "quantile", METRIC_NAME];

/// One metric family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// As queries name it: of a counter the series, of a histogram what stands before `_bucket`.
    pub name: String,
    /// A series of it.
    pub probe: String,
    /// Its type.
    pub kind: MetricKind,
    /// Its help; may be empty.
    pub help: String,
    /// Its labels, and how many values each has.
    pub labels: BTreeMap<String, usize>,
}

/// Type and help of a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its type.
    pub kind: MetricKind,
    /// Its help.
    pub help: String,
}

/// Gathers families out of series.
#[derive(Debug, Default)]
pub struct Gathering {
    about: BTreeMap<String, About>,
    found: BTreeMap<String, Found>,
}

#[derive(Debug)]
struct Found {
    probe: String,
    kind: MetricKind,
    help: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

impl Gathering {
    /// With what is known of families beforehand.
    pub fn new(about: BTreeMap<String, About>) -> Self {
        Self {
            about,
            found: BTreeMap::new(),
        }
    }

    /// Adds a series: its labels, name included.
    pub fn series(&mut self, labels: &Labels) {
        let name = labels.metric_name();
        if name.is_empty() {
            return;
        }
        // What rules recorded, and what scraping adds, is not the service's.
        if name.contains(':')
            || name == "up"
            || name.starts_with("scrape_")
            || name.starts_with("ALERTS")
        {
            return;
        }
        let has = |wanted: &str| labels.get(wanted).is_some();
        let Some((family, kind, help)) = self.family(name, has("le"), has("quantile")) else {
            return;
        };
        if !self.found.contains_key(&family) && self.found.len() >= MAX_FAMILIES {
            return;
        }
        let found = self.found.entry(family).or_insert_with(|| Found {
            probe: name.to_owned(),
            kind,
            help,
            labels: BTreeMap::new(),
        });
        for (label, value) in labels.iter() {
            if OWN_LABELS.contains(&label) {
                continue;
            }
            let values = found.labels.entry(label.to_owned()).or_default();
            if values.len() < MAX_VALUES && !values.contains(value) {
                values.insert(value.to_owned());
            }
        }
    }

    /// The family of a series, its type and help. `None` for what says nothing by itself.
    fn family(&self, name: &str, le: bool, quantile: bool) -> Option<(String, MetricKind, String)> {
        let known = |family: &str, series: &str| {
            let about = self.about.get(family)?;
            Some((series.to_owned(), about.kind, about.help.clone()))
        };
        let part = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix));
        if let Some(base) = part
            && let Some(found) = known(base, base)
            && matches!(
                found.1,
                MetricKind::Histogram | MetricKind::GaugeHistogram | MetricKind::Summary
            )
        {
            return Some(found);
        }
        if let Some(found) = known(name, name).filter(|found| found.1 != MetricKind::Unknown) {
            return Some(found);
        }
        // OpenMetrics names a counter's family without its suffix.
        if let Some(base) = name.strip_suffix("_total") {
            return known(base, name)
                .or_else(|| Some((name.to_owned(), MetricKind::Counter, String::new())));
        }
        if let Some(base) = name.strip_suffix("_info")
            && let Some(found) = known(base, name)
        {
            return Some(found);
        }
        if name.ends_with("_created") {
            return None;
        }
        let kind = match part {
            Some(base) if le => {
                return Some((base.to_owned(), MetricKind::Histogram, String::new()));
            }
            _ if quantile => MetricKind::Summary,
            _ => MetricKind::Gauge,
        };
        let help = self.about.get(name).map(|about| about.help.clone());
        Some((name.to_owned(), kind, help.unwrap_or_default()))
    }

    /// The families, in the order of their names.
    pub fn finish(self) -> Vec<Family> {
        // Of an untyped histogram its sum and count came by themselves.
        let untyped: Vec<String> = self
            .found
            .iter()
            .filter(|(_, found)| found.kind == MetricKind::Histogram)
            .flat_map(|(name, _)| [format!("{name}_sum"), format!("{name}_count")])
            .collect();
        let families = self.found.into_iter();
        families
            .filter(|(name, _)| !untyped.contains(name))
            .map(|(name, found)| Family {
                name,
                probe: found.probe,
                kind: found.kind,
                help: found.help,
                labels: found
                    .labels
                    .into_iter()
                    .map(|(label, values)| (label, values.len()))
                    .collect(),
            })
            .collect()
    }
}

/// The families of an exposition.
///
/// # Errors
/// Where it is not well formed.
pub fn of_exposition(body: &[u8], format: Format) -> Result<Vec<Family>, ParseError> {
    let mut about: BTreeMap<String, About> = BTreeMap::new();
    let mut parser = Parser::new(body, format);
    while let Some(entry) = parser.next_entry()? {
        match entry {
            Entry::Help { metric, text } => {
                let about = about.entry(metric.decode().into_owned()).or_default();
                about.help = text.decode().into_owned();
            }
            Entry::Type { metric, kind } => {
                about.entry(metric.decode().into_owned()).or_default().kind = kind;
            }
            Entry::Unit { .. } | Entry::Sample(_) | Entry::Comment => {}
        }
    }
    let mut gathering = Gathering::new(about);
    let mut parser = Parser::new(body, format);
    let mut labels = LabelBuf::default();
    while let Some(entry) = parser.next_entry()? {
        if let Entry::Sample(sample) = entry {
            sample.labels(&mut labels)?;
            gathering.series(&labels.to_labels());
        }
    }
    Ok(gathering.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, type, and labels with how many values.
    type Wanted<'a> = (&'a str, MetricKind, &'a [(&'a str, usize)]);

    #[test]
    fn families_are_gathered_with_and_without_types() {
        let check = |text: &str, format: Format, want: &[Wanted<'_>]| {
            let got = of_exposition(text.as_bytes(), format).expect("well formed");
            let got: Vec<_> = got
                .iter()
                .map(|family| {
                    let labels: Vec<_> = family
                        .labels
                        .iter()
                        .map(|(label, count)| (label.as_str(), *count))
                        .collect();
                    (family.name.as_str(), family.kind, labels)
                })
                .collect();
            let want: Vec<_> = want
                .iter()
                .map(|(name, kind, labels)| (*name, *kind, labels.to_vec()))
                .collect();
            assert_eq!(got, want, "{text}");
        };
        use MetricKind::{Counter, Gauge, Histogram, Summary};
        check(
            "# TYPE a_total counter\na_total{x=\"1\"} 1\na_total{x=\"2\",job=\"j\"} 1\n# TYPE b gauge\nb 1\n",
            Format::PrometheusText,
            &[("a_total", Counter, &[("x", 2)]), ("b", Gauge, &[])],
        );
        check(
            "# TYPE a counter\na_total 1\n# EOF\n",
            Format::OpenMetrics,
            &[("a_total", Counter, &[])],
        );
        let buckets = "d_bucket{le=\"1\",r=\"x\"} 1\nd_bucket{le=\"+Inf\",r=\"x\"} 1\nd_sum{r=\"x\"} 1\nd_count{r=\"x\"} 1\n";
        check(
            buckets,
            Format::PrometheusText,
            &[("d", Histogram, &[("r", 1)])],
        );
        check(
            &format!("# TYPE d histogram\n{buckets}"),
            Format::PrometheusText,
            &[("d", Histogram, &[("r", 1)])],
        );
        check(
            "s{quantile=\"0.5\"} 1\n",
            Format::PrometheusText,
            &[("s", Summary, &[])],
        );
        check(
            "jobs:rate5m 1\nup 1\nscrape_x 1\nx_created 1\nx_total 1\n",
            Format::PrometheusText,
            &[("x_total", Counter, &[])],
        );
    }
}
