//! Which back ends work here, and which one `Auto` takes.

use std::io;

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Backend;
use crate::error::Error;

/// What was found, for `basalt doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The kernel's SCTP can be used.
    pub kernel: bool,
    /// Raw sockets of protocol 132 can be opened (`CAP_NET_RAW`).
    pub raw_ip: bool,
    /// What [`Backend::Auto`] takes; `None` when only UDP encapsulation is left, which must be configured.
    pub auto: Option<Backend>,
    /// Why, and what would change it, in one sentence.
    pub why: String,
}

/// Tries the back ends without sending anything. May make the kernel load its SCTP module.
#[must_use]
pub fn probe() -> Probe {
    conclude(try_kernel(), try_raw())
}

fn try_kernel() -> io::Result<()> {
    Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::SCTP)).map(drop)
}

fn try_raw() -> io::Result<()> {
    Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::SCTP)).map(drop)
}

fn conclude(kernel: io::Result<()>, raw: io::Result<()>) -> Probe {
    let (auto, why) = match (&kernel, &raw) {
        (Ok(()), _) => (Some(Backend::Kernel), "the kernel has SCTP".to_owned()),
        (Err(no_kernel), Ok(())) => {
            (Some(Backend::RawIp), format!("the kernel has no SCTP ({no_kernel}); userspace SCTP over raw IP works"))
        }
        (Err(no_kernel), Err(no_raw)) => (
            None,
            format!(
                "the kernel has no SCTP ({no_kernel}; try `modprobe sctp`) and raw sockets are refused ({no_raw}; \
                 grant CAP_NET_RAW); UDP encapsulation (RFC 6951) works when both ends are configured for it"
            ),
        ),
    };
    Probe { kernel: kernel.is_ok(), raw_ip: raw.is_ok(), auto, why }
}

/// Replaces `Auto` by what it takes here, and refuses what cannot work.
pub(crate) fn resolve(backend: Backend) -> Result<Backend, Error> {
    let unavailable = |backend, why| Err(Error::Unavailable { backend, why });
    match backend {
        Backend::Udp { .. } => Ok(backend),
        Backend::Auto => match probe() {
            Probe { auto: Some(backend), .. } => Ok(backend),
            Probe { why, .. } => unavailable("auto", why),
        },
        Backend::Kernel => match try_kernel() {
            Ok(()) => Ok(backend),
            Err(error) => unavailable("kernel", format!("{error}; try `modprobe sctp`")),
        },
        Backend::RawIp => match (try_kernel(), try_raw()) {
            (Ok(()), _) => unavailable(
                "raw-ip",
                "the kernel has SCTP and would answer the peers' packets with ABORT; use the kernel back end"
                    .to_owned(),
            ),
            (Err(_), Err(error)) => unavailable("raw-ip", format!("{error}; grant CAP_NET_RAW")),
            (Err(_), Ok(())) => Ok(backend),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no() -> io::Result<()> {
        Err(io::Error::from_raw_os_error(93))
    }

    #[test]
    fn the_kernel_wins_then_raw_then_nothing() {
        assert_eq!(conclude(Ok(()), Ok(())).auto, Some(Backend::Kernel));
        assert_eq!(conclude(Ok(()), no()).auto, Some(Backend::Kernel));
        assert_eq!(conclude(no(), Ok(())).auto, Some(Backend::RawIp));
        let none = conclude(no(), no());
        assert_eq!(none.auto, None);
        assert!(none.why.contains("CAP_NET_RAW") && none.why.contains("modprobe sctp"));
    }

    #[test]
    fn udp_needs_nothing() {
        let udp = Backend::Udp { port: 0 };
        assert_eq!(resolve(udp).unwrap(), udp);
    }
}
