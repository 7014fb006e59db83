//! The keys that access tokens are signed with: RSA of 2048 bits, replaced from time to time.
//!
//! ```text
//!  made ──▶ published (an hour) ──▶ signs ──▶ its successor signs; still published ──▶ removed
//! ```
//!
//! Who keeps our key set for a while has the next key before it signs, and the last one until no token of it is left. A
//! key is stored as its two primes; ring computes with it, and checks that the parts belong together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto_bigint::{NonZero, Odd, U1024, U2048};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use serde_json::{Value, json};

use super::error::AuthError;
use crate::db::auth::keys::SigningKeyRow;
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;

/// How long a key is published before it signs.
const LEAD: Duration = Duration::from_secs(3600);
/// How long a key is kept after the last token of it has ended.
const MARGIN: Duration = Duration::from_secs(3600);
const PRIME_BITS: u32 = 1024;
const EXPONENT: u64 = 65_537;

/// A key, ready for use.
pub struct SigningKey {
    id: Arc<str>,
    created_at: Timestamp,
    pair: KeyPair,
    public: PublicKeyComponents<Vec<u8>>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

/// Makes a key: some tenths of a second of work.
pub fn generate(id: String, now: Timestamp) -> SigningKeyRow {
    let mut rng = rand::rng();
    loop {
        let mut prime = || -> U1024 {
            crypto_primes::random_prime(&mut rng, crypto_primes::Flavor::Any, PRIME_BITS)
        };
        let (one, other) = (prime(), prime());
        let (p, q) = if one > other {
            (one, other)
        } else {
            (other, one)
        };
        let row = SigningKeyRow {
            id: id.clone(),
            p: Secret::new(hex(&p)),
            q: Secret::new(hex(&q)),
            created_at: now,
        };
        // Two pairs in five have a product of 2047 bits; ring refuses them.
        if SigningKey::read(&row).is_ok() {
            return row;
        }
    }
}

impl SigningKey {
    /// Reads a stored key.
    ///
    /// # Errors
    /// Where its primes are none of a good key.
    pub fn read(row: &SigningKeyRow) -> Result<Self, AuthError> {
        const WRONG: AuthError =
            AuthError::SigningKey("stored signing key is not readable; remove its row");
        let components = components(row.p.expose(), row.q.expose()).ok_or(WRONG)?;
        let pair = KeyPair::from_components(&components).map_err(|_| WRONG)?;
        Ok(Self {
            id: row.id.as_str().into(),
            created_at: row.created_at,
            pair,
            public: components.public_key,
        })
    }

    /// What tokens call it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// The signature of a text.
    ///
    /// # Errors
    /// Where there are no random numbers to be had.
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, AuthError> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text,
                &mut signature,
            )
            .map_err(|_| AuthError::SigningKey("sign access token failed"))?;
        Ok(signature)
    }

    /// Whether a signature is this key's.
    pub fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        self.public
            .verify(&RSA_PKCS1_2048_8192_SHA256, text, signature)
            .is_ok()
    }

    /// The public half as a JSON Web Key (RFC 7517).
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": &*self.id,
            "n": URL_SAFE_NO_PAD.encode(&self.public.n),
            "e": URL_SAFE_NO_PAD.encode(&self.public.e),
        })
    }
}

fn components(p: &str, q: &str) -> Option<KeyPairComponents<Vec<u8>>> {
    let digits = usize::try_from(PRIME_BITS / 4).ok()?;
    if p.len() != digits || q.len() != digits {
        return None;
    }
    let (p, q) = (read_hex(p)?, read_hex(q)?);
    if p <= q {
        return None;
    }
    let one = U1024::ONE;
    let (p_less, q_less) = (p.wrapping_sub(&one), q.wrapping_sub(&one));
    let n: U2048 = p.widening_mul(&q).into();
    // d = e^-1 mod (p-1)(q-1), as in the first RSA; modulo their least common multiple it is the same key.
    let totient: U2048 = p_less.widening_mul(&q_less).into();
    let d = U2048::from_u64(EXPONENT).invert_mod(&NonZero::new(totient).into_option()?);
    let d: U2048 = d.into_option()?;
    let reduce = |modulus: &U1024| -> Option<U1024> {
        let wide: U2048 = modulus.resize();
        let rest = d.rem(&NonZero::new(wide).into_option()?);
        Some(rest.resize())
    };
    let odd = Odd::new(p).into_option()?;
    let q_inverse = q.invert_odd_mod(&odd).into_option()?;
    Some(KeyPairComponents {
        public_key: PublicKeyComponents {
            n: bytes(n.to_be_bytes()),
            e: bytes(EXPONENT.to_be_bytes()),
        },
        d: bytes(d.to_be_bytes()),
        p: bytes(p.to_be_bytes()),
        q: bytes(q.to_be_bytes()),
        dP: bytes(reduce(&p_less)?.to_be_bytes()),
        dQ: bytes(reduce(&q_less)?.to_be_bytes()),
        qInv: bytes(q_inverse.to_be_bytes()),
    })
}

