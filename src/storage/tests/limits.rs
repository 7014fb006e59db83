//! Time, retention, limits, stale refs, windows, several at once.

use super::*;
use crate::model::sample::STALE_NAN;
use crate::storage::appender::{AppendError, Committed};
use crate::storage::query::QueryError;

const HOUR_MS: i64 = 3_600_000;

fn memory() -> Storage {
    Storage::in_memory(StorageConfig::default())
}

fn append(storage: &Storage, timestamp_ms: i64, value: f64) -> Result<(), AppendError> {
    let mut appender = storage.appender();
    let series = appender.series(&labels(0))?;
    appender.append(series, timestamp_ms, value)?;
    appender.commit().expect("no disk to fail");
    Ok(())
}

#[test]
fn samples_come_in_order_and_repeats_are_fine() {
    let storage = memory();
    assert_eq!(append(&storage, 1000, 1.0), Ok(()));
    assert_eq!(append(&storage, 1000, 1.0), Ok(()));
    assert_eq!(
        append(&storage, 1000, 2.0),
        Err(AppendError::DuplicateTimestamp)
    );
    assert_eq!(
        append(&storage, 1000, STALE_NAN),
        Err(AppendError::DuplicateTimestamp)
    );
    assert_eq!(append(&storage, 999, 1.0), Err(AppendError::OutOfOrder));
    assert_eq!(append(&storage, 1001, STALE_NAN), Ok(()));
    assert_eq!(append(&storage, 1001, STALE_NAN), Ok(()));
    let stats = storage.stats();
    assert_eq!((stats.samples_appended, stats.out_of_order), (2, 3));
    assert_eq!(stats.newest_ms, Some(1001));
}

#[test]
fn a_batch_is_invisible_until_its_commit_and_forgotten_when_dropped() {
    let storage = memory();
    let mut appender = storage.appender();
    let series = appender.series(&labels(0)).expect("room");
    appender.append(series, 1, 1.0).expect("first");
    assert!(contents(&storage).is_empty());
    drop(appender);
    assert!(contents(&storage).is_empty());
    // Two for the same time in one batch: the first wins, the other is reported.
    let mut appender = storage.appender();
    appender.append(series, 1, 1.0).expect("first");
    appender
        .append(series, 1, 2.0)
        .expect("nothing is committed yet");
    let committed = appender.commit().expect("no disk");
    assert_eq!(
        committed,
        Committed {
            samples: 1,
            refused: 1
        }
    );
}

#[test]
fn samples_far_from_the_clock_are_refused() {
    let clock = clock();
    let storage = open(&MemoryDisk::default(), &clock);
    assert_eq!(
        append(&storage, START_MS + 600_001, 1.0),
        Err(AppendError::TooFarInFuture)
    );
    assert_eq!(append(&storage, START_MS, 1.0), Ok(()));
    storage.maintain(clock.now());
    let mut appender = storage.appender();
    let other = appender.series(&labels(1)).expect("room");
    let oldest = START_MS - 26 * HOUR_MS;
    assert_eq!(
        appender.append(other, oldest - 1, 1.0),
        Err(AppendError::TooOld)
    );
    assert_eq!(appender.append(other, oldest, 1.0), Ok(()));
    assert_eq!(
        memory().appender().append(other, 0, 0.0),
        Err(AppendError::UnknownSeries)
    );
    assert_eq!(append(&memory(), i64::MIN, 0.0), Err(AppendError::TooOld));
}

#[test]
fn retention_drops_old_chunks_then_empty_series_and_refs_go_stale() {
    let clock = clock();
    let storage = open(&MemoryDisk::default(), &clock);
    let mut appender = storage.appender();
    let old = appender.series(&labels(1)).expect("room");
    appender.append(old, START_MS, 1.0).expect("in time");
    appender.commit().expect("logged");
    let day = 28 * 60 * 4;
    for step in 0..day {
        clock.advance(Duration::from_millis(STEP_MS as u64));
        append(&storage, START_MS + step * STEP_MS, step as f64).expect("in order");
        if step % 4 == 0 {
            storage.maintain(clock.now());
        }
    }
    let found = contents(&storage);
    assert_eq!(found.len(), 1);
    let kept = found["m{number=\"0\"}"].len() as i64;
    // 26 hours, and at most one chunk more.
    assert!((26 * 240..=26 * 240 + 120).contains(&kept), "{kept}");
    assert_eq!(storage.stats().series, 1);
    assert_eq!(storage.metrics().series_collected.get(), 1);

    let mut appender = storage.appender();
    let now = clock.now().millis();
    assert_eq!(
        appender.append(old, now, 1.0),
        Err(AppendError::UnknownSeries)
    );
    let other = appender.series(&labels(2)).expect("room");
    assert_eq!(other.slot(), old.slot());
    assert_eq!(
        appender.append(old, now, 1.0),
        Err(AppendError::UnknownSeries)
    );
    assert_eq!(appender.append(other, now, 1.0), Ok(()));
}

