//! An objective as something to read: how far each key result is, and which metrics tell it. Written as Markdown here;
//! pages make HTML of the same [`Report`].
//!
//! Progress is the way gone from baseline to target, in its direction, from 0 to 100 %. On track is who has gone at least
//! the share of the way that has passed of the time.

use std::fmt::Write as _;

use super::metric::Metric;
use super::objective::{KeyResult, Objective};
use crate::model::timestamp::Timestamp;

/// What a report tells.
#[derive(Clone, PartialEq, Debug)]
pub struct Report<'a> {
    /// The objective.
    pub objective: &'a Objective,
    /// When it is told.
    pub at: Timestamp,
    /// The share of the time that has passed, in per cent.
    pub elapsed: u32,
    /// Each key result.
    pub results: Vec<Standing<'a>>,
    /// The mean progress of those that were measured, in per cent.
    pub progress: Option<u32>,
}

/// How a key result stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Standing<'a> {
    /// The key result.
    pub result: &'a KeyResult,
    /// The way gone, in per cent; `None` where nobody has measured.
    pub progress: Option<u32>,
    /// Whether that is at least the share of the time.
    pub on_track: Option<bool>,
    /// Its metrics that are there.
    pub metrics: Vec<&'a Metric>,
    /// Its metrics that are not.
    pub missing: Vec<&'a str>,
}

impl Standing<'_> {
    /// The progress in words.
    pub fn progress_text(&self) -> String {
        self.progress.map_or("not measured".to_owned(), |progress| {
            format!("{progress} %")
        })
    }

    /// Whether it is on track, in words.
    pub fn on_track_text(&self) -> &'static str {
        match self.on_track {
            Some(true) => "on track",
            Some(false) => "behind",
            None => "unknown",
        }
    }

    /// The current value in words.
    pub fn current_text(&self) -> String {
        let current = self.result.current_value;
        current.map_or("–".to_owned(), |value| value.0.to_string())
    }
}

impl<'a> Report<'a> {
    /// The report of an objective; `metrics` are those there are.
    pub fn new(objective: &'a Objective, metrics: &'a [Metric], at: Timestamp) -> Self {
        let elapsed = share(
            objective.timeframe.start.seconds(),
            objective.timeframe.end.seconds(),
            at.seconds(),
        );
        let elapsed = elapsed.unwrap_or(100);
        let standing = |result: &'a KeyResult| {
            let progress = result.current_value.and_then(|current| {
                share(result.baseline_value.0, result.target_value.0, current.0)
            });
            let find = |id: &String| metrics.iter().find(|metric| metric.metric_id == *id);
            let missing = result.metric_ids.iter().filter(|id| find(id).is_none());
            Standing {
                result,
                progress,
                on_track: progress.map(|progress| progress >= elapsed),
                metrics: result.metric_ids.iter().filter_map(find).collect(),
                missing: missing.map(String::as_str).collect(),
            }
        };
        let results: Vec<Standing<'a>> = objective.key_results.iter().map(standing).collect();
        let measured: Vec<u32> = results
            .iter()
            .filter_map(|result| result.progress)
            .collect();
        let count = u32::try_from(measured.len()).unwrap_or(u32::MAX);
        let progress = measured.iter().sum::<u32>().checked_div(count);
        Self {
            objective,
            at,
            elapsed,
            results,
            progress,
        }
    }

    /// The first and last day.
    pub fn timeframe(&self) -> String {
        let timeframe = &self.objective.timeframe;
        format!("{} to {}", day(timeframe.start), day(timeframe.end))
    }

    /// The day on which it is told.
    pub fn day(&self) -> String {
        day(self.at)
    }

    /// The mean progress in words.
    pub fn progress_text(&self) -> String {
        self.progress.map_or("not measured".to_owned(), |progress| {
            format!("{progress} %")
        })
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        self.write(&mut text)
            .expect("writing to a text cannot fail");
        text
    }

    fn write(&self, to: &mut String) -> std::fmt::Result {
        let objective = self.objective;
        writeln!(
            to,
            "# {}\n\n{}\n",
            plain(&objective.name),
            plain(&objective.description)
        )?;
        writeln!(to, "Report of {}\n", self.day())?;
        writeln!(to, "| | |\n| --- | --- |")?;
        let pillar = objective.strategic_pillar.as_deref().unwrap_or("–");
        for (name, value) in [
            ("Identifier", objective.objective_id.as_str()),
            ("Team", &objective.owner_team),
            ("Status", objective.status.as_str()),
            ("Priority", &objective.priority),
            ("Strategic pillar", pillar),
            ("Timeframe", &self.timeframe()),
            ("Time passed", &format!("{} %", self.elapsed)),
            ("Progress", &self.progress_text()),
        ] {
            writeln!(to, "| {name} | {} |", plain(value))?;
        }
        writeln!(to, "\n## Key results")?;
        for standing in &self.results {
            let result = standing.result;
            writeln!(
                to,
                "\n### {}: {}\n",
                plain(&result.kr_id),
                plain(&result.name)
            )?;
            writeln!(to, "{}\n", plain(&result.description))?;
            writeln!(
                to,
                "| baseline | current | target | direction | progress | |"
            )?;
            writeln!(to, "| ---: | ---: | ---: | --- | ---: | --- |")?;
            writeln!(
                to,
                "| {} | {} | {} {} | {} | {} | {} |",
                result.baseline_value.0,
                standing.current_text(),
                result.target_value.0,
                plain(&result.unit),
                result.direction.as_str(),
                standing.progress_text(),
                standing.on_track_text(),
            )?;
            if !standing.metrics.is_empty() || !standing.missing.is_empty() {
                writeln!(to)?;
            }
            for metric in &standing.metrics {
                writeln!(
                    to,
                    "- {} ({}, {}): {}",
                    plain(&metric.name),
                    plain(&metric.category),
                    plain(&metric.governance.owner_team),
                    plain(&metric.definition.formula),
                )?;
            }
            for id in &standing.missing {
                writeln!(to, "- {}: not defined", plain(id))?;
            }
        }
        Ok(())
    }
}

