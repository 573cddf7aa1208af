//! What passes between the radio rooms (S1AP today, NGAP later) and mobility: access-neutral.

use crate::{Ambr, BearerQos, BearerRates, RadioId, UeId};
use basalt_ids::{Ebi, Ecgi, Imsi, STmsi, Tai, Teid};
use basalt_security::Secret;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// Where a UE is: tracking area and cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// Tracking area.
    pub tai: Tai,
    /// Cell.
    pub cell: Ecgi,
}

/// Why the UE asked for a signalling connection (TS 36.413 §9.2.1.3a; TS 38.413 §9.3.1.111).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EstablishmentCause {
    /// Emergency call.
    Emergency,
    /// High priority access.
    HighPriority,
    /// Answer to a page.
    MtAccess,
    /// Signalling of its own.
    MoSignalling,
    /// Data of its own.
    MoData,
    /// Delay-tolerant access.
    DelayTolerant,
    /// Voice call of its own.
    MoVoice,
    /// Exception report of a NB-IoT device.
    MoException,
    /// A value newer than this list.
    Other,
}

/// Why a radio connection ends or a setup failed, in words both accesses share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RadioCause {
    /// Nothing went wrong: the procedure is over.
    NormalRelease,
    /// The UE left.
    Detach,
    /// Authentication failed.
    AuthenticationFailure,
    /// No traffic for some time.
    UserInactivity,
    /// The base station lost the UE.
    RadioConnectionLost,
    /// The UE came back over another connection (or to another base station).
    Superseded,
    /// A handover is under way: to be asked again when it is over (TS 36.413 §8.2.1.4).
    Handover,
    /// A handover came to nothing: its target is not needed.
    HandoverCancelled,
    /// The UE moved by a handover.
    SuccessfulHandover,
    /// CS fallback was asked for.
    CsFallback,
    /// The base station or the association to it is gone, or was reset.
    LinkLost,
    /// Something does not fit (unknown or inconsistent ids).
    UnknownId,
    /// The radio could not carry out what was asked.
    RadioResources,
    /// Transport resources are missing.
    TransportResources,
    /// A NAS procedure failed.
    NasUnspecified,
    /// Anything else.
    Unspecified,
}

/// Something a base station told about a UE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RadioEvent {
    /// Over which connection.
    pub radio: RadioId,
    /// The UE that was bound to the connection; `None` until mobility binds it.
    pub ue: Option<UeId>,
    /// What.
    pub kind: RadioEventKind,
}

