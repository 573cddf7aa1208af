//! Requests of ours: to whom they go, and what becomes of them (RFC 6733 §5.5.4, §6.1).

use super::pending::Pending;
use super::types::{Effect, Event, Failure, LinkId, Outgoing, PeerId, Token};
use super::watchdog::Trust;
use super::{Effects, Node, Timer};
use crate::avp::Avps;
use crate::code::ResultCode;
use crate::dictionary as name;
use crate::message::{HEADER, Message, Outcome};
use basalt_sansio::Time;

/// Where the flags and identifiers of a header are.
const FLAGS: usize = 4;
const RETRANSMITTED: u8 = 0x10;

impl Node {
    pub(super) fn send(&mut self, now: Time, request: Outgoing, out: &mut Effects) {
        let token = request.token;
        if self.stopping {
            return fail(token, Failure::Stopping, out);
        }
        if now >= request.deadline {
            return fail(token, Failure::Timeout, out);
        }
        let end_to_end = self.end_to_end();
        let Some(mut pending) = read(now, request, &self.limits) else {
            return fail(token, Failure::Invalid, out);
        };
        put(&mut pending.octets, 16, end_to_end);
        if let Err((_, why)) = self.dispatch(now, pending, out) {
            fail(token, why, out);
        }
    }

    /// Sends a request to the best peer that has not had it; gives it back if there is none.
    fn dispatch(&mut self, now: Time, mut pending: Pending, out: &mut Effects) -> Result<(), (Box<Pending>, Failure)> {
        let (id, link) = match self.candidate(&pending) {
            Ok(found) => found,
            Err(why) => return Err((Box::new(pending), why)),
        };
        if !pending.tried.is_empty()
            && let Some(flags) = pending.octets.get_mut(FLAGS)
        {
            *flags |= RETRANSMITTED;
        }
        let number = self.outstanding.id();
        put(&mut pending.octets, 12, number);
        (pending.peer, pending.link, pending.sent) = (id, link, now);
        if let Some(peer) = self.peers.get_mut(id.0) {
            peer.outstanding += 1;
        }
        out.push(Effect::Transmit { link, octets: pending.octets.clone() });
        self.timers.arm(Timer::Request(number), pending.deadline);
        self.outstanding.insert(number, pending);
        Ok(())
    }

    /// Who takes a request: the host that it is for, then by the route's preference; the first that is trusted, failing that, the
    /// first that is back and has yet to show that it answers.
    fn candidate(&self, pending: &Pending) -> Result<(PeerId, LinkId), Failure> {
        let (realm, host) = destination(&pending.octets).ok_or(Failure::Invalid)?;
        let direct = host.and_then(|host| {
            self.peers.iter().position(|peer| peer.config.host.eq_ignore_ascii_case(host)).map(PeerId)
        });
        let route = self.routes.find(realm, pending.application);
        if direct.is_none() && route.is_none() {
            return Err(Failure::NoRoute);
        }
        let by_route = route.into_iter().flat_map(|route| route.preferences(pending.key));
        let all =
            direct.map(|id| (id, None)).into_iter().chain(by_route.map(|(id, preference)| (id, Some(preference))));
        let able = all.filter_map(|(id, preference)| {
            let peer = self.peers.get(id.0)?;
            let fits = peer.capabilities.as_ref().is_some_and(|told| told.serve(pending.application));
            let free = peer.outstanding < peer.config.outstanding && !pending.tried.contains(&id);
            let trusted = match peer.watchdog.trust {
                Trust::Okay => 0,
                Trust::Reopen(_) => 1,
                Trust::Suspect => return None,
            };
            peer.open().filter(|_| fits && free).map(|link| ((trusted, preference), id, link))
        });
        able.min_by_key(|(preference, ..)| *preference).map(|(_, id, link)| (id, link)).ok_or(Failure::NoPeer)
    }

    /// An answer. One that fits nothing is late, or a lie: it is dropped and told of.
    pub(super) fn answered(&mut self, now: Time, id: PeerId, link: LinkId, message: &Message<'_>, out: &mut Effects) {
        let header = message.header;
        let Some(mut pending) = self.outstanding.answered(link, header.hop_by_hop) else {
            return out.push(Effect::Event(Event::Stray(id)));
        };
        let asked = Message::header_of(&pending.octets);
        if asked.is_none_or(|asked| asked.command != header.command || asked.end_to_end != header.end_to_end) {
            self.outstanding.insert(header.hop_by_hop, pending);
            return out.push(Effect::Event(Event::Stray(id)));
        }
        self.timers.cancel(&Timer::Request(header.hop_by_hop));
        self.settle(pending.peer);
        // These say that this peer cannot, and another might (§7.1.3).
        let outcome = message.outcome().ok();
        let elsewhere = matches!(outcome, Some(Outcome::Base(ResultCode::UNABLE_TO_DELIVER | ResultCode::TOO_BUSY)));
        let (token, peer, took) = (pending.token, pending.peer, now.since(pending.sent));
        if elsewhere && header.error {
            pending.tried.push(peer);
            if self.dispatch(now, pending, out).is_ok() {
                return;
            }
        }
        out.push(Effect::Event(Event::Answer { token, peer, octets: message.octets().to_vec(), outcome, took }));
    }

    /// What waits for answers over a connection goes elsewhere, marked as possibly sent before.
    pub(super) fn fail_over(&mut self, now: Time, link: LinkId, out: &mut Effects) {
        for (number, mut pending) in self.outstanding.of_link(link) {
            self.timers.cancel(&Timer::Request(number));
            self.settle(pending.peer);
            pending.tried.push(pending.peer);
            let token = pending.token;
            if let Err((_, why)) = self.dispatch(now, pending, out) {
                // No peer takes it because we go: whoever comes after us may be asked.
                fail(token, if self.stopping { Failure::Stopping } else { why }, out);
            }
        }
    }

    pub(super) fn overdue(&mut self, number: u32, out: &mut Effects) {
        let Some(pending) = self.outstanding.remove(number) else { return };
        self.settle(pending.peer);
        fail(pending.token, Failure::Timeout, out);
    }

    fn settle(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(id.0) {
            peer.outstanding = peer.outstanding.saturating_sub(1);
        }
    }
}

/// A request as it waits. Nothing of it is sent yet.
fn read(now: Time, request: Outgoing, limits: &crate::Limits) -> Option<Pending> {
    let message = Message::decode(&request.octets, limits).ok().filter(|message| message.header.request)?;
    message.find(name::DESTINATION_REALM)?.identity().ok()?;
    let application = message.header.application;
    Some(Pending {
        token: request.token,
        octets: request.octets,
        key: request.key,
        application,
        deadline: request.deadline,
        sent: now,
        peer: PeerId(0),
        link: LinkId(0),
        tried: Vec::new(),
    })
}

/// Destination-Realm and Destination-Host of a request that was read before.
fn destination(octets: &[u8]) -> Option<(&str, Option<&str>)> {
    let avps = Avps::new(octets.get(HEADER..)?, HEADER);
    let realm = avps.clone().need(name::DESTINATION_REALM).ok()?.identity().ok()?;
    let host = avps.find(name::DESTINATION_HOST).ok()?.and_then(|avp| avp.identity().ok());
    Some((realm, host))
}

fn fail(token: Token, why: Failure, out: &mut Effects) {
    out.push(Effect::Event(Event::Failed { token, why }));
}

/// Writes a word into a header.
pub(super) fn put(octets: &mut [u8], at: usize, word: u32) {
    if let Some(place) = octets.get_mut(at..at + 4) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}
