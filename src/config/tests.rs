use std::path::Path;

use super::*;

fn sources(file: Option<&Path>, overrides: Overrides) -> Sources {
    Sources {
        file: file.map(Path::to_owned),
        overrides,
        ..Sources::default()
    }
}

fn jobs(config: &Config) -> Vec<&str> {
    config
        .scrape
        .jobs
        .iter()
        .map(|job| job.name.as_str())
        .collect()
}

fn load_now(sources: &Sources) -> Result<Config, Vec<Diagnostic>> {
    load(sources, Timestamp::from_millis(1_700_000_000_000))
}

#[test]
fn without_a_file_it_watches_itself_and_the_host_with_the_shipped_rules() {
    let config = load_now(&sources(None, Overrides::default())).unwrap();
    assert_eq!(jobs(&config), ["outrigger"]);
    assert!(config.collects_host);
    assert!(config.rules.iter().any(|group| {
        group
            .rules
            .iter()
            .any(|rule| rule.name == "APIInstanceDown")
    }));
    assert_eq!(config.listen.to_string(), "127.0.0.1:9797");
    assert_eq!(config.settings.data, Path::new("data"));
    assert!(!config.receivers.receivers.is_empty());
}

#[test]
fn targets_of_flags_become_a_job_with_path_scheme_and_parameters() {
    let overrides = Overrides {
        targets: vec![
            "https://shop:8443/probe?module=a".to_owned(),
            "127.0.0.1:8080".to_owned(),
        ],
        ..Overrides::default()
    };
    let config = load_now(&sources(None, overrides)).unwrap();
    assert_eq!(jobs(&config), ["service", "outrigger"]);
    let groups = &config.scrape.jobs[0].statics;
    assert_eq!(groups[0].targets, ["shop:8443"]);
    let labels = |i: usize| {
        let mut labels = groups[i].labels.clone();
        labels.sort();
        labels
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        labels(0),
        [
            pair("__metrics_path__", "/probe"),
            pair("__param_module", "a"),
            pair("__scheme__", "https")
        ]
    );
    assert_eq!(
        labels(1),
        [
            pair("__metrics_path__", "/metrics"),
            pair("__scheme__", "http")
        ]
    );
}

#[test]
fn a_prometheus_file_taken_exactly_gets_nothing_added() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("prometheus.yml");
    let text = "scrape_configs:\n- job_name: a\n  static_configs: [{targets: ['x:1']}]\n";
    std::fs::write(&path, text).unwrap();
    let mut sources = sources(Some(&path), Overrides::default());
    let config = load_now(&sources).unwrap();
    assert_eq!(jobs(&config), ["a", "outrigger"]);
    assert!(config.collects_host && !config.rules.is_empty());
    sources.mode = Mode::Exactly;
    let config = load_now(&sources).unwrap();
    assert_eq!(jobs(&config), ["a"]);
    assert!(!config.collects_host && config.rules.is_empty());
}

#[test]
fn mistakes_of_all_files_are_told_together() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "outrigger.yml",
        "scrape_configs:\n- job_nam: a\nrule_files: ['rules/*.yml', gone.yml]\nalertmanager_config: am.yml\nweb: {listen: '0.0.0.0:1'}\nretention: 1h\n",
    );
    std::fs::create_dir(directory.path().join("rules")).unwrap();
    write(
        "rules/a.yml",
        "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(\n",
    );
    write(
        "am.yml",
        "route: {receiver: nobody}\nreceivers: [{name: somebody}]\n",
    );
    let mistakes = load_now(&sources(
        Some(&directory.path().join("outrigger.yml")),
        Overrides::default(),
    ))
    .unwrap_err();
    let text: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    let text = text.join("\n");
    for part in [
        "outrigger.yml:2:3: scrape_configs[0].job_nam: unknown key \"job_nam\"; did you mean \"job_name\"?",
        "outrigger.yml:6:1: retention: unknown key",
        "a.yml:5:15: groups[0].rules[0].expr: bad PromQL",
        "outrigger.yml:3:29: rule_files[1]: there is no file",
        "am.yml:1:19: route.receiver",
        "refusing to listen on 0.0.0.0:1",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
}

