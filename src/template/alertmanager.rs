//! Functions of Alertmanager's notification templates.
//!
//! <https://prometheus.io/docs/alerting/latest/notifications/#functions>

use std::fmt::Write;

use super::builtins::wrong_type;
use super::format::Capped;
use super::functions::{Functions, instant, json, one, text, texts, title};
use super::time;
use super::value::{Safe, Value};

pub(super) fn functions() -> Functions {
    Functions::shared()
        .with("title", |_, args| Ok(title(text(args)?, true).into()))
        .with("trimSpace", |_, args| Ok(text(args)?.trim().into()))
        .with("safeUrl", |_, args| {
            Ok(Value::Safe(Safe::Url, text(args)?.into()))
        })
        .with("urlUnescape", |_, args| {
            Ok(query_unescape(text(args)?)?.into())
        })
        .with("stringSlice", |_, args| {
            let all = args.iter().map(|value| {
                value
                    .as_text()
                    .cloned()
                    .ok_or_else(|| wrong_type(value, "string"))
            });
            Ok(Value::texts(all.collect::<Result<Vec<_>, _>>()?))
        })
        .with("join", |context, args| match args {
            [separator, list] => {
                let [separator] = texts(std::slice::from_ref(separator))?;
                let Value::List(list) = list.plain() else {
                    return Err(wrong_type(list, "[]string"));
                };
                let mut out = Capped::new(context.limits.output);
                for (index, item) in list.items().iter().enumerate() {
                    if index > 0 {
                        out.write_str(separator)?;
                    }
                    out.write_str(item.as_text().ok_or_else(|| wrong_type(item, "string"))?)?;
                }
                Ok(out.into_text().into())
            }
            _ => Err("wrong number of args: want 2".into()),
        })
        .with("date", |_, args| match args {
            [layout, time] => {
                let [layout] = texts(std::slice::from_ref(layout))?;
                Ok(time::format(instant(time)?, layout).into())
            }
            _ => Err("wrong number of args: want 2".into()),
        })
        .with("tz", |_, args| match args {
            [zone, time] => {
                let [zone] = texts(std::slice::from_ref(zone))?;
                let time = instant(time)?;
                // Go takes "" for UTC too.
                let name = if zone.is_empty() { "UTC" } else { zone };
                match jiff::tz::TimeZone::get(name) {
                    Ok(zone) => Ok(time.with_time_zone(zone).into()),
                    Err(_) => Err(format!("unknown time zone {zone}").into()),
                }
            }
            _ => Err("wrong number of args: want 2".into()),
        })
        .with("since", |context, args| {
            let time = instant(one(args)?)?;
            Ok(Value::Duration(time::between(
                time.timestamp(),
                context.now,
            )))
        })
        .with("toJson", |context, args| {
            let mut out = Capped::new(context.limits.output);
            json(&mut out, one(args)?)?;
            Ok(out.into_text().into())
        })
}

/// As Go's `url.QueryUnescape`: `+` is a space, and a broken `%` is an error.
fn query_unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(), digit());
                match (high, low) {
                    (Some(high), Some(low)) => {
                        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default())
                    }
                    _ => return Err("invalid URL escape".to_string()),
                }
            }
            other => bytes.push(other),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