/// The way from `from` to `to` that lies behind `at`, in per cent from 0 to 100; `None` where there is no way.
fn share(from: f64, to: f64, at: f64) -> Option<u32> {
    let way = to - from;
    if way == 0.0 || !way.is_finite() {
        return None;
    }
    let share = ((at - from) / way * 100.0).clamp(0.0, 100.0);
    Some(share.floor() as u32)
}

fn day(time: Timestamp) -> String {
    time.to_rfc3339().chars().take(10).collect()
}

/// A text on one line in which Markdown and HTML mean nothing.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' | '\r' | '\t' => plain.push(' '),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '&' => plain.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|'
            | '~' => {
                plain.push('\\');
                plain.push(char);
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definitions::resource::{Kind, Resource};
    use crate::definitions::testing::{full, read};

    fn objective(current: serde_json::Value, name: &str) -> Objective {
        let mut objective = full(Kind::Objective);
        objective["name"] = json!(name);
        objective["key_results"][0]["current_value"] = current;
        match read(Kind::Objective, &objective) {
            Resource::Objective(objective) => *objective,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn progress_is_the_way_gone_and_measured_against_the_time() {
        let at = Timestamp::parse_rfc3339("2026-04-01T00:00:00Z").unwrap();
        let check = |current, want: (Option<u32>, &str)| {
            let objective = objective(current, "n");
            let report = Report::new(&objective, &[], at);
            let standing = &report.results[0];
            assert_eq!((standing.progress, standing.on_track_text()), want);
            assert_eq!(report.progress, want.0);
            assert_eq!(report.elapsed, 50);
        };
        check(json!(null), (None, "unknown"));
        check(json!(0.98), (Some(0), "behind"));
        check(json!(0.97), (Some(0), "behind"));
        check(json!(0.99), (Some(52), "on track"));
        check(json!(2), (Some(100), "on track"));
        assert_eq!(share(5.0, 5.0, 5.0), None);
        assert_eq!(share(200.0, 100.0, 150.0), Some(50));
    }

    #[test]
    fn names_write_no_markdown_and_no_html() {
        let objective = objective(json!(0.99), "a | *b*\n# c <script>[x](y)");
        let metric = match read(Kind::Metric, &full(Kind::Metric)) {
            Resource::Metric(metric) => *metric,
            other => panic!("{other:?}"),
        };
        let text = Report::new(&objective, &[metric], Timestamp::from_millis(0)).markdown();
        assert!(
            text.starts_with("# a \\| \\*b\\* \\# c &lt;script&gt;\\[x\\]\\(y\\)\n"),
            "{text}"
        );
        assert!(
            text.contains("| 0.98 | 0.99 | 0.999 ratio | increase | 52 % | on track |"),
            "{text}"
        );
        assert!(text.contains("- Checkout"), "{text}");
    }
}
