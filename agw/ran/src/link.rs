//! A base station's association and what is known of the station.

use agw_types::{LinkId, LinkInfo, RadioId, StoredLink};
use basalt_ids::{GlobalEnbId, Tai};
use basalt_s1ap::{PagingDrx, SupportedTa};
use core::net::IpAddr;
use serde::Serialize;
use std::collections::BTreeMap;

/// One association.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Link {
    pub(crate) info: LinkInfo,
    pub(crate) state: LinkState,
    /// Connections over it, by the base station's id. Ordered, so that a lost link ends them in one order.
    pub(crate) connections: BTreeMap<u32, RadioId>,
    /// How many connections it ever had: spreads them over the SCTP streams.
    opened: u32,
    /// How often a RESET of ours was sent without an answer; 0 when none is on its way.
    pub(crate) resets: u8,
}

/// What S1 setup made of an association.
#[derive(Debug, Clone, Serialize)]
pub(crate) enum LinkState {
    /// Up, S1 not set up: S1 SETUP REQUEST is the only message that fits.
    Fresh,
    /// Known from before a restart of the gateway; the driver has not said yet whether the association lives.
    Remembered(Enb),
    /// S1 is set up.
    Ready(Enb),
}

/// A base station whose S1 is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Enb {
    pub(crate) id: GlobalEnbId,
    pub(crate) name: Option<String>,
    /// Every area it serves, each network it broadcasts there counted.
    pub(crate) areas: Vec<Tai>,
    /// Default paging DRX cycle in radio frames.
    pub(crate) drx: u16,
}

impl Link {
    pub(crate) const fn new(info: LinkInfo) -> Self {
        Self { info, state: LinkState::Fresh, connections: BTreeMap::new(), opened: 0, resets: 0 }
    }

    /// The base station, once S1 is set up.
    pub(crate) const fn ready(&self) -> Option<&Enb> {
        match &self.state {
            LinkState::Ready(enb) => Some(enb),
            LinkState::Fresh | LinkState::Remembered(_) => None,
        }
    }

    /// The base station, also when its association is not known to live.
    pub(crate) const fn enb(&self) -> Option<&Enb> {
        match &self.state {
            LinkState::Ready(enb) | LinkState::Remembered(enb) => Some(enb),
            LinkState::Fresh => None,
        }
    }

    /// The primary address of the peer.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.info.peers.first().copied()
    }

    /// Whether two associations can be with one machine: they share an address.
    pub(crate) fn shares_address(&self, other: &Link) -> bool {
        self.info.peers.iter().any(|peer| other.info.peers.contains(peer))
    }

    /// The SCTP stream for a new connection: stream 0 is for signalling that concerns no UE (TS 36.412 §7).
    pub(crate) fn next_stream(&mut self) -> u16 {
        let number = self.opened;
        self.opened = self.opened.wrapping_add(1);
        match self.info.streams {
            0 | 1 => 0,
            streams => 1 + (number % u32::from(streams - 1)) as u16,
        }
    }
}

impl Enb {
    /// What is kept of a base station across a restart.
    pub(crate) fn stored(&self, link: LinkId) -> StoredLink {
        StoredLink { link, enb: self.id, name: self.name.clone(), areas: self.areas.clone(), drx: self.drx }
    }

    pub(crate) fn restored(stored: StoredLink) -> Self {
        Self { id: stored.enb, name: stored.name, areas: stored.areas, drx: stored.drx }
    }
}

/// The areas of a list of supported TAs: each code in each network that is broadcast there.
pub(crate) fn areas(supported: &[SupportedTa]) -> Vec<Tai> {
    let mut areas: Vec<Tai> = supported
        .iter()
        .flat_map(|ta| ta.broadcast_plmns.iter().map(|plmn| Tai { plmn: *plmn, tac: ta.tac }))
        .collect();
    areas.sort_unstable();
    areas.dedup();
    areas
}

/// Radio frames of a paging DRX cycle; a value of a later release counts as the longest one known.
pub(crate) const fn frames(drx: PagingDrx) -> u16 {
    match drx {
        PagingDrx::Frames32 => 32,
        PagingDrx::Frames64 => 64,
        PagingDrx::Frames128 => 128,
        PagingDrx::Frames256 | PagingDrx::Unknown(_) => 256,
    }
}

/// The cycle to tell base stations for a UE's own choice; `None` for a number of frames that is no cycle.
pub(crate) const fn drx(frames: u16) -> Option<PagingDrx> {
    match frames {
        32 => Some(PagingDrx::Frames32),
        64 => Some(PagingDrx::Frames64),
        128 => Some(PagingDrx::Frames128),
        256 => Some(PagingDrx::Frames256),
        _ => None,
    }
}
