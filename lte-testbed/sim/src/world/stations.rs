//! Base stations: their radio side, and the association behind them.

use agw_types::LinkInfo;
use basalt_ids::STmsi;
use basalt_s1ap::PagingIdentity;
use basalt_sansio::{Duration, Rng};
use testbed_ran::{Effect, Input, PhoneId};
use testbed_ue::Page;

use super::{Bearer, Later, STREAMS, Turn, World};
use crate::gateway::KeeperEvent;
use crate::radio::{Connection, Down, Up};

/// A phone notices that its connection is gone when its base station falls silent (TS 36.331 §5.3.11: T310 and the like).
pub(super) const RADIO_TIMEOUT: Duration = Duration::from_secs(2);
/// A phone on its way between two base stations is at neither.
const INTERRUPTION: Duration = Duration::from_millis(40);
/// A connection that is asked for and does not come (TS 36.331: T300).
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

impl World {
    pub(crate) fn station(&mut self, station: usize, input: Input) {
        let now = self.now;
        let enb = &mut self.stations[station].enb;
        let mut out = std::mem::take(&mut self.enb_out);
        enb.step(now, input, &mut out);
        let next = enb.next_wakeup();
        self.rearm(Turn::Station(station), next);
        let effects = out.take();
        self.enb_out = out;
        for effect in effects {
            self.station_effect(station, effect);
        }
    }

    fn station_effect(&mut self, station: usize, effect: Effect) {
        let of = |phone: PhoneId| Connection(phone.0);
        match effect {
            Effect::Send { pdu, ue } => self.station_sends(station, pdu, ue),
            Effect::Deliver { phone, nas } => {
                self.watch_downlink(of(phone), &nas);
                self.to_phone(station, of(phone), Down::Nas(of(phone), nas));
            }
            Effect::Configure { phone, configuration } => {
                for nas in &configuration.nas {
                    self.watch_downlink(of(phone), nas);
                }
                if configuration.security.is_some() {
                    self.served(of(phone));
                }
                let number = self.number();
                if let Some(bearer) = self.connections.get_mut(&of(phone)) {
                    bearer.configuring.insert(number);
                }
                self.to_phone(station, of(phone), Down::Configure(of(phone), number, Box::new(configuration)));
            }
            Effect::Release { phone, .. } => {
                // A phone that went on does not hear what becomes of where it was.
                if self.connections.get(&of(phone)).is_none_or(|bearer| bearer.station == station) {
                    self.to_phone(station, of(phone), Down::Release(of(phone)));
                }
            }
            Effect::Refuse { phone } => self.to_phone(station, of(phone), Down::Refuse(of(phone))),
            Effect::Page { identity, .. } => self.to_cell(station, Down::Page(identity)),
            Effect::HandedOver { phone, context } => self.hand_over(of(phone), context),
            Effect::PathSwitched { phone, ncc, next_hop } => {
                let tai = self.stations[station].enb.config().tai();
                self.path_switched(of(phone));
                let number = self.number();
                self.to_phone(station, of(phone), Down::Moved(of(phone), number, ncc, next_hop, tai));
            }
            Effect::Departed { phone } => self.depart(station, of(phone)),
            // Packets find their way by the data plane alone here.
            Effect::Downlink { .. } | Effect::EndMarker { .. } => {}
            Effect::Event(event) => self.station_told(&event),
        }
    }

    fn station_told(&mut self, event: &testbed_ran::Event) {
        use testbed_ran::Event;
        match event {
            Event::ErrorIndication { .. } => self.checks.count("error indications"),
            Event::SetupFailed { .. } => self.checks.count("refused setups"),
            Event::ResetByMme { .. } => self.checks.count("resets by the gateway"),
            Event::Overload(true) => self.checks.count("overloads"),
            Event::NoAnswer(_) => self.checks.count("unanswered by the gateway"),
            Event::HandoverFailed(phone, _) | Event::HandoverCancelled(phone) => {
                self.checks.count("handovers by the gateway in vain");
                self.stays(Connection(phone.0));
            }
            _ => {}
        }
    }

    /// A NAS message leaves for a phone: here it is still what the gateway made of it.
    fn watch_downlink(&mut self, connection: Connection, nas: &[u8]) {
        if let Some(phone) = self.connections.get(&connection).and_then(|bearer| bearer.phone) {
            self.checks.downlink(phone, nas);
        }
    }