#[test]
fn a_series_waiting_for_its_first_commit_is_not_collected() {
    let storage = memory();
    append(&storage, START_MS, 1.0).expect("room");
    let mut appender = storage.appender();
    let series = appender.series(&labels(5)).expect("room");
    storage.maintain(Timestamp::from_millis(START_MS));
    appender.append(series, START_MS, 1.0).expect("still there");
    for _ in 0..5 {
        storage.maintain(Timestamp::from_millis(START_MS));
    }
    assert_eq!(appender.commit().expect("no disk").samples, 1);
    // One that nobody fills goes.
    storage.appender().series(&labels(6)).expect("room");
    storage.maintain(Timestamp::from_millis(START_MS));
    assert_eq!(storage.stats().series, 3);
    storage.maintain(Timestamp::from_millis(START_MS));
    assert_eq!(storage.stats().series, 2);
}

#[test]
fn a_clock_that_jumps_wipes_nothing() {
    let clock = clock();
    let storage = open(&MemoryDisk::default(), &clock);
    append(&storage, START_MS, 1.0).expect("in time");
    for jump in [-400 * 24 * HOUR_MS, 400 * 24 * HOUR_MS, 0] {
        for _ in 0..10 {
            storage.maintain(Timestamp::from_millis(START_MS + jump));
        }
        assert_eq!(contents(&storage).len(), 1, "{jump}");
    }
    // Even samples at a wrong time cost no more than ten minutes of history at a call.
    for step in 1..=2400 {
        clock.advance(Duration::from_millis(STEP_MS as u64));
        append(&storage, START_MS + step * STEP_MS, 1.0).expect("in time");
    }
    clock.advance(Duration::from_secs(400 * 24 * 3600));
    let mut appender = storage.appender();
    let other = appender.series(&labels(1)).expect("room");
    appender
        .append(other, clock.now().millis(), 1.0)
        .expect("by the clock");
    appender.commit().expect("logged");
    for _ in 0..6 {
        storage.maintain(clock.now());
    }
    assert!(contents(&storage)["m{number=\"0\"}"].len() >= 8 * 240);
    for _ in 0..60 {
        storage.maintain(clock.now());
    }
    assert_eq!(contents(&storage).len(), 1);
}

#[test]
fn the_series_limit_refuses_new_series_only() {
    let storage = Storage::in_memory(StorageConfig {
        series_limit: 2,
        ..StorageConfig::default()
    });
    let mut appender = storage.appender();
    let first = appender.series(&labels(0)).expect("room");
    appender.series(&labels(1)).expect("room");
    assert_eq!(
        appender.series(&labels(2)),
        Err(AppendError::SeriesLimit { limit: 2 })
    );
    assert_eq!(appender.series(&labels(0)), Ok(first));
    assert_eq!(storage.metrics().series_rejected.get(), 1);
}

