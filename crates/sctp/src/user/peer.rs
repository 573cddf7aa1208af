//! One association: the stack's socket, its paths and its mailboxes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dcsctp::api::{DcSctpSocket, Options, SendOptions, Socket, SocketEvent, SocketState, SocketTime, StreamId};

use crate::config::Config;
use crate::event::{AssociationInfo, Carrier, CloseReason, Event, Message, PeerInfo};
use crate::impairment::Impairment;
use crate::link::{Ending, Link};

use super::path::{Carried, Paths, Route};
use super::stack::{HIGH, LOW, REASON, close_reason, from_stack, guarded, time, to_stack};
use super::wire::{self, Header, cause, chunk};

/// An association of the userspace back end.
pub(crate) struct Peer {
    pub id: u64,
    pub local_port: u16,
    pub peer_port: u16,
    pub carrier: Carrier,
    pub impairment: Option<Impairment>,
    /// Our verification tag, as the demultiplexer knows it.
    pub tag: u32,
    pub paths: Paths,
    /// Mailboxes; none before the association is established.
    pub link: Option<Arc<Link>>,
    /// The timer that is set for it.
    pub armed: Option<Duration>,
    /// In the list of those to be pumped.
    pub dirty: bool,
    stack: Socket,
    peer_tag: u32,
    in_streams: u16,
    out_streams: u16,
    /// Upper bound of what the stack has queued.
    queued: usize,
    /// The stack is full; its low-level event is awaited.
    full: bool,
    /// Messages wait in the stack for room in the inbox.
    starved: bool,
    /// Why this side ends the association.
    ending: Option<CloseReason>,
}

/// What became of an association in a turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Handshake done.
    Established,
    /// Our verification tag changed (restart of the peer).
    Retagged,
    /// Over.
    Closed(CloseReason),
}

/// What a turn produced.
#[derive(Default)]
pub(crate) struct Produce {
    pub packets: Vec<Vec<u8>>,
    pub changes: Vec<Change>,
}

impl Peer {
    pub(crate) fn new(id: u64, config: &Config, options: &Options, carrier: Carrier, paths: Paths) -> Self {
        Self {
            id,
            local_port: options.local_port,
            peer_port: options.remote_port,
            carrier,
            impairment: config.impairment.clone(),
            tag: 0,
            paths,
            link: None,
            armed: None,
            dirty: false,
            stack: Socket::new("association", options),
            peer_tag: 0,
            in_streams: 0,
            out_streams: 0,
            queued: 0,
            full: false,
            starved: false,
            ending: None,
        }
    }

    pub(crate) fn connect(&mut self, now: Duration) {
        self.stack.advance_time(time(now));
        self.stack.connect();
        self.tag = self.stack.verification_tag();
    }

    /// Feeds a packet that the demultiplexer found to be ours. Answers go where it came from.
    pub(crate) fn receive(&mut self, now: Duration, packet: &[u8], out: &mut Produce) {
        let first = packet.get(wire::HEADER).copied();
        let may_forget =
            matches!(first, Some(chunk::ABORT | chunk::SHUTDOWN_ACK | chunk::SHUTDOWN_COMPLETE | chunk::COOKIE_ECHO));
        let result = guarded(|| {
            if may_forget {
                // It may end or restart the association, and the stack then forgets what was not fetched.
                self.fetch(true, out);
            }
            self.stack.advance_time(time(now));
            self.stack.handle_input(packet);
        });
        self.finish(result, out);
    }

    /// Lets timers fire.
    pub(crate) fn tick(&mut self, now: Duration, out: &mut Produce) {
        let result = guarded(|| self.stack.advance_time(time(now)));
        self.finish(result, out);
    }

    /// Moves messages both ways as far as there is room.
    pub(crate) fn pump(&mut self, now: Duration, out: &mut Produce) {
        if let Some(link) = &self.link {
            link.unkick();
        }
        let result = guarded(|| {
            self.stack.advance_time(time(now));
            self.fetch(false, out);
            self.push(out);
        });
        self.finish(result, out);
    }

    /// When the stack wants its next tick.
    pub(crate) fn next_timer(&self) -> Option<Duration> {
        let at = self.stack.poll_timeout();
        (at != SocketTime::infinite_future()).then(|| at - SocketTime::zero())
    }

    /// Whether a path heard for the first time, and what to call data on a path change.
    pub(crate) fn heard(&mut self, now: Duration, route: Route, packet: &[u8]) -> bool {
        let mut carried = Carried::default();
        if self.paths.several() {
            for found in wire::chunks(packet) {
                carried.data |= matches!(found.kind, chunk::DATA | chunk::SACK);
                carried.answer |= matches!(found.kind, chunk::SACK | chunk::HEARTBEAT_ACK);
            }
        }
        let before = self.paths.active();
        let first = self.paths.heard(now, route, carried);
        self.note_path_change(before);
        first
    }

