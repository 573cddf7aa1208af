//! The data plane as a table in memory: what a packet meets, and what waits for idle phones.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use agw_types::{DataplaneChange, Peer, Tunnel, TunnelState, UeAddress};
use basalt_ids::{Imsi, Teid};
use basalt_sansio::{Duration, Time};

/// Packets kept for one idle phone.
pub(crate) const BUFFER: usize = 8;
/// Why a packet into an idle tunnel is refused.
pub(crate) const IDLE: &str = "the tunnel is idle";
/// Refused for so long, a base station that sends into an idle tunnel is told.
const ENOUGH: Duration = Duration::from_secs(2);
/// After a pause of this length that begins anew.
const PAUSE: Duration = Duration::from_secs(5);

/// A downlink packet: a number, so that its fate can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub to: Ipv4Addr,
    pub number: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Plane {
    tunnels: BTreeMap<Teid, Tunnel>,
    by_address: BTreeMap<UeAddress, Teid>,
    buffers: BTreeMap<UeAddress, Buffer>,
    /// First and last packet of a base station into an idle tunnel.
    insisting: BTreeMap<(Teid, Ipv4Addr), (Time, Time)>,
}

#[derive(Debug, Default)]
struct Buffer {
    packets: VecDeque<Packet>,
    /// The core was told that packets wait.
    told: bool,
}

/// What becomes of a phone's packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uplinked {
    Forwarded(Imsi),
    /// The base station is told by an Error Indication.
    UnknownTunnel,
    Refused(&'static str),
}

/// What becomes of a packet for a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Downlinked {
    Sent(Teid, Peer),
    Kept {
        /// The first one of an idle period: the core must hear of it.
        tell: bool,
    },
    Full,
    NoPhone,
}

/// What a change of the tables brought about.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Packets that waited and go out now.
    pub flushed: Vec<Packet>,
    /// What must never happen: somebody else had the tunnel or the address.
    pub clash: Option<String>,
}

impl Plane {
    pub(crate) fn apply(&mut self, change: &DataplaneChange) -> Applied {
        let mut applied = Applied::default();
        match change {
            DataplaneChange::Set(tunnel) => {
                self.insisting.retain(|(teid, _), _| *teid != tunnel.teid);
                applied.clash = self.clash(tunnel);
                self.set(tunnel);
                match tunnel.state {
                    TunnelState::Connected(_) => {
                        let buffer = self.buffers.remove(&tunnel.address).unwrap_or_default();
                        applied.flushed = buffer.packets.into();
                    }
                    // Word that was given before is answered; what comes now is told again.
                    TunnelState::Idle => {
                        if let Some(buffer) = self.buffers.get_mut(&tunnel.address) {
                            buffer.told = false;
                        }
                    }
                }
            }
            DataplaneChange::Remove { teid, address } => {
                self.insisting.retain(|(insisted, _), _| insisted != teid);
                if self.tunnels.get(teid).is_some_and(|tunnel| tunnel.address == *address) {
                    self.tunnels.remove(teid);
                }
                if self.by_address.get(address) == Some(teid) {
                    self.by_address.remove(address);
                    self.buffers.remove(address);
                }
            }
            // Packets here have no flow: they go by the default bearer.
            DataplaneChange::Serve { .. } => {}
            // What base stations forward is not drawn here.
            DataplaneChange::Forward { .. } | DataplaneChange::StopForwarding { .. } => {}
            DataplaneChange::Discard { address } => drop(self.buffers.remove(address)),
        }
        applied
    }

    fn clash(&self, tunnel: &Tunnel) -> Option<String> {
        if let Some(other) = self.tunnels.get(&tunnel.teid)
            && (other.imsi != tunnel.imsi || other.address != tunnel.address)
        {
            return Some(format!("tunnel {:?} of {:?} is set for {:?}", tunnel.teid, other, tunnel));
        }
        let owner = self.by_address.get(&tunnel.address).and_then(|teid| self.tunnels.get(teid));
        let other = owner.filter(|other| other.teid != tunnel.teid)?;
        Some(format!("address {} of {other:?} is set for {tunnel:?}", tunnel.address))
    }

    fn set(&mut self, tunnel: &Tunnel) {
        if let Some(former) = self.by_address.insert(tunnel.address, tunnel.teid)
            && former != tunnel.teid
        {
            self.tunnels.remove(&former);
        }
        if let Some(former) = self.tunnels.insert(tunnel.teid, tunnel.clone())
            && former.address != tunnel.address
        {
            self.by_address.remove(&former.address);
        }
    }

    pub(crate) fn uplink(&self, from: Ipv4Addr, teid: Teid, source: Ipv4Addr) -> Uplinked {
        let Some(tunnel) = self.tunnels.get(&teid) else { return Uplinked::UnknownTunnel };
        match tunnel.state {
            TunnelState::Idle => Uplinked::Refused(IDLE),
            TunnelState::Connected(peer) if peer.address != IpAddr::V4(from) => {
                Uplinked::Refused("another base station")
            }
            TunnelState::Connected(_) if tunnel.address.ipv4() != Some(source) => {
                Uplinked::Refused("a source that is not the phone's")
            }
            TunnelState::Connected(_) => Uplinked::Forwarded(tunnel.imsi),
        }
    }

