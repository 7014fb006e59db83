use super::Bench;
use crate::net::test_server::{Reply, raw};
use crate::scrape::error::Outcome;

#[tokio::test]
async fn every_kind_of_bad_target_is_down_with_a_reason() {
    let check = async |yaml: &str, reply: Reply, outcome: Outcome, want: &str| {
        let mut bench = Bench::new(yaml).await;
        bench.answers(reply);
        let got = bench.tick().await;
        assert_eq!(got.outcome, outcome, "{want}");
        let error = bench.status().last_error.unwrap();
        assert!(error.contains(want), "{error} lacks {want:?}");
        assert_eq!(bench.report("up"), "15=0");
    };
    let ok = |body: &[u8]| Reply::Ok(body.to_vec());
    check(
        "",
        raw("HTTP/1.1 503 Service Unavailable", b""),
        Outcome::Status,
        "HTTP status 503 Service Unavailable",
    )
    .await;
    check(
        "scrape_timeout: 100ms",
        Reply::Never,
        Outcome::Timeout,
        "deadline of 100ms exceeded",
    )
    .await;
    check(
        "body_size_limit: 1KB",
        ok(&[b'a'; 2000]),
        Outcome::BodyLimit,
        "body size limit exceeded",
    )
    .await;
    check(
        "",
        ok(b"a{x=\"\xff\"} 1\n"),
        Outcome::Parse,
        "line 1, column",
    )
    .await;
    check(
        "",
        ok(b"<html>no metrics</html>"),
        Outcome::Parse,
        "line 1, column 1",
    )
    .await;
    check(
        "",
        raw("HTTP/1.1 200 OK\nContent-Length: 99", b"a 1\n"),
        Outcome::Http,
        "read body after 4 bytes",
    )
    .await;
    check(
        "",
        raw(
            "HTTP/1.1 200 OK\nContent-Type: application/openmetrics-text",
            b"a 1\n",
        ),
        Outcome::Parse,
        "# EOF",
    )
    .await;
    check(
        "basic_auth: {username: u, password_file: /nowhere/at/all}",
        ok(b""),
        Outcome::Credentials,
        "check that the file exists",
    )
    .await;
}

#[tokio::test]
async fn formats_follow_the_content_type_and_the_cache_follows_the_format() {
    let mut bench = Bench::new("fallback_scrape_protocol: OpenMetricsText1.0.0").await;
    bench.scrape("a{le=\"1\"} 1\n").await;
    bench.answers(raw(
        "HTTP/1.1 200 OK\nContent-Type: application/openmetrics-text; version=1.0.0",
        b"a{le=\"1\"} 2\n# EOF\n",
    ));
    bench.tick().await;
    bench.answers(raw(
        "HTTP/1.1 200 OK\nContent-Type: what/ever",
        b"a{le=\"1\"} 3\n# EOF\n",
    ));
    bench.tick().await;
    assert_eq!(bench.report("up"), "15=1 30=1 45=1");
    assert_eq!(bench.stored(), [r#"a{le="1"} 15=1 30=2 45=3"#]);
}

#[tokio::test]
async fn a_request_asks_as_prometheus_does() {
    let mut bench = Bench::new("params: {module: [x]}\nmetrics_path: /probe").await;
    bench.scrape("a 1\n").await;
    bench.scrape("a 1\n").await;
    let requests = bench.server.requests.lock().clone();
    let first = &requests[0];
    assert!(
        first.starts_with("GET /probe?module=x HTTP/1.1\r\n"),
        "{first}"
    );
    for want in [
        "accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,",
        "x-prometheus-scrape-timeout-seconds: 10\r\n",
        "user-agent: outrigger/",
    ] {
        assert!(first.contains(want), "{first} lacks {want}");
    }
    let connections = &bench.server.connections;
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_is_taken_off_the_runtimes_thread() {
    let mut bench = Bench::new("").await;
    let body: String = (0..20_000)
        .map(|i| format!("a{{i=\"{i}\"}} {i}\n"))
        .collect();
    let outcome = bench.scrape(&body).await;
    assert_eq!(
        (outcome.outcome, outcome.counts.kept),
        (Outcome::Success, 20_000)
    );
    let outcome = bench.scrape(&body).await;
    assert_eq!(outcome.counts.series_added, 0);
}

#[tokio::test]
async fn a_body_that_is_refused_is_not_held() {
    let mut bench = Bench::new("sample_limit: 1").await;
    bench.scrape(&"a 1\n".repeat(500_000)).await;
    assert_eq!(bench.status().health, crate::scrape::status::Health::Down);
    assert!(bench.worker.held() <= 128 << 10, "{}", bench.worker.held());
}
