//! Everything else, by type: counters as rates, gauges as they are, histograms as quantiles and heatmap, summaries by quantile,
//! states as words. In folded rows, by the first word of the name, or the first two.

use std::collections::BTreeMap;

use crate::dashboards::panel::Draft;
use crate::dashboards::unit::Unit;
use crate::exposition::MetricKind;

use super::families::Family;
use super::names::{capitalised, label, title, words};
use super::{MAX_IN_ROW, Maker, unit_of};

/// Labels with more values than this are summed over.
const MAX_LINES: usize = 12;

/// A folded row for each first word.
pub(super) fn rows(maker: &mut Maker<'_>) -> Vec<(String, Vec<Draft>)> {
    let mut groups: BTreeMap<String, Vec<&Family>> = BTreeMap::new();
    for family in maker.unseen() {
        let first = words(&family.name).into_iter().next().unwrap_or_default();
        groups.entry(first).or_default().push(family);
    }
    // Exporters begin every name alike: their second word tells more, where several share it.
    let second = |family: &Family| words(&family.name).into_iter().nth(1).unwrap_or_default();
    let mut finer: BTreeMap<String, Vec<&Family>> = BTreeMap::new();
    for (word, families) in groups {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for family in &families {
            *counts.entry(second(family)).or_default() += 1;
        }
        let is_large = families.len() > MAX_IN_ROW;
        for family in families {
            let second = second(family);
            let is_shared = counts.get(&second).is_some_and(|count| *count > 1);
            let name = match is_large && is_shared && !second.is_empty() {
                true => format!("{word} {second}"),
                false => word.clone(),
            };
            finer.entry(name).or_default().push(family);
        }
    }
    let mut groups = finer;
    // Alone in a row nobody looks for them.
    let mut alone = Vec::new();
    groups.retain(|_, families| {
        let keep = families.len() > 1;
        if !keep {
            alone.append(families);
        }
        keep
    });
    let mut rows: Vec<(String, Vec<&Family>)> = groups
        .into_iter()
        .map(|(word, families)| (capitalised(&word), families))
        .collect();
    if !alone.is_empty() {
        rows.push(("Others".to_owned(), alone));
    }
    let mut room = maker.room;
    let mut made = Vec::new();
    for (name, families) in rows {
        let mut drafts: Vec<Draft> = Vec::new();
        for family in families {
            let more = drafts_of(maker, family);
            if drafts.len() + more.len() > room.min(MAX_IN_ROW) {
                break;
            }
            maker.seen(family);
            drafts.extend(more);
        }
        room -= drafts.len();
        if !drafts.is_empty() {
            made.push((name, drafts));
        }
    }
    made
}

