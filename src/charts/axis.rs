//! Axes: where the ticks are and what is written at them.

use jiff::tz::TimeZone;

use super::unit::Unit;
use crate::model::timestamp::Timestamp;

/// The axis of values.
#[derive(Clone, PartialEq, Debug)]
pub struct Values {
    /// The lower edge.
    pub low: f64,
    /// The upper edge; above `low`.
    pub high: f64,
    /// Where ticks are, from low to high, and what is written there.
    pub ticks: Vec<(f64, String)>,
}

impl Values {
    /// An axis for values of this extent with about so many ticks.
    pub fn over(extent: Option<(f64, f64)>, unit: Unit, count: usize) -> Self {
        let (low, high) = spread(extent.unwrap_or((0.0, 1.0)), unit);
        let intervals = count.clamp(2, 20) as f64;
        let step = unit.nice_step((high - low) / intervals);
        let first = (low / step).floor();
        let last = (high / step).ceil();
        // The nice steps are at least as wide as asked for, so there are never many.
        let steps = ((last - first).clamp(1.0, 64.0)) as usize;
        let ticks: Vec<f64> = (0..=steps)
            .map(|index| (first + index as f64) * step)
            .collect();
        let labels = unit.ticks(&ticks, step);
        Self {
            low: ticks[0],
            high: ticks[steps],
            ticks: ticks.into_iter().zip(labels).collect(),
        }
    }

