//! Reading `relabel_configs` and `metric_relabel_configs`.

use crate::document::fields::{Fields, Value};
use crate::enrich::relabel::{self, RelabelConfig, RelabelError, RelabelParts};
use crate::model::labels::LabelsBuilder;

/// Steps in order; equal where they were written alike, so that a reload can tell what changed.
#[derive(Clone, Debug, Default)]
pub struct Relabelling {
    /// As written.
    parts: Vec<RelabelParts>,
    /// As compiled; one for each of `parts`.
    steps: Vec<RelabelConfig>,
}

impl PartialEq for Relabelling {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Relabelling {
    /// Runs the steps; `false` drops the set.
    pub fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        relabel::apply(&self.steps, labels)
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Reads the steps of a key; absent reads as none.
    pub fn read(fields: &Fields<'_>, key: &'static str) -> Self {
        let mut all = Self::default();
        for item in fields.items(key) {
            if let Some((parts, step)) = read_step(&item) {
                all.parts.push(parts);
                all.steps.push(step);
            }
        }
        all
    }
}

fn read_step(value: &Value<'_>) -> Option<(RelabelParts, RelabelConfig)> {
    let fields = value.fields()?;
    let action = match fields.get("action") {
        Some(action) => action.parse("", str::parse)?,
        None => relabel::RelabelAction::default(),
    };
    let regex = fields.get("regex");
    let parts = RelabelParts {
        source_labels: fields
            .get("source_labels")
            .and_then(|labels| labels.texts())
            .unwrap_or_default(),
        separator: read_text(&fields, "separator"),
        regex: regex
            .as_ref()
            .and_then(|value| value.text())
            .map(str::to_owned),
        modulus: fields.unsigned("modulus"),
        target_label: fields.text("target_label"),
        replacement: read_text(&fields, "replacement"),
        action,
    };
    fields.finish();
    match RelabelConfig::new(parts.clone()) {
        Ok(step) => Some((parts, step)),
        Err(error) => {
            let remedy = match &error {
                RelabelError::Regex(_) => "write a regular expression in RE2 syntax",
                RelabelError::TargetMissing(_) => "add target_label",
                RelabelError::ModulusMissing => "add modulus",
                RelabelError::ReplacementEmpty => "add replacement",
                RelabelError::SourceEmpty => "name the label",
                RelabelError::UnknownAction(_) | RelabelError::Unused { .. } => {
                    "correct the action"
                }
            };
            let place = match (&error, &regex) {
                (RelabelError::Regex(_), Some(regex)) => regex,
                _ => value,
            };
            place.error(error.to_string(), remedy);
            None
        }
    }
}

/// Text that may be empty on purpose: `replacement: ""` removes a label.
fn read_text(fields: &Fields<'_>, key: &'static str) -> Option<String> {
    fields.get(key)?.text().map(str::to_owned)
}
