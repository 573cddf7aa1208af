//! The whole network: one gateway, its base stations, their phones, and a clock that jumps to the next thing that happens.

mod faults;
mod life;
mod phones;
mod site;
mod stations;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use agw_types::{Input, LinkId};
use basalt_ids::STmsi;
use basalt_sansio::{Duration, Outbox, Rng, SimRng, Time, Timers};
use testbed_netem::Link;
use testbed_ran::Enb;
use testbed_ue::Ue;

use crate::check::{Checks, Steady};
use crate::gateway::{Gateway, KeeperEvent, Outgoing, Ready};
use crate::plane::Plane;
use crate::radio::{Air, Connection, Down, Up};
use crate::scenario::Scenario;

pub(crate) use faults::Fault;
pub(crate) use life::Mood;

/// Streams of an association, each way.
pub(crate) const STREAMS: u16 = 4;
/// How often everything is looked at.
const SWEEP: Duration = Duration::from_secs(5);

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Turn {
    /// A timer of a phone.
    Phone(usize),
    /// What a phone's user does next.
    User(usize),
    /// A phone's next packet.
    Packet(usize),
    /// A timer of a base station.
    Station(usize),
    /// Something arrives over the air at a base station, or at its phones.
    AirUp(usize),
    AirDown(usize),
    /// Something arrives over a stream of a base station's association, at the gateway or at the base station.
    StreamUp(usize, u16),
    StreamDown(usize, u16),
    /// A timer of the core.
    Core,
    /// The writer is done.
    Commit,
    /// The daemon starts again.
    Restart,
    /// A fault of a kind.
    Fault(Fault),
    /// What was put off.
    Later,
    Sweep,
}

/// What was put off.
#[derive(Clone, Debug)]
pub(crate) enum Later {
    /// A phone's message that asked for a radio connection was lost, and so was the connection.
    ConnectFailed(usize, Connection),
    /// A phone notices that its radio connection is no more.
    RadioGone(usize, Connection),
    /// A base station notices that a phone is no more.
    PhoneGone(usize, Connection),
    /// The keeper notices that an association is no more.
    LinkGone(LinkId),
    /// A base station notices it.
    StationCutOff(usize),
    /// A base station makes an association.
    Associate(usize),
    /// A phone comes to the base station that it is handed over to.
    Arrives(usize, Connection),
}

/// A base station and what is around it.
#[derive(Debug)]
pub(crate) struct Station {
    pub enb: Enb,
    pub address: Ipv4Addr,
    /// Its association, by the keeper's number.
    pub link: Option<LinkId>,
    pub up: Vec<Link<Vec<u8>>>,
    pub down: Vec<Link<Vec<u8>>>,
    pub air_up: Air<Up>,
    pub air_down: Air<Down>,
}

/// A phone and its user.
#[derive(Debug)]
pub(crate) struct Handset {
    pub ue: Ue,
    /// The base station it camps on.
    pub station: usize,
    pub connection: Option<Connection>,
    /// Where it came from, while its path is switched.
    pub coming_from: Option<usize>,
    /// Where the gateway is to hand it over to.
    pub going_to: Option<usize>,
    /// The last configuration that it carried out.
    pub configured: u64,
    pub covered: bool,
    pub rng: SimRng,
    /// It has packets to send until then.
    pub busy_until: Time,
    pub s_tmsi: Option<STmsi>,
    /// When it last sent or got a signalling message.
    pub last_signalling: Time,
    /// What was proven of it since everything is calm.
    pub proof: Proof,
}

/// What a phone has shown to work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proof {
    pub uplink: bool,
    pub downlink: bool,
}

impl Proof {
    pub(crate) fn is_whole(self) -> bool {
        self.uplink && self.downlink
    }
}

/// A radio connection as the network behind the air sees it.
#[derive(Debug)]
pub(crate) struct Bearer {
    pub station: usize,
    /// `None` for one that was opened by an echo of another's first message.
    pub phone: Option<usize>,
    pub opened: bool,
    /// Configurations that were not answered.
    pub configuring: BTreeSet<u64>,
    /// The connection that its first message is an echo of, or that echoes it.
    pub twin: Option<Connection>,
    /// The gateway had a context set up for it.
    pub served: bool,
    /// It said something of its own after its first message.
    pub spoke: bool,
}

/// Everything.
pub(crate) struct World {
    pub scenario: Scenario,
    pub now: Time,
    agenda: Timers<Turn>,
    later: BTreeMap<(Time, u64), Later>,
    pub rng: SimRng,
    pub gateway: Gateway,
    pub plane: Plane,
    pub stations: Vec<Station>,
    pub handsets: Vec<Handset>,
    pub connections: BTreeMap<Connection, Bearer>,
    links: BTreeMap<LinkId, usize>,
    by_tmsi: BTreeMap<STmsi, BTreeSet<usize>>,
    pub checks: Checks,
    pub mood: Mood,
    /// The process dies when so many effects have left.
    doom: Option<u64>,
    effects_left: u64,
    powered: bool,
    /// Ways that must not be touched by a death of the process, and when it died.
    steady: Vec<Steady>,
    died_at: Time,
    last_number: u64,
    enb_out: Outbox<testbed_ran::Effect>,
    ue_out: Outbox<testbed_ue::Effect>,
    /// Changes what goes to the gateway, for fuzzing.
    pub tap: Option<Box<dyn crate::Tap>>,
}

