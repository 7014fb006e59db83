//! `rate_limits` and `web.trusted_proxies` in an `outrigger.yml`.
//!
//! ```yaml
//! rate_limits:                          # for each client
//!   enabled: true
//!   reads: {requests: 6000, per: 1m}    # GET of definitions; requests: 0 for no limit
//!   writes: {requests: 600, per: 1m}    # POST, PUT, PATCH, DELETE of definitions
//!   login: {requests: 60, per: 1m}      # login, refresh, register
//!   clients: 10000                      # remembered at a time
//! web:
//!   trusted_proxies: [10.0.0.0/8]       # whose X-Forwarded-For is believed
//! ```
//!
//! A budget that is not set does not count for clients on this machine; one that is set counts for all.

use std::time::Duration;

use super::client::Network;
use crate::document::fields::Fields;

/// How much each client may ask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitsConfig {
    /// Whether anything is limited.
    pub enabled: bool,
    /// Reading definitions.
    pub reads: Rate,
    /// Changing them.
    pub writes: Rate,
    /// Logging in.
    pub login: Rate,
    /// The most clients that are remembered.
    pub clients: usize,
    /// Whose word on the client's address counts.
    pub trusted_proxies: Vec<Network>,
}

/// So many requests for each window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many; 0 for any number.
    pub requests: u32,
    /// The window.
    pub per: Duration,
    /// Whether it counts for clients on this machine too.
    pub loopback: bool,
}

impl Rate {
    const fn a_minute(requests: u32) -> Self {
        Self {
            requests,
            per: Duration::from_secs(60),
            loopback: false,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            reads: Rate::a_minute(6_000),
            writes: Rate::a_minute(600),
            login: Rate::a_minute(60),
            clients: 10_000,
            trusted_proxies: Vec::new(),
        }
    }
}

/// Reads `rate_limits`.
pub fn read(root: &Fields<'_>) -> LimitsConfig {
    let mut config = LimitsConfig::default();
    let Some(limits) = root.get("rate_limits").and_then(|value| value.fields()) else {
        return config;
    };
    config.enabled = limits.bool("enabled").unwrap_or(true);
    for (key, rate) in [
        ("reads", &mut config.reads),
        ("writes", &mut config.writes),
        ("login", &mut config.login),
    ] {
        let Some(given) = limits.get(key).and_then(|value| value.fields()) else {
            continue;
        };
        rate.loopback = true;
        let requests = given.number_in("requests", 0..=1_000_000_000);
        if let Some(requests) = requests.and_then(|number| u32::try_from(number).ok()) {
            rate.requests = requests;
        }
        if let Some(value) = given.get("per")
            && let Some(per) = value.duration_above_zero()
        {
            if per < Duration::from_secs(1) {
                value.error("per is too short", "write a second or more");
            } else {
                rate.per = per;
            }
        }
        given.finish();
    }
    if let Some(clients) = limits.number_in("clients", 2..=10_000_000) {
        config.clients = clients;
    }
    limits.finish();
    config
}

/// Reads `trusted_proxies` of `web`.
pub fn read_proxies(web: &Fields<'_>) -> Vec<Network> {
    let networks = web.items("trusted_proxies").into_iter();
    networks
        .filter_map(|value| {
            let remedy = "write an address or a network such as 10.0.0.0/8";
            value.parse(remedy, |text| text.parse::<Network>())
        })
        .collect()
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
            let mut config = super::read(&root);
            if let Some(web) = root.get("web").and_then(|value| value.fields()) {
                config.trusted_proxies = read_proxies(&web);
                web.finish();
            }
            root.finish();
            (config, diagnostics.into_sorted().len())
        };
        assert_eq!(read("{}"), (LimitsConfig::default(), 0));
        let (config, mistakes) = read(
            "{rate_limits: {reads: {requests: 5, per: 1s}, login: {requests: 0}, clients: 100}, \
             web: {trusted_proxies: [10.0.0.0/8, '::1']}}",
        );
        assert_eq!(mistakes, 0);
        let reads = (
            config.reads.requests,
            config.reads.per,
            config.reads.loopback,
        );
        assert_eq!(reads, (5, Duration::from_secs(1), true));
        assert_eq!(config.login.requests, 0);
        assert!(!config.writes.loopback);
        assert_eq!((config.clients, config.trusted_proxies.len()), (100, 2));
        for wrong in [
            "rate_limits: {reads: 5}",
            "rate_limits: {reads: {requests: -1}}",
            "rate_limits: {writes: {per: 100ms}}",
            "rate_limits: {writes: {per: 0s}}",
            "rate_limits: {clients: 1}",
            "rate_limits: {read: {requests: 1}}",
            "web: {trusted_proxies: [somewhere]}",
            "web: {trusted_proxies: ['10.0.0.0/40']}",
        ] {
            assert_eq!(read(wrong).1, 1, "{wrong}");
        }
    }
}
