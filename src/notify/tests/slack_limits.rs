//! What Slack gets stays within its documented limits, whatever the alerts hold.

use super::*;
use crate::model::alert::Alert;
use crate::model::labels::Labels;
use crate::notify::testing::slack_faults;

/// A receiver that uses every part of a message, and one with nothing but the defaults.
fn receivers(url: &str) -> [String; 2] {
    let all = "{{ range .Alerts }}{{ .Labels }} {{ .Annotations.summary }} <http://x/{{ .Labels.huge | urlquery }}|link> {{ end }}";
    let fields = "{title: '@', value: '@'}, ".repeat(25);
    let actions =
        "{type: button, text: Runbook, url: 'http://x/', name: n, value: '@'}, ".repeat(7);
    let everything = format!(
        "receivers:\n- name: team\n  slack_configs:\n  - api_url: '{url}'\n    title: '@'\n    text: '@'\n    pretext: '@'\n\
         \x20   fallback: '@'\n    footer: '@'\n    callback_id: '@'\n    message_text: '@'\n    fields: [{fields}]\n    actions: [{actions}]\n"
    );
    let escaped = format!("{{{{ slackEscape (print {:?}) }}}}", "&<>");
    let everything = everything.replace(
        '@',
        &format!(
            "{escaped}{}",
            all.replace("{{ .Labels }}", "{{ slackEscape (print .Labels) }}")
                .replace(
                    "{{ .Annotations.summary }}",
                    "{{ slackEscape .Annotations.summary }}"
                )
        ),
    );
    let defaults = format!("receivers:\n- name: team\n  slack_configs: [{{api_url: '{url}'}}]\n");
    [everything, defaults]
}

/// So many alerts, with these texts.
fn alerts(count: usize, label: &str, summary: &str) -> Notification {
    let mut notification = notification("1", "team", "slack", "g", NOW);
    let one = notification.alerts.remove(0);
    notification.alerts = (0..count)
        .map(|n| {
            let mut alert = one.clone();
            let number = n.to_string();
            let labels = [("alertname", "A"), ("n", &number), ("huge", label)];
            alert.alert = Arc::new(Alert {
                labels: Labels::from_pairs(labels),
                annotations: Labels::from_pairs([("summary", summary)]),
                ..(*one.alert).clone()
            });
            alert
        })
        .collect();
    notification
}

/// One alert whose name, severity and group hold a text.
fn named(name: &str) -> Notification {
    let mut notification = alerts(1, name, name);
    let labels = Labels::from_pairs([("alertname", name), ("severity", name)]);
    let alert = &mut notification.alerts[0].alert;
    *alert = Arc::new(Alert {
        labels: labels.clone(),
        ..(**alert).clone()
    });
    notification.group_labels = labels;
    notification
}

#[tokio::test]
async fn nobody_is_called_by_the_name_of_an_alert() {
    let recorder = Recorder::start(&[]).await;
    let [_, defaults] = receivers(&recorder.url);
    let mut bench = Bench::new(&defaults).await;
    bench.write(named("<!channel>")).await;
    bench.after(Duration::ZERO).await;
    let body: serde_json::Value = serde_json::from_str(&recorder.requests()[0].body).unwrap();
    let body = body.to_string();
    assert!(
        body.contains("&lt;!channel&gt;") && !body.contains("<!"),
        "{body}"
    );
}

#[tokio::test]
async fn slack_takes_whatever_the_alerts_hold() {
    let markup = "<&>".repeat(3_000);
    let huge = "x".repeat(50_000);
    let wide = "🔥é\u{202e}漢".repeat(4_000);
    let controls: String = (1..32).map(char::from).collect::<String>().repeat(300);
    let cases = [
        ("one plain alert", alerts(1, "a", "b")),
        ("huge values", alerts(2, &huge, &huge)),
        ("500 alerts in a group", alerts(500, "value", "a summary")),
        ("500 alerts with huge values", alerts(500, &markup, "s")),
        ("markup", alerts(3, &markup, &markup)),
        ("wide characters", alerts(3, &wide, &wide)),
        ("control characters", alerts(3, &controls, &controls)),
        ("markup in names", named("<!channel> & <@U1>")),
    ];
    for (case, notification) in cases {
        let recorder = Recorder::start(&[Answer::AsSlack; 2]).await;
        for receivers in receivers(&recorder.url) {
            let mut bench = Bench::new(&receivers).await;
            bench.write(notification.clone()).await;
            bench.after(Duration::ZERO).await;
            assert_eq!(bench.ledger().await, ["delivered: 200"], "{case}");
        }
    }
}

#[test]
fn the_recorder_finds_what_slack_would_refuse() {
    let check = |body: serde_json::Value, want: &[&str]| {
        assert_eq!(slack_faults(&body.to_string()), want, "{body}");
    };
    check(serde_json::json!({"text": "fine"}), &[]);
    check(serde_json::json!({}), &["no_text"]);
    check(
        serde_json::json!({"text": "x".repeat(4_001)}),
        &["text has 4001 characters"],
    );
    check(
        serde_json::json!({"text": "a & b"}),
        &["text holds broken markup"],
    );
    check(
        serde_json::json!({"text": "<http://x"}),
        &["text holds broken markup"],
    );
    check(
        serde_json::json!({"attachments": [{"footer": "x".repeat(301), "actions": [{}, {}, {}, {}, {}, {}]}]}),
        &[
            "attachments[0].footer has 301 characters",
            "attachments[0] has 6 actions",
        ],
    );
    check(
        serde_json::json!({"text": "a", "txet": "b"}),
        &["unknown key txet"],
    );
}
