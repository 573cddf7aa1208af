//! What a scenario can say.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use basalt_ids::{Apn, Plmn, Tac};
use basalt_nas::ie::PdnType;
use testbed_ue::{AkaFault, Misdeed, Uplink};

use crate::lab::Cable;

/// A scenario: what is set up, and what is done and expected, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Its name: that of its file.
    pub name: String,
    /// Its first comment line: what it shows.
    pub title: String,
    /// What is set up before the gateway starts.
    pub setup: Vec<Setup>,
    /// What is done and expected, with the line it stands in.
    pub steps: Vec<(usize, Step)>,
    /// The lines themselves, for reports.
    pub lines: Vec<String>,
}

impl Script {
    /// Whether it measures what the machine gives it: neighbours would take of it.
    #[must_use]
    pub fn measures(&self) -> bool {
        self.steps.iter().any(|(_, step)| {
            matches!(
                step,
                Step::Flood(..)
                    | Step::Rates(..)
                    | Step::RateOver(..)
                    | Step::RateOfAccessPoints(..)
                    | Step::Kills(..)
                    | Step::Upgrades(_)
            )
        })
    }

    /// Whether every packet counts: what is lost or miscounted once is a fault, however often it goes well.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.steps.iter().any(|(_, step)| matches!(step, Step::Kills(..) | Step::Upgrades(_)))
    }
}

/// Something that is set up before the gateway starts.
#[derive(Clone, Debug, PartialEq)]
pub enum Setup {
    /// A setting of the gateway's configuration, as TOML: `paging.attempts = 2`.
    Setting(String),
    /// How many subscribers the gateway knows.
    Subscribers(u32),
    /// An access point that all subscribers may use; the first one named is their default.
    AccessPoint(Apn),
    /// What the internet may send each subscriber, bit/s: its AMBR.
    DownlinkRate(u64),
    /// A base station stands in another area, or another network.
    EnbArea(usize, Option<Plmn>, Tac),
    /// A phone is of another kind.
    Phone(usize, Trait),
    /// There is a home network whose subscribers are authenticated by it, through a federation gateway.
    Home(Plmn),
    /// In what the home network heard and said, tshark has to find these commands of Diameter, asked and answered.
    Commands(Vec<u32>),
    /// There is a collector of OpenTelemetry, which gateway and federation gateway tell.
    Collector,
    /// Cables to the base stations and to the internet carry packets of so many octets.
    Cables(u32),
    /// There is a server on this VLAN of the internet link.
    Vlan(u16),
    /// The scenario needs the right to load BPF programs, or something else that only root has.
    NeedsRoot,
}

/// In what a phone differs from the usual one.
#[derive(Clone, Debug, PartialEq)]
pub enum Trait {
    /// Its card has another key than the gateway's list.
    WrongKey,
    /// The gateway does not know it.
    Unknown,
    /// Its subscription is of another network.
    Network(Plmn),
    /// That network lets it be served in this zone.
    Zone(u16),
    /// It has these algorithms only (capability bits).
    Algorithms(u8, u8),
    /// It attaches for EPS and non-EPS services.
    Combined,
    /// It keeps access point and options secret until security stands.
    Conceals,
    /// It asks for this access point.
    AccessPoint(Apn),
    /// It asks for a session of this type.
    PdnType(PdnType),
    /// It is a network device in a namespace, where real programs run.
    Device,
    /// Its subscription has this IPv4 address at the default access point.
    Address(Ipv4Addr),
    /// There is this network behind it (first address, length), and it is a network device.
    Behind(IpAddr, u8),
    /// It does not try again by itself.
    Once,
    /// It waits so long for answers instead of the specification's time.
    Timer(testbed_ue::Timer, Duration),
}

/// One or several phones, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phones {
    /// The first.
    pub first: usize,
    /// The last.
    pub last: usize,
}

