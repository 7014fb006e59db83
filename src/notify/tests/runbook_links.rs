//! Links to runbooks here name the alert that they stand with, in whatever is sent.

use super::*;

const HERE: &str = "http://localhost:9797";
const NAMED: &str = "/runbooks/example?instance=api%3A8080&job=example&severity=critical";

/// What a receiver is told by a worker whose runbooks are there.
async fn told(here: Option<&str>, receiver: &str, kind: &str) -> serde_json::Value {
    let recorder = Recorder::start(&[Answer::Json("200 OK", r#"{"ok":true}"#)]).await;
    let receiver = receiver.replace("URL", &recorder.url);
    let receivers = format!("receivers:\n- name: team\n  {receiver}\n");
    let mut bench = Bench::new(&receivers).await;
    bench.with.runbooks = here.map(Arc::from);
    bench.worker = Worker::new(bench.with.clone());
    bench
        .write(notification("1", "team", kind, "{}", NOW))
        .await;
    bench.after(Duration::ZERO).await;
    serde_json::from_str(&recorder.requests()[0].body).unwrap()
}

#[tokio::test]
async fn each_kind_of_message_leads_to_the_runbook_of_its_alert() {
    for (receiver, kind) in [
        ("slack_configs: [{api_url: 'URL', channel: '#a'}]", "slack"),
        ("discord_configs: [{webhook_url: 'URL'}]", "discord"),
        ("msteamsv2_configs: [{webhook_url: 'URL'}]", "msteamsv2"),
        (
            "telegram_configs: [{api_url: 'URL', bot_token: t, chat_id: 1}]",
            "telegram",
        ),
        ("webhook_configs: [{url: 'URL'}]", "webhook"),
    ] {
        let led = |body: &serde_json::Value| {
            // Slack and Telegram write the ampersand as an entity.
            body.to_string().replace("&amp;", "&").contains(NAMED)
        };
        let body = told(Some(HERE), receiver, kind).await;
        assert!(led(&body), "{kind}: {body}");
        for here in [None, Some("http://elsewhere")] {
            let body = told(here, receiver, kind).await;
            assert!(!led(&body), "{kind}: {body}");
        }
    }
}

#[tokio::test]
async fn what_alerts_have_in_common_stays_in_common() {
    let webhook = "webhook_configs: [{url: 'URL'}]";
    let body = told(Some(HERE), webhook, "webhook").await;
    let one = &body["alerts"][0]["annotations"];
    assert_eq!(one["runbook_url"], format!("{HERE}{NAMED}"));
    let common = &body["commonAnnotations"]["runbook_url"];
    assert_eq!(*common, format!("{HERE}/runbooks/example"));
}
