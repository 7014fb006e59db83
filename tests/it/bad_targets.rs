//! Targets that misbehave: `up 0` with the reason, while the good one beside them goes on.

use crate::support::outrigger::{Outrigger, free_port};
use crate::support::place::Place;
use crate::support::scene::FAST;
use crate::support::server::Reply;
use crate::support::service::Service;
use crate::support::wait::{PATIENCE, wait_until};

#[test]
fn bad_targets_are_down_with_their_reason_and_a_good_one_goes_on() {
    let http = |reply: &[u8]| Reply::Raw(reply.to_vec());
    let not_utf8 = b"shop{name=\"caf\xe9\"} 1\n".to_vec();
    // What is wrong with it, what it answers, and a word of the reason.
    let table: Vec<(&str, Reply, &str)> = vec![
        ("slow", Reply::Hang, "deadline"),
        ("huge", Reply::Endless("shop_total{path=\"/\"} 1\n".to_owned()), "body size limit"),
        ("not UTF-8", Reply::text(200, not_utf8), "UTF-8"),
        ("garbled", Reply::text(200, "shop 1\nshop{name=\"x\" 2\n"), "line 2"),
        ("not a number", Reply::text(200, "shop one\n"), "line 1"),
        ("status", Reply::text(500, "oh no"), "500"),
        ("a web page", Reply::text(200, "<!DOCTYPE html><html><body>Hello</body></html>"), "line 1"),
        ("not HTTP", http(b"SSH-2.0-OpenSSH_9.2\r\n"), ""),
        ("cut short", http(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nshop 1\n"), ""),
        ("hangs up", http(b""), ""),
    ];
    let services: Vec<(&str, Service, &str)> = table
        .into_iter()
        .map(|(name, reply, reason)| (name, Service::answering(reply), reason))
        .collect();
    let good = Service::start("good 1\n");
    let closed = format!("127.0.0.1:{}", free_port());

    let bad: Vec<String> = services
        .iter()
        .map(|(_, service, _)| format!("'{}'", service.address()))
        .collect();
    let place = Place::new();
    let config = format!(
        "{FAST}rule_files: []\nscrape_configs:\n\
         - {{job_name: good, static_configs: [{{targets: ['{}']}}]}}\n\
         - {{job_name: bad, body_size_limit: 1MB, static_configs: [{{targets: [{}, '{closed}']}}]}}\n",
        good.address(),
        bad.join(", "),
    );
    place.write("outrigger.yml", &config);
    let outrigger = Outrigger::start(place.path(), &["--config", "outrigger.yml"]);

    let closed_case = ("unreachable", closed.clone(), "refused");
    let cases = services
        .iter()
        .map(|(name, service, reason)| (*name, service.address(), *reason))
        .chain([closed_case]);
    for (name, address, reason) in cases {
        let target = outrigger.target(&address);
        let error = target["lastError"].as_str().unwrap_or_default();
        assert_eq!(target["health"], "down", "{name}: {target}");
        assert!(!error.is_empty(), "{name} has no reason");
        assert!(
            error.contains(reason),
            "{name}: {reason:?} is not in {error:?}"
        );
        outrigger.wait_for_value(&format!("up{{instance=\"{address}\"}}"), 0.0);
        assert_eq!(
            outrigger.value(&format!(
                "count({{instance=\"{address}\", __name__!~\"up|scrape_.*\"}})"
            )),
            None,
            "{name}"
        );
        let page = outrigger.get("/status").body;
        assert!(page.contains(&address), "{name} is on the status page");
    }

    // The loop goes on, for the good one and for the bad ones.
    assert_eq!(outrigger.target(&good.address())["health"], "up");
    good.expose("good 2\n");
    outrigger.wait_for_value("good", 2.0);
    let (_, mended, _) = &services[3];
    mended.expose("shop 3\n");
    outrigger.wait_for_value("shop", 3.0);
    outrigger.wait_for_value(&format!("up{{instance=\"{}\"}}", mended.address()), 1.0);
    // Bad again: its series ends at once, not after five minutes.
    mended.expose("shop{ 4\n");
    wait_until("the series to be stale", PATIENCE, || {
        outrigger.value("shop").is_none()
    });
}
