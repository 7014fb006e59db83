//! A result as comma-separated values, for spreadsheets: one row for each value, one column for each label.
//!
//! ```text
//!   time,job,instance,value
//!   2026-11-20T06:55:00.000Z,api,10.2.0.1:8080,0.25
//! ```
//!
//! A spreadsheet takes what begins with `=`, `+`, `-` or `@` for a formula, and a label's value is anybody's: such texts get
//! an apostrophe in front. Quoting is RFC 4180's.

use std::collections::BTreeSet;

use crate::model::go_float;
use crate::model::labels::{Labels, METRIC_NAME};
use crate::model::sample::Sample;
use crate::model::timestamp::Timestamp;
use crate::promql::eval::QueryValue;

/// The most values in one answer.
pub const MAX_VALUES: usize = 100_000;
/// The most labels that have columns; of more each series stands in one.
const MAX_COLUMNS: usize = 100;

/// There are more values than [`MAX_VALUES`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0} values are more than {MAX_VALUES}; aggregate, take a longer step, or ask /api/v1/query_range"
)]
pub struct TooMany(pub usize);

/// Writes a result.
///
/// # Errors
/// Where there is too much of it.
pub fn write(value: &QueryValue) -> Result<String, TooMany> {
    let none = Labels::empty();
    let rows: Vec<(&Labels, Vec<(i64, String)>)> = match value {
        QueryValue::Scalar {
            timestamp_ms,
            value,
        } => vec![(&none, vec![(*timestamp_ms, number(*value))])],
        QueryValue::String {
            timestamp_ms,
            value,
        } => vec![(&none, vec![(*timestamp_ms, cell(value))])],
        QueryValue::Vector(samples) => {
            bounded(samples.len())?;
            let row = |sample: &'_ crate::promql::eval::VectorSample| {
                vec![(sample.timestamp_ms, number(sample.value))]
            };
            samples
                .iter()
                .map(|sample| (&sample.labels, row(sample)))
                .collect()
        }
        QueryValue::Matrix(series) => {
            bounded(series.iter().map(|series| series.samples.len()).sum())?;
            let values = |samples: &[Sample]| {
                let values = samples.iter();
                values
                    .map(|sample| (sample.timestamp_ms, number(sample.value)))
                    .collect()
            };
            series
                .iter()
                .map(|series| (&series.labels, values(&series.samples)))
                .collect()
        }
    };
    let names: BTreeSet<&str> = rows
        .iter()
        .flat_map(|(labels, _)| labels.iter().map(|(name, _)| name))
        .collect();
    let whole = names.len() > MAX_COLUMNS;
    let mut out = String::from("time");
    if whole {
        out.push_str(",series");
    } else {
        for name in &names {
            out.push(',');
            out.push_str(&cell(match *name {
                METRIC_NAME => "metric",
                name => name,
            }));
        }
    }
    out.push_str(",value\r\n");
    for (labels, values) in &rows {
        let mut middle = String::new();
        if whole {
            middle.push(',');
            middle.push_str(&cell(&labels.to_string()));
        } else {
            for name in &names {
                middle.push(',');
                middle.push_str(&cell(labels.value(name)));
            }
        }
        for (at_ms, value) in values {
            out.push_str(&Timestamp::from_millis(*at_ms).to_rfc3339());
            out.push_str(&middle);
            out.push(',');
            out.push_str(value);
            out.push_str("\r\n");
        }
    }
    Ok(out)
}

fn bounded(count: usize) -> Result<(), TooMany> {
    match count {
        0..=MAX_VALUES => Ok(()),
        _ => Err(TooMany(count)),
    }
}

/// As Prometheus writes it, without the sign that would make a formula of infinity.
fn number(value: f64) -> String {
    match go_float::format_sample(value).as_str() {
        "+Inf" => "Inf".to_owned(),
        text => text.to_owned(),
    }
}

fn cell(text: &str) -> String {
    let harmful = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let guard = if harmful { "'" } else { "" };
    if harmful || text.contains(['"', ',', '\n', '\r', ';']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::eval::VectorSample;
    use crate::storage::query::Series;

    fn vector(series: &[(&[(&str, &str)], f64)]) -> QueryValue {
        let samples = series.iter().map(|(labels, value)| VectorSample {
            labels: Labels::from_pairs(labels.iter().copied()),
            timestamp_ms: 1500,
            value: *value,
        });
        QueryValue::Vector(samples.collect())
    }

    #[test]
    fn each_label_has_a_column_and_each_value_a_row() {
        let value = vector(&[
            (&[("__name__", "up"), ("job", "a")], 1.0),
            (&[("__name__", "up"), ("zone", "x,\"y\"")], -0.5),
        ]);
        assert_eq!(
            write(&value).unwrap(),
            "time,metric,job,zone,value\r\n\
             1970-01-01T00:00:01.500Z,up,a,,1\r\n\
             1970-01-01T00:00:01.500Z,up,,\"x,\"\"y\"\"\",-0.5\r\n"
        );
        let scalar = QueryValue::Scalar {
            timestamp_ms: 0,
            value: f64::INFINITY,
        };
        assert_eq!(
            write(&scalar).unwrap(),
            "time,value\r\n1970-01-01T00:00:00.000Z,Inf\r\n"
        );
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for evil in [
            "=cmd|' /C calc'!A0",
            "+1+1",
            "-2+3",
            "@SUM(1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "＝1",
        ] {
            let text = write(&vector(&[(&[("a", evil)], 1.0)])).unwrap();
            let cell = text.split_once("Z,").unwrap().1;
            assert!(cell.starts_with("\"'"), "{evil:?}: {text:?}");
            let text = write(&QueryValue::String {
                timestamp_ms: 0,
                value: evil.to_owned(),
            });
            assert!(text.unwrap().contains(",\"'"), "{evil:?}");
        }
    }

    #[test]
    fn what_is_too_much_is_refused_and_many_labels_share_a_column() {
        let sample = Sample {
            timestamp_ms: 0,
            value: 1.0,
        };
        let series = Series {
            labels: Labels::empty(),
            samples: vec![sample; MAX_VALUES / 2 + 1],
        };
        let value = QueryValue::Matrix(vec![series.clone(), series]);
        assert_eq!(write(&value), Err(TooMany(MAX_VALUES + 2)));
        let pairs = (0..=MAX_COLUMNS).map(|index| (format!("l{index}"), "x".to_owned()));
        let value = QueryValue::Vector(vec![VectorSample {
            labels: Labels::from_pairs(pairs),
            timestamp_ms: 0,
            value: 1.0,
        }]);
        assert!(write(&value).unwrap().starts_with("time,series,value\r\n"));
    }
}
