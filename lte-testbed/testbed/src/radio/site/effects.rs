//! What a base station or a phone does reaches the other one, or leaves the site.

use basalt_s1ap::{PagingIdentity, RrcEstablishmentCause, SecurityKey};
use basalt_sansio::{Duration, Time};
use basalt_security::Secret;
use testbed_ran::{ConnectRequest, PhoneId};
use testbed_ue::{EstablishmentCause, Page};

use super::{AttachStats, Site, SiteEffect, Told, Who, Work};

/// A phone on its way between two base stations is at neither for so long (TS 36.331: some tens of milliseconds).
const INTERRUPTION: Duration = Duration::from_millis(40);

impl Site {
    pub(super) fn enb_effect(&mut self, now: Time, number: usize, effect: testbed_ran::Effect) {
        use testbed_ran::Effect;
        use testbed_ue::Input;
        match effect {
            Effect::Send { pdu, ue } => self.effects.push_back(SiteEffect::Send { enb: number, pdu, ue }),
            Effect::Deliver { phone, nas } => self.tell_phone(number, phone, Input::Nas(nas)),
            Effect::Configure { phone, configuration } => {
                self.tell_phone(number, phone, Input::Configure(translate(configuration)));
            }
            Effect::Release { phone, .. } => self.tell_phone(number, phone, Input::Released),
            Effect::Refuse { phone } => {
                self.effects.push_back(SiteEffect::Told(Told::Refused(phone.0 as usize)));
                self.tell_phone(number, phone, Input::ConnectFailed);
            }
            Effect::Page { identity, .. } => self.page(number, identity),
            Effect::HandedOver { phone, context } => {
                let target = self.phones.get(phone.0 as usize).map_or(number, |record| record.enb);
                self.work.push_back(Work::Enb(target, testbed_ran::Input::TakeOver { phone, context }));
            }
            Effect::PathSwitched { phone, ncc, next_hop } => self.arrived(number, phone, ncc, next_hop),
            Effect::Departed { phone } => self.depart(now, number, phone),
            Effect::Downlink { phone: PhoneId(phone), ebi, packet } => {
                self.effects.push_back(SiteEffect::Downlink { phone: phone as usize, ebi, packet });
            }
            Effect::EndMarker { to, teid } => {
                if let Some(from) = self.enbs.get(number).map(|enb| enb.config().user_plane) {
                    self.effects.push_back(SiteEffect::EndMarker { from, to, teid });
                }
            }
            Effect::Event(event) => {
                if let testbed_ran::Event::ContextReady(phone) = &event
                    && let Some(record) = self.phones.get_mut(phone.0 as usize)
                {
                    record.stats.context = Some(now);
                }
                self.effects.push_back(SiteEffect::Told(Told::Enb(number, event)));
            }
        }
    }

    /// A phone leaves for the base station it is handed over to.
    fn depart(&mut self, now: Time, source: usize, phone: PhoneId) {
        let number = phone.0 as usize;
        let Some(record) = self.phones.get_mut(number).filter(|record| record.enb == source) else { return };
        if let Some(target) = record.going_to.take() {
            record.enb = target;
            self.wakeups.arm(Who::Arrival(number), now + INTERRUPTION);
        }
    }

    pub(super) fn arrive(&mut self, number: usize) {
        let Some(record) = self.phones.get(number) else { return };
        self.work.push_back(Work::Enb(record.enb, testbed_ran::Input::Arrive(PhoneId(number as u32))));
        self.effects.push_back(SiteEffect::Arrived(number));
    }

    /// What a base station says reaches a phone that is there; a phone that left meanwhile does not hear it.
    fn tell_phone(&mut self, enb: usize, phone: PhoneId, input: testbed_ue::Input) {
        let number = phone.0 as usize;
        if self.phones.get(number).is_some_and(|record| record.enb == enb) {
            self.work.push_back(Work::Phone(number, input));
        }
    }

