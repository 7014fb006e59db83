//! Resources: how full they are, what waits for them, and what fails.

use crate::dashboards::panel::Draft;
use crate::dashboards::unit::Unit;
use crate::exposition::MetricKind;

use super::Maker;
use super::families::Family;
use super::names::{title, words};
use super::rest::{by_smallest_label, described};

/// Words that say that something is in use, and words that say how much there may be.
const USED: [&str; 8] = [
    "active",
    "used",
    "use",
    "busy",
    "current",
    "open",
    "allocated",
    "acquired",
];
const LIMIT: [&str; 6] = ["max", "limit", "capacity", "maximum", "total", "size"];
const WAITING: [&str; 9] = [
    "queue", "queued", "backlog", "pending", "waiting", "inflight", "lag", "blocked", "depth",
];
const FAILING: [&str; 13] = [
    "error",
    "errors",
    "failure",
    "failures",
    "failed",
    "exceptions",
    "exception",
    "dropped",
    "rejected",
    "timeouts",
    "retries",
    "panics",
    "refused",
];
/// The most panels of failures.
const MAX_FAILURES: usize = 12;
/// The most panels of resources.
const MAX_RESOURCES: usize = 16;

/// Pools and limits, CPU, memory, and what waits.
pub(super) fn drafts(maker: &mut Maker<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for family in maker.unseen() {
        if drafts.len() >= MAX_RESOURCES {
            break;
        }
        let draft = match family.kind {
            MetricKind::Gauge => limited(maker, family)
                .or_else(|| memory(maker, family))
                .or_else(|| waiting(maker, family)),
            MetricKind::Counter => cpu(maker, family),
            _ => None,
        };
        if let Some(draft) = draft {
            maker.seen(family);
            drafts.push(draft);
        }
    }
    drafts
}

/// Counters of what went wrong.
pub(super) fn failures(maker: &mut Maker<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for family in maker.unseen() {
        let fails = words(&family.name)
            .iter()
            .any(|word| FAILING.contains(&word.as_str()));
        if family.kind != MetricKind::Counter || !fails || drafts.len() >= MAX_FAILURES {
            continue;
        }
        maker.seen(family);
        let (by, legend) = by_smallest_label(family);
        let series = maker.series(&family.name, &[]);
        drafts.push(
            Draft::bars(&title(&family.name))
                .about(described(family, "How many within each step."))
                .where_nothing("none")
                .query(
                    &format!("sum by ({by}) (increase({series}[$__rate_interval]))"),
                    &legend,
                ),
        );
    }
    drafts
}

/// The share in use of something that has a limit.
fn limited(maker: &mut Maker<'_>, used: &Family) -> Option<Draft> {
    let limit = maker.families.iter().find(|other| {
        other.kind == MetricKind::Gauge
            && other.labels == used.labels
            && is_limit_of(&other.name, &used.name)
    })?;
    maker.seen(limit);
    let (used_series, limit_series) = (
        maker.series(&used.name, &[]),
        maker.series(&limit.name, &[]),
    );
    let legend = legend_of_all(used);
    let draft = Draft::lines(&format!("{} of {}", title(&used.name), limit.name))
        .about(described(
            used,
            &format!("As a share of {}; at 1 it is full.", limit.name),
        ))
        .shares()
        .query(&format!("{used_series} / ({limit_series} > 0)"), &legend);
    let is_pool = words(&used.name)
        .iter()
        .any(|word| matches!(word.as_str(), "pool" | "connections"));
    Some(if is_pool {
        draft.near("DatabasePoolExhaustion")
    } else {
        draft
    })
}

/// Whether the names differ in one word: `pool_active_connections` and `pool_max_connections`.
fn is_limit_of(limit: &str, used: &str) -> bool {
    let (limit, used) = (words(limit), words(used));
    if limit.len() != used.len() {
        return false;
    }
    let mut differing = limit
        .iter()
        .zip(&used)
        .filter(|(limit, used)| limit != used);
    match (differing.next(), differing.next()) {
        (Some((limit, used)), None) => {
            LIMIT.contains(&limit.as_str()) && USED.contains(&used.as_str())
        }
        _ => false,
    }
}

fn memory(maker: &Maker<'_>, family: &Family) -> Option<Draft> {
    let name = &family.name;
    let is_memory = name.ends_with("resident_memory_bytes")
        || name.ends_with("heap_inuse_bytes")
        || name.ends_with("heap_size_used_bytes")
        || name.ends_with("alloc_bytes");
    is_memory.then(|| {
        Draft::lines(&title(name))
            .about(described(family, "What grows without end is a leak."))
            .unit(Unit::Bytes)
            .from_zero()
            .query(&maker.series(name, &[]), &legend_of_all(family))
            .near("HighMemoryUsage")
    })
}

fn cpu(maker: &Maker<'_>, family: &Family) -> Option<Draft> {
    // Of the three that prom-client has, user and system are parts of this one.
    let is_cpu = family.name.ends_with("process_cpu_seconds_total");
    is_cpu.then(|| {
        Draft::lines("CPU")
            .about(described(family, "Cores in use."))
            .from_zero()
            .query(
                &format!("sum by (instance) ({})", maker.rate(&family.name, &[])),
                "{{instance}}",
            )
    })
}

fn waiting(maker: &Maker<'_>, family: &Family) -> Option<Draft> {
    let waits = words(&family.name)
        .iter()
        .any(|word| WAITING.contains(&word.as_str()));
    waits.then(|| {
        let series = maker.series(&family.name, &[]);
        Draft::lines(&title(&family.name))
            .about(described(family, "What waits. A line that only rises means that the work is not done as fast as it comes."))
            .unit(super::unit_of(&series))
            .from_zero()
            .query(&series, &legend_of_all(family))
    })
}

/// All labels in a legend.
fn legend_of_all(family: &Family) -> String {
    let labels = ["instance".to_owned()];
    let names = labels.iter().chain(family.labels.keys());
    names
        .map(|name| format!("{{{{{name}}}}}"))
        .collect::<Vec<_>>()
        .join(" ")
}