    /// The route for packets that answer nothing that just came. `by_timer`: a timer produced them.
    pub(crate) fn route(&mut self, packets: &[Vec<u8>], by_timer: bool) -> Route {
        if self.paths.several() && packets.iter().any(|packet| wants_answer(packet)) {
            let before = self.paths.active();
            self.paths.ask(by_timer);
            self.note_path_change(before);
        }
        self.paths.active()
    }

    fn note_path_change(&self, before: Route) {
        let path = self.paths.active().hop.peer;
        if let Some(link) = &self.link
            && before.hop.peer != path
        {
            link.update_info(|info| info.path = path);
            link.deliver([Event::PathChange(path)]);
        }
    }

    /// What an application is told about an association that just came up.
    pub(crate) fn info(&self) -> AssociationInfo {
        let path = self.paths.active().hop.peer;
        AssociationInfo {
            peer: PeerInfo {
                primary: SocketAddr::new(path, self.peer_port),
                addresses: unique(self.paths.addresses()),
                out_streams: self.out_streams,
                in_streams: self.in_streams,
            },
            local_port: self.local_port,
            path,
            srtt: None,
            carrier: self.carrier,
        }
    }

    /// Ends the association at once, telling the peer.
    pub(crate) fn abort(&mut self, reason: CloseReason, out: &mut Produce) {
        let text = match &reason {
            CloseReason::LocalAbort(why) => why.clone(),
            _ => String::new(),
        };
        let text = text.as_bytes();
        if self.peer_tag != 0 {
            let cause = (cause::USER_ABORT, &text[..text.len().min(REASON)]);
            out.packets.push(wire::abort(self.header(), false, Some(cause)));
        }
        self.ending = Some(reason);
        let result = guarded(|| self.stack.close());
        let mut last = Produce::default();
        self.finish(result, &mut last);
        // The stack's own ABORT is dropped: ours carries the reason.
        out.changes.append(&mut last.changes);
    }

    fn header(&self) -> Header {
        Header { source: self.local_port, destination: self.peer_port, tag: self.peer_tag }
    }

    /// Messages of the stack to the inbox; `all` even beyond its bound.
    fn fetch(&mut self, all: bool, out: &mut Produce) {
        let Some(link) = self.link.clone() else {
            return;
        };
        if self.stack.messages_ready_count() == 0 {
            return;
        }
        let was_starved = std::mem::take(&mut self.starved);
        let mut refused = None;
        while self.stack.messages_ready_count() > 0 {
            if !all && !link.has_room() {
                self.starved = true;
                break;
            }
            // A small batch at a time, so that the bound is overshot by little.
            let stack = &mut self.stack;
            let batch: Vec<Event> = std::iter::from_fn(|| stack.get_next_message())
                .take(32)
                .filter_map(|message| {
                    if message.stream_id.0 < self.in_streams {
                        Some(Event::Message(from_stack(message)))
                    } else {
                        refused = Some(message.stream_id.0);
                        None
                    }
                })
                .collect();
            link.deliver(batch);
        }
        if was_starved && !self.starved {
            self.stack.send_window_update();
        }
        if let Some(stream) = refused {
            // RFC 9260 §6.5; one report stands for all of this turn.
            let [high, low] = stream.to_be_bytes();
            let info = [high, low, 0, 0];
            out.packets.push(wire::error(self.header(), cause::INVALID_STREAM, &info));
        }
    }

    /// Messages of the outbox to the stack, then the end that the application asked for.
    fn push(&mut self, out: &mut Produce) {
        let Some(link) = self.link.clone() else {
            return;
        };
        let mut messages = Vec::new();
        if let Some(ending) = &self.ending {
            let asked = link.fetch(0, &mut messages).ending;
            if let (CloseReason::Shutdown, Some(Ending::Abort(why))) = (ending, asked) {
                self.abort(CloseReason::LocalAbort(why), out);
            }
            return;
        }
        loop {
            if self.queued >= HIGH {
                self.queued = self.stack_queue();
                self.full = self.queued > LOW;
            }
            let budget = if self.full { 0 } else { HIGH - self.queued };
            let outgoing = link.fetch(budget, &mut messages);
            let nothing = messages.is_empty();
            self.send(&mut messages);
            match outgoing.ending {
                Some(Ending::Abort(why)) => {
                    self.abort(CloseReason::LocalAbort(why), out);
                    return;
                }
                // The stack announces the end before it has sent everything: so only when it has.
                Some(Ending::Shutdown) if outgoing.drained && self.stack_queue() == 0 => {
                    self.ending = Some(CloseReason::Shutdown);
                    self.stack.shutdown();
                    return;
                }
                _ => {}
            }
            if nothing {
                return;
            }
        }
    }

