use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::HeaderMap;
use url::Url;

use super::client::{Answer, Client, FetchError, Get};
use super::config::HttpClientConfig;
use super::test_server::{Reply, TestServer, raw, text};
use crate::document::diagnostics::Diagnostics;
use crate::document::parse;

fn config(yaml: &str) -> HttpClientConfig {
    let (config, problems) = read(yaml, Path::new("/"));
    assert_eq!(problems, Vec::<String>::new());
    config
}

fn read(yaml: &str, base: &Path) -> (HttpClientConfig, Vec<String>) {
    let diagnostics = Diagnostics::default();
    let document = parse("f.yml", yaml, &diagnostics).unwrap();
    let fields = document.value(&diagnostics).fields().unwrap();
    let config = HttpClientConfig::read(&fields, base);
    fields.finish();
    let problems = diagnostics.into_sorted();
    (config, problems.iter().map(ToString::to_string).collect())
}

async fn fetch(client: &mut Client, url: &Url) -> Result<(Answer, String), FetchError> {
    let mut body = vec![b'x'; 3];
    let get = Get {
        url,
        headers: &HeaderMap::new(),
        timeout: Duration::from_secs(5),
        body_limit: 1000,
        compression: true,
    };
    let answer = client.get(get, &mut body).await?;
    Ok((answer, String::from_utf8_lossy(&body).into_owned()))
}

#[tokio::test]
async fn a_kept_connection_is_used_again_and_replaced_when_closed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let server = TestServer::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        2 => raw("HTTP/1.1 200 OK\nContent-Length: 1", b"2"),
        n => text(&n.to_string()),
    })
    .await;
    let mut client = Client::new(HttpClientConfig::default());
    let mut reused = Vec::new();
    for n in 0..4 {
        let (answer, body) = fetch(&mut client, &server.url("/")).await.unwrap();
        assert_eq!(body, n.to_string());
        reused.push(answer.reused);
    }
    assert_eq!(reused, [false, true, true, false]);
    assert_eq!(server.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn misbehaviour_is_an_error_that_says_what_happened() {
    let check = async |reply: Reply, want: &str| {
        let server = TestServer::start(move |_| reply.clone()).await;
        let mut client = Client::new(HttpClientConfig::default());
        let mut body = Vec::new();
        let get = Get {
            url: &server.url("/"),
            headers: &HeaderMap::new(),
            timeout: Duration::from_millis(200),
            body_limit: 100,
            compression: true,
        };
        let error = client.get(get, &mut body).await.expect_err(want);
        assert!(error.to_string().contains(want), "{error} lacks {want:?}");
    };
    check(
        Reply::Never,
        "deadline of 200ms exceeded while waiting for the answer",
    )
    .await;
    check(
        text(&"x".repeat(101)),
        "body size limit exceeded: more than 100 bytes",
    )
    .await;
    check(
        raw("HTTP/1.1 200 OK\nContent-Length: 10", b"abc"),
        "read body after 3 bytes",
    )
    .await;
    check(raw("garbage", b""), "request: ").await;
    check(
        raw("HTTP/1.1 200 OK\nContent-Encoding: br", b"abc"),
        "encoded as \"br\"",
    )
    .await;
    check(
        raw("HTTP/1.1 200 OK\nContent-Encoding: gzip", b"abc"),
        "unpack gzip",
    )
    .await;
    check(
        raw("HTTP/1.1 302 Found\nLocation: ftp://x/", b""),
        "redirect leads to no usable",
    )
    .await;
    check(
        raw("HTTP/1.1 302 Found\nLocation: /again", b""),
        "stopped after 10 redirects",
    )
    .await;
}

#[tokio::test]
async fn a_failure_status_is_an_answer() {
    let server =
        TestServer::start(|_| raw("HTTP/1.1 500 Internal Server Error\nX: y", b"oops")).await;
    let mut client = Client::new(HttpClientConfig::default());
    let (answer, _) = fetch(&mut client, &server.url("/")).await.unwrap();
    assert_eq!(answer.status, 500);
}

#[tokio::test]
async fn nobody_listening_is_told_with_the_address() {
    let mut client = Client::new(HttpClientConfig::default());
    let url: Url = "http://127.0.0.1:1/metrics".parse().unwrap();
    let error = fetch(&mut client, &url).await.unwrap_err();
    assert!(
        error.to_string().starts_with("connect to 127.0.0.1:1: "),
        "{error}"
    );
}

#[tokio::test]
async fn a_packed_body_that_is_refused_is_not_held() {
    let packed = vec![0xff; 1 << 20];
    let server =
        TestServer::start(move |_| raw("HTTP/1.1 200 OK\nContent-Encoding: gzip", &packed)).await;
    let mut client = Client::new(HttpClientConfig::default());
    let get = Get {
        url: &server.url("/"),
        headers: &HeaderMap::new(),
        timeout: Duration::from_secs(5),
        body_limit: 2 << 20,
        compression: true,
    };
    let outcome = client.get(get, &mut Vec::new()).await;
    assert!(matches!(outcome, Err(FetchError::Unpack(_))), "{outcome:?}");
    assert!(client.held() <= 128 << 10, "{}", client.held());
}

#[tokio::test]
async fn gzip_is_unpacked_with_a_cap() {
    let pack = |body: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(body.as_bytes()).unwrap();
        raw(
            "HTTP/1.1 200 OK\nContent-Encoding: gzip",
            &packed.finish().unwrap(),
        )
    };
    let (small, bomb) = (pack("hello"), pack(&"x".repeat(100_000)));
    let server = TestServer::start(move |request| match request.contains("/bomb") {
        true => bomb.clone(),
        false => small.clone(),
    })
    .await;
    let mut client = Client::new(HttpClientConfig::default());
    let (answer, body) = fetch(&mut client, &server.url("/")).await.unwrap();
    assert_eq!((body.as_str(), answer.wire_bytes > 5), ("hello", true));
    let error = fetch(&mut client, &server.url("/bomb")).await.unwrap_err();
    assert!(
        error.to_string().contains("body size limit exceeded"),
        "{error}"
    );
    assert!(
        !server.requests.lock()[0].contains("gzip"),
        "loopback is not asked to pack"
    );
}

