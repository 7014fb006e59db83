//! Relabelling as Prometheus does it: an ordered list of small steps over one label set, any of which may drop it.
//!
//! The same steps serve targets (`relabel_configs`) and series (`metric_relabel_configs`), see
//! <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config>. Names are UTF-8.
//! Reading YAML is `config`'s work: it fills [`RelabelParts`], and a [`RelabelConfig`] that exists is valid.
//!
//! Does not judge the result: that a series still has a name, or a target an address, is for the caller to check.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use md5::{Digest, Md5};

use crate::model::labels::LabelsBuilder;
use crate::model::matcher::Pattern;
use crate::model::re2::{RegexError, anchored};
use template::Template;

mod template;

#[cfg(test)]
mod tests;

const DEFAULT_SEPARATOR: &str = ";";
const DEFAULT_REGEX: &str = "(.*)";
const DEFAULT_REPLACEMENT: &str = "$1";

/// One step, valid and compiled.
#[derive(Debug, Clone)]
pub struct RelabelConfig {
    source_labels: Vec<String>,
    separator: String,
    step: Step,
}

/// One step as configured; what is `None` (or empty) was not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelabelParts {
    /// Labels whose values are joined into the input.
    pub source_labels: Vec<String>,
    /// Between the joined values; `;` by default.
    pub separator: Option<String>,
    /// Matched against the whole input (the whole label name, for the actions on names); `(.*)` by default.
    pub regex: Option<String>,
    /// For `hashmod`.
    pub modulus: Option<u64>,
    /// The label that is written or compared; may use the groups of `regex` with `replace`.
    pub target_label: Option<String>,
    /// What is written, with the groups of `regex` as `$1`, `${1}`, `${name}`; `$1` by default.
    pub replacement: Option<String>,
    /// What to do.
    pub action: RelabelAction,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RelabelAction {
    /// Writes the expanded replacement to the target label when the input matches; an empty result removes the label.
    #[default]
    Replace,
    /// Drops the set unless the input matches.
    Keep,
    /// Drops the set if the input matches.
    Drop,
    /// Drops the set unless the input equals the target label's value.
    KeepEqual,
    /// Drops the set if the input equals the target label's value.
    DropEqual,
    /// Writes the input's hash modulo `modulus` to the target label.
    HashMod,
    /// Copies each label whose name matches to the expanded name.
    LabelMap,
    /// Removes the labels whose names match.
    LabelDrop,
    /// Removes the labels whose names do not match.
    LabelKeep,
    /// Writes the input in lower case to the target label.
    Lowercase,
    /// Writes the input in upper case to the target label.
    Uppercase,
}

/// Why a step cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelabelError {
    /// No such action.
    #[error("unknown relabel action {0:?}, use one of {names}", names = RelabelAction::names())]
    UnknownAction(String),
    /// The action writes or compares a label, and none is named.
    #[error("relabel action {0} needs a target_label")]
    TargetMissing(RelabelAction),
    /// `hashmod` divides.
    #[error("relabel action hashmod needs a modulus above 0")]
    ModulusMissing,
    /// `labelmap` writes labels of that name.
    #[error("relabel action labelmap needs a replacement that is not empty")]
    ReplacementEmpty,
    /// A label has a name.
    #[error("source_labels holds an empty label name")]
    SourceEmpty,
    /// A field that would have no effect; most likely another action was meant.
    #[error("relabel action {action} does not use {field}, remove it")]
    Unused {
        /// The action at hand.
        action: RelabelAction,
        /// The field's name.
        field: &'static str,
    },
    /// The expression does not compile.
    #[error(transparent)]
    Regex(#[from] RegexError),
}

