//! What is rejected, with the exact place and words.

use crate::exposition::format::Format::{self, OpenMetrics, PrometheusText};
use crate::exposition::labels::LabelBuf;
use crate::exposition::report::parse_all;
use crate::exposition::{Entry, Parser};

#[track_caller]
fn check(format: Format, cases: &[(&str, &str)]) {
    for (body, error) in cases {
        let got = parse_all(body.as_bytes(), format).expect_err(body);
        assert_eq!(got.to_string(), *error, "{body:?}");
    }
}

#[test]
fn the_text_format_says_where_and_what() {
    check(
        PrometheusText,
        &[
            (
                "a 1\nb 2\nrequests{x=\"1\"} abc\n",
                r#"line 3, column 17: expected a number as the value, got "abc""#,
            ),
            (
                "a\n",
                "line 1, column 2: expected a number as the value, got the end of the line",
            ),
            (
                "a",
                "line 1, column 2: expected a number as the value, got the end of the input",
            ),
            (
                "a ",
                "line 1, column 3: expected a number as the value, got the end of the input",
            ),
            (
                "a 1e999\n",
                r#"line 1, column 3: expected a number as the value within range, got "1e999""#,
            ),
            (
                "a 1 -5\n",
                r#"line 1, column 5: expected a timestamp in milliseconds or the end of the line, got "-5""#,
            ),
            (
                "a 1 1.5\n",
                r#"line 1, column 6: expected the end of the line after the timestamp, got ".5""#,
            ),
            (
                "a 1 2 3\n",
                r#"line 1, column 7: expected the end of the line after the timestamp, got "3""#,
            ),
            (
                "a 1 9223372036854775808\n",
                r#"line 1, column 5: expected a timestamp in milliseconds within range, got "9223372036854775808""#,
            ),
            (
                "9a 1\n",
                r#"line 1, column 1: expected a metric name, got "9a""#,
            ),
            (
                "\u{0}\n",
                r#"line 1, column 1: expected a metric name, got "\0""#,
            ),
            (
                "a{1x=\"1\"} 1\n",
                r#"line 1, column 3: expected a label name or `}`, got "1x=\"1\"}""#,
            ),
            (
                "a{é=\"1\"} 1\n",
                r#"line 1, column 3: expected a label name or `}`, got "é=\"1\"}""#,
            ),
            (
                "a{x=\"é\",y z} 1\n",
                r#"line 1, column 11: expected `=` after the label name, got "z}""#,
            ),
            (
                "a{x=1} 1\n",
                r#"line 1, column 5: expected a label value in double quotes, got "1}""#,
            ),
            (
                "a{x=\"1} 1\n",
                r#"line 1, column 5: expected a closing quote for the label value, got "\"1}""#,
            ),
            (
                "a{x=\"1\",,y=\"2\"} 1\n",
                r#"line 1, column 9: expected a label name or `}`, got ",y=\"2\"}""#,
            ),
            (
                "a{x=\"1\"\n",
                "line 1, column 8: expected a label name or `}`, got the end of the line",
            ),
            (
                "a{x=\"1\"",
                "line 1, column 8: expected a label name or `}`, got the end of the input",
            ),
            ("{x=\"1\"} 1\n", "line 1, column 1: metric name is missing"),
            ("a{\"b\"} 1\n", "line 1, column 3: metric name is set twice"),
            (
                "{\"a\",x=\"1\",\"b\"} 1\n",
                "line 1, column 12: metric name is set twice",
            ),
            (
                "a 1\nb{x=\"1\",y=\"2\",x=\"3\"} 1\n",
                r#"line 2, column 15: label "x" is set twice"#,
            ),
            (
                "a{__name__=\"b\"} 1\n",
                r#"line 1, column 3: label "__name__" is set twice"#,
            ),
            ("a{\"\"=\"1\"} 1\n", "line 1, column 4: label name is empty"),
            ("{\"\"} 1\n", "line 1, column 3: metric name is empty"),
            (
                "# TYPE a info\n",
                r#"line 1, column 10: unknown metric type "info", use one of counter, gauge, histogram, summary, untyped"#,
            ),
            (
                "# TYPE a\n",
                "line 1, column 9: expected a type after the metric name, got the end of the line",
            ),
            (
                "# HELP \n",
                "line 1, column 8: expected a metric name after HELP, got the end of the line",
            ),
            (
                "# TYPE 1a gauge\n",
                r#"line 1, column 8: expected a metric name after TYPE, got "1a""#,
            ),
            (
                "a 1\r\n",
                r#"line 1, column 3: expected a number as the value, got "1\r""#,
            ),
        ],
    );
}

