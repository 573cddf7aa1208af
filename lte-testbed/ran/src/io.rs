//! What goes into an eNodeB and what comes out of it.

use std::net::Ipv4Addr;

use basalt_ids::{Ebi, GlobalEnbId, Gummei, STmsi, Tai, Teid};
use basalt_s1ap::{Cause, PagingIdentity, RrcEstablishmentCause, SecurityKey, SupportedTa, TimeToWait};

use crate::handover::HandoverContext;

/// A phone as its eNodeB knows it: a number the driver chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneId(pub u32);

/// What happens to an eNodeB.
#[derive(Clone, Debug)]
pub enum Input {
    /// The SCTP association to the MME stands.
    LinkUp,
    /// The SCTP association to the MME is gone.
    LinkDown,
    /// The MME restarted its end of the association (RFC 9260 §5.2): contexts are gone, the interface is set up anew.
    LinkRestarted,
    /// An S1AP message from the MME.
    S1ap(Vec<u8>),
    /// A phone sets up a radio connection with its first NAS message.
    Connect(ConnectRequest),
    /// A NAS message over an existing connection.
    Uplink {
        /// Who.
        phone: PhoneId,
        /// Octets.
        nas: Vec<u8>,
    },
    /// The phone carried out [`Effect::Configure`], or could not.
    Configured {
        /// Who.
        phone: PhoneId,
        /// False: AS security or the bearers could not be set up.
        ok: bool,
    },
    /// The phone was silent for some time: release it, as the inactivity timer would.
    Inactive(PhoneId),
    /// The radio to the phone is lost.
    RadioLost(PhoneId),
    /// The phone let the radio connection go by itself, and nobody tells the MME.
    Abandon(PhoneId),
    /// The phone moves to another eNodeB: give its context away (X2 handover, source side).
    HandOver(PhoneId),
    /// A phone comes from another eNodeB (X2 handover, target side): PATH SWITCH REQUEST.
    TakeOver {
        /// Who.
        phone: PhoneId,
        /// What the source gave.
        context: Box<HandoverContext>,
    },
    /// The target eNodeB has the phone: forget it without a word to the MME (X2 UE CONTEXT RELEASE).
    ForgetHandedOver(PhoneId),
    /// The phone is to be handed over by the MME (S1 handover, source side): HANDOVER REQUIRED.
    Relocate {
        /// Who.
        phone: PhoneId,
        /// Which eNodeB, and its area.
        target: (GlobalEnbId, Tai),
        /// The two eNodeBs reach each other.
        direct: bool,
    },
    /// It is not to be handed over after all: HANDOVER CANCEL.
    CancelRelocation(PhoneId),
    /// A phone that was sent on its way ([`Effect::Departed`]) is here (target side): HANDOVER NOTIFY.
    Arrive(PhoneId),
    /// A GTP-U End Marker came in this tunnel.
    EndMarker(Teid),
    /// Tell the MME other areas or another name.
    Update {
        /// New areas, if they change.
        supported_tas: Option<Vec<SupportedTa>>,
        /// New name, if it changes.
        name: Option<String>,
    },
    /// Reset the whole interface, or the connections of some phones.
    Reset {
        /// Which phones; empty for all.
        phones: Vec<PhoneId>,
        /// Why.
        cause: Cause,
    },
    /// The eNodeB releases a bearer on its own (E-RAB RELEASE INDICATION).
    DropBearer {
        /// Whose.
        phone: PhoneId,
        /// Which.
        ebi: Ebi,
    },
    /// Send this message as it is, right or wrong.
    Raw {
        /// Octets.
        pdu: Vec<u8>,
        /// The phone whose stream it goes on; `None` for stream 0.
        phone: Option<PhoneId>,
    },
    /// A moment named by [`crate::Enb::next_wakeup`] has come.
    Wakeup,
}

/// A phone's first message.
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    /// Who.
    pub phone: PhoneId,
    /// Why (TS 36.331 §5.3.3).
    pub cause: RrcEstablishmentCause,
    /// Its temporary identity, if this cell is in its registered area (TS 36.331 §5.3.3.3).
    pub s_tmsi: Option<STmsi>,
    /// Where it is registered, if elsewhere than this MME.
    pub gummei: Option<Gummei>,
    /// Its first NAS message.
    pub nas: Vec<u8>,
    /// Its radio capability, which the eNodeB enquires when the MME has none.
    pub capability: Vec<u8>,
}

