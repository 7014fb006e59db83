//! Templates that fail when a message is sent: built-in text takes their place, and the message says so.

use serde_json::Value;

use super::*;

/// Fails for one group's key only: no trial at load could have found it.
const BROKEN: &str = "{{ if eq .GroupKey \"bad\" }}{{ index .Alerts 99 }}{{ end }}fine";

/// Sends to a receiver whose `field` fails; the places in what it is told, each with what it must hold.
async fn check(kind: &str, receiver: &str, field: &str, answer: Answer, want: &[(&str, &[&str])]) {
    let recorder = Recorder::start(&[answer; 2]).await;
    let receiver = receiver.replace("URL", &recorder.url);
    let text = format!(
        "receivers:\n- name: team\n  {kind}_configs:\n  - {receiver}\n    {field}: '{BROKEN}'\n"
    );
    let mut bench = Bench::new(&text).await;
    let bad = notification("1", "team", kind, "bad", NOW);
    bench.write(bad).await;
    bench.after(Duration::from_secs(1)).await;
    let ledger = bench.ledger().await;
    assert!(ledger[0].starts_with("delivered: 20"), "{kind}: {ledger:?}");
    let failures = bench.metric("outrigger_notification_template_failures_total");
    assert_eq!(failures, "1", "{kind}.{field}");
    let body: Value = serde_json::from_str(&recorder.requests()[0].body).unwrap();
    for (place, parts) in want {
        let text = body.pointer(place).and_then(Value::as_str);
        let text = text.unwrap_or_else(|| panic!("{kind}.{field}: no {place} in {body}"));
        for part in *parts {
            let part = part.replace("FIELD", field);
            assert!(
                text.contains(&part),
                "{kind}.{field}: no {part:?} in {text}"
            );
        }
    }
}

const SAID: &str = "uilt-in text, because a template failed: receivers";
const SUBJECT: &str = "[FIRING:1] HighErrorRate (critical)";
const SUMMARY: &str = "an example made up to try templates";

#[tokio::test]
async fn discord() {
    let receiver = "webhook_url: 'URL'";
    let done = Answer::Send("204 No Content\r\n\r\n");
    let text = "/embeds/0/description";
    check(
        "discord",
        receiver,
        "message",
        done,
        &[
            ("/embeds/0/title", &[SUBJECT]),
            (text, &[SAID, "FIELD", SUMMARY]),
        ],
    )
    .await;
    check(
        "discord",
        receiver,
        "title",
        done,
        &[("/embeds/0/title", &[SUBJECT]), (text, &[SAID, SUMMARY])],
    )
    .await;
}

#[tokio::test]
async fn teams() {
    let receiver = "webhook_url: 'URL'";
    check(
        "msteams",
        receiver,
        "text",
        OK,
        &[("/title", &[SUBJECT]), ("/text", &[SAID, SUMMARY])],
    )
    .await;
    check(
        "msteams",
        receiver,
        "summary",
        OK,
        &[("/summary", &[SUBJECT]), ("/text", &[SAID, SUMMARY])],
    )
    .await;
    let (title, text) = (
        "/attachments/0/content/body/0/text",
        "/attachments/0/content/body/1/text",
    );
    check(
        "msteamsv2",
        receiver,
        "text",
        OK,
        &[(title, &[SUBJECT]), (text, &[SAID, SUMMARY])],
    )
    .await;
    check(
        "msteamsv2",
        receiver,
        "title",
        OK,
        &[(title, &[SUBJECT]), (text, &[SAID, SUMMARY])],
    )
    .await;
}

#[tokio::test]
async fn pagerduty() {
    let done = Answer::Json("202 Accepted", r#"{"status":"success"}"#);
    let said = "/payload/custom_details/template_error";
    check(
        "pagerduty",
        "routing_key: k\n    url: 'URL'",
        "description",
        done,
        &[("/payload/summary", &[SUBJECT]), (said, &[SAID, "FIELD"])],
    )
    .await;
    // PagerDuty refuses an event whose severity it does not know.
    check(
        "pagerduty",
        "routing_key: k\n    url: 'URL'",
        "severity",
        done,
        &[("/payload/severity", &["error"]), (said, &[SAID, "FIELD"])],
    )
    .await;
}

#[tokio::test]
async fn opsgenie() {
    let done = Answer::Json("202 Accepted", r#"{"result":"Request will be processed"}"#);
    for (field, want) in [("message", SUBJECT), ("description", SUMMARY)] {
        check(
            "opsgenie",
            "api_key: k\n    api_url: 'URL'",
            field,
            done,
            &[
                (&format!("/{field}"), &[want]),
                ("/description", &[SAID, "FIELD", SUMMARY]),
            ],
        )
        .await;
    }
    check(
        "opsgenie",
        "api_key: k\n    api_url: 'URL'",
        "priority",
        done,
        &[("/description", &[SAID, "FIELD", SUMMARY])],
    )
    .await;
}
