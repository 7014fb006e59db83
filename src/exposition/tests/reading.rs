//! What is read from good input.

use crate::exposition::format::Format::{self, OpenMetrics, PrometheusText};
use crate::exposition::labels::LabelBuf;
use crate::exposition::report::{OwnedSample, parse_all};
use crate::exposition::{Entry, MetricKind, Parser, SampleEntry};

/// Name, labels, value and timestamp, as `name{a=b} 1 @2`.
fn show(sample: &OwnedSample) -> String {
    let labels: Vec<String> = sample
        .labels
        .iter()
        .filter(|(name, _)| name != "__name__")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let time = sample
        .timestamp_ms
        .map(|time| format!(" @{time}"))
        .unwrap_or_default();
    format!(
        "{}{{{}}} {}{time}",
        sample.name(),
        labels.join(","),
        sample.value
    )
}

#[track_caller]
fn check(format: Format, cases: &[(&str, &[&str])]) {
    for (body, samples) in cases {
        let got = parse_all(body.as_bytes(), format).expect(body);
        let got: Vec<String> = got.iter().map(show).collect();
        assert_eq!(got, *samples, "{body:?}");
    }
}

#[test]
fn the_text_format_is_free_with_blanks() {
    check(
        PrometheusText,
        &[
            ("", &[]),
            ("\n \t\n", &[]),
            ("  a 1", &["a{} 1"]),
            ("a\t{ x = \"1\" , } 2\t3 \n", &["a{x=1} 2 @3"]),
            ("a{x=\"1\"}2", &["a{x=1} 2"]),
            ("a{y=\"1\" x=\"2\"} 3\n", &["a{x=2,y=1} 3"]),
            ("# EOF\na 1\n", &["a{} 1"]),
            ("#HELP\n# HELPa\n#\tTYPE a gauge\na 1\n", &["a{} 1"]),
            (
                "{\"a.b\",x=\"1\"} 1\n{x=\"1\",\"a.b\"} 2\n",
                &["a.b{x=1} 1", "a.b{x=1} 2"],
            ),
            ("a{\"x.y\"=\"1\"} 1\n", &["a{x.y=1} 1"]),
            ("a{x=\"1\n2\"} 1\nb 2\n", &["a{x=1\n2} 1", "b{} 2"]),
        ],
    );
}

#[test]
fn openmetrics_counts_seconds() {
    check(
        OpenMetrics,
        &[
            ("a 1 1\n# EOF", &["a{} 1 @1000"]),
            ("a 1 -1.25\n# EOF\n", &["a{} 1 @-1250"]),
            ("a 1 1520879607.789\n# EOF\n", &["a{} 1 @1520879607789"]),
            ("a 1 1e3\n# EOF\n", &["a{} 1 @1000000"]),
            ("a{} +Inf\n# EOF\n", &["a{} inf"]),
            ("a{x=\"1\",} 1\n# EOF\n", &["a{x=1} 1"]),
        ],
    );
}

