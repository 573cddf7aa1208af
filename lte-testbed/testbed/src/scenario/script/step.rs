//! What a scenario does, line by line.

use std::net::IpAddr;
use std::time::Duration;

use basalt_ids::Apn;

use super::{EnbAction, Expectation, GatewayAction, HandedOver, HomeAction, PhoneAction, Phones, Place};
use crate::lab::Cable;
use crate::rates::Version;

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
    /// A phone sends and is sent more than this rate (bit/s) over its connections to these access points together, by one IP version or both:
    /// what the receiver counts is the rate, within 5 %.
    RateOfAccessPoints(usize, u64, Vec<Apn>, Version),
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
