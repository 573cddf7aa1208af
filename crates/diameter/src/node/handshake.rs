//! Connections come, introduce themselves, and go (RFC 6733 §5.3, §5.4, §5.6).

use super::base::{self, Capabilities};
use super::peer::{Held, State};
use super::types::{Down, Effect, Event, LinkId, PeerId};
use super::watchdog::Watchdog;
use super::{Effects, FIRST_RECONNECT, HANDSHAKE, Node, RECONNECT, STRANGERS, Stranger, Timer};
use crate::code::{Command, ResultCode};
use crate::dictionary as name;
use crate::message::{Message, Outcome};
use basalt_sansio::{Duration, Time};

impl Node {
    pub(super) fn connect(&mut self, id: PeerId, out: &mut Effects) {
        let link = LinkId(self.next_link);
        let Some(peer) = self.peers.get_mut(id.0).filter(|peer| peer.config.connect && peer.state == State::Closed)
        else {
            return;
        };
        self.next_link += 1;
        peer.state = State::Connecting { ours: link, theirs: None };
        out.push(Effect::Connect { peer: id, link });
    }

    /// A connection of ours stands: we introduce ourselves.
    pub(super) fn connected(&mut self, now: Time, link: LinkId, names: Option<Vec<String>>, out: &mut Effects) {
        let Some(id) = self.peer_of(link) else {
            out.push(Effect::Close { link });
            return;
        };
        let ids = self.ids();
        let Some(peer) = self.peers.get_mut(id.0) else { return };
        let State::Connecting { theirs, .. } = &mut peer.state else { return };
        let theirs = theirs.take();
        if peer.config.certified && !peer.config.inband_tls && !is_named(names.as_deref(), &peer.config.host) {
            peer.state = State::Asked { ours: link, theirs };
            return self.end_link(now, id, link, Down::Refused(ResultCode::NO_COMMON_SECURITY), out);
        }
        let tls = peer.config.inband_tls;
        peer.state = State::Asked { ours: link, theirs: None };
        self.names.insert(link, names);
        out.push(Effect::Transmit { link, octets: base::capabilities_request(&self.local, tls, ids) });
        self.timers.arm(Timer::Handshake(link), now + HANDSHAKE);
        if let Some((theirs, held)) = theirs {
            self.elect(now, id, link, theirs, held, out);
        }
    }

    /// Somebody connected: he has a while to say who he is.
    pub(super) fn accepted(&mut self, now: Time, link: LinkId, names: Option<Vec<String>>, out: &mut Effects) {
        if self.stopping || self.strangers.len() >= STRANGERS {
            out.push(Effect::Close { link });
            return;
        }
        self.strangers.insert(link, Stranger { names });
        self.timers.arm(Timer::Handshake(link), now + HANDSHAKE);
    }

    /// The first message of somebody who connected.
    pub(super) fn introduced(&mut self, now: Time, link: LinkId, message: &Message<'_>, out: &mut Effects) {
        let is_cer = message.header.command == Command::CAPABILITIES_EXCHANGE && message.header.request;
        // Who comes while we go finds nobody.
        let Some(stranger) = self.strangers.get(&link).cloned().filter(|_| is_cer && !self.stopping) else {
            return self.dismiss(link, out);
        };
        let capabilities = match Capabilities::read(message) {
            Ok(capabilities) => capabilities,
            Err(error) => {
                out.push(Effect::Transmit {
                    link,
                    octets: base::refusal(&self.local, &message.header, message.octets(), error).finish(),
                });
                return self.dismiss(link, out);
            }
        };
        match self.judge(&capabilities, stranger.names.as_deref()) {
            Ok(id) => {
                let held = Held { header: message.header, capabilities };
                self.comes(now, id, link, held, out);
            }
            Err(code) => {
                let octets = base::answer(&self.local, message, code).finish();
                out.push(Effect::Transmit { link, octets });
                out.push(Effect::Event(Event::Stranger { host: capabilities.host, code }));
                self.dismiss(link, out);
            }
        }
    }

    /// Which peer it is that introduces itself so.
    fn judge(&self, told: &Capabilities, names: Option<&[String]>) -> Result<PeerId, ResultCode> {
        let known = self.peers.iter().position(|peer| peer.config.host.eq_ignore_ascii_case(&told.host));
        let id = PeerId(known.ok_or(ResultCode::UNKNOWN_PEER)?);
        let config = self.peers.get(id.0).map(|peer| &peer.config).ok_or(ResultCode::UNKNOWN_PEER)?;
        // Who has shown a certificate is who it says, whatever is asked of him.
        let wrong = names.is_some() || (config.certified && !config.inband_tls);
        if wrong && !is_named(names, &config.host) {
            return Err(ResultCode::UNKNOWN_PEER);
        }
        if config.inband_tls && !told.tls {
            return Err(ResultCode::NO_COMMON_SECURITY);
        }
        if told.agree(&self.local) { Ok(id) } else { Err(ResultCode::NO_COMMON_APPLICATION) }
    }

