//! Which packet belongs to whom: associations, listeners, and the rules for packets out of the blue.

use std::net::IpAddr;

use crate::event::CloseReason;

use super::cookie::{MAX_ADDRESSES, Ports, Refused};
use super::engine::{Ends, Engine};
use super::path::{Paths, Route};
use super::peer::Produce;
use super::socket::Hop;
use super::stack::{answer_init, options};
use super::wire::{self, Chunk, Header, Init, cause, chunk};

impl Engine {
    /// One packet as it came from a socket.
    pub(super) fn packet(&mut self, packet: &[u8], route: Route) {
        let Some(header) = Header::parse(packet) else {
            return;
        };
        let Some(local) = self.local_of(route) else {
            return;
        };
        let ends = Ends { local, local_port: header.destination, peer: route.hop.peer, peer_port: header.source };
        let known = self.by_ends.get(&ends).copied();
        if known.is_none() && !self.owns(header.destination, route.socket) {
            // Another process may use it: raw sockets see every packet.
            return;
        }
        self.seen.packets += 1;
        if !wire::checksum_ok(packet) {
            self.seen.bad_checksum += 1;
            return;
        }
        if header.source == 0 || !wire::is_unicast(route.hop.peer) {
            return;
        }
        let Some(first) = wire::chunks(packet).next() else {
            return;
        };
        match first.kind {
            chunk::INIT => self.init(packet, header, first, route, known),
            chunk::COOKIE_ECHO => self.cookie_echo(packet, header, first, route, ends),
            _ => match known.or_else(|| self.tagged(header)) {
                Some(id) => {
                    if first.kind == chunk::INIT_ACK {
                        self.learn_addresses(id, header, first, route);
                    }
                    self.feed(id, packet, header, route, ends);
                }
                None => self.out_of_the_blue(packet, header, route),
            },
        }
    }

    /// Our address. `None` for a copy of a packet that another of our sockets receives too.
    fn local_of(&self, route: Route) -> Option<IpAddr> {
        match route.hop.local {
            None => Some(self.sockets.get(route.socket)?.local()),
            Some(local) if self.sockets.iter().any(|socket| socket.local() == local) => None,
            Some(local) => Some(local),
        }
    }

    /// The association with this verification tag: a multi-homed peer's packet from another address.
    fn tagged(&self, header: Header) -> Option<u64> {
        if header.tag == 0 {
            return None;
        }
        self.by_tag.get(&(header.destination, header.tag)).copied()
    }

