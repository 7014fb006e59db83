use super::*;
use proptest::prelude::*;

fn sample() -> impl Strategy<Value = LoggedSample> {
    let value = prop_oneof![
        Just(0.0),
        Just(-0.0),
        Just(f64::from_bits(STALE_NAN_BITS)),
        any::<u64>().prop_map(f64::from_bits),
        any::<i64>().prop_map(|number| number as f64),
        any::<f32>().prop_map(f64::from),
    ];
    (1..1_u64 << 40, any::<i64>(), value).prop_map(|(id, timestamp_ms, value)| LoggedSample {
        id,
        timestamp_ms,
        value,
    })
}

fn bodies(file: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut offset = 0;
    while let Frame::Body(body) = frame_at(file, offset) {
        found.push(body);
        offset += frame_len(body);
    }
    assert_eq!(offset, file.len());
    found
}

fn read_samples(file: &[u8]) -> Vec<(u64, i64, u64)> {
    let mut found = Vec::new();
    for body in bodies(file) {
        let Some(Body::Samples(mut samples)) = read_body(body) else {
            panic!("not samples");
        };
        while let Some(sample) = samples.next_sample().expect("well-formed") {
            found.push((sample.id, sample.timestamp_ms, sample.value.to_bits()));
        }
    }
    found
}

proptest! {
    #[test]
    fn samples_come_back_as_they_were_logged(samples in proptest::collection::vec(sample(), 1..50)) {
        let mut file = Vec::new();
        put_samples(&mut file, samples.iter().copied());
        let want: Vec<_> = samples.iter().map(|s| (s.id, s.timestamp_ms, s.value.to_bits())).collect();
        prop_assert_eq!(read_samples(&file), want);
    }

    #[test]
    fn definitions_come_back_as_they_were_logged(pairs in proptest::collection::btree_map(".{1,20}", ".{1,200}", 0..5), id in 1..1_u64 << 40) {
        let labels = Labels::from_pairs(&pairs);
        let mut file = Vec::new();
        put_definitions(&mut file, [(id, &labels), (1, &labels)].into_iter());
        let Some(Body::Definitions(mut input)) = read_body(bodies(&file)[0]) else {
            panic!("not definitions");
        };
        prop_assert_eq!(input.definition(), Some((id, labels.clone())));
        prop_assert_eq!(input.definition(), Some((1, labels)));
        prop_assert!(input.is_empty());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        match read_body(&bytes) {
            Some(Body::Samples(mut samples)) => while let Ok(Some(_)) = samples.next_sample() {},
            Some(Body::Definitions(mut input)) => while input.definition().is_some() {},
            Some(Body::Snapshot { mut chunks, .. }) => while chunks.chunk().is_some() {},
            Some(Body::Complete { .. }) | None => {}
        }
        frame_at(&bytes, 0);
    }
}

#[test]
fn a_steady_sample_takes_few_bytes() {
    let samples = (1..=1000).map(|id| LoggedSample {
        id,
        timestamp_ms: 1_700_000_000_000,
        value: (id % 100) as f64,
    });
    let mut file = Vec::new();
    put_samples(&mut file, samples);
    assert!(file.len() < 3000, "{}", file.len());
}

#[test]
fn a_very_large_commit_is_split() {
    let count = RECORD_SAMPLES as u64 * 2 + 1;
    let samples = (1..=count).map(|id| LoggedSample {
        id,
        timestamp_ms: 5,
        value: 1.0,
    });
    let mut file = Vec::new();
    put_samples(&mut file, samples);
    assert_eq!(bodies(&file).len(), 3);
    assert_eq!(read_samples(&file).len() as u64, count);
}