impl Phones {
    /// Their indices, counted from 0.
    pub fn indices(self) -> impl Iterator<Item = usize> {
        self.first - 1..self.last
    }
}

/// Where programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The server in the internet.
    Internet,
    /// A phone that is a network device.
    Phone(usize),
    /// The network behind it.
    Behind(usize),
    /// The server on the VLAN.
    Vlan,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Internet => f.write_str("internet"),
            Place::Phone(phone) => write!(f, "ue {phone}"),
            Place::Behind(phone) => write!(f, "behind ue {phone}"),
            Place::Vlan => f.write_str("vlan"),
        }
    }
}

/// Something done or expected.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Base station does something.
    Enb(usize, EnbAction),
    /// Phones do something.
    Phone(Phones, PhoneAction),
    /// Something happens to the gateway.
    Gateway(GatewayAction),
    /// Something happens to the home network.
    Home(HomeAction),
    /// The internet sends numbered packets to a phone, over IPv6 if `true`.
    SendNumbered(usize, u32, bool),
    /// The internet sends numbered packets to a phone that is handed over by the gateway meanwhile: there and back.
    SendNumberedOver(usize, u32, HandedOver, usize),
    /// The internet sends a phone far more than it may have, for so long; what arrives is measured, and must be this rate in bit/s.
    Flood(usize, Duration, u64),
    /// The gateway is killed so often at random while the first so many phones send and receive numbered packets; every so often its
    /// tables are asked for in another size. Nothing may be lost, reordered or miscounted.
    Kills(usize, u32, u32),
    /// An orchestrator upgrades the gateway to another version and takes it back, while the first so many phones send and receive numbered
    /// packets and one of them pings: nothing may be lost, reordered or miscounted.
    Upgrades(usize),
    /// The operator looks at a phone's packets for so long: they are seen at every hop, and written into a capture.
    Watch(usize, Duration),
    /// The operator begins to trace a phone's signalling.
    TraceCall(usize),
    /// The trace shows a message of this name.
    TraceShows(String),
    /// The trace has a procedure of this name that succeeded.
    TraceSucceeds(String),
    /// The phone pings until the trace has its packets in the tunnel, both ways.
    TracePackets(usize),
    /// A phone is sent more than this rate (bit/s) in many flows, or with `true` sends it, which go by so many bearers together: what the
    /// receiver counts is the rate, within 5 %.
    RateOver(usize, u64, usize, bool),
    /// A phone sends and is sent more than this rate (bit/s) over its connections to these access points together: what the receiver counts
    /// is the rate, within 5 %.
    RateOfAccessPoints(usize, u64, Vec<Apn>),
    /// A phone's subscriber may have the first rate (bit/s) in each direction in all, and the second one over each of these access points.
    MayHave(usize, u64, u64, Vec<Apn>),
    /// The operator sees this phone talk most while the internet floods it.
    TalksMost(usize),
    /// A trace of the collector has all these spans; the first is the outermost.
    SpansOf(Vec<String>),
    /// The trace ends; tshark reads all of it, and no key of the phone is in it.
    TraceIsClean(usize),
    /// A phone gets each of these rates (bit/s) in turn, and is sent and sends more, in packets of several sizes, in one and many flows, over
    /// both IP versions: what the receiver counts is the rate, within 5 %. A few corners, or with `true` all mixes.
    Rates(usize, Vec<u64>, bool),
    /// A program at the first place downloads so many octets by HTTP from a server at the second one, over IPv6 if the first `bool` says
    /// so; or it cannot, if the second one does.
    Download(Place, Place, u64, bool, bool),
    /// A program of the phone downloads so many octets by HTTP, and TCP makes nearly all of this rate (bit/s) of it, and no more.
    DownloadAt(usize, u64, u64),
    /// A program at the first place has the server at the second one echo a datagram of so many octets; over IPv6 if `true`.
    Exchange(Place, Place, usize, bool),
    /// The server sees a program of the phone by this address, and the gateway knows whose port that is.
    SeenAs(usize, IpAddr),
    /// The events of a phone have one of this kind.
    Told(usize, String),
    /// What the internet sends a phone reaches its base station with this DSCP.
    Marked(usize, u8),
    /// The internet sends a packet to each of these idle phones at once; they come back, at most so many each second.
    Storm(Phones, u32),
    /// A program of a phone has a prefix delegated that begins so, by DHCPv6, and exchanges a datagram from an address in it.
    Delegation(usize, String),
    /// A program at the first place, which breaks no packet up, learns that packets to the second one may have so many octets; over IPv6 if
    /// `true`.
    PathCarries(Place, Place, u32, bool),
    /// A server that a program of this phone has sent a datagram learns that packets back may have so many octets.
    PathBack(usize, u32),
    /// Segments of a connection of a program at this place with the server have at most so many octets; over IPv6 if `true`.
    Segments(Place, u32, bool),
    /// Programs of a phone send packets as large as this, whatever the phone was told.
    IgnoresMtu(usize, u16),
    /// Behind the gateway's router, the network that the server is in carries so many octets of a packet.
    InternetMtu(u32),
    /// Behind the gateway's router, the network that base stations are in carries so many octets of a packet.
    StationsMtu(u32),
    /// The base stations' end of their cable carries so many octets of a packet.
    RadioMtu(u32),
    /// The gateway's default route goes by another router of the internet.
    OtherRouter,
    /// The router of the internet has another hardware address from now on.
    ExchangeRouter,
    /// Something happens to an interface of the gateway.
    Interface(Cable, Mishap),
    /// Somebody else alters the tables of the gateway's programs.
    Tampers(usize, Tampering),
    /// The events have one of this kind with this word in it.
    ToldWith(String, String),
    /// `basalt doctor` finds this check at this level.
    Diagnosed(String, String),
    /// A phone begins to ping the server without end.
    CanaryStarts(usize),
    /// Ends the pings of the canary, and none of them may be unanswered.
    CanaryLostNothing,
    /// Nothing is done for a while.
    Wait(Duration),
    /// Something must come true within a time.
    Expect(Expectation, Duration),
}

