//! Settings of acks and silences beyond Alertmanager.
//!
//! ```yaml
//! acks: {expiry: 24h}
//! silences: {settle: 5m, guard: true, guard_share: 0.5, guard_alerts: 10}
//! ```

use std::time::Duration;

use crate::document::fields::Fields;

/// How acks and silences behave beyond Alertmanager.
#[derive(Clone, Debug, PartialEq)]
pub struct QuietConfig {
    /// How long an ack holds that does not say.
    pub ack_lasts: Duration,
    /// How long nothing may fire before a silence until resolved ends; `None` where there are no such silences.
    pub settle: Option<Duration>,
    /// Which silences are refused as too broad.
    pub guard: Option<GuardConfig>,
}

/// Which silences are refused as too broad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardConfig {
    /// The largest share, from 0 to 1, of the alerts that fire, for a silence that names no value.
    pub share: f64,
    /// Shares count from so many alerts on that fire.
    pub least: usize,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            share: 0.5,
            least: 10,
        }
    }
}

impl Default for QuietConfig {
    fn default() -> Self {
        Self {
            ack_lasts: Duration::from_secs(24 * 3600),
            settle: Some(Duration::from_secs(5 * 60)),
            guard: Some(GuardConfig::default()),
        }
    }
}

impl QuietConfig {
    /// As Alertmanager: nothing is refused for its breadth, and silences end when they say.
    pub fn upstream() -> Self {
        Self {
            settle: None,
            guard: None,
            ..Self::default()
        }
    }
}

/// Reads `acks` and `silences` of an `outrigger.yml`.
pub fn read(root: &Fields<'_>) -> QuietConfig {
    let mut config = QuietConfig::default();
    if let Some(acks) = root.get("acks").and_then(|value| value.fields()) {
        if let Some(expiry) = acks.duration_above_zero("expiry") {
            config.ack_lasts = expiry;
        }
        acks.finish();
    }
    if let Some(silences) = root.get("silences").and_then(|value| value.fields()) {
        if let Some(settle) = silences.duration_above_zero("settle") {
            config.settle = Some(settle);
        }
        let mut guard = GuardConfig::default();
        if let Some(value) = silences.get("guard_share")
            && let Some(share) = value.float()
        {
            if (0.0..=1.0).contains(&share) {
                guard.share = share;
            } else {
                value.error("guard_share is out of range", "write a number from 0 to 1");
            }
        }
        if let Some(least) = silences.unsigned("guard_alerts") {
            guard.least = usize::try_from(least).unwrap_or(usize::MAX);
        }
        config.guard = silences.bool("guard").unwrap_or(true).then_some(guard);
        silences.finish();
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{self, diagnostics::Diagnostics};

    #[test]
    fn settings_are_read_and_mistakes_told() {
        let read = |text: &str| {
            let diagnostics = Diagnostics::default();
            let document = document::parse("f.yml", text, &diagnostics).unwrap();
            let root = document.value(&diagnostics).fields().unwrap();
            let config = super::read(&root);
            root.finish();
            (config, diagnostics.into_sorted().len())
        };
        assert_eq!(read("{}"), (QuietConfig::default(), 0));
        let (config, mistakes) = read("{acks: {expiry: 8h}, silences: {guard: false, settle: 1m}}");
        assert_eq!((config.guard, mistakes), (None, 0));
        assert_eq!(config.ack_lasts, Duration::from_secs(8 * 3600));
        assert_eq!(config.settle, Some(Duration::from_secs(60)));
        let (config, _) = read("silences: {guard_share: 0.2, guard_alerts: 5}");
        let guard = GuardConfig {
            share: 0.2,
            least: 5,
        };
        assert_eq!(config.guard, Some(guard));
        for wrong in [
            "acks: {expiry: 0s}",
            "acks: {owner: ann}",
            "silences: {guard_share: 2}",
            "silences: {guard: maybe}",
        ] {
            assert_eq!(read(wrong).1, 1, "{wrong}");
        }
    }
}
