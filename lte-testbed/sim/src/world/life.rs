//! What the users of phones do: live their lives while there are faults, and insist on service once there are none.

use std::collections::BTreeSet;

use agw_types::UeState;
use basalt_ids::Ebi;
use basalt_sansio::{Duration, Rng};
use testbed_ran::PhoneId;
use testbed_ue::{AttachKind, DetachKind, EmmState};

use super::{Proof, Turn, World};

/// How users behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// They do everything that users do.
    Lively,
    /// They want service and nothing else.
    Steady,
    /// They do what they are told.
    Told,
}

/// Most users do something within so long.
const PAUSE: Duration = Duration::from_secs(45);
/// Users who wait for service look again.
const PATIENCE: Duration = Duration::from_secs(7);

/// A phone that has said nothing for so long is in the middle of nothing.
const SETTLED: Duration = Duration::from_secs(30);

impl World {
    pub(super) fn user_acts(&mut self, phone: usize) {
        match self.mood {
            Mood::Lively => {
                self.live(phone);
                let pause = Duration::from_millis(self.draw(phone, PAUSE.as_millis() as u64) + 500);
                let next = self.now + pause;
                self.arm(Turn::User(phone), next);
            }
            Mood::Steady => {
                if !self.insist(phone) {
                    let next = self.now + PATIENCE;
                    self.arm(Turn::User(phone), next);
                }
            }
            Mood::Told => {}
        }
    }

    fn draw(&mut self, phone: usize, below: u64) -> u64 {
        self.handsets[phone].rng.below(below)
    }

    fn live(&mut self, phone: usize) {
        use testbed_ue::Input;
        let handset = &self.handsets[phone];
        if !handset.covered {
            self.cover(phone);
            return;
        }
        match (handset.ue.state(), handset.connection.is_some()) {
            (EmmState::Null, _) => self.phone(phone, Input::Attach(AttachKind::Usual)),
            (EmmState::Deregistered, false) => {
                let kind = if self.draw(phone, 4) == 0 { AttachKind::Imsi } else { AttachKind::Usual };
                self.phone(phone, Input::Attach(kind));
            }
            (EmmState::Registered, _) => self.live_registered(phone),
            // Whatever is going on has its own timers; now and then somebody pulls the plug.
            _ => match self.draw(phone, 20) {
                0 => self.pull_plug(phone),
                1 => self.lose_sight(phone),
                _ => {}
            },
        }
    }

    fn live_registered(&mut self, phone: usize) {
        use testbed_ue::Input;
        let connected = self.handsets[phone].connection.is_some();
        match self.draw(phone, 100) {
            0..=29 => self.be_busy(phone),
            30..=54 => self.call(phone),
            55..=59 => self.phone(phone, Input::Update { active: false }),
            60..=64 => self.phone(phone, Input::Update { active: true }),
            65..=76 => self.walk(phone),
            77..=80 => self.phone(phone, Input::Detach(DetachKind::Normal)),
            81..=84 => self.phone(phone, Input::Detach(DetachKind::SwitchOff)),
            85..=86 => self.pull_plug(phone),
            87..=88 => self.lose_sight(phone),
            89..=92 if connected => self.lose_radio_there(phone),
            93..=96 => {
                let apn = "ims".parse().ok();
                self.phone(phone, Input::ConnectPdn(apn));
            }
            97..=98 => {
                let second = self.handsets[phone].ue.sessions().iter().filter(|it| it.linked.is_none()).nth(1);
                if let Some(ebi) = second.map(|session| session.ebi) {
                    self.phone(phone, Input::DisconnectPdn(ebi));
                }
            }
            _ => {}
        }
    }

    fn be_busy(&mut self, phone: usize) {
        // Now and then for longer than anybody would accept to be without a way out.
        let seconds = if self.draw(phone, 8) == 0 { 100 } else { 1 + self.draw(phone, 25) };
        self.handsets[phone].busy_until = self.now + Duration::from_secs(seconds);
        self.next_packet(phone);
    }

    /// Somebody on the internet sends to the phone.
    pub(crate) fn call(&mut self, phone: usize) {
        let Some((_, address)) = self.address_of(phone) else { return };
        for _ in 0..=self.draw(phone, 10) {
            self.send_to(address);
        }
    }

