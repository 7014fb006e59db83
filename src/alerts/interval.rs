//! Time intervals, during which a route is muted or active (`alertmanager/timeinterval`).
//!
//! An interval holds at an instant where every kind of range it names holds: times of day, weekdays, days of the month
//! (negative ones count from its end), months, years; in its own time zone, UTC by default.

pub mod schedule;

use crate::document::fields::{Fields, Value};
use crate::model::timestamp::Timestamp;

/// A named list of intervals; it holds where any of them does.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedInterval {
    /// Its name, which routes refer to.
    pub name: String,
    /// The intervals.
    pub intervals: Vec<TimeInterval>,
}

/// One interval; `None` ranges are not asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeInterval {
    /// Minutes of the day, the end excluded.
    times: Option<Vec<(i16, i16)>>,
    /// 0 is Sunday.
    weekdays: Option<Vec<(i16, i16)>>,
    days_of_month: Option<Vec<(i16, i16)>>,
    months: Option<Vec<(i16, i16)>>,
    years: Option<Vec<(i16, i16)>>,
    zone: jiff::tz::TimeZone,
}

impl NamedInterval {
    /// Whether it holds at an instant.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.intervals.iter().any(|interval| interval.contains(now))
    }
}

impl TimeInterval {
    /// Whether it holds at an instant.
    pub fn contains(&self, now: Timestamp) -> bool {
        let Ok(instant) = jiff::Timestamp::from_millisecond(now.millis()) else {
            return false;
        };
        let local = instant.to_zoned(self.zone.clone());
        let holds = |ranges: &Option<Vec<(i16, i16)>>, value: i16| {
            ranges.as_ref().is_none_or(|ranges| {
                ranges
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&value))
            })
        };
        let minute = i16::from(local.hour()) * 60 + i16::from(local.minute());
        let in_times = self.times.as_ref().is_none_or(|ranges| {
            ranges
                .iter()
                .any(|(start, end)| (*start..*end).contains(&minute))
        });
        let days = i16::from(local.days_in_month());
        let in_days = self.days_of_month.as_ref().is_none_or(|ranges| {
            ranges.iter().any(|(first, last)| {
                let from_end = |day: i16| if day < 0 { days + day + 1 } else { day };
                let (first, last) = (from_end(*first), from_end(*last).min(days));
                (first..=last).contains(&i16::from(local.day()))
            })
        });
        in_times
            && in_days
            && holds(&self.months, i16::from(local.month()))
            && holds(
                &self.weekdays,
                i16::from(local.weekday().to_sunday_zero_offset()),
            )
            && holds(&self.years, local.year())
    }
}

/// Reads an entry of `time_intervals` or `mute_time_intervals`.
pub(super) fn read_named(value: &Value<'_>) -> Option<NamedInterval> {
    let fields = value.fields()?;
    let name = fields
        .required("name")
        .and_then(|name| name.text().map(str::to_owned));
    let intervals = fields
        .items("time_intervals")
        .iter()
        .filter_map(read_interval)
        .collect();
    fields.finish();
    let name = name?;
    if name.is_empty() {
        value.error(
            "time interval without a name",
            "give it a name that routes can refer to",
        );
        return None;
    }
    Some(NamedInterval { name, intervals })
}

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

fn read_interval(value: &Value<'_>) -> Option<TimeInterval> {
    let fields = value.fields()?;
    let times = fields.get("times").map(|value| {
        let items = value.items().unwrap_or_default();
        items.iter().filter_map(read_times).collect()
    });
    let weekday = |text: &str| position(&WEEKDAYS, text);
    let month = |text: &str| {
        position(&MONTHS, text)
            .map(|month| month + 1)
            .or_else(|| text.parse().ok())
    };
    let number = |text: &str| text.parse().ok();
    let interval = TimeInterval {
        times,
        weekdays: ranges(
            &fields,
            "weekdays",
            "write days such as monday or monday:friday",
            weekday,
            |first, last| first <= last,
        ),
        days_of_month: ranges(
            &fields,
            "days_of_month",
            "write days such as 1, 1:15 or -3:-1 (from 1 to 31, or counted back from -1)",
            number,
            valid_days,
        ),
        months: ranges(
            &fields,
            "months",
            "write months such as january:march or 1:3",
            month,
            |first, last| first <= last && (1..=12).contains(&first) && (1..=12).contains(&last),
        ),
        years: ranges(
            &fields,
            "years",
            "write years such as 2026 or 2026:2028",
            number,
            |first, last| first <= last,
        ),
        zone: fields
            .get("location")
            .and_then(|value| {
                value.parse(
                    "write a time zone such as Europe/Berlin, or UTC",
                    |text| match text {
                        "Local" => Ok(jiff::tz::TimeZone::system()),
                        "" => Ok(jiff::tz::TimeZone::UTC),
                        text => jiff::tz::TimeZone::get(text),
                    },
                )
            })
            .unwrap_or(jiff::tz::TimeZone::UTC),
    };
    fields.finish();
    Some(interval)
}

fn position(names: &[&str], text: &str) -> Option<i16> {
    let text = text.to_ascii_lowercase();
    let position = names.iter().position(|name| *name == text)?;
    i16::try_from(position).ok()
}

