use super::super::Integration;
use super::*;
use crate::model::alert::Alert;

fn alert(name: &str, starts: i64) -> NotifiedAlert {
    let at = Timestamp::from_millis(starts);
    NotifiedAlert {
        status: AlertStatus::Firing,
        known: false,
        picture: None,
        runbook: None,
        alert: Arc::new(Alert {
            labels: Labels::from_pairs([("alertname", name)]),
            annotations: Labels::empty(),
            starts_at: at,
            ends_at: at,
            updated_at: at,
            generator_url: "".into(),
            value: None,
            course: crate::model::alert::Course::default(),
        }),
    }
}

fn digest() -> Notification {
    let alerts: Vec<_> = ["A", "B", "C", "D"]
        .iter()
        .zip(0..)
        .map(|(name, at)| alert(name, at))
        .collect();
    let group = |key: &str, places: &[usize]| DigestGroup {
        group_key: key.into(),
        group_labels: Labels::empty(),
        reason: Reason::NewAlerts,
        firing: places.len(),
        resolved: 0,
        alerts: places.to_vec(),
    };
    let groups = vec![group("x", &[0, 1]), group("y", &[1, 2]), group("z", &[3])];
    let digest = Digest::of("info".into(), Timestamp::from_millis(2), groups, &alerts);
    Notification {
        id: "0".into(),
        group_key: "digest/0".into(),
        receiver: "team".into(),
        integration: Integration {
            kind: "webhook".into(),
            index: 0,
        },
        reason: Reason::Digest,
        group_labels: Labels::empty(),
        alerts,
        truncated: 0,
        created_at: Timestamp::from_millis(9),
        digest: Some(digest),
        undelivered: None,
    }
}

/// The rest without these groups and alerts: names, places of each group's alerts, first, new.
fn rest(left_out: &[(&str, &str)]) -> Option<String> {
    let mut groups: HashMap<Arc<str>, HashSet<u64>> = HashMap::new();
    for (key, names) in left_out {
        let hashes = groups.entry((*key).into()).or_default();
        for name in names.chars() {
            hashes.insert(alert(&name.to_string(), 0).alert.fingerprint().0);
        }
    }
    let rest = digest().without(&groups)?;
    let names: Vec<&str> = rest.alerts.iter().map(|alert| alert.alert.name()).collect();
    let digest = rest.digest.as_ref()?;
    let places: Vec<_> = digest.groups.iter().map(|group| &group.alerts).collect();
    Some(format!(
        "{} {places:?} {:?} {:?}",
        names.concat(),
        digest.first,
        digest.new
    ))
}

#[test]
fn a_group_leaves_a_digest_with_what_it_alone_told() {
    let check = |left_out: &[(&str, &str)], want: Option<&str>| {
        assert_eq!(rest(left_out).as_deref(), want, "{left_out:?}");
    };
    check(&[], Some("ABCD [[0, 1], [1, 2], [3]] Some(0) [2, 3]"));
    // B is in another group too.
    check(&[("x", "AB")], Some("BCD [[0, 1], [2]] Some(0) [1, 2]"));
    // An end that only an older message of the group told stays.
    check(&[("x", "B")], Some("ABCD [[1, 2], [3]] Some(0) [2, 3]"));
    check(&[("x", "AB"), ("y", "BC")], Some("D [[0]] Some(0) [0]"));
    check(&[("x", "AB"), ("y", "BC"), ("z", "D")], None);
}

#[test]
fn the_summary_of_a_storm_stays_and_a_groups_own_message_does_not() {
    let mut storm = digest();
    if let Some(digest) = &mut storm.digest {
        digest.storm = Some(StormNews {
            stage: StormStage::GoesOn,
            since: Timestamp::from_millis(0),
            alerts: 4,
            kinds: 4,
        });
    }
    let all: HashMap<Arc<str>, HashSet<u64>> = ["x", "y", "z"]
        .map(|key| {
            let hashes = storm.alerts.iter().map(|alert| alert.alert.fingerprint().0);
            (Arc::from(key), hashes.collect())
        })
        .into();
    let rest = storm.without(&all).unwrap();
    assert!(rest.alerts.is_empty() && rest.digest.is_some_and(|digest| digest.storm.is_some()));
    storm.digest = None;
    assert!(storm.without(&all).is_none());
}
