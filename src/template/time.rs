//! Go's `time` for template values: layouts, the texts of instants and durations, and their methods.
//!
//! <https://pkg.go.dev/time#pkg-constants>. Layouts are formatted only, never parsed.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::value::Value;

const SECOND: i64 = 1_000_000_000;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// An instant as Go prints it, and so as `{{ .StartsAt }}` does.
pub(super) fn text(time: &Zoned) -> String {
    format(time, "2006-01-02 15:04:05.999999999 -0700 MST")
}

/// An instant as `encoding/json` writes it.
pub(super) fn rfc3339(time: &Zoned) -> String {
    format(time, "2006-01-02T15:04:05.999999999Z07:00")
}

/// The layout's elements, the longer ones first where one begins another.
const ELEMENTS: [&str; 33] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z070000",
    "Z07:00",
    "Z0700",
    "Z07",
    "__2",
    "_2006",
    "_2",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "PM",
    "pm",
    "1",
    "2",
    "3",
    "4",
];

/// `time.Time.Format`.
pub(super) fn format(time: &Zoned, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        let element = ELEMENTS.iter().chain(&["5"]).find(|element| {
            // "Jan" and "Mon" must not be the beginning of another word.
            rest.starts_with(**element)
                && !(matches!(**element, "Jan" | "Mon")
                    && rest[3..].starts_with(|c: char| c.is_ascii_lowercase()))
        });
        if let Some(element) = element {
            put(&mut out, time, element);
            rest = &rest[element.len()..];
        } else if let Some((fraction, length)) = fraction(time, rest) {
            out.push_str(&fraction);
            rest = &rest[length..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// `.000` (as many digits as zeros) or `.999` (trailing zeros dropped), also with a comma.
fn fraction(time: &Zoned, rest: &str) -> Option<(String, usize)> {
    let separator = rest.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digit = rest.chars().nth(1).filter(|c| matches!(c, '0' | '9'))?;
    let count = rest[1..].chars().take_while(|c| *c == digit).count();
    if rest[1 + count..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{:09}", time.subsec_nanosecond());
    let mut digits: String = nanos
        .chars()
        .chain(std::iter::repeat('0'))
        .take(count)
        .collect();
    if digit == '9' {
        digits.truncate(digits.trim_end_matches('0').len());
    }
    let text = if digits.is_empty() {
        String::new()
    } else {
        format!("{separator}{digits}")
    };
    Some((text, 1 + count))
}

fn put(out: &mut String, time: &Zoned, element: &str) {
    let month = MONTHS[usize::try_from(time.month() - 1).unwrap_or(0)];
    let day = DAYS[usize::try_from(time.weekday().to_monday_zero_offset()).unwrap_or(0)];
    let hour = time.hour();
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let text = match element {
        "January" => month.to_string(),
        "Jan" => month[..3].to_string(),
        "Monday" => day.to_string(),
        "Mon" => day[..3].to_string(),
        "MST" => zone_name(time),
        "2006" => format!("{:04}", time.year()),
        "_2006" => format!("_{:04}", time.year()),
        "06" => format!("{:02}", time.year().rem_euclid(100)),
        "01" => format!("{:02}", time.month()),
        "1" => time.month().to_string(),
        "02" => format!("{:02}", time.day()),
        "_2" => format!("{:2}", time.day()),
        "2" => time.day().to_string(),
        "002" => format!("{:03}", time.day_of_year()),
        "__2" => format!("{:3}", time.day_of_year()),
        "15" => format!("{hour:02}"),
        "03" => format!("{twelve:02}"),
        "3" => twelve.to_string(),
        "04" => format!("{:02}", time.minute()),
        "4" => time.minute().to_string(),
        "05" => format!("{:02}", time.second()),
        "5" => time.second().to_string(),
        "PM" => if hour < 12 { "AM" } else { "PM" }.to_string(),
        "pm" => if hour < 12 { "am" } else { "pm" }.to_string(),
        zone => offset(time, zone),
    };
    out.push_str(&text);
}

fn zone_name(time: &Zoned) -> String {
    if *time.time_zone() == TimeZone::UTC {
        return "UTC".to_string();
    }
    let name = time.strftime("%Z").to_string();
    // Zones without letters are named by their offset.
    if name.starts_with(['+', '-']) {
        name.replace(':', "")
    } else {
        name
    }
}

fn offset(time: &Zoned, element: &str) -> String {
    let seconds = time.offset().seconds();
    if element.starts_with('Z') && seconds == 0 {
        return "Z".to_string();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let size = seconds.unsigned_abs();
    let (hours, minutes, rest) = (size / 3600, size / 60 % 60, size % 60);
    match &element[1..] {
        "07" => format!("{sign}{hours:02}"),
        "0700" => format!("{sign}{hours:02}{minutes:02}"),
        "07:00" => format!("{sign}{hours:02}:{minutes:02}"),
        "070000" => format!("{sign}{hours:02}{minutes:02}{rest:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{rest:02}"),
    }
}

/// `time.Duration.String`: `1h2m3.5s`, `1.5ms`, `0s`.
pub(super) fn duration_text(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let size = nanos.unsigned_abs();
    let decimal = |size: u64, unit: u64, name: &str| {
        let fraction = format!("{:0width$}", size % unit, width = unit.ilog10() as usize);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{}{point}{fraction}{name}", size / unit)
    };
    let second = SECOND.unsigned_abs();
    let text = match size {
        0 => "0s".to_string(),
        1..1_000 => format!("{size}ns"),
        1_000..1_000_000 => decimal(size, 1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(size, 1_000_000, "ms"),
        _ => {
            let minutes = size / second / 60;
            let seconds = decimal(size % (60 * second), second, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
}

/// Nanoseconds from one instant to another, held to what an `i64` holds, as Go does.
pub(super) fn between(from: Timestamp, to: Timestamp) -> i64 {
    let nanos = to.as_nanosecond() - from.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// The methods of `time.Time`.
pub(super) fn time_method(
    time: &Zoned,
    name: &str,
    args: &[Value],
) -> Option<Result<Value, String>> {
    let int = |value: i64| Ok(Value::Int(value));
    let value = match (name, args) {
        ("Format", [Value::String(layout)]) => Ok(format(time, layout).into()),
        ("String", []) => Ok(text(time).into()),
        ("Unix", []) => int(time.timestamp().as_second()),
        ("UnixMilli", []) => int(time.timestamp().as_millisecond()),
        ("UnixNano", []) => int(i64::try_from(time.timestamp().as_nanosecond()).unwrap_or(0)),
        ("UTC" | "Local", []) => Ok(time.with_time_zone(TimeZone::UTC).into()),
        ("Year", []) => int(time.year().into()),
        // Months and weekdays are texts: templates only ever print or compare them by name.
        ("Month", []) => Ok(MONTHS[usize::try_from(time.month() - 1).unwrap_or(0)].into()),
        ("Weekday", []) => Ok(format(time, "Monday").into()),
        ("Day", []) => int(time.day().into()),
        ("YearDay", []) => int(time.day_of_year().into()),
        ("Hour", []) => int(time.hour().into()),
        ("Minute", []) => int(time.minute().into()),
        ("Second", []) => int(time.second().into()),
        ("Nanosecond", []) => int(time.subsec_nanosecond().into()),
        ("IsZero", []) => Ok((time.timestamp().as_second() == -62_135_596_800).into()),
        ("Sub", [Value::Time(other)]) => Ok(Value::Duration(between(
            other.timestamp(),
            time.timestamp(),
        ))),
        ("Add", [Value::Duration(nanos)]) => time
            .checked_add(SignedDuration::from_nanos(*nanos))
            .map(Value::from)
            .map_err(|error| error.to_string()),
        ("Before", [Value::Time(other)]) => Ok((time.timestamp() < other.timestamp()).into()),
        ("After", [Value::Time(other)]) => Ok((time.timestamp() > other.timestamp()).into()),
        ("Equal", [Value::Time(other)]) => Ok((time.timestamp() == other.timestamp()).into()),
        _ => return None,
    };
    Some(value)
}

/// The methods of `time.Duration`.
pub(super) fn duration_method(
    nanos: i64,
    name: &str,
    args: &[Value],
) -> Option<Result<Value, String>> {
    let float = nanos as f64;
    let value = match (name, args) {
        ("String", []) => duration_text(nanos).into(),
        ("Nanoseconds", []) => nanos.into(),
        ("Microseconds", []) => (nanos / 1_000).into(),
        ("Milliseconds", []) => (nanos / 1_000_000).into(),
        ("Seconds", []) => (float / 1e9).into(),
        ("Minutes", []) => (float / 60e9).into(),
        ("Hours", []) => (float / 3600e9).into(),
        ("Abs", []) => Value::Duration(nanos.saturating_abs()),
        ("Truncate", [Value::Duration(unit)]) if *unit > 0 => Value::Duration(nanos - nanos % unit),
        ("Round", [Value::Duration(unit)]) if *unit > 0 => {
            let rest = nanos % unit;
            let up = rest.unsigned_abs() >= unit.unsigned_abs() - rest.unsigned_abs();
            let rounded = nanos - rest + if up { unit * rest.signum() } else { 0 };
            Value::Duration(rounded)
        }
        ("Truncate" | "Round", [Value::Duration(_)]) => Value::Duration(nanos),
        _ => return None,
    };
    Some(Ok(value))
}

/// Seconds since 1970 as an instant in UTC with millisecond precision, as Prometheus keeps it.
pub(super) fn from_seconds(seconds: f64) -> Result<Zoned, String> {
    let nanos = seconds * 1e9;
    if !(i64::MIN as f64..=i64::MAX as f64).contains(&nanos) {
        let shown = Value::Float(seconds);
        return Err(format!(
            "{shown} cannot be represented as a nanoseconds timestamp since it overflows int64"
        ));
    }
    let millis = (nanos as i64) / 1_000_000;
    Timestamp::from_millisecond(millis)
        .map(|time| time.to_zoned(TimeZone::UTC))
        .map_err(|error| error.to_string())
}

/// A duration in Prometheus's notation (`1h30m`, `2w`, `0`) in nanoseconds.
///
/// <https://prometheus.io/docs/prometheus/latest/configuration/configuration/#configuration-file>
pub(super) fn parse_duration(text: &str) -> Result<i64, String> {
    const UNITS: [(&str, i64); 7] = [
        ("y", 365 * 24 * 3600 * SECOND),
        ("w", 7 * 24 * 3600 * SECOND),
        ("d", 24 * 3600 * SECOND),
        ("h", 3600 * SECOND),
        ("m", 60 * SECOND),
        ("s", SECOND),
        ("ms", SECOND / 1000),
    ];
    let invalid = || format!("not a valid duration string: {}", format_quoted(text));
    match text {
        "" => return Err("empty duration string".to_string()),
        "0" => return Ok(0),
        _ => {}
    }
    let mut rest = text;
    let mut total: i64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let count: i64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let name = rest.len()
            - rest
                .trim_start_matches(|c: char| c.is_ascii_lowercase())
                .len();
        // Each unit at most once, the longest first.
        let (_, unit) = units
            .find(|(unit, _)| *unit == &rest[..name])
            .ok_or_else(invalid)?;
        total = count
            .checked_mul(*unit)
            .and_then(|part| total.checked_add(part))
            .ok_or("duration out of range")?;
        rest = &rest[name..];
    }
    Ok(total)
}

fn format_quoted(text: &str) -> String {
    super::format::quote(text, false)
}
