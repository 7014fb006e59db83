use super::*;
use crate::model::sample::STALE_NAN;
use proptest::prelude::*;

/// Appends all samples and reads all chunks back.
fn round_trip(samples: &[(i64, f64)]) -> (Vec<(i64, u64)>, usize) {
    let mut open = OpenChunk::default();
    let mut chunks = Vec::new();
    for (timestamp_ms, value) in samples {
        chunks.extend(open.append(*timestamp_ms, *value));
    }
    chunks.extend(open.snapshot());
    let mut bytes = 0;
    let mut back = Vec::new();
    for chunk in chunks {
        assert!(chunk.count <= CHUNK_SAMPLES);
        bytes += chunk.data.len();
        let mut padded = chunk.data.to_vec();
        padded.extend_from_slice(&[0; PADDING]);
        let before = back.len();
        back.extend(
            Decoder::new(chunk.start_ms, chunk.count, &padded)
                .map(|sample| (sample.timestamp_ms, sample.value.to_bits())),
        );
        assert_eq!(back[before].0, chunk.start_ms);
        assert_eq!(back[back.len() - 1].0, chunk.end_ms());
    }
    (back, bytes)
}

fn check(samples: &[(i64, f64)]) -> usize {
    let (back, bytes) = round_trip(samples);
    let want: Vec<(i64, u64)> = samples.iter().map(|(t, v)| (*t, v.to_bits())).collect();
    assert_eq!(back, want);
    bytes
}

#[test]
fn unusual_values_keep_their_bits() {
    let values = [
        0.0,
        -0.0,
        STALE_NAN,
        f64::NAN,
        f64::from_bits(0xfff8_0000_dead_beef),
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        9_007_199_254_740_992.0,
        -9_007_199_254_740_992.0,
        9_007_199_254_740_994.0,
        9.3e18,
        -9.3e18,
        1.0,
        0.1,
    ];
    let mut samples = Vec::new();
    for a in values {
        for b in values {
            let t = samples.len() as i64 * 15_000 - 1_000_000;
            samples.push((t, a));
            samples.push((t + 15_000, b));
        }
    }
    samples.dedup_by_key(|(t, _)| *t);
    samples
        .iter_mut()
        .enumerate()
        .for_each(|(i, (t, _))| *t = i as i64 * 15_000 - 1_000_000);
    check(&samples);
}

#[test]
fn extreme_timestamps_come_back() {
    check(&[(i64::MIN + 1, 1.0), (0, 2.0), (i64::MAX, 3.0)]);
    check(&[(-5, 1.0), (-4, 1.0), (7_000_000, 1.0), (7_000_001, 2.0)]);
}

#[test]
fn typical_series_stay_small() {
    let regular = |value: fn(i64) -> f64| -> Vec<(i64, f64)> {
        (0..1200)
            .map(|i| (1_700_000_000_000 + i * 15_000, value(i)))
            .collect()
    };
    let per_sample = |samples: Vec<(i64, f64)>| check(&samples) as f64 / samples.len() as f64;
    let figures = [
        per_sample(regular(|_| 42.5)),
        per_sample(regular(|i| (i * 7 + i % 3) as f64)),
        per_sample(regular(|i| (i * 1500 + (i * 37) % 200) as f64)),
    ];
    assert!(
        figures[0] < 0.4 && figures[1] < 1.3 && figures[2] < 2.5,
        "{figures:?}"
    );
}

#[test]
fn broken_bits_never_panic() {
    let mut bytes: Vec<u8> = (0..200_u32).map(|i| (i * 151 % 256) as u8).collect();
    for first in 0..=255 {
        bytes[8] = first;
        assert!(Decoder::new(i64::MAX - 3, 5000, &bytes).count() <= 5000);
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(STALE_NAN),
        Just(1.0),
        any::<u64>().prop_map(f64::from_bits),
        any::<i32>().prop_map(f64::from),
        any::<i64>().prop_map(|number| number as f64),
        (0..100_000_u32).prop_map(|number| f64::from(number) / 100.0),
    ]
}

proptest! {
    #[test]
    fn samples_come_back_as_they_went_in(
        start in -1_000_000_000_000..2_000_000_000_000_i64,
        steps in proptest::collection::vec(
            (prop_oneof![Just(15_000_i64), 14_990..15_010_i64, 1..100_000_i64, 1..100_000_000_000_i64], value()), 1..400),
    ) {
        let mut now = start;
        let samples: Vec<(i64, f64)> = steps.into_iter().map(|(step, value)| { now += step; (now, value) }).collect();
        check(&samples);
    }

    #[test]
    fn a_reopened_chunk_continues_as_if_never_closed(values in proptest::collection::vec(value(), 1..120), more in proptest::collection::vec(value(), 1..100)) {
        let mut open = OpenChunk::default();
        let mut now = -7;
        for value in &values {
            now += 15_000;
            open.append(now, *value);
        }
        let mut reopened = OpenChunk::reopen(&open.snapshot().expect("not empty"));
        for value in &more {
            now += 15_000;
            prop_assert_eq!(open.append(now, *value), reopened.append(now, *value));
        }
        prop_assert_eq!(open.snapshot(), reopened.snapshot());
    }
}
