use super::*;
use crate::promql::ast::BinaryOp;
use crate::promql::eval::{Deadline, Engine, EngineConfig};
use crate::promql::parser::parse;
use crate::storage::{Storage, StorageConfig};

const END_MS: i64 = 1_795_165_200_000;
const MINUTE: i64 = 60_000;

fn range() -> QueryRange {
    QueryRange {
        start_ms: END_MS - 60 * MINUTE,
        end_ms: END_MS,
        step_ms: MINUTE,
    }
}

/// A store in which each series has one value for an hour.
fn storage(series: &[(&[(&str, &str)], f64)]) -> Storage {
    let storage = Storage::in_memory(StorageConfig::default());
    for minute in -60..=0 {
        let mut appender = storage.appender();
        for (labels, value) in series {
            let labels = Labels::from_pairs(labels.iter().copied());
            let series = appender.series(&labels).unwrap();
            appender
                .append(series, END_MS + minute * MINUTE, *value)
                .unwrap();
        }
        appender.commit().unwrap();
    }
    storage
}

fn course(storage: &Storage, text: &str, alerts: &[String]) -> (Course, Chart) {
    let expr = parse(text).unwrap();
    let deadline = Deadline::after(Duration::from_secs(60));
    let engine = Engine::new(EngineConfig::default());
    let wish = Wish {
        text,
        expr: &expr,
        range: range(),
        alerts,
    };
    let sight = Sight {
        storage,
        engine: &engine,
        deadline: &deadline,
        external_labels: &[],
    };
    let course = evaluate(&wish, sight).unwrap();
    let chart = course.chart(&wish);
    (course, chart)
}

#[test]
fn a_comparison_is_drawn_as_values_and_threshold() {
    let storage = storage(&[
        (&[("__name__", "wait_seconds")], 3.0),
        (&[("__name__", "limit_seconds")], 4.0),
    ]);
    let check = |text: &str, values: Option<&str>, level: Option<f64>| {
        let (course, chart) = course(&storage, text, &[]);
        assert_eq!(course.values.as_deref(), values, "{text}");
        assert_eq!(course.series.len(), 1, "{text}");
        let found = chart.threshold.as_ref().map(|threshold| {
            assert_eq!(threshold.op, BinaryOp::Gt, "{text}");
            threshold.level.last().unwrap()
        });
        assert_eq!(found, level, "{text}");
        assert_eq!(chart.unit, Unit::Seconds, "{text}");
    };
    check("wait_seconds", None, None);
    check("wait_seconds > 5", Some("wait_seconds"), Some(5.0));
    check(
        "wait_seconds > limit_seconds",
        Some("wait_seconds"),
        Some(4.0),
    );
    // Nobody can tell which of two sides is meant.
    check("wait_seconds > 1 or limit_seconds > 5", None, None);
}

#[test]
fn when_alerts_fired_is_shaded_and_firing_counts_before_pending() {
    let alert = |state, instance| {
        [
            ("__name__", "ALERTS"),
            ("alertname", "Slow"),
            ("alertstate", state),
            ("instance", instance),
        ]
    };
    let (pending, firing) = (alert("pending", "a"), alert("firing", "b"));
    let storage = storage(&[
        (&[("__name__", "wait_seconds")], 3.0),
        (&pending, 1.0),
        (&firing, 1.0),
    ]);
    let kinds = |alerts: &[String]| {
        let (course, _) = course(&storage, "wait_seconds > 1", alerts);
        let kinds = course.shades.iter().map(|shade| shade.kind);
        kinds.collect::<Vec<_>>()
    };
    use crate::charts::chart::ShadeKind::Firing;
    assert_eq!(kinds(&["Slow".to_owned()]), [Firing]);
    assert_eq!(kinds(&["Other".to_owned()]), []);
}

#[test]
fn of_many_series_those_that_end_highest_are_drawn_in_the_order_of_their_labels() {
    let series: Vec<Series> = (0..40)
        .map(|index| Series {
            labels: Labels::from_pairs([("n", format!("{index:02}"))]),
            samples: vec![Sample {
                timestamp_ms: END_MS,
                value: if index == 0 { 1e9 } else { f64::from(index) },
            }],
        })
        .collect();
    let chart = chart(&series, range());
    assert_eq!(chart.more_lines, 40 - MAX_LINES);
    let names: Vec<&str> = chart.lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names[0], "{n=\"00\"}");
    assert_eq!(names[1], "{n=\"17\"}");
    assert!(names.is_sorted());
}

#[test]
fn series_are_named_by_what_tells_them_apart() {
    let check = |all: &[&[(&str, &str)]], want: &[&str]| {
        let all: Vec<Labels> = all
            .iter()
            .map(|pairs| Labels::from_pairs(pairs.iter().copied()))
            .collect();
        let all: Vec<&Labels> = all.iter().collect();
        assert_eq!(names(&all), want);
    };
    check(&[], &[]);
    check(&[&[("__name__", "up"), ("job", "a")]], &["up{job=\"a\"}"]);
    check(
        &[
            &[("__name__", "up"), ("job", "a"), ("zone", "x")],
            &[("__name__", "up"), ("job", "b"), ("zone", "x")],
        ],
        &["{job=\"a\"}", "{job=\"b\"}"],
    );
    check(&[&[("__name__", "a")], &[("__name__", "b")]], &["a", "b"]);
}
