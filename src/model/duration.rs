//! Prometheus's duration text: `1h30m`, `5m`, `250ms`, `0`.
//!
//! Units from years to milliseconds, each at most once and in falling order; a year is 365 days, a week 7 days
//! (`prometheus/common/model`, `ParseDuration`). Negative durations exist only inside PromQL and are read there.

use std::fmt::Write;
use std::time::Duration;

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3600 * 1000),
    ("w", 7 * 24 * 3600 * 1000),
    ("d", 24 * 3600 * 1000),
    ("h", 3600 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// What 64 bits hold of nanoseconds, as upstream: a time so long from now is still a date.
const LONGEST_MILLIS: u64 = i64::MAX.cast_unsigned() / 1_000_000;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not written as one.
    #[error(
        "not a valid duration: {0:?}; write a number and a unit, such as 30s, 5m or 1h30m (units y w d h m s ms)"
    )]
    Syntax(String),
    /// It is longer than 2^63 nanoseconds.
    #[error("duration out of range: {0:?}; write at most 292y")]
    OutOfRange(String),
}

/// Reads a duration.
///
/// # Errors
/// Where the text is empty, has an unknown unit, units out of order or a value past 2^63 nanoseconds, some 292 years.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let shown = || text.chars().take(64).collect();
    match parse_millis(text) {
        Some(millis) if millis <= LONGEST_MILLIS => Ok(Duration::from_millis(millis)),
        Some(_) => Err(DurationError::OutOfRange(shown())),
        None => Err(DurationError::Syntax(shown())),
    }
}

/// Milliseconds, at most the highest number.
fn parse_millis(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut next_unit = 0;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        let amount: u64 = rest[..digits].parse().unwrap_or(u64::MAX);
        let letters = rest[digits..]
            .bytes()
            .take_while(u8::is_ascii_alphabetic)
            .count();
        let unit = &rest[digits..digits + letters];
        let position = UNITS.iter().position(|(name, _)| *name == unit)?;
        if position < next_unit {
            return None;
        }
        next_unit = position + 1;
        total = total.saturating_add(amount.saturating_mul(UNITS[position].1));
        rest = &rest[digits + letters..];
    }
    Some(total)
}

/// Writes a duration the way Prometheus does: the largest units that divide it, `0s` for zero.
pub fn format(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, size) in UNITS {
        // Years, weeks and days are written only where nothing is left over, as Prometheus does for exactness.
        let exact_only = matches!(unit, "y" | "w" | "d");
        if exact_only && !millis.is_multiple_of(size) {
            if unit != "d" {
                continue;
            }
        } else if exact_only && unit != "d" && millis.is_multiple_of(size) {
            write!(out, "{}{unit}", millis / size).expect("writing to a string cannot fail");
            return out;
        }
        if millis >= size {
            write!(out, "{}{unit}", millis / size).expect("writing to a string cannot fail");
            millis %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_as_prometheus_does() {
        let check = |text: &str, millis: u64, printed: &str| {
            let duration = parse(text).expect(text);
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(format(duration), printed, "{text}");
        };
        check("0", 0, "0s");
        check("0s", 0, "0s");
        check("324ms", 324, "324ms");
        check("3s", 3000, "3s");
        check("5m", 300_000, "5m");
        check("1h", 3_600_000, "1h");
        check("4d", 345_600_000, "4d");
        check("4d1h", 349_200_000, "4d1h");
        check("14d", 1_209_600_000, "2w");
        check("3w", 1_814_400_000, "3w");
        check("10y", 315_360_000_000, "10y");
        check("1h30m", 5_400_000, "1h30m");
        check("292y", 9_208_512_000_000, "292y");
        check("8w2d", 5_011_200_000, "58d");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "1",
            "1y1m1d",
            "-1w",
            "1.5d",
            "d",
            "294000000000y",
            "293y",
            "99999999y",
            "1m1m",
            "5 m",
            "5min",
            "1h 5m",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
