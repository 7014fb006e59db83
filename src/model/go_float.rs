//! Floats as Go prints them: what Prometheus's APIs, templates and rule files show.

/// `strconv.FormatFloat(value, 'f', -1, 64)`: shortest digits, never an exponent; `+Inf`, `-Inf`, `NaN`.
pub fn format_plain(value: f64) -> String {
    special(value).map_or_else(|| value.to_string(), str::to_owned)
}

/// `strconv.FormatFloat(value, 'e', -1, 64)`: shortest digits, always with an exponent (`1e+00`); `+Inf`, `-Inf`, `NaN`.
/// The rules API prints alert values so.
pub fn format_exponent(value: f64) -> String {
    special(value).map_or_else(|| with_exponent(value), str::to_owned)
}

/// `fmt.Sprint(value)`, that is `%v`: shortest digits, exponent form below 1e-4 and from 1e6 (`1e+06`, `1e-05`).
pub fn format_general(value: f64) -> String {
    format_outside(value, 1e-4, 1e6)
}

/// As the query API prints sample values: shortest digits, exponent form below 1e-6 and from 1e21
/// (`prometheus/util/jsonutil`, `MarshalFloat`).
pub fn format_sample(value: f64) -> String {
    format_outside(value, 1e-6, 1e21)
}

fn format_outside(value: f64, smallest_plain: f64, smallest_large: f64) -> String {
    if let Some(text) = special(value) {
        return text.to_owned();
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (smallest_plain..smallest_large).contains(&magnitude) {
        return value.to_string();
    }
    with_exponent(value)
}

fn with_exponent(value: f64) -> String {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent
        .strip_prefix('-')
        .map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}e{sign}{digits:0>2}")
}

fn special(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_go_prints_them() {
        let check = |value: f64, plain: &str, general: &str, sample: &str| {
            assert_eq!(
                [
                    format_plain(value),
                    format_general(value),
                    format_sample(value)
                ],
                [plain, general, sample].map(str::to_owned)
            );
        };
        check(0.0, "0", "0", "0");
        check(-0.0, "-0", "-0", "-0");
        check(1.0, "1", "1", "1");
        check(0.1, "0.1", "0.1", "0.1");
        check(1e6, "1000000", "1e+06", "1000000");
        check(1_234_567.5, "1234567.5", "1.2345675e+06", "1234567.5");
        check(123_456.0, "123456", "123456", "123456");
        check(1e21, "1000000000000000000000", "1e+21", "1e+21");
        check(1e-5, "0.00001", "1e-05", "0.00001");
        check(1e-7, "0.0000001", "1e-07", "1e-07");
        check(f64::INFINITY, "+Inf", "+Inf", "+Inf");
        check(f64::NEG_INFINITY, "-Inf", "-Inf", "-Inf");
        check(f64::NAN, "NaN", "NaN", "NaN");
        for (value, want) in [
            (1.0, "1e+00"),
            (0.0, "0e+00"),
            (-12.5, "-1.25e+01"),
            (1e-7, "1e-07"),
        ] {
            assert_eq!(format_exponent(value), want);
        }
    }
}
