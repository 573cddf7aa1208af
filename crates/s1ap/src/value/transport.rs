//! Transport layer address (TS 36.413 §9.2.2.1, TS 36.414 §5.3).

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};

/// Addresses of a GTP-U end: 32 bits, 128 bits, or 160 bits for both (IPv4 first).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TransportAddress {
    /// IPv4 only.
    V4(Ipv4Addr),
    /// IPv6 only.
    V6(Ipv6Addr),
    /// Both.
    Both(Ipv4Addr, Ipv6Addr),
}

impl TransportAddress {
    /// The IPv4 address, if there is one.
    #[must_use]
    pub const fn v4(self) -> Option<Ipv4Addr> {
        match self {
            TransportAddress::V4(v4) | TransportAddress::Both(v4, _) => Some(v4),
            TransportAddress::V6(_) => None,
        }
    }

    /// The IPv6 address, if there is one.
    #[must_use]
    pub const fn v6(self) -> Option<Ipv6Addr> {
        match self {
            TransportAddress::V6(v6) | TransportAddress::Both(_, v6) => Some(v6),
            TransportAddress::V4(_) => None,
        }
    }
}

impl From<Ipv4Addr> for TransportAddress {
    fn from(v4: Ipv4Addr) -> Self {
        TransportAddress::V4(v4)
    }
}

impl From<Ipv6Addr> for TransportAddress {
    fn from(v6: Ipv6Addr) -> Self {
        TransportAddress::V6(v6)
    }
}

impl fmt::Display for TransportAddress {
    /// `10.0.0.1`, `2001:db8::1`, or both with a comma between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransportAddress::V4(v4) => v4.fmt(f),
            TransportAddress::V6(v6) => v6.fmt(f),
            TransportAddress::Both(v4, v6) => write!(f, "{v4}, {v6}"),
        }
    }
}
