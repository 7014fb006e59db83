//! What chats get over the wire, and what is understood of their answers.

use serde_json::{Value, json};

use super::*;

/// Sends one of the made-up notifications: 1 fires, 2 is resolved, 4 is a digest.
pub(super) async fn deliver(
    recorder: &Recorder,
    receiver: &str,
    kind: &str,
    which: usize,
) -> (Bench, Vec<Value>) {
    let receivers = format!("receivers:\n- name: team\n  {receiver}\n");
    let mut bench = Bench::new(&receivers).await;
    let mut sent = synthetic(NOW).remove(which);
    sent.receiver = "team".into();
    sent.integration.kind = kind.into();
    sent.created_at = NOW;
    bench.write(sent).await;
    bench.after(Duration::ZERO).await;
    let bodies = recorder.requests();
    let bodies = bodies
        .iter()
        .map(|request| serde_json::from_str(&request.body).unwrap_or(Value::Null));
    (bench, bodies.collect())
}

/// Sends to a receiver that answers thus; `want` is the ledger's line, or the reason of what will be tried again.
pub(super) async fn refuse(
    answer: Answer,
    receiver: impl Fn(&str) -> String,
    kind: &str,
    want: &str,
) {
    let recorder = Recorder::start(&[answer]).await;
    let (bench, _) = deliver(&recorder, &receiver(&recorder.url), kind, 1).await;
    let ledger = bench.ledger().await;
    match want.strip_prefix("again: ") {
        None => assert_eq!(ledger, [want], "{answer:?}"),
        Some(reason) => {
            assert_eq!(ledger, [""; 0], "{answer:?}");
            let line = format!(
                r#"outrigger_notifications_failed_total{{receiver="team",integration="{kind}",reason="{reason}"}}"#
            );
            assert_eq!(bench.metric(&line), "1", "{answer:?}");
        }
    }
}

const LINKS: &str = "[Runbook](http://localhost:9797/runbooks/example) · [Source](http://localhost:9797/graph?g0.expr=up)";
const LABELS: &str =
    "`alertname=HighErrorRate` `instance=api:8080` `job=example` `severity=critical` ";

