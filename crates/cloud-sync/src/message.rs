//! What is said: between gateway and orchestrator, and between this core and its driver.

use basalt_desired::{Digest, ItemKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who the gateway is to the orchestrator, and until when the certificate says so. It is stored; the key is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its network.
    pub network: String,
    /// Its name there.
    pub gateway: String,
    /// Where the orchestrator is: `HOST:PORT`, of each replica that is known, with commas between.
    pub address: String,
    /// Its certificate, DER; behind it those by which one who knows only former authorities recognises it.
    pub certificate: Vec<u8>,
    /// The authority's certificates, DER, one behind the other: of the generation that issued ours, then of others that are believed.
    pub authority: Vec<u8>,
    /// Seconds since 1970 UTC.
    pub not_before: u64,
    /// Seconds since 1970 UTC.
    pub not_after: u64,
}

/// One of the places of an orchestrator, which are separated by commas; with each turn the next one.
#[must_use]
pub fn place(addresses: &str, turn: u64) -> &str {
    let count = addresses.split(',').count() as u64;
    let index = usize::try_from(turn % count).unwrap_or(0);
    addresses.split(',').nth(index).unwrap_or(addresses)
}

/// Why there is no certificate, or no stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// Nobody answered, or the connection broke.
    Unreachable(String),
    /// The orchestrator, or its TLS, said no.
    Refused(String),
    /// The orchestrator asks to come back not before so many seconds.
    Later(u32),
}

/// One item to hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Put {
    /// Which.
    pub key: ItemKey,
    /// Its digest.
    pub digest: Digest,
    /// Its body, JSON.
    pub body: String,
    /// Its secrets by name.
    pub secrets: BTreeMap<String, String>,
}

impl core::fmt::Debug for Put {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Put").field("collection", &self.key.collection).finish_non_exhaustive()
    }
}

/// A part of what must change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Counted from 1 within a stream.
    pub number: u64,
    /// To hold.
    pub puts: Vec<Put>,
    /// To drop.
    pub removes: Vec<ItemKey>,
}

/// An item that is held and cannot be put into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which.
    pub key: ItemKey,
    /// Why, and what to do.
    pub reason: String,
}

/// Refusals that are told; more are of no use to anybody.
pub const REFUSALS: usize = 1_000;

/// A phone as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Phone {
    /// Whose it is.
    pub imsi: String,
    /// `connected`, `idle`, …
    pub state: String,
    /// The base station that it was at last; empty when none is known.
    pub enb: String,
    /// Access points of its sessions.
    pub apns: Vec<String>,
    /// Addresses of its sessions.
    pub addresses: Vec<String>,
    /// Everything else, a JSON object.
    pub json: String,
}

/// Something worth telling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Grows by one within an epoch; given by the outbox.
    pub number: u64,
    /// Where the daemon keeps it already; it need not any more once the outbox has it kept. 0 where it does not.
    pub place: u64,
    /// Milliseconds since 1970 UTC.
    pub at: u64,
    /// `attached`, `rejected`, ...
    pub kind: String,
    /// The phone, or empty.
    pub imsi: String,
    /// In words.
    pub text: String,
    /// All facts.
    pub json: String,
}

/// What a session used in a while. Session, epoch and sequence identify it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UsageRecord {
    /// Place in the ledger, from 1, growing.
    pub number: u64,
    /// The session.
    pub session: String,
    /// Which life of the session's counters.
    pub epoch: u64,
    /// Within the epoch.
    pub sequence: u64,
    /// Whose.
    pub imsi: String,
    /// Network.
    pub apn: String,
    /// Milliseconds since 1970 UTC.
    pub from: u64,
    /// Milliseconds since 1970 UTC.
    pub to: u64,
    /// Octets from the phone.
    pub uplink_bytes: u64,
    /// Octets to the phone.
    pub downlink_bytes: u64,
    /// Packets from the phone.
    pub uplink_packets: u64,
    /// Packets to the phone.
    pub downlink_packets: u64,
    /// The session ended with it.
    pub last: bool,
}