    fn page(&mut self, enb: usize, identity: PagingIdentity) {
        let (number, page) = match identity {
            PagingIdentity::STmsi(s_tmsi) => (self.by_s_tmsi.get(&s_tmsi), Page::STmsi(s_tmsi)),
            PagingIdentity::Imsi(imsi) => (self.by_imsi.get(&imsi), Page::Imsi(imsi)),
        };
        let Some(&number) = number else { return };
        if self.phones.get(number).is_some_and(|record| record.enb == enb) {
            self.work.push_back(Work::Phone(number, testbed_ue::Input::Page(page)));
        }
    }

    /// The path of a phone ends at its new base station: the old one forgets it, and the phone compares the keys.
    fn arrived(&mut self, enb: usize, phone: PhoneId, ncc: u8, next_hop: SecurityKey) {
        let number = phone.0 as usize;
        let Some(record) = self.phones.get_mut(number) else { return };
        if let Some(source) = record.coming_from.take() {
            self.work.push_back(Work::Enb(source, testbed_ran::Input::ForgetHandedOver(phone)));
        }
        let key = Secret::new(next_hop.0);
        self.work.push_back(Work::Phone(number, testbed_ue::Input::NextHop { ncc, key }));
        if let Some(tai) = self.area(enb) {
            self.work.push_back(Work::Phone(number, testbed_ue::Input::Camp(tai)));
        }
    }

    pub(super) fn phone_effect(&mut self, now: Time, number: usize, effect: testbed_ue::Effect) {
        use testbed_ue::Effect;
        let Some(record) = self.phones.get_mut(number) else { return };
        let (enb, phone) = (record.enb, PhoneId(number as u32));
        match effect {
            Effect::Connect(connect) => {
                let cause = match connect.cause {
                    EstablishmentCause::MoSignalling => RrcEstablishmentCause::MoSignalling,
                    EstablishmentCause::MoData => RrcEstablishmentCause::MoData,
                    EstablishmentCause::MtAccess => RrcEstablishmentCause::MtAccess,
                };
                let capability = record.ue.profile().radio_capability.clone();
                let request = ConnectRequest {
                    phone,
                    cause,
                    s_tmsi: connect.s_tmsi,
                    gummei: connect.gummei,
                    nas: connect.nas,
                    capability,
                };
                self.work.push_back(Work::Enb(enb, testbed_ran::Input::Connect(request)));
            }
            Effect::Uplink(nas) => self.work.push_back(Work::Enb(enb, testbed_ran::Input::Uplink { phone, nas })),
            Effect::Configured(ok) => {
                self.work.push_back(Work::Enb(enb, testbed_ran::Input::Configured { phone, ok }));
            }
            Effect::Abandon => self.work.push_back(Work::Enb(enb, testbed_ran::Input::RadioLost(phone))),
            Effect::Event(event) => {
                match &event {
                    testbed_ue::Event::AttachStarted => {
                        record.stats = AttachStats { started: Some(now), ..AttachStats::default() };
                    }
                    testbed_ue::Event::Attached { .. } => record.stats.completed = Some(now),
                    testbed_ue::Event::NewGuti(guti) => {
                        let new = guti.map(|guti| guti.s_tmsi());
                        let old = std::mem::replace(&mut record.s_tmsi, new);
                        if let Some(old) = old.filter(|old| self.by_s_tmsi.get(old) == Some(&number)) {
                            self.by_s_tmsi.remove(&old);
                        }
                        self.by_s_tmsi.extend(new.map(|new| (new, number)));
                    }
                    _ => {}
                }
                self.effects.push_back(SiteEffect::Told(Told::Phone(number, event)));
            }
        }
    }
}

fn translate(configuration: testbed_ran::Configuration) -> testbed_ue::Configuration {
    testbed_ue::Configuration {
        security: configuration.security.map(|security| testbed_ue::RadioSecurity {
            k_enb: Secret::new(security.k_enb.0),
            encryption: security.encryption,
            integrity: security.integrity,
        }),
        added: configuration.added,
        removed: configuration.removed,
        nas: configuration.nas,
    }
}
