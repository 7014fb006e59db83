//! JSON and times byte for byte as Go's encoders write them, since receivers of Alertmanager's payload compare, hash and
//! sign it.

use serde::Serialize;
use serde::ser::Serializer;

use crate::model::timestamp::Timestamp;

/// Go's zero time: the `endsAt` of an alert that is firing.
pub const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// A time as Go's `time.RFC3339Nano` writes it: no trailing zeros in the fraction, no fraction of zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GoTime(pub Option<Timestamp>);

impl GoTime {
    /// The text; [`ZERO_TIME`] for no time.
    pub fn text(self) -> String {
        let Some(time) = self.0 else {
            return ZERO_TIME.to_owned();
        };
        let text = time.to_rfc3339();
        match text.strip_suffix('Z').and_then(|text| text.split_once('.')) {
            Some((seconds, fraction)) => match fraction.trim_end_matches('0') {
                "" => format!("{seconds}Z"),
                fraction => format!("{seconds}.{fraction}Z"),
            },
            None => text,
        }
    }
}

impl Serialize for GoTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

/// The bytes of Go's `json.Encoder`: HTML characters and the two line separators escaped, a line feed at the end.
///
/// # Errors
/// Where a value cannot be JSON, such as a map with keys that are no text.
pub fn encode(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = serde_json::to_vec(value)?;
    // The first byte of each of the five; they stand inside strings only, so that replacing them everywhere is safe.
    let found = |text: &[u8]| text.iter().position(|byte| b"<>&\xe2".contains(byte));
    let Some(first) = found(&text) else {
        text.push(b'\n');
        // It is held until the receiver has answered.
        text.shrink_to_fit();
        return Ok(text);
    };
    let mut out = Vec::with_capacity(text.len() + 64);
    out.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while !rest.is_empty() {
        let (escaped, len): (&[u8], _) = match rest {
            [b'<', ..] => (b"\\u003c", 1),
            [b'>', ..] => (b"\\u003e", 1),
            [b'&', ..] => (b"\\u0026", 1),
            [0xe2, 0x80, 0xa8, ..] => (b"\\u2028", 3),
            [0xe2, 0x80, 0xa9, ..] => (b"\\u2029", 3),
            rest => {
                let len = found(&rest[1..]).map_or(rest.len(), |at| at + 1);
                (&rest[..len], len)
            }
        };
        out.extend_from_slice(escaped);
        rest = &rest[len..];
    }
    out.push(b'\n');
    out.shrink_to_fit();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_no_trailing_zeros() {
        let check = |millis: i64, want: &str| {
            assert_eq!(
                GoTime(Some(Timestamp::from_millis(millis))).text(),
                want,
                "{millis}"
            );
        };
        check(1_700_000_000_000, "2023-11-14T22:13:20Z");
        check(1_700_000_000_120, "2023-11-14T22:13:20.12Z");
        check(1_700_000_000_123, "2023-11-14T22:13:20.123Z");
        check(1_700_000_000_001, "2023-11-14T22:13:20.001Z");
        assert_eq!(GoTime(None).text(), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn html_characters_are_escaped_as_go_escapes_them() {
        let bytes = encode(&["a < b & \"c\" > d\u{2028}\u{2029}\n\té"]).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "[\"a \\u003c b \\u0026 \\\"c\\\" \\u003e d\\u2028\\u2029\\n\\té\"]\n"
        );
    }
}
