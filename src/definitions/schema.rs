//! The rules of fields, written beside the types they yield.
//!
//! `record!` makes a struct and its table of rules from one list, so that a field cannot have a type and no rule. Rules are
//! data: the validator walks them, and descriptions of the API can be made of them.

use serde::{Deserialize, Serialize, Serializer};

/// Characters of a text without a bound of its own.
pub const LONGEST_TEXT: usize = 10_000;
/// Items of a list.
pub const LONGEST_LIST: usize = 1_000;

/// One field of an object.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// What it is, in a line: the first of its documentation.
    pub about: &'static str,
    /// What it must be.
    pub kind: Kind,
    /// Whether it must be there.
    pub presence: Presence,
    /// Whether its value must not stand in a message.
    pub secret: bool,
}

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text of a number of characters, trimmed.
    Text {
        /// The fewest.
        min: usize,
        /// The most.
        max: usize,
    },
    /// 1 to this many of `A-Z a-z 0-9 _ -`.
    Id(usize),
    /// An address of e-mail.
    Email,
    /// An `http` or `https` URL without a password.
    Url,
    /// A PromQL expression.
    Expression,
    /// The name of a metric family.
    MetricName,
    /// A finite number.
    Number,
    /// True or false.
    Bool,
    /// A time in ISO 8601; becomes an instant in UTC.
    Time,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// An object of these fields.
    Object(&'static [Field]),
    /// An object of any keys with numbers.
    Numbers,
    /// An object of any keys with anything.
    AnyObject,
    /// A list.
    List {
        /// What each item is.
        of: &'static Kind,
        /// The fewest items.
        min: usize,
    },
}

/// Whether a field must be there, and what it is where it is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// It must.
    Required,
    /// It need not, and then is not there.
    Optional,
    /// It need not, and then is null.
    OrNull,
    /// It need not, and then is empty: no text, no item, false, an object with its fields' defaults.
    OrEmpty,
    /// It need not, and then is this word.
    OrWord(&'static str),
}

const fn field(kind: Kind, presence: Presence) -> Field {
    Field {
        name: "",
        about: "",
        kind,
        presence,
        secret: false,
    }
}

/// A field that must be there.
pub const fn required(kind: Kind) -> Field {
    field(kind, Presence::Required)
}

/// A field that need not be there.
pub const fn optional(kind: Kind) -> Field {
    field(kind, Presence::Optional)
}

/// A field that is null where it is not given.
pub const fn or_null(kind: Kind) -> Field {
    field(kind, Presence::OrNull)
}

/// A field that is empty where it is not given.
pub const fn or_empty(kind: Kind) -> Field {
    field(kind, Presence::OrEmpty)
}

/// A field that is a word where it is not given.
pub const fn or_word(kind: Kind, word: &'static str) -> Field {
    field(kind, Presence::OrWord(word))
}

impl Field {
    /// The same, and its value stands in no message.
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

/// Text that is not empty.
pub const TEXT: Kind = text(LONGEST_TEXT);
/// Text that may be empty.
pub const ANY_TEXT: Kind = Kind::Text {
    min: 0,
    max: LONGEST_TEXT,
};
/// An identifier.
pub const ID: Kind = Kind::Id(100);

/// Text of 1 to so many characters.
pub const fn text(max: usize) -> Kind {
    Kind::Text { min: 1, max }
}

/// A list that may be empty.
pub const fn list(of: &'static Kind) -> Kind {
    Kind::List { of, min: 0 }
}

/// A list of at least one item.
pub const fn some(of: &'static Kind) -> Kind {
    Kind::List { of, min: 1 }
}

/// A number as JSON writes it: without a fraction where it has none, so that 5 stays 5.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Beyond this a 64-bit float does not hold every whole number.
        const WHOLE: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() <= WHOLE {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// Makes a struct, and `FIELDS`: the rules of its fields.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident {
        $(#[doc = $about:literal] $(#[$field_meta:meta])* $field:ident: $type:ty = $rule:expr;)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $(#[doc = $about] $(#[$field_meta])* pub $field: $type,)+
        }

        impl $name {
            /// The rules of the fields, in their order.
            pub const FIELDS: &'static [$crate::definitions::schema::Field] = &[
                $($crate::definitions::schema::Field { name: stringify!($field), about: $about, ..$rule },)+
            ];
        }
    };
}

/// Makes an enum of words, and `WORDS`: how each is written.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$word_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$word_meta])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// How each is written.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
            /// What a field of it must be.
            pub const KIND: $crate::definitions::schema::Kind = $crate::definitions::schema::Kind::OneOf(Self::WORDS);

            /// How it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

pub(super) use {record, words};
