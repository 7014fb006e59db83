//! Opaque tokens: 32 random bytes in hexadecimal behind a word that says what they are. Only their SHA-256 is stored.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::model::secret::Secret;

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An API key.
    ApiKey,
    /// A refresh token.
    Refresh,
    /// A browser's cookie.
    Cookie,
}

impl Kind {
    /// What a token of this kind begins with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "mdl_",
            Self::Refresh => "mdr_",
            Self::Cookie => "mds_",
        }
    }
}

/// A new token.
pub fn generate(kind: Kind) -> Secret {
    let bytes: [u8; 32] = rand::random();
    Secret::new(format!("{}{}", kind.prefix(), hex(&bytes)))
}

/// The hash of a token; absent where the text cannot be one of this kind.
pub fn hash(kind: Kind, text: &str) -> Option<String> {
    let digits = text.strip_prefix(kind.prefix())?;
    let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (digits.len() == 64 && digits.bytes().all(plain)).then(|| hex(&Sha256::digest(text)))
}

/// Whether two hashes are the same, in a time that does not say where they differ.
pub fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_of_the_kind_has_a_hash() {
        let token = generate(Kind::ApiKey);
        let text = token.expose();
        assert_eq!(text.len(), 68);
        let stored = hash(Kind::ApiKey, text).unwrap();
        assert_eq!(stored.len(), 64);
        assert!(!stored.contains(&text[4..]));
        assert!(same(&stored, &hash(Kind::ApiKey, text).unwrap()));
        assert!(!same(
            &stored,
            &hash(Kind::ApiKey, generate(Kind::ApiKey).expose()).unwrap()
        ));
        assert_eq!(hash(Kind::Refresh, text), None);
        for broken in [
            "",
            "mdl_",
            &text[..67],
            &text.to_uppercase(),
            &format!("{text}0"),
        ] {
            assert_eq!(hash(Kind::ApiKey, broken), None, "{broken}");
        }
    }
}
