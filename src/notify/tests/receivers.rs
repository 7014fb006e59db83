//! What receivers get over the wire.

use super::*;
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::net::test_server::{self, TestServer};

#[tokio::test]
async fn the_webhook_gets_alertmanagers_bytes() {
    let recorder = Recorder::start(&[]).await;
    let mut bench = Bench::new(&hook(&recorder.url)).await;
    bench.write(webhook("id-1")).await;
    bench.after(Duration::ZERO).await;
    let request = recorder.requests().remove(0);
    assert!(request.head.starts_with("POST /hook HTTP/1.1\r\n"));
    assert_eq!(request.header("content-type"), "application/json");
    assert!(request.header("user-agent").starts_with("Outrigger/"));
    assert_eq!(request.header("x-outrigger-notification-id"), "id-1");
    let want = concat!(
        r#"{"receiver":"team","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"HighErrorRate","#,
        r#""instance":"api:8080","job":"example","severity":"critical"},"annotations":{"description":"It is not real.","#,
        r#""runbook_url":"http://localhost:9797/runbooks/example","summary":"an example made up to try templates"},"#,
        r#""startsAt":"2023-11-14T22:08:20Z","endsAt":"0001-01-01T00:00:00Z","#,
        r#""generatorURL":"http://localhost:9797/graph?g0.expr=up","fingerprint":"FINGERPRINT"}],"#,
        r#""groupLabels":{"alertname":"HighErrorRate"},"commonLabels":{"alertname":"HighErrorRate","#,
        r#""instance":"api:8080","job":"example","severity":"critical"},"commonAnnotations":{"description":"It is not real.","#,
        r#""runbook_url":"http://localhost:9797/runbooks/example","summary":"an example made up to try templates"},"#,
        r#""externalURL":"http://out:9797","version":"4","groupKey":"{}:{alertname=\"X\"}","truncatedAlerts":0}"#,
        "\n"
    );
    let fingerprint = synthetic(NOW)[1].alerts[0].alert.fingerprint().to_string();
    assert_eq!(request.body, want.replace("FINGERPRINT", &fingerprint));
    assert_eq!(bench.ledger().await, ["delivered: 200"]);
    assert_eq!(
        bench
            .metric(r#"outrigger_notifications_sent_total{receiver="team",integration="webhook"}"#),
        "1"
    );
    assert_eq!(bench.metric(r#"outrigger_notification_last_success_timestamp_seconds{receiver="team",integration="webhook"}"#), "1700000000.0");
}

#[test]
fn resolved_alerts_and_truncation_are_written_as_alertmanager_does() {
    let mut notification = synthetic(NOW).remove(3);
    notification.alerts[2].status = crate::model::notification::AlertStatus::Resolved;
    let body = |max| {
        let body = crate::notify::webhook::payload(&notification, "http://a&b", max).unwrap();
        serde_json::from_slice::<serde_json::Value>(&body).unwrap()
    };
    let all = body(0);
    assert_eq!(all["alerts"][2]["endsAt"], "2023-11-14T22:13:20Z");
    assert_eq!(all["truncatedAlerts"], 0);
    let some = body(1);
    assert_eq!(some["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(some["truncatedAlerts"], 2);
    assert_eq!(
        some["commonLabels"]["instance"], "api:8080",
        "of the alerts in the message"
    );
}

#[tokio::test]
async fn a_webhooks_own_payload_is_rendered() {
    let payload = "{text: '{{ .Status }} \"x\"', count: '{{ len .Alerts }}', '{{ .CommonLabels.job }}': [1, true, ~, 'plain'], alerts: '{{ .CommonLabels | toJson }}', key: '{{ if eq .GroupKey \"bad\" }}{{ index .Alerts 99 }}{{ end }}fine'}";
    let check = async |group: &str, key: &str, failures: &str| {
        let recorder = Recorder::start(&[]).await;
        let mut bench = Bench::new(&format!(
            "receivers:\n- name: team\n  webhook_configs: [{{url: '{}', max_alerts: 1, payload: {payload}}}]\n",
            recorder.url
        ))
        .await;
        bench
            .write(notification("1", "team", "webhook", group, NOW))
            .await;
        bench.after(Duration::ZERO).await;
        assert_eq!(bench.ledger().await, ["delivered: 200"]);
        let want = r#"{"alerts":{"alertname":"HighErrorRate","instance":"api:8080","job":"example","severity":"critical"},"count":1,"example":[1,true,null,"plain"],"key":"KEY","text":"firing \"x\""}"#;
        assert_eq!(
            recorder.requests()[0].body,
            format!("{}\n", want.replace("KEY", key))
        );
        assert_eq!(
            bench.metric("outrigger_notification_template_failures_total"),
            failures
        );
    };
    check("good", "fine", "0").await;
    check("bad", "[FIRING:1] HighErrorRate (critical)", "1").await;
}

#[test]
fn the_payload_equals_what_alertmanager_wrote() {
    // Recorded from Alertmanager 0.25 with `max_alerts: 1` and two alerts.
    let want = concat!(
        r#"{"receiver":"team\\.x","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"X","z":"1"},"#,
        r#""annotations":{},"startsAt":"2026-11-20T07:00:01Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","#,
        r#""fingerprint":"490f81c61af552cd"}],"groupLabels":{"alertname":"X"},"commonLabels":{"alertname":"X","z":"1"},"#,
        r#""commonAnnotations":{},"externalURL":"http://am?x=1\u0026y","version":"4","groupKey":"{}:{alertname=\"X\"}","truncatedAlerts":1}"#,
        "\n"
    );
    let mut notification = synthetic(NOW).remove(1);
    notification.receiver = "team.x".into();
    notification.group_key = "{}:{alertname=\"X\"}".into();
    notification.group_labels = Labels::from_pairs([("alertname", "X")]);
    let mut alert = notification.alerts[0].clone();
    alert.alert = Arc::new(Alert {
        labels: Labels::from_pairs([("alertname", "X"), ("z", "1")]),
        annotations: Labels::empty(),
        starts_at: Timestamp::parse_rfc3339("2026-11-20T07:00:01Z").unwrap(),
        generator_url: "".into(),
        ..(*alert.alert).clone()
    });
    notification.alerts.insert(0, alert);
    let body = crate::notify::webhook::payload(&notification, "http://am?x=1&y", 1).unwrap();
    assert_eq!(String::from_utf8(body).unwrap(), want);
}

#[tokio::test]
async fn https_with_an_authority_of_ones_own_and_credentials() {
    let certificate = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(certificate.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key.unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let server = TestServer::listen(|_| test_server::text("ok"), Some(acceptor)).await;
    let receivers = |ca: &str| {
        format!(
            "receivers:\n- name: team\n  webhook_configs:\n  - url: https://{}/hook\n    http_config:\n      basic_auth: {{username: u, password: p}}\n      tls_config: {{{ca}}}\n",
            server.address
        )
    };
    let mut bench = Bench::new(&receivers("ca_file: ca.pem")).await;
    std::fs::write(
        bench.directory.path().join("ca.pem"),
        certificate.cert.pem(),
    )
    .unwrap();
    bench.write(webhook("1")).await;
    bench.after(Duration::ZERO).await;
    assert_eq!(bench.ledger().await, ["delivered: 200"]);
    assert!(server.requests.lock()[0].contains("authorization: Basic dTpw"));
    // Nobody vouches for it otherwise.
    let mut bench = Bench::new(&receivers("server_name: other")).await;
    bench.write(webhook("1")).await;
    bench.after(Duration::ZERO).await;
    assert_eq!(bench.ledger().await, [""; 0]);
    assert_eq!(
        bench.metric(
            r#"outrigger_notifications_failed_total{receiver="team",integration="webhook",reason="tls"}"#
        ),
        "1"
    );
}

#[tokio::test]
async fn a_redirect_that_would_drop_the_message_is_a_refusal() {
    let recorder = Recorder::start(&[Answer::Send(
        "302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    )])
    .await;
    let mut bench = Bench::new(&hook(&recorder.url)).await;
    bench.write(webhook("1")).await;
    bench.after(Duration::ZERO).await;
    assert_eq!(recorder.requests().len(), 1);
    assert!(bench.ledger().await[0].contains("answered 302"));
    // 307 keeps the method, and stays with the same host.
    let recorder = Recorder::start(&[Answer::Send(
        "307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    )])
    .await;
    let mut bench = Bench::new(&hook(&recorder.url)).await;
    bench.write(webhook("1")).await;
    bench.after(Duration::ZERO).await;
    assert!(recorder.requests()[1].head.starts_with("POST /elsewhere"));
    assert_eq!(bench.ledger().await, ["delivered: 200"]);
}

#[tokio::test]
async fn slack_gets_one_attachment_and_a_bots_token_in_the_header() {
    let recorder = Recorder::start(&[Answer::Send("200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 11\r\n\r\n{\"ok\":true}")]).await;
    let mut bench = Bench::new(&format!(
        "receivers:\n- name: team\n  slack_configs:\n  - app_token: xoxb-1\n    app_url: {}\n    channel: '#ops'\n    fields: [{{title: Job, value: '{{{{ .CommonLabels.job }}}}'}}]\n    actions: [{{type: button, text: Runbook, url: '{{{{ .CommonAnnotations.runbook_url }}}}'}}]\n",
        recorder.url
    ))
    .await;
    bench
        .write(notification("1", "team", "slack", "g", NOW))
        .await;
    bench.after(Duration::ZERO).await;
    assert_eq!(bench.ledger().await, ["delivered: 200"]);
    let request = recorder.requests().remove(0);
    assert_eq!(request.header("authorization"), "Bearer xoxb-1");
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let attachment = &body["attachments"][0];
    assert_eq!(body["channel"], "#ops");
    assert_eq!(body["username"], "Outrigger");
    assert_eq!(attachment["title"], "[FIRING:1] HighErrorRate (critical)");
    assert_eq!(attachment["color"], "#d92d20");
    assert_eq!(
        attachment["fields"][0],
        serde_json::json!({"title": "Job", "value": "example", "short": false})
    );
    assert_eq!(
        attachment["actions"][0]["url"],
        "http://localhost:9797/runbooks/example"
    );
    let text = attachment["text"].as_str().unwrap();
    for part in [
        "an example made up",
        "0.25",
        "since 2023-11-14 22:08:20 UTC (5m)",
        "instance=api:8080",
        "<http://localhost:9797/runbooks/example|Runbook>",
        "|Source>",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[tokio::test]
async fn slacks_errors_behind_status_200_are_not_taken_for_delivery() {
    let recorder = Recorder::start(&[Answer::Send("200 OK\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{\"ok\":false,\"error\":\"channel_not_found\"}")]).await;
    let mut bench = Bench::new(&format!(
        "receivers:\n- name: team\n  slack_configs: [{{api_url: '{}'}}]\n",
        recorder.url
    ))
    .await;
    bench
        .write(notification("1", "team", "slack", "g", NOW))
        .await;
    bench.after(Duration::ZERO).await;
    assert_eq!(
        bench.ledger().await,
        ["not delivered, refused: client_error: Slack says: channel_not_found"]
    );
}

#[tokio::test]
async fn a_template_that_fails_at_send_is_replaced_and_said() {
    let recorder = Recorder::start(&[]).await;
    // Fails for this one group's key only: no trial could have found it.
    let mut bench = Bench::new(&format!(
        "receivers:\n- name: team\n  slack_configs:\n  - api_url: '{}'\n    text: '{{{{ if eq .GroupKey \"bad\" }}}}{{{{ index .Alerts 99 }}}}{{{{ end }}}}fine'\n",
        recorder.url
    ))
    .await;
    bench
        .write(notification("1", "team", "slack", "good", NOW))
        .await;
    bench
        .write(notification(
            "2",
            "team",
            "slack",
            "bad",
            NOW + Duration::from_millis(1),
        ))
        .await;
    bench.after(Duration::from_secs(1)).await;
    let mut texts: Vec<String> = recorder
        .requests()
        .iter()
        .map(|request| {
            let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
            body["attachments"][0]["text"].as_str().unwrap().to_owned()
        })
        .collect();
    texts.sort();
    assert!(texts[0].starts_with(":warning: Built-in text, because a template failed: receivers[0].slack_configs[0].text: "), "{texts:?}");
    assert!(texts[0].contains("runbook: http://localhost:9797/runbooks/example"));
    assert_eq!(texts[1], "fine");
    assert_eq!(
        bench.metric("outrigger_notification_template_failures_total"),
        "1"
    );
}

#[tokio::test]
async fn a_secret_in_a_file_is_read_at_each_send() {
    let (first, second) = (Recorder::start(&[]).await, Recorder::start(&[]).await);
    let mut bench =
        Bench::new("receivers:\n- name: team\n  webhook_configs: [{url_file: hook.url}]\n").await;
    let file = bench.directory.path().join("hook.url");
    bench.write(webhook("1")).await;
    bench.after(Duration::ZERO).await;
    assert_eq!(
        bench.ledger().await,
        [""; 0],
        "the file may be on its way: tried again"
    );
    std::fs::write(&file, format!("{}\n", first.url)).unwrap();
    bench.after(Duration::from_secs(10)).await;
    std::fs::write(&file, &second.url).unwrap();
    bench
        .write(notification("2", "team", "webhook", "other", NOW))
        .await;
    bench.after(Duration::from_secs(10)).await;
    assert_eq!((first.requests().len(), second.requests().len()), (1, 1));
}
