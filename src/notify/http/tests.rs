use super::*;

#[test]
fn retry_after_reads_seconds_and_dates_and_is_capped() {
    let now = Timestamp::parse_rfc3339("2026-11-20T07:00:00Z").unwrap();
    let check = |text: &str, want: Option<u64>| {
        assert_eq!(
            retry_after(text, now),
            want.map(Duration::from_secs),
            "{text}"
        );
    };
    check("7", Some(7));
    check("Fri, 20 Nov 2026 07:00:30 GMT", Some(30));
    check("Fri, 20 Nov 2026 06:00:00 GMT", Some(0));
    check("99999999", Some(3600));
    check("soon", None);
    check("-1", None);
}

#[test]
fn statuses_fall_into_classes() {
    let check = |status: u16, reason: Reason, retryable: bool| {
        let error = refused(
            StatusCode::from_u16(status).unwrap(),
            Some(Duration::from_secs(5)),
            "no",
        );
        assert_eq!((error.reason, error.retryable), (reason, retryable));
        assert_eq!(error.retry_after.is_some(), retryable);
    };
    check(429, Reason::RateLimited, true);
    check(503, Reason::ServerError, true);
    check(408, Reason::Timeout, true);
    check(400, Reason::ClientError, false);
    check(404, Reason::ClientError, false);
    check(401, Reason::Auth, false);
    check(302, Reason::ClientError, false);
}

#[test]
fn quoted_answers_are_short_and_on_one_line() {
    assert_eq!(quote(b"  no\r\n such\x00 thing "), "no such thing");
    assert_eq!(quote("x".repeat(500).as_bytes()).len(), 203);
}

mod ways {
    use std::path::Path;

    use http::HeaderMap;

    use super::super::Sender;
    use super::*;
    use crate::document::diagnostics::Diagnostics;
    use crate::document::parse;
    use crate::notify::testing::{self, Recorder};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn read(text: &str, base: &Path) -> (Option<HttpConfig>, Vec<String>) {
        let diagnostics = Diagnostics::default();
        let document = parse("am.yml", text, &diagnostics).unwrap();
        let config = HttpConfig::read(&document.value(&diagnostics), base);
        let found = diagnostics.into_sorted();
        (config, found.iter().map(ToString::to_string).collect())
    }

    fn sender(text: &str, base: &Path) -> Sender {
        let (config, found) = read(text, base);
        assert_eq!(found, [""; 0]);
        Sender::new(config.unwrap(), Duration::ZERO)
    }

    async fn post(sender: &Sender, url: &str, now: Timestamp) -> Result<Answer, SendError> {
        sender
            .post_json(url, b"{}".to_vec(), HeaderMap::new(), now)
            .await
    }

    const TOKEN: testing::Answer = testing::Answer::Json(
        "200 OK",
        "{\"access_token\":\"T1\",\"token_type\":\"bearer\",\"expires_in\":3600}",
    );
    const NEXT: testing::Answer = testing::Answer::Json(
        "200 OK",
        "{\"access_token\":\"T2\",\"expires_in\":\"3600\" }",
    );
    const NO: testing::Answer = testing::Answer::Json("401 No", "{\"error\":\"invalid_client\"}");

