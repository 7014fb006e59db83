//! What a chart shows, as plain data.

use std::time::Duration;

use super::unit::Unit;
use crate::model::sample::Sample;
use crate::model::timestamp::Timestamp;
use crate::promql::ast::BinaryOp;

/// The most lines that are drawn; the others are counted.
pub const MAX_LINES: usize = 24;
/// The most points of a line that are drawn; of more the lowest and highest of each stretch are kept.
pub const MAX_POINTS: usize = 1_000;
/// The most shades that are drawn.
pub const MAX_SHADES: usize = 100;
/// The most reloads that are marked, the last ones.
pub const MAX_RELOADS: usize = 20;
/// Values beyond this are drawn as if they were this: sums and differences stay finite.
pub const LARGEST: f64 = 1e300;

/// Lines over time, with what an alert adds to them.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// The headline.
    pub title: String,
    /// One line below it.
    pub subtitle: String,
    /// What stands in the corner.
    pub badge: Option<Badge>,
    /// The left edge.
    pub start: Timestamp,
    /// The right edge.
    pub end: Timestamp,
    /// Time between samples; points farther apart than one and a half of it are not joined.
    pub step: Duration,
    /// What the values mean.
    pub unit: Unit,
    /// The series, most important first.
    pub lines: Vec<Line>,
    /// Series that are not among `lines`.
    pub more_lines: usize,
    /// What the values are compared with.
    pub threshold: Option<Threshold>,
    /// Times at which something held.
    pub shades: Vec<Shade>,
    /// When rules were loaded anew: what the lines are compared with may have been another.
    pub reloads: Vec<Timestamp>,
}

/// One series.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// How it is drawn.
    pub emphasis: Emphasis,
    /// Its samples by time. NaN ends a stroke; infinities are marked at the edge.
    pub points: Vec<Sample>,
}

/// How a line is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Emphasis {
    /// In a colour of its own.
    #[default]
    Plain,
    /// The one that the chart is about.
    Strong,
    /// Among the others, for comparison.
    Pale,
}

/// What the values are compared with.
#[derive(Clone, Debug)]
pub struct Threshold {
    /// The comparison, values on its left.
    pub op: BinaryOp,
    /// One value, or one for each step.
    pub level: Level,
}

/// A threshold's course.
#[derive(Clone, Debug)]
pub enum Level {
    /// The same all the time.
    Fixed(f64),
    /// Samples by time.
    Moving(Vec<Sample>),
}

impl Level {
    /// The samples, at both edges for a fixed one.
    pub fn samples(&self, start: Timestamp, end: Timestamp) -> Vec<Sample> {
        match self {
            Self::Fixed(value) => [start, end]
                .map(|at| Sample {
                    timestamp_ms: at.millis(),
                    value: *value,
                })
                .to_vec(),
            Self::Moving(samples) => samples.clone(),
        }
    }

    /// The last value.
    pub fn last(&self) -> Option<f64> {
        match self {
            Self::Fixed(value) => Some(*value),
            Self::Moving(samples) => samples.last().map(|sample| sample.value),
        }
    }
}

/// A stretch of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shade {
    /// What held.
    pub kind: ShadeKind,
    /// From when on.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
}

/// What held during a shade.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShadeKind {
    /// The condition, not yet for long enough.
    Pending,
    /// The alert.
    Firing,
}

/// A word in the corner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Badge {
    /// The word.
    pub text: String,
    /// Its colour.
    pub tone: Tone,
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// It needs a person.
    Bad,
    /// It is over.
    Good,
}

/// A comparison in words: `> 5`.
pub fn comparison(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Ge => "≥",
        BinaryOp::Le => "≤",
        BinaryOp::Ne => "≠",
        BinaryOp::Eq => "=",
        other => other.as_str(),
    }
}

impl Line {
    /// Its points in at most `limit` pieces: the lowest and the highest of each stretch, in order.
    pub fn thinned(&self, limit: usize) -> Vec<Sample> {
        let points = &self.points;
        if points.len() <= limit || limit < 2 {
            return points.clone();
        }
        let stretch = points.len().div_ceil(limit / 2);
        let mut out = Vec::with_capacity(limit);
        for part in points.chunks(stretch) {
            let mut low = part[0];
            let mut high = part[0];
            for point in part {
                // A NaN in a stretch must stay a gap.
                if point.value.is_nan() || point.value < low.value {
                    low = *point;
                }
                if point.value > high.value {
                    high = *point;
                }
            }
            let (first, second) = if low.timestamp_ms <= high.timestamp_ms {
                (low, high)
            } else {
                (high, low)
            };
            out.push(first);
            if second.timestamp_ms != first.timestamp_ms {
                out.push(second);
            }
        }
        out
    }
}

impl Chart {
    /// The longest distance of two points that are joined, in milliseconds.
    pub fn reach_ms(&self) -> i64 {
        let step = i64::try_from(self.step.as_millis()).unwrap_or(i64::MAX / 4);
        let span = self.end.millis().saturating_sub(self.start.millis());
        // Thinned points are farther apart than samples are.
        step.saturating_mul(3)
            .max(span.max(0) / i64::try_from(MAX_POINTS).unwrap_or(1) * 6)
            / 2
    }

    /// The lowest and highest value to show: finite, threshold included; `None` where there is nothing.
    pub fn extent(&self) -> Option<(f64, f64)> {
        let lines = self.lines.iter().take(MAX_LINES);
        let values = lines.flat_map(|line| line.points.iter().map(|point| point.value));
        let levels: Vec<f64> = match self.threshold.as_ref().map(|threshold| &threshold.level) {
            Some(Level::Fixed(value)) => vec![*value],
            Some(Level::Moving(samples)) => samples.iter().map(|sample| sample.value).collect(),
            None => Vec::new(),
        };
        let finite = values
            .chain(levels)
            .filter(|value| value.is_finite())
            .map(|value| value.clamp(-LARGEST, LARGEST));
        finite.fold(None, |extent, value| {
            let (low, high) = extent.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })
    }
}
