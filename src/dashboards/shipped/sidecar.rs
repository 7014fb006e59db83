//! Alerting and sidecar health: Outrigger looking at itself.

use crate::dashboards::alerts::Alerts;
use crate::dashboards::layout::Layout;
use crate::dashboards::model::Dashboard;
use crate::dashboards::panel::Draft;
use crate::dashboards::unit::Unit;
use crate::dashboards::variables::Frame;

const OURS: &str = r#"job=~"$job",instance=~"$instance""#;
const UP: [(&str, &str, &str); 2] = [("0", "down", "red"), ("1", "up", "green")];

pub(super) fn dashboard(alerts: &Alerts, outrigger: &str) -> Dashboard {
    let layout = Layout::new(alerts)
        .open("At a glance", glance())
        .open("Alerts and targets", alerts_and_targets())
        .open("Notifications", notifications())
        .folded("Rules", rules())
        .folded("Scraping and storage", storage())
        .folded("Process", process());
    let frame = Frame {
        uid: "outrigger-sidecar",
        title: "Alerting and sidecar health",
        description: "Whether alerts are evaluated and people are told: targets, rules, notifications, storage and the process",
        tags: &["alerting", "self"],
        outrigger,
    };
    frame.around_instances("Instance", "outrigger_build_info", layout)
}

fn rate(metric: &str, by: &str) -> String {
    format!("sum by ({by}) (rate({metric}{{{OURS}}}[$__rate_interval]))")
}

fn increase(metric: &str, by: &str) -> String {
    format!("sum by ({by}) (increase({metric}{{{OURS}}}[$__rate_interval]))")
}

/// Counters are there from the start; what has nothing to count is left out.
fn where_any(expr: &str) -> String {
    format!("{expr} > 0")
}

fn glance() -> Vec<Draft> {
    vec![
        Draft::stat("Firing alerts")
            .about("Alerts that fire now, as the routes know them.")
            .query(&format!("sum(outrigger_alerts{{{OURS},state=\"firing\"}})"), "firing"),
        Draft::stat("Longest waiting")
            .about("Age of the oldest notification that has not been delivered. Nothing waits: 0.")
            .unit(Unit::Seconds)
            .query(&format!("max(outrigger_outbox_oldest_pending_seconds{{{OURS}}})"), "oldest")
            .alert_of("ReceiverFailing", "critical"),
        Draft::stat("Configuration")
            .about("Whether the last reload was taken. Refused: the state before it keeps running.")
            .words(&[("0", "refused", "orange"), ("1", "loaded", "green")])
            .query(&format!("min(outrigger_config_last_reload_successful{{{OURS}}})"), "last reload")
            .alert("ReloadFailed"),
        Draft::stat("Log on disk")
            .about("Whether samples can be written to disk. Failing: a restart would lose those since then.")
            .words(&[("0", "written", "green"), ("1", "failing", "red")])
            .query(&format!("max(outrigger_storage_wal_failing{{{OURS}}})"), "write-ahead log")
            .alert("StorageDegraded"),
        Draft::gauge("Series")
            .about("Share of the series that the store may hold. At 1 new ones are rejected.")
            .query(
                &format!(
                    "max(outrigger_storage_series{{{OURS}}} / (outrigger_storage_series_limit{{{OURS}}} > 0))"
                ),
                "used",
            )
            .alert_of("SeriesLimitReached", "warning"),
        Draft::stat("Targets up")
            .about("Share of all targets, of every job, that answered their last scrape.")
            .shares()
            .query("avg(up)", "up")
            .near("TargetDown")
            .near("APIInstanceDown"),
    ]
}