impl World {
    /// Lets everything happen until `end`, or until something does not hold.
    pub(crate) fn run_until(&mut self, end: Time) {
        while self.checks.failure().is_none() {
            match self.agenda.next_wakeup() {
                Some(at) if at <= end => self.turn(at),
                _ => break,
            }
        }
        self.now = self.now.max(end);
        self.checks.now = self.now;
    }

    fn turn(&mut self, at: Time) {
        self.now = self.now.max(at);
        self.checks.now = self.now;
        let Some(turn) = self.agenda.pop_expired(at) else { return };
        match turn {
            Turn::Phone(phone) => self.phone(phone, testbed_ue::Input::Wakeup),
            Turn::User(phone) => self.user_acts(phone),
            Turn::Packet(phone) => self.next_packet(phone),
            Turn::Station(station) => self.station(station, testbed_ran::Input::Wakeup),
            Turn::AirUp(station) => self.air_up(station),
            Turn::AirDown(station) => self.air_down(station),
            Turn::StreamUp(station, stream) => self.stream_up(station, stream),
            Turn::StreamDown(station, stream) => self.stream_down(station, stream),
            Turn::Core => self.gateway_input(Input::Wakeup),
            Turn::Commit => self.commit(),
            Turn::Restart => self.restart(),
            Turn::Fault(fault) => self.fault(fault),
            Turn::Later => self.do_later(),
            Turn::Sweep => self.sweep(),
        }
    }

    pub(crate) fn arm(&mut self, turn: Turn, at: Time) {
        self.agenda.arm(turn, at.max(self.now));
    }

    pub(crate) fn rearm(&mut self, turn: Turn, at: Option<Time>) {
        match at {
            Some(at) => self.arm(turn, at),
            None => drop(self.agenda.cancel(&turn)),
        }
    }

    pub(crate) fn put_off(&mut self, by: Duration, later: Later) {
        self.last_number += 1;
        self.later.insert((self.now + by, self.last_number), later);
        let first = self.later.first_key_value().map(|((at, _), _)| *at);
        self.rearm(Turn::Later, first);
    }

    fn do_later(&mut self) {
        while let Some(first) = self.later.first_entry().filter(|first| first.key().0 <= self.now) {
            match first.remove() {
                Later::ConnectFailed(phone, connection) => {
                    self.lose_radio(phone, connection, testbed_ue::Input::ConnectFailed);
                }
                Later::RadioGone(phone, connection) => self.lose_radio(phone, connection, testbed_ue::Input::Released),
                Later::PhoneGone(station, connection) => {
                    self.station(station, testbed_ran::Input::RadioLost(testbed_ran::PhoneId(connection.0)));
                }
                Later::LinkGone(link) => self.keeper_loses(link),
                Later::StationCutOff(station) => self.station_cut_off(station),
                Later::Associate(station) => self.associate(station),
                Later::Arrives(station, connection) => {
                    self.station(station, testbed_ran::Input::Arrive(testbed_ran::PhoneId(connection.0)));
                }
            }
        }
        let first = self.later.first_key_value().map(|((at, _), _)| *at);
        self.rearm(Turn::Later, first);
    }

    /// A number never used before.
    pub(crate) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    // The gateway's loop.

    /// Something that the keeper does not know of happens to the gateway.
    pub(crate) fn gateway_input(&mut self, input: Input) {
        self.gateway.input(self.now, input, &mut self.checks);
        self.gateway_goes_on();
    }

    /// Everything that the gateway can do now.
    pub(crate) fn gateway_goes_on(&mut self) {
        loop {
            self.drain();
            if !self.gateway.take_event(self.now, &mut self.checks) {
                break;
            }
        }
        self.flush();
        if self.gateway.write(self.now).is_err() {
            self.stopped();
        }
        let (core, commit) = self.gateway.next_wakeup();
        self.rearm(Turn::Core, core);
        self.rearm(Turn::Commit, commit);
    }

    fn commit(&mut self) {
        match self.gateway.commit(self.now, &mut self.checks) {
            Ok(()) => self.gateway_goes_on(),
            Err(_) => self.stopped(),
        }
    }

    /// Effects leave, one after the other; the process may die between any two.
    fn drain(&mut self) {
        loop {
            if self.doom.is_some_and(|doom| self.effects_left >= doom) {
                self.kill();
                return;
            }
            let Some(ready) = self.gateway.pop_ready() else { return };
            self.effects_left += 1;
            match ready {
                Ready::Acknowledge(seq) => self.gateway.push_out(Outgoing::Acknowledge(seq)),
                Ready::Effect(effect) => self.effect(effect),
            }
        }
    }

