//! A dashboard for any service, from the metric families it exposes: no configuration.
//!
//! ```text
//!   families ──▶ histograms of requests      rate, errors, duration (RED)
//!            ──▶ pools, memory, CPU, files    how full (USE)
//!            ──▶ queues                       how much waits
//!            ──▶ counters of failures         how many
//!            ──▶ the rest, by first word      folded: rates, values, quantiles
//! ```
//!
//! Names, types, units, help and labels decide; values are not looked at. What is shown is bounded by [`MAX_PANELS`]; what is
//! left out is named in the description.

pub mod families;
pub(super) mod names;
mod requests;
mod resources;
mod rest;

use std::collections::BTreeSet;

use super::alerts::Alerts;
use super::interpolate::{Intervals, Values};
use super::layout::Layout;
use super::model::Dashboard;
use super::panel::Draft;
use super::unit::Unit;
use super::variables::{Choice, Frame};
use crate::charts::unit::guess;
use crate::model::labels::quote;
use crate::promql::parser;

use self::families::Family;
use self::names::{matchers, selector, slug};

/// The most panels of one dashboard.
pub const MAX_PANELS: usize = 80;
/// The most panels folded into one row.
const MAX_IN_ROW: usize = 16;
/// The most families that are named as left out.
const MAX_NAMED: usize = 20;

/// Makes panels of one service's families.
struct Maker<'a> {
    /// Matchers of the service.
    scope: String,
    /// Families that no panel shows yet.
    left: BTreeSet<&'a str>,
    families: &'a [Family],
    /// How many panels there may still be.
    room: usize,
}

/// The dashboard of a job with these families; links lead to the Outrigger at this address.
pub fn dashboard(job: &str, families: &[Family], outrigger: &str) -> Dashboard {
    let alerts = Alerts::shipped();
    let mut maker = Maker {
        scope: format!("job={},instance=~\"$instance\"", quote(job)),
        left: families.iter().map(|family| family.name.as_str()).collect(),
        families,
        room: MAX_PANELS,
    };
    let mut layout = Layout::new(&alerts);
    for (title, drafts) in requests::rows(&mut maker) {
        layout = layout.open(&title, maker.bounded(drafts));
    }
    let drafts = resources::drafts(&mut maker);
    if !drafts.is_empty() {
        layout = layout.open("Resources", maker.bounded(drafts));
    }
    let drafts = resources::failures(&mut maker);
    if !drafts.is_empty() {
        layout = layout.open("Failures", maker.bounded(drafts));
    }
    for (title, drafts) in rest::rows(&mut maker) {
        if maker.room == 0 {
            break;
        }
        layout = layout.folded(&title, maker.bounded(drafts));
    }
    let description = format!(
        "Made from the {} metric families that {job} exposes{}",
        families.len(),
        maker.left_out()
    );
    let probe = families.first().map_or("up", |family| &family.probe);
    let frame = Frame {
        uid: &format!("service-{}", slug(job)),
        title: job,
        description: &description,
        tags: &["service"],
        outrigger,
    };
    let choice = Choice {
        name: "instance",
        label: "Instance",
        of: "instance",
        selector: &selector(probe, &[format!("job={}", quote(job))]),
    };
    frame.around(&[choice], layout)
}

impl<'a> Maker<'a> {
    /// Families of which some panel shows nothing yet.
    fn unseen(&self) -> Vec<&'a Family> {
        let is_left = |family: &&Family| self.left.contains(family.name.as_str());
        self.families.iter().filter(is_left).collect()
    }

    /// A panel shows it.
    fn seen(&mut self, family: &Family) {
        self.left.remove(family.name.as_str());
    }

    /// A series of the service, with more matchers.
    fn series(&self, name: &str, more: &[String]) -> String {
        selector(name, &matchers(&self.scope, more))
    }

    fn rate(&self, name: &str, more: &[String]) -> String {
        format!("rate({}[$__rate_interval])", self.series(name, more))
    }

    /// As many panels as there is room for.
    fn bounded(&mut self, mut drafts: Vec<Draft>) -> Vec<Draft> {
        drafts.truncate(self.room);
        self.room -= drafts.len();
        drafts
    }

    fn left_out(&self) -> String {
        let mut names: Vec<&str> = self.left.iter().copied().collect();
        if names.is_empty() {
            return ".".to_owned();
        }
        let more = names.len().saturating_sub(MAX_NAMED);
        names.truncate(MAX_NAMED);
        let tail = match more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("; not shown: {}{tail}.", names.join(", "))
    }
}

/// The unit of a query's values, from the names in it.
fn unit_of(query: &str) -> Unit {
    let values = Values::of(Intervals {
        rate_ms: 300_000,
        step_ms: 60_000,
        range_ms: 3_600_000,
    });
    parser::parse(&values.replace(query).text)
        .map_or(Unit::Number, |expr| Unit::of(guess::unit(&expr, None)))
}
