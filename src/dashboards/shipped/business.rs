//! Business metrics: definitions, domains and objectives that people create.

use crate::dashboards::alerts::Alerts;
use crate::dashboards::layout::Layout;
use crate::dashboards::model::Dashboard;
use crate::dashboards::panel::{Column, Draft};
use crate::dashboards::unit::Unit;
use crate::dashboards::variables::Frame;

const TARGETS: &str = r#"job=~"$job",instance=~"$instance""#;
const WRITES: &str = r#"job=~"$job",instance=~"$instance",method=~"POST|PUT|PATCH|DELETE""#;

pub(super) fn dashboard(alerts: &Alerts, outrigger: &str) -> Dashboard {
    let layout = Layout::new(alerts)
        .open("What there is", stock())
        .open("What is created", created())
        .folded("Who changes it", writes());
    let frame = Frame {
        uid: "outrigger-business",
        title: "Business metrics",
        description: "Metric definitions, domains and objectives: how many there are, how many are created, and whether creating them works",
        tags: &["business"],
        outrigger,
    };
    frame.around_instances("Instance", "metrics_total", layout)
}

/// Instances of one service share a database: the largest of them knows it all.
fn count(metric: &str) -> String {
    format!("max(sum by (job, instance) ({metric}{{{TARGETS}}}))")
}

fn by_category(metric: &str) -> String {
    format!("max by (category) ({metric}{{{TARGETS}}})")
}

fn hourly(metric: &str, by: &str) -> String {
    format!("3600 * sum by ({by}) (rate({metric}{{{TARGETS}}}[$__rate_interval]))")
}

fn stock() -> Vec<Draft> {
    vec![
        Draft::stat("Metric definitions")
            .about("Definitions that exist now.")
            .query(&count("metrics_total"), "definitions")
            .near("NoMetricsCreated"),
        Draft::stat("Categories")
            .about("Categories with at least one definition.")
            .query(&format!("count({} > 0)", by_category("metrics_total")), "categories"),
        Draft::stat("Domains")
            .about("Business domains that exist now.")
            .query(&count("domains_total"), "domains")
            .near("UnusualDomainActivity"),
        Draft::stat("Objectives")
            .about("Objectives that exist now.")
            .query(&count("objectives_total"), "objectives"),
        Draft::stat("Created in this time")
            .about("Definitions created within the time shown.")
            .query(
                &format!("sum(increase(metrics_created_total{{{TARGETS}}}[$__range]))"),
                "created",
            )
            .now_only()
            .near("NoMetricsCreated"),
        Draft::gauge("Largest category")
            .about("Share of all definitions that one category holds. Close to all: the categories no longer tell anything apart.")
            .query(
                &format!("max({0}) / (sum({0}) > 0)", by_category("metrics_total")),
                "share",
            ),
        Draft::lines("Definitions by category")
            .about("How many definitions each category holds, over time. A fall is somebody deleting.")
            .from_zero()
            .query(&by_category("metrics_total"), "{{category}}"),
        Draft::pie("Shares of categories")
            .about("How definitions divide into categories now.")
            .size(6, 8)
            .query(&by_category("metrics_total"), "{{category}}"),
        Draft::bar_gauge("Largest categories")
            .about("The ten categories with the most definitions.")
            .size(6, 8)
            .query(&format!("topk(10, {})", by_category("metrics_total")), "{{category}}")
            .now_only(),
    ]
}

fn created() -> Vec<Draft> {
    vec![
        Draft::lines("Definitions created")
            .about("Definitions created each hour, by instance. None for an hour of work may mean that creating them fails.")
            .from_zero()
            .query(&hourly("metrics_created_total", "job, instance"), "{{instance}}")
            .alert("NoMetricsCreated"),
        Draft::bars("Definitions created by category")
            .about("Definitions created each hour, by category.")
            .query(&hourly("metrics_created_total", "category"), "{{category}}")
            .near("NoMetricsCreated"),
        Draft::lines("Domains created, beside yesterday")
            .about("Domains created each hour, and in the same hour yesterday. The alert compares the two.")
            .from_zero()
            .query(&hourly("domains_created_total", "job"), "{{job}} today")
            .query(
                &format!(
                    "3600 * sum by (job) (rate(domains_created_total{{{TARGETS}}}[$__rate_interval] offset 1d))"
                ),
                "{{job}} yesterday",
            )
            .near("UnusualDomainActivity"),
        Draft::lines("Objectives created")
            .about("Objectives created each hour.")
            .from_zero()
            .query(&hourly("objectives_created_total", "job, instance"), "{{instance}}"),
        Draft::table(
            "Categories",
            ("category", "Category"),
            vec![
                Column {
                    name: "Definitions",
                    expr: by_category("metrics_total"),
                    unit: Unit::Number,
                },
                Column {
                    name: "Created in this time",
                    expr: format!("sum by (category) (increase(metrics_created_total{{{TARGETS}}}[$__range]))"),
                    unit: Unit::Number,
                },
            ],
        )
        .about("Each category: its definitions, and those created within the time shown.")
        .near("NoMetricsCreated"),
        Draft::lines("Domains and objectives")
            .about("How many there are, over time.")
            .from_zero()
            .query(&count("domains_total"), "domains")
            .query(&count("objectives_total"), "objectives")
            .near("UnusualDomainActivity"),
    ]
}

fn writes() -> Vec<Draft> {
    let rate = |by: &str, more: &str| {
        format!("sum by ({by}) (rate(http_requests_total{{{WRITES}{more}}}[$__rate_interval]))")
    };
    vec![
        Draft::stacked("Requests that change something")
            .about("POST, PUT, PATCH and DELETE each second, by method.")
            .unit(Unit::RequestsPerSecond)
            .query(&rate("method", ""), "{{method}}"),
        Draft::lines("Success of changes")
            .about("Share of changing requests that were done (2xx). What is missing was refused (4xx) or failed (5xx).")
            .shares()
            .query(
                &format!(
                    "({some} or 0 * {all}) / ({all} > 0)",
                    some = rate("job, instance", ",status=~\"2..\""),
                    all = rate("job, instance", "")
                ),
                "{{instance}}",
            )
            .near("HighErrorRate"),
    ]
}
