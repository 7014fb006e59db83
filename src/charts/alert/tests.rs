use super::*;
use crate::promql::eval::EngineConfig;
use crate::promql::parser::parse;
use crate::storage::{Storage, StorageConfig};

const STEP_MS: i64 = 15_000;
/// The time of the message.
const NOW: i64 = 1_795_165_200_000;

/// A series' labels, and its value at a minute before (negative) the message.
type Written<'a> = (&'a [(&'a str, &'a str)], &'a dyn Fn(i64) -> Option<f64>);

fn storage(series: &[Written<'_>], from_minutes: i64) -> Storage {
    let storage = Storage::in_memory(StorageConfig::default());
    for at in (NOW - from_minutes * 60_000..=NOW).step_by(usize::try_from(STEP_MS).unwrap()) {
        let mut appender = storage.appender();
        for (labels, value) in series {
            if let Some(value) = value((at - NOW).div_euclid(60_000)) {
                let series = appender
                    .series(&Labels::from_pairs(labels.iter().copied()))
                    .unwrap();
                appender.append(series, at, value).unwrap();
            }
        }
        appender.commit().unwrap();
    }
    storage
}

fn source(text: &str) -> Source {
    let expr = parse(text).unwrap();
    Source {
        text: text.to_owned(),
        query: expr.to_string(),
        expr: Arc::new(expr),
        pending_for: Duration::from_secs(300),
        rule_labels: vec!["severity".to_owned()],
    }
}

fn subject(labels: &[(&str, &str)]) -> Subject {
    let ours = [
        ("alertname", "Slow"),
        ("severity", "critical"),
        ("cluster", "eu"),
    ];
    Subject {
        labels: Labels::from_pairs(labels.iter().chain(&ours).copied()),
        since: Timestamp::from_millis(NOW - 600_000),
        ended: None,
        until: Timestamp::from_millis(NOW),
    }
}

fn try_chart(storage: &Storage, source: &Source, subject: &Subject) -> Result<Chart, ChartError> {
    let engine = Engine::new(EngineConfig::default());
    let deadline = Deadline::after(Duration::from_secs(60));
    let sight = Sight {
        storage,
        engine: &engine,
        deadline: &deadline,
        external_labels: &["cluster".to_owned()],
    };
    draw(source, subject, sight)
}

const A: &[(&str, &str)] = &[("__name__", "latency_seconds"), ("job", "a")];
const B: &[(&str, &str)] = &[("__name__", "latency_seconds"), ("job", "b")];

#[test]
fn the_alerts_own_series_is_strong_and_the_others_are_pale() {
    let storage = storage(
        &[
            (A, &|minutes| Some(if minutes > -15 { 0.9 } else { 0.1 })),
            (B, &|_| Some(0.2)),
        ],
        120,
    );
    let chart = try_chart(
        &storage,
        &source("latency_seconds > 0.5"),
        &subject(&[("job", "a")]),
    )
    .unwrap();
    assert_eq!(chart.lines.len(), 2);
    assert_eq!(chart.lines[0].emphasis, Emphasis::Strong);
    assert!((chart.lines[0].points.last().unwrap().value - 0.9).abs() < 1e-9);
    assert_eq!(chart.lines[1].emphasis, Emphasis::Pale);
    assert_eq!(chart.unit, super::super::unit::Unit::Seconds);
    assert_eq!(chart.subtitle, "job=\"a\"");
    assert!(
        chart.lines[0].points.len() <= 241,
        "{}",
        chart.lines[0].points.len()
    );
    // An hour and five minutes before it fired ten minutes ago.
    let span = chart.end.since(chart.start).as_secs();
    assert!((4_400..=4_500).contains(&span), "{span}");
    let threshold = chart.threshold.unwrap();
    assert_eq!(threshold.op, BinaryOp::Gt);
    assert!(matches!(threshold.level, Level::Fixed(level) if (level - 0.5).abs() < 1e-9));
    // Without `ALERTS` at least the time it fires.
    assert_eq!(chart.shades.len(), 1);
    assert_eq!(chart.shades[0].start, Timestamp::from_millis(NOW - 600_000));
}

#[test]
fn a_threshold_may_move_and_belong_to_another_series() {
    let limit: &[(&str, &str)] = &[("__name__", "limit"), ("job", "a")];
    let other: &[(&str, &str)] = &[("__name__", "limit"), ("job", "b")];
    let storage = storage(
        &[
            (A, &|_| Some(9.0)),
            (B, &|_| Some(9.0)),
            (limit, &|minutes| Some(5.0 + minutes as f64 / 100.0)),
            (other, &|_| Some(1.0)),
        ],
        120,
    );
    let chart = try_chart(
        &storage,
        &source("latency_seconds > on (job) limit"),
        &subject(&[("job", "a")]),
    )
    .unwrap();
    let Level::Moving(samples) = chart.threshold.unwrap().level else {
        panic!("it moves");
    };
    assert!((samples.last().unwrap().value - 5.0).abs() < 1e-9);
}

#[test]
fn reloads_within_the_window_are_marked_once() {
    let loaded = [(
        "__name__",
        "outrigger_config_last_reload_success_timestamp_seconds",
    )];
    // Loaded long before, then ten minutes ago.
    let when = |minutes: i64| {
        let at = if minutes < -10 { -600 } else { -10 };
        Some((NOW + at * 60_000) as f64 / 1000.0)
    };
    let storage = storage(&[(A, &|_| Some(0.9)), (&loaded, &when)], 120);
    let source = source("latency_seconds > 0.5");
    let chart = try_chart(&storage, &source, &subject(&[("job", "a")])).unwrap();
    let ten_minutes_ago = Timestamp::from_millis(NOW - 600_000);
    assert_eq!(chart.reloads, [ten_minutes_ago]);
}

#[test]
fn pending_and_firing_are_read_from_the_alerts_series() {
    let alerts = |state| {
        vec![
            ("__name__", "ALERTS"),
            ("alertname", "Slow"),
            ("severity", "critical"),
            ("job", "a"),
            ("alertstate", state),
        ]
    };
    let (pending, firing) = (alerts("pending"), alerts("firing"));
    let marked = |from: i64, until: i64| {
        move |minutes: i64| {
            if (from..until).contains(&minutes) {
                Some(1.0)
            } else if minutes == until {
                Some(crate::model::sample::STALE_NAN)
            } else {
                None
            }
        }
    };
    let (early, late) = (marked(-20, -15), marked(-15, 1));
    let storage = storage(
        &[(A, &|_| Some(0.9)), (&pending, &early), (&firing, &late)],
        120,
    );
    let chart = try_chart(
        &storage,
        &source("latency_seconds > 0.5"),
        &subject(&[("job", "a")]),
    )
    .unwrap();
    let shades: Vec<(ShadeKind, i64, i64)> = chart
        .shades
        .iter()
        .map(|shade| {
            let minutes = |at: Timestamp| (at.millis() - NOW + 30_000).div_euclid(60_000);
            (shade.kind, minutes(shade.start), minutes(shade.end))
        })
        .collect();
    assert_eq!(
        shades,
        [(ShadeKind::Pending, -20, -15), (ShadeKind::Firing, -15, 0)],
        "{:?}",
        chart.shades
    );
}

#[test]
fn the_window_begins_with_the_first_samples() {
    let storage = storage(&[(A, &|_| Some(0.9))], 3);
    let chart = try_chart(
        &storage,
        &source("latency_seconds > 0.5"),
        &subject(&[("job", "a")]),
    )
    .unwrap();
    let span = chart.end.since(chart.start).as_secs();
    assert!((175..200).contains(&span), "{span}");
    assert!(chart.lines[0].points.len() > 100, "with finer steps");
}

#[test]
fn what_is_absent_shows_as_a_gap_and_nothing_at_all_as_no_chart() {
    let storage = storage(&[(A, &|minutes| (minutes < -20).then_some(1.0))], 120);
    let absent = source("absent(latency_seconds{job=\"a\"})");
    let chart = try_chart(&storage, &absent, &subject(&[("job", "a")])).unwrap();
    assert!(chart.lines[0].points.last().unwrap().timestamp_ms < NOW - 14 * 60_000);
    let nothing = try_chart(&storage, &source("nothing > 5"), &subject(&[]));
    assert!(matches!(nothing, Err(ChartError::NoData)), "{nothing:?}");
}

#[test]
fn of_an_or_the_side_with_the_alert_is_drawn() {
    let free: &[(&str, &str)] = &[("__name__", "free_bytes"), ("disk", "x")];
    let storage = storage(&[(A, &|_| Some(0.1)), (free, &|_| Some(5.0))], 120);
    let chart = try_chart(
        &storage,
        &source("latency_seconds > 0.5 or free_bytes < 10"),
        &subject(&[("disk", "x")]),
    )
    .unwrap();
    assert_eq!(chart.lines[0].name, "free_bytes");
    assert_eq!(chart.threshold.unwrap().op, BinaryOp::Lt);
}