/// Big-endian, without zeros at the front.
fn bytes(number: impl AsRef<[u8]>) -> Vec<u8> {
    let number = number.as_ref();
    let start = number.iter().position(|byte| *byte != 0);
    number[start.unwrap_or(number.len())..].to_vec()
}

fn hex(number: &U1024) -> String {
    format!("{number:x}")
}

fn read_hex(text: &str) -> Option<U1024> {
    text.bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then(|| U1024::from_be_hex(text))
}

/// What to do with the keys.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// The key that signs; none where none is there.
    pub signs: Option<usize>,
    /// Whether the next one is to be made.
    pub make: bool,
    /// Those that no token needs any more.
    pub remove: Vec<usize>,
}

/// Decides by when the keys were made, the oldest first.
pub fn plan(made: &[Timestamp], period: Duration, token: Duration, now: Timestamp) -> Plan {
    // The first has nobody before it: it signs at once.
    let signs_from = |i: usize| if i == 0 { made[0] } else { made[i] + LEAD };
    let signs = (0..made.len()).rev().find(|i| signs_from(*i) <= now);
    // A clock that stepped back leaves keys of the future; the oldest will do.
    let signs = signs.or((!made.is_empty()).then_some(0));
    let remove = (0..made.len().saturating_sub(1))
        .filter(|i| signs_from(i + 1) + token + MARGIN <= now)
        .collect();
    let make = match made.last() {
        None => true,
        Some(last) => *last + period <= now + LEAD,
    };
    Plan {
        signs,
        make,
        remove,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A new key.
    pub(in crate::auth) fn key(id: &str) -> SigningKey {
        let row = generate(id.to_owned(), Timestamp::from_millis(0));
        SigningKey::read(&row).unwrap()
    }

    #[test]
    fn a_key_signs_is_read_back_and_shows_only_its_public_half() {
        let row = generate("a".to_owned(), Timestamp::from_millis(7));
        let key = SigningKey::read(&row).unwrap();
        let signature = key.sign(b"text").unwrap();
        assert_eq!(signature.len(), 256);
        let again = SigningKey::read(&row).unwrap();
        assert!(again.verifies(b"text", &signature));
        assert!(!again.verifies(b"Text", &signature));
        let jwk = key.jwk();
        assert_eq!(jwk["e"], "AQAB");
        assert_eq!(jwk.as_object().unwrap().len(), 6);
        let mut other = row.clone();
        other.q = Secret::new(format!("{}1", "0".repeat(255)));
        assert!(SigningKey::read(&other).is_err());
        assert!(!format!("{row:?}{key:?}").contains(row.p.expose()));
    }

    #[test]
    fn the_next_key_is_known_before_it_signs_and_the_last_until_its_tokens_end() {
        let hour = |hours: i64| Timestamp::from_millis(hours * 3_600_000);
        let check = |made: &[i64], now: i64, want: (Option<usize>, bool, &[usize])| {
            let made: Vec<Timestamp> = made.iter().map(|made| hour(*made)).collect();
            let period = Duration::from_secs(24 * 3600);
            let plan = plan(&made, period, Duration::from_secs(900), hour(now));
            let found = (plan.signs, plan.make, plan.remove.as_slice());
            assert_eq!(found, want, "{made:?} {now}");
        };
        check(&[], 0, (None, true, &[]));
        check(&[0], 0, (Some(0), false, &[]));
        check(&[0], 22, (Some(0), false, &[]));
        check(&[0], 23, (Some(0), true, &[]));
        check(&[0, 23], 23, (Some(0), false, &[]));
        check(&[0, 23], 24, (Some(1), false, &[]));
        check(&[0, 23], 25, (Some(1), false, &[]));
        check(&[0, 23], 26, (Some(1), false, &[0]));
        // Nobody logged in for long.
        check(&[0], 900, (Some(0), true, &[]));
        check(&[0, 900], 900, (Some(0), false, &[]));
        check(&[0, 23, 47], 60, (Some(2), false, &[0, 1]));
        check(&[50], 0, (Some(0), false, &[]));
    }
}
