//! Outgoing HTTP for scraping, and the TLS and credential settings that everything outgoing shares.
//!
//! [`client::Client`] speaks HTTP/1.1 to one target over one kept-alive connection, with a deadline over the whole
//! exchange and a cap on the body. [`config`] reads Prometheus's `http_client_config` keys. Proxies, OAuth 2 and HTTP/2
//! are deliberately not here: a sidecar's target is a neighbour.

pub mod body;
pub mod client;
pub mod config;
pub mod credentials;
pub mod tls;

#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
