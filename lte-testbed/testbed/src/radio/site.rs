//! Base stations and phones put together: what one says reaches the other, in one thread and without waiting.
//!
//! The site itself does no input or output: S1AP messages leave as [`SiteEffect`]s, and everything that happens to a phone is
//! told to whoever watches. Work that one step causes is done in order before the call returns.

mod effects;

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;

use basalt_ids::{Ebi, Imsi, STmsi, Tai, Teid};
use basalt_sansio::{Outbox, Time, Timers};
use testbed_ran::{Bearer, Downlink, Enb, EnbConfig, PhoneId};
use testbed_ue::{EmmState, Ue};

/// What leaves a site.
#[derive(Clone, Debug)]
pub enum SiteEffect {
    /// An S1AP message of a base station.
    Send {
        /// Which base station.
        enb: usize,
        /// Octets.
        pdu: Vec<u8>,
        /// The UE it is about; `None` for stream 0.
        ue: Option<u32>,
    },
    /// A packet that a base station had kept comes to its phone.
    Downlink {
        /// Whose.
        phone: usize,
        /// By which bearer.
        ebi: Ebi,
        /// The packet.
        packet: Vec<u8>,
    },
    /// A GTP-U End Marker of a base station.
    EndMarker {
        /// Its address.
        from: Ipv4Addr,
        /// Where to.
        to: Ipv4Addr,
        /// In which tunnel.
        teid: Teid,
    },
    /// A phone that was handed over can send again.
    Arrived(usize),
    /// Something happened.
    Told(Told),
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Told {
    /// To a base station.
    Enb(usize, testbed_ran::Event),
    /// To a phone.
    Phone(usize, testbed_ue::Event),
    /// A phone's radio connection was refused by its base station.
    Refused(usize),
}

/// A phone and what is remembered about it.
#[derive(Debug)]
pub struct PhoneRecord {
    /// The phone.
    pub ue: Ue,
    /// The base station it camps on.
    pub enb: usize,
    /// Its attaches.
    pub stats: AttachStats,
    s_tmsi: Option<STmsi>,
    /// The base station it came from while the path is switched.
    coming_from: Option<usize>,
    /// The base station that it is to be handed over to by the gateway.
    going_to: Option<usize>,
}

/// Moments of a phone's last attach, and how often it did what.
#[derive(Clone, Debug, Default)]
pub struct AttachStats {
    /// ATTACH REQUEST was sent.
    pub started: Option<Time>,
    /// INITIAL CONTEXT SETUP RESPONSE was sent.
    pub context: Option<Time>,
    /// ATTACH COMPLETE was sent.
    pub completed: Option<Time>,
    /// DETACH REQUEST was sent.
    pub detach_started: Option<Time>,
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Site {
    enbs: Vec<Enb>,
    phones: Vec<PhoneRecord>,
    by_s_tmsi: HashMap<STmsi, usize>,
    by_imsi: HashMap<Imsi, usize>,
    wakeups: Timers<Who>,
    work: VecDeque<Work>,
    effects: VecDeque<SiteEffect>,
    enb_out: Outbox<testbed_ran::Effect>,
    ue_out: Outbox<testbed_ue::Effect>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Enb(usize),
    Phone(usize),
    /// A phone on its way to another base station.
    Arrival(usize),
}

#[derive(Debug)]
enum Work {
    Enb(usize, testbed_ran::Input),
    Phone(usize, testbed_ue::Input),
}

impl Site {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a base station and says its number.
    pub fn add_enb(&mut self, config: EnbConfig) -> usize {
        self.enbs.push(Enb::new(config));
        self.enbs.len() - 1
    }

    /// Adds a phone that camps on base station `enb` and says its number.
    pub fn add_phone(&mut self, now: Time, ue: Ue, enb: usize) -> usize {
        let number = self.phones.len();
        self.by_imsi.insert(ue.imsi(), number);
        self.phones.push(PhoneRecord {
            ue,
            enb,
            stats: AttachStats::default(),
            s_tmsi: None,
            coming_from: None,
            going_to: None,
        });
        if let Some(tai) = self.area(enb) {
            self.phone(now, number, testbed_ue::Input::Camp(tai));
        }
        number
    }

    fn area(&self, enb: usize) -> Option<Tai> {
        Some(self.enbs.get(enb)?.config().tai())
    }

