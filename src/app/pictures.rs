//! What pictures need to know of rules and configuration.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::charts::alert::Source;
use crate::charts::pictures::{PictureConfig, Rules};
use crate::config::Config;
use crate::rules::file::{RuleKind, RuleSpec};
use crate::rules::manager::RuleManager;

/// Finds alerting rules by their name, in the manager that is put into the first part: it is built later than those who
/// ask.
pub(super) fn rules() -> (Arc<ArcSwapOption<RuleManager>>, Rules) {
    let known: Arc<ArcSwapOption<RuleManager>> = Arc::default();
    let manager = Arc::clone(&known);
    let rules: Rules = Arc::new(move |name| {
        let Some(manager) = manager.load_full() else {
            return Vec::new();
        };
        let groups = manager.groups();
        let rules = groups.iter().flat_map(|group| &group.rules);
        rules
            .filter(|rule| rule.spec.name == name)
            .filter_map(|rule| source(&rule.spec))
            .collect()
    });
    (known, rules)
}

fn source(spec: &RuleSpec) -> Option<Source> {
    let RuleKind::Alerting { holds, .. } = &spec.kind else {
        return None;
    };
    Some(Source {
        text: spec.text.clone(),
        expr: Arc::clone(&spec.expr),
        query: spec.query.clone(),
        pending_for: holds.pending_for,
        rule_labels: spec.labels.iter().map(|(name, _)| name.clone()).collect(),
    })
}

/// How pictures are drawn.
pub(super) fn config(config: &Config) -> PictureConfig {
    let labels = config.external_labels.iter();
    PictureConfig {
        external_url: config.external_url.clone(),
        external_labels: labels.map(|(name, _)| name.to_owned()).collect(),
        ..config.settings.pictures.clone()
    }
}
