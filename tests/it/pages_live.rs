//! Overview, targets and rules through the running program, and what tells open pages to show more.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::outrigger::Outrigger;
use crate::support::scene::{Scene, wait_for_evaluations};
use crate::support::wait::{PATIENCE, wait_until};

/// Waits until a page holds all of these, and returns it.
#[track_caller]
fn wait_for_page(outrigger: &Outrigger, path: &str, parts: &[&str]) -> String {
    let mut page = String::new();
    wait_until(&format!("{parts:?} at {path}"), PATIENCE, || {
        page = outrigger.get(path).body;
        parts.iter().all(|part| page.contains(part))
    });
    page
}

#[test]
fn the_overview_is_quiet_until_something_fires_and_leads_on() {
    let rules = "  - alert: Firing\n    expr: flag == 1\n    labels: {severity: critical}\n\
                 \x20   annotations: {summary: 'the flag is up'}\n";
    let scene = Scene::new("flag 0\n", rules);
    let outrigger = scene.start();
    wait_for_page(&outrigger, "/", &["All quiet", "1 target answers"]);
    scene.service.expose("flag 1\n");
    scene.wait_for_told(1);
    let page = wait_for_page(
        &outrigger,
        "/",
        &[
            "1 firing",
            "the flag is up",
            "delivered",
            "/ack?",
            "/silence?",
        ],
    );
    assert!(page.contains("href=\"/rules/service/Firing\""), "{page}");
    assert!(
        page.contains("data-live=\"alerts silences status\""),
        "{page}"
    );
    for path in ["/rules/service/Firing", "/targets", "/rules", "/status"] {
        assert_eq!(outrigger.get(path).status, 200, "{path}");
    }
}

#[test]
fn a_rule_says_why_it_fires_or_does_not() {
    let rules = "  - {alert: NotMet, expr: errors > 0.05}\n\
                 \x20 - {alert: Nothing, expr: nowhere > 5}\n\
                 \x20 - {alert: Waits, expr: errors > 0.01, for: 1h}\n\
                 \x20 - {alert: Fires, expr: errors > 0.01}\n\
                 \x20 - {alert: 'a/../\"><b>x', expr: errors > 3}\n\
                 \x20 - {alert: Absent, expr: 'absent(errors)'}\n\
                 \x20 - {alert: Fails, expr: 'errors * on() group_left() errors'}\n\
                 \x20 - {record: 'shop:errors', expr: errors}\n";
    let exposition = "errors{of=\"a\"} 0.03\nerrors{of=\"b\"} 0.041\n";
    let scene = Scene::new(exposition, rules);
    let outrigger = scene.start();
    wait_for_evaluations(&outrigger, 3);
    let check = |rule: &str, says: &str| {
        let data = outrigger.data(&format!("/api/v1/rules/service/{rule}"));
        let said = data["explanation"].to_string();
        assert!(said.contains(says), "{rule}: {said}");
        let page = outrigger.get(&format!("/rules/service/{rule}"));
        assert_eq!(page.status, 200, "{rule}");
        assert!(!page.body.contains("<b>x"), "{}", page.body);
        let chart = outrigger.get(&format!("/rules/service/{rule}/chart.svg?theme=dark"));
        assert_eq!(
            chart.header("content-type"),
            Some("image/svg+xml"),
            "{rule}"
        );
        data
    };
    let data = check(
        "NotMet",
        "None of 2 values of errors is > 0.05; the nearest is 0.041",
    );
    let last = &data["evaluations"][0];
    assert_eq!(
        (&last["samples"], &last["series"], &last["results"]),
        (&2.into(), &2.into(), &0.into()),
        "{data}"
    );
    assert!(
        data["file"]
            .as_str()
            .is_some_and(|file| file.ends_with("service.yml"))
    );
    assert_eq!(data["line"], 4);
    check("Nothing", "No series matches nowhere.");
    check("Waits", "2 series are pending");
    check("Fires", "It fires for 2 series");
    check("a%2F%2E%2E%2F%22%3E%3Cb%3Ex", "is > 3");
    check(
        "Absent",
        "It fires where errors is missing, and 2 of it are there.",
    );
    check("shop:errors", "recorded 2 series");
    let failing = outrigger.data("/api/v1/rules/service/Fails");
    let said = failing["explanation"][0].as_str().unwrap();
    assert!(said.starts_with("Its evaluation fails: "), "{said}");
    assert!(failing["evaluations"][0]["error"].is_string(), "{failing}");

    let found = outrigger.get("/rules?state=failing").body;
    assert!(
        found.contains("Fails") && !found.contains("NotMet"),
        "{found}"
    );
    let found = outrigger.get("/rules?q=NOWHERE").body;
    assert!(
        found.contains("Nothing") && !found.contains("NotMet"),
        "{found}"
    );
    assert_eq!(outrigger.get("/rules/service/Gone").status, 404);
    assert_eq!(outrigger.get("/rules/%ff/x").status, 404);
}

