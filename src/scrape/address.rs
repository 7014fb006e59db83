//! Target addresses: `host`, `host:port`, `[v6]:port`.

/// Why a text is no target address.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("target address is empty")]
    Empty,
    /// A URL or path instead of an address.
    #[error("{0:?} is not a valid hostname: it contains '/'")]
    Slash(String),
    /// Something that no URL's host may hold.
    #[error("{0:?} is not a valid hostname")]
    Invalid(String),
    /// Not 1 to 65535.
    #[error("{0:?} has no valid port")]
    Port(String),
}

/// Checks an address as a URL would see it.
///
/// # Errors
/// Says what is wrong with it.
pub fn check(text: &str) -> Result<(), AddressError> {
    // What stands before an @ is a password, most likely.
    let shown = match text.rsplit_once('@') {
        Some((_, host)) => format!("<credentials>@{host}"),
        None => text.to_owned(),
    };
    let short = || shown.chars().take(100).collect::<String>();
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if text.contains('/') {
        return Err(AddressError::Slash(short()));
    }
    if let Some(port) = port(text)
        && port.parse::<u16>().is_ok_and(|port| port > 0).eq(&false)
    {
        return Err(AddressError::Port(short()));
    }
    let url = url::Url::parse(&format!("http://{text}/"));
    let plain = |url: url::Url| {
        url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
    };
    if url.is_ok_and(plain) {
        Ok(())
    } else {
        Err(AddressError::Invalid(short()))
    }
}

/// What stands behind the last colon that is not part of an IPv6 address.
fn port(text: &str) -> Option<&str> {
    let (host, port) = text.rsplit_once(':')?;
    let whole = !host.starts_with('[') || host.ends_with(']');
    whole.then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_with_optional_ports() {
        for good in ["a", "a.b:80", "10.0.0.1:9100", "[::1]:9100", "[::1]"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "", "http://a", "a/b", "a:", "a:x", "a:0", "a:65536", "u@a:1", "a b:1", "a?x:1", "[::1",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        for bad in ["http://u:pw@a/m", "u:pw@a:1", "u:p@pw@a:x"] {
            let error = check(bad).map_err(|error| error.to_string());
            assert!(
                error.as_ref().is_err_and(|error| !error.contains("pw")),
                "{error:?}"
            );
        }
    }
}