    /// The gateway trusts a connection with a context. An echo of a first message must not get what its original got, unless it
    /// proved something on its own.
    fn served(&mut self, connection: Connection) {
        let Some(bearer) = self.connections.get_mut(&connection) else { return };
        bearer.served = true;
        let (twin, spoke) = (bearer.twin, bearer.spoke);
        let twin = twin.and_then(|twin| self.connections.get(&twin));
        if twin.is_some_and(|twin| twin.served && !twin.spoke && !spoke) {
            self.checks
                .fail(format!("one first message got two contexts: its count was accepted twice ({connection:?})"));
        }
    }

    /// Sends to one phone over the air; what a loss means depends on what is lost.
    fn to_phone(&mut self, station: usize, connection: Connection, message: Down) {
        let lost = !self.to_cell_unless_lost(station, message.clone());
        let phone = self.connections.get(&connection).and_then(|bearer| bearer.phone);
        let Some(phone) = phone.filter(|_| lost) else { return };
        match message {
            // RRC is acknowledged: when its messages do not arrive, the radio is lost, and both sides find out.
            Down::Configure(..) => {
                self.put_off(RADIO_TIMEOUT, Later::RadioGone(phone, connection));
                self.put_off(RADIO_TIMEOUT, Later::PhoneGone(station, connection));
            }
            Down::Release(_) => self.put_off(RADIO_TIMEOUT, Later::RadioGone(phone, connection)),
            Down::Refuse(_) => self.put_off(CONNECT_TIMEOUT, Later::ConnectFailed(phone, connection)),
            Down::Nas(..) | Down::Page(_) | Down::Moved(..) => {}
        }
    }

    fn to_cell(&mut self, station: usize, message: Down) {
        self.to_cell_unless_lost(station, message);
    }

    fn to_cell_unless_lost(&mut self, station: usize, message: Down) -> bool {
        let now = self.now;
        let air = &mut self.stations[station].air_down;
        let sent = air.send(now, message);
        let next = air.next();
        self.rearm(Turn::AirDown(station), next);
        sent
    }

    pub(super) fn air_up(&mut self, station: usize) {
        while let Some(message) = self.stations[station].air_up.receive(self.now) {
            self.from_phone(station, message);
        }
        let next = self.stations[station].air_up.next();
        self.rearm(Turn::AirUp(station), next);
    }

    fn from_phone(&mut self, station: usize, message: Up) {
        match message {
            Up::Connect(request) => self.connect(station, *request),
            Up::Nas(connection, nas) => {
                let Some(bearer) = self.connections.get_mut(&connection) else { return };
                if bearer.station == station {
                    bearer.spoke = true;
                    self.station(station, Input::Uplink { phone: PhoneId(connection.0), nas });
                }
            }
            Up::Configured(connection, number, ok) => {
                let Some(bearer) = self.connections.get_mut(&connection) else { return };
                if bearer.configuring.remove(&number) && bearer.station == station {
                    self.station(station, Input::Configured { phone: PhoneId(connection.0), ok });
                }
            }
            Up::Abandon(connection) => {
                let phone = PhoneId(connection.0);
                // Mostly the base station notices and says so.
                let input = if self.once_in(10) { Input::Abandon(phone) } else { Input::RadioLost(phone) };
                self.station(station, input);
            }
        }
    }

    /// A first message. The second time it comes it is an echo, which opens a connection of its own that no phone is behind.
    fn connect(&mut self, station: usize, mut request: testbed_ran::ConnectRequest) {
        let connection = Connection(request.phone.0);
        let Some(bearer) = self.connections.get_mut(&connection) else { return };
        if !std::mem::replace(&mut bearer.opened, true) {
            self.station(station, Input::Connect(request));
            return;
        }
        let ghost = self.new_connection(station, None);
        if let Some(bearer) = self.connections.get_mut(&connection) {
            bearer.twin = Some(ghost);
        }
        if let Some(bearer) = self.connections.get_mut(&ghost) {
            (bearer.twin, bearer.opened) = (Some(connection), true);
        }
        self.checks.count("echoed first messages");
        request.phone = PhoneId(ghost.0);
        self.station(station, Input::Connect(request));
    }

    pub(super) fn new_connection(&mut self, station: usize, phone: Option<usize>) -> Connection {
        let connection = Connection(u32::try_from(self.number()).unwrap_or(u32::MAX));
        let bearer = Bearer {
            station,
            phone,
            opened: false,
            configuring: std::collections::BTreeSet::new(),
            twin: None,
            served: false,
            spoke: false,
        };
        self.connections.insert(connection, bearer);
        connection
    }

