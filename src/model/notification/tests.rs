use super::*;

#[test]
fn notifications_and_decisions_survive_json() {
    let notification = Notification {
        id: "0123".into(),
        group_key: r#"{}:{alertname="X"}"#.into(),
        receiver: "team".into(),
        integration: Integration {
            kind: "webhook".into(),
            index: 1,
        },
        reason: Reason::NewAlerts,
        group_labels: Labels::from_pairs([("alertname", "X")]),
        alerts: vec![NotifiedAlert {
            status: AlertStatus::Firing,
            known: true,
            picture: None,
            runbook: None,
            alert: Arc::new(Alert {
                labels: Labels::from_pairs([("alertname", "X"), ("a", "\"\n")]),
                annotations: Labels::empty(),
                starts_at: Timestamp::from_millis(1),
                ends_at: Timestamp::from_millis(2),
                updated_at: Timestamp::from_millis(3),
                generator_url: "".into(),
                value: Some(0.5),
                course: crate::model::alert::Course::default(),
            }),
        }],
        truncated: 0,
        created_at: Timestamp::from_millis(4),
        digest: None,
        undelivered: None,
    };
    let text = serde_json::to_string(&notification).unwrap();
    assert_eq!(
        serde_json::from_str::<Notification>(&text).unwrap(),
        notification
    );

    for quiet in [Decision::Deduplicated, Decision::Inactive] {
        assert!(quiet.suppresses() && Decision::SUPPRESSIONS.contains(&quiet.kind()));
    }
    // As written before it was kept what the receiver knows, and what the value went through.
    let older = text
        .replace(r#""known":true,"#, "")
        .replace(r#","course":{}"#, "");
    assert!(older.len() < text.len() - 20, "{text}");
    let older: Notification = serde_json::from_str(&older).unwrap();
    assert_eq!(older.alerts[0].change(), Change::New);
    assert_eq!(notification.alerts[0].change(), Change::StillFiring);

    let decision = Decision::Throttled { digest: "d".into() };
    let text = serde_json::to_string(&decision).unwrap();
    assert_eq!(text, r#"{"decision":"throttled","digest":"d"}"#);
    assert_eq!(serde_json::from_str::<Decision>(&text).unwrap(), decision);
}

#[test]
fn critical_outranks_warning_and_info() {
    assert!(severity_rank("critical") < severity_rank("Warning"));
    assert!(severity_rank("warning") < severity_rank("teapot"));
    assert!(severity_rank("teapot") < severity_rank("info"));
}