#[test]
fn another_address_than_loopback_needs_the_users_word() {
    let listen = |listen: &str, insecure: bool| {
        let overrides = Overrides {
            listen: Some(listen.to_owned()),
            insecure,
            ..Overrides::default()
        };
        load_now(&sources(None, overrides))
            .map(|config| (config.listen.to_string(), config.external_url))
    };
    assert!(listen("0.0.0.0:9000", false).is_err());
    assert!(listen("nonsense", false).is_err());
    let (address, url) = listen(":9000", true).unwrap();
    assert_eq!(
        (address.as_str(), url.as_str()),
        ("0.0.0.0:9000", "http://localhost:9000")
    );
    assert!(listen("[::1]:9000", false).is_ok());
    let overrides = |url: Option<&str>| Overrides {
        listen: Some(":9000".to_owned()),
        insecure: true,
        external_url: url.map(str::to_owned),
        ..Overrides::default()
    };
    let warnings = |url| {
        load_now(&sources(None, overrides(url)))
            .unwrap()
            .warnings
            .len()
    };
    assert_eq!(warnings(None), 1, "links would lead to localhost");
    assert_eq!(warnings(Some("http://monitor.example.org")), 0);
}

#[test]
fn rules_that_look_back_past_the_retention_are_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("outrigger.yml");
    let rules = directory.path().join("rules.yml");
    std::fs::write(
        &rules,
        "groups:\n- name: g\n  query_offset: 1m\n  rules:\n  - {record: near, expr: 'up + sum_over_time(up[1d23h59m])'}\n  - {record: far, expr: 'rate(up[1h] offset 1d23h)'}\n  - {record: fixed, expr: 'up @ 5'}\n",
    )
    .unwrap();
    let warned = |retention: &str| -> Vec<String> {
        std::fs::write(
            &file,
            format!("rule_files: [rules.yml]\nstorage: {{retention: {retention}}}\n"),
        )
        .unwrap();
        let config = load_now(&sources(Some(&file), Overrides::default())).unwrap();
        config.warnings.iter().map(ToString::to_string).collect()
    };
    let warning = format!(
        "{}: rule \"far\" of group \"g\" looks back 2d1m, but samples are kept for 2d; raise storage.retention, or look back less far",
        rules.display()
    );
    assert_eq!(warned("2d"), [warning]);
    assert_eq!(warned("2d1m"), [""; 0]);
    assert_eq!(
        load_now(&sources(None, Overrides::default()))
            .unwrap()
            .warnings,
        [],
        "the shipped rules"
    );
}

#[test]
fn what_would_fail_at_the_start_is_told_by_a_check() {
    let check = |overrides: Overrides, part: &str| {
        let mistakes = load_now(&sources(None, overrides)).expect_err(part);
        let text: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert!(text.join("\n").contains(part), "{part} is not in {text:?}");
        assert!(!text.join("\n").contains("hunter2"), "{text:?}");
    };
    let some = |text: &str| Some(text.to_owned());
    let level = |text| Overrides {
        log_level: some(text),
        ..Overrides::default()
    };
    check(level("a=b=c"), "log level: read log filter");
    let endpoint = |text| Overrides {
        otlp_endpoint: some(text),
        ..Overrides::default()
    };
    check(endpoint("collector"), "OTLP endpoint: not an address");
    check(endpoint("collector:4318"), "OTLP endpoint: not an http or");
    check(endpoint("grpc://u:hunter2@collector"), "OTLP endpoint");
    let url = |text| Overrides {
        external_url: some(text),
        ..Overrides::default()
    };
    check(url("monitor.example.org:9797"), "external URL: not an");
    let target = |text: &str| Overrides {
        targets: vec![text.to_owned()],
        ..Overrides::default()
    };
    check(target("http://u:hunter2@shop/"), "--target: not a target");
    check(target("u:hunter2@shop"), "--target: not a target");
}

#[test]
fn a_missing_folder_of_runbooks_is_a_mistake_and_a_pattern_without_files_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("outrigger.yml");
    let load = |text: &str| {
        std::fs::write(&path, text).unwrap();
        load_now(&sources(Some(&path), Overrides::default()))
    };
    let config = load("rule_files: ['rules/*.yml']\n").unwrap();
    assert_eq!(config.settings.data, Path::new("data"), "as without a file");
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert!(
        warnings[0].contains(":1:14: rule_files[0]: no file fits"),
        "{warnings:?}"
    );
    let mistakes = load("runbooks: nowhere/\n").unwrap_err();
    assert!(
        mistakes[0]
            .to_string()
            .contains(":1:11: runbooks: no folder"),
        "{mistakes:?}"
    );
}

