//! What can go wrong, in words an operator can act on.

use std::io;

use crate::event::CloseReason;

/// Failure of binding, connecting or configuring.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value in [`Config`](crate::Config) cannot work.
    #[error("SCTP configuration: {0}")]
    Config(&'static str),
    /// The chosen back end cannot run here.
    #[error("SCTP back end {backend} is not available: {why}")]
    Unavailable {
        /// The back end's name.
        backend: &'static str,
        /// Cause and remedy.
        why: String,
    },
    /// The SCTP port is taken by another listener or client of this process or host.
    #[error("SCTP port {0} is in use")]
    PortInUse(u16),
    /// The peer refused, aborted or did not answer.
    #[error("SCTP association not established: {0}")]
    NotEstablished(CloseReason),
    /// No peer address was given, or its port is zero, or address families do not fit.
    #[error("SCTP peer address: {0}")]
    PeerAddress(&'static str),
    /// A system call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}

/// Why a message was not taken for sending.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The association has ended or is ending.
    #[error("association closed: {0}")]
    Closed(CloseReason),
    /// SCTP carries no empty message (RFC 9260 §3.3.10.9).
    #[error("empty message")]
    Empty,
    /// The message is longer than `max_message`.
    #[error("message of {len} octets is longer than the limit of {limit}")]
    TooLong {
        /// Its length in octets.
        len: usize,
        /// The configured limit.
        limit: usize,
    },
    /// The association has fewer outgoing streams.
    #[error("stream {stream} is beyond the {streams} outgoing streams of the association")]
    NoStream {
        /// The stream asked for.
        stream: u16,
        /// How many there are.
        streams: u16,
    },
    /// The send queue is full (only `try_send`; `send` waits).
    #[error("send queue is full")]
    Full,
}