/// See [`RadioEvent`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RadioEventKind {
    /// The first message of a UE over a new connection.
    Initial {
        /// NAS octets as the UE sent them.
        nas: Vec<u8>,
        /// Where from.
        area: Area,
        /// Why.
        cause: EstablishmentCause,
        /// The temporary identity the UE gave to the base station.
        s_tmsi: Option<STmsi>,
    },
    /// A later NAS message.
    Uplink {
        /// NAS octets as the UE sent them.
        nas: Vec<u8>,
        /// Where from.
        area: Area,
    },
    /// A NAS message could not be delivered to the UE.
    NotDelivered {
        /// The octets that were not delivered.
        nas: Vec<u8>,
        /// Why.
        cause: RadioCause,
    },
    /// [`RadioCommand::SetupContext`] or [`RadioCommand::SetupBearers`] was carried out, wholly or for some bearers.
    BearersReady {
        /// True for the answer to `SetupContext`.
        initial: bool,
        /// Bearers that stand, with the base station's tunnel endpoint.
        established: Vec<BearerEndpoint>,
        /// Bearers that could not be set up.
        failed: Vec<BearerFailure>,
    },
    /// [`RadioCommand::SetupContext`] failed as a whole.
    ContextFailed {
        /// Why.
        cause: RadioCause,
    },
    /// [`RadioCommand::ModifyBearers`] was carried out, wholly or for some bearers.
    BearersModified {
        /// Bearers that changed.
        modified: Vec<Ebi>,
        /// Bearers that did not.
        failed: Vec<BearerFailure>,
    },
    /// The base station released bearers: on its own, or (`asked`) because of [`RadioCommand::ReleaseBearers`].
    BearersReleased {
        /// True for the answer to the command.
        asked: bool,
        /// Which.
        bearers: Vec<Ebi>,
    },
    /// The base station now carries the UE over another cell or station and gives the new tunnel endpoints (X2/Xn handover).
    PathSwitched {
        /// Where to.
        area: Area,
        /// New endpoints.
        bearers: Vec<BearerEndpoint>,
        /// The UE's ciphering and integrity algorithms as the new base station was told them, in the form of
        /// [`ContextSetup`]. Compared with the stored ones, never taken over (TS 33.401 §7.2.4.2.2).
        algorithms: Option<(u16, u16)>,
    },
    /// The base station wants to hand the UE over by the gateway (S1 handover). Answered by [`RadioCommand::HandOver`] or
    /// [`RadioCommand::RefuseHandover`].
    HandoverRequired,
    /// The target of a handover is ready and says where it receives what the source forwards, where the two do not reach each
    /// other. Answered by [`RadioCommand::Forward`].
    HandoverAdmitted {
        /// The target's tunnels.
        tunnels: Vec<ForwardingTunnels>,
    },
    /// The UE has arrived at the target of a handover: what was told of its connection is told of another one from now on.
    HandedOver {
        /// The UE's connection.
        to: RadioId,
        /// Where it is.
        area: Area,
        /// The target's endpoints.
        bearers: Vec<BearerEndpoint>,
    },
    /// A handover came to nothing: the UE stays where it is.
    HandoverEnded,
    /// The base station receives bearers elsewhere from now on (dual connectivity, TS 36.300 §10.1.2.8).
    BearersMoved {
        /// New endpoints.
        bearers: Vec<BearerEndpoint>,
    },
    /// The UE's radio capability, to be kept and sent again with later context setups.
    Capability {
        /// Opaque octets.
        octets: Vec<u8>,
    },
    /// The base station asks to release the connection.
    ReleaseRequested {
        /// Why.
        cause: RadioCause,
    },
    /// The connection is gone and its id is dead: after [`RadioCommand::Release`], a reset, or with its base station.
    Released {
        /// Why, as far as known.
        cause: RadioCause,
    },
}

/// A bearer's user-plane endpoint at the base station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BearerEndpoint {
    /// Which bearer.
    pub ebi: Ebi,
    /// Where the base station receives GTP-U.
    pub address: IpAddr,
    /// Its tunnel endpoint identifier.
    pub teid: Teid,
}

/// Tunnels by which the data of a bearer follows a UE that is handed over: the target's, or the gateway's to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardingTunnels {
    /// Which bearer.
    pub ebi: Ebi,
    /// For packets to the UE.
    pub downlink: Option<(IpAddr, Teid)>,
    /// For packets from the UE.
    pub uplink: Option<(IpAddr, Teid)>,
}

/// A bearer the base station could not set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BearerFailure {
    /// Which bearer.
    pub ebi: Ebi,
    /// Why.
    pub cause: RadioCause,
}

/// A bearer to be set up by the base station.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BearerSetup {
    /// Which bearer.
    pub ebi: Ebi,
    /// Its QoS.
    pub qos: BearerQos,
    /// Its rates, if they are guaranteed.
    pub rates: Option<BearerRates>,
    /// Where the gateway receives GTP-U.
    pub address: IpAddr,
    /// The gateway's tunnel endpoint identifier.
    pub teid: Teid,
    /// A NAS message to deliver together with the setup.
    pub nas: Option<Vec<u8>>,
}

/// A bearer whose QoS the base station shall change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BearerModify {
    /// Which bearer.
    pub ebi: Ebi,
    /// Its new QoS.
    pub qos: BearerQos,
    /// Its new rates, if they are guaranteed.
    pub rates: Option<BearerRates>,
    /// A NAS message to deliver with it.
    pub nas: Vec<u8>,
}

/// All that a base station needs to serve a UE (INITIAL CONTEXT SETUP REQUEST).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextSetup {
    /// K_eNB (K_gNB): 32 octets.
    pub key: Secret<[u8; 32]>,
    /// The UE's supported ciphering and integrity algorithms of the radio, as S1AP wants them: bit 15 is EEA1/EIA1
    /// (TS 36.413 §9.2.1.40).
    pub encryption_algorithms: u16,
    /// See `encryption_algorithms`.
    pub integrity_algorithms: u16,
    /// Aggregate maximum bit rate of the UE.
    pub ambr: Ambr,
    /// Bearers, at least one.
    pub bearers: Vec<BearerSetup>,
    /// Radio capability known from before.
    pub capability: Option<Vec<u8>>,
}

