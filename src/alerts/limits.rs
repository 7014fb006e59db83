//! What `outrigger.yml` says on how much a person is told: `throttle:`, `storm:` and `flapping:`.

use super::flap::{self, FlapConfig};
use super::storm::{self, StormConfig};
use super::throttle::{self, ThrottleConfig};
use crate::document::fields::Fields;

/// All limits together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Token buckets.
    pub throttle: ThrottleConfig,
    /// Storms.
    pub storm: StormConfig,
    /// Flapping alerts.
    pub flapping: FlapConfig,
}

impl Limits {
    /// No limits: what Alertmanager does.
    pub fn disabled() -> Self {
        Self {
            throttle: ThrottleConfig::disabled(),
            storm: StormConfig::disabled(),
            flapping: FlapConfig::disabled(),
        }
    }
}

/// Reads the three keys of a file's root; the defaults where they are absent.
pub fn read(root: &Fields<'_>) -> Limits {
    Limits {
        throttle: throttle::read(root),
        storm: storm::read(root),
        flapping: flap::read(root),
    }
}