/// What an eNodeB wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an S1AP message to the MME.
    Send {
        /// Octets.
        pdu: Vec<u8>,
        /// The UE it is about; `None` for messages of the interface, which go on stream 0 (TS 36.412 §7).
        ue: Option<u32>,
    },
    /// Give a phone a NAS message.
    Deliver {
        /// Who.
        phone: PhoneId,
        /// Octets.
        nas: Vec<u8>,
    },
    /// Set up AS security and radio bearers of a phone, and deliver NAS messages with it (RRC SECURITY MODE COMMAND and
    /// RRC CONNECTION RECONFIGURATION). Answered by [`Input::Configured`].
    Configure {
        /// Who.
        phone: PhoneId,
        /// What.
        configuration: Configuration,
    },
    /// The radio connection of a phone is gone.
    Release {
        /// Who.
        phone: PhoneId,
        /// Why, as the MME or this eNodeB said.
        cause: Cause,
    },
    /// Page a phone in this cell.
    Page {
        /// Whom.
        identity: PagingIdentity,
        /// True for a page of the circuit-switched domain.
        circuit_switched: bool,
        /// Areas the MME pages in.
        tais: Vec<Tai>,
    },
    /// A phone is ready to move (answer to [`Input::HandOver`]).
    HandedOver {
        /// Who.
        phone: PhoneId,
        /// What the target needs.
        context: Box<HandoverContext>,
    },
    /// The path of a phone now ends here; the keys of the next handover, for the phone to compare.
    PathSwitched {
        /// Who.
        phone: PhoneId,
        /// Next hop chaining count.
        ncc: u8,
        /// Next hop.
        next_hop: SecurityKey,
    },
    /// The phone is on its way to where it is handed over; the target hears of it by [`Input::Arrive`].
    Departed {
        /// Who.
        phone: PhoneId,
    },
    /// A packet that was kept comes to its phone.
    Downlink {
        /// Whose.
        phone: PhoneId,
        /// By which bearer.
        ebi: Ebi,
        /// The packet.
        packet: Vec<u8>,
    },
    /// Send a GTP-U End Marker.
    EndMarker {
        /// Where to.
        to: Ipv4Addr,
        /// In which tunnel.
        teid: Teid,
    },
    /// The radio connection that a phone asked for is refused: the interface is down, or the MME is overloaded.
    Refuse {
        /// Who.
        phone: PhoneId,
    },
    /// Something to tell or to count.
    Event(Event),
}

/// What a phone's radio is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// AS security, when it is set up or changed now.
    pub security: Option<RadioSecurity>,
    /// Bearers that stand now.
    pub added: Vec<Ebi>,
    /// Bearers that are gone now.
    pub removed: Vec<Ebi>,
    /// NAS messages that come with it, in order.
    pub nas: Vec<Vec<u8>>,
}

/// What the phone compares with its own keys, since the radio's own MACs are not modelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadioSecurity {
    /// K_eNB as the MME gave it.
    pub k_enb: SecurityKey,
    /// Ciphering algorithms of the phone as the MME told them, EEA1 in bit 15 (TS 36.413 §9.2.1.40).
    pub encryption: u16,
    /// Integrity algorithms of the phone as the MME told them, EIA1 in bit 15.
    pub integrity: u16,
}

/// What an eNodeB noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// S1 SETUP RESPONSE: the interface stands.
    SetupDone {
        /// The MME's name.
        mme: Option<String>,
        /// Its capacity relative to others.
        capacity: Option<u8>,
    },
    /// S1 SETUP FAILURE.
    SetupFailed {
        /// Why.
        cause: Option<Cause>,
        /// How long the MME wants to be left alone.
        time_to_wait: Option<TimeToWait>,
    },
    /// ENB CONFIGURATION UPDATE ACKNOWLEDGE.
    UpdateDone,
    /// ENB CONFIGURATION UPDATE FAILURE.
    UpdateFailed {
        /// Why.
        cause: Option<Cause>,
        /// How long the MME wants to be left alone.
        time_to_wait: Option<TimeToWait>,
    },
    /// The MME told new properties of its own.
    MmeUpdated,
    /// RESET ACKNOWLEDGE.
    ResetDone {
        /// How many connections it lists.
        connections: usize,
    },
    /// RESET from the MME.
    ResetByMme {
        /// Why.
        cause: Option<Cause>,
        /// How many phones lost their connection.
        phones: usize,
    },
    /// OVERLOAD START (true) or OVERLOAD STOP (false).
    Overload(bool),
    /// ERROR INDICATION from the MME.
    ErrorIndication {
        /// The phone it is about, if the ids say.
        phone: Option<PhoneId>,
        /// Why.
        cause: Option<Cause>,
    },
    /// INITIAL CONTEXT SETUP RESPONSE was sent: the phone's bearers stand.
    ContextReady(PhoneId),
    /// INITIAL CONTEXT SETUP FAILURE was sent.
    ContextFailed(PhoneId, Cause),
    /// HANDOVER PREPARATION FAILURE, or no answer: the phone stays.
    HandoverFailed(PhoneId, Option<Cause>),
    /// HANDOVER CANCEL ACKNOWLEDGE: the phone stays.
    HandoverCancelled(PhoneId),
    /// PATH SWITCH REQUEST FAILURE.
    PathSwitchFailed(PhoneId, Option<Cause>),
    /// A message that could not be read, or that did not fit; it was answered with ERROR INDICATION where one is due.
    ProtocolError(String),
    /// A message arrived that this eNodeB has no use for.
    Unexpected(&'static str),
    /// An answer to S1 SETUP REQUEST or its likes did not come in time.
    NoAnswer(&'static str),
}