    /// Notes a packet into an idle tunnel. True when there have been such for so long that the base station is told by an Error
    /// Indication.
    pub(crate) fn insists(&mut self, now: Time, from: Ipv4Addr, teid: Teid) -> bool {
        let (first, last) = self.insisting.entry((teid, from)).or_insert((now, now));
        if now.since(*last) >= PAUSE {
            *first = now;
        }
        *last = now;
        let enough = now.since(*first) >= ENOUGH;
        if enough {
            self.insisting.remove(&(teid, from));
        }
        enough
    }

    pub(crate) fn downlink(&mut self, packet: Packet) -> Downlinked {
        let tunnel = self.by_address.get(&packet.to.into()).and_then(|teid| self.tunnels.get(teid));
        let Some(tunnel) = tunnel else { return Downlinked::NoPhone };
        if let TunnelState::Connected(peer) = tunnel.state {
            return Downlinked::Sent(tunnel.teid, peer);
        }
        let buffer = self.buffers.entry(packet.to.into()).or_default();
        if buffer.packets.len() >= BUFFER {
            return Downlinked::Full;
        }
        buffer.packets.push_back(packet);
        let tell = !std::mem::replace(&mut buffer.told, true);
        Downlinked::Kept { tell }
    }

    /// The daemon that kept packets is dead, and they with it; the tables live on.
    pub(crate) fn daemon_died(&mut self) {
        self.buffers.clear();
        self.insisting.clear();
    }

    pub(crate) fn power_lost(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn installed(&self) -> Vec<Tunnel> {
        self.tunnels.values().cloned().collect()
    }

    pub(crate) fn tunnel(&self, teid: Teid) -> Option<&Tunnel> {
        self.tunnels.get(&teid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunnel(teid: u32, last: u8, state: TunnelState) -> Tunnel {
        let address = UeAddress::Ipv4(Ipv4Addr::new(10, 45, 0, last));
        let imsi = format!("0010100000000{last:02}").parse().unwrap();
        let ambr = agw_types::Ambr { uplink: u64::MAX, downlink: u64::MAX };
        Tunnel {
            teid: Teid(teid),
            address,
            framed_routes: Vec::new(),
            ebi: basalt_ids::Ebi::new(5).unwrap(),
            imsi,
            state,
            ambr,
            ue_ambr: None,
        }
    }

    fn connected() -> TunnelState {
        TunnelState::Connected(Peer { address: IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1)), teid: Teid(9) })
    }

    #[test]
    fn packets_for_an_idle_phone_wait_and_go_out_in_order() {
        let mut plane = Plane::default();
        plane.apply(&DataplaneChange::Set(tunnel(1, 7, TunnelState::Idle)));
        let to = Ipv4Addr::new(10, 45, 0, 7);
        let told: Vec<_> = (0..BUFFER as u64 + 1).map(|number| plane.downlink(Packet { to, number })).collect();
        assert_eq!(told[0], Downlinked::Kept { tell: true });
        assert_eq!(told[1], Downlinked::Kept { tell: false });
        assert_eq!(told[BUFFER], Downlinked::Full);
        let applied = plane.apply(&DataplaneChange::Set(tunnel(1, 7, connected())));
        assert!(applied.clash.is_none());
        assert_eq!(applied.flushed.iter().map(|packet| packet.number).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
        assert!(matches!(plane.downlink(Packet { to, number: 9 }), Downlinked::Sent(Teid(1), _)));
    }

    #[test]
    fn nobody_gets_what_another_has() {
        let mut plane = Plane::default();
        plane.apply(&DataplaneChange::Set(tunnel(1, 7, connected())));
        assert!(plane.apply(&DataplaneChange::Set(tunnel(1, 7, TunnelState::Idle))).clash.is_none());
        assert!(plane.apply(&DataplaneChange::Set(tunnel(2, 7, connected()))).clash.is_some(), "an address twice");
        assert!(plane.apply(&DataplaneChange::Set(tunnel(2, 8, connected()))).clash.is_some(), "a tunnel twice");
        assert_eq!(plane.installed().len(), 1);
    }

    #[test]
    fn who_goes_on_sending_into_an_idle_tunnel_is_told() {
        let (mut plane, from) = (Plane::default(), Ipv4Addr::new(10, 1, 0, 1));
        let at = |milliseconds: u64| Time::from_micros(milliseconds * 1_000);
        plane.apply(&DataplaneChange::Set(tunnel(1, 7, TunnelState::Idle)));
        let told: Vec<_> = [0, 900, 6_000, 6_900, 8_000].map(|time| plane.insists(at(time), from, Teid(1))).into();
        assert_eq!(told, [false, false, false, false, true]);
        assert!(!plane.insists(at(8_100), from, Teid(1)));
        plane.apply(&DataplaneChange::Set(tunnel(1, 7, TunnelState::Idle)));
        assert!(!plane.insists(at(10_100), from, Teid(1)), "it was set anew");
    }

    #[test]
    fn a_packet_passes_only_from_the_right_place() {
        let mut plane = Plane::default();
        plane.apply(&DataplaneChange::Set(tunnel(1, 7, connected())));
        let (station, phone) = (Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 45, 0, 7));
        assert!(matches!(plane.uplink(station, Teid(1), phone), Uplinked::Forwarded(_)));
        assert!(matches!(plane.uplink(phone, Teid(1), phone), Uplinked::Refused(_)));
        assert!(matches!(plane.uplink(station, Teid(1), station), Uplinked::Refused(_)));
        assert_eq!(plane.uplink(station, Teid(2), phone), Uplinked::UnknownTunnel);
    }
}
