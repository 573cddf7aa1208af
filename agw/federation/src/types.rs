//! What goes in and what comes out.

use crate::subscription::Subscription;
use crate::zones::Zones;
use agw_types::{Answer, AuthMaterial, Cancelled, Profile, Question, Resync, Ticket};
use basalt_ids::{Apn, Ebi, Imeisv, Imsi, Plmn};
use basalt_sansio::Duration;
use core::net::IpAddr;

/// A federation gateway, by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feg(pub usize);

/// What is decided before the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Names of federation gateways: phones are shared out by them, so that all gateways choose alike.
    pub fegs: Vec<String>,
    /// Vectors asked for at once, 1 to 5. What is not used at once carries the phone through an outage.
    pub vectors: u32,
    /// How long a vector may wait to be used.
    pub vector_age: Duration,
    /// How long a profile may stand for the home network's answer.
    pub profile_age: Duration,
    /// How long one question may take, all tries together. Shorter than mobility waits.
    pub patience: Duration,
    /// Questions that may wait at once.
    pub waiting: usize,
    /// Whether and how equipment is checked.
    pub equipment: Equipment,
    /// Zones of home networks (Regional-Subscription-Zone-Code) that the tracking areas here belong to.
    pub zones: Zones,
    /// Access points that this gateway has: what a subscription to any access point (`*`) is for.
    pub apns: Vec<Apn>,
    /// What home networks are told that our PDN gateway is called; `None` for nothing, where no other access leads to it.
    pub pdn_gateway: Option<PdnGateway>,
}

/// How a PDN gateway is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PdnGateway {
    /// By its address.
    Address(IpAddr),
    /// By its name.
    Host {
        /// Its name.
        host: String,
        /// Its realm.
        realm: String,
    },
}

/// The check of equipment by the home network's EIR. What is never served here, mobility's own lists say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Equipment {
    /// Ask the EIR at each attach.
    pub check: bool,
    /// Refuse what the EIR watches.
    pub refuse_tracked: bool,
    /// Refuse what the EIR does not know.
    pub refuse_unknown: bool,
    /// Refuse everybody while the EIR does not answer.
    pub refuse_unchecked: bool,
}

impl Config {
    /// With what is sensible, for these federation gateways.
    #[must_use]
    pub fn new(fegs: Vec<String>) -> Self {
        Self {
            fegs,
            vectors: 3,
            vector_age: Duration::from_secs(3600),
            profile_age: Duration::from_secs(86_400),
            patience: Duration::from_millis(2_600),
            waiting: 4_096,
            equipment: Equipment::default(),
            zones: Zones::default(),
            apns: Vec::new(),
            pdn_gateway: None,
        }
    }
}

/// What a federation gateway is asked.
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
        imeisv: Option<Imeisv>,
    },
    /// The phone is not here any more.
    Purge,
    /// Is the phone a stolen one.
    Check(Imeisv),
    /// The phone can be reached, which the home network wanted to know.
    Reachable,
    /// A PDN gateway has a session of the phone's.
    Gateway {
        /// Context-Identifier of the subscribed access point.
        context: Option<u32>,
        /// The access point.
        apn: Apn,
        /// Which has it.
        gateway: PdnGateway,
    },
}

/// What a federation gateway answers.
#[derive(Debug, Clone, PartialEq)]
pub enum FegAnswer {
    /// Vectors in the order of use.
    Vectors(Vec<AuthMaterial>),
    /// The subscription and its HSS.
    Located(Box<Subscription>, String),
    /// Done.
    Done,
    /// What the EIR knows.
    Equipment(EquipmentStatus),
    /// The home network refuses: EMM cause, and the reason in words.
    Refused(u8, String),
    /// The home network did not answer.
    Unavailable,
}

/// What an EIR knows of a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EquipmentStatus {
    /// Known and good.
    Permitted,
    /// Not to be served.
    Prohibited,
    /// To be watched.
    Tracked,
}

/// What a home network asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HomeRequest {
    /// The phone is to go.
    Cancel(Imsi, Cancelled),
    /// Its subscription changed; IDR-Flags (TS 29.272 §7.3.103): what the home network wants to know besides.
    Insert(Imsi, Box<Subscription>, u32),
    /// Parts of it are gone: DSR-Flags, contexts.
    Delete(Imsi, u32, Vec<u32>),
    /// An HSS has lost its memory of such IMSIs.
    Reset(Vec<String>, String),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// The phone is not here.
    Unknown,
    /// Not now.
    Unable,
}

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// Mobility asks.
    Ask(Ticket, Question),
    /// A stream stands; the federation gateway takes requests unless it drains.
    Up(Feg, bool),
    /// A stream ended.
    Down(Feg),
    /// A federation gateway answers.
    Answered(Feg, u64, FegAnswer),
    /// A home network asks.
    Home(Feg, u64, HomeRequest),
    /// A phone that was kept over a restart.
    Restored(Imsi, Plmn),
    /// A phone left.
    Left(Imsi),
    /// A phone has a radio connection, or has none any more.
    Connected(Imsi, bool),
    /// A session of a phone's stands with an access point, or is over (`None`).
    Session(Imsi, Ebi, Option<Apn>),
    /// [`crate::Federation::next_wakeup`] has come.
    Wakeup,
}

/// When a change must be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Before what comes behind it.
    First,
    /// Soon.
    Soon,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask a federation gateway.
    Send {
        /// Which.
        feg: Feg,
        /// The request's number.
        id: u64,
        /// Whose phone.
        imsi: Imsi,
        /// Where it is served.
        visited: Plmn,
        /// How long the answer is waited for.
        within: Duration,
        /// What.
        wish: Wish,
    },
    /// Answer a home network.
    Reply(Feg, u64, Outcome),
    /// Answer a home network that its change is done, with what its IDR-Flags ask for.
    Report {
        /// To whom.
        feg: Feg,
        /// The request's number.
        id: u64,
        /// Whose phone.
        imsi: Imsi,
        /// How it is, is asked for (EPS User State Request).
        state: bool,
        /// Where it was seen last, is asked for (EPS Location Information Request).
        location: bool,
    },
    /// Answer mobility.
    Answer(Ticket, Answer),
    /// A phone is to go.
    Cancelled(Imsi, Cancelled),
    /// Live sessions get what is subscribed now.
    Changed(Box<Profile>),
    /// What is remembered of a phone changed ([`crate::Federation::remembered_of`]). `First`: nothing that comes behind it in this step may
    /// happen before it is durable, since a vector is given out that must not come again.
    Save(Imsi, Urgency),
    /// Something to be counted, by name.
    Count(&'static str),
    /// Something for the operator: whose phone, and words.
    Tell(Imsi, String),
}
