//! Evaluation against a few series held in a list.

use std::time::Duration;

use super::*;
use crate::model::matcher::Matcher;
use crate::model::sample::STALE_NAN;
use crate::promql::parser::{parse, parse_selector};
use crate::storage::query::SelectRequest;

mod engine;

/// Series in a list.
#[derive(Default)]
struct Source(Vec<Series>);

impl Source {
    /// One series a line: a selector, then a value each minute from zero on; `_` is no sample, `stale` a stale marker.
    fn each_minute(lines: &str) -> Self {
        let series = lines
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| {
                let (series, values) = match line.find('}') {
                    Some(end) => line.split_at(end + 1),
                    None => line.split_at(line.find(' ').expect("values")),
                };
                let samples = values
                    .split_whitespace()
                    .zip(0..)
                    .filter(|(value, _)| *value != "_")
                    .map(|(value, minute)| Sample {
                        timestamp_ms: minute * 60_000,
                        value: match value {
                            "stale" => STALE_NAN,
                            value => value.parse().expect("a float"),
                        },
                    })
                    .collect();
                let matchers = parse_selector(series).expect("a series");
                Series {
                    labels: Labels::from_pairs(
                        matchers
                            .iter()
                            .map(|matcher| (matcher.name(), matcher.value())),
                    ),
                    samples,
                }
            })
            .collect();
        Self(series)
    }
}

impl Queryable for Source {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Vec<Series>, QueryError> {
        let found: Vec<_> = self
            .0
            .iter()
            .filter(|series| {
                request
                    .matchers
                    .iter()
                    .all(|matcher| matcher.matches_labels(&series.labels))
            })
            .map(|series| {
                let mut samples = series.samples.clone();
                samples.retain(|sample| {
                    (request.after_ms + 1..=request.until_ms).contains(&sample.timestamp_ms)
                });
                if request.newest_only {
                    samples.drain(..samples.len().saturating_sub(1));
                }
                Series {
                    labels: series.labels.clone(),
                    samples,
                }
            })
            .filter(|series| !series.samples.is_empty())
            .collect();
        let samples: usize = found.iter().map(|series| series.samples.len()).sum();
        if samples > request.max_samples {
            return Err(QueryError::TooManySamples {
                limit: request.max_samples,
            });
        }
        Ok(found)
    }

    fn label_names(&self, _: &[Vec<Matcher>], _: i64, _: i64) -> Result<Vec<String>, QueryError> {
        Ok(Vec::new())
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Vec<Matcher>],
        _: i64,
        _: i64,
    ) -> Result<Vec<String>, QueryError> {
        Ok(Vec::new())
    }

    fn series(&self, _: &[Vec<Matcher>], _: i64, _: i64) -> Result<Vec<Labels>, QueryError> {
        Ok(Vec::new())
    }
}

fn instant(source: &Source, text: &str, at_s: i64) -> Result<QueryResult, EvalError> {
    let expr = parse(text).expect(text);
    let deadline = Deadline::after(Duration::from_secs(60));
    let query = Query {
        text,
        expr: &expr,
        deadline: &deadline,
    };
    Engine::default().instant(source, &query, at_s * 1000)
}

fn range(source: &Source, text: &str, range: QueryRange) -> Result<QueryResult, EvalError> {
    let expr = parse(text).expect(text);
    let deadline = Deadline::after(Duration::from_secs(60));
    let query = Query {
        text,
        expr: &expr,
        deadline: &deadline,
    };
    Engine::default().range(source, &query, range)
}