    /// How far up a value stands, 0 at the lower edge, 1 at the upper.
    pub fn share(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// Room around the values, down to zero where that is not far.
fn spread((low, high): (f64, f64), unit: Unit) -> (f64, f64) {
    let size = low.abs().max(high.abs());
    if size < 1e-290 {
        return (0.0, 1.0);
    }
    let range = high - low;
    if range < size * 1e-9 {
        // A constant: zero below it says how large it is.
        return if low > 0.0 {
            (0.0, high * 1.25)
        } else {
            (low * 1.25, 0.0)
        };
    }
    let share = unit == Unit::Ratio || unit == Unit::Percent;
    let all = if unit == Unit::Ratio { 1.0 } else { 100.0 };
    let low = if low >= 0.0 && low < range * 1.5 {
        0.0
    } else {
        low - range * 0.05
    };
    let high = if high <= 0.0 && -high < range * 1.5 {
        0.0
    } else if share && high <= all && high > all * 0.9 {
        all
    } else {
        high + range * 0.05
    };
    (low, high)
}

/// A tick of the time axis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TimeTick {
    /// Where.
    pub at: Timestamp,
    /// What is written: a time, or a date where a day begins.
    pub label: String,
    /// Whether it is a date among times.
    pub is_date: bool,
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Steps of the time axis, in milliseconds.
const STEPS: [i64; 26] = [
    1,
    5,
    50,
    200,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    30 * DAY,
    365 * DAY,
];

/// Ticks of the time axis (UTC), at most so many.
pub fn times(start: Timestamp, end: Timestamp, most: usize) -> Vec<TimeTick> {
    let (start, end) = (start.millis(), end.millis());
    let Some(span) = end.checked_sub(start).filter(|span| *span > 0) else {
        return Vec::new();
    };
    let most = i64::try_from(most.clamp(1, 50)).unwrap_or(1);
    let fitting = STEPS.into_iter().find(|step| span / step <= most);
    let step = fitting.unwrap_or(span / most);
    // Saturated at the ends of time, where no tick is needed.
    let first = start.div_euclid(step).saturating_mul(step);
    (0..=most + 1)
        .filter_map(|index| first.checked_add(index.checked_mul(step)?))
        .filter(|at| (start..=end).contains(at))
        .map(|at| {
            let is_date = at.rem_euclid(DAY) == 0 && step < DAY;
            TimeTick {
                at: Timestamp::from_millis(at),
                label: label(at, step),
                is_date,
            }
        })
        .collect()
}

fn label(at: i64, step: i64) -> String {
    let form = if step >= 360 * DAY {
        "%Y"
    } else if at.rem_euclid(DAY) == 0 {
        "%b %-d"
    } else if step >= MINUTE {
        "%H:%M"
    } else if step >= SECOND {
        "%H:%M:%S"
    } else {
        "%H:%M:%S%.3f"
    };
    written(at, form)
}

/// The day, or the days, that a chart covers: `2026-11-20 UTC`.
pub fn days(start: Timestamp, end: Timestamp) -> String {
    let first = written(start.millis(), "%Y-%m-%d");
    let last = written(end.millis(), "%Y-%m-%d");
    if first == last {
        format!("{first} UTC")
    } else {
        format!("{first} to {last} UTC")
    }
}

/// A time by itself: `2026-11-20 06:55:00 UTC`.
pub fn moment(at: Timestamp) -> String {
    written(at.millis(), "%Y-%m-%d %H:%M:%S UTC")
}

fn written(at: i64, form: &str) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(
        |_| format!("{at}ms"),
        |time| time.to_zoned(TimeZone::UTC).strftime(form).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_values_are_nice_and_hold_the_values() {
        let check = |extent: (f64, f64), unit: Unit, want: &[&str]| {
            let axis = Values::over(Some(extent), unit, 5);
            let labels: Vec<&str> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
            assert_eq!(labels, want, "{extent:?} {unit:?}");
        };
        check(
            (0.0, 1.0),
            Unit::Ratio,
            &["0", "20%", "40%", "60%", "80%", "100%"],
        );
        check(
            (0.01, 0.043),
            Unit::Ratio,
            &["0", "1%", "2%", "3%", "4%", "5%"],
        );
        check(
            (1.0, 1.0),
            Unit::Plain,
            &["0", "0.25", "0.50", "0.75", "1.00", "1.25"],
        );
        check(
            (0.0, 0.0),
            Unit::Plain,
            &["0", "0.2", "0.4", "0.6", "0.8", "1.0"],
        );
        check((-3.0, -3.0), Unit::Plain, &["-4", "-3", "-2", "-1", "0"]);
        check((0.2, 2.4), Unit::Seconds, &["0", "1 s", "2 s", "3 s"]);
    }

    #[test]
    fn any_extent_gives_a_finite_axis() {
        for (low, high) in [
            (-1e300, 1e300),
            (5e-324, 5e-324),
            (0.0, 5e-324),
            (-1e-310, 1e-310),
            (1e15, 1e15 + 0.125),
            (f64::MIN_POSITIVE, 1.0),
            (-1e300, -1e300),
        ] {
            for unit in [Unit::Plain, Unit::Seconds, Unit::Bytes, Unit::Ratio] {
                let axis = Values::over(Some((low, high)), unit, 5);
                assert!(
                    axis.high > axis.low && axis.high.is_finite() && axis.low.is_finite(),
                    "{low} {high} {unit:?} {axis:?}"
                );
                assert!(axis.ticks.len() <= 65);
                assert!(axis.share(low).is_finite() && axis.share(high).is_finite());
            }
        }
    }

    #[test]
    fn the_time_axis_has_the_granularity_of_its_span() {
        let check = |start: &str, end: &str, want: &[&str]| {
            let time = |text| Timestamp::parse_rfc3339(text).unwrap();
            let ticks = times(time(start), time(end), 6);
            let labels: Vec<&str> = ticks.iter().map(|tick| tick.label.as_str()).collect();
            assert_eq!(labels, want, "{start} {end}");
        };
        check(
            "2026-11-20T10:02:00Z",
            "2026-11-20T11:02:00Z",
            &["10:10", "10:20", "10:30", "10:40", "10:50", "11:00"],
        );
        check(
            "2026-11-19T20:00:00Z",
            "2026-11-20T08:00:00Z",
            &[
                "20:00", "22:00", "Nov 20", "02:00", "04:00", "06:00", "08:00",
            ],
        );
        check(
            "2026-11-20T10:00:01Z",
            "2026-11-20T10:00:58Z",
            &["10:00:10", "10:00:20", "10:00:30", "10:00:40", "10:00:50"],
        );
        check("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z", &[]);
    }
}
