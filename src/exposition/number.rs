//! Numbers as Go's `strconv.ParseFloat` reads them within the limits Prometheus sets, and back.
//!
//! Hexadecimal floats, digit separators and signed NaN are no numbers here.

use crate::model::go_float;
use crate::model::sample::NORMAL_NAN_BITS;

/// Why a text is no float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotFloat {
    Syntax,
    Range,
}

/// Reads a float: decimal, `inf`, `infinity`, `nan` in any case; every NaN becomes the same one.
#[inline]
pub(super) fn float(text: &[u8]) -> Result<f64, NotFloat> {
    // Most samples are small whole numbers: up to 15 digits are exact in a float64.
    if text.len() <= 15 && !text.is_empty() {
        let mut whole = 0_u64;
        let mut digits = true;
        for byte in text {
            let digit = byte.wrapping_sub(b'0');
            digits &= digit < 10;
            whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit));
        }
        if digits {
            return Ok(whole as f64);
        }
    }
    general(text)
}

fn general(text: &[u8]) -> Result<f64, NotFloat> {
    let (signed, unsigned) = match text {
        [b'+' | b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match unsigned.first() {
        Some(b'0'..=b'9' | b'.') => {
            let value: f64 = fast_float2::parse(unsigned).map_err(|_| NotFloat::Syntax)?;
            if value.is_infinite() {
                return Err(NotFloat::Range);
            }
            Ok(if text[0] == b'-' { -value } else { value })
        }
        Some(b'i' | b'I')
            if unsigned.eq_ignore_ascii_case(b"inf")
                || unsigned.eq_ignore_ascii_case(b"infinity") =>
        {
            Ok(if text[0] == b'-' {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            })
        }
        Some(b'n' | b'N') if !signed && unsigned.eq_ignore_ascii_case(b"nan") => {
            Ok(f64::from_bits(NORMAL_NAN_BITS))
        }
        _ => Err(NotFloat::Syntax),
    }
}

/// Seconds to milliseconds as Go converts them: towards zero, and the smallest integer when nothing fits.
/// `seconds` must be finite.
pub(super) fn milliseconds(seconds: f64) -> i64 {
    let milliseconds = seconds * 1000.0;
    // 2^63 is the first float that int64 cannot hold; Rust's cast would saturate there.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&milliseconds) {
        milliseconds as i64
    } else {
        i64::MIN
    }
}

/// A float as OpenMetrics writes it in `le` and `quantile`: Go's shortest `%g`, always with a point or an exponent.
pub(super) fn canonical(value: f64) -> String {
    if value == 0.0 {
        // Also minus zero.
        return "0.0".to_owned();
    }
    let text = go_float::format_general(value);
    if value.is_finite() && !text.contains(['.', 'e']) {
        return text + ".0";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_read_as_go_reads_them() {
        for (text, value) in [
            ("0", 0.0),
            ("1", 1.0),
            ("999999999999999", 999_999_999_999_999.0),
            (
                "1234567890123456789012345",
                1_234_567_890_123_456_789_012_345.0,
            ),
            ("0000000000000000000000000000000000000001", 1.0),
            ("+1", 1.0),
            ("-1", -1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("-.5e1", -5.0),
            ("1e3", 1000.0),
            ("1E-3", 0.001),
            ("1e-999", 0.0),
            ("0e999", 0.0),
            ("5e-324", 5e-324),
            ("1.7976931348623157e308", f64::MAX),
            ("inf", f64::INFINITY),
            ("+Inf", f64::INFINITY),
            ("INFINITY", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(float(text.as_bytes()), Ok(value), "{text}");
        }
        assert!(float(b"-0").expect("a float").is_sign_negative());
        for text in ["NaN", "nan", "NAN"] {
            assert_eq!(
                float(text.as_bytes()).map(f64::to_bits),
                Ok(NORMAL_NAN_BITS),
                "{text}"
            );
        }
    }

    #[test]
    fn what_go_rejects_is_no_float() {
        for text in [
            "", "+", "-", ".", "e1", "1e", "1e+", "--1", "+-1", "1_0", "0x10", "0x1p-2", "0b1",
            "0o17", "-NaN", "+nan", "in", "infin", "nano", "true", "1 ", " 1", "1a", "1.2.3", "١",
            "\u{0}", "1\u{0}", "1,5",
        ] {
            assert_eq!(float(text.as_bytes()), Err(NotFloat::Syntax), "{text:?}");
        }
        for text in ["1e999", "-1e999", "1.8e308"] {
            assert_eq!(float(text.as_bytes()), Err(NotFloat::Range), "{text:?}");
        }
    }

    #[test]
    fn seconds_become_milliseconds_towards_zero() {
        for (seconds, milliseconds_) in [
            (0.0, 0),
            (1.0, 1000),
            (-1.25, -1250),
            (0.0019, 1),
            (-0.0019, -1),
            (1_520_879_607.789, 1_520_879_607_789),
            (1e20, i64::MIN),
            (-1e20, i64::MIN),
        ] {
            assert_eq!(milliseconds(seconds), milliseconds_, "{seconds}");
        }
    }

    #[test]
    fn bounds_are_written_as_go_writes_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "0.0"),
            (1.0, "1.0"),
            (-1.0, "-1.0"),
            (0.5, "0.5"),
            (100_000.0, "100000.0"),
            (1_000_000.0, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(canonical(value), text);
        }
    }
}
