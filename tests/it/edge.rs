//! Around every answer: compression, ids, limits and figures, as clients and Prometheus see them.

use std::io::Read as _;
use std::process::Command;

use serde_json::json;

use crate::support::http::{self, Answer};
use crate::support::outrigger::{BINARY, Outrigger, free_port};
use crate::support::place::Place;
use crate::support::process::Process;
use crate::support::wait::{PATIENCE, wait_for, wait_until};

fn ask(outrigger: &Outrigger, path: &str, headers: &[(&str, &str)]) -> Answer {
    http::request(&outrigger.address(), "GET", path, headers, "").expect("an answer")
}

#[test]
fn long_answers_are_compressed_and_alertmanagers_are_as_its_own() {
    let place = Place::new();
    let outrigger = Outrigger::start(place.path(), &[]);
    let gzip = ("accept-encoding", "gzip");
    for path in ["/metrics", "/", "/api/v1/rules", "/api/v1/alerts?limit=1"] {
        let plain = ask(&outrigger, path, &[]);
        let packed = ask(&outrigger, path, &[gzip]);
        let long = plain.bytes.len() >= 1_024;
        let coding = packed.header("content-encoding");
        assert_eq!(coding, long.then_some("gzip"), "{path}");
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        if long {
            let mut text = String::new();
            let mut unpacked = flate2::read::GzDecoder::new(&*packed.bytes);
            unpacked.read_to_string(&mut text).unwrap();
            assert_eq!(packed.header("vary"), Some("accept-encoding"), "{path}");
        }
    }
    let none = ask(&outrigger, "/metrics", &[gzip, ("x-no-compression", "1")]);
    assert_eq!(none.header("content-encoding"), None);
    let brotli = ask(&outrigger, "/metrics", &[("accept-encoding", "br, gzip")]);
    assert_eq!(brotli.header("content-encoding"), Some("br"));

    let place = Place::new();
    let routes = "{route: {receiver: team}, receivers: [{name: team}]}";
    place.write("alertmanager.yml", routes);
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(BINARY);
    command.current_dir(place.path()).args([
        "alertmanager",
        "--config.file=alertmanager.yml",
        "--storage.path=data",
        &format!("--web.listen-address={address}"),
    ]);
    let _alertmanager = Process::start("alertmanager", place.path(), &mut command);
    let get = |path: &str| {
        http::request(
            &address,
            "GET",
            path,
            &[("accept-encoding", "gzip, br")],
            "",
        )
    };
    let metrics = wait_for("Alertmanager's place", PATIENCE, || get("/metrics").ok());
    assert_eq!(metrics.header("content-encoding"), Some("gzip"));
    let status = get("/api/v2/status").unwrap();
    assert_eq!(
        (status.header("content-encoding"), status.header("vary")),
        (None, None)
    );
}

#[test]
fn a_sane_request_id_is_taken_over_and_another_replaced() {
    let place = Place::new();
    let outrigger = Outrigger::start(place.path(), &[]);
    let check = |given: &str, taken: bool| {
        for path in [
            "/",
            "/api/v1/metrics/x y",
            "/api/v2/status",
            "/nowhere",
            "/api/v1/domains/NONE",
        ] {
            let path = path.replace(' ', "%20");
            let answer = ask(&outrigger, &path, &[("x-request-id", given)]);
            let id = answer.header("x-request-id").unwrap();
            assert_eq!(id == given, taken, "{given:?} {path}");
            if path.ends_with("/NONE") {
                assert_eq!(answer.json()["requestId"], json!(id));
            }
        }
    };
    check("checkout-7f3a.1", true);
    check("3f0c9d4e-6a1b-4c58-9d57-0d7f6c1a2b3c", true);
    for strange in ["", "a b", "<script>", "a\"b", &"x".repeat(129)] {
        check(strange, false);
    }
}

