//! What goes in and what comes out.

use crate::quota::Quota;
use crate::routing::Networks;
use basalt_diameter::node::{Failure, Handle, Local};
use basalt_ids::{Imsi, Plmn};
use basalt_sansio::{Duration, Time};
use feg_s6a::{Cancellation, EquipmentStatus, Inserted, PdnGateway, Resync, Subscription, Terminal, Vector};
use std::sync::Arc;

/// A gateway's stream, by the number that the driver gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayId(pub u64);

/// A request over all gateways and their lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    /// The gateway's life.
    pub life: u64,
    /// Its number in that life.
    pub id: u64,
}

/// A Diameter request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What a gateway is asked, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// What a relay is told before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who we are.
    pub local: Local,
    /// Where whose requests go, and whose phones are whose.
    pub networks: Networks,
    /// Requests that may wait for home networks, of one gateway.
    pub waiting: usize,
    /// Requests of one gateway each second.
    pub rate: u32,
    /// Answers stay known for so long.
    pub memory: Duration,
    /// How long gateways may take to answer a home network.
    pub patience: Duration,
}

/// What a gateway wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Vectors.
    Vectors {
        /// How many.
        count: u32,
        /// A phone waits.
        immediate: bool,
        /// The USIM's word on sequence numbers.
        resync: Option<Resync>,
    },
    /// The phone is here.
    Locate {
        /// It attaches.
        attach: bool,
        /// The phone itself.
        terminal: Option<Terminal>,
    },
    /// The phone is not here any more.
    Purge,
    /// Is the phone a stolen one.
    Check(Terminal),
    /// The phone can be reached again.
    Reachable,
    /// A PDN gateway has a session of the phone's.
    Gateway(PdnGateway),
}

/// A gateway's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number in the gateway's life.
    pub id: u64,
    /// How long the gateway waits.
    pub within: Duration,
    /// Whose phone.
    pub imsi: Imsi,
    /// Where it is served.
    pub visited: Plmn,
    /// What is wanted.
    pub wish: Wish,
}

/// What an EIR said.
pub type Equipment = EquipmentStatus;

/// What a gateway is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Vectors in the order of use; shared with who asks again.
    Vectors(Arc<[Vector]>),
    /// The subscription, and the HSS that has it.
    Located(Box<Subscription>, String),
    /// Done.
    Done,
    /// What the EIR knows.
    Equipment(Equipment),
    /// The home network does not grant it.
    Refused {
        /// For the phone.
        emm_cause: u8,
        /// For the operator.
        reason: String,
    },
    /// The home network did not answer.
    Unavailable(&'static str),
}

/// What a gateway is asked for a home network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The phone is to go.
    Cancel(Imsi, Cancellation, bool),
    /// Its subscription changed; IDR-Flags: what the home network wants to know besides.
    Insert(Imsi, Box<Subscription>, u32),
    /// Parts of its subscription are gone: DSR-Flags, contexts.
    Delete(Imsi, u32, Vec<u32>),
    /// An HSS has lost its memory of such IMSIs: beginnings, its name.
    Reset(Vec<String>, String),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// The phone is not there.
    Unknown,
    /// Not now.
    Unable,
}

/// Something that happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A gateway connected.
    GatewayUp {
        /// Its stream.
        gateway: GatewayId,
        /// Its name.
        name: String,
        /// Its life.
        life: u64,
    },
    /// A gateway's stream ended.
    GatewayDown {
        /// Which.
        gateway: GatewayId,
    },
    /// A gateway asks.
    Asked {
        /// Who.
        gateway: GatewayId,
        /// What.
        request: Request,
    },
    /// A Diameter request of ours ended.
    HssAnswered {
        /// Which.
        token: Token,
        /// How; an answer that [`basalt_diameter::Message::decode`] found sound.
        result: Result<&'a [u8], Failure>,
    },
    /// A peer asks.
    FromHss {
        /// To answer it by.
        handle: Handle,
        /// What.
        octets: &'a [u8],
    },
    /// A gateway answered what it was asked.
    Replied {
        /// Who.
        gateway: GatewayId,
        /// What.
        ask: AskId,
        /// How.
        outcome: Outcome,
        /// What a home network asked for with an insert.
        told: Inserted,
    },
    /// [`crate::Relay::next_wakeup`] has come.
    Wakeup,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a Diameter request.
    ToHss {
        /// To name it by.
        token: Token,
        /// The message.
        octets: Vec<u8>,
        /// What is alike goes to the same peer.
        key: u64,
        /// How long its answer is waited for.
        within: Duration,
    },
    /// Answer a gateway.
    Answer {
        /// Whom.
        gateway: GatewayId,
        /// Its number.
        id: u64,
        /// How.
        answer: Answer,
    },
    /// Ask a gateway.
    Ask {
        /// Whom.
        gateway: GatewayId,
        /// By which number.
        ask: AskId,
        /// What.
        what: Ask,
    },
    /// Answer a peer.
    ToPeer {
        /// Its request.
        handle: Handle,
        /// The message.
        octets: Vec<u8>,
    },
    /// Count.
    Count(Metric),
}

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metric {
    /// A request was granted, refused with a cause, or not answered, in a realm.
    Result {
        /// Command, by its name.
        command: &'static str,
        /// The realm.
        realm: String,
        /// `granted`, `refused` or `unavailable`.
        outcome: &'static str,
        /// EMM cause of a refusal, 0 otherwise.
        cause: u8,
        /// What the home network's answer said; `None` without one.
        result: Option<basalt_diameter::Outcome>,
        /// How long it took.
        took: Duration,
    },
    /// A request that was known.
    Repeated,
    /// A gateway's request was over its quota.
    OverQuota,
    /// A request of a peer's was refused by a filter.
    Filtered(&'static str),
    /// A request of a home network's was carried out, or not.
    Backward(&'static str),
}

/// A gateway that is connected.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) life: u64,
    pub(crate) waiting: usize,
    pub(crate) quota: Quota,
}

impl Gateway {
    pub(crate) fn new(name: String, life: u64, now: Time, config: &Config) -> Self {
        Self { name, life, waiting: 0, quota: Quota::new(config.rate, now) }
    }
}
