//! Times in bodies: RFC 3339, and what else go-openapi reads.

use serde::{Deserialize, Deserializer, de::Error};

use crate::model::timestamp::Timestamp;

/// Go's zero time, the year 1: no time at all.
const ZERO: Timestamp = Timestamp::from_millis(-62_135_596_800_000);
/// The last hours of the year 9999, which people write for "always", are beyond what is computed with.
const LAST: Timestamp = Timestamp::from_millis(253_402_200_000_000);

/// A time in a body; `None` where it is Go's zero time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Option<Timestamp>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map_err(D::Error::custom)
    }
}

fn parse(text: &str) -> Result<Time, String> {
    if text.is_empty() {
        return Ok(Time(Some(Timestamp::from_millis(0))));
    }
    let read = Timestamp::parse_rfc3339(text)
        .or_else(|error| Timestamp::parse_rfc3339(&format!("{text}Z")).map_err(|_| error))
        .or_else(|error| match text.starts_with("9999-12-") {
            true => Ok(LAST),
            false => Err(error),
        });
    match read {
        Ok(time) if time == ZERO => Ok(Time(None)),
        Ok(time) => Ok(Time(Some(time))),
        Err(_) => Err(format!(
            "{text:?} is no time; write RFC 3339, such as 2026-11-20T06:55:00Z"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_openapi_reads_them() {
        let check = |text: &str, want: Option<i64>| {
            let read = parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(read.0.map(Timestamp::millis), want, "{text}");
        };
        check("2023-11-14T22:13:20.123456789Z", Some(1_700_000_000_123));
        check("2023-11-14T23:13:20.123+01:00", Some(1_700_000_000_123));
        check("2023-11-14T22:13:20", Some(1_700_000_000_000));
        check("2023-11-14 22:13:20", Some(1_700_000_000_000));
        check("0001-01-01T00:00:00Z", None);
        check("0001-01-01T00:00:00.000Z", None);
        check("", Some(0));
        check("9999-12-31T23:59:59Z", Some(LAST.millis()));
        for text in ["nope", "2023-13-01T00:00:00Z", "12"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
