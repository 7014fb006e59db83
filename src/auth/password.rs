//! Passwords: which are good enough, and their hashes.
//!
//! argon2id (RFC 9106), stored in the PHC form `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`, so that a stored hash says what
//! it took. Hashing runs beside the runtime, a few at a time: what it may hold in memory is `memory` times `concurrency`, and
//! who would wait too long is told to come again.

use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::model::secret::Secret;

/// Shorter ones are refused.
const SHORTEST: usize = 8;
/// Longer ones are refused.
const LONGEST: usize = 128;
/// From here on length is enough.
const LONG: usize = 15;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// How long somebody waits for his turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// What hashing costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory of one hash.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Hashes at once.
    pub concurrency: u32,
}

impl Default for Cost {
    /// OWASP's advice for argon2id.
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            iterations: 2,
            concurrency: 2,
        }
    }
}

/// Why there is no answer about a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HashError {
    /// Too many wait.
    #[error("too many logins at once; try again in a few seconds")]
    Busy,
    /// The parameters do not fit, or the thread ended.
    #[error("hash password failed")]
    Failed,
}

/// Why a password is not taken; never with the password.
///
/// A short one needs letters of both cases, a digit and any other sign; a long one needs nothing more. One that is the
/// user's name, or repeats one sign, is refused at any length.
///
/// # Errors
/// What it lacks.
pub fn check(password: &str, username: &str) -> Result<(), String> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Err(format!("password must have at least {SHORTEST} characters"));
    }
    if length > LONGEST {
        return Err(format!("password must have at most {LONGEST} characters"));
    }
    let lower = password.to_lowercase();
    let name = username.to_lowercase();
    if !name.is_empty() && lower.contains(&name) && length < name.chars().count() + SHORTEST {
        return Err("password must not be built from the username".to_owned());
    }
    let mut signs: Vec<char> = lower.chars().collect();
    signs.sort_unstable();
    signs.dedup();
    if signs.len() < 5 {
        return Err("password must have at least 5 different characters".to_owned());
    }
    if length >= LONG {
        return Ok(());
    }
    let has = |of: fn(char) -> bool| password.chars().any(of);
    let kinds = [
        (has(char::is_lowercase), "a lower-case letter"),
        (has(char::is_uppercase), "an upper-case letter"),
        (has(|c| c.is_numeric()), "a digit"),
        (has(|c| !c.is_alphanumeric()), "another sign"),
    ];
    let missing: Vec<&str> = kinds
        .iter()
        .filter(|(there, _)| !there)
        .map(|(_, kind)| *kind)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "password with fewer than {LONG} characters needs {} as well",
        missing.join(", ")
    ))
}

/// Hashes passwords and compares them with hashes.
#[derive(Clone, Debug)]
pub struct Hasher {
    cost: Cost,
    turns: Arc<Semaphore>,
    /// Of no password: who has no account costs as much as who has one.
    decoy: Arc<str>,
}

impl Hasher {
    /// A hasher of this cost.
    pub fn new(cost: Cost) -> Self {
        let turns = usize::try_from(cost.concurrency).unwrap_or(1);
        let parts = Parts {
            memory_kib: cost.memory_kib,
            iterations: cost.iterations,
            salt: rand::random::<[u8; SALT_BYTES]>().to_vec(),
            hash: rand::random::<[u8; HASH_BYTES]>().to_vec(),
        };
        Self {
            cost,
            turns: Arc::new(Semaphore::new(turns.max(1))),
            decoy: parts.write().into(),
        }
    }

    /// The hash of a password, with a salt of its own.
    ///
    /// # Errors
    /// Where too many wait.
    pub async fn hash(&self, password: &Secret) -> Result<Secret, HashError> {
        let cost = self.cost;
        self.run(password, move |password| {
            let salt = rand::random::<[u8; SALT_BYTES]>().to_vec();
            let hash = derive(password, &salt, cost.memory_kib, cost.iterations)?;
            let parts = Parts {
                memory_kib: cost.memory_kib,
                iterations: cost.iterations,
                salt,
                hash: hash.to_vec(),
            };
            Ok(Secret::new(parts.write()))
        })
        .await
    }

