//! Requests that no honest client sends: each is answered or cut off, and the next client is served.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::support::http::{self, encoded};
use crate::support::outrigger::{BINARY, Outrigger, free_port};
use crate::support::place::Place;
use crate::support::process::Process;
use crate::support::scene::Scene;
use crate::support::wait::{PATIENCE, wait_until};

/// Sends bytes, and reads what comes back until the other side closes.
fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    // The server may cut off before it has read all.
    drop(stream.write_all(bytes));
    drop(stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn broken_requests_harm_nobody() {
    let place = Place::new();
    let outrigger = Outrigger::start(place.path(), &[]);
    let address = outrigger.address();
    let long = "x".repeat(1 << 20);
    let requests: [(&str, Vec<u8>); 7] = [
        ("nothing", Vec::new()),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("a long path", format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n").into_bytes()),
        ("a long header", format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n").into_bytes()),
        ("many headers", format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(10_000)).into_bytes()),
        ("two lengths", b"POST /-/reload HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 9\r\n\r\nx".to_vec()),
        ("half a request", b"POST /api/v1/query HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nquery=".to_vec()),
    ];
    for (name, request) in requests {
        let answer = raw(&address, &request);
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 4");
        assert!(
            refused,
            "{name}: {}",
            answer.chars().take(200).collect::<String>()
        );
        assert_eq!(outrigger.get("/-/ready").status, 200, "after {name}");
    }

    let body = format!("query={}", "1%2B".repeat(2 << 20));
    let answer = http::post(&address, "/api/v1/query", &body);
    // It may be cut off before the answer is read.
    if let Ok(answer) = answer {
        assert_eq!(answer.status, 413, "a body of 8 MiB: {}", answer.body);
        assert!(answer.body.contains("larger than 4 MiB"), "{}", answer.body);
    }
    for path in [
        "/runbooks/../../../../etc/passwd",
        "/runbooks/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/assets/../Cargo.toml",
        "//etc/passwd",
    ] {
        let answer = outrigger.get(path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.body);
    }
    for (method, path) in [
        ("DELETE", "/api/v1/query"),
        ("GET", "/-/reload"),
        ("BREW", "/"),
    ] {
        let answer = http::request(&address, method, path, &[], "").unwrap();
        assert_eq!(answer.status, 405, "{method} {path}: {}", answer.body);
    }
    let log = outrigger.log();
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
}

#[test]
fn queries_end_at_their_bounds() {
    let scene = Scene::new("flag 1\n", "  - record: twice\n    expr: flag * 2\n");
    scene.settings("query: {max_samples: 50, timeout: 2s}\n");
    let outrigger = scene.start();
    outrigger.wait_for_value("twice", 2.0);
    let check = |query: &str, status: u16, kind: &str| {
        let answer = outrigger.get(&format!("/api/v1/query?query={}", encoded(query)));
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
        assert_eq!(answer.json()["errorType"], kind, "{query}: {}", answer.body);
    };
    check("sum_over_time(vector(1)[10m:1s])", 422, "execution");
    let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let answer = http::post(
        &outrigger.address(),
        "/api/v1/query",
        &format!("query={deep}"),
    )
    .unwrap();
    assert_eq!(
        answer.status,
        400,
        "{}",
        answer.body.chars().take(300).collect::<String>()
    );
    check("flag{path=~\"(a*)*b{1000}{1000}\"}", 400, "bad_data");
    // And goes on.
    assert_eq!(outrigger.value("flag"), Some(1.0));
    assert_eq!(outrigger.get("/-/ready").status, 200);
}

#[test]
fn every_error_carries_the_callers_id_and_bodies_of_others_forms_stay_as_theirs() {
    let place = Place::new();
    place.write("am.yml", "route: {receiver: a}\nreceivers: [{name: a}]\n");
    let outrigger = Outrigger::start(place.path(), &["--data", "data"]);
    let whole = outrigger.address();
    let stand_in = format!("127.0.0.1:{}", free_port());
    let listen = format!("--web.listen-address={stand_in}");
    let mut command = Command::new(BINARY);
    command.current_dir(place.path());
    command.args(["alertmanager", "--config.file=am.yml"]);
    command.args(["--storage.path=am", &listen]);
    let _stand_in = Process::start("alertmanager", place.path(), &mut command);
    wait_until("it to be ready", PATIENCE, || {
        http::get(&stand_in, "/-/ready").is_ok_and(|answer| answer.status == 200)
    });
    let json = ("content-type", "application/json");
    let foreign = ("origin", "http://elsewhere.example");
    let id = ("x-request-id", "the-callers-id");
    // Members of the bodies; a text and a page have none.
    let prometheus: &[&str] = &["status", "errorType", "error"];
    let alertmanager: &[&str] = &["code", "message"];
    let ours: &[&str] = &["success", "error", "requestId", "timestamp"];
    let text: &[&str] = &[];
    let check = |address: &str, request: &str, headers: &[_], body, keys: &[&str]| {
        let parts: Vec<&str> = request.split(' ').collect();
        let headers = [&[id], headers].concat();
        let answer = http::request(address, parts[1], parts[2], &headers, body).unwrap();
        assert_eq!(answer.status.to_string(), parts[0], "{request}: {answer:?}");
        assert_eq!(answer.header(id.0), Some(id.1), "{request}");
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&answer.body);
        let members = parsed.ok().and_then(|value| value.as_object().cloned());
        let members = members.unwrap_or_default();
        assert_eq!(members.keys().collect::<Vec<_>>(), keys, "{request}");
        if keys == ours {
            assert_eq!(members["requestId"], id.1, "{request}");
        }
    };
    for request in [
        "400 GET /api/v1/query?query=sum(",
        "400 GET /api/v1/query?query=up&time=x",
        "405 DELETE /api/v1/query",
        "404 GET /api/v1/nothing",
    ] {
        check(&whole, request, &[], "", prometheus);
    }
    check(&whole, "403 POST /api/v1/query", &[foreign], "", prometheus);
    check(&whole, "400 GET /api/v1/metrics?limit=x", &[], "", ours);
    check(&whole, "400 POST /api/v1/domains", &[json], "{", ours);
    for address in [&whole, &stand_in] {
        check(address, "404 GET /api/v2/nothing", &[], "", alertmanager);
        check(address, "422 GET /api/v2/silence/x", &[], "", alertmanager);
        check(address, "400 GET /api/v2/alerts?filter=%7B", &[], "", text);
        let post = "400 POST /api/v2/alerts";
        check(address, post, &[json], "{", alertmanager);
        let from_a_page = "403 POST /api/v2/alerts";
        check(address, from_a_page, &[foreign, json], "[]", alertmanager);
        check(address, "404 GET /nothing", &[], "", text);
    }
}
