//! Go's `fmt` for template values: `%v`, `printf`, `print`, `println`.
//!
//! <https://pkg.go.dev/fmt>. Not done: `%p`, hexadecimal floats, complex numbers. Everything is written into a
//! [`std::fmt::Write`], so a caller bounds the output by handing in a bounded writer such as [`Capped`].

use std::fmt::{self, Write};

use super::time;
use super::value::Value;

/// Collects text up to a number of bytes and then fails.
#[derive(Debug)]
pub(super) struct Capped {
    text: String,
    limit: usize,
}

impl Capped {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            limit,
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }
}

impl Write for Capped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.text.len() + text.len() > self.limit {
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// `%v`.
pub(super) fn plain(out: &mut dyn Write, value: &Value) -> fmt::Result {
    one(out, &Spec::default(), 'v', value)
}

/// `fmt.Sprint`: a space between two operands when neither is text.
pub(super) fn sprint(out: &mut dyn Write, args: &[Value]) -> fmt::Result {
    for (index, value) in args.iter().enumerate() {
        if index > 0 && value.as_text().is_none() && args[index - 1].as_text().is_none() {
            out.write_char(' ')?;
        }
        plain(out, value)?;
    }
    Ok(())
}

/// `fmt.Sprintln`.
pub(super) fn sprintln(out: &mut dyn Write, args: &[Value]) -> fmt::Result {
    for (index, value) in args.iter().enumerate() {
        if index > 0 {
            out.write_char(' ')?;
        }
        plain(out, value)?;
    }
    out.write_char('\n')
}

#[derive(Debug, Default, Clone)]
struct Spec {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// Widths and precisions beyond this are cut: Go refuses them.
const WIDEST: usize = 1_000_000;

/// `fmt.Sprintf`.
pub(super) fn sprintf(out: &mut dyn Write, format: &str, args: &[Value]) -> fmt::Result {
    let mut chars = format.chars().peekable();
    let mut next = 0;
    let mut reordered = false;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.write_char(c)?;
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.peek() {
            match flag {
                '-' => spec.minus = true,
                '+' => spec.plus = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                '0' => spec.zero = true,
                _ => break,
            }
            chars.next();
        }
        reordered |= index(&mut chars, &mut next);
        if chars.peek() == Some(&'*') {
            chars.next();
            match star(args, &mut next) {
                Some(width) if width < 0 => {
                    spec.minus = true;
                    spec.width = usize::try_from(width.unsigned_abs())
                        .unwrap_or(WIDEST)
                        .min(WIDEST);
                }
                Some(width) => spec.width = usize::try_from(width).unwrap_or(WIDEST).min(WIDEST),
                None => out.write_str("%!(BADWIDTH)")?,
            }
        } else if let Some(width) = number(&mut chars) {
            spec.width = width;
        }
        if chars.peek() == Some(&'.') {
            chars.next();
            reordered |= index(&mut chars, &mut next);
            if chars.peek() == Some(&'*') {
                chars.next();
                match star(args, &mut next).map(usize::try_from) {
                    Some(Ok(precision)) => spec.precision = Some(precision.min(WIDEST)),
                    _ => out.write_str("%!(BADPREC)")?,
                }
            } else {
                spec.precision = Some(number(&mut chars).unwrap_or(0));
            }
        }
        reordered |= index(&mut chars, &mut next);
        let Some(verb) = chars.next() else {
            out.write_str("%!(NOVERB)")?;
            break;
        };
        if verb == '%' {
            out.write_char('%')?;
            continue;
        }
        match args.get(next) {
            Some(value) => one(out, &spec, verb, value)?,
            None if reordered => write!(out, "%!{verb}(BADINDEX)")?,
            None => write!(out, "%!{verb}(MISSING)")?,
        }
        next += 1;
    }
    if !reordered && next < args.len() {
        out.write_str("%!(EXTRA ")?;
        for (index, value) in args[next..].iter().enumerate() {
            if index > 0 {
                out.write_str(", ")?;
            }
            typed(out, &Spec::default(), value)?;
        }
        out.write_char(')')?;
    }
    Ok(())
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn number(chars: &mut Chars<'_>) -> Option<usize> {
    let mut value = None;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        chars.next();
        let digit = usize::try_from(digit).unwrap_or(0);
        value = Some((value.unwrap_or(0) * 10 + digit).min(WIDEST));
    }
    value
}

/// `[n]`: the n-th argument is next.
fn index(chars: &mut Chars<'_>, next: &mut usize) -> bool {
    if chars.peek() != Some(&'[') {
        return false;
    }
    chars.next();
    let wanted = number(chars);
    while chars.next_if(|c| *c != ']').is_some() {}
    chars.next();
    *next = wanted
        .and_then(|n| n.checked_sub(1))
        .unwrap_or(usize::MAX / 2);
    true
}

fn star(args: &[Value], next: &mut usize) -> Option<i64> {
    let value = args.get(*next);
    *next += 1;
    match value {
        Some(Value::Int(value)) if value.unsigned_abs() <= 1_000_000 => Some(*value),
        _ => None,
    }
}

/// `type=value`, as Go complains.
fn typed(out: &mut dyn Write, spec: &Spec, value: &Value) -> fmt::Result {
    if matches!(value, Value::Nil) {
        return out.write_str("<nil>");
    }
    write!(out, "{}=", value.type_name())?;
    one(out, spec, 'v', value)
}

fn bad(out: &mut dyn Write, spec: &Spec, verb: char, value: &Value) -> fmt::Result {
    write!(out, "%!{verb}(")?;
    typed(out, spec, value)?;
    out.write_char(')')
}

fn one(out: &mut dyn Write, spec: &Spec, verb: char, value: &Value) -> fmt::Result {
    if verb == 'T' {
        return padded(out, spec, value.type_name());
    }
    match value {
        Value::Nil if verb == 'v' => padded(out, spec, "<nil>"),
        Value::Bool(value) if matches!(verb, 'v' | 't') => {
            padded(out, spec, if *value { "true" } else { "false" })
        }
        Value::Int(number) => match integer(spec, verb, *number) {
            Some((sign, digits)) => numeric(out, spec, sign, &digits),
            None => bad(out, spec, verb, value),
        },
        Value::Float(number) => float(out, spec, verb, *number, value),
        Value::String(text) | Value::Safe(_, text) => string(out, spec, verb, text, value),
        Value::Duration(nanos) => match verb {
            'v' | 's' => padded(out, spec, &time::duration_text(*nanos)),
            _ => one(out, spec, verb, &Value::Int(*nanos)),
        },
        Value::Time(zoned) => string(out, spec, verb, &time::text(zoned), value),
        Value::List(list) => {
            out.write_char('[')?;
            for (index, item) in list.items().iter().enumerate() {
                if index > 0 {
                    out.write_char(' ')?;
                }
                one(out, spec, verb, item)?;
            }
            out.write_char(']')
        }
        Value::Map(map) => {
            out.write_str("map[")?;
            for (index, (key, item)) in map.entries().iter().enumerate() {
                if index > 0 {
                    out.write_char(' ')?;
                }
                one(out, spec, verb, &Value::String(key.clone()))?;
                out.write_char(':')?;
                one(out, spec, verb, item)?;
            }
            out.write_char(']')
        }
        Value::Object(object) => match (object.text(), object.contents()) {
            (Some(text), _) if matches!(verb, 'v' | 's' | 'q' | 'x' | 'X') => {
                string(out, spec, verb, &text, value)
            }
            (_, Some(contents)) => one(out, spec, verb, &contents),
            (_, None) => padded(out, spec, &format!("{{{}}}", object.type_name())),
        },
        Value::Nil | Value::Bool(_) => bad(out, spec, verb, value),
    }
}

/// Pads to the width, counted in characters; with zeros where asked for, also before text.
fn padded(out: &mut dyn Write, spec: &Spec, text: &str) -> fmt::Result {
    let missing = spec.width.saturating_sub(text.chars().count());
    if !spec.minus {
        repeat(out, if spec.zero { '0' } else { ' ' }, missing)?;
    }
    out.write_str(text)?;
    if spec.minus {
        repeat(out, ' ', missing)?;
    }
    Ok(())
}

fn repeat(out: &mut dyn Write, c: char, times: usize) -> fmt::Result {
    (0..times).try_for_each(|_| out.write_char(c))
}

/// Pads a number, with zeros between sign and digits where asked for.
fn numeric(out: &mut dyn Write, spec: &Spec, sign: &str, digits: &str) -> fmt::Result {
    if spec.zero && !spec.minus {
        out.write_str(sign)?;
        repeat(
            out,
            '0',
            spec.width.saturating_sub(sign.len() + digits.len()),
        )?;
        return out.write_str(digits);
    }
    padded(out, spec, &format!("{sign}{digits}"))
}

fn sign_of(spec: &Spec, negative: bool) -> &'static str {
    match (negative, spec.plus, spec.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    }
}

