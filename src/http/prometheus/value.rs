//! Query results as JSON, written straight into text: large results are common and their shape is fixed.

use std::fmt::Write;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::model::go_float;
use crate::model::labels::Labels;
use crate::promql::eval::{QueryResult, QueryValue};

/// The whole answer of a successful query.
pub(super) fn response(result: &QueryResult) -> Response {
    let mut out = String::with_capacity(256);
    out.push_str(r#"{"status":"success","data":{"resultType":""#);
    match &result.value {
        QueryValue::Scalar {
            timestamp_ms,
            value,
        } => {
            out.push_str(r#"scalar","result":"#);
            push_point(&mut out, *timestamp_ms, *value);
        }
        QueryValue::String {
            timestamp_ms,
            value,
        } => {
            out.push_str(r#"string","result":["#);
            push_time(&mut out, *timestamp_ms);
            out.push(',');
            push_text(&mut out, value);
            out.push(']');
        }
        QueryValue::Vector(samples) => {
            out.push_str(r#"vector","result":["#);
            for (i, sample) in samples.iter().enumerate() {
                push_comma(&mut out, i);
                push_metric(&mut out, &sample.labels);
                out.push_str(r#","value":"#);
                push_point(&mut out, sample.timestamp_ms, sample.value);
                out.push('}');
            }
            out.push(']');
        }
        QueryValue::Matrix(series) => {
            out.push_str(r#"matrix","result":["#);
            for (i, series) in series.iter().enumerate() {
                push_comma(&mut out, i);
                push_metric(&mut out, &series.labels);
                out.push_str(r#","values":["#);
                for (i, sample) in series.samples.iter().enumerate() {
                    push_comma(&mut out, i);
                    push_point(&mut out, sample.timestamp_ms, sample.value);
                }
                out.push_str("]}");
            }
            out.push(']');
        }
    }
    out.push('}');
    push_notes(&mut out, "warnings", &result.warnings);
    push_notes(&mut out, "infos", &result.infos);
    out.push('}');
    ([(CONTENT_TYPE, "application/json")], Body::from(out)).into_response()
}

fn push_notes(out: &mut String, key: &str, notes: &[String]) {
    if notes.is_empty() {
        return;
    }
    write!(out, r#","{key}":["#).expect("writing to a string cannot fail");
    for (i, note) in notes.iter().enumerate() {
        push_comma(out, i);
        push_text(out, note);
    }
    out.push(']');
}

fn push_comma(out: &mut String, i: usize) {
    if i > 0 {
        out.push(',');
    }
}

fn push_metric(out: &mut String, labels: &Labels) {
    out.push_str(r#"{"metric":{"#);
    for (i, (name, value)) in labels.iter().enumerate() {
        push_comma(out, i);
        push_text(out, name);
        out.push(':');
        push_text(out, value);
    }
    out.push('}');
}

fn push_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("a string is always valid JSON"));
}

fn push_point(out: &mut String, timestamp_ms: i64, value: f64) {
    out.push('[');
    push_time(out, timestamp_ms);
    write!(out, r#","{}"]"#, go_float::format_sample(value))
        .expect("writing to a string cannot fail");
}

/// Seconds with as many decimals as needed: `1435781430.781`, `1435781430`.
fn push_time(out: &mut String, timestamp_ms: i64) {
    let (sign, millis) = (
        if timestamp_ms < 0 { "-" } else { "" },
        timestamp_ms.unsigned_abs(),
    );
    write!(out, "{sign}{}", millis / 1000).expect("writing to a string cannot fail");
    if millis % 1000 != 0 {
        let fraction = format!("{:03}", millis % 1000);
        write!(out, ".{}", fraction.trim_end_matches('0'))
            .expect("writing to a string cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_with_the_decimals_they_need() {
        for (millis, want) in [
            (0, "0"),
            (1500, "1.5"),
            (1_435_781_430_781, "1435781430.781"),
            (-50, "-0.05"),
        ] {
            let mut out = String::new();
            push_time(&mut out, millis);
            assert_eq!(out, want);
        }
    }
}
