//! Definitions at work: their rules among the groups that run, their owners on alerts, and what they are on `/metrics`.
//!
//! The database is asked every few seconds whether something was written, by whomever; then all is made anew. Where that takes
//! long it is done less often.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Stopwatch;
use crate::db::definitions as rows;
use crate::db::sql::Sql;
use crate::definitions::check::Checks;
use crate::definitions::resource::Resource;
use crate::definitions::store::{Store, StoreError};
use crate::document::diagnostics::Diagnostics;
use crate::meaning::generate::{Generated, Scope, generate};
use crate::meaning::index::{Index, families};
use crate::rules::file::{self, GroupSpec};
use crate::tasks::Stop;

use super::applied::Applied;

/// How often the database is asked.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// While many are written one after the other, making all anew takes at most one part in so many of the time, and waits no
/// longer than this.
const REST: u32 = 20;
const LONGEST_REST: Duration = Duration::from_secs(30);
/// Series of `outrigger_metric_definition_info` at most.
const MOST_INFOS: usize = 2_000;
/// The file that the groups are said to stand in.
const FILE: &str = "definitions";

/// What definitions give to the rest.
pub(super) struct Meaning {
    database: Sql,
    index: Arc<ArcSwap<Index>>,
    infos: Arc<ArcSwap<Infos>>,
    made: Mutex<Made>,
}

/// What was made last.
#[derive(Default)]
struct Made {
    generation: Option<i64>,
    groups: Vec<GroupSpec>,
    failing: bool,
}

impl Meaning {
    pub(super) fn new(database: Sql, registry: &mut Registry) -> Self {
        let infos = Arc::default();
        registry.register_collector(Box::new(Shown(Arc::clone(&infos))));
        Self {
            database,
            index: Arc::default(),
            infos,
            made: Mutex::default(),
        }
    }

    /// Whose alerts are.
    pub(super) fn index(&self) -> Arc<ArcSwap<Index>> {
        Arc::clone(&self.index)
    }

    /// Makes all anew; the rule groups. Where the database fails they are those of the last time.
    pub(super) async fn refresh(&self, scope: Scope, interval: Duration) -> Vec<GroupSpec> {
        match self.read().await {
            Ok((generation, resources)) => {
                let generated = generate(&resources, scope);
                let metrics = resources.iter().filter_map(|resource| match resource {
                    Resource::Metric(metric) => Some(&**metric),
                    Resource::Domain(_) | Resource::Objective(_) => None,
                });
                self.index.store(Arc::new(Index::of(metrics)));
                self.infos
                    .store(Arc::new(Infos::of(&resources, &generated)));
                let mut made = self.made.lock();
                made.generation = Some(generation);
                made.failing = false;
                if let Some(groups) = groups(&generated, interval) {
                    made.groups = groups;
                }
                made.groups.clone()
            }
            Err(error) => {
                let mut made = self.made.lock();
                if !std::mem::replace(&mut made.failing, true) {
                    tracing::warn!(%error, "read definitions; their rules stay as they are");
                }
                made.groups.clone()
            }
        }
    }

    async fn read(&self) -> Result<(i64, Vec<Resource>), StoreError> {
        // Read first: what is made may be newer than its generation, never older.
        let generation = rows::generation(&self.database).await?;
        // Nothing is written here, so nothing is checked.
        let checks = Checks {
            expression: |_| Ok(()),
            strict: false,
        };
        let store = Store::new(self.database.clone(), checks);
        Ok((generation, store.all().await?))
    }

    async fn is_stale(&self) -> bool {
        match rows::generation(&self.database).await {
            Ok(generation) => self.made.lock().generation != Some(generation),
            // It is told where definitions are read.
            Err(_) => false,
        }
    }

