//! Everything a step can want.

use crate::{DataplaneChange, Event, LinkId, Metric, Question, StoredBearers, StoredLink, StoredUe, Ticket};
use basalt_ids::Imsi;
use basalt_sansio::Outbox;
use serde::{Deserialize, Serialize};

/// The effects of one step, in order.
pub type Effects = Outbox<Effect>;

/// One effect. The driver makes every [`Effect::Save`] and [`Effect::Forget`] of a step durable before any other effect of
/// that step, and the effects of later steps do not overtake it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Effect {
    /// Send an S1AP message.
    Send {
        /// To which base station.
        link: LinkId,
        /// On which SCTP stream.
        stream: u16,
        /// The octets.
        pdu: Vec<u8>,
    },
    /// Close an association.
    CloseLink {
        /// Which.
        link: LinkId,
    },
    /// Ask someone outside the step.
    Ask {
        /// For the answer.
        ticket: Ticket,
        /// What.
        question: Question,
    },
    /// Change the data plane.
    Dataplane(DataplaneChange),
    /// Keep this record, in place of what its key held.
    Save(Box<Record>),
    /// Drop the record with this key.
    Forget(RecordKey),
    /// Count.
    Count(Metric),
    /// Tell whoever listens: log, event stream, console.
    Tell(Box<Event>),
    /// Answer an operator.
    Reply {
        /// The token of the command.
        token: u64,
        /// What came of it.
        reply: OperatorReply,
    },
}

/// A durable record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// A registered UE at rest.
    Ue(Box<StoredUe>),
    /// Rules and dedicated bearers of a registered UE.
    Bearers(Box<StoredBearers>),
    /// A base station whose S1 is set up.
    Link(StoredLink),
    /// Sequence numbers below this bound may have been used for this subscriber (TS 33.102 annex C).
    Sqn {
        /// Whose.
        imsi: Imsi,
        /// First sequence number not reserved, 48 bits.
        reserved: u64,
    },
}

/// The key of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RecordKey {
    /// See [`Record::Ue`].
    Ue(Imsi),
    /// See [`Record::Bearers`].
    Bearers(Imsi),
    /// See [`Record::Link`].
    Link(LinkId),
    /// See [`Record::Sqn`].
    Sqn(Imsi),
}

impl Record {
    /// The key it is kept under.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        match self {
            Record::Ue(ue) => RecordKey::Ue(ue.imsi),
            Record::Bearers(bearers) => RecordKey::Bearers(bearers.imsi),
            Record::Link(link) => RecordKey::Link(link.link),
            Record::Sqn { imsi, .. } => RecordKey::Sqn(*imsi),
        }
    }
}

/// What came of an operator's command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperatorReply {
    /// Under way; events tell the rest.
    Started,
    /// There is no such UE, session or base station.
    NotFound,
    /// Not now, with the reason in words.
    Refused(String),
}
