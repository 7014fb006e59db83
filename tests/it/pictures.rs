//! Pictures of alerts: in mails, behind signed links, in the terminal.

use base64::Engine as _;
use outrigger::charts::png;

use crate::support::http;
use crate::support::outrigger::{Outrigger, run_to_end};
use crate::support::recorder::Recorder;
use crate::support::scene::Scene;
use crate::support::smtp::SmtpSink;
use crate::support::wait::{PATIENCE, wait_for};

const RULES: &str = "\
\x20 - alert: QueueTooLong
    expr: queue_length > 50
    for: 1s
    labels: {severity: critical}
    annotations: {summary: the queue is too long, runbook_url: 'http://example.org/queue'}
";

fn routed(receiver: &str) -> String {
    format!(
        "route: {{receiver: team, group_wait: 0s, group_interval: 1s}}\nreceivers:\n- name: team\n{receiver}"
    )
}

#[test]
fn a_mail_carries_the_picture_of_its_alert() {
    let scene = Scene::new(
        "queue_length{shard=\"a\"} 10\nqueue_length{shard=\"b\"} 12\n",
        RULES,
    );
    let Some(smtp) = SmtpSink::start(
        "a_mail_carries_the_picture_of_its_alert",
        scene.place.path(),
    ) else {
        return;
    };
    scene.place.write(
        "alertmanager.yml",
        &routed(&format!(
            "  email_configs: [{{to: on-call@example.org, from: outrigger@example.org, smarthost: '{}', require_tls: false, send_resolved: true}}]\n",
            smtp.address()
        )),
    );
    let outrigger = scene.start();
    outrigger.wait_for_value("queue_length{shard=\"a\"}", 10.0);
    scene
        .service
        .expose("queue_length{shard=\"a\"} 90\nqueue_length{shard=\"b\"} 12\n");
    let mail = wait_for("the mail", PATIENCE, || smtp.mails().into_iter().next());
    let images = mail["images"].as_array().unwrap();
    assert_eq!(images.len(), 1, "{mail}");
    let image = &images[0];
    assert_eq!(
        (image["type"].as_str(), image["disposition"].as_str()),
        (Some("image/png"), Some("inline"))
    );
    let id = image["id"]
        .as_str()
        .unwrap()
        .trim_matches(['<', '>'])
        .to_owned();
    let html = mail["html"].as_str().unwrap();
    assert!(html.contains(&format!("src=\"cid:{id}\"")), "{html}");
    let data = base64::engine::general_purpose::STANDARD
        .decode(image["data"].as_str().unwrap())
        .unwrap();
    assert_eq!(png::size(&data), Some((1440, 720)));
    assert!(data.len() > 10_000, "it is not empty: {}", data.len());
    assert!(
        mail["text"].as_str().unwrap().contains("/render/alert/"),
        "the text has the link"
    );
    assert!(outrigger.metric("outrigger_pictures_total{outcome=\"drawn\"}") >= 1.0);

    // The end has one too.
    scene
        .service
        .expose("queue_length{shard=\"a\"} 10\nqueue_length{shard=\"b\"} 12\n");
    let ended = wait_for("the second mail", PATIENCE, || {
        smtp.mails().into_iter().nth(1)
    });
    assert!(
        ended["subject"].as_str().unwrap().contains("RESOLVED"),
        "{ended}"
    );
    assert_eq!(ended["images"].as_array().unwrap().len(), 1);
}

