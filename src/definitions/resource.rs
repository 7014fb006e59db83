//! The three kinds of resources as one, and how each is read.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::check::{self, Checks, FindingKind, Findings};
use super::domain::Domain;
use super::metric::Metric;
use super::objective::Objective;
use super::schema::{Field, words};

words! {
    /// Kinds of resources.
    Kind {
        /// A metric definition.
        Metric = "metric",
        /// A business domain.
        Domain = "domain",
        /// An objective with its key results.
        Objective = "objective",
    }
}

impl Kind {
    /// All of them, in the order in which they refer to each other.
    pub const ALL: [Self; 3] = [Self::Domain, Self::Metric, Self::Objective];

    /// Its name in a path and in a catalog: `metrics`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Metric => "metrics",
            Self::Domain => "domains",
            Self::Objective => "objectives",
        }
    }

    /// The field that holds its identifier.
    pub const fn id_field(self) -> &'static str {
        match self {
            Self::Metric => "metric_id",
            Self::Domain => "domain_id",
            Self::Objective => "objective_id",
        }
    }

    /// The rules of its fields.
    pub const fn fields(self) -> &'static [Field] {
        match self {
            Self::Metric => Metric::FIELDS,
            Self::Domain => Domain::FIELDS,
            Self::Objective => Objective::FIELDS,
        }
    }
}

/// A resource that passed the rules. Its JSON is what is stored and exported; read again, it is the same.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub enum Resource {
    /// A metric definition.
    Metric(Box<Metric>),
    /// A business domain.
    Domain(Box<Domain>),
    /// An objective.
    Objective(Box<Objective>),
}

impl Resource {
    /// Reads a resource; what is wrong or odd about it goes to `findings`. `None` where they hold a mistake.
    #[tracing::instrument(target = "outrigger::step", level = "debug", name = "Validation.check", skip_all, fields(component = "validation", kind = kind.as_str()))]
    pub fn read(
        kind: Kind,
        value: &Value,
        checks: Checks,
        findings: &mut Findings,
    ) -> Option<Self> {
        let read = check::object(kind.fields(), value, "", checks, findings);
        if !findings.mistakes.is_empty() {
            return None;
        }
        match Self::from_checked(kind, read.into()) {
            Ok(resource) => {
                resource.check_together(findings);
                findings.mistakes.is_empty().then_some(resource)
            }
            Err(error) => {
                // The rules and the types say different things: a fault of ours, told rather than stored.
                let message = format!("passed its rules but does not fit: {error}");
                findings.mistake("", FindingKind::Type, message, "report this as a bug");
                None
            }
        }
    }

    /// Takes JSON that passed the rules before, such as a stored one.
    ///
    /// # Errors
    /// Where it does not fit.
    pub fn from_checked(kind: Kind, value: Value) -> Result<Self, serde_json::Error> {
        fn boxed<T: DeserializeOwned>(value: Value) -> Result<Box<T>, serde_json::Error> {
            serde_json::from_value(value).map(Box::new)
        }
        Ok(match kind {
            Kind::Metric => Self::Metric(boxed(value)?),
            Kind::Domain => Self::Domain(boxed(value)?),
            Kind::Objective => Self::Objective(boxed(value)?),
        })
    }

    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Metric(_) => Kind::Metric,
            Self::Domain(_) => Kind::Domain,
            Self::Objective(_) => Kind::Objective,
        }
    }

    /// Its identifier.
    pub fn id(&self) -> &str {
        match self {
            Self::Metric(metric) => &metric.metric_id,
            Self::Domain(domain) => &domain.domain_id,
            Self::Objective(objective) => &objective.objective_id,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Metric(metric) => &metric.name,
            Self::Domain(domain) => &domain.name,
            Self::Objective(objective) => &objective.name,
        }
    }

    /// Its JSON, fields in the order of the rules.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("its maps have text as keys, and nothing in it can fail")
    }

    /// What each field by itself does not show.
    fn check_together(&self, findings: &mut Findings) {
        match self {
            Self::Metric(metric) => {
                let Some(telemetry) = &metric.telemetry else {
                    return;
                };
                if telemetry.numerator.is_some() != telemetry.denominator.is_some() {
                    findings.mistake(
                        "telemetry",
                        FindingKind::Conflict,
                        "has one side of a fraction only",
                        "give numerator and denominator, or value alone",
                    );
                }
            }
            Self::Domain(_) => {}
            Self::Objective(objective) => {
                if objective.timeframe.start >= objective.timeframe.end {
                    findings.mistake(
                        "timeframe.end",
                        FindingKind::Conflict,
                        "does not lie behind timeframe.start",
                        "let the objective end after it starts",
                    );
                }
                let mut seen = std::collections::BTreeSet::new();
                for (i, result) in objective.key_results.iter().enumerate() {
                    if !seen.insert(&result.kr_id) {
                        findings.mistake(
                            &format!("key_results[{i}].kr_id"),
                            FindingKind::Conflict,
                            "is that of another key result of this objective",
                            "give each its own",
                        );
                    }
                }
            }
        }
    }

    /// What it refers to: the field, the kind and the identifier (for a domain its name).
    pub fn references(&self) -> Vec<(String, Kind, &str)> {
        let mut found = Vec::new();
        fn add<'r>(
            found: &mut Vec<(String, Kind, &'r str)>,
            field: &str,
            kind: Kind,
            ids: &'r [String],
        ) {
            let named = ids.iter().enumerate();
            found.extend(named.map(|(i, id)| (format!("{field}[{i}]"), kind, id.as_str())));
        }
        match self {
            Self::Metric(metric) => {
                let objectives = &metric.alignment.primary_objective_ids;
                add(
                    &mut found,
                    "alignment.primary_objective_ids",
                    Kind::Objective,
                    objectives,
                );
                let related = &metric.relationships;
                let (up, down) = (&related.upstream_metric_ids, &related.downstream_metric_ids);
                add(
                    &mut found,
                    "relationships.upstream_metric_ids",
                    Kind::Metric,
                    up,
                );
                add(
                    &mut found,
                    "relationships.downstream_metric_ids",
                    Kind::Metric,
                    down,
                );
                found.push((
                    "business_domain".to_owned(),
                    Kind::Domain,
                    &metric.business_domain,
                ));
            }
            Self::Domain(domain) => {
                add(&mut found, "key_metrics", Kind::Metric, &domain.key_metrics)
            }
            Self::Objective(objective) => {
                for (i, result) in objective.key_results.iter().enumerate() {
                    let field = format!("key_results[{i}].metric_ids");
                    add(&mut found, &field, Kind::Metric, &result.metric_ids);
                }
            }
        }
        found
    }
}

/// A time as JSON has it.
pub(super) mod time {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use crate::model::timestamp::Timestamp;

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        time.to_rfc3339().serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        Timestamp::parse_rfc3339(&text).map_err(de::Error::custom)
    }
}

/// A time that need not be there.
pub(super) mod optional_time {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use crate::model::timestamp::Timestamp;

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(Timestamp::to_rfc3339).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let time = text.map(|text| Timestamp::parse_rfc3339(&text));
        time.transpose().map_err(de::Error::custom)
    }
}