#[test]
fn escapes_are_undone_in_names_and_values() {
    check(
        PrometheusText,
        &[
            (r#"a{x="\\ \" \n \t \é"} 1"#, &["a{x=\\ \" \n \\t \\é} 1"]),
            (r#"{"a\"b\\c","x\ny"="1"} 1"#, &["a\"b\\c{x\ny=1} 1"]),
            ("a{x=\"\0\"} 1", &["a{x=\0} 1"]),
            ("a{x=\"}{\"} 1", &["a{x=}{} 1"]),
        ],
    );
}

#[test]
fn bounds_are_unified_within_their_type_only() {
    check(
        PrometheusText,
        &[
            (
                "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n",
                &["h_bucket{le=1.0} 1"],
            ),
            (
                "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\n",
                &["h_bucket{le=+Inf} 1"],
            ),
            (
                "# TYPE h histogram\nh_bucket{le=\"x\",quantile=\"1\"} 1\n",
                &["h_bucket{le=x,quantile=1} 1"],
            ),
            (
                "# TYPE s summary\ns{quantile=\"1\",le=\"1\"} 1\n",
                &["s{le=1,quantile=1.0} 1"],
            ),
            ("h_bucket{le=\"1\"} 1\n", &["h_bucket{le=1} 1"]),
        ],
    );
}

#[test]
fn metadata_is_read_with_its_family() {
    let text = "# HELP a.b x\n# HELP \"a.b\" say \\\"hi\\\"\\n\n# TYPE a untyped\n";
    let mut parser = Parser::new(&text.as_bytes()[13..], PrometheusText);
    let Ok(Some(Entry::Help { metric, text })) = parser.next_entry() else {
        panic!("help comes first");
    };
    assert_eq!(
        (&*metric.decode(), &*text.decode()),
        ("a.b", "say \\\"hi\\\"\n")
    );
    let Ok(Some(Entry::Type { metric, kind })) = parser.next_entry() else {
        panic!("then the type");
    };
    assert_eq!((&*metric.decode(), kind), ("a", MetricKind::Unknown));
    assert_eq!(parser.next_entry(), Ok(None));

    let mut parser = Parser::new(
        b"# UNIT a_seconds seconds\n# HELP a \\\"hi\\\"\n# EOF\n",
        OpenMetrics,
    );
    let Ok(Some(Entry::Unit { metric, unit })) = parser.next_entry() else {
        panic!("the unit comes first");
    };
    assert_eq!((&*metric.decode(), unit), ("a_seconds", "seconds"));
    let Ok(Some(Entry::Help { text, .. })) = parser.next_entry() else {
        panic!("then the help");
    };
    assert_eq!(text.decode(), "\"hi\"");
    assert_eq!(parser.next_entry(), Ok(None));
    assert_eq!(parser.next_entry(), Ok(None));
}

#[test]
fn exemplars_belong_to_their_sample() {
    let body = b"a 1 2 # {t=\"x y\",\"u.v\"=\"\\\"\"} 0.5 1.5\nb 1 # {} 4\nc 1\n# EOF\n";
    let samples = parse_all(body, OpenMetrics).expect("good");
    let exemplars: Vec<_> = samples
        .iter()
        .map(|sample| {
            let exemplar = sample.exemplar.as_ref()?;
            Some((
                exemplar.labels.clone(),
                exemplar.value,
                exemplar.timestamp_ms,
            ))
        })
        .collect();
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        exemplars,
        [
            Some((vec![label("t", "x y"), label("u.v", "\"")], 0.5, Some(1500))),
            Some((vec![], 4.0, None)),
            None,
        ]
    );
}

fn samples<'a>(body: &'a str, format: Format, guesses: &[&str]) -> Vec<SampleEntry<'a>> {
    let mut parser = Parser::new(body.as_bytes(), format);
    let mut guesses = guesses.iter();
    let mut samples = Vec::new();
    loop {
        let guess = guesses.next().copied().unwrap_or_default();
        match parser.next_like(guess.as_bytes()).expect(body) {
            Some(Entry::Sample(sample)) => samples.push(sample),
            Some(_) => {}
            None => return samples,
        }
    }
}

#[test]
fn a_guess_never_changes_what_is_read() {
    for (format, body) in [
        (
            PrometheusText,
            "ab 1\nab{x=\"}\"} 2 3\nab {y=\"1\"} 3\nab\t4\nab+5\n\n  ab 6",
        ),
        (
            OpenMetrics,
            "ab 1\nab{x=\"}\"} 2 3 # {y=\"1\"} 4\nab{} 3\n# EOF\n",
        ),
    ] {
        let plain = samples(body, format, &[]);
        assert!(plain.len() >= 3);
        for guess in ["a", "ab", "ab{}", "ab{x=\"}\"}", "ab {y=\"1\"}", "b"] {
            assert_eq!(
                samples(body, format, &[guess; 9]),
                plain,
                "{format:?} {guess}"
            );
        }
    }
}

#[test]
fn a_buffer_holds_only_the_last_series() {
    let mut labels = LabelBuf::new();
    let read = samples("long_name{b=\"2\",a=\"1\"} 1\nc 1\n", PrometheusText, &[]);
    for sample in &read {
        sample.labels(&mut labels).expect("good");
    }
    assert_eq!(labels.iter().collect::<Vec<_>>(), [("__name__", "c")]);
    read[0].labels(&mut labels).expect("good");
    assert_eq!(labels.get("a"), Some("1"));
    assert_eq!(labels.get("c"), None);
    assert_eq!(
        labels.iter().collect::<Vec<_>>(),
        [("__name__", "long_name"), ("a", "1"), ("b", "2")]
    );
}

#[test]
fn an_empty_label_is_an_absent_one_once_stored() {
    let mut labels = LabelBuf::new();
    let read = samples("a{x=\"\",y=\"1\"} 1\n", PrometheusText, &[]);
    read[0].labels(&mut labels).expect("good");
    assert_eq!(labels.get("x"), Some(""));
    assert_eq!(labels.to_labels().to_string(), "a{y=\"1\"}");
}
