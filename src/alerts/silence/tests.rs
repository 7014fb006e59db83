use super::super::matchers;
use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn request(id: Option<&str>, text: &str, starts_at: i64, ends_at: i64) -> SilenceRequest {
    SilenceRequest {
        id: id.map(str::to_owned),
        matchers: matchers::parse(text).unwrap(),
        starts_at: Some(at(starts_at)),
        ends_at: at(ends_at),
        created_by: "ann".to_owned(),
        comment: "work".to_owned(),
        annotations: BTreeMap::new(),
    }
}

fn labels(text: &str) -> Labels {
    let pairs = text
        .split_whitespace()
        .map(|pair| pair.split_once('=').unwrap());
    Labels::from_pairs(pairs)
}

/// A silence `s` from 10 to 100.
fn one() -> Silences {
    let mut silences = Silences::default();
    let change = silences.set(request(None, "a=b", 10, 100), "s", at(0));
    silences.apply(change.unwrap().rows);
    silences
}

#[test]
fn a_silence_holds_from_its_start_until_its_end() {
    let silences = one();
    let check = |now: i64, text: &str, want: bool| {
        let by = silences.silenced_by(&labels(text), at(now));
        assert_eq!(!by.is_empty(), want, "{now} {text}");
        let decision = silences.decision(&labels(text), at(now));
        assert_eq!(decision.is_some(), want, "{now} {text}");
    };
    check(9, "a=b", false);
    check(10, "a=b", true);
    check(99, "a=b c=d", true);
    check(99, "a=c", false);
    check(99, "c=d", false);
    check(100, "a=b", false);
}

#[test]
fn every_kind_of_matcher_is_found_by_the_index() {
    let check = |text: &str, alert: &str, want: bool| {
        let mut silences = Silences::default();
        let change = silences.set(request(None, text, 0, 9), "s", at(0)).unwrap();
        silences.apply(change.rows.clone());
        let found = |silences: &Silences| !silences.silenced_by(&labels(alert), at(1)).is_empty();
        assert_eq!(found(&silences), want, "{text} {alert}");
        silences.apply(silences.expire("s", at(1)).unwrap().rows);
        assert!(!found(&silences), "{text} {alert}");
        silences.sweep(at(1), at(1));
        assert!(silences.by_value.is_empty() && silences.anywhere.is_empty());
        assert_eq!(silences.all().len(), 1, "not before its retention is over");
        silences.sweep(at(2), at(2));
        assert!(silences.all().is_empty());
    };
    check("a=b", "a=b", true);
    check("a=~\"b|c\"", "a=c", true);
    check("a=~\"b.*\"", "a=bc", true);
    check("a=~\"b.\", c=\"\"", "a=bc", true);
    check("a=~\"b.\", c=\"\"", "a=bc c=d", false);
    check("a=b, c!=d", "a=b", true);
    check("a=b, c!=d", "a=b c=d", false);
    check("c!~\"x|\"", "c=d", true);
    check("alertname=X, a=~\"b|c\"", "alertname=X a=c", true);
    check("\"a b\"=c", "d=e", false);
}

#[test]
fn an_update_keeps_the_id_where_the_meaning_stays() {
    let check = |now: i64, request: SilenceRequest, want: &[(&str, i64, i64)]| {
        let shown = format!("{now} {request:?}");
        let change = one().set(request, "new", at(now)).unwrap();
        let rows: Vec<(&str, i64, i64)> = change
            .rows
            .iter()
            .map(|row| {
                let seconds = |time: Timestamp| time.millis() / 1000;
                (&*row.id, seconds(row.starts_at), seconds(row.ends_at))
            })
            .collect();
        assert_eq!(rows, want, "{shown}");
        assert_eq!(&*change.id, want[want.len() - 1].0);
    };
    // Active: another end.
    check(50, request(Some("s"), "a=b", 10, 200), &[("s", 10, 200)]);
    // Active: another beginning, or other matchers.
    check(
        50,
        request(Some("s"), "a=b", 11, 200),
        &[("s", 10, 50), ("new", 50, 200)],
    );
    check(
        50,
        request(Some("s"), "a=c", 10, 200),
        &[("s", 10, 50), ("new", 50, 200)],
    );
    // Pending: another time to come, or one that is past.
    check(5, request(Some("s"), "a=b", 20, 30), &[("s", 20, 30)]);
    check(
        5,
        request(Some("s"), "a=b", 4, 30),
        &[("s", 5, 5), ("new", 5, 30)],
    );
    // Over: never again.
    check(
        150,
        request(Some("s"), "a=b", 10, 200),
        &[("new", 150, 200)],
    );
    check(0, request(None, "a=b", -5, 200), &[("new", 0, 200)]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let check = |request: SilenceRequest, want: &SilenceError| {
        assert_eq!(
            one().set(request.clone(), "new", at(50)).as_ref(),
            Err(want),
            "{request:?}"
        );
    };
    check(request(None, "a=b", 60, 60), &SilenceError::EndsFirst);
    check(request(None, "a=b", 10, 49), &SilenceError::Past);
    check(request(Some("x"), "a=b", 10, 60), &SilenceError::NotFound);
    for text in ["", "a=\"\"", "a=~\".*\", b!=c"] {
        let error = one().set(request(None, text, 10, 60), "new", at(50));
        assert!(matches!(error, Err(SilenceError::Invalid(_))), "{text}");
    }
    assert_eq!(one().expire("x", at(0)), Err(SilenceError::NotFound));
    assert_eq!(one().expire("s", at(200)).unwrap().rows, []);
}
