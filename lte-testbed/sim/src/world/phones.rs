//! Phones: what they want of the radio, and what they tell.

use basalt_nas::Direction;
use basalt_s1ap::RrcEstablishmentCause;
use basalt_sansio::Duration;
use basalt_security::Secret;
use testbed_ran::{ConnectRequest, PhoneId};
use testbed_ue::{Effect, EstablishmentCause, Event, Input};

use super::stations::{CONNECT_TIMEOUT, RADIO_TIMEOUT};
use super::{Later, Turn, World};
use crate::diary::nas_name;
use crate::radio::{Connection, Up};

/// How long the data plane holds a packet whose tunnel may be about to be.
const HELD: Duration = Duration::from_millis(150);

impl World {
    pub(crate) fn phone(&mut self, phone: usize, input: Input) {
        let now = self.now;
        if !matches!(input, Input::Wakeup | Input::UplinkData) {
            self.handsets[phone].last_signalling = now;
        }
        self.checks.diary.one(now, phone, || phone_hears(&input));
        let ue = &mut self.handsets[phone].ue;
        let mut out = std::mem::take(&mut self.ue_out);
        ue.step(now, input, &mut out);
        let next = ue.next_wakeup();
        self.rearm(Turn::Phone(phone), next);
        let effects = out.take();
        self.ue_out = out;
        for effect in effects {
            self.phone_effect(phone, effect);
        }
    }

    fn phone_effect(&mut self, phone: usize, effect: Effect) {
        let now = self.now;
        self.checks.diary.one(now, phone, || phone_says(&effect));
        match effect {
            Effect::Connect(connect) => self.phone_connects(phone, connect),
            Effect::Uplink(nas) => {
                if let Some(connection) = self.handsets[phone].connection {
                    let nas = match &mut self.tap {
                        Some(tap) => tap.nas(phone, nas),
                        None => vec![nas],
                    };
                    for nas in nas {
                        self.from_handset(phone, Up::Nas(connection, nas));
                    }
                }
            }
            Effect::Configured(ok) => {
                let handset = &self.handsets[phone];
                if let Some(connection) = handset.connection {
                    let answer = Up::Configured(connection, handset.configured, ok);
                    if !self.from_handset(phone, answer) {
                        let station = self.handsets[phone].station;
                        self.put_off(RADIO_TIMEOUT, Later::RadioGone(phone, connection));
                        self.put_off(RADIO_TIMEOUT, Later::PhoneGone(station, connection));
                    }
                }
            }
            Effect::Abandon => {
                if let Some(connection) = self.handsets[phone].connection.take() {
                    self.from_handset(phone, Up::Abandon(connection));
                }
            }
            Effect::Event(event) => self.phone_told(phone, &event),
        }
    }

    fn phone_connects(&mut self, phone: usize, connect: testbed_ue::Connect) {
        let station = self.handsets[phone].station;
        let connection = self.new_connection(station, Some(phone));
        self.handsets[phone].connection = Some(connection);
        let cause = match connect.cause {
            EstablishmentCause::MoSignalling => RrcEstablishmentCause::MoSignalling,
            EstablishmentCause::MoData => RrcEstablishmentCause::MoData,
            EstablishmentCause::MtAccess => RrcEstablishmentCause::MtAccess,
        };
        let messages = match &mut self.tap {
            Some(tap) => tap.nas(phone, connect.nas),
            None => vec![connect.nas],
        };
        let capability = self.handsets[phone].ue.profile().radio_capability.clone();
        let mut sent = false;
        for nas in messages {
            let request = ConnectRequest {
                phone: PhoneId(connection.0),
                cause,
                s_tmsi: connect.s_tmsi,
                gummei: connect.gummei,
                nas,
                capability: capability.clone(),
            };
            sent |= self.from_handset(phone, Up::Connect(Box::new(request)));
        }
        if !sent {
            self.put_off(CONNECT_TIMEOUT, Later::ConnectFailed(phone, connection));
        }
    }

    /// Sends over the air. False when it is lost.
    fn from_handset(&mut self, phone: usize, message: Up) -> bool {
        let now = self.now;
        let handset = &mut self.handsets[phone];
        handset.last_signalling = now;
        if !handset.covered {
            return false;
        }
        let station = handset.station;
        let air = &mut self.stations[station].air_up;
        let sent = air.send(now, message);
        let next = air.next();
        self.rearm(Turn::AirUp(station), next);
        sent
    }

    /// The radio connection is gone, unless the phone has another one by now.
    pub(super) fn lose_radio(&mut self, phone: usize, connection: Connection, input: Input) {
        let handset = &mut self.handsets[phone];
        if handset.connection == Some(connection) {
            handset.connection = None;
            handset.coming_from = None;
            handset.going_to = None;
            self.phone(phone, input);
            self.look_around(phone);
        }
    }

    /// A phone that a handover has left at another station, and that was not told so, sees what cell that is.
    fn look_around(&mut self, phone: usize) {
        let handset = &self.handsets[phone];
        let tai = self.stations[handset.station].enb.config().tai();
        if handset.covered && handset.connection.is_none() && handset.ue.cell().is_some_and(|cell| cell != tai) {
            self.phone(phone, Input::Camp(tai));
        }
    }

    fn phone_told(&mut self, phone: usize, event: &Event) {
        self.checks.phone_told(phone, &self.handsets[phone].ue, event);
        if let Event::NewGuti(guti) = event {
            let new = guti.map(|guti| guti.s_tmsi());
            let old = std::mem::replace(&mut self.handsets[phone].s_tmsi, new);
            if let Some(phones) = old.and_then(|old| self.by_tmsi.get_mut(&old)) {
                phones.remove(&phone);
            }
            if let Some(new) = new {
                self.by_tmsi.entry(new).or_default().insert(phone);
            }
        }
        if matches!(event, Event::BearersUp) {
            // Packets that waited go out at once, and are held at the gateway until the signalling that they overtook is through.
            let soon = self.now + HELD;
            self.arm(Turn::Packet(phone), soon);
        }
    }
}

pub(super) fn translate(configuration: testbed_ran::Configuration) -> testbed_ue::Configuration {
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

fn phone_hears(input: &Input) -> String {
    match input {
        Input::Nas(octets) => format!("phone <- {}", nas_name(octets, Direction::Downlink)),
        Input::Configure(configuration) => {
            let names: Vec<_> = configuration.nas.iter().map(|nas| nas_name(nas, Direction::Downlink)).collect();
            let security = configuration.security.is_some();
            format!("phone <- configuration: security {security}, bearers {:?}, {names:?}", configuration.added)
        }
        other => format!("phone: {other:?}"),
    }
}

fn phone_says(effect: &Effect) -> String {
    match effect {
        Effect::Connect(connect) => format!("phone -> (new connection) {}", nas_name(&connect.nas, Direction::Uplink)),
        Effect::Uplink(octets) => format!("phone -> {}", nas_name(octets, Direction::Uplink)),
        other => format!("phone: {other:?}"),
    }
}
