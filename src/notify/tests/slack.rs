//! The messages of a Slack bot about one group: posted, changed, answered, over restarts and mishaps.

use serde_json::Value;

use super::*;
use crate::model::notification::{AlertPicture, AlertStatus, Reason, Undelivered};
use crate::notify::integration::{PictureUse, Upload};

const POSTED: Answer = Answer::Json("200 OK", r#"{"ok":true,"channel":"C1","ts":"1.1"}"#);
const DONE: Answer = Answer::Json("200 OK", r#"{"ok":true,"channel":"C1","ts":"9.9"}"#);

fn bot(url: &str, more: &str) -> String {
    format!(
        "receivers:\n- name: team\n  slack_configs: [{{app_token: xoxb-1, app_url: '{url}/chat.postMessage', channel: '#ops', {more}}}]\n"
    )
}

fn message(id: &str, reason: Reason) -> Notification {
    let seconds = Duration::from_secs(id.parse().unwrap());
    let mut message = notification(id, "team", "slack", "g", NOW + seconds);
    message.reason = reason;
    message.alerts[0].known = reason != Reason::FirstNotification;
    if reason == Reason::AllResolved {
        message.alerts[0].status = AlertStatus::Resolved;
        message.alerts[0].known = false;
    }
    message
}

/// One line a request: what is called, and about which message.
fn calls(recorder: &Recorder) -> Vec<String> {
    let line = |request: &super::super::testing::Request| {
        let method = request.head.split_whitespace().nth(1).unwrap();
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let mut line = format!(
            "{} {}",
            method.trim_start_matches("/hook/"),
            body["channel"].as_str().unwrap()
        );
        for key in ["ts", "thread_ts"] {
            if let Some(value) = body[key].as_str() {
                line += &format!(" {key}={value}");
            }
        }
        if body["reply_broadcast"] == true {
            line += " broadcast";
        }
        line
    };
    recorder.requests().iter().map(line).collect()
}

fn body(recorder: &Recorder, index: usize) -> Value {
    serde_json::from_str(&recorder.requests()[index].body).unwrap()
}

#[tokio::test]
async fn the_first_message_is_changed_and_answered_until_a_new_beginning() {
    let recorder = Recorder::start(&[POSTED, DONE, DONE, DONE, DONE, DONE, DONE, POSTED]).await;
    let config = bot(&recorder.url, "send_resolved: true");
    let mut bench = Bench::new(&config).await;
    for (id, reason) in [
        ("1", Reason::FirstNotification),
        ("2", Reason::NewAlerts),
        ("3", Reason::Repeat),
    ] {
        bench.write(message(id, reason)).await;
        bench.after(Duration::from_secs(1)).await;
    }
    // Where the message is outlives the process.
    let mut bench = bench.restart(&config).await;
    for (id, reason) in [("4", Reason::AllResolved), ("5", Reason::FirstNotification)] {
        bench.write(message(id, reason)).await;
        bench.after(Duration::from_secs(1)).await;
    }
    assert_eq!(
        calls(&recorder),
        [
            "chat.postMessage #ops",
            "chat.update C1 ts=1.1",
            "chat.postMessage C1 thread_ts=1.1 broadcast",
            "chat.update C1 ts=1.1",
            "chat.postMessage C1 thread_ts=1.1 broadcast",
            "chat.update C1 ts=1.1",
            "chat.postMessage C1 thread_ts=1.1",
            "chat.postMessage #ops",
        ]
    );
    let text = |index: usize| body(&recorder, index)["attachments"][0]["text"].to_string();
    // The message shows what is true, the answer what changed.
    assert!(text(3).contains("since 2023-11-14"), "{}", text(3));
    assert!(text(4).starts_with("\"• an example"), "{}", text(4));
    assert_eq!(body(&recorder, 5)["attachments"][0]["color"], "#12a150");
    assert!(
        text(6).contains("now 0.01") || text(6).contains("peak 0.5"),
        "{}",
        text(6)
    );
}

#[tokio::test]
async fn a_message_that_is_gone_is_posted_anew() {
    const GONE: Answer = Answer::Json("200 OK", r#"{"ok":false,"error":"message_not_found"}"#);
    let again = Answer::Json("200 OK", r#"{"ok":true,"channel":"C2","ts":"2.2"}"#);
    let recorder = Recorder::start(&[POSTED, GONE, again, DONE, DONE]).await;
    let mut bench = Bench::new(&bot(&recorder.url, "")).await;
    for (id, reason) in [
        ("1", Reason::FirstNotification),
        ("2", Reason::NewAlerts),
        ("3", Reason::NewResolved),
    ] {
        bench.write(message(id, reason)).await;
        bench.after(Duration::from_secs(1)).await;
    }
    assert_eq!(
        calls(&recorder),
        [
            "chat.postMessage #ops",
            "chat.update C1 ts=1.1",
            "chat.postMessage #ops",
            "chat.update C2 ts=2.2",
            "chat.postMessage C2 thread_ts=2.2",
        ]
    );
    assert_eq!(bench.ledger().await, ["delivered: 200"; 3]);
}

#[tokio::test]
async fn an_attempt_that_breaks_off_is_repeated_whole_under_the_same_id() {
    const BUSY: Answer = Answer::Json("200 OK", r#"{"ok":false,"error":"ratelimited"}"#);
    const LOST: Answer = Answer::Json(
        "200 OK",
        r#"{"ok":false,"error":"duplicate_message_not_found"}"#,
    );
    let recorder = Recorder::start(&[POSTED, DONE, BUSY, DONE, LOST, DONE]).await;
    let mut bench = Bench::new(&bot(&recorder.url, "")).await;
    bench.write(message("1", Reason::FirstNotification)).await;
    bench.after(Duration::from_secs(1)).await;
    bench.write(message("2", Reason::NewAlerts)).await;
    bench.after(Duration::from_secs(1)).await;
    bench.after(Duration::from_secs(60)).await;
    assert_eq!(
        calls(&recorder),
        [
            "chat.postMessage #ops",
            "chat.update C1 ts=1.1",
            "chat.postMessage C1 thread_ts=1.1 broadcast",
            "chat.update C1 ts=1.1",
            "chat.postMessage C1 thread_ts=1.1 broadcast",
            "chat.postMessage C1 thread_ts=1.1 broadcast",
        ]
    );
    let id = |index: usize| body(&recorder, index)["client_msg_id"].clone();
    assert_eq!(id(2), id(4), "Slack can tell that it is the same");
    assert_ne!(id(0), id(2));
    assert_eq!(id(0).as_str().unwrap().len(), 36);
    assert_eq!(id(5), Value::Null, "its message was deleted since");
    assert_eq!(bench.ledger().await, ["delivered: 200"; 2]);
}

#[tokio::test]
async fn what_becomes_of_later_messages_can_be_said() {
    let check = async |more: &str, want: &[&str]| {
        let recorder = Recorder::start(&[POSTED, DONE, DONE]).await;
        let mut bench = Bench::new(&bot(&recorder.url, more)).await;
        bench.write(message("1", Reason::FirstNotification)).await;
        bench.after(Duration::from_secs(1)).await;
        bench.write(message("2", Reason::NewAlerts)).await;
        bench.after(Duration::from_secs(1)).await;
        assert_eq!(calls(&recorder)[1..], *want, "{more}");
    };
    check("update_message: false", &["chat.postMessage #ops"]).await;
    check("update_message: true", &["chat.update C1 ts=1.1"]).await;
    check(
        "post_updates_to_thread: true",
        &["chat.postMessage C1 thread_ts=1.1"],
    )
    .await;
    check(
        "update_message: true, post_updates_to_thread: true",
        &["chat.update C1 ts=1.1", "chat.postMessage C1 thread_ts=1.1"],
    )
    .await;
}

#[tokio::test]
async fn who_stands_in_for_another_receiver_finds_no_page_in_an_old_message() {
    let recorder = Recorder::start(&[POSTED, DONE, POSTED, DONE]).await;
    let mut bench = Bench::new(&bot(&recorder.url, "update_message: true")).await;
    let undelivered = Undelivered {
        notification: "0".into(),
        receiver: "pager".into(),
        integration: message("1", Reason::Repeat).integration,
        error: "server_error: answered 503".to_owned(),
    };
    for (id, reason) in [
        ("1", Reason::FirstNotification),
        ("2", Reason::AllResolved),
        ("3", Reason::NewAlerts),
        ("4", Reason::NewResolved),
    ] {
        let mut message = message(id, reason);
        message.undelivered = Some(undelivered.clone());
        bench.write(message).await;
        bench.after(Duration::from_secs(1)).await;
    }
    assert_eq!(
        calls(&recorder),
        [
            "chat.postMessage #ops",
            "chat.update C1 ts=1.1",
            "chat.postMessage #ops",
            "chat.update C1 ts=1.1",
        ]
    );
}

const PLACE: Answer = Answer::Json(
    "200 OK",
    r#"{"ok":true,"upload_url":"RECORDER/upload/v1/secret","file_id":"F7"}"#,
);

/// What is called, with what, for a message that carries a picture; and what is said of the picture.
async fn uploaded(answers: &[Answer], reason: Reason) -> (Vec<String>, Upload) {
    let recorder = Recorder::start(answers).await;
    let bench = Bench::new(&bot(&recorder.url, "")).await;
    let mut message = message("1", reason);
    message.alerts[0].picture = Some(AlertPicture {
        link: "https://monitor.example.org/render/alert/1.png?token=x".into(),
        image: "".into(),
        png: Some(b"PNG".as_slice().into()),
    });
    let receivers = bench.with.receivers.load();
    let integration = receivers.get(&message).unwrap();
    assert_eq!(integration.pictures(), PictureUse::Uploaded);
    let earlier = crate::db::sent_messages::SentMessage {
        channel: "C1".to_owned(),
        message: "1.1".to_owned(),
    };
    let delivered = integration.follow_up(&message, Some(earlier), NOW).await;
    let line = |request: &super::super::testing::Request| {
        let method = request.head.split_whitespace().nth(1).unwrap();
        let method = method.trim_start_matches("/hook/");
        let token = request.header("authorization");
        if method.starts_with("chat.") {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            assert_eq!(body["attachments"][0]["image_url"], Value::Null);
            return format!("{method} {token}");
        }
        let body: Vec<String> = url::form_urlencoded::parse(request.body.as_bytes())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("{method} {token} {}", body.join(" "))
    };
    let calls = recorder.requests().iter().map(line).collect();
    let delivered = delivered.expect("a picture never fails its message");
    assert_eq!(delivered.status, "200");
    (calls, delivered.upload)
}

#[tokio::test]
async fn the_picture_is_uploaded_into_the_thread_of_its_message() {
    let steps = [
        "files.getUploadURLExternal Bearer xoxb-1 filename=c0ffee.png length=3 alt_txt=Chart of HighErrorRate",
        "upload/v1/secret  PNG=",
        "files.completeUploadExternal Bearer xoxb-1 files=[{\"id\":\"F7\",\"title\":\"Chart of HighErrorRate\"}] \
         channel_id=C1 thread_ts=1.1",
    ];
    let mut name = message("1", Reason::FirstNotification);
    let name = name.alerts.remove(0).alert.fingerprint().to_string();
    let steps = steps.map(|step| step.replace("c0ffee", &name));
    let first = uploaded(&[POSTED, PLACE, OK, DONE], Reason::FirstNotification).await;
    assert_eq!(first.0[0], "chat.postMessage Bearer xoxb-1");
    assert_eq!(first.0[1..], steps);
    assert_eq!(first.1, Upload::Done);
    let answer = uploaded(&[DONE, DONE, PLACE, OK, DONE], Reason::NewAlerts).await;
    assert_eq!(answer.0[2..], steps, "never below an answer");
}

#[tokio::test]
async fn an_upload_that_fails_costs_the_picture_alone() {
    const NO: Answer = Answer::Json("200 OK", r#"{"ok":false,"error":"missing_scope"}"#);
    const AWAY: Answer = Answer::Json(
        "200 OK",
        r#"{"ok":true,"upload_url":"http://files.example.org/","file_id":"F7"}"#,
    );
    const OOPS: Answer = Answer::Send("500 Oops\r\nContent-Length: 0\r\n\r\n");
    let check = async |answers: &[Answer], count: usize, want: &str| {
        let answers = [&[POSTED], answers].concat();
        let (calls, upload) = uploaded(&answers, Reason::FirstNotification).await;
        assert_eq!(calls.len(), 1 + count, "{calls:?}");
        assert_eq!(upload, Upload::Failed(want.to_owned()));
    };
    let scope = "files.getUploadURLExternal: Slack says: missing_scope; give the bot the scope files:write, or turn pictures off";
    check(&[NO], 1, scope).await;
    let away = "Slack names an upload address that is not below the API's own host";
    check(&[AWAY], 1, away).await;
    check(&[PLACE, OOPS], 2, "answered 500").await;
    let late = "files.completeUploadExternal: answered 500";
    check(&[PLACE, OK, OOPS], 3, late).await;
    check(&[OK], 1, "files.getUploadURLExternal: no answer of Slack").await;
}
