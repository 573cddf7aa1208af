//! What goes into a phone and what comes out of it.

use basalt_ids::{Apn, Ebi, Gummei, Guti, STmsi, Tai};
use basalt_nas::ie::{EmmCause, EsmCause};
use basalt_security::{Algorithms, Secret};

use crate::session::Session;

/// How a phone attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AttachKind {
    /// With its GUTI if it has one, else with its IMSI.
    #[default]
    Usual,
    /// With its IMSI, whatever it has.
    Imsi,
}

/// How a phone detaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetachKind {
    /// And waits for the answer.
    Normal,
    /// And is off.
    SwitchOff,
}

/// What happens to a phone.
#[derive(Clone, Debug)]
pub enum Input {
    /// It camps on a cell of this area (also: the area changed).
    Camp(Tai),
    /// No cell is in reach.
    OutOfCoverage,
    /// The user wants service: attach.
    Attach(AttachKind),
    /// The user wants none: detach.
    Detach(DetachKind),
    /// The battery is taken out: everything that is not on the USIM or in permanent memory is gone, without a word.
    PowerCut,
    /// There are packets to send, and no bearers.
    UplinkData,
    /// Tracking area update, now; `active` asks for bearers.
    Update {
        /// The "active" flag.
        active: bool,
    },
    /// Another PDN connection.
    ConnectPdn(Option<Apn>),
    /// An end of a PDN connection, by its default bearer.
    DisconnectPdn(Ebi),
    /// A NAS message from the network.
    Nas(Vec<u8>),
    /// The base station sets up AS security and bearers. Answered by [`Effect::Configured`].
    Configure(Configuration),
    /// The base station pages.
    Page(Page),
    /// The radio connection is gone.
    Released,
    /// The radio connection that was asked for is refused or failed.
    ConnectFailed,
    /// After a handover: the key of the next one, as the network told the base station.
    NextHop {
        /// Next hop chaining count.
        ncc: u8,
        /// Next hop.
        key: Secret<[u8; 32]>,
    },
    /// A moment named by [`crate::Ue::next_wakeup`] has come.
    Wakeup,
}

/// What a base station tells a phone's radio.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// AS security, when it is set up now.
    pub security: Option<RadioSecurity>,
    /// Bearers that stand now.
    pub added: Vec<Ebi>,
    /// Bearers that are gone now.
    pub removed: Vec<Ebi>,
    /// NAS messages that come with it.
    pub nas: Vec<Vec<u8>>,
}

/// AS security as the base station got it from the network.
#[derive(Clone, Debug)]
pub struct RadioSecurity {
    /// K_eNB.
    pub k_enb: Secret<[u8; 32]>,
    /// Ciphering algorithms of the phone, EEA1 in bit 15 (TS 36.413 §9.2.1.40).
    pub encryption: u16,
    /// Integrity algorithms of the phone, EIA1 in bit 15.
    pub integrity: u16,
}

/// Whom a base station pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// By temporary identity.
    STmsi(STmsi),
    /// By IMSI: the network lost the temporary one (TS 24.301 §5.6.2.2.2).
    Imsi(basalt_ids::Imsi),
}

/// What a phone wants done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Set up a radio connection with this first NAS message.
    Connect(Connect),
    /// Send a NAS message over the radio connection.
    Uplink(Vec<u8>),
    /// [`Input::Configure`] was carried out, or (`false`) AS security failed.
    Configured(bool),
    /// The phone lets the radio connection go without waiting for the network.
    Abandon,
    /// Something to tell.
    Event(Event),
}

/// A radio connection that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// Why: the codes of TS 36.331, as the base station passes them on.
    pub cause: EstablishmentCause,
    /// Temporary identity, when the cell is in the registered area.
    pub s_tmsi: Option<STmsi>,
    /// Where the phone is registered, when the cell is not in the registered area.
    pub gummei: Option<Gummei>,
    /// First NAS message.
    pub nas: Vec<u8>,
}

/// Why a radio connection is asked for (TS 24.301 annex D).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in TS 36.331")]
pub enum EstablishmentCause {
    MoSignalling,
    MoData,
    MtAccess,
}

/// What happened, for whoever watches.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// ATTACH REQUEST was sent.
    AttachStarted,
    /// ATTACH COMPLETE was sent.
    Attached {
        /// Why for EPS services only, after a combined attach.
        eps_only: Option<EmmCause>,
    },
    /// AUTHENTICATION REQUEST came with this challenge, for the first time or again.
    Challenged([u8; 16]),
    /// The attach was refused.
    AttachRejected(EmmCause),
    /// The attach failed without an answer that counts as one: a timer, or the radio.
    AttachFailed(&'static str),
    /// A new temporary identity.
    NewGuti(Option<Guti>),
    /// A PDN connection stands.
    SessionUp(Session),
    /// A PDN connection, or one of its bearers, is gone.
    SessionDown(Ebi),
    /// A PDN connection was refused.
    SessionRefused(EsmCause),
    /// NAS security stands with these algorithms.
    Secured(Algorithms),
    /// The network could not be trusted: what is wrong. It was answered as the specification says.
    Distrust(ProtocolSurprise),
    /// AUTHENTICATION REJECT: the USIM counts as invalid from here on.
    AuthenticationRejected,
    /// The radio bearers stand: packets can flow.
    BearersUp,
    /// The radio connection is gone; the phone is idle, or gone.
    Idle,
    /// A page was answered.
    Paged,
    /// SERVICE REJECT.
    ServiceRejected(EmmCause),
    /// SERVICE REQUEST was not answered.
    ServiceFailed,
    /// TRACKING AREA UPDATE ACCEPT.
    Updated,
    /// TRACKING AREA UPDATE REJECT.
    UpdateRejected(EmmCause),
    /// TRACKING AREA UPDATE REQUEST was not answered.
    UpdateFailed,
    /// The phone is detached.
    Detached {
        /// By the network.
        by_network: bool,
        /// Why, if the network said.
        cause: Option<EmmCause>,
    },
    /// EMM INFORMATION: the network's name.
    NetworkName(Option<String>),
    /// EMM STATUS from the network.
    Status(EmmCause),
    /// ESM STATUS from the network.
    SessionStatus(EsmCause),
    /// The next hop key that the network told matches the phone's own.
    NextHopAgrees(u8),
}

/// Why a phone does not trust what it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolSurprise {
    /// AUTN's MAC is wrong.
    AutnMac,
    /// SQN is not fresh.
    SynchFailure,
    /// AUTN's separation bit is 0 (TS 33.401 §6.1.1).
    SeparationBit,
    /// A message's MAC is wrong, or its count was used before.
    MessageMac,
    /// A message without protection that needs it.
    Unprotected,
    /// SECURITY MODE COMMAND chose null integrity.
    NullIntegrity,
    /// SECURITY MODE COMMAND chose algorithms the phone does not have.
    UnknownAlgorithm,
    /// SECURITY MODE COMMAND replays other capabilities than were told: bidding down.
    BiddingDown,
    /// SECURITY MODE COMMAND names a key set that the phone does not have.
    UnknownKeySet,
    /// K_eNB is not the phone's own.
    AccessKey,
    /// The base station was told other algorithms than the phone has.
    AccessAlgorithms,
    /// The next hop key is not the phone's own.
    NextHop,
    /// A message that could not be read.
    Malformed,
    /// A message that does not fit the state.
    Unexpected(&'static str),
    /// An answer for another transaction.
    WrongTransaction,
}