    /// A peer has connected to us.
    fn comes(&mut self, now: Time, id: PeerId, link: LinkId, held: Held, out: &mut Effects) {
        let Some(peer) = self.peers.get_mut(id.0) else { return };
        match &mut peer.state {
            State::Closed => self.accept(now, id, link, &held, out),
            State::Connecting { theirs: theirs @ None, .. } => {
                self.strangers.remove(&link);
                *theirs = Some((link, held));
            }
            State::Asked { ours, theirs: None } => {
                let ours = *ours;
                self.strangers.remove(&link);
                self.elect(now, id, ours, link, held, out);
            }
            State::Open { link: old } => {
                let old = *old;
                let before = peer.capabilities.as_ref().and_then(|before| before.state_id);
                let restarted =
                    held.capabilities.state_id.is_some_and(|state| before.is_none_or(|before| state > before));
                // One that has restarted, or is not heard of, has lost the connection that we still believe in.
                if restarted || !peer.watchdog.is_okay() {
                    self.end_link(now, id, old, Down::Disconnected, out);
                    self.accept(now, id, link, &held, out);
                } else {
                    self.dismiss(link, out);
                }
            }
            _ => self.dismiss(link, out),
        }
    }

    /// Both have connected: the connection that the larger name accepted stays (§5.6.4).
    fn elect(&mut self, now: Time, id: PeerId, ours: LinkId, theirs: LinkId, held: Held, out: &mut Effects) {
        if self.local.host.to_ascii_lowercase() > held.capabilities.host.to_ascii_lowercase() {
            out.push(Effect::Close { link: ours });
            self.forget(ours);
            self.accept(now, id, theirs, &held, out);
        } else if let Some(peer) = self.peers.get_mut(id.0) {
            peer.state = State::Asked { ours, theirs: Some((theirs, held)) };
            self.timers.arm(Timer::Handshake(theirs), now + HANDSHAKE);
        }
    }

    /// Answers a CER, and the peer is there; or TLS begins.
    fn accept(&mut self, now: Time, id: PeerId, link: LinkId, held: &Held, out: &mut Effects) {
        self.strangers.remove(&link);
        let Some(peer) = self.peers.get_mut(id.0) else { return };
        let tls = peer.config.inband_tls;
        let octets = base::capabilities_answer(&self.local, tls, &held.header, ResultCode::SUCCESS);
        out.push(Effect::Transmit { link, octets });
        self.agreed(now, id, link, held.capabilities.clone(), false, out);
    }

    /// The answer to our CER.
    pub(super) fn capabilities_answered(
        &mut self,
        now: Time,
        id: PeerId,
        link: LinkId,
        message: &Message<'_>,
        out: &mut Effects,
    ) {
        let Some(peer) = self.peers.get_mut(id.0) else { return };
        let State::Asked { ours, theirs } = &mut peer.state else { return };
        if *ours != link {
            return;
        }
        let host = peer.config.host.clone();
        let told = match message.outcome() {
            Ok(Outcome::Base(code)) if code.is_success() => Capabilities::read(message).map_err(|error| error.result()),
            Ok(Outcome::Base(code)) => Err(code),
            Ok(Outcome::Experimental { .. }) => Err(ResultCode::UNABLE_TO_COMPLY),
            Err(error) => Err(error.result()),
        };
        let told = told.and_then(|told| {
            if !told.host.eq_ignore_ascii_case(&host) {
                return Err(ResultCode::UNKNOWN_PEER);
            }
            if peer.config.inband_tls && !told.tls {
                return Err(ResultCode::NO_COMMON_SECURITY);
            }
            if told.agree(&self.local) { Ok(told) } else { Err(ResultCode::NO_COMMON_APPLICATION) }
        });
        match told {
            Ok(told) => {
                if let Some((theirs, _)) = theirs.take() {
                    out.push(Effect::Close { link: theirs });
                    self.forget(theirs);
                }
                self.agreed(now, id, link, told, true, out);
            }
            Err(code) => self.end_link(now, id, link, Down::Refused(code), out),
        }
    }

    fn agreed(&mut self, now: Time, id: PeerId, link: LinkId, told: Capabilities, client: bool, out: &mut Effects) {
        let Some(peer) = self.peers.get_mut(id.0) else { return };
        if peer.config.inband_tls {
            peer.state = State::Securing { link, held: told };
            self.timers.arm(Timer::Handshake(link), now + HANDSHAKE);
            out.push(Effect::StartTls { link, client });
        } else {
            self.opened(now, id, link, told, out);
        }
    }

    pub(super) fn secured(&mut self, now: Time, link: LinkId, names: &[String], out: &mut Effects) {
        let Some(id) = self.peer_of(link) else { return };
        let Some(peer) = self.peers.get_mut(id.0) else { return };
        let State::Securing { held, .. } = &peer.state else { return };
        let held = held.clone();
        if is_named(Some(names), &peer.config.host) {
            self.opened(now, id, link, held, out);
        } else {
            self.end_link(now, id, link, Down::Refused(ResultCode::UNKNOWN_PEER), out);
        }
    }

