//! What handles ask of an engine: to listen, to connect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::engine::{Ends, Engine, Listener, Origin};
use super::path::{Paths, Route};
use super::socket::{Encapsulation, Hop, PacketSocket, source_towards};
use super::{Command, Listening};
use crate::config::Config;
use crate::error::Error;
use crate::link::Link;

/// Ports for clients and tests (RFC 6335 §6).
const EPHEMERAL: std::ops::RangeInclusive<u16> = 49152..=65535;

impl Engine {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Listen { config, accepted, reply } => {
                let listening = self.listen(config, accepted);
                if let Err(Ok(listening)) = reply.send(listening) {
                    self.unlisten(listening.id);
                }
            }
            Command::Unlisten { id } => self.unlisten(id),
            Command::Connect { config, peer, reply } => self.connect(&config, &peer, reply),
        }
    }

    fn listen(&mut self, mut config: Config, accepted: mpsc::Sender<Arc<Link>>) -> Result<Listening, Error> {
        let sockets = self.sockets_for(&config)?;
        let taken = |engine: &Self, port| sockets.iter().any(|socket| engine.listener(port, *socket).is_some());
        if config.port == 0 {
            config.port = self.free_port(|engine, port| !taken(engine, port))?;
        } else if taken(self, config.port) {
            return Err(Error::PortInUse(config.port));
        }
        let id = self.next_id;
        self.next_id += 1;
        let listening = Listening {
            id,
            local: sockets.iter().map(|socket| SocketAddr::new(self.sockets[*socket].local(), config.port)).collect(),
            udp: sockets.first().and_then(|socket| self.sockets[*socket].udp_port()),
        };
        self.listeners.push(Listener { id, port: config.port, sockets, config, accepted, associations: 0 });
        Ok(listening)
    }

    fn unlisten(&mut self, id: u64) {
        self.listeners.retain(|listener| listener.id != id);
    }

    fn connect(&mut self, config: &Config, peer: &[SocketAddr], reply: oneshot::Sender<Result<Arc<Link>, Error>>) {
        match self.prepare_connect(config, peer) {
            Ok((ends, paths, own)) => {
                let id = self.insert(config, ends, paths, Origin::Client(Some(reply)), own);
                self.reseed();
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.peer.connect(self.now);
                }
                self.retag(id);
                self.touch(id);
            }
            Err(error) => {
                // A caller that gave up is not there to be told.
                let _ = reply.send(Err(error));
            }
        }
    }

    fn prepare_connect(&mut self, config: &Config, peer: &[SocketAddr]) -> Result<(Ends, Paths, Vec<IpAddr>), Error> {
        let first = peer.first().ok_or(Error::PeerAddress("none was given"))?;
        let mut config = config.clone();
        if config.local.is_empty() {
            for address in peer {
                let source = source_towards(address.ip())?;
                if !config.local.contains(&source) {
                    config.local.push(source);
                }
            }
        }
        let sockets = self.sockets_for(&config)?;
        let udp = match self.encapsulation {
            Encapsulation::RawIp => 0,
            Encapsulation::Udp(_) => config.remote_udp_port,
        };
        let routes = peer.iter().filter_map(|address| {
            let peer = address.ip();
            let hop = Hop { peer, udp, local: None };
            self.socket_towards(&sockets, peer).map(|socket| Route { socket, hop })
        });
        let paths = Paths::new(routes).ok_or(Error::PeerAddress("no local address of its family"))?;
        let ends = |engine: &Self, local_port| {
            let route = paths.active();
            Ends {
                local: engine.sockets[route.socket].local(),
                local_port,
                peer: route.hop.peer,
                peer_port: first.port(),
            }
        };
        let local_port = if config.port == 0 {
            self.free_port(|engine, port| {
                !engine.ports.contains_key(&port) && !engine.listeners.iter().any(|l| l.port == port)
            })?
        } else if self.by_ends.contains_key(&ends(self, config.port)) {
            return Err(Error::PortInUse(config.port));
        } else {
            config.port
        };
        Ok((ends(self, local_port), paths, self.addresses_of(&sockets)))
    }

    /// Of these sockets, the one with the address that the system would send from, else any that can reach the peer.
    pub(super) fn socket_towards(&self, sockets: &[usize], peer: IpAddr) -> Option<usize> {
        let mut able = sockets.iter().copied().filter(|socket| self.sockets[*socket].reaches(peer));
        let first = able.next()?;
        if able.clone().next().is_none() {
            return Some(first);
        }
        let preferred = source_towards(peer).ok();
        able.find(|socket| Some(self.sockets[*socket].local()) == preferred).or(Some(first))
    }

    fn free_port(&self, free: impl Fn(&Self, u16) -> bool) -> Result<u16, Error> {
        let count = u64::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        let start = self.random() % count;
        (0..count)
            .filter_map(|step| u16::try_from((start + step) % count).ok())
            .map(|offset| EPHEMERAL.start() + offset)
            .find(|port| free(self, *port))
            .ok_or(Error::PortInUse(0))
    }

    /// The sockets of the configured addresses, opened where they are not yet.
    fn sockets_for(&mut self, config: &Config) -> Result<Vec<usize>, Error> {
        if config.local.is_empty() {
            let v4 = self.socket_at(Ipv4Addr::UNSPECIFIED.into(), config.dscp)?;
            // A host without IPv6 still serves IPv4.
            let v6 = self.socket_at(Ipv6Addr::UNSPECIFIED.into(), config.dscp).ok();
            return Ok([Some(v4), v6].into_iter().flatten().collect());
        }
        config.local.iter().map(|local| self.socket_at(*local, config.dscp)).collect()
    }

    fn socket_at(&mut self, local: IpAddr, dscp: u8) -> Result<usize, Error> {
        if let Some(index) = self.sockets.iter().position(|socket| socket.local() == local) {
            return Ok(index);
        }
        let encapsulation = match (self.encapsulation, self.sockets.first()) {
            // All addresses of an endpoint use one UDP port, also a free one.
            (Encapsulation::Udp(0), Some(first)) => Encapsulation::Udp(first.udp_port().unwrap_or_default()),
            (encapsulation, _) => encapsulation,
        };
        self.sockets.push(PacketSocket::open(encapsulation, local, dscp)?);
        self.outgoing.push(Vec::new());
        Ok(self.sockets.len() - 1)
    }
}
