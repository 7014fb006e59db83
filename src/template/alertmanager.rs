//! Functions of Alertmanager's notification templates.
//!
//! <https://prometheus.io/docs/alerting/latest/notifications/#functions>

use std::fmt::Write;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::builtins::wrong_type;
use super::error::Fault;
use super::format::{self, Capped};
use super::functions::{Functions, instant, json, one, text, texts, title};
use super::time;
use super::value::{List, Map, Safe, Value};

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
                match TimeZone::get(name) {
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
        .with("now", |context, args| match args {
            [] => Ok(context.now.to_zoned(TimeZone::UTC).into()),
            _ => Err("wrong number of args: want 0".into()),
        })
        .with("list", |_, args| {
            Ok(args.iter().cloned().collect::<List>().into())
        })
        .with("append", |_, args| match args {
            [first, rest @ ..] => match first.plain() {
                Value::List(list) => {
                    let items = list.items().iter().chain(rest).cloned();
                    Ok(items.collect::<List>().into())
                }
                other => Err(wrong_type(&other, "[]interface {}")),
            },
            [] => Err("wrong number of args: want at least 1 got 0".into()),
        })
        .with("dict", |_, args| {
            let (pairs, []) = args.as_chunks::<2>() else {
                return Err("dict requires an even number of arguments".into());
            };
            let entries = pairs.iter().map(|[key, value]| match key.as_text() {
                Some(key) => Ok((Arc::clone(key), value.clone())),
                None => Err("dict keys must be strings".into()),
            });
            Ok(entries.collect::<Result<Map, Fault>>()?.into())
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
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let digit = |at: usize| {
            rest.as_bytes()
                .get(at)
                .and_then(|byte| char::from(*byte).to_digit(16))
        };
        let taken = match (first, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                3
            }
            (b'%', ..) => {
                let shown: String = rest.chars().take(3).collect();
                return Err(format!(
                    "invalid URL escape {}",
                    format::quote(&shown, false)
                ));
            }
            (b'+', ..) => {
                bytes.push(b' ');
                1
            }
            _ => {
                let length = rest.chars().next().map_or(1, char::len_utf8);
                bytes.extend_from_slice(&rest.as_bytes()[..length]);
                length
            }
        };
        rest = &rest[taken..];
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
