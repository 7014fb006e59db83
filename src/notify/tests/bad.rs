//! A table of bad receivers: each is tried again or given up as it deserves, and none of them delays another one.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;

/// What becomes of a notification that was sent once.
enum Fate {
    /// It waits for another attempt; the failure's class.
    Again(&'static str),
    /// It is given up; the ledger's line.
    GivenUp(&'static str),
    /// It waits for an answer.
    UnderWay,
}
use Fate::{Again, GivenUp, UnderWay};

/// Sends to the bad receiver and to a good one. The good one gets its own whatever the other does.
async fn check(case: &str, kind: &str, bad: &str, want: Fate) {
    let good = Recorder::start(&[]).await;
    let receivers = format!(
        "receivers:\n- name: team\n  {bad}\n- name: good\n  webhook_configs: [{{url: '{}'}}]\n",
        good.url
    );
    let bench = Bench::new(&receivers).await;
    bench.write(notification("1", "team", kind, "g", NOW)).await;
    let tasks = Tasks::new();
    let stop = tasks.stop_token().child_token();
    let worker = Worker::new(Dependencies {
        drain: Duration::from_millis(10),
        ..bench.with.clone()
    });
    let running = tasks.spawn("outbox", worker.run(stop.clone()));
    for n in 0..3 {
        let id = format!("good {n}");
        let one = notification(&id, "good", "webhook", &id, NOW);
        bench.write(one).await;
        bench.with.wake.notify_one();
    }
    good.wait_for(3).await;
    let patience = crate::clock::Stopwatch::start();
    let gone = u64::from(matches!(want, GivenUp(_)));
    loop {
        let waiting = outbox::backlog(&bench.with.database, NOW);
        let text = telemetry::metrics::encode(&bench.registry).unwrap();
        let failed = text.lines().filter(|line| {
            line.starts_with("outrigger_notifications_failed_total{") && !line.ends_with(" 0")
        });
        let failed: Vec<&str> = failed.collect();
        let ledger = bench.ledger().await;
        let fate = match want {
            Again(reason) => failed
                .iter()
                .any(|line| line.contains(&format!(r#"reason="{reason}""#))),
            GivenUp(line) => ledger.iter().any(|entry| entry == line),
            UnderWay => failed.is_empty(),
        };
        if fate && waiting.waiting == 1 - gone {
            break;
        }
        assert!(
            patience.elapsed() < Duration::from_secs(20),
            "{case}: {waiting:?} {failed:?} {ledger:?}"
        );
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn bad_receivers_over_http() {
    let cases = [
        (
            "500",
            Answer::Send("500 Oops\r\nContent-Length: 0\r\n\r\n"),
            Again("server_error"),
        ),
        (
            "429",
            Answer::Send("429 Slow\r\nContent-Length: 0\r\n\r\n"),
            Again("rate_limited"),
        ),
        ("closes mid-body", Answer::CloseMidBody, Again("connection")),
        (
            "closes without a word",
            Answer::Send("\r\n"),
            Again("connection"),
        ),
        (
            "301",
            Answer::Send("301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"),
            GivenUp(
                "not delivered, refused: client_error: answered 301: redirects are followed to the same origin only, \
                 and only 307 and 308; configure the final address",
            ),
        ),
        ("never", Answer::Hang, UnderWay),
    ];
    for (case, answer, want) in cases {
        let bad = Recorder::start(&[answer; 8]).await;
        let receiver = format!("webhook_configs: [{{url: '{}'}}]", bad.url);
        check(case, "webhook", &receiver, want).await;
    }
    // Slower than the receiver's own time-out.
    let slow = Recorder::start(&[Answer::Hang; 8]).await;
    let receiver = format!("webhook_configs: [{{url: '{}', timeout: 200ms}}]", slow.url);
    check("slowly", "webhook", &receiver, Again("timeout")).await;
    // Speaks plain HTTP where TLS is expected.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = Tasks::new();
    tasks.spawn("no TLS", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // The client may have gone already.
            stream.write_all(b"HTTP/1.1 400 Bad\r\n\r\n").await.ok();
        }
    });
    let receiver = format!("webhook_configs: [{{url: 'https://{address}/'}}]");
    check("no TLS", "webhook", &receiver, Again("connection")).await;
    check(
        "nobody listens",
        "webhook",
        "webhook_configs: [{url: 'http://127.0.0.1:1/'}]",
        Again("connection"),
    )
    .await;
}

/// What is answered to commands that begin so; to the connection itself where that is empty.
type Script = &'static [(&'static str, &'static str)];

/// An SMTP server that follows a script: the answer to a command that begins so; anything else is answered with 250.
async fn smtp(script: Script) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tasks = Tasks::new();
    tasks.clone().spawn("smtp", async move {
        while let Ok((stream, _)) = listener.accept().await {
            tasks.spawn("smtp session", async move {
                let mut stream = BufReader::new(stream);
                let greeting = script.iter().find(|(command, _)| command.is_empty());
                let mut say = greeting
                    .map_or("220 here", |(_, answer)| *answer)
                    .to_owned();
                loop {
                    if say == "(drop)" {
                        return;
                    }
                    if say == "(hang)" {
                        return std::future::pending().await;
                    }
                    say.push_str("\r\n");
                    if stream.get_mut().write_all(say.as_bytes()).await.is_err() {
                        return;
                    }
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                        return;
                    }
                    let found = script
                        .iter()
                        .find(|(command, _)| !command.is_empty() && line.starts_with(command));
                    say = found.map_or("250 fine", |(_, answer)| *answer).to_owned();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn bad_receivers_over_smtp() {
    const AUTH: &str = ", auth_username: u, auth_password: p";
    let cases: [(&str, Script, &str, Fate); 8] = [
        (
            "greylists",
            &[("RCPT", "451 greylisted, come again")],
            "require_tls: false",
            Again("rate_limited"),
        ),
        (
            "is busy",
            &[("", "421 too many connections")],
            "require_tls: false",
            Again("rate_limited"),
        ),
        (
            "offers no TLS",
            &[],
            "require_tls: true",
            GivenUp(
                "not delivered, refused: tls: the server does not offer STARTTLS; use its TLS port, or set require_tls: false",
            ),
        ),
        (
            "refuses TLS",
            &[
                ("EHLO", "250-here\r\n250 STARTTLS"),
                ("STARTTLS", "454 not available"),
            ],
            "require_tls: true",
            Again("rate_limited"),
        ),
        (
            "refuses the password",
            &[
                ("EHLO", "250-here\r\n250 AUTH PLAIN"),
                ("AUTH", "535 wrong password"),
            ],
            "AUTH",
            GivenUp("not delivered, refused: auth: permanent error (535): wrong password"),
        ),
        (
            "drops the connection",
            &[("MAIL", "(drop)")],
            "require_tls: false",
            Again("bad_response"),
        ),
        (
            "drops the connection at once",
            &[("", "(drop)")],
            "require_tls: false",
            Again("bad_response"),
        ),
        (
            "hangs",
            &[("DATA", "(hang)")],
            "require_tls: false",
            UnderWay,
        ),
    ];
    for (case, script, options, want) in cases {
        let address = smtp(script).await;
        let options = options.replace("AUTH", &format!("require_tls: false{AUTH}"));
        let receiver = format!(
            "email_configs: [{{smarthost: '{address}', from: a@example.org, to: b@example.org, {options}}}]"
        );
        check(case, "email", &receiver, want).await;
    }
}