    fn walk(&mut self, phone: usize) {
        let target = self.draw(phone, self.stations.len() as u64) as usize;
        self.walk_to(phone, target);
    }

    /// To another cell: by handover when connected, else by choosing it.
    pub(crate) fn walk_to(&mut self, phone: usize, target: usize) {
        let handset = &mut self.handsets[phone];
        if target == handset.station || handset.coming_from.is_some() || handset.going_to.is_some() {
            return;
        }
        match handset.connection {
            Some(connection) => {
                let source = handset.station;
                let info = self.stations[source].enb.connection(PhoneId(connection.0));
                // Two base stations speak to each other only about a phone that has a context.
                if info.is_some_and(|info| info.state == testbed_ran::ConnectionState::Active) {
                    self.hand_over_to(phone, PhoneId(connection.0), source, target);
                }
            }
            None => {
                handset.station = target;
                let tai = self.stations[target].enb.config().tai();
                self.phone(phone, testbed_ue::Input::Camp(tai));
            }
        }
    }

    /// By the two base stations themselves, or by the gateway.
    fn hand_over_to(&mut self, phone: usize, id: PhoneId, source: usize, target: usize) {
        if self.draw(phone, 2) == 0 {
            self.handsets[phone].station = target;
            self.station(source, testbed_ran::Input::HandOver(id));
            return;
        }
        self.handsets[phone].going_to = Some(target);
        let config = self.stations[target].enb.config();
        let target = (config.id, config.tai());
        self.station(source, testbed_ran::Input::Relocate { phone: id, target, direct: false });
        // Now and then the source changes its mind.
        if self.draw(phone, 12) == 0 {
            self.station(source, testbed_ran::Input::CancelRelocation(id));
        }
    }

    fn pull_plug(&mut self, phone: usize) {
        if let Some(connection) = self.handsets[phone].connection.take() {
            let station = self.handsets[phone].station;
            self.put_off(super::stations::RADIO_TIMEOUT, super::Later::PhoneGone(station, connection));
        }
        let s_tmsi = self.handsets[phone].s_tmsi.take();
        if let Some(phones) = s_tmsi.and_then(|old| self.by_tmsi.get_mut(&old)) {
            phones.remove(&phone);
        }
        self.handsets[phone].coming_from = None;
        self.handsets[phone].going_to = None;
        self.phone(phone, testbed_ue::Input::PowerCut);
    }

    /// Into a tunnel.
    fn lose_sight(&mut self, phone: usize) {
        let handset = &mut self.handsets[phone];
        handset.covered = false;
        handset.coming_from = None;
        handset.going_to = None;
        if let Some(connection) = handset.connection.take() {
            let station = handset.station;
            self.put_off(super::stations::RADIO_TIMEOUT, super::Later::PhoneGone(station, connection));
        }
        self.phone(phone, testbed_ue::Input::OutOfCoverage);
    }

    /// And out of it, somewhere else.
    fn cover(&mut self, phone: usize) {
        let station = self.draw(phone, self.stations.len() as u64) as usize;
        let handset = &mut self.handsets[phone];
        (handset.covered, handset.station) = (true, station);
        let tai = self.stations[station].enb.config().tai();
        self.phone(phone, testbed_ue::Input::Camp(tai));
    }

    fn lose_radio_there(&mut self, phone: usize) {
        let handset = &self.handsets[phone];
        let Some(connection) = handset.connection else { return };
        let station = self.connections.get(&connection).map_or(handset.station, |bearer| bearer.station);
        self.station(station, testbed_ran::Input::RadioLost(PhoneId(connection.0)));
    }

    // Once everything works again.

    /// A user who wants service asks for it until it is there, both ways. True when it was.
    fn insist(&mut self, phone: usize) -> bool {
        use testbed_ue::Input;
        let handset = &self.handsets[phone];
        if handset.proof.is_whole() && handset.ue.state() == EmmState::Registered {
            return true;
        }
        if !handset.covered {
            self.cover(phone);
            return false;
        }
        match handset.ue.state() {
            EmmState::Null => self.phone(phone, Input::Attach(AttachKind::Usual)),
            // Its own timers make it try again.
            EmmState::Deregistered if handset.ue.next_wakeup().is_none() && handset.connection.is_none() => {
                self.phone(phone, Input::Attach(AttachKind::Usual));
            }
            EmmState::Registered if !handset.proof.uplink => {
                self.handsets[phone].busy_until = self.now + Duration::from_secs(4);
                self.next_packet(phone);
            }
            EmmState::Registered => {
                if let Some((_, address)) = self.address_of(phone) {
                    self.send_to(address);
                }
            }
            _ => {}
        }
        false
    }

