//! S1AP links and per-UE radio ids; radio events without the access in them.
//!
//! What it is: the gateway's end of every S1 association. Octets come in with [`Ran::receive`] and become [`RadioEvent`]s;
//! [`RadioCommand`]s go in with [`Ran::command`] and become octets. It answers by itself what concerns only the interface: S1
//! setup, configuration update, reset, error indication. What it deliberately is not: a judge of UEs. It looks inside no
//! NAS message and keeps no UE beyond the life of its connection.
//!
//! Invariants:
//! - a UE message is acted on only when both of its ids name one connection, and that over the association it came on;
//! - an error is never answered with an error; every other message has at most one answer;
//! - an MME-UE-S1AP-ID is a slot with a generation that begins by chance: an id from a past life of the slot finds nothing, one
//!   from a past life of the gateway hardly ever, and connections that a restart does not take over are released;
//! - a connection that is being released is gone at the latest when its guard expires.
//!
//! One file per procedure, each with its ladder. Unlisted procedures are answered by their criticality (TS 36.413 §10.3).
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod cause;
mod configuration_update;
mod connection;
mod context;
mod cx;
mod erab;
mod error_indication;
mod handover;
mod link;
mod nas_transport;
mod overload;
mod paging;
mod path_switch;
mod receive;
mod release;
mod reset;
mod s1_setup;
mod views;

pub use cx::Cx;
pub use overload::Overload;
pub use views::EnbView;

use crate::connection::{Connection, Context};
use crate::handover::Handover;
use crate::link::{Link, LinkState};
use agw_types::{
    BearerEndpoint, Effect, Event, Limits, LinkId, LinkInfo, RadioCause, RadioCommand, RadioEvent, RadioEventKind,
    RadioId, RecordKey,
};
use basalt_ids::{EnbUeS1apId, GlobalEnbId, Tai};
use basalt_s1ap::CriticalityDiagnostics;
use basalt_sansio::{IdLayout, IdParts, Rng, SecureRng, SecureSeed, SlotTable, Time, Timers};
use std::collections::BTreeMap;

/// All S1 associations of one shard and the UE connections over them.
#[derive(Debug, Clone)]
pub struct Ran {
    limits: Limits,
    links: BTreeMap<LinkId, Link>,
    /// The association of each base station whose S1 is set up.
    by_enb: BTreeMap<GlobalEnbId, LinkId>,
    /// The associations that serve an area, for paging.
    by_area: BTreeMap<Tai, Vec<LinkId>>,
    connections: SlotTable<Connection>,
    /// Handovers under way, by source connection.
    handovers: BTreeMap<RadioId, Handover>,
    /// Endpoints of bearers at base stations that UEs are on their way to, by target connection.
    arrivals: BTreeMap<RadioId, Vec<BearerEndpoint>>,
    guards: Timers<Guard>,
    /// What base stations were told about load.
    overload: Option<Overload>,
    /// What the answer to the message in hand shall say about faults in it.
    report: Option<CriticalityDiagnostics>,
    /// Where a slot's generations begin.
    rng: SecureRng,
}

/// What waits for a base station's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Guard {
    /// UE CONTEXT RELEASE COMPLETE.
    Release(RadioId),
    /// RESET ACKNOWLEDGE.
    Reset(LinkId),
    /// The next message of a handover; after it, that the source has forwarded what it had.
    Handover(RadioId),
}

impl Ran {
    /// No associations yet. `seed` differs from life to life, so that ids of the last one find nothing.
    #[must_use]
    pub fn new(limits: Limits, layout: IdLayout, shard: u32, seed: &SecureSeed) -> Self {
        Self {
            limits,
            links: BTreeMap::new(),
            by_enb: BTreeMap::new(),
            by_area: BTreeMap::new(),
            connections: SlotTable::new(layout, shard),
            handovers: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            guards: Timers::new(),
            overload: None,
            report: None,
            rng: SecureRng::new(seed),
        }
    }

