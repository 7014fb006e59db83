use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const LASTS: Duration = Duration::from_secs(24 * 3600);

fn request(owner: &str, expiry: AckExpiry) -> AckRequest {
    AckRequest {
        target: AckTarget::Group("{}".to_owned()),
        owner: owner.to_owned(),
        note: "on it".to_owned(),
        expiry,
    }
}

fn down() -> Vec<(Labels, u8)> {
    vec![(Labels::from_pairs([("alertname", "Down")]), 4)]
}

#[test]
fn an_ack_says_who_and_for_how_long() {
    let check = |owner: &str, expiry, firing, want: Result<Option<Timestamp>, AckError>| {
        let change = Acks::default().make(request(owner, expiry), firing, LASTS, "a", NOW);
        let made = change.map(|change| change.made.expect("a new one").expires_at);
        assert_eq!(made, want, "{owner:?} {expiry:?}");
    };
    check("ann", AckExpiry::Default, down(), Ok(Some(NOW + LASTS)));
    check("ann", AckExpiry::Never, down(), Ok(None));
    check("ann", AckExpiry::At(NOW), down(), Err(AckError::Past));
    let hour = Duration::from_secs(3600);
    check("ann", AckExpiry::After(hour), down(), Ok(Some(NOW + hour)));
    check(" ", AckExpiry::Never, down(), Err(AckError::NoOwner));
    check("ann", AckExpiry::Never, vec![], Err(AckError::NothingFires));
    let long = "x".repeat(LONGEST_OWNER + 1);
    let too_long = AckError::TooLong("owner", LONGEST_OWNER);
    check(&long, AckExpiry::Never, down(), Err(too_long));
    for hidden in ["a\u{7}nn", "a\u{202e}nn", "a\0"] {
        let refused = Err(AckError::Control("owner"));
        check(hidden, AckExpiry::Never, down(), refused);
    }
}

#[test]
fn nothing_changes_before_it_is_applied() {
    let mut acks = Acks::default();
    let labels = down().remove(0).0;
    let change = acks.make(request("ann", AckExpiry::Default), down(), LASTS, "a", NOW);
    assert!(acks.holding(&labels).is_none() && acks.get("a").is_none());
    acks.apply(change.unwrap());
    assert_eq!(acks.next_due(), Some(NOW + LASTS));

    let change = acks.withdraw("a", NOW).unwrap();
    assert!(acks.holding(&labels).is_some());
    acks.apply(change);
    assert!(acks.holding(&labels).is_none());
    assert_eq!((acks.next_due(), acks.count()), (None, 0));
    assert_eq!(acks.get("a").unwrap().ended_at(), Some(NOW));
    assert_eq!(acks.withdraw("a", NOW).unwrap().ended, []);
    assert_eq!(acks.withdraw("b", NOW), Err(AckError::NotFound));
    acks.sweep(NOW + LASTS);
    assert!(acks.get("a").is_none());
}