#[test]
fn openmetrics_says_where_and_what() {
    check(
        OpenMetrics,
        &[
            (
                "",
                "line 1, column 1: expected # EOF at the end of the input",
            ),
            (
                "a 1\n",
                "line 2, column 1: expected # EOF at the end of the input",
            ),
            (
                "a 1",
                "line 1, column 4: expected # EOF at the end of the input",
            ),
            (
                "# EOF\na 1\n",
                r#"line 2, column 1: unexpected data after # EOF, got "a 1\n""#,
            ),
            (
                "# EOF\n\n",
                r#"line 2, column 1: unexpected data after # EOF, got "\n""#,
            ),
            (
                "# EOFx\n",
                r#"line 1, column 6: unexpected data after # EOF, got "x\n""#,
            ),
            (
                "a 1\n\n# EOF\n",
                "line 2, column 1: expected a metric name, got the end of the line",
            ),
            (
                " a 1\n# EOF\n",
                r#"line 1, column 1: expected a metric name, got " ""#,
            ),
            (
                "a  1\n# EOF\n",
                r#"line 1, column 3: expected a number as the value, got " ""#,
            ),
            (
                "a\t1\n# EOF\n",
                r#"line 1, column 2: expected one space before the number, got "\t""#,
            ),
            (
                "a{x=\"1\"}1\n# EOF\n",
                r#"line 1, column 9: expected one space before the number, got "1""#,
            ),
            (
                "a{x=\"1\" ,y=\"2\"} 1\n# EOF\n",
                r#"line 1, column 8: expected `,` or `}` after the label, got " ""#,
            ),
            (
                "a{x=\"1\n\"} 1\n# EOF\n",
                r#"line 1, column 5: expected a closing quote for the label value, got "\"1""#,
            ),
            (
                "a 1 \n# EOF\n",
                "line 1, column 5: expected a timestamp in seconds, got the end of the line",
            ),
            (
                "a 1 NaN\n# EOF\n",
                r#"line 1, column 5: expected a timestamp in seconds, got "NaN""#,
            ),
            (
                "a 1 1 1\n# EOF\n",
                r#"line 1, column 6: expected the end of the line, got " ""#,
            ),
            (
                "a 1 # {x=\"1\"}\n# EOF\n",
                "line 1, column 14: expected one space before the number, got the end of the line",
            ),
            (
                "a 1 # {x} 1\n# EOF\n",
                r#"line 1, column 9: expected `=` after the label name, got "}""#,
            ),
            (
                "a 1 # {\"x\"} 1\n# EOF\n",
                r#"line 1, column 11: expected `=` after the label name, got "}""#,
            ),
            (
                "a 1 # {} 1 inf\n# EOF\n",
                r#"line 1, column 12: expected a timestamp in seconds, got "inf""#,
            ),
            (
                "# a comment\n# EOF\n",
                "line 1, column 1: expected `# HELP `, `# TYPE `, `# UNIT ` or `# EOF`, got \"#\"",
            ),
            (
                "# HELP a\n# EOF\n",
                "line 1, column 9: expected text after the metric name, got the end of the line",
            ),
            (
                "# HELP a b",
                "line 1, column 11: expected # EOF at the end of the input",
            ),
            (
                "# TYPE a untyped\n# EOF\n",
                "line 1, column 10: unknown metric type \"untyped\", use one of counter, gauge, histogram, gaugehistogram, \
                 summary, info, stateset, unknown",
            ),
            (
                "# UNIT a seconds\n# EOF\n",
                r#"line 1, column 10: unit "seconds" is not the suffix of metric "a""#,
            ),
        ],
    );
}

#[test]
fn what_is_not_utf8_is_rejected_where_text_is_kept() {
    for (body, error) in [
        (
            &b"a{x=\"\xff\"} 1\n"[..],
            Some("line 1, column 6: series is not valid UTF-8"),
        ),
        (
            b"{\"b\xff\"} 1\n",
            Some("line 1, column 4: series is not valid UTF-8"),
        ),
        (
            b"# HELP a b\xff\n",
            Some("line 1, column 11: help text is not valid UTF-8"),
        ),
        (b"# b\xff\na 1\n", None),
    ] {
        let got = parse_all(body, PrometheusText)
            .err()
            .map(|error| error.to_string());
        assert_eq!(got.as_deref(), error, "{}", body.escape_ascii());
    }
    let exemplar = parse_all(b"a 1 # {x=\"\xff\"} 1\n# EOF\n", OpenMetrics);
    assert_eq!(
        exemplar.expect_err("not UTF-8").to_string(),
        "line 1, column 11: exemplar is not valid UTF-8"
    );
}

#[test]
fn asking_again_gives_the_same_error() {
    let mut parser = Parser::new(b"a 1\nb x\nc 1\n", PrometheusText);
    assert!(matches!(parser.next_entry(), Ok(Some(Entry::Sample(_)))));
    let first = parser.next_entry().expect_err("a bad value");
    assert_eq!(parser.next_entry(), Err(first));
}

#[test]
fn an_exemplar_over_the_limit_is_told_from_a_bad_scrape() {
    let mut labels = LabelBuf::new();
    for (value, fits) in [(127, true), (128, false)] {
        let body = format!("a 1 # {{x=\"{}\"}} 1\n# EOF\n", "é".repeat(value));
        let mut parser = Parser::new(body.as_bytes(), OpenMetrics);
        let Ok(Some(Entry::Sample(sample))) = parser.next_entry() else {
            panic!("the sample is good: {body}");
        };
        let exemplar = sample.exemplar.expect("an exemplar");
        assert_eq!(
            exemplar.labels(&mut labels).is_ok(),
            fits,
            "{value} characters"
        );
    }
}