    /// Forgets connections that neither a phone nor a base station has.
    pub(super) fn tidy_connections(&mut self) {
        let (stations, handsets) = (&self.stations, &self.handsets);
        // What is on the air still arrives; a number that is much younger than the last may be on its way.
        let young = self.last_number.saturating_sub(20_000);
        self.connections.retain(|connection, bearer| {
            let held = bearer.phone.is_some_and(|phone| handsets[phone].connection == Some(*connection));
            let known = stations[bearer.station].enb.connection(PhoneId(connection.0)).is_some();
            held || known || u64::from(connection.0) > young
        });
    }

    pub(super) fn air_down(&mut self, station: usize) {
        while let Some(message) = self.stations[station].air_down.receive(self.now) {
            self.arrives_at_phones(station, message);
        }
        let next = self.stations[station].air_down.next();
        self.rearm(Turn::AirDown(station), next);
    }

    fn arrives_at_phones(&mut self, station: usize, message: Down) {
        use testbed_ue::Input;
        match message {
            Down::Nas(connection, nas) => {
                if let Some(phone) = self.phone_of(connection) {
                    self.phone(phone, Input::Nas(nas));
                }
            }
            Down::Configure(connection, number, configuration) => match self.phone_of(connection) {
                Some(phone) if self.handsets[phone].configured < number => {
                    self.handsets[phone].configured = number;
                    self.phone(phone, Input::Configure(super::phones::translate(*configuration)));
                }
                Some(_) => {}
                None => self.put_off(RADIO_TIMEOUT, Later::PhoneGone(station, connection)),
            },
            Down::Release(connection) => {
                if let Some(phone) = self.phone_of(connection) {
                    self.lose_radio(phone, connection, Input::Released);
                }
            }
            Down::Refuse(connection) => {
                if let Some(phone) = self.phone_of(connection) {
                    self.lose_radio(phone, connection, Input::ConnectFailed);
                }
            }
            Down::Page(identity) => self.page(station, identity),
            Down::Moved(connection, number, ncc, next_hop, tai) => {
                let phone = self.phone_of(connection).filter(|phone| self.handsets[*phone].configured < number);
                if let Some(phone) = phone {
                    self.handsets[phone].configured = number;
                    self.phone(phone, Input::NextHop { ncc, key: basalt_security::Secret::new(next_hop.0) });
                    self.phone(phone, Input::Camp(tai));
                }
            }
        }
    }

    /// The phone that has this connection, and hears.
    fn phone_of(&self, connection: Connection) -> Option<usize> {
        let phone = self.connections.get(&connection)?.phone?;
        let handset = &self.handsets[phone];
        (handset.connection == Some(connection) && handset.covered).then_some(phone)
    }

    fn page(&mut self, station: usize, identity: PagingIdentity) {
        let (phones, page) = match identity {
            PagingIdentity::STmsi(s_tmsi) => (self.with_tmsi(s_tmsi), Page::STmsi(s_tmsi)),
            PagingIdentity::Imsi(imsi) => (self.checks.phone_of(imsi).into_iter().collect(), Page::Imsi(imsi)),
        };
        for phone in phones {
            let handset = &self.handsets[phone];
            if handset.station == station && handset.covered && handset.connection.is_none() {
                self.phone(phone, testbed_ue::Input::Page(page));
            }
        }
    }

    fn with_tmsi(&self, s_tmsi: STmsi) -> Vec<usize> {
        self.by_tmsi.get(&s_tmsi).map(|phones| phones.iter().copied().collect()).unwrap_or_default()
    }

    fn hand_over(&mut self, connection: Connection, context: Box<testbed_ran::HandoverContext>) {
        let Some(bearer) = self.connections.get_mut(&connection) else { return };
        let Some(phone) = bearer.phone else { return };
        let target = self.handsets[phone].station;
        self.handsets[phone].coming_from = Some(bearer.station);
        bearer.station = target;
        self.station(target, Input::TakeOver { phone: PhoneId(connection.0), context });
    }

    /// A phone is on its way to where the gateway hands it over.
    fn depart(&mut self, source: usize, connection: Connection) {
        let Some(bearer) = self.connections.get_mut(&connection).filter(|bearer| bearer.station == source) else {
            return;
        };
        let Some(phone) = bearer.phone else { return };
        let handset = &mut self.handsets[phone];
        let Some(target) = handset.going_to.take().filter(|_| handset.connection == Some(connection)) else { return };
        handset.coming_from = Some(source);
        handset.station = target;
        bearer.station = target;
        self.put_off(INTERRUPTION, Later::Arrives(target, connection));
    }

    /// A handover by the gateway came to nothing.
    fn stays(&mut self, connection: Connection) {
        if let Some(phone) = self.connections.get(&connection).and_then(|bearer| bearer.phone) {
            self.handsets[phone].going_to = None;
        }
    }