/// Something to do at the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// By which it is known.
    pub id: String,
    /// `restart`, `ping`, ...
    pub kind: String,
    /// JSON object.
    pub arguments: String,
    /// Milliseconds since 1970 UTC, after which it is not begun.
    pub expires_at: u64,
}

/// How a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandState {
    /// It runs.
    Running,
    /// Done.
    Done,
    /// It failed.
    Failed,
    /// This gateway cannot do it.
    NotSupported,
    /// It ran when the daemon ended, and does no more.
    Interrupted,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Octets that it gave besides words, after those that it gave before.
    pub data: Vec<u8>,
    /// Which.
    pub id: String,
    /// How it is.
    pub state: CommandState,
    /// 0 to 100.
    pub percent: u32,
    /// What it printed since the last time, or the result.
    pub output: String,
}

/// From the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Up {
    /// Who speaks.
    Hello {
        /// Drawn when the daemon started.
        instance: u64,
        /// Digest of everything that it holds.
        root: Digest,
    },
    /// What it holds in buckets that differ.
    Buckets {
        /// The comparison.
        comparison: u64,
        /// Bucket and items.
        buckets: Vec<(u32, Vec<(ItemKey, Digest)>)>,
        /// No more of them.
        last: bool,
    },
    /// Pages up to this one are durable.
    Applied {
        /// The page.
        page: u64,
        /// Digest of everything that it holds now.
        root: Digest,
        /// What could not be put into force.
        refusals: Vec<Refusal>,
    },
    /// Something was changed by hand.
    Drifted {
        /// Digest of everything that it holds now.
        root: Digest,
    },
    /// Its state, JSON.
    CheckIn {
        /// Milliseconds since 1970 UTC.
        at: u64,
        /// The state.
        state: String,
    },
    /// Events of an epoch.
    Events {
        /// The epoch.
        epoch: u64,
        /// In order.
        events: Vec<Event>,
    },
    /// Values that changed.
    Metrics {
        /// Milliseconds since 1970 UTC.
        at: u64,
        /// By name.
        values: BTreeMap<String, f64>,
    },
    /// Usage records of a ledger.
    Usage {
        /// The ledger.
        ledger: u64,
        /// In order.
        records: Vec<UsageRecord>,
    },
    /// How a command is; its data goes by itself.
    Progress {
        /// Grows.
        number: u64,
        /// How it is.
        progress: Progress,
    },
    /// What a command gave besides words.
    Data {
        /// The command.
        id: String,
        /// Place of the first octet.
        place: u64,
        /// The octets.
        octets: Vec<u8>,
    },
    /// What of all that it holds is in force.
    InForce {
        /// Not in force, or not wholly.
        refused: Vec<Refusal>,
        /// In force after a restart.
        pending: Vec<Refusal>,
    },
    /// What is new of phones on this stream.
    Phones {
        /// Nothing was told of phones before.
        whole: bool,
        /// New or changed.
        phones: Vec<Phone>,
        /// Those that are no more.
        gone: Vec<String>,
    },
    /// Still here.
    Beat,
}

/// From the orchestrator.
#[derive(Debug, Clone, PartialEq)]
pub enum Down {
    /// The conversation may begin.
    Welcome {
        /// Seconds between beats.
        beat_seconds: u32,
        /// A ledger of ours, and how far its records are durable.
        usage: (u64, u64),
    },
    /// Digests of all buckets of what we should have.
    Compare {
        /// Numbers the comparison.
        comparison: u64,
        /// The digests.
        buckets: Vec<Digest>,
    },
    /// What to change.
    Page(Page),
    /// What is durable there.
    Received {
        /// Events of this epoch, up to this number.
        events: (u64, u64),
        /// Records of this ledger, up to this number.
        usage: (u64, u64),
        /// Reports of commands up to this number; 0 says nothing.
        progress: u64,
        /// Octets of this command's data, from the first on; nothing is said without one.
        data: (String, u64),
    },
    /// What to do.
    Command(Command),
    /// Still here.
    Beat,
    /// Where replicas of the orchestrator are.
    Addresses(Vec<String>),
    /// The stream ends.
    Goodbye {
        /// Why.
        reason: String,
        /// Not back before so many seconds.
        not_before_seconds: u32,
    },
}