    fn effect(&mut self, effect: agw_types::Effect) {
        use agw_types::Effect;
        match effect {
            Effect::Send { link, stream, pdu } => self.gateway.push_out(Outgoing::Send { link, stream, pdu }),
            Effect::CloseLink { link } => self.gateway.push_out(Outgoing::Close(link)),
            Effect::Dataplane(change) => {
                self.note_change(&change);
                self.apply(&change);
            }
            Effect::Tell(event) => self.told(&event),
            Effect::Count(_) | Effect::Reply { .. } => {}
            Effect::Ask { .. } => self.checks.fail("the local subscriber list left a question open".to_owned()),
            Effect::Save(_) | Effect::Forget(_) => {
                self.checks.fail("a record was to leave the daemon with the other effects".to_owned());
            }
        }
    }

    fn note_change(&mut self, change: &agw_types::DataplaneChange) {
        let (now, teid) = match change {
            agw_types::DataplaneChange::Set(tunnel) => (self.now, Some(tunnel.teid)),
            agw_types::DataplaneChange::Remove { teid, .. } | agw_types::DataplaneChange::Serve { teid, .. } => {
                (self.now, Some(*teid))
            }
            agw_types::DataplaneChange::Discard { .. }
            | agw_types::DataplaneChange::Forward { .. }
            | agw_types::DataplaneChange::StopForwarding { .. } => (self.now, None),
        };
        let owner = match change {
            agw_types::DataplaneChange::Set(tunnel) => Some(tunnel.imsi),
            _ => teid.and_then(|teid| self.plane.tunnel(teid)).map(|tunnel| tunnel.imsi),
        };
        if let Some(phone) = owner.and_then(|imsi| self.checks.phone_of(imsi)) {
            self.checks.diary.one(now, phone, || format!("gateway: {change:?}"));
        }
    }

    fn told(&mut self, event: &agw_types::Event) {
        use agw_types::Event;
        self.note_event(event);
        match event {
            Event::Repaired { what } if what.contains("another") && self.checks.disk_is_honest() => {
                self.checks.fail(format!("a repair that should never be needed: {what}"));
            }
            Event::Repaired { .. } => self.checks.count("repairs"),
            Event::Security { .. } => self.checks.count("security events"),
            Event::EnbProtocolError { .. } => self.checks.count("protocol errors"),
            _ => {}
        }
    }

    fn note_event(&mut self, event: &agw_types::Event) {
        use agw_types::Event;
        let now = self.now;
        let imsi = match event {
            Event::Attached { imsi, .. }
            | Event::Detached { imsi, .. }
            | Event::Idle { imsi }
            | Event::Connected { imsi, .. }
            | Event::SessionStarted { imsi, .. }
            | Event::SessionEnded { imsi, .. }
            | Event::PagingFailed { imsi, .. }
            | Event::DataLow { imsi, .. }
            | Event::DataUsedUp { imsi, .. }
            | Event::QuotaLow { imsi, .. }
            | Event::QuotaUsedUp { imsi, .. }
            | Event::PortBlock { imsi, .. } => Some(*imsi),
            Event::Rejected(info) => info.imsi,
            Event::Security { imsi, .. } => *imsi,
            _ => None,
        };
        match imsi.and_then(|imsi| self.checks.phone_of(imsi)) {
            Some(phone) => self.checks.diary.one(now, phone, || format!("gateway tells {event:?}")),
            None => self.checks.diary.all(now, || format!("gateway tells {event:?}")),
        }
    }

    fn flush(&mut self) {
        for outgoing in self.gateway.flush() {
            self.leaves(outgoing);
        }
    }

    fn leaves(&mut self, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Acknowledge(seq) => self.gateway.keeper.acknowledge(seq),
            Outgoing::Close(link) => {
                if let Some(station) = self.links.get(&link).copied() {
                    self.checks.count("associations closed by the gateway");
                    self.station_cut_off(station);
                    self.keeper_loses(link);
                }
            }
            Outgoing::Send { link, stream, pdu } => {
                let Some(station) = self.links.get(&link).copied() else { return };
                let now = self.now;
                let Some(line) = self.stations[station].down.get_mut(usize::from(stream)) else {
                    self.checks.fail(format!("a message on stream {stream} of {STREAMS}"));
                    return;
                };
                line.send(now, pdu);
                let next = line.next_wakeup();
                self.rearm(Turn::StreamDown(station, stream), next);
            }
        }
    }

    /// An event for the keeper, and so for the gateway if it lives.
    pub(crate) fn keeper_hears(&mut self, event: KeeperEvent) {
        self.gateway.keeper.happened(event);
        self.gateway_goes_on();
    }

    fn keeper_loses(&mut self, link: LinkId) {
        if self.links.remove(&link).is_some() {
            self.keeper_hears(KeeperEvent::Down(link));
        }
    }

    fn sweep(&mut self) {
        if let Some(core) = self.gateway.core() {
            let tunnels = self.plane.installed();
            self.checks.sweep(core, self.gateway.is_at_rest(), &tunnels);
        }
        if self.gateway.is_at_rest() {
            self.check_steady("after the process came back");
        }
        self.tidy_connections();
        let next = self.now + SWEEP;
        self.arm(Turn::Sweep, next);
    }

    /// A draw, once in so many times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.rng.chance(1, times)
    }
}