fn drafts_of(maker: &Maker<'_>, family: &Family) -> Vec<Draft> {
    let name = &family.name;
    let (by, legend) = by_smallest_label(family);
    match family.kind {
        MetricKind::Counter => {
            let query = format!("sum by ({by}) ({})", maker.rate(name, &[]));
            let draft = Draft::lines(&title(name))
                .about(described(family, "Each second."))
                .unit(unit_of(&query))
                .query(&query, &legend);
            vec![draft]
        }
        MetricKind::Histogram => {
            let unit = unit_of_buckets(family);
            let buckets = format!("{name}_bucket");
            let mut quantiles = Draft::lines(&title(name))
                .about(described(
                    family,
                    "Half are below p50, one in twenty is above p95.",
                ))
                .unit(unit);
            for (quantile, short) in [("0.5", "p50"), ("0.95", "p95")] {
                let rate = maker.rate(&buckets, &[]);
                let query = format!("histogram_quantile({quantile}, sum by (le) ({rate}))");
                quantiles = quantiles.query(&query, short);
            }
            let series = maker.series(&buckets, &[]);
            let heatmap = Draft::heatmap(
                &format!("{} over time", title(name)),
                unit,
                &format!("sum by (le) (increase({series}[$__rate_interval]))"),
            )
            .about(described(family, "How many lay where."));
            vec![quantiles, heatmap]
        }
        MetricKind::Summary => {
            let query = format!("max by (quantile) ({})", maker.series(name, &[]));
            let draft = Draft::lines(&title(name))
                .about(described(
                    family,
                    "Quantiles as the service computes them; of several instances the largest.",
                ))
                .unit(unit_of(&query))
                .query(&query, "{{quantile}}");
            // One without quantiles has a mean.
            let mean = format!(
                "sum by (instance) ({}) / (sum by (instance) ({}) > 0)",
                maker.rate(&format!("{name}_sum"), &[]),
                maker.rate(&format!("{name}_count"), &[])
            );
            vec![draft.query(&mean, "{{instance}} mean")]
        }
        MetricKind::StateSet => {
            let state = family.labels.keys().next().cloned().unwrap_or_default();
            let draft = Draft::states(&title(name), &[("0", "no", "text"), ("1", "yes", "blue")])
                .about(described(family, "Which state holds."))
                .unit(Unit::YesNo)
                .query(
                    &maker.series(name, &[]),
                    &format!("{{{{instance}}}} {{{{{state}}}}}"),
                );
            vec![draft]
        }
        MetricKind::Gauge | MetricKind::Unknown => vec![gauge(maker, family, &by, &legend)],
        // Constant ones, and buckets of what goes up and down, have no panel that would help.
        MetricKind::Info | MetricKind::GaugeHistogram => Vec::new(),
    }
}

fn gauge(maker: &Maker<'_>, family: &Family, by: &str, legend: &str) -> Draft {
    let series = maker.series(&family.name, &[]);
    if family.name.ends_with("_timestamp_seconds") || family.name.ends_with("start_time_seconds") {
        let query = format!("time() - max by (instance) ({series} > 0)");
        return Draft::lines(&format!("Since {}", title(&family.name).to_lowercase()))
            .about(described(family, "How long ago that was."))
            .unit(Unit::Duration)
            .query(&query, "{{instance}}");
    }
    // Shares are not added up.
    let is_share = matches!(unit_of(&series), Unit::Share | Unit::Percent);
    let aggregate = if is_share { "avg" } else { "sum" };
    let query = format!("{aggregate} by ({by}) ({series})");
    Draft::lines(&title(&family.name))
        .about(described(family, "As the service tells it."))
        .unit(unit_of(&query))
        .query(&query, legend)
}

/// The unit of a histogram's bounds.
pub(super) fn unit_of_buckets(family: &Family) -> Unit {
    let last = words(&family.name).pop().unwrap_or_default();
    match last.as_str() {
        "seconds" | "duration" | "latency" => Unit::Seconds,
        "milliseconds" | "ms" | "millis" => Unit::Milliseconds,
        "bytes" | "size" => Unit::Bytes,
        "ratio" => Unit::Share,
        _ => Unit::Number,
    }
}

/// The label with the fewest values above one, for `by`, and its legend; the instance where there is none.
pub(super) fn by_smallest_label(family: &Family) -> (String, String) {
    let few = family
        .labels
        .iter()
        .filter(|(_, count)| (2..=MAX_LINES).contains(*count))
        .min_by_key(|(_, count)| **count);
    match few {
        Some((name, _)) => (label(name), format!("{{{{{name}}}}}")),
        None => ("instance".to_owned(), "{{instance}}".to_owned()),
    }
}

/// The family's help, and how the panel shows it.
pub(super) fn described(family: &Family, how: &str) -> String {
    let help = family.help.trim();
    let name = &family.name;
    if help.is_empty() {
        format!("{name}. {how}")
    } else {
        let stop = if help.ends_with(['.', '!', '?']) {
            ""
        } else {
            "."
        };
        format!("{name}: {help}{stop} {how}")
    }
}