/// All that the target of a handover needs to serve a UE (HANDOVER REQUEST), besides what the source tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandoverSetup {
    /// Next hop chaining count, 0 to 7.
    pub ncc: u8,
    /// Next hop key.
    pub next_hop: Secret<[u8; 32]>,
    /// See [`ContextSetup`].
    pub encryption_algorithms: u16,
    /// See [`ContextSetup`].
    pub integrity_algorithms: u16,
    /// Aggregate maximum bit rate of the UE.
    pub ambr: Ambr,
    /// Bearers, at least one, without NAS messages.
    pub bearers: Vec<BearerSetup>,
}

/// Whom to page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PagingId {
    /// By temporary identity.
    STmsi(STmsi),
    /// By IMSI, when the temporary identity did not help (network failure only, TS 24.301 §5.6.2.2.2).
    Imsi(Imsi),
}

/// A page over all base stations that serve one of the areas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paging {
    /// Whom.
    pub id: PagingId,
    /// IMSI modulo 1024, from which the radio computes the paging occasion (TS 36.304 §7.1).
    pub ue_index: u16,
    /// Areas the UE may be in.
    pub areas: Vec<Tai>,
    /// The UE's own DRX cycle in radio frames (32, 64, 128, 256), if it asked for one.
    pub drx: Option<u16>,
}

/// What mobility wants of the radio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RadioCommand {
    /// From now on, events of `radio` belong to `ue`.
    Bind {
        /// The connection.
        radio: RadioId,
        /// The UE.
        ue: UeId,
    },
    /// Deliver a NAS message.
    Downlink {
        /// Over which connection.
        radio: RadioId,
        /// Octets as the UE shall get them.
        nas: Vec<u8>,
    },
    /// Give the base station the UE's context and first bearers.
    SetupContext {
        /// Over which connection.
        radio: RadioId,
        /// The context.
        context: Box<ContextSetup>,
    },
    /// Add bearers to a context.
    SetupBearers {
        /// Over which connection.
        radio: RadioId,
        /// New aggregate maximum bit rate, if it changed.
        ambr: Option<Ambr>,
        /// Which bearers.
        bearers: Vec<BearerSetup>,
    },
    /// Change the QoS of bearers.
    ModifyBearers {
        /// Over which connection.
        radio: RadioId,
        /// Which bearers.
        bearers: Vec<BearerModify>,
    },
    /// Take bearers from a context.
    ReleaseBearers {
        /// Over which connection.
        radio: RadioId,
        /// Which bearers.
        bearers: Vec<Ebi>,
        /// A NAS message to deliver with it.
        nas: Option<Vec<u8>>,
    },
    /// Acknowledge [`RadioEventKind::PathSwitched`] with a fresh next hop.
    AcknowledgePathSwitch {
        /// Over which connection.
        radio: RadioId,
        /// Next hop chaining count, 0 to 7.
        ncc: u8,
        /// Next hop key.
        next_hop: Secret<[u8; 32]>,
        /// The UE's ciphering and integrity algorithms, when the new base station was told others.
        algorithms: Option<(u16, u16)>,
    },
    /// Go on with the handover that [`RadioEventKind::HandoverRequired`] asked for.
    HandOver {
        /// The UE's connection.
        radio: RadioId,
        /// For the target.
        setup: Box<HandoverSetup>,
    },
    /// The UE cannot be handed over now.
    RefuseHandover {
        /// The UE's connection.
        radio: RadioId,
    },
    /// The gateway's tunnels for what [`RadioEventKind::HandoverAdmitted`] named; none where it has none.
    Forward {
        /// The UE's connection.
        radio: RadioId,
        /// Tunnels.
        tunnels: Vec<ForwardingTunnels>,
    },
    /// Tell the base station a new aggregate rate of the UE (UE CONTEXT MODIFICATION REQUEST).
    ModifyContext {
        /// Over which connection.
        radio: RadioId,
        /// Aggregate maximum bit rate of the UE.
        ambr: Ambr,
    },
    /// End the connection.
    Release {
        /// Which one.
        radio: RadioId,
        /// Why.
        cause: RadioCause,
    },
    /// Call a UE that has no connection.
    Page(Paging),
}
