//! A metric definition: what a figure means, who owns it, and when it is bad.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::schema::{
    ANY_TEXT, ID, Kind, Number, TEXT, list, optional, or_empty, record, required, some, text, words,
};
use crate::model::timestamp::Timestamp;

words! {
    /// How much hangs on a metric.
    Tier {
        /// The company steers by it.
        One = "Tier-1",
        /// A team steers by it.
        Two = "Tier-2",
        /// It explains others.
        Three = "Tier-3",
    }
}

words! {
    /// What a metric is for.
    MetricType {
        /// It tells what will come.
        Leading = "leading",
        /// It tells what came.
        Lagging = "lagging",
        /// It tells how things run.
        Operational = "operational",
    }
}

words! {
    /// Which way is better.
    Direction {
        /// More is better.
        Increase = "increase",
        /// Less is better.
        Decrease = "decrease",
    }
}

words! {
    /// Whether a definition is in use.
    Status {
        /// It is.
        Active = "active",
        /// It should not be any more.
        Deprecated = "deprecated",
        /// Not yet.
        Draft = "draft",
    }
}

words! {
    /// How bad a broken threshold is.
    Severity {
        /// Somebody must act now.
        Critical = "critical",
        /// Somebody should look.
        Warning = "warning",
        /// Good to know.
        Info = "info",
    }
}

words! {
    /// Which part of a version a change raises.
    ChangeType {
        /// What the figure means.
        Major = "major",
        /// How it is understood or judged.
        Minor = "minor",
        /// Anything else.
        Patch = "patch",
    }
}

record! {
    /// What a figure means.
    Metric {
        /// Its identifier.
        metric_id: String = required(ID);
        /// Its name.
        name: String = required(text(200));
        /// A short name.
        short_name: String = required(text(100));
        /// What it tells.
        description: String = required(text(2_000));
        /// What kind of figure it is.
        category: String = required(TEXT);
        /// How much hangs on it.
        tier: Tier = required(Tier::KIND);
        /// The name of its domain.
        business_domain: String = required(TEXT);
        /// What it is for.
        metric_type: MetricType = required(MetricType::KIND);
        /// Words to find it by.
        tags: Vec<String> = or_empty(list(&TEXT));
        /// Why it is there.
        alignment: Alignment = required(Kind::Object(Alignment::FIELDS));
        /// How it is computed.
        definition: Definition = required(Kind::Object(Definition::FIELDS));
        /// Where it comes from.
        data: Data = required(Kind::Object(Data::FIELDS));
        /// Who answers for it.
        governance: Governance = required(Kind::Object(Governance::FIELDS));
        /// What it can be split by.
        dimensions: Vec<Dimension> = or_empty(list(&Kind::Object(Dimension::FIELDS)));
        /// When it is good or bad.
        targets_and_alerts: TargetsAndAlerts = required(Kind::Object(TargetsAndAlerts::FIELDS));
        /// How it is shown.
        visualization: Visualization = required(Kind::Object(Visualization::FIELDS));
        /// What it moves with.
        relationships: Relationships = required(Kind::Object(Relationships::FIELDS));
        /// What is decided by it.
        operational_usage: OperationalUsage = required(Kind::Object(OperationalUsage::FIELDS));
        /// How it is read from live series.
        #[serde(skip_serializing_if = "Option::is_none")]
        telemetry: Option<Telemetry> = optional(Kind::Object(Telemetry::FIELDS));
        /// Notes, and how it came to be.
        metadata: Metadata = or_empty(Kind::Object(Metadata::FIELDS));
    }
}

record! {
    /// Why a metric is there.
    Alignment {
        /// The pillar of the strategy it stands on.
        strategic_pillar: String = required(TEXT);
        /// Objectives it serves.
        primary_objective_ids: Vec<String> = or_empty(list(&ID));
        /// Key results it serves, such as `OBJ-001:KR-002`.
        related_okr_ids: Vec<String> = or_empty(list(&TEXT));
        /// Why it matters.
        why_it_matters: String = required(TEXT);
    }
}

