mod links;

use super::*;
use crate::document;
use crate::model::signature::LateSigner;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(crate) fn load(
    text: &str,
    templates: &[TemplateFile],
    console: Console,
) -> (Loaded, Vec<String>) {
    let diagnostics = Diagnostics::default();
    let document = document::parse("am.yml", text, &diagnostics).expect("the test's YAML is valid");
    let options = Options {
        upstream_only: false,
        signer: &LateSigner::default(),
        slack_threads: true,
        base: Path::new("/etc/am"),
        external_url: "http://out:9797/",
        templates,
        console,
        now: NOW,
    };
    let loaded = {
        let root = document.value(&diagnostics).fields().unwrap();
        template_globs(&root);
        let loaded = read(&root, &options, &diagnostics);
        root.finish();
        loaded
    };
    let found = diagnostics.into_sorted();
    (loaded, found.iter().map(ToString::to_string).collect())
}

fn check(text: &str, want: &[&str]) -> Loaded {
    let (loaded, found) = load(text, &[], Console::Off);
    assert_eq!(found, want, "{text}");
    loaded
}

fn names(loaded: &Loaded) -> Vec<String> {
    let places = loaded.receivers.iter().flat_map(|receiver| {
        receiver.integrations.iter().map(|configured| {
            format!(
                "{} {} {}",
                receiver.name, configured.place, configured.send_resolved
            )
        })
    });
    places.collect()
}