#[tokio::test]
async fn credentials_stay_with_the_first_origin() {
    let other = TestServer::start(|_| text("elsewhere")).await;
    let elsewhere = other.url("/there").to_string();
    let server = TestServer::start(move |request| {
        if request.starts_with("GET /near ") {
            return text("near");
        }
        let to = if request.starts_with("GET /a ") {
            "/near"
        } else {
            elsewhere.as_str()
        };
        raw(
            &format!("HTTP/1.1 307 Temporary Redirect\nLocation: {to}\nContent-Length: 0"),
            b"",
        )
    })
    .await;
    let yaml = "basic_auth: {username: u, password: p}\nhttp_headers: {X-Tenant: {values: [t]}}\n";
    let mut client = Client::new(config(yaml));
    let (_, body) = fetch(&mut client, &server.url("/a")).await.unwrap();
    assert_eq!(body, "near");
    let (_, body) = fetch(&mut client, &server.url("/b?x=1")).await.unwrap();
    assert_eq!(body, "elsewhere");
    let here = server.requests.lock().concat();
    assert_eq!(
        here.matches("authorization: Basic dTpw").count(),
        3,
        "{here}"
    );
    assert!(here.contains("GET /b?x=1 HTTP/1.1"), "{here}");
    let there = other.requests.lock().concat();
    assert!(
        !there.contains("dTpw") && !there.contains("x-tenant"),
        "{there}"
    );

    let mut staying = Client::new(config("follow_redirects: false"));
    let (answer, _) = fetch(&mut staying, &server.url("/b")).await.unwrap();
    assert_eq!(answer.status, 307);
}

#[tokio::test]
async fn a_token_file_is_read_again_on_each_use() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(|_| text("")).await;
    let (config, problems) = read("authorization: {credentials_file: token}", dir.path());
    assert!(problems.is_empty());
    let mut client = Client::new(config);
    let error = fetch(&mut client, &server.url("/")).await.unwrap_err();
    assert!(
        error.to_string().contains("check that the file exists"),
        "{error}"
    );
    for token in ["one", "two"] {
        std::fs::write(dir.path().join("token"), format!("{token}\n")).unwrap();
        fetch(&mut client, &server.url("/")).await.unwrap();
        let last = server.requests.lock().last().unwrap().clone();
        assert!(
            last.contains(&format!("authorization: Bearer {token}\r\n")),
            "{last}"
        );
    }
}

#[tokio::test]
async fn tls_is_checked_against_the_configured_authority_and_name() {
    let key = rcgen::generate_simple_self_signed(["metrics.example".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server_config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![key.cert.der().clone()],
            rustls_pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server_config));
    let server = TestServer::listen(|_| text("sealed"), Some(acceptor)).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), key.cert.pem()).unwrap();
    let url: Url = format!("https://{}/", server.address).parse().unwrap();
    let check = async |yaml: &str, want: &str| {
        let (config, problems) = read(yaml, dir.path());
        assert!(problems.is_empty(), "{problems:?}");
        let got = match fetch(&mut Client::new(config), &url).await {
            Ok((_, body)) => body,
            Err(error) => error.to_string(),
        };
        assert!(got.contains(want), "{yaml}: {got}");
    };
    check(
        "tls_config: {ca_file: ca.pem, server_name: metrics.example}",
        "sealed",
    )
    .await;
    check(
        "tls_config: {ca_file: ca.pem}",
        "TLS handshake with 127.0.0.1",
    )
    .await;
    check("tls_config: {insecure_skip_verify: true}", "sealed").await;
    check(
        "tls_config: {ca_file: missing.pem}",
        "check that the file exists",
    )
    .await;
}

#[test]
fn mistakes_in_client_settings_are_told_together_and_without_secrets() {
    let yaml = "basic_auth: {username: u, password: hunter2, password_file: x}
bearer_token: hunter2
tls_config: {cert_file: c.pem, min_version: TLS99, max_version: TLS11}
proxy_url: http://proxy:3128
oauth2: {}
http_headers: {Host: {values: [x]}}
";
    let (_, problems) = read(yaml, Path::new("/"));
    let all = problems.join("\n");
    for want in [
        "password and password_file exclude each other",
        "basic_auth and bearer_token exclude each other",
        "both its certificate and its key",
        "unknown TLS version",
        "TLS below 1.2 is not spoken",
        "proxy_url is not supported",
        "oauth2 is not supported",
        "header host may not be set here",
    ] {
        assert!(all.contains(want), "{all}\nlacks {want}");
    }
    assert!(!all.contains("hunter2"), "{all}");
}
