//! Where a request comes from, also behind proxies that are known.
//!
//! `X-Forwarded-For` is what anybody writes. It is read from the right, where the proxy next to us writes, for as long as who wrote is
//! one of `web.trusted_proxies`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;

/// The client's address, in a request's extensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Addresses that begin with the same bits, such as `10.0.0.0/8`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let wrong = || format!("not a network: {text:?}");
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| wrong()))?;
        if bits > most {
            return Err(wrong());
        }
        Ok(Self { address, bits })
    }
}

/// Where a request comes from; this machine where nobody says.
pub fn address(request: &Request, trusted: &[Network]) -> IpAddr {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |from| from.0.ip());
    forwarded(peer.to_canonical(), request.headers(), trusted)
}

fn forwarded(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
    let mut client = peer;
    let values = headers.get_all("x-forwarded-for").iter().rev();
    let hops = values.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    for hop in hops {
        if !is_trusted(client) {
            break;
        }
        let hop = hop.trim();
        let address = hop.parse::<IpAddr>().ok();
        let address = address.or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()));
        match address {
            Some(address) => client = address.to_canonical(),
            None => break,
        }
    }
    client
}

/// What counts as one client: an address, or the network that one subscriber has of IPv6.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_proxies_say_for_whom_they_ask() {
        let trusted: Vec<Network> = ["10.0.0.0/8", "127.0.0.1", "fd00::/8"]
            .map(|network| network.parse().unwrap())
            .into();
        let check = |peer: &str, given: &[&'static str], want: &str| {
            let mut headers = HeaderMap::new();
            for value in given {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let found = forwarded(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found, want.parse::<IpAddr>().unwrap(), "{peer} {given:?}");
        };
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["198.51.100.7"], "198.51.100.7");
        // What the client itself wrote stands to the left.
        check(
            "127.0.0.1",
            &["1.1.1.1, 198.51.100.7, 10.2.3.4"],
            "198.51.100.7",
        );
        check(
            "127.0.0.1",
            &["1.1.1.1", "198.51.100.7", "10.2.3.4"],
            "198.51.100.7",
        );
        check("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7");
        check("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1");
        check("fd00::1", &["::ffff:198.51.100.7"], "198.51.100.7");
        check("10.0.0.1", &["unknown"], "10.0.0.1");
        check("10.0.0.1", &["1.1.1.1, unknown, 10.2.3.4"], "10.2.3.4");
        check("10.0.0.1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2");
    }

    #[test]
    fn networks_are_read_and_hold_their_addresses() {
        let check = |network: &str, address: &str, want: bool| {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                want,
                "{network:?} {address}"
            );
        };
        check("0.0.0.0/0", "1.2.3.4", true);
        check("::/0", "2001:db8::1", true);
        check("::/0", "1.2.3.4", false);
        check("10.1.2.3/32", "10.1.2.3", true);
        check("10.1.2.3/31", "10.1.2.4", false);
        check("2001:db8::/32", "2001:db8:1::1", true);
        for wrong in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "localhost",
            "::/129",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_client() {
        let of = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