/// What can happen to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Its hardware is gone.
    Disappears,
    /// Other hardware is there in its place, set up as it was.
    Returns,
    /// It is taken down, and its routes go.
    GoesDown,
    /// It is brought up, and its routes come back.
    ComesUp,
    /// It goes down and comes up so many times, as fast as that goes.
    Flaps(u32),
    /// It has another name from now on; its routes are set again.
    Renamed(String, String),
    /// It has this name besides the one before.
    AlsoCalled(String, String),
}

/// What somebody else can do to the record of a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tampering {
    /// Its packets go into another tunnel.
    AltersDownlink,
    /// What it sends belongs to nobody.
    RemovesUplink,
}

/// What a base station can do.
#[derive(Clone, Debug, PartialEq)]
pub enum EnbAction {
    /// Associates.
    Connects,
    /// Ends its association in order.
    Disconnects,
    /// Ends its association by ABORT and associates again.
    Aborts,
    /// Resets the whole interface.
    Resets,
    /// Resets the connections of phones.
    ResetsPhones(Phones),
    /// Tells the gateway another area.
    UpdatesArea(Tac),
    /// Sends an S1AP message as it is.
    Sends(Vec<u8>, Option<usize>),
    /// Sends octets to the gateway's GTP-U port.
    SendsGtpu(Vec<u8>),
    /// Refuses contexts.
    RefusesContexts,
    /// Ignores contexts.
    IgnoresContexts,
    /// Its S1AP messages leave so late.
    SignalsLate(Duration),
    /// Does not answer releases.
    IgnoresReleases,
    /// Refuses phones that are to be handed over to it.
    RefusesHandovers,
    /// Does not answer when phones are to be handed over to it.
    IgnoresHandovers,
    /// Passes no pages on.
    IgnoresPages,
    /// Cannot deliver downlink NAS messages, and says so.
    CannotDeliver,
    /// Loses downlink NAS messages without a word.
    LosesDownlink,
    /// Sends random octets as S1AP messages.
    Babbles(u32, u64),
    /// Does everything right again.
    Behaves,
}

