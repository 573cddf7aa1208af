//! The keeper: a small process that owns the associations, so that a restart or `kill -9` of the daemon behind it
//! drops no base station.
//!
//! ```text
//!  base stations ══SCTP══ keeper ══Unix stream══ daemon (one at a time)
//! ```
//!
//! Uplink events are numbered. The daemon acknowledges a number once everything that followed from it is out and
//! durable ([`Client::ack`], cumulative); what a dead daemon has not acknowledged is delivered again to the next.
//! A daemon that connects is told the associations as of the last acknowledged event, then gets every event
//! after it: snapshot and log fit together without a gap or an overlap.
//!
//! It is deliberately not: persistent (its own death ends the associations), or a place that looks into messages.

mod client;
mod frame;
mod log;
mod server;
mod state;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use crate::config::Config;
use crate::event::{Carrier, CloseReason, Message, PeerInfo};

pub use client::Client;
pub use server::{run, serve, serve_until};

/// What the keeper listens on and how much it buffers.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// One listener per entry (S1AP, later NGAP).
    pub listeners: Vec<Config>,
    /// Octets of uplink messages held for the daemon, over all associations. Beyond it the keeper stops reading
    /// and the peers' windows close. One association takes a quarter of it at most.
    pub uplink_buffer: usize,
}

impl ServeConfig {
    /// One or several listeners and the default buffer of 8 MiB.
    #[must_use]
    pub fn new(listeners: impl Into<Vec<Config>>) -> Self {
        Self { listeners: listeners.into(), uplink_buffer: 8 << 20 }
    }
}

/// Name of an association at a keeper; never used twice in a keeper's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssociationId(pub u64);

/// An association the keeper holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Its name.
    pub id: AssociationId,
    /// The peer, with addresses and streams.
    pub peer: PeerInfo,
    /// The port it came in on (36412: S1AP).
    pub local_port: u16,
    /// The back end that carries it.
    pub carrier: Carrier,
    /// When it came up (to the millisecond).
    pub since: SystemTime,
}

/// What the keeper tells a daemon that has just connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Random, new with every keeper process: with another number, every association of before is gone.
    pub instance: u64,
    /// The addresses listened on.
    pub listening: Vec<SocketAddr>,
    /// The associations as of `acked`.
    pub live: Vec<Live>,
    /// The last acknowledged event; the next one delivered is `acked + 1`.
    pub acked: u64,
}

/// A numbered event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// 1, 2, 3 … in a keeper's life.
    pub seq: u64,
    /// What happened.
    pub event: KeeperEvent,
}

/// What happens at a keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeeperEvent {
    /// An association came up.
    Up(Live),
    /// A message of a peer.
    Message {
        /// Its association.
        id: AssociationId,
        /// The message.
        message: Message,
    },
    /// The peer has restarted: its earlier state is gone, the association goes on.
    Restarted {
        /// Its association.
        id: AssociationId,
        /// The peer as it is now: streams may have changed.
        peer: PeerInfo,
    },
    /// Data now goes to another address of the peer.
    PathChange {
        /// Its association.
        id: AssociationId,
        /// The address.
        path: IpAddr,
    },
    /// An association has ended.
    Down {
        /// Its name, not used again.
        id: AssociationId,
        /// How.
        reason: CloseReason,
    },
}

/// Failure of the conversation between daemon and keeper.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SCTP could not start.
    #[error(transparent)]
    Sctp(#[from] crate::Error),
    /// A system call failed.
    #[error("keeper: {what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Another keeper serves this socket.
    #[error("keeper: another keeper is alive on this socket")]
    Busy,
    /// The other end runs as another user.
    #[error("keeper: the other end has user id {0}")]
    ForeignUser(u32),
    /// The other end speaks another version of the protocol.
    #[error("keeper: the other end speaks version {0} of the protocol")]
    Version(u16),
    /// Another daemon has taken this one's place.
    #[error("keeper: another daemon has connected")]
    Replaced,
    /// The keeper has gone.
    #[error("keeper: connection lost")]
    Disconnected,
    /// A frame that no version of the protocol has.
    #[error("keeper: malformed frame: {0}")]
    Frame(&'static str),
}

impl Error {
    fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