/// A range that could hold in some month: where signs differ, 28 days are assumed.
fn valid_days(first: i16, last: i16) -> bool {
    let in_month = |day: i16| day != 0 && (-31..=31).contains(&day);
    let from_start = |day: i16| if day < 0 { 28 + day } else { day };
    in_month(first)
        && in_month(last)
        && !(first < 0 && last > 0)
        && from_start(first) <= from_start(last)
}

fn ranges(
    fields: &Fields<'_>,
    key: &'static str,
    remedy: &str,
    member: impl Fn(&str) -> Option<i16>,
    valid: impl Fn(i16, i16) -> bool,
) -> Option<Vec<(i16, i16)>> {
    let items = fields.get(key)?.items()?;
    let range = |value: &Value<'_>| {
        let text = value.text()?;
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        let range = member(first)
            .zip(member(last))
            .filter(|(first, last)| valid(*first, *last));
        if range.is_none() {
            value.error(format!("not a valid range: {text:?}"), remedy);
        }
        range
    };
    Some(items.iter().filter_map(range).collect())
}

fn read_times(value: &Value<'_>) -> Option<(i16, i16)> {
    let fields = value.fields()?;
    let time = |key: &'static str| {
        let value = fields.required(key)?;
        value.parse("write a time of day such as 09:00, at most 24:00", minutes)
    };
    let (start, end) = (time("start_time"), time("end_time"));
    fields.finish();
    let (start, end) = start.zip(end)?;
    if start >= end {
        value.error(
            "start_time is not before end_time",
            "split a range over midnight in two, one up to 24:00 and one from 00:00",
        );
        return None;
    }
    Some((start, end))
}

fn minutes(text: &str) -> Result<i16, String> {
    let parse = || {
        let (hours, minutes) = text.split_once(':')?;
        let two = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok())?;
        let total = i16::from(two(hours)?) * 60 + i16::from(two(minutes).filter(|m| *m < 60)?);
        (total <= 24 * 60).then_some(total)
    };
    parse().ok_or_else(|| format!("not a time of day: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{diagnostics::Diagnostics, parse};

    fn read(text: &str) -> Result<NamedInterval, Vec<String>> {
        let diagnostics = Diagnostics::default();
        let text = format!(
            "name: t\ntime_intervals:\n- {}\n",
            text.replace('\n', "\n  ")
        );
        let document = parse("f.yml", &text, &diagnostics).unwrap();
        let interval = read_named(&document.value(&diagnostics));
        if diagnostics.is_empty() {
            return Ok(interval.unwrap());
        }
        Err(diagnostics
            .into_sorted()
            .iter()
            .map(ToString::to_string)
            .collect())
    }

    #[test]
    fn an_interval_holds_where_all_its_ranges_hold() {
        let check = |interval: &str, time: &str, want: bool| {
            let interval = read(interval).unwrap();
            let now = Timestamp::parse_rfc3339(time).unwrap();
            assert_eq!(interval.contains(now), want, "{interval:?} at {time}");
        };
        let office =
            "times: [{start_time: '09:00', end_time: '17:00'}]\nweekdays: ['monday:friday']";
        check(office, "2026-11-20T09:00:00Z", true);
        check(office, "2026-11-20T16:59:59Z", true);
        check(office, "2026-11-20T17:00:00Z", false);
        check(office, "2026-11-21T12:00:00Z", false);
        check("weekdays: [Sunday]", "2026-11-22T12:00:00Z", true);
        check(
            "location: Europe/Berlin\nweekdays: [saturday]",
            "2026-11-20T23:30:00Z",
            true,
        );
        check("days_of_month: ['-3:-1']", "2026-02-26T00:00:00Z", true);
        check("days_of_month: ['-3:-1']", "2026-02-25T00:00:00Z", false);
        check("days_of_month: ['30:31']", "2026-02-28T00:00:00Z", false);
        check("days_of_month: ['27:31']", "2026-02-28T00:00:00Z", true);
        check("months: ['may:august', '12']", "2026-12-01T00:00:00Z", true);
        check(
            "months: ['may:august', '12']",
            "2026-11-01T00:00:00Z",
            false,
        );
        check("years: ['2025:2026']", "2026-11-01T00:00:00Z", true);
        check("years: ['2025']", "2026-11-01T00:00:00Z", false);
        check(
            "times: [{start_time: '00:00', end_time: '24:00'}]",
            "2026-11-01T23:59:59Z",
            true,
        );
    }

    #[test]
    fn impossible_ranges_are_refused() {
        for text in [
            "weekdays: ['friday:monday']",
            "weekdays: [funday]",
            "days_of_month: ['0']",
            "days_of_month: ['-1:5']",
            "days_of_month: ['20:10']",
            "days_of_month: ['32']",
            "months: ['march:january']",
            "months: ['13']",
            "years: [soon]",
            "times: [{start_time: '17:00', end_time: '09:00'}]",
            "times: [{start_time: '9:00', end_time: '10:00'}]",
            "times: [{start_time: '09:00'}]",
            "times: [{start_time: '09:00', end_time: '24:01'}]",
            "location: Nowhere/Land",
            "colour: red",
        ] {
            let problems = read(text).expect_err(text);
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        }
    }
}
