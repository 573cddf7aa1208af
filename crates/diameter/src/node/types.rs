//! What goes into a node and what comes out of it.

use crate::code::{Application, ResultCode};
use crate::message::Outcome;
use basalt_sansio::{Duration, Time};
use core::net::IpAddr;

/// Who this node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Its DiameterIdentity, such as `feg1.example.net`.
    pub host: String,
    /// Its realm.
    pub realm: String,
    /// Addresses to tell, one at least.
    pub addresses: Vec<IpAddr>,
    /// Vendor-Id to tell; 0 where there is none.
    pub vendor: u32,
    /// Product-Name.
    pub product: String,
    /// What it serves.
    pub applications: Vec<Service>,
    /// Grows with each start at which sessions were lost (Origin-State-Id, §8.16).
    pub state_id: u32,
}

/// An application that a side serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// Which.
    pub application: Application,
    /// Whose; 0 for one of the IETF.
    pub vendor: u32,
}

/// A peer, by its number in the order in which peers were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub usize);

/// What is known of a peer beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConfig {
    /// Its DiameterIdentity. What calls itself otherwise is not this peer.
    pub host: String,
    /// Whether connections to it are made, or only awaited from it.
    pub connect: bool,
    /// Whether it must show a certificate with its name.
    pub certified: bool,
    /// Whether TLS begins within the connection, after CER and CEA (§13.1).
    pub inband_tls: bool,
    /// Realms that its requests may come from; empty for any.
    pub realms: Vec<String>,
    /// Requests that may wait for its answers.
    pub outstanding: usize,
    /// Requests of its own that may wait for our answers.
    pub served: usize,
    /// Requests of its own each second, and at once.
    pub rate: u32,
    /// Tw: the time of silence after which it is asked whether it is there; 6 s or more (RFC 3539 §3.4.1).
    pub watchdog: Duration,
}

impl PeerConfig {
    /// A peer of that name, with what RFC 6733 and RFC 3539 recommend.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            connect: true,
            certified: false,
            inband_tls: false,
            realms: Vec::new(),
            outstanding: 10_000,
            served: 1_000,
            rate: 1_000,
            watchdog: Duration::from_secs(30),
        }
    }
}

/// Where requests for a realm go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The realm, without regard to case; `*` for all that have no route of their own.
    pub realm: String,
    /// Of which application; `None` for all.
    pub application: Option<Application>,
    /// Peers with their ranks: those of the lowest rank share the load, the others stand in for them.
    pub peers: Vec<(PeerId, u8)>,
}

/// A connection. Those that the driver accepts are numbered by it, below 2^63; those that the node asks for by the node, from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A request of ours, by the number that whoever sends it gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// A request of a peer's, to be answered once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u64);

/// Something that happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Somebody connected.
    Accepted {
        /// The connection.
        link: LinkId,
        /// Names of the certificate that was shown; `None` without TLS.
        names: Option<Vec<String>>,
    },
    /// A connection that the node asked for stands.
    Connected {
        /// The connection.
        link: LinkId,
        /// Names of the certificate that was shown; `None` without TLS.
        names: Option<Vec<String>>,
    },
    /// TLS began within a connection.
    Secured {
        /// The connection.
        link: LinkId,
        /// Names of the certificate that was shown.
        names: Vec<String>,
    },
    /// One message, as [`crate::framed`] cut it out of the stream.
    Received {
        /// The connection.
        link: LinkId,
        /// The message.
        octets: &'a [u8],
    },
    /// A connection is gone, or never came to be.
    Closed {
        /// The connection.
        link: LinkId,
    },
    /// A request of ours.
    Send(Outgoing),
    /// The answer to a peer's request; identifiers are set by the node.
    Answer {
        /// To which.
        handle: Handle,
        /// The message.
        octets: Vec<u8>,
    },
    /// [`super::Node::next_wakeup`] has come.
    Wakeup,
    /// No new requests; peers are told that we go (DPR).
    Stop,
}

/// A request of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// To name it by.
    pub token: Token,
    /// The message: Destination-Realm, and Destination-Host where it must be that host. Identifiers are set by the node.
    pub octets: Vec<u8>,
    /// What is alike goes to the same peer as long as that can take it: the IMSI's digits, for instance.
    pub key: u64,
    /// When nobody waits for the answer any more.
    pub deadline: Time,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Connect to a peer.
    Connect {
        /// Which.
        peer: PeerId,
        /// The connection's number.
        link: LinkId,
    },
    /// Send a message.
    Transmit {
        /// The connection.
        link: LinkId,
        /// The message.
        octets: Vec<u8>,
    },
    /// Begin TLS within a connection, after what was sent.
    StartTls {
        /// The connection.
        link: LinkId,
        /// Whether we are the client.
        client: bool,
    },
    /// End a connection, after what was sent.
    Close {
        /// The connection.
        link: LinkId,
    },
    /// Tell those above.
    Event(Event),
}

/// What those above are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A peer takes requests.
    PeerUp(PeerId),
    /// A peer takes none any more.
    PeerDown {
        /// Which.
        peer: PeerId,
        /// Why.
        why: Down,
    },
    /// Somebody connected who is not to.
    Stranger {
        /// Who he says he is.
        host: String,
        /// What he was told.
        code: ResultCode,
    },
    /// A request of a peer's.
    Request {
        /// Of whom.
        peer: PeerId,
        /// To answer it by.
        handle: Handle,
        /// The message.
        octets: Vec<u8>,
    },
    /// The answer to a request of ours.
    Answer {
        /// To which.
        token: Token,
        /// Of whom.
        peer: PeerId,
        /// The message.
        octets: Vec<u8>,
        /// How it ended, where it says so.
        outcome: Option<Outcome>,
        /// From the last sending to the answer.
        took: Duration,
    },
    /// A peer answered what it was not asked, or too late; nothing came of it.
    Stray(PeerId),
    /// A request of ours has no answer.
    Failed {
        /// Which.
        token: Token,
        /// Why.
        why: Failure,
    },
}

/// Why a peer takes no requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// It does not answer watchdog requests.
    Silent,
    /// The connection is gone.
    Disconnected,
    /// It said that it goes.
    Left,
    /// It does not agree with us about capabilities.
    Refused(ResultCode),
    /// What it sends cannot be read.
    Garbled,
}

/// Why a request of ours has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No route leads to the realm.
    NoRoute,
    /// No peer of the route can take it, or all that took it went.
    NoPeer,
    /// The deadline has come.
    Timeout,
    /// It is no request, or cannot be read.
    Invalid,
    /// The node stops.
    Stopping,
}