    fn path_switched(&mut self, connection: Connection) {
        let phone = self.connections.get(&connection).and_then(|bearer| bearer.phone);
        if let Some(source) = phone.and_then(|phone| self.handsets[phone].coming_from.take()) {
            self.station(source, Input::ForgetHandedOver(PhoneId(connection.0)));
        }
    }

    // The association.

    fn station_sends(&mut self, station: usize, pdu: Vec<u8>, ue: Option<u32>) {
        let now = self.now;
        let pdus = match &mut self.tap {
            Some(tap) => tap.s1ap(station, pdu),
            None => vec![pdu],
        };
        // Stream 0 is for what concerns no phone; a phone keeps to one of the others (TS 36.412 §7).
        let stream = ue.map_or(0, |ue| 1 + (ue % u32::from(STREAMS - 1)) as u16);
        let line = &mut self.stations[station].up[usize::from(stream)];
        pdus.into_iter().for_each(|pdu| line.send(now, pdu));
        let next = line.next_wakeup();
        self.rearm(Turn::StreamUp(station, stream), next);
    }

    pub(super) fn stream_up(&mut self, station: usize, stream: u16) {
        while let Some(pdu) = self.stations[station].up[usize::from(stream)].receive(self.now) {
            if let Some(link) = self.stations[station].link {
                self.note_s1ap(station, "->", &pdu);
                self.gateway.keeper.happened(KeeperEvent::Message { link, stream, pdu });
            }
        }
        let next = self.stations[station].up[usize::from(stream)].next_wakeup();
        self.rearm(Turn::StreamUp(station, stream), next);
        self.gateway_goes_on();
    }

    pub(super) fn stream_down(&mut self, station: usize, stream: u16) {
        while let Some(pdu) = self.stations[station].down[usize::from(stream)].receive(self.now) {
            self.note_s1ap(station, "<-", &pdu);
            self.station(station, Input::S1ap(pdu));
        }
        let next = self.stations[station].down[usize::from(stream)].next_wakeup();
        self.rearm(Turn::StreamDown(station, stream), next);
    }

    /// For the diary: whose message passes between a base station and the gateway.
    fn note_s1ap(&mut self, station: usize, way: &str, pdu: &[u8]) {
        if self.scenario.diary_of.is_none() {
            return;
        }
        let (now, Ok(decoded)) = (self.now, basalt_s1ap::decode(pdu)) else { return };
        let ids = decoded.pdu.ue_ids();
        let line = || format!("station {station} {way} {} {ids:?}", decoded.pdu.name());
        let enb = &self.stations[station].enb;
        let owner = self.connections.iter().find_map(|(connection, bearer)| {
            let info = enb.connection(PhoneId(connection.0))?;
            (Some(info.enb_ue_id) == ids.enb).then_some(bearer.phone)
        });
        match owner {
            Some(Some(phone)) => self.checks.diary.one(now, phone, line),
            None if ids.enb.is_none() && ids.mme.is_none() && decoded.pdu.name() != basalt_s1ap::Paging::NAME => {
                self.checks.diary.all(now, line);
            }
            // Of a connection without a phone, or one that is over.
            Some(None) | None => {}
        }
    }

    /// A base station makes an association, once the machine is there to answer.
    pub(super) fn associate(&mut self, station: usize) {
        if self.stations[station].link.is_some() {
            return;
        }
        if !self.powered {
            self.put_off(Duration::from_secs(2), Later::Associate(station));
            return;
        }
        let link = self.gateway.keeper.new_link();
        self.stations[station].link = Some(link);
        self.links.insert(link, station);
        let info = LinkInfo { peers: vec![self.stations[station].address.into()], streams: STREAMS, resumed: false };
        self.keeper_hears(KeeperEvent::Up(link, info));
        self.station(station, Input::LinkUp);
    }

    /// A base station finds its association gone: what was on its way is lost. It tries again soon.
    pub(super) fn station_cut_off(&mut self, station: usize) {
        let Some(link) = self.stations[station].link.take() else { return };
        // The keeper may not know yet; what it sends there goes nowhere.
        if self.links.get(&link) == Some(&station) {
            let after = Duration::from_millis(self.rng.below(3_000));
            self.put_off(after, Later::LinkGone(link));
        }
        self.clear_lines(station);
        self.station(station, Input::LinkDown);
        let after = Duration::from_millis(500 + self.rng.below(5_000));
        self.put_off(after, Later::Associate(station));
    }

    pub(super) fn clear_lines(&mut self, station: usize) {
        let state = &mut self.stations[station];
        state.up.iter_mut().chain(&mut state.down).for_each(testbed_netem::Link::clear);
    }
}
