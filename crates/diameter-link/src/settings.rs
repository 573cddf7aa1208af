//! What a node is started with.

use crate::tls::Tls;
use basalt_diameter::Limits;
use basalt_diameter::node::{Local, PeerConfig, Route};
use std::io;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// How a peer is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// TCP; TLS may begin within it ([`PeerConfig::inband_tls`]).
    #[default]
    Tcp,
    /// TLS from the first octet on (RFC 6733 §13.2).
    Tls,
    /// SCTP (RFC 6733 §2.1.1), in clear.
    Sctp,
}

/// A peer.
#[derive(Debug, Clone)]
pub struct Remote {
    /// What the node knows of it.
    pub config: PeerConfig,
    /// How it is reached.
    pub transport: Transport,
    /// Where: `HOST:PORT`. Empty for a peer that connects to us.
    pub address: String,
}

/// Where connections are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// How.
    pub transport: Transport,
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
}

/// What a node is started with.
#[derive(Debug)]
pub struct Settings {
    /// Who we are.
    pub local: Local,
    /// Peers, by the order that [`basalt_diameter::node::PeerId`] counts.
    pub remotes: Vec<Remote>,
    /// Where requests go.
    pub routes: Vec<Route>,
    /// What one peer may ask of the reader.
    pub limits: Limits,
    /// Where connections are accepted.
    pub listen: Vec<Listen>,
    /// Addresses that may connect, as network and prefix length; empty for any (the name is judged in every case).
    pub accept_from: Vec<(IpAddr, u8)>,
    /// Certificates; without them, nothing is spoken over TLS.
    pub tls: Option<Tls>,
    /// Requests of peers that may wait to be looked at; further ones are answered DIAMETER_TOO_BUSY.
    pub arrivals: usize,
}

/// Why a node does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A listener cannot be had.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// TLS is asked for and there is no certificate.
    #[error("TLS is asked for, and no certificate is configured")]
    NoCertificate,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// Whether an address is one of these.
pub(crate) fn permitted(networks: &[(IpAddr, u8)], address: IpAddr) -> bool {
    let bits = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, true),
        IpAddr::V6(v6) => (u128::from(v6), false),
    };
    let (wanted, family) = bits(address);
    networks.is_empty()
        || networks.iter().any(|(network, length)| {
            let (network, same) = bits(*network);
            let width = if family { 32 } else { 128 };
            let mask = u128::MAX.checked_shl(128 - u32::from(*length).min(width)).unwrap_or(0);
            same == family && network & mask == wanted & mask
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_by_prefix_and_family() {
        let list = [("10.1.0.0".parse().unwrap(), 16), ("2001:db8::".parse().unwrap(), 32)];
        let may = |address: &str| permitted(&list, address.parse().unwrap());
        assert!(may("10.1.255.1") && may("::ffff:10.1.2.3") && may("2001:db8:1::1"));
        assert!(!may("10.2.0.1") && !may("2001:db9::1") && !may("::a01:1"));
        assert!(permitted(&[], "192.0.2.1".parse().unwrap()));
        assert!(permitted(&[("0.0.0.0".parse().unwrap(), 0)], "192.0.2.1".parse().unwrap()));
    }
}