record! {
    /// How a metric is computed.
    Definition {
        /// In a line.
        formula: String = required(TEXT);
        /// In words.
        formula_detail: String = required(TEXT);
        /// What is counted.
        numerator: Term = required(Kind::Object(Term::FIELDS));
        /// What it is divided by.
        denominator: Term = required(Kind::Object(Term::FIELDS));
        /// Its unit.
        unit: String = required(TEXT);
        /// Which way is better.
        expected_direction: Direction = required(Direction::KIND);
        /// An example in figures.
        example_calculation: BTreeMap<String, Number> = required(Kind::Numbers);
    }
}

record! {
    /// One side of a fraction.
    Term {
        /// The event that is counted.
        event_name: String = required(TEXT);
        /// Which of them.
        filters: Vec<Map<String, Value>> = or_empty(list(&Kind::AnyObject));
    }
}

record! {
    /// Where a metric comes from.
    Data {
        /// Where it is read.
        primary_sources: Vec<Source> = required(some(&Kind::Object(Source::FIELDS)));
        /// Where else it could be read.
        secondary_sources: Vec<Source> = or_empty(list(&Kind::Object(Source::FIELDS)));
        /// How old it may be.
        data_freshness: String = required(TEXT);
        /// How often it changes.
        update_frequency: String = required(TEXT);
        /// Spans it is summed over.
        time_grain: Vec<String> = required(some(&TEXT));
        /// How long it is kept.
        data_retention: String = required(TEXT);
    }
}

record! {
    /// A place data is read from.
    Source {
        /// The system.
        system: String = required(TEXT);
        /// The table or stream.
        table_or_stream: String = required(TEXT);
        /// The name of the connection.
        connection_id: String = required(TEXT).secret();
    }
}

record! {
    /// Who answers for a metric.
    Governance {
        /// How confidential it is.
        data_classification: String = required(TEXT);
        /// Whether it is about persons.
        pii_involved: bool = required(Kind::Bool);
        /// Rules it is under.
        regulatory_constraints: Vec<String> = or_empty(list(&TEXT));
        /// The team that owns it.
        owner_team: String = required(TEXT);
        /// Who answers for its data.
        technical_owner: String = required(TEXT);
        /// Who answers for its meaning.
        business_owner: String = required(TEXT);
        /// The owner's own version; not touched here.
        version: String = required(TEXT);
        /// Whether it is in use.
        status: Status = required(Status::KIND);
        /// When it was made.
        #[serde(with = "super::resource::time")]
        created_at: Timestamp = required(Kind::Time);
        /// When it was last changed.
        #[serde(with = "super::resource::time")]
        updated_at: Timestamp = required(Kind::Time);
    }
}

record! {
    /// What a metric can be split by.
    Dimension {
        /// Its name.
        name: String = required(TEXT);
        /// Its values; empty for any.
        allowed_values: Vec<String> = or_empty(list(&TEXT));
        /// Whether each value of the metric has one.
        required: bool = or_empty(Kind::Bool);
    }
}

record! {
    /// When a metric is good or bad.
    TargetsAndAlerts {
        /// Where it should be.
        target_value: Number = required(Kind::Number);
        /// Where somebody should look.
        warning_threshold: Number = required(Kind::Number);
        /// Where somebody must act.
        critical_threshold: Number = required(Kind::Number);
        /// What it is compared with.
        comparison_baseline: String = required(TEXT);
        /// Who is told when.
        alert_rules: Vec<AlertRule> = or_empty(list(&Kind::Object(AlertRule::FIELDS)));
    }
}

record! {
    /// Who is told when.
    AlertRule {
        /// Its identifier.
        rule_id: String = required(ID);
        /// When it holds, in words such as `value < critical_threshold`.
        condition: String = required(TEXT);
        /// How bad that is.
        severity: Severity = required(Severity::KIND);
        /// Who is told.
        notify_channels: Vec<String> = required(some(&TEXT));
        /// Over which span it is judged.
        evaluation_window: String = required(TEXT);
    }
}

