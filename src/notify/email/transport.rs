//! SMTP: one connection a message, since pages are rare and servers close idle ones.
//!
//! ```text
//! port 465 (or force_implicit_tls):  TCP ─ TLS ─ EHLO ─ AUTH ─ MAIL RCPT DATA
//! otherwise:                         TCP ─ EHLO ─ STARTTLS ─ EHLO ─ AUTH ─ MAIL RCPT DATA
//! ```
//!
//! With `require_tls: false` TLS is used where it is offered. Credentials never travel in the clear, except to this host.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, Identity, TlsParameters, TlsVersion,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::Response;
use md5::{Digest, Md5};

use crate::net::credentials::SecretSource;
use crate::net::tls::TlsConfig;
use crate::notify::http::load;
use crate::notify::integration::{Reason, SendError};

/// How long one connection step may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the whole exchange may take.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// The way to the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transport {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Name to greet with; this machine's where absent.
    pub hello: Option<String>,
    /// Whether TLS begins with the connection.
    pub implicit_tls: bool,
    /// Whether mail may only be sent over TLS.
    pub require_tls: bool,
    /// Certificates.
    pub tls: TlsConfig,
    /// Who we are; nobody in particular where absent.
    pub auth: Option<SmtpAuth>,
}

/// Who we are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SmtpAuth {
    /// User.
    pub username: String,
    /// For PLAIN and LOGIN.
    pub password: Option<SecretSource>,
    /// For CRAM-MD5.
    pub secret: Option<SecretSource>,
    /// On behalf of whom, for PLAIN; mostly empty.
    pub identity: String,
}

impl Transport {
    /// Hands the message over; returns the server's answer in short.
    ///
    /// # Errors
    /// Every failure, classed; no address of a person in it.
    pub async fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<String, SendError> {
        match tokio::time::timeout(EXCHANGE_TIMEOUT, self.exchange(envelope, message)).await {
            Ok(result) => result,
            Err(_) => Err(SendError::temporary(
                Reason::Timeout,
                format!("no answer within {EXCHANGE_TIMEOUT:?}"),
            )),
        }
    }

