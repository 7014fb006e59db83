//! Samples written by test code, in the loosest spelling each format allows, come back equal.

use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::*;

use crate::exposition::format::Format::{self, OpenMetrics, PrometheusText};
use crate::exposition::report::parse_all;
use crate::exposition::{Entry, Parser};

#[derive(Debug, Clone)]
struct Wanted {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
    /// In whole seconds, which both formats can write.
    seconds: Option<i32>,
    trailing_comma: bool,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let name = || {
        prop_oneof![
            "[a-zA-Z_][a-zA-Z0-9_]{0,8}",
            "\\PC{1,8}",
            "[\"\\\\\n{},=#]{1,4}"
        ]
    };
    let value = prop_oneof![
        any::<f64>(),
        any::<i32>().prop_map(f64::from),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
    ];
    let labels = prop::collection::btree_map(
        name(),
        prop_oneof!["\\PC{0,8}", "[\"\\\\\nn{},=# ]{0,6}"],
        0..4,
    );
    // Text timestamps have no sign.
    let seconds = prop::option::of(0..i32::MAX);
    (name(), labels, value, seconds, any::<bool>()).prop_map(
        |(name, mut labels, value, seconds, trailing_comma)| {
            labels.remove("__name__");
            Wanted {
                name,
                labels,
                value,
                seconds,
                trailing_comma,
            }
        },
    )
}

fn bare(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn quote(text: &str) -> String {
    let escaped = text
        .replace('\\', r"\\")
        .replace('\n', r"\n")
        .replace('"', "\\\"");
    format!("\"{escaped}\"")
}

fn write(samples: &[Wanted], format: Format) -> String {
    let mut body = String::new();
    for sample in samples {
        let mut parts = Vec::new();
        if !bare(&sample.name) {
            parts.push(quote(&sample.name));
        }
        for (name, value) in &sample.labels {
            let name = if bare(name) {
                name.clone()
            } else {
                quote(name)
            };
            parts.push(format!("{name}={}", quote(value)));
        }
        if bare(&sample.name) {
            body.push_str(&sample.name);
        }
        if !parts.is_empty() {
            let comma = if sample.trailing_comma { "," } else { "" };
            write!(body, "{{{}{comma}}}", parts.join(",")).expect("a string takes all");
        }
        write!(body, " {}", sample.value).expect("a string takes all");
        if let Some(seconds) = sample.seconds {
            let zeros = if format == PrometheusText { "000" } else { "" };
            write!(body, " {seconds}{zeros}").expect("a string takes all");
        }
        body.push('\n');
    }
    if format == OpenMetrics {
        body.push_str("# EOF\n");
    }
    body
}

proptest! {
    #[test]
    fn what_was_written_is_read(samples in prop::collection::vec(wanted(), 0..6)) {
        for format in [PrometheusText, OpenMetrics] {
            let body = write(&samples, format);
            let got = parse_all(body.as_bytes(), format);
            let got = got.map_err(|error| TestCaseError::fail(format!("{error}\n{body}")))?;
            prop_assert_eq!(got.len(), samples.len());
            for (got, sample) in got.iter().zip(&samples) {
                let mut labels = sample.labels.clone();
                labels.insert("__name__".to_owned(), sample.name.clone());
                prop_assert_eq!(&got.labels, &labels.into_iter().collect::<Vec<_>>());
                prop_assert!(got.value == sample.value || got.value.is_nan() && sample.value.is_nan());
                prop_assert_eq!(got.timestamp_ms, sample.seconds.map(|seconds| i64::from(seconds) * 1000));
            }
        }
    }

    #[test]
    fn any_bytes_end_in_samples_or_an_error(mut body in prop::collection::vec(any::<u8>(), 0..64), text in any::<bool>()) {
        let format = if text { PrometheusText } else { OpenMetrics };
        // Mostly bytes that mean something.
        for byte in &mut body {
            if *byte & 1 == 0 {
                let alphabet = b"a:1 \t\n\"\\{}=,#HELPTYUNIOF.+-";
                *byte = alphabet[usize::from(*byte >> 1) % alphabet.len()];
            }
        }
        if let Err(error) = parse_all(&body, format) {
            prop_assert!(error.to_string().chars().count() < 240);
        }
    }

    #[test]
    fn guessing_the_series_reads_the_same(samples in prop::collection::vec(wanted(), 1..5), shift in 0_usize..3) {
        for format in [PrometheusText, OpenMetrics] {
            let body = write(&samples, format);
            let read = |guesses: &[&[u8]]| {
                let mut parser = Parser::new(body.as_bytes(), format);
                let mut entries = Vec::new();
                for index in 0.. {
                    let guess = guesses.get(index).copied().unwrap_or_default();
                    match parser.next_like(guess) {
                        Ok(Some(Entry::Sample(sample))) => entries.push(sample.series.to_vec()),
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(error) => return Err(error),
                    }
                }
                Ok(entries)
            };
            let plain = read(&[]).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let mut guesses: Vec<&[u8]> = plain.iter().map(Vec::as_slice).collect();
            guesses.rotate_left(shift % samples.len());
            prop_assert_eq!(read(&guesses).ok(), Some(plain.clone()));
        }
    }
}
