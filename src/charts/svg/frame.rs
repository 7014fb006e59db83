//! Where values and times stand on the paper.

use super::{End, Paper, TICK_SIZE};
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
    pub(super) fn of(
        chart: &Chart,
        legend_height: f64,
        ends: &[End<'_>],
        paper: &Paper<'_>,
    ) -> Self {
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
            left: paper.margin + (ticks + 8.0).clamp(24.0, 140.0),
            right: paper.w()
                - paper.margin
                - if ends > 0.0 {
                    // The fonts of pages are wider than the embedded one.
                    let wide = if paper.is_picture { 1.0 } else { 1.15 };
                    (ends * wide).min(180.0) + 8.0
                } else {
                    // The last label of the time axis needs some.
                    if paper.is_picture { 0.0 } else { 12.0 }
                },
            top: if paper.is_picture { 74.0 } else { 14.0 },
            bottom: paper.h() - if paper.is_picture { 36.0 } else { 26.0 } - legend_height,
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

    /// Attributes that tell a script where the axes are, and what they reach.
    pub(super) fn facts(&self) -> String {
        let number = super::canvas::number;
        format!(
            " data-left=\"{}\" data-right=\"{}\" data-top=\"{}\" data-bottom=\"{}\" data-start=\"{}\" data-end=\"{}\"",
            number(self.left),
            number(self.right),
            number(self.top),
            number(self.bottom),
            self.start_ms,
            self.end_ms,
        )
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

    /// A line through points, in steps of a tenth of a pixel; what goes on level is one step.
    pub(super) fn path(&self, points: &[Sample]) -> String {
        let tenths = |value: f64| (value.clamp(-1e5, 1e5) * 10.0).round() as i64;
        let mut path = String::with_capacity(points.len() * 8);
        let mut last = (0, 0);
        let mut level = 0;
        for (index, point) in points.iter().enumerate() {
            let at = (
                tenths(self.x(point.timestamp_ms)),
                tenths(self.y(point.value)),
            );
            let (across, down) = (at.0 - last.0, at.1 - last.1);
            last = at;
            if index == 0 {
                path.push('M');
                push_pair(&mut path, across, down);
                path.push('l');
            } else if down == 0 {
                level += across;
            } else {
                if level != 0 {
                    push_pair(&mut path, level, 0);
                    level = 0;
                }
                push_pair(&mut path, across, down);
            }
        }
        if level != 0 || path.ends_with('l') {
            push_pair(&mut path, level, 0);
        }
        path
    }
}

/// Two numbers of tenths, as short as they can be written.
fn push_pair(path: &mut String, across: i64, down: i64) {
    for number in [across, down] {
        if !path.ends_with(['M', 'l']) {
            path.push(' ');
        }
        let (whole, tenth) = (number.abs() / 10, number.abs() % 10);
        if number < 0 {
            path.push('-');
        }
        if whole > 0 || tenth == 0 {
            path.push_str(&whole.to_string());
        }
        if tenth > 0 {
            path.push('.');
            path.push(char::from(b'0' + tenth.unsigned_abs() as u8));
        }
    }
}
