//! What PagerDuty and Opsgenie get over the wire, and what is understood of their answers.

use serde_json::json;

use super::chats::{deliver, refuse};
use super::*;
use crate::model::secret::Secret;
use crate::model::signature::LateSigner;
use crate::net::credentials::SecretSource;
use crate::notify::http::Sender;
use crate::notify::integration::Integration;
use crate::notify::pagerduty::{Api, PagerDuty};
use crate::notify::render::{Field, SecretText, Surroundings};
use crate::template::TemplateSet;
use crate::template::functions::Functions;

/// The SHA-256 of the made-up notifications' group key.
const KEY: &str = "KEY";

fn key() -> String {
    use sha2::Digest as _;
    let group_key = &synthetic(NOW)[1].group_key;
    let bytes = sha2::Sha256::digest(group_key.as_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn pagerduty_gets_an_event_of_version_2() {
    let receiver = |url: &str| {
        format!(
            "pagerduty_configs: [{{routing_key: k, url: '{url}', severity: '{{{{ .CommonLabels.severity }}}}', group: '{{{{ .CommonLabels.job }}}}', details: {{firing: '{{{{ .Alerts.Firing | len }}}}', own: {{list: [1, '{{{{ .Status }}}}']}}}}}}]"
        )
    };
    let recorder =
        Recorder::start(&[Answer::Json("202 Accepted", r#"{"status":"success"}"#)]).await;
    let (bench, bodies) = deliver(&recorder, &receiver(&recorder.url), "pagerduty", 1).await;
    assert_eq!(bench.ledger().await, ["delivered: 202"]);
    let want = json!({
        "routing_key": "k",
        "dedup_key": key(),
        "event_action": "trigger",
        "payload": {
            "summary": "[FIRING:1] HighErrorRate (critical): an example made up to try templates",
            "source": "Outrigger",
            "severity": "critical",
            "group": "example",
            "custom_details": {
                "firing": 1,
                "num_firing": 1,
                "num_resolved": 0,
                "own": {"list": [1, "firing"]},
                "resolved": [],
            },
        },
        "client": "Outrigger",
        "client_url": "http://out:9797",
        "links": [
            {"href": "http://localhost:9797/runbooks/example", "text": "Runbook: HighErrorRate"},
            {"href": "http://localhost:9797/graph?g0.expr=up", "text": "Source: HighErrorRate"},
        ],
    });
    assert_eq!(bodies, [want]);
    let recorder = Recorder::start(&[]).await;
    let (_, bodies) = deliver(&recorder, &receiver(&recorder.url), "pagerduty", 2).await;
    assert_eq!(bodies[0]["event_action"], "resolve");
    assert_eq!(bodies[0]["dedup_key"], key());
    assert_eq!(
        bodies[0]["payload"]["summary"],
        "[RESOLVED] HighErrorRate (critical)"
    );
}

#[tokio::test]
async fn pagerduty_details_are_the_alerts_unless_told_otherwise() {
    let recorder = Recorder::start(&[]).await;
    let receiver = format!(
        "pagerduty_configs: [{{routing_key: '{{{{ .CommonLabels.job }}}}', url: '{}', links: [{{href: '{{{{ .ExternalURL }}}}', text: Here}}, {{href: '', text: Nowhere}}], images: [{{src: 'https://x/i.png', alt: a}}]}}]",
        recorder.url
    );
    let (_, bodies) = deliver(&recorder, &receiver, "pagerduty", 1).await;
    let event = &bodies[0];
    assert_eq!(event["routing_key"], "example");
    assert_eq!(event["payload"]["severity"], "error");
    let firing = &event["payload"]["custom_details"]["firing"][0];
    assert_eq!(firing["labels"]["instance"], "api:8080");
    assert_eq!(
        firing["runbookURL"],
        "http://localhost:9797/runbooks/example"
    );
    assert_eq!(
        event["links"],
        json!([{"href": "http://out:9797", "text": "Here"}])
    );
    assert_eq!(
        event["images"],
        json!([{"src": "https://x/i.png", "alt": "a", "href": ""}])
    );
}

#[tokio::test]
async fn an_event_too_large_for_pagerduty_goes_without_details_and_says_so() {
    let recorder = Recorder::start(&[]).await;
    let receiver = format!(
        "pagerduty_configs: [{{routing_key: k, url: '{}', details: {{big: '{{{{ printf \"%0600000d\" 1 }}}}'}}}}]",
        recorder.url
    );
    let (_, bodies) = deliver(&recorder, &receiver, "pagerduty", 1).await;
    let details = &bodies[0]["payload"]["custom_details"];
    assert!(
        details["error"].as_str().unwrap().contains("512 kB"),
        "{details}"
    );
}

#[tokio::test]
async fn pagerdutys_refusals_are_understood() {
    let receiver = |url: &str| format!("pagerduty_configs: [{{routing_key: k, url: '{url}'}}]");
    let check = async |answer, want| refuse(answer, receiver, "pagerduty", want).await;
    check(
        Answer::Json(
            "400 Bad Request",
            r#"{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#,
        ),
        "not delivered, refused: client_error: answered 400: PagerDuty says: Event object is invalid: \
         Length of 'routing_key' is incorrect (should be 32 characters)",
    )
    .await;
    check(Answer::Json("429 Slow Down", "{}"), "again: rate_limited").await;
    check(Answer::Json("500 Oh", "oh"), "again: server_error").await;
    check(
        Answer::Json("403 Forbidden", "no"),
        "not delivered, refused: auth: answered 403: no",
    )
    .await;
}

#[tokio::test]
async fn pagerduty_version_1_has_its_own_words() {
    let surroundings = Arc::new(Surroundings {
        external_url: "http://out:9797".to_owned(),
        upstream_only: true,
        signer: LateSigner::default(),
        templates: TemplateSet::new(Functions::alertmanager()),
    });
    let field = |text: &str| Field::compile(&surroundings.templates, "x", text).unwrap();
    let recorder = Recorder::start(&[
        Answer::Json("200 OK", r#"{"status":"success"}"#),
        Answer::Json("200 OK", r#"{"status":"success"}"#),
        Answer::Json("403 Forbidden", "slow down"),
    ])
    .await;
    let key_of = || SecretText::Fixed(SecretSource::Inline(Secret::new("s")));
    let with = |api| PagerDuty {
        api,
        url: recorder.url.clone(),
        sender: Sender::new(Default::default(), Duration::ZERO),
        client: field("me"),
        client_url: field(""),
        description: field("{{ .Status }}"),
        severity: field("error"),
        source: field(""),
        component: field(""),
        group: field(""),
        class: field(""),
        details: Vec::new(),
        images: Vec::new(),
        links: None,
        surroundings: Arc::clone(&surroundings),
    };
    let all = synthetic(NOW);
    let pagerduty = with(Api::V1(key_of()));
    pagerduty.send(&all[1], NOW).await.unwrap();
    pagerduty.send(&all[2], NOW).await.unwrap();
    let error = pagerduty.send(&all[1], NOW).await.unwrap_err();
    assert!(error.retryable, "version 1 says so for too many events");
    with(Api::V2(key_of())).send(&all[1], NOW).await.unwrap();
    let version_2 = &recorder.requests()[3].body;
    assert!(!version_2.contains("links"), "Alertmanager adds none");
    let bodies: Vec<_> = recorder
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    let want = |event: &str, status: &str| {
        format!(
            "{{\"service_key\":\"s\",\"incident_key\":\"{KEY}\",\"event_type\":\"{event}\",\"description\":\"{status}\",\"client\":\"me\"}}\n"
        )
        .replace(KEY, &key())
    };
    assert_eq!(
        bodies[..2],
        [want("trigger", "firing"), want("resolve", "resolved")]
    );
}

#[tokio::test]
async fn opsgenie_creates_updates_and_closes() {
    let receiver = |url: &str| {
        let root = url.trim_end_matches("/hook");
        format!(
            "opsgenie_configs: [{{api_key: k, api_url: '{root}/base', update_alerts: true, priority: p1, tags: 'a, {{{{ .Status }}}},,', details: {{own: '{{{{ .Status }}}}'}}, responders: [{{name: 'x,y', type: Teams}}, {{username: '{{{{ .CommonLabels.nobody }}}}', type: user}}, {{id: i, type: schedule}}], entity: e, actions: Reboot, note: n}}]"
        )
    };
    let recorder = Recorder::start(&[Answer::Json(
        "202 Accepted",
        r#"{"result":"Request will be processed"}"#,
    )])
    .await;
    let (bench, bodies) = deliver(&recorder, &receiver(&recorder.url), "opsgenie", 1).await;
    assert_eq!(bench.ledger().await, ["delivered: 200"]);
    let requests = recorder.requests();
    let lines: Vec<_> = requests
        .iter()
        .map(|request| request.head.lines().next().unwrap().to_owned())
        .collect();
    let key = key();
    assert_eq!(
        lines,
        [
            "POST /base/v2/alerts HTTP/1.1".to_owned(),
            format!("PUT /base/v2/alerts/{key}/message?identifierType=alias HTTP/1.1"),
            format!("PUT /base/v2/alerts/{key}/description?identifierType=alias HTTP/1.1"),
        ]
    );
    assert_eq!(requests[0].header("authorization"), "GenieKey k");
    let description = "FIRING an example made up to try templates — 0.25 (threshold 0.05)\nsince 2023-11-14 22:08:20 UTC (5m)\n\
        It is not real.\nalertname=HighErrorRate instance=api:8080 job=example severity=critical \n\
        Runbook: http://localhost:9797/runbooks/example\nSource: http://localhost:9797/graph?g0.expr=up\n\n";
    assert_eq!(
        bodies[0],
        json!({
            "alias": key,
            "message": "[FIRING:1] HighErrorRate (critical): an example made up to try templates",
            "description": description,
            "details": {
                "alertname": "HighErrorRate",
                "instance": "api:8080",
                "job": "example",
                "own": "firing",
                "severity": "critical",
            },
            "source": "http://out:9797",
            "responders": [
                {"name": "x", "type": "team"},
                {"name": "y", "type": "team"},
                {"id": "i", "type": "schedule"},
            ],
            "tags": ["a", "firing"],
            "note": "n",
            "priority": "P1",
            "entity": "e",
            "actions": ["Reboot"],
        })
    );
    assert_eq!(bodies[2], json!({"description": description}));
    let recorder = Recorder::start(&[]).await;
    let (_, bodies) = deliver(&recorder, &receiver(&recorder.url), "opsgenie", 2).await;
    let close = format!("POST /base/v2/alerts/{key}/close?identifierType=alias HTTP/1.1\r\n");
    assert!(recorder.requests()[0].head.starts_with(&close));
    assert_eq!(bodies, [json!({"source": "http://out:9797"})]);
}

#[tokio::test]
async fn what_opsgenie_would_refuse_is_cut_or_left_out_and_said() {
    let recorder = Recorder::start(&[]).await;
    let receiver = format!(
        "opsgenie_configs: [{{api_key: k, api_url: '{}', message: '{{{{ printf \"%0200d\" 1 }}}}', priority: '{{{{ .CommonLabels.severity }}}}', details: {{big: '{{{{ printf \"%09000d\" 1 }}}}'}}}}]",
        recorder.url
    );
    let (bench, bodies) = deliver(&recorder, &receiver, "opsgenie", 1).await;
    assert_eq!(bench.ledger().await, ["delivered: 200"]);
    let alert = &bodies[0];
    assert_eq!(alert["message"].as_str().unwrap().chars().count(), 130);
    assert_eq!(alert.get("priority"), None);
    assert_eq!(
        alert["details"]["left_out"],
        "1 details were too long for Opsgenie"
    );
    assert_eq!(alert["details"]["job"], "example");
    let text = alert["description"].as_str().unwrap();
    assert!(text.contains("\"CRITICAL\" is none of P1 to P5"), "{text}");
}

#[tokio::test]
async fn opsgenies_refusals_are_understood() {
    let receiver = |url: &str| format!("opsgenie_configs: [{{api_key: k, api_url: '{url}'}}]");
    let check = async |answer, want| refuse(answer, receiver, "opsgenie", want).await;
    check(
        Answer::Json(
            "422 Unprocessable",
            r#"{"message":"Request body is not processable.","errors":{"message":"Message can not be empty."},"took":0.1}"#,
        ),
        r#"not delivered, refused: client_error: answered 422: Opsgenie says: Request body is not processable. {"message":"Message can not be empty."}"#,
    )
    .await;
    check(
        Answer::Json(
            "403 Forbidden",
            r#"{"message":"Api Key is invalid","took":0.1}"#,
        ),
        "not delivered, refused: auth: answered 403: Opsgenie says: Api Key is invalid",
    )
    .await;
    check(
        Answer::Json(
            "429 Slow Down",
            r#"{"message":"You are making too many requests!"}"#,
        ),
        "again: rate_limited",
    )
    .await;
    check(Answer::Json("503 Oh", "oh"), "again: server_error").await;
}