/// An action with just what it needs.
#[derive(Debug, Clone)]
enum Step {
    Replace {
        regex: regex::Regex,
        target: Template,
        replacement: Template,
    },
    Keep(Pattern),
    Drop(Pattern),
    KeepEqual(String),
    DropEqual(String),
    HashMod {
        target: String,
        modulus: NonZeroU64,
    },
    LabelMap {
        regex: regex::Regex,
        replacement: Template,
    },
    LabelDrop(Pattern),
    LabelKeep(Pattern),
    Lowercase(String),
    Uppercase(String),
}

/// Runs the steps in order over one label set. `false` means that the set is dropped; what `labels` holds then is of
/// no use.
pub fn apply(configs: &[RelabelConfig], labels: &mut LabelsBuilder) -> bool {
    configs.iter().all(|config| config.apply(labels))
}

impl RelabelAction {
    const ALL: [Self; 11] = [
        Self::Replace,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
        Self::Lowercase,
        Self::Uppercase,
    ];

    /// The name in configuration files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }

    fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for RelabelAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In any case, as Prometheus reads it.
impl FromStr for RelabelAction {
    type Err = RelabelError;

    fn from_str(text: &str) -> Result<Self, RelabelError> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| RelabelError::UnknownAction(text.chars().take(40).collect()))
    }
}

impl RelabelParts {
    /// Rejects the fields that Prometheus rejects for the action.
    fn reject_unused(&self) -> Result<(), RelabelError> {
        use RelabelAction::{DropEqual, KeepEqual, LabelDrop, LabelKeep, Lowercase, Uppercase};
        let given = |value: &Option<String>, default: &str| {
            value.as_deref().is_some_and(|value| value != default)
        };
        let equal = matches!(self.action, KeepEqual | DropEqual);
        let names = matches!(self.action, LabelDrop | LabelKeep);
        let letters = matches!(self.action, Lowercase | Uppercase);
        let unused = [
            ("source_labels", names && !self.source_labels.is_empty()),
            ("target_label", names && given(&self.target_label, "")),
            ("regex", equal && given(&self.regex, DEFAULT_REGEX)),
            (
                "modulus",
                (equal || names) && self.modulus.unwrap_or(0) != 0,
            ),
            (
                "separator",
                (equal || names) && given(&self.separator, DEFAULT_SEPARATOR),
            ),
            (
                "replacement",
                (equal || names || letters) && given(&self.replacement, DEFAULT_REPLACEMENT),
            ),
        ];
        match unused.into_iter().find(|(_, unused)| *unused) {
            None => Ok(()),
            Some((field, _)) => Err(RelabelError::Unused {
                action: self.action,
                field,
            }),
        }
    }
}

impl RelabelConfig {
    /// Checks and compiles one step.
    ///
    /// # Errors
    /// What Prometheus rejects when it loads its configuration.
    pub fn new(parts: RelabelParts) -> Result<Self, RelabelError> {
        parts.reject_unused()?;
        if parts.source_labels.iter().any(String::is_empty) {
            return Err(RelabelError::SourceEmpty);
        }
        let action = parts.action;
        let regex = parts.regex.as_deref().unwrap_or(DEFAULT_REGEX);
        let replacement = parts.replacement.as_deref().unwrap_or(DEFAULT_REPLACEMENT);
        let target = || {
            parts
                .target_label
                .clone()
                .filter(|target| !target.is_empty())
                .ok_or(RelabelError::TargetMissing(action))
        };
        let step = match action {
            RelabelAction::Replace => {
                let target = target()?;
                let regex = groups(regex)?;
                Step::Replace {
                    target: Template::new(&target, &regex),
                    replacement: Template::new(replacement, &regex),
                    regex,
                }
            }
            RelabelAction::Keep => Step::Keep(Pattern::new(regex)?),
            RelabelAction::Drop => Step::Drop(Pattern::new(regex)?),
            RelabelAction::KeepEqual => Step::KeepEqual(target()?),
            RelabelAction::DropEqual => Step::DropEqual(target()?),
            RelabelAction::HashMod => Step::HashMod {
                modulus: parts
                    .modulus
                    .and_then(NonZeroU64::new)
                    .ok_or(RelabelError::ModulusMissing)?,
                target: target()?,
            },
            RelabelAction::LabelMap => {
                if replacement.is_empty() {
                    return Err(RelabelError::ReplacementEmpty);
                }
                let regex = groups(regex)?;
                Step::LabelMap {
                    replacement: Template::new(replacement, &regex),
                    regex,
                }
            }
            RelabelAction::LabelDrop => Step::LabelDrop(Pattern::new(regex)?),
            RelabelAction::LabelKeep => Step::LabelKeep(Pattern::new(regex)?),
            RelabelAction::Lowercase => Step::Lowercase(target()?),
            RelabelAction::Uppercase => Step::Uppercase(target()?),
        };
        Ok(Self {
            separator: parts
                .separator
                .unwrap_or_else(|| DEFAULT_SEPARATOR.to_owned()),
            source_labels: parts.source_labels,
            step,
        })
    }

