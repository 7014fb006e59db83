//! Which build of the target is running, from its own `*_build_info` series.
//!
//! Exporters and services publish a constant 1 with telling labels: `shop_build_info{version="1.2",revision="abc"} 1`.
//! The labels that are asked for are attached to every sample of that target, so that an alert says which version it
//! is about. The price is stated where it is configured: a new version means new series.

/// The end of the metric's name.
pub const SUFFIX: &str = "_build_info";

/// Of the language or its client library, not of the target.
const FOREIGN: [&str; 3] = ["go_build_info", "python_build_info", "process_build_info"];

/// Whether a metric tells of the target's own build.
pub fn is_build_info(metric: &str) -> bool {
    metric.ends_with(SUFFIX) && !FOREIGN.contains(&metric)
}

/// The labels among `wanted` that a build info series has.
pub fn select<'l>(
    wanted: &[String],
    labels: impl Iterator<Item = (&'l str, &'l str)>,
) -> Vec<(String, String)> {
    let mut found: Vec<_> = labels
        .filter(|(name, value)| wanted.iter().any(|w| w == name) && !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_targets_own_build_counts_and_only_what_was_asked_for() {
        assert!(is_build_info("shop_build_info"));
        assert!(!is_build_info("go_build_info"));
        assert!(!is_build_info("shop_build_information"));
        let labels = [("revision", "abc"), ("version", "1.2"), ("branch", "main")];
        let wanted = ["version".to_owned(), "missing".to_owned()];
        assert_eq!(
            select(&wanted, labels.into_iter()),
            [("version".to_owned(), "1.2".to_owned())]
        );
    }
}
