//! The store against a plain map, under random appends, restarts, full disks, checkpoints and questions.

use std::collections::BTreeMap;

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// Samples for some series, `late` milliseconds before the clock's time.
    Commit {
        series: Vec<(usize, u8)>,
        late: i64,
    },
    /// As `Commit`, but dropped.
    Forget {
        series: Vec<usize>,
    },
    Pass {
        seconds: u64,
    },
    Maintain,
    Checkpoint,
    Restart,
    Ask {
        after: i64,
        until: i64,
        newest: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let numbers = proptest::collection::vec((0..12_usize, any::<u8>()), 1..12);
    prop_oneof![
        8 => (numbers, prop_oneof![4 => Just(0_i64), 1 => 0..40_000_i64]).prop_map(|(series, late)| Step::Commit { series, late }),
        1 => proptest::collection::vec(0..15_usize, 1..4).prop_map(|series| Step::Forget { series }),
        6 => prop_oneof![Just(15_u64), 1..60_u64, Just(3600_u64)].prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Maintain),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Restart),
        2 => (0..4_000_i64, 0..4_000_i64, any::<bool>()).prop_map(|(after, until, newest)| Step::Ask { after, until, newest }),
    ]
}

fn value(number: u8) -> f64 {
    match number {
        0 => crate::model::sample::STALE_NAN,
        1 => f64::INFINITY,
        2..100 => f64::from(number),
        _ => f64::from(number) / 7.0,
    }
}

/// Time -> bits, by series.
type Model = BTreeMap<usize, BTreeMap<i64, u64>>;

fn commit_both(storage: &Storage, model: &mut Model, series: &[(usize, u8)], at: i64) {
    let mut appender = storage.appender();
    let mut pending = Vec::new();
    for (number, v) in series {
        let v = value(*v);
        let samples = model.entry(*number).or_default();
        let last = samples.last_key_value().map(|(t, bits)| (*t, *bits));
        let want = match last {
            Some((t, _)) if t > at => false,
            Some((t, bits)) if t == at => bits == v.to_bits(),
            _ => true,
        };
        let series = appender.series(&labels(*number)).expect("room");
        assert_eq!(appender.append(series, at, v).is_ok(), want);
        if want {
            pending.push((*number, v.to_bits()));
        }
    }
    appender.commit().expect("logged");
    for (number, bits) in pending {
        model.entry(number).or_default().entry(at).or_insert(bits);
    }
}

fn expected(model: &Model, after: i64, until: i64, newest: bool) -> Contents {
    let window = |samples: &BTreeMap<i64, u64>| -> Vec<(i64, u64)> {
        let inside: Vec<(i64, u64)> = samples
            .iter()
            .filter(|(t, _)| **t > after && **t <= until)
            .map(|(t, bits)| (*t, *bits))
            .collect();
        if newest {
            inside.last().copied().into_iter().collect()
        } else {
            inside
        }
    };
    model
        .iter()
        .map(|(number, samples)| (labels(*number).to_string(), window(samples)))
        .filter(|(_, samples)| !samples.is_empty())
        .collect()
}

fn asked(storage: &Storage, after_ms: i64, until_ms: i64, newest_only: bool) -> Contents {
    let found = storage.select(&SelectRequest {
        matchers: &everything(),
        after_ms,
        until_ms,
        newest_only,
        max_samples: usize::MAX,
    });
    let bits = |series: &crate::storage::query::Series| {
        let samples = series.samples.iter();
        samples
            .map(|sample| (sample.timestamp_ms, sample.value.to_bits()))
            .collect()
    };
    let found = found.expect("no limit");
    found
        .iter()
        .map(|series| (series.labels.to_string(), bits(series)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_store_answers_as_a_plain_map_does(steps in proptest::collection::vec(step(), 1..250)) {
        let (disk, clock) = (MemoryDisk::default(), clock());
        let config = StorageConfig {
            // Nothing runs out: retention has its own test.
            retention: Duration::from_secs(3600 * 24 * 365),
            segment_bytes: 500,
            ..config()
        };
        let mut storage = open_with(&disk, &clock, config.clone());
        let mut model = Model::new();
        for step in steps {
            let now = clock.now().millis();
            match step {
                Step::Commit { series, late } => commit_both(&storage, &mut model, &series, now - late),
                Step::Forget { series } => {
                    let mut appender = storage.appender();
                    for number in series {
                        let series = appender.series(&labels(number)).expect("room");
                        appender.append(series, now + 1, 1.0).expect("later than all");
                    }
                }
                Step::Pass { seconds } => clock.advance(Duration::from_secs(seconds)),
                Step::Maintain => storage.maintain(clock.now()),
                Step::Checkpoint => {
                    storage.0.log.lock().as_mut().expect("on disk").checkpoint_failed();
                    storage.maintain(clock.now());
                }
                Step::Restart => {
                    drop(storage);
                    storage = open_with(&disk, &clock, config.clone());
                    prop_assert_eq!(storage.metrics().wal_corruptions.get(), 0);
                }
                Step::Ask { after, until, newest } => {
                    let (after, until) = (now - after * 1000, now - until * 1000);
                    prop_assert_eq!(asked(&storage, after, until, newest), expected(&model, after, until, newest));
                }
            }
        }
        prop_assert_eq!(contents(&storage), expected(&model, i64::MIN, i64::MAX, false));
        drop(storage);
        let storage = open_with(&disk, &clock, config);
        prop_assert_eq!(contents(&storage), expected(&model, i64::MIN, i64::MAX, false));
    }
}
