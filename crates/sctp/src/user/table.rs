//! The engine's tables: which association exists, how it is found, and which ports are this process's own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::engine::{Ends, Engine, Entry, Origin};
use super::path::Paths;
use super::peer::{Peer, Produce};
use super::socket::Encapsulation;
use super::stack::options;
use crate::config::Config;
use crate::event::{Carrier, CloseReason};
use crate::link::{Kick, Limits, Link};

/// A port is answered for so long after its last association: the peer may have missed the last packet.
const LINGER: Duration = Duration::from_secs(30);
/// Ports remembered for that.
const LINGERING: usize = 1024;

impl Engine {
    pub(super) fn random(&self) -> u64 {
        let mut octets = [0; 8];
        // Fails on no system this runs on; the stack's own seed then stays, which is random too.
        match getrandom::fill(&mut octets) {
            Ok(()) => u64::from_ne_bytes(octets),
            Err(_) => fastrand::u64(..),
        }
    }

    /// The stack draws tags and sequence numbers from a generator that its output gives away: it is seeded anew
    /// before each use, so that nobody can guess another's (RFC 9260 §5.3.1).
    pub(super) fn reseed(&self) {
        fastrand::seed(self.random());
    }

    pub(super) fn carrier(&self) -> Carrier {
        match self.encapsulation {
            Encapsulation::RawIp => Carrier::RawIp,
            Encapsulation::Udp(_) => Carrier::Udp,
        }
    }

    pub(super) fn insert(
        &mut self,
        config: &Config,
        ends: Ends,
        paths: Paths,
        origin: Origin,
        own: Vec<IpAddr>,
    ) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let options = options(config, ends.local_port, ends.peer_port);
        let peer = Peer::new(id, config, &options, self.carrier(), paths);
        let limits =
            Limits { inbox: config.receive_window / 4, outbox: config.send_queue, message: config.max_message };
        let entry = Entry { peer, origin, limits, own, ends: Vec::new(), tag: 0 };
        self.entries.insert(id, entry);
        *self.ports.entry(ends.local_port).or_default() += 1;
        self.find_by(id, ends);
        id
    }

    /// Makes an association findable by these ends, unless another is already.
    pub(super) fn find_by(&mut self, id: u64, ends: Ends) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        self.by_ends.entry(ends).or_insert_with(|| {
            entry.ends.push(ends);
            id
        });
    }

    pub(super) fn retag(&mut self, id: u64) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let port = entry.peer.local_port;
        if entry.tag != 0 && self.by_tag.get(&(port, entry.tag)) == Some(&id) {
            self.by_tag.remove(&(port, entry.tag));
        }
        entry.tag = entry.peer.tag;
        self.by_tag.insert((port, entry.tag), id);
    }

    pub(super) fn established(&mut self, id: u64) {
        self.retag(id);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let kick = Kick::Engine(self.shared.clone(), id);
        let link = Arc::new(Link::new(kick, entry.limits, entry.peer.info()));
        entry.peer.link = Some(link.clone());
        let wanted = match &mut entry.origin {
            Origin::Client(reply) => reply.take().is_some_and(|reply| reply.send(Ok(link)).is_ok()),
            Origin::Listener(listener) => self
                .listeners
                .iter()
                .find(|candidate| candidate.id == *listener)
                .is_some_and(|listener| listener.accepted.try_send(link).is_ok()),
        };
        if !wanted {
            let mut produce = Produce::default();
            let reason = CloseReason::LocalAbort("nobody waits for it".to_owned());
            entry.peer.abort(reason, &mut produce);
            self.emit(id, produce, None, false, &[]);
            return;
        }
        self.touch(id);
    }

    pub(super) fn close(&mut self, id: u64, reason: &CloseReason) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        for ends in &entry.ends {
            self.by_ends.remove(ends);
        }
        let port = entry.peer.local_port;
        if self.by_tag.get(&(port, entry.tag)) == Some(&id) {
            self.by_tag.remove(&(port, entry.tag));
        }
        self.release_port(port);
        if let Origin::Listener(id) = entry.origin
            && let Some(listener) = self.listeners.iter_mut().find(|listener| listener.id == id)
        {
            listener.associations -= 1;
        }
        self.farewells.push((entry, reason.clone()));
    }

    pub(super) fn release_port(&mut self, port: u16) {
        if let Some(count) = self.ports.get_mut(&port) {
            *count -= 1;
            if *count == 0 {
                self.ports.remove(&port);
            }
        }
        let in_use = self.ports.contains_key(&port) || self.listeners.iter().any(|listener| listener.port == port);
        if in_use {
            return;
        }
        if self.lingering.len() == LINGERING {
            self.lingering.pop_front();
        }
        self.lingering.push_back((self.now + LINGER, port));
    }

    /// Whether this process answers for a port.
    pub(super) fn owns(&mut self, port: u16, socket: usize) -> bool {
        while self.lingering.front().is_some_and(|(until, _)| *until < self.now) {
            self.lingering.pop_front();
        }
        self.listener(port, socket).is_some()
            || self.ports.contains_key(&port)
            || self.lingering.iter().any(|(_, lingering)| *lingering == port)
    }

    pub(super) fn listener(&self, port: u16, socket: usize) -> Option<usize> {
        self.listeners.iter().position(|listener| listener.port == port && listener.sockets.contains(&socket))
    }

    pub(super) fn listener_origin(&mut self, index: usize) -> Origin {
        self.listeners[index].associations += 1;
        Origin::Listener(self.listeners[index].id)
    }

    /// Our addresses on these sockets, to be listed in INIT and INIT ACK; none where there is but one, or any.
    pub(super) fn addresses_of(&self, sockets: &[usize]) -> Vec<IpAddr> {
        let addresses: Vec<IpAddr> = sockets
            .iter()
            .map(|socket| self.sockets[*socket].local())
            .filter(|address| !address.is_unspecified())
            .collect();
        if addresses.len() > 1 { addresses } else { Vec::new() }
    }
}