    /// No more faults: from now on everything is to become well.
    pub(crate) fn calm_down(&mut self) {
        self.mood = Mood::Steady;
        self.end_faults();
        for station in 0..self.stations.len() {
            self.stations[station].air_up.calm_down();
            self.stations[station].air_down.calm_down();
        }
        for phone in 0..self.handsets.len() {
            self.handsets[phone].proof = Proof::default();
            self.handsets[phone].busy_until = self.now;
            let soon = self.now + Duration::from_millis(self.draw(phone, 5_000));
            self.arm(Turn::User(phone), soon);
        }
    }

    /// Users without service.
    pub(crate) fn unserved(&self) -> Vec<usize> {
        (0..self.handsets.len())
            .filter(|phone| {
                let handset = &self.handsets[*phone];
                !handset.proof.is_whole() || handset.ue.state() != EmmState::Registered
            })
            .collect()
    }

    /// What a user without service would tell the operator, and what the gateway knows of it.
    pub(crate) fn complaint(&self, phone: usize) -> String {
        let handset = &self.handsets[phone];
        let view = self.gateway.core().and_then(|core| core.ue(handset.ue.imsi()));
        let view = view.map(|view| (view.state, view.description, view.guti));
        format!(
            "{:?} has no service: {:?} {:?}, connection {:?} at station {} ({:?}); the gateway has {view:?}",
            handset.ue.imsi(),
            handset.proof,
            handset.ue.snapshot(),
            handset.connection,
            handset.station,
            self.stations[handset.station].enb.link(),
        )
    }

    /// At the very end: phones and gateway agree about who is there, with what name and address.
    pub(crate) fn check_agreement(&mut self) {
        let Some(core) = self.gateway.core() else {
            self.checks.fail("the gateway is not there at the end".to_owned());
            return;
        };
        let mut problems = Vec::new();
        for handset in &self.handsets {
            let imsi = handset.ue.imsi();
            if handset.last_signalling + SETTLED > self.now {
                // A periodic update is on its way.
                continue;
            }
            let Some(view) = core.ue(imsi) else {
                problems.push(format!("{imsi:?} is attached and the gateway does not know it"));
                continue;
            };
            let known = handset.ue.guti().is_some_and(|guti| self.checks.knows(imsi, guti));
            if !matches!(view.state, UeState::Connected | UeState::Idle) || !known {
                problems.push(format!(
                    "{imsi:?} has {:?}, the gateway has {:?} in state {:?}",
                    handset.ue.guti(),
                    view.guti,
                    view.state
                ));
            }
            for session in handset.ue.sessions().iter().filter(|session| session.linked.is_none()) {
                let same =
                    |other: &agw_types::Session| other.ebi == session.ebi && other.address.ipv4() == session.address;
                if !view.sessions.iter().any(same) {
                    problems.push(format!("{imsi:?} has {session:?}, the gateway has {:?}", view.sessions));
                }
                let of = |it: &&testbed_ue::Session| it.linked == Some(session.ebi);
                let has: BTreeSet<Ebi> = handset.ue.sessions().iter().filter(of).map(|it| it.ebi).collect();
                let known = view.sessions.iter().filter(|other| other.ebi == session.ebi);
                let known = known.flat_map(|other| other.bearers.iter().filter(|bearer| bearer.confirmed));
                let known: BTreeSet<Ebi> = known.map(|bearer| bearer.ebi).collect();
                // What a disk that lied brings back is mended by the status in the phone's next update.
                if has != known && self.checks.disk_is_honest() {
                    problems.push(format!("{imsi:?} has the dedicated bearers {has:?}, the gateway {known:?}"));
                }
            }
        }
        let half_open = core.counts().half_open;
        if half_open > 0 {
            problems.push(format!("{half_open} are still half open"));
        }
        problems.into_iter().for_each(|problem| self.checks.fail(problem));
    }
}
