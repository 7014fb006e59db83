//! The list of alerts where ten thousand fire: what the dispatcher hands out, and the page made of it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use outrigger::alerts::config;
use outrigger::alerts::dispatch::view::Wanted;
use outrigger::alerts::dispatch::{Dispatcher, Restored};
use outrigger::alerts::route::{IntegrationInfo, ReceiverInfo, Routing};
use outrigger::document::{self, diagnostics::Diagnostics};
use outrigger::http::pages::alerts::{Eye, list, render_list};
use outrigger::http::params::Params;
use outrigger::model::alert::{Alert, Course};
use outrigger::model::labels::Labels;
use outrigger::model::signature::{KEY_BYTES, Signer};
use outrigger::model::timestamp::Timestamp;

const ALERTS: u32 = 10_000;
const NOW: Timestamp = Timestamp::from_millis(1_795_165_200_000);
const ROUTE: &str = "route: {receiver: hook, group_by: [alertname]}";

fn routing() -> Routing {
    let diagnostics = Diagnostics::default();
    let document = document::parse("bench.yml", ROUTE, &diagnostics).expect("valid YAML");
    let fields = document.value(&diagnostics).fields().expect("a mapping");
    let receiver = ReceiverInfo {
        name: "hook".to_owned(),
        integrations: vec![IntegrationInfo {
            kind: "webhook".to_owned(),
            index: 0,
            send_resolved: true,
        }],
    };
    config::read(&fields, &[receiver]).expect("a valid route")
}

fn alert(number: u32) -> Alert {
    let severity = ["critical", "warning", "info"][number as usize % 3];
    let labels = [
        ("alertname", format!("Load{:02}", number % 50)),
        (
            "instance",
            format!("10.0.{}.{}:8080", number / 250, number % 250),
        ),
        ("job", "api".to_owned()),
        ("severity", severity.to_owned()),
    ];
    Alert {
        labels: Labels::from_pairs(labels),
        annotations: Labels::from_pairs([
            ("summary", "something is wrong"),
            ("runbook_url", "https://runbooks.example/x"),
        ]),
        starts_at: NOW - Duration::from_secs(60),
        ends_at: Timestamp::MAX,
        updated_at: NOW,
        generator_url: "http://localhost:9797/graph?g0.expr=up".into(),
        value: Some(1.0),
        course: Course::default(),
    }
}

fn page(c: &mut Criterion) {
    let mut dispatcher = Dispatcher::new(Arc::new(routing()), Restored::default(), Timestamp::MIN);
    for number in 0..ALERTS {
        dispatcher.insert(alert(number), NOW);
    }
    let signer = Signer::new([7; KEY_BYTES]);
    let eye = Eye {
        now: NOW,
        signer: &signer,
        external_url: "http://localhost:9797",
        may_act: true,
    };
    let view = || dispatcher.view(&Wanted::All, NOW);
    let mut group = c.benchmark_group("10,000 alerts");
    group.bench_function("view", |b| b.iter(|| black_box(view())));
    for (name, query) in [
        ("page in groups", ""),
        ("page one by one", "view=flat&page=100"),
        (
            "page of a filter",
            "filter=instance%3D~%2210.0.7.*%22&q=load",
        ),
    ] {
        let params = Params::of_query(query);
        group.bench_function(name, |b| {
            let make = |view| {
                let (_, page) = list::page(view, Vec::new(), false, &params, &eye);
                black_box(render_list(&page))
            };
            b.iter_batched(view, make, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, page);
criterion_main!(benches);