fn print(value: &QueryValue) -> String {
    let samples = |samples: &[Sample]| -> String {
        samples
            .iter()
            .map(|sample| format!(" {}@{}", sample.value, sample.timestamp_ms / 1000))
            .collect()
    };
    match value {
        QueryValue::Scalar { value, .. } => value.to_string(),
        QueryValue::String { value, .. } => value.clone(),
        QueryValue::Vector(vector) => vector
            .iter()
            .map(|sample| format!("{} {}", sample.labels, sample.value))
            .collect::<Vec<_>>()
            .join("; "),
        QueryValue::Matrix(series) => series
            .iter()
            .map(|series| format!("{}{}", series.labels, samples(&series.samples)))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

/// An instant query's value, or its error.
fn check(lines: &str, text: &str, at_s: i64, want: &str) {
    let got = match instant(&Source::each_minute(lines), text, at_s) {
        Ok(result) => print(&result.value),
        Err(error) => format!("error: {error}"),
    };
    assert_eq!(got, want, "{text} at {at_s}");
}

#[test]
fn windows_are_open_on_the_left() {
    let lines = "x 0 1 2 3 4 5 6 7 8 9 10";
    check(lines, "count_over_time(x[5m])", 600, "{} 5");
    check(lines, "count_over_time(x[5m])", 599, "{} 5");
    check(lines, "count_over_time(x[1m])", 630, "{} 1");
    check(lines, "count_over_time(x[1m])", 660, "");
    check(lines, "x", 899, "x 10");
    check(lines, "x", 900, "");
    check(lines, "x[2m] @ 240", 0, "x 3@180 4@240");
}

#[test]
fn a_stale_marker_ends_a_series_at_once_and_is_no_sample() {
    let lines = "x 1 2 stale _ 5";
    check(lines, "x", 119, "x 2");
    check(lines, "x", 120, "");
    check(lines, "x", 239, "");
    check(lines, "x", 240, "x 5");
    check(lines, "sum_over_time(x[10m])", 240, "{} 8");
    check(lines, "timestamp(x)", 250, "{} 240");
}

#[test]
fn subqueries_align_to_multiples_of_their_step() {
    let lines = "x 0 1 2 3 4 5 6 7 8 9 10";
    check(lines, "x[3m:2m]", 430, "x 6@360");
    check(lines, "x[2m:1m] offset 1m", 430, "x 5@300 6@360");
    check(lines, "sum_over_time(x[4m:2m])", 480, "{} 14");
    check(lines, "max_over_time((x + 1)[2m:])", 480, "{} 9");
}

#[test]
fn rates_reach_for_the_edges_but_never_below_zero() {
    check(
        "x_total 0 60 120 180 240 300",
        "increase(x_total[5m])",
        300,
        "{} 300",
    );
    check(
        "x_total _ 60 120 180 240 300",
        "rate(x_total[5m])",
        300,
        "{} 1",
    );
    // A counter that began with 6 was zero 6 s earlier.
    check("x_total 6 66 126", "increase(x_total[5m])", 120, "{} 126");
    check("x 6 66 126", "delta(x[5m])", 120, "{} 150");
    check(
        "x_total 10 20 5 15",
        "increase(x_total[3m10s])",
        180,
        "{} 26.38888888888889",
    );
    check("x_total 10", "rate(x_total[5m])", 0, "");
}

#[test]
fn rates_of_what_is_no_counter_are_remarked_upon() {
    let source = Source::each_minute("x 1 2 3\ny_total 1 2 3");
    let infos = |text: &str| instant(&source, text, 120).expect(text).infos;
    assert_eq!(
        infos("1 +\n rate(x[5m])"),
        [
            "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"x\" (2:7)"
        ]
    );
    assert!(infos("rate(y_total[5m])").is_empty());
    assert!(infos("delta(x[5m])").is_empty());
}

#[test]
fn series_that_only_their_names_tell_apart_do_not_survive_dropping_them() {
    let lines = "a{x=\"1\"} 1 2\nb{x=\"1\"} 1 2";
    let same = "error: vector cannot contain metrics with the same labelset";
    check(lines, "rate({x=\"1\"}[5m])", 60, same);
    check(lines, "-{x=\"1\"}", 60, same);
    check(lines, "{x=\"1\"} > 1", 60, "a{x=\"1\"} 2; b{x=\"1\"} 2");
    check(lines, "sum({x=\"1\"})", 60, "{} 4");
    check(
        lines,
        "last_over_time({x=\"1\"}[5m])",
        60,
        "a{x=\"1\"} 2; b{x=\"1\"} 2",
    );
}

#[test]
fn series_that_follow_each_other_under_one_label_set_are_one() {
    let lines = "a 1 stale\nb _ 2";
    let got = range(
        &Source::each_minute(lines),
        "-{__name__=~\"a|b\"}",
        QueryRange {
            start_ms: 0,
            end_ms: 60_000,
            step_ms: 60_000,
        },
    );
    assert_eq!(print(&got.expect("no overlap").value), "{} -1@0 -2@60");
}

#[test]
fn comparisons_filter_and_bool_answers() {
    let lines = "a{x=\"1\"} 1\na{x=\"2\"} 2";
    check(lines, "a > 1", 0, "a{x=\"2\"} 2");
    check(lines, "1 < a", 0, "a{x=\"2\"} 2");
    check(lines, "a > bool 1", 0, "{x=\"1\"} 0; {x=\"2\"} 1");
    check(lines, "a == a", 0, "a{x=\"1\"} 1; a{x=\"2\"} 2");
    check(lines, "a == on (x) a", 0, "{x=\"1\"} 1; {x=\"2\"} 2");
    check(lines, "1 == bool 2", 0, "0");
}

#[test]
fn vectors_match_by_their_labels() {
    let lines = "
        errors{code=\"500\", path=\"/a\"} 3
        errors{code=\"503\", path=\"/a\"} 1
        requests{path=\"/a\"} 8
        requests{path=\"/b\"} 2
        build{path=\"/a\", version=\"7\"} 1";
    check(
        lines,
        "errors / on (path) group_left requests",
        0,
        "{code=\"500\", path=\"/a\"} 0.375; {code=\"503\", path=\"/a\"} 0.125",
    );
    check(
        lines,
        "requests * on (path) group_left (version) build",
        0,
        "{path=\"/a\", version=\"7\"} 8",
    );
    check(
        lines,
        "requests - ignoring (version) build",
        0,
        "{path=\"/a\"} 7",
    );
    check(
        lines,
        "errors / on (path) requests",
        0,
        "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
    );
    check(
        lines,
        "requests / on (path) errors",
        0,
        "error: found duplicate series for the match group {path=\"/a\"} on the right hand-side of the operation: \
         [{__name__=\"errors\", code=\"500\", path=\"/a\"}, {__name__=\"errors\", code=\"503\", path=\"/a\"}];\
         many-to-many matching not allowed: matching labels must be unique on one side",
    );
    check(
        lines,
        "label_replace(errors, \"code\", \"\", \"\", \"\") * on (path) group_left requests",
        0,
        "error: vector cannot contain metrics with the same labelset",
    );
    check(
        lines,
        "errors * on (path) group_left (code) requests",
        0,
        "error: multiple matches for labels: grouping labels must ensure unique matches",
    );
}

#[test]
fn set_operators_look_at_labels_only() {
    let lines = "a{x=\"1\"} 1\na{x=\"2\"} 2\nb{x=\"2\"} 5\nb{x=\"3\"} 6";
    check(lines, "a and b", 0, "a{x=\"2\"} 2");
    check(lines, "a unless b", 0, "a{x=\"1\"} 1");
    check(
        lines,
        "a or b",
        0,
        "a{x=\"1\"} 1; a{x=\"2\"} 2; b{x=\"3\"} 6",
    );
    check(lines, "sum(nothing) or vector(0)", 0, "{} 0");
    check(
        lines,
        "a and on () vector(1)",
        0,
        "a{x=\"1\"} 1; a{x=\"2\"} 2",
    );
}

#[test]
fn aggregations_group_and_pick() {
    let lines = "
        a{job=\"x\", pod=\"1\"} 1
        a{job=\"x\", pod=\"2\"} 5
        a{job=\"y\", pod=\"3\"} 3";
    check(lines, "sum by (job) (a)", 0, "{job=\"x\"} 6; {job=\"y\"} 3");
    check(
        lines,
        "avg without (pod) (a)",
        0,
        "{job=\"x\"} 3; {job=\"y\"} 3",
    );
    check(lines, "max(a) - min(a)", 0, "{} 4");
    check(lines, "count by (__name__) (a)", 0, "a 3");
    check(lines, "stddev(a)", 0, "{} 1.632993161855452");
    check(
        lines,
        "topk(2, a)",
        0,
        "a{job=\"x\", pod=\"2\"} 5; a{job=\"y\", pod=\"3\"} 3",
    );
    check(
        lines,
        "bottomk by (job) (1, a)",
        0,
        "a{job=\"x\", pod=\"1\"} 1; a{job=\"y\", pod=\"3\"} 3",
    );
    check(lines, "quantile(0.5, a)", 0, "{} 3");
    check(
        lines,
        "count_values by (job) (\"v\", a > 1)",
        0,
        "{job=\"x\", v=\"5\"} 1; {job=\"y\", v=\"3\"} 1",
    );
    check(lines, "sum(a > 9)", 0, "");
    check(lines, "topk(NaN, a)", 0, "error: Parameter value is NaN");
}

#[test]
fn absence_carries_the_labels_asked_for() {
    check(
        "",
        "absent(up{job=\"a\", path=~\".+\", zone!=\"b\"})",
        0,
        "{job=\"a\"} 1",
    );
    check(
        "",
        "absent(up{job=\"a\", job=\"b\", x=\"y\"})",
        0,
        "{x=\"y\"} 1",
    );
    check("", "absent(sum(up{job=\"a\"}))", 0, "{} 1");
    check("up 1", "absent(up)", 0, "");
    check("up 1", "absent_over_time(up{x=\"\"}[5m])", 299, "");
    check("up 1", "absent_over_time(up{x=\"\"}[5m])", 300, "{} 1");
}

#[test]
fn quantiles_of_histograms_interpolate_and_tell_of_broken_buckets() {
    let lines = "
        h_bucket{le=\"0.1\"} 50
        h_bucket{le=\"1\"} 90
        h_bucket{le=\"+Inf\"} 100
        bad_bucket{le=\"1\"} 10
        bad_bucket{le=\"2\"} 8
        bad_bucket{le=\"+Inf\"} 12";
    check(lines, "histogram_quantile(0.5, h_bucket)", 0, "{} 0.1");
    check(lines, "histogram_quantile(0.7, h_bucket)", 0, "{} 0.55");
    check(lines, "histogram_quantile(0.99, h_bucket)", 0, "{} 1");
    check(lines, "histogram_fraction(0, 0.1, h_bucket)", 0, "{} 0.5");
    let result = instant(
        &Source::each_minute(lines),
        "histogram_quantile(0.5, bad_bucket)",
        0,
    )
    .expect("a quantile");
    assert_eq!(print(&result.value), "{} 0.6");
    assert!(
        result.infos[0].ends_with(
            "from buckets 2 to 2, with a max diff of 2, over 1 samples from 1970-01-01T00:00:00Z to \
             1970-01-01T00:00:00Z (1:25)"
        ),
        "{:?}",
        result.infos
    );
}
