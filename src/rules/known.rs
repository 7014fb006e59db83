//! What is known of an alert beyond its rule: put on where it lacks it, before routes see it.

use crate::model::alert::Alert;
use crate::model::labels::Labels;

/// Labels and annotations that an alert may lack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
}

impl Known {
    /// Adds what an alert lacks; what it has stays.
    pub fn fill(&self, alert: &mut Alert) {
        alert.labels = with_missing(&alert.labels, &self.labels);
        alert.annotations = with_missing(&alert.annotations, &self.annotations);
    }
}

/// A set with the pairs of another whose names it lacks.
pub fn with_missing(own: &Labels, others: &Labels) -> Labels {
    if others.iter().all(|(name, _)| own.get(name).is_some()) {
        return own.clone();
    }
    // An annotation without a text says that there is nothing to say.
    Labels::verbatim_pairs(others.iter().chain(own))
}
