//! Numbers and strings of PromQL, read as Go reads them.

/// Reads a number without a sign: decimal, hexadecimal, octal with a leading zero, underscores between digits.
/// `None` where it is none, or larger than a float can hold.
pub(in crate::promql) fn number(text: &str) -> Option<f64> {
    if text.eq_ignore_ascii_case("inf") {
        return Some(f64::INFINITY);
    }
    if text.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let digits = digits.strip_prefix('_').unwrap_or(digits);
        let digits = without_underscores(digits, u8::is_ascii_hexdigit)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        return i64::from_str_radix(&digits, 16).ok().map(as_float);
    }
    let plain = without_underscores(text, u8::is_ascii_digit)?;
    let digits = plain.as_bytes();
    if digits.len() > 1
        && digits[0] == b'0'
        && digits.iter().all(|digit| (b'0'..=b'7').contains(digit))
    {
        if let Ok(octal) = i64::from_str_radix(&plain, 8) {
            return Some(as_float(octal));
        }
    }
    // Words like `infinity` are names, not numbers.
    if !digits
        .first()
        .is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.')
    {
        return None;
    }
    let value: f64 = plain.parse().ok()?;
    value.is_finite().then_some(value)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "PromQL's numbers are floats: large integers lose their last digits there too"
)]
fn as_float(value: i64) -> f64 {
    value as f64
}

/// Takes the underscores out, each of which must stand between two digits.
fn without_underscores(text: &str, is_digit: fn(&u8) -> bool) -> Option<std::borrow::Cow<'_, str>> {
    if !text.contains('_') {
        return Some(text.into());
    }
    let bytes = text.as_bytes();
    let between = |position: usize| {
        position > 0
            && is_digit(&bytes[position - 1])
            && bytes.get(position + 1).is_some_and(is_digit)
    };
    bytes
        .iter()
        .enumerate()
        .all(|(position, byte)| *byte != b'_' || between(position))
        .then(|| text.replace('_', "").into())
}

/// Resolves the escapes of a string token, its quotes included.
///
/// # Errors
/// What is wrong and at which byte of `token`: an unknown or incomplete escape, or bytes that are no UTF-8.
pub(super) fn unquote(token: &str) -> Result<String, (usize, String)> {
    let quote = token.as_bytes()[0];
    let body = &token[1..token.len() - 1];
    if quote == b'`' || !body.contains('\\') {
        return Ok(body.to_owned());
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(position) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..position]);
        let at = body.len() - rest.len() + position + 1;
        let (taken, result) = escape(&rest[position + 1..], quote, &mut out);
        result.map_err(|message| (at, message))?;
        rest = &rest[position + 1 + taken..];
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).map_err(|_| (0, "string is not valid UTF-8".to_owned()))
}

/// Reads one escape after its backslash; gives the bytes it took.
fn escape(rest: &str, quote: u8, out: &mut Vec<u8>) -> (usize, Result<(), String>) {
    let Some(first) = rest.chars().next() else {
        return (0, Err("escape sequence not terminated".to_owned()));
    };
    let simple = match first {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '\'' | '"' if first == char::from(quote) => quote,
        'x' => return coded(&rest[1..], 1, 2, 16, false, out),
        'u' => return coded(&rest[1..], 1, 4, 16, true, out),
        'U' => return coded(&rest[1..], 1, 8, 16, true, out),
        '0'..='7' => return coded(rest, 0, 3, 8, false, out),
        other => return (0, Err(format!("unknown escape sequence \"\\{other}\""))),
    };
    out.push(simple);
    (1, Ok(()))
}

fn coded(
    rest: &str,
    before: usize,
    digits: usize,
    base: u32,
    unicode: bool,
    out: &mut Vec<u8>,
) -> (usize, Result<(), String>) {
    let value = rest
        .get(..digits)
        .filter(|text| text.bytes().all(|byte| char::from(byte).is_digit(base)))
        .and_then(|text| u32::from_str_radix(text, base).ok());
    let result = match (value, unicode) {
        (None, _) => Err(format!("escape sequence needs {digits} digits")),
        (Some(value), true) => match char::from_u32(value) {
            Some(character) => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                Ok(())
            }
            None => Err("escape sequence is an invalid Unicode code point".to_owned()),
        },
        (Some(value), false) => match u8::try_from(value) {
            Ok(byte) => {
                out.push(byte);
                Ok(())
            }
            Err(_) => Err("escape sequence is larger than a byte".to_owned()),
        },
    };
    (before + digits, result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        let check = |text: &str, want: Option<f64>| {
            let got = number(text);
            assert_eq!(
                got.map(f64::to_bits),
                want.map(f64::to_bits),
                "{text}: {got:?}"
            );
        };
        check("1", Some(1.0));
        check("2.", Some(2.0));
        check(".5", Some(0.5));
        check("12.34e+6", Some(12.34e6));
        check("1e3", Some(1000.0));
        check("0x1F", Some(31.0));
        check("0X_fF", Some(255.0));
        check("0755", Some(493.0));
        check("08", Some(8.0));
        check("0.5", Some(0.5));
        check("1_000_000", Some(1e6));
        check("1_000.5", Some(1000.5));
        check("iNF", Some(f64::INFINITY));
        check("99999999999999999999", Some(1e20));
        for bad in [
            "", "_1", "1_", "1__0", "1_.5", "1e", "1e400", "0x", "0x1p3", "1.2.3", "0xg", "+1",
        ] {
            check(bad, None);
        }
        assert!(number("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn strings_are_unescaped_as_go_does() {
        let check = |token: &str, want: Result<&str, usize>| {
            let got = unquote(token);
            assert_eq!(got.as_deref().map_err(|(at, _)| *at), want, "{token}");
        };
        check(r#""a""#, Ok("a"));
        check(r#"'it\'s'"#, Ok("it's"));
        check(r"`a\n`", Ok(r"a\n"));
        check(
            r#""\a\b\f\n\r\t\v\\\"""#,
            Ok("\u{7}\u{8}\u{c}\n\r\t\u{b}\\\""),
        );
        check(r#""\x41\101\u00e9\U0001F600""#, Ok("AAé😀"));
        check(r#""\xc3\xa9""#, Ok("é"));
        check(r#""\xff""#, Err(0));
        check(r#""ab\q""#, Err(3));
        check(r#""\'""#, Err(1));
        check(r#""\ud800""#, Err(1));
        check(r#""\x4""#, Err(1));
        check(r#""\477""#, Err(1));
        check("\"\\é\"", Err(1));
        check("\"\\xé\"", Err(1));
    }
}
