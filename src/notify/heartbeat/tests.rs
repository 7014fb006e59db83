use super::*;
use crate::document::{self, diagnostics::Diagnostics};
use std::path::Path;

fn config(text: &str) -> Result<HeartbeatConfig, Vec<String>> {
    let diagnostics = Diagnostics::default();
    let text = format!("heartbeat: {text}");
    let document = document::parse("outrigger.yml", &text, &diagnostics).unwrap();
    let root = document.value(&diagnostics).fields().unwrap();
    let config = read(&root, Path::new("/etc/outrigger"));
    root.finish();
    let found = diagnostics.into_sorted();
    let mistakes: Vec<String> = found.iter().map(|found| found.message.clone()).collect();
    match config {
        Some(config) if mistakes.is_empty() => Ok(config),
        _ => Err(mistakes),
    }
}

#[test]
fn a_ping_is_due_only_while_every_component_progresses() {
    let config = config("{url: 'http://h/x', interval: 1m, progress_within: 90s}").unwrap();
    let seconds = Duration::from_secs;
    let check = |ages: [u64; 4], since_ping: Option<u64>, want: Result<bool, &[Component]>| {
        use Component::{Evaluation, Outbox, Routing, Scrape};
        let ages: Vec<Age> = [Scrape, Evaluation, Routing, Outbox]
            .into_iter()
            .zip(ages.map(seconds))
            .collect();
        let decision = decide(&ages, since_ping.map(seconds), &config);
        let got = match &decision {
            Decision::Wait => Ok(false),
            Decision::Ping => Ok(true),
            Decision::Withhold(stuck) => Err(stuck.iter().map(|age| age.0).collect::<Vec<_>>()),
        };
        assert_eq!(got, want.map_err(<[_]>::to_vec), "{ages:?} {since_ping:?}");
    };
    check([0, 0, 0, 0], None, Ok(true));
    check([0, 0, 0, 0], Some(59), Ok(false));
    check([0, 0, 0, 0], Some(60), Ok(true));
    check([90, 90, 90, 90], Some(60), Ok(true));
    check([91, 0, 0, 0], Some(60), Err(&[Component::Scrape]));
    check([0, 91, 0, 0], None, Err(&[Component::Evaluation]));
    check([0, 0, 91, 0], Some(1), Err(&[Component::Routing]));
    check(
        [91, 0, 0, 500],
        Some(60),
        Err(&[Component::Scrape, Component::Outbox]),
    );
}

#[test]
fn a_standstill_is_described() {
    let age = |component, seconds: u64| (component, Duration::from_millis(seconds * 1000 + 7));
    assert_eq!(
        describe(&[age(Component::Scrape, 300), age(Component::Outbox, 181)]),
        "scrape has not progressed for 5m, nor outbox for 3m1s"
    );
}

#[test]
fn settings_have_defaults_and_mistakes_are_told() {
    let read = config("{url_file: token, method: POST}").unwrap();
    assert_eq!(read.url, SecretSource::File("/etc/outrigger/token".into()));
    assert_eq!(read.method, Method::Post);
    assert_eq!(read.interval, Duration::from_secs(60));
    assert_eq!(read.progress_within, Duration::from_secs(300));
    for (text, want) in [
        ("{}", "no address to ping"),
        ("{url: 'ftp://h/secret'}", "not an address"),
        (
            "{url: 'http://h', url_file: f}",
            "url and url_file exclude each other",
        ),
        ("{url: 'http://h', interval: 0s}", "must be more than zero"),
        ("{url: 'http://h', method: PUT}", "unknown method \"PUT\""),
        ("{url: 'http://h', ping: 1m}", "unknown key"),
    ] {
        let mistakes = config(text).unwrap_err();
        assert!(mistakes[0].contains(want), "{text}: {mistakes:?}");
        assert!(!mistakes[0].contains("secret"), "{mistakes:?}");
    }
}

#[test]
fn progress_grows_old_until_the_next_mark() {
    let progress = Progress::default();
    assert!(progress.age() < Duration::from_secs(60));
    progress.mark();
    assert!(progress.age() < Duration::from_secs(60));
}