#[test]
fn a_chat_is_given_a_signed_link_to_the_picture() {
    let scene = Scene::new("queue_length 10\n", RULES);
    scene.place.write(
        "alertmanager.yml",
        &routed(&format!(
            "  slack_configs: [{{api_url: '{}', channel: '#a', footer: '{{{{ range .Alerts }}}}{{{{ .ChartURL }}}}{{{{ end }}}}'}}]\n",
            scene.recorder.url("/slack")
        )),
    );
    let outrigger = scene.start_with(&["--external-url", "http://monitor.example.org"]);
    outrigger.wait_for_value("queue_length", 10.0);
    scene.service.expose("queue_length 90\n");
    let message = wait_for("the message", PATIENCE, || {
        scene.recorder.accepted("/slack").into_iter().next()
    });
    let attachment = &message["attachments"][0];
    let url = attachment["image_url"]
        .as_str()
        .unwrap_or_else(|| panic!("{message}"));
    assert_eq!(attachment["footer"], url, ".ChartURL is the same");
    let path = url.strip_prefix("http://monitor.example.org").unwrap();
    let path = path.to_owned();
    let get = |path: &str| http::get(&outrigger.address(), path).unwrap();
    let answer = get(&path);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(png::size(&answer.bytes), Some((1440, 720)));
    assert_eq!(
        answer.header("content-type").unwrap_or_default(),
        "image/png"
    );
    assert_eq!(
        answer.header("x-content-type-options").unwrap_or_default(),
        "nosniff"
    );
    assert!(
        answer
            .header("cache-control")
            .unwrap_or_default()
            .contains("max-age=")
    );

    for (what, changed) in [
        ("another rule", path.replace("rule=", "rule=0")),
        ("another time", path.replace("until=1", "until=2")),
        ("an end", path.replace("&rule=", "&end=5&rule=")),
        ("no token", path.split_once("&token=").unwrap().0.to_owned()),
        ("another token", format!("{path}0")),
        (
            "another alert",
            path.replace("/render/alert/", "/render/alert/0"),
        ),
    ] {
        assert_eq!(get(&changed).status, 403, "{what}: {changed}");
    }
    let posted = http::post(&outrigger.address(), &path, "").unwrap();
    assert_eq!(posted.status, 405);

    // Drawn anew by another process, after the alert has ended, from what is stored.
    scene.service.expose("queue_length 10\n");
    outrigger.wait_for_quiet("QueueTooLong");
    drop(outrigger);
    let outrigger = scene.start_with(&["--external-url", "http://monitor.example.org"]);
    let answer = wait_for("the picture after a restart", PATIENCE, || {
        let answer = http::get(&outrigger.address(), &path).ok()?;
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(png::size(&answer.bytes), Some((1440, 720)));
}

#[test]
fn pictures_can_be_turned_off_and_a_loopback_address_is_no_use_to_a_chat() {
    let check = |settings: &str, arguments: &[&str]| {
        let scene = Scene::new("queue_length 90\n", RULES);
        scene.settings(settings);
        let routing = format!(
            "  slack_configs: [{{api_url: '{}', channel: '#a'}}]\n",
            scene.recorder.url("/slack")
        );
        scene.place.write("alertmanager.yml", &routed(&routing));
        let outrigger: Outrigger = scene.start_with(arguments);
        let recorder: &Recorder = &scene.recorder;
        let message = wait_for("the message", PATIENCE, || {
            recorder.accepted("/slack").into_iter().next()
        });
        assert!(
            message["attachments"][0].get("image_url").is_none(),
            "{settings}: {message}"
        );
        assert_eq!(
            outrigger.metric("outrigger_pictures_total{outcome=\"drawn\"}"),
            0.0
        );
    };
    check(
        "pictures: {enabled: false}\n",
        &["--external-url", "http://monitor.example.org"],
    );
    check("", &[]);
}

#[test]
fn a_query_is_drawn_in_the_terminal_and_into_files() {
    let scene = Scene::new(
        "queue_length{shard=\"a\"} 10\nqueue_length{shard=\"b\"} 12\n",
        RULES,
    );
    let outrigger = scene.start();
    outrigger.wait_for_value("queue_length{shard=\"a\"}", 10.0);
    let url = outrigger.url();
    let query = |arguments: &[&str]| {
        let all = [
            &["query", "queue_length", "--url", &url, "--range", "1m"],
            arguments,
        ]
        .concat();
        run_to_end(scene.place.path(), &all)
    };
    let drawn = query(&["--chart"]);
    let text = String::from_utf8(drawn.stdout).unwrap();
    assert!(drawn.status.success(), "{text}");
    assert!(
        text.contains('┤') && text.contains("UTC") && text.contains("shard=\"b\""),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text}");
    for name in ["chart.svg", "chart.png"] {
        let written = query(&["--output", name]);
        assert!(
            written.status.success(),
            "{}",
            String::from_utf8_lossy(&written.stderr)
        );
    }
    let svg = std::fs::read_to_string(scene.place.join("chart.svg")).unwrap();
    assert!(
        svg.starts_with("<svg") && svg.contains("queue_length"),
        "{svg}"
    );
    assert!(png::size(&std::fs::read(scene.place.join("chart.png")).unwrap()).is_some());
    let refused = query(&["--output", "chart.gif"]);
    assert_eq!(
        refused.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&refused.stderr)
    );
}
