//! Receivers that fail: left alone for a while, and stood in for.

use super::*;

const DOWN: Answer = Answer::Send("503 Busy\r\nContent-Length: 0\r\n\r\n");
const GONE: Answer = Answer::Send("404 Not Found\r\nContent-Length: 7\r\n\r\nno hook");

fn quick(failures: u32) -> Delivery {
    Delivery {
        breaker: circuit::Settings {
            failures,
            pause: Duration::from_secs(30),
            longest_pause: Duration::from_secs(60),
        },
        ..Delivery::default()
    }
}

async fn write_groups(bench: &Bench, groups: std::ops::Range<u32>) {
    for group in groups {
        let id = format!("{group}");
        let group = format!("group {group}");
        let mut one = notification(&id, "team", "webhook", &group, NOW);
        one.created_at = bench.clock.now();
        bench.write(one).await;
    }
}

fn open(bench: &Bench) -> String {
    bench.metric(r#"outrigger_receiver_circuit_open{receiver="team",integration="webhook"}"#)
}

#[tokio::test]
async fn a_receiver_that_fails_again_and_again_is_left_alone_and_all_arrives_when_it_answers() {
    let recorder = Recorder::start(&[DOWN; 12]).await;
    let mut bench = Bench::delivering(&hook(&recorder.url), quick(3)).await;
    bench.after(Duration::ZERO).await;
    assert_eq!(open(&bench), "0");
    write_groups(&bench, 0..20).await;
    bench.after(Duration::ZERO).await;
    // Eight at once, and one in the place of each of the first two; nothing was begun after the third failed.
    assert_eq!(recorder.requests().len(), 10);
    assert_eq!(open(&bench), "1");
    // However often it is looked for, nothing is tried before the pause is over.
    for _ in 0..29 {
        bench.after(Duration::from_secs(1)).await;
    }
    assert_eq!(recorder.requests().len(), 10);
    // One at a time; the pause grows.
    bench.after(Duration::from_secs(2)).await;
    assert_eq!(recorder.requests().len(), 11);
    bench.after(Duration::from_secs(59)).await;
    assert_eq!(recorder.requests().len(), 11);
    bench.after(Duration::from_secs(2)).await;
    assert_eq!(recorder.requests().len(), 12);
    // The next one is answered: everything else follows at once.
    bench.after(Duration::from_secs(61)).await;
    assert_eq!(recorder.requests().len(), 12 + 20);
    assert_eq!(open(&bench), "0");
    assert_eq!(
        bench.metric(
            r#"outrigger_receiver_circuit_opened_total{receiver="team",integration="webhook"}"#
        ),
        "1"
    );
    assert_eq!(bench.ledger().await, ["delivered: 200"; 20]);
    assert_eq!(bench.metric("outrigger_outbox_pending"), "0");
}

#[tokio::test]
async fn an_open_circuit_delays_no_other_receiver() {
    let down = Recorder::start(&[DOWN; 100]).await;
    let healthy = Recorder::start(&[]).await;
    let receivers = format!(
        "receivers:\n- name: team\n  webhook_configs: [{{url: '{}'}}, {{url: '{}'}}]\n",
        down.url, healthy.url
    );
    let mut bench = Bench::delivering(&receivers, quick(2)).await;
    write_groups(&bench, 0..3).await;
    bench.after(Duration::ZERO).await;
    assert_eq!(open(&bench), "1");
    for n in 0..5_u32 {
        let id = format!("other {n}");
        let mut other = notification(&id, "team", "webhook", &id, NOW);
        other.integration.index = 1;
        bench.write(other).await;
    }
    bench.after(Duration::ZERO).await;
    assert_eq!(healthy.requests().len(), 5);
    assert_eq!(down.requests().len(), 3);
}

#[tokio::test]
async fn what_waits_for_an_open_circuit_expires_on_time() {
    let recorder = Recorder::start(&[DOWN; 1000]).await;
    let mut bench = Bench::delivering(&hook(&recorder.url), quick(2)).await;
    write_groups(&bench, 0..50).await;
    bench.after(Duration::ZERO).await;
    for _ in 0..61 {
        bench.after(Duration::from_secs(60)).await;
    }
    let ledger = bench.ledger().await;
    assert_eq!(ledger.len(), 50);
    for line in &ledger {
        assert!(line.starts_with("not delivered, gave up"), "{line}");
    }
    assert!(recorder.requests().len() < 80, "they were not hammered");
    assert_eq!(bench.metric("outrigger_outbox_pending"), "0");
}

#[tokio::test]
async fn a_reload_tries_everybody_anew() {
    let down = Recorder::start(&[DOWN; 100]).await;
    let healthy = Recorder::start(&[]).await;
    let mut bench = Bench::delivering(&hook(&down.url), quick(2)).await;
    write_groups(&bench, 0..3).await;
    bench.after(Duration::ZERO).await;
    assert_eq!(open(&bench), "1");
    let corrected = bench.integrations(&hook(&healthy.url));
    bench
        .with
        .receivers
        .store(Arc::new(corrected.delivering(quick(2))));
    bench.after(Duration::from_millis(1)).await;
    bench.after(Duration::ZERO).await;
    assert_eq!(healthy.requests().len(), 3);
    assert_eq!(open(&bench), "0");
}

fn with_fallback(failing: &str, standing_in: &str) -> String {
    format!(
        "receivers:\n- name: team\n  webhook_configs: [{{url: '{failing}'}}]\n\
         - name: backup\n  slack_configs: [{{api_url: '{standing_in}'}}]\n  webhook_configs: [{{url: '{standing_in}'}}]\n"
    )
}

fn falling_back() -> Delivery {
    Delivery {
        fallback: Some("backup".into()),
        ..Delivery::default()
    }
}

#[tokio::test]
async fn what_is_refused_goes_to_the_fallback_receiver_once_and_says_so() {
    let refusing = Recorder::start(&[GONE]).await;
    let backup = Recorder::start(&[]).await;
    let mut bench =
        Bench::delivering(&with_fallback(&refusing.url, &backup.url), falling_back()).await;
    bench.write(webhook("1")).await;
    bench.after(Duration::ZERO).await;
    bench.after(Duration::from_secs(1)).await;
    assert_eq!(refusing.requests().len(), 1);
    let requests = backup.requests();
    assert_eq!(requests.len(), 2, "both of its integrations");
    let said = "This could not be delivered to receiver team (webhook[0]): client_error: answered 404: no hook. \
                You are its fallback; nobody there was told.";
    for request in &requests {
        assert!(request.body.contains(said), "{}", request.body);
    }
    let mut ledger = bench.ledger().await;
    ledger.sort();
    assert_eq!(
        ledger,
        [
            "delivered: 200",
            "delivered: 200",
            "not delivered, refused: client_error: answered 404: no hook",
            "queued for the fallback receiver: not delivered to team (webhook[0])",
            "queued for the fallback receiver: not delivered to team (webhook[0])",
        ]
    );
    let count = bench
        .metric(r#"outrigger_notifications_fallback_total{receiver="backup",integration="slack"}"#);
    assert_eq!(count, "1");
    // The alert's own history leads from the one to the other.
    let filter = LedgerFilter {
        fingerprint: Some(webhook("1").alerts[0].alert.fingerprint()),
        ..LedgerFilter::default()
    };
    let entries = ledger::recent(&bench.with.database, &filter, 100).await;
    let kinds: Vec<_> = entries
        .unwrap()
        .iter()
        .map(|entry| entry.decision.kind())
        .collect();
    assert_eq!(kinds, ["delivered", "delivered", "fell_back", "fell_back"]);
}

#[tokio::test]
async fn a_fallback_receiver_that_fails_falls_back_on_nobody() {
    let refusing = Recorder::start(&[GONE; 10]).await;
    let mut bench =
        Bench::delivering(&with_fallback(&refusing.url, &refusing.url), falling_back()).await;
    bench.write(webhook("1")).await;
    for _ in 0..10 {
        bench.after(Duration::from_secs(60)).await;
    }
    assert_eq!(refusing.requests().len(), 3, "the first, and two instead");
    // And where it is the one that fails in the first place.
    let mut own = webhook("2");
    own.receiver = "backup".into();
    bench.write(own).await;
    bench.after(Duration::ZERO).await;
    bench.after(Duration::from_secs(60)).await;
    assert_eq!(refusing.requests().len(), 4);
    assert_eq!(bench.metric("outrigger_outbox_pending"), "0");
}

#[tokio::test]
async fn what_expires_goes_to_the_fallback_receiver_too() {
    let backup = Recorder::start(&[]).await;
    let receivers = with_fallback("http://127.0.0.1:1/nobody", &backup.url);
    let mut bench = Bench::delivering(&receivers, falling_back()).await;
    bench.write(webhook("1")).await;
    for _ in 0..125 {
        bench.after(Duration::from_secs(30)).await;
    }
    let requests = backup.requests();
    assert_eq!(requests.len(), 2);
    assert!(
        requests[0].body.contains("connection: "),
        "{}",
        requests[0].body
    );
    assert_eq!(
        bench.metric(
            r#"outrigger_notifications_expired_total{receiver="team",integration="webhook"}"#
        ),
        "1"
    );
}

const HTTP_DATE: Answer = Answer::Send(
    // 90 s after the tests' beginning.
    "503 Busy\r\nRetry-After: Tue, 14 Nov 2023 22:14:50 GMT\r\nContent-Length: 0\r\n\r\n",
);
const SECONDS: Answer = Answer::Send("429 Slow\r\nRetry-After: 90\r\nContent-Length: 0\r\n\r\n");
const BAD_GATEWAY: Answer = Answer::Send("502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");

/// Every way over HTTP but PagerDuty's version 1, whose address is fixed: 429 and 5xx are tried again, not before the
/// receiver asked for it, and then delivered.
#[tokio::test]
async fn every_integration_comes_again_when_it_is_asked_to() {
    let discord_says = Answer::Json(
        "429 Too Many Requests",
        r#"{"message":"You are being rate limited.","retry_after":90.0,"global":false}"#,
    );
    let telegram_says = Answer::Json(
        "429 Too Many Requests",
        r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 90","parameters":{"retry_after":90}}"#,
    );
    let slack_says = Answer::Send(
        "429 Too Many Requests\r\nRetry-After: 90\r\nContent-Type: application/json\r\nContent-Length: 34\r\n\r\n{\"ok\":false,\"error\":\"ratelimited\"}",
    );
    let integrations = [
        ("webhook", "webhook_configs: [{url: 'URL'}]", None),
        (
            "slack",
            "slack_configs: [{api_url: 'URL'}]",
            Some(slack_says),
        ),
        (
            "slack",
            "slack_configs: [{app_token: t, app_url: 'URL', channel: '#a'}]",
            Some(slack_says),
        ),
        (
            "pagerduty",
            "pagerduty_configs: [{routing_key: k, url: 'URL'}]",
            None,
        ),
        (
            "opsgenie",
            "opsgenie_configs: [{api_key: k, api_url: 'URL'}]",
            None,
        ),
        ("msteams", "msteams_configs: [{webhook_url: 'URL'}]", None),
        (
            "msteamsv2",
            "msteamsv2_configs: [{webhook_url: 'URL'}]",
            None,
        ),
        (
            "discord",
            "discord_configs: [{webhook_url: 'URL'}]",
            Some(discord_says),
        ),
        (
            "telegram",
            "telegram_configs: [{bot_token: t, chat_id: 1, api_url: 'URL'}]",
            Some(telegram_says),
        ),
    ];
    for (kind, receiver, own) in integrations {
        let answers = [Some(SECONDS), Some(HTTP_DATE), own, Some(BAD_GATEWAY)];
        for answer in answers.into_iter().flatten() {
            let case = format!("{receiver} answers {answer:?}");
            let accepted = match (kind, receiver.contains("app_token")) {
                ("slack", true) => Answer::Json("200 OK", r#"{"ok":true}"#),
                _ => OK,
            };
            let recorder = Recorder::start(&[answer, accepted]).await;
            let receiver = receiver.replace("URL", &recorder.url);
            let mut bench = Bench::new(&format!("receivers:\n- name: team\n  {receiver}\n")).await;
            bench.write(notification("1", "team", kind, "g", NOW)).await;
            bench.after(Duration::ZERO).await;
            assert_eq!(recorder.requests().len(), 1, "{case}");
            assert_eq!(bench.ledger().await, [""; 0], "{case}");
            bench.after(Duration::from_secs(89)).await;
            let early = usize::from(!matches!(answer, BAD_GATEWAY));
            assert_eq!(recorder.requests().len(), 2 - early, "{case}: after 89 s");
            bench.after(Duration::from_secs(2)).await;
            assert_eq!(recorder.requests().len(), 2, "{case}: after 91 s");
            assert_eq!(bench.ledger().await, ["delivered: 200"], "{case}");
        }
    }
}
