//! What can be chosen at the top of a dashboard, what is drawn over its panels, and its frame.

use super::layout::Layout;
use super::model::{
    Annotation, Dashboard, DataSource, Link, List, OneOrMany, SCHEMA_VERSION, TimeRange, Variable,
    VariableOption, VariableQuery,
};

/// Where links lead unless somebody says otherwise: Outrigger's default address.
pub const DEFAULT_OUTRIGGER: &str = "http://127.0.0.1:9797";

/// Name and purpose of a dashboard.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its identity.
    pub uid: &'a str,
    /// Its name.
    pub title: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// Words to find it by, beside `outrigger`.
    pub tags: &'a [&'a str],
    /// Where a browser reaches Outrigger, for links.
    pub outrigger: &'a str,
}

/// A label to choose values of.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The variable.
    pub name: &'a str,
    /// As people call it.
    pub label: &'a str,
    /// The label.
    pub of: &'a str,
    /// A selector of the series that carry it.
    pub selector: &'a str,
}

impl Choice<'_> {
    fn variable(&self) -> Variable {
        let query = format!("label_values({}, {})", self.selector, self.of);
        let all = |text: &str| OneOrMany::Many(vec![text.to_owned()]);
        Variable::Query {
            name: self.name.to_owned(),
            label: self.label.to_owned(),
            description: format!("Values of the label {} to show", self.of),
            datasource: DataSource::CHOSEN,
            definition: query.clone(),
            query: VariableQuery {
                qry_type: 1,
                query,
                ref_id: "PrometheusVariableQueryEditor-VariableQuery",
            },
            refresh: 2,
            sort: 1,
            multi: true,
            include_all: true,
            // Series without the label count too.
            all_value: ".*",
            current: VariableOption {
                text: all("All"),
                value: all("$__all"),
            },
        }
    }
}

impl Frame<'_> {
    /// The dashboard of the instances that a metric family is of, by job; people call an instance so.
    pub fn around_instances(&self, label: &str, family: &str, layout: Layout<'_>) -> Dashboard {
        let job = Choice {
            name: "job",
            label: "Job",
            of: "job",
            selector: family,
        };
        let instance = Choice {
            name: "instance",
            label,
            of: "instance",
            selector: &format!("{family}{{job=~\"$job\"}}"),
        };
        self.around(&[job, instance], layout)
    }

    /// The dashboard.
    pub fn around(&self, choices: &[Choice<'_>], layout: Layout<'_>) -> Dashboard {
        let mut variables = vec![datasource()];
        variables.extend(choices.iter().map(Choice::variable));
        variables.push(outrigger(self.outrigger));
        let tags = ["outrigger"].iter().chain(self.tags);
        Dashboard {
            uid: self.uid.to_owned(),
            title: self.title.to_owned(),
            description: self.description.to_owned(),
            tags: tags.map(|tag| (*tag).to_owned()).collect(),
            schema_version: SCHEMA_VERSION,
            editable: true,
            graph_tooltip: 1,
            refresh: "30s".to_owned(),
            time: TimeRange {
                from: "now-3h".to_owned(),
                to: "now".to_owned(),
            },
            timezone: "browser".to_owned(),
            links: vec![siblings()],
            annotations: List {
                list: vec![firing(), reloads()],
            },
            templating: List { list: variables },
            panels: layout.finish(),
        }
    }
}

fn datasource() -> Variable {
    Variable::DataSource {
        name: "datasource".to_owned(),
        label: "Data source".to_owned(),
        description: "The Prometheus, or Outrigger, that is asked".to_owned(),
        query: "prometheus",
        refresh: 1,
    }
}

fn outrigger(address: &str) -> Variable {
    let address = address.trim_end_matches('/');
    let one = || OneOrMany::One(address.to_owned());
    Variable::Constant {
        name: "outrigger".to_owned(),
        label: "Outrigger".to_owned(),
        description: "Where a browser reaches Outrigger, for links to runbooks and rules"
            .to_owned(),
        query: address.to_owned(),
        hide: 2,
        current: VariableOption {
            text: one(),
            value: one(),
        },
    }
}

/// The other dashboards, the time kept.
fn siblings() -> Link {
    Link {
        title: "Outrigger".to_owned(),
        kind: "dashboards",
        icon: "external link",
        tooltip: "The other dashboards".to_owned(),
        url: String::new(),
        tags: vec!["outrigger".to_owned()],
        as_dropdown: true,
        target_blank: false,
        include_vars: false,
        keep_time: true,
    }
}

fn firing() -> Annotation {
    Annotation {
        name: "Firing alerts".to_owned(),
        datasource: DataSource::CHOSEN,
        enable: true,
        icon_color: "red",
        expr: "ALERTS{alertstate=\"firing\"}".to_owned(),
        step: "60s",
        title_format: "{{alertname}}".to_owned(),
        tag_keys: "severity,job,instance".to_owned(),
        use_value_for_time: None,
    }
}

fn reloads() -> Annotation {
    Annotation {
        name: "Reloads".to_owned(),
        datasource: DataSource::CHOSEN,
        enable: true,
        icon_color: "blue",
        expr: "outrigger_config_last_reload_success_timestamp_seconds * 1000".to_owned(),
        step: "60s",
        title_format: "Configuration reloaded".to_owned(),
        tag_keys: "instance".to_owned(),
        use_value_for_time: Some("on"),
    }
}
