use super::*;
use crate::definitions::resource::Kind;
use crate::document;
use crate::document::diagnostics::Diagnostics;

fn event(at: Timestamp) -> Event {
    Event {
        number: 7,
        at,
        actor: "ada".to_owned(),
        source: "api".to_owned(),
        action: "update".to_owned(),
        kind: "metric".to_owned(),
        target: "A".to_owned(),
        revision: 3,
        version: Some("1.1.0".to_owned()),
        summary: "Updated name".to_owned(),
        fields: "[\"name\"]".to_owned(),
        document: Some("{\"metric_id\":\"A\"}".to_owned()),
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

/// The example of the specification's reference libraries.
#[test]
fn the_signature_is_that_of_standard_webhooks() {
    let signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        "{\"test\": 2432232314}",
    );
    assert_eq!(
        signature.as_deref(),
        Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
    );
    assert!(sign("plain\n", "a", "1", "{}").is_some());
    for none in ["", "whsec_", "whsec_%"] {
        assert_eq!(sign(none, "a", "1", "{}"), None, "{none}");
    }
}

#[test]
fn a_failed_event_is_tried_later_and_later_and_given_up_after_a_day() {
    let place = |attempts| Place {
        position: 5,
        attempts,
        due_at: NOW,
    };
    let check = |attempts, age: u64, told, want: (i64, i64, Option<u64>)| {
        let event = event(NOW - Duration::from_secs(age));
        let next = after(place(attempts), &event, told, NOW);
        let wait = (next.due_at > NOW).then(|| next.due_at.since(NOW).as_secs());
        assert_eq!(
            (next.position, next.attempts, wait),
            want,
            "{attempts} {age} {told}"
        );
    };
    check(0, 0, true, (7, 0, None));
    check(0, 0, false, (5, 1, Some(1)));
    check(1, 5, false, (5, 2, Some(2)));
    check(9, 600, false, (5, 10, Some(512)));
    check(60, 600, false, (5, 61, Some(900)));
    check(60, 86_400, false, (5, 61, Some(900)));
    check(60, 86_401, false, (7, 0, None));
    // What was written while nothing ran is tried all the same.
    check(0, 200_000, false, (5, 1, Some(1)));
    check(4, 200_000, false, (7, 0, None));
}

#[test]
fn an_event_says_what_happened_and_keeps_its_id() {
    let told = body(&event(NOW));
    assert_eq!(told["id"], "evt_7_1795000000000");
    assert_eq!(told["type"], "metric.updated");
    assert_eq!(told["data"]["fields_changed"], json!(["name"]));
    assert_eq!(told["data"]["document"]["metric_id"], "A");
    let gone = Event {
        action: "delete".to_owned(),
        document: None,
        ..event(NOW)
    };
    assert_eq!(body(&gone)["type"], "metric.deleted");
    assert_eq!(body(&gone)["data"]["document"], Value::Null);
}

fn settings(text: &str) -> (Vec<WebhookConfig>, Vec<String>) {
    let diagnostics = Diagnostics::default();
    let document = document::parse("outrigger.yml", text, &diagnostics).unwrap();
    let fields = document.value(&diagnostics).fields().unwrap();
    let webhooks = read(&fields, std::path::Path::new("/etc"));
    fields.finish();
    let found = diagnostics.into_sorted();
    (webhooks, found.iter().map(ToString::to_string).collect())
}

#[test]
fn settings_name_each_webhook_and_what_it_wants() {
    let (webhooks, mistakes) = settings(
        "webhooks:\n- {name: a, url: 'https://x/y', secret_file: s, events: [delete], kinds: [metric]}\n\
         - {name: b, url_file: u, secret_file: s}\n",
    );
    assert_eq!(mistakes, [""; 0]);
    assert_eq!(
        (webhooks[0].events.as_slice(), webhooks[0].kinds.as_slice()),
        (&["delete"][..], &[Kind::Metric][..])
    );
    assert!(!webhooks[0].wants(&event(NOW)) && webhooks[1].wants(&event(NOW)));
    let check = |text: &str, want: &str| {
        let (_, mistakes) = settings(&format!("webhooks:\n- {text}\n"));
        assert!(
            mistakes.iter().any(|mistake| mistake.contains(want)),
            "{mistakes:?}"
        );
        assert!(!mistakes.concat().contains("hunter2"), "{mistakes:?}");
    };
    check("{url: 'https://x', secret_file: s}", "name");
    check("{name: a, url: 'https://x'}", "nothing to sign with");
    check("{name: a, secret_file: s}", "no address");
    check(
        "{name: a, url: 'hunter2', secret_file: s}",
        "not an address",
    );
    check(
        "{name: a, url: 'https://x', secret_file: s, events: [move]}",
        "unknown word \"move\"",
    );
    check(
        "{name: a, url: 'https://x', secret_file: s}\n- {name: a, url: 'https://x', secret_file: s}",
        "named \"a\" too",
    );
}