#[tokio::test]
async fn discord_gets_one_embed() {
    let receiver = |url: &str| {
        format!(
            "discord_configs: [{{webhook_url: '{url}', username: Ops, content: '{{{{ .Status }}}}'}}]"
        )
    };
    let recorder = Recorder::start(&[Answer::Send("204 No Content\r\n\r\n")]).await;
    let (bench, bodies) = deliver(&recorder, &receiver(&recorder.url), "discord", 1).await;
    assert_eq!(bench.ledger().await, ["delivered: 204"]);
    let description = format!(
        "🔥 **an example made up to try templates** — 0.25 (threshold 0.05)\ncritical, since 2023-11-14 22:08:20 UTC (5m)\n\
         It is not real.\n{LINKS}\n\n{LABELS}"
    );
    assert_eq!(
        bodies,
        [json!({
            "content": "firing",
            "embeds": [{
                "title": "[FIRING:1] HighErrorRate (critical)",
                "description": description,
                "color": 0xd9_2d20,
            }],
            "username": "Ops",
        })]
    );
    let recorder = Recorder::start(&[]).await;
    let (_, bodies) = deliver(&recorder, &receiver(&recorder.url), "discord", 2).await;
    let embed = &bodies[0]["embeds"][0];
    assert_eq!(embed["title"], "[RESOLVED] HighErrorRate (critical)");
    assert_eq!(embed["color"], 0x12_a150);
    let text = embed["description"].as_str().unwrap();
    assert!(
        text.starts_with("✅ **an example made up to try templates** — now 0.01, peak 0.5 (threshold 0.05)\ncritical, ended 2023-11-14 22:13:20 UTC after 5m\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_message_too_long_for_discord_is_cut_and_says_so() {
    let recorder = Recorder::start(&[]).await;
    let receiver = format!(
        "discord_configs: [{{webhook_url: '{}', title: '{{{{ printf \"%0300d\" 1 }}}}', message: '{{{{ printf \"%05000d\" 1 }}}}'}}]",
        recorder.url
    );
    let (_, bodies) = deliver(&recorder, &receiver, "discord", 1).await;
    let embed = &bodies[0]["embeds"][0];
    let (title, text) = (embed["title"].as_str(), embed["description"].as_str());
    let (title, text) = (title.unwrap(), text.unwrap());
    assert_eq!(title.chars().count(), 256);
    assert!(title.ends_with('…'));
    assert!(text.chars().count() <= 4096);
    assert!(text.ends_with("too long for Discord"));
}

#[tokio::test]
async fn discords_refusals_are_understood() {
    let receiver = |url: &str| format!("discord_configs: [{{webhook_url: '{url}'}}]");
    let check = async |answer, want| refuse(answer, receiver, "discord", want).await;
    check(
        Answer::Json(
            "404 Not Found",
            r#"{"message":"Unknown Webhook","code":10015}"#,
        ),
        "not delivered, refused: client_error: answered 404: Discord says: Unknown Webhook (10015)",
    )
    .await;
    check(
        Answer::Json(
            "401 No",
            r#"{"message":"Invalid Webhook Token","code":50027}"#,
        ),
        "not delivered, refused: auth: answered 401: Discord says: Invalid Webhook Token (50027)",
    )
    .await;
    check(
        Answer::Json(
            "429 Slow Down",
            r#"{"message":"You are being rate limited.","retry_after":64.57,"global":false}"#,
        ),
        "again: rate_limited",
    )
    .await;
    check(
        Answer::Json("502 Bad Gateway", "<html>"),
        "again: server_error",
    )
    .await;
}

#[tokio::test]
async fn discords_wait_is_kept() {
    let recorder = Recorder::start(&[Answer::Json(
        "429 Slow Down",
        r#"{"message":"no","retry_after":64.5}"#,
    )])
    .await;
    let receiver = format!("discord_configs: [{{webhook_url: '{}'}}]", recorder.url);
    let (mut bench, _) = deliver(&recorder, &receiver, "discord", 1).await;
    bench.after(Duration::from_secs(60)).await;
    assert_eq!(recorder.requests().len(), 1, "too early");
    bench.after(Duration::from_secs(40)).await;
    assert_eq!(bench.ledger().await, ["delivered: 200"]);
}

#[tokio::test]
async fn a_teams_connector_gets_a_message_card() {
    let receiver = |url: &str| format!("msteams_configs: [{{webhook_url: '{url}'}}]");
    let recorder = Recorder::start(&[Answer::Json("200 OK", "1")]).await;
    let (bench, bodies) = deliver(&recorder, &receiver(&recorder.url), "msteams", 1).await;
    assert_eq!(bench.ledger().await, ["delivered: 200"]);
    let text = format!(
        "🔥 **an example made up to try templates** — 0.25 (threshold 0.05)\n\ncritical, since 2023-11-14 22:08:20 UTC (5m)\n\n\
         It is not real.\n\n{LINKS}\n\n{LABELS}"
    );
    assert_eq!(
        bodies,
        [json!({
            "@context": "http://schema.org/extensions",
            "type": "MessageCard",
            "title": "[FIRING:1] HighErrorRate (critical)",
            "summary": "[FIRING:1] HighErrorRate (critical)",
            "text": text,
            "themeColor": "d92d20",
        })]
    );
    let recorder = Recorder::start(&[]).await;
    let (_, bodies) = deliver(&recorder, &receiver(&recorder.url), "msteams", 2).await;
    assert_eq!(bodies[0]["title"], "[RESOLVED] HighErrorRate (critical)");
    assert_eq!(bodies[0]["themeColor"], "12a150");
}

#[tokio::test]
async fn a_teams_workflow_gets_an_adaptive_card() {
    let receiver = |url: &str| {
        format!("msteamsv2_configs: [{{webhook_url: '{url}', text: '{{{{ .Status }}}}'}}]")
    };
    let recorder = Recorder::start(&[Answer::Json("202 Accepted", "")]).await;
    let (bench, bodies) = deliver(&recorder, &receiver(&recorder.url), "msteamsv2", 1).await;
    assert_eq!(bench.ledger().await, ["delivered: 202"]);
    assert_eq!(
        bodies,
        [json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.2",
                    "body": [
                        {"type": "TextBlock", "text": "[FIRING:1] HighErrorRate (critical)", "weight": "Bolder",
                         "size": "Medium", "wrap": true, "style": "heading", "color": "Attention"},
                        {"type": "TextBlock", "text": "firing", "wrap": true},
                    ],
                    "msteams": {"width": "full"},
                },
            }],
        })]
    );
    let recorder = Recorder::start(&[]).await;
    let (_, bodies) = deliver(&recorder, &receiver(&recorder.url), "msteamsv2", 2).await;
    let card = &bodies[0]["attachments"][0]["content"]["body"];
    assert_eq!(card[0]["color"], "Good");
    assert_eq!(card[1]["text"], "resolved");
}

#[tokio::test]
async fn a_card_too_large_for_teams_is_cut_and_says_so() {
    let recorder = Recorder::start(&[]).await;
    let receiver = format!(
        "msteamsv2_configs: [{{webhook_url: '{}', text: '{{{{ printf \"%050000d\" 1 }}}}'}}]",
        recorder.url
    );
    let (_, bodies) = deliver(&recorder, &receiver, "msteamsv2", 1).await;
    assert!(recorder.requests()[0].body.len() < 28_000);
    let text = &bodies[0]["attachments"][0]["content"]["body"][1]["text"];
    assert!(text.as_str().unwrap().ends_with("too long for Teams"));
}

#[tokio::test]
async fn teams_refusals_are_understood() {
    let connector = |url: &str| format!("msteams_configs: [{{webhook_url: '{url}'}}]");
    let check = async |answer, want| refuse(answer, connector, "msteams", want).await;
    check(
        Answer::Json("200 OK", "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId tcid=0"),
        "again: rate_limited",
    )
    .await;
    check(
        Answer::Json("200 OK", "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 with ContextId x"),
        "not delivered, refused: client_error: answered 413: Webhook message delivery failed with error: \
         Microsoft Teams endpoint returned HTTP error 413 with ContextId x",
    )
    .await;
    check(
        Answer::Json("400 Bad Request", "Summary or Text is required."),
        "not delivered, refused: client_error: answered 400: Summary or Text is required.",
    )
    .await;
    let workflow = |url: &str| format!("msteamsv2_configs: [{{webhook_url: '{url}'}}]");
    let check = async |answer, want| refuse(answer, workflow, "msteamsv2", want).await;
    check(
        Answer::Json(
            "401 Unauthorized",
            r#"{"error":{"code":"DirectApiAuthorizationRequired","message":"The request is not signed."}}"#,
        ),
        "not delivered, refused: auth: answered 401: Teams says: DirectApiAuthorizationRequired: The request is not signed.",
    )
    .await;
    check(Answer::Json("504 Timeout", ""), "again: server_error").await;
}
