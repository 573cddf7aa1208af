//! What travels over an association, and what happens to it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;

/// One SCTP user message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Stream identifier.
    pub stream: u16,
    /// Payload protocol identifier as a plain number ([`ppid`](crate::ppid)).
    pub ppid: u32,
    /// To be delivered without waiting for earlier messages of the stream. Of received messages only kernel SCTP
    /// tells it; the userspace back ends leave it false.
    pub unordered: bool,
    /// The octets; never empty on the wire.
    pub payload: Bytes,
}

impl Message {
    /// An ordered message.
    #[must_use]
    pub fn new(stream: u16, ppid: u32, payload: impl Into<Bytes>) -> Self {
        Self { stream, ppid, unordered: false, payload: payload.into() }
    }
}

/// Prints the length of the payload, not the payload: it may hold identities.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("stream", &self.stream)
            .field("ppid", &self.ppid)
            .field("unordered", &self.unordered)
            .field("octets", &self.payload.len())
            .finish()
    }
}

/// What [`recv`](crate::SctpAssociation::recv) reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message of the peer.
    Message(Message),
    /// The peer has restarted and set the association up anew (RFC 9260 §5.2): its earlier state is gone,
    /// messages under way may be lost; the association goes on.
    Restarted,
    /// Data now goes to another address of a multi-homed peer.
    PathChange(IpAddr),
    /// The association has ended. Reported for ever after.
    Closed(CloseReason),
}

/// How an association ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Gracefully, by either side: everything sent was delivered.
    Shutdown,
    /// The peer sent ABORT; its text, where it gave one.
    PeerAbort(String),
    /// This side aborted; the reason given.
    LocalAbort(String),
    /// The peer did not answer up to the retransmission limit.
    Lost,
    /// The peer broke the protocol, or ours failed on its input.
    Protocol(String),
    /// The endpoint that carried the association stopped, or its socket failed.
    Endpoint(String),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown => f.write_str("shut down"),
            Self::PeerAbort(why) if why.is_empty() => f.write_str("aborted by the peer"),
            Self::PeerAbort(why) => write!(f, "aborted by the peer: {why}"),
            Self::LocalAbort(why) if why.is_empty() => f.write_str("aborted by this side"),
            Self::LocalAbort(why) => write!(f, "aborted by this side: {why}"),
            Self::Lost => f.write_str("peer does not answer"),
            Self::Protocol(why) => write!(f, "protocol error: {why}"),
            Self::Endpoint(why) => write!(f, "endpoint stopped: {why}"),
        }
    }
}

/// The peer of an association as known when it came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Address the association was set up with, and the peer's SCTP port.
    pub primary: SocketAddr,
    /// Every known address of the peer, the primary one first.
    pub addresses: Vec<IpAddr>,
    /// Outgoing streams granted.
    pub out_streams: u16,
    /// Incoming streams granted.
    pub in_streams: u16,
}

/// Which back end carries an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// Kernel SCTP.
    Kernel,
    /// Userspace SCTP over raw IP.
    RawIp,
    /// Userspace SCTP in UDP.
    Udp,
}

impl Carrier {
    /// Short name for reports: `kernel`, `raw-ip` or `udp`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::RawIp => "raw-ip",
            Self::Udp => "udp",
        }
    }
}

/// State of an association right now.
#[derive(Clone, Debug)]
pub struct AssociationInfo {
    /// The peer.
    pub peer: PeerInfo,
    /// Our SCTP port.
    pub local_port: u16,
    /// Address of the peer that data goes to.
    pub path: IpAddr,
    /// Smoothed round-trip time, once measured.
    pub srtt: Option<Duration>,
    /// Back end.
    pub carrier: Carrier,
}