    /// How many base stations there are.
    #[must_use]
    pub fn enb_count(&self) -> usize {
        self.enbs.len()
    }

    /// How many phones there are.
    #[must_use]
    pub fn phone_count(&self) -> usize {
        self.phones.len()
    }

    /// A base station.
    #[must_use]
    pub fn enb(&self, number: usize) -> Option<&Enb> {
        self.enbs.get(number)
    }

    /// A base station, to change what it does wrong.
    pub fn enb_mut(&mut self, number: usize) -> Option<&mut Enb> {
        self.enbs.get_mut(number)
    }

    /// A phone.
    #[must_use]
    pub fn record(&self, number: usize) -> Option<&PhoneRecord> {
        self.phones.get(number)
    }

    /// A phone, to change what it does wrong.
    pub fn ue_mut(&mut self, number: usize) -> Option<&mut Ue> {
        self.phones.get_mut(number).map(|phone| &mut phone.ue)
    }

    /// Something happens to a base station.
    pub fn at_enb(&mut self, now: Time, number: usize, input: testbed_ran::Input) {
        self.work.push_back(Work::Enb(number, input));
        self.run(now);
    }

    /// Something happens to a phone.
    pub fn phone(&mut self, now: Time, number: usize, input: testbed_ue::Input) {
        self.work.push_back(Work::Phone(number, input));
        self.run(now);
    }

    /// A phone camps on another base station; a connected one is handed over (X2), an idle one selects the cell.
    pub fn move_phone(&mut self, now: Time, number: usize, target: usize) {
        let Some(phone) = self.phones.get_mut(number) else { return };
        let source = phone.enb;
        if source == target || target >= self.enbs.len() {
            return;
        }
        if phone.ue.is_connected() {
            phone.coming_from = Some(source);
            phone.enb = target;
            self.at_enb(now, source, testbed_ran::Input::HandOver(PhoneId(number as u32)));
            return;
        }
        phone.enb = target;
        if let Some(tai) = self.area(target) {
            self.phone(now, number, testbed_ue::Input::Camp(tai));
        }
    }

    /// A connected phone is to be handed over by the gateway (S1); `direct` when the two base stations reach each other.
    pub fn relocate_phone(&mut self, now: Time, number: usize, target: usize, direct: bool) {
        let Some(at) = self.enbs.get(target).map(|enb| (enb.config().id, enb.config().tai())) else { return };
        let Some(phone) = self.phones.get_mut(number).filter(|phone| phone.enb != target) else { return };
        phone.going_to = Some(target);
        let (source, phone) = (phone.enb, PhoneId(number as u32));
        self.at_enb(now, source, testbed_ran::Input::Relocate { phone, target: at, direct });
    }

    /// A phone that was to be handed over by the gateway stays.
    pub fn keep_phone(&mut self, now: Time, number: usize) {
        let Some(phone) = self.phones.get_mut(number) else { return };
        phone.going_to = None;
        let source = phone.enb;
        self.at_enb(now, source, testbed_ran::Input::CancelRelocation(PhoneId(number as u32)));
    }

    /// Connected phones without traffic for `period`, with their base stations.
    #[must_use]
    pub fn silent(&self, now: Time, period: std::time::Duration) -> Vec<(usize, PhoneId)> {
        let is_silent = |(number, record): (usize, &PhoneRecord)| {
            let phone = PhoneId(number as u32);
            let last = self.enbs.get(record.enb)?.last_activity(phone)?;
            (record.ue.bearers_up() && now.since(last) >= period).then_some((record.enb, phone))
        };
        self.phones.iter().enumerate().filter_map(is_silent).collect()
    }

    /// Everything that is due.
    pub fn wakeup(&mut self, now: Time) {
        while let Some(who) = self.wakeups.pop_expired(now) {
            match who {
                Who::Enb(number) => self.work.push_back(Work::Enb(number, testbed_ran::Input::Wakeup)),
                Who::Arrival(number) => self.arrive(number),
                Who::Phone(number) => self.work.push_back(Work::Phone(number, testbed_ue::Input::Wakeup)),
            }
        }
        self.run(now);
    }

    /// When [`Site::wakeup`] is due.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        self.wakeups.next_wakeup()
    }

    /// What has to leave, oldest first.
    pub fn next_effect(&mut self) -> Option<SiteEffect> {
        self.effects.pop_front()
    }

