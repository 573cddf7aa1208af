//! A UE's logical S1 connection.

use agw_types::{Ambr, Area, BearerEndpoint, BearerSetup, LinkId, UeId};
use basalt_ids::{Ebi, EnbUeS1apId};
use basalt_s1ap::{ErabTunnel, TransportAddress};
use core::net::IpAddr;
use serde::Serialize;

/// One connection. Its id is the MME-UE-S1AP-ID.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Connection {
    pub(crate) link: LinkId,
    pub(crate) enb_id: EnbUeS1apId,
    /// The base station has not given its id: the connection is the target's of a handover that it has not acknowledged.
    pub(crate) nameless: bool,
    pub(crate) stream: u16,
    /// Whose it is; `None` until mobility says.
    pub(crate) ue: Option<UeId>,
    pub(crate) area: Area,
    pub(crate) context: Context,
    /// E-RABs that stand at the base station.
    pub(crate) bearers: Bearers,
    /// E-RABs asked for by E-RAB SETUP REQUEST, answer outstanding.
    pub(crate) asked: Bearers,
    /// E-RABs asked to be changed by E-RAB MODIFY REQUEST, answer outstanding.
    pub(crate) changing: Bearers,
    /// What E-RAB SETUP REQUEST asks for as soon as the base station has the context.
    pub(crate) deferred: Option<Box<Deferred>>,
    /// E-RABs that E-RAB RELEASE COMMAND takes away, answer outstanding.
    pub(crate) leaving: Bearers,
    /// E-RABs that came with a path switch and are none of the UE's.
    pub(crate) unknown: Bearers,
}

/// Bearers that wait for the context.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Deferred {
    pub(crate) ambr: Option<Ambr>,
    pub(crate) bearers: Vec<BearerSetup>,
}

/// The UE context at the base station (TS 36.413 §8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Context {
    /// Signalling only.
    None,
    /// INITIAL CONTEXT SETUP REQUEST was sent.
    Requested,
    /// The base station has it.
    Established,
    /// HANDOVER REQUEST was sent: the UE may come, and HANDOVER NOTIFY makes the context an established one.
    Arriving,
    /// The UE was handed over: the source forwards what it has left, and is released.
    Departed,
    /// UE CONTEXT RELEASE COMMAND was sent: nothing but its answer counts any more.
    Releasing,
}

impl Connection {
    /// A connection without context, whose base station has given this id.
    pub(crate) fn new(link: LinkId, enb_id: EnbUeS1apId, stream: u16, area: Area) -> Self {
        Self {
            link,
            enb_id,
            nameless: false,
            stream,
            ue: None,
            area,
            context: Context::None,
            bearers: Bearers::default(),
            asked: Bearers::default(),
            changing: Bearers::default(),
            deferred: None,
            leaving: Bearers::default(),
            unknown: Bearers::default(),
        }
    }
}

/// A set of bearers: bit n is bearer n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Bearers(u16);

impl Bearers {
    pub(crate) const fn contains(self, ebi: Ebi) -> bool {
        self.0 & agw_types::status_bit(ebi) != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn insert(&mut self, ebi: Ebi) {
        self.0 |= agw_types::status_bit(ebi);
    }

    pub(crate) fn remove(&mut self, ebi: Ebi) {
        self.0 &= !agw_types::status_bit(ebi);
    }

    /// What is in `self` and not in `other`.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Ebi> {
        (1..=15).filter_map(|value| Ebi::new(value).ok()).filter(move |ebi| self.contains(*ebi))
    }
}

impl FromIterator<Ebi> for Bearers {
    fn from_iter<T: IntoIterator<Item = Ebi>>(bearers: T) -> Self {
        let mut set = Self::default();
        bearers.into_iter().for_each(|ebi| set.insert(ebi));
        set
    }
}

/// The base station's end of a bearer, in the address family that the gateway's own end has.
pub(crate) fn endpoint(tunnel: &ErabTunnel, ours: IpAddr) -> Option<BearerEndpoint> {
    Some(BearerEndpoint { ebi: tunnel.ebi, address: reachable(tunnel.address, ours)?, teid: tunnel.teid })
}

/// The address of an IE that is of the family of the gateway's own.
pub(crate) fn reachable(address: TransportAddress, ours: IpAddr) -> Option<IpAddr> {
    match ours {
        IpAddr::V4(_) => address.v4().map(IpAddr::V4),
        IpAddr::V6(_) => address.v6().map(IpAddr::V6),
    }
}

/// An address as an IE.
pub(crate) fn transport_address(address: IpAddr) -> TransportAddress {
    match address {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => v6.into(),
    }
}
