//! What can go wrong outside of packets.

use agw_types::UeAddress;
use std::io;
use std::path::PathBuf;

/// Why the data plane could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The XDP object was not found or cannot be read.
    #[error("XDP object: {0}")]
    Object(#[source] io::Error),
    /// The kernel or aya refused the object, a map or a program.
    #[error("{what}: {cause}")]
    Bpf {
        /// What was tried.
        what: String,
        /// The whole chain of causes, as text.
        cause: String,
    },
    /// A system call on something named failed.
    #[error("{what}: {cause}")]
    System {
        /// What was tried, and on what.
        what: String,
        /// The system's answer.
        #[source]
        cause: io::Error,
    },
    /// No such network interface.
    #[error("there is no interface {0}")]
    NoInterface(String),
    /// The folder for pins is not on a BPF file system and none could be mounted there.
    #[error("{0} is not on a BPF file system (mount -t bpf bpf {0})")]
    NoBpfFilesystem(PathBuf),
    /// More sessions, addresses or next hops than the tables have room for.
    #[error("{0}: no room in the tables")]
    Full(&'static str),
    /// An address outside of the configured pools.
    #[error("{0} is in no address pool")]
    OutsidePools(UeAddress),
    /// A TEID that no layout composes, or one beyond the table.
    #[error("TEID {0:#010x} is not one of this gateway's")]
    Teid(u32),
    /// No such session in the tables.
    #[error("no session with TEID {0:#010x}")]
    NoSession(u32),
    /// Base stations are reached over IPv4 only.
    #[error("a base station with an IPv6 transport address")]
    Ipv6Peer,
    /// Somebody watches a phone already.
    #[error("a phone is being watched already: one at a time")]
    Watching,
    /// A setting that contradicts another.
    #[error("{0}")]
    Configuration(String),
}

impl Error {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |cause| Error::System { what, cause }
    }

    pub(crate) fn bpf<E: std::error::Error>(what: impl Into<String>) -> impl FnOnce(E) -> Error {
        let what = what.into();
        move |error| Error::Bpf { what, cause: chain(&error) }
    }
}

/// An error and its causes, each once: aya repeats none of them in its own text.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let this = cause.to_string();
        if !text.contains(&this) {
            text.push_str(": ");
            text.push_str(&this);
        }
        next = cause.source();
    }
    text
}