    /// The default bearer of a phone's first connection: the one its programs use.
    #[must_use]
    pub fn first_bearer(&self, phone: usize) -> Option<Ebi> {
        let sessions = self.phones.get(phone)?.ue.sessions();
        sessions.iter().find(|session| session.linked.is_none()).map(|session| session.ebi)
    }

    /// The bearer of a phone's packet: by the filters of the connection that its source is an address of, else that one's default bearer.
    #[must_use]
    pub fn bearer_for(&self, phone: usize, packet: &[u8]) -> Option<Ebi> {
        let first = self.first_bearer(phone)?;
        Some(testbed_ue::bearer_for(self.phones.get(phone)?.ue.sessions(), first, packet))
    }

    /// Where a phone's packet leaves: the base station's address, and the tunnel.
    pub fn uplink(&mut self, now: Time, phone: usize, ebi: Ebi) -> Option<(Ipv4Addr, Bearer)> {
        let record = self.phones.get(phone)?;
        if !record.ue.bearers_up() {
            return None;
        }
        let enb = self.enbs.get_mut(record.enb)?;
        let bearer = enb.uplink_tunnel(now, PhoneId(phone as u32), ebi)?;
        Some((enb.config().user_plane, bearer))
    }

    /// What becomes of a packet that came to a base station's address with this TEID.
    pub fn downlink(&mut self, now: Time, address: Ipv4Addr, teid: Teid, packet: &[u8]) -> Downlink {
        let Some(number) = self.enb_of(address, teid) else { return Downlink::Unknown };
        self.enbs.get_mut(number).map_or(Downlink::Unknown, |enb| enb.downlink(now, teid, packet))
    }

    /// A GTP-U End Marker came to a base station's address with this TEID.
    pub fn end_marker(&mut self, now: Time, address: Ipv4Addr, teid: Teid) {
        if let Some(number) = self.enb_of(address, teid) {
            self.at_enb(now, number, testbed_ran::Input::EndMarker(teid));
        }
    }

    /// The base station of an address whose TEIDs begin so.
    fn enb_of(&self, address: Ipv4Addr, teid: Teid) -> Option<usize> {
        let prefix = (teid.0 >> 20) as u16;
        let fits = |enb: &Enb| enb.config().user_plane == address && enb.config().teid_prefix == prefix;
        // The prefix is the base station's number modulo 4096, so the first guess is nearly always right.
        let guess = usize::from(prefix);
        match self.enbs.get(guess) {
            Some(enb) if enb.config().user_plane == address => Some(guess),
            _ => self.enbs.iter().position(fits),
        }
    }

    fn run(&mut self, now: Time) {
        while let Some(work) = self.work.pop_front() {
            match work {
                Work::Enb(number, input) => self.step_enb(now, number, input),
                Work::Phone(number, input) => self.step_phone(now, number, input),
            }
        }
    }

    fn step_enb(&mut self, now: Time, number: usize, input: testbed_ran::Input) {
        let Some(enb) = self.enbs.get_mut(number) else { return };
        enb.step(now, input, &mut self.enb_out);
        let wakeup = enb.next_wakeup();
        self.rearm(Who::Enb(number), wakeup);
        let mut out = std::mem::take(&mut self.enb_out);
        for effect in out.drain() {
            self.enb_effect(now, number, effect);
        }
        self.enb_out = out;
    }

    fn step_phone(&mut self, now: Time, number: usize, input: testbed_ue::Input) {
        let Some(record) = self.phones.get_mut(number) else { return };
        let before = record.ue.state();
        record.ue.step(now, input, &mut self.ue_out);
        if before != EmmState::DeregisteredInitiated && record.ue.state() == EmmState::DeregisteredInitiated {
            record.stats.detach_started = Some(now);
        }
        let wakeup = record.ue.next_wakeup();
        self.rearm(Who::Phone(number), wakeup);
        let mut out = std::mem::take(&mut self.ue_out);
        for effect in out.drain() {
            self.phone_effect(now, number, effect);
        }
        self.ue_out = out;
    }

    fn rearm(&mut self, who: Who, wakeup: Option<Time>) {
        match wakeup {
            Some(at) => self.wakeups.arm(who, at),
            None => {
                self.wakeups.cancel(&who);
            }
        }
    }
}
