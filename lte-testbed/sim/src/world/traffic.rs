//! User packets: out of phones through tunnels, and from the internet to phones, wherever they are.

use std::net::{IpAddr, Ipv4Addr};

use agw_types::{DataplaneChange, Input, Peer, Traffic, TunnelState, UeState};
use basalt_ids::{Ebi, Teid};
use basalt_sansio::Duration;
use testbed_ran::PhoneId;
use testbed_ue::EmmState;

use super::{Turn, World};
use crate::check::Steady;
use crate::plane::{Downlinked, IDLE, Packet, Uplinked};
use crate::radio::Connection;

/// A busy phone's packets.
const INTERVAL: Duration = Duration::from_millis(900);
/// A way through the data plane counts as steady when its phone did not signal for so long.
const QUIET: Duration = Duration::from_secs(3);

impl World {
    /// A phone's next packet, as long as its user has something to send.
    pub(super) fn next_packet(&mut self, phone: usize) {
        let handset = &self.handsets[phone];
        if handset.busy_until <= self.now || !handset.covered {
            return;
        }
        if handset.ue.state() == EmmState::Registered {
            if handset.ue.bearers_up() {
                self.send_packet(phone);
            } else if handset.connection.is_none() {
                self.checks.packets.not_connected(phone);
                self.phone(phone, testbed_ue::Input::UplinkData);
            }
        }
        let next = self.now + INTERVAL;
        self.arm(Turn::Packet(phone), next);
    }

    /// The first PDN connection of a phone, and its address.
    pub(crate) fn address_of(&self, phone: usize) -> Option<(Ebi, Ipv4Addr)> {
        let default = self.handsets[phone].ue.sessions().iter().find(|session| session.linked.is_none())?;
        Some((default.ebi, default.address?))
    }

    pub(crate) fn send_packet(&mut self, phone: usize) {
        let now = self.now;
        let Some((ebi, source)) = self.address_of(phone) else { return };
        let Some(connection) = self.handsets[phone].connection else { return };
        let Some(bearer) = self.connections.get(&connection) else { return };
        let station = bearer.station;
        let tunnel = self.stations[station].enb.uplink_tunnel(now, PhoneId(connection.0), ebi);
        let Some(tunnel) = tunnel else { return };
        let imsi = self.handsets[phone].ue.imsi();
        match self.plane.uplink(self.stations[station].address, tunnel.uplink, source) {
            Uplinked::Forwarded(owner) if owner == imsi => {
                self.checks.packets.out(phone);
                self.handsets[phone].proof.uplink = true;
            }
            Uplinked::Forwarded(owner) => self.checks.fail(format!("a packet of {imsi:?} left as one of {owner:?}")),
            Uplinked::UnknownTunnel => {
                self.checks.count("uplink packets of unknown tunnels");
                // The gateway's Error Indication: the base station lets the phone go.
                self.station(station, testbed_ran::Input::RadioLost(PhoneId(connection.0)));
            }
            Uplinked::Refused(IDLE) if self.insists(station, tunnel.uplink) => {
                self.checks.count("error indications for idle tunnels");
                self.station(station, testbed_ran::Input::RadioLost(PhoneId(connection.0)));
            }
            Uplinked::Refused(why) => self.refused(phone, why),
        }
    }

    /// Only a daemon that lives can tell the base station.
    fn insists(&mut self, station: usize, teid: Teid) -> bool {
        self.gateway.is_alive() && self.plane.insists(self.now, self.stations[station].address, teid)
    }

    fn refused(&mut self, phone: usize, why: &'static str) {
        self.checks.count("refused uplink packets");
        if !self.gateway.is_alive() {
            return;
        }
        if let Some(dark) = self.checks.packets.refused(self.now, phone) {
            let imsi = self.handsets[phone].ue.imsi();
            self.checks.fail(format!("{imsi:?} is connected and for {dark:?} none of its packets passed: {why}"));
        }
    }

    /// A packet from the internet. True when a phone got it at once.
    pub(crate) fn send_to(&mut self, to: Ipv4Addr) -> bool {
        let packet = Packet { to, number: self.number() };
        match self.plane.downlink(packet) {
            Downlinked::Sent(teid, peer) => self.deliver(teid, peer, packet),
            Downlinked::Kept { tell } => {
                self.checks.packets.buffered += 1;
                if !self.gateway.is_alive() {
                    // Nobody is there to keep it.
                    self.plane.daemon_died();
                } else if tell {
                    self.gateway_input(Input::Traffic(Traffic::DownlinkWaiting { address: to.into() }));
                }
                false
            }
            Downlinked::Full => {
                self.checks.count("full buffers");
                false
            }
            Downlinked::NoPhone => {
                self.checks.count("packets for nobody");
                false
            }
        }
    }