    /// An association came up, or outlived the gateway's restart.
    pub fn link_up(&mut self, link: LinkId, info: LinkInfo, cx: &mut Cx<'_>) {
        let resumed = info.resumed;
        if let Some(known) = self.links.get_mut(&link) {
            known.info = info;
            if resumed && let LinkState::Remembered(enb) = &known.state {
                known.state = LinkState::Ready(enb.clone());
                return;
            }
            // A number that is used again means that its old association is gone.
            self.end_link(link, RadioCause::LinkLost, cx);
            if let Some(known) = self.links.get_mut(&link) {
                known.state = LinkState::Fresh;
            }
            return;
        }
        if resumed {
            // Nothing is known of it: only a new association makes the base station set S1 up again.
            let what = format!("association {} had no record and was closed so that its base station returns", link.0);
            cx.tell(Event::Repaired { what });
            cx.effects.push(Effect::CloseLink { link });
        } else if self.links.len() >= self.limits.links as usize {
            let reason = format!("the limit of {} base stations is reached", self.limits.links);
            cx.tell(Event::EnbRefused { enb: None, peer: info.peers.first().copied(), reason });
            cx.effects.push(Effect::CloseLink { link });
        } else {
            self.links.insert(link, Link::new(info));
        }
    }

    /// An association is gone: so are its base station and every connection over it.
    pub fn link_down(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        self.end_link(link, RadioCause::LinkLost, cx);
        self.links.remove(&link);
    }

    /// The peer restarted an association: S1 must be set up again (TS 36.412 §7).
    pub fn link_restarted(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        self.end_link(link, RadioCause::LinkLost, cx);
        if let Some(link) = self.links.get_mut(&link) {
            link.state = LinkState::Fresh;
        }
    }

    /// Ends S1 over an association: connections, base station, record.
    fn end_link(&mut self, link: LinkId, cause: RadioCause, cx: &mut Cx<'_>) {
        let connected_ues = self.end_connections(link, cause, cx);
        self.guards.cancel(&Guard::Reset(link));
        let Some(state) = self.links.get_mut(&link) else { return };
        state.resets = 0;
        let Some(enb) = state.enb().map(|enb| enb.id) else { return };
        state.state = LinkState::Fresh;
        self.forget_enb(enb, link);
        cx.effects.push(Effect::Forget(RecordKey::Link(link)));
        cx.tell(Event::EnbLost { enb, connected_ues });
    }

    /// Takes a base station out of the indexes.
    fn forget_enb(&mut self, enb: GlobalEnbId, link: LinkId) {
        if self.by_enb.get(&enb) == Some(&link) {
            self.by_enb.remove(&enb);
        }
        self.by_area.retain(|_, links| {
            links.retain(|other| *other != link);
            !links.is_empty()
        });
    }

    /// Ends every connection over an association and says how many there were.
    fn end_connections(&mut self, link: LinkId, cause: RadioCause, cx: &mut Cx<'_>) -> u32 {
        let Some(state) = self.links.get_mut(&link) else { return 0 };
        let connections = core::mem::take(&mut state.connections);
        for radio in connections.values() {
            self.end_connection(*radio, cause, cx);
        }
        for radio in self.expected_over(link) {
            self.end_connection(radio, cause, cx);
        }
        connections.len() as u32
    }

    /// Frees a connection's ids and tells its UE, unless the gateway ended it.
    fn end_connection(&mut self, radio: RadioId, cause: RadioCause, cx: &mut Cx<'_>) {
        let Some(connection) = self.connections.remove(radio.0) else { return };
        self.guards.cancel(&Guard::Release(radio));
        self.arrivals.remove(&radio);
        if let Some(link) = self.links.get_mut(&connection.link).filter(|_| !connection.nameless) {
            link.connections.remove(&connection.enb_id.value());
        }
        if connection.context == Context::Departed {
            self.guards.cancel(&Guard::Handover(radio));
        } else if connection.context != Context::Releasing && !self.handover_without(radio, connection.context, cx) {
            cx.events.push(RadioEvent { radio, ue: connection.ue, kind: RadioEventKind::Released { cause } });
        }
    }