    /// Whether a password is that of a hash; takes as long where there is no hash, and says no.
    ///
    /// # Errors
    /// Where too many wait.
    pub async fn verify(
        &self,
        password: &Secret,
        stored: Option<&Secret>,
    ) -> Result<bool, HashError> {
        let parts = stored
            .and_then(|stored| Parts::read(stored.expose()))
            .map(|parts| (parts, true))
            .or_else(|| Some((Parts::read(&self.decoy)?, false)));
        let Some((parts, known)) = parts else {
            return Err(HashError::Failed);
        };
        self.run(password, move |password| {
            let hash = derive(password, &parts.salt, parts.memory_kib, parts.iterations)?;
            Ok(bool::from(hash.ct_eq(&parts.hash)) && known)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        password: &Secret,
        work: impl FnOnce(&[u8]) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned());
        let turn = turn.await.map_err(|_| HashError::Busy)?;
        let turn = turn.map_err(|_| HashError::Failed)?;
        let password = password.clone();
        let done = tokio::task::spawn_blocking(move || {
            let done = work(password.expose().as_bytes());
            // Not before: who gave up waiting does not free the memory.
            drop(turn);
            done
        });
        done.await.map_err(|_| HashError::Failed)?
    }
}

fn derive(
    password: &[u8],
    salt: &[u8],
    memory_kib: u32,
    iterations: u32,
) -> Result<[u8; HASH_BYTES], HashError> {
    let params = Params::new(memory_kib, iterations, 1, Some(HASH_BYTES));
    let params = params.map_err(|_| HashError::Failed)?;
    let mut hash = [0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password, salt, &mut hash)
        .map_err(|_| HashError::Failed)?;
    Ok(hash)
}

struct Parts {
    memory_kib: u32,
    iterations: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Parts {
    fn write(&self) -> String {
        format!(
            "$argon2id$v=19$m={},t={},p=1${}${}",
            self.memory_kib,
            self.iterations,
            STANDARD_NO_PAD.encode(&self.salt),
            STANDARD_NO_PAD.encode(&self.hash)
        )
    }

    fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("$argon2id$v=19$")?;
        let (costs, rest) = rest.split_once('$')?;
        let (salt, hash) = rest.split_once('$')?;
        let (memory, rest) = costs.strip_prefix("m=")?.split_once(",t=")?;
        let iterations = rest.strip_suffix(",p=1")?;
        Some(Self {
            memory_kib: memory.parse().ok()?,
            iterations: iterations.parse().ok()?,
            salt: STANDARD_NO_PAD.decode(salt).ok()?,
            hash: STANDARD_NO_PAD.decode(hash).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_counts_more_than_composition() {
        let refused = |password: &str| check(password, "ada").err();
        for good in [
            "Passw0rd!",
            "Sträßle-9 x",
            "correct horse battery",
            "Xk4#pq2z",
            "a passphrase of words",
        ] {
            assert_eq!(refused(good), None, "{good}");
        }
        for weak in [
            "weak",
            "password",
            "12345678",
            "Password1",
            "weakpassword",
            "ADA12!a.",
            "aaaaaaaaaaaaaaaaaaaa",
            &"Aa1!".repeat(33),
        ] {
            let why = refused(weak).expect(weak);
            assert!(why.contains("password"), "{why}");
            assert!(
                !why.contains(weak) || "password weak".contains(weak),
                "{why}"
            );
        }
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let hasher = Hasher::new(Cost {
            memory_kib: 8 * 1024,
            iterations: 1,
            concurrency: 1,
        });
        let password = Secret::new("Passw0rd!");
        let stored = hasher.hash(&password).await.unwrap();
        let text = stored.expose();
        assert!(text.starts_with("$argon2id$v=19$m=8192,t=1,p=1$"), "{text}");
        assert_ne!(stored, hasher.hash(&password).await.unwrap());
        let wrong = Secret::new("passw0rd!");
        assert_eq!(hasher.verify(&password, Some(&stored)).await, Ok(true));
        assert_eq!(hasher.verify(&wrong, Some(&stored)).await, Ok(false));
        assert_eq!(hasher.verify(&password, None).await, Ok(false));
        // Another cost than today's is read from the hash.
        let later = Hasher::new(Cost::default());
        assert_eq!(later.verify(&password, Some(&stored)).await, Ok(true));
    }

    #[test]
    fn a_hash_as_another_program_writes_it_is_read() {
        // RFC 9106, parameters as the reference program writes them.
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let parts = Parts::read(text).unwrap();
        assert_eq!((parts.memory_kib, parts.iterations), (65536, 2));
        let hash = derive(b"password", &parts.salt, 65536, 2).unwrap();
        assert_eq!(hash.to_vec(), parts.hash);
        for broken in [
            "",
            "$argon2i$v=19$m=1,t=1,p=1$a$b",
            "$argon2id$v=19$m=x,t=1,p=1$YQ$YQ",
        ] {
            assert!(Parts::read(broken).is_none(), "{broken}");
        }
    }
}