#[test]
fn a_client_that_asks_too_much_is_told_when_to_come_back() {
    let place = Place::new();
    place.write(
        "outrigger.yml",
        "rate_limits: {reads: {requests: 3, per: 1h}, writes: {requests: 1, per: 1h}}\n\
         web: {trusted_proxies: [127.0.0.1]}\n",
    );
    let outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);
    let path = "/api/v1/metrics";
    for left in ["2", "1", "0"] {
        let answer = ask(&outrigger, path, &[]);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-limit"), Some("3"));
        assert_eq!(answer.header("ratelimit-remaining"), Some(left));
        assert_eq!(answer.header("ratelimit-policy"), Some("3;w=3600"));
        let reset = answer.header("ratelimit-reset").unwrap().parse::<u32>();
        assert!((1..=3_600).contains(&reset.unwrap()));
    }
    let refused = ask(&outrigger, path, &[]);
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (429, &json!("RATE_LIMITED"))
    );
    let wait = refused.header("retry-after").unwrap().parse::<u32>();
    assert!((1..=1_200).contains(&wait.unwrap()));
    // Another client of the same proxy, whatever it claims itself.
    let other = ask(
        &outrigger,
        path,
        &[("x-forwarded-for", "1.1.1.1, 198.51.100.7")],
    );
    assert_eq!(
        (other.status, other.header("ratelimit-remaining")),
        (200, Some("2"))
    );
    let same = ask(
        &outrigger,
        path,
        &[("x-forwarded-for", "2.2.2.2, 198.51.100.7")],
    );
    assert_eq!(same.header("ratelimit-remaining"), Some("1"));
    // Writes have a budget of their own; monitoring has none.
    let post = |path: &str, body: &str| {
        let headers = [("content-type", "application/json")];
        http::request(&outrigger.address(), "POST", path, &headers, body).unwrap()
    };
    assert_eq!(post(path, "{}").status, 400);
    assert_eq!(post(path, "{}").status, 429);
    for _ in 0..5 {
        for path in ["/metrics", "/health", "/-/ready", "/api/v1/query?query=1"] {
            let answer = ask(&outrigger, path, &[]);
            assert_eq!(
                (answer.status, answer.header("ratelimit-limit")),
                (200, None),
                "{path}"
            );
        }
        assert_eq!(post("/api/v2/alerts", "[]").status, 200);
    }
    let refused = |budget: &str| {
        let name = format!("outrigger_rate_limit_refused_requests_total{{budget=\"{budget}\"}}");
        outrigger.metric(&name)
    };
    assert_eq!(
        (refused("reads"), refused("writes"), refused("login")),
        (1.0, 1.0, 0.0)
    );
    assert_eq!(outrigger.metric("outrigger_rate_limit_clients"), 3.0);
}

#[test]
fn requests_are_counted_by_the_pattern_of_their_route() {
    let place = Place::new();
    let outrigger = Outrigger::start(place.path(), &[]);
    for path in [
        "/api/v1/metrics/A",
        "/api/v1/metrics/B",
        "/nowhere/1",
        "/nowhere/2",
    ] {
        assert_eq!(ask(&outrigger, path, &[]).status, 404, "{path}");
    }
    let count = |name: &str, route: &str| {
        outrigger.metric(&format!(
            "{name}{{method=\"GET\",route=\"{route}\",status=\"404\"}}"
        ))
    };
    for route in ["/api/v1/metrics/{id}", "unmatched"] {
        assert_eq!(count("http_requests_total", route), 2.0);
        assert_eq!(count("http_request_duration_seconds_count", route), 2.0);
        assert_eq!(count("http_response_size_bytes_count", route), 2.0);
        let errors = format!("errors_total{{type=\"resource\",route=\"{route}\"}}");
        assert_eq!(outrigger.metric(&errors), 2.0);
    }
    assert!(count("http_response_size_bytes_sum", "/api/v1/metrics/{id}") > 50.0);
}

#[test]
fn hundreds_of_connections_are_open_at_a_time() {
    let place = Place::new();
    let outrigger = Outrigger::start(place.path(), &[]);
    let connect = || std::net::TcpStream::connect(outrigger.address()).unwrap();
    let open: Vec<_> = (0..600).map(|_| connect()).collect();
    let connections = || outrigger.metric("outrigger_http_connections");
    wait_until("all of them", PATIENCE, || connections() > 600.0);
    assert_eq!(outrigger.get("/-/ready").status, 200);
    assert_eq!(
        outrigger.metric("outrigger_http_connections_refused_total"),
        0.0
    );
    drop(open);
}