    /// Carries out what mobility wants. A command for a connection that is gone is dropped: its end was told already.
    pub fn command(&mut self, command: RadioCommand, cx: &mut Cx<'_>) {
        let Some(command) = self.hold(command, cx) else { return };
        match command {
            RadioCommand::Bind { radio, ue } => {
                if let Some(connection) = self.connections.get_mut(radio.0) {
                    connection.ue = Some(ue);
                }
            }
            RadioCommand::Downlink { radio, nas } => self.downlink(radio, nas, cx),
            RadioCommand::SetupContext { radio, context } => self.setup_context(radio, *context, cx),
            RadioCommand::SetupBearers { radio, ambr, bearers } => self.setup_bearers(radio, ambr, bearers, cx),
            RadioCommand::ModifyBearers { radio, bearers } => self.modify_bearers(radio, bearers, cx),
            RadioCommand::ReleaseBearers { radio, bearers, nas } => self.release_bearers(radio, &bearers, nas, cx),
            RadioCommand::AcknowledgePathSwitch { radio, ncc, next_hop, algorithms } => {
                self.acknowledge_path_switch(radio, ncc, *next_hop.expose(), algorithms, cx);
            }
            RadioCommand::HandOver { radio, setup } => self.request_handover(radio, *setup, cx),
            RadioCommand::RefuseHandover { radio } => self.refuse_handover(radio, cx),
            RadioCommand::Forward { radio, tunnels } => self.command_handover(radio, &tunnels, cx),
            RadioCommand::ModifyContext { radio, ambr } => self.modify_context(radio, ambr, cx),
            RadioCommand::Release { radio, cause } => {
                self.abandon_handover(radio, cx);
                self.release(radio, cause, cx);
            }
            RadioCommand::Page(paging) => self.page(&paging, cx),
        }
    }

    /// When [`Ran::wakeup`] must be called next.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        self.guards.next_wakeup()
    }

    /// Ends what waited too long.
    pub fn wakeup(&mut self, cx: &mut Cx<'_>) {
        while let Some(guard) = self.guards.pop_expired(cx.now.mono) {
            match guard {
                Guard::Release(radio) => self.release_expired(radio, cx),
                Guard::Reset(link) => self.reset_expired(link, cx),
                Guard::Handover(radio) => self.handover_expired(radio, cx),
            }
        }
    }

    /// Makes a connection with an id of its own. `None` when there are no more.
    ///
    /// A slot's first generation is drawn by chance: a process that begins anew would otherwise give the ids of its last life
    /// again, and what a base station still says about one of those would concern somebody else.
    fn open(&mut self, connection: Connection) -> Option<RadioId> {
        const FIRST: u32 = 1;
        let next = self.connections.next_id()?;
        let layout = self.connections.layout();
        let parts = layout.unpack(next)?;
        if parts.generation != FIRST {
            return self.connections.insert(connection).ok().map(RadioId);
        }
        let generation = FIRST + self.rng.below(layout.last_generation().into()) as u32;
        let id = layout.pack(IdParts { generation, ..parts });
        self.connections.insert_at(id, connection).ok()?;
        Some(RadioId(id))
    }

    /// The connection of a UE's message, when it is not being released.
    fn active(&mut self, radio: RadioId) -> Option<&mut Connection> {
        self.connections.get_mut(radio.0).filter(|connection| connection.context != Context::Releasing)
    }

    /// The connection that a base station names by its own id.
    fn by_enb_id(&self, link: LinkId, id: EnbUeS1apId) -> Option<RadioId> {
        self.links.get(&link)?.connections.get(&id.value()).copied()
    }
}
