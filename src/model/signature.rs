//! Signed links: proof that this installation wrote them, for one purpose, until a time.
//!
//! A token is `<end in milliseconds>-<64 hexadecimal digits>`, the digits an HMAC-SHA256 over the purpose, what is signed and the
//! end. It is no secret by itself: whoever holds the link may follow it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::timestamp::Timestamp;

/// Length of a key in bytes.
pub const KEY_BYTES: usize = 32;

/// Signs and verifies with one key.
#[derive(Clone)]
pub struct Signer {
    key: [u8; KEY_BYTES],
}

/// A signer that is there once the database is open; clones share it. What is loaded before holds on to it.
#[derive(Clone, Debug, Default)]
pub struct LateSigner(Arc<OnceLock<Signer>>);

impl LateSigner {
    /// Hands it the signer; the first one stays.
    pub fn set(&self, signer: Signer) {
        self.0.get_or_init(|| signer);
    }

    /// The signer, where it is there.
    pub fn get(&self) -> Option<&Signer> {
        self.0.get()
    }
}

/// Never the key.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(<secret>)")
    }
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is no token, or not one for this.
    #[error("the link's signature does not fit; it was changed, or signed by another installation")]
    Wrong,
    /// It was one.
    #[error("the link has expired; open a newer message, or the page itself")]
    Expired,
}

impl Signer {
    /// With a key of random bytes.
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        Self { key }
    }

    /// The token for `what`, such as a path with its parameters. `purpose` keeps a token from being used elsewhere.
    pub fn sign(&self, purpose: &str, what: &str, until: Timestamp) -> String {
        use fmt::Write;
        let mut token = format!("{}-", until.millis());
        for byte in self.mac(purpose, what, until).finalize().into_bytes() {
            write!(token, "{byte:02x}").expect("writing to a string cannot fail");
        }
        token
    }

    /// Until when `token` holds, where it was signed for this purpose and text and does at `now`.
    ///
    /// # Errors
    /// Where it was not, or does not.
    pub fn verify(
        &self,
        purpose: &str,
        what: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<Timestamp, SignatureError> {
        let (until, digits) = token.split_once('-').ok_or(SignatureError::Wrong)?;
        let until = until.parse().map_err(|_| SignatureError::Wrong)?;
        let until = Timestamp::from_millis(until);
        let digest = from_hex(digits).ok_or(SignatureError::Wrong)?;
        self.mac(purpose, what, until)
            .verify_slice(&digest)
            .map_err(|_| SignatureError::Wrong)?;
        if until <= now {
            return Err(SignatureError::Expired);
        }
        Ok(until)
    }

    fn mac(&self, purpose: &str, what: &str, until: Timestamp) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of every length");
        for part in [purpose, what] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            mac.update(&length.to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(&until.millis().to_le_bytes());
        mac
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let nibbles: Vec<u8> = digits
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        })
        .collect::<Option<_>>()?;
    nibbles.len().is_multiple_of(2).then(|| {
        nibbles
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const LATER: Timestamp = Timestamp::from_millis(2_000);

    #[test]
    fn a_token_holds_for_its_purpose_text_key_and_time_alone() {
        let signer = Signer::new([7; KEY_BYTES]);
        let token = signer.sign("silence", "a=b", LATER);
        let verify = |purpose, what, now| signer.verify(purpose, what, &token, now);
        assert_eq!(verify("silence", "a=b", NOW), Ok(LATER));
        assert_eq!(verify("ack", "a=b", NOW), Err(SignatureError::Wrong));
        assert_eq!(verify("silence", "a=c", NOW), Err(SignatureError::Wrong));
        assert_eq!(
            verify("silence", "a=b", LATER),
            Err(SignatureError::Expired)
        );
        let other = Signer::new([8; KEY_BYTES]);
        assert_eq!(
            other.verify("silence", "a=b", &token, NOW),
            Err(SignatureError::Wrong)
        );
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let signer = Signer::new([7; KEY_BYTES]);
        let later = token_with_end(&signer.sign("a", "b", LATER), "9999");
        for token in [
            "", "-", "2000", "2000-", "2000-zz", "x-00", "2000-é", &later,
        ] {
            assert_eq!(
                signer.verify("a", "b", token, NOW),
                Err(SignatureError::Wrong),
                "{token}"
            );
        }
    }

    fn token_with_end(token: &str, end: &str) -> String {
        let (_, digits) = token.split_once('-').unwrap();
        format!("{end}-{digits}")
    }
}
