//! Label sets out of JSON, without a copy of each text on the way.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::Labels;

/// A text that is borrowed from the input where that holds it as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(pub Cow<'a, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(Read)
    }
}

/// An object of names and texts as it stands there, `null` as the empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs<'a>(pub Vec<(Text<'a>, Text<'a>)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(8);
                while let Some((name, value)) = map.next_entry::<Text<'de>, Option<Text<'de>>>()? {
                    pairs.push((name, value.unwrap_or(Text(Cow::Borrowed("")))));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Read)
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What was written had no empty values, unless they are annotations.
        Pairs::deserialize(deserializer).map(|pairs| Self::verbatim_pairs(pairs.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_become_label_sets() {
        let check = |json: &str, pairs: &[(&str, &str)]| {
            let labels: Labels = serde_json::from_str(json).unwrap();
            assert_eq!(labels, Labels::from_pairs(pairs.iter().copied()), "{json}");
            let from_a_reader: Labels = serde_json::from_reader(json.as_bytes()).unwrap();
            assert_eq!(from_a_reader, labels, "{json}");
        };
        check("{}", &[]);
        check(
            r#"{"b": "2", "a": "\u00fc\n"}"#,
            &[("a", "ü\n"), ("b", "2")],
        );
        check(r#"{"a": "1", "a": "2"}"#, &[("a", "2")]);
        let annotations: Labels =
            serde_json::from_str(r#"{"a": "1", "b": null, "a": ""}"#).unwrap();
        assert_eq!(annotations.get("a"), Some(""));
        assert_eq!(annotations.get("b"), Some(""));
        assert!(serde_json::from_str::<Labels>(r#"{"a": 1}"#).is_err());
        assert!(serde_json::from_str::<Labels>(r#"["a"]"#).is_err());
    }
}