    async fn exchange(&self, envelope: &Envelope, message: &[u8]) -> Result<String, SendError> {
        let mut connection = self.connect().await?;
        let result = self.deliver(&mut connection, envelope, message).await;
        if result.is_ok() {
            // The message is accepted whatever follows.
            if let Err(error) = connection.quit().await {
                tracing::debug!(error = %redact(&error.to_string()), "end SMTP session");
            }
        } else {
            connection.abort().await;
        }
        result
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let hello = match &self.hello {
            Some(name) => ClientId::Domain(name.clone()),
            None => ClientId::default(),
        };
        let address = (self.host.as_str(), self.port);
        let timeout = Some(CONNECT_TIMEOUT);
        if self.implicit_tls {
            let tls = self.tls_parameters(false).await?;
            return AsyncSmtpConnection::connect_tokio1(address, timeout, &hello, Some(tls), None)
                .await
                .map_err(|error| classed(&error));
        }
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, timeout, &hello, None, None)
                .await
                .map_err(|error| classed(&error))?;
        if connection.can_starttls() {
            // Without credentials and without a demand for TLS, a certificate nobody vouches for still beats plain text.
            let any = !self.require_tls && self.auth.is_none() && self.tls == TlsConfig::default();
            let tls = self.tls_parameters(any).await?;
            connection
                .starttls(tls, &hello)
                .await
                .map_err(|error| classed(&error))?;
        } else if self.require_tls {
            connection.abort().await;
            return Err(SendError::permanent(
                Reason::Tls,
                "the server does not offer STARTTLS; use its TLS port, or set require_tls: false",
            ));
        }
        Ok(connection)
    }

    async fn tls_parameters(&self, any_certificate: bool) -> Result<TlsParameters, SendError> {
        let tls = &self.tls;
        let domain = tls.server_name.clone().unwrap_or_else(|| self.host.clone());
        let mut builder = TlsParameters::builder(domain)
            .dangerous_accept_invalid_certs(tls.insecure_skip_verify || any_certificate);
        if tls.min_tls13 {
            builder = builder.set_min_tls_version(TlsVersion::Tlsv13);
        }
        if let Some(ca) = &tls.ca {
            let pem = load(ca).await?;
            let certificate = Certificate::from_pem(pem.expose().as_bytes())
                .map_err(|_| configuration("tls_config.ca holds no usable PEM"))?;
            builder = builder
                .certificate_store(CertificateStore::None)
                .add_root_certificate(certificate);
        }
        if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
            let (cert, key) = (load(cert).await?, load(key).await?);
            let identity = Identity::from_pem(cert.expose().as_bytes(), key.expose().as_bytes())
                .map_err(|_| configuration("tls_config.cert and key are not usable PEM"))?;
            builder = builder.identify_with(identity);
        }
        // Reads the system's certificates: not on the runtime's own threads.
        tokio::task::spawn_blocking(move || builder.build())
            .await
            .map_err(|_| configuration("TLS could not be set up"))?
            .map_err(|error| classed(&error))
    }

    async fn deliver(
        &self,
        connection: &mut AsyncSmtpConnection,
        envelope: &Envelope,
        message: &[u8],
    ) -> Result<String, SendError> {
        if let Some(auth) = &self.auth {
            self.authenticate(connection, auth).await?;
        }
        let mut parameters = Vec::new();
        let info = connection.server_info();
        if !message.is_ascii() && info.supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let mut addresses = envelope.from().into_iter().chain(envelope.to());
        if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
            if !info.supports_feature(Extension::SmtpUtfEight) {
                return Err(configuration(
                    "an address is not ASCII, and the server does not support SMTPUTF8",
                ));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        connection
            .command(Mail::new(envelope.from().cloned(), parameters))
            .await
            .map_err(|error| classed(&error))?;
        let refused = self.recipients(connection, envelope).await?;
        connection
            .command(Data)
            .await
            .map_err(|error| classed(&error))?;
        let answer = connection
            .message(message)
            .await
            .map_err(|error| classed(&error))?;
        let mut status = answer.code().to_string();
        if refused > 0 {
            let all = envelope.to().len();
            tracing::warn!(refused, all, "some recipients were refused for good");
            status.push_str(&format!(" ({refused} of {all} recipients refused)"));
        }
        Ok(status)
    }

    /// Names the recipients; returns how many were refused for good. A recipient to be tried later defers the whole
    /// message: nothing is sent twice to the others.
    async fn recipients(
        &self,
        connection: &mut AsyncSmtpConnection,
        envelope: &Envelope,
    ) -> Result<usize, SendError> {
        let mut refused = Vec::new();
        for recipient in envelope.to() {
            match connection
                .command(Rcpt::new(recipient.clone(), vec![]))
                .await
            {
                Ok(_) => {}
                Err(error) if error.is_permanent() => refused.push(classed(&error)),
                Err(error) => return Err(classed(&error)),
            }
        }
        match refused.pop() {
            Some(last) if refused.len() + 1 == envelope.to().len() => Err(last),
            Some(_) => Ok(refused.len() + 1),
            None => Ok(0),
        }
    }

    async fn authenticate(
        &self,
        connection: &mut AsyncSmtpConnection,
        auth: &SmtpAuth,
    ) -> Result<(), SendError> {
        let local = matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if !connection.is_encrypted() && !local {
            return Err(SendError::permanent(
                Reason::Tls,
                "credentials are not sent without TLS; use a server that offers it",
            ));
        }
        let answer = match (&auth.password, &auth.secret) {
            (Some(password), _) => {
                let password = load(password).await?;
                let info = connection.server_info();
                if info.supports_auth_mechanism(Mechanism::Plain) {
                    let AuthPlain(command) = AuthPlain::new(auth, password.expose());
                    connection.command(command).await
                } else if info.supports_auth_mechanism(Mechanism::Login) {
                    let credentials =
                        Credentials::new(auth.username.clone(), password.expose().to_owned());
                    connection.auth(&[Mechanism::Login], &credentials).await
                } else {
                    return Err(SendError::permanent(
                        Reason::Auth,
                        "the server offers neither AUTH PLAIN nor AUTH LOGIN; check port and TLS settings",
                    ));
                }
            }
            (None, Some(secret)) => {
                let secret = load(secret).await?;
                cram_md5(connection, &auth.username, secret.expose()).await
            }
            (None, None) => return Err(configuration("auth_password is missing")),
        };
        answer.map(drop).map_err(|error| SendError {
            reason: Reason::Auth,
            ..classed(&error)
        })
    }
}

