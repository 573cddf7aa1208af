//! What an endpoint is told before it starts: back end, addresses, timers, limits.

use std::net::IpAddr;
use std::time::Duration;

use crate::error::Error;
use crate::impairment::Impairment;

/// UDP port registered for SCTP encapsulation (RFC 6951 §7).
pub const UDP_ENCAPSULATION_PORT: u16 = 9899;

/// Which SCTP carries the associations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// The kernel's SCTP where the kernel has it, else userspace SCTP over raw IP.
    Auto,
    /// The kernel's SCTP.
    Kernel,
    /// Userspace SCTP directly over IP (protocol 132). Needs `CAP_NET_RAW`; refused where the kernel has
    /// SCTP, because that would answer the peers' packets with ABORT.
    RawIp,
    /// Userspace SCTP in UDP (RFC 6951). Needs no privilege.
    Udp {
        /// Local UDP port; 0 takes a free one (clients and tests).
        port: u16,
    },
}

/// Retransmission timeouts (RFC 9260 §16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rto {
    /// RTO.Initial: before the first round-trip measurement.
    pub initial: Duration,
    /// RTO.Min.
    pub min: Duration,
    /// RTO.Max: ceiling of the exponential back-off.
    pub max: Duration,
}

impl Default for Rto {
    fn default() -> Self {
        Self { initial: Duration::from_secs(1), min: Duration::from_millis(400), max: Duration::from_secs(10) }
    }
}

/// On which thread the userspace back end runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threading {
    /// A thread of its own, shared by every endpoint of the process with the same back end and UDP port.
    #[default]
    Own,
    /// A local task of the caller's `tokio::task::LocalSet`: no thread switch per message, for a
    /// single-threaded process such as the [keeper](crate::keeper).
    CallerLocalSet,
}

/// Everything an endpoint needs to know. Start from [`Config::s1ap_listener`], [`Config::client`] or
/// `Config::default()` and change what differs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which SCTP to use.
    pub backend: Backend,
    /// Local addresses. Several make the endpoint multi-homed. Empty means every address of the host
    /// (only the address that a peer contacted is then used, none is advertised).
    pub local: Vec<IpAddr>,
    /// Local SCTP port. 0: a listener or a client takes a free one.
    pub port: u16,
    /// UDP port of the peer to connect to, with [`Backend::Udp`].
    pub remote_udp_port: u16,
    /// Outgoing streams to ask for (1..=65535). The peer may grant fewer.
    pub out_streams: u16,
    /// Incoming streams to allow (1..=65535).
    pub in_streams: u16,
    /// Retransmission timeouts.
    pub rto: Rto,
    /// HEARTBEAT interval on an idle path, longer than `rto.initial`; zero switches heartbeats off.
    pub heartbeat: Duration,
    /// Association.Max.Retrans: unanswered retransmissions and heartbeats after which the peer is lost.
    pub max_retrans: u32,
    /// Max.Init.Retransmits: unanswered INITs or COOKIE ECHOs after which `connect` fails.
    pub max_init: u32,
    /// Longest wait before received data is acknowledged (RFC 9260 §6.2 allows up to 500 ms).
    pub sack_delay: Duration,
    /// Longest message to send or receive, in octets.
    pub max_message: usize,
    /// Octets of messages that may wait to be sent before `send` makes its caller wait.
    pub send_queue: usize,
    /// Octets of received data held for the application, per association; the peer is stopped beyond it.
    /// At least twice `max_message`.
    pub receive_window: usize,
    /// Largest SCTP packet in octets, without the IP and UDP headers.
    pub mtu: u16,
    /// DSCP of outgoing packets, 0..=63. 3GPP signalling commonly uses 46 or 48; 0 leaves best effort.
    pub dscp: u8,
    /// Established associations that may wait for `accept`; further ones are refused.
    pub backlog: usize,
    /// Associations that a listener holds at most; further ones are refused with ABORT "out of resource"
    /// (RFC 9260 §3.3.10.4).
    pub max_associations: usize,
    /// Thread of the userspace back end.
    pub threading: Threading,
    /// Drops, duplicates or reorders this endpoint's packets. For tests; `None` costs nothing.
    pub impairment: Option<Impairment>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backend: Backend::Auto,
            local: Vec::new(),
            port: 0,
            remote_udp_port: UDP_ENCAPSULATION_PORT,
            out_streams: 16,
            in_streams: 64,
            rto: Rto::default(),
            heartbeat: Duration::from_secs(10),
            max_retrans: 5,
            max_init: 5,
            sack_delay: Duration::from_millis(20),
            max_message: 128 * 1024,
            send_queue: 512 * 1024,
            receive_window: 512 * 1024,
            mtu: 1400,
            dscp: 0,
            backlog: 256,
            max_associations: 4096,
            threading: Threading::Own,
            impairment: None,
        }
    }
}

impl Config {
    /// A listener for S1AP (port 36412, TS 36.412 §7) on these addresses.
    #[must_use]
    pub fn s1ap_listener(local: impl Into<Vec<IpAddr>>) -> Self {
        Self { local: local.into(), port: crate::port::S1AP, ..Self::default() }
    }

    /// A listener for NGAP (port 38412, TS 38.412 §7) on these addresses.
    #[must_use]
    pub fn ngap_listener(local: impl Into<Vec<IpAddr>>) -> Self {
        Self { local: local.into(), port: crate::port::NGAP, ..Self::default() }
    }

    /// A client on these addresses (empty: the kernel chooses) with a free port.
    #[must_use]
    pub fn client(local: impl Into<Vec<IpAddr>>) -> Self {
        Self { local: local.into(), ..Self::default() }
    }

    /// The same with another back end.
    #[must_use]
    pub fn with_backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// The same with another SCTP port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Refuses values that no association could work with.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |what| Err(Error::Config(what));
        if self.out_streams == 0 || self.in_streams == 0 {
            return wrong("an association needs at least one stream each way");
        }
        if self.max_message == 0 || self.receive_window / 2 < self.max_message {
            return wrong("receive_window must be at least twice max_message");
        }
        if !(MIN_MTU..=MAX_MTU).contains(&self.mtu) {
            return wrong("mtu must be 512..=9000");
        }
        if self.dscp > 63 {
            return wrong("dscp must be 0..=63");
        }
        if self.sack_delay > Duration::from_millis(500) {
            return wrong("sack_delay must not exceed 500 ms (RFC 9260 section 6.2)");
        }
        if self.rto.min > self.rto.max || self.rto.initial > self.rto.max {
            return wrong("rto must satisfy min <= max and initial <= max");
        }
        if !self.heartbeat.is_zero() && self.heartbeat <= self.rto.initial {
            return wrong("heartbeat must be zero or longer than rto.initial, the time an answer is waited for");
        }
        if self.send_queue == 0 || self.backlog == 0 || self.max_associations == 0 {
            return wrong("send_queue, backlog and max_associations must not be zero");
        }
        Ok(())
    }
}

/// Smallest packet that holds INIT ACK with the sealed cookie and a useful DATA chunk.
const MIN_MTU: u16 = 512;
const MAX_MTU: u16 = 9000;
