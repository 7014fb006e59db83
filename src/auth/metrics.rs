//! What authentication counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::refresh::Verdict;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: &'static str,
}

/// How a login ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Login {
    /// Well.
    Succeeded,
    /// Name or password was wrong, or the account not active.
    Failed,
    /// There were too many before.
    Locked,
    /// There was no room for hashing.
    Busy,
}

impl Login {
    fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Locked => "locked",
            Self::Busy => "busy",
        }
    }
}

/// The metrics of authentication. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    logins: Family<ByOutcome, Counter>,
    refreshes: Family<ByOutcome, Counter>,
    refused: Counter,
}

impl Metrics {
    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "outrigger_auth_logins",
            "Logins by how they ended: succeeded, failed, locked, busy",
            self.logins.clone(),
        );
        registry.register(
            "outrigger_auth_refreshes",
            "Refresh tokens presented by what became of them; replayed ones were stolen",
            self.refreshes.clone(),
        );
        registry.register(
            "outrigger_auth_refused",
            "Requests with a token or key that is not good",
            self.refused.clone(),
        );
    }

    pub(super) fn login(&self, outcome: Login) {
        let outcome = outcome.as_str();
        self.logins.get_or_create(&ByOutcome { outcome }).inc();
    }

    pub(super) fn refresh(&self, verdict: Option<Verdict>) {
        let outcome = verdict.map_or("unknown", Verdict::as_str);
        self.refreshes.get_or_create(&ByOutcome { outcome }).inc();
    }

    pub(super) fn refused(&self) {
        self.refused.inc();
    }
}