#[test]
fn targets_are_found_by_text_and_state() {
    let scene = Scene::new("flag 1\n", "  - {record: one, expr: flag}\n");
    scene.settings(
        "- job_name: gone\n  static_configs: [{targets: ['127.0.0.1:9'], labels: {zone: west}}]\n",
    );
    let outrigger = scene.start();
    outrigger.target("127.0.0.1:9");
    let found = wait_for_page(
        &outrigger,
        "/targets?q=ZONE%3Dwest",
        &["127.0.0.1:9", "refused"],
    );
    assert!(!found.contains(&scene.service.address()), "{found}");
    assert!(
        found.contains("__address__=127.0.0.1:9"),
        "before relabelling: {found}"
    );
    let up = wait_for_page(&outrigger, "/targets?state=up", &[&scene.service.address()]);
    assert!(!up.contains("127.0.0.1:9<"), "{up}");
    let none = outrigger.get("/targets?q=%22%3E%3Cscript%3E").body;
    assert!(
        none.contains("No target matches") && !none.contains("\"><script>"),
        "{none}"
    );
}

/// The lines of `/events`, as they come.
fn listen(outrigger: &Outrigger) -> impl Iterator<Item = String> + use<> {
    let address = outrigger.address();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("GET /events HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    BufReader::new(stream).lines().map_while(Result::ok)
}

#[test]
fn open_pages_are_told_what_moved_until_the_end() {
    let rules = "  - {alert: Firing, expr: flag == 1}\n";
    let scene = Scene::new("flag 0\n", rules);
    let mut outrigger = scene.start();
    let mut lines = listen(&outrigger);
    assert_eq!(lines.next().as_deref(), Some("HTTP/1.1 200 OK"));
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    assert!(
        head.iter()
            .any(|line| line == "content-type: text/event-stream"),
        "{head:?}"
    );
    let topics = ["alerts", "rules", "targets", "silences", "status"];
    for topic in topics {
        let event = format!("event: {topic}");
        assert!(lines.any(|line| line == event), "{topic} at first");
    }
    assert_eq!(outrigger.metric("outrigger_http_event_streams"), 1.0);
    scene.service.expose("flag 1\n");
    assert!(
        lines.any(|line| line == "event: alerts"),
        "the alert is told"
    );
    for path in ["/", "/alerts", "/rules", "/silences", "/targets", "/status"] {
        let page = outrigger.get(path).body;
        assert!(
            page.contains("data-generations=\"alerts="),
            "{path}: {page}"
        );
    }
    assert!(outrigger.terminate(Duration::from_secs(20)).success());
    // The stream has ended, not the patience.
    lines.for_each(drop);
}

#[test]
fn so_many_pages_follow_as_the_settings_say() {
    let scene = Scene::new("flag 1\n", "  - {record: one, expr: flag}\n");
    scene.settings("web: {max_event_streams: 1}\n");
    let outrigger = scene.start();
    let mut first = listen(&outrigger);
    assert_eq!(first.next().as_deref(), Some("HTTP/1.1 200 OK"));
    let mut second = listen(&outrigger);
    let refused = second.next();
    assert_eq!(refused.as_deref(), Some("HTTP/1.1 503 Service Unavailable"));
    assert_eq!(outrigger.metric("outrigger_http_event_streams_limit"), 1.0);
    let refused = outrigger.metric("outrigger_http_event_streams_refused_total");
    assert_eq!(refused, 1.0);
}

#[test]
fn a_theme_is_remembered_and_assets_are_kept_under_their_hash() {
    let scene = Scene::new("flag 1\n", "  - {record: one, expr: flag}\n");
    let outrigger = scene.start();
    let ask = |method, path: &str, headers: &[(&str, &str)], body: &str| {
        crate::support::http::request(&outrigger.address(), method, path, headers, body).unwrap()
    };
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let chosen = ask("POST", "/theme", &form, "theme=dark&next=%2Frules%3Fq%3Da");
    assert_eq!(
        (chosen.status, chosen.header("location")),
        (303, Some("/rules?q=a"))
    );
    let cookie = chosen.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("outrigger_theme=dark; Path=/; HttpOnly"),
        "{cookie}"
    );
    let away = ask(
        "POST",
        "/theme",
        &form,
        "theme=dark&next=https%3A%2F%2Fevil.example",
    );
    assert_eq!(away.header("location"), Some("/"));
    let page = ask("GET", "/", &[("cookie", "outrigger_theme=dark")], "").body;
    assert!(page.contains("data-theme=\"dark\""), "{page}");
    for (name, kind) in [("style.css", "text/css"), ("app.js", "text/javascript")] {
        let start = page.find(&format!("/assets/{name}?v=")).unwrap();
        let path = page[start..].split('"').next().unwrap();
        let asset = outrigger.get(path);
        assert!(asset.header("content-type").unwrap().starts_with(kind));
        assert_eq!(
            asset.header("cache-control"),
            Some("public, max-age=31536000, immutable")
        );
        let tag = asset.header("etag").unwrap();
        let again = ask("GET", path, &[("if-none-match", tag)], "");
        assert_eq!((again.status, again.body.as_str()), (304, ""));
    }
    assert_eq!(outrigger.get("/assets/nothing.css").status, 404);
}
