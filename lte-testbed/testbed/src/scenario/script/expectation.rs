//! What a scenario expects.

use basalt_ids::Apn;

use super::Phones;

/// What can be expected.
#[derive(Clone, Debug, PartialEq)]
pub enum Expectation {
    /// The HSS of the home network has had so many requests of a kind, at least.
    HomeSaw(String, usize),
    /// The HSS of the home network has ended.
    HomeGone,
    /// A base station is in service.
    EnbInService(usize),
    /// A base station was refused.
    EnbRefused(usize),
    /// A base station has no association.
    EnbDown(usize),
    /// A base station's update was accepted, or refused.
    EnbUpdated(usize, bool),
    /// A base station got RESET ACKNOWLEDGE.
    EnbResetDone(usize),
    /// A base station was reset by the gateway.
    EnbWasReset(usize),
    /// A base station got ERROR INDICATION.
    EnbErrorIndication(usize),
    /// A base station could not hand a phone over.
    EnbHandoverFailed(usize),
    /// A base station cancelled a handover.
    EnbHandoverCancelled(usize),
    /// A base station got an End Marker.
    EnbEndMarker(usize),
    /// A phone is served by this base station, as the operator sees it.
    At(usize, usize),
    /// Phones are in this state.
    Phone(Phones, PhoneState),
    /// The internet can ping phones (or cannot).
    Reachable(Phones, bool),
    /// Packets of the internet came to a phone by this bearer, since that was asked for the last time: some, or exactly so many.
    CameBy(usize, u8, Option<u64>),
    /// No ping that a phone sent is answered.
    PingsLost(usize),
    /// What the operator sees of a phone's rules contains this.
    RuleState(usize, String),
    /// The gateway has accounted for so many octets of a phone: up, and down.
    Used(usize, u64, u64),
    /// All pings a phone sent are answered.
    PingsAnswered(usize),
    /// A phone has a global IPv6 address that begins so, or none.
    HasIpv6(usize, Option<String>),
    /// A phone got so many numbered packets, in order, each once.
    GotNumbered(usize, u32),
    /// A sample of the gateway's metrics compares with a number.
    Metric(String, Comparison, f64),
    /// The gateway still runs.
    GatewayAlive,
}

/// State of a phone, or something that happened to it since its last action.
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneState {
    /// Attached.
    Registered,
    /// Attached with radio bearers.
    Connected,
    /// Attached without a radio connection.
    Idle,
    /// Not attached.
    Deregistered,
    /// Not attached, and without a radio connection.
    Off,
    /// Attached for EPS services only, after asking for more.
    EpsOnly,
    /// Refused, with this EMM cause if one is named.
    Rejected(Option<u8>),
    /// Got AUTHENTICATION REJECT.
    AuthenticationRejected,
    /// Its attach ended without an answer.
    AttachFailed,
    /// Its service request was refused, with this EMM cause if one is named.
    ServiceRejected(Option<u8>),
    /// Its area update was accepted.
    Updated,
    /// Detached by the network.
    DetachedByNetwork,
    /// Was paged.
    Paged,
    /// Has these algorithms.
    SecuredBy(u8, u8),
    /// Has the address it had before.
    SameAddress,
    /// Has an IPv4 address that begins so, or none.
    HasIpv4(Option<String>),
    /// Was told why it did not get all it asked for: this ESM cause.
    ToldCause(u8),
    /// Has another temporary identity than before.
    NewGuti,
    /// Has a connection to this access point.
    HasApn(Apn),
    /// Has so many bearers.
    Bearers(usize),
    /// A connection was refused, with this ESM cause.
    SessionRefused(u8),
    /// The network's name was shown.
    ShowsNetwork,
    /// Found the network's next hop key right.
    NextHopAgrees,
    /// Has had no reason to distrust the network.
    TrustsNetwork,
}

/// How a number compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Exactly.
    Equal,
    /// At least.
    AtLeast,
    /// At most.
    AtMost,
}