/// What happens to this core.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// There is a token to join with.
    Join,
    /// A certificate came.
    Issued(Identity),
    /// No certificate came.
    NotIssued(Denial),
    /// The stream is open.
    Opened,
    /// The stream could not be opened, or is gone.
    Closed(Denial),
    /// The orchestrator said something.
    Down(Down),
    /// A page is durable, and in force but for these.
    Applied {
        /// The page.
        page: Page,
        /// Held, not in force.
        refusals: Vec<Refusal>,
    },
    /// An item was changed by hand: what is held is not what was sent any more.
    Changed(ItemKey),
    /// What of all that is held is not in force, or is after a restart; all of it each time.
    InForce {
        /// Not in force, or not wholly; at most [`REFUSALS`] are told.
        refused: Vec<Refusal>,
        /// In force after a restart.
        pending: Vec<Refusal>,
    },
    /// The gateway's state, when it is asked for or has changed.
    CheckIn {
        /// JSON.
        state: String,
        /// Somebody may want to act on what has changed: it goes within [`crate::Settings::urgent_interval`].
        urgent: bool,
    },
    /// All phones whose IMSI lies in a range.
    Phones {
        /// After this one; empty for the first.
        after: String,
        /// Up to this one; `None` for the last.
        through: Option<String>,
        /// As they are.
        phones: Vec<Phone>,
    },
    /// Something worth telling; its number is given here.
    Event(Event),
    /// The events that were to be kept are durable.
    EventsKept,
    /// All values of metrics.
    Metrics(BTreeMap<String, f64>),
    /// The ledger has records that were not read.
    UsageReady,
    /// Records that were asked for.
    UsageRead {
        /// The ledger.
        ledger: u64,
        /// In order; none when there are no more.
        records: Vec<UsageRecord>,
    },
    /// How a command is.
    Progress(Progress),
    /// Time has come.
    Wakeup,
}

/// What the driver does.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Enrol with the token, at its [`place()`] of this turn; answered by `Issued` or `NotIssued`.
    Enrol(u64),
    /// Re-enrol with the device key at `HOST:PORT`; answered likewise.
    ReEnrol(String),
    /// Renew over mutual TLS at `HOST:PORT`; answered likewise.
    Renew(String),
    /// Open the stream to `HOST:PORT`; answered by `Opened` or `Closed`.
    Open(String),
    /// Close the stream; not answered.
    Close,
    /// Send on the stream.
    Send(Up),
    /// Make this identity durable.
    Keep(Identity),
    /// Make a page durable and put it into force; answered by `Applied`.
    Apply(Page),
    /// Read records after a number of the ledger that were not acknowledged; answered by `UsageRead`.
    ReadUsage {
        /// Records at most.
        most: usize,
    },
    /// Records up to a number are durable at the orchestrator: the ledger may drop them.
    AckUsage {
        /// The ledger.
        ledger: u64,
        /// The last of them.
        through: u64,
    },
    /// Make events durable, so that they outlive the daemon; answered by `EventsKept`. There is one such question at a time.
    KeepEvents {
        /// The epoch of all events that are kept.
        epoch: u64,
        /// New ones, in order.
        events: Vec<Event>,
        /// Those up to this number are needed no more.
        forget: u64,
    },
    /// Do something; told by `Progress`.
    Run(Command),
    /// For log and doctor.
    Tell(Link),
}

/// How the link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// A certificate came; until when, seconds since 1970 UTC.
    Certified(u64),
    /// The conversation stands.
    Up,
    /// It ended, or did not begin.
    Down(String),
    /// The orchestrator refuses, and it will be tried again.
    Refused(String),
}