#[test]
fn the_settings_that_the_documentation_shows_are_understood() {
    let directory = tempfile::tempdir().unwrap();
    for folder in ["alertmanager", "runbooks", "rules"] {
        std::fs::create_dir(directory.path().join(folder)).unwrap();
    }
    let routing = directory.path().join("alertmanager/alertmanager.yml");
    std::fs::write(routing, embedded::console_routing()).unwrap();
    std::fs::write(directory.path().join("rules/a.yml"), "groups: []").unwrap();
    let path = directory.path().join("outrigger.yml");
    for (name, blocks) in [("README.md", 1), ("docs/configuration.md", 2)] {
        let text = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = std::fs::read_to_string(text).unwrap();
        let shown = text.split("```yaml\n").skip(1);
        assert_eq!(shown.clone().count(), blocks, "{name}");
        for behind in shown {
            let (settings, _) = behind.split_once("```").unwrap();
            std::fs::write(&path, settings).unwrap();
            let loaded = load_now(&sources(Some(&path), Overrides::default()));
            let mistakes: Vec<String> = loaded.map_or_else(
                |mistakes| mistakes.iter().map(ToString::to_string).collect(),
                |_| Vec::new(),
            );
            assert!(mistakes.is_empty(), "{name}: {}", mistakes.join("\n"));
        }
    }
}

#[test]
fn delivery_is_read_and_its_mistakes_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let routing = "route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs: [{url: 'http://h/'}]\n- name: nobody\n";
    std::fs::write(directory.path().join("am.yml"), routing).unwrap();
    let path = directory.path().join("outrigger.yml");
    let load = |text: &str| {
        let text = format!("alertmanager_config: am.yml\ndelivery: {text}\n");
        std::fs::write(&path, text).unwrap();
        load_now(&sources(Some(&path), Overrides::default()))
    };
    let check = |text: &str, want: &str| {
        let mistakes = load(text).unwrap_err();
        assert!(mistakes[0].to_string().contains(want), "{mistakes:?}");
    };
    let delivery = load("{}").unwrap().settings.delivery;
    assert_eq!(delivery, Delivery::default());
    let text = "{expiry: 10m, retry: {first_wait: 1s, longest_wait: 2m}, circuit_breaker: {failures: 3, pause: 2s, longest_pause: 4s}, fallback_receiver: a}";
    let delivery = load(text).unwrap().settings.delivery;
    assert_eq!(delivery.policy.expiry, Duration::from_secs(600));
    assert_eq!(delivery.policy.first_wait, Duration::from_secs(1));
    assert_eq!(delivery.policy.longest_wait, Duration::from_secs(120));
    assert_eq!(delivery.breaker.failures, 3);
    assert_eq!(delivery.breaker.pause, Duration::from_secs(2));
    assert_eq!(delivery.breaker.longest_pause, Duration::from_secs(4));
    assert_eq!(delivery.fallback.as_deref(), Some("a"));
    let fallback = "2:31: delivery.fallback_receiver: there is no receiver";
    check("{fallback_receiver: nobody}", fallback);
    check("{fallback_receiver: elsewhere}", fallback);
    check("{expiry: 0s}", "delivery.expiry: must be more than zero");
    check(
        "{circuit_breaker: {pause: 2m}}",
        "delivery.circuit_breaker: longest_pause is shorter than the first one",
    );
    check("{fallback: a}", "unknown key \"fallback\"");
}

#[test]
fn in_alertmanagers_place_no_circuit_opens_and_nobody_stands_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("am.yml");
    std::fs::write(&path, embedded::console_routing()).unwrap();
    let sources = Sources {
        mode: Mode::RoutesOnly,
        overrides: Overrides {
            alertmanager_config: Some(path),
            ..Overrides::default()
        },
        ..Sources::default()
    };
    let delivery = load_now(&sources).unwrap().settings.delivery;
    assert_eq!(delivery.breaker.failures, 0);
    assert_eq!(delivery.fallback, None);
}