fn integer(spec: &Spec, verb: char, number: i64) -> Option<(&'static str, String)> {
    let size = number.unsigned_abs();
    let (prefix, digits) = match verb {
        'v' | 'd' => ("", size.to_string()),
        'b' => (if spec.sharp { "0b" } else { "" }, format!("{size:b}")),
        'o' => (if spec.sharp { "0" } else { "" }, format!("{size:o}")),
        'O' => ("0o", format!("{size:o}")),
        'x' => (if spec.sharp { "0x" } else { "" }, format!("{size:x}")),
        'X' => (if spec.sharp { "0X" } else { "" }, format!("{size:X}")),
        'c' | 'q' | 'U' => {
            let c = u32::try_from(number)
                .ok()
                .and_then(char::from_u32)
                .unwrap_or('\u{fffd}');
            let text = match verb {
                'c' => c.to_string(),
                'U' => format!("U+{size:04X}"),
                _ if c == '\'' => "'\\''".to_string(),
                _ if c == '"' => "'\"'".to_string(),
                _ => format!("'{}'", escaped(&c.to_string(), false)),
            };
            return Some(("", text));
        }
        _ => return None,
    };
    let minimum = spec.precision.unwrap_or(0);
    let zeros = "0".repeat(minimum.saturating_sub(digits.len()));
    Some((
        sign_of(spec, number < 0),
        format!("{prefix}{zeros}{digits}"),
    ))
}