    fn opened(&mut self, now: Time, id: PeerId, link: LinkId, told: Capabilities, out: &mut Effects) {
        if self.stopping {
            return self.end_link(now, id, link, Down::Left, out);
        }
        self.timers.cancel(&Timer::Handshake(link));
        self.timers.cancel(&Timer::Reconnect(id));
        let ids = self.ids();
        let Some(peer) = self.peers.get_mut(id.0) else { return };
        peer.state = State::Open { link };
        peer.capabilities = Some(told);
        peer.watchdog = Watchdog::new(peer.failed);
        peer.heard = now;
        if let Some(tries) = self.tries.get_mut(id.0) {
            *tries = 0;
        }
        if peer.watchdog.is_okay() {
            out.push(Effect::Event(Event::PeerUp(id)));
        } else {
            // It was silent: it has to show that it answers before others' requests depend on it.
            peer.watchdog.asked();
            out.push(Effect::Transmit { link, octets: base::watchdog_request(&self.local, ids) });
        }
        self.arm_watchdog(now, id);
    }

    /// A peer says that it goes (DPR): nothing is sent to it any more, and it closes the connection.
    pub(super) fn leaves(&mut self, now: Time, id: PeerId, link: LinkId, message: &Message<'_>, out: &mut Effects) {
        let octets = base::answer(&self.local, message, ResultCode::SUCCESS).finish();
        out.push(Effect::Transmit { link, octets });
        let cause = message.find(name::DISCONNECT_CAUSE).and_then(|avp| avp.u32().ok());
        let Some(peer) = self.peers.get_mut(id.0) else { return };
        let was_open = peer.open() == Some(link);
        let was_up = was_open && peer.watchdog.is_okay();
        peer.state = State::Closing { link };
        if let Some(tries) = self.tries.get_mut(id.0) {
            // One that wants no connection is asked again after long; one that restarts comes back by itself.
            *tries = if cause == Some(2) { 16 } else { 5 };
        }
        self.timers.cancel(&Timer::Watchdog(id));
        self.timers.arm(Timer::Handshake(link), now + HANDSHAKE);
        if was_up {
            out.push(Effect::Event(Event::PeerDown { peer: id, why: Down::Left }));
        }
        if was_open {
            self.fail_over(now, link, out);
        }
    }

    /// A connection is gone.
    pub(super) fn closed(&mut self, now: Time, link: LinkId, out: &mut Effects) {
        match self.peer_of(link) {
            Some(id) => self.lose(now, id, link, Down::Disconnected, out),
            None => self.forget(link),
        }
    }

    /// Ends a connection of a peer's.
    pub(super) fn end_link(&mut self, now: Time, id: PeerId, link: LinkId, why: Down, out: &mut Effects) {
        out.push(Effect::Close { link });
        self.lose(now, id, link, why, out);
    }

    fn lose(&mut self, now: Time, id: PeerId, link: LinkId, why: Down, out: &mut Effects) {
        self.forget(link);
        let Some(peer) = self.peers.get_mut(id.0) else { return };
        match &mut peer.state {
            State::Connecting { ours, theirs } | State::Asked { ours, theirs } if *ours == link => {
                match theirs.take() {
                    Some((theirs, held)) => return self.accept(now, id, theirs, &held, out),
                    None => peer.state = State::Closed,
                }
            }
            State::Connecting { theirs, .. } | State::Asked { theirs, .. } => {
                *theirs = None;
                return;
            }
            state => {
                let was_open = matches!(state, State::Open { .. });
                *state = State::Closed;
                self.timers.cancel(&Timer::Watchdog(id));
                if was_open {
                    peer.failed = why == Down::Silent;
                }
                // One that was silent was told down by then, and one that had yet to prove itself was never told up.
                if was_open && peer.watchdog.is_okay() {
                    out.push(Effect::Event(Event::PeerDown { peer: id, why }));
                }
                self.fail_over(now, link, out);
            }
        }
        self.retry(now, id);
    }

    /// Connects again after a while, which grows.
    fn retry(&mut self, now: Time, id: PeerId) {
        if self.stopping {
            return;
        }
        let Some(tries) = self.tries.get_mut(id.0) else { return };
        let pause = match *tries {
            0..=4 => FIRST_RECONNECT * (1 << *tries),
            5..=15 => RECONNECT,
            _ => RECONNECT * 10,
        };
        *tries = if *tries > 15 { 5 } else { (*tries + 1).min(5) };
        let jitter = Duration::from_millis(basalt_sansio::Rng::below(&mut self.rng, 500));
        self.timers.arm(Timer::Reconnect(id), now + pause + jitter);
    }

    /// Ends the connection of somebody who is no peer.
    pub(super) fn dismiss(&mut self, link: LinkId, out: &mut Effects) {
        self.forget(link);
        out.push(Effect::Close { link });
    }

    fn forget(&mut self, link: LinkId) {
        self.strangers.remove(&link);
        self.names.remove(&link);
        self.timers.cancel(&Timer::Handshake(link));
    }
}

/// Whether a certificate is of that host.
fn is_named(names: Option<&[String]>, host: &str) -> bool {
    names.is_some_and(|names| names.iter().any(|name| name.eq_ignore_ascii_case(host)))
}
