//! What Telegram gets over the wire, and what is understood of its answers.

use serde_json::json;

use super::chats::{deliver, refuse};
use super::*;

fn receiver(url: &str, more: &str) -> String {
    let root = url.trim_end_matches("/hook");
    format!("telegram_configs: [{{bot_token: '1:t', api_url: '{root}', chat_id: -100{more}}}]")
}

const OK: Answer = Answer::Json("200 OK", r#"{"ok":true,"result":{"message_id":1}}"#);

#[tokio::test]
async fn telegram_gets_html() {
    let recorder = Recorder::start(&[OK]).await;
    let more = ", message_thread_id: 7, disable_notifications: true";
    let (bench, bodies) = deliver(&recorder, &receiver(&recorder.url, more), "telegram", 1).await;
    assert_eq!(bench.ledger().await, ["delivered: 200"]);
    let head = &recorder.requests()[0].head;
    assert!(
        head.starts_with("POST /bot1:t/sendMessage HTTP/1.1\r\n"),
        "{head}"
    );
    let text = "<b>[FIRING:1] HighErrorRate (critical)</b>\n\n🔥 <b>an example made up to try templates</b> — 0.25 (threshold 0.05)\n\
        since 2023-11-14 22:08:20 UTC (5m)\nIt is not real.\n<code>alertname=HighErrorRate</code> \
        <code>instance=api:8080</code> <code>job=example</code> <code>severity=critical</code> \n\
        <a href=\"http://localhost:9797/runbooks/example\">Runbook</a> · \
        <a href=\"http://localhost:9797/graph?g0.expr=up\">Source</a>\n";
    assert_eq!(
        bodies,
        [json!({
            "chat_id": -100,
            "text": text,
            "parse_mode": "HTML",
            "message_thread_id": 7,
            "disable_notification": true,
            "link_preview_options": {"is_disabled": true},
        })]
    );
    let recorder = Recorder::start(&[OK]).await;
    let (_, bodies) = deliver(&recorder, &receiver(&recorder.url, ""), "telegram", 2).await;
    let text = bodies[0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("<b>[RESOLVED] HighErrorRate (critical)</b>\n\n✅ "),
        "{text}"
    );
    assert!(
        text.contains("ended 2023-11-14 22:13:20 UTC after 5m"),
        "{text}"
    );
}

#[tokio::test]
async fn plain_text_holds_no_tags() {
    let recorder = Recorder::start(&[OK]).await;
    let more = ", parse_mode: ''";
    let (_, bodies) = deliver(&recorder, &receiver(&recorder.url, more), "telegram", 1).await;
    let text = bodies[0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("[FIRING:1] HighErrorRate (critical)\n\nFIRING an example"),
        "{text}"
    );
    assert!(
        text.contains("Runbook: http://localhost:9797/runbooks/example\n"),
        "{text}"
    );
    assert!(!text.contains('<'), "{text}");
}

#[tokio::test]
async fn what_telegram_cannot_read_goes_again_as_plain_text() {
    let recorder = Recorder::start(&[
        Answer::Json(
            "400 Bad Request",
            r#"{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities: Character '.' is reserved"}"#,
        ),
        OK,
    ])
    .await;
    let more = ", parse_mode: MarkdownV2, message: '*{{ .Status }}*.'";
    let (bench, bodies) = deliver(&recorder, &receiver(&recorder.url, more), "telegram", 1).await;
    assert_eq!(bench.ledger().await, ["delivered: 200"]);
    assert_eq!(bodies[0]["text"], "*firing*.");
    assert_eq!(bodies[0]["parse_mode"], "MarkdownV2");
    assert_eq!(bodies[1].get("parse_mode"), None);
    let text = bodies[1]["text"].as_str().unwrap();
    assert!(
        text.starts_with("⚠️ Built-in text, because a template failed: "),
        "{text}"
    );
    assert!(
        text.contains("reserved\n[FIRING:1] HighErrorRate (critical)\nFIRING HighErrorRate"),
        "{text}"
    );
    assert_eq!(
        bench.metric("outrigger_notification_template_failures_total"),
        "1"
    );
}

#[tokio::test]
async fn telegrams_refusals_are_understood() {
    let check = async |answer, want| {
        refuse(answer, |url| receiver(url, ""), "telegram", want).await;
    };
    check(
        Answer::Json(
            "400 Bad Request",
            r#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1001}}"#,
        ),
        "not delivered, refused: client_error: answered 400: Telegram says: Bad Request: group chat was upgraded to a supergroup chat; set chat_id to -1001",
    )
    .await;
    check(
        Answer::Json(
            "404 Not Found",
            r#"{"ok":false,"error_code":404,"description":"Not Found"}"#,
        ),
        "not delivered, refused: auth: answered 404: Telegram says: Not Found",
    )
    .await;
    check(
        Answer::Json(
            "429 Too Many Requests",
            r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35","parameters":{"retry_after":35}}"#,
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
async fn the_chat_may_stand_in_a_file() {
    let recorder = Recorder::start(&[OK]).await;
    let root = recorder.url.trim_end_matches("/hook");
    let mut bench = Bench::new(&format!(
        "global: {{telegram_bot_token_file: token, telegram_api_url: '{root}/'}}\nreceivers:\n- name: team\n  telegram_configs: [{{chat_id_file: chat, parse_mode: '', message: x}}]\n"
    ))
    .await;
    std::fs::write(bench.directory.path().join("token"), "2:u\n").unwrap();
    std::fs::write(bench.directory.path().join("chat"), "-7\n").unwrap();
    bench
        .write(notification("1", "team", "telegram", "g", NOW))
        .await;
    bench.after(Duration::ZERO).await;
    let request = recorder.requests().remove(0);
    assert!(request.head.starts_with("POST /bot2:u/sendMessage "));
    let want = "{\"chat_id\":-7,\"text\":\"x\",\"link_preview_options\":{\"is_disabled\":true}}\n";
    assert_eq!(request.body, want);
}
