//! The store as a whole, on a file system in memory that can fail.

mod faults;
mod limits;
mod log;
mod memory_disk;
mod model;

use super::query::{Queryable, SelectRequest};
use super::*;
use crate::model::labels::Labels;
use crate::model::matcher::{MatchOp, Matcher};
use crate::model::timestamp::Timestamp;
use memory_disk::MemoryDisk;

/// When the tests take place.
const START_MS: i64 = 1_700_000_000_000;
const STEP_MS: i64 = 15_000;

/// All samples, as bits: labels -> time -> value.
type Contents = std::collections::BTreeMap<String, Vec<(i64, u64)>>;

fn labels(number: usize) -> Labels {
    Labels::from_pairs([("__name__", "m"), ("number", &number.to_string())])
}

fn config() -> StorageConfig {
    StorageConfig {
        dir: "/data".into(),
        ..StorageConfig::default()
    }
}

fn clock() -> Clock {
    Clock::manual(Timestamp::from_millis(START_MS))
}

fn open(disk: &MemoryDisk, clock: &Clock) -> Storage {
    open_with(disk, clock, config())
}

fn open_with(disk: &MemoryDisk, clock: &Clock, config: StorageConfig) -> Storage {
    Storage::open_on(Arc::new(disk.clone()), config, clock.clone(), None).expect("opens")
}

/// Commits one sample for each of `count` series.
fn commit(storage: &Storage, count: usize, timestamp_ms: i64, value: f64) -> bool {
    let mut appender = storage.appender();
    for number in 0..count {
        let series = appender.series(&labels(number)).expect("below the limit");
        appender
            .append(series, timestamp_ms, value + number as f64)
            .expect("in order");
    }
    appender.commit().is_ok()
}

fn everything() -> Vec<Matcher> {
    vec![Matcher::new("__name__", MatchOp::Regex, ".*").expect("valid")]
}

fn contents(storage: &Storage) -> Contents {
    let found = storage
        .select(&SelectRequest {
            matchers: &everything(),
            after_ms: i64::MIN,
            until_ms: i64::MAX,
            newest_only: false,
            max_samples: usize::MAX,
        })
        .expect("no limit");
    found
        .into_iter()
        .map(|series| {
            let samples = series.samples.iter();
            (
                series.labels.to_string(),
                samples
                    .map(|s| (s.timestamp_ms, s.value.to_bits()))
                    .collect(),
            )
        })
        .collect()
}
