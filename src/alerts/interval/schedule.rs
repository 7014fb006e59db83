//! When a list of time intervals holds: the spans of time, instead of yes or no at an instant.
//!
//! Time is cut into slots of 28 days, so that every span has an end and the same beginning whenever it is asked for; one
//! that reaches over the border of two slots is two.

use std::collections::BTreeSet;

use super::{TimeInterval, read_interval};
use crate::document;
use crate::document::diagnostics::Diagnostics;
use crate::model::timestamp::Timestamp;

const DAY_MS: i64 = 24 * 3600 * 1000;
const SLOT_MS: i64 = 28 * DAY_MS;
/// How far is looked for the next span: some five years.
const SLOTS_AHEAD: i64 = 66;
/// The most intervals of one schedule.
const MOST_INTERVALS: usize = 50;
/// The longest text of one schedule, in bytes.
const LONGEST: usize = 16 << 10;

/// Time intervals; it holds where any of them does.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    intervals: Vec<TimeInterval>,
}

/// A span of time in which a schedule holds: its beginning, and its end, which is not part of it.
pub type Span = (Timestamp, Timestamp);

impl Schedule {
    /// Reads a list in the form of `time_intervals` of an `alertmanager.yml`, as JSON or YAML.
    ///
    /// # Errors
    /// Every mistake, in one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("the schedule is longer than {LONGEST} bytes"));
        }
        let diagnostics = Diagnostics::default();
        let intervals: Option<Vec<TimeInterval>> = document::parse("schedule", text, &diagnostics)
            .and_then(|document| {
                let items = document.value(&diagnostics).items()?;
                Some(items.iter().filter_map(read_interval).collect())
            });
        let mistakes: Vec<String> = diagnostics
            .into_sorted()
            .iter()
            .map(|mistake| {
                let path = match mistake.path.as_str() {
                    "" => "schedule",
                    path => path,
                };
                let remedy = mistake.remedy.as_deref().unwrap_or("correct it");
                format!("{path}: {}; {remedy}", mistake.message)
            })
            .collect();
        if !mistakes.is_empty() {
            return Err(mistakes.join("; "));
        }
        match intervals {
            Some(intervals) if intervals.len() > MOST_INTERVALS => Err(format!(
                "more than {MOST_INTERVALS} intervals; part them over several silences"
            )),
            Some(intervals) if !intervals.is_empty() => Ok(Self { intervals }),
            _ => Err("no interval; write a list such as [{\"weekdays\": [\"sunday\"]}]".to_owned()),
        }
    }

    /// Whether it holds at an instant.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.intervals.iter().any(|interval| interval.contains(now))
    }

    /// The span that holds at an instant.
    pub fn span_at(&self, now: Timestamp) -> Option<Span> {
        let spans = self.spans_of_slot(now.millis().div_euclid(SLOT_MS));
        spans
            .into_iter()
            .find(|(start, end)| *start <= now && now < *end)
    }

    /// The first spans that end after an instant, at most `count`, within some five years.
    pub fn upcoming(&self, now: Timestamp, count: usize) -> Vec<Span> {
        let first = now.millis().div_euclid(SLOT_MS);
        (first..first + SLOTS_AHEAD)
            .flat_map(|slot| self.spans_of_slot(slot))
            .filter(|(_, end)| *end > now)
            .take(count)
            .collect()
    }

    fn spans_of_slot(&self, slot: i64) -> Vec<Span> {
        let (from, to) = (slot * SLOT_MS, (slot + 1) * SLOT_MS);
        let mut spans = Vec::new();
        let mut start = None;
        for edge in self.edges(from, to) {
            let at = Timestamp::from_millis(edge);
            match (start, self.contains(at)) {
                (None, true) => start = Some(at),
                (Some(began), false) => {
                    spans.push((began, at));
                    start = None;
                }
                (None, false) | (Some(_), true) => {}
            }
        }
        spans.extend(start.map(|began| (began, Timestamp::from_millis(to))));
        spans
    }

    /// Every instant of `from..to` at which it may begin or end to hold, and `from` itself.
    fn edges(&self, from: i64, to: i64) -> BTreeSet<i64> {
        let mut edges = BTreeSet::from([from]);
        let instant = |millis| jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
        for interval in &self.intervals {
            let zone = &interval.zone;
            let mut minutes = BTreeSet::from([0]);
            for (start, end) in interval.times.iter().flatten() {
                minutes.extend(
                    [*start, *end]
                        .into_iter()
                        .filter(|minute| *minute < 24 * 60),
                );
            }
            let mut date = zone.to_datetime(instant(from - DAY_MS)).date();
            let last = zone.to_datetime(instant(to)).date();
            while date <= last {
                for minute in &minutes {
                    let hour = i8::try_from(minute / 60).unwrap_or(0);
                    let minute = i8::try_from(minute % 60).unwrap_or(0);
                    let local = zone.to_ambiguous_timestamp(date.at(hour, minute, 0, 0));
                    // Where clocks are turned back a local time comes twice.
                    for at in [local.earlier(), local.later()].into_iter().flatten() {
                        edges.insert(at.as_millisecond());
                    }
                }
                let Ok(next) = date.tomorrow() else { break };
                date = next;
            }
            let turns = zone.following(instant(from));
            edges.extend(
                turns
                    .map(|turn| turn.timestamp().as_millisecond())
                    .take_while(|at| *at < to),
            );
        }
        edges.retain(|at| (from..to).contains(at));
        edges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn upcoming(schedule: &str, now: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(schedule).unwrap();
        let spans = schedule.upcoming(at(now), count);
        for (start, end) in &spans {
            assert!(
                schedule.contains(*start) && !schedule.contains(*end),
                "{start} {end}"
            );
            assert_eq!(schedule.span_at(*start), Some((*start, *end)));
        }
        let show =
            |(start, end): &Span| format!("{:.16}/{:.16}", start.to_string(), end.to_string());
        spans.iter().map(show).collect()
    }

    #[test]
    fn spans_follow_the_schedule_and_the_clocks_of_its_zone() {
        let office = r#"[{"weekdays":["monday:friday"],"times":[{"start_time":"02:00","end_time":"04:00"}]}]"#;
        assert_eq!(
            upcoming(office, "2026-11-20T03:00:00Z", 2),
            [
                "2026-11-20T02:00/2026-11-20T04:00",
                "2026-11-23T02:00/2026-11-23T04:00"
            ]
        );
        let weekend = r#"[{"weekdays":["saturday","sunday"],"location":"Europe/Berlin"}]"#;
        assert_eq!(
            upcoming(weekend, "2026-11-20T03:00:00Z", 1),
            ["2026-11-20T23:00/2026-11-22T23:00"]
        );
        let last_day = r#"[{"days_of_month":["-1"],"months":["february"]}]"#;
        assert_eq!(
            upcoming(last_day, "2026-11-20T03:00:00Z", 2),
            [
                "2027-02-28T00:00/2027-03-01T00:00",
                "2028-02-29T00:00/2028-03-01T00:00"
            ]
        );
        // Clocks turn back at 03:00 local time: from 02:00 to 03:00 comes twice.
        let night =
            r#"[{"times":[{"start_time":"02:00","end_time":"03:00"}],"location":"Europe/Berlin"}]"#;
        assert_eq!(
            upcoming(night, "2026-10-24T12:00:00Z", 2),
            [
                "2026-10-25T00:00/2026-10-25T02:00",
                "2026-10-26T01:00/2026-10-26T02:00"
            ]
        );
        // And forward from 02:00 to 03:00: there it does not come at all.
        assert_eq!(
            upcoming(night, "2027-03-27T12:00:00Z", 1),
            ["2027-03-29T00:00/2027-03-29T01:00"]
        );
        // Two intervals that touch are one span.
        let over_midnight = r#"[{"times":[{"start_time":"22:00","end_time":"24:00"}]},{"times":[{"start_time":"00:00","end_time":"02:00"}]}]"#;
        assert_eq!(
            upcoming(over_midnight, "2026-11-20T12:00:00Z", 1),
            ["2026-11-20T22:00/2026-11-21T02:00"]
        );
        assert_eq!(
            upcoming(r#"[{"years":["2020"]}]"#, "2026-11-20T12:00:00Z", 1),
            [""; 0]
        );
    }

    #[test]
    fn what_always_holds_is_cut_into_spans() {
        let always = Schedule::parse("[{}]").unwrap();
        let now = at("2026-11-20T12:00:00Z");
        let (start, end) = always.span_at(now).unwrap();
        assert_eq!(end.millis() - start.millis(), SLOT_MS);
        assert_eq!(always.upcoming(now, 2)[1].0, end);
    }

    #[test]
    fn mistakes_are_told() {
        for (text, want) in [
            ("", "no interval"),
            ("[]", "no interval"),
            ("{}", "list"),
            (
                r#"[{"weekdays":["funday"]}]"#,
                "not a valid range: \"funday\"",
            ),
            (r#"[{"wekdays":["monday"]}]"#, "wekdays"),
            ("[", "schedule"),
        ] {
            let error = Schedule::parse(text).expect_err(text);
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