record! {
    /// How a metric is shown.
    Visualization {
        /// The chart.
        default_chart_type: String = required(TEXT);
        /// The span.
        default_time_range: String = required(TEXT);
        /// Dashboards it is on.
        dashboard_locations: Vec<Dashboard> = or_empty(list(&Kind::Object(Dashboard::FIELDS)));
        /// What to look at next.
        drilldowns: Vec<String> = or_empty(list(&TEXT));
    }
}

record! {
    /// A dashboard.
    Dashboard {
        /// Whose it is, such as Grafana.
        tool: String = required(TEXT);
        /// Where it is.
        url: String = required(Kind::Url).secret();
    }
}

record! {
    /// What a metric moves with.
    Relationships {
        /// Metrics that move it.
        upstream_metric_ids: Vec<String> = or_empty(list(&ID));
        /// Metrics it moves.
        downstream_metric_ids: Vec<String> = or_empty(list(&ID));
        /// What gets worse when it gets better.
        tradeoffs: Vec<String> = or_empty(list(&TEXT));
    }
}

record! {
    /// What is decided by a metric.
    OperationalUsage {
        /// Decisions.
        decision_use_cases: Vec<String> = required(some(&TEXT));
        /// How often it is looked at.
        review_cadence: String = required(TEXT);
        /// What to do when it is bad.
        linked_playbooks: Vec<Playbook> = or_empty(list(&Kind::Object(Playbook::FIELDS)));
    }
}

record! {
    /// What to do.
    Playbook {
        /// Its name.
        name: String = required(TEXT);
        /// Where it is.
        url: String = required(Kind::Url).secret();
    }
}

record! {
    /// How a metric is read from live series.
    Telemetry {
        /// Its value.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<String> = optional(Kind::Expression);
        /// What is counted.
        #[serde(skip_serializing_if = "Option::is_none")]
        numerator: Option<String> = optional(Kind::Expression);
        /// What it is divided by.
        #[serde(skip_serializing_if = "Option::is_none")]
        denominator: Option<String> = optional(Kind::Expression);
        /// Metric families it speaks of.
        families: Vec<String> = or_empty(list(&Kind::MetricName));
    }
}

record! {
    /// Notes, and how a definition came to be. All but notes and examples is kept by Outrigger.
    Metadata {
        /// Notes.
        notes: String = or_empty(ANY_TEXT);
        /// Queries that show it.
        example_queries: Vec<ExampleQuery> = or_empty(list(&Kind::Object(ExampleQuery::FIELDS)));
        /// The version of the definition.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String> = optional(ANY_TEXT);
        /// Who made it.
        #[serde(skip_serializing_if = "Option::is_none")]
        created_by: Option<String> = optional(ANY_TEXT);
        /// Who changed it last.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_updated_by: Option<String> = optional(ANY_TEXT);
        /// When it was made here.
        #[serde(with = "super::resource::optional_time", default, skip_serializing_if = "Option::is_none")]
        created_at: Option<Timestamp> = optional(Kind::Time);
        /// When it was last changed here.
        #[serde(with = "super::resource::optional_time", default, skip_serializing_if = "Option::is_none")]
        last_updated: Option<Timestamp> = optional(Kind::Time);
        /// The last changes, the oldest first.
        change_history: Vec<Change> = or_empty(list(&Kind::Object(Change::FIELDS)));
    }
}

record! {
    /// A query that shows a metric.
    ExampleQuery {
        /// Its language.
        language: String = required(TEXT);
        /// The query.
        query: String = required(TEXT);
    }
}

record! {
    /// A change of a definition.
    Change {
        /// The version it led to.
        version: String = required(TEXT);
        /// When.
        #[serde(with = "super::resource::time")]
        timestamp: Timestamp = required(Kind::Time);
        /// By whom.
        changed_by: String = required(TEXT);
        /// Which part of the version it raised.
        change_type: ChangeType = required(ChangeType::KIND);
        /// What it was, in words.
        changes_summary: String = required(TEXT);
        /// Which fields.
        fields_changed: Vec<String> = or_empty(list(&TEXT));
    }
}
