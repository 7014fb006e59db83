//! Where values and times stand on the paper.

use super::canvas::number;
use super::{End, HEIGHT, TICK_SIZE, WIDTH};
use crate::charts::axis::Values;
use crate::charts::chart::{Chart, LARGEST};
use crate::charts::text::width;
use crate::model::sample::Sample;

/// The rectangle of the plot, and its scales.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) values: Values,
    start_ms: i64,
    end_ms: i64,
}

impl Frame {
    pub(super) fn of(chart: &Chart, legend_height: f64, ends: &[End<'_>]) -> Self {
        let values = Values::over(chart.extent(), chart.unit, 5);
        let widest = |texts: &mut dyn Iterator<Item = f64>| texts.fold(0.0_f64, f64::max);
        let ticks = widest(
            &mut values
                .ticks
                .iter()
                .map(|(_, label)| width(label, TICK_SIZE, false)),
        );
        let ends = widest(
            &mut ends
                .iter()
                .map(|end| width(&end.text, super::END_SIZE, true)),
        );
        Self {
            left: 20.0 + (ticks + 8.0).clamp(24.0, 140.0),
            right: f64::from(WIDTH)
                - 20.0
                - if ends > 0.0 {
                    ends.min(160.0) + 8.0
                } else {
                    0.0
                },
            top: 74.0,
            bottom: f64::from(HEIGHT) - 36.0 - legend_height,
            values,
            start_ms: chart.start.millis(),
            end_ms: chart.end.millis(),
        }
    }

    /// Across, for a time; times beyond the edges stand at them.
    pub(super) fn x(&self, at_ms: i64) -> f64 {
        // As numbers with fractions: the difference of two whole ones may be too large for them.
        let span = self.end_ms as f64 - self.start_ms as f64;
        let share = if span > 0.0 {
            ((at_ms as f64 - self.start_ms as f64) / span).clamp(0.0, 1.0)
        } else {
            1.0
        };
        self.left + share * (self.right - self.left)
    }

    /// Down, for a value.
    pub(super) fn y(&self, value: f64) -> f64 {
        let share = self.values.share(value.clamp(-LARGEST, LARGEST));
        self.bottom - share * (self.bottom - self.top)
    }

    /// Whether a time is between the edges.
    pub(super) fn contains(&self, at_ms: i64) -> bool {
        (self.start_ms..=self.end_ms).contains(&at_ms)
    }

    pub(super) fn center(&self) -> (f64, f64) {
        (
            f64::midpoint(self.left, self.right),
            f64::midpoint(self.top, self.bottom),
        )
    }

    /// A line through points.
    pub(super) fn path(&self, points: &[Sample]) -> String {
        let mut path = String::with_capacity(points.len() * 12);
        for (index, point) in points.iter().enumerate() {
            path.push(if index == 0 { 'M' } else { 'L' });
            path.push_str(&number(self.x(point.timestamp_ms)));
            path.push(' ');
            path.push_str(&number(self.y(point.value)));
        }
        path
    }
}