    /// A packet arrives at a base station, in a tunnel.
    fn deliver(&mut self, teid: Teid, peer: Peer, packet: Packet) -> bool {
        let now = self.now;
        let station = self.stations.iter().position(|station| IpAddr::V4(station.address) == peer.address);
        let found = station.and_then(|station| self.stations[station].enb.downlink_phone(now, peer.teid));
        let Some((PhoneId(number), _)) = found else {
            self.checks.count("error indications of base stations");
            self.gateway_input(Input::Traffic(Traffic::ErrorIndication { teid, peer }));
            return false;
        };
        let phone = self.connections.get(&Connection(number)).and_then(|bearer| bearer.phone);
        let Some(phone) = phone else { return false };
        let (imsi, owner) = (self.handsets[phone].ue.imsi(), self.plane.tunnel(teid).map(|tunnel| tunnel.imsi));
        if owner.is_some_and(|owner| owner != imsi) {
            self.checks.fail(format!("a packet for {owner:?} at {} reached {imsi:?}", packet.to));
        }
        let handset = &self.handsets[phone];
        let heard = handset.covered && handset.connection == Some(Connection(number)) && handset.ue.bearers_up();
        if heard {
            self.checks.packets.downlink += 1;
            self.handsets[phone].proof.downlink = true;
        }
        heard
    }

    /// The gateway changes the data plane.
    pub(super) fn apply(&mut self, change: &DataplaneChange) {
        let applied = self.plane.apply(change);
        if let Some(clash) = applied.clash {
            self.checks.fail(clash);
        }
        let DataplaneChange::Set(tunnel) = change else { return };
        let TunnelState::Connected(peer) = tunnel.state else { return };
        for packet in applied.flushed {
            self.checks.packets.flushed += 1;
            self.deliver(tunnel.teid, peer, packet);
        }
    }

    /// Ways through the data plane that nothing but the death of the process could disturb now.
    pub(super) fn steady_ways(&self) -> Vec<Steady> {
        let unacknowledged: Vec<_> = self.gateway.keeper.unacknowledged().collect();
        if unacknowledged.iter().any(|event| !matches!(event, crate::gateway::KeeperEvent::Message { .. })) {
            return Vec::new();
        }
        (0..self.handsets.len()).filter_map(|phone| self.steady_way(phone)).collect()
    }

    /// The way of a phone that is connected and has not signalled for a while.
    pub(super) fn steady_way(&self, phone: usize) -> Option<Steady> {
        let handset = &self.handsets[phone];
        let quiet = handset.last_signalling + QUIET < self.now;
        if !quiet || handset.ue.state() != EmmState::Registered || !handset.ue.bearers_up() || !handset.covered {
            return None;
        }
        let connection = handset.connection?;
        let (_, address) = self.address_of(phone)?;
        let bearer = self.connections.get(&connection)?;
        let info = self.stations[bearer.station].enb.connection(PhoneId(connection.0))?;
        let teid = info.bearers.first()?.uplink;
        // A phone whose ATTACH COMPLETE is lost is in the middle of its attach, whatever it believes.
        let view = self.gateway.core()?.ue(handset.ue.imsi())?;
        if view.state != UeState::Connected || !view.description.starts_with("attached and") {
            return None;
        }
        let active = info.state == testbed_ran::ConnectionState::Active && handset.coming_from.is_none();
        let at = self.stations[bearer.station].address;
        let way = Steady { connection, station: bearer.station, imsi: handset.ue.imsi(), teid, address };
        (active && self.passes(&way, at)).then_some(way)
    }

    fn passes(&self, way: &Steady, from: Ipv4Addr) -> bool {
        let up = self.plane.uplink(from, way.teid, way.address) == Uplinked::Forwarded(way.imsi);
        let down = self.plane.tunnel(way.teid).is_some_and(|tunnel| tunnel.address.ipv4() == Some(way.address));
        up && down
    }

    /// Everybody who was connected in peace before the process died, and did nothing since, still is.
    pub(super) fn check_steady(&mut self, when: &str) {
        for way in std::mem::take(&mut self.steady) {
            let phone = self.checks.phone_of(way.imsi);
            let Some(phone) = phone.filter(|phone| self.handsets[*phone].connection == Some(way.connection)) else {
                continue;
            };
            let handset = &self.handsets[phone];
            let Some(bearer) = self.connections.get(&way.connection).filter(|bearer| bearer.station == way.station)
            else {
                continue;
            };
            let station = &self.stations[bearer.station];
            let info = station.enb.connection(PhoneId(way.connection.0));
            let still = info.is_some_and(|info| info.state == testbed_ran::ConnectionState::Active);
            let linked = station.link.is_some_and(|link| self.links.get(&link) == Some(&bearer.station));
            let peace = linked && station.down.iter().all(testbed_netem::Link::is_empty);
            let undisturbed = handset.last_signalling + QUIET < self.died_at && handset.coming_from.is_none();
            let undisturbed = undisturbed && still && peace;
            if !undisturbed || !handset.ue.bearers_up() {
                continue;
            }
            if self.passes(&way, station.address) {
                self.checks.packets.across_deaths += 1;
                self.steady.push(way);
            } else {
                let tunnel = self.plane.tunnel(way.teid);
                let what = format!("{when}: {way:?} was connected and undisturbed, and now packets meet {tunnel:?}");
                self.checks.fail(what);
                return;
            }
        }
    }
}
