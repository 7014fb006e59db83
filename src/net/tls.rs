//! TLS for outgoing connections: Prometheus's `tls_config`, built into a rustls configuration.
//!
//! Certificates named by file are read again for each new connection, so that rotated ones are picked up. As in
//! Prometheus, a CA of one's own replaces the system's.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::credentials::{SecretSource, read_secret_pair};
use crate::document::fields::Value;

/// The settings of `tls_config`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsConfig {
    /// Authorities trusted instead of the system's, PEM.
    pub ca: Option<SecretSource>,
    /// Our certificate chain, PEM.
    pub cert: Option<SecretSource>,
    /// Its key, PEM.
    pub key: Option<SecretSource>,
    /// The name to ask for and to check, instead of the URL's host.
    pub server_name: Option<String>,
    /// Takes any certificate.
    pub insecure_skip_verify: bool,
    /// Only TLS 1.3.
    pub min_tls13: bool,
    /// Only TLS 1.2.
    pub max_tls12: bool,
}

/// Why a TLS configuration cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("read {path:?}: {source}; check that the file exists and may be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The PEM text is not what it should be.
    #[error("{what} holds no usable PEM: {reason}")]
    Pem {
        /// `ca`, `cert` or `key`.
        what: &'static str,
        /// The reason.
        reason: String,
    },
    /// The system has no trusted authorities.
    #[error("the system has no CA certificates; install them or set tls_config.ca_file")]
    NoRoots,
    /// rustls refuses the combination.
    #[error("set up TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

impl TlsConfig {
    /// Reads a `tls_config`; files are relative to `base`.
    pub fn read(value: &Value<'_>, base: &Path) -> Option<Self> {
        let fields = value.fields()?;
        let ca = read_secret_pair(&fields, "ca", "ca_file", base);
        let cert = read_secret_pair(&fields, "cert", "cert_file", base);
        let key = read_secret_pair(&fields, "key", "key_file", base);
        if cert.is_some() != key.is_some() {
            value.error(
                "a client certificate needs both its certificate and its key",
                "set cert_file and key_file together",
            );
        }
        let version = |key| {
            let value = fields.get(key)?;
            let text = value.text()?;
            let refuse = |why: &str| value.error(why.to_owned(), "use TLS12 or TLS13");
            match text {
                "TLS12" | "TLS13" => return Some(text == "TLS13"),
                // An old lower bound asks for nothing that is not given; an old upper bound cannot be met.
                "TLS10" | "TLS11" if key == "min_version" => {}
                "TLS10" | "TLS11" => refuse("TLS below 1.2 is not spoken"),
                _ => refuse("unknown TLS version"),
            }
            None
        };
        let config = Self {
            ca,
            cert,
            key,
            server_name: fields.text("server_name"),
            insecure_skip_verify: fields.bool("insecure_skip_verify").unwrap_or(false),
            min_tls13: version("min_version") == Some(true),
            max_tls12: version("max_version") == Some(false),
        };
        if config.min_tls13 && config.max_tls12 {
            value.error("min_version is above max_version", "drop one of the two");
        }
        fields.finish();
        Some(config)
    }

    /// Whether every connection must read files again.
    pub fn reads_files(&self) -> bool {
        [&self.ca, &self.cert, &self.key]
            .into_iter()
            .any(|source| matches!(source, Some(SecretSource::File(_))))
    }

    /// The configuration for rustls. Reads files: blocking.
    ///
    /// # Errors
    /// Where a file cannot be read, or what it holds cannot be used.
    pub fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions: &[&rustls::SupportedProtocolVersion] = match (self.min_tls13, self.max_tls12)
        {
            (true, _) => &[&rustls::version::TLS13],
            (false, true) => &[&rustls::version::TLS12],
            (false, false) => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)?;
        let builder = if self.insecure_skip_verify {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        let config = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let chain = certificates("cert", &bytes(cert)?)?;
                let key =
                    PrivateKeyDer::from_pem_slice(&bytes(key)?).map_err(|error| TlsError::Pem {
                        what: "key",
                        reason: error.to_string(),
                    })?;
                builder.with_client_auth_cert(chain, key)?
            }
            (None, _) | (_, None) => builder.with_no_client_auth(),
        };
        Ok(config)
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, TlsError> {
        let Some(ca) = &self.ca else {
            return system_roots();
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates("ca", &bytes(ca)?)? {
            roots.add(certificate)?;
        }
        Ok(Arc::new(roots))
    }
}

/// The system's authorities, read once in the life of the process.
fn system_roots() -> Result<Arc<RootCertStore>, TlsError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    Ok(Arc::clone(roots))
}

fn bytes(source: &SecretSource) -> Result<Vec<u8>, TlsError> {
    match source {
        SecretSource::Inline(text) => Ok(text.expose().as_bytes().to_vec()),
        SecretSource::File(path) => std::fs::read(path).map_err(|source| TlsError::Read {
            path: path.clone(),
            source,
        }),
    }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(TlsError::Pem {
            what,
            reason: "no certificate in it".to_owned(),
        }),
        Err(error) => Err(TlsError::Pem {
            what,
            reason: error.to_string(),
        }),
    }
}

/// `insecure_skip_verify`: any certificate will do, but the handshake must still be signed with its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