fn alerts_and_targets() -> Vec<Draft> {
    vec![
        Draft::states(
            "Firing over time",
            &[("0", "quiet", "green"), ("1", "firing", "red")],
        )
        .about("Each alert that fired within the time shown. Nothing fires: one line, quiet.")
        .query(
            "max by (alertname) (ALERTS{alertstate=\"firing\"}) or label_replace(vector(0), \"alertname\", \"none\", \"\", \"\")",
            "{{alertname}}",
        ),
        Draft::states("Targets over time", &UP)
            .about("Whether each target answered its scrapes. The lowest value wins where several share a name.")
            .query("min by (job, instance) (up)", "{{job}} {{instance}}")
            .alert("TargetDown"),
        Draft::lines("Alerts by state")
            .about("Alerts that the routes know.")
            .from_zero()
            .query(&format!("sum by (state) (outrigger_alerts{{{OURS}}})"), "{{state}}"),
        Draft::lines("Kept quiet")
            .about("Silences, acks, alerts held for flapping, and storms that are on.")
            .from_zero()
            .query(&format!("sum(outrigger_silences{{{OURS},state=\"active\"}})"), "silences")
            .query(&format!("sum(outrigger_acks{{{OURS}}})"), "acks")
            .query(&format!("sum(outrigger_alerts_flapping{{{OURS}}})"), "flapping")
            .query(&format!("sum(outrigger_storms{{{OURS}}})"), "storms"),
    ]
}

fn notifications() -> Vec<Draft> {
    vec![
        Draft::bars("Sent")
            .about("Notifications delivered, by receiver and integration.")
            .query(&increase("outrigger_notifications_sent_total", "receiver, integration"), "{{receiver}} {{integration}}")
            .near("ReceiverFailing"),
        Draft::bars("Failed attempts")
            .about("Attempts that failed, by receiver. They are tried again until they expire.")
            .query(&increase("outrigger_notifications_failed_total", "receiver, integration"), "{{receiver}} {{integration}}")
            .alert_of("ReceiverFailing", "warning"),
        Draft::lines("Given up")
            .about("Notifications that nobody received: they expired, or the receiver refused them.")
            .query(&increase("outrigger_notifications_expired_total", "receiver"), "{{receiver}} expired")
            .query(&increase("outrigger_notifications_refused_total", "receiver"), "{{receiver}} refused")
            .alert("NotificationExpired"),
        Draft::lines("Outbox")
            .about("Notifications that wait to be delivered.")
            .from_zero()
            .query(&format!("sum by (job, instance) (outrigger_outbox_pending{{{OURS}}})"), "{{instance}}")
            .near("ReceiverFailing"),
        Draft::bars("Not sent, and why")
            .about("Decisions not to tell anybody, by reason. The ledger names each one.")
            .query(&increase("outrigger_notifications_suppressed_total", "reason"), "{{reason}}"),
        Draft::lines("Duration of a delivery")
            .about("How long delivering takes, by integration: one in twenty takes longer. Empty until something was sent.")
            .unit(Unit::Seconds)
            .where_nothing("nothing sent")
            .query(
                &format!(
                    "histogram_quantile(0.95, {})",
                    rate("outrigger_notification_duration_seconds_bucket", "integration, le")
                ),
                "{{integration}}",
            )
            .near("ReceiverFailing"),
        Draft::states("Receivers left alone", &[("0", "asked", "green"), ("1", "left alone", "orange")])
            .about("A receiver that keeps failing is left alone for a while, so that others are not held up.")
            .query(
                &format!("max by (receiver, integration) (outrigger_receiver_circuit_open{{{OURS}}})"),
                "{{receiver}} {{integration}}",
            )
            .near("ReceiverFailing"),
        Draft::lines("Decisions not written")
            .about("Writes of decisions and of rule state that the database refused. Until they succeed nobody is told of new alerts.")
            .query(&increase("outrigger_dispatch_write_failures_total", "job, instance"), "{{instance}} decisions")
            .query(&increase("outrigger_rule_state_write_failures_total", "job, instance"), "{{instance}} rule state")
            .alert("DatabaseFailing"),
    ]
}

