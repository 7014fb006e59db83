//! An alert as others post it, read as Go's `encoding/json` reads it: keys in any case, the last of two counts, maps
//! given twice are merged, what is unknown is skipped.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::http::alertmanager::time::Time;

/// Names and values; `null` stands for the empty value.
pub(super) type Pairs = BTreeMap<String, Option<String>>;

/// An alert as others post it.
#[derive(Debug, Default)]
pub(in crate::http::alertmanager) struct PostableAlert {
    pub(super) labels: Option<Pairs>,
    pub(super) annotations: Option<Pairs>,
    pub(super) starts_at: Option<Time>,
    pub(super) ends_at: Option<Time>,
    pub(super) generator_url: Option<String>,
}

impl<'de> Deserialize<'de> for PostableAlert {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = PostableAlert;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PostableAlert, A::Error> {
        let mut alert = PostableAlert::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let is = |name: &str| key.eq_ignore_ascii_case(name);
            if is("labels") {
                merge(&mut alert.labels, map.next_value()?);
            } else if is("annotations") {
                merge(&mut alert.annotations, map.next_value()?);
            } else if is("startsAt") {
                alert.starts_at = map.next_value()?;
            } else if is("endsAt") {
                alert.ends_at = map.next_value()?;
            } else if is("generatorURL") {
                alert.generator_url = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(alert)
    }
}

fn merge(known: &mut Option<Pairs>, given: Option<Pairs>) {
    match (known.as_mut(), given) {
        (Some(known), Some(given)) => known.extend(given),
        (_, given) => *known = given,
    }
}
