use std::time::Duration;

use super::{Bench, work};
use crate::scrape::error::Outcome;
use crate::scrape::status::Health;
use crate::storage::StorageConfig;

#[tokio::test]
async fn samples_and_reports_are_stored_under_the_slots_time() {
    let mut bench = Bench::new("").await;
    let body = "# HELP a x\n# TYPE a counter\na{x=\"1\"} 5\nb 7.5\n";
    let outcome = bench.scrape(body).await;
    bench.scrape(body).await;
    assert_eq!(bench.stored(), [r#"a{x="1"} 15=5 30=5"#, "b 15=7.5 30=7.5"]);
    assert_eq!(bench.report("up"), "15=1 30=1");
    assert_eq!(bench.report("scrape_samples_scraped"), "15=2 30=2");
    assert_eq!(
        bench.report("scrape_samples_post_metric_relabeling"),
        "15=2 30=2"
    );
    assert_eq!(bench.report("scrape_series_added"), "15=2 30=0");
    assert!(bench.report("scrape_duration_seconds").starts_with("15=0."));
    assert_eq!(outcome.outcome, Outcome::Success);
    assert_eq!(
        bench.outcomes.lock().len(),
        2,
        "the hook is told of each commit"
    );
    let status = bench.status();
    assert_eq!(
        (status.health, status.last_error, status.warning),
        (Health::Up, None, None)
    );
    assert_eq!(status.body_bytes, body.len());
}

#[tokio::test]
async fn a_series_that_vanishes_is_ended_and_counts_as_added_when_it_returns() {
    let mut bench = Bench::new("").await;
    for body in ["a 1\nb 1\n", "a 2\n", "b 3\na 3\nc 3\n", "c 4\n"] {
        bench.scrape(body).await;
    }
    assert_eq!(
        bench.stored(),
        [
            "a 15=1 30=2 45=3 60=stale",
            "b 15=1 30=stale 45=3 60=stale",
            "c 45=3 60=4"
        ]
    );
    assert_eq!(bench.report("scrape_series_added"), "15=2 30=0 45=2 60=0");
}

#[tokio::test]
async fn labels_in_another_order_are_the_same_series() {
    let mut bench = Bench::new("").await;
    for body in [
        "a{x=\"1\",y=\"2\"} 1\n",
        "a{y=\"2\",x=\"1\"} 2\n",
        "a{x=\"1\",y=\"2\"} 3\n",
        "",
    ] {
        let outcome = bench.scrape(body).await;
        assert_eq!(outcome.counts.duplicate, 0, "{body}");
    }
    assert_eq!(
        bench.stored(),
        [r#"a{x="1", y="2"} 15=1 30=2 45=3 60=stale"#]
    );
}

#[tokio::test]
async fn a_failed_scrape_ends_all_series_and_reports_down() {
    let mut bench = Bench::new("").await;
    bench.scrape("a 1\nb 1\n").await;
    bench.answers(super::Reply::Raw(
        b"HTTP/1.1 500 Internal Server Error\r\n\r\n".to_vec(),
    ));
    let outcome = bench.tick().await;
    assert_eq!(outcome.outcome, Outcome::Status);
    bench.tick().await;
    bench.scrape("a 2\nb 2\n").await;
    assert_eq!(
        bench.stored(),
        ["a 15=1 30=stale 60=2", "b 15=1 30=stale 60=2"]
    );
    assert_eq!(bench.report("up"), "15=1 30=0 45=0 60=1");
    assert_eq!(
        bench.report("scrape_samples_scraped"),
        "15=2 30=0 45=0 60=2"
    );
}

#[tokio::test]
async fn a_garbled_body_brings_nothing_and_says_where() {
    let mut bench = Bench::new("").await;
    bench.scrape("a 1\nb 1\n").await;
    bench.scrape("a 2\nnew 1\nb }\n").await;
    let status = bench.status();
    assert_eq!(status.health, Health::Down);
    let error = status.last_error.unwrap();
    assert!(error.starts_with("line 3, column 3: "), "{error}");
    bench.scrape("a 3\nb 3\nnew 3\n").await;
    assert_eq!(
        bench.stored(),
        ["a 15=1 30=stale 45=3", "b 15=1 30=stale 45=3", "new 45=3"]
    );
    assert_eq!(bench.report("up"), "15=1 30=0 45=1");
}

#[tokio::test]
async fn conflicting_labels_are_renamed_or_honoured() {
    let check = async |yaml: &str, want: &str| {
        let mut bench = Bench::new(yaml).await;
        bench
            .scrape("a{job=\"own\",exported_job=\"x\",instance=\"\"} 1\n")
            .await;
        assert_eq!(bench.stored(), [want], "{yaml}");
    };
    check(
        "",
        r#"a{exported_exported_job="own", exported_job="x"} 15=1"#,
    )
    .await;
    check(
        "honor_labels: true",
        r#"a{exported_job="x", job="own"} 15=1"#,
    )
    .await;
}

#[tokio::test]
async fn metric_relabelling_drops_and_renames_once_a_series() {
    let yaml = "metric_relabel_configs:\n- {source_labels: [__name__], regex: 'go_.*', action: drop}\n- {action: labeldrop, regex: secret}\n";
    let mut bench = Bench::new(yaml).await;
    for value in 1..=2 {
        bench
            .scrape(&format!("go_x {value}\na{{secret=\"s\"}} {value}\n"))
            .await;
    }
    assert_eq!(bench.stored(), ["a 15=1 30=2"]);
    assert_eq!(bench.report("scrape_samples_scraped"), "15=2 30=2");
    assert_eq!(
        bench.report("scrape_samples_post_metric_relabeling"),
        "15=1 30=1"
    );
}

#[tokio::test]
async fn limits_cost_the_whole_scrape() {
    let check = async |yaml: &str, body: &str, want: &str| {
        let mut bench = Bench::new(yaml).await;
        bench.scrape(body).await;
        let error = bench.status().last_error.unwrap_or_default();
        assert!(error.contains(want), "{yaml}: {error}");
        assert_eq!(bench.stored(), Vec::<String>::new());
        assert_eq!(bench.report("up"), "15=0");
    };
    check("sample_limit: 1", "a 1\nb 1\n", "sample limit exceeded").await;
    check(
        "label_limit: 3",
        "a{x=\"1\"} 1\n",
        "number of labels: 4, limit: 3",
    )
    .await;
    check(
        "label_name_length_limit: 8",
        "a{longlonglong=\"1\"} 1\n",
        "label_name_length_limit",
    )
    .await;
    check(
        "label_value_length_limit: 4",
        "a{x=\"12345\"} 1\n",
        "label_value_length_limit",
    )
    .await;
    check("body_size_limit: 3B", "a 1\n", "body size limit exceeded").await;
    let drop_name = "metric_relabel_configs: [{action: labeldrop, regex: __name__}]";
    check(drop_name, "a 1\n", "missing metric name").await;
}

#[tokio::test]
async fn over_the_sample_limit_all_samples_are_counted_and_none_is_remembered() {
    let yaml = "sample_limit: 2\nmetric_relabel_configs: [{source_labels: [__name__], regex: go_.*, action: drop}]";
    let mut bench = Bench::new(yaml).await;
    let body: String = (0..100).map(|i| format!("a{i} 1\ngo_{i} 1\n")).collect();
    let outcome = bench.scrape(&body).await;
    assert_eq!(outcome.outcome, Outcome::SampleLimit);
    assert_eq!(bench.report("scrape_samples_scraped"), "15=200");
    assert_eq!(
        bench.report("scrape_samples_post_metric_relabeling"),
        "15=100"
    );
    assert!(
        bench.worker.remembered() <= 4,
        "{}",
        bench.worker.remembered()
    );
    assert!(
        bench.storage.stats().series <= 2 + 5,
        "{:?}",
        bench.storage.stats()
    );
    // What breaks the format is at fault even behind the limit, as it would be without one.
    let outcome = bench.scrape(&(body + "}\n")).await;
    assert_eq!(outcome.outcome, Outcome::Parse);
}

#[tokio::test]
async fn timestamps_of_the_target_are_honoured_or_not() {
    let body = |offset: i64| format!("a 1 {}\n", super::START + offset);
    let mut bench = Bench::new("").await;
    bench.scrape(&body(1_000)).await;
    bench.scrape(&body(1_000)).await;
    bench.scrape(&body(500)).await;
    bench.scrape("").await;
    assert_eq!(
        bench.stored(),
        ["a 1=1"],
        "no stale marker where the target keeps the time"
    );
    let counts: Vec<_> = bench
        .outcomes
        .lock()
        .iter()
        .map(|o| o.counts.out_of_order)
        .collect();
    assert_eq!(counts, [0, 0, 1, 0]);

    let mut bench = Bench::new("honor_timestamps: false").await;
    bench.scrape(&body(1_000)).await;
    bench.scrape("").await;
    assert_eq!(bench.stored(), ["a 15=1 30=stale"]);

    let mut bench = Bench::new("track_timestamps_staleness: true").await;
    bench.scrape(&body(1_000)).await;
    bench.scrape("").await;
    assert_eq!(bench.stored(), ["a 1=1 30=stale"]);
}

#[tokio::test]
async fn at_the_series_limit_old_series_go_on_and_the_rest_is_counted() {
    let config = StorageConfig {
        series_limit: 7,
        ..StorageConfig::default()
    };
    let mut bench = Bench::with_storage("", config).await;
    bench.scrape("a 1\nb 1\n").await;
    let outcome = bench.scrape("a 2\nb 2\nc 2\n").await;
    assert_eq!(outcome.outcome, Outcome::Success);
    assert_eq!(outcome.counts.over_series_limit, 1);
    assert_eq!(bench.stored(), ["a 15=1 30=2", "b 15=1 30=2"]);
    let warning = bench.status().warning.unwrap();
    assert!(
        warning.contains("1 samples over the series limit"),
        "{warning}"
    );
}

#[tokio::test]
async fn a_clock_that_steps_back_holds_the_time_of_samples() {
    let mut bench = Bench::new("").await;
    bench.scrape("a 1\n").await;
    let before = bench.clock.now() - Duration::from_secs(10);
    bench.clock = crate::clock::Clock::manual(before);
    // The loop's own clock is set back by hand: the slot is what it would compute.
    let slot = before;
    let outcome = bench.worker.scrape_at(before, slot).await;
    assert_eq!(outcome.at.millis(), super::START + 15_001);
    assert!(
        bench
            .status()
            .warning
            .unwrap()
            .contains("clock stepped back")
    );
    assert_eq!(bench.stored(), ["a 15=1 15.001=1"]);
}

#[tokio::test]
async fn reports_that_are_refused_are_said() {
    let mut bench = Bench::new("").await;
    bench.scrape("a 1\n").await;
    let mut appender = bench.storage.appender();
    let pairs = [("__name__", "up"), ("instance", "i"), ("job", "t")];
    let up = appender
        .series(&crate::model::labels::Labels::from_pairs(pairs))
        .unwrap();
    appender.append(up, super::START + 100_000, 1.0).unwrap();
    appender.commit().unwrap();
    bench.scrape("a 2\n").await;
    let warning = bench.status().warning.unwrap_or_default();
    assert!(warning.contains("could not be stored"), "{warning}");
}

#[tokio::test]
async fn a_removed_target_ends_its_series_and_reports() {
    let mut bench = Bench::new("").await;
    bench.scrape("a 1\n").await;
    bench.clock.advance(Duration::from_secs(1));
    bench.worker.retire();
    assert_eq!(bench.stored(), ["a 15=1 15.001=stale"]);
    assert_eq!(bench.report("up"), "15=1 15.001=stale");
}

#[tokio::test]
async fn a_loop_that_ends_late_does_not_end_what_its_successor_has_scraped() {
    let mut bench = Bench::new("").await;
    bench.scrape("a 1\n").await;
    // The same labels at another address, say: its loop has scraped while this one was still waiting for its target.
    let mut appender = bench.storage.appender();
    for name in ["a", "up"] {
        let pairs = [("__name__", name), ("instance", "i"), ("job", "t")];
        let series = appender
            .series(&crate::model::labels::Labels::from_pairs(pairs))
            .unwrap();
        appender.append(series, super::START + 20_000, 7.0).unwrap();
    }
    appender.commit().unwrap();
    bench.clock.advance(Duration::from_secs(10));
    bench.worker.retire();
    assert_eq!(bench.stored(), ["a 15=1 20=7"]);
    assert_eq!(bench.report("up"), "15=1 20=7");
}

#[tokio::test]
async fn new_rules_end_only_the_series_that_they_take_away() {
    let mut bench = Bench::new("").await;
    bench.scrape("a 1\nb 1\n").await;
    let drop = "metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]";
    let address = bench.server.address.clone();
    bench.worker.reconfigure(work(drop, &address));
    bench.scrape("a 2\nb 2\n").await;
    assert_eq!(bench.stored(), ["a 15=1 30=2", "b 15=1 30=stale"]);
    assert_eq!(bench.report("up"), "15=1 30=1");
}

#[tokio::test]
async fn labels_of_the_build_follow_the_target() {
    let mut bench = Bench::new("").await;
    let mut with_build = bench.worker.work().clone();
    with_build.build = vec!["version".to_owned()];
    bench.worker.reconfigure(with_build);
    for version in ["1", "1", "2"] {
        bench
            .scrape(&format!("a 1\nt_build_info{{version=\"{version}\"}} 1\n"))
            .await;
    }
    let a: Vec<_> = bench
        .stored()
        .into_iter()
        .filter(|line| line.starts_with("a{"))
        .collect();
    assert_eq!(
        a,
        [
            r#"a{version="1"} 15=1 30=1 45=stale"#,
            r#"a{version="2"} 45=1"#
        ]
    );
    assert_eq!(bench.report(r#"up{version="1"}"#), "15=1 30=1 30.001=stale");
    assert_eq!(bench.report(r#"up{version="2"}"#), "45=1");
}

#[tokio::test]
async fn labels_of_the_build_go_with_their_setting() {
    let mut bench = Bench::new("").await;
    let body = "a 1\nt_build_info{version=\"1\",revision=\"r\"} 1\n";
    for build in [vec!["version", "revision"], vec!["version"], vec![]] {
        let mut work = bench.worker.work().clone();
        work.build = build.iter().map(|name| (*name).to_owned()).collect();
        bench.worker.reconfigure(work);
        bench.scrape(body).await;
    }
    let a: Vec<_> = bench
        .stored()
        .into_iter()
        .filter(|line| line.starts_with("a"))
        .collect();
    assert_eq!(
        a,
        [
            "a 45=1",
            r#"a{revision="r", version="1"} 15=1 30=stale"#,
            r#"a{version="1"} 30=1 45=stale"#
        ]
    );
}

#[tokio::test]
async fn names_change_all_the_time_and_memory_does_not_grow() {
    let mut bench = Bench::new("").await;
    for round in 0..20 {
        let body: String = (0..100)
            .map(|i| format!("a{{round=\"{round}\",i=\"{i}\"}} 1\n"))
            .collect();
        bench.scrape(&body).await;
    }
    assert!(
        bench.worker.remembered() <= 200,
        "{}",
        bench.worker.remembered()
    );
}

#[tokio::test]
async fn names_change_all_the_time_in_bodies_at_fault_and_memory_does_not_grow() {
    let mut bench = Bench::new("").await;
    bench.scrape("kept 1\n").await;
    for round in 0..20 {
        let body: String = (0..100)
            .map(|i| format!("a{{round=\"{round}\",i=\"{i}\"}} 1\n"))
            .collect();
        bench.scrape(&(body + "}\n")).await;
    }
    assert!(
        bench.worker.remembered() <= 300,
        "{}",
        bench.worker.remembered()
    );
    bench.scrape("kept 2\n").await;
    assert_eq!(bench.stored(), ["kept 15=1 30=stale 330=2"]);
}

#[tokio::test]
async fn a_panic_costs_one_scrape_and_not_the_loop() {
    let mut bench = Bench::new("").await;
    let body: String = (0..super::PANIC_AT).map(|i| format!("a{i} 1\n")).collect();
    bench.answers(super::Reply::Ok(body.into_bytes()));
    bench.clock.advance(Duration::from_secs(15));
    bench.worker.scrape_guarded(bench.clock.now()).await;
    let status = bench.status();
    assert_eq!(status.health, Health::Down);
    assert!(status.last_error.unwrap().contains("panicked"));
    bench.scrape("a0 2\n").await;
    assert_eq!(bench.status().health, Health::Up);
    assert!(
        bench.report("up").ends_with("=0 30=1"),
        "{}",
        bench.report("up")
    );
}

#[tokio::test]
async fn of_one_series_written_twice_the_first_wins() {
    let mut bench = Bench::new("").await;
    for _ in 0..2 {
        let outcome = bench.scrape("a{x=\"1\"} 1\na{ x=\"1\" } 2\nb 3\n").await;
        assert_eq!(outcome.counts.duplicate, 1);
    }
    assert_eq!(bench.stored(), [r#"a{x="1"} 15=1 30=1"#, "b 15=3 30=3"]);
}