fn float(out: &mut dyn Write, spec: &Spec, verb: char, number: f64, value: &Value) -> fmt::Result {
    let verb_used = if verb == 'v' { 'g' } else { verb };
    if !matches!(verb_used, 'g' | 'G' | 'e' | 'E' | 'f' | 'F') {
        return bad(out, spec, verb, value);
    }
    if number.is_nan() || number.is_infinite() {
        let (sign, name) = match (number.is_nan(), number < 0.0) {
            (true, _) => (sign_of(spec, false), "NaN"),
            (false, true) => ("-", "Inf"),
            (false, false) if spec.space && !spec.plus => (" ", "Inf"),
            (false, false) => ("+", "Inf"),
        };
        let spec = Spec {
            zero: false,
            ..spec.clone()
        };
        return padded(out, &spec, &format!("{sign}{name}"));
    }
    let digits = float_digits(number.abs(), verb_used, spec.precision, spec.sharp);
    numeric(out, spec, sign_of(spec, number.is_sign_negative()), &digits)
}

/// No `f64` has more significant digits than this.
const FLOAT_DIGITS: usize = 1100;

fn float_digits(number: f64, verb: char, precision: Option<usize>, sharp: bool) -> String {
    let precision = precision.map(|precision| precision.min(FLOAT_DIGITS));
    let text = match verb.to_ascii_lowercase() {
        'f' => format!("{number:.*}", precision.unwrap_or(6)),
        'e' => exponent_form(&format!("{number:.*e}", precision.unwrap_or(6))),
        _ => general(number, precision, sharp),
    };
    if verb.is_ascii_uppercase() {
        text.to_ascii_uppercase()
    } else {
        text
    }
}