    /// Runs this step; `false` drops the set.
    fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        match &self.step {
            Step::Replace {
                regex,
                target,
                replacement,
            } => {
                let input = self.input(labels);
                if let Some(captures) = regex.captures(&input) {
                    let target = target.expand(&captures);
                    if !target.is_empty() {
                        labels.set(&target, &replacement.expand(&captures));
                    }
                }
            }
            Step::Keep(pattern) => return pattern.is_match(&self.input(labels)),
            Step::Drop(pattern) => return !pattern.is_match(&self.input(labels)),
            Step::KeepEqual(target) => return labels.value(target) == self.input(labels),
            Step::DropEqual(target) => return labels.value(target) != self.input(labels),
            Step::HashMod { target, modulus } => {
                let hash = hash(&self.input(labels)) % modulus.get();
                labels.set(target, &hash.to_string());
            }
            Step::LabelMap { regex, replacement } => {
                let copies: Vec<(String, String)> = labels
                    .iter()
                    .filter_map(|(name, value)| {
                        let copy = replacement.expand(&regex.captures(name)?);
                        (!copy.is_empty()).then(|| (copy, value.to_owned()))
                    })
                    .collect();
                for (name, value) in copies {
                    labels.set(&name, &value);
                }
            }
            Step::LabelDrop(pattern) => labels.retain(|name, _| !pattern.is_match(name)),
            Step::LabelKeep(pattern) => labels.retain(|name, _| pattern.is_match(name)),
            Step::Lowercase(target) => {
                let lower: String = self.input(labels).chars().map(lower).collect();
                labels.set(target, &lower);
            }
            Step::Uppercase(target) => {
                let upper: String = self.input(labels).chars().map(upper).collect();
                labels.set(target, &upper);
            }
        }
        true
    }

    /// The source labels' values, joined; an absent label is empty.
    fn input(&self, labels: &LabelsBuilder) -> String {
        let mut input = String::new();
        for (index, name) in self.source_labels.iter().enumerate() {
            if index > 0 {
                input.push_str(&self.separator);
            }
            input.push_str(labels.value(name));
        }
        input
    }
}

/// An anchored expression whose groups are wanted.
fn groups(text: &str) -> Result<regex::Regex, RegexError> {
    if let Pattern::Engine(regex) = Pattern::new(text)? {
        return Ok((*regex).clone());
    }
    anchored(text)
}

/// The last eight bytes of the MD5, big endian: what Prometheus shards by, so that both agree on who scrapes what.
fn hash(input: &str) -> u64 {
    let digest = Md5::digest(input.as_bytes());
    digest[8..]
        .iter()
        .fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// One character for one, as Go maps case: `ß` has no upper case.
fn upper(character: char) -> char {
    let mut mapped = character.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None) => upper,
        _ => character,
    }
}

/// One character for one, as Go maps case: `İ` becomes `i` without its dot.
fn lower(character: char) -> char {
    character.to_lowercase().next().unwrap_or(character)
}