    fn send(&mut self, messages: &mut Vec<Message>) {
        let mut messages = messages.drain(..).peekable();
        while let Some(first) = messages.next() {
            let unordered = first.unordered;
            let mut batch = vec![to_stack(first)];
            while let Some(next) = messages.next_if(|next| next.unordered == unordered) {
                batch.push(to_stack(next));
            }
            self.queued += batch.iter().map(|message| message.payload.len()).sum::<usize>();
            let options = SendOptions { unordered, ..SendOptions::default() };
            if let Err(error) = self.stack.send_many(batch, &options) {
                // Only while the peer is shutting the association down; its end is reported anyway.
                tracing::debug!(%error, "messages not sent");
            }
        }
    }

    fn stack_queue(&self) -> usize {
        (0..self.out_streams).map(|stream| self.stack.buffered_amount(StreamId(stream))).sum()
    }

    /// Collects what the stack produced.
    fn finish(&mut self, result: Result<(), CloseReason>, out: &mut Produce) {
        if let Err(reason) = result {
            self.ending = Some(reason.clone());
            out.changes.push(Change::Closed(reason));
            return;
        }
        while let Some(event) = self.stack.poll_event() {
            match event {
                SocketEvent::SendPacket(packet) => {
                    self.learn_peer_tag(&packet);
                    out.packets.push(packet);
                }
                SocketEvent::OnConnected() => self.connected(out),
                SocketEvent::OnConnectionRestarted() => self.deliver(Event::Restarted),
                SocketEvent::OnTotalBufferedAmountLow() => self.full = false,
                SocketEvent::OnClosed() => {
                    let reason = self.ending.take().unwrap_or(CloseReason::Shutdown);
                    out.changes.push(Change::Closed(reason));
                }
                SocketEvent::OnAborted(kind, why) => {
                    let reason = self.ending.take().filter(is_abort);
                    out.changes.push(Change::Closed(reason.unwrap_or_else(|| close_reason(kind, &why))));
                }
                _ => {}
            }
        }
        let tag = self.stack.verification_tag();
        if tag != self.tag && tag != 0 {
            self.tag = tag;
            out.changes.push(Change::Retagged);
        }
    }

    fn connected(&mut self, out: &mut Produce) {
        if let Some(metrics) = self.stack.get_metrics() {
            self.in_streams = metrics.negotiated_maximum_incoming_streams;
            self.out_streams = metrics.negotiated_maximum_outgoing_streams;
        }
        self.queued = 0;
        self.full = false;
        if let Some(link) = &self.link {
            link.update_info(|info| {
                info.peer.in_streams = self.in_streams;
                info.peer.out_streams = self.out_streams;
            });
        } else {
            out.changes.push(Change::Established);
        }
    }

    fn learn_peer_tag(&mut self, packet: &[u8]) {
        let handshake = matches!(packet.get(wire::HEADER).copied(), Some(chunk::INIT | chunk::INIT_ACK));
        if let Some(header) = Header::parse(packet)
            && !handshake
        {
            self.peer_tag = header.tag;
        }
    }

    fn deliver(&self, event: Event) {
        if let Some(link) = &self.link {
            link.deliver([event]);
        }
    }

    /// Whether the handshake has been completed and the end not begun.
    pub(crate) fn is_connected(&self) -> bool {
        self.stack.state() == SocketState::Connected
    }

    /// Lets go of the stack, whatever state it is in.
    pub(crate) fn discard(self) {
        // A panic was reported where it happened.
        let _ = guarded(move || drop(self.stack));
    }

    pub(crate) fn refresh_info(&self) {
        if let (Some(link), Some(metrics)) = (&self.link, self.stack.get_metrics()) {
            let srtt = (!metrics.srtt.is_zero()).then_some(metrics.srtt);
            link.update_info(|info| info.srtt = srtt);
        }
    }
}

fn is_abort(reason: &CloseReason) -> bool {
    !matches!(reason, CloseReason::Shutdown)
}

fn unique(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut out = Vec::new();
    for address in addresses {
        if !out.contains(&address) {
            out.push(address);
        }
    }
    out
}

/// Whether silence after this packet means something (RFC 9260 §8.2).
fn wants_answer(packet: &[u8]) -> bool {
    wire::chunks(packet).any(|found| {
        matches!(
            found.kind,
            chunk::DATA | chunk::INIT | chunk::COOKIE_ECHO | chunk::HEARTBEAT | chunk::SHUTDOWN | chunk::SHUTDOWN_ACK
        )
    })
}
