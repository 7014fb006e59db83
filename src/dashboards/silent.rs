//! Panels that read nothing: no metric that their queries name is there.
//!
//! It runs no query: a metric that is there may still have no series for a panel's labels. `check dashboards --live` runs them.

use std::time::Duration;

use super::interpolate::{Intervals, Values};
use super::lint::read::{self, Board};
use super::model::Dashboard;
use crate::promql::{parser, walk};

/// What stands for Grafana's intervals; any would do, as long as the query parses.
const INTERVAL: Duration = Duration::from_secs(300);

/// A panel, and the metrics that it reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reads {
    /// Its title.
    pub title: String,
    /// One of these at least; none where a query of it names no metric, and may read anything.
    pub metrics: Vec<String>,
}

impl Reads {
    /// Whether none of its metrics is there; `is_there` knows their names.
    pub fn nothing(&self, is_there: impl Fn(&str) -> bool) -> bool {
        !self.metrics.is_empty() && !self.metrics.iter().any(|name| is_there(name))
    }
}

/// What the panels of a dashboard read.
pub fn reads(dashboard: &Dashboard) -> Vec<Reads> {
    let Ok(board) = read::read(&dashboard.to_json()) else {
        return Vec::new();
    };
    let values = values(&board);
    let mut reads = Vec::new();
    for panel in &board.panels {
        let targets = panel.targets.iter().filter(|target| !target.hide);
        let mut names = Vec::new();
        let mut any = false;
        for target in targets.filter(|target| target.is_promql(panel, &board)) {
            let text = values.replace(&target.expr).text;
            let read = parser::parse(&text).map(|expr| {
                let found = walk::metric_names(&expr);
                found.into_iter().map(str::to_owned).collect::<Vec<_>>()
            });
            match read {
                // What names no metric may read anything.
                Ok(found) if found.is_empty() => any = true,
                Ok(found) => names.extend(found),
                Err(_) => any = true,
            }
        }
        if any {
            names.clear();
        }
        reads.push(Reads {
            title: panel.title.clone(),
            metrics: names,
        });
    }
    reads
}

fn values(board: &Board) -> Values {
    let millis = u64::try_from(INTERVAL.as_millis()).unwrap_or(u64::MAX);
    let mut values = Values::of(Intervals {
        rate_ms: millis,
        step_ms: millis,
        range_ms: millis,
    });
    for variable in &board.variables {
        let saved = variable.first_value();
        let bare = match variable.kind.as_str() {
            "interval" => "5m",
            _ => "job",
        };
        values.set(&variable.name, saved.unwrap_or(".*"), saved.unwrap_or(bare));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboards::shipped;

    #[test]
    fn a_panel_is_silent_where_none_of_its_metrics_is_there() {
        let all = shipped::all("http://127.0.0.1:9797");
        for dashboard in &all {
            let reads = reads(dashboard);
            assert!(!reads.iter().any(|panel| panel.nothing(|_| true)));
            let nothing: Vec<_> = reads
                .iter()
                .filter(|panel| panel.nothing(|_| false))
                .collect();
            let panels = dashboard.all_panels().count();
            assert!(
                nothing.len() > panels / 2 && nothing.len() <= panels,
                "{}: {nothing:?}",
                dashboard.uid
            );
        }
    }
}
