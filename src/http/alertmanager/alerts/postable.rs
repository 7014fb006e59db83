//! An alert as others post it, read as Go's `encoding/json` reads it: keys in any case, the last of two counts, maps
//! given twice are merged, what is unknown is skipped.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::http::alertmanager::time::Time;
use crate::model::labels::{Pairs, Text};

/// An alert as others post it.
#[derive(Debug, Default)]
pub(in crate::http::alertmanager) struct PostableAlert<'a> {
    pub(super) labels: Option<Pairs<'a>>,
    pub(super) annotations: Option<Pairs<'a>>,
    pub(super) starts_at: Option<Time>,
    pub(super) ends_at: Option<Time>,
    pub(super) generator_url: Option<Text<'a>>,
}

impl<'de> Deserialize<'de> for PostableAlert<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = PostableAlert<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an alert")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PostableAlert<'de>, A::Error> {
        let mut alert = PostableAlert::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            let is = |name: &str| key.as_ref().eq_ignore_ascii_case(name);
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

fn merge<'a>(known: &mut Option<Pairs<'a>>, given: Option<Pairs<'a>>) {
    match (known.as_mut(), given) {
        (Some(known), Some(given)) => known.0.extend(given.0),
        (_, given) => *known = given,
    }
}