    /// Has the rules replaced whenever definitions changed.
    pub(super) async fn run(self: Arc<Self>, applied: Arc<Applied>, stop: Stop) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            if self.is_stale().await {
                let stopwatch = Stopwatch::start();
                applied.definitions_changed().await;
                let rest = stopwatch.elapsed().saturating_mul(REST);
                if rest > LOOK_EVERY {
                    look.reset_after(rest.min(LONGEST_REST));
                }
            }
        }
    }
}

/// The rules as our own reader takes them from the file that is given out; `None` where it does not.
fn groups(generated: &Generated, interval: Duration) -> Option<Vec<GroupSpec>> {
    let text = generated.to_yaml();
    let diagnostics = Diagnostics::default();
    let read = text.map(|text| file::read(FILE, &text, interval, &diagnostics));
    let mistakes = diagnostics.into_sorted();
    match read {
        Ok(groups) if mistakes.is_empty() => Some(groups),
        Ok(_) => {
            for mistake in mistakes {
                tracing::error!(%mistake, "rules made of definitions do not load; report this as a bug");
            }
            None
        }
        Err(error) => {
            tracing::error!(%error, "write rules made of definitions");
            None
        }
    }
}

/// Adds groups to the configured ones, without the rules that these hold already: the file may be among them.
pub(super) fn add(configured: &mut Vec<GroupSpec>, made: Vec<GroupSpec>) {
    let known: std::collections::HashSet<String> = configured
        .iter()
        .flat_map(|group| &group.rules)
        .map(file::RuleSpec::identity)
        .collect();
    for mut group in made {
        group.rules.retain(|rule| !known.contains(&rule.identity()));
        if !group.rules.is_empty() {
            configured.push(group);
        }
    }
}

/// Labels of `outrigger_metric_definition_info`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Info {
    metric_id: String,
    name: String,
    tier: &'static str,
    business_domain: String,
    owner_team: String,
    unit: String,
    family: String,
}

/// What `/metrics` says of definitions.
#[derive(Debug, Default)]
struct Infos {
    shown: Vec<Info>,
    left_out: usize,
    without_rules: usize,
}

impl Infos {
    fn of(resources: &[Resource], generated: &Generated) -> Self {
        let mut infos = Self {
            without_rules: generated.left_out.len(),
            ..Self::default()
        };
        for resource in resources {
            let Resource::Metric(metric) = resource else {
                continue;
            };
            let mut of_metric: Vec<String> = families(metric).into_iter().collect();
            if of_metric.is_empty() {
                of_metric.push(String::new());
            }
            let fits = of_metric.len().min(MOST_INFOS - infos.shown.len());
            infos.left_out += of_metric.len() - fits;
            let info = |family| Info {
                metric_id: metric.metric_id.clone(),
                name: metric.name.clone(),
                tier: metric.tier.as_str(),
                business_domain: metric.business_domain.clone(),
                owner_team: metric.governance.owner_team.clone(),
                unit: metric.definition.unit.clone(),
                family,
            };
            infos
                .shown
                .extend(of_metric.into_iter().take(fits).map(info));
        }
        infos
    }
}

#[derive(Debug)]
struct Shown(Arc<ArcSwap<Infos>>);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let infos = self.0.load();
        let mut family = encoder.encode_descriptor(
            "outrigger_metric_definition_info",
            "What metric definitions say, for each family that they speak of",
            None,
            MetricType::Gauge,
        )?;
        for info in &infos.shown {
            family.encode_family(info)?.encode_gauge(&1_i64)?;
        }
        for (name, help, count) in [
            (
                "outrigger_metric_definition_info_left_out",
                "Series of outrigger_metric_definition_info beyond the most that are shown",
                infos.left_out,
            ),
            (
                "outrigger_definitions_without_rules",
                "Definitions, or parts of them, that no rule could be made of",
                infos.without_rules,
            ),
        ] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            encoder
                .encode_descriptor(name, help, None, MetricType::Gauge)?
                .encode_gauge(&count)?;
        }
        Ok(())
    }
}