#[test]
fn windows_are_open_on_the_left_and_bounded() {
    let storage = memory();
    for step in 0..400 {
        append(&storage, step * 1000, step as f64).expect("in order");
    }
    let select = |after_ms, until_ms, newest_only, max_samples| {
        storage.select(&SelectRequest {
            matchers: &[Matcher::equal("__name__", "m")],
            after_ms,
            until_ms,
            newest_only,
            max_samples,
        })
    };
    let times = |after_ms, until_ms, newest_only| -> Vec<i64> {
        let found = select(after_ms, until_ms, newest_only, 1000).expect("within the limit");
        found
            .into_iter()
            .flat_map(|series| series.samples)
            .map(|sample| sample.timestamp_ms / 1000)
            .collect()
    };
    assert_eq!(times(118_000, 122_000, false), [119, 120, 121, 122]);
    assert_eq!(times(118_999, 119_000, false), [119]);
    assert_eq!(times(-5, 0, false), [0]);
    assert!(times(399_000, i64::MAX, false).is_empty());
    assert!(times(i64::MAX, i64::MAX, false).is_empty());
    assert_eq!(times(i64::MIN, i64::MAX, false).len(), 400);
    for until in [0, 119, 120, 121, 359, 360, 398, 399, 500] {
        let newest = until.min(399);
        assert_eq!(times(-1, until * 1000 + 999, true), [newest]);
    }
    assert!(times(121_000, 121_500, true).is_empty());
    assert!(matches!(
        select(0, 100_000, false, 99),
        Err(QueryError::TooManySamples { limit: 99 })
    ));
    assert!(select(0, 100_000, false, 100).is_ok());
}

#[test]
fn labels_are_listed_where_the_window_holds_samples() {
    let storage = memory();
    for (number, start) in [(0, 0), (1, 50_000)] {
        let mut appender = storage.appender();
        let series = appender.series(&labels(number)).expect("room");
        for step in 0..3 {
            appender
                .append(series, start + step * 10_000, 1.0)
                .expect("in order");
        }
        appender.commit().expect("no disk");
    }
    let all: Vec<Vec<Matcher>> = Vec::new();
    let one = vec![
        vec![Matcher::equal("number", "1")],
        vec![Matcher::equal("number", "none")],
    ];
    let values = |sets: &[Vec<Matcher>], from, until| {
        storage
            .label_values("number", sets, from, until)
            .expect("memory")
    };
    assert_eq!(values(&all, 0, 100_000), ["0", "1"]);
    assert_eq!(values(&all, 20_001, 49_999), Vec::<String>::new());
    assert_eq!(values(&all, 11_000, 12_000), Vec::<String>::new());
    assert_eq!(values(&all, 11_000, 20_000), ["0"]);
    assert_eq!(values(&one, 0, 100_000), ["1"]);
    assert_eq!(values(&one, 0, 40_000), Vec::<String>::new());
    assert_eq!(
        storage.label_names(&all, 0, 100_000).expect("memory"),
        ["__name__", "number"]
    );
    assert_eq!(
        storage.label_names(&one, 0, 40_000).expect("memory"),
        Vec::<String>::new()
    );
    assert_eq!(
        storage.series(&all, 0, 100_000).expect("memory"),
        [labels(0), labels(1)]
    );
    assert_eq!(
        storage.series(&one, 0, 100_000).expect("memory"),
        [labels(1)]
    );
}

#[test]
fn many_at_once_lose_nothing() {
    let (disk, clock) = (MemoryDisk::default(), clock());
    let config = StorageConfig {
        checkpoint_bytes: 10_000,
        segment_bytes: 5_000,
        ..config()
    };
    let storage = open_with(&disk, &clock, config.clone());
    let (writers, steps) = (3, 200_i64);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let storage = &storage;
            scope.spawn(move || {
                for step in 0..steps {
                    let mut appender = storage.appender();
                    for number in 0..20 {
                        // The last ten are shared: whoever comes second has nothing new to say.
                        let number = if number < 10 {
                            number + writer * 100
                        } else {
                            number
                        };
                        // Maintenance this close together may collect a series before its first sample.
                        loop {
                            let series = appender.series(&labels(number)).expect("room");
                            match appender.append(series, START_MS + step, number as f64) {
                                Ok(()) | Err(AppendError::OutOfOrder) => break,
                                Err(AppendError::UnknownSeries) => {}
                                Err(error) => panic!("{error}"),
                            }
                        }
                    }
                    appender.commit().expect("logged");
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..50 {
                storage.maintain(clock.now());
                for samples in contents(&storage).values() {
                    assert!(samples.is_sorted_by(|a, b| a.0 < b.0));
                }
            }
        });
    });
    let found = contents(&storage);
    for writer in 0..writers {
        for number in 0..10 {
            assert_eq!(
                found[&labels(number + writer * 100).to_string()].len() as i64,
                steps
            );
        }
    }
    drop(storage);
    assert_eq!(contents(&open_with(&disk, &clock, config)), found);
}