/// `%g`: the exponent form below 1e-4 and from 10^precision on; the shortest form counts as precision 6 there.
fn general(number: f64, precision: Option<usize>, sharp: bool) -> String {
    let shortest = precision.is_none();
    let wanted = precision.unwrap_or(0).max(1);
    let scientific = match precision {
        None => format!("{number:e}"),
        Some(_) => format!("{number:.*e}", wanted - 1),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mut digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if !shortest && !sharp {
        let kept = digits.trim_end_matches('0').len().max(1);
        digits.truncate(kept);
    }
    let threshold = if shortest {
        6
    } else {
        i32::try_from(wanted).unwrap_or(i32::MAX)
    };
    if exponent < -4 || exponent >= threshold {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return exponent_form(&format!("{first}{point}{rest}e{exponent}"));
    }
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        format!("0.{zeros}{digits}")
    } else if exponent + 1 >= length {
        let zeros = "0".repeat(usize::try_from(exponent + 1 - length).unwrap_or(0));
        format!("{digits}{zeros}")
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(exponent + 1).unwrap_or(0));
        format!("{whole}.{fraction}")
    }
}

/// Rust's `1e6` as Go's `1e+06`.
fn exponent_form(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// Go's `strconv.FormatFloat(value, 'g', precision, 64)` as `%.{precision}g`.
pub(super) fn significant(value: f64, precision: usize) -> String {
    let mut text = String::new();
    let spec = Spec {
        precision: Some(precision),
        ..Spec::default()
    };
    // Writing into a String does not fail.
    float(&mut text, &spec, 'g', value, &Value::Float(value)).unwrap_or_default();
    text
}

fn string(out: &mut dyn Write, spec: &Spec, verb: char, text: &str, value: &Value) -> fmt::Result {
    let cut = |text: &str| match spec.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text.to_string(),
    };
    match verb {
        'v' | 's' => padded(out, spec, &cut(text)),
        'q' if spec.sharp && raw_quotable(text) => padded(out, spec, &format!("`{}`", cut(text))),
        'q' => padded(out, spec, &quote(&cut(text), spec.plus)),
        'x' | 'X' => {
            let bytes = text.as_bytes();
            let bytes = &bytes[..spec.precision.unwrap_or(bytes.len()).min(bytes.len())];
            let mut hex = String::new();
            for (index, byte) in bytes.iter().enumerate() {
                if spec.space && index > 0 {
                    hex.push(' ');
                }
                if spec.sharp && (index == 0 || spec.space) {
                    hex.push_str(if verb == 'x' { "0x" } else { "0X" });
                }
                hex.push_str(&if verb == 'x' {
                    format!("{byte:02x}")
                } else {
                    format!("{byte:02X}")
                });
            }
            padded(out, spec, &hex)
        }
        _ => bad(out, spec, verb, value),
    }
}

fn raw_quotable(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c == '`' || c == '\u{feff}' || (c.is_control() && c != '\t'))
}

/// Go's `strconv.Quote`, or `QuoteToASCII`.
pub(super) fn quote(text: &str, ascii: bool) -> String {
    format!("\"{}\"", escaped(text, ascii))
}

fn escaped(text: &str, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_ascii() || (!ascii && printable(c)) => out.push(c),
            c if u32::from(c) > 0xffff => out.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    out
}

fn printable(c: char) -> bool {
    c.is_alphanumeric()
        || !(c.is_control()
            || c.is_whitespace()
            || c.escape_debug().to_string().starts_with("\\u{"))
}