    #[tokio::test]
    async fn a_token_is_fetched_once_and_again_before_its_end() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("secret"), "s&1\n").unwrap();
        let (issuer, target) = (
            Recorder::start(&[TOKEN, NEXT]).await,
            Recorder::start(&[]).await,
        );
        let sender = sender(
            &format!(
                "oauth2: {{client_id: me, client_secret_file: secret, scopes: [a, b], token_url: '{}', endpoint_params: {{audience: x}}}}",
                issuer.url
            ),
            directory.path(),
        );
        for seconds in [0, 3569, 3570] {
            let now = NOW + Duration::from_secs(seconds);
            post(&sender, &target.url, now).await.unwrap();
        }
        let tokens: Vec<_> = target
            .requests()
            .iter()
            .map(|request| request.header("authorization"))
            .collect();
        assert_eq!(tokens, ["Bearer T1", "Bearer T1", "Bearer T2"]);
        let asked = issuer.requests();
        assert_eq!(asked.len(), 2);
        assert_eq!(
            asked[0].body,
            "grant_type=client_credentials&scope=a+b&audience=x"
        );
        // me:s%261
        assert_eq!(asked[0].header("authorization"), "Basic bWU6cyUyNjE=");
    }

    #[tokio::test]
    async fn a_server_that_wants_the_secret_in_the_body_gets_it_there() {
        let (issuer, target) = (
            Recorder::start(&[NO, TOKEN, NEXT]).await,
            Recorder::start(&[testing::Answer::Json("401 No", "")]).await,
        );
        let sender = sender(
            &format!(
                "oauth2: {{client_id: me, client_secret: s, token_url: '{}'}}",
                issuer.url
            ),
            Path::new("/"),
        );
        let error = post(&sender, &target.url, NOW).await.unwrap_err();
        assert!(
            error.retryable,
            "the token may have been withdrawn: {error}"
        );
        post(&sender, &target.url, NOW).await.unwrap();
        assert_eq!(target.requests()[1].header("authorization"), "Bearer T2");
        let asked = issuer.requests();
        let bodies: Vec<&str> = asked.iter().map(|request| request.body.as_str()).collect();
        let in_body = "grant_type=client_credentials&client_id=me&client_secret=s";
        assert_eq!(
            bodies,
            ["grant_type=client_credentials", in_body, in_body],
            "remembered"
        );
    }

    #[tokio::test]
    async fn a_refused_client_is_told_without_its_secret() {
        let issuer = Recorder::start(&[NO, NO]).await;
        let sender = sender(
            &format!(
                "oauth2: {{client_id: me, client_secret: HUSH, token_url: '{}'}}",
                issuer.url
            ),
            Path::new("/"),
        );
        let error = post(&sender, "http://127.0.0.1:1/", NOW).await.unwrap_err();
        assert_eq!(
            error.detail,
            "fetch OAuth 2.0 token: answered 401: invalid_client"
        );
        assert_eq!((error.reason, error.retryable), (Reason::Auth, false));
        assert!(!format!("{sender:?}").contains("HUSH"));
    }

    #[tokio::test]
    async fn a_proxy_is_asked_for_what_it_is_not_excepted_from() {
        let (proxy, target) = (Recorder::start(&[]).await, Recorder::start(&[]).await);
        let root = proxy.url.trim_end_matches("/hook");
        let sender = sender(
            &format!("proxy_url: {root}\nno_proxy: 127.0.0.1"),
            Path::new("/"),
        );
        post(&sender, "http://example.invalid/x", NOW)
            .await
            .unwrap();
        post(&sender, &target.url, NOW).await.unwrap();
        assert_eq!(proxy.requests().len(), 1);
        assert!(
            proxy.requests()[0]
                .head
                .starts_with("POST http://example.invalid/x ")
        );
        assert_eq!(target.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_proxy_gets_the_headers_meant_for_it_and_the_receiver_does_not() {
        let proxy = Recorder::start(&[]).await;
        let root = proxy.url.trim_end_matches("/hook");
        let sender = sender(
            &format!(
                "proxy_url: {root}\nproxy_connect_header: {{X-Pass: [open]}}\ntls_config: {{insecure_skip_verify: true}}"
            ),
            Path::new("/"),
        );
        // The proxy says 200 and closes: there is nobody behind it.
        let error = post(&sender, "https://example.invalid/x", NOW).await;
        assert!(error.unwrap_err().retryable);
        let asked = proxy.requests().remove(0);
        assert!(asked.head.starts_with("CONNECT example.invalid:443 "));
        assert_eq!(asked.header("x-pass"), "open");
        assert_eq!(asked.header("content-type"), "");
    }

    #[test]
    fn mistakes_of_http_config_have_their_place() {
        let check = |text: &str, want: &[&str]| {
            let (_, found) = read(text, Path::new("/"));
            assert_eq!(found, want, "{text}");
        };
        check(
            "oauth2: {client_id: a, token_url: x}\nbasic_auth: {username: u}",
            &[
                "am.yml:1:1: oauth2 and another authorization exclude each other; keep one of them",
                "am.yml:1:35: oauth2.token_url: token_url is not an address; write https://host/path",
            ],
        );
        check(
            "oauth2:\n  client_secret: a\n  client_secret_file: b\n  claims: {x: y}",
            &[
                "am.yml:2:3: oauth2: missing key \"client_id\"; add `client_id:` here",
                "am.yml:2:3: oauth2: client_secret and client_secret_file exclude each other; keep one of them",
                "am.yml:2:3: oauth2: missing key \"token_url\"; add `token_url:` here",
                "am.yml:4:11: oauth2.claims: claims is not supported: signed client assertions are not there yet; use client_secret or client_secret_file",
            ],
        );
        check(
            "proxy_connect_header: {X-A: [b]}",
            &[
                "am.yml:1:23: proxy_connect_header: proxy_connect_header without proxy_url; add proxy_url, or remove it",
            ],
        );
        check(
            "proxy_url: http://p:1\nproxy_connect_header: {X-A: [b]}",
            &[],
        );
    }
}

mod connections {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use http::HeaderMap;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::Barrier;

    use super::*;
    use crate::tasks::Tasks;

    const AT_ONCE: usize = 6;

    /// Answers when so many requests have come; returns its address and how many connections there were.
    async fn receiver() -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (accepted, all) = (
            Arc::<AtomicUsize>::default(),
            Arc::new(Barrier::new(AT_ONCE)),
        );
        let (count, tasks) = (Arc::clone(&accepted), Tasks::new());
        tasks.clone().spawn("receiver", async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let all = Arc::clone(&all);
                tasks.spawn("connection", async move {
                    let mut got = Vec::new();
                    while stream.read_buf(&mut got).await.is_ok_and(|read| read > 0) {
                        if got.ends_with(b"{}") {
                            got.clear();
                            all.wait().await;
                            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                            stream.write_all(answer).await.unwrap();
                        }
                    }
                });
            }
        });
        (url, accepted)
    }

    #[tokio::test]
    async fn sends_that_end_together_leave_their_connections_to_those_that_follow() {
        let (url, accepted) = receiver().await;
        let sender = Sender::new(HttpConfig::default(), Duration::from_secs(30));
        for _ in 0..4 {
            let now = Timestamp::from_millis(1);
            let sends =
                (0..AT_ONCE).map(|_| sender.post_json(&url, b"{}".to_vec(), HeaderMap::new(), now));
            for sent in join_all(sends).await {
                sent.unwrap();
            }
        }
        assert_eq!(accepted.load(Ordering::Relaxed), AT_ONCE);
    }
}