/// What a phone can do.
#[derive(Clone, Debug, PartialEq)]
pub enum PhoneAction {
    /// Attaches as usual.
    Attaches,
    /// Attaches with its IMSI.
    AttachesByImsi,
    /// Detaches and waits for the answer.
    Detaches,
    /// Detaches and is off.
    SwitchesOff,
    /// Its battery is taken out.
    LosesPower,
    /// Its base station lets it go idle.
    GoesIdle,
    /// Its base station loses it.
    LosesRadio,
    /// Has data to send: pings the server so many times.
    Pings(u32),
    /// Pings the server over IPv6 so many times.
    Pings6(u32),
    /// Updates its area; with bearers if `true`.
    Updates(bool),
    /// Goes to another base station.
    MovesTo(usize),
    /// Is handed over to another base station by the gateway.
    IsHandedOver(HandedOver),
    /// Is not handed over after all: its base station cancels.
    Stays,
    /// Asks for another connection.
    ConnectsTo(Apn),
    /// Ends the connection of that bearer.
    DisconnectsBearer(u8),
    /// Forgets its keys.
    ForgetsKeys,
    /// Takes a temporary identity that nobody gave it.
    InventsGuti,
    /// Its card has seen later sequence numbers than the gateway will use.
    IsAheadInSequence,
    /// Its card does something wrong with the next challenges.
    Card(AkaFault, u32),
    /// Does something wrong at a message.
    Misbehaves(Uplink, Misdeed, u32),
    /// Does everything right again.
    Behaves,
}

/// Where a phone is handed over to by the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// Which base station.
    pub to: usize,
    /// The two reach each other; otherwise the gateway forwards what is left.
    pub direct: bool,
}

/// What can happen to the gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum GatewayAction {
    /// Killed as by a crash.
    Killed,
    /// Starts (again).
    Starts,
    /// Ends for a restart (SIGTERM).
    Stops,
    /// The operator detaches a phone; to attach again if `true`.
    Detaches(usize, bool),
    /// The operator pages a phone.
    Pages(usize),
    /// The operator suspends a subscriber, or lets it go on.
    Suspends(usize, bool),
    /// The operator deletes a subscriber.
    Deletes(usize),
    /// The operator bounds what a phone may use: octets of a session.
    Bounds(usize, u64),
    /// The operator slows a phone to a rate (bit/s) when it has used so many octets in a month.
    Slows(usize, u64, u64),
    /// The operator gives a phone octets more.
    TopsUp(usize, u64),
    /// The operator gives a phone a rule: its name, and what `basalt rule set` takes besides.
    SetsRule(usize, Vec<String>),
    /// The operator takes a rule from a phone.
    RemovesRule(usize, String),
    /// The operator resets a base station.
    ResetsEnb(usize),
}

/// What can happen to a home network and to the federation gateway before it.
#[derive(Clone, Debug, PartialEq)]
pub enum HomeAction {
    /// Its HSS is told how to behave, in the HSS's words.
    Behaves(String),
    /// Its HSS orders something about a phone: the order's first word, the phone, the rest.
    Orders(String, usize, String),
    /// Its HSS cancels where a phone is, which nobody has: that is as good as done.
    CancelsInVain(usize),
    /// Its HSS has lost its memory.
    Resets,
    /// Its HSS is killed.
    Dies,
    /// Its HSS is there again.
    Returns,
    /// The federation gateway is killed.
    GatewayDies,
    /// The federation gateway is there again.
    GatewayReturns,
}

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