/// A line that must not be printed.
struct AuthPlain(String);

impl AuthPlain {
    /// RFC 4616: authorization identity, authentication identity, password.
    fn new(auth: &SmtpAuth, password: &str) -> Self {
        let triple = format!("{}\0{}\0{password}", auth.identity, auth.username);
        Self(format!("AUTH PLAIN {}\r\n", BASE64.encode(triple)))
    }
}

/// RFC 2195: the answer is the user and the challenge's HMAC.
async fn cram_md5(
    connection: &mut AsyncSmtpConnection,
    username: &str,
    secret: &str,
) -> Result<Response, lettre::transport::smtp::Error> {
    let challenge = connection.command("AUTH CRAM-MD5\r\n").await?;
    let challenge = challenge.first_word().unwrap_or_default().to_owned();
    let challenge = BASE64.decode(challenge).unwrap_or_default();
    let digest = hmac_md5(secret.as_bytes(), &challenge);
    let answer = BASE64.encode(format!("{username} {digest}"));
    connection.command(format!("{answer}\r\n")).await
}

fn hmac_md5(key: &[u8], message: &[u8]) -> String {
    const BLOCK: usize = 64;
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..16].copy_from_slice(&Md5::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Md5::new()
        .chain_update(block.map(|byte| byte ^ 0x36))
        .chain_update(message)
        .finalize();
    let outer = Md5::new()
        .chain_update(block.map(|byte| byte ^ 0x5c))
        .chain_update(inner)
        .finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The class of an SMTP failure, its text without addresses.
fn classed(error: &lettre::transport::smtp::Error) -> SendError {
    let detail = redact(&error.to_string());
    let code = error.status().map(|code| code.to_string());
    let reason = match code.as_deref() {
        Some("530" | "534" | "535" | "538") => Reason::Auth,
        // 421 too many connections, 450 to 452 greylisted, busy or full.
        Some(code) if code.starts_with('4') => Reason::RateLimited,
        Some(_) => Reason::ClientError,
        None if error.is_timeout() => Reason::Timeout,
        None if error.is_tls() || detail.contains("certificate") => Reason::Tls,
        None if error.is_response() => Reason::BadResponse,
        None => Reason::Connection,
    };
    SendError {
        reason,
        retryable: !error.is_permanent(),
        retry_after: None,
        detail,
    }
}

/// Servers quote addresses of people in their errors.
fn redact(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        if word.contains('@') {
            "<address>"
        } else {
            word
        }
    });
    words
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(300)
        .collect()
}

fn configuration(detail: impl Into<String>) -> SendError {
    SendError::permanent(Reason::Configuration, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_md5_equals_the_examples_of_rfc_2104_and_2195() {
        assert_eq!(
            hmac_md5(&[0x0b; 16], b"Hi There"),
            "9294727a3638bb1c13f48ef8158bfc9d"
        );
        assert_eq!(
            hmac_md5(
                b"tanstaaftanstaaf",
                b"<1896.697170952@postoffice.reston.mci.net>"
            ),
            "b913a602c7eda7a495b4e6e7334d3890"
        );
        assert_eq!(hmac_md5(&[b'k'; 100], b"x").len(), 32);
    }

    #[test]
    fn addresses_do_not_reach_the_log() {
        assert_eq!(
            redact("permanent error (550): <ops@example.org>: no such user"),
            "permanent error (550): <address> no such user"
        );
    }
}