fn rules() -> Vec<Draft> {
    vec![
        Draft::lines("Evaluations")
            .about("Rules evaluated each second, by group.")
            .unit(Unit::OperationsPerSecond)
            .query(&rate("outrigger_rule_evaluations_total", "rule_group"), "{{rule_group}}"),
        Draft::lines("Failed evaluations")
            .about("Rules that could not be evaluated, by group. Their alerts may not fire or resolve.")
            .query(&increase("outrigger_rule_evaluation_failures_total", "rule_group"), "{{rule_group}}")
            .alert("RuleFailing"),
        Draft::lines("Missed evaluations")
            .about("Slots in which a group was not evaluated because the one before took too long: alerts come late.")
            .query(&increase("outrigger_rule_group_iterations_missed_total", "rule_group"), "{{rule_group}}")
            .alert("EvaluationMissed"),
        Draft::bar_gauge("Last evaluation took")
            .about("How long the last evaluation of each group took, the slowest first.")
            .unit(Unit::Seconds)
            .size(12, 8)
            .query(
                &format!("topk(10, max by (rule_group) (outrigger_rule_group_last_duration_seconds{{{OURS}}}))"),
                "{{rule_group}}",
            )
            .now_only()
            .near("EvaluationMissed"),
    ]
}

fn storage() -> Vec<Draft> {
    vec![
        Draft::lines("Scrapes by outcome")
            .about("Scrapes each second, by how they ended. Anything but success names what is wrong.")
            .unit(Unit::OperationsPerSecond)
            .query(&where_any(&rate("outrigger_scrapes_total", "outcome")), "{{outcome}}")
            .near("TargetDown"),
        Draft::lines("Samples stored")
            .about("Samples that the store took each second.")
            .unit(Unit::CountPerSecond)
            .query(&rate("outrigger_storage_samples_appended_total", "job, instance"), "{{instance}}"),
        Draft::lines("Samples and series refused")
            .about("Series rejected at the limit, and samples refused for their time or as duplicates. Alerts do not see them.")
            .query(&increase("outrigger_storage_series_rejected_total", "job, instance"), "{{instance}} series at the limit")
            .query(&increase("outrigger_scrape_samples_refused_total", "reason"), "samples: {{reason}}")
            .alert_of("SeriesLimitReached", "critical"),
        Draft::lines("Series")
            .about("Series in the store.")
            .from_zero()
            .query(&format!("outrigger_storage_series{{{OURS}}}"), "{{instance}}")
            .near("SeriesLimitReached"),
        Draft::lines("Bytes of samples")
            .about("Memory that samples take, and the write-ahead log on disk.")
            .unit(Unit::Bytes)
            .from_zero()
            .query(&format!("outrigger_storage_bytes{{{OURS}}}"), "{{instance}} in memory")
            .query(&format!("outrigger_storage_wal_bytes{{{OURS}}}"), "{{instance}} on disk")
            .near("StorageDegraded"),
        Draft::pie("Samples by job")
            .about("Which jobs the samples come from.")
            .unit(Unit::CountPerSecond)
            .size(12, 8)
            .query(
                &rate("outrigger_scrape_samples_total", "exported_job"),
                "{{exported_job}}",
            ),
    ]
}

fn process() -> Vec<Draft> {
    vec![
        Draft::lines("Memory")
            .about("Resident memory of Outrigger.")
            .unit(Unit::Bytes)
            .from_zero()
            .query(&format!("process_resident_memory_bytes{{{OURS}}}"), "{{instance}}")
            .near("HighMemoryUsage"),
        Draft::lines("CPU")
            .about("Cores that Outrigger uses.")
            .from_zero()
            .query(&rate("process_cpu_seconds_total", "job, instance"), "{{instance}}"),
        Draft::lines("Requests")
            .about("Requests to Outrigger each second, by route.")
            .unit(Unit::RequestsPerSecond)
            .query(&rate("http_requests_total", "route"), "{{route}}"),
        Draft::heatmap(
            "Duration of requests",
            Unit::Seconds,
            &format!(
                "sum by (le) (increase(http_request_duration_seconds_bucket{{{OURS}}}[$__rate_interval]))"
            ),
        )
        .about("How many requests to Outrigger took how long."),
    ]
}