    /// A server that lists further addresses in its INIT ACK can be reached there too.
    fn learn_addresses(&mut self, id: u64, header: Header, init_ack: Chunk<'_>, route: Route) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        if header.tag != entry.peer.tag || entry.peer.link.is_some() {
            return;
        }
        let listed = wire::listed_addresses(init_ack.value, MAX_ADDRESSES);
        let routes = self.routes_towards(&listed, &entry.own, route);
        if let Some(entry) = self.entries.get_mut(&id) {
            for route in routes {
                entry.peer.paths.add(route);
            }
        }
    }

    /// Ways to the addresses that a peer lists: from the socket that the system would take, of our own addresses,
    /// or the one the list came over where we have but one.
    fn routes_towards(&self, listed: &[IpAddr], own: &[IpAddr], came: Route) -> Vec<Route> {
        let route = |peer: &IpAddr| {
            let peer = *peer;
            if peer == came.hop.peer {
                return None;
            }
            let socket = if own.is_empty() {
                Some(came.socket)
            } else {
                let mine: Vec<usize> =
                    (0..self.sockets.len()).filter(|socket| own.contains(&self.sockets[*socket].local())).collect();
                self.socket_towards(&mine, peer)
            };
            let socket = socket.filter(|socket| self.sockets[*socket].reaches(peer))?;
            Some(Route { socket, hop: Hop { peer, ..came.hop } })
        };
        listed.iter().filter_map(route).collect()
    }

    fn feed(&mut self, id: u64, packet: &[u8], header: Header, route: Route, ends: Ends) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if entry.peer.peer_port != header.source {
            return;
        }
        if entry.peer.link.is_none()
            && header.tag == entry.peer.tag
            && let Some(why) = wire::abort_cause(packet)
        {
            // The stack hears no ABORT before it has a peer's tag; it is the refusal of our INIT.
            return self.close(id, &CloseReason::PeerAbort(why.to_owned()));
        }
        let mut produce = Produce::default();
        entry.peer.receive(self.now, packet, &mut produce);
        if header.tag == entry.peer.tag && entry.peer.heard(self.now, route, packet) {
            self.find_by(id, ends);
        }
        self.emit(id, produce, Some(route), false, &[]);
        self.touch(id);
    }

    /// INIT (RFC 9260 §5.1, §5.2.1, §5.2.2): answered without keeping anything.
    fn init(&mut self, packet: &[u8], header: Header, first: Chunk<'_>, route: Route, known: Option<u64>) {
        let Some(init) = Init::parse(first.value) else {
            return;
        };
        // RFC 9260 §8.5.1 A and §3.3.2: alone, with tag zero, and with a tag of its own.
        if header.tag != 0 || init.tag == 0 || wire::chunks(packet).nth(1).is_some() {
            return;
        }
        let refuse = |engine: &mut Self, code| {
            let abort = wire::abort(header.answer(init.tag), false, Some((code, &[])));
            engine.send(route, abort, None);
        };
        if init.out_streams == 0 || init.in_streams == 0 {
            return refuse(self, cause::INVALID_PARAMETER);
        }
        self.reseed();
        if let Some(entry) = known.and_then(|id| self.entries.get_mut(&id)) {
            let mut produce = Produce::default();
            let id = entry.peer.id;
            entry.peer.receive(self.now, packet, &mut produce);
            let listed = wire::listed_addresses(first.value, MAX_ADDRESSES - 1);
            return self.emit(id, produce, Some(route), false, &listed);
        }
        let Some(index) = self.listener(header.destination, route.socket) else {
            self.seen.out_of_the_blue += 1;
            let abort = wire::abort(header.answer(init.tag), false, None);
            return self.send(route, abort, None);
        };
        let listener = &self.listeners[index];
        if listener.associations >= listener.config.max_associations || listener.accepted.capacity() == 0 {
            self.seen.refused += 1;
            return refuse(self, cause::OUT_OF_RESOURCE);
        }
        let options = options(&listener.config, header.destination, header.source);
        let impairment = listener.config.impairment.clone();
        if let Some(answer) = answer_init(&options, packet) {
            let listed = wire::listed_addresses(first.value, MAX_ADDRESSES - 1);
            let ports = Ports { local: header.destination, peer: header.source };
            let own = self.addresses_of(&self.listeners[index].sockets);
            let answer = self.dress(answer, ports, route, &own, &listed);
            self.send(route, answer, impairment.as_ref());
        }
    }

    /// Lists our addresses in INIT and INIT ACK, and seals the cookie of INIT ACK. Other packets pass.
    pub(super) fn dress(
        &self,
        packet: Vec<u8>,
        ports: Ports,
        route: Route,
        own: &[IpAddr],
        listed: &[IpAddr],
    ) -> Vec<u8> {
        let kind = packet.get(wire::HEADER).copied();
        if !matches!(kind, Some(chunk::INIT | chunk::INIT_ACK)) {
            return packet;
        }
        let mut addresses = vec![route.hop.peer];
        addresses.extend(listed.iter().filter(|address| **address != route.hop.peer));
        let seal = |cookie: &[u8]| self.sealer.seal(cookie, self.now, ports, &addresses, route.hop.udp);
        wire::rewrite_init(&packet, own, seal).unwrap_or(packet)
    }

    /// COOKIE ECHO (RFC 9260 §5.1.5, §5.2.4): only with a cookie that this process sealed.
    fn cookie_echo(&mut self, packet: &[u8], header: Header, first: Chunk<'_>, route: Route, ends: Ends) {
        let ports = Ports { local: header.destination, peer: header.source };
        let opened = match self.sealer.open(first.value, self.now, ports, route.hop.peer) {
            Ok(opened) => opened,
            Err(refused) => {
                self.seen.bad_cookie += 1;
                return self.cookie_refused(refused, header, route, &first);
            }
        };
        let Some(plain) = wire::replace_cookie_echo(packet, &opened.inner) else {
            return;
        };
        let at = |peer: IpAddr| Ends { peer, ..ends };
        let known = opened.addresses.iter().find_map(|address| self.by_ends.get(&at(*address))).copied();
        self.reseed();
        let id = match known.or_else(|| self.tagged(header)) {
            Some(id) => id,
            None => match self.admit(&opened.addresses, header, route, ends) {
                Some(id) => id,
                None => return,
            },
        };
        self.feed(id, &plain, header, route, ends);
        let established =
            self.entries.get(&id).is_some_and(|entry| entry.peer.link.is_some() || entry.peer.is_connected());
        if known.is_none() && !established {
            // A cookie of ours that the stack would not take: nothing may stay.
            self.close(id, &CloseReason::Protocol("state cookie".to_owned()));
        }
    }

    fn cookie_refused(&mut self, refused: Refused, header: Header, route: Route, first: &Chunk<'_>) {
        // RFC 9260 §5.1.5: a stale cookie is told, with its staleness in microseconds; others are not answered.
        let Refused::Stale(by) = refused else {
            return;
        };
        let staleness = u32::try_from(by.as_micros()).unwrap_or(u32::MAX);
        // The peer's tag stands in the cookie, which the seal vouches for.
        const PEER_TAG: std::ops::Range<usize> = 8..12;
        if let Some(tag) = first.value.get(PEER_TAG).and_then(|tag| tag.try_into().ok()) {
            let header = header.answer(u32::from_be_bytes(tag));
            let error = wire::error(header, cause::STALE_COOKIE, &staleness.to_be_bytes());
            self.send(route, error, None);
        }
    }

    /// A new association through a listener, if there is room.
    fn admit(&mut self, addresses: &[IpAddr], header: Header, route: Route, ends: Ends) -> Option<u64> {
        let index = self.listener(header.destination, route.socket)?;
        let listener = &self.listeners[index];
        if listener.associations >= listener.config.max_associations || listener.accepted.capacity() == 0 {
            self.seen.refused += 1;
            let reflected = header.answer(header.tag);
            let abort = wire::abort(reflected, true, Some((cause::OUT_OF_RESOURCE, &[])));
            self.send(route, abort, None);
            return None;
        }
        let own = self.addresses_of(&listener.sockets);
        let others = self.routes_towards(addresses, &own, route);
        let paths = Paths::new(std::iter::once(route).chain(others))?;
        let config = listener.config.clone();
        let origin = self.listener_origin(index);
        Some(self.insert(&config, ends, paths, origin, own))
    }

    /// A packet of no association (RFC 9260 §8.4).
    fn out_of_the_blue(&mut self, packet: &[u8], header: Header, route: Route) {
        self.seen.out_of_the_blue += 1;
        let mut answer = None;
        for found in wire::chunks(packet) {
            match found.kind {
                chunk::ABORT | chunk::SHUTDOWN_COMPLETE | chunk::COOKIE_ACK | chunk::ERROR => return,
                chunk::SHUTDOWN_ACK => {
                    answer = Some(wire::shutdown_complete(header.answer(header.tag)));
                }
                _ => {}
            }
        }
        let abort = || wire::abort(header.answer(header.tag), true, None);
        let answer = answer.unwrap_or_else(abort);
        self.send(route, answer, None);
    }
}
