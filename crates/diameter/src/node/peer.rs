//! One peer: where its connections are, and what it may.

use super::base::Capabilities;
use super::types::{LinkId, PeerConfig};
use super::watchdog::Watchdog;
use basalt_sansio::Time;

/// Where a peer is (RFC 6733 §5.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// No connection; one is tried when the timer says so.
    Closed,
    /// Our connection is on its way. `theirs`: it has connected meanwhile, and waits with its CER to see what becomes of ours.
    Connecting { ours: LinkId, theirs: Option<(LinkId, Held)> },
    /// Our CER is out. `theirs`: it has connected as well and won the election; it waits for ours to end.
    Asked { ours: LinkId, theirs: Option<(LinkId, Held)> },
    /// TLS begins before anything else.
    Securing { link: LinkId, held: Capabilities },
    /// Capabilities are exchanged.
    Open { link: LinkId },
    /// One of us said that it goes.
    Closing { link: LinkId },
}

/// A CER that was not answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) header: crate::Header,
    pub(crate) capabilities: Capabilities,
}

/// A peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) config: PeerConfig,
    pub(crate) state: State,
    pub(crate) watchdog: Watchdog,
    pub(crate) capabilities: Option<Capabilities>,
    /// When it was heard last, over its open connection.
    pub(crate) heard: Time,
    /// The connection before ended in silence.
    pub(crate) failed: bool,
    /// Requests that wait for its answers.
    pub(crate) outstanding: usize,
    tokens: f64,
    refilled: Time,
}

impl Peer {
    pub(crate) fn new(config: PeerConfig) -> Self {
        let tokens = f64::from(config.rate);
        Self {
            config,
            state: State::Closed,
            watchdog: Watchdog::new(false),
            capabilities: None,
            heard: Time::ZERO,
            failed: false,
            outstanding: 0,
            tokens,
            refilled: Time::ZERO,
        }
    }

    /// The connection over which requests go.
    pub(crate) const fn open(&self) -> Option<LinkId> {
        match self.state {
            State::Open { link } => Some(link),
            _ => None,
        }
    }

    /// Whether one more request of its own is within its rate.
    pub(crate) fn may_ask(&mut self, now: Time) -> bool {
        let rate = f64::from(self.config.rate);
        let passed = now.since(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + passed * rate).min(rate);
        self.refilled = now;
        let may = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(may));
        may
    }

    /// Whether a connection belongs to it.
    pub(crate) fn has(&self, link: LinkId) -> bool {
        match &self.state {
            State::Closed => false,
            State::Connecting { ours, theirs } | State::Asked { ours, theirs } => {
                *ours == link || theirs.as_ref().is_some_and(|(theirs, _)| *theirs == link)
            }
            State::Securing { link: own, .. } | State::Open { link: own } | State::Closing { link: own } => {
                *own == link
            }
        }
    }
}
