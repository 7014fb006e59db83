//! The struct of `/targets`.

use std::collections::BTreeMap;

use super::*;
use crate::http::pages::paged::{Address, Paging};
use crate::http::pages::targets::{Dropped, Job, Row, TargetsPage};
use crate::http::pages::view::MAX_ROWS;
use crate::http::params::Params;

/// The targets now, as far as they match.
pub(in crate::http::pages) fn targets(context: &Context, params: &Params) -> TargetsPage {
    let snapshot = context.targets.targets();
    let text = params.get("q").unwrap_or_default();
    let state = params.get("state").unwrap_or_default();
    let needle = text.to_lowercase();
    let matches = |target: &&TargetStatus| {
        (state.is_empty() || state == target.health.as_str()) && mentions(target, &needle)
    };
    let up = |target: &&TargetStatus| target.health == TargetHealth::Up;
    let mut all: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for target in &snapshot.active {
        let (good, every) = all.entry(&target.job).or_default();
        *good += usize::from(up(&target));
        *every += 1;
    }
    let total = snapshot.active.iter().filter(matches).count();
    let address = Address::new("/targets")
        .with("q", text)
        .with("state", state);
    let paging = Paging::of(total, MAX_ROWS, params.get("page"), address);
    let mut jobs: Vec<Job> = Vec::new();
    let rows = paging.rows();
    let matching = snapshot.active.iter().filter(matches);
    for target in matching.skip(rows.start).take(rows.len()) {
        if jobs.last().is_none_or(|job| job.name != target.job) {
            let (up, all) = all.get(target.job.as_str()).copied().unwrap_or_default();
            jobs.push(Job {
                name: target.job.clone(),
                up,
                all,
                targets: Vec::new(),
            });
        }
        if let Some(job) = jobs.last_mut() {
            job.targets.push(row(target));
        }
    }
    TargetsPage {
        now: context.clock.now(),
        text: text.to_owned(),
        state: state.to_owned(),
        up: snapshot.active.iter().filter(up).count(),
        all: snapshot.active.len(),
        jobs,
        paging,
        dropped: Bounded::map(&snapshot.dropped, |dropped| Dropped {
            job: dropped.job.clone(),
            discovered: pairs(&dropped.discovered),
            error: dropped.error.clone(),
        }),
        file_errors: snapshot.file_errors.into_iter().collect(),
    }
}

fn row(target: &TargetStatus) -> Row {
    let short = target_row(target);
    Row {
        instance: short.instance,
        url: target.url.clone(),
        health: short.health,
        last_scrape: short.last_scrape,
        duration: short.duration,
        samples: short.samples,
        error: short.error,
        interval: target.interval,
        timeout: target.timeout,
        bytes: target.body_bytes,
        labels: pairs(&target.labels),
        discovered: pairs(&target.discovered),
    }
}

fn pairs(labels: &Labels) -> Vec<(String, String)> {
    let pairs = labels.iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Whether a text in lower case is somewhere in what the page says of a target.
fn mentions(target: &TargetStatus, needle: &str) -> bool {
    let holds = |text: &str| text.to_lowercase().contains(needle);
    needle.is_empty()
        || holds(&target.job)
        || holds(&target.url)
        || target.last_error.as_deref().is_some_and(holds)
        || target
            .labels
            .iter()
            .any(|(name, value)| holds(&format!("{name}={value}")))
}
