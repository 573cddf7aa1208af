//! What the data plane tells besides [`agw_types::Traffic`].

use crate::interfaces::Interface;
use crate::plane::{Shared, State};
use crate::suspects::Suspicion;
use basalt_ebpf_abi::Notice;
use basalt_ids::{Imsi, Teid};
use std::net::Ipv4Addr;
use std::time::Instant;
use tokio::sync::mpsc;

/// Something that happened at a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A quota is down to its threshold or used up. Each is told once.
    Quota {
        /// The session: the gateway's endpoint of its default bearer.
        teid: Teid,
        /// The rule's number, or a rating group's and [`agw_types::RATING_GROUP`]; `None` for the session's own quota.
        rule: Option<u32>,
        /// Used up: packets are dropped from now on.
        exhausted: bool,
    },
    /// A base station does not answer Echo Requests any more, or does again ([`crate::Echo`]).
    Path {
        /// Its address.
        peer: Ipv4Addr,
        /// Whether it answers.
        up: bool,
    },
    /// Somebody sends GTP-U that no honest base station sends. Told once a minute about each sender, as long as it goes on.
    Suspicious {
        /// Who.
        peer: Ipv4Addr,
        /// What it does.
        what: Suspicion,
        /// How often since it was told last.
        count: u64,
    },
    /// A subscriber got a block of external ports, or has one not any more.
    PortBlock(PortBlock),
    /// An interface went, came back or has another name. One that does so many times a second is told of once a second.
    Interface(Interface),
    /// Somebody meddled with what is in the kernel. It is as it was.
    Meddled {
        /// Pins of programs, links or tables that had been removed: nothing was lost by it, and packets went on.
        pins: usize,
        /// Programs that had been detached from their interfaces: packets went through this process meanwhile, or nowhere.
        programs: usize,
    },
}

/// A block of external ports that changes hands. What is told here may be missing when nobody listens for long; the log of blocks
/// ([`crate::blocklog`]) has all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortBlock {
    /// Whose it is, or was.
    pub imsi: Imsi,
    /// The phone's own address.
    pub inside: Ipv4Addr,
    /// The external address.
    pub outside: Ipv4Addr,
    /// First and last port.
    pub ports: (u16, u16),
    /// Given, or else taken back.
    pub given: bool,
}

/// Reports that may wait.
const REPORTS: usize = 4096;

/// A way for reports.
pub(crate) fn channel() -> (mpsc::Sender<Report>, mpsc::Receiver<Report>) {
    mpsc::channel(REPORTS)
}

impl Shared {
    /// Passes on what the pipeline told.
    pub(crate) fn noticed(&self, notice: Notice) {
        let rule = match notice.state {
            Notice::SESSION => None,
            index => {
                let state = self.tables.rule_states.get(index as usize);
                // The rule may have gone since.
                let Some(state) = state.filter(|state| state.owner.get() == notice.owner) else { return };
                Some(state.rule.get())
            }
        };
        self.report(Report::Quota { teid: Teid(notice.owner), rule, exhausted: notice.exhausted });
    }

    /// Passes on what the pipeline told while it ran in this process.
    pub(crate) fn notices(&self) {
        for notice in self.tables.take_notices() {
            self.noticed(notice);
        }
    }

    /// Notes that a sender did what no honest one does for long.
    pub(crate) fn suspect(&self, state: &mut State, now: Instant, peer: Ipv4Addr, what: Suspicion) {
        if let Some(count) = state.suspects.note(now, peer, what) {
            self.report(Report::Suspicious { peer, what, count });
        }
    }

    /// Tells whoever listens. What finds no room is lost: the state that it tells of stays to be read.
    pub(crate) fn report(&self, report: Report) {
        if let Err(refused) = self.reports.try_send(report) {
            tracing::debug!(report = ?refused.into_inner(), "nobody takes reports");
        }
    }
}
