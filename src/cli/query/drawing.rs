//! The course of an expression: its window, and its chart in the terminal or in a file.

use std::time::Duration;

use serde_json::Value;

use super::QueryArgs;
use crate::charts::chart::Chart;
use crate::charts::png::Painter;
use crate::charts::terminal::{self, Style};
use crate::charts::unit::{Unit, guess};
use crate::charts::{course, svg};
use crate::cli::exit;
use crate::cli::terminal::{Paint, complain, print, size};
use crate::clock::Clock;
use crate::model::duration;
use crate::model::sample::Sample;
use crate::model::timestamp::Timestamp;
use crate::promql::eval::QueryRange;
use crate::promql::parser;
use crate::storage::query::Series;

/// The range where none is given.
const RANGE: Duration = Duration::from_secs(3600);
/// Points of a line in a file.
const POINTS: u64 = 480;
/// Lines of a terminal's chart.
const ROWS: usize = 16;
/// Pixels of a PNG for each of the drawing's own.
const SCALE: f32 = 2.0;

/// A range of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    start: Timestamp,
    end: Timestamp,
    step: Duration,
}

impl Window {
    /// As the API takes them.
    pub(super) fn parameters(&self) -> [(&'static str, String); 3] {
        [
            ("start", self.start.seconds().to_string()),
            ("end", self.end.seconds().to_string()),
            ("step", self.step.as_secs_f64().to_string()),
        ]
    }
}

/// The window that was asked for; `None` for one value.
///
/// # Errors
/// What is wrong with the arguments, for the user.
pub(super) fn window(args: &QueryArgs) -> Result<Option<Window>, String> {
    if args.range.is_none() && !args.draws_here() && args.output.is_none() {
        return Ok(None);
    }
    if let Some(path) = &args.output {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if !matches!(extension, Some("svg" | "png")) {
            return Err(format!(
                "{}: the name must end in .svg or .png",
                path.display()
            ));
        }
    }
    let read = |name: &str, text: &str| match duration::parse(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err(format!("{name}: must be more than zero")),
        Err(error) => Err(format!("{name}: {error}")),
    };
    let range = args.range.as_deref();
    let range = range.map_or(Ok(RANGE), |text| read("--range", text))?;
    let end = match &args.time {
        None => Clock::system().now(),
        Some(text) => match text.parse() {
            Ok(seconds) => Timestamp::from_seconds(seconds),
            Err(_) => Timestamp::parse_rfc3339(text).map_err(|error| format!("--time: {error}"))?,
        },
    };
    let points = match (&args.output, args.draws_here()) {
        (None, true) => u64::try_from(size().0 * 2).unwrap_or(POINTS),
        _ => POINTS,
    };
    let millis = u64::try_from(range.as_millis()).unwrap_or(u64::MAX) / points.max(1);
    // Finer than a second is no use beside scrapes.
    let fitting = Duration::from_millis(if millis > 1000 {
        millis.next_multiple_of(1000)
    } else {
        1000
    });
    let step = args.step.as_deref();
    let step = step.map_or(Ok(fitting), |text| read("--step", text))?;
    Ok(Some(window_until(end, range, step)))
}

/// The last step is the end: what was scraped a moment ago is drawn.
fn window_until(end: Timestamp, range: Duration, step: Duration) -> Window {
    let steps = range.as_millis() / step.as_millis().max(1);
    let steps = u32::try_from(steps).unwrap_or(u32::MAX);
    Window {
        start: end - step.saturating_mul(steps),
        end,
        step,
    }
}

/// Draws an answer, and says how that went.
pub(super) fn draw(args: &QueryArgs, answer: &Value, window: Option<Window>, no_color: bool) -> u8 {
    let Some(window) = window else {
        return exit::FAILED;
    };
    let chart = chart(args.expr(), answer, window);
    if chart.lines.is_empty() {
        complain("no series matches\n");
        return exit::OK;
    }
    if let Some(path) = &args.output {
        let drawing = svg::draw(&chart, args.theme);
        let bytes = if path.extension().is_some_and(|extension| extension == "png") {
            Painter::new().png(&drawing, SCALE)
        } else {
            Ok(drawing.into_bytes())
        };
        let written = match bytes {
            Ok(bytes) => std::fs::write(path, bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = written {
            complain(&format!("write {}: {error}\n", path.display()));
            return exit::FAILED;
        }
    }
    if args.draws_here() {
        let (width, height) = size();
        let style = Style {
            width,
            height: ROWS.min(height.saturating_sub(8)),
            color: Paint::stdout(no_color).is_on(),
        };
        print(&terminal::draw(&chart, style));
    }
    exit::OK
}

fn chart(text: &str, answer: &Value, window: Window) -> Chart {
    let result = answer["data"]["result"].as_array();
    let all: Vec<Series> = result
        .into_iter()
        .flatten()
        .map(|series| Series {
            labels: serde_json::from_value(series["metric"].clone()).unwrap_or_default(),
            samples: {
                let points = series["values"].as_array().into_iter().flatten();
                points.filter_map(sample).collect()
            },
        })
        .collect();
    let range = QueryRange {
        start_ms: window.start.millis(),
        end_ms: window.end.millis(),
        step_ms: i64::try_from(window.step.as_millis()).unwrap_or(i64::MAX),
    };
    let mut chart = course::chart(&all, range);
    chart.title = course::one_line(text);
    chart.unit = parser::parse(text).map_or(Unit::Plain, |expr| guess::unit(&expr, chart.extent()));
    chart
}

/// `[seconds, "value"]`
fn sample(point: &Value) -> Option<Sample> {
    Some(Sample {
        timestamp_ms: Timestamp::from_seconds(point[0].as_f64()?).millis(),
        // Rust reads Prometheus's `+Inf` and `NaN` too.
        value: point[1].as_str()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_with_a_step_and_is_no_longer_than_asked_for() {
        let end = Timestamp::from_millis(1_795_165_200_123);
        let check = |range: u64, step: u64, want: u64| {
            let window = window_until(end, Duration::from_secs(range), Duration::from_secs(step));
            assert_eq!(window.end.since(window.start).as_secs(), want);
            assert_eq!(window.end, end);
        };
        check(3600, 15, 3600);
        check(3600, 23, 3588);
        check(5, 60, 0);
    }
}
