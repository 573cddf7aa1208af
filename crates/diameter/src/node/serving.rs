//! Requests of peers: which are let in, and how they are answered (RFC 6733 §6.1.4, §6.2).

use super::base;
use super::duplicates::Arrival;
use super::requests::put;
use super::types::{Effect, Event, Handle, LinkId, PeerId};
use super::{Effects, Node, SERVICE, Timer};
use crate::DecodeError;
use crate::code::{Application, ResultCode};
use crate::dictionary as name;
use crate::message::Message;
use basalt_sansio::Time;

/// What every request has once (§6.1, and the tables of §10.1).
const ONCE: [crate::AvpId; 7] = [
    name::SESSION_ID,
    name::ORIGIN_HOST,
    name::ORIGIN_REALM,
    name::DESTINATION_HOST,
    name::DESTINATION_REALM,
    name::AUTH_SESSION_STATE,
    name::USER_NAME,
];

impl Node {
    /// A request of a peer's.
    pub(super) fn asked(&mut self, now: Time, id: PeerId, link: LinkId, message: &Message<'_>, out: &mut Effects) {
        let origin = match self.admit(now, id, link, message) {
            Ok(origin) => origin,
            Err(refused) => {
                let octets = match refused {
                    Refused::Code(code) => base::answer(&self.local, message, code).finish(),
                    Refused::Error(error) => {
                        base::refusal(&self.local, &message.header, message.octets(), error).finish()
                    }
                };
                out.push(Effect::Transmit { link, octets });
                return;
            }
        };
        match self.served.arrive(now, id, link, &message.header, origin) {
            Arrival::New(handle) => {
                let fallback = base::answer(&self.local, message, ResultCode::TOO_BUSY).finish();
                self.served.fall_back(handle, fallback);
                self.timers.arm(Timer::Serve(handle), now + SERVICE);
                out.push(Effect::Event(Event::Request { peer: id, handle, octets: message.octets().to_vec() }));
            }
            Arrival::Served => {}
            Arrival::Answered(mut octets) => {
                put(&mut octets, 12, message.header.hop_by_hop);
                out.push(Effect::Transmit { link, octets });
            }
        }
    }

    /// Whether a request is let in; its Origin-Host.
    fn admit<'a>(&mut self, now: Time, id: PeerId, link: LinkId, message: &Message<'a>) -> Result<&'a str, Refused> {
        let header = message.header;
        let served = self.served.of_peer(id);
        let peer = self.peers.get_mut(id.0).filter(|peer| peer.open() == Some(link));
        let peer = peer.ok_or(Refused::Code(ResultCode::TOO_BUSY))?;
        if !peer.may_ask(now) || served >= peer.config.served {
            return Err(Refused::Code(ResultCode::TOO_BUSY));
        }
        if header.application == Application::BASE {
            return Err(Refused::Code(ResultCode::COMMAND_UNSUPPORTED));
        }
        let ours = |service: &super::Service| {
            service.application == header.application || service.application == Application::RELAY
        };
        if !self.local.applications.iter().any(ours) {
            return Err(Refused::Code(ResultCode::APPLICATION_UNSUPPORTED));
        }
        // A relay would pass on what it does not know; we are who is meant (§4.1).
        message.understood()?;
        message.once(&ONCE)?;
        let origin = message.need(name::ORIGIN_HOST)?.identity()?;
        let realm = message.need(name::ORIGIN_REALM)?.identity()?;
        let is_us = |name: &str| name.eq_ignore_ascii_case(&self.local.host);
        let mut passed = message.avps().all(name::ROUTE_RECORD);
        if is_us(origin) || passed.any(|avp| avp.identity().is_ok_and(is_us)) {
            return Err(Refused::Code(ResultCode::LOOP_DETECTED));
        }
        if !peer.config.realms.is_empty() && !peer.config.realms.iter().any(|own| own.eq_ignore_ascii_case(realm)) {
            return Err(Refused::Code(ResultCode::AUTHORIZATION_REJECTED));
        }
        if let Some(host) = message.find(name::DESTINATION_HOST)
            && !is_us(host.identity()?)
        {
            return Err(Refused::Code(ResultCode::UNABLE_TO_DELIVER));
        }
        if let Some(realm) = message.find(name::DESTINATION_REALM)
            && !realm.identity()?.eq_ignore_ascii_case(&self.local.realm)
        {
            return Err(Refused::Code(ResultCode::REALM_NOT_SERVED));
        }
        message.need(name::SESSION_ID)?;
        Ok(origin)
    }

    /// A request of a peer's is answered.
    pub(super) fn answer(&mut self, handle: Handle, mut octets: Vec<u8>, out: &mut Effects) {
        self.timers.cancel(&Timer::Serve(handle));
        let Some(serving) = self.served.answer(handle, &octets) else { return };
        put(&mut octets, 12, serving.header.hop_by_hop);
        put(&mut octets, 16, serving.header.end_to_end);
        // If the connection is gone, the peer asks again over another, and gets what is remembered.
        let there = self.peers.get(serving.peer.0).is_some_and(|peer| peer.has(serving.link));
        if there {
            out.push(Effect::Transmit { link: serving.link, octets });
        }
    }
}

/// Why a request is not let in.
enum Refused {
    Code(ResultCode),
    Error(DecodeError),
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        Self::Error(error)
    }
}