#[test]
fn receivers_inherit_from_global_and_keep_their_order() {
    let text = "
global:
  resolve_timeout: 3m
  slack_api_url: https://hooks.slack.com/services/x
  smtp_smarthost: mail.example.org:587
  smtp_from: Alerts <alerts@example.org>
receivers:
- name: team
  slack_configs:
  - channel: '#alerts'
    send_resolved: true
    fields: [{title: A, value: '{{ .Status }}', short: true}]
    actions: [{type: button, text: Look, url: '{{ .ExternalURL }}'}]
  email_configs:
  - to: a@example.org, B <b@example.org>
    headers: {x-team: ops}
  webhook_configs:
  - url: http://127.0.0.1:1/hook
  - {url: http://127.0.0.1:1/two, send_resolved: false, max_alerts: 3, timeout: 5s}
- name: nothing
";
    let loaded = check(text, &[]);
    assert_eq!(loaded.resolve_timeout, Duration::from_secs(180));
    assert_eq!(
        names(&loaded),
        [
            "team webhook[0] true",
            "team webhook[1] false",
            "team email[0] false",
            "team slack[0] true"
        ]
    );
    assert!(loaded.receivers[1].integrations.is_empty());
}

#[test]
fn every_mistake_is_told_at_once() {
    let text = "
global:
  slack_api_ulr: https://x/y
  victorops_api_key: k
receivers:
- name: a
  slack_configs: [{channel: x, titlee: y}]
  victorops_configs: [{routing_key: k}]
- name: a
  email_configs: [{to: nobody}]
  webhook_configs:
  - {}
  - {url: 'ftp://secret@x/'}
";
    check(
        text,
        &[
            "am.yml:3:3: global.slack_api_ulr: unknown key \"slack_api_ulr\"; did you mean \"slack_api_url\"?",
            "am.yml:4:22: global.victorops_api_key: victorops_api_key is not supported: its integration is not there yet; remove it; the README lists the integrations there are",
            "am.yml:7:19: receivers[0].slack_configs[0]: no Slack address: neither here nor under global; set api_url or api_url_file here, or slack_api_url or slack_api_url_file under global",
            "am.yml:7:32: receivers[0].slack_configs[0].titlee: unknown key \"titlee\"; did you mean \"title\"?",
            "am.yml:8:22: receivers[0].victorops_configs: victorops_configs are not supported yet; use webhook_configs with VictorOps's REST endpoint",
            "am.yml:9:3: receivers[1]: duplicate receiver \"a\", first written on line 6; rename one of the two",
            "am.yml:10:19: receivers[1].email_configs[0]: no sender: neither here nor under global; set from here, or smtp_from under global",
            "am.yml:10:19: receivers[1].email_configs[0]: no mail server: neither here nor under global; set smarthost here, or smtp_smarthost under global",
            "am.yml:10:24: receivers[1].email_configs[0].to: to is not a list of e-mail addresses; write name@example.org, several separated by commas",
            "am.yml:12:5: receivers[1].webhook_configs[0]: webhook without an address; add `url:` or `url_file:`",
            "am.yml:13:11: receivers[1].webhook_configs[1].url: not an address: unsupported scheme; write https://host/path",
        ],
    );
}

#[test]
fn templates_are_parsed_and_tried_when_they_are_loaded() {
    let slack = |line: &str| {
        format!("receivers:\n- name: a\n  slack_configs:\n  - api_url: https://x/y\n    {line}\n")
    };
    let first = |text: String, templates: &[TemplateFile]| {
        let (_, found) = load(&text, templates, Console::Off);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        found.into_iter().next().unwrap()
    };
    let found = first(slack("title: 'a {{ .Status | nosuch }}'"), &[]);
    assert!(found.starts_with("am.yml:5:"), "{found}");
    assert!(
        found.contains("slack_configs[0].title: template: "),
        "{found}"
    );
    let found = first(slack("text: '{{ (index .Alerts 0).Status }}'"), &[]);
    assert!(
        found.contains("slack_configs[0].text: template: "),
        "fails without alerts: {found}"
    );
    let found = first(slack("text: '{{ template \"missing\" . }}'"), &[]);
    assert!(found.contains("missing"), "{found}");
    let file = |text: &str| {
        [TemplateFile {
            path: "own.tmpl".to_owned(),
            text: text.to_owned(),
        }]
    };
    let found = first(
        slack("channel: x"),
        &file("{{ define \"slack.default.title\" }}{{ .Nope }}{{ end }}"),
    );
    assert!(found.contains("own.tmpl:1:"), "{found}");
    let found = first(slack("channel: x"), &file("x\n{{ define }}"));
    assert!(found.starts_with("own.tmpl:2:"), "{found}");
    let (_, found) = load(
        &slack("title: '{{ template \"mine\" . }}'"),
        &file("{{ define \"mine\" }}{{ .Status }}{{ end }}"),
        Console::Off,
    );
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_console_prints_only_where_it_was_chosen() {
    let text = "receivers:\n- name: a\n- name: b\n  webhook_configs: [{url: http://x/}]\n";
    let output: Output = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let check = |console: Console, want: &[&str]| {
        let (loaded, found) = load(text, &[], console);
        assert_eq!(found, [""; 0]);
        assert_eq!(names(&loaded), want);
    };
    check(Console::Off, &["b webhook[0] true"]);
    check(
        Console::Empty(Arc::clone(&output), Style::Json),
        &["a console[0] true", "b webhook[0] true"],
    );
    check(
        Console::Named(vec!["b".to_owned()], output, Style::Json),
        &["b webhook[0] true", "b console[0] true"],
    );
}

#[test]
fn our_own_templates_render_for_every_kind_of_message() {
    let text = "
global: {smtp_smarthost: 'x:25', smtp_from: a@example.org, slack_api_url: 'https://x/y'}
receivers:
- name: a
  slack_configs: [{channel: x}]
  email_configs: [{to: a@example.org}]
  discord_configs: [{webhook_url: 'https://x/y'}]
  msteams_configs: [{webhook_url: 'https://x/y'}]
  msteamsv2_configs: [{webhook_url: 'https://x/y'}]
  opsgenie_configs: [{api_key: k}]
  pagerduty_configs: [{routing_key: k}]
  telegram_configs: [{bot_token: k, chat_id: 1}]
";
    // A template file makes the defaults be tried too.
    let files = [TemplateFile {
        path: "own.tmpl".to_owned(),
        text: "{{ define \"mine\" }}{{ template \"__subject\" . }}{{ template \"__alertmanagerURL\" . }}{{ template \"__text_alert_list\" .Alerts }}{{ template \"__text_alert_list_markdown\" .Alerts }}{{ end }}{{ define \"slack.default.fallback\" }}{{ template \"mine\" . }}{{ end }}".to_owned(),
    }];
    let (_, found) = load(text, &files, Console::Off);
    assert_eq!(found, [""; 0]);
}

#[test]
fn secrets_do_not_appear_in_what_is_printed() {
    let text = "
global: {smtp_smarthost: 'x:25', smtp_from: a@example.org}
receivers:
- name: a
  slack_configs: [{api_url: 'https://hooks/HUSH'}, {app_token: HUSH}]
  webhook_configs: [{url: 'http://x/HUSH'}]
  email_configs: [{to: a@example.org, auth_username: u, auth_password: HUSH}]
  discord_configs: [{webhook_url: 'https://x/HUSH'}]
  msteams_configs: [{webhook_url: 'https://x/HUSH'}]
  opsgenie_configs: [{api_key: HUSH}]
  telegram_configs: [{bot_token: HUSH, chat_id: 1}]
  pagerduty_configs: [{routing_key: HUSH}, {service_key: '{{ if true }}HUSH{{ end }}'}]
";
    let loaded = check(text, &[]);
    assert!(!format!("{loaded:?}").contains("HUSH"));
}

#[test]
fn mistakes_in_chats_have_their_place() {
    let text = "
receivers:
- name: a
  discord_configs:
  - {}
  - {webhook_url: 'discord.com/x', avatar_url: 'x', title: '{{ .Nope }}'}
  - {webhook_url: 'https://x/y', webhook_url_file: f, mesage: x}
  msteams_configs:
  - {webhook_url_file: f, timeout: 1s}
  msteamsv2_configs:
  - {webhook_url_file: f, summary: x}
";
    check(
        text,
        &[
            "am.yml:5:5: receivers[0].discord_configs[0]: no webhook address; add `webhook_url:` or `webhook_url_file:`",
            "am.yml:6:19: receivers[0].discord_configs[1].webhook_url: not an address: relative URL without a base; write https://host/path",
            "am.yml:6:48: receivers[0].discord_configs[1].avatar_url: not an address: relative URL without a base; write https://host/path",
            "am.yml:6:64: receivers[0].discord_configs[1].title: template: can't evaluate field Nope in type template.Data; correct the template",
            "am.yml:7:5: receivers[0].discord_configs[2]: webhook_url and webhook_url_file exclude each other; keep one of them",
            "am.yml:7:55: receivers[0].discord_configs[2].mesage: unknown key \"mesage\"; did you mean \"message\"?",
            "am.yml:9:27: receivers[0].msteams_configs[0].timeout: unknown key \"timeout\"; remove it",
            "am.yml:11:27: receivers[0].msteamsv2_configs[0].summary: unknown key \"summary\"; remove it",
        ],
    );
}

#[test]
fn mistakes_in_pagers_have_their_place() {
    let text = "
global:
  pagerduty_url: x
receivers:
- name: a
  pagerduty_configs:
  - {severity: error}
  - {routing_key: a, service_key: b}
  - {routing_key: a, routing_key_file: b, details: {x: [1, '{{ .Nope }}']}}
  - {routing_key: a, links: [{url: x}], timeout: 5s}
  opsgenie_configs:
  - {}
  - {api_key: a, api_url: x, responders: [{type: nobody}, {type: team, nam: b, id: c}]}
  - {api_key: a, visible_to: []}
";
    check(
        text,
        &[
            "am.yml:3:18: global.pagerduty_url: not an address: relative URL without a base; write https://host/path",
            "am.yml:7:5: receivers[0].pagerduty_configs[0]: no PagerDuty key; add `routing_key:` or `routing_key_file:`, the integration key of Events API v2",
            "am.yml:8:5: receivers[0].pagerduty_configs[1]: routing_key and service_key exclude each other; keep routing_key for a service with Events API v2",
            "am.yml:9:5: receivers[0].pagerduty_configs[2]: routing_key and routing_key_file exclude each other; keep one of them",
            "am.yml:9:64: receivers[0].pagerduty_configs[2].details.x[1]: template: can't evaluate field Nope in type template.Data; correct the template",
            "am.yml:10:31: receivers[0].pagerduty_configs[3].links[0].url: unknown key \"url\"; remove it",
            "am.yml:12:5: receivers[0].opsgenie_configs[0]: no Opsgenie key: neither here nor under global; set api_key or api_key_file here, or opsgenie_api_key or opsgenie_api_key_file under global",
            "am.yml:13:27: receivers[0].opsgenie_configs[1].api_url: not an address: relative URL without a base; write https://host/path",
            "am.yml:13:43: receivers[0].opsgenie_configs[1].responders[0]: responder without id, name or username; add one of them",
            "am.yml:13:50: receivers[0].opsgenie_configs[1].responders[0].type: \"nobody\" is no type of responder; write one of team, teams, user, escalation, schedule",
            "am.yml:13:72: receivers[0].opsgenie_configs[1].responders[1].nam: unknown key \"nam\"; did you mean \"name\"?",
            "am.yml:14:18: receivers[0].opsgenie_configs[2].visible_to: unknown key \"visible_to\"; remove it",
        ],
    );
}

#[test]
fn mistakes_in_telegram_have_their_place() {
    let text = "
receivers:
- name: a
  telegram_configs:
  - {}
  - {bot_token: a, bot_token_file: b, chat_id: 0, parse_mode: html}
  - {bot_token: a, chat_id: 1, chat_id_file: b, message: '<b>{{ .Nope }}</b>', messagee: x}
";
    check(
        text,
        &[
            "am.yml:5:5: receivers[0].telegram_configs[0]: no Telegram bot token: neither here nor under global; set bot_token or bot_token_file here, or telegram_bot_token or telegram_bot_token_file under global",
            "am.yml:5:5: receivers[0].telegram_configs[0]: no Telegram chat; add `chat_id:` or `chat_id_file:`",
            "am.yml:6:5: receivers[0].telegram_configs[1]: bot_token and bot_token_file exclude each other; keep one of them",
            "am.yml:6:48: receivers[0].telegram_configs[1].chat_id: not a chat id: \"0\"; write the chat's number, such as -1001234567890",
            "am.yml:6:63: receivers[0].telegram_configs[1].parse_mode: unknown parse_mode; write HTML, MarkdownV2, Markdown, or \"\" for plain text",
            "am.yml:7:5: receivers[0].telegram_configs[2]: chat_id and chat_id_file exclude each other; keep one of them",
            "am.yml:7:65: receivers[0].telegram_configs[2].message: template: can't evaluate field Nope in type template.Data; correct the template",
            "am.yml:7:80: receivers[0].telegram_configs[2].messagee: unknown key \"messagee\"; did you mean \"message\"?",
        ],
    );
}

#[test]
fn pagers_inherit_from_global() {
    let text = "
global:
  pagerduty_url: http://pager/v2
  opsgenie_api_key_file: key
  opsgenie_api_url: https://api.eu.opsgenie.com
receivers:
- name: a
  pagerduty_configs: [{routing_key_file: f}, {service_key: s, send_resolved: false}]
  opsgenie_configs: [{}, {api_key: own}]
";
    let loaded = check(text, &[]);
    assert_eq!(
        names(&loaded),
        [
            "a pagerduty[0] true",
            "a pagerduty[1] false",
            "a opsgenie[0] true",
            "a opsgenie[1] true"
        ]
    );
    let shown = |index: usize| {
        let integration = &loaded.receivers[0].integrations[index].integration;
        format!("{integration:?}")
    };
    assert!(shown(0).contains(r#"url: "http://pager/v2""#));
    assert!(shown(1).contains(r#"url: "https://events.pagerduty.com/generic"#));
    assert!(shown(2).contains(r#"File("/etc/am/key")"#), "{}", shown(2));
    assert!(shown(2).contains("api.eu.opsgenie.com"));
    assert!(!shown(3).contains("/etc/am/key"));
}

#[test]
fn a_payload_of_ones_own_is_tried_when_it_is_loaded() {
    let text = "
receivers:
- name: a
  webhook_configs:
  - url: http://x/
    payload:
      a: [1, {b: '{{ .Nope }}'}]
      '{{ .Nope }}': 1
";
    check(
        text,
        &[
            "am.yml:7:22: receivers[0].webhook_configs[0].payload.a[1].b: template: can't evaluate field Nope in type template.Data; correct the template",
            "am.yml:8:23: receivers[0].webhook_configs[0].payload.{{ .Nope }}: template: can't evaluate field Nope in type template.Data; correct the template",
        ],
    );
}

/// Every field of every integration that is a template: one that fails for some number of alerts is told at load, with its
/// place, whichever that number is.
#[test]
fn every_template_field_is_tried_with_no_alert_one_and_several() {
    const FIELDS: &[(&str, &str, &[&str])] = &[
        (
            "slack_configs",
            "channel: c, api_url: 'http://h/x'",
            &[
                "color: X",
                "title: X",
                "title_link: X",
                "pretext: X",
                "text: X",
                "fallback: X",
                "footer: X",
                "username: X",
                "icon_emoji: X",
                "icon_url: X",
                "image_url: X",
                "thumb_url: X",
                "callback_id: X",
                "fields: [{title: X, value: v}]",
                "fields: [{title: t, value: X}]",
                "actions: [{type: button, text: X, url: 'http://h'}]",
                "actions: [{type: button, text: t, url: X}]",
            ],
        ),
        (
            "email_configs",
            "to: a@example.org, from: b@example.org, smarthost: 'h:25', require_tls: false",
            &[
                "html: X",
                "text: X",
                "headers: {Subject: X}",
                "headers: {Own-Header: X}",
            ],
        ),
        (
            "webhook_configs",
            "url: 'http://h/x'",
            &[
                "payload: {a: X}",
                "payload: {a: [b, {c: X}]}",
                "payload: {X: a}",
            ],
        ),
        (
            "pagerduty_configs",
            "routing_key: k",
            &[
                "description: X",
                "severity: X",
                "client: X",
                "client_url: X",
                "class: X",
                "component: X",
                "group: X",
                "source: X",
                "details: {firing: X}",
                "details: {own: {deep: X}}",
                "images: [{src: X}]",
                "images: [{src: s, alt: X}]",
                "links: [{href: X}]",
                "links: [{href: h, text: X}]",
            ],
        ),
        (
            "opsgenie_configs",
            "api_key: k",
            &[
                "message: X",
                "description: X",
                "source: X",
                "tags: X",
                "note: X",
                "priority: X",
                "entity: X",
                "actions: X",
                "details: {own: X}",
                "responders: [{name: X, type: team}]",
            ],
        ),
        (
            "discord_configs",
            "webhook_url: 'http://h/x'",
            &["title: X", "message: X", "content: X"],
        ),
        (
            "msteams_configs",
            "webhook_url: 'http://h/x'",
            &["title: X", "summary: X", "text: X"],
        ),
        (
            "msteamsv2_configs",
            "webhook_url: 'http://h/x'",
            &["title: X", "text: X"],
        ),
        (
            "telegram_configs",
            "bot_token: t, chat_id: 1",
            &["message: X"],
        ),
    ];
    // For none, for one, for several alerts.
    let failing = [
        "{{ if eq (len .Alerts) 0 }}{{ index .Alerts 3 }}{{ end }}",
        "{{ if eq (len .Alerts) 1 }}{{ index .Alerts 3 }}{{ end }}",
        "{{ if gt (len .Alerts) 1 }}{{ index .Alerts 9 }}{{ end }}",
    ];
    for (kind, minimal, fields) in FIELDS {
        for field in *fields {
            let file = |template: &str| {
                let field = field
                    .replace('X', &format!("'{template}'"))
                    .replace("''{{", "'{{");
                format!("receivers: [{{name: r, {kind}: [{{{minimal}, {field}}}]}}]")
            };
            let (_, found) = load(&file("{{ len .Alerts }}"), &[], Console::Off);
            assert_eq!(found, [""; 0], "{kind} {field}");
            for template in failing {
                let (_, found) = load(&file(template), &[], Console::Off);
                assert_eq!(found.len(), 1, "{kind} {field}: {found:?}");
                assert!(found[0].contains("template"), "{kind} {field}: {found:?}");
            }
        }
    }
}
